//! One X.509 certificate and what our protocols ask of it (RFC 5280).

use super::name::Name;
use crate::crypto::{Digest, HashFunction, PublicKey, der, pem, sha256_hex};
use crate::limits;
use crate::model::Timestamp;
use std::fmt;
use std::sync::{Arc, OnceLock};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// Why bytes are no certificate for us.
#[derive(Debug, thiserror::Error)]
#[error("not a usable certificate: {0}")]
pub struct CertificateError(pub String);

/// A parsed certificate with an RSA key. Copies share their content.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    subject: Name,
    subject_text: OnceLock<String>,
    issuer: Name,
    issuer_text: OnceLock<String>,
    serial: Vec<u8>,
    subject_key_identifier: Option<Vec<u8>>,
    not_before: Timestamp,
    not_after: Timestamp,
    authority: bool,
    usage: Usage,
    crl_urls: Vec<String>,
    key: PublicKey,
}

/// keyUsage (RFC 5280, 4.2.1.3). Everything is allowed when the extension is absent.
#[derive(Clone, Copy)]
struct Usage {
    sign: bool,
    encrypt: bool,
    issue: bool,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, serial {})", self.subject(), self.serial())
    }
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    ///
    /// For anything but one whole certificate with an RSA key, and for one whose extensions contradict
    /// each other.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > limits::CERTIFICATE_BYTES_MAX {
            let (found, most) = (der.len(), limits::CERTIFICATE_BYTES_MAX);
            return Err(CertificateError(format!("{found} bytes; expected at most {most}")));
        }
        let (rest, certificate) = X509Certificate::from_der(der)
            .map_err(|_| CertificateError("the bytes are no X.509 certificate in DER".into()))?;
        if !rest.is_empty() {
            return Err(CertificateError(format!("{} bytes follow the certificate", rest.len())));
        }
        Parsed::new(der, &certificate).map(|parsed| Self(Arc::new(parsed)))
    }

    /// Reads the first certificate of a PEM text, or DER.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let mut all = Self::all_from_pem(pem)?;
        Ok(all.swap_remove(0))
    }

    /// Reads every certificate of a PEM text, or the one of DER. There is at least one.
    ///
    /// # Errors
    ///
    /// When there is none, or when one is unusable.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if !pem::is_pem(pem) {
            return Self::from_der(pem).map(|certificate| vec![certificate]);
        }
        let mut all = Vec::new();
        for section in pem::sections(pem) {
            if matches!(section.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
                let damaged = || CertificateError("a PEM section CERTIFICATE that is no Base64".into());
                all.push(Self::from_der(&section.content.ok_or_else(damaged)?)?);
            }
        }
        if all.is_empty() {
            return Err(CertificateError("a PEM text without a CERTIFICATE section".into()));
        }
        Ok(all)
    }

    /// The certificates of an X509PKIPathv1 token (DER PkiPath), end entity first. In the token the one
    /// nearest to the trust anchor comes first (X.509, PkiPath; WSS X.509 Token Profile 1.1, 3.1).
    pub fn from_pki_path(token: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let malformed = || CertificateError("the bytes are no PkiPath in DER".into());
        let mut outer = der::Reader(token);
        let mut path = outer.sequence().filter(|_| outer.0.is_empty()).ok_or_else(malformed)?;
        let mut all = Vec::new();
        while !path.0.is_empty() {
            if all.len() == PATH_MAX {
                return Err(CertificateError(format!("a PkiPath of more than {PATH_MAX} certificates")));
            }
            let (_, _, certificate) = path.next().ok_or_else(malformed)?;
            all.push(Self::from_der(certificate)?);
        }
        all.reverse();
        if all.is_empty() { Err(CertificateError("a PkiPath without certificates".into())) } else { Ok(all) }
    }

    /// DER octets.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", self.der())
    }

    /// Subject as RFC 4514 text, as phase4 and OpenSSL `-nameopt RFC2253,utf8,-esc_msb` print it.
    pub fn subject(&self) -> &str {
        self.0.subject_text.get_or_init(|| self.0.subject.to_text())
    }

    /// Issuer as RFC 4514 text, for people. An X509IssuerName has [`Certificate::issuer_name`].
    pub fn issuer(&self) -> &str {
        self.0.issuer_text.get_or_init(|| self.0.issuer.to_text())
    }

    /// Issuer as an X509IssuerName is written (XML Signature 1.1, 4.5.4.1): attribute types outside the table
    /// of RFC 4514 as numbers with the DER of the value, because Java refuses names like
    /// `organizationIdentifier` there.
    pub fn issuer_name(&self) -> String {
        self.0.issuer.to_strict_text()
    }

    /// The common name, read from the structure (AS4-2.3.1.j). Nothing when there is not exactly one.
    pub fn common_name(&self) -> Option<&str> {
        self.0.subject.common_name()
    }

    /// Serial number in decimal.
    pub fn serial(&self) -> String {
        decimal(&self.0.serial)
    }

    /// Serial number as in the DER: big-endian, with a leading zero where the first bit would be a sign.
    pub fn serial_bytes(&self) -> &[u8] {
        &self.0.serial
    }

    /// Whether issuer and serial are those of an X509IssuerSerial; names compared as parsed names.
    pub fn has_issuer_serial(&self, issuer: &str, serial: &str) -> bool {
        let serial = serial.trim();
        let digits = serial.strip_prefix('+').unwrap_or(serial).trim_start_matches('0');
        let digits = if digits.is_empty() && !serial.is_empty() { "0" } else { digits };
        digits == self.serial() && self.0.issuer.means(issuer)
    }

    /// Inner octets of the subject key identifier.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.0.subject_key_identifier.as_deref()
    }

    /// SHA-1 of the DER, for ThumbprintSHA1 references.
    pub fn sha1(&self) -> Vec<u8> {
        Digest::of(HashFunction::Sha1, self.der())
    }

    /// SHA-256 of the DER in lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        sha256_hex(self.der())
    }

    /// Start of validity.
    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// End of validity; it is still valid in this second.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// Whether it is marked as a certificate authority.
    pub fn is_ca(&self) -> bool {
        self.0.authority
    }

    /// Whether keyUsage is absent or has digitalSignature.
    pub fn may_sign(&self) -> bool {
        self.0.usage.sign
    }

    /// Whether keyUsage is absent or has keyEncipherment or dataEncipherment.
    pub fn may_encrypt(&self) -> bool {
        self.0.usage.encrypt
    }

    /// Whether it may issue certificates: a certificate authority whose keyUsage is absent or has keyCertSign.
    pub fn may_issue(&self) -> bool {
        self.0.authority && self.0.usage.issue
    }

    /// Where its issuer publishes revocations: the URLs of cRLDistributionPoints (C-48).
    pub fn crl_urls(&self) -> &[String] {
        &self.0.crl_urls
    }

    /// Its RSA key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.key
    }
}

