//! The queue: lists of messages by conditions, which stand in the address.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::text::Texts;
use super::view::{MessageRow, Wall};
use crate::accounts::Permission;
use crate::model::{Direction, Message, MessageId, Page, Problem, Query, Status, Timestamp};
use askama::Template;
use axum::extract::{Query as UrlQuery, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::time::Duration;

/// Messages on one page of the queue.
pub(super) const PAGE_ROWS: usize = 50;

/// Statuses that belong together: a figure of the overview, and a choice of the queue's filter.
pub(super) struct Group {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) statuses: &'static [Status],
}

pub(super) const GROUPS: [Group; 5] = [
    Group { word: "under-way", tone: "busy", statuses: &[Status::Submitted, Status::SendEnqueued] },
    Group { word: "retrying", tone: "late", statuses: &[Status::ScheduledForResend, Status::WaitingForRetry] },
    Group { word: "awaiting", tone: "busy", statuses: &[Status::WaitingForReceipt] },
    Group { word: "waiting-in", tone: "busy", statuses: &[Status::Received, Status::Retrieved] },
    // Refused envelopes among them: they have to be reported (APOP-4.1.1.a).
    Group {
        word: "attention",
        tone: "bad",
        statuses: &[
            Status::Rejected,
            Status::MessageExchangeError,
            Status::SendFailure,
            Status::Error,
            Status::Deleted,
        ],
    },
];

/// What still has to leave: what depths by partner and participant count outwards.
const TO_SEND: Group = Group {
    word: "to-send",
    tone: "busy",
    statuses: &[Status::Submitted, Status::SendEnqueued, Status::ScheduledForResend, Status::WaitingForRetry],
};

impl Group {
    /// What it is called.
    pub(super) fn label(&self, t: &'static Texts) -> &'static str {
        match self.word {
            "under-way" => t.under_way,
            "retrying" => t.retrying,
            "awaiting" => t.awaiting,
            "waiting-in" => t.waiting_in,
            "to-send" => t.to_send,
            _ => t.given_up,
        }
    }
}

/// The filter as it was typed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    pub(super) id: String,
    pub(super) held: String,
    pub(super) direction: String,
    pub(super) status: String,
    pub(super) participant: String,
    pub(super) partner: String,
    pub(super) older: String,
    pub(super) cause: String,
    pub(super) since: String,
    pub(super) after: String,
}

struct StatusOption {
    word: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "queue.html", config = ".config/askama.toml")]
pub(super) struct QueuePage {
    filter: Filter,
    statuses: Vec<StatusOption>,
    fault: Option<String>,
    rows: Vec<MessageRow>,
    actions: Vec<(&'static str, &'static str)>,
    raw: String,
    older: Option<String>,
    now: String,
    frame: Frame,
}

/// `GET /queue`.
pub(super) async fn queue(
    State(state): State<ConsoleState>,
    visit: Visit,
    RawQuery(raw): RawQuery,
    UrlQuery(filter): UrlQuery<Filter>,
) -> Response {
    let listed = match filter.parsed(visit.now) {
        Err(fault) => Ok((Page::default(), Some(fault))),
        Ok(query) if !filter.id.trim().is_empty() => {
            let found = named(&state, filter.id.trim(), query).await;
            if let Ok([only]) = found.as_deref() {
                return Redirect::to(&format!("/messages/{}", only.id)).into_response();
            }
            found.map(|messages| (Page { messages, next: None }, None))
        }
        Ok(query) => state.access_point.page(query).await.map(|page| (page, None)),
    };
    let raw = raw.unwrap_or_default();
    let page_of = |(found, fault): (Page, _)| page(&render_queue(filter.clone(), &raw, &found, fault, &visit));
    or_failure(&visit, listed.map(page_of).map_err(Failure::from))
}

