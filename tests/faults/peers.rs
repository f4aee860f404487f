//! What other access points may answer (protocol.md 1.12), and what becomes of the message then.

use super::asked::request;
use super::support::{ALICE, NORTH, World, document, wait, world};
use serde_json::Value;
use sluss::as4::{self, error, receipt};
use sluss::model::{As4MessageId, Clock, SystemClock};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use sluss::xml::algorithm::Allowed;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PEER: &str = "AP0010-TESTBED";
const PARTICIPANT: &str = "0203:peer.example.se";

/// How the peer answers.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Status, Content-Type, content.
    Plain(u16, &'static str, &'static str),
    /// Its AS4 receipt, under a status, wrapped so.
    Receipt(u16, Wrapped),
    /// The receipt, without signature.
    Unsigned,
    /// The receipt, signed by another access point of the federation.
    OfAnother,
    /// A receipt for another message.
    ForAnother,
    /// A signed error of this code, with a status.
    Error(u16, &'static str),
    /// An unsigned one.
    UnsignedError,
    /// Nothing: it hangs up.
    HangsUp,
    /// A length, half of the content, and the end.
    ClosesEarly,
    /// Its receipt, in many pieces with pauses.
    Slowly,
    /// The receipt repeats another digest than was sent.
    OtherDigest,
    /// The receipt lacks the last reference.
    FewerReferences,
    /// What was sent comes back.
    Echo,
    /// Octets of HTTP around the receipt.
    Http(Framing),
}

/// How HTTP carries the receipt.
#[derive(Clone, Copy, Debug)]
enum Framing {
    /// After a 100 and a 103.
    Informed,
    /// In chunks, to the last.
    Chunked,
    /// In chunks, and the connection closes before the last.
    ChunksWithoutEnd,
    /// Without a length: the connection's end is its end.
    ToTheEnd,
    /// Compressed, which nobody asked for.
    Gzip,
    /// With a megabyte of white space after it.
    Huge,
    /// No HTTP.
    Noise,
    /// The status line, and the connection closes.
    HeadersWithoutEnd,
}

impl Framing {
    fn octets(self, receipt: &str) -> Vec<u8> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml; charset=UTF-8\r\nConnection: close\r\n";
        let sized = |extra: &str, content: &[u8]| {
            [format!("{head}{extra}Content-Length: {}\r\n\r\n", content.len()).as_bytes(), content].concat()
        };
        let (first, second) = receipt.split_at(receipt.len() / 2);
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        match self {
            Self::Informed => {
                let before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
                [&before[..], &sized("", receipt.as_bytes())].concat()
            }
            Self::Chunked => {
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n", chunk(first), chunk(second)).into()
            }
            Self::ChunksWithoutEnd => {
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{}{}", chunk(first), chunk(second)).into()
            }
            Self::ToTheEnd => format!("{head}\r\n{receipt}").into(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(receipt.as_bytes()).unwrap();
                sized("Content-Encoding: gzip\r\n", &encoder.finish().unwrap())
            }
            Self::Huge => sized("", [receipt.as_bytes(), &b" ".repeat(1 << 20)[..]].concat().as_slice()),
            Self::Noise => b"220 mail.example.se ESMTP\r\n".to_vec(),
            Self::HeadersWithoutEnd => head.into(),
        }
    }
}

/// What a receipt is wrapped in.
#[derive(Clone, Copy, Debug)]
enum Wrapped {
    /// As a SOAP message.
    Alone,
    /// In a multipart with its type.
    Multipart,
    /// In a multipart that does not say its type.
    Untyped,
}

/// An access point of other making. A message keeps the answer that was in force when it came first.
struct Peer {
    own: Identity,
    other: Identity,
    trust: Trust,
    answer: Mutex<Answer>,
    seen: Mutex<HashMap<String, Answer>>,
}

