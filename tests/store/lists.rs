//! Lists, pages and depths, as every store promises them.

use crate::contract::{Open, done, settlement, take};
use crate::{message, settle};
use sluss::limits::{COUNTED_MAX, LIST_EVENTS_LOOKED_AT_MAX, LIST_EVENTS_PASSED_FOR_A_LOOK, LIST_LOOKS_MAX};
use sluss::model::{
    Axis, CANCELLED, Change, Counted, Depth, Direction, Event, Fault, LogQuery, Message, Outcome, Problem, Query,
    Stage, Status, Timestamp,
};
use sluss::store::{Settlement, Store, Transaction};
use std::time::Duration;

/// Messages of two participants, directions and access points, a second after each other.
fn twenty(start: Timestamp) -> Vec<Message> {
    (0..20_u32)
        .map(|n| Message {
            created_at: start + Duration::from_secs(n.into()),
            to: if n % 2 == 0 { "0203:Bob.example.se" } else { "0203:carl.example.se" }.parse().unwrap(),
            direction: if n < 10 { Direction::Out } else { Direction::In },
            status: if n < 10 { Status::Submitted } else { Status::Received },
            as4_message_id: Some(format!("{n}@us").parse().unwrap()),
            conversation_id: (n % 7 == 0).then(|| "talk".into()),
            partner: Some(if n == 3 { "AP0009" } else { "AP0002" }.parse().unwrap()),
            ..message()
        })
        .collect()
}

pub(crate) fn lists_are_newest_first_and_filtered_and_paged(open: Open<'_>) {
    let store = open();
    let start = Timestamp::now();
    let mut sent = twenty(start);
    done(store.commit(Transaction { inserts: sent.clone(), ..Transaction::default() }));
    sent.reverse();
    let list = |query: Query| {
        let listed = store.list(&query).unwrap();
        if query.limit == 0 && query.after.is_none() {
            let counted = Counted { messages: listed.len() as u64, more: false };
            assert_eq!(store.count(&query).unwrap(), counted, "{query:?}");
        }
        listed.into_iter().map(|found| found.id).collect::<Vec<_>>()
    };
    let expected =
        |wanted: &dyn Fn(&Message) -> bool| sent.iter().filter(|one| wanted(one)).map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(list(Query::default()), expected(&|_| true));
    assert_eq!(list(Query { limit: 3, ..Query::default() }), expected(&|_| true)[..3]);
    assert_eq!(list(Query { limit: 3, after: Some(sent[2].id), ..Query::default() }), expected(&|_| true)[3..6]);
    assert_eq!(
        list(Query { direction: Some(Direction::In), ..Query::default() }),
        expected(&|m| m.direction == Direction::In)
    );
    assert_eq!(
        list(Query { statuses: vec![Status::Received], limit: 4, ..Query::default() }),
        expected(&|m| m.status == Status::Received)[..4]
    );
    let bob = "0203:BOB.example.se".parse().unwrap();
    let bobs = expected(&|m| m.to == bob);
    assert_eq!(list(Query { participant: Some(bob.clone()), limit: 2, ..Query::default() }), bobs[..2]);
    assert_eq!(list(Query { participant: Some(bob), after: Some(bobs[1]), ..Query::default() }), bobs[2..]);
    assert_eq!(
        list(Query { partner: Some("AP0009".parse().unwrap()), ..Query::default() }),
        expected(&|m| m.partner.as_ref().unwrap().as_str() == "AP0009")
    );
    assert_eq!(list(Query { as4_message_id: sent[4].as4_message_id.clone(), ..Query::default() }), [sent[4].id]);
    assert!(
        list(Query {
            as4_message_id: sent[4].as4_message_id.clone(),
            direction: Some(Direction::Out),
            ..Query::default()
        })
        .is_empty()
    );
    let shouted = sent[5].envelope_id.as_str().to_uppercase().parse().unwrap();
    assert_eq!(list(Query { envelope_id: Some(shouted), ..Query::default() }), [sent[5].id]);
    let carl = "0203:carl.example.se".parse().unwrap();
    assert_eq!(
        list(Query {
            participant: Some(carl),
            partner: Some("AP0002".parse().unwrap()),
            statuses: vec![Status::Submitted, Status::Received],
            created_since: Some(start + Duration::from_secs(2)),
            ..Query::default()
        }),
        expected(&|m| m.to.to_string().contains("carl")
            && m.as4_message_id != sent[16].as4_message_id
            && m.created_at >= start + Duration::from_secs(2))
    );
    assert_eq!(
        list(Query { conversation_id: Some("talk".into()), limit: 1, ..Query::default() }),
        expected(&|m| m.conversation_id.is_some())[..1]
    );
    assert_eq!(
        list(Query { created_before: Some(start + Duration::from_secs(5)), ..Query::default() }),
        expected(&|m| m.created_at < start + Duration::from_secs(5))
    );
}

