//! HTTP/1.1 by hand: what no client would send is sent as well.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.head, self.text())
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Sends one request, whose length is said as it is, and reads the answer to its end.
pub(crate) fn ask(address: &str, method: &str, path: &str, head: &str, body: &[u8]) -> Answer {
    raw(address, &request(address, method, path, head, body)).expect("an answer")
}

/// The same of somebody who may not be there, or go away in between.
pub(crate) fn try_ask(address: &str, method: &str, path: &str, head: &str, body: &[u8]) -> Option<Answer> {
    exchange(TcpStream::connect(address).ok()?, &request(address, method, path, head, body))
}

fn request(address: &str, method: &str, path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let line = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    [format!("{line}Content-Length: {}\r\n{head}\r\n", body.len()).as_bytes(), body].concat()
}

/// Sends these bytes, and reads until the other side hangs up; none where it does only that.
pub(crate) fn raw(address: &str, request: &[u8]) -> Option<Answer> {
    exchange(TcpStream::connect(address).unwrap(), request)
}

fn exchange(mut stream: TcpStream, request: &[u8]) -> Option<Answer> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The other side may answer before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: answer[end + 4..].to_vec() })
}

/// Sends these bytes and hangs up.
pub(crate) fn broken_off(address: &str, request: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
}
