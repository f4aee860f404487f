//! HTTP by hand: a door that keeps requests as they came, and a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A request as it came, its body without chunks.
pub(crate) struct Request {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// A door on loopback that answers each request by a function, until it is dropped.
pub(crate) struct Gate {
    pub(crate) url: String,
    address: String,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Gate {
    /// Opens a door. `answer` gives Content-Type and body.
    pub(crate) fn open(mut answer: impl FnMut(Request) -> (String, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
                let Some(request) = read(&stream) else { return };
                let (content_type, body) = answer(request);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(body.as_bytes()));
            }
        });
        Self { url: format!("http://{address}/as4"), address, thread: Some(thread) }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // A connection without a request ends the thread.
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads a request; none where the other side only hangs up.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mut content_type, mut length, mut chunked) = (String::new(), 0, false);
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().ok()?,
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            "expect" => {
                let mut stream: &TcpStream = stream;
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
            }
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        unchunk(&mut reader, &mut body)?;
    } else {
        reader.take(length).read_to_end(&mut body).ok()?;
    }
    Some(Request { content_type, body })
}

fn unchunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        reader.take(size).read_to_end(body).ok()?;
        line.clear();
        reader.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(());
        }
    }
}

/// An answer of a peer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Posts a body to a peer at `http://HOST/PATH`.
pub(crate) fn post(url: &str, content_type: &str, body: &[u8]) -> Answer {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(240))).unwrap();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A peer may answer before it has read everything.
    let _ = stream.write_all(body);
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{url}: {line:?}")).parse().unwrap();
    let (mut kind, mut chunked, mut length) = (None, false, None);
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => kind = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse::<u64>().ok(),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        unchunk(&mut reader, &mut body).unwrap();
    } else {
        let _ = reader.take(length.unwrap_or(u64::MAX)).read_to_end(&mut body);
    }
    Answer { status, content_type: kind, body }
}
