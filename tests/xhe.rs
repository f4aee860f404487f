//! Envelopes from end to end, and against foreign implementations where those are installed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

use sluss::crypto::SystemRandom;
use sluss::inspect;
use sluss::model::{DocumentType, EnvelopeId, Timestamp};
use sluss::pki::Identity;
use sluss::xhe::{self, Header, Level};
use sluss::xml::dsig::DsigError;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("SLUSS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

fn installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

/// A participant's key and certificate, made anew.
fn identity(name: &str, folder: &Path) -> Identity {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    let (key_file, certificate_file) =
        (folder.join(format!("{name}.key.pem")), folder.join(format!("{name}.cert.pem")));
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    Identity::from_files(&key_file, &certificate_file).unwrap()
}

fn header() -> Header {
    let id: EnvelopeId = "70c5ea37-f4a9-4771-b0c7-09becd024bda".parse().unwrap();
    let created = sluss::model::time::millis(Timestamp::UNIX_EPOCH);
    let federation = "urn:fdc:digg.se:edelivery:federation:test";
    Header::new(
        id,
        created,
        DocumentType::sdk_message(),
        federation,
        "0203:a.example.se".parse().unwrap(),
        "0203:b.example.se".parse().unwrap(),
    )
    .handling_service("sdk:inkorg:0203:b.example.se")
}

const PAYLOAD: &[u8] = b"<m:messagePayload xmlns:m=\"urn:riv:infrastructure:messaging:MessageWithAttachments:3\"><m:message>&amp; \xc3\xa5</m:message></m:messagePayload>";

struct Scene {
    folder: tempfile::TempDir,
    sender: Identity,
    recipient: Identity,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let (sender, recipient) = (identity("sender", folder.path()), identity("recipient", folder.path()));
    Scene { folder, sender, recipient }
}

fn seal(scene: &Scene, payload: &[u8]) -> Vec<u8> {
    xhe::seal(&header(), &mut &payload[..], &scene.sender, &scene.recipient.certificate, &SystemRandom, Vec::new())
        .unwrap()
}

#[test]
fn a_sealed_envelope_conforms_verifies_and_opens_to_its_payload() {
    let scene = scene();
    let sealed = seal(&scene, PAYLOAD);
    let checked = xhe::check(&sealed[..], Level::Text).unwrap();
    assert_eq!((checked.findings.as_slice(), checked.signatures), (&[][..], 1));
    assert_eq!(checked.accepted().unwrap(), header());
    let signed = xhe::verify(|| Ok(&sealed[..])).unwrap();
    assert_eq!(signed.certificate(), &scene.sender.certificate);
    let mut plain = Vec::new();
    let unsealed = xhe::open(&signed, &sealed[..], std::slice::from_ref(&scene.recipient), &mut plain).unwrap();
    assert_eq!(plain, PAYLOAD);
    assert_eq!((unsealed.header, unsealed.encrypted, unsealed.bytes), (header(), true, PAYLOAD.len() as u64));
}

#[test]
fn xmlsec_verifies_and_decrypts_what_seal_makes() {
    if !installed("xmlsec1") {
        return;
    }
    let scene = scene();
    let file = scene.folder.path().join("sealed.xml");
    std::fs::write(&file, seal(&scene, PAYLOAD)).unwrap();
    let out = Command::new("xmlsec1")
        .args(["--verify", "--enabled-key-data", "x509", "--trusted-pem"])
        .arg(scene.folder.path().join("sender.cert.pem"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = Command::new("xmlsec1")
        .args(["--decrypt", "--enabled-key-data", "enc-key,rsa", "--privkey-pem"])
        .arg(scene.folder.path().join("recipient.key.pem"))
        .arg(&file)
        .output()
        .unwrap();
    // Without an encoding declared, xmlsec1 writes characters beyond ASCII as references.
    let text = String::from_utf8_lossy(&out.stdout).replace("&#xE5;", "å");
    assert!(text.contains("&amp; å") && text.contains("<m:messagePayload"), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_receipt_is_signed_in_clear() {
    let scene = scene();
    let payload = "<?xml version=\"1.0\"?><a xmlns=\"urn:a\" xmlns:xhb=\"http://docs.oasis-open.org/bdxr/ns/XHE/1/BasicComponents\"><b/><!-- c --></a>\n";
    let mut header = header();
    header.document_type = DocumentType::message_receipt();
    let envelope = xhe::sign(&header, payload.as_bytes(), &scene.sender, Vec::new()).unwrap();
    let signed = xhe::verify(|| Ok(&envelope[..])).unwrap();
    let mut plain = Vec::new();
    let unsealed = xhe::open(&signed, &envelope[..], &[], &mut plain).unwrap();
    assert!(!unsealed.encrypted && !unsealed.header.encrypted);
    let text = String::from_utf8(plain).unwrap();
    assert!(text.starts_with("<a xmlns=\"urn:a\"") && text.ends_with("<b></b></a>"), "{text}");
}

#[test]
fn nothing_is_opened_but_what_was_verified() {
    let scene = scene();
    let (one, other) = (seal(&scene, PAYLOAD), seal(&scene, PAYLOAD));
    let signed = xhe::verify(|| Ok(&one[..])).unwrap();
    let refused = xhe::open(&signed, &other[..], std::slice::from_ref(&scene.recipient), std::io::sink());
    assert!(matches!(refused, Err(xhe::OpenError::NotVerified)), "{refused:?}");
}

#[test]
fn a_wrong_key_says_no_more_than_that_decryption_failed() {
    let scene = scene();
    let sealed = seal(&scene, PAYLOAD);
    let signed = xhe::verify(|| Ok(&sealed[..])).unwrap();
    let mut written = Vec::new();
    let refused = xhe::open(&signed, &sealed[..], std::slice::from_ref(&scene.sender), &mut written);
    assert!(matches!(refused, Err(xhe::OpenError::Decryption)), "{refused:?}");
    // Without a key the content is decrypted as with one, or the time would tell that there was none.
    assert!(written.len() >= PAYLOAD.len() - 16, "{} octets", written.len());
    assert!(!written.windows(8).any(|octets| octets == &PAYLOAD[..8]));
}

#[test]
fn a_change_anywhere_in_a_sealed_envelope_is_seen() {
    let scene = scene();
    let sealed = String::from_utf8(seal(&scene, PAYLOAD)).unwrap();
    for (from, to) in
        [("0203:b.example.se", "0203:c.example.se"), ("<xenc:CipherValue>", "<xenc:CipherValue>A"), ("true", "false")]
    {
        let changed = sealed.replacen(from, to, 1);
        assert!(matches!(xhe::verify(|| Ok(changed.as_bytes())), Err(xhe::VerifyError::Signature(_))), "{from}");
    }
}

/// The envelope inside a published wrapper of the Domibus plug-in.
fn unwrapped(file: &Path) -> Vec<u8> {
    use base64::Engine;
    let text = std::fs::read_to_string(file).unwrap();
    let value = text.split_once("<value>").unwrap().1.split_once("</value>").unwrap().0;
    let value: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(value).unwrap()
}

#[test]
fn published_envelopes_verify_as_they_do_elsewhere() {
    let Some(shared) = shared() else { return };
    let spec = shared.join("spec/sdk");
    let mut held = vec![("sigenc", std::fs::read(spec.join("xhe/examples/XHE-tm-base-ext-sigenc.xml")).unwrap())];
    for name in ["as4_xhe_encrypted.xml", "xhe_unencrypted.xml"] {
        let file = spec.join("message/examples").join(name);
        if file.is_file() {
            held.push((name, unwrapped(&file)));
        } else {
            println!("skipped: {name} is not published here");
        }
    }
    for (name, envelope) in held {
        let signed = xhe::verify(|| Ok(&envelope[..])).unwrap_or_else(|e| panic!("{name}: {e}"));
        println!("{name}: signed by {}", signed.certificate().subject());
        assert!(!xhe::check(&envelope[..], Level::Schematron).unwrap().is_refused(), "{name}");
    }
    for name in ["xhe_encrypted_payload.xml", "xhe_unencrypted_payload.xml"] {
        let envelope = std::fs::read(spec.join("message/examples").join(name)).unwrap();
        let refused = xhe::verify(|| Ok(&envelope[..]));
        // Indented after signing: neither SignedInfo nor the document is what was signed.
        let Err(xhe::VerifyError::Signature(fault)) = refused else { panic!("{name}: {refused:?}") };
        assert!(matches!(fault, DsigError::Digest { .. } | DsigError::Value), "{name}: {fault}");
    }
}

#[test]
fn a_large_payload_passes_through_in_pieces() {
    let scene = scene();
    let mut payload = b"<a xmlns=\"urn:a\">".to_vec();
    payload.resize(3_000_000, b'x');
    payload.extend_from_slice(b"</a>");
    let sealed = seal(&scene, &payload);
    let signed = xhe::verify(|| Ok(&sealed[..])).unwrap();
    let mut plain = Vec::new();
    xhe::open(&signed, &sealed[..], std::slice::from_ref(&scene.recipient), &mut plain).unwrap();
    assert!(plain == payload);
}

#[test]
fn a_declaration_before_the_payload_is_left_out() {
    let scene = scene();
    let mut payload = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec();
    payload.extend_from_slice(PAYLOAD);
    let sealed = seal(&scene, &payload);
    let signed = xhe::verify(|| Ok(&sealed[..])).unwrap();
    let mut plain = Vec::new();
    xhe::open(&signed, &sealed[..], std::slice::from_ref(&scene.recipient), &mut plain).unwrap();
    assert_eq!(plain, PAYLOAD);
    let refused = xhe::seal(
        &header(),
        &mut &b"not xml"[..],
        &scene.sender,
        &scene.recipient.certificate,
        &SystemRandom,
        Vec::new(),
    );
    assert!(matches!(refused, Err(xhe::SealError::Payload(_))));
}

#[test]
fn the_header_of_a_message_names_its_payload_and_media_type() {
    let header = header();
    let code = "Q{urn:riv:infrastructure:messaging:MessageWithAttachments:3}messagePayload";
    assert_eq!((header.document_type_code.as_str(), header.content_type_code.as_str()), (code, "application/xml"));
}

#[test]
fn a_payload_that_is_not_xml_is_encrypted_as_content() {
    let scene = scene();
    let mut header = header();
    header.content_type_code = "application/EDIFACT".to_owned();
    let payload = b"VU5CK1VOT0E6MQ==";
    let to = &scene.recipient.certificate;
    let sealed = xhe::seal(&header, &mut &payload[..], &scene.sender, to, &SystemRandom, Vec::new()).unwrap();
    let text = String::from_utf8(sealed).unwrap();
    assert!(text.contains("Type=\"http://www.w3.org/2001/04/xmlenc#Content\""));
    let signed = xhe::verify(|| Ok(text.as_bytes())).unwrap();
    let mut plain = Vec::new();
    xhe::open(&signed, text.as_bytes(), std::slice::from_ref(&scene.recipient), &mut plain).unwrap();
    assert_eq!(plain, payload);
}

#[test]
fn a_message_is_built_sealed_and_opened_by_files_alone() {
    let scene = scene();
    let at = |name: &str| scene.folder.path().join(name);
    std::fs::write(at("a.pdf"), b"%PDF-1.7").unwrap();
    let (from, to) = ("0203:a.example.se".parse().unwrap(), "0203:b.example.se".parse().unwrap());
    let asked = inspect::message::Build {
        from,
        to,
        functional_address: "sdk:inkorg:0203:b.example.se".to_owned(),
        sender_address: None,
        label: None,
        text: Some("Hej!".to_owned()),
        confidential: false,
        in_reply_to: None,
        files: vec![at("a.pdf")],
        at: Timestamp::UNIX_EPOCH,
    };
    let message = inspect::message::build(&asked, Vec::new()).unwrap();
    std::fs::write(at("message.xml"), &message).unwrap();
    let seal = inspect::envelope::Seal {
        from: asked.from,
        to: asked.to,
        document_type: None,
        federation: None,
        key: at("sender.key.pem"),
        certificate: at("sender.cert.pem"),
        to_certificate: at("recipient.cert.pem"),
        payload: at("message.xml"),
        at: Timestamp::UNIX_EPOCH,
    };
    std::fs::write(at("sealed.xml"), inspect::envelope::seal(&seal, Vec::new()).unwrap()).unwrap();
    let shown = inspect::envelope::show(&at("sealed.xml")).unwrap();
    assert_eq!((shown.verdict, shown.signature), (inspect::Verdict::Accept, inspect::envelope::SignatureState::Valid));
    let mut open = inspect::envelope::Open {
        file: at("sealed.xml"),
        key: at("recipient.key.pem"),
        certificate: at("recipient.cert.pem"),
        from_certificate: Some(at("sender.cert.pem")),
    };
    let mut plain = Vec::new();
    let header = inspect::envelope::open(&open, &mut plain).unwrap();
    assert!(plain == message);
    let checked = sluss::sdk::message::check(&plain[..]).unwrap();
    assert_eq!(checked.header.message_id, header.id.as_str());
    assert_eq!(header.handling_service_id.as_deref(), Some("sdk:inkorg:0203:b.example.se"));
    open.from_certificate = Some(at("recipient.cert.pem"));
    plain.clear();
    let refused = inspect::envelope::open(&open, &mut plain).unwrap_err();
    assert_eq!((refused.rule.as_deref(), plain.len()), (Some("XHE-3.5.b"), 0));
}
