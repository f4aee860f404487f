//! What a signed AS4 message proves, taken apart so that a third party checks it with general tools: the octets that were
//! signed, and those of each element whose digest is among them.

use super::envelope::{Envelope, from_xml};
use super::error::{Finding, Refusal};
use super::mime;
use super::security;
use crate::crypto::HashFunction;
use crate::pki::Certificate;
use crate::xml::algorithm::{Allowed, Profile};
use crate::xml::c14n;
use crate::xml::dsig::Signature;
use std::io::Read;

/// A signed SOAP part.
#[derive(Clone, Debug)]
pub struct SignedParts {
    /// The SOAP part, as it is.
    pub soap: String,
    /// The canonical ds:SignedInfo: what the signature value is over, RSA with SHA-256.
    pub signed_info: Vec<u8>,
    /// The signature's octets.
    pub signature: Vec<u8>,
    /// The octets of which its references have the digests, in their order; none for an attachment.
    pub elements: Vec<Option<Vec<u8>>>,
    /// The certificates that it brings, the signer's first; none where it only names it.
    pub certificates: Vec<Certificate>,
}

impl SignedParts {
    /// Whether this certificate's key made the signature.
    pub fn is_signed_by(&self, certificate: &Certificate) -> bool {
        certificate.public_key().verify(HashFunction::Sha256, &self.signed_info, &self.signature).is_ok()
    }
}

/// Takes a request or an answer apart. Nothing is verified: that is for the third party.
///
/// # Errors
///
/// [`Refusal`] where this is no signed AS4 message of the profile.
pub fn signed_parts(content_type: &str, body: impl Read) -> Result<SignedParts, Refusal> {
    let (soap, _) = mime::open(content_type, body, crate::limits::SOAP_RELAXED_BYTES_MAX)?;
    let envelope = Envelope::parse(soap)?;
    let node = envelope.security().map(security::signature).transpose()?.flatten();
    let policy = |found: String| Refusal::Policy(Finding::new(found, "a signature of the AS4 profile"));
    let node = node.ok_or_else(|| policy("no signature".into()))?;
    let signature = Signature::parse(node, Profile::As4, &Allowed::new()).map_err(|error| policy(error.to_string()))?;
    let mut elements = Vec::new();
    for reference in &signature.references {
        let element = reference.uri.strip_prefix('#').map(|id| envelope.tree.by_id(id)).transpose();
        let element = element.map_err(|error| policy(error.to_string()))?;
        let octets = element
            .map(|node| c14n::subtree(node.tree, node.id, &reference.method(), None, Vec::new()))
            .transpose()
            .map_err(from_xml)?;
        elements.push(octets);
    }
    let signed_info = signature.signed_octets(&envelope.tree).map_err(|error| policy(error.to_string()))?;
    let certificates = envelope.signer_reference.iter().flat_map(|named| named.certificates().to_vec()).collect();
    Ok(SignedParts { signed_info, signature: signature.value, elements, certificates, soap: envelope.soap })
}
