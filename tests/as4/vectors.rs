//! Recorded messages of Holodeck, AS4.NET and RSSBus. What the profile refuses in them is let through by name.

use super::{accepted, certificates, keystore, question, refused, shared};
use sluss::inspect::as4::{Question, Report, guess_content_type, open};
use sluss::pki::Certificate;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

const HOLODECK_AT: &str = "2026-11-22T17:00:00Z";
const OLD: [&str; 3] = ["any-community", "expired", "unknown-revocation"];

fn vectors() -> Option<PathBuf> {
    shared("vectors/as4/holodeck8-sdk.as4").map(|path| path.parent().unwrap().to_owned())
}

fn opened(path: &Path, question: &Question) -> Report {
    let body = fs::read(path).unwrap();
    let content_type =
        fs::read_to_string(path.with_extension("content-type")).unwrap_or_else(|_| guess_content_type(&body));
    open(&format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\n", content_type.trim()), body.as_slice(), question)
}

/// The certificate that a recorded message brings, as its sender's would be known from elsewhere.
fn keys(vectors: &Path) -> PathBuf {
    vectors.parent().unwrap().join("keys")
}

fn identity(vectors: &Path, name: &str, password: &str) -> sluss::pki::Identity {
    let folder = tempfile::tempdir().unwrap();
    keystore(&keys(vectors).join(name), password, folder.path())
}

#[test]
fn holodeck_messages_open_and_its_receipts_and_errors_answer_them() {
    let Some(vectors) = vectors() else { return };
    let receiver = identity(&vectors, "holodeck8-receiver.p12", "changeit");
    for (name, reference) in [("holodeck8-sdk", "bst"), ("holodeck8-ski-issuerserial", "ski")] {
        let folder = tempfile::tempdir().unwrap();
        let mut asked = question(HOLODECK_AT, &["unknown-revocation"]);
        asked.trust = certificates(&keys(&vectors).join("holodeck8-ca.pem"));
        asked.trust.extend(certificates(&keys(&vectors).join("holodeck8-sender.pem")));
        asked.keys = vec![receiver.clone()];
        asked.save = Some(folder.path().to_owned());
        let report = opened(&vectors.join(format!("{name}.as4")), &asked);
        accepted(name, &report);
        assert_eq!(report.key_reference, Some(reference));
        assert_eq!(report.from.as_ref().unwrap().id, "AP0101-SDK-TEST");
        for (part, payload) in [("part-1", "holodeck8-payload-1.xml"), ("part-2", "holodeck8-payload-2.txt")] {
            assert_eq!(fs::read(folder.path().join(part)).unwrap(), fs::read(vectors.join(payload)).unwrap(), "{name}");
        }
        asked.keys.clear();
        asked.trust.push(receiver.certificate.clone());
        asked.signer = Some(receiver.certificate.clone());
        asked.answers = Some(fs::read(vectors.join(format!("{name}.as4"))).unwrap());
        let report = opened(&vectors.join(format!("{name}.receipt.xml")), &asked);
        accepted(name, &report);
        assert_eq!((report.kind, report.receipt.unwrap().references.len()), (Some("receipt"), 4));
    }
    let mut asked = question(HOLODECK_AT, &["unknown-revocation"]);
    asked.trust = vec![receiver.certificate.clone()];
    let report = opened(&vectors.join("holodeck8-error-0101.xml"), &asked);
    accepted("holodeck8-error-0101", &report);
    assert_eq!((report.kind, report.errors[0].code.as_str()), (Some("error"), "EBMS:0101"));
}

#[test]
fn a_message_of_as4_net_opens_only_where_its_old_algorithms_are_let_through() {
    let Some(vectors) = vectors() else { return };
    let path = vectors.join("encrypted-signed-issuerserial.as4");
    let (sender, receiver) = (
        identity(&vectors, "AccessPointA.pfx", "Pz4cZK4SULUwmraZa"),
        identity(&vectors, "AccessPointB.pfx", "Pz4cZK4SULUwmraZb"),
    );
    let ask = |allow: &[&str]| {
        let mut asked = question("2018-12-19T09:00:00Z", &[&OLD[..], allow].concat());
        asked.keys = vec![receiver.clone()];
        asked.trust = vec![sender.certificate.clone()];
        opened(&path, &asked)
    };
    let report = ask(&["rsa-sha384", "oaep-mgf1p", "short-keys"]);
    accepted("encrypted-signed-issuerserial", &report);
    assert_eq!(report.key_reference, Some("issuer-serial"));
    assert_eq!(report.parts.len(), 2);
    refused("without rsa-sha384", &ask(&["oaep-mgf1p"]), "EBMS:0103", "rsa-sha384");
    refused("without oaep-mgf1p", &ask(&["rsa-sha384"]), "EBMS:0103", "rsa-oaep-mgf1p");
    let mut strict = question("2018-12-19T09:00:00Z", &["rsa-sha384", "oaep-mgf1p", "expired", "unknown-revocation"]);
    strict.keys = vec![receiver.clone()];
    strict.trust = vec![sender.certificate.clone()];
    refused("a party that is not the signer", &opened(&path, &strict), "EBMS:0101", "PartyId");
}

#[test]
fn an_unsigned_message_is_refused_and_its_parts_still_decrypt_where_that_is_let_through() {
    let Some(vectors) = vectors() else { return };
    let path = vectors.join("encrypted-compressed-no-mgf.as4");
    let folder = tempfile::tempdir().unwrap();
    let mut asked = question(HOLODECK_AT, &[&OLD[..], &["unsigned", "oaep-mgf1p", "short-keys"]].concat());
    asked.keys = vec![identity(&vectors, "partyC.p12", "ExampleC")];
    asked.save = Some(folder.path().to_owned());
    accepted("encrypted-compressed-no-mgf", &opened(&path, &asked));
    for part in ["part-1", "part-2"] {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(folder.path().join(part)).unwrap())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(!unpacked.is_empty());
    }
    asked.allowed.remove(&sluss::xml::algorithm::Allow::Unsigned);
    refused("unsigned", &opened(&path, &asked), "EBMS:0103", "no signature");
    asked.allowed = question(HOLODECK_AT, &["expired", "unsigned", "unknown-revocation"]).allowed;
    refused("no MGF", &opened(&path, &asked), "EBMS:0103", "rsa-oaep");
}

