//! XHE-1.0.xsd with its parts, as tables.

use super::signature_schema as ds;
use crate::xml::ns::{DS, XHA, XHB, XHE};
use crate::xml::validate::{
    Attribute, Content, Element, Particle, Process, Schema, Term, Type, UNBOUNDED, Value, element, sequence,
};

/// Namespace of the extension components.
const EXT: &str = "http://docs.oasis-open.org/bdxr/ns/XHE/1/ExtensionComponents";

const fn optional_text(name: &'static str) -> Attribute {
    Attribute { name, value: Value::Text, required: false }
}

static IDENTIFIER: Type = Type {
    attributes: &[
        optional_text("schemeID"),
        optional_text("schemeName"),
        optional_text("schemeAgencyID"),
        optional_text("schemeAgencyName"),
        optional_text("schemeVersionID"),
        optional_text("schemeDataURI"),
        optional_text("schemeURI"),
    ],
    content: Content::Derived(Value::Text),
    mixed: false,
};

const LANGUAGE: Attribute = Attribute { name: "languageID", value: Value::Language, required: false };

static CODE: Type = Type {
    attributes: &[
        optional_text("listID"),
        optional_text("listAgencyID"),
        optional_text("listAgencyName"),
        optional_text("listName"),
        optional_text("listVersionID"),
        optional_text("name"),
        LANGUAGE,
        optional_text("listURI"),
        optional_text("listSchemeURI"),
    ],
    content: Content::Derived(Value::Text),
    mixed: false,
};

static TEXT: Type = Type {
    attributes: &[LANGUAGE, optional_text("languageLocaleID")],
    content: Content::Derived(Value::Text),
    mixed: false,
};
static DATE_TIME: Type = Type { attributes: &[], content: Content::Derived(Value::DateTime), mixed: false };
static INDICATOR: Type = Type { attributes: &[], content: Content::Derived(Value::Boolean), mixed: false };

const fn xha(local: &'static str, kind: &'static Type, min: u32, max: u32) -> Particle {
    element(XHA, local, kind, min, max)
}

const fn xhb(local: &'static str, kind: &'static Type, min: u32, max: u32) -> Particle {
    element(XHB, local, kind, min, max)
}

const fn ext(local: &'static str, kind: &'static Type, min: u32, max: u32) -> Particle {
    element(EXT, local, kind, min, max)
}

static ENVELOPE: Type = sequence(&[
    ext("XHEExtensions", &EXTENSIONS, 0, 1),
    xhb("XHEVersionID", &IDENTIFIER, 1, 1),
    xhb("CustomizationID", &IDENTIFIER, 0, 1),
    xhb("ProfileID", &IDENTIFIER, 0, 1),
    xhb("ProfileExecutionID", &IDENTIFIER, 0, 1),
    xha("Header", &HEADER, 1, 1),
    xha("Payloads", &PAYLOADS, 0, 1),
    element(DS, "Signature", &ds::SIGNATURE, 0, UNBOUNDED),
]);

static HEADER: Type = sequence(&[
    xhb("ID", &IDENTIFIER, 1, 1),
    xhb("UUID", &IDENTIFIER, 0, 1),
    xhb("CreationDateTime", &DATE_TIME, 1, 1),
    xha("BusinessScope", &SCOPE, 0, 1),
    xha("FromParty", &PARTY, 0, 1),
    xha("ToParty", &PARTY, 1, UNBOUNDED),
]);

static SCOPE: Type = sequence(&[
    xha("BusinessScopeCriterion", &CRITERION, 0, UNBOUNDED),
    xha("ExternalReference", &REFERENCE, 0, UNBOUNDED),
]);

static CRITERION: Type =
    sequence(&[xhb("BusinessScopeCriterionTypeCode", &CODE, 1, 1), xhb("BusinessScopeCriterionValue", &TEXT, 1, 1)]);

static PARTY: Type = sequence(&[xha("PartyIdentification", &PARTY_IDENTIFICATION, 1, UNBOUNDED)]);

static PARTY_IDENTIFICATION: Type = sequence(&[xhb("ID", &IDENTIFIER, 1, 1)]);

