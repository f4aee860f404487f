//! Inbound (C3): an AS4 message of another access point comes to a participant of ours.
//!
//! [`receive`] makes it durable and answers. The worker calls [`attempt`], which has [`step`] check the envelope and
//! hand it over, asks `outcome` what that meant, and writes it.

mod arrival;
mod delayed;
mod gate;
mod once;
mod outcome;
mod refusal;
mod verifiers;

use super::parts::Parts;
use super::record::{Record, Recorded, begin_record, keep_record};
use super::spool::{Kept, Unread};
use super::{HandOver, Handled, Router, Settings, Unhandled};
use crate::as4::{self, Answer, Attributed, Finding, Head, Opened, Received, Refusal, pmode, receipt};
use crate::crypto;
use crate::limits::{SERVER_RETRY_AFTER_SECONDS, SPACE_RETRY_AFTER_SECONDS};
use crate::metrics::{Away, Door};
use crate::model::{
    As4MessageId, Carriage, Direction, DocumentType, EnvelopeId, Enveloped, Event, Fault, Message, ParticipantId,
    PartyId, Problem, ProcessId, Stage, Timestamp,
};
use crate::net::Standing;
use crate::net::inbound::Upload;
use crate::ops::{log, trace};
use crate::pki::Certificate;
use crate::store::{Answered, DuplicateKey, Evidence, StoreError};
use crate::xhe;
use arrival::{Look, arrived, looked};
use refusal::{Signed, refuse};
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

pub use delayed::Delayed;
pub(in crate::access_point) use delayed::Delays;
pub(in crate::access_point) use gate::Gate;
pub(in crate::access_point) use once::{answered_before, keep};
pub(in crate::access_point) use outcome::{attempt, conclude};
pub(in crate::access_point) use refusal::Failure;
pub use refusal::settle;

// === Entry ===

/// One AS4 request. Its body is still in the socket.
pub struct Request {
    /// What its headers say of the body.
    pub head: Head,
    /// Content-Length, where it was said.
    pub announced: Option<u64>,
    /// The body.
    pub body: Upload,
    /// Who asks is a stranger until this is told otherwise.
    pub standing: Standing,
}

/// What is answered to an AS4 request.
#[derive(Debug)]
pub struct Response {
    /// HTTP status (protocol.md 1.12).
    pub status: u16,
    /// Content-Type and body; none where nothing can be said.
    pub body: Option<(String, String)>,
    /// Whether an access point of the federation asked: what it is still sending is then read to its end.
    pub known: bool,
    /// When to come again, in seconds, where that helps.
    pub retry_after_seconds: Option<u32>,
}

/// Takes one AS4 request: read, attributed, addressed, opened, made durable, and only then receipted.
///
/// A duplicate gets the first AS4 receipt again. A refusal becomes an ebMS error and an event, and leaves no message
/// behind; the error is signed for a sender who is known. A failure of our own is HTTP 503: the sender tries again.
pub async fn receive(router: &Arc<Router>, request: Request) -> Response {
    let begun = Instant::now();
    let response = answered_to(router, request).instrument(log::journey(log::Work::Receive)).await;
    router.metrics.exchange(Direction::In, begun.elapsed());
    response
}

async fn answered_to(router: &Arc<Router>, request: Request) -> Response {
    let record = begin_record(router, &request.head).await;
    match take(router, request, record.clone()).await {
        Ok(answer) => Response {
            status: 200,
            body: Some((answer.content_type, answer.body)),
            known: true,
            retry_after_seconds: None,
        },
        Err(Failure::Refused(refused)) => {
            if let Some(record) = record {
                keep_record(router, record, refused.problem()).await;
            }
            refuse(router, *refused).await
        }
        Err(Failure::Own(problem)) => {
            tracing::error!(problem = %problem, "an AS4 request could not be taken");
            router.metrics.turned_away(Away::Failed);
            Response { status: 503, body: None, known: true, retry_after_seconds: Some(SERVER_RETRY_AFTER_SECONDS) }
        }
        Err(Failure::Crowded(reason)) => {
            tracing::warn!(%reason, "an AS4 request was told to come again");
            router.metrics.turned_away(Away::Crowded);
            Response { status: 503, body: None, known: false, retry_after_seconds: Some(SERVER_RETRY_AFTER_SECONDS) }
        }
        Err(Failure::Short(problem)) => {
            tracing::warn!(%problem, "an AS4 message was told to come again");
            Response { status: 503, body: None, known: true, retry_after_seconds: Some(SPACE_RETRY_AFTER_SECONDS) }
        }
    }
}

