//! Which prefix means which namespace here: a stack of bindings, one frame an open element.

use super::ns;
use smol_str::SmolStr;
use std::collections::HashMap;

/// The bindings in scope. Looking up a prefix costs the same however many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    bindings: Vec<Binding>,
    /// How many bindings there were before each open element.
    frames: Vec<usize>,
    /// Where each prefix is bound now, while there are more bindings than are quickly looked through.
    latest: HashMap<SmolStr, usize>,
}

#[derive(Clone, Debug)]
struct Binding {
    prefix: SmolStr,
    uri: SmolStr,
    /// Where the prefix was bound before; known while there are many.
    before: Option<usize>,
}

/// Bindings that cost less to compare than to hash.
const FEW: usize = 16;

impl Scope {
    /// Enters an element with these declarations, of which no two have the same prefix.
    pub(super) fn open<'a>(&mut self, declarations: impl IntoIterator<Item = &'a (SmolStr, SmolStr)>) {
        self.frames.push(self.bindings.len());
        for (prefix, uri) in declarations {
            self.bindings.push(Binding { prefix: prefix.clone(), uri: uri.clone(), before: None });
            match self.bindings.len() {
                ..=FEW => {}
                many if self.latest.is_empty() => (0..many).for_each(|at| self.index(at)),
                many => self.index(many - 1),
            }
        }
    }

    /// Leaves the element entered last.
    pub(super) fn close(&mut self) {
        let Some(before) = self.frames.pop() else {
            return;
        };
        if before <= FEW {
            self.bindings.truncate(before);
            self.latest.clear();
            return;
        }
        for Binding { prefix, before, .. } in self.bindings.drain(before..).rev() {
            match before {
                Some(at) => self.latest.insert(prefix, at),
                // An empty entry would stay for every prefix the document ever used.
                None => self.latest.remove(&prefix),
            };
        }
    }

    /// The namespace of a prefix; "" for the default namespace where none is declared, `None` where a prefix is not.
    pub(super) fn lookup(&self, prefix: &str) -> Option<SmolStr> {
        match self.bound(prefix) {
            Some(binding) => Some(binding.uri.clone()),
            None if prefix.is_empty() => Some(SmolStr::default()),
            None if prefix == "xml" => Some(SmolStr::new_static(ns::XML)),
            None => None,
        }
    }

    /// Every prefix that is bound, with its namespace, sorted by prefix. An undeclared default is left out.
    pub(super) fn all(&self) -> Vec<(SmolStr, SmolStr)> {
        // Sorted steadily, the binding that counts is the last of its prefix.
        let mut all: Vec<_> = self.bindings.iter().rev().map(|b| (b.prefix.clone(), b.uri.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(later, _), (first, _)| later == first);
        all.retain(|(_, uri)| !uri.is_empty());
        all
    }

    fn bound(&self, prefix: &str) -> Option<&Binding> {
        if self.bindings.len() <= FEW {
            return self.bindings.iter().rev().find(|binding| binding.prefix == prefix);
        }
        self.latest.get(prefix).and_then(|at| self.bindings.get(*at))
    }

    fn index(&mut self, at: usize) {
        if let Some(binding) = self.bindings.get_mut(at) {
            binding.before = self.latest.insert(binding.prefix.clone(), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(names: std::ops::Range<usize>, uri: &str) -> Vec<(SmolStr, SmolStr)> {
        names.map(|n| (SmolStr::from(format!("p{n}")), uri.into())).collect()
    }

    #[test]
    fn few_and_many_bindings_are_found_alike_and_forgotten_with_their_elements() {
        for (outer, inner) in [(1, 1), (3, FEW), (FEW, 1), (FEW, FEW), (FEW + 5, 3), (2 * FEW, 2 * FEW)] {
            let mut scope = Scope::default();
            scope.open(&declared(0..outer, "urn:outer"));
            for _ in 0..2 {
                scope.open(&declared(outer - 1..outer - 1 + inner, "urn:inner"));
                let last = format!("p{}", outer + inner - 2);
                assert_eq!(scope.lookup(&last).as_deref(), Some("urn:inner"), "{outer} {inner}");
                assert_eq!(scope.all().len(), outer + inner - 1);
                let expected = if outer == 1 { "urn:inner" } else { "urn:outer" };
                assert_eq!(scope.lookup("p0").as_deref(), Some(expected), "{outer} {inner}");
                scope.close();
                assert_eq!(scope.lookup(&format!("p{}", outer - 1)).as_deref(), Some("urn:outer"), "{outer} {inner}");
                assert_eq!(scope.lookup(&format!("p{outer}")), None, "{outer} {inner}");
                assert_eq!(scope.all(), {
                    let mut all = declared(0..outer, "urn:outer");
                    all.sort();
                    all
                });
            }
            scope.close();
            assert_eq!((scope.all().len(), scope.lookup("p0")), (0, None));
        }
    }

    #[test]
    fn a_default_namespace_is_undeclared_by_an_empty_one() {
        let mut scope = Scope::default();
        scope.open(&[(SmolStr::default(), "urn:a".into())]);
        scope.open(&[(SmolStr::default(), SmolStr::default())]);
        assert_eq!((scope.lookup("").as_deref(), scope.all().len()), (Some(""), 0));
        scope.close();
        assert_eq!((scope.lookup("").as_deref(), scope.all().len()), (Some("urn:a"), 1));
        assert_eq!(scope.lookup("xml").as_deref(), Some(ns::XML));
    }
}
