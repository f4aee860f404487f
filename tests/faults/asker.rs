//! What whoever asks is told: who is not known, what is not reachable, what is too large, and that the disk is full; and
//! what becomes of messages that were accepted before the fault.

use super::support::{ALICE, BOB, CAROL, DAVID, Daemon, NORTH, Ran, THIRD, World, document, sluss, wait, world};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn send(world: &World, to: &str, content: &[u8]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "a.txt", content);
    world.at(NORTH, &["send", "--from", ALICE, "--to", to, &file])
}

/// How much is in the queue and among the payloads of an access point's data folder.
fn kept(data: &Path) -> usize {
    let mut count = 0;
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap_or_default();
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if uuid::Uuid::try_parse(&name).is_ok() {
                count += 1;
            }
        }
    }
    count
}

fn queued(world: &World) -> usize {
    world.at(NORTH, &["queue", "list", "--direction", "out"]).done().lines.len()
}

#[test]
fn a_participant_that_nobody_registered_is_refused_with_the_name_that_was_asked_for() {
    let world = world();
    let _discovery = world.discovery();
    let error = send(world, "0203:nobody.example.se", b"x").ended(1).error();
    let detail = error["detail"].as_str().unwrap();
    assert!(error["rule"].as_str().unwrap().starts_with("AP-3.2.4"), "{error}");
    assert!(detail.contains("0203:nobody.example.se") && detail.contains(".sml.testbed.example"), "{error}");
    let error = world.at(NORTH, &["send", "--from", BOB, "--to", ALICE, "--text", "x", "--label", "x"]);
    let error = error.ended(1).error();
    assert!(error["detail"].as_str().unwrap().contains(BOB), "who is not ours does not send: {error}");
}

#[test]
fn while_smp_or_dns_is_down_a_message_is_not_taken_and_nothing_is_kept() {
    let world = world();
    let _alone = world.discovery_alone();
    let data = world.folder(NORTH).join("data");
    // What went before has come to its end.
    wait(|| {
        let lines = world.at(NORTH, &["queue", "list"]).lines;
        lines.iter().all(|message| message["next_attempt_at"].is_null()).then_some(())
    });
    for kind in ["smp-down", "dns-down"] {
        let before = (queued(world), kept(&data));
        let fault = world.fault(kind, None);
        let error = send(world, BOB, b"x").ended(3).error();
        assert!(error["rule"].as_str().unwrap().starts_with("AP-3.2.3"), "{kind}: {error}");
        assert!(error["detail"].as_str().unwrap().contains("try again"), "{kind}: {error}");
        assert_eq!((queued(world), kept(&data)), before, "{kind}");
        drop(fault);
    }
    send(world, BOB, b"x").done();
}

#[test]
fn a_receiver_that_is_unreachable_gets_the_message_when_it_is_back_once() {
    let world = world();
    let _third = world.third();
    let _discovery = world.discovery();
    let _daemon = world.serve(THIRD);
    let fault = world.fault("receiver-unreachable", Some(THIRD));
    let hasty = ["send", "--from", ALICE, "--to", DAVID, "--label", "now", "--text", "now", "--wait=1s"];
    let hasty = world.at(NORTH, &hasty).ended(3).error();
    assert!(hasty["type"].as_str().unwrap().ends_with(":not-final"), "{hasty}");
    assert!(hasty["detail"].as_str().unwrap().contains("the message is kept and sent on"), "{hasty}");
    let sent = send(world, DAVID, b"later").done().one();
    let envelope = sent["envelope_id"].as_str().unwrap();
    let waiting = world.until_status(NORTH, envelope, "SCHEDULED_FOR_RESEND");
    let journey = world.journey(NORTH, &waiting);
    let failed = journey["journey"].as_array().unwrap().iter().find(|event| event["stage"] == "attempt-failed");
    let problem = &failed.unwrap()["problem"];
    assert_eq!((&problem["code"], &problem["rule"]), (&"EBMS:0005".into(), &"AP-3.2.5.a".into()), "{journey:#}");
    assert!(problem["detail"].as_str().unwrap().contains("127.0.0.1"), "{problem}");
    assert!(waiting["next_attempt_at"].is_string() && waiting["error"].is_object(), "{waiting}");
    // The event log says the same, and of which message.
    let id = waiting["id"].as_str().unwrap();
    let logged = world.at(NORTH, &["audit", "list", "--message", id, "--stage", "attempt-failed"]).done().lines;
    for event in &logged {
        assert_eq!(event["problem"], *problem, "{event:#}");
        let facts = &event["facts"];
        assert_eq!([&facts["partner"], &facts["from"], &facts["to"]], [THIRD, ALICE, DAVID], "{event:#}");
        let ids = [&facts["as4_message_id"], &facts["conversation_id"]];
        assert_eq!(ids, [&waiting["as4_message_id"], &waiting["envelope_id"]], "{event:#}");
        assert!(ids.iter().all(|id| id.is_string()) && event["at"].is_string(), "{event:#}");
    }
    assert!(!logged.is_empty());
    drop(fault);
    world.until_status(NORTH, envelope, "ACCEPTED");
    assert_eq!(world.received(THIRD, envelope).len(), 1);
}

