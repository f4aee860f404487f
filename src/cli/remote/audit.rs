//! `sluss audit list`: the event log.

use super::{Remote, items, unprinted, word};
use crate::cli::output::{Output, Table};
use crate::limits::LIST_EVENTS_MAX;
use crate::model::Problem;
use serde_json::Value;

/// Conditions; all that are given hold.
#[derive(Clone, Debug, Default)]
pub struct AuditOptions {
    /// Recorded then or later.
    pub since: Option<String>,
    /// Recorded before.
    pub until: Option<String>,
    /// The other access point.
    pub partner: Option<String>,
    /// Sender or recipient.
    pub participant: Option<String>,
    /// A stage of a message's journey.
    pub stage: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// A message.
    pub message: Option<String>,
    /// At most so many events.
    pub limit: usize,
}

/// Lists events, newest first, all pages of them up to the limit.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked.
pub async fn list(remote: &Remote, options: AuditOptions, output: &Output) -> Result<u8, Problem> {
    let mut events: Vec<Value> = Vec::new();
    let mut after = None;
    while events.len() < options.limit {
        let query = [
            ("since", options.since.clone()),
            ("until", options.until.clone()),
            ("partner", options.partner.clone()),
            ("participant", options.participant.clone()),
            ("stage", options.stage.clone()),
            ("actor", options.actor.clone()),
            ("message", options.message.clone()),
            ("limit", Some((options.limit - events.len()).min(LIST_EVENTS_MAX).to_string())),
            ("after", after),
        ];
        let page = remote.get("/events", &query).await?;
        events.extend_from_slice(items(&page, "events"));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    events.truncate(options.limit);
    output.list(&events, || table(&events), "no event").map_err(unprinted)?;
    Ok(0)
}

fn table(events: &[Value]) -> Table {
    let mut table = Table::new(&["RECORD", "AT", "STAGE", "MESSAGE", "DETAIL"]);
    for event in events {
        table.row(["record", "at", "stage", "message", "detail"].map(|name| word(event, name)));
    }
    table
}
