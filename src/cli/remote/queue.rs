//! `sluss queue`: list, show, and the actions on messages.

use super::{Remote, items, unprinted, word};
use crate::cli::output::{Output, Table};
use crate::limits::LIST_MESSAGES_MAX;
use crate::model::conditions::given;
use crate::model::{Conditions, Fault, MessageId, Problem};
use crate::net::Body;
use serde_json::Value;
use std::fmt::Write;

/// Lists messages, newest first: all pages of them, or as many as are asked for.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked.
pub async fn list(
    remote: &Remote,
    conditions: &Conditions,
    limit: Option<usize>,
    output: &Output,
) -> Result<u8, Problem> {
    let mut messages = Vec::new();
    let mut pages = Pages::of(conditions, limit);
    while let Some(page) = pages.next(remote).await? {
        messages.extend(page);
    }
    output.list(&messages, || table(&messages), "no message").map_err(unprinted)?;
    Ok(0)
}

/// The ids of all messages that fulfil the conditions, and to which `action` may be done.
///
/// # Errors
///
/// [`Fault::Usage`] where there are more than `limit`; else a [`Problem`] when the daemon cannot be asked.
pub async fn ids(
    remote: &Remote,
    action: &'static str,
    conditions: &Conditions,
    limit: usize,
) -> Result<Vec<MessageId>, Problem> {
    let mut ids = Vec::new();
    let mut pages = Pages::of(&Conditions { action: action.to_owned(), ..conditions.clone() }, None);
    while let Some(page) = pages.next(remote).await? {
        ids.extend(page.iter().filter_map(|message| word(message, "id").parse::<MessageId>().ok()));
        if ids.len() > limit {
            let detail = format!(
                "found more than {limit} messages, expected at most so many; nothing was done; narrow the conditions, or give a larger --limit"
            );
            return Err(Problem::new(Fault::Usage, "usage", "too many messages fulfil the conditions", detail));
        }
    }
    Ok(ids)
}

/// The pages of a list.
struct Pages {
    /// Of the next page.
    conditions: Conditions,
    /// How many are still asked for, where there is a limit.
    left: Option<usize>,
    over: bool,
}

impl Pages {
    fn of(conditions: &Conditions, limit: Option<usize>) -> Self {
        Self { conditions: conditions.clone(), left: limit, over: false }
    }

    async fn next(&mut self, remote: &Remote) -> Result<Option<Vec<Value>>, Problem> {
        if self.over {
            return Ok(None);
        }
        self.conditions.limit = self.left.map(|left| left.min(LIST_MESSAGES_MAX).to_string()).unwrap_or_default();
        let query = self.conditions.words().map(|(name, word)| (name, given(word).map(str::to_owned)));
        let page = remote.get("/queue", &query).await?;
        let next = page["next"].as_str();
        next.unwrap_or_default().clone_into(&mut self.conditions.after);
        let messages = items(&page, "messages").to_vec();
        self.left = self.left.map(|left| left.saturating_sub(messages.len()));
        self.over = next.is_none() || self.left == Some(0);
        Ok(Some(messages))
    }
}

fn table(messages: &[Value]) -> Table {
    let mut table = Table::new(&[
        "ID",
        "",
        "STATUS",
        "FROM",
        "TO",
        "PARTNER",
        "PRIORITY",
        "ATTEMPTS",
        "NEXT ATTEMPT",
        "CREATED",
        "ERROR",
    ]);
    for message in messages {
        let error = message["error"]["title"].as_str().unwrap_or_default().to_owned();
        let cells = [
            "id",
            "direction",
            "status",
            "from",
            "to",
            "partner",
            "priority",
            "attempts",
            "next_attempt_at",
            "created_at",
        ];
        let held = if message["held"] == true { " (on hold)" } else { "" };
        let cell = |name| if name == "status" { word(message, name) + held } else { word(message, name) };
        table.row(cells.map(cell).into_iter().chain([error]));
    }
    table
}

