//! What is around every page, and the pages that any of them may end in.

use super::ConsoleState;
use super::access::is_own;
use super::problems::ProblemView;
use super::text::{Lang, Texts};
use crate::accounts::{Permission, Session};
use crate::model::{Fault, ParticipantId, Problem, Timestamp};
use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// Whose visit it is: the session where there is one, the secret of the forms, and from where.
#[derive(Clone)]
pub(super) struct Who {
    pub(super) session: Option<Session>,
    pub(super) csrf: Option<String>,
    pub(super) address: IpAddr,
}

/// One visit of one person: who, language, time, where, and the secret of its forms.
#[derive(Clone)]
pub(super) struct Visit {
    lang: Lang,
    who: Who,
    other_language: String,
    party: Arc<str>,
    environment: Arc<str>,
    has_mailboxes: bool,
    pub(super) now: Timestamp,
}

impl Visit {
    pub(super) fn new(state: &ConsoleState, lang: Lang, uri: &Uri, who: Who) -> Self {
        Self {
            lang,
            who,
            other_language: in_language(uri, lang.other()),
            party: state.party.as_str().into(),
            environment: state.environment.as_str().into(),
            has_mailboxes: state.message_service.is_some(),
            now: state.clock.now(),
        }
    }

    /// The owner's visit: every button is there.
    #[cfg(test)]
    pub(super) fn made_up(lang: Lang, now: Timestamp) -> Self {
        Self::made_up_of(crate::accounts::Role::Owner, lang, now)
    }

    #[cfg(test)]
    pub(super) fn made_up_of(role: crate::accounts::Role, lang: Lang, now: Timestamp) -> Self {
        let other_language = format!("?lang={}", lang.other().code());
        let (party, environment) = ("AP0001-TESTBED".into(), "testbed".into());
        let session = Some(Session::made_up(role));
        let who = Who { session, csrf: Some("c5f".into()), address: crate::accounts::NOBODY };
        Self { lang, who, other_language, party, environment, has_mailboxes: true, now }
    }

    /// The same visit, with a log-in form of this secret.
    pub(super) fn with_form_secret(mut self, csrf: String) -> Self {
        self.who.csrf.get_or_insert(csrf);
        self
    }

    /// The session, where somebody is logged in.
    pub(super) fn session(&self) -> Option<&Session> {
        self.who.session.as_ref()
    }

    /// From where.
    pub(super) fn address(&self) -> IpAddr {
        self.who.address
    }

    /// Who it is, as events say it. Empty for strangers, whom no page of the operators is shown to.
    pub(super) fn actor_name(&self) -> &str {
        self.session().map_or("", |session| session.actor.name())
    }

