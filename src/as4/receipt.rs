//! AS4 receipts: ours for what we received, and the check of a peer's for what we sent (protocol.md 1.9).

use super::cause::RefusalCause;
use super::error::{EbmsError, Finding, Refusal};
use super::header::SignalContent;
use super::mime::SOAP_MEDIA;
use super::open::{self, Received, VerifiedSignal};
use super::sign::{self, Answer, SignError, Unit};
use crate::crypto;
use crate::model::{As4MessageId, Fault, Problem, SignedReference, Timestamp};
use crate::pki::Identity;
use crate::pki::{Certificate, Proven, Revocation, Role, Trust};
use crate::xml::algorithm::{Allow, Allowed};
use crate::xml::{dsig, ns};

/// Builds the signed AS4 receipt for a message: its ds:Reference elements whole, and nothing else in eb:Receipt, as Domibus wants it.
///
/// `reference_elements` are those of [`open::Opened`] or [`open::Attributed`]; `id` is the id of the receipt itself.
///
/// # Errors
///
/// [`SignError`] when our key does not sign.
pub fn build(
    received: &As4MessageId,
    reference_elements: &[String],
    identity: &Identity,
    id: &As4MessageId,
    at: Timestamp,
) -> Result<Answer, SignError> {
    let parts: String = reference_elements
        .iter()
        .map(|reference| format!("<ebbp:MessagePartNRInformation>{reference}</ebbp:MessagePartNRInformation>"))
        .collect();
    let content = format!(
        "<eb:Receipt><ebbp:NonRepudiationInformation xmlns:ebbp=\"{}\">{parts}</ebbp:NonRepudiationInformation></eb:Receipt>",
        ns::EBBP
    );
    // Each reference is canonical by itself. Only what it declares again, of what stands around it, would not be said twice.
    let again = AROUND.iter().any(|prefix| reference_elements.iter().any(|reference| reference.contains(prefix)));
    let unit = if again { Unit::WithForeign(&content) } else { Unit::Own(&content) };
    sign::signal(unit, Some(received), identity, id, at)
}

/// Declarations that stand around the references of a receipt.
const AROUND: [&str; 4] = [" xmlns:S12=", " xmlns:eb=", " xmlns:ebbp=", " xmlns:wsu="];

/// A valid AS4 receipt.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Its own message id.
    pub message_id: As4MessageId,
    /// When the peer made it.
    pub timestamp: Timestamp,
    /// Who signed it: the certificate of the route.
    pub signer: Certificate,
    /// The signature's octets.
    pub signature_value: Vec<u8>,
    /// What it repeats.
    pub references: Vec<SignedReference>,
    /// The SOAP envelope, as evidence.
    pub soap: String,
}

/// Why an answer is no valid AS4 receipt. Whether trying again helps is not decided here.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// A SOAP fault without ebMS error.
    #[error("the answer is a SOAP fault: {0}")]
    Fault(String),
    /// The answer is empty.
    #[error("the answer is empty; expected a signed AS4 receipt")]
    Missing,
    /// The references differ from what was sent.
    #[error("the receipt does not match the message: {0}")]
    Mismatch(String),
    /// It is about another message, or a receipt about none.
    #[error("the answer is about {}, expected message {expected}", .found.as_ref().map_or_else(|| "no message".to_owned(), |id| format!("message {id}")))]
    OtherMessage {
        /// The message it names.
        found: Option<String>,
        /// The message that was sent.
        expected: String,
    },
    /// The peer refused the message.
    #[error(
        "refused by the peer{}: {}",
        if *.signed { "" } else { ", which the answer does not prove" },
        .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Refused {
        /// Its errors.
        errors: Vec<EbmsError>,
        /// Whether the answer is signed with the certificate of the route and names the message that was sent: only then
        /// it may decide what becomes of the message.
        signed: bool,
    },
    /// The signature does not hold, or is another's.
    #[error("the receipt is not authentic: {0}")]
    Signature(Refusal),
    /// No AS4 message.
    #[error("the answer is no AS4 message: {0}")]
    Unreadable(Refusal),
    /// Not signed.
    #[error("the receipt is not signed")]
    Unsigned,
    /// A user message: a second message, where the first was to be answered.
    #[error("the answer is a user message; expected a signed AS4 receipt")]
    UserMessage,
}

