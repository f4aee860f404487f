//! The store: what is written here survives a power cut before anyone is told of it.
//!
//! [`embedded`] keeps every change in an append-only [`journal`] and has an index, of a library's [`keys`], that can
//! be rebuilt from it; [`blob`] keeps the payloads as files beside it.

mod answer;
pub mod backup;
pub mod bench;
pub mod blob;
pub mod chain;
pub mod course;
mod decide;
pub mod disk;
pub mod embedded;
mod index;
pub mod journal;
pub mod keys;
mod log;
mod parts;
mod query;
mod queue;
mod record;
mod replay;
mod reread;
pub mod retention;
mod start;
mod state;
mod turns;
#[cfg(test)]
mod tests;
pub mod verify;
mod writer;

use crate::metrics::Journal;
use crate::model::{
    As4MessageId, Axis, BlobId, Change, Counted, Counts, Depth, Direction, EnvelopeId, Event, Lane, LogPage, LogQuery,
    Logged, Message, MessageId, Outcome, Page, ParticipantId, PartyId, Query, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

pub use blob::{BlobWriter, Blobs};
pub use course::Course;
pub use embedded::{EmbeddedStore, Making, Opening};
pub use retention::{Purged, Retention};

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The journal is damaged in its middle.
    #[error(
        "the journal is damaged: {what} at {place}; `sluss store verify` names all damage; restore from a backup into an empty folder"
    )]
    Damaged {
        /// What was found.
        what: String,
        /// Segment, offset and record.
        place: Place,
    },
    /// The journal is of another format version.
    #[error(
        "{segment} is of journal format {found}, expected {expected}: it is whole, and another version of sluss wrote it. Nothing was changed; start that version"
    )]
    Format {
        /// The segment's file.
        segment: String,
        /// Found.
        found: u32,
        /// The one that this version reads and writes.
        expected: u32,
    },
    /// The journal is not there, or has nothing, and other files of the store say that it had something.
    #[error(
        "the journal in {journal} is gone: {what}. Nothing was begun in its place. Bring its files back, or restore the last backup into an empty folder (`sluss store restore`); whoever means to begin an empty store first moves index, index.state and blobs aside"
    )]
    Gone {
        /// The journal's folder.
        journal: String,
        /// What is missing, and what says so.
        what: String,
    },
    /// The journal ends before a record that it had, as other files of the store say.
    #[error(
        "the journal lost its end at {place}: its last record is {last}, expected {known}, as index or index.state say; {lost} records that were durable are gone. Nothing was changed. Bring the journal's files back, or restore the last backup into an empty folder (`sluss store restore`); `sluss store rebuild --accept-loss --reason TEXT` goes on without these records: what they told of is gone, and what partners send again may be delivered twice"
    )]
    EndLost {
        /// Where it ends now.
        place: Place,
        /// The last record found.
        last: u64,
        /// The last record expected.
        known: u64,
        /// How many are between the two.
        lost: u64,
    },
    /// A backup is not whole, or the place for it is not free.
    #[error("{0}")]
    Unfit(String),
    /// A message of this id is there already.
    #[error("message {0} exists already")]
    Exists(MessageId),
    /// Its sender handed in an envelope of this id before.
    #[error("envelope {} of {} was handed in before and is message {}", .0.envelope_id, .0.from, .0.message)]
    HandedIn(Box<HandedIn>),
    /// The disk is full or almost.
    #[error("no space left in {folder}: {free_bytes} bytes free, {needed_bytes} needed")]
    Full {
        /// The folder.
        folder: String,
        /// Found.
        free_bytes: u64,
        /// Expected.
        needed_bytes: u64,
    },
    /// The file system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Cause.
        source: io::Error,
    },
    /// Other payloads being written have the room that there is for them.
    #[error("payloads being written have {taken_bytes} bytes already, of {bytes_max} at most (limits.spool_bytes_max)")]
    Crowded {
        /// Found.
        taken_bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// What the index holds cannot be right. The journal has all of it.
    #[error("the index does not hold: {0}; it is built again at the next start")]
    Index(String),
    /// Another process has the store open.
    #[error("{folder} is in use by another process")]
    Locked {
        /// The folder.
        folder: String,
    },
    /// A step that the state machine does not have.
    #[error(transparent)]
    Illegal(#[from] crate::model::IllegalStep),
    /// No such message.
    #[error("no message {0}")]
    Unknown(MessageId),
    /// A worker is at it, and an operator has to wait for the end of the attempt.
    #[error("an attempt of message {0} is under way")]
    Busy(MessageId),
    /// The claim is no longer ours: its lease ended and another worker has it.
    #[error("the claim on {0} has ended")]
    ClaimLost(MessageId),
    /// An earlier write failed; nothing is accepted until the next start.
    #[error("the store stopped after a failed write: {0}")]
    Stopped(String),
}

/// A place in the journal.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Place {
    /// The segment's file.
    pub segment: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// Number of the record that was expected there.
    pub record: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} offset {} (record {})", self.segment, self.offset, self.record)
    }
}

