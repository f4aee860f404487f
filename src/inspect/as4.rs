//! `sluss as4 open` and `sluss as4 pack`: AS4 exchanges as recorded bytes, with no daemon and no network.

mod pack;
mod report;

pub use pack::{PackReport, Packing, pack, party};
pub use report::{
    AlgorithmsView, ErrorView, PartView, PartyView, PropertyView, ReceiptView, Report, SignerView, ValueView, Verdict,
};

use crate::as4::{self, Head, Kind, Opened, Refusal, Spool, VerifiedSignal, pmode, receipt};
use crate::crypto::Digesting;
use crate::limits;
use crate::model::{As4MessageId, Fault, Problem, SignedReference, Timestamp};
use crate::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, Trusted};
use crate::xml::algorithm::{Allow, Allowed};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
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

/// Opens a recorded request or response. `headers` are lines `Name: value`, a request or status line first or not.
pub fn open(headers: &str, body: impl Read, question: &Question) -> Report {
    let (content_types, content_encodings) = (fields(headers, "content-type"), fields(headers, "content-encoding"));
    let head = Head { content_types, content_encodings };
    if let Some(request) = &question.answers {
        return answer(head.content_types.first().map(String::as_str), body, request, question);
    }
    match head.content_type().and_then(|content_type| as4::read(content_type, body)) {
        Ok(received) => judged(received, question),
        Err(refusal) => Report::new(Verdict::Accept).refuse(refusal.problem()),
    }
}

/// The report on a message that answers nothing that is known.
fn judged<R: Read>(received: as4::Received<R>, question: &Question) -> Report {
    let report = Report::claimed(&received);
    if let Err(problem) = save_soap(&received, question) {
        return report.refuse(problem);
    }
    let judged = match received.kind() {
        Kind::UserMessage => {
            user_message(received, question).map(|(opened, sha256)| report.clone().opened(&opened, sha256))
        }
        Kind::Receipt | Kind::Error => signal(received, question).map(|signal| report.clone().signal(&signal)),
    };
    judged.unwrap_or_else(|problem| report.refuse(problem))
}

/// The report on an answer to `request`: what the access point that sent that would say.
fn answer(content_type: Option<&str>, body: impl Read, request: &[u8], question: &Question) -> Report {
    let none = Report::new(Verdict::Accept);
    let (body, (id, sent)) = match answer_bytes(body).and_then(|body| Ok((body, sent_references(request)?))) {
        Ok(both) => both,
        Err(problem) => return none.refuse(problem),
    };
    let received = as4::read(receipt::media(content_type), body.as_slice()).ok();
    let report = received.as_ref().map_or(none, Report::claimed);
    if let Some(Err(problem)) = received.as_ref().map(|received| save_soap(received, question)) {
        return report.refuse(problem);
    }
    let (candidates, trust) = (candidates(question), trust(question));
    let signers = receipt::Signers { candidates: &candidates, trust: &trust, only: question.signer.as_ref() };
    match receipt::judge(content_type, &body, &sent, &id, signers, question.at, &question.allowed) {
        Ok(signal) => report.signal(&signal),
        Err(error) => report.unanswered(&error),
    }
}

/// An answer whole: as much of it as an access point reads.
fn answer_bytes(body: impl Read) -> Result<Vec<u8>, Problem> {
    let (mut octets, most) = (Vec::new(), limits::AS4_ANSWER_BYTES_MAX);
    let read = body.take(most as u64 + 1).read_to_end(&mut octets);
    read.map_err(|error| Problem::new(Fault::Usage, "body", "The answer cannot be read", error.to_string()))?;
    if octets.len() > most {
        return Err(Refusal::Limit(as4::Finding::new("a larger answer", format!("at most {most} bytes"))).problem());
    }
    Ok(octets)
}

fn save_soap<R: Read>(received: &as4::Received<R>, question: &Question) -> Result<(), Problem> {
    let Some(folder) = &question.save else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join("soap.xml"), received.soap()))
        .map_err(|error| unwritten(folder, &error))
}

fn unwritten(folder: &Path, error: &io::Error) -> Problem {
    Problem::new(Fault::Usage, "save", "The folder cannot be written", format!("{}: {error}", folder.display()))
}

fn user_message<R: Read>(received: as4::Received<R>, question: &Question) -> Result<(Opened, Vec<String>), Problem> {
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
    let mut spool = Saving::new(question.save.clone());
    let opened = attributed.open(&question.keys, &mut spool).map_err(problem)?;
    Ok((opened, spool.sha256()))
}

fn signal<R: Read>(received: as4::Received<R>, question: &Question) -> Result<VerifiedSignal, Problem> {
    let verified = received.verify_signal(&candidates(question), &trust(question), question.at, &question.allowed);
    let signal = verified.map_err(|refusal| refusal.problem())?;
    only_signer(signal.signer.as_ref(), question)?;
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
        proven: Proven::default(),
    }
}

fn only_signer(signer: Option<&Trusted>, question: &Question) -> Result<(), Problem> {
    let by = |signer: &Trusted| receipt::by(question.signer.as_ref(), signer.certificate());
    signer.map_or(Ok(()), by).map_err(|refusal| refusal.problem())
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

/// The values of a header among recorded lines: folded lines are joined, a request or status line is passed over.
fn fields(lines: &str, name: &str) -> Vec<String> {
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
    unfolded.iter().filter_map(value).collect()
}

/// Writes parts to `part-N` of a folder, or nowhere, and takes their SHA-256.
struct Saving {
    folder: Option<PathBuf>,
    parts: BTreeMap<usize, Digesting<Box<dyn Write>>>,
}

impl Saving {
    fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, parts: BTreeMap::new() }
    }

    /// In the order of the header, in hexadecimal.
    fn sha256(self) -> Vec<String> {
        self.parts.into_values().map(|part| part.finish().1).collect()
    }
}

impl Spool for Saving {
    fn create(&mut self, index: usize) -> io::Result<Box<dyn Write + '_>> {
        let out: Box<dyn Write> = match &self.folder {
            Some(folder) => Box::new(BufWriter::new(File::create(folder.join(format!("part-{}", index + 1)))?)),
            None => Box::new(io::sink()),
        };
        Ok(Box::new(self.parts.entry(index).insert_entry(Digesting::new(out)).into_mut()))
    }
}

/// Shortest RSA key of an access point, in bits.
const BITS_LEAST: usize = 2048;
/// The same under [`Allow::ShortKeys`].
const BITS_LEAST_ALLOWED: usize = 1024;
/// How much of a body is looked at for its first boundary.
const GUESS_BYTES: usize = 4096;
