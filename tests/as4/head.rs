//! The HTTP headers of a request, which say how its body is read.

use super::exchange::Pair;
use super::{accepted, question, refused};
use sluss::as4::Compression;
use sluss::inspect::as4::{Report, open};

/// The verdict on a good message that came under these headers besides its Content-Type.
fn opened(before: &str, after: &str) -> Report {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, b"<message/>")]);
    let mut asked = question(&pair.at.to_string(), &["unknown-revocation"]);
    asked.keys = vec![pair.south.clone()];
    asked.trust = vec![pair.anchor.clone()];
    let headers = format!("POST /as4 HTTP/1.1\r\n{before}Content-Type: {}\r\n{after}", wire.content_type);
    open(&headers, wire.body().as_slice(), &asked)
}

#[test]
fn a_body_is_read_under_one_content_type_and_unencoded() {
    accepted("one", &opened("X: y\r\n", "Content-Encoding: identity\r\n"));
    for (name, before, after, found) in [
        (
            "before",
            "Content-Type: application/soap+xml\r\n",
            "",
            "found 2 headers Content-Type: application/soap+xml and",
        ),
        ("after", "", "content-type: text/xml\r\n", " and text/xml, expected one; the sender, or a proxy between"),
        ("gzip", "", "Content-Encoding: gzip\r\n", "found the header Content-Encoding: gzip, expected a body without"),
    ] {
        refused(name, &opened(before, after), "EBMS:0007", found);
    }
}
