//! For systems that leave sealing to us: messages in clear, through the message service.

use super::ApiState;
use super::extract::{NoQuery, Parted, Strict, id, optional_id};
use super::multipart::{self, Form};
use super::participant::file_answer;
use super::problem::ProblemAnswer;
use super::shapes::{Mail, MailLine, Sent};
use crate::accounts::{Actor, Mailboxes};
use crate::message_service::MessageService;
use crate::model::{Carriage, Direction, Fault, Message, MessageId, ParticipantId, Problem};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use std::sync::Arc;

/// `POST messages`: seals and sends what the form holds. 202: it is durable.
pub(super) async fn send(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Strict(NoQuery {}): Strict<NoQuery>,
    request: Request,
) -> Result<Response, ProblemAnswer> {
    let service = match service(&state) {
        Ok(service) => service,
        Err(problem) => {
            multipart::drain(request).await;
            return Err(problem.into());
        }
    };
    let Form { draft, files } = multipart::read(service, request).await?;
    actor.require_mailbox(&draft.from)?;
    let message = service.send(draft, files).await?;
    let place = format!("/api/v1/messages/{}", message.id);
    let answer = (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(Sent::from(&message)));
    Ok(answer.into_response())
}

/// `GET messages/{id}`: a message of one of our mailboxes.
pub(super) async fn message(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted(message): Parted<String>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    service(&state)?;
    let message = state.access_point.message(id(&message)?).await?;
    if message.carriage != Carriage::Own {
        let detail = format!("{} is carried for a participant elsewhere; its envelope is taken, not read", message.id);
        return Err(Problem::new(Fault::Refused, "not-found", "no message of a mailbox here", detail).into());
    }
    actor.require_mailbox(owner(&message))?;
    Ok(Json(MailLine::from(&message)).into_response())
}

/// Which inbox.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxQuery {
    participant: Option<String>,
}

/// `GET inbox`: what has come in, newest first.
pub(super) async fn inbox(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Strict(query): Strict<InboxQuery>,
) -> Result<Response, ProblemAnswer> {
    let participant: Option<ParticipantId> = optional_id(query.participant.as_deref())?;
    let service = service(&state)?;
    if let Some(participant) = &participant {
        actor.require_mailbox(participant)?;
        served_here(service, participant)?;
    }
    let messages = received(service, &actor, participant).await?;
    let messages = messages.iter().map(MailLine::from).collect();
    Ok(Json(Mail { messages }).into_response())
}

/// What came in for a participant, or for all of the actor, newest first.
async fn received(
    service: &MessageService,
    actor: &Actor,
    participant: Option<ParticipantId>,
) -> Result<Vec<Message>, Problem> {
    if let Some(participant) = participant {
        return service.inbox(Some(&participant)).await;
    }
    let Mailboxes::Of(own) = actor.mailboxes() else { return service.inbox(None).await };
    let mut messages = Vec::new();
    for participant in own.iter().filter(|own| service.mailboxes().iter().any(|mailbox| mailbox.participant == **own)) {
        messages.extend(service.inbox(Some(participant)).await?);
    }
    messages.sort_by_key(|message| std::cmp::Reverse((message.created_at, message.id)));
    Ok(messages)
}

/// Whose mailbox a message is in.
fn owner(message: &Message) -> &ParticipantId {
    if message.direction == Direction::In { &message.to } else { &message.from }
}

/// `GET messages/{id}/documents/{index}`: one document, from 0.
pub(super) async fn document(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted((message, index)): Parted<(String, usize)>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let message: MessageId = id(&message)?;
    let service = service(&state)?;
    let found = state.access_point.message(message).await?;
    actor.require_mailbox(owner(&found))?;
    let (name, participant) = (actor.name(), owner(&found));
    tracing::info!(stage = "content-opened", actor = name, %participant, %message, "the content of a message was opened");
    let (document, file) = service.document(message, index).await?;
    Ok(file_answer(file, &document.mime, &document.name)?)
}

fn service(state: &ApiState) -> Result<&Arc<MessageService>, Problem> {
    state.message_service.as_ref().ok_or_else(|| {
        Problem::new(
            Fault::Usage,
            "role",
            "no message service here",
            "this process is an access point only; hand in sealed envelopes with `sluss submit`, or add the role message-service to the configuration",
        )
    })
}

fn served_here(service: &MessageService, participant: &ParticipantId) -> Result<(), Problem> {
    if service.mailboxes().iter().any(|mailbox| mailbox.participant == *participant) {
        return Ok(());
    }
    let known: Vec<String> = service.mailboxes().iter().map(|mailbox| mailbox.participant.to_string()).collect();
    let detail = format!("{participant} has no mailbox here; expected one of {}", known.join(", "));
    Err(Problem::new(Fault::Refused, "mailbox-not-found", "no such mailbox", detail))
}
