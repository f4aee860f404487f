//! What is no longer to be kept goes, and nothing else.

use crate::{DIGESTS, duplicate, hash, message, settle, with_envelope};
use sluss::model::{Change, Clock, Event, Message, MessageId, Outcome, Query, Stage, Status, Timestamp};
use sluss::store::disk::Medium;
use sluss::store::verify::verify;
use sluss::store::{Answered, Committed, EmbeddedStore, Making, Retention, Settlement, Store, StoreError, Transaction};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Days since 1970.
#[derive(Default)]
struct Days(AtomicI64);

impl Clock for Days {
    fn now(&self) -> Timestamp {
        day(self.0.load(Ordering::Relaxed))
    }
}

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(day * 24 * 60 * 60).unwrap()
}

struct Fixture {
    folder: tempfile::TempDir,
    clock: Arc<Days>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn try_open(&self, anew: bool) -> Result<EmbeddedStore, StoreError> {
        let medium = Medium { segment_bytes: 16 * 1024, ..Medium::system() };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let making = if anew { Making::Anew } else { Making::Needed };
        EmbeddedStore::open_telling(&medium, self.path(), hash, clock, making, &mut |_| {}).map(|(store, _)| store)
    }

    fn open(&self) -> EmbeddedStore {
        self.try_open(false).unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("journal")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// A message of today with a payload, an event and an answered AS4 message; ended or not.
    fn put(&self, store: &EmbeddedStore, n: u32, ended: bool) -> Message {
        let mut writer = store.blobs().create(None).unwrap();
        writer.write_all(b"sealed").unwrap();
        let now = self.clock.now();
        let sealed = with_envelope(writer.commit().unwrap());
        let talk = Some("talk".into());
        let new = Message { created_at: now, next_attempt_at: Some(now), conversation_id: talk, ..sealed };
        let event = Event::new(self.clock.now(), Some(new.id), Stage::Accepted, "accepted");
        let (key, first) = duplicate(n);
        let inserted = Transaction {
            inserts: vec![new.clone()],
            answered: Some((key, Answered { at: now, message: Some(new.id), ..first })),
            events: vec![event],
            ..Transaction::default()
        };
        store.commit(inserted).unwrap();
        if ended {
            store.commit(settle(cancelled(new.id))).unwrap();
        }
        store.message(new.id).unwrap().unwrap()
    }

    fn assert_whole(&self) {
        let verified = verify(self.path(), hash, DIGESTS, Timestamp::now()).unwrap();
        assert!(verified.whole, "{:?}", verified.findings);
    }
}

fn purge(store: &EmbeddedStore, retention: Retention) -> (usize, usize, usize) {
    let (mut contents, mut messages, mut records) = (0, 0, 0);
    for _ in 0..10_000 {
        let purged = store.purge(&retention).unwrap();
        if !purged.is_anything() {
            return (contents, messages, records);
        }
        (contents, messages, records) =
            (contents + purged.contents, messages + purged.messages, records + purged.records);
    }
    panic!("it has no end");
}

fn log_before(before: i64) -> Retention {
    Retention { log_before: Some(day(before)), ..Retention::default() }
}

fn all(store: &EmbeddedStore) -> BTreeMap<MessageId, Message> {
    let listed = store.list(&Query { limit: 10_000, ..Query::default() }).unwrap();
    listed.into_iter().map(|message| (message.id, message)).collect()
}

/// What has to be as it was, whatever went.
fn assert_known(store: &EmbeddedStore, before: &BTreeMap<MessageId, Message>, answers: u32) {
    assert_eq!(&all(store), before);
    for n in 0..answers {
        let (key, first) = duplicate(n);
        let known = store.answered(&key).unwrap().unwrap();
        assert_eq!(known.fingerprint, first.fingerprint, "a duplicate is known for ever");
        assert!(known.body == first.body || (known.body.is_empty() && n < 100), "{n}");
    }
}

fn filled(fixture: &Fixture) -> (EmbeddedStore, Vec<Message>, Vec<Message>) {
    let store = fixture.open();
    let old = (0..100).map(|n| fixture.put(&store, n, n % 2 == 0)).collect();
    fixture.clock.0.store(400, Ordering::Relaxed);
    let new = (100..110).map(|n| fixture.put(&store, n, true)).collect();
    (store, old, new)
}

/// ISEC-8.2.t03: the log of the last months is there, and what came before goes without taking anything else with it.
#[test]
fn the_beginning_of_the_log_goes_and_messages_and_duplicates_stay_known() {
    let fixture = Fixture::new();
    let (store, old, new) = filled(&fixture);
    let (before, counts) = (all(&store), format!("{:?}", store.counts().unwrap().by_status));
    let segments = fixture.segments().len();
    assert_eq!(purge(&store, log_before(0)), (0, 0, 0), "nothing is that old");
    let (_, _, records) = purge(&store, log_before(34));
    assert!(records > 90, "{records}");
    assert!(segments > 4 && !fixture.path().join("journal/00000001.log").exists());
    assert_known(&store, &before, 110);
    fixture.assert_whole();
    drop(store);
    for anew in [false, true] {
        let store = fixture.try_open(anew).unwrap();
        assert_known(&store, &before, 110);
        assert_eq!(format!("{:?}", store.counts().unwrap().by_status), counts, "{anew}");
        assert_eq!((store.events(old[0].id).unwrap().len(), store.events(new[0].id).unwrap().len()), (0, 1), "{anew}");
        assert!(store.refusals(100).unwrap().iter().any(|event| event.stage == Stage::Purged));
        // What waited still waits, and can go on.
        let claim = store.claim(Timestamp::now(), std::time::Duration::from_secs(1)).unwrap().unwrap();
        assert!(!claim.status.is_final() && before.contains_key(&claim.id));
    }
}

/// AS4-2.7: whoever sends again within the time in which a message is taken at all gets the first AS4 receipt, whatever went.
#[test]
fn an_as4_receipt_that_may_be_asked_for_again_keeps_its_text() {
    let fixture = Fixture::new();
    let store = fixture.open();
    (0..100).for_each(|n| drop(fixture.put(&store, n, true)));
    fixture.clock.0.store(20, Ordering::Relaxed);
    (100..110).for_each(|n| drop(fixture.put(&store, n, true)));
    assert!(purge(&store, log_before(10)).2 > 90);
    for n in 0..110 {
        let (key, first) = duplicate(n);
        assert_eq!(store.answered(&key).unwrap().unwrap().body, first.body, "{n}");
    }
}

#[test]
fn what_is_noted_stays_whatever_goes_and_what_is_told_keeps_the_order_of_the_journal() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = |n: i64, stage| Event::new(day(10 - n), None, stage, format!("{n}"));
    let note = |value: &str| BTreeMap::from([("one".to_owned(), serde_json::json!(value))]);
    let put = |events, notes| drop(store.commit(Transaction { events, notes, ..Transaction::default() }).unwrap());
    // The wall clock goes backwards meanwhile.
    put(vec![event(1, Stage::GivenUp), event(2, Stage::Duplicate), event(3, Stage::Discarded)], note("first"));
    put(Vec::new(), note("second"));
    put(vec![event(4, Stage::GivenUp)], BTreeMap::new());
    let told = |store: &EmbeddedStore, after| -> Vec<String> {
        store.told(after, 9).unwrap().into_iter().map(|logged| logged.event.detail).collect()
    };
    let all = store.told((0, u32::MAX), 9).unwrap();
    assert_eq!(told(&store, (0, u32::MAX)), ["1", "3", "4"]);
    assert_eq!(told(&store, (all[0].record, all[0].place.event)), ["3", "4"]);
    assert_eq!(told(&store, (all[2].record, all[2].place.event)), [""; 0]);
    assert_eq!(store.told((0, u32::MAX), 2).unwrap().len(), 2);
    drop(store);
    let store = fixture.try_open(true).unwrap();
    assert_eq!(told(&store, (0, u32::MAX)), ["1", "3", "4"]);
    (0..100).for_each(|n| drop(fixture.put(&store, n, true)));
    fixture.clock.0.store(400, Ordering::Relaxed);
    (100..110).for_each(|n| drop(fixture.put(&store, n, true)));
    assert!(purge(&store, log_before(34)).2 > 90);
    assert!(!fixture.path().join("journal/00000001.log").exists());
    drop(store);
    for anew in [false, true] {
        let store = fixture.try_open(anew).unwrap();
        assert_eq!(store.note("one").unwrap(), Some("second".into()), "{anew}");
        assert_eq!(store.note("other").unwrap(), None);
        assert_eq!(told(&store, (0, u32::MAX)), [""; 0], "what went with the log is not told: {anew}");
    }
    fixture.assert_whole();
}

