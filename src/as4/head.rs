//! What the HTTP headers of a request say of its body.

use super::cause::RefusalCause;
use super::error::{Finding, Refusal};

/// The headers that decide how a body is read, as they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// Content-Type, each that is there.
    pub content_types: Vec<String>,
    /// Content-Encoding, each that is there.
    pub content_encodings: Vec<String>,
}

impl Head {
    /// The one Content-Type of a body that stands there as it is; empty where none is said.
    ///
    /// # Errors
    ///
    /// [`Refusal::Mime`] for several types, of which programs take different ones, and for an encoded body.
    pub fn content_type(&self) -> Result<&str, Refusal> {
        let refused = |found: String, expected| {
            Err(Refusal::Mime(Finding::new(found, expected).rule("AS4-2.2.t02").cause(RefusalCause::Http)))
        };
        let encoding = self.content_encodings.iter().find(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"));
        if let Some(encoding) = encoding {
            return refused(format!("the header Content-Encoding: {encoding}"), "a body without Content-Encoding");
        }
        match self.content_types.as_slice() {
            [] => Ok(""),
            [one] => Ok(one),
            several => refused(format!("{} headers Content-Type: {}", several.len(), several.join(" and ")), "one"),
        }
    }

    /// The header lines, for a record.
    pub fn lines(&self) -> String {
        let named = |name: &'static str, values: &[String]| {
            let line = |value: &String| format!("{name}: {}\n", value.replace(char::is_control, ""));
            values.iter().map(line).collect::<String>()
        };
        named("Content-Type", &self.content_types) + &named("Content-Encoding", &self.content_encodings)
    }
}
