//! XML Signature 1.1, the closed profile: RSA PKCS#1 v1.5 over a canonical SignedInfo, references to
//! `#id`, `cid:` and, for the enveloped signatures of XHE and SMP, the whole document.

use super::algorithm::{self, Allowed, NotAccepted, Profile};
use super::c14n::{self, Form, Method};
use super::names;
use super::ns;
use super::schema::{self, Children};
use super::tree::NodeId;
use super::{Node, Tree, XmlError};
use crate::crypto::{self, Digest, HashFunction, PublicKey};
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use super::enveloped::{Candidate, Enveloped, candidates, digest_without, enveloped_element, verify_enveloped};

/// Most certificates of one KeyInfo that are looked at. Chains have three or four.
const CERTIFICATES_MAX: usize = 16;

/// Why a signature was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DsigError {
    /// An algorithm outside the profile.
    #[error(transparent)]
    Algorithm(#[from] NotAccepted),
    /// Two elements with one id, or one element with two.
    #[error("the id {id} is not unique: {what}")]
    AmbiguousId {
        /// The id.
        id: String,
        /// Where.
        what: String,
    },
    /// A digest differs.
    #[error("the digest of {uri:?} does not match: found {found}, expected {expected}")]
    Digest {
        /// The reference.
        uri: String,
        /// The digest of what is there, in Base64.
        found: String,
        /// The digest that was signed, in Base64.
        expected: String,
    },
    /// A reference points at nothing.
    #[error("reference {uri} points at nothing in this document")]
    Missing {
        /// The reference.
        uri: String,
    },
    /// The structure is not that of the profile.
    #[error("{what}")]
    Structure {
        /// What was found and expected.
        what: String,
    },
    /// The signature value does not hold over SignedInfo.
    #[error("the signature value does not hold over SignedInfo")]
    Value,
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

impl From<String> for DsigError {
    fn from(what: String) -> Self {
        Self::Structure { what }
    }
}

/// One ds:Reference.
#[derive(Clone, Debug)]
pub struct Reference {
    /// URI, verbatim.
    pub uri: String,
    /// Transform algorithms, in order, with the parameters of a canonical form among them.
    pub transforms: Vec<Transform>,
    /// Digest algorithm.
    pub digest: HashFunction,
    /// Its identifier.
    pub digest_uri: String,
    /// The decoded digest value.
    pub value: Vec<u8>,
    /// The digest value verbatim, for receipts.
    pub value_text: String,
    /// The node, to copy it whole.
    pub node: NodeId,
}

impl Reference {
    /// Compares a digest with the signed one, in constant time.
    ///
    /// # Errors
    /// `Digest`.
    pub fn check_digest(&self, found: &[u8]) -> Result<(), DsigError> {
        if crypto::equal(found, &self.value) {
            return Ok(());
        }
        let (found, expected) = (STANDARD.encode(found), STANDARD.encode(&self.value));
        Err(DsigError::Digest { uri: self.uri.clone(), found, expected })
    }

    /// The form in which the referenced nodes are digested. Without a canonical form among the
    /// transforms it is Canonical XML 1.0 (XML Signature 1.1, 4.4.3.2); comments are never there,
    /// since `#id` and the empty URI select none (4.4.3.3).
    #[must_use]
    pub fn method(&self) -> Method {
        let named = self.transforms.iter().find_map(|transform| match transform {
            Transform::Canonical(method) => Some(method.clone()),
            _ => None,
        });
        Method { comments: false, ..named.unwrap_or(Method::new(Form::Inclusive10)) }
    }
}

/// One ds:Transform.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transform {
    /// A canonical form.
    Canonical(Method),
    /// Enveloped signature.
    Enveloped,
    /// SwA content signature transform.
    AttachmentContent,
}

/// A parsed ds:Signature whose structure and algorithms are those of a profile. Nothing is verified yet.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Canonical form of SignedInfo.
    pub method: Method,
    /// Hash of the RSA signature.
    pub hash: HashFunction,
    /// SignatureMethod, as written.
    pub method_uri: String,
    /// References in order.
    pub references: Vec<Reference>,
    /// Decoded value.
    pub value: Vec<u8>,
    /// The Signature element.
    pub node: NodeId,
    /// The SignedInfo element.
    pub signed_info: NodeId,
    /// The KeyInfo element.
    pub key_info: Option<NodeId>,
}

