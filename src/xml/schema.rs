//! Taking the children of an element in the order of its schema, and nothing else.

use super::tree::Node;
use std::iter::Peekable;

/// The children that were not taken yet. What it refuses, it says in words.
pub(super) struct Children<'t> {
    of: Node<'t>,
    left: Peekable<Box<dyn Iterator<Item = Node<'t>> + 't>>,
}

impl<'t> Children<'t> {
    /// The children of `of`, which may have no text beside them.
    pub(super) fn of(of: Node<'t>) -> Result<Self, String> {
        if of.has_own_text() {
            return Err(format!("text in {}, which has elements only", of.local()));
        }
        let left: Box<dyn Iterator<Item = Node<'t>> + 't> = Box::new(of.children());
        Ok(Self { of, left: left.peekable() })
    }

    /// The next child if it has this name.
    pub(super) fn optional(&mut self, ns: &str, local: &str) -> Option<Node<'t>> {
        self.left.next_if(|child| child.is(ns, local))
    }

    /// The next child, which must have this name.
    pub(super) fn required(&mut self, ns: &str, local: &str) -> Result<Node<'t>, String> {
        let found = self.left.peek().map_or("nothing", Node::local);
        let refused = || format!("{found} in {} where {local} is expected", self.of.local());
        self.left.next_if(|child| child.is(ns, local)).ok_or_else(refused)
    }

    /// No child is left.
    pub(super) fn end(mut self) -> Result<(), String> {
        match self.left.next() {
            Some(child) => Err(format!("{} in {} where nothing more is expected", child.local(), self.of.local())),
            None => Ok(()),
        }
    }
}

/// The text of an element that may have no element in it.
pub(super) fn simple(node: Node<'_>) -> Result<String, String> {
    match node.children().next() {
        Some(child) => Err(format!("element {} in {}, which has text only", child.local(), node.local())),
        None => Ok(node.text()),
    }
}

/// An attribute without a namespace that must be there.
pub(super) fn attribute<'t>(node: Node<'t>, name: &str) -> Result<&'t str, String> {
    node.attribute("", name).ok_or_else(|| format!("{} without the attribute {name}", node.local()))
}
