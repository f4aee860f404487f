//! What happened, as the event log (Händelselogg, AP-3.4.1), the log line and the journey of a message show it.

use super::text::visible;
use super::{Message, MessageId, Problem, RECEIPT_NOT_SENT, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The stage of the journey at which an event was recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// C1: a document became a sealed envelope.
    Sealed,
    /// C2: an envelope was accepted for sending, durably.
    Accepted,
    /// C2: the route was found (SML, SMP).
    Routed,
    /// C2: the AS4 message was packed.
    Packed,
    /// C2: the receiving access point gave a valid AS4 receipt.
    Receipted,
    /// C2: an attempt failed.
    AttemptFailed,
    /// C2: given up. C3: given up, because our disk no longer has the envelope, or because its message receipt could not be sent.
    GivenUp,
    /// C3: an AS4 message was received, durably.
    Received,
    /// C3: a duplicate came and got the first AS4 receipt again.
    Duplicate,
    /// C3: an AS4 message was refused; it left nothing behind.
    Refused,
    /// C3: the envelope was refused after the AS4 receipt, and deleted.
    Discarded,
    /// C3: the envelope conforms and waits for its participant.
    Held,
    /// C4: the participant took it.
    Taken,
    /// C2: its sender confirmed that it knows of the failure.
    Told,
    /// C4: opened, validated; a message receipt was queued.
    Opened,
    /// C4: it could not be opened, or was rejected.
    Failed,
    /// C1: the message receipt came.
    Answered,
    /// C2, C3: an operator has it tried now.
    Retried,
    /// C2: an operator ended it.
    Cancelled,
    /// C2: an operator keeps it back.
    Suspended,
    /// C2: an operator let it go on.
    Resumed,
    /// The whole: an operator has another access point tried at once that was left alone.
    PartnerTried,
    /// The whole: something an operator must know began.
    Warned,
    /// The whole: it is over.
    Cleared,
    /// The whole: what is no longer to be kept was removed.
    Purged,
    /// Somebody logged in to the pages.
    LoggedIn,
    /// Somebody logged out.
    LoggedOut,
    /// A log-in failed; several in a row keep the account out for a while.
    LogInFailed,
    /// An account or a token was added, changed or removed.
    AccessChanged,
}

impl Stage {
    /// Whether an operator may be told of each such event: a message was given up, or one that does not conform was refused or deleted.
    pub fn is_told(self) -> bool {
        matches!(self, Self::GivenUp | Self::Refused | Self::Discarded)
    }

    /// Every stage, in the order of the enum.
    pub const ALL: [Self; 29] = [
        Self::Sealed,
        Self::Accepted,
        Self::Routed,
        Self::Packed,
        Self::Receipted,
        Self::AttemptFailed,
        Self::GivenUp,
        Self::Received,
        Self::Duplicate,
        Self::Refused,
        Self::Discarded,
        Self::Held,
        Self::Taken,
        Self::Told,
        Self::Opened,
        Self::Failed,
        Self::Answered,
        Self::Retried,
        Self::Cancelled,
        Self::Suspended,
        Self::Resumed,
        Self::PartnerTried,
        Self::Warned,
        Self::Cleared,
        Self::Purged,
        Self::LoggedIn,
        Self::LoggedOut,
        Self::LogInFailed,
        Self::AccessChanged,
    ];
}

/// One event. `facts` are the columns of AP-3.4.1 and other identifiers; never content, never keys.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The message it is about; none for a refusal that left no message behind.
    pub message: Option<MessageId>,
    /// The stage.
    pub stage: Stage,
    /// One sentence for people.
    pub detail: String,
    /// Named facts: `partner`, `as4_message_id`, `conversation_id`, `from`, `to`, `certificate_sha256` …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The problem, where there was one: rule, found, expected, remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl Event {
    /// An event about a message.
    pub fn new(at: Timestamp, message: Option<MessageId>, stage: Stage, detail: impl Into<String>) -> Self {
        Self { at, message, stage, detail: visible(detail.into(), true), facts: BTreeMap::new(), problem: None }
    }

    /// An event about a message, with what AP-3.4.1 asks for as far as it is known by now: the other access point, both
    /// participants, AS4 message id and conversation.
    pub fn of(at: Timestamp, message: &Message, stage: Stage, detail: impl Into<String>) -> Self {
        let event = Self::new(at, Some(message.id), stage, detail).fact("from", &message.from).fact("to", &message.to);
        event
            .known("partner", message.partner.as_ref())
            .known("as4_message_id", message.as4_message_id.as_ref())
            .known("conversation_id", message.conversation_id.as_ref())
    }

    /// Whether it only says what follows from a message receipt that was given up, for the message that it answers: that is one dead
    /// letter, counted and told once.
    pub fn follows_from_receipt(&self) -> bool {
        self.stage == Stage::GivenUp && self.problem.as_ref().is_some_and(|problem| problem.cause() == RECEIPT_NOT_SENT)
    }

    /// Adds a fact, where it is known.
    #[must_use]
    pub fn known(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.to_owned(), visible(value.to_string(), false));
        self
    }

    /// Adds the problem.
    #[must_use]
    pub fn problem(mut self, problem: Problem) -> Self {
        self.problem = Some(problem);
        self
    }
}
