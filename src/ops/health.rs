//! How the program is: each thing looked at, what was found, and what to do.

use serde::Serialize;

/// How one thing stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Well.
    Ok,
    /// It works, but slowly, or not for long.
    Degraded,
    /// It does not work.
    Failed,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Which: `store`, `disk`, `space`, `certificate`, `worker`, `discovery`, `delivery`, `journal`, `clock`.
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; nothing where it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Whether nothing failed: what is degraded still works.
    pub ready: bool,
    /// The worst of the checks.
    pub state: State,
    /// Each of them.
    pub checks: Vec<Check>,
}

impl Check {
    /// It is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), remedy: None }
    }

    /// It still works.
    pub fn degraded(check: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, state: State::Degraded, found: found.into(), remedy: Some(remedy) }
    }

    /// It does not work.
    pub fn failed(check: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, state: State::Failed, found: found.into(), remedy: Some(remedy) }
    }
}

impl From<Vec<Check>> for Health {
    fn from(checks: Vec<Check>) -> Self {
        let state = checks.iter().map(|check| check.state).max().unwrap_or(State::Ok);
        Self { ready: state != State::Failed, state, checks }
    }
}
