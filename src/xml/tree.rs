//! A small document held in memory: SOAP headers, signatures, SMP answers.

use super::dsig::DsigError;
use super::ns;
use super::reader::{Event, Reader};
use super::{Attribute, Start, XmlError};
use crate::limits;
use smol_str::SmolStr;
use std::collections::HashMap;

/// A parsed document, or one subtree of a larger one with the namespace bindings around it.
#[derive(Clone, Debug)]
pub struct Tree {
    entries: Vec<Entry>,
    root: usize,
    ids: HashMap<String, Identified>,
    /// Bindings of the document around this subtree.
    pub(super) around: Vec<(SmolStr, SmolStr)>,
    /// `xml:` attributes of the elements around this subtree, outermost first.
    pub(super) inherited: Vec<Attribute>,
}

/// A node in document order; what follows up to `end` lies inside it.
#[derive(Clone, Debug)]
struct Entry {
    parent: Option<usize>,
    end: usize,
    content: Content,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An element.
    Element(Start),
    /// Text, its pieces joined.
    Text(String),
    /// A comment.
    Comment(String),
    /// A processing instruction.
    Instruction {
        /// Its target.
        target: String,
        /// Its data.
        data: String,
    },
}

/// What carries an id.
#[derive(Clone, Debug)]
enum Identified {
    One(usize),
    /// The first two elements that share the id.
    Several(usize, usize),
    /// An element with a `wsu:Id` and an `Id`, even where they are equal.
    Torn(usize),
}

/// Identity of a node within its tree: what was verified and what is read can be compared.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub(crate) usize);

/// One element of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t> {
    /// The tree.
    pub tree: &'t Tree,
    /// Which node.
    pub id: NodeId,
}

impl Tree {
    /// Parses a document of at most `limits::XML_TREE_NODES_MAX` nodes and attributes.
    ///
    /// # Errors
    /// As `XmlError` says.
    pub fn parse(bytes: &[u8]) -> Result<Self, XmlError> {
        Self::parse_within(bytes, limits::XML_TREE_NODES_MAX)
    }

    /// As [`Self::parse`], with another bound of nodes and attributes.
    ///
    /// # Errors
    /// As `XmlError` says.
    pub fn parse_within(bytes: &[u8], nodes_max: usize) -> Result<Self, XmlError> {
        let mut reader = Reader::new(bytes);
        let mut builder = Builder { nodes_max, ..Builder::document(bytes.len()) };
        loop {
            match reader.next()? {
                Event::Eof => return builder.finish(),
                event => builder.event(event)?,
            }
        }
    }

    /// The document element.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        self.node(NodeId(self.root))
    }

    /// The node with this identity.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node { tree: self, id }
    }

    /// The one element with `wsu:Id` or un-prefixed `Id` equal to `id`. Two such elements, or one with both attributes, are an error.
    ///
    /// # Errors
    /// `AmbiguousId` and `Missing`.
    pub fn by_id(&self, id: &str) -> Result<Node<'_>, DsigError> {
        match self.ids.get(id) {
            Some(Identified::One(at)) => Ok(self.node(NodeId(*at))),
            Some(Identified::Several(a, b)) => {
                let what =
                    format!("it stands at {} and at {}", self.node(NodeId(*a)).path(), self.node(NodeId(*b)).path());
                Err(DsigError::AmbiguousId { id: id.to_owned(), what })
            }
            Some(Identified::Torn(at)) => {
                let what = format!("{} has both a wsu:Id and an Id", self.node(NodeId(*at)).path());
                Err(DsigError::AmbiguousId { id: id.to_owned(), what })
            }
            None => Err(DsigError::Missing { uri: format!("#{id}") }),
        }
    }

    /// Why the ids of this document are not to be trusted, whether or not anything refers to them: the first element that shares
    /// its id with another, or has both a `wsu:Id` and an `Id`.
    #[must_use]
    pub fn ambiguous_id(&self) -> Option<DsigError> {
        let mut ids =
            self.elements().filter_map(|node| node.attribute(ns::WSU, "Id").or_else(|| node.attribute("", "Id")));
        ids.find_map(|id| self.by_id(id).err())
    }

    /// The target of the first processing instruction, wherever it stands.
    #[must_use]
    pub fn instruction(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| match &entry.content {
            Content::Instruction { target, .. } => Some(target.as_str()),
            _ => None,
        })
    }

    /// Every element in document order.
    pub fn elements(&self) -> impl Iterator<Item = Node<'_>> {
        self.range(0, self.entries.len())
    }

    fn range(&self, from: usize, to: usize) -> impl Iterator<Item = Node<'_>> + use<'_> {
        (from..to).filter(|&at| self.start(at).is_some()).map(|at| self.node(NodeId(at)))
    }

    fn start(&self, at: usize) -> Option<&Start> {
        match &self.entries.get(at)?.content {
            Content::Element(start) => Some(start),
            _ => None,
        }
    }

    /// The nodes of a subtree in document order, each with the index after its last descendant.
    pub(super) fn contents(&self, from: NodeId) -> impl Iterator<Item = (usize, usize, &Content)> {
        let end = self.entries[from.0].end;
        (from.0..end).map(|at| (at, self.entries[at].end, &self.entries[at].content))
    }

    fn index_ids(&mut self) {
        for at in 0..self.entries.len() {
            let Some(start) = self.start(at) else {
                continue;
            };
            let found =
                (start.attribute(ns::WSU, "Id").map(str::to_owned), start.attribute("", "Id").map(str::to_owned));
            match found {
                (Some(a), Some(b)) => {
                    self.ids.insert(a, Identified::Torn(at));
                    self.ids.insert(b, Identified::Torn(at));
                }
                (Some(id), _) | (None, Some(id)) => self.index_id(id, at),
                (None, None) => {}
            }
        }
    }

    fn index_id(&mut self, id: String, at: usize) {
        let known = self.ids.entry(id).or_insert(Identified::One(at));
        if let Identified::One(first) = *known
            && first != at
        {
            *known = Identified::Several(first, at);
        }
    }
}

