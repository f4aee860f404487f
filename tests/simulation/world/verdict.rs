//! What must be true when nothing fails any more and nothing is left to do.

use super::{Checked, PARTY, RECEIVER, SENDER, World};
use crate::node::{FOLDER, Process, chain};
use sluss::model::{Carriage, Direction, Event, Message, MessageId, Query, Stage, Status};
use sluss::store::{DuplicateKey, Store, StoreError, journal};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use uuid::Uuid;

impl World {
    pub(super) fn pass_to_next(&mut self) {
        let pause = |process: &Process| Some(process.clock.until(process.store.next_due().ok().flatten()?));
        let due = [SENDER, RECEIVER].into_iter().filter_map(|n| pause(self.up(n)?)).min();
        // A worker looks again after five seconds, whatever the store says.
        self.clock.pass(due.map_or(5_000, |due| due.max(0) + 1));
    }

    /// What is there.
    fn stored(&self, n: usize) -> Vec<Message> {
        self.up(n).map(|process| process.store.list(&Query::default()).unwrap_or_default()).unwrap_or_default()
    }

    /// What is there, and what was until a purge took it.
    fn all(&self, n: usize) -> Vec<Message> {
        let mut all = self.stored(n);
        let kept: BTreeSet<MessageId> = all.iter().map(|message| message.id).collect();
        let gone = self.before_purge[n].iter().filter(|(id, _)| !kept.contains(id));
        all.extend(gone.map(|(_, (message, _))| Message { lease_until: None, ..message.clone() }));
        all
    }