#[test]
fn a_message_that_is_signed_and_not_encrypted_opens_only_where_that_is_let_through() {
    let Some(vectors) = vectors() else { return };
    let path = vectors.join("signed-holodeck.as4");
    let sender = identity(&vectors, "AccessPointB.pfx", "Pz4cZK4SULUwmraZb");
    let ask = |allow: &[&str]| {
        let mut asked = question("2018-01-24T17:00:00Z", &[&OLD[..], allow].concat());
        asked.trust = vec![sender.certificate.clone()];
        opened(&path, &asked)
    };
    let report = ask(&["rsa-sha384", "short-keys", "unencrypted"]);
    accepted("signed-holodeck", &report);
    assert_eq!((report.key_reference, report.parts.len()), (Some("ski"), 2));
    refused("unencrypted", &ask(&["rsa-sha384", "short-keys"]), "EBMS:0103", "unencrypted");
}

#[test]
fn a_message_to_others_shows_its_signature_and_does_not_decrypt() {
    let Some(vectors) = vectors() else { return };
    let path = vectors.join("signed-encrypted-rssbus.as4");
    let body =
        fs::read_to_string(&path).unwrap_or_else(|_| String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
    let token = body.split("_fa063481-f722-49b6-b6ee-4d9bcbe10a77\">").nth(1).unwrap().split('<').next().unwrap();
    let signer = Certificate::from_der(&sluss::xml::dsig::base64(token).unwrap()).unwrap();
    let mut asked = question("2018-01-12T10:10:00Z", &OLD);
    asked.trust = vec![signer];
    // Header and signature hold; what is left is the key that only the recipient has.
    refused("rssbus", &opened(&path, &asked), "EBMS:0102", "encrypted to");
    asked.trust.clear();
    refused("rssbus without trust", &opened(&path, &asked), "EBMS:0101", "trust anchor");
}

#[test]
fn what_the_conformance_assertions_refuse_is_refused_for_the_right_reason() {
    let Some(vectors) = vectors() else { return };
    let bare = [&OLD[..], &["unsigned", "unencrypted", "rsa-sha384", "short-keys"]].concat();
    for (name, code, detail) in [
        ("damaged-gzip", "EBMS:0303", "gzip"),
        ("missing-mimetype-property", "EBMS:0003", "MimeType"),
        ("external-payload-href", "EBMS:0011", "href"),
        // Its signer is a certificate authority, which is refused before the missing reference is looked for.
        ("reference-to-missing-id", "EBMS:0101", "certificate authority"),
        ("receipt-bad-signature", "EBMS:0101", ""),
    ] {
        let mut asked = question(HOLODECK_AT, &bare);
        if name == "receipt-bad-signature" {
            asked.trust = vec![identity(&vectors, "domibus-gateway.p12", "test123").certificate];
        }
        if name == "reference-to-missing-id" {
            let body = fs::read_to_string(vectors.join(format!("refused/{name}.as4"))).unwrap();
            let token = body.split("BinarySecurityToken").nth(1).unwrap().split(['<', '>']).nth(1).unwrap();
            asked.trust = vec![Certificate::from_der(&sluss::xml::dsig::base64(token).unwrap()).unwrap()];
        }
        refused(name, &opened(&vectors.join(format!("refused/{name}.as4")), &asked), code, detail);
    }
}

#[test]
fn nothing_of_other_communities_is_accepted_under_the_profile() {
    let Some(vectors) = vectors() else { return };
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in [vectors.clone(), vectors.join("refused")] {
        paths.extend(
            fs::read_dir(folder)
                .unwrap()
                .map(|e| e.unwrap().path())
                .filter(|p| p.extension().is_some_and(|e| e == "as4")),
        );
    }
    assert!(paths.len() >= 11);
    for path in paths {
        let report = opened(&path, &question(HOLODECK_AT, &[]));
        assert!(report.error.is_some(), "{}", path.display());
    }
}
