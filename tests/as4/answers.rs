//! What an answer may decide about the message that was sent, and what it may not.

use super::exchange::{MESSAGE_ID, Pair, RECEIPT_ID};
use sluss::as4::{Compression, Finding, ReceiptError, Refusal, error, receipt};
use sluss::model::As4MessageId;
use sluss::xml::algorithm::Allowed;

const XML: &[u8] = b"<message/>";

/// The check of an error signal of the receiving access point that names this message, or none.
fn check_error(about: Option<&str>) -> ReceiptError {
    let pair = Pair::new();
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
    let pair = Pair::new();
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
    let pair = Pair::new();
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
    let pair = Pair::new();
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
