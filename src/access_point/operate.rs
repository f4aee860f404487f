//! What operators do to messages that wait to be sent or delivered: retry, cancel, hold, release. Each has a reason, and is an event.

use super::{PartnerState, Router, blocking, outbound, store_problem};
use crate::model::{
    CANCELLED, Change, Direction, Event, Fault, Lane, Message, MessageId, Outcome, PartyId, Problem, Query, Stage,
    Status, Timestamp, Warrant,
};
use crate::store::{Settlement, StoreError, Transaction};
use std::sync::Arc;

/// What is done to a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is tried now; one that was given up is tried as long as a new one.
    Retry,
    /// It ends here.
    Cancel,
    /// It is not tried until it is released.
    Hold,
    /// It goes on.
    Release,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Retry, Self::Cancel, Self::Hold, Self::Release];

    /// The messages of `query` to which this may be done, so that what is over does not stand before what waits. One that asks for a
    /// status or an id is left as it is: whoever names messages is told why not. Dead letters are ended where they are asked for.
    pub fn among(self, mut query: Query) -> Query {
        if query.statuses.is_empty() && query.named.is_none() {
            query.statuses = self.statuses().filter(|status| self != Self::Cancel || !status.is_final()).collect();
            query.held |= self == Self::Release;
        }
        query
    }

    /// From which it may follow, whatever else has to be so.
    fn statuses(self) -> impl Iterator<Item = Status> {
        Status::ALL.into_iter().filter(move |status| status.after(self.outcome()).is_ok())
    }

    /// Its word in commands and paths.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// Whether it may be done to `message` as it stands.
    pub fn is_open_to(self, message: &Message) -> bool {
        message.after(self.outcome()).is_ok()
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Retry => Outcome::Retry,
            Self::Cancel => Outcome::Cancel,
            Self::Hold => Outcome::Suspend,
            Self::Release => Outcome::Resume,
        }
    }

    fn said(self, message: &Message) -> (Stage, &'static str) {
        match self {
            Self::Retry => (Stage::Retried, "an operator has it tried again now"),
            Self::Cancel if message.status.is_final() => {
                (Stage::Cancelled, "it was given up, and an operator has dealt with it")
            }
            Self::Cancel if message.direction == Direction::In => {
                (Stage::Cancelled, "an operator ended it: nobody is given it")
            }
            Self::Cancel => (Stage::Cancelled, "an operator cancelled it"),
            Self::Hold => (Stage::Suspended, "an operator keeps it back until it is released"),
            Self::Release => (Stage::Resumed, "an operator released it"),
        }
    }

    fn changes(self, message: &Message, warrant: &Warrant, now: Timestamp) -> Vec<Change> {
        match self {
            Self::Retry | Self::Release => vec![Change::Due(Some(now)), Change::Renewed(now)],
            Self::Hold => vec![Change::Due(None)],
            Self::Cancel => vec![Change::Due(None), Change::Error(Some(cancelled(message, warrant)))],
        }
    }
}

impl std::str::FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|action| action.word() == text)
            .ok_or_else(|| format!("found the action {text:?}, expected retry, cancel, hold or release"))
    }
}

/// What a message meets that is cancelled. One that came in is answered by no message receipt: those say how its content was
/// found (KVITT-4.2), by its participant, and nobody has looked at it.
fn cancelled(message: &Message, warrant: &Warrant) -> Problem {
    let (actor, reason) = (warrant.actor(), warrant.reason());
    let then = match message.direction {
        Direction::Out if message.as4_receipt.is_some() => {
            "its recipient's access point has it, and a message receipt that comes still counts"
        }
        _ if message.status.is_final() && !Action::Retry.is_open_to(message) => "nothing more is done with it",
        Direction::Out => "`sluss queue retry` sends it after all, unless it had arrived",
        Direction::In => {
            "nobody is given it, and its sender, who has an AS4 receipt, gets no message receipt: tell the sender by other means; \
             `sluss queue retry` delivers it after all, as long as its contents are kept (retention.contents_days)"
        }
    };
    let detail = format!("cancelled by {actor}: {reason}; {then}");
    Problem::new(Fault::Refused, CANCELLED, "an operator cancelled it", detail)
}

