//! The journal: the truth. Records are appended to preallocated segments, each with checksum and
//! chain hash, and one fdatasync covers the whole group of records that waited for it.

mod cause;
mod frame;
mod records;
mod recovery;
mod scan;

use crate::limits::JOURNAL_RECORD_BYTES_MAX;
use crate::metrics::Seconds;
use crate::store::StoreError;
use crate::store::disk::{DiskFile, Medium};
use frame::{FORMAT_VERSION, Frame, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, next_chain};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub(in crate::store) use cause::before;
pub use cause::{Cause, cause};
pub(in crate::store) use frame::lines;
pub use frame::{ChainHash, hex};
pub(in crate::store) use records::Records;
pub(in crate::store) use records::holds;
pub(in crate::store) use recovery::is_empty;
pub use recovery::{Beginning, Found, Torn, beginning, remove, segments};
pub use scan::{Damage, Scanned, scan, segment};
pub(in crate::store) use scan::{end, reread};

/// Where a record is, and which.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Position {
    /// Number of the segment.
    pub segment: u32,
    /// Offset of the record in it, in bytes.
    pub offset: u64,
    /// Sequence number; the first record is 1.
    pub seq: u64,
    /// Chain hash with this record.
    pub chain: [u8; 32],
}

/// Where a record is, for who reads it back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spot {
    /// Number of the segment.
    pub segment: u32,
    /// Offset of the record in it, in bytes; while its group waits for its sync, in that.
    pub offset: u64,
    /// Sequence number.
    pub seq: u64,
}

impl Spot {
    /// Told from the start of its group, which is at `begin`.
    pub(super) fn from(self, begin: Self) -> Self {
        Self { segment: begin.segment, offset: begin.offset + self.offset, ..self }
    }
}

/// A group that is durable.
#[derive(Debug)]
pub(super) struct Synced {
    /// Its first record.
    pub(super) begin: Spot,
    /// Its last record.
    pub(super) last: Position,
}

impl Position {
    /// Where the record is.
    pub(super) fn spot(&self) -> Spot {
        Spot { segment: self.segment, offset: self.offset, seq: self.seq }
    }

    /// Where the record ends, whose payload has `length` bytes.
    pub(super) fn end(&self, length: u32) -> u64 {
        self.offset + RECORD_HEADER_BYTES as u64 + u64::from(length)
    }
}

/// Why a group was not made durable.
#[derive(Debug)]
pub(super) enum SyncError {
    /// Nothing was written; the journal goes on.
    Refused(StoreError),
    /// What is on the disk is unknown; the journal must not be used any more.
    Failed(StoreError),
}

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    medium: Medium,
    folder: PathBuf,
    hash: ChainHash,
    file: Box<dyn DiskFile>,
    segment: u32,
    end: u64,
    bytes: u64,
    last: Last,
    group: Group,
    syncs: Syncs,
}

/// How often the journal was synced since the start, and how long that took.
#[derive(Clone, Debug, Default)]
pub(super) struct Syncs {
    pub(super) count: Arc<AtomicU64>,
    pub(super) took: Seconds,
}

/// The last record: its number and chain hash, zeros before the first.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    seq: u64,
    chain: [u8; 32],
}

/// Records that wait for their sync.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    last: Last,
    last_at: usize,
}

impl Journal {
    /// Opens the journal in `folder` or starts one, cuts a torn tail, and hands every record after
    /// `from` to `each`, in order. What it hands out is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a record in the middle does not hold: its checksum, its number
    /// or its chain hash, or when a segment is missing or of another format version.
    pub fn open(
        medium: &Medium,
        folder: &Path,
        hash: ChainHash,
        from: Option<&Position>,
        each: Each<'_>,
    ) -> Result<(Self, Found), StoreError> {
        let created = medium.disk.create_folder(folder);
        created.map_err(|source| StoreError::io(format!("create {}", folder.display()), source))?;
        recovery::open(medium, folder, hash, from, each)
    }

    /// Adds a record to the group, and says where in that; it is durable after [`Self::sync`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when it is larger than any record may be.
    pub fn append(&mut self, payload: &[u8]) -> Result<Spot, StoreError> {
        if payload.is_empty() || payload.len() > JOURNAL_RECORD_BYTES_MAX {
            let found = format!("a transaction of {} bytes, expected 1 to {JOURNAL_RECORD_BYTES_MAX}", payload.len());
            return Err(StoreError::io(found, io::ErrorKind::InvalidInput.into()));
        }
        let before = if self.group.bytes.is_empty() { self.last } else { self.group.last };
        let last = Last { seq: before.seq + 1, chain: next_chain(self.hash, &before.chain, payload) };
        self.group.last_at = self.group.bytes.len();
        let frame = Frame { seq: last.seq, group: self.last.seq + 1, chain: last.chain, payload };
        frame.encode(&mut self.group.bytes);
        self.group.last = last;
        Ok(Spot { segment: 0, offset: self.group.last_at as u64, seq: last.seq })
    }

