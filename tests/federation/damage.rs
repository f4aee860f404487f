//! Our disk gives other bytes than it took, or none: nothing of that is handed out as good.

use super::site::Site;
use sluss::access_point::Action;
use sluss::model::{BlobId, MessageId, Stage, Status, Warrant};
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
        hurt();
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
