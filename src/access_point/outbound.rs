//! Outbound (C2): an envelope of our participant goes to the receiving access point.
//!
//! [`accept`] makes it durable. The worker calls [`attempt`], which has [`step`] make one attempt, asks [`outcome`]
//! what it meant, and writes that.

use super::queries::reread;
use super::retry::{Retry, Tried, after};
use super::send_error::SendError;
use super::spool::Kept;
use super::{Router, Settings, Spool, blocking, store_problem};
use crate::as4::{
    self, Compression, Corners, Outgoing, OutgoingPart, Packed, PackedPiece, UserMessage, pmode, receipt,
};
use crate::crypto::{self, SystemRandom};
use crate::discovery::Route;
use crate::model::{
    As4MessageId, As4ReceiptSummary, BlobId, Carriage, Change, Content, Direction, EnvelopeId, Enveloped, Event, Fault,
    Lane, Message, Outcome, Packing, ParticipantId, PartyId, Piece, Priority, Problem, Query, Stage, Status, Timestamp,
};
use crate::net::Body;
use crate::ops::{log, trace};
use crate::pki::Certificate;
use crate::store::{BlobWriter, Evidence, HandedIn, Settlement, StoreError, Transaction};
use crate::xhe;
use std::io::BufReader;
use std::sync::Arc;
use std::time::Instant;

/// A sealed envelope handed in for sending.
pub struct Submission {
    /// Who hands it in.
    pub participant: ParticipantId,
    /// The envelope.
    pub envelope: Spool,
    /// Whether it is of our own message service.
    pub carriage: Carriage,
    /// Own: what the message service knows of it.
    pub content: Option<Content>,
    /// Own: what is in the envelope, in clear, aside. It vanishes unless the message becomes durable.
    pub payload: Option<BlobWriter>,
    /// Own message receipt: the envelope that it acknowledges.
    pub acknowledges: Option<EnvelopeId>,
    /// How soon it goes among others.
    pub priority: Priority,
}

// === Entry ===

/// Takes a sealed envelope for sending: checked, then durable, then answered.
///
/// The same envelope handed in again is the same message; another under its id is refused.
///
/// # Errors
///
/// Those of [`prepare`]. Nothing is kept then.
pub(super) fn accept(router: &Router, submission: Submission) -> Result<Message, Problem> {
    let span = log::journey(log::Work::Submit);
    span.in_scope(|| {
        let message = prepare(router, submission)?;
        log::name(&span, &message);
        keep(router, message)
    })
}

/// Makes a message durable; one whose envelope was handed in before is the message of the first time.
pub(super) fn keep(router: &Router, message: Message) -> Result<Message, Problem> {
    let transaction =
        Transaction { inserts: vec![message.clone()], events: vec![accepted(&message)], ..Transaction::default() };
    match router.commit(transaction) {
        Ok(_) => Ok(message),
        Err(StoreError::HandedIn(first)) => first_time(router, &message, &first),
        Err(error) => Err(store_problem(&error)),
    }
}

/// Checks an envelope and makes it durable aside, for a transaction that inserts its message.
///
/// # Errors
///
/// Refused with the rule when the envelope does not conform (AP-2.4.2) or is not this participant's
/// to send (APOP-3.3.b, AS4-2.6.b). Temporary when the store cannot keep it.
pub(super) fn prepare(router: &Router, submission: Submission) -> Result<Message, Problem> {
    let header = checked(&submission.envelope)?;
    may_send(&router.settings(), &submission.participant, &header)?;
    new_message(router, submission, header).map_err(|error| store_problem(&error))
}

/// The first event of a message that goes out.
pub fn accepted(message: &Message) -> Event {
    Event::of(message.created_at, message, Stage::Accepted, "the sealed envelope was accepted for sending")
        .fact("envelope_id", &message.envelope_id)
        .fact("bytes", message.envelope_bytes)
        .known("priority", Some(message.priority).filter(|priority| !priority.is_default()))
}

