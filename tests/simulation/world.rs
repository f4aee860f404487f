//! The world of one seed: a sender, a receiver, what is between them, and what must be true at the end.

mod attempts;
mod own;
mod trouble;
mod verdict;

use crate::chance::Chance;
use crate::disk::{Health, SimDisk};
use crate::node::{BOB, CARL, DORA, Process, SimClock, message, sha256};
use crate::random;
use sluss::access_point::rehearse::{self, Sending};
use sluss::access_point::{Unhandled, accepted};
use sluss::limits::CLAIM_LEASE;
use sluss::model::{As4MessageId, BlobId, Clock, Event, Fault, Message, MessageId, Obstacle, PartyId, Problem, Stage};
use sluss::store::{Answered, DuplicateKey, Store, StoreError, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// What a look-up fails with.
fn no_smp() -> Unhandled {
    let problem = Problem::new(Fault::Temporary, "smp", "the look-up failed", "try again");
    Unhandled { by: Obstacle::Lookup, problem }
}

/// What happened, in numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) again: u64,
    pub(crate) kills: u64,
    pub(crate) cuts: u64,
    pub(crate) flips: u64,
    pub(crate) named: u64,
    pub(crate) rebuilt: u64,
    pub(crate) torn: u64,
    pub(crate) steps: u64,
    pub(crate) answered: u64,
    pub(crate) vanished: u64,
    pub(crate) operated: u64,
    /// Delivered, and known to be without AS4 receipt.
    pub(crate) unreceipted: u64,
    /// Partners that were left alone, failed when they were asked, came back.
    pub(crate) opened: u64,
    pub(crate) reopened: u64,
    pub(crate) closed: u64,
    pub(crate) purged: u64,
    /// Whole messages.
    pub(crate) forgotten: u64,
    /// Envelopes that were handed in once more at the same moment.
    pub(crate) twice: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        for (one, more) in [
            (&mut self.accepted, other.accepted),
            (&mut self.delivered, other.delivered),
            (&mut self.dead, other.dead),
            (&mut self.again, other.again),
            (&mut self.kills, other.kills),
            (&mut self.cuts, other.cuts),
            (&mut self.flips, other.flips),
            (&mut self.named, other.named),
            (&mut self.rebuilt, other.rebuilt),
            (&mut self.torn, other.torn),
            (&mut self.steps, other.steps),
            (&mut self.answered, other.answered),
            (&mut self.vanished, other.vanished),
            (&mut self.operated, other.operated),
            (&mut self.unreceipted, other.unreceipted),
            (&mut self.opened, other.opened),
            (&mut self.reopened, other.reopened),
            (&mut self.closed, other.closed),
            (&mut self.purged, other.purged),
            (&mut self.forgotten, other.forgotten),
            (&mut self.twice, other.twice),
        ] {
            *one += more;
        }
    }
}

const SENDER: usize = 0;
const RECEIVER: usize = 1;
/// How long it may take until all is done when nothing fails, in milliseconds: longer than a message is tried, and than a fault of ours may last.
const PATIENCE: i64 = 4 * 24 * 3_600_000;
const PARTY: &str = "AP0001-DEMO";

struct Node {
    disk: SimDisk,
    up: Option<Process>,
    starts: u64,
    weak: bool,
}

/// An attempt to send whose answer is awaited.
struct Attempt {
    token: u64,
    start: u64,
    sending: Sending,
    /// It was packed before: it may have arrived.
    again: bool,
}

/// A request at the receiver between its look at the key and its commit.
struct Arriving {
    node: usize,
    token: u64,
    start: u64,
    key: DuplicateKey,
    answered: Answered,
    message: Message,
}

type Reply = Result<String, Kind>;

/// Why an attempt got no AS4 receipt.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Busy,
    /// It has the message already, as one of these codes says.
    Duplicate(&'static str),
    Refused,
}

enum Packet {
    Request { token: u64, to: usize, id: As4MessageId, body: Vec<u8> },
    Response { token: u64, reply: Reply },
}

