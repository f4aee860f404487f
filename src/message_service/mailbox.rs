//! The participants' mailboxes: what came in, what went out, and the documents in it.

use super::{MessageService, blocking, file_problem};
use crate::access_point::store_problem;
use crate::model::{
    Carriage, Clock, Direction, Document, Event, Fault, Message, MessageId, ParticipantId, Problem, Query, Stage,
};
use crate::ops::log;
use crate::sdk;
use crate::sdk::message::ExtractError;
use crate::store::{Store, StoreError, Transaction};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek};
use std::sync::Arc;

impl MessageService {
    /// Messages that came in for a participant, or for all served here, newest first.
    ///
    /// # Errors
    ///
    /// Refused when the participant is not served here.
    pub async fn inbox(&self, participant: Option<&ParticipantId>) -> Result<Vec<Message>, Problem> {
        let mut messages = self.own(Direction::In, participant).await?;
        messages.retain(|message| message.content.is_some());
        Ok(messages)
    }

    /// Messages that went out from a participant, or from all served here, newest first; message receipts are not among them.
    ///
    /// # Errors
    ///
    /// Refused when the participant is not served here.
    pub async fn outbox(&self, participant: Option<&ParticipantId>) -> Result<Vec<Message>, Problem> {
        let mut messages = self.own(Direction::Out, participant).await?;
        messages.retain(|message| message.acknowledges.is_none());
        Ok(messages)
    }

    /// Every message of our own in one direction, page by page.
    async fn own(&self, direction: Direction, participant: Option<&ParticipantId>) -> Result<Vec<Message>, Problem> {
        if let Some(participant) = participant {
            self.settings().keys(participant)?;
        }
        let store = Arc::clone(&self.store);
        let participant = participant.cloned();
        blocking(move || {
            let mut found = Vec::new();
            let mut query = Query { direction: Some(direction), participant: participant.clone(), ..Query::default() };
            loop {
                let page = store.list(&query).map_err(|error| store_problem(&error))?;
                let Some(last) = page.last().map(|message| message.id) else { return Ok(found) };
                found.extend(page.into_iter().filter(|message| is_own(message, direction, participant.as_ref())));
                query.after = Some(last);
            }
        })
        .await
    }

    /// One document of a message, as a file that vanishes with its handle; only for the participants served here.
    ///
    /// # Errors
    ///
    /// Refused when there is no such message or document here, or its content is gone; temporary when our disk no longer has it as
    /// it was opened: then no byte of it is given.
    pub async fn document(&self, id: MessageId, index: usize) -> Result<(Document, File), Problem> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        blocking(move || extract(&*store, &*clock, id, index)).await
    }
}

fn is_own(message: &Message, direction: Direction, participant: Option<&ParticipantId>) -> bool {
    let ours = if direction == Direction::In { &message.to } else { &message.from };
    message.carriage == Carriage::Own && participant.is_none_or(|participant| participant == ours)
}

fn extract(store: &dyn Store, clock: &dyn Clock, id: MessageId, index: usize) -> Result<(Document, File), Problem> {
    let unknown = || store_problem(&StoreError::Unknown(id));
    let message = store.message(id).map_err(|error| store_problem(&error))?.ok_or_else(unknown)?;
    let content = message.content.as_ref().ok_or_else(unknown)?;
    let document = content.documents.get(index).cloned().ok_or_else(|| {
        Problem::new(
            Fault::Refused,
            "unknown-document",
            "no such document",
            format!("found index {index}, expected less than {}", content.documents.len()),
        )
    })?;
    let payload = content.payload.ok_or_else(|| {
        Problem::new(
            Fault::Refused,
            "gone",
            "the content is no longer there",
            format!("message {id} was opened, but its content was deleted"),
        )
    })?;
    let damaged = |detail: &str| damaged(store, clock, &message, detail);
    let payload = store.blobs().open(payload).map_err(|error| match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => damaged("its file is missing"),
        error => store_problem(&error),
    })?;
    let mut file = store.blobs().scratch().map_err(|error| store_problem(&error))?;
    let found = match sdk::message::extract(BufReader::new(payload), index, BufWriter::new(&mut file)) {
        Ok(found) => found,
        Err(ExtractError::Write(error)) => return Err(file_problem(&error)),
        Err(error) => return Err(damaged(&error.to_string())),
    };
    if found.sha256 != document.sha256 {
        let detail = format!("found document {index} with SHA-256 {}, expected {}", found.sha256, document.sha256);
        return Err(damaged(&detail));
    }
    file.rewind().map_err(|error| file_problem(&error))?;
    Ok((document, file))
}

/// The opened content is not as it was kept: it is said in the log and in the message's journey as well, once.
fn damaged(store: &dyn Store, clock: &dyn Clock, message: &Message, detail: &str) -> Problem {
    let problem = Problem::new(
        Fault::Temporary,
        "store-damaged",
        "the opened content is not as it was stored",
        format!(
            "{detail}; look at the disk of data_dir, and restore the payload from a backup; without one, ask its sender to send it again"
        ),
    );
    let event = Event::of(clock.now(), message, Stage::Failed, "our disk no longer has the content as it was opened");
    let event = event.problem(problem.clone());
    let said = store.events(message.id).is_ok_and(|events| events.iter().any(|said| said.problem == event.problem));
    if !said {
        log::event(&event);
        if let Err(error) = store.commit(Transaction { events: vec![event], ..Transaction::default() }) {
            tracing::warn!(message_id = %message.id, %error, "damage of a content was not written");
        }
    }
    problem
}
