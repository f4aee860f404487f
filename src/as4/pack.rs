//! Packing a message for the wire: compress, sign, encrypt, in one pass over each part.

use super::header::{PartInfo, Property, UserMessage};
use super::mime::SOAP_MEDIA;
use super::pmode;
use super::security::{CIPHERTEXT, CONTENT_ONLY};
use super::sign::{self, Ids, SignError, SignedPart, Unit};
use super::stored;
use crate::crypto::{CryptoError, Digest, GcmWriter, HashFunction, Oaep, Random, hex};
use crate::model::SignedReference;
use crate::pki::{Identity, Trusted};
use crate::xml::{ns, write};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// How a part is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// A gzip file of stored blocks: for content that does not shrink, where the peer wants gzip.
    Stored,
    /// Deflate.
    Deflate,
}

/// A message to be packed.
pub struct Outgoing<'a> {
    /// The header. Its parts are made from `parts`.
    pub message: UserMessage,
    /// The parts, in order.
    pub parts: Vec<OutgoingPart<'a>>,
    /// Our access point's key: signs.
    pub identity: &'a Identity,
    /// The certificate of the route: the parts are encrypted to it.
    pub to: &'a Trusted,
}

/// A part to be packed.
pub struct OutgoingPart<'a> {
    /// Content id, of `[A-Za-z0-9._@-]` only (protocol.md 3.3).
    pub content_id: &'a str,
    /// Media type of the content.
    pub mime: &'a str,
    /// Character set of the content.
    pub charset: Option<&'a str>,
    /// Compression.
    pub compression: Compression,
    /// The content.
    pub content: &'a mut dyn Read,
    /// Where the encrypted octets go.
    pub cipher: &'a mut dyn Write,
}

/// A packed message: its body is the pieces, one after the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packed {
    /// HTTP Content-Type.
    pub content_type: String,
    /// The body in order.
    pub pieces: Vec<PackedPiece>,
    /// Encrypted octets of each part.
    pub cipher_bytes: Vec<u64>,
    /// What was signed; the AS4 receipt must repeat it.
    pub references: Vec<SignedReference>,
}

impl Packed {
    /// Size of the whole body in bytes.
    pub fn bytes(&self) -> u64 {
        let size = |piece: &PackedPiece| match piece {
            PackedPiece::Text(text) => text.len() as u64,
            PackedPiece::Part(index) => self.cipher_bytes[*index],
        };
        self.pieces.iter().map(size).sum()
    }
}

/// A piece of the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PackedPiece {
    /// Boundaries, MIME headers and the SOAP part.
    Text(String),
    /// The encrypted octets of the part with this index.
    Part(usize),
}

