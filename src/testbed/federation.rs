//! The federation's registry: who is in it, where, with which certificates, and what is broken on purpose.
//!
//! It is one JSON file, replaced as a whole under a lock, or a value in memory. Servers ask for it at every
//! request, so a registration counts at once.

use super::TestbedError;
use crate::discovery::bdxl::owner_name;
use crate::model::{DocumentType, ParticipantId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The zone of every testbed.
pub const ZONE: &str = "sml.testbed.example";

/// Ports are drawn from here: below the range from which systems take the ports of outgoing connections, so
/// that a daemon that starts again finds its port free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// An access point of the federation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccessPoint {
    /// Where it takes AS4 messages.
    pub endpoint: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// Whether it is Sluss, configured by us.
    pub sluss: bool,
}

/// A participant of the federation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Participant {
    /// Its id.
    pub id: ParticipantId,
    /// The name of its access point.
    pub access_point: String,
    /// What it takes.
    pub document_types: Vec<DocumentType>,
    /// Its own certificate, for signing and for encryption, PEM.
    pub certificate: String,
}

/// Something that is broken until it is cleared; see [`super::fault()`].
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Broken {
    /// Which fault.
    pub kind: super::fault::Kind,
    /// The access point or participant it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The certificate published instead, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// The ports of the services, on loopback.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Ports {
    /// DNS, UDP and TCP.
    pub dns: u16,
    /// SMP with CertPub.
    pub smp: u16,
    /// CRL and OCSP.
    pub pki: u16,
    /// The relay that loses AS4 receipts.
    pub relay: u16,
}

/// Everything that is registered.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Registry {
    /// The SML zone.
    pub zone: String,
    /// Ports of the services; zero: any.
    pub ports: Ports,
    /// Ports handed out so far, none of them twice.
    pub ports_taken: BTreeSet<u16>,
    /// Access points by name, which is the common name of their certificates.
    pub access_points: BTreeMap<String, AccessPoint>,
    /// Participants by DNS name, in lower case.
    pub participants: BTreeMap<String, Participant>,
    /// What is broken.
    #[serde(default)]
    pub broken: Vec<Broken>,
}

impl Registry {
    /// An empty federation.
    pub fn new() -> Self {
        Self { zone: ZONE.into(), ..Self::default() }
    }

    /// Adds or replaces a participant.
    pub fn register(&mut self, participant: Participant) {
        self.participants.insert(owner_name(&participant.id, &self.zone), participant);
    }

    /// A participant by its id.
    pub fn participant(&self, id: &ParticipantId) -> Option<&Participant> {
        self.participants.get(&owner_name(id, &self.zone))
    }

    /// The fault of a kind, if it is made.
    pub fn broken(&self, kind: super::fault::Kind) -> Option<&Broken> {
        self.broken.iter().find(|broken| broken.kind == kind)
    }

    /// The fault of a kind that is about `subject`, compared without regard to case.
    pub fn broken_for(&self, kind: super::fault::Kind, subject: &str) -> Option<&Broken> {
        let about = |broken: &&Broken| broken.subject.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(subject));
        self.broken.iter().filter(|broken| broken.kind == kind).find(about)
    }

    /// A loopback port that is free now, for UDP and TCP, and that was not handed out before.
    ///
    /// # Errors
    ///
    /// [`TestbedError::NoPort`] when thousands were tried.
    pub fn take_port(&mut self) -> Result<u16, TestbedError> {
        let width = u128::from(PORTS.end - PORTS.start);
        for _ in 0..width {
            // The remainder is below the width, which is a u16.
            let offset = u16::try_from(uuid::Uuid::new_v4().as_u128() % width).unwrap_or_default();
            let port = PORTS.start + offset;
            if !self.ports_taken.contains(&port) && is_free(port) {
                self.ports_taken.insert(port);
                return Ok(port);
            }
        }
        Err(TestbedError::NoPort)
    }
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

/// What tells one version of the file from the next.
type Version = (Option<SystemTime>, u64, u64);

enum Place {
    Folder { file: PathBuf, read: Mutex<Option<(Version, Arc<Registry>)>> },
    Memory(Mutex<Arc<Registry>>),
}

/// The registry, wherever it is kept. Cheap to clone.
#[derive(Clone)]
pub struct Federation(Arc<Place>);

impl Federation {
    /// In memory: for a federation within one process.
    pub fn in_memory(registry: Registry) -> Self {
        Self(Arc::new(Place::Memory(Mutex::new(Arc::new(registry)))))
    }

    /// In the folder of a testbed.
    pub fn in_folder(dir: &Path) -> Self {
        Self(Arc::new(Place::Folder { file: dir.join("federation.json"), read: Mutex::new(None) }))
    }

    /// As it is now.
    ///
    /// # Errors
    ///
    /// The file is not there, or is no registry.
    pub fn registry(&self) -> Result<Arc<Registry>, TestbedError> {
        match &*self.0 {
            Place::Memory(registry) => Ok(registry.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            Place::Folder { file, read } => {
                let version = version(&fs::metadata(file).map_err(|source| TestbedError::io(file, source))?);
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((seen, registry)) = &*read
                    && *seen == version
                {
                    return Ok(registry.clone());
                }
                let registry = Arc::new(load(file)?);
                *read = Some((version, registry.clone()));
                Ok(registry)
            }
        }
    }

    /// Changes it; two changes never overlap, also from several processes, and readers see the whole change or nothing.
    ///
    /// # Errors
    ///
    /// Those of `change`, after which nothing is changed, and of the file.
    pub fn change<T>(&self, change: impl FnOnce(&mut Registry) -> Result<T, TestbedError>) -> Result<T, TestbedError> {
        match &*self.0 {
            Place::Memory(registry) => {
                let mut kept = registry.lock().unwrap_or_else(PoisonError::into_inner);
                let mut changed = Registry::clone(&kept);
                let value = change(&mut changed)?;
                *kept = Arc::new(changed);
                Ok(value)
            }
            Place::Folder { file, .. } => {
                let lock = file.with_extension("lock");
                let held = File::create(&lock).map_err(|source| TestbedError::io(&lock, source))?;
                held.lock().map_err(|source| TestbedError::io(&lock, source))?;
                let mut registry = load(file)?;
                let value = change(&mut registry)?;
                save(file, &registry)?;
                Ok(value)
            }
        }
    }
}

fn load(file: &Path) -> Result<Registry, TestbedError> {
    let bytes = fs::read(file).map_err(|source| TestbedError::io(file, source))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| TestbedError::Registry { path: file.display().to_string(), what: error.to_string() })
}

/// Writes a new registry.
pub(super) fn save(file: &Path, registry: &Registry) -> Result<(), TestbedError> {
    let text = serde_json::to_vec_pretty(registry)
        .map_err(|error| TestbedError::Registry { path: file.display().to_string(), what: error.to_string() })?;
    replace(file, &text)
}

/// Writes a file aside and puts it in its place, so that no reader sees half of it.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> Result<(), TestbedError> {
    let fault = |source| TestbedError::io(file, source);
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(fault)?;
    aside.write_all(bytes).map_err(fault)?;
    aside.persist(file).map_err(|error| fault(error.error))?;
    Ok(())
}

fn version(metadata: &Metadata) -> Version {
    use std::os::unix::fs::MetadataExt;
    (metadata.modified().ok(), metadata.len(), metadata.ino())
}
