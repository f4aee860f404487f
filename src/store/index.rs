//! The index: ordered [keys](super::keys) by a first letter. It can be thrown away at any time and built
//! again from the journal. One batch carries a whole group of transactions together with the
//! position of its last journal record, so the index always stands at a record's end.
//!
//! | key | value |
//! |---|---|
//! | `m` id | the message |
//! | `c` created id; `s` direction status created id; `p` participant created id; `o` partner created id | – |
//! | `a` AS4 message id; `x` conversation | the messages: how many more there are, created id of each |
//! | `e` envelope id | the same; and of each sender the message that was made of it, also when that is gone |
//! | `N` key of `a`, `x` or `e`, created id, of a message that is one of those more | – |
//! | `E` key of `e`, sender, of one for whom that has no place | the message that was made of it |
//! | `h` created id, of a message that is kept back; `l` lane created id, of one that waits in it | – |
//! | `w` recipient created id, of a message that waits to be taken | – |
//! | `A` since id, of a message that awaits its message receipt | – |
//! | `f` sender created id, of a message of whose failure the sender is to be told | – |
//! | `b` payload id, id | – |
//! | `i` cause created id, of a message whose last problem is of that kind | – |
//! | `j` recipient | the access point that messages to it go to |
//! | `k` AS4 message id, party | what was answered, and when |
//! | `v` id record number; `r` record number | where the journal has that record |
//! | `g` time record number | the event's marks, and the same |
//! | `n` direction status; `n` `h`; `n` lane | how many messages |
//! | `d` created id, of a message that is over and has payloads | – |
//! | `y` | what was dropped of the journal |
//! | `q` due id | when, and in which stream |
//! | `t` name | what was noted |
//! | `u` record number, of an event of which an operator is told | where the journal has that record |
//! | `z` | the position, and what time it was there |

mod key;
mod named;
mod reading;

pub(super) use key::{Id, Lane, Of, created_key, id_of, status_prefix, tally_key, text_prefix, time_of, unhandled_key};
use key::{
    counted, due_key, duplicate_key, event_keys, id_at_end, key, log_key, log_place, marks_of, more_prefix, name_key,
    names, numbers_at_end, place_at_end, references, route_key, time_key, told_key,
};
use named::{Made, Named, Naming, New};
pub(super) use reading::Reading;

use crate::model::{
    BlobId, EnvelopeId, Event, LogPlace, Logged, Marks, Message, MessageId, ParticipantId, PartyId, Said, Stream,
    Timestamp,
};
use crate::store::course::Course;
use crate::store::disk::Disk;
use crate::store::journal::{Beginning, Position, Records, Spot};
use crate::store::keys::{Batch, Keys, Octets};
use crate::store::record::{self, Noted, Written, unreadable};
use crate::store::{Answered, DuplicateKey, Folded, HandedIn, StoreError, folded};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Changes with every change of the keys above, of the order of [`Status::ALL`](crate::model::Status::ALL) or
/// [`Stage`](crate::model::Stage), and of [`Marks`]: an index of another format is built again.
const FORMAT: u32 = 18;

/// Messages by [`tally_key`], [`HELD`], [`Lane::key`] and [`unhandled_key`].
pub(super) type Tally = BTreeMap<Vec<u8>, u64>;

/// The key of the tally of what is kept back.
pub(super) const HELD: &[u8] = b"h";

/// Start of the keys of messages that are over and have payloads.
pub(super) const ENDED_WITH_PAYLOADS: &[u8] = b"d";

/// Start of the keys of messages that await their message receipt, by the time since when they do.
const UNANSWERED: &[u8] = b"A";

/// Time and id, as they end the keys of lists: a place in the order of time.
pub(super) type Place = [u8; 24];

/// The index, open.
#[derive(Debug)]
pub(super) struct Index {
    keys: Box<dyn Keys>,
    records: Records,
    tally: Mutex<Tally>,
    course: Mutex<Option<Course>>,
    new: Mutex<New>,
    /// No message has a greater id.
    newest: Mutex<Option<MessageId>>,
}

