//! A partner that is down is left alone, and an operator who knows better has it tried at once.

use super::site::{PEER, Site};
use sluss::access_point::Condition;
use sluss::model::{Fault, LogQuery, Stage, Status, Warrant};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_is_told_with_the_message_that_waits_and_is_tried_at_once_for_a_reason() {
    // It stays open for longer than this test lasts.
    let site = Site::start_with(|text| text.replace("pause_seconds = 1\n", "pause_seconds = 700\n")).await;
    let warrant = || Warrant::new("kim", "its operator says that it is back").unwrap();
    let party = || PEER.parse().unwrap();
    let refused = site.router.try_partner(party(), warrant()).await.unwrap_err();
    assert_eq!((refused.fault, refused.cause()), (Fault::Refused, "breaker-closed"), "{refused}");

    let sent = site.service.send(super::draft(&site, site.bob.as_str()), Vec::new()).await.unwrap();
    let waits = site.wait(sent.id, |message| message.status == Status::ScheduledForResend).await;
    let awaited = site.router.awaited(&waits).expect("it waits for its partner");
    assert_eq!((awaited.partner.as_ref(), awaited.condition), (waits.partner.as_ref(), Condition::Open));
    let (until, failures) = (awaited.health.open_until, awaited.health.failures);
    assert!(awaited.health.last_failure.is_some_and(|problem| problem.cause() == "access-point-unreachable"));

    site.router.try_partner(party(), warrant()).await.unwrap();
    let again = site.wait(sent.id, |message| message.attempts > waits.attempts && message.lease_until.is_none()).await;
    let awaited = site.router.awaited(&again).expect("it waits on");
    assert_eq!((awaited.condition, awaited.health.failures), (Condition::Open, failures + 1));
    assert_ne!(awaited.health.open_until, until, "the next pause has begun");

    let query = LogQuery { stage: Some(Stage::PartnerTried), partner: Some(party()), ..LogQuery::default() };
    let log = site.router.log(query).await.unwrap();
    let [only] = &log.events[..] else { panic!("{log:?}") };
    assert_eq!(only.event.facts["actor"], "kim");
    assert_eq!(only.event.facts["reason"], "its operator says that it is back");
    let journey = site.router.journey(sent.id).await.unwrap();
    let retried = journey.iter().find(|event| event.stage == Stage::Retried).expect("with the message as well");
    assert_eq!(retried.facts["actor"], "kim");
}
