//! Revocation of the testbed's certificates: a CRL for each authority, and OCSP answers.

use super::TestbedError;
use super::ca;
use super::fault::Kind;
use super::federation::{Federation, Registry};
use super::ocsp;
use crate::crypto::{Digest, HashFunction, PrivateKey};
use crate::model::{Clock, Timestamp};
use crate::pki::Certificate;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::ToSpan;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a list is valid.
const LIST_VALID: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An authority that says what it has revoked.
pub struct Authority {
    /// Its name: the CRL is `/crl/NAME.crl`.
    pub name: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}

impl From<&ca::Authority> for Authority {
    fn from(authority: &ca::Authority) -> Self {
        Self {
            name: authority.name.clone(),
            certificate: authority.certificate().to_pem(),
            key: authority.key_pem().to_string(),
        }
    }
}

/// Answers for a set of authorities.
pub(super) struct Responder {
    federation: Federation,
    authorities: Vec<Authority>,
    clock: Arc<dyn Clock>,
}

impl Responder {
    pub(super) fn new(federation: Federation, authorities: Vec<Authority>, clock: Arc<dyn Clock>) -> Self {
        Self { federation, authorities, clock }
    }

    pub(super) fn into_router(self) -> Router {
        Router::new()
            .route("/crl/{file}", get(crl))
            .route("/ocsp", post(ocsp_post))
            .route("/ocsp/{*request}", get(ocsp_get))
            .with_state(Arc::new(self))
    }

    fn crl(&self, authority: &Authority) -> Result<Vec<u8>, TestbedError> {
        let fault = |what: String| TestbedError::Certificate { what };
        let key = KeyPair::from_pem(&authority.key).map_err(|error| fault(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&authority.certificate, key).map_err(|error| fault(error.to_string()))?;
        let now = self.clock.now();
        // The library's own type of time, of which it gives dates only.
        let this_update = date_time_ymd(1970, 1, 1) + since_1970(now);
        let revoked = self.revoked(authority)?.into_iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: this_update,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update,
            next_update: this_update + LIST_VALID,
            crl_number: SerialNumber::from(now.as_second().unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&issuer).map(|list| list.der().to_vec()).map_err(|error| fault(error.to_string()))
    }

    /// Serial numbers that an authority has revoked.
    fn revoked(&self, authority: &Authority) -> Result<Vec<Vec<u8>>, TestbedError> {
        let registry = self.federation.registry()?;
        let issuer = Certificate::from_pem(authority.certificate.as_bytes())
            .map_err(|error| TestbedError::Certificate { what: error.to_string() })?;
        let of_issuer =
            revoked_certificates(&registry).into_iter().filter(|certificate| certificate.issuer() == issuer.subject());
        Ok(of_issuer.filter_map(|certificate| serial(certificate.der())).collect())
    }

    fn ocsp(&self, der: &[u8]) -> Vec<u8> {
        let Some(request) = ocsp::request(der) else { return ocsp::refusal(1) };
        // One signature, so one authority for all that is asked.
        let Some(authority) = self.authorities.iter().find(|authority| issued_all(authority, &request)) else {
            return ocsp::refusal(6);
        };
        self.signed(authority, &request).unwrap_or_else(|| ocsp::refusal(2))
    }

    fn signed(&self, authority: &Authority, request: &ocsp::Request) -> Option<Vec<u8>> {
        let revoked = self.revoked(authority).ok()?;
        let status =
            |id: &ocsp::CertId| if revoked.contains(&id.serial) { ocsp::Status::Revoked } else { ocsp::Status::Good };
        let statuses: Vec<_> = request.certificates.iter().map(status).collect();
        let der = Certificate::from_pem(authority.certificate.as_bytes()).ok()?;
        let (_, parsed) = X509Certificate::from_der(der.der()).ok()?;
        let now = self.clock.now();
        let next = now.checked_add(1.hour()).ok()?;
        let data = ocsp::response_data(
            request,
            &statuses,
            parsed.tbs_certificate.subject.as_raw(),
            &generalized(now),
            &generalized(next),
        );
        let signature = PrivateKey::from_pem(authority.key.as_bytes()).ok()?.sign(HashFunction::Sha256, &data).ok()?;
        Some(ocsp::response(&data, &signature))
    }
}

fn revoked_certificates(registry: &Registry) -> Vec<Certificate> {
    let names = registry
        .broken
        .iter()
        .filter(|broken| broken.kind == Kind::CertificateRevoked)
        .filter_map(|broken| broken.subject.as_ref());
    let points = names.filter_map(|name| registry.access_points.get(name));
    points.filter_map(|point| Certificate::from_pem(point.certificate.as_bytes()).ok()).collect()
}

fn serial(der: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate.raw_serial().to_vec())
}

/// Whether the request names this authority's key as the issuer of everything it asks about.
fn issued_all(authority: &Authority, request: &ocsp::Request) -> bool {
    // 1.3.14.3.2.26 and 2.16.840.1.101.3.4.2.1.
    const SHA1: [u8; 5] = [0x2b, 0x0e, 0x03, 0x02, 0x1a];
    const SHA256: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let Ok(certificate) = Certificate::from_pem(authority.certificate.as_bytes()) else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else { return false };
    let key = &parsed.tbs_certificate.subject_pki.subject_public_key.data;
    request.certificates.iter().all(|id| {
        let function = match id.hash.as_slice() {
            hash if hash == SHA1 => HashFunction::Sha1,
            hash if hash == SHA256 => HashFunction::Sha256,
            _ => return false,
        };
        Digest::of(function, key) == id.issuer_key
    })
}

fn generalized(at: Timestamp) -> String {
    at.strftime("%Y%m%d%H%M%SZ").to_string()
}

/// Seconds since 1970.
fn since_1970(at: Timestamp) -> Duration {
    Duration::from_secs(at.as_second().unsigned_abs())
}

async fn crl(State(responder): State<Arc<Responder>>, Path(file): Path<String>) -> Response {
    let authority = responder.authorities.iter().find(|authority| file.strip_suffix(".crl") == Some(&authority.name));
    match authority.map(|authority| responder.crl(authority)) {
        Some(Ok(der)) => ([(header::CONTENT_TYPE, "application/pkix-crl")], der).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        None => (StatusCode::NOT_FOUND, format!("there is no list {file}")).into_response(),
    }
}

async fn ocsp_post(State(responder): State<Arc<Responder>>, request: Bytes) -> Response {
    ocsp_answer(responder.ocsp(&request))
}

async fn ocsp_get(State(responder): State<Arc<Responder>>, Path(request): Path<String>) -> Response {
    ocsp_answer(BASE64_STANDARD.decode(request).map_or_else(|_| ocsp::refusal(1), |der| responder.ocsp(&der)))
}

fn ocsp_answer(der: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/ocsp-response")], der).into_response()
}
