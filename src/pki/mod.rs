//! Certificates: reading them, naming them, trusting them.

pub mod certificate;
pub mod keystore;
mod name;
pub mod request;
pub mod trust;

pub use certificate::{Certificate, CertificateError};
pub use keystore::Identity;
pub use trust::{Proven, Revocation, Role, Trust, TrustError, Trusted};

/// SHA-256 of `bytes`, for modules that name things by digest and have no business with keys (BDXL names).
pub fn digest_sha256(bytes: &[u8]) -> Vec<u8> {
    crate::crypto::Digest::of(crate::crypto::HashFunction::Sha256, bytes)
}
