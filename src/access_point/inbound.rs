//! Inbound (C3): an AS4 message of another access point comes to a participant of ours.
//!
//! [`receive`] makes it durable and answers. The worker calls [`attempt`], which has [`step`] check the envelope and
//! hand it over, asks [`outcome`] what that meant, and writes it.

use super::parts::Parts;
use super::{HandOver, Handled, Router, Settings, blocking, store_problem};
use crate::as4::{
    self, Answer, Attributed, Claimed, Finding, KeyReference, Kind, Opened, Refusal, error, pmode, receipt,
};
use crate::crypto;
use crate::model::{
    As4MessageId, Carriage, Change, Direction, DocumentType, EnvelopeId, Event, Fault, Message, MessageId, Outcome,
    ParticipantId, PartyId, Problem, ProcessId, Stage, Status, Timestamp,
};
use crate::pki::Certificate;
use crate::store::{Answered, Committed, DuplicateKey, Settlement, StoreError, Transaction};
use crate::xhe;
use crate::xml::algorithm::Allowed;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

/// Pause before an envelope is handed over again after a temporary failure.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(5);

/// Longest value of an unverified header that is recorded, in characters.
const CLAIM_CHARS_MAX: usize = 256;

// === Entry ===

/// What is answered to an AS4 request.
#[derive(Debug)]
pub struct Response {
    /// HTTP status (protocol.md 1.12).
    pub status: u16,
    /// Content-Type and body; none where nothing can be said.
    pub body: Option<(String, String)>,
}

/// Takes one AS4 request: read, attributed, addressed, opened, made durable, and only then receipted.
///
/// A duplicate gets the first AS4 receipt again. A refusal becomes a signed ebMS error and an event,
/// and leaves no message behind. A failure of our own is HTTP 503: the sender tries again.
pub async fn receive(router: &Arc<Router>, content_type: String, body: impl Read + Send + 'static) -> Response {
    let mut claimed = None;
    let result = take(router, content_type, body, &mut claimed).await;
    match result {
        Ok(answer) => Response { status: 200, body: Some((answer.content_type, answer.body)) },
        Err(Failure::Refused(refusal)) => refuse(router, *refusal, claimed.as_ref()).await,
        Err(Failure::Own(problem)) => {
            tracing::error!(problem = %problem, "an AS4 request could not be taken");
            Response { status: 503, body: None }
        }
    }
}

/// Why a request was not taken: the peer's doing, or ours.
pub(super) enum Failure {
    Refused(Box<Refusal>),
    Own(Problem),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Own(store_problem(&error))
    }
}

async fn take(
    router: &Arc<Router>,
    content_type: String,
    body: impl Read + Send + 'static,
    claimed: &mut Option<Claimed>,
) -> Result<Answer, Failure> {
    let received = apart(move || Ok(as4::read(&content_type, body)?)).await?;
    *claimed = Some(received.claimed());
    if received.kind() != Kind::UserMessage {
        return Err(Refusal::Feature(
            Finding::new(
                format!("a {} as a request", received.kind().word()),
                "a user message: AS4 receipts and errors come in answers here",
            )
            .rule("AS4-2.3.1.i"),
        )
        .into());
    }
    let (reference, sender) = (received.signer_reference().cloned(), received.claimed().original_sender);
    let candidates = candidates(router, reference, sender).await;
    let router = Arc::clone(router);
    apart(move || {
        let settings = router.settings();
        let attributed = received.verify(&candidates, &settings.trust, router.now(), &Allowed::new())?;
        let key = addressed(&settings, &attributed)?;
        if let Some(answer) = answered_before(&router, &attributed, &key)? {
            return Ok(answer);
        }
        opened(&router, &settings, attributed, key)
    })
    .await
}

/// Runs a stage beside the asynchronous threads.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(Failure::Own(Problem::new(Fault::Temporary, "internal", "the work was broken off", error.to_string())))
        }
    }
}

