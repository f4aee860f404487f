//! By whom something is done, and why.

use super::{Event, Fault, Problem};
use crate::limits::REASON_CHARS_MAX;

/// By whom, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warrant {
    actor: String,
    reason: String,
}

impl Warrant {
    /// An action of `actor`, with its reason, one line.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] where one of them is empty, too long or no plain line.
    pub fn new(actor: &str, reason: &str) -> Result<Self, Problem> {
        Ok(Self { actor: line("actor", actor)?, reason: line("reason", reason)? })
    }

    /// By whom.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// An event with both.
    #[must_use]
    pub fn on(&self, event: Event) -> Event {
        event.fact("actor", &self.actor).fact("reason", &self.reason)
    }
}

fn line(name: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let found = match text.chars().count() {
        0 => "nothing".to_owned(),
        _ if text.chars().any(char::is_control) => "line breaks or control characters".to_owned(),
        length if length > REASON_CHARS_MAX => format!("{length} characters"),
        _ => return Ok(text.to_owned()),
    };
    let detail = format!("{name}: found {found}, expected one line of 1 to {REASON_CHARS_MAX} characters");
    Err(Problem::new(Fault::Usage, "reason", "every action needs a reason", detail))
}