/// AP-3.2.3.c, AP-3.2.4.a, AP-3.2.5.b.
#[test]
fn a_sending_participant_is_told_what_is_not_sent_for_now_or_for_good_until_it_confirms() {
    let world = world();
    let _alone = world.discovery_alone();
    let folder = tempfile::tempdir().unwrap();
    let submit = |to: &str| {
        let (file, _) = document(folder.path(), "envelope.xml", &world.sealed(ALICE, to));
        world.at(NORTH, &["submit", "--as", ALICE, &file]).done().one()["id"].as_str().unwrap().to_owned()
    };
    let told = |id: &str, so: &dyn Fn(&Value) -> bool| {
        let find =
            || world.at(NORTH, &["notices", "--as", ALICE]).done().lines.into_iter().find(|line| line["id"] == id);
        wait(|| find().filter(|notice| so(notice))).unwrap_or_else(|| panic!("not told of {id}, but {:?}", find()))
    };
    let by_rule = |rule: &'static str| {
        move |notice: &Value| notice["error"]["rule"].as_str().is_some_and(|found| found.starts_with(rule))
    };
    let listed =
        |id: &str| world.at(NORTH, &["notices", "--as", ALICE]).done().lines.iter().any(|line| line["id"] == id);

    world.elsewhere("AP0021-TESTBED", "0203:told.example.se");
    let smp = world.fault("smp-down", None);
    let waiting = submit("0203:told.example.se");
    let notice = told(&waiting, &by_rule("AP-3.2.3"));
    assert_eq!((&notice["given_up"], &notice["to"]), (&false.into(), &"0203:told.example.se".into()), "{notice}");
    assert!(notice["next_attempt_at"].is_string() && notice["envelope_id"].is_string(), "{notice}");
    drop(smp);
    told(&waiting, &by_rule("AP-3.2.5"));

    world.participant("0203:gone.example.se", "AP0021-TESTBED");
    let _unregistered = world.fault("dns-unregistered", Some("0203:gone.example.se"));
    let failed = submit("0203:gone.example.se");
    let notice = told(&failed, &by_rule("AP-3.2.4"));
    assert_eq!((&notice["given_up"], &notice["status"]), (&true.into(), &"SEND_FAILURE".into()), "{notice}");
    let confirm =
        |whose: &str, id: &str| world.api(NORTH, "POST", &format!("/participants/{whose}/notices/{id}/confirm")).status;
    assert_eq!((confirm(BOB, &failed), confirm(ALICE, &waiting)), (422, 422), "not his, and not given up");
    let confirmed = world.at(NORTH, &["notices", "--as", ALICE, "--confirm"]).done().lines;
    assert!(confirmed.iter().any(|notice| notice["id"] == failed.as_str()));
    assert!(!listed(&failed) && listed(&waiting), "what is still tried is still said");
    let event = world.at(NORTH, &["audit", "list", "--message", &failed, "--stage", "told"]).done().one();
    assert_eq!(event["facts"]["actor"], "owner", "{event:#}");

    // What is tried again and fails again is news.
    world.at(NORTH, &["queue", "retry", "--reason", "test", &failed]).done();
    told(&failed, &|notice| notice["given_up"] == true);
    wait(|| world.at(NORTH, &["queue", "cancel", "--reason", "test", &waiting]).lines.pop()).expect("cancelled");
    told(&waiting, &|notice| notice["given_up"] == true && notice["error"]["type"] == "urn:sluss:problem:cancelled");
}

