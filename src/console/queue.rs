//! The queue: lists of messages by conditions, which stand in the address.

use super::ConsoleState;
use super::filter::{newest_page, older_page};
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::text::Texts;
use super::view::{MessageRow, Wall};
use crate::accounts::Permission;
use crate::model::{Conditions, Page, Query, Status, StatusGroup, Timestamp};
use askama::Template;
use axum::extract::{Query as UrlQuery, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};

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

struct StatusOption {
    word: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "queue.html", config = ".config/askama.toml")]
pub(super) struct QueuePage {
    filter: Conditions,
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
    UrlQuery(filter): UrlQuery<Conditions>,
) -> Response {
    let listed = match one_page(&filter, visit.now) {
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

pub(super) fn render_queue(
    filter: Conditions,
    raw: &str,
    found: &Page,
    fault: Option<String>,
    visit: &Visit,
) -> QueuePage {
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

/// What a page of the list asks for.
pub(super) fn one_page(filter: &Conditions, now: Timestamp) -> Result<Query, String> {
    Ok(Query { limit: PAGE_ROWS, ..filter.read(now)? })
}