    /// Bytes of the waiting group.
    pub fn waiting_bytes(&self) -> usize {
        self.group.bytes.len()
    }

    /// Makes the group durable with one fdatasync, and says where it is; `None` for an empty group.
    pub(super) fn sync(&mut self) -> Result<Option<Synced>, SyncError> {
        let group = std::mem::take(&mut self.group);
        if group.bytes.is_empty() {
            return Ok(None);
        }
        if self.end + group.bytes.len() as u64 > self.bytes {
            self.rotate(group.bytes.len() as u64).map_err(SyncError::Refused)?;
        }
        self.write(&group.bytes).map_err(|source| {
            SyncError::Failed(StoreError::Io {
                what: format!("write {}", path(&self.folder, self.segment).display()),
                source,
            })
        })?;
        let synced = Synced {
            begin: Spot { segment: self.segment, offset: self.end, seq: self.last.seq + 1 },
            last: Position {
                segment: self.segment,
                offset: self.end + group.last_at as u64,
                seq: group.last.seq,
                chain: group.last.chain,
            },
        };
        self.end += group.bytes.len() as u64;
        self.last = group.last;
        Ok(Some(synced))
    }

    /// Records written so far, over the whole life of the journal.
    pub fn records(&self) -> u64 {
        self.last.seq
    }

    /// Its syncs since the start.
    pub(super) fn syncs(&self) -> Syncs {
        self.syncs.clone()
    }

    /// The hash that chains its records.
    pub(super) fn hash(&self) -> ChainHash {
        self.hash
    }

    /// Where its segments are.
    pub(super) fn place(&self) -> (Medium, PathBuf) {
        (self.medium.clone(), self.folder.clone())
    }

    fn write(&self, group: &[u8]) -> io::Result<()> {
        self.file.write_all_at(group, self.end)?;
        let begun = Instant::now();
        self.file.sync_data()?;
        self.syncs.took.observe(begun.elapsed());
        self.syncs.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn rotate(&mut self, room: u64) -> Result<(), StoreError> {
        let header = SegmentHeader { first: self.last.seq + 1, chain: self.last.chain };
        let number = self.segment + 1;
        let (file, bytes) = create_segment(&self.medium, &self.folder, number, header, room)?;
        (self.file, self.bytes, self.segment, self.end) = (file, bytes, number, SEGMENT_HEADER_BYTES as u64);
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// From now on no write succeeds.
    pub(super) fn break_file(&mut self) {
        self.file = Box::new(std::fs::File::open(path(&self.folder, self.segment)).unwrap());
    }

    /// From now on there is no room for another segment.
    pub(super) fn fill_disk(&mut self) {
        self.medium.journal_reserve_bytes = u64::MAX;
    }
}

/// Takes the records of a journal, each with its position.
pub type Each<'a> = &'a mut dyn FnMut(&Position, &[u8]) -> Result<(), StoreError>;

/// Creates a durable segment with room for a group of `room` bytes, or leaves nothing behind.
fn create_segment(
    medium: &Medium,
    folder: &Path,
    number: u32,
    header: SegmentHeader,
    room: u64,
) -> Result<(Box<dyn DiskFile>, u64), StoreError> {
    let Medium { disk, segment_bytes, journal_reserve_bytes, .. } = medium;
    let bytes = (*segment_bytes).max(SEGMENT_HEADER_BYTES as u64 + room + RECORD_HEADER_BYTES as u64);
    let free_bytes = disk.free_bytes(folder);
    let free_bytes =
        free_bytes.map_err(|source| StoreError::io(format!("free space of {}", folder.display()), source))?;
    let needed_bytes = bytes.saturating_add(*journal_reserve_bytes);
    if free_bytes < needed_bytes {
        return Err(StoreError::Full { folder: folder.display().to_string(), free_bytes, needed_bytes });
    }
    let path = path(folder, number);
    let create = || {
        let file = disk.create(&path)?;
        file.preallocate(bytes)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_all()?;
        disk.sync_folder(folder)?;
        Ok(file)
    };
    create().map(|file| (file, bytes)).map_err(|source| {
        drop(disk.remove(&path));
        StoreError::io(format!("create {}", path.display()), source)
    })
}

fn path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:08}.log"))
}
