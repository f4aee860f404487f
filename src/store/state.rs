//! Whether the index may be trusted. sled does not sync what it writes before it says so; that is
//! harmless while the operating system runs, since a killed process leaves its writes to it. So an
//! index is trusted when it was closed in order, or was last open since the machine started, and is
//! built again from the journal otherwise.

use crate::store::StoreError;
use crate::store::blob::sync_folder;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The store's lock, and the mark that tells the next start whether this one ended in order. To be
/// dropped after the index.
#[derive(Debug)]
pub(super) struct Closing {
    folder: PathBuf,
    in_order: AtomicBool,
    distrusted: AtomicBool,
    _lock: File,
}

impl Closing {
    /// Locks the folder, and says whether its index may be trusted or why not.
    pub(super) fn open(folder: &Path) -> Result<(Self, Result<(), String>), StoreError> {
        let failed = |source| StoreError::io(format!("data folder {}", folder.display()), source);
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(folder.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Locked { folder: folder.display().to_string() },
            TryLockError::Error(source) => failed(source),
        })?;
        let closing = Self {
            folder: folder.to_owned(),
            in_order: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            _lock: lock,
        };
        let (before, boot) = (fs::read_to_string(closing.path()).unwrap_or_default(), boot());
        let trusted = match before.trim() {
            open if open == boot && !boot.is_empty() => Ok(()),
            _ if before.starts_with(CLOSED) => {
                let unchanged = files(&closing.index()).is_ok_and(|files| before == format!("{CLOSED}{files}"));
                if unchanged { Ok(()) } else { Err("its files were changed since it was closed".to_owned()) }
            }
            DISTRUSTED => Err("it failed while it was open".to_owned()),
            _ => Err("the machine stopped while it was open".to_owned()),
        };
        closing.mark(&boot).map_err(failed)?;
        Ok((closing, trusted))
    }

    /// The index was flushed, and nothing is written any more.
    pub(super) fn in_order(&self) {
        self.in_order.store(true, Ordering::Relaxed);
    }

    /// The index is not to be trusted at the next start.
    pub(super) fn distrust(&self) {
        // Where even this cannot be written, the next start will find the disk at fault, too.
        self.distrusted.store(true, Ordering::Relaxed);
        drop(self.mark(DISTRUSTED));
    }

    fn mark(&self, state: &str) -> io::Result<()> {
        let aside = self.folder.join("index.state.new");
        let mut file = File::create(&aside)?;
        file.write_all(state.as_bytes())?;
        file.sync_all()?;
        fs::rename(aside, self.path())?;
        sync_folder(&self.folder)
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn path(&self) -> PathBuf {
        self.folder.join("index.state")
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.in_order.load(Ordering::Relaxed) && !self.distrusted.load(Ordering::Relaxed) {
            // Without the mark, the next start decides by the run of the machine.
            drop(sync_all(&self.index()).and_then(|()| self.mark(&format!("{CLOSED}{}", files(&self.index())?))));
        }
    }
}

/// Moves an index out of the way to `index.{name}`; the one moved there before is removed.
pub(super) fn set_aside(index: &Path, name: &str) -> Result<(), StoreError> {
    let aside = index.with_extension(name);
    let moved = remove(&aside).and_then(|()| if index.exists() { fs::rename(index, &aside) } else { Ok(()) });
    moved.map_err(|source| StoreError::io(format!("move {} aside", index.display()), source))
}

/// Removes what an interrupted snapshot leaves behind: sled would not open (sled issue 1527).
pub(super) fn remove_leftovers(index: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io(format!("index folder {}", index.display()), source);
    if !index.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(index).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync_all(&path)? } else { File::open(&path)?.sync_all()? }
    }
    sync_folder(folder)
}

/// Names, sizes and times of the files below `folder`, in order.
fn files(folder: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, found) = (entry.file_name(), entry.metadata()?);
        lines.push(match found.is_dir() {
            true => files(&entry.path())?,
            false => format!("{} {} {}.{:09}\n", name.display(), found.len(), found.mtime(), found.mtime_nsec()),
        });
    }
    lines.sort();
    Ok(lines.concat())
}

/// Names the present run of the operating system; empty where it cannot be told.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The mark of an index that was closed in order; the list of its files follows.
const CLOSED: &str = "closed\n";
/// The mark of an index that failed.
const DISTRUSTED: &str = "distrusted";
