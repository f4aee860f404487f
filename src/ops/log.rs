//! Log lines on standard error. Nobody formats one: the stages of the journey record an [`Event`],
//! and its line derives from it.

use super::lines::{JsonLines, Structured, TextFields};
use super::trace::{self, Tracing};
use crate::model::{Direction, Event, Message, Stage};
use serde::Deserialize;
use serde_json::Value;
use std::io::IsTerminal;
use tracing::Span;
use tracing::field::{Empty, debug, display};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

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

/// Starts the log on standard error, and the traces where they are collected; the level is that of the environment variable
/// `RUST_LOG`, or `info`. A second call changes nothing.
pub fn init(format: Format, traces: Option<Tracing>) {
    // They are only an index here, and their notes would frighten.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sled=off,lsm_tree=off"));
    let filter = filter.and(filter_fn(|metadata| metadata.target() != trace::TARGET));
    // Colours are for terminals: in a file they are noise.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let lines = match format {
        Format::Text => lines.fmt_fields(TextFields::default()).boxed(),
        Format::Json => lines.fmt_fields(JsonFields::new()).event_format(JsonLines).boxed(),
    };
    let traces = traces.map(Tracing::layer);
    // It fails only where a log was started before, as by another test of the same process.
    drop(tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init());
}

/// Of the spans of journeys.
pub(super) const TARGET: &str = module_path!();

/// What is done for a message at one time.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// C1: a document is sealed.
    Send,
    /// C2: an envelope is taken for sending.
    Submit,
    /// C2: one attempt to hand it to the receiving access point.
    Attempt,
    /// C3: an AS4 message is taken.
    Receive,
    /// C3 and C4: its envelope is checked and handed over.
    Deliver,
}

/// Where everything is logged that happens to one message: every line in it has the ids that are known by then. `message_id` is
/// ours; `as4_message_id` is the same in the log of the other access point.
pub fn journey(work: Work) -> Span {
    // Of the highest level, so that no filter takes the ids away from a line that it lets through.
    macro_rules! span {
        ($name:literal) => {
            tracing::error_span!($name, message_id = Empty, as4_message_id = Empty)
        };
    }
    match work {
        Work::Send => span!("send"),
        Work::Submit => span!("submit"),
        Work::Attempt => span!("attempt"),
        Work::Receive => span!("receive"),
        Work::Deliver => span!("deliver"),
    }
}

/// The same, of a message that waits for its next step.
pub fn journey_of(message: &Message) -> Span {
    let span = journey(match message.direction {
        Direction::Out => Work::Attempt,
        Direction::In => Work::Deliver,
    });
    name(&span, message);
    span
}

/// From here on the lines of this span are about `message`.
pub fn name(span: &Span, message: &Message) {
    span.record("message_id", display(message.id));
    if let Some(id) = &message.as4_message_id {
        span.record("as4_message_id", display(id));
    }
    trace::name(span, message);
}

/// The fact that stays in the event log: 768 digits that nobody reads in a line.
const LONG: &str = "signature";

/// One line for an event: `error` for what was given up or failed, `warn` for what was refused or
/// may pass, `info` for the rest.
pub fn event(event: &Event) {
    let (stage, detail) = (word(event.stage), event.detail.as_str());
    let message = event.message.map(display);
    let facts = event.facts.iter().filter(|(name, _)| *name != LONG);
    let facts: Vec<(&String, &String)> = facts.collect();
    let facts = (!facts.is_empty()).then(|| {
        let text: Vec<String> = facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let json = facts.iter().map(|(name, value)| ((*name).clone(), (*value).as_str().into()));
        debug(Structured { text: text.join(" "), json: Value::Object(json.collect()) })
    });
    let problem = event.problem.as_ref().map(|problem| {
        debug(Structured { text: display(problem), json: serde_json::to_value(problem).unwrap_or_default() })
    });
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
