//! What every store promises.

use crate::lists::{
    a_message_is_found_by_any_of_its_ids, a_page_goes_on_where_looking_for_it_became_too_much,
    a_rare_event_is_found_behind_very_many_others, dead_letters_of_a_cause_are_counted_until_each_was_dealt_with,
    lists_are_newest_first_and_filtered_and_paged, the_whole_event_log_is_newest_first_and_filtered_and_paged,
    what_waits_for_an_access_point_is_listed_as_its_own, what_waits_is_counted_by_partner_and_participant_with_its_age,
    what_was_not_sent_is_told_its_sender_until_it_is_sent_or_confirmed,
};
use crate::turns::{
    a_higher_priority_goes_first_and_a_lower_one_is_not_left_behind,
    a_lane_that_is_full_or_pauses_delays_no_other_and_goes_on_when_it_may,
    messages_wait_in_the_lane_of_the_access_point_that_is_found,
    priorities_of_one_partner_or_participant_delay_no_other, who_has_much_waiting_delays_nobody_else,
    who_waits_for_room_goes_in_the_order_of_coming,
};
use crate::{duplicate, insert, message, open_with, settle, with_envelope};
use sluss::model::{
    As4ReceiptSummary, Change, Content, Direction, Event, Fault, Message, MessageId, Outcome, Problem, Stage, Status,
    Timestamp,
};
use sluss::store::keys::Engine;
use sluss::store::{Committed, Settlement, Store, StoreError, Transaction};
use std::io::Write;
use std::time::Duration;

/// Opens the same store again and again, one at a time.
pub(crate) type Open<'a> = &'a dyn Fn() -> Box<dyn Store>;

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&|| Box::new(super::open_with(super::Engine::Lsm, folder.path()).0));
            })*
        }
        mod embedded_on_sled {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&|| Box::new(super::open_with(super::Engine::Sled, folder.path()).0));
            })*
        }
    };
}

on_every_store!(
    a_message_is_found_again_after_reopening,
    a_duplicate_is_reported_and_nothing_of_it_happens,
    an_illegal_step_never_reaches_the_disk,
    a_transaction_with_one_illegal_step_does_nothing_at_all,
    a_claimed_message_is_nobody_elses,
    a_lease_that_ends_frees_its_message,
    a_claim_that_another_took_over_is_lost,
    a_claim_does_not_outlive_the_process,
    the_longest_due_message_is_claimed_first,
    a_message_without_next_attempt_is_never_due,
    noting_progress_keeps_the_claim,
    a_message_receipt_that_overtakes_the_as4_receipt_keeps_both,
    a_late_failure_does_not_start_final_messages_again,
    lists_are_newest_first_and_filtered_and_paged,
    a_message_is_found_by_any_of_its_ids,
    a_page_goes_on_where_looking_for_it_became_too_much,
    dead_letters_of_a_cause_are_counted_until_each_was_dealt_with,
    what_waits_is_counted_by_partner_and_participant_with_its_age,
    what_waits_for_an_access_point_is_listed_as_its_own,
    events_come_in_order_and_refusals_latest_first,
    a_rare_event_is_found_behind_very_many_others,
    the_whole_event_log_is_newest_first_and_filtered_and_paged,
    counts_follow_every_step,
    an_uncommitted_payload_vanishes,
    a_payload_is_removed_with_its_last_reference,
    a_transaction_that_fails_takes_its_payloads_with_it_and_no_others,
    what_waits_comes_oldest_first_and_page_by_page_however_much_was_taken,
    what_was_not_sent_is_told_its_sender_until_it_is_sent_or_confirmed,
    the_same_message_is_inserted_once,
    who_has_much_waiting_delays_nobody_else,
    a_higher_priority_goes_first_and_a_lower_one_is_not_left_behind,
    priorities_of_one_partner_or_participant_delay_no_other,
    a_lane_that_is_full_or_pauses_delays_no_other_and_goes_on_when_it_may,
    messages_wait_in_the_lane_of_the_access_point_that_is_found,
    who_waits_for_room_goes_in_the_order_of_coming,
    one_envelope_of_one_sender_makes_one_message_however_many_hand_it_in_at_once,
    the_same_envelope_id_of_many_senders_is_known_of_each,
    an_unknown_message_cannot_be_settled,
    an_operator_waits_for_the_end_of_an_attempt,
    what_is_held_is_not_due_until_it_is_released,
);

