//! Recorded exchanges of phase4: every request and every answer opens as its `expected.json` says.

use super::{accepted, certificates, question, refused, shared};
use serde_json::Value;
use sluss::inspect::as4::{Question, Report, open};
use sluss::pki::Identity;
use std::fs;
use std::path::{Path, PathBuf};

struct Case {
    name: String,
    folder: PathBuf,
    keys: PathBuf,
    expected: Value,
}

fn cases() -> Vec<Case> {
    let Some(vectors) = shared("vectors/phase4") else { return Vec::new() };
    let mut folders: Vec<PathBuf> = fs::read_dir(&vectors).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let cases: Vec<Case> = folders
        .into_iter()
        .filter(|folder| folder.join("expected.json").exists())
        .map(|folder| Case {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            expected: serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap(),
            keys: vectors.join("keys"),
            folder,
        })
        .collect();
    assert!(cases.len() >= 17, "phase4's vectors are complete");
    cases
}

impl Case {
    fn side(&self, side: &str) -> String {
        Path::new(self.expected[side].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned()
    }

    fn question(&self, own: &str, allow: &[&str]) -> Question {
        let file = |kind: &str| self.keys.join(format!("{own}.{kind}.pem"));
        let mut question = question(self.expected["message"]["timestamp"].as_str().unwrap(), allow);
        question.keys = vec![Identity::from_files(&file("key"), &file("cert")).unwrap()];
        question.trust = certificates(&self.keys.join("trust.pem"));
        question
    }

    fn open(&self, kind: &str, question: &Question) -> Report {
        let headers = fs::read_to_string(self.folder.join(format!("{kind}.headers"))).unwrap();
        open(&headers, fs::File::open(self.folder.join(format!("{kind}.body"))).unwrap(), question)
    }
}

#[test]
fn every_request_of_phase4_opens_to_what_was_sent() {
    for case in cases() {
        let mut question = case.question(&case.side("recipient"), &["unknown-revocation"]);
        let folder = tempfile::tempdir().unwrap();
        question.save = Some(folder.path().to_owned());
        let report = case.open("request", &question);
        accepted(&case.name, &report);
        let shown = serde_json::to_value(&report).unwrap();
        let message = &case.expected["message"];
        assert_eq!(shown["kind"], "user-message");
        assert_eq!(shown["message_id"], message["message_id"], "{}", case.name);
        assert_eq!(shown["conversation_id"], message["conversation_id"], "{}", case.name);
        assert_eq!(shown["action"], message["action"], "{}", case.name);
        assert_eq!(shown["service"]["value"], message["service"], "{}", case.name);
        assert_eq!(shown["service"]["type"], message["service_type"], "{}", case.name);
        for side in ["from", "to"] {
            assert_eq!(shown[side]["id"], message[side]["party_id"], "{}", case.name);
            assert_eq!(shown[side]["type"], message[side]["party_id_type"], "{}", case.name);
            assert_eq!(shown[side]["role"], message[side]["role"], "{}", case.name);
        }
        assert_eq!(shown["properties"], message["properties"], "{}", case.name);
        assert_eq!(shown["signer"]["sha256"], case.expected["security"]["signer_sha256"], "{}", case.name);
        assert_eq!(shown["signer"]["subject"], case.expected["security"]["signer_subject"], "{}", case.name);
        parts_are_right(&case, &shown, folder.path());
        key_reference_is_right(&case, &shown);
    }
}

fn parts_are_right(case: &Case, shown: &Value, saved: &Path) {
    let none = Vec::new();
    let expected = case.expected["parts"].as_array().unwrap_or(&none);
    assert_eq!(shown["parts"].as_array().unwrap_or(&none).len(), expected.len(), "{}", case.name);
    for (n, part) in expected.iter().enumerate() {
        let got = &shown["parts"][n];
        assert_eq!(
            (&got["href"], &got["bytes"], &got["sha256"]),
            (&part["href"], &part["size"], &part["sha256"]),
            "{}",
            case.name
        );
        let octets = fs::read(saved.join(format!("part-{}", n + 1))).unwrap();
        assert_eq!(octets, fs::read(case.folder.join(part["file"].as_str().unwrap())).unwrap(), "{}", case.name);
    }
    assert!(fs::read_to_string(saved.join("soap.xml")).unwrap().contains("Envelope"));
}

fn key_reference_is_right(case: &Case, shown: &Value) {
    let expected =
        ["ski", "issuer-serial", "thumbprint", "pkipath"].into_iter().find(|name| case.name.starts_with(name));
    assert_eq!(shown["key_reference"], expected.unwrap_or("bst"), "{}", case.name);
    let algorithms = &case.expected["security"]["algorithms"];
    assert_eq!(shown["algorithms"]["signature"], algorithms["signature"][0], "{}", case.name);
    for (ours, theirs) in [("digest", "digest"), ("key_transport", "key_transport"), ("content", "content_encryption")]
    {
        assert_eq!(shown["algorithms"][ours], algorithms[theirs], "{}", case.name);
    }
}

#[test]
fn every_answer_of_phase4_is_the_receipt_or_error_for_its_request() {
    for case in cases() {
        let mut question = case.question(&case.side("sender"), &["unknown-revocation"]);
        question.answers = Some(fs::read(case.folder.join("request.body")).unwrap());
        question.signer = certificates(&case.keys.join(format!("{}.cert.pem", case.side("recipient")))).pop();
        let report = case.open("response", &question);
        accepted(&case.name, &report);
        let shown = serde_json::to_value(&report).unwrap();
        assert_eq!(shown["kind"], case.expected["response"]["kind"], "{}", case.name);
        assert_eq!(shown["ref_to"], case.expected["message"]["message_id"], "{}", case.name);
        if shown["kind"] == "error" {
            assert_eq!(shown["errors"][0]["code"], "EBMS:0004");
            assert_eq!(shown["errors"][0]["detail"], "NOT_SERVICED");
        }
    }
}

#[test]
fn an_answer_to_another_request_or_by_another_access_point_is_refused() {
    let cases = cases();
    for (n, case) in cases.iter().enumerate().filter(|(_, case)| case.expected["response"]["kind"] == "receipt") {
        let mut question = case.question(&case.side("sender"), &["unknown-revocation"]);
        question.answers = Some(fs::read(cases[(n + 1) % cases.len()].folder.join("request.body")).unwrap());
        refused(&case.name, &case.open("response", &question), "EBMS:0302", "expected");
        question.answers = None;
        question.signer = certificates(&case.keys.join(format!("{}.cert.pem", case.side("sender")))).pop();
        refused(&case.name, &case.open("response", &question), "EBMS:0101", "signed by");
    }
}

#[test]
fn nothing_is_accepted_whose_revocation_status_or_chain_is_unknown() {
    for case in cases() {
        let question = case.question(&case.side("recipient"), &[]);
        refused(&case.name, &case.open("request", &question), "EBMS:0101", "revocation");
        let mut strange = case.question(&case.side("recipient"), &["unknown-revocation"]);
        strange.trust = certificates(&case.keys.join("stranger-root.cert.pem"));
        refused(&case.name, &case.open("request", &strange), "EBMS:0101", "found");
    }
}

#[test]
fn a_message_to_another_access_point_is_refused_before_its_parts_are_read() {
    for case in cases() {
        let question = case.question(&case.side("sender"), &["unknown-revocation"]);
        refused(&case.name, &case.open("request", &question), "EBMS:0010", "To/PartyId");
        let mut blind = case.question(&case.side("sender"), &["unknown-revocation", "any-community"]);
        blind.any_community = true;
        let report = case.open("request", &blind);
        if report.parts.is_empty() && case.name != "test-service" {
            refused(&case.name, &report, "EBMS:0102", "encrypted to");
        }
    }
}

#[test]
fn a_flipped_byte_is_refused_or_changes_nothing_that_is_reported() {
    let Some(case) = cases().into_iter().find(|case| case.name == "bst-plain-octets") else { return };
    let question = case.question(&case.side("recipient"), &["unknown-revocation"]);
    let headers = fs::read_to_string(case.folder.join("request.headers")).unwrap();
    let body = fs::read(case.folder.join("request.body")).unwrap();
    let whole = serde_json::to_value(open(&headers, body.as_slice(), &question)).unwrap();
    let part = body.len() - 1500..body.len() - 60;
    let mut refused = 0;
    for at in (0..body.len()).step_by(97).chain(part.step_by(31)) {
        let mut damaged = body.clone();
        damaged[at] ^= 1;
        let report = open(&headers, damaged.as_slice(), &question);
        refused += usize::from(report.error.is_some());
        if report.error.is_none() {
            assert_eq!(serde_json::to_value(&report).unwrap(), whole, "byte {at}");
        }
    }
    assert!(refused > 100, "{refused} refused");
}
