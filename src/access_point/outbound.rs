//! Outbound (C2): an envelope of our participant goes to the receiving access point.
//!
//! [`accept`] makes it durable. The worker calls [`attempt`], which has [`step`] make one attempt, asks [`outcome`]
//! what it meant, and writes that.

mod awaited;
mod overdue;
mod packing;
mod receipted;

use super::queries::reread;
use super::retry::{Failed, Retry, after};
use super::send_error::SendError;
use super::{Router, Settings, Spool, blocking, store_problem};
use crate::limits::{AS4_EXCHANGE_MAX, RETRY_LIFE_MAX};
use crate::model::{
    As4ReceiptSummary, BlobId, Carriage, Change, Content, Direction, Effort, EnvelopeId, Enveloped, Event, Fault, Lane,
    Message, Outcome, ParticipantId, Priority, Problem, Stage, Timestamp,
};
use crate::net::client::Fetched;
use crate::net::{Body, NetError};
use crate::ops::{log, trace};
use crate::store::{BlobWriter, Evidence, HandedIn, Settlement, StoreError, Transaction};
use crate::xhe;
use std::sync::Arc;
use std::time::Instant;

pub(super) use awaited::given_up_receipt;
pub(super) use overdue::give_up_overdue;
pub(super) use packing::keep_packed;
use packing::{PACKED, packed, readdress, reopened, repacked, sealed_with, store_damaged};
use receipted::{Answered, signer};

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

/// One attempt to send a message, from its claim to its settlement.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The message, whose `attempts` count this one.
    pub message: Message,
    /// Whether it was packed before this attempt: then it may have left and arrived, though no attempt was written that says so.
    again: bool,
    /// Whether the process ended during the first attempt, or could not write how that ended.
    cut_off: bool,
}

impl Sending {
    /// The next attempt at a message, as it was claimed.
    pub fn of(mut message: Message) -> Self {
        let again = message.is_addressed();
        let cut_off = again && message.attempts == 0;
        message.attempts = message.attempts.saturating_add(if cut_off { 2 } else { 1 });
        Self { message, again, cut_off }
    }

    /// The row of the event log of the attempt before, where that was cut off and has none.
    fn cut_off(&self, now: Timestamp) -> Option<Event> {
        self.cut_off.then(|| {
            let problem = Problem::new(
                Fault::Temporary,
                "attempt-cut-off",
                "the attempt was cut off",
                "the process ended, or the store failed, while the message was sent: whether it arrived is not known, and it \
                 is sent again under the same id",
            );
            let event = Event::of(now, &self.message, Stage::AttemptFailed, "the attempt was cut off and is made again");
            event.fact("attempt", self.message.attempts - 1).problem(problem)
        })
    }
}

/// Makes one attempt to hand the message to the receiving access point, and gives what that answered.
///
/// The packed message is kept before its first byte leaves: a retry sends the same id and the same
/// bytes (AS4 reception awareness), unless the receiver can no longer read those, or our disk has lost them: then it is packed
/// anew from the envelope, under the same id. What the result means is decided in [`outcome`] alone.
async fn step(router: &Arc<Router>, message: &mut Message) -> Result<Sent, SendError> {
    let ready = if message.packed.is_none() {
        let route = router.discovery.route(&message.to, &message.document_type, &message.process);
        let route = trace::stage("discover", route).await?;
        router.note(Lane::Lookup, None);
        let (packed, body) = trace::stage("pack", packed(router, message.clone(), route, PACKED)).await?;
        *message = packed;
        Some(body)
    } else {
        readdress(router, message).await?
    };
    let body = match ready {
        Some(body) => body,
        None => reopened(router, message).await?,
    };
    let end = Instant::now() + AS4_EXCHANGE_MAX;
    match exchanged(router, message, body, end).await {
        Err(SendError::Net(NetError::Sending { reason, .. })) => {
            let body = repacked(router, message, &reason).await?;
            exchanged(router, message, body, end).await
        }
        sent => sent,
    }
}

/// Sends the packed message and takes the answer, until `end` at the latest.
async fn exchanged(router: &Router, message: &Message, body: Body, end: Instant) -> Result<Sent, SendError> {
    let (packing, _) = sealed_with(message)?;
    let (begun, at) = (Instant::now(), router.now());
    let (url, kind, most) = (&packing.url, &packing.content_type, crate::limits::AS4_ANSWER_BYTES_MAX);
    let posted = router.client.post(url, kind, body, most, end.saturating_duration_since(begun));
    let answer = trace::stage("as4 send", posted).await;
    router.metrics.exchange(Direction::Out, begun.elapsed());
    Ok(Sent { at, answer: answer? })
}

/// What was sent, and what came back.
struct Sent {
    /// When its first byte left.
    at: Timestamp,
    answer: Fetched,
}

