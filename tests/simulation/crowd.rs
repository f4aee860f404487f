//! Many partners, half of them dead: the real store and the real decisions, with the worker's places and its room to wait.

use crate::disk::SimDisk;
use crate::node::{Process, ProcessClock, SimClock, message, packing};
use sluss::access_point::SendError;
use sluss::access_point::rehearse::{self, Sending};
use sluss::limits::{OVERDUE_LOOK, SLOW_STEPS_MAX, STEP_SLOW, STEPS_AT_ONCE_MAX};
use sluss::model::{As4ReceiptSummary, Message, Status, Timestamp};
use sluss::net::NetError;
use sluss::store::{Store, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a live partner takes, and how long it takes to know that nobody answers, in milliseconds.
const LIVE_MILLIS: i64 = 200;
const DEAD_MILLIS: i64 = 15_000;

/// What became of a crowd.
#[derive(Debug, Default)]
struct Crowd {
    /// Milliseconds until the first messages to all live partners were delivered, and who is dead was found out meanwhile.
    begin_millis: i64,
    /// Milliseconds for as many again.
    live_millis: i64,
    /// Milliseconds for as many again after a restart.
    restart_millis: i64,
    delivered: usize,
    given_up: usize,
    /// Attempts at dead partners until then.
    in_vain: usize,
    /// Claims, and what they took on this machine.
    claims: u32,
    claiming: Duration,
}

/// An attempt under way.
struct Flight {
    sending: Sending,
    begun: i64,
    ends: i64,
    waits: bool,
}

struct Run {
    disk: SimDisk,
    process: Process,
    clock: Arc<SimClock>,
    flights: BTreeMap<(i64, u64), Flight>,
    number: u64,
    crowd: Crowd,
}

fn is_dead(message: &Message) -> bool {
    message.partner.as_ref().is_some_and(|party| party.as_str().ends_with("DEAD"))
}

fn packed_for(partner: usize, dead: bool, clock: &ProcessClock) -> Message {
    let party = format!("AP{partner:05}-{}", if dead { "DEAD" } else { "LIVE" });
    let envelope = sluss::model::BlobId(Uuid::nil());
    Message {
        partner: Some(party.parse().unwrap()),
        envelope: None,
        as4_message_id: Some(format!("{}@crowd", crate::random::name()).parse().unwrap()),
        packed: Some(packing()),
        ..message(true, crate::random::name(), envelope, b"", clock)
    }
}

impl Run {
    /// `messages` for each of `partners`, every second of which may be dead.
    fn new(partners: usize, messages: usize, half_dead: bool) -> Self {
        let (disk, clock) = (SimDisk::new(crate::chance::Chance::new(1)), SimClock::new());
        let process = Process::start(&disk, &clock).unwrap();
        let run = Self { disk, process, clock, flights: BTreeMap::new(), number: 0, crowd: Crowd::default() };
        run.submit(partners, messages, half_dead);
        run
    }

    fn submit(&self, partners: usize, messages: usize, half_dead: bool) {
        for _ in 0..messages {
            let all: Vec<Message> = (0..partners)
                .filter(|partner| half_dead || partner % 2 == 0)
                .map(|partner| packed_for(partner, partner % 2 == 1, &self.process.clock))
                .collect();
            for inserts in all.chunks(200) {
                let transaction = Transaction { inserts: inserts.to_vec(), ..Transaction::default() };
                self.process.store.commit(transaction).unwrap();
            }
        }
    }

    fn restart(&mut self) {
        // What is under way ends with the process.
        self.flights.clear();
        self.disk = self.disk.restart(false);
        self.process = Process::start(&self.disk, &self.clock).unwrap();
    }

    fn millis(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    fn waiting(&self) -> usize {
        self.flights.values().filter(|flight| flight.waits).count()
    }

    /// Fills the places that are free.
    fn claim(&mut self) {
        loop {
            let waiting = self.waiting();
            if self.flights.len() - waiting >= STEPS_AT_ONCE_MAX {
                return;
            }
            let begun = Instant::now();
            let claimed = rehearse::claim_beside(&self.process.router, SLOW_STEPS_MAX - waiting).unwrap();
            self.crowd.claiming += begun.elapsed();
            self.crowd.claims += 1;
            let Some(claimed) = claimed else { return };
            let (now, dead) = (self.millis(), is_dead(&claimed.message));
            self.crowd.in_vain += usize::from(dead);
            self.number += 1;
            let ends = now + if dead { DEAD_MILLIS } else { LIVE_MILLIS };
            let sending = Sending::of(claimed.message);
            self.flights.insert((ends, self.number), Flight { sending, begun: now, ends, waits: claimed.asks });
        }
    }

    /// Lets time pass until something happens.
    fn pass(&mut self) {
        let (now, slow) = (self.millis(), i64::try_from(STEP_SLOW.as_millis()).unwrap());
        let ends = self.flights.values().map(|flight| flight.ends);
        let slows = self.flights.values().filter(|flight| !flight.waits).map(|flight| flight.begun + slow);
        let due = self.process.store.next_due().unwrap().map(Timestamp::as_millisecond);
        let look = now + i64::try_from(OVERDUE_LOOK.as_millis()).unwrap();
        let next =
            ends.chain(slows).chain(due.map(|due| due + 1)).filter(|at| *at > now).min().unwrap_or(look).min(look);
        self.clock.pass(next - now);
        let room = SLOW_STEPS_MAX - self.waiting();
        let slow = self.flights.values_mut().filter(|flight| !flight.waits && flight.begun + slow <= next);
        slow.take(room).for_each(|flight| flight.waits = true);
        let later = self.flights.split_off(&(next + 1, 0));
        let landed = std::mem::replace(&mut self.flights, later);
        landed.into_values().for_each(|flight| self.land(flight));
    }

    fn land(&mut self, flight: Flight) {
        let result = if is_dead(&flight.sending.message) {
            Err(SendError::Net(NetError::TimedOut { host: "dead".into(), seconds: Duration::from_secs(15) }))
        } else {
            self.crowd.delivered += 1;
            Ok(As4ReceiptSummary {
                signed_by: String::new(),
                certificate_sha256: String::new(),
                signature: String::new(),
                references_matched: true,
                sent_at: None,
                sent_until: None,
                soap: String::new(),
            })
        };
        rehearse::sent(&self.process.router, &flight.sending, result).unwrap();
    }

    /// Runs until all messages to live partners are there.
    fn deliver(&mut self, live: usize) -> i64 {
        let (begun, before) = (self.millis(), self.crowd.delivered);
        while self.crowd.delivered - before < live {
            self.claim();
            self.pass();
            assert!(self.millis() - begun < 4 * 60 * 60 * 1000, "{:?}", self.crowd);
        }
        self.millis() - begun
    }
}

/// The time for the live ones alone, and beside as many dead ones.
fn beside_dead(partners: usize, messages: usize) -> (Crowd, Crowd) {
    let live = partners.div_ceil(2) * messages;
    let run = |half_dead| {
        let mut run = Run::new(partners, messages, half_dead);
        run.crowd.begin_millis = run.deliver(live);
        run.submit(partners, messages, half_dead);
        run.crowd.live_millis = run.deliver(live);
        run.restart();
        run.submit(partners, messages, half_dead);
        run.crowd.restart_millis = run.deliver(live);
        run.crowd
    };
    let (alone, beside) = (run(false), run(true));
    println!("{partners} partners, {messages} messages each; alone: {alone:?}; beside as many dead ones: {beside:?}");
    (alone, beside)
}

#[test]
fn live_partners_keep_their_rate_beside_as_many_dead_ones() {
    let (alone, beside) = beside_dead(200, 10);
    assert!(beside.live_millis * 10 <= alone.live_millis * 12, "{alone:?} {beside:?}");
    // To find out who is dead takes one attempt each, some fifty of them at once.
    assert!(beside.begin_millis <= alone.begin_millis + 3 * DEAD_MILLIS, "{alone:?} {beside:?}");
    assert!(beside.in_vain >= 100, "{beside:?}");
    assert!(
        beside.restart_millis * 10 <= alone.restart_millis * 12,
        "a restart knows who is dead: {alone:?} {beside:?}"
    );
}

#[test]
#[ignore = "a figure, of some minutes: cargo test --release --test simulation -- --ignored --nocapture five_thousand"]
fn live_ones_of_five_thousand_partners_keep_their_rate() {
    let (alone, beside) = beside_dead(5000, 10);
    assert!(beside.live_millis * 10 <= alone.live_millis * 12, "{alone:?} {beside:?}");
}

#[test]
fn what_waits_for_a_dead_partner_keeps_its_attempts_and_ends_with_its_time() {
    let mut run = Run::new(2, 100, true);
    run.deliver(100);
    let dead: Vec<_> = {
        let query = sluss::model::Query { limit: 1000, ..sluss::model::Query::default() };
        run.process.store.list(&query).unwrap().into_iter().filter(is_dead).map(|message| message.id).collect()
    };
    assert_eq!(dead.len(), 100);
    let begun = run.millis();
    let day = 24 * 60 * 60 * 1000;
    while run.crowd.given_up < dead.len() {
        run.claim();
        run.pass();
        let syncs = run.process.store.syncs();
        rehearse::give_up_overdue(&run.process.router).unwrap();
        assert!(run.process.store.syncs() <= syncs + 1, "all of one look share a sync");
        let messages = dead.iter().map(|id| run.process.store.message(*id).unwrap().unwrap());
        run.crowd.given_up = messages.filter(|message| message.status == Status::SendFailure).count();
        // A simulated day has many steps; what matters is how it ends.
        if run.flights.is_empty() {
            run.clock.pass(60_000);
        }
        assert!(run.millis() - begun < day + 60 * 60 * 1000, "{:?}", run.crowd);
    }
    let messages: Vec<Message> = dead.iter().map(|id| run.process.store.message(*id).unwrap().unwrap()).collect();
    let attempts: u32 = messages.iter().map(|message| message.attempts).sum();
    assert!(attempts < 24 * 60, "one message asks: {attempts}");
    assert!(run.millis() - begun > day - 60_000, "not before their time");
    for message in &messages {
        assert!(
            message.error.as_ref().is_some_and(|problem| problem.cause() == "access-point-unreachable"),
            "{message:?}"
        );
        let events = run.process.store.events(message.id).unwrap();
        assert!(events.iter().any(|event| event.stage == sluss::model::Stage::GivenUp), "{events:?}");
    }
}
