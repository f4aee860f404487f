//! AES-GCM over a stream: AES in counter mode, and GHASH beside it (NIST SP 800-38D, 7).
//!
//! The one-shot interfaces of the libraries would hold a whole message in memory.

use super::{BLOCK, CryptoError, Random, aes_ctr, append, equal};
use aws_lc_rs::cipher::StreamingEncryptingKey;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use std::io::{self, Write};
use zeroize::{Zeroize, Zeroizing};

/// Encrypts what is written with AES-GCM (key of 16 or 32 bytes): IV (12 bytes), ciphertext, tag
/// (16 bytes) go to the inner writer. After an error nothing more may be written.
pub struct GcmWriter<W: Write> {
    state: State,
    cipher: Vec<u8>,
    inner: W,
}

impl<W: Write> GcmWriter<W> {
    /// Draws the IV and writes it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a key of another length; what the inner writer says.
    pub fn new(key: &[u8], random: &dyn Random, mut inner: W) -> io::Result<Self> {
        let mut iv = [0; IV];
        random.fill(&mut iv);
        let state = State::new(key, iv).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        inner.write_all(&iv)?;
        Ok(Self { state, cipher: Vec::new(), inner })
    }

    /// Writes the tag and gives the inner writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&self.state.tag())?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for GcmWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        self.cipher.clear();
        self.state
            .counted(piece.len())
            .and_then(|()| self.state.apply(piece, &mut self.cipher))
            .map_err(io::Error::other)?;
        self.state.authenticate(&self.cipher);
        self.inner.write_all(&self.cipher)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The other way. The last 16 bytes seen are always kept back: they may be the tag.
pub(super) struct Opening {
    key: Zeroizing<Vec<u8>>,
    state: Option<State>,
    kept: Vec<u8>,
}

impl Opening {
    pub(super) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        super::aes(key)?;
        Ok(Self { key: Zeroizing::new(key.to_vec()), state: None, kept: Vec::with_capacity(IV + TAG) })
    }

    pub(super) fn update(&mut self, mut cipher: &[u8], plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        if self.state.is_none() {
            let (head, rest) = cipher.split_at(cipher.len().min(IV - self.kept.len()));
            self.kept.extend_from_slice(head);
            cipher = rest;
            let Ok(iv) = <[u8; IV]>::try_from(self.kept.as_slice()) else {
                return Ok(());
            };
            self.state = Some(State::new(&self.key, iv)?);
            self.kept.clear();
        }
        let Some(state) = &mut self.state else {
            return Err(CryptoError::Decryption);
        };
        let ready = (self.kept.len() + cipher.len()).saturating_sub(TAG);
        let of_kept = ready.min(self.kept.len());
        state.open(&self.kept[..of_kept], plain)?;
        self.kept.drain(..of_kept);
        let (body, tail) = cipher.split_at(ready - of_kept);
        state.open(body, plain)?;
        self.kept.extend_from_slice(tail);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), CryptoError> {
        match self.state {
            Some(state) if equal(&state.tag(), &self.kept) => Ok(()),
            _ => Err(CryptoError::Decryption),
        }
    }
}

/// One running encryption or decryption.
struct State {
    counter: StreamingEncryptingKey,
    hash: GHash,
    /// Ciphertext that does not fill a block yet.
    partial: Vec<u8>,
    /// What the hash is masked with: the encrypted first counter.
    mask: Zeroizing<[u8; BLOCK]>,
    /// Bytes of content so far.
    length: u64,
}

impl State {
    fn new(key: &[u8], iv: [u8; IV]) -> Result<Self, CryptoError> {
        let mut zero = Zeroizing::new(Vec::new());
        run(&mut aes_ctr(key, [0; BLOCK])?, &[0; BLOCK], &mut zero)?;
        let mut hash_key = ghash::Key::try_from(zero.as_slice()).map_err(|_| CryptoError::Decryption)?;
        let hash = GHash::new(&hash_key);
        hash_key.as_mut_slice().zeroize();

        let mut first = [0; BLOCK];
        first[..IV].copy_from_slice(&iv);
        first[BLOCK - 1] = 1;
        // The first counter yields the mask, the following ones the content's key stream. The library
        // counts in 128 bits and GCM in 32: the same, as long as `counted` holds.
        let mut counter = aes_ctr(key, first)?;
        let mut mask = Zeroizing::new(Vec::new());
        run(&mut counter, &[0; BLOCK], &mut mask)?;
        let mask = <[u8; BLOCK]>::try_from(mask.as_slice()).map_err(|_| CryptoError::Decryption)?;
        Ok(Self { counter, hash, partial: Vec::new(), mask: mask.into(), length: 0 })
    }

    /// Counts content, and refuses more than one IV may protect.
    fn counted(&mut self, more: usize) -> Result<(), CryptoError> {
        self.length = self.length.saturating_add(more as u64);
        if self.length > LENGTH_MAX { Err(CryptoError::Decryption) } else { Ok(()) }
    }

    fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        run(&mut self.counter, input, output)
    }

    fn open(&mut self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.counted(cipher.len())?;
        self.authenticate(cipher);
        self.apply(cipher, plain)
    }

    fn authenticate(&mut self, mut cipher: &[u8]) {
        if !self.partial.is_empty() {
            let (head, rest) = cipher.split_at(cipher.len().min(BLOCK - self.partial.len()));
            self.partial.extend_from_slice(head);
            cipher = rest;
            if self.partial.len() < BLOCK {
                return;
            }
            self.hash.update_padded(&self.partial);
            self.partial.clear();
        }
        let (blocks, rest) = cipher.split_at(cipher.len() - cipher.len() % BLOCK);
        self.hash.update_padded(blocks);
        self.partial.extend_from_slice(rest);
    }

    /// The tag of what was authenticated. There are no additional authenticated data in XML Encryption.
    fn tag(&self) -> [u8; TAG] {
        let mut lengths = [0; BLOCK];
        lengths[8..].copy_from_slice(&(self.length * 8).to_be_bytes());
        let mut hash = self.hash.clone();
        hash.update_padded(&self.partial);
        hash.update_padded(&lengths);
        let mut tag: [u8; TAG] = hash.finalize().into();
        tag.iter_mut().zip(self.mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
        tag
    }
}

fn run(counter: &mut StreamingEncryptingKey, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
    append(input, output, |input, output| counter.update(input, output).map(|update| update.written().len()))
        .map_err(|_| CryptoError::Decryption)
}

/// Length of the initialisation vector in bytes (XML Encryption 1.1, 5.2.4).
const IV: usize = 12;
/// Length of the tag in bytes.
const TAG: usize = 16;
/// Most content of one IV, in bytes: 2^39 - 256 bits (SP 800-38D, 5.2.1.1).
const LENGTH_MAX: u64 = (1 << 36) - 32;
/// Most bytes encrypted at once, so that the buffer stays in the processor's cache.
const PIECE: usize = 64 * 1024;
