//! Case files: header lines, an empty line, the input octet for octet.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The case files of this version, by their paths without `.case`.
const CARRIED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// Keys that every case may have; all but the last must be there.
const KEYS: [&str; 5] = ["spec", "expect", "origin", "comment", "known-failure"];

/// One scenario.
#[derive(Clone, Debug)]
pub struct Case {
    /// Suite and scenario: the path of its file without `.case`.
    pub id: String,
    /// The lines of the header.
    pub header: BTreeMap<String, String>,
    /// What follows it.
    pub input: Vec<u8>,
    /// What is wrong with the header.
    problem: Option<String>,
}

impl Case {
    fn read(id: String, bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
        let input = bytes.get(end + 2..).unwrap_or_default().to_vec();
        let (mut header, mut problem) = (BTreeMap::new(), None);
        for line in String::from_utf8_lossy(&bytes[..end]).lines() {
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            if value.is_empty() || header.insert(key.to_owned(), value.to_owned()).is_some() {
                problem = Some(format!("found the line {line:?}, expected `key: value`, each key once"));
            }
        }
        Self { id, header, input, problem }
    }

    /// The value of a key, or nothing.
    pub fn get(&self, key: &str) -> &str {
        self.header.get(key).map(String::as_str).unwrap_or_default()
    }

    /// Whether the header has what all cases have, and nothing that its suite does not know.
    pub(super) fn must_be_whole(&self, keys: &[&str]) -> Result<(), String> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        if let Some(missing) = KEYS[..4].iter().find(|key| !self.header.contains_key(**key)) {
            return Err(format!("found no line `{missing}: …`, expected one"));
        }
        let known = |key: &&String| KEYS.contains(&key.as_str()) || keys.contains(&key.as_str());
        match self.header.keys().find(|key| !known(key)) {
            Some(unknown) => Err(format!("found the key {unknown:?}, expected one of {KEYS:?} or {keys:?}")),
            None => Ok(()),
        }
    }
}

/// The cases that the program carries, in the order of their names.
pub fn carried() -> impl Iterator<Item = Case> {
    CARRIED.iter().map(|(id, bytes)| Case::read((*id).to_owned(), bytes))
}

/// The cases below a folder that has one folder a suite, as `conformance/` has them, in the order of their names.
///
/// # Errors
///
/// When something cannot be read.
pub fn folder(path: &Path) -> io::Result<Vec<Case>> {
    let (mut folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = (vec![path.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "case") {
                files.push(path);
            }
        }
    }
    files.sort();
    let id = |file: &Path| file.strip_prefix(path).unwrap_or(file).with_extension("").display().to_string();
    files.iter().map(|file| Ok(Case::read(id(file), &fs::read(file)?))).collect()
}
