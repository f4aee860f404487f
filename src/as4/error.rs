//! ebMS errors: the table of codes (ebMS 3.0 Core, 6.7; AS4 Profile 1.0, 3.6), why we refuse a message,
//! and the signed answer that says so.

use super::cause::RefusalCause;
use super::sign::{self, Answer, SignError, Unit};
use crate::model::{As4MessageId, Fault, Problem, Timestamp};
use crate::pki::Identity;
use crate::xml::write;
use std::fmt;

/// One row of the table of errors. Peers' tables differ in the texts, so a code alone identifies (protocol.md 1.10).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EbmsCode {
    /// As `EBMS:0101`.
    pub code: &'static str,
    /// Short description.
    pub name: &'static str,
    /// `failure` or `warning`.
    pub severity: &'static str,
    /// Category.
    pub category: &'static str,
    /// Origin: the module that found it.
    pub origin: &'static str,
}

/// The errors of ebMS 3.0 and AS4.
pub const TABLE: [EbmsCode; 19] = [
    row("EBMS:0001", "ValueNotRecognized", "failure", "Content", "ebms"),
    row("EBMS:0002", "FeatureNotSupported", "warning", "Content", "ebms"),
    row("EBMS:0003", "ValueInconsistent", "failure", "Content", "ebms"),
    row("EBMS:0004", "Other", "failure", "Content", "ebms"),
    row("EBMS:0005", "ConnectionFailure", "failure", "Communication", "ebms"),
    row("EBMS:0006", "EmptyMessagePartitionChannel", "warning", "Communication", "ebms"),
    row("EBMS:0007", "MimeInconsistency", "failure", "Unpackaging", "ebms"),
    row("EBMS:0008", "FeatureNotSupported", "failure", "Unpackaging", "ebms"),
    row("EBMS:0009", "InvalidHeader", "failure", "Unpackaging", "ebms"),
    row("EBMS:0010", "ProcessingModeMismatch", "failure", "Processing", "ebms"),
    row("EBMS:0011", "ExternalPayloadError", "failure", "Content", "ebms"),
    row("EBMS:0101", "FailedAuthentication", "failure", "Processing", "security"),
    row("EBMS:0102", "FailedDecryption", "failure", "Processing", "security"),
    row("EBMS:0103", "PolicyNoncompliance", "failure", "Processing", "security"),
    row("EBMS:0201", "DysfunctionalReliability", "failure", "Processing", "reliability"),
    row("EBMS:0202", "DeliveryFailure", "failure", "Communication", "reliability"),
    row("EBMS:0301", "MissingReceipt", "failure", "Communication", "ebms"),
    row("EBMS:0302", "InvalidReceipt", "failure", "Communication", "ebms"),
    row("EBMS:0303", "DecompressionFailure", "failure", "Communication", "ebms"),
];

const fn row(
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    category: &'static str,
    origin: &'static str,
) -> EbmsCode {
    EbmsCode { code, name, severity, category, origin }
}

/// The row of `code`; a code of a peer that is not in the table has none.
pub fn lookup(code: &str) -> Option<&'static EbmsCode> {
    TABLE.iter().find(|row| row.code == code)
}

/// What was found where something else was expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// The specification's rule; none where that of the refusal says it all.
    pub rule: Option<&'static str>,
    /// Why, where that is narrower than the refusal.
    pub cause: Option<RefusalCause>,
}

impl Finding {
    /// A finding without rule. Texts of peers are cut, and control characters taken out: they go to logs and answers.
    pub fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: clip(&found.into()), expected: clip(&expected.into()), rule: None, cause: None }
    }

    /// Names the rule.
    #[must_use]
    pub fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Says why, where that is narrower than the refusal: it decides what helps.
    #[must_use]
    pub fn cause(mut self, cause: RefusalCause) -> Self {
        self.cause = Some(cause);
        self
    }
}

fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().filter(|c| !c.is_control()).take(FINDING_CHARS_MAX).collect();
    if text.chars().nth(FINDING_CHARS_MAX).is_some() {
        clipped.push('…');
    }
    clipped
}

