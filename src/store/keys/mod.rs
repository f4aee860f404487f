//! What the index asks of its library: ordered keys with values, changed in batches that hold whole or not at all.

mod lsm;
mod sled;

use crate::store::StoreError;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::Bound;

pub(super) use lsm::Lsm;
pub(super) use sled::Sled;

/// Octets of a key or a value, cheap to clone.
pub type Octets = lsm_tree::Slice;

/// Keys and values as they are found, in order from both ends.
pub type Found<'a> = Box<dyn DoubleEndedIterator<Item = Result<(Octets, Octets), StoreError>> + 'a>;

/// The library that keeps the keys.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A log-structured merge tree (crate `lsm-tree`).
    #[default]
    Lsm,
    /// sled.
    Sled,
}

/// Changes in their order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The changes.
    pub changes: Vec<(Octets, Change)>,
}

/// What becomes of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// It has this value.
    Put(Octets),
    /// It was not there, and is there, with this value: for keys that will soon be gone again.
    Add(Octets),
    /// It goes.
    Remove,
}

impl Batch {
    /// Puts a value in the place of what the key has.
    pub fn insert(&mut self, key: impl Into<Octets>, value: impl Into<Octets>) {
        self.changes.push((key.into(), Change::Put(value.into())));
    }

    /// Adds a key that is not there, and will not be for long.
    pub fn add(&mut self, key: impl Into<Octets>, value: impl Into<Octets>) {
        self.changes.push((key.into(), Change::Add(value.into())));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: impl Into<Octets>) {
        self.changes.push((key.into(), Change::Remove));
    }

    /// The last change of each key, in the order of the keys.
    #[must_use]
    pub fn in_order(self) -> Self {
        // Keys of one kind often come in their order, and those of different kinds need not be compared.
        let mut kinds: BTreeMap<Option<u8>, Vec<(Octets, Change)>> = BTreeMap::new();
        for (key, change) in self.changes {
            kinds.entry(key.first().copied()).or_default().push((key, change));
        }
        kinds.values_mut().for_each(|kind| kind.sort_by(|(one, _), (other, _)| one.cmp(other)));
        let mut changes: Vec<_> = kinds.into_values().flatten().collect();
        changes.dedup_by(|later, last| {
            let again = later.0 == last.0;
            if again {
                std::mem::swap(later, last);
            }
            again
        });
        Self { changes }
    }
}

/// Ordered keys with values. What is changed need not outlive the machine, nor a process that is killed: the index tells
/// how far it goes, and the journal has the rest.
pub trait Keys: Debug + Send + Sync {
    /// The value of a key.
    fn value(&self, key: &[u8]) -> Result<Option<Octets>, StoreError>;
    /// Whether changes may be made now.
    ///
    /// # Errors
    ///
    /// While what was changed cannot be written out, and has all the memory that there is for it.
    fn room(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Makes all changes, of which nobody sees a part.
    fn apply(&self, batch: Batch) -> Result<(), StoreError>;
    /// As [`Self::apply`], for so many changes that it pays to write them out by themselves. `more`: others follow at once,
    /// and it does not pay yet to make what was written fast to read.
    fn load(&self, batch: Batch, more: bool) -> Result<(), StoreError> {
        let _ = more;
        self.apply(batch)
    }
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

/// Opens a library whose damaged files make it panic as often as fail.
fn caught<T, E: std::error::Error + Send + Sync + 'static>(
    open: impl FnOnce() -> Result<T, E>,
) -> Result<T, StoreError> {
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open));
    opened.map_err(|_| failed(io::Error::other("it could not be read")))?.map_err(failed)
}

/// What a library says: the file system failed, and its files are as they were; or there is something wrong with them.
fn failed(error: impl std::error::Error + 'static) -> StoreError {
    let told: &(dyn std::error::Error + 'static) = &error;
    let cause = told.downcast_ref::<io::Error>().or_else(|| told.source()?.downcast_ref::<io::Error>());
    match cause.map(io::Error::raw_os_error) {
        Some(Some(code)) => StoreError::io("the index", io::Error::from_raw_os_error(code)),
        _ => StoreError::Index(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_order_are_the_last_ones_of_each_key() {
        let mut batch = Batch::default();
        for (n, key) in ["b2", "a1", "", "b1", "a1", "c", "b2", "a1"].into_iter().enumerate() {
            batch.insert(key, [u8::try_from(n).unwrap()]);
        }
        batch.remove("c");
        let found = batch.in_order().changes.into_iter().map(|(key, change)| (key.to_vec(), change));
        let put = |n: u8| Change::Put([n].into());
        let expected = [("", put(2)), ("a1", put(7)), ("b1", put(3)), ("b2", put(6)), ("c", Change::Remove)];
        assert!(found.eq(expected.map(|(key, change)| (key.as_bytes().to_vec(), change))));
    }
}
