//! Paths and queries, read strictly: what is not known is refused, not passed over.

use super::problem::{ProblemAnswer, usage};
use crate::limits::ACTION_BYTES_MAX;
use crate::model::{IdError, Problem};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// The query of a request, as a struct that denies unknown fields.
pub(super) struct Strict<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Strict<T> {
    type Rejection = ProblemAnswer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemAnswer> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match read {
            Ok(Query(query)) => Ok(Self(query)),
            Err(fault) => Err(usage(format!("query of the URL: {}", fault.body_text())).into()),
        }
    }
}

/// No query at all is allowed.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// The parts of a path, as texts.
pub(super) struct Parted<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Parted<T> {
    type Rejection = ProblemAnswer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemAnswer> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(fault) => Err(usage(format!("path of the URL: {}", fault.body_text())).into()),
        }
    }
}

/// Reads an identifier.
pub(super) fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|fault: IdError| usage(fault.to_string()))
}

/// Reads an identifier that may be missing.
pub(super) fn optional_id<T: FromStr<Err = IdError>>(text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(id).transpose()
}

/// Reads the body of an action: small, JSON, as in `example`.
pub(super) async fn order<T: DeserializeOwned>(body: Body, example: &str) -> Result<T, Problem> {
    let body = axum::body::to_bytes(body, ACTION_BYTES_MAX)
        .await
        .map_err(|_| usage(format!("expected a body of at most {ACTION_BYTES_MAX} bytes")))?;
    serde_json::from_slice(&body).map_err(|error| usage(format!("expected JSON as {example}; {error}")))
}