/// The header of an envelope that conforms to the text of the profile (R1 to R14).
fn checked(envelope: &Spool) -> Result<xhe::Header, Problem> {
    let checked = xhe::check(reread(envelope)?, xhe::Level::Text)
        .map_err(|error| refused_envelope("XHE-2.5.a", &error.to_string()))?;
    checked.accepted().map_err(|findings| {
        let first = findings.first().map_or(("XHE-2.5.b".to_owned(), String::new()), |f| {
            (f.rule.clone(), format!("{}: found {}, expected {}", f.path, f.found, f.expected))
        });
        refused_envelope(
            &first.0,
            &format!("{} ({} findings; `sluss envelope check` lists them)", first.1, findings.len()),
        )
    })
}

fn refused_envelope(rule: &str, detail: &str) -> Problem {
    Problem::new(Fault::Refused, "envelope", "the envelope does not conform", detail).rule(rule)
}

/// Whether `participant` is ours, and the envelope is its own and of our federation.
fn may_send(settings: &Settings, participant: &ParticipantId, header: &xhe::Header) -> Result<(), Problem> {
    let refuse = |rule: &str, detail: String| {
        Err(Problem::new(Fault::Refused, "not-yours", "the envelope is not this participant's to send here", detail)
            .rule(rule))
    };
    if !settings.participants.contains_key(participant) {
        return refuse(
            "APOP-3.3.b",
            format!(
                "found participant {participant}, expected one that this access point serves; add a [[participant]] table"
            ),
        );
    }
    if header.from != *participant {
        return refuse(
            "APOP-3.3.b",
            format!("found FromParty {}, expected {participant}, who hands it in", header.from),
        );
    }
    if header.federation != settings.federation {
        return refuse(
            "XHE-2.1.t01",
            format!("found FEDERATIONID {}, expected {}", header.federation, settings.federation),
        );
    }
    Ok(())
}

/// The message, its envelope durable aside, in its first status.
fn new_message(router: &Router, submission: Submission, header: xhe::Header) -> Result<Message, StoreError> {
    let (now, begun_at) = (router.now(), router.steady());
    let payload = submission.payload.map(BlobWriter::commit).transpose()?;
    let kept = submission.envelope.keep().inspect_err(|_| discard(router, payload));
    let (envelope, bytes, sha256) = kept?;
    let of = Enveloped {
        id: header.id,
        from: header.from,
        to: header.to,
        document_type: header.document_type,
        process: header.process,
        envelope: Some(envelope),
        bytes,
        sha256,
    };
    Ok(Message {
        next_attempt_at: Some(begun_at),
        begun_at: Some(begun_at),
        acknowledges: submission.acknowledges,
        priority: submission.priority,
        content: submission.content.map(|content| Content { payload, ..content }),
        ..Message::new(Direction::Out, submission.carriage, of, now)
    })
}

/// Removes payloads that no message will have.
fn discard(router: &Router, payloads: impl IntoIterator<Item = BlobId>) {
    for blob in payloads {
        if let Err(error) = router.store.blobs().remove(blob) {
            tracing::warn!(%error, "a payload of a message that was not taken stays until the next start");
        }
    }
}

/// The message that this envelope made the first time, if its bytes are the same and it is still kept.
fn first_time(router: &Router, again: &Message, first: &HandedIn) -> Result<Message, Problem> {
    let refuse = |what: &str, detail: String| {
        let detail = format!("{detail} message {}; give a new envelope a new id", first.message);
        Err(Problem::new(Fault::Refused, "duplicate-envelope", what, detail).rule("XHE-2.2.t03"))
    };
    let id = &again.envelope_id;
    if again.envelope_sha256 != first.envelope_sha256 {
        let detail = format!("found other bytes under envelope id {id}, which is");
        return refuse("an envelope with this id was sent already", detail);
    }
    match router.store.message(first.message).map_err(|error| store_problem(&error))? {
        Some(message) => Ok(message),
        None => refuse(
            "this envelope was sent already",
            format!("found envelope id {id}, of which no more is kept (retention.messages_days) than that it was"),
        ),
    }
}

// === Step ===

