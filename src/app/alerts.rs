//! Alerts: what is looked at, and who is told. Nothing here is waited for by anybody: a receiver that is away or slow
//! is told later, counted in a metric and said in the log.

use super::watch::Watch;
use crate::access_point::PartnerState;
use crate::alert::{
    AlertError, Bulletin, Channel, Condition, Desk, Kind, Mail, MailSettings, Sender, State, Times, Webhook,
    WebhookSettings,
};
use crate::config::{Alert, AlertMail, AlertWebhook, Config, mistake};
use crate::limits::{ALERT_AGAIN_MAX, ALERT_LOOK_EVERY, ALERT_PARTNER_FAILURES, ALERTS_STANDING_MAX};
use crate::model::{CertificateEnd, Clock, Counts, Direction, Event, Problem, Stage, Status, Timestamp, time};
use crate::net::tls;
use crate::ops::health::State as Health;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One receiver, with what it wants to know.
struct Receiver {
    channel: Channel,
    settings: Alert,
    memory: Arc<Memory>,
}

/// What a receiver was told and is to be told. It outlives a reading of the configuration that leaves the receiver as it was.
struct Memory {
    desk: Mutex<Desk>,
    happened: Happened,
}

/// Those of one configuration.
pub(super) struct Receivers {
    sender: Sender,
    all: Vec<Receiver>,
}

/// Everybody who is told.
#[derive(Clone)]
pub(super) struct Alerts(Arc<watch::Sender<Arc<Receivers>>>);

/// What became of a trial.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Tried {
    /// How: `mail` or `webhook`.
    pub channel: &'static str,
    /// Where it leads: host and port.
    pub target: String,
    /// Whether the receiver took it.
    pub ok: bool,
    /// Why not.
    pub detail: String,
}

/// Sends a trial to every receiver of the configuration.
///
/// # Errors
///
/// The mistakes of the configuration.
pub async fn try_alerts(config: &Config, clock: &dyn Clock) -> Result<Vec<Tried>, Vec<Problem>> {
    let receivers = Receivers::new(config, super::materials::Materials::read(config)?.party().as_str())?;
    let trial = Bulletin {
        kind: Kind::Process,
        about: "trial".to_owned(),
        state: State::Trial,
        since: clock.now(),
        found: "somebody wants to see whether alerts arrive".to_owned(),
        remedy: "nothing".to_owned(),
    };
    let mut tried = Vec::new();
    for receiver in &receivers.all {
        let channel = &receiver.channel;
        let told = channel.tell(&receivers.sender, std::slice::from_ref(&trial)).await;
        let detail = told.as_ref().err().map_or_else(|| "taken".to_owned(), ToString::to_string);
        let (channel, target) = (channel.word(), channel.target().to_owned());
        tried.push(Tried { channel, target, ok: told.is_ok(), detail });
    }
    Ok(tried)
}

impl Receivers {
    /// Reads what the receivers need; `party`: who we are.
    pub(super) fn new(config: &Config, party: &str) -> Result<Self, Vec<Problem>> {
        let sender = Sender { access_point: party.to_owned(), environment: config.federation.environment.clone() };
        let (mut all, mut mistakes) = (Vec::new(), Vec::new());
        for (index, alert) in config.alerts.iter().enumerate() {
            match receiver(alert, &format!("alert[{index}]")) {
                Ok(receiver) => all.push(receiver),
                Err(problem) => mistakes.push(problem),
            }
        }
        if mistakes.is_empty() { Ok(Self { sender, all }) } else { Err(mistakes) }
    }

    /// As those before remember it, where their settings are the same.
    fn remembering(mut self, before: &Self) -> Self {
        for receiver in &mut self.all {
            if let Some(same) = before.all.iter().find(|one| one.settings == receiver.settings) {
                receiver.memory = Arc::clone(&same.memory);
            }
        }
        self
    }
}

impl Alerts {
    /// These are told.
    pub(super) fn new(receivers: Receivers) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(receivers))))
    }

    /// From now on these are told. Those that stay as they were are told nothing twice.
    pub(super) fn reconfigure(&self, receivers: Receivers) {
        self.0.send_modify(|current| *current = Arc::new(receivers.remembering(current)));
    }

    /// Notes what an event says; never waits.
    pub(super) fn event(&self, event: &Event) {
        if matches!(event.stage, Stage::GivenUp | Stage::Discarded) {
            self.0.borrow().all.iter().for_each(|receiver| receiver.memory.happened.note(event));
        }
    }

    /// Tells until the end is asked for.
    pub(super) async fn run(self, watch: Arc<Watch>, mut stop: watch::Receiver<bool>) {
        let mut current = self.0.subscribe();
        loop {
            let Receivers { sender, all } = &*Arc::clone(&current.borrow_and_update());
            let told = all.iter().map(|receiver| receiver.run(sender, &watch, stop.clone(), current.clone()));
            futures_util::future::join_all(told).await;
            // With nobody to tell, until there is somebody.
            tokio::select! {
                _ = current.changed() => {}
                // An error means that the sender is gone, which is the end as well.
                _ = stop.wait_for(|end| *end) => return,
            }
        }
    }
}

