//! What an answer may decide about the message that was sent, and what it may not.

use super::exchange::{MESSAGE_ID, Pair, RECEIPT_ID, Wire};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sluss::as4::{Compression, Finding, ReceiptError, Refusal, error, receipt};
use sluss::conformance::as4::resign::resigned;
use sluss::crypto::{HashFunction, Oaep};
use sluss::model::As4MessageId;
use sluss::pki::Certificate;
use sluss::xml::algorithm::Allowed;
use std::fs;
use std::path::Path;
use std::process::Command;

const XML: &[u8] = b"<message/>";

/// The check of an error signal of the receiving access point that names this message, or none.
fn check_error(about: Option<&str>) -> ReceiptError {
    let pair = Pair::demo();
    let sent: As4MessageId = MESSAGE_ID.parse().unwrap();
    let about: Option<As4MessageId> = about.map(|id| id.parse().unwrap());
    let refusal = Refusal::Mismatch(Finding::new("another service", "a service of SDK"));
    let answer = error::build(&refusal, about.as_ref(), &pair.south, &RECEIPT_ID.parse().unwrap(), pair.at).unwrap();
    let (kind, body) = (Some(answer.content_type.as_str()), answer.body.as_bytes());
    receipt::check(kind, body, &[], &sent, &pair.south.certificate, pair.at, &Allowed::new()).unwrap_err()
}

#[test]
fn a_signed_error_about_the_message_that_was_sent_decides() {
    let error = check_error(Some(MESSAGE_ID));
    assert!(matches!(error, ReceiptError::Refused { signed: true, .. }), "{error:?}");
    assert!(error.to_string().contains("another service"), "{error}");
}

#[test]
fn a_signed_error_about_another_message_says_nothing_of_ours() {
    let error = check_error(Some("other@example.se"));
    assert!(matches!(error, ReceiptError::OtherMessage { .. }), "{error:?}");
    assert!(error.to_string().contains("about message other@example.se, expected message"), "{error}");
}

#[test]
fn an_error_about_no_message_is_reported_and_does_not_decide() {
    let error = check_error(None);
    assert!(matches!(error, ReceiptError::Refused { signed: false, .. }), "{error:?}");
}

#[test]
fn a_receipt_that_is_called_text_or_nothing_is_a_receipt() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let (opened, _) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    let (answer, id) = (pair.receipt(&opened), MESSAGE_ID.parse().unwrap());
    for kind in [None, Some("text/xml; charset=UTF-8"), Some("application/xml"), Some("Application/SOAP+XML")] {
        let body = answer.body.as_bytes();
        let certificate = &pair.south.certificate;
        receipt::check(kind, body, &wire.references, &id, certificate, pair.at, &Allowed::new()).unwrap();
    }
}

#[test]
fn every_refusal_names_a_rule_and_a_remedy_to_us_and_to_the_peer() {
    let pair = Pair::demo();
    let finding = || Finding::new("this", "that");
    let all = [
        Refusal::Authentication(finding()),
        Refusal::Decompression(finding()),
        Refusal::Decryption { hint: None },
        Refusal::Feature(finding()),
        Refusal::Header(finding()),
        Refusal::Inconsistent(finding()),
        Refusal::Limit(finding()),
        Refusal::Mime(finding()),
        Refusal::Mismatch(finding()),
        Refusal::NotServiced(finding()),
        Refusal::Payload(finding()),
        Refusal::Policy(finding()),
        Refusal::Reused(finding()),
        Refusal::Unfinished(finding()),
    ];
    for refusal in all {
        let problem = refusal.problem();
        let rule = problem.rule.clone().unwrap_or_else(|| panic!("{refusal}: no rule"));
        for word in ["found ", ", expected ", refusal.remedy()] {
            assert!(problem.detail.contains(word), "{word:?}: {}", problem.detail);
        }
        // NOT_SERVICED stands alone (AS4-2.5.c).
        if matches!(refusal, Refusal::NotServiced(_)) {
            continue;
        }
        let answer = error::build(&refusal, None, &pair.south, &RECEIPT_ID.parse().unwrap(), pair.at).unwrap();
        for word in [rule.as_str(), refusal.remedy()] {
            assert!(answer.body.contains(word), "{word:?}: {}", answer.body);
        }
    }
}

