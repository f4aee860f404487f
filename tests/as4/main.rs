//! AS4 held against messages of others (phase4, Holodeck, AS4.NET, RSSBus), and against hostile ones of our own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod answers;
mod pack;
mod head;
mod phase4;
mod recorded_answers;
mod vectors;

use sluss::conformance::as4::exchange;
use sluss::inspect::as4::{Question, Report, Verdict, allowed};
use sluss::model::Timestamp;
use sluss::pki::{Certificate, Identity};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Data that is not part of the project. Tests that need it say so when it is absent.
fn shared(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}

/// A question with nothing given but the time and what is allowed.
fn question(at: &str, allow: &[&str]) -> Question {
    let names: Vec<String> = allow.iter().map(|name| (*name).to_owned()).collect();
    let (allowed, any_community) = allowed(&names).unwrap();
    Question {
        keys: Vec::new(),
        trust: Vec::new(),
        at: at.parse::<Timestamp>().unwrap(),
        allowed,
        any_community,
        signer: None,
        answers: None,
        bytes_max: None,
        save: None,
    }
}

fn certificates(path: &Path) -> Vec<Certificate> {
    Certificate::all_from_pem(&fs::read(path).unwrap()).unwrap()
}

/// Key and certificate of a key store, converted by openssl; its certificates alone, where `key` is not asked.
fn keystore(path: &Path, password: &str, folder: &Path) -> Identity {
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    for (out, what) in [(&key, "-nocerts"), (&certificate, "-clcerts")] {
        let mut command = Command::new("openssl");
        command
            .args(["pkcs12", "-legacy", "-nodes", what, "-passin", &format!("pass:{password}"), "-in"])
            .arg(path)
            .arg("-out")
            .arg(out);
        if what == "-clcerts" {
            command.arg("-nokeys");
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&done.stderr));
    }
    Identity::from_files(&key, &certificate).unwrap()
}

#[track_caller]
fn accepted(name: &str, report: &Report) {
    assert_eq!(report.verdict, Verdict::Accept, "{name}: {:?}", report.error);
}

#[track_caller]
fn refused(name: &str, report: &Report, code: &str, detail: &str) {
    let error = report.error.as_ref().unwrap_or_else(|| panic!("{name}: accepted"));
    assert_eq!(report.verdict, Verdict::Refuse, "{name}");
    assert_eq!(error.code.as_deref(), Some(code), "{name}: {error}");
    assert!(error.detail.contains(detail), "{name}: {error} should say {detail:?}");
}
