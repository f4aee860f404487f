//! Operators' pages: overview, queue, journey, refusals. They hold nothing of any message's content.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, not_found, or_failure, page};
use super::view::{MessageRow, Moment, StatusView, Wall, size};
use crate::model::{Carriage, Counts, Direction, Event, Message, Problem, Query, Status, Timestamp};
use askama::Template;
use axum::extract::{Path, Query as UrlQuery, RawQuery, State};
use axum::response::Response;
use serde::Deserialize;
use std::time::Duration;

/// Messages on one page of the queue.
const PAGE_ROWS: usize = 50;
/// Refusals on their page, and on the overview.
const REFUSALS_MAX: usize = 200;
const REFUSALS_LATEST: usize = 5;

/// A figure of the overview: a number, and the list behind it.
struct Figure {
    label: &'static str,
    count: u64,
    oldest: Option<Moment>,
    href: String,
    tone: &'static str,
}

struct CountRow {
    outbound: bool,
    status: StatusView,
    messages: u64,
    oldest: Option<Moment>,
}

#[derive(Template)]
#[template(path = "overview.html", config = ".config/askama.toml")]
pub(super) struct OverviewPage {
    figures: Vec<Figure>,
    failed: u64,
    counts: Vec<CountRow>,
    refusals: Vec<EventView>,
    free: String,
    records: u64,
    now: String,
    frame: Frame,
}

/// `GET /`.
pub(super) async fn overview(State(state): State<ConsoleState>, visit: Visit) -> Response {
    or_failure(&visit, overview_page(&state, &visit).await)
}

async fn overview_page(state: &ConsoleState, visit: &Visit) -> Result<Response, Failure> {
    let counts = state.access_point.counts().await?;
    let refusals = state.access_point.refusals(REFUSALS_LATEST).await?;
    Ok(page(&render_overview(&counts, &refusals, visit)))
}

pub(super) fn render_overview(counts: &Counts, refusals: &[Event], visit: &Visit) -> OverviewPage {
    let wall = Wall::utc(visit.now, visit.lang());
    let rows = counts.by_status.iter().filter(|count| count.messages > 0).map(|count| CountRow {
        outbound: count.direction == Direction::Out,
        status: StatusView::new(count.status, visit.lang()),
        messages: count.messages,
        oldest: count.oldest.map(|at| wall.moment(at)),
    });
    let figures = figures(counts, visit, &wall);
    OverviewPage {
        failed: figures.iter().filter(|figure| figure.tone == "bad").map(|figure| figure.count).sum(),
        figures,
        counts: rows.collect(),
        refusals: refusals.iter().map(|event| EventView::new(event, &wall, visit)).collect(),
        free: size(counts.free_bytes),
        records: counts.journal_records,
        now: wall.now(),
        frame: visit.frame("overview"),
    }
}

/// The figures, and which statuses each sums up.
fn figures(counts: &Counts, visit: &Visit, wall: &Wall) -> Vec<Figure> {
    use Status as S;
    let t = visit.text();
    let groups: [(&'static str, &'static str, &[Status]); 5] = [
        (t.under_way, "busy", &[S::Submitted, S::SendEnqueued]),
        (t.retrying, "late", &[S::ScheduledForResend, S::WaitingForRetry]),
        (t.awaiting, "busy", &[S::WaitingForReceipt]),
        (t.waiting_in, "busy", &[S::Received, S::Retrieved]),
        (t.given_up, "bad", &[S::Rejected, S::MessageExchangeError, S::SendFailure, S::Error]),
    ];
    let figure = |(label, tone, statuses): (&'static str, &'static str, &[Status])| {
        let of_group =
            || counts.by_status.iter().filter(|count| statuses.contains(&count.status) && count.messages > 0);
        let oldest: Option<Timestamp> = of_group().filter_map(|count| count.oldest).min();
        let most = of_group().max_by_key(|count| count.messages).map_or(statuses[0], |count| count.status);
        Figure {
            label,
            count: of_group().map(|count| count.messages).sum(),
            oldest: oldest.map(|at| wall.moment(at)),
            href: format!("/queue?status={}", most.word()),
            tone,
        }
    };
    groups.into_iter().map(figure).collect()
}

