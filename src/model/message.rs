//! A message in the store: one sealed envelope on its way, in one direction, at one access point.

use super::{
    As4MessageId, BlobId, CANCELLED, DocumentType, Effort, EnvelopeId, IllegalStep, MessageId, Outcome, ParticipantId,
    PartyId, Priority, Problem, ProcessId, Status, Timestamp, Tried,
};
use crate::limits::EARLIER_FORMS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From a participant of ours.
    Out,
    /// To a participant of ours.
    In,
}

/// For whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Carriage {
    /// For the message service of this process, which seals and opens.
    Own,
    /// For a participant whose message service is elsewhere; the envelope stays sealed here.
    Carried,
}

/// One document (file or text) of an opened or sent message. Its bytes stay in the payload.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Document {
    /// File name; a text is named `text-N.md`.
    pub name: String,
    /// Media type.
    pub mime: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What the message service knows of a message of its own participants.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Content {
    /// Subject.
    pub label: String,
    /// Function address of the recipient.
    pub functional_address: Option<String>,
    /// Function address of the sender.
    pub sender_address: Option<String>,
    /// Whether the sender marked it as covered by secrecy.
    pub confidential: bool,
    /// Conversation of the payload.
    pub conversation_id: Option<String>,
    /// The message it answers.
    pub in_reply_to: Option<String>,
    /// Documents in order.
    pub documents: Vec<Document>,
    /// The payload in clear (SDK message), for those who may read it.
    pub payload: Option<BlobId>,
}

/// What is kept of the AS4 receipt for an outbound message (AP-3.4.1.t02).
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct As4ReceiptSummary {
    /// Subject of the certificate that signed it.
    pub signed_by: String,
    /// SHA-256 of that certificate.
    pub certificate_sha256: String,
    /// Its signature value, in hexadecimal.
    pub signature: String,
    /// Whether every reference that we signed was repeated with an equal digest. Never false in a stored summary.
    pub references_matched: bool,
    /// When the attempt that it answers began to send the message (AP-3.4.1.t03).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// Where it is for an earlier form of the message: until when that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_until: Option<Timestamp>,
    /// The receipt as it came (SOAP envelope with its signature).
    pub soap: String,
}

/// A message. The store alone writes `status`, `lease_until` and `updated_at`.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Message {
    /// Our id.
    pub id: MessageId,
    /// Which way.
    pub direction: Direction,
    /// For whom.
    pub carriage: Carriage,
    /// Where it is.
    pub status: Status,
    /// Sending participant (C1).
    pub from: ParticipantId,
    /// Receiving participant (C4).
    pub to: ParticipantId,
    /// Document type of the envelope.
    pub document_type: DocumentType,
    /// Process of the envelope.
    pub process: ProcessId,
    /// The envelope's id.
    pub envelope_id: EnvelopeId,
    /// The sealed envelope, byte for byte; gone when deleted.
    pub envelope: Option<BlobId>,
    /// Its size in bytes.
    pub envelope_bytes: u64,
    /// SHA-256 of its bytes in lower-case hexadecimal.
    pub envelope_sha256: String,
    /// AS4 message id: given on packing (out) or by the sender (in). Stays the same on every attempt.
    pub as4_message_id: Option<As4MessageId>,
    /// AS4 ConversationId.
    pub conversation_id: Option<String>,
    /// The other access point. Out: the one that it is packed for; before that, the one that the store knows of the recipient, as
    /// long as it waits, and the one that it waited for, when it has ended.
    pub partner: Option<PartyId>,
    /// Out: the packed AS4 message, sent byte for byte on every attempt.
    pub packed: Option<Packing>,
    /// How soon it goes among others.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// Attempts made.
    pub attempts: u32,
    /// When a worker may take it up (again); `None`: no work is due.
    pub next_attempt_at: Option<Timestamp>,
    /// Out: when it was made, by the clock that is never set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// Out: since when it is tried, where an operator began anew, by the same clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Timestamp>,
    /// Out: for how long it has been tried since then, by what kept it back.
    #[serde(default, skip_serializing_if = "Effort::is_none")]
    pub effort: Effort,
    /// Out, own: since when its message receipt is awaited, by the same clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits_since: Option<Timestamp>,
    /// Until when a worker holds it.
    pub lease_until: Option<Timestamp>,
    /// In: when the participant confirmed that it took the sealed envelope itself. Out: that it knows that this was given up.
    pub taken_at: Option<Timestamp>,
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The last problem; cleared by success.
    pub error: Option<Problem>,
    /// Out: what the receiving access point proved.
    pub as4_receipt: Option<As4ReceiptSummary>,
    /// Out, own message: `ACCEPTED` or `REJECTED`, when the message receipt came. In, own: what we answered.
    pub message_receipt: Option<String>,
    /// Own message receipt: the envelope it acknowledges.
    pub acknowledges: Option<EnvelopeId>,
    /// Own: what the message service knows.
    pub content: Option<Content>,
}

