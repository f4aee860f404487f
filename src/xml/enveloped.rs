//! Enveloped signatures, as XHE and SMP have them, over documents of any size: nothing but the
//! Signature elements is held in memory.

use super::algorithm::{self, Allowed, Profile};
use super::c14n::{self, Form, Method};
use super::dsig::{DsigError, Reference, Signature};
use super::ns;
use super::write::Writer;
use super::{Event, Reader, Start, Tree, XmlError};
use crate::crypto::{CryptoError, Digest, HashFunction, PrivateKey, PublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Read};

/// Most signatures of one document that are looked at (C-22 knows 0..n; none has been seen with two).
const SIGNATURES_MAX: usize = 8;

/// An enveloped signature (XHE, SMP) that was verified over a document read twice.
#[derive(Debug)]
pub struct Enveloped {
    /// The signer's certificate, from KeyInfo, in DER. Its key verified the signature; whether it is trusted is not said.
    pub certificate: Vec<u8>,
    /// Further certificates of KeyInfo.
    pub others: Vec<Vec<u8>>,
    /// Identifiers of the algorithms, by what they are for.
    pub algorithms: Vec<(&'static str, String)>,
    /// Digest over the document.
    pub digest: Vec<u8>,
    /// Which child element of the document element the signature is, counted from 0.
    pub index: usize,
}

/// A ds:Signature that is a direct child of the document element, as a tree of its own.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which child element of the document element it is, counted from 0.
    pub index: usize,
    /// The Signature.
    pub tree: Tree,
}

/// Verifies the enveloped signature of a document of any size: `open` gives it anew for each pass.
/// `key_of` reads the key out of a certificate; `None` passes over certificates that are not wanted.
/// Of several Signatures, the first that holds is given and the others are ignored (C-22); each must
/// be a direct child of the document element, with one Reference to `""`.
///
/// # Errors
/// Of the first Signature, where none holds; `Structure` where there is none.
pub fn verify_enveloped<R: Read>(
    open: impl Fn() -> io::Result<R>,
    key_of: impl Fn(&[u8]) -> Option<PublicKey>,
    profile: Profile,
    allowed: &Allowed,
) -> Result<Enveloped, DsigError> {
    let mut first = None;
    for candidate in candidates(open().map_err(XmlError::Io)?)? {
        match verify(&candidate, &open, &key_of, profile, allowed) {
            Ok(verified) => return Ok(verified),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| String::from("no ds:Signature is a child of the document element").into()))
}

fn verify<R: Read>(
    candidate: &Candidate,
    open: impl Fn() -> io::Result<R>,
    key_of: impl Fn(&[u8]) -> Option<PublicKey>,
    profile: Profile,
    allowed: &Allowed,
) -> Result<Enveloped, DsigError> {
    let tree = &candidate.tree;
    let signature = Signature::parse(tree.root(), profile, allowed)?;
    let [reference] = signature.references.as_slice() else {
        return Err(String::from("an enveloped signature without exactly one reference").into());
    };
    if !reference.uri.is_empty() {
        return Err(format!("reference {:?}; expected the whole document, \"\"", reference.uri).into());
    }
    let (certificate, others) = signer(&signature, tree, key_of)?;
    let source = open().map_err(XmlError::Io)?;
    let digest = digest_without(source, candidate.index, &reference.method(), reference.digest)?;
    reference.check_digest(&digest)?;
    let algorithms = algorithms(&signature, reference);
    Ok(Enveloped { certificate, others, algorithms, digest, index: candidate.index })
}

/// The certificate of KeyInfo whose key verifies the value, and the others.
fn signer(
    signature: &Signature,
    tree: &Tree,
    key_of: impl Fn(&[u8]) -> Option<PublicKey>,
) -> Result<(Vec<u8>, Vec<Vec<u8>>), DsigError> {
    let mut certificates = signature.certificates(tree)?;
    if certificates.is_empty() {
        return Err(String::from("no X509Certificate in KeyInfo").into());
    }
    let keys: Vec<Option<PublicKey>> = certificates.iter().map(|der| key_of(der)).collect();
    if keys.iter().all(Option::is_none) {
        return Err(String::from("no certificate in KeyInfo with a key that is accepted").into());
    }
    let holds = |key: &Option<PublicKey>| key.as_ref().is_some_and(|key| signature.verify_value(tree, key).is_ok());
    let at = keys.iter().position(holds).ok_or(DsigError::Value)?;
    let certificate = certificates.remove(at);
    Ok((certificate, certificates))
}

fn algorithms(signature: &Signature, reference: &Reference) -> Vec<(&'static str, String)> {
    let form = algorithm::c14n_uri(&reference.method()).to_owned();
    vec![
        ("canonicalization", algorithm::c14n_uri(&signature.method).to_owned()),
        ("signature", signature.method_uri.clone()),
        ("transform", form),
        ("digest", reference.digest_uri.clone()),
    ]
}