/// Longest text of a finding, in characters.
const FINDING_CHARS_MAX: usize = 400;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

/// Why a received message is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The signature does not hold, or its signer is not trusted or not the sender (EBMS:0101).
    #[error("authentication failed: {0}")]
    Authentication(Finding),
    /// A part did not unpack (EBMS:0303).
    #[error("decompression failed: {0}")]
    Decompression(Finding),
    /// A part did not decrypt (EBMS:0102). One error for a wrong key and for damaged content; the hint is
    /// public (the name of the certificate that it was encrypted to) and stays with us.
    #[error("decryption failed{}", .hint.as_ref().map(|h| format!(": {h}")).unwrap_or_default())]
    Decryption {
        /// What the operator should know.
        hint: Option<String>,
    },
    /// A feature that this profile does not have (EBMS:0008).
    #[error("feature not supported: {0}")]
    Feature(Finding),
    /// The SOAP envelope or eb:Messaging is not valid (EBMS:0009).
    #[error("invalid header: {0}")]
    Header(Finding),
    /// Values that contradict each other (EBMS:0003).
    #[error("inconsistent values: {0}")]
    Inconsistent(Finding),
    /// A bound was passed (EBMS:0004).
    #[error("too large: {0}")]
    Limit(Finding),
    /// The MIME structure is wrong (EBMS:0007).
    #[error("wrong MIME structure: {0}")]
    Mime(Finding),
    /// The header does not match the transport profile (EBMS:0010).
    #[error("not according to the transport profile: {0}")]
    Mismatch(Finding),
    /// The addressed participant is not served here for this type of message (EBMS:0004, NOT_SERVICED).
    #[error("not served here: {0}")]
    NotServiced(Finding),
    /// Parts are missing, too many, or not in the message (EBMS:0011).
    #[error("wrong payload parts: {0}")]
    Payload(Finding),
    /// Not signed, not encrypted, or by an algorithm outside the profile (EBMS:0103).
    #[error("against the security policy: {0}")]
    Policy(Finding),
    /// The message id was used before, for another content (EBMS:0004).
    #[error("message id already used: {0}")]
    Reused(Finding),
    /// Our own trouble: storage, the connection. Trying again may help (EBMS:0004).
    #[error("temporary trouble: {0}")]
    Temporary(String),
    /// The body ended before the message did, or came too slowly (EBMS:0004).
    #[error("unfinished message: {0}")]
    Unfinished(Finding),
}

impl Refusal {
    /// The refusal of AS4-2.5.c: this participant is not served here for this type of message.
    pub fn not_serviced(participant: &str, action: &str) -> Self {
        Self::NotServiced(
            Finding::new(format!("{participant} for {action}"), "a participant and a message type served here")
                .rule("AS4-2.5.a"),
        )
    }

    /// The refusal of a body of which no more comes.
    pub fn unfinished(why: impl ToString) -> Self {
        Self::Unfinished(Finding::new(why.to_string(), "the whole body, as fast as this access point waits for it"))
    }