async fn take(router: &Arc<Router>, request: Request, record: Option<Arc<Record>>) -> Result<Answer, Failure> {
    let (begun, metrics) = (Instant::now(), router.metrics.clone());
    let Request { head, announced, mut body, standing } = request;
    let (content_type, _places) = arrived(router, &head, announced, &mut body).await?;
    let body = Recorded { inner: body.into_reader(), record };
    let look = trace::stage("verify", looked(router, content_type, body)).await;
    match &look {
        Ok(_) => standing.proven()?,
        // Refused with room or without it; with it, the sender comes to the end of what it is sending.
        Err(failure) if failure.is_of_known() => drop(standing.proven()),
        Err(_) => {}
    }
    let (attributed, addressed, signed) = match look? {
        Look::Again(answer) => return Ok(answer),
        Look::New(message) => *message,
    };
    let router = Arc::clone(router);
    let work = move || opened(&router, attributed, addressed).map_err(|failure| failure.about(&signed));
    // Its thread waits for the parts, so it is none of those that verify.
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .unwrap_or_else(|error| Err(Failure::broken_off(error)))
        .inspect(|_| metrics.accept(Door::As4, begun.elapsed()))
}

/// Who signed the message, whether it is for us, and whether it came before: all that can be said before its parts.
fn verified<R: Read>(router: &Router, received: Received<R>, candidates: &[Certificate]) -> Result<Look<R>, Failure> {
    let settings = router.settings();
    let claimed = received.claimed();
    // Whose message it claims to be: that it is, is verified.
    let party = claimed.from.as_ref().and_then(|from| from.id.parse::<PartyId>().ok());
    let partner = settings.tolerated(party.as_ref());
    let authenticated = received
        .content_bytes_max(settings.as4_bytes_max)
        .timestamp_within(partner.timestamp_ahead_max, partner.timestamp_behind_max)
        .authenticate(candidates, &settings.trust, router.now(), &partner.allowed)
        .map_err(|refusal| Failure::stranger(refusal, Some(claimed.clone())))?;
    let signed = Signed::of(claimed, &authenticated);
    let look = || -> Result<Look<R>, Failure> {
        let attributed = authenticated.attribute()?;
        tracing::Span::current().record("as4_message_id", tracing::field::display(&attributed.message().message_id));
        let addressed = addressed(&settings, attributed.message())?;
        if let Some(answer) = answered_before(router, &attributed.fingerprint(), &addressed.key)? {
            return Ok(Look::Again(answer));
        }
        // What came before has its AS4 receipt; anything new needs room.
        router.admits().map_err(Failure::Short)?;
        Ok(Look::New(Box::new((attributed, addressed, Arc::clone(&signed)))))
    };
    look().map_err(|failure| failure.about(&signed))
}

/// A message for us.
struct Addressed {
    key: DuplicateKey,
    /// What it brings to whom; none for a test message.
    delivery: Option<Delivery>,
}

/// What the header says of the envelope in the message.
struct Delivery {
    from: ParticipantId,
    to: ParticipantId,
    document_type: DocumentType,
    carriage: Carriage,
    /// The id that the header claims, until the step reads the envelope's own.
    envelope_id: EnvelopeId,
}

/// Whether the message is for us, for a participant that we serve for this document type (AS4-2.5.a), and brings the one
/// envelope: everything that can be refused before the first byte of a part is read.
fn addressed(settings: &Settings, message: &as4::UserMessage) -> Result<Addressed, Refusal> {
    if message.to.id != settings.party.as_str() {
        return Err(Refusal::Mismatch(
            Finding::new(format!("eb:To/eb:PartyId {}", message.to.id), settings.party.as_str()).rule("AS4-2.3.1.m"),
        ));
    }
    let from = message.from.id.parse::<PartyId>().map_err(|error| invalid("eb:From/eb:PartyId", &error.to_string()))?;
    let delivery = if pmode::is_test(message) { None } else { Some(delivery(settings, message)?) };
    Ok(Addressed { key: DuplicateKey { id: message.message_id.clone(), from }, delivery })
}

/// A header value that is none.
fn invalid(element: &str, what: &str) -> Refusal {
    Refusal::Header(
        Finding::new(format!("{element}: {what}"), "a value as the transport profile has it").rule("AS4-2.3.1.p1"),
    )
}

fn delivery(settings: &Settings, message: &as4::UserMessage) -> Result<Delivery, Refusal> {
    let recipient = message.final_recipient().unwrap_or_default();
    let not_serviced = || Refusal::not_serviced(recipient, &message.action);
    let to = recipient.parse::<ParticipantId>().map_err(|_| not_serviced())?;
    let served = settings.participants.get(&to).ok_or_else(not_serviced)?;
    let document_type = DocumentType::from_action(&message.action).ok_or_else(not_serviced)?;
    if !served.document_types.contains(&document_type) {
        return Err(not_serviced());
    }
    if message.parts.len() != 1 {
        return Err(one_part(message.parts.len()));
    }
    let from = message.original_sender().unwrap_or_default().parse::<ParticipantId>();
    let envelope_id =
        message.conversation_id.parse::<EnvelopeId>().or_else(|_| message.message_id.as_str().parse::<EnvelopeId>());
    Ok(Delivery {
        from: from.map_err(|error| invalid("originalSender", &error.to_string()))?,
        to,
        document_type,
        carriage: served.carriage,
        envelope_id: envelope_id.map_err(|error| invalid("eb:ConversationId", &error.to_string()))?,
    })
}

