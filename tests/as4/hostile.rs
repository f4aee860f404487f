//! Runs `conformance/as4/*.case`: each changes a good exchange by the lines of its script and names the refusal that it must meet.
//!
//! A script works on the request, or on the receipt where its first line is `receipt`; `echo` takes the request for the receipt.
//! Its operations:
//!
//! | operation | does |
//! |---|---|
//! | `take NAME FROM ==> TO` | keeps the text from FROM through TO of the SOAP part; `{NAME}` then stands for it |
//! | `replace OLD ==> NEW` | in the SOAP part, once; OLD must be there |
//! | `cut FROM ==> TO` | takes out the text from FROM through TO |
//! | `repeat N TEXT ==> BEFORE` | puts TEXT before BEFORE so many times, `{n}` in it counted |
//! | `resign`, `resign-as WHO` | new digests of elements and a new signature, by the sender's own key or that of `stranger`, `signing-only` (keyUsage), `rsa-1024` |
//! | `content OCTETS`, `gzip OCTETS`, `bomb MIB`, `members` | before packing: the content of `message`, uncompressed but for `members` and `bomb` |
//! | `gzip-cut N`, `gzip-flip N` | before packing: compressed, without its last N octets, or with a bit of the Nth from its end changed |
//! | `to-stranger` | before packing: encrypted to another access point than the receiver |
//! | `flip PART AT`, `shorten PART BY`, `swap`, `reorder`, `drop PART`, `add ID`, `rename PART ID`, `same-iv` | on the encrypted MIME parts |
//! | `wrap-again` | the last part's session key, which is that of all, in an EncryptedKey of its own |
//! | `keep PART N`, `delimiter PART TEXT`, `gzip-part PART` | the first octets of a part; the boundary and TEXT inside it; compressed once more |
//! | `digest-clear` | the signature says the digest of what `message` was before compression |
//! | `header PART LINE`, `headers PART N` | one more MIME header, or N of them |
//! | `end TEXT`, `truncate BYTES` | the text after the last part; what the body lacks at its end |
//! | `encode CHARSET` | the SOAP part as `utf-16`, `latin-1` or `broken` UTF-8 |
//! | `show` | prints the SOAP part, for the author of a case |
//! | `type CONTENT-TYPE` | the HTTP Content-Type; `{type}` stands for the right one |
//! | `later SECONDS` | the receiver's clock goes on |
//! | `allow NAME` | lets something through, as the command line does |
//!
//! `{now}` is the time of the exchange; `\\0`, `\\r` and `\\n` in `header` and `end` stand for those octets.

use super::exchange::{MESSAGE_ID, NORTH, Pair, RECEIPT_ID, Wire};
use super::resign::resigned;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use sluss::as4::{Compression, ReceiptError, error, receipt};
use sluss::crypto::{Digest, HashFunction, Oaep};
use sluss::pki::{Certificate, Identity};
use sluss::testbed::ca::{Leaf, Purpose, demo};
use sluss::xml::algorithm::Allowed;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// One answer for all (protocol.md 6, 32): who asks with changed keys and ciphertexts learns nothing from it.
#[test]
fn a_wrong_session_key_is_refused_word_for_word_as_damaged_content_is() {
    let pair = Pair::new();
    let wire = pair.pack(&[("message", Compression::Deflate, MESSAGE)]);
    let refused = |wire: &Wire| pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).err().unwrap();
    let mut answers = Vec::new();
    for damage in
        ["iv", "ciphertext", "tag", "too short", "wrapped key", "wrapped key of another length", "another key"]
    {
        let mut wire = wire.clone();
        let octets = &mut wire.parts[0].1;
        let last = octets.len() - 1;
        let value = wire.soap.find("<xenc:CipherValue>").unwrap() + "<xenc:CipherValue>".len();
        match damage {
            "iv" => octets[0] ^= 1,
            "ciphertext" => octets[14] ^= 1,
            "tag" => octets[last] ^= 1,
            "too short" => octets.truncate(27),
            "wrapped key" => wire.soap.replace_range(value..value + 8, "AAAAAAAA"),
            "wrapped key of another length" => wire.soap.replace_range(value..value + 8, ""),
            _ => {
                let length = wire.soap[value..].find('<').unwrap();
                let other = pair.south.certificate.public_key();
                let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
                // A key that unwraps, and one of another length that does so too.
                let key = STANDARD.encode(other.wrap(oaep, &[7; 32]).unwrap());
                wire.soap.replace_range(value..value + length, &key);
            }
        }
        let refusal = refused(&wire);
        let id = MESSAGE_ID.parse().unwrap();
        let answer = error::build(&refusal, Some(&id), &pair.south, &RECEIPT_ID.parse().unwrap(), pair.at).unwrap();
        let said = answer.body.split_once("<eb:Error ").unwrap().1.split_once("</eb:Error>").unwrap().0.to_owned();
        answers.push((damage, refusal.to_string(), said));
    }
    for (damage, text, said) in &answers {
        assert_eq!((text, said), (&answers[0].1, &answers[0].2), "{damage}");
    }
}

