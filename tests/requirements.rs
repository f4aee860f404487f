//! The table of rules, held against the tests it names.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One rule of a specification.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rule {
    /// What it asks for, in a few words.
    rule: String,
    /// Tests (`tests/file.rs::name`, `src/file.rs::name`) and cases (`conformance/suite/name.case`) that show it.
    #[serde(default)]
    shown_by: Vec<String>,
    /// What is missing, or why nothing shows it yet.
    not_yet: Option<String>,
    /// Why it asks nothing of this program.
    elsewhere: Option<String>,
}

#[test]
fn every_rule_names_tests_that_exist_or_says_why_not() {
    let mut wrong = Vec::new();
    for (id, rule) in rules() {
        for reference in &rule.shown_by {
            if let Err(why) = find(reference) {
                wrong.push(format!("{id}: {reference}: {why}"));
            }
        }
        let said = [&rule.not_yet, &rule.elsewhere].into_iter().flatten().count();
        if rule.shown_by.is_empty() && said != 1 {
            wrong.push(format!("{id}: names no test, so it needs either `not-yet` or `elsewhere`"));
        }
        if [&rule.not_yet, &rule.elsewhere].into_iter().flatten().any(|reason| reason.len() < 8) || rule.rule.is_empty()
        {
            wrong.push(format!("{id}: a reason or the rule is empty"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_says_which_rule_it_is_for() {
    let mut wrong = Vec::new();
    for case in cases(&root().join("conformance")) {
        let bytes = std::fs::read(&case).expect("a case can be read");
        let head = bytes.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
        let keys: BTreeSet<String> = head
            .filter_map(|line| String::from_utf8_lossy(line).split_once(": ").map(|(key, _)| key.to_owned()))
            .collect();
        for key in ["spec", "expect", "origin"] {
            if !keys.contains(key) {
                wrong.push(format!("{}: no `{key}:` in its header", case.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_rule_of_the_digest_is_passed_over() {
    let shared = std::env::var_os("SLUSS_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let Ok(digest) = std::fs::read_to_string(shared.join("spec/digest/requirements.md")) else {
        println!("skipped: no digest of the specifications at {}", shared.display());
        return;
    };
    let known = rules();
    // The families that this program answers for; others bind operators, platform and federation.
    let families = [
        "AS4-2.",
        "AP-3.1.",
        "AP-3.2.",
        "AP-3.4.",
        "APOP-",
        "ISEC-8.",
        "SAD-5.2.",
        "XHE",
        "BAS-",
        "UTB-",
        "CERTPUB-REST-",
        "KVITT",
        "MSG-",
    ];
    let missing: Vec<&str> = digest
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
            // The table of fields has cardinalities where others say MUST.
            let normative =
                ["MUST", "MUST NOT", "SHOULD", "MAY"].contains(cells.get(2)?) || cells[0].starts_with("MSG-4.");
            (normative && families.iter().any(|family| cells[0].starts_with(family))).then_some(cells[0])
        })
        .filter(|id| !known.contains_key(*id))
        .collect();
    assert!(missing.is_empty(), "rules without a row: {}", missing.join(", "));
}

/// Whether a test or case exists.
fn find(reference: &str) -> Result<(), String> {
    let Some((file, path)) = reference.split_once("::") else {
        return root().join(reference).is_file().then_some(()).ok_or_else(|| "no such case".to_owned());
    };
    let text = std::fs::read_to_string(root().join(file)).map_err(|e| e.to_string())?;
    let name = path.rsplit("::").next().unwrap_or(path);
    let mut lines = text.lines();
    let mut attributes = Vec::new();
    for line in &mut lines {
        let line = line.trim_start();
        if line.starts_with("#[") {
            attributes.push(line);
        } else if line.contains(&format!("fn {name}(")) {
            let is_test = attributes.iter().any(|a| a.contains("test"));
            let listed = text.contains("macro_rules!") || text.contains("on_every_store!");
            return (is_test || listed).then_some(()).ok_or_else(|| "is a function, not a test".to_owned());
        } else if !line.starts_with("//") {
            attributes.clear();
        }
    }
    Err("no such function".to_owned())
}

fn rules() -> BTreeMap<String, Rule> {
    let text =
        std::fs::read_to_string(root().join("conformance/requirements.toml")).expect("the table of rules is there");
    toml::from_str(&text).unwrap_or_else(|e| panic!("conformance/requirements.toml: {e}"))
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(cases(&path));
        } else if path.extension().is_some_and(|e| e == "case") {
            found.push(path);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
