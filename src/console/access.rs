//! Who may see the pages: a session, the right host name, the table of permissions; and forms only from our own pages.

use super::ConsoleState;
use super::frame::{Failure, Visit, Who};
use super::text::Lang;
use crate::accounts::{By, Door, NOBODY, Need, Permission, Session, permission};
use crate::net::server::PeerAddress;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use std::net::IpAddr;

/// Headers of every answer. The referrer stays with us: without any, browsers would call our own forms foreign.
const PROTECTION: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// The header of what a page asks by itself.
const FOLLOWS: HeaderName = HeaderName::from_static("sluss-follows");

/// For a year the browser asks by TLS only, once it was answered by TLS.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Sets the headers that keep others out of the browser's window.
pub(super) async fn protect(State(state): State<ConsoleState>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in PROTECTION {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if state.tls {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// What every page takes from its address.
#[derive(Default, Deserialize)]
struct Common {
    lang: Option<String>,
}

/// Checks host name and origin, finds language and session, and holds the request against the table of permissions.
pub(super) async fn visit(State(state): State<ConsoleState>, mut request: Request, next: Next) -> Response {
    let common = Query::<Common>::try_from_uri(request.uri()).map(|Query(common)| common).unwrap_or_default();
    let chosen = common.lang.as_deref().and_then(Lang::of_code);
    let lang = chosen.or_else(|| remembered(request.headers())).unwrap_or_default();
    let cookies = Cookies::of(&state, request.headers());
    let who = who(&state, &cookies, &request);
    let visit = Visit::new(&state, lang, request.uri(), who);
    if !is_our_host(&state, request.headers()) {
        return Failure::new(StatusCode::MISDIRECTED_REQUEST, visit.text().wrong_host).page(&visit);
    }
    if !request.method().is_safe() && is_foreign(&cookies, request.headers()) {
        return Failure::new(StatusCode::FORBIDDEN, visit.text().form_foreign).page(&visit);
    }
    if let Err(refusal) = allowed(&visit, &request) {
        return refusal;
    }
    request.extensions_mut().insert(cookies.clone());
    request.extensions_mut().insert(visit);
    let mut answer = next.run(request).await;
    if let Some(lang) = chosen {
        set(&mut answer, &cookies.language(lang));
    }
    answer
}

/// Adds a cookie to an answer.
pub(super) fn set(answer: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Whose request it is, as far as its cookies say.
fn who(state: &ConsoleState, cookies: &Cookies, request: &Request) -> Who {
    let address = request.extensions().get::<PeerAddress>().map_or(NOBODY, |peer| peer.0.ip());
    let session = cookies.session.as_deref().and_then(|id| state.access.session(id, by(request), state.clock.now()));
    let csrf = match &session {
        Some(session) => Some(session.csrf().to_owned()),
        // Strangers have one form, to log in; its secret belongs to their browser.
        None => cookies.stranger.as_deref().map(|stranger| state.access.form_of_stranger(stranger)),
    };
    Who { session, csrf, address }
}

/// Who asks: what a page asks by itself keeps nobody logged in.
fn by(request: &Request) -> By {
    let follows = request.uri().path() == "/live" || request.headers().contains_key(FOLLOWS);
    if follows { By::Page } else { By::Person }
}

/// Holds a request against the table of permissions.
fn allowed(visit: &Visit, request: &Request) -> Result<(), Response> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let wanted = match path {
        Some(path) => permission(Door::Console, request.method().as_str(), path),
        // No page at all: strangers are not told which there are.
        None => Some(Permission::Enter),
    };
    let Some(wanted) = wanted else {
        return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, visit.text().not_found_text).page(visit));
    };
    if wanted.need() == Need::Nothing {
        return Ok(());
    }
    let Some(session) = visit.session() else { return Err(outside(visit, request)) };
    if path == Some("/") && !session.actor.may(Permission::See) {
        return Err(Redirect::to("/mailbox").into_response());
    }
    session.actor.require(wanted).map_err(|problem| {
        tracing::warn!(stage = "forbidden", actor = visit.actor_name(), address = %visit.address(), path, "a page was not allowed");
        Failure::from(problem).page(visit)
    })
}

/// What a stranger is told.
fn outside(visit: &Visit, request: &Request) -> Response {
    if request.method() != Method::GET {
        return Failure::new(StatusCode::FORBIDDEN, visit.text().form_stale).page(visit);
    }
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    let encoded = percent_encoding::utf8_percent_encode(wanted, percent_encoding::NON_ALPHANUMERIC);
    Redirect::to(&format!("/login?next={encoded}")).into_response()
}

fn remembered(headers: &HeaderMap) -> Option<Lang> {
    let by_cookie = cookie(headers, "sluss-lang").and_then(Lang::of_code);
    by_cookie.or_else(|| Lang::of_header(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?))
}

/// Another site can make a browser believe that its own name is our address (DNS rebinding), but not
/// change the name that the browser says.
fn is_our_host(state: &ConsoleState, headers: &HeaderMap) -> bool {
    let Some(name) = host(headers).map(name_of) else { return false };
    is_loopback(name) || state.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).and_then(|host| host.to_str().ok())
}

/// The name of a host, without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(name: &str) -> bool {
    name.parse().is_ok_and(|address: IpAddr| address.is_loopback()) || name.eq_ignore_ascii_case("localhost")
}

