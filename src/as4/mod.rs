//! One AS4 exchange: eDelivery AS4 1.15 under Digg's transport profile.
//!
//! Out: [`pack()`] makes the body of an HTTP request, [`receipt::check`] reads the answer. In: [`read`], [`Received::verify`] and
//! [`Attributed::open`] take a request apart, [`receipt::build`] and [`error::build`] make the signed answer. Everything here is
//! synchronous and pure: time, random numbers, keys and places for large content are arguments.

mod algorithms;
mod cause;
mod envelope;
mod evidence;
pub mod error;
mod head;
pub mod header;
mod header_schema;
mod mime;
pub mod open;
mod pack;
mod part;
pub mod pmode;
pub mod receipt;
mod security;
mod sign;
mod stored;
mod transfer;
mod verify;

pub use algorithms::Algorithms;
pub use cause::RefusalCause;
pub use error::{EbmsError, Finding, Refusal};
pub use evidence::{SignedParts, signed_parts};
pub use head::Head;
pub use header::{Agreement, PartInfo, Party, Property, Signal, SignalContent, UserMessage};
pub use open::{
    Attributed, Authenticated, Claimed, Kind, Opened, OpenedPart, Received, Spool, VerifiedSignal, begun, read,
    read_within,
};
pub use pack::{Compression, Outgoing, OutgoingPart, PackError, Packed, PackedPiece, pack};
pub use pmode::Corners;
pub use receipt::{Receipt, ReceiptError};
pub use security::KeyReference;
pub use sign::{Answer, SignError};
