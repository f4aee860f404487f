//! Canonical forms as a stream: Canonical XML 1.0 and 1.1, Exclusive XML Canonicalization 1.0.
//!
//! One engine writes all of them. It takes start tags, texts and ends one after the other and keeps
//! only what is open: the bindings in scope, and those that the output has shown already.

use super::base;
use super::names;
use super::ns;
use super::scope::Scope;
use super::tree::{Content, NodeId};
use super::write;
use super::{Attribute, Event, Reader, Start, Tree, XmlError};
use smol_str::SmolStr;
use std::collections::HashSet;
use std::io::{self, BufWriter, Read, Write};

/// Which canonical form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Canonical XML 1.0.
    Inclusive10,
    /// Canonical XML 1.1.
    Inclusive11,
    /// Exclusive XML Canonicalization 1.0.
    Exclusive,
}

/// A canonicalisation method with its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Method {
    /// The form.
    pub form: Form,
    /// Whether comments stay.
    pub comments: bool,
    /// InclusiveNamespaces PrefixList, "#default" among them.
    pub prefixes: Vec<String>,
}

impl Method {
    /// A form without comments and without a PrefixList.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { form, comments: false, prefixes: Vec::new() }
    }
}

/// Takes events and writes their canonical form to the inner writer.
pub struct Canonicalizer<W: Write> {
    out: BufWriter<W>,
    form: Form,
    comments: bool,
    /// The PrefixList, "" for `#default`.
    prefixes: HashSet<String>,
    scope: Scope,
    /// What the output elements that are open have declared.
    rendered: Scope,
    /// The elements that are open, by prefix and local name.
    open: Vec<(SmolStr, SmolStr)>,
    /// The `xml:` attributes that the apex inherits, outermost first.
    inherited: Vec<Attribute>,
    place: Place,
}

/// Where in the document the next node stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Before the document element; or at the apex of a subtree, where nothing else may be.
    Before,
    Inside,
    After,
}

impl<W: Write> Canonicalizer<W> {
    /// For a whole document.
    pub fn new(method: &Method, inner: W) -> Self {
        let prefix = |prefix: &String| {
            if prefix == "#default" { String::new() } else { prefix.clone() }
        };
        Self {
            out: BufWriter::with_capacity(16 * 1024, inner),
            form: method.form,
            comments: method.comments,
            prefixes: method.prefixes.iter().map(prefix).collect(),
            scope: Scope::default(),
            rendered: Scope::default(),
            open: Vec::new(),
            inherited: Vec::new(),
            place: Place::Before,
        }
    }

    /// For a subtree below elements that are left out, which had these bindings and `xml:` attributes.
    fn within(method: &Method, around: &[(SmolStr, SmolStr)], inherited: Vec<Attribute>, inner: W) -> Self {
        let mut this = Self::new(method, inner);
        this.scope.open(around);
        this.inherited = inherited;
        this
    }

    /// Takes one event.
    ///
    /// # Errors
    /// `Io` from the inner writer; `Forbidden` for a relative namespace name, which has no canonical
    /// form (Canonical XML 1.0, 1.3).
    pub fn event(&mut self, event: &Event) -> Result<(), XmlError> {
        match event {
            Event::Start(start) => self.start(start)?,
            Event::End => self.end()?,
            Event::Text(text) => self.text(text)?,
            Event::Comment(text) => self.comment(text)?,
            Event::Instruction { target, data } => self.instruction(target, data)?,
            Event::Eof => {}
        }
        Ok(())
    }

    /// Gives the inner writer back.
    ///
    /// # Errors
    /// `Io` from the inner writer.
    pub fn finish(self) -> Result<W, XmlError> {
        self.out.into_inner().map_err(|error| XmlError::Io(error.into_error()))
    }

    fn start(&mut self, start: &Start) -> Result<(), XmlError> {
        for (_, uri) in &start.declarations {
            if !uri.is_empty() && !base::is_absolute(uri) {
                return Err(XmlError::Forbidden {
                    what: format!("the relative namespace name {uri:?} in a canonical form"),
                });
            }
        }
        self.scope.open(&start.declarations);
        let namespaces = self.namespaces(start);
        self.out.write_all(b"<")?;
        self.name(&start.prefix, &start.local)?;
        for (prefix, uri) in &namespaces {
            if prefix.is_empty() {
                self.attribute("", "xmlns", uri)?;
            } else {
                self.attribute("xmlns", prefix, uri)?;
            }
        }
        if self.place == Place::Before && self.form != Form::Exclusive {
            let inherited = std::mem::take(&mut self.inherited);
            self.attributes(&self.with_inherited(start, &inherited))?;
        } else {
            self.attributes(&start.attributes)?;
        }
        self.out.write_all(b">")?;
        self.rendered.open(&namespaces);
        self.open.push((start.prefix.clone(), start.local.clone()));
        self.place = Place::Inside;
        Ok(())
    }

