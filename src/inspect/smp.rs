//! `sluss smp check`: the verdict on recorded service metadata, with no daemon and no network.

pub use super::Verdict;
use crate::discovery::certpub::Purpose;
use crate::discovery::smp::{self, Endpoint, Metadata, SmpError};
use crate::discovery::{CertificateView, PublishedView};
use crate::model::document::{MESSAGE_RECEIPT, MESSAGE_RECEIPT_BASE, SDK_MESSAGE, SDK_MESSAGE_BASE};
use crate::model::{DocumentType, Fault, Problem, ProcessId, Timestamp};
use crate::pki::{Certificate, Proven, Revocation, Role, Trust};
use serde::Serialize;

/// Shortest RSA key of a signer, in bits.
const KEY_BITS_LEAST: usize = 2048;

/// What the metadata is held against. What is not given is not asked, but for document type and
/// process: there it is SDK's.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Scheme and value of the participant.
    pub participant: Option<(String, String)>,
    /// The document type.
    pub document_type: Option<DocumentType>,
    /// The process.
    pub process: Option<ProcessId>,
}

impl Question {
    /// From the `SCHEME::ID` texts of the command line.
    ///
    /// # Errors
    ///
    /// A text without `::`.
    pub fn from_texts(
        participant: Option<&str>,
        document_type: Option<&str>,
        process: Option<&str>,
    ) -> Result<Self, Problem> {
        let pair = |text: Option<&str>, option: &str| text.map(|text| split(text, option)).transpose();
        Ok(Self {
            participant: pair(participant, "--participant")?,
            document_type: pair(document_type, "--document-type")?
                .map(|(scheme, value)| DocumentType { scheme, value }),
            process: pair(process, "--process")?.map(|(scheme, value)| ProcessId { scheme, value }),
        })
    }
}

fn split(text: &str, option: &str) -> Result<(String, String), Problem> {
    match text.split_once("::") {
        Some((scheme, value)) if !scheme.is_empty() && !value.is_empty() => Ok((scheme.into(), value.into())),
        _ => Err(Problem::new(
            Fault::Usage,
            "identifier",
            "Not an identifier with its scheme",
            format!("{option}: found {text:?}, expected SCHEME::ID, as in iso6523-actorid-upis::0203:a.example.se"),
        )),
    }
}

/// An endpoint as it is written in the metadata.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointView {
    /// Its address.
    pub address: String,
    /// The access point's certificate. It is not held against `--trust`, which is for the SMP.
    pub certificate: Option<CertificateView>,
    /// Why the certificate cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// `scheme::identifier`.
    pub process: String,
    /// The transport profile.
    pub transport_profile: String,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Timestamp>,
    /// Not at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Timestamp>,
    /// Whether the time asked lies between them.
    pub in_force: bool,
}

/// CertPub's certificates, as published.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CertPubView {
    /// Envelopes are sealed to these.
    pub encryption: Vec<PublishedView>,
    /// Envelopes are signed by these.
    pub signing: Vec<PublishedView>,
}

/// What `smp check --json` prints. With the verdict `refuse`, what else it says is what was found, verified or not.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is refused.
    pub error: Option<Problem>,
    /// Whose certificate verified the signature.
    pub signer: Option<CertificateView>,
    /// The participant, `scheme::identifier`.
    pub participant: Option<String>,
    /// The document type, `scheme::identifier`.
    pub document_type: Option<String>,
    /// The endpoint to use.
    pub endpoint: Option<EndpointView>,
    /// All endpoints.
    pub endpoints: Vec<EndpointView>,
    /// Published certificates.
    pub certpub: CertPubView,
}

/// Checks a SignedServiceMetadata as [`crate::discovery::Discovery`] would at time `at`: signature, signer under
/// `anchors`, participant, document type, process, transport profile. Revocation cannot be known offline.
pub fn check(bytes: &[u8], anchors: Vec<Certificate>, question: &Question, at: Timestamp) -> Report {
    let trust = Trust {
        role: Role::Smp,
        anchors,
        revocation: Revocation::Unchecked,
        bits_least: KEY_BITS_LEAST,
        validity: true,
        proven: Proven::default(),
    };
    let mut report = described(bytes, at);
    match judge(bytes, &trust, question, at, &mut report) {
        Ok(endpoint) => {
            report.verdict = Verdict::Accept;
            report.endpoint = Some(endpoint);
        }
        Err(error) => report.error = Some(problem(&error)),
    }
    report
}

