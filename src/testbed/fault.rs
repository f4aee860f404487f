//! Faults made on purpose, each until it is cleared.

use super::TestbedError;
use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every DNS question is answered with SERVFAIL.
    DnsDown,
    /// DNS leads to an SMP that nobody answers for.
    DnsWrong,
    /// DNS knows nothing of a participant.
    DnsUnregistered,
    /// The SMP answers with HTTP status 503.
    SmpDown,
    /// The SMP alters metadata after signing it.
    MetadataAltered,
    /// An access point is registered at an address where nobody answers.
    ReceiverUnreachable,
    /// What is sent to an access point arrives, and the connection breaks before its receipt.
    ReceiptLost,
    /// An access point is registered with a certificate that has expired.
    CertificateExpired,
    /// An access point is registered with a certificate of another environment.
    CertificateForeign,
    /// An access point's certificate is on the revocation list.
    CertificateRevoked,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::DnsDown,
        Self::DnsWrong,
        Self::DnsUnregistered,
        Self::SmpDown,
        Self::MetadataAltered,
        Self::ReceiverUnreachable,
        Self::ReceiptLost,
        Self::CertificateExpired,
        Self::CertificateForeign,
        Self::CertificateRevoked,
    ];

    /// The word of the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::DnsDown => "dns-down",
            Self::DnsWrong => "dns-wrong",
            Self::DnsUnregistered => "dns-unregistered",
            Self::SmpDown => "smp-down",
            Self::MetadataAltered => "metadata-altered",
            Self::ReceiverUnreachable => "receiver-unreachable",
            Self::ReceiptLost => "receipt-lost",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateForeign => "certificate-foreign",
            Self::CertificateRevoked => "certificate-revoked",
        }
    }

    /// What it is about, where it needs a name: `participant` or `access point`.
    pub fn subject(self) -> Option<&'static str> {
        match self {
            Self::DnsDown | Self::DnsWrong | Self::SmpDown | Self::MetadataAltered => None,
            Self::DnsUnregistered => Some("participant"),
            _ => Some("access point"),
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = TestbedError;

    fn from_str(text: &str) -> Result<Self, TestbedError> {
        Self::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| TestbedError::Unknown {
            what: "fault",
            found: text.into(),
            expected: Self::ALL.map(Self::word).join(", "),
        })
    }
}
