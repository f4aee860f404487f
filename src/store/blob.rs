//! Payloads as files: written aside, synced, renamed, folder synced. A payload file is whole and
//! durable from the moment it has a name outside `tmp`.

use crate::limits::{DISK_CHECK_EVERY_BYTES, DISK_RESERVE_BYTES, SPOOL_BYTES_MAX};
use crate::model::BlobId;
use crate::store::StoreError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder of payload files: `tmp` for those being written, `00` to `ff` (the first two digits
/// of the id) for those that are.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
    reserve_bytes: u64,
    under_way: Arc<UnderWay>,
}

/// What all files being written may have together, and have, in bytes.
#[derive(Debug)]
struct UnderWay {
    bytes_max: AtomicU64,
    bytes: AtomicU64,
}

impl UnderWay {
    /// Takes room for `bytes` more; gives what is taken then where there is none.
    fn take(&self, bytes: u64) -> Result<(), u64> {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= bytes_max);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(|_| ())
    }
}

impl Blobs {
    /// Opens or creates the folder, and removes what an earlier process left half-written.
    ///
    /// The caller holds the store's lock: files of a living writer would be removed, too.
    pub fn at(folder: &Path) -> Result<Self, StoreError> {
        Self::with_reserve(folder, DISK_RESERVE_BYTES)
    }

    /// As [`Self::at`], with another reserve of free space, in bytes.
    pub fn with_reserve(folder: &Path, reserve_bytes: u64) -> Result<Self, StoreError> {
        let under_way = UnderWay { bytes_max: AtomicU64::new(SPOOL_BYTES_MAX), bytes: AtomicU64::new(0) };
        let blobs = Self { folder: folder.to_owned(), reserve_bytes, under_way: Arc::new(under_way) };
        let failed = |source| StoreError::io(format!("payload folder {}", folder.display()), source);
        // What lies there may be in clear.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(blobs.aside()).map_err(failed)?;
        for first in 0..=u8::MAX {
            let inner = folder.join(format!("{first:02x}"));
            if !inner.is_dir() {
                fs::create_dir(&inner).map_err(failed)?;
            }
        }
        sync_folder(folder).map_err(failed)?;
        for entry in fs::read_dir(blobs.aside()).map_err(failed)? {
            fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(blobs)
    }

    /// Sets how many bytes all files being written may have together, for what is written from now on.
    pub fn bound_under_way(&self, bytes_max: u64) {
        self.under_way.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Starts a file aside. It vanishes unless committed. `expected_bytes` is the size expected,
    /// for the check of free space; the check is repeated while writing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] when the payload would use up the reserve, [`StoreError::Crowded`] when others being written have
    /// all the room there is for them.
    pub fn create(&self, expected_bytes: Option<u64>) -> Result<BlobWriter, StoreError> {
        self.room_for(expected_bytes.unwrap_or(0))?;
        self.take(0)?;
        let (id, path, file) = self.begin()?;
        Ok(BlobWriter {
            blobs: self.clone(),
            id,
            path,
            file,
            bytes: 0,
            check_at: DISK_CHECK_EVERY_BYTES,
            committed: false,
        })
    }

    /// A file without a name, for what is needed as long as its handle lives.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] when the reserve is used up.
    pub fn scratch(&self) -> Result<File, StoreError> {
        self.room_for(0)?;
        let (_, path, file) = self.begin()?;
        let removed = fs::remove_file(&path);
        removed.map_err(|source| StoreError::io(format!("take the name of {}", path.display()), source))?;
        Ok(file)
    }

    /// A new file aside.
    fn begin(&self) -> Result<(BlobId, PathBuf, File), StoreError> {
        let id = BlobId(uuid::Uuid::new_v4());
        let path = self.aside().join(id.to_string());
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|source| StoreError::io(format!("create payload file {}", path.display()), source))?;
        Ok((id, path, file))
    }

    /// Opens a payload for reading.
    pub fn open(&self, id: BlobId) -> Result<File, StoreError> {
        File::open(self.path(id)).map_err(|source| StoreError::io(format!("open payload {id}"), source))
    }

    /// Size in bytes.
    pub fn bytes(&self, id: BlobId) -> Result<u64, StoreError> {
        let found = fs::metadata(self.path(id)).map_err(|source| StoreError::io(format!("payload {id}"), source))?;
        Ok(found.len())
    }

    /// Removes a payload; one that is not there is no error. The removal itself need not survive a
    /// power cut: what comes back is an orphan, and removed at the next start.
    pub fn remove(&self, id: BlobId) -> Result<(), StoreError> {
        match fs::remove_file(self.path(id)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("remove payload {id}"), source))
            }
            _ => Ok(()),
        }
    }

    /// Takes room among the files being written.
    fn take(&self, bytes: u64) -> Result<(), StoreError> {
        self.under_way.take(bytes).map_err(|taken_bytes| StoreError::Crowded {
            taken_bytes,
            bytes_max: self.under_way.bytes_max.load(Ordering::Relaxed),
        })
    }

    /// Moves a payload to `lost`, where it stays until an operator has looked.
    pub fn set_aside(&self, id: BlobId) -> Result<(), StoreError> {
        let lost = self.folder.join("lost");
        let moved = fs::create_dir_all(&lost).and_then(|()| fs::rename(self.path(id), lost.join(id.to_string())));
        moved.map_err(|source| StoreError::io(format!("move payload {id} aside"), source))
    }

    /// Payloads that nothing refers to. Only true while nobody commits: at the start.
    pub fn orphans(&self, referenced: impl Fn(BlobId) -> Result<bool, StoreError>) -> Result<Vec<BlobId>, StoreError> {
        let mut orphans = Vec::new();
        for first in 0..=u8::MAX {
            let inner = self.folder.join(format!("{first:02x}"));
            let failed = |source| StoreError::io(format!("payload folder {}", inner.display()), source);
            for entry in fs::read_dir(&inner).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                // What is not named as a payload is not ours to remove.
                let Some(id) = name.to_str().and_then(|name| uuid::Uuid::try_parse(name).ok()).map(BlobId) else {
                    continue;
                };
                if !referenced(id)? {
                    orphans.push(id);
                }
            }
        }
        Ok(orphans)
    }

    /// Bytes free for payloads and journal.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        free_bytes(&self.folder)
    }

    fn room_for(&self, bytes: u64) -> Result<(), StoreError> {
        let (free_bytes, needed_bytes) = (self.free_bytes()?, bytes.saturating_add(self.reserve_bytes));
        if free_bytes < needed_bytes {
            return Err(StoreError::Full { folder: self.folder.display().to_string(), free_bytes, needed_bytes });
        }
        Ok(())
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.folder.join(&name[..2]).join(name)
    }
}

