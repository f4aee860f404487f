//! What the schema of ebMS 3.0 lets stand in `eb:Messaging` beside the elements themselves: which attributes an element has,
//! and whether it may have text; and the names of character sets.

use super::error::{Finding, Refusal};
use crate::xml::{Attribute, Node, ns};

/// An element of the schema. Those that are not in [`ELEMENTS`] are refused where the header is read.
struct Element {
    local: &'static str,
    /// Whether it has text; otherwise elements only.
    text: bool,
    attributes: &'static [&'static str],
}

/// Refuses attributes that the schema does not know, and text between elements. What a receipt holds is left to its reader.
///
/// # Errors
///
/// [`Refusal::Header`].
pub(super) fn check(node: Node<'_>) -> Result<(), Refusal> {
    if let Some(element) = ELEMENTS.iter().find(|element| node.is(ns::EB, element.local)) {
        if !element.text && node.has_own_text() {
            return Err(Refusal::Header(Finding::new(format!("text in {}", node.path()), "elements only")));
        }
        if let Some(unknown) = node.attributes().iter().find(|attribute| !element.allows(attribute)) {
            return Err(Refusal::Header(Finding::new(
                format!("an attribute {} of {}", unknown.local, node.path()),
                "the attributes of the ebMS schema",
            )));
        }
    }
    if node.is(ns::EB, "Receipt") { Ok(()) } else { node.children().try_for_each(check) }
}

impl Element {
    fn allows(&self, attribute: &Attribute) -> bool {
        match attribute.ns.as_str() {
            "" => self.attributes.contains(&attribute.local.as_str()),
            // The block itself is open: wsu:Id, mustUnderstand, and what other specifications put there.
            _ if self.local == "Messaging" => true,
            // Hints for validators belong to every element.
            XSI => true,
            ns::XML => self.local == "Description" && attribute.local == "lang",
            _ => false,
        }
    }
}

const fn holds(local: &'static str, attributes: &'static [&'static str]) -> Element {
    Element { local, text: false, attributes }
}

const fn text(local: &'static str, attributes: &'static [&'static str]) -> Element {
    Element { local, text: true, attributes }
}

/// `id` of eb:Messaging is the schema's, `Id` a signature's. `type` of Property came with errata of the schema (protocol.md 1.7).
const ELEMENTS: [Element; 28] = [
    holds("Messaging", &["id", "Id"]),
    holds("UserMessage", &["mpc"]),
    holds("SignalMessage", &[]),
    holds("MessageInfo", &[]),
    text("Timestamp", &[]),
    text("MessageId", &[]),
    text("RefToMessageId", &[]),
    holds("PartyInfo", &[]),
    holds("From", &[]),
    holds("To", &[]),
    text("PartyId", &["type"]),
    text("Role", &[]),
    holds("CollaborationInfo", &[]),
    text("AgreementRef", &["type", "pmode"]),
    text("Service", &["type"]),
    text("Action", &[]),
    text("ConversationId", &[]),
    holds("MessageProperties", &[]),
    text("Property", &["name", "type"]),
    holds("PayloadInfo", &[]),
    holds("PartInfo", &["href"]),
    holds("Schema", &["location", "version", "namespace"]),
    text("Description", &[]),
    holds("PartProperties", &[]),
    holds("PullRequest", &["mpc"]),
    holds("Receipt", &[]),
    holds("Error", &["category", "refToMessageInError", "errorCode", "origin", "severity", "shortDescription"]),
    text("ErrorDetail", &[]),
];

/// Whether this names a character set: the names of XML 1.0, 4.3.3, and their relatives.
pub(super) fn is_charset(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let numbered = |family: &str| {
        name.strip_prefix(family).is_some_and(|n| (1..=2).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    };
    CHARSETS.contains(&name.as_str()) || numbered("iso-8859-") || numbered("windows-125")
}

const CHARSETS: [&str; 10] = [
    "utf-8",
    "utf-16",
    "utf-16be",
    "utf-16le",
    "us-ascii",
    "iso-10646-ucs-2",
    "iso-10646-ucs-4",
    "iso-2022-jp",
    "shift_jis",
    "euc-jp",
];

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
