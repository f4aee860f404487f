//! Good messages whose header or security is changed element by element: by somebody on the way, who cannot sign, and by the
//! sender, who can sign anything.

use super::exchange::{NORTH, Pair, Wire};
use super::resign::resigned;
use super::torment::{Chance, by_chance, judged, kept};
use sluss::as4::Compression;
use sluss::crypto::HashFunction;
use sluss::xml::algorithm::Allowed;
use std::cell::Cell;

const MESSAGE: &[u8] = b"<message>1 EUR</message>";
const ATTACHMENT: &[u8] = b"attached";

fn wire(pair: &Pair) -> Wire {
    pair.pack(&[("message", Compression::Deflate, MESSAGE), ("attachment", Compression::Deflate, ATTACHMENT)])
}

#[test]
fn what_the_sender_did_not_sign_never_changes_what_is_read() {
    let pair = Pair::demo();
    let wire = wire(&pair);
    let (original, _) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    let target = |soap: &[u8]| {
        let Some((opened, contents)) = opened(&pair, &wire, soap) else { return false };
        assert_eq!(opened.message, original.message, "another header passed");
        assert_eq!(contents, [MESSAGE, ATTACHMENT], "another content passed");
        true
    };
    run("open-changed", target, |chance| altered(&wire.soap, chance));
}

#[test]
fn whatever_the_sender_signs_is_refused_or_says_one_thing() {
    let pair = Pair::demo();
    let wire = wire(&pair);
    let sign = |octets: &[u8]| pair.north.key.sign(HashFunction::Sha256, octets).unwrap();
    let target = |soap: &[u8]| {
        let Some((opened, contents)) = opened(&pair, &wire, soap) else { return false };
        let message = &opened.message;
        assert_eq!(message.from.id, NORTH, "another sender than the signer");
        for name in ["originalSender", "finalRecipient"] {
            let count = message.properties.iter().filter(|p| p.name.eq_ignore_ascii_case(name)).count();
            assert!(count == 1 || message.is_test(), "{count} times {name}");
        }
        assert_eq!(message.parts.len(), opened.parts.len());
        for (part, content) in message.parts.iter().zip(&contents) {
            let sent = if part.href == "cid:message" { MESSAGE } else { ATTACHMENT };
            assert!(part.compression().is_none() || content == sent, "{} has another content", part.href);
        }
        true
    };
    run("open-resigned", target, |chance| {
        let soap = altered(&wire.soap, chance);
        resigned(&soap, &sign).unwrap_or(soap)
    });
}

/// What was found before, and then what chance makes. Some of that has to be opened: else nothing was reached.
fn run(name: &str, target: impl Fn(&[u8]) -> bool, make: impl Fn(&mut Chance) -> String) {
    let opened = Cell::new(0);
    let count = |soap: &[u8]| opened.set(opened.get() + usize::from(target(soap)));
    for input in kept(name) {
        judged(name, &input, count);
    }
    by_chance(name, |chance, _| judged(name, make(chance).as_bytes(), count));
    println!("{name}: {} opened", opened.get());
    assert!(opened.get() > 0, "{name}: not one of them was opened");
}

fn opened(pair: &Pair, wire: &Wire, soap: &[u8]) -> Option<(sluss::as4::Opened, Vec<Vec<u8>>)> {
    let body = wire.body_with(soap);
    let (opened, mut memory) = pair.open(&wire.content_type, body.as_slice(), &Allowed::new()).ok()?;
    memory.0.sort_by_key(|(index, _)| *index);
    Some((opened, memory.0.into_iter().map(|(_, octets)| octets).collect()))
}

/// One to three changes, each of an element or of what stands in it.
fn altered(soap: &str, chance: &mut Chance) -> String {
    let mut soap = soap.to_owned();
    for _ in 0..=chance.below(3) {
        let elements = elements(&soap);
        if elements.is_empty() {
            break;
        }
        alter(&mut soap, &elements, chance);
    }
    soap
}

fn alter(soap: &mut String, elements: &[Element], chance: &mut Chance) {
    let (one, other) = (chance.pick(elements).clone(), chance.pick(elements).clone());
    let text = |element: &Element| soap[element.from..element.to].to_owned();
    let (this, that) = (text(&one), text(&other));
    match chance.below(10) {
        0 => soap.replace_range(one.from..one.to, ""),
        1 => soap.insert_str(one.from, &that),
        2 => soap.insert_str(one.inner, &that),
        3 => soap.replace_range(one.from..one.to, &that),
        4 => soap.replace_range(one.from..one.to, &format!("<w:w xmlns:w=\"urn:w\">{this}</w:w>")),
        5 => soap.insert_str(one.inner, chance.pick::<&str>(&INSIDE)),
        6 => soap.insert_str(one.name, chance.pick::<&str>(&ATTRIBUTES)),
        7 => {
            // The value of one attribute, or one text, becomes that of another.
            let values = between(soap, '"');
            if values.len() > 1 {
                let (from, to) = (chance.pick(&values).clone(), chance.pick(&values).clone());
                let value = soap[from].to_owned();
                soap.replace_range(to, &value);
            }
        }
        8 => {
            let at = one.inner + chance.below(one.to - one.inner + 1);
            if soap.is_char_boundary(at) {
                soap.insert(at, *chance.pick(&['x', '<', '&', '"', '\u{feff}', ' ', '=']));
            }
        }
        _ => {
            let mut bytes = std::mem::take(soap).into_bytes();
            chance.change(&mut bytes, std::slice::from_ref(&this.into_bytes()));
            *soap = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

/// What stumbling blocks there are inside an element.
const INSIDE: [&str; 8] = ["<!-- c -->", "<![CDATA[x]]>", "<?p i?>", "text", "&#xd;", " ", "<x/>", "&amp;"];
/// And in its start tag.
const ATTRIBUTES: [&str; 8] = [
    " Id=\"a\"",
    " wsu:Id=\"a\"",
    " xml:id=\"a\"",
    " type=\"urn:x\"",
    " xmlns=\"urn:x\"",
    " xmlns:eb=\"urn:x\"",
    " S12:role=\"urn:x\"",
    " URI=\"#a\"",
];

/// Where an element is: its start, the end of its name, the end of its start tag, its end.
#[derive(Clone)]
struct Element {
    from: usize,
    name: usize,
    inner: usize,
    to: usize,
}

/// The elements of well-written XML; of anything else, those that can be found.
fn elements(soap: &str) -> Vec<Element> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(from) = soap[at..].find('<').map(|n| n + at) {
        let Some(end) = soap[from..].find('>').map(|n| n + from + 1) else { break };
        let tag = &soap[from..end];
        let name = tag[1..].find([' ', '>', '/']).map_or(end - 1, |n| from + 1 + n);
        if tag.starts_with("</") {
            if let Some((from, name, inner)) = open.pop() {
                found.push(Element { from, name, inner, to: end });
            }
        } else if tag.ends_with("/>") {
            found.push(Element { from, name, inner: end, to: end });
        } else if !tag.starts_with("<!") && !tag.starts_with("<?") {
            open.push((from, name, end));
        }
        at = end;
    }
    found
}

/// The ranges between pairs of `quote`.
fn between(soap: &str, quote: char) -> Vec<std::ops::Range<usize>> {
    let places: Vec<usize> = soap.match_indices(quote).map(|(at, _)| at).collect();
    places.chunks_exact(2).map(|pair| pair[0] + 1..pair[1]).collect()
}
