//! How other access points fare, and what waits for our participants.

use super::ConsoleState;
use super::form::OwnForm;
use super::frame::{Failure, Frame, Visit, not_found, or_failure, page};
use super::problems::{remedy, title};
use super::view::{ConditionView, Moment, Wall};
use crate::access_point::{Condition, Health, ParticipantState, PartnerState};
use crate::accounts::Permission;
use crate::limits::STATES_SHOWN_MAX;
use crate::model::{Carriage, Warrant};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// Another access point as a row.
struct PartnerRow {
    name: String,
    condition: ConditionView,
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
    /// Those that are left alone, where the visitor may have them tried.
    open: Vec<String>,
    failing: usize,
    hidden: usize,
    now: String,
    frame: Frame,
}

/// `GET /partners`.
pub(super) async fn partners(State(state): State<ConsoleState>, visit: Visit) -> Response {
    page(&render_partners(state.access_point.partners(), &visit))
}

/// The form by which a partner is tried at once.
#[derive(Deserialize)]
pub(super) struct Trial {
    partner: String,
    reason: String,
}

/// `POST /partners`: tries one at once that is left alone.
pub(super) async fn try_partner(
    State(state): State<ConsoleState>,
    visit: Visit,
    OwnForm(trial): OwnForm<Trial>,
) -> Response {
    or_failure(&visit, tried(&state, &visit, &trial).await)
}

async fn tried(state: &ConsoleState, visit: &Visit, trial: &Trial) -> Result<Response, Failure> {
    let partner = trial.partner.parse().map_err(|_| not_found(visit))?;
    let warrant = Warrant::new(visit.actor_name(), &trial.reason)?;
    state.access_point.try_partner(partner, warrant).await?;
    Ok(Redirect::to("/partners").into_response())
}

pub(super) fn render_partners(mut partners: Vec<PartnerState>, visit: &Visit) -> PartnersPage {
    partners.sort_by_cached_key(PartnerState::urgency);
    let wall = Wall::utc(visit.now, visit.lang());
    let open = partners.iter().filter(|partner| partner.condition == Condition::Open);
    let open = open.filter_map(|partner| partner.partner.as_ref().map(ToString::to_string));
    PartnersPage {
        open: if visit.may(Permission::Operate) { open.collect() } else { Vec::new() },
        failing: partners.iter().filter(|partner| partner.condition > Condition::Healthy).count(),
        hidden: partners.len().saturating_sub(STATES_SHOWN_MAX),
        rows: partners.into_iter().take(STATES_SHOWN_MAX).map(|partner| row(partner, visit, &wall)).collect(),
        now: wall.now(),
        frame: visit.frame("partners"),
    }
}

fn row(partner: PartnerState, visit: &Visit, wall: &Wall) -> PartnerRow {
    let moment = |at| wall.moment(at);
    let name = partner.partner.as_ref().map(ToString::to_string).unwrap_or_default();
    let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string();
    PartnerRow {
        condition: ConditionView::new(&partner, wall),
        failures: partner.health.failures,
        since: partner.health.failing_since.map(moment),
        waiting: partner.waiting,
        in_flight: partner.in_flight,
        success: partner.health.last_success_at.map(moment),
        failure: FailureOf::last(partner.health, visit, wall),
        href: format!("/queue?status=to-send&direction=out&partner={encoded}"),
        dead_href: format!("/dead-letters?partner={encoded}"),
        name,
    }
}

/// Why what has come in for a participant is not delivered.
struct DeliveryRow {
    condition: ConditionView,
    failures: u32,
    since: Option<Moment>,
    failure: Option<FailureOf>,
}

impl FailureOf {
    /// The last of those that this has met.
    fn last(health: Health, visit: &Visit, wall: &Wall) -> Option<Self> {
        let (at, problem) = health.last_failure_at.zip(health.last_failure)?;
        Some(Self {
            at: wall.moment(at),
            title: title(&problem, visit.lang()),
            cause: problem.cause().to_owned(),
            remedy: remedy(Some(&problem), visit.text()),
        })
    }
}

/// A participant of ours as a row.
struct ParticipantRow {
    name: String,
    carriage: &'static str,
    served: bool,
    own: bool,
    to_send: u64,
    to_send_since: Option<Moment>,
    to_take: u64,
    to_take_since: Option<Moment>,
    last_fetch: Option<Moment>,
    delivery: Option<DeliveryRow>,
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
    // What has waited longest comes first, and before it what nobody will ever take.
    participants
        .sort_by_key(|one| (one.carriage.is_some(), one.to_take_since.is_none(), one.to_take_since, one.to_send_since));
    let t = visit.text();
    let row = |one: ParticipantState| {
        let name = one.participant.to_string();
        let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC).to_string();
        ParticipantRow {
            carriage: match one.carriage {
                Some(Carriage::Own) => t.own,
                Some(Carriage::Carried) => t.carried,
                None => t.served_by_nobody,
            },
            served: one.carriage.is_some(),
            own: one.carriage == Some(Carriage::Own),
            to_send: one.to_send,
            to_send_since: one.to_send_since.map(|at| wall.moment(at)),
            to_take: one.to_take,
            to_take_since: one.to_take_since.map(|at| wall.moment(at)),
            last_fetch: one.last_fetch_at.map(|at| wall.moment(at)),
            delivery: one.delivery.map(|delivery| DeliveryRow {
                condition: ConditionView::inward(&delivery, &wall),
                failures: delivery.health.failures,
                since: delivery.health.failing_since.map(|at| wall.moment(at)),
                failure: FailureOf::last(delivery.health, visit, &wall),
            }),
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
