//! What wsse:Security says: tokens, the ways to name a key (protocol.md 2.6), and which part is encrypted how.

use super::cause::RefusalCause;
use super::error::{Finding, Refusal};
use super::mime;
use crate::crypto::Oaep;
use crate::limits;
use crate::pki::Certificate;
use crate::xml::algorithm::{Allowed, NotAccepted, Profile};
use crate::xml::dsig;
use crate::xml::enc::{self, EncError, EncryptedData, EncryptedKey};
use crate::xml::tree::NodeId;
use crate::xml::{Node, ns};
use std::fmt;

/// How a message names the certificate that signed it, or that it was encrypted to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyReference {
    /// A BinarySecurityToken with the certificate.
    Token(Box<Certificate>),
    /// A BinarySecurityToken with a certificate path, end entity first.
    Path(Vec<Certificate>),
    /// A key identifier that holds the whole certificate.
    Embedded(Box<Certificate>),
    /// Subject key identifier.
    SubjectKey(Vec<u8>),
    /// SHA-1 of the certificate.
    Thumbprint(Vec<u8>),
    /// Issuer's name and serial number.
    IssuerSerial {
        /// Distinguished name.
        issuer: String,
        /// Decimal.
        serial: String,
    },
}

impl KeyReference {
    /// The word for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => "bst",
            Self::Path(_) => "pkipath",
            Self::Embedded(_) => "x509",
            Self::SubjectKey(_) => "ski",
            Self::Thumbprint(_) => "thumbprint",
            Self::IssuerSerial { .. } => "issuer-serial",
        }
    }

    /// The certificates that the message itself brings, end entity first.
    pub fn certificates(&self) -> &[Certificate] {
        match self {
            Self::Token(certificate) | Self::Embedded(certificate) => std::slice::from_ref(certificate),
            Self::Path(path) => path,
            Self::SubjectKey(_) | Self::Thumbprint(_) | Self::IssuerSerial { .. } => &[],
        }
    }

    /// Whether this names `certificate`.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Token(_) | Self::Path(_) | Self::Embedded(_) => self.certificates().first() == Some(certificate),
            Self::SubjectKey(id) => certificate.subject_key_identifier() == Some(id),
            Self::Thumbprint(sha1) => certificate.sha1() == *sha1,
            Self::IssuerSerial { issuer, serial } => certificate.has_issuer_serial(issuer, serial),
        }
    }
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) | Self::Path(_) | Self::Embedded(_) => match self.certificates().first() {
                Some(c) => write!(f, "{} (serial {}, issued by {})", c.subject(), c.serial(), c.issuer()),
                None => f.write_str("an empty certificate path"),
            },
            Self::SubjectKey(id) => write!(f, "subject key identifier {}", crate::crypto::hex(id)),
            Self::Thumbprint(sha1) => write!(f, "SHA-1 thumbprint {}", crate::crypto::hex(sha1)),
            Self::IssuerSerial { issuer, serial } => write!(f, "serial {serial}, issued by {issuer}"),
        }
    }
}

