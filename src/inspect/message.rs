//! `sluss message build|check` and `sluss receipt check`.

use super::{Verdict, opened, usage};
use crate::model::{Fault, Finding, ParticipantId, Problem, Timestamp};
use crate::sdk::message::{self, BuildError, NewFile, NewMessage, Party};
use crate::sdk::receipt::{self, CauseCode};
use serde::Serialize;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Largest message receipt read, in bytes; one more than is looked at.
const RECEIPT_BYTES_MAX: u64 = 1024 * 1024 + 1;

/// What `message check --json` prints of one file.
#[derive(Clone, Debug, Serialize)]
pub struct MessageReport {
    /// The file, as named.
    pub file: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The message receipt that would be sent; `None` where none is (C-32).
    pub receipt: Option<&'static str>,
    /// Cause code of a rejection.
    #[serde(rename = "type")]
    pub kind: Option<CauseCode>,
    /// Detail code of a rejection.
    pub detail_code: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Why there was nothing to check: not XML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// What `receipt check --json` prints of one file.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiptReport {
    /// The file, as named.
    pub file: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Why there was nothing to check: not XML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// Checks an SDK message.
///
/// # Errors
///
/// A file that cannot be read.
pub fn check(file: &Path) -> Result<MessageReport, Problem> {
    let name = file.display().to_string();
    let mut report = MessageReport {
        file: name,
        verdict: Verdict::Refuse,
        receipt: None,
        kind: None,
        detail_code: None,
        findings: Vec::new(),
        error: None,
    };
    match message::check(opened(file)?) {
        Ok(checked) => {
            let outcome = checked.outcome();
            let cause = outcome.causes().first();
            report.verdict = if cause.is_none() { Verdict::Accept } else { Verdict::Refuse };
            report.receipt = Some(outcome.word());
            report.kind = cause.map(|cause| cause.code);
            report.detail_code = cause.map(|cause| cause.detail.clone());
            report.findings = checked.findings;
        }
        Err(error) => {
            report.error =
                Some(Problem::new(Fault::Refused, "xml", "Not an SDK message", error.to_string()).rule("KVITT-2.1.2"))
        }
    }
    Ok(report)
}

/// Checks a message receipt.
///
/// # Errors
///
/// A file that cannot be read.
pub fn check_receipt(file: &Path) -> Result<ReceiptReport, Problem> {
    let mut bytes = Vec::new();
    opened(file)?
        .take(RECEIPT_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|e| usage("file", "Not readable", format!("{}: {e}", file.display())))?;
    let mut report =
        ReceiptReport { file: file.display().to_string(), verdict: Verdict::Refuse, findings: Vec::new(), error: None };
    match receipt::check(&bytes) {
        Ok(checked) => {
            report.verdict = if checked.is_refused() { Verdict::Refuse } else { Verdict::Accept };
            report.findings = checked.findings;
        }
        Err(error) => {
            report.error = Some(
                Problem::new(Fault::Refused, "xml", "Not a message receipt", error.to_string()).rule("KVITT-3.4.a"),
            )
        }
    }
    Ok(report)
}

/// What `message build` is asked for.
#[derive(Clone, Debug)]
pub struct Build {
    /// Sending participant.
    pub from: ParticipantId,
    /// Receiving participant.
    pub to: ParticipantId,
    /// The recipient's function address.
    pub functional_address: String,
    /// The sender's function address; `None`: `sdk:inkorg:` and its id.
    pub sender_address: Option<String>,
    /// Subject; `None`: the name of the first file.
    pub label: Option<String>,
    /// Text.
    pub text: Option<String>,
    /// Whether it is covered by secrecy.
    pub confidential: bool,
    /// The message that it answers.
    pub in_reply_to: Option<uuid::Uuid>,
    /// Files.
    pub files: Vec<PathBuf>,
    /// The time of creation.
    pub at: Timestamp,
}

/// Writes an SDK message with files in it, as a stream. It begins a conversation of its own.
///
/// # Errors
///
/// Files that cannot be read, and values that an SDK message cannot have.
pub fn build<W: Write>(asked: &Build, out: W) -> Result<W, Problem> {
    let id = uuid::Uuid::new_v4();
    let names: Vec<String> = asked
        .files
        .iter()
        .map(|path| path.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy().into_owned()))
        .collect();
    let label = asked.label.clone().or_else(|| names.first().cloned()).unwrap_or_else(|| "Meddelande".to_owned());
    let party = |participant: &ParticipantId, address: String| Party {
        participant: participant.clone(),
        functional_address: address,
        label: None,
    };
    let sender_address = asked.sender_address.clone().unwrap_or_else(|| format!("sdk:inkorg:{}", asked.from));
    let header = NewMessage {
        created: asked.at,
        message_id: id,
        conversation_id: id,
        ref_to: asked.in_reply_to,
        label,
        confidential: asked.confidential,
        generating_system: Some("sluss".to_owned()),
        recipient: party(&asked.to, asked.functional_address.clone()),
        sender: party(&asked.from, sender_address),
    };
    let mut readers = asked.files.iter().map(|path| opened(path)).collect::<Result<Vec<_>, Problem>>()?;
    let mut files: Vec<NewFile<'_>> = names
        .into_iter()
        .zip(&mut readers)
        .map(|(name, content)| NewFile { mime: mime(&name).to_owned(), name, content })
        .collect();
    let texts: Vec<String> = asked.text.iter().cloned().collect();
    message::build(&header, &texts, &mut files, out).map_err(|e| match e {
        BuildError::Invalid { rule, .. } => {
            Problem::new(Fault::Refused, "message", "Not a message of SDK", e.to_string()).rule(rule)
        }
        other => Problem::new(Fault::Temporary, "message", "The message was not written", other.to_string()),
    })
}

/// The media type of a file by the end of its name.
pub fn mime(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match end.as_deref() {
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("xml") => "application/xml",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("tif" | "tiff") => "image/tiff",
        Some("zip") => "application/zip",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}
