//! For how long a message has been tried, by what kept it back.

use super::{Lane, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an attempt to send failed at. Each has a policy of its own and a time of its own: an outage of one does not use up the
/// patience with another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Obstacle {
    /// Nobody says where the recipient is: DNS, SMP, and who tells whether a certificate was revoked.
    Lookup,
    /// The other access point.
    Partner,
    /// Something of ours, as a full disk.
    Own,
}

/// The time that failed attempts took, with the pauses after them, on the steady clock: none of it passed while nothing ran.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Effort {
    /// In milliseconds, kept back by look-ups.
    #[serde(skip_serializing_if = "is_zero")]
    lookup: u64,
    /// In milliseconds, kept back by the partner.
    #[serde(skip_serializing_if = "is_zero")]
    partner: u64,
    /// In milliseconds, kept back by ourselves.
    #[serde(skip_serializing_if = "is_zero")]
    own: u64,
    /// The last failure, and when it was.
    last: Option<(Obstacle, Timestamp)>,
    /// What the partner made of it, as far as that is worth knowing after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    partner_said: Option<Said>,
}

/// What a partner said to the last attempt that failed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing: it was not there.
    Nothing,
    /// To come again, not before this, on the steady clock.
    NotBefore(Timestamp),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(millis: &u64) -> bool {
    *millis == 0
}

impl Effort {
    /// An attempt failed at this. The time since the failure before counts for what that one was; before the first, what it
    /// has waited for this obstacle alone.
    #[must_use]
    pub fn failed(mut self, at: Obstacle, waited_since: Timestamp, now: Timestamp) -> Self {
        let (before, since) = self.last.unwrap_or((at, waited_since));
        let passed = u64::try_from(now.duration_since(since).as_millis()).unwrap_or(0);
        let spent = self.of(before);
        *spent = spent.saturating_add(passed);
        self.last = Some((at, now));
        self.partner_said = None;
        self
    }

    /// With what the partner said to the failure that was noted last.
    #[must_use]
    pub fn said(self, partner_said: Option<Said>) -> Self {
        Self { partner_said, ..self }
    }

    /// What the partner said to the last attempt, where it failed for the partner.
    pub fn partner_said(self) -> Option<Said> {
        self.partner_said
    }

    /// Since when it would have been tried, if nothing but the last obstacle had ever kept it back; `None`: nothing has yet.
    pub fn since(mut self) -> Option<Timestamp> {
        let (obstacle, at) = self.last?;
        let spent = Duration::from_millis(*self.of(obstacle));
        Some(at.saturating_sub(spent).unwrap_or(Timestamp::MIN))
    }

    /// What kept it back last.
    pub fn obstacle(self) -> Option<Obstacle> {
        self.last.map(|(obstacle, _)| obstacle)
    }

    /// Whether nothing has kept it back.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn of(&mut self, obstacle: Obstacle) -> &mut u64 {
        match obstacle {
            Obstacle::Lookup => &mut self.lookup,
            Obstacle::Partner => &mut self.partner,
            Obstacle::Own => &mut self.own,
        }
    }
}

/// Since when a message is tried, where it stands in line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tried {
    /// Since when in all; where that is not known, when work was due last.
    pub since: Timestamp,
    /// What kept it back last, and since when that would have been so if it were the only one.
    pub kept_back: Option<(Obstacle, Timestamp)>,
    /// When work is due by itself.
    pub due: Timestamp,
}

impl Tried {
    /// Since when it waits for this lane and nothing else: what it was kept back by before does not count.
    pub fn in_lane(self, lane: &Lane) -> Timestamp {
        let obstacle = match lane {
            Lane::Lookup => Obstacle::Lookup,
            Lane::Partner(_) => Obstacle::Partner,
            Lane::Inward(_) => Obstacle::Own,
        };
        match self.kept_back {
            None => self.since,
            Some((by, since)) if by == obstacle => since,
            Some(_) => self.due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn each_obstacle_uses_up_its_own_time() {
        let effort = Effort::default();
        assert_eq!((effort.since(), effort.obstacle()), (None, None));
        // A look-up fails for a minute, then the partner refuses: its time begins.
        let looked_up = effort.failed(Obstacle::Lookup, at(0), at(0)).failed(Obstacle::Lookup, at(60), at(60));
        assert_eq!(looked_up.since(), Some(at(0)));
        let refused = looked_up.failed(Obstacle::Partner, at(62), at(62));
        assert_eq!((refused.since(), refused.obstacle()), (Some(at(62)), Some(Obstacle::Partner)));
        // Our own fault stands still for it, and what was spent before is still spent.
        let own = refused.failed(Obstacle::Own, at(72), at(72)).failed(Obstacle::Own, at(500), at(500));
        assert_eq!(own.since(), Some(at(72)));
        assert_eq!(own.failed(Obstacle::Partner, at(600), at(600)).since(), Some(at(590)));
    }

    #[test]
    fn what_waits_for_a_partner_that_does_not_answer_has_waited_when_its_turn_comes() {
        assert_eq!(Effort::default().failed(Obstacle::Partner, at(0), at(40)).since(), Some(at(0)));
    }

    #[test]
    fn a_lane_counts_what_its_own_kind_kept_back() {
        let partner = Lane::Partner("AP0007".parse().unwrap());
        let tried = |kept_back| Tried { since: at(0), kept_back, due: at(90) };
        assert_eq!(tried(None).in_lane(&partner), at(0));
        assert_eq!(tried(Some((Obstacle::Partner, at(30)))).in_lane(&partner), at(30));
        assert_eq!(tried(Some((Obstacle::Lookup, at(30)))).in_lane(&partner), at(90));
        assert_eq!(tried(Some((Obstacle::Lookup, at(30)))).in_lane(&Lane::Lookup), at(30));
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let effort = Effort::default().failed(Obstacle::Own, at(1), at(1)).failed(Obstacle::Partner, at(3), at(3));
        let text = serde_json::to_string(&effort).unwrap();
        assert_eq!(text, r#"{"own":2000,"last":["partner","2027-01-15T08:00:03Z"]}"#);
        assert_eq!(serde_json::from_str::<Effort>(&text).unwrap(), effort);
    }
}
