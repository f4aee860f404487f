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
//! | `v` id record number; `r` record number | the event |
//! | `g` time record number | the message of that event, none for one without |
//! | `n` direction status; `n` `h`; `n` lane | how many messages |
//! | `d` created id, of a message that has ended and has payloads | – |
//! | `y` | what was dropped of the journal |
//! | `q` due id | when, and in which stream |
//! | `z` | the position |

use crate::model::{
    Axis, BlobId, Direction, Event, LogPlace, Logged, Message, MessageId, Outcome, Status, Stream, Timestamp,
};
use crate::store::disk::Disk;
use crate::store::journal::{Beginning, Position};
use crate::store::keys::{Batch, Keys};
use crate::store::record::{Written, unreadable};
use crate::store::{Answered, DuplicateKey, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Changes with every change of the keys above or of the order of [`Status::ALL`]: an index of
/// another format is built again.
const FORMAT: u32 = 7;

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
    tally: Mutex<Tally>,
}

/// Changes that become visible together.
#[derive(Debug, Default)]
pub(super) struct Stage {
    batch: Batch,
    tally: BTreeMap<Vec<u8>, i64>,
    /// Payloads that a message no longer refers to.
    pub(super) dropped: Vec<BlobId>,
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
    /// Opens or creates the index.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it: it is then to be moved aside.
    pub(super) fn open(disk: &dyn Disk, folder: &Path) -> Result<Self, StoreError> {
        let keys = disk.index(folder)?;
        let mut tally = Tally::new();
        for entry in keys.below(b"n") {
            let (key, value) = entry?;
            if let Ok(count) = <[u8; 8]>::try_from(value.as_ref()) {
                tally.insert(key[1..].to_vec(), u64::from_be_bytes(count));
            }
        }
        Ok(Self { keys, tally: Mutex::new(tally) })
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
    pub(super) fn publish(&self, mut stage: Stage, position: &Position) -> Result<(), StoreError> {
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
        self.keys.apply(stage.batch)
    }

    /// One message.
    pub(super) fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.value(&key(b'm', &[id.0.as_bytes()]), "message")
    }

    /// What was answered.
    pub(super) fn answered(&self, duplicate: &DuplicateKey) -> Result<Option<Answered>, StoreError> {
        self.value(&duplicate_key(duplicate), "answer")
    }

    /// Whether a message refers to the payload.
    pub(super) fn refers_to(&self, blob: BlobId) -> Result<bool, StoreError> {
        Ok(self.keys.below(&key(b'b', &[blob.0.as_bytes()])).next().transpose()?.is_some())
    }

    /// The events of a message, oldest first.
    pub(super) fn events(&self, id: MessageId) -> Result<Vec<Event>, StoreError> {
        self.keys.below(&key(b'v', &[id.0.as_bytes()])).map(|entry| parse(&entry?.1, "event")).collect()
    }

