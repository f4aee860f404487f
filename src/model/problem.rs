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
}

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
        }
    }

    /// The kind without what all kinds begin with, as metrics and lists name it.
    pub fn cause(&self) -> &str {
        self.kind.strip_prefix(URN).unwrap_or(&self.kind)
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
