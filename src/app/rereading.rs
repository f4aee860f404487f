//! The segments of the journal are read again, one after the other and slowly, so that damage shows while a backup still has what
//! was lost. It stops nothing: what is damaged is told by health, metrics, alerts and an event, and read again the next time.

use crate::access_point::{Router, store_problem};
use crate::limits::HEALTH_EVERY;
use crate::model::{Clock, Event, Problem, Stage, Timestamp, time};
use crate::ops::health::Check;
use crate::store::EmbeddedStore;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The name under which it is noted how far the reading is.
const NOTE: &str = "journal-read";

/// Who reads.
pub(super) struct Rereading {
    store: Arc<EmbeddedStore>,
    router: Arc<Router>,
    clock: Arc<dyn Clock>,
    /// In which time all is read; zero: never.
    within: Duration,
    begun: Timestamp,
    found: Mutex<Found>,
}

/// What was found so far; also a note in the store.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Found {
    /// The segment that was read last, and when.
    last: Option<(u32, Timestamp)>,
    /// What did not hold, by segment.
    damage: BTreeMap<u32, String>,
}

impl Rereading {
    /// Goes on where the last one ended.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(super) fn of(
        store: &Arc<EmbeddedStore>,
        router: &Arc<Router>,
        clock: &Arc<dyn Clock>,
        days: u32,
    ) -> Result<Arc<Self>, Problem> {
        let found = Mutex::new(router.read_note(NOTE)?.unwrap_or_default());
        let (store, router, clock) = (Arc::clone(store), Arc::clone(router), Arc::clone(clock));
        let (within, begun) = (Duration::from_secs(u64::from(days) * 24 * 60 * 60), clock.now());
        Ok(Arc::new(Self { store, router, clock, within, begun, found }))
    }

    /// Reads until the end is asked for: first what was damaged, which may have been mended while nothing ran.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        if self.within.is_zero() {
            return;
        }
        let damaged = self.found().damage;
        self.clone().beside(|reading| damaged.into_keys().try_for_each(|segment| reading.read(segment))).await;
        while !*stop.borrow() {
            self.clone().beside(|reading| reading.step()).await;
            tokio::select! {
                () = tokio::time::sleep(HEALTH_EVERY) => {}
                // An error means that the sender is gone, which is the end as well.
                _ = stop.wait_for(|end| *end) => return,
            }
        }
    }

    async fn beside(self: Arc<Self>, work: impl FnOnce(&Self) -> Result<(), Problem> + Send + 'static) {
        // One that panicked or that the end of the process broke off is tried again.
        if let Ok(Err(problem)) = tokio::task::spawn_blocking(move || work(&self)).await {
            tracing::warn!(%problem, "the journal could not be read again; it is tried again");
        }
    }

    fn kept(&self) -> Result<RangeInclusive<u32>, Problem> {
        self.store.segments_kept().map_err(|error| store_problem(&error))
    }

    /// Reads what is suspected, and the next segment, if it is its turn.
    fn step(&self) -> Result<(), Problem> {
        self.store.suspects().into_iter().try_for_each(|segment| self.read(segment))?;
        let kept = self.kept()?;
        let Some(segments) = u32::try_from(kept.clone().count()).ok().filter(|segments| *segments > 0) else {
            return Ok(());
        };
        let (found, pause) = (self.found(), self.within / segments);
        let is_early = |at: Timestamp| {
            let passed = self.clock.now().duration_since(at);
            // A clock that was set back makes none wait for longer.
            !passed.is_negative() && passed.unsigned_abs() < pause
        };
        // What is written to was just held against its chain by the start.
        if is_early(found.last.map_or(self.begun, |(_, at)| at)) {
            return Ok(());
        }
        let next = found.last.map(|(last, _)| last + 1).filter(|next| kept.contains(next));
        self.read(next.unwrap_or(*kept.start()))
    }

    fn read(&self, segment: u32) -> Result<(), Problem> {
        let damage = self.store.reread(segment).map_err(|error| store_problem(&error))?;
        let (now, mut found, mut events) = (self.clock.now(), self.found(), Vec::new());
        if let Some((what, place)) = damage {
            let what = format!("{what} at {place}");
            tracing::error!(what, "a segment of the journal is damaged");
            if found.damage.insert(segment, what.clone()).as_ref() != Some(&what) {
                let detail = format!("the journal is damaged: {what}");
                let event = Event::new(now, None, Stage::Warned, detail);
                events.push(event.fact("segment", segment).fact("offset", place.offset).fact("record", place.record));
            }
        } else if found.damage.remove(&segment).is_some() {
            let detail = format!("segment {segment} of the journal holds again, or its time was over");
            events.push(Event::new(now, None, Stage::Warned, detail).fact("segment", segment));
        }
        found.last = Some((segment, now));
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found.clone();
        self.router.write_note(NOTE, &found, events)
    }

    fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Segments that did not hold.
    pub(super) fn damaged(&self) -> u64 {
        self.found().damage.len() as u64
    }

    /// For `/health/ready`: what is damaged is degraded, since everything goes on.
    pub(super) fn check(&self) -> Check {
        let Found { last, damage } = self.found();
        if let Some(what) = damage.values().next() {
            let more =
                if damage.len() > 1 { format!("; and {} segments more", damage.len() - 1) } else { String::new() };
            return Check::degraded(
                "journal",
                format!("{what}{more}"),
                "messages go on, and what is there cannot be built again: `sluss store verify` names all damage; stop, and bring the segment's file back from a backup, or restore it",
            );
        }
        let said = match last {
            _ if self.within.is_zero() => "its segments are not read again (store.read_through_days = 0)".to_owned(),
            Some((segment, at)) => {
                format!("its segments hold, as they were read: segment {segment} last, {}", time::millis(at))
            }
            None => "no segment was read again yet".to_owned(),
        };
        Check::ok("journal", said)
    }
}
