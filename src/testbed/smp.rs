//! The testbed's SMP with CertPub: ServiceGroup, and SignedServiceMetadata signed at every question.

use super::fault::Kind;
use super::federation::{AccessPoint, Federation, Participant, Registry};
use crate::crypto::{Digest, HashFunction, sha256_hex};
use crate::discovery::certpub::{ENCRYPTION, EXTENSION_ID, SIGNING};
use crate::discovery::smp::{TRANSPORT_PROFILE, service_url};
use crate::model::document::{PROCESS, PROCESS_SCHEME};
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::{DocumentType, ParticipantId};
use crate::pki::{Certificate, Identity};
use crate::xml::{ns, write};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Most signed answers kept: the same metadata need not be signed again.
const SIGNED_MAX: usize = 1000;

/// What the SMP needs to answer.
pub(super) struct Smp {
    federation: Federation,
    signer: Identity,
    base: String,
    /// Signature elements by the digest of what they sign.
    signed: Mutex<HashMap<String, String>>,
}

impl Smp {
    pub(super) fn new(federation: Federation, signer: Identity, base: String) -> Self {
        Self { federation, signer, base, signed: Mutex::default() }
    }

    pub(super) fn into_router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }
}

/// A refusal in words, as plain text.
type Refusal = (StatusCode, String);

async fn answer(State(smp): State<Arc<Smp>>, uri: Uri) -> Response {
    match smp.document(uri.path()) {
        Ok(xml) => ([(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], xml).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Smp {
    fn document(&self, path: &str) -> Result<String, Refusal> {
        let registry =
            self.federation.registry().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        if registry.broken(Kind::SmpDown).is_some() {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "this SMP is down: a fault of the testbed".into()));
        }
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match segments[..] {
            [participant] => Ok(service_group(&self.base, participant_of(&registry, participant)?)),
            [participant, "services", document_type] => {
                let participant = participant_of(&registry, participant)?;
                let (scheme, value) = identifier(document_type)?;
                let document_type = DocumentType { scheme, value };
                if !participant.document_types.contains(&document_type) {
                    return Err((StatusCode::NOT_FOUND, format!("{} does not take {document_type}", participant.id)));
                }
                self.signed_metadata(&registry, participant, &document_type)
            }
            _ => Err((
                StatusCode::NOT_FOUND,
                "expected /{participant} or /{participant}/services/{document type}".into(),
            )),
        }
    }

    fn signed_metadata(
        &self,
        registry: &Registry,
        participant: &Participant,
        document_type: &DocumentType,
    ) -> Result<String, Refusal> {
        let broken = |what: String| (StatusCode::INTERNAL_SERVER_ERROR, what);
        let name = &participant.access_point;
        let access_point =
            registry.access_points.get(name).ok_or_else(|| broken(format!("there is no access point {name}")))?;
        let access_point = as_published(registry, name, access_point);
        let metadata = service_metadata(participant, document_type, &access_point).map_err(broken)?;
        let open = format!("<SignedServiceMetadata xmlns=\"{}\">{metadata}", ns::SMP);
        let signature = self.signature(&format!("{open}</SignedServiceMetadata>")).map_err(broken)?;
        let open =
            if registry.broken(Kind::MetadataAltered).is_some() { open.replace(PROCESS, "bdx:altered") } else { open };
        Ok(format!("{open}{signature}</SignedServiceMetadata>"))
    }

    /// The Signature element over a document that is in canonical form already.
    fn signature(&self, document: &str) -> Result<String, String> {
        let key = sha256_hex(document.as_bytes());
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = signed.get(&key) {
            return Ok(signature.clone());
        }
        let signature = sign(document, &self.signer)?;
        if signed.len() >= SIGNED_MAX {
            signed.clear();
        }
        signed.insert(key, signature.clone());
        Ok(signature)
    }
}

/// An access point as the SMP publishes it: with what faults make of it.
fn as_published(registry: &Registry, name: &str, access_point: &AccessPoint) -> AccessPoint {
    let mut published = access_point.clone();
    if registry.broken_for(Kind::ReceiverUnreachable, name).is_some() {
        published.endpoint = "http://127.0.0.1:1/as4".into();
    }
    if registry.broken_for(Kind::ReceiptLost, name).is_some() {
        published.endpoint = super::relay::through(&published.endpoint, registry.ports.relay);
    }
    let other =
        registry.broken.iter().find(|broken| broken.certificate.is_some() && broken.subject.as_deref() == Some(name));
    if let Some(certificate) = other.and_then(|broken| broken.certificate.clone()) {
        published.certificate = certificate;
    }
    published
}

fn participant_of<'r>(registry: &'r Registry, segment: &str) -> Result<&'r Participant, Refusal> {
    let (scheme, value) = identifier(segment)?;
    let id: Option<ParticipantId> = if scheme == PARTICIPANT_SCHEME { value.parse().ok() } else { None };
    id.and_then(|id| registry.participant(&id))
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("{scheme}::{value} is not registered here")))
}

