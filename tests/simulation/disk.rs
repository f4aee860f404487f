//! A disk that does what disks do at their worst: it loses what was not synced, in any order and by sectors, it fails, fills up and
//! flips bits, and stops between any two steps.

mod file;

use crate::chance::Chance;
use crate::keys::MemoryKeys;
use file::SimFile;
use rustix::fs::MemfdFlags;
use sluss::model::MessageId;
use sluss::store::StoreError;
use sluss::store::disk::{Disk, DiskFile};
use sluss::store::keys::Keys;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: usize = 512;

/// What the disk is worth at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Health {
    /// Of a thousand steps, how many fail.
    pub(crate) fails: usize,
    /// No space for anything new.
    pub(crate) full: bool,
    /// Nobody is told that there is none before it is used: a quota, or others who fill the disk.
    pub(crate) hidden: bool,
}

#[derive(Debug)]
enum Change {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

/// A file: as a process sees it, as a power cut would leave it at best, and what lies between.
#[derive(Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Naming {
    Folder(PathBuf),
    Created(PathBuf, u64),
    Renamed(PathBuf, PathBuf, u64),
    Removed(PathBuf),
}

#[derive(Debug)]
struct State {
    chance: Chance,
    health: Health,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    naming: Vec<Naming>,
    folders: BTreeSet<PathBuf>,
    durable_folders: BTreeSet<PathBuf>,
    indexes: BTreeMap<PathBuf, Arc<MemoryKeys>>,
    /// Whether a power cut leaves an index as it once was, or in any state.
    lasting: bool,
    locked: BTreeSet<PathBuf>,
    steps: u64,
    stops_at: Option<u64>,
    stopped: bool,
    /// The step that fails.
    fails_at: Option<u64>,
    process: u64,
    boot: u64,
    flipped: Option<(PathBuf, usize, u8)>,
}

/// The disk as one process has it.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
    process: u64,
}

fn gone() -> io::Error {
    io::Error::other("the process has stopped")
}

