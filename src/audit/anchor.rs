//! Anchors: the end of the chain at one moment, signed with the access point's key and kept where nobody who can write the
//! store can write. A journal that was cut or written anew as a whole is consistent in itself, and found by them alone.

use crate::crypto::{CryptoError, HashFunction, hex};
use crate::model::{PartyId, Timestamp};
use crate::pki::{Certificate, CertificateError, Identity, Trust, TrustError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Longest line of a file of anchors, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The chain up to a record, as its access point signed it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The access point.
    pub party: PartyId,
    /// The record.
    pub record: u64,
    /// The chain hash with it, in lower-case hexadecimal.
    pub chain: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The certificate of the signature, in PEM.
    pub certificate: String,
    /// The signature over [`Anchor::text`], RSA with SHA-256 (PKCS #1 v1.5), in hexadecimal.
    pub signature: String,
}

/// Why an anchor is not believed, or not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Its certificate is none.
    #[error("the anchor of record {record} has no certificate that can be read: {source}")]
    Certificate {
        /// Of which record.
        record: u64,
        /// Cause.
        source: CertificateError,
    },
    /// The key.
    #[error("an anchor cannot be signed: {0}")]
    Key(#[from] CryptoError),
    /// Its signature does not hold.
    #[error("the signature of the anchor of record {record} does not hold: the anchor was changed, or is another's")]
    Signature {
        /// Of which record.
        record: u64,
    },
    /// Another access point's.
    #[error("the anchor of record {record} is signed by {found}, expected {expected}")]
    Party {
        /// Of which record.
        record: u64,
        /// Found.
        found: String,
        /// Expected.
        expected: PartyId,
    },
    /// A certificate that is not trusted.
    #[error("the certificate of the anchor of record {record} is not trusted: {source}")]
    Trust {
        /// Of which record.
        record: u64,
        /// Cause.
        source: TrustError,
    },
    /// The file.
    #[error("{0}")]
    File(String),
}

impl Anchor {
    /// Signs the end of the chain.
    ///
    /// # Errors
    ///
    /// [`AnchorError::Key`] when the key does not sign.
    pub fn sign(
        identity: &Identity,
        party: &PartyId,
        (record, chain): (u64, &[u8; 32]),
        at: Timestamp,
    ) -> Result<Self, AnchorError> {
        let certificate = identity.certificate.to_pem();
        let mut anchor =
            Self { party: party.clone(), record, chain: hex(chain), at, certificate, signature: String::new() };
        anchor.signature = hex(&identity.key.sign(HashFunction::Sha256, anchor.text().as_bytes())?);
        Ok(anchor)
    }

    /// What is signed.
    pub fn text(&self) -> String {
        format!("sluss anchor 1\nparty {}\nrecord {}\nchain {}\nat {}\n", self.party, self.record, self.chain, self.at)
    }

    /// The signature's octets; none where it is no hexadecimal.
    pub fn signature_octets(&self) -> Vec<u8> {
        let digits = self.signature.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>().unwrap_or_default()
    }

    /// Whether its signature holds, is by the access point that it names, and, where `trust` is given, by a certificate that
    /// was trusted when it was signed.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, trust: Option<&Trust>) -> Result<Certificate, AnchorError> {
        let record = self.record;
        let certificate = Certificate::from_pem(self.certificate.as_bytes())
            .map_err(|source| AnchorError::Certificate { record, source })?;
        let held =
            certificate.public_key().verify(HashFunction::Sha256, self.text().as_bytes(), &self.signature_octets());
        held.map_err(|_| AnchorError::Signature { record })?;
        if certificate.common_name() != Some(self.party.as_str()) {
            let found = certificate.subject().to_owned();
            return Err(AnchorError::Party { record, found, expected: self.party.clone() });
        }
        if let Some(trust) = trust {
            trust.check(&certificate, &[], self.at).map_err(|source| AnchorError::Trust { record, source })?;
        }
        Ok(certificate)
    }
}

/// Reads a file of anchors: one in JSON on each line.
///
/// # Errors
///
/// [`AnchorError::File`] when it cannot be read or a line is no anchor.
pub fn read(path: &Path) -> Result<Vec<Anchor>, AnchorError> {
    let failed = |n: usize, what: String| AnchorError::File(format!("{}, line {n}: {what}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(|error| failed(0, error.to_string()))?);
    let mut anchors = Vec::new();
    for n in 1.. {
        let mut line = String::new();
        let read = (&mut file).take(LINE_BYTES_MAX).read_line(&mut line);
        if read.map_err(|error| failed(n, error.to_string()))? == 0 {
            break;
        }
        if !line.trim().is_empty() {
            anchors.push(serde_json::from_str(&line).map_err(|error| failed(n, error.to_string()))?);
        }
    }
    Ok(anchors)
}

/// Adds an anchor to a file, which is made when missing, and makes it durable.
///
/// # Errors
///
/// [`AnchorError::File`] when it cannot be written.
pub fn append(path: &Path, anchor: &Anchor) -> Result<(), AnchorError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut line = serde_json::to_vec(anchor).map_err(io::Error::other)?;
        // A line that a crash left half-written stays alone.
        if file.metadata()?.len() > 0 {
            let mut end = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut end)?;
            if end != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()
    };
    write().map_err(|error| AnchorError::File(format!("{}: {error}", path.display())))
}
