//! `sluss send`: documents from disk to the message service of the daemon.

use super::{Remote, unprinted, word};
use crate::cli::files::media_type;
use crate::cli::output::Output;
use crate::model::{Fault, Priority, Problem};
use crate::net::Body;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a message is asked for while its fate is awaited: soon at first, for an exchange on the
/// same machine takes less than a second.
const POLLS: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1)];

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// Sending participant.
    pub from: String,
    /// Receiving participant.
    pub to: String,
    /// Its function address; without one, its only known one.
    pub functional_address: Option<String>,
    /// Subject.
    pub label: Option<String>,
    /// A text.
    pub text: Option<String>,
    /// Covered by secrecy.
    pub confidential: bool,
    /// How soon it goes among others.
    pub priority: Priority,
    /// The message that this answers.
    pub in_reply_to: Option<String>,
    /// How long the final status is waited for; not at all without.
    pub wait: Option<Duration>,
    /// Documents.
    pub files: Vec<PathBuf>,
}

/// Sends, and waits where asked. Status 0: durable at the daemon; with waiting: ACCEPTED.
///
/// # Errors
///
/// A [`Problem`] when the message was not taken.
pub async fn send(remote: &Remote, options: &SendOptions, output: &Output) -> Result<u8, Problem> {
    let boundary = format!("sluss-{}", uuid::Uuid::new_v4().simple());
    let body = form(options, &boundary)?;
    let mut sent = remote.post("/messages", &format!("multipart/form-data; boundary={boundary}"), body).await?;
    let status = match options.wait {
        None => 0,
        Some(patience) => wait(remote, &mut sent, patience).await,
    };
    output.record(&sent, || text(&sent)).map_err(unprinted)?;
    Ok(status)
}

fn text(sent: &Value) -> String {
    let mut text = format!("{}  {}", word(sent, "id"), word(sent, "status"));
    if let Some(error) = sent["error"].as_object() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("\n{}: {}", part("title"), part("detail")));
    }
    text
}

/// Asks until the status is final or the time is up; puts status and error into `sent`.
async fn wait(remote: &Remote, sent: &mut Value, patience: Duration) -> u8 {
    let end = Instant::now() + patience;
    let path = format!("/messages/{}", word(sent, "id"));
    let mut pauses = POLLS.iter().chain(std::iter::repeat(&POLLS[POLLS.len() - 1]));
    loop {
        match remote.get(&path, &[]).await {
            Ok(message) => {
                sent["status"] = message["status"].clone();
                if let Some(status) = final_status(&word(&message, "status")) {
                    if status != 0 {
                        sent["error"] = message["error"].clone();
                    }
                    return status;
                }
            }
            // The daemon may be restarting; the message is durable there.
            Err(problem) if problem.fault == Fault::Temporary => {}
            Err(problem) => {
                sent["error"] = serde_json::to_value(&problem).unwrap_or_default();
                return problem.exit_status();
            }
        }
        let pause = pauses.next().copied().unwrap_or_default();
        if Instant::now() + pause >= end {
            let problem = not_yet(sent, patience);
            sent["error"] = serde_json::to_value(&problem).unwrap_or_default();
            return problem.exit_status();
        }
        tokio::time::sleep(pause).await;
    }
}

/// The exit status of a final status; `None`: not final.
fn final_status(status: &str) -> Option<u8> {
    match status {
        "ACCEPTED" => Some(0),
        "REJECTED" | "MESSAGE_EXCHANGE_ERROR" | "ERROR" => Some(1),
        _ => None,
    }
}

fn not_yet(sent: &Value, patience: Duration) -> Problem {
    let detail = format!(
        "status {} after {} s; the message is kept and sent on: see `sluss queue show {}`",
        word(sent, "status"),
        patience.as_secs(),
        word(sent, "id")
    );
    Problem::new(Fault::Temporary, "not-final", "no final status yet", detail)
}

/// The form. Files are opened now and read while they are sent.
fn form(options: &SendOptions, boundary: &str) -> Result<Body, Problem> {
    let fields = [
        ("from", Some(options.from.as_str())),
        ("to", Some(options.to.as_str())),
        ("functional_address", options.functional_address.as_deref()),
        ("label", options.label.as_deref()),
        ("text", options.text.as_deref()),
        ("confidential", options.confidential.then_some("true")),
        ("priority", Some(options.priority.word())),
        ("in_reply_to", options.in_reply_to.as_deref()),
    ];
    let mut body = Body::empty();
    for (name, value) in fields {
        if let Some(value) = value {
            body = body
                .memory(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        }
    }
    for path in &options.files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"document\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            quoted(path),
            media_type(path)
        );
        body = body.memory(head).file(open(path)?).map_err(|fault| unreadable(path, &fault))?.memory("\r\n");
    }
    Ok(body.memory(format!("--{boundary}--\r\n")))
}

/// The file's name without folders, as browsers write it into a form.
fn quoted(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Opens a file to be sent.
pub(super) fn open(path: &Path) -> Result<File, Problem> {
    let file = File::open(path).map_err(|fault| unreadable(path, &fault))?;
    match file.metadata() {
        Ok(about) if about.is_file() => Ok(file),
        Ok(_) => Err(Problem::new(
            Fault::Usage,
            "file",
            "not a file",
            format!("{}: found a folder or device, expected a file", path.display()),
        )),
        Err(fault) => Err(unreadable(path, &fault)),
    }
}

fn unreadable(path: &Path, fault: &std::io::Error) -> Problem {
    Problem::new(Fault::Usage, "file", "a file cannot be read", format!("{}: {fault}", path.display()))
}