impl Peer {
    fn serve(self: &Arc<Self>, listener: TcpListener) {
        let peer = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let peer = Arc::clone(&peer);
                std::thread::spawn(move || peer.answer(stream));
            }
        });
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let (headers, body) = request(&stream)?;
        let received = as4::read(&headers["content-type"], body.as_slice()).unwrap();
        let id = received.claimed().message_id;
        let answer = *self.seen.lock().unwrap().entry(id.to_string()).or_insert_with(|| *self.answer.lock().unwrap());
        let at = SystemClock.now();
        let echo = received.soap().to_owned();
        let attributed = received.verify(&[], &self.trust, at, &Allowed::new()).unwrap();
        let about = |id: &As4MessageId, by: &Identity| {
            receipt::build(id, attributed.reference_elements(), by, &new_id(), at).unwrap().body
        };
        let own = about(&id, &self.own);
        let repeating = |references: &[String]| receipt::build(&id, references, &self.own, &new_id(), at).unwrap().body;
        if let Answer::Http(framing) = answer {
            return stream.write_all(&framing.octets(&own)).ok();
        }
        let soap = "application/soap+xml; charset=UTF-8";
        let boundary = "--b\r\nContent-Type: application/soap+xml\r\n\r\n";
        let (status, kind, content) = match answer {
            Answer::Plain(status, kind, content) => (status, kind, content.to_owned()),
            Answer::Receipt(status, Wrapped::Alone) => (status, soap, own),
            Answer::Receipt(status, Wrapped::Multipart) => (
                status,
                "multipart/related; boundary=b; type=\"application/soap+xml\"",
                format!("{boundary}{own}\r\n--b--\r\n"),
            ),
            Answer::Receipt(status, Wrapped::Untyped) => {
                (status, "multipart/related; boundary=b", format!("{boundary}{own}\r\n--b--\r\n"))
            }
            Answer::Unsigned => {
                let (start, end) = (own.find("<wsse:Security").unwrap(), own.find("</wsse:Security>").unwrap() + 16);
                (200, soap, format!("{}{}", &own[..start], &own[end..]))
            }
            Answer::OfAnother => (200, soap, about(&id, &self.other)),
            Answer::ForAnother => (200, soap, about(&new_id(), &self.own)),
            Answer::Error(status, participant) => {
                let refusal = as4::Refusal::not_serviced(participant, "action");
                (status, soap, error::build(&refusal, Some(&id), &self.own, &new_id(), at).unwrap().body)
            }
            Answer::UnsignedError => {
                let refusal = as4::Refusal::Temporary("busy".into());
                (200, soap, error::unsigned(&refusal, Some(&id), &new_id(), at).body)
            }
            Answer::OtherDigest => {
                let mut references = attributed.reference_elements().to_vec();
                for reference in &mut references {
                    let at = reference.find("DigestValue>").unwrap() + "DigestValue>".len();
                    let other = if reference[at..].starts_with('A') { "B" } else { "A" };
                    reference.replace_range(at..=at, other);
                }
                (200, soap, repeating(&references))
            }
            Answer::FewerReferences => {
                let (_, fewer) = attributed.reference_elements().split_last().unwrap();
                (200, soap, repeating(fewer))
            }
            Answer::Echo => (200, soap, echo),
            Answer::HangsUp | Answer::Http(_) => return None,
            Answer::ClosesEarly | Answer::Slowly => (200, soap, own),
        };
        send(&mut stream, answer, status, kind, &content)
    }
}

