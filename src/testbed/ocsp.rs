//! OCSP answers (RFC 6960) in plain DER: just enough to say good or revoked, signed by the issuing authority itself.

/// One element: its tag, its content, and itself whole.
struct Element<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
}

/// The first element of `der` and what follows it. Definite lengths of at most two octets.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    let content = rest.get(..length)?;
    let whole = &der[..der.len() - rest.len() + length];
    Some((Element { tag, content, whole }, &rest[length..]))
}

fn elements(mut der: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut all = Vec::new();
    while !der.is_empty() {
        let (next, rest) = element(der)?;
        all.push(next);
        der = rest;
    }
    Some(all)
}

/// An element of this tag around `parts`.
fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut der = vec![tag];
    match content.len() {
        short @ 0..=0x7f => der.push(u8::try_from(short).unwrap_or_default()),
        long => {
            let octets = long.to_be_bytes();
            let octets = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
            der.push(0x80 | u8::try_from(octets.len()).unwrap_or_default());
            der.extend_from_slice(octets);
        }
    }
    der.extend_from_slice(&content);
    der
}

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;

/// Which certificate is asked about.
pub(super) struct CertId {
    whole: Vec<u8>,
    /// Hash algorithm, DER of its OID's content.
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

/// OID 1.3.6.1.5.5.7.48.1.2, content.
const NONCE: [u8; 9] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];

/// Reads an OCSPRequest; its own signature, if any, is passed over.
pub(super) fn request(der: &[u8]) -> Option<Request> {
    let (outer, _) = element(der)?;
    let (tbs, _) = element(outer.content)?;
    let parts = elements(tbs.content)?;
    let list = parts.iter().find(|part| part.tag == SEQUENCE)?;
    let certificates = elements(list.content)?.iter().map(|one| cert_id(one.content)).collect::<Option<Vec<_>>>()?;
    let extensions = parts.iter().find(|part| part.tag == 0xa2).and_then(|part| Some(element(part.content)?.0.content));
    let nonce = extensions.and_then(elements).and_then(|all| {
        all.iter()
            .find(|extension| element(extension.content).is_some_and(|(oid, _)| oid.content == NONCE))
            .map(|extension| extension.whole.to_vec())
    });
    (!certificates.is_empty()).then_some(Request { certificates, nonce })
}

fn cert_id(request: &[u8]) -> Option<CertId> {
    let (id, _) = element(request)?;
    let [algorithm, _issuer_name, issuer_key, serial] = &elements(id.content)?[..] else { return None };
    let (hash, _) = element(algorithm.content)?;
    Some(CertId {
        whole: id.whole.to_vec(),
        hash: hash.content.to_vec(),
        issuer_key: issuer_key.content.to_vec(),
        serial: serial.content.to_vec(),
    })
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
    let time = |text: &str| wrap(0x18, &[text.as_bytes()]);
    let single = |(id, status): (&CertId, &Status)| {
        let status = match status {
            Status::Good => vec![0x80, 0],
            Status::Revoked => wrap(0xa1, &[&time(now)]),
        };
        wrap(SEQUENCE, &[&id.whole, &status, &time(now), &wrap(0xa0, &[&time(next)])])
    };
    let singles: Vec<Vec<u8>> = request.certificates.iter().zip(statuses).map(single).collect();
    let singles = wrap(SEQUENCE, &[&singles.concat()]);
    let extensions = request.nonce.as_ref().map(|nonce| wrap(0xa1, &[&wrap(SEQUENCE, &[nonce])])).unwrap_or_default();
    wrap(SEQUENCE, &[&wrap(0xa1, &[name]), &time(now), &singles, &extensions])
}

/// A successful OCSPResponse around signed data (RSA, SHA-256).
pub(super) fn response(data: &[u8], signature: &[u8]) -> Vec<u8> {
    // 1.2.840.113549.1.1.11 with NULL; 1.3.6.1.5.5.7.48.1.1.
    const SHA256_RSA: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
    const BASIC: [u8; 11] = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
    let basic = wrap(SEQUENCE, &[data, &SHA256_RSA, &wrap(0x03, &[&[0], signature])]);
    let bytes = wrap(SEQUENCE, &[&BASIC, &wrap(OCTETS, &[&basic])]);
    wrap(SEQUENCE, &[&[0x0a, 1, 0], &wrap(0xa0, &[&bytes])])
}

/// An OCSPResponse without content: 1 for a malformed request, 6 for a certificate that is none of ours.
pub(super) fn refusal(status: u8) -> Vec<u8> {
    vec![SEQUENCE, 3, 0x0a, 1, status]
}
