//! One message: where it is, everything that happened to it, and what may be done to it.

use super::ConsoleState;
use super::events::EventView;
use super::form::OwnForm;
use super::frame::{Failure, Frame, Visit, not_found, or_failure, page};
use super::problems::{ProblemView, title};
use super::view::{ConditionView, MessageRow, Moment, Wall, size};
use crate::access_point::{Action, Condition, PartnerState};
use crate::accounts::Permission;
use crate::model::{Carriage, Event, Message, Warrant};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

/// Why a message waits beyond its own next attempt: the breaker of its partner.
struct Wait {
    said: &'static str,
    partner: String,
    until: Option<Moment>,
    why: Option<String>,
}

impl Wait {
    /// None where it is attempted as soon as it is due, or just now.
    fn new(message: &Message, awaited: &PartnerState, visit: &Visit, wall: &Wall) -> Option<Self> {
        if awaited.condition.is_closed() || message.lease_until.is_some() {
            return None;
        }
        let t = visit.text();
        Some(Self {
            said: if awaited.condition == Condition::Open { t.waits_open } else { t.waits_probing },
            partner: awaited.partner.as_ref().map(ToString::to_string).unwrap_or_default(),
            until: ConditionView::new(awaited, wall).until,
            why: awaited.health.last_failure.as_ref().map(|problem| title(problem, visit.lang())),
        })
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
    wait: Option<Wait>,
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
    let awaited = state.access_point.awaited(&message);
    Ok(page(&render_message(&message, awaited.as_ref(), &journey, visit)))
}

pub(super) fn render_message(
    message: &Message,
    awaited: Option<&PartnerState>,
    journey: &[Event],
    visit: &Visit,
) -> MessagePage {
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
        wait: awaited.and_then(|awaited| Wait::new(message, awaited, visit, &wall)),
        actions: Action::ALL
            .into_iter()
            .filter(|action| visit.may(Permission::Operate) && action.is_open_to(message))
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
    reason: String,
    action: String,
}

/// `POST /messages/{id}`: what an operator does to it.
pub(super) async fn act(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path(id): Path<String>,
    OwnForm(order): OwnForm<Order>,
) -> Response {
    or_failure(&visit, acted(&state, &visit, &id, &order).await)
}

async fn acted(state: &ConsoleState, visit: &Visit, id: &str, order: &Order) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| not_found(visit))?;
    let action: Action = order.action.parse().map_err(|_| not_found(visit))?;
    let warrant = Warrant::new(visit.actor_name(), &order.reason)?;
    state.access_point.act(id, action, warrant).await?;
    Ok(Redirect::to(&format!("/messages/{id}")).into_response())
}
