//! One attachment in one pass: decrypted, its signed digest taken, unpacked and spooled, in constant memory.

use super::cause::RefusalCause;
use super::error::{Finding, Refusal};
use super::header::PartInfo;
use super::mime::from_io;
use super::sign;
use crate::crypto::{self, Digest, HashFunction, Opener};
use crate::limits;
use crate::xml::c14n;
use crate::xml::{Limits, Reader};
use flate2::read::MultiGzDecoder;
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use zeroize::Zeroizing;

/// How the signature sees the octets of a part (protocol.md 2.4): by the media type that it had when it was signed. As XML and as
/// text other octets have the same digest, so a type that nobody signed must not choose these forms: see [`SignedForm::of`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SignedForm {
    /// XML: exclusive canonical form without comments.
    Xml,
    /// Other text: every line end as CR LF.
    Text,
    /// Anything else, and no type: as it is.
    Octets,
}

impl SignedForm {
    /// The form of a part whose octets came with the media type `mime`, which is not signed: any part may be signed as octets, and
    /// as XML or text only one whose description in the signed header says so.
    ///
    /// # Errors
    ///
    /// [`Refusal::Inconsistent`].
    pub(super) fn of(info: &PartInfo, mime: Option<&str>) -> Result<Self, Refusal> {
        let form = Self::of_type(mime);
        let described = if info.compression().is_some() { Self::Octets } else { Self::of_type(info.mime()) };
        if form == Self::Octets || form == described {
            return Ok(form);
        }
        Err(Refusal::Inconsistent(Finding::new(
            format!(
                "{} with the media type {}, which is not what the signed header describes",
                info.href,
                mime.unwrap_or("(none)")
            ),
            match info.compression() {
                Some(compression) => format!("{compression}, its CompressionType"),
                None => format!("{}, its MimeType", info.mime().unwrap_or("application/octet-stream")),
            },
        )))
    }

    /// The form for a media type, as WSS4J decides it.
    fn of_type(mime: Option<&str>) -> Self {
        let mime = mime.unwrap_or_default().trim().to_ascii_lowercase();
        let media = mime.split(';').next().unwrap_or_default().trim_end();
        let suffixed = (media.starts_with("application/") || media.starts_with("image/")) && media.contains("+xml");
        if mime.starts_with("text/xml") || mime.starts_with("application/xml") || suffixed {
            Self::Xml
        } else if mime.starts_with("text/") {
            Self::Text
        } else {
            Self::Octets
        }
    }
}

/// A session key, or what stands in for one that could not be unwrapped: then everything goes the same way,
/// and ends in the same refusal as damaged content (protocol.md 6, 32).
pub(super) struct Secret {
    key: Zeroizing<Vec<u8>>,
    sound: bool,
    /// Initialisation vectors that were used with it, under whichever EncryptedKey; none are kept where they may come again.
    used: Option<Rc<RefCell<Vec<Vec<u8>>>>>,
}

impl Secret {
    /// `fresh`: whether each part needs an initialisation vector of its own. One that wraps the key of another of the message
    /// (`before`) shares its vectors; what stands in for a key is nobody's, or the finding would tell that it could not be unwrapped.
    pub(super) fn new(key: Zeroizing<Vec<u8>>, sound: bool, fresh: bool, before: &[Self]) -> Self {
        let same = |other: &&Self| sound && other.sound && crypto::equal(&other.key, &key);
        let used = before.iter().find(same).map_or_else(|| fresh.then(Rc::default), |other| other.used.clone());
        Self { key, sound, used }
    }

    /// Takes note of an initialisation vector, and says whether it came before.
    fn reused(&self, iv: &[u8]) -> bool {
        let Some(used) = self.used.as_ref().filter(|_| iv.len() as u64 == IV_BYTES) else { return false };
        let again = used.borrow().iter().any(|known| known == iv);
        used.borrow_mut().push(iv.to_owned());
        again
    }
}

/// What the signature says of a part.
pub(super) struct Signed<'a> {
    pub(super) form: SignedForm,
    pub(super) hash: HashFunction,
    pub(super) digest: &'a [u8],
}

/// What is to be done to a part.
pub(super) struct Plan<'a> {
    /// For findings.
    pub(super) href: &'a str,
    pub(super) secret: Option<&'a Secret>,
    /// What was signed; none in messages that need no signature.
    pub(super) signed: Option<Signed<'a>>,
    pub(super) gzip: bool,
    /// Most octets that may come out.
    pub(super) bytes_max: u64,
}

