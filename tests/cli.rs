//! The commands of `README.md`, as they stand there.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
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
