//! Answers that were verified, for as long as the federation allows (AP-3.1.3.c). Failures are never
//! kept. What is kept is the signed metadata: certificates and periods are checked at every use, so no
//! answer outlives the certificates in it.

use super::smp::Signed;
use crate::limits::DISCOVERY_CACHE_ENTRIES_MAX;
use crate::model::{DocumentType, ParticipantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Which answer.
pub(super) type Key = (ParticipantId, DocumentType);

/// A verified answer, with where it came from.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What was asked.
    pub(super) url: String,
    /// The answer.
    pub(super) signed: Arc<Signed>,
    /// When it was fetched.
    pub(super) at: Timestamp,
}

/// A bounded map; a poisoned lock only means that some thread panicked between two whole operations.
#[derive(Debug)]
pub(super) struct Cache {
    keep: Duration,
    entries: Mutex<HashMap<Key, Found>>,
}

impl Cache {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep, entries: Mutex::default() }
    }

    pub(super) fn is_off(&self) -> bool {
        self.keep.is_zero()
    }

    /// An answer that is young enough at `now`, and whose signer's certificate is still valid.
    pub(super) fn find(&self, key: &Key, now: Timestamp) -> Option<Found> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|found| self.is_young(found, now)).cloned()
    }

    pub(super) fn keep(&self, key: Key, found: Found) {
        if self.is_off() {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= DISCOVERY_CACHE_ENTRIES_MAX && !entries.contains_key(&key) {
            let now = found.at;
            entries.retain(|_, kept| self.is_young(kept, now));
            if entries.len() >= DISCOVERY_CACHE_ENTRIES_MAX
                && let Some(oldest) = entries.iter().min_by_key(|(_, kept)| kept.at).map(|(key, _)| key.clone())
            {
                entries.remove(&oldest);
            }
        }
        entries.insert(key, found);
    }

    pub(super) fn forget(&self, key: &Key) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn is_young(&self, found: &Found, now: Timestamp) -> bool {
        // A clock set back gives a negative age: fetch again rather than keep for ever.
        let age = u64::try_from(now.as_second() - found.at.as_second());
        age.is_ok_and(|age| age < self.keep.as_secs()) && now <= found.signed.signer().certificate().not_after()
    }
}
