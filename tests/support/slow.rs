//! The disk of the operating system, with syncs that take as long as a test says.

#![allow(dead_code, reason = "each test binary uses a part")]

use sluss::store::StoreError;
use sluss::store::disk::{Disk, DiskFile, Medium, SystemDisk};
use sluss::store::keys::Keys;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A slow disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlowDisk {
    disk: SystemDisk,
    pace: Arc<Pace>,
}

#[derive(Debug, Default)]
struct Pace {
    millis: AtomicU64,
    syncing: AtomicU64,
    /// Folders with names that were given or taken by a rename, and not synced since.
    renamed: Mutex<BTreeSet<PathBuf>>,
}

#[derive(Debug)]
struct SlowFile {
    file: Box<dyn DiskFile>,
    pace: Arc<Pace>,
}

impl SlowDisk {
    pub(crate) fn medium(&self) -> Medium {
        Medium { disk: Arc::new(self.clone()), ..Medium::system() }
    }

    /// From now on each sync takes so many milliseconds more.
    pub(crate) fn syncs_take(&self, millis: u64) {
        self.pace.millis.store(millis, Ordering::Relaxed);
    }

    /// Whether a sync is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.pace.syncing.load(Ordering::Relaxed) > 0
    }

    /// Folders in which a rename may not last when the power fails.
    pub(crate) fn unsynced_renames(&self) -> BTreeSet<PathBuf> {
        self.pace.renamed.lock().unwrap().clone()
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(SlowFile { file, pace: Arc::clone(&self.pace) })
    }
}

impl Pace {
    fn sync<T>(&self, sync: impl FnOnce() -> T) -> T {
        self.syncing.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(self.millis.load(Ordering::Relaxed)));
        let synced = sync();
        self.syncing.fetch_sub(1, Ordering::Relaxed);
        synced
    }
}

impl Disk for SlowDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.file(file))
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.reader(path)
    }

    fn stream(&self, path: &Path) -> io::Result<File> {
        self.disk.stream(path)
    }

    fn scratch(&self, folder: &Path) -> io::Result<File> {
        self.disk.scratch(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.lock(path)
    }

    fn bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.bytes(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.names(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)?;
        let folders = [from, to].into_iter().filter_map(Path::parent).map(Path::to_owned);
        self.pace.renamed.lock().unwrap().extend(folders);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.pace.sync(|| self.disk.sync_folder(folder))?;
        self.pace.renamed.lock().unwrap().remove(folder);
        Ok(())
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.disk.free_bytes(folder)
    }

    fn boot(&self) -> String {
        self.disk.boot()
    }

    fn index(&self, folder: &Path) -> Result<Box<dyn Keys>, StoreError> {
        self.disk.index(folder)
    }

    fn index_lasts(&self) -> bool {
        self.disk.index_lasts()
    }

    fn has_index(&self, folder: &Path) -> bool {
        self.disk.has_index(folder)
    }

    fn index_files(&self, folder: &Path) -> io::Result<String> {
        self.disk.index_files(folder)
    }

    fn sync_index(&self, folder: &Path) -> io::Result<()> {
        self.pace.sync(|| self.disk.sync_index(folder))
    }

    fn remove_index(&self, folder: &Path) -> io::Result<()> {
        self.disk.remove_index(folder)
    }
}

impl DiskFile for SlowFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.file.preallocate(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.pace.sync(|| self.file.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.pace.sync(|| self.file.sync_all())
    }
}
