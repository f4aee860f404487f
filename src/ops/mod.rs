//! What the operator sees of the running program.

pub mod health;
pub mod log;
pub mod trace;
