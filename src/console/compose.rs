//! Writing: the form, and sending what it holds.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::mailbox::{mailbox, message_of};
use super::problems::{INCOMPLETE, ProblemView};
use crate::limits::{API_DRAIN_BYTES_MAX, ENVELOPE_BYTES_MAX};
use crate::message_service::{Draft, DraftFile, Mailbox, MessageService};
use crate::model::{Direction, Fault, Message, Priority, Problem};
use crate::net::form::{FormError, FormReader, Part};
use crate::net::inbound::BodyLimits;
use askama::Template;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

/// The form as it was filled in.
#[derive(Clone, Debug, Default)]
struct Filled {
    to: String,
    address: String,
    label: String,
    text: String,
    confidential: bool,
    priority: Priority,
    in_reply_to: String,
}

#[derive(Template)]
#[template(path = "compose.html", config = ".config/askama.toml")]
pub(super) struct ComposePage {
    mailbox: Mailbox,
    filled: Filled,
    problem: Option<ProblemView>,
    frame: Frame,
}

/// What is answered.
#[derive(Deserialize)]
pub(super) struct Answering {
    reply_to: Option<String>,
}

/// `GET /mailbox/{participant}/write`.
pub(super) async fn form(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path(participant): Path<String>,
    Query(answering): Query<Answering>,
) -> Response {
    or_failure(&visit, form_page(&state, &visit, &participant, answering.reply_to.as_deref()).await)
}

async fn form_page(
    state: &ConsoleState,
    visit: &Visit,
    participant: &str,
    reply_to: Option<&str>,
) -> Result<Response, Failure> {
    let (_, mailbox) = mailbox(state, visit, participant)?;
    let answered = match reply_to {
        None => None,
        Some(id) => Some(message_of(state, visit, &mailbox, id).await?),
    };
    Ok(page(&render(mailbox, answered.as_ref(), None, visit)))
}

/// The form: empty, or begun as a reply.
pub(super) fn render(
    mailbox: Mailbox,
    answered: Option<&Message>,
    problem: Option<Problem>,
    visit: &Visit,
) -> ComposePage {
    let filled = answered.map(answer_to).unwrap_or_default();
    let problem = problem.map(|problem| ProblemView::new(&problem, visit.lang()));
    ComposePage { mailbox, filled, problem, frame: visit.frame("mailbox") }
}

/// A reply goes to the sender's function address and names the message, whose id is its envelope's
/// (MSG-3.2.t01).
fn answer_to(message: &Message) -> Filled {
    let content = message.content.clone().unwrap_or_default();
    let inbound = message.direction == Direction::In;
    Filled {
        to: if inbound { &message.from } else { &message.to }.to_string(),
        address: if inbound { content.sender_address } else { content.functional_address }.unwrap_or_default(),
        label: if content.label.starts_with("Sv: ") { content.label } else { format!("Sv: {}", content.label) },
        confidential: content.confidential,
        in_reply_to: message.envelope_id.to_string(),
        ..Filled::default()
    }
}

/// `POST /mailbox/{participant}/write`.
pub(super) async fn send(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path(participant): Path<String>,
    request: Request,
) -> Response {
    or_failure(&visit, sent(&state, &visit, &participant, request).await)
}

async fn sent(state: &ConsoleState, visit: &Visit, participant: &str, request: Request) -> Result<Response, Failure> {
    let (service, mailbox) = mailbox(state, visit, participant)?;
    let limits = BodyLimits::bytes(ENVELOPE_BYTES_MAX);
    let mut form = FormReader::new(request, limits).await.map_err(|fault| problem_of(&fault))?;
    let mut filled = Filled::default();
    let read = read(&service, &mut form, visit, &mut filled).await;
    // What remains after a refusal is taken, so that the browser shows the page and not a broken connection.
    form.drain(API_DRAIN_BYTES_MAX).await;
    let outcome = match read? {
        Ok(files) => submit(&service, &mailbox, &filled, files, visit).await,
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(place) => Ok(Redirect::to(&place).into_response()),
        Err(problem) => {
            let shown = ProblemView::new(&problem, visit.lang());
            let again = ComposePage { mailbox, filled, problem: Some(shown), frame: visit.frame("mailbox") };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&again)).into_response())
        }
    }
}

