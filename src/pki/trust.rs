//! Whom we trust for what: pinned anchors by role, validity, key size, revocation.

use super::Certificate;
use crate::model::Timestamp;

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role { /// Signs or receives AS4 messages.
    AccessPoint, /// Signs service metadata.
    Smp, /// A participant's organisation-to-organisation certificate.
    Participant }

/// What is asked of revocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revocation { /// The status must be known to be good. Nothing here can know it yet, so every certificate is refused.
    Required, /// Not asked: testbeds only.
    Unchecked }

/// Why a certificate is not trusted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A CA certificate where an end entity is expected.
    #[error("{subject} is marked as a certificate authority")]
    Authority { /// Subject.
        subject: String },
    /// Not issued under an anchor of this federation and environment (AS4-2.10.a, c).
    #[error("{subject}, issued by {issuer}, does not lead to a trust anchor of this federation; expected one of: {expected}")]
    Chain { /// Subject.
        subject: String, /// Issuer.
        issuer: String, /// Anchors.
        expected: String },
    /// Outside its validity.
    #[error("{subject} is valid from {from} to {to}, not at {at}")]
    Validity { /// Subject.
        subject: String, /// Start.
        from: String, /// End.
        to: String, /// Time asked.
        at: String },
    /// keyUsage forbids it.
    #[error("{subject}: keyUsage lacks {lacks}")]
    Usage { /// Subject.
        subject: String, /// The missing usage.
        lacks: &'static str },
    /// The key is too short.
    #[error("{subject} has an RSA key of {bits} bits; expected at least {least}")]
    Weak { /// Subject.
        subject: String, /// Found.
        bits: usize, /// Expected.
        least: usize },
    /// Its revocation status is not known (AS4-2.10.b, d, g).
    #[error("the revocation status of {subject} is not known")]
    UnknownRevocation { /// Subject.
        subject: String },
}

/// What is accepted in a role.
#[derive(Clone, Debug)]
pub struct Trust { /// The role, for error texts.
    pub role: Role, /// CA certificates that are pinned as anchors (C-47: the intermediate). Non-CA certificates here are trusted as they are.
    pub anchors: Vec<Certificate>, /// Revocation.
    pub revocation: Revocation, /// Shortest RSA key in bits.
    pub bits_least: usize, /// Whether validity in time is asked.
    pub validity: bool }

/// A certificate that `Trust::check` accepted. Nothing else makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trusted(Certificate);
impl Trusted {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate { &self.0 }
}

impl Trust {
    /// Checks that `leaf` may act in this role at time `at`; `others` help to build the chain and are not trusted themselves.
    pub fn check(&self, _leaf: &Certificate, _others: &[Certificate], _at: Timestamp) -> Result<Trusted, TrustError> { todo!() }
}
