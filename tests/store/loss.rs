//! A journal that is gone, or lost its end, while the store's other files are there.

use crate::{DIGESTS, copy, hash, insert, message, open_with, with_envelope};
use sluss::app::upkeep;
use sluss::audit;
use sluss::model::{LogQuery, Message, Query, Stage, SystemClock, Timestamp, Warrant};
use sluss::store::disk::Medium;
use sluss::store::keys::Engine;
use sluss::store::verify::verify;
use sluss::store::{EmbeddedStore, Making, Store, StoreError};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Who accepts a loss.
fn by() -> Warrant {
    Warrant::new("kim (1000)", "there is no backup").unwrap()
}

/// Puts two messages in a store, one of them with a payload.
fn fill(store: &EmbeddedStore) -> Vec<Message> {
    let mut payload = store.blobs().create(None).unwrap();
    payload.write_all(b"promised").unwrap();
    let all = vec![message(), with_envelope(payload.commit().unwrap())];
    for one in &all {
        store.commit(insert(one)).unwrap();
    }
    all
}

/// What a start and a rebuild say, twice.
fn refused(engine: Engine, folder: &Path) {
    for making in [Making::Needed, Making::Anew, Making::Accepting(by()), Making::Needed] {
        let medium = Medium::with(engine);
        let clock = Arc::new(SystemClock);
        match EmbeddedStore::open_telling(&medium, folder, hash, clock, making.clone(), &mut |_| {}) {
            Err(error @ StoreError::Gone { .. }) => {
                let said = error.to_string();
                assert!(said.contains("Nothing was begun") && said.contains("sluss store restore"), "{said}");
            }
            other => panic!("{engine:?}, {making:?}: {other:?}"),
        }
    }
}

/// What both verifications find at the end of the journal: the record from which on it is gone.
fn end_cut(folder: &Path) -> Option<u64> {
    let store = verify(folder, hash, DIGESTS, Timestamp::now()).unwrap();
    let chain = audit::verify(folder, hash, &[]).unwrap();
    assert_eq!((store.whole, chain.whole), (store.findings.is_empty(), chain.findings.is_empty()));
    let named = store.findings.iter().filter(|one| one.what.contains("the journal ends with record"));
    let ways = |remedy: &str| remedy.contains("sluss store restore") && remedy.contains("backup");
    assert!(named.clone().all(|one| ways(one.remedy)), "{store:#?}");
    let goes_on = |record: u64, remedy: &str| remedy.contains("rebuild --accept-loss --reason TEXT") == (record > 1);
    assert!(named.clone().all(|one| goes_on(one.place.as_ref().unwrap().record, one.remedy)), "{store:#?}");
    let of_the_chain = chain.findings.iter().filter(|one| one.cause == "end-cut");
    assert!(of_the_chain.clone().all(|one| ways(one.remedy) && goes_on(one.record, one.remedy)), "{chain:#?}");
    let chain: Vec<u64> = of_the_chain.map(|one| one.record).collect();
    let named: Vec<u64> = named.filter_map(|one| one.place.as_ref()).map(|place| place.record).collect();
    assert_eq!(chain, named, "{store:#?}");
    named.first().copied()
}

#[test]
fn a_journal_that_is_gone_is_named_and_nothing_is_begun_in_its_place() {
    type Hurt = fn(&Path);
    let hurts: [(&str, Hurt); 3] = [
        ("the segment deleted", |segment| fs::remove_file(segment).unwrap()),
        ("the segment emptied", |segment| fs::write(segment, []).unwrap()),
        ("the segment zeroed", |segment| fs::write(segment, vec![0; 64 * 1024]).unwrap()),
    ];
    let states: [(&str, Hurt); 4] = [
        ("closed in order", |_| {}),
        ("without an index", |folder| fs::remove_dir_all(folder.join("index")).unwrap()),
        ("without a mark", |folder| fs::remove_file(folder.join("index.state")).unwrap()),
        ("with a garbled index", |folder| {
            for file in fs::read_dir(folder.join("index")).unwrap() {
                let file = file.unwrap().path();
                if file.is_file() {
                    fs::write(file, "garbage").unwrap();
                }
            }
        }),
    ];
    for engine in [Engine::Lsm, Engine::Sled] {
        for (how, hurt) in hurts {
            for (state, change) in states {
                let folder = tempfile::tempdir().unwrap();
                let all = fill(&open_with(engine, folder.path()).0);
                assert_eq!(end_cut(folder.path()), None);
                let segment = folder.path().join("journal/00000001.log");
                let whole = fs::read(&segment).unwrap();
                hurt(&segment);
                change(folder.path());
                // Whoever only looks does not open the index.
                if state != "without a mark" || how == "the segment deleted" {
                    assert_eq!(end_cut(folder.path()), Some(1), "{how}, {state}");
                }
                refused(engine, folder.path());
                assert_eq!(segment.exists(), how != "the segment deleted", "{how}, {state}: nothing was begun");
                fs::write(&segment, whole).unwrap();
                let (store, opening) = open_with(engine, folder.path());
                assert_eq!((opening.lost, opening.orphans), (0, 0), "{how}, {state}: {opening:?}");
                let mut found = store.list(&Query::default()).unwrap();
                found.sort_by_key(|message| message.id);
                assert_eq!(found, all, "{how}, {state}");
            }
        }
    }
}

