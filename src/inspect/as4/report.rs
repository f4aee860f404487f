//! What the offline AS4 commands print.

use crate::as4::{
    Algorithms, EbmsError, Opened, OpenedPart, Party, Property, ReceiptError, Received, SignalContent, UserMessage,
    VerifiedSignal,
};
pub use crate::inspect::Verdict;
use crate::model::{Problem, SignedReference, Timestamp};
use crate::pki::Trusted;
use serde::Serialize;
use std::io::Read;

/// What `sluss as4 open --json` prints. In a refusal, what the message says of itself is unverified.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct Report {
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PartyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<PartyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ValueView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mpc: Option<String>,
    pub properties: Vec<PropertyView>,
    pub parts: Vec<PartView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_reference: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<AlgorithmsView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorView>,
}

/// A party.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PartyView {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub role: String,
}

/// A value with its type.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct ValueView {
    pub value: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A message property.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PropertyView {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub value: String,
}

/// A part.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct PartView {
    pub href: String,
    pub mime: Option<String>,
    pub compressed: bool,
    pub bytes: u64,
    pub sha256: String,
}

/// Who signed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct SignerView {
    pub subject: String,
    pub sha256: String,
}

/// Algorithms by their identifiers.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct AlgorithmsView {
    pub signature: Option<String>,
    pub digest: Vec<String>,
    pub key_transport: Vec<String>,
    pub content: Vec<String>,
}

/// What a receipt repeats, or what a message signed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct ReceiptView {
    pub references: Vec<SignedReference>,
}

/// An ebMS error that the message carries.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the command line's contract")]
pub struct ErrorView {
    pub code: String,
    pub severity: String,
    pub short_description: Option<String>,
    pub detail: Option<String>,
}

impl ErrorView {
    fn of(error: &EbmsError) -> Self {
        Self {
            code: error.code.clone(),
            severity: error.severity.clone(),
            short_description: error.short_description.clone(),
            detail: error.detail.clone(),
        }
    }
}

impl Report {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            kind: None,
            error: None,
            message_id: None,
            ref_to: None,
            timestamp: None,
            conversation_id: None,
            from: None,
            to: None,
            service: None,
            action: None,
            mpc: None,
            properties: Vec::new(),
            parts: Vec::new(),
            signer: None,
            key_reference: None,
            algorithms: None,
            receipt: None,
            errors: Vec::new(),
        }
    }

    /// What a message says of itself, which nothing has proven yet.
    pub(super) fn claimed<R: Read>(received: &Received<R>) -> Self {
        let claimed = received.claimed();
        Self {
            kind: Some(received.kind().word()),
            message_id: Some(claimed.message_id.to_string()),
            ref_to: claimed.ref_to.as_ref().map(ToString::to_string),
            ..Self::new(Verdict::Accept)
        }
    }

    /// An answer that decides nothing, with the errors that it brings.
    pub(super) fn unanswered(mut self, error: &ReceiptError) -> Self {
        if let ReceiptError::Refused { errors, .. } = error {
            self.errors = errors.iter().map(ErrorView::of).collect();
        }
        self.refuse(error.problem())
    }

    pub(super) fn refuse(mut self, problem: Problem) -> Self {
        self.verdict = Verdict::Refuse;
        self.error = Some(problem);
        self
    }

    /// The exit status of the command line.
    pub fn exit_status(&self) -> u8 {
        self.error.as_ref().map_or(0, Problem::exit_status)
    }

    fn message(mut self, message: &UserMessage) -> Self {
        let party = |p: &Party| PartyView { id: p.id.clone(), kind: p.kind.clone(), role: p.role.clone() };
        let property =
            |p: &Property| PropertyView { name: p.name.clone(), kind: p.kind.clone(), value: p.value.clone() };
        self.message_id = Some(message.message_id.to_string());
        self.ref_to = message.ref_to.as_ref().map(ToString::to_string);
        self.timestamp = Some(message.timestamp);
        self.conversation_id = Some(message.conversation_id.clone());
        self.from = Some(party(&message.from));
        self.to = Some(party(&message.to));
        self.service = Some(ValueView { value: message.service.clone(), kind: message.service_type.clone() });
        self.action = Some(message.action.clone());
        self.mpc = message.mpc.clone();
        self.properties = message.properties.iter().map(property).collect();
        self
    }

    /// With the parts' SHA-256 in the order of the header.
    pub(super) fn opened(self, opened: &Opened, sha256: Vec<String>) -> Self {
        let part = |(p, sha256): (&OpenedPart, String)| PartView {
            href: p.href.clone(),
            mime: p.mime.clone(),
            compressed: p.compressed,
            bytes: p.bytes,
            sha256,
        };
        let mut report =
            self.message(&opened.message).security(opened.signer.as_ref(), opened.key_reference, &opened.algorithms);
        report.parts = opened.parts.iter().zip(sha256).map(part).collect();
        report
    }

    pub(super) fn signal(self, signal: &VerifiedSignal) -> Self {
        let mut report = self.security(signal.signer.as_ref(), signal.key_reference, &signal.algorithms);
        report.timestamp = Some(signal.signal.timestamp);
        match &signal.signal.content {
            SignalContent::Receipt(references) => report.receipt = Some(ReceiptView { references: references.clone() }),
            SignalContent::Errors(errors) => report.errors = errors.iter().map(ErrorView::of).collect(),
        }
        report
    }

    fn security(
        mut self,
        signer: Option<&Trusted>,
        key_reference: Option<&'static str>,
        algorithms: &Algorithms,
    ) -> Self {
        self.signer =
            signer.map(|s| SignerView { subject: s.certificate().subject().into(), sha256: s.certificate().sha256() });
        self.key_reference = key_reference;
        self.algorithms = Some(AlgorithmsView {
            signature: algorithms.signature.clone(),
            digest: algorithms.digest.clone(),
            key_transport: algorithms.key_transport.clone(),
            content: algorithms.content.clone(),
        });
        self
    }
}
