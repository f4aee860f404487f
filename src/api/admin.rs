//! For operators: the queue, a message's journey, the state of the whole, discovery, health.

use super::extract::{NoQuery, Parted, Strict, id, optional_id, order};
use super::problem::{ProblemAnswer, usage};
use super::shapes::{Journey, PartnersPage, QueueCount, QueueLine, QueuePage};
use super::{ApiState, LookupQuestion};
use crate::access_point::{Action, PartnerState};
use crate::accounts::Actor;
use crate::limits::{LIST_EVENTS_MAX, LIST_PARTNERS_MAX};
use crate::model::conditions::{self, Conditions};
use crate::model::{Clock, DocumentType, LogQuery, PartyId, Problem, Stage, SystemClock, Timestamp, Warrant};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// How many a page has: as many as are asked for, or `most`.
fn bounded(limit: Option<usize>, most: usize) -> Result<usize, Problem> {
    conditions::bounded(limit, most).map_err(usage)
}

/// `GET queue`: messages by conditions, newest first, by pages.
pub(super) async fn queue(
    State(state): State<ApiState>,
    Strict(conditions): Strict<Conditions>,
) -> Result<Response, ProblemAnswer> {
    conditions.refuse_others().map_err(|fault| usage(format!("query of the URL: {fault}")))?;
    let action = conditions::given(&conditions.action).map(str::parse::<Action>).transpose().map_err(usage)?;
    let query = conditions.read(SystemClock.now()).map_err(usage)?;
    let query = if let Some(action) = action { action.among(query) } else { query };
    let page = state.access_point.page(query).await?;
    let messages = page.messages.iter().map(QueueLine::from).collect();
    Ok(Json(QueuePage { messages, next: page.next }).into_response())
}

/// `GET queue/{id}`: a message and everything that happened to it.
pub(super) async fn journey(
    State(state): State<ApiState>,
    Parted(message): Parted<String>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let message = state.access_point.message(id(&message)?).await?;
    let journey = state.access_point.journey(message.id).await?;
    let awaited = state.access_point.awaited(&message);
    Ok(Json(Journey { message: (&message).into(), awaited, journey: &journey }).into_response())
}

/// Why an operator does it. Who it is, the token says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    reason: String,
}

/// `POST queue/{id}/{action}`: retries, cancels, holds or releases a message.
pub(super) async fn act(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted((message, action)): Parted<(String, String)>,
    Strict(NoQuery {}): Strict<NoQuery>,
    body: Body,
) -> Result<Response, ProblemAnswer> {
    let order: Order = order(body, r#"{"reason":"TEXT"}"#).await?;
    let action: Action = action.parse().map_err(usage)?;
    let warrant = Warrant::new(actor.name(), &order.reason)?;
    let message = state.access_point.act(id(&message)?, action, warrant).await?;
    Ok(Json(QueueLine::from(&message)).into_response())
}

/// Where a backup goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupOrder {
    to: std::path::PathBuf,
}

