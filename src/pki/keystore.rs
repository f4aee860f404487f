//! Our own keys: PEM files in, PKCS#12 out for Java peers of the testbed.

use super::{Certificate, CertificateError};
use crate::crypto::{CryptoError, PrivateKey, pem};
use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKeyChain};
use std::fs;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// A private key with its certificate and chain.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key.
    pub key: PrivateKey,
    /// Its certificate.
    pub certificate: Certificate,
    /// Issuers above it, nearest first.
    pub chain: Vec<Certificate>,
}

/// Why a key store was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The certificate.
    #[error("{path}: {source}")]
    Certificate {
        /// File.
        path: String,
        /// Cause.
        source: CertificateError,
    },
    /// The file.
    #[error("{path}: {source}")]
    Io {
        /// File.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// The key.
    #[error("{path}: {source}")]
    Key {
        /// File.
        path: String,
        /// Cause.
        source: CryptoError,
    },
    /// Key and certificate do not belong together.
    #[error("{key} is not the key of {certificate}: their public keys differ")]
    Mismatch {
        /// Key file.
        key: String,
        /// Certificate file.
        certificate: String,
    },
}

impl Identity {
    /// Reads a PEM key and a PEM certificate (further certificates in that file are the chain), and checks that they belong together.
    pub fn from_files(key: &Path, certificate: &Path) -> Result<Self, KeystoreError> {
        let read = |path: &Path| fs::read(path).map_err(|source| KeystoreError::Io { path: name(path), source });
        let (key_text, certificate_text) = (Zeroizing::new(read(key)?), read(certificate)?);
        Self::from_pem(&key_text, &certificate_text).map_err(|problem| match problem {
            Unfit::Certificate(source) => KeystoreError::Certificate { path: name(certificate), source },
            Unfit::Key(source) => KeystoreError::Key { path: name(key), source },
            Unfit::Mismatch => KeystoreError::Mismatch { key: name(key), certificate: name(certificate) },
        })
    }

    /// The same from the texts themselves, or their DER.
    pub fn from_pem(key: &[u8], certificate: &[u8]) -> Result<Self, Unfit> {
        let key = if pem::is_pem(key) { PrivateKey::from_pem(key)? } else { PrivateKey::from_der(key)? };
        let mut chain = Certificate::all_from_pem(certificate)?;
        let certificate = chain.remove(0);
        if *certificate.public_key() != key.public_key() {
            return Err(Unfit::Mismatch);
        }
        Ok(Self { key, certificate, chain })
    }
}

/// Why texts are no identity.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The certificate or its chain.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The key.
    #[error(transparent)]
    Key(#[from] CryptoError),
    /// They do not belong together.
    #[error("the key is not the key of the certificate: their public keys differ")]
    Mismatch,
}

/// PKCS#12 with key, certificate and chain under `alias`, readable by Java (PBES2, HMAC-SHA-256).
///
/// # Errors
///
/// When the key is not an unencrypted PKCS#8, or when its certificate is another one's.
pub fn pkcs12_key(
    key_pem: &str,
    certificate: &Certificate,
    chain: &[Certificate],
    alias: &str,
    password: &str,
) -> Result<Vec<u8>, String> {
    let key = PrivateKey::from_pem(key_pem.as_bytes()).map_err(|error| error.to_string())?;
    if key.public_key() != *certificate.public_key() {
        return Err(Unfit::Mismatch.to_string());
    }
    let section = pem::sections(key_pem.as_bytes()).into_iter().find(|section| section.label == "PRIVATE KEY");
    let der = section.and_then(|section| section.content).ok_or("the key is no PKCS#8")?;
    let key = p12_keystore::PrivateKey::from_der(&der).map_err(|error| error.to_string())?;
    let certificates = std::iter::once(certificate).chain(chain).map(entry).collect::<Result<Vec<_>, _>>()?;
    // Java pairs key and certificate by localKeyID; any value does, the same for both.
    let entry = KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(certificate.sha1(), key, certificates));
    write(vec![(alias, entry)], password)
}

/// PKCS#12 with trusted certificates that Java sees as trusted entries (attribute 2.16.840.1.113894.746875.1.1).
pub fn pkcs12_trust(entries: &[(String, Certificate)], password: &str) -> Result<Vec<u8>, String> {
    let entries = entries.iter().map(|(alias, certificate)| {
        entry(certificate).map(|certificate| (alias.as_str(), KeyStoreEntry::Certificate(certificate)))
    });
    write(entries.collect::<Result<_, _>>()?, password)
}

fn entry(certificate: &Certificate) -> Result<p12_keystore::Certificate, String> {
    p12_keystore::Certificate::from_der(certificate.der()).map_err(|error| error.to_string())
}

fn write(entries: Vec<(&str, KeyStoreEntry)>, password: &str) -> Result<Vec<u8>, String> {
    let mut store = KeyStore::new();
    for (alias, entry) in entries {
        store.add_entry(alias, entry);
    }
    store.writer(password).write().map_err(|error| error.to_string())
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
