//! `eb:Messaging`: reading and writing the header of user messages and signals (ebMS 3.0 Core, 5.2), in the
//! order and number that its schema has.

use super::error::{EbmsError, Finding, Refusal, clip};
use super::header_schema;
use super::pmode;
use crate::limits;
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::time::millis;
use crate::model::{As4MessageId, SignedReference, Timestamp};
use crate::xml::{Node, ns, write};
use std::collections::HashSet;
use std::fmt::Write as _;

/// A party: an access point and the role that it takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// PartyId: the common name of the access point's certificate.
    pub id: String,
    /// Its type.
    pub kind: Option<String>,
    /// Role.
    pub role: String,
}

impl Party {
    /// The sending access point, as Digg's profile has it.
    pub fn initiator(id: &str) -> Self {
        Self { id: id.into(), kind: Some(pmode::PARTY_TYPE.into()), role: pmode::ROLE_INITIATOR.into() }
    }

    /// The receiving access point, as Digg's profile has it.
    pub fn responder(id: &str) -> Self {
        Self { id: id.into(), kind: Some(pmode::PARTY_TYPE.into()), role: pmode::ROLE_RESPONDER.into() }
    }
}

/// A property of a message or of a part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Property {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: Option<String>,
    /// Value.
    pub value: String,
}

impl Property {
    /// A property without type.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), kind: None, value: value.into() }
    }

    /// A property that holds a participant (C-04).
    pub fn participant(name: &str, value: &str) -> Self {
        Self { name: name.into(), kind: Some(PARTICIPANT_SCHEME.into()), value: value.into() }
    }
}

/// An agreement, which Digg's profile does not use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agreement {
    /// AgreementRef.
    pub value: String,
    /// Its type.
    pub kind: Option<String>,
    /// The P-Mode that it names.
    pub pmode: Option<String>,
}

/// What the header says of one part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartInfo {
    /// `cid:` and the content id.
    pub href: String,
    /// Part properties.
    pub properties: Vec<Property>,
}

impl PartInfo {
    /// Media type before compression.
    pub fn mime(&self) -> Option<&str> {
        self.property(pmode::MIME_TYPE)
    }

    /// Compression: `application/gzip` or none.
    pub fn compression(&self) -> Option<&str> {
        self.property(pmode::COMPRESSION_TYPE)
    }

    /// Character set.
    pub fn charset(&self) -> Option<&str> {
        self.property(pmode::CHARACTER_SET)
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }
}

/// A user message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserMessage {
    /// Message partition channel.
    pub mpc: Option<String>,
    /// Message id.
    pub message_id: As4MessageId,
    /// RefToMessageId; a one-way message has none.
    pub ref_to: Option<As4MessageId>,
    /// When it was made.
    pub timestamp: Timestamp,
    /// Sending access point.
    pub from: Party,
    /// Receiving access point.
    pub to: Party,
    /// Agreement.
    pub agreement: Option<Agreement>,
    /// Service: the process.
    pub service: String,
    /// Its type.
    pub service_type: Option<String>,
    /// Action: the document type.
    pub action: String,
    /// Conversation: the envelope's id (C-01).
    pub conversation_id: String,
    /// Message properties.
    pub properties: Vec<Property>,
    /// Parts.
    pub parts: Vec<PartInfo>,
}

impl UserMessage {
    /// The sending participant (AS4-2.3.1.p).
    pub fn original_sender(&self) -> Option<&str> {
        self.property(pmode::ORIGINAL_SENDER)
    }

    /// The receiving participant (AS4-2.3.1.q).
    pub fn final_recipient(&self) -> Option<&str> {
        self.property(pmode::FINAL_RECIPIENT)
    }

    /// Whether it is for the test service: receipted, not delivered.
    pub fn is_test(&self) -> bool {
        pmode::is_test(self)
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }

