//! A partner that is down is left alone, and an operator who knows better has it tried at once.

use super::site::{PEER, Site};
use sluss::access_point::{Action, Condition};
use sluss::model::{Fault, LogQuery, MessageId, Query, Stage, Status, Warrant};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_is_told_with_the_message_that_waits_and_is_tried_at_once_for_a_reason() {
    // It stays open for longer than this test lasts.
    let site = Site::start_with(|text| text.replace("pause_seconds = 1\n", "pause_seconds = 700\n")).await;
    let warrant = || Warrant::new("kim", "its operator says that it is back").unwrap();
    let party = || PEER.parse().unwrap();
    let refused = site.router.try_partner(party(), warrant()).await.unwrap_err();
    assert_eq!((refused.fault, refused.cause()), (Fault::Refused, "partner-not-found"), "{refused}");

    let sent = site.service.send(super::draft(&site, site.bob.as_str()), Vec::new()).await.unwrap();
    let waits = site.wait(sent.id, |message| message.status == Status::ScheduledForResend).await;
    let awaited = site.router.awaited(&waits).expect("it waits for its partner");
    assert_eq!((awaited.partner.as_ref(), awaited.condition), (waits.partner.as_ref(), Condition::Open));
    let (until, failures) = (awaited.health.open_until, awaited.health.failures);
    assert!(awaited.health.last_failure.is_some_and(|problem| problem.cause() == "access-point-unreachable"));

    // What is refused leaves it alone.
    site.router.act(sent.id, Action::Hold, warrant()).await.unwrap();
    let refused = site.router.act(sent.id, Action::Retry, warrant()).await.unwrap_err();
    assert_eq!((refused.fault, refused.cause()), (Fault::Refused, "illegal-step"), "{refused}");
    let state = site.router.partners().into_iter().find(|state| state.partner == Some(party())).unwrap();
    // Shown by the clock on the wall, which is read anew each time.
    let second = |until: Option<sluss::model::Timestamp>| until.map(|until| until.as_second());
    assert_eq!((state.condition, second(state.health.open_until)), (Condition::Open, second(until)));
    site.router.act(sent.id, Action::Release, warrant()).await.unwrap();
    let waits = site.router.message(sent.id).await.unwrap();
    assert_eq!((waits.attempts, waits.lease_until), (1, None), "and whoever is released waits for it");

    site.router.try_partner(party(), warrant()).await.unwrap();
    let again = site.wait(sent.id, |message| message.attempts > waits.attempts && message.lease_until.is_none()).await;
    let awaited = site.router.awaited(&again).expect("it waits on");
    assert_eq!((awaited.condition, awaited.health.failures), (Condition::Open, failures + 1));
    assert_ne!(second(awaited.health.open_until), second(until), "the next pause has begun");

    let query = LogQuery { stage: Some(Stage::PartnerTried), partner: Some(party()), ..LogQuery::default() };
    let log = site.router.log(query).await.unwrap();
    let [only] = &log.events[..] else { panic!("{log:?}") };
    assert_eq!(only.event.facts["actor"], "kim");
    assert_eq!(only.event.facts["reason"], "its operator says that it is back");
    let journey = site.router.journey(sent.id).await.unwrap();
    let retried = journey.iter().find(|event| event.stage == Stage::Retried).expect("with the message as well");
    assert_eq!(retried.facts["actor"], "kim");
}

/// AP-3.4.1.t01, AP-3.2.3.c: what waits for a partner that is down is found by its name before it was packed and after it was
/// given up, and nothing says of a dead letter that it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_partner_that_is_down_and_what_ends_by_that_is_found_by_its_name() {
    let change = |text: String| {
        let text = text.replace("pause_seconds = 1\n", "pause_seconds = 6\n");
        text.replace("[breaker]\n", "[retry]\nretries = 1\ngive_up_after_seconds = 6\n\n[breaker]\n")
    };
    let site = Site::start_with(change).await;
    let send = || site.service.send(super::draft(&site, site.bob.as_str()), Vec::new());
    let tried = send().await.unwrap().id;
    site.wait(tried, |message| message.status == Status::ScheduledForResend).await;
    // More than have their turn while one is tried: each time its partner's pause is over, one asks.
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.insert(0, send().await.unwrap().id);
    }
    let found = async |statuses: Vec<Status>| {
        let query = Query { partner: Some(PEER.parse().unwrap()), statuses, ..Query::default() };
        let found = site.router.list(query).await.unwrap();
        found.iter().map(|message| message.id).collect::<Vec<MessageId>>()
    };
    assert_eq!(found(vec![Status::Submitted]).await, waiting, "none is packed");
    let all = [waiting, vec![tried]].concat();
    let mut unpacked = 0;
    for id in all.iter().copied() {
        let dead = site.wait(id, |message| message.status == Status::MessageExchangeError).await;
        assert_eq!(dead.partner.unwrap().as_str(), PEER);
        unpacked += usize::from(dead.as4_message_id.is_none());
        let journey = site.router.journey(id).await.unwrap();
        let given_up = journey.iter().find(|event| event.stage == Stage::GivenUp).unwrap();
        assert_eq!(given_up.facts["partner"], PEER);
        for problem in [dead.error.as_ref().unwrap(), given_up.problem.as_ref().unwrap()] {
            assert!(problem.given_up && !problem.detail.contains("by itself"), "{problem}");
            assert!(problem.detail.contains("sluss queue retry"), "{problem}");
        }
    }
    assert!(unpacked > 0, "some were given up without an attempt");
    assert_eq!(found(vec![Status::MessageExchangeError]).await, all);
    let (notices, _) = site.router.notices(&site.alice, None).await.unwrap();
    assert!(
        notices.len() == all.len() && notices.iter().all(|told| told.error.as_ref().unwrap().given_up),
        "{notices:?}"
    );
}
