//! New digests of elements and a new signature for a changed SOAP part, as the holder of a key would make them.

use crate::crypto::{Digest, HashFunction};
use crate::xml::c14n::{self, Form, Method};
use crate::xml::{Tree, ns};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Signs anew what `soap` says now; none where it has no signature that can be made again.
pub fn resigned(soap: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<String> {
    let mut soap = soap.to_owned();
    let method = Method { form: Form::Exclusive, comments: false, prefixes: Vec::new() };
    let tree = Tree::parse(soap.as_bytes()).ok()?;
    let references: Vec<(String, String)> = tree
        .root()
        .descendants()
        .filter(|n| n.is(ns::DS, "Reference") && n.parent().is_some_and(|p| p.is(ns::DS, "SignedInfo")))
        .filter_map(|n| Some((n.attribute("", "URI")?.to_owned(), n.child(ns::DS, "DigestValue")?.text())))
        .collect();
    for (uri, old) in references {
        let Some(node) = uri.strip_prefix('#').and_then(|id| tree.by_id(id).ok()) else { continue };
        let digest = c14n::subtree(&tree, node.id, &method, None, Digest::new(HashFunction::Sha256)).ok()?.finish();
        let at = soap.find(&format!("<ds:Reference URI=\"{uri}\""))?;
        let at = soap[at..].find(&old)? + at;
        soap.replace_range(at..at + old.len(), &STANDARD.encode(digest));
    }
    let tree = Tree::parse(soap.as_bytes()).ok()?;
    let info = tree.root().descendants().find(|n| n.is(ns::DS, "SignedInfo"))?;
    let octets = c14n::subtree(&tree, info.id, &method, None, Vec::new()).ok()?;
    let value = STANDARD.encode(sign(&octets));
    let start = soap.find("<ds:SignatureValue>")? + "<ds:SignatureValue>".len();
    let end = soap[start..].find('<')? + start;
    soap.replace_range(start..end, &value);
    Some(soap)
}