/// Reads the form. The outer error is a form that is not ours: nothing of it is shown again.
async fn read(
    service: &MessageService,
    form: &mut FormReader,
    visit: &Visit,
    filled: &mut Filled,
) -> Result<Result<Vec<DraftFile>, Problem>, Failure> {
    let mut files = Vec::new();
    let mut trusted = false;
    loop {
        let part = match form.next().await {
            Ok(Some(part)) => part,
            Ok(None) if trusted => return Ok(Ok(files)),
            Ok(None) => return Err(stale(visit)),
            Err(fault) => return Ok(Err(problem_of(&fault))),
        };
        match part {
            // It stands first in the form: before it, nothing is kept or spooled.
            Part::Text { name, value } if name == "csrf" => trusted = visit.is_own_form(&value),
            _ if !trusted => return Err(stale(visit)),
            Part::Text { name, value } => filled.fill(&name, value),
            Part::File { name, .. } if name.is_empty() => {}
            Part::File { name, mime, content } => {
                let spooled = content.feed(|bytes| service.spool(&name, &mime, bytes)).await;
                match spooled.map_err(|fault| problem_of(&fault)).and_then(|spooled| spooled) {
                    Ok(file) => files.push(file),
                    Err(problem) => return Ok(Err(problem)),
                }
            }
        }
    }
}

fn stale(visit: &Visit) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, visit.text().form_stale)
}

impl ComposePage {
    /// What may be chosen: word, name, whether it is.
    fn priorities(&self) -> [(&'static str, &'static str, bool); 3] {
        Priority::ALL
            .map(|priority| (priority.word(), self.frame.t.priority(priority), priority == self.filled.priority))
    }
}

impl Filled {
    fn fill(&mut self, name: &str, value: String) {
        match name {
            "to" => self.to = value.trim().into(),
            "address" => self.address = value.trim().into(),
            "label" => self.label = value.trim().into(),
            "text" => self.text = value,
            "priority" => self.priority = value.parse().unwrap_or_default(),
            "confidential" => self.confidential = true,
            "in_reply_to" => self.in_reply_to = value,
            _ => {}
        }
    }
}

/// Sends, and says where to go then.
async fn submit(
    service: &MessageService,
    mailbox: &Mailbox,
    filled: &Filled,
    files: Vec<DraftFile>,
    visit: &Visit,
) -> Result<String, Problem> {
    let t = visit.text();
    let incomplete = |detail: &str| Problem::new(Fault::Usage, INCOMPLETE, t.not_sent, detail);
    let to = filled.to.parse().map_err(|_: crate::model::IdError| incomplete(t.recipient_wrong))?;
    if filled.label.is_empty() {
        return Err(incomplete(t.label_missing));
    }
    if filled.text.trim().is_empty() && files.is_empty() {
        return Err(incomplete(t.nothing_to_send));
    }
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.trim().is_empty());
    let draft = Draft {
        from: mailbox.participant.clone(),
        to,
        functional_address: given(&filled.address),
        label: filled.label.clone(),
        text: given(&filled.text),
        confidential: filled.confidential,
        priority: filled.priority,
        in_reply_to: given(&filled.in_reply_to),
    };
    let message = service.send(draft, files).await?;
    Ok(format!("/mailbox/{}/messages/{}?sent=1", mailbox.participant, message.id))
}

fn problem_of(fault: &FormError) -> Problem {
    let (class, kind) = match fault {
        FormError::Body(_) => (Fault::Temporary, "body"),
        _ => (Fault::Usage, "form"),
    };
    Problem::new(class, kind, "the form was not taken", fault.to_string())
}