impl Signature {
    /// Reads a ds:Signature under a profile; refuses other algorithms by name, and more references than `limits` says.
    ///
    /// # Errors
    /// `Structure` and `Algorithm`: schema order, no element twice, no Object, no Manifest, no
    /// HMACOutputLength, transforms by position (protocol.md 6, 18).
    pub fn parse(node: Node<'_>, profile: Profile, allowed: &Allowed) -> Result<Self, DsigError> {
        if !node.is(ns::DS, "Signature") {
            return Err(format!("element {} where ds:Signature is expected", node.local()).into());
        }
        let mut children = Children::of(node)?;
        let signed_info = children.required(ns::DS, "SignedInfo")?;
        let value = children.required(ns::DS, "SignatureValue")?;
        let key_info = children.optional(ns::DS, "KeyInfo");
        children.end()?;

        let mut children = Children::of(signed_info)?;
        let method = canonicalization(children.required(ns::DS, "CanonicalizationMethod")?, profile)?;
        let signature_method = childless(children.required(ns::DS, "SignatureMethod")?)?;
        let method_uri = schema::attribute(signature_method, "Algorithm")?;
        let hash = algorithm::signature(method_uri, profile, allowed)?;
        let references = references(children, profile, allowed)?;
        Ok(Self {
            method,
            hash,
            method_uri: method_uri.to_owned(),
            references,
            value: decoded(value)?,
            node: node.id,
            signed_info: signed_info.id,
            key_info: key_info.map(|node| node.id),
        })
    }

    /// The canonical octets of SignedInfo, which the value is over.
    ///
    /// # Errors
    /// `Xml` where there is no canonical form.
    pub fn signed_octets(&self, tree: &Tree) -> Result<Vec<u8>, DsigError> {
        Ok(c14n::subtree(tree, self.signed_info, &self.method, None, Vec::new())?)
    }

    /// Verifies the value over the canonical SignedInfo of `tree`.
    ///
    /// # Errors
    /// `Value`; `Xml` where there is no canonical form.
    pub fn verify_value(&self, tree: &Tree, key: &PublicKey) -> Result<(), DsigError> {
        let octets = self.signed_octets(tree)?;
        key.verify(self.hash, &octets, &self.value).map_err(|_| DsigError::Value)
    }

    /// Resolves the `#id` of a reference, compares the digest of its canonical form, and gives the
    /// element that is covered. Only this element, by identity, may then be read as signed.
    ///
    /// # Errors
    /// `AmbiguousId`, `Missing`, `Digest`, and `Structure` for a reference that is not of this kind.
    pub fn check_element<'t>(&self, tree: &'t Tree, reference: &Reference) -> Result<Node<'t>, DsigError> {
        let Some(id) = reference.uri.strip_prefix('#') else {
            return Err(format!("reference {:?} where #id is expected", reference.uri).into());
        };
        let node = tree.by_id(id)?;
        let digest = c14n::subtree(tree, node.id, &reference.method(), None, Digest::new(reference.digest))?;
        reference.check_digest(&digest.finish())?;
        Ok(node)
    }

    /// The ds:X509Certificate values of KeyInfo/X509Data, in DER.
    ///
    /// # Errors
    /// `Structure` for a value that is not Base64, or too many or too large ones.
    pub fn certificates(&self, tree: &Tree) -> Result<Vec<Vec<u8>>, DsigError> {
        let data = self.key_info.into_iter().flat_map(|id| tree.node(id).all(ns::DS, "X509Data"));
        let values: Vec<Node<'_>> = data.flat_map(|data| data.all(ns::DS, "X509Certificate")).collect();
        if values.len() > CERTIFICATES_MAX {
            return Err(format!("{} certificates in KeyInfo; expected at most {CERTIFICATES_MAX}", values.len()).into());
        }
        let certificates: Result<Vec<_>, _> = values.into_iter().map(decoded).collect();
        let certificates = certificates?;
        match certificates.iter().find(|der| der.len() > limits::CERTIFICATE_BYTES_MAX) {
            Some(der) => Err(format!("a certificate of {} bytes", der.len()).into()),
            None => Ok(certificates),
        }
    }
}

/// Base64 of XML: white space inside is passed over.
#[must_use]
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let dense: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).collect();
    STANDARD.decode(dense).ok()
}

fn decoded(node: Node<'_>) -> Result<Vec<u8>, DsigError> {
    let bytes = base64(&schema::simple(node)?);
    bytes.ok_or_else(|| format!("{} is not Base64", node.local()).into())
}

