//! Which algorithms a message used, for reports.

use super::security::Encryption;
use super::verify::Proof;

/// The algorithms of a message, by their identifiers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Algorithms {
    /// SignatureMethod.
    pub signature: Option<String>,
    /// Digest methods, each once.
    pub digest: Vec<String>,
    /// Key transport, each once.
    pub key_transport: Vec<String>,
    /// Content encryption, each once.
    pub content: Vec<String>,
}

impl Algorithms {
    pub(super) fn of(proof: &Proof, encryption: &Encryption) -> Self {
        let unique = |all: Vec<&String>| {
            let mut once: Vec<String> = all.into_iter().cloned().collect();
            once.sort();
            once.dedup();
            once
        };
        Self {
            signature: proof.method_uri.clone(),
            digest: unique(proof.references.iter().map(|r| &r.digest_uri).collect()),
            key_transport: unique(encryption.keys.iter().map(|k| &k.method_uri).collect()),
            content: unique(encryption.parts.iter().map(|p| &p.method_uri).collect()),
        }
    }
}
