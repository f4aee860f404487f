//! The testbed's folder: `ca/`, `federation.json`, and for each access point and participant the files with which
//! it starts.

use super::TestbedError;
use super::ca::{Authority, Draft, Leaf, Profile, Purpose, Style, Tree, tree, write_certificates, write_key};
use super::fault::Kind;
use super::federation::{AccessPoint, Broken, Federation, Participant, Registry, replace, save};
use super::revocation;
use super::services::{self, Running};
use super::settings;
use crate::model::{Clock, DocumentType, ParticipantId, PartyId, Timestamp};
use crate::pki::keystore::{pkcs12_key, pkcs12_trust};
use crate::pki::{Certificate, Identity};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The password of every PKCS#12 file: they are for tests.
const PASSWORD: &str = "changeit";
/// The alias of the key in them.
const ALIAS: &str = "ap";
/// How long certificates are valid, in days.
const DAYS: u32 = 5 * 365;

/// Makes authorities and an empty federation in `dir`, which must not hold one yet. Ports are chosen here and kept.
///
/// # Errors
///
/// [`TestbedError::Exists`], and faults of files and keys.
pub fn init(dir: &Path, now: Timestamp) -> Result<(), TestbedError> {
    let file = dir.join("federation.json");
    if file.exists() {
        return Err(TestbedError::Exists { what: file.display().to_string() });
    }
    let mut registry = Registry::new();
    registry.ports.dns = registry.take_port()?;
    registry.ports.smp = registry.take_port()?;
    registry.ports.pki = registry.take_port()?;
    registry.ports.relay = registry.take_port()?;
    tree(dir, &profile(&registry), now)?;
    // Last, so that a folder with a registry is whole.
    save(&file, &registry)
}

/// Where certificates say that their revocation is published.
fn profile(registry: &Registry) -> Profile {
    let base = format!("http://127.0.0.1:{}", registry.ports.pki);
    Profile {
        environment: "TESTBED".into(),
        crl_base: Some(format!("{base}/crl")),
        ocsp: Some(format!("{base}/ocsp")),
        days: DAYS,
    }
}

/// Runs the services over `dir` until the result is stopped or dropped. What is registered meanwhile counts at once.
///
/// # Errors
///
/// The folder is no testbed's, or a port is taken.
pub async fn serve(dir: &Path, clock: Arc<dyn Clock>) -> Result<Running, TestbedError> {
    let federation = Federation::in_folder(dir);
    let tree = Tree::load(dir, &profile(&*federation.registry()?))?;
    let certificate = tree.smp_signer.certificate.to_pem();
    let signer = Identity::from_pem(tree.smp_signer.key_pem.as_bytes(), certificate.as_bytes())
        .map_err(TestbedError::certificate)?;
    let authorities = tree.authorities().into_iter().map(revocation::Authority::from).collect();
    services::start(federation, signer, authorities, clock).await
}

/// Registers an access point and writes `DIR/access-points/NAME`. Without `endpoint` it is Sluss, with ports of its own
/// and a configuration that works as it is; with `endpoint` it is another product, reached there.
///
/// # Errors
///
/// [`TestbedError::Exists`], [`TestbedError::Unknown`] for a name or address that will not do, faults of files and keys.
pub fn access_point(dir: &Path, name: &str, endpoint: Option<&str>, now: Timestamp) -> Result<PathBuf, TestbedError> {
    let party = party(name)?;
    endpoint.map(address).transpose()?;
    let folder = dir.join("access-points").join(party.as_str());
    Federation::in_folder(dir).change(|registry| {
        if registry.access_points.contains_key(name) {
            return Err(TestbedError::Exists { what: format!("the access point {name}") });
        }
        let profile = profile(registry);
        let tree = Tree::load(dir, &profile)?;
        let leaf = Leaf::new(Purpose::AccessPoint, name, "Testbädd", &profile, now);
        let issued = tree.access_point.issue(&leaf)?;
        let chain = [tree.access_point.certificate(), tree.access_point_root.certificate()];
        make_folder(&folder)?;
        write_key(&folder.join("key.pem"), &issued.key_pem)?;
        write_certificates(&folder.join("cert.pem"), &[&issued.certificate])?;
        write_certificates(&folder.join("chain.pem"), &chain)?;
        let store = pkcs12_key(&issued.key_pem, &issued.certificate, &chain.map(Clone::clone), ALIAS, PASSWORD);
        replace(&folder.join("keystore.p12"), &store.map_err(TestbedError::certificate)?)?;
        let address = match endpoint {
            Some(endpoint) => endpoint.to_owned(),
            None => configure(&folder, registry)?,
        };
        let entry =
            AccessPoint { endpoint: address, certificate: issued.certificate.to_pem(), sluss: endpoint.is_none() };
        registry.access_points.insert(name.to_owned(), entry);
        write_truststores(dir, registry, &chain)
    })?;
    Ok(folder)
}

