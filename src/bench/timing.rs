//! Whether a refusal tells, by its words or its time, what was wrong with a session key or with encrypted content.
//!
//! Whoever can ask a decryptor often enough, and tell one failure from another, decrypts what it recorded: by the first octet of
//! OAEP (Manger 2001), or by the padding of CBC (Vaudenay 2002). So messages that are wrong in one thing each are refused in turn,
//! in an order that chance decides, and the times of each class are held against those of a sound key that is another one.

use super::as4::{BenchError, Forgetting, Pair, RSA_BITS};
use super::{Setting, timed};
use crate::as4::{Compression, PackedPiece, error};
use crate::crypto::{CbcWriter, CryptoError, Flaw, HashFunction, Oaep, Opener, PublicKey, Random, SystemRandom};
use crate::model::{As4MessageId, DocumentType, EnvelopeId, IdError, ParticipantId, Timestamp};
use crate::xhe::{self, Header};
use crate::xml::algorithm::{Allow, Allowed, MGF1_SHA1, MGF1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::io::{Read, Write};
use std::time::Duration;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub setting: Setting,
    /// One for each kind of message and key.
    pub series: Vec<Series>,
}

/// Messages of one kind, refused in turn.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// What was refused.
    pub what: &'static str,
    /// Length of the key that unwraps.
    pub rsa_bits: usize,
    /// Messages of each class.
    pub messages: usize,
    /// The classes; the first is the one that the others are held against.
    pub classes: Vec<Class>,
}

/// Messages that are wrong in the same thing.
#[derive(Clone, Debug, Serialize)]
pub struct Class {
    /// In what.
    pub wrong: &'static str,
    /// Whether everybody sees that without our key: then its time tells nothing.
    pub public: bool,
    /// Median of the times until the refusal, in microseconds of processor time.
    pub median_microseconds: f64,
    /// Welch's t against the first class, without the slowest tenth of both. Beyond 4.5 the times differ.
    pub t: f64,
    /// Whether each answer had the same octets as the first answer of the series.
    pub same_answer: bool,
}

/// Measures, with so many messages of each class.
///
/// # Errors
///
/// [`BenchError`], also where a message was accepted.
pub fn measure(messages: usize) -> Result<Report, BenchError> {
    let mut series = Vec::new();
    for bits in RSA_BITS {
        let pair = Pair::new(bits)?;
        for (what, mgf) in [
            ("AS4, OAEP with SHA-256", HashFunction::Sha256),
            ("AS4, OAEP with SHA-256 and MGF1-SHA-1", HashFunction::Sha1),
        ] {
            series.push(Message::new(&pair, mgf)?.series(what, bits, messages)?);
        }
        series.push(Envelope::new(&pair)?.series("XHE, OAEP with SHA-1, AES-256-CBC", bits, messages)?);
    }
    Ok(Report { setting: Setting::here(), series })
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wrong {
    Key,
    Length,
    Encoding(Flaw),
    Number,
    Beyond,
    Tag,
    Padding(u8),
    Cut,
}

/// The classes of session keys. The second is the first again: it shows what chance alone does.
const KEYS: [Wrong; 8] = [
    Wrong::Key,
    Wrong::Key,
    Wrong::Length,
    Wrong::Encoding(Flaw::FirstOctet),
    Wrong::Encoding(Flaw::Label),
    Wrong::Encoding(Flaw::Separator),
    Wrong::Number,
    Wrong::Beyond,
];

impl Wrong {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "another session key",
            Self::Length => "a session key of another length",
            Self::Encoding(Flaw::FirstOctet) => "OAEP: first octet is not 0",
            Self::Encoding(Flaw::Label) => "OAEP: digest of another label",
            Self::Encoding(Flaw::Separator) => "OAEP: no octet 01",
            Self::Number => "a random number as wrapped key",
            Self::Beyond => "a wrapped key beyond the modulus",
            Self::Tag => "content whose tag does not hold",
            Self::Padding(0) => "padding of 0 octets",
            Self::Padding(_) => "padding longer than a block",
            Self::Cut => "content cut within a block",
        }
    }

    fn is_public(self) -> bool {
        matches!(self, Self::Beyond | Self::Cut)
    }

    /// A wrapped key that is wrong in this: `sound` where the key is right, and `other` is another session key.
    fn key(self, public: &PublicKey, oaep: Oaep, sound: &[u8], other: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::Key => public.wrap(oaep, other),
            Self::Length => public.wrap(oaep, &other[1..]),
            Self::Encoding(flaw) => public.wrap_flawed(oaep, other, flaw),
            Self::Number => {
                let mut number = vec![0; sound.len()];
                SystemRandom.fill(&mut number[1..]);
                Ok(number)
            }
            Self::Beyond => Ok(vec![0xff; sound.len()]),
            Self::Tag | Self::Padding(_) | Self::Cut => Ok(sound.to_vec()),
        }
    }
}

