//! The sender's attempts, and what they mean for its partners.

use super::{Attempt, Checked, Kind, PARTY, Packet, RECEIVER, Reply, SENDER, World, packed};
use crate::node::{BREAKER, Process, RETRY_LONGEST, ebms};
use crate::random;
use sluss::access_point::rehearse::{self, Sending};
use sluss::access_point::{PartnerState, SendError};
use sluss::as4::ReceiptError;
use sluss::limits::RETRY_PAUSE_LEAST;
use sluss::model::{
    As4MessageId, As4ReceiptSummary, Carriage, Clock, Direction, Message, Packing, PartyId, Piece, Timestamp,
};
use sluss::net::NetError;
use sluss::store::{Store, StoreError};
use std::collections::BTreeSet;

impl World {
    /// The sender's worker takes up what is due.
    pub(super) fn send(&mut self) -> Checked {
        while self.attempts.len() < 8 {
            let Some(process) = self.up(SENDER) else { return Ok(()) };
            let alone = left_alone(process);
            let Ok(Some(message)) = rehearse::claim(&process.router) else { return Ok(()) };
            if message.direction == Direction::In {
                self.hand_over(&message);
                continue;
            }
            if message.status.is_final() && !message.lacks_as4_receipt() {
                let done = rehearse::done(&process.router, &message);
                self.say(format!("{} was answered before: {done:?}", message.id));
                continue;
            }
            if message.partner.as_ref().is_some_and(|partner| alone.contains(partner)) {
                return Err(format!("{} is attempted while its partner is left alone", message.id));
            }
            let again = message.is_addressed();
            let mut sending = Sending::of(message);
            let message = &mut sending.message;
            match prepare(process, message) {
                Ok((id, body)) => {
                    self.tokens += 1;
                    let token = self.tokens;
                    self.say(format!("attempt {} of {}", message.attempts, message.id));
                    self.tally.again += u64::from(message.attempts > 1);
                    let to = if message.carriage == Carriage::Own { SENDER } else { RECEIVER };
                    self.attempts.push(Attempt { token, start: self.nodes[SENDER].starts, sending, again });
                    self.leave(token, to, &id, &body);
                }
                Err(error) => {
                    let said = error.to_string();
                    let written = rehearse::sent(&process.router, &sending, Err(error));
                    self.say(format!("attempt of {} failed: {said}; {written:?}", sending.message.id));
                }
            }
            if !self.calm && self.chance.percent(60) {
                break;
            }
        }
        Ok(())
    }

    fn leave(&mut self, token: u64, to: usize, id: &As4MessageId, body: &[u8]) {
        let times = match self.chance.below(10) {
            _ if self.calm => 1,
            0 => 0,
            1 | 2 => 2,
            _ => 1,
        };
        for _ in 0..times {
            self.network.push(Packet::Request { token, to, id: id.clone(), body: body.to_vec() });
        }
        if !self.calm && self.chance.percent(4) {
            // Somebody else's content under the same id.
            self.network.push(Packet::Request { token: 0, to, id: id.clone(), body: b"another content".to_vec() });
        }
    }

    /// An answer comes back to the sender.
    pub(super) fn answered(&mut self, token: u64, reply: &Reply) -> Checked {
        let Some(at) = self.attempts.iter().position(|attempt| attempt.token == token) else { return Ok(()) };
        let attempt = self.attempts.swap_remove(at);
        let result = match reply {
            Ok(soap) => Ok(As4ReceiptSummary {
                signed_by: "CN=AP0002".into(),
                certificate_sha256: String::new(),
                signature: String::new(),
                references_matched: true,
                sent_at: None,
                sent_until: None,
                soap: soap.clone(),
            }),
            Err(kind) => Err(failure(*kind)),
        };
        self.conclude(&attempt, result)
    }

    /// The sender no longer waits for an answer.
    pub(super) fn give_up_waiting(&mut self) -> Checked {
        if self.attempts.is_empty() {
            return Ok(());
        }
        let attempt = self.attempts.swap_remove(self.chance.below(self.attempts.len()));
        let host = "receiver".to_owned();
        self.conclude(&attempt, Err(SendError::Net(NetError::Broken { host, reason: "no answer".into() })))
    }

