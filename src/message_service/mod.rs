//! The message service (C1 and C4): seals, opens, validates, answers with message receipts; never speaks AS4.

use crate::model::{Document, Message, MessageId, ParticipantId, Problem};
use tokio::io::AsyncRead;

/// The message service of this process.
pub struct MessageService(());

/// A participant whose message service this is.
#[derive(Clone, Debug)]
pub struct Mailbox { /// The participant.
    pub participant: ParticipantId, /// Its function addresses.
    pub functional_addresses: Vec<String> }

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct Draft { /// Sending participant; must be one of ours.
    pub from: ParticipantId, /// Receiving participant.
    pub to: ParticipantId, /// Its function address; `None`: its only known one, `sdk:inkorg:` and its id.
    pub functional_address: Option<String>, /// Subject.
    pub label: String, /// A text.
    pub text: Option<String>, /// Covered by secrecy.
    pub confidential: bool, /// messageId of the message that this answers.
    pub in_reply_to: Option<String> }

/// A file to be sent, spooled.
#[derive(Debug)]
pub struct DraftFile { /// File name, without folders.
    pub name: String, /// Media type.
    pub mime: String, /// Its bytes, from the start.
    pub file: std::fs::File }

impl MessageService {
    /// The participants served here.
    pub fn mailboxes(&self) -> &[Mailbox] { todo!() }
    /// Spools a file of a draft.
    pub async fn spool(&self, _name: &str, _mime: &str, _bytes: impl AsyncRead + Send + Unpin + 'static) -> Result<DraftFile, Problem> { todo!() }
    /// Builds, validates, seals and submits: durable when this returns.
    pub async fn send(&self, _draft: Draft, _files: Vec<DraftFile>) -> Result<Message, Problem> { todo!() }
    /// Messages that came in for a participant, or for all, newest first.
    pub async fn inbox(&self, _participant: Option<&ParticipantId>) -> Result<Vec<Message>, Problem> { todo!() }
    /// Messages that went out from a participant, or from all, newest first (message receipts not among them).
    pub async fn outbox(&self, _participant: Option<&ParticipantId>) -> Result<Vec<Message>, Problem> { todo!() }
    /// One document of a message, as a file that vanishes with its handle; only for the participants served here.
    pub async fn document(&self, _id: MessageId, _index: usize) -> Result<(Document, std::fs::File), Problem> { todo!() }
}