    /// The bindings that this element must declare, sorted by prefix, the default first.
    fn namespaces(&self, start: &Start) -> Vec<(SmolStr, SmolStr)> {
        let listed = self.form != Form::Exclusive || !self.prefixes.is_empty();
        let apex = if listed && self.place == Place::Before { self.scope.all() } else { Vec::new() };
        let near = apex.iter().chain(&start.declarations).map(|(prefix, _)| prefix.as_str());
        let mut candidates: Vec<&str> = Vec::new();
        if self.form == Form::Exclusive {
            candidates.extend(near.filter(|prefix| self.prefixes.contains(*prefix)));
            candidates.push(&start.prefix);
            candidates.extend(start.attributes.iter().map(|a| a.prefix.as_str()).filter(|prefix| !prefix.is_empty()));
        } else {
            candidates.extend(near);
        }
        candidates.sort_unstable();
        candidates.dedup();
        let needed = candidates.into_iter().filter_map(|prefix| {
            let uri = self.scope.lookup(prefix)?;
            (self.rendered.lookup(prefix).as_ref() != Some(&uri)).then(|| (prefix.into(), uri))
        });
        needed.collect()
    }

    /// The attributes of the apex of a subtree (Canonical XML 1.0, 2.4; 1.1, 2.4).
    fn with_inherited(&self, start: &Start, inherited: &[Attribute]) -> Vec<Attribute> {
        let mut attributes = start.attributes.clone();
        for attribute in inherited.iter().rev() {
            let inheritable = self.form == Form::Inclusive10 || matches!(attribute.local.as_str(), "lang" | "space");
            let there = attributes.iter().any(|a| a.ns == ns::XML && a.local == attribute.local);
            if inheritable && !there {
                attributes.push(attribute.clone());
            }
        }
        if self.form == Form::Inclusive11 {
            fix_base(&mut attributes, inherited);
        }
        attributes
    }

    fn attributes(&mut self, attributes: &[Attribute]) -> io::Result<()> {
        if let [only] = attributes {
            return self.attribute(&only.prefix, &only.local, &only.value);
        }
        // UTF-8 sorts as code points do.
        let mut sorted: Vec<&Attribute> = attributes.iter().collect();
        sorted.sort_unstable_by(|a, b| (&a.ns, &a.local).cmp(&(&b.ns, &b.local)));
        for attribute in sorted {
            self.attribute(&attribute.prefix, &attribute.local, &attribute.value)?;
        }
        Ok(())
    }

    fn attribute(&mut self, prefix: &str, local: &str, value: &str) -> io::Result<()> {
        self.out.write_all(b" ")?;
        self.name(prefix, local)?;
        self.out.write_all(b"=\"")?;
        self.out.write_all(write::escaped(value, write::attribute_entity).as_bytes())?;
        self.out.write_all(b"\"")
    }

    fn name(&mut self, prefix: &str, local: &str) -> io::Result<()> {
        if !prefix.is_empty() {
            self.out.write_all(prefix.as_bytes())?;
            self.out.write_all(b":")?;
        }
        self.out.write_all(local.as_bytes())
    }

    fn end(&mut self) -> io::Result<()> {
        self.scope.close();
        self.rendered.close();
        let Some((prefix, local)) = self.open.pop() else {
            return Ok(());
        };
        if self.open.is_empty() {
            self.place = Place::After;
        }
        self.out.write_all(b"</")?;
        self.name(&prefix, &local)?;
        self.out.write_all(b">")
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        if self.place == Place::Inside {
            self.out.write_all(write::escaped(text, write::text_entity).as_bytes())?;
        }
        Ok(())
    }

    fn comment(&mut self, text: &str) -> io::Result<()> {
        if !self.comments {
            return Ok(());
        }
        self.beside(format_args!("<!--{text}-->"))
    }