    /// Writes the `eb:UserMessage` element; the prefix `eb` is bound around it.
    pub(super) fn write(&self) -> String {
        let mut out = String::new();
        let mpc = self.mpc.as_deref().map(|mpc| attribute("mpc", mpc)).unwrap_or_default();
        let _ = write!(out, "<eb:UserMessage{mpc}>{}", info(&self.message_id, self.ref_to.as_ref(), self.timestamp));
        let _ = write!(out, "<eb:PartyInfo>{}{}</eb:PartyInfo>", party("From", &self.from), party("To", &self.to));
        out.push_str("<eb:CollaborationInfo>");
        if let Some(agreement) = &self.agreement {
            let pmode = agreement.pmode.as_deref().map(|p| attribute("pmode", p)).unwrap_or_default();
            let _ = write!(
                out,
                "<eb:AgreementRef{pmode}{}>{}</eb:AgreementRef>",
                kind(agreement.kind.as_deref()),
                write::text(&agreement.value)
            );
        }
        let _ = write!(
            out,
            "<eb:Service{}>{}</eb:Service>",
            kind(self.service_type.as_deref()),
            write::text(&self.service)
        );
        let _ = write!(out, "<eb:Action>{}</eb:Action>", write::text(&self.action));
        let _ = write!(
            out,
            "<eb:ConversationId>{}</eb:ConversationId></eb:CollaborationInfo>",
            write::text(&self.conversation_id)
        );
        if !self.properties.is_empty() {
            let _ = write!(out, "<eb:MessageProperties>{}</eb:MessageProperties>", properties(&self.properties));
        }
        if !self.parts.is_empty() {
            out.push_str("<eb:PayloadInfo>");
            for part in &self.parts {
                let _ = write!(out, "<eb:PartInfo{}>", attribute("href", &part.href));
                if !part.properties.is_empty() {
                    let _ = write!(out, "<eb:PartProperties>{}</eb:PartProperties>", properties(&part.properties));
                }
                out.push_str("</eb:PartInfo>");
            }
            out.push_str("</eb:PayloadInfo>");
        }
        out.push_str("</eb:UserMessage>");
        out
    }
}

/// Writes `eb:MessageInfo`.
pub(super) fn info(id: &As4MessageId, ref_to: Option<&As4MessageId>, at: Timestamp) -> String {
    let reference = ref_to
        .map(|r| format!("<eb:RefToMessageId>{}</eb:RefToMessageId>", write::text(r.as_str())))
        .unwrap_or_default();
    format!(
        "<eb:MessageInfo><eb:Timestamp>{}</eb:Timestamp><eb:MessageId>{}</eb:MessageId>{reference}</eb:MessageInfo>",
        millis(at),
        write::text(id.as_str())
    )
}

fn party(side: &str, party: &Party) -> String {
    format!(
        "<eb:{side}><eb:PartyId{}>{}</eb:PartyId><eb:Role>{}</eb:Role></eb:{side}>",
        kind(party.kind.as_deref()),
        write::text(&party.id),
        write::text(&party.role)
    )
}

fn properties(properties: &[Property]) -> String {
    let one = |p: &Property| {
        format!(
            "<eb:Property{}{}>{}</eb:Property>",
            attribute("name", &p.name),
            kind(p.kind.as_deref()),
            write::text(&p.value)
        )
    };
    properties.iter().map(one).collect()
}

fn kind(kind: Option<&str>) -> String {
    kind.map(|k| attribute("type", k)).unwrap_or_default()
}

fn attribute(name: &str, value: &str) -> String {
    format!(" {name}=\"{}\"", write::attribute(value))
}

/// A signal message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signal {
    /// Its own message id.
    pub message_id: As4MessageId,
    /// The message it is about.
    pub ref_to: Option<As4MessageId>,
    /// When it was made.
    pub timestamp: Timestamp,
    /// What it says.
    pub content: SignalContent,
}

/// What a signal says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignalContent {
    /// An AS4 receipt with the references that it repeats; none where it has no non-repudiation information.
    Receipt(Vec<SignedReference>),
    /// ebMS errors.
    Errors(Vec<EbmsError>),
}

/// The content of `eb:Messaging`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    User(Box<UserMessage>),
    Signal(Box<Signal>),
}