pub(crate) fn done(outcome: Result<Committed, StoreError>) {
    assert!(matches!(outcome, Ok(Committed::Done)), "{outcome:?}");
}

pub(crate) fn take(store: &dyn Store, lease_seconds: u64) -> Option<Message> {
    store.claim(Timestamp::now(), Duration::from_secs(lease_seconds)).unwrap()
}

pub(crate) fn settlement(message: &Message, outcome: Option<Outcome>) -> Settlement {
    Settlement { id: message.id, claim: message.lease_until, release: true, outcome, changes: Vec::new() }
}

fn act(
    store: &dyn Store,
    message: &Message,
    outcome: Outcome,
    due: Option<Timestamp>,
) -> Result<Committed, StoreError> {
    let changes = vec![Change::Due(due)];
    store.commit(settle(Settlement { id: message.id, claim: None, release: false, outcome: Some(outcome), changes }))
}

fn an_operator_waits_for_the_end_of_an_attempt(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let claimed = take(&*store, 60).unwrap();
    for outcome in [Outcome::Cancel, Outcome::Suspend, Outcome::Retry] {
        let refused = act(&*store, &sent, outcome, None);
        assert!(matches!(refused, Err(StoreError::Busy(id)) if id == sent.id), "{refused:?}");
    }
    done(store.commit(settle(settlement(&claimed, Some(Outcome::Defer)))));
    let stuck = take(&*store, 0).unwrap();
    done(act(&*store, &sent, Outcome::Cancel, None));
    assert_eq!(store.message(sent.id).unwrap().unwrap().status, Status::MessageExchangeError);
    let late = store.commit(settle(settlement(&stuck, Some(Outcome::Defer))));
    assert!(matches!(late, Err(StoreError::ClaimLost(_))), "{late:?}");
}

fn what_is_held_is_not_due_until_it_is_released(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let refused = act(&*store, &sent, Outcome::Resume, Some(Timestamp::now()));
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "what is not held is not released: {refused:?}");
    done(act(&*store, &sent, Outcome::Suspend, None));
    drop(store);
    let store = open();
    assert!(take(&*store, 60).is_none() && store.message(sent.id).unwrap().unwrap().is_held());
    let refused = act(&*store, &sent, Outcome::Retry, Some(Timestamp::now()));
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "what is held is released first: {refused:?}");
    done(act(&*store, &sent, Outcome::Resume, Some(Timestamp::now())));
    assert_eq!(take(&*store, 60).unwrap().id, sent.id);
}

fn a_message_is_found_again_after_reopening(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    assert_eq!(store.message(sent.id).unwrap().as_ref(), Some(&sent));
    drop(store);
    let store = open();
    assert_eq!(store.message(sent.id).unwrap().as_ref(), Some(&sent));
    assert!(store.message(MessageId::now()).unwrap().is_none());
}

fn a_duplicate_is_reported_and_nothing_of_it_happens(open: Open<'_>) {
    let store = open();
    let (key, answer) = duplicate(1);
    let first = message();
    done(store.commit(Transaction { answered: Some((key.clone(), answer.clone())), ..insert(&first) }));
    let again = message();
    let mut other = answer.clone();
    other.body = "another".into();
    let event = Event::new(Timestamp::now(), Some(again.id), Stage::Received, "again");
    let mut store = store;
    for round in 0..2 {
        if round == 1 {
            drop(store);
            store = open();
        }
        let transaction =
            Transaction { answered: Some((key.clone(), other.clone())), events: vec![event.clone()], ..insert(&again) };
        match store.commit(transaction).unwrap() {
            Committed::Duplicate { first, again: came } => {
                assert_eq!((first, came), (answer.clone(), vec![again.clone()]), "it is handed back");
            }
            Committed::Done => panic!("a duplicate was taken for new"),
        }
        assert!(store.message(again.id).unwrap().is_none());
        assert!(store.events(again.id).unwrap().is_empty());
        assert_eq!(store.answered(&key).unwrap().as_ref(), Some(&answer));
        assert_eq!(store.counts().unwrap().by_status.iter().map(|count| count.messages).sum::<u64>(), 1);
        // The same id from another access point is another message.
        let mut elsewhere = key.clone();
        elsewhere.from = "AP0003-TESTBED".parse().unwrap();
        assert!(store.answered(&elsewhere).unwrap().is_none());
    }
}

