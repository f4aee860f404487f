//! `multipart/related` as a stream (RFC 2046, RFC 2387): the SOAP part into memory, the others as they come.
//!
//! Octets of a part are never changed: the line end before a delimiter belongs to the delimiter, and nothing
//! else is taken away. Header lines may end in LF alone, as recorded messages have them; delimiters may not.

mod header;

pub(super) use header::{ContentType, PartHeaders, content_id};

use super::error::{Finding, Refusal};
use super::transfer::{Base64Reader, Encoding, QuotedPrintableReader};
use crate::limits;
use header::{bare, part_headers};
use memchr::memmem;
use std::cell::Cell;
use std::io::{self, Read};

/// The SOAP part, and what follows it.
type Begun<R> = (Vec<u8>, Option<Multipart<R>>);

/// Reads the SOAP part; what follows it can then be read part by part.
///
/// # Errors
///
/// [`Refusal::Mime`] for what is neither SOAP nor a `multipart/related` that begins with it, [`Refusal::Limit`] above `soap_bytes_max`.
pub(super) fn open<R: Read>(content_type: &str, body: R, soap_bytes_max: usize) -> Result<Begun<R>, Refusal> {
    let kind = ContentType::parse(content_type)?;
    match kind.media.as_str() {
        SOAP_MEDIA => {
            utf8(&kind)?;
            Ok((soap_part(body, soap_bytes_max)?, None))
        }
        "multipart/related" => {
            let mut parts = Multipart::new(&kind, body)?;
            let soap = root_part(&kind, &mut parts, soap_bytes_max)?;
            Ok((soap, Some(parts)))
        }
        other => Err(mime(format!("Content-Type {other}"), "multipart/related or application/soap+xml")),
    }
}

/// Whether this beginning of a body holds the whole SOAP part, or enough to refuse it: [`open`] then asks for nothing more.
pub(super) fn begun(content_type: &str, beginning: &[u8], ended: bool, soap_bytes_max: usize) -> bool {
    let short = Cell::new(false);
    drop(open(content_type, Beginning { left: beginning, ended, short: &short }, soap_bytes_max));
    !short.get()
}

/// Octets that have come so far.
struct Beginning<'a> {
    left: &'a [u8],
    ended: bool,
    /// Set when more was asked for.
    short: &'a Cell<bool>,
}

impl Read for Beginning<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && !self.ended {
            self.short.set(true);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.left.read(out)
    }
}

fn root_part<R: Read>(kind: &ContentType, parts: &mut Multipart<R>, most: usize) -> Result<Vec<u8>, Refusal> {
    if let Some(media) = kind.parameter("type").filter(|t| !t.eq_ignore_ascii_case(SOAP_MEDIA)) {
        return Err(mime(format!("parameter type {media:?}"), SOAP_MEDIA));
    }
    let headers = parts.next_part()?.ok_or_else(|| mime("no part", "the SOAP part first"))?;
    let root = ContentType::parse(headers.content_type.as_deref().unwrap_or_default())?;
    if root.media != SOAP_MEDIA {
        return Err(mime(format!("a first part of type {}", root.media), SOAP_MEDIA));
    }
    utf8(&root)?;
    if let Some(start) = kind.parameter("start") {
        let start = content_id(bare(start));
        if headers.content_id.as_ref() != Some(&start) {
            let found = headers.content_id.unwrap_or_else(|| "none".into());
            return Err(mime(
                format!("a first part with Content-ID {found}"),
                format!("the SOAP part first, {start} as start says"),
            ));
        }
    }
    soap_part(parts.body(), most)
}

fn utf8(kind: &ContentType) -> Result<(), Refusal> {
    match kind.parameter("charset") {
        Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => Err(mime(format!("charset {charset}"), "UTF-8")),
        _ => Ok(()),
    }
}

fn soap_part(body: impl Read, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut soap = Vec::new();
    body.take(bytes_max as u64 + 1).read_to_end(&mut soap).map_err(from_io)?;
    if soap.len() > bytes_max {
        return Err(Refusal::Limit(Finding::new("a larger SOAP part", format!("at most {bytes_max} bytes"))));
    }
    Ok(soap)
}

/// A multipart body, read from front to back.
#[derive(Debug)]
pub(super) struct Multipart<R> {
    input: R,
    buffer: Vec<u8>,
    /// First byte not yet handed on.
    at: usize,
    /// End of the bytes that are known to be content.
    clear: usize,
    ended: bool,
    /// Line end, two hyphens, boundary.
    delimiter: Vec<u8>,
    state: State,
    encoding: Encoding,
    content_ids: Vec<String>,
    parts: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// In the preamble or in the body of a part.
    Body,
    /// After a delimiter, before the headers of a part.
    Headers,
    /// After the last delimiter.
    End,
}