/// Reads `eb:Messaging`: exactly one user message or one signal.
///
/// # Errors
///
/// [`Refusal::Header`] where the schema is not kept, [`Refusal::Inconsistent`] for several messages, parties or equal properties,
/// [`Refusal::Feature`] for pull requests.
pub(super) fn read(messaging: Node<'_>) -> Result<Content, Refusal> {
    header_schema::check(messaging)?;
    let mut children = messaging.children();
    let (Some(unit), None) = (children.next(), children.next()) else {
        return Err(Refusal::Inconsistent(Finding::new(
            format!("{} message units in eb:Messaging", messaging.children().count()),
            "exactly one UserMessage or SignalMessage",
        )));
    };
    if unit.is(ns::EB, "UserMessage") {
        user_message(unit).map(|message| Content::User(Box::new(message)))
    } else if unit.is(ns::EB, "SignalMessage") {
        signal(unit).map(|signal| Content::Signal(Box::new(signal)))
    } else {
        Err(Refusal::Header(Finding::new(unit.path(), "UserMessage or SignalMessage")))
    }
}

fn user_message(node: Node<'_>) -> Result<UserMessage, Refusal> {
    let mut parts = Sequence::of(node);
    let (message_id, ref_to, timestamp) = message_info(parts.one("MessageInfo")?)?;
    let mut parties = Sequence::of(parts.one("PartyInfo")?);
    let (from, to) = (read_party(parties.one("From")?)?, read_party(parties.one("To")?)?);
    parties.end()?;
    let mut collaboration = Sequence::of(parts.one("CollaborationInfo")?);
    let agreement = collaboration.maybe("AgreementRef").map(read_agreement).transpose()?;
    let service = collaboration.one("Service")?;
    let action = collaboration.one("Action")?;
    let conversation = collaboration.one("ConversationId")?;
    collaboration.end()?;
    let properties = parts.maybe("MessageProperties").map(read_properties).transpose()?.unwrap_or_default();
    let participant =
        |name: &str| [pmode::ORIGINAL_SENDER, pmode::FINAL_RECIPIENT].iter().any(|p| p.eq_ignore_ascii_case(name));
    once(&properties, participant)?;
    let payload = parts.maybe("PayloadInfo").map(read_parts).transpose()?.unwrap_or_default();
    parts.end()?;
    Ok(UserMessage {
        mpc: node.attribute("", "mpc").map(str::to_owned),
        message_id,
        ref_to,
        timestamp,
        from,
        to,
        agreement,
        service_type: service.attribute("", "type").map(str::to_owned),
        service: filled(service)?,
        action: filled(action)?,
        conversation_id: simple(conversation)?,
        properties,
        parts: payload,
    })
}

fn message_info(node: Node<'_>) -> Result<(As4MessageId, Option<As4MessageId>, Timestamp), Refusal> {
    let mut parts = Sequence::of(node);
    let timestamp = time(parts.one("Timestamp")?)?;
    let id = message_id(parts.one("MessageId")?)?;
    let ref_to = parts.maybe("RefToMessageId").map(message_id).transpose()?;
    parts.end()?;
    Ok((id, ref_to, timestamp))
}

fn message_id(node: Node<'_>) -> Result<As4MessageId, Refusal> {
    let text = simple(node)?;
    text.parse().map_err(|_| {
        Refusal::Header(Finding::new(format!("{} {text:?}", node.path()), "1 to 256 printable ASCII characters"))
    })
}

/// Reads a time; one without zone is UTC, as ebMS demands.
pub(super) fn time(node: Node<'_>) -> Result<Timestamp, Refusal> {
    let text = simple(node)?;
    text.parse().or_else(|_| format!("{text}Z").parse()).map_err(|_| {
        Refusal::Header(Finding::new(
            format!("{} {text:?}", node.path()),
            "a time in UTC, as in 2026-11-23T12:00:00.000Z",
        ))
    })
}

fn read_party(node: Node<'_>) -> Result<Party, Refusal> {
    let mut parts = Sequence::of(node);
    let id = parts.one("PartyId")?;
    if parts.maybe("PartyId").is_some() {
        return Err(Refusal::Inconsistent(Finding::new(format!("several PartyId in {}", node.path()), "one PartyId")));
    }
    let role = parts.one("Role")?;
    parts.end()?;
    Ok(Party { kind: id.attribute("", "type").map(str::to_owned), id: filled(id)?, role: filled(role)? })
}

fn read_agreement(node: Node<'_>) -> Result<Agreement, Refusal> {
    Ok(Agreement {
        kind: node.attribute("", "type").map(str::to_owned),
        pmode: node.attribute("", "pmode").map(str::to_owned),
        value: simple(node)?,
    })
}

