//! Figures for Prometheus: counted where things happen, read where they stand, written as text.
//!
//! Nothing is counted twice: what an [`Event`] says is derived from it, as its log line is. Labels hold names of the
//! federation and words of ours, never contents, and never more of them than their bound.

mod declared;
mod process;
mod readings;
mod start;
mod stretches;

pub use declared::{ALL, Declared, Kind, reference};
pub use process::{processor_time, thread_time};
pub use readings::{Journal, PartnerReading, Readings, Room};
pub use start::{DISCARDED, GIVEN_UP};

use crate::limits::{METRIC_CAUSES_MAX, METRIC_PARTNERS_MAX};
use crate::model::{Direction, Event, Problem, Stage};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Names and values of labels.
type Labels = Vec<(&'static str, String)>;

/// Alert rules for Prometheus.
pub const RULES: &str = include_str!("rules.yml");

/// A dashboard for Grafana.
pub const DASHBOARD: &str = include_str!("dashboard.json");

/// Media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// What is counted while the process runs. Clones count into the same.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Live>);

impl Default for Metrics {
    /// Everything at zero, and shown so.
    fn default() -> Self {
        let live = Live::default();
        start::expose(&live);
        Self(Arc::new(live))
    }
}

#[derive(Debug, Default)]
struct Live {
    accepted: Counter,
    sent: Family<Labels, Counter>,
    received: Family<Labels, Counter>,
    delivered: Family<Labels, Counter>,
    taken: Counter,
    duplicates: Counter,
    given_up: Family<Labels, Counter>,
    discarded: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    turned_away: Family<Labels, Counter>,
    alerts: Family<Labels, Counter>,
    spans: Family<Labels, Counter>,
    attempt: Family<Labels, Seconds>,
    accept: Family<Labels, Seconds>,
    exchange: Family<Labels, Seconds>,
    lookup: Family<Labels, Seconds>,
    connections: Family<Labels, Gauge>,
    stretches: stretches::Stretches,
    partners: Bounded<METRIC_PARTNERS_MAX>,
    causes: Bounded<METRIC_CAUSES_MAX>,
}

/// Where something new comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// From another access point.
    As4,
    /// Sealed, from a participant whose message service is elsewhere.
    Envelope,
    /// From our own message service.
    Message,
}

impl Door {
    fn word(self) -> &'static str {
        match self {
            Self::As4 => "as4",
            Self::Envelope => "envelope",
            Self::Message => "message",
        }
    }
}

/// Why a request was answered with 503.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Away {
    /// Too little space is free.
    Space,
    /// Too much at once.
    Crowded,
    /// A failure of our own.
    Failed,
}

