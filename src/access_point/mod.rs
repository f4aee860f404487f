//! The access point (C2 and C3): carries sealed envelopes, never holds a participant's key.

use crate::model::{Counts, Event, Message, MessageId, ParticipantId, Problem, Query};
use tokio::io::AsyncRead;

/// The access point of this process.
pub struct Router(());

impl Router {
    /// Takes a sealed envelope from `participant` for sending: durable when this returns (`outbound::accept`).
    pub async fn submit(&self, _participant: &ParticipantId, _envelope: impl AsyncRead + Send + Unpin + 'static, _expected_bytes: Option<u64>) -> Result<Message, Problem> { todo!() }
    /// Envelopes that wait for `participant` to take them, oldest first.
    pub async fn waiting(&self, _participant: &ParticipantId) -> Result<Vec<Message>, Problem> { todo!() }
    /// The sealed envelope of a message that waits for `participant`.
    pub async fn envelope(&self, _participant: &ParticipantId, _id: MessageId) -> Result<(Message, std::fs::File), Problem> { todo!() }
    /// `participant` has it: it is no longer offered. Confirming twice is no error.
    pub async fn confirm(&self, _participant: &ParticipantId, _id: MessageId) -> Result<Message, Problem> { todo!() }
    /// Messages by conditions, newest first.
    pub async fn list(&self, _query: Query) -> Result<Vec<Message>, Problem> { todo!() }
    /// One message.
    pub async fn message(&self, _id: MessageId) -> Result<Message, Problem> { todo!() }
    /// Its events, oldest first.
    pub async fn journey(&self, _id: MessageId) -> Result<Vec<Event>, Problem> { todo!() }
    /// The latest refusals, newest first.
    pub async fn refusals(&self, _limit: usize) -> Result<Vec<Event>, Problem> { todo!() }
    /// Counts.
    pub async fn counts(&self) -> Result<Counts, Problem> { todo!() }
}
