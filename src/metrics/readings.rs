//! What is read at the moment of asking, and all of it as text.

use super::declared::{self, Declared, Kind};
use super::{Labels, Metrics, Seconds, process};
use crate::model::{CertificateEnd, Counts, Direction, Timestamp};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

/// How everything stands. The default is an empty store on no disk.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// When it was read.
    pub at: Timestamp,
    /// The store.
    pub counts: Counts,
    /// The disk.
    pub room: Room,
    /// The journal.
    pub journal: Journal,
    /// Checks of readiness: name, and 0 ok, 1 degraded, 2 failed.
    pub checks: Vec<(&'static str, u8)>,
    /// Certificates.
    pub certificates: Vec<CertificateEnd>,
    /// Other access points: those beyond the bound of the label are counted together.
    pub partners: Vec<PartnerReading>,
}

/// How another access point fares.
#[derive(Clone, Debug)]
pub struct PartnerReading {
    /// Its party id; empty: what has to be looked up first.
    pub partner: String,
    /// 0 healthy, 1 failing, 2 asked by one message, 3 left alone.
    pub condition: u8,
    /// Messages that wait for it.
    pub waiting: u64,
}

/// The file system of the data folder, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Free for us.
    pub free_bytes: u64,
    /// All of it.
    pub size_bytes: u64,
    /// Below this nothing new is accepted.
    pub free_bytes_least: u64,
    /// Whether new messages are accepted.
    pub accepting: bool,
}

/// The journal's files.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long its syncs take.
    pub syncs: Seconds,
    /// Closed segments that did not hold when they were read again.
    pub damaged: u64,
}

/// A registry that knows what is declared.
struct Exposition(Registry);

impl Exposition {
    fn put(&mut self, declared: &Declared, metric: impl Metric) {
        // The encoder gives counters their ending.
        let name = declared.name.strip_suffix("_total").filter(|_| declared.kind == Kind::Counter);
        self.0.register(name.unwrap_or(declared.name), declared.what, metric);
    }

    fn value(&mut self, declared: &Declared, value: u64) {
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(value);
        self.put(declared, gauge);
    }

    fn values(&mut self, declared: &Declared, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.put(declared, family);
    }
}

impl Metrics {
    /// Everything in the text format of Prometheus, version 0.0.4.
    pub fn text(&self, readings: &Readings) -> String {
        let mut all = Exposition(Registry::default());
        self.counted(&mut all);
        queue(&mut all, readings);
        self.standing(&mut all, readings);
        self.partners(&mut all, readings);
        process(&mut all);
        let mut text = String::new();
        // A String takes everything.
        let _ = prometheus_text::encode(&mut text, &all.0);
        text
    }

    fn counted(&self, all: &mut Exposition) {
        let live = &self.0;
        all.put(&declared::ACCEPTED, live.accepted.clone());
        all.put(&declared::SENT, live.sent.clone());
        all.put(&declared::RECEIVED, live.received.clone());
        all.put(&declared::DELIVERED, live.delivered.clone());
        all.put(&declared::TAKEN, live.taken.clone());
        all.put(&declared::DUPLICATES, live.duplicates.clone());
        all.put(&declared::GIVEN_UP, live.given_up.clone());
        all.put(&declared::DISCARDED, live.discarded.clone());
        all.put(&declared::FAILURES, live.failures.clone());
        all.put(&declared::REFUSED, live.refused.clone());
        all.put(&declared::TURNED_AWAY, live.turned_away.clone());
        all.put(&declared::ALERTS, live.alerts.clone());
        all.put(&declared::SPANS, live.spans.clone());
        all.put(&declared::ATTEMPT, live.attempt.clone());
        all.put(&declared::ACCEPT, live.accept.clone());
        all.put(&declared::EXCHANGE, live.exchange.clone());
        all.put(&declared::LOOKUP, live.lookup.clone());
        all.put(&declared::CONNECTIONS, live.connections.clone());
        all.put(&declared::STRETCH, live.stretches.all.clone());
        all.values(&declared::STRETCH_LONGEST, live.stretches.longest());
    }

    fn partners(&self, all: &mut Exposition, readings: &Readings) {
        let mut named: BTreeMap<String, (u8, u64)> = BTreeMap::new();
        for reading in &readings.partners {
            let of_name = named.entry(self.0.partners.value(&reading.partner)).or_default();
            *of_name = (of_name.0.max(reading.condition), of_name.1 + reading.waiting);
        }
        let labels = |name: &String| vec![("partner", name.clone())];
        let conditions = named.iter().map(|(name, (condition, _))| (labels(name), f64::from(*condition)));
        all.values(&declared::PARTNER_CONDITION, conditions);
        all.values(
            &declared::PARTNER_WAITING,
            named.iter().map(|(name, (_, waiting))| (labels(name), whole(*waiting))),
        );
    }

    fn standing(&self, all: &mut Exposition, readings: &Readings) {
        let room = &readings.room;
        all.value(&declared::ACCEPTING, room.accepting.into());
        all.value(&declared::DISK_FREE, room.free_bytes);
        all.value(&declared::DISK_TOTAL, room.size_bytes);
        all.value(&declared::DISK_LEAST, room.free_bytes_least);
        all.value(&declared::JOURNAL_RECORDS, readings.counts.journal_records);
        all.value(&declared::JOURNAL_SEGMENTS, readings.journal.segments);
        all.value(&declared::JOURNAL_BYTES, readings.journal.bytes);
        all.value(&declared::JOURNAL_DAMAGED, readings.journal.damaged);
        all.put(&declared::SYNC, readings.journal.syncs.clone());
        let checks =
            readings.checks.iter().map(|(name, state)| (vec![("check", (*name).to_owned())], f64::from(*state)));
        all.values(&declared::CHECK, checks);
        let ends = readings.certificates.iter().map(|end| {
            let labels = vec![("use", end.purpose.to_owned()), ("subject", end.subject.clone())];
            (labels, whole(end.not_after.as_second()))
        });
        all.values(&declared::CERTIFICATE, ends);
        all.values(&declared::BUILD, [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)]);
    }
}

fn queue(all: &mut Exposition, readings: &Readings) {
    let labels = |count: &crate::model::Count| {
        vec![("direction", word(count.direction).to_owned()), ("status", count.status.word().to_owned())]
    };
    let counts = &readings.counts.by_status;
    all.values(&declared::QUEUE_MESSAGES, counts.iter().map(|count| (labels(count), whole(count.messages))));
    let waiting = counts.iter().filter(|count| !count.status.is_final());
    let ages = waiting.filter_map(|count| {
        let age = readings.at.as_second() - count.oldest?.as_second();
        Some((labels(count), whole(age.max(0))))
    });
    all.values(&declared::QUEUE_OLDEST, ages);
}

fn process(all: &mut Exposition) {
    let own = process::read().unwrap_or_default();
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(own.cpu_seconds);
    all.put(&declared::PROCESS_CPU, cpu);
    all.value(&declared::PROCESS_RESIDENT, own.resident_bytes);
    all.value(&declared::PROCESS_VIRTUAL, own.virtual_bytes);
    all.value(&declared::PROCESS_FDS, own.open_files);
    all.value(&declared::PROCESS_MAX_FDS, own.open_files_max);
    all.value(&declared::PROCESS_START, own.start_seconds);
}

pub(super) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "out",
        Direction::In => "in",
    }
}

/// A count as Prometheus has it; beyond 2^53 the last digits go.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn whole<N: TryInto<i64>>(number: N) -> f64 {
    number.try_into().unwrap_or(i64::MAX) as f64
}
