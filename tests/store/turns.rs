//! Whose turn it is: promises of every store, run by `contract`.

use crate::contract::{Open, done, settlement, take};
use crate::{message, settle};
use sluss::model::{Change, Lane, Message, Outcome, Priority, Timestamp};
use sluss::store::{Admission, Settlement, Store, Transaction};
use std::time::Duration;

/// `count` messages of one participant to one access point.
fn of(from: &str, partner: Option<&str>, count: usize) -> Vec<Message> {
    let one = || Message {
        from: format!("0203:{from}.example.se").parse().unwrap(),
        partner: partner.map(|party| party.parse().unwrap()),
        ..message()
    };
    (0..count).map(|_| one()).collect()
}

fn put(store: &dyn Store, messages: Vec<Message>) {
    done(store.commit(Transaction { inserts: messages, ..Transaction::default() }));
}

pub(crate) fn who_has_much_waiting_delays_nobody_else(open: Open<'_>) {
    let store = open();
    put(&*store, of("busy", Some("AP0001-BUSY"), 200));
    put(&*store, of("calm", Some("AP0001-BUSY"), 1));
    put(&*store, of("other", Some("AP0002-CALM"), 1));
    let taken: Vec<Message> = (0..4).map_while(|_| take(&*store, 60)).collect();
    for name in ["0203:calm.example.se", "0203:other.example.se"] {
        assert!(taken.iter().any(|message| message.from.as_str() == name), "{name} waits behind 200 others");
    }
}

fn prioritized(priority: Priority, messages: Vec<Message>) -> Vec<Message> {
    messages.into_iter().map(|message| Message { priority, ..message }).collect()
}

/// Takes so many, one after the other, and none is given back.
fn taken(store: &dyn Store, count: usize) -> Vec<Message> {
    (0..count).map_while(|_| take(store, 60)).collect()
}

pub(crate) fn a_higher_priority_goes_first_and_a_lower_one_is_not_left_behind(open: Open<'_>) {
    let store = open();
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        put(&*store, prioritized(priority, of("one", Some("AP0002-LIVE"), 40)));
    }
    let acknowledges = Some("11111111-1111-4111-8111-111111111111".parse().unwrap());
    let receipt = Message { acknowledges, ..of("one", Some("AP0002-LIVE"), 1).remove(0) };
    put(&*store, vec![receipt.clone()]);
    drop(store);
    let store = open();
    assert_eq!(take(&*store, 60).unwrap().id, receipt.id);
    let order: Vec<Priority> = taken(&*store, 40).into_iter().map(|message| message.priority).collect();
    let count = |priority| order.iter().filter(|taken| **taken == priority).count();
    assert_eq!(order[..3], [Priority::High; 3], "the receipt was the first that went before the others");
    assert!(
        count(Priority::High) > count(Priority::Normal) && count(Priority::Normal) > count(Priority::Low),
        "{order:?}"
    );
    assert_eq!((count(Priority::Normal), count(Priority::Low)), (7, 2), "{order:?}");
    let rest = taken(&*store, 1_000);
    assert_eq!(rest.len(), 80, "nothing stays behind");
    assert_eq!(rest.last().unwrap().priority, Priority::Low);
}

