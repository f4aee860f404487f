//! The AS4 endpoint: HTTP around `access_point::inbound::receive`.

use crate::access_point::{Router, inbound};
use crate::limits;
use crate::net::inbound::{BodyLimits, reader};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::post;
use std::sync::Arc;
use tokio_util::io::SyncIoBridge;

/// The path at which other access points reach us.
pub const AS4_PATH: &str = "/as4";

/// The routes of the AS4 listener.
pub fn as4_routes(router: Arc<Router>) -> axum::Router {
    axum::Router::new().route(AS4_PATH, post(receive).get(probe)).with_state(router)
}

/// Says that an AS4 endpoint is here, to whoever looks with a browser.
async fn probe() -> &'static str {
    "This is an AS4 endpoint of Sluss. Other access points post to it.\n"
}

/// Takes one AS4 request, whatever its size, and answers it.
async fn receive(State(router): State<Arc<Router>>, headers: HeaderMap, body: Body) -> Response<Body> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (body, remains) = reader(body, BodyLimits::bytes(router.settings().as4_bytes_max));
    let answer = inbound::receive(&router, content_type, SyncIoBridge::new(body)).await;
    // A client that is still writing would not see the answer to what was refused at its header.
    remains.drain(limits::SERVER_DRAIN_BYTES_MAX).await;
    response(answer)
}

fn response(answer: inbound::Response) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some((content_type, body)) = answer.body {
        if let Ok(value) = content_type.parse() {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        *response.body_mut() = Body::from(body);
    }
    response
}
