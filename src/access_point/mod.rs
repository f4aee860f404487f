//! The access point (C2 and C3): carries sealed envelopes, never holds a participant's key.
//!
//! Each direction is one file with the same three functions: an entry that makes the message durable
//! and then answers, a step that makes one attempt, and an outcome that decides what it meant.

mod health;
pub mod inbound;
mod notes;
mod operate;
pub mod outbound;
mod partner;
mod parts;
pub mod ping;
mod queries;
mod recent;
mod record;
pub mod rehearse;
mod retry;
mod room;
mod send_error;
mod spool;
mod states;
pub mod worker;

use crate::discovery::Discovery;
use crate::limits;
use crate::metrics::{Door, Metrics};
use crate::model::{
    Carriage, Clock, DocumentType, Event, Fault, Lane, Message, Obstacle, ParticipantId, PartyId, Problem, Timestamp,
};
use crate::net::client::Client;
use crate::pki::{Certificate, Identity, Trust};
use crate::store::{Committed, Settlement, Store, StoreError, Transaction};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

use inbound::{Delays, Gate};
use recent::Recent;
use room::Room;

pub use health::{Breaker, DeliveryState, Health, PartnerState};
pub use inbound::Delayed;
pub use operate::Action;
pub use outbound::{Submission, accepted};
pub use partner::Partner;
pub use record::Recorder;
pub use retry::{Pace, Patience, Retry};
pub use send_error::SendError;
pub use spool::{Spool, spool_problem};
pub use states::{Condition, ParticipantState};

/// What a message service asks of an access point, in the same process or elsewhere.
pub trait AccessPoint: Send + Sync {
    /// Whether anything new is accepted: not while too little space is free, which is kept for sending and delivering. Blocks.
    fn accepts(&self) -> Result<(), Problem>;
    /// A place to write an envelope to. It vanishes unless it is submitted.
    fn spool(&self, expected_bytes: Option<u64>) -> Result<Spool, Problem>;
    /// Checks an envelope and makes it durable aside, and gives the message that will carry it, for a
    /// transaction that holds more than it, of the store that both sides share. Blocks.
    fn prepare(&self, submission: Submission) -> Result<Message, Problem>;
    /// Takes a sealed envelope for sending: durable when this returns.
    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<Message, Problem>>;
}

/// Where an envelope for a participant of this process goes: its message service.
pub trait HandOver: Send + Sync {
    /// Opens the envelope of `message` and says what it means. Changes nothing itself: everything that
    /// follows from it is in the answer, which the worker commits in one transaction.
    fn receive<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Handled, Unhandled>>;
}

/// An envelope could not be handed over yet: what kept it back, and why. It is looked at again.
#[derive(Clone, Debug)]
pub struct Unhandled {
    /// [`Obstacle::Lookup`], or something of ours.
    pub by: Obstacle,
    /// What was found, and what helps.
    pub problem: Problem,
}

impl From<Problem> for Unhandled {
    fn from(problem: Problem) -> Self {
        Self { by: Obstacle::Own, problem }
    }
}

/// Something that is held until the transaction is written, as a place in a queue of one.
pub type Hold = Box<dyn Send>;

/// What follows from an envelope that was handed over.
pub struct Handled {
    /// Held until everything here is written.
    pub hold: Option<Hold>,
    /// The step of the received message, with its new fields.
    pub settlement: Settlement,
    /// Message receipts to send, in their first status.
    pub inserts: Vec<Message>,
    /// Sent messages that a message receipt concerns.
    pub settlements: Vec<Settlement>,
    /// What happened.
    pub events: Vec<Event>,
}

/// A participant that this access point serves.
#[derive(Clone, Debug)]
pub struct Served {
    /// Whether its message service is in this process.
    pub carriage: Carriage,
    /// What it receives (AS4-2.5.a).
    pub document_types: Vec<DocumentType>,
}

/// Everything about us that may change while we run (SIGHUP).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our key and certificate.
    pub identity: Identity,
    /// Our party id: the certificate's common name (AS4-2.3.1.j).
    pub party: PartyId,
    /// The federation we act in.
    pub federation: String,
    /// Which access points we trust (AS4-2.10.p3).
    pub trust: Trust,
    /// The participants that we serve.
    pub participants: BTreeMap<ParticipantId, Served>,
    /// Largest envelope taken for sending, in bytes.
    pub envelope_bytes_max: u64,
    /// Largest AS4 request taken, in bytes, as it comes and when it is unpacked.
    pub as4_bytes_max: u64,
    /// Where refused requests are kept; nowhere where none.
    pub recorder: Option<Recorder>,
    /// What is accepted of single partners beyond the profile.
    pub partners: BTreeMap<PartyId, Partner>,
    /// Largest sum of all payloads being written, in bytes.
    pub spool_bytes_max: u64,
    /// When to try again, and when not.
    pub patience: Patience,
    /// With less free space nothing new is accepted, in bytes.
    pub free_bytes_least: u64,
}

