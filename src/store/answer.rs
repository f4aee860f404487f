//! One answer, for which one thread waits. It sleeps at once: with many writers on few processors, turning around for a while
//! first, as channels do, takes from the one that works.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum State<T> {
    Awaited,
    Given(T),
    /// Nobody will answer.
    Ended,
}

/// Who owes the answer.
#[derive(Debug)]
pub(super) struct Answer<T>(Arc<Slot<T>>);

/// Who waits for it.
#[derive(Debug)]
pub(super) struct Awaited<T>(Arc<Slot<T>>);

/// Both ends.
pub(super) fn answer<T>() -> (Answer<T>, Awaited<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Awaited), changed: Condvar::new() });
    (Answer(Arc::clone(&slot)), Awaited(slot))
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Answer<T> {
    /// Gives it.
    pub(super) fn give(self, answer: T) {
        *self.0.state() = State::Given(answer);
        self.0.changed.notify_one();
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(*state, State::Awaited) {
            *state = State::Ended;
            self.0.changed.notify_one();
        }
    }
}

impl<T> Awaited<T> {
    /// Waits for it; none where nobody will give it.
    pub(super) fn wait(self) -> Option<T> {
        let mut state = self.0.state();
        loop {
            match std::mem::replace(&mut *state, State::Ended) {
                State::Given(answer) => return Some(answer),
                State::Ended => return None,
                State::Awaited => *state = State::Awaited,
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn an_answer_arrives_and_one_that_never_comes_ends_the_wait() {
        for given in [true, false] {
            let (answer, awaited) = answer();
            let waits = thread::spawn(move || awaited.wait());
            if given {
                answer.give(7)
            } else {
                drop(answer)
            }
            assert_eq!(waits.join().unwrap(), given.then_some(7));
        }
    }
}
