//! The documents of a message as they go by: decoded, counted, digested.

use super::TEXT_MIME;
use super::schematron::Node;
use crate::model::Document;
use crate::xml::base64::Decoder;
use crate::xml::ns::MSG;
use crate::xml::validate::Trail;
use crate::xml::{Digest, Event, HashFunction, hex};
use std::io;

/// Most documents of one message.
const DOCUMENTS_MAX: usize = 10_000;
/// Longest file name given, in bytes.
const NAME_BYTES_MAX: usize = 200;

const DOCUMENTS: [(&str, &str); 4] =
    [(MSG, "messagePayload"), (MSG, "message"), (MSG, "messageBody"), (MSG, "documents")];

/// One document that is being read.
struct Open {
    name: Option<String>,
    mime: Option<String>,
    decoder: Option<Decoder>,
    digest: Digest,
    bytes: u64,
}

/// Collects the documents.
pub(super) struct Contents {
    open: Option<Open>,
    reading: bool,
    texts: usize,
    pub(super) documents: Vec<Document>,
    /// Paths of contents that are no Base64.
    pub(super) undecodable: Vec<(usize, String)>,
}

impl Contents {
    pub(super) fn new() -> Self {
        Self { open: None, reading: false, texts: 0, documents: Vec::new(), undecodable: Vec::new() }
    }

    /// A start tag, with its element innermost in `trail`.
    pub(super) fn start(&mut self, trail: &Trail) {
        if !trail.starts(&DOCUMENTS) || !trail.ends_in(&[MSG]) {
            return;
        }
        match (trail.local(0), trail.depth()) {
            (kind @ ("ContentFiles" | "ContentText"), 5) => {
                let decoder = (kind == "ContentFiles").then(Decoder::default);
                self.open =
                    Some(Open { name: None, mime: None, decoder, digest: Digest::new(HashFunction::Sha256), bytes: 0 });
            }
            ("content", 6) if trail.local(1) == "ContentFiles" => self.reading = true,
            ("characterSequence", 6) if trail.local(1) == "ContentText" => self.reading = true,
            _ => {}
        }
    }

    /// Text. `give` gets the octets of the document with this index.
    pub(super) fn text(&mut self, text: &str, give: &mut dyn FnMut(usize, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let (true, Some(open)) = (self.reading, &mut self.open) else { return Ok(()) };
        let octets = match &mut open.decoder {
            Some(decoder) => decoder.push(text),
            None => text.as_bytes(),
        };
        open.digest.update(octets);
        open.bytes += octets.len() as u64;
        give(self.documents.len(), octets)
    }

    /// An end tag, with its element innermost in `trail` still.
    pub(super) fn end(&mut self, trail: &Trail, node: &Node) {
        if self.open.is_none() || !trail.ends_in(&[MSG]) {
            return;
        }
        match (trail.local(0), trail.depth()) {
            ("content" | "characterSequence", 6) => self.reading = false,
            ("fileName", 6) => self.note(|open| &mut open.name, node),
            ("contentType", 6) => self.note(|open| &mut open.mime, node),
            ("ContentFiles" | "ContentText", 5) => self.close(trail),
            _ => {}
        }
    }

    fn note(&mut self, field: fn(&mut Open) -> &mut Option<String>, node: &Node) {
        if let Some(open) = &mut self.open {
            *field(open) = node.text.clone();
        }
    }

    fn close(&mut self, trail: &Trail) {
        let Some(open) = self.open.take() else { return };
        let index = self.documents.len();
        if index == DOCUMENTS_MAX {
            return;
        }
        if open.decoder.as_ref().is_some_and(|decoder| !decoder.is_complete()) {
            self.undecodable.push((index, trail.path()));
        }
        let (name, mime) = if open.decoder.is_some() {
            (file_name(open.name.as_deref().unwrap_or_default()), open.mime.unwrap_or_default())
        } else {
            self.texts += 1;
            (format!("text-{}.md", self.texts), TEXT_MIME.to_owned())
        };
        self.documents.push(Document {
            name,
            mime: mime.trim().to_owned(),
            bytes: open.bytes,
            sha256: hex(&open.digest.finish()),
        });
    }
}

/// Takes one event, in the order that the parts need it.
pub(super) fn follow(
    contents: &mut Contents,
    event: &Event,
    trail: &Trail,
    node: Option<&Node>,
    give: &mut dyn FnMut(usize, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    match event {
        Event::Start(_) => contents.start(trail),
        Event::Text(text) => contents.text(text, give)?,
        Event::End => {
            if let Some(node) = node {
                contents.end(trail, node);
            }
        }
        _ => {}
    }
    Ok(())
}

/// A file name that stays within the folder it is saved in: the last part of a path, without control
/// characters, not hidden and not too long.
pub fn file_name(found: &str) -> String {
    let last = found.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control() && !"<>:\"|?*\u{202e}\u{202d}".contains(*c)).collect();
    let clean = clean.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    let cut = (0..=clean.len().min(NAME_BYTES_MAX)).rev().find(|at| clean.is_char_boundary(*at)).unwrap_or(0);
    if cut == 0 { "file".to_owned() } else { clean[..cut].to_owned() }
}
