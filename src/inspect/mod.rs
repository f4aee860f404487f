//! Verdicts on recorded bytes, for the offline commands: no network, no clock, no configuration.

pub mod smp;
pub mod xml;
