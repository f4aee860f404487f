//! Namespace-aware events over quick-xml, with every bound checked and texts in bounded pieces.

use std::io::Read;

/// What is wrong with a document, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// Reading failed underneath.
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
    /// Not well-formed, or not namespace-well-formed.
    #[error("not well-formed XML at byte {at}: {what}")]
    Malformed { /// Offset in bytes.
        at: u64, /// What was found and expected.
        what: String },
    /// Well-formed, but forbidden here: DOCTYPE, XML 1.1, an encoding other than UTF-8 (and UTF-16 where allowed).
    #[error("{what} is not accepted")]
    Forbidden { /// What was found.
        what: String },
    /// A bound of `limits` was passed.
    #[error("{what} exceeds the limit of {limit}")]
    Limit { /// What was counted.
        what: &'static str, /// The bound.
        limit: u64 },
}

/// Bounds of one document. `Default` takes them from `crate::limits`.
#[derive(Clone, Copy, Debug)]
pub struct Limits { /// Deepest nesting.
    pub depth: usize, /// Attributes and declarations of one element.
    pub attributes: usize, /// Bytes of one tag, comment or processing instruction.
    pub markup_bytes: usize, /// Bytes of the whole document.
    pub document_bytes: u64 }
impl Default for Limits { fn default() -> Self { todo!() } }

/// One attribute, its value normalised and unescaped. Namespace declarations are not attributes here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute { /// Prefix as written, "" for none.
    pub prefix: String, /// Local name.
    pub local: String, /// Namespace name, "" for none.
    pub ns: String, /// The value.
    pub value: String }

/// A start tag.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Start { /// Prefix as written, "" for none.
    pub prefix: String, /// Local name.
    pub local: String, /// Namespace name, "" for none.
    pub ns: String, /// Declarations on this element: (prefix or "", namespace name or "" to undeclare).
    pub declarations: Vec<(String, String)>, /// Attributes in document order.
    pub attributes: Vec<Attribute> }
impl Start {
    /// Whether this is element `local` of namespace `ns`.
    pub fn is(&self, ns: &str, local: &str) -> bool { self.ns == ns && self.local == local }
    /// The value of an attribute; "" as namespace for none.
    pub fn attribute(&self, ns: &str, local: &str) -> Option<&str> { self.attributes.iter().find(|a| a.ns == ns && a.local == local).map(|a| a.value.as_str()) }
}

/// One event. An empty element gives `Start` and `End`. CDATA and references come as `Text`; one
/// text may come in several pieces of at most `limits::XML_TEXT_CHUNK_BYTES`. Line ends are normalised.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event { /// A start tag.
    Start(Start), /// An end tag.
    End, /// A piece of text.
    Text(String), /// A comment.
    Comment(String), /// A processing instruction.
    Instruction { /// Its target.
        target: String, /// Its data.
        data: String }, /// The end of the document, after which the root element was closed.
    Eof }

/// Reads events. The XML declaration is checked and swallowed; a byte order mark too; UTF-16 with a
/// byte order mark is read as well (envelopes of peers). DOCTYPE is `Forbidden`.
pub struct Reader<R: Read> { _inner: R }
impl<R: Read> Reader<R> {
    /// Starts reading with the default limits.
    pub fn new(_inner: R) -> Self { todo!() }
    /// Starts reading with other limits.
    pub fn with_limits(_inner: R, _limits: Limits) -> Self { todo!() }
    /// The next event.
    pub fn next(&mut self) -> Result<Event, XmlError> { todo!() }
    /// Elements open now.
    pub fn depth(&self) -> usize { todo!() }
    /// The namespace bindings in scope now, inner before outer, each prefix once.
    pub fn in_scope(&self) -> Vec<(String, String)> { todo!() }
    /// Reads the element whose start tag was just given, to its end tag, as a tree of its own
    /// (with the bindings in scope kept, so that canonical forms come out as in the document).
    pub fn subtree(&mut self, _start: Start) -> Result<super::Tree, XmlError> { todo!() }
    /// Passes over the rest of the element whose start tag was just given.
    pub fn skip(&mut self) -> Result<(), XmlError> { todo!() }
    /// The concatenated text of the element whose start tag was just given, at most `max` bytes; child elements are an error.
    pub fn text(&mut self, _max: usize) -> Result<String, XmlError> { todo!() }
}
