//! Writing a message (C1): in the order of the schema, canonical, with its namespace declared on its root,
//! so that the encrypted element stands for itself (worked example, 3).

use super::{FUNCTION_ADDRESS, LABEL_CHARS_MAX};
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::time::millis;
use crate::model::{ParticipantId, Timestamp};
use crate::xml::ns::MSG;
use crate::xml::write::Writer;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use std::io::{self, Read, Write};

/// Bytes of a file taken at a time.
const CHUNK_BYTES: usize = 48 * 1024;

/// One side of a message.
#[derive(Clone, Debug)]
pub struct Party {
    /// The participant.
    pub participant: ParticipantId,
    /// Its function address.
    pub functional_address: String,
    /// Its name in the address book.
    pub label: Option<String>,
}

/// The header of a message to be written.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// When it is made; written in UTC with milliseconds (C-18).
    pub created: Timestamp,
    /// messageId, a UUID; the envelope gets the same id (MSG-3.2.t01).
    pub message_id: uuid::Uuid,
    /// conversationId, a UUID; the message id where it begins a conversation.
    pub conversation_id: uuid::Uuid,
    /// The message it answers.
    pub ref_to: Option<uuid::Uuid>,
    /// Subject, at most 256 characters.
    pub label: String,
    /// Whether it is covered by secrecy.
    pub confidential: bool,
    /// Name of the system that makes it, for support.
    pub generating_system: Option<String>,
    /// To whom.
    pub recipient: Party,
    /// From whom.
    pub sender: Party,
}

/// A file of a message.
pub struct NewFile<'f> {
    /// File name, without folders.
    pub name: String,
    /// Media type.
    pub mime: String,
    /// Its bytes, read once.
    pub content: &'f mut dyn Read,
}