/// The one ds:Signature of wsse:Security, if there is one.
pub(super) fn signature(security: Node<'_>) -> Result<Option<Node<'_>>, Refusal> {
    let mut signatures = security.all(ns::DS, "Signature");
    match (signatures.next(), signatures.next()) {
        (_, Some(_)) => Err(policy("several ds:Signature in wsse:Security", "one")),
        (first, None) => Ok(first),
    }
}

/// How the signature names its key.
pub(super) fn signer_reference(signature: Node<'_>) -> Result<KeyReference, Refusal> {
    let info = signature
        .child(ns::DS, "KeyInfo")
        .ok_or_else(|| key_policy("ds:Signature without KeyInfo", "a SecurityTokenReference"))?;
    key_reference(info)
}

/// Reads ds:KeyInfo with its one SecurityTokenReference (Basic Security Profile R5402, R5417, R3061).
fn key_reference(info: Node<'_>) -> Result<KeyReference, Refusal> {
    let target = token_reference(info)?;
    if target.is(ns::WSSE, "Reference") {
        let node = referred(target)?;
        let (said, is) = (target.attribute("", "ValueType"), node.attribute("", "ValueType"));
        if said.is_some() && said != is {
            return Err(key_policy(
                format!("a reference {} to a token {}", typed(said), typed(is)),
                "the token's own type",
            ));
        }
        return token(node);
    }
    if target.is(ns::WSSE, "Embedded") {
        let mut held = target.children();
        return match (held.next(), held.next()) {
            (Some(only), None) => token(only),
            _ => Err(key_policy("wsse:Embedded without one token", "wsse:Embedded with a BinarySecurityToken")),
        };
    }
    if target.is(ns::WSSE, "KeyIdentifier") {
        return key_identifier(target);
    }
    if target.is(ns::DS, "X509Data") {
        let pair = target.child(ns::DS, "X509IssuerSerial");
        let text = |name: &str| {
            pair.and_then(|p| p.child(ns::DS, name)).map(|n| n.text().trim().to_owned()).filter(|t| !t.is_empty())
        };
        if let (Some(issuer), Some(serial)) = (text("X509IssuerName"), text("X509SerialNumber")) {
            return Ok(KeyReference::IssuerSerial { issuer, serial });
        }
    }
    Err(key_policy(
        format!("a key reference {}", target.path()),
        "Reference, Embedded, KeyIdentifier or X509IssuerSerial",
    ))
}

/// The one child of the one SecurityTokenReference of ds:KeyInfo.
fn token_reference(info: Node<'_>) -> Result<Node<'_>, Refusal> {
    let wrong = || {
        key_policy(
            format!("{} without one SecurityTokenReference with one child", info.path()),
            "ds:KeyInfo with a SecurityTokenReference",
        )
    };
    let only = |node: Node<'_>| node.children().count() == 1;
    let reference = info.child(ns::WSSE, "SecurityTokenReference").filter(|_| only(info)).ok_or_else(wrong)?;
    reference.children().next().filter(|_| only(reference)).ok_or_else(wrong)
}

/// The element that `wsse:Reference/@URI` points at.
fn referred(reference: Node<'_>) -> Result<Node<'_>, Refusal> {
    let uri = reference.attribute("", "URI").unwrap_or_default();
    let id = uri.strip_prefix('#').filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| {
        key_policy(
            format!("a token reference to {}", if uri.is_empty() { "nothing" } else { uri }),
            "# and the id of a token in this message",
        )
    })?;
    reference.tree.by_id(id).map_err(|e| key_policy(e.to_string(), "a reference to one token of this message"))
}

fn token(node: Node<'_>) -> Result<KeyReference, Refusal> {
    let holders = ["Security", "Embedded"];
    let in_place = node.parent().is_some_and(|parent| holders.iter().any(|holder| parent.is(ns::WSSE, holder)));
    if !in_place || !node.is(ns::WSSE, "BinarySecurityToken") {
        return Err(key_policy(
            format!("a key reference to {}", node.path()),
            "a BinarySecurityToken in wsse:Security",
        ));
    }
    let octets = octets(node)?;
    let unreadable = |e: crate::pki::CertificateError| {
        Refusal::Authentication(
            Finding::new(format!("a token: {e}"), "an X.509 certificate with an RSA key")
                .cause(RefusalCause::KeyReference),
        )
    };
    match suffix(node.attribute("", "ValueType").unwrap_or_default(), X509_PROFILE) {
        Some("#X509v3") => Certificate::from_der(&octets).map(|c| KeyReference::Token(Box::new(c))).map_err(unreadable),
        Some("#X509PKIPathv1") => {
            let path = Certificate::from_pki_path(&octets).map_err(unreadable)?;
            if path.is_empty() {
                Err(key_policy("an empty certificate path", "at least one certificate"))
            } else {
                Ok(KeyReference::Path(path))
            }
        }
        _ => {
            Err(key_policy(format!("a token {}", typed(node.attribute("", "ValueType"))), "#X509v3 or #X509PKIPathv1"))
        }
    }
}

fn key_identifier(node: Node<'_>) -> Result<KeyReference, Refusal> {
    let octets = octets(node)?;
    let kind = node.attribute("", "ValueType").unwrap_or_default();
    if suffix(kind, MESSAGE_SECURITY_11) == Some("#ThumbprintSHA1") {
        return Ok(KeyReference::Thumbprint(octets));
    }
    match suffix(kind, X509_PROFILE) {
        Some("#X509SubjectKeyIdentifier") => Ok(KeyReference::SubjectKey(octets)),
        Some("#X509v3") => {
            let certificate = Certificate::from_der(&octets);
            certificate.map(|c| KeyReference::Embedded(Box::new(c))).map_err(|e| {
                Refusal::Authentication(
                    Finding::new(e.to_string(), "an X.509 certificate").cause(RefusalCause::KeyReference),
                )
            })
        }
        _ => Err(key_policy(
            format!("a key identifier {}", typed(node.attribute("", "ValueType"))),
            "#X509SubjectKeyIdentifier, #ThumbprintSHA1 or #X509v3",
        )),
    }
}

/// The Base64 content of a token or key identifier.
fn octets(node: Node<'_>) -> Result<Vec<u8>, Refusal> {
    if let Some(encoding) = node.attribute("", "EncodingType").filter(|e| *e != super::sign::BASE64_BINARY) {
        return Err(key_policy(format!("EncodingType {encoding:?}"), "#Base64Binary"));
    }
    let decoded = dsig::base64(&node.text()).filter(|octets| !octets.is_empty());
    decoded.ok_or_else(|| key_policy(format!("{} that is not Base64", node.path()), "Base64"))
}

fn suffix<'a>(text: &'a str, base: &str) -> Option<&'a str> {
    text.strip_prefix(base)
}

