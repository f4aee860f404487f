//! For administrators: who has an account or a token, and one-time log-ins.

use super::ApiState;
use super::extract::{NoQuery, Strict, order};
use super::problem::ProblemAnswer;
use crate::accounts::{Actor, Name};
use crate::limits::LOGIN_LINK_KEPT;
use crate::model::{Clock, Fault, Problem, SystemClock};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// `GET accounts`: accounts and tokens, without anything secret.
pub(super) async fn list(
    State(state): State<ApiState>,
    Strict(NoQuery {}): Strict<NoQuery>,
) -> Result<Response, ProblemAnswer> {
    let book = state.access.book();
    let accounts: Vec<_> = book.accounts.iter().map(crate::accounts::Account::shown).collect();
    let tokens: Vec<_> = book.tokens.iter().map(crate::accounts::Token::shown).collect();
    Ok(Json(serde_json::json!({ "accounts": accounts, "tokens": tokens })).into_response())
}

/// For whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    account: Option<Name>,
}

/// `POST links`: a link that logs an account in once, within minutes; without an account the owner, in testbeds.
pub(super) async fn link(
    State(state): State<ApiState>,
    Extension(actor): Extension<Actor>,
    Strict(NoQuery {}): Strict<NoQuery>,
    body: Body,
) -> Result<Response, ProblemAnswer> {
    let wanted: Wanted = order(body, r#"{"account":"NAME"} or {}"#).await?;
    if wanted.account.is_none() && !state.owner_has_pages {
        let detail = "found no account, expected one: outside testbeds nobody looks at the pages as the owner; \
                      `sluss accounts add` makes an account";
        return Err(Problem::new(Fault::Refused, "forbidden", "that is not allowed", detail).into());
    }
    let secret = state.access.link(wanted.account.as_ref(), LOGIN_LINK_KEPT, SystemClock.now())?;
    let account = wanted.account.as_ref().map_or("owner", Name::as_str);
    tracing::info!(stage = "link-made", actor = actor.name(), account, "a one-time log-in was made");
    let url = format!("{}login?once={secret}", state.console);
    let answer = serde_json::json!({ "account": account, "url": url, "seconds": LOGIN_LINK_KEPT.as_secs() });
    Ok(Json(answer).into_response())
}
