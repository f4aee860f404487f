//! What keeps the store from growing for ever: the contents of messages that have ended, such messages themselves, the event
//! log, and what is known of duplicates each have a time after which they go.
//!
//! The event log is the journal, and goes by whole segments from its beginning. What a segment says that still has to be known
//! (messages, and which AS4 messages and envelopes were received) is written again at the journal's end before; then a record says
//! where the journal begins now, with the chain hash there; then the segment is removed. Each step may be broken off: the next start
//! or the next call goes on. Instead of being written again, what is known of duplicates lapses by a record where its time is over,
//! unless their message is kept: so nothing has to be looked for, and an index that is built again knows the same.
//!
//! All is done in small steps between other transactions. Files are removed, not overwritten: what a disk keeps of a removed
//! file is for its encryption to hide.

use crate::limits::{ANSWER_KEPT, PURGE_STEP_MESSAGES};
use crate::model::{Change, Content, Direction, Event, Message, MessageId, ParticipantId, Stage, Status, Timestamp};
use crate::store::disk::Disk;
use crate::store::embedded::EmbeddedStore;
use crate::store::index::{ENDED_WITH_PAYLOADS, Index, status_prefix};
use crate::store::journal::{self, Beginning, ChainHash};
use crate::store::record::{Noted, Record, Written, unreadable};
use crate::store::{DuplicateKey, EnvelopeKey, HandedIn, Lapsing, Store, StoreError, Transaction, Upkeep};
use std::collections::BTreeSet;
use std::path::Path;

/// What may go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// Payloads of messages that have ended and were created before; none: they stay.
    pub contents_before: Option<Timestamp>,
    /// Messages that have ended and were created before, with their payloads; none: they stay.
    pub messages_before: Option<Timestamp>,
    /// Events recorded before; none: they stay.
    pub log_before: Option<Timestamp>,
    /// That AS4 messages were received and envelopes handed in before is forgotten when the events of that time go, unless their
    /// message is kept; none: it is known for ever.
    pub duplicates_before: Option<Timestamp>,
}

/// What went in one step.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Purged {
    /// Messages whose payloads went.
    pub contents: usize,
    /// Messages.
    pub messages: usize,
    /// Records of the event log.
    pub records: usize,
}

impl std::ops::AddAssign for Purged {
    fn add_assign(&mut self, more: Self) {
        self.contents += more.contents;
        self.messages += more.messages;
        self.records += more.records;
    }
}

impl Purged {
    /// Whether there may be more to do at once.
    pub fn is_anything(self) -> bool {
        self != Self::default()
    }
}

impl EmbeddedStore {
    /// One small step of what may go. To be called again while it did something.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`]. What was done before is done.
    pub(super) fn purge_step(&self, retention: &Retention) -> Result<Purged, StoreError> {
        // Neither two at once, nor beside a backup, which copies segments.
        let Some(_alone) = self.try_alone() else { return Ok(Purged::default()) };
        Ok(Purged {
            contents: retention.contents_before.map_or(Ok(0), |at| self.purge_contents(at))?,
            messages: retention.messages_before.map_or(Ok(0), |at| self.purge_messages(at))?,
            records: retention.log_before.map_or(Ok(0), |at| self.purge_segment(at, retention.duplicates_before))?,
        })
    }

    /// Notes that an operator says that the wall clock is right, however far it is ahead of what the records expect.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`].
    pub fn vouch_for_clock(&self) -> Result<(), StoreError> {
        let event = Event::new(self.now(), None, Stage::Purged, "an operator says that the clock is right");
        let upkeep = Some(Box::new(Upkeep { clock_is_right: true, ..Upkeep::default() }));
        self.commit(Transaction { events: vec![event], upkeep, ..Transaction::default() }).map(drop)
    }

    fn purge_contents(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut empty = Vec::new();
        self.find(ENDED_WITH_PAYLOADS, before, &mut empty)?;
        let count = empty.len();
        self.kept_up(Upkeep { empty, ..Upkeep::default() }, count, |event| {
            Event { detail: format!("the contents of {count} messages were removed"), ..event.fact("contents", count) }
                .fact("created_before", before)
        })
    }

