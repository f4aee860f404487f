//! What a transaction does, decided before it is written: against the index, and against the
//! transactions of the same group that were decided before it.

use crate::model::{Change, Clock, Message, MessageId, Outcome, Timestamp};
use crate::store::index::{Index, Stage};
use crate::store::queue::Queue;
use crate::store::record::{Prepared, Record, Settled, Written};
use crate::store::{Answered, DuplicateKey, Settlement, StoreError, Upkeep};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// A group of transactions on its way to the disk: what will be true once it is there.
#[derive(Debug)]
pub(super) struct Group<'a> {
    index: &'a Index,
    answered: HashMap<DuplicateKey, Answered>,
    /// Changed messages as they will be; none where they will not be any more.
    pub(super) messages: HashMap<MessageId, Option<Message>>,
    /// Messages whose claim ends.
    pub(super) released: HashSet<MessageId>,
    /// The changes of the index.
    pub(super) stage: Stage,
}

/// What was decided about a transaction.
#[derive(Debug)]
pub(super) enum Decision {
    /// It is to be written, and then to join the group.
    Write(Box<(Record, Draft)>),
    /// Nothing of it happens: this was answered the first time.
    Duplicate(Answered),
}

/// What one transaction changes.
#[derive(Debug, Default)]
pub(super) struct Draft {
    messages: BTreeMap<MessageId, Version>,
    released: HashSet<MessageId>,
}

#[derive(Debug)]
struct Version {
    old: Option<Message>,
    new: Option<Written<Message>>,
}

impl<'a> Group<'a> {
    /// A group of no transactions yet.
    pub(super) fn new(index: &'a Index) -> Self {
        Self {
            index,
            answered: HashMap::new(),
            messages: HashMap::new(),
            released: HashSet::new(),
            stage: Stage::default(),
        }
    }

    /// Decides one transaction. The group stays as it is until the record [joins](Self::join) it.
    pub(super) fn decide(
        &self,
        queue: &Mutex<Queue>,
        transaction: Prepared,
        clock: &dyn Clock,
    ) -> Result<Decision, StoreError> {
        let (now, steady) = (clock.now(), clock.steady());
        let mut record = Record::new(now);
        if let Some((key, _)) = &transaction.answered
            && let Some(first) = self.first_answer(key)?
        {
            return Ok(Decision::Duplicate(first));
        }
        let mut draft = Draft::default();
        for message in transaction.inserts {
            if self.current(&draft, message.value.id)?.is_some() {
                return Err(StoreError::Exists(message.value.id));
            }
            draft.put(None, message.clone());
            record.state.inserts.push(message);
        }
        // Held until the messages are marked: no claim may come between the look at a lease and that.
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        for settlement in transaction.settlements {
            record.state.settled.push(self.settle(&queue, &mut draft, settlement, (now, steady))?);
        }
        if let Some(upkeep) = transaction.upkeep {
            self.keep_up(&mut draft, &mut record, *upkeep)?;
        }
        draft.messages.keys().for_each(|id| queue.settling(*id));
        drop(queue);
        record.state.answered = transaction.answered;
        record.log.events = transaction.events;
        record.log.certificates = transaction.evidence.certificates;
        record.state.received = transaction.evidence.received;
        Ok(Decision::Write(Box::new((record, draft))))
    }

    /// Takes a decided transaction, written as record `seq`, into the group.
    pub(super) fn join(&mut self, seq: u64, record: Record, draft: Draft) -> Result<(), StoreError> {
        for (id, version) in draft.messages {
            self.stage.message(version.old.as_ref(), version.new.as_ref())?;
            self.messages.insert(id, version.new.map(|new| new.value));
        }
        self.released.extend(draft.released);
        for (key, answered) in record.state.answers.into_iter().chain(record.state.answered) {
            self.stage.answered(&key, &answered);
            self.answered.insert(key, answered.value);
        }
        if let Some(dropped) = &record.state.dropped {
            self.stage.dropped(dropped)?;
        }
        for (n, event) in (0..).zip(&record.log.events) {
            self.stage.event(seq, n, event);
        }
        Ok(())
    }

