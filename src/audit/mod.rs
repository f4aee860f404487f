//! What the event log is worth to others (AP-3.4.1): anchors kept elsewhere, the chain held against them, and evidence of one
//! message for a third party.

mod anchor;
mod package;
mod verify;

pub use anchor::{Anchor, AnchorError, append, read};
pub use package::{PackageError, Signing, Source, Summary, export};
pub use verify::{Expected, Finding, Verified, verify};
