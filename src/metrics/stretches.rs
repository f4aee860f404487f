//! How long the threads of the runtime work between two rests.
//!
//! A task that blocks keeps its thread from all others. The runtime says when a thread rests, and does not say when it polls; but no
//! poll is longer than the stretch it lies in. So nothing is missed, tasks of libraries included, and no figure is too small.

use super::{Labels, Metrics, Seconds, process};
use prometheus_client::metrics::family::Family;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Stretches of all threads: by the clock on the wall, and by what the processor did for the thread.
#[derive(Debug)]
pub(super) struct Stretches {
    pub(super) all: Family<Labels, Seconds>,
    wall: Seconds,
    processor: Seconds,
    threads: Mutex<Threads>,
}

#[derive(Debug, Default)]
struct Threads {
    at_work: HashMap<ThreadId, Begin>,
    longest: Longest,
}

#[derive(Clone, Copy, Debug)]
struct Begin {
    wall: Instant,
    processor: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    wall: Duration,
    processor: Duration,
}

impl Default for Stretches {
    fn default() -> Self {
        let all = Family::<Labels, Seconds>::default();
        let (wall, processor) = (all.get_or_create_owned(&by("wall")), all.get_or_create_owned(&by("processor")));
        Self { all, wall, processor, threads: Mutex::default() }
    }
}

impl Stretches {
    /// The longest so far, in seconds.
    pub(super) fn longest(&self) -> [(Labels, f64); 2] {
        let Longest { wall, processor } = self.threads().longest;
        [(by("wall"), wall.as_secs_f64()), (by("processor"), processor.as_secs_f64())]
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To be called in each thread of the runtime, by its hooks.
impl Metrics {
    /// This thread begins to work: it has started, or rested.
    pub fn thread_works(&self) {
        let begin = Begin { wall: Instant::now(), processor: process::thread_time() };
        self.0.stretches.threads().at_work.insert(thread::current().id(), begin);
    }

    /// This thread goes to rest.
    pub fn thread_rests(&self) {
        let stretches = &self.0.stretches;
        let mut threads = stretches.threads();
        let Some(begin) = threads.at_work.remove(&thread::current().id()) else { return };
        let (wall, processor) = (begin.wall.elapsed(), process::thread_time().saturating_sub(begin.processor));
        let longest = threads.longest;
        threads.longest = Longest { wall: wall.max(longest.wall), processor: processor.max(longest.processor) };
        drop(threads);
        stretches.wall.observe(wall);
        stretches.processor.observe(processor);
    }

    /// This thread ends. One that never rests is none of those that poll, and has no stretch.
    pub fn thread_ends(&self) {
        self.0.stretches.threads().at_work.remove(&thread::current().id());
    }
}

fn by(clock: &str) -> Labels {
    vec![("clock", clock.to_owned())]
}
