//! Hostile bytes: whatever comes from outside gets a verdict, never a panic, and in bounded time.
//!
//! Each target changes its seeds at random for some seconds, from a printed seed. `HOSTILE_SECONDS=600` makes a long
//! run of it (default 2), `HOSTILE_SEED=n` repeats one; `.ci/run fuzz` takes a minute for each, `.ci/run long-fuzz` hours. The case
//! files of `conformance/` are seeds as well, and so are messages of others where they are here. What was found
//! is kept in `regressions/<target>/` and run first.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod changed;
mod parts;
mod slow;
mod torment;

use sluss::as4::{self, Opened, Spool};
use sluss::conformance::as4::{exchange, resign};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use sluss::xml::algorithm::Allowed;
use sluss::xml::c14n::{self, Form, Method};
use sluss::xml::{Reader, Tree};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use torment::{seeds, torment, vectors};

const XML: &[&str] = &[
    r#"<?xml version="1.0"?><a:root xmlns:a="urn:a" xmlns="urn:d" b="1"><!-- c --><b xml:lang="sv">å&amp;&#x41;<![CDATA[<]]></b><?p i?></a:root>"#,
    r#"<XHE xmlns="http://docs.oasis-open.org/bdxr/ns/XHE/1/ExchangeHeaderEnvelope"><Header/><Payloads><Payload>QUJD</Payload></Payloads></XHE>"#,
];

#[test]
fn whatever_parses_has_a_canonical_form_that_is_its_own() {
    torment("c14n", &[seeds("xml", XML), vectors(&["c14n"])].concat(), |bytes| {
        for form in [Form::Exclusive, Form::Inclusive10, Form::Inclusive11] {
            let method = Method::new(form);
            let Ok(once) = c14n::document(Reader::new(bytes), &method, |_, _| false, Vec::new()) else { return };
            let again = c14n::document(Reader::new(&once[..]), &method, |_, _| false, Vec::new());
            assert_eq!(again.ok().as_deref(), Some(&once[..]), "{form:?}: {}", String::from_utf8_lossy(bytes));
        }
        agrees_with_its_tree(bytes);
    });
}

/// A tree and a stream agree on the canonical form.
fn agrees_with_its_tree(bytes: &[u8]) {
    let method = Method::new(Form::Exclusive);
    let Ok(tree) = Tree::parse(bytes) else { return };
    let of_tree = c14n::subtree(&tree, tree.root().id, &method, None, Vec::new());
    let of_stream = c14n::document(Reader::new(bytes), &method, |_, _| false, Vec::new());
    let (Ok(of_tree), Ok(of_stream)) = (&of_tree, &of_stream) else {
        assert_eq!(of_tree.is_ok(), of_stream.is_ok(), "{}", String::from_utf8_lossy(bytes));
        return;
    };
    // The document's form has the comments and instructions around its root as well.
    let text = String::from_utf8_lossy(of_tree);
    assert!(String::from_utf8_lossy(of_stream).contains(&*text), "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn service_metadata_gets_a_verdict() {
    let metadata = r#"<SignedServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ServiceMetadata><ServiceInformation><ParticipantIdentifier scheme="iso6523-actorid-upis">0203:a.se</ParticipantIdentifier><DocumentIdentifier scheme="busdox-docid-qns">d</DocumentIdentifier><ProcessList><Process><ProcessIdentifier scheme="s">p</ProcessIdentifier><ServiceEndpointList><Endpoint transportProfile="digg-transport-as4-v1_0"><EndpointURI>https://a.se/as4</EndpointURI><Certificate>MIIB</Certificate></Endpoint></ServiceEndpointList></Process></ProcessList></ServiceInformation></ServiceMetadata></SignedServiceMetadata>"#;
    torment("smp", &seeds("discovery", &[metadata]), |bytes| {
        let _ = sluss::discovery::smp::parse(bytes);
        let _ = sluss::discovery::smp::verify_signature(bytes);
    });
}

#[test]
fn certificates_get_a_verdict() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBIjCByQIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlBUDAwMDEtVEUwHhcN\n-----END CERTIFICATE-----\n";
    let mut all = seeds("pki", &[pem]);
    all.extend(certificates());
    all.push(vec![0x30, 0x82, 0x01, 0x22, 0x30, 0x81, 0xc9, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01]);
    torment("certificate", &all, |bytes| {
        let _ = Certificate::from_der(bytes);
        let _ = Certificate::all_from_pem(bytes);
        let _ = Certificate::from_pki_path(bytes);
        let _ = sluss::crypto::PrivateKey::from_pem(bytes);
        let _ = sluss::crypto::PublicKey::from_spki(bytes);
    });
}

/// Certificates of the demo and of others, in DER.
fn certificates() -> Vec<Vec<u8>> {
    let pair = exchange::Pair::demo();
    let own = [&pair.north.certificate, &pair.stranger.certificate, &pair.anchor];
    let others = vectors(&["phase4/keys", "smp", "keys"]);
    let others = others.iter().filter_map(|pem| Certificate::all_from_pem(pem).ok()).flatten();
    own.into_iter().cloned().chain(others).map(|certificate| certificate.der().to_vec()).collect()
}

#[test]
fn a_changed_message_of_phase4_is_refused_or_says_what_was_signed() {
    let shared = std::env::var_os("SLUSS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let vectors = shared.join("vectors/phase4");
    let Ok(trust) = std::fs::read(vectors.join("keys/trust.pem")) else {
        println!("skipped: no messages of phase4 at {}", vectors.display());
        return;
    };
    let trust = Trust {
        role: Role::AccessPoint,
        anchors: Certificate::all_from_pem(&trust).expect("certificates"),
        revocation: Revocation::Unchecked,
        bits_least: 2048,
        validity: true,
        proven: Proven::default(),
    };
    let own = Identity::from_files(&vectors.join("keys/b.key.pem"), &vectors.join("keys/b.cert.pem"))
        .expect("a key and its certificate");
    let mut messages = Vec::new();
    for case in ["bst-gzip-xhe", "bst-plain-xml", "pkipath-gzip"] {
        let headers = std::fs::read_to_string(vectors.join(case).join("request.headers")).expect("headers");
        let content_type = headers
            .lines()
            .find_map(|line| line.strip_prefix("Content-Type: "))
            .expect("a content type")
            .trim()
            .to_owned();
        let body = std::fs::read(vectors.join(case).join("request.body")).expect("a body");
        let original = open(&content_type, &body, &trust, &own).expect("phase4's message is accepted");
        messages.push((content_type, body, original));
    }
    let bodies: Vec<Vec<u8>> = messages.iter().map(|(_, body, _)| body.clone()).collect();
    torment("phase4", &bodies, |bytes| {
        for (content_type, _, original) in &messages {
            let Ok(opened) = open(content_type, bytes, &trust, &own) else { continue };
            assert_eq!(opened.message, original.message, "another header passed");
            assert_eq!(opened.parts, original.parts, "another content passed");
        }
    });
}

fn open(content_type: &str, body: &[u8], trust: &Trust, own: &Identity) -> Result<Opened, as4::Refusal> {
    let at = "2026-11-23T00:00:00Z".parse().expect("a time");
    as4::read(content_type, body)?
        .verify(&[], trust, at, &Allowed::new())?
        .open(std::slice::from_ref(own), &mut Nowhere)
}

/// A spool that forgets.
struct Nowhere;

impl Spool for Nowhere {
    fn create(&mut self, _index: usize) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::sink()))
    }
}
