//! Runs `conformance/as4/*.case`: each changes a good exchange by the lines of its script and names the refusal that it must meet.
//!
//! A script works on the request, or on the receipt where its first line is `receipt`. Its operations:
//!
//! | operation | does |
//! |---|---|
//! | `take NAME FROM ==> TO` | keeps the text from FROM through TO of the SOAP part; `{NAME}` then stands for it |
//! | `replace OLD ==> NEW` | in the SOAP part, once; OLD must be there |
//! | `cut FROM ==> TO` | takes out the text from FROM through TO |
//! | `resign`, `resign-as-stranger` | new digests of elements and a new signature, as the sender's own key would make them |
//! | `content OCTETS`, `gzip OCTETS`, `bomb MIB`, `members` | before packing: the content of `message`, uncompressed but for `members` and `bomb` |
//! | `flip PART AT`, `shorten PART BY`, `swap`, `reorder`, `drop PART`, `add ID`, `rename PART ID` | on the encrypted MIME parts |
//! | `end TEXT` | the text after the last part |
//! | `type CONTENT-TYPE` | the HTTP Content-Type; `{type}` stands for the right one |
//! | `later SECONDS` | the receiver's clock goes on |
//! | `allow NAME` | lets something through, as the command line does |

use super::exchange::{MESSAGE_ID, Pair, Wire};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use sluss::as4::{Compression, ReceiptError, receipt};
use sluss::crypto::{Digest, HashFunction};
use sluss::pki::Identity;
use sluss::xml::algorithm::Allowed;
use sluss::xml::c14n::{self, Form, Method};
use sluss::xml::{Tree, ns};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

struct Case {
    name: String,
    header: BTreeMap<String, String>,
    script: Vec<String>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/as4");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().filter(|p| p.extension().is_some_and(|e| e == "case")).map(|path| read_case(path)).collect()
}

fn read_case(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let (header, script) = text.split_once("\n\n").unwrap_or_else(|| panic!("{}: no empty line", path.display()));
    let pair = |line: &str| {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
        (key.to_owned(), value.to_owned())
    };
    let header: BTreeMap<String, String> = header.lines().map(pair).collect();
    for key in ["spec", "expect", "origin", "comment"] {
        assert!(header.contains_key(key), "{}: no {key}", path.display());
    }
    let script = script.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Case { name: path.file_stem().unwrap().to_string_lossy().into_owned(), header, script }
}

