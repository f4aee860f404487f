//! How each lane fares: what operators see of partners, and how many messages a lane may have under way.

use super::retry::{after, part};
use super::{Condition, Router, SendError, Unhandled};
use crate::limits::LANE_STEPS_AT_ONCE_MAX;
use crate::model::{Cause, Direction, Lane, Message, Obstacle, ParticipantId, PartyId, Problem, Said, Timestamp};
use crate::store::{Admission, LaneLoad};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a partner that fails again and again is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Breaker {
    /// After so many failed attempts, one after the other.
    pub failures: u32,
    /// For so long at first; doubles each time.
    pub first_pause: Duration,
    /// For so long at most.
    pub longest_pause: Duration,
}

/// What became of the attempts of one lane since the start.
///
/// After some failures, or the first where it has not answered since the start, it is left alone (open) for a pause that grows. Then one message asks (half open): if that fails, the next
/// pause begins; if it succeeds, two may go at once, then four, then as many as ever.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Health {
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
    /// Until when it is left alone, by the clock that is never set; past: one message asks.
    pub open_until: Option<Timestamp>,
    /// Until when it asked to be left alone (Retry-After), by the same clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_until: Option<Timestamp>,
    /// When it began to fail, by the clock that is never set.
    #[serde(skip)]
    kept_waiting_since: Option<Timestamp>,
    /// Pauses since the last success.
    #[serde(skip)]
    pauses: u32,
    /// One message asks now: its failure is news, those of others under way before are not.
    #[serde(skip)]
    asking: bool,
    /// How many may go at once, while it comes back.
    #[serde(skip)]
    at_once: Option<usize>,
    /// Of ours: nobody else has to show first that it answers.
    #[serde(skip)]
    ours: bool,
}

/// One other access point, or the look-up of those not known yet, as it is now.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PartnerState {
    /// Its party id; `None`: messages whose access point has to be looked up first.
    pub partner: Option<PartyId>,
    /// How it fares.
    pub condition: Condition,
    /// What became of its attempts.
    #[serde(flatten)]
    pub health: Health,
    /// Messages under way.
    pub in_flight: usize,
    /// Messages that wait.
    pub waiting: usize,
    /// When the next one is due, or since when.
    pub due_since: Option<Timestamp>,
}

/// How what has come in for a participant fares that has to be looked up before it is delivered, while it cannot be.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DeliveryState {
    /// How it fares, as a partner.
    pub condition: Condition,
    /// What became of the look-ups.
    #[serde(flatten)]
    pub health: Health,
}

/// The health of every lane that had an attempt.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<BTreeMap<Lane, Health>>);

/// Not the same for all lanes.
fn seed(lane: &Lane) -> u64 {
    let mut hasher = DefaultHasher::new();
    lane.hash(&mut hasher);
    hasher.finish()
}

impl Breaker {
    /// That of a lane. Who has to be looked up are many, also those who send to one participant: they are not made to wait long for
    /// one that cannot be.
    fn of(&self, lane: &Lane) -> Self {
        match lane {
            Lane::Lookup | Lane::Inward(_) => Self { longest_pause: self.first_pause, ..*self },
            Lane::Partner(_) => *self,
        }
    }

    /// The pause number `pauses`; not the same for all, so that those that failed together are not asked together.
    fn pause(&self, pauses: u32, seed: u64) -> Duration {
        let doublings = pauses.saturating_sub(1).min(20);
        let pause = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        pause - part(pause / 4, seed.wrapping_add(pauses.into()))
    }
}