/// One answer, whole, cut short or in pieces.
fn send(stream: &mut TcpStream, answer: Answer, status: u16, kind: &str, content: &str) -> Option<()> {
    let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let head = format!(
        "HTTP/1.1 {status} X\r\n{kind}Location: http://127.0.0.1:9/\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    // RFC 9110, 8.6: a 204 has no length.
    let head = if status == 204 { head.replace("Content-Length: 0\r\n", "") } else { head };
    stream.write_all(head.as_bytes()).ok()?;
    let (first, second) = content.split_at(content.len() / 2);
    match answer {
        Answer::ClosesEarly => stream.write_all(first.as_bytes()).ok()?,
        Answer::Slowly => {
            for piece in content.as_bytes().chunks(content.len() / 8) {
                std::thread::sleep(Duration::from_millis(100));
                stream.write_all(piece).ok()?;
            }
        }
        _ => stream.write_all([first, second].concat().as_bytes()).ok()?,
    }
    Some(())
}

fn new_id() -> As4MessageId {
    format!("{}@{PEER}", uuid::Uuid::new_v4()).parse().unwrap()
}

fn peer(world: &World) -> Arc<Peer> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.elsewhere_at(PEER, PARTICIPANT, &format!("http://{}/as4", listener.local_addr().unwrap()));
    let identity = |name: &str| {
        let folder = world.folder(name);
        Identity::from_files(&folder.join("key.pem"), &folder.join("cert.pem")).unwrap()
    };
    let anchor = Certificate::from_pem(&fs::read(world.dir.join("ca/ap.cert.pem")).unwrap()).unwrap();
    let trust = Trust {
        role: Role::AccessPoint,
        anchors: vec![anchor],
        revocation: Revocation::Unchecked,
        bits_least: 2048,
        validity: true,
        proven: Proven::default(),
    };
    let peer = Peer {
        own: identity(PEER),
        other: identity(NORTH),
        trust,
        answer: Mutex::new(Answer::HangsUp),
        seen: Mutex::default(),
    };
    let peer = Arc::new(peer);
    peer.serve(listener);
    peer
}

/// The message after its first attempt, with its events.
fn attempted(world: &World) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "a.txt", b"x");
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", PARTICIPANT, &file]).done().one();
    let id = sent["id"].as_str().unwrap();
    let tried = |shown: &Value| shown["message"]["status"] != "SUBMITTED";
    wait(|| Some(world.at(NORTH, &["queue", "show", id]).done().one()).filter(tried)).unwrap()
}

/// Whether a problem names its rule, what was found and what helps, and an event of the message says the same.
fn explained(shown: &Value, error: &Value, rule: &str, remedy: &str) -> bool {
    let detail = error["detail"].as_str().unwrap_or_default();
    let (found, helps) = detail.rsplit_once("; ").unwrap_or_default();
    let told = shown["journey"].as_array().is_some_and(|events| {
        events.iter().any(|event| {
            let problem = &event["problem"];
            ["type", "detail", "rule", "code"].iter().all(|key| problem[key] == error[key])
        })
    });
    error["rule"].as_str().unwrap_or_default() == rule && !found.is_empty() && helps.contains(remedy) && told
}

/// What a valid AS4 receipt is.
const RECEIPT: &str = "BAS-2.14.1.t05";