impl Router {
    /// Records what happened beside messages, as a log-in. Nobody waits for the disk; what cannot be written is said in the log.
    pub fn keep(self: &Arc<Self>, event: Event) {
        let router = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let detail = event.detail.clone();
            if let Err(error) = router.commit(Transaction { events: vec![event], ..Transaction::default() }) {
                tracing::error!(%error, "{detail}; this could not be recorded");
            }
        });
    }

    /// Tries another access point at once that is left alone (its breaker is open): the message that is due first asks, or the next
    /// one that comes. Durable, with an event, when this returns.
    ///
    /// # Errors
    ///
    /// Refused where it is not left alone, or nothing was ever to be sent to it; temporary while an attempt is under way.
    pub async fn try_partner(self: &Arc<Self>, party: PartyId, warrant: Warrant) -> Result<PartnerState, Problem> {
        let router = Arc::clone(self);
        blocking(move || try_partner(&router, party, &warrant)).await
    }

    /// Does `action` to a message: durable, with its event, when this returns.
    ///
    /// # Errors
    ///
    /// Refused where there is no such message, or its status does not allow it; temporary while an attempt is under way.
    pub async fn act(self: &Arc<Self>, id: MessageId, action: Action, warrant: Warrant) -> Result<Message, Problem> {
        let router = Arc::clone(self);
        blocking(move || act(&router, id, action, &warrant).map(|message| router.as_shown(message))).await
    }
}

impl Router {
    /// Whether an access point is configured, was tried, or is that of a message.
    fn is_known(&self, party: &PartyId) -> Result<bool, Problem> {
        let was_tried = || self.partners().iter().any(|partner| partner.partner.as_ref() == Some(party));
        if self.settings().partners.contains_key(party) || was_tried() {
            return Ok(true);
        }
        let query = Query { partner: Some(party.clone()), limit: 1, ..Query::default() };
        let page = self.store.page(&query).map_err(|error| store_problem(&error))?;
        Ok(!page.messages.is_empty())
    }
}

/// As [`Router::try_partner`], in the caller's thread.
fn try_partner(router: &Router, party: PartyId, warrant: &Warrant) -> Result<PartnerState, Problem> {
    let known = router.is_known(&party)?;
    let lane = Lane::Partner(party);
    if !known {
        let detail = format!(
            "found {lane}, to which nothing was ever to be sent; `sluss partners list` shows those that are known"
        );
        return Err(Problem::new(Fault::Refused, "partner-not-found", "no such partner", detail));
    }
    if !router.lanes.is_suspect(&lane) {
        let detail = format!(
            "found no open breaker of {lane}: what waits for it goes when it is due; `sluss partners list` shows how partners fare"
        );
        return Err(Problem::new(Fault::Refused, "breaker-closed", "this partner is not left alone", detail));
    }
    let event = Event::new(router.now(), None, Stage::PartnerTried, "an operator has this access point tried at once")
        .fact("partner", &lane);
    let event = warrant.on(event);
    let transaction = Transaction { events: vec![event], ..Transaction::default() };
    router.commit(transaction).map_err(|error| store_problem(&error))?;
    let first = router.store.first_of(&lane).map(|first| act(router, first, Action::Retry, warrant));
    if let Some(Err(problem)) = first {
        tracing::warn!(%problem, %lane, "the message that was due first cannot ask; the next one does");
    }
    router.ask(&lane);
    Ok(router.in_lane(lane))
}