#[test]
fn a_removal_that_was_broken_off_is_ended_by_the_next_start() {
    let fixture = Fixture::new();
    let (store, old, _) = filled(&fixture);
    let before = all(&store);
    let kept = tempfile::tempdir().unwrap();
    let copy = |path: &Path, to: &Path| assert!(fs::copy(path, to.join(path.file_name().unwrap())).is_ok());
    let all_segments = fixture.segments();
    all_segments.iter().for_each(|path| copy(path, kept.path()));
    purge(&store, log_before(34));
    drop(store);
    let gone: Vec<&PathBuf> = all_segments.iter().filter(|path| !path.exists()).collect();
    assert!(gone.len() > 2);
    for anew in [false, true] {
        // As if the process had ended between the record and the removal of the files.
        gone.iter().for_each(|path| copy(&kept.path().join(path.file_name().unwrap()), path.parent().unwrap()));
        let store = fixture.try_open(anew).unwrap();
        assert_known(&store, &before, 110);
        assert_eq!(store.events(old[0].id).unwrap(), [], "{anew}");
        assert!(gone.iter().all(|path| !path.exists()), "{anew}");
        fixture.assert_whole();
    }
}

#[test]
fn a_beginning_that_is_missing_without_a_record_of_it_is_damage() {
    let fixture = Fixture::new();
    let (store, ..) = filled(&fixture);
    drop(store);
    fs::remove_file(fixture.path().join("journal/00000001.log")).unwrap();
    let verified = verify(fixture.path(), hash, DIGESTS, Timestamp::now()).unwrap();
    assert!(verified.findings.iter().any(|finding| finding.what.contains("a segment is missing")), "{verified:?}");
    for anew in [false, true] {
        let refused = fixture.try_open(anew).err().unwrap();
        assert!(
            matches!(&refused, StoreError::Damaged { what, .. } if what.contains("a segment is missing")),
            "{refused}"
        );
    }
}