impl Settings {
    /// What is accepted of this access point: what is configured for it, or the profile.
    pub fn tolerated(&self, party: Option<&PartyId>) -> Partner {
        party.and_then(|party| self.partners.get(party)).cloned().unwrap_or_default()
    }

    /// When a message to this access point is tried again after this failure.
    fn retry_of(&self, party: Option<&PartyId>, failure: Option<&SendError>) -> Retry {
        self.patience.of(self.tolerated(party).retry, failure.map(SendError::obstacle))
    }

    /// Largest SOAP part that anybody may send, in bytes.
    fn soap_bytes_max(&self) -> usize {
        self.partners.values().map(|partner| partner.soap_bytes_max).fold(limits::SOAP_BYTES_MAX, usize::max)
    }
}

/// The access point of this process.
pub struct Router {
    store: Arc<dyn Store>,
    discovery: Arc<Discovery>,
    client: Client,
    clock: Arc<dyn Clock>,
    settings: RwLock<Arc<Settings>>,
    partners: Mutex<Recent<Certificate>>,
    gate: Gate,
    delays: Delays,
    lanes: health::Lanes,
    visits: states::Visits,
    due: Notify,
    metrics: Metrics,
    room: Room,
    pulse: Mutex<Timestamp>,
}

impl Router {
    /// An access point over a store.
    pub fn new(
        store: Arc<dyn Store>,
        discovery: Arc<Discovery>,
        client: Client,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        store.blobs().bound_under_way(settings.spool_bytes_max);
        let pulse = Mutex::new(clock.steady());
        let lanes = health::Lanes::beside(store.silent(), (clock.now(), clock.steady()), &settings.patience.breaker);
        Self {
            store,
            discovery,
            client,
            clock,
            settings: RwLock::new(Arc::new(settings)),
            partners: Mutex::new(Recent::of(limits::KNOWN_PARTNERS_MAX)),
            gate: Gate::default(),
            delays: Delays::default(),
            lanes,
            visits: states::Visits::default(),
            due: Notify::new(),
            metrics: Metrics::default(),
            room: Room::default(),
            pulse,
        }
    }

    /// Counts into these metrics.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The worker is at work.
    fn beat(&self) {
        *self.pulse.lock().unwrap_or_else(PoisonError::into_inner) = self.steady();
    }

    /// How long ago the worker was last seen.
    pub fn pulse_age(&self) -> Duration {
        let seen = *self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::try_from(self.steady().duration_since(seen)).unwrap_or_default()
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other settings in force, for what begins from now on.
    pub fn reconfigure(&self, settings: Settings) {
        self.store.blobs().bound_under_way(settings.spool_bytes_max);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Makes a transaction durable, then wakes the worker and logs the events.
    fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let events = transaction.events.clone();
        let committed = self.store.commit(transaction)?;
        self.committed(&committed, &events);
        Ok(committed)
    }

    /// As [`Self::commit`], many at once, each by itself.
    fn commit_together(&self, transactions: Vec<Transaction>) -> Vec<Result<Committed, StoreError>> {
        let events: Vec<Vec<Event>> = transactions.iter().map(|transaction| transaction.events.clone()).collect();
        let outcomes = self.store.commit_together(transactions);
        for (committed, events) in
            outcomes.iter().zip(&events).filter_map(|(one, events)| Some((one.as_ref().ok()?, events)))
        {
            self.committed(committed, events);
        }
        outcomes
    }

    fn committed(&self, committed: &Committed, events: &[Event]) {
        if matches!(committed, Committed::Done) {
            for event in events {
                crate::ops::log::event(event);
                self.metrics.event(event);
            }
        }
        self.due.notify_one();
    }

    /// Notes how an attempt in a lane ended, and says until when the lane is left alone.
    fn note(&self, lane: Lane, failure: Option<&SendError>) -> Option<Timestamp> {
        self.lanes.note(lane, failure, (self.now(), self.steady()), &self.settings().patience.breaker)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The present on the clock by which waiting is measured.
    fn steady(&self) -> Timestamp {
        self.clock.steady()
    }

    /// What the wall clock shows at that moment of [`Self::steady`].
    fn shown(&self, steady: Timestamp) -> Timestamp {
        self.clock.shown(steady)
    }

    /// The message as people are shown it: when it is tried next, by the clock on the wall.
    fn as_shown(&self, message: Message) -> Message {
        Message { next_attempt_at: message.next_attempt_at.map(|at| self.shown(at)), ..message }
    }

    /// Remembers a partner's certificate, so that later messages may name it by reference alone.
    fn remember(&self, certificate: &Certificate) {
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        partners.used(certificate.sha256(), || certificate.clone());
    }

    fn known_partners(&self) -> Vec<Certificate> {
        self.partners.lock().unwrap_or_else(PoisonError::into_inner).all()
    }
}

impl AccessPoint for Arc<Router> {
    fn accepts(&self) -> Result<(), Problem> {
        Router::accepts(self)
    }

    fn spool(&self, expected_bytes: Option<u64>) -> Result<Spool, Problem> {
        Spool::create(self.store.blobs(), expected_bytes, self.settings().envelope_bytes_max)
    }

    fn prepare(&self, submission: Submission) -> Result<Message, Problem> {
        outbound::prepare(self, submission)
    }

    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<Message, Problem>> {
        let (router, begun) = (Self::clone(self), Instant::now());
        Box::pin(async move {
            let accepting = Self::clone(&router);
            let message = blocking(move || outbound::accept(&accepting, submission)).await?;
            router.metrics.accept(Door::Message, begun.elapsed());
            Ok(message)
        })
    }
}

/// Runs blocking work (files, store, cryptography) beside the asynchronous threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(error) => Err(Problem::new(
            Fault::Temporary,
            "internal",
            "the work was broken off",
            format!("{error}; try again, and report it if it comes back"),
        )),
    }
}