/// What the document says, with a verdict still to come.
fn described(bytes: &[u8], at: Timestamp) -> Report {
    let metadata = smp::parse(bytes).ok();
    let metadata = metadata.as_ref();
    let endpoints = metadata.map(|metadata| endpoints(metadata, at)).unwrap_or_default();
    Report {
        verdict: Verdict::Refuse,
        error: None,
        signer: None,
        participant: metadata.map(|metadata| format!("{}::{}", metadata.participant_scheme, metadata.participant)),
        document_type: metadata.map(|metadata| metadata.document_type.to_string()),
        endpoint: None,
        endpoints,
        certpub: metadata.map(certpub).unwrap_or_default(),
    }
}

fn judge(
    bytes: &[u8],
    trust: &Trust,
    question: &Question,
    at: Timestamp,
    report: &mut Report,
) -> Result<EndpointView, SmpError> {
    let enveloped = smp::verify_signature(bytes)?;
    report.signer = Certificate::from_der(&enveloped.certificate).ok().as_ref().map(CertificateView::from);
    smp::check_signer(&enveloped, trust, at)?;
    let metadata = smp::parse(bytes)?;
    if let Some((scheme, value)) = &question.participant {
        metadata.is_of(scheme, value)?;
    }
    match &question.document_type {
        Some(document_type) => metadata.is_about(document_type)?,
        None => is_of_sdk(&metadata)?,
    }
    let process = question.process.clone().unwrap_or_default();
    let endpoint = metadata.select(&process, at)?;
    if let Err(what) = &endpoint.certificate {
        return Err(SmpError::EndpointCertificate { address: endpoint.address.clone(), what: what.clone() });
    }
    Ok(view(&process, endpoint, at))
}

fn is_of_sdk(metadata: &Metadata) -> Result<(), SmpError> {
    let ours = [SDK_MESSAGE, MESSAGE_RECEIPT, SDK_MESSAGE_BASE, MESSAGE_RECEIPT_BASE].map(DocumentType::new);
    if ours.contains(&metadata.document_type) {
        return Ok(());
    }
    Err(SmpError::DocumentType {
        found: metadata.document_type.to_string(),
        expected: "the SDK message or the message receipt, where no other is asked for".into(),
    })
}

fn endpoints(metadata: &Metadata, at: Timestamp) -> Vec<EndpointView> {
    let of_process = |process: &smp::Process| {
        process.endpoints.iter().map(|endpoint| view(&process.id, endpoint, at)).collect::<Vec<_>>()
    };
    metadata.processes.iter().flat_map(of_process).collect()
}

fn view(process: &ProcessId, endpoint: &Endpoint, at: Timestamp) -> EndpointView {
    EndpointView {
        address: endpoint.address.clone(),
        certificate: endpoint.certificate.as_ref().ok().map(CertificateView::from),
        unreadable: endpoint.certificate.as_ref().err().cloned(),
        process: process.to_string(),
        transport_profile: endpoint.transport_profile.clone(),
        activation: endpoint.activation,
        expiration: endpoint.expiration,
        in_force: endpoint.in_force(at),
    }
}

fn certpub(metadata: &Metadata) -> CertPubView {
    let of = |purpose| {
        metadata
            .published
            .iter()
            .filter(move |published| published.purpose == purpose)
            .map(PublishedView::from)
            .collect()
    };
    CertPubView { encryption: of(Purpose::Encryption), signing: of(Purpose::Signing) }
}

