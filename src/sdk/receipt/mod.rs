//! The message receipt: [`build()`] writes one, [`check()`] reads one.

mod build;
mod cause;
mod check;
mod schema;

pub use build::{NewReceipt, build};
pub use cause::{Cause, CauseCode, Outcome};
pub use check::{CheckedReceipt, MessageReceipt, ReceiptError, check};

/// CustomizationID (KVITT-3.1.a, R3-APP).
pub const CUSTOMIZATION: &str = "urn:fdc:digg.se:edelivery:messagetype:response:1";
/// ProfileID (KVITT-3.1.b, R4-APP).
pub const PROFILE: &str = "bdx:noprocess";
