//! What we send: pieces from memory and from files, one after the other, with an exact length.

use crate::crypto::{Digest, HashFunction, hex};
use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// How much of a file is read at once.
const READ_BYTES: usize = 128 * 1024;

/// The content of a request: its pieces in order. Files are read while they are sent, so that
/// memory does not grow with them.
#[derive(Debug, Default)]
pub struct Body {
    pieces: VecDeque<Piece>,
    bytes: u64,
}

#[derive(Debug)]
enum Piece {
    Memory(Bytes),
    File { file: File, bytes: u64, sha256: Option<String> },
}

/// A file that was shorter than it was when it was added, that has other content than it must have, or that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SendFault(String);

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds bytes at the end.
    #[must_use]
    pub fn memory(mut self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.bytes += bytes.len() as u64;
        self.pieces.push_back(Piece::Memory(bytes));
        self
    }

    /// Adds a whole file at the end, from its first byte.
    ///
    /// # Errors
    ///
    /// When its length cannot be asked for.
    pub fn file(self, file: File) -> io::Result<Self> {
        self.whole_file(file, None)
    }

    /// As [`Self::file`], of one that must have this SHA-256, in lower-case hexadecimal: a disk may give back other bytes than it
    /// took. Where it has another one, its last bytes do not leave, and the body never comes to its end.
    ///
    /// # Errors
    ///
    /// As for [`Self::file`].
    pub fn proven(self, file: File, sha256: &str) -> io::Result<Self> {
        self.whole_file(file, Some(sha256.to_owned()))
    }

    fn whole_file(mut self, mut file: File, sha256: Option<String>) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        file.rewind()?;
        self.bytes += bytes;
        self.pieces.push_back(Piece::File { file, bytes, sha256 });
        Ok(self)
    }

    /// Reads its small files now: while they are sent, each would want a thread of its own and a wait for it. Blocks.
    ///
    /// # Errors
    ///
    /// When one cannot be read, is shorter than it was when it was added, or has other content than it must have.
    pub fn loaded(mut self) -> io::Result<Self> {
        for piece in &mut self.pieces {
            if let Piece::File { file, bytes, sha256 } = piece
                && *bytes <= READ_BYTES as u64
            {
                let mut content = vec![0; usize::try_from(*bytes).map_err(io::Error::other)?];
                file.read_exact(&mut content)?;
                if let Some(mut proof) = sha256.take().map(Proof::new) {
                    proof.digest.update(&content);
                    proof.holds().map_err(io::Error::other)?;
                }
                *piece = Piece::Memory(content.into());
            }
        }
        Ok(self)
    }

    /// Length in bytes; it becomes the Content-Length.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The same as the body of an answer of ours.
    pub fn into_answer(self) -> axum::body::Body {
        axum::body::Body::new(self.into_stream())
    }

    pub(super) fn into_stream(self) -> Pieces {
        Pieces { waiting: self.pieces, open: None, left: self.bytes }
    }
}

/// The body as hyper takes it.
pub(super) struct Pieces {
    waiting: VecDeque<Piece>,
    open: Option<OpenFile>,
    left: u64,
}

struct OpenFile {
    stream: ReaderStream<tokio::io::Take<tokio::fs::File>>,
    left: u64,
    proof: Option<Proof>,
}

/// What a file has to have, and has so far.
struct Proof {
    digest: Digest,
    sha256: String,
}

impl Proof {
    fn new(sha256: String) -> Self {
        Self { digest: Digest::new(HashFunction::Sha256), sha256 }
    }

    /// Whether all of the file is what it must be.
    fn holds(self) -> Result<(), SendFault> {
        let (found, expected) = (hex(&self.digest.finish()), self.sha256);
        if found == expected {
            return Ok(());
        }
        Err(SendFault(format!("found a file with SHA-256 {found}, expected {expected}")))
    }
}

impl OpenFile {
    /// Counts what was read; its last bytes only where all of it is what it must be.
    fn take(&mut self, bytes: Bytes) -> Result<Bytes, SendFault> {
        self.left -= bytes.len() as u64;
        if let Some(proof) = &mut self.proof {
            proof.digest.update(&bytes);
        }
        match self.proof.take_if(|_| self.left == 0) {
            Some(proof) => proof.holds().map(|()| bytes),
            None => Ok(bytes),
        }
    }
}

impl Pieces {
    /// The next bytes of the open file; `None` at its end.
    fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendFault>>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(None);
        };
        let next = ready!(Pin::new(&mut open.stream).poll_next(cx));
        Poll::Ready(match next {
            Some(Ok(bytes)) => Some(open.take(bytes)),
            Some(Err(fault)) => Some(Err(SendFault(fault.to_string()))),
            None if open.left > 0 => {
                Some(Err(SendFault(format!("the file ended {} bytes before its length", open.left))))
            }
            None => None,
        })
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = SendFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SendFault>>> {
        loop {
            if let Some(read) = ready!(self.poll_file(cx)) {
                if let Ok(bytes) = &read {
                    self.left -= bytes.len() as u64;
                }
                return Poll::Ready(Some(read.map(Frame::data)));
            }
            self.open = None;
            match self.waiting.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Memory(bytes)) => {
                    self.left -= bytes.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Piece::File { file, bytes, sha256 }) => {
                    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(bytes), READ_BYTES);
                    self.open = Some(OpenFile { stream, left: bytes, proof: sha256.map(Proof::new) });
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