impl Health {
    /// Notes how an attempt ended: at `at` on the wall clock, at `steady` on the one that is never set.
    pub fn note(
        &mut self,
        result: Result<(), Problem>,
        (at, steady): (Timestamp, Timestamp),
        breaker: &Breaker,
        seed: u64,
    ) {
        let Err(problem) = result else {
            let comes_back = self.open_until.is_some() || self.last_success_at.is_none();
            let next = if comes_back { Some(2) } else { self.at_once.map(|most| most * 2) };
            // What it said to one message holds, whatever others that were under way met.
            let asked_until = self.asked_until.filter(|until| *until > steady);
            *self = Self {
                open_until: asked_until,
                asked_until,
                kept_waiting_since: self.kept_waiting_since.filter(|_| asked_until.is_some()),
                last_success_at: Some(at),
                last_failure_at: self.last_failure_at,
                last_failure: self.last_failure.take(),
                at_once: next.filter(|most| *most < LANE_STEPS_AT_ONCE_MAX),
                ..Self::default()
            };
            return;
        };
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(at);
        self.kept_waiting_since.get_or_insert(steady);
        (self.last_failure_at, self.last_failure) = (Some(at), Some(problem));
        // Whoever has never answered gets one try, so that many of them do not keep those waiting that do.
        let enough = if self.ours || self.last_success_at.is_some() { breaker.failures } else { 1 };
        if self.failures >= enough && (self.asking || self.open_until.is_none()) {
            self.pauses = self.pauses.saturating_add(1);
            self.open_until = Some(after(steady, breaker.pause(self.pauses, seed)));
            self.asking = false;
        }
    }

    /// It asked not to be tried before then. What it was left alone for by itself stays.
    fn leave(&mut self, until: Timestamp) {
        self.asked_until = self.asked_until.max(Some(until));
        self.open_until = self.open_until.max(Some(until));
        self.asking = false;
    }

    /// Whether it failed so often that it is left alone, or asked by one message.
    pub fn is_suspect(&self) -> bool {
        self.open_until.is_some()
    }

    /// How it fares at `steady`.
    pub fn condition(&self, steady: Timestamp) -> Condition {
        match self.open_until {
            Some(until) if until > steady => Condition::Open,
            Some(_) => Condition::Probing,
            None if self.failures > 0 => Condition::Failing,
            None => Condition::Healthy,
        }
    }

    /// Whether it has not answered since the start, or since it failed: who is asked may keep us waiting.
    pub fn is_unproven(&self) -> bool {
        self.failures > 0 || self.last_success_at.is_none()
    }

    /// Whether one more message may be attempted at `steady` beside those in flight.
    pub fn admit(&mut self, in_flight: usize, steady: Timestamp) -> Admission {
        match self.open_until {
            // Whoever has never answered is asked by one message.
            None if self.last_success_at.is_none() && in_flight > 0 => Admission::Full,
            Some(until) if until > steady => Admission::Later(until),
            // What is still under way from before has to end first, so that it is known whose failure is whose.
            Some(_) if in_flight > 0 => Admission::Full,
            Some(_) => {
                self.asking = true;
                Admission::Attempt
            }
            None if in_flight < self.at_once.unwrap_or(LANE_STEPS_AT_ONCE_MAX) => Admission::Attempt,
            None => Admission::Full,
        }
    }
}

