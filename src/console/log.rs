//! The event log: by conditions, which stand in the address, newest first, by pages.

use super::ConsoleState;
use super::events::EventView;
use super::filter::{newest_page, older_page};
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::view::Wall;
use crate::model::conditions::{given, id, moment};
use crate::model::{LogPage, LogQuery, Stage};
use crate::ops::log::word;
use askama::Template;
use axum::extract::{Query as UrlQuery, RawQuery, State};
use axum::response::Response;
use serde::Deserialize;

/// Events on one page.
const PAGE_EVENTS: usize = 100;

/// The filter as it was typed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogFilter {
    pub(super) stage: String,
    pub(super) message: String,
    pub(super) actor: String,
    pub(super) partner: String,
    pub(super) participant: String,
    pub(super) since: String,
    pub(super) until: String,
    pub(super) after: String,
}

struct StageOption {
    word: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "events.html", config = ".config/askama.toml")]
pub(super) struct LogListPage {
    filter: LogFilter,
    stages: Vec<StageOption>,
    fault: Option<String>,
    events: Vec<EventView>,
    older: Option<String>,
    newest: Option<String>,
    now: String,
    frame: Frame,
}

/// `GET /events`.
pub(super) async fn events(
    State(state): State<ConsoleState>,
    visit: Visit,
    RawQuery(raw): RawQuery,
    UrlQuery(filter): UrlQuery<LogFilter>,
) -> Response {
    let found = match filter.parsed() {
        Ok(query) => state.access_point.log(query).await.map(|found| (found, None)),
        Err(fault) => Ok((LogPage::default(), Some(fault))),
    };
    let raw = raw.unwrap_or_default();
    let shown = |(found, fault): (LogPage, _)| page(&render_log(filter.clone(), &raw, &found, fault, &visit));
    or_failure(&visit, found.map(shown).map_err(Failure::from))
}

pub(super) fn render_log(
    filter: LogFilter,
    raw: &str,
    found: &LogPage,
    fault: Option<String>,
    visit: &Visit,
) -> LogListPage {
    let wall = Wall::utc(visit.now, visit.lang());
    let option = |stage: Stage| StageOption {
        word: word(stage),
        label: visit.lang().stage(stage),
        chosen: filter.stage == word(stage),
    };
    LogListPage {
        stages: Stage::ALL.into_iter().map(option).collect(),
        events: found.events.iter().map(|logged| EventView::new(&logged.event, &wall, visit)).collect(),
        older: found.next.map(|last| older_page("/events", raw, last)),
        newest: newest_page("/events", raw, &filter.after),
        filter,
        fault,
        now: wall.now(),
        frame: visit.frame("events"),
    }
}

impl LogFilter {
    /// The conditions, or what is wrong with them. Empty fields are no condition.
    fn parsed(&self) -> Result<LogQuery, String> {
        let stage = given(&self.stage).map(|wanted| {
            let found = Stage::ALL.into_iter().find(|stage| word(*stage) == wanted);
            found.ok_or_else(|| format!("stage {wanted:?}"))
        });
        Ok(LogQuery {
            stage: stage.transpose()?,
            message: id(&self.message)?,
            actor: given(&self.actor).map(str::to_owned),
            partner: id(&self.partner)?,
            participant: id(&self.participant)?,
            since: moment(&self.since)?,
            until: moment(&self.until)?,
            after: id(&self.after)?,
            limit: PAGE_EVENTS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LogFilter;

    #[test]
    fn a_filter_that_is_not_understood_is_said() {
        for (wrong, part) in [
            (LogFilter { stage: "lost".into(), ..LogFilter::default() }, "lost"),
            (LogFilter { message: "7".into(), ..LogFilter::default() }, "UUID"),
            (LogFilter { since: "7".into(), ..LogFilter::default() }, "2026-11-24T12:00"),
            (LogFilter { after: "7".into(), ..LogFilter::default() }, "next"),
        ] {
            let fault = wrong.parsed().unwrap_err();
            assert!(fault.contains(part), "{part} in {fault}");
        }
    }
}
