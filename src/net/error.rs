//! Why an exchange with another host did not succeed. Texts name the host, never path or query of
//! a URL: those may hold secrets.

use crate::model::Cause;
use std::error::Error;
use std::io;
use std::time::Duration;

/// A failed exchange, told apart by what has to change before it succeeds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The connection ended in the middle of an exchange.
    #[error("{host}: the connection broke: {reason}")]
    Broken {
        /// Host of the URL.
        host: String,
        /// What was seen.
        reason: String,
    },
    /// Nobody answers at that address.
    #[error("{host}: no connection: {reason}")]
    Connect {
        /// Host of the URL.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The host name has no address.
    #[error("{host}: the name was not resolved: {reason}")]
    Name {
        /// Host of the URL.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// Plain http to a place where it is not allowed.
    #[error("{host}: found http, expected https")]
    PlainHttp {
        /// Host of the URL.
        host: String,
    },
    /// The other side speaks no HTTP that we understand.
    #[error("{host}: not a valid HTTP answer: {reason}")]
    Protocol {
        /// Host of the URL.
        host: String,
        /// What was seen.
        reason: String,
    },
    /// What was to be sent could not be read.
    #[error("{host}: the content to be sent could not be read: {reason}")]
    Sending {
        /// Host of the URL.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The time allowed has passed.
    #[error("{host}: no answer within {} s", seconds.as_secs_f32())]
    TimedOut {
        /// Host of the URL.
        host: String,
        /// The time allowed.
        seconds: Duration,
    },
    /// TLS was not established: most often a certificate that the roots do not cover.
    #[error("{host}: TLS failed: {reason}")]
    Tls {
        /// Host of the URL.
        host: String,
        /// What rustls said.
        reason: String,
        /// What of it.
        failure: TlsFailure,
    },
    /// The answer is larger than allowed.
    #[error("{host}: the answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// Host of the URL.
        host: String,
        /// The bound.
        bytes_max: usize,
    },
    /// The other side's server, or a proxy before it, answers with a failure or a redirect and nothing else.
    #[error("{host}: answered with HTTP status {status} and nothing in SOAP{}", if (300..400).contains(status) { "; redirects are not followed" } else { "" })]
    Status {
        /// Host of the URL.
        host: String,
        /// HTTP status.
        status: u16,
        /// How long to wait before the next request, where it says so.
        retry_after: Option<Duration>,
    },
    /// The text is no URL that can be called.
    #[error("{host}: not a usable URL: {reason}")]
    Url {
        /// Host of the URL, as far as it was understood.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

/// What of TLS failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsFailure {
    /// A certificate was refused, by us or by them.
    Certificate,
    /// There is no version or cipher suite that both sides take.
    Agreement,
    /// Anything else.
    Other,
}

impl NetError {
    /// What it is, for the table that says what follows from it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Broken { .. } => Cause::Broken,
            Self::Connect { .. } => Cause::Connect,
            Self::Name { .. } => Cause::HostName,
            Self::Protocol { .. } => Cause::NoHttp,
            Self::Sending { .. } => Cause::Sending,
            Self::TimedOut { .. } => Cause::TimedOut,
            Self::Tls { failure: TlsFailure::Certificate, .. } => Cause::TlsCertificate,
            Self::Tls { failure: TlsFailure::Agreement, .. } => Cause::TlsAgreement,
            Self::Tls { failure: TlsFailure::Other, .. } => Cause::TlsOther,
            Self::TooLarge { .. } => Cause::TooLarge,
            Self::Status { status, .. } => Cause::of_access_point_status(*status),
            Self::PlainHttp { .. } | Self::Url { .. } => Cause::Url,
        }
    }

    /// Whether trying again later may help without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        self.cause().passes()
    }

    /// Sorts an error of the client or of a body by its causes.
    pub(super) fn classify(host: &str, error: &(dyn Error + 'static)) -> Self {
        let host = host.to_owned();
        let causes = causes(error);
        let reason = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        if let Some((reason, failure)) = tls_fault(error) {
            return Self::Tls { host, reason, failure };
        }
        if causes.iter().any(|c| c.is::<super::body::SendFault>()) {
            return Self::Sending { host, reason };
        }
        if causes.iter().any(|c| c.to_string() == "dns error") {
            return Self::Name { host, reason };
        }
        let connecting = causes.iter().any(|c| {
            c.downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect)
        });
        if connecting {
            return Self::Connect { host, reason };
        }
        match causes.iter().find_map(|c| c.downcast_ref::<hyper::Error>()) {
            Some(fault) if fault.is_parse() => Self::Protocol { host, reason },
            _ => Self::Broken { host, reason },
        }
    }
}

