//! A participant's mailbox: what came in, what was sent, one message with its documents.

use super::ConsoleState;
use super::frame::{Failure, Frame, Visit, not_found, or_failure, page};
use super::problems::ProblemView;
use super::view::{Moment, StatusView, Wall, paragraphs, size};
use crate::message_service::{Mailbox, MessageService};
use crate::model::{Carriage, Direction, Document, Fault, Message, ParticipantId, Problem};
use crate::net::download::download;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use std::io::Read;
use std::sync::Arc;

/// How much of a text is shown on the page, in bytes.
const TEXT_BYTES_SHOWN: u64 = 256 * 1024;

#[derive(Template)]
#[template(path = "mailboxes.html", config = ".config/askama.toml")]
pub(super) struct MailboxesPage {
    mailboxes: Vec<Mailbox>,
    frame: Frame,
}

/// `GET /mailbox`.
pub(super) async fn mailboxes(State(state): State<ConsoleState>, visit: Visit) -> Response {
    let mut mailboxes = state.message_service.as_ref().map(|service| service.mailboxes().to_vec()).unwrap_or_default();
    mailboxes.retain(|mailbox| visit.may_open(&mailbox.participant));
    page(&render_mailboxes(mailboxes, &visit))
}

pub(super) fn render_mailboxes(mailboxes: Vec<Mailbox>, visit: &Visit) -> MailboxesPage {
    MailboxesPage { mailboxes, frame: visit.frame("mailbox") }
}

/// A message in a list of a mailbox.
struct MailRow {
    id: String,
    other: String,
    label: String,
    confidential: bool,
    documents: usize,
    at: Moment,
    status: StatusView,
}

impl MailRow {
    fn new(message: &Message, wall: &Wall, visit: &Visit) -> Self {
        let content = message.content.as_ref();
        let inbound = message.direction == Direction::In;
        Self {
            id: message.id.to_string(),
            other: if inbound { &message.from } else { &message.to }.to_string(),
            label: label(message, visit),
            confidential: content.is_some_and(|content| content.confidential),
            documents: content.map_or(0, |content| content.documents.len()),
            at: wall.moment(message.created_at),
            status: StatusView::new(message.status, visit.lang()),
        }
    }
}

fn label(message: &Message, visit: &Visit) -> String {
    let label = message.content.as_ref().map(|content| content.label.trim()).unwrap_or_default();
    if label.is_empty() { visit.text().no_label.into() } else { label.to_owned() }
}

#[derive(Template)]
#[template(path = "mailbox.html", config = ".config/askama.toml")]
pub(super) struct MailboxPage {
    mailbox: Mailbox,
    inbound: bool,
    rows: Vec<MailRow>,
    now: String,
    frame: Frame,
}

/// `GET /mailbox/{participant}`.
pub(super) async fn inbox(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path(participant): Path<String>,
) -> Response {
    or_failure(&visit, list(&state, &visit, &participant, true).await)
}

/// `GET /mailbox/{participant}/sent`.
pub(super) async fn outbox(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path(participant): Path<String>,
) -> Response {
    or_failure(&visit, list(&state, &visit, &participant, false).await)
}

async fn list(state: &ConsoleState, visit: &Visit, participant: &str, inbound: bool) -> Result<Response, Failure> {
    let (service, mailbox) = mailbox(state, visit, participant)?;
    let messages = if inbound {
        service.inbox(Some(&mailbox.participant)).await?
    } else {
        service.outbox(Some(&mailbox.participant)).await?
    };
    Ok(page(&render_list(mailbox, inbound, &messages, visit)))
}

pub(super) fn render_list(mailbox: Mailbox, inbound: bool, messages: &[Message], visit: &Visit) -> MailboxPage {
    let wall = Wall::swedish(visit.now, visit.lang());
    let rows = messages.iter().map(|message| MailRow::new(message, &wall, visit)).collect();
    MailboxPage { mailbox, inbound, rows, now: wall.now(), frame: visit.frame("mailbox") }
}

/// The mailbox of the address, where it is one of ours and this person's.
pub(super) fn mailbox(
    state: &ConsoleState,
    visit: &Visit,
    participant: &str,
) -> Result<(Arc<MessageService>, Mailbox), Failure> {
    let service = state.message_service.clone().ok_or_else(|| not_found(visit))?;
    let participant: ParticipantId = participant.parse().map_err(|_| not_found(visit))?;
    visit.require_mailbox(&participant)?;
    let found = service.mailboxes().iter().find(|mailbox| mailbox.participant == participant).cloned();
    found.map(|mailbox| (service, mailbox)).ok_or_else(|| not_found(visit))
}

/// The message of the address, where it belongs to that mailbox.
pub(super) async fn message_of(
    state: &ConsoleState,
    visit: &Visit,
    mailbox: &Mailbox,
    id: &str,
) -> Result<Message, Failure> {
    let id = id.parse().map_err(|_| not_found(visit))?;
    let message = state.access_point.message(id).await?;
    let owner = if message.direction == Direction::In { &message.to } else { &message.from };
    let theirs = message.carriage == Carriage::Own && *owner == mailbox.participant;
    theirs.then_some(message).ok_or_else(|| not_found(visit))
}

struct DocumentRow {
    index: usize,
    name: String,
    mime: String,
    size: String,
}

/// A text of a message, as paragraphs of lines.
struct TextView {
    paragraphs: Vec<Vec<String>>,
    cut: bool,
}

