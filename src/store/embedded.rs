//! The embedded store: the journal is the truth, the index follows it, one thread writes.
//!
//! Folders below the data folder: `journal/`, `index/` (may be deleted while nothing runs),
//! `blobs/`; files: `lock`, `index.state`.

use crate::limits::{CLAIM_OVERDUE_MAX, DUE_AFTER_START_MAX, STORE_QUEUE_MAX, UNREADABLE_PASSED_MAX, UNREADABLE_PAUSE};
use crate::metrics;
use crate::model::{
    Axis, BlobId, Clock, Counted, Counts, Depth, Direction, Event, Lane, LogPage, LogQuery, Logged, Message, MessageId,
    Page, ParticipantId, PartyId, Query, Said, Timestamp, Tried, Warrant,
};
use crate::store::answer::{Awaited, answer};
use crate::store::backup::{self, BackedUp};
use crate::store::blob::Blobs;
use crate::store::course::Course;
use crate::store::disk::Medium;
use crate::store::index::Index;
use crate::store::journal::{ChainHash, Found, Journal, Position, Syncs};
use crate::store::queue::Queue;
use crate::store::record::Prepared;
use crate::store::retention::{Purged, Retention};
use crate::store::start::open_index;
use crate::store::state::{Closing, clear_aside};
use crate::store::writer::{Command, Shared, Writer};
use crate::store::{
    Admission, Answered, Committed, DuplicateKey, LaneLoad, Store, StoreError, Transaction, log, query, retention,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What was found and done on opening, for the log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Opening {
    /// The journal: its last record, and the torn tail that was cut.
    pub journal: Found,
    /// Why the index was built again, where it was.
    pub rebuilt: Option<String>,
    /// Records that the index or `index.state` had seen and the journal no longer has, which was accepted
    /// ([`Making::Accepting`]). The index that has seen them is kept as `index.lost`.
    pub lost: u64,
    /// What the journal says of time; nothing while it is empty.
    pub course: Option<Course>,
    /// Payloads removed because nothing refers to them; moved to `blobs/lost` instead where records are
    /// lost, a tail was torn or the journal is new.
    pub orphans: u64,
}

/// What becomes of the index on opening.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Making {
    /// It is built again where it has to be.
    Needed,
    /// It is built again, whatever it is like.
    Anew,
    /// As [`Self::Anew`], and the store goes on with what the journal has, where that lost its end. A record of the journal, with an
    /// event, is what accepts it: by whom, and why.
    Accepting(Warrant),
}

/// The store in files of one folder, for one process.
pub struct EmbeddedStore {
    writing: Writing,
    syncs: Syncs,
    /// Where the journal's segments are.
    segments: (Medium, PathBuf),
    hash: ChainHash,
    /// Held by who removes segments, and by who needs them all.
    purging: Mutex<()>,
    folder: PathBuf,
    shared: Arc<Shared>,
}

/// Where the writer works.
enum Writing {
    /// In a thread of its own, for whoever sends.
    Beside(Option<(SyncSender<Command>, JoinHandle<()>)>),
    /// In the thread of whoever commits.
    InPlace(Box<Mutex<Writer>>),
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("blobs", &self.shared.blobs).finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store in `folder` or creates it. `hash` chains the records of the journal and must
    /// stay the same over the life of the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while another process has it open, [`StoreError::Damaged`] when the
    /// journal does not hold, [`StoreError::Gone`] when it is there no more, [`StoreError::EndLost`] when its end is not. An index
    /// that does not hold is built again.
    pub fn open(folder: &Path, hash: ChainHash, clock: Arc<dyn Clock>) -> Result<(Self, Opening), StoreError> {
        Self::open_telling(&Medium::system(), folder, hash, clock, Making::Needed, &mut |_| {})
    }