/// ISEC-8.2.t03, AP-3.4.1: the chain holds from where it begins, and what was expected of records before is not missed.
#[test]
fn the_event_log_stays_provable_without_its_beginning() {
    let fixture = Fixture::new();
    let (store, ..) = filled(&fixture);
    let anchor = |text: String| text.parse::<sluss::audit::Expected>().unwrap();
    let whole = sluss::audit::verify(fixture.path(), hash, &[]).unwrap();
    let end = anchor(format!("{}:{}", whole.records, whole.chain.unwrap()));
    let early = anchor(format!("2:{}", "0".repeat(64)));
    purge(&store, log_before(34));
    drop(store);
    let verified = sluss::audit::verify(fixture.path(), hash, &[end, early]).unwrap();
    assert!(verified.whole && verified.gone > 90, "{verified:?}");
    assert_eq!(verified.anchors.found, 1, "the end is there, the early record is gone");
    fs::remove_file(fixture.segments().remove(0)).unwrap();
    let verified = sluss::audit::verify(fixture.path(), hash, &[]).unwrap();
    assert_eq!(verified.findings.first().map(|finding| finding.cause), Some("cut-out"), "{verified:?}");
}

#[test]
fn a_beginning_that_went_and_another_than_was_noted_is_damage() {
    let fixture = Fixture::new();
    let (store, ..) = filled(&fixture);
    purge(&store, log_before(34));
    drop(store);
    let first = fixture.segments().remove(0);
    fs::remove_file(first).unwrap();
    let refused = fixture.try_open(true).err().unwrap();
    assert!(matches!(&refused, StoreError::Damaged { what, .. } if what.contains("a segment is missing")), "{refused}");
}