/// Certificates that the signature may mean where the message does not carry its own: those of known
/// partners, and that of the original sender's access point in SMP. They are then trusted like any other.
async fn candidates(router: &Arc<Router>, reference: Option<KeyReference>, sender: Option<String>) -> Vec<Certificate> {
    let Some(reference) = reference.filter(|reference| reference.certificates().is_empty()) else { return Vec::new() };
    let known = router.known_partners();
    if known.iter().any(|certificate| reference.names(certificate)) {
        return known;
    }
    let Some(sender) = sender.and_then(|id| id.parse::<ParticipantId>().ok()) else { return known };
    match router.discovery.route(&sender, &DocumentType::message_receipt(), &ProcessId::default()).await {
        Ok(route) => vec![route.certificate.certificate().clone()],
        Err(error) => {
            tracing::warn!(problem = %error.problem(), "the certificate of an AS4 signature is looked for in SMP, in vain");
            known
        }
    }
}

/// Whether the message is for us and for a participant that we serve for this document type (AS4-2.5.a).
fn addressed<R: Read>(settings: &Settings, attributed: &Attributed<R>) -> Result<DuplicateKey, Refusal> {
    let message = attributed.message();
    if message.to.id != settings.party.as_str() {
        return Err(Refusal::Mismatch(
            Finding::new(format!("eb:To/eb:PartyId {}", message.to.id), settings.party.as_str()).rule("AS4-2.3.1.m"),
        ));
    }
    let from = message.from.id.parse::<PartyId>().map_err(|error| invalid("eb:From/eb:PartyId", &error.to_string()))?;
    if !pmode::is_test(message) {
        serviced(settings, message)?;
    }
    Ok(DuplicateKey { id: message.message_id.clone(), from })
}

/// A header value that is none.
fn invalid(element: &str, what: &str) -> Refusal {
    Refusal::Header(
        Finding::new(format!("{element}: {what}"), "a value as the transport profile has it").rule("AS4-2.3.1.p1"),
    )
}

fn serviced(settings: &Settings, message: &as4::UserMessage) -> Result<(), Refusal> {
    let recipient = message.final_recipient().unwrap_or_default();
    let served = recipient.parse::<ParticipantId>().ok().and_then(|id| settings.participants.get(&id));
    let Some(served) = served else { return Err(Refusal::not_serviced(recipient, &message.action)) };
    let document_type = DocumentType::from_action(&message.action);
    let takes = document_type.is_some_and(|document_type| served.document_types.contains(&document_type));
    if takes { Ok(()) } else { Err(Refusal::not_serviced(recipient, &message.action)) }
}

/// The answer that this message got the first time. The same id with another content is no duplicate.
fn answered_before<R: Read>(
    router: &Router,
    attributed: &Attributed<R>,
    key: &DuplicateKey,
) -> Result<Option<Answer>, Failure> {
    let Some(answered) = router.store.answered(key)? else { return Ok(None) };
    again(router, answered, &attributed.fingerprint(), key).map(Some)
}

fn again(router: &Router, answered: Answered, fingerprint: &str, key: &DuplicateKey) -> Result<Answer, Failure> {
    if answered.fingerprint != fingerprint {
        return Err(Refusal::Reused(
            Finding::new(
                format!("another content under message id {}", key.id),
                "the content of the first time, or a new id",
            )
            .rule("SAD-5.3.7.1"),
        )
        .into());
    }
    let event = Event::new(
        router.now(),
        answered.message,
        Stage::Duplicate,
        "the same AS4 message came again and got the first AS4 receipt again",
    )
    .fact("as4_message_id", &key.id)
    .fact("partner", &key.from);
    router.commit(Transaction { events: vec![event], ..Transaction::default() })?;
    Ok(Answer { content_type: answered.content_type, body: answered.body })
}

