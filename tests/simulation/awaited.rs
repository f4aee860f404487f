//! Message receipts that never come, or never leave: by the clock, on the real store and the real decisions.

use crate::chance::Chance;
use crate::disk::SimDisk;
use crate::node::{CARL, DORA, MESSAGE_RECEIPT, Process, SimClock, ebms, message, packing};
use sluss::access_point::rehearse::{self, Sending};
use sluss::access_point::{Action, SendError};
use sluss::as4::ReceiptError;
use sluss::model::{As4ReceiptSummary, Carriage, Change, Direction, Event, Message, Outcome, Stage, Status, Warrant};
use sluss::store::{Settlement, Store, Transaction};
use std::sync::Arc;

const HOUR: i64 = 60 * 60 * 1000;

pub(crate) fn begin() -> (SimDisk, Arc<SimClock>, Process) {
    let (disk, clock) = (SimDisk::new(Chance::new(1)), SimClock::new());
    let process = Process::start(&disk, &clock).unwrap();
    (disk, clock, process)
}

/// A message of our own, packed.
pub(crate) fn own(process: &Process, direction: Direction) -> Message {
    let out = direction == Direction::Out;
    let blob = process.keep(b"sealed").unwrap();
    Message {
        carriage: Carriage::Own,
        status: if out { Status::Submitted } else { Status::Received },
        from: CARL.parse().unwrap(),
        to: DORA.parse().unwrap(),
        partner: out.then(|| "AP0007-LIVE".parse().unwrap()),
        as4_message_id: Some(format!("{}@awaited", crate::random::name()).parse().unwrap()),
        packed: out.then(packing),
        ..message(out, crate::random::name(), blob, b"sealed", &process.clock)
    }
}

pub(crate) fn keep(process: &Process, message: &Message) {
    let transaction = Transaction { inserts: vec![message.clone()], ..Transaction::default() };
    process.store.commit(transaction).unwrap();
}

pub(crate) fn now(process: &Process, message: &Message) -> Message {
    process.store.message(message.id).unwrap().unwrap()
}

/// One attempt.
pub(crate) fn attempt(process: &Process, message: &Message, result: Result<(), SendError>) {
    let claimed = rehearse::claim(&process.router).unwrap().unwrap();
    assert_eq!(claimed.id, message.id);
    let receipt = As4ReceiptSummary {
        signed_by: String::new(),
        certificate_sha256: String::new(),
        signature: String::new(),
        references_matched: true,
        sent_at: None,
        sent_until: None,
        soap: String::new(),
    };
    rehearse::sent(&process.router, &Sending::of(claimed), result.map(|()| receipt)).unwrap();
}

fn refused() -> SendError {
    SendError::Answer(ReceiptError::Refused { errors: vec![ebms("EBMS:0103", "not accepted")], signed: true })
}

fn settle(process: &Process, message: &Message, outcome: Outcome, changes: Vec<Change>) {
    let settlement = Settlement { id: message.id, claim: None, release: true, outcome: Some(outcome), changes };
    let transaction = Transaction { settlements: vec![settlement], ..Transaction::default() };
    process.store.commit(transaction).unwrap();
}

fn given_up(process: &Process, message: &Message) -> Vec<Event> {
    let events = process.store.events(message.id).unwrap();
    events.into_iter().filter(|event| event.stage == Stage::GivenUp).collect()
}

fn operate(process: &Process, message: &Message, action: Action) {
    let warrant = Warrant::new("operator", "the partner is back").unwrap();
    rehearse::act(&process.router, message.id, action, &warrant).unwrap();
}