#[test]
fn contents_of_what_has_ended_go_and_what_has_not_keeps_them() {
    let fixture = Fixture::new();
    let (store, old, new) = filled(&fixture);
    let retention = Retention { contents_before: Some(day(399)), ..Retention::default() };
    assert_eq!(purge(&store, retention), (50, 0, 0));
    let envelope = |message: &Message| {
        let blob = store.message(message.id).unwrap().unwrap().envelope;
        assert!(blob.is_none() || Some(blob.unwrap()) == message.envelope);
        (blob.is_some(), store.blobs().open(message.envelope.unwrap()).is_ok())
    };
    assert_eq!((envelope(&old[0]), envelope(&old[1]), envelope(&new[0])), ((false, false), (true, true), (true, true)));
    assert_eq!(store.message(old[0].id).unwrap().unwrap().status, old[0].status);
    fixture.assert_whole();
    drop(store);
    let store = fixture.try_open(true).unwrap();
    assert_eq!(purge(&store, retention), (0, 0, 0));
}

#[test]
fn messages_that_have_ended_go_with_their_contents_and_are_not_brought_back_by_a_rebuild() {
    let fixture = Fixture::new();
    let (store, old, new) = filled(&fixture);
    let retention = Retention { messages_before: Some(day(399)), log_before: Some(day(34)), ..Retention::default() };
    let (_, messages, records) = purge(&store, retention);
    assert!(messages == 50 && records > 90, "{messages} {records}");
    let check = |store: &EmbeddedStore| {
        assert_eq!(store.message(old[0].id).unwrap(), None);
        assert!(store.blobs().open(old[0].envelope.unwrap()).is_err());
        assert_eq!((all(store).len(), store.message(new[0].id).unwrap().as_ref()), (60, Some(&new[0])));
        assert!(store.answered(&duplicate(0).0).unwrap().is_some(), "it is a duplicate if it comes again");
        let ended = store.list(&Query { statuses: vec![old[0].status], limit: 1_000, ..Query::default() }).unwrap();
        assert_eq!(ended.len(), 10);
        let talk = Query { conversation_id: Some("talk".into()), limit: 1_000, ..Query::default() };
        let named = Query { named: Some("talk".into()), conversation_id: None, ..talk.clone() };
        let everything: Vec<_> = all(store).into_keys().rev().collect();
        for query in [talk, named] {
            let found: Vec<_> = store.list(&query).unwrap().into_iter().map(|message| message.id).collect();
            assert_eq!(found, everything);
        }
        let settled = store.commit(settle(Settlement { id: old[0].id, ..cancelled(old[0].id) }));
        assert!(matches!(settled, Err(StoreError::Unknown(_))));
    };
    check(&store);
    fixture.assert_whole();
    drop(store);
    check(&fixture.try_open(true).unwrap());
}

/// What is delivered and still lacks its AS4 receipt is at its end and due all the same.
#[test]
fn what_is_due_or_claimed_is_kept_and_what_goes_is_nobodys_work_any_more() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let due = Message { status: Status::Accepted, next_attempt_at: Some(day(2)), created_at: day(0), ..message() };
    store.commit(Transaction { inserts: vec![due.clone()], ..Transaction::default() }).unwrap();
    fixture.clock.0.store(1, Ordering::Relaxed);
    let all = Retention { messages_before: Some(day(400)), contents_before: Some(day(400)), ..Retention::default() };
    assert_eq!(purge(&store, all), (0, 0, 0), "it is due");
    fixture.clock.0.store(2, Ordering::Relaxed);
    let hour = std::time::Duration::from_secs(3600);
    let claimed = store.claim(day(2), hour).unwrap().unwrap();
    let progress = |claim: Option<Timestamp>, release| {
        let changes = vec![Change::Due(None)];
        settle(Settlement { id: due.id, claim, release, outcome: None, changes })
    };
    store.commit(progress(None, false)).unwrap();
    assert_eq!(purge(&store, all), (0, 0, 0), "somebody works on it");
    assert_eq!(store.lanes().iter().map(|lane| lane.in_flight).sum::<usize>(), 1);
    fixture.clock.0.store(3, Ordering::Relaxed);
    assert_eq!(purge(&store, all), (0, 1, 0), "its lease has ended");
    assert_eq!((store.message(due.id).unwrap(), store.next_due().unwrap()), (None, None));
    assert_eq!(store.claim(day(500), hour).unwrap(), None);
    assert_eq!(store.claim_overdue(day(500), hour, &|_| Some(Timestamp::MAX)).unwrap(), []);
    assert!(store.lanes().iter().all(|lane| (lane.waiting, lane.in_flight) == (0, 0)), "{:?}", store.lanes());
    assert!(matches!(store.commit(progress(claimed.lease_until, true)), Err(StoreError::Unknown(_))));
}

