//! For participants whose message service is elsewhere: sealed envelopes in and out, as they are.

use super::ApiState;
use super::extract::{NoQuery, Parted, Strict, id, optional_id};
use super::multipart::priority;
use super::problem::{ProblemAnswer, of_body, too_large, usage};
use super::shapes::{Notice, Notices, Sent, Waiting, WaitingLine};
use crate::accounts::Actor;
use crate::limits::{API_DRAIN_BYTES_MAX, ENVELOPE_BYTES_MAX};
use crate::model::{Fault, MessageId, ParticipantId, Problem};
use crate::net::download::download;
use crate::net::inbound::{BodyLimits, drain, reader};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

/// How an envelope is to be sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitQuery {
    priority: Option<String>,
}

/// `POST participants/{id}/envelopes`: takes a sealed envelope for sending. 202: it is durable.
pub(super) async fn submit(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted(participant): Parted<String>,
    Strict(query): Strict<SubmitQuery>,
    request: Request,
) -> Result<Response, ProblemAnswer> {
    let (head, body) = request.into_parts();
    let priority = priority(query.priority.as_deref());
    let checked = priority.and_then(|priority| Ok((priority, check(&actor, &participant, &head.headers)?)));
    let (priority, (participant, expected)) = match checked {
        Ok(checked) => checked,
        Err(problem) => {
            drain(body, API_DRAIN_BYTES_MAX).await;
            return Err(problem.into());
        }
    };
    let (envelope, remains) = reader(body, BodyLimits::bytes(ENVELOPE_BYTES_MAX));
    let submitted = state.access_point.submit(&participant, envelope, expected, priority).await;
    match submitted {
        Ok(message) => {
            let place = format!("/api/v1/queue/{}", message.id);
            let answer = (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(Sent::from(&message)));
            Ok(answer.into_response())
        }
        Err(problem) => {
            let problem = remains.fault().map_or(problem, |fault| of_body(&fault));
            remains.drain(API_DRAIN_BYTES_MAX).await;
            Err(problem.into())
        }
    }
}

fn check(actor: &Actor, participant: &str, headers: &HeaderMap) -> Result<(ParticipantId, Option<u64>), Problem> {
    let participant = own(actor, participant)?;
    let expected = content_length(headers)?;
    match expected {
        Some(bytes) if bytes > ENVELOPE_BYTES_MAX => Err(too_large(bytes, ENVELOPE_BYTES_MAX)),
        Some(0) => Err(usage("found no content, expected a sealed envelope (XHE)")),
        _ => Ok((participant, expected)),
    }
}

/// The participant of a path, where it is the actor's own (APOP-3.3.b).
fn own(actor: &Actor, participant: &str) -> Result<ParticipantId, Problem> {
    let participant = id(participant)?;
    actor.require_mailbox(&participant)?;
    Ok(participant)
}

/// The announced length of a body.
pub(super) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else {
        return Ok(None);
    };
    let bytes = value.to_str().ok().and_then(|text| text.parse().ok());
    bytes.map(Some).ok_or_else(|| usage("Content-Length is no number"))
}

/// Which page of what waits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingQuery {
    after: Option<String>,
}

/// `GET participants/{id}/envelopes`: what waits to be taken, oldest first, by pages.
pub(super) async fn waiting(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted(participant): Parted<String>,
    Strict(query): Strict<WaitingQuery>,
) -> Result<Response, ProblemAnswer> {
    let after = optional_id(query.after.as_deref())?;
    let (messages, next) = state.access_point.waiting(&own(&actor, &participant)?, after).await?;
    let envelopes = messages.iter().map(WaitingLine::from).collect();
    Ok(Json(Waiting { envelopes, next }).into_response())
}

/// `GET participants/{id}/envelopes/{message}`: the sealed envelope, byte for byte.
pub(super) async fn envelope(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted((participant, message)): Parted<(String, String)>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let message: MessageId = id(&message)?;
    let (_, file) = state.access_point.envelope(&own(&actor, &participant)?, message).await?;
    Ok(file_answer(file, "application/xml", &format!("{message}.xml"))?)
}

/// `POST participants/{id}/envelopes/{message}/confirm`: the participant has it.
pub(super) async fn confirm(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted((participant, message)): Parted<(String, String)>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let message = state.access_point.confirm(&own(&actor, &participant)?, id(&message)?, actor.name()).await?;
    Ok(Json(Sent::from(&message)).into_response())
}

/// `GET participants/{id}/notices`: what was not sent, oldest first, by pages.
pub(super) async fn notices(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted(participant): Parted<String>,
    Strict(query): Strict<WaitingQuery>,
) -> Result<Response, ProblemAnswer> {
    let after = optional_id(query.after.as_deref())?;
    let (messages, next) = state.access_point.notices(&own(&actor, &participant)?, after).await?;
    let notices = messages.iter().map(Notice::from).collect();
    Ok(Json(Notices { notices, next }).into_response())
}

/// `POST participants/{id}/notices/{message}/confirm`: the participant knows that it was given up.
pub(super) async fn confirm_notice(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted((participant, message)): Parted<(String, String)>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let participant = own(&actor, &participant)?;
    let message = state.access_point.confirm_notice(&participant, id(&message)?, actor.name()).await?;
    Ok(Json(Sent::from(&message)).into_response())
}

/// A whole file as an answer that is saved, not shown.
pub(super) fn file_answer(file: std::fs::File, mime: &str, name: &str) -> Result<Response, Problem> {
    download(file, mime, name)
        .map_err(|fault| Problem::new(Fault::Temporary, "store", "a stored file is not readable", fault.to_string()))
}