/// What the answer proves: an AS4 receipt of what was sent, signed by the access point that it was sent to. Blocks.
fn receipted(router: &Router, message: &Message, sent: &Sent) -> Result<As4ReceiptSummary, SendError> {
    let (packing, sent_id) = sealed_with(message)?;
    let allowed = router.settings().tolerated(message.partner.as_ref()).allowed;
    let answered = Answered { answer: &sent.answer, sent_id, at: router.now(), allowed: &allowed };
    let (receipt, signer) = answered.receipt(packing)?;
    router.remember(&signer);
    Ok(As4ReceiptSummary { sent_at: Some(sent.at), ..receipt })
}

// === Outcome ===

/// What `result` means for the message of an attempt, which `effort` counts as well; and when to try again.
pub(super) fn outcome(
    Sending { message, again, .. }: &Sending,
    result: &Result<As4ReceiptSummary, SendError>,
    effort: Effort,
    now: Timestamp,
    retry: &Retry,
) -> (Outcome, Option<Timestamp>) {
    let awaits_message_receipt = message.carriage == Carriage::Own && message.acknowledges.is_none();
    match result {
        Ok(_) if awaits_message_receipt => (Outcome::Receipted, None),
        Ok(_) => (Outcome::Delivered, None),
        Err(error) if error.says_delivered() && *again => {
            (if awaits_message_receipt { Outcome::Receipted } else { Outcome::Delivered }, None)
        }
        Err(error) if error.is_permanent() => (Outcome::GiveUp, None),
        Err(error) => match retry.next(failed(message, error, effort, now), now) {
            Some(next) => (Outcome::Defer, Some(next)),
            None => (Outcome::GiveUp, None),
        },
    }
}

fn failed(message: &Message, error: &SendError, effort: Effort, now: Timestamp) -> Failed {
    Failed {
        id: message.id,
        attempts: message.attempts,
        since: effort.since().unwrap_or(now),
        not_before: error.retry_after().map(|pause| after(now, pause)),
        no_later_than: after(message.tried_since(), RETRY_LIFE_MAX),
    }
}

/// For how long it has been tried, with this failure. Where its lane keeps everybody waiting, it has waited for that.
fn effort(router: &Router, message: &Message, lane: &Lane, error: &SendError, now: Timestamp) -> Effort {
    let waiting = router.lanes.kept_waiting_since(lane);
    let since = waiting.map_or(now, |since| since.max(message.tried_since()).min(now));
    message.effort.failed(error.obstacle(), since, now)
}

/// One attempt from claim to settlement: the step, its outcome, and the one transaction that writes it.
pub(super) async fn attempt(router: Arc<Router>, message: Message) -> Result<(), Problem> {
    if message.status.is_final() && !message.lacks_as4_receipt() {
        // The message receipt came while the AS4 receipt was written.
        return blocking(move || done(&router, &message)).await;
    }
    let mut sending = Sending::of(message);
    let sent = step(&router, &mut sending.message).await;
    blocking(move || {
        let receipt = |sent| trace::stage_of("receipt", || receipted(&router, &sending.message, &sent));
        let result = sent.and_then(receipt);
        conclude(&router, &sending, result)
    })
    .await
}