/// An encrypted session key.
#[derive(Debug)]
pub(super) struct SessionKey {
    node: NodeId,
    pub(super) oaep: Oaep,
    pub(super) method_uri: String,
    pub(super) value: Vec<u8>,
    pub(super) recipient: KeyReference,
    references: Vec<String>,
}

/// One encrypted part.
#[derive(Debug)]
pub(super) struct EncryptedPart {
    /// Content id in its compared form.
    pub(super) content_id: String,
    /// Type of the part when it was signed.
    pub(super) mime: Option<String>,
    pub(super) method_uri: String,
    pub(super) key_bytes: usize,
    /// Index of its session key.
    pub(super) key: usize,
}

/// All that wsse:Security says of encryption.
#[derive(Debug, Default)]
pub(super) struct Encryption {
    /// The session keys that parts use, and no others: each costs a private-key operation.
    pub(super) keys: Vec<SessionKey>,
    pub(super) parts: Vec<EncryptedPart>,
}

/// Reads the encryption and refuses what this profile has no use for: other children of wsse:Security, encrypted
/// elements, two EncryptedData for one part, more session keys than parts.
pub(super) fn encryption(security: Node<'_>, allowed: &Allowed) -> Result<Encryption, Refusal> {
    if let Some(other) = security.children().find(|n| !CHILDREN.iter().any(|(ns, local)| n.is(ns, local))) {
        return Err(policy(
            format!("{} in wsse:Security", other.local()),
            "X.509 tokens, one signature and encrypted parts",
        ));
    }
    let mut found = Encryption::default();
    let data: Vec<Node<'_>> = security.all(ns::XENC, "EncryptedData").collect();
    let keys: Vec<Node<'_>> = security.all(ns::XENC, "EncryptedKey").collect();
    if data.len() > limits::MIME_PARTS_MAX {
        return Err(policy(
            format!("{} EncryptedData", data.len()),
            format!("at most {}, one for each part", limits::MIME_PARTS_MAX),
        ));
    }
    // A message without parts may bring the key that it would have used, and one session key may be encrypted to two
    // certificates of its receiver, the old and the new.
    let keys_max = data.len().max(2);
    if keys.len() > keys_max {
        return Err(policy(
            format!("{} EncryptedKeys", keys.len()),
            format!("at most {keys_max}, one for each part and two for a single one"),
        ));
    }
    for node in keys {
        found.keys.push(session_key(node, allowed)?);
    }
    for node in &data {
        let part = encrypted_part(*node, &mut found.keys, allowed)?;
        if found.parts.iter().any(|p| p.content_id == part.content_id) {
            return Err(policy(format!("two EncryptedData for the part {}", part.content_id), "one"));
        }
        found.parts.push(part);
    }
    listed(security, &data)?;
    found.keys.iter().try_for_each(|key| lead_to(&key.references, &data))?;
    let everywhere = security.tree.root().descendants().filter(|node| node.is(ns::XENC, "EncryptedData")).count();
    if everywhere != found.parts.len() {
        return Err(policy("an EncryptedData outside wsse:Security", "encrypted parts only, never elements"));
    }
    found.forget_unused_keys();
    Ok(found)
}

