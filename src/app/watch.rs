//! How the program is, looked at again and again: for `/health/ready`, for the metrics, for `sluss status`.
//!
//! The look writes and syncs a small file, since nothing else tells whether the disk still takes what it is given. What
//! is told is never older than [`HEALTH_AGE_MAX`]: where the disk hangs, that is what is told.

use super::checkup::CLOCK_LEAST;
use super::rereading::Rereading;
use crate::access_point::{Delayed, Router};
use crate::discovery::Discovery;
use crate::limits::{DISK_SLOW, HEALTH_AGE_MAX, HEALTH_EVERY, WORKER_PULSE_MAX};
use crate::metrics::{Journal, Metrics, PartnerReading, Readings, Room};
use crate::model::{CertificateEnd, Clock, Counts, Depth, Timestamp, ends_soon, time};
use crate::ops::health::{Check, Health};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A step of the wall clock beyond this is told, for so long.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(60);
const CLOCK_STEP_MAX_AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Who looks.
pub(super) struct Watch {
    pub(super) router: Arc<Router>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) rereading: Arc<Rereading>,
    pub(super) data_dir: PathBuf,
    certificates: Mutex<Arc<[CertificateEnd]>>,
    pub(super) metrics: Metrics,
    pub(super) clock: Arc<dyn Clock>,
    /// The wall clock, and the clock that is never set, at the start.
    begun: (Timestamp, Timestamp),
    /// When the newest record of the store was written, at the start.
    newest: Option<Timestamp>,
    latest: Mutex<Option<(Instant, Health)>>,
}

impl Watch {
    pub(super) fn new(
        router: &Arc<Router>,
        discovery: &Arc<Discovery>,
        rereading: &Arc<Rereading>,
        data_dir: &Path,
        certificates: Vec<CertificateEnd>,
        metrics: Metrics,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Self> {
        let (router, discovery, clock) = (Arc::clone(router), Arc::clone(discovery), Arc::clone(clock));
        let rereading = Arc::clone(rereading);
        let begun = (clock.now(), clock.steady());
        let newest = router.course().map(|course| course.at);
        let (data_dir, latest) = (data_dir.to_owned(), Mutex::default());
        let certificates = Mutex::new(certificates.into());
        Arc::new(Self { router, discovery, rereading, data_dir, certificates, metrics, clock, begun, newest, latest })
    }

    /// When certificates end, of the configuration in force.
    pub(super) fn certificates(&self) -> Arc<[CertificateEnd]> {
        Arc::clone(&self.certificates.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Others are in force.
    pub(super) fn reconfigure(&self, certificates: Vec<CertificateEnd>) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = certificates.into();
    }

    /// Looks until the end is asked for. A look that does not come to its end is not begun again meanwhile.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            self.look().await;
            tokio::select! {
                () = tokio::time::sleep(HEALTH_EVERY) => {}
                // An error means that the sender is gone, which is the end as well.
                _ = stop.wait_for(|end| *end) => return,
            }
        }
    }

