//! The AS4 receipt that came, held against every form in which the message was sent.

use super::{SendError, store_damaged};
use crate::as4::ReceiptError;
use crate::as4::receipt::{self, Receipt};
use crate::crypto;
use crate::model::{As4MessageId, As4ReceiptSummary, EarlierForm, Packing, SignedReference, Timestamp};
use crate::net::client::Fetched;
use crate::pki::Certificate;
use crate::xml::algorithm::Allowed;

/// An answer, and what it is held against.
pub(super) struct Answered<'a> {
    pub(super) answer: &'a Fetched,
    pub(super) sent_id: &'a As4MessageId,
    pub(super) at: Timestamp,
    pub(super) allowed: &'a Allowed,
}

impl Answered<'_> {
    /// The AS4 receipt of what was sent now. A receiver that had the message already, and whose AS4 receipt was lost, gives the
    /// first one again: that is for the form of that time, where the message was encrypted anew since. Then one for an earlier
    /// form is as good: it is signed with the certificate that this was encrypted to, or with one that the receiver had later.
    ///
    /// # Errors
    ///
    /// Those of the check against what was sent now, where no earlier form fits either.
    pub(super) fn receipt(&self, packing: &Packing) -> Result<(As4ReceiptSummary, Certificate), SendError> {
        let current = certificate(&packing.certificate)?;
        let now = self.check(&packing.references, &current);
        let Err(ReceiptError::Mismatch(_) | ReceiptError::Signature(_)) = &now else {
            return Ok(summary(now?, None));
        };
        let mut later = vec![current];
        for form in packing.earlier.iter().rev() {
            later.push(certificate(&form.certificate)?);
            if let Some(receipt) = later.iter().find_map(|signer| self.check(&form.references, signer).ok()) {
                return Ok(summary(receipt, Some(form)));
            }
        }
        Ok(summary(now?, None))
    }

    fn check(&self, sent: &[SignedReference], signer: &Certificate) -> Result<Receipt, ReceiptError> {
        let kind = self.answer.content_type.as_deref();
        receipt::check(kind, &self.answer.body, sent, self.sent_id, signer, self.at, self.allowed)
    }
}

fn certificate(pem: &str) -> Result<Certificate, SendError> {
    Certificate::from_pem(pem.as_bytes()).map_err(|error| SendError::Own(store_damaged(&error.to_string())))
}

fn summary(receipt: Receipt, earlier: Option<&EarlierForm>) -> (As4ReceiptSummary, Certificate) {
    let signer = receipt.signer;
    let summary = As4ReceiptSummary {
        signed_by: signer.subject().to_owned(),
        certificate_sha256: signer.sha256(),
        signature: crypto::hex(&receipt.signature_value),
        references_matched: true,
        sent_at: None,
        sent_until: earlier.map(|form| form.until),
        soap: receipt.soap,
    };
    (summary, signer)
}

/// The certificate that signed `receipt`, in PEM: one of those that the message was encrypted to.
pub(super) fn signer(packing: &Packing, receipt: &As4ReceiptSummary) -> Option<String> {
    let signed = |pem: &&str| {
        Certificate::from_pem(pem.as_bytes()).is_ok_and(|found| found.sha256() == receipt.certificate_sha256)
    };
    packing.certificates().find(signed).map(str::to_owned)
}
