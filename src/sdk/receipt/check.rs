//! Reading a message receipt (C1): schema, R1-APP to R9-APP, and what it says.

use super::cause::{Cause, CauseCode, Outcome};
use super::{CUSTOMIZATION, PROFILE, schema};
use crate::model::id::PARTICIPANT_SCHEME;
use crate::model::{EnvelopeId, Finding, ParticipantId};
use crate::xml::ns::{CAC, CBC, DS, UBL_RESPONSE, XENC};
use crate::xml::validate::{Validator, Value, clip, is_blank, is_space};
use crate::xml::{Event, Node, Reader, Tree, XmlError};
use serde::Serialize;

/// Largest message receipt looked at, in bytes.
const BYTES_MAX: usize = 1024 * 1024;

/// Why a receipt could not be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Too large.
    #[error("a message receipt of {0} bytes; expected at most {BYTES_MAX}")]
    TooLarge(usize),
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// What a message receipt says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MessageReceipt {
    /// Its own id.
    pub id: String,
    /// The participant that acknowledges.
    pub sender: ParticipantId,
    /// The participant that sent the message.
    pub receiver: ParticipantId,
    /// ACCEPTED, or REJECTED with its causes.
    pub outcome: Outcome,
    /// The envelope id of the message, as an opaque text (C-03).
    pub reference: EnvelopeId,
}

/// What a check of a message receipt found.
#[derive(Clone, Debug)]
pub struct CheckedReceipt {
    /// What it says, where that could be read and nothing refuses it.
    pub receipt: Option<MessageReceipt>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl CheckedReceipt {
    /// Whether there is an error among the findings.
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Checks a message receipt against its schema and Schematron as published; where the text asks more, it warns (C-38).
///
/// # Errors
///
/// [`ReceiptError`] where there is nothing to check.
pub fn check(bytes: &[u8]) -> Result<CheckedReceipt, ReceiptError> {
    if bytes.len() > BYTES_MAX {
        return Err(ReceiptError::TooLarge(bytes.len()));
    }
    let mut reader = Reader::new(bytes);
    let mut validator = Validator::new(&schema::SCHEMA);
    loop {
        let event = reader.next()?;
        validator.event(&event);
        if event == Event::Eof {
            break;
        }
    }
    let mut findings: Vec<Finding> =
        validator.violations().iter().map(|v| Finding::error("KVITT-3.4.a", &v.path, &v.found, &v.expected)).collect();
    let tree = Tree::parse(bytes)?;
    if tree.root().is(UBL_RESPONSE, "ApplicationResponse") {
        rules(tree.root(), &mut findings);
        warnings(tree.root(), &mut findings);
    }
    let refused = findings.iter().any(Finding::is_error);
    let receipt = if refused { None } else { read(tree.root()) };
    if let (None, false) = (&receipt, refused) {
        findings.push(Finding::warning(
            "KVITT-3.1.d",
            "/ApplicationResponse",
            "an identifier of unknown form",
            "participants as 0203:name, and printable ids",
        ));
    }
    Ok(CheckedReceipt { receipt, findings })
}

/// As `normalize-space` of XPath.
fn normalized(node: Node<'_>) -> String {
    node.text().split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn path<'t>(root: Node<'t>, names: &[(&str, &str)]) -> Vec<Node<'t>> {
    names.iter().fold(vec![root], |nodes, (ns, local)| {
        nodes.into_iter().flat_map(|n| n.all(ns, local).collect::<Vec<_>>()).collect()
    })
}

const RESPONSES: [(&str, &str); 2] = [(CAC, "DocumentResponse"), (CAC, "Response")];
const LINES: [(&str, &str); 2] = [(CAC, "DocumentResponse"), (CAC, "LineResponse")];

fn rules(root: Node<'_>, findings: &mut Vec<Finding>) {
    let mut report = |rule: &str, at: Node<'_>, found: String, expected: &str| {
        findings.push(Finding::error(rule, at.path(), found, expected))
    };
    for at in unwanted(root) {
        report("R1-APP", at, "a part that the specification does not use".into(), "no such part");
    }
    for at in root
        .descendants()
        .filter(|n| n.children().next().is_none() && is_blank(&n.text()) && ![XENC, DS].contains(&n.ns()))
    {
        report("R2-APP", at, "an empty element".into(), "a value, or no element");
    }
    for (rule, name, expected) in [("R3-APP", "CustomizationID", CUSTOMIZATION), ("R4-APP", "ProfileID", PROFILE)] {
        let found = root.child(CBC, name).map(normalized).unwrap_or_default();
        if found != expected {
            report(rule, root.child(CBC, name).unwrap_or(root), clip(&found), expected);
        }
    }
    let codes = |parents: &[(&str, &str)]| path(root, &[parents, &[(CBC, "ResponseCode")]].concat());
    for code in codes(&RESPONSES).into_iter().filter(|c| !["ACCEPTED", "REJECTED"].contains(&normalized(*c).as_str())) {
        report("R5-APP", code, clip(&normalized(code)), "ACCEPTED or REJECTED");
    }
    for code in codes(&[LINES[0], LINES[1], (CAC, "Response")])
        .into_iter()
        .filter(|c| CauseCode::from_word(&normalized(*c)).is_none())
    {
        report("R6-APP", code, clip(&normalized(code)), "SV, BV or SIG");
    }
    // R7 and R8 compare the code as it stands: with white space around it, it escapes them.
    let has_lines = root.descendants().any(|n| n.is(CAC, "LineResponse"));
    for code in codes(&RESPONSES) {
        match code.text().as_str() {
            "ACCEPTED" if has_lines => report("R7-APP", code, "ACCEPTED with a LineResponse".into(), "no LineResponse"),
            "REJECTED" if !has_lines => {
                report("R8-APP", code, "REJECTED without a LineResponse".into(), "at least one LineResponse")
            }
            _ => {}
        }
    }
    cardinalities(root, findings);
}

