//! OASIS SMP 1.0: the signed service metadata of one participant and document type. Nothing of an
//! answer is used before its signature, and its signer, have been verified; the unsigned
//! ServiceGroup is never asked (C-65).

use super::certpub::{self, Published};
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::{Cause, DocumentType, ParticipantId, ProcessId, Timestamp};
use crate::pki::{Certificate, CertificateError, Trust, TrustError, Trusted};
use crate::xml::algorithm::{Allowed, Profile};
use crate::xml::dsig::{self, DsigError, Enveloped};
use crate::xml::{Node, Tree, XmlError, ns};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The transport profile of SDK (KOD-T-1.1, AS4-2.3.1.e).
pub const TRANSPORT_PROFILE: &str = "digg-transport-as4-v1_0";

/// Everything in a path segment but the unreserved characters of RFC 3986 is percent-encoded: a plain
/// `#` would end the path, and peers differ in what else they forgive (CERTPUB-REST-3.t01).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why service metadata is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmpError {
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not a SignedServiceMetadata of OASIS SMP 1.0.
    #[error("{path}: found {found}, expected {expected}")]
    Structure {
        /// Where.
        path: String,
        /// What is there.
        found: String,
        /// What OASIS SMP 1.0 has there.
        expected: &'static str,
    },
    /// The signature does not hold (CERTPUB-REST-3.1.p1).
    #[error("the signature of the service metadata does not hold: {0}")]
    Signature(#[from] DsigError),
    /// The signer's certificate cannot be read.
    #[error("the signer's certificate: {0}")]
    SignerCertificate(#[from] CertificateError),
    /// The signer is not an SMP of this federation (AS4-2.10.f, g).
    #[error("the signer of the service metadata is not trusted: {0}")]
    Signer(#[from] TrustError),
    /// A redirect, which SDK does not have (SMP-2.11.p1).
    #[error("the answer redirects to {href}")]
    Redirect {
        /// Where it points.
        href: String,
    },
    /// The answer is about another participant than the one asked for.
    #[error("the answer is about participant {found}, expected {expected}")]
    Participant {
        /// In the answer.
        found: String,
        /// Asked.
        expected: String,
    },
    /// The answer is about another document type than the one asked for (AP-3.1.3.b).
    #[error("the answer is about document type {found}, expected {expected}")]
    DocumentType {
        /// In the answer.
        found: String,
        /// Asked.
        expected: String,
    },
    /// The process is not offered (AP-3.1.3.b).
    #[error("the process {expected} is not offered; found {found}")]
    Process {
        /// Processes in the answer.
        found: String,
        /// Asked.
        expected: String,
    },
    /// No endpoint of SDK's transport profile (AS4-2.3.1.e).
    #[error("no endpoint has the transport profile {expected}; found {found}")]
    TransportProfile {
        /// Profiles in the answer.
        found: String,
        /// Asked.
        expected: &'static str,
    },
    /// The endpoints are not in force at the time.
    #[error("no endpoint is in force at {at}; found {found}")]
    NotInForce {
        /// Periods in the answer.
        found: String,
        /// Time asked.
        at: String,
    },
    /// The chosen endpoint's certificate cannot be read.
    #[error("the certificate of endpoint {address}: {what}")]
    EndpointCertificate {
        /// Its address.
        address: String,
        /// What is wrong.
        what: String,
    },
}

impl SmpError {
    /// Whether it is what an SMP of this federation signed that is not accepted. Anybody may have given another answer: a proxy, a page
    /// that says that the SMP is being mended.
    pub fn is_of_an_smp(&self) -> bool {
        match self {
            Self::Xml(_)
            | Self::Structure { .. }
            | Self::Signature(_)
            | Self::SignerCertificate(_)
            | Self::Signer(_)
            | Self::Redirect { .. } => false,
            Self::Participant { .. }
            | Self::DocumentType { .. }
            | Self::Process { .. }
            | Self::TransportProfile { .. }
            | Self::NotInForce { .. }
            | Self::EndpointCertificate { .. } => true,
        }
    }

    /// The rule that was broken, as requirements are numbered.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Xml(_) | Self::Structure { .. } => "SMP-3.8.p1",
            Self::Signature(_) => "CERTPUB-REST-3.1.p1",
            Self::SignerCertificate(_) => "AS4-2.10.f",
            Self::Signer(TrustError::UnknownRevocation { .. }) => "AS4-2.10.g",
            Self::Signer(_) => "AS4-2.10.f",
            Self::Redirect { .. } => "SMP-2.11.p1",
            Self::Participant { .. } => "CERTPUB-REST-2.2.t02",
            Self::DocumentType { .. } | Self::Process { .. } | Self::NotInForce { .. } => "AP-3.1.3.b",
            Self::TransportProfile { .. } => "AS4-2.3.1.e",
            Self::EndpointCertificate { .. } => "AS4-2.10.a",
        }
    }

    /// A few words, the same for every occurrence, and the last part of the problem's URN.
    pub fn title(&self) -> (&'static str, &'static str) {
        match self {
            Self::Xml(_) | Self::Structure { .. } => {
                ("smp-malformed", "The service metadata is not that of OASIS SMP 1.0")
            }
            Self::Signature(_) => ("smp-signature", "The signature of the service metadata does not hold"),
            Self::SignerCertificate(_) | Self::Signer(_) => {
                ("smp-signer", "The signer of the service metadata is not trusted")
            }
            Self::Redirect { .. } => ("smp-redirect", "The SMP redirects, which SDK does not have"),
            Self::Participant { .. } => ("smp-other-participant", "The service metadata is about another participant"),
            Self::DocumentType { .. } => {
                ("smp-other-document-type", "The service metadata is about another document type")
            }
            Self::Process { .. } => ("process-not-offered", "The recipient does not offer the process"),
            Self::TransportProfile { .. } => {
                ("no-endpoint", "The recipient has no endpoint of SDK's transport profile")
            }
            Self::NotInForce { .. } => ("endpoint-not-in-force", "The recipient's endpoint is not in force"),
            Self::EndpointCertificate { .. } => {
                ("endpoint-certificate", "The recipient's access point certificate is not usable")
            }
        }
    }

    /// What the reader can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Signer(TrustError::UnknownRevocation { .. }) => {
                "see that revocation information of the SMP's certificate can be had"
            }
            Self::SignerCertificate(_) | Self::Signer(_) => {
                "check the configured SMP trust anchors against the environment"
            }
            Self::Process { .. }
            | Self::TransportProfile { .. }
            | Self::NotInForce { .. }
            | Self::DocumentType { .. } => "ask the recipient's operator to publish this service",
            Self::EndpointCertificate { .. } => "ask the recipient's operator to publish a usable certificate",
            Self::Participant { .. } => "ask the operator of the SMP to correct it",
            Self::Xml(_) | Self::Structure { .. } | Self::Signature(_) | Self::Redirect { .. } => {
                Cause::SmpUnproven.row().told
            }
        }
    }
}