    fn conclude(&mut self, attempt: &Attempt, result: Result<As4ReceiptSummary, SendError>) -> Checked {
        let message = &attempt.sending.message;
        let Some(process) = self.up(SENDER) else { return Ok(()) };
        let said = result.as_ref().err().map(ToString::to_string);
        let before = open_until(process, message);
        let written = rehearse::sent(&process.router, &attempt.sending, result);
        let (after, steady) = (open_until(process, message), process.clock.steady());
        let stored = process.store.message(message.id).ok().flatten();
        let is_there = attempt.again && said.as_ref().is_some_and(|said| said.contains(ALREADY));
        if is_there && written.is_ok() && stored.as_ref().is_some_and(|stored| stored.has_notice()) {
            return Err(format!("{} is said to have arrived, and that is not believed: {stored:?}", message.id));
        }
        let next = stored.and_then(|message| message.next_attempt_at);
        let next = next.filter(|_| written.is_ok() && said.is_some()).map(|next| millis(next, steady));
        self.say(format!("attempt of {} ends: {said:?}; {written:?}", message.id));
        if next.is_some_and(|next| !(RETRY_PAUSE_LEAST_MILLIS..=RETRY_LONGEST.as_millis() as i64).contains(&next)) {
            return Err(format!("{} is tried again in {next:?} ms, whatever the clocks on walls show", message.id));
        }
        let now = self.clock.now();
        self.watch(message.partner.as_ref(), (before, after), now)
    }

    /// What the end of an attempt meant for the partner: left alone, for longer each time when it fails again, or back.
    fn watch(
        &mut self,
        partner: Option<&PartyId>,
        (before, after): (Option<Timestamp>, Option<Timestamp>),
        now: Timestamp,
    ) -> Checked {
        let Some(partner) = partner.filter(|_| before != after) else { return Ok(()) };
        let Some(until) = after else {
            self.pauses.remove(partner);
            self.tally.closed += 1;
            return Ok(());
        };
        let (pause, longest) = (millis(until, now), BREAKER.longest_pause.as_millis() as i64);
        let last = self.pauses.insert(partner.clone(), pause);
        // The first one is a minute; then it doubles. A quarter at most is taken off, so that many do not come at once.
        let whole = last.map_or(BREAKER.first_pause.as_millis() as i64, |last| (2 * last).min(longest));
        if pause > longest || pause * 4 < whole * 3 {
            return Err(format!("{partner} is left alone for {pause} ms after {last:?} ms"));
        }
        *(if last.is_none() { &mut self.tally.opened } else { &mut self.tally.reopened }) += 1;
        Ok(())
    }
}

/// How a receiver says that it has a message already.
const ALREADY: &str = "message was already handled";

const RETRY_PAUSE_LEAST_MILLIS: i64 = RETRY_PAUSE_LEAST.as_millis() as i64;

fn millis(at: Timestamp, since: Timestamp) -> i64 {
    at.as_millisecond() - since.as_millisecond()
}

/// Partners that are left alone now.
fn left_alone(process: &Process) -> BTreeSet<PartyId> {
    let now = process.clock.now();
    let alone =
        process.router.partners().into_iter().filter(|state| state.health.open_until.is_some_and(|until| until > now));
    alone.filter_map(|state| state.partner).collect()
}

/// Until when the partner of a message is left alone.
fn open_until(process: &Process, message: &Message) -> Option<Timestamp> {
    let of_it = |state: &PartnerState| state.partner == message.partner;
    process.router.partners().into_iter().find(of_it)?.health.open_until
}

/// Packs a message for sending, once; gives its AS4 id and the bytes that leave.
fn prepare(process: &Process, message: &mut Message) -> Result<(As4MessageId, Vec<u8>), SendError> {
    let own = |error: StoreError| SendError::Own(sluss::access_point::store_problem(&error));
    if message.packed.is_none() {
        let envelope = rehearse::envelope(&process.router, message).map_err(SendError::Own)?;
        let cipher = process.keep(&packed(&envelope)).map_err(own)?;
        let packing = Packing {
            content_type: "multipart/related".into(),
            pieces: vec![Piece::File(cipher)],
            bytes: envelope.len() as u64,
            part_sha256: None,
            references: Vec::new(),
            url: "https://receiver.example".into(),
            certificate: String::new(),
            earlier: Vec::new(),
        };
        // It names its envelope, as the conversation does in a real one.
        let id: As4MessageId = format!("{}.{}@sender", message.envelope_id, random::name()).parse().unwrap();
        let party: PartyId = if message.carriage == Carriage::Own { PARTY } else { "AP0002-DEMO" }.parse().unwrap();
        process.store.route(&message.to, &party).map_err(own)?;
        rehearse::packed(&process.router, message, id, party, packing)?;
    }
    let files = message.packed.iter().flat_map(|packing| &packing.pieces);
    let mut body = Vec::new();
    for piece in files {
        if let Piece::File(blob) = piece {
            body.extend(process.payload(*blob).map_err(own)?);
        }
    }
    Ok((message.as4_message_id.clone().unwrap(), body))
}

fn failure(kind: Kind) -> SendError {
    let refused = |error| SendError::Answer(ReceiptError::Refused { errors: vec![error], signed: true });
    match kind {
        Kind::Busy => SendError::Net(NetError::Broken { host: "receiver".into(), reason: "503".into() }),
        Kind::Duplicate(code) => refused(ebms(code, ALREADY)),
        Kind::Refused => refused(ebms("EBMS:0103", "not accepted")),
    }
}