/// Why no message was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A value that the schema or the Schematron refuses; peers would answer REJECTED.
    #[error("{what}: found {found}, expected {expected} ({rule})")]
    Invalid {
        /// Which value.
        what: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// Reading a file or writing the message failed.
    #[error("reading a file or writing the message failed: {0}")]
    Io(#[from] io::Error),
}

/// Writes a message with `texts` (Markdown) and `files` to `out`: first the texts, then the files, each in
/// a `documents` of its own.
///
/// # Errors
///
/// [`BuildError`]; among others for a message without any text and file (MSG-4.3.3.t01) and for an empty file (MSG-SCH-1).
pub fn build<W: Write>(
    header: &NewMessage,
    texts: &[String],
    files: &mut [NewFile<'_>],
    mut out: W,
) -> Result<W, BuildError> {
    check(header, texts, files)?;
    let mut frame = Writer::new();
    frame.start("m:messagePayload", &[("xmlns:m", MSG)]).start("m:message", &[]);
    write_header(&mut frame, header);
    frame.start("m:messageBody", &[]);
    for (n, text) in texts.iter().enumerate() {
        document(
            &mut frame,
            n + 1,
            if texts.len() == 1 { "Meddelande".to_owned() } else { format!("Meddelande {}", n + 1) },
        );
        frame.start("m:ContentText", &[]).element("m:characterSequence", &[], text).end();
        frame.end();
    }
    out.write_all(frame.written().as_bytes())?;
    for (n, file) in files.iter_mut().enumerate() {
        let mut head = Writer::new();
        document(&mut head, texts.len() + n + 1, file.name.clone());
        head.start("m:ContentFiles", &[]);
        head.element("m:fileName", &[], &file.name).element("m:contentType", &[], &file.mime);
        head.start("m:content", &[]);
        out.write_all(head.written().as_bytes())?;
        out = content(file, out)?;
        out.write_all(b"</m:content></m:ContentFiles></m:documents>")?;
    }
    out.write_all(b"</m:messageBody></m:message></m:messagePayload>")?;
    Ok(out)
}

fn write_header(out: &mut Writer, header: &NewMessage) {
    out.start("m:messageHeader", &[]);
    out.element("m:creationDateTime", &[], &millis(header.created));
    out.element("m:messageId", &[], &header.message_id.to_string());
    out.element("m:conversationId", &[], &header.conversation_id.to_string());
    if let Some(id) = &header.ref_to {
        out.element("m:refToMessageId", &[], &id.to_string());
    }
    out.element("m:label", &[], &header.label);
    out.element("m:confidentiality", &[], if header.confidential { "true" } else { "false" });
    if let Some(system) = &header.generating_system {
        identifier(out, "m:generatingSystem", "un-encoded", system);
    }
    party(out, "m:recipient", "m:recipientID", &header.recipient);
    party(out, "m:sender", "m:senderID", &header.sender);
    out.end();
}

fn party(out: &mut Writer, element: &str, id: &str, party: &Party) {
    out.start(element, &[]);
    identifier(out, id, PARTICIPANT_SCHEME, party.participant.as_str());
    if let Some(label) = &party.label {
        out.element("m:label", &[], label);
    }
    out.start("m:attention", &[]).start("m:subOrganization", &[]);
    identifier(out, "m:organizationId", FUNCTION_ADDRESS, &party.functional_address);
    out.end().end().end();
}

fn identifier(out: &mut Writer, element: &str, root: &str, extension: &str) {
    out.start(element, &[]).element("m:root", &[], root).element("m:extension", &[], extension).end();
}

/// Opens a `documents` element. The index is needed as soon as there are several (MSG-4.3.3.1.t03).
fn document(out: &mut Writer, index: usize, name: String) {
    let index = index.to_string();
    out.start("m:documents", &[]);
    out.element("m:documentID", &[], &index).element("m:documentName", &[], &name).element("m:index", &[], &index);
}

/// The bytes of a file in Base64.
fn content<W: Write>(file: &mut NewFile<'_>, out: W) -> Result<W, BuildError> {
    let mut encoder = EncoderWriter::new(out, &STANDARD);
    let mut buffer = vec![0_u8; CHUNK_BYTES];
    let mut empty = true;
    loop {
        let n = match file.content.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        empty = false;
        encoder.write_all(&buffer[..n])?;
    }
    if empty {
        return Err(BuildError::Invalid {
            what: format!("the file {}", file.name),
            found: "no bytes".into(),
            expected: "at least one byte",
            rule: "MSG-SCH-1",
        });
    }
    Ok(encoder.finish()?)
}

/// What can be said before anything is written.
fn check(header: &NewMessage, texts: &[String], files: &[NewFile<'_>]) -> Result<(), BuildError> {
    if texts.is_empty() && files.is_empty() {
        let (what, found) = ("the message".into(), "neither text nor file".into());
        return Err(BuildError::Invalid { what, found, expected: "at least one of them", rule: "MSG-4.3.3.t01" });
    }
    let mut labels = vec![("the label", Some(&header.label))];
    labels.extend([
        ("the recipient's label", header.recipient.label.as_ref()),
        ("the sender's label", header.sender.label.as_ref()),
    ]);
    for (what, label) in labels.into_iter().filter_map(|(what, label)| Some((what, label?))) {
        let chars = label.chars().count();
        if chars > LABEL_CHARS_MAX {
            let found = format!("{chars} characters");
            return Err(BuildError::Invalid {
                what: what.into(),
                found,
                expected: "at most 256 characters",
                rule: "MSG-SCH-6",
            });
        }
        sound(what, label)?;
    }
    sound("the recipient's function address", &header.recipient.functional_address)?;
    sound("the sender's function address", &header.sender.functional_address)?;
    header.generating_system.as_deref().map_or(Ok(()), |system| sound("the generating system", system))?;
    texts.iter().try_for_each(|text| sound("a text", text))?;
    for file in files {
        sound("a file name", &file.name)?;
        sound("a media type", &file.mime)?;
    }
    Ok(())
}

/// A value that is not empty and has nothing in it that XML cannot carry.
fn sound(what: &str, text: &str) -> Result<(), BuildError> {
    if crate::xml::validate::is_blank(text) {
        return Err(BuildError::Invalid {
            what: what.into(),
            found: "an empty value".into(),
            expected: "a value",
            rule: "MSG-SCH-1",
        });
    }
    let forbidden = |c: &char| (*c < ' ' && !"\t\n\r".contains(*c)) || matches!(*c, '\u{fffe}' | '\u{ffff}');
    match text.chars().find(forbidden) {
        None => Ok(()),
        Some(c) => {
            let found = format!("the character U+{:04X}", u32::from(c));
            Err(BuildError::Invalid {
                what: what.into(),
                found,
                expected: "characters of XML 1.0",
                rule: "MSG-5.3.t02",
            })
        }
    }
}
