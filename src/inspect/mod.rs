//! Verdicts on recorded bytes, for the offline commands: no network, no clock, no configuration.

pub mod as4;
pub mod smp;
pub mod xml;
