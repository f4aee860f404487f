//! Whom we trust for what: pinned anchors by role, validity, key size, revocation.

use super::Certificate;
use crate::model::Timestamp;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use webpki::ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Signs AS4 messages, and receives them where [`Trusted::may_encrypt`] lets it.
    AccessPoint,
    /// Signs service metadata.
    Smp,
    /// A participant's organisation-to-organisation certificate: signs envelopes, or receives them, or
    /// both (XHE A3). See [`Trusted::may_sign`] and [`Trusted::may_encrypt`].
    Participant,
}

/// What is asked of revocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// The status must be known to be good. Nothing here can know it yet, so every certificate is refused.
    Required,
    /// Not asked: testbeds only.
    Unchecked,
}

/// Why a certificate is not trusted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A CA certificate where an end entity is expected.
    #[error("{subject} is marked as a certificate authority; expected the certificate of an end entity")]
    Authority {
        /// Subject.
        subject: String,
    },
    /// Not issued under an anchor of this federation and environment (AS4-2.10.a, c).
    #[error(
        "{subject}, issued by {issuer}, does not lead to a trust anchor of this federation ({why}); expected one of: {expected}"
    )]
    Chain {
        /// Subject.
        subject: String,
        /// Issuer.
        issuer: String,
        /// Where the chain breaks.
        why: &'static str,
        /// Anchors.
        expected: String,
    },
    /// Outside its validity.
    #[error("{subject} is valid from {from} to {to}, not at {at}")]
    Validity {
        /// Subject.
        subject: String,
        /// Start.
        from: String,
        /// End.
        to: String,
        /// Time asked.
        at: String,
    },
    /// keyUsage forbids it.
    #[error("{subject}: keyUsage lacks {lacks}")]
    Usage {
        /// Subject.
        subject: String,
        /// The missing usage.
        lacks: &'static str,
    },
    /// The key is too short.
    #[error("{subject} has an RSA key of {bits} bits; expected at least {least}")]
    Weak {
        /// Subject.
        subject: String,
        /// Found.
        bits: usize,
        /// Expected.
        least: usize,
    },
    /// Its revocation status is not known (AS4-2.10.b, d, g).
    #[error("the revocation status of {subject} is not known")]
    UnknownRevocation {
        /// Subject.
        subject: String,
    },
}

/// What is accepted in a role.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The role.
    pub role: Role,
    /// CA certificates that are pinned as anchors (C-47: the intermediate). Non-CA certificates here
    /// are trusted as they are.
    pub anchors: Vec<Certificate>,
    /// Revocation.
    pub revocation: Revocation,
    /// Shortest RSA key in bits.
    pub bits_least: usize,
    /// Whether validity in time is asked.
    pub validity: bool,
    /// Chains that were verified before.
    pub proven: Proven,
}

/// Certificates whose chain was verified, so that a partner's is not verified for each of its messages. It belongs to one set of
/// anchors: a copy of it is empty. Key usage, key size, validity and revocation are asked each time.
#[derive(Debug, Default)]
pub struct Proven(Mutex<HashMap<Vec<u8>, RangeInclusive<Timestamp>>>);

impl Clone for Proven {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Proven {
    fn holds(&self, leaf: &Certificate, at: Timestamp) -> bool {
        let proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proven.get(leaf.der()).is_some_and(|time| time.contains(&at))
    }

    fn remember(&self, leaf: &Certificate, time: RangeInclusive<Timestamp>) {
        let mut proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= PROVEN_MAX {
            proven.clear();
        }
        proven.insert(leaf.der().to_vec(), time);
    }
}

/// A certificate that `Trust::check` accepted. Nothing else makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trusted(Certificate);

impl Trusted {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.0
    }

    /// Refuses a certificate whose keyUsage does not let it sign.
    pub fn may_sign(&self) -> Result<(), TrustError> {
        allowed(&self.0, self.0.may_sign(), SIGN)
    }

    /// Refuses a certificate whose keyUsage does not let others encrypt to it.
    pub fn may_encrypt(&self) -> Result<(), TrustError> {
        allowed(&self.0, self.0.may_encrypt(), ENCRYPT)
    }
}