    /// The error of ebMS that the peer is told.
    pub fn ebms(&self) -> &'static EbmsCode {
        let code = match self {
            Self::Inconsistent(_) => "EBMS:0003",
            Self::Mime(_) => "EBMS:0007",
            Self::Feature(_) => "EBMS:0008",
            Self::Header(_) => "EBMS:0009",
            Self::Mismatch(_) => "EBMS:0010",
            Self::Payload(_) => "EBMS:0011",
            Self::Authentication(_) => "EBMS:0101",
            Self::Decryption { .. } => "EBMS:0102",
            Self::Policy(_) => "EBMS:0103",
            Self::Decompression(_) => "EBMS:0303",
            Self::Limit(_) | Self::NotServiced(_) | Self::Reused(_) | Self::Temporary(_) | Self::Unfinished(_) => {
                "EBMS:0004"
            }
        };
        lookup(code).unwrap_or(&TABLE[3])
    }

    /// Its code, as `EBMS:0101`.
    pub fn code(&self) -> &'static str {
        self.ebms().code
    }

    /// What was found and expected, where that can be said.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Authentication(f)
            | Self::Decompression(f)
            | Self::Feature(f)
            | Self::Header(f)
            | Self::Inconsistent(f)
            | Self::Limit(f)
            | Self::Mime(f)
            | Self::Mismatch(f)
            | Self::NotServiced(f)
            | Self::Payload(f)
            | Self::Policy(f)
            | Self::Reused(f)
            | Self::Unfinished(f) => Some(f),
            Self::Decryption { .. } | Self::Temporary(_) => None,
        }
    }

    /// The specification's rule: the finding's own, or the one that this kind of refusal stands for. None for our own trouble.
    pub fn rule(&self) -> Option<&'static str> {
        self.finding().and_then(|finding| finding.rule).or(match self {
            Self::Authentication(_) => Some("AS4-2.2.t14"),
            Self::Decompression(_) => Some("AS4-2.2.t08"),
            Self::Decryption { .. } => Some("AS4-2.2.t15"),
            Self::Feature(_) => Some("AS4-2.2.a"),
            Self::Header(_) => Some("AS4-2.2.t01"),
            Self::Inconsistent(_) | Self::Mismatch(_) => Some("AS4-2.3.1.p1"),
            Self::Limit(_) => Some("AS4-2.8.a"),
            Self::Mime(_) | Self::Payload(_) => Some("AS4-2.2.t04"),
            Self::NotServiced(_) => Some("AS4-2.5.a"),
            Self::Policy(_) => Some("AS4-2.10.p1"),
            Self::Reused(_) => Some("AS4-2.2.t17"),
            Self::Unfinished(_) => Some("AS4-2.2.t02"),
            Self::Temporary(_) => None,
        })
    }

    /// What happened, in a few words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Authentication(_) => "the message is not authentic",
            Self::Decompression(_) => "a part could not be unpacked",
            Self::Decryption { .. } => "a part could not be decrypted",
            Self::Feature(_) => "the message uses a feature that this profile does not have",
            Self::Header(_) => "the message header is not valid",
            Self::Inconsistent(_) => "the message contradicts itself",
            Self::Limit(_) => "the message is too large",
            Self::Mime(_) => "the MIME structure is wrong",
            Self::Mismatch(_) => "the header does not match the transport profile",
            Self::NotServiced(_) => "the recipient is not served here",
            Self::Payload(_) => "the parts are not those that the header names",
            Self::Policy(_) => "the message is not protected as the profile demands",
            Self::Reused(_) => "the message id was used before",
            Self::Temporary(_) => "the message could not be taken at present",
            Self::Unfinished(_) => "the message did not arrive whole",
        }
    }

    /// Why: the finding's own cause, or the usual one of this kind of refusal.
    pub fn cause(&self) -> RefusalCause {
        self.finding().and_then(|finding| finding.cause).unwrap_or(match self {
            Self::Authentication(_) => RefusalCause::Trust,
            Self::Decompression(_) => RefusalCause::Gzip,
            Self::Decryption { .. } => RefusalCause::Recipient,
            Self::Feature(_) => RefusalCause::Feature,
            Self::Header(_) | Self::Inconsistent(_) | Self::Mismatch(_) => RefusalCause::Configuration,
            Self::Limit(_) => RefusalCause::Size,
            Self::Mime(_) => RefusalCause::Mime,
            Self::NotServiced(_) => RefusalCause::NotServiced,
            Self::Payload(_) => RefusalCause::Parts,
            Self::Policy(_) => RefusalCause::Protection,
            Self::Reused(_) => RefusalCause::Reused,
            Self::Temporary(_) => RefusalCause::Later,
            Self::Unfinished(_) => RefusalCause::Unfinished,
        })
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        self.cause().remedy()
    }

    /// For people and programs on our side.
    pub fn problem(&self) -> Problem {
        let fault =
            if matches!(self, Self::Temporary(_) | Self::Unfinished(_)) { Fault::Temporary } else { Fault::Refused };
        let facts = match self {
            Self::Decryption { hint } => {
                let found = hint.as_deref().unwrap_or("content that does not decrypt with the key that it names");
                format!("found {found}, expected content encrypted to this access point and unchanged since")
            }
            Self::Temporary(what) => what.clone(),
            other => other.finding().map(ToString::to_string).unwrap_or_default(),
        };
        let kind = format!("as4:{}", self.ebms().name);
        let mut problem =
            Problem::new(fault, &kind, self.title(), format!("{facts}; {}", self.remedy())).ebms(self.code());
        problem.rule = self.rule().map(str::to_owned);
        problem
    }

    /// The text of `eb:ErrorDetail` for the peer.
    fn wire_detail(&self) -> String {
        match self {
            Self::NotServiced(_) => "NOT_SERVICED".into(),
            Self::Temporary(_) => "the message could not be taken at present, try again later".into(),
            // Nothing that depends on the key or the content.
            Self::Decryption { .. } => {
                format!("{} (rule {}); {}", self.title(), self.rule().unwrap_or_default(), self.remedy())
            }
            other => format!("{other} (rule {}); {}", self.rule().unwrap_or_default(), self.remedy()),
        }
    }
}