/// One field takes whatever id an operator has at hand.
pub(crate) fn a_message_is_found_by_any_of_its_ids(open: Open<'_>) {
    let store = open();
    let sent: Vec<Message> = (0..6_u32)
        .map(|n| Message {
            created_at: Timestamp::now() + Duration::from_secs(n.into()),
            direction: if n < 3 { Direction::Out } else { Direction::In },
            as4_message_id: Some(format!("{n}@us").parse().unwrap()),
            conversation_id: (n % 2 == 0).then(|| "talk".into()),
            ..message()
        })
        .collect();
    done(store.commit(Transaction { inserts: sent.clone(), ..Transaction::default() }));
    let list = |query: Query| store.list(&query).unwrap().into_iter().map(|found| found.id).collect::<Vec<_>>();
    let expected = |wanted: &[usize]| wanted.iter().map(|n| sent[*n].id).collect::<Vec<_>>();
    let named = |id: String| list(Query { named: Some(id), ..Query::default() });
    assert_eq!(named(sent[5].id.to_string().to_uppercase()), [sent[5].id]);
    assert_eq!(named(sent[5].envelope_id.as_str().to_uppercase()), [sent[5].id]);
    assert_eq!(named(sent[4].as4_message_id.as_ref().unwrap().to_string()), [sent[4].id]);
    assert_eq!(named("talk".into()), expected(&[4, 2, 0]));
    assert!(named(String::new()).is_empty() && named("talk\0".into()).is_empty());
    let inward = Query { named: Some("talk".into()), direction: Some(Direction::In), ..Query::default() };
    assert_eq!(list(inward), expected(&[4]));
}

pub(crate) fn a_page_goes_on_where_looking_for_it_became_too_much(open: Open<'_>) {
    let store = open();
    let start = Timestamp::now();
    // Nothing has both conditions but the oldest, and each holds for half of the rest in turns.
    let count = u64::try_from(LIST_LOOKS_MAX).unwrap() + 500;
    let mut oldest = None;
    for first in (0..count).step_by(500) {
        let inserts: Vec<Message> = (first..first + 500)
            .map(|n| Message {
                created_at: start + Duration::from_secs(n),
                to: if n % 2 == 0 { "0203:bob.example.se" } else { "0203:carl.example.se" }.parse().unwrap(),
                partner: Some(if n % 2 == 1 || n == 0 { "AP0009" } else { "AP0002" }.parse().unwrap()),
                error: (n == 0).then(|| Problem::new(Fault::Refused, "pack", "x", "y")),
                ..message()
            })
            .collect();
        oldest = oldest.or_else(|| inserts.first().map(|message| message.id));
        done(store.commit(Transaction { inserts, ..Transaction::default() }));
    }
    let bob = "0203:bob.example.se".parse().unwrap();
    let query = Query { participant: Some(bob), partner: Some("AP0009".parse().unwrap()), ..Query::default() };
    let first = store.page(&query).unwrap();
    assert!(first.messages.is_empty() && first.next.is_some(), "{first:?}");
    let second = store.page(&Query { after: first.next, ..query.clone() }).unwrap();
    assert_eq!(second.messages.first().map(|message| message.id), oldest);
    assert_eq!(store.list(&query).unwrap().len(), 1);
    let caused = Query { cause: Some("pack".into()), ..Query::default() };
    let first = store.page(&caused).unwrap();
    let found: Vec<_> = first.messages.iter().map(|message| message.id).collect();
    assert_eq!(
        (found.as_slice(), first.next),
        (oldest.as_slice(), None),
        "few have a problem, and only those are looked at"
    );
}

