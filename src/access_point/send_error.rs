//! Why an attempt to send failed, and whether trying again may help.

use crate::as4::{EbmsError, PackError, ReceiptError};
use crate::discovery::DiscoveryError;
use crate::model::{Fault, Problem};
use crate::net::NetError;

/// Why an attempt did not end with a valid AS4 receipt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The receiving access point answered, but not with a valid AS4 receipt.
    #[error(transparent)]
    Answer(#[from] ReceiptError),
    /// No route: SML, SMP, or the endpoint's certificate.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The access point could not be reached.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The message could not be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The envelope or our own store failed.
    #[error("{0}")]
    Own(Problem),
}

impl SendError {
    /// Whether trying again cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Answer(ReceiptError::Refused { errors, signed: true }) => errors.iter().any(is_final),
            Self::Answer(_) => false,
            Self::Discovery(error) => error.problem().fault == Fault::Refused,
            Self::Net(_) | Self::Own(_) => false,
            Self::Pack(_) => true,
        }
    }

    /// Whether the peer says that it has the message already: only its AS4 receipt was lost (protocol.md 1.11).
    pub(super) fn says_delivered(&self) -> bool {
        matches!(self, Self::Answer(ReceiptError::Refused { errors, signed: true }) if errors.iter().any(EbmsError::is_duplicate))
    }

    /// What was found, expected, and to be done.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Answer(error) => error.problem(),
            Self::Discovery(error) => error.problem(),
            Self::Net(error) => Problem::new(
                Fault::Temporary,
                "access-point-unreachable",
                "the receiving access point cannot be reached",
                format!("{error}; it is tried again by itself"),
            )
            .rule("AP-3.2.5.a")
            .ebms("EBMS:0005"),
            Self::Pack(error) => {
                Problem::new(Fault::Refused, "pack", "the AS4 message could not be packed", error.to_string())
            }
            Self::Own(problem) => problem.clone(),
        }
    }
}

/// Whether an ebMS error of a peer is about the message itself, so that the same bytes meet it again.
fn is_final(error: &EbmsError) -> bool {
    const MAY_PASS: [&str; 7] =
        ["EBMS:0004", "EBMS:0005", "EBMS:0006", "EBMS:0201", "EBMS:0202", "EBMS:0301", "EBMS:0302"];
    error.is_not_serviced() || (error.severity == "failure" && !MAY_PASS.contains(&error.code.as_str()))
}
