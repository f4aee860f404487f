//! What a process does with one open file of the disk.

use super::{Change, SimDisk, gone, put};
use sluss::store::disk::DiskFile;
use std::io;
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) id: u64,
    pub(super) lock: Option<PathBuf>,
}

impl DiskFile for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.step(self.disk.process, false)?;
        let seen = &state.inode(self.id)?.seen;
        let from = seen.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let most = from.len().min(bytes.len());
        let whole = from[..most].to_vec();
        let read = state.some_of(most);
        bytes[..read].copy_from_slice(&whole[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let at = usize::try_from(offset).unwrap();
        let reserved = state.inode(self.id).is_ok_and(|inode| at + bytes.len() <= inode.seen.len());
        let (before, outcome) = (state.stopped, state.step(self.disk.process, !reserved));
        let written = match outcome {
            Ok(()) => state.some_of(bytes.len()),
            // It stops in the middle of it.
            Err(_) if state.stopped && !before => state.chance.below(bytes.len() + 1),
            Err(error) => return Err(error),
        };
        let inode = state.inode(self.id)?;
        put(&mut inode.seen, at, &bytes[..written]);
        inode.pending.push(Change::Bytes(at, bytes[..written].to_vec()));
        if state.stopped { Err(gone()) } else { Ok(written) }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(self.disk.process, false)?;
        let inode = state.inode(self.id)?;
        let bytes = usize::try_from(bytes).unwrap();
        inode.seen.resize(bytes, 0);
        inode.pending.push(Change::Length(bytes));
        Ok(())
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(self.disk.process, true)?;
        let inode = state.inode(self.id)?;
        let bytes = usize::try_from(bytes).unwrap();
        if inode.seen.len() < bytes {
            inode.seen.resize(bytes, 0);
            inode.pending.push(Change::Length(bytes));
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.step(self.disk.process, false)?;
        Ok(state.inode(self.id)?.seen.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.step(self.disk.process, false);
        let stopped = state.stopped;
        let mut chance = state.chance.fork();
        let inode = state.inode(self.id)?;
        if outcome.is_err() {
            if !stopped {
                // After a sync that failed, some of what it was for is never written, and nobody says so again.
                inode.pending.retain(|_| chance.percent(50));
            }
            return outcome;
        }
        for write in std::mem::take(&mut inode.pending) {
            match write {
                Change::Length(bytes) => inode.durable.resize(bytes, 0),
                Change::Bytes(at, bytes) => put(&mut inode.durable, at, &bytes),
            }
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if let Some(path) = self.lock.take().filter(|_| state.process == self.disk.process) {
            state.locked.remove(&path);
        }
    }
}