#[test]
fn a_count_is_exact_where_it_is_tallied_and_else_bounded_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::open(folder.path()).0;
    let start = Timestamp::now();
    for first in (0..COUNTED_MAX + 500).step_by(2_100) {
        let one = |n: u64| Message {
            created_at: start + Duration::from_secs(n),
            to: if n == 7 { "0203:carl.example.se" } else { "0203:bob.example.se" }.parse().unwrap(),
            partner: Some(if n.is_multiple_of(2) { "AP0009" } else { "AP0002" }.parse().unwrap()),
            ..message()
        };
        done(
            store.commit(Transaction { inserts: (first..first + 2_100).map(one).collect(), ..Transaction::default() }),
        );
    }
    let count = |query: Query| {
        let Counted { messages, more } = store.count(&query).unwrap();
        (messages, more)
    };
    let to = |name: &str| Some(format!("0203:{name}.example.se").parse().unwrap());
    let waiting = || Query { statuses: vec![Status::Submitted, Status::ScheduledForResend], ..Query::default() };
    assert_eq!(count(waiting()), (COUNTED_MAX + 500, false), "a tally knows");
    assert_eq!(count(Query { participant: to("bob"), ..waiting() }), (COUNTED_MAX, true), "walked, and bounded");
    assert_eq!(count(Query { participant: to("carl"), ..waiting() }), (1, false));
    let since = start + Duration::from_secs(COUNTED_MAX);
    assert_eq!(count(Query { created_since: Some(since), ..waiting() }), (500, false));
    assert_eq!(count(Query { created_since: Some(since), participant: to("carl"), ..waiting() }), (0, false));
    let half = Query { participant: to("bob"), partner: Some("AP0009".parse().unwrap()), ..waiting() };
    assert_eq!(
        count(half),
        ((COUNTED_MAX + 500) / 2, false),
        "three conditions, each leapt over where it does not hold"
    );
}

/// However many were dealt with since, the one that was not is counted, and each of them once.
pub(crate) fn dead_letters_of_a_cause_are_counted_until_each_was_dealt_with(open: Open<'_>) {
    let store = open();
    let dead = |cause: &str, status| Message {
        status,
        direction: if status == Status::Error { Direction::In } else { Direction::Out },
        error: Some(Problem::new(Fault::Refused, cause, "x", "y")),
        next_attempt_at: None,
        ..message()
    };
    let inserts: Vec<Message> = (0..1_200).map(|_| dead("pack", Status::MessageExchangeError)).collect();
    let others = [dead("pack", Status::Error), dead("packed", Status::SendFailure), dead("pack", Status::Rejected)];
    let count = |store: &dyn Store| ["pack", "packed", "pac"].map(|cause| store.unhandled(Some(cause)));
    done(store.commit(Transaction { inserts: inserts.clone(), ..Transaction::default() }));
    done(store.commit(Transaction { inserts: others.to_vec(), ..Transaction::default() }));
    assert_eq!((count(&*store), store.unhandled(None)), ([1_201, 1, 0], 1_201), "of all, those outwards");
    let known =
        |one: &Message| Settlement { changes: vec![Change::TakenAt(Timestamp::now())], ..settlement(one, None) };
    let settlements = inserts[1..].iter().map(known).collect();
    done(store.commit(Transaction { settlements, ..Transaction::default() }));
    assert_eq!(count(&*store), [2, 1, 0], "the oldest of all, and what came in");
    let cancelled = Change::Error(Some(Problem::new(Fault::Refused, CANCELLED, "x", "y")));
    let cancel =
        |one: &Message| Settlement { changes: vec![cancelled.clone()], ..settlement(one, Some(Outcome::Cancel)) };
    done(store.commit(settle(cancel(&others[0]))));
    assert_eq!((count(&*store), store.unhandled(Some(CANCELLED))), ([1, 1, 0], 0));
    let retry = Settlement {
        changes: vec![Change::Renewed(Timestamp::now())],
        ..settlement(&inserts[0], Some(Outcome::Retry))
    };
    done(store.commit(settle(retry)));
    drop(store);
    assert_eq!(count(&*open()), [0, 1, 0]);
}

