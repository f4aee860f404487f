//! Reading a message (C1 before sending, C4 on receipt; MSG-5.p1).

use super::content::{Contents, follow};
use super::schema;
use super::schematron::{Node, Rules};
use super::{Identifier, MessageHeader};
use crate::model::{Document, Finding};
use crate::sdk::receipt::Outcome;
use crate::xml::ns::MSG;
use crate::xml::validate::{Trail, Validator};
use crate::xml::{Event, Reader, XmlError};
use std::io::Read;

/// What a check of a message found.
#[derive(Clone, Debug)]
pub struct CheckedMessage {
    /// The header, as far as it was there.
    pub header: MessageHeader,
    /// The documents in order: ContentFiles and ContentText as they stand.
    pub documents: Vec<Document>,
    /// What was found: the schema's part (MSG-5.3.t02), the Schematron's (MSG-SCH-n), and warnings.
    pub findings: Vec<Finding>,
}

impl CheckedMessage {
    /// The message receipt that the findings ask for (MSG-5.3). The schema is judged first: a message that
    /// is not valid gets no business rule violations.
    pub fn outcome(&self) -> Outcome {
        Outcome::of(&self.findings)
    }

    /// Whether there is an error among the findings.
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Checks a message of any size against the schema and the Schematron as published, and reads its header
/// and the sizes and digests of its documents.
///
/// # Errors
///
/// [`XmlError`] where it is not XML: then no message receipt is sent (KVITT-2.1.2, C-32).
pub fn check<R: Read>(payload: R) -> Result<CheckedMessage, XmlError> {
    let mut reader = Reader::new(payload);
    let mut validator = Validator::new(&schema::SCHEMA);
    let (mut rules, mut contents, mut header) = (Rules::default(), Contents::new(), Headers::default());
    loop {
        let event = reader.next()?;
        if event == Event::Eof {
            break;
        }
        // The trail of the validator has the element innermost after its start tag and before its end tag.
        if event == Event::End {
            let node = rules.event(&event, validator.trail());
            follow(&mut contents, &event, validator.trail(), node.as_ref(), &mut |_, _| Ok(()))?;
            if let Some(node) = &node {
                header.end(validator.trail(), node);
            }
            validator.event(&event);
        } else {
            validator.event(&event);
            rules.event(&event, validator.trail());
            follow(&mut contents, &event, validator.trail(), None, &mut |_, _| Ok(()))?;
        }
    }
    let mut findings: Vec<Finding> =
        validator.violations().iter().map(|v| Finding::error("MSG-5.3.t02", &v.path, &v.found, &v.expected)).collect();
    findings.append(&mut rules.findings);
    findings.extend(warnings(&header.header, &contents));
    Ok(CheckedMessage { header: header.header, documents: contents.documents, findings })
}

/// What the text asks for and neither schema nor Schematron tests (C-17).
fn warnings(header: &MessageHeader, contents: &Contents) -> Vec<Finding> {
    let mut warnings = Vec::new();
    let mut warn = |rule: &str, path: &str, found: &str, expected: &str| {
        warnings.push(Finding::warning(rule, path, found, expected))
    };
    if header.label.is_none() {
        warn("MSG-4.3.2.t05", "/messagePayload/message/messageHeader", "no label", "a label");
    }
    if header.sender_address.is_none() {
        warn(
            "MSG-4.3.2.2.t06",
            "/messagePayload/message/messageHeader/sender",
            "no attention",
            "the sender's function address",
        );
    }
    if contents.documents.is_empty() {
        warn("MSG-4.3.3.t01", "/messagePayload/message/messageBody", "neither text nor file", "at least one of them");
    }
    for (_, path) in &contents.undecodable {
        warn("MSG-4.3.3.3.t03", path, "other text", "Base64");
    }
    warnings
}

/// Reads the header's fields where they belong.
#[derive(Debug, Default)]
struct Headers {
    header: MessageHeader,
    pair: Identifier,
}

const HEADER: [(&str, &str); 3] = [(MSG, "messagePayload"), (MSG, "message"), (MSG, "messageHeader")];

impl Headers {
    fn end(&mut self, trail: &Trail, node: &Node) {
        if !trail.starts(&HEADER) || !trail.ends_in(&[MSG]) {
            return;
        }
        let text = node.text.clone();
        let header = &mut self.header;
        match (trail.depth(), trail.local(0)) {
            (4, "creationDateTime") => header.created = text.unwrap_or_default(),
            (4, "messageId") => header.message_id = text.unwrap_or_default(),
            (4, "conversationId") => header.conversation_id = text.unwrap_or_default(),
            (4, "refToMessageId") => header.ref_to = text,
            (4, "label") => header.label = text,
            (4, "confidentiality") => header.confidential = text.is_some_and(|t| matches!(t.trim(), "true" | "1")),
            (5, "label") if trail.local(1) == "recipient" => header.recipient_label = text,
            (5, "label") if trail.local(1) == "sender" => header.sender_label = text,
            (_, "root") => self.pair = Identifier { root: text.unwrap_or_default(), extension: String::new() },
            (_, "extension") => self.pair.extension = text.unwrap_or_default(),
            (4 | 5 | 7, _) => self.identifier(trail),
            _ => {}
        }
    }

    /// An element with root and extension in it ends.
    fn identifier(&mut self, trail: &Trail) {
        let header = &mut self.header;
        let pair = || self.pair.clone();
        match (trail.depth(), trail.local(0), trail.local(3)) {
            (4, "generatingSystem", _) => header.generating_system = Some(pair()),
            (5, "recipientID", _) => header.recipient = pair(),
            (5, "senderID", _) => header.sender = pair(),
            (7, "organizationId", "recipient") => header.recipient_address = Some(pair()),
            (7, "organizationId", "sender") => header.sender_address = Some(pair()),
            _ => {}
        }
    }
}
