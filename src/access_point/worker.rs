//! The worker: claims what is due, makes the step of its direction, and lets the outcome be written.
//!
//! A crash at any point: the claim is gone with the process, the message is still due, and the next
//! start takes it up with the same id and the same bytes.

use super::{HandOver, Router, blocking, inbound, outbound, store_problem};
use crate::limits;
use crate::model::{Direction, Lane, Message, Problem, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Longest sleep between two looks at the store: clocks may jump.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Rest after the store failed.
const REST: Duration = Duration::from_secs(1);

/// Works until `stop` says so, then waits for what is under way.
pub async fn run(router: Arc<Router>, hand_over: Option<Arc<dyn HandOver>>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits::STEPS_AT_ONCE_MAX));
    let mut under_way = JoinSet::new();
    while !*stop.borrow() {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.changed() => break,
            // All places are taken; that is life as well.
            () = tokio::time::sleep(LOOK_AGAIN) => {
                router.beat();
                continue;
            }
        };
        router.beat();
        let Ok(place) = place else { break };
        while under_way.try_join_next().is_some() {}
        match claim(&router).await {
            Ok(Some(message)) => {
                let work = make_step(Arc::clone(&router), hand_over.clone(), message);
                under_way.spawn(async move {
                    work.await;
                    drop(place);
                });
            }
            Ok(None) => rest(&router, &mut stop, &mut under_way).await,
            Err(problem) => {
                tracing::error!(problem = %problem, "the store gives no work");
                tokio::time::sleep(REST).await;
            }
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn claim(router: &Arc<Router>) -> Result<Option<Message>, Problem> {
    let router = Arc::clone(router);
    blocking(move || next(&router)).await
}

/// Claims the message whose turn it is, among the lanes that may have one more under way.
pub(super) fn next(router: &Router) -> Result<Option<Message>, Problem> {
    let mut admit = |lane: &Lane, in_flight| router.lanes.admit(lane, in_flight);
    let claimed = router.store.claim_admitted(router.steady(), limits::CLAIM_LEASE, &mut admit);
    Ok(claimed.map_err(|error| store_problem(&error))?.map(|(message, _)| message))
}

/// Waits until something is due, something was committed, or the stop.
async fn rest(router: &Arc<Router>, stop: &mut watch::Receiver<bool>, under_way: &mut JoinSet<()>) {
    let due = {
        let router = Arc::clone(router);
        blocking(move || router.store.next_due().map_err(|error| store_problem(&error))).await.ok().flatten()
    };
    let pause = due.map_or(LOOK_AGAIN, |due| until(due, router.steady()).min(LOOK_AGAIN));
    tokio::select! {
        () = router.due.notified() => {}
        () = tokio::time::sleep(pause) => {}
        Some(_) = under_way.join_next() => {}
        _ = stop.changed() => {}
    }
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO).max(Duration::from_millis(5))
}

async fn make_step(router: Arc<Router>, hand_over: Option<Arc<dyn HandOver>>, message: Message) {
    let (id, direction, begun) = (message.id, message.direction, Instant::now());
    let metrics = router.metrics.clone();
    let result = match message.direction {
        Direction::Out => outbound::attempt(router, message).await,
        Direction::In => inbound::attempt(router, hand_over, message).await,
    };
    metrics.attempt(direction, begun.elapsed());
    if let Err(problem) = result {
        tracing::error!(message = %id, problem = %problem, "the step could not be written; it is made again when its claim ends");
    }
}
