//! XML held against documents and programs of others: the samples of the specifications, the vectors
//! of W3C and of merlin, libxml2 and xmlsec.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod generator;
mod offline;
mod oracle;
mod reader;
mod samples;
mod vectors;

use std::path::{Path, PathBuf};

/// Data that is not part of the project. Tests that need it say so when it is absent.
fn shared(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}

/// The key of a certificate, by a parser that has nothing to do with ours.
fn key_of(der: &[u8]) -> Option<sluss::crypto::PublicKey> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    sluss::crypto::PublicKey::from_spki(certificate.tbs_certificate.subject_pki.raw).ok()
}

/// A signer of ours with a certificate that rcgen made.
struct Signer {
    key: sluss::crypto::PrivateKey,
    der: Vec<u8>,
    pem: String,
}

impl Signer {
    fn pem(&self) -> &str {
        &self.pem
    }
}

fn signer() -> Signer {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![String::from("signer.example")]).unwrap().self_signed(&pair).unwrap();
    let key = sluss::crypto::PrivateKey::from_pem(pair.serialize_pem().as_bytes()).unwrap();
    Signer { key, der: certificate.der().to_vec(), pem: certificate.pem() }
}
