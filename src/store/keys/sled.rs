//! sled, one tree.

use super::{Batch, Change, Found, Keys, Octets, caught, failed};
use crate::limits::INDEX_CACHE_BYTES;
use crate::store::StoreError;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;

/// sled, one tree.
#[derive(Debug)]
pub(in crate::store) struct Sled(sled::Db);

impl Sled {
    /// Opens or creates it.
    ///
    /// # Errors
    ///
    /// Whatever sled says, its panics included: it is then to be moved aside.
    pub(in crate::store) fn open(folder: &Path) -> Result<Self, StoreError> {
        remove_leftovers(folder)?;
        let config = sled::Config::new().path(folder).cache_capacity(INDEX_CACHE_BYTES);
        let config = config.mode(sled::Mode::LowSpace).flush_every_ms(Some(500));
        caught(|| config.open()).map(Self)
    }
}

impl Keys for Sled {
    fn value(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        Ok(self.0.get(key).map_err(failed)?.map(octets))
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for (key, change) in batch.changes {
            match change {
                Change::Put(value) | Change::Add(value) => changes.insert(&*key, &*value),
                Change::Remove => changes.remove(&*key),
            }
        }
        self.0.apply_batch(changes).map_err(failed)
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Found<'_> {
        let found = self.0.range((from, to));
        Box::new(found.map(|entry| entry.map(|(key, value)| (octets(key), octets(value))).map_err(failed)))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().map(drop).map_err(failed)
    }
}

fn octets(found: sled::IVec) -> Octets {
    Octets::from(found.as_ref())
}

/// Removes what an interrupted snapshot leaves behind: sled would not open (sled issue 1527). Files of another library are
/// no index of sled's.
fn remove_leftovers(folder: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io(format!("index folder {}", folder.display()), source);
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    match folder.join("current").exists() {
        true => Err(failed(io::Error::other("it is not of sled"))),
        false => Ok(()),
    }
}
