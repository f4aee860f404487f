//! When certificates end, as metrics, pages and alarms tell it.

use super::Timestamp;
use std::time::Duration;

/// A certificate that ends sooner needs a person.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whether a certificate with this end has ended, or ends so soon that somebody has to act.
pub fn ends_soon(not_after: Timestamp, now: Timestamp) -> bool {
    not_after < now.saturating_add(SOON).unwrap_or(Timestamp::MAX)
}

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
    /// What helps.
    pub const REMEDY: &str = "order the next certificate, put it in place, and reload (SIGHUP)";

    /// As [`ends_soon`].
    pub fn is_soon(&self, now: Timestamp) -> bool {
        ends_soon(self.not_after, now)
    }
}

#[cfg(test)]
mod tests {
    use super::ends_soon;

    #[test]
    fn what_ends_within_thirty_days_needs_a_person_and_so_does_what_has_ended() {
        let now = "2026-11-23T22:00:00Z".parse().unwrap();
        let ends = ["2026-11-23T21:00:00Z", "2026-12-23T21:59:59Z", "2026-12-23T22:00:00Z"];
        assert_eq!(ends.map(|end| ends_soon(end.parse().unwrap(), now)), [true, true, false]);
    }
}
