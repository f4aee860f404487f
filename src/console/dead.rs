//! Dead letters: what nothing more is tried with, by cause, with what helps against it.

use super::ConsoleState;
use super::filter::{newest_page, older_page};
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::problems::{remedy, title};
use super::queue::one_page;
use super::view::{MessageRow, Moment, Wall};
use crate::access_point::Action;
use crate::accounts::Permission;
use crate::limits::CAUSES_COUNTED_MAX;
use crate::model::{Conditions, Message, Page, Problem, Query, Timestamp};
use askama::Template;
use axum::extract::{Query as UrlQuery, RawQuery, State};
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// Where the page is.
pub(super) const PATH: &str = "/dead-letters";

/// The statuses of dead letters, as the filter of lists calls them.
const DEAD: &str = "attention";

/// Dead letters of one cause.
struct CauseRow {
    cause: String,
    title: String,
    remedy: &'static str,
    messages: usize,
    oldest: Moment,
    /// The list of them; none where no cause is kept.
    href: Option<String>,
}

#[derive(Template)]
#[template(path = "dead.html", config = ".config/askama.toml")]
pub(super) struct DeadPage {
    causes: Vec<CauseRow>,
    more: bool,
    filter: Conditions,
    fault: Option<String>,
    rows: Vec<MessageRow>,
    actions: Vec<(&'static str, &'static str)>,
    bulk_filter: String,
    older: Option<String>,
    newest: Option<String>,
    now: String,
    frame: Frame,
}

/// What the page is made of.
#[derive(Default)]
pub(super) struct Found {
    /// The newest, whatever their cause.
    pub(super) newest: Page,
    /// Those of the cause that is asked for.
    pub(super) page: Page,
    /// What is wrong with the filter.
    pub(super) fault: Option<String>,
}

/// `GET /dead-letters`.
pub(super) async fn letters(
    State(state): State<ConsoleState>,
    visit: Visit,
    RawQuery(raw): RawQuery,
    UrlQuery(filter): UrlQuery<Conditions>,
) -> Response {
    let filter = Conditions { status: DEAD.into(), ..filter };
    let found = found(&state, &filter, visit.now).await.map_err(Failure::from);
    let shown = found.map(|found| page(&render_dead(filter, &raw.unwrap_or_default(), &found, &visit)));
    or_failure(&visit, shown)
}

async fn found(state: &ConsoleState, filter: &Conditions, now: Timestamp) -> Result<Found, Problem> {
    let query = match one_page(filter, now) {
        Ok(query) => query,
        Err(fault) => return Ok(Found { fault: Some(fault), ..Found::default() }),
    };
    let newest = Query { cause: None, after: None, limit: CAUSES_COUNTED_MAX, ..query.clone() };
    let newest = state.access_point.page(newest).await?;
    Ok(Found { newest, page: state.access_point.page(query).await?, fault: None })
}

pub(super) fn render_dead(filter: Conditions, raw: &str, found: &Found, visit: &Visit) -> DeadPage {
    let wall = Wall::utc(visit.now, visit.lang());
    // Of what could be done to a message, only this may follow here.
    let actions = [Action::Retry, Action::Cancel].map(|action| (action.word(), visit.lang().action(action)));
    DeadPage {
        causes: causes(&found.newest.messages, &filter, visit, &wall),
        more: found.newest.next.is_some(),
        fault: found.fault.clone(),
        rows: found.page.messages.iter().map(|message| MessageRow::new(message, &wall)).collect(),
        actions: if visit.may(Permission::Operate) { actions.to_vec() } else { Vec::new() },
        bulk_filter: format!("status={DEAD}&{}", narrowed(&filter, &filter.cause)),
        older: found.page.next.map(|last| older_page(PATH, raw, last)),
        newest: newest_page(PATH, raw, &filter.after),
        filter,
        now: wall.now(),
        frame: visit.frame("dead-letters"),
    }
}

/// The causes, those with the most messages first.
fn causes(messages: &[Message], filter: &Conditions, visit: &Visit, wall: &Wall) -> Vec<CauseRow> {
    let mut by_cause: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in messages {
        by_cause.entry(message.error.as_ref().map_or("", Problem::cause)).or_default().push(message);
    }
    let row = |(cause, messages): (&str, Vec<&Message>)| {
        let oldest = messages.iter().map(|message| message.created_at).min()?;
        let problem = messages.first().and_then(|message| message.error.as_ref());
        Some(CauseRow {
            cause: cause.to_owned(),
            title: problem.map_or_else(|| visit.text().no_cause.to_owned(), |problem| title(problem, visit.lang())),
            remedy: remedy(problem, visit.text()),
            messages: messages.len(),
            oldest: wall.moment(oldest),
            href: problem.map(|_| format!("{PATH}?{}", narrowed(filter, cause))),
        })
    };
    let mut rows: Vec<CauseRow> = by_cause.into_iter().filter_map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.messages));
    rows
}

/// The filter's partner and participant with this cause, as a query.
fn narrowed(filter: &Conditions, cause: &str) -> String {
    let pairs = [("cause", cause), ("participant", &filter.participant), ("partner", &filter.partner)];
    let given = pairs.iter().filter(|(_, value)| !value.trim().is_empty());
    let encoded = given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value.trim(), NON_ALPHANUMERIC)));
    encoded.collect::<Vec<_>>().join("&")
}
