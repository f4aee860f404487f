//! The examples of `--help` for recorded bytes, run as they stand: in a folder with a testbed and one document.

#![allow(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

/// The examples of a command, each on one line.
fn examples(command: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_sluss")).args(command.split(' ')).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap().replace("\\\n", " ");
    let found: Vec<String> =
        help.lines().filter_map(|line| line.strip_prefix("  sluss ")).map(|rest| format!("sluss {rest}")).collect();
    assert!(!found.is_empty(), "sluss {command} --help has no example: {help}");
    found
}

/// Runs a line as a shell would, with the program in its path.
fn run(folder: &Path, line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_sluss")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    Command::new("sh").args(["-c", line]).current_dir(folder).env("PATH", path).output().unwrap()
}

#[test]
fn every_offline_example_works_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("beslut.pdf"), b"%PDF-1.7").unwrap();
    let commands = [
        "testbed init",
        "testbed access-point",
        "testbed participant",
        "message build",
        "message check",
        "envelope seal",
        "envelope check",
        "envelope show",
        "envelope open",
        "as4 pack",
        "as4 open",
        "xml verify",
        "xml c14n",
        "init",
        "conformance list",
        "conformance run",
    ];
    let mut said = String::new();
    for line in commands.iter().flat_map(|command| examples(command)) {
        let output = run(folder.path(), &line);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {out}{}", String::from_utf8_lossy(&output.stderr));
        said.push_str(&format!("$ {line}\n{out}"));
    }
    let built = std::fs::read(folder.path().join("message.xml")).unwrap();
    assert_eq!(built, std::fs::read(folder.path().join("opened.xml")).unwrap());
    // People get text: the verdict first, and no JSON unless they ask for it.
    for part in ["accepted: message.xml", "accepted: envelope.xml", "\npacked\n", "receipt  ACCEPTED", "\naccepted\n"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let text = said.lines().filter(|line| line.starts_with('{'));
    assert_eq!(text.count(), 1, "only what was asked for with --json: {said}");
    let config = "testbed/access-points/AP0001-TESTBED/sluss.toml";
    assert!(examples("check").iter().all(|line| line.contains(config)));
    assert!(folder.path().join(config).is_file() && folder.path().join("testbed/ca/smp-root.cert.pem").is_file());
    let comment = std::fs::read_to_string(folder.path().join(config)).unwrap();
    assert!(comment.contains("Revocation is not checked yet"), "{comment}");
}

#[test]
fn a_refusal_says_each_finding_on_a_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.xml"), "<a/>").unwrap();
    let output = run(folder.path(), "sluss envelope check a.xml; sluss message check a.xml; sluss receipt check a.xml");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("refused: a.xml\n").count(), 3, "{text}");
    assert!(text.contains("  error ") && text.contains(": found ") && text.contains(", expected "), "{text}");
    assert!(!text.contains("\"rule\"") && !text.contains("at :"), "{text}");
}
