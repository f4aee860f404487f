//! PEM texts: sections between BEGIN and END lines, whatever stands around them (RFC 7468, 2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One section.
pub(crate) struct Section {
    /// `CERTIFICATE`, `PRIVATE KEY`, ...
    pub(crate) label: String,
    /// Its content; nothing when that is no Base64, as in keys encrypted the old way.
    pub(crate) content: Option<Zeroizing<Vec<u8>>>,
}

/// The sections of a text, in its order.
pub(crate) fn sections(text: &[u8]) -> Vec<Section> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let mut base64 = Zeroizing::new(String::new());
        for line in lines.by_ref().take_while(|line| !line.starts_with("-----END ")) {
            base64.extend(line.split_ascii_whitespace());
        }
        found.push(Section {
            label: label.to_owned(),
            content: STANDARD.decode(base64.as_str()).ok().map(Zeroizing::new),
        });
    }
    found
}

/// Whether the bytes are a PEM text rather than DER.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"-----BEGIN ").is_some()
}

/// A section as text, lines of 64 characters.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
