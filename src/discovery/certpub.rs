//! CertPub: a participant's own certificates, published as extensions of its service metadata. They
//! are SMP 2.0 elements inside an SMP 1.0 document (C-52), and servers rewrite prefixes, so they
//! are found by namespace, never by prefix. Endpoint certificates are the access point's: another matter.

use super::smp::read_certificate;
use crate::model::Timestamp;
use crate::pki::{Certificate, Trust, TrustError};
use crate::xml::{Node, ns};

/// ExtensionID of a published certificate (CERTPUB-REST-2.2.t03, KOD-T-1.4).
pub const EXTENSION_ID: &str = "urn:fdc:digg.se:edelivery:xml-extension:smp-certpub:1.0";
/// TypeCode of a certificate that signs envelopes (KOD-T-1.5).
pub const SIGNING: &str = "urn:fdc:digg.se:edelivery:certpub:signing-cert";
/// TypeCode of a certificate to which envelopes are sealed (KOD-T-1.5).
pub const ENCRYPTION: &str = "urn:fdc:digg.se:edelivery:certpub:encryption-cert";

/// What a published certificate is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It signs envelopes and message receipts.
    Signing,
    /// Envelopes are sealed to it.
    Encryption,
}

impl Purpose {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Encryption => "encryption",
        }
    }
}

/// One certificate of CertPub.
#[derive(Clone, Debug)]
pub struct Published {
    /// What it is for.
    pub purpose: Purpose,
    /// The certificate, or why it cannot be read: another one beside it may still serve.
    pub certificate: Result<Certificate, String>,
}

/// Why CertPub gives no certificate for a purpose.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertPubError {
    /// None is published.
    #[error("no {purpose} certificate is published")]
    None {
        /// For what.
        purpose: &'static str,
    },
    /// None of those published can be read.
    #[error("the published {purpose} certificate cannot be read: {what}")]
    Unreadable {
        /// For what.
        purpose: &'static str,
        /// What is wrong.
        what: String,
    },
    /// None of those published is trusted (XHE-3.5.a, C-50).
    #[error("the published {purpose} certificate is not trusted: {source}")]
    NotTrusted {
        /// For what.
        purpose: &'static str,
        /// What is wrong with the newest.
        source: TrustError,
    },
}

/// The certificates of a ServiceInformation, in the order of the document. Other extensions and other
/// type codes are passed over.
pub(super) fn read(service_information: Node<'_>) -> Vec<Published> {
    let extensions = service_information.all(ns::SMP, "Extension");
    extensions
        .filter(|extension| text(*extension, ns::SMP, "ExtensionID").as_deref() == Some(EXTENSION_ID))
        .flat_map(|extension| extension.all(ns::SMC, "Certificate").filter_map(published).collect::<Vec<_>>())
        .collect()
}

fn published(certificate: Node<'_>) -> Option<Published> {
    let purpose = match text(certificate, ns::SMB, "TypeCode")?.as_str() {
        SIGNING => Purpose::Signing,
        ENCRYPTION => Purpose::Encryption,
        _ => return None,
    };
    let content =
        text(certificate, ns::SMB, "ContentBinaryObject").ok_or_else(|| "there is no ContentBinaryObject".to_owned());
    Some(Published { purpose, certificate: content.and_then(|content| read_certificate(&content)) })
}

fn text(node: Node<'_>, ns: &str, local: &str) -> Option<String> {
    node.child(ns, local).map(|child| child.text().trim().to_owned())
}

/// The newest encryption certificate that is trusted at `at` (C-53 OUT).
///
/// # Errors
///
/// [`CertPubError`]: of the newest one, where none will do.
pub fn sealing(published: &[Published], trust: &Trust, at: Timestamp) -> Result<Certificate, CertPubError> {
    let mut certificates = usable(published, Purpose::Encryption, trust, at)?;
    Ok(certificates.swap_remove(0))
}

/// Every signing certificate that is trusted at `at`, newest first (C-53 IN: any of them may have signed).
///
/// # Errors
///
/// [`CertPubError`]: of the newest one, where none will do.
pub fn signing(published: &[Published], trust: &Trust, at: Timestamp) -> Result<Vec<Certificate>, CertPubError> {
    usable(published, Purpose::Signing, trust, at)
}

/// Those that will do, newest first; never empty.
fn usable(
    published: &[Published],
    purpose: Purpose,
    trust: &Trust,
    at: Timestamp,
) -> Result<Vec<Certificate>, CertPubError> {
    let word = purpose.word();
    let mut readable = Vec::new();
    let mut failure = CertPubError::None { purpose: word };
    for entry in published.iter().filter(|entry| entry.purpose == purpose) {
        match &entry.certificate {
            Ok(certificate) => readable.push(certificate),
            Err(what) => failure = CertPubError::Unreadable { purpose: word, what: what.clone() },
        }
    }
    readable.sort_by_key(|certificate| std::cmp::Reverse(certificate.not_before()));
    let mut failures = Vec::new();
    let mut good = Vec::new();
    for certificate in readable {
        match check(certificate, purpose, trust, at) {
            Ok(certificate) => good.push(certificate),
            Err(error) => failures.push(error),
        }
    }
    if good.is_empty() { Err(failures.into_iter().next().unwrap_or(failure)) } else { Ok(good) }
}

fn check(
    certificate: &Certificate,
    purpose: Purpose,
    trust: &Trust,
    at: Timestamp,
) -> Result<Certificate, CertPubError> {
    let trusted = trust.check(certificate, &[], at).and_then(|trusted| {
        match purpose {
            Purpose::Signing => trusted.may_sign(),
            Purpose::Encryption => trusted.may_encrypt(),
        }
        .map(|()| trusted)
    });
    trusted
        .map(|trusted| trusted.certificate().clone())
        .map_err(|source| CertPubError::NotTrusted { purpose: purpose.word(), source })
}