fn an_illegal_step_never_reaches_the_disk(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let outcome = store.commit(settle(settlement(&sent, Some(Outcome::Take))));
    assert!(
        matches!(outcome, Err(StoreError::Illegal(step)) if step.status == Status::Submitted && step.outcome == Outcome::Take),
        "{outcome:?}"
    );
    assert_eq!(store.message(sent.id).unwrap().as_ref(), Some(&sent));
    drop(store);
    assert_eq!(open().message(sent.id).unwrap().as_ref(), Some(&sent));
}

fn a_transaction_with_one_illegal_step_does_nothing_at_all(open: Open<'_>) {
    let (one, two, three) = (message(), message(), message());
    let store = open();
    done(store.commit(Transaction { inserts: vec![one.clone(), two.clone()], ..Transaction::default() }));
    let claimed = take(&*store, 60).unwrap();
    assert_eq!(claimed.id, one.id);
    let (key, answer) = duplicate(1);
    let transaction = Transaction {
        inserts: vec![three.clone()],
        answered: Some((key.clone(), answer)),
        settlements: vec![settlement(&claimed, Some(Outcome::Delivered)), settlement(&two, Some(Outcome::Open))],
        events: vec![Event::new(Timestamp::now(), Some(one.id), Stage::Receipted, "no")],
        ..Transaction::default()
    };
    assert!(matches!(store.commit(transaction), Err(StoreError::Illegal(_))));
    assert!(store.message(three.id).unwrap().is_none());
    assert!(store.answered(&key).unwrap().is_none());
    assert!(store.events(one.id).unwrap().is_empty());
    assert_eq!(store.message(one.id).unwrap().unwrap().status, Status::Submitted);
    // The claim holds on.
    done(store.commit(settle(settlement(&claimed, Some(Outcome::Delivered)))));
}

fn a_claimed_message_is_nobody_elses(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let claimed = take(&*store, 60).unwrap();
    assert_eq!(claimed.id, sent.id);
    assert!(claimed.lease_until.is_some());
    assert!(take(&*store, 60).is_none());
    assert_eq!(store.next_due().unwrap(), claimed.lease_until);
    assert_eq!(store.message(sent.id).unwrap().unwrap().lease_until, claimed.lease_until);
}

fn a_lease_that_ends_frees_its_message(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let (now, lease) = (Timestamp::now(), Duration::from_secs(60));
    let first = store.claim(now, lease).unwrap().unwrap();
    assert!(store.claim(now + Duration::from_secs(59), lease).unwrap().is_none());
    let second = store.claim(now + lease, lease).unwrap().unwrap();
    assert_eq!(second.id, first.id);
    assert!(second.lease_until > first.lease_until);
}

fn a_claim_that_another_took_over_is_lost(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let (now, lease) = (Timestamp::now(), Duration::from_secs(60));
    let first = store.claim(now, lease).unwrap().unwrap();
    let second = store.claim(now + lease, lease).unwrap().unwrap();
    let lost = store.commit(settle(settlement(&first, Some(Outcome::GiveUp))));
    assert!(matches!(lost, Err(StoreError::ClaimLost(id)) if id == sent.id), "{lost:?}");
    done(store.commit(settle(settlement(&second, Some(Outcome::Receipted)))));
    let again = store.commit(settle(settlement(&second, Some(Outcome::Receipted))));
    assert!(matches!(again, Err(StoreError::ClaimLost(_))), "a claim serves once: {again:?}");
}

