//! Whether a message says the same as the envelope that carried it (MSG-3.2, MSG-4.3.2).

use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::{EnvelopeId, Finding, ParticipantId};
use crate::sdk::message::MessageHeader;

/// What the envelope said.
#[derive(Clone, Copy, Debug)]
pub struct Enveloped<'e> {
    /// Header/ID.
    pub id: &'e EnvelopeId,
    /// FromParty.
    pub from: &'e ParticipantId,
    /// ToParty.
    pub to: &'e ParticipantId,
    /// HandlingServiceID.
    pub handling_service_id: Option<&'e str>,
}

/// Compares; every finding is an error. A HandlingServiceID that is absent is none: the message's own
/// function address decides then (C-26). Participants are compared without regard to case (C-11), as are UUIDs (C-03).
pub fn check(envelope: &Enveloped<'_>, header: &MessageHeader) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut compare = |rule: &str, path: &str, found: &str, expected: &str, equal: bool| {
        if !equal {
            let path = format!("/messagePayload/message/messageHeader/{path}");
            findings.push(Finding::error(rule, path, crate::xml::validate::clip(found), expected));
        }
    };
    compare(
        "MSG-3.2.t01",
        "messageId",
        &header.message_id,
        envelope.id.as_str(),
        header.message_id.to_lowercase() == envelope.id.folded(),
    );
    let recipient = &header.recipient;
    let equal = recipient.root == PARTICIPANT_SCHEME && recipient.extension.to_lowercase() == envelope.to.folded();
    compare("MSG-4.3.2.1.t01", "recipient/recipientID", &recipient.extension, envelope.to.as_str(), equal);
    let sender = &header.sender;
    let equal = sender.root == PARTICIPANT_SCHEME && sender.extension.to_lowercase() == envelope.from.folded();
    compare("MSG-4.3.2.2.t01", "sender/senderID", &sender.extension, envelope.from.as_str(), equal);
    if let Some(expected) = envelope.handling_service_id {
        let found = header.recipient_address.as_ref().map_or("", |address| address.extension.as_str());
        compare(
            "MSG-4.3.2.3.t03",
            "recipient/attention/subOrganization/organizationId",
            found,
            expected,
            found == expected,
        );
    }
    findings
}
