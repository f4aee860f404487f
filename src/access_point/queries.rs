//! What the doors ask of the access point: submit, take, list, look.

use super::spool::{Kept, Unread, spool_problem};
use super::{AccessPoint, Router, Submission, blocking, inbound, outbound, store_problem};
use crate::limits::EVENTS_BESIDE_MAX;
use crate::limits::LIST_MESSAGES_MAX;
use crate::metrics::{Door, Journal};
use crate::model::{
    Axis, Carriage, Change, Counted, Counts, Depth, Direction, Event, Fault, LogPage, LogQuery, Message, MessageId,
    Outcome, Page, ParticipantId, Priority, Problem, Query, Stage, Status,
};
use crate::store::{Course, Settlement, Store, StoreError, Transaction};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

impl Router {
    /// Takes a sealed envelope from `participant` for sending: durable when this returns.
    ///
    /// # Errors
    ///
    /// Refused with the rule when the envelope does not conform, is not this participant's, or is too
    /// large; temporary when the store cannot keep it. Nothing is kept then.
    pub async fn submit(
        self: &Arc<Self>,
        participant: &ParticipantId,
        envelope: impl AsyncRead + Send + Unpin + 'static,
        expected_bytes: Option<u64>,
        priority: Priority,
    ) -> Result<Message, Problem> {
        let begun = Instant::now();
        let (router, participant) = (Arc::clone(self), participant.clone());
        let mut envelope = SyncIoBridge::new(envelope);
        let message = blocking(move || {
            router.admits()?;
            let mut spool = router.spool(expected_bytes)?;
            std::io::copy(&mut envelope, &mut spool).map_err(|error| spool_problem(&error))?;
            let submission = Submission {
                participant,
                envelope: spool,
                carriage: Carriage::Carried,
                content: None,
                payload: None,
                acknowledges: None,
                priority,
            };
            outbound::accept(&router, submission)
        })
        .await?;
        self.metrics.accept(Door::Envelope, begun.elapsed());
        Ok(message)
    }

    /// Envelopes that wait for `participant` to take them, oldest first: a page of those that come after `after`,
    /// and what to give as `after` for the next page; nothing on the last one.
    ///
    /// # Errors
    ///
    /// Refused when the participant is not served here, or there is no message `after`.
    pub async fn waiting(
        self: &Arc<Self>,
        participant: &ParticipantId,
        after: Option<MessageId>,
    ) -> Result<(Vec<Message>, Option<MessageId>), Problem> {
        self.serving(participant)?;
        self.visits.note(participant, self.now());
        let participant = participant.clone();
        self.read(move |store| store.waiting(&participant, after)).await.map(|found| self.paged(found))
    }

    /// Messages from `participant` that are not sent, for now or for good, oldest first, by pages as [`Self::waiting`]: what a
    /// sending participant is to be told (AP-3.2.3.c, AP-3.2.4.a, AP-3.2.5.b). Those that are still tried are among
    /// them as long as that is so, those that were given up until they are confirmed.
    ///
    /// # Errors
    ///
    /// Refused when the participant is not served here, or there is no message `after`.
    pub async fn notices(
        self: &Arc<Self>,
        participant: &ParticipantId,
        after: Option<MessageId>,
    ) -> Result<(Vec<Message>, Option<MessageId>), Problem> {
        self.serving(participant)?;
        let participant = participant.clone();
        self.read(move |store| store.notices(&participant, after)).await.map(|found| self.paged(found))
    }

    /// `participant` knows that its message was given up, as `actor` says: it is not told again. Confirming twice is no error.
    ///
    /// # Errors
    ///
    /// Refused when it is not this participant's, or was not given up.
    pub async fn confirm_notice(
        self: &Arc<Self>,
        participant: &ParticipantId,
        id: MessageId,
        actor: &str,
    ) -> Result<Message, Problem> {
        self.serving(participant)?;
        let message = self.message(id).await?;
        if message.direction != Direction::Out || message.from != *participant {
            return Err(store_problem(&StoreError::Unknown(id)));
        }
        if !matches!(message.status, Status::MessageExchangeError | Status::SendFailure) {
            let detail =
                format!("found message {id} in status {}, expected one that was given up", message.status.word());
            return Err(Problem::new(Fault::Refused, "illegal-step", "there is nothing to confirm", detail));
        }
        if message.taken_at.is_none() {
            let (router, message, actor) = (Arc::clone(self), message.clone(), actor.to_owned());
            let told = "the sending participant knows that it was not sent";
            blocking(move || confirmed(&router, &message, None, told, &actor)).await?;
        }
        Ok(message)
    }