/// Where a question to an SMP goes.
pub fn service_url(base: &str, participant: &ParticipantId, document_type: &DocumentType) -> String {
    let participant = format!("{PARTICIPANT_SCHEME}::{}", participant.folded());
    format!(
        "{}/{}/services/{}",
        base.trim_end_matches('/'),
        utf8_percent_encode(&participant, SEGMENT),
        utf8_percent_encode(&document_type.to_string(), SEGMENT)
    )
}

/// One endpoint of a process.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its transport profile, white space around it taken off.
    pub transport_profile: String,
    /// Where AS4 messages are posted to.
    pub address: String,
    /// Not before this; always where it is absent.
    pub activation: Option<Timestamp>,
    /// Not at or after this; for ever where it is absent.
    pub expiration: Option<Timestamp>,
    /// The access point's certificate, or why it cannot be read.
    pub certificate: Result<Certificate, String>,
}

impl Endpoint {
    /// Whether `at` is within activation and expiration.
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.activation.is_none_or(|start| start <= at) && self.expiration.is_none_or(|end| at < end)
    }
}

/// One process with its endpoints, in the order of the document.
#[derive(Clone, Debug)]
pub struct Process {
    /// Scheme and identifier.
    pub id: ProcessId,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// The content of a ServiceInformation. By itself it says nothing of who signed it.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Scheme of the participant.
    pub participant_scheme: String,
    /// The participant, as written.
    pub participant: String,
    /// The document type.
    pub document_type: DocumentType,
    /// Its processes.
    pub processes: Vec<Process>,
    /// CertPub's certificates.
    pub published: Vec<Published>,
}

/// Reads a SignedServiceMetadata without regard to its signature.
///
/// # Errors
///
/// [`SmpError::Xml`], [`SmpError::Structure`], [`SmpError::Redirect`].
pub fn parse(bytes: &[u8]) -> Result<Metadata, SmpError> {
    let tree = Tree::parse(bytes)?;
    let root = tree.root();
    if !root.is(ns::SMP, "SignedServiceMetadata") {
        return Err(structure(
            root,
            name_of(root),
            "SignedServiceMetadata of OASIS SMP 1.0 (namespace .../bdxr/ns/SMP/2016/05)",
        ));
    }
    // Only these two: what else stood there would be signed, and unknown.
    let odd = root.children().find(|child| !child.is(ns::SMP, "ServiceMetadata") && !child.is(ns::DS, "Signature"));
    if let Some(child) = odd {
        return Err(structure(child, name_of(child), "ServiceMetadata and Signature only"));
    }
    let metadata = only(root, "ServiceMetadata")?;
    if let Some(redirect) = metadata.child(ns::SMP, "Redirect") {
        return Err(SmpError::Redirect { href: redirect.attribute("", "href").unwrap_or("(no address)").into() });
    }
    service_information(only(metadata, "ServiceInformation")?)
}

