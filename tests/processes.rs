//! Documents from participant to participant through real processes, as users drive them: they arrive once, whole, and
//! are answered, also where a process dies in between.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod accounts;
mod evidence;
mod kills;
mod qualification;
mod support;
mod traces;

use evidence::copied;
use serde_json::Value;
use sluss::model::{Clock, SystemClock, Timestamp};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{ALICE, BOB, CAROL, DAVID, NORTH, SOUTH, THIRD, document, sluss, world};

/// The message of the envelope in the receiver's inbox, once it is there to be read.
fn in_inbox(access_point: &str, participant: &str, envelope: &str) -> Value {
    world().until_status(access_point, envelope, "NEW");
    let inbox = world().at(access_point, &["inbox", "--participant", participant]).done().lines;
    let mut found: Vec<&Value> = inbox.iter().filter(|message| message["envelope_id"] == envelope).collect();
    assert_eq!(found.len(), 1, "{inbox:#?}");
    found.remove(0).clone()
}

#[test]
fn a_document_arrives_whole_and_its_answer_comes_back() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (file, sha256) = document(folder.path(), "beslut.pdf", b"%PDF-1.7 a decision \x00\xff");
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", BOB, "--label", "Beslut", "--wait=60s", &file]);
    let sent = sent.done().one();
    assert_eq!(sent["status"], "ACCEPTED");
    let envelope = sent["envelope_id"].as_str().unwrap();
    let read = in_inbox(SOUTH, BOB, envelope);
    assert_eq!(read["status"], "NEW");
    assert_eq!((read["from"].as_str(), read["to"].as_str()), (Some(ALICE), Some(BOB)));
    assert_eq!((&read["label"], &read["documents"][0]["name"]), (&"Beslut".into(), &"beslut.pdf".into()));
    assert_eq!(read["documents"][0]["sha256"], sha256.as_str());

    let (reply, _) = document(folder.path(), "svar.txt", "Svar på beslut".as_bytes());
    let command = ["send", "--from", BOB, "--to", ALICE, "--in-reply-to", envelope, "--wait", "60s", &reply];
    let answer = world.at(SOUTH, &command).done().one();
    let read = in_inbox(NORTH, ALICE, answer["envelope_id"].as_str().unwrap());
    assert_eq!(read["in_reply_to"].as_str(), Some(envelope));
    assert_eq!(read["conversation_id"].as_str(), Some(envelope), "the conversation goes on");
    assert_eq!(read["label"], "svar.txt", "without a label, the subject is the file's name");

    let journey = world.journey(NORTH, &sent);
    let stages: Vec<&str> = journey["journey"].as_array().unwrap().iter().filter_map(|e| e["stage"].as_str()).collect();
    assert_eq!(stages, ["accepted", "routed", "packed", "receipted", "answered"], "{journey:#}");
    assert_eq!(journey["message"]["as4_receipt"]["references_matched"], true);
    assert_eq!(journey["message"]["message_receipt"], "ACCEPTED");
}

#[test]
fn a_daemon_says_how_long_its_threads_work_without_a_rest() {
    let metrics = world().api(NORTH, "GET", "/metrics").text();
    for clock in ["wall", "processor"] {
        let series = format!("sluss_runtime_stretch_seconds_count{{clock=\"{clock}\"}} ");
        let number = metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok());
        assert!(number.is_some_and(|number| number > 0), "{metrics}");
    }
}

#[test]
fn the_event_log_is_listed_by_its_conditions_over_all_pages() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "logg.txt", b"recorded");
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", BOB, "--wait=60s", &file]).done().one();
    let id = sent["id"].as_str().unwrap();
    let events = world.at(NORTH, &["audit", "list", "--message", id]).done().lines;
    let stages: Vec<&str> = events.iter().filter_map(|event| event["stage"].as_str()).collect();
    assert_eq!(stages, ["answered", "receipted", "packed", "routed", "accepted"], "newest first: {events:#?}");
    let packed = world.at(NORTH, &["audit", "list", "--message", id, "--stage", "packed"]).done().one();
    assert_eq!(packed, events[2]);
    let two = world.at(NORTH, &["audit", "list", "--message", id, "--limit", "2"]).done().lines;
    assert_eq!(two, events[..2]);
    let later = world.at(NORTH, &["audit", "list", "--message", id, "--since", "2100-01-01T00:00:00Z"]).done().lines;
    assert!(later.is_empty(), "{later:#?}");
}

