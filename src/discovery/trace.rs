//! The discovery trace: what was asked, what came back, what was checked, in order. Every look-up keeps
//! one; `sluss lookup` shows it.

use super::bdxl::Asked;
use super::certpub::Published;
use super::smp::Signed;
use crate::model::{Problem, Timestamp};
use crate::pki::Certificate;
use serde::Serialize;

/// One step of a look-up.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Whether the answer was remembered.
    Cache {
        /// `hit`, `miss`, `passed-over` (asked for fresh) or `off`.
        outcome: &'static str,
        /// How long ago it was fetched.
        #[serde(skip_serializing_if = "Option::is_none")]
        age_seconds: Option<i64>,
    },
    /// A DNS question.
    Dns(Asked),
    /// The SMP's address that DNS led to.
    SmpAddress {
        /// Base address.
        url: String,
    },
    /// A question to the SMP.
    Smp {
        /// The whole address.
        url: String,
        /// HTTP status, where an answer came.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Bytes of the answer, or why there is none.
        answer: String,
    },
    /// The signature over the answer.
    Signature {
        /// Who signed.
        signer: CertificateView,
        /// Use and identifier of each algorithm.
        algorithms: Vec<(&'static str, String)>,
    },
    /// A certificate that was held against its trust anchors.
    Certificate {
        /// `smp`, `access-point`, `encryption` or `signing`.
        role: &'static str,
        /// Which.
        certificate: CertificateView,
        /// Whether it was accepted.
        trusted: bool,
    },
    /// What CertPub has.
    CertPub {
        /// All, those that cannot be read among them.
        certificates: Vec<PublishedView>,
    },
    /// Something compared.
    Check {
        /// What.
        what: &'static str,
        /// What was found.
        found: String,
        /// Whether it is as expected.
        ok: bool,
    },
}

/// A certificate in a trace or report.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CertificateView {
    /// Subject, RFC 4514.
    pub subject: String,
    /// Issuer, RFC 4514.
    pub issuer: String,
    /// SHA-256 of the DER.
    pub sha256: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

impl From<&Certificate> for CertificateView {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject().into(),
            issuer: certificate.issuer().into(),
            sha256: certificate.sha256(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

/// A published certificate in a trace or report.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PublishedView {
    /// `encryption` or `signing`.
    pub purpose: &'static str,
    /// The certificate.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateView>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl From<&Published> for PublishedView {
    fn from(published: &Published) -> Self {
        Self {
            purpose: published.purpose.word(),
            certificate: published.certificate.as_ref().ok().map(CertificateView::from),
            unreadable: published.certificate.as_ref().err().cloned(),
        }
    }
}

/// The steps of one look-up, as they happen.
#[derive(Debug, Default)]
pub(super) struct Steps(pub(super) Vec<Step>);

impl Steps {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn dns(&mut self, asked: Vec<Asked>) {
        self.0.extend(asked.into_iter().map(Step::Dns));
    }

    pub(super) fn signed(&mut self, signed: &Signed) {
        let signer = CertificateView::from(signed.signer().certificate());
        self.push(Step::Signature { signer: signer.clone(), algorithms: signed.algorithms().to_vec() });
        self.push(Step::Certificate { role: "smp", certificate: signer, trusted: true });
    }

    pub(super) fn certificate(&mut self, role: &'static str, certificate: &Certificate, trusted: bool) {
        self.push(Step::Certificate { role, certificate: certificate.into(), trusted });
    }

    pub(super) fn check(&mut self, what: &'static str, found: impl Into<String>, ok: bool) {
        self.push(Step::Check { what, found: found.into(), ok });
    }
}

/// Where the message would go.
#[derive(Clone, Debug, Serialize)]
pub struct RouteView {
    /// The receiving access point's address.
    pub url: String,
    /// Its party id: the common name of its certificate.
    pub party: String,
    /// Its certificate.
    pub certificate: CertificateView,
    /// What envelopes are sealed to, where CertPub was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealing_certificate: Option<CertificateView>,
}

/// A whole look-up: its steps, then the route or the first thing that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// Who was looked up.
    pub participant: String,
    /// For which document type, `scheme::identifier`.
    pub document_type: String,
    /// For which process, `scheme::identifier`.
    pub process: String,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub steps: Vec<Step>,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteView>,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}
