//! What a group of transactions changes in the index: the keys of each message before and after.

use super::{
    Due, ENDED_WITH_PAYLOADS, HELD, Lane, created_key, duplicate_key, envelope_key, event_keys, json, key, tally_key,
    time_key,
};
use crate::model::{Axis, Direction, Message, Outcome};
use crate::store::journal::{Beginning, Spot};
use crate::store::keys::{Batch, Octets};
use crate::store::record::{Noted, Written};
use crate::store::{Answered, DuplicateKey, HandedIn, StoreError};
use serde_json::Value;
use std::collections::BTreeMap;

/// Changes that become visible together.
#[derive(Debug, Default)]
pub(in crate::store) struct Stage {
    pub(super) batch: Batch,
    pub(super) tally: BTreeMap<Vec<u8>, i64>,
}

impl Stage {
    /// Puts `new` in the place of `old`.
    pub(in crate::store) fn message(
        &mut self,
        old: Option<&Written<Message>>,
        written: Option<&Written<Message>>,
    ) -> Result<(), StoreError> {
        let (old, new) = (old.map(Written::value), written.map(Written::value));
        let (before, after) = (old.map(references).unwrap_or_default(), new.map(references).unwrap_or_default());
        for gone in before.iter().filter(|key| !after.contains(key)) {
            self.batch.remove(gone.clone());
        }
        for more in after.into_iter().filter(|key| !before.contains(key)) {
            match more.first() {
                Some(b's' | b'l' | b'w' | b'h' | b'd') => self.batch.add(more, Octets::default()),
                _ => self.batch.insert(more, Octets::default()),
            }
        }
        self.due(old, new)?;
        for gone in old.map(counted).unwrap_or_default() {
            *self.tally.entry(gone).or_default() -= 1;
        }
        for more in new.map(counted).unwrap_or_default() {
            *self.tally.entry(more).or_default() += 1;
        }
        match (old, written) {
            (_, Some(new)) => self.batch.insert(key(b'm', &[new.value().id.0.as_bytes()]), &*new.json()?),
            (Some(old), None) => self.batch.remove(key(b'm', &[old.id.0.as_bytes()])),
            (None, None) => {}
        }
        Ok(())
    }

    /// Puts when work is due.
    fn due(&mut self, old: Option<&Message>, new: Option<&Message>) -> Result<(), StoreError> {
        let (before, after) = (old.and_then(due_key), new.and_then(due_key));
        if let Some(gone) = before.as_ref().filter(|_| before != after) {
            self.batch.remove(gone.as_slice());
        }
        if let (Some(due), Some((new, at))) = (&after, new.and_then(|new| Some((new, new.next_attempt_at?)))) {
            let value = json(&Due { at, stream: new.into() }, "time")?;
            if before == after {
                self.batch.insert(due.as_slice(), value)
            } else {
                self.batch.add(due.as_slice(), value)
            }
        }
        Ok(())
    }

    /// Puts what was answered.
    pub(in crate::store) fn answered(
        &mut self,
        duplicate: &DuplicateKey,
        answered: &Written<Answered>,
    ) -> Result<(), StoreError> {
        self.batch.insert(duplicate_key(duplicate), &*answered.json()?);
        Ok(())
    }

    /// Puts which message an envelope made.
    pub(in crate::store) fn handed_in(&mut self, one: &HandedIn) -> Result<(), StoreError> {
        let value = json(&(one.message, &one.envelope_sha256), "note of an envelope")?;
        self.batch.insert(envelope_key(&one.from, &one.envelope_id), value);
        Ok(())
    }

    /// Puts what was dropped of the journal.
    pub(in crate::store) fn dropped(&mut self, dropped: &Beginning) -> Result<(), StoreError> {
        self.batch.insert(*b"y", json(dropped, "note of what was dropped")?);
        Ok(())
    }

    /// Puts what was noted.
    pub(in crate::store) fn note(&mut self, name: &str, value: &Value) -> Result<(), StoreError> {
        self.batch.insert(key(b't', &[name.as_bytes()]), json(value, "note")?);
        Ok(())
    }

