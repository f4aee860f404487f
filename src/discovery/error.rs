//! Why a discovery failed: by whose fault, under which rule, and whether waiting helps.

use super::bdxl::BdxlError;
use super::certpub::CertPubError;
use super::smp::SmpError;
use crate::model::{Fault, Problem};
use crate::pki::TrustError;

/// A discovery that gave no route or no certificate. Grouped by whose turn it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// DNS: the participant is not registered, its record is unusable, or no server answers.
    #[error("participant {participant}: {source}")]
    Dns {
        /// Who was looked up.
        participant: String,
        /// What happened.
        source: BdxlError,
    },
    /// The SMP gave no answer, or said that it cannot now (AP-3.2.3).
    #[error("the SMP at {url} is unreachable: {what}")]
    SmpUnreachable {
        /// What was asked.
        url: String,
        /// What happened.
        what: String,
    },
    /// The SMP does not know the participant or the document type (AP-3.1.3.b, AP-3.2.4).
    #[error("the SMP does not offer {document_type} for {participant}: {url} answered {status}")]
    NotOffered {
        /// Who was looked up.
        participant: String,
        /// For what.
        document_type: String,
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The SMP answered with what is no service metadata.
    #[error("the SMP at {url} gave an answer that is not taken: {what}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The SMP's answer is not acceptable.
    #[error("{url}: {source}")]
    Metadata {
        /// What was asked.
        url: String,
        /// Why not.
        source: SmpError,
    },
    /// The recipient's access point is not one of this federation (AS4-2.10.a, b).
    #[error("the certificate of the access point at {address}: {source}")]
    AccessPoint {
        /// Its address.
        address: String,
        /// Why not.
        source: TrustError,
    },
    /// The certificate names no access point.
    #[error("the certificate of the access point at {address} has the common name {found}, expected a party id")]
    PartyId {
        /// Its address.
        address: String,
        /// The common name.
        found: String,
    },
    /// An address that may not be called: not https, or on this machine.
    #[error("the address {url} is not called: {what}")]
    Address {
        /// The address.
        url: String,
        /// Found and expected.
        what: String,
    },
    /// CertPub has no usable certificate of the participant.
    #[error("participant {participant}: {source}")]
    CertPub {
        /// Whose.
        participant: String,
        /// Why not.
        source: CertPubError,
    },
}

impl DiscoveryError {
    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::SmpUnreachable { .. } | Self::Dns { source: BdxlError::Unreachable { .. }, .. })
    }

    /// The rule under which this stops, as requirements are numbered.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Dns { source: BdxlError::NotRegistered { .. }, .. } => "AP-3.2.4.a",
            Self::Dns { source: BdxlError::Unreachable { .. }, .. } | Self::SmpUnreachable { .. } => "AP-3.2.3.c",
            Self::Dns { .. } => "SML-1.1.p1",
            Self::NotOffered { .. } => "AP-3.1.3.b",
            Self::Answer { .. } | Self::Address { .. } => "SMP-3.1.p1",
            Self::Metadata { source, .. } => source.rule(),
            Self::AccessPoint { source: TrustError::UnknownRevocation { .. }, .. } => "AS4-2.10.b",
            Self::AccessPoint { .. } => "AS4-2.10.a",
            Self::PartyId { .. } => "AP-3.1.5.b",
            Self::CertPub { source: CertPubError::NotTrusted { .. }, .. } => "XHE-3.5.a",
            Self::CertPub { .. } => "CERTPUB-REST-3.p2",
        }
    }

    /// As people and programs see it: found, expected, what to do.
    pub fn problem(&self) -> Problem {
        let fault = if self.is_temporary() { Fault::Temporary } else { Fault::Refused };
        let (kind, title, remedy) = self.words();
        Problem::new(fault, kind, title, format!("{self}; {remedy}")).rule(self.rule())
    }

    /// The problem's URN, its title, and what to do.
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Dns { source: BdxlError::NotRegistered { .. }, .. } => (
                "participant-unknown",
                "The participant is not registered",
                "check its identifier, and the configured zone",
            ),
            Self::Dns { source: BdxlError::Unreachable { .. }, .. } => {
                ("dns-unreachable", "No DNS server answers", "try again; check the configured DNS servers")
            }
            Self::Dns { .. } => {
                ("dns-unusable", "The DNS record leads to no SMP", "ask the operator of the SML zone to correct it")
            }
            Self::SmpUnreachable { .. } => {
                ("smp-unreachable", "The SMP is unreachable", "try again; see whether this machine may reach it")
            }
            Self::NotOffered { .. } => (
                "not-offered",
                "The recipient does not take this document type",
                "ask the recipient's operator to publish the service",
            ),
            Self::Answer { .. } => {
                ("smp-answer", "The SMP's answer is not taken", "ask the operator of the SMP to correct it")
            }
            Self::Metadata { source, .. } => {
                let (kind, title) = source.title();
                (kind, title, source.remedy())
            }
            Self::AccessPoint { .. } => (
                "access-point-not-trusted",
                "The recipient's access point is not trusted",
                "check the configured trust anchors against the environment, and ask the recipient's operator",
            ),
            Self::PartyId { .. } => (
                "party-id",
                "The recipient's certificate names no access point",
                "ask the recipient's operator to publish its AP certificate",
            ),
            Self::Address { .. } => {
                ("address-not-called", "An address that is not called", "ask who published it to correct it")
            }
            Self::CertPub { .. } => (
                "certpub",
                "No usable certificate of the participant is published",
                "ask the participant to have its certificate published, or to have it renewed",
            ),
        }
    }
}