fn a_claim_does_not_outlive_the_process(open: Open<'_>) {
    let sent = message();
    let store = open();
    done(store.commit(insert(&sent)));
    let claimed = take(&*store, 3600).unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.message(sent.id).unwrap().unwrap().lease_until, None);
    let lost = store.commit(settle(settlement(&claimed, Some(Outcome::Delivered))));
    assert!(matches!(lost, Err(StoreError::ClaimLost(_))), "{lost:?}");
    assert_eq!(take(&*store, 60).unwrap().id, sent.id);
}

fn the_longest_due_message_is_claimed_first(open: Open<'_>) {
    let now = Timestamp::now();
    let at =
        |seconds: i64| Message { next_attempt_at: Some(now + jiff::SignedDuration::from_secs(seconds)), ..message() };
    let (later, earliest, early, future) = (at(-10), at(-30), at(-20), at(600));
    let store = open();
    for one in [&later, &earliest, &early, &future] {
        done(store.commit(insert(one)));
    }
    drop(store);
    let store = open();
    let claimed: Vec<MessageId> = std::iter::from_fn(|| take(&*store, 60)).map(|message| message.id).collect();
    assert_eq!(claimed, [earliest.id, early.id, later.id]);
    let due = store.next_due().unwrap().unwrap();
    assert!(due < future.next_attempt_at.unwrap(), "the first lease ends before the future message is due");
}

fn a_message_without_next_attempt_is_never_due(open: Open<'_>) {
    let store = open();
    done(store.commit(insert(&Message { next_attempt_at: None, ..message() })));
    assert_eq!(store.next_due().unwrap(), None);
    assert!(store.claim(Timestamp::MAX, Duration::from_secs(1)).unwrap().is_none());
}

fn noting_progress_keeps_the_claim(open: Open<'_>) {
    let store = open();
    done(store.commit(insert(&message())));
    let claimed = take(&*store, 60).unwrap();
    let noted = Change::Attempts(1);
    done(store.commit(settle(Settlement { release: false, changes: vec![noted], ..settlement(&claimed, None) })));
    assert!(take(&*store, 60).is_none(), "the claim was given up by a note of progress");
    let changes = vec![Change::Due(Some(Timestamp::now()))];
    done(store.commit(settle(Settlement { changes, ..settlement(&claimed, Some(Outcome::Defer)) })));
    let next = take(&*store, 60).unwrap();
    assert_eq!((next.id, next.status, next.attempts), (claimed.id, Status::ScheduledForResend, 1));
}

fn a_message_receipt_that_overtakes_the_as4_receipt_keeps_both(open: Open<'_>) {
    let store = open();
    let sent = message();
    done(store.commit(insert(&sent)));
    let claimed = take(&*store, 60).unwrap();
    let changes = vec![Change::MessageReceipt("ACCEPTED".into()), Change::Due(None)];
    done(store.commit(settle(Settlement { claim: None, changes, ..settlement(&sent, Some(Outcome::Confirm)) })));
    assert_eq!(
        store.message(sent.id).unwrap().unwrap().lease_until,
        claimed.lease_until,
        "the claim of the worker stands"
    );
    let proof = As4ReceiptSummary {
        signed_by: "CN".into(),
        certificate_sha256: "0".into(),
        signature: "1".into(),
        references_matched: true,
        sent_at: None,
        sent_until: None,
        soap: "<s/>".into(),
    };
    let changes = vec![Change::As4Receipt(proof.clone()), Change::Due(Some(Timestamp::now()))];
    done(store.commit(settle(Settlement { changes, ..settlement(&claimed, Some(Outcome::Receipted)) })));
    let found = store.message(sent.id).unwrap().unwrap();
    assert_eq!(
        (found.status, found.message_receipt.as_deref(), found.as4_receipt),
        (Status::Accepted, Some("ACCEPTED"), Some(proof))
    );
    assert_eq!(found.next_attempt_at, None);
}