/// Reads properties.
fn read_properties(node: Node<'_>) -> Result<Vec<Property>, Refusal> {
    let mut parts = Sequence::of(node);
    let mut properties: Vec<Property> = Vec::new();
    while let Some(property) = parts.maybe("Property") {
        let name = property.attribute("", "name").filter(|n| !n.is_empty());
        let name = name.ok_or_else(|| {
            Refusal::Header(Finding::new(format!("{} without name", property.path()), "a property with a name"))
        })?;
        properties.push(Property {
            name: name.to_owned(),
            kind: property.attribute("", "type").map(str::to_owned),
            value: simple(property)?,
        });
    }
    parts.end()?;
    Ok(properties)
}

/// Refuses two properties of one name among those that `matters` picks: readers would differ in which of them counts.
fn once(properties: &[Property], matters: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for property in properties.iter().filter(|p| matters(&p.name)) {
        if !seen.insert(property.name.to_ascii_lowercase()) {
            return Err(Refusal::Inconsistent(Finding::new(
                format!("property {} more than once", property.name),
                "once",
            )));
        }
    }
    Ok(())
}

fn read_parts(node: Node<'_>) -> Result<Vec<PartInfo>, Refusal> {
    let mut sequence = Sequence::of(node);
    let mut parts = Vec::new();
    while let Some(part) = sequence.maybe("PartInfo") {
        let href = part.attribute("", "href").unwrap_or_default();
        if href.strip_prefix("cid:").is_none_or(str::is_empty) {
            let found =
                if href.is_empty() { "a part in the SOAP body (no href)".to_owned() } else { format!("href {href:?}") };
            let expected = "href of a MIME part of this message, cid: and its content id";
            return Err(Refusal::Payload(Finding::new(found, expected)));
        }
        let mut inner = Sequence::of(part);
        inner.maybe("Schema");
        inner.maybe("Description");
        let properties = inner.maybe("PartProperties").map(read_properties).transpose()?.unwrap_or_default();
        inner.end()?;
        once(&properties, |_| true)?;
        let part = PartInfo { href: href.to_owned(), properties };
        sound_compression(&part)?;
        known_charset(&part)?;
        if parts.len() >= limits::MIME_PARTS_MAX {
            return Err(Refusal::Limit(Finding::new("more PartInfo", format!("at most {}", limits::MIME_PARTS_MAX))));
        }
        parts.push(part);
    }
    sequence.end()?;
    if parts.is_empty() {
        return Err(Refusal::Header(Finding::new(
            format!("{} without PartInfo", node.path()),
            "at least one PartInfo",
        )));
    }
    Ok(parts)
}

/// Compression is gzip, and then the media type before it is said too (AS4 Profile 1.0, 3.1; EC conformance assertion TA26).
fn sound_compression(part: &PartInfo) -> Result<(), Refusal> {
    let wrong = |found: String, expected: &str| Err(Refusal::Inconsistent(Finding::new(found, expected)));
    match (part.compression(), part.mime()) {
        (Some(pmode::GZIP), None | Some("")) => {
            wrong(format!("{} compressed, without MimeType", part.href), "the MimeType before compression")
        }
        (Some(kind), _) if kind != pmode::GZIP => {
            wrong(format!("CompressionType {kind:?} of {}", part.href), pmode::GZIP)
        }
        _ => Ok(()),
    }
}

/// CharacterSet is the name of one (AS4 Profile 1.0, 3.1).
fn known_charset(part: &PartInfo) -> Result<(), Refusal> {
    match part.charset() {
        Some(name) if !header_schema::is_charset(name) => Err(Refusal::Inconsistent(Finding::new(
            format!("CharacterSet {name:?} of {}", part.href),
            "a character set by its registered name, as in UTF-8",
        ))),
        _ => Ok(()),
    }
}

fn signal(node: Node<'_>) -> Result<Signal, Refusal> {
    let mut parts = Sequence::of(node);
    let (message_id, ref_to, timestamp) = message_info(parts.one("MessageInfo")?)?;
    if parts.maybe("PullRequest").is_some() {
        return Err(Refusal::Feature(Finding::new("a pull request", "one-way push").rule("AS4-2.2.t07")));
    }
    let content = if let Some(receipt) = parts.maybe("Receipt") {
        SignalContent::Receipt(read_receipt(receipt)?)
    } else {
        let mut errors = vec![read_error(parts.one("Error")?)?];
        while let Some(error) = parts.maybe("Error") {
            errors.push(read_error(error)?);
        }
        SignalContent::Errors(errors)
    };
    parts.end()?;
    Ok(Signal { message_id, ref_to, timestamp, content })
}

