//! The cases of Digg's platform approval (*Testfall för Plattformsgodkännande*, TF-01 to TF-10) against another access point: we are
//! the test access point of that document, and send.
//!
//! What comes back over the wire is judged. What must happen behind it cannot be seen from here, and is said as what remains to
//! be looked at over there. Three cases are about what the other access point sends; those are not run.

use crate::as4::{ReceiptError, receipt};
use crate::crypto::SystemRandom;
use crate::inspect::as4::{Packing, pack, party};
use crate::inspect::message;
use crate::limits::{AS4_ANSWER_BYTES_MAX, AS4_EXCHANGE_MAX};
use crate::model::{As4MessageId, Clock, DocumentType, EnvelopeId, Fault, ParticipantId, Problem, ProcessId};
use crate::net::{Body, Client, NetError};
use crate::pki::{Certificate, Identity};
use crate::sdk;
use crate::testbed::ca::{Leaf, Profile, Purpose, demo};
use crate::xhe::{self, Header};
use crate::xml::algorithm::Allowed;
use serde::Serialize;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The other access point, and whose messages are sent to it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is reached.
    pub url: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// The access point that sends.
    pub identity: Identity,
    /// The participant that sends.
    pub from: ParticipantId,
    /// Its key.
    pub signer: Identity,
    /// A participant that the other access point serves.
    pub to: ParticipantId,
    /// The certificate that is sealed to.
    pub to_certificate: Certificate,
    /// The federation that envelopes name.
    pub federation: String,
}

/// A case that was tried: a line of `sluss conformance run --against URL --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Its number.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// How it ended.
    pub verdict: Outcome,
    /// What came back, or why it was not run.
    pub found: String,
    /// What remains to be looked at over there.
    pub remains: &'static str,
    /// The envelope that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<EnvelopeId>,
    /// The AS4 message that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as4_message_id: Option<As4MessageId>,
}

/// How a case ended, as far as the wire shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What came back is what the case asks for.
    AsExpected,
    /// It is not.
    Otherwise,
    /// It cannot be run from here.
    NotRun,
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// Its number.
    pub id: &'static str,
    title: &'static str,
    remains: &'static str,
    /// What is sent, and what must come back; none where the other access point sends.
    sends: Option<(Special, Expected)>,
}

/// What is special about a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Special {
    Nothing,
    OtherEnvironment,
    Minimal,
    Large,
    Malformed,
    OtherRecipient,
}

/// What must come back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    Receipt,
    Refusal,
    /// The AS4 receipt may come before the envelope is looked at (BAS-3.3.1, steps 10 and 12).
    Either,
}

const RECEIPTED: &str = "the message reached its participant, and a message receipt was sent";
const REPORTED: &str =
    "the message was not handed over, and is reported as a conformance error (AP-3.2.2, APOP-4.1.1.a)";
const SENT: &str = "order it there, and note what it shows; `sluss send` does it at an access point of Sluss";

/// All of them, in their order.
pub const CASES: [Case; 10] = [
    Case { id: "TF-01", title: "sends a message and gets its message receipt", remains: SENT, sends: None },
    Case { id: "TF-02", title: "sends to an access point whose certificate is revoked", remains: SENT, sends: None },
    Case {
        id: "TF-03",
        title: "refuses a message signed with a certificate of another environment",
        remains: "the error is logged",
        sends: Some((Special::OtherEnvironment, Expected::Refusal)),
    },
    Case {
        id: "TF-04",
        title: "receives a message and sends its message receipt",
        remains: RECEIPTED,
        sends: Some((Special::Nothing, Expected::Receipt)),
    },
    Case { id: "TF-05", title: "sends to an access point that cannot be reached", remains: SENT, sends: None },
    Case {
        id: "TF-06",
        title: "receives an envelope with all fields that the profile has",
        remains: RECEIPTED,
        sends: Some((Special::Nothing, Expected::Receipt)),
    },
    Case {
        id: "TF-07",
        title: "receives an envelope with as few fields as the profile allows",
        remains: RECEIPTED,
        sends: Some((Special::Minimal, Expected::Receipt)),
    },
    Case {
        id: "TF-08",
        title: "receives an envelope of more than 70 MB",
        remains: RECEIPTED,
        sends: Some((Special::Large, Expected::Receipt)),
    },
    Case {
        id: "TF-09",
        title: "does not hand over an envelope that is none of the profile",
        remains: REPORTED,
        sends: Some((Special::Malformed, Expected::Either)),
    },
    Case {
        id: "TF-10",
        title: "does not hand over an envelope that contradicts its message",
        remains: REPORTED,
        sends: Some((Special::OtherRecipient, Expected::Either)),
    },
];