/// Opens the parts into payloads, builds the AS4 receipt, and makes all of it durable at once.
fn opened<R: Read>(
    router: &Router,
    settings: &Settings,
    attributed: Attributed<R>,
    key: DuplicateKey,
) -> Result<Answer, Failure> {
    let mut parts = Parts::at(router.store.blobs());
    let fingerprint = attributed.fingerprint();
    let opened = attributed
        .open(std::slice::from_ref(&settings.identity), &mut parts)
        .map_err(|refusal| parts.failure(refusal))?;
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
        if pmode::is_test(&opened.message) { None } else { Some(new_message(settings, &opened, parts, now)?) };
    let answered = Answered {
        message: message.as_ref().map(|message| message.id),
        content_type: answer.content_type.clone(),
        body: answer.body.clone(),
        fingerprint: fingerprint.clone(),
    };
    let event = received_event(&opened, message.as_ref(), now);
    let envelope = message.as_ref().and_then(|message| message.envelope);
    let transaction = Transaction {
        inserts: message.into_iter().collect(),
        answered: Some((key.clone(), answered)),
        settlements: Vec::new(),
        events: vec![event],
    };
    if let Some(signer) = &opened.signer {
        router.remember(signer.certificate());
    }
    match router.commit(transaction)? {
        Committed::Done => Ok(answer),
        // The same message came twice at the same time: the other one was first.
        Committed::Duplicate(first) => {
            envelope.map_or(Ok(()), |blob| router.store.blobs().remove(blob))?;
            again(router, first, &fingerprint, &key)
        }
    }
}

/// The message in its first status. What the envelope says is checked by the step.
fn new_message(settings: &Settings, opened: &Opened, parts: Parts<'_>, now: Timestamp) -> Result<Message, Failure> {
    let header = &opened.message;
    if opened.parts.len() != 1 {
        return Err(one_part(opened.parts.len()).into());
    }
    let participant = |name, value: Option<&str>| {
        value.unwrap_or_default().parse::<ParticipantId>().map_err(|error| invalid(name, &error.to_string()))
    };
    let to = participant("finalRecipient", header.final_recipient())?;
    let from = participant("originalSender", header.original_sender())?;
    let document_type = DocumentType::from_action(&header.action)
        .ok_or_else(|| invalid("eb:Action", "expected a scheme, :: and an identifier"))?;
    let carriage = settings.participants.get(&to).map_or(Carriage::Carried, |served| served.carriage);
    // The id that the header claims, until the step reads the envelope's own.
    let envelope_id = header
        .conversation_id
        .parse::<EnvelopeId>()
        .or_else(|_| header.message_id.as_str().parse())
        .map_err(|error| invalid("eb:ConversationId", &error.to_string()))?;
    let (envelope, envelope_bytes, envelope_sha256) = parts.keep()?;
    Ok(Message {
        id: MessageId::now(),
        direction: Direction::In,
        carriage,
        status: Status::Received,
        from,
        to,
        document_type,
        process: ProcessId {
            scheme: header.service_type.clone().unwrap_or_else(|| pmode::SERVICE_TYPE.to_owned()),
            value: header.service.clone(),
        },
        envelope_id,
        envelope: Some(envelope),
        envelope_bytes,
        envelope_sha256,
        as4_message_id: Some(header.message_id.clone()),
        conversation_id: Some(header.conversation_id.clone()),
        partner: header.from.id.parse().ok(),
        packed: None,
        attempts: 0,
        next_attempt_at: Some(now),
        lease_until: None,
        renewed_at: None,
        taken_at: None,
        created_at: now,
        updated_at: now,
        error: None,
        as4_receipt: None,
        message_receipt: None,
        acknowledges: None,
        content: None,
    })
}