fn receiver(alert: &Alert, key: &str) -> Result<Receiver, Problem> {
    let channel = match (&alert.mail, &alert.webhook) {
        (Some(settings), _) => mail(settings, key)?,
        (None, Some(settings)) => webhook(settings, key)?,
        (None, None) => return Err(mistake(key, "neither mail nor webhook", "give one of them")),
    };
    let times = Times {
        reminder: Duration::from_secs(alert.reminder_seconds),
        settle: Duration::from_secs(alert.settle_seconds),
    };
    let memory = Memory { desk: Mutex::new(Desk::new(times)), happened: Happened::default() };
    Ok(Receiver { channel, settings: alert.clone(), memory: Arc::new(memory) })
}

fn mail(settings: &AlertMail, key: &str) -> Result<Channel, Problem> {
    let password = settings.password_file.as_deref().map(|file| secret(key, file)).transpose()?;
    let mail = Mail::new(MailSettings {
        server: settings.server.clone(),
        port: settings.port,
        tls: settings.tls,
        roots: roots(key, &settings.anchor_files)?,
        credentials: settings.user.clone().zip(password),
        from: settings.from.clone(),
        to: settings.to.clone(),
    });
    mail.map(Channel::Mail).map_err(|error| unusable(key, &error))
}

fn webhook(settings: &AlertWebhook, key: &str) -> Result<Channel, Problem> {
    let webhook = Webhook::new(WebhookSettings {
        url: settings.url.clone(),
        roots: roots(key, &settings.anchor_files)?,
        secret: settings.secret_file.as_deref().map(|file| secret(key, file)).transpose()?.map(String::into_bytes),
    });
    webhook.map(Channel::Webhook).map_err(|error| unusable(key, &error))
}

fn unusable(key: &str, error: &AlertError) -> Problem {
    mistake(key, error, "mend it, then see with `sluss alert test` whether it arrives")
}

/// The certificates of these files; `key`: the table that names them.
pub(super) fn roots(key: &str, files: &[PathBuf]) -> Result<Vec<Vec<u8>>, Problem> {
    let mut all = Vec::new();
    for file in files {
        let remedy = "give a PEM file with the certificate of the issuer of the server's certificate";
        all.extend(tls::roots(file).map_err(|error| mistake(&format!("{key}.anchor_files"), error, remedy))?);
    }
    Ok(all)
}

/// The first line of a file.
fn secret(key: &str, file: &Path) -> Result<String, Problem> {
    let remedy = "write the secret into it, on one line, for this user alone";
    let text =
        std::fs::read_to_string(file).map_err(|error| mistake(key, format!("{}: {error}", file.display()), remedy))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(mistake(key, format!("{}, which is empty", file.display()), remedy)),
    }
}

impl Receiver {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.memory.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells until the end is asked for, or others are to be told.
    async fn run(
        &self,
        sender: &Sender,
        watch: &Arc<Watch>,
        mut stop: watch::Receiver<bool>,
        mut current: watch::Receiver<Arc<Receivers>>,
    ) {
        let (kinds, queue_age) = (&self.settings.kinds, Duration::from_secs(self.settings.queue_age_seconds));
        let mut pause = ALERT_LOOK_EVERY;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An error means that the sender is gone, which is the end as well.
                _ = stop.wait_for(|end| *end) => return,
                _ = current.changed() => return,
            }
            // By the clock that does not jump: what is told is about how long something lasts.
            let now = watch.clock.steady();
            let mut found = conditions(watch, queue_age).await;
            found.extend(self.memory.happened.take());
            found.retain(|condition| kinds.is_empty() || kinds.contains(&condition.kind));
            let news = self.desk().news(found, now);
            if news.is_empty() {
                pause = ALERT_LOOK_EVERY;
                continue;
            }
            let told = self.channel.tell(sender, &news).await;
            watch.metrics.alert(self.channel.word(), told.is_ok());
            pause = match told {
                Ok(()) => {
                    self.desk().told(&news, now);
                    ALERT_LOOK_EVERY
                }
                Err(error) => {
                    let (channel, target) = (self.channel.word(), self.channel.target());
                    tracing::error!(stage = "alert-failed", channel, target, %error, "an alert did not arrive, and is tried again");
                    pause.saturating_mul(2).min(ALERT_AGAIN_MAX)
                }
            };
        }
    }
}

/// What happened since it was last asked: of each kind and name the number and the last.
#[derive(Default)]
struct Happened(Mutex<BTreeMap<(Kind, String), (u64, Event)>>);

