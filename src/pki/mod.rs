//! Certificates: reading them, naming them, trusting them.

pub mod certificate;
pub mod keystore;
pub mod trust;

pub use certificate::{Certificate, CertificateError};
pub use keystore::Identity;
pub use trust::{Revocation, Role, Trust, TrustError, Trusted};
