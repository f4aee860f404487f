//! The message service (C1 and C4): seals, opens, validates, answers with message receipts; never speaks AS4.

mod correspondence;
mod mailbox;
pub mod receive;
pub mod send;

use crate::access_point::AccessPoint;
use crate::discovery::Discovery;
use crate::model::{Clock, Fault, ParticipantId, Problem};
use crate::pki::{Identity, Trust};
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub use send::{Draft, DraftFile};

/// A participant whose message service this is.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// The participant.
    pub participant: ParticipantId,
    /// Its function addresses; the first is the one it sends from.
    pub functional_addresses: Vec<String>,
}

/// A mailbox with its keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// The organisation-to-organisation key: signs what it sends, opens what it gets.
    pub identity: Identity,
}

/// Everything about us that may change while we run (SIGHUP).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The participants served here.
    pub mailboxes: BTreeMap<ParticipantId, Keys>,
    /// Function addresses of the participants that this access point serves, here or for a message service elsewhere.
    pub addresses: BTreeMap<ParticipantId, Vec<String>>,
    /// FEDERATIONID of our envelopes.
    pub federation: String,
    /// Which participants' certificates we trust (C-50).
    pub trust: Trust,
    /// Largest SDK message sent, in bytes (MSG-4.3.3.3.t03).
    pub message_bytes_max: u64,
    /// Largest SDK message opened, in bytes (C-30).
    pub received_message_bytes_max: u64,
}

/// The message service of this process.
pub struct MessageService {
    access_point: Arc<dyn AccessPoint>,
    store: Arc<dyn Store>,
    discovery: Arc<Discovery>,
    clock: Arc<dyn Clock>,
    settings: RwLock<Arc<Settings>>,
    in_hand: InHand,
}

impl MessageService {
    /// A message service that meets its access point at a trait.
    pub fn new(
        access_point: Arc<dyn AccessPoint>,
        store: Arc<dyn Store>,
        discovery: Arc<Discovery>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        Self {
            access_point,
            store,
            discovery,
            clock,
            settings: RwLock::new(Arc::new(settings)),
            in_hand: InHand::default(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other settings in force, for what begins from now on.
    pub fn reconfigure(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The participants served here.
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        self.settings().mailboxes.values().map(|keys| keys.mailbox.clone()).collect()
    }
}

impl Settings {
    /// The keys of a participant of ours.
    fn keys(&self, participant: &ParticipantId) -> Result<&Keys, Problem> {
        self.mailboxes.get(participant).ok_or_else(|| {
            Problem::new(
                Fault::Refused,
                "not-served",
                "the participant's message service is not here",
                format!("found {participant}, expected one with key_file in its [[participant]] table"),
            )
            .rule("APOP-3.3.b")
        })
    }
}

/// The envelopes being opened now: the same one that came in two AS4 messages at once is opened once.
#[derive(Clone, Debug, Default)]
struct InHand(Arc<Mutex<BTreeSet<String>>>);

impl InHand {
    /// Takes an envelope in hand; `None` where it is already.
    fn take(&self, key: String) -> Option<OneInHand> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        taken.then(|| OneInHand { all: self.clone(), key })
    }
}

/// One envelope in hand, until this is dropped.
struct OneInHand {
    all: InHand,
    key: String,
}

impl Drop for OneInHand {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
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

/// A file of ours that could not be written or read.
fn file_problem(error: &std::io::Error) -> Problem {
    match error.kind() {
        std::io::ErrorKind::StorageFull => Problem::new(
            Fault::Temporary,
            "disk-full",
            "the disk is full",
            format!("{error}; nothing was kept; free space or give data_dir a larger disk, then try again"),
        ),
        _ => Problem::new(
            Fault::Temporary,
            "store",
            "a file could not be written or read",
            format!("{error}; nothing was kept; try again when the cause is mended"),
        ),
    }
}
