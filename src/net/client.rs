//! The HTTPS client: pooled, bounded in time and size, no redirects, no system roots.

use super::body::{Body, Pieces};
use super::error::NetError;
use super::tls::{ClientIdentity, TlsError, client_config};
use crate::limits::{CLIENT_CONNECT_MAX, CLIENT_IDLE_MAX};
use crate::model::{Clock, SystemClock, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tokio::time::Instant;

/// How to call others.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// Certificate authorities that are believed, in DER. None: no https succeeds.
    pub roots: Vec<Vec<u8>>,
    /// Who we are, where a server asks.
    pub identity: Option<ClientIdentity>,
    /// Whether plain http is allowed: for CRL and OCSP, loopback and testbeds.
    pub plain_http: bool,
}

/// A pooling client. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Pieces>,
    plain_http: bool,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// Content-Type, where it is text.
    pub content_type: Option<String>,
    /// How long to wait before the next request (Retry-After), where the server says so.
    pub retry_after: Option<Duration>,
    /// The content.
    pub body: Vec<u8>,
}

impl Fetched {
    /// Whether this may be a SOAP message, alone or in a multipart: by its Content-Type, or by its first byte where it has none.
    fn may_be_soap(&self) -> bool {
        let Some(kind) = &self.content_type else {
            let content = self.body.trim_ascii_start();
            return content.starts_with(b"<") || content.starts_with(b"--");
        };
        let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        !self.body.is_empty() && SOAP_MEDIA.contains(&media.as_str())
    }
}

/// The types under which access points send SOAP.
const SOAP_MEDIA: [&str; 4] = ["application/soap+xml", "application/xml", "multipart/related", "text/xml"];

/// A request in all its parts.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: &'a str,
    /// Headers besides Host and Content-Length.
    pub headers: &'a [(HeaderName, String)],
    /// Content.
    pub body: Body,
    /// From the start to the head of the answer.
    pub timeout: Duration,
}

/// An answer whose content is still to be read.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    host: String,
    body: Incoming,
}

impl Client {
    /// A client with these settings.
    ///
    /// # Errors
    ///
    /// [`TlsError`] for roots or an identity that rustls does not take.
    pub fn new(settings: &ClientSettings) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CLIENT_CONNECT_MAX));
        let tls = client_config(&settings.roots, settings.identity.as_ref())?;
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(CLIENT_IDLE_MAX)
            .pool_max_idle_per_host(32)
            .build(https);
        Ok(Self { inner, plain_http: settings.plain_http })
    }

    /// Fetches a small document.
    ///
    /// # Errors
    ///
    /// [`NetError`]; an HTTP status of failure is no error here.
    pub async fn get(&self, url: &str, bytes_max: usize, timeout: Duration) -> Result<Fetched, NetError> {
        self.whole(Outgoing { method: Method::GET, url, headers: &[], body: Body::empty(), timeout }, bytes_max).await
    }

    /// Posts `body` and takes a small answer. `timeout` covers the whole exchange.
    ///
    /// # Errors
    ///
    /// [`NetError`]; an HTTP status that is no success is one, unless there is an answer in SOAP that may tell more.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Body,
        answer_bytes_max: usize,
        timeout: Duration,
    ) -> Result<Fetched, NetError> {
        let headers = [(header::CONTENT_TYPE, content_type.to_owned())];
        let outgoing = Outgoing { method: Method::POST, url, headers: &headers, body, timeout };
        let fetched = self.whole(outgoing, answer_bytes_max).await?;
        // Access points tell of their failures in SOAP under such a status; the rest is a server's own page, or nothing.
        if fetched.status >= 300 && !fetched.may_be_soap() {
            return Err(NetError::Status {
                host: host_of(url),
                status: fetched.status,
                retry_after: fetched.retry_after,
            });
        }
        Ok(fetched)
    }

    async fn whole(&self, outgoing: Outgoing<'_>, bytes_max: usize) -> Result<Fetched, NetError> {
        let end = Instant::now() + outgoing.timeout;
        let (host, seconds) = (host_of(outgoing.url), outgoing.timeout);
        let answer = self.request(outgoing).await?;
        let status = answer.status;
        let content_type = answer.header(&header::CONTENT_TYPE);
        let retry_after = retry_after(&answer.headers, SystemClock.now());
        let body = tokio::time::timeout_at(end, answer.whole(bytes_max))
            .await
            .map_err(|_| NetError::TimedOut { host, seconds })??;
        Ok(Fetched { status, content_type, retry_after, body })
    }

    /// Sends a request and returns as soon as the head of the answer is there.
    ///
    /// # Errors
    ///
    /// [`NetError`]; an HTTP status of failure is no error here.
    pub async fn request(&self, outgoing: Outgoing<'_>) -> Result<Answer, NetError> {
        let host = host_of(outgoing.url);
        let seconds = outgoing.timeout;
        let request = self.compose(outgoing, &host)?;
        let exchange = tokio::time::timeout(seconds, self.inner.request(request)).await;
        let answer: Response<Incoming> = match exchange {
            Err(_) => return Err(NetError::TimedOut { host, seconds }),
            Ok(Err(fault)) if is_connect_timeout(&fault) => {
                return Err(NetError::TimedOut { host, seconds: CLIENT_CONNECT_MAX });
            }
            Ok(Err(fault)) => return Err(NetError::classify(&host, &fault)),
            Ok(Ok(answer)) => answer,
        };
        let (head, body) = answer.into_parts();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, host, body })
    }

    fn compose(&self, outgoing: Outgoing<'_>, host: &str) -> Result<Request<Pieces>, NetError> {
        let unusable = |reason: String| NetError::Url { host: host.to_owned(), reason };
        let uri: Uri = outgoing.url.parse().map_err(|e: http::uri::InvalidUri| unusable(e.to_string()))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.plain_http => {}
            Some("http") => {
                return Err(NetError::PlainHttp { host: host.to_owned() });
            }
            other => {
                return Err(unusable(format!("found the scheme {other:?}, expected https")));
            }
        }
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(unusable("found a user name in it".into()));
        }
        let mut request = Request::builder().method(outgoing.method).uri(uri);
        for (name, value) in outgoing.headers {
            request = request.header(name, value);
        }
        request.body(outgoing.body.into_stream()).map_err(|e| unusable(e.to_string()))
    }
}