fn identifier(segment: &str) -> Result<(String, String), Refusal> {
    let text = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| (StatusCode::BAD_REQUEST, "the path is not UTF-8".to_owned()))?;
    let (scheme, value) = text
        .split_once("::")
        .ok_or_else(|| (StatusCode::BAD_REQUEST, format!("found {text}, expected scheme::identifier")))?;
    Ok((scheme.into(), value.into()))
}

fn service_group(base: &str, participant: &Participant) -> String {
    let mut references = String::new();
    for document_type in &participant.document_types {
        let href = write::attribute(&service_url(base, &participant.id, document_type));
        // Writing to a String does not fail.
        let _ = write!(references, "<ServiceMetadataReference href=\"{href}\"></ServiceMetadataReference>");
    }
    format!(
        "<ServiceGroup xmlns=\"{}\">{}<ServiceMetadataReferenceCollection>{references}</ServiceMetadataReferenceCollection></ServiceGroup>",
        ns::SMP,
        element("ParticipantIdentifier", PARTICIPANT_SCHEME, &participant.id.folded())
    )
}

fn element(name: &str, scheme: &str, value: &str) -> String {
    format!("<{name} scheme=\"{}\">{}</{name}>", write::attribute(scheme), write::text(value))
}

fn service_metadata(
    participant: &Participant,
    document_type: &DocumentType,
    access_point: &AccessPoint,
) -> Result<String, String> {
    let own = base64_of(&participant.certificate)?;
    Ok(format!(
        "<ServiceMetadata><ServiceInformation>{}{}<ProcessList><Process>{}<ServiceEndpointList>\
         <Endpoint transportProfile=\"{TRANSPORT_PROFILE}\"><EndpointURI>{}</EndpointURI><Certificate>{}</Certificate>\
         <ServiceDescription>testbed</ServiceDescription><TechnicalContactUrl>mailto:testbed@example.se</TechnicalContactUrl></Endpoint>\
         </ServiceEndpointList></Process></ProcessList>{}{}</ServiceInformation></ServiceMetadata>",
        element("ParticipantIdentifier", PARTICIPANT_SCHEME, &participant.id.folded()),
        element("DocumentIdentifier", &document_type.scheme, &document_type.value),
        element("ProcessIdentifier", PROCESS_SCHEME, PROCESS),
        write::text(&access_point.endpoint),
        base64_of(&access_point.certificate)?,
        extension(SIGNING, &own),
        extension(ENCRYPTION, &own),
    ))
}

/// One certificate of CertPub (CERTPUB-REST-2.2).
fn extension(type_code: &str, certificate: &str) -> String {
    let (smc, smb) = (ns::SMC, ns::SMB);
    format!(
        "<Extension><ExtensionID>{EXTENSION_ID}</ExtensionID><smc:Certificate xmlns:smc=\"{smc}\"><smb:TypeCode xmlns:smb=\"{smb}\">{type_code}</smb:TypeCode>\
         <smb:ContentBinaryObject xmlns:smb=\"{smb}\" mimeCode=\"application/base64\">{certificate}</smb:ContentBinaryObject></smc:Certificate></Extension>"
    )
}

fn base64_of(pem: &str) -> Result<String, String> {
    Certificate::from_pem(pem.as_bytes())
        .map(|certificate| BASE64_STANDARD.encode(certificate.der()))
        .map_err(|error| error.to_string())
}

/// An enveloped signature as phoss-smp makes it. The root element declares a default namespace alone, which Signature
/// replaces, so the canonical form of SignedInfo has one declaration: its own.
fn sign(document: &str, signer: &Identity) -> Result<String, String> {
    let digest = BASE64_STANDARD.encode(Digest::of(HashFunction::Sha256, document.as_bytes()));
    let content = format!(
        "<CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"></CanonicalizationMethod>\
         <SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></SignatureMethod>\
         <Reference URI=\"\"><Transforms><Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></Transform></Transforms>\
         <DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></DigestMethod><DigestValue>{digest}</DigestValue></Reference>"
    );
    let canonical = format!("<SignedInfo xmlns=\"{}\">{content}</SignedInfo>", ns::DS);
    let value = signer.key.sign(HashFunction::Sha256, canonical.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!(
        "<Signature xmlns=\"{}\"><SignedInfo>{content}</SignedInfo><SignatureValue>{}</SignatureValue><KeyInfo><X509Data><X509Certificate>{}\
         </X509Certificate></X509Data></KeyInfo></Signature>",
        ns::DS,
        BASE64_STANDARD.encode(value),
        BASE64_STANDARD.encode(signer.certificate.der())
    ))
}