fn a_late_failure_does_not_start_final_messages_again(open: Open<'_>) {
    let store = open();
    let sent = message();
    done(store.commit(insert(&sent)));
    let claimed = take(&*store, 60).unwrap();
    let changes = vec![Change::Due(None)];
    done(store.commit(settle(Settlement { claim: None, changes, ..settlement(&sent, Some(Outcome::Confirm)) })));
    let problem = Problem::new(Fault::Temporary, "unreachable", "unreachable", "nobody there");
    let changes = vec![Change::Due(Some(Timestamp::now())), Change::Error(Some(problem)), Change::Attempts(2)];
    done(store.commit(settle(Settlement { changes, ..settlement(&claimed, Some(Outcome::Defer)) })));
    let found = store.message(sent.id).unwrap().unwrap();
    assert_eq!((found.status, found.next_attempt_at, found.error, found.attempts), (Status::Accepted, None, None, 2));
    assert!(take(&*store, 60).is_none());
}

fn events_come_in_order_and_refusals_latest_first(open: Open<'_>) {
    let store = open();
    let sent = message();
    let at = Timestamp::now();
    let event = |message, n: u32| Event::new(at, message, Stage::Routed, format!("{n}")).fact("n", n);
    done(store.commit(Transaction {
        events: vec![event(Some(sent.id), 1), event(Some(sent.id), 2), event(None, 3)],
        ..insert(&sent)
    }));
    done(store.commit(Transaction { events: vec![event(None, 4), event(Some(sent.id), 5)], ..Transaction::default() }));
    let details = |events: Vec<Event>| events.into_iter().map(|event| event.detail).collect::<Vec<_>>();
    assert_eq!(details(store.events(sent.id).unwrap()), ["1", "2", "5"]);
    assert_eq!(details(store.refusals(10).unwrap()), ["4", "3"]);
    assert_eq!(details(store.refusals(1).unwrap()), ["4"]);
    drop(store);
    assert_eq!(open().events(sent.id).unwrap()[1], event(Some(sent.id), 2));
}

fn counts_follow_every_step(open: Open<'_>) {
    let store = open();
    let sent: Vec<Message> = (0..3).map(|_| message()).collect();
    done(store.commit(Transaction { inserts: sent.clone(), ..Transaction::default() }));
    done(store.commit(settle(settlement(&sent[0], Some(Outcome::Receipted)))));
    done(store.commit(settle(settlement(&sent[1], Some(Outcome::Defer)))));
    let counts = |store: &dyn Store| {
        let found = store.counts().unwrap();
        assert!(found.free_bytes > 0 && found.journal_records == 3);
        found
            .by_status
            .into_iter()
            .map(|count| (count.direction, count.status, count.messages, count.oldest))
            .collect::<Vec<_>>()
    };
    let expected = vec![
        (Direction::Out, Status::Submitted, 1, Some(sent[2].created_at)),
        (Direction::Out, Status::ScheduledForResend, 1, Some(sent[1].created_at)),
        (Direction::Out, Status::WaitingForReceipt, 1, Some(sent[0].created_at)),
    ];
    assert_eq!(counts(&*store), expected);
    drop(store);
    assert_eq!(counts(&*open()), expected);
}

fn an_uncommitted_payload_vanishes(open: Open<'_>) {
    let store = open();
    let mut writer = store.blobs().create(Some(3)).unwrap();
    writer.write_all(b"abc").unwrap();
    assert_eq!(writer.bytes(), 3);
    assert_eq!(std::io::read_to_string(writer.reopen().unwrap()).unwrap(), "abc");
    drop(writer);
    let mut kept = store.blobs().create(None).unwrap();
    kept.write_all(b"kept").unwrap();
    let id = kept.commit().unwrap();
    assert_eq!(std::io::read_to_string(store.blobs().open(id).unwrap()).unwrap(), "kept");
    assert_eq!(store.blobs().bytes(id).unwrap(), 4);
    done(store.commit(insert(&with_envelope(id))));
    let mut orphan = store.blobs().create(None).unwrap();
    orphan.write_all(b"orphan").unwrap();
    let orphan = orphan.commit().unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.blobs().bytes(id).unwrap(), 4);
    assert!(store.blobs().open(orphan).is_err(), "a payload that no message refers to is removed at the start");
}