impl ReceiptError {
    /// For people and programs on our side.
    pub fn problem(&self) -> Problem {
        let detail = format!("{self}; {}", self.remedy());
        let (code, kind, title) = match self {
            Self::Missing | Self::UserMessage => ("EBMS:0301", "MissingReceipt", "the peer gave no AS4 receipt"),
            Self::Refused { errors, .. } => {
                let code = errors.first().map_or("EBMS:0004", |e| e.code.as_str());
                let problem = Problem::new(Fault::Refused, "as4:RefusedByPeer", "the peer refused the message", detail)
                    .ebms(code);
                return if errors.iter().any(EbmsError::is_not_serviced) { problem.rule("AS4-2.5.c") } else { problem };
            }
            _ => ("EBMS:0302", "InvalidReceipt", "the peer's AS4 receipt is not valid"),
        };
        Problem::new(Fault::Refused, &format!("as4:{kind}"), title, detail).ebms(code).rule("BAS-2.14.1.t05")
    }

    /// What helps, on whose side.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Missing | Self::UserMessage => {
                "the peer's access point must answer the request itself, with a signed AS4 receipt"
            }
            Self::Fault(_) => "the log of the peer's access point says why it could not take the message",
            Self::Unreadable(_) => {
                "the address in SMP must be that of the peer's access point, and what stands before it must pass its answers on unchanged"
            }
            Self::Signature(refusal) if refusal.cause() == RefusalCause::Altered => {
                "the peer's access point, or what passes its answers on, changes the receipt after it is signed"
            }
            Self::Signature(refusal) if !matches!(refusal, Refusal::Authentication(_)) => refusal.remedy(),
            Self::Unsigned | Self::Signature(_) => {
                "the peer's access point must sign with the certificate that its endpoint has in SMP"
            }
            Self::Mismatch(_) => {
                "the peer's access point must repeat every reference of the signature, as it received them"
            }
            Self::OtherMessage { .. } => "the peer's access point must name in its answer the message that it answers",
            Self::Refused { errors, .. } if errors.iter().any(EbmsError::is_not_serviced) => {
                "the recipient's entry in SMP leads to an access point that does not serve it for this document type: one of both is wrong"
            }
            Self::Refused { .. } => "what the error says is for the operator of the peer, or for us",
        }
    }
}

/// Checks that an answer is the recipient's receipt for exactly what was sent.
///
/// It is valid when it is signed with `certificate`, names the message `sent_id` and repeats each of `sent`, no more and no less.
/// Its time stamp is not compared with ours: clocks of access points differ, and nothing depends on it.
///
/// # Errors
///
/// [`ReceiptError::Refused`] when the peer answered with an ebMS error; the others name what is wrong with the receipt.
///
/// # Source
///
/// AS4 Profile 1.0, 5.1.8; BAS-2.14.1.t05.
pub fn check(
    content_type: Option<&str>,
    body: &[u8],
    sent: &[SignedReference],
    sent_id: &As4MessageId,
    certificate: &Certificate,
    at: Timestamp,
    allowed: &Allowed,
) -> Result<Receipt, ReceiptError> {
    // The route's certificate was trusted when the route was taken; here it is pinned.
    let trust = Trust {
        role: Role::AccessPoint,
        anchors: vec![certificate.clone()],
        revocation: Revocation::Unchecked,
        bits_least: if allowed.contains(&Allow::ShortKeys) { 1024 } else { 2048 },
        validity: false,
        proven: Proven::default(),
    };
    let signers = Signers { candidates: std::slice::from_ref(certificate), trust: &trust, only: Some(certificate) };
    let signal = judge(content_type, body, sent, sent_id, signers, at, allowed)?;
    match signal.signal.content {
        SignalContent::Errors(errors) => Err(ReceiptError::Refused { errors, signed: true }),
        SignalContent::Receipt(references) => Ok(Receipt {
            message_id: signal.signal.message_id,
            timestamp: signal.signal.timestamp,
            signer: certificate.clone(),
            signature_value: signal.signature_value,
            references,
            soap: signal.soap,
        }),
    }
}

