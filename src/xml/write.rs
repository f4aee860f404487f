//! Writing XML by hand, safely: escaping of text and attribute values, and a writer that uses them.

use std::borrow::Cow;

/// Whether all characters may stand in a document (XML 1.0, 2.2); the others cannot be escaped either.
#[must_use]
pub fn is_writable(value: &str) -> bool {
    super::names::forbidden_char(value).is_none()
}

/// Escapes text as Canonical XML does, so that what is written is already canonical.
#[must_use]
pub fn text(value: &str) -> String {
    escaped(value, text_entity).into_owned()
}

/// Escapes an attribute value as Canonical XML does.
#[must_use]
pub fn attribute(value: &str) -> String {
    escaped(value, attribute_entity).into_owned()
}

/// The reference that stands for a byte of text (Canonical XML 1.0, 2.3, text nodes).
pub(super) fn text_entity(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    }
}

/// The reference that stands for a byte of an attribute value (Canonical XML 1.0, 2.3, attribute nodes).
pub(super) fn attribute_entity(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    }
}

/// `value` with the bytes replaced that `entity` has a reference for. All of them are ASCII, so no
/// character is cut.
pub(super) fn escaped(value: &str, entity: impl Fn(u8) -> Option<&'static str>) -> Cow<'_, str> {
    let Some(first) = value.bytes().position(|byte| entity(byte).is_some()) else {
        return Cow::Borrowed(value);
    };
    let mut out = String::with_capacity(value.len() + 16);
    let mut from = 0;
    for (at, byte) in value.bytes().enumerate().skip(first) {
        if let Some(reference) = entity(byte) {
            out.push_str(&value[from..at]);
            out.push_str(reference);
            from = at + 1;
        }
    }
    out.push_str(&value[from..]);
    Cow::Owned(out)
}

/// Builds a document or a fragment. Everything given as text or value is escaped; names are the
/// caller's own. Empty elements are written as start and end tag, so a fragment whose attributes are
/// given in canonical order is its own canonical form.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
    open: Vec<String>,
}

impl Writer {
    /// Starts a fragment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a document with an XML declaration.
    #[must_use]
    pub fn document() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), open: Vec::new() }
    }

    /// Opens an element. Declarations are given as attributes named `xmlns` and `xmlns:p`.
    pub fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.out.push_str(&escaped(value, attribute_entity));
            self.out.push('"');
        }
        self.out.push('>');
        self.open.push(name.to_owned());
        self
    }

    /// Adds text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.out.push_str(&escaped(value, text_entity));
        self
    }

    /// Closes the element opened last; without one, nothing happens.
    pub fn end(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
        self
    }

    /// An element with nothing but text in it.
    pub fn element(&mut self, name: &str, attributes: &[(&str, &str)], value: &str) -> &mut Self {
        self.start(name, attributes).text(value).end()
    }

    /// Adds markup as it is. Only for what this program made or verified itself.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// What has been written until now, for callers that stream the rest.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.out
    }

    /// Closes what is open and gives the text.
    #[must_use]
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_are_escaped_as_canonical_xml_prescribes() {
        assert_eq!(text("a<b>&\"'\r\n\t"), "a&lt;b&gt;&amp;\"'&#xD;\n\t");
        assert_eq!(attribute("a<b>&\"'\r\n\tå"), "a&lt;b>&amp;&quot;'&#xD;&#xA;&#x9;å");
    }

    #[test]
    fn the_writer_closes_what_it_opened_and_escapes_what_it_is_given() {
        let mut writer = Writer::new();
        writer.start("a", &[("xmlns", "urn:x"), ("b", "\"<")]).element("c", &[], "&").start("d", &[]);
        assert_eq!(writer.finish(), "<a xmlns=\"urn:x\" b=\"&quot;&lt;\"><c>&amp;</c><d></d></a>");
    }
}
