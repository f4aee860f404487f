//! The AS4 endpoint: HTTP around `access_point::inbound::receive`.

use crate::access_point::{Router, inbound};
use crate::as4::Head;
use crate::limits;
use crate::net::Standing;
use crate::net::inbound::{BodyLimits, Remains, Upload};
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode, header};
use axum::routing::post;
use std::sync::Arc;

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
async fn receive(
    State(router): State<Arc<Router>>,
    Extension(standing): Extension<Standing>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    standing.unproven();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let all = |name: HeaderName| {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let (body, remains) = Upload::new(body, BodyLimits::bytes(router.settings().as4_bytes_max));
    let request = inbound::Request {
        head: Head { content_types: all(header::CONTENT_TYPE), content_encodings: all(header::CONTENT_ENCODING) },
        announced: text(header::CONTENT_LENGTH).parse().ok(),
        body,
        standing,
    };
    let answer = inbound::receive(&router, request).await;
    let waits = text(header::EXPECT).eq_ignore_ascii_case("100-continue");
    finish(remains, waits, answer.known).await;
    response(answer)
}

/// Lets a client that is still writing come to its end: it would not see the answer to what was refused at its header.
async fn finish(remains: Remains, waits: bool, known: bool) {
    if waits && !remains.begun() {
        // It sends nothing before it was told to go on, and that it is told by reading.
    } else if known {
        remains.drain_whole().await;
    } else {
        remains.drain(limits::SERVER_DRAIN_BYTES_MAX).await;
    }
}

fn response(answer: inbound::Response) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = answer.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some((content_type, body)) = answer.body {
        if let Ok(value) = content_type.parse() {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        *response.body_mut() = Body::from(body);
    }
    response
}