impl Trust {
    /// Checks that `leaf` may act in this role at time `at`; `others` help to build the chain and are not trusted themselves.
    ///
    /// The chain ends at a pinned anchor, which need not be a root. Names are never enough: each
    /// signature of the chain is verified, RSA with SHA-256 or longer and 2048 bits or more. The
    /// extended key usage is not asked (C-51: participants have certificates made for TLS).
    ///
    /// # Errors
    ///
    /// The first that applies of: validity, certificate authority, key usage, key size, chain, revocation.
    pub fn check(&self, leaf: &Certificate, others: &[Certificate], at: Timestamp) -> Result<Trusted, TrustError> {
        self.check_validity(leaf, at)?;
        if leaf.is_ca() {
            return Err(TrustError::Authority { subject: leaf.subject().into() });
        }
        self.check_usage(leaf)?;
        let (bits, least) = (leaf.public_key().bits(), self.bits_least);
        if bits < least {
            return Err(TrustError::Weak { subject: leaf.subject().into(), bits, least });
        }
        let known = self.anchors.contains(leaf) || (self.validity && self.proven.holds(leaf, at));
        if !known {
            self.check_chain(leaf, others, at)?;
            // An issuer in between, which a message brings, may end sooner than what is looked at here.
            if self.validity && !others.iter().any(Certificate::may_issue) {
                self.proven.remember(leaf, self.in_force(leaf, at));
            }
        }
        match self.revocation {
            Revocation::Unchecked => Ok(Trusted(leaf.clone())),
            Revocation::Required => Err(TrustError::UnknownRevocation { subject: leaf.subject().into() }),
        }
    }

    fn check_validity(&self, certificate: &Certificate, at: Timestamp) -> Result<(), TrustError> {
        if !self.validity || valid(certificate, at) {
            return Ok(());
        }
        Err(TrustError::Validity {
            subject: certificate.subject().into(),
            from: certificate.not_before().to_string(),
            to: certificate.not_after().to_string(),
            at: at.to_string(),
        })
    }

    fn check_usage(&self, leaf: &Certificate) -> Result<(), TrustError> {
        match self.role {
            // Who signs need not be one to whom others encrypt: routes ask for that beside it.
            Role::Smp | Role::AccessPoint => allowed(leaf, leaf.may_sign(), SIGN),
            Role::Participant => {
                allowed(leaf, leaf.may_sign() || leaf.may_encrypt(), "digitalSignature and keyEncipherment")
            }
        }
    }

    fn check_chain(&self, leaf: &Certificate, others: &[Certificate], at: Timestamp) -> Result<(), TrustError> {
        let refuse = |why| TrustError::Chain {
            subject: leaf.subject().into(),
            issuer: leaf.issuer().into(),
            why,
            expected: self.expected(),
        };
        let authorities: Vec<_> = self.anchors.iter().filter(|anchor| anchor.is_ca()).collect();
        let in_time: Vec<_> = authorities
            .iter()
            .filter(|anchor| !self.validity || valid(anchor, at))
            .map(|anchor| CertificateDer::from(anchor.der()))
            .collect();
        let anchors: Vec<_> = in_time.iter().filter_map(|anchor| anchor_from_trusted_cert(anchor).ok()).collect();
        let between: Vec<_> =
            others.iter().filter(|other| other.may_issue()).map(|other| CertificateDer::from(other.der())).collect();
        let der = CertificateDer::from(leaf.der());
        let end_entity = EndEntityCert::try_from(&der).map_err(|error| refuse(reason(&error)))?;
        // Where validity is not asked, the chain has to hold in the middle of the certificate's life.
        let middle = (leaf.not_before().as_second() + leaf.not_after().as_second()) / 2;
        let at = if self.validity { at.as_second() } else { middle };
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
        end_entity.verify_for_usage(&SIGNATURES, &anchors, &between, time, AnyUsage, None, None).map(|_| ()).map_err(
            |error| match error {
                webpki::Error::UnknownIssuer if in_time.len() < authorities.len() => {
                    refuse("its issuer is unknown here, or an anchor that is not valid at that time")
                }
                error => refuse(reason(&error)),
            },
        )
    }

    /// The time around `at` in which this certificate and every anchor that it may lead to are valid.
    fn in_force(&self, leaf: &Certificate, at: Timestamp) -> RangeInclusive<Timestamp> {
        let anchors = self.anchors.iter().filter(|anchor| anchor.is_ca() && valid(anchor, at));
        let whole = leaf.not_before()..=leaf.not_after();
        anchors
            .fold(whole, |time, anchor| *time.start().max(&anchor.not_before())..=*time.end().min(&anchor.not_after()))
    }

