//! Changed inputs, as many as the time allows.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest time one input may take in an unoptimised build: bounds are there to keep it far below.
const VERDICT_MAX: Duration = Duration::from_secs(10);

/// Calls `target` with the seeds, then with changed ones until the time is up.
pub(crate) fn torment(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
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
pub(crate) fn seeds(suite: &str, given: &[&str]) -> Vec<Vec<u8>> {
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
