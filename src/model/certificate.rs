//! When certificates end, as metrics, pages and alarms tell it.

use super::Timestamp;
use std::time::Duration;

/// A certificate that ends sooner needs a person.
pub const CERTIFICATE_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// When a certificate ends.
#[derive(Clone, Debug)]
pub struct CertificateEnd {
    /// `access-point`, `participant`, `tls` or `anchor`.
    pub purpose: &'static str,
    /// Its subject.
    pub subject: String,
    /// Its end.
    pub not_after: Timestamp,
}

impl CertificateEnd {
    /// Whether it has ended, or ends within [`CERTIFICATE_SOON`].
    pub fn is_soon(&self, now: Timestamp) -> bool {
        self.not_after < now.saturating_add(CERTIFICATE_SOON).unwrap_or(Timestamp::MAX)
    }
}
