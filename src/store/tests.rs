//! What only shows with a hand inside: writes and syncs that fail.

use crate::limits::JOURNAL_SEGMENT_BYTES;
use crate::model::{
    Carriage, Direction, DocumentType, EnvelopeId, Enveloped, Message, MessageId, ProcessId, Timestamp,
};
use crate::store::disk::Medium;
use crate::store::embedded::{Making, open_files};
use crate::store::journal::Journal;
use crate::store::record::Prepared;
use crate::store::writer::{Shared, Writer};
use crate::store::{Blobs, EmbeddedStore, Store, StoreError, Transaction, Upkeep};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Numbers below what is asked for, the same ones for the same seed.
pub(super) fn random(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

struct Fixed;

impl crate::model::Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    hash
}

fn open(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(folder, hash, Arc::new(Fixed)).unwrap().0
}

fn opened(folder: &Path) -> (Shared, Journal) {
    let opened = open_files(&Medium::system(), folder, hash, Arc::new(Fixed), Making::Needed, &mut |_| {});
    opened.map(|(shared, journal, _)| (shared, journal)).unwrap()
}

fn open_with(folder: &Path, change: impl FnOnce(&mut Journal)) -> EmbeddedStore {
    let (shared, mut journal) = opened(folder);
    change(&mut journal);
    EmbeddedStore::start(shared, journal).unwrap()
}

fn without_reserve(folder: &Path) -> Result<Blobs, StoreError> {
    Blobs::at(&Medium { payload_reserve_bytes: 0, ..Medium::system() }, folder)
}

fn insert() -> (MessageId, Transaction) {
    let of = Enveloped {
        id: EnvelopeId::from_uuid(MessageId::now().0),
        from: "0203:alice.example.se".parse().unwrap(),
        to: "0203:bob.example.se".parse().unwrap(),
        document_type: DocumentType::sdk_message(),
        process: ProcessId::default(),
        envelope: None,
        bytes: 0,
        sha256: String::new(),
    };
    let message = Message::new(Direction::In, Carriage::Carried, of, Timestamp::UNIX_EPOCH);
    (message.id, Transaction { inserts: vec![message], ..Transaction::default() })
}

#[test]
fn a_failed_sync_stops_the_store_and_nobody_is_told_that_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let (before, transaction) = insert();
    open(folder.path()).commit(transaction).unwrap();
    let store = open_with(folder.path(), Journal::break_file);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let (id, transaction) = insert();
                    (id, store.commit(transaction))
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for (id, outcome) in &outcomes {
        assert!(matches!(outcome, Err(StoreError::Stopped(_))), "{outcome:?}");
        assert!(store.message(*id).unwrap().is_none(), "a reader was shown what may not be there tomorrow");
    }
    assert!(store.stopped().is_some());
    assert!(matches!(store.claim(Timestamp::MAX, Duration::ZERO), Err(StoreError::Stopped(_))));
    assert!(matches!(store.commit(insert().1), Err(StoreError::Stopped(_))));
    drop(store);
    let store = open(folder.path());
    assert!(store.message(before).unwrap().is_some());
    store.commit(insert().1).unwrap();
}

#[test]
fn the_payload_of_a_transaction_stays_while_nobody_knows_its_fate_and_goes_when_it_failed() {
    let folder = tempfile::tempdir().unwrap();
    for (known, change) in [(false, Journal::break_file as fn(&mut Journal)), (true, Journal::fill_disk)] {
        let store = open_with(folder.path(), change);
        let payload = store.blobs().create(None).unwrap().commit().unwrap();
        let (_, mut transaction) = insert();
        transaction.inserts[0].envelope = Some(payload);
        if known {
            // More than the segment at hand holds.
            transaction.inserts[0].envelope_sha256 = "0".repeat(usize::try_from(JOURNAL_SEGMENT_BYTES).unwrap());
        }
        let error = store.commit(transaction).unwrap_err();
        assert_eq!(matches!(error, StoreError::Full { .. }), known, "{error}");
        assert_eq!(store.blobs().open(payload).is_err(), known, "{error}");
    }
}

#[test]
fn what_was_refused_for_its_own_sake_is_told_so_also_where_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let (known, first) = insert();
    let again = first.clone();
    open(folder.path()).commit(first).unwrap();
    let (shared, mut journal) = opened(folder.path());
    journal.fill_disk();
    let (new, mut large) = insert();
    large.inserts[0].envelope_sha256 = "0".repeat(usize::try_from(JOURNAL_SEGMENT_BYTES).unwrap());
    let mut writer = Writer { shared: Arc::new(shared), journal };
    let outcomes = writer.group([again, large].into_iter().map(Prepared::new));
    let [first, large] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(matches!(first, Err(StoreError::Exists(id)) if *id == known), "{first:?}");
    assert!(matches!(large, Err(StoreError::Full { .. })), "{large:?}");
    assert!(writer.shared.index.message(new).unwrap().is_none());
}

