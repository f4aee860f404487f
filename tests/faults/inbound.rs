//! What another access point may post: refused in AS4, or receipted and then deleted, and never delivered.

use super::exchange::{Pair, Wire};
use super::support::http::{Answer, raw};
use super::support::{ALICE, BOB, CAROL, FEDERATION, NORTH, SOUTH, World, world};
use super::wire::{as4, header, is_of, look, pack, pair, post, properties, refusal};
use serde_json::Value;
use sluss::app::upkeep::chain_hash;
use sluss::as4::{Compression, UserMessage};
use sluss::crypto::hex;
use sluss::model::DocumentType;
use sluss::pki::Certificate;
use sluss::store::disk::SystemDisk;
use sluss::store::journal;
use sluss::xml::dsig;
use std::process::Command;

/// What an operator and a sender must be told.
struct Expected<'a> {
    code: &'a str,
    /// In the detail that the sender gets.
    told: &'a str,
    rule: Option<&'a str>,
}

fn expected<'a>(code: &'a str, told: &'a str, rule: &'a str) -> Expected<'a> {
    Expected { code, told, rule: (!rule.is_empty()).then_some(rule) }
}

/// Posts it; it must get this error, signed by the southern access point, and leave nothing but its refusal.
#[track_caller]
fn refused(world: &World, wire: &Wire, header: &UserMessage, expected: &Expected<'_>) -> Answer {
    let answer = post(world, &wire.content_type, &wire.body());
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = look(world, &wire.body(), &answer);
    assert_eq!((&seen["verdict"], &seen["kind"]), (&"accept".into(), &"error".into()), "{seen:#}");
    assert!(seen["signer"]["subject"].as_str().unwrap().contains(SOUTH), "{seen:#}");
    assert_eq!(seen["ref_to"].as_str(), Some(header.message_id.as_str()));
    let error = &seen["errors"][0];
    assert_eq!((&error["code"], &error["severity"]), (&expected.code.into(), &"failure".into()), "{seen:#}");
    assert!(error["detail"].as_str().unwrap_or_default().contains(expected.told), "{seen:#}");

    let event = recorded(world, header, expected);
    signed_by_north(world, &event["facts"], header, wire);
    answer
}

/// Of a sender who is known, what it signed is recorded as it is, with its certificate and signature (AP-3.4.1.t08 to t13).
#[track_caller]
fn signed_by_north(world: &World, facts: &Value, header: &UserMessage, wire: &Wire) {
    let certificate = Certificate::from_pem(&std::fs::read(world.folder(NORTH).join("cert.pem")).unwrap()).unwrap();
    let value = wire.soap.split("SignatureValue>").nth(1).unwrap().split('<').next().unwrap();
    let signature = hex(&dsig::base64(value).unwrap());
    for (name, value) in [
        ("partner", NORTH),
        ("certificate_subject", certificate.subject()),
        ("certificate_sha256", &certificate.sha256()),
        ("signature", &signature),
        ("as4_message_id", header.message_id.as_str()),
        ("conversation_id", &header.conversation_id),
        ("from", header.original_sender().unwrap()),
        ("to", header.final_recipient().unwrap()),
    ] {
        assert_eq!(facts[name].as_str(), Some(value), "{name}: {facts:#}");
    }
    // Only whom it names as its sender may be a claim.
    let another = Some(header.from.id.as_str()).filter(|name| *name != NORTH);
    assert_eq!(facts["claimed_partner"].as_str(), another, "{facts:#}");
    let claims = facts.as_object().unwrap().keys().filter(|name| name.starts_with("claimed_")).count();
    assert_eq!(claims, usize::from(another.is_some()), "{facts:#}");
}

/// Posts it; the sender must get this error, and leave nothing but its refusal.
#[track_caller]
fn turned_away(world: &World, wire: &Wire, header: &UserMessage, expected: &Expected<'_>) {
    let answer = post(world, &wire.content_type, &wire.body());
    let (status, text) = (answer.status, answer.text());
    assert_eq!(status, 200, "{text}");
    for said in [&format!("errorCode=\"{}\"", expected.code), expected.told, header.message_id.as_str()] {
        assert!(text.contains(said), "no {said} in {text}");
    }
    let event = recorded(world, header, expected);
    let mut names = event["facts"].as_object().unwrap().keys();
    assert!(names.all(|name| name.starts_with("claimed_")), "nothing is certain: {event:#}");
}