#[derive(Template)]
#[template(path = "mail.html", config = ".config/askama.toml")]
pub(super) struct MailPage {
    mailbox: Mailbox,
    row: MailRow,
    inbound: bool,
    from: String,
    to: String,
    from_address: Option<String>,
    to_address: Option<String>,
    envelope_id: String,
    message_receipt: Option<String>,
    texts: Vec<TextView>,
    documents: Vec<DocumentRow>,
    problem: Option<ProblemView>,
    unreadable: Option<ProblemView>,
    just_sent: bool,
    frame: Frame,
}

/// Whether the page comes right after sending.
#[derive(Deserialize)]
pub(super) struct Arrival {
    sent: Option<String>,
}

/// `GET /mailbox/{participant}/messages/{id}`.
pub(super) async fn message(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path((participant, id)): Path<(String, String)>,
    Query(arrival): Query<Arrival>,
) -> Response {
    or_failure(&visit, message_page(&state, &visit, &participant, &id, arrival.sent.is_some()).await)
}

async fn message_page(
    state: &ConsoleState,
    visit: &Visit,
    participant: &str,
    id: &str,
    just_sent: bool,
) -> Result<Response, Failure> {
    let (service, mailbox) = mailbox(state, visit, participant)?;
    let message = message_of(state, visit, &mailbox, id).await?;
    opened(visit, &mailbox, &message);
    let (texts, unreadable) = match texts(&service, &message).await {
        Ok(texts) => (texts, None),
        Err(problem) => (Vec::new(), Some(ProblemView::new(&problem, visit.lang()))),
    };
    let page_data = MailPage { unreadable, just_sent, ..render_message(mailbox, &message, &texts, visit) };
    Ok(page(&page_data))
}

/// Who reads what is for few leaves a line (ISEC-6.6.2.p2).
fn opened(visit: &Visit, mailbox: &Mailbox, message: &Message) {
    let (actor, participant) = (visit.actor_name(), &mailbox.participant);
    let (message, address) = (message.id, visit.address());
    tracing::info!(stage = "content-opened", actor, %participant, %message, %address, "the content of a message was opened");
}

pub(super) fn render_message(mailbox: Mailbox, message: &Message, texts: &[(String, bool)], visit: &Visit) -> MailPage {
    let wall = Wall::swedish(visit.now, visit.lang());
    let content = message.content.clone().unwrap_or_default();
    let text = |(text, cut): &(String, bool)| TextView { paragraphs: paragraphs(text), cut: *cut };
    MailPage {
        row: MailRow::new(message, &wall, visit),
        inbound: message.direction == Direction::In,
        from: message.from.to_string(),
        to: message.to.to_string(),
        from_address: content.sender_address,
        to_address: content.functional_address,
        envelope_id: message.envelope_id.to_string(),
        message_receipt: message.message_receipt.clone(),
        texts: texts.iter().map(text).collect(),
        documents: offered(&content.documents, texts).map(DocumentRow::new).collect(),
        problem: message.error.as_ref().map(|problem| ProblemView::new(problem, visit.lang())),
        unreadable: None,
        just_sent: false,
        mailbox,
        frame: visit.frame("mailbox"),
    }
}

impl DocumentRow {
    fn new((index, document): (usize, &Document)) -> Self {
        Self { index, name: document.name.clone(), mime: document.mime.clone(), size: size(document.bytes) }
    }
}

/// The documents to download: all but the texts that the page shows whole.
fn offered<'a>(documents: &'a [Document], texts: &[(String, bool)]) -> impl Iterator<Item = (usize, &'a Document)> {
    let shown_whole = !texts.is_empty() && texts.iter().all(|(_, cut)| !cut);
    documents.iter().enumerate().filter(move |(_, document)| !(shown_whole && is_text(document)))
}

/// The texts of a message, each with whether it was cut.
async fn texts(service: &MessageService, message: &Message) -> Result<Vec<(String, bool)>, Problem> {
    let documents = message.content.as_ref().map_or(&[][..], |content| &content.documents);
    let mut texts = Vec::new();
    for (index, _) in documents.iter().enumerate().filter(|(_, document)| is_text(document)) {
        let (document, file) = service.document(message.id, index).await?;
        let mut bytes = Vec::new();
        file.take(TEXT_BYTES_SHOWN).read_to_end(&mut bytes).map_err(|fault| unreadable(&fault))?;
        texts.push((String::from_utf8_lossy(&bytes).into_owned(), document.bytes > TEXT_BYTES_SHOWN));
    }
    Ok(texts)
}

/// Texts are named `text-N.md` by the message service; a file of a stranger is only offered for download.
fn is_text(document: &Document) -> bool {
    let number = document.name.strip_prefix("text-").and_then(|rest| rest.strip_suffix(".md"));
    document.mime.starts_with("text/") && number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

fn unreadable(fault: &std::io::Error) -> Problem {
    Problem::new(Fault::Temporary, "store", "a stored file is not readable", fault.to_string())
}

/// `GET /mailbox/{participant}/messages/{id}/documents/{index}`: saved by the browser, never shown by it.
pub(super) async fn document(
    State(state): State<ConsoleState>,
    visit: Visit,
    Path((participant, id, index)): Path<(String, String, usize)>,
) -> Response {
    or_failure(&visit, document_file(&state, &visit, &participant, &id, index).await)
}

async fn document_file(
    state: &ConsoleState,
    visit: &Visit,
    participant: &str,
    id: &str,
    index: usize,
) -> Result<Response, Failure> {
    let (service, mailbox) = mailbox(state, visit, participant)?;
    let message = message_of(state, visit, &mailbox, id).await?;
    opened(visit, &mailbox, &message);
    let (document, file) = service.document(message.id, index).await?;
    download(file, &document.mime, &document.name).map_err(|fault| unreadable(&fault).into())
}
