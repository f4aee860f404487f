//! The JSON of the API: the words of the command line's contract.

use crate::access_point::PartnerState;
use crate::model::{As4MessageId, EnvelopeId, MessageId, ParticipantId, PartyId};
use crate::model::{Content, Count, Direction, Document, Event, Message, Priority, Problem, Timestamp};
use serde::Serialize;

/// What was taken for sending.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// Our id of the message.
    pub id: MessageId,
    /// Id of the sealed envelope.
    pub envelope_id: EnvelopeId,
    /// Where it is.
    pub status: &'static str,
}

impl From<&Message> for Sent {
    fn from(message: &Message) -> Self {
        Self { id: message.id, envelope_id: message.envelope_id.clone(), status: message.status.word() }
    }
}

/// A message as the queue shows it. Nothing of its content.
#[derive(Debug, Serialize)]
pub struct QueueLine<'a> {
    id: MessageId,
    direction: Direction,
    status: &'static str,
    from: &'a ParticipantId,
    to: &'a ParticipantId,
    partner: Option<&'a PartyId>,
    priority: Priority,
    attempts: u32,
    next_attempt_at: Option<Timestamp>,
    held: bool,
    created_at: Timestamp,
    as4_message_id: Option<&'a As4MessageId>,
    envelope_id: &'a EnvelopeId,
    error: Option<&'a Problem>,
    updated_at: Timestamp,
    document_type: String,
    envelope_bytes: u64,
    message_receipt: Option<&'a str>,
}

impl<'a> From<&'a Message> for QueueLine<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            direction: message.direction,
            status: message.status.word(),
            from: &message.from,
            to: &message.to,
            partner: message.partner.as_ref(),
            priority: message.priority,
            attempts: message.attempts,
            next_attempt_at: message.next_attempt_at,
            held: message.is_held(),
            created_at: message.created_at,
            as4_message_id: message.as4_message_id.as_ref(),
            envelope_id: &message.envelope_id,
            error: message.error.as_ref(),
            updated_at: message.updated_at,
            document_type: message.document_type.to_string(),
            envelope_bytes: message.envelope_bytes,
            message_receipt: message.message_receipt.as_deref(),
        }
    }
}

/// A page of the queue.
#[derive(Debug, Serialize)]
pub struct QueuePage<'a> {
    /// Newest first.
    pub messages: Vec<QueueLine<'a>>,
    /// What to give as `after` for the next page; none on the last one.
    pub next: Option<MessageId>,
}

/// A message with everything that happened to it.
#[derive(Debug, Serialize)]
pub struct Journey<'a> {
    /// The message.
    pub message: MessageDetail<'a>,
    /// How the other access point fares for which it waits; none where it waits for none.
    pub awaited: Option<PartnerState>,
    /// Its events, oldest first.
    pub journey: &'a [Event],
}

/// A message as an operator sees it.
#[derive(Debug, Serialize)]
pub struct MessageDetail<'a> {
    #[serde(flatten)]
    line: QueueLine<'a>,
    conversation_id: Option<&'a str>,
    lease_until: Option<Timestamp>,
    endpoint: Option<&'a str>,
    as4_receipt: Option<As4Receipt<'a>>,
    acknowledges: Option<&'a EnvelopeId>,
}

#[derive(Debug, Serialize)]
struct As4Receipt<'a> {
    signed_by: &'a str,
    certificate_sha256: &'a str,
    signature: &'a str,
    references_matched: bool,
}

impl<'a> From<&'a Message> for MessageDetail<'a> {
    fn from(message: &'a Message) -> Self {
        let as4_receipt = message.as4_receipt.as_ref().map(|receipt| As4Receipt {
            signed_by: &receipt.signed_by,
            certificate_sha256: &receipt.certificate_sha256,
            signature: &receipt.signature,
            references_matched: receipt.references_matched,
        });
        Self {
            line: message.into(),
            conversation_id: message.conversation_id.as_deref(),
            lease_until: message.lease_until,
            endpoint: message.packed.as_ref().map(|packed| packed.url.as_str()),
            as4_receipt,
            acknowledges: message.acknowledges.as_ref(),
        }
    }
}

