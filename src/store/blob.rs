//! Payloads as files: written aside, synced, renamed, folder synced. A payload file is whole and
//! durable from the moment it has a name outside `tmp`.

use crate::limits::{DISK_CHECK_EVERY_BYTES, SPOOL_BYTES_MAX};
use crate::model::BlobId;
use crate::store::StoreError;
use crate::store::disk::{DiskFile, Medium};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The folder of payload files: `tmp` for those being written, `00` to `ff` (the first two digits
/// of the id) for those that are.
#[derive(Clone, Debug)]
pub struct Blobs {
    medium: Medium,
    folder: PathBuf,
    under_way: Arc<UnderWay>,
    /// Payloads to be removed when a backup has ended; `None` while there is none.
    kept: Arc<Mutex<Option<Vec<BlobId>>>>,
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
    pub fn at(medium: &Medium, folder: &Path) -> Result<Self, StoreError> {
        let under_way = UnderWay { bytes_max: AtomicU64::new(SPOOL_BYTES_MAX), bytes: AtomicU64::new(0) };
        let blobs = Self {
            medium: medium.clone(),
            folder: folder.to_owned(),
            under_way: Arc::new(under_way),
            kept: Arc::default(),
        };
        let failed = |source| StoreError::io(format!("payload folder {}", folder.display()), source);
        let (disk, aside) = (&medium.disk, blobs.aside());
        disk.create_folder(&aside).map_err(failed)?;
        for inner in blobs.homes() {
            disk.create_folder(&inner).map_err(failed)?;
        }
        disk.sync_folder(folder).map_err(failed)?;
        for name in disk.names(&aside).map_err(failed)? {
            disk.remove(&aside.join(name)).map_err(failed)?;
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
        let scratch = self.medium.disk.scratch(&self.aside());
        scratch.map_err(|source| StoreError::io(format!("a file in {}", self.aside().display()), source))
    }

    /// A new file aside.
    fn begin(&self) -> Result<(BlobId, PathBuf, Box<dyn DiskFile>), StoreError> {
        let id = BlobId((self.medium.name)());
        let path = self.aside().join(id.to_string());
        let file = self.medium.disk.create(&path);
        let file = file.map_err(|source| StoreError::io(format!("create payload file {}", path.display()), source))?;
        Ok((id, path, file))
    }

    /// Opens a payload for reading.
    pub fn open(&self, id: BlobId) -> Result<File, StoreError> {
        let file = self.medium.disk.stream(&self.path(id));
        file.map_err(|source| StoreError::io(format!("open payload {id}"), source))
    }

    /// Size in bytes.
    pub fn bytes(&self, id: BlobId) -> Result<u64, StoreError> {
        let found = self.medium.disk.bytes(&self.path(id));
        found.map_err(|source| StoreError::io(format!("payload {id}"), source))
    }

    /// Removes a payload; one that is not there is no error. The removal itself need not survive a
    /// power cut: what comes back is an orphan, and removed at the next start.
    pub fn remove(&self, id: BlobId) -> Result<(), StoreError> {
        if let Some(kept) = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            kept.push(id);
            return Ok(());
        }
        match self.medium.disk.remove(&self.path(id)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("remove payload {id}"), source))
            }
            _ => Ok(()),
        }
    }

    /// Keeps every payload until the answer is dropped, for a backup: what would be removed meanwhile is removed then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unfit`] while another keeps them.
    pub(super) fn keep_all(&self) -> Result<Keeping<'_>, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_some() {
            return Err(StoreError::Unfit("another backup is under way; wait for its end".into()));
        }
        *kept = Some(Vec::new());
        Ok(Keeping(self))
    }

    /// Takes room among the files being written.
    fn take(&self, bytes: u64) -> Result<(), StoreError> {
        self.under_way.take(bytes).map_err(|taken_bytes| StoreError::Crowded {
            taken_bytes,
            bytes_max: self.under_way.bytes_max.load(Ordering::Relaxed),
        })
    }

    /// Moves payloads to `lost`, where they stay until an operator has looked, also when the power fails next: a later start that
    /// found them in their homes might remove them.
    pub fn set_aside(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        let (disk, lost) = (&self.medium.disk, self.folder.join("lost"));
        let moved = || {
            disk.create_folder(&lost)?;
            disk.sync_folder(&self.folder)?;
            let mut homes = BTreeSet::new();
            for id in ids {
                let home = self.path(*id);
                disk.rename(&home, &lost.join(id.to_string()))?;
                homes.extend(home.parent().map(Path::to_owned));
            }
            disk.sync_folder(&lost)?;
            homes.iter().try_for_each(|home| disk.sync_folder(home))
        };
        if ids.is_empty() {
            return Ok(());
        }
        moved().map_err(|source| StoreError::io(format!("move payloads to {}", lost.display()), source))
    }

    /// Payloads that nothing refers to. Only true while nobody commits: at the start.
    pub fn orphans(&self, referenced: impl Fn(BlobId) -> Result<bool, StoreError>) -> Result<Vec<BlobId>, StoreError> {
        let mut orphans = Vec::new();
        for inner in self.homes() {
            let failed = |source| StoreError::io(format!("payload folder {}", inner.display()), source);
            for name in self.medium.disk.names(&inner).map_err(failed)? {
                // What is not named as a payload is not ours to remove.
                let Ok(id) = uuid::Uuid::try_parse(&name).map(BlobId) else { continue };
                if !referenced(id)? {
                    orphans.push(id);
                }
            }
        }
        Ok(orphans)
    }

    /// Bytes free for payloads and journal.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let free = self.medium.disk.free_bytes(&self.folder);
        free.map_err(|source| StoreError::io(format!("free space of {}", self.folder.display()), source))
    }

    fn room_for(&self, bytes: u64) -> Result<(), StoreError> {
        let (free_bytes, needed_bytes) = (self.free_bytes()?, bytes.saturating_add(self.medium.payload_reserve_bytes));
        if free_bytes < needed_bytes {
            return Err(StoreError::Full { folder: self.folder.display().to_string(), free_bytes, needed_bytes });
        }
        Ok(())
    }

    /// The folders of payload files.
    fn homes(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..=u8::MAX).map(|first| self.folder.join(format!("{first:02x}")))
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.folder.join(&name[..2]).join(name)
    }
}