/// The operator must be told of this refusal, and nothing else may be left.
#[track_caller]
fn recorded(world: &World, header: &UserMessage, expected: &Expected<'_>) -> Value {
    let event = refusal(world, header.message_id.as_str());
    let problem = &event["problem"];
    assert_eq!((problem["code"].as_str(), problem["rule"].as_str()), (Some(expected.code), expected.rule), "{event:#}");
    let detail = problem["detail"].as_str().unwrap();
    // Why a part did not decrypt is nobody's to know.
    assert!(expected.code == "EBMS:0102" || detail.contains("found ") && detail.contains("expected "), "{event:#}");
    nothing_left(world, header);
    event
}

/// Neither the queue nor anybody's mailbox has the message.
#[track_caller]
fn nothing_left(world: &World, header: &UserMessage) {
    let queue = world.at(SOUTH, &["queue", "list"]).done().lines;
    let id = header.message_id.as_str();
    assert!(queue.iter().all(|message| message["as4_message_id"] != id), "{queue:#?}");
    not_delivered(world, &header.conversation_id);
}

#[track_caller]
fn not_delivered(world: &World, envelope: &str) {
    for command in [&["inbox"][..], &["take", "--as", BOB], &["take", "--as", CAROL]] {
        let found = world.at(SOUTH, command).done().lines;
        assert!(found.iter().all(|message| message["envelope_id"] != envelope), "{command:?}: {found:#?}");
    }
}

/// A good message of a good envelope, to be spoiled.
fn good(world: &World) -> (Pair, UserMessage, Wire) {
    let pair = pair(world);
    let (header, wire) = packed(world, &pair, |_| {});
    (pair, header, wire)
}

fn packed(world: &World, pair: &Pair, change: impl Fn(&mut UserMessage)) -> (UserMessage, Wire) {
    let envelope = world.sealed(ALICE, BOB);
    let mut header = header(pair);
    header.conversation_id = envelope_id(&envelope);
    change(&mut header);
    let wire = pack(pair, &header, &envelope);
    (header, wire)
}

