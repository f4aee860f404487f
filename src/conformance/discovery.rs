//! The suite of signed service metadata.

use super::{Case, Judged};
use crate::inspect::Certificate;
use crate::inspect::smp::{Question, Report, Verdict, check};
use crate::model::{DocumentType, Timestamp};

/// What a case may expect: a verdict, or the last part of the problem's URN.
pub(super) const EXPECTATIONS: [&str; 11] = [
    "accept",
    "smp-malformed",
    "smp-signature",
    "smp-signer",
    "smp-redirect",
    "smp-other-participant",
    "smp-other-document-type",
    "process-not-offered",
    "no-endpoint",
    "endpoint-not-in-force",
    "endpoint-certificate",
];

/// Who is asked about, and who signs.
const PARTICIPANT: &str = "iso6523-actorid-upis::0203:a.example.se";
const SIGNER: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/discovery/signer.pem"));
/// When.
const AT: &str = "2027-11-23T12:00:00Z";
/// Where every accepted case leads.
const ADDRESS: &str = "https://ap.example.se/as4";

/// Service metadata for one question.
pub(super) fn judge(case: &Case) -> Result<Judged, String> {
    let anchor = Certificate::from_pem(SIGNER).map_err(|error| error.to_string())?;
    let document_type = DocumentType::sdk_message().to_string();
    let question = Question::from_texts(Some(PARTICIPANT), Some(&document_type), None).map_err(|e| e.to_string())?;
    let at: Timestamp = AT.parse().map_err(|_| format!("{AT} is no time"))?;
    let report = check(&case.input, vec![anchor], &question, at);
    let (word, detail) = outcome(&report);
    let published = format!("encryption {}, signing {}", report.certpub.encryption.len(), report.certpub.signing.len());
    let met = word == case.get("expect")
        && (word != "accept" || detail == ADDRESS)
        && case.header.get("certpub").is_none_or(|expected| *expected == published);
    let found = if met { word } else { format!("{word}; {published}: {detail}") };
    Ok(Judged { found, met })
}

/// The word of the list, and what to show.
fn outcome(report: &Report) -> (String, String) {
    if report.verdict == Verdict::Accept {
        return ("accept".into(), report.endpoint.as_ref().map(|e| e.address.clone()).unwrap_or_default());
    }
    let Some(problem) = &report.error else { return ("refuse".into(), "no reason".into()) };
    (problem.kind.rsplit(':').next().unwrap_or_default().to_owned(), problem.detail.clone())
}