/// While it lives, no payload is removed.
#[derive(Debug)]
pub(super) struct Keeping<'a>(&'a Blobs);

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that stays is an orphan, and removed at the next start.
        kept.into_iter().flatten().for_each(|id| drop(self.0.remove(id)));
    }
}

/// A payload being written. Dropped without [`Self::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    id: BlobId,
    path: PathBuf,
    file: Box<dyn DiskFile>,
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
        self.blobs.medium.disk.stream(&self.path)
    }

    /// Makes it durable under a new id.
    pub fn commit(mut self) -> Result<BlobId, StoreError> {
        self.publish().map_err(|source| StoreError::io(format!("commit payload {}", self.id), source))?;
        self.committed = true;
        Ok(self.id)
    }

    fn publish(&self) -> io::Result<()> {
        self.file.sync_data()?;
        let (disk, home) = (&self.blobs.medium.disk, self.blobs.path(self.id));
        disk.rename(&self.path, &home)?;
        let folder = home.parent().map_or_else(|| Err(io::ErrorKind::NotFound.into()), |home| disk.sync_folder(home));
        // A name that may not last must not be handed out.
        folder.inspect_err(|_| drop(disk.remove(&home)))
    }
}

#[cfg(test)]
impl BlobWriter {
    /// As if the disk had filled since it was begun.
    pub(super) fn fill_disk(mut self) -> Self {
        self.blobs.medium.payload_reserve_bytes = u64::MAX;
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
        let written = self.file.write_at(bytes, self.bytes);
        let kept = written.as_ref().map_or(0, |kept| *kept as u64);
        self.blobs.under_way.bytes.fetch_sub(bytes.len() as u64 - kept, Ordering::Relaxed);
        self.bytes += kept;
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        self.blobs.under_way.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if !self.committed {
            // Should this fail, the next start removes it.
            drop(self.blobs.medium.disk.remove(&self.path));
        }
    }
}
