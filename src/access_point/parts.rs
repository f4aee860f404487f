//! The parts of a message that comes in, spooled as they are opened.

use crate::as4;
use crate::crypto::Digesting;
use crate::model::BlobId;
use crate::store::{BlobWriter, Blobs, StoreError};
use std::io::{self, Write};

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
