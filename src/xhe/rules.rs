//! R1 to R14 of the Kuverteringsprofil: as its Schematron has them, gaps included, and as its text has them (C-19).

use super::check::Level;
use super::collect::{Collector, Criterion, Party, Payload, normalized};
use super::header::{CUSTOMIZATION, VERSION, XML_CONTENT};
use crate::model::Finding;
use crate::model::id::PARTICIPANT_SCHEME;
use crate::xml::validate::{Value, clip};

/// The codes that R4 to R8 ask for.
const CODES: [(&str, &str); 5] = [
    ("R4", "DOCUMENTID"),
    ("R5", "DOCUMENTID_SCHEME"),
    ("R6", "PROCESSID"),
    ("R7", "PROCESSID_SCHEME"),
    ("R8", "FEDERATIONID"),
];

/// Judges what was collected of a whole envelope.
pub(super) fn judge(facts: &Collector, level: Level) -> Vec<Finding> {
    let mut findings = Vec::new();
    names(facts, &mut findings);
    constants(facts, &mut findings);
    scope(facts, &mut findings);
    parties(facts, &mut findings);
    payloads(facts, &mut findings);
    if level == Level::Text {
        text_scope(facts, &mut findings);
        text_names(facts, &mut findings);
        text_values(facts, &mut findings);
    }
    findings
}

/// R1 and R2.
fn names(facts: &Collector, findings: &mut Vec<Finding>) {
    for path in &facts.forbidden {
        findings.push(Finding::error("R1", path, "an element that the profile does not use", "no such element"));
    }
    for path in &facts.empty {
        findings.push(Finding::error("R2", path, "an empty element", "a value, or no element"));
    }
}

/// R3 and R9, and the part of R14 that asks for CustomizationID.
fn constants(facts: &Collector, findings: &mut Vec<Finding>) {
    let rules = [
        ("R3", "/XHE/CustomizationID", &facts.customization, CUSTOMIZATION),
        ("R9", "/XHE/XHEVersionID", &facts.version, VERSION),
    ];
    for (rule, path, found, expected) in rules {
        if let Some(found) = found.as_deref().map(normalized).filter(|found| found != expected) {
            findings.push(Finding::error(rule, path, clip(&found), expected));
        }
    }
    if facts.customization.is_none() {
        findings.push(Finding::error("R14", "/XHE", "no CustomizationID", "CustomizationID"));
    }
}

/// R4 to R8, and the part of R14 that asks for criteria.
fn scope(facts: &Collector, findings: &mut Vec<Finding>) {
    let path = "/XHE/Header/BusinessScope";
    if facts.criteria.is_empty() {
        findings.push(Finding::error("R14", path, "no BusinessScopeCriterion", "BusinessScopeCriterion"));
    }
    for (rule, code) in CODES {
        if !facts.criteria.iter().any(|c| says(c, code)) {
            findings.push(Finding::error(
                rule,
                path,
                format!("no criterion {code}"),
                format!("a BusinessScopeCriterionTypeCode {code}"),
            ));
        }
    }
}

fn says(criterion: &Criterion, code: &str) -> bool {
    criterion.codes.iter().any(|found| normalized(found) == code)
}

/// R10, R11 and the cardinalities of parties. The published R11 looks at FromParty, too.
fn parties(facts: &Collector, findings: &mut Vec<Finding>) {
    for party in &facts.from {
        for rule in ["R10", "R11"] {
            scheme(rule, party, findings);
        }
    }
    let counts = [
        (facts.from_parties == 0, "/XHE/Header".to_owned(), "no FromParty".to_owned(), "FromParty"),
        (
            facts.from_identifications != 1,
            "/XHE/Header/FromParty".into(),
            format!("{} PartyIdentification", facts.from_identifications),
            "one",
        ),
        (
            facts.to_identifications != 1,
            "/XHE/Header/ToParty".into(),
            format!("{} PartyIdentification", facts.to_identifications),
            "one",
        ),
    ];
    for (wrong, path, found, expected) in counts {
        if wrong {
            findings.push(Finding::error("R14", path, found, expected));
        }
    }
}

fn scheme(rule: &str, party: &Party, findings: &mut Vec<Finding>) {
    let found = normalized(party.scheme.as_deref().unwrap_or_default());
    if found != PARTICIPANT_SCHEME {
        findings.push(Finding::error(rule, format!("{}/@schemeID", party.path), clip(&found), PARTICIPANT_SCHEME));
    }
}