/// Writes the configuration of a Sluss access point; returns its AS4 address.
fn configure(folder: &Path, registry: &mut Registry) -> Result<String, TestbedError> {
    let ports = [registry.take_port()?, registry.take_port()?, registry.take_port()?];
    let text = settings::access_point(ports, &registry.zone, registry.ports.dns);
    replace(&folder.join("sluss.toml"), text.as_bytes())?;
    Ok(format!("http://127.0.0.1:{}/as4", ports[0]))
}

/// Every access point trusts the authorities, and knows every other one: products that find a key by its identifier
/// (SKI) look among the certificates that they have.
fn write_truststores(dir: &Path, registry: &Registry, authorities: &[&Certificate; 2]) -> Result<(), TestbedError> {
    let mut entries = vec![("ca".to_owned(), authorities[0].clone()), ("root".to_owned(), authorities[1].clone())];
    for (name, point) in &registry.access_points {
        let certificate = Certificate::from_pem(point.certificate.as_bytes()).map_err(TestbedError::certificate)?;
        entries.push((name.to_lowercase(), certificate));
    }
    let store = pkcs12_trust(&entries, PASSWORD).map_err(TestbedError::certificate)?;
    registry
        .access_points
        .keys()
        .try_for_each(|name| replace(&dir.join("access-points").join(name).join("truststore.p12"), &store))
}

/// Registers a participant in SMP and CertPub, writes its key and certificate to `DIR/participants/NAME` (its id without
/// the ICD), and adds it to the configuration of its access point where that is Sluss. Without document types, it takes
/// SDK messages and message receipts; without functional addresses, it has `sdk:inkorg:` and its id.
///
/// # Errors
///
/// [`TestbedError::Exists`], [`TestbedError::Unknown`] for an access point that is not registered, faults of files and keys.
pub fn participant(
    dir: &Path,
    id: &ParticipantId,
    access_point: &str,
    document_types: &[DocumentType],
    functional_addresses: &[String],
    now: Timestamp,
) -> Result<PathBuf, TestbedError> {
    let folder = dir.join("participants").join(id.local());
    Federation::in_folder(dir).change(|registry| {
        let sluss = known(registry, access_point)?.sluss;
        if registry.participants.values().any(|other| other.id.local().eq_ignore_ascii_case(id.local())) {
            return Err(TestbedError::Exists { what: format!("the participant {id}, or one with its name") });
        }
        let profile = profile(registry);
        let leaf = Leaf::new(Purpose::Participant, id.local(), id.local(), &profile, now);
        let issued = Tree::load(dir, &profile)?.participant.issue(&leaf)?;
        make_folder(&folder)?;
        write_key(&folder.join("key.pem"), &issued.key_pem)?;
        write_certificates(&folder.join("cert.pem"), &[&issued.certificate])?;
        if sluss {
            let file = dir.join("access-points").join(access_point).join("sluss.toml");
            let text = fs::read_to_string(&file).map_err(|source| TestbedError::io(&file, source))?;
            replace(&file, (text + &settings::participant(id, functional_addresses)).as_bytes())?;
        }
        let document_types = if document_types.is_empty() {
            vec![DocumentType::sdk_message(), DocumentType::message_receipt()]
        } else {
            document_types.to_vec()
        };
        registry.register(Participant {
            id: id.clone(),
            access_point: access_point.to_owned(),
            document_types,
            certificate: issued.certificate.to_pem(),
        });
        Ok(())
    })?;
    Ok(folder)
}

