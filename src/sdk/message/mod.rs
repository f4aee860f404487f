//! The SDK message: [`build()`] writes one, [`check()`] reads one and says which receipt it gets, and
//! [`extract()`] gives one of its documents. All of them stream: files are never in memory as a whole.

mod build;
mod check;
mod content;
mod extract;
mod schema;
mod schematron;

pub use build::{BuildError, NewFile, NewMessage, Party, build};
pub use check::{CheckedMessage, check};
pub use content::file_name;
pub use extract::{ExtractError, extract};

use serde::Serialize;

/// Root of `organizationId` of a function address (MSG-SCH-8).
pub const FUNCTION_ADDRESS: &str = "urn:riv:infrastructure:messaging:functionalAddress";

/// Most characters of a label (MSG-SCH-6, and the schema for the other labels).
pub const LABEL_CHARS_MAX: usize = 256;

/// Media type that we give a ContentText, which is Markdown (MSG-4.3.3.2.t01).
pub const TEXT_MIME: &str = "text/markdown";

/// An identifier with the system that it belongs to (IIType).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Identifier {
    /// The system.
    pub root: String,
    /// The identifier in it.
    pub extension: String,
}

/// The header of a message that came, as it was written. Fields that are absent are empty or `None`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct MessageHeader {
    /// creationDateTime.
    pub created: String,
    /// messageId.
    pub message_id: String,
    /// conversationId.
    pub conversation_id: String,
    /// refToMessageId: the message it answers.
    pub ref_to: Option<String>,
    /// Subject.
    pub label: Option<String>,
    /// Whether the sender marked it as covered by secrecy.
    pub confidential: bool,
    /// The system that made it.
    pub generating_system: Option<Identifier>,
    /// recipientID.
    pub recipient: Identifier,
    /// Name of the recipient.
    pub recipient_label: Option<String>,
    /// Function address of the recipient.
    pub recipient_address: Option<Identifier>,
    /// senderID.
    pub sender: Identifier,
    /// Name of the sender.
    pub sender_label: Option<String>,
    /// Function address of the sender.
    pub sender_address: Option<Identifier>,
}
