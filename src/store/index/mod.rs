//! The index: ordered [keys](super::keys) by a first letter. It can be thrown away at any time and built
//! again from the journal. One batch carries a whole group of transactions together with the
//! position of its last journal record, so the index always stands at a record's end.
//!
//! | key | value |
//! |---|---|
//! | `m` id | the message |
//! | `c` created id; `s` direction status created id; `p` participant created id; `o` partner created id | – |
//! | `e` envelope id, created id; `a` AS4 message id, created id; `x` conversation created id | – |
//! | `h` created id, of a message that is kept back; `l` lane created id, of one that waits in it | – |
//! | `w` recipient created id, of a message that waits to be taken | – |
//! | `f` sender created id, of a message of whose failure the sender is to be told | – |
//! | `b` payload id, id | – |
//! | `k` AS4 message id, party | what was answered |
//! | `i` envelope id, sender | the message that was made of it, and its digest; also when that is gone |
//! | `v` id record number; `r` record number | where the journal has that record |
//! | `g` time record number | the same |
//! | `n` direction status; `n` `h`; `n` lane | how many messages |
//! | `d` created id, of a message that has ended and has payloads | – |
//! | `y` | what was dropped of the journal |
//! | `q` due id | when, and in which stream |
//! | `t` name | what was noted |
//! | `u` record number, of an event of which an operator is told | where the journal has that record |
//! | `z` | the position |

mod stage;

use crate::model::{
    Axis, BlobId, Direction, EnvelopeId, Event, LogPlace, Logged, Message, MessageId, ParticipantId, Status, Stream,
    Timestamp,
};
use crate::store::disk::Disk;
use crate::store::journal::{Beginning, Position, Records, Spot};
use crate::store::keys::{Batch, Keys, Octets};
use crate::store::record::{self, Noted, unreadable};
use crate::store::{Answered, DuplicateKey, HandedIn, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub(super) use stage::Stage;

/// Changes with every change of the keys above or of the order of [`Status::ALL`]: an index of
/// another format is built again.
const FORMAT: u32 = 9;

/// Messages by [`tally_key`], [`HELD`] and [`Lane::key`].
pub(super) type Tally = BTreeMap<Vec<u8>, u64>;

/// The key of the tally of what is kept back.
pub(super) const HELD: &[u8] = b"h";

/// Start of the keys of messages that have ended and have payloads.
pub(super) const ENDED_WITH_PAYLOADS: &[u8] = b"d";

/// Time and id, as they end the keys of lists: a place in the order of time.
pub(super) type Place = [u8; 24];

/// The index, open.
#[derive(Debug)]
pub(super) struct Index {
    keys: Box<dyn Keys>,
    records: Records,
    tally: Mutex<Tally>,
}

/// When work on a message is due, and where it waits for its turn.
#[derive(Deserialize, Serialize)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) stream: Stream,
}

#[derive(Deserialize, Serialize)]
struct Head {
    format: u32,
    position: Position,
}

impl Index {
    /// Opens or creates the index of these records.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it: it is then to be moved aside.
    pub(super) fn open(disk: &dyn Disk, folder: &Path, records: Records) -> Result<Self, StoreError> {
        let keys = disk.index(folder)?;
        let mut tally = Tally::new();
        for entry in keys.below(b"n") {
            let (key, value) = entry?;
            if let Ok(count) = <[u8; 8]>::try_from(value.as_ref()) {
                tally.insert(key[1..].to_vec(), u64::from_be_bytes(count));
            }
        }
        Ok(Self { keys, records, tally: Mutex::new(tally) })
    }

    /// The journal record up to which the index goes. `None`: it is new, or of another format.
    pub(super) fn position(&self) -> Result<Option<Position>, StoreError> {
        let head: Option<Head> = self.value(b"z", "position")?;
        Ok(head.filter(|head| head.format == FORMAT).map(|head| head.position))
    }

    /// Whether nothing was ever put into it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Makes the changes visible, all at once.
    pub(super) fn publish(&self, stage: Stage, position: &Position) -> Result<(), StoreError> {
        self.keys.apply(self.batch(stage, position)?)
    }

    /// As [`Self::publish`], for very many changes. `more`: others follow at once.
    pub(super) fn load(&self, stage: Stage, position: &Position, more: bool) -> Result<(), StoreError> {
        self.keys.load(self.batch(stage, position)?, more)
    }

