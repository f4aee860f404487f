//! `sluss as4 open` and `sluss as4 pack`: AS4 exchanges as recorded bytes, with no daemon and no network.

use crate::as4::{
    self, Algorithms, Compression, EbmsError, Kind, Opened, OpenedPart, Outgoing, OutgoingPart, Packed, PackedPiece,
    Party, Property, Refusal, SignalContent, Spool, UserMessage, VerifiedSignal, pmode, receipt,
};
use crate::crypto::Random;
use crate::model::{
    As4MessageId, DocumentType, Fault, ParticipantId, PartyId, Problem, ProcessId, SignedReference, Timestamp,
};
use crate::pki::{Certificate, Identity, Revocation, Role, Trust, Trusted};
use crate::xml::algorithm::{Allow, Allowed};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What a recorded message is held against.
#[derive(Clone, Debug)]
pub struct Question {
    /// Our keys, the current one first.
    pub keys: Vec<Identity>,
    /// Certificate authorities and access points that are trusted; all of them may be meant by a key reference.
    pub trust: Vec<Certificate>,
    /// The time at which validity is asked.
    pub at: Timestamp,
    /// What is let through beyond the profile.
    pub allowed: Allowed,
    /// Whether Digg's rules on parties, service and properties are lifted.
    pub any_community: bool,
    /// Only this certificate may have signed.
    pub signer: Option<Certificate>,
    /// Body of the request that this message answers.
    pub answers: Option<Vec<u8>>,
    /// Most bytes of content, unpacked.
    pub bytes_max: Option<u64>,
    /// Where `soap.xml` and `part-N` are written.
    pub save: Option<PathBuf>,
}

/// The name, beside those of [`Allow`], that lifts the rules of Digg's transport profile.
pub const ANY_COMMUNITY: &str = "any-community";

/// Reads the `--allow` names.
///
/// # Errors
///
/// A name that is not known.
pub fn allowed(names: &[String]) -> Result<(Allowed, bool), Problem> {
    let mut allowed = Allowed::new();
    for name in names.iter().filter(|name| *name != ANY_COMMUNITY) {
        let usage = |what: String| {
            Problem::new(
                Fault::Usage,
                "allow",
                "Nothing of this name can be allowed",
                format!("{what} or {ANY_COMMUNITY}"),
            )
        };
        allowed.insert(name.parse::<Allow>().map_err(usage)?);
    }
    Ok((allowed, names.iter().any(|name| name == ANY_COMMUNITY)))
}

/// The verdict.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything holds.
    Accept,
    /// Not so; `error` says why.
    Refuse,
}

/// What `sluss as4 open --json` prints. In a refusal, what the message says of itself is unverified.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct Report {
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PartyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<PartyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ValueView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mpc: Option<String>,
    pub properties: Vec<PropertyView>,
    pub parts: Vec<PartView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_reference: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<AlgorithmsView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorView>,
}

/// A party.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PartyView {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub role: String,
}

/// A value with its type.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct ValueView {
    pub value: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A message property.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PropertyView {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub value: String,
}

/// A part.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PartView {
    pub href: String,
    pub mime: Option<String>,
    pub compressed: bool,
    pub bytes: u64,
    pub sha256: String,
}

/// Who signed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct SignerView {
    pub subject: String,
    pub sha256: String,
}

/// Algorithms by their identifiers.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct AlgorithmsView {
    pub signature: Option<String>,
    pub digest: Vec<String>,
    pub key_transport: Vec<String>,
    pub content: Vec<String>,
}

/// What a receipt repeats, or what a message signed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct ReceiptView {
    pub references: Vec<SignedReference>,
}

/// An ebMS error that the message carries.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct ErrorView {
    pub code: String,
    pub severity: String,
    pub short_description: Option<String>,
    pub detail: Option<String>,
}

