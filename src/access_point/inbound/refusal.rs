//! Refusals: why a request is not taken, what its sender is told, and what stays of it.

use super::Response;
use super::gate::{MINUTE, Told};
use crate::access_point::{Router, blocking, store_problem};
use crate::as4::{self, Claimed, Finding, Refusal, error};
use crate::model::{As4MessageId, Event, Fault, Problem, Stage};
use crate::net::{BodyError, Crowded};
use crate::store::{StoreError, Transaction};
use std::sync::Arc;
use tokio::time::Instant;

/// Why a request was not taken: the peer's doing, ours, or that of too many at once.
pub(in crate::access_point) enum Failure {
    Refused(Box<Refused>),
    Own(Problem),
    Crowded(String),
    /// Too little space is free.
    Short(Problem),
}

/// A refusal, and to whom.
pub(in crate::access_point) struct Refused {
    refusal: Refusal,
    /// What the message says of itself, as far as it was read.
    claimed: Option<Claimed>,
    /// Whether an access point of the federation signed it.
    known: bool,
    status: u16,
}

impl Failure {
    /// Somebody is refused of whom nothing is known for certain.
    pub(super) fn stranger(refusal: Refusal, claimed: Option<Claimed>) -> Self {
        let status = if claimed.is_some() { 200 } else { 400 };
        Self::Refused(Box::new(Refused { refusal, claimed, known: false, status }))
    }

    /// A body of which not even the SOAP part came.
    pub(super) fn unread(fault: &BodyError) -> Self {
        let (status, refusal) = match fault {
            BodyError::TooLarge(bytes_max) => (
                413,
                Refusal::Limit(
                    Finding::new("a larger request", format!("at most {bytes_max} bytes (limits.as4_bytes_max)"))
                        .rule("AS4-2.8.a"),
                ),
            ),
            BodyError::Slow(_) => (408, Refusal::unfinished(fault)),
            BodyError::Broken(_) => (400, Refusal::unfinished(fault)),
        };
        Self::Refused(Box::new(Refused { refusal, claimed: None, known: false, status }))
    }

    /// What it says to people.
    pub(in crate::access_point) fn problem(&self) -> Problem {
        match self {
            Self::Refused(refused) => refused.problem(),
            Self::Own(problem) | Self::Short(problem) => problem.clone(),
            Self::Crowded(reason) => {
                Problem::new(Fault::Temporary, "crowded", "too many requests at once", reason.clone())
            }
        }
    }

    /// Whether it is about a sender who is known.
    pub(super) fn is_of_known(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.known)
    }

    /// Our own work did not come to its end.
    pub(super) fn broken_off(why: impl ToString) -> Self {
        Self::Own(Problem::new(Fault::Temporary, "internal", "the work was broken off", why.to_string()))
    }

    /// Says which message it is about.
    pub(super) fn about(mut self, claimed: &Claimed) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.claimed = Some(claimed.clone());
        }
        self
    }
}

impl Refused {
    /// For people and programs on our side.
    pub(super) fn problem(&self) -> Problem {
        self.refusal.problem()
    }
}

impl From<Refusal> for Failure {
    /// A refusal after the sender was told for certain.
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(Refused { refusal, claimed: None, known: true, status: 200 }))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Own(store_problem(&error))
    }
}

impl From<Crowded> for Failure {
    fn from(crowded: Crowded) -> Self {
        Self::Crowded(crowded.to_string())
    }
}

/// Longest value of an unverified header that is recorded, in characters.
const CLAIM_CHARS_MAX: usize = 256;

/// Answers a refusal with an ebMS error, and records it. Nothing else stays of the request, but for what `record_refused`
/// keeps. A sender who is known gets our signature and an event; of many strangers only the first in a minute do
/// (`limits::STRANGERS_RECORDED_A_MINUTE`), and a signature only for what is a message.
pub(super) async fn refuse(router: &Arc<Router>, refused: Refused) -> Response {
    let Refused { refusal, claimed, known, status } = refused;
    router.metrics.refused(refusal.code(), known);
    let told = if known { Told::Alone } else { router.gate.refused(refusal.code(), Instant::now()) };
    if told == Told::First {
        let router = Arc::clone(router);
        tokio::spawn(async move {
            tokio::time::sleep(MINUTE).await;
            settle(&router).await;
        });
    }
    let mut event =
        Event::new(router.now(), None, Stage::Refused, "an AS4 message was refused").problem(refusal.problem());
    for (name, value) in claimed.as_ref().map(claims).unwrap_or_default() {
        event = event.fact(name, value);
    }
    let in_reply_to = claimed.map(|claimed| claimed.message_id);
    // A partner in trouble may fail before it is known, and some read no error without a signature (protocol.md 1.10).
    let signs = known || (told == Told::Alone && in_reply_to.is_some());
    let keeper = Arc::clone(router);
    let work = move || {
        if told == Told::Alone {
            record(&keeper, event);
        }
        let settings = keeper.settings();
        let id = As4MessageId::new(uuid::Uuid::new_v4(), &settings.party);
        if !signs {
            return Ok(error::unsigned(&refusal, in_reply_to.as_ref(), &id, keeper.now()));
        }
        error::build(&refusal, in_reply_to.as_ref(), &settings.identity, &id, keeper.now()).map_err(|error| {
            Problem::new(Fault::Temporary, "error-signal", "the ebMS error could not be signed", error.to_string())
        })
    };
    // Without a record and a signature there is nothing to wait for.
    let built = if told == Told::Alone { blocking(work).await } else { work() };
    match built {
        Ok(answer) => {
            Response { status, body: Some((answer.content_type, answer.body)), known, retry_after_seconds: None }
        }
        Err(problem) => {
            tracing::error!(problem = %problem, "a refusal could not be answered");
            Response { status: 500, body: None, known, retry_after_seconds: None }
        }
    }
}

/// Records how many refusals of strangers have no event of their own since this was done last.
pub async fn settle(router: &Arc<Router>) {
    let counted = router.gate.settle();
    let count: u64 = counted.values().sum();
    if count == 0 {
        return;
    }
    let detail = format!("{count} more AS4 messages of strangers were refused within a minute");
    let event = Event::new(router.now(), None, Stage::Refused, detail).fact("count", count);
    let event = counted.iter().fold(event, |event, (code, count)| event.fact(code, count));
    let keeper = Arc::clone(router);
    let recorded = blocking(move || {
        record(&keeper, event);
        Ok(())
    });
    if let Err(problem) = recorded.await {
        tracing::error!(%problem, count, "refusals could not be recorded");
    }
}

fn record(router: &Router, event: Event) {
    if let Err(error) = router.commit(Transaction { events: vec![event], ..Transaction::default() }) {
        tracing::error!(%error, "a refusal could not be recorded");
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
        ("claimed_conversation_id", claimed.conversation_id.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?.chars().take(CLAIM_CHARS_MAX).collect()))).collect()
}

#[cfg(test)]
mod tests {
    use super::{BodyError, Failure};

    #[test]
    fn a_body_that_breaks_off_is_refused_with_rule_found_expected_and_remedy() {
        for fault in [BodyError::Broken("connection closed".into()), BodyError::Slow("nothing for a while".into())] {
            let problem = Failure::unread(&fault).problem();
            let said = format!("found {fault}, expected the whole body");
            assert!(problem.detail.starts_with(&said), "{problem}");
            assert!(problem.detail.contains("should send the message again"), "{problem}");
            assert_eq!(problem.rule.as_deref(), Some("AS4-2.2.t02"), "{problem}");
        }
    }
}