/// The envelope is the one part (C-15).
pub(super) fn one_part(found: usize) -> Refusal {
    Refusal::Payload(Finding::new(format!("{found} parts"), "one part, the envelope").rule("AS4-2.6.a"))
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
    Event::new(now, message.map(|message| message.id), Stage::Received, detail)
        .fact("partner", &header.from.id)
        .fact("certificate_subject", certificate.map_or("", Certificate::subject))
        .fact("certificate_sha256", certificate.map(Certificate::sha256).unwrap_or_default())
        .fact("from", header.original_sender().unwrap_or_default())
        .fact("to", header.final_recipient().unwrap_or_default())
        .fact("as4_message_id", &header.message_id)
        .fact("conversation_id", &header.conversation_id)
        .fact("signature", crypto::hex(&opened.signature_value))
}

/// Answers a refusal with a signed ebMS error, and records it. Nothing else stays of the request.
async fn refuse(router: &Arc<Router>, refusal: Refusal, claimed: Option<&Claimed>) -> Response {
    let problem = refusal.problem();
    let mut event = Event::new(router.now(), None, Stage::Refused, "an AS4 message was refused").problem(problem);
    for (name, value) in claimed.map(claims).unwrap_or_default() {
        event = event.fact(name, value);
    }
    let in_reply_to = claimed.map(|claimed| claimed.message_id.clone());
    let keeper = Arc::clone(router);
    let built = blocking(move || {
        let settings = keeper.settings();
        let id = As4MessageId::new(uuid::Uuid::new_v4(), &settings.party);
        if let Err(error) = keeper.commit(Transaction { events: vec![event], ..Transaction::default() }) {
            tracing::error!(%error, "a refusal could not be recorded");
        }
        error::build(&refusal, in_reply_to.as_ref(), &settings.identity, &id, keeper.now()).map_err(|error| {
            Problem::new(Fault::Temporary, "error-signal", "the ebMS error could not be signed", error.to_string())
        })
    })
    .await;
    match built {
        Ok(answer) => Response {
            status: if claimed.is_some() { 200 } else { 400 },
            body: Some((answer.content_type, answer.body)),
        },
        Err(problem) => {
            tracing::error!(problem = %problem, "a refusal could not be answered");
            Response { status: 500, body: None }
        }
    }
}

/// What a refused message said of itself; none of it is verified.
fn claims(claimed: &Claimed) -> Vec<(&'static str, String)> {
    let party = |party: &Option<as4::Party>| party.as_ref().map(|party| party.id.clone());
    let all = [
        ("claimed_partner", party(&claimed.from)),
        ("claimed_from", claimed.original_sender.clone()),
        ("claimed_to", claimed.final_recipient.clone()),
        ("claimed_as4_message_id", Some(claimed.message_id.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?.chars().take(CLAIM_CHARS_MAX).collect()))).collect()
}

// === Step ===

/// What one look at a received envelope found.
enum Delivered {
    /// It conforms, and waits for its participant.
    Held(EnvelopeId),
    /// The message service of this process has it.
    Handled(Handled),
}

/// Why it was not delivered.
enum Undelivered {
    /// The envelope does not conform, or disagrees with the AS4 header (AP-3.2.1, AP-3.2.2): for good.
    Nonconforming(Problem),
    /// Something of ours or of the federation failed: it may pass.
    Temporary(Problem),
}

/// Checks the envelope and its agreement with the AS4 header, and hands it over.
async fn step(
    router: &Arc<Router>,
    hand_over: Option<Arc<dyn HandOver>>,
    mut message: Message,
) -> Result<Delivered, Undelivered> {
    let header = checked(router, &message).await?;
    agrees(&message, &header, &router.settings().federation).map_err(Undelivered::Nonconforming)?;
    message.envelope_id = header.id.clone();
    match hand_over.filter(|_| message.carriage == Carriage::Own) {
        Some(service) => Ok(Delivered::Handled(service.receive(&message).await.map_err(Undelivered::Temporary)?)),
        None => Ok(Delivered::Held(header.id)),
    }
}

