//! The course of time as the journal's records tell it: each says what the wall clock showed and how far the steady clock was.
//!
//! A wall clock may be wrong for a while, by years; what is destroyed because it is old must not depend on it alone. So the
//! records carry a third time along, the confirmed one: it follows the wall clock as long as that goes as the steady clock does,
//! or is ahead by no more than a machine that is off for a few days explains. Beyond that it goes on with the steady clock until
//! the new time has held for long enough, or somebody says that it is right.

use crate::limits::{CLOCK_CONFIRMED_AFTER, CLOCK_LEAP_MAX};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// What time it was at a record, by each clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Course {
    /// On the wall.
    pub at: Timestamp,
    /// On the clock that is never set and runs only while a process does.
    pub steady: Timestamp,
    /// What it was at least, whatever the wall clock shows.
    pub confirmed: Timestamp,
    /// Since when, on the steady clock, the wall clock is too far ahead to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<Timestamp>,
}

impl Course {
    /// At the first record.
    pub fn begin(at: Timestamp, steady: Timestamp) -> Self {
        Self { at, steady, confirmed: at, doubted: None }
    }

    /// At a later moment.
    #[must_use]
    pub fn on(self, at: Timestamp, steady: Timestamp) -> Self {
        let steady = steady.max(self.steady);
        let expected = self.confirmed.saturating_add(steady.duration_since(self.steady)).unwrap_or(Timestamp::MAX);
        let since = self.doubted.unwrap_or(steady);
        let is_near = at <= expected.saturating_add(CLOCK_LEAP_MAX).unwrap_or(Timestamp::MAX);
        let has_held = steady.duration_since(since).unsigned_abs() >= CLOCK_CONFIRMED_AFTER;
        if is_near || has_held {
            return Self { at, steady, confirmed: at, doubted: None };
        }
        Self { at, steady, confirmed: expected, doubted: Some(since) }
    }

    /// Somebody says that the wall clock is right.
    #[must_use]
    pub fn vouched(self) -> Self {
        Self { confirmed: self.at, doubted: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    fn at(hours: i64) -> Timestamp {
        "2026-11-27T12:00:00Z".parse::<Timestamp>().unwrap() + hours.hours()
    }

    fn begun() -> Course {
        Course::begin(at(0), at(0))
    }

    #[test]
    fn it_follows_a_clock_that_goes_and_a_machine_that_was_off() {
        assert_eq!(begun().on(at(5), at(5)).confirmed, at(5));
        assert_eq!(begun().on(at(72), at(1)).confirmed, at(72), "off for three days");
        assert_eq!(begun().on(at(-9), at(1)).confirmed, at(-9), "set back");
    }

    #[test]
    fn a_clock_that_is_far_ahead_is_not_believed_at_once() {
        let far = 400 * 24;
        let ahead = begun().on(at(far), at(1));
        assert_eq!((ahead.confirmed, ahead.doubted), (at(1), Some(at(1))));
        assert_eq!(ahead.on(at(far + 2), at(3)).confirmed, at(3), "nor because the record before says the same");
        assert_eq!(
            ahead.on(at(4), at(4)),
            Course { confirmed: at(4), ..Course::begin(at(4), at(4)) },
            "it is set right"
        );
        assert_eq!(ahead.vouched().confirmed, at(far));
        assert_eq!(ahead.on(at(far + 72), at(73)).confirmed, at(far + 72), "it has held for three days");
    }
}
