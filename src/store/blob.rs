//! Payloads as files: written aside, synced, renamed, folder synced.

use super::StoreError;
use crate::model::BlobId;
use std::fs::File;
use std::io::{self, Write};

/// The folder of payload files.
#[derive(Debug)]
pub struct Blobs(());
impl Blobs {
    /// Starts a file aside. It vanishes unless committed. `expected` is the size expected, for the check of free space.
    pub fn create(&self, _expected: Option<u64>) -> Result<BlobWriter, StoreError> { todo!() }
    /// Opens a payload for reading.
    pub fn open(&self, _id: BlobId) -> Result<File, StoreError> { todo!() }
    /// Size in bytes.
    pub fn bytes(&self, _id: BlobId) -> Result<u64, StoreError> { todo!() }
    /// Removes a payload; one that is not there is no error.
    pub fn remove(&self, _id: BlobId) -> Result<(), StoreError> { todo!() }
}

/// A payload being written.
#[derive(Debug)]
pub struct BlobWriter(());
impl BlobWriter {
    /// Bytes written so far.
    pub fn bytes(&self) -> u64 { todo!() }
    /// A second handle on what was written so far, from its start (for a second pass before `commit`).
    pub fn reopen(&self) -> io::Result<File> { todo!() }
    /// Makes it durable under a new id.
    pub fn commit(self) -> Result<BlobId, StoreError> { todo!() }
}
impl Write for BlobWriter {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> { todo!() }
    fn flush(&mut self) -> io::Result<()> { todo!() }
}
