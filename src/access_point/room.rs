//! Free space: before the disk is full nothing new is accepted, so that what was accepted can still be sent and delivered.

use super::{Router, store_problem};
use crate::limits::HEALTH_EVERY;
use crate::metrics::Away;
use crate::model::{Event, Fault, Problem, Stage};
use crate::store::Transaction;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether there was too little space when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Room {
    short: AtomicBool,
}

impl Room {
    /// Whether there is too little now. It begins below `least`, and is over a quarter above it: a disk at its bound
    /// would open and close our doors all the time.
    fn is_short(&self, free: u64, least: u64) -> bool {
        let bound = if self.short.load(Ordering::Relaxed) { least.saturating_add(least / 4) } else { least };
        free < bound
    }

    /// Remembers how it is; whether that is new.
    fn turns(&self, short: bool) -> bool {
        self.short.swap(short, Ordering::Relaxed) != short
    }
}

impl Router {
    /// Whether anything new is accepted. Looks at the disk each time, and tells once of each turn. Blocks.
    ///
    /// # Errors
    ///
    /// Temporary while less than `limits.free_bytes_least` is free, and until a quarter more is free again.
    pub fn accepts(&self) -> Result<(), Problem> {
        let least = self.settings().free_bytes_least;
        let free = self.store.blobs().free_bytes().map_err(|error| store_problem(&error))?;
        let short = self.room.is_short(free, least);
        if self.room.turns(short) {
            self.tell(short, free, least);
        }
        if short { Err(too_little(free, least)) } else { Ok(()) }
    }

    /// As [`Self::accepts`], for a request that is turned away otherwise.
    pub(super) fn admits(&self) -> Result<(), Problem> {
        self.accepts().inspect_err(|_| self.metrics.turned_away(Away::Space))
    }

    fn tell(&self, short: bool, free: u64, least: u64) {
        let (stage, detail) = if short {
            (Stage::Warned, "too little space is free: nothing new is accepted; sending and delivering go on")
        } else {
            (Stage::Cleared, "enough space is free again: new messages are accepted")
        };
        let event =
            Event::new(self.now(), None, stage, detail).fact("free_bytes", free).fact("free_bytes_least", least);
        if let Err(error) = self.commit(Transaction { events: vec![event], ..Transaction::default() }) {
            tracing::error!(%error, free, least, "{detail}; this could not be recorded");
        }
    }
}

/// The answer to whoever brings something new.
fn too_little(free: u64, least: u64) -> Problem {
    let detail = format!(
        "{free} bytes are free, expected {least} (limits.free_bytes_least); nothing was kept; come again later. It goes on by \
         itself {} s after a quarter more than that is free",
        HEALTH_EVERY.as_secs()
    );
    Problem::new(Fault::Temporary, "space", "too little space is free", detail)
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn doors_close_at_the_bound_and_open_a_quarter_above_it() {
        let room = Room::default();
        let looks = [(100, false, false), (99, true, true), (110, true, false), (124, true, false), (125, false, true)];
        for (free, short, turns) in looks {
            let found = room.is_short(free, 100);
            assert_eq!((found, room.turns(found)), (short, turns), "{free} free");
        }
        assert!(!room.is_short(100, 100), "open again down to the bound");
    }
}