static REFERENCE: Type = sequence(&[
    xhb("ID", &IDENTIFIER, 1, 1),
    xhb("AvailabilityStartDateTime", &DATE_TIME, 0, 1),
    xhb("AvailabilityEndDateTime", &DATE_TIME, 0, 1),
    xhb("Login", &TEXT, 0, 1),
    xhb("Password", &TEXT, 0, 1),
]);

static PAYLOADS: Type = sequence(&[xha("Payload", &PAYLOAD, 1, UNBOUNDED)]);

static PAYLOAD: Type = sequence(&[
    xhb("ID", &IDENTIFIER, 0, 1),
    xhb("Description", &TEXT, 0, UNBOUNDED),
    xhb("DocumentTypeCode", &CODE, 0, 1),
    xhb("ContentTypeCode", &CODE, 0, 1),
    xhb("CustomizationID", &IDENTIFIER, 0, 1),
    xhb("ProfileID", &IDENTIFIER, 0, 1),
    xhb("ProfileExecutionID", &IDENTIFIER, 0, 1),
    xhb("HandlingServiceID", &IDENTIFIER, 0, 1),
    xhb("ValidationTypeCode", &CODE, 0, 1),
    xhb("ValidationVersionID", &IDENTIFIER, 0, 1),
    xhb("InstanceEncryptionIndicator", &INDICATOR, 1, 1),
    xhb("InstanceEncryptionMethod", &TEXT, 0, 1),
    xhb("InstanceHashValue", &TEXT, 0, 1),
    xha("InstanceDecryptionInformationExternalReference", &REFERENCE, 0, 1),
    xha("InstanceDecryptionKeyExternalReference", &REFERENCE, 0, 1),
    xha("RelevantExternalReference", &REFERENCE, 0, UNBOUNDED),
    xha("PayloadExternalReference", &REFERENCE, 0, 1),
    xha("PayloadContent", &PAYLOAD_CONTENT, 0, 1),
]);

static PAYLOAD_CONTENT: Type = Type {
    attributes: &[],
    content: Content::Sequence(&[Particle { term: Term::Other(XHA, Process::Lax), min: 0, max: 1 }]),
    mixed: true,
};

static EXTENSIONS: Type = sequence(&[ext("XHEExtension", &EXTENSION, 1, UNBOUNDED)]);

static EXTENSION: Type = sequence(&[
    xhb("ID", &IDENTIFIER, 0, 1),
    ext("Name", &TEXT, 0, 1),
    ext("ExtensionAgencyID", &IDENTIFIER, 0, 1),
    ext("ExtensionAgencyName", &TEXT, 0, 1),
    ext("ExtensionVersionID", &IDENTIFIER, 0, 1),
    ext("ExtensionAgencyURI", &IDENTIFIER, 0, 1),
    ext("ExtensionURI", &IDENTIFIER, 0, 1),
    ext("ExtensionReasonCode", &CODE, 0, 1),
    ext("ExtensionReason", &TEXT, 0, 1),
    ext("ExtensionContent", &EXTENSION_CONTENT, 1, 1),
]);

static EXTENSION_CONTENT: Type = sequence(&[Particle { term: Term::Other(EXT, Process::Lax), min: 1, max: 1 }]);

const fn global(ns: &'static str, local: &'static str, kind: &'static Type) -> Element {
    Element { ns, local, kind }
}

