//! The reader's bounds and pieces, and what trees say of their nodes.

use sluss::limits;
use sluss::xml::dsig::DsigError;
use sluss::xml::{Event, Limits, Reader, Start, Tree, XmlError};
use std::io::{self, Read};

fn events(xml: &str) -> Result<Vec<Event>, XmlError> {
    let mut reader = Reader::new(xml.as_bytes());
    let mut events = Vec::new();
    loop {
        match reader.next()? {
            Event::Eof => return Ok(events),
            event => events.push(event),
        }
    }
}

fn small() -> Limits {
    Limits { depth: 3, attributes: 2, markup_bytes: 100, document_bytes: 1000 }
}

fn read_with(limits: Limits, xml: &str) -> Result<(), XmlError> {
    let mut reader = Reader::with_limits(xml.as_bytes(), limits);
    while reader.next()? != Event::Eof {}
    Ok(())
}

#[test]
fn every_bound_holds_and_what_lies_just_within_is_read() {
    let long = |count: usize| "x".repeat(count);
    for (within, beyond, what) in [
        ("<a><b><c/></b></a>".into(), "<a><b><c><d/></c></b></a>".to_owned(), "depth"),
        ("<a b='' xmlns:c='urn:c'/>".into(), "<a b='' c='' xmlns:c='urn:c'/>".into(), "attributes"),
        (format!("<a b='{}'/>", long(91)), format!("<a b='{}'/>", long(92)), "markup"),
        (format!("<a><!--{}--></a>", long(93)), format!("<a><!--{}--></a>", long(94)), "markup"),
        (format!("<a><?b {}?></a>", long(94)), format!("<a><?b {}?></a>", long(95)), "markup"),
        (format!("<a>{}</a>", long(993)), format!("<a>{}</a>", long(994)), "document"),
    ] {
        read_with(small(), &within).unwrap_or_else(|error| panic!("{what}: {error}"));
        let refused = read_with(small(), &beyond);
        assert!(
            matches!(refused, Err(XmlError::Limit { what: said, .. }) if said.contains(what)),
            "{what}: {refused:?}"
        );
    }
}

#[test]
fn a_long_text_comes_in_bounded_pieces_and_whole() {
    let euro = "€".repeat(100_000);
    for xml in [
        format!("<a>{euro}</a>"),
        format!("<a><![CDATA[{euro}]]></a>"),
        format!("<a>{}</a>", "&#x20AC;".repeat(100_000)),
    ] {
        let mut text = String::new();
        let mut pieces = 0;
        for event in events(&xml).unwrap() {
            if let Event::Text(piece) = event {
                assert!(piece.len() <= limits::XML_TEXT_CHUNK_BYTES);
                text.push_str(&piece);
                pieces += 1;
            }
        }
        assert!(text == euro && (5..=6).contains(&pieces), "{pieces}");
    }
}

/// Gives text without an end, as a peer that tries to fill the memory would.
struct Endless(&'static [u8]);
impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let [first, rest @ ..] = self.0 {
            buffer[0] = *first;
            self.0 = rest;
            return Ok(1);
        }
        buffer.fill(b'a');
        Ok(buffer.len())
    }
}

#[test]
fn a_tag_or_comment_without_end_stops_at_its_bound() {
    for start in ["<a b='", "<", "<a><!--", "<?x ", "</"] {
        let mut reader = Reader::new(Endless(start.as_bytes()));
        let refused = loop {
            match reader.next() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, XmlError::Limit { what, .. } if what.contains("markup")), "{start}: {refused}");
    }
    let mut reader = Reader::new(Endless(b"<a>&"));
    reader.next().unwrap();
    assert!(matches!(reader.next(), Err(XmlError::Malformed { .. })));
}

#[test]
fn a_document_is_refused_for_the_first_thing_that_is_wrong() {
    let mut reader = Reader::new(&b"<a><b/>&nothing;\xFF"[..]);
    assert!(matches!(reader.next(), Ok(Event::Start(_))));
    assert!(matches!(reader.next(), Ok(Event::Start(_))));
    assert_eq!(reader.next().unwrap(), Event::End);
    let refused = reader.next();
    assert!(matches!(refused, Err(XmlError::Malformed { at: 7, ref what }) if what.contains("nothing")), "{refused:?}");
    let mut reader = Reader::new(&b"<a>x\xFF</a>"[..]);
    reader.next().unwrap();
    assert!(matches!(reader.next(), Err(XmlError::Malformed { at: 4, .. })));
}

#[test]
fn a_failing_source_is_an_io_error_and_not_bad_xml() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    for start in ["", "<a>", "<a b='", "<a>x"] {
        let mut reader = Reader::new(start.as_bytes().chain(Failing));
        let error = loop {
            match reader.next() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, XmlError::Io(_)), "{start}: {error}");
    }
}