#[test]
fn each_event_of_a_message_names_both_access_points_participants_ids_and_whoever_acted() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "falt.txt", b"fields");
    let begun = SystemClock.now();
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", BOB, "--wait=60s", &file]).done().one();
    let out = world.at(NORTH, &["audit", "list", "--message", sent["id"].as_str().unwrap()]).done().lines;
    let received = world.until(SOUTH, "received message", |message| {
        message["envelope_id"] == sent["envelope_id"] && message["direction"] == "in"
    });
    let id = received["id"].as_str().unwrap();
    world.until_status(SOUTH, sent["envelope_id"].as_str().unwrap(), "NEW");
    let into = world.at(SOUTH, &["audit", "list", "--message", id]).done().lines;
    assert!(into.iter().any(|event| event["stage"] == "opened"), "{into:#?}");

    // When it was sent and when it was received, by the clock of this machine.
    let at = |events: &[Value], stage: &str| -> Timestamp {
        let event = events.iter().find(|event| event["stage"] == stage).unwrap_or_else(|| panic!("no {stage}"));
        event["at"].as_str().unwrap().parse().unwrap()
    };
    let times = [at(&out, "accepted"), at(&out, "packed"), at(&into, "received"), at(&out, "receipted")];
    assert!(times.is_sorted() && begun <= times[0] && times[3] <= SystemClock.now(), "{begun} {times:?}");
    let receipted = &out.iter().find(|event| event["stage"] == "receipted").unwrap()["facts"];
    let sent_at: Timestamp = receipted["sent_at"].as_str().unwrap().parse().unwrap();
    assert!(times[1] <= sent_at && sent_at <= times[2], "it left between packing and arrival: {sent_at} {times:?}");

    let as4 = received["as4_message_id"].as_str().unwrap();
    for (events, partner) in [(&out, SOUTH), (&into, NORTH)] {
        for event in events {
            let facts = &event["facts"];
            assert_eq!((facts["from"].as_str(), facts["to"].as_str()), (Some(ALICE), Some(BOB)), "{event:#}");
            if event["stage"] != "accepted" {
                let found = [&facts["partner"], &facts["as4_message_id"], &facts["conversation_id"]];
                assert_eq!(found, [partner, as4, sent["envelope_id"].as_str().unwrap()], "{event:#}");
            }
        }
    }
    // The certificate and the signature of the other side's AS4 receipt: 3,072 bits in hexadecimal.
    assert_eq!(receipted["signature"].as_str().map(str::len), Some(768), "{receipted:#}");
    let receipt = &world.journey(NORTH, &sent)["message"]["as4_receipt"];
    assert_eq!(receipted["certificate_sha256"], receipt["certificate_sha256"]);
    assert_eq!(receipted["signature"], receipt["signature"]);
}

#[test]
fn a_test_message_is_receipted_and_not_delivered() {
    let world = world();
    let before = world.at(SOUTH, &["inbox", "--participant", BOB]).done().lines.len();
    let answered = world.at(NORTH, &["ping", BOB, "--reason", "is it back"]).done().one();
    let events = world.at(NORTH, &["audit", "list", "--stage", "receipted", "--actor", "owner"]).done().lines;
    assert!(events.iter().any(|event| event["facts"]["reason"] == "is it back"), "{events:?}");
    assert_eq!(answered["party"], SOUTH);
    assert!(answered["signed_by"].as_str().unwrap().contains(SOUTH), "{answered}");
    assert!(answered["url"].as_str().unwrap().starts_with("http"), "{answered}");
    let queued = world.at(SOUTH, &["queue", "list", "--direction", "in"]).done().lines;
    assert!(queued.iter().all(|line| line["as4_message_id"] != answered["as4_message_id"]), "{queued:#?}");
    assert!(world.at(SOUTH, &["inbox", "--participant", BOB]).done().lines.len() >= before);
    let nobody = world.at(NORTH, &["ping", "0203:nobody.example.se"]).ended(1).one();
    assert!(nobody["error"]["detail"].as_str().unwrap().contains("nobody.example.se"), "{nobody}");
}