fn service_information(node: Node<'_>) -> Result<Metadata, SmpError> {
    let (participant_scheme, participant) = identifier(only(node, "ParticipantIdentifier")?)?;
    let (scheme, value) = identifier(only(node, "DocumentIdentifier")?)?;
    let processes = only(node, "ProcessList")?.all(ns::SMP, "Process").map(process).collect::<Result<_, _>>()?;
    Ok(Metadata {
        participant_scheme,
        participant,
        document_type: DocumentType { scheme, value },
        processes,
        published: certpub::read(node),
    })
}

fn process(node: Node<'_>) -> Result<Process, SmpError> {
    let (scheme, value) = identifier(only(node, "ProcessIdentifier")?)?;
    let endpoints =
        only(node, "ServiceEndpointList")?.all(ns::SMP, "Endpoint").map(endpoint).collect::<Result<_, _>>()?;
    Ok(Process { id: ProcessId { scheme, value }, endpoints })
}

fn endpoint(node: Node<'_>) -> Result<Endpoint, SmpError> {
    let profile = node.attribute("", "transportProfile");
    let transport_profile = profile
        .ok_or_else(|| structure(node, "no attribute transportProfile", "the attribute transportProfile"))?
        .trim()
        .to_owned();
    Ok(Endpoint {
        transport_profile,
        address: only(node, "EndpointURI")?.text().trim().to_owned(),
        activation: date(node, "ServiceActivationDate")?,
        expiration: date(node, "ServiceExpirationDate")?,
        certificate: read_certificate(&only(node, "Certificate")?.text()),
    })
}

/// An xs:dateTime; without a zone it is in UTC.
fn date(node: Node<'_>, name: &'static str) -> Result<Option<Timestamp>, SmpError> {
    let Some(element) = optional(node, name)? else { return Ok(None) };
    let text = element.text();
    let text = text.trim();
    let local = || text.parse::<jiff::civil::DateTime>().and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC));
    let time = text.parse::<Timestamp>().or_else(|_| local().map(|zoned| zoned.timestamp()));
    time.map(Some).map_err(|_| structure(element, format!("{text:?}"), "a date and time as 2026-11-23T12:00:00Z"))
}

/// A certificate in Base64, with white space or PEM armour around it, or in PEM that was encoded once more.
pub(super) fn read_certificate(text: &str) -> Result<Certificate, String> {
    if text.contains("-----BEGIN") {
        return Certificate::from_pem(text.as_bytes()).map_err(|error| error.to_string());
    }
    let bytes = dsig::base64(text).ok_or("its content is not Base64")?;
    let read =
        if bytes.starts_with(b"-----BEGIN") { Certificate::from_pem(&bytes) } else { Certificate::from_der(&bytes) };
    read.map_err(|error| error.to_string())
}

fn identifier(node: Node<'_>) -> Result<(String, String), SmpError> {
    let value = node.text().trim().to_owned();
    if value.is_empty() {
        return Err(structure(node, "no text", "an identifier"));
    }
    Ok((node.attribute("", "scheme").unwrap_or_default().trim().to_owned(), value))
}

fn only<'t>(node: Node<'t>, name: &'static str) -> Result<Node<'t>, SmpError> {
    optional(node, name)?.ok_or_else(|| structure(node, format!("no {name}"), "exactly one"))
}

fn optional<'t>(node: Node<'t>, name: &'static str) -> Result<Option<Node<'t>>, SmpError> {
    let mut found = node.all(ns::SMP, name);
    let first = found.next();
    if found.next().is_some() {
        return Err(structure(node, format!("several {name}"), "exactly one"));
    }
    Ok(first)
}

fn name_of(node: Node<'_>) -> String {
    format!("{} of namespace {:?}", node.local(), node.ns())
}

fn structure(node: Node<'_>, found: impl Into<String>, expected: &'static str) -> SmpError {
    SmpError::Structure { path: node.path(), found: found.into(), expected }
}

