//! How other access points fare, and what waits for our participants.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::problems::{remedy, title};
use super::view::{Moment, Wall};
use crate::access_point::{Condition, ParticipantState, PartnerState};
use crate::limits::STATES_SHOWN_MAX;
use crate::model::{Carriage, Problem};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Another access point as a row.
struct PartnerRow {
    name: String,
    condition: &'static str,
    tone: &'static str,
    failures: u32,
    since: Option<Moment>,
    waiting: usize,
    in_flight: usize,
    success: Option<Moment>,
    failure: Option<FailureOf>,
    href: String,
    dead_href: String,
}

/// The last failure of a partner.
struct FailureOf {
    at: Moment,
    title: String,
    cause: String,
    remedy: &'static str,
}

#[derive(Template)]
#[template(path = "partners.html", config = ".config/askama.toml")]
pub(super) struct PartnersPage {
    rows: Vec<PartnerRow>,
    failing: usize,
    hidden: usize,
    now: String,
    frame: Frame,
}

/// `GET /partners`.
pub(super) async fn partners(State(state): State<ConsoleState>, visit: Visit) -> Response {
    page(&render_partners(state.access_point.partners(), &visit))
}

pub(super) fn render_partners(mut partners: Vec<PartnerState>, visit: &Visit) -> PartnersPage {
    partners.sort_by_cached_key(PartnerState::urgency);
    let wall = Wall::utc(visit.now, visit.lang());
    PartnersPage {
        failing: partners.iter().filter(|partner| partner.condition() > Condition::Healthy).count(),
        hidden: partners.len().saturating_sub(STATES_SHOWN_MAX),
        rows: partners.into_iter().take(STATES_SHOWN_MAX).map(|partner| row(partner, visit, &wall)).collect(),
        now: wall.now(),
        frame: visit.frame("partners"),
    }
}

fn row(partner: PartnerState, visit: &Visit, wall: &Wall) -> PartnerRow {
    let (t, moment) = (visit.text(), |at| wall.moment(at));
    let (condition, tone) = match partner.condition() {
        Condition::Healthy => (t.partner_healthy, "good"),
        Condition::Failing => (t.partner_failing, "late"),
        Condition::OneAtATime => (t.partner_one_at_a_time, "bad"),
    };
    let failure = |(at, problem): (_, Problem)| FailureOf {
        at: wall.moment(at),
        title: title(&problem, visit.lang()),
        cause: problem.cause().to_owned(),
        remedy: remedy(Some(&problem), t),
    };
    let name = partner.partner.map(|party| party.to_string()).unwrap_or_default();
    let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string();
    PartnerRow {
        condition,
        tone,
        failures: partner.health.failures,
        since: partner.health.failing_since.map(moment),
        waiting: partner.waiting,
        in_flight: partner.in_flight,
        success: partner.health.last_success_at.map(moment),
        failure: partner.health.last_failure_at.zip(partner.health.last_failure).map(failure),
        href: format!("/queue?status=to-send&direction=out&partner={encoded}"),
        dead_href: format!("/dead-letters?partner={encoded}"),
        name,
    }
}

/// A participant of ours as a row.
struct ParticipantRow {
    name: String,
    own: bool,
    to_send: u64,
    to_send_since: Option<Moment>,
    to_take: u64,
    to_take_since: Option<Moment>,
    last_fetch: Option<Moment>,
    out_href: String,
    in_href: String,
}

#[derive(Template)]
#[template(path = "participants.html", config = ".config/askama.toml")]
pub(super) struct ParticipantsPage {
    rows: Vec<ParticipantRow>,
    hidden: usize,
    now: String,
    frame: Frame,
}

/// `GET /participants`.
pub(super) async fn participants(State(state): State<ConsoleState>, visit: Visit) -> Response {
    let participants = state.access_point.participants().await.map_err(Failure::from);
    or_failure(&visit, participants.map(|participants| page(&render_participants(participants, &visit))))
}

pub(super) fn render_participants(mut participants: Vec<ParticipantState>, visit: &Visit) -> ParticipantsPage {
    let wall = Wall::utc(visit.now, visit.lang());
    // What has waited longest comes first.
    participants.sort_by_key(|one| (one.to_take_since.is_none(), one.to_take_since, one.to_send_since));
    let row = |one: ParticipantState| {
        let name = one.participant.to_string();
        let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string();
        ParticipantRow {
            own: one.carriage == Carriage::Own,
            to_send: one.to_send,
            to_send_since: one.to_send_since.map(|at| wall.moment(at)),
            to_take: one.to_take,
            to_take_since: one.to_take_since.map(|at| wall.moment(at)),
            last_fetch: one.last_fetch_at.map(|at| wall.moment(at)),
            out_href: format!("/queue?status=to-send&direction=out&participant={encoded}"),
            in_href: format!("/queue?status=waiting-in&direction=in&participant={encoded}"),
            name,
        }
    };
    ParticipantsPage {
        hidden: participants.len().saturating_sub(STATES_SHOWN_MAX),
        rows: participants.into_iter().take(STATES_SHOWN_MAX).map(row).collect(),
        now: wall.now(),
        frame: visit.frame("participants"),
    }
}