#[test]
fn two_documents_and_a_text_are_one_message() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = document(folder.path(), "a.txt", b"first");
    let (second, _) = document(folder.path(), "b.txt", b"second");
    let command = ["send", "--from", ALICE, "--to", BOB, "--label", "Två", "--text", "Läs båda.", "--wait=60s"];
    let sent = world.at(NORTH, &[&command[..], &[&first, &second]].concat()).done().one();
    let read = in_inbox(SOUTH, BOB, sent["envelope_id"].as_str().unwrap());
    let documents = read["documents"].as_array().unwrap();
    let names: Vec<&str> = documents.iter().filter_map(|document| document["name"].as_str()).collect();
    assert!(names.len() == 3 && names.contains(&"a.txt") && names.contains(&"b.txt"), "{read:#}");
    let mut contents = saved(&read, folder.path());
    contents.retain(|(name, _)| name.ends_with(".txt"));
    contents.sort();
    assert_eq!(contents, [("a.txt".into(), "first".into()), ("b.txt".into(), "second".into())]);
}

#[test]
fn names_that_lead_out_of_the_folder_are_saved_inside_it() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "harmless-name.txt", b"evil");
    let address = format!("sdk:inkorg:{BOB}");
    let built = sluss(&[
        "message",
        "build",
        "--from",
        ALICE,
        "--to",
        BOB,
        "--functional-address",
        &address,
        "--label",
        "x",
        &file,
    ]);
    let text = String::from_utf8(built.done().out).unwrap();
    assert!(text.contains("harmless-name.txt"));
    let hostile = text.replace("harmless-name.txt", "../../.evil\\..");
    let (file, _) = document(folder.path(), "envelope.xml", &world.seal(ALICE, BOB, hostile.as_bytes()));
    let sent = world.at(NORTH, &["submit", "--as", ALICE, &file]).done().one();
    let read = in_inbox(SOUTH, BOB, sent["envelope_id"].as_str().unwrap());
    let saved = saved(&read, folder.path());
    assert_eq!(saved.len(), 1);
    let (name, content) = &saved[0];
    assert!(!name.starts_with('.') && !name.contains(['/', '\\']), "{name}");
    assert_eq!(content, "evil");
}

/// Saves a message's documents; gives their file names and contents.
fn saved(message: &Value, folder: &Path) -> Vec<(String, String)> {
    let into = folder.join("saved");
    let id = message["id"].as_str().unwrap();
    world().at(SOUTH, &["inbox", "--save", &into.display().to_string(), id]).done();
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1, "nothing is written beside the message's own folder");
    let entries = fs::read_dir(into.join(id)).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())).collect()
}

