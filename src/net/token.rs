//! The access token of API and console: a file that only its owner reads.

use crate::crypto::{Random, SystemRandom, hex, sha256_hex};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Shortest token taken from a file, in characters.
const CHARS_LEAST: usize = 32;
/// Random bytes of a new token.
const RANDOM_BYTES: usize = 32;
/// Longest token file, in bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// A secret that whoever calls us has to know. Prints nothing of itself.
#[derive(Clone)]
pub struct AccessToken(String);

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessToken")
    }
}

impl AccessToken {
    /// Takes a token as it is.
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 characters or has others than printable ASCII.
    pub fn new(text: &str) -> io::Result<Self> {
        let sound = text.len() >= CHARS_LEAST && text.bytes().all(|b| (0x21..0x7f).contains(&b));
        sound.then(|| Self(text.to_owned())).ok_or_else(|| {
            let fault = "not an access token: expected at least 32 printable ASCII characters without spaces";
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })
    }

    /// Reads the token of `path`, or draws one and writes it there with mode 0600.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, or holds no token.
    pub fn from_file_or_new(path: &Path) -> io::Result<Self> {
        match Self::from_file(path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let mut bytes = [0; RANDOM_BYTES];
        SystemRandom.fill(&mut bytes);
        let token = Self(hex(&bytes));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{}", token.0)?;
        file.sync_all()?;
        Ok(token)
    }

    /// Reads the token of `path`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds no token.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Self::new(text.trim())
    }

    /// The secret itself, for whoever calls.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `claimed` is this token. Takes equally long wherever they differ.
    pub fn matches(&self, claimed: &str) -> bool {
        same(self.0.as_bytes(), claimed.as_bytes())
    }

    /// A value that only a holder of this token can make: for cookies and forms of one `purpose`.
    /// Whoever sees it learns nothing of the token, and cannot make one for other `data`.
    pub fn derived(&self, purpose: &str, data: &str) -> String {
        // The outer digest keeps anybody from lengthening the data of the inner one.
        let inner = sha256_hex(format!("{}\0{purpose}\0{data}", self.0).as_bytes());
        sha256_hex(format!("{}\0{inner}", self.0).as_bytes())
    }
}

/// Whether two secrets are equal, in a time that depends on their lengths only.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).fold(0, |seen, (a, b)| seen | std::hint::black_box(a ^ b));
    left.len() == right.len() && std::hint::black_box(differences) == 0
}
