//! Opening an envelope that was verified (C4).

use super::collect::Collector;
use super::header::Header;
use super::seal::{TYPE_CONTENT, TYPE_ELEMENT};
use super::verify::Signed;
use crate::crypto::{Digest, HashFunction, Opener};
use crate::model::Finding;
use crate::pki::Identity;
use crate::xml::algorithm::{self, Allowed, Profile};
use crate::xml::base64::Decoder;
use crate::xml::c14n::{Canonicalizer, Form, Method};
use crate::xml::dsig::base64;
use crate::xml::enc::EncryptedKey;
use crate::xml::ns::{DS, XENC, XHA, XHE};
use crate::xml::{Event, Reader, Start, XmlError};
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// Why an envelope was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Decryption failed. One error for wrong key, wrong key length, damaged content and wrong padding, so
    /// that nobody learns which (XHE-3.4.1). No message receipt is sent (KVITT-2.1.2, C-32).
    #[error("the payload could not be decrypted")]
    Decryption,
    /// The header lacks something, or has it in a form that is none.
    #[error("the envelope's header: {0}")]
    Header(Box<Finding>),
    /// Writing the payload failed.
    #[error("writing the payload failed: {0}")]
    Io(#[from] io::Error),
    /// These are not the octets whose signature was verified.
    #[error("the envelope is not the one whose signature was verified")]
    NotVerified,
    /// The structure, or an algorithm, is not that of the profile.
    #[error("{0}")]
    Structure(String),
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// An envelope that was opened. What was written of the payload may be released now.
#[derive(Clone, Debug)]
pub struct Unsealed {
    /// The header.
    pub header: Header,
    /// Whether the payload was encrypted.
    pub encrypted: bool,
    /// Size of the payload in bytes.
    pub bytes: u64,
}

/// Decrypts the payload of a verified envelope with one of `keys` and writes it to `out`; a payload in clear
/// is written as one element that declares its own namespaces.
///
/// AES-CBC says nothing of the integrity of what it gives: nothing of `out` may be released before this returns `Ok`.
///
/// # Errors
///
/// [`OpenError`].
pub fn open<R: Read, W: Write>(signed: &Signed, envelope: R, keys: &[Identity], out: W) -> Result<Unsealed, OpenError> {
    let mut octets = Octets { inner: envelope, digest: Digest::new(HashFunction::Sha256) };
    let mut out = Counting { inner: out, bytes: 0 };
    let (collector, encrypted) = read(Reader::new(&mut octets), keys, &mut out)?;
    // The reader stops at the end of the document; what it did not ask for belongs to the octets too.
    io::copy(&mut octets, &mut io::sink())?;
    if !signed.covers(&octets.digest.finish()) {
        return Err(OpenError::NotVerified);
    }
    let header = collector.header().map_err(|finding| OpenError::Header(Box::new(finding)))?;
    out.inner.flush()?;
    Ok(Unsealed { header, encrypted, bytes: out.bytes })
}

/// Reads to the end; the payload goes to `out`.
fn read<R: Read, W: Write>(
    mut reader: Reader<R>,
    keys: &[Identity],
    out: &mut W,
) -> Result<(Collector, bool), OpenError> {
    let mut collector = Collector::default();
    let mut encrypted = None;
    loop {
        let event = reader.next()?;
        collector.event(&event);
        if event == Event::Eof {
            break;
        }
        let at_payload =
            collector.trail().is(&[(XHE, "XHE"), (XHA, "Payloads"), (XHA, "Payload"), (XHA, "PayloadContent")]);
        if let (Event::Start(_), true) = (&event, at_payload) {
            if encrypted.is_some() {
                return Err(OpenError::Structure("found a second PayloadContent; expected one (R14)".into()));
            }
            encrypted = Some(payload(&mut reader, keys, out)?);
            collector.event(&Event::End);
        }
    }
    encrypted
        .map(|encrypted| (collector, encrypted))
        .ok_or_else(|| OpenError::Structure("found no PayloadContent; expected one (R14)".into()))
}

/// Reads the content of PayloadContent and its end tag.
fn payload<R: Read, W: Write>(reader: &mut Reader<R>, keys: &[Identity], out: &mut W) -> Result<bool, OpenError> {
    let mut content = None;
    let mut text = String::new();
    loop {
        match reader.next()? {
            Event::Start(_) if content.is_some() => {
                return Err(OpenError::Structure("found a second element in PayloadContent; expected one".into()));
            }
            Event::Start(start) if start.is(XENC, "EncryptedData") => {
                decrypt(reader, &start, keys, out)?;
                content = Some(true);
            }
            Event::Start(start) => {
                clear(reader, start, out)?;
                content = Some(false);
            }
            // White space beside an element is no content; the text of a payload that is not XML is.
            Event::Text(piece) if content.is_none() => {
                text.push_str(&piece);
                if !text.trim().is_empty() {
                    out.write_all(std::mem::take(&mut text).as_bytes())?;
                }
            }
            Event::End => return Ok(content.unwrap_or(false)),
            Event::Eof => return Err(OpenError::Structure("found the end of the document in PayloadContent".into())),
            _ => {}
        }
    }
}

/// Writes an element with the bindings around it.
fn clear<R: Read, W: Write>(reader: &mut Reader<R>, mut start: Start, out: &mut W) -> Result<(), OpenError> {
    start.declarations = reader
        .in_scope()
        .into_iter()
        .filter(|(prefix, ns)| prefix != "xml" && !(prefix.is_empty() && ns.is_empty()))
        .collect();
    let method = Method { form: Form::Inclusive10, comments: true, prefixes: Vec::new() };
    let mut writer = Canonicalizer::new(&method, out);
    let end = reader.depth();
    let mut event = Event::Start(start);
    loop {
        writer.event(&event)?;
        if event == Event::End && reader.depth() < end {
            break;
        }
        event = reader.next()?;
    }
    writer.finish()?;
    Ok(())
}

/// Reads an EncryptedData to its end tag and writes what it hides.
fn decrypt<R: Read, W: Write>(
    reader: &mut Reader<R>,
    start: &Start,
    keys: &[Identity],
    out: &mut W,
) -> Result<(), OpenError> {
    match start.attribute("", "Type") {
        None | Some(TYPE_ELEMENT | TYPE_CONTENT) => {}
        Some(other) => {
            return Err(OpenError::Structure(format!(
                "found EncryptedData of Type {other:?}; expected {TYPE_ELEMENT}"
            )));
        }
    }
    let mut key = None;
    loop {
        match reader.next()? {
            Event::Start(start) if start.is(XENC, "EncryptionMethod") => {
                content_method(&start)?;
                reader.skip()?;
            }
            Event::Start(start) if start.is(DS, "KeyInfo") => key = Some(content_key(reader, start, keys)?),
            Event::Start(start) if start.is(XENC, "CipherData") => {
                let key = key
                    .take()
                    .ok_or_else(|| OpenError::Structure("found CipherData without a KeyInfo before it".into()))?;
                cipher_data(reader, key, out)?;
            }
            Event::Start(start) => {
                return Err(OpenError::Structure(format!(
                    "found {} in EncryptedData; expected EncryptionMethod, KeyInfo and CipherData",
                    start.local
                )));
            }
            Event::End => {
                return if key.is_none() {
                    Ok(())
                } else {
                    Err(OpenError::Structure("found no CipherData in EncryptedData".into()))
                };
            }
            Event::Eof => return Err(OpenError::Structure("found the end of the document in EncryptedData".into())),
            _ => {}
        }
    }
}

/// The content encryption of the profile, AES-256-CBC.
fn content_method(start: &Start) -> Result<(), OpenError> {
    let uri = start.attribute("", "Algorithm").unwrap_or_default();
    algorithm::content(uri, Profile::Xhe, &Allowed::new()).map(|_| ()).map_err(|e| OpenError::Structure(e.to_string()))
}

/// The content key, or what stands in for it where no key of ours fits: then everything goes the same way, takes the same
/// time, and ends in the same refusal as damaged content.
struct ContentKey {
    key: Zeroizing<Vec<u8>>,
    sound: bool,
}

fn content_key<R: Read>(reader: &mut Reader<R>, start: Start, keys: &[Identity]) -> Result<ContentKey, OpenError> {
    let tree = reader.subtree(start)?;
    let mut wrapped = tree.root().all(XENC, "EncryptedKey");
    let (Some(node), None) = (wrapped.next(), wrapped.next()) else {
        return Err(OpenError::Structure("expected exactly one EncryptedKey in KeyInfo (XHE-3.4.2.t01)".into()));
    };
    let wrapped =
        EncryptedKey::parse(node, Profile::Xhe, &Allowed::new()).map_err(|e| OpenError::Structure(e.to_string()))?;
    let named: Vec<Vec<u8>> =
        node.descendants().filter(|n| n.is(DS, "X509Certificate")).filter_map(|n| base64(&n.text())).collect();
    let fits = |identity: &&Identity| named.iter().any(|der| der == identity.certificate.der());
    let mut chosen: Vec<&Identity> = keys.iter().filter(fits).collect();
    if chosen.is_empty() {
        chosen = keys.iter().collect();
    }
    let secret = chosen.iter().find_map(|identity| identity.key.unwrap(wrapped.oaep, &wrapped.value).ok());
    let secret = secret.filter(|secret| secret.len() == CONTENT_KEY_BYTES);
    let sound = secret.is_some();
    Ok(ContentKey { key: secret.unwrap_or_else(|| Zeroizing::new(vec![0; CONTENT_KEY_BYTES])), sound })
}

/// Reads CipherData to its end tag and writes the plaintext of its CipherValue.
fn cipher_data<R: Read, W: Write>(reader: &mut Reader<R>, key: ContentKey, out: &mut W) -> Result<(), OpenError> {
    let mut cipher = Cipher {
        decoder: Decoder::default(),
        opener: Opener::cbc(&key.key).map_err(|_| OpenError::Decryption)?,
        sound: key.sound,
        plain: Zeroizing::new(Vec::new()),
    };
    let mut values = 0;
    loop {
        match reader.next()? {
            Event::Start(start) if start.is(XENC, "CipherValue") && values == 0 => {
                values += 1;
                cipher.value(reader, out)?;
            }
            Event::Start(start) => {
                return Err(OpenError::Structure(format!(
                    "found {} in CipherData; expected one CipherValue",
                    start.local
                )));
            }
            Event::End => break,
            Event::Eof => return Err(OpenError::Decryption),
            _ => {}
        }
    }
    cipher.finish(out)
}

/// Ciphertext in Base64 on its way to plaintext. Goes on to the end whatever is wrong: time tells nothing then.
struct Cipher {
    decoder: Decoder,
    opener: Opener,
    sound: bool,
    plain: Zeroizing<Vec<u8>>,
}

impl Cipher {
    fn value<R: Read, W: Write>(&mut self, reader: &mut Reader<R>, out: &mut W) -> Result<(), OpenError> {
        loop {
            match reader.next()? {
                Event::Text(piece) => {
                    let octets = self.decoder.push(&piece);
                    self.plain.clear();
                    self.sound &= self.opener.update(octets, &mut self.plain).is_ok();
                    out.write_all(&self.plain)?;
                }
                Event::End => return Ok(()),
                Event::Comment(_) | Event::Instruction { .. } => {}
                Event::Start(_) | Event::Eof => {
                    return Err(OpenError::Structure("found an element in CipherValue; expected Base64".into()));
                }
            }
        }
    }

    fn finish<W: Write>(mut self, out: &mut W) -> Result<(), OpenError> {
        self.plain.clear();
        self.sound &= self.opener.finish(&mut self.plain).is_ok() && self.decoder.is_complete();
        if !self.sound {
            return Err(OpenError::Decryption);
        }
        Ok(out.write_all(&self.plain)?)
    }
}

/// Length of the content key (XHE-3.4.4.t03: AES-256).
const CONTENT_KEY_BYTES: usize = 32;

/// Digests what is read through it.
struct Octets<R> {
    inner: R,
    digest: Digest,
}

impl<R: Read> Read for Octets<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.digest.update(&buffer[..n]);
        Ok(n)
    }
}

/// Counts what is written through it.
struct Counting<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
