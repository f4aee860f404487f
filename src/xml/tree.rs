//! A small document held in memory: SOAP headers, signatures, SMP answers.

use super::{Attribute, Start, XmlError};

/// A parsed document, or one subtree of a larger one with the namespace bindings around it.
#[derive(Clone, Debug)]
pub struct Tree { _private: () }

/// Identity of a node within its tree: what was verified and what is read can be compared.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub(crate) usize);

/// One element of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t> { /// The tree.
    pub tree: &'t Tree, /// Which node.
    pub id: NodeId }

impl Tree {
    /// Parses a document of at most `limits::XML_TREE_NODES_MAX` nodes.
    pub fn parse(_bytes: &[u8]) -> Result<Self, XmlError> { todo!() }
    /// The document element.
    pub fn root(&self) -> Node<'_> { todo!() }
    /// The node with this identity.
    pub fn node(&self, _id: NodeId) -> Node<'_> { todo!() }
    /// The one element with `wsu:Id` or un-prefixed `Id` equal to `id`. Two such elements, or one with two different ids, are an error.
    pub fn by_id(&self, _id: &str) -> Result<Node<'_>, super::dsig::DsigError> { todo!() }
}

impl<'t> Node<'t> {
    /// The start tag.
    pub fn start(&self) -> &'t Start { todo!() }
    /// Whether this is element `local` of namespace `ns`.
    pub fn is(&self, ns: &str, local: &str) -> bool { self.start().is(ns, local) }
    /// Local name.
    pub fn local(&self) -> &'t str { &self.start().local }
    /// Namespace name.
    pub fn ns(&self) -> &'t str { &self.start().ns }
    /// Parent element.
    pub fn parent(&self) -> Option<Node<'t>> { todo!() }
    /// Child elements in document order.
    pub fn children(&self) -> impl Iterator<Item = Node<'t>> + use<'t> { std::iter::empty() }
    /// Child elements of this name.
    pub fn all(&self, ns: &str, local: &str) -> impl Iterator<Item = Node<'t>> + use<'t> { let _ = (ns, local); std::iter::empty() }
    /// The first child element of this name.
    pub fn child(&self, _ns: &str, _local: &str) -> Option<Node<'t>> { todo!() }
    /// The value of an attribute; "" as namespace for none.
    pub fn attribute(&self, ns: &str, local: &str) -> Option<&'t str> { self.start().attribute(ns, local) }
    /// All attributes.
    pub fn attributes(&self) -> &'t [Attribute] { &self.start().attributes }
    /// The whole text below this element, comments left out, pieces joined.
    pub fn text(&self) -> String { todo!() }
    /// All elements below this one and itself, in document order.
    pub fn descendants(&self) -> impl Iterator<Item = Node<'t>> + use<'t> { std::iter::empty() }
    /// Where this element is, as `/a/b[2]/c` with local names, for findings.
    pub fn path(&self) -> String { todo!() }
}