/// The header of an envelope that conforms (XHE-2.5.a, b).
async fn checked(router: &Arc<Router>, message: &Message) -> Result<xhe::Header, Undelivered> {
    let router = Arc::clone(router);
    let envelope = message.envelope;
    let checked = blocking(move || {
        let blob = envelope.ok_or_else(|| {
            Problem::new(
                Fault::Temporary,
                "store",
                "the envelope is no longer there",
                "look at data_dir, and restore it from a backup if it is damaged",
            )
        })?;
        let file = router.store.blobs().open(blob).map_err(|error| store_problem(&error))?;
        Ok(xhe::check(BufReader::new(file), xhe::Level::Text))
    })
    .await
    .map_err(Undelivered::Temporary)?;
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

// === Outcome ===

/// What the look meant: the one transaction that is written.
fn outcome(message: &Message, result: Result<Delivered, Undelivered>, now: Timestamp) -> Transaction {
    let settle = |outcome, changes| Settlement {
        id: message.id,
        claim: message.lease_until,
        release: true,
        outcome: Some(outcome),
        changes,
    };
    match result {
        Ok(Delivered::Handled(handled)) => {
            let Handled { hold: _, mut settlement, inserts, mut settlements, events } = handled;
            settlement.claim = message.lease_until;
            settlement.release = true;
            settlement.changes.push(Change::Due(None));
            settlements.insert(0, settlement);
            Transaction { inserts, settlements, events, answered: None }
        }
        Ok(Delivered::Held(envelope_id)) => {
            let event =
                Event::new(now, Some(message.id), Stage::Held, "the envelope conforms and waits for its participant")
                    .fact("envelope_id", &envelope_id);
            let changes = vec![Change::EnvelopeId(envelope_id), Change::Due(None), Change::Error(None)];
            Transaction {
                settlements: vec![settle(Outcome::Hold, changes)],
                events: vec![event],
                ..Transaction::default()
            }
        }
        Err(Undelivered::Nonconforming(problem)) => {
            let event = refused_event(message, &problem, now);
            let changes = vec![Change::EnvelopeGone, Change::Due(None), Change::Error(Some(problem))];
            Transaction {
                settlements: vec![settle(Outcome::Discard, changes)],
                events: vec![event],
                ..Transaction::default()
            }
        }
        Err(Undelivered::Temporary(problem)) => {
            let event = Event::new(
                now,
                Some(message.id),
                Stage::AttemptFailed,
                "the envelope could not be handed over and is tried again",
            )
            .problem(problem.clone());
            let next = now.saturating_add(HAND_OVER_PAUSE).unwrap_or(Timestamp::MAX);
            let changes =
                vec![Change::Attempts(message.attempts + 1), Change::Due(Some(next)), Change::Error(Some(problem))];
            Transaction {
                settlements: vec![settle(Outcome::Defer, changes)],
                events: vec![event],
                ..Transaction::default()
            }
        }
    }
}

fn refused_event(message: &Message, problem: &Problem, now: Timestamp) -> Event {
    let mut event =
        Event::new(now, Some(message.id), Stage::Discarded, "the envelope was refused and deleted; the row stays")
            .fact("from", &message.from)
            .fact("to", &message.to)
            .problem(problem.clone());
    if let Some(partner) = &message.partner {
        event = event.fact("partner", partner);
    }
    event
}

/// One look from claim to settlement: the step, its outcome, and the one transaction that writes it.
pub(super) async fn attempt(
    router: Arc<Router>,
    hand_over: Option<Arc<dyn HandOver>>,
    message: Message,
) -> Result<(), Problem> {
    let mut result = step(&router, hand_over, message.clone()).await;
    let hold = if let Ok(Delivered::Handled(handled)) = &mut result { handled.hold.take() } else { None };
    let transaction = outcome(&message, result, router.now());
    blocking(move || {
        let committed = router.commit(transaction).map_err(|error| store_problem(&error));
        drop(hold);
        committed.map(|_| ())
    })
    .await
}