/// Why a message was not packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The content was not read, or the encrypted octets not written.
    #[error("part {content_id}: {source}")]
    Io {
        /// Which part.
        content_id: String,
        /// Cause.
        source: io::Error,
    },
    /// A content id that peers read differently.
    #[error("content id {0:?}: expected letters, digits and . _ @ -, each id once")]
    ContentId(String),
    /// The session key was not encrypted.
    #[error("the certificate of the route takes no session key: {0}")]
    Key(#[from] CryptoError),
    /// Not signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Packs a message. The same bytes are sent on every attempt.
///
/// # Errors
///
/// [`PackError`]; what was written to the parts' writers is then of no use.
pub fn pack(mut outgoing: Outgoing<'_>, random: &dyn Random) -> Result<Packed, PackError> {
    check_content_ids(&outgoing.parts)?;
    let mut key = Zeroizing::new([0; 16]);
    random.fill(&mut key[..]);
    let sealed = outgoing.parts.iter_mut().map(|part| seal(part, &key[..], random)).collect::<Result<Vec<_>, _>>()?;
    outgoing.message.parts = outgoing.parts.iter().map(part_info).collect();
    let ids = Ids::of(&outgoing.message.message_id);
    let signed_parts: Vec<SignedPart> = outgoing
        .parts
        .iter()
        .zip(&sealed)
        .map(|(part, sealed)| SignedPart { uri: cid(part), digest: sealed.digest.clone() })
        .collect();
    let encryption = if outgoing.parts.is_empty() { String::new() } else { encryption(&outgoing, &key[..], &ids)? };
    let signed =
        sign::envelope(Unit::Own(&outgoing.message.write()), &encryption, &signed_parts, &ids, outgoing.identity)?;
    let cipher_bytes = sealed.iter().map(|sealed| sealed.cipher_bytes).collect();
    if outgoing.parts.is_empty() {
        let content_type = format!("{SOAP_MEDIA}; charset=UTF-8");
        return Ok(Packed {
            content_type,
            pieces: vec![PackedPiece::Text(signed.soap)],
            cipher_bytes,
            references: signed.references,
        });
    }
    let mut unique = [0; 16];
    random.fill(&mut unique);
    let boundary = format!("sluss-{}", hex(&unique));
    let root = ids.id("root");
    Ok(Packed {
        content_type: format!(
            "multipart/related; boundary=\"{boundary}\"; type=\"{SOAP_MEDIA}\"; start=\"<{root}@sluss>\""
        ),
        pieces: pieces(&signed.soap, &outgoing.parts, &boundary, &root),
        cipher_bytes,
        references: signed.references,
    })
}

fn check_content_ids(parts: &[OutgoingPart<'_>]) -> Result<(), PackError> {
    for (n, part) in parts.iter().enumerate() {
        let id = part.content_id;
        let sound = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b));
        if !sound || parts[..n].iter().any(|p| p.content_id.eq_ignore_ascii_case(id)) {
            return Err(PackError::ContentId(id.to_owned()));
        }
    }
    Ok(())
}

struct Sealed {
    digest: Vec<u8>,
    cipher_bytes: u64,
}

/// Compresses, digests and encrypts one part, each octet once.
fn seal(part: &mut OutgoingPart<'_>, key: &[u8], random: &dyn Random) -> Result<Sealed, PackError> {
    let content_id = part.content_id.to_owned();
    seal_octets(part, key, random).map_err(|source| PackError::Io { content_id, source })
}

fn seal_octets(part: &mut OutgoingPart<'_>, key: &[u8], random: &dyn Random) -> io::Result<Sealed> {
    let counted = Counted { inner: &mut *part.cipher, bytes: 0 };
    let mut sealing =
        Sealing { digest: Digest::new(HashFunction::Sha256), cipher: GcmWriter::new(key, random, counted)? };
    match part.compression {
        Compression::None => {
            io::copy(part.content, &mut sealing)?;
        }
        Compression::Stored => stored::gzip(part.content, &mut sealing)?,
        Compression::Deflate => {
            let mut encoder = GzEncoder::new(sealing, flate2::Compression::default());
            io::copy(part.content, &mut encoder)?;
            sealing = encoder.finish()?;
        }
    }
    let mut counted = sealing.cipher.finish()?;
    counted.flush()?;
    Ok(Sealed { digest: sealing.digest.finish(), cipher_bytes: counted.bytes })
}

