//! Signing an envelope whose payload stays in clear (C4: message receipts).

use super::header::{AFTER_PAYLOAD, AFTER_SIGNATURE, Header, faults};
use super::seal::{Digesting, SealError, finish};
use crate::crypto::{Digest, HashFunction};
use crate::pki::Identity;
use crate::xml::c14n::{self, Canonicalizer, Form, Method};
use crate::xml::{Event, Reader};
use std::io::{Read, Write};

/// Envelopes a payload in clear and signs the whole: message receipts (UTB-2.1.p2).
///
/// # Errors
///
/// [`SealError`]; among others where `payload` is not one element that declares its own namespaces.
pub fn sign<W: Write>(header: &Header, payload: &[u8], signer: &Identity, out: W) -> Result<W, SealError> {
    if let Some(fault) = faults(header) {
        return Err(SealError::Header(fault));
    }
    let mut text = header.frame(false).into_bytes();
    text = canonical(payload, text)?;
    text.extend_from_slice(AFTER_PAYLOAD.as_bytes());
    // The payload may bind again what the envelope binds already, so the digest is taken of the canonical
    // form of what is written.
    let whole = text.as_slice().chain(AFTER_SIGNATURE.as_bytes());
    let digest =
        c14n::document(Reader::new(whole), &canonical_form(), |_, _| false, Digest::new(HashFunction::Sha256))?;
    let mut out = out;
    out.write_all(&text)?;
    finish(Digesting { inner: out, digest }, signer)
}

/// Canonical XML 1.0 without comments.
fn canonical_form() -> Method {
    Method { form: Form::Inclusive10, comments: false, prefixes: Vec::new() }
}

/// Writes the one element of a payload, without what stands around it.
fn canonical<W: Write>(payload: &[u8], out: W) -> Result<W, SealError> {
    let mut reader = Reader::new(payload);
    let mut writer = Canonicalizer::new(&canonical_form(), out);
    let mut depth = 0_usize;
    loop {
        let event = reader.next()?;
        match event {
            Event::Start(_) => depth += 1,
            Event::End => depth -= 1,
            Event::Eof => return Ok(writer.finish()?),
            _ => {}
        }
        if depth > 0 || event == Event::End {
            writer.event(&event)?;
        }
    }
}