impl<R: Read> Multipart<R> {
    fn new(kind: &ContentType, input: R) -> Result<Self, Refusal> {
        let boundary = kind.parameter("boundary").unwrap_or_default();
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || boundary.ends_with(' ') {
            return Err(mime(
                format!("boundary {boundary:?}"),
                format!("a boundary of 1 to {BOUNDARY_BYTES_MAX} characters"),
            ));
        }
        Ok(Self {
            input,
            // The first delimiter may stand at the very beginning, without a line end before it.
            buffer: b"\r\n".to_vec(),
            at: 0,
            clear: 0,
            ended: false,
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            state: State::Body,
            encoding: Encoding::Identity,
            content_ids: Vec::new(),
            parts: 0,
        })
    }

    /// Passes over the rest of the present part and reads the headers of the next; none after the last delimiter.
    pub(super) fn next_part(&mut self) -> Result<Option<PartHeaders>, Refusal> {
        let preamble = self.parts == 0;
        let mut passed = 0_u64;
        let mut scratch = [0; 4096];
        loop {
            let n = self.read_raw(&mut scratch).map_err(from_io)?;
            passed += n as u64;
            if n == 0 {
                break;
            }
            if preamble && passed > limits::MIME_HEADER_BYTES_MAX as u64 {
                return Err(mime(
                    "a long text before the first boundary",
                    format!("at most {} bytes", limits::MIME_HEADER_BYTES_MAX),
                ));
            }
        }
        if self.state == State::End {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > limits::MIME_PARTS_MAX {
            return Err(Refusal::Limit(Finding::new("more MIME parts", format!("at most {}", limits::MIME_PARTS_MAX))));
        }
        let headers = self.headers()?;
        if let Some(id) = &headers.content_id {
            if self.content_ids.contains(id) {
                return Err(mime(format!("Content-ID {id} twice"), "a Content-ID of its own for each part"));
            }
            self.content_ids.push(id.clone());
        }
        self.encoding = headers.encoding;
        self.state = State::Body;
        Ok(Some(headers))
    }

    /// The octets of the present part, its transfer encoding taken off.
    pub(super) fn body(&mut self) -> Box<dyn Read + '_> {
        let encoding = self.encoding;
        let raw = Raw(self);
        match encoding {
            Encoding::Identity => Box::new(raw),
            Encoding::Base64 => Box::new(Base64Reader::new(raw)),
            Encoding::QuotedPrintable => Box::new(QuotedPrintableReader::new(raw)),
        }
    }

    /// Octets of the present part; 0 at its end, with the delimiter taken.
    fn read_raw(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.state == State::Body {
            if self.at < self.clear {
                let n = out.len().min(self.clear - self.at);
                out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
                self.at += n;
                return Ok(n);
            }
            self.look_ahead()?;
        }
        Ok(0)
    }

    /// Finds how far the content goes that is in the buffer, or takes a delimiter.
    fn look_ahead(&mut self) -> io::Result<()> {
        match memmem::find(&self.buffer[self.at..], &self.delimiter) {
            Some(0) => self.take_delimiter(),
            Some(n) => {
                self.clear = self.at + n;
                Ok(())
            }
            None if self.ended => {
                Err(io::Error::other(mime("the end of the body without a final boundary", "the final boundary")))
            }
            None => {
                // The last bytes may be the beginning of a delimiter.
                let sure = (self.buffer.len() - self.at).saturating_sub(self.delimiter.len() - 1);
                if sure > 0 {
                    self.clear = self.at + sure;
                    return Ok(());
                }
                self.fill()
            }
        }
    }

