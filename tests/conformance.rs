//! Every file below `conformance/` is one case: its header says what must happen, and the right refusal is required.
//! What judges them is the program's own, as `sluss conformance run`.

#![allow(clippy::print_stdout, reason = "a run says which cases it had")]

use sluss::conformance::{Case, Verdict, carried, folder, is_of, run, suites};
use std::path::Path;
use std::process::{Command, Output};

/// All cases of a suite, and how many there are at least: a suite does not shrink unseen.
#[track_caller]
fn every_case_of(suite: &str, least: usize) {
    let outcomes: Vec<_> = carried().filter(|case| is_of(case, suite)).map(|case| run(&case)).collect();
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| outcome.verdict == Verdict::Fail)
        .map(|o| {
            format!(
                "{} ({}): expected {}, found {}: {}",
                o.case.id, o.case.rule, o.case.expected, o.found, o.case.comment
            )
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
    assert!(outcomes.len() >= least, "{suite}: {} cases, expected at least {least}", outcomes.len());
    println!("{suite}: {} cases", outcomes.len());
}

#[test]
fn hostile_messages_meet_the_right_refusal() {
    every_case_of("as4", 195);
}

#[test]
fn every_case_of_service_metadata_ends_as_it_says() {
    every_case_of("discovery", 43);
}

#[test]
fn xhe_envelopes() {
    every_case_of("xhe", 45);
}

#[test]
fn sdk_messages_and_the_message_receipts_they_get() {
    every_case_of("message", 26);
}

#[test]
fn message_receipts() {
    every_case_of("receipt", 23);
}

#[test]
fn canonical_forms_are_those_of_the_cases() {
    every_case_of("xml/c14n", 110);
}

#[test]
fn signatures_end_as_the_cases_say() {
    every_case_of("xml/dsig", 80);
}

#[test]
fn encrypted_keys_and_data_end_as_the_cases_say() {
    every_case_of("xml/enc", 20);
}

#[test]
fn the_program_carries_every_case_file_and_each_belongs_to_a_suite() {
    let here = folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")).expect("the folder can be read");
    let ids = |cases: Vec<Case>| cases.into_iter().map(|case| case.id).collect::<Vec<_>>();
    for case in &here {
        assert!(suites().any(|suite| is_of(case, suite)), "{}", case.id);
    }
    assert_eq!(ids(here), ids(carried().collect()));
}

fn sluss(arguments: &[&str]) -> Output {
    // In a folder where there is no source tree.
    let empty = tempfile::tempdir().expect("a folder");
    let mut sluss = Command::new(env!("CARGO_BIN_EXE_sluss"));
    sluss.arg("conformance").args(arguments).current_dir(empty.path()).output().expect("the program runs")
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn the_command_says_of_each_case_its_rule_and_its_verdict() {
    let (listed, ran) =
        (sluss(&["list", "--suite", "xml/enc", "--json"]), sluss(&["run", "--suite", "xml/enc", "--json"]));
    assert!(listed.status.success() && ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let (listed, ran) = (lines(&listed), lines(&ran));
    assert!(ran.len() >= 20 && listed.len() == ran.len(), "{} listed, {} ran", listed.len(), ran.len());
    for (case, outcome) in listed.iter().zip(&ran) {
        assert_eq!((&case["id"], &case["rule"]), (&outcome["id"], &outcome["rule"]));
        assert!(outcome["id"].as_str().is_some_and(|id| id.starts_with("xml/enc/")), "{outcome}");
        assert_eq!(outcome["verdict"], "pass", "{outcome}");
    }
    let text = sluss(&["run", "--suite", "xml/enc"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.ends_with(&format!("{} passed, 0 failed, 0 known failures\n", ran.len())), "{text}");
}

#[test]
fn a_case_that_ends_otherwise_than_it_says_gives_status_1_and_says_what_was_found() {
    let own = tempfile::tempdir().expect("a folder");
    let suite = own.path().join("xml/c14n");
    std::fs::create_dir_all(&suite).expect("a folder");
    let write = |name: &str, expect: &str, more: &str| {
        let text = format!("spec: XML 1.0\nexpect: {expect}\norigin: ours\ncomment: c\nform: 1.0\n{more}\n<a>");
        std::fs::write(suite.join(name), text).expect("a file");
    };
    write("wrong-reason.case", "forbidden", "");
    write("right.case", "malformed", "");
    write("known.case", "forbidden", "known-failure: told\n");
    write("no-longer-known.case", "malformed", "known-failure: told\n");
    write("no-case.case", "malformed", "surprise: key\n");
    let cases = own.path().display().to_string();
    let output = sluss(&["run", "--cases", &cases, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Vec<(String, String, String)> = lines(&output)
        .iter()
        .map(|line| ["id", "verdict", "found"].map(|key| line[key].as_str().unwrap_or_default().to_owned()).into())
        .collect();
    let verdicts: Vec<&str> = said.iter().map(|(_, verdict, _)| verdict.as_str()).collect();
    // By name: known, no-case, no-longer-known, right, wrong-reason.
    assert_eq!(verdicts, ["known-failure", "fail", "fail", "pass", "fail"], "{said:?}");
    assert!(said[1].2.contains("surprise") && said[2].2.contains("passes now") && said[4].2.starts_with("malformed:"));
}

#[test]
fn a_suite_that_does_not_exist_is_wrong_usage() {
    let output = sluss(&["run", "--suite", "as5", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(lines(&output)[0]["error"]["detail"].as_str().is_some_and(|d| d.contains("as5") && d.contains("as4")));
}
