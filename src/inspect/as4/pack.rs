//! `sluss as4 pack`: files into a request, as the access point would send it.

use super::{BITS_LEAST, unwritten};
use crate::as4::{self, Compression, Corners, Outgoing, OutgoingPart, Packed, PackedPiece, UserMessage, pmode};
use crate::crypto::Random;
use crate::model::{
    As4MessageId, DocumentType, Fault, ParticipantId, PartyId, Problem, ProcessId, SignedReference, Timestamp,
};
use crate::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, TrustError, Trusted};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// What is to be packed.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Our access point's key.
    pub identity: Identity,
    /// The receiving access point's certificate.
    pub to_certificate: Certificate,
    /// Sending participant.
    pub from: ParticipantId,
    /// Receiving participant.
    pub to: ParticipantId,
    /// Document type.
    pub document_type: DocumentType,
    /// Process.
    pub process: ProcessId,
    /// Message id.
    pub message_id: As4MessageId,
    /// Conversation: the envelope's id.
    pub conversation_id: String,
    /// When it is made.
    pub at: Timestamp,
    /// Files to send; the first is the envelope.
    pub payloads: Vec<PathBuf>,
    /// Where `request.headers` and `request.body` are written.
    pub save: PathBuf,
}

/// What `sluss as4 pack --json` prints.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PackReport {
    pub message_id: String,
    pub content_type: String,
    pub bytes: u64,
    pub headers: PathBuf,
    pub body: PathBuf,
    pub references: Vec<SignedReference>,
}

/// Our own access point as a party: the common name of its certificate.
///
/// # Errors
///
/// A certificate without common name.
pub fn party(certificate: &Certificate) -> Result<PartyId, Problem> {
    let name = certificate.common_name().unwrap_or_default();
    name.parse().map_err(|_| {
        let detail = format!("found {:?}, expected a common name, as in AP0040-SDK-PROD", certificate.subject());
        Problem::new(Fault::Usage, "party", "The certificate names no access point", detail).rule("AS4-2.3.1.j")
    })
}

/// Packs files into a request, as this access point would send it.
///
/// # Errors
///
/// Files that cannot be read or written, certificates without common name or with a key that does not encrypt.
pub fn pack(packing: &Packing, random: &dyn Random) -> Result<PackReport, Problem> {
    let storage = |error: io::Error| unwritten(&packing.save, &error);
    std::fs::create_dir_all(&packing.save).map_err(storage)?;
    let mut contents = packing.payloads.iter().map(|path| read_file(path)).collect::<Result<Vec<_>, _>>()?;
    let mut ciphers = contents
        .iter()
        .map(|_| tempfile::tempfile_in(&packing.save))
        .collect::<io::Result<Vec<_>>>()
        .map_err(storage)?;
    let names: Vec<String> = (0..contents.len()).map(content_id).collect();
    let parts = contents.iter_mut().zip(&mut ciphers).zip(&names).enumerate().map(|(n, ((content, cipher), name))| {
        OutgoingPart {
            content_id: name,
            mime: if n == 0 { pmode::ENVELOPE_MIME } else { "application/octet-stream" },
            charset: None,
            compression: Compression::Deflate,
            content,
            cipher,
        }
    });
    let trusted = pinned(&packing.to_certificate, packing.at)?;
    let outgoing = Outgoing {
        message: user_message_of(packing)?,
        parts: parts.collect(),
        identity: &packing.identity,
        to: &trusted,
    };
    let packed = as4::pack(outgoing, random)
        .map_err(|e| Problem::new(Fault::Usage, "pack", "The message cannot be packed", e.to_string()))?;
    let (headers, body) = (packing.save.join("request.headers"), packing.save.join("request.body"));
    write_request(&packed, &mut ciphers, &headers, &body).map_err(storage)?;
    Ok(PackReport {
        message_id: packing.message_id.to_string(),
        bytes: packed.bytes(),
        content_type: packed.content_type,
        headers,
        body,
        references: packed.references,
    })
}

fn read_file(path: &Path) -> Result<BufReader<File>, Problem> {
    let unread = |e: io::Error| {
        Problem::new(Fault::Usage, "payload", "The payload cannot be read", format!("{}: {e}", path.display()))
    };
    File::open(path).map(BufReader::new).map_err(unread)
}

/// `message`, `attachment`, and numbers after that, as Digg's P-Mode has them (C-15).
fn content_id(index: usize) -> String {
    match index {
        0 => pmode::ENVELOPE_CONTENT_ID.into(),
        1 => "attachment".into(),
        n => format!("attachment-{n}"),
    }
}

/// The given certificate, taken as it is.
fn pinned(certificate: &Certificate, at: Timestamp) -> Result<Trusted, Problem> {
    let trust = Trust {
        role: Role::AccessPoint,
        anchors: vec![certificate.clone()],
        revocation: Revocation::Unchecked,
        bits_least: BITS_LEAST,
        validity: false,
        proven: Proven::default(),
    };
    let untrusted = |e: TrustError| {
        Problem::new(Fault::Usage, "to-cert", "Nothing can be encrypted to this certificate", e.to_string())
    };
    let trusted = trust.check(certificate, &[], at).map_err(untrusted)?;
    trusted.may_encrypt().map_err(untrusted)?;
    Ok(trusted)
}

fn user_message_of(packing: &Packing) -> Result<UserMessage, Problem> {
    let parties = [party(&packing.identity.certificate)?, party(&packing.to_certificate)?];
    let corners = Corners {
        message_id: &packing.message_id,
        at: packing.at,
        access_points: [parties[0].as_str(), parties[1].as_str()],
        participants: [packing.from.as_str(), packing.to.as_str()],
        conversation_id: packing.conversation_id.clone(),
    };
    Ok(UserMessage::of_sdk(corners, packing.process.clone(), &packing.document_type))
}

fn write_request(packed: &Packed, ciphers: &mut [File], headers: &Path, body: &Path) -> io::Result<()> {
    let lines = format!(
        "POST /as4 HTTP/1.1\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        packed.content_type,
        packed.bytes()
    );
    std::fs::write(headers, lines)?;
    let mut out = BufWriter::new(File::create(body)?);
    for piece in &packed.pieces {
        match piece {
            PackedPiece::Text(text) => out.write_all(text.as_bytes())?,
            PackedPiece::Part(index) => {
                ciphers[*index].rewind()?;
                io::copy(&mut ciphers[*index], &mut out)?;
            }
        }
    }
    out.flush()
}
