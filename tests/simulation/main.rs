//! Two access points on simulated disks exchange messages while everything fails that can: power, processes, disks, network, clocks.
//! What happens is a function of the seed alone, so a seed that fails does so again: `SIMULATION_SEED=n` replays it, with its steps.
//!
//! `SIMULATION_SEEDS=n` runs so many (80 where nothing is said), `SIMULATION_FROM=n` begins elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test a failed assumption is a failed test, and what was found is said"
)]

#[path = "../support/chance.rs"]
mod chance;
mod awaited;
mod crowd;
mod disk;
mod keys;
mod loss;
mod node;
mod random;
mod restart;
mod unreadable;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Tally, World};

/// Seeds of an ordinary run: less than ten seconds of a debug build on two idle cores.
const SEEDS: u64 = 80;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: found {text:?}, expected a number")))
}

/// Runs one seed; gives what was broken, with the steps that led there.
fn run(seed: u64) -> Result<Tally, String> {
    let mut world = World::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let broken = match result {
        Ok(Ok(())) => return Ok(world.tally()),
        Ok(Err(broken)) => broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        }
    };
    Err(format!("{}\nseed {seed}: {broken}", world.steps().join("\n")))
}

#[test]
fn every_accepted_message_arrives_once_or_is_a_dead_letter_whatever_fails() {
    if let Some(seed) = number("SIMULATION_SEED") {
        match run(seed) {
            Ok(tally) => println!("seed {seed} holds: {tally:?}"),
            Err(broken) => panic!("{broken}"),
        }
        return;
    }
    let from = number("SIMULATION_FROM").unwrap_or(0);
    let end = from + number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (next, total, failed) = (AtomicU64::new(from), Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.lock().unwrap().len() >= 10 {
                        break;
                    }
                    match run(seed) {
                        Ok(tally) => total.lock().unwrap().add(&tally),
                        Err(broken) => failed.lock().unwrap().push((seed, broken)),
                    }
                }
            });
        }
    });
    let (mut failed, total) = (failed.into_inner().unwrap(), total.into_inner().unwrap());
    println!("seeds {from} to {end}: {total:?}");
    failed.sort();
    if let Some((seed, broken)) = failed.first() {
        let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
        let said: Vec<&str> = failed.iter().filter_map(|(_, broken)| broken.lines().last()).collect();
        panic!(
            "{broken}\n\n{}\nseeds {seeds:?} fail; SIMULATION_SEED={seed} cargo test --release --test simulation replays the first",
            said.join("\n")
        );
    }
    // A simulation in which nothing happens proves nothing.
    let happened = [
        vec![total.delivered, total.answered, total.kills, total.cuts, total.again, total.vanished, total.operated],
        vec![total.opened, total.reopened, total.closed, total.purged, total.dead, total.torn, total.rebuilt],
        vec![total.twice, total.forgotten],
    ]
    .concat();
    assert!(happened.iter().all(|times| *times > 0), "{total:?}");
}

#[test]
fn a_seed_gives_the_same_steps_each_time() {
    for seed in 0..5 {
        let steps = || {
            let mut world = World::new(seed);
            drop(world.run());
            world.steps().to_vec()
        };
        let (first, second) = (steps(), steps());
        assert!(first.len() > 20, "seed {seed}: only {} steps", first.len());
        assert_eq!(first, second, "seed {seed}");
    }
}