    /// As [`Self::open`] on any medium, and tells each journal record up to which the index has been brought.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn open_telling(
        medium: &Medium,
        folder: &Path,
        hash: ChainHash,
        clock: Arc<dyn Clock>,
        making: Making,
        tell: Tell<'_>,
    ) -> Result<(Self, Opening), StoreError> {
        let (shared, journal, opening) = open_files(medium, folder, hash, clock, making, tell)?;
        Ok((Self::start(shared, journal)?, opening))
    }

    /// Copies the store into the folder `to` while it goes on: closed segments and payloads are linked where the file system
    /// can, since nobody writes to them again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unfit`] when `to` is not empty or another backup is under way.
    pub fn backup(&self, to: &Path) -> Result<BackedUp, StoreError> {
        self.running()?;
        let _all = self.alone();
        let keeping = self.shared.blobs.keep_all()?;
        let position = self.shared.heed(self.shared.index.position())?;
        let backed_up = backup::write(&self.folder, to, position.as_ref(), self.shared.clock.now());
        drop(keeping);
        backed_up
    }

    /// As [`Self::open_telling`], without telling and without a thread: who commits writes, in the order of the calls.
    pub fn open_in_place(
        medium: &Medium,
        folder: &Path,
        hash: ChainHash,
        clock: Arc<dyn Clock>,
        making: Making,
    ) -> Result<(Self, Opening), StoreError> {
        let (shared, journal, opening) = open_files(medium, folder, hash, clock, making, &mut |_| {})?;
        let store = Self::with(shared, journal, |writer| Ok(Writing::InPlace(Box::new(Mutex::new(writer)))))?;
        Ok((store, opening))
    }

    /// Starts the writer.
    pub(super) fn start(shared: Shared, journal: Journal) -> Result<Self, StoreError> {
        Self::with(shared, journal, |writer| {
            let (commands, received) = sync_channel(STORE_QUEUE_MAX);
            let thread = thread::Builder::new().name("store".into()).spawn(move || writer.run(&received));
            let thread = thread.map_err(|source| StoreError::io("start the store's thread", source))?;
            Ok(Writing::Beside(Some((commands, thread))))
        })
    }

    fn with(
        shared: Shared,
        journal: Journal,
        writing: impl FnOnce(Writer) -> Result<Writing, StoreError>,
    ) -> Result<Self, StoreError> {
        let (shared, syncs, segments, hash) = (Arc::new(shared), journal.syncs(), journal.place(), journal.hash());
        let folder = shared.closing.folder().to_owned();
        let writing = writing(Writer { shared: Arc::clone(&shared), journal })?;
        Ok(Self { writing, syncs, segments, hash, purging: Mutex::default(), folder, shared })
    }

    /// Nobody else removes segments or needs them all; none where somebody does.
    pub(super) fn try_alone(&self) -> Option<MutexGuard<'_, ()>> {
        self.purging.try_lock().ok()
    }

    /// As [`Self::try_alone`], once nobody else does.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        self.purging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index.
    pub(super) fn index(&self) -> &Index {
        &self.shared.index
    }

    /// Where the journal's segments are.
    pub(super) fn segments(&self) -> (&Medium, &Path) {
        (&self.segments.0, &self.segments.1)
    }

    /// The hash that chains the records.
    pub(super) fn hash(&self) -> ChainHash {
        self.hash
    }

    /// The time by which leases are measured.
    pub(super) fn steady(&self) -> Timestamp {
        self.shared.clock.steady()
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn write(&self, transactions: Vec<Transaction>) -> Vec<Result<Committed, StoreError>> {
        match &self.writing {
            Writing::InPlace(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                let mut transactions = transactions.into_iter().map(Prepared::new).peekable();
                let mut outcomes = Vec::new();
                while transactions.peek().is_some() {
                    outcomes.extend(writer.group(transactions.by_ref()));
                }
                outcomes
            }
            Writing::Beside(running) => {
                let send = |transaction| {
                    let (answer, outcome) = answer();
                    let (commands, _) = running.as_ref()?;
                    commands.send(Command { transaction: Prepared::new(transaction), answer }).ok()?;
                    Some(outcome)
                };
                let outcomes: Vec<_> = transactions.into_iter().map(send).collect();
                let receive = |outcome: Option<Awaited<_>>| outcome.and_then(Awaited::wait);
                outcomes.into_iter().map(|one| receive(one).unwrap_or_else(|| Err(self.ended()))).collect()
            }
        }
    }

    /// The number of the last record that is durable, and the chain hash with it.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn head(&self) -> Result<Option<(u64, [u8; 32])>, StoreError> {
        let position = self.shared.heed(self.shared.index.position())?;
        Ok(position.map(|position| (position.seq, position.chain)))
    }

    /// How often the journal was synced since the start: once for each group of transactions.
    pub fn syncs(&self) -> u64 {
        self.syncs.count.load(Ordering::Relaxed)
    }

    fn running(&self) -> Result<(), StoreError> {
        self.shared.stopped.get().map_or(Ok(()), |reason| Err(StoreError::Stopped(reason.clone())))
    }

    fn ended(&self) -> StoreError {
        StoreError::Stopped(self.stopped().unwrap_or_else(|| "its writer has ended".into()))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message to a worker. One that cannot be read is set aside, so that it keeps no other from being taken.
    fn hold(&self, queue: &mut Queue, id: MessageId, now: Timestamp, lease: Duration) -> Result<Message, StoreError> {
        let read = self.shared.heed(self.shared.index.message(id));
        let message = read.and_then(|message| message.ok_or(StoreError::Unknown(id))).inspect_err(|error| {
            queue.set_aside(id, now.saturating_add(UNREADABLE_PAUSE).unwrap_or(Timestamp::MAX));
            let seconds = UNREADABLE_PAUSE.as_secs();
            tracing::error!(message = %id, %error, "a message that waits cannot be read; in {seconds} s it is read again");
        })?;
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        // It names the claim, so no two claims on one message may have the same.
        let last = queue.lease(id).and_then(|last| last.checked_add(Duration::from_nanos(1)).ok());
        let until = last.map_or(until, |last| last.max(until));
        queue.hold(id, until);
        Ok(Message { lease_until: Some(until), partner: partner_of(queue, &message), ..message })
    }

    /// Adds what is known of it beside what is stored.
    fn completed(&self, message: Message) -> Message {
        let queue = self.queue();
        let next_attempt_at = message.next_attempt_at.map(|at| queue.due(message.id).unwrap_or(at));
        let (lease_until, partner) = (queue.lease(message.id), partner_of(&queue, &message));
        Message { lease_until, partner, next_attempt_at, ..message }
    }
}

