//! Documents by chance, the same for the same seed: everything that canonical forms have rules for.

/// A small generator of numbers (xorshift), so that a seed gives the same documents everywhere.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        // Seeds that differ in one bit shall not give similar documents.
        let mut chance = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            chance.next();
        }
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Local names of elements; xmlsec must be told each of them.
pub(super) const NAMES: [&str; 6] = ["a", "b", "c", "häll", "Body", "_x-1.y"];
const PREFIXES: [&str; 5] = ["p", "q", "p1", "P", "å"];
// No `&`: libxml2 2.9 leaves it as it is in canonical declarations, where it must be a reference.
const URIS: [&str; 6] = ["urn:a", "urn:b", "http://x/?a=1;b=2", "http://www.ietf.org", "urn:z:%C3%A5", "urn:it&#39;s"];
const TEXTS: [&str; 16] = [
    "text",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "&amp;",
    "&lt;",
    "&gt;",
    "&#13;",
    "&#xD;&#10;",
    "åäö€",
    "𝄞",
    "]]",
    "<![CDATA[<&\r\n]]]>",
    "&quot;'&apos;\"",
];
const VALUES: [&str; 12] =
    ["v", "", " a  b ", "\t\r\n", "&#9;&#10;&#13;", "&lt;>&amp;", "'", "&quot;", "é€𝄞", "a&#x20;b", "]]>", "&#xA0;"];
const BASES: [&str; 6] = ["http://a.example/b/c/", "http://h/d?q", "e/f/", "g", "/k/", "../m/n"];

/// A document with `Id` attributes `i0`, `i1`, … on some elements; how many, comes with it.
/// `bases`: whether `xml:base` occurs.
pub(super) struct Document {
    pub(super) xml: String,
    pub(super) ids: usize,
}

pub(super) fn document(seed: u64, bases: bool, extra: &str) -> Document {
    let mut made = Made { chance: Chance::new(seed), xml: String::new(), ids: 0, bases, extra, depth: 0 };
    if made.chance.one_in(3) {
        made.xml.push_str("<?xml version='1.0' encoding=\"utf-8\" ?>");
    }
    made.beside();
    made.element(&mut vec![]);
    made.beside();
    Document { xml: made.xml, ids: made.ids }
}

struct Made<'a> {
    chance: Chance,
    xml: String,
    ids: usize,
    bases: bool,
    /// Markup put at the end of the document element.
    extra: &'a str,
    depth: usize,
}

impl Made<'_> {
    /// Comments, instructions and white space around the document element.
    fn beside(&mut self) {
        for _ in 0..self.chance.below(4) {
            match self.chance.below(3) {
                0 => self.xml.push_str("\r\n"),
                1 => self.comment(),
                _ => self.instruction(),
            }
        }
    }

    fn comment(&mut self) {
        let text = self.chance.pick(&["", " c ", "<a>&amp;", "- \r\n -x"]);
        self.xml.push_str(&format!("<!--{text}-->"));
    }

    fn instruction(&mut self) {
        let data = self.chance.pick(&["", " ", "  d='1' ", "\r\n<&>?", " \t å"]);
        self.xml.push_str(&format!("<?pi{data}?>"));
    }

    fn space(&mut self) {
        let space = self.chance.pick(&[" ", "\n", "\t", "  ", "\r\n"]);
        self.xml.push_str(space);
    }

    /// `bound`: the prefixes that are declared here.
    fn element(&mut self, bound: &mut Vec<&'static str>) {
        let outer = bound.len();
        let (declared, declarations) = self.declarations();
        bound.extend(&declared);
        let local = self.chance.pick(&NAMES);
        let name = self.name(bound, local);
        self.xml.push_str(&format!("<{name}"));
        let mut attributes = declarations;
        attributes.extend(self.attributes(bound));
        for _ in 0..attributes.len() {
            let at = self.chance.below(attributes.len());
            let (name, value) = attributes.swap_remove(at);
            self.space();
            let quote = if value.contains('"') {
                "'"
            } else if value.contains('\'') {
                "\""
            } else {
                self.chance.pick(&["\"", "'"])
            };
            let equals = self.chance.pick(&["=", " = ", "\n="]);
            self.xml.push_str(&format!("{name}{equals}{quote}{value}{quote}"));
        }
        self.content(bound, &name);
        bound.truncate(outer);
    }

    fn content(&mut self, bound: &mut Vec<&'static str>, name: &str) {
        let is_root = self.depth == 0;
        if !is_root && self.chance.one_in(4) {
            self.xml.push_str(self.chance.pick(&["/>", " />"]));
            return;
        }
        self.xml.push('>');
        self.depth += 1;
        let most = if self.depth > 4 { 2 } else { 5 };
        for _ in 0..self.chance.below(most) + usize::from(is_root) {
            match self.chance.below(8) {
                0 => self.comment(),
                1 => self.instruction(),
                2..=4 => {
                    let text = self.chance.pick(&TEXTS);
                    self.xml.push_str(text);
                }
                _ if self.depth < 8 => self.element(bound),
                _ => {}
            }
        }
        self.depth -= 1;
        if is_root {
            self.xml.push_str(self.extra);
        }
        let space = self.chance.pick(&["", "", " "]);
        self.xml.push_str(&format!("</{name}{space}>"));
    }

    /// Prefixes newly declared, and the declarations as attributes.
    fn declarations(&mut self) -> (Vec<&'static str>, Vec<(String, String)>) {
        let mut declared = Vec::new();
        let mut attributes = Vec::new();
        for prefix in PREFIXES {
            if self.chance.one_in(if self.depth == 0 { 2 } else { 6 }) {
                declared.push(prefix);
                attributes.push((format!("xmlns:{prefix}"), self.chance.pick(&URIS).to_owned()));
            }
        }
        if self.chance.one_in(4) {
            let uri = if self.chance.one_in(3) { "" } else { self.chance.pick(&URIS) };
            attributes.push((String::from("xmlns"), uri.to_owned()));
        }
        if self.chance.one_in(30) {
            attributes.push((String::from("xmlns:xml"), String::from("http://www.w3.org/XML/1998/namespace")));
        }
        (declared, attributes)
    }

    fn name(&mut self, bound: &[&'static str], local: &str) -> String {
        if bound.is_empty() || self.chance.one_in(2) {
            local.to_owned()
        } else {
            format!("{}:{local}", self.chance.pick(bound))
        }
    }

    fn attributes(&mut self, bound: &[&'static str]) -> Vec<(String, String)> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for number in 0..self.chance.below(4) {
            // Two prefixes may stand for one namespace, so each local name occurs once.
            let local = format!("{}{number}", self.chance.pick(&["x", "y", "Z", "ö"]));
            let name = self.name(bound, &local);
            attributes.push((name, self.chance.pick(&VALUES).to_owned()));
        }
        if self.chance.one_in(5) {
            attributes.push((String::from("xml:lang"), self.chance.pick(&["sv", "en", ""]).to_owned()));
        }
        if self.chance.one_in(8) {
            attributes.push((String::from("xml:space"), String::from("preserve")));
        }
        if self.bases && self.chance.one_in(5) {
            attributes.push((String::from("xml:base"), self.chance.pick(&BASES).to_owned()));
        }
        if self.depth > 0 && self.chance.one_in(3) {
            attributes.push((String::from("Id"), format!("i{}", self.ids)));
            self.ids += 1;
        }
        attributes
    }
}