/// Whether the browser says that a form comes from another site. One that says neither is held against its secret alone.
fn is_foreign(cookies: &Cookies, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let site = text("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site));
    let origin = text("origin").is_none_or(|origin| {
        let known =
            origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://").filter(|_| !cookies.secure));
        known.is_some_and(|known| host(headers).is_some_and(|host| host.eq_ignore_ascii_case(known)))
    });
    !(site && origin)
}

/// A path of ours; an address that leads elsewhere becomes the first page.
pub(super) fn local(path: &str) -> &str {
    let elsewhere = !path.starts_with('/') || path.starts_with("//") || path.contains(['\\', '\r', '\n']);
    if elsewhere { "/" } else { path }
}

/// The cookies of a request, and how ours are called there.
///
/// Where it comes by TLS, they are `Secure` and have the prefix `__Host-`, so that no other host can set them. By plain HTTP,
/// which is on loopback only, browsers would refuse that. Cookies are shared by all ports of a host: two access points on one machine
/// must not log each other's people out, so the names differ.
#[derive(Clone, Debug)]
pub(super) struct Cookies {
    pub(super) session: Option<String>,
    pub(super) stranger: Option<String>,
    secure: bool,
    suffix: String,
}

impl Cookies {
    fn of(state: &ConsoleState, headers: &HeaderMap) -> Self {
        let suffix = state.access.owner_token().derived("console cookie", "")[..8].to_owned();
        Self::read(state.tls, suffix, headers)
    }

    fn read(tls: bool, suffix: String, headers: &HeaderMap) -> Self {
        // By another name than loopback's there is TLS before us, if not here.
        let secure = tls || !host(headers).map(name_of).is_some_and(is_loopback);
        let mut cookies = Self { session: None, stranger: None, secure, suffix };
        let read = |name: String| cookie(headers, &name).map(str::to_owned);
        (cookies.session, cookies.stranger) = (read(cookies.named("session")), read(cookies.named("login")));
        cookies
    }

    fn named(&self, what: &str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}sluss-{what}-{}", self.suffix)
    }

    fn attributes(&self) -> &'static str {
        if self.secure { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
    }

    /// The cookie of a session; the browser forgets it when it ends.
    pub(super) fn of_session(&self, id: &str) -> String {
        format!("{}={id}; {}", self.named("session"), self.attributes())
    }

    /// The cookie that ties a stranger's log-in form to its browser.
    pub(super) fn of_stranger(&self, id: &str) -> String {
        format!("{}={id}; {}", self.named("login"), self.attributes())
    }

    /// Takes both away.
    pub(super) fn gone(&self) -> [String; 2] {
        ["session", "login"].map(|what| format!("{}=; {}; Max-Age=0", self.named(what), self.attributes()))
    }

    fn language(&self, lang: Lang) -> String {
        format!("sluss-lang={}; Max-Age=31536000; {}", lang.code(), self.attributes())
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
}

/// Whether a form of these secrets comes from a page of this visit.
pub(super) fn is_own(session: Option<&Session>, csrf: Option<&str>, claimed: &str) -> bool {
    match session {
        Some(session) => session.is_own_form(claimed),
        None => csrf.is_some_and(|csrf| crate::net::token::same(csrf.as_bytes(), claimed.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn cookies(tls: bool, headers: &HeaderMap) -> Cookies {
        Cookies::read(tls, "ab".into(), headers)
    }

    #[test]
    fn what_the_script_asks_by_itself_is_told_from_what_a_person_does() {
        let asked = |uri: &str, name: &str| {
            by(&http::Request::get(uri).header(name, "1").body(axum::body::Body::empty()).unwrap())
        };
        assert_eq!(asked("/queue?page=2", "accept"), By::Person);
        assert_eq!(asked("/live", "accept"), By::Page);
        assert_eq!(asked("/queue", FOLLOWS.as_str()), By::Page);
        assert!(include_str!("live.js").to_lowercase().contains(FOLLOWS.as_str()), "the script says so");
    }

    #[test]
    fn cookies_are_bound_to_tls_wherever_there_is_tls() {
        let by = |tls, host| cookies(tls, &headers(&[(header::HOST, host)])).of_session("x");
        assert_eq!(by(false, "127.0.0.1:8445"), "sluss-session-ab=x; Path=/; HttpOnly; SameSite=Strict");
        for (tls, host) in [(true, "localhost:8445"), (true, "sluss.example.se"), (false, "sluss.example.se")] {
            assert_eq!(by(tls, host), "__Host-sluss-session-ab=x; Path=/; HttpOnly; SameSite=Strict; Secure", "{host}");
        }
        // What was set without TLS does not count with it.
        let planted = headers(&[(header::HOST, "sluss.example.se"), (header::COOKIE, "sluss-session-ab=x")]);
        assert_eq!(cookies(true, &planted).session, None);
        assert_eq!(cookies(false, &planted).session, None);
    }

    #[test]
    fn a_form_by_plain_http_is_foreign_where_there_is_tls() {
        let host = (header::HOST, "sluss.example.se");
        for (origin, foreign) in [
            ("https://sluss.example.se", false),
            ("http://sluss.example.se", true),
            ("https://sluss.example.se:8443", true),
            ("https://evil.example/sluss.example.se", true),
        ] {
            let sent = headers(&[host.clone(), (header::ORIGIN, origin)]);
            assert_eq!(is_foreign(&cookies(true, &sent), &sent), foreign, "{origin}");
        }
        let neither = headers(&[host]);
        assert!(!is_foreign(&cookies(true, &neither), &neither), "its secret decides");
    }
}
