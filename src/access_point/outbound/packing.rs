//! Signs, encrypts and packs a message for the route that it takes, once; keeps it, and reads it back for each attempt.

use super::{Router, SendError, Settings};
use crate::access_point::spool::Kept;
use crate::access_point::store_problem;
use crate::as4::{self, Compression, Corners, Outgoing, OutgoingPart, Packed, PackedPiece, UserMessage, pmode};
use crate::crypto::{Digesting, SystemRandom};
use crate::discovery::Route;
use crate::model::{
    As4MessageId, BlobId, Change, Event, Fault, Message, Packing, PartyId, Piece, Problem, Stage, Timestamp,
};
use crate::net::Body;
use crate::ops::log;
use crate::store::{Settlement, StoreError, Transaction};
use std::io::{self, BufReader, BufWriter};
use std::sync::Arc;

/// How much of a packed message is written at once.
const WRITE_BYTES: usize = 48 * 1024;

/// What is said where a message is packed.
pub(super) const PACKED: &str = "signed, encrypted and packed";

/// What is said where the same message is packed once more.
const PACKED_ANEW: &str =
    "signed, encrypted and packed anew under the same id: the receiver has another certificate now";

/// The same bytes go where the receiver is now: it may have moved since the message was packed. Where it has another
/// certificate, they are of no use to it: the message is encrypted anew, under the same id, by which the receiver knows it if it
/// has it already: then that body is given. A look-up that leads to nobody or to another access point changes nothing.
///
/// # Errors
///
/// As for [`packed`].
pub(super) async fn readdress(router: &Arc<Router>, message: &mut Message) -> Result<Option<Body>, SendError> {
    let route = router.discovery.route(&message.to, &message.document_type, &message.process).await;
    let Ok(route) = route.map_err(drop) else { return Ok(None) };
    let Some(packing) = &mut message.packed else { return Ok(None) };
    if packing.certificate == route.certificate.certificate().to_pem() {
        packing.url = route.url;
    } else if message.partner.as_ref() == Some(&route.party) {
        let (anew, body) = packed(router, message.clone(), route, PACKED_ANEW).await?;
        *message = anew;
        return Ok(Some(body));
    }
    Ok(None)
}

/// Packs the message for `route`, under its id where it has one, and keeps the result under the message's claim, as `said` in its
/// event. Gives what is to be sent with it.
pub(super) async fn packed(
    router: &Arc<Router>,
    mut message: Message,
    route: Route,
    said: &str,
) -> Result<(Message, Body), SendError> {
    let (router, said) = (Arc::clone(router), said.to_owned());
    beside(move || {
        router.store.route(&message.to, &route.party).map_err(|error| SendError::Own(store_problem(&error)))?;
        let settings = router.settings();
        let known = message.as4_message_id.clone();
        let id = known.unwrap_or_else(|| As4MessageId::new(uuid::Uuid::new_v4(), &settings.party));
        let header = header(&settings, &message, &id, &route, router.now());
        let mut packing = pack(&router, &settings, &message, header, &route)?;
        packing.earlier = message.packed.take().map(|packing| packing.given_way(router.now())).unwrap_or_default();
        let event = |stage, detail: &str| {
            let event = Event::of(router.now(), &message, stage, detail).fact("partner", &route.party);
            event.fact("conversation_id", &message.envelope_id).fact("as4_message_id", &id)
        };
        let events = vec![
            event(Stage::Routed, &format!("the route leads to {}", route.party))
                .fact("url", &route.url)
                .fact("certificate_sha256", route.certificate.certificate().sha256()),
            event(Stage::Packed, &said).fact("bytes", packing.bytes),
        ];
        keep_packed(&router, &mut message, id, route.party, packing, events)?;
        match body(&router, &message) {
            Ok(body) => Ok((message, body)),
            Err(Unsendable::Lost(lost)) => Err(SendError::Own(store_damaged(&lost))),
            Err(Unsendable::Failed(error)) => Err(error),
        }
    })
    .await
}

/// What was packed before, to be sent again; packed anew where our disk no longer has it.
pub(super) async fn reopened(router: &Arc<Router>, message: &mut Message) -> Result<Body, SendError> {
    let (keeper, of) = (Arc::clone(router), message.clone());
    match beside(move || Ok(body(&keeper, &of))).await? {
        Ok(body) => Ok(body),
        Err(Unsendable::Lost(lost)) => repacked(router, message, &lost).await,
        Err(Unsendable::Failed(error)) => Err(error),
    }
}