#[test]
fn a_sealed_envelope_is_taken_byte_for_byte_once_and_by_its_recipient_only() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let envelope = world.sealed(ALICE, CAROL);
    let (file, _) = document(folder.path(), "envelope.xml", &envelope);
    let first = world.at(NORTH, &["submit", "--as", ALICE, &file]).done().one();
    let again = world.at(NORTH, &["submit", "--as", ALICE, &file]).done().one();
    assert_eq!(first["id"], again["id"], "the same envelope handed in again is the same message");
    let envelope_id = first["envelope_id"].as_str().unwrap();
    world.until_status(NORTH, envelope_id, "ACKNOWLEDGED");
    let received = world.until("AP0002-TESTBED", "envelope that waits", |message| {
        message["envelope_id"] == envelope_id && message["next_attempt_at"].is_null()
    });
    let id = received["id"].as_str().unwrap();

    let path = |participant: &str| format!("/participants/{participant}/envelopes/{id}");
    for request in [("GET", path(BOB)), ("POST", path(BOB) + "/confirm"), ("GET", path(ALICE))] {
        let refused = world.api(SOUTH, request.0, &request.1);
        assert!([404, 422].contains(&refused.status), "{request:?}: {refused:?}");
        assert!(!refused.text().contains("<"), "nothing of the envelope is in the answer");
    }
    let offered = world.at(SOUTH, &["take", "--as", BOB]).done().lines;
    assert!(offered.iter().all(|waiting| waiting["id"] != id), "{offered:?}");

    let saved = folder.path().join("taken").display().to_string();
    let taken = world.at(SOUTH, &["take", "--as", CAROL, "--save", &saved]).done().lines;
    assert_eq!(taken.iter().filter(|taken| taken["id"] == id).count(), 1, "{taken:?}");
    assert_eq!(fs::read(folder.path().join(format!("taken/{id}.xml"))).unwrap(), envelope);
    let offered = world.at(SOUTH, &["take", "--as", CAROL]).done().lines;
    assert!(offered.iter().all(|waiting| waiting["id"] != id), "what was confirmed is not offered again: {offered:?}");
    assert_eq!(world.received(SOUTH, envelope_id)[0]["status"], "DOWNLOADED");
    let status = world.at(SOUTH, &["status"]).done().one();
    let carol = status["participants"].as_array().unwrap().iter().find(|one| one["participant"] == CAROL).unwrap();
    assert!(carol["carriage"] == "carried" && carol["last_fetch_at"].is_string(), "{carol}");
    let event = world.at(SOUTH, &["audit", "list", "--message", id, "--stage", "taken"]).done().one();
    assert_eq!(event["facts"]["actor"], "owner", "{event:#}");

    let [key, cert] = [world.keys(CAROL).0, world.keys(CAROL).1].map(|path| path.display().to_string());
    let file = format!("{saved}/{id}.xml");
    let opened = sluss(&["envelope", "open", "--key", &key, "--cert", &cert, &file]).done();
    assert!(String::from_utf8_lossy(&opened.out).contains("Beslut"));
}

#[test]
fn another_envelope_under_an_id_that_was_sent_is_refused() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (world.sealed(ALICE, CAROL), world.sealed(ALICE, CAROL));
    let (file, _) = document(folder.path(), "first.xml", &first);
    let sent = world.at(NORTH, &["submit", "--as", ALICE, &file]).done().one();
    let text = String::from_utf8(second).unwrap();
    let id = text.split("<xhb:ID>").nth(1).unwrap().split('<').next().unwrap();
    let (file, _) =
        document(folder.path(), "second.xml", text.replace(id, sent["envelope_id"].as_str().unwrap()).as_bytes());
    let error = world.at(NORTH, &["submit", "--as", ALICE, &file]).ended(1).error();
    assert_eq!(error["rule"], "XHE-2.2.t03", "{error}");
    let (file, _) = document(folder.path(), "others.xml", &world.sealed(BOB, CAROL));
    let error = world.at(NORTH, &["submit", "--as", ALICE, &file]).ended(1).error();
    assert_eq!(error["rule"], "APOP-3.3.b", "whose envelope it is not, does not hand it in: {error}");
}

#[test]
fn a_sender_that_is_killed_right_after_it_accepted_sends_once_when_it_is_back() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "a.txt", b"before the crash");
    let daemon = world.serve(THIRD);
    let sent = world.at(THIRD, &["send", "--from", DAVID, "--to", BOB, &file]).done().one();
    daemon.kill();
    let _daemon = world.serve(THIRD);
    let envelope = sent["envelope_id"].as_str().unwrap();
    world.until_status(THIRD, envelope, "ACCEPTED");
    in_inbox(SOUTH, BOB, envelope);
    assert_eq!(world.received(SOUTH, envelope).len(), 1);
}

#[test]
fn a_receiver_that_is_killed_delivers_once_when_it_is_back() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let (file, sha256) = document(folder.path(), "b.txt", b"into the crash");
    let daemon = world.serve(THIRD);
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", DAVID, &file]).done().one();
    daemon.kill();
    let _daemon = world.serve(THIRD);
    let envelope = sent["envelope_id"].as_str().unwrap();
    world.until_status(NORTH, envelope, "ACCEPTED");
    let read = in_inbox(THIRD, DAVID, envelope);
    assert_eq!(read["documents"][0]["sha256"], sha256.as_str());
    assert_eq!(world.received(THIRD, envelope).len(), 1);
}