/// A payload being written. Dropped without [`Self::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    id: BlobId,
    path: PathBuf,
    file: File,
    bytes: u64,
    check_at: u64,
    committed: bool,
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A second handle on what was written so far, from its start (for a second pass before `commit`).
    pub fn reopen(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Makes it durable under a new id.
    pub fn commit(mut self) -> Result<BlobId, StoreError> {
        self.publish().map_err(|source| StoreError::io(format!("commit payload {}", self.id), source))?;
        self.committed = true;
        Ok(self.id)
    }

    fn publish(&self) -> io::Result<()> {
        self.file.sync_data()?;
        let home = self.blobs.path(self.id);
        fs::rename(&self.path, &home)?;
        let folder = home.parent().map_or_else(|| Err(io::ErrorKind::NotFound.into()), sync_folder);
        // A name that may not last must not be handed out.
        folder.inspect_err(|_| drop(fs::remove_file(&home)))
    }
}

#[cfg(test)]
impl BlobWriter {
    /// As if the disk had filled since it was begun.
    pub(super) fn fill_disk(mut self) -> Self {
        self.blobs.reserve_bytes = u64::MAX;
        self
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes >= self.check_at {
            self.blobs.room_for(0).map_err(io::Error::from)?;
            self.check_at = self.bytes + DISK_CHECK_EVERY_BYTES;
        }
        self.blobs.take(bytes.len() as u64).map_err(io::Error::from)?;
        let written = self.file.write(bytes);
        let kept = written.as_ref().map_or(0, |kept| *kept as u64);
        self.blobs.under_way.bytes.fetch_sub(bytes.len() as u64 - kept, Ordering::Relaxed);
        self.bytes += kept;
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        self.blobs.under_way.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if !self.committed {
            // Should this fail, the next start removes it.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Bytes that an unprivileged process may still use on the file system of `folder`.
pub(super) fn free_bytes(folder: &Path) -> Result<u64, StoreError> {
    let found = rustix::fs::statvfs(folder)
        .map_err(|source| StoreError::io(format!("free space of {}", folder.display()), source.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Makes names created, renamed or removed in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