impl StoreError {
    /// A failure of the file system. One for lack of space becomes [`Self::Full`].
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(full) => full,
            Err(source) if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Self::Full { folder: what.into(), free_bytes: 0, needed_bytes: 1 }
            }
            Err(source) => Self::Io { what: what.into(), source },
        }
    }

    /// Whether waiting may help: the disk is full, or the file system failed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Crowded { .. } | Self::Full { .. } | Self::Io { .. } | Self::Stopped(_))
    }
}

impl From<StoreError> for io::Error {
    /// For payloads written through [`io::Write`]: a full disk keeps its kind, and its figures inside.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Crowded { .. } | StoreError::Full { .. } => Self::new(io::ErrorKind::StorageFull, error),
            StoreError::Io { source, .. } => source,
            other => Self::other(other),
        }
    }
}

/// Key of a received AS4 message: message id and sending access point (C-02).
#[derive(Clone, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct DuplicateKey {
    /// AS4 message id.
    pub id: As4MessageId,
    /// Sending access point.
    pub from: PartyId,
}

/// What was answered to a received AS4 message, to be answered again.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Answered {
    /// The message it made; none for a test message.
    pub message: Option<MessageId>,
    /// Content-Type of the answer.
    pub content_type: String,
    /// The AS4 receipt, byte for byte.
    pub body: String,
    /// SHA-256 over addressing and signed digests: where it is the same, so is the content.
    pub fingerprint: String,
    /// When it was given.
    #[serde(default = "never")]
    pub at: Timestamp,
}

impl Answered {
    /// That the message came, without the AS4 receipt, which is no longer kept.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { content_type: String::new(), body: String::new(), ..self.clone() }
    }
}

/// Which message an envelope made that was handed in for sending. One id of one sender makes one message, and is known also when
/// that message is no longer kept: for ever, or as long as [`Retention::duplicates_before`] says.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct HandedIn {
    /// Whose envelope.
    pub from: ParticipantId,
    /// Its id.
    pub envelope_id: EnvelopeId,
    /// The message.
    pub message: MessageId,
    /// SHA-256 of the envelope's bytes in lower-case hexadecimal: another one under the same id is not the same.
    pub envelope_sha256: String,
    /// When.
    #[serde(default = "never")]
    pub at: Timestamp,
}

/// When it lapses of which the journal does not tell when it came: before this was written there.
fn never() -> Timestamp {
    Timestamp::MAX
}

/// Whose envelope, and its id.
type EnvelopeKey = (ParticipantId, EnvelopeId);

/// Envelope id and sender, in the form in which they are compared.
type Folded = (String, String);

fn folded(from: &ParticipantId, id: &EnvelopeId) -> Folded {
    (id.folded(), from.folded())
}

impl HandedIn {
    /// That of a message that goes out.
    fn of(message: &Message) -> Option<Self> {
        (message.direction == Direction::Out).then(|| Self {
            from: message.from.clone(),
            envelope_id: message.envelope_id.clone(),
            message: message.id,
            envelope_sha256: message.envelope_sha256.clone(),
            at: message.created_at,
        })
    }

    fn key(&self) -> Folded {
        folded(&self.from, &self.envelope_id)
    }
}