/// An action at the sender, again while an attempt is under way.
fn act(action: &str, id: &str, reason: &str) -> Value {
    for _ in 0..50 {
        let ran = world().at(NORTH, &["queue", action, id, "--reason", reason]);
        if ran.status != Some(3) {
            return ran.done().one();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{action} {id} stays busy");
}

#[test]
fn a_message_to_an_unreachable_access_point_is_held_cancelled_tried_again_and_delivered_once() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "c.txt", b"to nobody yet");
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", DAVID, &file]).done().one();
    let (id, envelope) = (sent["id"].as_str().unwrap(), sent["envelope_id"].as_str().unwrap());
    world.until_status(NORTH, envelope, "SCHEDULED_FOR_RESEND");
    let held = act("hold", id, "they move today");
    assert_eq!((&held["held"], &held["next_attempt_at"]), (&Value::Bool(true), &Value::Null), "{held}");
    let first = held["as4_message_id"].as_str().unwrap().to_owned();
    let attempts = held["attempts"].as_u64();

    let _daemon = world.serve(THIRD);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let waiting = world.journey(NORTH, &sent);
    assert_eq!(waiting["message"]["attempts"].as_u64(), attempts, "what is held is not attempted: {waiting:#}");
    world.at(NORTH, &["queue", "retry", id, "--reason", "no"]).ended(1);
    assert_eq!(act("cancel", id, "sent by mistake")["status"], "MESSAGE_EXCHANGE_ERROR");
    let error = world.at(NORTH, &["queue", "cancel", id, "--reason", "no"]).ended(1).one();
    assert!(error["error"]["detail"].as_str().unwrap().contains("MESSAGE_EXCHANGE_ERROR"), "{error}");
    assert_eq!(act("retry", id, "it was no mistake")["as4_message_id"], first.as_str());
    let done = world.until_status(NORTH, envelope, "ACCEPTED");
    assert_eq!(done["as4_message_id"], first.as_str(), "the same AS4 message goes out");
    in_inbox(THIRD, DAVID, envelope);
    assert_eq!(world.received(THIRD, envelope).len(), 1);

    let journey = world.journey(NORTH, &sent);
    for (stage, reason) in
        [("suspended", "they move today"), ("cancelled", "sent by mistake"), ("retried", "it was no mistake")]
    {
        let events = journey["journey"].as_array().unwrap();
        let event = events.iter().find(|event| event["stage"] == stage).unwrap_or_else(|| panic!("{journey:#}"));
        assert_eq!(event["facts"]["reason"], reason);
        assert_eq!(event["facts"]["actor"], "owner", "{event}");
    }
    world.at(NORTH, &["queue", "retry", id, "--reason", "no"]).ended(1);
}