    /// The events of a message, newest first.
    pub(super) fn log_of(&self, id: MessageId) -> impl Iterator<Item = Result<Logged, StoreError>> + '_ {
        self.keys.below(&key(b'v', &[id.0.as_bytes()])).rev().map(|entry| {
            let (key, value) = entry?;
            logged(&key, &value)
        })
    }

    /// The events before a place, from `since` on, newest first.
    pub(super) fn log(
        &self,
        since: Option<Timestamp>,
        before: Option<LogPlace>,
    ) -> impl Iterator<Item = Result<Logged, StoreError>> + '_ {
        let start = since.map_or_else(|| b"g".to_vec(), |at| key(b'g', &[&time_key(at)]));
        let end = before.map_or_else(|| b"h".to_vec(), log_key).max(start.clone());
        self.keys.range(Bound::Included(start), Bound::Excluded(end)).rev().map(|entry| {
            let (place, id) = entry?;
            let number = place.last_chunk::<12>().copied().unwrap_or_default();
            let kind = if id.is_empty() { b'r' } else { b'v' };
            let key = key(kind, &[&id, &number]);
            let value = self.keys.value(&key)?.ok_or_else(|| {
                StoreError::io("the index", std::io::Error::other("it names an event that it does not have"))
            })?;
            logged(&key, &value)
        })
    }

    /// The latest events without message, newest first.
    pub(super) fn refusals(&self, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.keys.below(b"r").rev().take(limit).map(|entry| parse(&entry?.1, "event")).collect()
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
    pub(super) fn remove_events(&self, records: &[(u64, Vec<Event>)]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (seq, events) in records {
            for (n, event) in (0..).zip(events) {
                batch.remove(log_key(LogPlace { at: event.at, record: *seq, event: n }));
                batch.remove(event_key(*seq, n, event));
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

impl Stage {
    /// Puts `new` in the place of `old`.
    pub(super) fn message(
        &mut self,
        old: Option<&Message>,
        written: Option<&Written<Message>>,
    ) -> Result<(), StoreError> {
        let new = written.map(|written| &written.value);
        let (before, after) = (old.map(references).unwrap_or_default(), new.map(references).unwrap_or_default());
        for gone in before.difference(&after) {
            self.batch.remove(gone.as_slice());
        }
        for more in after.difference(&before) {
            match more.first() {
                Some(b's' | b'l' | b'w' | b'h' | b'd') => self.batch.add(more.as_slice(), []),
                _ => self.batch.insert(more.as_slice(), []),
            }
        }
        self.due(old, new)?;
        let remain = new.map(Message::payloads).unwrap_or_default();
        self.dropped.extend(old.map(Message::payloads).unwrap_or_default().difference(&remain));
        for gone in old.map(counted).unwrap_or_default() {
            *self.tally.entry(gone).or_default() -= 1;
        }
        for more in new.map(counted).unwrap_or_default() {
            *self.tally.entry(more).or_default() += 1;
        }
        match (old, written) {
            (_, Some(new)) => self.batch.insert(key(b'm', &[new.value.id.0.as_bytes()]), new.json()),
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
    pub(super) fn answered(&mut self, duplicate: &DuplicateKey, answered: &Written<Answered>) {
        self.batch.insert(duplicate_key(duplicate), answered.json());
    }

    /// Puts what was dropped of the journal.
    pub(super) fn dropped(&mut self, dropped: &Beginning) -> Result<(), StoreError> {
        self.batch.insert(*b"y", json(dropped, "note of what was dropped")?);
        Ok(())
    }

    /// Puts an event, the `n`th of record `seq`.
    pub(super) fn event(&mut self, seq: u64, n: u32, written: &Written<Event>) {
        let event = &written.value;
        let id = event.message.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default();
        self.batch.insert(log_key(LogPlace { at: event.at, record: seq, event: n }), id);
        self.batch.insert(event_key(seq, n, event), written.json());
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

/// Every key without value that leads to a message.
fn references(message: &Message) -> BTreeSet<Vec<u8>> {
    let (id, created) = (message.id.0.as_bytes().as_slice(), created_key(message.created_at, message.id));
    let by = |kind, text: &str| [text_prefix(kind, text).as_slice(), &created].concat();
    let mut keys = BTreeSet::from([
        key(b'c', &[&created]),
        key(b's', &[&tally_key(message.direction, message.status), &created]),
        by(b'e', &message.envelope_id.folded()),
        by(b'p', &message.from.folded()),
        by(b'p', &message.to.folded()),
    ]);
    if message.is_waiting() {
        keys.insert(by(b'w', &message.to.folded()));
    }
    if message.has_notice() {
        keys.insert(by(b'f', &message.from.folded()));
    }
    if message.is_held() {
        keys.insert(key(HELD[0], &[&created]));
    }
    if message.status.is_final() && !message.payloads().is_empty() {
        keys.insert(key(ENDED_WITH_PAYLOADS[0], &[&created]));
    }
    keys.extend(message.partner.as_ref().map(|partner| by(b'o', partner.as_str())));
    keys.extend(message.as4_message_id.as_ref().map(|as4| by(b'a', as4.as_str())));
    keys.extend(message.conversations().map(|conversation| by(b'x', conversation)));
    lanes(message, &mut |lane| {
        keys.insert([lane.prefix().as_slice(), &created].concat());
    });
    keys.extend(message.payloads().iter().map(|blob| key(b'b', &[blob.0.as_bytes(), id])));
    keys
}

fn due_key(message: &Message) -> Option<Vec<u8>> {
    message.next_attempt_at.map(|at| key(b'q', &[&time_key(at), message.id.0.as_bytes()]))
}

fn duplicate_key(duplicate: &DuplicateKey) -> Vec<u8> {
    [text_prefix(b'k', duplicate.id.as_str()).as_slice(), duplicate.from.as_str().as_bytes()].concat()
}

fn event_key(seq: u64, n: u32, event: &Event) -> Vec<u8> {
    let (seq, n) = (seq.to_be_bytes(), n.to_be_bytes());
    match event.message {
        Some(id) => key(b'v', &[id.0.as_bytes(), &seq, &n]),
        None => key(b'r', &[&seq, &n]),
    }
}

fn log_key(place: LogPlace) -> Vec<u8> {
    key(b'g', &[&time_key(place.at), &place.record.to_be_bytes(), &place.event.to_be_bytes()])
}

/// An event with its place, from a key that ends with the number of its record and its place in that.
fn logged(key: &[u8], value: &[u8]) -> Result<Logged, StoreError> {
    let event: Event = parse(value, "event")?;
    let place = key.last_chunk::<12>().copied().unwrap_or_default();
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (record, n) = (number(&place[..8]), u32::try_from(number(&place[8..])).unwrap_or(u32::MAX));
    Ok(Logged { record, place: LogPlace { at: event.at, record, event: n }, event })
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
