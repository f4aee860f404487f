//! Time: UTC instants, and the clock as an argument.

pub use jiff::Timestamp;

/// Where the time comes from. Formats and rules take a time as an argument; services take a clock.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// The present instant on a clock that is never set: what waits and what is left to somebody is measured by it, so that a
    /// clock that is set forward or back neither hurries nor delays anything.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}

/// The clock of the operating system, for a process that runs long.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    begun: Timestamp,
    since: std::time::Instant,
}

impl SteadyClock {
    /// Agrees with the wall clock at this moment.
    pub fn begin() -> Self {
        Self { begun: SystemClock.now(), since: std::time::Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn steady(&self) -> Timestamp {
        self.begun.saturating_add(self.since.elapsed()).unwrap_or(Timestamp::MAX)
    }
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
