//! What the store asks of a disk: one narrow trait, so that a simulation can lose, tear, reorder and
//! flip what the operating system's disk ([`SystemDisk`]) only loses once in a while.

use crate::limits::{DISK_RESERVE_BYTES, INDEX_RESERVE_BYTES, INDEX_TABLE_BYTES, JOURNAL_SEGMENT_BYTES};
use crate::store::StoreError;
use crate::store::keys::{Engine, Keys, Lsm, Sled};
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// A disk with folders and files. What is created, renamed or removed lasts when its folder was synced.
pub trait Disk: Debug + Send + Sync {
    /// Creates a folder, and those above it, for us alone. One that is there stays as it is.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Creates a file that was not there, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading only.
    fn reader(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// As [`Self::reader`], as streams of the operating system need it.
    fn stream(&self, path: &Path) -> io::Result<File>;
    /// What is in memory of a file is read from the disk the next time, where there is a difference.
    fn forget(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }
    /// A file without a name, which is gone with its handle.
    fn scratch(&self, folder: &Path) -> io::Result<File>;
    /// Locks a file, which is made when missing, for as long as the answer lives; [`io::ErrorKind::WouldBlock`] when another
    /// process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Size of a file in bytes.
    fn bytes(&self, path: &Path) -> io::Result<u64>;
    /// Names of what is in a folder, in no order.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Gives a file or folder another name; a file that had it is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes what was created, renamed or removed in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Bytes that we may still use.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
    /// Names the present run of the machine: what is written but not synced is there until it ends. Empty where it is unknown.
    fn boot(&self) -> String;
    /// Opens or creates the index in `folder`.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it: it is then to be moved aside.
    fn index(&self, folder: &Path) -> Result<Box<dyn Keys>, StoreError>;
    /// Whether an index is what it once was, even when the machine stops: it may be behind, and is never in parts.
    fn index_lasts(&self) -> bool;
    /// Whether there is an index, of whatever quality.
    fn has_index(&self, folder: &Path) -> bool;
    /// Names, sizes and times of an index' files, which change when it does.
    fn index_files(&self, folder: &Path) -> io::Result<String>;
    /// Makes a closed index durable.
    fn sync_index(&self, folder: &Path) -> io::Result<()>;
    /// Removes an index.
    fn remove_index(&self, folder: &Path) -> io::Result<()>;
}

/// A file of a [`Disk`]. What was written lasts when it was synced.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads from `offset`; fewer bytes than asked for may come, none at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; fewer bytes than given may be taken.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts it, or fills it with zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Reserves the space up to `bytes`, so that no later write can fail for lack of it or has to wait for metadata.
    fn preallocate(&self, bytes: u64) -> io::Result<()>;
    /// Size in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Makes its bytes durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes its bytes and its size durable.
    fn sync_all(&self) -> io::Result<()>;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Writes everything at `offset`.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from `offset` until `bytes` is full or the file ends, and says how much that was.
    fn read_up_to(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// Everything in it.
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.len()?).unwrap_or(usize::MAX)];
        let read = self.read_up_to(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// What a store lies on: a disk, and in which measures it is taken.
#[derive(Clone, Debug)]
pub struct Medium {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Size of a journal segment, in bytes. A group of records that is larger gets a segment of its own.
    pub segment_bytes: u64,
    /// Free space that payloads leave to the journal, in bytes.
    pub payload_reserve_bytes: u64,
    /// Free space that a new journal segment leaves to the index, in bytes.
    pub journal_reserve_bytes: u64,
    /// Where the names of payload files come from: no two may be the same.
    pub name: fn() -> Uuid,
}

impl Medium {
    /// The disk of the operating system with an index of this library, and otherwise as [`Self::system`].
    pub fn with(engine: Engine) -> Self {
        Self { disk: Arc::new(SystemDisk { engine, ..SystemDisk::default() }), ..Self::system() }
    }

    /// The disk of the operating system, with the bounds of [`limits`](crate::limits).
    pub fn system() -> Self {
        Self {
            disk: Arc::new(SystemDisk::default()),
            segment_bytes: JOURNAL_SEGMENT_BYTES,
            payload_reserve_bytes: DISK_RESERVE_BYTES,
            journal_reserve_bytes: INDEX_RESERVE_BYTES,
            name: Uuid::new_v4,
        }
    }
}

/// The disk of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemDisk {
    /// The library of the index.
    pub engine: Engine,
    /// How much of the index is in memory before it is written, in bytes; for [`Engine::Lsm`].
    pub index_table_bytes: u64,
}

impl Default for SystemDisk {
    fn default() -> Self {
        Self { engine: Engine::default(), index_table_bytes: INDEX_TABLE_BYTES }
    }
}

impl Disk for SystemDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        // What lies there may be in clear.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn stream(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn forget(&self, path: &Path) -> io::Result<()> {
        rustix::fs::fadvise(File::open(path)?, 0, None, rustix::fs::Advice::DontNeed).map_err(Into::into)
    }

    fn scratch(&self, folder: &Path) -> io::Result<File> {
        tempfile::tempfile_in(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn bytes(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        // A name that is no text is none of ours.
        fs::read_dir(folder)?
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(folder)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn boot(&self) -> String {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
    }

    fn index(&self, folder: &Path) -> Result<Box<dyn Keys>, StoreError> {
        Ok(match self.engine {
            Engine::Lsm => Box::new(Lsm::open(folder, self.index_table_bytes)?),
            Engine::Sled => Box::new(Sled::open(folder)?),
        })
    }

    fn index_lasts(&self) -> bool {
        self.engine == Engine::Lsm
    }

    fn has_index(&self, folder: &Path) -> bool {
        folder.exists()
    }

    fn index_files(&self, folder: &Path) -> io::Result<String> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (name, found) = (entry.file_name(), entry.metadata()?);
            lines.push(match found.is_dir() {
                true => self.index_files(&entry.path())?,
                false => format!("{} {} {}.{:09}\n", name.display(), found.len(), found.mtime(), found.mtime_nsec()),
            });
        }
        lines.sort();
        Ok(lines.concat())
    }

    fn sync_index(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { self.sync_index(&path)? } else { File::open(&path)?.sync_all()? }
        }
        self.sync_folder(folder)
    }

    fn remove_index(&self, folder: &Path) -> io::Result<()> {
        match fs::symlink_metadata(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(found) if found.is_dir() => fs::remove_dir_all(folder),
            Ok(_) => fs::remove_file(folder),
        }
    }
}

impl DiskFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        Self::set_len(self, bytes)
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => zeros(self, bytes),
            other => other.map_err(io::Error::from),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }
}

/// Reserves space where the file system cannot: what is not there yet is written.
fn zeros(file: &File, bytes: u64) -> io::Result<()> {
    let block = vec![0; 1024 * 1024];
    let mut at = file.metadata()?.len();
    while at < bytes {
        let part = block.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        FileExt::write_all_at(file, block.get(..part).unwrap_or_default(), at)?;
        at += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_reserved_by_zeros_leaves_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = SystemDisk::default().create(&folder.path().join("file")).unwrap();
        file.write_all_at(b"records", 0).unwrap();
        zeros(&File::options().write(true).open(folder.path().join("file")).unwrap(), 1_500_000).unwrap();
        let bytes = file.read_all().unwrap();
        assert!(bytes.len() == 1_500_000 && bytes.starts_with(b"records\0"));
    }
}