    fn purge_messages(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut forget: Vec<MessageId> = Vec::new();
        let ended = Status::ALL.into_iter().filter(|status| status.is_final());
        for prefix in ended.flat_map(|status| [Direction::Out, Direction::In].map(|way| status_prefix(way, status))) {
            self.find(&prefix, before, &mut forget)?;
        }
        let count = forget.len();
        self.kept_up(Upkeep { forget, ..Upkeep::default() }, count, |event| {
            Event { detail: format!("{count} messages that had ended were removed"), ..event.fact("messages", count) }
                .fact("created_before", before)
        })
    }

    /// Adds messages of one kind of key that were created before then, are over and nobody's, as many as one step takes.
    fn find(&self, prefix: &[u8], before: Timestamp, found: &mut Vec<MessageId>) -> Result<(), StoreError> {
        for id in self.index().created_before(prefix, before) {
            if found.len() >= PURGE_STEP_MESSAGES {
                break;
            }
            let message = self.message(id?)?.filter(Message::is_over);
            let free = |message: &Message| message.lease_until.is_none_or(|until| until <= self.steady());
            found.extend(message.filter(free).map(|message| message.id));
        }
        Ok(())
    }

    /// Removes the oldest segment, if every record in it is older.
    fn purge_segment(&self, before: Timestamp, keys_before: Option<Timestamp>) -> Result<usize, StoreError> {
        let (medium, folder) = self.segments();
        let Some(open) = self.index().position()?.map(|position| position.segment) else { return Ok(0) };
        let Some(oldest) = journal::segments(&*medium.disk, folder)?.first().copied().filter(|first| *first < open)
        else {
            return Ok(0);
        };
        let read = Segment::read(&*medium.disk, folder, self.hash(), oldest)?;
        if read.newest.is_none_or(|newest| newest >= before) {
            return Ok(0);
        }
        let receipts_before = self.now().checked_sub(ANSWER_KEPT).unwrap_or(Timestamp::MIN);
        let lapsing = Lapsing { receipts_before, keys_before };
        for carry in read.messages.chunks(PURGE_STEP_MESSAGES) {
            self.carry(Upkeep { carry: carry.to_vec(), ..Upkeep::default() })?;
        }
        for answers in read.answers.chunks(PURGE_STEP_MESSAGES) {
            self.carry(Upkeep { answers: answers.to_vec(), lapsing, ..Upkeep::default() })?;
        }
        for envelopes in read.envelopes.chunks(PURGE_STEP_MESSAGES) {
            self.carry(Upkeep { envelopes: envelopes.to_vec(), lapsing, ..Upkeep::default() })?;
        }
        for routes in read.routes.chunks(PURGE_STEP_MESSAGES) {
            self.carry(Upkeep { routes: routes.to_vec(), ..Upkeep::default() })?;
        }
        self.carry(Upkeep { notes: read.notes.iter().cloned().collect(), ..Upkeep::default() })?;
        let (count, last) = (read.events.len(), read.beginning.clone());
        self.kept_up(Upkeep { dropped: Some(last.clone()), ..Upkeep::default() }, count, |event| {
            let event = Event { detail: format!("the event log up to record {} was removed", last.records), ..event };
            let event = event.fact("records", last.records).fact("chain", &last.chain);
            keys_before.into_iter().fold(event, |event, before| event.fact("duplicates_before", before))
        })?;
        // A crash must not leave an index that is behind what the journal still has.
        self.index().flush()?;
        read.remove(&*medium.disk, folder, self.index())?;
        Ok(count)
    }

    fn carry(&self, upkeep: Upkeep) -> Result<(), StoreError> {
        self.commit(Transaction { upkeep: Some(Box::new(upkeep)), ..Transaction::default() }).map(drop)
    }

    /// Commits what removes `count` things, with an event that says so. Where somebody has taken up one of them meanwhile, nothing
    /// happens: another time.
    fn kept_up(&self, upkeep: Upkeep, count: usize, told: impl FnOnce(Event) -> Event) -> Result<usize, StoreError> {
        if count == 0 {
            return Ok(0);
        }
        let event = told(Event::new(self.now(), None, Stage::Purged, ""));
        let transaction = Transaction { events: vec![event], upkeep: Some(Box::new(upkeep)), ..Transaction::default() };
        match self.commit(transaction) {
            Err(StoreError::Busy(_)) => Ok(0),
            committed => committed.map(|_| count),
        }
    }
}

