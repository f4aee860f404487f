//! Why a discovery failed: by whose fault, under which rule, and whether waiting helps.

use super::bdxl::BdxlError;
use super::certpub::CertPubError;
use super::smp::SmpError;
use crate::model::{Cause, Problem};
use crate::net::client::host_of;
use crate::pki::TrustError;
use std::time::Duration;

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
        /// How long it asks to be left alone (Retry-After), where it does.
        retry_after: Option<Duration>,
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
    /// The SMP gave no answer.
    pub(crate) fn unreachable(url: &str, what: impl Into<String>) -> Self {
        Self::SmpUnreachable { url: url.to_owned(), what: what.into(), retry_after: None }
    }

    /// What it is, for the table that says what follows from it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Dns { source: BdxlError::NotRegistered { .. }, .. } => Cause::DnsNotRegistered,
            Self::Dns { source: BdxlError::Unreachable { .. }, .. } => Cause::DnsUnreachable,
            Self::Dns { .. } => Cause::DnsUnusable,
            Self::SmpUnreachable { .. } => Cause::SmpUnreachable,
            Self::NotOffered { .. } => Cause::SmpNotOffered,
            Self::Answer { .. } => Cause::SmpAnswer,
            Self::Metadata { source: SmpError::Signer(TrustError::UnknownRevocation { .. }), .. }
            | Self::AccessPoint { source: TrustError::UnknownRevocation { .. }, .. }
            | Self::CertPub {
                source: CertPubError::NotTrusted { source: TrustError::UnknownRevocation { .. }, .. },
                ..
            } => Cause::RevocationUnknown,
            Self::Metadata { source, .. } if !source.is_of_an_smp() => Cause::SmpUnproven,
            Self::Metadata { .. } | Self::Address { .. } => Cause::SmpMetadata,
            Self::AccessPoint { .. } | Self::PartyId { .. } => Cause::AccessPointCertificate,
            Self::CertPub { .. } => Cause::CertPub,
        }
    }

    /// Who was away, where that stopped the look-up: all that are looked up there share it.
    pub fn away(&self) -> Option<String> {
        match self {
            Self::Dns { source: BdxlError::Unreachable { .. }, .. } => Some("DNS".into()),
            Self::SmpUnreachable { url, .. } => Some(format!("the SMP at {}", host_of(url))),
            _ => None,
        }
    }

    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        !self.cause().is_for_good()
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
        let (kind, title) = self.words();
        Problem::new(self.cause().fault(), kind, title, format!("{self}; {}", self.remedy())).rule(self.rule())
    }

    /// The problem's URN and its title.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Dns { source: BdxlError::NotRegistered { .. }, .. } => {
                ("participant-unknown", "The participant is not registered")
            }
            Self::Dns { source: BdxlError::Unreachable { .. }, .. } => ("dns-unreachable", "No DNS server answers"),
            Self::Dns { .. } => ("dns-unusable", "The DNS record leads to no SMP"),
            Self::SmpUnreachable { .. } => ("smp-unreachable", "The SMP is unreachable"),
            Self::NotOffered { .. } => ("not-offered", "The recipient does not take this document type"),
            Self::Answer { .. } => ("smp-answer", "The SMP's answer is not taken"),
            Self::Metadata { source, .. } => source.title(),
            Self::AccessPoint { .. } => ("access-point-not-trusted", "The recipient's access point is not trusted"),
            Self::PartyId { .. } => ("party-id", "The recipient's certificate names no access point"),
            Self::Address { .. } => ("address-not-called", "An address that is not called"),
            Self::CertPub { .. } => ("certpub", "No usable certificate of the participant is published"),
        }
    }

    /// What to do: what the table says, or more exactly where more is known.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Metadata { source, .. } => source.remedy(),
            Self::PartyId { .. } => "ask the recipient's operator to publish its AP certificate",
            Self::Address { .. } => "ask who published it to correct it",
            _ => self.cause().row().told,
        }
    }
}
