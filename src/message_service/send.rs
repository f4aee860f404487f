//! Sending (C1): a document becomes a sealed envelope, and the access point takes it.

use super::{Keys, MessageService, Settings, blocking, file_problem};
use crate::access_point::{AccessPoint, Spool, Submission, store_problem};
use crate::crypto::SystemRandom;
use crate::model::{
    BlobId, Carriage, Content, DocumentType, EnvelopeId, Fault, Message, ParticipantId, Problem, Timestamp, time,
};
use crate::pki::Certificate;
use crate::sdk::message::{self, BuildError, CheckedMessage, NewFile, NewMessage, Party};
use crate::store::Store;
use crate::xhe;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

/// Longest subject, in characters (MSG-4.3.2.t05).
const LABEL_CHARS_MAX: usize = 256;

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Sending participant; must be one of ours.
    pub from: ParticipantId,
    /// Receiving participant.
    pub to: ParticipantId,
    /// Its function address; `None`: the one that every participant has, `sdk:inkorg:` and its id.
    pub functional_address: Option<String>,
    /// Subject.
    pub label: String,
    /// A text.
    pub text: Option<String>,
    /// Covered by secrecy.
    pub confidential: bool,
    /// messageId of the message that this answers.
    pub in_reply_to: Option<String>,
}

/// A file to be sent, spooled.
#[derive(Debug)]
pub struct DraftFile {
    /// File name, without folders.
    pub name: String,
    /// Media type.
    pub mime: String,
    /// Its bytes, from the start.
    pub file: File,
}

impl MessageService {
    /// Spools a file of a draft. It vanishes with its handle.
    ///
    /// # Errors
    ///
    /// Refused when the file alone is larger than a message may be; temporary when it cannot be kept.
    pub async fn spool(
        &self,
        name: &str,
        mime: &str,
        bytes: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<DraftFile, Problem> {
        let bytes_max = self.settings().message_bytes_max;
        let (name, mime) = (name.to_owned(), mime.to_owned());
        let mut bytes = SyncIoBridge::new(bytes);
        blocking(move || {
            let mut file = tempfile::tempfile().map_err(|error| file_problem(&error))?;
            let mut limited = std::io::Read::take(&mut bytes, bytes_max + 1);
            let copied = std::io::copy(&mut limited, &mut file).map_err(|error| file_problem(&error))?;
            if copied > bytes_max {
                return Err(too_large(&format!("more than {bytes_max} bytes in file {name}"), bytes_max));
            }
            file.rewind().map_err(|error| file_problem(&error))?;
            Ok(DraftFile { name, mime, file })
        })
        .await
    }

    /// Builds, validates, seals and submits: durable when this returns.
    ///
    /// # Errors
    ///
    /// Refused with the rule when the draft does not make a valid message or the recipient cannot be
    /// found; temporary when SMP is unreachable or the store cannot keep it. Nothing is kept then.
    pub async fn send(&self, draft: Draft, files: Vec<DraftFile>) -> Result<Message, Problem> {
        let settings = self.settings();
        let keys = settings.keys(&draft.from)?.clone();
        check_draft(&draft, &files)?;
        let certificate = self
            .discovery
            .sealing_certificate(&draft.to, &DocumentType::sdk_message())
            .await
            .map_err(|error| error.problem())?;
        let (store, access_point) = (Arc::clone(&self.store), Arc::clone(&self.access_point));
        let now = self.clock.now();
        let submission = blocking(move || {
            let new = new_message(&draft, &keys, now)?;
            let payload = build(&*store, &new, draft.text.as_slice(), files, settings.message_bytes_max)?;
            let sealed = seal(&*store, &*access_point, &settings, &new, &payload, &keys, &certificate);
            let envelope = sealed.inspect_err(|_| discard(&*store, payload.blob))?;
            Ok(Submission {
                participant: draft.from.clone(),
                envelope,
                carriage: Carriage::Own,
                content: Some(content(&draft, &new, payload)),
                acknowledges: None,
            })
        })
        .await?;
        let payload = submission.content.as_ref().and_then(|content| content.payload);
        let submitted = self.access_point.submit(submission).await;
        if let (Err(_), Some(blob)) = (&submitted, payload) {
            discard(&*self.store, blob);
        }
        submitted
    }
}

/// A payload made durable, and what it holds.
struct Payload {
    blob: BlobId,
    checked: CheckedMessage,
}

fn check_draft(draft: &Draft, files: &[DraftFile]) -> Result<(), Problem> {
    let refuse = |rule: &str, detail: String| {
        Err(Problem::new(Fault::Refused, "draft", "the message cannot be sent like this", detail).rule(rule))
    };
    let label_chars = draft.label.chars().count();
    if label_chars == 0 || label_chars > LABEL_CHARS_MAX {
        return refuse(
            "MSG-4.3.2.t05",
            format!("found a subject of {label_chars} characters, expected 1 to {LABEL_CHARS_MAX}"),
        );
    }
    if files.is_empty() && draft.text.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return refuse("MSG-4.3.3.t01", "found neither text nor file, expected at least one".into());
    }
    if let Some(file) = files.iter().find(|file| file.name.trim().is_empty()) {
        return refuse(
            "MSG-4.3.3.3.t01",
            format!("found a file of type {} without a name, expected a name", file.mime),
        );
    }
    Ok(())
}

