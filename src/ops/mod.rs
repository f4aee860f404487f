//! What the operator sees of the running program.

pub mod health;
mod lines;
pub mod log;
pub mod trace;