/// Tries a case. `client` reaches the other access point.
///
/// # Errors
///
/// When a message cannot be made; what the other access point does is never an error.
pub async fn run(case: &Case, peer: &Peer, client: &Client, clock: &dyn Clock) -> Result<Tried, Problem> {
    let Case { id, title, remains, sends } = *case;
    let mut tried = Tried {
        id,
        title,
        verdict: Outcome::NotRun,
        found: "the other access point sends".into(),
        remains,
        envelope_id: None,
        as4_message_id: None,
    };
    let Some((special, expected)) = sends else { return Ok(tried) };
    let folder = tempfile::tempdir().map_err(|error| unmade(&error))?;
    let made = make(special, peer, folder.path(), clock)?;
    let body = File::open(&made.body).and_then(|file| Body::empty().file(file)).map_err(|error| unmade(&error))?;
    let answer = client.post(&peer.url, &made.content_type, body, AS4_ANSWER_BYTES_MAX, AS4_EXCHANGE_MAX).await;
    let (came, found) = match answer {
        Ok(answer) => judged(receipt::check(
            answer.content_type.as_deref(),
            &answer.body,
            &made.references,
            &made.message_id,
            &peer.certificate,
            clock.now(),
            &Allowed::new(),
        )),
        Err(error @ NetError::Status { status: 400..=499, .. }) => (Some(Expected::Refusal), error.to_string()),
        Err(error) => (None, error.to_string()),
    };
    let met = came.is_some_and(|came| expected == Expected::Either || came == expected);
    tried.verdict = if met { Outcome::AsExpected } else { Outcome::Otherwise };
    tried.found = found;
    tried.envelope_id = Some(made.envelope_id);
    tried.as4_message_id = Some(made.message_id);
    Ok(tried)
}

/// What an answer is, where it is one, and in words.
fn judged(checked: Result<receipt::Receipt, ReceiptError>) -> (Option<Expected>, String) {
    match checked {
        Ok(receipt) => (Some(Expected::Receipt), format!("an AS4 receipt, signed by {}", receipt.signer.subject())),
        Err(error @ ReceiptError::Refused { .. }) => (Some(Expected::Refusal), error.to_string()),
        Err(error) => (None, error.to_string()),
    }
}

/// A request that was made.
struct Made {
    envelope_id: EnvelopeId,
    message_id: As4MessageId,
    content_type: String,
    body: PathBuf,
    references: Vec<crate::model::SignedReference>,
}

fn make(special: Special, peer: &Peer, folder: &Path, clock: &dyn Clock) -> Result<Made, Problem> {
    let envelope = folder.join("envelope.xml");
    let envelope_id = seal(special, peer, folder, &envelope, clock)?;
    let identity = if special == Special::OtherEnvironment { elsewhere(peer, clock)? } else { peer.identity.clone() };
    let message_id = As4MessageId::new(uuid::Uuid::new_v4(), &party(&identity.certificate)?);
    let packed = pack(
        &Packing {
            identity,
            to_certificate: peer.certificate.clone(),
            from: peer.from.clone(),
            to: peer.to.clone(),
            document_type: DocumentType::sdk_message(),
            process: ProcessId::default(),
            message_id: message_id.clone(),
            conversation_id: envelope_id.to_string(),
            at: clock.now(),
            payloads: vec![envelope],
            save: folder.join("packed"),
        },
        &SystemRandom,
    )?;
    let (content_type, body, references) = (packed.content_type, packed.body, packed.references);
    Ok(Made { envelope_id, message_id, content_type, body, references })
}

