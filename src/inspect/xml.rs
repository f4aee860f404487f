//! `sluss xml c14n` and `sluss xml verify`: canonical octets, and the verdict on an enveloped
//! signature with everything that was compared.

pub use super::Verdict;
use crate::crypto::PublicKey;
use crate::discovery::CertificateView;
use crate::limits;
use crate::model::{Fault, Problem, Timestamp};
use crate::pki::{Certificate, Proven, Revocation, Role, Trust};
use crate::xml::algorithm::{self, Allow, Allowed, Profile};
use crate::xml::c14n::{self as forms, Form, Method};
use crate::xml::dsig::{self, Candidate, DsigError, Enveloped, Reference, Signature};
use crate::xml::{Reader, Start, XmlError, ns};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::io::{self, Read, Write};

/// Shortest RSA key of a signer, in bits.
const KEY_BITS_LEAST: usize = 2048;

/// What `sluss xml c14n` is asked for.
#[derive(Clone, Debug)]
pub struct Canonical {
    /// The form.
    pub form: Form,
    /// `--with-comments`.
    pub comments: bool,
    /// `--prefixes`, separated by white space.
    pub prefixes: String,
    /// `--id`: the element with this `wsu:Id` or `Id`, instead of the document.
    pub id: Option<String>,
}

/// Writes the canonical octets of a document, as a stream, or of one of its elements.
///
/// # Errors
/// `Refused` where there is no canonical form or no such element; `Usage` for a PrefixList without
/// the exclusive form; `Temporary` where reading or writing fails.
pub fn c14n<R: Read, W: Write>(source: R, asked: &Canonical, out: W) -> Result<W, Problem> {
    let prefixes = forms::prefix_list(&asked.prefixes);
    if !prefixes.is_empty() && asked.form != Form::Exclusive {
        let detail = "--prefixes belongs to the exclusive form; add --exclusive";
        return Err(Problem::new(Fault::Usage, "usage", "Options that do not go together", detail));
    }
    let method = Method { form: asked.form, comments: asked.comments, prefixes };
    let written = match &asked.id {
        None => forms::document(Reader::new(source), &method, |_, _| false, out).map_err(DsigError::Xml),
        Some(id) => element(source, id, &method, out),
    };
    written.map_err(|error| problem(&error))
}

/// The element with this id, as it is read; two of them, or one with two ids, are found out at the end.
fn element<R: Read, W: Write>(source: R, id: &str, method: &Method, out: W) -> Result<W, DsigError> {
    let mut torn = false;
    let named = |start: &Start| {
        let (wsu, plain) = (start.attribute(ns::WSU, "Id"), start.attribute("", "Id"));
        let found = [wsu, plain].contains(&Some(id));
        torn |= found && wsu.is_some() && plain.is_some();
        found
    };
    let (out, found) = forms::element(Reader::new(source), method, named, out)?;
    let ambiguous = |what: String| Err(DsigError::AmbiguousId { id: id.to_owned(), what });
    match found {
        0 => Err(DsigError::Missing { uri: format!("#{id}") }),
        _ if torn => ambiguous("an element has it beside another Id".into()),
        1 => Ok(out),
        n => ambiguous(format!("{n} elements have it")),
    }
}

/// What `sluss xml verify` is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose algorithms are accepted.
    pub profile: Profile,
    /// What is accepted beyond them.
    pub allowed: Allowed,
    /// `--trust`.
    pub anchors: Vec<Certificate>,
    /// The time at which certificates are judged; `None`: whether they have ended is not asked, since a
    /// document is looked at years after it was signed.
    pub at: Option<Timestamp>,
    /// `--show`: the canonical forms too.
    pub show: bool,
}

/// What was compared for one reference.
#[derive(Clone, Debug, Serialize)]
pub struct ReferenceView {
    /// URI, `""` for the whole document.
    pub uri: String,
    /// Identifier of the digest.
    pub algorithm: String,
    /// Identifiers of the transforms, in order.
    pub transforms: Vec<String>,
    /// The digest of what is there, in Base64; absent where it could not be computed.
    pub found: Option<String>,
    /// The digest that was signed, in Base64.
    pub expected: String,
}

/// The octets that were digested and signed.
#[derive(Clone, Debug, Serialize)]
pub struct CanonicalView {
    /// SignedInfo, over which the signature value is.
    pub signed_info: String,
    /// The document without the signature, cut at a mebibyte.
    pub document: String,
    /// Bytes of the document's form.
    pub document_bytes: u64,
}

/// What `sluss xml verify --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is refused.
    pub error: Option<Problem>,
    /// Whose certificate verified the signature, trusted or not.
    pub signer: Option<CertificateView>,
    /// SignatureMethod of the signature that is described here.
    pub signature_algorithm: Option<String>,
    /// CanonicalizationMethod of SignedInfo.
    pub canonicalization: Option<String>,
    /// What was compared.
    pub references: Vec<ReferenceView>,
    /// The canonical forms, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical: Option<CanonicalView>,
}