/// The filter as it was typed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    direction: String,
    status: String,
    participant: String,
    partner: String,
    older: String,
    after: String,
}

struct StatusOption {
    word: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "queue.html", config = ".config/askama.toml")]
pub(super) struct QueuePage {
    filter: Filter,
    statuses: Vec<StatusOption>,
    fault: Option<String>,
    rows: Vec<MessageRow>,
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
        Err(fault) => Ok((Vec::new(), Some(fault))),
        Ok(query) => state.access_point.list(query).await.map(|messages| (messages, None)),
    };
    let raw = raw.unwrap_or_default();
    let page_of =
        |(messages, fault): (Vec<Message>, _)| page(&render_queue(filter.clone(), &raw, &messages, fault, &visit));
    or_failure(&visit, listed.map(page_of).map_err(Failure::from))
}

pub(super) fn render_queue(
    filter: Filter,
    raw: &str,
    messages: &[Message],
    fault: Option<String>,
    visit: &Visit,
) -> QueuePage {
    let wall = Wall::utc(visit.now, visit.lang());
    let last = messages.last().filter(|_| messages.len() == PAGE_ROWS);
    let option = |status: Status| StatusOption {
        word: status.word(),
        label: visit.lang().status(status).0,
        chosen: filter.status.eq_ignore_ascii_case(status.word()),
    };
    QueuePage {
        statuses: Status::ALL.into_iter().map(option).collect(),
        older: last.map(|message| older_page(raw, message)),
        rows: messages.iter().map(|message| MessageRow::new(message, &wall)).collect(),
        filter,
        fault,
        now: wall.now(),
        frame: visit.frame("queue"),
    }
}

/// The same filter, after the last row.
fn older_page(raw: &str, last: &Message) -> String {
    let kept =
        raw.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after=") && !pair.starts_with("lang="));
    let after = format!("after={}", last.id);
    format!("/queue?{}", kept.chain([after.as_str()]).collect::<Vec<_>>().join("&"))
}

impl Filter {
    /// The conditions, or what is wrong with them. Empty fields are no condition.
    fn parsed(&self, now: Timestamp) -> Result<Query, String> {
        let direction = match self.direction.as_str() {
            "" => None,
            "out" => Some(Direction::Out),
            "in" => Some(Direction::In),
            other => return Err(format!("direction {other:?}")),
        };
        let older = given(&self.older).map(|text| hours_before(text, now)).transpose()?;
        Ok(Query {
            direction,
            status: given(&self.status).map(str::parse::<Status>).transpose()?,
            participant: given(&self.participant)
                .map(str::parse)
                .transpose()
                .map_err(|e: crate::model::IdError| e.to_string())?,
            partner: given(&self.partner)
                .map(str::parse)
                .transpose()
                .map_err(|e: crate::model::IdError| e.to_string())?,
            after: given(&self.after).map(str::parse).transpose().map_err(|e: crate::model::IdError| e.to_string())?,
            created_before: older,
            limit: PAGE_ROWS,
            ..Query::default()
        })
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn hours_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let hours: u32 = text.parse().map_err(|_| format!("{text:?}: 0, 1, 2 … h"))?;
    now.checked_sub(Duration::from_secs(u64::from(hours) * 3600)).map_err(|fault| fault.to_string())
}

/// An event as a row of a journey.
pub(super) struct EventView {
    pub(super) at: Moment,
    pub(super) stage: &'static str,
    pub(super) tone: &'static str,
    pub(super) detail: String,
    pub(super) facts: Vec<(String, String)>,
    pub(super) problem: Option<Problem>,
    pub(super) message: Option<String>,
}

impl EventView {
    fn new(event: &Event, wall: &Wall, visit: &Visit) -> Self {
        Self {
            at: wall.moment(event.at),
            stage: visit.lang().stage(event.stage),
            tone: tone(event),
            detail: event.detail.clone(),
            facts: event.facts.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            problem: event.problem.clone(),
            message: event.message.map(|id| id.to_string()),
        }
    }
}

/// The colour of an event's mark.
fn tone(event: &Event) -> &'static str {
    use crate::model::Stage as S;
    match event.stage {
        S::AttemptFailed | S::Duplicate => "late",
        S::GivenUp | S::Refused | S::Discarded | S::Failed => "bad",
        S::Receipted | S::Taken | S::Opened => "good",
        S::Answered if event.problem.is_some() => "bad",
        S::Answered => "good",
        S::Sealed | S::Accepted | S::Routed | S::Packed | S::Received | S::Held => "busy",
    }
}

