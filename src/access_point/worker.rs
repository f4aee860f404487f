//! The worker: claims what is due, makes the step of its direction, and lets the outcome be written.
//!
//! A crash at any point: the claim is gone with the process, the message is still due, and the next
//! start takes it up with the same id and the same bytes.

use super::{HandOver, Router, blocking, inbound, outbound, store_problem};
use crate::limits;
use crate::model::{Direction, Lane, Message, Problem, Timestamp};
use crate::ops::log::journey_of;
use crate::store::Admission;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

/// Longest sleep between two looks at the store: clocks may jump.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Rest after the store failed.
const REST: Duration = Duration::from_secs(1);

/// Works until `stop` says so, then waits for what is under way.
pub async fn run(router: Arc<Router>, hand_over: Option<Arc<dyn HandOver>>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits::STEPS_AT_ONCE_MAX));
    let room = Arc::new(Semaphore::new(limits::SLOW_STEPS_MAX));
    let looker = Arc::new(Semaphore::new(1));
    let mut under_way = JoinSet::new();
    let mut looked = Instant::now();
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
        if looked.elapsed() >= limits::OVERDUE_LOOK
            && let Ok(alone) = Arc::clone(&looker).try_acquire_owned()
        {
            looked = Instant::now();
            under_way.spawn(give_up_overdue(Arc::clone(&router), alone, stop.clone()));
        }
        let (free, asked) = (room.available_permits(), Arc::clone(&router));
        match blocking(move || next(&asked, free)).await {
            Ok(Next::Step(claimed)) => {
                let Claimed { message, asks } = *claimed;
                let span = journey_of(&message);
                let work = make_step(Arc::clone(&router), hand_over.clone(), message).instrument(span);
                under_way.spawn(in_place(work, asks, place, Arc::clone(&room)));
            }
            Ok(Next::Rest(due)) => rest(&router, due, &mut stop, &mut under_way).await,
            Err(problem) => {
                tracing::error!(problem = %problem, "the store gives no work");
                tokio::time::sleep(REST).await;
            }
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// A message that is taken up.
pub struct Claimed {
    /// Which.
    pub message: Message,
    /// Whether its partner has not answered since the start, or since it failed.
    pub asks: bool,
}

/// What there is to do.
enum Next {
    /// A message is taken up.
    Step(Box<Claimed>),
    /// Nothing, before then.
    Rest(Option<Timestamp>),
}

/// What is taken up now, or when to ask again.
fn next(router: &Router, room: usize) -> Result<Next, Problem> {
    match claim(router, room)? {
        Some(claimed) => Ok(Next::Step(Box::new(claimed))),
        None => router.store.next_due().map(Next::Rest).map_err(|error| store_problem(&error)),
    }
}

/// What is taken up next. `room`: how many steps may still wait for somebody who does not answer. Each that has just begun
/// may want to, so the last places are for those who do answer.
pub(super) fn claim(router: &Router, room: usize) -> Result<Option<Claimed>, Problem> {
    let (steady, room) = (router.steady(), room > limits::STEPS_AT_ONCE_MAX);
    let mut asks = false;
    let mut admit = |lane: &Lane, in_flight| {
        asks = router.lanes.is_unproven(lane);
        if asks && !room && in_flight == 0 {
            return Admission::NoRoom;
        }
        router.lanes.admit(lane, in_flight, steady)
    };
    let claimed = router.store.claim_admitted(steady, limits::CLAIM_LEASE, &mut admit);
    Ok(claimed.map_err(|error| store_problem(&error))?.map(|(message, _)| Claimed { message, asks }))
}

/// Makes a step in its place. One whose partner may not answer, or that is slow, leaves the place to others while there is room to wait.
async fn in_place(work: impl Future<Output = ()>, asks: bool, place: OwnedSemaphorePermit, room: Arc<Semaphore>) {
    let mut work = std::pin::pin!(work);
    let patience = if asks { Duration::ZERO } else { limits::STEP_SLOW };
    if tokio::time::timeout(patience, &mut work).await.is_ok() {
        return;
    }
    if let Ok(_waiting) = room.try_acquire_owned() {
        drop(place);
        work.await;
    } else {
        work.await;
    }
}

/// Gives up what has waited too long, beside the others and step by step: neither a slow disk nor very much of it keeps anybody
/// waiting. `_alone`: one looks at a time.
async fn give_up_overdue(router: Arc<Router>, _alone: OwnedSemaphorePermit, stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let asked = Arc::clone(&router);
        match blocking(move || outbound::give_up_overdue(&asked)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(problem) => {
                tracing::error!(problem = %problem, "what is overdue could not be given up");
                return;
            }
        }
    }
}

/// Waits until something is `due`, something was committed, or the stop.
async fn rest(router: &Router, due: Option<Timestamp>, stop: &mut watch::Receiver<bool>, under_way: &mut JoinSet<()>) {
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
    let (direction, begun) = (message.direction, Instant::now());
    let metrics = router.metrics.clone();
    let result = match message.direction {
        Direction::Out => outbound::attempt(router, message).await,
        Direction::In => inbound::attempt(router, hand_over, message).await,
    };
    metrics.attempt(direction, begun.elapsed());
    if let Err(problem) = result {
        tracing::error!(problem = %problem, "the step could not be written; it is made again when its claim ends");
    }
}
