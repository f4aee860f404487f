//! Characters and names of XML 1.0 (fifth edition) and Namespaces in XML 1.0.

/// Whether the text has only characters that XML allows (XML 1.0, 2.2); otherwise the offset of the first other one.
pub(super) fn forbidden_char(text: &str) -> Option<usize> {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    // Without an early exit within a block, the compiler compares many bytes at once.
    let block =
        text.as_bytes().chunks(64).position(|block| block.iter().fold(false, |found, byte| found | control(byte)));
    let control_at = block.and_then(|block| Some(block * 64 + text.as_bytes()[block * 64..].iter().position(control)?));
    // U+FFFE and U+FFFF are the only others that a str can hold; both start with EF BF.
    let noncharacter_at = memchr::memchr_iter(0xEF, text.as_bytes())
        .find(|&at| matches!(text.as_bytes()[at..], [0xEF, 0xBF, 0xBE | 0xBF, ..]));
    match (control_at, noncharacter_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether a character may stand in a document (XML 1.0, production 2).
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// White space of XML (production 3).
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether this is a name without a colon (Namespaces in XML, production 4).
pub(super) fn is_ncname(name: &str) -> bool {
    if let [first, rest @ ..] = name.as_bytes()
        && (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    {
        return true;
    }
    let mut chars = name.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

/// Splits a qualified name into prefix ("" for none) and local name; `None` where it is no QName.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    (is_ncname(local) && prefix.is_none_or(is_ncname)).then(|| (prefix.unwrap_or(""), local))
}

/// What a reference between `&` and `;` stands for: one of the five entities or a character.
pub(super) fn resolve(reference: &str) -> Option<char> {
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => character(reference.strip_prefix('#')?),
    }
}

/// A character by its number, `38` or `x26`.
fn character(number: &str) -> Option<char> {
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let only_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let c = only_digits.then(|| u32::from_str_radix(digits, radix).ok()).flatten()?;
    char::from_u32(c).filter(|&c| is_char(c))
}

/// NameStartChar without the colon (production 4).
fn starts_name(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// NameChar without the colon (production 4a).
fn continues_name(c: char) -> bool {
    starts_name(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_the_five_entities_and_characters_of_xml() {
        assert_eq!(resolve("amp"), Some('&'));
        assert_eq!(resolve("#xE5"), Some('å'));
        assert_eq!(resolve("#0000000000000013"), Some('\r'));
        for wrong in ["nbsp", "#", "#x", "#0", "#x1F", "#xD800", "#xFFFE", "#x110000", "#+38", "#X26", "#99999999999"] {
            assert_eq!(resolve(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_those_of_the_fifth_edition() {
        assert_eq!(split("a:b"), Some(("a", "b")));
        assert_eq!(split("öre-1.x"), Some(("", "öre-1.x")));
        for wrong in ["", ":", ":a", "a:", "a:b:c", "1a", "-a", "a b", "a\u{D7}", "a:1"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn control_characters_and_noncharacters_are_found_where_they_are() {
        assert_eq!(forbidden_char("a\t\r\nå\u{FFFD}"), None);
        assert_eq!(forbidden_char("å\u{1}"), Some(2));
        assert_eq!(forbidden_char("a\u{FFFF}\u{0}"), Some(1));
    }
}
