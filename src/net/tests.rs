//! Client and server against each other and against raw sockets, on loopback.

use super::body::Body;
use super::client::{Client, ClientSettings, Outgoing, retry_after};
use super::error::{NetError, TlsFailure};
use super::inbound::{BodyError, BodyLimits, BodyReader};
use super::server::{ServerLimits, serve};
use super::tls::ServerTls;
use axum::Router;
use axum::body::Body as AxumBody;
use axum::routing::{get, post};
use http::Method;
use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const SOON: Duration = Duration::from_secs(5);

/// A server on a free port of loopback; it ends when this is dropped.
struct Running {
    port: u16,
    end: watch::Sender<bool>,
    server: tokio::task::JoinHandle<usize>,
}

async fn start(app: Router, tls: Option<Arc<ServerTls>>, limits: ServerLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (end, shutdown) = watch::channel(false);
    let server = tokio::spawn(serve(listener, tls, app, limits, shutdown));
    Running { port, end, server }
}

impl Running {
    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.port)
    }
}

fn plain_client() -> Client {
    Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap()
}

/// A certificate for localhost that is its own root, as files and as DER.
fn certificate(folder: &std::path::Path) -> (Arc<ServerTls>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (Arc::new(ServerTls::from_files(&cert, &key).unwrap()), made.cert.der().to_vec())
}

fn counting() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route(
        "/count",
        post(|body: AxumBody| async move {
            let mut reader = BodyReader::new(body, BodyLimits::bytes(50_000_000));
            let read =
                tokio::task::spawn_blocking(move || std::io::copy(&mut reader, &mut std::io::sink())).await.unwrap();
            read.map_or_else(|fault| fault.to_string(), |bytes| bytes.to_string())
        }),
    )
}

#[tokio::test]
async fn https_works_with_the_given_root_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, root) = certificate(folder.path());
    let server = start(counting(), Some(tls), ServerLimits::default()).await;
    let url = server.url("https", "/");
    let trusting = Client::new(&ClientSettings { roots: vec![root], ..ClientSettings::default() }).unwrap();
    let fetched = trusting.get(&url, 100, SOON).await.unwrap();
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, b"hello".as_slice()));

    let stranger = Client::new(&ClientSettings::default()).unwrap();
    let refusal = stranger.get(&url, 100, SOON).await.unwrap_err();
    assert!(matches!(refusal, NetError::Tls { failure: TlsFailure::Certificate, .. }), "{refusal:?}");
    assert!(!refusal.is_temporary());
}

#[tokio::test]
async fn a_new_certificate_is_served_after_reload() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, first) = certificate(folder.path());
    let server = start(counting(), Some(tls.clone()), ServerLimits::default()).await;
    let (_, second) = certificate(folder.path());
    let of = |root: Vec<u8>| Client::new(&ClientSettings { roots: vec![root], ..ClientSettings::default() }).unwrap();
    let url = server.url("https", "/");
    assert!(of(first.clone()).get(&url, 100, SOON).await.is_ok());
    tls.reload().unwrap();
    assert!(of(second).get(&url, 100, SOON).await.is_ok());
    assert!(of(first).get(&url, 100, SOON).await.is_err());

    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    assert!(tls.reload().is_err());
    assert!(tls.reload().unwrap_err().to_string().contains("key.pem"));
}

/// RFC 9110, 10.2.3 and 5.6.7: seconds, or a date in one of three forms, by the clock of the server.
#[test]
fn when_to_come_again_is_understood_in_every_form_of_http() {
    let now = "2026-11-28T07:00:00Z".parse().unwrap();
    let told = |after: &str, date: Option<&str>| {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, after.parse().unwrap());
        date.into_iter().for_each(|date| drop(headers.insert(http::header::DATE, date.parse().unwrap())));
        retry_after(&headers, now).map(|pause| pause.as_secs())
    };
    for (after, seconds) in [
        ("400", Some(400)),
        ("Sat, 28 Nov 2026 07:06:40 GMT", Some(400)),
        ("Saturday, 28-Nov-26 07:06:40 GMT", Some(400)),
        ("Sat Nov 28 07:06:40 2026", Some(400)),
        ("Sat, 28 Nov 2026 06:59:59 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
    ] {
        assert_eq!(told(after, None), seconds, "{after}");
    }
    let by_a_clock_that_is_late = Some("Sat, 28 Nov 2026 06:00:00 GMT");
    assert_eq!(told("Sat, 28 Nov 2026 06:06:40 GMT", by_a_clock_that_is_late), Some(400));
    assert_eq!(retry_after(&http::HeaderMap::new(), now), None);
}

