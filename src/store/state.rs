//! Whether the index may be trusted. One that lasts ([`Disk::index_lasts`]) is, unless it failed or was changed since it was
//! closed. sled does not sync what it writes before it says so; that is harmless while the operating system runs, since a
//! killed process leaves its writes to it. So an index of sled's is trusted when it was closed in order, or was last open since
//! the machine started, and is built again from the journal otherwise.
//!
//! The first line of the mark says up to which record the journal went at least, so that its loss is seen without an index. It is
//! written at the start and the end, and now and then between them, since until the index is written for the first time nothing else
//! knows.

use crate::store::StoreError;
use crate::store::disk::{Disk, DiskFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The store's lock, and the mark that tells the next start whether this one ended in order. To be
/// dropped after the index.
#[derive(Debug)]
pub(super) struct Closing {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    in_order: AtomicBool,
    distrusted: AtomicBool,
    /// The journal had this record, as far as is known here.
    reached: AtomicU64,
    /// A loss of the journal's end is being accepted.
    accepting: AtomicBool,
    /// Held by who writes the mark.
    marking: Mutex<()>,
    _lock: Box<dyn DiskFile>,
}

impl Closing {
    /// Locks the folder, and says whether its index may be trusted or why not.
    pub(super) fn open(disk: &Arc<dyn Disk>, folder: &Path) -> Result<(Self, Result<(), String>), StoreError> {
        let failed = |source| StoreError::io(format!("data folder {}", folder.display()), source);
        let lock = disk.lock(&folder.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::Locked { folder: folder.display().to_string() },
            _ => failed(error),
        })?;
        let closing = Self {
            disk: Arc::clone(disk),
            folder: folder.to_owned(),
            in_order: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            reached: AtomicU64::new(0),
            accepting: AtomicBool::new(false),
            marking: Mutex::default(),
            _lock: lock,
        };
        let (before, boot) = (closing.before(), disk.boot());
        let (reached, before) = parted(&before);
        closing.reached.store(reached, Ordering::Relaxed);
        let trusted = match before.trim() {
            open if open == boot && !boot.is_empty() => Ok(()),
            open if disk.index_lasts() && ![DISTRUSTED, ACCEPTING].contains(&open) && !before.starts_with(CLOSED) => {
                Ok(())
            }
            _ if before.starts_with(CLOSED) => {
                let unchanged =
                    disk.index_files(&closing.index()).is_ok_and(|files| before == format!("{CLOSED}{files}"));
                if unchanged { Ok(()) } else { Err("its files were changed since it was closed".to_owned()) }
            }
            DISTRUSTED => Err("it failed while it was open".to_owned()),
            ACCEPTING => Err("the loss of the journal's end was being accepted".to_owned()),
            _ => Err("the machine stopped while it was open".to_owned()),
        };
        // Until it was built again, an index that is not to be trusted stays so, however often the start is broken off.
        closing.accepting.store(before.trim() == ACCEPTING, Ordering::Relaxed);
        let state = if closing.is_accepting() { ACCEPTING } else { DISTRUSTED };
        closing.mark(if trusted.is_ok() { &boot } else { state }).map_err(failed)?;
        Ok((closing, trusted))
    }

    /// Up to which record the journal went at least.
    pub(super) fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    /// Whether a loss was being accepted when the store was open last. Only then a record at the journal's end that accepts one is
    /// about what is known here.
    pub(super) fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// The loss of what is behind the journal's end, up to record `known`, is going to be accepted. Until a record of the journal
    /// says so, it is known here, whatever becomes of the index.
    pub(super) fn accept(&self, known: u64) -> Result<(), StoreError> {
        self.reached.store(known, Ordering::Relaxed);
        self.accepting.store(true, Ordering::Relaxed);
        self.marked(ACCEPTING)
    }

    /// The store is open, with a journal up to this record and an index that a killed process may leave as it is.
    pub(super) fn opened(&self, last: u64) -> Result<(), StoreError> {
        self.reached.store(last, Ordering::Relaxed);
        self.marked(&self.disk.boot())
    }

    /// The journal has this record. Says how long it took to write and sync that.
    pub(super) fn note(&self, last: u64) -> io::Result<Duration> {
        self.reached.store(last, Ordering::Relaxed);
        let distrusted = self.distrusted.load(Ordering::Relaxed);
        let boot = self.disk.boot();
        self.mark(if distrusted { DISTRUSTED } else { &boot })
    }

    fn marked(&self, state: &str) -> Result<(), StoreError> {
        let marked = self.mark(state).map(drop);
        marked.map_err(|source| StoreError::io(format!("data folder {}", self.folder.display()), source))
    }

    /// The store's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The index was flushed, and nothing is written any more behind this record.
    pub(super) fn in_order(&self, last: u64) {
        self.reached.store(last, Ordering::Relaxed);
        self.in_order.store(true, Ordering::Relaxed);
    }

    /// The index is not to be trusted at the next start.
    pub(super) fn distrust(&self) {
        // Where even this cannot be written, the next start will find the disk at fault, too.
        self.distrusted.store(true, Ordering::Relaxed);
        drop(self.mark(DISTRUSTED));
    }

    /// The index may lack what the journal has. One that lasts is whole all the same, and behind.
    pub(super) fn cut_short(&self) {
        if !self.disk.index_lasts() {
            self.distrust();
        }
    }

    /// The mark of the last start; empty where there is none.
    fn before(&self) -> String {
        let read = self.disk.open(&path(&self.folder)).and_then(|file| file.read_all());
        read.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn mark(&self, state: &str) -> io::Result<Duration> {
        let _alone = self.marking.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let aside = self.folder.join("index.state.new");
        match self.disk.remove(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.disk.create(&aside)?;
        file.write_all_at(format!("{REACHED}{}\n{state}", self.reached()).as_bytes(), 0)?;
        file.sync_all()?;
        let took = begun.elapsed();
        self.disk.rename(&aside, &path(&self.folder))?;
        self.disk.sync_folder(&self.folder).map(|()| took)
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }
}

/// The file of the mark in a store's folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("index.state")
}

/// The record up to which the journal went at least, of a mark; and the rest of it.
pub(super) fn parted(mark: &str) -> (u64, &str) {
    let parted = mark.strip_prefix(REACHED).and_then(|mark| mark.split_once('\n'));
    parted.and_then(|(reached, rest)| Some((reached.parse().ok()?, rest))).unwrap_or((0, mark))
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.in_order.load(Ordering::Relaxed) && !self.distrusted.load(Ordering::Relaxed) {
            // Without the mark, the next start decides by the run of the machine.
            let (disk, index) = (&self.disk, self.index());
            let mark = || self.mark(&format!("{CLOSED}{}", disk.index_files(&index)?));
            drop(disk.sync_index(&index).and_then(|()| mark()));
        }
    }
}

/// Moves an index out of the way to `index.{name}`; the one moved there before is removed.
pub(super) fn set_aside(disk: &dyn Disk, index: &Path, name: &str) -> Result<(), StoreError> {
    let aside = index.with_extension(name);
    let moved = disk
        .remove_index(&aside)
        .and_then(|()| if disk.has_index(index) { disk.rename(index, &aside) } else { Ok(()) });
    moved.map_err(|source| StoreError::io(format!("move {} aside", index.display()), source))
}

/// Removes what [`set_aside`] left, once another one has taken its place.
pub(super) fn clear_aside(disk: &dyn Disk, index: &Path, name: &str) {
    // What stays goes the next time.
    drop(disk.remove_index(&index.with_extension(name)));
}

/// What begins a mark, before the number of a record.
const REACHED: &str = "record ";
/// The mark of an index that was closed in order; the list of its files follows.
const CLOSED: &str = "closed\n";
/// The mark while an operator accepts a loss, until that is a record of the journal and the store open.
const ACCEPTING: &str = "accepting a loss";
/// The mark of an index that failed.
const DISTRUSTED: &str = "distrusted";