/// R12, R13 and the cardinalities of the payload.
fn payloads(facts: &Collector, findings: &mut Vec<Finding>) {
    if facts.payload_count != 1 {
        findings.push(Finding::error("R14", "/XHE/Payloads", format!("{} Payload", facts.payload_count), "one"));
    }
    let has = |test: fn(&Payload) -> bool| facts.payloads.iter().any(test);
    let parts = [
        (has(|p| p.document_type_code.is_some()), "DocumentTypeCode"),
        (has(|p| p.content_type_code.is_some()), "ContentTypeCode"),
        (has(|p| p.contents > 0), "PayloadContent"),
    ];
    for (_, part) in parts.into_iter().filter(|(there, _)| !there) {
        findings.push(Finding::error("R14", "/XHE/Payloads/Payload", format!("no {part}"), part));
    }
    for payload in &facts.payloads {
        let path = format!("{}/PayloadContent", payload.path);
        match (payload.says_encrypted(), payload.has_encrypted_data) {
            (Some(true), false) => findings.push(Finding::error(
                "R12",
                path,
                "no EncryptedData",
                "EncryptedData, as InstanceEncryptionIndicator is true",
            )),
            (Some(false), true) => findings.push(Finding::error(
                "R13",
                path,
                "EncryptedData",
                "no EncryptedData, as InstanceEncryptionIndicator is false",
            )),
            _ => {}
        }
    }
}

/// Exactly five criteria, one of each code (XHE-2.2.t05): two DOCUMENTID would leave open where the message goes.
fn text_scope(facts: &Collector, findings: &mut Vec<Finding>) {
    for criterion in &facts.criteria {
        let code = criterion.codes.first().map(|c| normalized(c)).unwrap_or_default();
        if !CODES.iter().any(|(_, known)| *known == code) {
            findings.push(Finding::error(
                "R14",
                &criterion.path,
                format!("the criterion {}", clip(&code)),
                "the five criteria of the profile only",
            ));
        }
    }
    for (_, code) in CODES {
        let n = facts.criteria.iter().filter(|c| says(c, code)).count();
        if n > 1 {
            findings.push(Finding::error("R14", "/XHE/Header/BusinessScope", format!("{n} criteria {code}"), "one"));
        }
    }
    for party in &facts.to {
        scheme("R11", party, findings);
    }
}

/// What R1 and R2 forbid in words but do not test.
fn text_names(facts: &Collector, findings: &mut Vec<Finding>) {
    for path in &facts.unnamed {
        findings.push(Finding::error("R1", path, "an element that the profile does not use", "no such element"));
    }
    for extra in &facts.extra_attributes {
        let path = format!("{}/@{}", extra.path, extra.name);
        findings.push(if extra.is_blank {
            Finding::warning("R2", path, "an empty attribute", "a value, or no attribute")
        } else {
            Finding::warning("R1", path, "an attribute that the profile does not use", "no such attribute")
        });
    }
}

/// Forms of values that the text asks for and nothing tests.
fn text_values(facts: &Collector, findings: &mut Vec<Finding>) {
    let id = facts.id.as_deref().map(normalized).unwrap_or_default();
    if uuid::Uuid::try_parse(&id).is_err() || id.len() != 36 {
        findings.push(Finding::warning("XHE-2.2.t03", "/XHE/Header/ID", clip(&id), "a UUID"));
    }
    let created = facts.created.as_deref().map(normalized).unwrap_or_default();
    if Value::DateTime.takes(&created) && Value::DateTime.takes(&format!("{created}Z")) {
        findings.push(Finding::warning(
            "XHE-2.2.t04",
            "/XHE/Header/CreationDateTime",
            clip(&created),
            "a time with its zone",
        ));
    }
    for payload in &facts.payloads {
        let found = payload.content_type_code.as_deref().map(normalized).unwrap_or_default();
        if found == "text/xml" {
            findings.push(Finding::warning(
                "XHE-2.2.t12",
                format!("{}/ContentTypeCode", payload.path),
                found,
                XML_CONTENT,
            ));
        }
    }
    // A participant that is none cannot be routed: the header says so as an error.
    if let Err(finding) = facts.header() {
        findings.push(finding);
    }
}