/// Seals an SDK message into a file, and gives the envelope's id.
fn seal(
    special: Special,
    peer: &Peer,
    folder: &Path,
    envelope: &Path,
    clock: &dyn Clock,
) -> Result<EnvelopeId, Problem> {
    let failed = |error: io::Error| unmade(&error);
    let address = format!("sdk:inkorg:{}", peer.to);
    let built = build(special, peer, address.clone(), folder, clock)?;
    let open = || File::open(&built).map(BufReader::new).map_err(failed);
    // The envelope has the id of its message (MSG-3.2.t01).
    let message = sdk::message::check(open()?).map_err(|error| unmade(&error))?;
    let id: EnvelopeId = message.header.message_id.parse().map_err(|error| unmade(&error))?;
    let to = if special == Special::OtherRecipient { peer.from.clone() } else { peer.to.clone() };
    let (created, kind) = (crate::model::time::millis(clock.now()), DocumentType::sdk_message());
    let mut header = Header::new(id.clone(), created, kind, &peer.federation, peer.from.clone(), to);
    if special != Special::Minimal {
        header = header.handling_service(address);
    }
    let out = File::create(envelope).map(BufWriter::new).map_err(failed)?;
    let sealed = xhe::seal(&header, &mut open()?, &peer.signer, &peer.to_certificate, &SystemRandom, out);
    sealed.map_err(|error| unmade(&error))?.flush().map_err(failed)?;
    if special == Special::Malformed {
        let text = std::fs::read_to_string(envelope).map_err(failed)?;
        std::fs::write(envelope, text.replace("xhb:CreationDateTime", "xhb:CreationTime")).map_err(failed)?;
    }
    Ok(id)
}

/// Writes an SDK message with one document.
fn build(
    special: Special,
    peer: &Peer,
    functional_address: String,
    folder: &Path,
    clock: &dyn Clock,
) -> Result<PathBuf, Problem> {
    let failed = |error: io::Error| unmade(&error);
    let (document, built) = (folder.join("document.txt"), folder.join("message.xml"));
    let bytes = if special == Special::Large { LARGE_BYTES } else { SMALL_BYTES };
    let mut file = File::create(&document).map_err(failed)?;
    io::copy(&mut io::repeat(b'.').take(bytes), &mut file).map_err(failed)?;
    let asked = message::Build {
        from: peer.from.clone(),
        to: peer.to.clone(),
        functional_address,
        sender_address: None,
        label: Some("Conformance".into()),
        text: None,
        confidential: false,
        in_reply_to: None,
        files: vec![document],
        at: clock.now(),
    };
    message::build(&asked, File::create(&built).map_err(failed)?)?;
    Ok(built)
}

/// An access point of the same name, with a certificate of an environment that nobody else trusts.
fn elsewhere(peer: &Peer, clock: &dyn Clock) -> Result<Identity, Problem> {
    let name = party(&peer.identity.certificate)?;
    let profile = Profile { environment: "ELSEWHERE".into(), crl_base: None, ocsp: None, days: 1 };
    let leaf = Leaf::new(Purpose::AccessPoint, name.as_str(), "Elsewhere", &profile, clock.now());
    let issued = demo::issuer("ap").and_then(|issuer| issuer.issue(&leaf)).map_err(|error| unmade(&error))?;
    Identity::from_pem(issued.key_pem.as_bytes(), issued.certificate.to_pem().as_bytes())
        .map_err(|error| unmade(&error))
}

fn unmade(error: &dyn Display) -> Problem {
    Problem::new(Fault::Temporary, "conformance", "the message of the case could not be made", error.to_string())
}

/// A document whose envelope has some 71 MB.
const LARGE_BYTES: u64 = 40_000_000;
/// The other documents.
const SMALL_BYTES: u64 = 1_000;
