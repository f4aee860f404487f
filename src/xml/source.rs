//! The octets under the reader: encoding, line ends, allowed characters and bounds, before any markup is looked at.

use super::XmlError;
use super::names;
use std::io::{self, BufRead, Read};

/// Octets read at once: few at first, for there are more small documents than large ones.
const PIECE_BYTES: usize = 32 * 1024;
const FIRST_PIECE_BYTES: usize = 4 * 1024;

/// How the octets are characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// UTF-8, with or without byte order mark.
    Utf8,
    /// UTF-16, most significant byte first.
    Utf16Be,
    /// UTF-16, least significant byte first.
    Utf16Le,
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Be => "UTF-16BE",
            Self::Utf16Le => "UTF-16LE",
        })
    }
}

/// Characters from octets. Line ends are LF already (XML 1.0, 2.11), and only characters of XML come
/// through, so nobody above needs to think of either.
///
/// A fault is kept until everything before it has been taken: a document is refused for the first
/// thing that is wrong with it, however the octets arrived.
pub(super) struct Source<R: Read> {
    inner: R,
    encoding: Option<Encoding>,
    /// Where octets are read to.
    piece: Vec<u8>,
    /// Octets that are not decoded yet.
    raw: Vec<u8>,
    text: String,
    from: usize,
    after_cr: bool,
    ended: bool,
    fault: Option<XmlError>,
    /// Octets that may still come; one document's bound.
    left: u64,
    limit: u64,
    /// Bytes of decoded text given out, to say where a fault is.
    taken: u64,
    /// Bytes of markup that may still be given out by `fill_buf`.
    budget: Option<usize>,
    over_budget: bool,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            encoding: None,
            piece: vec![0; FIRST_PIECE_BYTES],
            raw: Vec::new(),
            text: String::new(),
            from: 0,
            after_cr: false,
            ended: false,
            fault: None,
            left: limit,
            limit,
            taken: 0,
            budget: None,
            over_budget: false,
        }
    }

    /// Where reading stands, in bytes of decoded text.
    pub(super) fn offset(&self) -> u64 {
        self.taken
    }

    /// The encoding that the first octets showed.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or(Encoding::Utf8)
    }

    /// The text that is ready: at least `least` bytes of it, unless the document ends before.
    pub(super) fn peek(&mut self, least: usize) -> Result<&str, XmlError> {
        while self.text.len() - self.from < least && !self.ended {
            self.fill();
        }
        // The text before a fault is given out first.
        if self.text.len() == self.from
            && let Some(fault) = self.fault.take()
        {
            return Err(fault);
        }
        Ok(&self.text[self.from..])
    }

    /// Takes `count` bytes of what `peek` showed.
    pub(super) fn take(&mut self, count: usize) {
        self.from = (self.from + count).min(self.text.len());
        self.taken += count as u64;
    }

    /// Bounds what `fill_buf` gives out from now on; `None` takes the bound away.
    pub(super) fn set_budget(&mut self, budget: Option<usize>) {
        self.budget = budget;
        self.over_budget = false;
    }

    /// Whether the budget was what ended reading.
    pub(super) fn is_over_budget(&self) -> bool {
        self.over_budget
    }

    /// The fault that `fill_buf` could only report as an I/O error.
    pub(super) fn take_fault(&mut self) -> Option<XmlError> {
        self.fault.take()
    }

    /// Reads one more piece. A fault ends the text.
    fn fill(&mut self) {
        self.text.drain(..self.from);
        self.from = 0;
        if let Err(fault) = self.read_piece() {
            self.fault = Some(fault);
            self.ended = true;
        }
    }

    fn read_piece(&mut self) -> Result<(), XmlError> {
        let wanted = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(self.piece.len());
        let read = read_once(&mut self.inner, &mut self.piece[..wanted])?;
        self.raw.extend_from_slice(&self.piece[..read]);
        if read == self.piece.len() && read < PIECE_BYTES {
            self.piece.resize(2 * read, 0);
        }
        if read as u64 > self.left {
            return Err(XmlError::Limit { what: "the document, in bytes,", limit: self.limit });
        }
        self.left -= read as u64;
        self.ended = read == 0;
        if self.encoding.is_none() && !self.detect()? {
            return Ok(());
        }
        match self.encoding() {
            Encoding::Utf8 => self.decode_utf8(),
            Encoding::Utf16Be => self.decode_utf16(u16::from_be_bytes),
            Encoding::Utf16Le => self.decode_utf16(u16::from_le_bytes),
        }
    }

    /// Looks at the first octets (XML 1.0, appendix F); `false` while there are too few.
    fn detect(&mut self) -> Result<bool, XmlError> {
        if self.raw.len() < 4 && !self.ended {
            return Ok(false);
        }
        let (encoding, mark) = match self.raw[..] {
            [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
                return Err(forbidden("the encoding UTF-32"));
            }
            [0xEF, 0xBB, 0xBF, ..] => (Encoding::Utf8, 3),
            [0xFE, 0xFF, ..] => (Encoding::Utf16Be, 2),
            [0xFF, 0xFE, ..] => (Encoding::Utf16Le, 2),
            [0, b'<', ..] | [b'<', 0, ..] => {
                return Err(forbidden("UTF-16 without a byte order mark"));
            }
            _ => (Encoding::Utf8, 0),
        };
        self.raw.drain(..mark);
        self.encoding = Some(encoding);
        Ok(true)
    }

    fn decode_utf8(&mut self) -> Result<(), XmlError> {
        let raw = std::mem::take(&mut self.raw);
        match std::str::from_utf8(&raw) {
            Ok(text) => self.accept(text),
            Err(error) => {
                let (text, rest) = raw.split_at(error.valid_up_to());
                self.accept(std::str::from_utf8(text).unwrap_or_default())?;
                if error.error_len().is_some() || self.ended {
                    return Err(self.malformed("octets that are not UTF-8"));
                }
                self.raw = rest.to_vec();
                Ok(())
            }
        }
    }

    fn decode_utf16(&mut self, unit: fn([u8; 2]) -> u16) -> Result<(), XmlError> {
        let raw = std::mem::take(&mut self.raw);
        let mut units: Vec<u16> = raw.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let cut_in_pair = units.last().is_some_and(|last| (0xD800..0xDC00).contains(last));
        if !self.ended && cut_in_pair {
            units.pop();
        }
        let decoded: Result<String, _> = char::decode_utf16(units.iter().copied()).collect();
        let rest = &raw[units.len() * 2..];
        match decoded {
            Ok(text) if !self.ended || rest.is_empty() => {
                self.raw = rest.to_vec();
                self.accept(&text)
            }
            _ => Err(self.malformed("octets that are not UTF-16")),
        }
    }

    /// Adds decoded text: characters checked, line ends made LF.
    fn accept(&mut self, text: &str) -> Result<(), XmlError> {
        let good = names::forbidden_char(text);
        let valid = &text[..good.unwrap_or(text.len())];
        let mut rest = if self.after_cr { valid.strip_prefix('\n').unwrap_or(valid) } else { valid };
        if !valid.is_empty() {
            self.after_cr = valid.ends_with('\r');
        }
        while let Some(at) = memchr::memchr(b'\r', rest.as_bytes()) {
            self.text.push_str(&rest[..at]);
            self.text.push('\n');
            rest = &rest[at + 1..];
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
        self.text.push_str(rest);
        match good.and_then(|at| text[at..].chars().next()) {
            Some(c) => Err(self.malformed(&format!("the character U+{:04X}, which XML does not allow", u32::from(c)))),
            None => Ok(()),
        }
    }

    /// A fault behind all text that is ready.
    fn malformed(&self, what: &str) -> XmlError {
        XmlError::Malformed { at: self.taken + (self.text.len() - self.from) as u64, what: what.to_owned() }
    }
}

/// One read, tried again where a signal interrupted it.
fn read_once(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn forbidden(what: &str) -> XmlError {
    XmlError::Forbidden { what: what.to_owned() }
}

/// For quick-xml, which reads one piece of markup at a time.
impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let budget = self.budget;
        if budget == Some(0) {
            self.over_budget = true;
            return Err(io::Error::other("markup too long"));
        }
        if let Err(fault) = self.peek(1) {
            self.fault = Some(fault);
            return Err(io::Error::other("see the fault"));
        }
        let ready = &self.text.as_bytes()[self.from..];
        Ok(&ready[..ready.len().min(budget.unwrap_or(usize::MAX))])
    }

    fn consume(&mut self, count: usize) {
        self.take(count);
        if let Some(budget) = &mut self.budget {
            *budget -= count.min(*budget);
        }
    }
}
