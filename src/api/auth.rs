//! One bearer token for everything but the health checks (RFC 6750).

use super::ApiState;
use super::problem::ProblemAnswer;
use crate::limits::SERVER_DRAIN_BYTES_MAX;
use crate::model::{Fault, Problem};
use crate::net::inbound::drain;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;

/// Lets a request pass that shows the token.
pub(super) async fn bearer(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let detail = match shown {
        Some(token) if state.token.matches(token) => return next.run(request).await,
        Some(_) => {
            "the bearer token is not the one of this access point: it is in the file api.token of its data folder"
        }
        None => {
            "found no bearer token, expected the header Authorization: Bearer and the token, which is in the file api.token of the data folder"
        }
    };
    drain(request.into_body(), SERVER_DRAIN_BYTES_MAX).await;
    let problem = Problem::new(Fault::Usage, "unauthorized", "not authorised", detail);
    let mut answer = ProblemAnswer(problem).into_response();
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer realm=\"sluss\""));
    answer
}
