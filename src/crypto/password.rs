//! Passwords as Argon2id hashes (RFC 9106), in PHC strings that carry their own parameters and salt.

use super::{CryptoError, Random};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

/// Memory of one hash, in KiB: 19 MiB, OWASP's parameters (19 MiB, 2 passes, 1 lane).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Salt and hash, in bytes (RFC 9106, 3.1 and 4).
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The Argon2id hash of a password with a fresh salt, as a PHC string. Takes 19 MiB and some hundredths of a second.
///
/// # Errors
///
/// [`CryptoError::Unsupported`] where the library refuses its parameters.
pub fn hash_password(password: &[u8], random: &dyn Random) -> Result<String, CryptoError> {
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt);
    let hash = hasher()?.hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| CryptoError::Unsupported("Argon2id"))
}

/// Whether a password has this hash. Takes as long for a wrong one; a text that is no Argon2id hash is nobody's.
pub fn password_matches(password: &[u8], phc: &str) -> bool {
    let (Ok(hasher), Ok(hash)) = (hasher(), PasswordHash::new(phc)) else { return false };
    hash.algorithm.as_str() == "argon2id" && hasher.verify_password(password, &hash).is_ok()
}

/// A hash that no password has, which costs as much to compare with as a real one.
///
/// # Errors
///
/// As [`hash_password`].
pub fn unmatchable_password(random: &dyn Random) -> Result<String, CryptoError> {
    let mut unknown = [0; HASH_BYTES];
    random.fill(&mut unknown);
    hash_password(&unknown, random)
}

fn hasher() -> Result<Argon2<'static>, CryptoError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES));
    let params = params.map_err(|_| CryptoError::Unsupported("parameters of Argon2id"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::super::SystemRandom;
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_and_no_other() {
        let hash = hash_password("häst batteri klammer".as_bytes(), &SystemRandom).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(password_matches("häst batteri klammer".as_bytes(), &hash));
        assert!(!password_matches("häst batteri klammeR".as_bytes(), &hash));
        assert_ne!(hash, hash_password("häst batteri klammer".as_bytes(), &SystemRandom).unwrap(), "salted");
    }

    #[test]
    fn what_is_no_argon2id_hash_matches_nothing() {
        let decoy = unmatchable_password(&SystemRandom).unwrap();
        for phc in ["", "x", "$argon2d$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g", decoy.as_str()] {
            assert!(!password_matches(b"", phc) && !password_matches(b"x", phc), "{phc}");
        }
    }

    /// RFC 9106, 5.3 has secret and associated data; this vector is of the reference implementation's test.c.
    #[test]
    fn the_reference_implementation_agrees() {
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(password_matches(b"password", phc) && !password_matches(b"Password", phc));
    }
}
