//! RSA-OAEP with any two hash functions and any key length (RFC 8017, 7.1).
//!
//! `aws-lc-rs` has OAEP with equal hash functions and keys from 2048 bits. But `rsa-oaep-mgf1p`, and
//! `rsa-oaep` without an MGF element, mean MGF1 with SHA-1 whatever the digest is, and some peers write
//! them with SHA-256 (C-21); and other software's test vectors have shorter keys. For those the
//! arithmetic is `crypto-bigint`'s constant-time Montgomery form, with the base blinded, and the
//! padding is taken off without a branch on secret bytes: a decryptor that tells one bad padding from
//! another, by answer or by time, gives the session key away (Manger 2001).

use super::{CryptoError, Digest, HashFunction, Random, SystemRandom, equal};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use std::hint::black_box;
use zeroize::Zeroizing;

/// The hash functions of RSA-OAEP (XML Encryption 1.1, 5.5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Oaep {
    /// Digest of the label.
    pub digest: HashFunction,
    /// Digest of the mask generation.
    pub mgf: HashFunction,
}

/// A rule of the encoding that a wrapped key breaks, to show that a decryptor does not tell which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// The first octet is not zero: what Manger's attack asks for.
    FirstOctet,
    /// The digest of the label is another.
    Label,
    /// No octet 01 ends the padding.
    Separator,
}

/// Encrypts `secret` to the key of modulus `n` and exponent `e` (big-endian), encoded as it should be or with a flaw.
pub(super) fn encrypt(
    oaep: Oaep,
    n: &[u8],
    e: &[u8],
    secret: &[u8],
    flaw: Option<Flaw>,
) -> Result<Vec<u8>, CryptoError> {
    let mut seed = Zeroizing::new(vec![0; oaep.digest.length()]);
    SystemRandom.fill(&mut seed);
    let encoded = encode(oaep, n.len(), &seed, secret, flaw)?;
    let params = params(n)?;
    let message = number(&encoded, &params)?;
    let exponent = BoxedUint::from_be_slice_vartime(e);
    Ok(bytes(&BoxedMontyForm::new(message, &params).pow(&exponent), n.len()).to_vec())
}

/// Decrypts with modulus, public and private exponent (big-endian).
pub(super) fn decrypt(
    oaep: Oaep,
    n: &[u8],
    e: &[u8],
    d: &[u8],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if wrapped.len() != n.len() {
        return Err(CryptoError::Decryption);
    }
    let params = params(n)?;
    let wrapped = number(wrapped, &params)?;
    if wrapped >= *params.modulus().as_ref() {
        return Err(CryptoError::Decryption);
    }
    let cipher = BoxedMontyForm::new(wrapped, &params);
    let exponent = BoxedUint::from_be_slice_vartime(e);

    // (c * r^e)^d * r^-1 = c^d: what the exponentiation sees tells nothing of the ciphertext.
    let mut blind = vec![0; n.len()];
    SystemRandom.fill(&mut blind[1..]);
    let blind = BoxedMontyForm::new(number(&blind, &params)?, &params);
    let unblind = Option::<BoxedMontyForm>::from(blind.invert()).ok_or(CryptoError::Decryption)?;
    let blinded = cipher.mul(&blind.pow(&exponent));
    let private = Zeroizing::new(number(d, &params)?);
    let plain = Zeroizing::new(blinded.pow(&private).mul(&unblind));

    // A fault of the processor in the exponentiation would give the key away: check the result.
    if plain.pow(&exponent).retrieve() != cipher.retrieve() {
        return Err(CryptoError::Decryption);
    }
    decode(oaep, &mut bytes(&plain, n.len()))
}

fn params(n: &[u8]) -> Result<BoxedMontyParams, CryptoError> {
    let modulus = BoxedUint::from_be_slice_vartime(n);
    let modulus = Option::<Odd<BoxedUint>>::from(Odd::new(modulus)).ok_or(CryptoError::Key("the modulus is even"))?;
    Ok(BoxedMontyParams::new(modulus))
}