/// A kind of message that is wrong in one thing, and refused.
trait Subject {
    type Made;

    fn classes(&self) -> Vec<Wrong>;

    fn make(&self, wrong: Wrong) -> Result<Self::Made, BenchError>;

    /// Says what it was answered with; `None` where it was accepted.
    fn refuse(&self, made: &Self::Made) -> Option<String>;

    /// Refuses `messages` of each class, one of each in each round.
    fn series(&self, what: &'static str, rsa_bits: usize, messages: usize) -> Result<Series, BenchError> {
        let classes = self.classes();
        let mut times = vec![Vec::with_capacity(messages); classes.len()];
        let mut same = vec![true; classes.len()];
        let mut first = None;
        for _ in 0..messages {
            let made = classes.iter().map(|wrong| self.make(*wrong)).collect::<Result<Vec<_>, _>>()?;
            for at in shuffled(classes.len()) {
                let mut time = Duration::ZERO;
                let answer = timed(&mut time, || self.refuse(&made[at]));
                let answer = answer.ok_or(BenchError::Accepted(classes[at].name()))?;
                times[at].push(time.as_secs_f64() * 1e6);
                same[at] &= *first.get_or_insert_with(|| answer.clone()) == answer;
            }
        }
        times.iter_mut().for_each(|times| times.sort_unstable_by(f64::total_cmp));
        let found = classes.iter().zip(&times).zip(same).map(|((wrong, own), same_answer)| Class {
            wrong: wrong.name(),
            public: wrong.is_public(),
            median_microseconds: own[own.len() / 2],
            t: welch(own, &times[0]),
            same_answer,
        });
        Ok(Series { what, rsa_bits, messages, classes: found.collect() })
    }
}

/// The numbers below `count` in an order that chance decides.
fn shuffled(count: usize) -> Vec<usize> {
    let mut drawn: Vec<([u8; 8], usize)> = (0..count).map(|n| ([0; 8], n)).collect();
    drawn.iter_mut().for_each(|(chance, _)| SystemRandom.fill(chance));
    drawn.sort_unstable();
    drawn.into_iter().map(|(_, n)| n).collect()
}

/// Welch's t of two sorted samples without their slowest tenth, which is the machine's doing and not ours.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let of = |times: &[f64]| {
        let kept = &times[..(times.len() * 9).div_ceil(10)];
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let squares: f64 = kept.iter().map(|time| (time - mean).powi(2)).sum();
        (mean, squares / (count - 1.0).max(1.0) / count)
    };
    let ((mean, variance), (other_mean, other_variance)) = (of(a), of(b));
    let error = (variance + other_variance).sqrt();
    if error > 0.0 { (mean - other_mean) / error } else { 0.0 }
}

/// An AS4 message. Its EncryptedKey is not signed: anybody can put another one in its place.
struct Message<'a> {
    pair: &'a Pair,
    id: As4MessageId,
    content_type: String,
    /// Before, in and behind the wrapped key.
    soap: [String; 3],
    cipher: Vec<u8>,
    end: String,
    oaep: Oaep,
    allowed: Allowed,
}

impl<'a> Message<'a> {
    fn new(pair: &'a Pair, mgf: HashFunction) -> Result<Self, BenchError> {
        let mut cipher = Vec::new();
        let (id, packed) = pair.pack(Compression::Stored, &mut super::as4::noise(CONTENT_BYTES), &mut cipher)?;
        let mut texts = packed.pieces.iter().filter_map(|piece| match piece {
            PackedPiece::Text(text) => Some(text.as_str()),
            PackedPiece::Part(_) => None,
        });
        let (mut soap, end) = (texts.next().unwrap_or_default().to_owned(), texts.next().unwrap_or_default());
        if mgf == HashFunction::Sha1 {
            soap = soap.replace(MGF1_SHA256, MGF1_SHA1);
        }
        Ok(Self {
            pair,
            id,
            content_type: packed.content_type.clone(),
            soap: around_key(&soap)?,
            end: end.to_owned(),
            cipher,
            oaep: Oaep { digest: HashFunction::Sha256, mgf },
            allowed: Allowed::from([Allow::OaepMgf1p]),
        })
    }
}

