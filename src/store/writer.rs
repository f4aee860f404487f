//! The one that writes, in a thread of its own: it takes every transaction that waits, decides each, writes them
//! with one sync, shows them to readers, and only then answers.

use crate::limits::{JOURNAL_GROUP_BYTES, STORE_QUEUE_MAX};
use crate::model::{BlobId, Clock, Lane, Said};
use crate::store::answer::Answer;
use crate::store::blob::Blobs;
use crate::store::decide::{Decision, Group};
use crate::store::index::Index;
use crate::store::journal::{Journal, SyncError, Synced};
use crate::store::queue::Queue;
use crate::store::record::Prepared;
use crate::store::state::Closing;
use crate::store::{Committed, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the writer and the readers share.
pub(super) struct Shared {
    pub(super) index: Index,
    pub(super) queue: Mutex<Queue>,
    /// What was said in lanes in which somebody waits, when they were asked last before the start.
    pub(super) said: BTreeMap<Lane, Said>,
    pub(super) blobs: Blobs,
    pub(super) clock: Arc<dyn Clock>,
    /// Why the store stopped.
    pub(super) stopped: OnceLock<String>,
    /// Records in the journal.
    pub(super) records: AtomicU64,
    /// Last, so that the index is closed before.
    pub(super) closing: Closing,
}

impl Shared {
    /// Hands on what the index said; one that holds what cannot be right is built again at the next start. That a file could not be
    /// read or written says nothing about what is in it.
    pub(super) fn heed<T>(&self, said: Result<T, StoreError>) -> Result<T, StoreError> {
        said.inspect_err(|error| {
            if matches!(error, StoreError::Index(_)) {
                tracing::error!(%error, "the index is distrusted");
                self.closing.distrust();
            }
        })
    }

    /// Removes those payloads that no message names. One that stays is an orphan, and removed at the next start.
    pub(super) fn remove_unnamed(&self, payloads: Vec<BlobId>) {
        for blob in payloads {
            if matches!(self.index.refers_to(blob), Ok(false)) {
                drop(self.blobs.remove(blob));
            }
        }
    }
}

/// A transaction, and who waits for its end.
pub(super) struct Command {
    pub(super) transaction: Result<Prepared, StoreError>,
    pub(super) answer: Answer<Result<Committed, StoreError>>,
}

/// The state of the thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Journal,
}

type Outcomes = Vec<Result<Committed, StoreError>>;

impl Writer {
    /// Works until nobody can send any more.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        while let Ok(first) = commands.recv() {
            let mut answers = Vec::new();
            let all = std::iter::once(first).chain(std::iter::from_fn(|| commands.try_recv().ok()));
            let outcomes = self.group(all.map(|command| {
                answers.push(command.answer);
                command.transaction
            }));
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                answer.give(outcome);
            }
        }
    }

    /// Writes a group with one sync: as many transactions as fit, at least one. What became of each that it took.
    pub(super) fn group(&mut self, transactions: impl Iterator<Item = Result<Prepared, StoreError>>) -> Outcomes {
        let shared = Arc::clone(&self.shared);
        if let (None, Err(error)) = (shared.stopped.get(), shared.heed(shared.index.room())) {
            // Nothing is in the journal yet that could not be shown.
            let refused = transactions.take(STORE_QUEUE_MAX).map(|one| one.map(|_| Committed::Done)).collect();
            return refuse(&shared, &SyncError::Refused(error), refused);
        }
        let mut group = Group::new(&shared.index);
        let mut outcomes = Outcomes::new();
        for transaction in transactions {
            outcomes.push(match shared.stopped.get() {
                Some(reason) => Err(StoreError::Stopped(reason.clone())),
                None => transaction.and_then(|one| accept(&shared, &mut self.journal, &mut group, one)),
            });
            if self.journal.waiting_bytes() >= JOURNAL_GROUP_BYTES || outcomes.len() >= STORE_QUEUE_MAX {
                break;
            }
        }
        let written = match shared.stopped.get() {
            Some(reason) => Err(SyncError::Failed(StoreError::Stopped(reason.clone()))),
            None => self.journal.sync(),
        };
        let outcome = match written {
            Ok(Some(synced)) => publish(&shared, group, &synced).map_err(SyncError::Failed),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        shared.records.store(self.journal.records(), Ordering::Relaxed);
        shared.queue.lock().unwrap_or_else(PoisonError::into_inner).settled();
        match outcome {
            Ok(()) => outcomes,
            Err(error) => refuse(&shared, &error, outcomes),
        }
    }
}

/// Decides one transaction and adds it to the group that is about to be written.
fn accept(
    shared: &Shared,
    journal: &mut Journal,
    group: &mut Group<'_>,
    transaction: Prepared,
) -> Result<Committed, StoreError> {
    let (record, draft) = match shared.heed(group.decide(&shared.queue, transaction, &*shared.clock))? {
        Decision::Duplicate(first, again) => return Ok(Committed::Duplicate { first, again }),
        Decision::Write(decided) => *decided,
    };
    if record.is_empty() {
        return Ok(Committed::Done);
    }
    group.append(journal, record, draft)?;
    Ok(Committed::Done)
}

/// Shows a durable group to readers and workers, and removes the payloads that nothing refers to any more.
fn publish(shared: &Shared, mut group: Group<'_>, synced: &Synced) -> Result<(), StoreError> {
    group.begins(synced.begin);
    shared.heed(shared.index.publish(group.stage()?, &synced.last))?;
    let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    group.released.iter().for_each(|id| queue.release(*id));
    group.routes().for_each(|(recipient, partner)| queue.route(recipient, partner));
    for message in group.changed() {
        queue.schedule(message.id, message.into(), message.tried());
    }
    group.forgotten().for_each(|id| queue.forget(id));
    drop(queue);
    shared.remove_unnamed(group.given_up);
    Ok(())
}

/// Nothing of a group that did not reach the disk, or may not have, is answered as if it had. What was decided before anything
/// joined the group was held against what is durable, and stands.
fn refuse(shared: &Shared, error: &SyncError, mut outcomes: Outcomes) -> Outcomes {
    let refusal: Box<dyn Fn() -> StoreError> = match error {
        SyncError::Refused(StoreError::Full { folder, free_bytes, needed_bytes }) => {
            let (folder, free_bytes, needed_bytes) = (folder.clone(), *free_bytes, *needed_bytes);
            Box::new(move || StoreError::Full { folder: folder.clone(), free_bytes, needed_bytes })
        }
        SyncError::Refused(error) => {
            let what = error.to_string();
            Box::new(move || StoreError::io(what.clone(), std::io::ErrorKind::Other.into()))
        }
        SyncError::Failed(error) => {
            let reason = stop(shared, error).to_string();
            let reason = shared.stopped.get().cloned().unwrap_or(reason);
            Box::new(move || StoreError::Stopped(reason.clone()))
        }
    };
    let stands = |outcome: &&Result<Committed, StoreError>| !matches!(outcome, Ok(Committed::Done));
    let standing = outcomes.iter().take_while(stands).count();
    outcomes.iter_mut().skip(standing).for_each(|outcome| *outcome = Err(refusal()));
    outcomes
}

/// Stops the store for good, and says so.
fn stop(shared: &Shared, error: &StoreError) -> StoreError {
    let reason = shared.stopped.get_or_init(|| error.to_string());
    shared.closing.cut_short();
    StoreError::Stopped(reason.clone())
}