impl Metrics {
    /// Counts what an event says.
    pub fn event(&self, event: &Event) {
        let live = &self.0;
        let partner = || vec![("partner", live.partners.value(event.facts.get("partner").map_or("", String::as_str)))];
        let problem = event.problem.as_ref().map_or("none", Problem::cause);
        let of = |table: &[&'static str]| vec![("cause", start::named(table, problem).to_owned())];
        let delivered = |result: &str| live.delivered.get_or_create(&vec![("result", result.to_owned())]).inc();
        // Each gives the value before, which nobody needs.
        match event.stage {
            Stage::Accepted => live.accepted.inc(),
            Stage::Receipted => live.sent.get_or_create(&partner()).inc(),
            Stage::Received if event.message.is_some() => live.received.get_or_create(&partner()).inc(),
            Stage::Opened => delivered("opened"),
            Stage::Held => delivered("held"),
            Stage::Failed => delivered("rejected"),
            Stage::Taken => live.taken.inc(),
            Stage::Duplicate => live.duplicates.inc(),
            Stage::GivenUp if event.follows_from_receipt() => 0,
            Stage::GivenUp => live.given_up.get_or_create(&of(&GIVEN_UP)).inc(),
            Stage::Discarded => live.discarded.get_or_create(&of(&DISCARDED)).inc(),
            Stage::AttemptFailed => live.failures.get_or_create(&vec![("cause", live.causes.value(problem))]).inc(),
            _ => 0,
        };
    }

    /// An AS4 request was refused, with this code; whether its sender was known.
    pub fn refused(&self, code: &str, known: bool) {
        let sender = if known { "known" } else { "stranger" };
        let labels = vec![("cause", self.0.causes.value(code)), ("sender", sender.to_owned())];
        self.0.refused.get_or_create(&labels).inc();
    }

    /// A request was answered with 503.
    pub fn turned_away(&self, reason: Away) {
        let reason = match reason {
            Away::Space => "space",
            Away::Crowded => "crowded",
            Away::Failed => "failed",
        };
        self.0.turned_away.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    /// Alerts were told over a channel, or were not.
    pub fn alert(&self, channel: &'static str, told: bool) {
        let result = if told { "told" } else { "failed" };
        let labels = vec![("channel", channel.to_owned()), ("result", result.to_owned())];
        self.0.alerts.get_or_create(&labels).inc();
    }

    /// Spans of traces were `exported`, `failed` to be, or were `dropped`.
    pub fn spans(&self, result: &'static str, number: u64) {
        self.0.spans.get_or_create(&vec![("result", result.to_owned())]).inc_by(number);
    }

    /// An attempt took so long.
    pub fn attempt(&self, direction: Direction, took: Duration) {
        self.0.attempt.get_or_create(&towards(direction)).observe(took);
    }

    /// Taking something new took so long, until it was durable.
    pub fn accept(&self, door: Door, took: Duration) {
        self.0.accept.get_or_create(&vec![("door", door.word().to_owned())]).observe(took);
    }

    /// An AS4 exchange took so long.
    pub fn exchange(&self, direction: Direction, took: Duration) {
        self.0.exchange.get_or_create(&towards(direction)).observe(took);
    }

    /// A look-up over the network took so long.
    pub fn lookup(&self, found: bool, took: Duration) {
        let result = if found { "found" } else { "failed" };
        self.0.lookup.get_or_create(&vec![("result", result.to_owned())]).observe(took);
    }

    /// The level of open connections at a door.
    pub fn connections(&self, door: &'static str) -> Level {
        Level(self.0.connections.get_or_create_owned(&vec![("door", door.to_owned())]))
    }
}

fn towards(direction: Direction) -> Labels {
    vec![("direction", readings::word(direction).to_owned())]
}

/// A histogram of durations: 1 ms to 10 minutes, each bucket a little more than twice the one before.
#[derive(Clone, Debug)]
pub struct Seconds(Histogram);

impl Default for Seconds {
    fn default() -> Self {
        Self(Histogram::new([
            0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
        ]))
    }
}

impl Seconds {
    /// Something took so long.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

impl prometheus_client::metrics::TypedMetric for Seconds {
    const TYPE: prometheus_client::metrics::MetricType = prometheus_client::metrics::MetricType::Histogram;
}

impl prometheus_client::encoding::EncodeMetric for Seconds {
    fn encode(&self, encoder: prometheus_client::encoding::MetricEncoder<'_>) -> std::fmt::Result {
        prometheus_client::encoding::EncodeMetric::encode(&self.0, encoder)
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        <Self as prometheus_client::metrics::TypedMetric>::TYPE
    }
}

/// How many of something there are.
#[derive(Clone, Debug, Default)]
pub struct Level(Gauge);

impl Level {
    /// One more, until the result is dropped.
    pub fn hold(&self) -> Held {
        self.0.inc();
        Held(self.clone())
    }
}

/// One of a [`Level`].
#[derive(Debug)]
pub struct Held(Level);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.dec();
    }
}

/// Values of a label: the first `MAX` that come, and `other` for the rest.
#[derive(Debug, Default)]
struct Bounded<const MAX: usize>(Mutex<BTreeSet<String>>);

impl<const MAX: usize> Bounded<MAX> {
    fn value(&self, value: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(value) {
            if known.len() >= MAX {
                return start::OTHER.to_owned();
            }
            known.insert(value.to_owned());
        }
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CertificateEnd, Clock, Fault, MessageId, RECEIPT_NOT_SENT, SystemClock};

    fn text(metrics: &Metrics) -> String {
        metrics.text(&Readings::default())
    }

