//! Which prefix means which namespace here: a stack of bindings, one frame an open element.

use super::ns;
use std::collections::HashMap;

/// The bindings in scope. Looking up a prefix costs the same however many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    bindings: HashMap<String, Vec<String>>,
    frames: Vec<Vec<String>>,
}

impl Scope {
    /// Enters an element with these declarations.
    pub(super) fn open<'a>(&mut self, declarations: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut frame = Vec::new();
        for (prefix, uri) in declarations {
            self.bindings.entry(prefix.to_owned()).or_default().push(uri.to_owned());
            frame.push(prefix.to_owned());
        }
        self.frames.push(frame);
    }

    /// Leaves the element entered last.
    pub(super) fn close(&mut self) {
        for prefix in self.frames.pop().unwrap_or_default() {
            if let Some(stack) = self.bindings.get_mut(&prefix) {
                stack.pop();
                // An empty entry would stay for every prefix the document ever used.
                if stack.is_empty() {
                    self.bindings.remove(&prefix);
                }
            }
        }
    }

    /// The namespace of a prefix; "" for the default namespace where none is declared, `None` where a prefix is not.
    pub(super) fn lookup(&self, prefix: &str) -> Option<&str> {
        match self.bindings.get(prefix).and_then(|stack| stack.last()) {
            Some(uri) => Some(uri),
            None if prefix.is_empty() => Some(""),
            None if prefix == "xml" => Some(ns::XML),
            None => None,
        }
    }

    /// Every prefix that is bound, with its namespace, sorted by prefix. An undeclared default is left out.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let last = |(prefix, stack): (&String, &Vec<String>)| Some((prefix.clone(), stack.last()?.clone()));
        let mut all: Vec<_> = self.bindings.iter().filter_map(last).filter(|(_, uri)| !uri.is_empty()).collect();
        all.sort_unstable();
        all
    }
}
