//! Why an attempt to send failed, and whether trying again may help.

use super::retry::after;
use super::spool::Unread;
use crate::as4::{EbmsError, PackError, ReceiptError};
use crate::discovery::DiscoveryError;
use crate::model::{Cause, Fault, Obstacle, Problem, Said, TRIED_AGAIN, Timestamp};
use crate::net::NetError;
use std::time::Duration;

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
    /// Our own store failed.
    #[error("{0}")]
    Own(Problem),
    /// Our disk no longer has the envelope as it was stored: it gets no better until somebody brings it back.
    #[error("{0}")]
    Damaged(Problem),
}

impl From<Unread> for SendError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Damaged(problem) => Self::Damaged(problem),
            Unread::Failed(problem) => Self::Own(problem),
        }
    }
}

impl SendError {
    /// What it is, for the table that says what follows from it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Answer(ReceiptError::Refused { errors, signed: true }) => refusal(errors),
            Self::Answer(ReceiptError::Refused { .. }) => Cause::EbmsUnproven,
            Self::Answer(ReceiptError::Missing | ReceiptError::UserMessage) => Cause::ReceiptMissing,
            Self::Answer(_) => Cause::ReceiptInvalid,
            Self::Discovery(error) => error.cause(),
            Self::Net(error) => error.cause(),
            Self::Pack(_) => Cause::Pack,
            Self::Own(_) => Cause::Own,
            Self::Damaged(_) => Cause::Damaged,
        }
    }

    /// Whose time it takes up.
    pub fn obstacle(&self) -> Obstacle {
        match self.cause() {
            Cause::DnsUnreachable
            | Cause::SmpUnreachable
            | Cause::SmpAnswer
            | Cause::SmpUnproven
            | Cause::RevocationUnknown => Obstacle::Lookup,
            Cause::Own | Cause::Damaged | Cause::Sending | Cause::Pack => Obstacle::Own,
            _ => Obstacle::Partner,
        }
    }

    /// Whether trying again cannot help.
    pub fn is_permanent(&self) -> bool {
        self.cause().is_for_good()
    }

    /// When the partner or the SMP asks to be tried again, where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Net(NetError::Status { status, retry_after, .. }) if Cause::says_when(*status) => *retry_after,
            Self::Discovery(DiscoveryError::SmpUnreachable { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// What the partner said, as far as that counts for all that wait for it, after a restart as well.
    pub(super) fn said(&self, steady: Timestamp) -> Option<Said> {
        match (self, self.retry_after()) {
            (Self::Net(_), Some(pause)) => Some(Said::NotBefore(after(steady, pause))),
            (Self::Net(_), None) => Some(Said::Nothing),
            _ => None,
        }
    }

    /// Whether the peer says that it has the message already: only its AS4 receipt was lost (protocol.md 1.11).
    pub(super) fn says_delivered(&self) -> bool {
        matches!(self, Self::Answer(ReceiptError::Refused { errors, signed: true }) if errors.iter().any(EbmsError::is_duplicate))
    }

    /// What was found, expected, and to be done.
    pub fn problem(&self) -> Problem {
        let told = self.cause().row().told;
        match self {
            // It says itself what helps.
            Self::Answer(error) => Problem { fault: self.cause().fault(), ..error.problem() },
            Self::Discovery(error) => error.problem(),
            Self::Net(error) => Problem::new(
                Fault::Temporary,
                "access-point-unreachable",
                "the receiving access point cannot be reached",
                format!("{error}; {TRIED_AGAIN}: {told}"),
            )
            .rule("AP-3.2.5.a")
            .ebms("EBMS:0005"),
            Self::Pack(error) => {
                Problem::new(Fault::Refused, "pack", "the AS4 message could not be packed", format!("{error}; {told}"))
            }
            Self::Own(problem) => problem.clone(),
            Self::Damaged(problem) => Problem { fault: self.cause().fault(), ..problem.clone() },
        }
    }
}

/// Of several ebMS errors the one that lasts longest counts.
fn refusal(errors: &[EbmsError]) -> Cause {
    let causes = errors.iter().map(|error| {
        if error.is_not_serviced() { Cause::NotServiced } else { Cause::of_ebms(&error.code, &error.severity) }
    });
    causes.max_by_key(|cause| cause.lasts()).unwrap_or(Cause::EbmsWarning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as4::{Finding, Refusal};
    use crate::discovery::smp::SmpError;
    use crate::xml::dsig::DsigError;

    fn refused(codes: &[(&str, &str, &str)], signed: bool) -> SendError {
        let error = |(code, severity, detail): &(&str, &str, &str)| EbmsError {
            code: (*code).to_owned(),
            severity: (*severity).to_owned(),
            short_description: None,
            detail: Some((*detail).to_owned()),
            ref_to: None,
        };
        SendError::Answer(ReceiptError::Refused { errors: codes.iter().map(error).collect(), signed })
    }

    fn smp(source: SmpError) -> SendError {
        DiscoveryError::Metadata { url: "https://smp.example.se/".into(), source }.into()
    }

    #[test]
    fn what_a_partner_or_an_smp_signs_may_end_a_message_and_nothing_else_of_it() {
        let lines = [
            (refused(&[("EBMS:0004", "failure", "NOT_SERVICED")], true), Cause::NotServiced, true),
            (refused(&[("EBMS:0004", "failure", "busy")], true), Cause::Ebms(4), false),
            (refused(&[("EBMS:0101", "failure", "")], true), Cause::Ebms(101), true),
            (refused(&[("EBMS:0101", "failure", "")], false), Cause::EbmsUnproven, false),
            (refused(&[("EBMS:0101", "warning", "")], true), Cause::EbmsWarning, false),
            (refused(&[("EBMS:0202", "failure", ""), ("EBMS:0009", "failure", "")], true), Cause::Ebms(9), true),
            (refused(&[("VENDOR:1", "failure", "")], true), Cause::EbmsUnknown, true),
            (refused(&[], true), Cause::EbmsWarning, false),
            (SendError::Answer(ReceiptError::Missing), Cause::ReceiptMissing, false),
            (SendError::Answer(ReceiptError::Unsigned), Cause::ReceiptInvalid, false),
            (SendError::Answer(ReceiptError::Fault("x".into())), Cause::ReceiptInvalid, false),
            (
                SendError::Answer(ReceiptError::Unreadable(Refusal::NotServiced(Finding::new("x", "y")))),
                Cause::ReceiptInvalid,
                false,
            ),
            (SendError::Own(Problem::new(Fault::Temporary, "store", "x", "y")), Cause::Own, false),
            (SendError::Damaged(Problem::new(Fault::Temporary, "store-damaged", "x", "y")), Cause::Damaged, true),
            (smp(SmpError::Signature(DsigError::Missing { uri: "x".into() })), Cause::SmpUnproven, false),
            (smp(SmpError::Redirect { href: "x".into() }), Cause::SmpUnproven, false),
            (smp(SmpError::Process { found: "x".into(), expected: "y".into() }), Cause::SmpMetadata, true),
            (DiscoveryError::Answer { url: "x".into(), what: "y".into() }.into(), Cause::SmpAnswer, false),
        ];
        for (error, cause, permanent) in lines {
            assert_eq!((error.cause(), error.is_permanent()), (cause, permanent), "{error:?}");
            assert_eq!(error.problem().fault == Fault::Refused, permanent, "{error:?}");
            let lookup = matches!(cause, Cause::SmpUnproven | Cause::SmpAnswer);
            assert_eq!(error.obstacle() == Obstacle::Lookup, lookup, "{error:?}");
            assert!(crate::metrics::GIVEN_UP.contains(&error.problem().cause()), "{error:?} has no series");
        }
    }

    #[test]
    fn only_who_is_busy_says_when_to_come_again_and_an_smp_for_no_message_but_its_own() {
        let after = Some(Duration::from_secs(90));
        let status = |status| SendError::Net(NetError::Status { host: "x".into(), status, retry_after: after });
        assert_eq!(status(503).retry_after(), after);
        assert_eq!(status(429).retry_after(), after);
        assert_eq!(status(500).retry_after(), None);
        assert!(status(500).problem().detail.ends_with(Cause::HttpFailed.row().told), "{}", status(500).problem());
        assert_eq!(SendError::Answer(ReceiptError::Missing).retry_after(), None);
        assert_eq!(
            status(503).said(Timestamp::UNIX_EPOCH),
            Some(Said::NotBefore("1970-01-01T00:01:30Z".parse().unwrap()))
        );
        let smp = DiscoveryError::SmpUnreachable { url: "x".into(), what: "y".into(), retry_after: after };
        let smp = SendError::Discovery(smp);
        assert_eq!((smp.retry_after(), smp.said(Timestamp::UNIX_EPOCH)), (after, None));
    }
}
