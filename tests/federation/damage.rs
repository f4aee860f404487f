//! Our disk gives other bytes than it took, or none: nothing of that is handed out as good.

use super::forms::{Answer, tried, with_a_receiver};
use super::site::Site;
use sluss::access_point::Action;
use sluss::app::upkeep;
use sluss::message_service::Draft;
use sluss::model::{BlobId, Event, Message, MessageId, Piece, Stage, Status, Warrant};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The file of a payload.
fn payload(site: &Site, blob: BlobId) -> PathBuf {
    let name = blob.to_string();
    site.data.join("blobs").join(&name[..2]).join(name)
}

/// Turns one bit of a file.
fn flip(file: &PathBuf, at: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Bob's message to Alice, received.
async fn came(site: &Site) -> (MessageId, Vec<u8>) {
    let sent = site.sent(site.envelope(|_| {}, |text| text));
    assert_eq!(site.post(&site.pack(&sent)).await.status, 200);
    (site.arrived(&sent).await, sent.envelope)
}

/// Where the message service of Alice is elsewhere.
fn keyless(text: String) -> String {
    let lines = text.lines().filter(|line| !line.contains("participants/") || !line.contains("alice"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_that_our_disk_changed_is_not_given_to_its_participant_until_it_is_brought_back() {
    let site = Site::start_with(keyless).await;
    let offered = async || site.router.waiting(&site.alice, None).await.unwrap().0.len();
    for remove in [false, true] {
        let (id, envelope) = came(&site).await;
        let held = site.wait(id, |message| message.next_attempt_at.is_none()).await;
        let (file, path) =
            (payload(&site, held.envelope.unwrap()), format!("/participants/{}/envelopes/{id}", site.alice));
        assert!(site.api(http::Method::GET, &path).await == (200, envelope.clone()));
        assert_eq!(offered().await, 1);
        if remove {
            std::fs::remove_file(&file).unwrap()
        } else {
            flip(&file, 4000)
        }

        let (status, answer) = site.api(http::Method::GET, &path).await;
        let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((status, &problem["type"]), (503, &"urn:sluss:problem:store-damaged".into()), "{problem:#}");
        let detail = problem["detail"].as_str().unwrap();
        for said in [
            "sluss queue retry",
            "backup",
            "ask its sender",
            if remove { "no longer there" } else { &held.envelope_sha256 },
        ] {
            assert!(detail.contains(said), "{said}: {detail}");
        }
        let ended = site.router.message(id).await.unwrap();
        assert_eq!((ended.status, ended.taken_at), (Status::Error, None));
        let events = site.router.journey(id).await.unwrap();
        let told = events.iter().filter(|event| event.stage == Stage::GivenUp && event.problem.is_some());
        assert_eq!(told.count(), 1, "its operator is told");
        let dead = site.router.dead_letters(Some("store-damaged".into()), Some(id)).await.unwrap();
        assert_eq!((dead.one, offered().await), (Some(id), 0));
        let (status, _) = site.api(http::Method::POST, &format!("{path}/confirm")).await;
        assert_eq!(status, 422, "what is not there is not confirmed");
        assert_eq!(site.api(http::Method::GET, &path).await.0, 503);
        assert_eq!(site.router.journey(id).await.unwrap().len(), events.len(), "once is enough");

        std::fs::write(&file, &envelope).unwrap();
        site.router.act(id, Action::Retry, Warrant::new("kim", "it is restored").unwrap()).await.unwrap();
        site.wait(id, |message| message.status == Status::Received && message.next_attempt_at.is_none()).await;
        assert!(site.api(http::Method::GET, &path).await == (200, envelope));
        assert_eq!(site.api(http::Method::POST, &format!("{path}/confirm")).await.0, 200);
        assert_eq!(site.router.message(id).await.unwrap().status, Status::Downloaded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_our_disk_changed_is_not_given_to_its_reader() {
    let site = Site::start().await;
    let (id, _) = came(&site).await;
    let content = site.wait(id, |message| message.status == Status::Retrieved).await.content.unwrap();
    let file = payload(&site, content.payload.unwrap());
    let whole = std::fs::read(&file).unwrap();
    let path = format!("/messages/{id}/documents/0");
    let (status, document) = site.api(http::Method::GET, &path).await;
    assert_eq!((status, sluss::crypto::sha256_hex(&document)), (200, content.documents[0].sha256.clone()));

    // The text itself, what is around it, and all of it.
    let text = whole.windows(document.len()).position(|found| found == document).unwrap() as u64;
    let hurts: [&dyn Fn(); 3] = [&|| flip(&file, text), &|| flip(&file, 1), &|| std::fs::remove_file(&file).unwrap()];
    for (n, hurt) in hurts.into_iter().enumerate() {
        assert!(upkeep::look(&site.data).unwrap().whole);
        hurt();
        let looked = upkeep::look(&site.data).unwrap();
        assert!(looked.findings.len() == 1 && looked.findings[0].payload == content.payload, "{looked:?}");
        for _ in 0..2 {
            let (status, answer) = site.api(http::Method::GET, &path).await;
            let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!((status, &problem["type"]), (503, &"urn:sluss:problem:store-damaged".into()), "{problem:#}");
            assert!(problem["detail"].as_str().unwrap().contains("backup"), "{problem:#}");
            assert!(n > 0 || problem["detail"].as_str().unwrap().contains(&content.documents[0].sha256), "{problem:#}");
        }
        let events = site.router.journey(id).await.unwrap();
        let told = events.iter().filter(|event| event.stage == Stage::Failed);
        assert_eq!(told.count(), n + 1, "each damage is said once");
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(site.api(http::Method::GET, &path).await, (200, document.clone()));
    }
}

/// A message that was sent once, and of which no AS4 receipt came back; its text has so many bytes.
async fn unanswered(site: &Site, bytes: usize) -> Message {
    let draft = Draft { text: Some("x".repeat(bytes)), ..super::draft(site, site.bob.as_str()) };
    let sent = site.service.send(draft, Vec::new()).await.unwrap();
    // The partner may be left alone by now.
    site.wait(sent.id, |message| message.attempts >= 1 && message.error.is_some() && message.lease_until.is_none())
        .await
}

/// The file of its encrypted part.
fn part(site: &Site, message: &Message) -> PathBuf {
    let pieces = &message.packed.as_ref().unwrap().pieces;
    let blob = pieces.iter().find_map(|piece| if let Piece::File(blob) = piece { Some(*blob) } else { None });
    payload(site, blob.unwrap())
}

/// What was said where it was packed, the first time left out.
async fn packed_anew(site: &Site, message: &Message) -> Vec<String> {
    let events: Vec<Event> = site.router.journey(message.id).await.unwrap();
    let packed = events.into_iter().filter(|event| event.stage == Stage::Packed);
    packed.skip(1).map(|event| event.detail).collect()
}

/// Small ones are read before they are sent, large ones while they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_packed_message_that_our_disk_changed_is_packed_anew_and_an_as4_receipt_of_what_was_sent_before_counts() {
    let (site, receiver) = with_a_receiver().await;
    for (bytes, remove, answer) in [
        (100, false, Answer::Kept),
        (100, true, Answer::Last(site.peer.clone())),
        (300_000, false, Answer::Kept),
        (300_000, false, Answer::Last(site.peer.clone())),
        (300_000, true, Answer::Kept),
    ] {
        receiver.says(Answer::Lost);
        let message = unanswered(&site, bytes).await;
        let file = part(&site, &message);
        assert_eq!(
            std::fs::metadata(&file).unwrap().len() > 128 << 10,
            bytes > 1000,
            "it is of the kind that is meant"
        );
        assert!(packed_anew(&site, &message).await.is_empty());
        let sha256 = message.packed.as_ref().unwrap().part_sha256.clone().unwrap();
        assert_eq!(sluss::crypto::sha256_hex(&std::fs::read(&file).unwrap()), sha256);
        if remove {
            std::fs::remove_file(&file).unwrap()
        } else {
            flip(&file, 3000)
        }

        let looked = upkeep::look(&site.data).unwrap();
        assert!(looked.findings.len() == 1 && looked.findings[0].message == Some(message.id), "{looked:?}");
        let of_before = matches!(answer, Answer::Kept);
        receiver.says(answer);
        let done = tried(&site, &message).await;
        assert_eq!((done.status, &done.error), (Status::WaitingForReceipt, &None));
        assert_eq!(done.as4_message_id, message.as4_message_id, "the receiver may have it");
        assert_eq!(done.as4_receipt.unwrap().sent_until.is_some(), of_before);
        let said = packed_anew(&site, &message).await;
        assert!(said.len() == 1 && said[0].contains(if remove { "is missing" } else { &sha256 }), "{said:?}");
        assert!(said[0].contains("our disk"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_envelope_our_disk_lost_as_well_is_given_up_by_that_name_until_it_is_brought_back() {
    let (site, receiver) = with_a_receiver().await;
    let message = unanswered(&site, 100).await;
    let envelope = payload(&site, message.envelope.unwrap());
    let whole = std::fs::read(&envelope).unwrap();
    receiver.says(Answer::Last(site.peer.clone()));
    flip(&part(&site, &message), 3000);
    flip(&envelope, 4000);
    let lost = tried(&site, &message).await;
    let problem = lost.error.unwrap();
    assert_eq!((lost.status, problem.cause()), (Status::MessageExchangeError, "store-damaged"), "{problem}");
    assert!(
        problem.detail.contains(&message.envelope_sha256) && problem.detail.contains("sluss queue retry"),
        "{problem}"
    );
    let dead = site.router.dead_letters(Some("store-damaged".into()), Some(message.id)).await.unwrap();
    assert_eq!(dead.one, Some(message.id));

    std::fs::write(&envelope, whole).unwrap();
    let done = tried(&site, &message).await;
    assert_eq!((done.status, done.as4_message_id), (Status::WaitingForReceipt, message.as4_message_id.clone()));
    assert_eq!(packed_anew(&site, &message).await.len(), 1);
}
