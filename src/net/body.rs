//! What we send: pieces from memory and from files, one after the other, with an exact length.

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
    File { file: File, bytes: u64 },
}

/// A file that was shorter than it was when it was added, or that could not be read.
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
    pub fn file(mut self, mut file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        file.rewind()?;
        self.bytes += bytes;
        self.pieces.push_back(Piece::File { file, bytes });
        Ok(self)
    }

    /// Reads its small files now: while they are sent, each would want a thread of its own and a wait for it. Blocks.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or is shorter than it was when it was added.
    pub fn loaded(mut self) -> io::Result<Self> {
        for piece in &mut self.pieces {
            if let Piece::File { file, bytes } = piece
                && *bytes <= READ_BYTES as u64
            {
                let mut content = vec![0; usize::try_from(*bytes).map_err(io::Error::other)?];
                file.read_exact(&mut content)?;
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
}

impl Pieces {
    /// The next bytes of the open file; `None` at its end.
    fn poll_file(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendFault>>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(None);
        };
        let next = ready!(Pin::new(&mut open.stream).poll_next(cx));
        Poll::Ready(match next {
            Some(Ok(bytes)) => {
                open.left -= bytes.len() as u64;
                Some(Ok(bytes))
            }
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
                Some(Piece::File { file, bytes }) => {
                    let file = tokio::fs::File::from_std(file).take(bytes);
                    self.open = Some(OpenFile { stream: ReaderStream::with_capacity(file, READ_BYTES), left: bytes });
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