/// `POST store/backup`: copies the store into a new folder of the daemon's machine.
pub(super) async fn backup(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Strict(NoQuery {}): Strict<NoQuery>,
    body: Body,
) -> Result<Response, ProblemAnswer> {
    let order: BackupOrder = order(body, r#"{"to":"/FOLDER"}"#).await?;
    if !order.to.is_absolute() {
        return Err(usage(format!("to: found {}, expected an absolute path", order.to.display())).into());
    }
    tracing::info!(actor = actor.name(), to = %order.to.display(), "a backup of the store begins");
    Ok(Json(state.outlook.backup(order.to).await?).into_response())
}

/// `GET status`: depths and ages of the queues, room on disk, and what the application adds.
pub(super) async fn status(
    State(state): State<ApiState>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let counts = state.access_point.counts().await?;
    let queues: Vec<QueueCount> = counts.by_status.iter().map(QueueCount::from).collect();
    let mut members = serde_json::Map::new();
    members.insert("version".into(), env!("CARGO_PKG_VERSION").into());
    members.insert("queues".into(), serde_json::to_value(queues).unwrap_or_default());
    members.insert("partners".into(), serde_json::to_value(partners(&state)).unwrap_or_default());
    let participants = state.access_point.participants().await?;
    members.insert("participants".into(), serde_json::to_value(participants).unwrap_or_default());
    members.insert("free_bytes".into(), counts.free_bytes.into());
    members.insert("journal_records".into(), counts.journal_records.into());
    members.extend(state.outlook.status());
    Ok(Json(members).into_response())
}

/// The other access points that need a person first, as many as one answer holds.
fn partners(state: &ApiState) -> Vec<PartnerState> {
    let mut partners = state.access_point.partners();
    partners.sort_by_cached_key(PartnerState::urgency);
    partners.truncate(LIST_PARTNERS_MAX);
    partners
}

/// Which page of the other access points.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartnersQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET partners`: how the other access points fare since the start, by name, by pages.
pub(super) async fn all_partners(
    State(state): State<ApiState>,
    Strict(query): Strict<PartnersQuery>,
) -> Result<Response, ProblemAnswer> {
    let after: Option<PartyId> = optional_id(query.after.as_deref())?;
    let limit = bounded(query.limit, LIST_PARTNERS_MAX)?;
    let mut partners = state.access_point.partners();
    partners.retain(|partner| partner.partner.is_none() || partner.partner > after);
    partners.sort_by_cached_key(|partner| (partner.partner.is_none(), partner.partner.clone()));
    let next = partners.get(limit - 1).filter(|_| partners.len() > limit).and_then(|last| last.partner.clone());
    partners.truncate(limit);
    Ok(Json(PartnersPage { partners, next }).into_response())
}

/// `POST partners/{id}/try`: tries an access point at once that is left alone.
pub(super) async fn try_partner(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Parted(partner): Parted<String>,
    Strict(NoQuery {}): Strict<NoQuery>,
    body: Body,
) -> Result<Response, ProblemAnswer> {
    let order: Order = order(body, r#"{"reason":"TEXT"}"#).await?;
    let warrant = Warrant::new(actor.name(), &order.reason)?;
    Ok(Json(state.access_point.try_partner(id(&partner)?, warrant).await?).into_response())
}

/// `GET participants`: what waits for each participant of ours, and when it last came.
pub(super) async fn participants(
    State(state): State<ApiState>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    Ok(Json(serde_json::json!({ "participants": state.access_point.participants().await? })).into_response())
}

/// What is looked up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupQuery {
    participant: String,
    document_type: Option<String>,
    #[serde(default)]
    fresh: bool,
}

/// `GET lookup`: the discovery trace.
pub(super) async fn lookup(
    State(state): State<ApiState>,
    Strict(query): Strict<LookupQuery>,
) -> Result<Response, ProblemAnswer> {
    let question = LookupQuestion {
        participant: id(&query.participant)?,
        document_type: query.document_type.as_deref().map(document_type),
        fresh: query.fresh,
    };
    Ok(Json(state.outlook.lookup(question).await?).into_response())
}

/// Whose access point is tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PingQuery {
    participant: String,
    document_type: Option<String>,
    reason: Option<String>,
}

/// `POST ping`: a test message to a participant's access point, and its AS4 receipt checked.
pub(super) async fn ping(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Strict(query): Strict<PingQuery>,
) -> Result<Response, ProblemAnswer> {
    let document_type = query.document_type.as_deref().map_or_else(DocumentType::sdk_message, document_type);
    let warrant = Warrant::new(actor.name(), query.reason.as_deref().unwrap_or("none was given"))?;
    let ping = state.access_point.ping(&id(&query.participant)?, &document_type, &warrant).await?;
    Ok(Json(ping).into_response())
}

/// `scheme::identifier`, or the identifier alone, in the scheme of the code list.
fn document_type(text: &str) -> DocumentType {
    let with_scheme =
        text.strip_prefix(crate::model::document::DOCUMENT_SCHEME).and_then(|rest| rest.strip_prefix("::"));
    DocumentType::new(with_scheme.unwrap_or(text))
}

/// Conditions on the event log. All that are given hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    partner: Option<String>,
    participant: Option<String>,
    stage: Option<Stage>,
    actor: Option<String>,
    message: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET events`: the event log, newest first, by pages.
pub(super) async fn events(
    State(state): State<ApiState>,
    Strict(query): Strict<EventsQuery>,
) -> Result<Response, ProblemAnswer> {
    let page = state.access_point.log(LogQuery {
        since: query.since,
        until: query.until,
        partner: optional_id(query.partner.as_deref())?,
        participant: optional_id(query.participant.as_deref())?,
        stage: query.stage,
        actor: query.actor,
        message: optional_id(query.message.as_deref())?,
        after: optional_id(query.after.as_deref())?,
        limit: bounded(query.limit, LIST_EVENTS_MAX)?,
    });
    Ok(Json(page.await?).into_response())
}

/// How many refusals are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusalsQuery {
    limit: Option<usize>,
}

/// `GET refusals`: AS4 messages that were refused, newest first. Nothing else is left of them.
pub(super) async fn refusals(
    State(state): State<ApiState>,
    Strict(query): Strict<RefusalsQuery>,
) -> Result<Response, ProblemAnswer> {
    let limit = bounded(query.limit, LIST_EVENTS_MAX)?;
    let refusals = state.access_point.refusals(limit).await?;
    Ok(Json(serde_json::json!({ "refusals": refusals })).into_response())
}