    /// All changes, with those of the tally and of the position.
    fn batch(&self, mut stage: Stage, position: &Position) -> Result<Batch, StoreError> {
        let head = Head { format: FORMAT, position: position.clone() };
        stage.batch.insert(*b"z", json(&head, "position")?);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for (counted, more) in stage.tally.into_iter().filter(|(_, more)| *more != 0) {
            let count = tally.get(&counted).copied().unwrap_or(0).saturating_add_signed(more);
            let stored = key(b'n', &[&counted]);
            if count == 0 {
                tally.remove(&counted);
                stage.batch.remove(stored);
            } else {
                tally.insert(counted, count);
                stage.batch.insert(stored, count.to_be_bytes());
            }
        }
        Ok(stage.batch)
    }

    /// One message.
    pub(super) fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.value(&key(b'm', &[id.0.as_bytes()]), "message")
    }

    /// What was answered.
    pub(super) fn answered(&self, duplicate: &DuplicateKey) -> Result<Option<Answered>, StoreError> {
        self.value(&duplicate_key(duplicate), "answer")
    }

    /// The message that this sender's envelope made, whether that is still kept or not.
    pub(super) fn handed_in(&self, from: &ParticipantId, id: &EnvelopeId) -> Result<Option<HandedIn>, StoreError> {
        let found = self.value(&envelope_key(from, id), "note of an envelope")?;
        Ok(found.map(|(message, envelope_sha256)| HandedIn {
            from: from.clone(),
            envelope_id: id.clone(),
            message,
            envelope_sha256,
        }))
    }

    /// Whether a message refers to the payload.
    pub(super) fn refers_to(&self, blob: BlobId) -> Result<bool, StoreError> {
        Ok(self.keys.below(&key(b'b', &[blob.0.as_bytes()])).next().transpose()?.is_some())
    }

    /// The events of a message, oldest first.
    pub(super) fn events(&self, id: MessageId) -> Result<Vec<Event>, StoreError> {
        let found = self.keys.below(&key(b'v', &[id.0.as_bytes()]));
        self.logged(found).map(|logged| Ok(logged?.event)).collect()
    }

    /// The events of a message, newest first.
    pub(super) fn log_of(&self, id: MessageId) -> impl Iterator<Item = Result<Logged, StoreError>> + '_ {
        self.logged(self.keys.below(&key(b'v', &[id.0.as_bytes()])).rev())
    }

    /// The events before a place, from `since` on, newest first.
    pub(super) fn log(
        &self,
        since: Option<Timestamp>,
        before: Option<LogPlace>,
    ) -> impl Iterator<Item = Result<Logged, StoreError>> + '_ {
        let start = since.map_or_else(|| b"g".to_vec(), |at| key(b'g', &[&time_key(at)]));
        let end = before.map_or_else(|| b"h".to_vec(), log_key).max(start.clone());
        self.logged(self.keys.range(Bound::Included(start), Bound::Excluded(end)).rev())
    }

    /// The events of keys that end with the number of their record and their place in that, without those whose segment went
    /// meanwhile. Events of one record stand beside each other, and it is read once for them.
    fn logged<'a>(
        &'a self,
        found: impl Iterator<Item = Result<(Octets, Octets), StoreError>> + 'a,
    ) -> impl Iterator<Item = Result<Logged, StoreError>> + 'a {
        let mut read = None;
        found.filter_map(move |entry| entry.and_then(|entry| self.event(&entry, &mut read)).transpose())
    }

    /// The event of a key. `read`: the record that was read last, and its events.
    fn event(
        &self,
        (key, value): &(Octets, Octets),
        read: &mut Option<(u64, Vec<Event>)>,
    ) -> Result<Option<Logged>, StoreError> {
        let ((record, n), (offset, segment)) = (numbers_at_end(key), numbers_at_end(value));
        if read.as_ref().is_none_or(|(last, _)| *last != record) {
            let payload = self.records.payload(Spot { segment, offset, seq: record })?;
            *read = payload.map(|payload| record::events(&payload)).transpose()?.map(|events| (record, events));
        }
        let event = read.as_ref().and_then(|(_, events)| events.get(usize::try_from(n).unwrap_or(usize::MAX)));
        Ok(event.map(|event| Logged {
            record,
            place: LogPlace { at: event.at, record, event: n },
            event: event.clone(),
        }))
    }

    /// The latest events without message, newest first.
    pub(super) fn refusals(&self, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.logged(self.keys.below(b"r").rev()).take(limit).map(|logged| Ok(logged?.event)).collect()
    }

    /// Events of which an operator is told, in the order of the journal, behind a record and place in it.
    pub(super) fn told(&self, (record, n): (u64, u32), limit: usize) -> Result<Vec<Logged>, StoreError> {
        let (start, end) = (Bound::Excluded(told_key(record, n)), Bound::Excluded(b"v".to_vec()));
        self.logged(self.keys.range(start, end)).take(limit).collect()
    }

    /// What was noted under a name.
    pub(super) fn note(&self, name: &str) -> Result<Option<Value>, StoreError> {
        self.value(&key(b't', &[name.as_bytes()]), "note")
    }

    /// What was dropped of the journal.
    pub(super) fn dropped(&self) -> Result<Option<Beginning>, StoreError> {
        self.value(b"y", "note of what was dropped")
    }

    /// The oldest messages of one kind of key that were created before a time, at most `most`.
    pub(super) fn created_before(
        &self,
        prefix: &[u8],
        at: Timestamp,
        most: usize,
    ) -> Result<Vec<MessageId>, StoreError> {
        let end = [prefix, &time_key(at)].concat();
        let range = self.keys.range(Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        range.take(most).map(|entry| Ok(id_at_end(&entry?.0))).collect()
    }

    /// Takes the events of a record out, whose segment goes.
    pub(super) fn remove_events(&self, records: &[(u64, Vec<Noted>)]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (seq, events) in records {
            for (n, event) in (0..).zip(events) {
                event_keys(*seq, n, event).for_each(|key| batch.remove(key));
            }
        }
        self.keys.apply(batch)
    }

    /// Messages with work to do, and when.
    pub(super) fn due(&self) -> impl Iterator<Item = Result<(MessageId, Due), StoreError>> + '_ {
        self.keys.below(b"q").map(|entry| {
            let (key, value) = entry?;
            Ok((id_at_end(&key), parse(&value, "time")?))
        })
    }

    /// How many messages there are of what is counted.
    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The places of one kind of key from `place` down, all as they are now.
    pub(super) fn down_from<'a>(
        &'a self,
        prefix: &[u8],
        place: &Place,
    ) -> impl Iterator<Item = Result<Place, StoreError>> + use<'a> {
        let end = Bound::Included([prefix, place].concat());
        self.keys.range(Bound::Included(prefix.to_vec()), end).rev().map(|entry| Ok(place_at_end(&entry?.0)))
    }

    /// Keys of one kind above `after`, first first, each with the id at its end.
    pub(super) fn oldest_after(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<MessageId, StoreError>> + '_ {
        let start = [prefix, after.unwrap_or_default()].concat();
        // Behind every time and id: those are shorter.
        let end = [prefix, &[0xff; 32]].concat();
        let range = self.keys.range(Bound::Excluded(start), Bound::Excluded(end));
        range.map(|entry| Ok(id_at_end(&entry?.0)))
    }

    /// The first place of one kind of key.
    pub(super) fn oldest(&self, prefix: &[u8]) -> Result<Option<Place>, StoreError> {
        let first = self.keys.below(prefix).next().transpose()?;
        Ok(first.map(|(key, _)| place_at_end(&key)))
    }

    /// Writes everything out, for a clean end.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.keys.flush()
    }

    fn value<T: DeserializeOwned>(&self, key: &[u8], what: &str) -> Result<Option<T>, StoreError> {
        self.keys.value(key)?.map(|value| parse(&value, what)).transpose()
    }
}