/// Service metadata whose signature holds, under a signer that is trusted. Made by [`verify`] only.
#[derive(Clone, Debug)]
pub struct Signed {
    metadata: Metadata,
    signer: Trusted,
    algorithms: Vec<(&'static str, String)>,
}

/// Verifies the enveloped signature alone: the signer's certificate verified it and is not trusted yet.
///
/// # Errors
///
/// [`SmpError::Signature`].
pub fn verify_signature(bytes: &[u8]) -> Result<Enveloped, SmpError> {
    let key_of = |der: &[u8]| Certificate::from_der(der).ok().map(|certificate| certificate.public_key().clone());
    Ok(dsig::verify_enveloped(|| Ok(bytes), key_of, Profile::Smp, &Allowed::default())?)
}

/// Verifies signature, signer and structure of a SignedServiceMetadata at time `at`.
///
/// # Errors
///
/// [`SmpError`].
pub fn verify(bytes: &[u8], trust: &Trust, at: Timestamp) -> Result<Signed, SmpError> {
    let enveloped = verify_signature(bytes)?;
    let signer = check_signer(&enveloped, trust, at)?;
    // The signature covers the whole document but itself, so the same bytes are what is read.
    Ok(Signed { metadata: parse(bytes)?, signer, algorithms: enveloped.algorithms })
}

/// Whether the certificate that verified a signature may sign service metadata.
pub fn check_signer(enveloped: &Enveloped, trust: &Trust, at: Timestamp) -> Result<Trusted, SmpError> {
    let leaf = Certificate::from_der(&enveloped.certificate)?;
    // A further certificate that cannot be read can only be missing from the chain.
    let others: Vec<Certificate> = enveloped.others.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    Ok(trust.check(&leaf, &others, at)?)
}

impl Signed {
    /// What was signed.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Who signed it.
    pub fn signer(&self) -> &Trusted {
        &self.signer
    }

    /// Identifiers of the algorithms of its signature.
    pub fn algorithms(&self) -> &[(&'static str, String)] {
        &self.algorithms
    }
}

impl Metadata {
    /// Whether this answers the question: the participant without regard to case (C-11), the document type exactly.
    ///
    /// # Errors
    ///
    /// [`SmpError::Participant`], [`SmpError::DocumentType`].
    pub fn answers(&self, participant: &ParticipantId, document_type: &DocumentType) -> Result<(), SmpError> {
        self.is_of(PARTICIPANT_SCHEME, participant.as_str())?;
        self.is_about(document_type)
    }

    /// Whether it is about this participant.
    ///
    /// # Errors
    ///
    /// [`SmpError::Participant`].
    pub fn is_of(&self, scheme: &str, value: &str) -> Result<(), SmpError> {
        if self.participant_scheme == scheme && self.participant.to_lowercase() == value.to_lowercase() {
            return Ok(());
        }
        Err(SmpError::Participant {
            found: format!("{}::{}", self.participant_scheme, self.participant),
            expected: format!("{scheme}::{value}"),
        })
    }

    /// Whether it is about this document type.
    ///
    /// # Errors
    ///
    /// [`SmpError::DocumentType`].
    pub fn is_about(&self, document_type: &DocumentType) -> Result<(), SmpError> {
        if self.document_type == *document_type {
            return Ok(());
        }
        Err(SmpError::DocumentType { found: self.document_type.to_string(), expected: document_type.to_string() })
    }

    /// The endpoint to use for a process: SDK's transport profile, in force at `at`, the first of several.
    ///
    /// # Errors
    ///
    /// [`SmpError::Process`], [`SmpError::TransportProfile`], [`SmpError::NotInForce`].
    pub fn select(&self, process: &ProcessId, at: Timestamp) -> Result<&Endpoint, SmpError> {
        let offered = self.processes.iter().filter(|offered| offered.id == *process).collect::<Vec<_>>();
        if offered.is_empty() {
            let found = list(self.processes.iter().map(|process| process.id.to_string()));
            return Err(SmpError::Process { found, expected: process.to_string() });
        }
        let endpoints: Vec<&Endpoint> = offered.iter().flat_map(|process| &process.endpoints).collect();
        let ours = || endpoints.iter().filter(|endpoint| endpoint.transport_profile == TRANSPORT_PROFILE);
        if ours().next().is_none() {
            let found = list(endpoints.iter().map(|endpoint| endpoint.transport_profile.clone()));
            return Err(SmpError::TransportProfile { found, expected: TRANSPORT_PROFILE });
        }
        ours().find(|endpoint| endpoint.in_force(at)).copied().ok_or_else(|| SmpError::NotInForce {
            found: list(ours().map(|endpoint| period(endpoint))),
            at: at.to_string(),
        })
    }
}

fn period(endpoint: &Endpoint) -> String {
    let time = |time: Option<Timestamp>, open: &str| time.map_or_else(|| open.to_owned(), |time| time.to_string());
    format!("{} to {}", time(endpoint.activation, "ever"), time(endpoint.expiration, "ever"))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}
