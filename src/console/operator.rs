//! Operators' pages: overview, queue, journey, refusals. They hold nothing of any message's content.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, not_found, or_failure, page};
use super::problems::ProblemView;
use super::text::Texts;
use super::view::{MessageRow, Moment, StatusView, Wall, size};
use crate::access_point::{Action, Warrant};
use crate::model::{Carriage, Counts, Direction, Event, Message, Problem, Query, Status, Timestamp};
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query as UrlQuery, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
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

/// Statuses that belong together: a figure of the overview, and a choice of the queue's filter.
struct Group {
    word: &'static str,
    tone: &'static str,
    statuses: &'static [Status],
}

const GROUPS: [Group; 5] = [
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

impl Group {
    fn label(&self, t: &'static Texts) -> &'static str {
        match self.word {
            "under-way" => t.under_way,
            "retrying" => t.retrying,
            "awaiting" => t.awaiting,
            "waiting-in" => t.waiting_in,
            _ => t.given_up,
        }
    }
}

/// The figures: each leads to exactly the messages that it counts.
fn figures(counts: &Counts, visit: &Visit, wall: &Wall) -> Vec<Figure> {
    let figure = |group: &Group| {
        let of_group =
            || counts.by_status.iter().filter(|count| group.statuses.contains(&count.status) && count.messages > 0);
        let oldest: Option<Timestamp> = of_group().filter_map(|count| count.oldest).min();
        Figure {
            label: group.label(visit.text()),
            count: of_group().map(|count| count.messages).sum(),
            oldest: oldest.map(|at| wall.moment(at)),
            href: format!("/queue?status={}", group.word),
            tone: group.tone,
        }
    };
    GROUPS.iter().map(figure).collect()
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
        Ok(queries) => listed(&state, queries).await.map(|messages| (messages, None)),
    };
    let raw = raw.unwrap_or_default();
    let page_of =
        |(messages, fault): (Vec<Message>, _)| page(&render_queue(filter.clone(), &raw, &messages, fault, &visit));
    or_failure(&visit, listed.map(page_of).map_err(Failure::from))
}

/// One page of what any of the queries finds, newest first.
async fn listed(state: &ConsoleState, queries: Vec<Query>) -> Result<Vec<Message>, Problem> {
    let mut messages = Vec::new();
    for query in queries {
        messages.extend(state.access_point.list(query).await?);
    }
    messages.sort_by_key(|message| std::cmp::Reverse((message.created_at, message.id)));
    messages.truncate(PAGE_ROWS);
    Ok(messages)
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
    let groups = GROUPS.iter().map(|group| StatusOption {
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
    /// The conditions, one query for each status of a group, or what is wrong with them. Empty fields are no condition.
    fn parsed(&self, now: Timestamp) -> Result<Vec<Query>, String> {
        let direction = match self.direction.as_str() {
            "" => None,
            "out" => Some(Direction::Out),
            "in" => Some(Direction::In),
            other => return Err(format!("direction {other:?}")),
        };
        let older = given(&self.older).map(|text| hours_before(text, now)).transpose()?;
        let statuses = match given(&self.status) {
            None => vec![None],
            Some(word) => match GROUPS.iter().find(|group| group.word == word) {
                Some(group) => group.statuses.iter().copied().map(Some).collect(),
                None => vec![Some(word.parse::<Status>()?)],
            },
        };
        let query = Query {
            direction,
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
        };
        Ok(statuses.into_iter().map(|status| Query { status, ..query.clone() }).collect())
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
    pub(super) text: String,
    /// The event's own sentence, where the page is in another language.
    pub(super) technical: Option<String>,
    pub(super) facts: Vec<(String, String)>,
    pub(super) problem: Option<ProblemView>,
    pub(super) message: Option<String>,
}

impl EventView {
    fn new(event: &Event, wall: &Wall, visit: &Visit) -> Self {
        let said = visit.lang().stage_means(event.stage);
        Self {
            at: wall.moment(event.at),
            stage: visit.lang().stage(event.stage),
            tone: tone(event),
            text: said.map_or_else(|| event.detail.clone(), str::to_owned),
            technical: said.map(|_| event.detail.clone()),
            facts: event.facts.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            problem: event.problem.as_ref().map(|problem| ProblemView::new(problem, visit.lang())),
            message: event.message.map(|id| id.to_string()),
        }
    }
}

/// The colour of an event's mark.
fn tone(event: &Event) -> &'static str {
    use crate::model::Stage as S;
    match event.stage {
        S::AttemptFailed | S::Duplicate | S::Suspended => "late",
        S::GivenUp | S::Cancelled | S::Refused | S::Discarded | S::Failed => "bad",
        S::Receipted | S::Taken | S::Opened => "good",
        S::Answered if event.problem.is_some() => "bad",
        S::Answered => "good",
        S::Sealed | S::Accepted | S::Routed | S::Packed | S::Received | S::Held | S::Retried | S::Resumed => "busy",
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
    problem: Option<ProblemView>,
    held: bool,
    actions: Vec<(&'static str, &'static str)>,
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
        problem: message.error.as_ref().map(|problem| ProblemView::new(problem, visit.lang())),
        held: message.is_held(),
        actions: Action::ALL
            .into_iter()
            .filter(|action| action.is_open_to(message))
            .map(|action| (action.word(), visit.lang().action(action)))
            .collect(),
        events: journey.iter().map(|event| EventView::new(event, &wall, visit)).collect(),
        now: wall.now(),
        frame: visit.frame("queue"),
    }
}

/// The form of the actions.
#[derive(Deserialize)]
pub(super) struct Order {
    csrf: String,
    reason: String,
    action: String,
}

/// `POST /messages/{id}`: what an operator does to it.
pub(super) async fn act(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path(id): Path<String>,
    Form(order): Form<Order>,
) -> Response {
    or_failure(&visit, acted(&state, &visit, &id, &order).await)
}

async fn acted(state: &ConsoleState, visit: &Visit, id: &str, order: &Order) -> Result<Response, Failure> {
    if !visit.is_own_form(&order.csrf) {
        return Err(Failure::new(StatusCode::FORBIDDEN, visit.text().form_stale));
    }
    let id = id.parse().map_err(|_| not_found(visit))?;
    let action: Action = order.action.parse().map_err(|_| not_found(visit))?;
    let warrant = Warrant::new("operator on the pages", &order.reason)?;
    state.access_point.act(id, action, warrant).await?;
    Ok(Redirect::to(&format!("/messages/{id}")).into_response())
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

#[cfg(test)]
mod tests {
    use super::{Filter, GROUPS, Status, figures};
    use crate::console::Lang;
    use crate::console::frame::Visit;
    use crate::console::view::Wall;
    use crate::model::{Count, Counts, Direction};

    #[test]
    fn each_figure_leads_to_exactly_the_messages_that_it_counts() {
        let now = "2026-11-23T22:00:00Z".parse().unwrap();
        for (figure, group) in
            figures(&Counts::default(), &Visit::made_up(Lang::Sv, now), &Wall::utc(now, Lang::Sv)).iter().zip(&GROUPS)
        {
            let status = figure.href.strip_prefix("/queue?status=").unwrap().to_owned();
            let queries = Filter { status, ..Filter::default() }.parsed(now).unwrap();
            let asked: Vec<Option<Status>> = queries.iter().map(|query| query.status).collect();
            let counted: Vec<Option<Status>> = group.statuses.iter().copied().map(Some).collect();
            assert_eq!(asked, counted, "{}", figure.href);
        }
    }

    #[test]
    fn an_envelope_that_was_refused_and_deleted_needs_attention() {
        let now = "2026-11-23T22:00:00Z".parse().unwrap();
        let count = |status, messages| Count { direction: Direction::In, status, messages, oldest: Some(now) };
        let by_status = vec![count(Status::Deleted, 2), count(Status::Error, 1), count(Status::New, 7)];
        let counts = Counts { by_status, ..Counts::default() };
        let shown = figures(&counts, &Visit::made_up(Lang::Sv, now), &Wall::utc(now, Lang::Sv));
        let bad: Vec<u64> = shown.iter().filter(|figure| figure.tone == "bad").map(|figure| figure.count).collect();
        assert_eq!(bad, [3]);
    }
}
