//! Transactions that share a sync are decided one after the other, each against what those before it will have done.

use crate::contract::{done, settlement, take};
use crate::{duplicate, insert, message, open, settle};
use sluss::model::{Outcome, Status};
use sluss::store::{Committed, Store, StoreError, Transaction};

#[test]
fn two_copies_of_one_as4_message_at_once_are_one_message_and_its_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let (key, first) = duplicate(1);
    let mut second = first.clone();
    second.body = "another".into();
    let copies = [(message(), first.clone()), (message(), second)];
    let transactions = copies
        .iter()
        .map(|(copy, answer)| Transaction { answered: Some((key.clone(), answer.clone())), ..insert(copy) });
    let [one, other] = <[_; 2]>::try_from(store.commit_together(transactions.collect())).unwrap();
    done(one);
    assert!(matches!(other, Ok(Committed::Duplicate { first: answer, .. }) if answer == first));
    let there = |at: usize| store.message(copies[at].0.id).unwrap().is_some();
    assert_eq!((there(0), there(1)), (true, false));
    assert_eq!(store.answered(&key).unwrap(), Some(first));
}

#[test]
fn a_claim_that_ends_in_a_group_is_good_for_nothing_later_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let sent = message();
    done(store.commit(insert(&sent)));
    let claimed = take(&store, 60).unwrap();
    let twice = [Outcome::Defer, Outcome::GiveUp].map(|outcome| settle(settlement(&claimed, Some(outcome))));
    let [one, other] = <[_; 2]>::try_from(store.commit_together(twice.into())).unwrap();
    done(one);
    assert!(matches!(other, Err(StoreError::ClaimLost(id)) if id == sent.id), "{other:?}");
    assert_ne!(store.message(sent.id).unwrap().unwrap().status, Status::MessageExchangeError);
}
