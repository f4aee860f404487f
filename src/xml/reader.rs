//! Namespace-aware events over quick-xml, with every bound checked and texts in bounded pieces.
//!
//! quick-xml reads markup: it finds where a tag, comment or instruction ends, and matches end tags.
//! It would hold a text of any size as one event, so texts, CDATA sections and references are read
//! here, from the same buffer, and quick-xml is given the word at each `<` only.

use super::names;
use super::ns;
use super::scope::Scope;
use super::source::{Encoding, Source};
use super::tag::{self, TagFault};
use super::tree::Builder;
use crate::limits;
use quick_xml::events::Event as Markup;
use smol_str::SmolStr;
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
    Malformed {
        /// Offset in bytes, counted in UTF-8 with line ends as LF.
        at: u64,
        /// What was found and expected.
        what: String,
    },
    /// Well-formed, but forbidden here: DOCTYPE, XML 1.1, an encoding other than UTF-8 (and UTF-16 with a byte order mark).
    #[error("{what} is not accepted")]
    Forbidden {
        /// What was found.
        what: String,
    },
    /// A bound of `limits` was passed.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

/// Bounds of one document. `Default` takes them from `crate::limits`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deepest nesting.
    pub depth: usize,
    /// Attributes and declarations of one element.
    pub attributes: usize,
    /// Bytes of one tag, comment or processing instruction.
    pub markup_bytes: usize,
    /// Bytes of the whole document.
    pub document_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: limits::XML_DEPTH_MAX,
            attributes: limits::XML_ATTRIBUTES_MAX,
            markup_bytes: limits::XML_MARKUP_BYTES_MAX,
            document_bytes: limits::AS4_BODY_BYTES_MAX,
        }
    }
}

/// One attribute, its value normalised and unescaped. Namespace declarations are not attributes here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute {
    /// Prefix as written, "" for none.
    pub prefix: SmolStr,
    /// Local name.
    pub local: SmolStr,
    /// Namespace name, "" for none.
    pub ns: SmolStr,
    /// The value.
    pub value: String,
}

/// A start tag.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Start {
    /// Prefix as written, "" for none.
    pub prefix: SmolStr,
    /// Local name.
    pub local: SmolStr,
    /// Namespace name, "" for none.
    pub ns: SmolStr,
    /// Declarations on this element: (prefix or "", namespace name or "" to undeclare).
    pub declarations: Vec<(SmolStr, SmolStr)>,
    /// Attributes in document order.
    pub attributes: Vec<Attribute>,
}

impl Start {
    /// Whether this is element `local` of namespace `ns`.
    #[must_use]
    pub fn is(&self, ns: &str, local: &str) -> bool {
        self.local == local && self.ns == ns
    }

    /// The value of an attribute; "" as namespace for none.
    #[must_use]
    pub fn attribute(&self, ns: &str, local: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.local == local && a.ns == ns).map(|a| a.value.as_str())
    }
}

/// One event. An empty element gives `Start` and `End`. CDATA and references come as `Text`; one
/// text may come in several pieces of at most `limits::XML_TEXT_CHUNK_BYTES`. Line ends are normalised.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A start tag.
    Start(Start),
    /// An end tag.
    End,
    /// A piece of text.
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
    /// The end of the document, after which the root element was closed.
    Eof,
}

/// Longest reference, `&#x10FFFF;` with room for leading zeros.
const REFERENCE_BYTES_MAX: usize = 64;

/// Reads events. The XML declaration is checked and swallowed; a byte order mark too; UTF-16 with a
/// byte order mark is read as well (envelopes of peers). DOCTYPE is `Forbidden`.
pub struct Reader<R: Read> {
    markup: quick_xml::Reader<Source<R>>,
    buffer: Vec<u8>,
    limits: Limits,
    scope: Scope,
    /// The `xml:` attributes of each open element, which inclusive canonical forms of a subtree inherit.
    inherited: Vec<Vec<Attribute>>,
    root_seen: bool,
    /// The element just given was empty: its end comes next.
    end_pending: bool,
    in_cdata: bool,
    /// How many `]` ended the text read last, at most two: `]]>` may lie across two pieces.
    brackets: usize,
}

impl<R: Read> Reader<R> {
    /// Starts reading with the default limits.
    pub fn new(inner: R) -> Self {
        Self::with_limits(inner, Limits::default())
    }

