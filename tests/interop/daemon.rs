//! phase4 and a daemon: what others send for a trial changes nothing, and the qualification cases reach others.

use super::Running;
use super::phase4::Phase4;
use super::support::{ALICE, BOB, SOUTH, sluss, world};
use serde_json::Value;
use std::process::Command;

const PEER: &str = "AP0009-PHASE4";

#[test]
fn a_ping_of_phase4s_is_receipted_and_leaves_inbox_and_queue_as_they_were() {
    let Some(phase4) = Phase4::here() else { return };
    let world = world();
    world.elsewhere(PEER, "0203:peer.example.se");
    let config = std::fs::read_to_string(world.config(SOUTH)).unwrap();
    let line = config.lines().find(|line| line.starts_with("as4 = ")).unwrap();
    let url = format!("http://{}/as4", line.split('"').nth(1).unwrap());
    let held = || {
        let of = |args: &[&str]| world.at(SOUTH, args).done().lines;
        (of(&["inbox", "--participant", BOB]), of(&["queue", "list", "--direction", "in"]))
    };
    let before = held();
    let file = |name: &str, file: &str| world.folder(name).join(file).display().to_string();
    let (keystore, truststore) = (file(PEER, "keystore.p12"), file(PEER, "truststore.p12"));
    let service = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/service";
    let action = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/test";
    let mut send = Command::new(&phase4.script);
    send.args(["send", "--to", &url, "--receiver-cert", &file(SOUTH, "cert.pem"), "--keystore", &keystore]);
    send.args(["--truststore", &truststore, "--from", PEER, "--to-party", SOUTH, "--original-sender", ALICE]);
    send.args(["--final-recipient", BOB, "--service", service, "--service-type", "", "--action", action]);
    let done = send.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let verdict: Value = serde_json::from_str(said.lines().next().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&done.stderr)));
    assert!(verdict["ok"] == true && verdict["receipt_signed"] == true, "{verdict:#}");
    assert_eq!(held(), before);
}

#[test]
fn the_qualification_cases_reach_phase4_and_their_answers_are_judged() {
    let Some(phase4) = Phase4::here() else { return };
    let peer: Running = phase4.serve("r3072", &["--strict"]);
    let (own, other) = (phase4.file("sender.cert.pem"), phase4.file("r3072.cert.pem"));
    let key = phase4.file("sender.key.pem");
    let mut args = vec!["conformance", "run", "--json", "--against", &peer.url, "--from", ALICE, "--to", BOB];
    args.extend(["--ap-key", &key, "--ap-cert", &own, "--to-ap-cert", &other]);
    args.extend(["--key", &key, "--cert", &own, "--to-cert", &other]);
    let lines = sluss(&args).done().lines;
    let as_expected = lines.iter().filter(|line| line["verdict"] == "as-expected").count();
    assert_eq!((lines.len(), as_expected), (10, 7), "{lines:#?}");
}