/// A packed AS4 message: the HTTP body is its pieces, one after the other, the same on every attempt.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Packing {
    /// HTTP Content-Type.
    pub content_type: String,
    /// The body in order.
    pub pieces: Vec<Piece>,
    /// Size of the whole body in bytes.
    pub bytes: u64,
    /// SHA-256 of the encrypted part as it lies on our disk, in lower-case hexadecimal; none where it was packed by a version that did not
    /// note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_sha256: Option<String>,
    /// The signed ds:Reference elements, as they must come back in the AS4 receipt.
    pub references: Vec<SignedReference>,
    /// Where it goes.
    pub url: String,
    /// The certificate of the route, in PEM: the message was encrypted to it, and it must sign the AS4 receipt.
    pub certificate: String,
    /// The forms that it had before, the first one first: one of them may have arrived without our knowing it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierForm>,
}

/// What an AS4 receipt is held against for a form that gave way to another, encrypted to another certificate.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct EarlierForm {
    /// Until when it was sent.
    pub until: Timestamp,
    /// Its signed ds:Reference elements.
    pub references: Vec<SignedReference>,
    /// The certificate that it was encrypted to, in PEM.
    pub certificate: String,
}

/// A piece of a packed message.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Piece {
    /// MIME headers and the SOAP part.
    Text(String),
    /// An encrypted part.
    File(BlobId),
}

/// What identifies a signed reference in an AS4 receipt (protocol.md 1.9).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
pub struct SignedReference {
    /// URI.
    pub uri: String,
    /// Digest algorithm.
    pub algorithm: String,
    /// Digest in Base64.
    pub digest: String,
}

/// A change to one field of a message.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// AS4 message id, AS4 ConversationId and the other access point, given on packing.
    Addressed(As4MessageId, String, PartyId),
    /// The other access point that it waited for when it ended before it was packed; none: it waits again.
    AwaitedPartner(Option<PartyId>),
    /// The packed message, kept or given up.
    Packed(Option<Box<Packing>>),
    /// Attempts made.
    Attempts(u32),
    /// When work is due again.
    Due(Option<Timestamp>),
    /// It is tried from here on as if it were new.
    Renewed(Timestamp),
    /// For how long it has been tried, by what kept it back.
    Effort(Effort),
    /// Since when its message receipt is awaited.
    AwaitsSince(Timestamp),
    /// The last problem.
    Error(Option<Problem>),
    /// What the receiving access point proved.
    As4Receipt(As4ReceiptSummary),
    /// The message receipt's word.
    MessageReceipt(String),
    /// What the message service knows.
    Content(Box<Content>),
    /// The envelope's id, read from the envelope itself.
    EnvelopeId(EnvelopeId),
    /// The participant took the sealed envelope, or the notice that it was not sent.
    TakenAt(Timestamp),
    /// The sealed envelope is deleted.
    EnvelopeGone,
}

impl Packing {
    /// The forms that there were, this one included, when it gives way at `at`; of many the last.
    pub fn given_way(self, at: Timestamp) -> Vec<EarlierForm> {
        let Self { mut earlier, references, certificate, .. } = self;
        earlier.push(EarlierForm { until: at, references, certificate });
        earlier.split_off(earlier.len().saturating_sub(EARLIER_FORMS_MAX))
    }

