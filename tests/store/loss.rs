//! A journal that is gone, or lost its end, while the store's other files are there.

use crate::{hash, insert, message, open_with, with_envelope};
use sluss::audit;
use sluss::model::{Message, Query, SystemClock, Timestamp};
use sluss::store::disk::Medium;
use sluss::store::keys::Engine;
use sluss::store::verify::verify;
use sluss::store::{EmbeddedStore, Store, StoreError};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

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
    for anew in [false, true, false] {
        let medium = Medium::with(engine);
        match EmbeddedStore::open_telling(&medium, folder, hash, Arc::new(SystemClock), anew, &mut |_| {}) {
            Err(error @ StoreError::Gone { .. }) => {
                let said = error.to_string();
                assert!(said.contains("Nothing was begun") && said.contains("sluss store restore"), "{said}");
            }
            other => panic!("{engine:?}, {anew}: {other:?}"),
        }
    }
}

/// What both verifications find at the end of the journal: the record from which on it is gone.
fn end_cut(folder: &Path) -> Option<u64> {
    let store = verify(folder, hash, |_| Ok(String::new()), Timestamp::now()).unwrap();
    let chain = audit::verify(folder, hash, &[]).unwrap();
    assert_eq!((store.whole, chain.whole), (store.findings.is_empty(), chain.findings.is_empty()));
    let chain: Vec<u64> = chain.findings.iter().filter(|one| one.cause == "end-cut").map(|one| one.record).collect();
    let named = store.findings.iter().filter(|one| one.what.contains("the journal ends with record"));
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

#[test]
fn a_lost_end_is_told_by_the_mark_where_the_index_is_lost_too() {
    let folder = tempfile::tempdir().unwrap();
    let all = fill(&open_with(Engine::Lsm, folder.path()).0);
    let segment = folder.path().join("journal/00000001.log");
    let whole = fs::read(&segment).unwrap();
    let first = 64 + 56 + u32::from_le_bytes(whole[64..68].try_into().unwrap()) as usize;
    fs::write(&segment, &whole[..first]).unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    assert_eq!(end_cut(folder.path()), Some(2));
    let (store, opening) = open_with(Engine::Lsm, folder.path());
    assert_eq!(opening.lost, 1);
    let payload = all[1].envelope.unwrap();
    assert!(folder.path().join(format!("blobs/lost/{payload}")).exists(), "what it was of is kept");
    drop(store);
    assert_eq!(end_cut(folder.path()), None, "it was told");
}

#[test]
fn a_first_start_that_was_broken_off_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    drop(open_with(Engine::Lsm, folder.path()));
    fs::remove_file(folder.path().join("journal/00000001.log")).unwrap();
    assert_eq!(end_cut(folder.path()), None);
    open_with(Engine::Lsm, folder.path());
}
