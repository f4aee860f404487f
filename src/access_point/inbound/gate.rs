//! What those may cost who have not shown who they are: memory, look-ups, and rows of the event log.

use super::verifiers::Verifiers;
use crate::limits;
use crate::model::ParticipantId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How long refusals are counted before they are recorded, and the time of every allowance.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Where strangers wait until it is their turn.
#[derive(Debug)]
pub(in crate::access_point) struct Gate {
    /// Places for requests with a large SOAP part.
    pub(super) large: Semaphore,
    /// Places for those of them that go beyond what partners may send without a setting of theirs.
    pub(super) larger: Semaphore,
    /// Who parses and verifies.
    pub(super) verifiers: Verifiers,
    looking_up: Semaphore,
    lookups: Mutex<Lookups>,
    refusals: Mutex<Refusals>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            large: Semaphore::new(limits::SOAP_LARGE_AT_ONCE_MAX),
            larger: Semaphore::new(limits::SOAP_RELAXED_AT_ONCE_MAX),
            verifiers: Verifiers::default(),
            looking_up: Semaphore::new(limits::SIGNER_LOOKUPS_AT_ONCE_MAX),
            lookups: Mutex::default(),
            refusals: Mutex::default(),
        }
    }
}

impl Gate {
    /// Whether SMP may be asked, for somebody unproven, who this sender is.
    pub(super) fn may_look_up(&self, sender: &ParticipantId, now: Instant) -> Option<SemaphorePermit<'_>> {
        let place = self.looking_up.try_acquire().ok()?;
        lock(&self.lookups).may(sender, now).then_some(place)
    }

    /// Remembers that nobody was found for this sender.
    pub(super) fn not_found(&self, sender: ParticipantId, now: Instant) {
        lock(&self.lookups).not_found(sender, now);
    }

    /// Counts a refusal.
    pub(super) fn refused(&self, code: &'static str, now: Instant) -> Told {
        lock(&self.refusals).count(code, now)
    }

    /// The refusals that were only counted, by their codes; counting begins anew.
    pub(super) fn settle(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut lock(&self.refusals).counted)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many a minute.
#[derive(Debug, Default)]
struct Allowance {
    minute: Option<Instant>,
    used: u32,
}

impl Allowance {
    fn take(&mut self, of: u32, now: Instant) -> bool {
        if self.minute.is_none_or(|begun| now.duration_since(begun) >= MINUTE) {
            (self.minute, self.used) = (Some(now), 0);
        }
        self.used += u32::from(self.used < of.saturating_add(1));
        self.used <= of
    }
}

/// Look-ups for signers who only say the name of their key.
#[derive(Debug, Default)]
struct Lookups {
    allowance: Allowance,
    unknown: HashMap<ParticipantId, Instant>,
}

impl Lookups {
    fn may(&mut self, sender: &ParticipantId, now: Instant) -> bool {
        self.unknown.retain(|_, since| now.duration_since(*since) < limits::SIGNER_UNKNOWN_KEPT);
        !self.unknown.contains_key(sender) && self.allowance.take(limits::SIGNER_LOOKUPS_A_MINUTE, now)
    }

    /// No more are remembered than may be asked for in the time that they are.
    fn not_found(&mut self, sender: ParticipantId, now: Instant) {
        self.unknown.insert(sender, now);
    }
}

/// How a refusal is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    /// By an event of its own.
    Alone,
    /// Counted, the first since counting began: the count is to be recorded in a minute.
    First,
    /// Counted.
    Counted,
}

#[derive(Debug, Default)]
struct Refusals {
    allowance: Allowance,
    counted: BTreeMap<&'static str, u64>,
}

impl Refusals {
    fn count(&mut self, code: &'static str, now: Instant) -> Told {
        if self.allowance.take(limits::STRANGERS_RECORDED_A_MINUTE, now) {
            return Told::Alone;
        }
        let told = if self.counted.is_empty() { Told::First } else { Told::Counted };
        *self.counted.entry(code).or_default() += 1;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_beyond_the_allowance_are_counted_and_none_is_lost() {
        let (gate, now) = (Gate::default(), Instant::now());
        let alone = limits::STRANGERS_RECORDED_A_MINUTE as usize;
        let told: Vec<Told> = (0..alone + 3).map(|_| gate.refused("EBMS:0007", now)).collect();
        assert!(told[..alone].iter().all(|told| *told == Told::Alone));
        assert_eq!(told[alone..], [Told::First, Told::Counted, Told::Counted]);
        assert_eq!(gate.refused("EBMS:0009", now + MINUTE / 2), Told::Counted);
        assert_eq!(gate.refused("EBMS:0009", now + MINUTE), Told::Alone, "another minute");
        assert_eq!(gate.settle(), BTreeMap::from([("EBMS:0007", 3), ("EBMS:0009", 1)]));
        assert!(gate.settle().is_empty());
    }

    #[test]
    fn strangers_make_us_look_up_few_senders_and_none_again_at_once() {
        let (gate, now) = (Gate::default(), Instant::now());
        let sender = |n: u32| format!("0203:s{n}.example.se").parse::<ParticipantId>().unwrap();
        assert!(gate.may_look_up(&sender(0), now).is_some());
        gate.not_found(sender(0), now);
        assert!(gate.may_look_up(&sender(0), now).is_none());
        let asked = (1..100).filter(|n| gate.may_look_up(&sender(*n), now).is_some()).count();
        assert_eq!(asked, limits::SIGNER_LOOKUPS_A_MINUTE as usize - 1);
        let later = now + limits::SIGNER_UNKNOWN_KEPT;
        let places: Vec<_> = (0..10).filter_map(|n| gate.may_look_up(&sender(n), later)).collect();
        assert_eq!(places.len(), limits::SIGNER_LOOKUPS_AT_ONCE_MAX, "no more at once");
    }
}