#[test]
fn an_order_is_for_all_messages_that_fulfil_its_conditions_and_for_none_where_they_are_too_many() {
    let (world, partner) = (world(), "AP0009-TESTBED");
    world.elsewhere(partner, "0203:gunnar.example.se");
    for text in ["one", "two", "three"] {
        let sent = world
            .at(NORTH, &["send", "--from", ALICE, "--to", "0203:gunnar.example.se", "--label", "x", "--text", text]);
        world.until_status(NORTH, sent.done().one()["envelope_id"].as_str().unwrap(), "SCHEDULED_FOR_RESEND");
    }
    let order = |action: &str, more: &[&str]| {
        world.at(NORTH, &[&["queue", action, "--partner", partner, "--reason", "a test"], more].concat())
    };
    let all = |more: &[&str]| world.at(NORTH, &[&["queue", "list", "--partner", partner], more].concat()).done().lines;
    // While an attempt is under way, an order for its message is refused.
    let until_done = |action: &str, more: &[&str]| {
        support::wait(|| Some(order(action, more)).filter(|ran| ran.status == Some(0)))
            .expect("it is not busy for ever")
    };
    until_done("hold", &[]);
    assert!(all(&[]).iter().all(|message| message["held"] == true), "{:#?}", all(&[]));
    let first = &all(&[])[2];
    for (more, count) in [
        (&["--held"][..], 3),
        (&["--held", "--direction", "in"], 0),
        (&["--id", first["envelope_id"].as_str().unwrap()], 1),
        (&["--id", first["as4_message_id"].as_str().unwrap(), "--held"], 1),
        (&["--since", first["created_at"].as_str().unwrap(), "--status", "to-send"], 3),
        (&["--before", first["created_at"].as_str().unwrap()], 0),
    ] {
        assert_eq!(all(more).len(), count, "{more:?}");
    }
    let refused = order("cancel", &["--limit", "2"]).ended(2).error();
    assert!(refused["detail"].as_str().unwrap().contains("found more than 2 messages"), "{refused}");
    assert_eq!(all(&["--status", "SCHEDULED_FOR_RESEND"]).len(), 3, "nothing was done");
    assert_eq!(order("cancel", &["--limit", "3"]).done().lines.len(), 3);
    assert_eq!(all(&["--cause", "cancelled"]).len(), 3);
    assert_eq!(order("retry", &["--older-than", "1h"]).done().lines.len(), 0, "none is so old");
    let retried = order("retry", &["--status", "MESSAGE_EXCHANGE_ERROR", "--cause", "cancelled"]).done().lines;
    assert!(retried.len() == 3 && retried.iter().all(|one| one["status"] == "SCHEDULED_FOR_RESEND"), "{retried:#?}");
    until_done("hold", &["--status", "retrying"]);
    assert_eq!(order("release", &["--held"]).done().lines.len(), 3);
    until_done("cancel", &["--status", "SCHEDULED_FOR_RESEND"]);
    assert_eq!(order("hold", &[]).done().lines.len(), 0, "what has ended is not in the way of what waits");

    let id = retried[0]["id"].as_str().unwrap();
    for wrong in
        [&["queue", "hold", id, "--partner", partner, "--reason", "x"][..], &["queue", "hold", "--reason", "x"]]
    {
        world.at(NORTH, wrong).ended(2);
    }
    order("hold", &["--limit", "0"]).ended(2);
    world.at(NORTH, &["audit", "list", "--limit", "0"]).ended(2);
    let unknown = world.at(NORTH, &["partners", "try", "NOPE", "--reason", "x"]).ended(1).error();
    assert_eq!(unknown["title"], "no such partner", "{unknown}");
}

