//! The qualification cases against another access point: the southern one, as another process.

use super::support::{ALICE, BOB, NORTH, Ran, SOUTH, THIRD, sluss, world};
use serde_json::Value;
use std::path::Path;

/// Runs the cases from the northern access point, against the address and the certificate of another.
fn against(url: &str, certificate: &Path, cases: &[&str]) -> Ran {
    let world = world();
    let north = world.folder(NORTH);
    let ((key, cert), (_, to_cert)) = (world.keys(ALICE), world.keys(BOB));
    let files = [
        ("--to-ap-cert", certificate.to_owned()),
        ("--to-cert", to_cert),
        ("--ap-key", north.join("key.pem")),
        ("--ap-cert", north.join("cert.pem")),
        ("--key", key),
        ("--cert", cert),
    ];
    let files = files.map(|(name, path)| [name.to_owned(), path.display().to_string()]);
    let mut args = vec!["conformance", "run", "--json", "--against", url, "--from", ALICE, "--to", BOB];
    args.extend(files.iter().flatten().map(String::as_str));
    args.extend(cases.iter().flat_map(|case| ["--case", case]));
    args.extend(["--federation", super::support::FEDERATION]);
    sluss(&args)
}

/// Where an access point takes AS4 messages.
fn address(access_point: &str) -> String {
    let text = std::fs::read_to_string(world().config(access_point)).unwrap();
    let line = text.lines().find(|line| line.starts_with("as4 = ")).unwrap();
    format!("http://{}/as4", line.split('"').nth(1).unwrap())
}

fn verdicts(lines: &[Value]) -> Vec<(&str, &str)> {
    lines.iter().map(|line| (line["id"].as_str().unwrap(), line["verdict"].as_str().unwrap())).collect()
}

#[test]
fn the_qualification_cases_end_as_they_should_at_another_daemon() {
    let world = world();
    let ran = against(&address(SOUTH), &world.folder(SOUTH).join("cert.pem"), &[]).done();
    let expected: Vec<(String, &str)> = (1..=10)
        .map(|n| (format!("TF-{n:02}"), if [1, 2, 5].contains(&n) { "not-run" } else { "as-expected" }))
        .collect();
    assert_eq!(verdicts(&ran.lines), expected.iter().map(|(id, verdict)| (id.as_str(), *verdict)).collect::<Vec<_>>());
    let line = |n: usize| &ran.lines[n - 1];
    assert!(line(3)["found"].as_str().unwrap().contains("EBMS:0101"), "{:#}", line(3));
    // What the cases say has to be looked at over there.
    for n in [4, 6, 7] {
        world.until_status(SOUTH, line(n)["envelope_id"].as_str().unwrap(), "NEW");
    }
    for n in [9, 10] {
        let id = line(n)["as4_message_id"].as_str().unwrap();
        let what = format!("{id}, deleted");
        world.until(SOUTH, &what, |message| message["as4_message_id"] == id && message["status"] == "DELETED");
    }
}

#[test]
fn an_access_point_that_does_not_answer_or_signs_with_another_key_fails_the_cases() {
    let world = world();
    let cases = ["TF-03", "TF-04", "TF-09"];
    let nobody = against("http://127.0.0.1:9/as4", &world.folder(SOUTH).join("cert.pem"), &cases).ended(1);
    assert_eq!(verdicts(&nobody.lines), cases.map(|case| (case, "otherwise")));
    // Encrypted to another's certificate: it cannot be opened, and no receipt is that other's.
    let other = against(&address(SOUTH), &world.folder(THIRD).join("cert.pem"), &["TF-04"]).ended(1);
    assert_eq!(verdicts(&other.lines), [("TF-04", "otherwise")], "{:#?}", other.lines);
    assert_eq!(against("http://127.0.0.1:9/as4", &world.folder(SOUTH).join("cert.pem"), &["TF-11"]).status, Some(2));
}