impl State {
    /// One step of a process, if it is still there.
    fn step(&mut self, process: u64, writes: bool) -> io::Result<()> {
        if self.stopped || process != self.process {
            return Err(gone());
        }
        self.steps += 1;
        if self.stops_at.is_some_and(|at| self.steps >= at) {
            self.stopped = true;
            return Err(gone());
        }
        let weak = self.health.fails > 0 && self.chance.below(1000) < self.health.fails;
        if weak || self.fails_at == Some(self.steps) {
            return Err(io::Error::from_raw_os_error(5));
        }
        if writes && self.health.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// How much of so many bytes is read or written in one go: where the disk is weak, not always all.
    fn some_of(&mut self, bytes: usize) -> usize {
        if self.health.fails > 0 && bytes > 1 && self.chance.percent(10) {
            1 + self.chance.below(bytes - 1)
        } else {
            bytes
        }
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn id(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn settle_name(&mut self, naming: Naming) {
        let durable = &mut self.durable;
        match naming {
            Naming::Folder(path) => drop(self.durable_folders.insert(path)),
            Naming::Created(path, id) => {
                if !durable.values().any(|other| *other == id) {
                    durable.insert(path, id);
                }
            }
            Naming::Renamed(from, to, id) => {
                durable.retain(|_, other| *other != id);
                durable.remove(&from);
                durable.insert(to, id);
            }
            Naming::Removed(path) => {
                durable.remove(&path);
            }
        }
    }

    /// What a power cut leaves.
    fn cut_power(&mut self) {
        for naming in std::mem::take(&mut self.naming) {
            if self.chance.percent(50) {
                self.settle_name(naming);
            }
        }
        // What lies in a folder without a name is nowhere.
        let of_all = self.durable_folders.clone();
        let lasts =
            |path: &Path| path.ancestors().skip(1).all(|above| above == Path::new("/") || of_all.contains(above));
        self.durable_folders.retain(|folder| lasts(folder));
        self.durable.retain(|path, _| lasts(path));
        self.folders = self.durable_folders.clone();
        self.names = self.durable.clone();
        let mode = self.chance.below(3);
        for inode in self.inodes.values_mut() {
            for write in std::mem::take(&mut inode.pending) {
                match write {
                    Change::Length(bytes) if mode != 0 && self.chance.percent(50) => inode.durable.resize(bytes, 0),
                    Change::Bytes(at, bytes) if mode != 0 => {
                        let mut from = 0;
                        while from < bytes.len() {
                            let to = (((at + from) / SECTOR + 1) * SECTOR - at).min(bytes.len());
                            if mode == 2 || self.chance.percent(60) {
                                put(&mut inode.durable, at + from, &bytes[from..to]);
                            }
                            from = to;
                        }
                    }
                    _ => {}
                }
            }
            inode.seen = inode.durable.clone();
        }
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|id, _| named.contains(id));
        self.boot += 1;
        let lasting = self.lasting;
        for index in self.indexes.values() {
            if lasting { index.kill(&mut self.chance) } else { index.cut_power(&mut self.chance) }
        }
    }

    fn kill(&mut self) {
        for index in self.indexes.values() {
            index.kill(&mut self.chance);
        }
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, more: &[u8]) {
    if bytes.len() < at + more.len() {
        bytes.resize(at + more.len(), 0);
    }
    bytes[at..at + more.len()].copy_from_slice(more);
}

impl SimDisk {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let state = State {
            lasting: chance.percent(50),
            chance,
            health: Health::default(),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            naming: Vec::new(),
            folders: BTreeSet::new(),
            durable_folders: BTreeSet::new(),
            indexes: BTreeMap::new(),
            locked: BTreeSet::new(),
            steps: 0,
            stops_at: None,
            stopped: false,
            fails_at: None,
            process: 0,
            boot: 1,
            flipped: None,
        };
        Self { state: Arc::new(Mutex::new(state)), process: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn health(&self, health: Health) {
        self.state().health = health;
    }

    /// The process ends after so many further steps.
    pub(crate) fn stop_after(&self, steps: u64) {
        let mut state = self.state();
        state.stops_at = Some(state.steps + steps);
    }

    /// One step fails, after so many further ones.
    pub(crate) fn fail_after(&self, steps: u64) {
        let mut state = self.state();
        state.fails_at = Some(state.steps + steps);
    }

    /// Whether the step that fails was reached.
    pub(crate) fn failed(&self) -> bool {
        let state = self.state();
        state.fails_at.is_some_and(|at| at <= state.steps)
    }

    pub(crate) fn stopped(&self) -> bool {
        self.state().stopped
    }

    /// Another process has the disk, after this one was killed or the machine lost its power.
    pub(crate) fn restart(&self, power: bool) -> Self {
        let mut state = self.state();
        if power {
            state.cut_power()
        } else {
            state.kill()
        }
        state.process += 1;
        (state.stopped, state.stops_at) = (false, None);
        state.locked.clear();
        Self { state: Arc::clone(&self.state), process: state.process }
    }

    /// The same disk for a process after one that ended in order.
    pub(crate) fn reopened(&self) -> Self {
        let mut state = self.state();
        state.process += 1;
        (state.stopped, state.stops_at) = (false, None);
        Self { state: Arc::clone(&self.state), process: state.process }
    }

    /// Flips a bit of what lies on the disk, and says where.
    pub(crate) fn flip(&self) -> Option<PathBuf> {
        let mut state = self.state();
        let places: Vec<(PathBuf, u64)> = state.names.iter().map(|(path, id)| (path.clone(), *id)).collect();
        let at = state.chance.below(places.len());
        let (path, id) = places.get(at)?.clone();
        let bytes = state.inodes.get(&id)?.seen.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let (at, bit) = (state.chance.below(bytes), 1_u8 << state.chance.below(8));
        if bytes == 0 {
            return None;
        }
        state.flipped = Some((path.clone(), at, bit));
        drop(state);
        self.turn();
        Some(path)
    }

    fn turn(&self) {
        let mut state = self.state();
        let Some((path, at, bit)) = state.flipped.clone() else { return };
        if let Some(inode) = state.names.get(&path).copied().and_then(|id| state.inodes.get_mut(&id)) {
            for bytes in [&mut inode.seen, &mut inode.durable] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bit;
                }
            }
        }
    }

    /// The disk has lost the journal's end from somewhere behind its first record on: the rest of a segment, and all later ones.
    pub(crate) fn lose_end(&self, journal: &Path, chance: &mut Chance) {
        let mut state = self.state();
        let of_journal = state.names.iter().filter(|(path, _)| path.starts_with(journal));
        let segments: Vec<(PathBuf, u64)> = of_journal.map(|(path, id)| (path.clone(), *id)).collect();
        let first = chance.below(segments.len());
        for (path, _) in &segments[first + 1..] {
            state.names.remove(path);
            state.durable.remove(path);
        }
        let inode = state.inode(segments[first].1).unwrap();
        let record = usize::try_from(u32::from_le_bytes(inode.seen[64..68].try_into().unwrap())).unwrap() + 56;
        let from = if first == 0 { 64 + record } else { 64 };
        let end = inode.seen.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let at = from + chance.below(end.saturating_sub(from));
        inode.seen[at..].fill(0);
        (inode.durable, inode.pending) = (inode.seen.clone(), Vec::new());
    }

    /// Everything on the disk, to be brought back: what a backup holds.
    pub(crate) fn image(&self) -> Image {
        let state = self.state();
        let files = state.names.iter().map(|(path, id)| (path.clone(), state.inodes[id].seen.clone()));
        Image(files.collect())
    }

    /// Brings an image back; the index is not in it.
    pub(crate) fn restore(&self, image: &Image) {
        let mut state = self.state();
        state.flipped = None;
        (state.inodes, state.names, state.naming) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (id, (path, bytes)) in (1 << 40..).zip(&image.0) {
            state.inodes.insert(id, Inode { seen: bytes.clone(), durable: bytes.clone(), pending: Vec::new() });
            state.names.insert(path.clone(), id);
        }
        state.durable = state.names.clone();
        state.durable_folders = state.folders.clone();
        state.indexes.clear();
        state.boot += 1;
    }

    /// The index cannot give this message any more, or can again.
    pub(crate) fn unreadable(&self, id: Option<MessageId>) {
        let end = id.map(|id| id.0.as_bytes().to_vec());
        self.state().indexes.values().for_each(|index| index.unreadable(end.clone()));
    }

    pub(crate) fn damage_index(&self) {
        let mut state = self.state();
        let how = state.chance.below(3);
        match how {
            0 => state.indexes.clear(),
            _ => state.indexes.values().for_each(|index| index.garble()),
        }
    }
}

/// What was on a disk.
#[derive(Clone, Debug)]
pub(crate) struct Image(BTreeMap<PathBuf, Vec<u8>>);

/// A handle of the operating system on bytes in memory.
fn handle(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("simulated", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

impl Disk for SimDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.folders.contains(path) {
            return Ok(());
        }
        state.step(self.process, true)?;
        let missing: Vec<&Path> = path.ancestors().filter(|one| *one != Path::new("/")).collect();
        for folder in missing.into_iter().rev() {
            if state.folders.insert(folder.to_owned()) {
                state.naming.push(Naming::Folder(folder.to_owned()));
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step(self.process, true)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|folder| state.folders.contains(folder)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = state.inodes.keys().next_back().map_or(1, |last| last + 1).max(state.steps);
        state.inodes.insert(id, Inode::default());
        state.names.insert(path.to_owned(), id);
        state.naming.push(Naming::Created(path.to_owned(), id));
        Ok(Box::new(SimFile { disk: self.clone(), id, lock: None }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step(self.process, false)?;
        let id = state.id(path)?;
        Ok(Box::new(SimFile { disk: self.clone(), id, lock: None }))
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path)
    }

    fn stream(&self, path: &Path) -> io::Result<File> {
        let mut state = self.state();
        state.step(self.process, false)?;
        let id = state.id(path)?;
        handle(&state.inode(id)?.seen)
    }

    fn scratch(&self, _: &Path) -> io::Result<File> {
        self.state().step(self.process, true)?;
        handle(b"")
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.step(self.process, false)?;
        if !state.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimFile { disk: self.clone(), id: 0, lock: Some(path.to_owned()) }))
    }

    fn bytes(&self, path: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.step(self.process, false)?;
        let id = state.id(path)?;
        Ok(state.inode(id)?.seen.len() as u64)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.step(self.process, false)?;
        let start = folder.join("");
        let inside = state.names.range(start..).take_while(|(path, _)| path.starts_with(folder));
        let inside = inside.filter(|(path, _)| path.parent() == Some(folder));
        Ok(inside.filter_map(|(path, _)| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(self.process, false)?;
        if let Some(index) = state.indexes.remove(from) {
            state.indexes.insert(to.to_owned(), index);
            return Ok(());
        }
        let id = state.id(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), id);
        state.naming.push(Naming::Renamed(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(self.process, false)?;
        state.id(path)?;
        state.names.remove(path);
        state.naming.push(Naming::Removed(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(self.process, false)?;
        let inside = |path: &PathBuf| path.parent() == Some(folder);
        let mut naming = std::mem::take(&mut state.naming);
        for one in naming.extract_if(.., |one| match one {
            Naming::Folder(path) | Naming::Created(path, _) | Naming::Removed(path) => inside(path),
            Naming::Renamed(from, to, _) => inside(from) || inside(to),
        }) {
            state.settle_name(one);
        }
        state.naming = naming;
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.step(self.process, false)?;
        Ok(if state.health.full && !state.health.hidden { 0 } else { 1 << 40 })
    }

    fn boot(&self) -> String {
        format!("boot {}", self.state().boot)
    }

    fn index(&self, folder: &Path) -> Result<Box<dyn Keys>, StoreError> {
        let mut state = self.state();
        state.step(self.process, false).map_err(|source| StoreError::io("the index", source))?;
        let keys = Arc::clone(state.indexes.entry(folder.to_owned()).or_default());
        drop(state);
        keys.opened()?;
        Ok(Box::new(crate::keys::Open { keys, disk: self.clone() }))
    }

    fn index_lasts(&self) -> bool {
        self.state().lasting
    }

    fn has_index(&self, folder: &Path) -> bool {
        self.state().indexes.contains_key(folder)
    }

    fn index_files(&self, folder: &Path) -> io::Result<String> {
        Ok(self.state().indexes.get(folder).ok_or(io::ErrorKind::NotFound)?.stamp())
    }

    fn sync_index(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(self.process, false)?;
        state.indexes.get(folder).ok_or(io::ErrorKind::NotFound)?.synced();
        Ok(())
    }

    fn remove_index(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(self.process, false)?;
        state.indexes.remove(folder);
        Ok(())
    }
}

impl SimDisk {
    /// A step of the index.
    pub(crate) fn index_step(&self, writes: bool) -> Result<(), StoreError> {
        self.state().step(self.process, writes).map_err(|source| StoreError::Io { what: "the index".into(), source })
    }
}
