//! The client's side against an API that is played here.

use super::envelopes::{submit, take};
use super::inbox::{InboxOptions, inbox};
use super::lookup::{LookupOptions, lookup};
use super::partners;
use super::queue::{list, show};
use super::send::{SendOptions, send};
use super::{ApiAddress, Remote};
use crate::cli::output::Output;
use crate::model::{Conditions, Fault, MessageId, Priority, Problem};
use crate::net::AccessToken;
use crate::net::server::{ServerLimits, serve};
use axum::extract::{Multipart, Query};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ID: &str = "01936a3e-0000-7000-8000-000000000001";

/// What was printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Printed {
    fn output(&self, json: bool) -> Output {
        Output::to(json, Box::new(self.clone()))
    }
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn remote_at(url: String) -> Remote {
    Remote::new(&ApiAddress { url, token: AccessToken::new(TOKEN).unwrap() }, Vec::new()).unwrap()
}

/// Serves `api` below /api/v1 for as long as the sender lives.
async fn played(api: Router) -> (Remote, tokio::sync::watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (end, shutdown) = tokio::sync::watch::channel(false);
    tokio::spawn(serve(listener, None, Router::new().nest("/api/v1", api), ServerLimits::default(), shutdown));
    (remote_at(url), end)
}

fn draft(files: Vec<std::path::PathBuf>) -> SendOptions {
    SendOptions {
        from: "0203:a.se".into(),
        to: "0203:b.se".into(),
        label: Some("Ärende".into()),
        files,
        ..SendOptions::default()
    }
}

#[tokio::test]
async fn files_and_fields_arrive_as_a_form() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = seen.clone();
    let api = Router::new().route(
        "/messages",
        post(move |headers: http::HeaderMap, mut form: Multipart| async move {
            assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
            while let Some(field) = form.next_field().await.unwrap() {
                let head = format!("{} {:?} {:?}", field.name().unwrap(), field.file_name(), field.content_type());
                let bytes = field.bytes().await.unwrap();
                note.lock().unwrap().push(format!("{head} {}", String::from_utf8_lossy(&bytes)));
            }
            Json(json!({"id": ID, "envelope_id": "e", "status": "SUBMITTED"}))
        })
        .layer(axum::extract::DefaultBodyLimit::disable()),
    );
    let (remote, _end) = played(api).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bilaga å.pdf");
    std::fs::write(&file, "%PDF").unwrap();
    let printed = Printed::default();
    let options = SendOptions { confidential: true, priority: Priority::High, ..draft(vec![file]) };
    assert_eq!(send(&remote, &options, &printed.output(true)).await.unwrap(), 0);
    assert_eq!(printed.lines(), [json!({"id": ID, "envelope_id": "e", "status": "SUBMITTED"})]);
    let expected = [
        "from None None 0203:a.se",
        "to None None 0203:b.se",
        "label None None Ärende",
        "confidential None None true",
        "priority None None high",
        "document Some(\"bilaga å.pdf\") Some(\"application/pdf\") %PDF",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// An API that takes any message and then says these statuses, one for each question.
fn statuses(words: &'static [&'static str]) -> Router {
    let asked = Arc::new(Mutex::new(0));
    let message = move || async move {
        let mut asked = asked.lock().unwrap();
        let word = words[(*asked).min(words.len() - 1)];
        *asked += 1;
        Json(json!({"id": ID, "status": word, "error": Problem::new(Fault::Refused, "x", "refused", "why")}))
    };
    Router::new()
        .route("/messages", post(|| async { Json(json!({"id": ID, "envelope_id": "e", "status": "SUBMITTED"})) }))
        .route("/messages/{id}", get(message))
}

#[tokio::test]
async fn waiting_ends_with_the_final_status_and_its_exit_status() {
    for (words, patience, exit, last) in [
        (&["SUBMITTED", "WAITING_FOR_RECEIPT", "ACCEPTED"][..], 10_000, 0, "ACCEPTED"),
        (&["REJECTED"][..], 10_000, 1, "REJECTED"),
        (&["MESSAGE_EXCHANGE_ERROR"][..], 10_000, 1, "MESSAGE_EXCHANGE_ERROR"),
        (&["WAITING_FOR_RECEIPT"][..], 250, 3, "WAITING_FOR_RECEIPT"),
    ] {
        let (remote, _end) = played(statuses(words)).await;
        let printed = Printed::default();
        let options = SendOptions { wait: Some(Duration::from_millis(patience)), ..draft(vec![]) };
        assert_eq!(send(&remote, &options, &printed.output(true)).await.unwrap(), exit, "{words:?}");
        let lines = printed.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["status"], lines[0].get("error").is_some()), (&json!(last), exit != 0));
    }
}