impl Encryption {
    fn forget_unused_keys(&mut self) {
        let mut at = 0;
        while at < self.keys.len() {
            if self.parts.iter().any(|part| part.key == at) {
                at += 1;
                continue;
            }
            self.keys.remove(at);
            self.parts.iter_mut().filter(|part| part.key > at).for_each(|part| part.key -= 1);
        }
    }
}

/// A ReferenceList may also stand beside the keys; which key is that of a part, its KeyInfo says.
fn listed(security: Node<'_>, data: &[Node<'_>]) -> Result<(), Refusal> {
    let mut lists = security.all(ns::XENC, "ReferenceList");
    let (Some(list), None) = (lists.next(), lists.next()) else {
        return match security.child(ns::XENC, "ReferenceList") {
            None => Ok(()),
            Some(_) => Err(policy("several ReferenceList in wsse:Security", "one at most")),
        };
    };
    lead_to(&enc::data_references(list).map_err(from_enc)?, data)
}

/// A list names encrypted parts of wsse:Security and nothing else.
fn lead_to(ids: &[String], data: &[Node<'_>]) -> Result<(), Refusal> {
    match ids.iter().find(|id| !data.iter().any(|node| node.attribute("", "Id") == Some(id))) {
        Some(id) => Err(policy(format!("a DataReference to #{id}"), "the Id of an EncryptedData of wsse:Security")),
        None => Ok(()),
    }
}

fn session_key(node: Node<'_>, allowed: &Allowed) -> Result<SessionKey, Refusal> {
    let key = EncryptedKey::parse(node, Profile::As4, allowed).map_err(from_enc)?;
    let info = key.key_info.ok_or_else(|| policy("EncryptedKey without KeyInfo", "a SecurityTokenReference"))?;
    Ok(SessionKey {
        node: node.id,
        oaep: key.oaep,
        method_uri: key.method_uri,
        value: key.value,
        recipient: key_reference(node.tree.node(info))?,
        references: key.references,
    })
}

fn encrypted_part(node: Node<'_>, keys: &mut Vec<SessionKey>, allowed: &Allowed) -> Result<EncryptedPart, Refusal> {
    let data = EncryptedData::parse(node, Profile::As4, allowed).map_err(from_enc)?;
    if data.kind.as_deref() != Some(CONTENT_ONLY) {
        let found = data.kind.map_or_else(|| "without Type".to_owned(), |kind| format!("of type {kind}"));
        return Err(policy(format!("EncryptedData {found}"), CONTENT_ONLY));
    }
    let cid = data.cipher_reference.as_deref().filter(|uri| uri.starts_with("cid:"));
    let cid = cid.ok_or_else(|| policy("EncryptedData without CipherReference to cid:", "a part of this message"))?;
    if data.transforms != [CIPHERTEXT] {
        let found = match data.transforms.as_slice() {
            [] => format!("no transform of {cid}"),
            some => format!("the transforms {} of {cid}", some.join(" and ")),
        };
        return Err(policy(found, CIPHERTEXT));
    }
    let by_info = data.key_info.map(|id| key_of(node.tree.node(id), keys, allowed)).transpose()?;
    let by_list = keys.iter().position(|key| data.id.as_ref().is_some_and(|id| key.references.contains(id)));
    let key = match (by_info, by_list) {
        (Some(a), Some(b)) if a != b => {
            return Err(policy(format!("two session keys for {cid}"), "KeyInfo and ReferenceList that agree"));
        }
        (Some(key), _) | (None, Some(key)) => key,
        (None, None) => return Err(policy(format!("no session key for {cid}"), "an EncryptedKey that lists it")),
    };
    Ok(EncryptedPart {
        content_id: mime::content_id(cid),
        mime: data.mime,
        method_uri: data.method_uri,
        key_bytes: data.key_bytes,
        key,
    })
}

/// The EncryptedKey that the KeyInfo of an EncryptedData names, or brings.
fn key_of(info: Node<'_>, keys: &mut Vec<SessionKey>, allowed: &Allowed) -> Result<usize, Refusal> {
    if let Some(own) = info.child(ns::XENC, "EncryptedKey").filter(|_| info.children().count() == 1) {
        keys.push(session_key(own, allowed)?);
        return Ok(keys.len() - 1);
    }
    let target = token_reference(info)?;
    let node = if target.is(ns::WSSE, "Reference") { Some(referred(target)?) } else { None };
    let key = node.and_then(|node| keys.iter().position(|key| key.node == node.id));
    key.ok_or_else(|| {
        policy(
            "an EncryptedData whose KeyInfo names no EncryptedKey of wsse:Security",
            "a reference to an EncryptedKey",
        )
    })
}

fn from_enc(error: EncError) -> Refusal {
    match error {
        EncError::Algorithm(error) => not_accepted(error),
        EncError::Structure { what } => structure(&what, "the encryption of eDelivery AS4 1.15"),
        EncError::Xml(error) => super::envelope::from_xml(error),
    }
}

/// An algorithm outside the profile.
pub(super) fn not_accepted(error: NotAccepted) -> Refusal {
    let found = format!("{} algorithm {}", error.usage, error.found);
    Refusal::Policy(Finding::new(found, error.expected).cause(RefusalCause::Algorithm))
}

/// A structure that is not the profile's: what is wrong may say itself what is expected.
pub(super) fn structure(what: &str, expected: &str) -> Refusal {
    let (found, expected) = what.split_once("; expected ").unwrap_or((what, expected));
    policy(found, expected)
}

fn policy(found: impl Into<String>, expected: impl Into<String>) -> Refusal {
    Refusal::Policy(Finding::new(found, expected).cause(RefusalCause::SecurityForm))
}

fn key_policy(found: impl Into<String>, expected: impl Into<String>) -> Refusal {
    Refusal::Policy(Finding::new(found, expected).cause(RefusalCause::KeyReference))
}

/// How a type is spoken of.
fn typed(value_type: Option<&str>) -> String {
    value_type.map_or_else(|| "without ValueType".to_owned(), |value_type| format!("of type {value_type}"))
}

/// Children of wsse:Security that are read; all others are refused.
const CHILDREN: [(&str, &str); 7] = [
    (ns::WSSE, "BinarySecurityToken"),
    (ns::XENC, "EncryptedKey"),
    (ns::XENC, "ReferenceList"),
    (ns::XENC, "EncryptedData"),
    (ns::DS, "Signature"),
    (ns::WSU, "Timestamp"),
    (ns::WSSE, "SecurityTokenReference"),
];

const X509_PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0";
const MESSAGE_SECURITY_11: &str = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1";
/// The content of a part, without its MIME headers. `#Attachment-Complete` is not in use.
pub(super) const CONTENT_ONLY: &str = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Only";
/// The transform of an encrypted part.
pub(super) const CIPHERTEXT: &str =
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Ciphertext-Transform";