impl Subject for Message<'_> {
    /// The SOAP part, and the encrypted content.
    type Made = (String, Vec<u8>);

    fn classes(&self) -> Vec<Wrong> {
        // A sound key with another mask generation would have to be made anew, and the tag speaks last in any case.
        let content = (self.oaep.mgf == HashFunction::Sha256).then_some(Wrong::Tag);
        KEYS.into_iter().chain(content).collect()
    }

    fn make(&self, wrong: Wrong) -> Result<Self::Made, BenchError> {
        let [before, sound, behind] = &self.soap;
        let public = self.pair.receiver.certificate.public_key();
        let sound = STANDARD.decode(sound).unwrap_or_default();
        let mut other = [0; AS4_KEY_BYTES];
        SystemRandom.fill(&mut other);
        let key = wrong.key(public, self.oaep, &sound, &other)?;
        let mut cipher = self.cipher.clone();
        if let (Wrong::Tag, Some(last)) = (wrong, cipher.last_mut()) {
            *last ^= 1;
        }
        Ok((format!("{before}{}{behind}", STANDARD.encode(key)), cipher))
    }

    fn refuse(&self, (soap, cipher): &Self::Made) -> Option<String> {
        let body = soap.as_bytes().chain(&cipher[..]).chain(self.end.as_bytes());
        let refusal = self.pair.open(&self.content_type, body, &mut Forgetting, &self.allowed).err()?;
        Some(error::unsigned(&refusal, Some(&self.id), &self.id, self.pair.at).body)
    }
}

/// A sealed envelope. It is signed as a whole: only a participant of the federation can ask.
struct Envelope<'a> {
    pair: &'a Pair,
    header: Header,
    /// Before, in and behind the wrapped key, up to the content; and behind the content.
    parts: [String; 4],
    secret: [u8; 32],
}

impl<'a> Envelope<'a> {
    fn new(pair: &'a Pair) -> Result<Self, BenchError> {
        let (from, to) = ("0203:from.example.se".parse()?, "0203:to.example.se".parse()?);
        let header = header(from, to, pair.at)?;
        let payload = b"<a xmlns=\"urn:a\"/>";
        let to = &pair.receiver.certificate;
        let sealed = xhe::seal(&header, &mut &payload[..], &pair.sender, to, &SystemRandom, Vec::new())?;
        let sealed = String::from_utf8_lossy(&sealed);
        let whole = sealed.find("<xenc:EncryptedData").zip(sealed.find(DATA_END)).ok_or(NO_KEY)?;
        let [before, key, behind] = around_key(&sealed[whole.0..whole.1 + DATA_END.len()])?;
        let (behind, content) = behind.rsplit_once("<xenc:CipherValue>").ok_or(NO_KEY)?;
        let (_, end) = content.split_once("</").ok_or(NO_KEY)?;
        let parts = [before, key, format!("{behind}<xenc:CipherValue>"), format!("</{end}")];
        let mut secret = [0; 32];
        SystemRandom.fill(&mut secret);
        Ok(Self { pair, header, parts, secret })
    }

    /// Encrypted content whose last octet counts so much padding.
    fn content(&self, padding: u8) -> Result<Vec<u8>, BenchError> {
        let mut plain = Vec::new();
        super::as4::noise(CONTENT_BYTES - CONTENT_BYTES % 16).read_to_end(&mut plain)?;
        if let Some(last) = plain.last_mut() {
            *last = padding;
        }
        let mut writer = CbcWriter::new(&self.secret, &SystemRandom, Vec::new())?;
        writer.write_all(&plain)?;
        let mut cipher = writer.finish()?;
        // Without the block that the writer padded, the last one of `plain` ends it.
        cipher.truncate(cipher.len() - 16);
        Ok(cipher)
    }
}

