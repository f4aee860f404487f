//! Problems as answers: `application/problem+json` (RFC 9457), the HTTP status by whose turn it is.

use crate::limits::SPACE_RETRY_AFTER_SECONDS;
use crate::model::{Fault, Problem};
use crate::net::BodyError;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Serialize;

/// How soon a client may try again after a temporary fault, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// A problem on its way out.
#[derive(Debug)]
pub(super) struct ProblemAnswer(pub(super) Problem);

impl From<Problem> for ProblemAnswer {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

/// The members of RFC 9457 with the status that is sent.
#[derive(Serialize)]
struct Members<'a> {
    status: u16,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl IntoResponse for ProblemAnswer {
    fn into_response(self) -> Response {
        let status = status_of(&self.0);
        let members = Members { status: status.as_u16(), problem: &self.0 };
        let json = serde_json::to_vec(&members).unwrap_or_default();
        let mut answer = (status, json).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.0.fault == Fault::Temporary {
            let space = self.0.kind.ends_with(":space");
            headers.insert(header::RETRY_AFTER, if space { SPACE_RETRY_AFTER_SECONDS.into() } else { RETRY_AFTER });
        }
        answer
    }
}

/// The HTTP status of a problem: by its kind where HTTP has a word for it, else by its fault.
fn status_of(problem: &Problem) -> StatusCode {
    let kind = problem.kind.rsplit(':').next().unwrap_or_default();
    match kind {
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "forbidden" => StatusCode::FORBIDDEN,
        "too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "too-slow" => StatusCode::REQUEST_TIMEOUT,
        "method" => StatusCode::METHOD_NOT_ALLOWED,
        "not-found" | "unknown-message" | "no-such-path" => StatusCode::NOT_FOUND,
        "conflict" | "duplicate" => StatusCode::CONFLICT,
        _ if kind.ends_with("-not-found") => StatusCode::NOT_FOUND,
        _ if kind.starts_with("duplicate-") => StatusCode::CONFLICT,
        _ => match problem.fault {
            Fault::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Fault::Usage => StatusCode::BAD_REQUEST,
            Fault::Temporary => StatusCode::SERVICE_UNAVAILABLE,
        },
    }
}

/// Wrong use of the API, in one sentence.
pub(super) fn usage(detail: impl Into<String>) -> Problem {
    Problem::new(Fault::Usage, "request", "the request is not understood", detail)
}

/// Why the body of a request was not read.
pub(super) fn of_body(fault: &BodyError) -> Problem {
    let (class, kind, title) = match fault {
        BodyError::TooLarge(_) => (Fault::Refused, "too-large", "the content is too large"),
        BodyError::Slow(_) => (Fault::Temporary, "too-slow", "the content came too slowly"),
        BodyError::Broken(_) => (Fault::Temporary, "broken", "the content did not arrive whole"),
    };
    Problem::new(class, kind, title, fault.to_string())
}

/// The content is announced as larger than allowed.
pub(super) fn too_large(found: u64, bytes_max: u64) -> Problem {
    Problem::new(
        Fault::Refused,
        "too-large",
        "the content is too large",
        format!("found a Content-Length of {found} bytes, expected at most {bytes_max}"),
    )
}

/// Answers every path that is no route.
pub(super) async fn no_such_path(uri: Uri) -> ProblemAnswer {
    unknown_path(&uri).into()
}

/// The path is no route.
pub(super) fn unknown_path(uri: &Uri) -> Problem {
    let detail = format!("found {:?}, which is no path of this API; its paths are below /api/v1", uri.path());
    Problem::new(Fault::Usage, "no-such-path", "no such path", detail)
}

/// Answers a method that a path does not have.
pub(super) async fn no_such_method(method: http::Method, uri: Uri) -> ProblemAnswer {
    unknown_method(&method, &uri).into()
}

/// The path has no such method.
pub(super) fn unknown_method(method: &http::Method, uri: &Uri) -> Problem {
    let detail = format!("found {method} for {:?}, which takes other methods", uri.path());
    Problem::new(Fault::Usage, "method", "the path has no such method", detail)
}
