//! This process as Linux sees it (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

/// Figures of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
    pub(super) open_files: u64,
    pub(super) open_files_max: u64,
    pub(super) start_seconds: u64,
}

/// Reads them; an error where there is no `/proc`.
pub(super) fn read() -> io::Result<Process> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program may hold anything, and is in brackets.
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let boot = fs::read_to_string("/proc/stat")?
        .lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    Ok(Process {
        cpu_seconds: seconds(field(14) + field(15), ticks),
        virtual_bytes: field(23),
        resident_bytes: field(24).saturating_mul(rustix::param::page_size() as u64),
        open_files: fs::read_dir("/proc/self/fd")?.count() as u64,
        open_files_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX),
        start_seconds: boot + field(22) / ticks,
    })
}

/// Processor time of this thread so far, user and system.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "hundredths of seconds, for as long as a process lives")]
fn seconds(ticks: u64, of_a_second: u64) -> f64 {
    ticks as f64 / of_a_second as f64
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_process_has_used_memory_files_and_time() {
        let own = read().unwrap();
        assert!(own.resident_bytes > 1_000_000 && own.virtual_bytes >= own.resident_bytes, "{own:?}");
        assert!(own.open_files >= 3 && own.open_files <= own.open_files_max, "{own:?}");
        assert!(own.start_seconds > 1_600_000_000, "{own:?}");
    }
}