/// What a node gives that is no element: no name, nothing.
static NOTHING: Start = Start {
    prefix: SmolStr::new_static(""),
    local: SmolStr::new_static(""),
    ns: SmolStr::new_static(""),
    declarations: Vec::new(),
    attributes: Vec::new(),
};

impl<'t> Node<'t> {
    /// The start tag.
    #[must_use]
    pub fn start(&self) -> &'t Start {
        self.tree.start(self.id.0).unwrap_or(&NOTHING)
    }

    /// Whether this is element `local` of namespace `ns`.
    #[must_use]
    pub fn is(&self, ns: &str, local: &str) -> bool {
        self.start().is(ns, local)
    }

    /// Local name.
    #[must_use]
    pub fn local(&self) -> &'t str {
        &self.start().local
    }

    /// Namespace name.
    #[must_use]
    pub fn ns(&self) -> &'t str {
        &self.start().ns
    }

    /// Parent element.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let parent = self.tree.entries.get(self.id.0)?.parent?;
        Some(self.tree.node(NodeId(parent)))
    }

    /// Child elements in document order.
    pub fn children(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        let tree = self.tree;
        let after = self.end();
        let inside = move |at: usize| (at < after).then_some(at);
        std::iter::successors(inside(self.id.0 + 1), move |&at| inside(tree.entries[at].end))
            .filter(|&at| tree.start(at).is_some())
            .map(|at| tree.node(NodeId(at)))
    }

    /// Child elements of this name.
    pub fn all(&self, ns: &str, local: &str) -> impl Iterator<Item = Node<'t>> + use<'t> {
        let (ns, local) = (ns.to_owned(), local.to_owned());
        self.children().filter(move |child| child.is(&ns, &local))
    }

    /// The first child element of this name.
    #[must_use]
    pub fn child(&self, ns: &str, local: &str) -> Option<Self> {
        self.children().find(|child| child.is(ns, local))
    }

    /// The value of an attribute; "" as namespace for none.
    #[must_use]
    pub fn attribute(&self, ns: &str, local: &str) -> Option<&'t str> {
        self.start().attribute(ns, local)
    }

    /// All attributes.
    #[must_use]
    pub fn attributes(&self) -> &'t [Attribute] {
        &self.start().attributes
    }

    /// The whole text below this element, comments left out, pieces joined.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.tree.contents(self.id).filter_map(|(_, _, content)| match content {
            Content::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Whether text other than white space stands directly in this element, beside its children.
    #[must_use]
    pub fn has_own_text(&self) -> bool {
        self.tree.contents(self.id).any(|(at, _, content)| {
            let own = self.tree.entries[at].parent == Some(self.id.0);
            own && matches!(content, Content::Text(text) if !text.trim_ascii().is_empty())
        })
    }

    /// All elements below this one and itself, in document order.
    pub fn descendants(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        self.tree.range(self.id.0, self.end())
    }

    /// Where this element is, as `/a/b[2]/c` with local names, for findings.
    #[must_use]
    pub fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut node = Some(*self);
        while let Some(here) = node {
            node = here.parent();
            steps.push(here.step(node));
        }
        steps.reverse();
        steps.concat()
    }

    /// One step of a path, with a number where several siblings have the name.
    fn step(&self, parent: Option<Self>) -> String {
        let same = |node: &Node<'t>| node.local() == self.local();
        let siblings: Vec<_> =
            parent.iter().flat_map(|parent| parent.children()).filter(same).map(|node| node.id).collect();
        let number = siblings.iter().position(|id| *id == self.id).unwrap_or(0) + 1;
        if siblings.len() > 1 { format!("/{}[{number}]", self.local()) } else { format!("/{}", self.local()) }
    }

    fn end(&self) -> usize {
        self.tree.entries.get(self.id.0).map_or(0, |entry| entry.end)
    }
}

