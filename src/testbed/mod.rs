//! A federation for tests, on loopback: authorities as SDK has them, DNS, SMP with CertPub, CRL and OCSP, and the
//! folders from which access points start.
//!
//! [`init`] makes the folder, [`serve`] runs the services over it, [`access_point`], [`participant`] and
//! [`fault()`] change it while they run. [`services::start`] runs the same services over a registry in memory.

pub mod ca;
pub mod demo;
mod dns;
pub mod fault;
pub mod federation;
mod folder;
mod ocsp;
mod relay;
pub mod revocation;
pub mod services;
mod settings;
mod smp;

pub use federation::Federation;
pub use folder::{access_point, fault, init, participant, serve};
pub use services::Running;
pub use settings::FEDERATION;

use crate::model::{Fault, Problem};
use std::io;
use std::path::Path;

/// Why the testbed did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestbedError {
    /// A file or socket.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// A certificate was not made or not read.
    #[error("{what}")]
    Certificate {
        /// What happened.
        what: String,
    },
    /// The registry is none.
    #[error("{path}: {what}")]
    Registry {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// There is one already.
    #[error("found {what} there already; expected none")]
    Exists {
        /// What.
        what: String,
    },
    /// A name that means nothing here.
    #[error("{what}: found {found:?}, expected {expected}")]
    Unknown {
        /// What it should name.
        what: &'static str,
        /// The text.
        found: String,
        /// What would have been understood.
        expected: String,
    },
    /// No port is free.
    #[error("found no free port between 20000 and 32000 on 127.0.0.1")]
    NoPort,
}

impl TestbedError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }

    pub(crate) fn certificate(what: impl ToString) -> Self {
        Self::Certificate { what: what.to_string() }
    }

    /// As the command line shows it.
    pub fn problem(&self) -> Problem {
        let (fault, kind, title) = match self {
            Self::Io { .. } | Self::NoPort => (Fault::Temporary, "testbed-io", "The testbed met a fault of the system"),
            Self::Certificate { .. } => {
                (Fault::Refused, "testbed-certificate", "A certificate of the testbed is not usable")
            }
            Self::Registry { .. } => (Fault::Usage, "testbed-registry", "This is no testbed's folder"),
            Self::Exists { .. } => (Fault::Usage, "testbed-exists", "It exists already"),
            Self::Unknown { .. } => (Fault::Usage, "testbed-unknown", "The testbed does not know it"),
        };
        Problem::new(fault, kind, title, self.to_string())
    }
}

impl From<ca::CaError> for TestbedError {
    fn from(error: ca::CaError) -> Self {
        match error {
            ca::CaError::Io { path, source } => Self::Io { path, source },
            other => Self::certificate(other),
        }
    }
}