#[test]
fn text_and_skip_end_with_the_element_they_began_with() {
    let mut reader = Reader::new(&b"<a><b>x<!-- c -->y<![CDATA[z]]></b><c><d/>t</c><e/>u</a>"[..]);
    let mut next = || reader.next().unwrap();
    assert!(matches!((next(), next()), (Event::Start(_), Event::Start(_))));
    assert_eq!(reader.text(3).unwrap(), "xyz");
    reader.next().unwrap();
    reader.skip().unwrap();
    reader.next().unwrap();
    assert_eq!(reader.text(0).unwrap(), "");
    assert_eq!(reader.next().unwrap(), Event::Text("u".into()));
    assert_eq!(reader.depth(), 1);

    let mut reader = Reader::new(&b"<a>1234</a>"[..]);
    reader.next().unwrap();
    assert!(matches!(reader.text(3), Err(XmlError::Limit { limit: 3, .. })));
    let mut reader = Reader::new(&b"<a>1<b/></a>"[..]);
    reader.next().unwrap();
    assert!(matches!(reader.text(9), Err(XmlError::Malformed { .. })));
}

#[test]
fn the_bindings_in_scope_are_the_innermost_and_end_with_their_element() {
    let mut reader = Reader::new(&b"<a xmlns='urn:d' xmlns:p='urn:p'><b xmlns='' xmlns:p='urn:q'/></a>"[..]);
    let pairs = |list: &[(&str, &str)]| list.iter().map(|(p, u)| ((*p).into(), (*u).into())).collect::<Vec<_>>();
    let Event::Start(root) = reader.next().unwrap() else { panic!() };
    assert_eq!(root.ns, "urn:d");
    assert_eq!(reader.in_scope(), pairs(&[("", "urn:d"), ("p", "urn:p")]));
    let Event::Start(child) = reader.next().unwrap() else { panic!() };
    assert_eq!(
        child,
        Start { local: "b".into(), declarations: pairs(&[("", ""), ("p", "urn:q")]), ..Start::default() }
    );
    assert_eq!(reader.in_scope(), pairs(&[("p", "urn:q")]));
    reader.next().unwrap();
    assert_eq!(reader.in_scope(), pairs(&[("", "urn:d"), ("p", "urn:p")]));
}

#[test]
fn a_tree_finds_children_texts_and_places() {
    let tree = Tree::parse(b"<?p?><a><b>1<!-- c -->2</b><c><b/></c> <b x='y'>3</b></a>").unwrap();
    let root = tree.root();
    assert_eq!(root.text(), "12 3");
    assert!(!root.has_own_text() && root.child("", "b").unwrap().has_own_text());
    let children: Vec<&str> = root.children().map(|node| node.local()).collect();
    assert_eq!(children, ["b", "c", "b"]);
    let paths: Vec<String> = root.descendants().map(|node| node.path()).collect();
    assert_eq!(paths, ["/a", "/a/b[1]", "/a/c", "/a/c/b", "/a/b[2]"]);
    let last = root.all("", "b").last().unwrap();
    assert_eq!((last.attribute("", "x"), last.parent().map(|node| node.id)), (Some("y"), Some(root.id)));
}

#[test]
fn an_id_is_found_once_or_not_at_all() {
    let wsu = sluss::xml::ns::WSU;
    let xml = format!(
        "<a xmlns:w='{wsu}' w:Id='r'><b Id='one'/><c w:Id='two'/><d Id='two'/><e Id='x' w:Id='y'/><f Id='z' w:Id='z' id='q'/></a>"
    );
    let tree = Tree::parse(xml.as_bytes()).unwrap();
    for (id, local) in [("r", "a"), ("one", "b")] {
        assert_eq!(tree.by_id(id).unwrap().local(), local);
    }
    // Two ids on one element are two, also where they are alike.
    for id in ["two", "x", "y", "z"] {
        assert!(matches!(tree.by_id(id), Err(DsigError::AmbiguousId { .. })), "{id}");
    }
    for id in ["q", "", "ONE"] {
        assert!(matches!(tree.by_id(id), Err(DsigError::Missing { .. })), "{id}");
    }
}

#[test]
fn a_tree_of_too_many_nodes_is_refused() {
    let xml = format!("<a>{}</a>", "<b/>".repeat(limits::XML_TREE_NODES_MAX));
    assert!(matches!(Tree::parse(xml.as_bytes()), Err(XmlError::Limit { .. })));
}

/// The time to read must grow with the document, not with its square.
#[test]
fn many_declarations_doubled_ids_and_brackets_are_read_in_linear_time() {
    let declarations: String = (0..200).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
    let nested =
        format!("{}{}{}", format!("<a{declarations}>").repeat(60), "<p7:b p9:c=''/>".repeat(20_000), "</a>".repeat(60));
    let doubled: String = (0..60_000).map(|n| format!("<b Id='i{}'/>", n / 2)).collect();
    for xml in [nested, format!("<a>{doubled}</a>"), format!("<a>{}</a>", "]] ".repeat(300_000))] {
        Tree::parse(xml.as_bytes()).unwrap();
    }
}
