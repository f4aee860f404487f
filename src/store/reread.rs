//! Segments of the journal, read again from the disk: nobody needs them until the index is built anew, and by then it may be
//! too late for a backup that still has what they lost.

use crate::store::StoreError;
use crate::store::embedded::EmbeddedStore;
use crate::store::journal::{self, Damage};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

impl EmbeddedStore {
    /// The segments that have to be there; the last one is written to.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn segments_kept(&self) -> Result<RangeInclusive<u32>, StoreError> {
        let gone = self.index().dropped()?.map_or(0, |dropped| dropped.segment);
        let open = self.index().position()?.map_or(0, |position| position.segment);
        Ok(gone + 1..=open)
    }

    /// Reads a segment, every checksum and link of the chain up to the next segment or to the last record that was shown, and says
    /// what does not hold. What the disk itself cannot read is damage, too; what retention removed is none. Nothing is changed.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn reread(&self, number: u32) -> Result<Option<Damage>, StoreError> {
        // It is not removed meanwhile.
        let _all = self.alone();
        let Some(last) = self.index().position()?.filter(|last| number <= last.segment) else { return Ok(None) };
        if !self.segments_kept()?.contains(&number) {
            return Ok(None);
        }
        let (medium, folder) = self.segments();
        journal::reread(&*medium.disk, folder, self.hash(), number, &last)
    }

    /// Segments of which the start found that something does not hold, or a record could not be read back, since this was asked last.
    pub fn suspects(&self) -> BTreeSet<u32> {
        self.index().records().suspects()
    }
}