/// Ends what a crash broke off: segments that the journal's record says are gone, and are not.
///
/// # Errors
///
/// [`StoreError::Damaged`] when segments are missing of which no record says that they went, and when the first one does not
/// continue the chain that was noted.
pub(super) fn resume(disk: &dyn Disk, folder: &Path, hash: ChainHash, index: &Index) -> Result<(), StoreError> {
    let (dropped, found) = (index.dropped()?, journal::beginning(disk, folder)?);
    let gone = dropped.as_ref().map_or(0, |dropped| dropped.segment);
    if let Some((what, place)) = found.and_then(|found| found.damage(folder, dropped.as_ref())) {
        return Err(StoreError::Damaged { what, place });
    }
    for number in journal::segments(disk, folder)?.into_iter().filter(|number| *number <= gone) {
        Segment::read(disk, folder, hash, number)?.remove(disk, folder, index)?;
    }
    Ok(())
}

/// What is in one segment.
#[derive(Debug, Default)]
struct Segment {
    number: u32,
    /// When its last record was written.
    newest: Option<Timestamp>,
    /// The beginning of the journal up to its end.
    beginning: Beginning,
    /// Messages whose whole state is in it.
    messages: Vec<MessageId>,
    /// AS4 messages that were received.
    answers: Vec<DuplicateKey>,
    /// Envelopes that were handed in.
    envelopes: Vec<EnvelopeKey>,
    /// Recipients of whom it says where messages to them go.
    routes: Vec<ParticipantId>,
    /// Names of notes.
    notes: BTreeSet<String>,
    /// Events, by record.
    events: Vec<(u64, Vec<Noted>)>,
}

impl Segment {
    fn read(disk: &dyn Disk, folder: &Path, hash: ChainHash, number: u32) -> Result<Self, StoreError> {
        let mut segment = Self { number, ..Self::default() };
        journal::segment(disk, folder, hash, number, &mut |position, payload| {
            let Record { log, state } =
                Record::<Noted>::decode(payload).map_err(|error| unreadable("transaction", error))?;
            segment.newest = Some(log.at);
            segment.beginning = Beginning::up_to(position);
            let whole = || state.inserts.iter().chain(&state.carried).map(Written::value);
            segment.messages.extend(whole().map(|message| message.id));
            let handed_in = whole().filter_map(HandedIn::of).chain(state.handed_in.iter().cloned());
            segment.envelopes.extend(handed_in.map(|one| (one.from, one.envelope_id)));
            segment.answers.extend(state.answered.into_iter().chain(state.answers).map(|(key, _)| key));
            segment.routes.extend(state.routes.into_iter().map(|(recipient, _)| recipient));
            segment.notes.extend(state.notes.into_keys());
            segment.events.push((position.seq, log.events));
            Ok(())
        })?;
        Ok(segment)
    }

    /// Removes it, and what the index says of its events.
    fn remove(&self, disk: &dyn Disk, folder: &Path, index: &Index) -> Result<(), StoreError> {
        self.events.chunks(PURGE_STEP_MESSAGES).try_for_each(|events| index.remove_events(events))?;
        journal::remove(disk, folder, self.number)
    }
}

impl Lapsing {
    /// Whether a duplicate of what came at this time is still known. `kept`: its message is.
    pub(super) fn is_known(&self, kept: bool, at: Timestamp) -> bool {
        kept || self.keys_before.is_none_or(|before| at >= before)
    }
}

/// What takes the payloads out of a message.
pub(super) fn without_payloads(message: &Message) -> Vec<Change> {
    let mut changes = Vec::new();
    if message.packed.is_some() {
        changes.push(Change::Packed(None));
    }
    if message.envelope.is_some() {
        changes.push(Change::EnvelopeGone);
    }
    if let Some(content) = message.content.as_ref().filter(|content| content.payload.is_some()) {
        changes.push(Change::Content(Box::new(Content { payload: None, ..content.clone() })));
    }
    changes
}
