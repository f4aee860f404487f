//! The simple types of XML Schema 1.0 that the schemas in use name, checked as their text goes by.

/// A simple type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// Any text: `string`, `normalizedString`, `anyURI`.
    Text,
    /// A text of at most so many characters (code points).
    TextMax(usize),
    /// `boolean`.
    Boolean,
    /// `dateTime`; the zone is optional.
    DateTime,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `base64Binary`.
    Base64,
    /// `integer`.
    Integer,
    /// `language`.
    Language,
    /// `ID`: an NCName that no other element has.
    Id,
}

/// Longest lexical form that is looked at, in bytes; a longer date or number is refused.
const LEXICAL_BYTES_MAX: usize = 4096;

/// Whether a character is white space of XML.
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether a text is empty or nothing but white space of XML.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// A value that is being read, in memory that does not grow with it.
#[derive(Debug)]
pub(super) struct Reading {
    kind: Value,
    text: String,
    chars: usize,
    overlong: bool,
    base64: Base64,
}

impl Reading {
    pub(super) fn new(kind: Value) -> Self {
        Self { kind, text: String::new(), chars: 0, overlong: false, base64: Base64::default() }
    }

    pub(super) fn push(&mut self, piece: &str) {
        match self.kind {
            Value::Text => {}
            Value::TextMax(_) => self.chars += piece.chars().count(),
            Value::Base64 => self.base64.push(piece),
            _ => {
                let piece = if self.text.is_empty() { piece.trim_start_matches(is_space) } else { piece };
                if self.text.len() + piece.len() > LEXICAL_BYTES_MAX {
                    self.overlong = true;
                } else {
                    self.text.push_str(piece);
                }
            }
        }
    }

    /// The fault, as what was found and what was expected.
    pub(super) fn fault(&self) -> Option<(String, String)> {
        match self.kind {
            Value::TextMax(most) if self.chars > most => {
                Some((format!("{} characters", self.chars), format!("at most {most} characters")))
            }
            Value::Base64 if !self.base64.is_complete() => Some(("other text".into(), "Base64".into())),
            Value::Text | Value::TextMax(_) | Value::Base64 => None,
            _ if self.overlong => Some((format!("more than {LEXICAL_BYTES_MAX} bytes"), self.kind.name().into())),
            kind => {
                let text = self.text.trim_matches(is_space);
                (!kind.takes(text)).then(|| (clip(text), kind.name().into()))
            }
        }
    }

    /// The collapsed text, for the types that keep it.
    pub(super) fn text(&self) -> &str {
        self.text.trim_matches(is_space)
    }
}

/// The first characters of a text, for findings.
pub fn clip(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl Value {
    /// The name in XML Schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text | Self::TextMax(_) => "string",
            Self::Boolean => "boolean",
            Self::DateTime => "dateTime",
            Self::Date => "date",
            Self::Time => "time",
            Self::Base64 => "base64Binary",
            Self::Integer => "integer",
            Self::Language => "language",
            Self::Id => "ID",
        }
    }

    /// The type that an `xsi:type` of XML Schema's namespace names.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "string" | "normalizedString" | "token" | "anyURI" => Self::Text,
            "boolean" => Self::Boolean,
            "dateTime" => Self::DateTime,
            "date" => Self::Date,
            "time" => Self::Time,
            "base64Binary" => Self::Base64,
            "integer" => Self::Integer,
            "language" => Self::Language,
            _ => return None,
        })
    }

    /// Whether a collapsed text is of this type.
    pub fn takes(self, text: &str) -> bool {
        match self {
            Self::Text => true,
            Self::TextMax(most) => text.chars().count() <= most,
            Self::Boolean => matches!(text, "true" | "false" | "1" | "0"),
            Self::DateTime => is_date_time(text),
            Self::Date => date(text).is_some_and(is_zone),
            Self::Time => time(text).is_some_and(|(rest, _)| is_zone(rest)),
            Self::Base64 => {
                let mut reading = Base64::default();
                reading.push(text);
                reading.is_complete()
            }
            Self::Integer => {
                let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            }
            Self::Language => is_language(text),
            Self::Id => is_nc_name(text),
        }
    }
}

fn is_language(text: &str) -> bool {
    text.split('-').enumerate().all(|(n, part)| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic() || n > 0 && b.is_ascii_digit())
    })
}

fn is_nc_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c.is_alphanumeric() || "-._\u{b7}".contains(c))
}

fn is_date_time(text: &str) -> bool {
    date(text).and_then(|rest| rest.strip_prefix('T')).and_then(time).is_some_and(|(rest, _)| is_zone(rest))
}

/// Reads `-?YYYY-MM-DD` and gives the rest. The year 0000 is none (XML Schema 1.0).
fn date(text: &str) -> Option<&str> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let end = text.find('-')?;
    let (year, rest) = text.split_at(end);
    let sound =
        year.bytes().all(|b| b.is_ascii_digit()) && (year.len() == 4 || year.len() > 4 && !year.starts_with('0'));
    if !sound || year.bytes().all(|b| b == b'0') {
        return None;
    }
    let (month, rest) = two(rest.strip_prefix('-')?)?;
    let (day, rest) = two(rest.strip_prefix('-')?)?;
    // Leap years repeat every 400 years; year -0001 is the leap year before 0001 (libxml2 and Xerces take it as 1 BC).
    let tail: u32 = year[year.len().saturating_sub(4)..].parse().ok()?;
    let leap = tail.is_multiple_of(4) && (!tail.is_multiple_of(100) || century_leap(year)) && !negative
        || negative && tail.is_multiple_of(4);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=days).contains(&day).then_some(rest)
}

