//! The only file that names a cryptographic library.
//!
//! `ring` digests, verifies and draws random numbers. It has no RSA-OAEP, no AES-CBC and no AES-CTR,
//! which AS4 and XHE prescribe, so private RSA keys, key transport and bulk ciphers are `aws-lc-rs`.

use std::io::{self, Write};
use zeroize::Zeroizing;

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
pub enum HashFunction { /// SHA-1, for OAEP and thumbprints only.
    Sha1, /// SHA-256.
    Sha256, /// SHA-384.
    Sha384, /// SHA-512.
    Sha512 }

/// A running digest; bytes are written to it.
pub struct Digest(());
impl Digest {
    /// Starts a digest.
    pub fn new(_function: HashFunction) -> Self { todo!() }
    /// The digest of `bytes` at once.
    pub fn of(_function: HashFunction, _bytes: &[u8]) -> Vec<u8> { todo!() }
    /// Adds bytes.
    pub fn update(&mut self, _bytes: &[u8]) { todo!() }
    /// Ends the digest.
    pub fn finish(self) -> Vec<u8> { todo!() }
}
impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.update(bytes); Ok(bytes.len()) }
    fn flush(&mut self) -> io::Result<()> { Ok(()) }
}

/// SHA-256 in lower-case hexadecimal, as reports and events show it.
pub fn sha256_hex(_bytes: &[u8]) -> String { todo!() }
/// Lower-case hexadecimal.
pub fn hex(_bytes: &[u8]) -> String { todo!() }

/// A source of random bytes. Formats take one as an argument; tests may give a fixed one.
pub trait Random: Send + Sync { /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]); }
/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;
impl Random for SystemRandom { fn fill(&self, _bytes: &mut [u8]) { todo!() } }

/// The hash functions of RSA-OAEP (XML Encryption 1.1, 5.5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Oaep { /// Digest of the label.
    pub digest: HashFunction, /// Digest of the mask generation.
    pub mgf: HashFunction }

/// An RSA public key.
#[derive(Clone, Debug)]
pub struct PublicKey(());
impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER. RSA only.
    pub fn from_spki(_der: &[u8]) -> Result<Self, CryptoError> { todo!() }
    /// Modulus length in bits.
    pub fn bits(&self) -> usize { todo!() }
    /// Verifies a PKCS#1 v1.5 signature over `message`. Keys from 1024 bits (the floor is `Trust`'s matter).
    pub fn verify(&self, _hash: HashFunction, _message: &[u8], _signature: &[u8]) -> Result<(), CryptoError> { todo!() }
    /// Encrypts a session key with RSA-OAEP, empty label.
    pub fn wrap(&self, _oaep: Oaep, _secret: &[u8]) -> Result<Vec<u8>, CryptoError> { todo!() }
}

/// An RSA private key. Prints nothing of itself.
#[derive(Clone)]
pub struct PrivateKey(());
impl std::fmt::Debug for PrivateKey { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("PrivateKey") } }
impl PrivateKey {
    /// Reads the first private key of a PEM text (PKCS#8 or PKCS#1).
    pub fn from_pem(_pem: &[u8]) -> Result<Self, CryptoError> { todo!() }
    /// Reads PKCS#8 or PKCS#1 in DER.
    pub fn from_der(_der: &[u8]) -> Result<Self, CryptoError> { todo!() }
    /// The public half.
    pub fn public_key(&self) -> PublicKey { todo!() }
    /// Signs with PKCS#1 v1.5.
    pub fn sign(&self, _hash: HashFunction, _message: &[u8]) -> Result<Vec<u8>, CryptoError> { todo!() }
    /// Decrypts a session key with RSA-OAEP, empty label.
    pub fn unwrap(&self, _oaep: Oaep, _wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> { todo!() }
}

/// Encrypts what is written with AES-GCM (key of 16 or 32 bytes): IV (12 bytes), ciphertext, tag (16 bytes) go to the inner writer.
pub struct GcmWriter<W: Write>(W);
impl<W: Write> GcmWriter<W> {
    /// Draws the IV and writes it.
    pub fn new(_key: &[u8], _random: &dyn Random, _inner: W) -> io::Result<Self> { todo!() }
    /// Writes the tag and gives the inner writer back.
    pub fn finish(self) -> io::Result<W> { todo!() }
}
impl<W: Write> Write for GcmWriter<W> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> { todo!() }
    fn flush(&mut self) -> io::Result<()> { self.0.flush() }
}

/// Decrypts a stream of IV, ciphertext and tag (AES-GCM), or of IV and ciphertext (AES-CBC with XML
/// Encryption padding). What `update` yields is not authenticated before `finish` has said so.
pub struct Opener(());
impl Opener {
    /// AES-GCM with a key of 16 or 32 bytes.
    pub fn gcm(_key: &[u8]) -> Result<Self, CryptoError> { todo!() }
    /// AES-CBC with a key of 16 or 32 bytes; padding as XML Encryption 5.2 (last byte counts, others arbitrary).
    pub fn cbc(_key: &[u8]) -> Result<Self, CryptoError> { todo!() }
    /// Takes ciphertext and appends the plaintext that is ready to `plain`.
    pub fn update(&mut self, _cipher: &[u8], _plain: &mut Vec<u8>) -> Result<(), CryptoError> { todo!() }
    /// Ends: checks the tag, or takes off the padding; appends the last plaintext.
    pub fn finish(self, _plain: &mut Vec<u8>) -> Result<(), CryptoError> { todo!() }
}

/// Encrypts what is written with AES-256-CBC and XML Encryption padding: IV, then ciphertext.
pub struct CbcWriter<W: Write>(W);
impl<W: Write> CbcWriter<W> {
    /// Draws the IV and writes it.
    pub fn new(_key: &[u8; 32], _random: &dyn Random, _inner: W) -> io::Result<Self> { todo!() }
    /// Writes the padded last block and gives the inner writer back.
    pub fn finish(self) -> io::Result<W> { todo!() }
}
impl<W: Write> Write for CbcWriter<W> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> { todo!() }
    fn flush(&mut self) -> io::Result<()> { self.0.flush() }
}

/// Compares in constant time.
pub fn equal(_a: &[u8], _b: &[u8]) -> bool { todo!() }
