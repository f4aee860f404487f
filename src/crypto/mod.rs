//! The only folder that names a cryptographic library.
//!
//! `ring` digests, verifies and draws random numbers. It has no RSA-OAEP, no AES-CBC and no AES-CTR,
//! which AS4 and XHE prescribe, so private RSA keys, key transport and bulk ciphers are `aws-lc-rs`.
//! What neither has is ours, on their parts: GCM over a stream (`gcm`, with `ghash`), the padding of
//! XML Encryption (`cbc`), and OAEP with two different hash functions (`oaep`, with `crypto-bigint`).

mod cbc;
pub(crate) mod der;
mod gcm;
mod oaep;
mod password;
pub(crate) mod pem;
mod rsa;

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use ring::rand::SecureRandom;
use std::io::{self, Write};

pub use cbc::CbcWriter;
pub use gcm::GcmWriter;
pub use oaep::{Flaw, Oaep};
pub use password::{hash_password, password_matches, unmatchable_password};
pub use rsa::{PrivateKey, PublicKey};

/// Why a cryptographic operation did not succeed. Never says which byte or which step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// Decryption failed: wrong key, damaged content, wrong padding. One error for all, so that no
    /// peer learns which (protocol.md 6, 32).
    #[error("decryption failed")]
    Decryption,
    /// The bytes are no key that this program reads.
    #[error("not a usable key: {0}")]
    Key(&'static str),
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// The combination of algorithms is none that the libraries offer.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
}

/// A hash function.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HashFunction {
    /// SHA-1, for OAEP and thumbprints only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashFunction {
    fn algorithm(self) -> &'static ring::digest::Algorithm {
        match self {
            Self::Sha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &ring::digest::SHA256,
            Self::Sha384 => &ring::digest::SHA384,
            Self::Sha512 => &ring::digest::SHA512,
        }
    }

    /// Length of its digests in bytes.
    pub fn length(self) -> usize {
        self.algorithm().output_len()
    }
}

/// A running digest; bytes are written to it.
#[derive(Clone)]
pub struct Digest(ring::digest::Context);

impl Digest {
    /// Starts a digest.
    pub fn new(function: HashFunction) -> Self {
        Self(ring::digest::Context::new(function.algorithm()))
    }

    /// The digest of `bytes` at once.
    pub fn of(function: HashFunction, bytes: &[u8]) -> Vec<u8> {
        ring::digest::digest(function.algorithm(), bytes).as_ref().to_vec()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the digest.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the SHA-256 of what is written through it.
pub struct Digesting<W> {
    inner: W,
    digest: Digest,
}

impl<W: Write> Digesting<W> {
    /// Around a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, digest: Digest::new(HashFunction::Sha256) }
    }

    /// The writer.
    pub fn inner(&self) -> &W {
        &self.inner
    }

    /// The writer, and the digest in lower-case hexadecimal.
    pub fn finish(self) -> (W, String) {
        (self.inner, hex(&self.digest.finish()))
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// SHA-256 in lower-case hexadecimal, as reports and events show it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Digest::of(HashFunction::Sha256, bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    ring::hmac::sign(&key, bytes).as_ref().to_vec()
}

/// Compares in constant time. The lengths are no secret.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A source of random bytes. Formats take one as an argument; tests may give a fixed one.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        ring::rand::SystemRandom::new()
            .fill(bytes)
            .expect("invariant: the operating system always has random numbers once it runs programs");
    }
}

/// Decrypts a stream of IV, ciphertext and tag (AES-GCM), or of IV and ciphertext (AES-CBC with XML
/// Encryption padding). What `update` yields is not authenticated before `finish` has said so.
pub struct Opener(Mode);

enum Mode {
    Gcm(Box<gcm::Opening>),
    Cbc(Box<cbc::Opening>),
}

impl Opener {
    /// AES-GCM with a key of 16 or 32 bytes.
    pub fn gcm(key: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(Mode::Gcm(Box::new(gcm::Opening::new(key)?))))
    }

    /// AES-CBC with a key of 16 or 32 bytes; padding as XML Encryption 5.2 (last byte counts, others arbitrary).
    pub fn cbc(key: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(Mode::Cbc(Box::new(cbc::Opening::new(key)?))))
    }

    /// Takes ciphertext and appends the plaintext that is ready to `plain`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Decryption`] when the stream is longer than the cipher allows.
    pub fn update(&mut self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        match &mut self.0 {
            Mode::Gcm(opening) => opening.update(cipher, plain),
            Mode::Cbc(opening) => opening.update(cipher, plain),
        }
    }

    /// Ends: checks the tag, or takes off the padding; appends the last plaintext.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Decryption`] for whatever is wrong with the stream. All plaintext that it
    /// yielded is then worthless.
    pub fn finish(self, plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        match self.0 {
            Mode::Gcm(opening) => opening.finish(),
            Mode::Cbc(opening) => opening.finish(plain),
        }
    }
}

/// An AES key, by its length.
fn aes(key: &[u8]) -> Result<UnboundCipherKey, CryptoError> {
    let algorithm = match key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return Err(CryptoError::Key("an AES key is 16 or 32 bytes long here")),
    };
    UnboundCipherKey::new(algorithm, key).map_err(|_| CryptoError::Key("the AES key was refused"))
}

/// AES in counter mode from `counter` on.
fn aes_ctr(key: &[u8], counter: [u8; 16]) -> Result<StreamingEncryptingKey, CryptoError> {
    let context = EncryptionContext::Iv128(FixedLength::from(counter));
    StreamingEncryptingKey::less_safe_ctr(aes(key)?, context).map_err(|_| CryptoError::Key("the AES key was refused"))
}

/// Appends what `transform` makes of `input` to `output`. A cipher may hand out up to two blocks
/// more than it was given, those it had kept back.
fn append<E>(
    input: &[u8],
    output: &mut Vec<u8>,
    transform: impl FnOnce(&[u8], &mut [u8]) -> Result<usize, E>,
) -> Result<(), E> {
    let start = output.len();
    output.resize(start + input.len() + 2 * BLOCK, 0);
    let result = transform(input, &mut output[start..]);
    output.truncate(start + result.as_ref().copied().unwrap_or(0));
    result.map(|_| ())
}

/// Length of an AES block in bytes.
const BLOCK: usize = 16;

#[cfg(test)]
mod tests;