impl Lanes {
    /// As they are at a start. Who did not answer when asked last before it is left alone for a first pause, and then asked by one
    /// message, so that those who do answer need not wait until it is found out again; who asked to be left alone until a time is left
    /// alone until then.
    pub(super) fn beside(said: &BTreeMap<Lane, Said>, (at, steady): (Timestamp, Timestamp), breaker: &Breaker) -> Self {
        let health = |(lane, said): (&Lane, &Said)| {
            let asked_until = if let Said::NotBefore(until) = said { Some(*until) } else { None };
            let open_until = asked_until.unwrap_or_else(|| after(steady, breaker.of(lane).pause(1, seed(lane))));
            let health = Health {
                failures: 1,
                failing_since: Some(at),
                kept_waiting_since: Some(steady),
                open_until: Some(open_until),
                asked_until,
                pauses: u32::from(asked_until.is_none()),
                ..Health::default()
            };
            (lane.clone(), health)
        };
        Self(Mutex::new(said.iter().map(health).collect()))
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Lane, Health>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(&self, lane: &Lane, in_flight: usize, steady: Timestamp) -> Admission {
        match (self.lanes().get_mut(lane), lane) {
            (Some(health), _) => health.admit(in_flight, steady),
            // Nobody else has to answer.
            (None, Lane::Inward(_)) if in_flight < LANE_STEPS_AT_ONCE_MAX => Admission::Attempt,
            (None, Lane::Inward(_)) => Admission::Full,
            (None, _) => Health::default().admit(in_flight, steady),
        }
    }

    /// Whether whoever is asked in this lane may keep us waiting.
    pub(super) fn is_unproven(&self, lane: &Lane) -> bool {
        self.lanes().get(lane).map_or(!matches!(lane, Lane::Inward(_)), Health::is_unproven)
    }

    /// Notes how an attempt in a lane ended, and says until when the lane is left alone.
    pub(super) fn note(
        &self,
        lane: Lane,
        failure: Option<&SendError>,
        now: (Timestamp, Timestamp),
        breaker: &Breaker,
    ) -> Option<Timestamp> {
        let unreachable = match failure {
            None => None,
            Some(error) => match error.cause() {
                // Ours, and of the message: they say nothing of others.
                Cause::Own | Cause::Damaged | Cause::Sending | Cause::Pack => return None,
                Cause::DnsUnreachable | Cause::SmpUnreachable => Some(error.problem()),
                _ if matches!(error, SendError::Net(_)) => Some(error.problem()),
                // Whoever refuses is there.
                _ => None,
            },
        };
        let (breaker, seed) = (breaker.of(&lane), seed(&lane));
        let mut lanes = self.lanes();
        let health = lanes.entry(lane).or_default();
        health.note(unreachable.map_or(Ok(()), Err), now, &breaker, seed);
        health.open_until
    }

    /// Whoever is asked in this lane wants to be left alone until then; gives until when that is so, by whatever it met.
    pub(super) fn leave(&self, lane: &Lane, until: Timestamp) -> Option<Timestamp> {
        let mut lanes = self.lanes();
        let health = lanes.entry(lane.clone()).or_default();
        health.leave(until);
        health.open_until
    }

    /// Notes how a look at what came in ended, in the lane of its participant. Who cannot be looked up keeps the others from being
    /// tried one by one; a fault of our own is no reason to wait for anybody.
    pub(super) fn looked(
        &self,
        lane: &Lane,
        unhandled: Option<&Unhandled>,
        now: (Timestamp, Timestamp),
        breaker: &Breaker,
    ) {
        let mut lanes = self.lanes();
        match unhandled {
            None => drop(lanes.remove(lane)),
            Some(Unhandled { by: Obstacle::Lookup, problem }) => {
                let health = lanes.entry(lane.clone()).or_insert_with(|| Health { ours: true, ..Health::default() });
                health.note(Err(problem.clone()), now, &breaker.of(lane), seed(lane));
            }
            Some(_) => {}
        }
    }

    /// Since when a lane has kept everybody waiting, by the clock that is never set.
    pub(super) fn kept_waiting_since(&self, lane: &Lane) -> Option<Timestamp> {
        self.lanes().get(lane)?.kept_waiting_since
    }

    /// Whether a lane is left alone, or asked by one message.
    pub(super) fn is_suspect(&self, lane: &Lane) -> bool {
        self.lanes().get(lane).is_some_and(Health::is_suspect)
    }

    /// Somebody wants to know now whether a lane that is left alone is back: one message asks.
    fn ask(&self, lane: &Lane, steady: Timestamp) {
        if let Some(health) = self.lanes().get_mut(lane) {
            health.asked_until = None;
            health.open_until = health.open_until.map(|until| steady.min(until));
        }
    }

    /// The lanes that are left alone, or asked by one message, each with its last failure.
    pub(super) fn suspects(&self) -> BTreeMap<Lane, Option<Problem>> {
        let lanes = self.lanes();
        let suspects = lanes.iter().filter(|(_, health)| health.is_suspect());
        suspects.map(|(lane, health)| (lane.clone(), health.last_failure.clone())).collect()
    }

    /// Those inwards that fail.
    fn inward(&self, steady: Timestamp) -> BTreeMap<ParticipantId, DeliveryState> {
        let inward = |(lane, health): (&Lane, &Health)| match lane {
            Lane::Inward(participant) if health.failures > 0 => {
                let state = DeliveryState { condition: health.condition(steady), health: health.clone() };
                Some((participant.clone(), state))
            }
            _ => None,
        };
        self.lanes().iter().filter_map(inward).collect()
    }

    fn state(&self, loads: Vec<LaneLoad>, lane: Lane, steady: Timestamp) -> PartnerState {
        let health = self.lanes().get(&lane).cloned().unwrap_or_default();
        state(loads.into_iter().find(|load| load.lane == lane), lane, health, steady)
    }

    fn states(&self, loads: Vec<LaneLoad>, steady: Timestamp) -> Vec<PartnerState> {
        let mut known = self.lanes().clone();
        let mut loads: BTreeMap<Lane, LaneLoad> = loads.into_iter().map(|load| (load.lane.clone(), load)).collect();
        for lane in loads.keys() {
            known.entry(lane.clone()).or_default();
        }
        let partners = known.into_iter().filter(|(lane, health)| match lane {
            Lane::Partner(_) => true,
            // Those whose partner is not known yet are told as long as there are any, or they cannot be looked up.
            Lane::Inward(_) => false,
            Lane::Lookup => loads.contains_key(lane) || health.is_suspect(),
        });
        let partners: Vec<(Lane, Health)> = partners.collect();
        partners.into_iter().map(|(lane, health)| state(loads.remove(&lane), lane, health, steady)).collect()
    }
}

fn state(load: Option<LaneLoad>, lane: Lane, health: Health, steady: Timestamp) -> PartnerState {
    PartnerState {
        partner: if let Lane::Partner(party) = lane { Some(party) } else { None },
        condition: health.condition(steady),
        health,
        in_flight: load.as_ref().map_or(0, |load| load.in_flight),
        waiting: load.as_ref().map_or(0, |load| load.waiting),
        due_since: load.and_then(|load| load.due_since),
    }
}

impl Router {
    /// Every other access point that had an attempt since the start, or for which something waits.
    pub fn partners(&self) -> Vec<PartnerState> {
        let states = self.lanes.states(self.store.lanes(), self.steady());
        states.into_iter().map(|state| self.state_shown(state)).collect()
    }