#[test]
fn a_hang_up_takes_a_new_participant_and_a_termination_ends_cleanly() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "c.txt", b"to the new one");
    let daemon = world.serve(THIRD);
    world.participant("0203:erik.example.se", THIRD);
    let good = fs::read_to_string(world.config(THIRD)).unwrap();
    fs::write(world.config(THIRD), format!("{good}\n[mistake]\n")).unwrap();
    daemon.signal("-HUP");
    support::wait(|| daemon.log().contains("the configuration in force stays").then_some(()))
        .expect("a line in the log");
    fs::write(world.config(THIRD), good).unwrap();
    daemon.signal("-HUP");
    support::wait(|| daemon.log().contains("were read again").then_some(())).expect("a line in the log");
    assert!(!daemon.log().contains('\u{1b}'), "colours in a file: {}", daemon.log());
    let status = world.at(THIRD, &["status"]).done().one();
    assert!(status["certificates"].to_string().contains("erik"), "the new participant's certificate: {status:#}");
    let metrics = world.api(THIRD, "GET", "/metrics").text();
    let ends = metrics.lines().filter(|line| line.starts_with("sluss_certificate_end_timestamp_seconds{"));
    assert!(ends.clone().any(|line| line.contains("erik")), "{:?}", ends.collect::<Vec<_>>());
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", "0203:erik.example.se", "--wait=60s", &file]);
    in_inbox(THIRD, "0203:erik.example.se", sent.done().one()["envelope_id"].as_str().unwrap());

    let second = world.at(THIRD, &["serve"]).ended(3).error();
    let detail = second["detail"].as_str().unwrap();
    assert!(detail.contains("listen.as4") && detail.contains("in use"), "{second}");
    // With addresses of its own it meets the lock of the data folder.
    let other = world.folder(THIRD).join("other.toml");
    let text = fs::read_to_string(world.config(THIRD)).unwrap();
    let ports = text.lines().map(|line| {
        if line.contains("\"127.0.0.1:") && !line.starts_with("dns") {
            format!("{} = \"127.0.0.1:0\"", line.split(' ').next().unwrap())
        } else {
            line.to_owned()
        }
    });
    fs::write(&other, ports.collect::<Vec<_>>().join("\n")).unwrap();
    let second = sluss(&["serve", "--json", "--config", &other.display().to_string()]);
    let error = second.lines.first().unwrap_or(&Value::Null)["error"].clone();
    let detail = error["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("another process"), "{error} {}", second.err);
    assert_ne!(second.status, Some(0));
    world.at(THIRD, &["status"]).done();

    daemon.signal("-TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    let error = world.at(THIRD, &["status"]).ended(3).error();
    assert!(error["detail"].as_str().unwrap().contains("sluss serve"), "{error}");
}

#[test]
fn a_data_folder_that_others_may_enter_is_said_at_the_start_in_the_words_of_check() {
    let world = world();
    let _third = world.third();
    let data = world.folder(THIRD).join("data");
    fs::create_dir_all(&data).unwrap();
    let mut said = [0o755, 0o700].map(|mode| {
        fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
        let checked = world.at(THIRD, &["check"]).lines;
        let about = checked.iter().find(|line| line["what"].as_str().unwrap().starts_with("data_dir")).unwrap();
        let words = format!("{}: {}", about["what"].as_str().unwrap(), about["detail"].as_str().unwrap());
        (about["ok"] == true, words, world.serve(THIRD).log())
    });
    let (ok, words, log) = &mut said[0];
    assert!(!*ok && words.contains("found mode 755, expected 700; run chmod 700"), "{words}");
    assert_eq!(log.matches(words.as_str()).count(), 1, "{words} in {log}");
    let before = log.len();
    let (ok, _, log) = &said[1];
    assert!(*ok && !log[before..].contains("expected 700"), "{log}");
}

#[test]
fn every_log_line_of_a_message_has_its_ids_on_both_sides() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "beslut.txt", b"Beslut");
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", BOB, &file]).done().one();
    let accepted = world.until_status(NORTH, sent["envelope_id"].as_str().unwrap(), "ACCEPTED");
    let as4 = accepted["as4_message_id"].as_str().unwrap();
    // The lines of one side in which the ids are so.
    let lines = |access_point: &str, field: &str, value: &str| -> Vec<Value> {
        let text = fs::read_to_string(world.dir.join(format!("{access_point}.log"))).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["span"][field] == value).collect()
    };
    let stages = |lines: &[Value]| -> Vec<String> {
        lines.iter().filter_map(|line| line["stage"].as_str()).map(str::to_owned).collect()
    };
    let north = lines(NORTH, "message_id", accepted["id"].as_str().unwrap());
    assert_eq!(stages(&north), ["accepted", "routed", "packed", "receipted"], "{north:#?}");
    assert_eq!(stages(&lines(NORTH, "as4_message_id", as4)), ["routed", "packed", "receipted"]);
    let south = lines(SOUTH, "as4_message_id", as4);
    // The last is the message receipt, which has an id of its own and came of this message.
    assert_eq!(stages(&south), ["received", "opened", "accepted"], "{south:#?}");
    assert_ne!(south[2]["message_id"], south[2]["span"]["message_id"]);
    let ids: Vec<&Value> = south.iter().map(|line| &line["span"]["message_id"]).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{south:#?}");
}

