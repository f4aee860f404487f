//! Changed inputs, as many as the time allows.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest time one input may take in an unoptimised build: bounds are there to keep it far below.
const VERDICT_MAX: Duration = Duration::from_secs(10);

/// Calls `target` with what was found before, with the seeds, then with changed ones until the time is up.
pub(crate) fn torment(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let kept = kept(name);
    for input in &kept {
        judged(name, input, &target);
    }
    let known = seeds.len() + kept.len();
    let all = [seeds, kept.as_slice()].concat();
    by_chance(name, |chance, tried| {
        let mut input = all[tried % known].clone();
        if tried >= known {
            for _ in 0..=chance.below(4) {
                chance.change(&mut input, &all);
            }
        }
        judged(name, &input, &target);
    });
}

/// Calls `round` until the time is up, with the same numbers for the same seed.
pub(crate) fn by_chance(name: &str, mut round: impl FnMut(&mut Chance, usize)) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("HOSTILE_SECONDS").unwrap_or(2);
    let seed = number("HOSTILE_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut chance = Chance(seed | 1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tried = 0;
    while Instant::now() < end {
        round(&mut chance, tried);
        tried += 1;
    }
    println!("{name}: {tried} inputs, HOSTILE_SEED={seed}");
}

/// Calls `target`; an input that it does not get past, or too slowly, is written down before the test fails.
pub(crate) fn judged(name: &str, input: &[u8], target: impl Fn(&[u8])) {
    let begin = Instant::now();
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    let slow = begin.elapsed() > VERDICT_MAX;
    if ended.is_ok() && !slow {
        return;
    }
    let path = std::env::temp_dir().join(format!("sluss-hostile-{name}-{}", std::process::id()));
    std::fs::write(&path, input).expect("the input that was found can be written down");
    let what = if slow { "no verdict in time" } else { "a panic" };
    panic!("{name}: {what}; the input is {}: keep it in tests/hostile/regressions/{name}/", path.display());
}

/// The inputs below `tests/hostile/regressions/<target>`: what was found before, run first and always.
pub(crate) fn kept(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/regressions").join(name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("an input that was kept")).collect()
}

/// A small generator (xorshift): the same seed, the same inputs.
pub(crate) struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One change: a byte, a cut, a piece of another seed, or a word that parsers stumble over.
    pub(crate) fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
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

/// Files of others below `shared`, as many as there are; none where they are not here.
pub(crate) fn vectors(paths: &[&str]) -> Vec<Vec<u8>> {
    let folder = std::env::var_os("SLUSS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("vectors");
    let mut found = Vec::new();
    for path in paths {
        let path = folder.join(path);
        let inside = std::fs::read_dir(&path).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        let files: Vec<PathBuf> = inside.unwrap_or_else(|_| vec![path]);
        found.extend(files.iter().filter_map(|file| std::fs::read(file).ok()).filter(|bytes| bytes.len() < 256 * 1024));
    }
    found
}
