//! The queue: lists of messages by conditions, which stand in the address.

use super::ConsoleState;
use super::filter::{given, id, moment, newest_page, older_page};
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::text::Texts;
use super::view::{MessageRow, Wall};
use crate::accounts::Permission;
use crate::model::{Direction, Page, Query, Status, StatusGroup, Timestamp};
use askama::Template;
use axum::extract::{Query as UrlQuery, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::time::Duration;

/// Messages on one page of the queue.
pub(super) const PAGE_ROWS: usize = 50;

/// A [`StatusGroup`] as a figure of the overview, and a choice of the queue's filter.
pub(super) struct Group {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) statuses: &'static [Status],
}

/// The figures of the overview, and what still has to leave.
const ALL: [Group; 6] = {
    let [under_way, retrying, awaiting, waiting_in, attention, to_send] = StatusGroup::ALL;
    [
        Group::of(under_way, "busy"),
        Group::of(retrying, "late"),
        Group::of(awaiting, "busy"),
        Group::of(waiting_in, "busy"),
        Group::of(attention, "bad"),
        Group::of(to_send, "busy"),
    ]
};

/// The figures of the overview.
pub(super) const GROUPS: &[Group] = ALL.split_at(5).0;

impl Group {
    const fn of(group: StatusGroup, tone: &'static str) -> Self {
        Self { word: group.word, tone, statuses: group.statuses }
    }

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
    pub(super) before: String,
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
    newest: Option<String>,
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
        Ok(query) => state.access_point.page(query).await.map(|page| (page, None)),
    };
    if let (Ok((Page { messages, next: None }, _)), false) = (&listed, filter.id.trim().is_empty())
        && let ([only], true) = (messages.as_slice(), filter.after.is_empty())
    {
        return Redirect::to(&format!("/messages/{}", only.id)).into_response();
    }
    let raw = raw.unwrap_or_default();
    let page_of = |(found, fault): (Page, _)| page(&render_queue(filter.clone(), &raw, &found, fault, &visit));
    or_failure(&visit, listed.map(page_of).map_err(Failure::from))
}

pub(super) fn render_queue(filter: Filter, raw: &str, found: &Page, fault: Option<String>, visit: &Visit) -> QueuePage {
    let wall = Wall::utc(visit.now, visit.lang());
    let groups = ALL.iter().map(|group| StatusOption {
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
        newest: newest_page("/queue", raw, &filter.after),
        rows: found.messages.iter().map(|message| MessageRow::new(message, &wall)).collect(),
        actions: if visit.may(Permission::Operate) { visit.lang().actions() } else { Vec::new() },
        raw: raw.to_owned(),
        filter,
        fault,
        now: wall.now(),
        frame: visit.frame("queue"),
    }
}

impl Filter {
    /// Whether it has no condition, so that every message fulfils it.
    pub(super) fn is_open(&self) -> bool {
        let Self { id, held, direction, status, participant, partner, older, cause, since, before, after: _ } = self;
        let conditions = [id, held, direction, status, participant, partner, older, cause, since, before];
        conditions.into_iter().all(|field| given(field).is_none())
    }

    /// The conditions, or what is wrong with them. Empty fields are no condition.
    pub(super) fn parsed(&self, now: Timestamp) -> Result<Query, String> {
        let direction = match self.direction.as_str() {
            "" => None,
            "out" => Some(Direction::Out),
            "in" => Some(Direction::In),
            other => return Err(format!("direction {other:?}")),
        };
        let older = given(&self.older).map(|text| hours_before(text, now)).transpose()?;
        let statuses = given(&self.status).map(StatusGroup::statuses).transpose()?.unwrap_or_default();
        Ok(Query {
            direction,
            statuses,
            participant: id(&self.participant)?,
            partner: id(&self.partner)?,
            after: id(&self.after)?,
            // Mail and logs write ids of AS4 messages in brackets.
            named: given(self.id.trim().trim_matches(['<', '>'])).map(str::to_owned),
            cause: given(&self.cause).map(str::to_owned),
            held: !self.held.is_empty(),
            created_before: older.into_iter().chain(moment(&self.before)?).min(),
            created_since: moment(&self.since)?,
            limit: PAGE_ROWS,
            ..Query::default()
        })
    }
}

fn hours_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let hours: u32 = text.parse().map_err(|_| format!("{text:?}: 0, 1, 2 … h"))?;
    now.checked_sub(Duration::from_secs(u64::from(hours) * 3600)).map_err(|fault| fault.to_string())
}
