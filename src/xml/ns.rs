//! Namespace names of the standards in use.

/// SOAP 1.2.
pub const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// ebMS 3.0.
pub const EB: &str = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/";
/// Non-repudiation information in AS4 receipts.
pub const EBBP: &str = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0";
/// WS-Security 1.0.
pub const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// WS-Security 1.1.
pub const WSSE11: &str = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd";
/// WS-Security utility (wsu:Id).
pub const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// XML Signature.
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption 1.0.
pub const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// XML Encryption 1.1.
pub const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
/// Exclusive canonicalisation (InclusiveNamespaces).
pub const EC: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The `xml` prefix.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// XHE 1.0, root.
pub const XHE: &str = "http://docs.oasis-open.org/bdxr/ns/XHE/1/ExchangeHeaderEnvelope";
/// XHE 1.0, aggregates.
pub const XHA: &str = "http://docs.oasis-open.org/bdxr/ns/XHE/1/AggregateComponents";
/// XHE 1.0, basic components.
pub const XHB: &str = "http://docs.oasis-open.org/bdxr/ns/XHE/1/BasicComponents";
/// SDK message 3.0.
pub const MSG: &str = "urn:riv:infrastructure:messaging:MessageWithAttachments:3";
/// UBL 2.1 ApplicationResponse.
pub const UBL_RESPONSE: &str = "urn:oasis:names:specification:ubl:schema:xsd:ApplicationResponse-2";
/// UBL 2.1 aggregates.
pub const CAC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
/// UBL 2.1 basic components.
pub const CBC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";
/// OASIS SMP 1.0.
pub const SMP: &str = "http://docs.oasis-open.org/bdxr/ns/SMP/2016/05";
/// OASIS SMP 2.0 aggregates, as CertPub uses them.
pub const SMC: &str = "http://docs.oasis-open.org/bdxr/ns/SMP/2/AggregateComponents";
/// OASIS SMP 2.0 basic components, as CertPub uses them.
pub const SMB: &str = "http://docs.oasis-open.org/bdxr/ns/SMP/2/BasicComponents";
