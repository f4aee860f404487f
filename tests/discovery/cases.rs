//! Runs `conformance/discovery/*.case`: signed service metadata, each with the verdict that it must get, for the
//! reason that it must have.

use sluss::inspect::smp::{Question, Report, Verdict, check};
use sluss::model::DocumentType;
use sluss::pki::Certificate;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a case may expect: a verdict, or the last part of the problem's URN.
const EXPECTATIONS: [&str; 11] = [
    "accept",
    "smp-malformed",
    "smp-signature",
    "smp-signer",
    "smp-redirect",
    "smp-other-participant",
    "smp-other-document-type",
    "process-not-offered",
    "no-endpoint",
    "endpoint-not-in-force",
    "endpoint-certificate",
];
const KEYS: [&str; 6] = ["spec", "expect", "origin", "comment", "known-failure", "certpub"];
/// Where every accepted case leads.
const ADDRESS: &str = "https://ap.example.se/as4";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/discovery")
}

fn case(path: &Path) -> (BTreeMap<String, String>, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("an empty line after the header");
    let header = std::str::from_utf8(&bytes[..end]).unwrap();
    let header: BTreeMap<String, String> = header
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    assert!(header.keys().all(|key| KEYS.contains(&key.as_str())), "{}: an unknown key", path.display());
    assert!(EXPECTATIONS.contains(&header["expect"].as_str()), "{}: {}", path.display(), header["expect"]);
    (header, bytes[end + 2..].to_vec())
}

fn checked(input: &[u8]) -> Report {
    let anchor = Certificate::from_pem(&std::fs::read(folder().join("signer.pem")).unwrap()).unwrap();
    let document_type = DocumentType::sdk_message().to_string();
    let question = Question::from_texts(Some("iso6523-actorid-upis::0203:a.example.se"), Some(&document_type), None);
    check(input, vec![anchor], &question.unwrap(), "2027-11-23T12:00:00Z".parse().unwrap())
}

/// The word of the list, and what to show.
fn outcome(report: &Report) -> (String, String) {
    if report.verdict == Verdict::Accept {
        let address = &report.endpoint.as_ref().unwrap().address;
        return ("accept".into(), address.clone());
    }
    let problem = report.error.as_ref().unwrap();
    (problem.kind.rsplit(':').next().unwrap().into(), problem.detail.clone())
}

#[test]
fn every_case_of_service_metadata_ends_as_it_says() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    let mut wrong = Vec::new();
    for path in &paths {
        let (header, input) = case(path);
        let report = checked(&input);
        let (found, detail) = outcome(&report);
        let published =
            format!("encryption {}, signing {}", report.certpub.encryption.len(), report.certpub.signing.len());
        let met = found == header["expect"]
            && (found != "accept" || detail == ADDRESS)
            && header.get("certpub").is_none_or(|expected| *expected == published);
        if met == header.contains_key("known-failure") {
            wrong.push(format!("{}: found {found}, {published}: {detail}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), paths.len(), wrong.join("\n"));
    assert!(paths.len() > 40, "only {} cases", paths.len());
}
