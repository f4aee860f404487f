//! Names that are a function of the seed.

use crate::chance::Chance;
use std::cell::RefCell;
use uuid::Uuid;

thread_local! {
    static NAMES: RefCell<Chance> = const { RefCell::new(Chance::new(0)) };
}

/// From here on this thread's ids are those of the seed.
pub(crate) fn name_by(seed: u64) {
    NAMES.with_borrow_mut(|names| *names = Chance::new(seed ^ 0x6e61_6d65));
}

/// An id that no other is.
pub(crate) fn name() -> Uuid {
    NAMES.with_borrow_mut(|names| Uuid::from_u64_pair(names.next(), names.next()))
}