    /// Starts reading with other limits.
    pub fn with_limits(inner: R, limits: Limits) -> Self {
        let mut markup = quick_xml::Reader::from_reader(Source::new(inner, limits.document_bytes));
        markup.config_mut().check_comments = true;
        Self {
            markup,
            buffer: Vec::new(),
            limits,
            scope: Scope::default(),
            inherited: Vec::new(),
            root_seen: false,
            end_pending: false,
            in_cdata: false,
            brackets: 0,
        }
    }

    /// The next event.
    ///
    /// # Errors
    /// As `XmlError` says. After an error the reader is of no further use.
    #[expect(clippy::should_implement_trait, reason = "an iterator of results would let a loop pass over the error")]
    pub fn next(&mut self) -> Result<Event, XmlError> {
        if self.end_pending {
            self.end_pending = false;
            return Ok(self.close());
        }
        loop {
            if let Some(text) = self.read_text()? {
                return Ok(Event::Text(text));
            }
            let ahead = self.source().peek(9)?;
            if ahead.is_empty() {
                return self.eof();
            }
            if ahead.starts_with("<![CDATA[") {
                self.open_cdata()?;
            } else if ahead.starts_with("<!") && !ahead.starts_with("<!--") {
                return Err(XmlError::Forbidden { what: String::from("a document type declaration") });
            } else if let Some(event) = self.read_markup()? {
                return Ok(event);
            }
        }
    }

    /// Elements open now.
    pub fn depth(&self) -> usize {
        self.inherited.len()
    }

    /// The namespace bindings in scope now, each prefix once, sorted by prefix; an undeclared default is none.
    pub fn in_scope(&self) -> Vec<(SmolStr, SmolStr)> {
        self.scope.all()
    }

    /// The `xml:` attributes of the open elements, outermost element first, for canonical forms.
    pub(super) fn inherited(&self) -> impl Iterator<Item = &Vec<Attribute>> {
        self.inherited.iter()
    }

    /// Reads the element whose start tag was just given, to its end tag, as a tree of its own
    /// (with the bindings in scope kept, so that canonical forms come out as in the document).
    ///
    /// # Errors
    /// As `XmlError` says; among them more than `limits::XML_TREE_NODES_MAX` nodes, and more text
    /// than `limits::SOAP_BYTES_MAX`.
    pub fn subtree(&mut self, start: Start) -> Result<super::Tree, XmlError> {
        let around = self.inherited.len().saturating_sub(1);
        let above = self.inherited().take(around).flatten().cloned().collect();
        let mut builder = Builder::within(self.in_scope(), above);
        builder.event(Event::Start(start))?;
        let outside = self.depth().saturating_sub(1);
        while self.depth() > outside {
            let event = self.next()?;
            builder.event(event)?;
        }
        builder.finish()
    }