#[tokio::test]
async fn a_daemon_that_does_not_run_is_a_temporary_fault_with_a_remedy() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let problem =
        list(&remote_at(format!("http://{free}")), &Conditions::default(), None, &Printed::default().output(true))
            .await
            .unwrap_err();
    assert_eq!(problem.exit_status(), 3);
    assert!(problem.detail.contains("sluss serve"), "{}", problem.detail);
    let printed = Printed::default();
    assert_eq!(printed.output(true).problem(&problem), 3);
    assert_eq!(printed.lines()[0]["error"]["type"], "urn:sluss:problem:daemon-unreachable");
}

#[tokio::test]
async fn a_problem_of_the_daemon_comes_through_whole() {
    let refusal = Problem::new(Fault::Refused, "envelope", "refused", "found x, expected y").rule("R11");
    let said = refusal.clone();
    let api = Router::new().route(
        "/participants/{id}/envelopes",
        post(move || async { (http::StatusCode::UNPROCESSABLE_ENTITY, Json(said)) }),
    );
    let (remote, _end) = played(api).await;
    let folder = tempfile::tempdir().unwrap();
    let envelope = folder.path().join("e.xml");
    std::fs::write(&envelope, "<XHE/>").unwrap();
    let problem =
        submit(&remote, "0203:a.se", &envelope, Priority::Low, &Printed::default().output(true)).await.unwrap_err();
    assert_eq!(problem, refusal);
    let none = folder.path().join("none.xml");
    let missing =
        submit(&remote, "0203:a.se", &none, Priority::Low, &Printed::default().output(true)).await.unwrap_err();
    assert_eq!((missing.exit_status(), missing.detail.contains("none.xml")), (2, true));
}

#[tokio::test]
async fn documents_of_strangers_stay_in_the_folder_of_their_message() {
    let documents = json!([
        {"name": "../../a.pdf", "mime": "application/pdf", "bytes": 1, "sha256": ""},
        {"name": ".._.._a.pdf", "mime": "application/pdf", "bytes": 1, "sha256": ""},
        {"name": ".hidden", "mime": "text/plain", "bytes": 1, "sha256": ""},
    ]);
    let message = json!({"id": ID, "envelope_id": "e", "from": "0203:a.se", "to": "0203:b.se", "label": "l\u{1b}[2J", "received_at": "2026-11-23T10:00:00Z", "status": "NEW", "documents": documents});
    let api = Router::new()
        .route(
            "/inbox",
            get(move |Query(query): Query<BTreeMap<String, String>>| async move {
                assert_eq!(query["participant"], "0203:b.se");
                Json(json!({"messages": [message]}))
            }),
        )
        .route(
            "/messages/{id}/documents/{index}",
            get(|axum::extract::Path((_, index)): axum::extract::Path<(String, String)>| async { index }),
        );
    let (remote, _end) = played(api).await;
    let folder = tempfile::tempdir().unwrap();
    let options =
        InboxOptions { participant: Some("0203:b.se".into()), save: Some(folder.path().join("in")), id: None };
    let printed = Printed::default();
    assert_eq!(inbox(&remote, &options, &printed.output(true)).await.unwrap(), 0);
    assert_eq!(printed.lines()[0]["label"], "l\u{1b}[2J");
    let saved = folder.path().join("in").join(ID);
    let mut names: Vec<String> =
        std::fs::read_dir(&saved).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["_.._a (2).pdf", "_.._a.pdf", "hidden"]);
    assert_eq!(std::fs::read(saved.join("hidden")).unwrap(), b"2");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let text = Printed::default();
    inbox(&remote, &options, &text.output(false)).await.unwrap();
    assert!(!text.text().contains('\u{1b}') && text.text().contains("RECEIVED"), "{}", text.text());
}