impl Parsed {
    fn new(der: &[u8], certificate: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        let (subject, issuer) = (Name::new(certificate.subject()), Name::new(certificate.issuer()));
        let of = |what: String| CertificateError(format!("{}: {what}", subject.to_text()));
        let twice = |_| of("an extension is damaged or stands twice".into());
        let key = PublicKey::from_spki(certificate.public_key().raw).map_err(|error| of(error.to_string()))?;
        let constraints = certificate.basic_constraints().map_err(twice)?;
        let usage = certificate.key_usage().map_err(twice)?.map(|usage| *usage.value);
        let (not_before, not_after) = (certificate.validity().not_before, certificate.validity().not_after);
        let (not_before, not_after) = (instant(not_before).map_err(of)?, instant(not_after).map_err(of)?);
        let mut parsed = Self {
            der: der.to_vec(),
            issuer_text: OnceLock::new(),
            serial: certificate.raw_serial().to_vec(),
            subject_key_identifier: None,
            not_before,
            not_after,
            authority: constraints.is_some_and(|constraints| constraints.value.ca),
            usage: Usage {
                sign: usage.as_ref().is_none_or(|usage| usage.digital_signature()),
                encrypt: usage.as_ref().is_none_or(|usage| usage.key_encipherment() || usage.data_encipherment()),
                issue: usage.as_ref().is_none_or(|usage| usage.key_cert_sign()),
            },
            crl_urls: Vec::new(),
            key,
            subject_text: OnceLock::new(),
            subject,
            issuer,
        };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => {
                    parsed.subject_key_identifier = Some(identifier.0.to_vec())
                }
                ParsedExtension::CRLDistributionPoints(points) => {
                    let names = points.points.iter().filter_map(|point| match &point.distribution_point {
                        Some(DistributionPointName::FullName(names)) => Some(names),
                        _ => None,
                    });
                    parsed.crl_urls = names.flatten().filter_map(url).collect();
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

fn url(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    }
}

fn instant(time: ASN1Time) -> Result<Timestamp, String> {
    Timestamp::from_second(time.timestamp()).map_err(|_| "a validity that is no time".to_owned())
}

/// A big-endian number in decimal, however long. Serials have 20 bytes at most, so this is quick.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

/// Most certificates of a PkiPath. Chains here have three.
const PATH_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_become_decimal() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0, 0]), "0");
        assert_eq!(decimal(&[0, 255]), "255");
        assert_eq!(decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), "18446744073709551616");
        assert_eq!(decimal(&[0xff; 20]), "1461501637330902918203684832716283019655932542975");
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        for bytes in
            [&b""[..], b"hello", &[0x30, 0x80], &[0x30, 0x03, 0x02, 0x01, 0x00], b"-----BEGIN CERTIFICATE-----\n!\n"]
        {
            assert!(Certificate::from_pem(bytes).is_err());
            assert!(Certificate::from_pki_path(bytes).is_err());
        }
        let error = Certificate::from_der(&vec![0x30; limits::CERTIFICATE_BYTES_MAX + 1]).unwrap_err();
        assert!(error.to_string().contains("65537 bytes; expected at most 65536"), "{error}");
        assert!(Certificate::from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err());
    }
}
