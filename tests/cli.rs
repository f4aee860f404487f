//! The commands of `README.md`, as they stand there.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the demo of an unoptimised build on a busy machine may take.
const DEMO_MAX: Duration = Duration::from_secs(120);

#[test]
fn the_first_command_of_the_readme_shows_a_document_each_way_and_ends_when_interrupted() {
    let commands = readme_commands();
    let arguments = commands[0].strip_prefix("cargo run --release -- ").expect("the first command runs the program");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sluss"))
        .args(arguments.split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = lines_of(&mut demo);
    let errors = errors_of(&mut demo);
    let shown = wait_for(&lines, |shown| shown.contains("http://127.0.0.1:") && shown.matches("ACCEPTED").count() >= 2);
    let interrupted = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().expect("there is a kill");
    assert!(interrupted.success());
    let status = demo.wait().expect("the demo ends");
    let errors = errors.join().expect("standard error is read to its end");
    assert!(
        shown.is_ok(),
        "the demo did not show two ACCEPTED documents and an address:\n{}\n{errors}",
        shown.unwrap_err()
    );
    assert!(status.success(), "interrupting the demo is no failure: {status}\n{errors}");
}

#[test]
fn the_help_names_all_that_can_be_allowed() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sluss")).args(arguments).output().expect("the program starts");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let needed = ["--headers", "x", "--body", "x", "--key", "x", "--cert", "x", "--trust", "x", "--allow", "nothing"];
    let refused = run(&[&["as4", "open"], needed.as_slice()].concat());
    let (_, names) = refused.split_once("expected one of ").expect("the names are listed");
    let names: Vec<&str> = names.split([',', ' ']).filter(|name| name.contains('-') || *name == "unsigned").collect();
    assert!(names.len() > 8, "{refused}");
    let help = run(&["as4", "open", "--help"]);
    for name in names {
        assert!(help.contains(name.trim_matches(|c: char| !c.is_ascii_alphanumeric())), "{name}: {help}");
    }
}

#[test]
fn the_second_command_of_the_readme_runs_these_tests() {
    let commands = readme_commands();
    assert_eq!(commands.len(), 2, "the first screen has two commands: {commands:?}");
    assert!(commands[1].starts_with("cargo test"), "{commands:?}");
}

#[test]
fn commands_that_the_readme_names_exist() {
    let readme = readme();
    let named = readme.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("sluss "));
    for command in named {
        let words: Vec<&str> =
            command.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect();
        let output =
            Command::new(env!("CARGO_BIN_EXE_sluss")).args(&words).arg("--help").output().expect("the program runs");
        assert!(output.status.success(), "sluss {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_wrong_argument_is_wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_sluss")).arg("--no-such-thing").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "what is wrong is said on standard error");
}

fn sluss(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluss")).args(args).stdin(Stdio::null()).output().expect("the program runs")
}

/// The one JSON object on standard output.
fn object(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

#[test]
fn wrong_usage_is_one_error_object_where_json_was_asked_for() {
    for args in [
        &["send", "--json"][..],
        &["send", "--json", "--from", "0203:a.se", "--to", "0203:b.se", "--priority", "urgent", "f"],
        &["--json", "no-such-command"],
        &["envelope", "check", "--json", "--level", "x", "f"],
    ] {
        let output = sluss(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = object(&output)["error"].clone();
        assert_eq!((&error["type"], &error["fault"]), (&"urn:sluss:problem:usage".into(), &"usage".into()), "{error}");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.contains("--help")), "{error}");
    }
    for args in [["--help", "--json"], ["--version", "--json"]] {
        let output = sluss(&args);
        assert!(
            output.status.success()
                && output.stdout.starts_with(if args[0] == "--help" { b"Access point" } else { b"sluss 0." })
        );
    }
}

#[test]
fn canonical_octets_of_a_broken_document_do_not_begin() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("broken.xml");
    std::fs::write(&file, "<a><b>text</b></c>").expect("a file is written");
    let file = file.display().to_string();
    let text = sluss(&["xml", "c14n", &file]);
    assert_eq!((text.status.code(), text.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(!text.stderr.is_empty());
    // Longer than what is held back: with --json the error is still all there is.
    std::fs::write(&file, format!("<a>{}</b>", "<b>text</b>".repeat(300_000))).expect("a file is written");
    let json = sluss(&["xml", "c14n", &file, "--json"]);
    assert_eq!(json.status.code(), Some(1));
    assert!(object(&json)["error"]["detail"].is_string());
    std::fs::write(&file, "<a  b='1'/>").expect("a file is written");
    assert_eq!(sluss(&["xml", "c14n", &file, "--json"]).stdout, b"<a b=\"1\"></a>");
}

#[test]
fn what_the_demo_cannot_use_is_named_before_it_starts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let large = folder.path().join("large.pdf");
    std::fs::File::create(&large).and_then(|file| file.set_len(100_000_000)).expect("a large file");
    let large = large.display().to_string();
    for (args, status, said) in [
        (["--document", "/nope.pdf"], 2, &["/nope.pdf", "--document"][..]),
        (["--document", "/"], 2, &["found no regular file"]),
        (["--document", &large], 1, &["large.pdf", "limits.message_bytes_max is 30000000", "100000000"]),
        (["--dir", "/proc/x"], 2, &["/proc/x", "--dir"]),
    ] {
        let output = sluss(&[&["demo", "--exit", "--json"], &args[..]].concat());
        let detail = object(&output)["error"]["detail"].as_str().map(str::to_owned).unwrap_or_default();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {detail}");
        assert!(said.iter().all(|word| detail.contains(word)), "{args:?}: {detail}");
    }
}

#[test]
fn a_demo_that_is_terminated_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let left = || std::fs::read_dir(folder.path()).expect("the folder is there").count();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sluss"))
        .args(["demo", "--messages", "100000"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + DEMO_MAX;
    while left() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(left() > 0, "the demo made no folder");
    let terminated = Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().expect("there is a kill");
    assert!(terminated.success());
    let status = demo.wait().expect("the demo ends");
    assert_eq!((status.code(), left()), (Some(3), 0), "an exchange that is broken off is a temporary fault");
}

/// What stands after `$ ` in the console blocks.
fn readme_commands() -> Vec<String> {
    let readme = readme();
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let first_screen = blocks.take(2);
    first_screen.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("there is a README.md")
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn errors_of(child: &mut Child) -> JoinHandle<String> {
    let mut stderr = child.stderr.take().expect("standard error is piped");
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    })
}

/// All that was shown once `enough` says so, or what was shown by the end.
fn wait_for(lines: &Receiver<String>, enough: impl Fn(&str) -> bool) -> Result<String, String> {
    let deadline = Instant::now() + DEMO_MAX;
    let mut shown = String::new();
    while !enough(&shown) {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => shown.push_str(&(line + "\n")),
            Err(_) => return Err(shown),
        }
    }
    Ok(shown)
}