fn number(bytes: &[u8], params: &BoxedMontyParams) -> Result<BoxedUint, CryptoError> {
    BoxedUint::from_be_slice(bytes, params.bits_precision()).map_err(|_| CryptoError::Decryption)
}

/// The number in exactly `length` bytes.
fn bytes(number: &BoxedMontyForm, length: usize) -> Zeroizing<Vec<u8>> {
    let number = Zeroizing::new(number.retrieve());
    let bytes = Zeroizing::new(number.to_be_bytes());
    Zeroizing::new(bytes[bytes.len() - length..].to_vec())
}

/// EME-OAEP encoding (RFC 8017, 7.1.1, step 2), with the empty label.
fn encode(
    oaep: Oaep,
    length: usize,
    seed: &[u8],
    secret: &[u8],
    flaw: Option<Flaw>,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let hash = oaep.digest.length();
    let pad = length
        .checked_sub(2 * hash + 2 + secret.len())
        .ok_or(CryptoError::Unsupported("the secret is too long for this RSA key and this OAEP digest"))?;
    let mut encoded = Zeroizing::new(vec![0; length]);
    let (masked_seed, block) = encoded[1..].split_at_mut(hash);
    masked_seed.copy_from_slice(seed);
    block[..hash].copy_from_slice(&Digest::of(oaep.digest, b""));
    block[hash + pad] = 1;
    block[hash + pad + 1..].copy_from_slice(secret);
    match flaw {
        Some(Flaw::Label) => block[0] ^= 1,
        Some(Flaw::Separator) => block[hash + pad] = 2,
        Some(Flaw::FirstOctet) | None => {}
    }
    mask(oaep.mgf, masked_seed, block);
    mask(oaep.mgf, block, masked_seed);
    encoded[0] = u8::from(flaw == Some(Flaw::FirstOctet));
    Ok(encoded)
}

/// EME-OAEP decoding (RFC 8017, 7.1.2, step 3), with the empty label. All bytes are looked at before
/// anything is decided; only then is there one branch.
fn decode(oaep: Oaep, encoded: &mut [u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let hash = oaep.digest.length();
    if encoded.len() < 2 * hash + 2 {
        return Err(CryptoError::Decryption);
    }
    let (first, rest) = encoded.split_at_mut(1);
    let (seed, block) = rest.split_at_mut(hash);
    mask(oaep.mgf, block, seed);
    mask(oaep.mgf, seed, block);

    let label_holds = equal(&block[..hash], &Digest::of(oaep.digest, b""));
    let mut bad = u32::from(first[0]) | u32::from(!label_holds);
    // 1 until the byte 01 was seen; then the position after it is known.
    let mut looking = 1u32;
    let mut start = 0u32;
    for (position, byte) in (hash as u32..).zip(&block[hash..]) {
        let is_zero = is_zero(u32::from(*byte));
        let is_one = is_zero_xor_one(u32::from(*byte));
        let found = black_box(looking & is_one);
        start |= (position + 1) & 0u32.wrapping_sub(found);
        bad |= black_box(looking & (1 ^ is_zero) & (1 ^ is_one));
        looking &= 1 ^ found;
    }
    if black_box(bad | looking) != 0 {
        return Err(CryptoError::Decryption);
    }
    Ok(Zeroizing::new(block[start as usize..].to_vec()))
}

/// 1 for 0, and 0 for 1 to 255, without a branch.
fn is_zero(value: u32) -> u32 {
    black_box(value.wrapping_sub(1) >> 31)
}

/// 1 for 1, and 0 for the other values below 256, without a branch.
fn is_zero_xor_one(value: u32) -> u32 {
    is_zero(value ^ 1)
}

/// Adds the MGF1 mask of `seed` to `bytes` (RFC 8017, B.2.1).
fn mask(function: HashFunction, seed: &[u8], bytes: &mut [u8]) {
    for (counter, piece) in (0u32..).zip(bytes.chunks_mut(function.length())) {
        let mut digest = Digest::new(function);
        digest.update(seed);
        digest.update(&counter.to_be_bytes());
        let mask = Zeroizing::new(digest.finish());
        piece.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
    }
}
