//! The SOAP envelope of one message: where its header blocks and its body are. Nothing here is verified.

use super::cause::RefusalCause;
use super::error::{Finding, Refusal};
use super::header::{self, Content};
use super::security::{self, KeyReference};
use crate::limits;
use crate::xml::tree::NodeId;
use crate::xml::{Node, Tree, XmlError, ns};

/// A parsed envelope. What is read later is read from these nodes, and the signature must cover these nodes.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) soap: String,
    pub(super) tree: Tree,
    pub(super) messaging: NodeId,
    pub(super) body: NodeId,
    pub(super) security: Option<NodeId>,
    pub(super) content: Content,
    pub(super) signer_reference: Option<KeyReference>,
}

impl Envelope {
    /// Parses the SOAP part and finds eb:Messaging, S12:Body and wsse:Security in their only places.
    ///
    /// # Errors
    ///
    /// [`Refusal::Header`] for anything that is no SOAP 1.2 envelope with one eb:Messaging, [`Refusal::Policy`] for several
    /// or foreign wsse:Security and for ambiguous ids, [`Refusal::Feature`] for a header block that must be understood and is not.
    pub(super) fn parse(soap: Vec<u8>) -> Result<Self, Refusal> {
        let soap = String::from_utf8(soap).map_err(|_| {
            Refusal::Header(Finding::new("a SOAP part that is not UTF-8", "UTF-8").cause(RefusalCause::Xml))
        })?;
        let tree = Tree::parse_within(soap.as_bytes(), limits::SOAP_NODES_MAX).map_err(from_xml)?;
        no_instruction(&tree)?;
        let (header, body) = frame(tree.root())?;
        only_one_of_each(tree.root())?;
        if let Some(ambiguous) = tree.ambiguous_id() {
            return Err(Refusal::Policy(
                Finding::new(ambiguous.to_string(), "one id for each element, and no two alike")
                    .cause(RefusalCause::Ambiguous),
            ));
        }
        let messaging = header.child(ns::EB, "Messaging").map(|node| node.id);
        let messaging = messaging
            .ok_or_else(|| Refusal::Header(Finding::new("no eb:Messaging in the SOAP header", "one eb:Messaging")))?;
        let security = header.child(ns::WSSE, "Security");
        own_role(tree.node(messaging))?;
        security.map_or(Ok(()), own_role)?;
        understood(header)?;
        let content = header::read(tree.node(messaging))?;
        if let Content::User(_) = &content {
            empty(body)?;
        }
        let signer_reference =
            security.map(security::signature).transpose()?.flatten().map(security::signer_reference).transpose()?;
        let (body, security) = (body.id, security.map(|node| node.id));
        Ok(Self { soap, messaging, body, security, content, signer_reference, tree })
    }

    /// The wsse:Security element.
    pub(super) fn security(&self) -> Option<Node<'_>> {
        self.security.map(|id| self.tree.node(id))
    }
}

/// Header and Body of a SOAP 1.2 envelope.
fn frame(root: Node<'_>) -> Result<(Node<'_>, Node<'_>), Refusal> {
    if let Some(node) = std::iter::once(root).chain(root.children().take(1)).find(Node::has_own_text) {
        return Err(Refusal::Header(
            Finding::new(format!("text in {}", node.path()), "elements only").cause(RefusalCause::Envelope),
        ));
    }
    let mut children = root.children();
    match (children.next(), children.next(), children.next()) {
        (Some(header), Some(body), None)
            if root.is(ns::SOAP, "Envelope") && header.is(ns::SOAP, "Header") && body.is(ns::SOAP, "Body") =>
        {
            Ok((header, body))
        }
        _ => Err(Refusal::Header(
            Finding::new(
                format!("{} in namespace {:?} with {} children", root.local(), root.ns(), root.children().count()),
                "a SOAP 1.2 Envelope of Header and Body",
            )
            .cause(RefusalCause::Envelope),
        )),
    }
}