#[test]
fn a_full_disk_refuses_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_with(folder.path(), Journal::fill_disk);
    let (id, mut transaction) = insert();
    transaction.inserts[0].envelope_sha256 = "0".repeat(usize::try_from(JOURNAL_SEGMENT_BYTES).unwrap());
    for _ in 0..2 {
        let refused = store.commit(transaction.clone()).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(store.message(id).unwrap().is_none() && store.stopped().is_none());
        assert_eq!(store.next_due().unwrap(), None);
    }
    // What fits into the segment at hand still goes.
    let (id, transaction) = insert();
    store.commit(transaction).unwrap();
    drop(store);
    assert_eq!(open(folder.path()).claim(Timestamp::MAX, Duration::ZERO).unwrap().map(|found| found.id), Some(id));
}

#[test]
fn free_space_is_looked_up_again_while_a_payload_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = without_reserve(folder.path()).unwrap();
    let mut writer = blobs.create(None).unwrap().fill_disk();
    let block = vec![0; 1024 * 1024];
    let full = (0..64).find_map(|_| io::Write::write_all(&mut writer, &block).err()).unwrap();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert!(writer.bytes() <= crate::limits::DISK_CHECK_EVERY_BYTES + block.len() as u64);
    drop(writer);
    assert!(std::fs::read_dir(folder.path().join("tmp")).unwrap().next().is_none());
}

#[test]
fn a_scratch_file_has_no_name_and_its_folder_is_for_us_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let blobs = without_reserve(&folder.path().join("blobs")).unwrap();
    let mut file = blobs.scratch().unwrap();
    io::Write::write_all(&mut file, b"in clear").unwrap();
    let aside = folder.path().join("blobs/tmp");
    assert_eq!(std::fs::read_dir(&aside).unwrap().count(), 0);
    assert_eq!(std::fs::metadata(aside).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(
        Blobs::at(&Medium { payload_reserve_bytes: u64::MAX / 2, ..Medium::system() }, folder.path())
            .unwrap()
            .scratch()
            .is_err(),
        "the reserve is kept"
    );
}

#[test]
fn a_transaction_larger_than_any_record_is_refused_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (id, mut transaction) = insert();
    transaction.inserts[0].envelope_sha256 = "0".repeat(crate::limits::JOURNAL_RECORD_BYTES_MAX);
    let refused = store.commit(transaction).unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
    assert!(store.message(id).unwrap().is_none());
    store.commit(insert().1).unwrap();
}

#[test]
fn payloads_being_written_share_a_bound_and_give_back_what_they_took() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = without_reserve(folder.path()).unwrap();
    blobs.bound_under_way(1000);
    let begin = |bytes: usize| {
        let mut writer = blobs.create(None).unwrap();
        io::Write::write_all(&mut writer, &vec![0; bytes]).map(|()| writer)
    };
    let (first, second) = (begin(600).unwrap(), begin(300).unwrap());
    let crowded = StoreError::io("write", begin(200).unwrap_err());
    assert!(matches!(crowded, StoreError::Crowded { taken_bytes: 900, bytes_max: 1000 }), "{crowded}");
    assert!(crowded.is_temporary());
    drop(first);
    let third = begin(700).unwrap();
    second.commit().unwrap();
    third.commit().unwrap();
    drop(begin(1000).unwrap());
    assert!(begin(1001).is_err());
}

/// Who purges has looked before; what happened since decides.
#[test]
fn a_message_that_was_taken_up_again_meanwhile_keeps_all_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let payload = store.blobs().create(None).unwrap().commit().unwrap();
    let (id, mut transaction) = insert();
    (transaction.inserts[0].envelope, transaction.inserts[0].envelope_bytes) = (Some(payload), 1);
    store.commit(transaction).unwrap();
    for upkeep in [Upkeep { empty: vec![id], ..Upkeep::default() }, Upkeep { forget: vec![id], ..Upkeep::default() }] {
        let purged = store.commit(Transaction { upkeep: Some(Box::new(upkeep)), ..Transaction::default() });
        assert!(matches!(purged, Err(StoreError::Busy(_))), "{purged:?}");
    }
    assert_eq!(store.message(id).unwrap().unwrap().envelope, Some(payload));
    assert!(store.blobs().open(payload).is_ok());
}
