//! `sluss status`: what the daemon says about itself.

use super::lookup::members;
use super::{Remote, items, unprinted, word};
use crate::cli::output::{Output, Table};
use crate::model::Problem;
use serde_json::Value;
use std::fmt::Write;

/// Asks for it, and prints it.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked.
pub async fn status(remote: &Remote, output: &Output) -> Result<u8, Problem> {
    let status = remote.get("/status", &[]).await?;
    output.record(&status, || text(&status)).map_err(unprinted)?;
    Ok(0)
}

/// The queues, the partners and the participants as tables, then everything else.
pub(super) fn text(status: &Value) -> String {
    let mut text = String::new();
    for (name, table, none) in [
        ("queues", &queues as &dyn Fn(&[Value]) -> Table, "no message\n"),
        ("partners", &partners, "no partner was sent anything since the start\n"),
        ("participants", &participants, "no participant\n"),
    ] {
        match items(status, name) {
            [] => text.push_str(none),
            rows => text.push_str(&table(rows).text()),
        }
        if name == "participants" {
            unserved(&mut text, status);
        }
        text.push('\n');
    }
    let mut rest = status.clone();
    if let Some(members) = rest.as_object_mut() {
        members.retain(|name, _| !["queues", "partners", "participants"].contains(&name.as_str()));
    }
    members(&mut text, &rest, 0);
    text.trim_end().to_owned()
}

fn queues(rows: &[Value]) -> Table {
    let mut table = Table::new(&["DIRECTION", "STATUS", "MESSAGES", "OLDEST"]);
    rows.iter().for_each(|row| table.row(["direction", "status", "messages", "oldest"].map(|name| word(row, name))));
    table
}

/// Other access points, with their breakers.
pub(super) fn partners(rows: &[Value]) -> Table {
    let mut table = Table::new(&[
        "PARTNER",
        "CONDITION",
        "OPEN UNTIL",
        "FAILURES",
        "WAITING",
        "UNDER WAY",
        "LAST SUCCESS",
        "LAST FAILURE",
        "WHY",
    ]);
    for row in rows {
        let name = row["partner"].as_str().unwrap_or("(to be looked up)").to_owned();
        let names =
            ["condition", "open_until", "failures", "waiting", "in_flight", "last_success_at", "last_failure_at"];
        table.row([name].into_iter().chain(names.map(|name| word(row, name))).chain([why(row)]));
    }
    table
}

fn participants(rows: &[Value]) -> Table {
    let mut table = Table::new(&[
        "PARTICIPANT",
        "CARRIAGE",
        "TO SEND",
        "SINCE",
        "TO TAKE",
        "SINCE",
        "LAST FETCH",
        "DELIVERY",
        "OPEN UNTIL",
        "FAILURES",
        "WHY",
    ]);
    let names = ["participant", "carriage", "to_send", "to_send_since", "to_take", "to_take_since", "last_fetch_at"];
    let cell = |row: &Value, name| match name {
        "carriage" if row[name].is_null() => "(not configured)".to_owned(),
        _ => word(row, name),
    };
    for row in rows {
        let delivery = &row["delivery"];
        let breaker = ["condition", "open_until", "failures"].map(|name| word(delivery, name));
        table.row(names.map(|name| cell(row, name)).into_iter().chain(breaker).chain([why(delivery)]));
    }
    table
}

/// The cause of the last failure.
fn why(state: &Value) -> String {
    let kind = word(&state["last_failure"], "type");
    kind.strip_prefix("urn:sluss:problem:").unwrap_or(&kind).to_owned()
}

/// What to do where messages have come in for participants that nobody serves.
fn unserved(text: &mut String, status: &Value) {
    let rows = items(status, "participants").iter().filter(|row| row["carriage"].is_null());
    for row in rows {
        let participant = word(row, "participant");
        let _ = writeln!(
            text,
            "nobody serves {participant}: add its [[participant]] so that what has come in is delivered, or end it with `sluss queue \
             cancel --direction in --status RECEIVED --participant {participant} --reason TEXT`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use serde_json::json;

    #[test]
    fn partners_and_participants_are_lines_with_what_fails_and_since_when() {
        let status = json!({
            "queues": [{ "direction": "out", "status": "WAITING_FOR_RETRY", "messages": 7, "oldest": "2026-11-24T10:00:00Z" }],
            "partners": [
                { "partner": "AP0007", "condition": "open", "open_until": "2026-11-24T10:02:00Z", "failures": 9, "waiting": 7, "in_flight": 0,
                  "last_failure_at": "2026-11-24T10:01:00Z", "last_failure": { "type": "urn:sluss:problem:as4:RefusedByPeer" } },
                { "partner": null, "condition": "healthy", "failures": 0, "waiting": 1, "in_flight": 1 },
            ],
            "participants": [
                { "participant": "0203:a.se", "carriage": "carried", "to_send": 0, "to_take": 3,
                  "delivery": { "condition": "open", "open_until": "2026-11-24T10:03:00Z", "failures": 4,
                                "last_failure": { "type": "urn:sluss:problem:smp-unreachable" } } },
                { "participant": "0203:gone.se", "carriage": null, "to_send": 0, "to_take": 2, "to_take_since": "2026-11-20T10:00:00Z" },
            ],
            "version": "1",
        });
        let text = text(&status);
        for part in [
            "out        WAITING_FOR_RETRY  7",
            "AP0007",
            "open       2026-11-24T10:02:00Z",
            "as4:RefusedByPeer",
            "(to be looked up)",
            "0203:gone.se  (not configured)  0               2        2026-11-20T10:00:00Z",
            "open      2026-11-24T10:03:00Z  4         smp-unreachable",
            "nobody serves 0203:gone.se",
            "sluss queue cancel --direction in --status RECEIVED --participant 0203:gone.se",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("0203:a.se") && text.ends_with("version: 1"), "{text}");
    }
}