    /// Looks once.
    pub(super) async fn look(self: &Arc<Self>) {
        let watch = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || Health::from(watch.checks())).await;
        if let Ok(health) = looked {
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), health));
        }
    }

    /// The latest look, and what has changed since without one.
    pub(super) fn health(&self) -> Health {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut checks = match latest {
            Some((at, health)) if at.elapsed() <= HEALTH_AGE_MAX => health.checks,
            Some((at, _)) => {
                let found = format!("the disk has not answered for {} s", at.elapsed().as_secs());
                vec![Check::failed("disk", found, "look at the disk below data_dir; then start again")]
            }
            None => vec![Check::failed("disk", "not looked at yet", "wait a moment")],
        };
        checks.retain(|check| check.check != "worker");
        checks.push(self.worker());
        checks.into()
    }

    fn checks(&self) -> Vec<Check> {
        let now = self.clock.now();
        vec![
            self.store(),
            self.disk(),
            self.space(),
            self.certificate(now),
            self.worker(),
            self.discovery(),
            self.delivery(),
            self.rereading.check(),
            self.clock(now),
        ]
    }

    fn store(&self) -> Check {
        match self.router.stopped() {
            None => Check::ok("store", "it takes what it is given"),
            Some(reason) => Check::failed(
                "store",
                format!("it stopped after a failed write: {reason}"),
                "mend the disk, then start again; nothing that was confirmed is lost",
            ),
        }
    }

    fn disk(&self) -> Check {
        match self.router.probe() {
            Err(problem) => Check::failed(
                "disk",
                format!("a small file cannot be written below {}: {}", self.data_dir.display(), problem.detail),
                "see whether the disk is full, read-only or failing (dmesg), and mend it",
            ),
            Ok(took) if took > DISK_SLOW => Check::degraded(
                "disk",
                format!(
                    "it is slow: a small write and its sync took {} ms, expected {}",
                    took.as_millis(),
                    DISK_SLOW.as_millis()
                ),
                "see who else uses the disk, or give data_dir a faster one",
            ),
            Ok(took) => Check::ok("disk", format!("a small write and its sync took {} ms", took.as_millis())),
        }
    }

    fn space(&self) -> Check {
        if let Err(problem) = self.router.accepts() {
            return Check::failed(
                "space",
                problem.detail,
                "free space, or give data_dir a larger disk; it goes on by itself",
            );
        }
        let least = self.router.settings().free_bytes_least;
        match self.router.figures() {
            Ok((_, free)) if free < least.saturating_mul(2) => Check::degraded(
                "space",
                format!("{free} bytes are free; below {least} nothing new is accepted"),
                "free space, or give data_dir a larger disk",
            ),
            Ok((_, free)) => Check::ok("space", format!("{free} bytes are free")),
            Err(problem) => Check::failed("space", problem.detail, "look at the disk below data_dir"),
        }
    }

    fn certificate(&self, now: Timestamp) -> Check {
        let identity = &self.router.settings().identity;
        let (begin, end) = (identity.certificate.not_before(), identity.certificate.not_after());
        if now < begin || now > end {
            let found =
                format!("{} is in force from {begin} to {end}, and it is {now}", identity.certificate.subject());
            return Check::failed("certificate", found, CertificateEnd::REMEDY);
        }
        if ends_soon(end, now) {
            let found = format!("{} ends on {end}", identity.certificate.subject());
            return Check::degraded("certificate", found, CertificateEnd::REMEDY);
        }
        Check::ok("certificate", format!("{} until {end}", identity.certificate.subject()))
    }

    fn worker(&self) -> Check {
        let age = self.router.pulse_age();
        if age > WORKER_PULSE_MAX {
            let found = format!("it was last seen {} s ago", age.as_secs());
            return Check::failed(
                "worker",
                found,
                "nothing is sent or delivered: start again, and report it with the log",
            );
        }
        Check::ok("worker", format!("seen {} s ago", age.as_secs()))
    }

    fn discovery(&self) -> Check {
        match self.discovery.unreachable() {
            None => {
                Check::ok("discovery", "the last look-up over the network found somebody there, or none was needed")
            }
            Some((since, why)) => Check::degraded(
                "discovery",
                format!("since {}: {why}", time::millis(since)),
                "messages wait and are tried again; see whether this machine reaches DNS and SMP",
            ),
        }
    }

    /// What has nobody to go to is said first, with its remedy: it does not pass by itself.
    fn delivery(&self) -> Check {
        let unserved = match self.router.unserved() {
            Ok(unserved) => unserved,
            Err(problem) => return Check::failed("delivery", problem.detail, "look at the disk below data_dir"),
        };
        let (without, delayed) =
            (without_recipient(&unserved), self.router.delayed().map(|delayed| not_opened(&delayed)));
        let remedy = if without.is_some() { UNSERVED_REMEDY } else { DELAYED_REMEDY };
        match without.into_iter().chain(delayed).reduce(|first, then| format!("{first}; {then}")) {
            None => Check::ok("delivery", "what has come in is opened as it comes"),
            Some(found) => Check::degraded("delivery", found, remedy),
        }
    }

    /// The wall clock against the clock that only runs, and against the age of this program.
    fn clock(&self, now: Timestamp) -> Check {
        let remedy = "set the clock (NTP); times of events and certificates are wrong meanwhile";
        if CLOCK_LEAST.parse::<Timestamp>().is_ok_and(|least| now < least) {
            return Check::failed(
                "clock",
                format!("found {}, expected later than {CLOCK_LEAST}", time::millis(now)),
                remedy,
            );
        }
        let (wall, steady) = self.begun;
        let course = super::retention::course(self.router.course(), &*self.clock);
        if course.doubted.is_some() {
            let found = format!(
                "it is far ahead of what the records expect, {}: nothing is removed for an age that only this clock tells",
                time::millis(course.confirmed)
            );
            return Check::degraded(
                "clock",
                found,
                "set the clock (NTP); if it is right, stop the daemon and run `sluss store purge --clock-is-right`",
            );
        }
        if let Some(newest) = self.newest.filter(|newest| newest.duration_since(wall) > CLOCK_STEP_MAX_AHEAD) {
            let found = format!("at the start it was behind the newest record, of {}", time::millis(newest));
            return Check::degraded("clock", found, remedy);
        }
        let (shown, ran) = (now.duration_since(wall), self.clock.steady().duration_since(steady));
        let step = (shown - ran).as_secs();
        if step.unsigned_abs() > CLOCK_STEP_MAX.as_secs() {
            let found = format!("it was set by {step} s since the start, or the machine slept for so long");
            return Check::degraded("clock", found, remedy);
        }
        Check::ok("clock", time::millis(now))
    }

    /// Everything that the metrics show and nobody counts.
    pub(super) async fn readings(self: &Arc<Self>) -> Readings {
        let counts = self.router.counts().await.unwrap_or_default();
        let watch = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || watch.read(counts)).await;
        read.unwrap_or_default()
    }

    fn read(&self, counts: Counts) -> Readings {
        let (journal, free_bytes) = self.router.figures().unwrap_or_default();
        let journal = Journal { damaged: self.rereading.damaged(), ..journal };
        let room = Room {
            free_bytes,
            size_bytes: size(&self.data_dir),
            free_bytes_least: self.router.settings().free_bytes_least,
            accepting: self.router.accepts().is_ok(),
        };
        let checks = self.health().checks.iter().map(|check| (check.check, check.state as u8)).collect();
        let certificates = self.certificates().to_vec();
        let partners = self.router.partners().into_iter().map(|partner| PartnerReading {
            condition: partner.condition as u8,
            waiting: partner.waiting as u64,
            partner: partner.partner.map(|party| party.to_string()).unwrap_or_default(),
        });
        let partners = partners.collect();
        Readings { at: self.clock.now(), counts, room, journal, checks, certificates, partners }
    }

    /// The metrics as text.
    pub(super) async fn text(self: &Arc<Self>) -> String {
        self.metrics.text(&self.readings().await)
    }
}

const UNSERVED_REMEDY: &str = "configure the participant ([[participant]]) so that it is delivered, or end it: `sluss queue cancel \
                               --direction in --status RECEIVED --participant ID --reason TEXT`; `sluss status` lists all";

const DELAYED_REMEDY: &str =
    "`sluss queue list --status RECEIVED` shows which, `sluss queue show` why; they are tried again by themselves";

/// What has come in for participants that nobody serves here.
fn without_recipient(unserved: &[Depth]) -> Option<String> {
    let first = unserved.iter().min_by_key(|depth| depth.oldest)?;
    let messages: u64 = unserved.iter().map(|depth| depth.messages).sum();
    let since = first.oldest.map(time::millis).unwrap_or_default();
    let (participants, oldest) = (unserved.len(), &first.name);
    Some(format!(
        "{messages} received messages are for {participants} participants that are not configured, the oldest for {oldest}, of {since}"
    ))
}

fn not_opened(delayed: &Delayed) -> String {
    let Delayed { messages, oldest, why } = delayed;
    format!("{messages} received messages cannot be opened yet, the oldest of {}: {why}", time::millis(*oldest))
}

/// Size of a folder's file system, in bytes; zero where it is not told.
fn size(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize))
}
