//! What is asked of the store: lists, counts and depths.

use super::{As4MessageId, Direction, EnvelopeId, Message, MessageId, ParticipantId, PartyId, Status, Timestamp};

/// Which messages to list. All given conditions hold; newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Direction.
    pub direction: Option<Direction>,
    /// In one of these statuses; in any where there is none.
    pub statuses: Vec<Status>,
    /// Sender or recipient.
    pub participant: Option<ParticipantId>,
    /// Other access point.
    pub partner: Option<PartyId>,
    /// Envelope id, compared without regard to case.
    pub envelope_id: Option<EnvelopeId>,
    /// AS4 message id.
    pub as4_message_id: Option<As4MessageId>,
    /// By any id: ours, the envelope's, the AS4 message's, that of a conversation.
    pub named: Option<String>,
    /// Conversation, of the AS4 message or of the message that was sealed in it.
    pub conversation_id: Option<String>,
    /// Whose last problem is of this kind ([`Problem::cause`](super::Problem::cause)).
    pub cause: Option<String>,
    /// Only what operators keep back.
    pub held: bool,
    /// Created before.
    pub created_before: Option<Timestamp>,
    /// Created then or later.
    pub created_since: Option<Timestamp>,
    /// Only messages that come after this one in the list (paging).
    pub after: Option<MessageId>,
    /// At most so many; 0 means 1000.
    pub limit: usize,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Newest first.
    pub messages: Vec<Message>,
    /// What to give as `after` for the rest; `None`: there is none. A page may hold fewer messages than were asked for, or
    /// none, and have a rest all the same: what is looked through for one page is bounded.
    pub next: Option<MessageId>,
}

/// How many messages fulfil conditions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counted {
    /// So many.
    pub messages: u64,
    /// Whether there are, or may be, more: what is looked through for one count is bounded.
    pub more: bool,
}

/// What is left of the dead letters of a cause: those of which nobody has said that they were dealt with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// How many.
    pub messages: u64,
    /// One of them, where it is known or among the newest.
    pub one: Option<MessageId>,
}

/// What depths are counted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Axis {
    /// Other access points: what waits to be sent to each.
    Partner,
    /// Participants of ours: what waits to be sent for each, and what has come in for each and is not at its end.
    Participant,
}

/// How much waits for one partner or participant, in one direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Depth {
    /// Which way.
    pub direction: Direction,
    /// Whose: a party id or a participant id. Empty where the partner was not looked up yet.
    pub name: String,
    /// How many.
    pub messages: u64,
    /// When the oldest of them was made.
    pub oldest: Option<Timestamp>,
}

/// Messages of one direction and status.
#[derive(Clone, Debug)]
pub struct Count {
    /// Direction.
    pub direction: Direction,
    /// Status.
    pub status: Status,
    /// How many.
    pub messages: u64,
    /// The oldest of them.
    pub oldest: Option<Timestamp>,
}

/// Counts for `sluss status`.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By direction and status.
    pub by_status: Vec<Count>,
    /// Messages that operators keep back.
    pub held: u64,
    /// Bytes free where the store is.
    pub free_bytes: u64,
    /// Records in the journal.
    pub journal_records: u64,
}
