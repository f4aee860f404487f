//! Content-Transfer-Encoding, taken off as a stream (RFC 2045, 6). Peers send `binary`; the others are read all the same.

use super::error::{Finding, Refusal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, BufReader, Read};

/// How the octets of a part are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Encoding {
    /// `binary`, `8bit`, `7bit` or not said.
    #[default]
    Identity,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
}

impl Encoding {
    /// Reads the header's value.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match text.to_ascii_lowercase().as_str() {
            "binary" | "8bit" | "7bit" => Ok(Self::Identity),
            "base64" => Ok(Self::Base64),
            "quoted-printable" => Ok(Self::QuotedPrintable),
            _ => Err(Refusal::Mime(Finding::new(
                format!("Content-Transfer-Encoding {text:?}"),
                "binary, 8bit, 7bit, base64 or quoted-printable",
            ))),
        }
    }
}

/// Decodes Base64, line ends and spaces passed over.
pub(super) struct Base64Reader<R> {
    inner: R,
    /// Digits that do not make a group of four yet.
    digits: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
}

impl<R: Read> Base64Reader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, digits: Vec::new(), ready: Vec::new(), at: 0 }
    }

    /// Decodes some more; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut raw = [0; 8192];
        let n = self.inner.read(&mut raw)?;
        self.digits.extend(raw[..n].iter().filter(|b| !b.is_ascii_whitespace()));
        let whole = if n == 0 { self.digits.len() } else { self.digits.len() / 4 * 4 };
        self.ready.clear();
        self.at = 0;
        STANDARD.decode_vec(&self.digits[..whole], &mut self.ready).map_err(|_| wrong("base64"))?;
        self.digits.drain(..whole);
        Ok(n > 0)
    }
}

impl<R: Read> Read for Base64Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            if !self.more()? && self.ready.is_empty() {
                return Ok(0);
            }
        }
        let n = out.len().min(self.ready.len() - self.at);
        out[..n].copy_from_slice(&self.ready[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Decodes quoted-printable. Line ends stay as they are.
pub(super) struct QuotedPrintableReader<R> {
    bytes: io::Bytes<BufReader<R>>,
}

impl<R: Read> QuotedPrintableReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { bytes: BufReader::new(inner).bytes() }
    }

    /// The next byte; none at the end.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.bytes.next().transpose()? {
                Some(b'=') => {
                    if let Some(byte) = self.escaped()? {
                        return Ok(Some(byte));
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// What follows an equals sign: two hexadecimal digits, or a line end that does not count.
    fn escaped(&mut self) -> io::Result<Option<u8>> {
        let mut digit = || self.bytes.next().transpose();
        match (digit()?, digit()?) {
            (Some(b'\r'), Some(b'\n')) => Ok(None),
            (Some(high), Some(low)) => {
                let text = [high, low];
                let hex = std::str::from_utf8(&text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
                hex.and_then(|t| u8::from_str_radix(t, 16).ok()).map(Some).ok_or_else(|| wrong("quoted-printable"))
            }
            _ => Err(wrong("quoted-printable")),
        }
    }
}

impl<R: Read> Read for QuotedPrintableReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for (n, slot) in out.iter_mut().enumerate() {
            match self.byte()? {
                Some(byte) => *slot = byte,
                None => return Ok(n),
            }
        }
        Ok(out.len())
    }
}

fn wrong(encoding: &str) -> io::Error {
    io::Error::other(Refusal::Mime(Finding::new(
        format!("a part that is not {encoding}"),
        format!("{encoding}, as its header says"),
    )))
}