/// APOP: what waits for an access point, and what ended because of it, is found by its name, though it is packed for nobody.
pub(crate) fn what_waits_for_an_access_point_is_listed_as_its_own(open: Open<'_>) {
    let store = open();
    let to =
        |name: &str| Message { partner: None, to: format!("0203:{name}.example.se").parse().unwrap(), ..message() };
    let sent = [to("bob"), to("Bob"), to("bob"), to("carl"), to("bob")];
    let ids = |wanted: &[usize]| wanted.iter().rev().map(|n| sent[*n].id).collect::<Vec<_>>();
    let party = |name: &str| name.parse().unwrap();
    let listed = |store: &dyn Store, name: &str, statuses: &[Status]| {
        let query = Query { partner: Some(party(name)), statuses: statuses.to_vec(), ..Query::default() };
        let found = store.list(&query).unwrap();
        assert!(found.iter().all(|message| message.partner == query.partner), "{found:?}");
        found.iter().map(|message| message.id).collect::<Vec<_>>()
    };
    let depths = |store: &dyn Store| {
        let depths = store.depths(Axis::Partner).unwrap().into_iter();
        depths.map(|depth| (depth.name, depth.messages)).collect::<Vec<_>>()
    };
    done(store.commit(Transaction { inserts: sent[..2].to_vec(), ..Transaction::default() }));
    assert_eq!((listed(&*store, "APB", &[]), depths(&*store)), (vec![], vec![(String::new(), 2)]));
    store.route(&sent[0].to, &party("APB")).unwrap();
    store.route(&sent[3].to, &party("APC")).unwrap();
    done(store.commit(Transaction { inserts: sent[2..4].to_vec(), ..Transaction::default() }));
    let addressed = Change::Addressed("1@us".parse().unwrap(), "c".into(), party("APB"));
    done(store.commit(Transaction {
        inserts: sent[4..].to_vec(),
        settlements: vec![Settlement { changes: vec![addressed], ..settlement(&sent[4], None) }],
        ..Transaction::default()
    }));
    assert_eq!(listed(&*store, "APB", &[]), ids(&[0, 1, 2, 4]));
    assert_eq!(depths(&*store), [("APB".to_owned(), 4), ("APC".to_owned(), 1)]);
    let outcome = |n: usize, outcome, due: bool| {
        let changes = vec![Change::Due(due.then(Timestamp::now))];
        done(store.commit(settle(Settlement { changes, ..settlement(&sent[n], Some(outcome)) })));
    };
    outcome(0, Outcome::Suspend, false);
    outcome(1, Outcome::GiveUp, false);
    outcome(3, Outcome::GiveUp, false);
    // The recipients of APC move; what ended because of it stays its own.
    store.route(&sent[3].to, &party("APD")).unwrap();
    let dead = [Status::MessageExchangeError];
    let check = |store: &dyn Store| {
        assert_eq!(listed(store, "APB", &[]), ids(&[0, 1, 2, 4]));
        assert_eq!(listed(store, "APB", &dead), ids(&[1]));
        assert_eq!((listed(store, "APC", &dead), listed(store, "APD", &[])), (ids(&[3]), vec![]));
        assert_eq!(depths(store), [("APB".to_owned(), 3)]);
    };
    check(&*store);
    assert_eq!(take(&*store, 60).unwrap().partner, Some(party("APB")), "who takes it up knows as well");
    outcome(3, Outcome::Retry, true);
    assert_eq!(
        (listed(&*store, "APC", &[]), listed(&*store, "APD", &[])),
        (vec![], ids(&[3])),
        "it goes where it is now"
    );
    outcome(3, Outcome::GiveUp, false);
    done(store.commit(settle(Settlement {
        changes: vec![Change::AwaitedPartner(Some(party("APC")))],
        ..settlement(&sent[3], None)
    })));
    drop(store);
    check(&*open());
}

