//! Sending (C1): a document becomes a sealed envelope, and the access point takes it.

use super::correspondence::{self, Answered};
use super::{Keys, MessageService, Settings, blocking, file_problem};
use crate::access_point::{AccessPoint, Spool, Submission, spool_problem, store_problem};
use crate::crypto::SystemRandom;
use crate::model::{
    Carriage, Content, DocumentType, EnvelopeId, Fault, Message, ParticipantId, Priority, Problem, Timestamp, time,
};
use crate::ops::log::{self, Work};
use crate::ops::trace;
use crate::pki::Certificate;
use crate::sdk::message::{self, BuildError, CheckedMessage, NewFile, NewMessage, Party};
use crate::store::{BlobWriter, Store};
use crate::xhe::{self, SealError};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;
use tracing::Instrument;

/// Longest subject, in characters (MSG-4.3.2.t05).
const LABEL_CHARS_MAX: usize = 256;

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Sending participant; must be one of ours.
    pub from: ParticipantId,
    /// Receiving participant.
    pub to: ParticipantId,
    /// Its function address; `None`: that of the message that this answers, or its only known one, or by convention
    /// `sdk:inkorg:` and its id.
    pub functional_address: Option<String>,
    /// Subject.
    pub label: String,
    /// A text.
    pub text: Option<String>,
    /// Covered by secrecy.
    pub confidential: bool,
    /// How soon it goes among others.
    pub priority: Priority,
    /// The message that this answers or complements: our id of it, or its envelope's, which is its messageId.
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
        let access_point = Arc::clone(&self.access_point);
        let store = Arc::clone(&self.store);
        let (name, mime) = (name.to_owned(), mime.to_owned());
        let mut bytes = SyncIoBridge::new(bytes);
        blocking(move || {
            access_point.accepts()?;
            let mut file = store.blobs().scratch().map_err(|error| store_problem(&error))?;
            let mut limited = io::Read::take(&mut bytes, bytes_max + 1);
            let copied = io::copy(&mut limited, &mut file).map_err(|error| file_problem(&error))?;
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
    /// Refused with the rule when the draft does not make a valid message, answers one that is not known, or its recipient
    /// cannot be found; temporary when SMP is unreachable or the store cannot keep it. Nothing is kept then.
    pub async fn send(&self, draft: Draft, files: Vec<DraftFile>) -> Result<Message, Problem> {
        let span = log::journey(Work::Send);
        let message = self.sealed_and_submitted(draft, files).instrument(span.clone()).await?;
        log::name(&span, &message);
        Ok(message)
    }

    async fn sealed_and_submitted(&self, draft: Draft, files: Vec<DraftFile>) -> Result<Message, Problem> {
        let settings = self.settings();
        let keys = settings.keys(&draft.from)?.clone();
        check_draft(&draft, &files)?;
        let new = self.header(&settings, &draft, &keys).await?;
        let document_type = DocumentType::sdk_message();
        let certificate = self.discovery.sealing_certificate(&draft.to, &document_type);
        let certificate = trace::stage("discover", certificate).await.map_err(|error| error.problem())?;
        let (store, access_point) = (Arc::clone(&self.store), Arc::clone(&self.access_point));
        let sealed = blocking(move || {
            access_point.accepts()?;
            let payload = build(&*store, &new, draft.text.as_slice(), files, settings.message_bytes_max)?;
            let envelope = seal(&*access_point, &settings, &new, &payload, &keys, &certificate)?;
            Ok(Submission {
                participant: draft.from,
                envelope,
                carriage: Carriage::Own,
                content: Some(content(&new, payload.checked)),
                payload: Some(payload.writer),
                acknowledges: None,
                priority: draft.priority,
            })
        });
        let submission = trace::stage("seal", sealed).await?;
        self.access_point.submit(submission).await
    }

    /// The header of the new message, with what earlier messages tell of it.
    async fn header(&self, settings: &Arc<Settings>, draft: &Draft, keys: &Keys) -> Result<NewMessage, Problem> {
        let (store, settings, now) = (Arc::clone(&self.store), Arc::clone(settings), self.clock.now());
        let (draft, keys) = (draft.clone(), keys.clone());
        blocking(move || {
            let answered = draft.in_reply_to.as_deref();
            let answered = answered.map(|id| correspondence::answered(&*store, &draft.from, id)).transpose()?;
            let address = correspondence::address(&*store, &settings.addresses, &draft, answered.as_ref())?;
            Ok(new_message(&draft, &keys, answered.as_ref(), address, now))
        })
        .await
    }
}

/// A payload aside, and what it holds.
struct Payload {
    writer: BlobWriter,
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

/// The header of the new message: its id is the envelope's as well (MSG-3.2.t01), and names the conversation that it
/// begins (SAD-5.3.7.2.t01).
fn new_message(draft: &Draft, keys: &Keys, answered: Option<&Answered>, address: String, now: Timestamp) -> NewMessage {
    let id = uuid::Uuid::new_v4();
    let party = |participant: &ParticipantId, functional_address| Party {
        participant: participant.clone(),
        functional_address,
        label: None,
    };
    let sender_address = keys.mailbox.functional_addresses.first().cloned();
    NewMessage {
        created: now,
        message_id: id,
        conversation_id: answered.map_or(id, |answered| answered.conversation_id),
        ref_to: answered.map(|answered| answered.message_id),
        label: draft.label.clone(),
        confidential: draft.confidential,
        generating_system: Some(concat!("Sluss ", env!("CARGO_PKG_VERSION")).to_owned()),
        recipient: party(&draft.to, address),
        sender: party(&draft.from, sender_address.unwrap_or_else(|| correspondence::by_convention(&draft.from))),
    }
}

/// Writes the SDK message aside, and validates it as its recipient will (MSG-5.p1).
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
    Ok(Payload { writer, checked })
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
    access_point: &dyn AccessPoint,
    settings: &Settings,
    new: &NewMessage,
    payload: &Payload,
    keys: &Keys,
    to: &Certificate,
) -> Result<Spool, Problem> {
    let header = envelope_header(settings, new);
    let mut clear = BufReader::new(payload.writer.reopen().map_err(|error| file_problem(&error))?);
    let spool = access_point.spool(None)?;
    let sealed = xhe::seal(&header, &mut clear, &keys.identity, to, &SystemRandom, BufWriter::new(spool));
    let buffered = sealed.map_err(|error| match error {
        SealError::Io(error) => unwritten(&error),
        error => Problem::new(Fault::Temporary, "seal", "the envelope could not be sealed", error.to_string()),
    })?;
    buffered.into_inner().map_err(|error| unwritten(error.error()))
}

/// An envelope that is too large is refused as one that is handed in (AS4-2.8.a).
fn unwritten(error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::FileTooLarge { spool_problem(error) } else { file_problem(error) }
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

fn content(new: &NewMessage, checked: CheckedMessage) -> Content {
    Content {
        label: new.label.clone(),
        functional_address: Some(new.recipient.functional_address.clone()),
        sender_address: Some(new.sender.functional_address.clone()),
        confidential: new.confidential,
        conversation_id: Some(new.conversation_id.to_string()),
        in_reply_to: new.ref_to.map(|id| id.to_string()),
        documents: checked.documents,
        payload: None,
    }
}
