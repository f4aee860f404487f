//! Chance that is a function of the seed.

use std::cell::RefCell;
use uuid::Uuid;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() % end as u64).unwrap() }
    }

    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Another source, independent of this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }
}

thread_local! {
    static NAMES: RefCell<Chance> = const { RefCell::new(Chance(0)) };
}

/// From here on this thread's ids are those of the seed.
pub(crate) fn name_by(seed: u64) {
    NAMES.with_borrow_mut(|names| *names = Chance::new(seed ^ 0x6e61_6d65));
}

/// An id that no other is.
pub(crate) fn name() -> Uuid {
    NAMES.with_borrow_mut(|names| Uuid::from_u64_pair(names.next(), names.next()))
}
