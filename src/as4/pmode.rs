//! The constants of Digg's transport profile for AS4 (`digg-transport-as4-v1_0`), and the check of a
//! user message against them. Everything else of the P-Mode comes from the route or the envelope.

use super::cause::RefusalCause;
use super::error::{Finding, Refusal};
use super::header::{Party, Property, UserMessage};
use crate::model::document::PROCESS_SCHEME;
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::{As4MessageId, DocumentType, ProcessId, Timestamp};
use crate::pki::Certificate;

/// Message partition channel (AS4-2.3.1.d).
pub const MPC: &str = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/defaultMPC";
/// Type of every PartyId (AS4-2.3.1.k, n).
pub const PARTY_TYPE: &str = "urn:fdc:digg.se:edelivery:transportprofile:as4:partytype:ap";
/// Role of the sending access point (AS4-2.3.1.l).
pub const ROLE_INITIATOR: &str = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/initiator";
/// Role of the receiving access point (AS4-2.3.1.o).
pub const ROLE_RESPONDER: &str = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/responder";
/// Type of Service (AS4-2.3.1.b).
pub const SERVICE_TYPE: &str = PROCESS_SCHEME;
/// Service of the test service, which is receipted and not delivered (ebMS 3.0 Core, 5.2.2.9).
pub const TEST_SERVICE: &str = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/service";
/// Action of the test service.
pub const TEST_ACTION: &str = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/test";
/// Transport profile of an SMP endpoint (AS4-2.3.1.e).
pub const TRANSPORT_PROFILE: &str = "digg-transport-as4-v1_0";
/// Message property with the sending participant (AS4-2.3.1.p).
pub const ORIGINAL_SENDER: &str = "originalSender";
/// Message property with the receiving participant (AS4-2.3.1.q).
pub const FINAL_RECIPIENT: &str = "finalRecipient";
/// Part property: media type before compression (AS4 Profile 1.0, 3.1).
pub const MIME_TYPE: &str = "MimeType";
/// Part property: compression (AS4 Profile 1.0, 3.1).
pub const COMPRESSION_TYPE: &str = "CompressionType";
/// Part property: character set (AS4 Profile 1.0, 3.1).
pub const CHARACTER_SET: &str = "CharacterSet";
/// The only compression of AS4.
pub const GZIP: &str = "application/gzip";
/// Content id of the envelope's part, as Digg's P-Mode has it (C-15).
pub const ENVELOPE_CONTENT_ID: &str = "message";
/// Media type of the envelope's part (C-14).
pub const ENVELOPE_MIME: &str = "text/xml";