pub(crate) struct World {
    chance: Chance,
    clock: Arc<SimClock>,
    nodes: [Node; 2],
    /// Envelopes whose client has no answer yet.
    wanted: Vec<(Uuid, Vec<u8>)>,
    accepted: BTreeMap<Uuid, MessageId>,
    bodies: BTreeMap<Uuid, Vec<u8>>,
    attempts: Vec<Attempt>,
    arriving: Vec<Arriving>,
    network: Vec<Packet>,
    /// Envelopes from one participant of the sender to another.
    own: BTreeSet<Uuid>,
    /// AS4 receipts that left, by message id, and from which node.
    receipts: BTreeMap<String, (usize, String)>,
    /// Messages that the recipient saw, by envelope.
    seen: BTreeMap<Uuid, BTreeSet<MessageId>>,
    calm: bool,
    /// Nothing reaches the receiver.
    cut_off: bool,
    /// For how long each partner of the sender was left alone last.
    pauses: BTreeMap<PartyId, i64>,
    /// Whose event log was purged.
    forgetful: [bool; 2],
    /// Messages before they may have been purged, and whether they might go: over, and nobody's.
    before_purge: [BTreeMap<MessageId, (Message, bool)>; 2],
    tokens: u64,
    tally: Tally,
    steps: Vec<String>,
}

