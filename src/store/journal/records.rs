//! Records read back by their place.

use super::frame::{Frame, RECORD_HEADER_BYTES};
use super::{Position, Spot, path};
use crate::store::disk::{Disk, Medium};
use crate::store::{Place, StoreError};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Most records are shorter.
const SHORT_BYTES: usize = 4096;

/// The records of a journal, whoever writes it.
#[derive(Debug)]
pub(in crate::store) struct Records {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Segments in which something does not hold.
    suspects: Mutex<BTreeSet<u32>>,
}

impl Records {
    /// Of the journal in `folder`.
    pub(in crate::store) fn of(medium: &Medium, folder: &Path) -> Self {
        Self { disk: Arc::clone(&medium.disk), folder: folder.to_owned(), suspects: Mutex::default() }
    }

    /// Segments of which that was said, or a record could not be read back, since this was asked last.
    pub(in crate::store) fn suspects(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *self.suspects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// That something of a segment does not hold: it is to be read again.
    pub(in crate::store) fn suspect(&self, segment: u32) {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner).insert(segment);
    }

    /// What the record in this spot holds; `None` where its segment went.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when it is not there any more, or not as it was.
    pub(in crate::store) fn payload(&self, spot: Spot) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_back(spot).inspect_err(|_| self.suspect(spot.segment))
    }

    fn read_back(&self, spot: Spot) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut record) = read(&*self.disk, &self.folder, spot)? else { return Ok(None) };
        match Frame::decode(&record).map(|frame| (frame.seq, frame.bytes())) {
            Some((seq, bytes)) if seq == spot.seq => {
                record.truncate(bytes);
                record.drain(..RECORD_HEADER_BYTES);
                Ok(Some(record))
            }
            _ => Err(StoreError::Damaged {
                what: "a record cannot be read back".into(),
                place: Place {
                    segment: path(&self.folder, spot.segment).display().to_string(),
                    offset: spot.offset,
                    record: spot.seq,
                },
            }),
        }
    }
}

/// Whether the journal has exactly this record at this place.
pub(in crate::store) fn holds(disk: &dyn Disk, folder: &Path, position: &Position) -> Result<bool, StoreError> {
    let record = read(disk, folder, position.spot())?.unwrap_or_default();
    Ok(Frame::decode(&record).is_some_and(|frame| frame.seq == position.seq && frame.chain == position.chain))
}

/// The bytes from the start of a record on, at least up to its end where there is one; none where the segment is gone.
fn read(disk: &dyn Disk, folder: &Path, spot: Spot) -> Result<Option<Vec<u8>>, StoreError> {
    let path = path(folder, spot.segment);
    let failed = |error| StoreError::io(format!("read {}", path.display()), error);
    let file = match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut bytes = vec![0; SHORT_BYTES];
    let read = file.read_up_to(&mut bytes, spot.offset).map_err(failed)?;
    bytes.truncate(read);
    let length = bytes.first_chunk().map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
    let whole = length + RECORD_HEADER_BYTES as u64;
    if whole > read as u64 && spot.offset + whole <= file.len().map_err(failed)? {
        bytes.resize(usize::try_from(whole).unwrap_or(read), 0);
        let rest = bytes.get_mut(read..).unwrap_or_default();
        file.read_up_to(rest, spot.offset + read as u64).map_err(failed)?;
    }
    Ok(Some(bytes))
}