/// One case on its way.
struct Bench<'a> {
    pair: &'a Pair,
    case: &'a Case,
    wire: Wire,
    kept: BTreeMap<String, String>,
    /// How the SOAP part becomes octets.
    encoding: fn(&str) -> Vec<u8>,
    /// How much of the body does not arrive.
    missing: usize,
    seconds: u64,
    allowed: Allowed,
    receipt: Option<String>,
}

const MESSAGE: &[u8] = b"<message>\n1 EUR</message>";

impl<'a> Bench<'a> {
    fn new(pair: &'a Pair, case: &'a Case) -> Self {
        let content = case.script.iter().find_map(|line| content(line));
        let (compression, message) = content.unwrap_or((Compression::Deflate, MESSAGE.to_vec()));
        let to = if case.script.iter().any(|line| line == "to-stranger") { &pair.stranger } else { &pair.south };
        let parts = [("message", compression, message.as_slice()), ("attachment", Compression::Deflate, b"attached")];
        Self {
            pair,
            case,
            wire: pair.pack_to(&to.certificate, pair.message(), &parts),
            kept: BTreeMap::from([("now".into(), pair.at.to_string())]),
            encoding: |text| text.as_bytes().to_vec(),
            missing: 0,
            seconds: 0,
            allowed: Allowed::new(),
            receipt: None,
        }
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
        let mut body = self.wire.body_with(&(self.encoding)(&self.wire.soap));
        body.truncate(body.len() - self.missing);
        match pair.open(&self.wire.content_type, body.as_slice(), &self.allowed) {
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
            "repeat" => {
                let (count, text) = rest.split_once(' ').unwrap();
                let (text, before) = text.split_once(" ==> ").unwrap();
                let numbered = |n: usize| text.replace("{n}", &n.to_string());
                let many: String = (0..count.parse().unwrap()).map(numbered).collect();
                let at = self.position(before);
                self.soap().insert_str(at, &many);
            }
            "resign" | "resign-as" => self.resign(&rest),
            "encode" => self.encoding = encoding(&rest),
            "truncate" => self.missing = rest.parse().unwrap(),
            "show" => println!("{}", self.soap()),
            "receipt" => {
                let (opened, _) =
                    self.pair.open(&self.wire.content_type, self.wire.body().as_slice(), &self.allowed).unwrap();
                self.receipt = Some(self.pair.receipt(&opened).body);
            }
            "digest-clear" => {
                let from = self.range("<ds:Reference URI=\"cid:message\"", "<ds:DigestValue>").end;
                let to = from + self.soap()[from..].find('<').unwrap();
                let digest = STANDARD.encode(Digest::of(HashFunction::Sha256, MESSAGE));
                self.soap().replace_range(from..to, &digest);
            }
            "wrap-again" => self.wrap_again(),
            "echo" => self.receipt = Some(self.wire.soap.clone()),
            "later" => self.seconds = rest.parse().unwrap(),
            "allow" => drop(self.allowed.insert(rest.parse().unwrap())),
            "type" => self.wire.content_type = rest.replace("{type}", &self.wire.content_type),
            "end" => self.wire.end = unescaped(&rest),
            "content" | "gzip" | "gzip-cut" | "gzip-flip" | "bomb" | "members" | "to-stranger" => {}
            _ => self.on_parts(operation, &rest),
        }
    }

