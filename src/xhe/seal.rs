//! Making an envelope (C1): payload encrypted first, then the whole signed (XHE 3.2), in one pass.
//!
//! What is written is its own canonical form, so the digest of the enveloped signature runs along with
//! the writing, and the signature is put in at the end, when the digest is known.

use super::header::{AFTER_PAYLOAD, AFTER_SIGNATURE, Header, faults};
use crate::crypto::{CbcWriter, CryptoError, Digest, HashFunction, Oaep, Random};
use crate::pki::{Certificate, Identity};
use crate::xml::XmlError;
use crate::xml::dsig;
use crate::xml::ns::{DS, XENC, XHA, XHB, XHE};
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::write::EncoderWriter;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// `Type` of an encrypted element (XHE-3.4.4.1.a).
pub(super) const TYPE_ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
/// `Type` of encrypted content (XHE-3.4.4.1.b).
pub(super) const TYPE_CONTENT: &str = "http://www.w3.org/2001/04/xmlenc#Content";
/// Content encryption (XHE-3.4.4.t03).
const AES256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
/// Key transport (XHE-3.4.4.t02).
const RSA_OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
/// The digest of the key transport, said explicitly (C-21).
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";

/// Bytes of payload taken at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why no envelope was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Encrypting or signing failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The header breaks a rule of the profile.
    #[error("{0}")]
    Header(String),
    /// Reading the payload or writing the envelope failed.
    #[error("reading the payload or writing the envelope failed: {0}")]
    Io(#[from] io::Error),
    /// The payload is nothing that an envelope can carry.
    #[error("the payload is not a self-contained XML element: {0}")]
    Payload(#[from] XmlError),
}

/// Encrypts `payload` to the certificate `to`, envelopes it and signs the whole with `signer`.
///
/// For an XML payload, `payload` is one XML element that declares its own namespaces, in UTF-8; a byte
/// order mark and an XML declaration before it are left out. It is read once, and memory does not grow
/// with it. Algorithms: XHE-3.4.4, XHE-3.5.2, C-21 and C-22.
///
/// # Errors
///
/// [`SealError`]; what was written until then is no envelope.
pub fn seal<W: Write>(
    header: &Header,
    payload: &mut dyn Read,
    signer: &Identity,
    to: &Certificate,
    random: &dyn Random,
    out: W,
) -> Result<W, SealError> {
    if let Some(fault) = faults(header) {
        return Err(SealError::Header(fault));
    }
    let mut out = Digesting { inner: out, digest: Digest::new(HashFunction::Sha256) };
    out.write_all(header.frame(true).as_bytes())?;
    let mut key = Zeroizing::new([0_u8; 32]);
    random.fill(key.as_mut());
    out.write_all(encrypted_data(header, to, key.as_ref())?.as_bytes())?;
    let mut cipher = CbcWriter::new(&key, random, EncoderWriter::new(out, &STANDARD))?;
    copy_payload(payload, header.is_xml(), &mut cipher)?;
    let mut out = finish_base64(cipher.finish()?)?;
    out.write_all(b"</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>")?;
    out.write_all(AFTER_PAYLOAD.as_bytes())?;
    out.digest.update(AFTER_SIGNATURE.as_bytes());
    finish(out, signer)
}

/// The bindings of the envelope's root: they are in scope of the signature.
const FRAME: [(&str, &str); 3] = [("x", XHE), ("xha", XHA), ("xhb", XHB)];

/// The signature over a digest that is complete, and the end.
pub(super) fn finish<W: Write>(out: Digesting<W>, signer: &Identity) -> Result<W, SealError> {
    let Digesting { mut inner, digest } = out;
    let signature = dsig::enveloped_element(&digest.finish(), &signer.key, signer.certificate.der(), &FRAME)?;
    inner.write_all(signature.as_bytes())?;
    inner.write_all(AFTER_SIGNATURE.as_bytes())?;
    Ok(inner)
}

/// From the start tag of EncryptedData to the start tag of its CipherValue, canonical (XHE-3.4.2.t01).
fn encrypted_data(header: &Header, to: &Certificate, key: &[u8]) -> Result<String, SealError> {
    let oaep = Oaep { digest: HashFunction::Sha1, mgf: HashFunction::Sha1 };
    let wrapped = to.public_key().wrap(oaep, key)?;
    let kind = if header.is_xml() { TYPE_ELEMENT } else { TYPE_CONTENT };
    let mut out = crate::xml::write::Writer::new();
    out.start("xenc:EncryptedData", &[("xmlns:xenc", XENC), ("Type", kind)]);
    out.element("xenc:EncryptionMethod", &[("Algorithm", AES256_CBC)], "");
    out.start("ds:KeyInfo", &[("xmlns:ds", DS)]);
    out.start("xenc:EncryptedKey", &[]);
    out.start("xenc:EncryptionMethod", &[("Algorithm", RSA_OAEP)]);
    out.element("ds:DigestMethod", &[("Algorithm", SHA1)], "").end();
    out.start("ds:KeyInfo", &[]).start("ds:X509Data", &[]);
    out.element("ds:X509Certificate", &[], &STANDARD.encode(to.der())).end().end();
    out.start("xenc:CipherData", &[]);
    out.element("xenc:CipherValue", &[], &STANDARD.encode(wrapped)).end();
    out.end().end();
    out.start("xenc:CipherData", &[]).start("xenc:CipherValue", &[]);
    Ok(out.written().to_owned())
}

/// Copies the payload, without the byte order mark and XML declaration of an XML one: neither may stand within a document.
fn copy_payload<W: Write>(payload: &mut dyn Read, is_xml: bool, out: &mut W) -> Result<(), SealError> {
    let mut buffer = Zeroizing::new(vec![0_u8; CHUNK_BYTES]);
    let mut first = true;
    loop {
        let n = fill(payload, &mut buffer)?;
        let skipped = if first && is_xml { prolog(&buffer[..n])? } else { 0 };
        first = false;
        out.write_all(&buffer[skipped..n])?;
        if n < CHUNK_BYTES {
            return Ok(());
        }
    }
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match from.read(&mut buffer[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

/// Length of what stands before the payload's element.
fn prolog(bytes: &[u8]) -> Result<usize, SealError> {
    let malformed = |what: &str| SealError::Payload(XmlError::Malformed { at: 0, what: what.into() });
    let mut at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    if bytes[at..].starts_with(b"<?xml") && bytes.get(at + 5).is_some_and(u8::is_ascii_whitespace) {
        let end = bytes[at..]
            .windows(2)
            .position(|w| w == b"?>")
            .ok_or_else(|| malformed("found an XML declaration without an end"))?;
        let declaration = String::from_utf8_lossy(&bytes[at..at + end]).to_lowercase();
        if declaration.contains("encoding") && !declaration.contains("utf-8") {
            return Err(malformed("found a payload that is not in UTF-8; expected UTF-8"));
        }
        at += end + 2;
    }
    at += bytes[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    match bytes.get(at) {
        Some(b'<') => Ok(at),
        _ => Err(malformed("found no element at the start of the payload")),
    }
}

fn finish_base64<W: Write>(mut encoder: EncoderWriter<'static, GeneralPurpose, W>) -> io::Result<W> {
    encoder.finish()
}

/// Writes to both.
pub(super) struct Digesting<W> {
    pub(super) inner: W,
    pub(super) digest: Digest,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.digest.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
