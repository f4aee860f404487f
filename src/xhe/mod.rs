//! The envelope of SDK: Exchange Header Envelope (XHE) 1.0 under Digg's Kuverteringsprofil XHE 1.0.
//!
//! [`seal()`] and [`sign()`] make one, [`check()`] holds one against the schema and R1 to R14, [`verify()`]
//! its signature, and [`open()`] gives the payload of one that was verified. All of them read and write
//! streams: an envelope is never in memory as a whole.

mod check;
mod collect;
mod header;
mod open;
mod rules;
mod schema;
mod seal;
mod sign;
mod signature_schema;
mod verify;

pub use crate::model::{Finding, Severity};
pub use check::{Checked, Level, XheError, check};
pub use header::Header;
pub use open::{OpenError, Unsealed, open};
pub use seal::{SealError, seal};
pub use sign::sign;
pub use verify::{Signed, VerifyError, verify};