type Checked = Result<(), String>;

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        random::name_by(seed);
        let mut chance = Chance::new(seed);
        let mut node = || Node { disk: SimDisk::new(chance.fork()), up: None, starts: 0, weak: false };
        let nodes = [node(), node()];
        Self {
            chance,
            clock: SimClock::new(),
            nodes,
            wanted: Vec::new(),
            accepted: BTreeMap::new(),
            bodies: BTreeMap::new(),
            attempts: Vec::new(),
            arriving: Vec::new(),
            network: Vec::new(),
            own: BTreeSet::new(),
            receipts: BTreeMap::new(),
            seen: BTreeMap::new(),
            calm: false,
            cut_off: false,
            pauses: BTreeMap::new(),
            forgetful: [false; 2],
            before_purge: Default::default(),
            tokens: 0,
            tally: Tally::default(),
            steps: Vec::new(),
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally { steps: self.steps.len() as u64, ..self.tally.clone() }
    }

    pub(crate) fn steps(&self) -> &[String] {
        &self.steps
    }

    fn say(&mut self, what: impl Into<String>) {
        self.steps.push(format!("{:>4} {} {}", self.steps.len(), self.clock.now(), what.into()));
    }

    /// Everything fails for a while, then nothing does, and all must be well.
    pub(crate) fn run(&mut self) -> Checked {
        let rounds = 40 + self.chance.below(80);
        for _ in 0..rounds {
            self.trouble()?;
            self.start_both()?;
            self.act()?;
        }
        (self.calm, self.cut_off) = (true, false);
        self.say("calm");
        for n in [SENDER, RECEIVER] {
            self.nodes[n].disk.health(Health::default());
            self.nodes[n].disk.stop_after(1 << 60);
        }
        let (mut quiet, begun) = (0, self.clock.passed());
        for _ in 0..3_000 {
            self.start_both()?;
            [SENDER, RECEIVER].into_iter().for_each(|n| self.let_go_on(n));
            quiet = if self.work()? { 0 } else { quiet + 1 };
            if quiet > 2 && self.is_done() {
                // An answer may have come while a lease ran whose attempt had vanished.
                self.clock.pass(i64::try_from(CLAIM_LEASE.as_millis()).unwrap() + 1);
                self.work()?;
                return self.check();
            }
            self.pass_to_next();
            if self.clock.passed() - begun > PATIENCE {
                break;
            }
        }
        Err(format!("a message is stuck: {}", self.unfinished()))
    }

    fn act(&mut self) -> Checked {
        match self.chance.below(12) {
            0 | 1 => self.want(),
            2 => self.submit(),
            3 | 4 => self.send()?,
            5..=7 => self.carry()?,
            8 => self.settle_arriving()?,
            9 => self.look()?,
            10 => self.take()?,
            _ => self.give_up_waiting()?,
        }
        Ok(())
    }

    /// Everything there is to do, once.
    fn work(&mut self) -> Result<bool, String> {
        let before = self.steps.len();
        self.submit();
        self.send()?;
        while !self.network.is_empty() || !self.arriving.is_empty() {
            self.carry()?;
            self.settle_arriving()?;
        }
        self.give_up_waiting()?;
        self.look()?;
        self.take()?;
        Ok(self.steps.len() > before)
    }

    fn up(&self, n: usize) -> Option<&Process> {
        self.nodes[n].up.as_ref()
    }

    fn want(&mut self) {
        for _ in 0..=self.chance.below(3) {
            let length = 1 + self.chance.below(1500);
            let body = self.chance.bytes(length);
            let id = random::name();
            self.bodies.insert(id, body.clone());
            if self.chance.percent(25) {
                self.own.insert(id);
            }
            self.wanted.push((id, body));
        }
        if self.chance.percent(30) {
            self.submit_together();
        }
        self.submit();
    }

    /// A message as its client hands it in.
    fn handed_in(&self, process: &Process, id: Uuid, blob: BlobId, body: &[u8]) -> Message {
        let mut message = message(true, id, blob, body, &process.clock);
        if self.own.contains(&id) {
            own::own(&mut message, (CARL, DORA));
        }
        message
    }

    /// Clients hand in at the same moment, some of them the same: their transactions share a sync.
    fn submit_together(&mut self) {
        let mut wanted = std::mem::take(&mut self.wanted);
        for n in 0..wanted.len() {
            if self.chance.percent(50) {
                wanted.push(wanted[n].clone());
            }
        }
        let mut together = Vec::new();
        for (id, body) in wanted {
            let process = self.up(SENDER);
            match process.and_then(|process| Some(self.handed_in(process, id, process.keep(&body).ok()?, &body))) {
                Some(message) => together.push((id, message, body)),
                None => self.wanted.push((id, body)),
            }
        }
        let insert = |message: &Message| Transaction {
            inserts: vec![message.clone()],
            events: vec![accepted(message)],
            ..Transaction::default()
        };
        let transactions = together.iter().map(|(_, message, _)| insert(message)).collect();
        let Some(outcomes) = self.up(SENDER).map(|process| process.store.commit_together(transactions)) else {
            self.wanted.extend(together.into_iter().map(|(id, _, body)| (id, body)));
            return;
        };
        for ((id, message, body), outcome) in together.into_iter().zip(outcomes) {
            self.say(format!("together {id} as {}: {outcome:?}", message.id));
            match outcome {
                Ok(_) => self.accepted(id, message.id),
                Err(StoreError::HandedIn(first)) => {
                    self.tally.twice += 1;
                    self.accepted(id, first.message);
                }
                Err(_) => self.wanted.push((id, body)),
            }
        }
    }

    /// A client was told that its envelope is this message.
    fn accepted(&mut self, id: Uuid, message: MessageId) {
        self.tally.accepted += 1;
        self.accepted.insert(id, message);
        // It may have been handed in twice and answered once.
        self.wanted.retain(|(wanted, _)| *wanted != id);
    }

    /// A client hands in what it has no answer for.
    fn submit(&mut self) {
        for (id, body) in std::mem::take(&mut self.wanted) {
            let Some(process) = self.up(SENDER) else {
                self.wanted.push((id, body));
                continue;
            };
            let kept = process.keep(&body).map_err(|error| error.to_string());
            let before_purge = &self.before_purge[SENDER];
            let taken = kept.and_then(|blob| {
                match rehearse::accept(&process.router, self.handed_in(process, id, blob, &body)) {
                    Ok(message) => Ok(message.id),
                    // It is told that this was sent, and as what.
                    Err(problem) if problem.kind.ends_with(":duplicate-envelope") => {
                        let first = before_purge.keys().find(|first| problem.detail.contains(&first.to_string()));
                        first.copied().ok_or_else(|| problem.to_string())
                    }
                    Err(problem) => Err(problem.to_string()),
                }
            });
            match taken {
                Ok(message) => {
                    self.say(format!("accepted {id} as {message}"));
                    self.accepted(id, message);
                }
                Err(error) => {
                    self.say(format!("not accepted {id}: {error}"));
                    self.wanted.push((id, body));
                }
            }
        }
    }

    /// One thing on its way arrives, whichever.
    fn carry(&mut self) -> Checked {
        if self.network.is_empty() {
            return Ok(());
        }
        let packet = self.network.swap_remove(self.chance.below(self.network.len()));
        if self.cut_off || !self.calm && self.chance.percent(12) {
            self.say("lost on the way");
            return Ok(());
        }
        match packet {
            Packet::Request { token, to, id, body } => self.arrive(token, to, id, &body)?,
            Packet::Response { token, reply } => self.answered(token, &reply)?,
        }
        Ok(())
    }

    /// A request arrives, up to its commit.
    fn arrive(&mut self, token: u64, to: usize, id: As4MessageId, body: &[u8]) -> Checked {
        let key = DuplicateKey { id, from: PARTY.parse().unwrap() };
        let fingerprint = sha256(body);
        let odd = (!self.calm).then(|| self.chance.below(40));
        let Some(process) = self.up(to) else { return self.reply(token, to, &key, Err(Kind::Busy)) };
        let before = rehearse::answered_before(&process.router, &key, &fingerprint);
        let reply = match before {
            Ok(Some(_)) if odd == Some(0) => Err(Kind::Duplicate("EBMS:0004")),
            Ok(Some(_)) if odd == Some(2) => Err(Kind::Duplicate("EBMS:4001")),
            Ok(Some(answer)) => Ok(answer.body),
            Err(problem) => Err(if problem.fault == Fault::Refused { Kind::Refused } else { Kind::Busy }),
            Ok(None) if odd == Some(1) => Err(Kind::Refused),
            // What is not of the sender is only good as a repetition.
            Ok(None) if token == 0 && !self.receipts.contains_key(key.id.as_str()) => return Ok(()),
            Ok(None) => match process.keep(body) {
                Err(_) => Err(Kind::Busy),
                Ok(blob) => {
                    let envelope = envelope_of(&key.id);
                    let mut message = message(false, envelope, blob, body, &process.clock);
                    message.as4_message_id = Some(key.id.clone());
                    message.partner = Some(key.from.clone());
                    if to == SENDER {
                        own::own(&mut message, (CARL, DORA));
                    }
                    let answered = Answered {
                        message: Some(message.id),
                        content_type: "application/soap+xml".into(),
                        body: format!("receipt {} for {}", random::name(), key.id),
                        fingerprint,
                        at: process.clock.now(),
                    };
                    let start = self.nodes[to].starts;
                    self.arriving.push(Arriving { node: to, token, start, key, answered, message });
                    return if self.calm || self.chance.percent(70) { self.settle_arriving() } else { Ok(()) };
                }
            },
        };
        self.reply(token, to, &key, reply)
    }

    /// A request that was opened is made durable and answered.
    fn settle_arriving(&mut self) -> Checked {
        if self.arriving.is_empty() {
            return Ok(());
        }
        let Arriving { node, token, key, answered, message, .. } =
            self.arriving.swap_remove(self.chance.below(self.arriving.len()));
        let Some(process) = self.up(node) else { return Ok(()) };
        let event = Event::new(self.clock.now(), Some(message.id), Stage::Received, "received");
        let reply = match rehearse::received(&process.router, key.clone(), answered, message, event) {
            Ok(answer) => Ok(answer.body),
            Err(problem) => Err(if problem.fault == Fault::Refused { Kind::Refused } else { Kind::Busy }),
        };
        self.reply(token, node, &key, reply)
    }

    fn reply(&mut self, token: u64, node: usize, key: &DuplicateKey, reply: Reply) -> Checked {
        self.say(format!("answer to {}: {reply:?}", key.id));
        if let Ok(receipt) = &reply {
            if token == 0 {
                return Err(format!("another content under {} got an AS4 receipt", key.id));
            }
            let first = self.receipts.entry(key.id.to_string()).or_insert_with(|| (node, receipt.clone()));
            if first.1 != *receipt {
                return Err(format!("message {} got two AS4 receipts: {first:?} and {receipt}", key.id));
            }
        }
        let times = if !self.calm && self.chance.percent(10) { 2 } else { 1 };
        for _ in 0..times {
            self.network.push(Packet::Response { token, reply: reply.clone() });
        }
        Ok(())
    }

    /// The receiver's worker looks at an envelope.
    fn look(&mut self) -> Checked {
        loop {
            let fails = !self.calm && self.chance.percent(10);
            let Some(process) = self.up(RECEIVER) else { return Ok(()) };
            let Ok(Some(message)) = rehearse::claim(&process.router) else { return Ok(()) };
            let looked = match rehearse::envelope(&process.router, &message) {
                Err(problem) => Err(problem.into()),
                Ok(_) if fails => Err(no_smp()),
                Ok(_) => Ok(message.envelope_id.clone()),
            };
            let written = rehearse::looked(&process.router, &message, looked);
            self.say(format!("looked at {}: {written:?}", message.id));
            if !self.calm {
                return Ok(());
            }
        }
    }

    /// The recipient fetches what waits and confirms it.
    fn take(&mut self) -> Checked {
        let Some(process) = self.nodes[RECEIVER].up.as_ref() else { return Ok(()) };
        let Ok(waiting) = process.store.waiting(&BOB.parse().unwrap(), None) else { return Ok(()) };
        let mut said = Vec::new();
        for message in waiting {
            let Ok(bytes) = rehearse::envelope(&process.router, &message) else { continue };
            let id: Uuid = message.envelope_id.to_string().parse().unwrap();
            // What came over the wire is the packed form of what was sent.
            if self.bodies.get(&id).is_none_or(|body| packed(body) != bytes) {
                return Err(format!("message {} is not what was sent", message.id));
            }
            self.seen.entry(id).or_default().insert(message.id);
            let written = rehearse::taken(&process.router, &message);
            said.push(format!("{} is taken: {written:?}", message.id));
        }
        said.into_iter().for_each(|line| self.say(line));
        Ok(())
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    body.iter().map(|byte| byte ^ 0x5a).collect()
}

fn envelope_of(id: &As4MessageId) -> Uuid {
    id.as_str().split('.').next().unwrap().parse().unwrap()
}