impl Store for EmbeddedStore {
    fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        self.commit_together(vec![transaction]).pop().unwrap_or_else(|| Err(self.ended()))
    }

    fn commit_together(&self, transactions: Vec<Transaction>) -> Vec<Result<Committed, StoreError>> {
        let payloads: Vec<Vec<BlobId>> = transactions.iter().map(Transaction::payloads).collect();
        let outcomes = self.write(transactions);
        for (outcome, payloads) in outcomes.iter().zip(payloads) {
            if outcome.as_ref().is_err_and(|error| !matches!(error, StoreError::Stopped(_))) {
                self.shared.remove_unnamed(payloads);
            }
        }
        outcomes
    }

    fn claim_admitted(
        &self,
        now: Timestamp,
        lease: Duration,
        admit: &mut dyn FnMut(&Lane, usize) -> Admission,
    ) -> Result<Option<(Message, Admission)>, StoreError> {
        self.running()?;
        let mut queue = self.queue();
        for left in (0..UNREADABLE_PASSED_MAX).rev() {
            let Some((id, admission)) = queue.next(now, admit) else { return Ok(None) };
            match self.hold(&mut queue, id, now, lease) {
                Ok(message) => return Ok(Some((message, admission))),
                Err(error) if left == 0 => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    fn claim_overdue(
        &self,
        now: Timestamp,
        lease: Duration,
        before: &dyn Fn(&Lane) -> Option<Timestamp>,
    ) -> Result<Vec<(Lane, Message)>, StoreError> {
        self.running()?;
        let mut queue = self.queue();
        let (mut held, mut unreadable) = (Vec::new(), 0);
        for (lane, id) in queue.overdue(now, before, CLAIM_OVERDUE_MAX) {
            match self.hold(&mut queue, id, now, lease) {
                Ok(message) => held.push((lane, message)),
                Err(_) if unreadable < UNREADABLE_PASSED_MAX => unreadable += 1,
                Err(error) if held.is_empty() => return Err(error),
                // Those before it are somebody's now.
                Err(_) => break,
            }
        }
        Ok(held)
    }

    fn unclaim(&self, id: MessageId, claim: Timestamp) {
        let mut queue = self.queue();
        if queue.lease(id) == Some(claim) {
            queue.release(id);
        }
    }

    fn route(&self, recipient: &ParticipantId, partner: &PartyId) -> Result<(), StoreError> {
        if self.queue().route_of(recipient) == Some(partner) {
            return Ok(());
        }
        self.commit(Transaction { routes: vec![(recipient.clone(), partner.clone())], ..Transaction::default() })
            .map(drop)
    }

    fn lanes(&self) -> Vec<LaneLoad> {
        self.queue().loads()
    }

    fn said(&self) -> &BTreeMap<Lane, Said> {
        &self.shared.said
    }

    fn lane_of(&self, id: MessageId) -> Option<Lane> {
        self.queue().lane_of(id)
    }

    fn ask(&self, lane: &Lane) {
        self.queue().ask(lane);
    }

    fn first_of(&self, lane: &Lane) -> Option<MessageId> {
        self.queue().first_of(lane)
    }

    fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.running()?;
        Ok(self.queue().next_due())
    }

    fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.shared.heed(self.shared.index.message(id))?.map(|message| self.completed(message)))
    }

    fn page(&self, query: &Query) -> Result<Page, StoreError> {
        let page = self.shared.heed(query::page(&self.shared.index, query))?;
        Ok(Page { messages: page.messages.into_iter().map(|message| self.completed(message)).collect(), ..page })
    }

    fn count(&self, query: &Query) -> Result<Counted, StoreError> {
        self.shared.heed(query::count(&self.shared.index, query))
    }

    fn unhandled(&self, cause: Option<&str>) -> u64 {
        query::unhandled(&self.shared.index, cause)
    }

    fn waiting(&self, participant: &ParticipantId, after: Option<MessageId>) -> Result<Vec<Message>, StoreError> {
        let waiting = self.shared.heed(query::waiting(&self.shared.index, participant, after))?;
        Ok(waiting.into_iter().map(|message| self.completed(message)).collect())
    }

    fn notices(&self, participant: &ParticipantId, after: Option<MessageId>) -> Result<Vec<Message>, StoreError> {
        let failed = self.shared.heed(query::notices(&self.shared.index, participant, after))?;
        Ok(failed.into_iter().map(|message| self.completed(message)).collect())
    }

    fn unanswered(&self, since: Timestamp) -> Result<Vec<Message>, StoreError> {
        let read = |id| self.shared.heed(self.shared.index.message(id));
        self.shared.heed(query::unanswered(&self.shared.index, since, read))
    }

    fn events(&self, id: MessageId) -> Result<Vec<Event>, StoreError> {
        self.shared.heed(self.shared.index.events(id))
    }

    fn log(&self, query: &LogQuery) -> Result<LogPage, StoreError> {
        self.shared.heed(log::page(&self.shared.index, query))
    }

    fn refusals(&self, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.shared.heed(self.shared.index.refusals(limit))
    }

    fn last_record(&self) -> u64 {
        self.shared.records.load(Ordering::Relaxed)
    }

    fn told(&self, after: (u64, u32), limit: usize) -> Result<Vec<Logged>, StoreError> {
        self.shared.heed(self.shared.index.told(after, limit))
    }

    fn note(&self, name: &str) -> Result<Option<serde_json::Value>, StoreError> {
        self.shared.heed(self.shared.index.note(name))
    }

    fn answered(&self, key: &DuplicateKey) -> Result<Option<Answered>, StoreError> {
        self.shared.heed(self.shared.index.answered(key))
    }

    fn depths_of(&self, axis: Axis, asked: &dyn Fn(Direction, &str) -> bool) -> Result<Vec<Depth>, StoreError> {
        self.shared.heed(query::depths(&self.shared.index, axis, asked))
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        let (by_status, held) = self.shared.heed(query::counts(&self.shared.index))?;
        Ok(Counts { by_status, held, free_bytes: self.shared.blobs.free_bytes()?, journal_records: self.last_record() })
    }

    fn purge(&self, retention: &Retention) -> Result<Purged, StoreError> {
        self.running()?;
        self.shared.heed(self.purge_step(retention))
    }

    fn journal(&self) -> metrics::Journal {
        let (medium, folder) = &self.segments;
        // What cannot be listed now is listed the next time.
        let names = medium.disk.names(folder).unwrap_or_default();
        let sizes = names.iter().map(|name| medium.disk.bytes(&folder.join(name)).unwrap_or(0));
        metrics::Journal {
            segments: names.len() as u64,
            bytes: sizes.sum(),
            syncs: self.syncs.took.clone(),
            damaged: 0,
        }
    }

    fn probe(&self) -> Result<Duration, StoreError> {
        let noted = self.shared.closing.note(self.last_record());
        noted.map_err(|source| StoreError::io(format!("write a file in {}", self.folder.display()), source))
    }

    fn stopped(&self) -> Option<String> {
        self.shared.stopped.get().cloned()
    }

    fn course(&self) -> Option<Course> {
        self.shared.index.course()
    }

    fn blobs(&self) -> &Blobs {
        &self.shared.blobs
    }
}

