//! Much of one work, done on all processors.

use std::num::NonZeroUsize;
use std::thread;

/// Fewer are done where they are.
const PART_LEAST: usize = 256;

/// Does a work on parts of `all`, on all processors. What each gave, in the order of the parts.
pub(super) fn in_parts<T: Sync, R: Send>(all: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let part = all.len().div_ceil(processors_for(all.len())).max(PART_LEAST);
    let (first, rest) = all.split_at(part.min(all.len()));
    thread::scope(|scope| {
        let others: Vec<_> = rest.chunks(part).map(|part| (part, scope.spawn(|| work(part)))).collect();
        let mut done = vec![work(first)];
        // One that panicked panics here again.
        done.extend(others.into_iter().map(|(part, thread)| thread.join().unwrap_or_else(|_| work(part))));
        done
    })
}

/// How many are worth it. To ask for them reads files of the system.
fn processors_for(works: usize) -> usize {
    if works <= PART_LEAST { 1 } else { thread::available_parallelism().map_or(1, NonZeroUsize::get) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_order_and_nothing_is_left_out() {
        for count in [0, 1, PART_LEAST - 1, PART_LEAST, PART_LEAST + 1, 10_000] {
            let all: Vec<usize> = (0..count).collect();
            assert_eq!(in_parts(&all, <[usize]>::to_vec).concat(), all);
        }
    }
}
