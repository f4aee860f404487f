//! RSA keys: reading them, PKCS#1 v1.5 signatures, OAEP key transport.

use super::der::{self, Reader};
use super::{CryptoError, Flaw, HashFunction, Oaep, oaep, pem};
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RsaParameters, RsaPublicKeyComponents,
};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// An RSA public key, of 512 to 8192 bits and with an odd exponent of 3 to 2^33.
#[derive(Clone, Eq, PartialEq)]
pub struct PublicKey(Arc<Numbers>);

/// Big-endian, without leading zeros.
#[derive(Eq, PartialEq)]
struct Numbers {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7). RSA only.
    pub fn from_spki(der: &[u8]) -> Result<Self, CryptoError> {
        let malformed = CryptoError::Key("no SubjectPublicKeyInfo");
        let Some(mut info) = Reader(der).sequence() else {
            return Err(malformed);
        };
        let Some(algorithm) = info.sequence().and_then(|mut algorithm| algorithm.expect(der::OID)) else {
            return Err(malformed);
        };
        expect_rsa(algorithm)?;
        let key = info
            .expect(der::BIT_STRING)
            .and_then(|bits| bits.strip_prefix(&[0]))
            .and_then(|bits| Reader(bits).sequence());
        let Some(mut key) = key else {
            return Err(malformed);
        };
        let (Some(modulus), Some(exponent)) = (key.unsigned(), key.unsigned()) else {
            return Err(malformed);
        };
        Self::from_numbers(modulus, exponent)
    }

    /// From modulus and exponent, big-endian, as an RSAKeyValue has them (XML Signature 1.1, 4.5.2.2).
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, CryptoError> {
        let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
        let key = Self(Arc::new(Numbers { modulus: modulus.to_vec(), exponent: exponent.to_vec() }));
        let odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last & 1 == 1);
        if !(512..=8192).contains(&key.bits()) || !odd(modulus) {
            return Err(CryptoError::Key("an RSA modulus is odd and has 512 to 8192 bits here"));
        }
        let value = exponent.iter().take(9).fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
        if !odd(exponent) || !(3..1 << 33).contains(&value) {
            return Err(CryptoError::Key("an RSA exponent is odd, at least 3 and below 2^33 here"));
        }
        Ok(key)
    }

    /// Modulus length in bits.
    pub fn bits(&self) -> usize {
        let modulus = &self.0.modulus;
        modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize)
    }

    /// Verifies a PKCS#1 v1.5 signature over `message`. Keys from 1024 bits, with SHA-384 from 2048 (the floor
    /// that applies in a federation is `pki::Trust`'s matter).
    pub fn verify(&self, hash: HashFunction, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let parameters: &RsaParameters = match hash {
            HashFunction::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            HashFunction::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            HashFunction::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            HashFunction::Sha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        };
        RsaPublicKeyComponents { n: &self.0.modulus, e: &self.0.exponent }
            .verify(parameters, message, signature)
            .map_err(|_| CryptoError::Signature)
    }

    /// Encrypts a session key with RSA-OAEP, empty label.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Unsupported`] when the secret does not fit the key.
    pub fn wrap(&self, oaep: Oaep, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Some(algorithm) = library_oaep(oaep).filter(|_| self.bits() >= LIBRARY_BITS_LEAST) else {
            return oaep::encrypt(oaep, &self.0.modulus, &self.0.exponent, secret, None);
        };
        let refused = |_| CryptoError::Key("the RSA key was refused");
        let key = PublicEncryptingKey::from_der(&self.spki()).map_err(refused)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| CryptoError::Key("the RSA key was refused"))?;
        let mut wrapped = vec![0; key.ciphertext_size()];
        let length = key
            .encrypt(algorithm, secret, &mut wrapped, None)
            .map_err(|_| CryptoError::Unsupported("the secret is too long for this RSA key and this OAEP digest"))?
            .len();
        wrapped.truncate(length);
        Ok(wrapped)
    }

    /// Encrypts a session key as [`PublicKey::wrap`] does, but for one rule: nobody can unwrap it.
    ///
    /// # Errors
    ///
    /// As [`PublicKey::wrap`].
    pub fn wrap_flawed(&self, oaep: Oaep, secret: &[u8], flaw: Flaw) -> Result<Vec<u8>, CryptoError> {
        oaep::encrypt(oaep, &self.0.modulus, &self.0.exponent, secret, Some(flaw))
    }

    /// As SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> Vec<u8> {
        let key = der::element(der::SEQUENCE, &[&integer(&self.0.modulus), &integer(&self.0.exponent)]);
        der::element(der::SEQUENCE, &[&RSA_ALGORITHM, &der::element(der::BIT_STRING, &[&[0], &key])])
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey(RSA {})", self.bits())
    }
}

