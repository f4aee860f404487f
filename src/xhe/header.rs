//! What an envelope says of itself, and how it is written.

use crate::model::document::{
    DOCUMENT_SCHEME, MESSAGE_RECEIPT, MESSAGE_RECEIPT_BASE, PROCESS_SCHEME, SDK_MESSAGE, SDK_MESSAGE_BASE,
};
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::{DocumentType, EnvelopeId, ParticipantId, ProcessId};
use crate::xml::ns::{MSG, UBL_RESPONSE, XHA, XHB, XHE};
use crate::xml::write::Writer;
use serde::Serialize;

/// XHEVersionID (R9).
pub(super) const VERSION: &str = "1.0";
/// CustomizationID (R3).
pub(super) const CUSTOMIZATION: &str = "urn:fdc:digg.se:edelivery:xhe:1";
/// ContentTypeCode of XML payloads (XHE-2.2.t12).
pub(super) const XML_CONTENT: &str = "application/xml";

/// The header of an envelope and the description of its one payload.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Header {
    /// Header/ID (XHE-2.2.t03).
    pub id: EnvelopeId,
    /// Header/CreationDateTime, as written (XHE-2.2.t04).
    pub created: String,
    /// DOCUMENTID and DOCUMENTID_SCHEME.
    pub document_type: DocumentType,
    /// PROCESSID and PROCESSID_SCHEME.
    pub process: ProcessId,
    /// FEDERATIONID.
    pub federation: String,
    /// FromParty: the sending participant.
    pub from: ParticipantId,
    /// ToParty: the receiving participant.
    pub to: ParticipantId,
    /// Payload/DocumentTypeCode: the payload's root element as `Q{namespace}name` (XHE-2.2.t11).
    pub document_type_code: String,
    /// Payload/ContentTypeCode (XHE-2.2.t12).
    pub content_type_code: String,
    /// Payload/HandlingServiceID: the function address (XHE-2.2.t13).
    pub handling_service_id: Option<String>,
    /// Payload/InstanceEncryptionIndicator. What is written follows from the call, not from this.
    pub encrypted: bool,
}

impl Header {
    /// The DocumentTypeCode that belongs to a document type of SDK (C-13).
    pub fn type_code(document_type: &DocumentType) -> Option<String> {
        match document_type.value.as_str() {
            SDK_MESSAGE | SDK_MESSAGE_BASE => Some(format!("Q{{{MSG}}}messagePayload")),
            MESSAGE_RECEIPT | MESSAGE_RECEIPT_BASE => Some(format!("Q{{{UBL_RESPONSE}}}ApplicationResponse")),
            _ => None,
        }
    }

    /// A header for an XML payload in SDK's process, without a function address.
    pub fn new(
        id: EnvelopeId,
        created: String,
        document_type: DocumentType,
        federation: &str,
        from: ParticipantId,
        to: ParticipantId,
    ) -> Self {
        let document_type_code = Self::type_code(&document_type).unwrap_or_else(|| document_type.value.clone());
        Self {
            id,
            created,
            document_type,
            process: ProcessId::default(),
            federation: federation.to_owned(),
            from,
            to,
            document_type_code,
            content_type_code: XML_CONTENT.to_owned(),
            handling_service_id: None,
            encrypted: true,
        }
    }

    /// With a function address.
    #[must_use]
    pub fn handling_service(mut self, address: impl Into<String>) -> Self {
        self.handling_service_id = Some(address.into());
        self
    }

    /// Whether the payload is XML.
    pub fn is_xml(&self) -> bool {
        self.content_type_code == XML_CONTENT || self.content_type_code == "text/xml"
    }

    /// The envelope from its start to the start tag of PayloadContent, in canonical form.
    pub(super) fn frame(&self, encrypted: bool) -> String {
        let mut out = Writer::new();
        out.start("x:XHE", &[("xmlns:x", XHE), ("xmlns:xha", XHA), ("xmlns:xhb", XHB)]);
        out.element("xhb:XHEVersionID", &[], VERSION);
        out.element("xhb:CustomizationID", &[], CUSTOMIZATION);
        out.start("xha:Header", &[]);
        out.element("xhb:ID", &[], self.id.as_str());
        out.element("xhb:CreationDateTime", &[], &self.created);
        out.start("xha:BusinessScope", &[]);
        for (code, value) in self.scope() {
            out.start("xha:BusinessScopeCriterion", &[]);
            out.element("xhb:BusinessScopeCriterionTypeCode", &[], code);
            out.element("xhb:BusinessScopeCriterionValue", &[], value);
            out.end();
        }
        out.end();
        for (party, id) in [("xha:FromParty", &self.from), ("xha:ToParty", &self.to)] {
            out.start(party, &[]).start("xha:PartyIdentification", &[]);
            out.element("xhb:ID", &[("schemeID", PARTICIPANT_SCHEME)], id.as_str());
            out.end().end();
        }
        out.end();
        out.start("xha:Payloads", &[]).start("xha:Payload", &[]);
        out.element("xhb:DocumentTypeCode", &[], &self.document_type_code);
        out.element("xhb:ContentTypeCode", &[], &self.content_type_code);
        if let Some(address) = &self.handling_service_id {
            out.element("xhb:HandlingServiceID", &[], address);
        }
        out.element("xhb:InstanceEncryptionIndicator", &[], if encrypted { "true" } else { "false" });
        out.start("xha:PayloadContent", &[]);
        out.written().to_owned()
    }

    /// The five criteria (XHE-2.2.t05), in the order of the specification.
    fn scope(&self) -> [(&'static str, &str); 5] {
        [
            ("DOCUMENTID", &self.document_type.value),
            ("DOCUMENTID_SCHEME", &self.document_type.scheme),
            ("PROCESSID", &self.process.value),
            ("PROCESSID_SCHEME", &self.process.scheme),
            ("FEDERATIONID", &self.federation),
        ]
    }
}

/// From the end tag of PayloadContent to the place of the signature.
pub(super) const AFTER_PAYLOAD: &str = "</xha:PayloadContent></xha:Payload></xha:Payloads>";
/// After the signature.
pub(super) const AFTER_SIGNATURE: &str = "</x:XHE>";

/// A text of the envelope and what it must be; for checks before writing.
pub(super) fn faults(header: &Header) -> Option<String> {
    let schemes = [
        (&header.document_type.scheme, DOCUMENT_SCHEME, "the scheme of the document type"),
        (&header.process.scheme, PROCESS_SCHEME, "the scheme of the process"),
    ];
    for (found, expected, what) in schemes {
        if found != expected {
            return Some(format!("{what} is {found:?}; expected {expected}"));
        }
    }
    let texts = [
        (header.created.as_str(), "the time of creation"),
        (&header.document_type.value, "the document type"),
        (&header.process.value, "the process"),
        (&header.federation, "the federation"),
        (&header.document_type_code, "the document type code"),
        (&header.content_type_code, "the content type code"),
        (header.handling_service_id.as_deref().unwrap_or("-"), "the handling service id"),
    ];
    texts.into_iter().find_map(|(text, what)| {
        let sound = !text.trim().is_empty() && !text.chars().any(char::is_control);
        (!sound).then(|| format!("{what} is empty or has control characters; expected one line of text (R2)"))
    })
}