    #[test]
    fn what_an_event_says_is_counted_under_its_cause_and_partner() {
        let (metrics, now) = (Metrics::default(), SystemClock.now());
        let message = Some(MessageId::now());
        metrics.event(&Event::new(now, message, Stage::Receipted, "x").fact("partner", "AP0002-TESTBED"));
        let problem = Problem::new(Fault::Temporary, "smp-unreachable", "x", "a secret detail");
        metrics.event(&Event::new(now, message, Stage::AttemptFailed, "x").problem(problem));
        metrics.event(&Event::new(now, None, Stage::Received, "a test message").fact("partner", "AP0002-TESTBED"));
        let text = text(&metrics);
        assert!(text.contains("sluss_messages_sent_total{partner=\"AP0002-TESTBED\"} 1\n"), "{text}");
        assert!(text.contains("sluss_attempt_failures_total{cause=\"smp-unreachable\"} 1\n"), "{text}");
        assert!(text.contains("sluss_messages_received_total{partner=\"other\"} 0\n"), "a test message is no message");
        assert!(!text.contains("sluss_messages_received_total{partner=\"AP"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_label_has_a_bound_and_the_rest_is_other() {
        let (metrics, now) = (Metrics::default(), SystemClock.now());
        for n in 0..METRIC_PARTNERS_MAX + 50 {
            let event =
                Event::new(now, Some(MessageId::now()), Stage::Receipted, "x").fact("partner", format!("AP{n}"));
            metrics.event(&event);
        }
        let text = text(&metrics);
        let series = text.lines().filter(|line| line.starts_with("sluss_messages_sent_total{")).count();
        assert_eq!(series, METRIC_PARTNERS_MAX + 1, "with `other`");
        assert!(text.contains("sluss_messages_sent_total{partner=\"other\"} 50\n"));
    }

    #[test]
    fn partners_are_read_by_name_and_those_beyond_the_bound_together() {
        let partner = |n: usize, condition| PartnerReading {
            partner: format!("AP{n}"),
            condition,
            waiting: u64::from(condition),
        };
        let partners = (0..METRIC_PARTNERS_MAX + 3).map(|n| partner(n, if n < METRIC_PARTNERS_MAX { 0 } else { 2 }));
        let text = Metrics::default().text(&Readings { partners: partners.collect(), ..Readings::default() });
        for line in [
            "sluss_partner_condition{partner=\"AP0\"} 0.0",
            "sluss_partner_condition{partner=\"other\"} 2.0",
            "sluss_partner_waiting_messages{partner=\"other\"} 6.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_level_falls_when_what_was_held_is_dropped() {
        let metrics = Metrics::default();
        let door = metrics.connections("as4");
        let (one, other) = (door.hold(), metrics.connections("as4").hold());
        assert!(text(&metrics).contains("sluss_connections_open{door=\"as4\"} 2\n"));
        drop((one, other));
        assert!(text(&metrics).contains("sluss_connections_open{door=\"as4\"} 0\n"));
    }

    /// Everything has happened once, and something stands everywhere: what has no value is not written.
    fn full() -> String {
        let (metrics, now, second) = (Metrics::default(), SystemClock.now(), Duration::from_secs(1));
        for stage in
            [Stage::Receipted, Stage::Received, Stage::Held, Stage::GivenUp, Stage::Discarded, Stage::AttemptFailed]
        {
            metrics.event(&Event::new(now, Some(MessageId::now()), stage, "x"));
        }
        metrics.refused("EBMS:0004", true);
        metrics.turned_away(Away::Space);
        metrics.alert("mail", true);
        metrics.spans("exported", 1);
        metrics.attempt(Direction::Out, second);
        metrics.accept(Door::As4, second);
        metrics.exchange(Direction::In, second);
        metrics.lookup(true, second);
        drop(metrics.connections("as4").hold());
        metrics.thread_works();
        metrics.thread_rests();
        let status = crate::model::Status::Submitted;
        let count = crate::model::Count { direction: Direction::Out, status, messages: 1, oldest: Some(now) };
        let counts = crate::model::Counts { by_status: vec![count], ..Default::default() };
        let end = CertificateEnd { purpose: "tls", subject: "CN=x".to_owned(), not_after: now };
        metrics.text(&Readings {
            partners: vec![PartnerReading { partner: "AP0002".into(), condition: 1, waiting: 1 }],
            counts,
            checks: vec![("disk", 0)],
            certificates: vec![end],
            ..Readings::default()
        })
    }

    #[test]
    fn every_counter_is_shown_before_its_first_event_and_so_is_every_cause() {
        let text = text(&Metrics::default());
        let values = |name: &str| -> Vec<&str> {
            let own = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            text.lines().filter(own).filter_map(|line| line.rsplit(' ').next()).collect()
        };
        for metric in ALL.iter().filter(|metric| metric.name.starts_with("sluss_")) {
            let name = match metric.kind {
                Kind::Counter => metric.name.to_owned(),
                Kind::Histogram if metric.name != "sluss_runtime_stretch_seconds" => format!("{}_count", metric.name),
                _ => continue,
            };
            let values = values(&name);
            assert!(!values.is_empty() && values.iter().all(|value| *value == "0"), "{name}: {values:?}");
        }
        for cause in GIVEN_UP {
            assert!(text.contains(&format!("sluss_messages_given_up_total{{cause=\"{cause}\"}} 0\n")), "{cause}");
        }
    }

    #[test]
    fn a_cause_without_a_name_is_counted_as_other_and_not_under_a_new_one() {
        let (metrics, now) = (Metrics::default(), SystemClock.now());
        let problem = Problem::new(Fault::Refused, "never-heard-of", "x", "y");
        metrics.event(&Event::new(now, Some(MessageId::now()), Stage::GivenUp, "x").problem(problem));
        assert!(text(&metrics).contains("sluss_messages_given_up_total{cause=\"other\"} 1\n"));
    }

    #[test]
    fn a_message_receipt_that_is_given_up_is_one_dead_letter_with_the_message_that_it_answers() {
        let (metrics, now) = (Metrics::default(), SystemClock.now());
        for cause in ["access-point-unreachable", RECEIPT_NOT_SENT] {
            let problem = Problem::new(Fault::Refused, cause, "x", "y");
            metrics.event(&Event::new(now, Some(MessageId::now()), Stage::GivenUp, "x").problem(problem));
        }
        let text = text(&metrics);
        let counted =
            text.lines().filter(|line| line.starts_with("sluss_messages_given_up_total{") && !line.ends_with(" 0"));
        assert_eq!(
            counted.collect::<Vec<_>>(),
            ["sluss_messages_given_up_total{cause=\"access-point-unreachable\"} 1"]
        );
    }

    #[test]
    fn the_tests_of_the_rules_begin_with_what_is_shown_at_a_start() {
        let text = text(&Metrics::default());
        let mut held = 0;
        for line in include_str!("rules.test.yml").lines() {
            let Some(series) = line.trim().strip_prefix("- series: '").and_then(|rest| rest.strip_suffix("'")) else {
                continue;
            };
            let name = series.split('{').next().unwrap_or_default();
            if name.ends_with("_total") || name.ends_with("_count") {
                assert!(text.contains(&format!("{series} 0\n")), "{series} is not shown at a start");
                held += 1;
            }
        }
        assert!(held > 3, "{held}");
    }

    #[test]
    fn what_is_written_is_what_is_declared_and_nothing_else() {
        let text = full();
        let mut written: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let mut declared: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
        written.sort_unstable();
        declared.sort_unstable();
        assert_eq!(written, declared);
    }

    #[test]
    fn what_dashboard_and_rules_ask_for_is_declared() {
        for (name, text) in [("rules.yml", RULES), ("dashboard.json", DASHBOARD)] {
            let mut asked = 0;
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("sluss_") || word.starts_with("process_")) {
                let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
                assert!(ALL.iter().any(|metric| metric.name == bare || metric.name == word), "{name} asks for {word}");
                asked += 1;
            }
            assert!(asked > 10, "{name} asks for {asked} metrics only");
        }
        serde_json::from_str::<serde_json::Value>(DASHBOARD).unwrap();
        for shown in
            ["partner_condition", "partner_waiting_messages", "certificate_end", "journal_sync", "attempt_failures"]
        {
            assert!(DASHBOARD.contains(&format!("sluss_{shown}")), "the dashboard does not show {shown}");
        }
    }

    #[test]
    fn each_alert_rule_has_its_test() {
        let tests = include_str!("rules.test.yml");
        for rule in RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
            assert!(tests.contains(&format!("alertname: {rule}\n")), "{rule} is in no test");
        }
    }
}
