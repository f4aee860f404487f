//! What is known of partners, and of those who cannot be looked up, before and after a restart.

use crate::awaited::{begin, keep, now, own};
use crate::node::{BREAKER, Process};
use sluss::access_point::rehearse::{self, Sending};
use sluss::access_point::{Condition, SendError, Unhandled};
use sluss::limits::DUE_AFTER_START_MAX;
use sluss::model::{Clock, Direction, Fault, Message, Obstacle, Problem, Timestamp};
use sluss::net::NetError;
use sluss::store::Store;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);

/// One attempt at it fails so.
fn fails(process: &Process, message: &Message, error: SendError) {
    let claimed = process.store.claim(process.clock.steady(), LEASE).unwrap().unwrap();
    assert_eq!(claimed.id, message.id);
    rehearse::sent(&process.router, &Sending::of(claimed), Err(error)).unwrap();
}

fn due(process: &Process, message: &Message) -> Timestamp {
    now(process, message).next_attempt_at.unwrap()
}

fn busy(seconds: u64) -> SendError {
    let (host, retry_after) = ("receiver.example".into(), Some(Duration::from_secs(seconds)));
    SendError::Net(NetError::Status { host, status: 503, retry_after })
}

fn down() -> SendError {
    SendError::Net(NetError::Connect { host: "receiver.example".into(), reason: "refused".into() })
}

#[test]
fn who_asked_to_be_left_alone_until_a_time_is_left_alone_until_then_over_a_restart() {
    let (disk, clock, process) = begin();
    let asked = own(&process, Direction::Out);
    keep(&process, &asked);
    fails(&process, &asked, busy(2 * 60 * 60));
    let begun = process.clock.steady();
    let hours = |at: Timestamp| Duration::try_from(at.duration_since(begun)).unwrap().as_secs() / 3600;
    assert_eq!(hours(due(&process, &asked)), 2);
    drop(process);
    clock.pass(60_000);
    let process = Process::start(&disk, &clock).unwrap();
    assert_eq!(hours(due(&process, &asked)), 2);

    // What comes next is no word of the partner: it is tried soon after a start.
    clock.pass(3 * 60 * 60 * 1000);
    fails(&process, &asked, down());
    drop(process);
    let process = Process::start(&disk, &clock).unwrap();
    assert!(due(&process, &asked) <= process.clock.steady() + DUE_AFTER_START_MAX);
}

#[test]
fn who_did_not_answer_before_a_restart_is_left_alone_for_a_pause_and_asked_by_one_message() {
    let (disk, clock, process) = begin();
    let (first, second) = (own(&process, Direction::Out), own(&process, Direction::Out));
    keep(&process, &first);
    fails(&process, &first, down());
    keep(&process, &second);
    drop(process);
    let process = Process::start(&disk, &clock).unwrap();
    let [partner] = &process.router.partners()[..] else { panic!("one waits") };
    assert_eq!((partner.condition, partner.partner.as_ref()), (Condition::Open, first.partner.as_ref()));
    clock.pass_for(DUE_AFTER_START_MAX.min(BREAKER.first_pause / 2));
    assert!(rehearse::claim(&process.router).unwrap().is_none(), "not even what has just come");
    clock.pass_for(BREAKER.first_pause + DUE_AFTER_START_MAX);
    let asks = rehearse::claim(&process.router).unwrap().expect("one asks");
    assert!(rehearse::claim(&process.router).unwrap().is_none());
    let receipt = serde_json::from_value(serde_json::json!({
        "signed_by": "", "certificate_sha256": "", "signature": "", "references_matched": true, "soap": "",
    }));
    rehearse::sent(&process.router, &Sending::of(asks), Ok(receipt.unwrap())).unwrap();
    assert!(rehearse::claim(&process.router).unwrap().is_some(), "it is back");
    drop(process);
    let process = Process::start(&disk, &clock).unwrap();
    assert!(
        process.router.partners().iter().all(|partner| partner.condition == Condition::Open),
        "the first still failed last"
    );
}

/// A look-up fails for all that waits for a participant, and one message finds out when it does not any more.
#[test]
fn what_cannot_be_looked_up_is_tried_by_one_message_of_a_participant_and_our_own_faults_keep_nobody_waiting() {
    let (_disk, clock, process) = begin();
    let all: Vec<Message> = (0..20).map(|_| own(&process, Direction::In)).collect();
    let looked = |by| {
        let claimed = rehearse::claim(&process.router).unwrap()?;
        let problem = Problem::new(Fault::Temporary, "smp-unreachable", "x", "y");
        rehearse::looked(&process.router, &claimed, Err(Unhandled { by, problem })).unwrap();
        Some(claimed)
    };
    all.iter().for_each(|one| keep(&process, one));
    for by in [[Obstacle::Own; 6].as_slice(), &[Obstacle::Lookup; 3]].concat() {
        looked(by).expect("a fault of our own says nothing of others, and one look-up not enough");
    }
    assert!(looked(Obstacle::Lookup).is_none(), "the others wait");
    for _ in 0..5 {
        clock.pass_for(BREAKER.first_pause);
        looked(Obstacle::Lookup).expect("one asks, and the pauses do not grow");
        assert!(looked(Obstacle::Lookup).is_none());
    }
    assert!(process.router.partners().is_empty(), "it is no partner");
    rehearse::give_up_overdue(&process.router).unwrap();
    clock.pass_for(BREAKER.first_pause);
    let asks = rehearse::claim(&process.router).unwrap().unwrap();
    rehearse::looked(&process.router, &asks, Ok(asks.envelope_id.clone())).unwrap();
    let claims = std::iter::from_fn(|| rehearse::claim(&process.router).unwrap());
    assert_eq!(claims.count(), sluss::limits::LANE_STEPS_AT_ONCE_MAX, "they go as ever");
}
