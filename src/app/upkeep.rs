//! The store without the application around it: what its commands do.

use super::retention;
use crate::access_point::store_problem;
use crate::config::Retention;
use crate::crypto::{Digest, HashFunction, hex};
use crate::model::{Clock, Problem, SystemClock, Timestamp, Warrant, time};
use crate::sdk;
use crate::store::Purged;
use crate::store::backup::{self, BackedUp};
use crate::store::disk::Medium;
use crate::store::embedded::{EmbeddedStore, Making, Opening};
use crate::store::journal::Position;
use crate::store::keys::Engine;
use crate::store::verify::{self, Digests, Verified};
use crate::xml::XmlError;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a long start says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// The hash that chains the journal's records.
pub fn chain_hash(bytes: &[u8]) -> [u8; 32] {
    let digest = Digest::of(HashFunction::Sha256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(&digest);
    hash
}

/// How payloads are read.
pub const DIGESTS: Digests = Digests { file: file_digest, documents: document_digests };

fn file_digest(file: &mut File) -> io::Result<String> {
    let mut digest = Digest::new(HashFunction::Sha256);
    io::copy(file, &mut digest)?;
    Ok(hex(&digest.finish()))
}

fn document_digests(file: &mut File) -> io::Result<Vec<String>> {
    let checked = sdk::message::check(BufReader::new(file)).map_err(|error| match error {
        XmlError::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    })?;
    Ok(checked.documents.into_iter().map(|document| document.sha256).collect())
}

/// Says in the log, now and then, up to which record an index has been brought.
pub(super) fn now_and_then() -> impl FnMut(&Position) {
    let mut last = Instant::now();
    move |position| {
        if last.elapsed() >= TELL_EVERY {
            last = Instant::now();
            tracing::info!(
                record = position.seq,
                segment = position.segment,
                "the index is being built from the journal"
            );
        }
    }
}

/// Says in the log what an opened store was put in order by, each in a line of its own, so that nobody has to guess what a start after
/// a crash did.
pub(super) fn say(opening: &Opening, now: Timestamp) {
    let Opening { journal, rebuilt, orphans, course, .. } = opening;
    if let Some(course) = course.filter(|course| course.at > now) {
        tracing::warn!(
            newest_record = time::millis(course.at),
            clock = time::millis(now),
            "the newest record is ahead of the clock: one of them is wrong; what waits is tried soon all the same"
        );
    }
    if let Some(torn) = &journal.torn {
        tracing::warn!(
            place = torn.place,
            bytes = torn.bytes,
            "a torn tail of the journal, of which nobody was told, was cut"
        );
    }
    match rebuilt {
        Some(why) => tracing::warn!(why, records = journal.read, "the index was built again from the journal"),
        None if journal.read > 0 => {
            tracing::info!(records = journal.read, "the index was behind and brought up to the journal's end");
        }
        None => {}
    }
    if *orphans > 0 {
        tracing::info!(orphans, "payloads that no message names were removed, or set aside in blobs/lost after a loss");
    }
    tracing::info!(records = journal.last, "the store is open");
}

/// Looks at a data folder or a backup.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn look(folder: &Path) -> Result<Verified, Problem> {
    verify::verify(folder, chain_hash, DIGESTS, SystemClock.now()).map_err(|error| store_problem(&error))
}

/// Whether a daemon has the store open.
///
/// # Errors
///
/// When the lock cannot be looked at.
pub fn is_running(folder: &Path) -> Result<bool, Problem> {
    verify::is_open(folder).map_err(|error| store_problem(&error))
}

/// Backs a store up that nobody has open.
///
/// # Errors
///
/// When the store does not open, or `to` is not empty.
pub fn back_up(folder: &Path, index: Engine, to: &Path, clock: Arc<dyn Clock>) -> Result<BackedUp, Problem> {
    if !folder.join("journal").is_dir() {
        let what = format!("{} holds no store: it has no folder `journal`", folder.display());
        return Err(store_problem(&crate::store::StoreError::Unfit(what)));
    }
    let opened =
        EmbeddedStore::open_telling(&Medium::with(index), folder, chain_hash, clock, Making::Needed, &mut |_| {});
    opened.and_then(|(store, _)| store.backup(to)).map_err(|error| store_problem(&error))
}

/// Removes from a store that nobody has open what is no longer to be kept. `clock_is_right`: an operator says so, however far
/// it is ahead of the records.
///
/// # Errors
///
/// When the store is in use or does not open, or the disk fails; what went before is gone.
pub fn purge(
    folder: &Path,
    index: Engine,
    kept: &Retention,
    clock: &Arc<dyn Clock>,
    clock_is_right: bool,
) -> Result<Purged, Problem> {
    let medium = Medium::with(index);
    let opened = EmbeddedStore::open_telling(
        &medium,
        folder,
        chain_hash,
        Arc::clone(clock),
        Making::Needed,
        &mut now_and_then(),
    );
    let all = opened.and_then(|(store, _)| {
        if clock_is_right {
            store.vouch_for_clock()?;
        }
        let mut all = Purged::default();
        loop {
            let step = retention::purge(&store, kept, &**clock)?;
            if !step.is_anything() {
                return Ok(all);
            }
            all += step;
        }
    });
    all.map_err(|error| store_problem(&error))
}

/// Makes a store from a backup.
///
/// # Errors
///
/// When the backup is damaged or `folder` holds a store already; then nothing was changed.
pub fn restore(from: &Path, folder: &Path) -> Result<Verified, Problem> {
    backup::restore(from, folder, chain_hash, DIGESTS, SystemClock.now()).map_err(|error| store_problem(&error))
}

/// Builds the index again, and tells `tell` up to which record now and then. `accepted`: who goes on without the end of the journal
/// where that is lost, and why; an event says so.
///
/// # Errors
///
/// When the store is in use or its journal is damaged, or lost its end and that is not accepted.
pub fn rebuild(
    folder: &Path,
    index: Engine,
    clock: Arc<dyn Clock>,
    accepted: Option<Warrant>,
    tell: &mut dyn FnMut(u64, u32),
) -> Result<Opening, Problem> {
    let mut last = Instant::now();
    let mut told = |position: &Position| {
        if last.elapsed() >= TELL_EVERY {
            last = Instant::now();
            tell(position.seq, position.segment);
        }
    };
    let making = accepted.map_or(Making::Anew, Making::Accepting);
    let opened = EmbeddedStore::open_telling(&Medium::with(index), folder, chain_hash, clock, making, &mut told);
    opened.map(|(_, opening)| opening).map_err(|error| store_problem(&error))
}
