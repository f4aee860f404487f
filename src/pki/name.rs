//! Distinguished names: as text (RFC 4514), and compared as what they mean.

use crate::crypto::{der, hex};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::x509::X509Name;

/// A distinguished name, in the order of its encoding (country first, as a rule).
#[derive(Clone, Debug)]
pub(super) struct Name(Vec<Vec<Attribute>>);

/// One attribute of a relative distinguished name.
#[derive(Clone, Debug)]
struct Attribute {
    /// Dotted decimal.
    kind: String,
    value: String,
    /// The value's DER; empty when the attribute was read from text.
    der: Vec<u8>,
}

impl Name {
    pub(super) fn new(name: &X509Name<'_>) -> Self {
        let rdns = name.iter_rdn().map(|rdn| {
            let attributes = rdn.iter().map(|attribute| Attribute {
                kind: attribute.attr_type().to_id_string(),
                value: string_of(attribute.attr_value()),
                der: der_of(attribute.attr_value()),
            });
            attributes.collect()
        });
        Self(rdns.collect())
    }

    /// RFC 4514 text for people: types that have a short name by that name, as OpenSSL prints them.
    pub(super) fn to_text(&self) -> String {
        self.join(|attribute| match short_name(&attribute.kind, &KINDS) {
            Some(kind) => format!("{kind}={}", escaped(&attribute.value)),
            None => format!("{}=#{}", attribute.kind, hex(&attribute.der)),
        })
    }

    /// RFC 4514 text for programs: only the nine types of its table 3 by name, others as dotted decimal
    /// with the DER of the value, as Java's `X500Principal` writes them and can read them back.
    pub(super) fn to_strict_text(&self) -> String {
        self.join(|attribute| match short_name(&attribute.kind, &KINDS[..STRICT]) {
            Some(kind) => format!("{kind}={}", escaped(&attribute.value)),
            None => format!("{}=#{}", attribute.kind, hex(&attribute.der)),
        })
    }

    fn join(&self, print: impl Fn(&Attribute) -> String) -> String {
        let rdns = self.0.iter().rev().map(|rdn| rdn.iter().map(&print).collect::<Vec<_>>().join("+"));
        rdns.collect::<Vec<_>>().join(",")
    }

    /// The value of the only common name; nothing when there is none or more than one.
    pub(super) fn common_name(&self) -> Option<&str> {
        let mut names = self.0.iter().flatten().filter(|attribute| attribute.kind == COMMON_NAME);
        names.next().filter(|_| names.next().is_none()).map(|attribute| attribute.value.as_str())
    }

    /// Whether `text`, a name as any software writes it, means this name. Spaces, escapes, quotes, the
    /// case of types and values, names or numbers of types and the direction of writing do not count.
    pub(super) fn means(&self, text: &str) -> bool {
        let Some(other) = parse(text) else {
            return false;
        };
        let own = self.normal();
        let mut other = other.normal();
        other.reverse();
        if own == other {
            return true;
        }
        other.reverse();
        own == other
    }

    fn normal(&self) -> Vec<Vec<(String, String)>> {
        let rdns = self.0.iter().map(|rdn| {
            let mut attributes: Vec<_> = rdn.iter().map(|a| (a.kind.clone(), folded(&a.value))).collect();
            attributes.sort();
            attributes
        });
        rdns.collect()
    }
}

/// Reads the text of a name (RFC 4514, with what RFC 1779 and RFC 2253 allowed: `;`, quotes, `OID.`).
fn parse(text: &str) -> Option<Name> {
    let mut rdns = vec![Vec::new()];
    for (separator, piece) in split(text) {
        if separator != '+' {
            rdns.push(Vec::new());
        }
        let (kind, value) = piece.split_once('=')?;
        rdns.last_mut()?.push(Attribute { kind: kind_of(kind)?, value: value_of(value)?, der: Vec::new() });
    }
    rdns.remove(0);
    Some(Name(rdns))
}

/// The pieces between separators that are neither escaped nor quoted, each with what stands before it.
fn split(text: &str) -> Vec<(char, String)> {
    let mut pieces = vec![(',', String::new())];
    let (mut escaped, mut quoted) = (false, false);
    for character in text.chars() {
        if !escaped && !quoted && matches!(character, ',' | ';' | '+') {
            pieces.push((character, String::new()));
            continue;
        }
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        if let Some((_, piece)) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}

/// Dotted decimal of an attribute type.
fn kind_of(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let text = text.strip_prefix("OID.").unwrap_or(&text);
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return Some(text.to_owned());
    }
    let known = KINDS.iter().chain(&OTHER_KINDS).find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, oid)| (*oid).to_owned())
}