/// An element that the schema lets hold parameters, none of which any of our algorithms has.
fn childless(node: Node<'_>) -> Result<Node<'_>, DsigError> {
    Children::of(node)?.end()?;
    Ok(node)
}

fn canonicalization(node: Node<'_>, profile: Profile) -> Result<Method, DsigError> {
    let method = algorithm::canonical(schema::attribute(node, "Algorithm")?, profile)?;
    with_prefixes(node, method)
}

/// The PrefixList of an exclusive form; other forms have no parameters.
fn with_prefixes(node: Node<'_>, mut method: Method) -> Result<Method, DsigError> {
    let mut children = Children::of(node)?;
    if method.form == Form::Exclusive
        && let Some(list) = children.optional(ns::EC, "InclusiveNamespaces")
    {
        method.prefixes = c14n::prefix_list(list.attribute("", "PrefixList").unwrap_or_default());
    }
    children.end()?;
    Ok(method)
}

fn references(mut children: Children<'_>, profile: Profile, allowed: &Allowed) -> Result<Vec<Reference>, DsigError> {
    let mut references: Vec<Reference> = Vec::new();
    let mut next = Some(children.required(ns::DS, "Reference")?);
    while let Some(node) = next {
        let reference = reference(node, profile, allowed)?;
        if references.iter().any(|known| known.uri == reference.uri) {
            return Err(format!("two references to {:?}", reference.uri).into());
        }
        if references.len() >= limits::SIGNATURE_REFERENCES_MAX {
            return Err(format!("more references; expected at most {}", limits::SIGNATURE_REFERENCES_MAX).into());
        }
        references.push(reference);
        next = children.optional(ns::DS, "Reference");
    }
    children.end()?;
    // One reference to the whole document is all that an enveloped signature may have (XHE-3.5.1.t01).
    if profile != Profile::As4 && references.len() > 1 {
        return Err(format!("{} references; expected exactly one", references.len()).into());
    }
    Ok(references)
}

fn reference(node: Node<'_>, profile: Profile, allowed: &Allowed) -> Result<Reference, DsigError> {
    let uri = schema::attribute(node, "URI")?;
    if node.attribute("", "Type").is_some_and(|kind| kind.ends_with("#Manifest")) {
        return Err(String::from("a reference to a Manifest, which is not followed").into());
    }
    let mut children = Children::of(node)?;
    let transforms = transforms(children.required(ns::DS, "Transforms")?, profile)?;
    let method = childless(children.required(ns::DS, "DigestMethod")?)?;
    let value = children.required(ns::DS, "DigestValue")?;
    children.end()?;
    check_position(uri, &transforms, profile)?;

    let digest_uri = schema::attribute(method, "Algorithm")?;
    let digest = algorithm::digest(digest_uri, profile, allowed)?;
    let bytes = decoded(value)?;
    if bytes.len() != digest.length() {
        return Err(format!("a digest value of {} bytes; expected {}", bytes.len(), digest.length()).into());
    }
    Ok(Reference {
        uri: uri.to_owned(),
        transforms,
        digest,
        digest_uri: digest_uri.to_owned(),
        value: bytes,
        value_text: value.text(),
        node: node.id,
    })
}

fn transforms(node: Node<'_>, profile: Profile) -> Result<Vec<Transform>, DsigError> {
    let mut children = Children::of(node)?;
    let mut transforms = Vec::new();
    let mut next = Some(children.required(ns::DS, "Transform")?);
    while let Some(node) = next {
        if transforms.len() >= 2 {
            return Err(String::from("more transforms in one reference; expected at most two").into());
        }
        transforms.push(transform(node, profile)?);
        next = children.optional(ns::DS, "Transform");
    }
    children.end()?;
    Ok(transforms)
}

fn transform(node: Node<'_>, profile: Profile) -> Result<Transform, DsigError> {
    match schema::attribute(node, "Algorithm")? {
        algorithm::ENVELOPED if profile != Profile::As4 => childless(node).map(|_| Transform::Enveloped),
        algorithm::ATTACHMENT_CONTENT if profile == Profile::As4 => {
            childless(node).map(|_| Transform::AttachmentContent)
        }
        uri => {
            let method =
                algorithm::canonical(uri, profile).map_err(|refused| NotAccepted { usage: "transform", ..refused })?;
            with_prefixes(node, method).map(Transform::Canonical)
        }
    }
}

/// Each kind of reference has its transforms, and no others (protocol.md 6, 17 and 18; C-22).
fn check_position(uri: &str, transforms: &[Transform], profile: Profile) -> Result<(), DsigError> {
    use Transform::{AttachmentContent, Canonical, Enveloped};
    let holds = match (profile, uri) {
        (Profile::As4, _) if uri.starts_with("cid:") => matches!(transforms, [AttachmentContent]),
        (Profile::As4, _) if uri.strip_prefix('#').is_some_and(names::is_ncname) => {
            matches!(transforms, [Canonical(_)])
        }
        (Profile::Xhe | Profile::Smp, "") => {
            matches!(transforms, [Enveloped] | [Enveloped, Canonical(_)])
        }
        (Profile::As4, _) => return Err(format!("reference {uri:?}; expected #id or cid:").into()),
        _ => return Err(format!("reference {uri:?}; expected the whole document, \"\"").into()),
    };
    if holds {
        Ok(())
    } else {
        Err(format!(
            "transforms that do not belong to the reference {uri:?}; expected those of the profile for such a reference"
        )
        .into())
    }
}
