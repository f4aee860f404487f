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
    let numbers = fields(&stat);
    let field = |number: usize| numbers(number).unwrap_or(0);
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

/// User and system time of a process so far.
///
/// # Errors
///
/// When there is no such process, or the system does not say.
pub fn processor_time(process: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = cpu_ticks(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no times in its stat"))?;
    Ok(Duration::from_secs_f64(seconds(ticks, rustix::param::clock_ticks_per_second().max(1))))
}

/// User and system time in clock ticks, from `/proc/PID/stat`.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let field = fields(stat);
    Some(field(14)? + field(15)?)
}

/// The numbers in a `/proc/PID/stat`, by their place. The name of the program may hold anything, and is in
/// brackets.
fn fields(stat: &str) -> impl Fn(usize) -> Option<u64> + use<> {
    let fields: Vec<Option<u64>> =
        stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().map(|field| field.parse().ok()).collect();
    move |number| fields.get(number - 3).copied().flatten()
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
    use super::{cpu_ticks, read};

    #[test]
    fn the_times_of_a_process_are_found_behind_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 12 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(42));
    }

    #[test]
    fn the_process_has_used_memory_files_and_time() {
        let own = read().unwrap();
        assert!(own.resident_bytes > 1_000_000 && own.virtual_bytes >= own.resident_bytes, "{own:?}");
        assert!(own.open_files >= 3 && own.open_files <= own.open_files_max, "{own:?}");
        assert!(own.start_seconds > 1_600_000_000, "{own:?}");
    }
}
