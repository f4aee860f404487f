//! Brings the index up to the journal's end: many records at once, taken apart on all processors. Of a message that changed
//! several times among them only the last state goes into the index, and all goes there in one piece, while the next ones are
//! read.

use crate::limits::REPLAY_BYTES;
use crate::store::StoreError;
use crate::store::decide::Group;
use crate::store::embedded::Tell;
use crate::store::index::Index;
use crate::store::journal::Position;
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
    waiting: Vec<(Position, Vec<u8>)>,
    bytes: usize,
    loading: Option<ScopedJoinHandle<'scope, Result<(), StoreError>>>,
}

impl<'scope, 'env> Replay<'scope, 'env> {
    /// Of no records yet. `whole`: every message that one will name is known.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, index: &'scope Index, whole: bool, tell: Tell<'env>) -> Self {
        Self { scope, index, whole, tell, waiting: Vec::new(), bytes: 0, loading: None }
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, position: &Position, payload: &[u8]) -> Result<(), StoreError> {
        self.waiting.push((position.clone(), payload.to_vec()));
        self.bytes += payload.len();
        if self.bytes < REPLAY_BYTES { Ok(()) } else { self.publish() }
    }

    /// Ends when everything that was taken is in the index.
    pub(super) fn end(mut self) -> Result<(), StoreError> {
        self.publish()?;
        self.loaded()
    }

    fn publish(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let Some((last, _)) = waiting.last().cloned() else { return Ok(()) };
        let decode = |(_, payload): &(Position, Vec<u8>)| {
            Record::<Noted>::decode(payload).map_err(|error| unreadable("transaction", error))
        };
        let decoded = in_parts(&waiting, |part| part.iter().map(decode).collect::<Result<Vec<_>, _>>());
        let mut spots = waiting.into_iter().map(|(position, _)| position.spot());
        // What comes now may be about messages of before.
        self.loaded()?;
        let mut group = Group::new(self.index);
        for part in decoded {
            for (record, spot) in part?.into_iter().zip(&mut spots) {
                group.replay(spot, record, self.whole)?;
            }
        }
        (self.tell)(&last);
        let (stage, index) = (group.stage()?, self.index);
        self.loading = Some(self.scope.spawn(move || index.load(stage, &last)));
        Ok(())
    }

    /// Waits until what was taken before is in the index.
    fn loaded(&mut self) -> Result<(), StoreError> {
        let panicked = || StoreError::io("the index", io::Error::other("its thread panicked"));
        self.loading.take().map_or(Ok(()), |loading| loading.join().unwrap_or_else(|_| Err(panicked())))
    }
}
