//! TLS 1.2 and 1.3 with rustls: whom the client believes, and who the server is.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file with a certificate or key is not readable as PEM.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What was found.
        reason: String,
    },
    /// rustls does not take what it was given.
    #[error("TLS settings: {0}")]
    Settings(#[from] rustls::Error),
    /// Bytes that are no private key.
    #[error("the client key is not a private key in DER: {0}")]
    ClientKey(&'static str),
}

/// Who we are towards servers that ask for a certificate.
#[derive(Clone)]
pub struct ClientIdentity {
    /// Certificates in DER, end entity first.
    pub chain: Vec<Vec<u8>>,
    /// Private key in DER (PKCS#8, PKCS#1 or SEC1).
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientIdentity({} certificates)", self.chain.len())
    }
}

/// A client that believes `roots` and nobody else; the system's roots are not asked.
pub(super) fn client_config(roots: &[Vec<u8>], identity: Option<&ClientIdentity>) -> Result<ClientConfig, TlsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from(root.as_slice()))?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store);
    Ok(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::try_from(identity.key.clone()).map_err(TlsError::ClientKey)?;
            builder.with_client_auth_cert(chain, key)?
        }
    })
}

/// The certificates of a PEM file, in DER, as those whom a client believes.
///
/// # Errors
///
/// [`TlsError::File`] for a file that is missing or has none.
pub fn roots(file: &Path) -> Result<Vec<Vec<u8>>, TlsError> {
    let fault = |reason: String| TlsError::File { path: file.display().to_string(), reason };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Err(error) => Err(fault(error.to_string())),
        Ok(found) if found.is_empty() => Err(fault("found no certificate, expected PEM".into())),
        Ok(found) => Ok(found.iter().map(|certificate| certificate.to_vec()).collect()),
    }
}

/// The server's certificate and key, read from PEM files and read again on [`ServerTls::reload`].
#[derive(Debug)]
pub struct ServerTls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads certificate (with its chain, end entity first) and key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] for files that are missing, no PEM, or that do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(server_config(certificate, key)?);
        Ok(Self { certificate: certificate.into(), key: key.into(), current })
    }

    /// Reads both files again. Connections that are open keep what they have.
    ///
    /// # Errors
    ///
    /// As [`ServerTls::from_files`]; the certificate in use then stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = server_config(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let fault = |path: &Path, reason: String| TlsError::File { path: path.display().to_string(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| fault(certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(fault(
            certificate,
            "found no certificate, expected PEM with the server's certificate first".into(),
        ));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| fault(key, e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Named explicitly, since two libraries are in the tree and rustls would not choose between them.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
