//! For whoever watches the process: health and metrics.

use super::{ApiState, Outlook};
use crate::limits::SERVER_RETRY_AFTER_SECONDS;
use crate::metrics::CONTENT_TYPE;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use std::sync::Arc;

/// Who is asked.
type Asked = State<Arc<dyn Outlook>>;

/// The routes of the health, for any router.
pub(super) fn health<S: Clone + Send + Sync + 'static>(outlook: Arc<dyn Outlook>) -> Router<S> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready)).with_state(outlook)
}

/// The routes of the listener that asks for no token: metrics and health.
pub fn open_router(outlook: Arc<dyn Outlook>) -> Router {
    health(outlook.clone()).merge(Router::new().route("/metrics", get(metrics)).with_state(outlook))
}

/// `GET health/live`: the process answers.
async fn live() -> Response {
    Json(serde_json::json!({"live": true})).into_response()
}

/// `GET health/ready`: 200 with what was looked at, or 503 where something failed.
async fn ready(State(outlook): Asked) -> Response {
    let health = outlook.health();
    if health.ready {
        return Json(health).into_response();
    }
    let again = [(header::RETRY_AFTER, SERVER_RETRY_AFTER_SECONDS)];
    (StatusCode::SERVICE_UNAVAILABLE, again, Json(health)).into_response()
}

/// `GET metrics`.
async fn metrics(State(outlook): Asked) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], outlook.metrics().await).into_response()
}

/// `GET metrics` of the API, with its token.
pub(super) async fn guarded_metrics(State(state): State<ApiState>) -> Response {
    metrics(State(state.outlook)).await
}
