//! Messages between two participants of the sender's own daemon, whose message service is in it: it sends to itself, opens in one
//! transaction with the message receipt, and settles what that receipt names.

use super::{SENDER, World, no_smp, packed};
use crate::node::{CARL, DORA, Process, message};
use crate::random;
use sluss::access_point::{Handled, accepted, rehearse};
use sluss::model::{Carriage, Change, Clock, Direction, EnvelopeId, Event, Message, Outcome, Query, Stage, Status};
use sluss::store::{Settlement, Store, StoreError};

/// How the content of a message receipt begins; the id of the envelope follows that it accepts.
const RECEIPT: &[u8] = b"ACCEPTED ";

impl World {
    /// The message service looks at what has come in.
    pub(super) fn hand_over(&mut self, message: &Message) {
        let fails = !self.calm && self.chance.percent(10);
        let Some(process) = self.up(SENDER) else { return };
        let written = match rehearse::envelope(&process.router, message) {
            _ if fails => rehearse::looked(&process.router, message, Err(no_smp())),
            Err(problem) => rehearse::looked(&process.router, message, Err(problem.into())),
            Ok(bytes) => match handled(process, message, &packed(&bytes)) {
                Ok(handled) => rehearse::handled(&process.router, message, handled),
                Err(error) => Err(sluss::access_point::store_problem(&error)),
            },
        };
        self.say(format!("handed over {}: {written:?}", message.id));
    }

    /// Whether nothing more happens to a message by itself in this world: its end, or a long wait for a message receipt that could
    /// not be sent. What was received ends with its message receipt.
    pub(super) fn rests(message: &Message, all: &[Message]) -> bool {
        let dead = |receipt: &Message| {
            receipt.direction == Direction::Out
                && receipt.acknowledges.as_ref() == Some(&message.envelope_id)
                && receipt.status == Status::MessageExchangeError
        };
        let over = message.status.is_final() && message.next_attempt_at.is_none();
        let waits = message.status == Status::WaitingForReceipt;
        over || waits && message.next_attempt_at.is_none() && all.iter().any(dead)
    }
}

/// What the message service makes of what has come in.
fn handled(process: &Process, received: &Message, content: &[u8]) -> Result<Handled, StoreError> {
    match content.strip_prefix(RECEIPT) {
        Some(id) => confirmed(process, received, &String::from_utf8_lossy(id).parse().unwrap()),
        None => opened(process, received),
    }
}

fn step(process: &Process, received: &Message, outcome: Outcome, said: &str) -> (Settlement, Event) {
    let changes = vec![Change::EnvelopeId(received.envelope_id.clone())];
    let settlement = Settlement { id: received.id, claim: None, release: true, outcome: Some(outcome), changes };
    (settlement, Event::of(process.clock.now(), received, Stage::Opened, said))
}

/// A document: it is opened, and answered by a message receipt.
fn opened(process: &Process, received: &Message) -> Result<Handled, StoreError> {
    let content = [RECEIPT, received.envelope_id.to_string().as_bytes()].concat();
    let blob = process.keep(&content)?;
    let mut answer = message(true, random::name(), blob, &content, &process.clock);
    own(&mut answer, (DORA, CARL));
    answer.acknowledges = Some(received.envelope_id.clone());
    let (mut settlement, event) = step(process, received, Outcome::Open, "opened");
    settlement.changes.push(Change::MessageReceipt("ACCEPTED".into()));
    let events = vec![event, accepted(&answer)];
    Ok(Handled { hold: None, settlement, inserts: vec![answer], settlements: Vec::new(), events })
}

/// A message receipt: the message that it names has its answer.
fn confirmed(process: &Process, received: &Message, names: &EnvelopeId) -> Result<Handled, StoreError> {
    let (settlement, event) = step(process, received, Outcome::Take, "a message receipt");
    let query = Query { direction: Some(Direction::Out), envelope_id: Some(names.clone()), ..Query::default() };
    let sent = process.store.list(&query)?;
    let sent = match sent.as_slice() {
        [sent] => sent,
        // It was given up, and purged.
        [] => {
            let (inserts, settlements) = (Vec::new(), Vec::new());
            return Ok(Handled { hold: None, settlement, inserts, settlements, events: vec![event] });
        }
        _ => panic!("a message receipt for {names}, which is {} messages", sent.len()),
    };
    let mut changes = vec![Change::Error(None), Change::MessageReceipt("ACCEPTED".into())];
    changes.extend(sent.work_after_answer(process.clock.steady()));
    let settled = Settlement { id: sent.id, claim: None, release: false, outcome: Some(Outcome::Confirm), changes };
    let events = vec![event, Event::of(process.clock.now(), sent, Stage::Answered, "accepted")];
    Ok(Handled { hold: None, settlement, inserts: Vec::new(), settlements: vec![settled], events })
}

/// Makes it one between these two of the daemon's own.
pub(super) fn own(message: &mut Message, (from, to): (&str, &str)) {
    message.carriage = Carriage::Own;
    (message.from, message.to) = (from.parse().unwrap(), to.parse().unwrap());
    if message.direction == Direction::Out {
        message.status = Status::Submitted;
    }
}
