//! What has come in and cannot be opened: it is looked at again for as long as that may help, and ends where it cannot.

use super::site::{Site, fact};
use sluss::access_point::Action;
use sluss::model::{Event, Fault, Message, Stage, Status, Warrant};
use sluss::testbed::fault::Kind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    let delivery = async || {
        let states = site.router.participants().await.unwrap();
        states.into_iter().find(|state| state.participant == site.alice).unwrap().delivery
    };
    let failing = delivery().await.unwrap();
    assert!(!failing.condition.is_closed() && failing.health.failures > 4, "{failing:?}");
    assert!(failing.health.open_until.is_some() && failing.health.failing_since.is_some(), "{failing:?}");
    assert_eq!(failing.health.last_failure.unwrap().cause(), "smp-unreachable");
    site.fault(Kind::SmpDown, true);
    let opened = site.wait(waits.id, |message| message.status == Status::Retrieved).await;
    assert_eq!(opened.error, None);
    assert!(delivery().await.is_none());
}

/// AP-3.2.3: a page of a proxy or a changed answer says nothing of the sender, and must not cost its message.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_no_smp_signed_ends_nothing_that_has_come_in() {
    let site = cut_off().await;
    site.fault(Kind::MetadataAltered, false);
    site.fault(Kind::SmpDown, true);
    let waits = came(&site).await;
    let waits = site.wait(waits.id, |message| message.attempts > 1 && message.lease_until.is_none()).await;
    let met = waits.error.unwrap();
    assert_eq!((waits.status, met.fault, met.cause()), (Status::Received, Fault::Temporary, "smp-signature"));
    assert!(met.detail.contains("it decides nothing"), "{met}");
    site.fault(Kind::MetadataAltered, true);
    site.wait(waits.id, |message| message.status == Status::Retrieved).await;
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
            site.router.dead_letters(Some("store-damaged".into()), Some(message.id)).await.unwrap().one,
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

/// Without the table of this participant.
fn without(text: &str, participant: &str) -> String {
    let tables: Vec<&str> = text.split("[[participant]]").collect();
    let (kept, gone): (Vec<&str>, Vec<&str>) = tables.into_iter().partition(|table| !table.contains(participant));
    assert_eq!(gone.len(), 1);
    kept.join("[[participant]]")
}

async fn delivery(site: &Site, part: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let (_, said) = site.ready().await;
        let found: serde_json::Value = serde_json::from_str(&said).unwrap();
        let check = found["checks"].as_array().unwrap().iter().find(|check| check["check"] == "delivery").unwrap();
        if check.to_string().contains(part) {
            return;
        }
        assert!(Instant::now() < end, "{check}, expected {part}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_for_a_participant_that_is_no_longer_configured_is_shown_and_an_operator_ends_it() {
    let site = cut_off().await;
    let warrant = || Warrant::new("kim", "alice has moved").unwrap();
    let waits = came(&site).await;
    let mut before = String::new();
    site.reload(|text| {
        before.clone_from(&text);
        without(&text, site.alice.as_str())
    })
    .unwrap();
    delivery(&site, "1 received messages are for 1 participants that are not configured, the oldest for 0203:alice")
        .await;
    delivery(&site, "sluss queue cancel").await;
    let states = site.router.participants().await.unwrap();
    let hers = states.iter().find(|state| state.participant == site.alice).unwrap();
    assert_eq!((hers.carriage, hers.to_take, hers.to_take_since), (None, 1, Some(waits.created_at)));

    site.wait(waits.id, |message| message.lease_until.is_none()).await;
    let ended = loop {
        match site.router.act(waits.id, Action::Cancel, warrant()).await {
            Err(busy) if busy.cause() == "busy" => tokio::time::sleep(Duration::from_millis(20)).await,
            done => break done.unwrap(),
        }
    };
    let problem = ended.error.clone().unwrap();
    assert_eq!((ended.status, ended.next_attempt_at, problem.cause()), (Status::Error, None, "cancelled"));
    for part in ["kim: alice has moved", "no message receipt", "sluss queue retry"] {
        assert!(problem.detail.contains(part), "{problem}");
    }
    assert!(ended.envelope.is_some() && ended.message_receipt.is_none(), "retention takes its contents, as of others");
    let events = site.router.journey(waits.id).await.unwrap();
    assert_eq!(fact(&events, Stage::Cancelled, "actor").as_deref(), Some("kim"));
    assert_eq!(fact(&events, Stage::Cancelled, "reason").as_deref(), Some("alice has moved"));
    delivery(&site, "\"state\":\"ok\"").await;
    let refused = site.router.act(waits.id, Action::Cancel, warrant()).await.unwrap_err();
    assert!(
        refused.cause() == "illegal-step"
            && refused.detail.contains("in status ERROR, cancelled already, expected one of"),
        "{refused}"
    );

    // It was a mistake: she is back.
    site.fault(Kind::SmpDown, true);
    site.reload(|_| before).unwrap();
    site.router.act(waits.id, Action::Retry, warrant()).await.unwrap();
    let opened = site.wait(waits.id, |message| message.status == Status::Retrieved).await;
    assert_eq!(opened.error, None);
    let refused = site.router.act(waits.id, Action::Cancel, warrant()).await.unwrap_err();
    assert!(refused.detail.contains("in status RETRIEVED"), "what was opened is hers: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_that_an_operator_ended_is_not_offered_to_its_participant_until_it_is_tried_again() {
    let keyless = |text: String| {
        let lines = text.lines().filter(|line| !line.contains("participants/") || !line.contains("alice"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let site = Site::start_with(keyless).await;
    let warrant = || Warrant::new("kim", "nobody comes for it").unwrap();
    let sent = site.sent(site.envelope(|_| {}, |text| text));
    assert_eq!(site.post(&site.pack(&sent)).await.status, 200);
    let id = site.arrived(&sent).await;
    let offered = async || site.router.waiting(&site.alice, None).await.unwrap().0.len();
    site.wait(id, |message| message.next_attempt_at.is_none()).await;
    assert_eq!(offered().await, 1);
    let ended = site.router.act(id, Action::Cancel, warrant()).await.unwrap();
    assert_eq!((ended.status, offered().await), (Status::Error, 0));
    let refused = site.router.confirm(&site.alice, id, "alice").await.unwrap_err();
    assert_eq!(refused.cause(), "illegal-step", "what ended is not taken: {refused}");
    site.router.act(id, Action::Retry, warrant()).await.unwrap();
    site.wait(id, |message| message.next_attempt_at.is_none()).await;
    assert_eq!(offered().await, 1);
    site.router.confirm(&site.alice, id, "alice").await.unwrap();
    let refused = site.router.act(id, Action::Cancel, warrant()).await.unwrap_err();
    assert!(refused.detail.contains("in status DOWNLOADED"), "{refused}");
}
