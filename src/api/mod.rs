//! The HTTP interface: participants hand in and take sealed envelopes, the message service takes
//! messages in clear, operators look at the queue. JSON, problems as RFC 9457, bearer tokens with roles.
//!
//! | path below `/api/v1` | for |
//! |---|---|
//! | `participants/{id}/envelopes` | sealed envelopes, for message services elsewhere ([`participant`]) |
//! | `participants/{id}/notices` | what was not sent, for those who handed it in ([`participant`]) |
//! | `messages`, `inbox` | messages in clear, through our own message service ([`messages`]) |
//! | `queue`, `events`, `refusals`, `partners`, `participants`, `status`, `lookup`, `ping`, `metrics` | operators ([`admin`]) |
//! | `accounts`, `links`, `store/backup` | administrators ([`accounts`], [`admin`]) |
//! | `health/live`, `health/ready` | whoever watches the process; without a token |

mod accounts;
mod admin;
mod auth;
mod extract;
mod messages;
mod multipart;
mod participant;
mod problem;
pub mod shapes;
mod watch;

use crate::access_point::Router as AccessPoint;
use crate::accounts::Access;
use crate::message_service::MessageService;
use crate::model::{DocumentType, ParticipantId, Problem};
use crate::ops::health::Health;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;

/// What the API stands on.
#[derive(Clone)]
pub struct ApiState {
    /// The access point of this process.
    pub access_point: Arc<AccessPoint>,
    /// The message service, where this process has that role.
    pub message_service: Option<Arc<MessageService>>,
    /// Who is let in, and for what.
    pub access: Arc<Access>,
    /// Where the pages are, as `http://127.0.0.1:8445/`.
    pub console: String,
    /// Whether the owner may look at the pages as such: in testbeds.
    pub owner_has_pages: bool,
    /// What the application knows and the modules below the API do not.
    pub outlook: Arc<dyn Outlook>,
}

/// What the application tells about itself: discovery, certificates, readiness.
pub trait Outlook: Send + Sync {
    /// The discovery trace for a participant: each question, answer, check, then the route. A lookup
    /// that ends in a refusal is a trace as well, with its `problem`.
    fn lookup(&self, question: LookupQuestion) -> BoxFuture<'_, Result<serde_json::Value, Problem>>;
    /// Further members of `status`: access point, partners, certificates, versions.
    fn status(&self) -> serde_json::Map<String, serde_json::Value>;
    /// Copies the store into a new folder while it goes on, and gives the backup's manifest.
    fn backup(&self, to: PathBuf) -> BoxFuture<'_, Result<serde_json::Value, Problem>>;
    /// How the program is: what was looked at, what was found, what to do.
    fn health(&self) -> Health;
    /// The metrics, in the text format of Prometheus.
    fn metrics(&self) -> BoxFuture<'_, String>;
}

/// What is looked up.
#[derive(Clone, Debug)]
pub struct LookupQuestion {
    /// Whom.
    pub participant: ParticipantId,
    /// For which document type; `None`: the SDK message.
    pub document_type: Option<DocumentType>,
    /// Whether caches are passed over.
    pub fresh: bool,
}

/// All routes of the API. Each has its entry in the table of permissions (`accounts::PERMISSIONS`).
pub fn router(state: ApiState) -> Router {
    let guarded = Router::new()
        .route("/participants", get(admin::participants))
        .route("/participants/{id}/envelopes", post(participant::submit).get(participant::waiting))
        .route("/participants/{id}/envelopes/{message}", get(participant::envelope))
        .route("/participants/{id}/envelopes/{message}/confirm", post(participant::confirm))
        .route("/participants/{id}/notices", get(participant::notices))
        .route("/participants/{id}/notices/{message}/confirm", post(participant::confirm_notice))
        .route("/messages", post(messages::send))
        .route("/messages/{id}", get(messages::message))
        .route("/messages/{id}/documents/{index}", get(messages::document))
        .route("/inbox", get(messages::inbox))
        .route("/queue", get(admin::queue))
        .route("/queue/{id}", get(admin::journey))
        .route("/queue/{id}/{action}", post(admin::act))
        .route("/events", get(admin::events))
        .route("/refusals", get(admin::refusals))
        .route("/partners", get(admin::all_partners))
        .route("/partners/{id}/try", post(admin::try_partner))
        .route("/status", get(admin::status))
        .route("/lookup", get(admin::lookup))
        .route("/ping", post(admin::ping))
        .route("/store/backup", post(admin::backup))
        .route("/metrics", get(watch::guarded_metrics))
        .route("/accounts", get(accounts::list))
        .route("/links", post(accounts::link))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(axum::middleware::from_fn_with_state(state.clone(), auth::bearer))
        // Each handler bounds its own body; most read none.
        .layer(DefaultBodyLimit::disable());
    let open = health(state.outlook.clone());
    Router::new()
        .nest(auth::BASE, open.clone().merge(guarded))
        .merge(open)
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(state)
}

/// The routes of the listener that asks for no token: metrics and health.
pub fn open_router(outlook: Arc<dyn Outlook>) -> Router {
    let metrics = Router::new().route("/metrics", get(watch::metrics)).with_state(Arc::clone(&outlook));
    health(outlook).merge(metrics)
}

/// The routes of the health, for any router.
fn health<S: Clone + Send + Sync + 'static>(outlook: Arc<dyn Outlook>) -> Router<S> {
    let health = Router::new().route("/health/live", get(watch::live)).route("/health/ready", get(watch::ready));
    health.with_state(outlook)
}