    /// Puts the events of a record.
    pub(in crate::store) fn events(&mut self, spot: Spot, events: &[Noted]) {
        let value = Octets::from([spot.offset.to_be_bytes().as_slice(), &spot.segment.to_be_bytes()].concat());
        for (n, event) in (0..).zip(events) {
            event_keys(spot.seq, n, event).for_each(|key| self.batch.insert(key, value.clone()));
        }
    }

    /// Adds the changes of another one, of other messages, and puts them in order.
    pub(in crate::store) fn append(&mut self, mut other: Self) {
        self.batch.changes.append(&mut other.batch.changes);
        for (counted, more) in other.tally {
            *self.tally.entry(counted).or_default() += more;
        }
    }
}

/// Whether it still has to leave, or has come in and is not at its end; and for whom.
fn lanes(message: &Message, each: &mut dyn FnMut(Lane<'_>)) {
    let direction = message.direction;
    match direction {
        Direction::Out if message.status.after(Outcome::Resume).is_ok() => {
            let partner = message.partner.as_ref().map_or("", |partner| partner.as_str());
            each(Lane { axis: Axis::Partner, direction, name: partner });
            each(Lane { axis: Axis::Participant, direction, name: &message.from.folded() });
        }
        Direction::In if !message.status.is_final() => {
            each(Lane { axis: Axis::Participant, direction, name: &message.to.folded() });
        }
        Direction::Out | Direction::In => {}
    }
}

/// Everything in which a message is counted.
fn counted(message: &Message) -> Vec<Vec<u8>> {
    let mut keys = vec![tally_key(message.direction, message.status).to_vec()];
    if message.is_held() {
        keys.push(HELD.to_vec());
    }
    lanes(message, &mut |lane| keys.push(lane.key()));
    keys
}

/// Every key without value that leads to a message, each once.
fn references(message: &Message) -> Vec<Octets> {
    let (id, created) = (message.id.0.as_bytes().as_slice(), created_key(message.created_at, message.id));
    let (from, to) = (message.from.folded(), message.to.folded());
    let (mut keys, mut buffer) = (Vec::with_capacity(16), Vec::with_capacity(128));
    let mut put = |parts: &[&[u8]]| {
        buffer.clear();
        parts.iter().for_each(|part| buffer.extend_from_slice(part));
        let key = Octets::from(buffer.as_slice());
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    let by = |kind: u8, text: &str, put: &mut dyn FnMut(&[&[u8]])| put(&[&[kind], text.as_bytes(), &[0], &created]);
    put(&[b"c", &created]);
    put(&[b"s", &tally_key(message.direction, message.status), &created]);
    by(b'e', &message.envelope_id.folded(), &mut put);
    by(b'p', &from, &mut put);
    by(b'p', &to, &mut put);
    if message.is_waiting() {
        by(b'w', &to, &mut put);
    }
    if message.has_notice() {
        by(b'f', &from, &mut put);
    }
    if message.is_held() {
        put(&[HELD, &created]);
    }
    let payloads = message.payloads();
    if message.status.is_final() && !payloads.is_empty() {
        put(&[ENDED_WITH_PAYLOADS, &created]);
    }
    if let Some(partner) = &message.partner {
        by(b'o', partner.as_str(), &mut put);
    }
    if let Some(as4) = &message.as4_message_id {
        by(b'a', as4.as_str(), &mut put);
    }
    message.conversations().for_each(|conversation| by(b'x', conversation, &mut put));
    lanes(message, &mut |lane| put(&[&lane.prefix(), &created]));
    payloads.iter().for_each(|blob| put(&[b"b", blob.0.as_bytes(), id]));
    keys
}

fn due_key(message: &Message) -> Option<Vec<u8>> {
    message.next_attempt_at.map(|at| key(b'q', &[&time_key(at), message.id.0.as_bytes()]))
}
