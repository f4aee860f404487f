//! Who holds which message, and what is due: in memory, because a process that died holds nothing.

use crate::model::{MessageId, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Messages with work to do, by the time they become due.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: HashMap<MessageId, Timestamp>,
    leases: HashMap<MessageId, Timestamp>,
    due: BTreeSet<(Timestamp, MessageId)>,
    busy: HashSet<MessageId>,
}

impl Queue {
    /// When work on `id` is due by itself; `None`: never.
    pub(super) fn schedule(&mut self, id: MessageId, next: Option<Timestamp>) {
        self.change(id, |queue| {
            match next {
                Some(next) => queue.next.insert(id, next),
                None => queue.next.remove(&id),
            };
        });
    }

    /// Leaves `id` to a worker until then, which is also the name of the claim.
    pub(super) fn hold(&mut self, id: MessageId, until: Timestamp) {
        self.change(id, |queue| {
            queue.leases.insert(id, until);
        });
    }

    /// Ends the lease of `id`.
    pub(super) fn release(&mut self, id: MessageId) {
        self.change(id, |queue| {
            queue.leases.remove(&id);
        });
    }

    /// Until when `id` was left to a worker, even if that is over: nobody else has taken it since.
    pub(super) fn lease(&self, id: MessageId) -> Option<Timestamp> {
        self.leases.get(&id).copied()
    }

    /// The message that has been due longest at `now`, but for those whose settlement is being written.
    pub(super) fn longest_due(&self, now: Timestamp) -> Option<MessageId> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).find(|id| !self.busy.contains(id))
    }

    /// When the next message becomes due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.iter().find(|(_, id)| !self.busy.contains(id)).map(|(at, _)| *at)
    }

    /// Nobody may claim `id` while its settlement is on its way to the disk.
    pub(super) fn settling(&mut self, id: MessageId) {
        self.busy.insert(id);
    }

    /// What was on its way has arrived, or has failed.
    pub(super) fn settled(&mut self) {
        self.busy.clear();
    }

    fn change(&mut self, id: MessageId, change: impl FnOnce(&mut Self)) {
        if let Some(at) = self.due_at(id) {
            self.due.remove(&(at, id));
        }
        change(self);
        if let Some(at) = self.due_at(id) {
            self.due.insert((at, id));
        }
    }

    fn due_at(&self, id: MessageId) -> Option<Timestamp> {
        let next = *self.next.get(&id)?;
        Some(self.leases.get(&id).map_or(next, |lease| next.max(*lease)))
    }
}