/// Changes that become visible together.
#[derive(Debug, Default)]
pub(super) struct Stage {
    batch: Batch,
    /// By the key of an id.
    namings: Vec<(Octets, Naming)>,
    tally: BTreeMap<Vec<u8>, i64>,
    course: Option<Course>,
    /// No message of these has a greater id.
    newest: Option<MessageId>,
}

/// When work on a message is due, and where it waits for its turn.
#[derive(Deserialize, Serialize)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) stream: Stream,
    /// What the partner said to the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) said: Option<Said>,
}

#[derive(Deserialize, Serialize)]
struct Head {
    format: u32,
    position: Position,
    course: Option<Course>,
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
        let new = Mutex::new(New::of(keys.is_empty()));
        let newest = keys.below(b"m").next_back().transpose()?.map(|(key, _)| id_at_end(&key));
        let (tally, newest) = (Mutex::new(tally), Mutex::new(newest));
        let index = Self { keys, records, tally, course: Mutex::default(), new, newest };
        if let Some(head) = index.head()? {
            *index.course.lock().unwrap_or_else(PoisonError::into_inner) = head.course;
        }
        Ok(index)
    }

    /// The journal record up to which the index goes. `None`: it is new, or of another format.
    pub(super) fn position(&self) -> Result<Option<Position>, StoreError> {
        Ok(self.head()?.map(|head| head.position))
    }

    fn head(&self) -> Result<Option<Head>, StoreError> {
        let head: Option<Head> = self.value(b"z", "position")?;
        Ok(head.filter(|head| head.format == FORMAT))
    }

    /// What time it was at the last record of the index.
    pub(super) fn course(&self) -> Option<Course> {
        *self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was ever put into it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Makes the changes visible, all at once.
    pub(super) fn publish(&self, stage: Stage, position: &Position) -> Result<(), StoreError> {
        self.keys.apply(self.batch(stage, position)?)
    }

    /// Whether changes may be published now.
    ///
    /// # Errors
    ///
    /// As for [`Keys::room`].
    pub(super) fn room(&self) -> Result<(), StoreError> {
        self.keys.room()
    }

    /// As [`Self::publish`], for very many changes. `more`: others follow at once.
    pub(super) fn load(&self, stage: Stage, position: &Position, more: bool) -> Result<(), StoreError> {
        self.keys.load(self.batch(stage, position)?, more)
    }

    /// All changes, with those of ids, of the tally and of the position.
    fn batch(&self, mut stage: Stage, position: &Position) -> Result<Batch, StoreError> {
        let course = {
            let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
            *course = stage.course.or(*course);
            *course
        };
        let head = Head { format: FORMAT, position: position.clone(), course };
        stage.batch.insert(*b"z", json(&head, "position")?);
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = stage.newest.max(*newest);
        drop(newest);
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |key: &[u8]| if new.has(key) { self.keys.value(key) } else { Ok(None) };
        named::put_all(stage.namings, &mut stage.batch, read)?;
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
        // Ids grow with time: one that was given just now need not be looked for.
        if Some(id) > *self.newest.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(None);
        }
        self.value(&key(b'm', &[id.0.as_bytes()]), "message")
    }

    /// The messages of an id, in the form in which that is compared: their places, and the start of the keys of more.
    pub(super) fn named(&self, id: Id, text: &str) -> Result<(Vec<Place>, Option<Vec<u8>>), StoreError> {
        let key = name_key(id, text);
        let Named { places, more, .. } = Named::parse(self.keys.value(&key)?.as_ref())?;
        Ok((places, (more > 0).then(|| more_prefix(&key))))
    }

    /// What was answered.
    pub(super) fn answered(&self, duplicate: &DuplicateKey) -> Result<Option<Answered>, StoreError> {
        self.value(&duplicate_key(duplicate), "answer")
    }

    /// The message that this sender's envelope made, whether that is still kept or not.
    pub(super) fn handed_in(&self, from: &ParticipantId, id: &EnvelopeId) -> Result<Option<HandedIn>, StoreError> {
        let (id_text, sender) = folded(from, id);
        let key = name_key(Id::Envelope, &id_text);
        if !self.new.lock().unwrap_or_else(PoisonError::into_inner).may_have(&key) {
            return Ok(None);
        }
        let found = named::made_of(&sender, &key, |key| self.keys.value(key))?;
        Ok(found.map(|Made { place, envelope_sha256, .. }| HandedIn {
            from: from.clone(),
            envelope_id: id.clone(),
            message: id_of(&place),
            envelope_sha256,
            at: time_of(&place),
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

    /// The places before one, from `since` on, newest first, each with its event where that has the marks.
    pub(super) fn log(
        &self,
        since: Option<Timestamp>,
        before: Option<LogPlace>,
        marks: Marks,
    ) -> impl Iterator<Item = Result<(LogPlace, Option<Logged>), StoreError>> + '_ {
        let start = since.map_or_else(|| b"g".to_vec(), |at| key(b'g', &[&time_key(at)]));
        let end = before.map_or_else(|| b"h".to_vec(), log_key).max(start.clone());
        let mut read = None;
        let found = self.keys.range(Bound::Included(start), Bound::Excluded(end)).rev();
        found.map(move |entry| {
            let entry = entry?;
            let marked = marks_of(&entry.1).cover(marks);
            let logged = if marked { self.event(&entry, &mut read)? } else { None };
            Ok((log_place(&entry.0), logged))
        })
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

    /// The records that it leads to.
    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// The latest events without message, newest first.
    pub(super) fn refusals(&self, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.logged(self.keys.below(b"r").rev()).take(limit).map(|logged| Ok(logged?.event)).collect()
    }

    /// The access point that messages to `recipient` go to.
    pub(super) fn route(&self, recipient: &ParticipantId) -> Result<Option<PartyId>, StoreError> {
        let route: Option<(ParticipantId, PartyId)> = self.value(&route_key(recipient), "route")?;
        Ok(route.map(|(_, partner)| partner))
    }

    /// The access points that messages to recipients go to.
    pub(super) fn routes(&self) -> impl Iterator<Item = Result<(ParticipantId, PartyId), StoreError>> + '_ {
        self.keys.below(b"j").map(|entry| parse(&entry?.1, "route"))
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

    /// The messages of one kind of key that were created before a time, oldest first.
    pub(super) fn created_before(
        &self,
        prefix: &[u8],
        at: Timestamp,
    ) -> impl Iterator<Item = Result<MessageId, StoreError>> + '_ {
        let end = [prefix, &time_key(at)].concat();
        let range = self.keys.range(Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        range.map(|entry| Ok(id_at_end(&entry?.0)))
    }

    /// The messages that have awaited their message receipt since then or longer, longest first.
    pub(super) fn unanswered(&self, since: Timestamp) -> impl Iterator<Item = Result<MessageId, StoreError>> + '_ {
        let end = [UNANSWERED, &created_key(since, MessageId(uuid::Uuid::max()))].concat();
        let range = self.keys.range(Bound::Included(UNANSWERED.to_vec()), Bound::Included(end));
        range.map(|entry| Ok(id_at_end(&entry?.0)))
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

impl Stage {
    /// Puts what time it was.
    pub(super) fn course(&mut self, course: Option<Course>) {
        self.course = course;
    }

    /// Puts `new` in the place of `old`.
    pub(super) fn message(
        &mut self,
        old: Option<&Written<Message>>,
        written: Option<&Written<Message>>,
    ) -> Result<(), StoreError> {
        let (old, new) = (old.map(Written::value), written.map(Written::value));
        self.newest = self.newest.max(new.map(|message| message.id));
        let (before, after) = (old.map(references).unwrap_or_default(), new.map(references).unwrap_or_default());
        for gone in before.iter().filter(|key| !after.contains(key)) {
            self.batch.remove(gone.clone());
        }
        for more in after.into_iter().filter(|key| !before.contains(key)) {
            match more.first() {
                Some(b's' | b'l' | b'w' | b'h' | b'd' | b'i') => self.batch.add(more, Octets::default()),
                _ => self.batch.insert(more, Octets::default()),
            }
        }
        self.names(old, new);
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

    /// Puts by which ids it is asked for.
    fn names(&mut self, old: Option<&Message>, new: Option<&Message>) {
        let (before, after) = (old.map(names).unwrap_or_default(), new.map(names).unwrap_or_default());
        let Some(place) = new.or(old).map(|message| created_key(message.created_at, message.id)) else { return };
        let gone = before.iter().filter(|key| !after.contains(key)).map(|key| (key.clone(), Naming::Lost(place)));
        let more = after.iter().filter(|key| !before.contains(key)).map(|key| (key.clone(), Naming::Given(place)));
        self.namings.extend(gone.chain(more));
    }

    /// Puts when work is due.
    fn due(&mut self, old: Option<&Message>, new: Option<&Message>) -> Result<(), StoreError> {
        let (before, after) = (old.and_then(due_key), new.and_then(due_key));
        if let Some(gone) = before.as_ref().filter(|_| before != after) {
            self.batch.remove(gone.as_slice());
        }
        if let (Some(due), Some((new, at))) = (&after, new.and_then(|new| Some((new, new.next_attempt_at?)))) {
            let value = json(&Due { at, stream: new.into(), said: new.effort.partner_said() }, "time")?;
            if before == after {
                self.batch.insert(due.as_slice(), value)
            } else {
                self.batch.add(due.as_slice(), value)
            }
        }
        Ok(())
    }

    /// Puts what was answered; none where that is no longer known.
    pub(super) fn answered(
        &mut self,
        duplicate: &DuplicateKey,
        answered: Option<&Written<Answered>>,
    ) -> Result<(), StoreError> {
        match answered {
            Some(answered) => self.batch.insert(duplicate_key(duplicate), &*answered.json()?),
            None => self.batch.remove(duplicate_key(duplicate)),
        }
        Ok(())
    }

    /// Puts where messages to a recipient go.
    pub(super) fn route(&mut self, recipient: &ParticipantId, partner: &PartyId) -> Result<(), StoreError> {
        self.batch.insert(route_key(recipient), json(&(recipient, partner), "route")?);
        Ok(())
    }

    /// Puts which message an envelope made; none where that is no longer known.
    pub(super) fn handed_in(&mut self, (id, sender): &Folded, one: Option<&HandedIn>) {
        let naming = match one {
            None => Naming::Lapsed(sender.clone()),
            Some(HandedIn { message, envelope_sha256, at, .. }) => Naming::Made(Made {
                sender: sender.clone(),
                place: created_key(*at, *message),
                envelope_sha256: envelope_sha256.clone(),
            }),
        };
        self.namings.push((name_key(Id::Envelope, id).into(), naming));
    }

    /// Puts what was dropped of the journal.
    pub(super) fn dropped(&mut self, dropped: &Beginning) -> Result<(), StoreError> {
        self.batch.insert(*b"y", json(dropped, "note of what was dropped")?);
        Ok(())
    }

    /// Puts what was noted.
    pub(super) fn note(&mut self, name: &str, value: &Value) -> Result<(), StoreError> {
        self.batch.insert(key(b't', &[name.as_bytes()]), json(value, "note")?);
        Ok(())
    }

    /// Puts the events of a record.
    pub(super) fn events(&mut self, spot: Spot, events: &[Noted]) {
        let value = Octets::from([spot.offset.to_be_bytes().as_slice(), &spot.segment.to_be_bytes()].concat());
        for (n, event) in (0..).zip(events) {
            let marked = Octets::from([event.marks.to_bytes().as_slice(), &value].concat());
            for key in event_keys(spot.seq, n, event) {
                let value = if key.starts_with(b"g") { marked.clone() } else { value.clone() };
                self.batch.insert(key, value);
            }
        }
    }

    /// Adds the changes of another one, of other messages.
    pub(super) fn append(&mut self, mut other: Self) {
        self.batch.changes.append(&mut other.batch.changes);
        self.namings.append(&mut other.namings);
        self.newest = self.newest.max(other.newest);
        for (counted, more) in other.tally {
            *self.tally.entry(counted).or_default() += more;
        }
    }
}

fn json<T: Serialize>(value: &T, what: &str) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| unreadable(what, error))
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Index(format!("a stored {what} is unreadable: {error}")))
}
