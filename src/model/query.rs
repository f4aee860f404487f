//! What is asked of the store: lists and counts.

use super::{As4MessageId, Direction, EnvelopeId, MessageId, ParticipantId, PartyId, Status, Timestamp};

/// Which messages to list. All given conditions hold; newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Direction.
    pub direction: Option<Direction>,
    /// Status.
    pub status: Option<Status>,
    /// Sender or recipient.
    pub participant: Option<ParticipantId>,
    /// Other access point.
    pub partner: Option<PartyId>,
    /// Envelope id, compared without regard to case.
    pub envelope_id: Option<EnvelopeId>,
    /// AS4 message id.
    pub as4_message_id: Option<As4MessageId>,
    /// Created before.
    pub created_before: Option<Timestamp>,
    /// Only messages that come after this one in the list (paging).
    pub after: Option<MessageId>,
    /// At most so many; 0 means 1000.
    pub limit: usize,
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
    /// Bytes free where the store is.
    pub free_bytes: u64,
    /// Records in the journal.
    pub journal_records: u64,
}
