//! What a check of a document found.

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is accepted; its author should know.
    Warning,
}

/// One finding: which rule, where, what was found, what was expected. Never holds the content of a message.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Finding {
    /// The specification's rule, as `R11` or `MSG-SCH-4`.
    pub rule: String,
    /// Whether it refuses the document.
    pub severity: Severity,
    /// Where, as a path of local names.
    pub path: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Finding {
    /// A finding that refuses the document.
    pub fn error(rule: &str, path: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            severity: Severity::Error,
            path: path.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// A finding that does not.
    pub fn warning(rule: &str, path: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, path, found, expected) }
    }

    /// Whether it refuses the document.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: found {}, expected {}", self.rule, self.path, self.found, self.expected)
    }
}
