//! XML Signature 1.1, the closed profile: RSA PKCS#1 v1.5 over a canonical SignedInfo, references to
//! `#id`, `cid:` and, for the enveloped signatures of XHE and SMP, the whole document.

use super::algorithm::{Allowed, NotAccepted, Profile};
use super::c14n::Method;
use super::{Node, XmlError};
use crate::crypto::{HashFunction, PrivateKey, PublicKey};

/// Why a signature was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DsigError {
    /// An algorithm outside the profile.
    #[error(transparent)]
    Algorithm(#[from] NotAccepted),
    /// Two elements with one id, or one element with two.
    #[error("the id {id} is not unique: {what}")]
    AmbiguousId { /// The id.
        id: String, /// Where.
        what: String },
    /// A digest differs.
    #[error("the digest of {uri} does not match: found {found}, expected {expected}")]
    Digest { /// The reference.
        uri: String, /// The digest of what is there.
        found: String, /// The digest that was signed.
        expected: String },
    /// A reference points at nothing.
    #[error("reference {uri} points at nothing in this document")]
    Missing { /// The reference.
        uri: String },
    /// The structure is not that of the profile.
    #[error("{what}")]
    Structure { /// What was found and expected.
        what: String },
    /// The signature value does not hold over SignedInfo.
    #[error("the signature value does not hold over SignedInfo")]
    Value,
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// One ds:Reference.
#[derive(Clone, Debug)]
pub struct Reference { /// URI, verbatim.
    pub uri: String, /// Transform algorithms, in order, with the parameters of a canonical form among them.
    pub transforms: Vec<Transform>, /// Digest algorithm.
    pub digest: HashFunction, /// Its identifier.
    pub digest_uri: String, /// The decoded digest value.
    pub value: Vec<u8>, /// The digest value verbatim, for receipts.
    pub value_text: String, /// The node, to copy it whole.
    pub node: super::tree::NodeId }

/// One ds:Transform.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transform { /// A canonical form.
    Canonical(Method), /// Enveloped signature.
    Enveloped, /// SwA content signature transform.
    AttachmentContent }

/// A parsed ds:Signature whose structure and algorithms are those of a profile. Nothing is verified yet.
#[derive(Clone, Debug)]
pub struct Signature { /// Canonical form of SignedInfo.
    pub method: Method, /// Hash of the RSA signature.
    pub hash: HashFunction, /// SignatureMethod, as written.
    pub method_uri: String, /// References in order.
    pub references: Vec<Reference>, /// Decoded value.
    pub value: Vec<u8>, /// The Signature element.
    pub node: super::tree::NodeId }

impl Signature {
    /// Reads a ds:Signature under a profile; refuses other algorithms by name, and more references than `limits` says.
    pub fn parse(_node: Node<'_>, _profile: Profile, _allowed: &Allowed) -> Result<Self, DsigError> { todo!() }
    /// Verifies the value over the canonical SignedInfo of `tree`.
    pub fn verify_value(&self, _tree: &super::Tree, _key: &PublicKey) -> Result<(), DsigError> { todo!() }
    /// Resolves the `#id` of a reference, compares the digest of its canonical form, and gives the element that is covered.
    pub fn check_element<'t>(&self, _tree: &'t super::Tree, _reference: &Reference) -> Result<Node<'t>, DsigError> { todo!() }
    /// The ds:X509Certificate values of KeyInfo/X509Data, in DER.
    pub fn certificates(&self, _tree: &super::Tree) -> Result<Vec<Vec<u8>>, DsigError> { todo!() }
}

/// Base64 of XML: white space inside is passed over.
pub fn base64(_text: &str) -> Option<Vec<u8>> { todo!() }

/// An enveloped signature (XHE, SMP) that was verified over a document read twice from `open`.
#[derive(Debug)]
pub struct Enveloped { /// The signer's certificate, from KeyInfo, in DER. Its key verified the signature; whether it is trusted is not said.
    pub certificate: Vec<u8>, /// Further certificates of KeyInfo.
    pub others: Vec<Vec<u8>>, /// Identifiers of the algorithms.
    pub algorithms: Vec<(&'static str, String)>, /// Digest over the document.
    pub digest: Vec<u8> }

/// Verifies the enveloped signature of a document of any size: `open` gives it anew for each pass.
/// `which` chooses among several direct child Signatures by index (C-22). Reference URI must be "".
/// `key_of` reads the key out of a certificate; `None` passes over certificates that are not wanted.
pub fn verify_enveloped<R: std::io::Read>(_open: impl Fn() -> std::io::Result<R>, _key_of: impl Fn(&[u8]) -> Option<PublicKey>, _profile: Profile, _allowed: &Allowed) -> Result<Enveloped, DsigError> { todo!() }

/// The SignedInfo + Signature element, canonical already, for an enveloped signature over a document with `digest`
/// (C-22 OUT: enveloped-signature + Canonical XML 1.0, RSA-SHA256, SHA-256), with the certificate in KeyInfo. `in_scope`: every
/// (prefix or "", namespace) that the document element declares: the inclusive form of SignedInfo shows them.
pub fn enveloped_element(_digest: &[u8], _key: &PrivateKey, _certificate_der: &[u8], _in_scope: &[(&str, &str)]) -> Result<String, crate::crypto::CryptoError> { todo!() }
