//! The signed samples of Digg and Inera, and recorded service metadata: which hold and which do not
//! was found with xmlsec1 (contradictions, annex 2; C-23).

use super::{key_of, shared};
use sluss::xml::Tree;
use sluss::xml::algorithm::{Allowed, Profile};
use sluss::xml::dsig::{self, DsigError, Enveloped, verify_enveloped};
use std::fs;

fn verified(document: &[u8], profile: Profile) -> Result<Enveloped, DsigError> {
    verify_enveloped(|| Ok(document), key_of, profile, &Allowed::new())
}

/// The envelope that a backend's request to its access point carries in Base64.
fn embedded(request: &[u8]) -> Vec<u8> {
    let tree = Tree::parse(request).unwrap();
    let value = tree.root().descendants().find(|node| node.local() == "value").unwrap();
    dsig::base64(&value.text()).unwrap()
}

#[test]
fn the_sample_with_a_byte_order_mark_and_without_a_canonical_transform_verifies() {
    let Some(path) = shared("spec/sdk/xhe/examples/XHE-tm-base-ext-sigenc.xml") else { return };
    let document = fs::read(path).unwrap();
    assert!(document.starts_with(b"\xEF\xBB\xBF"));
    let enveloped = verified(&document, Profile::Xhe).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&enveloped.certificate).unwrap();
    assert!(certificate.subject().to_string().contains("SendOrg2"), "{}", certificate.subject());
    assert!(enveloped.others.is_empty());
}

#[test]
fn the_envelopes_embedded_in_requests_verify_as_they_were_sent() {
    let Some(folder) = shared("spec/sdk/message/examples") else { return };
    let mut seen = 0;
    for name in ["xhe_unencrypted.xml", "as4_xhe_encrypted.xml"] {
        let Ok(request) = fs::read(folder.join(name)) else { continue };
        let enveloped = verified(&embedded(&request), Profile::Xhe).unwrap();
        let transform = enveloped.algorithms.iter().find(|(usage, _)| *usage == "transform").unwrap();
        assert_eq!(transform.1, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315");
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn the_samples_that_were_indented_after_signing_do_not_verify() {
    let Some(folder) = shared("spec/sdk/message/examples") else { return };
    for name in ["xhe_encrypted_payload.xml", "xhe_unencrypted_payload.xml"] {
        let document = fs::read(folder.join(name)).unwrap();
        let refused = verified(&document, Profile::Xhe);
        assert!(matches!(refused, Err(DsigError::Digest { .. } | DsigError::Value)), "{name}: {refused:?}");
    }
}

#[test]
fn samples_without_a_signature_say_so() {
    let Some(folder) = shared("spec/sdk/xhe/examples") else { return };
    for name in ["XHE-tm-base.xml", "XHE-NonXML-tm-base.xml"] {
        let refused = verified(&fs::read(folder.join(name)).unwrap(), Profile::Xhe).unwrap_err();
        assert!(refused.to_string().contains("no ds:Signature"), "{name}: {refused}");
    }
}

#[test]
fn service_metadata_of_a_foreign_smp_verifies_and_its_signer_is_named() {
    let Some(folder) = shared("vectors/smp") else { return };
    let signer = x509_parser::pem::parse_x509_pem(&fs::read(folder.join("phoss-smp.pem")).unwrap()).unwrap().1;
    for name in ["phoss-servicemetadata.xml", "phoss-certpub.xml", "phoss-redirect.xml"] {
        let enveloped = verified(&fs::read(folder.join(name)).unwrap(), Profile::Smp).unwrap();
        assert_eq!(enveloped.certificate, signer.contents, "{name}");
    }
}

#[test]
fn service_metadata_that_was_changed_after_signing_is_refused() {
    let Some(folder) = shared("vectors/smp") else { return };
    let refused = verified(&fs::read(folder.join("oasis-reformatted.xml")).unwrap(), Profile::Smp);
    assert!(matches!(refused, Err(DsigError::Digest { .. } | DsigError::Value)), "{refused:?}");
    // It is signed with RSA-SHA1 besides, which is refused before anything is digested.
    let document = fs::read(folder.join("peppol-digest-mismatch.xml")).unwrap();
    let allowed = Allowed::from(["rsa-sha1".parse().unwrap()]);
    let refused = verify_enveloped(|| Ok(&document[..]), key_of, Profile::Smp, &allowed);
    assert!(matches!(refused, Err(DsigError::Digest { .. } | DsigError::Value)), "{refused:?}");
}

#[test]
fn one_changed_byte_of_a_verified_envelope_is_noticed() {
    let Some(path) = shared("spec/sdk/message/examples/xhe_unencrypted.xml") else { return };
    let envelope = embedded(&fs::read(path).unwrap());
    let text = String::from_utf8(envelope).unwrap();
    let changed = text.replacen("testb.testbed", "testc.testbed", 1);
    assert_ne!(text, changed);
    assert!(matches!(verified(changed.as_bytes(), Profile::Xhe), Err(DsigError::Digest { .. })));
}
