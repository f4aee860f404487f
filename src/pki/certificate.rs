//! One X.509 certificate and what our protocols ask of it.

use crate::crypto::PublicKey;
use crate::model::Timestamp;

/// Why bytes are no certificate for us.
#[derive(Debug, thiserror::Error)]
#[error("not a usable certificate: {0}")]
pub struct CertificateError(pub String);

/// A parsed certificate with an RSA key.
#[derive(Clone, Debug)]
pub struct Certificate { _der: Vec<u8> }
impl PartialEq for Certificate { fn eq(&self, other: &Self) -> bool { self.der() == other.der() } }
impl Eq for Certificate {}
impl Certificate {
    /// Reads DER.
    pub fn from_der(_der: &[u8]) -> Result<Self, CertificateError> { todo!() }
    /// Reads the first certificate of a PEM text, or DER.
    pub fn from_pem(_pem: &[u8]) -> Result<Self, CertificateError> { todo!() }
    /// Reads every certificate of a PEM text.
    pub fn all_from_pem(_pem: &[u8]) -> Result<Vec<Self>, CertificateError> { todo!() }
    /// The certificates of an X509PKIPathv1 token (DER PkiPath), end entity first.
    pub fn from_pki_path(_der: &[u8]) -> Result<Vec<Self>, CertificateError> { todo!() }
    /// DER octets.
    pub fn der(&self) -> &[u8] { todo!() }
    /// PEM text.
    pub fn to_pem(&self) -> String { todo!() }
    /// Subject as RFC 4514 text, as phase4 and OpenSSL `-nameopt RFC2253` print it.
    pub fn subject(&self) -> &str { todo!() }
    /// Issuer as RFC 4514 text.
    pub fn issuer(&self) -> &str { todo!() }
    /// The common name, read from the structure (AS4-2.3.1.j).
    pub fn common_name(&self) -> Option<&str> { todo!() }
    /// Serial number in decimal.
    pub fn serial(&self) -> String { todo!() }
    /// Whether issuer and serial are those of an X509IssuerSerial; names compared as parsed names.
    pub fn has_issuer_serial(&self, _issuer: &str, _serial: &str) -> bool { todo!() }
    /// Inner octets of the subject key identifier.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> { todo!() }
    /// SHA-1 of the DER, for ThumbprintSHA1 references.
    pub fn sha1(&self) -> Vec<u8> { todo!() }
    /// SHA-256 of the DER in lower-case hexadecimal.
    pub fn sha256(&self) -> String { todo!() }
    /// Start of validity.
    pub fn not_before(&self) -> Timestamp { todo!() }
    /// End of validity.
    pub fn not_after(&self) -> Timestamp { todo!() }
    /// Whether it is marked as a certificate authority.
    pub fn is_ca(&self) -> bool { todo!() }
    /// Whether keyUsage is absent or has digitalSignature.
    pub fn may_sign(&self) -> bool { todo!() }
    /// Whether keyUsage is absent or has keyEncipherment or dataEncipherment.
    pub fn may_encrypt(&self) -> bool { todo!() }
    /// Its RSA key.
    pub fn public_key(&self) -> &PublicKey { todo!() }
}
