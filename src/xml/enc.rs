//! XML Encryption, the closed profile: EncryptedKey by RSA-OAEP, EncryptedData by AES-GCM (AS4) or AES-256-CBC (XHE).

use super::algorithm::{self, Allowed, NotAccepted, Profile};
use super::dsig;
use super::ns;
use super::schema::{self, Children};
use super::tree::NodeId;
use super::{Node, XmlError};
use crate::crypto::Oaep;
use crate::limits;

/// Longest wrapped key: RSA of 16384 bits.
const WRAPPED_KEY_BYTES_MAX: usize = 2048;

/// Why encrypted content was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncError {
    /// An algorithm outside the profile.
    #[error(transparent)]
    Algorithm(#[from] NotAccepted),
    /// The structure is not that of the profile.
    #[error("{what}")]
    Structure {
        /// What was found and expected.
        what: String,
    },
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

impl From<String> for EncError {
    fn from(what: String) -> Self {
        Self::Structure { what }
    }
}

/// A parsed xenc:EncryptedKey.
#[derive(Clone, Debug)]
pub struct EncryptedKey {
    /// Its Id.
    pub id: Option<String>,
    /// OAEP parameters.
    pub oaep: Oaep,
    /// EncryptionMethod, as written.
    pub method_uri: String,
    /// Decoded CipherValue.
    pub value: Vec<u8>,
    /// ReferenceList/DataReference URIs, without "#".
    pub references: Vec<String>,
    /// The ds:KeyInfo, for the reader of key references.
    pub key_info: Option<NodeId>,
}

impl EncryptedKey {
    /// Reads an xenc:EncryptedKey.
    ///
    /// # Errors
    /// `Structure` and `Algorithm`; a label (OAEPparams) is refused, and so is a CipherReference.
    pub fn parse(node: Node<'_>, profile: Profile, allowed: &Allowed) -> Result<Self, EncError> {
        named(node, "EncryptedKey")?;
        let mut children = Children::of(node)?;
        let method = children.required(ns::XENC, "EncryptionMethod")?;
        let key_info = children.optional(ns::DS, "KeyInfo");
        let cipher = children.required(ns::XENC, "CipherData")?;
        let list = children.optional(ns::XENC, "ReferenceList");
        children.optional(ns::XENC, "CarriedKeyName");
        children.end()?;

        let method_uri = schema::attribute(method, "Algorithm")?;
        Ok(Self {
            id: node.attribute("", "Id").map(str::to_owned),
            oaep: oaep(method, method_uri, profile, allowed)?,
            method_uri: method_uri.to_owned(),
            value: wrapped_key(cipher)?,
            references: list.map_or(Ok(Vec::new()), data_references)?,
            key_info: key_info.map(|node| node.id),
        })
    }
}

/// A parsed xenc:EncryptedData. `CipherReference` (AS4) or inline value (XHE, kept apart by its reader).
#[derive(Clone, Debug)]
pub struct EncryptedData {
    /// Its Id.
    pub id: Option<String>,
    /// Type.
    pub kind: Option<String>,
    /// MimeType.
    pub mime: Option<String>,
    /// EncryptionMethod, as written.
    pub method_uri: String,
    /// Key length in bytes.
    pub key_bytes: usize,
    /// CipherReference URI.
    pub cipher_reference: Option<String>,
    /// Transforms of the CipherReference.
    pub transforms: Vec<String>,
    /// The ds:KeyInfo.
    pub key_info: Option<NodeId>,
}

impl EncryptedData {
    /// Reads an xenc:EncryptedData. In AS4 its CipherData is a CipherReference; in XHE a CipherValue,
    /// whose text is not looked at here.
    ///
    /// # Errors
    /// `Structure` and `Algorithm`.
    pub fn parse(node: Node<'_>, profile: Profile, allowed: &Allowed) -> Result<Self, EncError> {
        named(node, "EncryptedData")?;
        let mut children = Children::of(node)?;
        let method = children.required(ns::XENC, "EncryptionMethod")?;
        let key_info = children.optional(ns::DS, "KeyInfo");
        let mut cipher = Children::of(children.required(ns::XENC, "CipherData")?)?;
        children.end()?;

        let method_uri = schema::attribute(method, "Algorithm")?;
        let key_bytes = algorithm::content(method_uri, profile, allowed)?;
        check_key_size(method, key_bytes)?;
        let (cipher_reference, transforms) = if profile == Profile::As4 {
            let reference = cipher.required(ns::XENC, "CipherReference")?;
            (Some(schema::attribute(reference, "URI")?.to_owned()), cipher_transforms(reference)?)
        } else {
            cipher.required(ns::XENC, "CipherValue")?;
            (None, Vec::new())
        };
        cipher.end()?;
        let attribute = |name| node.attribute("", name).map(str::to_owned);
        Ok(Self {
            id: attribute("Id"),
            kind: attribute("Type"),
            mime: attribute("MimeType"),
            method_uri: method_uri.to_owned(),
            key_bytes,
            cipher_reference,
            transforms,
            key_info: key_info.map(|node| node.id),
        })
    }
}

fn named(node: Node<'_>, local: &str) -> Result<(), EncError> {
    if node.is(ns::XENC, local) {
        return Ok(());
    }
    Err(format!("element {} where xenc:{local} is expected", node.local()).into())
}

/// DigestMethod and MGF, in either order (the schema has `any` there), each once, and no label.
fn oaep(method: Node<'_>, uri: &str, profile: Profile, allowed: &Allowed) -> Result<Oaep, EncError> {
    let (mut digest, mut mgf) = (None, None);
    for child in method.children() {
        let place = match (child.ns(), child.local()) {
            (ns::DS, "DigestMethod") => &mut digest,
            (ns::XENC11, "MGF") => &mut mgf,
            (ns::XENC, "OAEPparams") if child.text().trim().is_empty() => continue,
            (_, local) => return Err(format!("{local} in the EncryptionMethod of a key").into()),
        };
        if place.replace(schema::attribute(child, "Algorithm")?).is_some() {
            return Err(format!("{} twice in one EncryptionMethod", child.local()).into());
        }
    }
    Ok(algorithm::key_transport(uri, digest, mgf, profile, allowed)?)
}

fn wrapped_key(cipher: Node<'_>) -> Result<Vec<u8>, EncError> {
    let mut children = Children::of(cipher)?;
    let value = children.required(ns::XENC, "CipherValue")?;
    children.end()?;
    let bytes = dsig::base64(&schema::simple(value)?).ok_or_else(|| String::from("CipherValue is not Base64"))?;
    if bytes.is_empty() || bytes.len() > WRAPPED_KEY_BYTES_MAX {
        return Err(format!("a wrapped key of {} bytes", bytes.len()).into());
    }
    Ok(bytes)
}

/// The ids that an xenc:ReferenceList names, without "#".
///
/// # Errors
/// `Structure` for anything but DataReferences, and for more than `limits` says.
pub fn data_references(list: Node<'_>) -> Result<Vec<String>, EncError> {
    let mut children = Children::of(list)?;
    let mut references: Vec<String> = Vec::new();
    while let Some(reference) = children.optional(ns::XENC, "DataReference") {
        let uri = schema::attribute(reference, "URI")?;
        let id = uri.strip_prefix('#').filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| format!("DataReference {uri:?}; expected #id"))?;
        if references.iter().any(|known| known == id) {
            return Err(format!("two DataReferences to {id}").into());
        }
        if references.len() >= limits::SIGNATURE_REFERENCES_MAX {
            return Err(format!("more DataReferences; expected at most {}", limits::SIGNATURE_REFERENCES_MAX).into());
        }
        references.push(id.to_owned());
    }
    children.end()?;
    Ok(references)
}

/// KeySize, where written, is the one that the algorithm has; nothing else belongs there.
fn check_key_size(method: Node<'_>, key_bytes: usize) -> Result<(), EncError> {
    let mut children = Children::of(method)?;
    if let Some(size) = children.optional(ns::XENC, "KeySize") {
        let found = schema::simple(size)?;
        if found.trim() != (key_bytes * 8).to_string() {
            return Err(format!("KeySize {:?}; expected {}", found.trim(), key_bytes * 8).into());
        }
    }
    Ok(children.end()?)
}

fn cipher_transforms(reference: Node<'_>) -> Result<Vec<String>, EncError> {
    let mut children = Children::of(reference)?;
    let transforms = children.optional(ns::XENC, "Transforms");
    children.end()?;
    let Some(transforms) = transforms else {
        return Ok(Vec::new());
    };
    let mut children = Children::of(transforms)?;
    let mut uris = Vec::new();
    while let Some(transform) = children.optional(ns::DS, "Transform") {
        uris.push(schema::attribute(transform, "Algorithm")?.to_owned());
    }
    children.end()?;
    Ok(uris)
}