impl Report {
    fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            kind: None,
            error: None,
            message_id: None,
            ref_to: None,
            timestamp: None,
            conversation_id: None,
            from: None,
            to: None,
            service: None,
            action: None,
            mpc: None,
            properties: Vec::new(),
            parts: Vec::new(),
            signer: None,
            key_reference: None,
            algorithms: None,
            receipt: None,
            errors: Vec::new(),
        }
    }

    fn refuse(mut self, problem: Problem) -> Self {
        self.verdict = Verdict::Refuse;
        self.error = Some(problem);
        self
    }

    /// The exit status of the command line.
    pub fn exit_status(&self) -> u8 {
        self.error.as_ref().map_or(0, Problem::exit_status)
    }

    fn message(mut self, message: &UserMessage) -> Self {
        let party = |p: &Party| PartyView { id: p.id.clone(), kind: p.kind.clone(), role: p.role.clone() };
        let property =
            |p: &Property| PropertyView { name: p.name.clone(), kind: p.kind.clone(), value: p.value.clone() };
        self.message_id = Some(message.message_id.to_string());
        self.ref_to = message.ref_to.as_ref().map(ToString::to_string);
        self.timestamp = Some(message.timestamp);
        self.conversation_id = Some(message.conversation_id.clone());
        self.from = Some(party(&message.from));
        self.to = Some(party(&message.to));
        self.service = Some(ValueView { value: message.service.clone(), kind: message.service_type.clone() });
        self.action = Some(message.action.clone());
        self.mpc = message.mpc.clone();
        self.properties = message.properties.iter().map(property).collect();
        self
    }

    fn opened(self, opened: &Opened) -> Self {
        let part = |p: &OpenedPart| PartView {
            href: p.href.clone(),
            mime: p.mime.clone(),
            compressed: p.compressed,
            bytes: p.bytes,
            sha256: p.sha256.clone(),
        };
        let mut report =
            self.message(&opened.message).security(opened.signer.as_ref(), opened.key_reference, &opened.algorithms);
        report.parts = opened.parts.iter().map(part).collect();
        report
    }

    fn signal(self, signal: &VerifiedSignal) -> Self {
        let error = |e: &EbmsError| ErrorView {
            code: e.code.clone(),
            severity: e.severity.clone(),
            short_description: e.short_description.clone(),
            detail: e.detail.clone(),
        };
        let mut report = self.security(signal.signer.as_ref(), signal.key_reference, &signal.algorithms);
        report.timestamp = Some(signal.signal.timestamp);
        match &signal.signal.content {
            SignalContent::Receipt(references) => report.receipt = Some(ReceiptView { references: references.clone() }),
            SignalContent::Errors(errors) => report.errors = errors.iter().map(error).collect(),
        }
        report
    }

    fn security(
        mut self,
        signer: Option<&Trusted>,
        key_reference: Option<&'static str>,
        algorithms: &Algorithms,
    ) -> Self {
        self.signer =
            signer.map(|s| SignerView { subject: s.certificate().subject().into(), sha256: s.certificate().sha256() });
        self.key_reference = key_reference;
        self.algorithms = Some(AlgorithmsView {
            signature: algorithms.signature.clone(),
            digest: algorithms.digest.clone(),
            key_transport: algorithms.key_transport.clone(),
            content: algorithms.content.clone(),
        });
        self
    }
}

/// Opens a recorded request or response. `headers` are lines `Name: value`, a request or status line first or not.
pub fn open(headers: &str, body: impl Read, question: &Question) -> Report {
    let report = Report::new(Verdict::Accept);
    let content_type = header(headers, "content-type").unwrap_or_default();
    let received = match as4::read(&content_type, body) {
        Ok(received) => received,
        Err(refusal) => return report.refuse(refusal.problem()),
    };
    let claimed = received.claimed();
    let mut report = report;
    report.kind = Some(received.kind().word());
    report.message_id = Some(claimed.message_id.to_string());
    report.ref_to = claimed.ref_to.as_ref().map(ToString::to_string);
    if let Some(folder) = &question.save
        && let Err(error) =
            std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join("soap.xml"), received.soap()))
    {
        return report.refuse(unwritten(folder, &error));
    }
    let judged = match received.kind() {
        Kind::UserMessage => user_message(received, question).map(|opened| report.clone().opened(&opened)),
        Kind::Receipt | Kind::Error => signal(received, question).map(|signal| report.clone().signal(&signal)),
    };
    judged.unwrap_or_else(|problem| report.refuse(problem))
}

fn unwritten(folder: &Path, error: &io::Error) -> Problem {
    Problem::new(Fault::Usage, "save", "The folder cannot be written", format!("{}: {error}", folder.display()))
}

fn user_message<R: Read>(received: as4::Received<R>, question: &Question) -> Result<Opened, Problem> {
    let problem = |refusal: Refusal| refusal.problem();
    let mut received = received;
    if let Some(bytes) = question.bytes_max {
        received = received.content_bytes_max(bytes);
    }
    if question.any_community {
        received = received.of_any_community();
    }
    let attributed =
        received.verify(&candidates(question), &trust(question), question.at, &question.allowed).map_err(problem)?;
    only_signer(attributed.signer(), question)?;
    if let (Some(own), false) = (question.keys.first(), question.any_community) {
        pmode::addressed_to(attributed.message(), &own.certificate).map_err(problem)?;
    }
    let mut spool = Saving { folder: question.save.clone() };
    attributed.open(&question.keys, &mut spool).map_err(problem)
}

