//! One document of a message.

use super::content::{Contents, follow};
use super::schematron::Rules;
use crate::model::Document;
use crate::xml::validate::Trail;
use crate::xml::{Event, Reader, XmlError};
use std::io::{self, Read, Write};

/// Why a document was not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Its content is no Base64.
    #[error("the content of document {0} is not Base64")]
    Base64(usize),
    /// The message has no such document.
    #[error("found {found} documents; expected one with index {index}")]
    Missing {
        /// The index asked for, from 0.
        index: usize,
        /// How many there are.
        found: usize,
    },
    /// Writing failed.
    #[error("writing the document failed: {0}")]
    Write(#[source] io::Error),
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// Writes the bytes of document `index` (from 0, in the order of [`CheckedMessage::documents`](super::CheckedMessage)) to `out`.
///
/// # Errors
///
/// [`ExtractError`]; what was written until then is not the document.
pub fn extract<R: Read, W: Write>(payload: R, index: usize, mut out: W) -> Result<Document, ExtractError> {
    let mut reader = Reader::new(payload);
    let (mut rules, mut contents, mut trail) = (Rules::default(), Contents::new(), Trail::default());
    let mut give = |at: usize, octets: &[u8]| if at == index { out.write_all(octets) } else { Ok(()) };
    while contents.documents.len() <= index {
        let event = reader.next()?;
        match &event {
            Event::Eof => return Err(ExtractError::Missing { index, found: contents.documents.len() }),
            Event::Start(start) => trail.push(start),
            _ => {}
        }
        let node = rules.event(&event, &trail);
        follow(&mut contents, &event, &trail, node.as_ref(), &mut give).map_err(ExtractError::Write)?;
        if event == Event::End {
            trail.pop();
        }
    }
    if contents.undecodable.iter().any(|(at, _)| *at == index) {
        return Err(ExtractError::Base64(index));
    }
    out.flush().map_err(ExtractError::Write)?;
    Ok(contents.documents.swap_remove(index))
}