impl Drop for EmbeddedStore {
    /// Waits for what was sent, then closes the index so that the next start may trust it.
    fn drop(&mut self) {
        let panicked = match &mut self.writing {
            Writing::InPlace(writer) => writer.is_poisoned(),
            Writing::Beside(running) => running.take().is_some_and(|(commands, thread)| {
                drop(commands);
                thread.join().is_err()
            }),
        };
        if panicked {
            self.shared.closing.distrust();
        } else if self.shared.index.flush().is_ok() {
            self.shared.closing.in_order(self.shared.records.load(Ordering::Relaxed));
        }
    }
}

/// The other access point of a message: while it waits unpacked, the one that is known of its recipient.
fn partner_of(queue: &Queue, message: &Message) -> Option<PartyId> {
    let known = message.awaits_route().then(|| queue.route_of(&message.to)).flatten();
    known.or(message.partner.as_ref()).cloned()
}

/// Is told up to where the index has been brought.
pub type Tell<'a> = &'a mut dyn FnMut(&Position);

/// Locks and opens everything, and puts it in order.
pub(super) fn open_files(
    medium: &Medium,
    folder: &Path,
    hash: ChainHash,
    clock: Arc<dyn Clock>,
    making: Making,
    tell: Tell<'_>,
) -> Result<(Shared, Journal, Opening), StoreError> {
    let failed = |source| StoreError::io(format!("data folder {}", folder.display()), source);
    let disk = &medium.disk;
    disk.create_folder(&folder.join("journal")).map_err(failed)?;
    let (closing, trusted) = Closing::open(disk, folder)?;
    let blobs = Blobs::at(medium, &folder.join("blobs"))?;
    disk.sync_folder(folder).map_err(failed)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    disk.sync_folder(parent.unwrap_or(Path::new("."))).map_err(failed)?;
    let (index, journal, mut opening) =
        open_index(medium, folder, hash, (making, trusted), (&closing, &blobs), (&*clock, tell))?;
    opening.course = index.course();
    opening.course.into_iter().for_each(|course| clock.resume(course.steady));
    retention::resume(&**disk, &folder.join("journal"), hash, &index)?;
    closing.opened(journal.records())?;
    clear_aside(&**disk, &folder.join("index"), "aside");
    let orphans = blobs.orphans(|blob| index.refers_to(blob))?;
    // Where the journal may have lost its end, they may belong to what somebody was promised.
    let whole = opening.lost == 0 && opening.journal.torn.is_none() && opening.journal.last > 0;
    if whole {
        orphans.iter().try_for_each(|blob| blobs.remove(*blob))?;
    } else {
        blobs.set_aside(&orphans)?;
    }
    opening.orphans = orphans.len() as u64;
    let mut queue = Queue::default();
    // Nothing is known of who has come back meanwhile. Who asked to be left alone until a time is left alone until then.
    let soon = clock.steady().saturating_add(DUE_AFTER_START_MAX).unwrap_or(Timestamp::MAX);
    for route in index.routes() {
        let (recipient, partner) = route?;
        queue.route(&recipient, &partner);
    }
    let (mut said, begun) = (BTreeMap::new(), clock.steady());
    for due in index.due() {
        let (id, due) = due?;
        let at = due.at.min(if let Some(Said::NotBefore(word)) = due.said { word.max(soon) } else { soon });
        let word = match due.said {
            // No longer than the message that was told so waits for it.
            Some(Said::NotBefore(word)) => Some(Said::NotBefore(word.min(due.at))).filter(|_| word.min(due.at) > begun),
            said => said,
        };
        if let Some(word) = word {
            let known = said.entry(due.stream.lane(queue.routes())).or_insert(word);
            *known = word.max(*known);
        }
        queue.schedule(id, due.stream, Some(Tried { since: at, kept_back: None, due: at }));
    }
    let (queue, records) = (Mutex::new(queue), AtomicU64::new(journal.records()));
    let shared = Shared { index, queue, said, blobs, clock, stopped: OnceLock::new(), records, closing };
    Ok((shared, journal, opening))
}
