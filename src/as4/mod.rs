//! One AS4 exchange: eDelivery AS4 1.15 under Digg's transport profile.

pub mod error;
pub mod header;
mod mime;
pub mod pmode;
mod sign;
mod transfer;