    /// Passes over the rest of the element whose start tag was just given.
    ///
    /// # Errors
    /// As `XmlError` says: what is passed over must be well-formed too.
    pub fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth().saturating_sub(1);
        while self.depth() > outside {
            self.next()?;
        }
        Ok(())
    }

    /// The concatenated text of the element whose start tag was just given, at most `max` bytes; child elements are an error.
    ///
    /// # Errors
    /// As `XmlError` says; `Malformed` for a child element.
    pub fn text(&mut self, max: usize) -> Result<String, XmlError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(piece) if text.len() + piece.len() <= max => text.push_str(&piece),
                Event::Text(_) => {
                    return Err(XmlError::Limit { what: "a text, in bytes,", limit: max as u64 });
                }
                Event::Start(child) => {
                    return Err(self.malformed(format!("element {} in a text", child.local)));
                }
                Event::Comment(_) | Event::Instruction { .. } => {}
                Event::End | Event::Eof => return Ok(text),
            }
        }
    }

    fn source(&mut self) -> &mut Source<R> {
        self.markup.get_mut()
    }

    fn malformed(&self, what: impl Into<String>) -> XmlError {
        XmlError::Malformed { at: self.markup.get_ref().offset(), what: what.into() }
    }

    fn eof(&self) -> Result<Event, XmlError> {
        match (self.depth(), self.root_seen) {
            (0, true) => Ok(Event::Eof),
            (0, false) => Err(self.malformed("no element")),
            (open, _) => Err(self.malformed(format!("the end of the document with {open} elements open"))),
        }
    }

    // --- text --------------------------------------------------------------------------------------

    /// Text up to the next markup, or a piece of it; `None` where markup or the end of the document is next.
    fn read_text(&mut self) -> Result<Option<String>, XmlError> {
        let mut text = String::new();
        // Four bytes hold any character, so there is progress however little room is left.
        while text.len() + 4 <= limits::XML_TEXT_CHUNK_BYTES {
            let room = limits::XML_TEXT_CHUNK_BYTES - text.len();
            let more =
                if self.in_cdata { self.read_cdata(&mut text, room)? } else { self.read_characters(&mut text, room)? };
            if !more {
                break;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        if self.depth() > 0 {
            return Ok(Some(text));
        }
        match text.find(|c| !names::is_space(c)) {
            Some(_) => Err(self.malformed("text outside the document element")),
            None => Ok(None),
        }
    }

    /// Adds one run of characters or one reference; `false` at markup and at the end of the document.
    fn read_characters(&mut self, text: &mut String, room: usize) -> Result<bool, XmlError> {
        let ahead = self.markup.get_mut().peek(4)?;
        if ahead.starts_with('&') {
            text.push(self.read_reference()?);
            return Ok(true);
        }
        let end = memchr::memchr2(b'<', b'&', ahead.as_bytes()).unwrap_or(ahead.len());
        let run = &ahead[..ahead.floor_char_boundary(end.min(room))];
        if run.is_empty() {
            return Ok(false);
        }
        text.push_str(run);
        let (count, closes_cdata, brackets) =
            (run.len(), closes_cdata(run, self.brackets), brackets(run, self.brackets));
        if closes_cdata {
            return Err(self.malformed("]]> in a text"));
        }
        self.brackets = brackets;
        self.source().take(count);
        Ok(true)
    }

    fn read_reference(&mut self) -> Result<char, XmlError> {
        let ahead = self.markup.get_mut().peek(REFERENCE_BYTES_MAX)?;
        let ahead = &ahead[1..ahead.floor_char_boundary(REFERENCE_BYTES_MAX)];
        let reference = ahead.split_once(';').map(|(reference, _)| reference);
        let Some(reference) = reference else {
            return Err(self.malformed("& without a reference"));
        };
        let Some(c) = names::resolve(reference) else {
            let what = tag::undeclared(reference);
            return Err(self.malformed(what));
        };
        let count = reference.len() + 2;
        if self.depth() == 0 {
            return Err(self.malformed("a reference outside the document element"));
        }
        self.source().take(count);
        self.brackets = 0;
        Ok(c)
    }

    fn open_cdata(&mut self) -> Result<(), XmlError> {
        if self.depth() == 0 {
            return Err(self.malformed("a CDATA section outside the document element"));
        }
        self.source().take("<![CDATA[".len());
        self.in_cdata = true;
        self.brackets = 0;
        Ok(())
    }

    /// Adds one run of a CDATA section, and passes over its end. `false` never: text may follow at once.
    fn read_cdata(&mut self, text: &mut String, room: usize) -> Result<bool, XmlError> {
        let ahead = self.markup.get_mut().peek(8)?;
        let end = memchr::memmem::find(ahead.as_bytes(), b"]]>");
        // The last two bytes may begin the end of the section.
        let ready = end.unwrap_or(ahead.len().saturating_sub(2));
        if end.is_none() && ahead.len() < 8 {
            return Err(self.malformed("a CDATA section without an end"));
        }
        let run = &ahead[..ahead.floor_char_boundary(ready.min(room))];
        text.push_str(run);
        let mut count = run.len();
        if end == Some(count) {
            count += "]]>".len();
            self.in_cdata = false;
        }
        self.source().take(count);
        Ok(true)
    }

    // --- markup ------------------------------------------------------------------------------------

    /// One piece of markup; `None` for the XML declaration.
    fn read_markup(&mut self) -> Result<Option<Event>, XmlError> {
        self.brackets = 0;
        self.buffer.clear();
        let at = self.markup.get_ref().offset();
        let budget = self.limits.markup_bytes;
        self.source().set_budget(Some(budget));
        // The buffer is taken out for the time that quick-xml's event borrows it.
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.markup.read_event_into(&mut buffer);
        let over = self.source().is_over_budget();
        self.source().set_budget(None);
        let event = match read {
            Ok(markup) => self.take_markup(markup, at),
            Err(_) if over => Err(XmlError::Limit { what: "one piece of markup, in bytes,", limit: budget as u64 }),
            Err(error) => {
                Err(self.source().take_fault().unwrap_or_else(|| XmlError::Malformed { at, what: error.to_string() }))
            }
        };
        self.buffer = buffer;
        event
    }

    fn take_markup(&mut self, markup: Markup<'_>, at: u64) -> Result<Option<Event>, XmlError> {
        let empty = matches!(markup, Markup::Empty(_));
        match markup {
            Markup::Start(tag) | Markup::Empty(tag) => {
                self.end_pending = empty;
                self.open(tag.name().as_ref(), tag.attributes_raw()).map(Some)
            }
            Markup::End(_) => Ok(Some(self.close())),
            Markup::Comment(text) => Ok(Some(Event::Comment(text.into_inner().into_owned()))),
            Markup::Decl(declaration) => {
                if at > 0 {
                    return Err(self.malformed("an XML declaration that is not at the start"));
                }
                self.check_declaration(declaration.get("xml".len()..).unwrap_or_default()).map(|()| None)
            }
            Markup::PI(instruction) => {
                let target = instruction.target();
                if !names::is_ncname(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(self.malformed(format!("{target:?} is no target of a processing instruction")));
                }
                let data = instruction.content().trim_start_matches(names::is_space);
                Ok(Some(Event::Instruction { target: target.to_owned(), data: data.to_owned() }))
            }
            _ => Err(self.malformed("markup that has no meaning here")),
        }
    }

    fn open(&mut self, name: &str, attributes: &str) -> Result<Event, XmlError> {
        if self.depth() == 0 && self.root_seen {
            return Err(self.malformed(format!("element {name} after the document element")));
        }
        if self.depth() >= self.limits.depth {
            return Err(XmlError::Limit { what: "the depth of nesting", limit: self.limits.depth as u64 });
        }
        self.root_seen = true;
        let start =
            tag::start(name, attributes, self.limits.attributes, &mut self.scope).map_err(|fault| match fault {
                TagFault::Malformed(what) => self.malformed(what),
                TagFault::TooMany => XmlError::Limit {
                    what: "the number of attributes of one element",
                    limit: self.limits.attributes as u64,
                },
            })?;
        self.inherited.push(start.attributes.iter().filter(|a| a.ns == ns::XML).cloned().collect());
        Ok(Event::Start(start))
    }

    fn close(&mut self) -> Event {
        self.scope.close();
        self.inherited.pop();
        Event::End
    }

    /// Version 1.0, and an encoding that is the one the octets show (XML 1.0, 2.8 and 4.3.3).
    fn check_declaration(&mut self, content: &str) -> Result<(), XmlError> {
        let mut scope = Scope::default();
        let parsed = tag::start("xml", content, 3, &mut scope);
        let Ok(declaration) = parsed else {
            return Err(self.malformed("an XML declaration that cannot be read"));
        };
        let names: Vec<&str> = declaration.attributes.iter().map(|a| a.local.as_str()).collect();
        let order = ["version", "encoding", "standalone"];
        let positions: Vec<_> = names.iter().map(|name| order.iter().position(|known| known == name)).collect();
        if positions.first() != Some(&Some(0)) || !positions.is_sorted() || positions.contains(&None) {
            return Err(self.malformed("an XML declaration other than version, encoding, standalone"));
        }
        match declaration.attribute("", "version") {
            Some("1.0") => {}
            other => {
                return Err(XmlError::Forbidden { what: format!("XML version {}", other.unwrap_or("none")) });
            }
        }
        if declaration.attribute("", "standalone").is_some_and(|value| !matches!(value, "yes" | "no")) {
            return Err(self.malformed("standalone is neither yes nor no"));
        }
        self.check_encoding(declaration.attribute("", "encoding"))
    }

    fn check_encoding(&mut self, declared: Option<&str>) -> Result<(), XmlError> {
        let found = self.source().encoding();
        let declared = declared.map(str::to_ascii_uppercase);
        let agrees = matches!(
            (declared.as_deref(), found),
            (None, _)
                | (Some("UTF-8"), Encoding::Utf8)
                | (Some("UTF-16"), Encoding::Utf16Be | Encoding::Utf16Le)
                | (Some("UTF-16BE"), Encoding::Utf16Be)
                | (Some("UTF-16LE"), Encoding::Utf16Le)
        );
        if agrees {
            return Ok(());
        }
        Err(XmlError::Forbidden {
            what: format!("the declared encoding {} in octets of {found}", declared.unwrap_or_default()),
        })
    }
}

/// Whether `]]>` ends in this run, `before` being how many `]` came before it.
fn closes_cdata(run: &str, before: usize) -> bool {
    let across = match before {
        0 => false,
        1 => run.starts_with("]>"),
        _ => run.starts_with('>') || run.starts_with("]>"),
    };
    across || memchr::memmem::find(run.as_bytes(), b"]]>").is_some()
}

/// How many `]` end the text after this run, at most two.
fn brackets(run: &str, before: usize) -> usize {
    let ending = run.bytes().rev().take(2).take_while(|&byte| byte == b']').count();
    if ending == run.len() { (before + ending).min(2) } else { ending }
}
