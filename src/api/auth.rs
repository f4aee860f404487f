//! Bearer tokens (RFC 6750) for everything but the health checks, and what each may do by the table of permissions.

use super::ApiState;
use super::problem::{ProblemAnswer, unknown_method, unknown_path};
use crate::accounts::{Actor, Door, NOBODY, permission};
use crate::limits::SERVER_DRAIN_BYTES_MAX;
use crate::model::{Fault, Problem};
use crate::net::inbound::drain;
use crate::net::server::PeerAddress;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;

/// The path below which the guarded routes are.
pub(super) const BASE: &str = "/api/v1";

/// Lets a request pass that shows a token whose role allows it; its actor becomes an extension of the request.
pub(super) async fn bearer(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let actor = match actor(&state, &request) {
        Ok(actor) => actor,
        Err(detail) => {
            drain(request.into_body(), SERVER_DRAIN_BYTES_MAX).await;
            return unauthorized(detail);
        }
    };
    if let Err(refusal) = allowed(&actor, &request) {
        drain(request.into_body(), SERVER_DRAIN_BYTES_MAX).await;
        return ProblemAnswer(refusal).into_response();
    }
    request.extensions_mut().insert(actor);
    next.run(request).await
}

/// Whoever shows the request's token.
fn actor(state: &ApiState, request: &Request) -> Result<Actor, &'static str> {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let shown = shown.ok_or(
        "found no bearer token, expected the header Authorization: Bearer and a token: that of the file api.token of the data \
         folder, or one of `sluss tokens add`",
    )?;
    state.access.bearer(shown).ok_or_else(|| {
        let address = request.extensions().get::<PeerAddress>().map_or(NOBODY, |peer| peer.0.ip());
        tracing::warn!(stage = "token-refused", %address, "a token that opens nothing was shown");
        "the bearer token is none of this access point: the owner's is in the file api.token of its data folder, others are made by \
         `sluss tokens add`"
    })
}

/// Holds a request against the table of permissions.
fn allowed(actor: &Actor, request: &Request) -> Result<(), Problem> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(path) = path.and_then(|path| path.strip_prefix(BASE)) else {
        return Err(unknown_path(request.uri()));
    };
    let wanted = permission(Door::Api, request.method().as_str(), path);
    let wanted = wanted.ok_or_else(|| unknown_method(request.method(), request.uri()))?;
    actor.require(wanted).inspect_err(|_| {
        tracing::warn!(stage = "forbidden", actor = actor.name(), path, "a call was not allowed");
    })
}

fn unauthorized(detail: &str) -> Response {
    let problem = Problem::new(Fault::Usage, "unauthorized", "not authorised", detail);
    let mut answer = ProblemAnswer(problem).into_response();
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer realm=\"sluss\""));
    answer
}
