//! The suite of AS4: each case changes a good exchange by the lines of its script, and names the refusal that it must meet.
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
//! | `resign`, `resign-as WHO` | new digests of elements and a new signature, by the sender's own key or that of `stranger` or `signing-only` (keyUsage) |
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
//! | `show` | ends the case with the SOAP part as what was found, for the author of a case |
//! | `type CONTENT-TYPE` | the HTTP Content-Type; `{type}` stands for the right one |
//! | `later SECONDS` | the receiver's clock goes on |
//! | `allow NAME` | lets something through, as the command line does |
//!
//! `{now}` is the time of the exchange; `\\0`, `\\r` and `\\n` in `header` and `end` stand for those octets.

pub mod exchange;
mod ingredients;
pub mod resign;

pub use ingredients::signing_only;

use super::{Case, Judged};
use crate::as4::{Compression, ReceiptError, receipt};
use crate::crypto::{Digest, HashFunction, Oaep};
use crate::xml::algorithm::Allowed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exchange::{Pair, Wire};
use ingredients::{MESSAGE, Signer, content, encoding, gzip, unescaped};
use resign::resigned;
use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// What is wrong with a script.
type Step = Result<(), String>;

/// Runs the script of a case. It expects `accept`, or a code and words of the refusal.
pub(super) fn judge(case: &Case) -> Result<Judged, String> {
    let text = std::str::from_utf8(&case.input).map_err(|error| error.to_string())?;
    let script: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let pair = Pair::demo();
    let found = Bench::new(&pair, &script)?.run(&script)?;
    let expected = case.get("expect");
    let met = match expected.split_once(' ') {
        Some((code, words)) => found.starts_with(code) && found.contains(words),
        None => found == expected,
    };
    Ok(Judged { found, met })
}

/// One case on its way.
struct Bench<'a> {
    pair: &'a Pair,
    wire: Wire,
    /// What must come out, where the script does not say what goes in.
    message: Option<&'static [u8]>,
    kept: BTreeMap<String, String>,
    /// How the SOAP part becomes octets.
    encoding: fn(&str) -> Vec<u8>,
    /// How much of the body does not arrive.
    missing: usize,
    seconds: u64,
    allowed: Allowed,
    receipt: Option<String>,
}

impl<'a> Bench<'a> {
    fn new(pair: &'a Pair, script: &[&str]) -> Result<Self, String> {
        let given = script.iter().find_map(|line| content(line).transpose()).transpose()?;
        let message = if given.is_some() { None } else { Some(MESSAGE) };
        let (compression, octets) = given.unwrap_or((Compression::Deflate, MESSAGE.to_vec()));
        let to = if script.contains(&"to-stranger") { &pair.stranger } else { &pair.south };
        let parts = [("message", compression, octets.as_slice()), ("attachment", Compression::Deflate, b"attached")];
        Ok(Self {
            pair,
            wire: pair.pack_to(&to.certificate, pair.message(), &parts),
            message,
            kept: BTreeMap::from([("now".into(), pair.at.to_string())]),
            encoding: |text| text.as_bytes().to_vec(),
            missing: 0,
            seconds: 0,
            allowed: Allowed::new(),
            receipt: None,
        })
    }

    fn run(mut self, script: &[&str]) -> Result<String, String> {
        for line in script {
            if *line == "show" {
                return Ok(self.soap().clone());
            }
            self.step(line).map_err(|why| format!("{line}: {why}"))?;
        }
        if let Some(receipt) = self.receipt.take() {
            return Ok(self.check(&receipt));
        }
        let at = self.pair.at.checked_add(Duration::from_secs(self.seconds)).map_err(|error| error.to_string())?;
        let mut body = self.wire.body_with(&(self.encoding)(&self.wire.soap));
        body.truncate(body.len().saturating_sub(self.missing));
        let pair = Pair { at, ..Pair::demo() };
        let same = |octets: &[u8]| self.message.is_none_or(|message| octets == message);
        Ok(match pair.open(&self.wire.content_type, body.as_slice(), &self.allowed) {
            Ok((_, memory)) if memory.0.iter().any(|(n, octets)| *n == 0 && same(octets)) => "accept".into(),
            Ok(_) => "accepted another content".into(),
            Err(refusal) => format!("{} {refusal}; {}", refusal.code(), refusal.remedy()),
        })
    }