/// A step of one message inside a transaction. Only what `changes` names is written, so that two
/// that settle the same message at once (an AS4 receipt and a message receipt) do not undo each other.
///
/// An outcome that comes too late for a message at its end does not change its problem, nor when work is due but for an AS4
/// receipt that it lacks.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct Settlement {
    /// Which message.
    pub id: MessageId,
    /// The claim it rests on: the `lease_until` that `claim` gave. `None` where no claim is needed;
    /// such a settlement leaves a claim of others alone.
    pub claim: Option<Timestamp>,
    /// Whether the claim ends with it.
    pub release: bool,
    /// What happened; the store derives the status by `Status::after`. `None` keeps it.
    pub outcome: Option<Outcome>,
    /// The fields that change, by `Message::apply`. Payloads that no message names any more are removed.
    pub changes: Vec<Change>,
}

/// What proves an event. It is kept in the journal, and nobody is given it but who asks for the proof of a message.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
pub struct Evidence {
    /// The certificates that the events name by their digest, in PEM. They are part of the log line (AP-3.4.1.t02, t09).
    pub certificates: Vec<String>,
    /// The SOAP part of the AS4 message that was received, as it came. What was sent, and every AS4 receipt, is in the
    /// transaction anyhow.
    pub received: Option<String>,
}

/// What [`retention`] has written, and nobody else.
#[derive(Clone, Debug, Default)]
pub struct Upkeep {
    /// Messages whose state is written again, as far as they are still there.
    carry: Vec<MessageId>,
    /// AS4 messages of which it is written again that they came, or no longer known where that is so old.
    answers: Vec<DuplicateKey>,
    /// Envelopes that are named again, or no longer known where they are so old. Those whose message is kept name themselves.
    envelopes: Vec<EnvelopeKey>,
    /// How old.
    lapsing: Lapsing,
    /// Recipients of whom it is written again where messages to them go.
    routes: Vec<ParticipantId>,
    /// Messages whose payloads go. All of them are over and nobody's, or nothing happens.
    empty: Vec<MessageId>,
    /// Messages that go, under the same condition.
    forget: Vec<MessageId>,
    /// Notes that are written again, as far as they are still there.
    notes: Vec<String>,
    /// Segments that go.
    dropped: Option<journal::Beginning>,
    /// Whether an operator says that the wall clock is right.
    clock_is_right: bool,
}

/// What of duplicates is no longer known.
#[derive(Clone, Copy, Debug, Default)]
struct Lapsing {
    /// AS4 receipts given before go.
    receipts_before: Timestamp,
    /// AS4 messages and envelopes that came before are no longer known, unless their message is kept.
    keys_before: Option<Timestamp>,
}

/// Everything that becomes true together, or not at all.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
pub struct Transaction {
    /// New messages, in their first status. Of those that go out, the envelope's id is new for its sender, or nothing of the
    /// transaction happens.
    pub inserts: Vec<Message>,
    /// A received AS4 message and its answer: when the key exists already, nothing of the transaction happens.
    pub answered: Option<(DuplicateKey, Answered)>,
    /// Changes.
    pub settlements: Vec<Settlement>,
    /// Events.
    pub events: Vec<Event>,
    /// What proves them.
    pub evidence: Evidence,
    /// Unpacked messages to these recipients go to these access points from now on, and wait in their lanes.
    #[serde(default)]
    pub routes: Vec<(ParticipantId, PartyId)>,
    /// What the program remembers beside messages, by name: each takes the place of what was there.
    pub notes: BTreeMap<String, serde_json::Value>,
    /// What the store does about its own size.
    #[serde(skip)]
    pub upkeep: Option<Box<Upkeep>>,
}

impl Transaction {
    /// Payloads that messages refer to after it.
    fn payloads(&self) -> Vec<BlobId> {
        let changes = self.settlements.iter().flat_map(|settlement| &settlement.changes);
        self.inserts.iter().flat_map(Message::payloads).chain(changes.flat_map(Change::payloads)).collect()
    }
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub enum Committed {
    /// Durable.
    Done,
    /// The duplicate key was there.
    Duplicate {
        /// This was answered the first time.
        first: Answered,
        /// The messages that came with it again, of which nothing was inserted.
        again: Vec<Message>,
    },
}

/// What a lane may do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// Its next message is attempted.
    Attempt,
    /// Nothing before then.
    Later(Timestamp),
    /// Nothing before one of its messages under way has ended.
    Full,
    /// Nothing before there is room. It stands in a line of those that wait for that, and who stands there longest goes first.
    NoRoom,
}