#[test]
fn hostile_messages_meet_the_right_refusal() {
    let pair = Pair::new();
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        println!("{}", case.name);
        let found = Bench::new(&pair, case).run();
        let expected = &case.header["expect"];
        let met = match expected.split_once(' ') {
            Some((code, words)) => found.starts_with(code) && found.contains(words),
            None => found == *expected,
        };
        match case.header.get("known-failure") {
            None if !met => wrong.push(format!("{}: expected {expected}, found {found}", case.name)),
            Some(why) if met => wrong.push(format!("{} passes now, though: {why}", case.name)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// One case on its way.
struct Bench<'a> {
    pair: &'a Pair,
    case: &'a Case,
    wire: Wire,
    kept: BTreeMap<String, String>,
    seconds: u64,
    allowed: Allowed,
    receipt: Option<String>,
}

const MESSAGE: &[u8] = b"<message>\n1 EUR</message>";

impl<'a> Bench<'a> {
    fn new(pair: &'a Pair, case: &'a Case) -> Self {
        let content = case.script.iter().find_map(|line| content(line));
        let (compression, message) = content.unwrap_or((Compression::Deflate, MESSAGE.to_vec()));
        let wire = pair.pack(&[("message", compression, &message), ("attachment", Compression::Deflate, b"attached")]);
        Self { pair, case, wire, kept: BTreeMap::new(), seconds: 0, allowed: Allowed::new(), receipt: None }
    }

    fn run(mut self) -> String {
        for line in &self.case.script {
            self.step(line);
        }
        if let Some(receipt) = self.receipt.take() {
            return self.check(&receipt);
        }
        let at = self.pair.at.checked_add(std::time::Duration::from_secs(self.seconds)).unwrap();
        let pair = Pair { at, ..Pair::new() };
        match pair.open(&self.wire.content_type, self.wire.body().as_slice(), &self.allowed) {
            Ok((_, memory))
                if memory.0.iter().any(|(n, octets)| *n == 0 && octets == MESSAGE)
                    || self.case.script.iter().any(|l| content(l).is_some()) =>
            {
                "accept".into()
            }
            Ok(_) => "accepted another content".into(),
            Err(refusal) => format!("{} {refusal}", refusal.code()),
        }
    }

    fn check(&self, receipt: &str) -> String {
        let (kind, id) = (Some("application/soap+xml"), MESSAGE_ID.parse().unwrap());
        let south = &self.pair.south.certificate;
        match receipt::check(kind, receipt.as_bytes(), &self.wire.references, &id, south, self.pair.at, &self.allowed) {
            Ok(_) => "accept".into(),
            Err(error @ ReceiptError::Refused { .. }) => format!("refused {error}"),
            Err(error) => format!("{} {error}", error.problem().code.unwrap_or_default()),
        }
    }

    /// The text that operations work on.
    fn soap(&mut self) -> &mut String {
        match &mut self.receipt {
            Some(receipt) => receipt,
            None => &mut self.wire.soap,
        }
    }

    fn step(&mut self, line: &str) {
        let (operation, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = self.filled(rest);
        let pair = || rest.split_once(" ==> ").unwrap_or_else(|| panic!("{}: {line}", self.case.name));
        match operation {
            "take" => {
                let (name, range) = rest.split_once(' ').unwrap();
                let (from, to) = range.split_once(" ==> ").unwrap();
                let text = self.range(from, to);
                let taken = self.soap()[text].to_owned();
                self.kept.insert(name.to_owned(), taken);
            }
            "replace" => {
                let (old, new) = (pair().0.to_owned(), pair().1.to_owned());
                self.replace(&old, &new);
            }
            "cut" => {
                let text = self.range(pair().0, pair().1);
                self.soap().replace_range(text, "");
            }
            "resign" | "resign-as-stranger" => self.resign(operation == "resign-as-stranger"),
            "receipt" => {
                let (opened, _) =
                    self.pair.open(&self.wire.content_type, self.wire.body().as_slice(), &self.allowed).unwrap();
                self.receipt = Some(self.pair.receipt(&opened).body);
            }
            "later" => self.seconds = rest.parse().unwrap(),
            "allow" => drop(self.allowed.insert(rest.parse().unwrap())),
            "type" => self.wire.content_type = rest.replace("{type}", &self.wire.content_type),
            "end" => self.wire.end = rest.replace("\\r\\n", "\r\n"),
            "content" | "gzip" | "bomb" | "members" => {}
            _ => self.on_parts(operation, &rest),
        }
    }

    fn on_parts(&mut self, operation: &str, rest: &str) {
        let words: Vec<&str> = rest.split(' ').collect();
        let number = |n: usize| words[n].parse::<usize>().unwrap();
        let parts = &mut self.wire.parts;
        match operation {
            "flip" => parts[number(0)].1[number(1)] ^= 1,
            "shorten" => {
                let length = parts[number(0)].1.len() - number(1).min(parts[number(0)].1.len());
                parts[number(0)].1.truncate(length);
            }
            "swap" => {
                let first = std::mem::take(&mut parts[0].1);
                let second = std::mem::replace(&mut parts[1].1, first);
                parts[0].1 = second;
            }
            "reorder" => parts.swap(0, 1),
            "drop" => drop(parts.remove(number(0))),
            "rename" => {
                let headers = &mut parts[number(0)].0;
                let at = headers.find("Content-ID: <").unwrap() + 13;
                let end = headers[at..].find('>').unwrap() + at;
                headers.replace_range(at..end, words[1]);
            }
            "add" => {
                let (headers, octets) = parts[1].clone();
                parts.push((headers.replace("attachment", words[0]), octets));
            }
            other => panic!("{}: no operation {other}", self.case.name),
        }
    }

    fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn range(&mut self, from: &str, to: &str) -> std::ops::Range<usize> {
        let start = self.position(from);
        let after = start + from.len();
        let name = &self.case.name;
        let soap = self.receipt.as_ref().unwrap_or(&self.wire.soap);
        let end = soap[after..].find(to).unwrap_or_else(|| panic!("{name}: no {to} after {from}")) + after + to.len();
        start..end
    }

    fn position(&mut self, text: &str) -> usize {
        let name = self.case.name.clone();
        self.soap().find(text).unwrap_or_else(|| panic!("{name}: no {text}"))
    }

    fn replace(&mut self, old: &str, new: &str) {
        let at = self.position(old);
        self.soap().replace_range(at..at + old.len(), new);
    }

    /// Signs anew what the SOAP part says now.
    fn resign(&mut self, stranger: bool) {
        let own = if self.receipt.is_some() { &self.pair.south } else { &self.pair.north };
        let signer = if stranger { &self.pair.stranger } else { own };
        if stranger {
            let (old, new) = (STANDARD.encode(own.certificate.der()), STANDARD.encode(signer.certificate.der()));
            self.replace(&old, &new);
        }
        let signed = resigned(self.soap(), signer);
        *self.soap() = signed;
    }
}

/// What a `content` line asks to be packed.
fn content(line: &str) -> Option<(Compression, Vec<u8>)> {
    let gzip = |octets: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    };
    match line.split_once(' ').unwrap_or((line, "")) {
        ("content", text) => Some((Compression::None, text.as_bytes().to_vec())),
        ("gzip", text) => Some((Compression::None, [gzip(MESSAGE), text.as_bytes().to_vec()].concat())),
        ("members", _) => Some((Compression::None, [gzip(&MESSAGE[..5]), gzip(&MESSAGE[5..])].concat())),
        ("bomb", mib) => Some((Compression::Deflate, vec![0; mib.parse::<usize>().unwrap() << 20])),
        _ => None,
    }
}

fn resigned(soap: &str, signer: &Identity) -> String {
    let mut soap = soap.to_owned();
    let method = Method { form: Form::Exclusive, comments: false, prefixes: Vec::new() };
    let tree = Tree::parse(soap.as_bytes()).unwrap();
    let references: Vec<(String, String)> = tree
        .root()
        .descendants()
        .filter(|n| n.is(ns::DS, "Reference") && n.parent().is_some_and(|p| p.is(ns::DS, "SignedInfo")))
        .map(|n| (n.attribute("", "URI").unwrap().to_owned(), n.child(ns::DS, "DigestValue").unwrap().text()))
        .collect();
    for (uri, old) in references {
        let Some(node) = uri.strip_prefix('#').and_then(|id| tree.by_id(id).ok()) else { continue };
        let digest = c14n::subtree(&tree, node.id, &method, None, Digest::new(HashFunction::Sha256)).unwrap().finish();
        let at = soap.find(&format!("<ds:Reference URI=\"{uri}\"")).unwrap();
        let at = soap[at..].find(&old).unwrap() + at;
        soap.replace_range(at..at + old.len(), &STANDARD.encode(digest));
    }
    let tree = Tree::parse(soap.as_bytes()).unwrap();
    let info = tree.root().descendants().find(|n| n.is(ns::DS, "SignedInfo")).unwrap();
    let octets = c14n::subtree(&tree, info.id, &method, None, Vec::new()).unwrap();
    let value = STANDARD.encode(signer.key.sign(HashFunction::Sha256, &octets).unwrap());
    let start = soap.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
    let end = soap[start..].find('<').unwrap() + start;
    soap.replace_range(start..end, &value);
    soap
}
