//! How partners and participants stand, in the words of operators.

use super::{PartnerState, Router};
use crate::model::{Axis, Carriage, Direction, ParticipantId, Problem, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
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

/// Work for one participant of ours, as it is now.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ParticipantState {
    /// Which.
    pub participant: ParticipantId,
    /// Whether its message service is in this process.
    pub carriage: Carriage,
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
    /// Every participant of ours, with what waits to be sent for it and to be taken by it.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn participants(self: &Arc<Self>) -> Result<Vec<ParticipantState>, Problem> {
        let depths = self.depths(Axis::Participant).await?;
        let mut depths: HashMap<(bool, String), (u64, Option<Timestamp>)> = depths
            .into_iter()
            .map(|depth| {
                ((depth.direction == Direction::Out, depth.name.to_lowercase()), (depth.messages, depth.oldest))
            })
            .collect();
        let visits = self.visits.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut waits =
            |out, participant: &ParticipantId| depths.remove(&(out, participant.folded())).unwrap_or_default();
        let settings = self.settings();
        let states = settings.participants.iter().map(|(participant, served)| {
            let (to_send, to_send_since) = waits(true, participant);
            let (to_take, to_take_since) = waits(false, participant);
            ParticipantState {
                participant: participant.clone(),
                carriage: served.carriage,
                to_send,
                to_send_since,
                to_take,
                to_take_since,
                last_fetch_at: visits.get(participant).copied(),
            }
        });
        Ok(states.collect())
    }
}
