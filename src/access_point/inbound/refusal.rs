//! Refusals: why a request is not taken, what its sender is told, and what stays of it.

use super::gate::{MINUTE, Told};
use super::{Response, signed_by};
use crate::access_point::{Router, blocking, store_problem};
use crate::as4::{Authenticated, Claimed, Finding, Party, Refusal, error};
use crate::model::{As4MessageId, Event, Fault, Problem, Stage};
use crate::net::{BodyError, Crowded};
use crate::pki::Certificate;
use crate::store::{Evidence, StoreError, Transaction};
use std::io::Read;
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
    sender: Sender,
    status: u16,
}

/// Who is refused.
enum Sender {
    /// Nothing is certain: what the message says of itself, as far as it was read.
    Stranger(Option<Box<Claimed>>),
    /// An access point of the federation: what it signed, once [`Failure::about`] has said it.
    Known(Option<Arc<Signed>>),
}

/// What a message says of itself, and who has signed that.
pub(super) struct Signed {
    claimed: Claimed,
    /// The certificate of an access point of the federation; none where a partner may leave its messages unsigned.
    certificate: Option<Certificate>,
    signature: Vec<u8>,
}

impl Signed {
    /// Of a message whose signature was verified.
    pub(super) fn of<R: Read>(claimed: Claimed, authenticated: &Authenticated<R>) -> Arc<Self> {
        let certificate = authenticated.signer().map(|signer| signer.certificate().clone());
        Arc::new(Self { claimed, certificate, signature: authenticated.signature_value().to_vec() })
    }
}

impl Sender {
    fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    fn claimed(&self) -> Option<&Claimed> {
        match self {
            Self::Stranger(claimed) => claimed.as_deref(),
            Self::Known(signed) => signed.as_ref().map(|signed| &signed.claimed),
        }
    }

    /// The certificate with which it is signed.
    fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Stranger(_) => None,
            Self::Known(signed) => signed.as_ref()?.certificate.as_ref(),
        }
    }

    /// Adds who is refused: what is signed as it is, with certificate and signature, as of a message that is received (AP-3.4.1.t08 to
    /// t14); what is not as claimed.
    fn named(&self, event: Event) -> Event {
        let Some(claimed) = self.claimed() else { return event };
        match self {
            Self::Known(Some(signed)) if let Some(certificate) = &signed.certificate => {
                let partner = certificate.common_name().unwrap_or_default();
                let another = party(&claimed.from).filter(|claimed| claimed != partner);
                let event = event.fact("partner", partner).known("claimed_partner", another);
                let event = facts(claimed).into_iter().fold(event, |event, (name, value)| event.known(name, value));
                signed_by(event, Some(certificate), &signed.signature)
            }
            _ => {
                let event = event.known("claimed_partner", party(&claimed.from));
                let claims = facts(claimed).into_iter();
                claims.fold(event, |event, (name, value)| event.known(&format!("claimed_{name}"), value))
            }
        }
    }
}

impl Failure {
    /// Somebody is refused of whom nothing is known for certain.
    pub(super) fn stranger(refusal: Refusal, claimed: Option<Claimed>) -> Self {
        let status = if claimed.is_some() { 200 } else { 400 };
        Self::Refused(Box::new(Refused { refusal, sender: Sender::Stranger(claimed.map(Box::new)), status }))
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
        Self::Refused(Box::new(Refused { refusal, sender: Sender::Stranger(None), status }))
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
        matches!(self, Self::Refused(refused) if refused.sender.is_known())
    }

    /// Our own work did not come to its end.
    pub(super) fn broken_off(why: impl ToString) -> Self {
        Self::Own(Problem::new(Fault::Temporary, "internal", "the work was broken off", why.to_string()))
    }

    /// Says which message it is about.
    pub(super) fn about(mut self, signed: &Arc<Signed>) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.sender = Sender::Known(Some(Arc::clone(signed)));
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
        Self::Refused(Box::new(Refused { refusal, sender: Sender::Known(None), status: 200 }))
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

/// Longest value of a refused header that is recorded, in characters.
const CLAIM_CHARS_MAX: usize = 256;

/// Answers a refusal with an ebMS error, and records it. Nothing else stays of the request, but for what `record_refused`
/// keeps. A sender who is known gets our signature and an event; of many strangers only the first in a minute do
/// (`limits::STRANGERS_RECORDED_A_MINUTE`), and a signature only for what is a message.
pub(super) async fn refuse(router: &Arc<Router>, refused: Refused) -> Response {
    let Refused { refusal, sender, status } = refused;
    let known = sender.is_known();
    router.metrics.refused(refusal.code(), known);
    let told = if known { Told::Alone } else { router.gate.refused(refusal.code(), Instant::now()) };
    if told == Told::First {
        let router = Arc::clone(router);
        tokio::spawn(async move {
            tokio::time::sleep(MINUTE).await;
            settle(&router).await;
        });
    }
    let event = Event::new(router.now(), None, Stage::Refused, "an AS4 message was refused").problem(refusal.problem());
    let event = sender.named(event);
    let certificates = sender.certificate().map(Certificate::to_pem).into_iter().collect();
    let in_reply_to = sender.claimed().map(|claimed| claimed.message_id.clone());
    // A partner in trouble may fail before it is known, and some read no error without a signature (protocol.md 1.10).
    let signs = known || (told == Told::Alone && in_reply_to.is_some());
    let keeper = Arc::clone(router);
    let work = move || {
        if told == Told::Alone {
            record(&keeper, event, certificates);
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
        record(&keeper, event, Vec::new());
        Ok(())
    });
    if let Err(problem) = recorded.await {
        tracing::error!(%problem, count, "refusals could not be recorded");
    }
}

/// Writes an event, with the certificates that it names.
fn record(router: &Router, event: Event, certificates: Vec<String>) {
    let evidence = Evidence { certificates, received: None };
    if let Err(error) = router.commit(Transaction { events: vec![event], evidence, ..Transaction::default() }) {
        tracing::error!(%error, "a refusal could not be recorded");
    }
}

/// What a refused message says of itself.
fn facts(claimed: &Claimed) -> [(&'static str, Option<String>); 4] {
    [
        ("from", claimed.original_sender.as_deref().map(cut)),
        ("to", claimed.final_recipient.as_deref().map(cut)),
        ("as4_message_id", Some(cut(claimed.message_id.as_str()))),
        ("conversation_id", claimed.conversation_id.as_deref().map(cut)),
    ]
}

fn party(party: &Option<Party>) -> Option<String> {
    party.as_ref().map(|party| cut(&party.id))
}

fn cut(value: &str) -> String {
    value.chars().take(CLAIM_CHARS_MAX).collect()
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