    fn instruction(&mut self, target: &str, data: &str) -> io::Result<()> {
        let space = if data.is_empty() { "" } else { " " };
        self.beside(format_args!("<?{target}{space}{data}?>"))
    }

    /// Comments and instructions outside the document element stand on lines of their own.
    fn beside(&mut self, node: std::fmt::Arguments<'_>) -> io::Result<()> {
        match self.place {
            Place::Before => writeln!(self.out, "{node}"),
            Place::Inside => write!(self.out, "{node}"),
            Place::After => write!(self.out, "\n{node}"),
        }
    }
}

/// Canonical form of the subtree at `node`, without the subtree at `without` (enveloped signature).
///
/// # Errors
/// As [`Canonicalizer::event`].
pub fn subtree<W: Write>(
    tree: &Tree,
    node: NodeId,
    method: &Method,
    without: Option<NodeId>,
    out: W,
) -> Result<W, XmlError> {
    let (around, inherited) = surroundings(tree, node);
    let mut form = Canonicalizer::within(method, &around, inherited, out);
    let mut ends: Vec<usize> = Vec::new();
    let mut passed_over = 0;
    for (at, end, content) in tree.contents(node) {
        while ends.pop_if(|end| *end <= at).is_some() {
            form.end()?;
        }
        if without == Some(NodeId(at)) {
            passed_over = end;
        }
        if at < passed_over {
            continue;
        }
        match content {
            Content::Element(start) => {
                form.start(start)?;
                ends.push(end);
            }
            Content::Text(text) => form.text(text)?,
            Content::Comment(text) => form.comment(text)?,
            Content::Instruction { target, data } => form.instruction(target, data)?,
        }
    }
    for _ in ends {
        form.end()?;
    }
    form.finish()
}

/// Canonical form of a whole document as it is read, without the direct children of the root for
/// which `without` (given the child's index among its element siblings) says true.
///
/// # Errors
/// As [`Canonicalizer::event`] and [`Reader::next`].
pub fn document<R: Read, W: Write>(
    mut reader: Reader<R>,
    method: &Method,
    mut without: impl FnMut(usize, &Start) -> bool,
    out: W,
) -> Result<W, XmlError> {
    let mut form = Canonicalizer::new(method, out);
    let mut children = 0;
    loop {
        let event = reader.next()?;
        match &event {
            Event::Eof => return form.finish(),
            Event::Start(start) if reader.depth() == 2 => {
                children += 1;
                if without(children - 1, start) {
                    reader.skip()?;
                    continue;
                }
            }
            _ => {}
        }
        form.event(&event)?;
    }
}

/// Canonical form of the first element for which `wanted` says true, as it is read; and how many there are. The document is
/// read to its end: what is not well-formed after the element is refused as well.
///
/// # Errors
/// As [`Canonicalizer::event`] and [`Reader::next`].
pub fn element<R: Read, W: Write>(
    mut reader: Reader<R>,
    method: &Method,
    mut wanted: impl FnMut(&Start) -> bool,
    out: W,
) -> Result<(W, usize), XmlError> {
    let apex = loop {
        match reader.next()? {
            Event::Start(start) if wanted(&start) => break start,
            Event::Eof => return Ok((out, 0)),
            _ => {}
        }
    };
    let (mut found, depth) = (1, reader.depth());
    let above = reader.inherited().take(depth - 1).flatten().cloned().collect();
    let mut form = Canonicalizer::within(method, &reader.in_scope(), above, out);
    form.start(&apex)?;
    while reader.depth() >= depth {
        let event = reader.next()?;
        found += usize::from(matches!(&event, Event::Start(start) if wanted(start)));
        form.event(&event)?;
    }
    loop {
        match reader.next()? {
            Event::Start(start) => found += usize::from(wanted(&start)),
            Event::Eof => return Ok((form.finish()?, found)),
            _ => {}
        }
    }
}

/// The bindings and `xml:` attributes of everything above a node, outermost first.
fn surroundings(tree: &Tree, node: NodeId) -> (Vec<(SmolStr, SmolStr)>, Vec<Attribute>) {
    let mut above = Vec::new();
    let mut parent = tree.node(node).parent();
    while let Some(here) = parent {
        above.push(here.start());
        parent = here.parent();
    }
    above.reverse();
    let around = tree.around.iter().chain(above.iter().flat_map(|start| &start.declarations));
    let from_tree = above.iter().flat_map(|start| start.attributes.iter().filter(|a| a.ns == ns::XML));
    (around.cloned().collect(), tree.inherited.iter().chain(from_tree).cloned().collect())
}