/// The envelope is the one part (C-15).
fn one_part(found: usize) -> Refusal {
    Refusal::Payload(Finding::new(format!("{found} parts"), "one part, the envelope").rule("AS4-2.6.a"))
}

/// Opens the parts into payloads, builds the AS4 receipt, and makes all of it durable at once.
fn opened<R: Read>(router: &Router, attributed: Attributed<R>, addressed: Addressed) -> Result<Answer, Failure> {
    let Addressed { key, delivery } = addressed;
    let settings = router.settings();
    let mut parts = Parts::new(router.store.blobs());
    let fingerprint = attributed.fingerprint();
    if !attributed.allowed().is_empty() {
        let allowed: Vec<String> = attributed.allowed().iter().map(ToString::to_string).collect();
        tracing::warn!(partner = %key.from, allowed = allowed.join(" "), "accepted beyond the profile, as configured");
    }
    let ours = std::slice::from_ref(&settings.identity);
    let opened = trace::stage_of("decrypt", || attributed.open(ours, &mut parts));
    let opened = opened.map_err(|refusal| unspooled(parts.failed(), refusal))?;
    let now = router.now();
    let id = As4MessageId::new(uuid::Uuid::new_v4(), &settings.party);
    let answer = receipt::build(&opened.message.message_id, &opened.reference_elements, &settings.identity, &id, now);
    let answer = answer.map_err(|error| {
        Failure::Own(Problem::new(
            Fault::Temporary,
            "receipt",
            "the AS4 receipt could not be signed",
            error.to_string(),
        ))
    })?;
    let message =
        delivery.map(|delivery| new_message(&opened.message, delivery, parts, (now, router.steady()))).transpose()?;
    if let Some(message) = &message {
        log::name(&tracing::Span::current(), message);
    }
    let answered = Answered {
        message: message.as_ref().map(|message| message.id),
        content_type: answer.content_type.clone(),
        body: answer.body.clone(),
        fingerprint,
        at: now,
    };
    let event = received_event(&opened, message.as_ref(), now);
    if let Some(signer) = &opened.signer {
        router.remember(signer.certificate());
    }
    let certificates = opened.signer.iter().map(|signer| signer.certificate().to_pem()).collect();
    keep(router, key, answered, message, event, Evidence { certificates, received: Some(opened.soap) })
}

/// What our own disk refuses is our failure, not the peer's.
fn unspooled(own: Option<StoreError>, refusal: Refusal) -> Failure {
    match (own, refusal) {
        (Some(error), _) => error.into(),
        (None, Refusal::Temporary(detail)) => {
            Failure::Own(Problem::new(Fault::Temporary, "spool", "the message could not be spooled", detail))
        }
        (None, refusal) => refusal.into(),
    }
}

/// The message in its first status. What the envelope says is checked by the step.
fn new_message(
    header: &as4::UserMessage,
    delivery: Delivery,
    parts: Parts<'_>,
    (now, due): (Timestamp, Timestamp),
) -> Result<Message, Failure> {
    let Delivery { from, to, document_type, carriage, envelope_id } = delivery;
    let (envelope, bytes, sha256) = parts.keep()?.ok_or_else(|| one_part(0))?;
    let of = Enveloped {
        id: envelope_id,
        from,
        to,
        document_type,
        process: ProcessId {
            scheme: header.service_type.clone().unwrap_or_else(|| pmode::SERVICE_TYPE.to_owned()),
            value: header.service.clone(),
        },
        envelope: Some(envelope),
        bytes,
        sha256,
    };
    Ok(Message {
        as4_message_id: Some(header.message_id.clone()),
        conversation_id: Some(header.conversation_id.clone()),
        partner: header.from.id.parse().ok(),
        next_attempt_at: Some(due),
        ..Message::new(Direction::In, carriage, of, now)
    })
}

/// The row of the event log (AP-3.4.1.t08 to t14).
fn received_event(opened: &Opened, message: Option<&Message>, now: Timestamp) -> Event {
    let header = &opened.message;
    let detail = if message.is_some() {
        "received, opened and durable; the AS4 receipt follows"
    } else {
        "a test message was received; it is not delivered"
    };
    let certificate = opened.signer.as_ref().map(|signer| signer.certificate());
    let event = Event::new(now, message.map(|message| message.id), Stage::Received, detail)
        .fact("partner", &header.from.id)
        .fact("from", header.original_sender().unwrap_or_default())
        .fact("to", header.final_recipient().unwrap_or_default())
        .fact("as4_message_id", &header.message_id)
        .fact("conversation_id", &header.conversation_id);
    signed_by(event, certificate, &opened.signature_value)
}