/// An RSA private key. Prints nothing of itself.
#[derive(Clone)]
pub struct PrivateKey(Arc<Private>);

struct Private {
    public: PublicKey,
    exponent: Zeroizing<Vec<u8>>,
    /// Absent below 2048 bits.
    library: Option<Library>,
}

/// The key as `aws-lc-rs` takes it.
struct Library {
    signing: KeyPair,
    decrypting: OaepPrivateDecryptingKey,
}

impl PrivateKey {
    /// Reads the first private key of a PEM text (PKCS#8 or PKCS#1).
    pub fn from_pem(pem: &[u8]) -> Result<Self, CryptoError> {
        let mut seen = CryptoError::Key("no PEM text with a private key");
        for section in pem::sections(pem) {
            match (section.label.as_str(), section.content) {
                ("PRIVATE KEY" | "RSA PRIVATE KEY", Some(der)) => return Self::from_der(&der),
                ("PRIVATE KEY", None) => {
                    return Err(CryptoError::Key("a PEM section PRIVATE KEY that is no Base64"));
                }
                ("RSA PRIVATE KEY", None) | ("ENCRYPTED PRIVATE KEY", _) => {
                    return Err(CryptoError::Key(ENCRYPTED));
                }
                ("EC PRIVATE KEY" | "EC PARAMETERS", _) => {
                    return Err(CryptoError::Key("an EC key; expected an RSA key"));
                }
                ("DSA PRIVATE KEY", _) => {
                    return Err(CryptoError::Key("a DSA key; expected an RSA key"));
                }
                ("OPENSSH PRIVATE KEY", _) => {
                    return Err(CryptoError::Key("an OpenSSH key; expected PKCS#8 or PKCS#1"));
                }
                ("CERTIFICATE", _) => seen = CryptoError::Key("a certificate and no private key"),
                ("PUBLIC KEY", _) => seen = CryptoError::Key("a public key and no private key"),
                _ => {}
            }
        }
        Err(seen)
    }