/// Reads a document through and gives the ds:Signature elements that are direct children of its root.
///
/// # Errors
/// `Xml`; `Structure` for more than eight.
pub fn candidates<R: Read>(source: R) -> Result<Vec<Candidate>, DsigError> {
    let mut reader = Reader::new(source);
    let mut found: Vec<Candidate> = Vec::new();
    let mut children = 0;
    loop {
        match reader.next()? {
            Event::Start(start) if reader.depth() == 2 => {
                if is_signature(&start) {
                    if found.len() >= SIGNATURES_MAX {
                        return Err(format!("more than {SIGNATURES_MAX} signatures").into());
                    }
                    found.push(Candidate { index: children, tree: reader.subtree(start)? });
                } else {
                    reader.skip()?;
                }
                children += 1;
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// The digest of the canonical form of a document without the Signature that is its child element `index`.
///
/// # Errors
/// `Xml`.
pub fn digest_without<R: Read>(
    source: R,
    index: usize,
    method: &Method,
    hash: HashFunction,
) -> Result<Vec<u8>, DsigError> {
    let own = |at: usize, start: &Start| at == index && is_signature(start);
    Ok(c14n::document(Reader::new(source), method, own, Digest::new(hash))?.finish())
}

fn is_signature(start: &Start) -> bool {
    start.is(ns::DS, "Signature")
}

/// The SignedInfo + Signature element, canonical already, for an enveloped signature over a document with `digest`
/// (C-22 OUT: enveloped-signature + Canonical XML 1.0, RSA-SHA256, SHA-256), with the certificate in KeyInfo. `in_scope`: every
/// (prefix or "", namespace) that the document element declares: the inclusive form of SignedInfo shows them.
///
/// # Errors
/// The key's own, and `Unsupported` for bindings that are none.
pub fn enveloped_element(
    digest: &[u8],
    key: &PrivateKey,
    certificate_der: &[u8],
    in_scope: &[(&str, &str)],
) -> Result<String, CryptoError> {
    let unsigned = element(&signed_info(digest), "", certificate_der);
    let octets =
        signed_octets(&unsigned, in_scope).map_err(|_| CryptoError::Unsupported("these namespace bindings"))?;
    let value = key.sign(HashFunction::Sha256, &octets)?;
    Ok(element(&signed_info(digest), &STANDARD.encode(value), certificate_der))
}

fn signed_info(digest: &[u8]) -> String {
    let mut xml = Writer::new();
    xml.start("ds:SignedInfo", &[]);
    xml.element("ds:CanonicalizationMethod", &[("Algorithm", algorithm::C14N_10)], "");
    xml.element("ds:SignatureMethod", &[("Algorithm", algorithm::RSA_SHA256)], "");
    xml.start("ds:Reference", &[("URI", "")]);
    xml.start("ds:Transforms", &[]);
    xml.element("ds:Transform", &[("Algorithm", algorithm::ENVELOPED)], "");
    xml.element("ds:Transform", &[("Algorithm", algorithm::C14N_10)], "");
    xml.end();
    xml.element("ds:DigestMethod", &[("Algorithm", algorithm::SHA256)], "");
    xml.element("ds:DigestValue", &[], &STANDARD.encode(digest));
    xml.finish()
}

fn element(signed_info: &str, value: &str, certificate_der: &[u8]) -> String {
    let mut xml = Writer::new();
    xml.start("ds:Signature", &[("xmlns:ds", ns::DS)]).raw(signed_info);
    xml.element("ds:SignatureValue", &[], value);
    xml.start("ds:KeyInfo", &[]).start("ds:X509Data", &[]);
    xml.element("ds:X509Certificate", &[], &STANDARD.encode(certificate_der));
    xml.finish()
}

/// The canonical SignedInfo as it will be where the Signature is put.
fn signed_octets(signature: &str, in_scope: &[(&str, &str)]) -> Result<Vec<u8>, DsigError> {
    let names: Vec<(String, &str)> = in_scope
        .iter()
        .map(|(prefix, uri)| (if prefix.is_empty() { String::from("xmlns") } else { format!("xmlns:{prefix}") }, *uri))
        .collect();
    let attributes: Vec<(&str, &str)> = names.iter().map(|(name, uri)| (name.as_str(), *uri)).collect();
    let mut document = Writer::new();
    document.start("document", &attributes).raw(signature);
    let tree = Tree::parse(document.finish().as_bytes())?;
    let signed_info = tree.root().descendants().find(|node| node.is(ns::DS, "SignedInfo"));
    let signed_info = signed_info.ok_or_else(|| String::from("no SignedInfo"))?;
    Ok(c14n::subtree(&tree, signed_info.id, &Method::new(Form::Inclusive10), None, Vec::new())?)
}