/// Without its envelope there is nothing to send.
#[test]
fn what_was_given_up_is_tried_again_as_long_as_its_contents_are_kept() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let retry = |id| {
        let changes = vec![Change::Due(Some(day(1)))];
        settle(Settlement { id, claim: None, release: false, outcome: Some(Outcome::Retry), changes })
    };
    let dead = |store: &EmbeddedStore| {
        let mut writer = store.blobs().create(None).unwrap();
        writer.write_all(b"sealed").unwrap();
        let dead = Message {
            envelope_bytes: 6,
            status: Status::MessageExchangeError,
            next_attempt_at: None,
            created_at: day(0),
            ..with_envelope(writer.commit().unwrap())
        };
        store.commit(Transaction { inserts: vec![dead.clone()], ..Transaction::default() }).unwrap();
        dead
    };
    let (kept, emptied) = (dead(&store), dead(&store));
    store.commit(retry(kept.id)).unwrap();
    let retention = Retention { contents_before: Some(day(1)), ..Retention::default() };
    assert_eq!(purge(&store, retention), (1, 0, 0), "not of what is tried again");
    assert!(store.blobs().open(kept.envelope.unwrap()).is_ok());
    assert!(matches!(store.commit(retry(emptied.id)), Err(StoreError::Illegal(_))));
    assert_eq!(store.message(emptied.id).unwrap().unwrap().next_attempt_at, None);
}

/// An envelope is sent once, for ever: its id is known when its message and the record of its beginning are gone.
#[test]
fn an_envelope_stays_known_when_its_message_and_its_record_are_gone() {
    let fixture = Fixture::new();
    let (store, old, _) = filled(&fixture);
    let again = |store: &EmbeddedStore, first: &Message| {
        let id = MessageId::now();
        let again = Message { id, envelope: None, status: Status::Submitted, ..first.clone() };
        let outcome = store.commit(Transaction { inserts: vec![again], ..Transaction::default() });
        assert!(
            matches!(&outcome, Err(StoreError::HandedIn(known)) if known.message == first.id && id != first.id),
            "{outcome:?}"
        );
    };
    let check = |store: &EmbeddedStore| old.iter().for_each(|first| again(store, first));
    purge(&store, Retention { messages_before: Some(day(399)), log_before: Some(day(34)), ..Retention::default() });
    assert_eq!((store.message(old[0].id).unwrap(), store.events(old[0].id).unwrap()), (None, Vec::new()));
    check(&store);
    // What was named again goes to another segment when its own one goes.
    fixture.clock.0.store(800, Ordering::Relaxed);
    purge(&store, log_before(500));
    fixture.put(&store, 900, false);
    fixture.clock.0.store(900, Ordering::Relaxed);
    purge(&store, log_before(850));
    check(&store);
    drop(store);
    [false, true].into_iter().for_each(|anew| check(&fixture.try_open(anew).unwrap()));
}

