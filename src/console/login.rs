//! Logging in, by a password or by a one-time link, and logging out.

use super::access::{Cookies, local, set};
use super::form::OwnForm;
use super::frame::{Failure, LoginPage, Visit, page};
use super::{ConsoleState, FORM_BYTES_MAX};
use crate::accounts::{Access, Denied, LoggedIn};
use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// How long a log-in waits for its turn while others' passwords are compared.
const TURN_MAX: Duration = Duration::from_secs(10);

/// Where to go after logging in, and perhaps a one-time log-in.
#[derive(Deserialize)]
pub(super) struct Onward {
    #[serde(default)]
    next: String,
    once: Option<String>,
}

/// `GET /login`. With `once`, a one-time log-in is used.
pub(super) async fn login_page(
    State(state): State<ConsoleState>,
    visit: Visit,
    Extension(cookies): Extension<Cookies>,
    Query(onward): Query<Onward>,
) -> Response {
    let fault = match onward.once {
        None => None,
        Some(once) => match state.access.redeem(once.trim(), visit.address(), state.clock.now()) {
            Ok(entered) => return enter(&state, &cookies, &entered, &onward.next),
            Err(_) => Some(visit.text().link_used),
        },
    };
    let stranger = cookies.stranger.clone().unwrap_or_else(Access::stranger);
    let visit = visit.with_form_secret(state.access.form_of_stranger(&stranger));
    let status = if fault.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let fault = fault.map(str::to_owned);
    let mut answer =
        (status, page(&LoginPage { next: onward.next, fault, frame: visit.frame("login") })).into_response();
    set(&mut answer, &cookies.of_stranger(&stranger));
    answer
}

/// The log-in form.
#[derive(Deserialize)]
pub(super) struct Login {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `POST /login`.
pub(super) async fn log_in(
    State(state): State<ConsoleState>,
    visit: Visit,
    Extension(cookies): Extension<Cookies>,
    OwnForm(login): OwnForm<Login>,
) -> Response {
    let next = login.next.clone();
    match tried(&state, &visit, login).await {
        Ok(entered) => enter(&state, &cookies, &entered, &next),
        Err(denied) => again(&visit, denied, next),
    }
}

/// Compares the password, a few at a time, beside the threads that serve.
async fn tried(state: &ConsoleState, visit: &Visit, login: Login) -> Result<LoggedIn, Denied> {
    let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&state.log_ins).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Err(Denied::Wait(TURN_MAX)) };
    let (access, address, now) = (Arc::clone(&state.access), visit.address(), state.clock.now());
    let compared = tokio::task::spawn_blocking(move || {
        let _held = turn;
        access.log_in(&login.name, &login.password, address, now)
    });
    compared.await.unwrap_or(Err(Denied::Wrong))
}

/// A new session, whatever the browser had before.
fn enter(state: &ConsoleState, cookies: &Cookies, entered: &LoggedIn, next: &str) -> Response {
    if let Some(before) = &cookies.session {
        state.access.replace(before);
    }
    let mut answer = Redirect::to(local(next)).into_response();
    let [_, stranger] = cookies.gone();
    set(&mut answer, &cookies.of_session(&entered.id));
    set(&mut answer, &stranger);
    answer
}

fn again(visit: &Visit, denied: Denied, next: String) -> Response {
    let (status, fault, wait) = match denied {
        Denied::Wrong => (StatusCode::FORBIDDEN, visit.text().login_wrong.to_owned(), None),
        Denied::Wait(wait) => {
            let seconds = wait.as_secs().max(1);
            let text = visit.text().login_wait.replace("{}", &seconds.to_string());
            (StatusCode::TOO_MANY_REQUESTS, text, Some(seconds))
        }
    };
    let shown = LoginPage { next, fault: Some(fault), frame: visit.frame("login") };
    let mut answer = (status, page(&shown)).into_response();
    if let Some(seconds) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// The form behind the log-out button.
#[derive(Deserialize)]
pub(super) struct LogOut {}

/// `POST /logout`.
pub(super) async fn log_out(
    State(state): State<ConsoleState>,
    visit: Visit,
    Extension(cookies): Extension<Cookies>,
    OwnForm(LogOut {}): OwnForm<LogOut>,
) -> Response {
    if let Some(id) = &cookies.session {
        state.access.log_out(id, visit.actor_name(), visit.address(), visit.now);
    }
    let mut answer = Redirect::to("/login").into_response();
    cookies.gone().iter().for_each(|cookie| set(&mut answer, cookie));
    answer
}

/// A form that is too large or of another type.
pub(super) fn no_form(visit: &Visit, status: StatusCode) -> Response {
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => visit.text().form_large.replace("{}", &(FORM_BYTES_MAX / 1024).to_string()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => visit.text().form_type.to_owned(),
        _ => visit.text().form_incomplete.to_owned(),
    };
    Failure::new(status, &text).page(visit)
}
