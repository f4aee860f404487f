//! The parts of a message that comes in, spooled as they are opened.

use super::inbound::{Failure, one_part};
use crate::as4::{self, Refusal};
use crate::crypto::Digesting;
use crate::model::{BlobId, Fault, Problem};
use crate::store::{BlobWriter, Blobs, StoreError};
use std::io::{self, Write};

/// Payload files for the parts. They vanish unless kept.
pub(super) struct Parts<'b> {
    blobs: &'b Blobs,
    files: Vec<Digesting<BlobWriter>>,
    failed: Option<StoreError>,
}

impl<'b> Parts<'b> {
    /// None yet.
    pub(super) fn at(blobs: &'b Blobs) -> Self {
        Self { blobs, files: Vec::new(), failed: None }
    }

    /// Makes the one part durable; gives its id, its size in bytes and its SHA-256 in hexadecimal.
    pub(super) fn keep(self) -> Result<(BlobId, u64, String), Failure> {
        let file = self.files.into_iter().next().ok_or_else(|| Failure::from(one_part(0)))?;
        let (file, sha256) = file.finish();
        let bytes = file.bytes();
        Ok((file.commit()?, bytes, sha256))
    }

    /// What our own disk refuses is our failure, not the peer's.
    pub(super) fn failure(&mut self, refusal: Refusal) -> Failure {
        match (self.failed.take(), refusal) {
            (Some(error), _) => error.into(),
            (None, Refusal::Temporary(detail)) => {
                Failure::Own(Problem::new(Fault::Temporary, "spool", "the message could not be spooled", detail))
            }
            (None, refusal) => refusal.into(),
        }
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
