//! Clocks that are wrong for a while: what waits neither stalls nor ends for it, and nothing is destroyed for it.

use crate::{insert, settle, with_envelope};
use sluss::app::upkeep;
use sluss::config;
use sluss::model::{Change, Clock, Message, Outcome, Timestamp};
use sluss::store::keys::Engine;
use sluss::store::{EmbeddedStore, Settlement, Store};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const SOON: i64 = 60;

/// A machine: what its wall clock shows, in seconds beside the true time, and what truly passed.
#[derive(Debug, Default)]
struct Machine {
    passed: AtomicI64,
    wrong_by: AtomicI64,
}

impl Machine {
    fn pass(&self, seconds: i64) {
        self.passed.fetch_add(seconds, Ordering::Relaxed);
    }

    fn set_wrong_by(&self, seconds: i64) {
        self.wrong_by.store(seconds, Ordering::Relaxed);
    }

    fn wall(&self) -> Timestamp {
        at(self.passed.load(Ordering::Relaxed) + self.wrong_by.load(Ordering::Relaxed))
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// The clock of one process.
#[derive(Debug)]
struct ProcessClock(Arc<Machine>, Mutex<(Timestamp, i64)>);

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        self.0.wall()
    }

    fn steady(&self) -> Timestamp {
        let (begun, passed) = *self.1.lock().unwrap();
        let ran = self.0.passed.load(Ordering::Relaxed) - passed;
        begun + jiff::SignedDuration::from_secs(ran)
    }

    fn resume(&self, steady: Timestamp) {
        *self.1.lock().unwrap() = (steady, self.0.passed.load(Ordering::Relaxed));
    }
}

fn process(machine: &Arc<Machine>) -> Arc<dyn Clock> {
    let begun = (machine.wall(), machine.passed.load(Ordering::Relaxed));
    Arc::new(ProcessClock(Arc::clone(machine), Mutex::new(begun)))
}

fn open(folder: &Path, clock: &Arc<dyn Clock>) -> EmbeddedStore {
    EmbeddedStore::open(folder, upkeep::chain_hash, Arc::clone(clock)).unwrap().0
}

/// A message that is tried again an hour from now.
fn waiting(store: &EmbeddedStore, clock: &Arc<dyn Clock>) -> Message {
    let steady = clock.steady();
    let next = Some(steady + Duration::from_secs(3600));
    let message = Message {
        begun_at: Some(steady),
        next_attempt_at: next,
        created_at: clock.now(),
        ..with_envelope(payload(store))
    };
    store.commit(insert(&message)).unwrap();
    message
}

fn payload(store: &EmbeddedStore) -> sluss::model::BlobId {
    let mut writer = store.blobs().create(None).unwrap();
    writer.write_all(b"sealed").unwrap();
    writer.commit().unwrap()
}

#[test]
fn what_waits_is_due_soon_after_a_start_whatever_the_clock_was_before() {
    for (before, after) in [(2 * DAY, 0), (0, -20 * 365 * DAY), (-HOUR, 0), (0, 0)] {
        let (folder, machine) = (tempfile::tempdir().unwrap(), Arc::new(Machine::default()));
        machine.set_wrong_by(before);
        let clock = process(&machine);
        let store = open(folder.path(), &clock);
        let message = waiting(&store, &clock);
        drop(store);
        machine.set_wrong_by(after);
        let clock = process(&machine);
        let store = open(folder.path(), &clock);
        let due = store.message(message.id).unwrap().unwrap().next_attempt_at.unwrap();
        assert!(due <= clock.steady() + Duration::from_secs(60), "{before} {after}: {due}");
        assert!(clock.shown(due) <= machine.wall() + Duration::from_secs(60), "{before} {after}: as people see it");
        machine.pass(SOON);
        let claimed = store.claim(clock.steady(), Duration::from_secs(60)).unwrap();
        assert_eq!(claimed.map(|claimed| claimed.id), Some(message.id), "{before} {after}");
    }
}

#[test]
fn the_steady_clock_goes_on_where_it_stopped_however_long_nothing_ran_and_whatever_the_clock_shows() {
    for wrong in [-HOUR, 0, 2 * DAY] {
        let (folder, machine) = (tempfile::tempdir().unwrap(), Arc::new(Machine::default()));
        machine.set_wrong_by(wrong);
        let clock = process(&machine);
        let store = open(folder.path(), &clock);
        let message = waiting(&store, &clock);
        machine.pass(40);
        waiting(&store, &clock);
        drop(store);
        machine.pass(3 * DAY);
        machine.set_wrong_by(0);
        let clock = process(&machine);
        let store = open(folder.path(), &clock);
        let tried = clock.steady().duration_since(store.message(message.id).unwrap().unwrap().tried_since());
        assert_eq!(tried.as_secs(), 40, "{wrong}: neither the time that nothing ran nor the clock counts");
    }
}

/// A store with one message that ended now, as a command of an operator sees it.
fn ended(folder: &Path, machine: &Arc<Machine>) -> Message {
    let clock = process(machine);
    let store = open(folder, &clock);
    let message = waiting(&store, &clock);
    let changes = vec![Change::Due(None)];
    let cancel = Settlement { id: message.id, claim: None, release: false, outcome: Some(Outcome::Cancel), changes };
    store.commit(settle(cancel)).unwrap();
    message
}

/// How many messages lose their contents when everything older than thirty days goes.
fn purged(folder: &Path, machine: &Arc<Machine>, clock_is_right: bool) -> usize {
    let kept: config::Retention = toml::from_str("contents_days = 30").unwrap();
    upkeep::purge(folder, Engine::default(), &kept, &process(machine), clock_is_right).unwrap().contents
}

#[test]
fn nothing_goes_because_a_clock_was_far_ahead_once() {
    let (folder, machine) = (tempfile::tempdir().unwrap(), Arc::new(Machine::default()));
    ended(folder.path(), &machine);
    machine.set_wrong_by(400 * DAY);
    assert_eq!(purged(folder.path(), &machine, false), 0);
    // Records of that time make it no truer, nor does another start, or an index that is built anew.
    let message = ended(folder.path(), &machine);
    assert_eq!(purged(folder.path(), &machine, false), 0);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    assert_eq!(purged(folder.path(), &machine, false), 0);
    machine.set_wrong_by(0);
    assert_eq!(purged(folder.path(), &machine, false), 0);
    let store = open(folder.path(), &process(&machine));
    assert!(store.message(message.id).unwrap().unwrap().envelope.is_some());
}

#[test]
fn what_is_old_goes_when_the_days_pass_or_somebody_says_that_they_have() {
    let (folder, machine) = (tempfile::tempdir().unwrap(), Arc::new(Machine::default()));
    ended(folder.path(), &machine);
    // A daemon runs, and every day something happens.
    for _ in 0..31 {
        machine.pass(DAY);
        ended(folder.path(), &machine);
    }
    assert_eq!(purged(folder.path(), &machine, false), 1);
    // A machine that was off for a year.
    machine.pass(365 * DAY);
    assert_eq!(purged(folder.path(), &machine, false), 0);
    assert_eq!(purged(folder.path(), &machine, true), 31);
}