/// Who sends what to whom: what differs between two user messages of the transport profile.
#[derive(Clone, Debug)]
pub struct Corners<'a> {
    /// Message id.
    pub message_id: &'a As4MessageId,
    /// When it is made.
    pub at: Timestamp,
    /// Party ids of the sending and of the receiving access point (C2, C3).
    pub access_points: [&'a str; 2],
    /// The sending and the receiving participant (C1, C4).
    pub participants: [&'a str; 2],
    /// Conversation: the envelope's id (C-01).
    pub conversation_id: String,
}

impl UserMessage {
    /// The header of a message, field by field as the transport profile says (AS4-2.3.1). Its parts are added on packing.
    pub fn of_sdk(corners: Corners<'_>, process: ProcessId, document_type: &DocumentType) -> Self {
        Self::between(corners, process.value, Some(process.scheme), document_type.action())
    }

    /// The header of a test message, with the four corners that some access points demand of it as well.
    pub fn of_test(corners: Corners<'_>) -> Self {
        Self::between(corners, TEST_SERVICE.to_owned(), None, TEST_ACTION.to_owned())
    }

    fn between(corners: Corners<'_>, service: String, service_type: Option<String>, action: String) -> Self {
        let ([sender, receiver], [from, to]) = (corners.access_points, corners.participants);
        Self {
            mpc: Some(MPC.to_owned()),
            message_id: corners.message_id.clone(),
            ref_to: None,
            timestamp: corners.at,
            from: Party::initiator(sender),
            to: Party::responder(receiver),
            agreement: None,
            service,
            service_type,
            action,
            conversation_id: corners.conversation_id,
            properties: vec![Property::participant(ORIGINAL_SENDER, from), Property::participant(FINAL_RECIPIENT, to)],
            parts: Vec::new(),
        }
    }
}

/// Whether `message` is for the test service.
pub fn is_test(message: &UserMessage) -> bool {
    message.service == TEST_SERVICE && message.action == TEST_ACTION
}

/// Checks the header of a user message against the profile.
///
/// Tolerates what the contradictions register says to: a PartyId or a property without type (C-04), and the
/// other spelling of Digg's name in the service type (C-05).
///
/// Parties find each other by service metadata, and one P-Mode holds for all: an AgreementRef, which Digg's sample P-Mode
/// defines and does not use, names nothing here and changes nothing. RefToMessageId, which a one-way message need not have,
/// may be there (SAD-5.3.7.1) and has no effect either: nothing is looked up or answered by it.
///
/// # Errors
///
/// [`Refusal::Mismatch`] or [`Refusal::Inconsistent`] with the rule.
pub fn conform(message: &UserMessage) -> Result<(), Refusal> {
    if message.mpc.as_deref().is_some_and(|mpc| mpc != MPC) {
        return Err(mismatch(
            "AS4-2.3.1.d",
            format!("mpc {}", message.mpc.as_deref().unwrap_or_default()),
            format!("{MPC} or none"),
        ));
    }
    party(&message.from, "From", ROLE_INITIATOR, "AS4-2.3.1.k", "AS4-2.3.1.l")?;
    party(&message.to, "To", ROLE_RESPONDER, "AS4-2.3.1.n", "AS4-2.3.1.o")?;
    if is_test(message) {
        return Ok(());
    }
    let kind = message.service_type.as_deref().unwrap_or_default();
    if kind.to_lowercase() != SERVICE_TYPE {
        return Err(mismatch("AS4-2.3.1.b", format!("Service type {kind:?}"), SERVICE_TYPE));
    }
    participant(message, ORIGINAL_SENDER, "AS4-2.3.1.p")?;
    participant(message, FINAL_RECIPIENT, "AS4-2.3.1.q")
}

/// Checks that the sending access point is the one that signed (AS4-2.3.1.j, BAS-2.14.1.t02).
///
/// # Errors
///
/// [`Refusal::Authentication`] when PartyId is not the common name of `signer`.
pub fn sender_signed(message: &UserMessage, signer: &Certificate) -> Result<(), Refusal> {
    let name = signer.common_name().unwrap_or_default();
    if !name.is_empty() && name == message.from.id {
        return Ok(());
    }
    Err(Refusal::Authentication(
        Finding::new(
            format!("From/PartyId {:?}, signed by {}", message.from.id, signer.subject()),
            "From/PartyId equal to the common name of the signing certificate",
        )
        .rule("AS4-2.3.1.j")
        .cause(RefusalCause::Sender),
    ))
}

fn party(
    party: &Party,
    side: &str,
    role: &str,
    type_rule: &'static str,
    role_rule: &'static str,
) -> Result<(), Refusal> {
    if let Some(kind) = party.kind.as_deref().filter(|kind| *kind != PARTY_TYPE) {
        return Err(mismatch(
            type_rule,
            format!("{side}/PartyId of type {kind:?}"),
            format!("{PARTY_TYPE} or no type"),
        ));
    }
    if party.role != role {
        return Err(mismatch(role_rule, format!("{side}/Role {:?}", party.role), role));
    }
    Ok(())
}

fn participant(message: &UserMessage, name: &'static str, rule: &'static str) -> Result<(), Refusal> {
    let property = message.properties.iter().find(|p| p.name == name);
    let Some(property) = property.filter(|p| !p.value.is_empty()) else {
        return Err(mismatch(
            rule,
            if property.is_some() {
                format!("the message property {name} without a value")
            } else {
                format!("no message property {name}")
            },
            format!("{name} with a participant id, as in 0203:digg.se"),
        ));
    };
    match property.kind.as_deref() {
        None | Some(PARTICIPANT_SCHEME) => Ok(()),
        Some(kind) => Err(Refusal::Inconsistent(
            Finding::new(format!("{name} of type {kind:?}"), format!("{PARTICIPANT_SCHEME} or no type"))
                .rule("AP-3.1.6"),
        )),
    }
}

fn mismatch(rule: &'static str, found: String, expected: impl Into<String>) -> Refusal {
    Refusal::Mismatch(Finding::new(found, expected).rule(rule))
}

/// Checks that a message is addressed to the access point with this certificate (AS4-2.3.1.m).
///
/// # Errors
///
/// [`Refusal::Mismatch`] when To/PartyId is not its common name.
pub fn addressed_to(message: &UserMessage, own: &Certificate) -> Result<(), Refusal> {
    match own.common_name() {
        Some(name) if name == message.to.id => Ok(()),
        name => Err(mismatch(
            "AS4-2.3.1.m",
            format!("To/PartyId {:?}", message.to.id),
            name.unwrap_or("a common name of ours"),
        )),
    }
}
