//! Verdicts on recorded bytes, for the offline commands: no network, no clock, no configuration.

pub mod as4;
pub mod envelope;
pub mod message;
pub mod smp;
pub mod xml;

// What questions are made of, so that a command line needs no other module for them.
pub use crate::crypto::SystemRandom;
pub use crate::pki::{Certificate, Identity};
pub use crate::xhe::Level;
pub use crate::xml::algorithm::{Allowed, Profile};
pub use crate::xml::c14n::Form;

use crate::model::{Fault, Problem};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The verdict on recorded bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything holds.
    Accept,
    /// Not so; the report says why.
    Refuse,
}

/// A file to be read as a stream.
fn opened(path: &Path) -> Result<BufReader<File>, Problem> {
    let file = File::open(path).map_err(|e| usage("file", "Not readable", format!("{}: {e}", path.display())))?;
    Ok(BufReader::with_capacity(64 * 1024, file))
}

fn usage(kind: &str, title: &str, detail: impl ToString) -> Problem {
    Problem::new(Fault::Usage, kind, title, detail.to_string())
}
