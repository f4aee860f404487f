//! Identifiers. Each is a type of its own, so that none is taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The identifier scheme of participants (XHE-2.2.t08, CERTPUB-REST-2.2.t02).
pub const PARTICIPANT_SCHEME: &str = "iso6523-actorid-upis";

/// Longest identifier taken, in characters.
const ID_CHARS_MAX: usize = 256;

/// Why a text is no identifier.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}: found {found:?}, expected {expected}")]
pub struct IdError {
    /// Which identifier.
    pub what: &'static str,
    /// The text.
    pub found: String,
    /// The form.
    pub expected: &'static str,
}

/// A participant of the federation (C1, C4), for example `0203:digg.se`, under the scheme
/// [`PARTICIPANT_SCHEME`]. Compared without regard to case (C-11), shown as given.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParticipantId(String);

impl ParticipantId {
    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: the form that is hashed, looked up and compared.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// Without the ICD, as it names folders: `0203:a.se` is `a.se`.
    pub fn local(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, local)| local)
    }
}

impl FromStr for ParticipantId {
    type Err = IdError;

    /// ICD 0007, 0088 or 0203, a colon and 1 to 250 characters of `[A-Za-z0-9.-_]` (KOD-G-1.4).
    fn from_str(text: &str) -> Result<Self, IdError> {
        let fault = || IdError {
            what: "participant",
            found: text.chars().take(ID_CHARS_MAX).collect(),
            expected: "an ISO 6523 code (0203, 0007 or 0088), a colon and an identifier, as in 0203:digg.se",
        };
        let (icd, local) = text.split_once(':').ok_or_else(fault)?;
        let sound = ["0203", "0007", "0088"].contains(&icd)
            && !local.is_empty()
            && text.len() <= ID_CHARS_MAX
            && !local.starts_with('.')
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        sound.then(|| Self(text.to_owned())).ok_or_else(fault)
    }
}

impl TryFrom<String> for ParticipantId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ParticipantId> for String {
    fn from(id: ParticipantId) -> Self {
        id.0
    }
}

impl PartialEq for ParticipantId {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for ParticipantId {}

impl std::hash::Hash for ParticipantId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl PartialOrd for ParticipantId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ParticipantId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares an identifier that is an opaque, non-empty text of bounded length.
macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let sound = !text.is_empty()
                    && text.chars().count() <= ID_CHARS_MAX
                    && text.bytes().all(|b| (0x20..0x7f).contains(&b));
                sound.then(|| Self(text.to_owned())).ok_or_else(|| IdError {
                    what: $what,
                    found: text.chars().take(ID_CHARS_MAX).collect(),
                    expected: "1 to 256 printable ASCII characters",
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id!(
    /// An access point in AS4: the common name of its certificate, as `AP0040-SDK-PROD` (AS4-2.3.1.j).
    PartyId, "party id"
);
opaque_id!(
    /// `eb:MessageId` (AS4-2.2.t09): ours is `uuid@party`, a peer's any printable text (C-02).
    As4MessageId, "AS4 message id"
);
opaque_id!(
    /// The id of an XHE envelope (XHE-2.2.t03): ours is a UUID, a peer's any printable text (C-03).
    EnvelopeId, "envelope id"
);

impl EnvelopeId {
    /// From a new UUID.
    pub fn from_uuid(id: uuid::Uuid) -> Self {
        Self(id.to_string())
    }

    /// The form for comparing: UUIDs are compared without regard to case (C-03).
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl As4MessageId {
    /// `uuid@party`, for a new user message or signal of `party`.
    pub fn new(id: uuid::Uuid, party: &PartyId) -> Self {
        let host: String = party
            .as_str()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' })
            .collect();
        Self(format!("{id}@{}", host.to_lowercase()))
    }
}

/// Our own id of a message in the store; ordered by time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub uuid::Uuid);

impl MessageId {
    /// A new id, later than those before it.
    pub fn now() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::parse_str(text).map(Self).map_err(|_| IdError {
            what: "message id",
            found: text.chars().take(ID_CHARS_MAX).collect(),
            expected: "a UUID as printed by `sluss send` and `sluss queue list`, whose --id finds a message by its other ids",
        })
    }
}

/// The name of a stored payload file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(transparent)]
pub struct BlobId(pub uuid::Uuid);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}