/// An ebMS error as a peer sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EbmsError {
    /// As `EBMS:0101`; also codes of products, which no table has.
    pub code: String,
    /// `failure` or `warning`.
    pub severity: String,
    /// Short description.
    pub short_description: Option<String>,
    /// Text of ErrorDetail, or else of Description.
    pub detail: Option<String>,
    /// The message in error.
    pub ref_to: Option<As4MessageId>,
}

impl EbmsError {
    /// Whether the peer says that this participant is not served there (AS4-2.5.c).
    pub fn is_not_serviced(&self) -> bool {
        self.code == "EBMS:0004" && self.detail.as_deref().is_some_and(|d| d.contains("NOT_SERVICED"))
    }

    /// Whether the peer has the message already, and only its receipt was lost (protocol.md 1.11).
    pub fn is_duplicate(&self) -> bool {
        let said = |text: &str| self.detail.as_deref().is_some_and(|d| d.to_lowercase().contains(text));
        self.code == "EBMS:4001"
            || (self.code == "EBMS:0004"
                && (said("already handled") || said("already processed") || said("duplicate message")))
    }
}

impl fmt::Display for EbmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code, self.severity)?;
        if let Some(name) = &self.short_description {
            write!(f, " {name}")?;
        }
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// Builds the signed error signal for a refused message (protocol.md 1.10: an unsigned one is not read by Domibus).
///
/// `ref_to` is the refused message's id, where it could be read; `id` is the id of the signal itself.
///
/// # Errors
///
/// [`SignError`] when our key does not sign.
pub fn build(
    refusal: &Refusal,
    ref_to: Option<&As4MessageId>,
    identity: &Identity,
    id: &As4MessageId,
    at: Timestamp,
) -> Result<Answer, SignError> {
    sign::signal(Unit::Own(&content(refusal, ref_to)), ref_to, identity, id, at)
}

/// The same error for a peer that could not be told from a stranger: whoever is not known gets no signature of ours.
pub fn unsigned(refusal: &Refusal, ref_to: Option<&As4MessageId>, id: &As4MessageId, at: Timestamp) -> Answer {
    sign::unsigned_signal(&content(refusal, ref_to), ref_to, id, at)
}

/// The eb:Error element.
fn content(refusal: &Refusal, ref_to: Option<&As4MessageId>) -> String {
    let row = refusal.ebms();
    let reference =
        ref_to.map(|r| format!(" refToMessageInError=\"{}\"", write::attribute(r.as_str()))).unwrap_or_default();
    format!(
        "<eb:Error category=\"{}\" errorCode=\"{}\" origin=\"{}\"{reference} severity=\"{}\" shortDescription=\"{}\">\
         <eb:Description xml:lang=\"en\">{}</eb:Description><eb:ErrorDetail>{}</eb:ErrorDetail></eb:Error>",
        row.category,
        row.code,
        row.origin,
        row.severity,
        row.name,
        write::text(refusal.title()),
        write::text(&refusal.wire_detail()),
    )
}