    fn expected(&self) -> String {
        let names: Vec<_> = self.anchors.iter().map(Certificate::subject).collect();
        if names.is_empty() { "none, as no anchor is configured".into() } else { names.join("; ") }
    }
}

fn valid(certificate: &Certificate, at: Timestamp) -> bool {
    // The end is a whole second, and all of it belongs to the validity (RFC 5280, 4.1.2.5).
    certificate.not_before() <= at && at.as_second() <= certificate.not_after().as_second()
}

fn allowed(certificate: &Certificate, may: bool, lacks: &'static str) -> Result<(), TrustError> {
    if may { Ok(()) } else { Err(TrustError::Usage { subject: certificate.subject().into(), lacks }) }
}

/// What to say of a chain that does not hold.
fn reason(error: &webpki::Error) -> &'static str {
    use webpki::Error;
    match error {
        Error::InvalidSignatureForPublicKey => "a signature of the chain does not hold",
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => "an issuer in between is not valid at that time",
        Error::EndEntityUsedAsCa => "an issuer in between is no certificate authority",
        Error::PathLenConstraintViolated => "the chain is longer than an issuer allows",
        Error::NameConstraintViolation => "an issuer does not allow that name",
        Error::UnsupportedCriticalExtension => "a critical extension is not understood",
        Error::UnknownIssuer => "its issuer is unknown here",
        Error::UnsupportedCertVersion => "its version is not 3",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a certificate of the chain is not signed with RSA of 2048 bits and SHA-256 or better"
        }
        _ => "the chain does not hold",
    }
}

/// Any extended key usage will do.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Most certificates that are remembered as proven: many times the access points of a federation.
const PROVEN_MAX: usize = 4096;
/// Signature algorithms of certificates: Digg signs with SHA-256, SITHS with SHA-512 (contradictions, annex 1).
static SIGNATURES: [&dyn SignatureVerificationAlgorithm; 3] =
    [RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512];
const SIGN: &str = "digitalSignature";
const ENCRYPT: &str = "keyEncipherment";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pem: &str) -> Certificate {
        Certificate::from_pem(pem.as_bytes()).unwrap()
    }

    /// Any byte of a certificate may be changed by whoever sends it: then it is no certificate, or not trusted.
    #[test]
    fn a_certificate_with_a_changed_byte_is_never_trusted() {
        let leaf = read(include_str!("../../certs/test/access-points/AP0001-DEMO/cert.pem"));
        let issuing = read(include_str!("../../certs/test/ca/ap.cert.pem"));
        let root = read(include_str!("../../certs/test/ca/ap-root.cert.pem"));
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let trust = |anchor: &Certificate| Trust {
            role: Role::AccessPoint,
            anchors: vec![anchor.clone()],
            revocation: Revocation::Unchecked,
            bits_least: 3072,
            validity: false,
            proven: Proven::default(),
        };
        trust(&issuing).check(&leaf, &[], now).unwrap();
        trust(&root).check(&leaf, std::slice::from_ref(&issuing), now).unwrap();
        let remembering = Trust { validity: true, ..trust(&issuing) };
        for _ in 0..2 {
            remembering.check(&leaf, &[], now).unwrap();
        }
        assert!(remembering.proven.holds(&leaf, now) && !remembering.clone().proven.holds(&leaf, now));
        let over = leaf.not_after().checked_add(Duration::from_secs(2)).unwrap();
        assert!(remembering.check(&leaf, &[], over).is_err());
        let changed = |certificate: &Certificate, at: usize| {
            let mut der = certificate.der().to_vec();
            der[at] ^= [1, 0x80, 0x20][at % 3];
            Certificate::from_der(&der)
        };
        for at in 0..leaf.der().len() {
            let Ok(changed) = changed(&leaf, at) else { continue };
            assert!(trust(&issuing).check(&changed, &[], now).is_err(), "byte {at}");
            assert!(remembering.check(&changed, &[], now).is_err(), "byte {at}, after the right one");
        }
        for at in 0..issuing.der().len() {
            let Ok(changed) = changed(&issuing, at) else { continue };
            assert!(trust(&root).check(&leaf, &[changed], now).is_err(), "byte {at} of the issuer");
        }
    }
}
