//! Events as pages show them, and those that belong to no message.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::problems::ProblemView;
use super::view::{Moment, Wall};
use crate::model::Event;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// Refusals on their page.
const REFUSALS_MAX: usize = 200;

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
    pub(super) fn new(event: &Event, wall: &Wall, visit: &Visit) -> Self {
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
        S::AttemptFailed | S::Duplicate | S::Suspended | S::Warned | S::LogInFailed | S::AccessChanged => "late",
        S::GivenUp | S::Cancelled | S::Refused | S::Discarded | S::Failed => "bad",
        S::Receipted | S::Taken | S::Told | S::Opened | S::Cleared => "good",
        S::Answered if event.problem.is_some() => "bad",
        S::Answered => "good",
        S::Sealed
        | S::Accepted
        | S::Routed
        | S::Packed
        | S::Received
        | S::Held
        | S::Retried
        | S::Resumed
        | S::PartnerTried
        | S::LoggedIn
        | S::LoggedOut
        | S::Purged => "busy",
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
