//! The journal: the truth. Records are appended to preallocated segments, each with checksum and
//! chain hash, and one fdatasync covers the whole group of records that waited for it.

mod frame;
mod recovery;

use crate::limits::{JOURNAL_RECORD_BYTES_MAX, JOURNAL_SEGMENT_BYTES};
use crate::store::StoreError;
use crate::store::blob::{free_bytes, sync_folder};
use frame::{FORMAT_VERSION, Frame, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, next_chain};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use frame::ChainHash;
pub use recovery::{Found, Torn, holds, verify};

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
    folder: PathBuf,
    hash: ChainHash,
    file: File,
    segment: u32,
    end: u64,
    bytes: u64,
    last: Last,
    group: Group,
    syncs: Arc<AtomicU64>,
    reserve_bytes: u64,
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
        folder: &Path,
        hash: ChainHash,
        from: Option<&Position>,
        each: Each<'_>,
    ) -> Result<(Self, Found), StoreError> {
        fs::create_dir_all(folder).map_err(|source| StoreError::io(format!("create {}", folder.display()), source))?;
        recovery::open(folder, hash, from, each)
    }

    /// Adds a record to the group; it is durable after [`Self::sync`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when it is larger than any record may be.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64, StoreError> {
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
        Ok(last.seq)
    }

    /// Bytes of the waiting group.
    pub fn waiting_bytes(&self) -> usize {
        self.group.bytes.len()
    }

    /// Makes the group durable with one fdatasync, and says where its last record is; `None` for an
    /// empty group.
    pub(super) fn sync(&mut self) -> Result<Option<Position>, SyncError> {
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
        let position = Position {
            segment: self.segment,
            offset: self.end + group.last_at as u64,
            seq: group.last.seq,
            chain: group.last.chain,
        };
        self.end += group.bytes.len() as u64;
        self.last = group.last;
        Ok(Some(position))
    }

    /// Records written so far, over the whole life of the journal.
    pub fn records(&self) -> u64 {
        self.last.seq
    }

    /// How often a group was synced since the start.
    pub fn syncs(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.syncs)
    }

    fn write(&self, group: &[u8]) -> io::Result<()> {
        self.file.write_all_at(group, self.end)?;
        self.file.sync_data()?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn rotate(&mut self, room: u64) -> Result<(), StoreError> {
        let header = SegmentHeader { first: self.last.seq + 1, chain: self.last.chain };
        let number = self.segment + 1;
        let (file, bytes) = create_segment(&self.folder, number, header, room, self.reserve_bytes)?;
        (self.file, self.bytes, self.segment, self.end) = (file, bytes, number, SEGMENT_HEADER_BYTES as u64);
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// From now on no write succeeds.
    pub(super) fn break_file(&mut self) {
        self.file = File::open(path(&self.folder, self.segment)).unwrap();
    }

    /// From now on there is no room for another segment.
    pub(super) fn fill_disk(&mut self) {
        self.reserve_bytes = u64::MAX;
    }
}

/// Takes the records of a journal, each with its position.
pub type Each<'a> = &'a mut dyn FnMut(&Position, &[u8]) -> Result<(), StoreError>;

/// Creates a durable segment with room for a group of `room` bytes, or leaves nothing behind.
fn create_segment(
    folder: &Path,
    number: u32,
    header: SegmentHeader,
    room: u64,
    reserve: u64,
) -> Result<(File, u64), StoreError> {
    let bytes = JOURNAL_SEGMENT_BYTES.max(SEGMENT_HEADER_BYTES as u64 + room + RECORD_HEADER_BYTES as u64);
    let (free_bytes, needed_bytes) = (free_bytes(folder)?, bytes.saturating_add(reserve));
    if free_bytes < needed_bytes {
        return Err(StoreError::Full { folder: folder.display().to_string(), free_bytes, needed_bytes });
    }
    let path = path(folder, number);
    let create = || {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        preallocate(&file, bytes)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_all()?;
        sync_folder(folder)?;
        Ok(file)
    };
    create().map(|file| (file, bytes)).map_err(|source| {
        drop(fs::remove_file(&path));
        StoreError::io(format!("create {}", path.display()), source)
    })
}

/// Reserves the space, so that no later write can fail for lack of it or has to wait for metadata.
fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => zeros(file, bytes),
        other => other.map_err(io::Error::from),
    }
}

fn zeros(file: &File, bytes: u64) -> io::Result<()> {
    let block = vec![0; 1024 * 1024];
    let mut at = 0;
    while at < bytes {
        let part = block.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        file.write_all_at(&block[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

fn path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:08}.log"))
}
