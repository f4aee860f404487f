//! What stands, what was told of it, and what is news.

use super::Kind;
use crate::limits::ALERTS_STANDING_MAX;
use crate::model::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that an operator must know, as it is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// What it is about.
    pub kind: Kind,
    /// About which: a cause, a partner, a certificate. Two of the same kind and name are one.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: String,
}

/// Where a condition is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was not there before.
    Begins,
    /// It is still there.
    Lasts,
    /// It is over.
    Ended,
    /// Somebody wants to see whether alerts arrive.
    Trial,
}

/// One thing to tell.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Bulletin {
    /// What it is about.
    pub kind: Kind,
    /// About which.
    pub about: String,
    /// Where it is in its life.
    pub state: State,
    /// When it began.
    pub since: Timestamp,
    /// What was found last.
    pub found: String,
    /// What to do.
    pub remedy: String,
}

/// When something is told again, and when it is over.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// What lasts is told again after so long.
    pub reminder: Duration,
    /// What is gone for so long is over: what comes and goes is told once.
    pub settle: Duration,
}

#[derive(Debug)]
struct Standing {
    condition: Condition,
    since: Timestamp,
    seen: Timestamp,
    told: Option<Timestamp>,
}

/// The memory of one channel.
#[derive(Debug)]
pub struct Desk {
    times: Times,
    standing: BTreeMap<(Kind, String), Standing>,
}

impl Desk {
    /// Nothing was told yet.
    pub fn new(times: Times) -> Self {
        Self { times, standing: BTreeMap::new() }
    }

    /// What is to be told at `now`, where this is found. It stays news until it is [`told`](Self::told).
    pub fn news(&mut self, found: Vec<Condition>, now: Timestamp) -> Vec<Bulletin> {
        for condition in found {
            self.note(condition, now);
        }
        let times = self.times;
        let due = self.standing.values().filter_map(|standing| Some(standing.bulletin(standing.state(&times, now)?)));
        due.collect()
    }

    fn note(&mut self, mut condition: Condition, now: Timestamp) {
        let full = self.standing.len() >= ALERTS_STANDING_MAX;
        let mut key = (condition.kind, condition.about.clone());
        if full && !self.standing.contains_key(&key) {
            "others".clone_into(&mut condition.about);
            key.1.clone_from(&condition.about);
        }
        match self.standing.get_mut(&key) {
            Some(standing) => {
                standing.condition = condition;
                standing.seen = now;
            }
            None => {
                self.standing.insert(key, Standing { condition, since: now, seen: now, told: None });
            }
        }
    }

    /// All of it has arrived.
    pub fn told(&mut self, bulletins: &[Bulletin], now: Timestamp) {
        for bulletin in bulletins {
            let key = (bulletin.kind, bulletin.about.clone());
            if bulletin.state == State::Ended {
                self.standing.remove(&key);
            } else if let Some(standing) = self.standing.get_mut(&key) {
                standing.told = Some(now);
            }
        }
    }
}

impl Standing {
    /// What of it is news.
    fn state(&self, times: &Times, now: Timestamp) -> Option<State> {
        let passed = |since: Timestamp, wanted: Duration| {
            Duration::try_from(now.duration_since(since)).is_ok_and(|passed| passed >= wanted)
        };
        match self.told {
            // It came and went while nothing could be told: it is told once, as it ended.
            _ if self.seen != now && passed(self.seen, times.settle) => Some(State::Ended),
            None => Some(State::Begins),
            Some(told) if self.seen == now && passed(told, times.reminder) => Some(State::Lasts),
            Some(_) => None,
        }
    }

    fn bulletin(&self, state: State) -> Bulletin {
        let Condition { kind, about, found, remedy } = self.condition.clone();
        Bulletin { kind, about, state, since: self.since, found, remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { reminder: Duration::from_secs(3600), settle: Duration::from_secs(60) };

    fn down(about: &str) -> Condition {
        Condition { kind: Kind::PartnerDown, about: about.to_owned(), found: "x".to_owned(), remedy: "y".to_owned() }
    }

    /// Looks at second `at`; what is news has been told where `arrives`.
    fn look(desk: &mut Desk, at: i64, found: &[Condition], arrives: bool) -> Vec<State> {
        let now = Timestamp::from_second(1_800_000_000 + at).unwrap();
        let news = desk.news(found.to_vec(), now);
        if arrives {
            desk.told(&news, now);
        }
        news.iter().map(|bulletin| bulletin.state).collect()
    }

    #[test]
    fn it_is_told_when_it_begins_now_and_then_while_it_lasts_and_when_it_is_over() {
        let (mut desk, down) = (Desk::new(TIMES), [down("AP0002")]);
        assert_eq!(look(&mut desk, 0, &down, true), [State::Begins]);
        for at in (5..3600).step_by(5) {
            assert_eq!(look(&mut desk, at, &down, true), [], "at {at}");
        }
        assert_eq!(look(&mut desk, 3600, &down, true), [State::Lasts]);
        // It comes and goes, which is no news.
        assert_eq!(look(&mut desk, 3605, &[], true), []);
        assert_eq!(look(&mut desk, 3650, &down, true), []);
        assert_eq!(look(&mut desk, 3700, &[], true), []);
        assert_eq!(look(&mut desk, 3710, &[], true), [State::Ended]);
        assert_eq!(look(&mut desk, 3800, &[], true), []);
        assert_eq!(look(&mut desk, 3900, &down, true), [State::Begins]);
    }

    #[test]
    fn what_did_not_arrive_stays_news_and_what_passed_meanwhile_is_told_once() {
        let (mut desk, down) = (Desk::new(TIMES), [down("AP0002")]);
        assert_eq!(look(&mut desk, 0, &down, false), [State::Begins]);
        assert_eq!(look(&mut desk, 5, &down, false), [State::Begins]);
        assert_eq!(look(&mut desk, 65, &[], false), [State::Ended]);
        assert_eq!(look(&mut desk, 70, &[], true), [State::Ended]);
        assert_eq!(look(&mut desk, 75, &[], true), []);
    }

    #[test]
    fn what_stands_is_bounded_and_the_rest_is_one() {
        let mut desk = Desk::new(TIMES);
        let many: Vec<Condition> = (0..ALERTS_STANDING_MAX + 50).map(|n| down(&format!("AP{n}"))).collect();
        assert_eq!(look(&mut desk, 0, &many, true).len(), ALERTS_STANDING_MAX + 1);
        assert_eq!(look(&mut desk, 5, &many, true), []);
    }
}
