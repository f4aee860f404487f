//! The XML Signature schema that XHE-1.0.xsd imports, as tables. The models of PGPData, SPKIData and
//! DSAKeyValue, which have groups within sequences, are simplified to a choice of their elements.

use crate::xml::ns::DS;
use crate::xml::validate::{
    Attribute, Content, Particle, Process, Term, Type, UNBOUNDED, Value, element, others, sequence, simple,
};

const ID: Attribute = Attribute { name: "Id", value: Value::Id, required: false };
const ALGORITHM: Attribute = Attribute { name: "Algorithm", value: Value::Text, required: true };

const fn uri(name: &'static str) -> Attribute {
    Attribute { name, value: Value::Text, required: false }
}

const fn ds(local: &'static str, kind: &'static Type, min: u32, max: u32) -> Particle {
    element(DS, local, kind, min, max)
}

const fn of(local: &'static str, kind: &'static Type) -> Particle {
    element(DS, local, kind, 0, UNBOUNDED)
}

const fn with_id(particles: &'static [Particle]) -> Type {
    Type { attributes: &[ID], content: Content::Sequence(particles), mixed: false }
}

const fn choice(particles: &'static [Particle], min: u32, max: u32) -> Type {
    Type { attributes: &[], content: Content::Choice(particles, min, max), mixed: false }
}

pub(super) static TEXT: Type = simple(Value::Text);
pub(super) static BASE64: Type = simple(Value::Base64);
static INTEGER: Type = simple(Value::Integer);

pub(super) static SIGNATURE: Type = with_id(&[
    ds("SignedInfo", &SIGNED_INFO, 1, 1),
    ds("SignatureValue", &SIGNATURE_VALUE, 1, 1),
    ds("KeyInfo", &KEY_INFO, 0, 1),
    of("Object", &OBJECT),
]);

pub(super) static SIGNATURE_VALUE: Type =
    Type { attributes: &[ID], content: Content::Derived(Value::Base64), mixed: false };

pub(super) static SIGNED_INFO: Type = with_id(&[
    ds("CanonicalizationMethod", &CANONICALIZATION_METHOD, 1, 1),
    ds("SignatureMethod", &SIGNATURE_METHOD, 1, 1),
    ds("Reference", &REFERENCE, 1, UNBOUNDED),
]);

pub(super) static CANONICALIZATION_METHOD: Type = Type {
    attributes: &[ALGORITHM],
    content: Content::Sequence(&[Particle { term: Term::Any(Process::Strict), min: 0, max: UNBOUNDED }]),
    mixed: true,
};

pub(super) static SIGNATURE_METHOD: Type = Type {
    attributes: &[ALGORITHM],
    content: Content::Sequence(&[
        ds("HMACOutputLength", &INTEGER, 0, 1),
        Particle { term: Term::Other(DS, Process::Strict), min: 0, max: UNBOUNDED },
    ]),
    mixed: true,
};

pub(super) static REFERENCE: Type = Type {
    attributes: &[ID, uri("URI"), uri("Type")],
    content: Content::Sequence(&[
        ds("Transforms", &TRANSFORMS, 0, 1),
        ds("DigestMethod", &DIGEST_METHOD, 1, 1),
        ds("DigestValue", &BASE64, 1, 1),
    ]),
    mixed: false,
};

pub(super) static TRANSFORMS: Type = sequence(&[ds("Transform", &TRANSFORM, 1, UNBOUNDED)]);

pub(super) static TRANSFORM: Type = Type {
    attributes: &[ALGORITHM],
    content: Content::Choice(&[others(DS), of("XPath", &TEXT)], 0, UNBOUNDED),
    mixed: true,
};

pub(super) static DIGEST_METHOD: Type =
    Type { attributes: &[ALGORITHM], content: Content::Sequence(&[others(DS)]), mixed: true };

pub(super) static KEY_INFO: Type = Type {
    attributes: &[ID],
    content: Content::Choice(
        &[
            of("KeyName", &TEXT),
            of("KeyValue", &KEY_VALUE),
            of("RetrievalMethod", &RETRIEVAL_METHOD),
            of("X509Data", &X509_DATA),
            of("PGPData", &PGP_DATA),
            of("SPKIData", &SPKI_DATA),
            of("MgmtData", &TEXT),
            others(DS),
        ],
        1,
        UNBOUNDED,
    ),
    mixed: true,
};

pub(super) static KEY_VALUE: Type = Type {
    attributes: &[],
    content: Content::Choice(&[of("DSAKeyValue", &DSA_KEY_VALUE), of("RSAKeyValue", &RSA_KEY_VALUE), others(DS)], 1, 1),
    mixed: true,
};

pub(super) static RETRIEVAL_METHOD: Type = Type {
    attributes: &[uri("URI"), uri("Type")],
    content: Content::Sequence(&[ds("Transforms", &TRANSFORMS, 0, 1)]),
    mixed: false,
};

pub(super) static X509_DATA: Type = choice(
    &[
        of("X509IssuerSerial", &X509_ISSUER_SERIAL),
        of("X509SKI", &BASE64),
        of("X509SubjectName", &TEXT),
        of("X509Certificate", &BASE64),
        of("X509CRL", &BASE64),
        others(DS),
    ],
    1,
    UNBOUNDED,
);

static X509_ISSUER_SERIAL: Type =
    sequence(&[ds("X509IssuerName", &TEXT, 1, 1), ds("X509SerialNumber", &INTEGER, 1, 1)]);

pub(super) static PGP_DATA: Type =
    choice(&[of("PGPKeyID", &BASE64), of("PGPKeyPacket", &BASE64), others(DS)], 1, UNBOUNDED);

pub(super) static SPKI_DATA: Type = choice(&[of("SPKISexp", &BASE64), others(DS)], 1, UNBOUNDED);

pub(super) static OBJECT: Type = Type {
    attributes: &[ID, uri("MimeType"), uri("Encoding")],
    content: Content::Sequence(&[Particle { term: Term::Any(Process::Lax), min: 0, max: UNBOUNDED }]),
    mixed: true,
};

pub(super) static MANIFEST: Type = with_id(&[ds("Reference", &REFERENCE, 1, UNBOUNDED)]);

pub(super) static SIGNATURE_PROPERTIES: Type = with_id(&[ds("SignatureProperty", &SIGNATURE_PROPERTY, 1, UNBOUNDED)]);

pub(super) static SIGNATURE_PROPERTY: Type = Type {
    attributes: &[Attribute { name: "Target", value: Value::Text, required: true }, ID],
    content: Content::Choice(&[others(DS)], 1, UNBOUNDED),
    mixed: true,
};

pub(super) static DSA_KEY_VALUE: Type = choice(
    &[
        of("P", &BASE64),
        of("Q", &BASE64),
        of("G", &BASE64),
        of("Y", &BASE64),
        of("J", &BASE64),
        of("Seed", &BASE64),
        of("PgenCounter", &BASE64),
    ],
    1,
    7,
);

pub(super) static RSA_KEY_VALUE: Type = sequence(&[ds("Modulus", &BASE64, 1, 1), ds("Exponent", &BASE64, 1, 1)]);
