//! Closed segments of the journal, read again from the disk: nobody needs them until the index is built anew, and by then it may be
//! too late for a backup that still has what they lost.

use crate::store::StoreError;
use crate::store::embedded::EmbeddedStore;
use crate::store::journal::{self, Damage};
use std::ops::Range;

impl EmbeddedStore {
    /// The segments that are not written to any more, as they have to be there.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn closed_segments(&self) -> Result<Range<u32>, StoreError> {
        let gone = self.index().dropped()?.map_or(0, |dropped| dropped.segment);
        let open = self.index().position()?.map_or(0, |position| position.segment);
        Ok(gone + 1..open)
    }

    /// Reads a closed segment, every checksum and link of the chain up to the next segment, and says what does not hold. What
    /// the disk itself cannot read is damage, too; what retention removed is none. Nothing is changed.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn reread(&self, number: u32) -> Result<Option<Damage>, StoreError> {
        // It is not removed meanwhile.
        let _all = self.alone();
        if !self.closed_segments()?.contains(&number) {
            return Ok(None);
        }
        let (medium, folder) = self.segments();
        journal::reread(&*medium.disk, folder, self.hash(), number)
    }
}
