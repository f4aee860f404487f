//! Reports on recorded bytes as text for people: the verdict first, then each finding on a line, then the facts.

use super::output::one_line;
use crate::model::{Finding, Problem};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The order of facts; what is not named here comes after them, by name.
const ORDER: [&str; 24] = [
    "kind",
    "message_id",
    "ref_to",
    "timestamp",
    "conversation_id",
    "id",
    "created",
    "from",
    "to",
    "participant",
    "document_type",
    "service",
    "action",
    "process",
    "receipt",
    "type",
    "detail_code",
    "signature",
    "bytes",
    "header",
    "endpoint",
    "parts",
    "signer",
    "references",
];

/// What is said in lines of its own.
const SAID: [&str; 4] = ["verdict", "file", "error", "findings"];

/// One report. `heading` stands where the report has no verdict of its own.
pub(super) fn report(report: &Value, heading: &str) -> String {
    let Value::Object(members) = report else { return one_line(&report.to_string()) };
    let verdict = match members.get("verdict").and_then(Value::as_str) {
        Some("accept") => "accepted",
        Some(_) => "refused",
        None => heading,
    };
    let mut lines = vec![match members.get("file").and_then(Value::as_str) {
        Some(file) => format!("{verdict}: {}", one_line(file)),
        None => verdict.to_owned(),
    }];
    if let Some(problem) = members.get("error").and_then(|error| Problem::deserialize(error).ok()) {
        lines.push(one_line(&format!("  {problem}")));
    }
    let findings = members.get("findings").and_then(|findings| Vec::<Finding>::deserialize(findings).ok());
    for finding in findings.unwrap_or_default() {
        let severity = if finding.is_error() { "error" } else { "warning" };
        let path = said(&finding.path, "the document");
        let (found, rule, expected) = (said(&finding.found, "nothing"), finding.rule, finding.expected);
        lines.push(one_line(&format!("  {severity} {rule} at {path}: found {found}, expected {expected}")));
    }
    let mut facts = Vec::new();
    gather(members, "", &mut facts);
    // Findings are about what was read; an error ends the reading, and what is known by then is only claimed.
    if verdict == "refused" && !members.contains_key("findings") && !facts.is_empty() {
        lines.push("  what it says of itself, not verified:".to_owned());
    }
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    lines.extend(facts.into_iter().map(|(name, value)| format!("  {name:<width$}  {value}")));
    lines.join("\n")
}

fn said<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Facts as names and values; members of members have both names.
fn gather(members: &Map<String, Value>, above: &str, facts: &mut Vec<(String, String)>) {
    let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut sorted: Vec<(&String, &Value)> =
        members.iter().filter(|(name, _)| !(above.is_empty() && SAID.contains(&name.as_str()))).collect();
    sorted.sort_by_key(|(name, _)| place(name));
    for (name, value) in sorted {
        let name = format!("{above}{}", name.replace('_', " "));
        match value {
            Value::Object(inner) => gather(inner, &format!("{name} "), facts),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (index, item) in items.iter().enumerate() {
                    facts.push((format!("{name} {}", index + 1), brief(item)));
                }
            }
            Value::Array(items) if items.is_empty() => {}
            Value::Null => {}
            // Canonical forms are octets: their line breaks are theirs.
            Value::String(text) if above == "canonical " => facts.push((name, format!("\n{text}"))),
            other => facts.push((name, brief(other))),
        }
    }
}

/// A value on one line.
fn brief(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => one_line(text),
        Value::Array(items) => {
            let inner = |item: &Value| item.as_array().map(|pair| pair.iter().map(brief).collect::<Vec<_>>().join(" "));
            items.iter().map(|item| inner(item).unwrap_or_else(|| brief(item))).collect::<Vec<_>>().join(", ")
        }
        Value::Object(members) => {
            let given = members.iter().filter(|(_, value)| !value.is_null());
            given
                .map(|(name, value)| format!("{} {}", name.replace('_', " "), brief(value)))
                .collect::<Vec<_>>()
                .join(", ")
        }
        Value::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::report;
    use serde_json::json;

    #[test]
    fn the_verdict_comes_first_then_findings_then_facts() {
        let value = json!({
            "file": "a.xml", "verdict": "refuse", "signature": "none",
            "findings": [{ "rule": "R11", "severity": "error", "path": "/XHE/Header", "found": "1", "expected": "2" }],
            "signer": { "subject": "CN=A", "sha256": null }, "parts": [{ "bytes": 7, "compressed": true }],
        });
        let expected = "refused: a.xml\n  error R11 at /XHE/Header: found 1, expected 2\n  signature       none\n  \
                        parts 1         bytes 7, compressed yes\n  signer subject  CN=A";
        assert_eq!(report(&value, ""), expected);
    }

    #[test]
    fn an_error_names_its_rule_and_nothing_commands_the_terminal() {
        let error = json!({
            "type": "urn:sluss:problem:x", "title": "not an envelope", "detail": "found\n\u{1b}[2J", "rule": "XHE-2.5.a",
            "fault": "refused",
        });
        let text = report(&json!({ "verdict": "refuse", "error": error.clone() }), "");
        assert_eq!(text, "refused\n  not an envelope: found \u{fffd}[2J (rule XHE-2.5.a)");
        let claimed = report(&json!({ "verdict": "refuse", "error": error, "signer": { "subject": "CN=A" } }), "");
        assert!(claimed.ends_with("\n  what it says of itself, not verified:\n  signer subject  CN=A"), "{claimed}");
        assert!(report(&json!({ "bytes": 1 }), "packed").starts_with("packed\n  bytes  1"));
    }
}
