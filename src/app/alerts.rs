//! Alerts: what is looked at, and who is told. Nothing here is waited for by anybody: a receiver that is away or slow
//! is told later, counted in a metric and said in the log.

use super::watch::Watch;
use crate::access_point::{PartnerState, Router};
use crate::alert::{
    AlertError, Bulletin, Channel, Condition, Desk, Kind, Ledger, Mail, MailSettings, Sender, State, Times, Webhook,
    WebhookSettings,
};
use crate::config::{Alert, AlertMail, AlertWebhook, Config, mistake};
use crate::crypto::sha256_hex;
use crate::limits::{ALERT_AGAIN_MAX, ALERT_EVENTS_READ, ALERT_LOOK_EVERY, ALERT_PARTNER_FAILURES};
use crate::model::{CertificateEnd, Clock, Counts, Direction, Lang, Problem, Status, Timestamp, time};
use crate::net::tls;
use crate::ops::health::State as Health;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One receiver, with what it wants to know.
struct Receiver {
    /// What tells it from others, also after a restart.
    id: String,
    channel: Channel,
    settings: Alert,
    /// What it was told of what stands. It outlives a reading of the configuration that leaves the receiver as it was.
    desk: Arc<Mutex<Desk>>,
}

/// Those of one configuration.
pub(super) struct Receivers {
    sender: Sender,
    all: Vec<Receiver>,
}

/// Everybody who is told.
#[derive(Clone)]
pub(super) struct Alerts {
    current: Arc<watch::Sender<Arc<Receivers>>>,
    ledgers: Arc<Ledgers>,
}

/// What each receiver knows of the event log, by its id: kept in the store, so that a restart neither forgets nor repeats
/// anything.
struct Ledgers {
    all: Mutex<BTreeMap<String, Ledger>>,
    router: Arc<Router>,
    /// Held by who writes them down.
    writing: tokio::sync::Mutex<()>,
}

/// The name under which they are kept.
const LEDGERS: &str = "alerts";

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
            let id = id(alert, &config.alerts[..index]);
            match receiver(alert, id, &format!("alert[{index}]")) {
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
                receiver.desk = Arc::clone(&same.desk);
            }
        }
        self
    }
}