/// The references that a receipt repeats. Other children of `eb:Receipt` (phase4 adds one) are passed over.
fn read_receipt(node: Node<'_>) -> Result<Vec<SignedReference>, Refusal> {
    let mut references = Vec::new();
    for information in node.all(ns::EBBP, "NonRepudiationInformation") {
        for part in information.all(ns::EBBP, "MessagePartNRInformation") {
            for reference in part.all(ns::DS, "Reference") {
                references.push(read_reference(reference)?);
            }
        }
    }
    Ok(references)
}

/// Reads what identifies a ds:Reference.
pub(super) fn read_reference(node: Node<'_>) -> Result<SignedReference, Refusal> {
    let missing =
        |what: &str| Refusal::Header(Finding::new(format!("{} without {what}", node.path()), "a whole ds:Reference"));
    let method = node.child(ns::DS, "DigestMethod").and_then(|m| m.attribute("", "Algorithm"));
    let digest = node.child(ns::DS, "DigestValue").ok_or_else(|| missing("DigestValue"))?;
    Ok(SignedReference {
        uri: node.attribute("", "URI").ok_or_else(|| missing("URI"))?.to_owned(),
        algorithm: method.ok_or_else(|| missing("DigestMethod"))?.to_owned(),
        digest: digest.text(),
    })
}

fn read_error(node: Node<'_>) -> Result<EbmsError, Refusal> {
    let required = |name: &str| {
        let value = node.attribute("", name).map(clip);
        value.ok_or_else(|| {
            Refusal::Header(Finding::new(format!("{} without {name}", node.path()), "errorCode and severity"))
        })
    };
    let text = |name: &str| node.child(ns::EB, name).map(|n| clip(n.text().trim())).filter(|t| !t.is_empty());
    Ok(EbmsError {
        code: required("errorCode")?,
        severity: required("severity")?,
        short_description: node.attribute("", "shortDescription").map(clip),
        detail: text("ErrorDetail").or_else(|| text("Description")),
        ref_to: node.attribute("", "refToMessageInError").and_then(|r| r.parse().ok()),
    })
}

/// Text of an element that may not have child elements. Comments split nothing: the pieces are joined.
fn simple(node: Node<'_>) -> Result<String, Refusal> {
    if node.children().next().is_some() {
        return Err(Refusal::Header(Finding::new(format!("child elements in {}", node.path()), "text only")));
    }
    Ok(node.text().trim().to_owned())
}

fn filled(node: Node<'_>) -> Result<String, Refusal> {
    let text = simple(node)?;
    if text.is_empty() {
        Err(Refusal::Header(Finding::new(format!("{} without text", node.path()), "a value")))
    } else {
        Ok(text)
    }
}

/// Walks child elements in the order of the schema.
pub(super) struct Sequence<'t> {
    node: Node<'t>,
    rest: std::vec::IntoIter<Node<'t>>,
}

impl<'t> Sequence<'t> {
    pub(super) fn of(node: Node<'t>) -> Self {
        Self { node, rest: node.children().collect::<Vec<_>>().into_iter() }
    }

    /// The next element, if it is `local` of ebMS.
    pub(super) fn maybe(&mut self, local: &str) -> Option<Node<'t>> {
        let next = *self.rest.as_slice().first()?;
        if !next.is(ns::EB, local) {
            return None;
        }
        self.rest.next()
    }

    /// The next element, which must be `local` of ebMS.
    pub(super) fn one(&mut self, local: &'static str) -> Result<Node<'t>, Refusal> {
        self.maybe(local).ok_or_else(|| Refusal::Header(Finding::new(self.found(), format!("eb:{local}"))))
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        if self.rest.as_slice().is_empty() {
            Ok(())
        } else {
            Err(Refusal::Header(Finding::new(self.found(), "no further element")))
        }
    }

    fn found(&self) -> String {
        self.rest.as_slice().first().map_or_else(|| format!("the end of {}", self.node.path()), Node::path)
    }
}
