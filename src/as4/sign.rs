//! Signing a SOAP envelope: WS-Security 1.1 with a BinarySecurityToken, in the layout of protocol.md 2.1.

use super::header;
use super::mime::SOAP_MEDIA;
use crate::crypto::{CryptoError, Digest, HashFunction};
use crate::model::{As4MessageId, SignedReference, Timestamp};
use crate::pki::{Certificate, Identity};
use crate::xml::c14n::{self, Form, Method};
use crate::xml::{Node, Tree, XmlError, ns, write};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// A signal as it goes back over HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP Content-Type.
    pub content_type: String,
    /// The SOAP envelope.
    pub body: String,
}

/// Why an envelope was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A value has a character that XML does not have.
    #[error("a value of the header has a control character, which XML cannot carry")]
    Characters,
    /// Our key failed.
    #[error("our key does not sign: {0}")]
    Key(#[from] CryptoError),
    /// What we wrote is not XML.
    #[error("the envelope that we wrote does not parse: {0}")]
    Xml(#[from] XmlError),
}

/// What a signature covers beside eb:Messaging and the Body: an attachment by its digest.
pub(super) struct SignedPart {
    pub(super) uri: String,
    pub(super) digest: Vec<u8>,
}

/// A signed envelope and its references.
pub(super) struct SignedEnvelope {
    pub(super) soap: String,
    pub(super) references: Vec<SignedReference>,
}

/// The ids of one envelope, made from its message id: unique within it, and the same on every run.
pub(super) struct Ids(String);

impl Ids {
    pub(super) fn of(message: &As4MessageId) -> Self {
        let mut digest = crate::crypto::sha256_hex(message.as_str().as_bytes());
        digest.truncate(32);
        Self(digest)
    }

    pub(super) fn id(&self, kind: &str) -> String {
        format!("{kind}-{}", self.0)
    }
}

/// The content of eb:Messaging: one message unit.
#[derive(Clone, Copy)]
pub(super) enum Unit<'a> {
    /// All of it is written here, in canonical form: elements with end tags, attributes in their order, texts escaped as
    /// Canonical XML does.
    Own(&'a str),
    /// Pieces of a peer's document are in it. Each is canonical by itself, but a namespace that it declares may be declared
    /// around it already.
    WithForeign(&'a str),
}

/// Builds and signs the envelope around a message unit. `encryption` stands first in wsse:Security, so that a reader in
/// document order decrypts before it verifies.
pub(super) fn envelope(
    unit: Unit<'_>,
    encryption: &str,
    parts: &[SignedPart],
    ids: &Ids,
    identity: &Identity,
) -> Result<SignedEnvelope, SignError> {
    let (messaging_id, body_id) = (ids.id("msg"), ids.id("body"));
    let (Unit::Own(content) | Unit::WithForeign(content)) = unit;
    let messaging = format!(
        "<eb:Messaging xmlns:S12=\"{}\" xmlns:eb=\"{}\" xmlns:wsu=\"{}\" wsu:Id=\"{messaging_id}\" S12:mustUnderstand=\"true\">{content}</eb:Messaging>",
        ns::SOAP,
        ns::EB,
        ns::WSU
    );
    let body =
        format!("<S12:Body xmlns:S12=\"{}\" xmlns:wsu=\"{}\" wsu:Id=\"{body_id}\"></S12:Body>", ns::SOAP, ns::WSU);
    let digest = match unit {
        Unit::Own(_) => written_digest(&messaging)?,
        Unit::WithForeign(_) => canonical_digest(&messaging)?,
    };
    let mut references =
        vec![reference(format!("#{messaging_id}"), &digest), reference(format!("#{body_id}"), &written_digest(&body)?)];
    references.extend(parts.iter().map(|part| reference(part.uri.clone(), &part.digest)));
    let signature = signature(&references, ids, identity)?;
    let soap = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<S12:Envelope xmlns:S12=\"{}\"><S12:Header>\
         <wsse:Security xmlns:wsse=\"{}\" xmlns:wsu=\"{}\" S12:mustUnderstand=\"true\">{encryption}{}{signature}</wsse:Security>\
         {messaging}</S12:Header>{body}</S12:Envelope>",
        ns::SOAP,
        ns::WSSE,
        ns::WSU,
        token(&ids.id("x509"), &identity.certificate),
    );
    Ok(SignedEnvelope { soap, references })
}

/// A signed signal: `content` is a Receipt or an Error.
pub(super) fn signal(
    content: Unit<'_>,
    ref_to: Option<&As4MessageId>,
    identity: &Identity,
    id: &As4MessageId,
    at: Timestamp,
) -> Result<Answer, SignError> {
    let around =
        |content: &str| format!("<eb:SignalMessage>{}{content}</eb:SignalMessage>", header::info(id, ref_to, at));
    let (Unit::Own(text) | Unit::WithForeign(text)) = content;
    let text = around(text);
    let unit = match content {
        Unit::Own(_) => Unit::Own(&text),
        Unit::WithForeign(_) => Unit::WithForeign(&text),
    };
    let signed = envelope(unit, "", &[], &Ids::of(id), identity)?;
    Ok(Answer { content_type: format!("{SOAP_MEDIA}; charset=UTF-8"), body: signed.soap })
}

/// The same without signature, for a peer that nobody knows: it costs no private key operation.
pub(super) fn unsigned_signal(
    content: &str,
    ref_to: Option<&As4MessageId>,
    id: &As4MessageId,
    at: Timestamp,
) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<S12:Envelope xmlns:S12=\"{}\"><S12:Header>\
         <eb:Messaging xmlns:eb=\"{}\" S12:mustUnderstand=\"true\"><eb:SignalMessage>{}{content}</eb:SignalMessage></eb:Messaging>\
         </S12:Header><S12:Body></S12:Body></S12:Envelope>",
        ns::SOAP,
        ns::EB,
        header::info(id, ref_to, at),
    );
    Answer { content_type: format!("{SOAP_MEDIA}; charset=UTF-8"), body }
}

