//! Canonical forms as a stream: Canonical XML 1.0 and 1.1, Exclusive XML Canonicalization 1.0.

use super::{Event, Reader, Tree, XmlError};
use super::tree::NodeId;
use std::io::{Read, Write};

/// Which canonical form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form { /// Canonical XML 1.0.
    Inclusive10, /// Canonical XML 1.1.
    Inclusive11, /// Exclusive XML Canonicalization 1.0.
    Exclusive }

/// A canonicalisation method with its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Method { /// The form.
    pub form: Form, /// Whether comments stay.
    pub comments: bool, /// InclusiveNamespaces PrefixList, "#default" among them.
    pub prefixes: Vec<String> }

/// Takes events and writes their canonical form to the inner writer.
pub struct Canonicalizer<W: Write> { _inner: W }
impl<W: Write> Canonicalizer<W> {
    /// For a whole document.
    pub fn new(_method: &Method, _inner: W) -> Self { todo!() }
    /// Takes one event.
    pub fn event(&mut self, _event: &Event) -> Result<(), XmlError> { todo!() }
    /// Gives the inner writer back.
    pub fn finish(self) -> Result<W, XmlError> { todo!() }
}

/// Canonical form of the subtree at `node`, without the subtree at `without` (enveloped signature).
pub fn subtree<W: Write>(_tree: &Tree, _node: NodeId, _method: &Method, _without: Option<NodeId>, _out: W) -> Result<W, XmlError> { todo!() }

/// Canonical form of a whole document as it is read, without the direct children of the root for
/// which `without` (given the child's index among its element siblings) says true.
pub fn document<R: Read, W: Write>(_reader: Reader<R>, _method: &Method, _without: impl FnMut(usize, &super::Start) -> bool, _out: W) -> Result<W, XmlError> { todo!() }
