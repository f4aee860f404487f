//! What a transaction does, decided before it is written: against the index, and against the
//! transactions of the same group that were decided before it.

use crate::model::{BlobId, Change, Clock, EnvelopeId, Message, MessageId, Outcome, ParticipantId, PartyId, Timestamp};
use crate::store::course::Course;
use crate::store::index::{Index, Stage};
use crate::store::journal::{Beginning, Journal, Spot};
use crate::store::parts::in_parts;
use crate::store::queue::Queue;
use crate::store::record::{Noted, Prepared, Record, Settled, State, Written};
use crate::store::retention::without_payloads;
use crate::store::{Answered, DuplicateKey, Folded, HandedIn, Settlement, StoreError, Upkeep, folded};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// A group of transactions on its way to the disk: what will be true once it is there.
#[derive(Debug)]
pub(super) struct Group<'a> {
    index: &'a Index,
    /// None of what is no longer known.
    answered: HashMap<DuplicateKey, Option<Written<Answered>>>,
    /// Likewise.
    handed_in: HashMap<Folded, Option<HandedIn>>,
    messages: HashMap<MessageId, Version>,
    routes: HashMap<ParticipantId, PartyId>,
    dropped: Option<Beginning>,
    /// What time it was at the last record.
    course: Option<Course>,
    notes: BTreeMap<String, Value>,
    /// Room for the lines of a record.
    lines: Vec<u8>,
    /// Events by record.
    events: Vec<(Spot, Vec<Noted>)>,
    /// Payloads to which a message no longer refers.
    pub(super) given_up: Vec<BlobId>,
    /// Messages whose claim ends.
    pub(super) released: HashSet<MessageId>,
}

/// What was decided about a transaction.
#[derive(Debug)]
pub(super) enum Decision {
    /// It is to be written, and then to join the group.
    Write(Box<(Record, Draft)>),
    /// Nothing of it happens: this was answered the first time, and these messages came again.
    Duplicate(Answered, Vec<Message>),
}

/// What one transaction changes.
#[derive(Debug, Default)]
pub(super) struct Draft {
    messages: BTreeMap<MessageId, Version>,
    released: HashSet<MessageId>,
    handed_in: HashMap<Folded, HandedIn>,
}

/// A message before and after; none where it is not there.
#[derive(Debug)]
struct Version {
    old: Option<Written<Message>>,
    new: Option<Written<Message>>,
}

impl<'a> Group<'a> {
    /// A group of no transactions yet.
    pub(super) fn new(index: &'a Index) -> Self {
        Self {
            index,
            answered: HashMap::new(),
            handed_in: HashMap::new(),
            messages: HashMap::new(),
            routes: HashMap::new(),
            dropped: None,
            course: index.course(),
            notes: BTreeMap::new(),
            lines: Vec::new(),
            events: Vec::new(),
            given_up: Vec::new(),
            released: HashSet::new(),
        }
    }

    /// Decides one transaction. The group stays as it is until the record [joins](Self::append) it.
    pub(super) fn decide(
        &self,
        queue: &Mutex<Queue>,
        transaction: Prepared,
        clock: &dyn Clock,
    ) -> Result<Decision, StoreError> {
        let (now, steady) = (clock.now(), clock.steady());
        let mut record = Record::new(now, steady);
        if let Some((key, _)) = &transaction.answered
            && let Some(first) = self.first_answer(key)?
        {
            let again = transaction.inserts.into_iter().map(Written::into_value);
            return Ok(Decision::Duplicate(first, again.collect()));
        }
        let mut draft = Draft::default();
        for message in transaction.inserts {
            let id = message.value().id;
            if self.current(&draft, id)?.is_some() {
                return Err(StoreError::Exists(id));
            }
            if let Some(first) = self.first_of_its_envelope(&draft, message.value())? {
                return Err(StoreError::HandedIn(Box::new(first)));
            }
            draft.put(None, message.clone());
            record.state.inserts.push(message);
        }
        // Held until the messages are marked: no claim may come between the look at a lease and that.
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        record.state.routes = transaction.routes;
        for settlement in transaction.settlements {
            record.state.settled.push(self.settle(&queue, &mut draft, settlement, (now, steady))?);
        }
        if let Some(upkeep) = transaction.upkeep {
            self.keep_up((&queue, steady), &mut draft, &mut record, *upkeep)?;
        }
        draft.messages.keys().for_each(|id| queue.settling(*id));
        drop(queue);
        record.state.notes.extend(transaction.notes);
        record.state.answered = transaction.answered;
        record.log.events = transaction.events;
        record.log.certificates = transaction.evidence.certificates;
        record.state.received = transaction.evidence.received;
        Ok(Decision::Write(Box::new((record, draft))))
    }

