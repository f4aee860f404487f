//! When a hand-over that failed is tried again, and when it is given up: one pure function.

use super::Breaker;
use crate::limits::{OWN_FAULT_LIFE, RETRY_PAUSE_LEAST};
use crate::model::{MessageId, Obstacle, Timestamp};
use std::time::Duration;

/// When attempts are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// In which rhythm.
    pub pace: Pace,
    /// How long a message is tried.
    pub give_up_after: Duration,
}

/// The rhythm of attempts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// So many attempts after the first, evenly over the whole time (protocol.md 1.11). A message keeps to its own beat, up to a
    /// quarter of an interval early, so that many that wait do not come at once.
    Constant {
        /// Attempts after the first.
        retries: u32,
    },
    /// A random part of a pause that doubles from the first to the longest ("full jitter").
    Exponential {
        /// The pause after the first failure, at most.
        first: Duration,
        /// The longest pause.
        longest: Duration,
    },
}

/// When to try again, and when to leave somebody alone.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With a partner that has no policy of its own (AP-3.2.5.a).
    pub partners: Retry,
    /// With DNS and SMP that cannot be reached (AP-3.2.3), and, in the same rhythm, with what has come in and cannot be opened for
    /// want of them.
    pub smp: Retry,
    /// How long a message receipt is awaited (API-ST.t04).
    pub message_receipt: Duration,
    /// With whoever fails again and again.
    pub breaker: Breaker,
}

impl Patience {
    /// When a message is tried again that was kept back by this, where its partner may have a policy of its `own`.
    pub(super) fn of(&self, own: Option<Retry>, obstacle: Option<Obstacle>) -> Retry {
        match obstacle {
            Some(Obstacle::Lookup) => self.smp,
            Some(Obstacle::Own) => Retry::OWN,
            Some(Obstacle::Partner) | None => own.unwrap_or(self.partners),
        }
    }
}

/// A message whose attempt has just failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Which.
    pub id: MessageId,
    /// Attempts made.
    pub attempts: u32,
    /// Since when it is tried, as far as what it failed at is concerned.
    pub since: Timestamp,
    /// Not before this: what the partner asked for.
    pub not_before: Option<Timestamp>,
    /// Whatever it failed at, when, it ends then.
    pub no_later_than: Timestamp,
}

impl Retry {
    /// The P-Mode that Digg publishes, `12;4;CONSTANT`: twelve minutes, four retries, one about every three minutes.
    pub const DIGG: Self = Self { pace: Pace::Constant { retries: 4 }, give_up_after: Duration::from_secs(12 * 60) };

    /// After a fault of our own: by growing pauses, until somebody must have seen it.
    pub const OWN: Self = Self {
        pace: Pace::Exponential { first: Duration::from_secs(2), longest: Duration::from_secs(600) },
        give_up_after: OWN_FAULT_LIFE,
    };

    /// When a message that is tried since then is given up.
    pub fn end(&self, since: Timestamp) -> Timestamp {
        after(since, self.give_up_after)
    }

    /// When the next attempt is made; `None`: given up. Never before now, never after the end of the message's time; what
    /// the partner asks for beyond that becomes one last attempt at the end.
    pub fn next(&self, failed: Failed, now: Timestamp) -> Option<Timestamp> {
        let end = self.end(failed.since.min(now)).min(failed.no_later_than);
        if end <= now {
            return None;
        }
        let next = match self.pace {
            Pace::Constant { retries } => self.beat(failed, retries, now)?,
            Pace::Exponential { first, longest } => after(now, grown((first, longest), failed.id, failed.attempts)),
        };
        Some(next.max(failed.not_before.unwrap_or(next)).min(end))
    }

    /// When the next attempt is made of what is never given up: in the same rhythm for as long as it takes.
    pub fn again(&self, id: MessageId, attempts: u32, now: Timestamp) -> Timestamp {
        after(
            now,
            match self.pace {
                Pace::Constant { retries } => {
                    let interval = self.give_up_after / retries.max(1);
                    interval - part(interval / 4, seed(id) ^ u64::from(attempts))
                }
                Pace::Exponential { first, longest } => grown((first, longest), id, attempts),
            },
        )
    }