/// A BinarySecurityToken with one certificate.
pub(super) fn token(id: &str, certificate: &Certificate) -> String {
    format!(
        "<wsse:BinarySecurityToken EncodingType=\"{BASE64_BINARY}\" ValueType=\"{X509V3}\" wsu:Id=\"{id}\">{}</wsse:BinarySecurityToken>",
        STANDARD.encode(certificate.der())
    )
}

/// A reference to a BinarySecurityToken.
pub(super) fn token_reference(token_id: &str) -> String {
    format!(
        "<wsse:SecurityTokenReference><wsse:Reference URI=\"#{token_id}\" ValueType=\"{X509V3}\"></wsse:Reference></wsse:SecurityTokenReference>"
    )
}

/// The digest of an element that was written in its canonical form: of its octets. Unoptimised builds make sure.
fn written_digest(element: &str) -> Result<Vec<u8>, SignError> {
    if !write::is_writable(element) {
        return Err(SignError::Characters);
    }
    let digest = Digest::of(HashFunction::Sha256, element.as_bytes());
    debug_assert!(canonical_digest(element)? == digest, "written otherwise than canonical: {element}");
    Ok(digest)
}

/// The digest of what a receiver will canonicalise.
fn canonical_digest(element: &str) -> Result<Vec<u8>, SignError> {
    let tree = Tree::parse(element.as_bytes())?;
    let digest = c14n::subtree(&tree, tree.root().id, &exclusive(), None, Digest::new(HashFunction::Sha256))?;
    Ok(digest.finish())
}

fn reference(uri: String, digest: &[u8]) -> SignedReference {
    SignedReference { uri, algorithm: SHA256.into(), digest: STANDARD.encode(digest) }
}

fn signature(references: &[SignedReference], ids: &Ids, identity: &Identity) -> Result<String, SignError> {
    let info = signed_info(references);
    let value = identity.key.sign(HashFunction::Sha256, info.as_bytes())?;
    Ok(format!(
        "<ds:Signature xmlns:ds=\"{}\" Id=\"{}\">{info}<ds:SignatureValue>{}</ds:SignatureValue><ds:KeyInfo Id=\"{}\">{}</ds:KeyInfo></ds:Signature>",
        ns::DS,
        ids.id("sig"),
        STANDARD.encode(value),
        ids.id("ki"),
        token_reference(&ids.id("x509")),
    ))
}

/// SignedInfo, written in its canonical form: every namespace that it uses is declared on it.
fn signed_info(references: &[SignedReference]) -> String {
    let mut info = format!(
        "<ds:SignedInfo xmlns:ds=\"{}\"><ds:CanonicalizationMethod Algorithm=\"{}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod>",
        ns::DS,
        ns::EC
    );
    for reference in references {
        let transform = if reference.uri.starts_with("cid:") { ATTACHMENT_CONTENT } else { ns::EC };
        let _ = write!(
            info,
            "<ds:Reference URI=\"{}\"><ds:Transforms><ds:Transform Algorithm=\"{transform}\"></ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
            write::attribute(&reference.uri),
            reference.algorithm,
            reference.digest
        );
    }
    info.push_str("</ds:SignedInfo>");
    info
}

/// A copy of `node` that stands on its own: its exclusive canonical form.
pub(super) fn copy(node: Node<'_>) -> Result<String, XmlError> {
    let octets = c14n::subtree(node.tree, node.id, &exclusive(), None, Vec::new())?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// Exclusive canonical form without comments and without prefix list.
pub(super) fn exclusive() -> Method {
    Method { form: Form::Exclusive, comments: false, prefixes: Vec::new() }
}

/// EncodingType of tokens.
pub(super) const BASE64_BINARY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
/// ValueType of a token with one certificate.
pub(super) const X509V3: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";
/// The transform of a signed attachment.
pub(super) const ATTACHMENT_CONTENT: &str =
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