/// As [`Router::act`], in the caller's thread.
pub(super) fn act(router: &Router, id: MessageId, action: Action, warrant: &Warrant) -> Result<Message, Problem> {
    let read = || router.store.message(id).and_then(|message| message.ok_or(StoreError::Unknown(id)));
    let message = read().map_err(|error| store_problem(&error))?;
    let settlement = Settlement {
        id,
        claim: None,
        release: false,
        outcome: Some(action.outcome()),
        changes: action.changes(&message, warrant, router.steady()),
    };
    let (stage, detail) = action.said(&message);
    let dealt_with = message.error.as_ref().filter(|_| action == Action::Cancel && message.status.is_final());
    let event = Event::of(router.now(), &message, stage, detail).known("cause", dealt_with.map(Problem::cause));
    let event = warrant.on(event);
    let (mut settlements, mut events) = (vec![settlement], vec![event]);
    if action == Action::Cancel {
        settlements.extend(outbound::given_up_receipt(router, &message, &mut events)?);
    }
    match router.commit(Transaction { settlements, events, ..Transaction::default() }) {
        Ok(_) => {
            let lane = router.store.lane_of(id).filter(|_| action == Action::Retry);
            lane.iter().for_each(|lane| router.ask(lane));
            if action == Action::Cancel {
                router.delays.ended(id);
            }
            read().map_err(|error| store_problem(&error))
        }
        Err(StoreError::Illegal(_)) => {
            Err(read().map_or_else(|error| store_problem(&error), |message| refused(action, &message)))
        }
        Err(error) => Err(store_problem(&error)),
    }
}

/// Why this does not follow: what was found, what was expected, what to do.
fn refused(action: Action, message: &Message) -> Problem {
    let delivered = message.as4_receipt.is_some();
    if action == Action::Retry && message.is_emptied() && !delivered && message.status.after(Outcome::Retry).is_ok() {
        let detail = format!(
            "retry: found no envelope of message {}: it was deleted (retention.contents_days); have its sender hand in a new one, under \
             a new id",
            message.id
        );
        return Problem::new(Fault::Refused, "gone", "its contents are no longer kept", detail);
    }
    let expected: Vec<&str> = action.statuses().map(Status::word).collect();
    let (held, remedy) = match action {
        Action::Retry if message.is_held() => (" on hold", "release it: `sluss queue release`"),
        Action::Retry if message.direction == Direction::Out && message.as4_receipt.is_some() => {
            (", delivered with an AS4 receipt", "its recipient has it: ask the recipient, or send a new message")
        }
        Action::Retry if message.status == Status::Error => {
            (" and answered, or without its envelope", "what was not answered is opened again, as long as it is kept")
        }
        Action::Cancel if message.is_cancelled() => {
            (", cancelled already", "`sluss queue show` prints by whom and why")
        }
        Action::Release => {
            (if message.is_held() { " on hold" } else { " not on hold" }, "only what is held is released")
        }
        _ => ("", "`sluss queue show` prints what happened to it"),
    };
    let detail = format!(
        "{}: found message {} in status {}{held}, expected one of {}; {remedy}",
        action.word(),
        message.id,
        message.status.word(),
        expected.join(", ")
    );
    Problem::new(Fault::Refused, "illegal-step", "the message is not in a state for that", detail)
}

#[cfg(test)]
mod tests {
    use super::super::outbound::{Sending, outcome};
    use super::super::{Pace, Retry, SendError};
    use super::{Action, Message, Outcome, Query, Status, Timestamp, Warrant, cancelled, refused};
    use crate::model::{As4ReceiptSummary, DocumentType, EnvelopeId, MessageId, ProcessId};
    use crate::net::NetError;
    use std::time::Duration;

    /// A message that was accepted long ago.
    fn old(created_at: Timestamp) -> Message {
        serde_json::from_value(serde_json::json!({
            "id": MessageId::now(), "direction": "out", "carriage": "own", "status": "MESSAGE_EXCHANGE_ERROR",
            "from": "0203:alice.example.se", "to": "0203:bob.example.se", "document_type": DocumentType::sdk_message(),
            "process": ProcessId::default(), "envelope_id": EnvelopeId::from_uuid(MessageId::now().0),
            "envelope_bytes": 1, "envelope_sha256": "", "attempts": 9,
            "created_at": created_at, "updated_at": created_at,
        }))
        .unwrap()
    }

