//! Certificate authorities as SDK has them, made here: key sizes, names and extensions follow the
//! published certificates (contradictions, annex 1). For testbeds only.

pub mod demo;
mod tree;

use crate::crypto::{Digest, HashFunction, PrivateKey, Random, SystemRandom, der};
use crate::model::Timestamp;
use crate::pki::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, PKCS_RSA_SHA512,
    RsaKeySize, SerialNumber, SignatureAlgorithm,
};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

pub use tree::{Tree, demo_tree, tree};

/// Why an authority was not made or read, or did not issue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The certificate could not be made, or the files are not those of an authority.
    #[error("{subject}: {problem}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        problem: String,
    },
    /// A file was not read or written.
    #[error("{path}: {source}")]
    Io {
        /// File.
        path: String,
        /// Cause.
        source: io::Error,
    },
}

/// Where the certificates of a testbed point to, and how long they are valid.
#[derive(Clone, Debug)]
pub struct Profile {
    /// End of the authorities' names: `TESTBED` gives `Accesspunkt CA-TESTBED`.
    pub environment: String,
    /// The CRL of authority `NAME` is published at `{crl_base}/NAME.crl`. Nothing: no distribution points.
    pub crl_base: Option<String>,
    /// OCSP responder of all authorities.
    pub ocsp: Option<String>,
    /// Validity of authorities and of what they issue, in days.
    pub days: u32,
}

/// The style of a public key infrastructure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// Digg's: organisation number in organizationIdentifier, SHA-256, key identifiers of 32 bytes.
    Digg,
    /// SITHS': organisation number in serialNumber, SHA-512, key identifiers of 20 bytes.
    Siths,
}

/// What a certificate is issued for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// AS4: signs and receives. The common name is the access point's party identifier.
    AccessPoint,
    /// Signs service metadata.
    Smp,
    /// Seals and opens envelopes, made for TLS as SITHS' function certificates are (C-51).
    Participant,
    /// A TLS server of these names and addresses.
    Server(Vec<String>),
}

/// What an end entity is to get. Change the fields for certificates that must be refused.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What for.
    pub purpose: Purpose,
    /// Common name.
    pub common_name: String,
    /// Organisation.
    pub organisation: String,
    /// Organisation number, as `202100-6883`.
    pub number: String,
    /// RSA key length in bits: 2048, 3072 or 4096.
    pub bits: usize,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

impl Leaf {
    /// An end entity with an RSA key of 3072 bits, valid from `now` for as many days as the profile says.
    pub fn new(purpose: Purpose, common_name: &str, organisation: &str, profile: &Profile, now: Timestamp) -> Self {
        Self {
            purpose,
            common_name: common_name.to_owned(),
            organisation: organisation.to_owned(),
            number: NUMBER.to_owned(),
            bits: 3072,
            not_before: now,
            not_after: later(now, profile.days),
        }
    }
}

/// A key and its certificate, just issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// PKCS#8 in PEM.
    pub key_pem: Zeroizing<String>,
    /// The certificate.
    pub certificate: Certificate,
}

/// A certificate authority with its key.
pub struct Authority {
    /// Short name: its files and its CRL are called so.
    pub name: String,
    style: Style,
    profile: Profile,
    key: KeyPair,
    certificate: Certificate,
}

/// What an authority is called and how it is made.
pub(super) struct Draft<'a> {
    pub(super) name: &'a str,
    pub(super) style: Style,
    pub(super) common_name: String,
    pub(super) bits: usize,
}