/// With the sending access point's certificate and signature (AP-3.4.1.t09).
fn signed_by(event: Event, certificate: Option<&Certificate>, signature: &[u8]) -> Event {
    event
        .fact("certificate_subject", certificate.map_or("", Certificate::subject))
        .fact("certificate_sha256", certificate.map(Certificate::sha256).unwrap_or_default())
        .fact("signature", crypto::hex(signature))
}

// === Step ===

/// What one look at a received envelope found.
pub(super) enum Delivered {
    /// It conforms, and waits for its participant.
    Held(EnvelopeId),
    /// The message service of this process has it.
    Handled(Handled),
}

/// Why it was not delivered.
pub(super) enum Undelivered {
    /// The envelope does not conform, or disagrees with the AS4 header (AP-3.2.1, AP-3.2.2): for good.
    Nonconforming(Problem),
    /// Our disk no longer has what was stored: it gets no better until somebody brings it back.
    Damaged(Problem),
    /// Something of ours or of the federation failed: it may pass.
    Temporary(Unhandled),
}

/// Checks the envelope and its agreement with the AS4 header. Blocks.
fn step(router: &Router, message: &Message) -> Result<xhe::Header, Undelivered> {
    let header = trace::stage_of("check", || checked(router, message))?;
    agrees(message, &header, &router.settings().federation).map_err(Undelivered::Nonconforming)?;
    Ok(header)
}

/// Hands the envelope with this header to the message service of this process.
async fn handed_over(service: &dyn HandOver, message: &Message, header: xhe::Header) -> Result<Delivered, Undelivered> {
    let message = Message { envelope_id: header.id, ..message.clone() };
    let handled = trace::stage("open", service.receive(&message)).await;
    handled.map(Delivered::Handled).map_err(Undelivered::Temporary)
}

/// The header of an envelope that conforms (XHE-2.5.a, b).
fn checked(router: &Router, message: &Message) -> Result<xhe::Header, Undelivered> {
    let checked = Kept::open(router.store.blobs(), message).and_then(|mut kept| {
        let checked = xhe::check(BufReader::new(&mut kept), xhe::Level::Text);
        // What our own disk changed is not the sender's fault, and nothing to delete.
        kept.whole().map(|()| checked)
    });
    let checked = checked.map_err(|unread| match unread {
        Unread::Damaged(problem) => Undelivered::Damaged(problem),
        Unread::Failed(problem) => Undelivered::Temporary(problem.into()),
    })?;
    match checked.map(xhe::Checked::accepted) {
        Ok(Ok(header)) => Ok(header),
        Ok(Err(findings)) => {
            let all: Vec<String> = findings
                .iter()
                .map(|f| format!("{} {}: found {}, expected {}", f.rule, f.path, f.found, f.expected))
                .collect();
            let rule = findings.first().map_or("XHE-2.5.b", |finding| finding.rule.as_str());
            Err(Undelivered::Nonconforming(nonconforming(rule, &all.join("; "))))
        }
        Err(error) => Err(Undelivered::Nonconforming(nonconforming("XHE-2.5.a", &error.to_string()))),
    }
}

fn nonconforming(rule: &str, detail: &str) -> Problem {
    Problem::new(
        Fault::Refused,
        "nonconforming-envelope",
        "the envelope does not conform and was deleted",
        format!("{detail}; report it to the platform owner (APOP-4.1.1.a)"),
    )
    .rule(rule)
}

/// Whether AS4 header and envelope say the same (AP-3.1.6).
fn agrees(message: &Message, header: &xhe::Header, federation: &str) -> Result<(), Problem> {
    let pairs = [
        ("AP-3.1.6.a", "finalRecipient", message.to.folded(), header.to.folded()),
        ("AP-3.1.6.b", "originalSender", message.from.folded(), header.from.folded()),
        ("AP-3.1.6.c", "eb:Action", message.document_type.to_string(), header.document_type.to_string()),
        ("AP-3.1.6.c", "eb:Service", message.process.to_string(), header.process.to_string()),
        ("XHE-2.2.t07", "the federation", federation.to_owned(), header.federation.clone()),
    ];
    for (rule, what, of_header, of_envelope) in pairs {
        if of_header != of_envelope {
            return Err(nonconforming(
                rule,
                &format!("the envelope disagrees with {what}: found {of_envelope}, expected {of_header}"),
            ));
        }
    }
    Ok(())
}
