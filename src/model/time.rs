//! Time: UTC instants, and the clock as an argument.

pub use jiff::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the time comes from. Formats and rules take a time as an argument; services take a clock.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// The present instant on a clock that is never set: what waits and what is left to somebody is measured by it, so that a
    /// clock that is set forward or back neither hurries nor delays anything. It runs while a process does, and the next process
    /// [goes on](Self::resume) where the last one stopped, so what a store keeps of it stays true; how far it is from the wall
    /// clock says nothing.
    fn steady(&self) -> Timestamp {
        self.now()
    }

    /// The steady clock goes on from here.
    fn resume(&self, _steady: Timestamp) {}

    /// What the wall clock shows at that moment of the steady one, as far as is known now: for people.
    fn shown(&self, steady: Timestamp) -> Timestamp {
        // To the millisecond: the two are not read at once, and the same moment is to be shown as the same.
        let apart = self.now().duration_since(self.steady()).as_nanos() + 500_000;
        let millis = i64::try_from(apart.div_euclid(1_000_000)).unwrap_or_default();
        steady.saturating_add(jiff::SignedDuration::from_millis(millis)).unwrap_or(Timestamp::MAX)
    }
}

/// The clock of the operating system, for a process that runs long.
#[derive(Debug)]
pub struct SteadyClock {
    begun: Mutex<(Timestamp, Instant)>,
}

impl SteadyClock {
    /// Agrees with the wall clock at this moment.
    pub fn begin() -> Self {
        Self { begun: Mutex::new((SystemClock.now(), Instant::now())) }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn steady(&self) -> Timestamp {
        let (begun, since) = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.saturating_add(since.elapsed()).unwrap_or(Timestamp::MAX)
    }

    fn resume(&self, steady: Timestamp) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = (steady, Instant::now());
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

/// A duration as `30s`, `12m`, `2h` or `1d`.
///
/// # Errors
///
/// What was found and expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("found the duration {text:?}, expected a number and s, m, h or d, as 30s or 12m");
    let unit = text.char_indices().next_back().map(|(at, _)| at).ok_or_else(wrong)?;
    let number: u64 = text[..unit].parse().map_err(|_| wrong())?;
    let seconds = match &text[unit..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}