/// Takes one part, and says how many octets came out. What was written to `out` counts only when this succeeds.
///
/// # Errors
///
/// In this order: trouble of the source (MIME, connection, a tag that does not hold), a digest that differs, then
/// what only makes sense for authentic octets: unpacking, bounds, storage.
pub(super) fn take<'r>(source: Box<dyn Read + 'r>, plan: &Plan<'_>, out: &mut dyn Write) -> Result<u64, Refusal> {
    let mut latch = Latch { inner: decrypted(source, plan.secret, plan.href)?, fault: None };
    let mut sink = Sink::new(out, plan.bytes_max);
    let (digest, outcome) = match &plan.signed {
        Some(Signed { form: SignedForm::Xml, hash, .. }) => xml(&mut latch, *hash, plan.href, &mut sink),
        _ => octets(&mut latch, plan, &mut sink),
    };
    if let Some(fault) = latch.fault {
        return Err(fault);
    }
    if let (Some(signed), Some(digest)) = (&plan.signed, digest)
        && !crypto::equal(&digest, signed.digest)
    {
        return Err(Refusal::Authentication(
            Finding::new(
                format!("content of {} that differs from what was signed", plan.href),
                "the digest in the signature",
            )
            .cause(RefusalCause::Altered),
        ));
    }
    outcome?;
    Ok(sink.bytes)
}

/// The digest, and what is wrong with authentic octets; without a digest always something.
type Outcome = (Option<Vec<u8>>, Result<(), Refusal>);

/// Octets and text: the digest is taken on the way to the gunzip or the spool.
fn octets(latch: &mut dyn Read, plan: &Plan<'_>, sink: &mut Sink<'_>) -> Outcome {
    let hash = plan.signed.as_ref().map_or(HashFunction::Sha256, |signed| signed.hash);
    let text = plan.signed.as_ref().is_some_and(|signed| signed.form == SignedForm::Text);
    let mut tee = Tee { inner: latch, digest: Digest::new(hash), crlf: text.then_some(false), bytes: 0 };
    let outcome =
        if plan.gzip { inflate(&mut tee, plan.href, sink) } else { pump(&mut tee, sink).map_err(|_| sink_fault(sink)) };
    // The rest must be read whatever went wrong: the tag and the digest speak first.
    let _ = io::copy(&mut tee, &mut io::sink());
    (Some(tee.finish()), outcome)
}

/// XML: the digest is that of the canonical form, what is spooled are the octets, as peers deliver them too. Comments are in the
/// octets and not in that form (WS-Security SwA Profile 1.1, 5.4.4): who sends XML uncompressed leaves them unsigned.
fn xml(latch: &mut dyn Read, hash: HashFunction, href: &str, sink: &mut Sink<'_>) -> Outcome {
    let limits = Limits { document_bytes: limits::AS4_BODY_BYTES_MAX, ..Limits::default() };
    let mut copy = Copy { inner: latch, sink };
    let reader = Reader::with_limits(&mut copy, limits);
    let canonical = c14n::document(reader, &sign::exclusive(), |_, _| false, Digest::new(hash));
    let _ = io::copy(&mut copy, &mut io::sink());
    let stored = if sink.fault.is_some() { Err(sink_fault(sink)) } else { Ok(()) };
    match canonical {
        Ok(digest) => (Some(digest.finish()), stored),
        Err(error) => {
            let finding =
                Finding::new(format!("{href}, signed as XML: {error}"), "a well-formed XML document without DTD");
            (None, stored.and(Err(Refusal::Authentication(finding.cause(RefusalCause::PartXml)))))
        }
    }
}

fn inflate(tee: &mut Tee<'_>, href: &str, sink: &mut Sink<'_>) -> Result<(), Refusal> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut decoder = MultiGzDecoder::new(tee);
    let begins = decoder.header().is_some();
    loop {
        let n = match decoder.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) => return Err(not_gzip(href, &error, begins, decoder.header().is_some())),
        };
        sink.write_all(&buffer[..n]).map_err(|_| sink_fault(sink))?;
        let packed = decoder.get_ref().bytes.max(1);
        if sink.bytes > limits::GZIP_FREE_BYTES && sink.bytes / packed > limits::GZIP_RATIO_MAX {
            return Err(incredible(href, sink.bytes, packed));
        }
    }
}

