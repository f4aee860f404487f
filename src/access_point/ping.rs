//! The AS4 test service (ebMS 3.0 Core, 5.2.2.9): does the way to a participant's access point work, without sending anything?
//!
//! The test message takes the route of a real one and is signed like one; the receiving access point gives its AS4 receipt and
//! delivers nothing.

use super::send_error::SendError;
use super::{Router, blocking};
use crate::as4::{self, Corners, Outgoing, PackedPiece, ReceiptError, UserMessage, receipt};
use crate::crypto::SystemRandom;
use crate::discovery::Route;
use crate::limits;
use crate::model::{As4MessageId, DocumentType, Event, ParticipantId, Problem, ProcessId, Stage, Warrant};
use crate::net::Body;
use crate::store::Transaction;
use crate::xml::algorithm::Allowed;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// A test message that was answered with a valid AS4 receipt.
#[derive(Clone, Debug, Serialize)]
pub struct Ping {
    /// Whose access point was tried.
    pub participant: ParticipantId,
    /// Its access point.
    pub party: String,
    /// Where it is.
    pub url: String,
    /// Id of the test message.
    pub as4_message_id: As4MessageId,
    /// Who signed the AS4 receipt.
    pub signed_by: String,
    /// SHA-256 of that certificate, in hexadecimal.
    pub certificate_sha256: String,
    /// From the first byte sent to the checked receipt, in milliseconds.
    pub milliseconds: u64,
}

impl Router {
    /// Sends a test message to the access point of `participant`, and checks its AS4 receipt. The event says by whom and why.
    ///
    /// # Errors
    ///
    /// The first of look-up, connection and AS4 receipt that fails, as for a message; nothing is tried again.
    pub async fn ping(
        self: &Arc<Self>,
        participant: &ParticipantId,
        document_type: &DocumentType,
        warrant: &Warrant,
    ) -> Result<Ping, Problem> {
        let route = self.discovery.route(participant, document_type, &ProcessId::default()).await;
        let route = route.map_err(|error| error.problem())?;
        let result = exchange(self, participant, &route).await;
        let mut event =
            Event::new(self.now(), None, Stage::Receipted, "a test message was answered with an AS4 receipt")
                .fact("partner", &route.party)
                .fact("url", &route.url)
                .fact("to", participant);
        event = warrant.on(event);
        match &result {
            Ok(ping) => {
                event = event
                    .fact("as4_message_id", &ping.as4_message_id)
                    .fact("signed_by", &ping.signed_by)
                    .fact("certificate_sha256", &ping.certificate_sha256);
            }
            Err(problem) => {
                event =
                    Event { stage: Stage::AttemptFailed, detail: "a test message was not answered".into(), ..event }
                        .problem(problem.clone());
            }
        }
        let router = Arc::clone(self);
        let transaction = Transaction { events: vec![event], ..Transaction::default() };
        blocking(move || router.commit(transaction).map(|_| ()).map_err(|error| super::store_problem(&error))).await?;
        result
    }
}

async fn exchange(router: &Arc<Router>, participant: &ParticipantId, route: &Route) -> Result<Ping, Problem> {
    let (keeper, to, target) = (Arc::clone(router), participant.clone(), route.clone());
    let (id, packed) = blocking(move || pack(&keeper, &to, &target)).await?;
    let begin = Instant::now();
    let body = packed.pieces.iter().fold(Body::empty(), |body, piece| match piece {
        PackedPiece::Text(text) => body.memory(text.clone()),
        // A test message has no parts.
        PackedPiece::Part(_) => body,
    });
    let (bytes_max, time_max) = (limits::AS4_ANSWER_BYTES_MAX, limits::AS4_EXCHANGE_MAX);
    let answer = router.client.post(&route.url, &packed.content_type, body, bytes_max, time_max).await;
    let answer = answer.map_err(|error| SendError::from(error).problem())?;
    let (certificate, at, sent_id) = (route.certificate.certificate().clone(), router.now(), id.clone());
    let receipt = blocking(move || {
        let (kind, body, sent) = (answer.content_type.as_deref(), &answer.body[..], &packed.references[..]);
        receipt::check(kind, body, sent, &sent_id, &certificate, at, &Allowed::new())
            .map_err(|error: ReceiptError| error.problem())
    })
    .await?;
    router.remember(&receipt.signer);
    Ok(Ping {
        participant: participant.clone(),
        party: route.party.to_string(),
        url: route.url.clone(),
        as4_message_id: id,
        signed_by: receipt.signer.subject().to_owned(),
        certificate_sha256: receipt.signer.sha256(),
        milliseconds: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

fn pack(router: &Router, to: &ParticipantId, route: &Route) -> Result<(As4MessageId, as4::Packed), Problem> {
    let settings = router.settings();
    let id = As4MessageId::new(uuid::Uuid::new_v4(), &settings.party);
    let sender = settings.participants.keys().next().unwrap_or(to);
    let message = UserMessage::of_test(Corners {
        message_id: &id,
        at: router.now(),
        access_points: [settings.party.as_str(), route.party.as_str()],
        participants: [sender.as_str(), to.as_str()],
        conversation_id: uuid::Uuid::new_v4().to_string(),
    });
    let outgoing = Outgoing { message, parts: Vec::new(), identity: &settings.identity, to: &route.certificate };
    let packed = as4::pack(outgoing, &SystemRandom);
    packed.map(|packed| (id, packed)).map_err(|error| SendError::from(error).problem())
}
