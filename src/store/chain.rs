//! The chain of the journal, followed without changing anything, for those who prove or doubt what it says.

use crate::store::StoreError;
use crate::store::disk::SystemDisk;
use crate::store::journal::{self, Cause, ChainHash, Damage};
use crate::store::verify::is_open;
use std::path::Path;

/// A record in its place in the chain.
#[derive(Debug)]
pub struct Link<'a> {
    /// Its number; the first is 1.
    pub seq: u64,
    /// The chain hash before it; zeros before the first.
    pub before: [u8; 32],
    /// The chain hash with it.
    pub chain: [u8; 32],
    /// The log line, with its newline.
    pub log: &'a [u8],
    /// The state line.
    pub state: &'a [u8],
}

/// What was found.
#[derive(Debug)]
pub struct Followed {
    /// Whether a process had the store open meanwhile.
    pub in_use: bool,
    /// The last record that holds, and the chain hash with it.
    pub last: Option<(u64, [u8; 32])>,
    /// Bytes behind it that are no record, where nobody is writing them: their number and place.
    pub torn: Option<(u64, String)>,
    /// What does not hold: the first in each segment, and why.
    pub damage: Vec<(Cause, Damage)>,
}

/// Follows the chain of the store in `folder` from its first record, and gives each to `each`.
///
/// # Errors
///
/// [`StoreError::Unfit`] where there is no store; when the disk cannot be read; and whatever `each` says.
pub fn follow(
    folder: &Path,
    hash: ChainHash,
    each: &mut dyn FnMut(&Link<'_>) -> Result<(), StoreError>,
) -> Result<Followed, StoreError> {
    let segments = folder.join("journal");
    if !segments.is_dir() {
        return Err(StoreError::Unfit(format!("{} holds no store: it has no folder `journal`", folder.display())));
    }
    let in_use = is_open(folder)?;
    let mut before = ([0; 32], 0);
    let scanned = journal::scan(&SystemDisk, &segments, hash, None, &mut |position, payload| {
        if before.1 + 1 != position.seq {
            before.0 = journal::before(&SystemDisk, &segments, position.segment)?;
        }
        let (log, state) = journal::lines(payload);
        let link = Link { seq: position.seq, before: before.0, chain: position.chain, log, state };
        before = (position.chain, position.seq);
        each(&link)
    })?;
    let torn = scanned.torn.filter(|_| !in_use).map(|torn| (torn.bytes, torn.place));
    let damage = scanned.damage.into_iter().map(|damage| (journal::cause(&damage), damage));
    Ok(Followed { in_use, last: scanned.last.map(|last| (last.seq, last.chain)), torn, damage: damage.collect() })
}