#[test]
fn the_daemon_notes_the_end_of_the_event_log_elsewhere_and_a_cut_end_is_found_by_it() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let anchors = folder.path().join("anchors.jsonl").display().to_string();
    let before = fs::read_to_string(world.config(THIRD)).unwrap();
    fs::write(world.config(THIRD), format!("{before}\n[audit]\nanchor_file = \"{anchors}\"\n")).unwrap();
    let daemon = world.serve(THIRD);
    let (file, _) = document(folder.path(), "ankare.txt", b"anchored");
    world.at(THIRD, &["send", "--from", DAVID, "--to", BOB, "--wait=60s", &file]).done();
    // By hand, beside the daemon.
    let by_hand = folder.path().join("by-hand.jsonl").display().to_string();
    let anchor = world.at(THIRD, &["audit", "anchor", "--out", &by_hand]).done().one();
    let expect = format!("{}:{}", anchor["record"], anchor["chain"].as_str().unwrap());
    let verified = world.at(THIRD, &["audit", "verify", "--anchors", &by_hand, "--expect", &expect]).done().one();
    assert_eq!((&verified["whole"], &verified["anchors"]["found"]), (&true.into(), &2.into()), "{verified:#}");
    daemon.signal("-TERM");
    assert!(daemon.ended().success());

    let verified = world.at(THIRD, &["audit", "verify"]).done().one();
    assert_eq!(verified["anchored"], verified["records"], "the last anchor covers all: {verified:#}");
    assert!(verified["anchors"]["given"].as_u64() > Some(0), "{verified:#}");
    fs::write(world.config(THIRD), before).unwrap();

    let copy = folder.path().join("copy");
    fs::create_dir_all(copy.join("journal")).unwrap();
    let segment = fs::read(world.folder(THIRD).join("data/journal/00000001.log")).unwrap();
    let (mut at, mut last) = (64, 64);
    while let length @ 1.. = u32::from_le_bytes(segment[at..at + 4].try_into().unwrap()) as usize {
        (last, at) = (at, at + 56 + length);
    }
    fs::write(copy.join("journal/00000001.log"), [&segment[..last], &[0; 4096]].concat()).unwrap();
    let copy = copy.display().to_string();
    assert_eq!(sluss(&["audit", "verify", &copy, "--json"]).done().one()["whole"], true, "no anchor, no suspicion");
    let cut = sluss(&["audit", "verify", &copy, "--anchors", &anchors, "--json"]).ended(1).one();
    assert_eq!(cut["findings"][0]["cause"], "end-cut", "{cut:#}");

    let forged = fs::read_to_string(&anchors).unwrap().replacen("\"record\":", "\"record\":9", 1);
    fs::write(&anchors, forged).unwrap();
    let doubted = sluss(&["audit", "verify", &copy, "--anchors", &anchors, "--json"]).ended(1).one();
    assert_eq!(doubted["findings"].as_array().unwrap().last().unwrap()["cause"], "anchor", "{doubted:#}");
}

#[test]
fn a_daemon_begins_no_empty_store_where_its_journal_is_gone() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let daemon = world.serve(THIRD);
    let (file, _) = document(folder.path(), "kvar.txt", b"kept");
    world.at(THIRD, &["send", "--from", DAVID, "--to", BOB, "--wait=60s", &file]).done();
    daemon.signal("-TERM");
    assert!(daemon.ended().success());
    let journal = world.folder(THIRD).join("data/journal");
    let aside = folder.path().join("journal");
    let segments: Vec<_> = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    copied(&journal, &aside);
    segments.iter().for_each(|name| fs::remove_file(journal.join(name)).unwrap());
    let looked = world.at(THIRD, &["store", "verify"]).ended(1).one();
    assert_eq!((&looked["whole"], &looked["records"]), (&false.into(), &0.into()), "{looked:#}");
    let looked = world.at(THIRD, &["audit", "verify"]).ended(1).one();
    assert_eq!(looked["findings"][0]["cause"], "end-cut", "{looked:#}");
    let refused = world.at(THIRD, &["serve"]).ended(1).error();
    assert_eq!(refused["type"], "urn:sluss:problem:store-damaged", "{refused:#}");
    let said = refused["detail"].as_str().unwrap();
    assert!(said.contains("is gone: it has no record, and had") && said.contains("`sluss store restore`"), "{said}");
    assert_eq!(fs::read_dir(&journal).unwrap().count(), 0, "nothing was begun");
    copied(&aside, &journal);
    let looked = world.at(THIRD, &["store", "verify"]).done().one();
    assert_eq!(looked["whole"], true, "{looked:#}");
    drop(world.serve(THIRD));
}