    /// What a purge took was at its end, and nobody did or would do anything to it.
    fn check_forgotten(&self, n: usize) -> Checked {
        let kept: BTreeSet<MessageId> = self.stored(n).iter().map(|message| message.id).collect();
        let mut gone = self.before_purge[n].iter().filter(|(id, _)| !kept.contains(id));
        match gone.find(|(_, (_, may_go))| !may_go) {
            Some((id, (message, _))) => Err(format!("node {n} forgot {id}, which was not over: {message:?}")),
            None => Ok(()),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.wanted.is_empty()
            && self.network.is_empty()
            && self.attempts.is_empty()
            && self.arriving.is_empty()
            && [SENDER, RECEIVER].into_iter().all(|n| {
                let all = self.all(n);
                all.iter().all(|message| Self::rests(message, &all))
            })
    }

    pub(super) fn unfinished(&self) -> String {
        let messages = [SENDER, RECEIVER].into_iter().flat_map(|n| self.all(n));
        let open: Vec<String> = messages
            .filter(|message| !message.status.is_final())
            .map(|m| {
                format!(
                    "{} {} due {:?} lease {:?} error {:?}",
                    m.id,
                    m.status.word(),
                    m.next_attempt_at,
                    m.lease_until,
                    m.error
                )
            })
            .collect();
        format!(
            "{}; {} wanted, {} attempts, {} arriving",
            open.join("; "),
            self.wanted.len(),
            self.attempts.len(),
            self.arriving.len()
        )
    }

    pub(super) fn check(&mut self) -> Checked {
        for n in [SENDER, RECEIVER] {
            self.check_forgotten(n)?;
        }
        self.check_messages()?;
        self.check_lanes()?;
        for n in [SENDER, RECEIVER] {
            self.check_store(n)?;
        }
        Ok(())
    }

    /// Nobody holds anything, and no lane counts what is not there: it would be let through no more.
    fn check_lanes(&self) -> Checked {
        for n in [SENDER, RECEIVER] {
            let loads = self.up(n).map(|process| process.store.lanes()).unwrap_or_default();
            if loads.iter().any(|load| load.in_flight > 0 || load.waiting > 0) {
                return Err(format!("node {n}: all is done, and these lanes are not empty: {loads:?}"));
            }
        }
        Ok(())
    }

    fn check_messages(&mut self) -> Checked {
        let (of_sender, received) = (self.all(SENDER), self.all(RECEIVER));
        let (sent, home): (Vec<Message>, Vec<Message>) =
            of_sender.into_iter().partition(|message| message.direction == Direction::Out);
        let mut by_envelope: BTreeMap<Uuid, Vec<&Message>> = BTreeMap::new();
        for message in received.iter().chain(&home) {
            by_envelope.entry(message.envelope_id.to_string().parse().unwrap()).or_default().push(message);
        }
        for (envelope, id) in &self.accepted {
            let of: Vec<&Message> =
                sent.iter().filter(|message| message.envelope_id.to_string() == envelope.to_string()).collect();
            let [message] = of.as_slice() else {
                return Err(format!("accepted envelope {envelope} is {} messages at its sender", of.len()));
            };
            if message.id != *id {
                return Err(format!("the client was told message {id}, and there is {}", message.id));
            }
            let arrived = by_envelope.get(envelope).map_or(0, Vec::len);
            let receipts =
                sent.iter().filter(|other| other.acknowledges.as_ref() == Some(&message.envelope_id)).count();
            let opened = by_envelope
                .get(envelope)
                .into_iter()
                .flatten()
                .filter(|m| m.carriage == Carriage::Own && m.status != Status::Received)
                .count();
            if receipts != opened {
                return Err(format!("{} was opened {opened} times and has {receipts} message receipts", message.id));
            }
            self.tally.answered += u64::from(message.status == Status::Accepted);
            self.tally.unreceipted += u64::from(self.lacks_receipt(message)?);
            match message.status {
                Status::Accepted | Status::WaitingForReceipt if arrived == 1 && receipts == 1 => {
                    self.tally.delivered += 1
                }
                Status::MessageExchangeError if arrived <= 1 && message.error.is_some() => self.tally.dead += 1,
                Status::Acknowledged if arrived == 1 => self.tally.delivered += 1,
                Status::SendFailure if arrived <= 1 && message.error.is_some() => self.tally.dead += 1,
                status => return Err(format!("{} is {} and arrived {arrived} times", message.id, status.word())),
            }
            self.check_end_is_told(message)?;
        }
        for receipt in sent.iter().filter(|message| message.acknowledges.is_some()) {
            let arrived = home.iter().filter(|message| message.envelope_id == receipt.envelope_id).count();
            if arrived > 1 || arrived == 0 && receipt.status == Status::Acknowledge {
                return Err(format!(
                    "the message receipt {} {} arrived {arrived} times",
                    receipt.id,
                    receipt.status.word()
                ));
            }
            Self::check_answered(receipt, &self.stored(SENDER))?;
        }
        for (envelope, ids) in &self.seen {
            if ids.len() != 1 {
                return Err(format!("envelope {envelope} was handed to its recipient as {} messages", ids.len()));
            }
        }
        for (id, (node, receipt)) in &self.receipts {
            let Some(process) = self.up(*node) else { return Err("a node is down".into()) };
            let key = DuplicateKey { id: id.parse().unwrap(), from: PARTY.parse().unwrap() };
            let kept = process.store.answered(&key).map_err(|error| error.to_string())?;
            // With the log that told when it was given, its text may go before its time.
            let is_it = |body: &str| body == receipt || self.forgetful[*node] && body.is_empty();
            let kept = kept.filter(|kept| is_it(&kept.body)).and_then(|kept| kept.message);
            if !kept.is_some_and(|id| received.iter().chain(&home).any(|message| message.id == id)) {
                return Err(format!("the AS4 receipt for {id} has no message"));
            }
        }
        Ok(())
    }

    /// What we received ends as its message receipt does, unless a purge took it before: its end may have been a receipt that was
    /// given up, and is tried again by an operator later.
    fn check_answered(receipt: &Message, stored: &[Message]) -> Checked {
        let is_in = |message: &Message| message.direction == Direction::In;
        let opened = |message: &&Message| is_in(message) && Some(&message.envelope_id) == receipt.acknowledges.as_ref();
        let ends: Vec<(Status, bool)> =
            stored.iter().filter(opened).map(|message| (message.status, message.error.is_some())).collect();
        let expected = if receipt.status == Status::Acknowledge { (Status::New, false) } else { (Status::Error, true) };
        if !ends.is_empty() && ends != [expected] {
            return Err(format!(
                "the message receipt {} is {}, and its message {ends:?}",
                receipt.id,
                receipt.status.word()
            ));
        }
        Ok(())
    }

    /// A dead letter's journey says when and why it ended, and it is there in the form in which it was sent: it may have arrived, and
    /// is known by that when an operator tries it again.
    fn check_end_is_told(&self, message: &Message) -> Checked {
        let dead = [Status::MessageExchangeError, Status::SendFailure].contains(&message.status);
        let events = self.up(SENDER).map(|process| process.store.events(message.id).unwrap_or_default());
        let tells = |event: &Event| [Stage::GivenUp, Stage::Cancelled].contains(&event.stage);
        if dead && !self.forgetful[SENDER] && !events.iter().flatten().any(tells) {
            return Err(format!("{} is {}, and nothing says since when", message.id, message.status.word()));
        }
        // One that was delivered, and whose message receipt nobody awaits any more, is not sent again in that form.
        let given_up = message.error.as_ref().is_some_and(|problem| problem.cause() != "cancelled");
        if dead && given_up && message.is_addressed() && message.envelope.is_some() && message.packed.is_none() {
            return Err(format!("{} is {}, and what was sent is gone", message.id, message.status.word()));
        }
        Ok(())
    }

    /// What was delivered has the AS4 receipt that its receiver gave, or its journey says that it is missing; what is over has
    /// nothing packed that nobody will send. Gives whether it is missing.
    fn lacks_receipt(&self, message: &Message) -> Result<bool, String> {
        let delivered = [Status::Accepted, Status::WaitingForReceipt, Status::Acknowledged].contains(&message.status);
        if !delivered {
            return Ok(false);
        }
        let id = message.as4_message_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let given = self.receipts.get(&id).map(|(_, receipt)| receipt.as_str());
        let had = message.as4_receipt.as_ref().map(|receipt| receipt.soap.as_str());
        if had.is_some_and(|had| given != Some(had)) {
            return Err(format!("{} has the AS4 receipt {had:?}, and {given:?} was given", message.id));
        }
        let events = self.up(SENDER).map(|process| process.store.events(message.id).unwrap_or_default());
        let missing = |event: &Event| event.facts.get("as4_receipt").is_some_and(|said| said == "missing");
        if had.is_none() && !self.forgetful[SENDER] && !events.iter().flatten().any(missing) {
            return Err(format!(
                "{} is {} without AS4 receipt, and nothing says so",
                message.id,
                message.status.word()
            ));
        }
        if message.packed.is_some() {
            return Err(format!("{} is {} and still packed", message.id, message.status.word()));
        }
        Ok(had.is_none())
    }

    /// The chain holds, nothing is orphaned, the index says what the journal says.
    fn check_store(&mut self, n: usize) -> Checked {
        let failed = |error: StoreError| error.to_string();
        let before = self.stored(n);
        self.down(n);
        let disk = self.nodes[n].disk.reopened();
        // What an earlier failure left is removed now, and then there is nothing to remove.
        drop(Process::start(&disk, &self.clock).map_err(failed)?);
        let disk = disk.reopened();
        let folder = Path::new(FOLDER).join("journal");
        let scanned = journal::scan(&disk, &folder, chain, None, &mut |_, _| Ok(())).map_err(failed)?;
        if !scanned.damage.is_empty() || scanned.torn.is_some() {
            return Err(format!("node {n}: the chain does not hold: {scanned:?}"));
        }
        let records = scanned.last.map_or(0, |last| last.seq);
        disk.damage_index();
        let process = Process::start(&disk, &self.clock).map_err(failed)?;
        if process.opening.orphans > 0 {
            return Err(format!("node {n} has orphaned payloads: {:?}", process.opening));
        }
        let counts = process.store.counts().map_err(failed)?;
        if counts.journal_records != records {
            return Err(format!("node {n}: {records} records in the journal, {} counted", counts.journal_records));
        }
        let bare = |messages: Vec<Message>| -> Vec<Message> {
            messages.into_iter().map(|message| Message { lease_until: None, ..message }).collect()
        };
        let after = bare(process.store.list(&Query::default()).map_err(failed)?);
        if after != bare(before) {
            return Err(format!("node {n}: the index said something else than the journal"));
        }
        for message in &after {
            for blob in message.payloads() {
                process.payload(blob).map_err(|error| format!("message {}: {error}", message.id))?;
            }
            if !self.forgetful[n] && process.store.events(message.id).map_err(failed)?.is_empty() {
                return Err(format!("message {} has no event", message.id));
            }
        }
        Ok(())
    }
}
