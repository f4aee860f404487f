//! What the rules and the header need of an envelope, collected while it is read. The payload is passed over.

use super::header::Header;
use crate::model::{DocumentType, Finding, ProcessId};
use crate::xml::ns::{DS, XENC, XHA, XHB, XHE};
use crate::xml::validate::{Trail, is_blank, is_space};
use crate::xml::{Event, Start};

/// Longest value looked at, in bytes; no rule accepts a longer one.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Most parties, criteria and payloads looked at; a valid envelope has one, five and one.
const PARTS_MAX: usize = 64;
/// Most paths kept for one rule.
const PATHS_MAX: usize = 16;

/// A PartyIdentification/ID.
#[derive(Clone, Debug, Default)]
pub(super) struct Party {
    pub(super) path: String,
    pub(super) id: String,
    pub(super) scheme: Option<String>,
}

/// A BusinessScopeCriterion.
#[derive(Clone, Debug, Default)]
pub(super) struct Criterion {
    pub(super) path: String,
    pub(super) codes: Vec<String>,
    pub(super) value: Option<String>,
}

/// A Payload.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    pub(super) path: String,
    pub(super) document_type_code: Option<String>,
    pub(super) content_type_code: Option<String>,
    pub(super) handling_service_id: Option<String>,
    pub(super) indicator: Option<String>,
    pub(super) contents: u32,
    pub(super) has_encrypted_data: bool,
}

impl Payload {
    /// InstanceEncryptionIndicator as a boolean.
    pub(super) fn says_encrypted(&self) -> Option<bool> {
        match self.indicator.as_deref().map(normalized).as_deref() {
            Some("true" | "1") => Some(true),
            Some("false" | "0") => Some(false),
            _ => None,
        }
    }
}

/// An attribute that is not of the profile.
#[derive(Clone, Debug)]
pub(super) struct Extra {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) is_blank: bool,
}

/// Collects.
#[derive(Debug, Default)]
pub(super) struct Collector {
    trail: Trail,
    nodes: Vec<Node>,
    pub(super) version: Option<String>,
    pub(super) customization: Option<String>,
    pub(super) id: Option<String>,
    pub(super) created: Option<String>,
    pub(super) from_parties: u32,
    pub(super) from: Vec<Party>,
    pub(super) from_identifications: u32,
    pub(super) to: Vec<Party>,
    pub(super) to_identifications: u32,
    pub(super) criteria: Vec<Criterion>,
    pub(super) payloads: Vec<Payload>,
    pub(super) payload_count: u32,
    pub(super) signatures: usize,
    /// Elements that R1 names, and those that it does not name although the text forbids them.
    pub(super) forbidden: Vec<String>,
    pub(super) unnamed: Vec<String>,
    pub(super) extra_attributes: Vec<Extra>,
    pub(super) empty: Vec<String>,
}

#[derive(Debug, Default)]
struct Node {
    text: String,
    has_text: bool,
    has_children: bool,
    exempt: bool,
    scheme: Option<String>,
}