/// The header of the new message: its id is the envelope's as well (MSG-3.2.t01).
fn new_message(draft: &Draft, keys: &Keys, now: Timestamp) -> Result<NewMessage, Problem> {
    let id = uuid::Uuid::new_v4();
    let ref_to = draft.in_reply_to.as_deref().map(uuid::Uuid::parse_str).transpose().map_err(|_| {
        Problem::new(
            Fault::Refused,
            "draft",
            "the message cannot be sent like this",
            format!(
                "found in-reply-to {:?}, expected the messageId (a UUID) of the message that it answers",
                draft.in_reply_to.as_deref().unwrap_or_default()
            ),
        )
        .rule("MSG-4.3.2.t04")
    })?;
    let party = |participant: &ParticipantId, address: Option<&String>| Party {
        participant: participant.clone(),
        functional_address: address.cloned().unwrap_or_else(|| default_address(participant)),
        label: None,
    };
    Ok(NewMessage {
        created: now,
        message_id: id,
        conversation_id: id,
        ref_to,
        label: draft.label.clone(),
        confidential: draft.confidential,
        generating_system: Some(concat!("Sluss ", env!("CARGO_PKG_VERSION")).to_owned()),
        recipient: party(&draft.to, draft.functional_address.as_ref()),
        sender: party(&draft.from, keys.mailbox.functional_addresses.first()),
    })
}

/// The function address that every participant has where none was registered.
fn default_address(participant: &ParticipantId) -> String {
    format!("sdk:inkorg:{participant}")
}

/// Writes the SDK message as a payload of the store, and validates it as its recipient will (MSG-5.p1).
fn build(
    store: &dyn Store,
    new: &NewMessage,
    texts: &[String],
    mut files: Vec<DraftFile>,
    bytes_max: u64,
) -> Result<Payload, Problem> {
    let mut writer = store.blobs().create(None).map_err(|error| store_problem(&error))?;
    let mut contents: Vec<NewFile<'_>> = files
        .iter_mut()
        .map(|file| NewFile { name: file.name.clone(), mime: file.mime.clone(), content: &mut file.file })
        .collect();
    {
        let mut buffered = BufWriter::new(&mut writer);
        message::build(new, texts, &mut contents, &mut buffered).map_err(|error| unbuilt(&error))?;
        buffered.flush().map_err(|error| file_problem(&error))?;
    }
    if writer.bytes() > bytes_max {
        return Err(too_large(&format!("{} bytes", writer.bytes()), bytes_max));
    }
    let written = writer.reopen().map_err(|error| file_problem(&error))?;
    let checked = message::check(BufReader::new(written)).map_err(|error| {
        Problem::new(Fault::Refused, "draft", "the message cannot be sent like this", error.to_string())
            .rule("MSG-5.p1")
    })?;
    if let Some(finding) = checked.findings.iter().find(|finding| finding.is_error()) {
        return Err(Problem::new(Fault::Refused, "draft", "the message cannot be sent like this", finding.to_string())
            .rule(finding.rule.clone()));
    }
    let blob = writer.commit().map_err(|error| store_problem(&error))?;
    Ok(Payload { blob, checked })
}

fn unbuilt(error: &BuildError) -> Problem {
    match error {
        BuildError::Io(error) => file_problem(error),
        BuildError::Invalid { rule, .. } => {
            Problem::new(Fault::Refused, "draft", "the message cannot be sent like this", error.to_string()).rule(*rule)
        }
    }
}

fn too_large(found: &str, bytes_max: u64) -> Problem {
    Problem::new(Fault::Refused, "too-large", "the message is too large", format!("found {found}, expected at most {bytes_max} bytes with everything in it (limits.message_bytes_max; a file grows by a third on its way in); send fewer or smaller files")).rule("MSG-4.3.3.3.t03")
}

/// Encrypts the payload to the recipient's certificate, and signs the envelope (XHE-3.2.p1).
fn seal(
    store: &dyn Store,
    access_point: &dyn AccessPoint,
    settings: &Settings,
    new: &NewMessage,
    payload: &Payload,
    keys: &Keys,
    to: &Certificate,
) -> Result<Spool, Problem> {
    let header = envelope_header(settings, new);
    let mut clear = BufReader::new(store.blobs().open(payload.blob).map_err(|error| store_problem(&error))?);
    let spool = access_point.spool(None)?;
    let sealed = xhe::seal(&header, &mut clear, &keys.identity, to, &SystemRandom, BufWriter::new(spool));
    let buffered = sealed.map_err(|error| {
        Problem::new(Fault::Temporary, "seal", "the envelope could not be sealed", error.to_string())
    })?;
    buffered.into_inner().map_err(|error| file_problem(error.error()))
}

/// The envelope's header: what it says must equal what the message says (MSG-3.2).
fn envelope_header(settings: &Settings, new: &NewMessage) -> xhe::Header {
    let id = EnvelopeId::from_uuid(new.message_id);
    let header = xhe::Header::new(
        id,
        time::millis(new.created),
        DocumentType::sdk_message(),
        &settings.federation,
        new.sender.participant.clone(),
        new.recipient.participant.clone(),
    );
    header.handling_service(&new.recipient.functional_address)
}

fn content(draft: &Draft, new: &NewMessage, payload: Payload) -> Content {
    Content {
        label: draft.label.clone(),
        functional_address: Some(new.recipient.functional_address.clone()),
        sender_address: Some(new.sender.functional_address.clone()),
        confidential: draft.confidential,
        conversation_id: Some(new.conversation_id.to_string()),
        in_reply_to: draft.in_reply_to.clone(),
        documents: payload.checked.documents,
        payload: Some(payload.blob),
    }
}

/// Gives back what was spooled for a message that was not taken.
fn discard(store: &dyn Store, blob: BlobId) {
    if let Err(error) = store.blobs().remove(blob) {
        tracing::warn!(%error, "a payload of a message that was not taken stays until the next start");
    }
}