/// SOAP 1.2, 5: a message has no processing instructions. They would be signed, and read by nobody.
fn no_instruction(tree: &Tree) -> Result<(), Refusal> {
    match tree.instruction() {
        None => Ok(()),
        Some(target) => Err(Refusal::Header(
            Finding::new(
                format!("a processing instruction {target:?}"),
                "a SOAP message without processing instructions",
            )
            .cause(RefusalCause::Envelope),
        )),
    }
}

/// Payloads are MIME parts here, so the Body of a user message is empty. Signals may bring a SOAP fault (protocol.md 1.10).
fn empty(body: Node<'_>) -> Result<(), Refusal> {
    let found = match body.children().next() {
        Some(child) => child.path(),
        None if body.has_own_text() => format!("text in {}", body.path()),
        None => return Ok(()),
    };
    Err(Refusal::Header(Finding::new(found, "an empty SOAP Body: payloads are MIME parts").rule("AS4-2.2.t04")))
}

/// A second element of these names, wherever it hides, is the mark of signature wrapping (protocol.md 6, 15).
fn only_one_of_each(root: Node<'_>) -> Result<(), Refusal> {
    for (namespace, local) in
        [(ns::EB, "Messaging"), (ns::WSSE, "Security"), (ns::SOAP, "Header"), (ns::SOAP, "Body"), (ns::DS, "Signature")]
    {
        if let Some(second) = root.descendants().filter(|node| node.is(namespace, local)).nth(1) {
            return Err(Refusal::Policy(
                Finding::new(
                    format!("a second {local} at {}", second.path()),
                    format!("one {local} in the whole envelope"),
                )
                .cause(RefusalCause::Ambiguous),
            ));
        }
    }
    Ok(())
}

/// Both header blocks are for the ultimate receiver, which we are: one for another role is nothing that we may process (SOAP 1.2, 2.2).
fn own_role(block: Node<'_>) -> Result<(), Refusal> {
    match block.attribute(ns::SOAP, "role") {
        None | Some(ULTIMATE_RECEIVER) => Ok(()),
        Some(role) => Err(Refusal::Policy(
            Finding::new(format!("{} for the role {role:?}", block.local()), format!("{} without role", block.local()))
                .cause(RefusalCause::SoapRole),
        )),
    }
}

/// Other header blocks may be there as long as they need not be understood (SOAP 1.2, 2.4 and 5.2.3).
fn understood(header: Node<'_>) -> Result<(), Refusal> {
    for node in header.children() {
        let known = node.is(ns::EB, "Messaging") || node.is(ns::WSSE, "Security");
        match node.attribute(ns::SOAP, "mustUnderstand").map(str::trim) {
            Some("true" | "1") if !known => {
                return Err(Refusal::Feature(Finding::new(
                    format!("header block {} with mustUnderstand", node.path()),
                    "eb:Messaging and wsse:Security",
                )));
            }
            None | Some("true" | "1" | "false" | "0") => {}
            Some(other) => {
                return Err(Refusal::Header(Finding::new(
                    format!("mustUnderstand with the value {other} at {}", node.path()),
                    "true, false, 1 or 0",
                )));
            }
        }
    }
    Ok(())
}

/// What an XML fault of the SOAP part means.
pub(super) fn from_xml(error: XmlError) -> Refusal {
    match error {
        XmlError::Io(error) => super::mime::from_io(error),
        XmlError::Limit { .. } => Refusal::Limit(Finding::new(error.to_string(), "a smaller SOAP part")),
        XmlError::Forbidden { what } => {
            Refusal::Header(Finding::new(what, "XML 1.0 in UTF-8, without DTD").cause(RefusalCause::Xml))
        }
        _ => Refusal::Header(Finding::new(error.to_string(), "well-formed XML without DTD").cause(RefusalCause::Xml)),
    }
}

const ULTIMATE_RECEIVER: &str = "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver";
