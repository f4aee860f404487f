//! XML as SDK needs it: a bounded, namespace-aware event reader that streams texts of any size, a
//! small tree for headers, canonical forms as a stream, and the closed profiles of XML Signature and
//! XML Encryption. No DTD, no external entity, no XPath, no XSLT, ever.

pub mod algorithm;
mod base;
pub mod base64;
pub mod c14n;
pub mod dsig;
pub mod enc;
mod enveloped;
mod names;
pub mod ns;
pub mod reader;
mod schema;
mod scope;
mod source;
mod tag;
pub mod tree;
pub mod validate;
pub mod write;

/// Digests, for formats that know no keys.
pub use crate::crypto::{Digest, HashFunction, hex};
pub use reader::{Attribute, Event, Limits, Reader, Start, XmlError};
pub use tree::{Node, Tree};
