//! infrastructure_messaging_MessageWithAttachments_3.0.xsd, as tables.

use super::LABEL_CHARS_MAX;
use crate::xml::ns::MSG;
use crate::xml::validate::{Element, Particle, Schema, Type, UNBOUNDED, Value, element, others, sequence, simple};

static TEXT: Type = simple(Value::Text);
static LABEL: Type = simple(Value::TextMax(LABEL_CHARS_MAX));
static DATE_TIME: Type = simple(Value::DateTime);
static BOOLEAN: Type = simple(Value::Boolean);

const fn one(local: &'static str, kind: &'static Type) -> Particle {
    element(MSG, local, kind, 1, 1)
}

const fn optional(local: &'static str, kind: &'static Type) -> Particle {
    element(MSG, local, kind, 0, 1)
}

const fn many(local: &'static str, kind: &'static Type, least: u32) -> Particle {
    element(MSG, local, kind, least, UNBOUNDED)
}

static PAYLOAD: Type = sequence(&[one("message", &MESSAGE)]);

static MESSAGE: Type = sequence(&[one("messageHeader", &HEADER), one("messageBody", &BODY), others(MSG)]);

static HEADER: Type = sequence(&[
    one("creationDateTime", &DATE_TIME),
    one("messageId", &TEXT),
    one("conversationId", &TEXT),
    optional("refToMessageId", &TEXT),
    optional("label", &TEXT),
    one("confidentiality", &BOOLEAN),
    optional("generatingSystem", &IDENTIFIER),
    one("recipient", &RECIPIENT),
    one("sender", &SENDER),
    others(MSG),
]);

static BODY: Type = sequence(&[many("documents", &DOCUMENT, 1), others(MSG)]);

static DOCUMENT: Type = sequence(&[
    one("documentID", &TEXT),
    optional("documentName", &TEXT),
    optional("index", &TEXT),
    many("ContentFiles", &FILE, 0),
    many("ContentText", &CONTENT_TEXT, 0),
    others(MSG),
]);

static FILE: Type = sequence(&[one("fileName", &TEXT), one("contentType", &TEXT), one("content", &TEXT), others(MSG)]);

static CONTENT_TEXT: Type = sequence(&[one("characterSequence", &TEXT), others(MSG)]);

static SENDER: Type = sequence(&[
    one("senderID", &IDENTIFIER),
    optional("label", &LABEL),
    optional("attention", &ATTENTION),
    others(MSG),
]);

static RECIPIENT: Type =
    sequence(&[one("recipientID", &IDENTIFIER), optional("label", &LABEL), one("attention", &ATTENTION), others(MSG)]);

static ATTENTION: Type = sequence(&[
    many("person", &PERSON, 0),
    one("subOrganization", &SUB_ORGANIZATION),
    many("reference", &REFERENCE, 0),
    others(MSG),
]);

static PERSON: Type = sequence(&[optional("personId", &IDENTIFIER), optional("label", &LABEL), others(MSG)]);

static SUB_ORGANIZATION: Type = sequence(&[one("organizationId", &IDENTIFIER), optional("label", &LABEL), others(MSG)]);

static REFERENCE: Type = sequence(&[one("referenceId", &IDENTIFIER), optional("label", &LABEL), others(MSG)]);

static IDENTIFIER: Type = sequence(&[one("root", &TEXT), one("extension", &TEXT)]);

/// The one global element.
pub(super) static SCHEMA: Schema = Schema { elements: &[Element { ns: MSG, local: "messagePayload", kind: &PAYLOAD }] };