#[tokio::test]
async fn an_envelope_is_on_disk_before_it_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{ID}.xml"));
    let there = file.clone();
    let confirm = move || async move {
        assert_eq!(std::fs::read(&there).unwrap(), b"<XHE/>");
        Json(json!({"id": ID, "envelope_id": "e", "status": "DOWNLOADED"}))
    };
    let waiting = || async { Json(json!({"envelopes": [{"id": ID, "envelope_id": "e", "status": "RECEIVED"}]})) };
    let api = Router::new()
        .route("/participants/{id}/envelopes", get(waiting))
        .route("/participants/{id}/envelopes/{mid}", get(|| async { "<XHE/>" }))
        .route("/participants/{id}/envelopes/{mid}/confirm", post(confirm));
    let (remote, _end) = played(api).await;
    let printed = Printed::default();
    let save = folder.path().to_owned();
    assert_eq!(take(&remote, "0203:b.se", Some(&save), &printed.output(true)).await.unwrap(), 0);
    assert_eq!(printed.lines(), [json!({"id": ID, "envelope_id": "e", "status": "DOWNLOADED", "file": file})]);
}

#[tokio::test]
async fn all_pages_of_what_waits_are_taken() {
    let other = "01936a3e-0000-7000-8000-00000000000f";
    let waiting = move |Query(query): Query<BTreeMap<String, String>>| async move {
        Json(match query.get("after") {
            None => json!({"envelopes": [{"id": ID, "status": "RECEIVED"}], "next": ID}),
            Some(after) => {
                assert_eq!(after, ID);
                json!({"envelopes": [{"id": other, "status": "RECEIVED"}], "next": null})
            }
        })
    };
    let api = Router::new()
        .route("/participants/{id}/envelopes", get(waiting))
        .route("/participants/{id}/envelopes/{mid}", get(|| async { "<XHE/>" }))
        .route("/participants/{id}/envelopes/{mid}/confirm", post(|| async { Json(json!({"status": "DOWNLOADED"})) }));
    let (remote, _end) = played(api).await;
    let folder = tempfile::tempdir().unwrap();
    let save = folder.path().to_owned();
    for save in [None, Some(&save)] {
        let printed = Printed::default();
        assert_eq!(take(&remote, "0203:b.se", save, &printed.output(true)).await.unwrap(), 0);
        let ids: Vec<Value> = printed.lines().iter().map(|line| line["id"].clone()).collect();
        assert_eq!(ids, [ID, other]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn all_pages_of_the_queue_are_listed() {
    let queue = |Query(query): Query<BTreeMap<String, String>>| async move {
        assert_eq!(query["older_than"], "1h");
        Json(match query.get("after") {
            None => json!({"messages": [{"id": "1"}, {"id": "2"}], "next": "2"}),
            Some(after) => json!({"messages": [{"id": format!("after {after}")}], "next": null}),
        })
    };
    let (remote, _end) = played(Router::new().route("/queue", get(queue))).await;
    let conditions = Conditions { older_than: "1h".into(), ..Conditions::default() };
    let printed = Printed::default();
    list(&remote, &conditions, None, &printed.output(true)).await.unwrap();
    let ids: Vec<Value> = printed.lines().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["1", "2", "after 2"]);
}

#[tokio::test]
async fn a_list_of_the_queue_ends_where_it_was_asked_to_and_goes_on_after_a_message() {
    let asked: Arc<Mutex<Vec<BTreeMap<String, String>>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let queue = move |Query(query): Query<BTreeMap<String, String>>| async move {
        let count: usize = query["limit"].parse().unwrap();
        seen.lock().unwrap().push(query);
        let messages: Vec<Value> = (0..count.min(2)).map(|_| json!({"id": ID})).collect();
        Json(json!({"messages": messages, "next": ID}))
    };
    let (remote, _end) = played(Router::new().route("/queue", get(queue))).await;
    let conditions = Conditions { after: ID.into(), ..Conditions::default() };
    let printed = Printed::default();
    list(&remote, &conditions, Some(3), &printed.output(true)).await.unwrap();
    assert_eq!(printed.lines().len(), 3);
    let asked = asked.lock().unwrap();
    let pages: Vec<(&str, &str)> = asked.iter().map(|query| (&*query["limit"], &*query["after"])).collect();
    assert_eq!(pages, [("3", ID), ("1", ID)]);
}

#[tokio::test]
async fn a_list_of_the_queue_takes_each_condition_and_shows_what_is_held() {
    let queue = |Query(query): Query<BTreeMap<String, String>>| async move {
        let asked = ["id", "held", "since", "before"].map(|name| query[name].clone());
        assert_eq!(asked, ["x@y", "true", "2026-11-23T10:00:00Z", "2026-11-24T10:00:00Z"]);
        Json(json!({"messages": [
            {"id": "1", "status": "SUBMITTED", "held": true}, {"id": "2", "status": "SUBMITTED", "held": false}
        ], "next": null}))
    };
    let (remote, _end) = played(Router::new().route("/queue", get(queue))).await;
    let conditions = Conditions {
        id: "x@y".into(),
        held: "true".into(),
        since: "2026-11-23T10:00:00Z".into(),
        before: "2026-11-24T10:00:00Z".into(),
        ..Conditions::default()
    };
    let printed = Printed::default();
    list(&remote, &conditions, None, &printed.output(false)).await.unwrap();
    let text = printed.text();
    let held: Vec<bool> = text.lines().skip(1).map(|line| line.contains("SUBMITTED (on hold)")).collect();
    assert_eq!(held, [true, false], "{text}");
}

#[tokio::test]
async fn partners_are_listed_by_pages_and_tried_for_a_reason() {
    let partner = |name: &str| json!({"partner": name, "condition": "open", "open_until": "2026-11-24T10:02:00Z"});
    let pages = move |Query(query): Query<BTreeMap<String, String>>| async move {
        Json(match query.get("after") {
            None => json!({"partners": [partner("AP1")], "next": "AP1"}),
            Some(_) => json!({"partners": [partner("AP2")], "next": null}),
        })
    };
    let tried = |body: String| async move {
        assert_eq!(body, r#"{"reason":"it is back"}"#);
        Json(json!({"partner": "AP2", "condition": "probing"}))
    };
    let api = Router::new().route("/partners", get(pages)).route("/partners/AP2/try", post(tried));
    let (remote, _end) = played(api).await;
    let printed = Printed::default();
    partners::list(&remote, &printed.output(false)).await.unwrap();
    partners::try_now(&remote, "AP2", "it is back", &printed.output(false)).await.unwrap();
    for part in ["AP1      open       2026-11-24T10:02:00Z", "AP2      open", "AP2  probing"] {
        assert!(printed.text().contains(part), "{part} in {}", printed.text());
    }
}

#[tokio::test]
async fn a_journey_and_a_trace_are_told_in_words() {
    let problem = Problem::new(Fault::Refused, "smp", "no metadata", "found 404, expected 200").rule("SMP-2.1");
    let found = json!({"message": {"id": ID, "status": "SEND_ENQUEUED"},
        "awaited": {"partner": "AP2", "condition": "open", "open_until": "2026-11-24T10:02:00Z", "failures": 3,
            "asked_until": "2026-11-24T10:02:00Z", "last_failure": {"title": "nobody there"}}, "journey": [
        {"at": "2026-11-23T10:00:00.000Z", "stage": "attempt-failed", "detail": "the SMP has no metadata", "facts": {"partner": "AP2"}, "problem": problem}]});
    let trace = json!({"participant": "0203:b.se", "document_type": "d", "steps": [
        {"step": "dns", "name": "x.example", "records": ["NAPTR"]}, {"step": "check", "what": "binding", "ok": false}], "error": problem});
    let api = Router::new()
        .route("/queue/{id}", get(|| async { Json(found) }))
        .route("/lookup", get(|| async { Json(trace) }));
    let (remote, _end) = played(api).await;
    let printed = Printed::default();
    show(&remote, ID.parse::<MessageId>().unwrap(), &printed.output(false)).await.unwrap();
    for part in [
        "attempt-failed  the SMP has no metadata",
        "    partner: AP2",
        "rule SMP-2.1",
        "found 404, expected 200",
        "waits: the breaker of AP2 is open until 2026-11-24T10:02:00Z: it asked for that (Retry-After)",
        "failed attempts in a row: 3, the last: nobody there",
        "`sluss partners try AP2`",
    ] {
        assert!(printed.text().contains(part), "{part} in {}", printed.text());
    }
    let printed = Printed::default();
    let options = LookupOptions { participant: "0203:b.se".into(), ..LookupOptions::default() };
    assert_eq!(lookup(&remote, &options, &printed.output(false)).await.unwrap(), 1);
    for part in ["check  failed", "records\n    NAPTR", "rule SMP-2.1"] {
        assert!(printed.text().contains(part), "{part} in {}", printed.text());
    }
}
