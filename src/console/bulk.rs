//! One thing done to many messages, for one reason: to those that were chosen, or to all that a filter finds, after it was said
//! how many those are. Each is an action of its own, and the page says for each what became of it.

use super::form::OwnForm;
use super::frame::{Failure, Frame, Visit, not_found, or_failure, page};
use super::problems::ProblemView;
use super::queue::one_page;
use super::view::{StatusView, Wall, counted};
use super::{ConsoleState, dead};
use crate::access_point::Action;
use crate::limits::{BULK_MESSAGES_MAX, BULK_PAGES_MAX};
use crate::model::{Conditions, Counted, Message, MessageId, Problem, Query, Warrant};
use askama::Template;
use axum::extract::{Query as UrlQuery, State};
use axum::response::Response;
use http::{StatusCode, Uri};

/// What became of one message.
pub(super) struct Outcome {
    id: String,
    status: Option<StatusView>,
    problem: Option<ProblemView>,
}

#[derive(Template)]
#[template(path = "bulk.html", config = ".config/askama.toml")]
pub(super) struct BulkPage {
    action: &'static str,
    done: usize,
    refused: usize,
    outcomes: Vec<Outcome>,
    more: bool,
    back: String,
    now: String,
    frame: Frame,
}

/// Asked before anything is done to all that a filter finds.
#[derive(Template)]
#[template(path = "confirm.html", config = ".config/askama.toml")]
pub(super) struct ConfirmPage {
    action: (&'static str, &'static str),
    reason: String,
    matching: String,
    in_part: bool,
    list: &'static str,
    filter: String,
    now: String,
    frame: Frame,
}

/// `POST /queue/actions`.
pub(super) async fn act(
    State(state): State<ConsoleState>,
    visit: Visit,
    OwnForm(fields): OwnForm<Vec<(String, String)>>,
) -> Response {
    or_failure(&visit, acted(&state, &visit, &fields).await)
}

async fn acted(state: &ConsoleState, visit: &Visit, fields: &[(String, String)]) -> Result<Response, Failure> {
    let field = |name: &str| fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str());
    let action: Action = field("action").parse().map_err(|_| not_found(visit))?;
    let warrant = Warrant::new(visit.actor_name(), field("reason"))?;
    let (list, filter) = (field("list"), field("filter"));
    let (ids, more) = if field("which") == "all" {
        let query = asked(visit, action, filter)?;
        if field("confirmed").is_empty() {
            let found = state.access_point.count(query).await?;
            if found == Counted::default() {
                return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, visit.text().queue_empty));
            }
            return Ok(page(&render_confirm(action, &warrant, found, [list, filter], visit)));
        }
        matching(state, query).await?
    } else {
        let chosen = fields.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.parse::<MessageId>());
        (chosen.collect::<Result<Vec<_>, _>>().map_err(|_| not_found(visit))?, false)
    };
    if ids.is_empty() {
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, visit.text().none_chosen));
    }
    let mut outcomes = Vec::new();
    for id in ids.into_iter().take(BULK_MESSAGES_MAX) {
        outcomes.push((id, state.access_point.act(id, action, warrant.clone()).await));
    }
    Ok(page(&render_bulk(action, outcomes, more, [list, filter], visit)))
}

/// What finds the messages of a list's filter to which this may be done.
fn asked(visit: &Visit, action: Action, filter: &str) -> Result<Query, Failure> {
    let unusable = |_| Failure::new(StatusCode::BAD_REQUEST, visit.text().filter_wrong);
    let uri: Uri = format!("/queue?{filter}").parse().map_err(|_| not_found(visit))?;
    let UrlQuery(filter) = UrlQuery::<Conditions>::try_from_uri(&uri).map_err(|_| not_found(visit))?;
    if filter.is_open() {
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, visit.text().filter_needed));
    }
    Ok(Query { after: None, ..action.among(one_page(&filter, visit.now).map_err(unusable)?) })
}

/// The messages that are asked for, as many as one order is for, and whether there are more.
async fn matching(state: &ConsoleState, mut query: Query) -> Result<(Vec<MessageId>, bool), Failure> {
    let mut found = Vec::new();
    for _ in 0..BULK_PAGES_MAX {
        query.limit = BULK_MESSAGES_MAX - found.len();
        let page = state.access_point.page(query.clone()).await?;
        found.extend(page.messages.iter().map(|message| message.id));
        query.after = page.next;
        if page.next.is_none() || found.len() >= BULK_MESSAGES_MAX {
            break;
        }
    }
    Ok((found, query.after.is_some()))
}

/// The path of a list as a form names it, and what it is called in the navigation.
fn place(list: &str) -> (&'static str, &'static str) {
    if list == dead::PATH { (dead::PATH, "dead-letters") } else { ("/queue", "queue") }
}

/// `from`: the path of the list and its filter.
pub(super) fn render_confirm(
    action: Action,
    warrant: &Warrant,
    found: Counted,
    from: [&str; 2],
    visit: &Visit,
) -> ConfirmPage {
    let [list, filter] = from;
    let (list, section) = place(list);
    ConfirmPage {
        action: (action.word(), visit.lang().action(action)),
        reason: warrant.reason().to_owned(),
        matching: counted(found, visit.text()),
        in_part: found.more || found.messages > BULK_MESSAGES_MAX as u64,
        list,
        filter: filter.to_owned(),
        now: Wall::utc(visit.now, visit.lang()).now(),
        frame: visit.frame(section),
    }
}

/// `from`: the path of the list and its filter.
pub(super) fn render_bulk(
    action: Action,
    outcomes: Vec<(MessageId, Result<Message, Problem>)>,
    more: bool,
    from: [&str; 2],
    visit: &Visit,
) -> BulkPage {
    let [list, filter] = from;
    let (list, section) = place(list);
    let done = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    let outcomes: Vec<Outcome> = outcomes
        .into_iter()
        .map(|(id, outcome)| Outcome {
            id: id.to_string(),
            status: outcome.as_ref().ok().map(|message| StatusView::new(message.status, visit.lang())),
            problem: outcome.err().map(|problem| ProblemView::new(&problem, visit.lang())),
        })
        .collect();
    BulkPage {
        action: visit.lang().action(action),
        done,
        refused: outcomes.len() - done,
        outcomes,
        more,
        back: format!("{list}?{filter}"),
        now: Wall::utc(visit.now, visit.lang()).now(),
        frame: visit.frame(section),
    }
}
