//! The command line: a contract with its users. Each command is a few lines over the library or the APIs.

mod accounts;
mod args;
mod audit;
mod bench;
mod conformance;
mod demo;
mod examples;
pub mod files;
mod metrics;
mod offline;
mod online;
pub mod output;
pub mod remote;
mod serve;
mod stop;
mod store;
mod stream;
mod testbed;
mod text;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::{Clock, Fault, Problem, SystemClock, Timestamp};
use args::{Cli, Command};
use clap::Parser;
use output::Output;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a command ends with: its exit status, or the problems that kept it from its end.
type Ended = Result<u8, Vec<Problem>>;

/// Parses the arguments, runs the command, and gives its exit status: 0 done or accepted, 1 refused or
/// something found, 2 wrong usage or configuration, 3 a temporary fault.
pub fn main() -> ExitCode {
    let words = online::words(std::env::args_os(), |name| Path::new(name).exists());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(misused(&error)),
    };
    let mut out = Output::new(cli.json);
    let result = run(cli, &mut out);
    ExitCode::from(result.unwrap_or_else(|problems| out.problems(&problems)))
}

/// Says why the arguments were not understood; help and version are no mistakes.
fn misused(error: &clap::Error) -> u8 {
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    if !error.use_stderr() || !arguments.any(|argument| argument == "--json") {
        // Where nobody listens any more, the exit status still tells.
        let _ = error.print();
        return u8::try_from(error.exit_code()).unwrap_or(2);
    }
    let text = error.render().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Output::new(true).problems(&[usage(lines.join("; ").replace(":; ", ": ").trim_start_matches("error: "))])
}

/// Runs what waits for others, with threads and timers; what only looks at files needs neither, and stays small without.
fn waits(work: impl Future<Output = Ended>) -> Ended {
    on(&mut tokio::runtime::Builder::new_multi_thread(), work)
}

/// The same, and measures how long its threads work without a rest.
fn watched(metrics: &Metrics, work: impl Future<Output = Ended>) -> Ended {
    let [starts, wakes, rests, ends] = [(); 4].map(|()| metrics.clone());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.on_thread_start(move || starts.thread_works()).on_thread_unpark(move || wakes.thread_works());
    builder.on_thread_park(move || rests.thread_rests()).on_thread_stop(move || ends.thread_ends());
    on(&mut builder, work)
}

fn on(builder: &mut tokio::runtime::Builder, work: impl Future<Output = Ended>) -> Ended {
    let built = builder.enable_all().build();
    let runtime = built.map_err(|error| {
        vec![Problem::new(Fault::Temporary, "runtime", "the program could not start its threads", error.to_string())]
    })?;
    runtime.block_on(work)
}

fn run(cli: Cli, out: &mut Output) -> Ended {
    let one = |problem| vec![problem];
    match cli.command {
        Command::Demo(options) => waits(demo::run(options, out)),
        Command::Serve => {
            let metrics = Metrics::default();
            watched(&metrics.clone(), serve::serve(&config_path(cli.config), metrics, out))
        }
        Command::Init(options) => serve::init(&options, out).map_err(one),
        Command::Check => waits(async { serve::check(&config_path(cli.config), out).await.map_err(one) }),
        Command::Alert { command: args::AlertCommand::Test } => waits(serve::try_alerts(&config_path(cli.config), out)),
        Command::Testbed { command } => waits(async { testbed::run(command, out).await.map_err(one) }),
        Command::As4 { command } => offline::as4(command, out).map_err(one),
        Command::Envelope { command } => offline::envelope(command, out).map_err(one),
        Command::Message { command } => offline::message(command, out).map_err(one),
        Command::Receipt { command } => offline::receipt(command, out).map_err(one),
        Command::Smp { command } => offline::smp(command, out).map_err(one),
        Command::Xml { command } => offline::xml(command, out).map_err(one),
        Command::Conformance { command } => conformance::run(&command, out),
        Command::Metrics(options) => metrics::run(&options, out).map_err(one),
        Command::Bench { command } => waits(async { bench::run(command, out).await.map_err(one) }),
        Command::Store { command } => waits(store::run(command, cli.config, cli.token_file.as_deref(), out)),
        Command::Audit { command } => waits(audit::run(command, cli.config, cli.token_file.as_deref(), out)),
        Command::Accounts { command } => {
            let config = Config::load(&config_path(cli.config))?;
            let token_file = cli.token_file.as_deref();
            waits(async { accounts::accounts(command, &config, token_file, out).await.map_err(one) })
        }
        Command::Tokens { command } => {
            let config = Config::load(&config_path(cli.config))?;
            accounts::tokens(command, &config, cli.token_file.as_deref(), out).map_err(one)
        }
        Command::Online(command) => {
            let config = Config::load(&config_path(cli.config))?;
            let token_file = cli.token_file.as_deref();
            waits(async { online::run(command, &config, token_file, out).await.map_err(one) })
        }
    }
}

/// The configuration file: as given, or `sluss.toml` here, or the system's.
fn config_path(given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| {
        let here = PathBuf::from("sluss.toml");
        if here.exists() { here } else { PathBuf::from("/etc/sluss/sluss.toml") }
    })
}

/// A time that was given, or now.
fn time_or_now(given: Option<&str>) -> Result<Timestamp, Problem> {
    given.map_or_else(
        || Ok(SystemClock.now()),
        |text| text.parse().map_err(|_| usage(&format!("--at {text}: expected a time as 2026-11-23T12:00:00Z"))),
    )
}

/// Wrong usage.
fn usage(detail: &str) -> Problem {
    Problem::new(Fault::Usage, "usage", "the command was not understood", detail)
}

/// Standard output could not be written.
fn unprinted(error: &std::io::Error) -> Problem {
    Problem::new(Fault::Temporary, "output", "the output could not be written", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Readings, thread_time};
    use std::time::Duration;

    #[test]
    fn a_task_that_keeps_its_thread_is_seen_and_one_that_keeps_a_thread_for_blocking_is_not() {
        let metrics = Metrics::default();
        let busy = |milliseconds| {
            move || {
                let until = thread_time() + Duration::from_millis(milliseconds);
                while thread_time() < until {}
            }
        };
        let work = async {
            tokio::spawn(async move { busy(40)() }).await.unwrap();
            tokio::task::spawn_blocking(busy(400)).await.unwrap();
            Ok(0)
        };
        watched(&metrics, work).unwrap();
        let text = metrics.text(&Readings::default());
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{clock=\"processor\"} "));
            line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
        };
        let longest = value("sluss_runtime_longest_stretch_seconds");
        assert!((0.04..0.4).contains(&longest), "{longest}");
        assert!(value("sluss_runtime_stretch_seconds_count") >= 1.0);
    }
}
