//! A recorded answer is judged offline word for word as a running access point judges it.

use super::exchange::{MESSAGE_ID, Pair, RECEIPT_ID, Wire};
use super::question;
use sluss::as4::{Compression, Finding, ReceiptError, Refusal, error, receipt};
use sluss::conformance::as4::resign::resigned;
use sluss::crypto::HashFunction;
use sluss::inspect::as4::{Report, Verdict, open};
use sluss::model::As4MessageId;
use sluss::xml::algorithm::Allowed;

/// An exchange, and what its sender makes of an answer.
struct Exchange {
    pair: Pair,
    wire: Wire,
}

impl Exchange {
    fn new() -> Self {
        let pair = Pair::demo();
        let wire = pair.pack(&[("message", Compression::Deflate, b"<message/>")]);
        Self { pair, wire }
    }

    fn receipt(&self) -> String {
        let (opened, _) =
            self.pair.open(&self.wire.content_type, self.wire.body().as_slice(), &Allowed::new()).unwrap();
        self.pair.receipt(&opened).body
    }

    fn offline(&self, content_type: Option<&str>, body: &str) -> Report {
        let mut asked = question(&self.pair.at.to_string(), &["unknown-revocation"]);
        asked.trust = vec![self.pair.anchor.clone()];
        asked.signer = Some(self.pair.south.certificate.clone());
        asked.answers = Some(self.wire.body());
        let headers = content_type.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        open(&format!("HTTP/1.1 200 OK\r\n{headers}"), body.as_bytes(), &asked)
    }

    fn online(&self, content_type: Option<&str>, body: &str) -> Result<(), ReceiptError> {
        let (id, at) = (MESSAGE_ID.parse::<As4MessageId>().unwrap(), self.pair.at);
        let (sent, south) = (&self.wire.references, &self.pair.south.certificate);
        receipt::check(content_type, body.as_bytes(), sent, &id, south, at, &Allowed::new()).map(drop)
    }

    /// Both verdicts, which must be one: none, or code and detail.
    fn verdict(&self, content_type: Option<&str>, body: &str) -> Option<(String, String)> {
        let report = self.offline(content_type, body);
        let said = |problem: &sluss::model::Problem| (problem.code.clone().unwrap(), problem.detail.clone());
        let offline = report.error.as_ref().map(said);
        match self.online(content_type, body) {
            // Whose word it provably is decides; a recorded one is then a good record.
            Err(ReceiptError::Refused { errors, signed: true }) => {
                assert_eq!((report.verdict, report.errors.len()), (Verdict::Accept, errors.len()), "{body}");
                Some((errors[0].code.clone(), errors[0].to_string()))
            }
            online => {
                assert_eq!(online.err().map(|error| said(&error.problem())), offline, "{body}");
                offline
            }
        }
    }
}

const SOAP: Option<&str> = Some("application/soap+xml");

#[test]
fn a_receipt_is_taken_whatever_xml_its_answer_is_called() {
    let exchange = Exchange::new();
    for kind in [None, Some("text/xml"), Some("application/xml; charset=utf-8"), SOAP] {
        assert_eq!(exchange.verdict(kind, &exchange.receipt()), None, "{kind:?}");
    }
}

#[test]
fn an_empty_answer_and_a_user_message_are_no_receipt() {
    let exchange = Exchange::new();
    let user_message = exchange.wire.soap.as_str();
    for (kind, body, words) in [
        (None, "", "the answer is empty"),
        (SOAP, " \r\n", "the answer is empty"),
        (SOAP, user_message, "the answer is a user message; expected a signed AS4 receipt"),
    ] {
        let (code, detail) = exchange.verdict(kind, body).unwrap();
        assert!(code == "EBMS:0301" && detail.contains(words), "{code} {detail}");
    }
}

