//! `sluss envelope check|show|seal|open`: on files and streams, with no daemon and no configuration.

use super::{Verdict, opened, usage};
use crate::crypto::SystemRandom;
use crate::model::{DocumentType, EnvelopeId, Fault, Finding, ParticipantId, Problem, Timestamp};
use crate::pki::{Certificate, Identity};
use crate::sdk::message;
use crate::xhe::{self, Header, Level, OpenError, Signed};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The federation where none is asked for: open test (KOD-G-1.1).
pub const FEDERATION: &str = "urn:fdc:digg.se:edelivery:federation:test";

/// The state of an envelope's signature. Whether its certificate is trusted is not asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureState {
    /// It holds.
    Valid,
    /// It does not, or is not of the profile.
    Invalid,
    /// There is none.
    None,
}

/// What `envelope check --json` prints of one file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file, as named.
    pub file: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The signature.
    pub signature: SignatureState,
    /// Why there was nothing to check: not XML, too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// Who signed.
#[derive(Clone, Debug, Serialize)]
pub struct Signer {
    /// Subject of the certificate.
    pub subject: String,
    /// Issuer of the certificate.
    pub issuer: String,
    /// SHA-256 of the certificate.
    pub sha256: String,
    /// The algorithms by use.
    pub algorithms: Vec<(&'static str, String)>,
}

/// What `envelope show --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The file, as named.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The header, where it is complete.
    pub header: Option<Header>,
    /// The verdict at level `text`, the signature included.
    pub verdict: Verdict,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The signature.
    pub signature: SignatureState,
    /// Who signed, where the signature holds.
    pub signer: Option<Signer>,
}

/// Checks an envelope. At level `Schematron` its signature does not change the verdict.
///
/// # Errors
///
/// A file that cannot be read.
pub fn check(file: &Path, level: Level) -> Result<Report, Problem> {
    let (report, _, _) = examine(file, level)?;
    Ok(report)
}

/// Shows what an envelope says of itself.
///
/// # Errors
///
/// A file that cannot be read, or is no XML.
pub fn show(file: &Path) -> Result<Shown, Problem> {
    let (report, header, signed) = examine(file, Level::Text)?;
    if let Some(error) = report.error {
        return Err(error);
    }
    let signer = signed.map(|signed| Signer {
        subject: signed.certificate().subject().to_owned(),
        issuer: signed.certificate().issuer().to_owned(),
        sha256: signed.certificate().sha256(),
        algorithms: signed.algorithms().to_vec(),
    });
    let bytes = std::fs::metadata(file).map_or(0, |m| m.len());
    let Report { file, verdict, findings, signature, .. } = report;
    Ok(Shown { file, bytes, header, verdict, findings, signature, signer })
}

fn examine(file: &Path, level: Level) -> Result<(Report, Option<Header>, Option<Signed>), Problem> {
    let name = file.display().to_string();
    let mut report = Report {
        file: name,
        verdict: Verdict::Refuse,
        findings: Vec::new(),
        signature: SignatureState::None,
        error: None,
    };
    let checked = match xhe::check(opened(file)?, level) {
        Ok(checked) => checked,
        Err(error) => {
            report.error =
                Some(Problem::new(Fault::Refused, "envelope", "Not an envelope", error.to_string()).rule("XHE-2.5.a"));
            return Ok((report, None, None));
        }
    };
    let refused = checked.is_refused();
    report.findings = checked.findings;
    let mut signed = None;
    if checked.signatures > 0 {
        match xhe::verify(|| File::open(file).map(BufReader::new)) {
            Ok(valid) => {
                report.signature = SignatureState::Valid;
                signed = Some(valid);
            }
            Err(error) => {
                report.signature = SignatureState::Invalid;
                if level == Level::Text {
                    report.findings.push(Finding::error(
                        "XHE-3.5",
                        "/XHE/Signature",
                        error.to_string(),
                        "a signature that holds",
                    ));
                }
            }
        }
    }
    let broken = level == Level::Text && report.signature == SignatureState::Invalid;
    report.verdict = if refused || broken { Verdict::Refuse } else { Verdict::Accept };
    Ok((report, checked.header, signed))
}

/// What `envelope seal` is asked for.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Sending participant.
    pub from: ParticipantId,
    /// Receiving participant.
    pub to: ParticipantId,
    /// Document type of the code list; `None`: the SDK message.
    pub document_type: Option<String>,
    /// Federation; `None`: [`FEDERATION`].
    pub federation: Option<String>,
    /// The sender's key.
    pub key: PathBuf,
    /// The sender's certificate.
    pub certificate: PathBuf,
    /// The recipient's certificate.
    pub to_certificate: PathBuf,
    /// The payload.
    pub payload: PathBuf,
    /// The time of creation.
    pub at: Timestamp,
}

