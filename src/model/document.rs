//! Document types and processes (code lists KOD-G-1.2, KOD-G-1.3). Opaque texts: only the suffix of
//! the transport model is ever looked at (C-09, C-10).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A document type: scheme and identifier as in SMP.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
pub struct DocumentType {
    /// Identifier scheme.
    pub scheme: String,
    /// Identifier.
    pub value: String,
}

/// The scheme of all document types of the code list.
pub const DOCUMENT_SCHEME: &str = "busdox-docid-qns";
/// SDK message 3.0, transport model Utökad Bas.
pub const SDK_MESSAGE: &str =
    "urn:riv:infrastructure:messaging:MessageWithAttachments:3::messagePayload##3.0::tm-base-ext-sigenc";
/// SDK message 3.0, transport model Bas.
pub const SDK_MESSAGE_BASE: &str =
    "urn:riv:infrastructure:messaging:MessageWithAttachments:3::messagePayload##3.0::tm-base";
/// Message receipt, transport model Utökad Bas.
pub const MESSAGE_RECEIPT: &str = "urn:oasis:names:specification:ubl:schema:xsd:ApplicationResponse-2::ApplicationResponse##fdc:digg.se:edelivery:messagetype:response:1::2.1::tm-base-ext-sigenc";
/// Message receipt, transport model Bas.
pub const MESSAGE_RECEIPT_BASE: &str = "urn:oasis:names:specification:ubl:schema:xsd:ApplicationResponse-2::ApplicationResponse##fdc:digg.se:edelivery:messagetype:response:1::2.1::tm-base";

impl DocumentType {
    /// A document type of the code list's scheme.
    pub fn new(value: &str) -> Self {
        Self { scheme: DOCUMENT_SCHEME.into(), value: value.into() }
    }

    /// The SDK message, sealed.
    pub fn sdk_message() -> Self {
        Self::new(SDK_MESSAGE)
    }

    /// The message receipt of the sealed transport model.
    pub fn message_receipt() -> Self {
        Self::new(MESSAGE_RECEIPT)
    }

    /// Whether this is a message receipt of either transport model.
    pub fn is_message_receipt(&self) -> bool {
        self.scheme == DOCUMENT_SCHEME && (self.value == MESSAGE_RECEIPT || self.value == MESSAGE_RECEIPT_BASE)
    }

    /// The transport model by the identifier's suffix (C-10): `Some(true)` sealed, `Some(false)` base, `None` neither.
    pub fn is_sealed_model(&self) -> Option<bool> {
        if self.value.ends_with("::tm-base-ext-sigenc") {
            Some(true)
        } else if self.value.ends_with("::tm-base") {
            Some(false)
        } else {
            None
        }
    }

    /// The AS4 Action, `scheme::identifier` (AS4-2.3.1.c).
    pub fn action(&self) -> String {
        format!("{}::{}", self.scheme, self.value)
    }

    /// Splits an AS4 Action at the first `::`.
    pub fn from_action(action: &str) -> Option<Self> {
        let (scheme, value) = action.split_once("::")?;
        (!scheme.is_empty() && !value.is_empty()).then(|| Self { scheme: scheme.into(), value: value.into() })
    }
}

impl fmt::Display for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.scheme, self.value)
    }
}

/// A process: scheme and identifier as in SMP; the AS4 Service.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
pub struct ProcessId {
    /// Identifier scheme; `eb:Service/@type`.
    pub scheme: String,
    /// Identifier; `eb:Service`.
    pub value: String,
}

/// The scheme of processes (KOD-G-1.2, AS4-2.3.1.b).
pub const PROCESS_SCHEME: &str = "urn:fdc:digg.se:edelivery:process";
/// The only process of SDK.
pub const PROCESS: &str = "bdx:noprocess";

impl Default for ProcessId {
    fn default() -> Self {
        Self { scheme: PROCESS_SCHEME.into(), value: PROCESS.into() }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.scheme, self.value)
    }
}