impl Happened {
    fn note(&self, event: &Event) {
        let (kind, about) = match event.stage {
            Stage::Discarded => (Kind::Conformance, event.facts.get("partner").cloned()),
            _ => (Kind::SendFailure, event.problem.as_ref().map(|problem| problem.cause().to_owned())),
        };
        let mut happened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (kind, about.unwrap_or_default());
        if happened.len() >= ALERTS_STANDING_MAX && !happened.contains_key(&key) {
            key.1 = "others".to_owned();
        }
        let number = happened.get(&key).map_or(0, |(number, _)| *number);
        happened.insert(key, (number + 1, event.clone()));
    }

    fn take(&self) -> Vec<Condition> {
        let happened = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        happened.into_iter().map(|((kind, about), (number, last))| occurred(kind, about, number, &last)).collect()
    }
}

fn occurred(kind: Kind, about: String, number: u64, last: &Event) -> Condition {
    let id = last.message.map(|id| id.to_string()).unwrap_or_default();
    let problem = last.problem.as_ref();
    let title = problem.map_or("no cause", |problem| problem.title.as_str());
    let rule = problem.and_then(|problem| problem.rule.as_deref()).map(|rule| format!(" ({rule})")).unwrap_or_default();
    let (what, remedy) = match kind {
        Kind::Conformance => (
            "envelopes that do not conform were received and deleted",
            format!("report it to Digg as a conformance error; `sluss queue show {id}` has what to attach"),
        ),
        _ => (
            "messages were given up",
            format!("see `sluss queue show {id}`, mend the cause, then `sluss queue retry {id}`"),
        ),
    };
    Condition { kind, about, found: format!("{number} {what}, the last {id}: {title}{rule}"), remedy }
}

/// What stands now.
async fn conditions(watch: &Arc<Watch>, queue_age: Duration) -> Vec<Condition> {
    let now = watch.clock.now();
    let mut found = health(watch);
    found.extend(watch.certificates().iter().filter_map(|end| {
        let word = if end.not_after < now { "ended" } else { "ends" };
        end.is_soon(now).then(|| Condition {
            kind: Kind::Certificate,
            about: format!("{} {}", end.purpose, end.subject),
            found: format!("it {word} on {}", end.not_after),
            remedy: CertificateEnd::REMEDY.to_owned(),
        })
    }));
    found.extend(watch.router.partners().iter().filter_map(partner));
    match watch.router.counts().await {
        Ok(counts) => found.extend(aged(&counts, now, queue_age)),
        Err(problem) => tracing::warn!(%problem, "the queues could not be counted"),
    }
    found
}

fn health(watch: &Arc<Watch>) -> Vec<Condition> {
    let checks = watch.health().checks.into_iter().filter(|check| check.state != Health::Ok);
    let conditions = checks.filter_map(|check| {
        let kind = match check.check {
            "store" | "disk" => Kind::Disk,
            "space" => Kind::Space,
            "discovery" => Kind::DiscoveryDown,
            // All certificates are looked at, with their ends.
            "certificate" => return None,
            _ => Kind::Process,
        };
        let remedy = check.remedy.unwrap_or("look at /health/ready").to_owned();
        Some(Condition { kind, about: check.check.to_owned(), found: check.found, remedy })
    });
    conditions.collect()
}

fn partner(state: &PartnerState) -> Option<Condition> {
    let (party, since) = (state.partner.as_ref()?, state.health.failing_since?);
    if state.health.failures < ALERT_PARTNER_FAILURES {
        return None;
    }
    let why = state.health.last_failure.as_ref().map_or("", |problem| problem.title.as_str());
    Some(Condition {
        kind: Kind::PartnerDown,
        about: party.to_string(),
        found: format!(
            "{} attempts failed since {}: {why}; {} messages wait",
            state.health.failures,
            time::millis(since),
            state.waiting
        ),
        remedy: format!("`sluss queue list --partner {party}` shows what waits; ask its operator"),
    })
}

fn aged(counts: &Counts, now: Timestamp, most: Duration) -> Vec<Condition> {
    let waits = |status: Status, direction| match direction {
        Direction::Out => status.after(crate::model::Outcome::Resume).is_ok(),
        Direction::In => status == Status::Received,
    };
    let old = counts.by_status.iter().filter(|count| waits(count.status, count.direction)).filter_map(|count| {
        let oldest = count.oldest?;
        let age = Duration::try_from(now.duration_since(oldest)).unwrap_or_default();
        (age > most).then(|| Condition {
            kind: Kind::QueueAge,
            about: count.status.word().to_owned(),
            found: format!("the oldest of {} messages waits since {}", count.messages, time::millis(oldest)),
            remedy: format!("`sluss queue list --status {}` shows which, `sluss queue show` why", count.status.word()),
        })
    });
    old.collect()
}
