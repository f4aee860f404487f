//! What happens before anybody is known: the SOAP part is waited for, parsed and verified, by few at a time.

use super::refusal::{Failure, Signed};
use super::{Addressed, verified};
use crate::access_point::{Router, Settings};
use crate::as4::{self, Answer, Attributed, Claimed, Finding, Head, Kind, Received, Refusal, RefusalCause};
use crate::limits;
use crate::model::{DocumentType, ParticipantId, PartyId, ProcessId};
use crate::net::BodyError;
use crate::net::inbound::Upload;
use crate::pki::Certificate;
use std::io::Read;
use std::sync::Arc;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

/// Waits until the SOAP part is in memory as a whole, and says under which Content-Type. Nobody has a thread for it. A large one needs a place among the few, and one
/// beyond the bound that holds without a partner's setting one more among fewer; both are held as long as the result. Who has
/// that second place waits for no other, so none waits for ever.
pub(super) async fn arrived<'r>(
    router: &'r Router,
    head: &Head,
    announced: Option<u64>,
    body: &mut Upload,
) -> Result<(String, Vec<SemaphorePermit<'r>>), Failure> {
    let content_type = head.content_type().map_err(|refusal| Failure::stranger(refusal, None))?;
    let settings = router.settings();
    if announced.is_some_and(|bytes| bytes > settings.as4_bytes_max) {
        return Err(Failure::unread(&BodyError::TooLarge(settings.as4_bytes_max)));
    }
    let soap_bytes_max = settings.soap_bytes_max();
    let [ordinary, most] = [limits::SOAP_BYTES_MAX, soap_bytes_max].map(|soap| soap + limits::BEGINNING_EXTRA_BYTES);
    // From so many bytes on, a place of these, which is enough for so many.
    let steps = [(limits::SOAP_SMALL_BYTES, &router.gate.large, ordinary), (ordinary, &router.gate.larger, most)];
    let (mut places, mut looks, mut look_at) = (Vec::new(), 0, 0);
    loop {
        let (beginning, ended) = body.beginning();
        let step = steps.get(places.len()).filter(|(from, ..)| beginning.len() > *from);
        let too_large = beginning.len() > most;
        // Each look begins at the first byte: crumbs are not worth one each.
        if ended || step.is_some() || too_large || looks < LOOKS_AT_ONCE || beginning.len() >= look_at {
            if as4::begun(content_type, beginning, ended, soap_bytes_max) {
                return Ok((content_type.to_owned(), places));
            }
            (looks, look_at) = (looks + 1, beginning.len() * 3 / 2);
        }
        if too_large {
            let expected = format!("at most {most} bytes with its headers");
            return Err(Failure::stranger(Refusal::Limit(Finding::new("a larger SOAP part", expected)), None));
        }
        if let Some((_, gate, enough)) = step {
            let patience = limits::SERVER_IDLE_MAX;
            let found = tokio::time::timeout(patience, gate.acquire()).await.ok().and_then(Result::ok);
            let none = || Failure::Crowded("too many large SOAP parts are in work".into());
            places.push(found.ok_or_else(none)?);
            let announced = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
            body.expect(announced.min(enough + limits::SOAP_SMALL_BYTES));
        }
        body.more().await.map_err(|fault| Failure::unread(&fault))?;
    }
}

/// Whether the SOAP part is as small as its sender must keep it. Whose it claims to be decides: if that is a lie, it is
/// refused for that next.
fn fits<R: Read>(settings: &Settings, received: &Received<R>) -> Result<(), Failure> {
    let (claimed, found) = (received.claimed(), received.soap().len());
    let party = claimed.from.as_ref().and_then(|from| from.id.parse::<PartyId>().ok());
    let most = settings.tolerated(party.as_ref()).soap_bytes_max;
    if found <= most {
        return Ok(());
    }
    let sender = party.map_or_else(|| "a sender without party id".to_owned(), |party| party.to_string());
    let finding = Finding::new(format!("a SOAP part of {found} bytes"), format!("at most {most} bytes of {sender}"));
    Err(Failure::stranger(Refusal::Limit(finding.cause(RefusalCause::LargeSoap)), Some(claimed)))
}

/// So many pieces of a body are looked at as they come; later ones when there is half as much again.
const LOOKS_AT_ONCE: usize = 32;

/// What came of a look at the SOAP part.
pub(super) enum Look<R> {
    /// The message was answered before: this way.
    Again(Answer),
    /// It is to be opened.
    New(Box<(Attributed<R>, Addressed, Arc<Signed>)>),
}

/// Parses and verifies, in a thread of few.
pub(super) async fn looked<R: Read + Send + 'static>(
    router: &Arc<Router>,
    content_type: String,
    body: R,
) -> Result<Look<R>, Failure> {
    let keeper = Arc::clone(router);
    let look = apart(router, move || {
        let settings = keeper.settings();
        let received = as4::read_within(&content_type, body, settings.soap_bytes_max());
        let received = received.map_err(|refusal| Failure::stranger(refusal, None))?;
        if received.kind() != Kind::UserMessage {
            let found = format!("{} as a request", received.kind().with_article());
            let expected = "a user message: AS4 receipts and errors come in answers here";
            let refusal = Refusal::Feature(Finding::new(found, expected).rule("AS4-2.3.1.i"));
            return Err(Failure::stranger(refusal, Some(received.claimed())));
        }
        fits(&settings, &received)?;
        let Some(reference) = received.signer_reference().filter(|reference| reference.certificates().is_empty())
        else {
            return verified(&keeper, received, &[]).map(Ok);
        };
        let known = keeper.known_partners();
        if known.iter().any(|certificate| reference.names(certificate)) {
            return verified(&keeper, received, &known).map(Ok);
        }
        // Its signer is named, and no certificate here has that name.
        Ok(Err(Box::new(received)))
    })
    .await?;
    let received = match look {
        Ok(look) => return Ok(look),
        Err(received) => received,
    };
    let candidates = candidates(router, &received.claimed()).await;
    let keeper = Arc::clone(router);
    apart(router, move || verified(&keeper, *received, &candidates)).await
}

/// Runs a stage on one of the few threads for it.
async fn apart<T: Send + 'static>(
    router: &Router,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let span = tracing::Span::current();
    router
        .gate
        .verifiers
        .run(move || span.in_scope(work))
        .await
        .unwrap_or_else(|| Err(Failure::broken_off("a thread that verifies ended")))
}

/// Certificates that a signature may mean that neither brings its own nor names one of a known partner's: that of the original
/// sender's access point in SMP. It is then trusted like any other. Nothing is proven yet, so few such look-ups are made.
async fn candidates(router: &Router, claimed: &Claimed) -> Vec<Certificate> {
    let sender = claimed.original_sender.as_ref().and_then(|id| id.parse::<ParticipantId>().ok());
    let Some(sender) = sender else { return Vec::new() };
    let Some(_place) = router.gate.may_look_up(&sender, Instant::now()) else { return Vec::new() };
    match router.discovery.route(&sender, &DocumentType::message_receipt(), &ProcessId::default()).await {
        Ok(route) => vec![route.certificate.certificate().clone()],
        Err(error) => {
            router.gate.not_found(sender, Instant::now());
            tracing::warn!(problem = %error.problem(), "the certificate of an AS4 signature is looked for in SMP, in vain");
            Vec::new()
        }
    }
}
