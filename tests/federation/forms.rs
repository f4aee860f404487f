//! A receiver whose certificate changes while a message waits for it: the message goes in another form under the same id, and the
//! AS4 receipt may be for either.

use super::asked::request;
use super::site::{PEER, Site, fact};
use sluss::access_point::Action;
use sluss::as4::{self, receipt};
use sluss::model::{As4MessageId, Clock, Message, Stage, Status, SystemClock, Warrant};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use sluss::xml::algorithm::Allowed;
use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// What comes back for a message.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Nothing: the AS4 receipt is kept, and lost on its way.
    Lost,
    /// The AS4 receipt that was kept.
    Kept,
    /// One for what came first, signed by this key.
    First(Identity),
    /// One for what came now, signed by this key.
    Last(Identity),
}

/// A receiver that keeps what it signed of each message when that came first.
pub(crate) struct Receiver {
    own: Identity,
    trust: Trust,
    answer: Mutex<Answer>,
    first: Mutex<HashMap<String, (Vec<String>, String)>>,
}

impl Receiver {
    /// What comes back from now on.
    pub(crate) fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let (headers, body) = request(&stream)?;
        let received = as4::read(headers.get("content-type")?, body.as_slice()).unwrap();
        let id = received.claimed().message_id;
        let attributed = received.verify(&[], &self.trust, SystemClock.now(), &Allowed::new()).unwrap();
        let signed = |references: &[String], by: &Identity| {
            let own_id: As4MessageId = format!("{}@{PEER}", uuid::Uuid::new_v4()).parse().unwrap();
            receipt::build(&id, references, by, &own_id, SystemClock.now()).unwrap().body
        };
        let came = attributed.reference_elements();
        let mut first = self.first.lock().unwrap();
        let kept = first.entry(id.to_string()).or_insert_with(|| (came.to_vec(), signed(came, &self.own)));
        let body = match self.answer.lock().unwrap().clone() {
            Answer::Lost => return None,
            Answer::Kept => kept.1.clone(),
            Answer::First(by) => signed(&kept.0, &by),
            Answer::Last(by) => signed(came, &by),
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nConnection: close\r\nContent-Length: ";
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).ok()
    }
}

/// A site whose peer is there, and is asked again at once.
pub(crate) async fn with_a_receiver() -> (Site, Arc<Receiver>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::start_with_peer(&format!("http://{}/as4", listener.local_addr().unwrap())).await;
    let trust = Trust {
        role: Role::AccessPoint,
        anchors: site.authorities(),
        revocation: Revocation::Unchecked,
        bits_least: 2048,
        validity: true,
        proven: Proven::default(),
    };
    let (answer, first) = (Mutex::new(Answer::Lost), Mutex::default());
    let receiver = Arc::new(Receiver { own: site.peer.clone(), trust, answer, first });
    let served = Arc::clone(&receiver);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Without an answer, the sender says so.
            let _ = served.answer(stream);
        }
    });
    (site, receiver)
}

/// Has a message tried now, and gives it with what that led to.
pub(crate) async fn tried(site: &Site, message: &Message) -> Message {
    let attempts = site.router.message(message.id).await.unwrap().attempts;
    let warrant = Warrant::new("operator", "the partner has a new key").unwrap();
    site.router.act(message.id, Action::Retry, warrant).await.unwrap();
    site.wait(message.id, |message| message.attempts > attempts && message.lease_until.is_none()).await
}

/// BAS-2.14.1.t05: what is accepted is an AS4 receipt of what was sent, whenever that was, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn an_as4_receipt_for_the_form_of_before_is_as_good_where_a_message_was_encrypted_anew() {
    let (site, receiver) = with_a_receiver().await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let draft = super::draft(&site, site.bob.as_str());
        let message = site.service.send(draft, Vec::new()).await.unwrap();
        // The partner may be left alone by now.
        let first = site.wait(message.id, |message| message.attempts >= 1 && message.error.is_some());
        sent.push(first.await);
    }
    let (old, new) = (site.peer.clone(), site.peer_has_another_certificate());
    let says = |answer: Answer| receiver.says(answer);
    let [kept, resigned, doubted] = &sent[..] else { unreachable!() };

    // An old key proves nothing of what is sent now, and nobody else's proves anything.
    for answer in [Answer::Last(old.clone()), Answer::First(site.bobs.clone()), Answer::Last(site.bobs.clone())] {
        says(answer);
        let refused = tried(&site, doubted).await;
        assert!(refused.as4_receipt.is_none() && refused.next_attempt_at.is_some(), "{:?}", refused.error);
        assert_eq!(refused.error.unwrap().rule.as_deref(), Some("BAS-2.14.1.t05"));
    }
    says(Answer::Last(new.clone()));
    let plain = tried(&site, doubted).await.as4_receipt.unwrap();
    assert_eq!((plain.sent_until, plain.certificate_sha256), (None, new.certificate.sha256()));

    for (message, answer, signer) in
        [(kept, Answer::Kept, &old.certificate), (resigned, Answer::First(new.clone()), &new.certificate)]
    {
        says(answer);
        let done = tried(&site, message).await;
        assert_eq!((done.status, done.packed.is_none()), (Status::WaitingForReceipt, true), "{:?}", done.error);
        let (had, has) = (done.as4_receipt.unwrap(), site.router.journey(message.id).await.unwrap());
        assert_eq!(had.certificate_sha256, signer.sha256());
        let until = had.sent_until.expect("it is for the form of before");
        assert_eq!(fact(&has, Stage::Receipted, "sent_until"), Some(until.to_string()));
        let said = &has.iter().find(|event| event.stage == Stage::Receipted).unwrap().detail;
        assert!(said.contains("sent before"), "{said}");
        proves(&site, message);
    }
}

/// The evidence of a message holds: it has the form that the AS4 receipt is for.
fn proves(site: &Site, message: &Message) {
    let (folder, package) = site.evidence(message.id);
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, site.authorities().iter().map(Certificate::to_pem).collect::<String>()).unwrap();
    if ["openssl", "xmlsec1"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
        println!("skipped: openssl or xmlsec1 is not here");
        return;
    }
    let checked = Command::new("sh").arg("verify.sh").arg(&trusted).current_dir(&package).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.ends_with("all of it holds\n"), "{said} {}", String::from_utf8_lossy(&checked.stderr));
}