/// Packs a message anew, under the same id, of which our disk no longer has what was packed before: `lost` says what of it. The
/// receiver may have got it as it was, so it goes to no other access point.
///
/// # Errors
///
/// As for [`packed`]; [`SendError::Damaged`] where the envelope is lost as well.
pub(super) async fn repacked(router: &Arc<Router>, message: &mut Message, lost: &str) -> Result<Body, SendError> {
    tracing::warn!(message_id = %message.id, lost, "our disk no longer has a packed message as it was stored");
    let route = router.discovery.route(&message.to, &message.document_type, &message.process).await?;
    if message.partner.as_ref() != Some(&route.party) {
        let detail = format!("{lost}, and the recipient is at another access point now ({})", route.party);
        return Err(SendError::Own(store_damaged(&detail)));
    }
    let said = format!("{PACKED} anew under the same id: our disk no longer has what was packed before: {lost}");
    let (anew, body) = packed(router, message.clone(), route, &said).await?;
    *message = anew;
    Ok(body)
}

/// Runs blocking work beside the asynchronous threads.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SendError> + Send + 'static,
) -> Result<T, SendError> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(error) => Err(SendError::Own(store_damaged(&error.to_string()))),
    }
}

/// Keeps what is about to be sent, before its first byte leaves.
pub(in crate::access_point) fn keep_packed(
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
    let cipher = Digesting::new(router.store.blobs().create(Some(message.envelope_bytes)).map_err(own)?);
    // It comes in crumbs: headers, vectors, tags.
    let mut cipher = BufWriter::with_capacity(WRITE_BYTES, cipher);
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
    let cipher =
        cipher.into_inner().map_err(|unwritten| own(StoreError::io("write a payload", unwritten.into_error())))?;
    let (cipher, sha256) = cipher.finish();
    let cipher = cipher.commit().map_err(own)?;
    Ok(packing(packed, (cipher, sha256), route))
}

fn packing(packed: Packed, (cipher, sha256): (BlobId, String), route: &Route) -> Packing {
    let bytes = packed.bytes();
    let pieces = packed.pieces.into_iter().map(|piece| match piece {
        PackedPiece::Text(text) => Piece::Text(text),
        PackedPiece::Part(_) => Piece::File(cipher),
    });
    Packing {
        content_type: packed.content_type,
        pieces: pieces.collect(),
        bytes,
        part_sha256: Some(sha256),
        references: packed.references,
        url: route.url.clone(),
        certificate: route.certificate.certificate().to_pem(),
        earlier: Vec::new(),
    }
}

/// Why a packed message cannot be sent.
enum Unsendable {
    /// Our disk no longer has it as it was packed: what of it.
    Lost(String),
    /// Anything else.
    Failed(SendError),
}

impl From<Problem> for Unsendable {
    fn from(problem: Problem) -> Self {
        Self::Failed(SendError::Own(problem))
    }
}

/// The packed message as a streaming body. Of a large one it shows while it is sent whether it is still what was packed.
fn body(router: &Router, message: &Message) -> Result<Body, Unsendable> {
    let (packing, _) = sealed_with(message).map_err(Unsendable::Failed)?;
    let body = packing.pieces.iter().try_fold(Body::empty(), |body, piece| match piece {
        Piece::Text(text) => Ok(body.memory(text.clone())),
        Piece::File(blob) => with_part(router, body, *blob, packing.part_sha256.as_deref()),
    });
    body?.loaded().map_err(|error| Unsendable::Lost(error.to_string()))
}

/// With an encrypted part at the end.
fn with_part(router: &Router, body: Body, blob: BlobId, sha256: Option<&str>) -> Result<Body, Unsendable> {
    let file = router.store.blobs().open(blob).map_err(|error| match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Unsendable::Lost(format!("payload {blob} is missing"))
        }
        error => store_problem(&error).into(),
    })?;
    let added = match sha256 {
        Some(sha256) => body.proven(file, sha256),
        None => body.file(file),
    };
    added.map_err(|error| store_damaged(&error.to_string()).into())
}

pub(super) fn sealed_with(message: &Message) -> Result<(&Packing, &As4MessageId), SendError> {
    message
        .packed
        .as_ref()
        .zip(message.as4_message_id.as_ref())
        .ok_or_else(|| SendError::Own(store_damaged("the packed message is no longer there")))
}

pub(super) fn store_damaged(detail: &str) -> Problem {
    Problem::new(
        Fault::Temporary,
        "store",
        "the store did not have what it should",
        format!("{detail}; look at data_dir, and restore it from a backup if it is damaged"),
    )
}
