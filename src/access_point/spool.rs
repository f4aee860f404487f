//! An envelope being written aside: counted, digested, bounded.

use super::store_problem;
use crate::crypto::Digesting;
use crate::model::{BlobId, Fault, Message, Problem};
use crate::store::{BlobWriter, Blobs, StoreError};
use std::fs::File;
use std::io::{self, Read, Seek, Write};

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
        self.writer.inner().reopen()
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.writer.inner().bytes()
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
                format!("found more than {0} bytes, expected at most {0} (limits.envelope_bytes_max)", self.bytes_max),
            ));
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A stored envelope, read from its start and held against the digest of its message at its end: a disk may give back other
/// bytes than it took.
pub(super) struct Kept {
    file: File,
    digest: Digesting<io::Sink>,
    expected: String,
}

/// Why a stored envelope cannot be had.
pub(super) enum Unread {
    /// It is not there, or not what was stored: it gets no better until somebody brings it back.
    Damaged(Problem),
    /// The disk does not give it now.
    Failed(Problem),
}

impl Unread {
    /// What was found, expected, and to be done.
    pub(super) fn problem(self) -> Problem {
        let (Self::Damaged(problem) | Self::Failed(problem)) = self;
        problem
    }
}

impl Kept {
    /// Opens the envelope of a message.
    pub(super) fn open(blobs: &Blobs, message: &Message) -> Result<Self, Unread> {
        let gone = || damaged("the envelope is no longer there");
        let blob = message.envelope.ok_or_else(gone)?;
        let file = blobs.open(blob).map_err(|error| match error {
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => gone(),
            error => Unread::Failed(store_problem(&error)),
        })?;
        Ok(Self { file, digest: Digesting::new(io::sink()), expected: message.envelope_sha256.clone() })
    }

    /// Reads what was left, and says whether all of it is what was stored.
    pub(super) fn whole(self) -> Result<(), Unread> {
        self.proven().map(drop)
    }

    /// As [`Self::whole`]; gives the file, at its start again.
    pub(super) fn proven(mut self) -> Result<File, Unread> {
        let failed = |error: io::Error| Unread::Failed(unfit(&error.to_string()));
        io::copy(&mut self, &mut io::sink()).map_err(failed)?;
        let Self { mut file, digest, expected } = self;
        let (_, found) = digest.finish();
        if found != expected {
            return Err(damaged(&format!("found an envelope with SHA-256 {found}, expected {expected}")));
        }
        file.rewind().map_err(failed)?;
        Ok(file)
    }
}

impl Read for Kept {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.digest.write_all(bytes.get(..read).unwrap_or_default())?;
        Ok(read)
    }
}

fn damaged(detail: &str) -> Unread {
    Unread::Damaged(unfit(detail))
}

/// What is kept is not what was stored. An operator may bring it back.
fn unfit(detail: &str) -> Problem {
    Problem::new(
        Fault::Temporary,
        "store-damaged",
        "the envelope is not as it was stored",
        format!(
            "{detail}; look at the disk of data_dir, restore the payload from a backup, then `sluss queue retry`; without a \
             backup, ask its sender to send it again"
        ),
    )
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
pub fn spool_problem(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            Problem::new(Fault::Refused, "too-large", "the envelope is too large", format!("{error}; send it in parts"))
                .rule("AS4-2.8.a")
        }
        io::ErrorKind::StorageFull if is_crowded(error) => Problem::new(
            Fault::Temporary,
            "spool-full",
            "too much is being received at once",
            format!("{error}; nothing was kept; try again"),
        ),
        io::ErrorKind::StorageFull => Problem::new(
            Fault::Temporary,
            "disk-full",
            "the disk is full",
            format!("{error}; nothing was kept; free space or give data_dir a larger disk, then try again"),
        ),
        _ => Problem::new(
            Fault::Temporary,
            "broken-off",
            "the transfer was broken off",
            format!("{error}; nothing was kept; try again"),
        ),
    }
}

/// Whether it is not the disk that is full, but the room for what is being written.
fn is_crowded(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>());
    matches!(inner, Some(StoreError::Crowded { .. }))
}
