//! What clients send us: the body of a request as a reader, bounded in size and in time, so that a
//! slow client holds neither a thread nor the disk for ever.

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::io::StreamReader;

/// How many pieces of a body wait for the thread that reads it.
const PIECES_WAITING_MAX: usize = 8;

/// Why the body of a request was not read to its end. Comes inside an [`io::Error`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// The client went away.
    #[error("the request ended before its content: {0}")]
    Broken(String),
    /// Nothing came for too long, or the whole took too long.
    #[error("the content of the request came too slowly: {0}")]
    Slow(String),
    /// Longer than allowed.
    #[error("the content of the request is larger than {0} bytes")]
    TooLarge(u64),
}

impl BodyError {
    /// Finds the body's error inside an error of a reader.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

impl From<BodyError> for io::Error {
    fn from(fault: BodyError) -> Self {
        let kind = match fault {
            BodyError::Broken(_) => io::ErrorKind::UnexpectedEof,
            BodyError::Slow(_) => io::ErrorKind::TimedOut,
            BodyError::TooLarge(_) => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, fault)
    }
}

/// What one body may cost.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Size in bytes.
    pub bytes_max: u64,
    /// Longest pause.
    pub idle: Duration,
    /// Longest time for the whole.
    pub whole: Duration,
}

impl BodyLimits {
    /// `bytes_max` bytes in the time that `limits` gives a body.
    pub fn bytes(bytes_max: u64) -> Self {
        Self { bytes_max, idle: crate::limits::SERVER_IDLE_MAX, whole: crate::limits::SERVER_BODY_MAX }
    }
}

/// The pieces of a body, bounded.
pub fn pieces(body: Body, limits: BodyLimits) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    let end = Instant::now() + limits.whole;
    let start = Some((body.into_data_stream(), 0_u64));
    futures_util::stream::unfold(start, move |state| async move {
        let (mut stream, before) = state?;
        let patience = limits.idle.min(end.saturating_duration_since(Instant::now()));
        let next = tokio::time::timeout(patience, stream.next()).await;
        let bytes = match next {
            Err(_) => return Some((Err(slow(limits, end)), None)),
            Ok(None) => return None,
            Ok(Some(Err(fault))) => return Some((Err(BodyError::Broken(fault.to_string())), None)),
            Ok(Some(Ok(bytes))) => bytes,
        };
        let so_far = before + bytes.len() as u64;
        if so_far > limits.bytes_max {
            return Some((Err(BodyError::TooLarge(limits.bytes_max)), None));
        }
        Some((Ok(bytes), Some((stream, so_far))))
    })
}

fn slow(limits: BodyLimits, end: Instant) -> BodyError {
    BodyError::Slow(if Instant::now() >= end {
        format!("not complete after {} s", limits.whole.as_secs_f32())
    } else {
        format!("nothing for {} s", limits.idle.as_secs_f32())
    })
}

/// The pieces of one body, boxed.
type PieceStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// The body as an asynchronous reader, and what remains of it when its reader has gone. Errors hold
/// a [`BodyError`].
pub fn reader(body: Body, limits: BodyLimits) -> (impl AsyncRead + Send + Unpin + 'static, Remains) {
    let (stream, remains) = lend(body, limits);
    (StreamReader::new(stream), remains)
}

/// The same as a stream.
pub(super) fn lend(
    body: Body,
    limits: BodyLimits,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static, Remains) {
    let left = Arc::new(Mutex::new(Left::default()));
    let stream: PieceStream = Box::pin(pieces(body, limits).fuse());
    let lent = Lent { stream: Some(stream), left: left.clone() };
    (lent, Remains { left })
}

/// What a reader leaves behind: why it failed, and the rest that nobody read.
#[derive(Debug)]
pub struct Remains {
    left: Arc<Mutex<Left>>,
}

#[derive(Default)]
struct Left {
    fault: Option<BodyError>,
    stream: Option<PieceStream>,
}

impl std::fmt::Debug for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Left({:?})", self.fault)
    }
}

impl Remains {
    /// Why the reader failed, where it did.
    pub fn fault(&self) -> Option<BodyError> {
        self.lock().fault.clone()
    }

    /// Reads the rest and throws it away, as [`drain`] does. To be called when the reader has gone.
    pub async fn drain(self, bytes_max: u64) {
        let stream = self.lock().stream.take();
        if let Some(stream) = stream {
            exhaust(stream, bytes_max).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The stream as long as a reader has it; goes back when the reader is dropped.
struct Lent {
    stream: Option<PieceStream>,
    left: Arc<Mutex<Left>>,
}

impl Stream for Lent {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let next = ready!(stream.as_mut().poll_next(cx));
        if let Some(Err(fault)) = &next {
            self.keep(|left| left.fault = Some(fault.clone()));
        }
        Poll::Ready(next.map(|piece| piece.map_err(io::Error::from)))
    }
}

impl Lent {
    fn keep(&self, change: impl FnOnce(&mut Left)) {
        change(&mut self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let stream = self.stream.take();
        self.keep(|left| left.stream = stream);
    }
}

/// The body as a blocking reader, for the formats, which are synchronous. Errors hold a [`BodyError`].
///
/// A task of the runtime takes the pieces from the connection, with the time limits; dropping the
/// reader ends it.
#[derive(Debug)]
pub struct BodyReader {
    pieces: mpsc::Receiver<Result<Bytes, BodyError>>,
    rest: Bytes,
    ended: bool,
}

impl BodyReader {
    /// Starts to take the body from the connection. Needs the runtime; read only outside of it
    /// (`spawn_blocking`).
    pub fn new(body: Body, limits: BodyLimits) -> Self {
        let (sender, pieces_in) = mpsc::channel(PIECES_WAITING_MAX);
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(pieces(body, limits));
            while let Some(piece) = stream.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Self { pieces: pieces_in, rest: Bytes::new(), ended: false }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(fault)) => {
                    self.ended = true;
                    return Err(fault.into());
                }
                None => self.ended = true,
            }
        }
        let taken = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

/// Reads and throws away at most `bytes_max` bytes of a body that is refused, for at most a few
/// seconds: a client that is still writing would otherwise see a broken connection and not the answer.
pub async fn drain(body: Body, bytes_max: u64) {
    exhaust(Box::pin(pieces(body, BodyLimits::bytes(bytes_max))), bytes_max).await;
}

async fn exhaust(mut stream: PieceStream, bytes_max: u64) {
    let all = async {
        let mut read = 0;
        while let Some(Ok(bytes)) = stream.next().await {
            read += bytes.len() as u64;
            if read > bytes_max {
                return;
            }
        }
    };
    // A client that dawdles with what is not wanted is let go.
    let _ = tokio::time::timeout(DRAIN_MAX, all).await;
}

const DRAIN_MAX: Duration = Duration::from_secs(5);
