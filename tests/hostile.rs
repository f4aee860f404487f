//! Hostile bytes: whatever comes from outside gets a verdict, never a panic, and in bounded time.
//!
//! Each target changes its seeds at random for some seconds, from a printed seed. `HOSTILE_SECONDS=600` makes a long
//! run of it (default 2), `HOSTILE_SEED=n` repeats one. The case files of `conformance/` are seeds as well.

use sluss::xml::c14n::{self, Form, Method};
use sluss::xml::{Reader, Tree};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest time one input may take in an unoptimised build: bounds are there to keep it far below.
const VERDICT_MAX: Duration = Duration::from_secs(10);

const XML: &[&str] = &[
    r#"<?xml version="1.0"?><a:root xmlns:a="urn:a" xmlns="urn:d" b="1"><!-- c --><b xml:lang="sv">å&amp;&#x41;<![CDATA[<]]></b><?p i?></a:root>"#,
    r#"<XHE xmlns="http://docs.oasis-open.org/bdxr/ns/XHE/1/ExchangeHeaderEnvelope"><Header/><Payloads><Payload>QUJD</Payload></Payloads></XHE>"#,
];

#[test]
fn whatever_parses_has_a_canonical_form_that_is_its_own() {
    for form in [Form::Exclusive, Form::Inclusive10, Form::Inclusive11] {
        let method = Method::new(form);
        torment("c14n", &seeds("xml", XML), |bytes| {
            let Ok(once) = c14n::document(Reader::new(bytes), &method, |_, _| false, Vec::new()) else { return };
            let again = c14n::document(Reader::new(&once[..]), &method, |_, _| false, Vec::new());
            assert_eq!(again.ok().as_deref(), Some(&once[..]), "{form:?}: {}", String::from_utf8_lossy(bytes));
        });
    }
}

#[test]
fn a_tree_and_a_stream_agree_on_the_canonical_form() {
    let method = Method::new(Form::Exclusive);
    torment("tree", &seeds("xml", XML), |bytes| {
        let Ok(tree) = Tree::parse(bytes) else { return };
        let of_tree = c14n::subtree(&tree, tree.root().id, &method, None, Vec::new());
        let of_stream = c14n::document(Reader::new(bytes), &method, |_, _| false, Vec::new());
        let (Ok(of_tree), Ok(of_stream)) = (&of_tree, &of_stream) else {
            assert_eq!(of_tree.is_ok(), of_stream.is_ok(), "{}", String::from_utf8_lossy(bytes));
            return;
        };
        // The document's form has the comments and instructions around its root as well.
        let text = String::from_utf8_lossy(of_tree);
        assert!(String::from_utf8_lossy(of_stream).contains(&*text), "{}", String::from_utf8_lossy(bytes));
    });
}

#[test]
fn service_metadata_gets_a_verdict() {
    let metadata = r#"<SignedServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ServiceMetadata><ServiceInformation><ParticipantIdentifier scheme="iso6523-actorid-upis">0203:a.se</ParticipantIdentifier><DocumentIdentifier scheme="busdox-docid-qns">d</DocumentIdentifier><ProcessList><Process><ProcessIdentifier scheme="s">p</ProcessIdentifier><ServiceEndpointList><Endpoint transportProfile="digg-transport-as4-v1_0"><EndpointURI>https://a.se/as4</EndpointURI><Certificate>MIIB</Certificate></Endpoint></ServiceEndpointList></Process></ProcessList></ServiceInformation></ServiceMetadata></SignedServiceMetadata>"#;
    torment("smp", &seeds("discovery", &[metadata]), |bytes| {
        let _ = sluss::discovery::smp::parse(bytes);
        let _ = sluss::discovery::smp::verify_signature(bytes);
    });
}

#[test]
fn certificates_get_a_verdict() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBIjCByQIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlBUDAwMDEtVEUwHhcN\n-----END CERTIFICATE-----\n";
    let mut all = seeds("pki", &[pem]);
    all.push(vec![0x30, 0x82, 0x01, 0x22, 0x30, 0x81, 0xc9, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01]);
    torment("certificate", &all, |bytes| {
        let _ = sluss::pki::Certificate::from_der(bytes);
        let _ = sluss::pki::Certificate::all_from_pem(bytes);
        let _ = sluss::pki::Certificate::from_pki_path(bytes);
        let _ = sluss::crypto::PrivateKey::from_pem(bytes);
        let _ = sluss::crypto::PublicKey::from_spki(bytes);
    });
}

/// Calls `target` with the seeds, then with changed ones until the time is up.
fn torment(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("HOSTILE_SECONDS").unwrap_or(2);
    let seed = number("HOSTILE_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut chance = Chance(seed | 1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tried = 0_u64;
    let mut input = Vec::new();
    while Instant::now() < end || tried < seeds.len() as u64 {
        input.clone_from(&seeds[tried as usize % seeds.len()]);
        for _ in 0..if tried < seeds.len() as u64 { 0 } else { 1 + chance.below(4) } {
            chance.change(&mut input, seeds);
        }
        let begin = Instant::now();
        target(&input);
        assert!(
            begin.elapsed() < VERDICT_MAX,
            "{name}: no verdict within {VERDICT_MAX:?}: {}",
            String::from_utf8_lossy(&input)
        );
        tried += 1;
    }
    println!("{name}: {tried} inputs, HOSTILE_SEED={seed}");
}

/// A small generator (xorshift): the same seed, the same inputs.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One change: a byte, a cut, a piece of another seed, or a word that parsers stumble over.
    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        const WORDS: &[&str] = &[
            "<",
            ">",
            "&",
            "\"",
            "'",
            "]]>",
            "<!--",
            "-->",
            "<?",
            "<!DOCTYPE a [<!ENTITY b 'c'>]>",
            "&b;",
            "&#0;",
            "&#x10FFFF;",
            "xmlns=\"\"",
            "xmlns:a=\"urn:x\"",
            " Id=\"a\" Id=\"a\"",
            "\0",
            "\u{feff}",
            "\r\n",
            "\r\n\r\n",
            "--",
            "=",
            "\u{85}",
            "\u{2028}",
            "%00",
            "AAAA",
        ];
        let place = self.below(input.len() + 1);
        match self.below(6) {
            0 if !input.is_empty() => {
                let place = self.below(input.len());
                input[place] ^= 1 << self.below(8);
            }
            1 => {
                let end = (place + self.below(64)).min(input.len());
                input.drain(place..end);
            }
            2 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                let to = (from + self.below(256)).min(other.len());
                input.splice(place..place, other[from..to].iter().copied());
            }
            3 => {
                let end = (place + self.below(128)).min(input.len());
                let again = input[place..end].repeat(1 + self.below(8));
                input.splice(place..place, again);
            }
            4 => input.truncate(place),
            _ => {
                let word = WORDS[self.below(WORDS.len())].repeat(1 + self.below(3));
                input.splice(place..place, word.into_bytes());
            }
        }
        input.truncate(256 * 1024);
    }
}

/// The given seeds, and the inputs of the case files below `conformance/<suite>`.
fn seeds(suite: &str, given: &[&str]) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = given.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(suite)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(case) = std::fs::read(&path) {
                let body = case.windows(2).position(|two| two == b"\n\n").map_or(0, |place| place + 2);
                seeds.push(case[body..].to_vec());
            }
        }
    }
    seeds
}