    /// The sealed envelope of a message that came in for `participant`.
    ///
    /// # Errors
    ///
    /// Refused when it is not this participant's, or was deleted; temporary when our disk no longer has it as it was stored: then
    /// no byte of it is given, and where it waited it is given up, until an operator has brought it back.
    pub async fn envelope(
        self: &Arc<Self>,
        participant: &ParticipantId,
        id: MessageId,
    ) -> Result<(Message, File), Problem> {
        let message = self.own(participant, id).await?;
        let router = Arc::clone(self);
        blocking(move || {
            message.envelope.ok_or_else(|| gone(id))?;
            match Kept::open(router.store.blobs(), &message).and_then(Kept::proven) {
                Ok(file) => Ok((message, file)),
                Err(Unread::Failed(problem)) => Err(problem),
                Err(Unread::Damaged(problem)) => {
                    lost(&router, &message, &problem);
                    Err(problem)
                }
            }
        })
        .await
    }

    /// `participant` has it, as `actor` says: it is no longer offered. Confirming twice is no error.
    ///
    /// # Errors
    ///
    /// Refused when it is not this participant's.
    pub async fn confirm(
        self: &Arc<Self>,
        participant: &ParticipantId,
        id: MessageId,
        actor: &str,
    ) -> Result<Message, Problem> {
        let message = self.own(participant, id).await?;
        self.visits.note(participant, self.now());
        if message.taken_at.is_some() {
            return Ok(message);
        }
        let (router, actor) = (Arc::clone(self), actor.to_owned());
        blocking(move || {
            taken(&router, &message, &actor)?;
            router
                .store
                .message(id)
                .map_err(|error| store_problem(&error))?
                .ok_or_else(|| store_problem(&StoreError::Unknown(id)))
        })
        .await
    }

    /// A page of messages by conditions, newest first, for a bounded effort.
    ///
    /// # Errors
    ///
    /// Refused where there is no message to go on after; temporary when the store cannot be read.
    pub async fn page(self: &Arc<Self>, query: Query) -> Result<Page, Problem> {
        let page = self.read(move |store| store.page(&query)).await?;
        Ok(Page { messages: self.all_shown(page.messages), ..page })
    }