    /// The participants for whom what has come in cannot be delivered, since a look-up fails.
    pub(super) fn deliveries(&self) -> BTreeMap<ParticipantId, DeliveryState> {
        let mut inward = self.lanes.inward(self.steady());
        inward
            .values_mut()
            .for_each(|state| state.health.open_until = state.health.open_until.map(|at| self.shown(at)));
        inward
    }

    /// Its times by the clock on the wall, for people.
    fn state_shown(&self, state: PartnerState) -> PartnerState {
        let shown = |at: Option<Timestamp>| at.map(|at| self.shown(at));
        let Health { open_until, asked_until, .. } = state.health;
        let health = Health { open_until: shown(open_until), asked_until: shown(asked_until), ..state.health };
        PartnerState { health, due_since: shown(state.due_since), ..state }
    }

    /// The other access point, or the look-up, for which a message waits; none where it waits for no attempt, or inwards.
    pub fn awaited(&self, message: &Message) -> Option<PartnerState> {
        let lane = self.store.lane_of(message.id).filter(|_| message.direction == Direction::Out)?;
        Some(self.in_lane(lane))
    }

    /// Has a lane asked at once that is left alone: the worker may have been told already to come later.
    pub(super) fn ask(&self, lane: &Lane) {
        self.lanes.ask(lane, self.steady());
        self.store.ask(lane);
        self.due.notify_one();
    }

