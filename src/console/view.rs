//! Values as people read them: times, ages, sizes, statuses.

use super::problems::{remedy, title};
use super::text::{Lang, Texts};
use crate::access_point::{Condition, DeliveryState, Health, PartnerState};
use crate::model::{Counted, Direction, Message, Status, Timestamp};
use jiff::tz::TimeZone;

/// A time: exact for machines, short for people.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) exact: String,
    pub(super) short: String,
    pub(super) age: String,
}

/// A clock on the wall: which zone is shown, and what time it is.
#[derive(Clone, Debug)]
pub(super) struct Wall {
    zone: TimeZone,
    now: Timestamp,
    lang: Lang,
}

impl Wall {
    /// UTC, as in the logs: for operators.
    pub(super) fn utc(now: Timestamp, lang: Lang) -> Self {
        Self { zone: TimeZone::UTC, now, lang }
    }

    /// Swedish time: for clerks. UTC where the system has no time zones.
    pub(super) fn swedish(now: Timestamp, lang: Lang) -> Self {
        let zone = TimeZone::get("Europe/Stockholm").unwrap_or(TimeZone::UTC);
        Self { zone, now, lang }
    }

    /// A moment as both see it.
    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        let short = at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        Moment { exact: crate::model::time::millis(at), short, age: self.age(at) }
    }

    /// The time of day now.
    pub(super) fn now(&self) -> String {
        self.now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// How long ago, in the two largest units.
    pub(super) fn age(&self, at: Timestamp) -> String {
        let seconds = self.now.as_second().saturating_sub(at.as_second());
        let span = spoken(seconds.unsigned_abs());
        match (seconds >= 0, self.lang) {
            (true, Lang::Sv) => format!("för {span} sedan"),
            (true, Lang::En) => format!("{span} ago"),
            (false, Lang::Sv) => format!("om {span}"),
            (false, Lang::En) => format!("in {span}"),
        }
    }
}

fn spoken(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match () {
        () if days >= 2 => format!("{days} d"),
        () if days == 1 => format!("1 d {} h", hours % 24),
        () if hours >= 1 => format!("{hours} h {} min", minutes % 60),
        () if minutes >= 1 => format!("{minutes} min"),
        () => format!("{seconds} s"),
    }
}

/// How many there are, as exactly as it is known.
pub(super) fn counted(found: Counted, t: &'static Texts) -> String {
    if found.more { format!("{} {}", t.more_than, found.messages) } else { found.messages.to_string() }
}

/// A size in units of 1000.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A status: word of the interfaces, name, meaning, and how alarming it is.
#[derive(Clone, Debug)]
pub(super) struct StatusView {
    pub(super) word: &'static str,
    pub(super) label: &'static str,
    pub(super) meaning: &'static str,
    pub(super) tone: &'static str,
}

impl StatusView {
    pub(super) fn new(status: Status, lang: Lang) -> Self {
        let (label, meaning) = lang.status(status);
        Self { word: status.word(), label, meaning, tone: tone(status) }
    }
}

/// `good`, `busy`, `late` or `bad`: the colour of the badge. The word beside it says the same.
fn tone(status: Status) -> &'static str {
    match status {
        Status::Acknowledge | Status::Accepted | Status::Acknowledged | Status::Downloaded | Status::New => "good",
        Status::Submitted | Status::WaitingForReceipt | Status::SendEnqueued | Status::Received | Status::Retrieved => {
            "busy"
        }
        Status::ScheduledForResend | Status::WaitingForRetry => "late",
        Status::Rejected | Status::MessageExchangeError | Status::SendFailure | Status::Deleted | Status::Error => {
            "bad"
        }
    }
}

/// How another access point fares: its breaker, how alarming that is, and until when it is open.
#[derive(Clone, Debug)]
pub(super) struct ConditionView {
    pub(super) label: &'static str,
    pub(super) tone: &'static str,
    pub(super) until: Option<Moment>,
}

impl ConditionView {
    pub(super) fn new(partner: &PartnerState, wall: &Wall) -> Self {
        Self::of(partner.condition, &partner.health, wall, wall.lang.texts().partner_open)
    }

