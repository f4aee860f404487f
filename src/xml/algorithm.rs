//! The one table of algorithms: identifier, what it is, and whether the profile takes it.

use super::c14n::Method;
use crate::crypto::{HashFunction, Oaep};
use std::collections::BTreeSet;

/// What tests and old partners may be allowed beyond the profile (`--allow`). Empty is the profile.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "the names are those of the command line")]
pub enum Allow { RsaSha1, RsaSha384, RsaSha512, OaepMgf1p, Aes256Gcm, ShortKeys, Expired, Unsigned, Unencrypted, UnknownRevocation }
impl std::str::FromStr for Allow { type Err = String;
    fn from_str(_name: &str) -> Result<Self, String> { todo!() } }
/// A set of them.
pub type Allowed = BTreeSet<Allow>;

/// An algorithm that is not in the profile, by name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{usage} algorithm {found} is not accepted; expected {expected}")]
pub struct NotAccepted { /// What it was for.
    pub usage: &'static str, /// The identifier found.
    pub found: String, /// The identifiers accepted.
    pub expected: &'static str }

/// Which profile asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile { /// WS-Security in AS4 (eDelivery AS4 1.15).
    As4, /// The envelope (Kuverteringsprofil XHE).
    Xhe, /// Service metadata (OASIS SMP 1.0).
    Smp }

/// SignatureMethod -> hash of RSA PKCS#1 v1.5.
pub fn signature(_uri: &str, _profile: Profile, _allowed: &Allowed) -> Result<HashFunction, NotAccepted> { todo!() }
/// DigestMethod of a reference.
pub fn digest(_uri: &str, _profile: Profile, _allowed: &Allowed) -> Result<HashFunction, NotAccepted> { todo!() }
/// Canonicalisation by identifier; `None` where the identifier is none. Prefixes stay empty.
pub fn c14n(_uri: &str) -> Option<Method> { todo!() }
/// Key transport: EncryptionMethod, DigestMethod and MGF of an EncryptedKey.
pub fn key_transport(_uri: &str, _digest: Option<&str>, _mgf: Option<&str>, _profile: Profile, _allowed: &Allowed) -> Result<Oaep, NotAccepted> { todo!() }
/// Content encryption -> key length in bytes.
pub fn content(_uri: &str, _profile: Profile, _allowed: &Allowed) -> Result<usize, NotAccepted> { todo!() }