    /// Whether it may do this: buttons and links that lead to a refusal are not shown.
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.session().is_some_and(|session| session.actor.may(permission))
    }

    /// Whether it may open this mailbox.
    pub(super) fn may_open(&self, participant: &ParticipantId) -> bool {
        self.session().is_some_and(|session| session.actor.may_open(participant))
    }

    /// Refuses a mailbox that is not its own.
    pub(super) fn require_mailbox(&self, participant: &ParticipantId) -> Result<(), Failure> {
        let session = self.session().ok_or_else(|| Failure::new(StatusCode::FORBIDDEN, self.text().form_stale))?;
        session.actor.require_mailbox(participant).map_err(Failure::from)
    }

    /// The language.
    pub(super) fn lang(&self) -> Lang {
        self.lang
    }

    /// Its texts.
    pub(super) fn text(&self) -> &'static Texts {
        self.lang.texts()
    }

    pub(super) fn is_logged_in(&self) -> bool {
        self.who.session.is_some()
    }

    /// Whether a form comes from a page of this log-in.
    pub(super) fn is_own_form(&self, claimed: &str) -> bool {
        is_own(self.session(), self.who.csrf.as_deref(), claimed)
    }

    /// The frame of a page in a section of the menu, or in none.
    pub(super) fn frame(&self, section: &'static str) -> Frame {
        Frame { t: self.text(), section, local_time: section == "mailbox", visit: self.clone() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The same address in another language.
fn in_language(uri: &Uri, lang: Lang) -> String {
    let rest = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let kept = rest.filter(|pair| !pair.starts_with("lang=") && !pair.starts_with("once="));
    let lang = format!("lang={}", lang.code());
    let query: Vec<&str> = kept.chain([lang.as_str()]).collect();
    format!("{}?{}", uri.path(), query.join("&"))
}

/// What the base template shows.
pub(super) struct Frame {
    pub(super) t: &'static Texts,
    pub(super) section: &'static str,
    pub(super) local_time: bool,
    visit: Visit,
}

impl Frame {
    pub(super) fn lang(&self) -> &'static str {
        self.visit.lang.code()
    }
    pub(super) fn other_lang(&self) -> &'static str {
        self.visit.lang.other().code()
    }
    pub(super) fn other_language(&self) -> &str {
        &self.visit.other_language
    }
    pub(super) fn party(&self) -> &str {
        &self.visit.party
    }
    pub(super) fn environment(&self) -> &str {
        &self.visit.environment
    }
    /// Whether there are mailboxes that this person may open.
    pub(super) fn has_mailboxes(&self) -> bool {
        self.visit.has_mailboxes && self.visit.may(Permission::Mailbox)
    }
    /// Whether this person sees operators' pages.
    pub(super) fn may_see(&self) -> bool {
        self.visit.may(Permission::See)
    }
    /// Whether this person sees accounts.
    pub(super) fn may_administer(&self) -> bool {
        self.visit.may(Permission::Administer)
    }
    /// Who is logged in.
    pub(super) fn actor(&self) -> &str {
        self.visit.actor_name()
    }
    pub(super) fn csrf(&self) -> &str {
        self.visit.who.csrf.as_deref().unwrap_or_default()
    }
    pub(super) fn is_logged_in(&self) -> bool {
        self.visit.is_logged_in()
    }
    /// Whether the page follows what happens, where scripts are allowed.
    pub(super) fn is_live(&self) -> bool {
        self.is_logged_in()
            && self.visit.may(Permission::See)
            && matches!(
                self.section,
                "overview" | "queue" | "dead-letters" | "partners" | "participants" | "events" | "refusals"
            )
    }
    /// ` aria-current` for the link of this section.
    pub(super) fn current(&self, section: &str) -> &'static str {
        if self.section == section { "page" } else { "false" }
    }
}

/// Renders a page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "a page was not rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The log-in page.
#[derive(Template)]
#[template(path = "login.html", config = ".config/askama.toml")]
pub(super) struct LoginPage {
    pub(super) next: String,
    /// Why the last attempt failed.
    pub(super) fault: Option<String>,
    pub(super) frame: Frame,
}

/// A page that says what went wrong.
#[derive(Template)]
#[template(path = "failure.html", config = ".config/askama.toml")]
struct FailurePage<'a> {
    failure: &'a Failure,
    problem: Option<ProblemView>,
    frame: Frame,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    pub(super) text: String,
    pub(super) problem: Option<Problem>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, text: &str) -> Self {
        Self { status, text: text.into(), problem: None }
    }

    #[cfg(test)]
    pub(super) fn render(&self, visit: &Visit) -> askama::Result<String> {
        self.shown(visit).render()
    }

    /// The page that says it.
    pub(super) fn page(&self, visit: &Visit) -> Response {
        (self.status, page(&self.shown(visit))).into_response()
    }

    fn shown(&self, visit: &Visit) -> FailurePage<'_> {
        let problem = self.problem.as_ref().map(|problem| ProblemView::new(problem, visit.lang()));
        FailurePage { failure: self, problem, frame: visit.frame("") }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let missing = problem.kind.contains("not-found") || problem.kind.contains("unknown-message");
        let status = match problem.fault {
            _ if missing => StatusCode::NOT_FOUND,
            _ if problem.kind.ends_with(":forbidden") => StatusCode::FORBIDDEN,
            Fault::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Fault::Usage => StatusCode::BAD_REQUEST,
            Fault::Temporary => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, text: String::new(), problem: Some(problem) }
    }
}

/// A page that may not come about.
pub(super) fn or_failure(visit: &Visit, outcome: Result<Response, Failure>) -> Response {
    outcome.unwrap_or_else(|failure| failure.page(visit))
}

/// Answers every address that is no page.
pub(super) async fn no_such_page(visit: Visit) -> Response {
    not_found(&visit).page(&visit)
}

/// The page or the message is not there.
pub(super) fn not_found(visit: &Visit) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, visit.text().not_found_text)
}