impl Subject for Envelope<'_> {
    type Made = (xhe::Signed, Vec<u8>);

    fn classes(&self) -> Vec<Wrong> {
        KEYS.into_iter().chain([Wrong::Padding(0), Wrong::Padding(17), Wrong::Cut]).collect()
    }

    fn make(&self, wrong: Wrong) -> Result<Self::Made, BenchError> {
        const OAEP: Oaep = Oaep { digest: HashFunction::Sha1, mgf: HashFunction::Sha1 };
        let public = self.pair.receiver.certificate.public_key();
        let sound = public.wrap(OAEP, &self.secret)?;
        let mut content = self.content(if let Wrong::Padding(count) = wrong { count } else { 1 })?;
        let key = wrong.key(public, OAEP, &sound, &other(&content)?)?;
        if wrong == Wrong::Cut {
            content.pop();
        }
        let [before, _, behind, end] = &self.parts;
        let data = format!("{before}{}{behind}{}{end}", STANDARD.encode(key), STANDARD.encode(content));
        let envelope = xhe::sign(&self.header, data.as_bytes(), &self.pair.sender, Vec::new())?;
        Ok((xhe::verify(|| Ok(&envelope[..]))?, envelope))
    }

    fn refuse(&self, (signed, envelope): &Self::Made) -> Option<String> {
        let keys = std::slice::from_ref(&self.pair.receiver);
        Some(xhe::open(signed, &envelope[..], keys, std::io::sink()).err()?.to_string())
    }
}

/// Another key, under which the padding is wrong: under one of sixteen it would be sound.
fn other(content: &[u8]) -> Result<[u8; 32], CryptoError> {
    loop {
        let (mut key, mut plain) = ([0; 32], Vec::new());
        SystemRandom.fill(&mut key);
        let mut opener = Opener::cbc(&key)?;
        opener.update(content, &mut plain)?;
        if opener.finish(&mut plain).is_err() {
            return Ok(key);
        }
    }
}

fn header(from: ParticipantId, to: ParticipantId, at: Timestamp) -> Result<Header, IdError> {
    let id: EnvelopeId = "70c5ea37-f4a9-4771-b0c7-09becd024bda".parse()?;
    let federation = "urn:fdc:digg.se:edelivery:federation:bench";
    let created = crate::model::time::millis(at);
    Ok(Header::new(id, created, DocumentType::sdk_message(), federation, from, to))
}

/// What stands before, in and behind the first CipherValue, which is that of the key.
fn around_key(text: &str) -> Result<[String; 3], BenchError> {
    let (before, rest) = text.split_once("<xenc:CipherValue>").ok_or(NO_KEY)?;
    let (key, behind) = rest.split_once("</").ok_or(NO_KEY)?;
    Ok([format!("{before}<xenc:CipherValue>"), key.to_owned(), format!("</{behind}")])
}

/// Content of each message, in bytes.
const CONTENT_BYTES: u64 = 16 * 1024;
/// Length of the session key of AS4.
const AS4_KEY_BYTES: usize = 16;
const DATA_END: &str = "</xenc:EncryptedData>";
const NO_KEY: BenchError = BenchError::Layout("no CipherValue where one was written");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_message_is_refused_with_the_same_octets() {
        let pair = Pair::new(2048).unwrap();
        let mut found = Vec::new();
        for mgf in [HashFunction::Sha256, HashFunction::Sha1] {
            found.push(Message::new(&pair, mgf).unwrap().series("AS4", 2048, 2).unwrap());
        }
        found.push(Envelope::new(&pair).unwrap().series("XHE", 2048, 2).unwrap());
        assert_eq!(found.iter().map(|series| series.classes.len()).collect::<Vec<_>>(), [9, 8, 11]);
        for class in found.iter().flat_map(|series| &series.classes) {
            assert!(class.same_answer, "{found:#?}");
        }
    }

    #[test]
    fn samples_that_differ_have_a_large_t_and_those_of_one_source_a_small_one() {
        let sample = |shift: f64| (0..1000).map(|n| f64::from(n % 100) + shift).collect::<Vec<f64>>();
        let sorted = |mut sample: Vec<f64>| {
            sample.sort_unstable_by(f64::total_cmp);
            sample
        };
        let (one, other) = (sorted(sample(0.0)), sorted(sample(9.0)));
        assert!(welch(&one, &one).abs() < 1e-9);
        // 9 over the standard error of two samples of 900 values that are spread evenly over 90.
        assert!((welch(&other, &one) - 7.35).abs() < 0.1, "{}", welch(&other, &one));
    }
}