#[tokio::test]
async fn faults_of_the_network_are_told_apart() {
    let client = plain_client();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = client.get(&format!("http://{closed}/x?secret=1"), 10, SOON).await.unwrap_err();
    assert!(matches!(refused, NetError::Connect { .. }), "{refused:?}");
    assert!(refused.is_temporary());
    assert!(!refused.to_string().contains("secret"), "{refused}");

    let nowhere = client.get("http://no-such-host.invalid/", 10, SOON).await.unwrap_err();
    assert!(matches!(nowhere, NetError::Name { .. }), "{nowhere:?}");

    let strict = Client::new(&ClientSettings::default()).unwrap();
    let plain = strict.get(&format!("http://{closed}/"), 10, SOON).await.unwrap_err();
    assert!(matches!(plain, NetError::PlainHttp { .. }), "{plain:?}");
    let user = client.get("http://name:secret@localhost/", 10, SOON).await.unwrap_err();
    assert!(matches!(user, NetError::Url { .. }) && !user.to_string().contains("secret"), "{user}");
    assert!(matches!(client.get("ftp://localhost/", 10, SOON).await.unwrap_err(), NetError::Url { .. }));
}

/// A peer that says these bytes to every connection, and then waits or closes.
async fn peer_that_says(bytes: &'static [u8], close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                stream.write_all(bytes).await.unwrap();
                if !close {
                    tokio::time::sleep(Duration::from_secs(20)).await;
                }
            });
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn answers_that_are_late_large_or_broken_are_told_apart() {
    let client = plain_client();
    let short = Duration::from_millis(300);
    let silent = peer_that_says(b"", false).await;
    assert!(matches!(client.get(&silent, 10, short).await.unwrap_err(), NetError::TimedOut { .. }));
    let stalling = peer_that_says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false).await;
    assert!(matches!(client.get(&stalling, 10, short).await.unwrap_err(), NetError::TimedOut { .. }));
    let truncated = peer_that_says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true).await;
    assert!(matches!(client.get(&truncated, 10, SOON).await.unwrap_err(), NetError::Broken { .. }));
    let garbage = peer_that_says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", true).await;
    assert!(matches!(client.get(&garbage, 10, SOON).await.unwrap_err(), NetError::Protocol { .. }));
    let announced = peer_that_says(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", false).await;
    assert!(matches!(client.get(&announced, 10, SOON).await.unwrap_err(), NetError::TooLarge { bytes_max: 10, .. }));
    let chunked =
        peer_that_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n", false)
            .await;
    assert!(matches!(client.get(&chunked, 10, SOON).await.unwrap_err(), NetError::TooLarge { .. }));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_said_to_be_one() {
    const MOVED: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n";
    let url = peer_that_says(MOVED, true).await;
    assert_eq!(plain_client().get(&url, 10, SOON).await.unwrap().status, 302);
    let fault = plain_client().post(&url, "x/y", Body::empty(), 10, SOON).await.unwrap_err();
    let said = fault.to_string();
    assert!(said.contains("HTTP status 302") && said.contains("redirects are not followed"), "{said}");
}

#[tokio::test]
async fn what_may_be_soap_is_passed_on_whatever_the_status() {
    for (head, body, soap) in [
        ("Content-Type: application/soap+xml; charset=UTF-8\r\n", "<a/>", true),
        ("Content-Type: Text/XML\r\n", "<a/>", true),
        ("Content-Type: multipart/related; boundary=b\r\n", "--b", true),
        ("", "<a/>", true),
        ("", "\r\n--b", true),
        ("", "busy", false),
        ("Content-Type: application/soap+xml\r\n", "", false),
        ("Content-Type: text/html\r\n", "<html/>", false),
        ("Content-Type: application/xhtml+xml\r\n", "<html/>", false),
    ] {
        let length = body.len();
        let answer = format!("HTTP/1.1 500 Internal Server Error\r\n{head}Content-Length: {length}\r\n\r\n{body}");
        let url = peer_that_says(answer.leak().as_bytes(), true).await;
        let answer = plain_client().post(&url, "x/y", Body::empty(), 100, SOON).await;
        match answer {
            Ok(fetched) => assert!(soap && fetched.status == 500, "{head}{body}"),
            Err(fault) => {
                assert!(!soap && matches!(fault, NetError::Status { status: 500, .. }), "{head}{body}: {fault}")
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_pieces_and_files_arrives_whole_and_with_its_length() {
    let app = Router::new().route(
        "/",
        post(|request: axum::extract::Request| async move {
            let length = request.headers().get("content-length").map(|v| v.to_str().unwrap().to_owned());
            let body = axum::body::to_bytes(request.into_body(), 10_000_000).await.unwrap();
            format!(
                "{} {} {} {}",
                length.unwrap_or_default(),
                body.len(),
                body.starts_with(b"head"),
                body.ends_with(b"tail")
            )
        }),
    );
    let server = start(app, None, ServerLimits::default()).await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 3_000_000]).unwrap();
    let body = Body::empty().memory("head").file(file).unwrap().memory("tail");
    assert_eq!(body.len(), 3_000_008);
    let answer =
        plain_client().post(&server.url("http", "/"), "application/octet-stream", body, 1000, SOON).await.unwrap();
    assert_eq!(String::from_utf8(answer.body).unwrap(), "3000008 3000008 true true");
}

#[tokio::test]
async fn a_small_file_that_is_loaded_is_sent_as_it_was_and_a_large_one_while_it_is_sent() {
    let server = start(counting(), None, ServerLimits::default()).await;
    let [mut small, mut large] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    small.write_all(&[7; 1000]).unwrap();
    large.write_all(&vec![7; 1_000_000]).unwrap();
    let handles = [&small, &large].map(|file| file.try_clone().unwrap());
    let [small, large] = [small, large].map(|file| Body::empty().file(file).unwrap().loaded().unwrap());
    handles.iter().for_each(|handle| handle.set_len(10).unwrap());
    let url = server.url("http", "/count");
    assert_eq!(plain_client().post(&url, "x/y", small, 1000, SOON).await.unwrap().body, b"1000");
    let fault = plain_client().post(&url, "x/y", large, 1000, SOON).await.unwrap_err();
    assert!(matches!(fault, NetError::Sending { .. }), "{fault:?}");
    let [file, _] = handles;
    let shrunk = Body::empty().file(file.try_clone().unwrap()).unwrap();
    file.set_len(0).unwrap();
    assert_eq!(shrunk.loaded().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_file_that_is_not_what_it_must_be_never_arrives_whole() {
    let server = start(counting(), None, ServerLimits::default()).await;
    let url = server.url("http", "/count");
    for bytes in [0, 1000, 128 * 1024, 1_000_000] {
        let content = vec![7; bytes];
        let body = |sha256: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            Body::empty().memory("head").proven(file, sha256).unwrap().memory("tail")
        };
        let (right, wrong) = (crate::crypto::sha256_hex(&content), crate::crypto::sha256_hex(b"another"));
        let arrived = plain_client().post(&url, "x/y", body(&right), 1000, SOON).await.unwrap();
        assert_eq!(String::from_utf8(arrived.body).unwrap(), (bytes + 8).to_string());
        assert!(body(&right).loaded().is_ok());
        let fault = match body(&wrong).loaded() {
            Err(error) => error.to_string(),
            Ok(streamed) => plain_client().post(&url, "x/y", streamed, 1000, SOON).await.unwrap_err().to_string(),
        };
        assert!(fault.contains(&right) && fault.contains(&wrong), "{bytes}: {fault}");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_is_a_fault_of_ours() {
    let server = start(counting(), None, ServerLimits::default()).await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 1_000_000]).unwrap();
    let handle = file.try_clone().unwrap();
    let body = Body::empty().file(file).unwrap();
    handle.set_len(10).unwrap();
    let fault = plain_client().post(&server.url("http", "/count"), "x/y", body, 1000, SOON).await.unwrap_err();
    assert!(matches!(fault, NetError::Sending { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_large_body_is_read_through_the_blocking_reader() {
    let server = start(counting(), None, ServerLimits::default()).await;
    let mut file = tempfile::tempfile().unwrap();
    file.set_len(40_000_000).unwrap();
    file.rewind().unwrap();
    let answer = plain_client()
        .post(&server.url("http", "/count"), "x/y", Body::empty().file(file).unwrap(), 1000, SOON)
        .await
        .unwrap();
    assert_eq!(answer.body, b"40000000");
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large() {
    let limits = BodyLimits::bytes(1000);
    let mut reader = BodyReader::new(AxumBody::from(vec![0; 1001]), limits);
    let fault = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).unwrap_err()).await.unwrap();
    assert_eq!(BodyError::of(&fault), Some(&BodyError::TooLarge(1000)));
    let (mut reader, _) = super::inbound::reader(AxumBody::from(vec![0; 1000]), limits);
    assert_eq!(reader.read_to_end(&mut Vec::new()).await.unwrap(), 1000);
}

#[tokio::test]
async fn a_body_that_pauses_or_drags_on_frees_its_thread() {
    let drip = || {
        AxumBody::from_stream(futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        }))
    };
    let patient = BodyLimits { idle: SOON, whole: SOON, ..BodyLimits::bytes(1000) };
    for (limits, said) in [
        (BodyLimits { idle: Duration::from_millis(10), ..patient }, "nothing for"),
        (BodyLimits { whole: Duration::from_millis(200), ..patient }, "not complete after"),
        (BodyLimits { rate_over: Duration::from_millis(200), ..patient }, "fewer than 4096 bytes a second"),
    ] {
        let mut reader = BodyReader::new(drip(), limits);
        let fault =
            tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).unwrap_err()).await.unwrap();
        let Some(BodyError::Slow(why)) = BodyError::of(&fault) else { panic!("{fault}") };
        assert!(why.contains(said), "{why}");
    }
}

#[tokio::test]
async fn a_body_at_the_least_rate_comes_through_and_our_own_pauses_do_not_count() {
    let drip = AxumBody::from_stream(futures_util::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        (n < 40).then(|| (Ok::<_, std::io::Error>(vec![b'x'; 1000]), n + 1))
    }));
    let slowly = BodyLimits { rate_over: Duration::from_millis(50), rate_least: 10_000, ..BodyLimits::bytes(100_000) };
    let (mut reader, _) = super::inbound::reader(drip, slowly);
    let mut read = 0;
    loop {
        // Longer than the rate may be watched.
        if read == 10_000 {
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        match reader.read(&mut [0; 1000]).await.unwrap() {
            0 => break,
            n => read += n,
        }
    }
    assert_eq!(read, 40_000);
}

#[tokio::test]
async fn the_beginning_of_an_upload_is_read_again_with_the_rest() {
    let pieces = ["ab", "cd", "ef"].map(Ok::<_, std::io::Error>);
    let body = AxumBody::from_stream(futures_util::stream::iter(pieces));
    let (mut upload, remains) = super::inbound::Upload::new(body, BodyLimits::bytes(100));
    assert!(!remains.begun());
    upload.more().await.unwrap();
    upload.more().await.unwrap();
    assert_eq!((upload.beginning(), remains.begun()), ((b"abcd".as_slice(), false), true));
    let mut reader = upload.into_reader();
    let read = tokio::task::spawn_blocking(move || std::io::read_to_string(&mut reader).unwrap()).await.unwrap();
    assert_eq!(read, "abcdef");
    let (mut upload, _) = super::inbound::Upload::new(AxumBody::from("abc"), BodyLimits::bytes(2));
    assert_eq!(upload.more().await.unwrap_err(), BodyError::TooLarge(2));
}

/// Whether the server has closed this connection within three seconds; what it said before is returned.
async fn closed(mut stream: TcpStream) -> Option<String> {
    let mut said = Vec::new();
    tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut said))
        .await
        .ok()
        .map(|_| String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn a_client_that_dawdles_with_its_headers_is_let_go() {
    let limits = ServerLimits {
        header: Duration::from_millis(200),
        handshake: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let server = start(counting(), None, limits.clone()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow").await.unwrap();
    assert!(closed(stream).await.is_some());

    let folder = tempfile::tempdir().unwrap();
    let (tls, _) = certificate(folder.path());
    let server = start(counting(), Some(tls), limits).await;
    assert!(closed(TcpStream::connect(("127.0.0.1", server.port)).await.unwrap()).await.is_some());
}

#[tokio::test]
async fn headers_above_the_limit_are_refused() {
    let server = start(counting(), None, ServerLimits::default()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(100_000));
    let _ = stream.write_all(head.as_bytes()).await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 431");
}

#[tokio::test]
async fn a_connection_above_the_limit_closes_the_oldest_that_waits_and_none_in_work() {
    let app = counting().route(
        "/slow",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            "slowly"
        }),
    );
    let server = start(app, None, ServerLimits { connections_max: 2, ..ServerLimits::default() }).await;
    let slow = server.url("http", "/slow");
    let in_work = tokio::spawn(async move { plain_client().get(&slow, 100, SOON).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let idle = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(plain_client().get(&server.url("http", "/"), 100, SOON).await.unwrap().status, 200);
    assert_eq!(closed(idle).await.as_deref(), Some(""));
    assert_eq!(in_work.await.unwrap().unwrap().body, b"slowly");
}

#[tokio::test]
async fn a_good_request_comes_through_at_once_among_many_idle_connections() {
    let server = start(counting(), None, ServerLimits { connections_max: 50, ..ServerLimits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(("127.0.0.1", server.port)).await.unwrap());
    }
    let begun = std::time::Instant::now();
    assert_eq!(plain_client().get(&server.url("http", "/"), 100, SOON).await.unwrap().status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_has_begun_is_finished_before_the_end() {
    let app = Router::new().route(
        "/slow",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            "done"
        }),
    );
    let server = start(app, None, ServerLimits::default()).await;
    let url = server.url("http", "/slow");
    let asked = tokio::spawn(async move { plain_client().get(&url, 100, SOON).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.end.send(true).unwrap();
    assert_eq!(asked.await.unwrap().unwrap().body, b"done");
    assert_eq!(server.server.await.unwrap(), 0);
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_cut_off_and_counted() {
    let app = Router::new().route("/never", get(|| async { std::future::pending::<&'static str>().await }));
    let server = start(app, None, ServerLimits { grace: Duration::from_millis(100), ..ServerLimits::default() }).await;
    let url = server.url("http", "/never");
    let asked = tokio::spawn(async move { plain_client().get(&url, 100, SOON).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.end.send(true).unwrap();
    assert_eq!(server.server.await.unwrap(), 1);
    assert!(matches!(asked.await.unwrap().unwrap_err(), NetError::Broken { .. }));
}

#[tokio::test]
async fn an_answer_can_be_taken_piece_by_piece() {
    let app = Router::new().route("/", get(|| async { vec![1_u8; 2_000_000] }));
    let server = start(app, None, ServerLimits::default()).await;
    let url = server.url("http", "/");
    let outgoing = Outgoing { method: Method::GET, url: &url, headers: &[], body: Body::empty(), timeout: SOON };
    let mut answer = plain_client().request(outgoing).await.unwrap();
    let (mut bytes, mut pieces) = (0, 0);
    while let Some(piece) = answer.chunk(SOON).await.unwrap() {
        bytes += piece.len();
        pieces += 1;
    }
    assert_eq!(bytes, 2_000_000);
    assert!(pieces > 1);
}

#[tokio::test]
async fn a_reader_says_why_it_failed_and_leaves_the_rest() {
    let (mut reader, remains) = super::inbound::reader(AxumBody::from(vec![0; 1001]), BodyLimits::bytes(1000));
    assert!(reader.read_to_end(&mut Vec::new()).await.is_err());
    assert_eq!(remains.fault(), Some(BodyError::TooLarge(1000)));

    let app = Router::new().route(
        "/",
        post(|body: AxumBody| async move {
            let (mut reader, remains) = super::inbound::reader(body, BodyLimits::bytes(100_000_000));
            let first = reader.read_u8().await.unwrap();
            drop(reader);
            assert_eq!(remains.fault(), None);
            remains.drain(100_000_000).await;
            format!("refused after {first}")
        }),
    );
    let server = start(app, None, ServerLimits::default()).await;
    let file = tempfile::tempfile().unwrap();
    file.set_len(60_000_000).unwrap();
    let body = Body::empty().file(file).unwrap();
    let answer = plain_client().post(&server.url("http", "/"), "x/y", body, 100, SOON).await.unwrap();
    assert_eq!(answer.body, b"refused after 0");
}

#[test]
fn a_token_is_made_once_with_mode_0600_and_compared_whole() {
    use super::token::AccessToken;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.token");
    let made = AccessToken::from_file_or_new(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(made.matches(text.trim()));
    assert!(AccessToken::from_file_or_new(&path).unwrap().matches(text.trim()));
    assert!(
        !made.matches(&text.trim()[1..])
            && !made.matches("")
            && !made.matches(&text.trim().replace(|c: char| c.is_ascii_alphanumeric(), "0"))
    );
    assert!(!format!("{made:?}").contains(text.trim()));
    std::fs::write(&path, "short").unwrap();
    assert!(AccessToken::from_file_or_new(&path).is_err());
}