fn signal<R: Read>(received: as4::Received<R>, question: &Question) -> Result<VerifiedSignal, Problem> {
    let verified = received.verify_signal(&candidates(question), &trust(question), question.at, &question.allowed);
    let signal = verified.map_err(|refusal| refusal.problem())?;
    only_signer(signal.signer.as_ref(), question)?;
    let Some(request) = &question.answers else { return Ok(signal) };
    let (id, sent) = sent_references(request)?;
    let wrong = |error: as4::ReceiptError| error.problem();
    receipt::same_message(signal.signal.ref_to.as_ref(), &id).map_err(wrong)?;
    if let SignalContent::Receipt(references) = &signal.signal.content {
        receipt::same_references(&sent, references).map_err(wrong)?;
    }
    Ok(signal)
}

fn candidates(question: &Question) -> Vec<Certificate> {
    question.trust.iter().chain(&question.signer).cloned().collect()
}

fn trust(question: &Question) -> Trust {
    let allows = |allow| question.allowed.contains(&allow);
    Trust {
        role: Role::AccessPoint,
        anchors: question.trust.clone(),
        revocation: if allows(Allow::UnknownRevocation) { Revocation::Unchecked } else { Revocation::Required },
        bits_least: if allows(Allow::ShortKeys) { BITS_LEAST_ALLOWED } else { BITS_LEAST },
        validity: !allows(Allow::Expired),
    }
}

fn only_signer(signer: Option<&Trusted>, question: &Question) -> Result<(), Problem> {
    let (Some(expected), Some(found)) = (&question.signer, signer) else { return Ok(()) };
    if found.certificate() == expected {
        return Ok(());
    }
    let name = |c: &Certificate| format!("{} ({})", c.subject(), c.sha256());
    let finding = as4::Finding::new(format!("signed by {}", name(found.certificate())), name(expected));
    Err(Refusal::Authentication(finding.rule("BAS-2.14.1.t05")).problem())
}

/// Message id and signed references of a recorded request, from its SOAP part, unverified.
fn sent_references(request: &[u8]) -> Result<(As4MessageId, Vec<SignedReference>), Problem> {
    let received = as4::read(&guess_content_type(request), request).map_err(|refusal| refusal.problem())?;
    let references = received.claimed_references().map_err(|refusal| refusal.problem())?;
    Ok((received.claimed().message_id, references))
}

/// The Content-Type of a body whose headers are not at hand: multipart where it begins with a boundary, else SOAP.
pub fn guess_content_type(body: &[u8]) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(GUESS_BYTES)]);
    match head.lines().find_map(|line| line.trim_end().strip_prefix("--").filter(|boundary| !boundary.is_empty())) {
        Some(boundary) if !head.trim_start_matches('\u{feff}').trim_start().starts_with('<') => {
            format!("multipart/related; boundary=\"{boundary}\"")
        }
        _ => "application/soap+xml".into(),
    }
}

/// The value of a header among recorded lines: folded lines are joined, a request or status line is passed over.
pub fn header(lines: &str, name: &str) -> Option<String> {
    let mut unfolded: Vec<String> = Vec::new();
    for line in lines.lines() {
        match unfolded.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => unfolded.push(line.to_owned()),
        }
    }
    let value = |line: &String| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    };
    unfolded.iter().find_map(value)
}

/// Writes parts to `part-N` of a folder, or nowhere.
struct Saving {
    folder: Option<PathBuf>,
}

impl Spool for Saving {
    fn create(&mut self, index: usize) -> io::Result<Box<dyn Write + '_>> {
        match &self.folder {
            Some(folder) => Ok(Box::new(BufWriter::new(File::create(folder.join(format!("part-{}", index + 1)))?))),
            None => Ok(Box::new(io::sink())),
        }
    }
}

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
    };
    let untrusted = |e: crate::pki::TrustError| {
        Problem::new(Fault::Usage, "to-cert", "Nothing can be encrypted to this certificate", e.to_string())
    };
    trust.check(certificate, &[], at).map_err(untrusted)
}

fn user_message_of(packing: &Packing) -> Result<UserMessage, Problem> {
    Ok(UserMessage {
        mpc: Some(pmode::MPC.into()),
        message_id: packing.message_id.clone(),
        ref_to: None,
        timestamp: packing.at,
        from: Party::initiator(party(&packing.identity.certificate)?.as_str()),
        to: Party::responder(party(&packing.to_certificate)?.as_str()),
        agreement: None,
        service: packing.process.value.clone(),
        service_type: Some(packing.process.scheme.clone()),
        action: packing.document_type.action(),
        conversation_id: packing.conversation_id.clone(),
        properties: vec![
            Property::participant(pmode::ORIGINAL_SENDER, packing.from.as_str()),
            Property::participant(pmode::FINAL_RECIPIENT, packing.to.as_str()),
        ],
        parts: Vec::new(),
    })
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

/// Shortest RSA key of an access point, in bits.
const BITS_LEAST: usize = 2048;
/// The same under [`Allow::ShortKeys`].
const BITS_LEAST_ALLOWED: usize = 1024;
/// How much of a body is looked at for its first boundary.
const GUESS_BYTES: usize = 4096;