impl Authority {
    /// Makes an authority: a root, or under `issuer`.
    ///
    /// # Errors
    ///
    /// When the library refuses to make the key or the certificate.
    pub(super) fn generate(
        draft: &Draft<'_>,
        issuer: Option<&Self>,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<Self, CaError> {
        let failed = |problem: String| CaError::Certificate { subject: draft.common_name.clone(), problem };
        let key = generate_key(draft.bits, algorithm(draft.style)).map_err(failed)?;
        let organisation = match draft.style {
            Style::Digg => "Myndigheten för digital förvaltning (testbädd)",
            Style::Siths => "Testbädd",
        };
        let mut params = params(draft.style, &draft.common_name, organisation, NUMBER, &key).map_err(failed)?;
        set_validity(&mut params, now, later(now, profile.days));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.custom_extensions = vec![any_policy()];
        let signed = match issuer {
            Some(issuer) => {
                issuer.point(&mut params);
                issuer.sign(&params, &key)
            }
            None => params.self_signed(&key).map_err(|error| error.to_string()).and_then(own),
        };
        let certificate = signed.map_err(failed)?;
        Ok(Self { name: draft.name.to_owned(), style: draft.style, profile: profile.clone(), key, certificate })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key, PKCS#8 in PEM: whoever answers for its revocations signs with it.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.key.serialize_pem())
    }

    /// Issues a certificate with a new key.
    pub fn issue(&self, leaf: &Leaf) -> Result<Issued, CaError> {
        let failed = |problem: String| CaError::Certificate { subject: leaf.common_name.clone(), problem };
        let key = generate_key(leaf.bits, algorithm(self.style)).map_err(failed)?;
        let mut params =
            params(self.style, &leaf.common_name, &leaf.organisation, &leaf.number, &key).map_err(failed)?;
        set_validity(&mut params, leaf.not_before, leaf.not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        match &leaf.purpose {
            Purpose::AccessPoint => {}
            Purpose::Smp => params.key_usages.truncate(1),
            Purpose::Participant => params.extended_key_usages = vec![SERVER, CLIENT],
            Purpose::Server(names) => {
                params.extended_key_usages = vec![SERVER];
                params.subject_alt_names =
                    CertificateParams::new(names.clone()).map_err(|error| failed(error.to_string()))?.subject_alt_names;
            }
        }
        self.point(&mut params);
        let certificate = self.sign(&params, &key).map_err(failed)?;
        Ok(Issued { key_pem: Zeroizing::new(key.serialize_pem()), certificate })
    }

    /// Writes `NAME` + `key_end` (mode 0600) and `NAME.cert.pem` into a folder.
    pub(super) fn save(&self, folder: &Path, key_end: &str) -> Result<(), CaError> {
        write_key(&folder.join(format!("{}{key_end}", self.name)), &self.key_pem())?;
        write_certificates(&folder.join(format!("{}.cert.pem", self.name)), &[&self.certificate])
    }

    /// Reads what [`Authority::save`] wrote.
    pub(super) fn load(
        folder: &Path,
        name: &str,
        style: Style,
        key_end: &str,
        profile: &Profile,
    ) -> Result<Self, CaError> {
        let key = read(&folder.join(format!("{name}{key_end}")))?;
        let certificate = read(&folder.join(format!("{name}.cert.pem")))?;
        Self::from_pem(name, style, &key, &certificate, profile)
    }

    /// From its key and its certificate, both in PEM.
    fn from_pem(name: &str, style: Style, key: &str, certificate: &str, profile: &Profile) -> Result<Self, CaError> {
        let failed = |problem: String| CaError::Certificate { subject: name.to_owned(), problem };
        let certificate = Certificate::from_pem(certificate.as_bytes()).map_err(|error| failed(error.to_string()))?;
        let public = PrivateKey::from_pem(key.as_bytes()).map_err(|error| failed(error.to_string()))?.public_key();
        if public != *certificate.public_key() || !certificate.may_issue() {
            return Err(failed("key and certificate are not those of one authority".into()));
        }
        let key =
            KeyPair::from_pkcs8_pem_and_sign_algo(key, algorithm(style)).map_err(|error| failed(error.to_string()))?;
        Ok(Self { name: name.to_owned(), style, profile: profile.clone(), key, certificate })
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Result<Certificate, String> {
        let certificate = self.certificate.der().into();
        let issuer = Issuer::from_ca_cert_der(&certificate, &self.key).map_err(|error| error.to_string())?;
        params.signed_by(key, &issuer).map_err(|error| error.to_string()).and_then(own)
    }

    /// Says in a certificate of ours where its revocation can be asked for.
    fn point(&self, params: &mut CertificateParams) {
        params.use_authority_key_identifier_extension = true;
        if let Some(base) = &self.profile.crl_base {
            params.crl_distribution_points =
                vec![CrlDistributionPoint { uris: vec![format!("{base}/{}.crl", self.name)] }];
        }
        if let Some(url) = &self.profile.ocsp {
            params.custom_extensions.push(ocsp_access(url));
        }
    }
}

fn params(
    style: Style,
    common_name: &str,
    organisation: &str,
    number: &str,
    key: &KeyPair,
) -> Result<CertificateParams, String> {
    let mut name = DistinguishedName::new();
    let country = "SE".try_into().map_err(|_| "the country is no PrintableString".to_owned())?;
    name.push(DnType::CountryName, DnValue::PrintableString(country));
    name.push(DnType::OrganizationName, organisation);
    let (kind, length) = match style {
        Style::Digg => (vec![2, 5, 4, 97], 32),
        Style::Siths => (vec![2, 5, 4, 5], 20),
    };
    name.push(DnType::CustomDnType(kind), number);
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    let mut identifier = Digest::of(HashFunction::Sha256, key.public_key_raw());
    identifier.truncate(length);
    params.key_identifier_method = KeyIdMethod::PreSpecified(identifier);
    let mut serial = [0; 16];
    SystemRandom.fill(&mut serial);
    // Positive and without a leading zero, so that all have the same length.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn own(certificate: rcgen::Certificate) -> Result<Certificate, String> {
    Certificate::from_der(certificate.der()).map_err(|error| error.to_string())
}

fn generate_key(bits: usize, algorithm: &'static SignatureAlgorithm) -> Result<KeyPair, String> {
    let size = match bits {
        2048 => RsaKeySize::_2048,
        3072 => RsaKeySize::_3072,
        4096 => RsaKeySize::_4096,
        _ => return Err(format!("an RSA key of {bits} bits; expected 2048, 3072 or 4096")),
    };
    KeyPair::generate_rsa_for(algorithm, size).map_err(|error| error.to_string())
}

fn algorithm(style: Style) -> &'static SignatureAlgorithm {
    match style {
        Style::Digg => &PKCS_RSA_SHA256,
        Style::Siths => &PKCS_RSA_SHA512,
    }
}

/// certificatePolicies with anyPolicy, as all published authorities have (RFC 5280, 4.2.1.4).
fn any_policy() -> CustomExtension {
    let content = [0x30, 0x08, 0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x20, 0x00];
    CustomExtension::from_oid_content(&[2, 5, 29, 32], content.to_vec())
}

/// authorityInfoAccess with an OCSP responder (RFC 5280, 4.2.2.1).
fn ocsp_access(url: &str) -> CustomExtension {
    const URI: u8 = 0x86;
    let method = der::element(der::OID, &[&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01]]);
    let description = der::element(der::SEQUENCE, &[&method, &der::element(URI, &[url.as_bytes()])]);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], der::element(der::SEQUENCE, &[&description]))
}

