//! What the index asks of its library: ordered keys with values, changed in batches that hold whole or not at all.

use crate::limits::INDEX_CACHE_BYTES;
use crate::store::StoreError;
use std::fmt::Debug;
use std::fs;
use std::ops::Bound;
use std::path::Path;

/// Octets of a key or a value, cheap to clone.
pub type Octets = sled::IVec;

/// Keys and values as they are found, in order from both ends.
pub type Found<'a> = Box<dyn DoubleEndedIterator<Item = Result<(Octets, Octets), StoreError>> + 'a>;

/// Changes in their order: a key with its new value, or with none where it goes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The changes.
    pub changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Puts a value in the place of what the key has.
    pub fn insert(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), None));
    }
}

/// Ordered keys with values. What is changed need not outlive the machine, nor a process that is killed: the index tells
/// how far it goes, and the journal has the rest.
pub trait Keys: Debug + Send + Sync {
    /// The value of a key.
    fn value(&self, key: &[u8]) -> Result<Option<Octets>, StoreError>;
    /// Makes all changes, of which nobody sees a part.
    fn apply(&self, batch: Batch) -> Result<(), StoreError>;
    /// The keys between two bounds.
    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Found<'_>;
    /// Whether nothing was ever put into it.
    fn is_empty(&self) -> bool;
    /// Writes everything out, for a clean end.
    fn flush(&self) -> Result<(), StoreError>;

    /// The keys that begin with `prefix`.
    fn below(&self, prefix: &[u8]) -> Found<'_> {
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let to = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        self.range(Bound::Included(prefix.to_vec()), to)
    }
}

/// sled, one tree.
#[derive(Debug)]
pub(super) struct Sled(sled::Db);

impl Sled {
    /// Opens or creates it.
    ///
    /// # Errors
    ///
    /// Whatever sled says, its panics included: it is then to be moved aside.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        remove_leftovers(folder)?;
        let config = sled::Config::new().path(folder).cache_capacity(INDEX_CACHE_BYTES);
        let config = config.mode(sled::Mode::LowSpace).flush_every_ms(Some(500));
        // A damaged file makes sled panic as often as fail.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()));
        let panicked = |_| StoreError::io("the index", std::io::Error::other("it could not be read"));
        Ok(Self(opened.map_err(panicked)?.map_err(failed)?))
    }
}

impl Keys for Sled {
    fn value(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        self.0.get(key).map_err(failed)
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch.changes {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        self.0.apply_batch(changes).map_err(failed)
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Found<'_> {
        Box::new(self.0.range((from, to)).map(|entry| entry.map_err(failed)))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().map(drop).map_err(failed)
    }
}

/// Removes what an interrupted snapshot leaves behind: sled would not open (sled issue 1527).
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
    Ok(())
}

fn failed(error: sled::Error) -> StoreError {
    StoreError::Io { what: "the index".into(), source: std::io::Error::other(error) }
}