/// What R1-APP names and the reduced schema lets through.
fn unwanted<'t>(root: Node<'t>) -> Vec<Node<'t>> {
    let with_scheme = [
        path(root, &[(CBC, "CustomizationID")]),
        path(root, &[(CBC, "ProfileID")]),
        path(root, &[(CBC, "ID")]),
        path(root, &[(CAC, "DocumentResponse"), (CAC, "DocumentReference"), (CBC, "ID")]),
        path(root, &[LINES[0], LINES[1], (CAC, "LineReference"), (CBC, "LineID")]),
    ];
    let mut found: Vec<Node<'t>> =
        with_scheme.concat().into_iter().filter(|n| n.attribute("", "schemeID").is_some()).collect();
    found.extend(path(root, &[RESPONSES[0], RESPONSES[1], (CAC, "Status")]));
    found
}

/// R9-APP, as far as it says more than the schema.
fn cardinalities(root: Node<'_>, findings: &mut Vec<Finding>) {
    let mut need = |at: Node<'_>, there: bool, what: &str| {
        if !there {
            findings.push(Finding::error("R9-APP", at.path(), format!("no {what}"), what));
        }
    };
    for name in ["CustomizationID", "ProfileID", "IssueTime"] {
        need(root, root.child(CBC, name).is_some(), name);
    }
    need(root, root.all(CAC, "DocumentResponse").count() == 1, "DocumentResponse, once");
    for line in path(root, &[LINES[0], LINES[1], (CAC, "Response")]) {
        need(line, line.all(CAC, "Status").count() == 1, "Status");
    }
    for name in ["SenderParty", "ReceiverParty"] {
        for party in root.all(CAC, name) {
            let scheme = party.all(CBC, "EndpointID").any(|n| n.attribute("", "schemeID").is_some());
            need(party, scheme, "EndpointID/@schemeID");
        }
    }
}

/// What the text asks for beyond the published rules.
fn warnings(root: Node<'_>, findings: &mut Vec<Finding>) {
    for name in ["SenderParty", "ReceiverParty"] {
        for id in path(root, &[(CAC, name), (CBC, "EndpointID")]) {
            let found = id.attribute("", "schemeID").unwrap_or(PARTICIPANT_SCHEME);
            if found != PARTICIPANT_SCHEME {
                findings.push(Finding::warning("KVITT-3.1.d", id.path(), clip(found), PARTICIPANT_SCHEME));
            }
        }
    }
    for time in root.all(CBC, "IssueTime") {
        let text = normalized(time);
        if Value::Time.takes(&text) && Value::Time.takes(&format!("{text}Z")) {
            findings.push(Finding::warning("KVITT-3.1.c", time.path(), clip(&text), "a time with its zone"));
        }
    }
}

fn read(root: Node<'_>) -> Option<MessageReceipt> {
    let first = |names: &[(&str, &str)]| path(root, names).first().map(|n| normalized(*n));
    let accepted = first(&[RESPONSES[0], RESPONSES[1], (CBC, "ResponseCode")])? == "ACCEPTED";
    let causes = path(root, &LINES).into_iter().filter_map(cause).collect();
    Some(MessageReceipt {
        id: first(&[(CBC, "ID")])?,
        sender: first(&[(CAC, "SenderParty"), (CBC, "EndpointID")])?.parse().ok()?,
        receiver: first(&[(CAC, "ReceiverParty"), (CBC, "EndpointID")])?.parse().ok()?,
        outcome: if accepted { Outcome::Accepted } else { Outcome::Rejected(causes) },
        reference: first(&[(CAC, "DocumentResponse"), (CAC, "DocumentReference"), (CBC, "ID")])?.parse().ok()?,
    })
}

fn cause(line: Node<'_>) -> Option<Cause> {
    let response = line.child(CAC, "Response")?;
    let status = response.child(CAC, "Status");
    let of = |name: &str| status.and_then(|s| s.child(CBC, name)).map(normalized).unwrap_or_default();
    Some(Cause {
        code: CauseCode::from_word(&normalized(response.child(CBC, "ResponseCode")?))?,
        detail: of("StatusReasonCode"),
        line: path(line, &[(CAC, "LineReference"), (CBC, "LineID")])
            .first()
            .map(|n| normalized(*n))
            .unwrap_or_default(),
        reason: of("StatusReason"),
    })
}