/// The code, the rule, and what helps.
type Cause = (&'static str, &'static str, &'static str);

const FINE: Cause = ("", "", "");
const UNREACHED: Cause = ("EBMS:0005", "AP-3.2.5.a", "tried again by itself");
const MISSING: Cause = ("EBMS:0301", RECEIPT, "answer the request itself");
const ADDRESS: Cause = ("EBMS:0302", RECEIPT, "the address in SMP");
const FAULTY: Cause = ("EBMS:0302", RECEIPT, "the log of the peer");
const SIGNER: Cause = ("EBMS:0302", RECEIPT, "the certificate that its endpoint has in SMP");
const ANOTHER: Cause = ("EBMS:0302", RECEIPT, "the message that it answers");
const REFERENCES: Cause = ("EBMS:0302", RECEIPT, "repeat every reference");
const SERVED: Cause = ("EBMS:0004", "AS4-2.5.c", "entry in SMP");
const BUSY: Cause = ("EBMS:0004", "", "operator of the peer");

#[test]
fn every_answer_of_a_peer_is_called_what_it_is() {
    let world = world();
    let _discovery = world.discovery();
    let peer = peer(world);
    let (again, done, over) = ("SCHEDULED_FOR_RESEND", "WAITING_FOR_RECEIPT", "MESSAGE_EXCHANGE_ERROR");
    let mut wrong = Vec::new();
    let fault = "<S:Envelope xmlns:S=\"http://www.w3.org/2003/05/soap-envelope\"><S:Body><S:Fault><S:Code><S:Value>S:Receiver</S:Value></S:Code><S:Reason><S:Text xml:lang=\"en\">boom</S:Text></S:Reason></S:Fault></S:Body></S:Envelope>";
    for (answer, status, (code, rule, remedy), said) in [
        (Answer::Receipt(200, Wrapped::Alone), done, FINE, ""),
        (Answer::Receipt(200, Wrapped::Multipart), done, FINE, ""),
        (Answer::Receipt(500, Wrapped::Untyped), done, FINE, ""),
        (Answer::Receipt(500, Wrapped::Alone), done, FINE, ""),
        (Answer::Slowly, done, FINE, ""),
        (Answer::Plain(200, "", ""), again, MISSING, "empty"),
        (Answer::Plain(202, "", ""), again, MISSING, "empty"),
        (Answer::Plain(204, "", ""), again, MISSING, "empty"),
        (Answer::Plain(302, "", ""), again, UNREACHED, "HTTP status 302"),
        (Answer::Plain(301, "", ""), again, UNREACHED, "HTTP status 301"),
        (Answer::Plain(307, "text/html", "<html/>"), again, UNREACHED, "HTTP status 307"),
        (Answer::Receipt(307, Wrapped::Alone), done, FINE, ""),
        (Answer::Plain(404, "text/html", "<html/>"), again, UNREACHED, "HTTP status 404"),
        (Answer::Plain(503, "", ""), again, UNREACHED, "HTTP status 503"),
        (Answer::Plain(500, "text/html", "<html/>"), again, UNREACHED, "HTTP status 500"),
        (Answer::Plain(200, "text/html", "<html/>"), again, ADDRESS, "text/html"),
        (Answer::Plain(500, "application/soap+xml", fault), again, FAULTY, "boom"),
        (Answer::Plain(400, "text/xml", fault), again, FAULTY, "boom"),
        (Answer::Unsigned, again, SIGNER, "not signed"),
        (Answer::OfAnother, again, SIGNER, "not authentic"),
        (Answer::ForAnother, again, ANOTHER, "about message"),
        (Answer::Error(200, PARTICIPANT), over, SERVED, "NOT_SERVICED"),
        (Answer::Error(500, PARTICIPANT), over, SERVED, "NOT_SERVICED"),
        (Answer::UnsignedError, again, BUSY, "try again later"),
        (Answer::HangsUp, again, UNREACHED, "the connection broke"),
        (Answer::ClosesEarly, again, UNREACHED, "the connection broke"),
        (Answer::OtherDigest, again, REFERENCES, "does not match"),
        (Answer::FewerReferences, again, REFERENCES, "does not match"),
        (Answer::Echo, again, MISSING, "user message"),
        (Answer::Plain(200, "multipart/related; boundary=b", "--b"), again, ADDRESS, "no AS4 message"),
        (Answer::Plain(200, "application/soap+xml", "<a"), again, ADDRESS, "no AS4 message"),
        (Answer::Http(Framing::Informed), done, FINE, ""),
        (Answer::Http(Framing::Chunked), done, FINE, ""),
        (Answer::Http(Framing::ToTheEnd), done, FINE, ""),
        (Answer::Http(Framing::ChunksWithoutEnd), again, UNREACHED, "the connection broke"),
        (Answer::Http(Framing::Gzip), again, ADDRESS, "no AS4 message"),
        (Answer::Http(Framing::Huge), again, UNREACHED, "larger than 1048576 bytes"),
        (Answer::Http(Framing::Noise), again, UNREACHED, "not a valid HTTP answer"),
        (Answer::Http(Framing::HeadersWithoutEnd), again, UNREACHED, "the connection broke"),
    ] {
        *peer.answer.lock().unwrap() = answer;
        let shown = attempted(world);
        let message = &shown["message"];
        let error = &message["error"];
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        if message["status"] != status || text("code") != code || !text("detail").contains(said) {
            wrong.push(format!("{answer:?}: {}, {error}; expected {status}, {code} {said}", message["status"]));
        }
        if status != done && !explained(&shown, error, rule, remedy) {
            wrong.push(format!(
                "{answer:?}: expected the rule {rule:?}, {remedy:?}, and an event that says so: {error}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
