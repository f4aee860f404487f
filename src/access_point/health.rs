//! How each lane fares: what operators see of partners, and how many messages a lane may have under way.

use super::{Router, SendError};
use crate::limits::{LANE_FAILURES_SUSPECT, LANE_STEPS_AT_ONCE_MAX};
use crate::model::{Lane, PartyId, Problem, Timestamp};
use crate::store::{Admission, LaneLoad};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What became of the attempts of one lane since the start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Failed attempts since the last that succeeded.
    pub failures: u32,
    /// When it began to fail.
    pub failing_since: Option<Timestamp>,
    /// The last attempt that succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The last that failed, and why.
    pub last_failure: Option<(Timestamp, Problem)>,
}

/// One other access point, or the look-up of those not known yet, as it is now.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PartnerState {
    /// Its party id; `None`: messages whose access point has to be looked up first.
    pub partner: Option<PartyId>,
    /// Whether so many attempts failed that only one is made at a time.
    pub suspect: bool,
    /// Failed attempts since the last that succeeded.
    pub failures: u32,
    /// When it began to fail.
    pub failing_since: Option<Timestamp>,
    /// The last attempt that succeeded since the start.
    pub last_success_at: Option<Timestamp>,
    /// The last attempt that failed since the start.
    pub last_failure_at: Option<Timestamp>,
    /// Why it failed.
    pub last_failure: Option<Problem>,
    /// Messages under way.
    pub in_flight: usize,
    /// Messages that wait.
    pub waiting: usize,
    /// When the next one is due, or since when.
    pub due_since: Option<Timestamp>,
}

/// The health of every lane that had an attempt.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<BTreeMap<Lane, Health>>);

impl Health {
    /// The health after an attempt that ended so.
    #[must_use]
    pub fn after(self, result: Result<(), Problem>, at: Timestamp) -> Self {
        match result {
            Ok(()) => Self { failures: 0, failing_since: None, last_success_at: Some(at), ..self },
            Err(problem) => Self {
                failures: self.failures.saturating_add(1),
                failing_since: self.failing_since.or(Some(at)),
                last_failure: Some((at, problem)),
                ..self
            },
        }
    }

    /// Whether only one attempt is made at a time, to see whether it is back.
    pub fn is_suspect(&self) -> bool {
        self.failures >= LANE_FAILURES_SUSPECT
    }

    /// Whether one more message may be attempted beside those in flight.
    pub fn admit(&self, in_flight: usize) -> Admission {
        let most = if self.is_suspect() { 1 } else { LANE_STEPS_AT_ONCE_MAX };
        if in_flight < most { Admission::Attempt } else { Admission::Full }
    }
}

impl Lanes {
    pub(super) fn admit(&self, lane: &Lane, in_flight: usize) -> Admission {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(lane).map_or_else(|| Health::default().admit(in_flight), |health| health.admit(in_flight))
    }

    /// Notes how an attempt to a partner ended. What failed on our side, and what the partner refused, says that it is there.
    pub(super) fn note(&self, partner: Option<&PartyId>, failure: Option<&SendError>, at: Timestamp) {
        let lane = partner.map_or(Lane::Lookup, |party| Lane::Partner(party.clone()));
        let result = match failure {
            Some(error @ (SendError::Net(_) | SendError::Discovery(_))) => Err(error.problem()),
            Some(SendError::Own(_) | SendError::Pack(_)) => return,
            Some(SendError::Answer(_)) | None => Ok(()),
        };
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let health = lanes.remove(&lane).unwrap_or_default().after(result, at);
        lanes.insert(lane, health);
    }

    fn states(&self, loads: Vec<LaneLoad>) -> Vec<PartnerState> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut loads: BTreeMap<Lane, LaneLoad> = loads.into_iter().map(|load| (load.lane.clone(), load)).collect();
        for lane in loads.keys() {
            known.entry(lane.clone()).or_default();
        }
        let partners = known.into_iter().filter(|(lane, _)| !matches!(lane, Lane::Inward(_)));
        partners.map(|(lane, health)| state(loads.remove(&lane), lane, health)).collect()
    }
}

fn state(load: Option<LaneLoad>, lane: Lane, health: Health) -> PartnerState {
    let suspect = health.is_suspect();
    let (last_failure_at, last_failure) = health.last_failure.unzip();
    PartnerState {
        partner: if let Lane::Partner(party) = lane { Some(party) } else { None },
        suspect,
        failures: health.failures,
        failing_since: health.failing_since,
        last_success_at: health.last_success_at,
        last_failure_at,
        last_failure,
        in_flight: load.as_ref().map_or(0, |load| load.in_flight),
        waiting: load.as_ref().map_or(0, |load| load.waiting),
        due_since: load.and_then(|load| load.due_since),
    }
}

impl Router {
    /// Every other access point that had an attempt since the start, or for which something waits.
    pub fn partners(&self) -> Vec<PartnerState> {
        self.lanes.states(self.store.lanes())
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Health, LANE_FAILURES_SUSPECT, LANE_STEPS_AT_ONCE_MAX};
    use crate::model::{Fault, Problem, Timestamp};

    #[test]
    fn who_fails_again_and_again_gets_one_attempt_at_a_time_until_one_succeeds() {
        let at = |second: u32| Timestamp::from_second(second.into()).unwrap();
        let mut health = Health::default();
        for n in 0..LANE_FAILURES_SUSPECT {
            assert!(!health.is_suspect());
            health = health.after(Err(Problem::new(Fault::Temporary, "x", "x", "x")), at(n));
        }
        assert_eq!((health.admit(0), health.admit(1)), (Admission::Attempt, Admission::Full));
        assert_eq!(health.failing_since, Some(at(0)));
        health = health.after(Ok(()), at(9));
        assert_eq!((health.failures, health.failing_since, health.last_success_at), (0, None, Some(at(9))));
        assert_eq!(health.admit(LANE_STEPS_AT_ONCE_MAX - 1), Admission::Attempt);
        assert_eq!(health.admit(LANE_STEPS_AT_ONCE_MAX), Admission::Full);
    }
}