/// A message as its participant sees it.
#[derive(Debug, Serialize)]
pub struct MailLine<'a> {
    id: MessageId,
    envelope_id: &'a EnvelopeId,
    from: &'a ParticipantId,
    to: &'a ParticipantId,
    label: &'a str,
    received_at: Timestamp,
    status: &'static str,
    documents: &'a [Document],
    direction: Direction,
    functional_address: Option<&'a str>,
    confidential: bool,
    conversation_id: Option<&'a str>,
    in_reply_to: Option<&'a str>,
    message_receipt: Option<&'a str>,
    error: Option<&'a Problem>,
}

impl<'a> From<&'a Message> for MailLine<'a> {
    fn from(message: &'a Message) -> Self {
        let content: Option<&Content> = message.content.as_ref();
        Self {
            id: message.id,
            envelope_id: &message.envelope_id,
            from: &message.from,
            to: &message.to,
            label: content.map_or("", |c| &c.label),
            received_at: message.created_at,
            status: message.status.word(),
            documents: content.map_or(&[], |c| &c.documents),
            direction: message.direction,
            functional_address: content.and_then(|c| c.functional_address.as_deref()),
            confidential: content.is_some_and(|c| c.confidential),
            conversation_id: content.and_then(|c| c.conversation_id.as_deref()),
            in_reply_to: content.and_then(|c| c.in_reply_to.as_deref()),
            message_receipt: message.message_receipt.as_deref(),
            error: message.error.as_ref(),
        }
    }
}

/// Messages of a mailbox, newest first.
#[derive(Debug, Serialize)]
pub struct Mail<'a> {
    /// The messages.
    pub messages: Vec<MailLine<'a>>,
}

/// A sealed envelope that waits for its participant.
#[derive(Debug, Serialize)]
pub struct WaitingLine<'a> {
    id: MessageId,
    envelope_id: &'a EnvelopeId,
    status: &'static str,
    from: &'a ParticipantId,
    to: &'a ParticipantId,
    document_type: String,
    bytes: u64,
    received_at: Timestamp,
}

impl<'a> From<&'a Message> for WaitingLine<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            envelope_id: &message.envelope_id,
            status: message.status.word(),
            from: &message.from,
            to: &message.to,
            document_type: message.document_type.to_string(),
            bytes: message.envelope_bytes,
            received_at: message.created_at,
        }
    }
}

/// A page of the envelopes that wait.
#[derive(Debug, Serialize)]
pub struct Waiting<'a> {
    /// Oldest first.
    pub envelopes: Vec<WaitingLine<'a>>,
    /// What to give as `after` for the next page; none on the last one.
    pub next: Option<MessageId>,
}

/// A message of a participant that was not sent: for now, or for good (AP-3.2.3.c, AP-3.2.4.a, AP-3.2.5.b).
#[derive(Debug, Serialize)]
pub struct Notice<'a> {
    id: MessageId,
    envelope_id: &'a EnvelopeId,
    status: &'static str,
    given_up: bool,
    from: &'a ParticipantId,
    to: &'a ParticipantId,
    attempts: u32,
    next_attempt_at: Option<Timestamp>,
    handed_in_at: Timestamp,
    error: Option<&'a Problem>,
}

impl<'a> From<&'a Message> for Notice<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            envelope_id: &message.envelope_id,
            status: message.status.word(),
            given_up: message.status.is_final(),
            from: &message.from,
            to: &message.to,
            attempts: message.attempts,
            next_attempt_at: message.next_attempt_at,
            handed_in_at: message.created_at,
            error: message.error.as_ref(),
        }
    }
}

/// A page of notices.
#[derive(Debug, Serialize)]
pub struct Notices<'a> {
    /// Oldest first.
    pub notices: Vec<Notice<'a>>,
    /// What to give as `after` for the next page; none on the last one.
    pub next: Option<MessageId>,
}

/// A page of the other access points.
#[derive(Debug, Serialize)]
pub struct PartnersPage {
    /// By name; what has to be looked up first is the last, with no name.
    pub partners: Vec<PartnerState>,
    /// What to give as `after` for the next page; none on the last one.
    pub next: Option<PartyId>,
}

/// Messages of one direction and status.
#[derive(Debug, Serialize)]
pub struct QueueCount {
    direction: Direction,
    status: &'static str,
    messages: u64,
    oldest: Option<Timestamp>,
    is_final: bool,
}

impl From<&Count> for QueueCount {
    fn from(count: &Count) -> Self {
        Self {
            direction: count.direction,
            status: count.status.word(),
            messages: count.messages,
            oldest: count.oldest,
            is_final: count.status.is_final(),
        }
    }
}
