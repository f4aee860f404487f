//! One start tag: its attributes as Namespaces in XML 1.0 understands them.

use super::names;
use super::ns;
use super::scope::Scope;
use super::{Attribute, Start};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;

/// The namespace of `xmlns` itself.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Why a tag was refused: what was found, or a bound passed.
pub(super) enum TagFault {
    /// Not well-formed.
    Malformed(String),
    /// More attributes and declarations than allowed.
    TooMany,
}

impl From<String> for TagFault {
    fn from(what: String) -> Self {
        Self::Malformed(what)
    }
}

/// Reads a start tag and enters it into `scope`.
pub(super) fn start(name: &str, attributes: &str, most: usize, scope: &mut Scope) -> Result<Start, TagFault> {
    let mut declarations: Vec<(SmolStr, SmolStr)> = Vec::new();
    let mut plain = Vec::new();
    let mut rest = attributes;
    let mut seen = Seen::default();
    while let Some((qname, raw, after)) = next_attribute(rest)? {
        rest = after;
        if !seen.insert(qname) {
            return Err(format!("attribute {qname} twice in one tag").into());
        }
        if seen.len() > most {
            return Err(TagFault::TooMany);
        }
        let (prefix, local) = names::split(qname).ok_or_else(|| format!("{qname:?} is no name of an attribute"))?;
        match (prefix, local) {
            ("", "xmlns") => declarations.push((SmolStr::default(), normalized(raw)?.into())),
            ("xmlns", declared) => declarations.push((declared.into(), normalized(raw)?.into())),
            _ => plain.push((prefix, local, normalized(raw)?)),
        }
    }
    for (prefix, uri) in &declarations {
        check_declaration(prefix, uri)?;
    }
    // `xml` is bound everywhere already, and no canonical form shows its declaration.
    declarations.retain(|(prefix, _)| prefix != "xml");
    let (prefix, local) = names::split(name).ok_or_else(|| format!("{name:?} is no name of an element"))?;
    if prefix == "xmlns" {
        return Err(String::from("an element with the prefix xmlns").into());
    }
    scope.open(&declarations);
    Ok(Start {
        prefix: prefix.into(),
        local: local.into(),
        ns: namespace(scope, prefix)?,
        attributes: resolved(plain, scope)?,
        declarations,
    })
}

/// What was there already. Most tags have few attributes, which cost less to compare than to hash.
struct Seen<T> {
    few: [T; FEW],
    count: usize,
    many: HashSet<T>,
}

const FEW: usize = 8;

impl<T: Copy + Default> Default for Seen<T> {
    fn default() -> Self {
        Self { few: [T::default(); FEW], count: 0, many: HashSet::default() }
    }
}

impl<T: Copy + Eq + Hash> Seen<T> {
    fn len(&self) -> usize {
        self.count + self.many.len()
    }

    /// Whether it is new.
    fn insert(&mut self, value: T) -> bool {
        if self.few[..self.count].contains(&value) {
            return false;
        }
        if let Some(free) = self.few.get_mut(self.count) {
            *free = value;
            self.count += 1;
            return true;
        }
        self.many.insert(value)
    }
}

/// Gives each attribute its namespace and looks for two of the same name (Namespaces in XML, 6.3).
fn resolved(plain: Vec<(&str, &str, Cow<'_, str>)>, scope: &Scope) -> Result<Vec<Attribute>, String> {
    let mut attributes = Vec::with_capacity(plain.len());
    for (prefix, local, value) in plain {
        // A default namespace does not apply to attributes.
        let ns = if prefix.is_empty() { SmolStr::default() } else { namespace(scope, prefix)? };
        attributes.push(Attribute { prefix: prefix.into(), local: local.into(), ns, value: value.into_owned() });
    }
    let mut seen = Seen::default();
    for attribute in &attributes {
        if !seen.insert((attribute.local.as_str(), attribute.ns.as_str())) {
            return Err(format!("attribute {} of namespace {:?} twice in one tag", attribute.local, attribute.ns));
        }
    }
    Ok(attributes)
}

fn namespace(scope: &Scope, prefix: &str) -> Result<SmolStr, String> {
    scope.lookup(prefix).ok_or_else(|| format!("the prefix {prefix} is not declared"))
}

/// The reserved prefixes and namespaces, and no prefix without a namespace (Namespaces in XML 1.0, 3 and 5).
fn check_declaration(prefix: &str, uri: &str) -> Result<(), String> {
    let fault = match prefix {
        "xmlns" => Some("a declaration of the prefix xmlns"),
        "xml" if uri != ns::XML => Some("the prefix xml bound to another namespace"),
        "xml" => None,
        _ if uri == ns::XML => Some("another prefix bound to the namespace of xml"),
        _ if uri == XMLNS => Some("a prefix bound to the namespace of xmlns"),
        _ if uri.is_empty() && !prefix.is_empty() => Some("a prefix declared with an empty namespace"),
        _ => None,
    };
    fault.map_or(Ok(()), |what| Err(what.to_owned()))
}

/// The next attribute of a tag: its name, its value between the quotes, and the rest.
fn next_attribute(tag: &str) -> Result<Option<(&str, &str, &str)>, String> {
    let start = tag.trim_start_matches(names::is_space);
    if start.is_empty() {
        return Ok(None);
    }
    if start.len() == tag.len() {
        return Err(String::from("no white space before an attribute"));
    }
    let end = start.bytes().position(|b| matches!(b, b'=' | b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(start.len());
    let (name, rest) = start.split_at(end);
    let value = rest.trim_start_matches(names::is_space).strip_prefix('=');
    let value = value.ok_or_else(|| format!("attribute {name:?} without a value"))?;
    let value = value.trim_start_matches(names::is_space);
    let quote = value.bytes().next().filter(|b| matches!(b, b'"' | b'\''));
    let quote = quote.ok_or_else(|| format!("the value of attribute {name:?} without quotes"))?;
    let value = &value[1..];
    let end = memchr::memchr(quote, value.as_bytes());
    let end = end.ok_or_else(|| format!("the value of attribute {name:?} has no end"))?;
    Ok(Some((name, &value[..end], &value[end + 1..])))
}

/// An attribute value with references resolved and white space made spaces (XML 1.0, 3.3.3, CDATA).
fn normalized(raw: &str) -> Result<Cow<'_, str>, String> {
    let special = |text: &str| text.bytes().position(|b| matches!(b, b'&' | b'<' | b'\t' | b'\n'));
    if special(raw).is_none() {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = special(rest) {
        value.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'<' => return Err(String::from("< in an attribute value")),
            b'&' => {
                let (reference, after) = rest[at + 1..].split_once(';').ok_or("& without ; in an attribute value")?;
                let c = names::resolve(reference).ok_or_else(|| undeclared(reference))?;
                value.push(c);
                rest = after;
            }
            _ => {
                value.push(' ');
                rest = &rest[at + 1..];
            }
        }
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// What is said of a reference that is neither an entity of XML nor a character.
pub(super) fn undeclared(reference: &str) -> String {
    let shown: String = reference.chars().take(32).collect();
    format!("the reference {shown:?}, which is neither a character nor one of amp, lt, gt, quot, apos")
}