pub(crate) fn priorities_of_one_partner_or_participant_delay_no_other(open: Open<'_>) {
    let store = open();
    put(&*store, prioritized(Priority::High, of("busy", Some("AP0001-BUSY"), 100)));
    put(&*store, prioritized(Priority::High, of("calm", Some("AP0001-BUSY"), 5)));
    put(&*store, of("normal", Some("AP0001-BUSY"), 5));
    put(&*store, prioritized(Priority::Low, of("other", Some("AP0002-CALM"), 5)));
    let taken = taken(&*store, 40);
    let places = |name: &str| {
        let of_it = taken.iter().enumerate().filter(|(_, message)| message.from.as_str().starts_with(name));
        of_it.map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert!(
        places("0203:other")[4] < 10,
        "a partner is not behind others for its messages' priority: {:?}",
        places("0203:other")
    );
    assert!(places("0203:calm")[4] < 20, "nor a participant behind another of the same: {:?}", places("0203:calm"));
    assert_eq!(places("0203:normal").len(), 5, "nor for ever behind higher ones");
}

pub(crate) fn a_lane_that_is_full_or_pauses_delays_no_other_and_goes_on_when_it_may(open: Open<'_>) {
    let store = open();
    put(&*store, of("one", Some("AP0001-DEAD"), 5));
    put(&*store, of("two", Some("AP0002-LIVE"), 3));
    let now = Timestamp::now();
    let dead = |lane: &Lane| lane.to_string() == "AP0001-DEAD";
    let claim = |at: Timestamp, pause: Option<Timestamp>| {
        let mut admit = |lane: &Lane, in_flight: usize| match pause {
            Some(until) if dead(lane) => Admission::Later(until),
            None if dead(lane) && in_flight > 0 => Admission::Full,
            _ => Admission::Attempt,
        };
        store.claim_admitted(at, Duration::from_secs(600), &mut admit).unwrap().map(|(message, _)| message)
    };
    let later = now + Duration::from_secs(30);
    let first: Vec<Message> = std::iter::from_fn(|| claim(now, Some(later))).collect();
    assert_eq!(first.len(), 3, "only the other lane goes on");
    assert!(first.iter().all(|message| message.partner.as_ref().unwrap().as_str() == "AP0002-LIVE"));
    assert!(claim(now, None).is_none(), "it was said to be later");
    store.ask(&Lane::Partner("AP0001-DEAD".parse().unwrap()));
    let asked = claim(now, None).expect("somebody wants to know now");
    store.unclaim(asked.id, asked.lease_until.unwrap());
    let probe = claim(later, None).expect("the pause is over");
    assert!(claim(later, None).is_none(), "one at a time");
    let load = store.lanes().into_iter().find(|load| dead(&load.lane)).unwrap();
    assert_eq!((load.waiting, load.in_flight), (4, 1));
    store.unclaim(probe.id, probe.lease_until.unwrap());
    assert!(claim(later, None).is_some(), "what was given back may be taken again");
}

pub(crate) fn messages_wait_in_the_lane_of_the_access_point_that_is_found(open: Open<'_>) {
    let store = open();
    put(&*store, of("one", None, 3));
    let claimed = take(&*store, 60).unwrap();
    let lanes = || {
        let mut lanes: Vec<_> =
            store.lanes().into_iter().map(|load| (load.lane.to_string(), load.waiting, load.in_flight)).collect();
        lanes.sort();
        lanes
    };
    assert_eq!(lanes(), [("look-up".to_owned(), 2, 1)]);
    store.route(&claimed.to, &"AP0002-LIVE".parse().unwrap()).unwrap();
    assert_eq!(lanes(), [("AP0002-LIVE".to_owned(), 2, 1)]);
    done(store.commit(settle(settlement(&claimed, Some(Outcome::GiveUp)))));
    done(store.commit(settle(Settlement {
        claim: None,
        changes: vec![Change::Due(None)],
        ..settlement(&claimed, None)
    })));
    assert_eq!(lanes(), [("AP0002-LIVE".to_owned(), 2, 0)]);
    store.route(&claimed.to, &"AP0003-MOVED".parse().unwrap()).unwrap();
    assert_eq!(lanes(), [("AP0003-MOVED".to_owned(), 2, 0)]);
    drop(store);
    let store = open();
    let lanes: Vec<_> = store.lanes().into_iter().map(|load| (load.lane.to_string(), load.waiting)).collect();
    assert_eq!(lanes, [("AP0003-MOVED".to_owned(), 2)], "where a recipient is outlives a restart");
}

pub(crate) fn who_waits_for_room_goes_in_the_order_of_coming(open: Open<'_>) {
    let store = open();
    for (party, count) in [("AP0001-ONE", 3), ("AP0002-TWO", 1), ("AP0003-THREE", 1), ("AP0009-LIVE", 3)] {
        put(&*store, of("one", Some(party), count));
    }
    let now = Timestamp::now();
    let claim = |room: bool| {
        let mut admit = |lane: &Lane, _: usize| {
            if room || lane.to_string() == "AP0009-LIVE" { Admission::Attempt } else { Admission::NoRoom }
        };
        let claimed = store.claim_admitted(now, Duration::from_secs(600), &mut admit).unwrap();
        claimed.map(|(message, _)| message.partner.unwrap().to_string())
    };
    assert_eq!(claim(false).as_deref(), Some("AP0009-LIVE"), "who needs none does not wait for it");
    assert_eq!(claim(true).as_deref(), Some("AP0001-ONE"));
    assert_eq!(claim(false).as_deref(), Some("AP0009-LIVE"));
    // It has more to send, and comes behind those that wait since before.
    let rest: Vec<String> = std::iter::from_fn(|| claim(true)).collect();
    assert_eq!(rest[..2], ["AP0002-TWO", "AP0003-THREE"], "{rest:?}");
    assert_eq!(rest.len(), 5, "and in the end everybody has gone: {rest:?}");
}