#[test]
fn a_whole_journal_folder_that_is_gone_is_no_new_store_until_its_other_files_are_moved() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open_with(Engine::Lsm, folder.path()).0);
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    refused(Engine::Lsm, folder.path());
    for (name, left) in [("index", true), ("index.state", true), ("blobs", false)] {
        fs::rename(folder.path().join(name), folder.path().join(format!("{name}.before"))).unwrap();
        if left {
            refused(Engine::Lsm, folder.path());
            // What the start has made meanwhile goes, too.
            drop(fs::remove_dir_all(folder.path().join("index")));
        }
    }
    fs::remove_file(folder.path().join("index.state")).unwrap();
    let (store, _) = open_with(Engine::Lsm, folder.path());
    assert!(store.list(&Query::default()).unwrap().is_empty());
}

/// What lost its end: record 2, which the index or the mark knows.
#[test]
fn a_lost_end_is_refused_by_name_until_the_loss_is_accepted() {
    type Hurt = fn(&Path);
    let states: [(&str, Hurt); 4] = [
        ("closed in order", |_| {}),
        ("without an index", |folder| fs::remove_dir_all(folder.join("index")).unwrap()),
        ("without a mark", |folder| fs::remove_file(folder.join("index.state")).unwrap()),
        ("of another run of the machine", |folder| fs::write(folder.join("index.state"), "another").unwrap()),
    ];
    for (engine, (state, change)) in [Engine::Lsm, Engine::Sled].into_iter().flat_map(|e| states.map(|s| (e, s))) {
        for torn in [0, 100] {
            let folder = tempfile::tempdir().unwrap();
            let all = fill(&open_with(engine, folder.path()).0);
            let segment = folder.path().join("journal/00000001.log");
            let whole = fs::read(&segment).unwrap();
            let first = 64 + 56 + u32::from_le_bytes(whole[64..68].try_into().unwrap()) as usize;
            fs::write(&segment, &whole[..first + torn]).unwrap();
            change(folder.path());
            if state != "without a mark" && !state.starts_with("of another") {
                assert_eq!(end_cut(folder.path()), Some(2), "whoever only looks does not open the index");
            }
            let start = |making| {
                let (medium, clock) = (Medium::with(engine), Arc::new(SystemClock));
                EmbeddedStore::open_telling(&medium, folder.path(), hash, clock, making, &mut |_| {})
            };
            for making in [Making::Needed, Making::Anew, Making::Needed] {
                let error = start(making).unwrap_err();
                let StoreError::EndLost { last: 1, known: 2, lost: 1, place } = &error else {
                    panic!("{state}: {error}")
                };
                assert_eq!((place.record, place.offset), (2, first as u64), "{state}");
                let ways =
                    ["Nothing was changed", "sluss store restore", "sluss store rebuild --accept-loss --reason TEXT"];
                assert!(ways.iter().all(|way| error.to_string().contains(way)), "{error}");
                assert_eq!(fs::read(&segment).unwrap(), whole[..first + torn], "{state}");
            }
            let (store, opening) = start(Making::Accepting(by())).unwrap();
            assert_eq!((opening.lost, opening.journal.last), (1, 1), "{state}");
            assert_eq!(store.list(&Query::default()).unwrap(), all[..1], "{state}");
            let payload = all[1].envelope.unwrap();
            assert!(folder.path().join(format!("blobs/lost/{payload}")).exists(), "what it was of is kept");
            assert_eq!(folder.path().join("index.lost").exists(), state != "without an index", "{state}");
            drop(store);
            assert_eq!(end_cut(folder.path()), None, "it was accepted");
            assert_eq!(start(Making::Needed).unwrap().1.lost, 0);
        }
    }
}

#[test]
fn a_loss_that_is_accepted_is_an_event_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let open = || EmbeddedStore::open(folder.path(), upkeep::chain_hash, Arc::new(SystemClock)).unwrap().0;
    fill(&open());
    let segment = folder.path().join("journal/00000001.log");
    let whole = fs::read(&segment).unwrap();
    let first = 64 + 56 + u32::from_le_bytes(whole[64..68].try_into().unwrap()) as usize;
    fs::write(&segment, &whole[..first]).unwrap();
    let rebuild = |accept| upkeep::rebuild(folder.path(), Engine::Lsm, Arc::new(SystemClock), accept, &mut |_, _| {});
    assert!(rebuild(None).unwrap_err().kind.ends_with("store-damaged"));
    let events = || {
        let log = open().log(&LogQuery { stage: Some(Stage::Warned), ..LogQuery::default() }).unwrap();
        log.events.into_iter().map(|logged| logged.event).collect::<Vec<_>>()
    };
    assert_eq!(rebuild(Some(by())).unwrap().lost, 1);
    let [event] = &events()[..] else { panic!("{:?}", events()) };
    assert_eq!(event.detail, "an operator goes on without 1 records that the journal lost after record 1");
    let facts =
        [("actor", "kim (1000)"), ("reason", "there is no backup"), ("records_lost", "1"), ("last_record", "1")];
    facts.iter().for_each(|(name, value)| {
        assert_eq!(event.facts.get(*name).map(|fact| fact.to_string()), Some((*value).to_owned()))
    });
    assert_eq!(rebuild(Some(by())).unwrap().lost, 0);
    assert_eq!(events().len(), 1, "nothing is lost any more");
    let verified = audit::verify(folder.path(), upkeep::chain_hash, &[]).unwrap();
    assert!(verified.whole, "{verified:#?}");
    let [loss] = &verified.accepted_losses[..] else { panic!("{verified:#?}") };
    assert_eq!((loss.record, loss.lost, loss.at), (2, 1, Some(event.at)));
    assert_eq!((loss.actor.as_str(), loss.reason.as_str()), ("kim (1000)", "there is no backup"));
}