/// The messages that any id names, with the other conditions: our id, the envelope's, the AS4 message's, a conversation's.
async fn named(state: &ConsoleState, id: &str, query: Query) -> Result<Vec<Message>, Problem> {
    let mut found = Vec::new();
    if let Ok(ours) = id.parse::<MessageId>()
        && let Ok(message) = state.access_point.message(ours).await
    {
        found.push(message);
    }
    let by_envelope = Query { envelope_id: id.parse().ok(), ..query.clone() };
    let by_message = Query { as4_message_id: id.parse().ok(), ..query.clone() };
    let by_conversation = Query { conversation_id: Some(id.to_owned()), ..query };
    for query in [by_envelope, by_message, by_conversation] {
        if query.envelope_id.is_some() || query.as4_message_id.is_some() || query.conversation_id.is_some() {
            found.extend(state.access_point.page(query).await?.messages);
        }
    }
    found.sort_by_key(|message| std::cmp::Reverse((message.created_at, message.id)));
    found.dedup_by_key(|message| message.id);
    Ok(found)
}

pub(super) fn render_queue(filter: Filter, raw: &str, found: &Page, fault: Option<String>, visit: &Visit) -> QueuePage {
    let wall = Wall::utc(visit.now, visit.lang());
    let groups = GROUPS.iter().chain([&TO_SEND]).map(|group| StatusOption {
        word: group.word,
        label: group.label(visit.text()).to_owned(),
        chosen: filter.status == group.word,
    });
    let option = |status: Status| StatusOption {
        word: status.word(),
        label: format!("{} ({})", visit.lang().status(status).0, status.word()),
        chosen: filter.status.eq_ignore_ascii_case(status.word()),
    };
    QueuePage {
        statuses: groups.chain(Status::ALL.into_iter().map(option)).collect(),
        older: found.next.map(|last| older_page("/queue", raw, last)),
        rows: found.messages.iter().map(|message| MessageRow::new(message, &wall)).collect(),
        actions: if visit.may(Permission::Operate) { visit.lang().actions() } else { Vec::new() },
        raw: raw.to_owned(),
        filter,
        fault,
        now: wall.now(),
        frame: visit.frame("queue"),
    }
}

/// The same filter, after the last row.
pub(super) fn older_page(path: &str, raw: &str, last: MessageId) -> String {
    let kept =
        raw.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after=") && !pair.starts_with("lang="));
    let after = format!("after={last}");
    format!("{path}?{}", kept.chain([after.as_str()]).collect::<Vec<_>>().join("&"))
}

impl Filter {
    /// The conditions, or what is wrong with them. Empty fields are no condition.
    pub(super) fn parsed(&self, now: Timestamp) -> Result<Query, String> {
        let direction = match self.direction.as_str() {
            "" => None,
            "out" => Some(Direction::Out),
            "in" => Some(Direction::In),
            other => return Err(format!("direction {other:?}")),
        };
        let older = given(&self.older).map(|text| hours_before(text, now)).transpose()?;
        let statuses = match given(&self.status) {
            None => Vec::new(),
            Some(word) => match GROUPS.iter().chain([&TO_SEND]).find(|group| group.word == word) {
                Some(group) => group.statuses.to_vec(),
                None => vec![word.parse::<Status>()?],
            },
        };
        Ok(Query {
            direction,
            statuses,
            participant: given(&self.participant)
                .map(str::parse)
                .transpose()
                .map_err(|e: crate::model::IdError| e.to_string())?,
            partner: given(&self.partner)
                .map(str::parse)
                .transpose()
                .map_err(|e: crate::model::IdError| e.to_string())?,
            after: given(&self.after).map(str::parse).transpose().map_err(|e: crate::model::IdError| e.to_string())?,
            cause: given(&self.cause).map(str::to_owned),
            held: !self.held.is_empty(),
            created_before: older,
            created_since: given(&self.since).map(midnight).transpose()?,
            limit: PAGE_ROWS,
            ..Query::default()
        })
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn midnight(day: &str) -> Result<Timestamp, String> {
    format!("{day}T00:00:00Z").parse().map_err(|_| format!("{day:?}: 2026-11-24"))
}

fn hours_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let hours: u32 = text.parse().map_err(|_| format!("{text:?}: 0, 1, 2 … h"))?;
    now.checked_sub(Duration::from_secs(u64::from(hours) * 3600)).map_err(|fault| fault.to_string())
}
