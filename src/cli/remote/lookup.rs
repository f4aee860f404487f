//! `sluss lookup`: the discovery trace; `sluss ping`.

use super::queue::problem;
use super::{Remote, items, unprinted, with_query, word};
use crate::cli::output::Output;
use crate::model::Problem;
use crate::net::Body;
use serde_json::Value;
use std::fmt::Write;

/// What is looked up.
#[derive(Clone, Debug, Default)]
pub struct LookupOptions {
    /// Whom.
    pub participant: String,
    /// For which document type; the SDK message without.
    pub document_type: Option<String>,
    /// Whether caches are passed over.
    pub fresh: bool,
}

/// Prints the trace. Status 0 when it leads to a route; else that of the first thing that failed.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked.
pub async fn lookup(remote: &Remote, options: &LookupOptions, output: &Output) -> Result<u8, Problem> {
    let query = [
        ("participant", Some(options.participant.clone())),
        ("document_type", options.document_type.clone()),
        ("fresh", options.fresh.then(|| "true".to_owned())),
    ];
    let trace = remote.get("/lookup", &query).await?;
    output.record(&trace, || trace_text(&trace)).map_err(unprinted)?;
    let failed: Option<Problem> = serde_json::from_value(trace["error"].clone()).ok();
    Ok(failed.map_or(0, |problem| problem.exit_status()))
}

/// Sends a test message to a participant's access point, and prints what came of it.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked, and the first thing that failed on the way.
pub async fn ping(
    remote: &Remote,
    participant: &str,
    (document_type, reason): (Option<String>, Option<String>),
    output: &Output,
) -> Result<u8, Problem> {
    let query = [("participant", Some(participant.to_owned())), ("document_type", document_type), ("reason", reason)];
    let ping = remote.post(&with_query("/ping", &query), "application/json", Body::empty()).await?;
    let text = || {
        format!(
            "{} answered in {} ms at {}\nAS4 receipt signed by {}\ntest message {}",
            word(&ping, "party"),
            word(&ping, "milliseconds"),
            word(&ping, "url"),
            word(&ping, "signed_by"),
            word(&ping, "as4_message_id"),
        )
    };
    output.record(&ping, text).map_err(unprinted)?;
    Ok(0)
}

fn trace_text(trace: &Value) -> String {
    let mut text = format!("{}  {}\n", word(trace, "participant"), word(trace, "document_type"));
    for step in items(trace, "steps") {
        let mark = match (step["ok"].as_bool(), step["trusted"].as_bool()) {
            (Some(false), _) | (_, Some(false)) => "failed",
            (Some(true), _) | (_, Some(true)) => "ok",
            _ => "",
        };
        let _ = writeln!(text, "\n{}  {mark}", word(step, "step"));
        members(&mut text, step, 2);
    }
    if trace["route"].is_object() {
        text.push_str("\nroute\n");
        members(&mut text, &trace["route"], 2);
    }
    if trace["error"].is_object() {
        text.push('\n');
        problem(&mut text, &trace["error"], "");
    }
    text.trim_end().to_owned()
}

/// Members in lines, nested ones indented.
pub(super) fn members(text: &mut String, value: &Value, indent: usize) {
    let known = ["step", "ok", "trusted"];
    for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str())) {
        match value {
            Value::Null => {}
            Value::Object(_) => {
                let _ = writeln!(text, "{:indent$}{name}", "");
                members(text, value, indent + 2);
            }
            Value::Array(values) => {
                let _ = writeln!(text, "{:indent$}{name}", "");
                for value in values {
                    entry(text, value, indent + 2);
                }
            }
            Value::String(value) => {
                let _ = writeln!(text, "{:indent$}{name}: {value}", "");
            }
            other => {
                let _ = writeln!(text, "{:indent$}{name}: {other}", "");
            }
        }
    }
}

/// One entry of a list, on a line of its own, or its members below a dash.
fn entry(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(value) => {
            let _ = writeln!(text, "{:indent$}{value}", "");
        }
        Value::Object(_) => {
            let _ = writeln!(text, "{:indent$}-", "");
            members(text, value, indent + 2);
        }
        other => {
            let _ = writeln!(text, "{:indent$}{other}", "");
        }
    }
}
