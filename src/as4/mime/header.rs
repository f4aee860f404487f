//! The headers of MIME: Content-Type with its parameters, and those of a part.

use super::mime;
use crate::as4::error::Refusal;
use crate::as4::transfer::Encoding;
use percent_encoding::percent_decode_str;

/// A parsed Content-Type: type in lower case, parameters with names in lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::as4) struct ContentType {
    pub(in crate::as4) media: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads `type/subtype; name=value; name="value"`.
    pub(in crate::as4) fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong = || mime(format!("Content-Type {text:?}"), "a media type with parameters name=value");
        let (media, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let mut parsed = Self { media: media.trim().to_ascii_lowercase(), parameters: Vec::new() };
        if !parsed.media.contains('/') {
            return Err(wrong());
        }
        while !rest.trim().is_empty() {
            let (name, after) = rest.split_once('=').ok_or_else(wrong)?;
            let name = name.trim().to_ascii_lowercase();
            let (value, after) = parameter_value(after.trim_start()).ok_or_else(wrong)?;
            if parsed.parameter(&name).is_some() {
                return Err(mime(format!("parameter {name} twice in {text:?}"), "each parameter once"));
            }
            parsed.parameters.push((name, value));
            rest = after;
        }
        Ok(parsed)
    }

    pub(in crate::as4) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A value, quoted or not, and what follows its semicolon.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        let value = value.trim();
        return (!value.is_empty() && !value.contains('"')).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            '"' => {
                let rest = quoted[at + 1..].trim_start();
                return if rest.is_empty() {
                    Some((value, ""))
                } else {
                    rest.strip_prefix(';').map(|rest| (value, rest))
                };
            }
            c => value.push(c),
        }
    }
    None
}

/// The headers of a part that matter; others (Content-Description, Content-Disposition) are passed over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::as4) struct PartHeaders {
    pub(in crate::as4) content_type: Option<String>,
    /// Content-ID without angle brackets, percent-decoded.
    pub(in crate::as4) content_id: Option<String>,
    pub(in crate::as4) encoding: Encoding,
}

/// A content id without its angle brackets, and without white space around or inside them.
pub(super) fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>').trim()
}

/// The form in which content ids are compared: without `cid:`, percent-decoded, `+` left alone (protocol.md 3.3).
pub(in crate::as4) fn content_id(text: &str) -> String {
    let id = text.strip_prefix("cid:").unwrap_or(text);
    percent_decode_str(id).decode_utf8().map_or_else(|_| id.to_owned(), std::borrow::Cow::into_owned)
}

/// Reads the header lines of a part.
pub(super) fn part_headers(lines: &[String]) -> Result<PartHeaders, Refusal> {
    let mut headers = PartHeaders::default();
    let mut encoding = None;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| mime(format!("header line {line:?}"), "name: value"))?;
        // Programs differ in what they make of others, and in where they end a line.
        if !name.trim().bytes().all(|b| b.is_ascii_graphic()) || value.contains(|c: char| c.is_control() && c != '\t') {
            return Err(mime(format!("header line {line:?}"), "a name of printable ASCII, and no control characters"));
        }
        let value = value.trim().to_owned();
        let slot = match name.trim().to_ascii_lowercase().as_str() {
            "content-type" => &mut headers.content_type,
            "content-id" => &mut headers.content_id,
            "content-transfer-encoding" => &mut encoding,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(mime(format!("header {name} twice in one part"), "each header once"));
        }
    }
    headers.content_id = headers.content_id.map(|id| content_id(bare(&id)));
    headers.encoding = encoding.as_deref().map_or(Ok(Encoding::Identity), Encoding::parse)?;
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::ContentType;

    #[test]
    fn parameters_are_read_quoted_and_unquoted() {
        let kind = ContentType::parse(
            "multipart/related; boundary=\"----=_Part_0_\\\"1\"; Start=<a@b>;type=\"application/soap+xml\"",
        )
        .unwrap();
        assert_eq!(kind.parameter("boundary"), Some("----=_Part_0_\"1"));
        assert_eq!(kind.parameter("start"), Some("<a@b>"));
        assert_eq!(kind.parameter("type"), Some("application/soap+xml"));
    }
}
