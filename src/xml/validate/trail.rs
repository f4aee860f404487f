//! Where one is in a document that is read as events.

use crate::xml::Start;
use smol_str::SmolStr;

/// Most names counted among the children of one element; children beyond get no position.
const NAMES_MAX: usize = 64;

#[derive(Debug)]
struct Step {
    ns: SmolStr,
    local: SmolStr,
    position: u32,
    seen: Vec<(String, u32)>,
}

/// The open elements, outermost first, with their positions among siblings of the same name.
#[derive(Debug, Default)]
pub struct Trail {
    steps: Vec<Step>,
}

impl Trail {
    /// An element begins.
    pub fn push(&mut self, start: &Start) {
        let position = self.steps.last_mut().map_or(1, |parent| parent.count(&start.local));
        self.steps.push(Step { ns: start.ns.clone(), local: start.local.clone(), position, seen: Vec::new() });
    }

    /// The innermost element ends.
    pub fn pop(&mut self) {
        self.steps.pop();
    }

    /// Elements open.
    pub fn depth(&self) -> usize {
        self.steps.len()
    }

    /// Whether the open elements are exactly these.
    pub fn is(&self, names: &[(&str, &str)]) -> bool {
        self.steps.len() == names.len() && self.ends(names)
    }

    /// Whether the innermost elements are these.
    pub fn ends(&self, names: &[(&str, &str)]) -> bool {
        self.steps.len() >= names.len()
            && self
                .steps
                .iter()
                .rev()
                .zip(names.iter().rev())
                .all(|(step, name)| step.local == name.1 && step.ns == name.0)
    }

    /// Whether the outermost elements are these.
    pub fn starts(&self, names: &[(&str, &str)]) -> bool {
        self.steps.len() >= names.len()
            && self.steps.iter().zip(names).all(|(step, name)| step.local == name.1 && step.ns == name.0)
    }

    /// Whether the innermost element is of one of these namespaces.
    pub fn ends_in(&self, namespaces: &[&str]) -> bool {
        self.steps.last().is_some_and(|step| namespaces.contains(&step.ns.as_str()))
    }

    /// Whether the innermost `count` elements are all of this namespace.
    pub fn ends_in_all(&self, ns: &str, count: usize) -> bool {
        self.steps.len() >= count && self.steps.iter().rev().take(count).all(|step| step.ns == ns)
    }

    /// The local name of the element `up` levels above the innermost.
    pub fn local(&self, up: usize) -> &str {
        self.steps.len().checked_sub(up + 1).map_or("", |at| &self.steps[at].local)
    }

    /// The path as `/a/b[2]/c`, with local names; a position is shown where it is not the first.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            path.push('/');
            path.push_str(&step.local);
            if step.position > 1 {
                path.push_str(&format!("[{}]", step.position));
            }
        }
        path
    }
}

impl Step {
    fn count(&mut self, local: &str) -> u32 {
        if let Some((_, n)) = self.seen.iter_mut().find(|(name, _)| name == local) {
            *n += 1;
            return *n;
        }
        if self.seen.len() < NAMES_MAX {
            self.seen.push((local.to_owned(), 1));
        }
        1
    }
}
