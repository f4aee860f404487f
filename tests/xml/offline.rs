//! What the offline commands say of canonical forms and signatures.

use super::{Signer, signer};
use sluss::crypto::{Digest, HashFunction};
use sluss::inspect::xml::{Canonical, Question, Verdict, c14n, verify};
use sluss::model::Fault;
use sluss::pki::Certificate;
use sluss::xml::algorithm::{Allowed, Profile};
use sluss::xml::c14n::Form;
use sluss::xml::dsig;

fn signed(signer: &Signer, text: &str) -> String {
    let form = format!("<e xmlns=\"urn:e\"><a>{text}</a></e>");
    let digest = Digest::of(HashFunction::Sha256, form.as_bytes());
    let element = dsig::enveloped_element(&digest, &signer.key, &signer.der, &[("", "urn:e")]).unwrap();
    form.replace("</e>", &format!("{element}</e>"))
}

fn question(anchors: Vec<Certificate>) -> Question {
    let at = Some("2026-11-23T12:00:00Z".parse().unwrap());
    Question { profile: Profile::Smp, allowed: Allowed::new(), anchors, at, show: true }
}

#[test]
fn a_signature_that_holds_under_a_pinned_certificate_is_accepted_and_shown() {
    let signer = signer();
    let document = signed(&signer, "x");
    let pinned = Certificate::from_der(&signer.der).unwrap();
    let report = verify(|| Ok(document.as_bytes()), &question(vec![pinned]));
    assert_eq!(report.verdict, Verdict::Accept, "{:?}", report.error);
    let reference = &report.references[0];
    assert_eq!((reference.uri.as_str(), reference.found.as_ref()), ("", Some(&reference.expected)));
    let shown = report.canonical.unwrap();
    assert_eq!(shown.document, "<e xmlns=\"urn:e\"><a>x</a></e>");
    assert!(shown.signed_info.starts_with("<ds:SignedInfo xmlns=\"urn:e\" xmlns:ds="), "{}", shown.signed_info);
}

#[test]
fn a_signature_that_holds_under_nobodys_trust_is_refused_and_its_signer_named() {
    let signer = signer();
    let document = signed(&signer, "x");
    let report = verify(|| Ok(document.as_bytes()), &question(Vec::new()));
    assert_eq!(report.verdict, Verdict::Refuse);
    assert_eq!(report.error.unwrap().kind, "urn:sluss:problem:signer-not-trusted");
    assert!(report.signer.is_some());
}

#[test]
fn a_changed_document_is_refused_with_both_digests() {
    let signer = signer();
    let document = signed(&signer, "x").replace("<a>x", "<a>y");
    let report = verify(|| Ok(document.as_bytes()), &question(Vec::new()));
    let error = report.error.unwrap();
    assert_eq!((error.kind.as_str(), error.fault), ("urn:sluss:problem:digest-mismatch", Fault::Refused));
    let reference = &report.references[0];
    assert_ne!(reference.found.as_ref(), Some(&reference.expected));
    assert!(error.detail.contains(&reference.expected), "{}", error.detail);
}

#[test]
fn canonical_octets_of_a_document_or_of_one_element() {
    let xml = &b"<a xmlns:p='urn:p'><b Id='i'><!-- c --></b></a>"[..];
    let mut asked = Canonical { form: Form::Exclusive, comments: false, prefixes: String::new(), id: None };
    assert_eq!(c14n(xml, &asked, Vec::new()).unwrap(), b"<a><b Id=\"i\"></b></a>");
    asked = Canonical { comments: true, prefixes: "p".into(), id: Some("i".into()), ..asked };
    assert_eq!(c14n(xml, &asked, Vec::new()).unwrap(), b"<b xmlns:p=\"urn:p\" Id=\"i\"><!-- c --></b>");
    asked.id = Some("j".into());
    assert_eq!(c14n(xml, &asked, Vec::new()).unwrap_err().fault, Fault::Refused);
    asked.form = Form::Inclusive10;
    assert_eq!(c14n(xml, &asked, Vec::new()).unwrap_err().fault, Fault::Usage);
}
