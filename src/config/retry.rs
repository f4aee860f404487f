//! `[retry]`, `[smp_retry]`, `[partner.retry]` and `[breaker]`: when a hand-over that failed is tried again.

use super::mistake;
use crate::limits;
use crate::model::Problem;
use serde::Deserialize;

/// The rhythm of attempts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A number of attempts, evenly over the whole time.
    #[default]
    Constant,
    /// A random part of a pause that doubles from the first to the longest.
    Exponential,
}

/// When a failed hand-over is tried again, and when it is given up. Without any key the P-Mode that Digg publishes:
/// `12;4;CONSTANT`, twelve minutes, four retries.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// `constant` (default) or `exponential`.
    pub strategy: Strategy,
    /// `constant`: attempts after the first. Default 4; 0: it is sent once.
    pub retries: Option<u32>,
    /// `exponential`: pause after the first failure, at most, in seconds. Default 2.
    pub first_pause_seconds: Option<u64>,
    /// `exponential`: longest pause, in seconds. Default 180.
    pub longest_pause_seconds: Option<u64>,
    /// How long a message is tried before it is given up, in seconds. Default 720 (`constant`) or 86400 (`exponential`).
    pub give_up_after_seconds: Option<u64>,
}

impl Retry {
    /// Where the SMP is unreachable (AP-3.2.3), by default: growing pauses, for a day.
    pub fn of_smp() -> Self {
        Self { strategy: Strategy::Exponential, ..Self::default() }
    }

    /// Attempts after the first.
    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(4)
    }

    /// Pause after the first failure, in seconds.
    pub fn first_pause_seconds(&self) -> u64 {
        self.first_pause_seconds.unwrap_or(2)
    }

    /// Longest pause, in seconds.
    pub fn longest_pause_seconds(&self) -> u64 {
        self.longest_pause_seconds.unwrap_or(180)
    }

    /// How long a message is tried, in seconds.
    pub fn give_up_after_seconds(&self) -> u64 {
        self.give_up_after_seconds.unwrap_or(if self.strategy == Strategy::Constant { 720 } else { 86_400 })
    }

    /// What types alone cannot say.
    pub(super) fn check(&self, key: &str, found: &mut Vec<Problem>) {
        let longest_life = limits::RETRY_LIFE_MAX.as_secs();
        let life = self.give_up_after_seconds();
        let mut wrong = |name: &str, value: String, remedy: &str| {
            found.push(mistake(&format!("{key}.{name}"), value, remedy));
        };
        if !(1..=longest_life).contains(&life) {
            let remedy = format!("use 1 to {longest_life}, thirty days: partners take nothing older");
            wrong("give_up_after_seconds", life.to_string(), &remedy);
        }
        match self.strategy {
            Strategy::Constant => {
                let pauses = [
                    ("first_pause_seconds", self.first_pause_seconds),
                    ("longest_pause_seconds", self.longest_pause_seconds),
                ];
                for (name, value) in pauses {
                    if let Some(value) = value {
                        wrong(
                            name,
                            value.to_string(),
                            "constant attempts have no such pause; remove it, or write strategy = \"exponential\"",
                        );
                    }
                }
                if u64::from(self.retries()) > life {
                    wrong(
                        "retries",
                        self.retries().to_string(),
                        &format!("that is more than one a second in {life} s; use fewer"),
                    );
                }
            }
            Strategy::Exponential => {
                let (first, longest) = (self.first_pause_seconds(), self.longest_pause_seconds());
                if let Some(retries) = self.retries {
                    wrong(
                        "retries",
                        retries.to_string(),
                        "growing pauses end with give_up_after_seconds; remove it, or write strategy = \"constant\"",
                    );
                }
                if first == 0 || longest < first {
                    let values = format!("{first} and longest_pause_seconds {longest}");
                    wrong(
                        "first_pause_seconds",
                        values,
                        "the first pause is at least 1 and not longer than the longest",
                    );
                }
                if life < first {
                    wrong(
                        "give_up_after_seconds",
                        life.to_string(),
                        &format!("nothing would be tried again: the first pause has {first} s"),
                    );
                }
            }
        }
    }
}