/// Its record is what accepts a loss: before it the loss is refused as ever, after it the next start goes on.
#[test]
fn an_acceptance_that_was_broken_off_is_there_with_its_event_or_not_at_all() {
    for engine in [Engine::Lsm, Engine::Sled] {
        let folder = tempfile::tempdir().unwrap();
        let start = |making| {
            let (medium, clock) = (Medium::with(engine), Arc::new(SystemClock));
            EmbeddedStore::open_telling(&medium, folder.path(), hash, clock, making, &mut |_| {})
        };
        let (store, _) = open_with(engine, folder.path());
        let kept = fill(&store).remove(0);
        fill(&store);
        drop(store);
        let segment = folder.path().join("journal/00000001.log");
        let whole = fs::read(&segment).unwrap();
        let first = 64 + 56 + u32::from_le_bytes(whole[64..68].try_into().unwrap()) as usize;
        fs::write(&segment, &whole[..first]).unwrap();
        let state = |text: &str| fs::write(folder.path().join("index.state"), text).unwrap();
        let without_index = || drop(fs::remove_dir_all(folder.path().join("index")));
        // It ended when the old index had been moved away, and nothing but the mark knows of the loss.
        without_index();
        state("record 4\naccepting a loss");
        for _ in 0..2 {
            assert!(matches!(start(Making::Needed), Err(StoreError::EndLost { last: 1, known: 4, lost: 3, .. })));
        }
        let (store, opening) = start(Making::Accepting(by())).unwrap();
        assert_eq!((opening.lost, store.last_record()), (3, 2));
        drop(store);
        // It ended when the record was there, and neither mark nor index were.
        for gone in [false, true] {
            if gone {
                without_index();
            }
            state("record 4\naccepting a loss");
            let (store, opening) = start(Making::Needed).unwrap();
            assert_eq!((opening.lost, store.last_record()), (0, 2), "{opening:?}");
            assert_eq!(store.list(&Query::default()).unwrap(), std::slice::from_ref(&kept));
            assert_eq!(store.refusals(9).unwrap().len(), 1, "one event");
        }
        // It says nothing of what is lost later.
        state("record 4\nanother");
        assert!(matches!(start(Making::Needed), Err(StoreError::EndLost { last: 2, known: 4, lost: 2, .. })));
    }
}

/// A store that was killed in its first run: its index has never been written, and what the daemon notes every few seconds knows how
/// far its journal went.
#[test]
fn an_end_that_a_first_run_lost_is_missed_up_to_what_was_noted_last() {
    for engine in [Engine::Lsm, Engine::Sled] {
        let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (store, _) = open_with(engine, folder.path());
        fill(&store);
        store.probe().unwrap();
        store.commit(insert(&message())).unwrap();
        // What the disk has when the process goes, without the index.
        for part in ["journal", "blobs"] {
            copy(&folder.path().join(part), &killed.path().join(part));
        }
        fs::copy(folder.path().join("index.state"), killed.path().join("index.state")).unwrap();
        let segment = killed.path().join("journal/00000001.log");
        let whole = fs::read(&segment).unwrap();
        let end = |from: usize| from + 56 + u32::from_le_bytes(whole[from..from + 4].try_into().unwrap()) as usize;
        let first = end(64);
        fs::write(&segment, &whole[..first]).unwrap();
        let start = || EmbeddedStore::open(killed.path(), hash, Arc::new(SystemClock));
        assert!(matches!(start(), Err(StoreError::EndLost { last: 1, known: 2, .. })), "{engine:?}");
        assert_eq!(end_cut(killed.path()), Some(2));
        fs::write(&segment, &whole[..end(first)]).unwrap();
        assert_eq!(start().unwrap().1.journal.last, 2, "nobody noted the third one");
    }
}

#[test]
fn a_first_start_that_was_broken_off_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    drop(open_with(Engine::Lsm, folder.path()));
    fs::remove_file(folder.path().join("journal/00000001.log")).unwrap();
    assert_eq!(end_cut(folder.path()), None);
    open_with(Engine::Lsm, folder.path());
}