/// Shows one message and its whole journey.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked or has no such message.
pub async fn show(remote: &Remote, id: MessageId, output: &Output) -> Result<u8, Problem> {
    let found = remote.get(&format!("/queue/{id}"), &[]).await?;
    output.record(&found, || text(&found)).map_err(unprinted)?;
    Ok(0)
}

/// What is done to which messages, and why.
#[derive(Clone, Debug)]
pub struct Order {
    /// `retry`, `cancel`, `hold` or `release`.
    pub action: &'static str,
    /// To which.
    pub ids: Vec<MessageId>,
    /// Why.
    pub reason: String,
}

/// Does one thing to each message, whatever becomes of the others; the exit status is that of the first that failed.
///
/// # Errors
///
/// A [`Problem`] when nothing can be printed.
pub async fn act(remote: &Remote, order: &Order, output: &Output) -> Result<u8, Problem> {
    let body = serde_json::json!({ "reason": order.reason }).to_string();
    let mut exit = 0;
    if order.ids.is_empty() {
        output.list::<Value>(&[], || Table::new(&[]), "no message fulfils the conditions").map_err(unprinted)?;
    }
    for id in &order.ids {
        let path = format!("/queue/{id}/{}", order.action);
        match remote.post(&path, "application/json", Body::empty().memory(body.clone())).await {
            Ok(message) => output
                .record(&message, || format!("{id}  {}  {}", order.action, word(&message, "status")))
                .map_err(unprinted)?,
            Err(problem) => {
                let failed = serde_json::json!({ "id": id, "error": problem });
                output.record(&failed, || format!("{id}  {problem}")).map_err(unprinted)?;
                exit = if exit == 0 { problem.exit_status() } else { exit };
            }
        }
    }
    Ok(exit)
}

fn text(found: &Value) -> String {
    let mut text = String::new();
    if let Some(members) = found["message"].as_object() {
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null() && !value.is_object()) {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let _ = writeln!(text, "{name:<16}  {value}");
        }
    }
    problem(&mut text, &found["message"]["error"], "");
    waits(&mut text, found);
    text.push('\n');
    for event in items(found, "journey") {
        let _ = writeln!(text, "{}  {:<14}  {}", word(event, "at"), word(event, "stage"), word(event, "detail"));
        for (name, value) in event["facts"].as_object().into_iter().flatten() {
            let _ = writeln!(text, "    {name}: {}", value.as_str().unwrap_or_default());
        }
        problem(&mut text, &event["problem"], "    ");
    }
    text.trim_end().to_owned()
}

/// Why the message waits beyond its own next attempt, and what can be done.
fn waits(text: &mut String, found: &Value) {
    let awaited = &found["awaited"];
    let partner = awaited["partner"].as_str().unwrap_or("recipients that have to be looked up");
    let breaker = match awaited["condition"].as_str() {
        Some("open") if !awaited["asked_until"].is_null() => {
            format!("is open until {}: it asked for that (Retry-After)", word(awaited, "open_until"))
        }
        Some("open") => format!("is open until {}", word(awaited, "open_until")),
        Some("probing") => "is probing: one message asks whether it is back".to_owned(),
        _ => return,
    };
    let _ = writeln!(text, "waits: the breaker of {partner} {breaker}");
    let why = word(&awaited["last_failure"], "title");
    let _ = writeln!(text, "  failed attempts in a row: {}, the last: {why}", word(awaited, "failures"));
    let tried =
        awaited["partner"].as_str().map(|partner| format!(" or `sluss partners try {partner}`")).unwrap_or_default();
    let id = word(&found["message"], "id");
    let _ = writeln!(text, "  it goes by itself when the partner answers; at once: `sluss queue retry {id}`{tried}");
}

/// A problem in lines: what, why, which rule.
pub(super) fn problem(text: &mut String, problem: &Value, indent: &str) {
    if problem.is_null() {
        return;
    }
    let _ = writeln!(text, "{indent}error: {}", word(problem, "title"));
    let _ = writeln!(text, "{indent}  {}", word(problem, "detail"));
    for name in ["rule", "code"] {
        if let Some(value) = problem[name].as_str() {
            let _ = writeln!(text, "{indent}  {name} {value}");
        }
    }
}
