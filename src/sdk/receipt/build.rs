//! Writing a message receipt (C4).

use super::cause::Outcome;
use super::{CUSTOMIZATION, PROFILE};
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::time::millis;
use crate::model::{EnvelopeId, ParticipantId, Timestamp};
use crate::xml::ns::{CAC, CBC, UBL_RESPONSE};
use crate::xml::write::Writer;

/// A message receipt to be written.
#[derive(Clone, Debug)]
pub struct NewReceipt {
    /// Its own id; that of its envelope.
    pub id: EnvelopeId,
    /// When; written in UTC, with its zone (KVITT-3.1.c).
    pub issued: Timestamp,
    /// The participant that acknowledges.
    pub sender: ParticipantId,
    /// The participant that sent the message.
    pub receiver: ParticipantId,
    /// The envelope id of the message (KVITT-2.2.t01).
    pub reference: EnvelopeId,
    /// What is said.
    pub outcome: Outcome,
}

/// The receipt as one canonical element that declares its own namespaces.
pub fn build(new: &NewReceipt) -> String {
    let issued = millis(new.issued);
    let (date, time) = issued.split_once('T').unwrap_or((&issued, ""));
    let mut out = Writer::new();
    out.start("ApplicationResponse", &[("xmlns", UBL_RESPONSE), ("xmlns:cac", CAC), ("xmlns:cbc", CBC)]);
    out.element("cbc:CustomizationID", &[], CUSTOMIZATION).element("cbc:ProfileID", &[], PROFILE);
    out.element("cbc:ID", &[], new.id.as_str());
    out.element("cbc:IssueDate", &[], date).element("cbc:IssueTime", &[], time);
    for (party, id) in [("cac:SenderParty", &new.sender), ("cac:ReceiverParty", &new.receiver)] {
        out.start(party, &[]).element("cbc:EndpointID", &[("schemeID", PARTICIPANT_SCHEME)], id.as_str()).end();
    }
    out.start("cac:DocumentResponse", &[]);
    out.start("cac:Response", &[]).element("cbc:ResponseCode", &[], new.outcome.word()).end();
    out.start("cac:DocumentReference", &[]).element("cbc:ID", &[], new.reference.as_str()).end();
    for cause in new.outcome.causes() {
        out.start("cac:LineResponse", &[]);
        out.start("cac:LineReference", &[]).element("cbc:LineID", &[], given(&cause.line, "NA")).end();
        out.start("cac:Response", &[]).element("cbc:ResponseCode", &[], cause.code.word());
        out.start("cac:Status", &[]);
        out.element("cbc:StatusReasonCode", &[], given(&cause.detail, "invariant"));
        out.element("cbc:StatusReason", &[], &printable(given(&cause.reason, "-")));
        out.end().end().end();
    }
    out.finish()
}

/// A receipt has no empty elements (R2-APP).
fn given<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.trim().is_empty() { otherwise } else { text }
}

/// Without characters that XML cannot carry.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}