/// Makes one attempt to hand `message` to the receiving access point.
///
/// The packed message is kept before its first byte leaves: a retry sends the same id and the same
/// bytes (AS4 reception awareness). What the result means is decided in [`outcome`] alone.
pub(super) async fn step(router: &Arc<Router>, message: &mut Message) -> Result<As4ReceiptSummary, SendError> {
    if message.packed.is_none() {
        let route = router.discovery.route(&message.to, &message.document_type, &message.process);
        let route = trace::stage("discover", route).await?;
        router.note(Lane::Lookup, None);
        *message = trace::stage("pack", packed(router, message.clone(), route)).await?;
    } else if message.attempts > 1 {
        readdress(router, message).await;
    }
    let (packing, sent_id) = sealed_with(message)?;
    let body = body(router, packing).map_err(SendError::Own)?;
    let begun = Instant::now();
    let (url, kind, most) = (&packing.url, &packing.content_type, crate::limits::AS4_ANSWER_BYTES_MAX);
    let posted = router.client.post(url, kind, body, most, crate::limits::AS4_EXCHANGE_MAX);
    let answer = trace::stage("as4 send", posted).await;
    router.metrics.exchange(Direction::Out, begun.elapsed());
    let answer = answer?;
    let certificate = Certificate::from_pem(packing.certificate.as_bytes())
        .map_err(|error| SendError::Own(store_damaged(&error.to_string())))?;
    let (references, sent_id, signer, now) =
        (packing.references.clone(), sent_id.clone(), certificate.clone(), router.now());
    let allowed = router.settings().tolerated(message.partner.as_ref()).allowed;
    let check = move || {
        let kind = answer.content_type.as_deref();
        receipt::check(kind, &answer.body, &references, &sent_id, &signer, now, &allowed)
    };
    let checked = async {
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|error| SendError::Own(store_damaged(&error.to_string())))?.map_err(SendError::from)
    };
    let receipt = trace::stage("receipt", checked).await?;
    router.remember(&certificate);
    Ok(As4ReceiptSummary {
        signed_by: certificate.subject().to_owned(),
        certificate_sha256: certificate.sha256(),
        signature: crypto::hex(&receipt.signature_value),
        references_matched: true,
        soap: receipt.soap,
    })
}

/// The same bytes go where the receiver is now: it may have moved since the message was packed. Whom the message was
/// encrypted to stays, and a look-up that leads to nobody or to another changes nothing.
async fn readdress(router: &Router, message: &mut Message) {
    let route = router.discovery.route(&message.to, &message.document_type, &message.process).await;
    if let (Ok(route), Some(packing)) = (route, &mut message.packed)
        && packing.certificate == route.certificate.certificate().to_pem()
    {
        packing.url = route.url;
    }
}

/// Packs the message for `route`, and keeps the result under the message's claim.
async fn packed(router: &Arc<Router>, mut message: Message, route: Route) -> Result<Message, SendError> {
    let router = Arc::clone(router);
    let work = move || -> Result<Message, SendError> {
        router.store.route(&message.to, &route.party).map_err(|error| SendError::Own(store_problem(&error)))?;
        let settings = router.settings();
        let id = As4MessageId::new(uuid::Uuid::new_v4(), &settings.party);
        let header = header(&settings, &message, &id, &route, router.now());
        let packing = pack(&router, &settings, &message, header, &route)?;
        let event = |stage, detail: &str| {
            let event = Event::of(router.now(), &message, stage, detail).fact("partner", &route.party);
            event.fact("conversation_id", &message.envelope_id).fact("as4_message_id", &id)
        };
        let events = vec![
            event(Stage::Routed, &format!("the route leads to {}", route.party))
                .fact("url", &route.url)
                .fact("certificate_sha256", route.certificate.certificate().sha256()),
            event(Stage::Packed, "signed, encrypted and packed").fact("bytes", packing.bytes),
        ];
        keep_packed(&router, &mut message, id, route.party, packing, events)?;
        Ok(message)
    };
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(error) => Err(SendError::Own(store_damaged(&error.to_string()))),
    }
}

/// Keeps what is about to be sent, before its first byte leaves.
pub(super) fn keep_packed(
    router: &Router,
    message: &mut Message,
    id: As4MessageId,
    party: PartyId,
    packing: Packing,
    events: Vec<Event>,
) -> Result<(), SendError> {
    let changes =
        vec![Change::Addressed(id, message.envelope_id.to_string(), party), Change::Packed(Some(Box::new(packing)))];
    changes.iter().cloned().for_each(|change| message.apply(change));
    log::name(&tracing::Span::current(), message);
    let settlement = Settlement { id: message.id, claim: message.lease_until, release: false, outcome: None, changes };
    let transaction = Transaction { settlements: vec![settlement], events, ..Transaction::default() };
    router.commit(transaction).map(drop).map_err(|error| SendError::Own(store_problem(&error)))
}

