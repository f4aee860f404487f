//! Headers of less than two megabytes that are built to keep a careless reader busy, before anything is known of their sender.

use super::exchange::Pair;
use sluss::as4::{self, Compression};
use sluss::xml::algorithm::Allowed;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Longest time of a verdict, in an unoptimised build on a busy machine.
const VERDICT_MAX: Duration = Duration::from_secs(4);

/// A SOAP envelope with `header` before eb:Messaging and `parts` in its PayloadInfo.
fn envelope(header: &str, parts: &str) -> String {
    format!(
        "<S:Envelope xmlns:S=\"http://www.w3.org/2003/05/soap-envelope\"><S:Header>{header}\
         <eb:Messaging xmlns:eb=\"http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/\"><eb:UserMessage>\
         <eb:MessageInfo><eb:Timestamp>2026-11-23T12:00:00Z</eb:Timestamp><eb:MessageId>a@b</eb:MessageId></eb:MessageInfo>\
         <eb:PartyInfo><eb:From><eb:PartyId>A</eb:PartyId><eb:Role>r</eb:Role></eb:From><eb:To><eb:PartyId>B</eb:PartyId><eb:Role>r</eb:Role></eb:To></eb:PartyInfo>\
         <eb:CollaborationInfo><eb:Service>s</eb:Service><eb:Action>a</eb:Action><eb:ConversationId>c</eb:ConversationId></eb:CollaborationInfo>\
         <eb:PayloadInfo>{parts}</eb:PayloadInfo></eb:UserMessage></eb:Messaging></S:Header><S:Body/></S:Envelope>"
    )
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        let _ = write!(all, "{}", one(n));
        all
    })
}

#[test]
fn headers_that_are_built_to_be_slow_get_their_verdict_in_time() {
    let properties = many(40_000, |n| format!("<eb:Property name=\"a{n:05}\">x</eb:Property>"));
    let declared = |depth: usize| {
        let open =
            many(depth, |d| format!("<w:a xmlns:w=\"urn:w\"{}>", many(250, |n| format!(" xmlns:n{d}x{n}=\"u\""))));
        (open, many(depth, |_| "</w:a>".into()))
    };
    let (open, close) = declared(90);
    let shapes = [
        (
            "part properties",
            envelope(
                "",
                &format!(
                    "<eb:PartInfo href=\"cid:a\"><eb:PartProperties>{properties}</eb:PartProperties></eb:PartInfo>"
                ),
            ),
        ),
        ("parts", envelope("", &many(60_000, |n| format!("<eb:PartInfo href=\"cid:{n}\"/>")))),
        (
            "elements below many declarations",
            envelope(&format!("{open}{}{close}", many(150_000, |_| "<w:b/>".into())), ""),
        ),
        (
            "an outer prefix below many declarations",
            envelope(&format!("<o:o xmlns:o=\"o\">{open}{}{close}</o:o>", many(150_000, |_| "<o:b/>".into())), ""),
        ),
        (
            "attributes with prefixes",
            envelope(
                &format!(
                    "<o:o xmlns:o=\"o\">{open}{}{close}</o:o>",
                    many(600, |_| format!("<o:b{}/>", many(200, |n| format!(" o:a{n}=\"\""))))
                ),
                "",
            ),
        ),
        ("siblings with ids", envelope(&many(60_000, |n| format!("<w Id=\"a{n}\"/>")), "")),
        ("comments", envelope(&many(150_000, |_| "<!---->".into()), "")),
        ("references", envelope(&format!("<w>{}</w>", "&amp;".repeat(350_000)), "")),
    ];
    for (name, soap) in shapes {
        assert!(soap.len() < 2 * 1024 * 1024, "{name}: {}", soap.len());
        let begin = Instant::now();
        let read = as4::read("application/soap+xml", soap.as_bytes());
        let (taken, said) = (begin.elapsed(), read.err().map(|refusal| refusal.to_string()).unwrap_or_default());
        println!("{name}: {} bytes, {taken:?}: {}", soap.len(), said.chars().take(160).collect::<String>());
        assert!(taken < VERDICT_MAX, "{name}: {taken:?}");
    }
}

/// Whoever signs with a key of their own gets as far as the canonical form of SignedInfo.
#[test]
fn signatures_that_are_built_to_be_slow_get_their_verdict_in_time() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, b"<m/>")]);
    let method = "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">";
    let prefixes = many(140_000, |n| format!("p{n} "));
    let reference = |n: usize| {
        format!(
            "<ds:Reference URI=\"#r{n}\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
             <ds:DigestValue>AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</ds:DigestValue></ds:Reference>"
        )
    };
    let soap = wire.soap.replace(
        method,
        &format!("{method}<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{prefixes}\"/>"),
    );
    let soap = soap.replacen("<ds:Reference ", &format!("{}<ds:Reference ", many(50, reference)), 1);
    let begin = Instant::now();
    let refused = pair.open("application/soap+xml", soap.as_bytes(), &Allowed::new()).err().unwrap();
    println!("prefixes: {} bytes, {:?}: {}", soap.len(), begin.elapsed(), refused);
    assert!(begin.elapsed() < VERDICT_MAX, "{:?}", begin.elapsed());
}