/// Start of the keys of one direction and status.
pub(super) fn status_prefix(direction: Direction, status: Status) -> Vec<u8> {
    key(b's', &[&tally_key(direction, status)])
}

/// Start of the keys of one text: an identifier, in the form in which it is compared.
pub(super) fn text_prefix(kind: u8, text: &str) -> Vec<u8> {
    key(kind, &[text.as_bytes(), &[0]])
}

/// Time and id as they end the keys of lists.
pub(super) fn created_key(created_at: Timestamp, id: MessageId) -> Place {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&time_key(created_at));
    place[8..].copy_from_slice(id.0.as_bytes());
    place
}

/// The message of a place.
pub(super) fn id_of(place: &Place) -> MessageId {
    id_at_end(place)
}

/// The time of a place.
pub(super) fn time_of(place: &Place) -> Timestamp {
    let sorted = place.first_chunk::<8>().copied().unwrap_or_default();
    let nanos = (u64::from_be_bytes(sorted) ^ (1 << 63)).cast_signed();
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::MAX)
}

/// Direction and status in a key; the status by its place in [`Status::ALL`].
pub(super) fn tally_key(direction: Direction, status: Status) -> [u8; 2] {
    let place = Status::ALL.iter().position(|other| *other == status).unwrap_or(usize::from(u8::MAX));
    [u8::from(direction == Direction::In), u8::try_from(place).unwrap_or(u8::MAX)]
}

