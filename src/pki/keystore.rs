//! Our own keys: PEM files in, PKCS#12 out for Java peers of the testbed.

use super::{Certificate, CertificateError};
use crate::crypto::PrivateKey;
use std::path::Path;

/// A private key with its certificate and chain.
#[derive(Clone, Debug)]
pub struct Identity { /// The key.
    pub key: PrivateKey, /// Its certificate.
    pub certificate: Certificate, /// Issuers above it, nearest first.
    pub chain: Vec<Certificate> }

/// Why a key store was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The certificate.
    #[error("{path}: {source}")]
    Certificate { /// File.
        path: String, /// Cause.
        source: CertificateError },
    /// The file.
    #[error("{path}: {source}")]
    Io { /// File.
        path: String, /// Cause.
        source: std::io::Error },
    /// The key.
    #[error("{path}: {source}")]
    Key { /// File.
        path: String, /// Cause.
        source: crate::crypto::CryptoError },
    /// Key and certificate do not belong together.
    #[error("{key} is not the key of {certificate}: their public keys differ")]
    Mismatch { /// Key file.
        key: String, /// Certificate file.
        certificate: String },
}
impl Identity {
    /// Reads a PEM key and a PEM certificate (further certificates in that file are the chain), and checks that they belong together.
    pub fn from_files(_key: &Path, _certificate: &Path) -> Result<Self, KeystoreError> { todo!() }
}

/// PKCS#12 with key, certificate and chain under `alias`, readable by Java (PBES2, HMAC-SHA-256).
pub fn pkcs12_key(_key_pem: &str, _certificate: &Certificate, _chain: &[Certificate], _alias: &str, _password: &str) -> Result<Vec<u8>, String> { todo!() }
/// PKCS#12 with trusted certificates that Java sees as trusted entries (attribute 2.16.840.1.113894.746875.1.1).
pub fn pkcs12_trust(_entries: &[(String, Certificate)], _password: &str) -> Result<Vec<u8>, String> { todo!() }