    /// Puts a decided transaction into the journal, to be written with the next sync, and takes it into the group.
    pub(super) fn append(&mut self, journal: &mut Journal, record: Record, draft: Draft) -> Result<(), StoreError> {
        record.encode(&mut self.lines)?;
        let spot = journal.append(&self.lines)?;
        self.join(spot, record, draft);
        Ok(())
    }

    /// Takes a decided transaction, written in this spot, into the group.
    fn join(&mut self, spot: Spot, record: Record, draft: Draft) {
        let noted = |event: &Written<_>| Noted::of(event.value());
        self.events.push((spot, record.log.events.iter().map(noted).collect()));
        self.take(draft, record.log.at, record.state);
    }

    fn take(&mut self, draft: Draft, at: Timestamp, state: State) {
        let steady = state.steady.unwrap_or(at);
        let course = self.course.map_or_else(|| Course::begin(at, steady), |course| course.on(at, steady));
        self.course = Some(if state.clock_is_right { course.vouched() } else { course });
        for (id, version) in draft.messages {
            if let Some(old) = &version.old {
                let remain = version.new.as_ref().map(|new| new.value().payloads()).unwrap_or_default();
                self.given_up.extend(old.value().payloads().difference(&remain));
            }
            match self.messages.get_mut(&id) {
                Some(known) => known.new = version.new,
                None => drop(self.messages.insert(id, version)),
            }
        }
        for (key, one) in draft.handed_in {
            self.handed_in.entry(key).or_default().get_or_insert(one);
        }
        self.handed_in.extend(state.lapsed_envelopes.iter().map(|(from, id)| (folded(from, id), None)));
        self.released.extend(draft.released);
        self.routes.extend(state.routes);
        self.answered.extend(state.lapsed_answers.into_iter().map(|key| (key, None)));
        let answers = state.answers.into_iter().chain(state.answered);
        self.answered.extend(answers.map(|(key, answered)| (key, Some(answered))));
        self.dropped = state.dropped.or(self.dropped.take());
        self.notes.extend(state.notes);
    }

    /// The group begins in this spot of the journal, and spots were told from there.
    pub(super) fn begins(&mut self, begin: Spot) {
        self.events.iter_mut().for_each(|(spot, _)| *spot = spot.from(begin));
    }

    /// The changes of the index.
    pub(super) fn stage(&self) -> Result<Stage, StoreError> {
        // Ids have the order of time, and so have many keys.
        let mut messages: Vec<(&MessageId, &Version)> = self.messages.iter().collect();
        messages.sort_unstable_by_key(|(id, _)| **id);
        let mut stage = Stage::default();
        let staged = in_parts(&messages, |part| {
            let mut stage = Stage::default();
            let staged = part.iter().try_for_each(|(_, one)| stage.message(one.old.as_ref(), one.new.as_ref()));
            staged.map(|()| stage)
        });
        for part in staged {
            stage.append(part?);
        }
        self.answered.iter().try_for_each(|(key, answered)| stage.answered(key, answered.as_ref()))?;
        stage.course(self.course);
        self.handed_in.iter().for_each(|(key, one)| stage.handed_in(key, one.as_ref()));
        self.routes.iter().try_for_each(|(recipient, partner)| stage.route(recipient, partner))?;
        if let Some(dropped) = &self.dropped {
            stage.dropped(dropped)?;
        }
        self.notes.iter().try_for_each(|(name, value)| stage.note(name, value))?;
        self.events.iter().for_each(|(spot, events)| stage.events(*spot, events));
        Ok(stage)
    }

    /// Changed messages as they are now.
    pub(super) fn changed(&self) -> impl Iterator<Item = &Message> {
        self.messages.values().filter_map(|version| version.new.as_ref()).map(Written::value)
    }

