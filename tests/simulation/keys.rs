//! The index in memory: it survives a killed process but for its last changes, and a power cut in any state.

use crate::chance::Chance;
use crate::disk::SimDisk;
use sluss::store::StoreError;
use sluss::store::keys::{Batch, Change, Found, Keys, Octets};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

type Map = BTreeMap<Vec<u8>, Octets>;

/// Changes that a killed process may take with it.
const BUFFERED: usize = 4;

#[derive(Debug, Default)]
struct Inner {
    seen: Map,
    written: Map,
    buffered: VecDeque<Batch>,
    garbled: bool,
    /// Values that cannot be read, by what their keys end with.
    unreadable: Option<Vec<u8>>,
    changes: u64,
    synced: bool,
}

#[derive(Debug, Default)]
pub(crate) struct MemoryKeys(Mutex<Inner>);

/// The index as one process has it open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) keys: Arc<MemoryKeys>,
    pub(crate) disk: SimDisk,
}

fn change(map: &mut Map, batch: &Batch) {
    for (key, change) in &batch.changes {
        match change {
            Change::Put(value) => drop(map.insert(key.to_vec(), value.clone())),
            Change::Add(value) => {
                assert!(map.insert(key.to_vec(), value.clone()).is_none(), "{key:?} was there already");
            }
            Change::Remove => drop(map.remove(&**key)),
        }
    }
}

impl MemoryKeys {
    pub(crate) fn opened(&self) -> Result<(), StoreError> {
        if self.0.lock().unwrap().garbled {
            return Err(StoreError::io("the index", io::Error::other("it could not be read")));
        }
        Ok(())
    }

    pub(crate) fn kill(&self, chance: &mut Chance) {
        let mut inner = self.0.lock().unwrap();
        let kept = chance.below(inner.buffered.len() + 1);
        let buffered: Vec<Batch> = inner.buffered.drain(..).collect();
        buffered.iter().take(kept).for_each(|batch| change(&mut inner.written, batch));
        inner.seen = inner.written.clone();
    }

    pub(crate) fn cut_power(&self, chance: &mut Chance) {
        if self.0.lock().unwrap().synced {
            return;
        }
        self.kill(chance);
        let mut inner = self.0.lock().unwrap();
        match chance.below(4) {
            0 => inner.garbled = true,
            1 => {
                let parity = chance.below(2) == 0;
                inner.seen.retain(|key, _| {
                    key.first() == Some(&b'z') || (key.last().is_some_and(|last| last % 2 == 0) == parity)
                });
                inner.written = inner.seen.clone();
            }
            _ => {}
        }
        inner.changes += 1;
    }

    pub(crate) fn garble(&self) {
        let mut inner = self.0.lock().unwrap();
        (inner.garbled, inner.changes) = (true, inner.changes + 1);
    }

    pub(crate) fn unreadable(&self, end_of_key: Option<Vec<u8>>) {
        self.0.lock().unwrap().unreadable = end_of_key;
    }

    pub(crate) fn stamp(&self) -> String {
        format!("{}\n", self.0.lock().unwrap().changes)
    }

    pub(crate) fn synced(&self) {
        self.0.lock().unwrap().synced = true;
    }
}

impl Keys for Open {
    fn value(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        self.disk.index_step(false)?;
        let inner = self.keys.0.lock().unwrap();
        if inner.unreadable.as_ref().is_some_and(|end| key.ends_with(end)) {
            return Err(StoreError::io("the index", io::Error::other("a sector cannot be read")));
        }
        Ok(inner.seen.get(key).cloned())
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.disk.index_step(true)?;
        let mut inner = self.keys.0.lock().unwrap();
        change(&mut inner.seen, &batch);
        (inner.synced, inner.changes) = (false, inner.changes + 1);
        inner.buffered.push_back(batch);
        if inner.buffered.len() > BUFFERED
            && let Some(oldest) = inner.buffered.pop_front()
        {
            change(&mut inner.written, &oldest);
        }
        Ok(())
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Found<'_> {
        if let Err(error) = self.disk.index_step(false) {
            return Box::new(std::iter::once(Err(error)));
        }
        let inner = self.keys.0.lock().unwrap();
        let found: Vec<_> = inner
            .seen
            .range((from, to))
            .map(|(key, value)| Ok((Octets::from(key.as_slice()), value.clone())))
            .collect();
        Box::new(found.into_iter())
    }

    fn is_empty(&self) -> bool {
        self.keys.0.lock().unwrap().seen.is_empty()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.disk.index_step(false)?;
        let mut inner = self.keys.0.lock().unwrap();
        inner.written = inner.seen.clone();
        inner.buffered.clear();
        Ok(())
    }
}
