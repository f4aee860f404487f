//! OCSP answers (RFC 6960) in plain DER: just enough to say good or revoked, signed by the issuing authority itself.

use crate::crypto::der::{BIT_STRING, OCTET_STRING, OID, Reader, SEQUENCE, element};

const GENERALIZED_TIME: u8 = 0x18;
const ENUMERATED: u8 = 0x0a;
/// 1.3.6.1.5.5.7.48.1.2, content.
const NONCE: [u8; 9] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
/// 1.3.6.1.5.5.7.48.1.1, content.
const BASIC: [u8; 9] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// 1.2.840.113549.1.1.11 with NULL: RSA with SHA-256.
const SHA256_RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];

/// The explicit context tag `number`.
fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Which certificate is asked about.
pub(super) struct CertId {
    whole: Vec<u8>,
    /// Hash algorithm: content of its OID.
    pub(super) hash: Vec<u8>,
    /// Hash of the issuer's public key.
    pub(super) issuer_key: Vec<u8>,
    /// Serial number, as in the certificate.
    pub(super) serial: Vec<u8>,
}

/// A request: what it asks, and its nonce.
pub(super) struct Request {
    /// At least one.
    pub(super) certificates: Vec<CertId>,
    nonce: Option<Vec<u8>>,
}

/// Reads an OCSPRequest; its own signature, if any, is passed over.
pub(super) fn request(der: &[u8]) -> Option<Request> {
    let mut tbs = Reader(der).sequence()?.sequence()?;
    let (mut certificates, mut nonce) = (Vec::new(), None);
    while !tbs.0.is_empty() {
        match tbs.next()? {
            (SEQUENCE, list, _) => certificates = all(list, |request| cert_id(request.sequence()?))?,
            (tag, extensions, _) if tag == context(2) => nonce = find_nonce(Reader(extensions).sequence()?.0),
            _ => {}
        }
    }
    (!certificates.is_empty()).then_some(Request { certificates, nonce })
}

/// Reads every SEQUENCE of a list.
fn all<T>(list: &[u8], read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let (mut list, mut found) = (Reader(list), Vec::new());
    while !list.0.is_empty() {
        found.push(read(&mut list)?);
    }
    Some(found)
}

fn cert_id(mut request: Reader<'_>) -> Option<CertId> {
    let (_, id, whole) = request.next()?;
    let mut id = Reader(id);
    let hash = id.sequence()?.expect(OID)?.to_vec();
    id.next()?;
    let issuer_key = id.expect(OCTET_STRING)?.to_vec();
    let (_, serial, _) = id.next()?;
    Some(CertId { whole: whole.to_vec(), hash, issuer_key, serial: serial.to_vec() })
}

/// The whole nonce extension among others.
fn find_nonce(extensions: &[u8]) -> Option<Vec<u8>> {
    let mut extensions = Reader(extensions);
    while let Some((_, content, whole)) = extensions.next() {
        if Reader(content).expect(OID) == Some(&NONCE) {
            return Some(whole.to_vec());
        }
    }
    None
}

/// What is said of one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked,
}

/// The octets of a ResponseData: `name` is the responder's subject in DER, times are GeneralizedTime texts.
pub(super) fn response_data(request: &Request, statuses: &[Status], name: &[u8], now: &str, next: &str) -> Vec<u8> {
    let time = |text: &str| element(GENERALIZED_TIME, &[text.as_bytes()]);
    let single = |(id, status): (&CertId, &Status)| {
        let status = match status {
            Status::Good => vec![0x80, 0],
            Status::Revoked => element(context(1), &[&time(now)]),
        };
        element(SEQUENCE, &[&id.whole, &status, &time(now), &element(context(0), &[&time(next)])])
    };
    let singles: Vec<u8> = request.certificates.iter().zip(statuses).flat_map(single).collect();
    let extensions = request.nonce.as_ref().map(|nonce| element(context(1), &[&element(SEQUENCE, &[nonce])]));
    let responder = element(context(1), &[name]);
    element(SEQUENCE, &[&responder, &time(now), &element(SEQUENCE, &[&singles]), &extensions.unwrap_or_default()])
}

/// A successful OCSPResponse around signed data (RSA, SHA-256).
pub(super) fn response(data: &[u8], signature: &[u8]) -> Vec<u8> {
    let basic = element(SEQUENCE, &[data, &SHA256_RSA, &element(BIT_STRING, &[&[0], signature])]);
    let bytes = element(SEQUENCE, &[&element(OID, &[&BASIC]), &element(OCTET_STRING, &[&basic])]);
    element(SEQUENCE, &[&element(ENUMERATED, &[&[0]]), &element(context(0), &[&bytes])])
}

/// An OCSPResponse without content: 1 for a malformed request, 2 for a fault of ours, 6 for a certificate that is
/// none of ours.
pub(super) fn refusal(status: u8) -> Vec<u8> {
    element(SEQUENCE, &[&element(ENUMERATED, &[&[status]])])
}