/// Where a message waits, one of those of a partner or participant.
pub(super) struct Lane<'a> {
    pub(super) axis: Axis,
    pub(super) direction: Direction,
    pub(super) name: &'a str,
}

impl<'a> Lane<'a> {
    /// Start of the keys of an axis.
    pub(super) fn of_axis(axis: Axis) -> [u8; 2] {
        [b'l', u8::from(axis == Axis::Participant)]
    }

    /// In a tally.
    pub(super) fn key(&self) -> Vec<u8> {
        [&Self::of_axis(self.axis), [u8::from(self.direction == Direction::In)].as_slice(), self.name.as_bytes()]
            .concat()
    }

    /// The lane of a key of the tally.
    pub(super) fn of_key(axis: Axis, key: &'a [u8]) -> Option<Self> {
        let (direction, name) = key.strip_prefix(&Self::of_axis(axis))?.split_first()?;
        let direction = if *direction == 0 { Direction::Out } else { Direction::In };
        Some(Self { axis, direction, name: std::str::from_utf8(name).ok()? })
    }

    /// Start of the keys of the messages in it.
    pub(super) fn prefix(&self) -> Vec<u8> {
        [self.key(), vec![0]].concat()
    }
}

fn envelope_key(from: &ParticipantId, id: &EnvelopeId) -> Vec<u8> {
    [text_prefix(b'i', &id.folded()).as_slice(), from.folded().as_bytes()].concat()
}

fn duplicate_key(duplicate: &DuplicateKey) -> Vec<u8> {
    [text_prefix(b'k', duplicate.id.as_str()).as_slice(), duplicate.from.as_str().as_bytes()].concat()
}

fn event_keys(record: u64, n: u32, event: &Noted) -> impl Iterator<Item = Vec<u8>> {
    let (seq, place) = (record.to_be_bytes(), n.to_be_bytes());
    let by_message = match event.message {
        Some(id) => key(b'v', &[id.0.as_bytes(), &seq, &place]),
        None => key(b'r', &[&seq, &place]),
    };
    let told = event.stage.is_told().then(|| told_key(record, n));
    [log_key(LogPlace { at: event.at, record, event: n }), by_message].into_iter().chain(told)
}

fn told_key(seq: u64, n: u32) -> Vec<u8> {
    key(b'u', &[&seq.to_be_bytes(), &n.to_be_bytes()])
}

fn log_key(place: LogPlace) -> Vec<u8> {
    key(b'g', &[&time_key(place.at), &place.record.to_be_bytes(), &place.event.to_be_bytes()])
}

/// The two numbers with which the keys and values of events end.
fn numbers_at_end(bytes: &[u8]) -> (u64, u32) {
    let last = bytes.last_chunk::<12>().copied().unwrap_or_default();
    let (first, second) =
        (last.first_chunk().copied().unwrap_or_default(), last.last_chunk().copied().unwrap_or_default());
    (u64::from_be_bytes(first), u32::from_be_bytes(second))
}

/// Nanoseconds since 1970, so that the order of bytes is the order of time. Times beyond the years
/// 1677 to 2262 are kept at those ends.
fn time_key(at: Timestamp) -> [u8; 8] {
    let nanos = at.as_nanosecond();
    let clamped = i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX });
    (clamped.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

fn place_at_end(key: &[u8]) -> Place {
    key.last_chunk().copied().unwrap_or([0; 24])
}

fn id_at_end(key: &[u8]) -> MessageId {
    let id = key.last_chunk::<16>().copied().unwrap_or_default();
    MessageId(uuid::Uuid::from_bytes(id))
}

fn json<T: Serialize>(value: &T, what: &str) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| unreadable(what, error))
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(what, error))
}