/// The AS4 header, field by field as the transport profile says (AS4-2.3.1).
fn header(settings: &Settings, message: &Message, id: &As4MessageId, route: &Route, now: Timestamp) -> UserMessage {
    let corners = Corners {
        message_id: id,
        at: now,
        access_points: [settings.party.as_str(), route.party.as_str()],
        participants: [message.from.as_str(), message.to.as_str()],
        conversation_id: message.envelope_id.to_string(),
    };
    UserMessage::of_sdk(corners, message.process.clone(), &message.document_type)
}

/// Compresses, signs and encrypts the envelope into a payload of the store (AS4-2.10.p1).
fn pack(
    router: &Router,
    settings: &Settings,
    message: &Message,
    header: UserMessage,
    route: &Route,
) -> Result<Packing, SendError> {
    let own = |error: StoreError| SendError::Own(store_problem(&error));
    let mut kept = Kept::open(router.store.blobs(), message)?;
    let mut content = BufReader::new(&mut kept);
    let mut cipher = router.store.blobs().create(Some(message.envelope_bytes)).map_err(own)?;
    // What is sealed does not compress: the gzip that the profile asks for stores it as it is.
    let compression =
        if message.document_type.is_message_receipt() { Compression::Deflate } else { Compression::Stored };
    let part = OutgoingPart {
        content_id: pmode::ENVELOPE_CONTENT_ID,
        mime: pmode::ENVELOPE_MIME,
        charset: None,
        compression,
        content: &mut content,
        cipher: &mut cipher,
    };
    let packed = as4::pack(
        Outgoing { message: header, parts: vec![part], identity: &settings.identity, to: &route.certificate },
        &SystemRandom,
    )?;
    kept.whole()?;
    let cipher = cipher.commit().map_err(own)?;
    Ok(packing(packed, cipher, route))
}

fn packing(packed: Packed, cipher: BlobId, route: &Route) -> Packing {
    let bytes = packed.bytes();
    let pieces = packed.pieces.into_iter().map(|piece| match piece {
        PackedPiece::Text(text) => Piece::Text(text),
        PackedPiece::Part(_) => Piece::File(cipher),
    });
    Packing {
        content_type: packed.content_type,
        pieces: pieces.collect(),
        bytes,
        references: packed.references,
        url: route.url.clone(),
        certificate: route.certificate.certificate().to_pem(),
    }
}

/// The packed message as a streaming body.
fn body(router: &Router, packing: &Packing) -> Result<Body, Problem> {
    packing.pieces.iter().try_fold(Body::empty(), |body, piece| match piece {
        Piece::Text(text) => Ok(body.memory(text.clone())),
        Piece::File(blob) => {
            let file = router.store.blobs().open(*blob).map_err(|error| store_problem(&error))?;
            body.file(file).map_err(|error| store_damaged(&error.to_string()))
        }
    })
}

fn sealed_with(message: &Message) -> Result<(&Packing, &As4MessageId), SendError> {
    message
        .packed
        .as_ref()
        .zip(message.as4_message_id.as_ref())
        .ok_or_else(|| SendError::Own(store_damaged("the packed message is no longer there")))
}

fn store_damaged(detail: &str) -> Problem {
    Problem::new(
        Fault::Temporary,
        "store",
        "the store did not have what it should",
        format!("{detail}; look at data_dir, and restore it from a backup if it is damaged"),
    )
}

// === Outcome ===

/// What `result` means for `message`, whose `attempts` counts this one; and when to try again.
pub(super) fn outcome(
    message: &Message,
    result: &Result<As4ReceiptSummary, SendError>,
    now: Timestamp,
    retry: &Retry,
) -> (Outcome, Option<Timestamp>) {
    let awaits_message_receipt = message.carriage == Carriage::Own && message.acknowledges.is_none();
    match result {
        Ok(_) if awaits_message_receipt => (Outcome::Receipted, None),
        Ok(_) => (Outcome::Delivered, None),
        Err(error) if error.says_delivered() && message.attempts > 1 => {
            (if awaits_message_receipt { Outcome::Receipted } else { Outcome::Delivered }, None)
        }
        Err(error) if error.is_permanent() => (Outcome::GiveUp, None),
        Err(error) => match retry.next(tried(message, error, now), now) {
            Some(next) => (Outcome::Defer, Some(next)),
            None => (Outcome::GiveUp, None),
        },
    }
}

