//! AS4 messages of the northern access point's making, good ones and others, posted to the southern one by hand.

use super::exchange::{Pair, Wire};
use super::support::{ALICE, BOB, NORTH, SOUTH, World, http, sluss};
use serde_json::Value;
use sluss::as4::{Compression, Party, Property, UserMessage, pmode};
use sluss::model::{Clock, SystemClock};
use sluss::pki::{Certificate, Identity};
use sluss::testbed::ca::demo;
use std::fs;

/// Two access points of the testbed, and one of another federation's.
pub(crate) fn pair(world: &World) -> Pair {
    let identity = |name: &str| {
        let folder = world.folder(name);
        Identity::from_files(&folder.join("key.pem"), &folder.join("cert.pem")).unwrap()
    };
    let anchor = fs::read(world.dir.join("ca/ap.cert.pem")).unwrap();
    Pair {
        north: identity(NORTH),
        south: identity(SOUTH),
        stranger: demo::identity("access-points/AP0001-DEMO").unwrap(),
        anchor: Certificate::from_pem(&anchor).unwrap(),
        at: SystemClock.now(),
    }
}

/// The header of a message from Alice to Bob, with ids of its own.
pub(crate) fn header(pair: &Pair) -> UserMessage {
    UserMessage {
        message_id: format!("{}@{NORTH}", uuid::Uuid::new_v4()).parse().unwrap(),
        from: Party::initiator(NORTH),
        to: Party::responder(SOUTH),
        conversation_id: uuid::Uuid::new_v4().to_string(),
        properties: properties(ALICE, BOB),
        ..pair.message()
    }
}

pub(crate) fn properties(from: &str, to: &str) -> Vec<Property> {
    vec![Property::participant(pmode::ORIGINAL_SENDER, from), Property::participant(pmode::FINAL_RECIPIENT, to)]
}

/// Packs an envelope as Sluss does.
pub(crate) fn pack(pair: &Pair, header: &UserMessage, envelope: &[u8]) -> Wire {
    pair.pack_message(header.clone(), &[("message", Compression::Stored, envelope)])
}

/// Posts a body to the southern access point.
pub(crate) fn post(world: &World, content_type: &str, body: &[u8]) -> http::Answer {
    http::ask(&as4(world), "POST", "/as4", &format!("Content-Type: {content_type}\r\n"), body)
}

/// Where the southern access point takes AS4 messages.
pub(crate) fn as4(world: &World) -> String {
    let text = fs::read_to_string(world.config(SOUTH)).unwrap();
    let line = text.lines().find(|line| line.starts_with("as4 = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

/// What the sender finds in an answer: `sluss as4 open`, which trusts the southern access point only.
pub(crate) fn look(world: &World, request: &[u8], answer: &http::Answer) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (head, body) = (file("answer.headers", answer.head.as_bytes()), file("answer.body", &answer.body));
    let request = file("request.body", request);
    let of = |name: &str, file: &str| world.folder(name).join(file).display().to_string();
    let trust = world.dir.join("ca/ap.cert.pem").display().to_string();
    let (key, cert, signer) = (of(NORTH, "key.pem"), of(NORTH, "cert.pem"), of(SOUTH, "cert.pem"));
    let mut args = vec!["as4", "open", "--json", "--allow", "unknown-revocation", "--headers", &head, "--body", &body];
    args.extend(["--key", &key, "--cert", &cert, "--trust", &trust, "--signer", &signer, "--answers", &request]);
    sluss(&args).one()
}

/// What stays of the refusals at an access point, newest first.
pub(crate) fn refusals(world: &World, access_point: &str) -> Vec<Value> {
    let refusals = world.api(access_point, "GET", "/refusals?limit=1000").json();
    refusals["refusals"].as_array().unwrap_or_else(|| panic!("{refusals}")).clone()
}

/// The refusal of a message, as the operator of the southern access point sees it.
pub(crate) fn refusal(world: &World, message_id: &str) -> Value {
    let refusals = refusals(world, SOUTH);
    let found = refusals.iter().find(|event| is_of(event, message_id));
    found.unwrap_or_else(|| panic!("no refusal of {message_id} in {refusals:#?}")).clone()
}

/// Whether a refusal is of this message, of a sender who is known or of a stranger.
pub(crate) fn is_of(event: &Value, message_id: &str) -> bool {
    ["as4_message_id", "claimed_as4_message_id"].iter().any(|name| event["facts"][name] == message_id)
}