/// An error of the receiving access point: signed or not, with this text.
fn error_about(exchange: &Exchange, about: Option<&str>, signed: bool, text: &str) -> String {
    let about: Option<As4MessageId> = about.map(|id| id.parse().unwrap());
    let refusal = Refusal::Mismatch(Finding::new(text, "a service of SDK"));
    let (id, at) = (RECEIPT_ID.parse().unwrap(), exchange.pair.at);
    if signed {
        return error::build(&refusal, about.as_ref(), &exchange.pair.south, &id, at).unwrap().body;
    }
    error::unsigned(&refusal, about.as_ref(), &id, at).body
}

#[test]
fn the_words_of_the_peer_stand_beside_ours() {
    let exchange = Exchange::new();
    let signed = error_about(&exchange, Some(MESSAGE_ID), true, "another service");
    assert!(exchange.verdict(SOAP, &signed).unwrap().1.contains("another service"));

    for about in [Some(MESSAGE_ID), None] {
        let unsigned = error_about(&exchange, about, false, "another service");
        let (code, detail) = exchange.verdict(SOAP, &unsigned).unwrap();
        assert_eq!(code, "EBMS:0010");
        assert!(detail.contains("which the answer does not prove") && detail.contains("another service"), "{detail}");
        assert_eq!(exchange.offline(SOAP, &unsigned).errors[0].code, "EBMS:0010");
    }
    let turned = error_about(&exchange, None, false, "service")
        .replace("shortDescription=\"", "shortDescription=\"\u{202e}")
        .replace("<eb:ErrorDetail>", "<eb:ErrorDetail>a\u{2066}b\u{200b}");
    let (_, detail) = exchange.verdict(SOAP, &turned).unwrap();
    assert!(detail.contains("ab") && !detail.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{detail:?}");
    let shown = format!("{:?}", exchange.offline(SOAP, &turned));
    assert!(shown.contains("ab") && !shown.contains("\\u{20"), "{shown}");
    let fault = "<S:Envelope xmlns:S=\"http://www.w3.org/2003/05/soap-envelope\"><S:Body><S:Fault><S:Code><S:Value>S:Receiver</S:Value></S:Code><S:Reason><S:Text>bo\u{85}om</S:Text></S:Reason></S:Fault></S:Body></S:Envelope>";
    let (code, detail) = exchange.verdict(SOAP, fault).unwrap();
    assert!(code == "EBMS:0302" && detail.contains("a SOAP fault: S:Receiver: boom"), "{code} {detail}");
}

#[test]
fn a_receipt_that_was_changed_or_is_anothers_is_told_apart_by_its_remedy() {
    let exchange = Exchange::new();
    let changed = exchange.receipt().replacen("<eb:Timestamp>2", "<eb:Timestamp>3", 1);
    let (_, detail) = exchange.verdict(SOAP, &changed).unwrap();
    assert!(detail.contains("changes the receipt after it is signed"), "{detail}");
    let unsigned = exchange.receipt().replacen("<ds:Signature ", "<ds:Manifest ", 1);
    let unsigned = unsigned.replacen("</ds:Signature>", "</ds:Manifest>", 1);
    let (_, detail) = exchange.verdict(SOAP, &unsigned).unwrap();
    assert!(detail.contains("the certificate that its endpoint has in SMP"), "{detail}");
}

#[test]
fn an_error_may_name_the_message_in_its_attribute_alone() {
    let exchange = Exchange::new();
    let named = error_about(&exchange, Some(MESSAGE_ID), true, "another service");
    let header = format!("<eb:RefToMessageId>{MESSAGE_ID}</eb:RefToMessageId>");
    let attribute_only = named.replacen(&header, "", 1);
    assert!(attribute_only.len() < named.len() && attribute_only.contains(MESSAGE_ID));
    let key = &exchange.pair.south.key;
    let signed = resigned(&attribute_only, &|octets| key.sign(HashFunction::Sha256, octets).unwrap()).unwrap();
    assert!(exchange.verdict(SOAP, &signed).unwrap().1.contains("another service"));
}
