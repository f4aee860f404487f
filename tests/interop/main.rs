//! Live peers: what others pack opens here and gets an AS4 receipt that they accept, and the other way round.
//!
//! The peers are programs that know nothing of this one. They are started where `SLUSS_PEERS=1` says so (`.ci/run interop`
//! does) and where they are: below `SLUSS_SHARED`, or `../shared`. `SLUSS_PEERS=all` tries every combination.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod asx;
mod cost;
mod daemon;
mod gate;
mod phase4;
#[path = "../support/mod.rs"]
mod support;

use gate::Gate;
use sluss::as4::{
    self, Compression, Outgoing, OutgoingPart, PackedPiece, Party, Property, Refusal, Spool, UserMessage, pmode,
};
use sluss::crypto::{SystemRandom, sha256_hex};
use sluss::model::{As4MessageId, Clock, DocumentType, ProcessId, SignedReference, SystemClock};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use sluss::xml::algorithm::Allowed;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// How much is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Extent {
    Ordinary,
    All,
}

/// The script of a peer, and how much is to be tried with it; none where live peers are not asked for or not there.
fn peer(name: &str) -> Option<(PathBuf, Extent)> {
    let extent = match std::env::var("SLUSS_PEERS").as_deref() {
        Ok("1") => Extent::Ordinary,
        Ok("all") => Extent::All,
        _ => {
            println!("skipped: live peers run with SLUSS_PEERS=1");
            return None;
        }
    };
    let folder = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let script = folder.join("peers").join(name).join("run");
    if !script.exists() {
        println!("skipped: {} is not here", script.display());
        return None;
    }
    Some((script, extent))
}