    /// Takes the delimiter at the present position, or, where more of its line makes it another one's, calls it content.
    fn take_delimiter(&mut self) -> io::Result<()> {
        while self.buffer.len() - self.at < self.delimiter.len() + DELIMITER_PADDING_MAX && !self.ended {
            self.fill()?;
        }
        let tail = &self.buffer[self.at + self.delimiter.len()..];
        let padding = tail.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if tail.starts_with(b"--") {
            self.state = State::End;
        } else if tail[padding..].starts_with(b"\r\n") {
            self.at += self.delimiter.len() + padding + 2;
            self.clear = self.at;
            self.state = State::Headers;
        } else {
            self.clear = self.at + 1;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.clear = self.clear.saturating_sub(self.at);
        self.at = 0;
        let old = self.buffer.len();
        self.buffer.resize(old + BUFFER_BYTES, 0);
        let n = loop {
            match self.input.read(&mut self.buffer[old..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(old + *n.as_ref().unwrap_or(&0));
        self.ended = n? == 0;
        Ok(())
    }

    fn headers(&mut self) -> Result<PartHeaders, Refusal> {
        let mut lines: Vec<String> = Vec::new();
        let mut bytes = 0;
        loop {
            let line = self.line()?;
            bytes += line.len() + 2;
            if bytes > limits::MIME_HEADER_BYTES_MAX {
                return Err(long_headers());
            }
            match (line.starts_with([' ', '\t']), lines.last_mut()) {
                _ if line.is_empty() => break,
                (true, Some(last)) => last.push_str(&line),
                (true, None) => return Err(mime("a folded line before any header", "header lines")),
                (false, _) => lines.push(line),
            }
        }
        self.clear = self.at;
        part_headers(&lines)
    }

    /// A header line without its line end.
    fn line(&mut self) -> Result<String, Refusal> {
        loop {
            if let Some(n) = memchr::memchr(b'\n', &self.buffer[self.at..]) {
                let line = &self.buffer[self.at..self.at + n];
                let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
                self.at += n + 1;
                return Ok(line);
            }
            if self.buffer.len() - self.at > limits::MIME_HEADER_BYTES_MAX {
                return Err(long_headers());
            }
            if self.ended {
                return Err(mime("headers of a part without end", "an empty line after the headers"));
            }
            self.fill().map_err(from_io)?;
        }
    }
}

fn long_headers() -> Refusal {
    Refusal::Limit(Finding::new("longer MIME headers", format!("at most {} bytes", limits::MIME_HEADER_BYTES_MAX)))
}

/// The undecoded octets of the present part.
struct Raw<'m, R>(&'m mut Multipart<R>);

impl<R: Read> Read for Raw<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() { Ok(0) } else { self.0.read_raw(out) }
    }
}

/// What an error of reading means: a refusal that was found below, or trouble of the connection.
pub(super) fn from_io(error: io::Error) -> Refusal {
    error.downcast::<Refusal>().unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::TimedOut => Refusal::unfinished(error),
        io::ErrorKind::FileTooLarge => Refusal::Limit(Finding::new(error.to_string(), "a smaller request")),
        kind => Refusal::Temporary(format!("reading the body failed ({kind}): {error}")),
    })
}

fn mime(found: impl Into<String>, expected: impl Into<String>) -> Refusal {
    Refusal::Mime(Finding::new(found, expected))
}

/// The media type of SOAP 1.2.
pub(super) const SOAP_MEDIA: &str = "application/soap+xml";

/// Longest boundary (RFC 2046, 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// White space after a boundary that is looked at, with its line end.
const DELIMITER_PADDING_MAX: usize = 64;

