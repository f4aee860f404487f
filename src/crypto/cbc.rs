//! AES-CBC with the padding of XML Encryption (XML Encryption 1.1, 5.2.3): the last byte says how many
//! bytes are padding, 1 to 16, and the others may be anything.
//!
//! The library knows PKCS#7 padding only, which is stricter. So the padded end is made and taken off
//! here, and the library never gets to finish a stream.

use super::{BLOCK, CryptoError, Random, aes, append};
use aws_lc_rs::cipher::{DecryptionContext, EncryptionContext, StreamingDecryptingKey, StreamingEncryptingKey};
use aws_lc_rs::iv::FixedLength;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// Encrypts what is written with AES-256-CBC and XML Encryption padding: IV, then ciphertext.
/// After an error nothing more may be written.
pub struct CbcWriter<W: Write> {
    key: StreamingEncryptingKey,
    /// Bytes since the last full block.
    over: usize,
    cipher: Vec<u8>,
    inner: W,
}

impl<W: Write> CbcWriter<W> {
    /// Draws the IV and writes it.
    pub fn new(key: &[u8; 32], random: &dyn Random, mut inner: W) -> io::Result<Self> {
        let mut iv = [0; BLOCK];
        random.fill(&mut iv);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        let key = StreamingEncryptingKey::less_safe_cbc_pkcs7(aes(key).map_err(io::Error::other)?, context)
            .map_err(io::Error::other)?;
        inner.write_all(&iv)?;
        Ok(Self { key, over: 0, cipher: Vec::new(), inner })
    }

    /// Writes the padded last block and gives the inner writer back.
    pub fn finish(mut self) -> io::Result<W> {
        let count = BLOCK - self.over;
        let mut padding = [0; BLOCK];
        padding[count - 1] = count as u8;
        self.write_all(&padding[..count])?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for CbcWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        self.cipher.clear();
        append(piece, &mut self.cipher, |input, output| {
            self.key.update(input, output).map(|update| update.written().len())
        })
        .map_err(io::Error::other)?;
        self.over = (self.over + piece.len()) % BLOCK;
        self.inner.write_all(&self.cipher)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The other way. The library keeps the last block back, as its own padding could be in it.
pub(super) struct Opening {
    secret: Zeroizing<Vec<u8>>,
    key: Option<StreamingDecryptingKey>,
    iv: Vec<u8>,
    length: u64,
}

impl Opening {
    pub(super) fn new(key: &[u8]) -> Result<Self, CryptoError> {
        aes(key)?;
        Ok(Self { secret: Zeroizing::new(key.to_vec()), key: None, iv: Vec::with_capacity(BLOCK), length: 0 })
    }

    pub(super) fn update(&mut self, mut cipher: &[u8], plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        if self.key.is_none() {
            let (head, rest) = cipher.split_at(cipher.len().min(BLOCK - self.iv.len()));
            self.iv.extend_from_slice(head);
            cipher = rest;
            let Ok(iv) = <[u8; BLOCK]>::try_from(self.iv.as_slice()) else {
                return Ok(());
            };
            let context = DecryptionContext::Iv128(FixedLength::from(iv));
            let key = StreamingDecryptingKey::cbc_pkcs7(aes(&self.secret)?, context);
            self.key = Some(key.map_err(|_| CryptoError::Decryption)?);
        }
        self.length += cipher.len() as u64;
        cipher.chunks(PIECE).try_for_each(|piece| self.decrypt(piece, plain))
    }

    fn decrypt(&mut self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        let Some(key) = &mut self.key else {
            return Err(CryptoError::Decryption);
        };
        append(cipher, plain, |input, output| key.update(input, output).map(|update| update.written().len()))
            .map_err(|_| CryptoError::Decryption)
    }

    pub(super) fn finish(mut self, plain: &mut Vec<u8>) -> Result<(), CryptoError> {
        if self.length == 0 || !self.length.is_multiple_of(BLOCK as u64) {
            return Err(CryptoError::Decryption);
        }
        // One block more makes the library give out the last real one, which it had kept back.
        let mut last = Zeroizing::new(Vec::with_capacity(3 * BLOCK));
        self.decrypt(&[0; BLOCK], &mut last)?;
        let count = usize::from(*last.last().ok_or(CryptoError::Decryption)?);
        if last.len() != BLOCK || count == 0 || count > BLOCK {
            return Err(CryptoError::Decryption);
        }
        plain.extend_from_slice(&last[..BLOCK - count]);
        Ok(())
    }
}

/// Most bytes handled at once, so that the buffer stays in the processor's cache.
const PIECE: usize = 64 * 1024;