/// A peer that runs, ended when it is dropped.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    /// Starts a peer and waits for its line `READY URL`.
    fn start(script: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(script)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("READY "));
        let ready = ready.unwrap_or_else(|| panic!("{} {args:?} did not become ready", script.display()));
        // Whoever prints must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: ready.split(' ').nth(1).unwrap().to_owned() }
    }

    /// Processor time that it has used, in seconds.
    fn cpu_seconds(&self) -> f64 {
        sluss::metrics::processor_time(self.child.id()).unwrap().as_secs_f64()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !ended.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// An access point of a peer's own PKI.
struct Point {
    identity: Identity,
    party: String,
}

impl Point {
    fn read(key: &Path, certificate: &Path) -> Self {
        let identity = Identity::from_files(key, certificate).unwrap();
        let party = identity.certificate.common_name().unwrap().to_owned();
        Self { identity, party }
    }
}

/// Whoever is issued by one of these.
fn trust(anchors: &Path) -> Trust {
    Trust {
        role: Role::AccessPoint,
        anchors: Certificate::all_from_pem(&std::fs::read(anchors).unwrap()).unwrap(),
        revocation: Revocation::Unchecked,
        bits_least: 2048,
        validity: true,
        proven: Proven::default(),
    }
}

/// A message as it goes over the wire, and what was signed.
struct Packed {
    id: As4MessageId,
    content_type: String,
    body: Vec<u8>,
    references: Vec<SignedReference>,
}

/// Packs these contents, the first as `message`, the others as `attachment`, `attachment-2` ….
fn pack(from: &Point, to: &Point, trust: &Trust, compression: Compression, contents: &[Vec<u8>]) -> Packed {
    let id = As4MessageId::new(uuid::Uuid::new_v4(), &from.party.parse().unwrap());
    let names: Vec<String> = (0..contents.len()).map(content_id).collect();
    let mut readers: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let mut ciphers: Vec<Vec<u8>> = contents.iter().map(|_| Vec::new()).collect();
    let parts = readers.iter_mut().zip(&mut ciphers).zip(&names).map(|((content, cipher), name)| OutgoingPart {
        content_id: name,
        mime: "application/octet-stream",
        charset: None,
        compression,
        content,
        cipher,
    });
    let (now, process) = (SystemClock.now(), ProcessId::default());
    let message = UserMessage {
        mpc: Some(pmode::MPC.into()),
        message_id: id.clone(),
        ref_to: None,
        timestamp: now,
        from: Party::initiator(&from.party),
        to: Party::responder(&to.party),
        agreement: None,
        service: process.value,
        service_type: Some(process.scheme),
        action: DocumentType::sdk_message().action(),
        conversation_id: uuid::Uuid::new_v4().to_string(),
        properties: vec![
            Property::participant(pmode::ORIGINAL_SENDER, "0203:from.example.se"),
            Property::participant(pmode::FINAL_RECIPIENT, "0203:to.example.se"),
        ],
        parts: Vec::new(),
    };
    let trusted = trust.check(&to.identity.certificate, &[], now).unwrap();
    let outgoing = Outgoing { message, parts: parts.collect(), identity: &from.identity, to: &trusted };
    let packed = as4::pack(outgoing, &SystemRandom).unwrap();
    let body = packed.pieces.iter().fold(Vec::new(), |mut body, piece| {
        body.extend_from_slice(match piece {
            PackedPiece::Text(text) => text.as_bytes(),
            PackedPiece::Part(index) => &ciphers[*index],
        });
        body
    });
    Packed { id, content_type: packed.content_type, body, references: packed.references }
}

fn content_id(index: usize) -> String {
    match index {
        0 => "message".into(),
        1 => "attachment".into(),
        n => format!("attachment-{n}"),
    }
}

/// Opens a request as `own`, and gives the header, the answer, and SHA-256 of each part.
fn open(content_type: &str, body: &[u8], own: &Point, trust: &Trust) -> Result<(Vec<String>, as4::Answer), Refusal> {
    let candidates = trust.anchors.clone();
    let now = SystemClock.now();
    let attributed = as4::read(content_type, body)?.verify(&candidates, trust, now, &Allowed::new())?;
    pmode::addressed_to(attributed.message(), &own.identity.certificate)?;
    let mut memory = Memory::default();
    let opened = attributed.open(std::slice::from_ref(&own.identity), &mut memory)?;
    memory.0.sort_by_key(|(index, _)| *index);
    let id = As4MessageId::new(uuid::Uuid::new_v4(), &own.party.parse().unwrap());
    let (about, references) = (&opened.message.message_id, &opened.reference_elements);
    let answer = as4::receipt::build(about, references, &own.identity, &id, now).unwrap();
    Ok((memory.0.iter().map(|(_, content)| sha256_hex(content)).collect(), answer))
}

/// SHA-256 of each part of the request that came last, or why it was refused; none before one came.
type Seen = Arc<Mutex<Option<Result<Vec<String>, Refusal>>>>;

/// A door at which `own` opens what comes and answers with its AS4 receipt.
fn receiving(own: Point, trust: Trust) -> (Gate, Seen) {
    let seen = Seen::default();
    let keep = Arc::clone(&seen);
    let gate = Gate::open(move |request| {
        let result = open(&request.content_type, &request.body, &own, &trust);
        let answer = match &result {
            Ok((_, answer)) => (answer.content_type.clone(), answer.body.clone()),
            Err(refusal) => ("text/plain".into(), refusal.to_string()),
        };
        *keep.lock().unwrap() = Some(result.map(|(digests, _)| digests));
        answer
    });
    (gate, seen)
}

/// Parts in memory.
#[derive(Default)]
struct Memory(Vec<(usize, Vec<u8>)>);

impl Spool for Memory {
    fn create(&mut self, index: usize) -> io::Result<Box<dyn Write + '_>> {
        self.0.push((index, Vec::new()));
        Ok(Box::new(&mut self.0.last_mut().unwrap().1))
    }
}

/// Content that does not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    sluss::crypto::Random::fill(&SystemRandom, &mut content);
    content
}