/// Seals a payload. The envelope of an SDK message gets its messageId (MSG-3.2.t01) and its recipient's function
/// address (MSG-3.2.t07); that of another payload a new id. A message receipt is signed and not encrypted (UTB-2.1.p2).
///
/// # Errors
///
/// Files that cannot be read, and payloads that cannot be sealed.
pub fn seal<W: Write>(asked: &Seal, out: W) -> Result<W, Problem> {
    let identity = Identity::from_files(&asked.key, &asked.certificate)
        .map_err(|e| usage("key", "Not a usable key and certificate", e))?;
    let document_type = asked.document_type.as_deref().map_or_else(DocumentType::sdk_message, DocumentType::new);
    let (id, address) = identified(asked, &document_type)?;
    let created = crate::model::time::millis(asked.at);
    let federation = asked.federation.as_deref().unwrap_or(FEDERATION);
    let receipt = document_type.is_message_receipt();
    let mut header = Header::new(id, created, document_type, federation, asked.from.clone(), asked.to.clone());
    header.handling_service_id = address;
    let refused = |e: xhe::SealError| Problem::new(Fault::Refused, "seal", "Not sealed", e.to_string());
    if receipt {
        let mut payload = Vec::new();
        opened(&asked.payload)?.read_to_end(&mut payload).map_err(|e| usage("file", "Not readable", e))?;
        return xhe::sign(&header, &payload, &identity, out).map_err(refused);
    }
    let pem = std::fs::read(&asked.to_certificate).map_err(|e| unreadable(&asked.to_certificate, &e))?;
    let to = Certificate::from_pem(&pem).map_err(|e| usage("certificate", "Not a certificate", e))?;
    xhe::seal(&header, &mut opened(&asked.payload)?, &identity, &to, &SystemRandom, out).map_err(refused)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    usage("file", "Not readable", format!("{}: {error}", path.display()))
}

/// The envelope's id and function address.
fn identified(asked: &Seal, document_type: &DocumentType) -> Result<(EnvelopeId, Option<String>), Problem> {
    if *document_type != DocumentType::sdk_message() {
        return Ok((EnvelopeId::from_uuid(uuid::Uuid::new_v4()), None));
    }
    let message = message::check(opened(&asked.payload)?);
    let message = message.map_err(|e| Problem::new(Fault::Refused, "payload", "Not an SDK message", e.to_string()))?;
    let id = message.header.message_id.parse().map_err(|_| {
        let detail =
            format!("messageId is {:?}; expected a UUID, which becomes the envelope's id", message.header.message_id);
        Problem::new(Fault::Refused, "payload", "Not an SDK message", detail).rule("MSG-3.2.t01")
    })?;
    Ok((id, message.header.recipient_address.map(|address| address.extension).filter(|address| !address.is_empty())))
}

/// What `envelope open` is asked for.
#[derive(Clone, Debug)]
pub struct Open {
    /// The envelope.
    pub file: PathBuf,
    /// The recipient's key.
    pub key: PathBuf,
    /// The recipient's certificate.
    pub certificate: PathBuf,
    /// Only this certificate may have signed.
    pub from_certificate: Option<PathBuf>,
}

/// Verifies and decrypts an envelope and writes its payload to `out`: not a byte before all of it is known to be good.
///
/// # Errors
///
/// Files that cannot be read, a signature that does not hold or is another's, and a payload that cannot be decrypted.
pub fn open<W: Write>(asked: &Open, mut out: W) -> Result<Header, Problem> {
    let identity = Identity::from_files(&asked.key, &asked.certificate)
        .map_err(|e| usage("key", "Not a usable key and certificate", e))?;
    opened(&asked.file)?;
    let signed = xhe::verify(|| File::open(&asked.file).map(BufReader::new)).map_err(|e| {
        Problem::new(Fault::Refused, "signature", "The signature does not hold", e.to_string()).rule("XHE-3.5")
    })?;
    if let Some(path) = &asked.from_certificate {
        signed_by(&signed, path)?;
    }
    let mut spool = tempfile::tempfile().map_err(|e| usage("spool", "No temporary file", e))?;
    let unsealed = xhe::open(&signed, opened(&asked.file)?, &[identity], &mut spool).map_err(|e| match e {
        OpenError::Decryption => {
            Problem::new(Fault::Refused, "decryption", "Not decrypted", e.to_string()).rule("XHE-3.4.1")
        }
        other => Problem::new(Fault::Refused, "envelope", "Not opened", other.to_string()),
    })?;
    let written = spool.rewind().and_then(|()| io::copy(&mut spool, &mut out)).and_then(|_| out.flush());
    written.map_err(|e| Problem::new(Fault::Temporary, "output", "The payload was not written", e.to_string()))?;
    Ok(unsealed.header)
}

fn signed_by(signed: &Signed, path: &Path) -> Result<(), Problem> {
    let pem = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    let expected = Certificate::from_pem(&pem).map_err(|e| usage("certificate", "Not a certificate", e))?;
    if *signed.certificate() == expected {
        return Ok(());
    }
    let found = signed.certificate();
    let detail = format!(
        "signed by {} ({}); expected {} ({})",
        found.subject(),
        found.sha256(),
        expected.subject(),
        expected.sha256()
    );
    Err(Problem::new(Fault::Refused, "signer", "Signed with another certificate", detail).rule("XHE-3.5.b"))
}
