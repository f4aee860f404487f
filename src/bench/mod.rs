//! Measurements. Each is a ratio within one run: what the program does, beside what its costliest operations alone
//! would do on the same machine at the same time.

pub mod as4;
pub mod store;
pub mod timing;
pub mod transfer;

use crate::metrics::thread_time;
use serde::Serialize;
use std::time::Duration;

/// Where and with what it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// The processor, as the system calls it.
    pub cpu: String,
    /// Processors that the process may use.
    pub cores: usize,
    /// Version of the program.
    pub version: &'static str,
    /// How times are taken.
    pub method: &'static str,
}

impl Setting {
    /// This machine and this program.
    pub fn here() -> Self {
        let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cpu: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            version: env!("CARGO_PKG_VERSION"),
            method: "one thread, its processor time (user and system); bare operations and whole work take turns within the run",
        }
    }
}

/// Largest resident size of this process so far, in bytes (VmHWM); none where the system does not say.
pub fn peak_memory() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, PEAK)
}

/// Resident size of this process now, in bytes (VmRSS); none where the system does not say.
pub fn memory() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, RESIDENT)
}

/// A size in a `/proc/PID/status`, in bytes.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Lines of `/proc/PID/status`: the largest resident size, and that of now.
const PEAK: &str = "VmHWM:";
const RESIDENT: &str = "VmRSS:";

/// Runs `work` and adds the processor time of this thread to `total`.
fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let begin = thread_time();
    let made = work();
    *total += thread_time().saturating_sub(begin);
    made
}
