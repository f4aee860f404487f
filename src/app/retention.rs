//! Removes what is no longer to be kept, now and then and in small steps.

use crate::access_point::store_problem;
use crate::config::Retention;
use crate::limits::{PURGE_EVERY, PURGE_PAUSE};
use crate::model::Clock;
use crate::store::{EmbeddedStore, Purged, Store};
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
        let pause = match step(&store, &retention, &*clock).await {
            Ok(purged) if purged.is_anything() => PURGE_PAUSE,
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

async fn step(
    store: &Arc<EmbeddedStore>,
    retention: &Retention,
    clock: &dyn Clock,
) -> Result<Purged, crate::model::Problem> {
    let (store, may_go) = (Arc::clone(store), retention.at(clock.now()));
    let purged = tokio::task::spawn_blocking(move || store.purge(&may_go)).await;
    match purged {
        Ok(purged) => purged.map_err(|error| store_problem(&error)),
        // It panicked or the process ends: there is nothing more to do.
        Err(_) => Ok(Purged::default()),
    }
}
