//! Log lines on standard error. Nobody formats one: the stages of the journey record an [`Event`],
//! and its line derives from it.

use crate::model::{Event, Message, Stage};
use serde::Deserialize;
use std::io::IsTerminal;
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log on standard error; the level is that of the environment variable `RUST_LOG`, or
/// `info`. A second call changes nothing.
pub fn init(format: Format) {
    // They are only an index here, and their notes would frighten.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sled=off,lsm_tree=off"));
    // Colours are for terminals: in a file they are noise.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // It fails only where a log was started before, as by another test of the same process.
    drop(match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    });
}

/// Where everything is logged that happens to one message: every line in it has the ids that are known by then. `message_id` is
/// ours; `as4_message_id` is the same in the log of the other access point.
pub fn journey() -> Span {
    // Of the highest level, so that no filter takes the ids away from a line that it lets through.
    tracing::error_span!("message", message_id = Empty, as4_message_id = Empty)
}

/// The same, of a message that is known.
pub fn journey_of(message: &Message) -> Span {
    let span = journey();
    name(&span, message);
    span
}

/// From here on the lines of this span are about `message`.
pub fn name(span: &Span, message: &Message) {
    span.record("message_id", display(message.id));
    if let Some(id) = &message.as4_message_id {
        span.record("as4_message_id", display(id));
    }
}

/// One line for an event: `error` for what was given up or failed, `warn` for what was refused or
/// may pass, `info` for the rest.
pub fn event(event: &Event) {
    let (stage, detail) = (word(event.stage), event.detail.as_str());
    let message = event.message.map(display);
    let facts = (!event.facts.is_empty()).then(|| {
        let facts: Vec<String> = event.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts.join(" ")
    });
    let problem = event.problem.as_ref().map(display);
    match event.stage {
        Stage::GivenUp | Stage::Failed => tracing::error!(stage, message_id = message, facts, problem, "{detail}"),
        Stage::AttemptFailed | Stage::Refused | Stage::Discarded | Stage::Warned | Stage::LogInFailed => {
            tracing::warn!(stage, message_id = message, facts, problem, "{detail}")
        }
        _ => tracing::info!(stage, message_id = message, facts, problem, "{detail}"),
    }
}

/// The word of the stage, as `attempt-failed`.
pub fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Sealed => "sealed",
        Stage::Accepted => "accepted",
        Stage::Routed => "routed",
        Stage::Packed => "packed",
        Stage::Receipted => "receipted",
        Stage::AttemptFailed => "attempt-failed",
        Stage::GivenUp => "given-up",
        Stage::Received => "received",
        Stage::Duplicate => "duplicate",
        Stage::Refused => "refused",
        Stage::Discarded => "discarded",
        Stage::Held => "held",
        Stage::Taken => "taken",
        Stage::Told => "told",
        Stage::Opened => "opened",
        Stage::Failed => "failed",
        Stage::Answered => "answered",
        Stage::Retried => "retried",
        Stage::Cancelled => "cancelled",
        Stage::Suspended => "suspended",
        Stage::Resumed => "resumed",
        Stage::PartnerTried => "partner-tried",
        Stage::Warned => "warned",
        Stage::Cleared => "cleared",
        Stage::LoggedIn => "logged-in",
        Stage::LoggedOut => "logged-out",
        Stage::LogInFailed => "log-in-failed",
        Stage::AccessChanged => "access-changed",
        Stage::Purged => "purged",
    }
}
