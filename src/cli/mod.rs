//! (to come)
pub mod files;
pub mod output;
pub mod remote;
