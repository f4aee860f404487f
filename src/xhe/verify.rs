//! The signature of an envelope (C4), before anything is decrypted (XHE-3.2.p2).

use crate::crypto::{Digest, HashFunction, equal};
use crate::pki::{Certificate, CertificateError};
use crate::xml::algorithm::{Allowed, Profile};
use crate::xml::dsig::{DsigError, verify_enveloped};
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

/// Why the signature of an envelope was not accepted. A message so signed is answered REJECTED/SIG/security (MSG-5.3.t12).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The certificate in the signature is none.
    #[error("the certificate in the signature: {0}")]
    Certificate(#[from] CertificateError),
    /// The envelope changed between two readings.
    #[error("the envelope changed while it was read")]
    Changed,
    /// No valid signature of the profile.
    #[error(transparent)]
    Signature(#[from] DsigError),
}

/// An envelope whose signature holds. Only [`verify()`] makes one, and [`open()`](super::open()) asks for it: so
/// nothing is decrypted that was not verified, and nothing else than what was verified.
#[derive(Clone, Debug)]
pub struct Signed {
    certificate: Certificate,
    others: Vec<Certificate>,
    algorithms: Vec<(&'static str, String)>,
    octets: Vec<u8>,
}

impl Signed {
    /// The certificate whose key verified the signature. Whether it is trusted, and equals the one that
    /// CertPub publishes for the sender (XHE-3.5.a, b), is for the caller to ask.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Further certificates of the signature's KeyInfo, to build a chain with.
    pub fn others(&self) -> &[Certificate] {
        &self.others
    }

    /// The algorithms of the signature, by their use.
    pub fn algorithms(&self) -> &[(&'static str, String)] {
        &self.algorithms
    }

    /// Whether these octets (by their SHA-256) are those that were verified.
    pub(super) fn covers(&self, octets: &[u8]) -> bool {
        equal(&self.octets, octets)
    }
}

/// Verifies the enveloped signature of an envelope of any size; `open` gives the envelope anew for each pass.
///
/// # Errors
///
/// [`VerifyError`]; an envelope without a signature is one of them.
pub fn verify<R: Read>(open: impl Fn() -> io::Result<R>) -> Result<Signed, VerifyError> {
    let passes = Rc::new(RefCell::new(Vec::new()));
    let hashed = || {
        let inner = open()?;
        Ok(Hashing { inner, digest: Some(Digest::new(HashFunction::Sha256)), passes: Rc::clone(&passes) })
    };
    let key_of = |der: &[u8]| Certificate::from_der(der).ok().map(|c| c.public_key().clone());
    let enveloped = verify_enveloped(hashed, key_of, Profile::Xhe, &Allowed::new())?;
    let passes = passes.take();
    let octets = passes.first().cloned().ok_or(VerifyError::Changed)?;
    if passes.iter().any(|pass| !equal(pass, &octets)) {
        return Err(VerifyError::Changed);
    }
    let others = enveloped.others.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    Ok(Signed {
        certificate: Certificate::from_der(&enveloped.certificate)?,
        others,
        algorithms: enveloped.algorithms,
        octets,
    })
}

/// Notes the digest of what was read, when it was read to its end.
struct Hashing<R> {
    inner: R,
    digest: Option<Digest>,
    passes: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n > 0 {
            if let Some(digest) = &mut self.digest {
                digest.update(&buffer[..n]);
            }
        } else if !buffer.is_empty()
            && let Some(digest) = self.digest.take()
        {
            self.passes.borrow_mut().push(digest.finish());
        }
        Ok(n)
    }
}
