//! An envelope being written aside: counted, digested, bounded.

use super::store_problem;
use crate::as4;
use crate::crypto::Digesting;
use crate::model::{BlobId, Fault, Problem};
use crate::store::{BlobWriter, Blobs, StoreError};
use std::fs::File;
use std::io::{self, Write};

/// Where an envelope is written to. It vanishes unless it is kept.
pub struct Spool {
    writer: Digesting<BlobWriter>,
    bytes_max: u64,
}

impl Spool {
    /// A new file aside.
    pub(super) fn create(blobs: &Blobs, expected_bytes: Option<u64>, bytes_max: u64) -> Result<Self, Problem> {
        if let Some(bytes) = expected_bytes.filter(|bytes| *bytes > bytes_max) {
            return Err(too_large(bytes, bytes_max));
        }
        let writer = blobs.create(expected_bytes).map_err(|error| store_problem(&error))?;
        Ok(Self { writer: Digesting::new(writer), bytes_max })
    }

    /// What was written so far, from its start.
    pub fn reopen(&self) -> io::Result<File> {
        self.writer.get_ref().reopen()
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.writer.get_ref().bytes()
    }

    /// Makes it durable; gives its id, its size in bytes and its SHA-256 in hexadecimal.
    pub(super) fn keep(self) -> Result<(BlobId, u64, String), StoreError> {
        let bytes = self.bytes();
        let (writer, sha256) = self.writer.finish();
        Ok((writer.commit()?, bytes, sha256))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes() + bytes.len() as u64 > self.bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("larger than the limit of {} bytes", self.bytes_max),
            ));
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The answer to an envelope over the limit.
fn too_large(bytes: u64, bytes_max: u64) -> Problem {
    Problem::new(
        Fault::Refused,
        "too-large",
        "the envelope is too large",
        format!("found {bytes} bytes, expected at most {bytes_max} (limits.envelope_bytes_max); send it in parts"),
    )
    .rule("AS4-2.8.a")
}

/// A failure while an envelope was spooled, as its sender sees it.
pub(super) fn spool_problem(error: &io::Error, bytes_max: u64) -> Problem {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Problem::new(Fault::Refused, "too-large", "the envelope is too large", format!("found more than {bytes_max} bytes, expected at most {bytes_max} (limits.envelope_bytes_max); send it in parts")).rule("AS4-2.8.a"),
        io::ErrorKind::StorageFull if is_crowded(error) => Problem::new(Fault::Temporary, "spool-full", "too much is being received at once", format!("{error}; nothing was kept; try again")),
        io::ErrorKind::StorageFull => Problem::new(Fault::Temporary, "disk-full", "the disk is full", format!("{error}; nothing was kept; free space or give data_dir a larger disk, then try again")),
        _ => Problem::new(Fault::Temporary, "broken-off", "the transfer was broken off", format!("{error}; nothing was kept; try again")),
    }
}

/// Whether it is not the disk that is full, but the room for what is being written.
fn is_crowded(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>());
    matches!(inner, Some(StoreError::Crowded { .. }))
}

/// Payload files for the parts of a message that comes in. They vanish unless kept.
pub(super) struct Parts<'b> {
    blobs: &'b Blobs,
    files: Vec<Digesting<BlobWriter>>,
    failed: Option<StoreError>,
}

impl<'b> Parts<'b> {
    pub(super) fn new(blobs: &'b Blobs) -> Self {
        Self { blobs, files: Vec::new(), failed: None }
    }

    /// Makes the first part durable; gives its id, its size in bytes and its SHA-256 in hexadecimal. None where no part came.
    pub(super) fn keep(self) -> Result<Option<(BlobId, u64, String)>, StoreError> {
        let Some(file) = self.files.into_iter().next() else { return Ok(None) };
        let (file, sha256) = file.finish();
        let bytes = file.bytes();
        Ok(Some((file.commit()?, bytes, sha256)))
    }

    /// What our own disk refused, if it did: that is our failure, not the peer's.
    pub(super) fn failed(&mut self) -> Option<StoreError> {
        self.failed.take()
    }
}

impl as4::Spool for Parts<'_> {
    fn create(&mut self, _index: usize) -> io::Result<Box<dyn Write + '_>> {
        match self.blobs.create(None) {
            Ok(file) => self.files.push(Digesting::new(file)),
            Err(error) => {
                let told = io::Error::other(error.to_string());
                self.failed = Some(error);
                return Err(told);
            }
        }
        self.files
            .last_mut()
            .map(|file| -> Box<dyn Write + '_> { Box::new(file) })
            .ok_or_else(|| io::Error::other("no file"))
    }
}
