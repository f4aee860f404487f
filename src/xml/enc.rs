//! XML Encryption, the closed profile: EncryptedKey by RSA-OAEP, EncryptedData by AES-GCM (AS4) or AES-256-CBC (XHE).

use super::algorithm::{Allowed, NotAccepted, Profile};
use super::{Node, XmlError};
use crate::crypto::Oaep;

/// Why encrypted content was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncError {
    /// An algorithm outside the profile.
    #[error(transparent)]
    Algorithm(#[from] NotAccepted),
    /// The structure is not that of the profile.
    #[error("{what}")]
    Structure { /// What was found and expected.
        what: String },
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// A parsed xenc:EncryptedKey.
#[derive(Clone, Debug)]
pub struct EncryptedKey { /// Its Id.
    pub id: Option<String>, /// OAEP parameters.
    pub oaep: Oaep, /// EncryptionMethod, as written.
    pub method_uri: String, /// Decoded CipherValue.
    pub value: Vec<u8>, /// ReferenceList/DataReference URIs, without "#".
    pub references: Vec<String>, /// The ds:KeyInfo, for the reader of key references.
    pub key_info: Option<super::tree::NodeId> }
impl EncryptedKey {
    /// Reads an xenc:EncryptedKey.
    pub fn parse(_node: Node<'_>, _profile: Profile, _allowed: &Allowed) -> Result<Self, EncError> { todo!() }
}

/// A parsed xenc:EncryptedData. `CipherReference` (AS4) or inline value (XHE, kept apart by its reader).
#[derive(Clone, Debug)]
pub struct EncryptedData { /// Its Id.
    pub id: Option<String>, /// Type.
    pub kind: Option<String>, /// MimeType.
    pub mime: Option<String>, /// EncryptionMethod, as written.
    pub method_uri: String, /// Key length in bytes.
    pub key_bytes: usize, /// CipherReference URI.
    pub cipher_reference: Option<String>, /// Transforms of the CipherReference.
    pub transforms: Vec<String>, /// The ds:KeyInfo.
    pub key_info: Option<super::tree::NodeId> }
impl EncryptedData {
    /// Reads an xenc:EncryptedData.
    pub fn parse(_node: Node<'_>, _profile: Profile, _allowed: &Allowed) -> Result<Self, EncError> { todo!() }
}