fn tried(message: &Message, error: &SendError, now: Timestamp) -> Tried {
    Tried {
        id: message.id,
        attempts: message.attempts,
        since: message.tried_since(),
        not_before: error.retry_after().map(|pause| after(now, pause)),
    }
}

/// One attempt from claim to settlement: the step, its outcome, and the one transaction that writes it.
pub(super) async fn attempt(router: Arc<Router>, mut message: Message) -> Result<(), Problem> {
    if message.status.is_final() && !message.lacks_as4_receipt() {
        // The message receipt came while the AS4 receipt was written.
        return blocking(move || done(&router, &message)).await;
    }
    message.attempts += 1;
    let result = step(&router, &mut message).await;
    blocking(move || conclude(&router, &message, result)).await
}

/// Writes what an attempt meant, under its claim. `message.attempts` counts the attempt.
pub(super) fn conclude(
    router: &Router,
    message: &Message,
    result: Result<As4ReceiptSummary, SendError>,
) -> Result<(), Problem> {
    let now = router.now();
    let lane = Lane::out(message.partner.as_ref().filter(|_| message.is_addressed()));
    let alone_until = router.note(lane, result.as_ref().err());
    let settings = router.settings();
    let retry = settings.retry_of(message.partner.as_ref(), result.as_ref().err());
    let (outcome, next) = outcome(message, &result, router.steady(), &retry);
    // While its partner is left alone nothing is tried, but no message longer than it is to be tried.
    let next = next.map(|next| next.max(alone_until.unwrap_or(next)).min(retry.end(message.tried_since()).max(next)));
    let answered_meanwhile = outcome == Outcome::GiveUp && is_answered(router, message)?;
    let problem = result.as_ref().err().map(SendError::problem);
    let problem =
        problem.map(|problem| if outcome == Outcome::GiveUp { final_of(problem, answered_meanwhile) } else { problem });
    let event = event(message, outcome, &result, now, answered_meanwhile);
    let event = problem.iter().cloned().fold(event, Event::problem).known("next_attempt_at", next);
    let mut events = vec![event.known("partner_left_alone_until", alone_until.filter(|_| next.is_some()))];
    let mut evidence = Evidence::default();
    let mut changes = vec![Change::Attempts(message.attempts), Change::Due(next), Change::Error(problem)];
    if let Ok(receipt) = result {
        evidence.certificates = message.packed.iter().map(|packing| packing.certificate.clone()).collect();
        changes.push(Change::As4Receipt(receipt));
    }
    if matches!(outcome, Outcome::Receipted | Outcome::Delivered) || answered_meanwhile {
        changes.push(Change::Packed(None));
    }
    let mut settlements =
        vec![Settlement { id: message.id, claim: message.lease_until, release: true, outcome: Some(outcome), changes }];
    if outcome == Outcome::Delivered {
        settlements.extend(answered(router, message, &mut events)?);
    }
    let transaction = Transaction { settlements, events, evidence, ..Transaction::default() };
    router.commit(transaction).map(drop).map_err(|error| store_problem(&error))
}

/// Whether the recipient has answered: then only the AS4 receipt is given up.
fn is_answered(router: &Router, message: &Message) -> Result<bool, Problem> {
    let found = router.store.message(message.id).map_err(|error| store_problem(&error))?;
    Ok(found.is_some_and(|message| message.lacks_as4_receipt()))
}

