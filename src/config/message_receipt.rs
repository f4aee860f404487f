//! How long a message receipt is awaited.

use super::mistake;
use crate::model::Problem;
use serde::Deserialize;
use std::time::Duration;

/// How long the message receipt is awaited of a message that the receiving access point has (API-ST.t04).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageReceipt {
    /// Hours since the AS4 receipt, while the daemon runs; then the message is a dead letter. Default 168, seven days.
    pub wait_hours: u32,
}

impl Default for MessageReceipt {
    fn default() -> Self {
        Self { wait_hours: 168 }
    }
}

impl MessageReceipt {
    /// A year.
    const WAIT_HOURS_MOST: u32 = 366 * 24;

    pub(super) fn check(self, found: &mut Vec<Problem>) {
        if !(1..=Self::WAIT_HOURS_MOST).contains(&self.wait_hours) {
            let remedy = format!("use 1 to {}, a year", Self::WAIT_HOURS_MOST);
            found.push(mistake("message_receipt.wait_hours", self.wait_hours, &remedy));
        }
    }

    /// How long.
    pub fn wait(self) -> Duration {
        Duration::from_secs(u64::from(self.wait_hours) * 60 * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_receipt_is_awaited_for_seven_days_unless_something_else_that_makes_sense_is_said() {
        let mistakes = |text: &str| {
            let (receipt, mut found): (MessageReceipt, _) = (toml::from_str(text).unwrap(), Vec::new());
            receipt.check(&mut found);
            (receipt.wait().as_secs(), found.into_iter().map(|problem| problem.detail).collect::<Vec<_>>())
        };
        assert_eq!(mistakes(""), (7 * 24 * 60 * 60, Vec::new()));
        assert_eq!(mistakes("wait_hours = 1"), (60 * 60, Vec::new()));
        for wrong in ["wait_hours = 0", "wait_hours = 8785"] {
            assert!(mistakes(wrong).1[0].contains(&format!("message_receipt.{wrong}")), "{wrong}");
        }
        assert!(toml::from_str::<MessageReceipt>("wait_days = 7").is_err());
    }
}