/// Judges the enveloped signature of a document of any size, which `open` gives anew for each pass.
/// The verdict is that of [`dsig::verify_enveloped`] and [`Trust::check`]; the rest describes the
/// signature that was judged, and decides nothing. Revocation cannot be known offline.
pub fn verify<R: Read>(open: impl Fn() -> io::Result<R>, question: &Question) -> Report {
    let mut report = Report {
        verdict: Verdict::Refuse,
        error: None,
        signer: None,
        signature_algorithm: None,
        canonicalization: None,
        references: Vec::new(),
        canonical: None,
    };
    let judged = dsig::verify_enveloped(&open, key_of, question.profile, &question.allowed);
    let index = judged.as_ref().map(|enveloped| enveloped.index).ok();
    match judged.map_err(|error| problem(&error)).and_then(|enveloped| trusted(&enveloped, question, &mut report)) {
        Ok(()) => report.verdict = Verdict::Accept,
        Err(problem) => report.error = Some(problem),
    }
    // What cannot be described has been refused already.
    let _ = describe(&open, index, question, &mut report);
    report
}

fn key_of(der: &[u8]) -> Option<PublicKey> {
    Certificate::from_der(der).ok().map(|certificate| certificate.public_key().clone())
}

fn trusted(enveloped: &Enveloped, question: &Question, report: &mut Report) -> Result<(), Problem> {
    let refused = |detail: String| Problem::new(Fault::Refused, "signer-not-trusted", "Signer not trusted", detail);
    let signer = Certificate::from_der(&enveloped.certificate).map_err(|error| refused(error.to_string()))?;
    report.signer = Some(CertificateView::from(&signer));
    let others: Vec<Certificate> = enveloped.others.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let trust = Trust {
        role: Role::Participant,
        anchors: question.anchors.clone(),
        revocation: Revocation::Unchecked,
        bits_least: if question.allowed.contains(&Allow::ShortKeys) { 0 } else { KEY_BITS_LEAST },
        validity: question.at.is_some() && !question.allowed.contains(&Allow::Expired),
        proven: Proven::default(),
    };
    // The certificate itself was named: whoever looks at bytes says whom to believe, whatever it is marked as (C-50).
    if question.at.is_none() && question.anchors.contains(&signer) {
        return Ok(());
    }
    let trusted = trust
        .check(&signer, &others, question.at.unwrap_or(signer.not_before()))
        .and_then(|trusted| trusted.may_sign());
    trusted.map_err(|error| refused(error.to_string()))
}

/// Describes the signature that was accepted, or the first one.
fn describe<R: Read>(
    open: impl Fn() -> io::Result<R>,
    index: Option<usize>,
    question: &Question,
    report: &mut Report,
) -> Result<(), DsigError> {
    let candidates = dsig::candidates(open().map_err(XmlError::Io)?)?;
    let chosen = candidates.iter().find(|candidate| index.is_none_or(|index| candidate.index == index));
    let Some(candidate) = chosen else { return Ok(()) };
    let signature = Signature::parse(candidate.tree.root(), question.profile, &question.allowed)?;
    report.signature_algorithm = Some(signature.method_uri.clone());
    report.canonicalization = Some(algorithm::c14n_uri(&signature.method).to_owned());
    for reference in &signature.references {
        let source = open().map_err(XmlError::Io)?;
        let found = dsig::digest_without(source, candidate.index, &reference.method(), reference.digest)?;
        report.references.push(reference_view(candidate, reference, &found));
    }
    if question.show
        && let Some(reference) = signature.references.first()
    {
        let signed_info = String::from_utf8_lossy(&signature.signed_octets(&candidate.tree)?).into_owned();
        report.canonical = Some(canonical(open().map_err(XmlError::Io)?, candidate.index, reference, signed_info)?);
    }
    Ok(())
}

fn reference_view(candidate: &Candidate, reference: &Reference, found: &[u8]) -> ReferenceView {
    let node = candidate.tree.node(reference.node);
    let transforms = node.descendants().filter(|node| node.local() == "Transform");
    ReferenceView {
        uri: reference.uri.clone(),
        algorithm: reference.digest_uri.clone(),
        transforms: transforms.filter_map(|node| node.attribute("", "Algorithm")).map(str::to_owned).collect(),
        found: Some(STANDARD.encode(found)),
        expected: STANDARD.encode(&reference.value),
    }
}

fn canonical<R: Read>(
    source: R,
    index: usize,
    reference: &Reference,
    signed_info: String,
) -> Result<CanonicalView, DsigError> {
    let own = |at: usize, start: &Start| at == index && start.local == "Signature";
    let shown = forms::document(Reader::new(source), &reference.method(), own, Cut::default())?;
    let document = String::from_utf8_lossy(&shown.kept).into_owned();
    Ok(CanonicalView { signed_info, document, document_bytes: shown.bytes })
}

/// Keeps the beginning of what is written and counts the rest.
#[derive(Default)]
struct Cut {
    kept: Vec<u8>,
    bytes: u64,
}

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = limits::ENVELOPE_FRAME_BYTES_MAX.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wrong, as the command line says it.
fn problem(error: &DsigError) -> Problem {
    let (kind, title) = match error {
        DsigError::Algorithm(_) => ("algorithm-not-accepted", "Algorithm not accepted"),
        DsigError::AmbiguousId { .. } => ("ambiguous-id", "Id not unique"),
        DsigError::Digest { .. } => ("digest-mismatch", "Digest does not match"),
        DsigError::Missing { .. } => ("missing-id", "Reference to nothing"),
        DsigError::Value => ("signature-invalid", "Signature does not hold"),
        DsigError::Xml(XmlError::Io(error)) => {
            return Problem::new(Fault::Temporary, "io", "Reading or writing failed", error.to_string());
        }
        DsigError::Xml(_) => ("xml-not-accepted", "XML not accepted"),
        _ => ("signature-structure", "Signature of another structure"),
    };
    Problem::new(Fault::Refused, kind, title, error.to_string())
}