/// What is wrong with a gzip file of which the first member `begins`, and, where it does, `another` one after it.
fn not_gzip(href: &str, error: &io::Error, begins: bool, another: bool) -> Refusal {
    let early = error.kind() == io::ErrorKind::UnexpectedEof;
    let (found, expected) = match (begins, another) {
        (false, _) => ("octets that do not begin as a gzip file".to_owned(), "a gzip file"),
        (true, false) => ("data after its gzip file".to_owned(), "the end of the part after the last gzip member"),
        (true, true) if early => ("a gzip file that ends too early".to_owned(), "a whole gzip file"),
        (true, true) => (format!("a damaged gzip file ({error})"), "a whole gzip file"),
    };
    Refusal::Decompression(Finding::new(format!("{href}: {found}"), format!("{expected} (RFC 1952)")))
}

fn incredible(href: &str, bytes: u64, packed: u64) -> Refusal {
    let expected = format!(
        "at most {} times as many bytes as came, once they are more than {} MiB",
        limits::GZIP_RATIO_MAX,
        limits::GZIP_FREE_BYTES >> 20
    );
    let finding = Finding::new(format!("{href}: {bytes} bytes out of {packed}"), expected);
    Refusal::Decompression(finding.cause(RefusalCause::GzipRatio))
}

fn pump(reader: &mut dyn Read, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            n => sink.write_all(&buffer[..n])?,
        }
    }
}

fn sink_fault(sink: &mut Sink<'_>) -> Refusal {
    sink.fault.take().unwrap_or_else(|| Refusal::Temporary("storing a part failed".into()))
}

fn decrypted<'r>(
    source: Box<dyn Read + 'r>,
    secret: Option<&Secret>,
    href: &str,
) -> Result<Box<dyn Read + 'r>, Refusal> {
    let Some(secret) = secret else { return Ok(source) };
    let opener = Opener::gcm(&secret.key).map_err(|_| Refusal::Decryption { hint: None })?;
    let mut source = source;
    let mut iv = Vec::new();
    (&mut source).take(IV_BYTES).read_to_end(&mut iv).map_err(from_io)?;
    if secret.reused(&iv) {
        return Err(Refusal::Policy(
            Finding::new(
                format!("{href} with an initialisation vector that another part has under the same session key"),
                "a fresh initialisation vector for each part",
            )
            .cause(RefusalCause::Vector),
        ));
    }
    Ok(Box::new(Decrypting {
        inner: io::Cursor::new(iv).chain(source),
        opener: Some(opener),
        sound: secret.sound,
        plain: Vec::new(),
        at: 0,
        cipher: vec![0; CHUNK_BYTES],
    }))
}

/// Decrypts as it is read; its end is an error where the tag does not hold.
struct Decrypting<R> {
    inner: R,
    opener: Option<Opener>,
    sound: bool,
    plain: Vec<u8>,
    at: usize,
    cipher: Vec<u8>,
}

impl<R: Read> Read for Decrypting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            self.plain.clear();
            self.at = 0;
            let Some(opener) = &mut self.opener else { return Ok(0) };
            let n = self.inner.read(&mut self.cipher)?;
            let step = if n > 0 {
                opener.update(&self.cipher[..n], &mut self.plain)
            } else {
                self.opener.take().map_or(Ok(()), |opener| opener.finish(&mut self.plain))
            };
            if step.is_err() || (n == 0 && !self.sound) {
                return Err(io::Error::other(Refusal::Decryption { hint: None }));
            }
        }
        let n = out.len().min(self.plain.len() - self.at);
        out[..n].copy_from_slice(&self.plain[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Keeps the first fault of what is read, so that it is not taken for a fault of gzip or XML.
struct Latch<R> {
    inner: R,
    fault: Option<Refusal>,
}

impl<R: Read> Read for Latch<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.fault.is_some() {
            return Err(io::Error::other("the source failed before"));
        }
        self.inner.read(out).map_err(|error| {
            self.fault = Some(from_io(error));
            io::Error::other("the source failed")
        })
    }
}

/// Takes the digest of what passes.
struct Tee<'a> {
    inner: &'a mut dyn Read,
    digest: Digest,
    /// For text: whether the last octet was a CR whose LF is still to come.
    crlf: Option<bool>,
    bytes: u64,
}

