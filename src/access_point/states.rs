//! How partners and participants stand, in the words of operators.

use super::{DeliveryState, PartnerState, Router, blocking, store_problem};
use crate::model::{Axis, Carriage, Depth, Direction, ParticipantId, Problem, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How another access point fares: whether its breaker is closed (the first two), and what is sent to it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The last attempt succeeded, or none was made since the start.
    Healthy,
    /// Its last attempts failed; it is tried as before.
    Failing,
    /// So many failed that it was left alone; now one message asks whether it is back.
    Probing,
    /// So many failed that it is left alone for a while: nothing is sent to it.
    Open,
}

impl Condition {
    /// Whether its breaker is closed: messages go to it as they are due.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Healthy | Self::Failing)
    }
}

impl PartnerState {
    /// Sorts those that need a person before others: by their condition, then by what waits for them.
    pub fn urgency(&self) -> impl Ord + use<> {
        Reverse((self.condition, self.waiting, self.health.last_failure_at))
    }
}

/// Work for one participant, as it is now: one of ours, or one that nobody serves here though messages have come in for it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ParticipantState {
    /// Which.
    pub participant: ParticipantId,
    /// Whether its message service is in this process; none: it is not configured (any more), and nobody takes what came in for it.
    pub carriage: Option<Carriage>,
    /// Its messages that still have to be sent.
    pub to_send: u64,
    /// When the oldest of them was made.
    pub to_send_since: Option<Timestamp>,
    /// What has come in for it and is not at its end: where its message service is elsewhere, what it has not taken.
    pub to_take: u64,
    /// When the oldest of them came.
    pub to_take_since: Option<Timestamp>,
    /// When it last asked what waits, or took something, since the start.
    pub last_fetch_at: Option<Timestamp>,
    /// Why what has come in for it cannot be delivered, where a look-up fails; nothing where none does.
    pub delivery: Option<DeliveryState>,
}

/// When participants last came for their envelopes, since the start. Bounded by the participants served.
#[derive(Debug, Default)]
pub(super) struct Visits(Mutex<BTreeMap<ParticipantId, Timestamp>>);

impl Visits {
    pub(super) fn note(&self, participant: &ParticipantId, at: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(participant.clone(), at);
    }
}

impl Router {
    /// Every participant of ours, with what waits to be sent for it and to be taken by it, and those that nobody serves, for whom
    /// messages have come in.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn participants(self: &Arc<Self>) -> Result<Vec<ParticipantState>, Problem> {
        let router = Arc::clone(self);
        blocking(move || router.participant_states()).await
    }

    /// What has come in for participants that nobody serves here. Blocks.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub fn unserved(&self) -> Result<Vec<Depth>, Problem> {
        let settings = self.settings();
        let is_served =
            |name: &str| name.parse().is_ok_and(|id| settings.participants.contains_key::<ParticipantId>(&id));
        let asked = |direction, name: &str| direction == Direction::In && !is_served(name);
        self.store.depths_of(Axis::Participant, &asked).map_err(|error| store_problem(&error))
    }

    fn participant_states(&self) -> Result<Vec<ParticipantState>, Problem> {
        let depths = self.store.depths(Axis::Participant).map_err(|error| store_problem(&error))?;
        let deliveries = self.deliveries();
        let visits = self.visits.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let idle = |participant: &ParticipantId, carriage| ParticipantState {
            participant: participant.clone(),
            carriage,
            to_send: 0,
            to_send_since: None,
            to_take: 0,
            to_take_since: None,
            last_fetch_at: visits.get(participant).copied(),
            delivery: deliveries.get(participant).cloned(),
        };
        let settings = self.settings();
        let served = settings.participants.iter().map(|(id, served)| (id.clone(), idle(id, Some(served.carriage))));
        let mut states: BTreeMap<ParticipantId, ParticipantState> = served.collect();
        for Depth { direction, name, messages, oldest } in depths {
            let Ok(participant) = name.parse::<ParticipantId>() else { continue };
            if direction == Direction::In {
                let state = states.entry(participant).or_insert_with_key(|participant| idle(participant, None));
                (state.to_take, state.to_take_since) = (messages, oldest);
            } else if let Some(state) = states.get_mut(&participant) {
                (state.to_send, state.to_send_since) = (messages, oldest);
            }
        }
        Ok(states.into_values().collect())
    }
}