#[derive(Template)]
#[template(path = "message.html", config = ".config/askama.toml")]
pub(super) struct MessagePage {
    row: MessageRow,
    carriage: &'static str,
    facts: Vec<(&'static str, String)>,
    receipt: Option<(String, String)>,
    message_receipt: Option<String>,
    problem: Option<Problem>,
    events: Vec<EventView>,
    now: String,
    frame: Frame,
}

/// `GET /messages/{id}`.
pub(super) async fn message(State(state): State<ConsoleState>, visit: Visit, Path(id): Path<String>) -> Response {
    or_failure(&visit, message_page(&state, &visit, &id).await)
}

async fn message_page(state: &ConsoleState, visit: &Visit, id: &str) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| not_found(visit))?;
    let message = state.access_point.message(id).await?;
    let journey = state.access_point.journey(id).await?;
    Ok(page(&render_message(&message, &journey, visit)))
}

pub(super) fn render_message(message: &Message, journey: &[Event], visit: &Visit) -> MessagePage {
    let wall = Wall::utc(visit.now, visit.lang());
    let t = visit.text();
    let facts = [
        (t.message_id, Some(message.id.to_string())),
        (t.envelope_id, Some(message.envelope_id.to_string())),
        (t.as4_message_id, message.as4_message_id.as_ref().map(ToString::to_string)),
        (t.conversation, message.conversation_id.clone()),
        (t.document_type, Some(message.document_type.to_string())),
        (t.size, Some(size(message.envelope_bytes))),
        (t.endpoint, message.packed.as_ref().map(|packed| packed.url.clone())),
        (t.updated, Some(wall.moment(message.updated_at).short)),
    ];
    MessagePage {
        row: MessageRow::new(message, &wall),
        carriage: if message.carriage == Carriage::Own { t.own } else { t.carried },
        facts: facts.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect(),
        receipt: message
            .as4_receipt
            .as_ref()
            .map(|receipt| (receipt.signed_by.clone(), receipt.certificate_sha256.clone())),
        message_receipt: message.message_receipt.clone(),
        problem: message.error.clone(),
        events: journey.iter().map(|event| EventView::new(event, &wall, visit)).collect(),
        now: wall.now(),
        frame: visit.frame("queue"),
    }
}

#[derive(Template)]
#[template(path = "refusals.html", config = ".config/askama.toml")]
pub(super) struct RefusalsPage {
    events: Vec<EventView>,
    now: String,
    frame: Frame,
}

/// `GET /refusals`.
pub(super) async fn refusals(State(state): State<ConsoleState>, visit: Visit) -> Response {
    let listed = state.access_point.refusals(REFUSALS_MAX).await.map_err(Failure::from);
    or_failure(&visit, listed.map(|events| page(&render_refusals(&events, &visit))))
}

pub(super) fn render_refusals(events: &[Event], visit: &Visit) -> RefusalsPage {
    let wall = Wall::utc(visit.now, visit.lang());
    let events = events.iter().map(|event| EventView::new(event, &wall, visit)).collect();
    RefusalsPage { events, now: wall.now(), frame: visit.frame("refusals") }
}