fn problem(error: &SmpError) -> Problem {
    let (kind, title) = error.title();
    Problem::new(Fault::Refused, kind, title, format!("{error}; {}", error.remedy())).rule(error.rule())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn vectors() -> Option<PathBuf> {
        let shared = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
        let folder =
            shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared")).join("vectors/smp");
        if folder.exists() {
            return Some(folder);
        }
        println!("skipped: {} is not here", folder.display());
        None
    }

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn checked(folder: &Path, file: &str, question: &Question) -> Report {
        let anchor = Certificate::from_pem(&std::fs::read(folder.join("phoss-smp-ca.pem")).unwrap()).unwrap();
        check(&std::fs::read(folder.join(file)).unwrap(), vec![anchor], question, now())
    }

    fn rule(report: &Report) -> &str {
        assert_eq!(report.verdict, Verdict::Refuse);
        report.error.as_ref().unwrap().rule.as_deref().unwrap()
    }

    #[test]
    fn service_metadata_of_phoss_smp_is_accepted_and_read() {
        let Some(folder) = vectors() else { return };
        let question = Question::from_texts(
            Some("iso6523-actorid-upis::0203:Kommun-A.example.se"),
            Some(&DocumentType::sdk_message().to_string()),
            Some(&ProcessId::default().to_string()),
        )
        .unwrap();
        for question in [Question::default(), question] {
            let report = checked(&folder, "phoss-servicemetadata.xml", &question);
            assert_eq!(report.verdict, Verdict::Accept, "{:?}", report.error);
            let signer = Certificate::from_pem(&std::fs::read(folder.join("phoss-smp.pem")).unwrap()).unwrap();
            assert_eq!(report.signer, Some(CertificateView::from(&signer)));
            let endpoint = report.endpoint.unwrap();
            assert_eq!(endpoint.address, "https://ap.kommun-a.example.se/as4");
            let access_point = Certificate::from_pem(&std::fs::read(folder.join("phoss-ap.pem")).unwrap()).unwrap();
            assert_eq!(endpoint.certificate, Some(CertificateView::from(&access_point)));
            assert_eq!(report.endpoints.len(), 1);
        }
    }

    #[test]
    fn certificates_of_certpub_are_found_by_namespace() {
        let Some(folder) = vectors() else { return };
        let report = checked(&folder, "phoss-certpub.xml", &Question::default());
        assert_eq!(report.verdict, Verdict::Accept, "{:?}", report.error);
        for published in [&report.certpub.encryption, &report.certpub.signing] {
            assert_eq!(published.len(), 1);
            let subject = &published[0].certificate.as_ref().unwrap().subject;
            assert!(subject.starts_with("CN=sdk.kommun-a.example.se"), "{subject}");
        }
    }

    #[test]
    fn a_redirect_is_refused_although_its_signature_holds() {
        let Some(folder) = vectors() else { return };
        let report = checked(&folder, "phoss-redirect.xml", &Question::default());
        assert_eq!(rule(&report), "SMP-2.11.p1");
        assert!(report.signer.is_some());
    }

    #[test]
    fn another_question_than_the_one_answered_is_refused() {
        let Some(folder) = vectors() else { return };
        let ask = |participant, document_type, process| {
            let question = Question::from_texts(participant, document_type, process).unwrap();
            rule(&checked(&folder, "phoss-servicemetadata.xml", &question)).to_owned()
        };
        assert_eq!(ask(Some("iso6523-actorid-upis::0203:kommun-b.example.se"), None, None), "CERTPUB-REST-2.2.t02");
        assert_eq!(ask(Some("other-scheme::0203:kommun-a.example.se"), None, None), "CERTPUB-REST-2.2.t02");
        let in_capitals = DocumentType::sdk_message().to_string().to_uppercase();
        assert_eq!(ask(None, Some(&in_capitals), None), "AP-3.1.3.b");
        assert_eq!(ask(None, None, Some("urn:fdc:digg.se:edelivery:process::other")), "AP-3.1.3.b");
    }

    #[test]
    fn metadata_that_was_altered_or_signed_by_others_is_refused() {
        let Some(folder) = vectors() else { return };
        for file in ["oasis-reformatted.xml", "peppol-digest-mismatch.xml"] {
            assert_eq!(rule(&checked(&folder, file, &Question::default())), "CERTPUB-REST-3.1.p1", "{file}");
        }
        let foreign = Certificate::from_pem(&std::fs::read(folder.join("phoss-ap.pem")).unwrap()).unwrap();
        let bytes = std::fs::read(folder.join("phoss-servicemetadata.xml")).unwrap();
        assert_eq!(rule(&check(&bytes, vec![foreign], &Question::default(), now())), "AS4-2.10.f");
        let altered = String::from_utf8(bytes).unwrap().replace("https://ap.kommun-a", "https://ap.kommun-b");
        let anchor = Certificate::from_pem(&std::fs::read(folder.join("phoss-smp-ca.pem")).unwrap()).unwrap();
        assert_eq!(rule(&check(altered.as_bytes(), vec![anchor], &Question::default(), now())), "CERTPUB-REST-3.1.p1");
    }

    #[test]
    fn an_identifier_without_its_scheme_is_wrong_usage() {
        let problem = Question::from_texts(Some("0203:a.example.se"), None, None).unwrap_err();
        assert_eq!(problem.exit_status(), 2);
    }
}
