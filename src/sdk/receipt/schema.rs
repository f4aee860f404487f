//! The reduced UBL schema of the message receipt, as tables (C-39: with its imports mended).

use crate::xml::ns::{CAC, CBC, UBL_RESPONSE};
use crate::xml::validate::{Attribute, Content, Element, Particle, Schema, Type, UNBOUNDED, Value, element, sequence};

static IDENTIFIER: Type = Type {
    attributes: &[Attribute { name: "schemeID", value: Value::Text, required: false }],
    content: Content::Derived(Value::Text),
    mixed: false,
};
static CODE: Type = Type { attributes: &[], content: Content::Derived(Value::Text), mixed: false };
static DATE: Type = Type { attributes: &[], content: Content::Derived(Value::Date), mixed: false };
static TIME: Type = Type { attributes: &[], content: Content::Derived(Value::Time), mixed: false };

const fn cac(local: &'static str, kind: &'static Type) -> Particle {
    element(CAC, local, kind, 1, 1)
}

const fn cbc(local: &'static str, kind: &'static Type) -> Particle {
    element(CBC, local, kind, 1, 1)
}

static RECEIPT: Type = sequence(&[
    cbc("CustomizationID", &IDENTIFIER),
    cbc("ProfileID", &IDENTIFIER),
    cbc("ID", &IDENTIFIER),
    cbc("IssueDate", &DATE),
    cbc("IssueTime", &TIME),
    cac("SenderParty", &PARTY),
    cac("ReceiverParty", &PARTY),
    cac("DocumentResponse", &DOCUMENT_RESPONSE),
]);

static PARTY: Type = sequence(&[cbc("EndpointID", &IDENTIFIER)]);

static DOCUMENT_RESPONSE: Type = sequence(&[
    cac("Response", &RESPONSE),
    cac("DocumentReference", &DOCUMENT_REFERENCE),
    element(CAC, "LineResponse", &LINE_RESPONSE, 0, UNBOUNDED),
]);

static DOCUMENT_REFERENCE: Type = sequence(&[cbc("ID", &IDENTIFIER)]);

static LINE_RESPONSE: Type = sequence(&[cac("LineReference", &LINE_REFERENCE), cac("Response", &RESPONSE)]);

static LINE_REFERENCE: Type = sequence(&[cbc("LineID", &IDENTIFIER)]);

static RESPONSE: Type = sequence(&[cbc("ResponseCode", &CODE), element(CAC, "Status", &STATUS, 0, 1)]);

static STATUS: Type = sequence(&[element(CBC, "StatusReasonCode", &CODE, 0, 1), cbc("StatusReason", &CODE)]);

/// The document element; nothing else can stand below a wildcard, as there is none.
pub(super) static SCHEMA: Schema =
    Schema { elements: &[Element { ns: UBL_RESPONSE, local: "ApplicationResponse", kind: &RECEIPT }] };
