//! A sender that is killed while it sends: whether the message arrived is not known to it, and the receiver says so.

use super::asked::request;
use super::support::{DAVID, THIRD, World, document, wait, world};
use serde_json::Value;
use sluss::as4::{self, Finding, Refusal, error};
use sluss::model::{Clock, SystemClock};
use sluss::pki::Identity;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};

const PEER: &str = "AP0012-TESTBED";
const PARTICIPANT: &str = "0203:crashed.example.se";

/// Takes the first message and does not answer; what comes then it has already, as it says, signed.
fn serve(listener: &TcpListener, own: &Identity, came: &Sender<String>) -> Option<()> {
    let mut held: Option<TcpStream> = None;
    for mut stream in listener.incoming().map_while(Result::ok) {
        let (headers, body) = request(&stream)?;
        let received = as4::read(headers.get("content-type")?, body.as_slice()).unwrap();
        let id = received.claimed().message_id;
        came.send(id.to_string()).ok()?;
        if held.is_none() {
            held = Some(stream);
            continue;
        }
        let refusal = Refusal::Reused(Finding::new("a message that was already processed", "a new message"));
        let own_id = format!("{}@{PEER}", uuid::Uuid::new_v4()).parse().unwrap();
        let body = error::build(&refusal, Some(&id), own, &own_id, SystemClock.now()).unwrap().body;
        let head = "HTTP/1.1 500 X\r\nContent-Type: application/soap+xml\r\nConnection: close\r\nContent-Length: ";
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    }
    Some(())
}

fn shown(world: &World, id: &str) -> Value {
    world.at(THIRD, &["queue", "show", id]).done().one()
}

/// protocol.md 1.11: a receiver that has the message already says that it was delivered, and no attempt that was written says that
/// it was sent before.
#[test]
fn what_arrived_in_an_attempt_that_a_crash_cut_off_is_delivered_and_its_journey_tells_of_both() {
    let world = world();
    let _discovery = world.discovery();
    let _third = world.third();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.elsewhere_at(PEER, PARTICIPANT, &format!("http://{}/as4", listener.local_addr().unwrap()));
    let folder = world.folder(PEER);
    let own = Identity::from_files(&folder.join("key.pem"), &folder.join("cert.pem")).unwrap();
    let (sender, came) = channel();
    std::thread::spawn(move || serve(&listener, &own, &sender));

    let daemon = world.serve(THIRD);
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "a.txt", b"into the crash");
    let sent = world.at(THIRD, &["send", "--from", DAVID, "--to", PARTICIPANT, &file]).done().one();
    let id = sent["id"].as_str().unwrap();
    let first = came.recv().unwrap();
    daemon.kill();
    let _daemon = world.serve(THIRD);

    let tried = |shown: &Value| shown["message"]["status"] != "SUBMITTED";
    let shown = wait(|| Some(shown(world, id)).filter(tried)).unwrap();
    assert_eq!(came.try_iter().collect::<Vec<_>>(), [first], "under the same id, once more");
    assert_eq!(shown["message"]["status"], "WAITING_FOR_RECEIPT", "{shown:#}");
    let journey = shown["journey"].as_array().unwrap();
    let told: Vec<(&str, &str)> = journey
        .iter()
        .filter_map(|event| Some((event["stage"].as_str()?, event["facts"]["attempt"].as_str()?)))
        .collect();
    assert_eq!(told, [("attempt-failed", "1"), ("receipted", "2")], "{journey:#?}");
    let cut_off = journey.iter().find(|event| event["stage"] == "attempt-failed").unwrap();
    assert_eq!(cut_off["problem"]["type"], "urn:sluss:problem:attempt-cut-off");
    let had = journey.iter().find(|event| event["stage"] == "receipted").unwrap();
    assert_eq!(had["facts"]["as4_receipt"], "missing");
}