/// What of TLS failed, and in which words, where that is the cause of an error of whatever library.
pub fn tls_fault(error: &(dyn Error + 'static)) -> Option<(String, TlsFailure)> {
    let fault = causes(error).into_iter().find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some((fault.to_string(), TlsFailure::of(fault)))
}

/// The error and all that lies below it. An `io::Error` hides its content from `source()`, so it is opened.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut found = vec![error];
    let mut next = inner(error);
    while let Some(cause) = next {
        found.push(cause);
        next = inner(cause);
    }
    found
}

fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

impl TlsFailure {
    fn of(fault: &rustls::Error) -> Self {
        match fault {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Self::Certificate,
            rustls::Error::PeerIncompatible(_) => Self::Agreement,
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            _ => Self::Other,
        }
    }

    fn of_alert(alert: rustls::AlertDescription) -> Self {
        use rustls::AlertDescription as Alert;
        match alert {
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::NoCertificate
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate => Self::Certificate,
            Alert::HandshakeFailure
            | Alert::InsufficientSecurity
            | Alert::NoApplicationProtocol
            | Alert::ProtocolVersion
            | Alert::UnrecognisedName => Self::Agreement,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_tls_are_told_apart_by_who_has_to_mend_something() {
        use rustls::AlertDescription as Alert;
        let of = |alert| TlsFailure::of(&rustls::Error::AlertReceived(alert));
        for alert in [Alert::UnknownCA, Alert::CertificateExpired, Alert::CertificateRequired, Alert::AccessDenied] {
            assert_eq!(of(alert), TlsFailure::Certificate, "{alert:?}");
        }
        for alert in [Alert::HandshakeFailure, Alert::ProtocolVersion, Alert::UnrecognisedName] {
            assert_eq!(of(alert), TlsFailure::Agreement, "{alert:?}");
        }
        for alert in [Alert::InternalError, Alert::DecodeError, Alert::BadRecordMac, Alert::CloseNotify] {
            assert_eq!(of(alert), TlsFailure::Other, "{alert:?}");
        }
        let unknown_issuer = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(TlsFailure::of(&unknown_issuer), TlsFailure::Certificate);
        assert_eq!(TlsFailure::of(&rustls::Error::DecryptError), TlsFailure::Other);
    }

    #[test]
    fn each_failure_of_the_network_has_its_line_in_the_table() {
        let (host, reason) = ("x".to_owned(), String::new());
        let tls = |failure| NetError::Tls { host: "x".into(), reason: String::new(), failure };
        let status = |status| NetError::Status { host: "x".into(), status, retry_after: None };
        let lines = [
            (NetError::Connect { host: host.clone(), reason: reason.clone() }, Cause::Connect, true),
            (NetError::Name { host: host.clone(), reason: reason.clone() }, Cause::HostName, true),
            (NetError::TimedOut { host: host.clone(), seconds: Duration::ZERO }, Cause::TimedOut, true),
            (NetError::Broken { host: host.clone(), reason: reason.clone() }, Cause::Broken, true),
            (NetError::Protocol { host: host.clone(), reason: reason.clone() }, Cause::NoHttp, true),
            (NetError::TooLarge { host: host.clone(), bytes_max: 1 }, Cause::TooLarge, false),
            (NetError::Sending { host: host.clone(), reason: reason.clone() }, Cause::Sending, false),
            (NetError::PlainHttp { host: host.clone() }, Cause::Url, false),
            (NetError::Url { host, reason }, Cause::Url, false),
            (tls(TlsFailure::Certificate), Cause::TlsCertificate, false),
            (tls(TlsFailure::Agreement), Cause::TlsAgreement, false),
            (tls(TlsFailure::Other), Cause::TlsOther, true),
            (status(503), Cause::HttpBusy, true),
            (status(502), Cause::HttpFailed, true),
            (status(404), Cause::HttpRefused, false),
            (status(301), Cause::HttpMoved, false),
        ];
        for (error, cause, passes) in lines {
            assert_eq!((error.cause(), error.is_temporary()), (cause, passes), "{error:?}");
        }
    }
}