fn envelope_id(envelope: &[u8]) -> String {
    let text = String::from_utf8_lossy(envelope);
    text.split("<xhb:ID>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn cut(soap: &mut String, from: &str, to: &str) {
    let start = soap.find(from).unwrap();
    let end = soap[start..].find(to).unwrap() + start + to.len();
    soap.replace_range(start..end, "");
}

#[test]
fn an_unsigned_message_is_refused() {
    let world = world();
    let (_, header, mut wire) = good(world);
    cut(&mut wire.soap, "<ds:Signature ", "</ds:Signature>");
    turned_away(world, &wire, &header, &expected("EBMS:0103", "no signature", "AS4-2.10.p1"));
}

#[test]
fn an_unencrypted_message_is_refused() {
    let world = world();
    let (pair, header) = (pair(world), header(&pair(world)));
    let envelope = world.sealed(ALICE, BOB);
    let mut wire = pair.pack_message(header.clone(), &[("message", Compression::None, &envelope)]);
    cut(&mut wire.soap, "<xenc:EncryptedKey ", "</xenc:EncryptedKey>");
    cut(&mut wire.soap, "<xenc:EncryptedData ", "</xenc:EncryptedData>");
    // The signature is over the octets in clear: it holds.
    wire.parts[0].1 = envelope;
    refused(world, &wire, &header, &expected("EBMS:0103", "unencrypted", "AS4-2.10.p1"));
}

#[test]
fn a_message_that_was_tampered_with_is_refused() {
    let world = world();
    let (_, header, mut wire) = good(world);
    let middle = wire.parts[0].1.len() / 2;
    wire.parts[0].1[middle] ^= 1;
    let answer = refused(world, &wire, &header, &expected("EBMS:0102", "could not be decrypted", "AS4-2.2.t15"));
    xmlsec_verifies(world, &answer);

    let (_, header, mut wire) = good(world);
    wire.soap = wire.soap.replace(">0203:alice", ">0203:elice");
    turned_away(world, &wire, &header, &expected("EBMS:0101", "differs from what was signed", "AS4-2.2.t14"));

    let (_, header, mut wire) = good(world);
    wire.parts.clear();
    refused(world, &wire, &header, &expected("EBMS:0011", "", "AS4-2.2.t04"));
}

/// An error must be signed for a sender who has other software than ours.
fn xmlsec_verifies(world: &World, answer: &Answer) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("error.xml");
    // xmlsec knows no SecurityTokenReference: the key is given, and KeyInfo, which is not signed, left out.
    let mut soap = answer.text();
    cut(&mut soap, "<ds:KeyInfo", "</ds:KeyInfo>");
    std::fs::write(&file, soap).unwrap();
    let mut command = Command::new("xmlsec1");
    command.args(["--verify", "--id-attr:Id", "Messaging", "--id-attr:Id", "Body", "--pubkey-cert-pem"]);
    let Ok(done) = command.arg(world.folder(SOUTH).join("cert.pem")).arg(&file).output() else {
        return println!("skipped: xmlsec1 is not here");
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_message_signed_by_a_stranger_or_for_somebody_else_is_refused() {
    let world = world();
    let mut pair = pair(world);
    let name = pair.stranger.certificate.common_name().unwrap().to_owned();
    let (header, wire) = packed(world, &pair, |header| header.from.id = "AP0009-TESTBED".into());
    refused(world, &wire, &header, &expected("EBMS:0101", "AP0009-TESTBED", "AS4-2.3.1.j"));

    pair.north = pair.stranger.clone();
    let (header, wire) = packed(world, &pair, |header| header.from.id = name.clone());
    turned_away(world, &wire, &header, &expected("EBMS:0101", "trust anchor", "AS4-2.10.c"));
}

#[test]
fn what_is_not_served_here_is_not_serviced() {
    let world = world();
    let pair = pair(world);
    let (header, wire) = packed(world, &pair, |header| header.properties = properties(ALICE, "0203:nobody.example.se"));
    refused(world, &wire, &header, &expected("EBMS:0004", "NOT_SERVICED", "AS4-2.5.a"));
    // A participant is not another one for sharing its name.
    let (header, wire) = packed(world, &pair, |header| header.properties = properties(ALICE, "0088:bob.example.se"));
    refused(world, &wire, &header, &expected("EBMS:0004", "NOT_SERVICED", "AS4-2.5.a"));
    let (header, wire) = packed(world, &pair, |header| {
        header.action = DocumentType::new("urn:example:invoice::Invoice##1.0::tm-base-ext-sigenc").action();
    });
    refused(world, &wire, &header, &expected("EBMS:0004", "NOT_SERVICED", "AS4-2.5.a"));
    let (header, wire) = packed(world, &pair, |header| header.to.id = "AP0003-TESTBED".into());
    refused(world, &wire, &header, &expected("EBMS:0010", SOUTH, "AS4-2.3.1.m"));
    // The certificate itself is in the log line.
    let (journal, id) = (world.folder(SOUTH).join("data/journal"), header.message_id.as_str());
    let mut logged = Vec::new();
    journal::scan(&SystemDisk::default(), &journal, chain_hash, None, &mut |_, record| {
        let log: Value = serde_json::from_slice(record.split(|octet| *octet == b'\n').next().unwrap()).unwrap();
        if log["events"].as_array().is_some_and(|events| events.iter().any(|event| is_of(event, id))) {
            logged.push(log["certificates"].clone());
        }
        Ok(())
    })
    .unwrap();
    let certificate = std::fs::read_to_string(world.folder(NORTH).join("cert.pem")).unwrap();
    let of = |pem: &str| Certificate::from_pem(pem.as_bytes()).unwrap().sha256();
    assert_eq!(logged.len(), 1);
    assert_eq!(of(logged[0][0].as_str().unwrap()), of(&certificate));
}

/// Posts it; it must get an AS4 receipt that repeats what was signed.
#[track_caller]
fn receipted(world: &World, wire: &Wire) -> Answer {
    let answer = post(world, &wire.content_type, &wire.body());
    let seen = look(world, &wire.body(), &answer);
    assert_eq!((&seen["verdict"], &seen["kind"]), (&"accept".into(), &"receipt".into()), "{seen:#}");
    answer
}

#[test]
fn a_message_that_comes_again_gets_the_first_receipt_and_another_under_its_id_is_refused() {
    let world = world();
    let _discovery = world.discovery();
    let (pair, header, wire) = good(world);
    let first = receipted(world, &wire);
    let again = post(world, &wire.content_type, &wire.body());
    assert_eq!((again.status, again.body), (200, first.body), "byte for byte");
    world.until(SOUTH, "delivered message", |message| {
        message["envelope_id"] == header.conversation_id.as_str() && message["message_receipt"] == "ACCEPTED"
    });
    let third = post(world, &wire.content_type, &wire.body());
    assert_eq!(third.status, 200);
    assert_eq!(world.received(SOUTH, &header.conversation_id).len(), 1, "delivered once");

    let other = pack(&pair, &header, &world.sealed(ALICE, BOB));
    let answer = post(world, &other.content_type, &other.body());
    let seen = look(world, &other.body(), &answer);
    assert_eq!(seen["errors"][0]["code"], "EBMS:0004", "{seen:#}");
    assert_eq!(refusal(world, header.message_id.as_str())["problem"]["rule"], "SAD-5.3.7.1");
    assert_eq!(world.received(SOUTH, &header.conversation_id).len(), 1, "nothing of the other came in");
}

/// Posts an envelope; it must get its AS4 receipt (C-34), and then be deleted by this rule, without a message receipt.
#[track_caller]
fn deleted(world: &World, header: &UserMessage, envelope: &[u8], rule: &str) {
    let pair = pair(world);
    receipted(world, &pack(&pair, header, envelope));
    let id = header.message_id.as_str();
    let message = world
        .until(SOUTH, "deleted message", |message| message["as4_message_id"] == id && message["status"] == "DELETED");
    let journey = world.journey(SOUTH, &message);
    let events = journey["journey"].as_array().unwrap();
    let stages: Vec<&str> = events.iter().filter_map(|event| event["stage"].as_str()).collect();
    assert_eq!(stages, ["received", "discarded"], "{journey:#}");
    let problem = &events[1]["problem"];
    assert_eq!(problem["rule"].as_str(), Some(rule), "{journey:#}");
    let detail = problem["detail"].as_str().unwrap();
    let said = detail.contains("found ") && detail.contains("expected ") || detail.contains("not well-formed");
    assert!(said, "{detail}");
    assert_eq!(journey["message"]["message_receipt"], Value::Null);
    let answers = world.at(SOUTH, &["queue", "list", "--direction", "out"]).done().lines;
    for answer in answers {
        let answer = world.journey(SOUTH, &answer);
        assert_ne!(answer["message"]["acknowledges"].as_str(), Some(envelope_id(envelope).as_str()), "{answer:#}");
    }
    not_delivered(world, &envelope_id(envelope));
    not_delivered(world, &header.conversation_id);
}

#[test]
fn an_envelope_that_disagrees_with_the_as4_header_is_receipted_and_deleted() {
    let world = world();
    let pair = pair(world);
    let envelope = world.sealed(ALICE, BOB);
    let mut other = header(&pair);
    other.properties = properties(ALICE, CAROL);
    deleted(world, &other, &envelope, "AP-3.1.6.a");
    let mut other = header(&pair);
    other.properties = properties("0203:david.example.se", BOB);
    deleted(world, &other, &envelope, "AP-3.1.6.b");
    let mut other = header(&pair);
    other.action = DocumentType::message_receipt().action();
    deleted(world, &other, &envelope, "AP-3.1.6.c");
}

#[test]
fn an_envelope_that_does_not_conform_is_receipted_and_deleted() {
    let world = world();
    let pair = pair(world);
    let envelope = String::from_utf8(world.sealed(ALICE, BOB)).unwrap();
    let extra = "<xha:BusinessScopeCriterion><xhb:BusinessScopeCriterionTypeCode>EXTRA</xhb:BusinessScopeCriterionTypeCode><xhb:BusinessScopeCriterionValue>1</xhb:BusinessScopeCriterionValue></xha:BusinessScopeCriterion></xha:BusinessScope>";
    for (old, new, rule) in [
        (FEDERATION, "urn:fdc:digg.se:edelivery:federation:sdk", "XHE-2.2.t07"),
        ("</xha:BusinessScope>", extra, "R14"),
        (">PROCESSID_SCHEME<", ">PROCESS_SCHEME<", "R7"),
        ("urn:fdc:digg.se:edelivery:xhe:1", "urn:fdc:digg.se:edelivery:xhe:2", "R3"),
        ("</x:XHE>", "</x:XHE", "XHE-2.5.a"),
    ] {
        assert!(envelope.contains(old), "{old}");
        deleted(world, &header(&pair), envelope.replace(old, new).as_bytes(), rule);
    }
}

#[test]
fn a_body_that_is_no_as4_message_gets_a_clear_answer_and_the_daemon_goes_on() {
    let world = world();
    let (_, _, wire) = good(world);
    let body = wire.body();
    let type_ = wire.content_type.as_str();
    let half = &body[..body.len() - 100];
    let soap_only = &body[..body.iter().rposition(|byte| *byte == b'>').unwrap().min(wire.before.len() + 40)];
    let cases: [(&str, &str, &[u8], u16); 8] = [
        ("nothing", "application/soap+xml", b"", 400),
        ("garbage", "application/octet-stream", b"\x00\xff\xfegarbage", 400),
        ("JSON", "application/json", b"{}", 400),
        ("HTML as SOAP", "application/soap+xml", b"<html/>", 400),
        ("garbage as multipart", type_, b"garbage", 400),
        ("multipart without boundary", "multipart/related; type=\"application/soap+xml\"", &body, 400),
        ("cut within the SOAP part", type_, soap_only, 400),
        ("cut within the part", type_, half, 200),
    ];
    for (what, content_type, body, status) in cases {
        let answer = post(world, content_type, body);
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.text().contains("errorCode=\"EBMS:00"), "{what}: {answer:?}");
    }
    let address = as4(world);
    let ask = |request: &str| raw(&address, request.as_bytes()).map(|answer| answer.status);
    let close = "Host: x\r\nConnection: close\r\n";
    assert_eq!(ask(&format!("GET /as4 HTTP/1.1\r\n{close}\r\n")), Some(200));
    assert_eq!(ask(&format!("PUT /as4 HTTP/1.1\r\n{close}Content-Length: 0\r\n\r\n")), Some(405));
    assert_eq!(ask(&format!("POST /other HTTP/1.1\r\n{close}Content-Length: 0\r\n\r\n")), Some(404));
    assert_eq!(ask("nonsense\r\n\r\n"), Some(400));
    let huge = "x".repeat(100_000);
    assert_eq!(ask(&format!("POST /as4 HTTP/1.1\r\n{close}X-Huge: {huge}\r\n\r\n")), Some(431));
    assert_eq!(ask(&format!("POST /as4?{huge} HTTP/1.1\r\n{close}\r\n")), Some(431));
    world.at(SOUTH, &["status"]).done();
    // A request that ends before its length does is given up, and nothing of it stays.
    let head = format!("POST /as4 HTTP/1.1\r\n{close}Content-Type: {type_}\r\nContent-Length: {}\r\n\r\n", body.len());
    super::support::http::broken_off(&address, &[head.as_bytes(), half].concat());
    world.at(NORTH, &["status"]).done();
    world.at(SOUTH, &["status"]).done();
}
