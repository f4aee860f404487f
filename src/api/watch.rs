//! For whoever watches the process: health and metrics.

use super::{ApiState, Outlook};
use crate::limits::SERVER_RETRY_AFTER_SECONDS;
use crate::metrics::CONTENT_TYPE;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use std::sync::Arc;

/// Who is asked.
pub(super) type Asked = State<Arc<dyn Outlook>>;

/// `GET health/live`: the process answers.
pub(super) async fn live() -> Response {
    Json(serde_json::json!({"live": true})).into_response()
}

/// `GET health/ready`: 200 with what was looked at, or 503 where something failed.
pub(super) async fn ready(State(outlook): Asked) -> Response {
    let health = outlook.health();
    if health.ready {
        return Json(health).into_response();
    }
    let again = [(header::RETRY_AFTER, SERVER_RETRY_AFTER_SECONDS)];
    (StatusCode::SERVICE_UNAVAILABLE, again, Json(health)).into_response()
}

/// `GET metrics`.
pub(super) async fn metrics(State(outlook): Asked) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], outlook.metrics().await).into_response()
}

/// `GET metrics` of the API, with its token.
pub(super) async fn guarded_metrics(State(state): State<ApiState>) -> Response {
    metrics(State(state.outlook)).await
}