pub(crate) fn what_waits_is_counted_by_partner_and_participant_with_its_age(open: Open<'_>) {
    let store = open();
    let start = Timestamp::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let sent = |seconds, partner: Option<&str>| Message {
        created_at: at(seconds),
        partner: partner.map(|partner| partner.parse().unwrap()),
        ..message()
    };
    let received = Message {
        direction: Direction::In,
        status: Status::Received,
        created_at: at(9),
        to: "0203:carl.example.se".parse().unwrap(),
        ..message()
    };
    let all = [sent(1, Some("AP0002")), sent(2, Some("AP0002")), sent(3, None), received];
    done(store.commit(Transaction { inserts: all.to_vec(), ..Transaction::default() }));
    done(store.commit(settle(Settlement {
        changes: vec![Change::Due(None)],
        ..settlement(&all[1], Some(Outcome::Suspend))
    })));
    let depth = |direction, name: &str, messages, seconds| Depth {
        direction,
        name: name.into(),
        messages,
        oldest: Some(at(seconds)),
    };
    let ours = all[0].from.to_string();
    let partners = vec![depth(Direction::Out, "", 1, 3), depth(Direction::Out, "AP0002", 2, 1)];
    let participants = vec![depth(Direction::Out, &ours, 3, 1), depth(Direction::In, "0203:carl.example.se", 1, 9)];
    assert_eq!(store.depths(Axis::Partner).unwrap(), partners);
    assert_eq!(store.depths(Axis::Participant).unwrap(), participants);
    let asked = |direction, name: &str| direction == Direction::In && name != ours;
    assert_eq!(store.depths_of(Axis::Participant, &asked).unwrap(), participants[1..]);
    assert_eq!(store.depths_of(Axis::Partner, &|_, name| name.is_empty()).unwrap(), partners[..1]);
    assert_eq!(store.counts().unwrap().held, 1);
    let held = Query { held: true, ..Query::default() };
    assert_eq!(store.list(&held).unwrap().iter().map(|message| message.id).collect::<Vec<_>>(), [all[1].id]);
    for message in &all[..3] {
        done(store.commit(settle(settlement(message, Some(Outcome::Cancel)))));
    }
    drop(store);
    let store = open();
    assert_eq!(store.depths(Axis::Partner).unwrap(), []);
    assert_eq!(store.depths(Axis::Participant).unwrap(), [depth(Direction::In, "0203:carl.example.se", 1, 9)]);
    assert_eq!((store.counts().unwrap().held, store.list(&held).unwrap().len()), (0, 0));
}

pub(crate) fn the_whole_event_log_is_newest_first_and_filtered_and_paged(open: Open<'_>) {
    let store = open();
    let start = Timestamp::now();
    let one = Message { partner: Some("AP0002".parse().unwrap()), ..message() };
    let at = |n: u32| start + Duration::from_secs(n.into());
    let about = |n, message: &Message, stage| Event::of(at(n), message, stage, n.to_string());
    let refused = Event::new(at(3), None, Stage::Refused, "3").fact("claimed_partner", "AP0009");
    let events = vec![about(1, &one, Stage::Accepted).fact("actor", "kim"), about(2, &one, Stage::Packed)];
    done(store.commit(Transaction { events, inserts: vec![one.clone()], ..Transaction::default() }));
    let events = vec![refused, about(4, &one, Stage::Receipted)];
    done(store.commit(Transaction { events, ..Transaction::default() }));
    drop(store);
    let store = open();
    let found = |query: LogQuery| {
        let page = store.log(&query).unwrap();
        (page.events.iter().map(|logged| logged.event.detail.clone()).collect::<Vec<_>>().concat(), page.next)
    };
    let all = LogQuery::default();
    assert_eq!(found(all.clone()), ("4321".to_owned(), None));
    let (first, next) = found(LogQuery { limit: 3, ..all.clone() });
    assert_eq!((first.as_str(), next.is_some()), ("432", true));
    assert_eq!(found(LogQuery { limit: 3, after: next, ..all.clone() }), ("1".to_owned(), None));
    for (query, expected) in [
        (LogQuery { message: Some(one.id), ..all.clone() }, "421"),
        (LogQuery { stage: Some(Stage::Refused), ..all.clone() }, "3"),
        (LogQuery { actor: Some("kim".into()), ..all.clone() }, "1"),
        (LogQuery { partner: Some("AP0009".parse().unwrap()), ..all.clone() }, "3"),
        (LogQuery { partner: Some("AP0002".parse().unwrap()), ..all.clone() }, "421"),
        (LogQuery { participant: Some(one.to.as_str().to_uppercase().parse().unwrap()), ..all.clone() }, "421"),
        (LogQuery { participant: Some("0203:nobody.example.se".parse().unwrap()), ..all.clone() }, ""),
        (LogQuery { since: Some(at(2)), until: Some(at(4)), ..all.clone() }, "32"),
        (LogQuery { message: Some(one.id), since: Some(at(2)), until: Some(at(4)), ..all.clone() }, "2"),
    ] {
        assert_eq!(found(query.clone()).0, expected, "{query:?}");
    }
}