/// How much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/related; type=\"application/soap+xml\"; boundary=b";

    /// Gives one byte at a time, so that every delimiter is met at every split.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = out.len().min(self.0.len()).min(1);
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    type Parts = Vec<(Option<String>, Vec<u8>)>;

    fn all(kind: &str, body: &[u8]) -> Result<(Vec<u8>, Parts), Refusal> {
        assert_eq!(split(kind, body), split(kind, Slow(body)), "the size of reads changes nothing");
        split(kind, body)
    }

    fn split(kind: &str, body: impl Read) -> Result<(Vec<u8>, Parts), Refusal> {
        let (soap, multipart) = open(kind, body, limits::SOAP_BYTES_MAX)?;
        let mut parts = Vec::new();
        let Some(mut multipart) = multipart else { return Ok((soap, parts)) };
        while let Some(headers) = multipart.next_part()? {
            let mut octets = Vec::new();
            multipart.body().read_to_end(&mut octets).map_err(from_io)?;
            parts.push((headers.content_id, octets));
        }
        Ok((soap, parts))
    }

    #[test]
    fn parts_keep_every_octet() {
        let body = b"preamble\r\n--b\r\nContent-Type: application/soap+xml;\r\n charset=UTF-8\r\n\r\n<soap/>\r\n--b  \r\nContent-ID: <a%40b>\r\n\r\n\r\n\n--b\r\n--bx\r\n\0\xff\r\r\n--b\r\nContent-Id: c\n\n\r\n--b--\r\nepilogue --b";
        let (soap, parts) = all(KIND, body).unwrap();
        assert_eq!(soap, b"<soap/>");
        assert_eq!(
            parts,
            [(Some("a@b".into()), b"\r\n\n--b\r\n--bx\r\n\0\xff\r".to_vec()), (Some("c".into()), Vec::new())]
        );
    }

    #[test]
    fn a_plain_soap_body_has_no_parts() {
        let (soap, parts) = all("Application/SOAP+xml;charset=utf-8", b"<soap/>").unwrap();
        assert_eq!((soap.as_slice(), parts.len()), (b"<soap/>".as_slice(), 0));
    }

    #[test]
    fn transfer_encodings_are_taken_off() {
        let body = b"--b\r\nContent-Type: application/soap+xml\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<a b=3D\"=C3=A5\"/>=\r\n<!-- -->\r\n--b\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAEC\r\nAwQ=\r\n\r\n--b--";
        let (soap, parts) = all(KIND, body).unwrap();
        assert_eq!(String::from_utf8(soap).unwrap(), "<a b=\"å\"/><!-- -->");
        assert_eq!(parts[0].1, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn wrong_structures_are_mime_inconsistencies() {
        let part = "--b\r\nContent-Type: application/soap+xml\r\n";
        for (kind, body, found) in [
            (KIND, format!("{part}\r\n<a/>\r\n--b"), "without a final boundary"),
            (KIND, format!("{part}\r\n<a/>"), "without a final boundary"),
            (
                KIND,
                format!("{part}\r\n<a/>\r\n--b\r\nContent-ID: <x>\r\n\r\n\r\n--b\r\nContent-ID: x\r\n\r\n\r\n--b--"),
                "Content-ID x twice",
            ),
            (KIND, format!("{part}\r\n<a/>\r\n--b\r\nno header\r\n\r\n\r\n--b--"), "header line"),
            (KIND, format!("{part}Content-Type: text/xml\r\n\r\n<a/>\r\n--b--"), "twice in one part"),
            (KIND, "--b\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--b--".into(), "first part of type text/xml"),
            (KIND, format!("{part}Content-Transfer-Encoding: uuencode\r\n\r\n<a/>\r\n--b--"), "uuencode"),
            ("multipart/related", format!("{part}\r\n<a/>\r\n--b--"), "boundary"),
            ("multipart/related; boundary=b; start=\"<x>\"", format!("{part}\r\n<a/>\r\n--b--"), "Content-ID none"),
            ("multipart/related; boundary=b; type=\"text/xml\"", format!("{part}\r\n<a/>\r\n--b--"), "parameter type"),
            ("multipart/related; boundary=b; boundary=c", format!("{part}\r\n<a/>\r\n--b--"), "twice"),
            ("application/soap+xml; charset=UTF-16", "<a/>".into(), "charset"),
            ("text/html", "<a/>".into(), "text/html"),
            ("", "<a/>".into(), "Content-Type"),
        ] {
            let refusal = all(kind, body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code(), "EBMS:0007", "{refusal}");
            assert!(refusal.to_string().contains(found), "{refusal} should say {found}");
        }
    }

    fn is_begun(content_type: &str, beginning: &[u8], ended: bool) -> bool {
        begun(content_type, beginning, ended, limits::SOAP_BYTES_MAX)
    }

    #[test]
    fn the_soap_part_is_there_when_nothing_more_of_the_body_is_asked_for() {
        let body = b"preamble\r\n--b\r\nContent-Type: application/soap+xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPHNv\r\nYXAvPg==\r\n--b\r\nContent-ID: <a>\r\n\r\n";
        let rest = [b"x".repeat(100), b"\r\n--b--".to_vec()].concat();
        let whole = [body.as_slice(), &rest].concat();
        let first = (0..=whole.len()).find(|&n| is_begun(KIND, &whole[..n], false)).unwrap();
        // The line of the delimiter may have spaces, so a little more than it is needed.
        assert!((body.len()..body.len() + DELIMITER_PADDING_MAX).contains(&first), "{first} of {}", body.len());
        assert!((first..=whole.len()).all(|n| is_begun(KIND, &whole[..n], false)));
        let (soap, _) = open(KIND, &whole[..first], limits::SOAP_BYTES_MAX).unwrap();
        assert_eq!(soap, b"<soap/>");
        assert!(
            !is_begun("application/soap+xml", b"<soap/>", false) && is_begun("application/soap+xml", b"<soap/>", true)
        );
        assert!(
            is_begun("text/html", b"", false) && is_begun("multipart/related", b"", false),
            "can be refused at once"
        );
        let long = b"x".repeat(limits::SOAP_BYTES_MAX + 1);
        assert!(is_begun(SOAP_MEDIA, &long, false) && !begun(SOAP_MEDIA, &long, false, long.len()), "another bound");
    }

    #[test]
    fn bounds_hold() {
        let long = format!(
            "--b\r\nContent-Type: application/soap+xml\r\nX: {}\r\n\r\n\r\n--b--",
            "x".repeat(limits::MIME_HEADER_BYTES_MAX)
        );
        assert!(matches!(all(KIND, long.as_bytes()), Err(Refusal::Limit(_))));
        let many = format!(
            "--b\r\nContent-Type: application/soap+xml\r\n\r\n{}\r\n--b--",
            "\r\n--b\r\n\r\n".repeat(limits::MIME_PARTS_MAX)
        );
        assert!(matches!(all(KIND, many.as_bytes()), Err(Refusal::Limit(_))));
        assert!(matches!(split(KIND, &b"x".repeat(limits::MIME_HEADER_BYTES_MAX * 2)[..]), Err(Refusal::Mime(_))));
    }
}