#[test]
fn a_message_whose_message_receipt_never_comes_ends_when_its_time_has_passed_and_a_late_one_counts() {
    let (disk, clock, process) = begin();
    let sent = own(&process, Direction::Out);
    keep(&process, &sent);
    clock.pass(20 * HOUR);
    attempt(&process, &sent, Ok(()));
    let wait = i64::try_from(MESSAGE_RECEIPT.as_millis()).unwrap();

    // Neither a clock that is set, nor the time that it took to arrive, nor one in which nothing ran, is a time of waiting.
    clock.pass(wait - HOUR);
    clock.jump(40 * 24 * HOUR);
    rehearse::give_up_overdue(&process.router).unwrap();
    assert_eq!(now(&process, &sent).status, Status::WaitingForReceipt);
    drop(process);
    clock.pass(30 * 24 * HOUR);
    let process = Process::start(&disk, &clock).unwrap();
    rehearse::give_up_overdue(&process.router).unwrap();
    assert_eq!(now(&process, &sent).status, Status::WaitingForReceipt);

    clock.pass(wait);
    rehearse::give_up_overdue(&process.router).unwrap();
    let ended = now(&process, &sent);
    let problem = ended.error.clone().unwrap();
    assert_eq!((ended.status, problem.cause()), (Status::MessageExchangeError, "message-receipt-missing"));
    assert_eq!(problem.rule.as_deref(), Some("API-ST.t04"));
    assert!(problem.detail.contains("168 h") && problem.detail.contains("ask the recipient"), "{problem}");
    assert!(ended.has_notice() && ended.is_over(), "its sender is told, and nothing is due: {ended:?}");
    let [event] = &given_up(&process, &sent)[..] else { panic!("its journey says once why it ended") };
    assert_eq!(event.problem, Some(problem));
    rehearse::give_up_overdue(&process.router).unwrap();
    assert_eq!(given_up(&process, &sent).len(), 1, "what has ended is not ended again");

    settle(&process, &sent, Outcome::Confirm, vec![Change::Error(None)]);
    let answered = now(&process, &sent);
    assert_eq!((answered.status, answered.error, given_up(&process, &sent).len()), (Status::Accepted, None, 1));
}

#[test]
fn many_that_await_their_message_receipt_are_ended_in_steps_and_those_that_are_younger_stay() {
    let (_disk, clock, process) = begin();
    let waiting = |many: usize| {
        let all: Vec<Message> = (0..many).map(|_| own(&process, Direction::Out)).collect();
        for one in &all {
            keep(&process, one);
            attempt(&process, one, Ok(()));
        }
        all
    };
    let step = sluss::limits::UNANSWERED_ENDED_MAX;
    let old = waiting(2 * step + 20);
    clock.pass(HOUR);
    let young = waiting(30);
    clock.pass(i64::try_from(MESSAGE_RECEIPT.as_millis()).unwrap() - HOUR);
    let ended = |all: &[Message]| all.iter().filter(|one| now(&process, one).status.is_final()).count();
    for expected in [step, 2 * step, old.len()] {
        let syncs = process.store.syncs();
        let more = rehearse::give_up_overdue(&process.router).unwrap();
        assert_eq!(
            (ended(&old), ended(&young), more),
            (expected, 0, expected < old.len()),
            "the next step follows at once"
        );
        assert!(process.store.syncs() <= syncs + 1, "all of one step share a sync");
    }
    assert!(old[..step].iter().all(|one| now(&process, one).updated_at <= now(&process, &old[step]).updated_at));
}

#[test]
fn a_received_message_ends_with_its_message_receipt_and_is_new_once_that_has_arrived_after_all() {
    let (_disk, _clock, process) = begin();
    let answer = |word: &str, outcome| {
        let received = own(&process, Direction::In);
        keep(&process, &received);
        settle(&process, &received, outcome, vec![Change::MessageReceipt(word.into()), Change::Due(None)]);
        let acknowledges = Some(received.envelope_id.clone());
        let (from, to) = (received.to.clone(), received.from.clone());
        let receipt = Message { acknowledges, from, to, ..own(&process, Direction::Out) };
        keep(&process, &receipt);
        (received, receipt)
    };
    let (received, receipt) = answer("ACCEPTED", Outcome::Open);
    attempt(&process, &receipt, Err(refused()));
    assert_eq!(now(&process, &receipt).status, Status::MessageExchangeError);
    let dead = now(&process, &received);
    let problem = dead.error.clone().unwrap();
    assert_eq!((dead.status, problem.cause()), (Status::Error, "message-receipt-not-sent"));
    assert!(problem.detail.contains(&format!("sluss queue retry {}", receipt.id)), "{problem}");
    assert_eq!(given_up(&process, &received).len(), 1);
    assert!(!Action::Retry.is_open_to(&dead), "it was opened: what is tried again is its message receipt");
    operate(&process, &receipt, Action::Retry);
    attempt(&process, &receipt, Ok(()));
    let there = now(&process, &received);
    assert_eq!((there.status, there.error), (Status::New, None));

    let (received, receipt) = answer("ACCEPTED", Outcome::Open);
    operate(&process, &receipt, Action::Cancel);
    assert_eq!(now(&process, &received).status, Status::Error, "an operator ends a message receipt as well");

    let (received, receipt) = answer("REJECTED", Outcome::Fail);
    attempt(&process, &receipt, Ok(()));
    assert_eq!(now(&process, &receipt).status, Status::Acknowledge);
    assert_eq!(now(&process, &received).status, Status::Error, "what was rejected is not there to be read");
}
