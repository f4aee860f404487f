//! Brings the index up to the journal's end: many records at once, taken apart on all processors. Of a message that changed
//! several times among them only the last state goes into the index, and all goes there in one piece, while the next ones are
//! read.

use crate::limits::REPLAY_BYTES;
use crate::store::StoreError;
use crate::store::decide::Group;
use crate::store::embedded::Tell;
use crate::store::index::Index;
use crate::store::journal::{Position, Spot};
use crate::store::parts::in_parts;
use crate::store::record::{Noted, Record, unreadable};
use std::io;
use std::thread::{Scope, ScopedJoinHandle};

/// Records on their way into the index.
pub(super) struct Replay<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    index: &'scope Index,
    /// Whether every message that a record names is known.
    whole: bool,
    tell: Tell<'env>,
    /// Records, each with where it ends in what follows.
    waiting: Vec<(Position, usize)>,
    bytes: Vec<u8>,
    loading: Option<ScopedJoinHandle<'scope, Result<(), StoreError>>>,
}

impl<'scope, 'env> Replay<'scope, 'env> {
    /// Of no records yet. `whole`: every message that one will name is known.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, index: &'scope Index, whole: bool, tell: Tell<'env>) -> Self {
        Self { scope, index, whole, tell, waiting: Vec::new(), bytes: Vec::new(), loading: None }
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, position: &Position, payload: &[u8]) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(payload);
        self.waiting.push((position.clone(), self.bytes.len()));
        if self.bytes.len() < REPLAY_BYTES { Ok(()) } else { self.publish(true) }
    }

    /// Ends when everything that was taken is in the index.
    pub(super) fn end(mut self) -> Result<(), StoreError> {
        self.publish(false)?;
        self.loaded()
    }

    fn publish(&mut self, more: bool) -> Result<(), StoreError> {
        let (waiting, bytes) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.bytes));
        let Some((last, _)) = waiting.last().cloned() else { return Ok(()) };
        let begins = std::iter::once(0).chain(waiting.iter().map(|(_, end)| *end));
        let all: Vec<(Spot, &[u8])> = begins
            .zip(&waiting)
            .map(|(begin, (position, end))| (position.spot(), bytes.get(begin..*end).unwrap_or_default()))
            .collect();
        let decode = |(spot, payload): &(Spot, &[u8])| {
            let record = Record::<Noted>::decode(payload).map_err(|error| unreadable("transaction", error))?;
            Ok((*spot, record))
        };
        let decoded = in_parts(&all, |part| part.iter().map(decode).collect::<Result<Vec<_>, StoreError>>());
        // Others need the memory.
        drop(all);
        drop(bytes);
        // What comes now may be about messages of before.
        self.loaded()?;
        let mut group = Group::new(self.index);
        for part in decoded {
            for (spot, record) in part? {
                group.replay(spot, record, self.whole)?;
            }
        }
        (self.tell)(&last);
        let (stage, index) = (group.stage()?, self.index);
        self.loading = Some(self.scope.spawn(move || {
            drop(group);
            index.load(stage, &last, more)
        }));
        Ok(())
    }

    /// Waits until what was taken before is in the index.
    fn loaded(&mut self) -> Result<(), StoreError> {
        let panicked = || StoreError::io("the index", io::Error::other("its thread panicked"));
        self.loading.take().map_or(Ok(()), |loading| loading.join().unwrap_or_else(|_| Err(panicked())))
    }
}
