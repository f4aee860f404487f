//! What the envelopes of SDK carry: the message (MessageWithAttachments 3.0, B1.3.3) and the message
//! receipt (UBL ApplicationResponse, Meddelandekvittens 1.0). Neither knows the envelope or any key.

pub mod agreement;
pub mod message;
pub mod receipt;

pub use crate::model::{Finding, Severity};
