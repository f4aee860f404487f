//! The HTTP server: HTTP/1.1, with TLS or without, bounded in connections, headers and time, and
//! ending with a grace period.

use super::connections::{Bounds, Connections, Seat};
use super::tls::ServerTls;
use crate::limits::{
    SERVER_CONNECTIONS_MAX, SERVER_CONNECTIONS_OF_ONE_MAX, SERVER_HANDSHAKE_MAX, SERVER_HEADER_BYTES_MAX,
    SERVER_HEADER_MAX, SERVER_IDLE_MAX, SERVER_REQUESTS_MAX, SERVER_REQUESTS_OF_ONE_MAX,
};
use crate::metrics::{Held, Level};
use axum::Router;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

/// Where a request came from; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Tells that the server ends; an extension of every request. Answers without an end of their own heed it.
#[derive(Clone, Debug)]
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Whether the end has been asked for.
    pub fn is_now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is.
    pub async fn come(&mut self) {
        ended(&mut self.0).await;
    }
}

/// What connections may cost, and how long the server waits for them when it ends.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Open connections. One more closes the oldest that has shown nothing.
    pub connections_max: usize,
    /// Open connections of one address, with the same effect.
    pub connections_of_one_max: usize,
    /// Requests in work of those who have shown who they are; further ones are told to come again.
    pub requests_max: usize,
    /// The same for one address.
    pub requests_of_one_max: usize,
    /// TLS handshake.
    pub handshake: Duration,
    /// Headers of a request, and waiting for the next one.
    pub header: Duration,
    /// A client that takes nothing of an answer.
    pub idle: Duration,
    /// How long requests that are being answered may take after the end was asked for.
    pub grace: Duration,
    /// Counts the open connections, for whoever watches.
    pub open: Level,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: SERVER_CONNECTIONS_MAX,
            connections_of_one_max: SERVER_CONNECTIONS_OF_ONE_MAX,
            requests_max: SERVER_REQUESTS_MAX,
            requests_of_one_max: SERVER_REQUESTS_OF_ONE_MAX,
            handshake: SERVER_HANDSHAKE_MAX,
            header: SERVER_HEADER_MAX,
            idle: SERVER_IDLE_MAX,
            grace: Duration::from_secs(30),
            open: Level::default(),
        }
    }
}

impl ServerLimits {
    fn bounds(&self) -> Bounds {
        Bounds {
            connections_max: self.connections_max.min(open_files() / 4),
            connections_of_one_max: self.connections_of_one_max,
            requests_max: self.requests_max,
            requests_of_one_max: self.requests_of_one_max,
        }
    }
}

/// How many files and sockets this process may have open, after asking for all that it can have.
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where more is not given, less has to do.
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Serves `app` until `shutdown` holds true (or its sender is gone): then takes no new connection,
/// lets what has begun come to its end for `limits.grace`, and returns how many connections were cut off.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    app: Router,
    limits: ServerLimits,
    mut shutdown: watch::Receiver<bool>,
) -> usize {
    let open = Connections::new(limits.bounds());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = ended(&mut shutdown) => break,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Nobody can make room: the newcomer is let go.
                let Some(seat) = open.admit(peer.ip()) else { continue };
                let standing = seat.standing();
                let connection = Connection {
                    peer,
                    seat,
                    tls: tls.clone(),
                    app: app.clone(),
                    limits: limits.clone(),
                    shutdown: shutdown.clone(),
                    _counted: limits.open.hold(),
                };
                standing.task(connections.spawn(connection.run(stream)));
            }
            // Out of file handles, most often: going on at once would only burn the processor.
            Err(fault) => {
                tracing::warn!(%fault, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let all_gone = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, all_gone).await.is_ok() {
        return 0;
    }
    let cut_off = connections.len();
    connections.shutdown().await;
    cut_off
}

/// Waits until the end is asked for.
async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = shutdown.wait_for(|end| *end).await;
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // A client that has gone already is no fault of the listener.
    drop(stream.set_nodelay(true));
    Ok((stream, peer))
}

struct Connection {
    peer: SocketAddr,
    seat: Seat,
    tls: Option<Arc<ServerTls>>,
    app: Router,
    limits: ServerLimits,
    shutdown: watch::Receiver<bool>,
    _counted: Held,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let Some(tls) = &self.tls else {
            return self.http(stream).await;
        };
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
        match tokio::time::timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            Ok(Err(fault)) => tracing::debug!(peer = %self.peer, %fault, "TLS was not established"),
            Err(_) => tracing::debug!(peer = %self.peer, "TLS was not established in time"),
        }
    }

    async fn http(mut self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let app = TowerToHyperService::new(self.app);
        let (peer, standing) = (PeerAddress(self.peer), self.seat.standing());
        let ending = Ending(self.shutdown.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let in_work = standing.begin();
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(ending.clone());
            request.extensions_mut().insert(standing.clone());
            let answer = app.call(request);
            // In work until the last byte of the answer has gone.
            async move {
                let keep = move |frame| {
                    let _ = &in_work;
                    frame
                };
                answer.await.map(|answer| answer.map(|body| body.map_frame(keep)))
            }
        });
        let stream = TokioIo::new(ImpatientWriter::new(stream, self.limits.idle));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(SERVER_HEADER_BYTES_MAX)
            .serve_connection(stream, service);
        let mut connection = std::pin::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = ended(&mut self.shutdown) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(fault) = outcome {
            tracing::debug!(peer = %self.peer, %fault, "a connection ended with an error");
        }
    }
}

/// A stream whose other side has to take what is written within a time.
struct ImpatientWriter<S> {
    stream: S,
    idle: Duration,
    patience: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<S> ImpatientWriter<S> {
    fn new(stream: S, idle: Duration) -> Self {
        Self { stream, idle, patience: Box::pin(tokio::time::sleep(idle)), waiting: false }
    }

    /// Passes on what the stream said, and gives up when it has said "not yet" for too long.
    fn judge<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.patience.as_mut().reset(Instant::now() + self.idle);
        }
        ready!(self.patience.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ImpatientWriter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ImpatientWriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