/// Makes a fault, or takes it away again. `subject` is the access point or participant it is about, where its kind needs
/// one ([`Kind::subject`]); without it, `clear` takes away every fault of the kind.
///
/// # Errors
///
/// [`TestbedError::Unknown`] for a subject that is not registered or missing.
pub fn fault(dir: &Path, kind: Kind, subject: Option<&str>, clear: bool, now: Timestamp) -> Result<(), TestbedError> {
    Federation::in_folder(dir).change(|registry| {
        if clear {
            mend(registry, kind, subject);
            return Ok(());
        }
        let subject = about(registry, kind, subject)?;
        let certificate = match (kind, &subject) {
            (Kind::CertificateExpired, Some(name)) => Some(expired(dir, registry, name, now)?),
            (Kind::CertificateForeign, Some(name)) => Some(foreign(registry, name, now)?),
            _ => None,
        };
        registry.broken.retain(|broken| broken.kind != kind || broken.subject != subject);
        registry.broken.push(Broken { kind, subject, certificate });
        Ok(())
    })
}

/// Takes the faults of this kind away, of all subjects where none is named.
pub(super) fn mend(registry: &mut Registry, kind: Kind, subject: Option<&str>) {
    // What is about nobody is mended whatever name is said.
    let subject = subject.filter(|_| kind.subject().is_some());
    let mended = |broken: &Broken| broken.kind == kind && (subject.is_none() || broken.subject.as_deref() == subject);
    registry.broken.retain(|broken| !mended(broken));
}

/// The registered name that a fault of this kind is about.
fn about(registry: &Registry, kind: Kind, subject: Option<&str>) -> Result<Option<String>, TestbedError> {
    let Some(what) = kind.subject() else { return Ok(None) };
    let name = subject.ok_or_else(|| TestbedError::Unknown {
        what: "fault",
        found: kind.word().into(),
        expected: format!("the name of the {what} after it"),
    })?;
    if what == "access point" {
        return known(registry, name).map(|_| Some(name.to_owned()));
    }
    let registered = name.parse().ok().and_then(|id| registry.participant(&id)).map(|found| found.id.to_string());
    let expected = || registry.participants.values().map(|entry| entry.id.to_string()).collect::<Vec<_>>().join(", ");
    registered.map(Some).ok_or_else(|| TestbedError::Unknown { what, found: name.into(), expected: expected() })
}

fn known<'r>(registry: &'r Registry, name: &str) -> Result<&'r AccessPoint, TestbedError> {
    registry.access_points.get(name).ok_or_else(|| TestbedError::Unknown {
        what: "access point",
        found: name.into(),
        expected: registry.access_points.keys().cloned().collect::<Vec<_>>().join(", "),
    })
}

/// A certificate like that of the access point, which ended yesterday.
fn expired(dir: &Path, registry: &Registry, name: &str, now: Timestamp) -> Result<String, TestbedError> {
    let day = Duration::from_secs(24 * 60 * 60);
    let profile = profile(registry);
    let mut leaf = Leaf::new(Purpose::AccessPoint, name, "Testbädd", &profile, now);
    leaf.not_before = now.checked_sub(10 * day).unwrap_or(now);
    leaf.not_after = now.checked_sub(day).unwrap_or(now);
    Ok(Tree::load(dir, &profile)?.access_point.issue(&leaf)?.certificate.to_pem())
}

/// A certificate like that of the access point, issued by the authority of another environment.
fn foreign(registry: &Registry, name: &str, now: Timestamp) -> Result<String, TestbedError> {
    let profile = profile(registry);
    let draft = Draft { name: "other", style: Style::Digg, common_name: "Accesspunkt CA-OTHER".to_owned(), bits: 3072 };
    let other = Authority::generate(&draft, None, &profile, now)?;
    let leaf = Leaf::new(Purpose::AccessPoint, name, "Testbädd", &profile, now);
    Ok(other.issue(&leaf)?.certificate.to_pem())
}

/// A name that is a party id and a folder.
fn party(name: &str) -> Result<PartyId, TestbedError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let refused = || TestbedError::Unknown {
        what: "name of an access point",
        found: name.into(),
        expected: "1 to 64 letters, digits, - _ and ., as in AP0001-TESTBED".into(),
    };
    if !plain || name.starts_with('.') || name.len() > 64 {
        return Err(refused());
    }
    name.parse().map_err(|_| refused())
}

fn address(endpoint: &str) -> Result<(), TestbedError> {
    let uri: Option<http::Uri> = endpoint.parse().ok();
    let absolute = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    if absolute {
        return Ok(());
    }
    let expected = "an absolute address, as in http://127.0.0.1:8080/as4".into();
    Err(TestbedError::Unknown { what: "endpoint", found: endpoint.into(), expected })
}

fn make_folder(folder: &Path) -> Result<(), TestbedError> {
    fs::create_dir_all(folder).map_err(|source| TestbedError::io(folder, source))
}