/// A partner that fails again and again is left alone for a while, then asked by one message.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failed attempts, one after the other, until it is left alone. Default 3.
    pub failures: u32,
    /// For how long at first, in seconds; doubles each time. Default 10.
    pub first_pause_seconds: u64,
    /// For how long at most, in seconds. Default 120.
    pub longest_pause_seconds: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: limits::LANE_FAILURES_SUSPECT, first_pause_seconds: 10, longest_pause_seconds: 120 }
    }
}

impl Breaker {
    /// What types alone cannot say.
    pub(super) fn check(&self, life_seconds: u64, found: &mut Vec<Problem>) {
        if self.failures == 0 {
            found.push(mistake("breaker.failures", 0, "nobody would be sent anything; use 1 or more"));
        }
        let (first, longest) = (self.first_pause_seconds, self.longest_pause_seconds);
        if first == 0 || longest < first || longest > life_seconds {
            found.push(mistake(
                "breaker.first_pause_seconds",
                format!("{first} and longest_pause_seconds {longest}"),
                &format!("the first is at least 1, the longest not shorter, and not longer than a message is tried ({life_seconds} s)"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let retry: Retry = toml::from_str(text).unwrap();
        retry.check("retry", &mut found);
        found.into_iter().map(|problem| problem.detail).collect()
    }

    #[test]
    fn without_any_key_it_is_the_p_mode_that_is_published() {
        let retry: Retry = toml::from_str("").unwrap();
        assert_eq!((retry.strategy, retry.retries(), retry.give_up_after_seconds()), (Strategy::Constant, 4, 720));
        assert!(toml::from_str::<Retry>("pause_seconds = 1").is_err());
    }

    #[test]
    fn an_unreachable_smp_has_a_policy_of_its_own() {
        let smp = Retry::of_smp();
        assert_eq!((smp.strategy, smp.give_up_after_seconds()), (Strategy::Exponential, 86_400));
        let shown = include_str!("../cli/sluss.toml");
        let table: toml::Table = toml::from_str(&shown.replace("[@ROLES@]", "[]")).unwrap();
        for (key, default) in [("retry", Retry::default()), ("smp_retry", smp)] {
            let shown: Retry = table[key].clone().try_into().unwrap();
            let values = |retry: Retry| {
                let growing = (retry.first_pause_seconds(), retry.longest_pause_seconds());
                (retry.strategy, retry.retries(), growing, retry.give_up_after_seconds())
            };
            assert_eq!(
                values(shown),
                values(default),
                "the configuration that is made shows what holds without it: {key}"
            );
            let mut found = Vec::new();
            shown.check(key, &mut found);
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn values_without_sense_are_named_with_their_remedy() {
        for (text, key) in [
            ("retries = 800", "retry.retries = 800"),
            ("first_pause_seconds = 1", "retry.first_pause_seconds = 1: constant"),
            ("give_up_after_seconds = 0\nretries = 0", "retry.give_up_after_seconds = 0"),
            ("give_up_after_seconds = 9999999", "retry.give_up_after_seconds = 9999999"),
            ("strategy = \"exponential\"\nretries = 4", "retry.retries = 4"),
            ("strategy = \"exponential\"\nfirst_pause_seconds = 0", "retry.first_pause_seconds = 0"),
            ("strategy = \"exponential\"\nfirst_pause_seconds = 200", "retry.first_pause_seconds = 200"),
            (
                "strategy = \"exponential\"\nfirst_pause_seconds = 100\ngive_up_after_seconds = 60",
                "retry.give_up_after_seconds = 60: nothing would",
            ),
        ] {
            let found = mistakes(text);
            assert!(found.len() == 1 && found[0].contains(key), "{text}: {found:?}");
        }
        for text in ["", "retries = 0", "strategy = \"exponential\"", "retries = 1\ngive_up_after_seconds = 1"] {
            assert!(mistakes(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_breaker_pauses_no_longer_than_a_message_is_tried() {
        let check = |breaker: Breaker, life| {
            let mut found = Vec::new();
            breaker.check(life, &mut found);
            found.len()
        };
        assert_eq!(check(Breaker::default(), 720), 0);
        assert_eq!(check(Breaker::default(), 100), 1);
        assert_eq!(check(Breaker { failures: 0, ..Breaker::default() }, 720), 1);
        assert_eq!(check(Breaker { first_pause_seconds: 300, ..Breaker::default() }, 720), 1);
    }
}
