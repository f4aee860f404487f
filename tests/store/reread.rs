//! Segments of the journal, read again while the store runs.

use crate::{hash, insert, message};
use sluss::model::{Event, Message, Stage, SystemClock};
use sluss::store::disk::Medium;
use sluss::store::{EmbeddedStore, Making, Store, StoreError, Transaction};
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path) -> EmbeddedStore {
    let medium = Medium { segment_bytes: 8 * 1024, ..Medium::system() };
    EmbeddedStore::open_telling(&medium, folder, hash, Arc::new(SystemClock), Making::Needed, &mut |_| {}).unwrap().0
}

#[test]
fn what_a_closed_segment_lost_is_found_with_its_place_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(store.segments_kept().unwrap().is_empty());
    assert_eq!(store.reread(1).unwrap(), None, "nothing is in it");
    (0..40).for_each(|_| drop(store.commit(insert(&message())).unwrap()));
    let kept = store.segments_kept().unwrap();
    assert!(*kept.start() == 1 && *kept.end() > 4, "{kept:?}");
    kept.clone().for_each(|number| assert_eq!(store.reread(number).unwrap(), None, "{number}"));
    let segment = |number: u32| folder.path().join(format!("journal/{number:08}.log"));
    let whole = fs::read(segment(2)).unwrap();
    let first = u64::from_le_bytes(whole[64 + 8..64 + 16].try_into().unwrap());
    let second = 64 + 56 + u32::from_le_bytes(whole[64..68].try_into().unwrap()) as usize;
    type Hurt = fn(&mut Vec<u8>, usize);
    let hurts: [(&str, Hurt, u64, u64); 4] = [
        ("a bit of its second record", |bytes, at| bytes[at + 100] ^= 4, second as u64, first + 1),
        ("all behind its first record", |bytes, at| bytes.truncate(at), 0, first + 1),
        ("its header", |bytes, _| bytes[3] ^= 4, 0, 1),
        ("everything", |bytes, _| bytes.clear(), 0, 1),
    ];
    for (what, hurt, offset, record) in hurts {
        let mut bytes = whole.clone();
        hurt(&mut bytes, second);
        fs::write(segment(2), bytes).unwrap();
        let (said, place) = store.reread(2).unwrap().unwrap();
        assert_eq!((place.offset, place.record), (offset, record), "{what}: {said} at {place}");
        let named = if what.starts_with("all behind") { 3 } else { 2 };
        assert_eq!(place.segment, segment(named).display().to_string(), "{what}");
        store.commit(insert(&message())).unwrap();
    }
    fs::remove_file(segment(2)).unwrap();
    assert!(store.reread(2).unwrap().unwrap().0.contains("segment 2"), "one that is gone");
    assert_eq!(store.reread(1).unwrap(), None, "it is not the one that is gone");
    fs::write(segment(2), whole).unwrap();
    kept.for_each(|number| assert_eq!(store.reread(number).unwrap(), None, "{number}"));
}

/// A message with its event.
fn logged(message: &Message) -> Transaction {
    let event = Event::new(message.created_at, Some(message.id), Stage::Accepted, "accepted");
    Transaction { events: vec![event], ..insert(message) }
}

#[test]
fn what_the_segment_that_is_written_to_lost_is_found_and_what_could_not_be_read_back_is_suspected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal/00000001.log");
    let messages: Vec<_> = (0..6).map(|_| message()).collect();
    let store = EmbeddedStore::open(folder.path(), hash, Arc::new(SystemClock)).unwrap().0;
    messages.iter().for_each(|message| drop(store.commit(logged(message)).unwrap()));
    drop(store);
    let whole = fs::read(&path).unwrap();
    let second = 64 + 56 + u32::from_le_bytes(whole[64..68].try_into().unwrap()) as usize;
    let hurt = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&path, bytes).unwrap();
        EmbeddedStore::open(folder.path(), hash, Arc::new(SystemClock)).map(|(store, _)| store)
    };
    for at in [3, 9, 60] {
        let refused = hurt(at).unwrap_err();
        let StoreError::Damaged { what, place } = &refused else { panic!("{refused}") };
        assert_eq!((what.as_str(), place.offset), ("its header is unreadable", 0), "{refused}");
        assert!(fs::read(&path).unwrap().len() == whole.len(), "it is as it was");
    }
    let store = hurt(second + 100).unwrap();
    assert!(store.suspects().contains(&1), "the start reads of it what the index has as well");
    let (said, place) = store.reread(1).unwrap().unwrap();
    assert_eq!((place.offset, place.record), (second as u64, 2), "{said} at {place}");
    assert!(store.suspects().is_empty());
    assert!(store.events(messages[1].id).is_err());
    assert!(store.suspects().contains(&1));
    assert!(store.suspects().is_empty(), "it is told once");
    drop(store);
    fs::write(&path, &whole).unwrap();
    let store = EmbeddedStore::open(folder.path(), hash, Arc::new(SystemClock)).unwrap().0;
    assert!(store.suspects().is_empty());
    store.commit(insert(&message())).unwrap();
    assert_eq!(store.reread(1).unwrap(), None);
}