impl Alerts {
    /// These are told: of what happened since they were told last, and the new ones of what happens from now on. Blocks.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub(super) fn new(receivers: Receivers, router: &Arc<Router>) -> Result<Self, Problem> {
        let all = Mutex::new(router.read_note(LEDGERS)?.unwrap_or_default());
        let ledgers = Ledgers { all, router: Arc::clone(router), writing: tokio::sync::Mutex::default() };
        ledgers.keep(&receivers);
        Ok(Self { current: Arc::new(watch::Sender::new(Arc::new(receivers))), ledgers: Arc::new(ledgers) })
    }

    /// From now on these are told. Those that stay as they were are told nothing twice. Blocks.
    pub(super) fn reconfigure(&self, receivers: Receivers) {
        self.ledgers.keep(&receivers);
        self.current.send_modify(|current| *current = Arc::new(receivers.remembering(current)));
    }

    /// Tells until the end is asked for.
    pub(super) async fn run(self, watch: Arc<Watch>, mut stop: watch::Receiver<bool>) {
        let mut current = self.current.subscribe();
        loop {
            let Receivers { sender, all } = &*Arc::clone(&current.borrow_and_update());
            let told =
                all.iter().map(|receiver| receiver.run(sender, (&watch, &self.ledgers), stop.clone(), current.clone()));
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

fn receiver(alert: &Alert, id: String, key: &str) -> Result<Receiver, Problem> {
    let channel = match (&alert.mail, &alert.webhook) {
        (Some(settings), _) => mail(settings, alert.language.unwrap_or_default(), key)?,
        (None, Some(settings)) => webhook(settings, key)?,
        (None, None) => return Err(mistake(key, "neither mail nor webhook", "give one of them")),
    };
    Ok(Receiver { id, channel, settings: alert.clone(), desk: Arc::new(Mutex::new(Desk::new(times(alert)))) })
}

fn times(alert: &Alert) -> Times {
    Times { reminder: Duration::from_secs(alert.reminder_seconds), settle: Duration::from_secs(alert.settle_seconds) }
}

fn mail(settings: &AlertMail, language: Lang, key: &str) -> Result<Channel, Problem> {
    let password = settings.password_file.as_deref().map(|file| secret(key, file)).transpose()?;
    let mail = Mail::new(MailSettings {
        server: settings.server.clone(),
        port: settings.port,
        tls: settings.tls,
        roots: roots(key, &settings.anchor_files)?,
        credentials: settings.user.clone().zip(password),
        from: settings.from.clone(),
        to: settings.to.clone(),
        language,
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
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells until the end is asked for, or others are to be told.
    async fn run(
        &self,
        sender: &Sender,
        (watch, ledgers): (&Arc<Watch>, &Ledgers),
        mut stop: watch::Receiver<bool>,
        mut current: watch::Receiver<Arc<Receivers>>,
    ) {
        let queue_age = Duration::from_secs(self.settings.queue_age_seconds);
        let times = times(&self.settings);
        let settle = times.settle;
        let mut pause = ALERT_LOOK_EVERY;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An error means that the sender is gone, which is the end as well.
                _ = stop.wait_for(|end| *end) => return,
                _ = current.changed() => return,
            }
            // What stands by the clock that does not jump: what is told is about how long it lasts.
            let (now, wall) = (watch.clock.steady(), watch.clock.now());
            let mut found = conditions(watch, queue_age).await;
            found.retain(|condition| self.wants(condition.kind));
            let before = ledgers.of(&self.id);
            let mut ledger = self.counted(before.clone(), watch, wall).await;
            let mut news = self.desk().news(found, now);
            news.extend(ledger.news(&times, wall));
            if news.is_empty() {
                ledger.settle(settle, wall);
                ledgers.write(&self.id, &before, ledger).await;
                pause = ALERT_LOOK_EVERY;
                continue;
            }
            let told = self.channel.tell(sender, &news).await;
            watch.metrics.alert(self.channel.word(), told.is_ok());
            pause = match told {
                Ok(()) => {
                    self.desk().told(&news, now);
                    ledger.told(&news, wall);
                    ledger.settle(settle, wall);
                    ALERT_LOOK_EVERY
                }
                Err(error) => {
                    let (channel, target) = (self.channel.word(), self.channel.target());
                    tracing::error!(stage = "alert-failed", channel, target, %error, "an alert did not arrive, and is tried again");
                    pause.saturating_mul(2).min(ALERT_AGAIN_MAX)
                }
            };
            ledgers.write(&self.id, &before, ledger).await;
        }
    }

    fn wants(&self, kind: Kind) -> bool {
        self.settings.kinds.is_empty() || self.settings.kinds.contains(&kind)
    }

    /// A ledger with what has happened since, and of which dead letters none is left. What the store does not answer now is asked
    /// again.
    async fn counted(&self, mut ledger: Ledger, watch: &Watch, now: Timestamp) -> Ledger {
        let unread = |problem: Problem| tracing::warn!(%problem, "the event log could not be read for alerts");
        loop {
            let Ok(events) = watch.router.told(ledger.place(), ALERT_EVENTS_READ).await.map_err(unread) else {
                return ledger;
            };
            events.iter().for_each(|logged| ledger.count(logged, |kind| self.wants(kind)));
            if events.len() < ALERT_EVENTS_READ {
                break;
            }
        }
        for (about, last) in ledger.dead_letters() {
            let left = watch.router.dead_letters(Ledger::cause(&about).map(str::to_owned), last).await;
            if let Ok(left) = left.map_err(unread) {
                ledger.looked(&about, left, now);
            }
        }
        ledger
    }
}

impl Ledgers {
    /// These are the receivers: what others knew is forgotten, and new ones know what there is up to now.
    fn keep(&self, receivers: &Receivers) {
        let record = self.router.last_record();
        let mut all = self.lock();
        let before = all.clone();
        all.retain(|id, _| receivers.all.iter().any(|receiver| receiver.id == *id));
        for receiver in &receivers.all {
            all.entry(receiver.id.clone()).or_insert_with(|| Ledger::behind(record));
        }
        let (changed, now) = (*all != before, all.clone());
        drop(all);
        if changed && let Err(problem) = self.router.write_note(LEDGERS, &now, Vec::new()) {
            tracing::error!(%problem, "who is told of alerts could not be noted");
        }
    }

    fn of(&self, id: &str) -> Ledger {
        self.lock().get(id).cloned().unwrap_or_default()
    }

    /// Keeps what a receiver knows now, where that is something else than before. What cannot be written is told again after a
    /// restart.
    async fn write(&self, id: &str, before: &Ledger, ledger: Ledger) {
        if ledger == *before {
            return;
        }
        let _alone = self.writing.lock().await;
        let all = {
            let mut all = self.lock();
            // Whoever is no receiver any more was told for the last time.
            if let Some(kept) = all.get_mut(id) {
                *kept = ledger;
            }
            all.clone()
        };
        let router = Arc::clone(&self.router);
        let written = tokio::task::spawn_blocking(move || router.write_note(LEDGERS, &all, Vec::new())).await;
        if let Ok(Err(problem)) = written {
            tracing::error!(%problem, "what was told could not be noted");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Ledger>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells a receiver from others, also after a restart: where it is, and which one of those there. Nothing of it can be read,
/// since a URL may be a secret.
fn id(alert: &Alert, before: &[Alert]) -> String {
    let place = |alert: &Alert| match (&alert.mail, &alert.webhook) {
        (Some(mail), _) => format!("mail {} {:?} {}", mail.server, mail.port, mail.to.join(" ")),
        (None, webhook) => format!("webhook {}", webhook.as_ref().map_or("", |webhook| &webhook.url)),
    };
    let (own, same) = (place(alert), before.iter().filter(|other| place(other) == place(alert)).count());
    sha256_hex(format!("{own} {same}").as_bytes())
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
            "store" | "disk" | "journal" => Kind::Disk,
            "space" => Kind::Space,
            "discovery" => Kind::DiscoveryDown,
            "delivery" => Kind::QueueAge,
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
