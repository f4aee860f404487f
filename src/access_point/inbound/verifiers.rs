//! A few threads of their own that parse and verify. A tree takes many times the room of its text, and each thread's share of the
//! heap stays as large as its largest: so there are as few as there are processors, however many requests come.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end with this.
#[derive(Debug)]
pub(super) struct Verifiers {
    jobs: Sender<Job>,
}

impl Default for Verifiers {
    fn default() -> Self {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..std::thread::available_parallelism().map_or(2, NonZero::get).max(2) {
            let waiting = Arc::clone(&waiting);
            std::thread::spawn(move || {
                while let Some(job) = next(&waiting) {
                    // Whoever waits for it learns that it was broken off; the thread goes on.
                    drop(catch_unwind(AssertUnwindSafe(job)));
                }
            });
        }
        Self { jobs }
    }
}

fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Verifiers {
    /// Runs `work` when it is its turn; not at all when nobody waits for it any more. None where it was broken off.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job = move || {
            if !done.is_closed() {
                // An error means that whoever waited has gone meanwhile.
                let _ = done.send(work());
            }
        };
        self.jobs.send(Box::new(job)).ok()?;
        result.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn few_threads_do_all_the_work_and_survive_what_is_broken_off() {
        let verifiers = Arc::new(Verifiers::default());
        for _ in 0..20 {
            assert_eq!(verifiers.run(|| -> u8 { std::panic::resume_unwind(Box::new(())) }).await, None);
        }
        let mut threads = BTreeSet::new();
        for _ in 0..100 {
            threads.insert(verifiers.run(|| format!("{:?}", std::thread::current().id())).await.unwrap());
        }
        let processors = std::thread::available_parallelism().map_or(2, NonZero::get).max(2);
        assert!((1..=processors).contains(&threads.len()), "{threads:?}");
    }
}