    fn check(&self, receipt: &str) -> String {
        let (kind, id) = (Some("application/soap+xml"), exchange::message_id());
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

    fn step(&mut self, line: &str) -> Step {
        let (operation, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = self.filled(rest);
        match operation {
            "take" => {
                let (name, range) = cut(&rest, " ")?;
                let (from, to) = cut(range, " ==> ")?;
                let range = self.range(from, to)?;
                let taken = self.soap()[range].to_owned();
                self.kept.insert(name.to_owned(), taken);
            }
            "replace" => {
                let (old, new) = cut(&rest, " ==> ")?;
                self.replace(old, new)?;
            }
            "cut" => {
                let (from, to) = cut(&rest, " ==> ")?;
                let range = self.range(from, to)?;
                self.soap().replace_range(range, "");
            }
            "repeat" => {
                let (count, text) = cut(&rest, " ")?;
                let (text, before) = cut(text, " ==> ")?;
                let many: String = (0..number(count)?).map(|n: usize| text.replace("{n}", &n.to_string())).collect();
                let at = position(self.soap(), before)?;
                self.soap().insert_str(at, &many);
            }
            "resign" | "resign-as" => self.resign(&rest)?,
            "encode" => self.encoding = encoding(&rest)?,
            "truncate" => self.missing = number(&rest)?,
            "receipt" => {
                let opened = self.pair.open(&self.wire.content_type, self.wire.body().as_slice(), &self.allowed);
                let (opened, _) = opened.map_err(|refusal| refusal.to_string())?;
                self.receipt = Some(self.pair.receipt(&opened).body);
            }
            "digest-clear" => {
                let from = self.range("<ds:Reference URI=\"cid:message\"", "<ds:DigestValue>")?.end;
                let to = from + position(&self.soap()[from..], "<")?;
                let digest = STANDARD.encode(Digest::of(HashFunction::Sha256, MESSAGE));
                self.soap().replace_range(from..to, &digest);
            }
            "wrap-again" => self.wrap_again()?,
            "echo" => self.receipt = Some(self.wire.soap.clone()),
            "later" => self.seconds = number(&rest)?,
            "allow" => drop(self.allowed.insert(rest.parse().map_err(|_| format!("no such allowance: {rest}"))?)),
            "type" => self.wire.content_type = rest.replace("{type}", &self.wire.content_type),
            "end" => self.wire.end = unescaped(&rest),
            "content" | "gzip" | "gzip-cut" | "gzip-flip" | "bomb" | "members" | "to-stranger" => {}
            _ => self.on_parts(operation, &rest)?,
        }
        Ok(())
    }

    /// Gives the last EncryptedData an EncryptedKey of its own that wraps the session key of the others.
    fn wrap_again(&mut self) -> Step {
        let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
        let south = &self.pair.south;
        let key = self.range("<xenc:EncryptedKey", "</xenc:EncryptedKey>")?;
        let (end, mut second) = (key.end, self.soap()[key].to_owned());
        let id = between(&second, "Id=\"", "\"")?.to_owned();
        let value = between(&second, "<xenc:CipherValue>", "<")?.to_owned();
        let wrapped = STANDARD.decode(&value).map_err(|error| error.to_string())?;
        let secret = south.key.unwrap(oaep, &wrapped).map_err(|error| error.to_string())?;
        let again = south.certificate.public_key().wrap(oaep, &secret).map_err(|error| error.to_string())?;
        second = second.replace(&id, "again").replace(&value, &STANDARD.encode(again));
        if let Some((before, list)) = second.split_once("<xenc:ReferenceList>") {
            let last = list.rfind("<xenc:DataReference").ok_or("no DataReference")?;
            second = format!("{before}<xenc:ReferenceList>{}", &list[last..]);
        }
        let soap = self.soap();
        let last = soap.rfind("<xenc:EncryptedData").ok_or("no EncryptedData")?;
        let changed = soap[last..].replace(&format!("#{id}"), "#again");
        soap.replace_range(last.., &changed);
        let listed = soap[..end].rfind("<xenc:DataReference").ok_or("no DataReference")?;
        let listed_end = listed + position(&soap[listed..], "/>")? + 2;
        soap.insert_str(end, &second);
        soap.replace_range(listed..listed_end, "");
        Ok(())
    }

    /// Operations on MIME parts: the first word says which.
    fn on_parts(&mut self, operation: &str, rest: &str) -> Step {
        match operation {
            "swap" | "reorder" | "same-iv" => return self.on_both_parts(operation),
            "add" => {
                let (headers, octets) = self.wire.parts.get(1).ok_or("no second part")?.clone();
                self.wire.parts.push((headers.replace("attachment", rest), octets));
                return Ok(());
            }
            _ => {}
        }
        let (index, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let index: usize = number(index).map_err(|_| format!("no operation {operation}"))?;
        if operation == "drop" {
            self.wire.parts.remove(index.min(self.wire.parts.len() - 1));
            return Ok(());
        }
        let (headers, octets) = self.wire.parts.get_mut(index).ok_or("no such part")?;
        let first_header = position(headers, "Content-Type")?;
        match operation {
            "flip" => *octets.get_mut(number::<usize>(rest)?).ok_or("no such octet")? ^= 1,
            "shorten" => octets.truncate(octets.len().saturating_sub(number(rest)?)),
            "keep" => octets.truncate(number(rest)?),
            "rename" => {
                let at = position(headers, "Content-ID: <")? + 13;
                let end = position(&headers[at..], ">")? + at;
                headers.replace_range(at..end, rest);
            }
            "delimiter" => {
                let boundary = between(&self.wire.content_type, "boundary=\"", "\"")?;
                octets.splice(20..20, format!("\r\n--{boundary}{}", unescaped(rest)).into_bytes());
            }
            "gzip-part" => *octets = gzip(octets),
            "header" => headers.insert_str(first_header, &format!("{}\r\n", unescaped(rest))),
            "headers" => {
                let lines: String = (0..number(rest)?).map(|n: usize| format!("X-{n}: {n}\r\n")).collect();
                headers.insert_str(first_header, &lines);
            }
            other => return Err(format!("no operation {other}")),
        }
        Ok(())
    }

    fn on_both_parts(&mut self, operation: &str) -> Step {
        let [(_, first), (_, second)] = self.wire.parts.as_mut_slice() else { return Err("not two parts".into()) };
        match operation {
            "swap" => std::mem::swap(first, second),
            "same-iv" => second[..12].copy_from_slice(&first[..12]),
            _ => self.wire.parts.swap(0, 1),
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn range(&mut self, from: &str, to: &str) -> Result<Range<usize>, String> {
        let soap = self.soap();
        let start = position(soap, from)?;
        let after = start + from.len();
        Ok(start..after + position(&soap[after..], to)? + to.len())
    }

    fn replace(&mut self, old: &str, new: &str) -> Step {
        let at = position(self.soap(), old)?;
        self.soap().replace_range(at..at + old.len(), new);
        Ok(())
    }

    /// Signs anew what the SOAP part says now.
    fn resign(&mut self, who: &str) -> Step {
        let own = if self.receipt.is_some() { &self.pair.south } else { &self.pair.north };
        let old = STANDARD.encode(own.certificate.der());
        let signer = Signer::of(who, self.pair, own)?;
        if !who.is_empty() {
            self.replace(&old, &STANDARD.encode(signer.certificate.der()))?;
        }
        *self.soap() = resigned(self.soap(), &*signer.sign).ok_or("there is no signature to make anew")?;
        Ok(())
    }
}

fn cut<'t>(text: &'t str, mark: &str) -> Result<(&'t str, &'t str), String> {
    text.split_once(mark).ok_or_else(|| format!("found {text:?}, expected {mark:?} in it"))
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> Result<&'t str, String> {
    Ok(cut(cut(text, from)?.1, to)?.0)
}

fn position(text: &str, part: &str) -> Result<usize, String> {
    text.find(part).ok_or_else(|| format!("found no {part:?}, expected one"))
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("found {text:?}, expected a number"))
}
