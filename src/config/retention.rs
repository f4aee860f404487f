//! How long what is kept.

use super::mistake;
use crate::limits::ANSWER_KEPT;
use crate::model::{Problem, Timestamp};
use crate::store;
use serde::Deserialize;
use std::time::Duration;

/// How long what is kept, in days since a message was accepted or received. What has not ended is kept until it has.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Sealed envelopes and opened documents of messages that have ended. Default: for ever.
    pub contents_days: Option<u32>,
    /// What the lists say of messages that have ended; their contents go with them. Default: for ever.
    pub messages_days: Option<u32>,
    /// The event log, with the receipts and certificates that prove it. Default 366 (ISEC-8.2.t03: at least 12 months).
    pub log_days: u32,
    /// At least so long it is known that an AS4 message was received or an envelope handed in, so that the same again is not delivered
    /// again. It is looked at when the part of the log goes in which it stands, which is written anew then: so it may be known longer,
    /// by `log_days` and what one segment of the journal takes. Not forgotten before its message. Default: for ever.
    pub duplicates_days: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { contents_days: None, messages_days: None, log_days: 366, duplicates_days: None }
    }
}

impl Retention {
    /// Fewer days of the event log than what is recommended.
    pub const LOG_DAYS_RECOMMENDED: u32 = 365;

    /// Fewer are refused: the AS4 receipts of the log are given again to who repeats a message (reception awareness).
    pub const LOG_DAYS_LEAST: u32 = (ANSWER_KEPT.as_secs() / (24 * 60 * 60)) as u32 + 1;

    /// `longest_try`: how long the most patient policy tries a message.
    pub(super) fn check(&self, longest_try: Duration, found: &mut Vec<Problem>) {
        let days = [("retention.contents_days", self.contents_days), ("retention.messages_days", self.messages_days)];
        for (key, days) in days.into_iter().filter(|(_, days)| *days == Some(0)) {
            found.push(mistake(key, days.unwrap_or(0), "everything would go at once; give at least 1 day"));
        }
        let least = longest_try.as_secs() / (24 * 60 * 60) + 1;
        if let Some(days) = self.messages_days.filter(|days| *days > 0 && u64::from(*days) < least) {
            let tried = longest_try.as_secs();
            let remedy =
                format!("a message may be tried for {tried} s (give_up_after_seconds); give at least {least} days");
            found.push(mistake("retention.messages_days", days, &remedy));
        }
        if self.log_days < Self::LOG_DAYS_LEAST {
            let least = Self::LOG_DAYS_LEAST;
            let remedy = format!("it holds the AS4 receipts that peers may ask for again; give at least {least} days");
            found.push(mistake("retention.log_days", self.log_days, &remedy));
        }
        if let (Some(contents), Some(messages)) = (self.contents_days, self.messages_days)
            && contents > messages
        {
            let remedy = format!("contents go with their message; use at most retention.messages_days, {messages}");
            found.push(mistake("retention.contents_days", contents, &remedy));
        }
        if let Some(days) = self.duplicates_days
            && let Some(remedy) = self.duplicates_forgotten(days)
        {
            found.push(mistake("retention.duplicates_days", days, &remedy));
        }
    }

    /// What is wrong with forgetting duplicates after so many days: what is kept longer knows them anyhow. So they outlive every policy
    /// that may try a message again, which `messages_days` does, and the time in which a peer may repeat one, which `log_days` does.
    fn duplicates_forgotten(&self, days: u32) -> Option<String> {
        let log = self.log_days.max(Self::LOG_DAYS_LEAST);
        match self.messages_days {
            None => Some("messages are kept for ever, and known as long; give retention.messages_days, too".to_owned()),
            Some(messages) if days < messages.max(log) => Some(format!(
                "messages are kept for {messages} days and the log, which they go with, for {log}; give at least {} days",
                messages.max(log)
            )),
            Some(_) => None,
        }
    }

    /// What may go at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> store::Retention {
        let before = |days: u32| {
            let kept = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
            now.checked_sub(kept).unwrap_or(Timestamp::MIN)
        };
        store::Retention {
            contents_before: self.contents_days.map(before),
            messages_before: self.messages_days.map(before),
            log_before: Some(before(self.log_days)),
            duplicates_before: self.duplicates_days.map(before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let retention: Retention = toml::from_str(text).unwrap();
        let mut found = Vec::new();
        retention.check(Duration::from_secs(10 * 24 * 60 * 60 - 1), &mut found);
        found.into_iter().map(|problem| problem.detail).collect()
    }

    #[test]
    fn a_log_is_kept_for_twelve_months_and_contents_for_ever_unless_something_else_is_said() {
        let now = Timestamp::from_second(1_000 * 24 * 60 * 60).unwrap();
        let retention: Retention = toml::from_str("").unwrap();
        let expected = store::Retention {
            log_before: Timestamp::from_second((1_000 - 366) * 24 * 60 * 60).ok(),
            ..store::Retention::default()
        };
        assert_eq!((retention.at(now), mistakes("").len()), (expected, 0));
        let retention: Retention = toml::from_str("duplicates_days = 400").unwrap();
        assert_eq!(retention.at(now).duplicates_before, Timestamp::from_second(600 * 24 * 60 * 60).ok());
        let retention: Retention = toml::from_str("contents_days = 30\nmessages_days = 4294967295").unwrap();
        assert_eq!(retention.at(now).contents_before, Timestamp::from_second(970 * 24 * 60 * 60).ok());
        assert_eq!(retention.at(now).messages_before, Some(Timestamp::MIN), "beyond all time is for ever");
    }

    #[test]
    fn days_that_make_no_sense_are_mistakes_and_unknown_keys_errors() {
        assert!(mistakes("log_days = 35")[0].contains("at least 36 days"));
        assert_eq!(mistakes("log_days = 36").len(), 0);
        assert!(mistakes("messages_days = 9")[0].contains("at least 10 days"));
        assert_eq!(mistakes("contents_days = 10\nmessages_days = 10").len(), 0);
        assert!(mistakes("contents_days = 0")[0].contains("retention.contents_days = 0"));
        assert!(mistakes("contents_days = 100\nmessages_days = 50")[0].contains("at most retention.messages_days, 50"));
        assert!(toml::from_str::<Retention>("log_months = 12").is_err());
    }

    #[test]
    fn duplicates_are_known_at_least_as_long_as_anything_else_tells_of_them() {
        assert!(mistakes("duplicates_days = 4000")[0].contains("messages are kept for ever"));
        assert!(mistakes("messages_days = 30\nduplicates_days = 365")[0].contains("at least 366 days"));
        assert!(mistakes("messages_days = 500\nduplicates_days = 499")[0].contains("at least 500 days"));
        assert_eq!(mistakes("messages_days = 500\nduplicates_days = 500").len(), 0);
        assert_eq!(mistakes("messages_days = 10\nlog_days = 36\nduplicates_days = 36").len(), 0);
        assert!(mistakes("messages_days = 9\nlog_days = 36\nduplicates_days = 36")[0].contains("at least 10 days"));
    }
}