    /// Takes a record of the journal into the group, without asking whether it is legal: it was. `whole`: nothing was dropped
    /// before, so every message that is named is known.
    pub(super) fn replay(&mut self, seq: u64, mut record: Record, whole: bool) -> Result<(), StoreError> {
        let mut draft = Draft::default();
        for message in std::mem::take(&mut record.state.inserts) {
            draft.put(None, message);
        }
        for settled in std::mem::take(&mut record.state.settled) {
            match self.current(&draft, settled.id)? {
                Some(old) => {
                    let new = Written::new(settled.on(old.clone(), record.log.at))?;
                    draft.put(Some(old), new);
                }
                None if whole => return Err(StoreError::Unknown(settled.id)),
                // Its state comes whole in a later record, or it is not kept any more.
                None => {}
            }
        }
        for carried in std::mem::take(&mut record.state.carried) {
            let old = self.current(&draft, carried.value.id)?;
            draft.put(old, carried);
        }
        for id in &record.state.forgotten {
            if let Some(old) = self.current(&draft, *id)? {
                draft.forget(old);
            }
        }
        self.join(seq, record, draft)
    }

    fn settle(
        &self,
        queue: &Queue,
        draft: &mut Draft,
        settlement: Settlement,
        (now, steady): (Timestamp, Timestamp),
    ) -> Result<Settled, StoreError> {
        let id = settlement.id;
        let current = self.current(draft, id)?.ok_or(StoreError::Unknown(id))?;
        if let Some(claim) = settlement.claim {
            if self.released.contains(&id) || queue.lease(id) != Some(claim) {
                return Err(StoreError::ClaimLost(id));
            }
            if settlement.release {
                draft.released.insert(id);
            }
        }
        if settlement.outcome.is_some_and(Outcome::is_operators) {
            let under_way = !self.released.contains(&id) && queue.lease(id).is_some_and(|until| until > steady);
            if under_way {
                return Err(StoreError::Busy(id));
            }
            // A worker that comes back after its lease has nothing to say about it any more.
            draft.released.insert(id);
        }
        let status = settlement.outcome.map_or(Ok(current.status), |outcome| current.after(outcome))?;
        let mut changes = settlement.changes;
        if settlement.outcome.is_some() && current.status.is_final() && status == current.status {
            // A late outcome shows as no problem of what has come to its end, and starts no work on it but for its AS4 receipt.
            let asks = current.lacks_as4_receipt();
            changes.retain(|change| match change {
                Change::Due(Some(_)) => asks,
                change => !matches!(change, Change::Error(Some(_))),
            });
        }
        let settled = Settled { id, status, changes };
        draft.put(Some(current.clone()), Written::new(settled.clone().on(current, now))?);
        Ok(settled)
    }

    /// What has to stay is written as it is in the order of all transactions, so that no change is lost between.
    fn keep_up(&self, draft: &mut Draft, record: &mut Record, upkeep: Upkeep) -> Result<(), StoreError> {
        for id in upkeep.carry {
            record.state.carried.extend(self.current(draft, id)?.map(Written::new).transpose()?);
        }
        for id in upkeep.forget {
            if let Some(message) = self.current(draft, id)?.filter(|message| message.status.is_final()) {
                draft.forget(message);
                record.state.forgotten.push(id);
            }
        }
        for (key, answered) in upkeep.answers {
            record.state.answers.push((key, Written::new(answered)?));
        }
        record.state.dropped = upkeep.dropped;
        Ok(())
    }

    fn first_answer(&self, key: &DuplicateKey) -> Result<Option<Answered>, StoreError> {
        self.answered.get(key).cloned().map_or_else(|| self.index.answered(key), |first| Ok(Some(first)))
    }

    fn current(&self, draft: &Draft, id: MessageId) -> Result<Option<Message>, StoreError> {
        match draft.messages.get(&id) {
            Some(version) => Ok(version.new.as_ref().map(|new| new.value.clone())),
            None => self.messages.get(&id).cloned().map_or_else(|| self.index.message(id), Ok),
        }
    }
}

impl Draft {
    fn put(&mut self, old: Option<Message>, new: Written<Message>) {
        match self.messages.get_mut(&new.value.id) {
            Some(version) => version.new = Some(new),
            None => drop(self.messages.insert(new.value.id, Version { old, new: Some(new) })),
        }
    }

    fn forget(&mut self, old: Message) {
        match self.messages.get_mut(&old.id) {
            Some(version) => version.new = None,
            None => drop(self.messages.insert(old.id, Version { old: Some(old), new: None })),
        }
    }
}
