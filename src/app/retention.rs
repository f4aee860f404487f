//! Removes what is no longer to be kept, now and then and in small steps.
//!
//! What goes does not come back, so the clock alone does not decide: [`Course::confirmed`] does.

use crate::access_point::store_problem;
use crate::config::Retention;
use crate::limits::{PURGE_EVERY, PURGE_PAUSE};
use crate::model::{Clock, Problem, Timestamp, time};
use crate::store::{Course, EmbeddedStore, Purged, Store, StoreError};
use std::sync::Arc;
use tokio::sync::watch;

/// Removes until the end is asked for.
pub(super) async fn run(
    store: Arc<EmbeddedStore>,
    retention: Retention,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let pause = match step(&store, &retention, &clock).await {
            Ok(purged) if purged.is_anything() => {
                let Purged { contents, messages, records } = purged;
                tracing::info!(contents, messages, records, "what is no longer to be kept was removed");
                PURGE_PAUSE
            }
            Ok(_) => PURGE_EVERY,
            Err(problem) => {
                tracing::error!(%problem, "what is no longer to be kept could not be removed; it is tried again");
                PURGE_EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // An error means that the sender is gone, which is the end as well.
            _ = stop.wait_for(|end| *end) => return,
        }
    }
}

async fn step(store: &Arc<EmbeddedStore>, retention: &Retention, clock: &Arc<dyn Clock>) -> Result<Purged, Problem> {
    let (store, retention, clock) = (Arc::clone(store), retention.clone(), Arc::clone(clock));
    let purged = tokio::task::spawn_blocking(move || purge(&store, &retention, &*clock)).await;
    match purged {
        Ok(purged) => purged.map_err(|error| store_problem(&error)),
        // It panicked or the process ends: there is nothing more to do.
        Err(_) => Ok(Purged::default()),
    }
}

/// One small step of what may go by the confirmed time.
pub(super) fn purge(store: &EmbeddedStore, retention: &Retention, clock: &dyn Clock) -> Result<Purged, StoreError> {
    let now = clock.now();
    let course = course(store.course(), clock);
    if course.doubted.is_some() {
        tracing::warn!(
            clock = time::millis(now),
            records_expect = time::millis(course.confirmed),
            "the clock is far ahead of the records: nothing is removed for an age that only this clock tells"
        );
    }
    store.purge(&retention.at(course.confirmed))
}

/// What time it is, as far as the records and the clocks tell.
pub(super) fn course(last: Option<Course>, clock: &dyn Clock) -> Course {
    let (now, steady): (Timestamp, Timestamp) = (clock.now(), clock.steady());
    last.map_or_else(|| Course::begin(now, steady), |course| course.on(now, steady))
}