/// The string that a value means: unescaped, unquoted, or taken from its DER.
fn value_of(text: &str) -> Option<String> {
    let text = text.trim_start();
    if let Some(digits) = text.strip_prefix('#') {
        let digits = digits.trim_end();
        let pairs = (0..digits.len()).step_by(2);
        let der: Option<Vec<u8>> = pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect();
        return Any::from_der(&der?).ok().map(|(_, any)| string_of(&any));
    }
    let quoted = text.trim_end().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut bytes = Vec::new();
    let mut rest = quoted.unwrap_or(text).chars();
    while let Some(character) = rest.next() {
        let character = if character == '\\' {
            rest.next()?
        } else {
            bytes.extend(character.to_string().bytes());
            continue;
        };
        let low = rest.clone().next().and_then(|low| low.to_digit(16));
        match (character.to_digit(16), low) {
            (Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest.next();
            }
            _ => bytes.extend(character.to_string().bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The text of an attribute's value, in any of the string types of X.520.
fn string_of(value: &Any<'_>) -> String {
    let units = |width: usize| {
        value.data.chunks(width).map(|unit| unit.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)))
    };
    match value.tag() {
        Tag::BmpString => {
            let units: Vec<u16> = units(2).map(|unit| unit as u16).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::UniversalString => {
            units(4).map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        Tag::T61String => value.data.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value.data).into_owned(),
    }
}

fn der_of(value: &Any<'_>) -> Vec<u8> {
    // Names have universal string types only, whose tags fit one byte.
    der::element(value.tag().0 as u8, &[value.data])
}

/// Escapes as RFC 4514, 2.4 demands, and no more.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, character) in value.chars().enumerate() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', character]),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            '#' if at == 0 => text.push_str("\\#"),
            '\0' => text.push_str("\\00"),
            _ => text.push(character),
        }
    }
    text
}

/// For comparing: case and runs of white space do not count (RFC 5280, 7.1; RFC 4518, 2.6.1).
fn folded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn short_name(oid: &str, kinds: &[(&'static str, &str)]) -> Option<&'static str> {
    kinds.iter().find(|(_, known)| *known == oid).map(|(name, _)| *name)
}

const COMMON_NAME: &str = "2.5.4.3";

/// Attribute types by the names that OpenSSL prints. The first nine are RFC 4514's.
const KINDS: [(&str, &str); 17] = [
    ("CN", COMMON_NAME),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("title", "2.5.4.12"),
    ("GN", "2.5.4.42"),
    ("postalCode", "2.5.4.17"),
    ("businessCategory", "2.5.4.15"),
    ("organizationIdentifier", "2.5.4.97"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
];
const STRICT: usize = 9;

/// Further names that are read.
const OTHER_KINDS: [(&str, &str); 9] = [
    ("S", "2.5.4.8"),
    ("SURNAME", "2.5.4.4"),
    ("GIVENNAME", "2.5.4.42"),
    ("G", "2.5.4.42"),
    ("T", "2.5.4.12"),
    ("E", "1.2.840.113549.1.9.1"),
    ("EMAIL", "1.2.840.113549.1.9.1"),
    ("DNQ", "2.5.4.46"),
    ("DNQUALIFIER", "2.5.4.46"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(attributes: &[(&str, &str)]) -> Name {
        let rdn = |(kind, value): &(&str, &str)| {
            vec![Attribute { kind: kind_of(kind).unwrap(), value: (*value).to_owned(), der: vec![0x0c, 0x01] }]
        };
        Name(attributes.iter().map(rdn).collect())
    }

    #[test]
    fn text_runs_against_the_encoding_and_escapes_what_rfc_4514_names() {
        let name = name(&[("C", "SE"), ("O", " Bolag, \"A\" + B; <C> \\ #"), ("OU", "#1"), ("CN", "a = b ")]);
        let expected = "CN=a = b\\ ,OU=\\#1,O=\\ Bolag\\, \\\"A\\\" \\+ B\\; \\<C\\> \\\\ #,C=SE";
        assert_eq!(name.to_text(), expected);
        assert!(name.means(expected));
    }

    #[test]
    fn a_name_is_recognised_however_it_is_written() {
        let name = name(&[
            ("C", "SE"),
            ("O", "Myndigheten för digital förvaltning"),
            ("2.5.4.97", "202100-6883"),
            ("CN", "A, B"),
        ]);
        let same = [
            "CN=A\\, B,organizationIdentifier=202100-6883,O=Myndigheten för digital förvaltning,C=SE",
            "cn=\"A, B\", OID.2.5.4.97=202100-6883, o=Myndigheten f\\C3\\B6r digital f\\c3\\b6rvaltning, c=se",
            "CN = A\\2C B ; 2.5.4.97=#0c0b3230323130302d36383833 ; O = Myndigheten  för digital förvaltning ; C = SE",
            "C=SE, O=Myndigheten för digital förvaltning, ORGANIZATIONIDENTIFIER=202100-6883, CN=A\\, B",
        ];
        same.iter().for_each(|text| assert!(name.means(text), "{text}"));
        let other = [
            "",
            "CN",
            "CN=A\\, B",
            "CN=A, B,organizationIdentifier=202100-6883,O=Myndigheten för digital förvaltning,C=SE",
            "CN=A\\, C,organizationIdentifier=202100-6883,O=Myndigheten för digital förvaltning,C=SE",
            "CN=A\\, B+organizationIdentifier=202100-6883,O=Myndigheten för digital förvaltning,C=SE",
            "CN=A\\, B,organizationIdentifier=#0c,O=Myndigheten för digital förvaltning,C=SE",
            "CN=A\\",
            "CN=#0",
            "WHO=A",
        ];
        other.iter().for_each(|text| assert!(!name.means(text), "{text}"));
    }

    #[test]
    fn two_common_names_are_no_common_name() {
        assert_eq!(name(&[("C", "SE"), ("CN", "AP1")]).common_name(), Some("AP1"));
        assert_eq!(name(&[("CN", "AP1"), ("CN", "AP2")]).common_name(), None);
        assert_eq!(name(&[("O", "CN=AP1")]).common_name(), None);
    }
}