/// SAD-5.3.7.1: a duplicate is known for as long as is configured and as its message is kept, whichever is longer; then the same is
/// new again, once, and an index that is built again says the same.
#[test]
fn duplicates_are_known_for_their_time_and_may_come_again_after_it() {
    let fixture = Fixture::new();
    let (store, old, new) = filled(&fixture);
    let go = |messages, log, duplicates| Retention {
        messages_before: Some(day(messages)),
        log_before: Some(day(log)),
        duplicates_before: Some(day(duplicates)),
        ..Retention::default()
    };
    let again = |store: &EmbeddedStore, first: &Message| {
        let again = Message { id: MessageId::now(), created_at: fixture.clock.now(), envelope: None, ..first.clone() };
        store.commit(Transaction { inserts: vec![again.clone()], ..Transaction::default() }).map(|_| again)
    };
    let come_again = |store: &EmbeddedStore, n| {
        let (key, first) = duplicate(n);
        let answered = Some((key, Answered { at: fixture.clock.now(), body: "second".into(), ..first }));
        matches!(store.commit(Transaction { answered, ..Transaction::default() }).unwrap(), Committed::Done)
    };
    let known = |store: &EmbeddedStore, n| store.answered(&duplicate(n).0).unwrap().map(|known| known.body);
    // Their time is over, and the log that tells of them is still there.
    purge(&store, go(399, 0, 399));
    assert!(store.message(old[0].id).unwrap().is_none() && known(&store, 0).is_some());
    assert!(matches!(again(&store, &old[0]), Err(StoreError::HandedIn(_))));
    // The log goes, their time is not over.
    let copies = tempfile::tempdir().unwrap();
    fixture.segments().iter().for_each(|path| {
        fs::copy(path, copies.path().join(path.file_name().unwrap())).unwrap();
    });
    purge(&store, go(399, 34, 0));
    assert!((0..110).all(|n| known(&store, n).is_some()));
    assert!(matches!(again(&store, &old[0]), Err(StoreError::HandedIn(_))));
    // Both are over when what was written again goes, which is in no segment with what is younger.
    (110..150).for_each(|n| drop(fixture.put(&store, n, true)));
    fixture.clock.0.store(500, Ordering::Relaxed);
    (200..240).for_each(|n| drop(fixture.put(&store, n, true)));
    purge(&store, go(0, 450, 399));
    let check = |store: &EmbeddedStore| {
        for (n, old) in (0..).zip(&old) {
            let kept = store.message(old.id).unwrap().is_some();
            assert_eq!((known(store, n).is_some(), kept), (n % 2 == 1, n % 2 == 1), "{n}");
        }
        assert!((100..150).chain(200..240).all(|n| known(store, n).is_some()), "they are younger");
        assert!(matches!(again(store, &old[1]), Err(StoreError::HandedIn(_))), "its message is kept");
        assert!(matches!(again(store, &new[0]), Err(StoreError::HandedIn(_))));
    };
    check(&store);
    fixture.assert_whole();
    drop(store);
    [false, true].into_iter().for_each(|anew| check(&fixture.try_open(anew).unwrap()));
    let store = fixture.open();
    let second = again(&store, &old[0]).unwrap();
    assert!(come_again(&store, 0) && !come_again(&store, 0) && !come_again(&store, 1));
    // What the second time left is what is known, whatever else goes.
    fixture.clock.0.store(600, Ordering::Relaxed);
    (300..340).for_each(|n| drop(fixture.put(&store, n, true)));
    purge(&store, go(0, 499, 399));
    drop(store);
    for anew in [false, true] {
        let store = fixture.try_open(anew).unwrap();
        assert_eq!(known(&store, 0).as_deref(), Some("second"), "{anew}");
        assert!(
            matches!(again(&store, &old[0]), Err(StoreError::HandedIn(known)) if known.message == second.id),
            "{anew}"
        );
    }
}

/// XHE-2.2.t03, SAD-5.3.7.1: also where so many senders use one id that its key of the index has no place for all.
#[test]
fn the_envelope_id_of_many_senders_lapses_and_comes_again_for_each_of_them() {
    let fixture = Fixture::new();
    let (sent, mut store) = (message(), fixture.open());
    let hand_in = |store: &EmbeddedStore, n: usize| {
        let from = format!("0203:sender{n}.example.se").parse().unwrap();
        let new = Message { id: MessageId::now(), from, created_at: fixture.clock.now(), ..sent.clone() };
        store.commit(Transaction { inserts: vec![new.clone()], ..Transaction::default() }).map(|_| new.id)
    };
    let known = |store: &EmbeddedStore, n: usize| match hand_in(store, n) {
        Err(StoreError::HandedIn(known)) => known.message,
        other => panic!("{n}: {other:?}"),
    };
    let mut first: Vec<MessageId> = (0..12).map(|n| hand_in(&store, n).unwrap()).collect();
    first.iter().for_each(|id| drop(store.commit(settle(cancelled(*id))).unwrap()));
    (0..40).for_each(|n| drop(fixture.put(&store, n, true)));
    let all_known = |store: &EmbeddedStore, first: &[_]| (0..12).for_each(|n| assert_eq!(known(store, n), first[n]));
    all_known(&store, &first);
    fixture.clock.0.store(400, Ordering::Relaxed);
    (40..80).for_each(|n| drop(fixture.put(&store, n, true)));
    let gone = |log| Retention { messages_before: Some(day(399)), ..log_before(log) };
    purge(&store, gone(34));
    for anew in [false, true] {
        drop(store);
        store = fixture.try_open(anew).unwrap();
        all_known(&store, &first);
    }
    // What was written again goes with its segments, and then it is over.
    fixture.clock.0.store(800, Ordering::Relaxed);
    (80..160).for_each(|n| drop(fixture.put(&store, n, true)));
    purge(&store, Retention { duplicates_before: Some(day(399)), ..gone(450) });
    for n in [11, 0, 9, 3] {
        first[n] = hand_in(&store, n).unwrap();
        assert_eq!(known(&store, n), first[n], "the second time counts");
    }
    for anew in [false, true] {
        drop(store);
        store = fixture.try_open(anew).unwrap();
        [11, 0, 9, 3].iter().for_each(|n| assert_eq!(known(&store, *n), first[*n], "{n} {anew}"));
    }
    assert!(hand_in(&store, 10).is_ok() && hand_in(&store, 1).is_ok(), "those of others are over as well");
}