#[test]
fn a_lost_as4_receipt_does_not_deliver_twice() {
    let world = world();
    let _third = world.third();
    let _discovery = world.discovery();
    let _daemon = world.serve(THIRD);
    let fault = world.fault("receipt-lost", Some(THIRD));
    let sent = send(world, DAVID, b"once").done().one();
    let envelope = sent["envelope_id"].as_str().unwrap();
    world.until(THIRD, "received message", |message| message["envelope_id"] == envelope);
    let failed = world.until(NORTH, "failed attempt", |message| {
        message["envelope_id"] == envelope && message["attempts"].as_u64() >= Some(1)
    });
    drop(fault);
    world.until_status(NORTH, envelope, "ACCEPTED");
    // Whichever came first: the recipient's word proves that it arrived, and the AS4 receipt is evidence of its own.
    let journey = wait(|| Some(world.journey(NORTH, &failed)).filter(|it| it["message"]["as4_receipt"].is_object()))
        .expect("the AS4 receipt of the first time");
    let stages = journey["journey"].as_array().unwrap().iter().filter(|event| event["stage"] == "attempt-failed");
    assert!(stages.count() >= 1, "{journey:#}");
    assert_eq!(world.received(THIRD, envelope).len(), 1);
    let inbox = world.at(THIRD, &["inbox"]).done().lines;
    assert_eq!(inbox.iter().filter(|message| message["envelope_id"] == envelope).count(), 1);
}

#[test]
fn a_receiver_with_a_certificate_of_another_environment_or_expired_is_sent_nothing() {
    let world = world();
    let _discovery = world.discovery();
    for (kind, access_point, participant, said) in [
        ("certificate-expired", "AP0007-TESTBED", "0203:expired.example.se", "valid from"),
        ("certificate-foreign", "AP0008-TESTBED", "0203:foreign.example.se", "does not lead to a trust anchor"),
    ] {
        world.elsewhere(access_point, participant);
        let _fault = world.fault(kind, Some(access_point));
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = document(folder.path(), "a.txt", b"x");
        let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", participant, "--wait=60s", &file]);
        let sent = sent.ended(1).one();
        assert_eq!(sent["status"], "MESSAGE_EXCHANGE_ERROR", "{kind}: {sent}");
        assert_eq!(sent["error"]["rule"], "AS4-2.10.a", "{kind}: {sent}");
        assert!(sent["error"]["detail"].as_str().unwrap().contains(said), "{kind}: {sent}");
        let journey = world.journey(NORTH, &sent);
        assert_eq!(journey["message"]["as4_message_id"], Value::Null, "not even packed: {journey:#}");
    }
}

