//! Forms without files: taken only from a page of the same session.

use super::frame::{Failure, Visit};
use super::login::no_form;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{Form, FromRequest, Request};
use axum::response::Response;
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A form that carries the secret of this session in its field `csrf`. Any other is refused before its fields are read. Handlers
/// of forms take this and nothing else, so none forgets the check.
pub(super) struct OwnForm<T>(pub(super) T);

#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    csrf: String,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OwnForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let visit = request.extensions().get::<Visit>().cloned();
        let visit = visit.ok_or_else(|| Response::new(Body::from("no visit")))?;
        let refused = |status| no_form(&visit, status);
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        {
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|fault: BytesRejection| refused(fault.status()))?;
        let secret: Secret = fields(body.clone(), state).await.map_err(|fault| refused(fault.status()))?;
        if !visit.is_own_form(&secret.csrf) {
            return Err(Failure::new(StatusCode::FORBIDDEN, visit.text().form_stale).page(&visit));
        }
        fields(body, state).await.map(Self).map_err(|_| refused(StatusCode::BAD_REQUEST))
    }
}

async fn fields<T: DeserializeOwned>(body: Bytes, state: &(impl Send + Sync)) -> Result<T, FormRejection> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    let kind = http::HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    Form::from_request(request, state).await.map(|Form(fields)| fields)
}