impl Answer {
    /// A header, where it is there and text.
    pub fn header(&self, name: &HeaderName) -> Option<String> {
        self.headers.get(name).and_then(|v| v.to_str().ok()).map(ToOwned::to_owned)
    }

    /// The next piece of the content; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`NetError::TimedOut`] when nothing comes for `idle`, [`NetError::Broken`] when the connection ends too early.
    pub async fn chunk(&mut self, idle: Duration) -> Result<Option<Bytes>, NetError> {
        loop {
            let frame = tokio::time::timeout(idle, self.body.frame()).await;
            match frame {
                Err(_) => {
                    return Err(NetError::TimedOut { host: self.host.clone(), seconds: idle });
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(fault))) => return Err(NetError::classify(&self.host, &fault)),
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// The whole content, at most `bytes_max` bytes. What is announced as larger is not read at all.
    ///
    /// # Errors
    ///
    /// [`NetError::TooLarge`], and those of [`Answer::chunk`].
    pub async fn whole(mut self, bytes_max: usize) -> Result<Vec<u8>, NetError> {
        let too_large = NetError::TooLarge { host: self.host.clone(), bytes_max };
        if hyper::body::Body::size_hint(&self.body).lower() > bytes_max as u64 {
            return Err(too_large);
        }
        let mut content = Vec::new();
        while let Some(bytes) = self.chunk(CLIENT_IDLE_MAX).await? {
            if content.len() + bytes.len() > bytes_max {
                return Err(too_large);
            }
            content.extend_from_slice(&bytes);
        }
        Ok(content)
    }
}

/// How long to wait before the next request (RFC 9110, 10.2.3): so many seconds, or until a moment of the server's clock, which its
/// answer tells (6.6.1). Where that does not, `now` has to do.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |name| httpdate::parse_http_date(text(name)?).ok();
    if let Ok(seconds) = text(header::RETRY_AFTER)?.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let answered = date(header::DATE).unwrap_or_else(|| now.into());
    Some(date(header::RETRY_AFTER)?.duration_since(answered).unwrap_or_default())
}

/// The host and port of a URL, for error texts.
pub(crate) fn host_of(url: &str) -> String {
    let authority = url.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    // What stands before an @ is a user name or a password.
    authority.map_or_else(|| "(no host)".into(), |a| a.rsplit('@').next().unwrap_or_default().to_owned())
}

fn is_connect_timeout(fault: &hyper_util::client::legacy::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(fault);
    while let Some(cause) = next {
        if cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
            return fault.is_connect();
        }
        next = cause.source();
    }
    false
}