/// Digests and encrypts what is written.
struct Sealing<W: Write> {
    digest: Digest,
    cipher: GcmWriter<W>,
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let n = self.cipher.write(octets)?;
        self.digest.update(&octets[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.cipher.flush()
    }
}

struct Counted<'a> {
    inner: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(octets)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn part_info(part: &OutgoingPart<'_>) -> PartInfo {
    let mut properties = vec![Property::new(pmode::MIME_TYPE, part.mime)];
    if part.compression != Compression::None {
        properties.push(Property::new(pmode::COMPRESSION_TYPE, pmode::GZIP));
    }
    properties.extend(part.charset.map(|charset| Property::new(pmode::CHARACTER_SET, charset)));
    PartInfo { href: cid(part), properties }
}

/// The key and the parts in wsse:Security. A part that is not compressed is signed and encrypted as octets, whatever
/// its media type in the header: a receiver that took it for XML would canonicalise it before taking its digest.
fn encryption(outgoing: &Outgoing<'_>, key: &[u8], ids: &Ids) -> Result<String, PackError> {
    let certificate = outgoing.to.certificate();
    let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
    let wrapped = certificate.public_key().wrap(oaep, key)?;
    let (token, key_id) = (ids.id("x509-to"), ids.id("ek"));
    let data_id = |n: usize| ids.id(&format!("ed{n}"));
    let list: String = (0..outgoing.parts.len()).fold(String::new(), |mut list, n| {
        let _ = write!(list, "<xenc:DataReference URI=\"#{}\"/>", data_id(n));
        list
    });
    let mut out = sign::token(&token, certificate);
    let _ = write!(
        out,
        "<xenc:EncryptedKey xmlns:xenc=\"{}\" Id=\"{key_id}\"><xenc:EncryptionMethod Algorithm=\"{RSA_OAEP}\">\
         <ds:DigestMethod xmlns:ds=\"{ds}\" Algorithm=\"{SHA256}\"/><xenc11:MGF xmlns:xenc11=\"{}\" Algorithm=\"{MGF1_SHA256}\"/></xenc:EncryptionMethod>\
         <ds:KeyInfo xmlns:ds=\"{ds}\">{}</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData>\
         <xenc:ReferenceList>{list}</xenc:ReferenceList></xenc:EncryptedKey>",
        ns::XENC,
        ns::XENC11,
        sign::token_reference(&token),
        STANDARD.encode(wrapped),
        ds = ns::DS,
    );
    for (n, part) in outgoing.parts.iter().enumerate() {
        let mime = if part.compression == Compression::None { OCTETS } else { pmode::GZIP };
        out.push_str(&encrypted_data(&data_id(n), mime, &key_id, &cid(part)));
    }
    Ok(out)
}

fn encrypted_data(id: &str, mime: &str, key_id: &str, uri: &str) -> String {
    format!(
        "<xenc:EncryptedData xmlns:xenc=\"{}\" Id=\"{id}\" MimeType=\"{mime}\" Type=\"{CONTENT_ONLY}\">\
         <xenc:EncryptionMethod Algorithm=\"{AES128_GCM}\"/><ds:KeyInfo xmlns:ds=\"{ds}\">\
         <wsse:SecurityTokenReference xmlns:wsse11=\"{}\" wsse11:TokenType=\"{ENCRYPTED_KEY}\"><wsse:Reference URI=\"#{key_id}\"/></wsse:SecurityTokenReference></ds:KeyInfo>\
         <xenc:CipherData><xenc:CipherReference URI=\"{}\"><xenc:Transforms><ds:Transform xmlns:ds=\"{ds}\" Algorithm=\"{CIPHERTEXT}\"/></xenc:Transforms>\
         </xenc:CipherReference></xenc:CipherData></xenc:EncryptedData>",
        ns::XENC,
        ns::WSSE11,
        write::attribute(uri),
        ds = ns::DS,
    )
}

/// The body: the SOAP part first, then each part. Media type and parameter names are in lower case, for phase4.
fn pieces(soap: &str, parts: &[OutgoingPart<'_>], boundary: &str, root: &str) -> Vec<PackedPiece> {
    let mut text = format!(
        "--{boundary}\r\nContent-Type: {SOAP_MEDIA}; charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{root}@sluss>\r\n\r\n{soap}"
    );
    let mut pieces = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: {OCTETS}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{}>\r\n\r\n",
            part.content_id
        );
        pieces.push(PackedPiece::Text(std::mem::take(&mut text)));
        pieces.push(PackedPiece::Part(n));
    }
    pieces.push(PackedPiece::Text(format!("\r\n--{boundary}--\r\n")));
    pieces
}

fn cid(part: &OutgoingPart<'_>) -> String {
    format!("cid:{}", part.content_id)
}

const OCTETS: &str = "application/octet-stream";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const RSA_OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";
const AES128_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
const ENCRYPTED_KEY: &str = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey";
