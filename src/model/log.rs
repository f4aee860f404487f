//! What is asked of the event log, and what it answers.

use super::{Event, IdError, MessageId, ParticipantId, PartyId, Stage, Timestamp};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Which events to show, newest first. All given conditions hold.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Recorded then or later.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
    /// About this other access point, or claiming to come from it.
    pub partner: Option<PartyId>,
    /// About this sender or recipient, or claiming to be.
    pub participant: Option<ParticipantId>,
    /// At this stage.
    pub stage: Option<Stage>,
    /// Done by this account, token or participant.
    pub actor: Option<String>,
    /// About this message.
    pub message: Option<MessageId>,
    /// Only events that come after this place in the list (paging).
    pub after: Option<LogPlace>,
    /// At most so many; 0 means [`LIST_EVENTS_MAX`](crate::limits::LIST_EVENTS_MAX).
    pub limit: usize,
}

impl LogQuery {
    /// Whether the event is one of those asked for, its place and time apart.
    pub fn holds(&self, event: &Event) -> bool {
        let fact = |name: &str| event.facts.get(name).map(String::as_str);
        let partner = |wanted: &PartyId| {
            ["partner", "claimed_partner"].into_iter().any(|name| fact(name) == Some(wanted.as_str()))
        };
        let participant = |wanted: &ParticipantId| {
            let folded = wanted.folded();
            let names = ["from", "to", "claimed_from", "claimed_to"];
            names.into_iter().filter_map(fact).any(|found| found.to_lowercase() == folded)
        };
        self.stage.is_none_or(|wanted| event.stage == wanted)
            && self.message.is_none_or(|wanted| event.message == Some(wanted))
            && self.actor.as_deref().is_none_or(|wanted| fact("actor") == Some(wanted))
            && self.partner.as_ref().is_none_or(partner)
            && self.participant.as_ref().is_none_or(participant)
    }
}

/// The place of an event in the log: by time, and within one moment by the journal.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LogPlace {
    /// When it was recorded.
    pub at: Timestamp,
    /// Number of the journal record that holds it.
    pub record: u64,
    /// Its place in that record.
    pub event: u32,
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.as_nanosecond(), self.record, self.event)
    }
}

impl FromStr for LogPlace {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let place = || {
            let mut numbers = text.splitn(3, '.');
            let at = Timestamp::from_nanosecond(numbers.next()?.parse().ok()?).ok()?;
            Some(Self { at, record: numbers.next()?.parse().ok()?, event: numbers.next()?.parse().ok()? })
        };
        place().ok_or_else(|| IdError {
            what: "place in the event log",
            found: text.chars().take(80).collect(),
            expected: "the member next of the page before",
        })
    }
}

impl Serialize for LogPlace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event with its place in the log.
#[derive(Clone, Debug, Serialize)]
pub struct Logged {
    /// Number of the journal record that holds it: what the proof is about.
    pub record: u64,
    /// Its place in the log, as `after` takes it.
    pub place: LogPlace,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// A page of the event log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogPage {
    /// Newest first.
    pub events: Vec<Logged>,
    /// What to give as `after` for the rest; `None`: there is none. A page may hold fewer events than were asked for, or
    /// none, and have a rest all the same: what is looked through for one page is bounded.
    pub next: Option<LogPlace>,
}

#[cfg(test)]
mod tests {
    use super::LogPlace;

    #[test]
    fn a_place_in_the_log_is_read_as_it_is_written() {
        let place = LogPlace { at: "2026-11-24T10:00:00.000000001Z".parse().unwrap(), record: 7, event: 2 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "1", "1.2", "1.2.x", "a.1.2", "1.2.3.4", "-1.-2.3"] {
            assert!(wrong.parse::<LogPlace>().is_err(), "{wrong}");
        }
    }
}