/// A rebuild reads again what the end of a removal left behind, and what came after it.
#[test]
fn a_duplicate_that_lapsed_and_came_again_is_the_later_one_also_when_its_old_segment_came_back() {
    let fixture = Fixture::new();
    let (store, old, _) = filled(&fixture);
    let kept = tempfile::tempdir().unwrap();
    let copy = |path: &Path, to: &Path| assert!(fs::copy(path, to.join(path.file_name().unwrap())).is_ok());
    let before = fixture.segments();
    before.iter().for_each(|path| copy(path, kept.path()));
    let all = Retention {
        messages_before: Some(day(399)),
        log_before: Some(day(34)),
        duplicates_before: Some(day(399)),
        ..Retention::default()
    };
    purge(&store, all);
    let (key, first) = duplicate(0);
    assert_eq!(store.answered(&key).unwrap(), None);
    let later = Answered { at: fixture.clock.now(), body: "later".into(), ..first };
    let again = Message { id: MessageId::now(), envelope: None, ..old[0].clone() };
    let both = Transaction {
        inserts: vec![again.clone()],
        answered: Some((key.clone(), later.clone())),
        ..Transaction::default()
    };
    store.commit(both).unwrap();
    drop(store);
    for anew in [false, true] {
        before.iter().filter(|path| !path.exists()).for_each(|path| {
            copy(&kept.path().join(path.file_name().unwrap()), path.parent().unwrap());
        });
        let store = fixture.try_open(anew).unwrap();
        assert_eq!(store.answered(&key).unwrap().as_ref(), Some(&later), "{anew}");
        assert_eq!(store.answered(&duplicate(2).0).unwrap(), None, "{anew}");
        let third = Message { id: MessageId::now(), ..again.clone() };
        let refused = store.commit(Transaction { inserts: vec![third], ..Transaction::default() });
        assert!(matches!(refused, Err(StoreError::HandedIn(known)) if known.message == again.id), "{anew}");
    }
}

/// Which access point a recipient has is not forgotten with the record that said so.
#[test]
fn what_waits_for_an_access_point_is_still_its_own_when_the_log_of_its_route_went() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let waits = Message { partner: None, to: "0203:carl.example.se".parse().unwrap(), ..message() };
    let party = "AP0007-ROUTE".parse().unwrap();
    store.route(&waits.to, &"AP0006-BEFORE".parse().unwrap()).unwrap();
    store.route(&waits.to, &party).unwrap();
    drop(store);
    let (store, ..) = filled(&fixture);
    assert!(purge(&store, log_before(34)).2 > 90);
    assert!(!fixture.path().join("journal/00000001.log").exists());
    store.commit(Transaction { inserts: vec![waits.clone()], ..Transaction::default() }).unwrap();
    drop(store);
    for anew in [false, true] {
        let store = fixture.try_open(anew).unwrap();
        assert_eq!(store.message(waits.id).unwrap().unwrap().partner.as_ref(), Some(&party), "{anew}");
        let query = Query { partner: Some(party.clone()), ..Query::default() };
        assert_eq!(store.list(&query).unwrap().len(), 1, "{anew}");
    }
}

fn cancelled(id: MessageId) -> Settlement {
    let changes = vec![Change::Due(None)];
    Settlement { id, claim: None, release: false, outcome: Some(Outcome::Cancel), changes }
}