pub(crate) fn what_was_not_sent_is_told_its_sender_until_it_is_sent_or_confirmed(open: Open<'_>) {
    let store = open();
    let (one, two) = (message(), message());
    let sender = one.from.clone();
    let told =
        |store: &dyn Store| store.notices(&sender, None).unwrap().iter().map(|message| message.id).collect::<Vec<_>>();
    let settle = |store: &dyn Store, message: &Message, outcome, changes| {
        let settlement = Settlement { claim: None, changes, ..settlement(message, outcome) };
        done(store.commit(Transaction { settlements: vec![settlement], ..Transaction::default() }));
    };
    let problem = Problem::new(Fault::Temporary, "smp-unreachable", "x", "y");
    done(store.commit(Transaction { inserts: vec![one.clone(), two.clone()], ..Transaction::default() }));
    assert!(told(&*store).is_empty(), "nothing was tried yet");
    for message in [&one, &two] {
        settle(&*store, message, Some(Outcome::Defer), vec![Change::Error(Some(problem.clone()))]);
    }
    assert_eq!(told(&*store), [one.id, two.id]);
    assert!(store.notices(&one.to, None).unwrap().is_empty(), "the recipient is not told");
    settle(&*store, &one, Some(Outcome::Delivered), vec![Change::Error(None)]);
    settle(&*store, &two, Some(Outcome::GiveUp), Vec::new());
    assert_eq!(told(&*store), [two.id]);
    settle(&*store, &two, None, vec![Change::TakenAt(Timestamp::now())]);
    assert!(told(&*store).is_empty(), "it was confirmed");
    settle(&*store, &two, Some(Outcome::Retry), vec![Change::Renewed(Timestamp::now())]);
    settle(&*store, &two, Some(Outcome::GiveUp), Vec::new());
    drop(store);
    assert_eq!(told(&*open()), [two.id], "it failed again");
}

/// So many events of AP0002, the first of them of AP0009 instead, and by kim.
fn logged(store: &dyn Store, count: usize) {
    let start = Timestamp::now();
    let event = |n: usize| {
        let at = start + Duration::from_millis(n.try_into().unwrap());
        let event = Event::new(at, None, Stage::Refused, "x");
        if n == 0 { event.fact("partner", "AP0009").fact("actor", "kim") } else { event.fact("partner", "AP0002") }
    };
    for first in (0..count).step_by(1000) {
        let events = (first..count.min(first + 1000)).map(event).collect();
        done(store.commit(Transaction { events, ..Transaction::default() }));
    }
}

pub(crate) fn a_rare_event_is_found_behind_very_many_others(open: Open<'_>) {
    let store = open();
    logged(&*store, LIST_EVENTS_LOOKED_AT_MAX + 1000);
    let all = LogQuery { limit: 10, ..LogQuery::default() };
    let check = |store: &dyn Store| {
        for query in [
            LogQuery { partner: Some("AP0009".parse().unwrap()), ..all.clone() },
            LogQuery { actor: Some("kim".into()), stage: Some(Stage::Refused), ..all.clone() },
        ] {
            let page = store.log(&query).unwrap();
            assert_eq!((page.events.len(), page.next), (1, None), "{query:?}");
        }
        let none = LogQuery { participant: Some("0203:nobody.example.se".parse().unwrap()), ..all.clone() };
        let page = store.log(&none).unwrap();
        assert_eq!((page.events.len(), page.next), (0, None));
    };
    check(&*store);
    drop(store);
    check(&*open());
}

#[test]
fn a_page_of_the_log_passes_over_so_many_events_and_the_next_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = crate::open(folder.path());
    logged(&store, LIST_EVENTS_LOOKED_AT_MAX * LIST_EVENTS_PASSED_FOR_A_LOOK + 100);
    let query = LogQuery { partner: Some("AP0009".parse().unwrap()), ..LogQuery::default() };
    let first = store.log(&query).unwrap();
    assert!(first.events.is_empty() && first.next.is_some(), "{first:?}");
    let second = store.log(&LogQuery { after: first.next, ..query }).unwrap();
    assert_eq!((second.events.len(), second.next), (1, None));
}
