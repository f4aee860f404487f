//! A refusal or failure as people and programs see it: which rule, what was found, what was
//! expected, what to do (RFC 9457, with the members of the command line's contract).

use super::text::visible;
use serde::{Deserialize, Serialize};

/// What every kind begins with.
const URN: &str = "urn:sluss:problem:";

/// Whose turn it is; decides exit status and HTTP status.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Refused: the content, the peer or the addressee is at fault. Exit status 1.
    Refused,
    /// Wrong usage or configuration. Exit status 2.
    Usage,
    /// May pass: unreachable, timed out, busy, disk full. Exit status 3.
    Temporary,
}

/// One problem. Never holds message content, keys or passwords.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Problem {
    /// Stable URN, `urn:sluss:problem:…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in a few words, the same for every occurrence.
    pub title: String,
    /// What was found, what was expected, what to do.
    pub detail: String,
    /// The specification's rule, where one applies.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// The ebMS error code, for AS4.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// `failure` or `warning`, for AS4.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub severity: Option<String>,
    /// Whose turn it is.
    pub fault: Fault,
    /// Whether it is one that may pass, and its message was given up all the same: nothing is tried again by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub given_up: bool,
}

/// The cause of what an operator ended, or was given up and dealt with by an operator.
pub const CANCELLED: &str = "cancelled";

/// The cause of what ended because its message receipt did not come: its recipient has it, so it is not sent again.
pub const RECEIPT_MISSING: &str = "message-receipt-missing";

/// The cause of what was received and ended because its message receipt was given up.
pub const RECEIPT_NOT_SENT: &str = "message-receipt-not-sent";

/// How a detail begins to say that nobody has to do anything yet. What to do if it lasts may follow.
pub const TRIED_AGAIN: &str = "it is tried again by itself";

/// What helps against a fault that may have passed, when its message was given up.
const SENT_AGAIN: &str = "it was given up, and is sent again by `sluss queue retry` when the other side answers (`sluss ping`, `sluss lookup`)";

impl Problem {
    /// A problem of kind `urn:sluss:problem:{kind}`.
    pub fn new(fault: Fault, kind: &str, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{URN}{kind}"),
            title: visible(title.into(), false),
            detail: visible(detail.into(), true),
            rule: None,
            code: None,
            severity: None,
            fault,
            given_up: false,
        }
    }

    /// The kind without what all kinds begin with, as metrics and lists name it.
    pub fn cause(&self) -> &str {
        self.kind.strip_prefix(URN).unwrap_or(&self.kind)
    }

    /// As it is when its message is given up because of it: it no longer says that the message is tried again.
    #[must_use]
    pub fn given_up(self) -> Self {
        self.ended(SENT_AGAIN)
    }

    /// As [`Self::given_up`], with other words for what is to be done.
    #[must_use]
    pub fn ended(mut self, told: &str) -> Self {
        if self.fault == Fault::Temporary && !self.given_up {
            let found = self.detail.split_once(TRIED_AGAIN).map_or(self.detail.as_str(), |(found, _)| found);
            self.detail = format!("{}; {told}", found.trim_end_matches([' ', ';']));
            self.given_up = true;
        }
        self
    }

    /// Names the rule.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Names the ebMS error, severity failure.
    #[must_use]
    pub fn ebms(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self.severity = Some("failure".into());
        self
    }

    /// The exit status of the command line.
    pub fn exit_status(&self) -> u8 {
        match self.fault {
            Fault::Refused => 1,
            Fault::Usage => 2,
            Fault::Temporary => 3,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)?;
        if let Some(rule) = &self.rule {
            write!(f, " (rule {rule})")?;
        }
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::{Fault, Problem, TRIED_AGAIN};

    #[test]
    fn what_is_given_up_is_not_said_to_be_tried_again_and_says_what_helps() {
        let passing = |detail: &str| Problem::new(Fault::Temporary, "x", "x", detail);
        let down = passing(&format!("nobody answers; {TRIED_AGAIN}: ask the operator if it lasts")).given_up();
        assert!(down.given_up && down.detail.starts_with("nobody answers; it was given up"), "{down}");
        assert!(down.detail.contains("sluss queue retry") && !down.detail.contains("by itself"), "{down}");
        assert_eq!(down.clone().given_up(), down, "once is enough");
        let other = passing("found no receipt; the peer must give one").given_up();
        assert!(other.detail.starts_with("found no receipt; the peer must give one; it was given up"), "{other}");
        let refused = Problem::new(Fault::Refused, "x", "x", "found x; ask");
        assert_eq!(refused.clone().given_up(), refused, "its remedy is that of a message that has ended");
    }
}
