//! The HTTP interface of two access points, from outside: what it takes, what it refuses, and how it says so.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod doors;

use doors::{Door, FormPart, Site, form, running};
use http::Method;
use serde_json::Value;
use sluss::net::Body;

const ALICE: &str = "0203:ankeborg.example.se";
const BOB: &str = "0203:storstad.example.se";

fn message(label: &str, document: &[u8]) -> Vec<FormPart> {
    vec![
        ("from", ALICE.into(), None),
        ("to", BOB.into(), None),
        ("label", label.into(), None),
        ("document", String::new(), Some(("../å \"1\".bin", document.to_vec()))),
    ]
}

/// Asks for something until it is so.
async fn until(site: &Site, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let (_, answer) = site.json(path).await;
        if so(&answer) {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{path} did not come to be as expected: {}", site.json(path).await.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_in_at_one_door_and_comes_out_at_the_other() {
    let federation = running().await;
    let [one, two] = &federation.sites;
    let document: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (kind, body) = form(message("Ärende <7>", &document));
    let sent = one.api(Method::POST, "/messages", Some(&kind), body).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let id = sent.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(sent.value()["status"], "SUBMITTED");

    let inbox =
        until(two, &format!("/inbox?participant={BOB}"), |inbox| inbox["messages"][0]["label"].is_string()).await;
    let received = &inbox["messages"][0];
    assert_eq!(received["label"], "Ärende <7>");
    assert_eq!(received["documents"][0]["bytes"], 3_000_000);
    let path = format!("/messages/{}/documents/0", received["id"].as_str().unwrap());
    let fetched = two.api(Method::GET, &path, None, Body::empty()).await;
    assert!(fetched.status == 200 && fetched.body == document, "{} {}", fetched.status, fetched.body.len());
    assert!(fetched.header("content-disposition").starts_with("attachment;"));
    assert_eq!(fetched.header("x-content-type-options"), "nosniff");

    until(one, &format!("/messages/{id}"), |message| message["status"] == "ACCEPTED").await;
    let (_, shown) = one.json(&format!("/queue/{id}")).await;
    let stages: Vec<&str> = shown["journey"].as_array().unwrap().iter().filter_map(|e| e["stage"].as_str()).collect();
    for stage in ["accepted", "routed", "packed", "receipted", "answered"] {
        assert!(stages.contains(&stage), "{stage} in {stages:?}");
    }
    assert!(!shown.to_string().contains("Ärende"), "an operator's view holds the label");
    let (_, log) = one.json(&format!("/events?message={id}&stage=receipted&participant={BOB}&limit=1")).await;
    assert_eq!(log["events"][0]["facts"]["partner"], "AP0002-DEMO", "{log}");
    let (_, status) = one.json("/status").await;
    assert!(status["queues"].as_array().unwrap().iter().any(|queue| queue["status"] == "ACCEPTED"));
    let partner = status["partners"].as_array().unwrap().iter().find(|partner| partner["partner"] == "AP0002-DEMO");
    let partner = partner.unwrap_or_else(|| panic!("no partner AP0002-DEMO in {status}"));
    assert!(partner["waiting"].is_u64() && partner["last_success_at"].is_string(), "{partner}");
    assert_eq!((&partner["condition"], &partner["failures"]), (&"healthy".into(), &0.into()), "{partner}");
    assert_eq!(status["participants"][0]["participant"], ALICE, "{status}");
    let (_, partners) = one.json("/partners?limit=1").await;
    assert_eq!((&partners["partners"][0]["partner"], &partners["next"]), (&"AP0002-DEMO".into(), &Value::Null));
    let (_, partners) = one.json("/partners?after=AP0002-DEMO").await;
    assert!(!partners.to_string().contains("AP0002-DEMO"), "{partners}");
    let (_, participants) = two.json("/participants").await;
    assert_eq!(
        (&participants["participants"][0]["participant"], &participants["participants"][0]["to_take"]),
        (&BOB.into(), &0.into())
    );
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priority_is_said_with_the_message_and_shown_in_the_queue() {
    let federation = running().await;
    let one = &federation.sites[0];
    for (said, shown) in [(Some("high"), "high"), (Some("low"), "low"), (Some(""), "normal"), (None, "normal")] {
        let mut parts = message("x", b"x");
        parts.extend(said.map(|said| ("priority", said.into(), None)));
        let (kind, body) = form(parts);
        let sent = one.api(Method::POST, "/messages", Some(&kind), body).await;
        assert_eq!(sent.status, 202, "{}", sent.text());
        let (_, found) = one.json(&format!("/queue/{}", sent.value()["id"].as_str().unwrap())).await;
        assert_eq!(found["message"]["priority"], shown, "{found}");
        let accepted = &found["journey"][0];
        assert_eq!(accepted["facts"]["priority"].as_str().unwrap_or("normal"), shown, "{accepted}");
    }
    let (_, list) = one.json("/queue?direction=out&limit=4").await;
    let listed: Vec<_> = list["messages"].as_array().unwrap().iter().map(|line| line["priority"].as_str()).collect();
    assert!(listed.contains(&Some("high")) && listed.contains(&Some("low")), "{list}");

    let mut parts = message("x", b"x");
    parts.push(("priority", "urgent".into(), None));
    let (kind, body) = form(parts);
    let path = format!("/participants/{ALICE}/envelopes?priority=urgent");
    for (path, kind, body) in
        [("/messages", kind.as_str(), body), (&path, "application/xml", Body::empty().memory("<XHE/>"))]
    {
        let refused = one.api(Method::POST, path, Some(kind), body).await;
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.text().contains("expected high, normal or low"), "{path}: {}", refused.text());
    }
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_opens_with_the_token_only() {
    let federation = running().await;
    let [one, two] = &federation.sites;
    for (path, method) in
        [("/queue", Method::GET), ("/status", Method::GET), ("/inbox", Method::GET), ("/messages", Method::POST)]
    {
        for token in [None, Some(two.token.as_str()), Some("")] {
            let answer =
                one.api_with(method.clone(), path, token, None, Body::empty().memory(vec![0; 1_000_000])).await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert_eq!(answer.value()["type"], "urn:sluss:problem:unauthorized");
        }
    }
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(one.api_with(Method::GET, path, None, None, Body::empty()).await.status, 200, "{path}");
    }
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_with_the_reason() {
    let federation = running().await;
    let one = &federation.sites[0];
    let nobody = "/messages/01936a3e-0000-7000-8000-000000000001";
    for (path, status, part) in [
        ("/queue?direktion=out", 400, "direktion"),
        ("/queue?status=LOST", 400, "WAITING_FOR_RECEIPT"),
        ("/queue?participant=digg.se", 400, "0203:digg.se"),
        ("/queue?older_than=-1h", 400, "older_than"),
        ("/queue?older_than=99999999999999999d", 400, "before all time"),
        ("/queue?limit=-1", 400, "limit"),
        ("/queue?limit=1e9", 400, "limit"),
        ("/queue?limit=0", 400, "found 0, expected 1 to 1000"),
        ("/queue?limit=100000000", 400, "found 100000000, expected 1 to 1000"),
        ("/events?limit=0", 400, "expected 1 to"),
        ("/partners?limit=0", 400, "expected 1 to"),
        ("/refusals?limit=0", 400, "expected 1 to"),
        ("/queue?since=yesterday", 400, "since"),
        ("/queue?held=7", 400, "held"),
        ("/queue?status=lost", 400, "to-send"),
        ("/queue?after=..%2F..", 400, "UUID"),
        ("/queue/..%2F..%2Fetc%2Fpasswd", 400, "UUID"),
        ("/participants/..%2F../envelopes", 400, ""),
        ("/status?verbose=1", 400, "verbose"),
        ("/queue/7", 400, "UUID"),
        ("/events?after=7", 400, "next"),
        ("/events?stage=lost", 400, "stage"),
        ("/partners?after=", 400, ""),
        ("/participants?x=1", 400, "x"),
        (nobody, 404, ""),
        ("/inbox?participant=0203:nobody.example.se", 404, ALICE),
        ("/nothing", 404, "/api/v1"),
        ("/lookup?participant=0203:b.se&document-type=x", 400, "document-type"),
    ] {
        let answer = one.api(Method::GET, path, None, Body::empty()).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert!(answer.text().contains(part), "{path}: {part:?} in {}", answer.text());
        assert_eq!(answer.value()["status"], status, "{path}");
    }
    assert_eq!(one.api(Method::DELETE, "/queue", None, Body::empty()).await.status, 405);
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_needs_a_reason_and_a_message_that_it_can_be_done_to() {
    let federation = running().await;
    let one = &federation.sites[0];
    let (kind, body) = form(message("x", b"x"));
    let sent = one.api(Method::POST, "/messages", Some(&kind), body).await;
    let id = sent.value()["id"].as_str().unwrap().to_owned();
    until(one, &format!("/messages/{id}"), |message| message["status"] == "ACCEPTED").await;
    let nobody = "01936a3e-0000-7000-8000-000000000001";
    let reason = r#"{"reason":"a test"}"#.to_owned();
    for (path, body, status, part) in [
        (format!("/queue/{id}/retry"), reason.clone(), 422, "found message"),
        (format!("/queue/{id}/cancel"), reason.clone(), 422, "SCHEDULED_FOR_RESEND"),
        (format!("/queue/{nobody}/hold"), reason.clone(), 404, nobody),
        ("/partners/NOPE/try".to_owned(), reason.clone(), 404, "found NOPE"),
        (format!("/queue/{id}/drop"), reason, 400, "expected retry, cancel, hold or release"),
        (format!("/queue/{id}/retry"), r#"{"reason":" "}"#.into(), 400, "reason: found nothing"),
        (format!("/queue/{id}/retry"), format!(r#"{{"reason":"{}"}}"#, "x".repeat(501)), 400, "501 characters"),
        (format!("/queue/{id}/retry"), r#"{"reason":"a\nb"}"#.into(), 400, "line breaks"),
        (format!("/queue/{id}/retry"), r#"{"reasons":"a"}"#.into(), 400, "reasons"),
        (format!("/queue/{id}/retry"), "x".repeat(20_000), 400, "at most"),
    ] {
        let answer = one.api(Method::POST, &path, Some("application/json"), Body::empty().memory(body)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part), "{path}: {part:?} in {}", answer.text());
    }
    let (_, shown) = one.json(&format!("/queue/{id}")).await;
    assert!(!shown["journey"].to_string().contains("a test"), "what was refused is no event: {shown}");
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_sent_leaves_nothing_and_says_why() {
    let federation = running().await;
    let one = &federation.sites[0];
    let mut unknown_field = message("x", b"x");
    unknown_field.insert(0, ("form", "x".into(), None));
    let mut stranger = message("x", b"x");
    stranger[0].1 = "0203:stranger.example.se".into();
    let mut nowhere = message("x", b"x");
    nowhere[1].1 = "0203:nowhere.example.se".into();
    for (parts, status, part) in [
        (unknown_field, 400, "functional_address"),
        (stranger, 422, "stranger"),
        (nowhere, 422, "nowhere"),
        (message("x", b"x")[..2].to_vec(), 422, "neither text nor file"),
    ] {
        let (kind, body) = form(parts);
        let answer = one.api(Method::POST, "/messages", Some(&kind), body).await;
        assert!(answer.text().contains(part), "{part:?} in {}", answer.text());
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let large = Body::empty().memory(vec![b'x'; 20_000_000]);
    let answer =
        one.api(Method::POST, &format!("/participants/{ALICE}/envelopes"), Some("application/xml"), large).await;
    assert_eq!(answer.status, 422, "an envelope that is none is refused after it was sent: {}", answer.text());
    let (_, queue) = one.json("/queue").await;
    assert_eq!(queue["messages"], serde_json::json!([]));
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_say_how_it_stands_and_promtool_has_nothing_to_add() {
    let federation = running().await;
    let one = &federation.sites[0];
    let (kind, body) = form(message("a secret subject", b"a secret document"));
    let sent = one.api(Method::POST, "/messages", Some(&kind), body).await;
    let id = sent.value()["id"].as_str().unwrap().to_owned();
    until(one, &format!("/messages/{id}"), |message| message["status"] == "ACCEPTED").await;
    let (_, health) = one.json("/health/ready").await;
    assert_eq!((&health["ready"], &health["state"]), (&true.into(), &"ok".into()), "{health:#}");
    let checks: Vec<&str> = health["checks"].as_array().unwrap().iter().filter_map(|c| c["check"].as_str()).collect();
    for check in ["store", "disk", "space", "certificate", "worker", "discovery", "delivery", "journal", "clock"] {
        assert!(checks.contains(&check), "{check} in {checks:?}");
    }

    assert_eq!(one.api_with(Method::GET, "/metrics", None, None, Body::empty()).await.status, 401);
    let metrics = one.api(Method::GET, "/metrics", None, Body::empty()).await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    for line in [
        "sluss_messages_accepted_total 1",
        "sluss_messages_sent_total{partner=\"AP0002-DEMO\"} 1",
        "sluss_as4_exchange_seconds_count{direction=\"out\"} 1",
        "sluss_accept_seconds_count{door=\"message\"} 1",
        // The message receipt.
        "sluss_accept_seconds_count{door=\"as4\"} 1",
        "sluss_queue_messages{direction=\"out\",status=\"ACCEPTED\"} 1.0",
        "sluss_health_check{check=\"store\"} 0.0",
        "sluss_accepting 1",
        "sluss_partner_condition{partner=\"AP0002-DEMO\"} 0.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    for part in ["sluss_certificate_end_timestamp_seconds{use=\"access-point\"", "sluss_journal_segments 1"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains(ALICE), "no contents, and nobody who writes to whom: {text}");
    promtool(&text);
    federation.stop().await;
}

/// Holds the text against the conventions of Prometheus.
fn promtool(text: &str) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let started =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = started else {
        println!("skipped: no promtool here");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