/// Makes a tree of events.
pub(super) struct Builder {
    tree: Tree,
    open: Vec<usize>,
    root: Option<usize>,
    text_left: usize,
    text_limit: usize,
    /// Nodes and attributes: both are strings of their own.
    nodes: usize,
    nodes_max: usize,
}

impl Builder {
    /// For a whole document that is in memory already.
    fn document(bytes: usize) -> Self {
        // Decoding UTF-16 makes at most three bytes of two.
        Self::with(Vec::new(), Vec::new(), bytes.saturating_mul(2))
    }

    /// For a subtree of a document that is read as a stream.
    pub(super) fn within(around: Vec<(SmolStr, SmolStr)>, inherited: Vec<Attribute>) -> Self {
        Self::with(around, inherited, limits::SOAP_BYTES_MAX)
    }

    fn with(around: Vec<(SmolStr, SmolStr)>, inherited: Vec<Attribute>, text_limit: usize) -> Self {
        let tree = Tree { entries: Vec::new(), root: 0, ids: HashMap::new(), around, inherited };
        Self {
            tree,
            open: Vec::new(),
            root: None,
            text_left: text_limit,
            text_limit,
            nodes: 0,
            nodes_max: limits::XML_TREE_NODES_MAX,
        }
    }

    pub(super) fn event(&mut self, event: Event) -> Result<(), XmlError> {
        match event {
            Event::Start(start) => {
                let at = self.add(Content::Element(start))?;
                self.root.get_or_insert(at);
                self.open.push(at);
            }
            Event::End => {
                if let Some(at) = self.open.pop() {
                    self.tree.entries[at].end = self.tree.entries.len();
                }
            }
            Event::Text(text) => self.text(text)?,
            Event::Comment(text) => {
                self.add(Content::Comment(text))?;
            }
            Event::Instruction { target, data } => {
                self.add(Content::Instruction { target, data })?;
            }
            Event::Eof => {}
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Tree, XmlError> {
        let Some(root) = self.root else {
            return Err(XmlError::Malformed { at: 0, what: String::from("no element") });
        };
        self.tree.root = root;
        self.tree.index_ids();
        Ok(self.tree)
    }

    fn text(&mut self, text: String) -> Result<(), XmlError> {
        let left = self.text_left.checked_sub(text.len());
        self.text_left = left.ok_or(XmlError::Limit {
            what: "the text of a part held in memory, in bytes,",
            limit: self.text_limit as u64,
        })?;
        let parent = self.open.last().copied();
        if let Some(Entry { parent: last, content: Content::Text(before), .. }) = self.tree.entries.last_mut()
            && *last == parent
        {
            before.push_str(&text);
            return Ok(());
        }
        self.add(Content::Text(text)).map(|_| ())
    }

    fn add(&mut self, content: Content) -> Result<usize, XmlError> {
        let at = self.tree.entries.len();
        self.nodes += 1;
        if let Content::Element(start) = &content {
            self.nodes += start.attributes.len() + start.declarations.len();
        }
        if self.nodes > self.nodes_max {
            return Err(XmlError::Limit { what: "the number of nodes and attributes", limit: self.nodes_max as u64 });
        }
        self.tree.entries.push(Entry { parent: self.open.last().copied(), end: at + 1, content });
        Ok(at)
    }
}