/// The `xml:base` of an apex whose ancestors had one (Canonical XML 1.1, 2.4).
fn fix_base(attributes: &mut Vec<Attribute>, inherited: &[Attribute]) {
    let is_base = |a: &&Attribute| a.ns == ns::XML && a.local == "base";
    let mut above = inherited.iter().filter(is_base).rev();
    let own = attributes.iter().find(is_base).cloned();
    let Some(nearest) = own.clone().or_else(|| above.next().cloned()) else {
        return;
    };
    if own.is_some() && inherited.iter().find(is_base).is_none() {
        return;
    }
    let value = above.fold(nearest.value.clone(), |value, base| base::join(&base.value, &value));
    attributes.retain(|a| !is_base(&a));
    if !value.is_empty() {
        attributes.push(Attribute { value, ..nearest });
    }
}

/// The prefixes of a PrefixList attribute.
#[must_use]
pub fn prefix_list(value: &str) -> Vec<String> {
    value.split(names::is_space).filter(|prefix| !prefix.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(method: &Method, xml: &str) -> String {
        let out = document(Reader::new(xml.as_bytes()), method, |_, _| false, Vec::new()).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn part(method: &Method, xml: &str, local: &str) -> String {
        let tree = Tree::parse(xml.as_bytes()).unwrap();
        let node = tree.root().descendants().find(|node| node.local() == local).unwrap();
        String::from_utf8(subtree(&tree, node.id, method, None, Vec::new()).unwrap()).unwrap()
    }

    /// Canonical XML 1.0, 3.1 and 3.3, without the DOCTYPE that this reader refuses.
    #[test]
    fn a_document_is_written_as_the_recommendation_shows() {
        let xml = "<?xml version=\"1.0\"?>\n\n<?xml-stylesheet   href=\"doc.xsl\"\n   type=\"text/xsl\"   ?>\n\n<doc>Hello, world!<!-- Comment 1 --></doc>\n\n<?pi-without-data     ?>\n\n<!-- Comment 2 -->\n";
        let mut method = Method::new(Form::Inclusive10);
        let plain = "<?xml-stylesheet href=\"doc.xsl\"\n   type=\"text/xsl\"   ?>\n<doc>Hello, world!</doc>\n<?pi-without-data?>";
        assert_eq!(whole(&method, xml), plain);
        method.comments = true;
        let commented = plain.replace("world!", "world!<!-- Comment 1 -->") + "\n<!-- Comment 2 -->";
        assert_eq!(whole(&method, xml), commented);
    }

    #[test]
    fn attributes_are_sorted_by_namespace_name_and_not_by_prefix() {
        let xml = "<e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" attr=\"I'm\" xmlns:b=\"http://www.ietf.org\" xmlns:a=\"http://www.w3.org\" xmlns=\"http://example.org\"/>";
        let expected = "<e5 xmlns=\"http://example.org\" xmlns:a=\"http://www.w3.org\" xmlns:b=\"http://www.ietf.org\" attr=\"I'm\" attr2=\"all\" b:attr=\"sorted\" a:attr=\"out\"></e5>";
        assert_eq!(whole(&Method::new(Form::Inclusive10), xml), expected);
    }

    #[test]
    fn an_inclusive_subtree_inherits_what_its_version_says() {
        let xml = "<a xmlns:p=\"urn:p\" xml:lang=\"sv\" xml:id=\"x\" xml:base=\"http://a/b/\"><b xml:base=\"c/\"><d xml:base=\"e\"/></b></a>";
        let expected = "<d xmlns:p=\"urn:p\" xml:base=\"e\" xml:id=\"x\" xml:lang=\"sv\"></d>";
        assert_eq!(part(&Method::new(Form::Inclusive10), xml, "d"), expected);
        let expected = "<d xmlns:p=\"urn:p\" xml:base=\"http://a/b/c/e\" xml:lang=\"sv\"></d>";
        assert_eq!(part(&Method::new(Form::Inclusive11), xml, "d"), expected);
        assert_eq!(part(&Method::new(Form::Exclusive), xml, "d"), "<d xml:base=\"e\"></d>");
    }

    #[test]
    fn the_exclusive_form_shows_what_is_visibly_used_and_what_the_prefix_list_names() {
        let xml = "<a xmlns=\"urn:d\" xmlns:p=\"urn:p\" xmlns:q=\"urn:q\"><q:b><c xmlns=\"\" p:x=\"1\"/></q:b></a>";
        let mut method = Method::new(Form::Exclusive);
        assert_eq!(part(&method, xml, "b"), "<q:b xmlns:q=\"urn:q\"><c xmlns:p=\"urn:p\" p:x=\"1\"></c></q:b>");
        method.prefixes = prefix_list(" #default\tp nowhere ");
        let expected = "<q:b xmlns=\"urn:d\" xmlns:p=\"urn:p\" xmlns:q=\"urn:q\"><c xmlns=\"\" p:x=\"1\"></c></q:b>";
        assert_eq!(part(&method, xml, "b"), expected);
    }

    #[test]
    fn a_subtree_read_from_a_stream_has_the_form_it_has_in_the_whole_document() {
        let xml = "<a xmlns:p=\"urn:p\" xml:lang=\"sv\"><b xmlns:q=\"urn:q\"><c/></b><d/></a>";
        let mut reader = Reader::new(xml.as_bytes());
        let tree = loop {
            match reader.next().unwrap() {
                Event::Start(start) if start.local == "b" => break reader.subtree(start).unwrap(),
                _ => {}
            }
        };
        assert_eq!(reader.next().unwrap(), Event::Start(Start { local: "d".into(), ..Start::default() }));
        let method = Method::new(Form::Inclusive10);
        let child = tree.root().child("", "c").unwrap();
        let form = subtree(&tree, child.id, &method, None, Vec::new()).unwrap();
        assert_eq!(String::from_utf8(form).unwrap(), part(&method, xml, "c"));
    }

    #[test]
    fn an_element_of_a_stream_has_the_form_it_has_in_a_tree_and_its_likes_are_counted() {
        let xml = "<a xmlns=\"urn:d\" xmlns:p=\"urn:p\" xml:lang=\"sv\" xml:base=\"http://a/b/\"><q:b xmlns:q=\"urn:q\" xml:base=\"c/\">1\
                   <d xmlns=\"\" p:x=\"1\">2<!-- c --><d/></d></q:b><e xml:space=\"preserve\"><f/></e></a>";
        for form in [Form::Inclusive10, Form::Inclusive11, Form::Exclusive] {
            let method = Method { form, comments: true, prefixes: Vec::new() };
            for (local, count) in [("a", 1), ("b", 1), ("d", 2), ("e", 1), ("f", 1)] {
                let named = |start: &Start| start.local == local;
                let (octets, found) = element(Reader::new(xml.as_bytes()), &method, named, Vec::new()).unwrap();
                assert_eq!((String::from_utf8(octets).unwrap(), found), (part(&method, xml, local), count), "{local}");
            }
            let (octets, found) = element(Reader::new(xml.as_bytes()), &method, |_| false, Vec::new()).unwrap();
            assert_eq!((octets.len(), found), (0, 0));
        }
        let method = Method::new(Form::Exclusive);
        assert!(element(Reader::new(&b"<a><b/></a"[..]), &method, |s| s.local == "b", Vec::new()).is_err());
    }

    #[test]
    fn the_subtree_left_out_leaves_the_text_around_it() {
        let tree = Tree::parse(b"<a>1<s><x/></s>2<s/>3</a>").unwrap();
        let first = tree.root().child("", "s").unwrap();
        let method = Method::new(Form::Inclusive10);
        let form = subtree(&tree, tree.root().id, &method, Some(first.id), Vec::new()).unwrap();
        assert_eq!(form, b"<a>12<s></s>3</a>");
        let reader = Reader::new(&b"<a>1<s><x/></s>2<s/>3</a>"[..]);
        assert_eq!(document(reader, &method, |index, _| index == 1, Vec::new()).unwrap(), b"<a>1<s><x></x></s>23</a>");
    }

    #[test]
    fn a_relative_namespace_name_has_no_canonical_form() {
        let reader = Reader::new(&b"<a xmlns=\"foo\"/>"[..]);
        let refused = document(reader, &Method::new(Form::Inclusive10), |_, _| false, Vec::new());
        assert!(matches!(refused, Err(XmlError::Forbidden { .. })));
    }
}