    /// Where messages to recipients go from now on.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&ParticipantId, &PartyId)> {
        self.routes.iter()
    }

    /// Messages that are not kept any more.
    pub(super) fn forgotten(&self) -> impl Iterator<Item = MessageId> {
        self.messages.iter().filter(|(_, version)| version.new.is_none()).map(|(id, _)| *id)
    }

    /// Takes a record of the journal into the group, without asking whether it is legal: it was. `whole`: nothing was dropped
    /// before, so every message that is named is known.
    pub(super) fn replay(&mut self, spot: Spot, mut record: Record<Noted>, whole: bool) -> Result<(), StoreError> {
        let mut draft = Draft::default();
        for message in std::mem::take(&mut record.state.inserts) {
            draft.put(None, message);
        }
        for settled in std::mem::take(&mut record.state.settled) {
            match self.current(&draft, settled.id)? {
                Some(old) => {
                    let new = settled.on(old.value().clone(), record.log.at);
                    draft.put(Some(old), Written::later(new));
                }
                None if whole => return Err(StoreError::Unknown(settled.id)),
                // Its state comes whole in a later record, or it is not kept any more.
                None => {}
            }
        }
        for carried in std::mem::take(&mut record.state.carried) {
            let old = self.current(&draft, carried.value().id)?;
            draft.put(old, carried);
        }
        for one in std::mem::take(&mut record.state.handed_in) {
            draft.name(one);
        }
        for id in &record.state.forgotten {
            if let Some(old) = self.current(&draft, *id)? {
                draft.forget(old);
            }
        }
        self.events.push((spot, record.log.events));
        self.take(draft, record.log.at, record.state);
        Ok(())
    }

    fn settle(
        &self,
        queue: &Queue,
        draft: &mut Draft,
        settlement: Settlement,
        (now, steady): (Timestamp, Timestamp),
    ) -> Result<Settled, StoreError> {
        let id = settlement.id;
        let written = self.current(draft, id)?.ok_or(StoreError::Unknown(id))?;
        let current = written.value();
        if let Some(claim) = settlement.claim {
            if self.released.contains(&id) || queue.lease(id) != Some(claim) {
                return Err(StoreError::ClaimLost(id));
            }
            if settlement.release {
                draft.released.insert(id);
            }
        }
        if settlement.outcome.is_some_and(Outcome::is_operators) {
            if self.is_under_way(queue, id, steady) {
                return Err(StoreError::Busy(id));
            }
            // A worker that comes back after its lease has nothing to say about it any more.
            draft.released.insert(id);
        }
        let status = settlement.outcome.map_or(Ok(current.status), |outcome| current.after(outcome))?;
        let mut changes = settlement.changes;
        let may_be_late = settlement.outcome.is_some_and(|outcome| !outcome.is_operators());
        if may_be_late && current.status.is_final() && status == current.status {
            // A late outcome shows as no problem of what has come to its end, and leaves no work on it but for its AS4 receipt.
            changes.retain(|change| !matches!(change, Change::Error(Some(_))));
            if !current.lacks_as4_receipt() {
                changes.push(Change::Due(None));
            }
        }
        let mut settled = Settled { id, status, changes };
        let mut new = settled.clone().on(current.clone(), now);
        let route = self.routes.get(&current.to).or_else(|| queue.route_of(&current.to));
        if let Some(change) = current.awaited_partner(&new, route) {
            settled.changes.push(change.clone());
            new.apply(change);
        }
        draft.put(Some(written), Written::later(new));
        Ok(settled)
    }

    /// What has to stay is written as it is in the order of all transactions, so that no change is lost between.
    fn keep_up(
        &self,
        (queue, steady): (&Queue, Timestamp),
        draft: &mut Draft,
        record: &mut Record,
        upkeep: Upkeep,
    ) -> Result<(), StoreError> {
        for id in upkeep.carry {
            record.state.carried.extend(self.current(draft, id)?);
        }
        for id in upkeep.forget {
            draft.forget(self.nobodys(queue, draft, id, steady)?);
            record.state.forgotten.push(id);
        }
        for id in upkeep.empty {
            let old = self.nobodys(queue, draft, id, steady)?;
            let settled = Settled { id, status: old.value().status, changes: without_payloads(old.value()) };
            let new = settled.clone().on(old.value().clone(), record.log.at);
            draft.put(Some(old), Written::later(new));
            record.state.settled.push(settled);
        }
        let lapsing = upkeep.lapsing;
        for key in upkeep.answers {
            let Some(answered) = self.first_answer(&key)? else { continue };
            let kept = answered.message.map(|id| self.current(draft, id)).transpose()?.flatten().is_some();
            if lapsing.is_known(kept, answered.at) {
                let has_body = answered.at >= lapsing.receipts_before;
                let answered = if has_body { answered } else { answered.without_body() };
                record.state.answers.push((key, Written::new(answered)?));
            } else {
                record.state.lapsed_answers.push(key);
            }
        }
        for (from, id) in upkeep.envelopes {
            let Some(one) = self.first_handed_in(draft, &from, &id)? else { continue };
            // A message that is kept names it itself.
            if self.current(draft, one.message)?.is_some() {
                continue;
            }
            if lapsing.is_known(false, one.at) {
                draft.name(one.clone());
                record.state.handed_in.push(one);
            } else {
                record.state.lapsed_envelopes.push((from, id));
            }
        }
        for recipient in upkeep.routes {
            record.state.routes.extend(self.routed(&recipient)?.map(|partner| (recipient, partner)));
        }
        for name in upkeep.notes {
            record.state.notes.extend(self.noted(&name)?.map(|note| (name, note)));
        }
        record.state.dropped = upkeep.dropped;
        record.state.clock_is_right = upkeep.clock_is_right;
        Ok(())
    }

    /// A message that is over, and that nobody works on.
    fn nobodys(
        &self,
        queue: &Queue,
        draft: &Draft,
        id: MessageId,
        steady: Timestamp,
    ) -> Result<Written<Message>, StoreError> {
        let message = self.current(draft, id)?.ok_or(StoreError::Unknown(id))?;
        if !message.value().is_over() || self.is_under_way(queue, id, steady) {
            return Err(StoreError::Busy(id));
        }
        Ok(message)
    }

    fn is_under_way(&self, queue: &Queue, id: MessageId, steady: Timestamp) -> bool {
        !self.released.contains(&id) && queue.lease(id).is_some_and(|until| until > steady)
    }

    fn first_answer(&self, key: &DuplicateKey) -> Result<Option<Answered>, StoreError> {
        let known = |first: &Option<Written<Answered>>| Ok(first.as_ref().map(|first| first.value().clone()));
        self.answered.get(key).map_or_else(|| self.index.answered(key), known)
    }

    fn routed(&self, recipient: &ParticipantId) -> Result<Option<PartyId>, StoreError> {
        self.routes.get(recipient).map_or_else(|| self.index.route(recipient), |partner| Ok(Some(partner.clone())))
    }

    fn noted(&self, name: &str) -> Result<Option<Value>, StoreError> {
        self.notes.get(name).map_or_else(|| self.index.note(name), |note| Ok(Some(note.clone())))
    }

    /// The first message of the envelope that this one would send.
    fn first_of_its_envelope(&self, draft: &Draft, message: &Message) -> Result<Option<HandedIn>, StoreError> {
        let Some(new) = HandedIn::of(message) else { return Ok(None) };
        self.first_handed_in(draft, &new.from, &new.envelope_id)
    }

    fn first_handed_in(
        &self,
        draft: &Draft,
        from: &ParticipantId,
        id: &EnvelopeId,
    ) -> Result<Option<HandedIn>, StoreError> {
        let key = folded(from, id);
        match (draft.handed_in.get(&key), self.handed_in.get(&key)) {
            (Some(first), _) => Ok(Some(first.clone())),
            (None, Some(first)) => Ok(first.clone()),
            (None, None) => self.index.handed_in(from, id),
        }
    }

    fn current(&self, draft: &Draft, id: MessageId) -> Result<Option<Written<Message>>, StoreError> {
        match draft.messages.get(&id).or_else(|| self.messages.get(&id)) {
            Some(version) => Ok(version.new.clone()),
            None => Ok(self.index.message(id)?.map(Written::later)),
        }
    }
}

impl Draft {
    fn put(&mut self, old: Option<Written<Message>>, new: Written<Message>) {
        if old.is_none() {
            HandedIn::of(new.value()).into_iter().for_each(|one| self.name(one));
        }
        match self.messages.get_mut(&new.value().id) {
            Some(version) => version.new = Some(new),
            None => drop(self.messages.insert(new.value().id, Version { old, new: Some(new) })),
        }
    }

    /// Notes an envelope; which message was first stays.
    fn name(&mut self, one: HandedIn) {
        self.handed_in.entry(one.key()).or_insert(one);
    }

    fn forget(&mut self, old: Written<Message>) {
        match self.messages.get_mut(&old.value().id) {
            Some(version) => version.new = None,
            None => drop(self.messages.insert(old.value().id, Version { old: Some(old), new: None })),
        }
    }
}
