//! The pages: operators see queues, journeys and refusals, never contents; participants read and send
//! in their mailboxes. Rendered here in Swedish and English; they work without
//! a script, and one small one keeps figures and journeys up to date.

mod access;
mod accounts;
mod bulk;
mod certificates;
mod compose;
mod dead;
mod events;
mod filter;
mod form;
mod frame;
mod journey;
mod live;
mod log;
mod login;
mod mailbox;
mod overview;
mod partners;
mod problems;
mod queue;
#[cfg(test)]
mod tests;
mod text;
mod view;

pub use text::{Lang, Texts};

use crate::access_point::Router as AccessPoint;
use crate::accounts::Access;
use crate::message_service::MessageService;
use crate::model::{CertificateEnd, Clock};
use crate::ops::health::Health;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the pages stand on.
#[derive(Clone)]
pub struct ConsoleState {
    /// The access point of this process.
    pub access_point: Arc<AccessPoint>,
    /// The message service, where this process has that role.
    pub message_service: Option<Arc<MessageService>>,
    /// What the application knows of itself.
    pub outlook: Arc<dyn Outlook>,
    /// What lets people in.
    pub access: Arc<Access>,
    /// Lets few passwords be compared at once.
    pub log_ins: Arc<Semaphore>,
    /// Whether the listener speaks TLS.
    pub tls: bool,
    /// The time for ages and for the end of a log-in.
    pub clock: Arc<dyn Clock>,
    /// Party id of the access point, shown on every page.
    pub party: String,
    /// Name of the environment, shown on every page: `testbed`, `qa`, `prod`.
    pub environment: String,
    /// Host names besides those of loopback by which the pages may be called.
    pub hosts: Vec<String>,
}

/// What the application tells about itself.
pub trait Outlook: Send + Sync {
    /// When certificates end: ours, and those we trust.
    fn certificates(&self) -> Arc<[CertificateEnd]>;
    /// How the program is.
    fn health(&self) -> Health;
}

/// Largest form without files, in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// All pages. Each route has its entry in the table of permissions (`accounts::PERMISSIONS`).
pub fn router(state: ConsoleState) -> Router {
    Router::new()
        .route("/", get(overview::overview))
        .route("/queue", get(queue::queue))
        .route("/queue/actions", post(bulk::act))
        .route("/dead-letters", get(dead::letters))
        .route("/live", get(live::live))
        .route("/live.js", get(live::script))
        .route("/messages/{id}", get(journey::message).post(journey::act))
        .route("/partners", get(partners::partners).post(partners::try_partner))
        .route("/participants", get(partners::participants))
        .route("/accounts", get(accounts::accounts))
        .route("/certificates", get(certificates::certificates))
        .route("/events", get(log::events))
        .route("/refusals", get(events::refusals))
        .route("/mailbox", get(mailbox::mailboxes))
        .route("/mailbox/{participant}", get(mailbox::inbox))
        .route("/mailbox/{participant}/sent", get(mailbox::outbox))
        .route("/mailbox/{participant}/messages/{id}", get(mailbox::message))
        .route("/mailbox/{participant}/messages/{id}/documents/{index}", get(mailbox::document))
        .route(
            "/mailbox/{participant}/write",
            get(compose::form).post(compose::send).layer(DefaultBodyLimit::disable()),
        )
        .route("/login", get(login::login_page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .fallback(frame::no_such_page)
        .layer(Extension(live::Places::default()))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(state.clone(), access::visit))
        .layer(from_fn_with_state(state.clone(), access::protect))
        .with_state(state)
}

/// The style sheet of all pages.
async fn style() -> ([(header::HeaderName, &'static str); 2], &'static str) {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("style.css"))
}

/// The icon of all pages.
async fn icon() -> ([(header::HeaderName, &'static str); 2], &'static str) {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("icon.svg"))
}