/// The global elements. Those below a wildcard are held against them, too: a payload may hold an envelope.
pub(super) static SCHEMA: Schema = Schema {
    elements: &[
        global(XHE, "XHE", &ENVELOPE),
        global(XHA, "BusinessScope", &SCOPE),
        global(XHA, "BusinessScopeCriterion", &CRITERION),
        global(XHA, "ExternalReference", &REFERENCE),
        global(XHA, "FromParty", &PARTY),
        global(XHA, "Header", &HEADER),
        global(XHA, "InstanceDecryptionInformationExternalReference", &REFERENCE),
        global(XHA, "InstanceDecryptionKeyExternalReference", &REFERENCE),
        global(XHA, "Party", &PARTY),
        global(XHA, "PartyIdentification", &PARTY_IDENTIFICATION),
        global(XHA, "Payload", &PAYLOAD),
        global(XHA, "PayloadExternalReference", &REFERENCE),
        global(XHA, "Payloads", &PAYLOADS),
        global(XHA, "RelevantExternalReference", &REFERENCE),
        global(XHA, "ToParty", &PARTY),
        global(XHB, "AvailabilityEndDateTime", &DATE_TIME),
        global(XHB, "AvailabilityStartDateTime", &DATE_TIME),
        global(XHB, "BusinessScopeCriterionTypeCode", &CODE),
        global(XHB, "BusinessScopeCriterionValue", &TEXT),
        global(XHB, "ContentTypeCode", &CODE),
        global(XHB, "CreationDateTime", &DATE_TIME),
        global(XHB, "CustomizationID", &IDENTIFIER),
        global(XHB, "Description", &TEXT),
        global(XHB, "DocumentTypeCode", &CODE),
        global(XHB, "HandlingServiceID", &IDENTIFIER),
        global(XHB, "ID", &IDENTIFIER),
        global(XHB, "InstanceEncryptionIndicator", &INDICATOR),
        global(XHB, "InstanceEncryptionMethod", &TEXT),
        global(XHB, "InstanceHashValue", &TEXT),
        global(XHB, "Login", &TEXT),
        global(XHB, "Password", &TEXT),
        global(XHB, "ProfileExecutionID", &IDENTIFIER),
        global(XHB, "ProfileID", &IDENTIFIER),
        global(XHB, "UUID", &IDENTIFIER),
        global(XHB, "ValidationTypeCode", &CODE),
        global(XHB, "ValidationVersionID", &IDENTIFIER),
        global(XHB, "XHEVersionID", &IDENTIFIER),
        global(EXT, "XHEExtensions", &EXTENSIONS),
        global(EXT, "XHEExtension", &EXTENSION),
        global(EXT, "Name", &TEXT),
        global(EXT, "ExtensionAgencyID", &IDENTIFIER),
        global(EXT, "ExtensionAgencyName", &TEXT),
        global(EXT, "ExtensionAgencyURI", &IDENTIFIER),
        global(EXT, "ExtensionContent", &EXTENSION_CONTENT),
        global(EXT, "ExtensionReason", &TEXT),
        global(EXT, "ExtensionReasonCode", &CODE),
        global(EXT, "ExtensionURI", &IDENTIFIER),
        global(EXT, "ExtensionVersionID", &IDENTIFIER),
        global(DS, "Signature", &ds::SIGNATURE),
        global(DS, "SignatureValue", &ds::SIGNATURE_VALUE),
        global(DS, "SignedInfo", &ds::SIGNED_INFO),
        global(DS, "CanonicalizationMethod", &ds::CANONICALIZATION_METHOD),
        global(DS, "SignatureMethod", &ds::SIGNATURE_METHOD),
        global(DS, "Reference", &ds::REFERENCE),
        global(DS, "Transforms", &ds::TRANSFORMS),
        global(DS, "Transform", &ds::TRANSFORM),
        global(DS, "DigestMethod", &ds::DIGEST_METHOD),
        global(DS, "DigestValue", &ds::BASE64),
        global(DS, "KeyInfo", &ds::KEY_INFO),
        global(DS, "KeyName", &ds::TEXT),
        global(DS, "MgmtData", &ds::TEXT),
        global(DS, "KeyValue", &ds::KEY_VALUE),
        global(DS, "RetrievalMethod", &ds::RETRIEVAL_METHOD),
        global(DS, "X509Data", &ds::X509_DATA),
        global(DS, "PGPData", &ds::PGP_DATA),
        global(DS, "SPKIData", &ds::SPKI_DATA),
        global(DS, "Object", &ds::OBJECT),
        global(DS, "Manifest", &ds::MANIFEST),
        global(DS, "SignatureProperties", &ds::SIGNATURE_PROPERTIES),
        global(DS, "SignatureProperty", &ds::SIGNATURE_PROPERTY),
        global(DS, "DSAKeyValue", &ds::DSA_KEY_VALUE),
        global(DS, "RSAKeyValue", &ds::RSA_KEY_VALUE),
    ],
};
