//! Server-sent events: tells pages that something changed, so that they take their figures anew. Nothing else is sent.

use super::ConsoleState;
use crate::limits::{LIVE_CLIENTS_MAX, LIVE_LIFE_MAX, LIVE_LOOK_EVERY};
use crate::net::Ending;
use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{StatusCode, header};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Places for those who follow.
#[derive(Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LIVE_CLIENTS_MAX)))
    }
}

struct Follower {
    state: ConsoleState,
    ending: Ending,
    seen: Option<u64>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

/// `GET /live`: an event `changed` whenever the journal has grown. Ends with the process, and now and then by itself, so that
/// whoever goes on shows its log-in again.
pub(super) async fn live(
    State(state): State<ConsoleState>,
    Extension(places): Extension<Places>,
    Extension(ending): Extension<Ending>,
) -> Response {
    let Ok(place) = places.0.try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")]).into_response();
    };
    let follower = Follower { state, ending, seen: None, until: Instant::now() + LIVE_LIFE_MAX, _place: place };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.changed().await?;
        Some((Ok::<Event, Infallible>(event), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Follower {
    async fn changed(&mut self) -> Option<Event> {
        loop {
            if self.ending.is_now() || Instant::now() > self.until {
                return None;
            }
            // A store that does not answer now is asked again.
            if let Ok(counts) = self.state.access_point.counts().await {
                let before = self.seen.replace(counts.journal_records);
                if before.is_some_and(|before| before != counts.journal_records) {
                    return Some(Event::default().event("changed").data(counts.journal_records.to_string()));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LIVE_LOOK_EVERY) => {}
                () = self.ending.come() => return None,
            }
        }
    }
}

/// The script of the pages that follow.
pub(super) async fn script() -> ([(header::HeaderName, &'static str); 2], &'static str) {
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("live.js"))
}