    /// How a lane outwards fares.
    pub(super) fn in_lane(&self, lane: Lane) -> PartnerState {
        self.state_shown(self.lanes.state(self.store.lanes(), lane, self.steady()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fault;
    use std::collections::BTreeSet;

    const BREAKER: Breaker =
        Breaker { failures: 3, first_pause: Duration::from_secs(10), longest_pause: Duration::from_secs(60) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn fails(health: &mut Health, second: i64) {
        let problem = Problem::new(Fault::Temporary, "x", "x", "x");
        health.note(Err(problem), (at(second), at(second)), &BREAKER, 7);
    }

    fn succeeds(health: &mut Health, second: i64) {
        health.note(Ok(()), (at(second), at(second)), &BREAKER, 7);
    }

    #[test]
    fn who_fails_again_and_again_is_left_alone_then_asked_by_one_message_and_comes_back_by_steps() {
        let mut health = Health::default();
        assert_eq!((health.admit(0, at(0)), health.admit(1, at(0))), (Admission::Attempt, Admission::Full));
        (0..3).for_each(|_| succeeds(&mut health, 0));
        for second in 0..3 {
            assert_eq!(health.admit(LANE_STEPS_AT_ONCE_MAX - 1, at(second)), Admission::Attempt);
            fails(&mut health, second);
        }
        let until = health.open_until.unwrap();
        assert!(until > at(2 + 7) && until <= at(2 + 10), "{until}");
        assert_eq!(health.admit(0, at(3)), Admission::Later(until));
        assert_eq!((health.admit(0, until), health.admit(1, until)), (Admission::Attempt, Admission::Full));
        assert_eq!(health.failing_since, Some(at(0)));
        succeeds(&mut health, 20);
        assert_eq!((health.failures, health.failing_since, health.last_success_at), (0, None, Some(at(20))));
        for most in [2, 4, LANE_STEPS_AT_ONCE_MAX, LANE_STEPS_AT_ONCE_MAX] {
            assert_eq!(
                (health.admit(most - 1, at(21)), health.admit(most, at(21))),
                (Admission::Attempt, Admission::Full)
            );
            succeeds(&mut health, 21);
        }
    }

    #[test]
    fn who_asks_to_be_left_alone_is_until_then_whatever_others_under_way_meet_and_then_asked_by_one_message() {
        let mut health = Health::default();
        (0..3).for_each(|_| succeeds(&mut health, 0));
        fails(&mut health, 1);
        health.leave(at(100));
        health.leave(at(50));
        succeeds(&mut health, 2);
        assert_eq!(health.condition(at(2)), Condition::Open);
        assert_eq!(health.admit(0, at(99)), Admission::Later(at(100)));
        assert_eq!((health.admit(0, at(100)), health.admit(1, at(100))), (Admission::Attempt, Admission::Full));
        succeeds(&mut health, 101);
        assert_eq!((health.condition(at(101)), health.asked_until), (Condition::Healthy, None));
    }

    #[test]
    fn failures_of_attempts_under_way_together_are_one_pause() {
        let mut health = Health::default();
        (0..8).for_each(|_| fails(&mut health, 5));
        let until = health.open_until.unwrap();
        // One that was slow ends after the pause: nobody asks before, and its failure is no news.
        assert_eq!(health.admit(1, at(30)), Admission::Full);
        fails(&mut health, 30);
        assert_eq!((health.open_until, health.pauses), (Some(until), 1));
        assert_eq!(health.admit(0, at(30)), Admission::Attempt);
        fails(&mut health, 31);
        assert_eq!(health.pauses, 2);
        assert!(health.open_until.unwrap() > at(31 + 14), "twice as long");
    }

    #[test]
    fn pauses_grow_to_their_bound_and_differ_between_partners() {
        for pauses in 1..40 {
            let whole = Duration::from_secs(10 << (pauses - 1).min(5)).min(BREAKER.longest_pause);
            let pause = BREAKER.pause(pauses, 3);
            assert!(pause <= whole && pause * 4 >= whole * 3, "{pauses}: {pause:?}");
        }
        let some: BTreeSet<Duration> = (0..100).map(|seed| BREAKER.pause(9, seed)).collect();
        assert!(some.len() > 80, "{}", some.len());
    }

    /// AP-3.2.3: it may be one sender of many that cannot be looked up, so the others do not wait ever longer.
    #[test]
    fn a_participant_whose_look_ups_fail_is_left_alone_for_short_pauses_and_is_shown_until_one_succeeds() {
        let (lanes, alice) = (Lanes::default(), "0203:alice.example.se".parse::<ParticipantId>().unwrap());
        let lane = Lane::Inward(alice.clone());
        let unhandled = |by| Unhandled { by, problem: Problem::new(Fault::Temporary, "smp-unreachable", "x", "y") };
        let look = |by: Option<Obstacle>, second: i64| {
            let unhandled = by.map(unhandled);
            lanes.looked(&lane, unhandled.as_ref(), (at(second), at(second)), &BREAKER);
            lanes.inward(at(second)).remove(&alice)
        };
        assert!(look(Some(Obstacle::Own), 0).is_none(), "a disk is nobody's");
        let failing = look(Some(Obstacle::Lookup), 0).unwrap();
        assert_eq!((failing.condition, failing.health.failures), (Condition::Failing, 1));
        let (mut second, mut pauses) = (0, Vec::new());
        look(Some(Obstacle::Lookup), second);
        for _ in 0..6 {
            let state = look(Some(Obstacle::Lookup), second).unwrap();
            assert_eq!(state.condition, Condition::Open);
            let until = state.health.open_until.unwrap();
            pauses.push(until.duration_since(at(second)).as_secs());
            second = until.as_second() - at(0).as_second() + 1;
            assert_eq!(lanes.admit(&lane, 0, at(second)), Admission::Attempt);
        }
        assert!(pauses.iter().all(|pause| (5..=10).contains(pause)), "{pauses:?}");
        assert!(look(None, second).is_none(), "all is well again");
    }

    #[test]
    fn whoever_refuses_is_there_and_one_that_cannot_be_looked_up_keeps_nobody_waiting_long() {
        let lanes = Lanes::default();
        let now = (at(0), at(0));
        let refused = SendError::Answer(crate::as4::ReceiptError::Missing);
        let down = || SendError::Net(crate::net::NetError::Connect { host: "x".into(), reason: String::new() });
        let lane = || Lane::Partner("AP0001-DEMO".parse().unwrap());
        for _ in 0..9 {
            assert_eq!(lanes.note(lane(), Some(&refused), now, &BREAKER), None);
        }
        let own = SendError::Own(Problem::new(Fault::Temporary, "store", "x", "y"));
        assert_eq!(lanes.note(lane(), Some(&down()), now, &BREAKER), None);
        assert_eq!(lanes.note(lane(), Some(&own), now, &BREAKER), None);
        assert_eq!(lanes.note(lane(), Some(&down()), now, &BREAKER), None);
        let until = lanes.note(lane(), Some(&down()), now, &BREAKER).unwrap();
        assert_eq!(lanes.admit(&lane(), 0, at(1)), Admission::Later(until));
        let new = Lane::Partner("AP0002-DEMO".parse().unwrap());
        assert!(lanes.is_unproven(&new) && lanes.is_unproven(&lane()));
        assert_eq!((lanes.admit(&new, 0, at(1)), lanes.admit(&new, 1, at(1))), (Admission::Attempt, Admission::Full));
        lanes.note(new.clone(), None, now, &BREAKER);
        assert!(!lanes.is_unproven(&new));
        assert_eq!((lanes.admit(&new, 1, at(1)), lanes.admit(&new, 2, at(1))), (Admission::Attempt, Admission::Full));
        let inward = Lane::Inward("0203:a.example.se".parse().unwrap());
        assert!(!lanes.is_unproven(&inward));
        assert_eq!(lanes.admit(&inward, LANE_STEPS_AT_ONCE_MAX - 1, at(1)), Admission::Attempt);
        assert!(lanes.suspects()[&lane()].as_ref().unwrap().cause().contains("unreachable"));
        let smp = || SendError::Discovery(crate::discovery::DiscoveryError::unreachable("x", "y"));
        for second in 0..9 {
            let second = second * 20;
            lanes.admit(&Lane::Lookup, 0, at(second));
            let until = lanes.note(Lane::Lookup, Some(&smp()), (at(second), at(second)), &BREAKER);
            assert!(until.is_none_or(|until| until <= at(second + 10)), "{until:?}");
        }
    }
}