/// What waits in one lane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaneLoad {
    /// Which.
    pub lane: Lane,
    /// Messages that wait, for a time or for their turn.
    pub waiting: usize,
    /// Messages that are claimed.
    pub in_flight: usize,
    /// When the next one is due, or since when.
    pub due_since: Option<Timestamp>,
}

/// The store. All calls block; async callers use `tokio::task::spawn_blocking`. Readers see what is
/// durable, and nothing that a power cut could take back.
pub trait Store: Send + Sync {
    /// Makes a transaction durable, then answers. `Settlement`s go through `Status::after`.
    ///
    /// # Errors
    ///
    /// After any error nothing of the transaction has happened, and the payloads that it alone names are
    /// removed. But for [`StoreError::Stopped`]: then the next start finds it whole or not at all.
    fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError>;
    /// Commits transactions that came at the same time, each by itself, and says what became of each. They share a sync where
    /// they fit into one.
    fn commit_together(&self, transactions: Vec<Transaction>) -> Vec<Result<Committed, StoreError>>;
    /// Takes the message that has been due longest at `now`, if any, and holds it until `now + lease`
    /// (its `lease_until` is set to that). A lease that ended frees the message. Claims need not be durable.
    fn claim(&self, now: Timestamp, lease: Duration) -> Result<Option<Message>, StoreError> {
        Ok(self.claim_admitted(now, lease, &mut |_, _| Admission::Attempt)?.map(|(message, _)| message))
    }
    /// As [`Self::claim`], among the lanes that `admit` lets through, which is given a lane and how many of its messages are
    /// claimed. One that cannot be read is said in the log, and keeps no other from being taken. Lanes take turns, and within a lane streams, those of a higher [`Rank`](crate::model::Rank) first; a stream gives
    /// what has been due longest.
    fn claim_admitted(
        &self,
        now: Timestamp,
        lease: Duration,
        admit: &mut dyn FnMut(&Lane, usize) -> Admission,
    ) -> Result<Option<(Message, Admission)>, StoreError>;
    /// Claims messages that wait in lanes of which `before` says a time, and are tried since that time or longer: at most
    /// [`CLAIM_OVERDUE_MAX`](crate::limits::CLAIM_OVERDUE_MAX) of them, whether they are due or not.
    fn claim_overdue(
        &self,
        now: Timestamp,
        lease: Duration,
        before: &dyn Fn(&Lane) -> Option<Timestamp>,
    ) -> Result<Vec<(Lane, Message)>, StoreError>;
    /// Gives a claim back, as if it had not been taken.
    fn unclaim(&self, id: MessageId, claim: Timestamp);
    /// Unpacked messages to `recipient` go to this access point, and wait in its lane. Durable when it returns; costs nothing where
    /// it is known already. Whoever reads such a message finds the access point as its partner.
    ///
    /// # Errors
    ///
    /// As for [`Self::commit`].
    fn route(&self, recipient: &ParticipantId, partner: &PartyId) -> Result<(), StoreError>;
    /// What waits for an attempt, by lane.
    fn lanes(&self) -> Vec<LaneLoad>;
    /// Lanes in which somebody waits who did not answer when asked last before the start.
    fn silent(&self) -> &BTreeSet<Lane>;
    /// In which lane a message waits for its attempt, or is claimed; none where nothing is to be done with it by itself.
    fn lane_of(&self, id: MessageId) -> Option<Lane>;
    /// Whether a lane may go is asked again, though it was said to be later.
    fn ask(&self, lane: &Lane);
    /// The message of a lane that is due first, of those that nobody has claimed.
    fn first_of(&self, lane: &Lane) -> Option<MessageId>;
    /// When the next message becomes due (its `next_attempt_at`, or the end of its lease).
    fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;
    /// One message.
    fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError>;
    /// A page of messages by conditions, for a bounded effort however many messages there are.
    fn page(&self, query: &Query) -> Result<Page, StoreError>;
    /// How many messages there are by conditions, whatever the query's limit: up to [`COUNTED_MAX`](crate::limits::COUNTED_MAX), or
    /// all where their direction and status alone is asked for. For a bounded effort, as a page.
    fn count(&self, query: &Query) -> Result<Counted, StoreError>;
    /// How many messages were given up for this cause, about which somebody still has to do something
    /// ([`Message::unhandled_cause`]); of any cause: how many of those are outwards.
    fn unhandled(&self, cause: Option<&str>) -> u64;
    /// Messages by conditions, all that there are up to the query's limit.
    fn list(&self, query: &Query) -> Result<Vec<Message>, StoreError> {
        let limit = if query.limit == 0 { crate::limits::LIST_MESSAGES_MAX } else { query.limit };
        let (mut query, mut found) = (query.clone(), Vec::new());
        loop {
            query.limit = limit - found.len();
            let page = self.page(&query)?;
            found.extend(page.messages);
            if page.next.is_none() || found.len() >= limit {
                return Ok(found);
            }
            query.after = page.next;
        }
    }
    /// Messages to `participant` that wait to be taken, oldest first: those that come after `after`, at most
    /// [`LIST_MESSAGES_MAX`](crate::limits::LIST_MESSAGES_MAX).
    fn waiting(&self, participant: &ParticipantId, after: Option<MessageId>) -> Result<Vec<Message>, StoreError>;
    /// Messages from `participant` that failed and of which it is to be told, oldest first: those that come after `after`,
    /// at most [`LIST_MESSAGES_MAX`](crate::limits::LIST_MESSAGES_MAX).
    fn notices(&self, participant: &ParticipantId, after: Option<MessageId>) -> Result<Vec<Message>, StoreError>;
    /// Messages that have awaited their message receipt since then or longer, by the clock that is never set: those that wait longest,
    /// at most [`UNANSWERED_ENDED_MAX`](crate::limits::UNANSWERED_ENDED_MAX). A few that cannot be read are passed over, and said in the log.
    fn unanswered(&self, since: Timestamp) -> Result<Vec<Message>, StoreError>;
    /// The events of one message, oldest first.
    fn events(&self, id: MessageId) -> Result<Vec<Event>, StoreError>;
    /// The event log by conditions, newest first, by pages.
    fn log(&self, query: &LogQuery) -> Result<LogPage, StoreError>;
    /// The latest events that belong to no message (refusals), newest first.
    fn refusals(&self, limit: usize) -> Result<Vec<Event>, StoreError>;
    /// The number of the last record that is durable.
    fn last_record(&self) -> u64;
    /// Events of which an operator is told ([`Stage::is_told`](crate::model::Stage::is_told)), in the order of the journal: those
    /// behind this record and place in it, at most so many.
    fn told(&self, after: (u64, u32), limit: usize) -> Result<Vec<Logged>, StoreError>;
    /// What was noted last under a name.
    fn note(&self, name: &str) -> Result<Option<serde_json::Value>, StoreError>;
    /// Removes what may go, one small step of it. To be called again while it did something.
    ///
    /// # Errors
    ///
    /// As for [`Self::commit`]; what was removed before is gone.
    fn purge(&self, retention: &Retention) -> Result<Purged, StoreError>;
    /// What was answered to a received AS4 message.
    fn answered(&self, key: &DuplicateKey) -> Result<Option<Answered>, StoreError>;
    /// How much waits for each partner or participant, by name.
    fn depths(&self, axis: Axis) -> Result<Vec<Depth>, StoreError> {
        self.depths_of(axis, &|_, _| true)
    }
    /// As [`Self::depths`], of those alone whose direction and name are `asked` for: the others are only counted over.
    fn depths_of(&self, axis: Axis, asked: &dyn Fn(Direction, &str) -> bool) -> Result<Vec<Depth>, StoreError>;
    /// Counts.
    fn counts(&self) -> Result<Counts, StoreError>;
    /// The journal's files, and how long its syncs take.
    fn journal(&self) -> Journal;
    /// Notes in a small file up to which record the journal goes, so that a later start misses what is cut off it, and says how long
    /// it took to write and sync that.
    fn probe(&self) -> Result<Duration, StoreError>;
    /// Why nothing is accepted until the next start, where a write failed.
    fn stopped(&self) -> Option<String>;
    /// What time it was at the last record; nothing while there is none.
    fn course(&self) -> Option<Course>;
    /// The payload files.
    fn blobs(&self) -> &Blobs;
}