/// Gives up what has waited in a lane that is left alone for longer than it is to be tried.
pub(super) fn give_up_overdue(router: &Router) -> Result<(), Problem> {
    let (suspects, settings, steady) = (router.lanes.suspects(), router.settings(), router.steady());
    let before = |lane: &Lane| {
        let retry = match lane {
            Lane::Partner(party) => settings.retry_of(Some(party), None),
            Lane::Lookup | Lane::Inward(_) => settings.patience.smp,
        };
        let begun = steady.saturating_sub(retry.give_up_after).unwrap_or(Timestamp::MIN);
        suspects.contains_key(lane).then_some(begun)
    };
    let overdue = router.store.claim_overdue(steady, crate::limits::CLAIM_LEASE, &before);
    for (lane, message) in overdue.map_err(|error| store_problem(&error))? {
        let (problem, answered) = (suspects.get(&lane).cloned().flatten(), message.lacks_as4_receipt());
        let problem = problem.or_else(|| message.error.clone()).map(|problem| final_of(problem, answered));
        let (stage, detail) = if answered {
            (Stage::AttemptFailed, RECEIPT_GIVEN_UP)
        } else {
            (Stage::GivenUp, "given up: its partner did not answer for as long as it was to be tried")
        };
        let event = Event::of(router.now(), &message, stage, detail).fact("attempts", message.attempts);
        let settlement = Settlement {
            id: message.id,
            claim: message.lease_until,
            release: true,
            outcome: Some(Outcome::GiveUp),
            changes: vec![Change::Due(None), Change::Error(problem.clone())],
        };
        let event = problem.into_iter().fold(event.fact("as4_receipt", "missing"), Event::problem);
        let transaction = Transaction { settlements: vec![settlement], events: vec![event], ..Transaction::default() };
        router.commit(transaction).map_err(|error| store_problem(&error))?;
    }
    Ok(())
}

/// What ended the attempts of a message, or, where its recipient has `answered`, those for its AS4 receipt alone.
fn final_of(problem: Problem, answered: bool) -> Problem {
    if answered { problem.ended(RECEIPT_GIVEN_UP) } else { problem.given_up() }
}

/// Nothing more is due for a message whose recipient has had the last word.
pub(super) fn done(router: &Router, message: &Message) -> Result<(), Problem> {
    let settlement = Settlement {
        id: message.id,
        claim: message.lease_until,
        release: true,
        outcome: None,
        changes: vec![Change::Due(None), Change::Packed(None)],
    };
    let committed = router.commit(Transaction { settlements: vec![settlement], ..Transaction::default() });
    committed.map(drop).map_err(|error| store_problem(&error))
}

/// The received message that this message receipt answers: its status follows (API-ST.t02).
fn answered(router: &Router, message: &Message, events: &mut Vec<Event>) -> Result<Option<Settlement>, Problem> {
    let Some(acknowledged) = message.acknowledges.clone() else { return Ok(None) };
    let query = Query {
        direction: Some(Direction::In),
        envelope_id: Some(acknowledged),
        participant: Some(message.from.clone()),
        limit: 10,
        ..Query::default()
    };
    let found = router.store.list(&query).map_err(|error| store_problem(&error))?;
    let Some(received) =
        found.into_iter().find(|received| received.status == Status::Retrieved && received.to == message.from)
    else {
        return Ok(None);
    };
    let said = "the message receipt reached the sender's access point";
    events.push(Event::of(router.now(), &received, Stage::Answered, said));
    Ok(Some(Settlement {
        id: received.id,
        claim: None,
        release: false,
        outcome: Some(Outcome::Answered),
        changes: Vec::new(),
    }))
}

/// What is said of a message whose recipient has answered, and whose AS4 receipt is not asked for any more.
const RECEIPT_GIVEN_UP: &str = "its AS4 receipt is given up; the message receipt proves that it arrived";

/// The row of the event log (AP-3.4.1.t01 to t07).
fn event(
    message: &Message,
    outcome: Outcome,
    result: &Result<As4ReceiptSummary, SendError>,
    now: Timestamp,
    answered: bool,
) -> Event {
    let (stage, detail) = match outcome {
        Outcome::GiveUp if answered => (Stage::AttemptFailed, RECEIPT_GIVEN_UP),
        Outcome::GiveUp => (Stage::GivenUp, "given up"),
        Outcome::Defer => (Stage::AttemptFailed, "the attempt failed and is made again"),
        _ if result.is_err() => (
            Stage::Receipted,
            "the receiving access point says that it has the message already; its AS4 receipt was lost",
        ),
        _ => (Stage::Receipted, "the receiving access point gave a valid AS4 receipt"),
    };
    let event = Event::of(now, message, stage, detail).fact("attempt", message.attempts);
    match result {
        Ok(receipt) => event
            .fact("signed_by", &receipt.signed_by)
            .fact("certificate_sha256", &receipt.certificate_sha256)
            .fact("signature", &receipt.signature)
            .fact("references_matched", receipt.references_matched),
        Err(_) => event.known("as4_receipt", (outcome != Outcome::Defer).then_some("missing")),
    }
}
