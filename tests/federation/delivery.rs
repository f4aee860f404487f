//! What has come in and cannot be opened: it is looked at again for as long as that may help, and ends where it cannot.

use super::site::{Site, fact};
use sluss::access_point::Action;
use sluss::model::{Event, Fault, Message, Stage, Status, Warrant};
use sluss::testbed::fault::Kind;
use std::path::PathBuf;

/// One that looks again every second, while nobody can be looked up.
async fn cut_off() -> Site {
    let often =
        "[smp_retry]\nstrategy = \"exponential\"\nfirst_pause_seconds = 1\nlongest_pause_seconds = 1\n\n[federation]";
    let site = Site::start_with(|text| text.replacen("[federation]", often, 1)).await;
    site.fault(Kind::SmpDown, false);
    site
}

/// A message of Bob, taken and not opened yet.
async fn came(site: &Site) -> Message {
    let sent = site.sent(site.envelope(|_| {}, |text| text));
    assert_eq!(site.post(&site.pack(&sent)).await.status, 200);
    let id = site.arrived(&sent).await;
    site.wait(id, |message| message.attempts > 0).await
}

async fn failures(site: &Site, message: &Message) -> Vec<Event> {
    let events = site.router.journey(message.id).await.unwrap();
    events.into_iter().filter(|event| event.stage == Stage::AttemptFailed).collect()
}

/// The file of its envelope.
fn file(site: &Site, message: &Message) -> PathBuf {
    let name = message.envelope.unwrap().to_string();
    site.data.join("blobs").join(&name[..2]).join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_for_want_of_the_smp_leaves_few_events_and_is_opened_when_it_is_back() {
    let site = cut_off().await;
    let waits = came(&site).await;
    assert_eq!((waits.status, waits.error.as_ref().map(|met| met.fault)), (Status::Received, Some(Fault::Temporary)));
    let waits = site.wait(waits.id, |message| message.attempts > 4 && message.lease_until.is_none()).await;
    let numbers: Vec<String> =
        failures(&site, &waits).await.iter().map(|event| event.facts["attempt"].clone()).collect();
    assert_eq!(numbers, ["1", "2", "4"], "after {} looks", waits.attempts);
    let metrics = site.metrics().await;
    let counted =
        metrics.lines().find_map(|line| line.strip_prefix("sluss_attempt_failures_total{cause=\"smp-unreachable\"} "));
    assert!(counted.is_some_and(|counted| counted.parse::<u32>().unwrap() > 4), "each is counted: {counted:?}");
    site.fault(Kind::SmpDown, true);
    let opened = site.wait(waits.id, |message| message.status == Status::Retrieved).await;
    assert_eq!(opened.error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_our_disk_has_lost_ends_in_error_and_is_opened_when_an_operator_has_brought_it_back() {
    let site = cut_off().await;
    let warrant = || Warrant::new("kim", "the payload is restored").unwrap();
    let (changed, gone) = (came(&site).await, came(&site).await);
    let refused = site.router.act(changed.id, Action::Retry, warrant()).await.unwrap_err();
    assert_eq!(refused.cause(), "illegal-step", "it is tried by itself: {refused}");
    let files = [&changed, &gone].map(|message| file(&site, message));
    let whole = files.clone().map(|file| std::fs::read(file).unwrap());
    let mut other = whole[0].clone();
    other[100] ^= 1;
    std::fs::write(&files[0], other).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    for message in [&changed, &gone] {
        let failed = site.wait(message.id, |message| message.status.is_final()).await;
        assert_eq!((failed.status, failed.next_attempt_at), (Status::Error, None));
        let problem = failed.error.unwrap();
        assert!(problem.cause() == "store-damaged" && problem.detail.contains("sluss queue retry"), "{problem}");
        let events = site.router.journey(message.id).await.unwrap();
        assert!(events.iter().any(|event| event.stage == Stage::GivenUp && event.problem.is_some()));
        assert_eq!(
            site.router.dead_letter(Some("store-damaged".into()), Some(message.id)).await.unwrap(),
            Some(message.id)
        );
    }
    site.fault(Kind::SmpDown, true);
    for (message, (file, bytes)) in [&changed, &gone].into_iter().zip(files.iter().zip(&whole)) {
        std::fs::write(file, bytes).unwrap();
        site.router.act(message.id, Action::Retry, warrant()).await.unwrap();
        let opened = site.wait(message.id, |message| message.status == Status::Retrieved).await;
        assert_eq!(opened.error, None);
        let events = site.router.journey(message.id).await.unwrap();
        assert_eq!(fact(&events, Stage::Retried, "actor").as_deref(), Some("kim"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_not_opened_again_whatever_an_operator_asks_for() {
    let site = Site::start().await;
    let sent = site.sent(site.envelope(|_| {}, |text| text.replace("messaging:functionalAddress", "messaging:other")));
    site.post(&site.pack(&sent)).await;
    let id = site.arrived(&sent).await;
    let rejected = site.wait(id, |message| message.status == Status::Error).await;
    assert_eq!(rejected.message_receipt.as_deref(), Some("REJECTED"));
    let warrant = Warrant::new("kim", "again, please").unwrap();
    let refused = site.router.act(id, Action::Retry, warrant).await.unwrap_err();
    assert!(refused.detail.contains("in status ERROR and answered"), "{refused}");
}