/// Whether a year that ends in 00 is a leap year: its hundreds are a multiple of four.
fn century_leap(year: &str) -> bool {
    let hundreds = &year[..year.len() - 2];
    hundreds[hundreds.len().saturating_sub(2)..].parse::<u32>().is_ok_and(|h| h.is_multiple_of(4))
}

/// Reads `hh:mm:ss(.s+)?` and gives the rest.
fn time(text: &str) -> Option<(&str, ())> {
    let (hour, rest) = two(text)?;
    let (minute, rest) = two(rest.strip_prefix(':')?)?;
    let (second, rest) = two(rest.strip_prefix(':')?)?;
    let mut zero = true;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            if end == 0 {
                return None;
            }
            zero = fraction[..end].bytes().all(|b| b == b'0');
            &fraction[end..]
        }
        None => rest,
    };
    let midnight = hour == 24 && minute == 0 && second == 0 && zero;
    (midnight || hour < 24 && minute < 60 && second < 60).then_some((rest, ()))
}

/// Nothing, `Z`, or `±hh:mm` up to 14:00.
fn is_zone(text: &str) -> bool {
    if text.is_empty() || text == "Z" {
        return true;
    }
    let read = || {
        let (hour, rest) = two(text.strip_prefix(['+', '-'])?)?;
        let (minute, rest) = two(rest.strip_prefix(':')?)?;
        Some(rest.is_empty() && minute < 60 && (hour < 14 || hour == 14 && minute == 0))
    };
    read().unwrap_or(false)
}

fn two(text: &str) -> Option<(u32, &str)> {
    let bytes = text.as_bytes();
    let sound = bytes.len() >= 2 && bytes[0].is_ascii_digit() && bytes[1].is_ascii_digit();
    sound.then(|| (u32::from(bytes[0] - b'0') * 10 + u32::from(bytes[1] - b'0'), &text[2..]))
}

/// Base64 as XML Schema has it: groups of four, padding at the end, its unused bits zero.
#[derive(Debug, Default)]
struct Base64 {
    in_group: u8,
    padding: u8,
    last: u8,
    faulty: bool,
}

impl Base64 {
    fn push(&mut self, piece: &str) {
        for b in piece.bytes() {
            let bits = match b {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    self.pad();
                    continue;
                }
                _ => {
                    self.faulty = true;
                    return;
                }
            };
            self.faulty |= self.padding > 0;
            self.last = bits;
            self.in_group = (self.in_group + 1) % 4;
        }
    }

    fn pad(&mut self) {
        let unused_are_zero = match self.in_group + self.padding {
            2 => self.padding > 0 || self.last & 0x0f == 0,
            3 => self.padding > 0 || self.last & 0x03 == 0,
            _ => false,
        };
        self.padding += u8::from(self.padding < 3);
        self.faulty |= !unused_are_zero;
    }

    fn is_complete(&self) -> bool {
        !self.faulty && (self.in_group + self.padding).is_multiple_of(4) && self.padding < 3
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn dates_and_times_are_those_of_xml_schema() {
        for sound in [
            "2022-10-13T18:10:39",
            "2022-10-13T18:10:39.843-14:00",
            "2024-02-29T18:10:39.843Z",
            "2022-10-13T24:00:00.000Z",
            "-0044-03-15T12:00:00.000Z",
            "12022-10-13T18:10:39Z",
            "2000-02-29T00:00:00Z",
        ] {
            assert!(Value::DateTime.takes(sound), "{sound}");
        }
        for faulty in [
            "2022-10-13",
            "2022-10-13T18:10:39.843+14:01",
            "2022-02-30T18:10:39Z",
            "2023-02-29T18:10:39Z",
            "1900-02-29T00:00:00Z",
            "2022-10-13T24:00:01Z",
            "2022-10-13T18:10:60Z",
            "2022-10-13T18:10:39.Z",
            "02022-10-13T18:10:39Z",
            "0000-01-01T00:00:00Z",
            "2022-10-13t18:10:39z",
        ] {
            assert!(!Value::DateTime.takes(faulty), "{faulty}");
        }
        assert!(Value::Date.takes("2021-04-15+01:00") && !Value::Date.takes("2021-04-31"));
        assert!(Value::Time.takes("12:00:00.123456789Z") && !Value::Time.takes("12:00"));
    }

    #[test]
    fn base64_has_whole_groups_and_zero_bits_in_its_padding() {
        for sound in ["", "AAAA", "AA==", "AAA=", " AA AA ", "AAAB\nAAAA", "AA =="] {
            assert!(Value::Base64.takes(sound), "{sound:?}");
        }
        for faulty in ["A", "AA", "AAA", "====", "AA=A", "AB==", "AAB=", "å", "AA=", "AAAA====", "AA==AA=="] {
            assert!(!Value::Base64.takes(faulty), "{faulty:?}");
        }
    }
}
