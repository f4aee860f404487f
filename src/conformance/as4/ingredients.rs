//! What scripts put into messages: contents, character encodings, signers.

use super::exchange::{NORTH, Pair};
use super::number;
use crate::as4::Compression;
use crate::crypto::HashFunction;
use crate::pki::{Certificate, Identity};
use crate::testbed::ca::{Leaf, Purpose, demo};
use flate2::write::GzEncoder;
use std::io::Write;

/// The content of a message about whose content the script says nothing.
pub(super) const MESSAGE: &[u8] = b"<message>\n1 EUR</message>";

/// Who signs anew.
pub(super) struct Signer {
    pub(super) certificate: Certificate,
    pub(super) sign: Box<Sign>,
}

/// From octets to their signature.
type Sign = dyn Fn(&[u8]) -> Vec<u8>;

impl Signer {
    pub(super) fn of(who: &str, pair: &Pair, own: &Identity) -> Result<Self, String> {
        match who {
            "" => Ok(Self::with(own.clone())),
            "stranger" => Ok(Self::with(pair.stranger.clone())),
            "signing-only" => Ok(Self::with(signing_only(own)?)),
            other => Err(format!("no signer {other}")),
        }
    }

    fn with(identity: Identity) -> Self {
        let certificate = identity.certificate.clone();
        let sign = move |octets: &[u8]| identity.key.sign(HashFunction::Sha256, octets).unwrap_or_default();
        Self { certificate, sign: Box::new(sign) }
    }
}

/// Another identity of the sender, in force as its own is, for signatures alone.
///
/// # Errors
///
/// When the demo's authority cannot issue it.
pub fn signing_only(own: &Identity) -> Result<Identity, String> {
    let leaf = Leaf {
        purpose: Purpose::Smp,
        common_name: NORTH.into(),
        organisation: "Ankeborg".into(),
        number: "202100-6883".into(),
        bits: 2048,
        not_before: own.certificate.not_before(),
        not_after: own.certificate.not_after(),
    };
    let issued = demo::issuer("ap").and_then(|issuer| issuer.issue(&leaf)).map_err(|error| error.to_string())?;
    Identity::from_pem(issued.key_pem.as_bytes(), issued.certificate.to_pem().as_bytes())
        .map_err(|error| error.to_string())
}

pub(super) fn unescaped(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}

/// What an `encode` line makes of text.
pub(super) fn encoding(name: &str) -> Result<fn(&str) -> Vec<u8>, String> {
    Ok(match name {
        "utf-16" => |text| std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect(),
        "latin-1" => |text| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        "broken" => |text| [text.as_bytes(), b"<!-- \xC0\xAF \xED\xA0\x80 -->"].concat(),
        other => return Err(format!("no encoding {other}")),
    })
}

pub(super) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Into memory, where nothing fails.
    let _ = encoder.write_all(octets);
    encoder.finish().unwrap_or_default()
}

/// What a line asks to be packed, where it is about that.
pub(super) fn content(line: &str) -> Result<Option<(Compression, Vec<u8>)>, String> {
    let (operation, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut whole = gzip(MESSAGE);
    let from_end = |length: usize| Ok::<usize, String>(length.saturating_sub(number(rest)?));
    let octets = match operation {
        "content" => rest.as_bytes().to_vec(),
        "gzip" => [&whole, rest.as_bytes()].concat(),
        "gzip-cut" => whole[..from_end(whole.len())?].to_vec(),
        "gzip-flip" => {
            let at = from_end(whole.len())?;
            *whole.get_mut(at).ok_or("no such octet")? ^= 1;
            whole
        }
        "members" => [gzip(&MESSAGE[..5]), gzip(&MESSAGE[5..])].concat(),
        "bomb" => return Ok(Some((Compression::Deflate, vec![0; number::<usize>(rest)? << 20]))),
        _ => return Ok(None),
    };
    Ok(Some((Compression::None, octets)))
}
