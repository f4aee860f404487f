//! Accounts and tokens, for administrators. Nothing secret; they are changed on the command line.

use super::ConsoleState;
use super::frame::{Frame, Visit, page};
use super::view::{Moment, Wall};
use crate::accounts::Book;
use crate::model::ParticipantId;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

struct AccountRow {
    name: String,
    role: &'static str,
    participants: String,
    by: &'static str,
    locked: bool,
    changed: Moment,
    href: String,
}

struct TokenRow {
    name: String,
    role: &'static str,
    participants: String,
    made: Moment,
    href: String,
}

#[derive(Template)]
#[template(path = "accounts.html", config = ".config/askama.toml")]
pub(super) struct AccountsPage {
    accounts: Vec<AccountRow>,
    tokens: Vec<TokenRow>,
    now: String,
    frame: Frame,
}

/// `GET /accounts`. As many as the file of accounts may hold.
pub(super) async fn accounts(State(state): State<ConsoleState>, visit: Visit) -> Response {
    page(&render_accounts(&state.access.book(), &visit))
}

pub(super) fn render_accounts(book: &Book, visit: &Visit) -> AccountsPage {
    let (t, wall) = (visit.text(), Wall::utc(visit.now, visit.lang()));
    let accounts = book.accounts.iter().map(|account| AccountRow {
        name: account.name.to_string(),
        role: account.role.word(),
        participants: listed(&account.participants),
        by: if account.has_password() { t.by_password } else { t.by_link },
        locked: account.locked,
        changed: wall.moment(account.changed_at),
        href: events_of(account.name.as_str()),
    });
    let tokens = book.tokens.iter().map(|token| TokenRow {
        name: token.name.to_string(),
        role: token.role.word(),
        participants: listed(&token.participants),
        made: wall.moment(token.created_at),
        href: events_of(&format!("token:{}", token.name)),
    });
    AccountsPage {
        accounts: accounts.collect(),
        tokens: tokens.collect(),
        now: wall.now(),
        frame: visit.frame("accounts"),
    }
}

/// What this actor did.
fn events_of(actor: &str) -> String {
    let encoded = percent_encoding::utf8_percent_encode(actor, percent_encoding::NON_ALPHANUMERIC);
    format!("/events?actor={encoded}")
}

fn listed(participants: &[ParticipantId]) -> String {
    participants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