    /// How many messages there are by conditions, for a bounded effort.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn count(self: &Arc<Self>, query: Query) -> Result<Counted, Problem> {
        self.read(move |store| store.count(&query)).await
    }

    /// How much waits for each partner or participant, by name.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn depths(self: &Arc<Self>, axis: Axis) -> Result<Vec<Depth>, Problem> {
        self.read(move |store| store.depths(axis)).await
    }

    /// Messages by conditions, newest first.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn list(self: &Arc<Self>, query: Query) -> Result<Vec<Message>, Problem> {
        self.read(move |store| store.list(&query)).await.map(|found| self.all_shown(found))
    }

    /// One message.
    ///
    /// # Errors
    ///
    /// Refused when there is none.
    pub async fn message(self: &Arc<Self>, id: MessageId) -> Result<Message, Problem> {
        let found = self.read(move |store| store.message(id)?.ok_or(StoreError::Unknown(id))).await;
        found.map(|message| self.as_shown(message))
    }

    /// Its events, oldest first.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn journey(self: &Arc<Self>, id: MessageId) -> Result<Vec<Event>, Problem> {
        self.read(move |store| store.events(id)).await
    }

    /// The event log by conditions, newest first, by pages.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn log(self: &Arc<Self>, query: LogQuery) -> Result<LogPage, Problem> {
        self.read(move |store| store.log(&query)).await
    }

    /// The latest refusals, newest first.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn refusals(self: &Arc<Self>, limit: usize) -> Result<Vec<Event>, Problem> {
        let events = self.read(move |store| store.refusals(limit.saturating_add(EVENTS_BESIDE_MAX))).await?;
        Ok(events.into_iter().filter(|event| event.stage == Stage::Refused).take(limit).collect())
    }

    /// Counts.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn counts(self: &Arc<Self>) -> Result<Counts, Problem> {
        self.read(|store| store.counts()).await
    }

    /// The journal's files and syncs, and the free space of the disk in bytes. Blocks.
    ///
    /// # Errors
    ///
    /// Temporary when the disk does not answer.
    pub fn figures(&self) -> Result<(Journal, u64), Problem> {
        let free = self.store.blobs().free_bytes().map_err(|error| store_problem(&error))?;
        Ok((self.store.journal(), free))
    }

    /// How long a small write to the store's disk and its sync take. Blocks.
    ///
    /// # Errors
    ///
    /// Temporary when the disk does not take it.
    pub fn probe(&self) -> Result<Duration, Problem> {
        self.store.probe().map_err(|error| store_problem(&error))
    }

    /// What time it was at the last record of the store; nothing while there is none.
    pub fn course(&self) -> Option<Course> {
        self.store.course()
    }

    /// Why the store takes nothing until the next start, where that is so.
    pub fn stopped(&self) -> Option<String> {
        self.store.stopped()
    }

    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.store);
        blocking(move || question(&*store).map_err(|error| store_problem(&error))).await
    }

    fn all_shown(&self, messages: Vec<Message>) -> Vec<Message> {
        messages.into_iter().map(|message| self.as_shown(message)).collect()
    }

    /// A page of messages, and what to give as `after` for the next one: a page that is not full is the last.
    fn paged(&self, messages: Vec<Message>) -> (Vec<Message>, Option<MessageId>) {
        let next = messages.last().filter(|_| messages.len() == LIST_MESSAGES_MAX).map(|message| message.id);
        (self.all_shown(messages), next)
    }

    fn serving(&self, participant: &ParticipantId) -> Result<(), Problem> {
        if self.settings().participants.contains_key(participant) {
            return Ok(());
        }
        Err(Problem::new(Fault::Refused, "not-served", "the participant is not served here", format!("found {participant}, which is none of the participants in the configuration; add a [[participant]] table, or ask its own access point")).rule("APOP-3.3.b"))
    }

    /// A message that came in for this participant and no other (APOP-3.3.a).
    async fn own(self: &Arc<Self>, participant: &ParticipantId, id: MessageId) -> Result<Message, Problem> {
        self.serving(participant)?;
        let message = self.message(id).await?;
        let theirs = message.direction == Direction::In && message.to == *participant;
        theirs.then_some(message).ok_or_else(|| store_problem(&StoreError::Unknown(id)))
    }
}

/// Writes that its participant has a message, as `actor` says.
pub(super) fn taken(router: &Router, message: &Message, actor: &str) -> Result<(), Problem> {
    let outcome = (message.carriage == Carriage::Carried).then_some(Outcome::Take);
    confirmed(router, message, outcome, "the participant took the sealed envelope", actor)
}

/// Writes that a participant has what was held for it.
fn confirmed(
    router: &Router,
    message: &Message,
    outcome: Option<Outcome>,
    what: &str,
    actor: &str,
) -> Result<(), Problem> {
    let (id, now) = (message.id, router.now());
    let settlement = Settlement { id, claim: None, release: false, outcome, changes: vec![Change::TakenAt(now)] };
    let stage = if message.direction == Direction::In { Stage::Taken } else { Stage::Told };
    let event = Event::of(now, message, stage, what).fact("actor", actor).fact("envelope_id", &message.envelope_id);
    let transaction = Transaction { settlements: vec![settlement], events: vec![event], ..Transaction::default() };
    router.commit(transaction).map(drop).map_err(|error| store_problem(&error))
}

/// Gives up a message that waits for its participant, and of which our disk no longer has the envelope: its operator is told.
fn lost(router: &Router, message: &Message, problem: &Problem) {
    if message.status != Status::Received || message.next_attempt_at.is_some() {
        return;
    }
    if let Err(error) = inbound::conclude(router, message, Err(inbound::Undelivered::Damaged(problem.clone()))) {
        // Somebody else came first, or the next who asks does it.
        tracing::warn!(message_id = %message.id, %error, "a damaged envelope was not given up");
    }
}

fn gone(id: MessageId) -> Problem {
    Problem::new(
        Fault::Refused,
        "gone",
        "the envelope is no longer there",
        format!("message {id} was deleted; its events say why: `sluss queue show {id}`"),
    )
}

/// Reads a spooled envelope from its start.
pub(super) fn reread(envelope: &super::Spool) -> Result<impl Read + use<>, Problem> {
    envelope.reopen().map(std::io::BufReader::new).map_err(|error| {
        Problem::new(
            Fault::Temporary,
            "store",
            "the envelope cannot be read back",
            format!("{error}; nothing was kept; try again"),
        )
    })
}