/// A failure of the store as its caller sees it: temporary for whoever asked, since nothing was lost.
pub fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Unknown(id) => Problem::new(
            Fault::Refused,
            "unknown-message",
            "no such message",
            format!(
                "found no message {id}; `sluss queue list` and `sluss inbox` print the ids there are, and `sluss queue list \
                 --id {id}` finds it where that is the id of its envelope, AS4 message or conversation"
            ),
        ),
        StoreError::Illegal(step) => {
            Problem::new(Fault::Refused, "illegal-step", "the message is not in a state for that", step.to_string())
        }
        StoreError::Busy(_) => Problem::new(
            Fault::Temporary,
            "busy",
            "an attempt is under way",
            format!("{error}; nothing was changed; try again when it has ended"),
        ),
        StoreError::Unfit(_) => Problem::new(
            Fault::Refused,
            "store-unfit",
            "the store or its backup is not fit for that",
            error.to_string(),
        ),
        StoreError::Damaged { .. } | StoreError::Gone { .. } | StoreError::EndLost { .. } => {
            Problem::new(Fault::Refused, "store-damaged", "the store is damaged", error.to_string())
        }
        StoreError::Format { .. } => {
            Problem::new(Fault::Refused, "store-format", "the store is of another version", error.to_string())
        }
        StoreError::Locked { .. } => Problem::new(
            Fault::Temporary,
            "store-in-use",
            "the store is in use",
            format!("{error}; end that process first"),
        ),
        StoreError::Full { .. } => Problem::new(
            Fault::Temporary,
            "disk-full",
            "the disk is full",
            format!("{error}; nothing was kept; free space or give data_dir a larger disk, then try again"),
        ),
        StoreError::Crowded { .. } => Problem::new(
            Fault::Temporary,
            "spool-full",
            "too much is being received at once",
            format!("{error}; nothing was kept; try again when the others have gone, or raise limits.spool_bytes_max"),
        ),
        StoreError::Stopped(_) => Problem::new(
            Fault::Temporary,
            "store-stopped",
            "the store has stopped",
            format!(
                "{error}; mend the cause and restart sluss; what was handed in as it stopped may have been kept: hand the same in \
                 again, it is not taken twice"
            ),
        ),
        _ => Problem::new(
            Fault::Temporary,
            "store",
            "the store failed",
            format!("{error}; nothing was changed; try again when the cause is mended"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_failure_of_the_store_is_true_of_reading_and_of_what_may_have_been_kept() {
        let read = store_problem(&StoreError::io("read segment 7", std::io::ErrorKind::PermissionDenied.into()));
        assert!(read.detail.contains("nothing was changed") && !read.detail.contains("kept"), "{read:?}");
        let stopped = store_problem(&StoreError::Stopped("write 00000007.log".into()));
        assert!(stopped.kind.ends_with(":store-stopped"), "{stopped:?}");
        assert!(stopped.detail.contains("may have been kept") && stopped.detail.contains("not taken twice"));
        assert!(!stopped.detail.contains("nothing was"), "{stopped:?}");
        assert_eq!([read.fault, stopped.fault], [Fault::Temporary; 2]);
    }
}