/// Writes what an attempt meant, under its claim.
pub(super) fn conclude(
    router: &Router,
    sending: &Sending,
    result: Result<As4ReceiptSummary, SendError>,
) -> Result<(), Problem> {
    let message = &sending.message;
    let (now, steady) = (router.now(), router.steady());
    let lane = Lane::out(message.partner.as_ref().filter(|_| message.is_addressed()));
    let alone_until = router.note(lane.clone(), result.as_ref().err());
    if let Err(SendError::Answer(_)) = &result {
        // It may have another certificate by now than the one that was looked up.
        router.discovery.forget(&message.to, &message.document_type);
    }
    let settings = router.settings();
    let retry = settings.retry_of(message.partner.as_ref(), result.as_ref().err());
    let effort =
        result.as_ref().map_or_else(|error| effort(router, message, &lane, error, steady), |_| Effort::default());
    let effort = effort.said(result.as_ref().err().and_then(|error| error.said(steady)));
    let (outcome, next) = outcome(sending, &result, effort, steady, &retry);
    // While its partner is left alone nothing is tried, but no message longer than it is to be tried.
    let end = retry.end(effort.since().unwrap_or(steady));
    let next = next.map(|next| next.max(alone_until.unwrap_or(next)).min(end.max(next)));
    let answered_meanwhile = outcome == Outcome::GiveUp && is_answered(router, message)?;
    let problem = result.as_ref().err().map(SendError::problem);
    let problem =
        problem.map(|problem| if outcome == Outcome::GiveUp { final_of(problem, answered_meanwhile) } else { problem });
    let event = event(message, outcome, &result, now, answered_meanwhile);
    let event = problem.iter().cloned().fold(event, Event::problem);
    let event = event.known("next_attempt_at", next.map(|next| router.shown(next)));
    let alone_until = alone_until.filter(|_| next.is_some()).map(|until| router.shown(until));
    let event = event.known("partner_left_alone_until", alone_until);
    let mut events: Vec<Event> = sending.cut_off(now).into_iter().chain([event]).collect();
    let mut evidence = Evidence::default();
    let mut changes =
        vec![Change::Attempts(message.attempts), Change::Due(next), Change::Effort(effort), Change::Error(problem)];
    if let Ok(receipt) = result {
        evidence.certificates = message.packed.iter().filter_map(|packing| signer(packing, &receipt)).collect();
        changes.push(Change::As4Receipt(receipt));
    }
    if matches!(outcome, Outcome::Receipted | Outcome::Delivered) || answered_meanwhile {
        changes.push(Change::Packed(None));
    }
    if outcome == Outcome::Receipted {
        changes.push(Change::AwaitsSince(steady));
    }
    let mut settlements =
        vec![Settlement { id: message.id, claim: message.lease_until, release: true, outcome: Some(outcome), changes }];
    match outcome {
        Outcome::Delivered => settlements.extend(awaited::delivered_receipt(router, message, &mut events)?),
        Outcome::GiveUp => settlements.extend(given_up_receipt(router, message, &mut events)?),
        _ => {}
    }
    let transaction = Transaction { settlements, events, evidence, ..Transaction::default() };
    router.commit(transaction).map(drop).map_err(|error| store_problem(&error))
}

/// Whether the recipient has answered: then only the AS4 receipt is given up.
fn is_answered(router: &Router, message: &Message) -> Result<bool, Problem> {
    let found = router.store.message(message.id).map_err(|error| store_problem(&error))?;
    Ok(found.is_some_and(|message| message.lacks_as4_receipt()))
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
        _ if result.as_ref().is_ok_and(|receipt| receipt.sent_until.is_some()) => (
            Stage::Receipted,
            "the receiving access point gave a valid AS4 receipt, for the form in which the message was sent before: it had arrived",
        ),
        _ => (Stage::Receipted, "the receiving access point gave a valid AS4 receipt"),
    };
    let event = Event::of(now, message, stage, detail).fact("attempt", message.attempts);
    match result {
        Ok(receipt) => event
            .known("sent_at", receipt.sent_at)
            .fact("signed_by", &receipt.signed_by)
            .fact("certificate_sha256", &receipt.certificate_sha256)
            .fact("signature", &receipt.signature)
            .fact("references_matched", receipt.references_matched)
            .known("sent_until", receipt.sent_until),
        Err(_) => event.known("as4_receipt", (outcome != Outcome::Defer).then_some("missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as4::{EbmsError, ReceiptError};

    /// protocol.md 1.11: what says that it was there already is believed of what may have been sent, whatever is known of that.
    #[test]
    fn who_has_it_already_is_believed_from_the_moment_at_which_it_was_packed() {
        let at = Timestamp::UNIX_EPOCH;
        let of = Enveloped {
            id: EnvelopeId::from_uuid(uuid::Uuid::nil()),
            from: "0203:alice.example.se".parse().unwrap(),
            to: "0203:bob.example.se".parse().unwrap(),
            document_type: crate::model::DocumentType::sdk_message(),
            process: crate::model::ProcessId::default(),
            envelope: None,
            bytes: 1,
            sha256: String::new(),
        };
        let new = Message::new(Direction::Out, Carriage::Carried, of, at);
        let id = "1@AP0001-DEMO".parse().unwrap();
        let mut packed = new.clone();
        packed.apply(Change::Addressed(id, String::new(), "AP0002-DEMO".parse().unwrap()));
        let tried = Message { attempts: 1, ..packed.clone() };
        let error = |signed| {
            let (code, severity) = ("EBMS:4001".into(), "failure".into());
            let error = EbmsError { code, severity, short_description: None, detail: None, ref_to: None };
            Err(SendError::Answer(ReceiptError::Refused { errors: vec![error], signed }))
        };
        for (message, signed, expected, attempts, cut_off) in [
            (&new, true, Outcome::GiveUp, 1, false),
            (&packed, true, Outcome::Delivered, 2, true),
            (&packed, false, Outcome::Defer, 2, true),
            (&tried, true, Outcome::Delivered, 2, false),
        ] {
            let sending = Sending::of(message.clone());
            let (outcome, _) = outcome(&sending, &error(signed), Effort::default(), at, &Retry::DIGG);
            assert_eq!((outcome, sending.message.attempts), (expected, attempts));
            assert_eq!(sending.cut_off(at).is_some(), cut_off);
        }
    }
}
