//! Why an exchange with another host did not succeed. Texts name the host, never path or query of
//! a URL: those may hold secrets.

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
        /// Whether a certificate was refused, by us or by them.
        certificate: bool,
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

impl NetError {
    /// Whether trying again later may help without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Broken { .. }
            | Self::Connect { .. }
            | Self::Name { .. }
            | Self::Protocol { .. }
            | Self::Status { .. }
            | Self::TimedOut { .. } => true,
            Self::Tls { certificate, .. } => !certificate,
            Self::PlainHttp { .. } | Self::Sending { .. } | Self::TooLarge { .. } | Self::Url { .. } => false,
        }
    }

    /// Sorts an error of the client or of a body by its causes.
    pub(super) fn classify(host: &str, error: &(dyn Error + 'static)) -> Self {
        let host = host.to_owned();
        let causes = causes(error);
        let reason = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        if let Some(fault) = causes.iter().find_map(|c| c.downcast_ref::<rustls::Error>()) {
            return Self::Tls { host, reason: fault.to_string(), certificate: concerns_certificate(fault) };
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

fn concerns_certificate(fault: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    match fault {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => true,
        rustls::Error::AlertReceived(alert) => {
            matches!(
                alert,
                Alert::BadCertificate
                    | Alert::CertificateExpired
                    | Alert::CertificateRequired
                    | Alert::CertificateRevoked
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    | Alert::UnsupportedCertificate
            )
        }
        _ => false,
    }
}
