//! The whole tree of authorities that a testbed needs, and the fixed one of the demo.

use super::{Authority, CaError, Draft, Issued, Leaf, Profile, Purpose, Style, read, write_certificates, write_key};
use crate::crypto::PrivateKey;
use crate::model::Timestamp;
use crate::pki::Certificate;
use std::fs;
use std::path::Path;

/// The authorities of a testbed, and the certificate that signs its service metadata.
pub struct Tree {
    /// `Rot CA eDelivery Accesspunkt-…`, RSA 4096.
    pub access_point_root: Authority,
    /// `Accesspunkt CA-…`, RSA 3072: issues access points, and is what they pin (C-47).
    pub access_point: Authority,
    /// `Rot CA eDelivery SMP-…`, RSA 4096: issues the SMP's signer, and is what access points pin.
    pub smp_root: Authority,
    /// Signs service metadata.
    pub smp_signer: Issued,
    /// Root of the participants' authorities, RSA 4096.
    pub participant_root: Authority,
    /// Issues participants (organisation-to-organisation), RSA 4096 and SHA-512 as SITHS.
    pub participant: Authority,
    /// Issues TLS servers, RSA 3072.
    pub tls: Authority,
}

/// Makes all authorities of a testbed and writes them to `DIR/ca/NAME.key.pem` (mode 0600) and
/// `DIR/ca/NAME.cert.pem`.
///
/// # Errors
///
/// When `DIR/ca` exists already: authorities are never replaced silently.
pub fn tree(dir: &Path, profile: &Profile, now: Timestamp) -> Result<Tree, CaError> {
    Tree::generate(&dir.join("ca"), profile, now, ".key.pem")
}

impl Tree {
    /// Reads the tree that [`tree`] wrote to `DIR/ca`.
    pub fn load(dir: &Path, profile: &Profile) -> Result<Self, CaError> {
        let folder = dir.join("ca");
        let load = |name: &str, style| Authority::load(&folder, name, style, ".key.pem", profile);
        let certificate = read(&folder.join("smp-signer.cert.pem"))?;
        let broken = |problem: String| CaError::Certificate { subject: "smp-signer".into(), problem };
        let smp_signer = Issued {
            key_pem: read(&folder.join("smp-signer.key.pem"))?,
            certificate: Certificate::from_pem(certificate.as_bytes()).map_err(|error| broken(error.to_string()))?,
        };
        let key = PrivateKey::from_pem(smp_signer.key_pem.as_bytes()).map_err(|error| broken(error.to_string()))?;
        if key.public_key() != *smp_signer.certificate.public_key() {
            return Err(broken("key and certificate do not belong together".into()));
        }
        Ok(Self {
            access_point_root: load("ap-root", Style::Digg)?,
            access_point: load("ap", Style::Digg)?,
            smp_root: load("smp-root", Style::Digg)?,
            smp_signer,
            participant_root: load("o2o-root", Style::Siths)?,
            participant: load("o2o", Style::Siths)?,
            tls: load("tls", Style::Digg)?,
        })
    }

    /// The authorities, for whoever publishes their revocations.
    pub fn authorities(&self) -> [&Authority; 6] {
        let Self { access_point_root, access_point, smp_root, participant_root, participant, tls, .. } = self;
        [access_point_root, access_point, smp_root, participant_root, participant, tls]
    }

    fn generate(folder: &Path, profile: &Profile, now: Timestamp, key_end: &str) -> Result<Self, CaError> {
        let parent = folder.parent().unwrap_or(folder);
        let made = fs::create_dir_all(parent).and_then(|()| fs::create_dir(folder));
        made.map_err(|source| CaError::Io { path: folder.display().to_string(), source })?;
        let environment = &profile.environment;
        let make = |name, style, common_name: String, bits, issuer: Option<&Authority>| {
            let authority = Authority::generate(&Draft { name, style, common_name, bits }, issuer, profile, now)?;
            authority.save(folder, key_end)?;
            Ok(authority)
        };
        let access_point_root =
            make("ap-root", Style::Digg, format!("Rot CA eDelivery Accesspunkt-{environment}"), 4096, None)?;
        let access_point =
            make("ap", Style::Digg, format!("Accesspunkt CA-{environment}"), 3072, Some(&access_point_root))?;
        let smp_root = make("smp-root", Style::Digg, format!("Rot CA eDelivery SMP-{environment}"), 4096, None)?;
        let participant_root = make("o2o-root", Style::Siths, format!("{environment} e-id Root CA"), 4096, None)?;
        let participant =
            make("o2o", Style::Siths, format!("{environment} e-id Function CA"), 4096, Some(&participant_root))?;
        let tls = make("tls", Style::Digg, format!("TLS CA-{environment}"), 3072, None)?;
        let signer = Leaf::new(Purpose::Smp, &format!("SMP-{environment}"), OPERATOR, profile, now);
        let smp_signer = smp_root.issue(&signer)?;
        write_key(&folder.join(format!("smp-signer{key_end}")), &smp_signer.key_pem)?;
        write_certificates(&folder.join("smp-signer.cert.pem"), &[&smp_signer.certificate])?;
        Ok(Self { access_point_root, access_point, smp_root, smp_signer, participant_root, participant, tls })
    }
}

/// Makes the federation of the demo, valid for 20 years: authorities, SMP signer, two access points, two
/// participants and a TLS server for 127.0.0.1 and localhost. All keys are public with the project's source,
/// and their files are called `test-key`.
pub fn demo_tree(dir: &Path, now: Timestamp) -> Result<(), CaError> {
    let profile = demo_profile();
    let tree = Tree::generate(&dir.join("ca"), &profile, now, ".test-key.pem")?;
    let issue = |folder: &str, authority: &Authority, chain: &[&Certificate], leaf: &Leaf| {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(|source| CaError::Io { path: folder.display().to_string(), source })?;
        let issued = authority.issue(leaf)?;
        write_key(&folder.join("test-key.pem"), &issued.key_pem)?;
        write_certificates(&folder.join("cert.pem"), &[&[&issued.certificate], chain].concat())
    };
    let (intermediate, function) = (&tree.access_point, &tree.participant);
    for (name, organisation) in [("AP0001-DEMO", "Ankeborgs kommun"), ("AP0002-DEMO", "Storstads kommun")] {
        let leaf = Leaf::new(Purpose::AccessPoint, name, organisation, &profile, now);
        issue(&format!("access-points/{name}"), intermediate, &[intermediate.certificate()], &leaf)?;
    }
    for (name, organisation) in [("ankeborg", "Ankeborgs kommun"), ("storstad", "Storstads kommun")] {
        let domain = format!("{name}.example.se");
        let leaf = Leaf::new(Purpose::Participant, &domain, organisation, &profile, now);
        issue(&format!("participants/{domain}"), function, &[function.certificate()], &leaf)?;
    }
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = Leaf::new(Purpose::Server(names), "localhost", OPERATOR, &profile, now);
    issue("tls/localhost", &tree.tls, &[], &leaf)
}

pub(super) fn demo_profile() -> Profile {
    Profile { environment: "DEMO".into(), crl_base: None, ocsp: None, days: 20 * 365 + 5 }
}

const OPERATOR: &str = "Testbädd";