/// Whose answer counts.
#[derive(Clone, Copy, Debug)]
pub struct Signers<'a> {
    /// Certificates that a key reference without certificate may mean.
    pub candidates: &'a [Certificate],
    /// Who may act as access point.
    pub trust: &'a Trust,
    /// The only one that may have signed, where one is pinned.
    pub only: Option<&'a Certificate>,
}

/// Reads an answer as the word of who was asked: its receipt for exactly what was sent, or its errors about that. All answers
/// are judged here, those of a running access point and recorded ones.
///
/// # Errors
///
/// [`ReceiptError`], for whatever decides nothing of the message.
pub fn judge(
    content_type: Option<&str>,
    body: &[u8],
    sent: &[SignedReference],
    sent_id: &As4MessageId,
    signers: Signers<'_>,
    at: Timestamp,
    allowed: &Allowed,
) -> Result<VerifiedSignal, ReceiptError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ReceiptError::Missing);
    }
    let received = match open::read(media(content_type), body) {
        Ok(received) => received,
        Err(refusal) => return Err(fault(body).map_or(ReceiptError::Unreadable(refusal), ReceiptError::Fault)),
    };
    let signal = verified(received, sent_id, signers, at, allowed)?;
    match &signal.signal.content {
        SignalContent::Receipt(references) => {
            same_message(signal.signal.ref_to.as_ref(), sent_id)?;
            same_references(sent, references)?;
        }
        SignalContent::Errors(errors) => {
            if !about(errors, signal.signal.ref_to.as_ref(), sent_id)? {
                return Err(ReceiptError::Refused { errors: errors.clone(), signed: false });
            }
        }
    }
    Ok(signal)
}

/// Verifies a signal. An error that is not authentic is still an error.
fn verified(
    received: Received<&[u8]>,
    sent_id: &As4MessageId,
    signers: Signers<'_>,
    at: Timestamp,
    allowed: &Allowed,
) -> Result<VerifiedSignal, ReceiptError> {
    let claimed = received.claimed_signal().cloned().ok_or(ReceiptError::UserMessage)?;
    let unsigned = received.signer_reference().is_none();
    let outcome = match received.verify_signal(signers.candidates, signers.trust, at, allowed) {
        Ok(signal) => match signal.signer.as_ref().map(|signer| by(signers.only, signer.certificate())) {
            Some(Ok(())) => return Ok(signal),
            Some(Err(refusal)) => ReceiptError::Signature(refusal),
            None => ReceiptError::Unsigned,
        },
        Err(_) if unsigned => ReceiptError::Unsigned,
        Err(refusal) => ReceiptError::Signature(refusal),
    };
    match claimed.content {
        SignalContent::Errors(errors) => {
            about(&errors, claimed.ref_to.as_ref(), sent_id)?;
            Err(ReceiptError::Refused { errors, signed: false })
        }
        SignalContent::Receipt(_) => Err(outcome),
    }
}

/// Checks who signed, where only one may have.
///
/// # Errors
///
/// [`Refusal::Authentication`] with both names.
pub fn by(only: Option<&Certificate>, signer: &Certificate) -> Result<(), Refusal> {
    let Some(only) = only.filter(|only| *only != signer) else { return Ok(()) };
    let name = |c: &Certificate| format!("{} ({})", c.subject(), c.sha256());
    let finding = Finding::new(format!("signed by {}", name(signer)), name(only));
    Err(Refusal::Authentication(finding.rule("BAS-2.14.1.t05")))
}

