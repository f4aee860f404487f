//! Time: UTC instants, and the clock as an argument.

pub use jiff::Timestamp;

/// Where the time comes from. Formats and rules take a time as an argument; services take a clock.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others are told to ask")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// `YYYY-MM-DDThh:mm:ss.sssZ`: what we write everywhere (C-18).
pub fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}
