//! The suites of canonical forms, signatures and encryption.

use super::{Case, Judged};
use crate::crypto::{PublicKey, sha256_hex};
use crate::pki::Certificate;
use crate::xml::algorithm::{Allowed, Profile};
use crate::xml::c14n::{self, Form, Method};
use crate::xml::dsig::{self, DsigError, Signature};
use crate::xml::enc::{EncError, EncryptedData, EncryptedKey};
use crate::xml::tree::NodeId;
use crate::xml::{Reader, Tree, XmlError, ns};
use std::collections::BTreeSet;

pub(super) const C14N_KEYS: [&str; 5] = ["form", "comments", "prefixes", "id", "sha256"];
pub(super) const C14N: [&str; 5] = ["octets", "other octets", "malformed", "forbidden", "limit"];
pub(super) const DSIG_KEYS: [&str; 2] = ["profile", "read"];
pub(super) const DSIG: [&str; 12] = [
    "accept",
    "algorithm not accepted",
    "ambiguous id",
    "digest mismatch",
    "forbidden",
    "limit",
    "malformed",
    "missing id",
    "no signature",
    "not covered",
    "signature value",
    "structure",
];
pub(super) const ENC_KEYS: [&str; 1] = ["profile"];
pub(super) const ENC: [&str; 3] = ["accept", "algorithm not accepted", "structure"];

/// A word of the suite's list, with details where it is not the one expected.
fn word(case: &Case, word: &str, detail: impl FnOnce() -> String) -> Judged {
    let met = word == case.get("expect");
    Judged { found: if met { word.to_owned() } else { format!("{word}: {}", detail()) }, met }
}

/// The SHA-256 of the canonical octets.
pub(super) fn c14n(case: &Case) -> Result<Judged, String> {
    match canonical(case)? {
        Ok(octets) if sha256_hex(&octets) == case.get("sha256") => Ok(word(case, "octets", String::new)),
        Ok(octets) => Ok(word(case, "other octets", || String::from_utf8_lossy(&octets).into_owned())),
        Err(DsigError::Xml(error)) => Ok(word(case, of_xml(&error), || error.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

fn canonical(case: &Case) -> Result<Result<Vec<u8>, DsigError>, String> {
    let form = match case.get("form") {
        "1.0" => Form::Inclusive10,
        "1.1" => Form::Inclusive11,
        "exclusive" => Form::Exclusive,
        other => return Err(format!("found the form {other:?}, expected 1.0, 1.1 or exclusive")),
    };
    let method =
        Method { form, comments: case.get("comments") == "yes", prefixes: c14n::prefix_list(case.get("prefixes")) };
    Ok(match case.header.get("id") {
        Some(id) => subtree(&case.input, id, &method),
        None => c14n::document(Reader::new(&case.input[..]), &method, |_, _| false, Vec::new()).map_err(Into::into),
    })
}

fn subtree(input: &[u8], id: &str, method: &Method) -> Result<Vec<u8>, DsigError> {
    let tree = Tree::parse(input)?;
    Ok(c14n::subtree(&tree, tree.by_id(id)?.id, method, None, Vec::new())?)
}

/// A signature, and what it covers.
pub(super) fn dsig(case: &Case) -> Result<Judged, String> {
    let verified = match profile(case)? {
        Profile::As4 => elements(case)?,
        profile => dsig::verify_enveloped(|| Ok(&case.input[..]), key_of, profile, &Allowed::new()).map(|_| "accept"),
    };
    Ok(match verified {
        Ok(found) => word(case, found, || "verified".into()),
        Err(error) => word(case, of_dsig(&error), || error.to_string()),
    })
}

/// Verifies a signature over elements as the AS4 header reader does: all references first, then the
/// elements at the paths of `read` must be the ones that were covered, by identity.
fn elements(case: &Case) -> Result<Result<&'static str, DsigError>, String> {
    let tree = match Tree::parse(&case.input) {
        Ok(tree) => tree,
        Err(error) => return Ok(Err(error.into())),
    };
    let covered = match covered(&tree) {
        Ok(Some(covered)) => covered,
        Ok(None) => return Ok(Ok("no signature")),
        Err(error) => return Ok(Err(error)),
    };
    let mut all = true;
    for path in case.get("read").split_whitespace() {
        let node = tree.root().descendants().find(|node| node.path() == path);
        all &= covered.contains(&node.ok_or_else(|| format!("found nothing at {path}"))?.id);
    }
    Ok(Ok(if all { "accept" } else { "not covered" }))
}

fn covered(tree: &Tree) -> Result<Option<BTreeSet<NodeId>>, DsigError> {
    let Some(node) = tree.root().descendants().find(|node| node.is(ns::DS, "Signature")) else { return Ok(None) };
    let signature = Signature::parse(node, Profile::As4, &Allowed::new())?;
    let certificates = signature.certificates(tree)?;
    let key = certificates.first().and_then(|der| key_of(der)).ok_or(DsigError::Value)?;
    signature.verify_value(tree, &key)?;
    signature
        .references
        .iter()
        .map(|reference| Ok(signature.check_element(tree, reference)?.id))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn key_of(der: &[u8]) -> Option<PublicKey> {
    Certificate::from_der(der).ok().map(|certificate| certificate.public_key().clone())
}

/// EncryptedKey or EncryptedData.
pub(super) fn enc(case: &Case) -> Result<Judged, String> {
    let tree = Tree::parse(&case.input).map_err(|error| error.to_string())?;
    let (root, profile, allowed) = (tree.root(), profile(case)?, Allowed::new());
    let parsed = match root.local() {
        "EncryptedKey" => EncryptedKey::parse(root, profile, &allowed).map(drop),
        _ => EncryptedData::parse(root, profile, &allowed).map(drop),
    };
    Ok(match parsed {
        Ok(()) => word(case, "accept", || "read".into()),
        Err(EncError::Algorithm(error)) => word(case, "algorithm not accepted", || error.to_string()),
        Err(error) => word(case, "structure", || error.to_string()),
    })
}

fn profile(case: &Case) -> Result<Profile, String> {
    match case.get("profile") {
        "as4" => Ok(Profile::As4),
        "xhe" => Ok(Profile::Xhe),
        "smp" => Ok(Profile::Smp),
        other => Err(format!("found the profile {other:?}, expected as4, xhe or smp")),
    }
}

fn of_xml(error: &XmlError) -> &'static str {
    match error {
        XmlError::Forbidden { .. } => "forbidden",
        XmlError::Limit { .. } => "limit",
        _ => "malformed",
    }
}

fn of_dsig(error: &DsigError) -> &'static str {
    match error {
        DsigError::Algorithm(_) => "algorithm not accepted",
        DsigError::AmbiguousId { .. } => "ambiguous id",
        DsigError::Digest { .. } => "digest mismatch",
        DsigError::Missing { .. } => "missing id",
        DsigError::Structure { what } if what.starts_with("no ds:Signature") => "no signature",
        DsigError::Value => "signature value",
        DsigError::Xml(error) => of_xml(error),
        _ => "structure",
    }
}
