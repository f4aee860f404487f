//! What the journal holds of a transaction: new messages whole, settled messages by their status and
//! the fields that changed. A record is a decision already taken, so replaying it asks no questions.

use crate::model::{Change, Event, Message, MessageId, Status, Timestamp};
use crate::store::{Answered, DuplicateKey, StoreError};
use serde::{Deserialize, Serialize};
use std::io;

/// One transaction as decided.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Record {
    /// When it was decided.
    pub(super) at: Timestamp,
    /// New messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) inserts: Vec<Message>,
    /// A received AS4 message and its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answered: Option<(DuplicateKey, Answered)>,
    /// Settled messages, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settled: Vec<Settled>,
    /// Events, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Event>,
}

/// What became of one message.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Settled {
    /// Which message.
    pub(super) id: MessageId,
    /// Its status now.
    pub(super) status: Status,
    /// Its other changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<Change>,
}

impl Record {
    /// A record of nothing yet.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { at, inserts: Vec::new(), answered: None, settled: Vec::new(), events: Vec::new() }
    }

    /// Whether there is anything to write.
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.answered.is_none() && self.settled.is_empty() && self.events.is_empty()
    }
}

impl Settled {
    /// The message after this was decided at `at`.
    pub(super) fn on(self, mut message: Message, at: Timestamp) -> Message {
        self.changes.into_iter().for_each(|change| message.apply(change));
        Message { status: self.status, updated_at: at, ..message }
    }
}

/// JSON that is not what we write.
pub(super) fn unreadable(what: &str, error: serde_json::Error) -> StoreError {
    StoreError::Io {
        what: format!("a stored {what} is unreadable"),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