    /// How what has come in for a participant fares.
    pub(super) fn inward(delivery: &DeliveryState, wall: &Wall) -> Self {
        Self::of(delivery.condition, &delivery.health, wall, wall.lang.texts().delivery_open)
    }

    fn of(condition: Condition, health: &Health, wall: &Wall, open: &'static str) -> Self {
        let t = wall.lang.texts();
        let (label, tone) = match condition {
            Condition::Healthy => (t.partner_healthy, "good"),
            Condition::Failing => (t.partner_failing, "late"),
            Condition::Probing => (t.partner_probing, "late"),
            Condition::Open => (open, "bad"),
        };
        let until = health.open_until.filter(|_| condition == Condition::Open);
        Self { label, tone, until: until.map(|at| wall.moment(at)) }
    }
}

/// A message in an operator's list. Nothing of its content.
#[derive(Clone, Debug)]
pub(super) struct MessageRow {
    pub(super) id: String,
    pub(super) outbound: bool,
    pub(super) status: StatusView,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) partner: String,
    pub(super) priority: &'static str,
    /// Whether its sender said another priority than most have.
    pub(super) prioritized: bool,
    pub(super) attempts: u32,
    pub(super) next_attempt: Option<Moment>,
    pub(super) created: Moment,
    pub(super) fault: Option<String>,
    pub(super) remedy: &'static str,
}

impl MessageRow {
    pub(super) fn new(message: &Message, wall: &Wall) -> Self {
        Self {
            id: message.id.to_string(),
            outbound: message.direction == Direction::Out,
            status: StatusView::new(message.status, wall.lang),
            from: message.from.to_string(),
            to: message.to.to_string(),
            partner: message.partner.as_ref().map(ToString::to_string).unwrap_or_default(),
            priority: wall.lang.texts().priority(message.priority),
            prioritized: !message.priority.is_default(),
            attempts: message.attempts,
            next_attempt: message.next_attempt_at.map(|at| wall.moment(at)),
            created: wall.moment(message.created_at),
            fault: message.error.as_ref().map(|problem| title(problem, wall.lang)),
            remedy: remedy(message.error.as_ref(), wall.lang.texts()),
        }
    }
}

/// Paragraphs of a plain text: lines within, blank lines between.
pub(super) fn paragraphs(text: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            all.push(Vec::new());
        } else if let Some(last) = all.last_mut() {
            last.push(line.to_owned());
        }
    }
    all.retain(|lines| !lines.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::{Wall, paragraphs, size};
    use crate::console::Lang;

    #[test]
    fn ages_and_sizes_are_short() {
        let now = "2026-11-23T22:00:00Z".parse().unwrap();
        let wall = Wall::utc(now, Lang::Sv);
        for (at, age) in [
            ("2026-11-23T21:59:30Z", "för 30 s sedan"),
            ("2026-11-23T21:01:00Z", "för 59 min sedan"),
            ("2026-11-23T19:45:00Z", "för 2 h 15 min sedan"),
            ("2026-11-22T20:00:00Z", "för 1 d 2 h sedan"),
            ("2026-11-01T20:00:00Z", "för 22 d sedan"),
            ("2026-11-23T22:03:00Z", "om 3 min"),
        ] {
            assert_eq!(wall.age(at.parse().unwrap()), age);
        }
        assert_eq!(
            [0, 999, 1000, 999_949, 999_950, 100_000_000, 2_147_483_647].map(size),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "100.0 MB", "2.1 GB"]
        );
    }

    #[test]
    fn clerks_see_swedish_time_and_operators_utc() {
        let at = "2026-11-23T23:30:00Z".parse().unwrap();
        assert_eq!(Wall::utc(at, Lang::Sv).moment(at).short, "2026-11-23 23:30:00");
        assert_eq!(Wall::swedish(at, Lang::Sv).moment(at).short, "2026-11-24 00:30:00");
    }

    #[test]
    fn blank_lines_part_paragraphs() {
        assert_eq!(paragraphs("a\nb\r\n\r\n \n\nc\n"), [vec!["a", "b"], vec!["c"]]);
        assert!(paragraphs("\n\n").is_empty());
    }
}