fn a_payload_is_removed_with_its_last_reference(open: Open<'_>) {
    let store = open();
    let id = store.blobs().create(None).unwrap().commit().unwrap();
    let (one, two) = (with_envelope(id), with_envelope(id));
    done(store.commit(Transaction { inserts: vec![one.clone(), two.clone()], ..Transaction::default() }));
    done(
        store.commit(settle(Settlement {
            changes: vec![Change::EnvelopeGone],
            ..settlement(&one, Some(Outcome::GiveUp))
        })),
    );
    assert!(store.blobs().open(id).is_ok(), "another message still refers to it");
    done(
        store.commit(settle(Settlement {
            changes: vec![Change::EnvelopeGone],
            ..settlement(&two, Some(Outcome::GiveUp))
        })),
    );
    assert!(store.blobs().open(id).is_err());
    store.blobs().remove(id).expect("removing what is gone is no error");
}

fn a_transaction_that_fails_takes_its_payloads_with_it_and_no_others(open: Open<'_>) {
    let store = open();
    let payload = || store.blobs().create(None).unwrap().commit().unwrap();
    let (kept, envelope, content) = (payload(), payload(), payload());
    let earlier = with_envelope(kept);
    done(store.commit(insert(&earlier)));
    let opened = Change::Content(Box::new(Content { payload: Some(content), ..Content::default() }));
    let illegal = Settlement { changes: vec![opened], ..settlement(&earlier, Some(Outcome::Take)) };
    let again = with_envelope(kept);
    let inserts = vec![with_envelope(envelope), again];
    let failed = store.commit(Transaction { inserts, ..settle(illegal) });
    assert!(matches!(failed, Err(StoreError::Illegal(_))), "{failed:?}");
    assert!(store.blobs().open(envelope).is_err() && store.blobs().open(content).is_err(), "nobody has them");
    assert!(store.blobs().open(kept).is_ok(), "an earlier message has it");
}

fn what_waits_comes_oldest_first_and_page_by_page_however_much_was_taken(open: Open<'_>) {
    let store = open();
    let payload = store.blobs().create(None).unwrap().commit().unwrap();
    let start = Timestamp::now();
    let came = |n: u32| Message {
        created_at: start + Duration::from_secs(n.into()),
        direction: Direction::In,
        status: Status::Received,
        next_attempt_at: None,
        ..with_envelope(payload)
    };
    let all: Vec<Message> = (0..2_100).map(came).collect();
    let bob = all[0].to.clone();
    let unchecked = Message { next_attempt_at: Some(start), ..came(1) };
    let others = Message { to: "0203:carl.example.se".parse().unwrap(), ..came(2) };
    let sent = Message { direction: Direction::Out, status: Status::Submitted, ..came(3) };
    let inserts = all.iter().cloned().chain([unchecked, others, sent]).collect();
    done(store.commit(Transaction { inserts, ..Transaction::default() }));
    let taken = |message: &Message| Settlement {
        claim: None,
        changes: vec![Change::TakenAt(start)],
        ..settlement(message, Some(Outcome::Take))
    };
    let settlements = all[..1_050].iter().map(taken).collect();
    done(store.commit(Transaction { settlements, ..Transaction::default() }));
    let store = {
        drop(store);
        open()
    };
    let ids = |messages: &[Message]| messages.iter().map(|message| message.id).collect::<Vec<_>>();
    let first = store.waiting(&bob, None).unwrap();
    assert_eq!(ids(&first), ids(&all[1_050..2_050]));
    let rest = store.waiting(&bob, Some(first[999].id)).unwrap();
    assert_eq!(ids(&rest), ids(&all[2_050..]));
    assert!(store.waiting(&bob, Some(rest[49].id)).unwrap().is_empty());
    let shouted = "0203:BOB.example.se".parse().unwrap();
    assert_eq!(store.waiting(&shouted, Some(all[5].id)).unwrap().len(), 1_000, "a taken one still marks a place");
}

fn the_same_message_is_inserted_once(open: Open<'_>) {
    let store = open();
    let sent = message();
    done(store.commit(insert(&sent)));
    assert!(matches!(store.commit(insert(&sent)), Err(StoreError::Exists(id)) if id == sent.id));
    let twice = message();
    let both = Transaction { inserts: vec![twice.clone(), twice.clone()], ..Transaction::default() };
    assert!(matches!(store.commit(both), Err(StoreError::Exists(_))));
    assert!(store.message(twice.id).unwrap().is_none());
}

