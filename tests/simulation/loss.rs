//! A journal that lost its end, with which an operator goes on, while the process stops between any two steps of that.

use crate::awaited::{keep, own};
use crate::chance::Chance;
use crate::disk::SimDisk;
use crate::node::{FOLDER, Process, SimClock};
use crate::random;
use sluss::model::{Direction, LogQuery, Message, Stage, Warrant};
use sluss::store::{Making, Store, StoreError};
use std::path::Path;
use std::sync::Arc;

/// Each is run once for each step that an acceptance takes; in a debug build for each fifth.
const SEEDS: u64 = 3;
const STRIDE: usize = if cfg!(debug_assertions) { 5 } else { 1 };

/// What became of an acceptance that was broken off.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    accepted: u64,
}

/// A store and what must be in it.
struct Lossy {
    disk: SimDisk,
    clock: Arc<SimClock>,
    chance: Chance,
    /// Messages, each with its record.
    kept: Vec<(u64, Message)>,
    /// Messages that were accepted after the loss was.
    after: Vec<Message>,
    /// The last record that is left, and the one that was known.
    left: (u64, u64),
}

fn accepting() -> Making {
    Making::Accepting(Warrant::new("kim (1000)", "there is no backup").unwrap())
}

/// The records that are left and that were known, where a start is refused for that.
fn refused(started: &Result<Process, StoreError>) -> Option<(u64, u64)> {
    match started {
        Err(StoreError::EndLost { last, known, .. }) => Some((*last, *known)),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    }
}

impl Lossy {
    /// A store that was filled and closed; then its journal lost its end.
    fn new(seed: u64) -> Self {
        random::name_by(seed);
        let mut chance = Chance::new(seed);
        let (disk, clock) = (SimDisk::new(chance.fork()), SimClock::new());
        let process = Process::start(&disk, &clock).unwrap();
        let mut kept = Vec::new();
        for _ in 0..4 + chance.below(20) {
            let message = own(&process, Direction::Out);
            keep(&process, &message);
            kept.push((process.store.last_record(), message));
        }
        drop(process);
        disk.lose_end(&Path::new(FOLDER).join("journal"), &mut chance);
        let disk = disk.reopened();
        let left = refused(&Process::start(&disk, &clock)).expect("the end is gone");
        assert!(left.0 < left.1 && left.1 == kept.last().unwrap().0, "{left:?}");
        Self { disk, clock, chance, kept, after: Vec::new(), left }
    }

    /// An operator accepts the loss, and the process stops after so many steps, if it takes as many. Another one starts without
    /// acceptance.
    fn broken_off(&mut self, steps: u64, tally: &mut Tally) -> bool {
        self.disk = self.disk.reopened();
        self.disk.stop_after(steps);
        drop(Process::start_making(&self.disk, &self.clock, accepting()));
        let stopped = self.disk.stopped();
        self.disk = self.disk.restart(self.chance.percent(50));
        let started = Process::start(&self.disk, &self.clock);
        match refused(&started) {
            Some(left) => {
                assert!(stopped, "it was accepted");
                assert_eq!(left, self.left, "nothing but the same is lost");
                tally.refused += 1;
            }
            None => {
                self.holds(&started.unwrap());
                tally.accepted += 1;
            }
        }
        stopped
    }

    /// What came before the loss is there, and after the acceptance; that has one record.
    fn holds(&self, process: &Process) {
        let there = |message: &Message| process.store.message(message.id).unwrap().is_some();
        for (record, message) in &self.kept {
            assert_eq!(there(message), *record <= self.left.0, "record {record} of {:?}", self.left);
        }
        for message in self.after.iter().chain(self.kept.iter().map(|(_, message)| message)).filter(|one| there(one)) {
            assert_eq!(process.payload(message.envelope.unwrap()).unwrap(), b"sealed");
        }
        assert!(self.after.iter().all(there));
        assert_eq!(process.store.last_record(), self.left.0 + 1 + self.after.len() as u64);
        let log = process.store.log(&LogQuery { stage: Some(Stage::Warned), ..LogQuery::default() }).unwrap();
        let accepted = log.events.iter().filter(|logged| logged.event.facts.contains_key("records_lost"));
        let facts: Vec<_> = accepted.map(|logged| logged.event.facts["records_lost"].as_str()).collect();
        assert_eq!(facts, [(self.left.1 - self.left.0).to_string()], "one record says so");
    }

    /// It is accepted, if it was not before, and messages come; then nothing is lost any more, and nobody accepts anything.
    fn goes_on(&mut self) {
        self.disk = self.disk.reopened();
        let process = Process::start_making(&self.disk, &self.clock, accepting()).unwrap();
        self.holds(&process);
        for _ in 0..1 + self.chance.below(self.kept.len()) {
            let message = own(&process, Direction::Out);
            keep(&process, &message);
            self.after.push(message);
        }
        drop(process);
        for power in [self.chance.percent(50), true, false] {
            self.disk = self.disk.restart(power);
            self.disk.stop_after(1 + self.chance.below(300) as u64);
            drop(Process::start(&self.disk, &self.clock));
            self.disk = self.disk.restart(power);
            let process = Process::start(&self.disk, &self.clock).unwrap();
            self.holds(&process);
            // It is killed, and does not close.
            self.disk = self.disk.restart(power);
        }
    }
}

#[test]
fn an_acceptance_that_stops_at_any_step_is_there_once_or_not_at_all_and_what_comes_after_it_stays() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        for steps in (1 + seed..).step_by(STRIDE) {
            let mut store = Lossy::new(seed);
            let stopped = store.broken_off(steps, &mut tally);
            let again = 1 + store.chance.below(300) as u64;
            store.broken_off(again, &mut tally);
            store.goes_on();
            if !stopped {
                break;
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.refused > 0 && tally.accepted > 0, "{tally:?}");
}