/// As `normalize-space` of XPath.
pub(super) fn normalized(text: &str) -> String {
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

const ROOT: (&str, &str) = (XHE, "XHE");
const HEADER: (&str, &str) = (XHA, "Header");
const SCOPE: (&str, &str) = (XHA, "BusinessScope");
const CRITERION: (&str, &str) = (XHA, "BusinessScopeCriterion");
const IDENTIFICATION: (&str, &str) = (XHA, "PartyIdentification");
const ID: (&str, &str) = (XHB, "ID");
const PAYLOADS: (&str, &str) = (XHA, "Payloads");
const PAYLOAD: (&str, &str) = (XHA, "Payload");
const CONTENT: (&str, &str) = (XHA, "PayloadContent");

/// Elements that the published R1 refuses, by the parent's depth: below XHE, BusinessScope and Payload.
const R1_ROOT: [(&str, &str); 3] = [
    ("http://docs.oasis-open.org/bdxr/ns/XHE/1/ExtensionComponents", "XHEExtensions"),
    (XHB, "ProfileID"),
    (XHB, "ProfileExecutionID"),
];
const R1_PAYLOAD: [(&str, &str); 10] = [
    (XHB, "Description"),
    (XHB, "CustomizationID"),
    (XHB, "ProfileID"),
    (XHB, "ProfileExecutionID"),
    (XHB, "ValidationTypeCode"),
    (XHB, "InstanceEncryptionMethod"),
    (XHB, "InstanceHashValue"),
    (XHA, "InstanceDecryptionInformationExternalReference"),
    (XHA, "InstanceDecryptionKeyExternalReference"),
    (XHA, "RelevantExternalReference"),
];
/// Elements that the text does not know and the published R1 does not name (C-19).
const UNNAMED_PAYLOAD: [(&str, &str); 3] = [ID, (XHB, "ValidationVersionID"), (XHA, "PayloadExternalReference")];

impl Collector {
    /// Where the reading is.
    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Takes one event.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Start(start) => self.start(start),
            Event::Text(text) => {
                if let Some(node) = self.nodes.last_mut() {
                    node.add(text);
                }
            }
            Event::End => self.end(),
            Event::Comment(_) | Event::Instruction { .. } | Event::Eof => {}
        }
    }

    fn inside_payload(&self) -> bool {
        self.trail.depth() > 4 && self.nodes.get(3).is_some_and(|n| n.exempt)
    }

    fn start(&mut self, start: &Start) {
        if let Some(parent) = self.nodes.last_mut() {
            parent.has_children = true;
        }
        self.trail.push(start);
        let inside = self.inside_payload();
        // R2 excuses what stands below a PayloadContent, wherever that stands, and the namespaces of security.
        let below = self.nodes.last().is_some_and(|n| n.exempt);
        let scheme = start.attribute("", "schemeID").map(str::to_owned);
        self.nodes.push(Node { exempt: below || start.is(XHA, "PayloadContent"), scheme, ..Node::default() });
        if inside {
            if self.trail.depth() == 5
                && start.is(XENC, "EncryptedData")
                && let Some(payload) = self.payloads.last_mut()
            {
                payload.has_encrypted_data = true;
            }
            return;
        }
        self.count(start);
        self.forbid();
        self.attributes(start);
    }

    fn count(&mut self, start: &Start) {
        let trail = &self.trail;
        match (start.local.as_str(), trail.depth()) {
            ("FromParty", 3) if trail.is(&[ROOT, HEADER, (XHA, "FromParty")]) => self.from_parties += 1,
            ("PartyIdentification", 4) if trail.is(&[ROOT, HEADER, (XHA, "FromParty"), IDENTIFICATION]) => {
                self.from_identifications += 1
            }
            ("PartyIdentification", 4) if trail.is(&[ROOT, HEADER, (XHA, "ToParty"), IDENTIFICATION]) => {
                self.to_identifications += 1
            }
            ("BusinessScopeCriterion", 4)
                if trail.is(&[ROOT, HEADER, SCOPE, CRITERION]) && self.criteria.len() < PARTS_MAX =>
            {
                self.criteria.push(Criterion { path: trail.path(), ..Criterion::default() });
            }
            ("Payload", 3) if trail.is(&[ROOT, PAYLOADS, PAYLOAD]) => {
                self.payload_count += 1;
                if self.payloads.len() == PARTS_MAX {
                    self.payloads.pop();
                }
                self.payloads.push(Payload { path: trail.path(), ..Payload::default() });
            }
            ("PayloadContent", 4) if trail.is(&[ROOT, PAYLOADS, PAYLOAD, CONTENT]) => {
                if let Some(payload) = self.payloads.last_mut() {
                    payload.contents += 1;
                }
            }
            ("Signature", 2) if trail.is(&[ROOT, (DS, "Signature")]) => self.signatures += 1,
            _ => {}
        }
    }

    fn forbid(&mut self) {
        let trail = &self.trail;
        let below = |parents: &[(&str, &str)], names: &[(&str, &str)]| {
            trail.depth() == parents.len() + 1 && names.iter().any(|name| trail.ends(&[*name])) && trail.starts(parents)
        };
        let named = below(&[ROOT], &R1_ROOT)
            || below(&[ROOT, HEADER, SCOPE], &[(XHA, "ExternalReference")])
            || below(&[ROOT, PAYLOADS, PAYLOAD], &R1_PAYLOAD);
        let unnamed = below(&[ROOT, HEADER], &[(XHB, "UUID")]) || below(&[ROOT, PAYLOADS, PAYLOAD], &UNNAMED_PAYLOAD);
        let path = trail.path();
        if named && self.forbidden.len() < PATHS_MAX {
            self.forbidden.push(path);
        } else if unnamed && self.unnamed.len() < PATHS_MAX {
            self.unnamed.push(path);
        }
    }

    fn attributes(&mut self, start: &Start) {
        let own = [XHE, XHA, XHB].contains(&start.ns.as_str());
        let party = self.trail.ends(&[IDENTIFICATION, ID]);
        for attribute in start.attributes.iter().filter(|a| own && a.ns.is_empty()) {
            let known = party && attribute.local == "schemeID";
            let blank = is_blank(&attribute.value);
            if (!known || blank) && self.extra_attributes.len() < PATHS_MAX {
                self.extra_attributes.push(Extra {
                    path: self.trail.path(),
                    name: attribute.local.to_string(),
                    is_blank: blank,
                });
            }
        }
    }

    fn end(&mut self) {
        let Some(node) = self.nodes.pop() else { return };
        let inside = self.trail.depth() > 4 && self.nodes.get(3).is_some_and(|n| n.exempt);
        // Nothing of a payload is kept: neither its text nor what it adds to the text of PayloadContent.
        if !inside && !self.trail.ends(&[CONTENT]) {
            self.value(&node);
        }
        let parent_exempt = self.nodes.last().is_some_and(|n| n.exempt);
        let empty = !node.has_children && !node.has_text && !parent_exempt;
        if empty && !self.trail.ends_in(&[XENC, DS]) && self.empty.len() < PATHS_MAX {
            self.empty.push(self.trail.path());
        }
        if let (Some(parent), false) = (self.nodes.last_mut(), node.exempt) {
            parent.add(&node.text);
        }
        self.trail.pop();
    }

    fn value(&mut self, node: &Node) {
        let trail = &self.trail;
        let text = || Some(node.text.clone());
        match (trail.local(0), trail.depth()) {
            ("XHEVersionID", 2) if trail.is(&[ROOT, (XHB, "XHEVersionID")]) => self.version = text(),
            ("CustomizationID", 2) if trail.is(&[ROOT, (XHB, "CustomizationID")]) => self.customization = text(),
            ("ID", 3) if trail.is(&[ROOT, HEADER, ID]) => self.id = text(),
            ("CreationDateTime", 3) if trail.is(&[ROOT, HEADER, (XHB, "CreationDateTime")]) => self.created = text(),
            ("ID", 5) if trail.starts(&[ROOT, HEADER]) && trail.ends(&[IDENTIFICATION, ID]) => {
                let party = Party { path: trail.path(), id: node.text.clone(), scheme: node.scheme.clone() };
                let side = if trail.local(2) == "FromParty" { &mut self.from } else { &mut self.to };
                if side.len() < PARTS_MAX {
                    side.push(party);
                }
            }
            ("BusinessScopeCriterionTypeCode", 5)
                if trail.is(&[ROOT, HEADER, SCOPE, CRITERION, (XHB, "BusinessScopeCriterionTypeCode")]) =>
            {
                if let Some(criterion) = self.criteria.last_mut() {
                    criterion.codes.push(node.text.clone());
                }
            }
            ("BusinessScopeCriterionValue", 5)
                if trail.is(&[ROOT, HEADER, SCOPE, CRITERION, (XHB, "BusinessScopeCriterionValue")]) =>
            {
                if let Some(criterion) = self.criteria.last_mut() {
                    criterion.value = text();
                }
            }
            (_, 4) if trail.starts(&[ROOT, PAYLOADS, PAYLOAD]) && trail.ends_in(&[XHB]) => self.payload_value(node),
            _ => {}
        }
    }

    fn payload_value(&mut self, node: &Node) {
        let Some(payload) = self.payloads.last_mut() else { return };
        let field = match self.trail.local(0) {
            "DocumentTypeCode" => &mut payload.document_type_code,
            "ContentTypeCode" => &mut payload.content_type_code,
            "HandlingServiceID" => &mut payload.handling_service_id,
            "InstanceEncryptionIndicator" => &mut payload.indicator,
            _ => return,
        };
        *field = Some(node.text.clone());
    }

    /// The value of a criterion by its code.
    fn criterion(&self, code: &str) -> Option<String> {
        let found = self.criteria.iter().find(|c| c.codes.iter().any(|found| normalized(found) == code));
        found.and_then(|c| c.value.as_deref()).map(normalized)
    }

    /// The header.
    ///
    /// # Errors
    ///
    /// The first value that is missing, or has a form that it cannot have.
    pub(super) fn header(&self) -> Result<Header, Finding> {
        let need = |value: Option<String>, rule: &str, path: &str| {
            value.filter(|v| !v.is_empty()).ok_or_else(|| Finding::error(rule, path, "nothing", "a value"))
        };
        let scope =
            |rule: &str, code: &str| need(self.criterion(code), rule, &format!("/XHE/Header/BusinessScope: {code}"));
        let id = need(self.id.as_deref().map(normalized), "XHE-2.2.t03", "/XHE/Header/ID")?;
        let party = |parties: &[Party], rule: &str, path: &str| {
            let text = need(parties.first().map(|p| normalized(&p.id)), rule, path)?;
            text.parse().map_err(|e: crate::model::IdError| Finding::error(rule, path, e.found, e.expected))
        };
        let none = Payload::default();
        let payload = self.payloads.first().unwrap_or(&none);
        Ok(Header {
            id: id.parse().map_err(|e: crate::model::IdError| {
                Finding::error("XHE-2.2.t03", "/XHE/Header/ID", e.found, e.expected)
            })?,
            created: need(self.created.as_deref().map(normalized), "XHE-2.2.t04", "/XHE/Header/CreationDateTime")?,
            document_type: DocumentType {
                scheme: scope("R5", "DOCUMENTID_SCHEME")?,
                value: scope("R4", "DOCUMENTID")?,
            },
            process: ProcessId { scheme: scope("R7", "PROCESSID_SCHEME")?, value: scope("R6", "PROCESSID")? },
            federation: scope("R8", "FEDERATIONID")?,
            from: party(&self.from, "XHE-2.2.t08", "/XHE/Header/FromParty")?,
            to: party(&self.to, "XHE-2.2.t09", "/XHE/Header/ToParty")?,
            document_type_code: payload.document_type_code.as_deref().map(normalized).unwrap_or_default(),
            content_type_code: payload.content_type_code.as_deref().map(normalized).unwrap_or_default(),
            handling_service_id: payload.handling_service_id.as_deref().map(normalized).filter(|v| !v.is_empty()),
            encrypted: payload.says_encrypted().unwrap_or(payload.has_encrypted_data),
        })
    }
}

impl Node {
    fn add(&mut self, text: &str) {
        self.has_text |= !is_blank(text);
        if !self.exempt && self.text.len() + text.len() <= VALUE_BYTES_MAX {
            self.text.push_str(text);
        }
    }
}
