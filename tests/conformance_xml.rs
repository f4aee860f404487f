//! Runs `conformance/xml/{c14n,dsig,enc}/*.case`: one scenario a file, and each must end as it says,
//! for the reason it says.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

use sluss::crypto::{PublicKey, sha256_hex};
use sluss::xml::algorithm::{Allowed, Profile};
use sluss::xml::c14n::{self, Form, Method};
use sluss::xml::dsig::{self, DsigError, Signature};
use sluss::xml::enc::{EncError, EncryptedData, EncryptedKey};
use sluss::xml::tree::NodeId;
use sluss::xml::{Reader, Tree, XmlError, ns};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A case file: header lines, an empty line, the input.
struct Case {
    name: String,
    header: BTreeMap<String, String>,
    input: Vec<u8>,
}

impl Case {
    fn get(&self, key: &str) -> &str {
        self.header.get(key).map(String::as_str).unwrap_or_default()
    }

    fn profile(&self) -> Profile {
        match self.get("profile") {
            "as4" => Profile::As4,
            "xhe" => Profile::Xhe,
            "smp" => Profile::Smp,
            other => panic!("{}: profile {other:?}", self.name),
        }
    }
}

fn case(path: &Path, keys: &[&str], expectations: &[&str]) -> Case {
    let name = path.display().to_string();
    let bytes = fs::read(path).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or_else(|| panic!("{name}: no empty line"));
    let mut header = BTreeMap::new();
    for line in std::str::from_utf8(&bytes[..end]).unwrap().lines() {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line:?}"));
        let known = ["spec", "expect", "origin", "comment", "known-failure"].contains(&key) || keys.contains(&key);
        assert!(known, "{name}: unknown key {key:?}");
        assert!(header.insert(key.to_owned(), value.to_owned()).is_none(), "{name}: {key} twice");
    }
    for key in ["spec", "expect", "origin", "comment"] {
        assert!(header.contains_key(key), "{name}: no {key}");
    }
    assert!(expectations.contains(&header["expect"].as_str()), "{name}: unknown expectation {:?}", header["expect"]);
    Case { name, header, input: bytes[end + 2..].to_vec() }
}

/// Runs a suite; `outcome` gives a word of the suite's list, and details for people.
fn run(suite: &str, keys: &[&str], expectations: &[&str], outcome: fn(&Case) -> (&'static str, String)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/xml").join(suite);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut wrong = Vec::new();
    for path in &paths {
        let case = case(path, keys, expectations);
        let (found, detail) = outcome(&case);
        assert!(expectations.contains(&found), "{}: {found:?} is not in the suite's list", case.name);
        let met = found == case.get("expect");
        match case.header.get("known-failure") {
            None if !met => {
                wrong.push(format!("{}: found {found}: {detail}; expected {}", case.name, case.get("expect")))
            }
            Some(_) if met => wrong.push(format!("{}: passes, but is marked as a known failure", case.name)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), paths.len(), wrong.join("\n"));
    println!("{suite}: {} cases", paths.len());
}

fn of_xml(error: &XmlError) -> &'static str {
    match error {
        XmlError::Malformed { .. } => "malformed",
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

#[test]
fn canonical_forms_are_those_of_the_cases() {
    let keys = ["form", "comments", "prefixes", "id", "sha256"];
    run("c14n", &keys, &["octets", "other octets", "malformed", "forbidden", "limit"], |case| match canonical(case) {
        Ok(octets) => {
            let same = sha256_hex(&octets) == case.get("sha256");
            let word = if same { "octets" } else { "other octets" };
            (word, String::from_utf8_lossy(&octets).into_owned())
        }
        Err(DsigError::Xml(error)) => (of_xml(&error), error.to_string()),
        Err(error) => panic!("{}: {error}", case.name),
    });
}

fn canonical(case: &Case) -> Result<Vec<u8>, DsigError> {
    let form = match case.get("form") {
        "1.0" => Form::Inclusive10,
        "1.1" => Form::Inclusive11,
        "exclusive" => Form::Exclusive,
        other => panic!("{}: form {other:?}", case.name),
    };
    let method =
        Method { form, comments: case.get("comments") == "yes", prefixes: c14n::prefix_list(case.get("prefixes")) };
    match case.header.get("id") {
        Some(id) => {
            let tree = Tree::parse(&case.input)?;
            Ok(c14n::subtree(&tree, tree.by_id(id)?.id, &method, None, Vec::new())?)
        }
        None => Ok(c14n::document(Reader::new(&case.input[..]), &method, |_, _| false, Vec::new())?),
    }
}

#[test]
fn signatures_end_as_the_cases_say() {
    let expectations = [
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
    run("dsig", &["profile", "read"], &expectations, |case| {
        let verified = match case.profile() {
            Profile::As4 => elements(case),
            profile => {
                dsig::verify_enveloped(|| Ok(&case.input[..]), key_of, profile, &Allowed::new()).map(|_| "accept")
            }
        };
        match verified {
            Ok(word) => (word, String::from("verified")),
            Err(error) => (of_dsig(&error), error.to_string()),
        }
    });
}

/// Verifies a signature over elements as the AS4 header reader does: all references first, then the
/// elements at the paths of `read` must be the ones that were covered, by identity.
fn elements(case: &Case) -> Result<&'static str, DsigError> {
    let tree = Tree::parse(&case.input)?;
    let found = tree.root().descendants().find(|node| node.is(ns::DS, "Signature"));
    let Some(node) = found else { return Ok("no signature") };
    let signature = Signature::parse(node, case.profile(), &Allowed::new())?;
    let certificates = signature.certificates(&tree)?;
    let key = certificates.first().and_then(|der| key_of(der)).unwrap();
    signature.verify_value(&tree, &key)?;
    let mut covered: BTreeSet<NodeId> = BTreeSet::new();
    for reference in &signature.references {
        covered.insert(signature.check_element(&tree, reference)?.id);
    }
    let at = |path: &str| tree.root().descendants().find(|node| node.path() == path).unwrap().id;
    let all = case.get("read").split_whitespace().all(|path| covered.contains(&at(path)));
    Ok(if all { "accept" } else { "not covered" })
}

fn key_of(der: &[u8]) -> Option<PublicKey> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    PublicKey::from_spki(certificate.tbs_certificate.subject_pki.raw).ok()
}

#[test]
fn encrypted_keys_and_data_end_as_the_cases_say() {
    let expectations = ["accept", "algorithm not accepted", "structure"];
    run("enc", &["profile"], &expectations, |case| {
        let tree = Tree::parse(&case.input).unwrap();
        let (root, profile, allowed) = (tree.root(), case.profile(), Allowed::new());
        let parsed = match root.local() {
            "EncryptedKey" => EncryptedKey::parse(root, profile, &allowed).map(drop),
            _ => EncryptedData::parse(root, profile, &allowed).map(drop),
        };
        match parsed {
            Ok(()) => ("accept", String::from("read")),
            Err(EncError::Algorithm(error)) => ("algorithm not accepted", error.to_string()),
            Err(error) => ("structure", error.to_string()),
        }
    });
}