    /// Gives the last EncryptedData an EncryptedKey of its own that wraps the session key of the others.
    fn wrap_again(&mut self) {
        let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
        let south = &self.pair.south;
        let key = self.range("<xenc:EncryptedKey", "</xenc:EncryptedKey>");
        let (end, mut second) = (key.end, self.soap()[key].to_owned());
        let id = second.split_once("Id=\"").unwrap().1.split('"').next().unwrap().to_owned();
        let value = second.split_once("<xenc:CipherValue>").unwrap().1.split('<').next().unwrap().to_owned();
        let secret = south.key.unwrap(oaep, &STANDARD.decode(&value).unwrap()).unwrap();
        let again = STANDARD.encode(south.certificate.public_key().wrap(oaep, &secret).unwrap());
        second = second.replace(&id, "again").replace(&value, &again);
        if let Some((before, list)) = second.split_once("<xenc:ReferenceList>") {
            let last = list.rfind("<xenc:DataReference").unwrap();
            second = format!("{before}<xenc:ReferenceList>{}", &list[last..]);
        }
        let soap = self.soap();
        let last = soap.rfind("<xenc:EncryptedData").unwrap();
        let changed = soap[last..].replace(&format!("#{id}"), "#again");
        soap.replace_range(last.., &changed);
        let listed = soap[..end].rfind("<xenc:DataReference").unwrap();
        let listed_end = soap[listed..].find("/>").unwrap() + listed + 2;
        soap.insert_str(end, &second);
        soap.replace_range(listed..listed_end, "");
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
                headers.replace_range(at..end, rest.split_once(' ').unwrap().1);
            }
            "keep" => parts[number(0)].1.truncate(number(1)),
            "delimiter" => {
                let boundary = self.wire.content_type.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
                let text = format!("\r\n--{boundary}{}", unescaped(rest.split_once(' ').unwrap().1));
                parts[number(0)].1.splice(20..20, text.into_bytes());
            }
            "gzip-part" => parts[number(0)].1 = gzip(&parts[number(0)].1),
            "same-iv" => {
                let iv = parts[0].1[..12].to_vec();
                parts[1].1[..12].copy_from_slice(&iv);
            }
            "header" => {
                let line = unescaped(rest.split_once(' ').unwrap().1);
                let at = parts[number(0)].0.find("Content-Type").unwrap();
                parts[number(0)].0.insert_str(at, &format!("{line}\r\n"));
            }
            "headers" => {
                let at = parts[number(0)].0.find("Content-Type").unwrap();
                let lines: String = (0..number(1)).map(|n| format!("X-{n}: {n}\r\n")).collect();
                parts[number(0)].0.insert_str(at, &lines);
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
    fn resign(&mut self, who: &str) {
        let own = if self.receipt.is_some() { &self.pair.south } else { &self.pair.north };
        let old = STANDARD.encode(own.certificate.der());
        let signer = Signer::of(who, self.pair, own);
        if !who.is_empty() {
            self.replace(&old, &STANDARD.encode(signer.certificate.der()));
        }
        let signed = resigned(self.soap(), &*signer.sign).unwrap_or_else(|| panic!("{}: unsigned", self.case.name));
        *self.soap() = signed;
    }
}

/// Who signs anew.
struct Signer {
    certificate: Certificate,
    sign: Box<Sign>,
}

/// From octets to their signature.
type Sign = dyn Fn(&[u8]) -> Vec<u8>;

impl Signer {
    fn of(who: &str, pair: &Pair, own: &Identity) -> Self {
        match who {
            "" => Self::with(own.clone()),
            "stranger" => Self::with(pair.stranger.clone()),
            "signing-only" => Self::with(signing_only(own)),
            "rsa-1024" => Self::short(),
            other => panic!("no signer {other}"),
        }
    }

    fn with(identity: Identity) -> Self {
        let certificate = identity.certificate.clone();
        Self { certificate, sign: Box::new(move |octets| identity.key.sign(HashFunction::Sha256, octets).unwrap()) }
    }

    /// A key that our own library does not sign with: openssl does.
    fn short() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/as4");
        let certificate = Certificate::from_pem(&fs::read(folder.join("rsa-1024.cert.pem")).unwrap()).unwrap();
        let sign = move |octets: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), octets).unwrap();
            let mut openssl = Command::new("openssl");
            openssl.args(["dgst", "-sha256", "-sign"]).arg(folder.join("rsa-1024.test-key.pem")).arg(file.path());
            let done = openssl.output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            done.stdout
        };
        Self { certificate, sign: Box::new(sign) }
    }
}

/// Another identity of the sender, in force as its own is, for signatures alone.
pub(crate) fn signing_only(own: &Identity) -> Identity {
    let leaf = Leaf {
        purpose: Purpose::Smp,
        common_name: NORTH.into(),
        organisation: "Ankeborg".into(),
        number: "202100-6883".into(),
        bits: 2048,
        not_before: own.certificate.not_before(),
        not_after: own.certificate.not_after(),
    };
    let issued = demo::issuer("ap").unwrap().issue(&leaf).unwrap();
    Identity::from_pem(issued.key_pem.as_bytes(), issued.certificate.to_pem().as_bytes()).unwrap()
}

fn unescaped(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}

/// What an `encode` line makes of text.
fn encoding(name: &str) -> fn(&str) -> Vec<u8> {
    match name {
        "utf-16" => |text| std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect(),
        "latin-1" => |text| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        "broken" => |text| [text.as_bytes(), b"<!-- \xC0\xAF \xED\xA0\x80 -->"].concat(),
        other => panic!("no encoding {other}"),
    }
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

/// What a `content` line asks to be packed.
fn content(line: &str) -> Option<(Compression, Vec<u8>)> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("content", text) => Some((Compression::None, text.as_bytes().to_vec())),
        ("gzip", text) => Some((Compression::None, [gzip(MESSAGE), text.as_bytes().to_vec()].concat())),
        ("gzip-cut", n) => {
            let whole = gzip(MESSAGE);
            Some((Compression::None, whole[..whole.len() - n.parse::<usize>().unwrap()].to_vec()))
        }
        ("gzip-flip", n) => {
            let mut whole = gzip(MESSAGE);
            let at = whole.len() - n.parse::<usize>().unwrap();
            whole[at] ^= 1;
            Some((Compression::None, whole))
        }
        ("members", _) => Some((Compression::None, [gzip(&MESSAGE[..5]), gzip(&MESSAGE[5..])].concat())),
        ("bomb", mib) => Some((Compression::Deflate, vec![0; mib.parse::<usize>().unwrap() << 20])),
        _ => None,
    }
}