#[test]
fn what_is_too_large_is_refused_with_its_limit_and_nothing_is_kept() {
    let world = world();
    let before = queued(world);
    let error = send(world, BOB, &vec![b'x'; 1_000_001]).ended(1).error();
    assert_eq!(error["rule"], "MSG-4.3.3.3.t03", "{error}");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("limits.message_bytes_max") && detail.contains("1000000"), "{error}");
    // A file that fits, and does not with what encoding adds.
    let error = send(world, BOB, &vec![b'x'; 900_000]).ended(1).error();
    assert_eq!(error["rule"], "MSG-4.3.3.3.t03", "{error}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envelope.xml");
    fs::File::create(&file).unwrap().set_len(101_000_000).unwrap();
    let error = world.at(NORTH, &["submit", "--as", ALICE, &file.display().to_string()]).ended(1).error();
    assert_eq!(error["rule"], "AS4-2.8.a", "{error}");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("limits.envelope_bytes_max") && detail.contains("100000000"), "{error}");
    let error = world.at(NORTH, &["take", "--as", CAROL]).ended(1).error();
    assert!(error["detail"].as_str().unwrap().contains(CAROL), "{error}");
    // Others go on in the meantime: this one message was not taken.
    let queue = world.at(NORTH, &["queue", "list", "--direction", "out"]).done().lines;
    assert!(queue.len() >= before && queue.iter().all(|message| message["envelope_bytes"].as_u64() < Some(1_000_000)));
}

/// A small disk of its own, gone at the end.
struct Disk(PathBuf);

impl Disk {
    fn new(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"]).arg(&at);
        let mounted = command.output().is_ok_and(|done| done.status.success());
        if !mounted {
            println!("skipped: this user may not mount a disk");
        }
        mounted.then_some(Self(at))
    }

    fn fill(&self, bytes: &str) {
        let status = Command::new("fallocate").args(["-l", bytes]).arg(self.0.join("filler")).status().unwrap();
        assert!(status.success());
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_what_could_not_be_kept_comes_again() {
    let world = world();
    let _third = world.third();
    let _discovery = world.discovery();
    let Some(disk) = Disk::new(world.dir.join("disk"), "400m") else { return };
    let config = world.folder(THIRD).join("disk.toml");
    let text = fs::read_to_string(world.config(THIRD)).unwrap();
    let text = text.replace("[limits]", "[limits]\nfree_bytes_least = 134217728");
    fs::write(&config, text.replace("\"data\"", &format!("\"{}\"", disk.0.join("data").display()))).unwrap();
    let config = config.display().to_string();
    let at = |args: &[&str]| sluss(&[args, &["--json", "--config", &config]].concat());
    let args = ["serve", "--json", "--config", &config].map(str::to_owned);
    let mut daemon = Daemon::start(&args, &world.dir.join("disk.log"));
    let letter = ["send", "--from", DAVID, "--to", BOB, "--label", "x", "--text", "x"];
    at(&letter).done();
    wait(|| at(&["queue", "list", "--status", "ACCEPTED"]).lines.pop()).expect("an accepted message");

    let before = (at(&["queue", "list"]).done().lines.len(), kept(&disk.0));
    disk.fill("300m");
    let error = at(&letter).ended(3).error();
    assert_eq!(
        (&error["type"], &error["title"]),
        (&"urn:sluss:problem:space".into(), &"too little space is free".into())
    );
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("nothing was kept") && detail.contains("limits.free_bytes_least"), "{error}");
    let sent = send(world, DAVID, b"into the full disk").done().one();
    let envelope = sent["envelope_id"].as_str().unwrap();
    let waiting = world.until_status(NORTH, envelope, "SCHEDULED_FOR_RESEND");
    assert!(waiting["error"]["detail"].as_str().unwrap().contains("503"), "{waiting}");
    assert_eq!((at(&["queue", "list"]).done().lines.len(), kept(&disk.0)), before);
    assert!(daemon.is_alive());

    disk.clear();
    at(&letter).done();
    // The full one asked to be left alone for minutes; whoever has mended it need not wait.
    assert!(waiting["next_attempt_at"].as_str() > waiting["updated_at"].as_str(), "{waiting}");
    let id = waiting["id"].as_str().unwrap();
    world.at(NORTH, &["queue", "retry", id, "--reason", "there is space again"]).done();
    world.until_status(NORTH, envelope, "ACCEPTED");
    let inbox = at(&["inbox"]).done().lines;
    assert_eq!(inbox.iter().filter(|message| message["envelope_id"] == envelope).count(), 1);
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().code(), Some(0));
}