    #[test]
    fn what_is_no_longer_kept_is_not_tried_again_and_the_refusal_says_why() {
        let now = "2026-11-23T22:00:00Z".parse::<Timestamp>().unwrap();
        let message = old(now);
        assert!(!Action::Retry.is_open_to(&message));
        let problem = refused(Action::Retry, &message);
        assert!(problem.kind.ends_with(":gone") && problem.detail.contains("retention.contents_days"), "{problem:?}");
        let kept = Message { envelope: Some(crate::model::BlobId(MessageId::now().0)), ..message };
        assert!(Action::Retry.is_open_to(&kept));
    }

    #[test]
    fn dead_letters_are_ended_where_they_are_asked_for_and_not_with_all_that_waits() {
        let waiting = Action::Cancel.among(Query::default()).statuses;
        assert!(
            waiting.contains(&Status::WaitingForReceipt) && waiting.iter().all(|status| !status.is_final()),
            "{waiting:?}"
        );
        let dead = Query { statuses: vec![Status::MessageExchangeError], ..Query::default() };
        assert_eq!(Action::Cancel.among(dead).statuses, [Status::MessageExchangeError]);
        assert!(
            Action::Retry.among(Query::default()).statuses.contains(&Status::SendFailure),
            "they are tried again as before"
        );
        let mut message = old("2026-11-23T22:00:00Z".parse().unwrap());
        assert!(Action::Cancel.is_open_to(&message), "also what is no longer kept");
        let warrant = Warrant::new("operator", "they sent another one").unwrap();
        let cancelled = cancelled(&message, &warrant);
        assert!(cancelled.detail.ends_with("they sent another one; nothing more is done with it"), "{cancelled}");
        message.error = Some(cancelled);
        assert!(!Action::Cancel.is_open_to(&message), "and only once");
    }

    #[test]
    fn what_is_never_answered_can_be_ended_and_is_not_sent_once_more() {
        let mut message = old("2026-11-23T22:00:00Z".parse().unwrap());
        message.status = Status::WaitingForReceipt;
        message.as4_receipt = Some(As4ReceiptSummary {
            signed_by: "CN=AP0007".into(),
            certificate_sha256: String::new(),
            signature: String::new(),
            references_matched: true,
            sent_at: None,
            sent_until: None,
            soap: String::new(),
        });
        assert!(Action::Cancel.is_open_to(&message) && !Action::Hold.is_open_to(&message));
        message.status = message.after(Outcome::Cancel).unwrap();
        assert_eq!(message.status, Status::MessageExchangeError);
        assert!(!Action::Retry.is_open_to(&message));
        assert!(refused(Action::Retry, &message).detail.contains("its recipient has it"));
        assert_eq!(message.after(Outcome::Confirm), Ok(Status::Accepted), "a late answer counts");
    }

    #[test]
    fn what_is_tried_again_by_hand_is_tried_as_long_as_a_new_message() {
        let hour = Duration::from_secs(3600);
        let retry = Retry { pace: Pace::Constant { retries: 24 }, give_up_after: 24 * hour };
        let now = "2026-11-23T22:00:00Z".parse::<Timestamp>().unwrap();
        let mut message = old(now.checked_sub(100 * hour).unwrap());
        let error = || SendError::Net(NetError::Connect { host: "x".into(), reason: String::new() });
        let failed = |message: &Message, now| {
            let effort = message.effort.failed(error().obstacle(), now, now);
            (effort, outcome(&Sending::of(message.clone()), &Err(error()), effort, now, &retry).0)
        };
        message.effort = failed(&message, now.checked_sub(25 * hour).unwrap()).0;
        assert_eq!(failed(&message, now).1, Outcome::GiveUp);
        let warrant = Warrant::new("operator", "the partner is back").unwrap();
        Action::Retry.changes(&message, &warrant, now).into_iter().for_each(|change| message.apply(change));
        let again = failed(&message, now);
        assert_eq!(again.1, Outcome::Defer);
        message.effort = again.0;
        let later = now.checked_add(25 * hour).unwrap();
        assert_eq!(failed(&message, later).1, Outcome::GiveUp);
    }
}
