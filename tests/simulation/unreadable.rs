//! A message that the disk does not give any more keeps no other waiting, and a read that fails is no damage.

use crate::awaited::{attempt, begin, keep, now, own};
use crate::node::{MESSAGE_RECEIPT, Process};
use sluss::access_point::SendError;
use sluss::access_point::rehearse::{self, Sending};
use sluss::limits::{CLAIM_LEASE, UNREADABLE_PAUSE};
use sluss::model::{Clock, Direction, Message, Status};
use sluss::net::NetError;
use sluss::store::{Making, Store, StoreError};

#[test]
fn a_message_that_cannot_be_read_is_passed_over_and_read_again_later() {
    let (disk, clock, process) = begin();
    let all: Vec<Message> = (0..3).map(|_| own(&process, Direction::Out)).collect();
    all.iter().for_each(|one| keep(&process, one));
    let taken = || {
        let now = process.clock.steady();
        let claims = std::iter::from_fn(|| process.store.claim(now, CLAIM_LEASE).unwrap());
        claims.map(|claimed| all.iter().position(|one| one.id == claimed.id).unwrap()).collect::<Vec<_>>()
    };
    disk.unreadable(Some(all[0].id));
    assert_eq!(taken(), [1, 2]);
    disk.unreadable(None);
    assert!(taken().is_empty(), "it is left for a while");
    clock.pass_for(UNREADABLE_PAUSE);
    assert_eq!(taken(), [0]);
}

/// What is to be given up, too, and where it is another message that cannot be read: the one that a message receipt answers.
#[test]
fn what_is_overdue_is_given_up_though_one_of_it_or_what_one_answers_cannot_be_read() {
    for hurt_is_answered in [false, true] {
        let (disk, clock, process) = begin();
        let received = own(&process, Direction::In);
        keep(&process, &received);
        let envelope = received.envelope_id.clone();
        let all: Vec<Message> = (0..5)
            .map(|n| Message {
                acknowledges: (n == 2).then(|| envelope.clone()),
                from: received.to.clone(),
                to: received.from.clone(),
                ..own(&process, Direction::Out)
            })
            .collect();
        all.iter().for_each(|one| keep(&process, one));
        let asks = rehearse::claim(&process.router).unwrap().unwrap();
        let down = SendError::Net(NetError::Connect { host: "receiver.example".into(), reason: "refused".into() });
        rehearse::sent(&process.router, &Sending::of(asks), Err(down)).unwrap();
        clock.pass(25 * 60 * 60 * 1000);

        disk.unreadable(Some(if hurt_is_answered { received.id } else { all[2].id }));
        rehearse::give_up_overdue(&process.router).unwrap();
        disk.unreadable(None);
        let ended: Vec<usize> =
            (0..5).filter(|n| now(&process, &all[*n]).status == Status::MessageExchangeError).collect();
        assert_eq!(ended, [0, 1, 3, 4], "{hurt_is_answered}");
        assert_eq!(now(&process, &all[2]).lease_until, None, "nobody holds it");
        clock.pass_for(UNREADABLE_PAUSE);
        rehearse::give_up_overdue(&process.router).unwrap();
        assert_eq!(now(&process, &all[2]).status, Status::MessageExchangeError);
    }
}

#[test]
fn what_got_no_message_receipt_is_ended_though_one_of_it_cannot_be_read() {
    let (disk, clock, process) = begin();
    let all: Vec<Message> = (0..3).map(|_| own(&process, Direction::Out)).collect();
    for one in &all {
        keep(&process, one);
        attempt(&process, one, Ok(()));
    }
    clock.pass_for(MESSAGE_RECEIPT);
    let ended = || (0..3).filter(|n| now(&process, &all[*n]).status.is_final()).collect::<Vec<usize>>();
    disk.unreadable(Some(all[0].id));
    rehearse::give_up_overdue(&process.router).unwrap();
    disk.unreadable(None);
    assert_eq!(ended(), [1, 2]);
    rehearse::give_up_overdue(&process.router).unwrap();
    assert_eq!(ended(), [0, 1, 2]);
}

/// Reads that fail, in the middle of a segment as well, and whatever else a start asks of the disk.
#[test]
fn one_failure_of_the_disk_at_any_step_of_a_start_is_said_as_such_and_the_next_start_has_everything() {
    let mut failed = 0;
    for steps in 1.. {
        let (disk, clock, process) = begin();
        let all: Vec<Message> = (0..12).map(|_| own(&process, Direction::Out)).collect();
        all.iter().for_each(|one| keep(&process, one));
        drop(process);
        let disk = disk.reopened();
        disk.fail_after(steps);
        let started = Process::start_making(&disk, &clock, Making::Anew);
        if !disk.failed() {
            assert!(started.is_ok());
            break;
        }
        match started.map(drop) {
            Ok(()) => {}
            Err(StoreError::Io { .. }) => failed += 1,
            Err(error) => panic!("{steps}: {error}"),
        }
        let process = Process::start(&disk.restart(false), &clock).unwrap();
        assert!(all.iter().all(|one| process.store.message(one.id).unwrap().as_ref() == Some(one)), "{steps}");
    }
    assert!(failed > 20, "{failed}");
}