    /// Reads PKCS#8 or PKCS#1 in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let Some(mut key) = Reader(der).sequence() else {
            return Err(CryptoError::Key("no DER of a private key"));
        };
        let Some((tag, ..)) = Reader(key.0).next() else {
            return Err(CryptoError::Key("an empty DER sequence"));
        };
        if tag == der::SEQUENCE {
            return Err(CryptoError::Key(ENCRYPTED));
        }
        key.next();
        match Reader(key.0).next() {
            Some((der::SEQUENCE, algorithm, _)) => {
                expect_rsa(Reader(algorithm).expect(der::OID).unwrap_or_default())?;
                key.next();
                Self::from_pkcs1(key.expect(der::OCTET_STRING).ok_or(CryptoError::Key("a PKCS#8 without a key"))?)
            }
            Some((der::OCTET_STRING, ..)) => Err(CryptoError::Key("an EC key; expected an RSA key")),
            Some((der::INTEGER, ..)) => Self::from_pkcs1(der),
            _ => Err(CryptoError::Key("DER that is neither PKCS#8 nor PKCS#1")),
        }
    }

    /// RSAPrivateKey (RFC 8017, A.1.2).
    fn from_pkcs1(der: &[u8]) -> Result<Self, CryptoError> {
        let malformed = || CryptoError::Key("a damaged RSA private key");
        let mut key = Reader(der).sequence().ok_or_else(malformed)?;
        let mut number = || key.unsigned().ok_or_else(malformed);
        let (_version, modulus, exponent) = (number()?, number()?, number()?);
        let private = Zeroizing::new(number()?.to_vec());
        let public = PublicKey::from_numbers(modulus, exponent)?;
        let library = if public.bits() < LIBRARY_BITS_LEAST { None } else { Some(Library::new(der)?) };
        Ok(Self(Arc::new(Private { public, exponent: private, library })))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.0.public.clone()
    }

    /// Signs with PKCS#1 v1.5.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Unsupported`] for SHA-1 and for keys below 2048 bits.
    pub fn sign(&self, hash: HashFunction, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let encoding: &'static dyn RsaEncoding = match hash {
            HashFunction::Sha1 => return Err(CryptoError::Unsupported("signing with SHA-1")),
            HashFunction::Sha256 => &RSA_PKCS1_SHA256,
            HashFunction::Sha384 => &RSA_PKCS1_SHA384,
            HashFunction::Sha512 => &RSA_PKCS1_SHA512,
        };
        let Some(library) = &self.0.library else {
            return Err(CryptoError::Unsupported("signing with fewer than 2048 bits"));
        };
        let mut signature = vec![0; library.signing.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        library.signing.sign(encoding, &random, message, &mut signature).map_err(|_| CryptoError::Signature)?;
        Ok(signature)
    }

    /// Decrypts a session key with RSA-OAEP, empty label.
    pub fn unwrap(&self, oaep: Oaep, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let numbers = &self.0.public.0;
        let (Some(algorithm), Some(library)) = (library_oaep(oaep), &self.0.library) else {
            return oaep::decrypt(oaep, &numbers.modulus, &numbers.exponent, &self.0.exponent, wrapped);
        };
        let mut secret = Zeroizing::new(vec![0; library.decrypting.min_output_size()]);
        let length = library
            .decrypting
            .decrypt(algorithm, wrapped, &mut secret, None)
            .map_err(|_| CryptoError::Decryption)?
            .len();
        secret.truncate(length);
        Ok(secret)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl Library {
    fn new(pkcs1: &[u8]) -> Result<Self, CryptoError> {
        let refused = |_| CryptoError::Key("an RSA private key whose numbers do not belong together");
        let pkcs8 = Zeroizing::new(der::element(
            der::SEQUENCE,
            &[&[der::INTEGER, 1, 0], &RSA_ALGORITHM, &der::element(der::OCTET_STRING, &[pkcs1])],
        ));
        let decrypting = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(refused)?;
        Ok(Self {
            signing: KeyPair::from_pkcs8(&pkcs8).map_err(refused)?,
            decrypting: OaepPrivateDecryptingKey::new(decrypting)
                .map_err(|_| CryptoError::Key("an RSA private key that cannot decrypt"))?,
        })
    }
}

/// OAEP as `aws-lc-rs` has it: both hash functions the same.
fn library_oaep(oaep: Oaep) -> Option<&'static OaepAlgorithm> {
    let algorithm = match oaep.digest {
        HashFunction::Sha1 => &OAEP_SHA1_MGF1SHA1,
        HashFunction::Sha256 => &OAEP_SHA256_MGF1SHA256,
        HashFunction::Sha384 => &OAEP_SHA384_MGF1SHA384,
        HashFunction::Sha512 => &OAEP_SHA512_MGF1SHA512,
    };
    (oaep.digest == oaep.mgf).then_some(algorithm)
}

fn expect_rsa(oid: &[u8]) -> Result<(), CryptoError> {
    match oid {
        // rsaEncryption, 1.2.840.113549.1.1.1, as it stands in RSA_ALGORITHM.
        oid if oid == &RSA_ALGORITHM[4..13] => Ok(()),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => Err(CryptoError::Key("an EC key; expected an RSA key")),
        [0x2b, 0x65, 0x70 | 0x71] => Err(CryptoError::Key("an Edwards curve key; expected an RSA key")),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a] => Err(CryptoError::Key("an RSA key for PSS only")),
        _ => Err(CryptoError::Key("a key of another algorithm; expected an RSA key")),
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// A positive INTEGER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    der::element(der::INTEGER, &[sign, bytes])
}

/// AlgorithmIdentifier of rsaEncryption with NULL parameters.
const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// Shortest keys that `aws-lc-rs` takes.
const LIBRARY_BITS_LEAST: usize = 2048;
const ENCRYPTED: &str = "an encrypted private key; expected PKCS#8 or PKCS#1 without a password";