impl Tee<'_> {
    fn digest_text(&mut self, mut after_cr: bool, octets: &[u8]) {
        let mut normal = Vec::with_capacity(octets.len() + 16);
        for &octet in octets {
            match octet {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => normal.extend_from_slice(b"\r\n"),
                other => normal.push(other),
            }
            after_cr = octet == b'\r';
        }
        self.digest.update(&normal);
        self.crlf = Some(after_cr);
    }

    fn finish(self) -> Vec<u8> {
        self.digest.finish()
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.bytes += n as u64;
        match self.crlf {
            None => self.digest.update(&out[..n]),
            Some(after_cr) => self.digest_text(after_cr, &out[..n]),
        }
        Ok(n)
    }
}

/// Copies what is read to the sink. A fault of the sink stays there: reading goes on for the digest.
struct Copy<'a, 's> {
    inner: &'a mut dyn Read,
    sink: &'a mut Sink<'s>,
}

impl Read for Copy<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        if self.sink.fault.is_none() {
            let _ = self.sink.write_all(&out[..n]);
        }
        Ok(n)
    }
}

/// Where the octets go: counted and bounded.
struct Sink<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
    bytes_max: u64,
    fault: Option<Refusal>,
}

impl<'a> Sink<'a> {
    fn new(out: &'a mut dyn Write, bytes_max: u64) -> Self {
        Self { out, bytes: 0, bytes_max, fault: None }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.bytes += octets.len() as u64;
        if self.bytes > self.bytes_max {
            self.fault =
                Some(Refusal::Limit(Finding::new("more content", format!("at most {} bytes more", self.bytes_max))));
            return Err(io::Error::other("over the limit"));
        }
        if let Err(error) = self.out.write_all(octets) {
            self.fault = Some(Refusal::Temporary(format!("storing a part failed: {error}")));
            return Err(io::Error::other("storing failed"));
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Length of an initialisation vector of AES-GCM (XML Encryption 1.1, 5.2.4).
const IV_BYTES: u64 = 12;

/// How much goes through at once.
const CHUNK_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as4::header::Property;
    use crate::as4::pmode;

    /// Takes octets as XML, of which `<a></a>` was signed.
    fn taken(octets: &[u8]) -> Result<Vec<u8>, Refusal> {
        let digest = Digest::of(HashFunction::Sha256, b"<a></a>");
        let signed = Some(Signed { form: SignedForm::Xml, hash: HashFunction::Sha256, digest: &digest });
        let mut out = Vec::new();
        take(Box::new(octets), &Plan { href: "cid:a", secret: None, signed, gzip: false, bytes_max: 100 }, &mut out)?;
        Ok(out)
    }

    #[test]
    fn what_is_signed_as_xml_is_the_same_document_whoever_encrypted_it() {
        for same in ["<a></a>", "<?xml version='1.0'?>\n<a />", "<!-- peers do --><a></a>"] {
            assert_eq!(taken(same.as_bytes()).unwrap(), same.as_bytes());
        }
        for (other, why) in [("<a> </a>", "differs from what was signed"), ("<a>", "signed as XML")] {
            let refusal = taken(other.as_bytes()).unwrap_err();
            assert!(matches!(refusal, Refusal::Authentication(_)), "{other}: {refusal}");
            assert!(refusal.to_string().contains(why), "{other}: {refusal}");
        }
    }

    #[test]
    fn a_media_type_that_nobody_signed_chooses_no_form_that_passes_other_octets() {
        let info = |mime: &str, compression: Option<&str>| PartInfo {
            href: "cid:a".into(),
            properties: [Some((pmode::MIME_TYPE, mime)), compression.map(|name| (pmode::COMPRESSION_TYPE, name))]
                .into_iter()
                .flatten()
                .map(|(name, value)| Property { name: name.into(), kind: None, value: value.into() })
                .collect(),
        };
        let form = |info: &PartInfo, mime| SignedForm::of(info, Some(mime)).ok();
        let (octets, xml, text) =
            (info("application/octet-stream", None), info("text/xml", None), info("text/plain", None));
        let zipped = info("text/xml", Some("application/gzip"));
        assert_eq!(form(&xml, "application/xml; charset=utf-8"), Some(SignedForm::Xml));
        assert_eq!(form(&text, "text/csv"), Some(SignedForm::Text));
        for info in [&octets, &xml, &text, &zipped] {
            assert_eq!(form(info, "application/gzip"), Some(SignedForm::Octets));
        }
        for (info, mime) in [
            (&octets, "text/xml"),
            (&octets, "text/plain"),
            (&xml, "text/plain"),
            (&text, "text/xml"),
            (&zipped, "text/xml"),
        ] {
            assert_eq!(form(info, mime), None, "{mime}");
        }
    }
}
