//! Server-sent events: tells pages that something changed, so that they take their figures anew. Nothing else is sent.

use super::ConsoleState;
use super::frame::Visit;
use crate::limits::{
    LIVE_CLIENTS_MAX, LIVE_CLIENTS_OF_ONE_MAX, LIVE_CLIENTS_OF_SESSION_MAX, LIVE_LIFE_MAX, LIVE_LOOK_EVERY,
};
use crate::net::Ending;
use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{StatusCode, header};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Places for those who follow: of all, of one account and of one session.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<Vec<Following>>>);

/// Whose a place is.
#[derive(Clone, Eq, PartialEq)]
struct Following {
    account: String,
    /// What only its session has.
    session: String,
}

/// A place, until it is dropped.
struct Place {
    places: Places,
    of: Following,
}

impl Places {
    /// A place; none where there is none for everybody, this account or this session.
    fn take(&self, account: &str, session: &str) -> Option<Place> {
        let of = Following { account: account.to_owned(), session: session.to_owned() };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = taken.iter().filter(|other| other.account == of.account).count();
        let of_session = taken.iter().filter(|other| **other == of).count();
        let is_free = taken.len() < LIVE_CLIENTS_MAX
            && of_account < LIVE_CLIENTS_OF_ONE_MAX
            && of_session < LIVE_CLIENTS_OF_SESSION_MAX;
        is_free.then(|| {
            taken.push(of.clone());
            Place { places: self.clone(), of }
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.iter().position(|other| *other == self.of);
        own.map(|own| taken.swap_remove(own));
    }
}

struct Follower {
    state: ConsoleState,
    ending: Ending,
    seen: Option<u64>,
    until: Instant,
    _place: Place,
}

/// `GET /live`: an event `changed` whenever the journal has grown. Ends with the process, and now and then by itself, so that
/// whoever goes on shows its log-in again.
pub(super) async fn live(
    State(state): State<ConsoleState>,
    Extension(places): Extension<Places>,
    Extension(ending): Extension<Ending>,
    Extension(visit): Extension<Visit>,
) -> Response {
    let Some(place) = visit.session().and_then(|session| places.take(session.actor.name(), session.csrf())) else {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_or_account_does_not_take_the_places_of_others() {
        let places = Places::default();
        let all = |account: &str, session: &str| -> Vec<Place> {
            std::iter::from_fn(|| places.take(account, session)).collect()
        };
        let first = all("kim", "one");
        assert_eq!(first.len(), LIVE_CLIENTS_OF_SESSION_MAX);
        let more: Vec<Place> = (0..9).flat_map(|n| all("kim", &format!("more-{n}"))).collect();
        assert_eq!(first.len() + more.len(), LIVE_CLIENTS_OF_ONE_MAX);
        assert!(places.take("eva", "two").is_some(), "others have theirs");
        drop(first);
        assert_eq!(all("kim", "one").len(), LIVE_CLIENTS_OF_SESSION_MAX, "who leaves makes room");
        let others: Vec<Place> = (0..99).flat_map(|n| all(&format!("account-{n}"), "x")).collect();
        assert_eq!(more.len() + others.len(), LIVE_CLIENTS_MAX);
        assert!(places.take("eva", "two").is_none());
    }
}