    /// The next beat of a message that is not almost here; the last one in any case.
    fn beat(&self, failed: Failed, retries: u32, now: Timestamp) -> Option<Timestamp> {
        let interval = self.give_up_after.checked_div(retries)?;
        let early = part(interval / 4, seed(failed.id));
        let first = failed.since.min(now);
        let elapsed = Duration::try_from(now.duration_since(first)).unwrap_or_default();
        let beat = |number: u32| after(first, interval.saturating_mul(number).saturating_sub(early));
        let passed = u32::try_from((elapsed + early + interval / 4).as_millis() / interval.as_millis().max(1));
        let number = passed.unwrap_or(u32::MAX).saturating_add(1).min(retries);
        Some(beat(number)).filter(|next| *next > now)
    }
}

/// A random part of the pause after so many attempts, which doubles from the first to the longest.
fn grown((first, longest): (Duration, Duration), id: MessageId, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let most = first.saturating_mul(1 << doublings).min(longest);
    part(most, seed(id) ^ u64::from(attempts)).max(RETRY_PAUSE_LEAST.min(first))
}

/// A moment after another.
pub(super) fn after(at: Timestamp, pause: Duration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// A part of `whole` that looks random and is the same for the same seed.
pub(super) fn part(whole: Duration, seed: u64) -> Duration {
    // SplitMix64.
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let thousandths = u32::try_from((mixed ^ (mixed >> 31)) % 1000).unwrap_or_default();
    whole.saturating_mul(thousandths) / 1000
}

fn seed(id: MessageId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    high ^ low
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const EXPONENTIAL: Retry = Retry {
        pace: Pace::Exponential { first: Duration::from_secs(2), longest: Duration::from_secs(180) },
        give_up_after: Duration::from_secs(86_400),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn second(at: Timestamp) -> i64 {
        at.as_second() - 1_800_000_000
    }

    /// The seconds at which a message is attempted when each attempt fails after `took` seconds.
    fn attempts(retry: &Retry, id: MessageId, took: i64) -> Vec<i64> {
        let mut made = vec![0];
        loop {
            let attempts = u32::try_from(made.len()).unwrap();
            let now = at(made.last().unwrap() + took);
            match retry
                .next(Failed { id, attempts, since: at(0), not_before: None, no_later_than: Timestamp::MAX }, now)
            {
                Some(next) => made.push(second(next)),
                None => return made,
            }
            assert!(made.len() < 100_000);
        }
    }

    #[test]
    fn the_published_p_mode_is_five_attempts_about_three_minutes_apart_within_twelve() {
        for _ in 0..200 {
            let made = attempts(&Retry::DIGG, MessageId::now(), 1);
            assert_eq!(made.len(), 5, "{made:?}");
            assert!((134..=180).contains(&made[1]), "{made:?}");
            assert!(made.windows(2).skip(1).all(|two| (178..=182).contains(&(two[1] - two[0]))), "{made:?}");
            assert!(*made.last().unwrap() <= 720, "{made:?}");
            let slow = attempts(&Retry::DIGG, MessageId::now(), 65);
            assert!((4..=5).contains(&slow.len()) && *slow.last().unwrap() > 600, "{slow:?}");
        }
        let once = Retry { pace: Pace::Constant { retries: 0 }, ..Retry::DIGG };
        assert_eq!(attempts(&once, MessageId::now(), 1), [0]);
    }

    /// Always the same ones: by chance a thousand others may stand closer together.
    fn id(n: u128) -> MessageId {
        MessageId(uuid::Uuid::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
    }

    #[test]
    fn growing_pauses_stay_below_their_bound_and_end_with_the_message() {
        let made = attempts(&EXPONENTIAL, id(1), 1);
        assert!(made.windows(2).all(|two| (2..=181).contains(&(two[1] - two[0]))), "{made:?}");
        assert!(made[1] <= 3 && made[2] - made[1] <= 5, "{made:?}");
        // The last one takes a second as well.
        assert!((86_399..=86_400).contains(made.last().unwrap()), "{made:?}");
    }

    #[test]
    fn no_attempt_is_before_now_or_after_the_end_whatever_the_clocks_say() {
        for retry in [Retry::DIGG, EXPONENTIAL] {
            for since in [-10_000_000, -100_000, -721, -720, -719, -1, 0, 1, 500, 100_000] {
                for attempts in [0, 1, 2, 40, u32::MAX] {
                    for not_before in [None, Some(at(-50)), Some(at(30)), Some(at(9_000_000))] {
                        let tried = Failed {
                            id: MessageId::now(),
                            attempts,
                            since: at(since),
                            not_before,
                            no_later_than: Timestamp::MAX,
                        };
                        let Some(next) = retry.next(tried, at(0)) else {
                            // Given up only where its time is over, or its last beat.
                            assert!(since < -500, "{since}");
                            continue;
                        };
                        assert!(next > at(0) && next <= retry.end(at(since.min(0))), "{tried:?} {next}");
                        assert!(
                            next >= not_before.unwrap_or(next).min(retry.end(at(since.min(0)))),
                            "{tried:?} {next}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_thousand_messages_that_failed_together_do_not_come_back_together() {
        for (retry, tries, spread) in [(Retry::DIGG, 1, 45), (EXPONENTIAL, 9, 178)] {
            let mut seconds = BTreeMap::<i64, u32>::new();
            for n in 0..1000 {
                let tried = Failed {
                    id: id(n),
                    attempts: tries,
                    since: at(0),
                    not_before: None,
                    no_later_than: Timestamp::MAX,
                };
                *seconds.entry(second(retry.next(tried, at(0)).unwrap())).or_default() += 1;
            }
            let most = seconds.values().max().unwrap();
            assert!(seconds.len() * 10 >= spread * 9 && *most * u32::try_from(spread).unwrap() < 4000, "{seconds:?}");
        }
    }

    #[test]
    fn an_unreachable_smp_and_a_single_partner_have_a_patience_of_their_own() {
        use crate::access_point::SendError;
        use crate::model::{Fault, Problem};
        use crate::{discovery::DiscoveryError, net::NetError};
        let hour = Duration::from_secs(3600);
        let of = |hours| Retry { pace: Pace::Constant { retries: 2 }, give_up_after: hours * hour };
        let breaker = Breaker { failures: 3, first_pause: hour, longest_pause: hour };
        let patience = Patience { partners: of(1), smp: of(2), message_receipt: hour, breaker };
        let smp = SendError::Discovery(DiscoveryError::unreachable("x", "y"));
        let down = SendError::Net(NetError::Connect { host: "x".into(), reason: String::new() });
        let full = SendError::Own(Problem::new(Fault::Temporary, "disk-full", "x", "y"));
        for (own, failure, expected) in [
            (None, &down, of(1)),
            (Some(of(3)), &down, of(3)),
            (Some(of(3)), &smp, of(2)),
            (Some(of(3)), &full, Retry::OWN),
        ] {
            assert_eq!(patience.of(own, Some(failure.obstacle())), expected, "{own:?} {failure}");
        }
    }

    #[test]
    fn no_message_is_tried_for_ever_whatever_it_fails_at() {
        let failed =
            Failed { id: MessageId::now(), attempts: 9, since: at(0), not_before: None, no_later_than: at(50) };
        assert_eq!(Retry::DIGG.next(failed, at(1)), Some(at(50)));
        assert_eq!(Retry::DIGG.next(failed, at(50)), None);
    }

    #[test]
    fn what_a_partner_asks_for_is_the_earliest_next_attempt() {
        let tried = Failed {
            id: MessageId::now(),
            attempts: 1,
            since: at(0),
            not_before: Some(at(400)),
            no_later_than: Timestamp::MAX,
        };
        assert_eq!(Retry::DIGG.next(tried, at(1)), Some(at(400)));
        let beyond = Failed { not_before: Some(at(4000)), ..tried };
        assert_eq!(Retry::DIGG.next(beyond, at(1)), Some(at(720)));
        assert_eq!(Retry::DIGG.next(beyond, at(720)), None);
    }
}
