//! Who may see the pages: a token, then a cookie; only by the right host name; forms only from our pages.

use super::ConsoleState;
use super::frame::{Failure, LoginPage, Visit, page};
use super::text::Lang;
use axum::extract::{Form, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;

/// How long a log-in lasts, in seconds: a working day.
const SESSION_SECONDS: i64 = 12 * 60 * 60;

/// Headers of every answer.
const PROTECTION: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Sets the headers that keep others out of the browser's window.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in PROTECTION {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// What every page takes from its address.
#[derive(Default, Deserialize)]
struct Common {
    lang: Option<String>,
    token: Option<String>,
}

/// Checks the host name, finds the language, and takes a token out of the address.
pub(super) async fn visit(State(state): State<ConsoleState>, mut request: Request, next: Next) -> Response {
    let common = Query::<Common>::try_from_uri(request.uri()).map(|Query(common)| common).unwrap_or_default();
    let chosen = common.lang.as_deref().and_then(Lang::of_code);
    let lang = chosen.or_else(|| remembered(request.headers())).unwrap_or_default();
    let visit = Visit::new(&state, lang, request.uri(), csrf(&state, request.headers()));
    if !is_our_host(&state, request.headers()) {
        let text = visit.text().wrong_host;
        return Failure::new(StatusCode::MISDIRECTED_REQUEST, text).page(&visit);
    }
    if let Some(token) = common.token.filter(|_| request.method() == Method::GET) {
        return if state.token.matches(token.trim()) {
            (session(&state), Redirect::to(&without_token(request.uri()))).into_response()
        } else {
            Redirect::to("/login").into_response()
        };
    }
    request.extensions_mut().insert(visit);
    let mut answer = next.run(request).await;
    if let Some(lang) = chosen {
        let cookie = format!("sluss-lang={}; Path=/; Max-Age=31536000; SameSite=Strict", lang.code());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    answer
}

fn remembered(headers: &HeaderMap) -> Option<Lang> {
    let by_cookie = cookie(headers, "sluss-lang").and_then(Lang::of_code);
    by_cookie.or_else(|| Lang::of_header(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?))
}

/// Another site can make a browser believe that its own name is our address (DNS rebinding), but not
/// change the name that the browser says.
fn is_our_host(state: &ConsoleState, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    loopback
        || name.eq_ignore_ascii_case("localhost")
        || state.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn without_token(uri: &Uri) -> String {
    let rest = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("token="));
    let query = rest.collect::<Vec<_>>().join("&");
    let path = local(uri.path());
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A path of ours; an address that leads elsewhere becomes the first page.
pub(super) fn local(path: &str) -> &str {
    let elsewhere = !path.starts_with('/') || path.starts_with("//") || path.contains(['\\', '\r', '\n']);
    if elsewhere { "/" } else { path }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
}

/// Cookies are shared by all ports of a host; two access points on one machine must not log each
/// other's people out.
fn session_name(state: &ConsoleState) -> String {
    format!("sluss-{}", &state.token.derived("console cookie", "")[..8])
}

fn session_cookie(state: &ConsoleState, value: &str, seconds: i64) -> [(HeaderName, String); 1] {
    let cookie = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict", session_name(state));
    [(header::SET_COOKIE, cookie)]
}

/// A new log-in: the time of its end, and the proof that we wrote it.
fn session(state: &ConsoleState) -> [(HeaderName, String); 1] {
    let end = (state.clock.now().as_second() + SESSION_SECONDS).to_string();
    let value = format!("{end}.{}", state.token.derived("console session", &end));
    session_cookie(state, &value, SESSION_SECONDS)
}

/// The log-in of a request, where it is ours and has not ended.
fn valid_session<'a>(state: &ConsoleState, headers: &'a HeaderMap) -> Option<&'a str> {
    let value = cookie(headers, &session_name(state))?;
    let (end, proof) = value.split_once('.')?;
    let in_time = end.parse::<i64>().ok()? > state.clock.now().as_second();
    let ours = crate::net::token::same(proof.as_bytes(), state.token.derived("console session", end).as_bytes());
    (in_time && ours).then_some(value)
}

/// What forms of this log-in carry; without a log-in, nothing that any form has.
fn csrf(state: &ConsoleState, headers: &HeaderMap) -> Option<String> {
    valid_session(state, headers).map(|session| state.token.derived("console form", session))
}

/// Lets a request pass that is logged in.
pub(super) async fn only_with_session(visit: Visit, request: Request, next: Next) -> Response {
    if visit.is_logged_in() {
        return next.run(request).await;
    }
    if request.method() != Method::GET {
        return Failure::new(StatusCode::FORBIDDEN, visit.text().form_stale).page(&visit);
    }
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    let encoded = percent_encoding::utf8_percent_encode(wanted, percent_encoding::NON_ALPHANUMERIC);
    Redirect::to(&format!("/login?next={encoded}")).into_response()
}

/// Where to go after logging in.
#[derive(Deserialize)]
pub(super) struct Onward {
    next: Option<String>,
}

/// `GET /login`.
pub(super) async fn login_page(visit: Visit, Query(next): Query<Onward>) -> Response {
    page(&LoginPage { next: next.next.unwrap_or_default(), wrong: false, frame: visit.frame("login") })
}

/// The log-in form.
#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// `POST /login`.
pub(super) async fn log_in(State(state): State<ConsoleState>, visit: Visit, Form(login): Form<Login>) -> Response {
    if state.token.matches(login.token.trim()) {
        return (session(&state), Redirect::to(local(&login.next))).into_response();
    }
    let again = LoginPage { next: login.next, wrong: true, frame: visit.frame("login") };
    (StatusCode::FORBIDDEN, page(&again)).into_response()
}

/// The form behind the log-out button.
#[derive(Deserialize)]
pub(super) struct LogOut {
    csrf: String,
}

/// `POST /logout`.
pub(super) async fn log_out(State(state): State<ConsoleState>, visit: Visit, Form(form): Form<LogOut>) -> Response {
    if !visit.is_own_form(&form.csrf) {
        return Failure::new(StatusCode::FORBIDDEN, visit.text().form_stale).page(&visit);
    }
    (session_cookie(&state, "", 0), Redirect::to("/login")).into_response()
}