    /// The certificates of all its forms, in PEM, this one's first.
    pub fn certificates(&self) -> impl Iterator<Item = &str> {
        let earlier = self.earlier.iter().rev().map(|form| form.certificate.as_str());
        std::iter::once(self.certificate.as_str()).chain(earlier)
    }

    /// What of it is in clear: MIME headers and the SOAP part.
    pub fn texts(&self) -> String {
        let text = |piece: &Piece| if let Piece::Text(text) = piece { Some(text.clone()) } else { None };
        self.pieces.iter().filter_map(text).collect()
    }

    /// Payload files in it.
    pub fn files(&self) -> impl Iterator<Item = BlobId> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::File(blob) => Some(*blob),
            Piece::Text(_) => None,
        })
    }
}

impl Change {
    /// Payload files that a message refers to after it.
    pub fn payloads(&self) -> Vec<BlobId> {
        match self {
            Self::Packed(Some(packed)) => packed.files().collect(),
            Self::Content(content) => content.payload.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// A sealed envelope from which a message is made.
#[derive(Clone, Debug)]
pub struct Enveloped {
    /// The envelope's id.
    pub id: EnvelopeId,
    /// Sending participant (C1).
    pub from: ParticipantId,
    /// Receiving participant (C4).
    pub to: ParticipantId,
    /// Document type.
    pub document_type: DocumentType,
    /// Process.
    pub process: ProcessId,
    /// The envelope, byte for byte.
    pub envelope: Option<BlobId>,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes in lower-case hexadecimal.
    pub sha256: String,
}

impl Message {
    /// A message as it begins: in its first status, and due at once.
    pub fn new(direction: Direction, carriage: Carriage, of: Enveloped, at: Timestamp) -> Self {
        Self {
            id: MessageId::now(),
            direction,
            carriage,
            status: match (direction, carriage) {
                (Direction::Out, Carriage::Own) => Status::Submitted,
                (Direction::Out, Carriage::Carried) => Status::SendEnqueued,
                (Direction::In, _) => Status::Received,
            },
            from: of.from,
            to: of.to,
            document_type: of.document_type,
            process: of.process,
            envelope_id: of.id,
            envelope: of.envelope,
            envelope_bytes: of.bytes,
            envelope_sha256: of.sha256,
            as4_message_id: None,
            conversation_id: None,
            partner: None,
            packed: None,
            priority: Priority::default(),
            attempts: 0,
            next_attempt_at: Some(at),
            begun_at: None,
            renewed_at: None,
            effort: Effort::default(),
            awaits_since: None,
            lease_until: None,
            taken_at: None,
            created_at: at,
            updated_at: at,
            error: None,
            as4_receipt: None,
            message_receipt: None,
            acknowledges: None,
            content: None,
        }
    }

    /// Out: since when it is tried, by the clock that is never set.
    pub fn tried_since(&self) -> Timestamp {
        self.renewed_at.or(self.begun_at).unwrap_or(self.created_at)
    }

    /// Out: since when its message receipt is awaited, by the clock that is never set; none where it is not.
    pub fn unanswered_since(&self) -> Option<Timestamp> {
        let awaits = self.status == Status::WaitingForReceipt;
        awaits.then(|| self.awaits_since.unwrap_or_else(|| self.tried_since()))
    }

    /// In: whether another transfer brings the same envelope from whom this one did to whom this one did.
    pub fn brings_the_same(&self, other: &Self) -> bool {
        self.brought() == other.brought()
    }

    fn brought(&self) -> impl PartialEq + '_ {
        let addressed =
            (&self.partner, &self.from, &self.to, &self.document_type, &self.process, &self.conversation_id);
        (addressed, self.envelope_bytes, &self.envelope_sha256)
    }

    /// In, own: whether it was accepted: its message receipt says so to its sender, or is to.
    pub fn is_accepted(&self) -> bool {
        self.direction == Direction::In && self.message_receipt.as_deref() == Some("ACCEPTED")
    }

    /// Since when it is tried, where work on it is due.
    pub fn tried(&self) -> Option<Tried> {
        let kept_back = self.effort.obstacle().zip(self.effort.since());
        self.next_attempt_at.map(|due| Tried { since: self.tried_since(), kept_back, due })
    }

    /// Payload files that it refers to.
    pub fn payloads(&self) -> BTreeSet<BlobId> {
        let content = self.content.as_ref().and_then(|content| content.payload);
        self.packed.iter().flat_map(Packing::files).chain(self.envelope).chain(content).collect()
    }

    /// Its conversations: that of the AS4 message, and that of the message sealed in it.
    pub fn conversations(&self) -> impl Iterator<Item = &str> {
        let sealed = self.content.as_ref().and_then(|content| content.conversation_id.as_deref());
        self.conversation_id.as_deref().into_iter().chain(sealed)
    }

    /// Whether it is at its end, and nothing more is done with it by itself.
    pub fn is_over(&self) -> bool {
        self.status.is_final() && self.next_attempt_at.is_none()
    }

    /// Whether an operator ended it, or dealt with it after it was given up.
    pub fn is_cancelled(&self) -> bool {
        self.is_over() && self.error.as_ref().is_some_and(|error| error.cause() == CANCELLED)
    }

    /// The cause of a message that was given up and about which somebody still has to do something: it came in, or its sender does not
    /// know.
    pub fn unhandled_cause(&self) -> Option<&str> {
        let unhandled = match self.status {
            Status::Error => !self.is_cancelled(),
            Status::MessageExchangeError | Status::SendFailure => self.has_notice(),
            _ => false,
        };
        self.error.as_ref().filter(|_| unhandled).map(Problem::cause)
    }

    /// Whether its sealed envelope is deleted.
    pub fn is_emptied(&self) -> bool {
        self.envelope.is_none() && self.envelope_bytes > 0
    }

    /// Whether `id` is one of its ids: ours, the envelope's, the AS4 message's, a conversation's.
    pub fn is_named(&self, id: &str) -> bool {
        self.id.to_string().eq_ignore_ascii_case(id)
            || self.envelope_id.folded() == id.to_lowercase()
            || self.as4_message_id.as_ref().is_some_and(|as4| as4.as_str() == id)
            || self.conversations().any(|conversation| conversation == id)
    }

    /// Whether its sealed envelope waits for its participant: it is there, conforms, and was neither taken nor ended by an operator.
    pub fn is_waiting(&self) -> bool {
        let checked = self.status != Status::Received || self.next_attempt_at.is_none();
        let ended = self.status == Status::Error && self.can_be_opened();
        self.direction == Direction::In && checked && !ended && self.envelope.is_some() && self.taken_at.is_none()
    }

    /// Whether its sender has to be told that it is not sent, for now or for good, and has not confirmed the latter
    /// (AP-3.2.3.c, AP-3.2.4.a, AP-3.2.5.b).
    pub fn has_notice(&self) -> bool {
        match self.status {
            Status::ScheduledForResend | Status::WaitingForRetry => self.error.is_some(),
            Status::MessageExchangeError | Status::SendFailure => self.taken_at.is_none(),
            _ => false,
        }
    }

    /// Out: whether its recipient has answered, and the AS4 receipt of its transfer can still be had: the same bytes bring it again.
    pub fn lacks_as4_receipt(&self) -> bool {
        matches!(self.status, Status::Accepted | Status::Rejected) && self.can_be_receipted()
    }

    /// Out: what its recipient's answer changes in the work on it. The message receipt proves that it arrived; the AS4 receipt is
    /// evidence of its own (AP-3.4.1.t02), so where it is missing it is asked for at once, by the clock that is never set.
    pub fn work_after_answer(&self, steady: Timestamp) -> Vec<Change> {
        if self.can_be_receipted() {
            vec![Change::Due(Some(steady))]
        } else {
            vec![Change::Due(None), Change::Packed(None)]
        }
    }

    /// Out: whether it still has to leave. What is held does as well.
    pub fn is_to_leave(&self) -> bool {
        self.direction == Direction::Out && self.status.after(Outcome::Resume).is_ok()
    }

    /// Out, as the store keeps it: whether it still has to leave, and is packed for no access point yet. Then it waits for the one
    /// that is known of its recipient.
    pub fn awaits_route(&self) -> bool {
        self.is_to_leave() && self.partner.is_none()
    }

    /// Out: whether it is packed, or was.
    pub fn is_addressed(&self) -> bool {
        self.as4_message_id.is_some()
    }

    /// What of its partner changes with a step after which it is as `new`, where `route` is known of its recipient: one that ends
    /// unpacked keeps whom it waited for, and one that comes back waits for whoever is known then.
    pub fn awaited_partner(&self, new: &Self, route: Option<&PartyId>) -> Option<Change> {
        let ends = self.awaits_route() && !new.is_to_leave() && new.partner.is_none();
        let comes_back = !self.is_to_leave() && new.is_to_leave() && !new.is_addressed() && new.partner.is_some();
        match route {
            Some(route) if ends => Some(Change::AwaitedPartner(Some(route.clone()))),
            _ if comes_back => Some(Change::AwaitedPartner(None)),
            _ => None,
        }
    }

    fn can_be_receipted(&self) -> bool {
        self.as4_receipt.is_none() && self.packed.is_some()
    }

    /// Whether an operator keeps it back: it is not at its end, and no attempt is due.
    pub fn is_held(&self) -> bool {
        self.next_attempt_at.is_none() && self.status.after(Outcome::Resume).is_ok()
    }

    /// The status after `outcome`: [`Status::after`], and what is held is released before anything is tried, nothing is tried
    /// whose envelope is deleted, nothing ended twice by operators, and what was rejected is not there to be read, wherever its message receipt is.
    ///
    /// # Errors
    ///
    /// [`IllegalStep`] where this may not follow.
    pub fn after(&self, outcome: Outcome) -> Result<Status, IllegalStep> {
        match (outcome, self.is_held()) {
            (Outcome::Retry, true) | (Outcome::Resume, false) => Err(IllegalStep { status: self.status, outcome }),
            // Whoever dealt with it is not asked twice.
            (Outcome::Cancel, _) if self.is_cancelled() => Err(IllegalStep { status: self.status, outcome }),
            (Outcome::Retry, _) if self.is_emptied() => Err(IllegalStep { status: self.status, outcome }),
            // It has arrived: sent again, it would be another message with the same content.
            (Outcome::Retry, _) if self.direction == Direction::Out && self.as4_receipt.is_some() => {
                Err(IllegalStep { status: self.status, outcome })
            }
            (Outcome::Retry, _) if self.status == Status::Error && !self.can_be_opened() => {
                Err(IllegalStep { status: self.status, outcome })
            }
            (Outcome::Answered, _) if self.status == Status::Error && !self.is_accepted() => {
                Err(IllegalStep { status: self.status, outcome })
            }
            _ => self.status.after(outcome),
        }
    }

    /// In: whether its envelope is kept, and nobody was told yet what became of it.
    fn can_be_opened(&self) -> bool {
        self.envelope.is_some() && self.message_receipt.is_none()
    }

    /// Writes one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Addressed(id, conversation, partner) => {
                self.as4_message_id = Some(id);
                self.conversation_id = Some(conversation);
                self.partner = Some(partner);
            }
            Change::AwaitedPartner(partner) => self.partner = partner,
            Change::Packed(packed) => self.packed = packed.map(|packed| *packed),
            Change::Attempts(attempts) => self.attempts = attempts,
            Change::Due(due) => self.next_attempt_at = due,
            Change::Renewed(at) => {
                self.renewed_at = Some(at);
                self.effort = Effort::default();
                // If it fails again, that is news.
                self.taken_at = None;
            }
            Change::Effort(effort) => self.effort = effort,
            Change::AwaitsSince(at) => self.awaits_since = Some(at),
            Change::Error(error) => self.error = error,
            Change::As4Receipt(receipt) => self.as4_receipt = Some(receipt),
            Change::MessageReceipt(word) => self.message_receipt = Some(word),
            Change::Content(content) => self.content = Some(*content),
            Change::EnvelopeId(id) => self.envelope_id = id,
            Change::TakenAt(at) => self.taken_at = Some(at),
            Change::EnvelopeGone => self.envelope = None,
        }
    }
}
