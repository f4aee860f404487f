//! What is particular to one partner: an old implementation, a slow clock, another patience.

use super::Retry;
use crate::limits;
use crate::xml::algorithm::Allowed;
use std::time::Duration;

/// What one partner may do that others may not. The default is the profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partner {
    /// Algorithms beyond the profile.
    pub allowed: Allowed,
    /// Largest SOAP part, in bytes.
    pub soap_bytes_max: usize,
    /// How far its `eb:Timestamp` may lie ahead of our clock.
    pub timestamp_ahead_max: Duration,
    /// How far it may lie behind.
    pub timestamp_behind_max: Duration,
    /// When messages to it are tried again, where it is another than for all.
    pub retry: Option<Retry>,
}

impl Default for Partner {
    fn default() -> Self {
        Self {
            allowed: Allowed::new(),
            soap_bytes_max: limits::SOAP_BYTES_MAX,
            timestamp_ahead_max: limits::TIMESTAMP_AHEAD_MAX,
            timestamp_behind_max: limits::TIMESTAMP_BEHIND_MAX,
            retry: None,
        }
    }
}