fn set_validity(params: &mut CertificateParams, from: Timestamp, to: Timestamp) {
    let since_1970 = |at: Timestamp| Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(from);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(to);
}

fn later(at: Timestamp, days: u32) -> Timestamp {
    at.checked_add(Duration::from_secs(u64::from(days) * 24 * 60 * 60)).unwrap_or(Timestamp::MAX)
}

pub(super) fn write_key(path: &Path, pem: &str) -> Result<(), CaError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = fs::OpenOptions::new();
    let written = options.write(true).create(true).truncate(true).mode(0o600).open(path).and_then(|mut file| {
        // An older file keeps its mode when it is opened.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(pem.as_bytes())
    });
    written.map_err(|source| CaError::Io { path: path.display().to_string(), source })
}

pub(super) fn write_certificates(path: &Path, certificates: &[&Certificate]) -> Result<(), CaError> {
    let text: String = certificates.iter().map(|certificate| certificate.to_pem()).collect();
    fs::write(path, text).map_err(|source| CaError::Io { path: path.display().to_string(), source })
}

fn read(path: &Path) -> Result<Zeroizing<String>, CaError> {
    let text = fs::read_to_string(path).map_err(|source| CaError::Io { path: path.display().to_string(), source })?;
    Ok(Zeroizing::new(text))
}

const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;
const CLIENT: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ClientAuth;
/// An organisation number that nobody has.
const NUMBER: &str = "000000-0000";