/// XHE-2.2.t03: the store decides, since only it knows what is on its way to the disk.
fn one_envelope_of_one_sender_makes_one_message_however_many_hand_it_in_at_once(open: Open<'_>) {
    let store = open();
    let sent = Message { envelope_sha256: "of its bytes".into(), ..message() };
    let again = |n: usize| {
        let id = sent.envelope_id.to_string();
        let id = if n.is_multiple_of(2) { id } else { id.to_uppercase() };
        Message { id: MessageId::now(), envelope_id: id.parse().unwrap(), ..sent.clone() }
    };
    let start = std::sync::Barrier::new(8);
    let outcomes: Vec<(MessageId, Result<Committed, StoreError>)> = std::thread::scope(|scope| {
        let hand_in = |n| {
            let (store, start, message) = (&*store, &start, again(n));
            scope.spawn(move || {
                start.wait();
                (message.id, store.commit(insert(&message)))
            })
        };
        let threads: Vec<_> = (0..8).map(hand_in).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let taken: Vec<MessageId> = outcomes.iter().filter(|(_, one)| one.is_ok()).map(|(id, _)| *id).collect();
    let [first] = taken.as_slice() else { panic!("{outcomes:?}") };
    let is_known = |outcome: &Result<Committed, StoreError>| {
        let Err(StoreError::HandedIn(known)) = outcome else { return false };
        (known.message, known.envelope_sha256.as_str()) == (*first, "of its bytes")
    };
    assert!(outcomes.iter().all(|(id, outcome)| id == first || is_known(outcome)), "{outcomes:?}");
    drop(store);
    let store = open();
    assert!(is_known(&store.commit(insert(&again(1)))));
    let own = Message { id: MessageId::now(), ..message() };
    let same = Message { id: MessageId::now(), ..own.clone() };
    let both = Transaction { inserts: vec![own, same], ..Transaction::default() };
    assert!(matches!(store.commit(both), Err(StoreError::HandedIn(_))), "also within one transaction");
    done(store.commit(insert(&Message { from: "0203:other.example.se".parse().unwrap(), ..again(0) })));
    done(store.commit(insert(&Message { direction: Direction::In, status: Status::Received, ..again(0) })));
    assert_eq!(store.list(&sluss::model::Query::default()).unwrap().len(), 3);
}

/// XHE-2.2.t03: an id is a sender's own, however many others use the same.
fn the_same_envelope_id_of_many_senders_is_known_of_each(open: Open<'_>) {
    let sent = message();
    let of = |n: usize| Message {
        id: MessageId::now(),
        from: format!("0203:sender{n}.example.se").parse().unwrap(),
        envelope_sha256: format!("of {n}"),
        ..sent.clone()
    };
    let store = open();
    let first: Vec<Message> = (0..20).map(of).collect();
    first.iter().for_each(|message| done(store.commit(insert(message))));
    let check = |store: &dyn Store| {
        for (n, first) in first.iter().enumerate() {
            let outcome = store.commit(insert(&of(n)));
            let Err(StoreError::HandedIn(known)) = outcome else { panic!("{n}: {outcome:?}") };
            let expected = (first.id, &first.envelope_sha256, &first.from);
            assert_eq!((known.message, &known.envelope_sha256, &known.from), expected);
        }
        let named =
            sluss::model::Query { envelope_id: Some(sent.envelope_id.clone()), ..sluss::model::Query::default() };
        assert_eq!(store.list(&named).unwrap().len(), first.len());
    };
    check(&*store);
    drop(store);
    check(&*open());
}

fn an_unknown_message_cannot_be_settled(open: Open<'_>) {
    let sent = message();
    let outcome = open().commit(settle(settlement(&sent, Some(Outcome::Defer))));
    assert!(matches!(outcome, Err(StoreError::Unknown(id)) if id == sent.id), "{outcome:?}");
}
