//! What clients send us: the body of a request as a reader, bounded in size and in time, so that a
//! slow client holds neither a thread nor the disk for ever.

use crate::limits;
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
use tokio_util::io::{StreamReader, SyncIoBridge};

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
    /// Fewest bytes a second, over [`Self::rate_over`].
    pub rate_least: u64,
    /// How long a body may be slower than that.
    pub rate_over: Duration,
}

impl BodyLimits {
    /// `bytes_max` bytes in the time that `limits` gives a body.
    pub fn bytes(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            idle: limits::SERVER_IDLE_MAX,
            whole: limits::SERVER_BODY_MAX,
            rate_least: limits::SERVER_BODY_RATE_LEAST,
            rate_over: limits::SERVER_BODY_RATE_OVER,
        }
    }
}

/// The pieces of a body, bounded.
pub fn pieces(body: Body, limits: BodyLimits) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    let end = Instant::now() + limits.whole;
    let start = Some((body.into_data_stream(), 0_u64, Pace::new(limits)));
    futures_util::stream::unfold(start, move |state| async move {
        let (mut stream, before, mut pace) = state?;
        let next = match pace.within(end, stream.next()).await {
            Err(slow) => return Some((Err(slow), None)),
            Ok(next) => next?,
        };
        let bytes = match next {
            Err(fault) => return Some((Err(BodyError::Broken(fault.to_string())), None)),
            Ok(bytes) => bytes,
        };
        let so_far = before + bytes.len() as u64;
        if so_far > limits.bytes_max {
            return Some((Err(BodyError::TooLarge(limits.bytes_max)), None));
        }
        pace.came(bytes.len() as u64);
        Some((Ok(bytes), Some((stream, so_far, pace))))
    })
}

/// How fast a body comes. Only the time counts that we waited for it: a disk of ours that is slow is not the client's fault.
struct Pace {
    limits: BodyLimits,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    fn new(limits: BodyLimits) -> Self {
        Self { limits, waited: Duration::ZERO, bytes: 0 }
    }

    /// Waits for what comes next, no longer than a pause, the pace and the end of the whole allow.
    async fn within<T>(&mut self, end: Instant, next: impl Future<Output = T>) -> Result<T, BodyError> {
        let begun = Instant::now();
        let whole = end.saturating_duration_since(begun);
        let next = tokio::time::timeout(self.limits.idle.min(whole).min(self.patience()), next).await;
        self.waited += begun.elapsed();
        next.map_err(|_| self.slow(begun, end))
    }

    /// How long may be waited until enough has come.
    fn patience(&self) -> Duration {
        let enough = self.limits.rate_over.as_secs_f64() * self.limits.rate_least as f64;
        if self.bytes as f64 >= enough { Duration::MAX } else { self.limits.rate_over.saturating_sub(self.waited) }
    }

    fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.waited >= self.limits.rate_over && self.patience() == Duration::MAX {
            *self = Self::new(self.limits);
        }
    }

    fn slow(&self, begun: Instant, end: Instant) -> BodyError {
        let limits = self.limits;
        BodyError::Slow(if Instant::now() >= end {
            format!("not complete after {} s", limits.whole.as_secs_f32())
        } else if begun.elapsed() >= limits.idle {
            format!("nothing for {} s", limits.idle.as_secs_f32())
        } else {
            format!("fewer than {} bytes a second for {} s", limits.rate_least, limits.rate_over.as_secs_f32())
        })
    }
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
pub(super) fn lend(body: Body, limits: BodyLimits) -> (Lent, Remains) {
    let left = Arc::new(Mutex::new(Left::default()));
    let stream: PieceStream = Box::pin(pieces(body, limits).fuse());
    let lent = Lent { stream: Some(stream), left: left.clone() };
    (lent, Remains { left })
}

/// A body whose beginning is taken into memory before anybody reads it: only who has shown something gets a thread that
/// waits for the rest.
pub struct Upload {
    stream: Lent,
    beginning: Vec<u8>,
    ended: bool,
}

impl Upload {
    /// Nothing is taken from the connection yet, and a client that asked whether it may go on is not told.
    pub fn new(body: Body, limits: BodyLimits) -> (Self, Remains) {
        let (stream, remains) = lend(body, limits);
        (Self { stream, beginning: Vec::new(), ended: false }, remains)
    }

    /// What has come so far, and whether that is all.
    pub fn beginning(&self) -> (&[u8], bool) {
        (&self.beginning, self.ended)
    }

    /// Makes room for a beginning of so many bytes at once, instead of twice as much each time that it grows.
    pub fn expect(&mut self, bytes: usize) {
        self.beginning.reserve_exact(bytes.saturating_sub(self.beginning.len()));
    }

    /// Takes what comes next.
    ///
    /// # Errors
    ///
    /// [`BodyError`].
    pub async fn more(&mut self) -> Result<(), BodyError> {
        match self.stream.next().await {
            None => self.ended = true,
            Some(Ok(bytes)) => self.beginning.extend_from_slice(&bytes),
            Some(Err(fault)) => {
                return Err(BodyError::of(&fault).cloned().unwrap_or_else(|| BodyError::Broken(fault.to_string())));
            }
        }
        Ok(())
    }

    /// The whole body, from its beginning, as a blocking reader: to be read outside of the runtime's own threads.
    pub fn into_reader(self) -> impl Read + Send + 'static {
        Resumed { beginning: io::Cursor::new(self.beginning), rest: SyncIoBridge::new(StreamReader::new(self.stream)) }
    }
}

/// The beginning, given back as soon as it was read, and what follows.
struct Resumed<R> {
    beginning: io::Cursor<Vec<u8>>,
    rest: R,
}

impl<R: Read> Read for Resumed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.beginning.read(buffer)?;
        if taken > 0 || buffer.is_empty() {
            return Ok(taken);
        }
        if !self.beginning.get_ref().is_empty() {
            self.beginning = io::Cursor::default();
        }
        self.rest.read(buffer)
    }
}

/// What a reader leaves behind: why it failed, and the rest that nobody read.
#[derive(Debug)]
pub struct Remains {
    left: Arc<Mutex<Left>>,
}

#[derive(Default)]
struct Left {
    begun: bool,
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

    /// Whether anything was asked for.
    pub fn begun(&self) -> bool {
        self.lock().begun
    }

    /// Reads the rest and throws it away, as [`drain`] does. To be called when the reader has gone.
    pub async fn drain(self, bytes_max: u64) {
        let stream = self.lock().stream.take();
        if let Some(stream) = stream {
            exhaust(stream, bytes_max).await;
        }
    }

    /// Reads the rest to its end, within the limits that the body has, and throws it away: a client that is known gets its answer
    /// whatever it was sending.
    pub async fn drain_whole(self) {
        let stream = self.lock().stream.take();
        if let Some(mut stream) = stream {
            while let Some(Ok(_)) = stream.next().await {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The stream as long as a reader has it; goes back when the reader is dropped.
pub(super) struct Lent {
    stream: Option<PieceStream>,
    left: Arc<Mutex<Left>>,
}

impl Stream for Lent {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.keep(|left| left.begun = true);
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