#[test]
fn a_receipt_holds_also_where_a_reference_declares_again_what_stands_around_it() {
    let pair = Pair::demo();
    let reference = |declaration: &str| {
        format!(
            "<ds:Reference xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" URI=\"#a\"><eb:x{declaration}></eb:x>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
             <ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>"
        )
    };
    let sent: As4MessageId = MESSAGE_ID.parse().unwrap();
    for namespace in ["http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/", "urn:other"] {
        let references = [reference(&format!(" xmlns:eb=\"{namespace}\""))];
        let id = RECEIPT_ID.parse().unwrap();
        let answer = receipt::build(&sent, &references, &pair.south, &id, pair.at).unwrap();
        let signed = [sluss::model::SignedReference {
            uri: "#a".into(),
            algorithm: "http://www.w3.org/2001/04/xmlenc#sha256".into(),
            digest: "AAAA".into(),
        }];
        let (kind, body) = (Some(answer.content_type.as_str()), answer.body.as_bytes());
        receipt::check(kind, body, &signed, &sent, &pair.south.certificate, pair.at, &Allowed::new()).unwrap();
    }
}

/// One answer for all (protocol.md 6, 32): who asks with changed keys and ciphertexts learns nothing from it.
#[test]
fn a_wrong_session_key_is_refused_word_for_word_as_damaged_content_is() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let refused = |wire: &Wire| pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).err().unwrap();
    let mut answers = Vec::new();
    for damage in
        ["iv", "ciphertext", "tag", "too short", "wrapped key", "wrapped key of another length", "another key"]
    {
        let mut wire = wire.clone();
        let octets = &mut wire.parts[0].1;
        let last = octets.len() - 1;
        let value = wire.soap.find("<xenc:CipherValue>").unwrap() + "<xenc:CipherValue>".len();
        match damage {
            "iv" => octets[0] ^= 1,
            "ciphertext" => octets[14] ^= 1,
            "tag" => octets[last] ^= 1,
            "too short" => octets.truncate(27),
            "wrapped key" => wire.soap.replace_range(value..value + 8, "AAAAAAAA"),
            "wrapped key of another length" => wire.soap.replace_range(value..value + 8, ""),
            _ => {
                let length = wire.soap[value..].find('<').unwrap();
                let other = pair.south.certificate.public_key();
                let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
                // A key that unwraps, and one of another length that does so too.
                let key = STANDARD.encode(other.wrap(oaep, &[7; 32]).unwrap());
                wire.soap.replace_range(value..value + length, &key);
            }
        }
        let refusal = refused(&wire);
        let id = MESSAGE_ID.parse().unwrap();
        let answer = error::build(&refusal, Some(&id), &pair.south, &RECEIPT_ID.parse().unwrap(), pair.at).unwrap();
        let said = answer.body.split_once("<eb:Error ").unwrap().1.split_once("</eb:Error>").unwrap().0.to_owned();
        answers.push((damage, refusal.to_string(), said));
    }
    for (damage, text, said) in &answers {
        assert_eq!((text, said), (&answers[0].1, &answers[0].2), "{damage}");
    }
}

/// No library here signs with such a key, so openssl does.
#[test]
fn a_sound_signature_by_a_key_of_1024_bits_is_refused_for_the_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/as4");
    let certificate = Certificate::from_pem(&fs::read(folder.join("rsa-1024.cert.pem")).unwrap()).unwrap();
    let pair = Pair::demo();
    let mut wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let own = STANDARD.encode(pair.north.certificate.der());
    let changed = wire.soap.replace(&own, &STANDARD.encode(certificate.der()));
    assert_ne!(changed, wire.soap);
    let sign = |octets: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), octets).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-sign"]).arg(folder.join("rsa-1024.test-key.pem")).arg(file.path());
        let done = openssl.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    wire.soap = resigned(&changed, &sign).unwrap();
    let refusal = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).err().unwrap();
    assert!(refusal.code() == "EBMS:0101" && refusal.to_string().contains("1024 bits"), "{} {refusal}", refusal.code());
}