/// Whether errors name the message that was sent. Errors that name none may be of a peer that could not read the id, so they
/// are reported, and decide nothing.
///
/// # Errors
///
/// [`ReceiptError::OtherMessage`]: errors about another message say nothing of ours.
fn about(errors: &[EbmsError], ref_to: Option<&As4MessageId>, sent_id: &As4MessageId) -> Result<bool, ReceiptError> {
    let named: Vec<&As4MessageId> = ref_to.into_iter().chain(errors.iter().filter_map(|e| e.ref_to.as_ref())).collect();
    named.iter().try_for_each(|id| same_message(Some(id), sent_id))?;
    Ok(!named.is_empty())
}

/// The media type of an answer. Some peers send SOAP as other XML, or do not say what they send.
pub fn media(content_type: Option<&str>) -> &str {
    let given = content_type.unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let plain_xml = ["", "text/xml", "application/xml"].iter().any(|xml| essence.eq_ignore_ascii_case(xml));
    if plain_xml { SOAP_MEDIA } else { given }
}

/// Checks that a signal is about the message that was sent.
///
/// # Errors
///
/// [`ReceiptError::OtherMessage`].
fn same_message(ref_to: Option<&As4MessageId>, sent: &As4MessageId) -> Result<(), ReceiptError> {
    if ref_to == Some(sent) {
        return Ok(());
    }
    Err(ReceiptError::OtherMessage { found: ref_to.map(ToString::to_string), expected: sent.to_string() })
}

/// Checks that a receipt repeats exactly the references that were sent: URI, digest algorithm and digest octets. Order and
/// transforms are not compared (protocol.md 1.9).
///
/// # Errors
///
/// [`ReceiptError::Mismatch`] with the first that differs, is missing or too many.
fn same_references(sent: &[SignedReference], repeated: &[SignedReference]) -> Result<(), ReceiptError> {
    let same = |a: &SignedReference, b: &SignedReference| {
        a.uri == b.uri
            && a.algorithm == b.algorithm
            && matches!((dsig::base64(&a.digest), dsig::base64(&b.digest)), (Some(a), Some(b)) if crypto::equal(&a, &b))
    };
    if repeated.is_empty() {
        return Err(ReceiptError::Mismatch("it has no non-repudiation information".into()));
    }
    if let Some(missing) = sent.iter().find(|s| !repeated.iter().any(|r| same(s, r))) {
        let what = if repeated.iter().any(|r| r.uri == missing.uri) { "another digest for" } else { "no reference to" };
        return Err(ReceiptError::Mismatch(format!("{what} {}", missing.uri)));
    }
    let extra = repeated
        .iter()
        .enumerate()
        .find(|(n, r)| !sent.iter().any(|s| same(s, r)) || repeated[..*n].iter().any(|other| other.uri == r.uri));
    extra.map_or(Ok(()), |(_, r)| {
        Err(ReceiptError::Mismatch(format!("a reference to {} that was not sent, or twice", r.uri)))
    })
}

/// Code and reason of a plain SOAP fault.
fn fault(body: &[u8]) -> Option<String> {
    let tree = crate::xml::Tree::parse(body).ok()?;
    let fault = tree.root().child(ns::SOAP, "Body")?.child(ns::SOAP, "Fault")?;
    let text = |outer: &str, inner: &str| {
        let text = fault.child(ns::SOAP, outer).and_then(|n| n.child(ns::SOAP, inner)).map(|n| n.text());
        text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let said: Vec<String> = [text("Code", "Value"), text("Reason", "Text")].into_iter().flatten().collect();
    Some(Finding::new(said.join(": "), "").found)
}
