//! Processes that die, writers that share a sync, disks that are full.

use crate::{hash, insert, message, open, settle, with_envelope};
use sluss::model::{BlobId, Change, Clock, Message, MessageId, Outcome, Query, Status, SystemClock, Timestamp};
use sluss::store::bench::measure;
use sluss::store::disk::{Medium, SystemDisk};
use sluss::store::{Blobs, EmbeddedStore, Making, Opening, Settlement, Store, StoreError, Transaction};
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Names the folder of the store for the process that is to be killed.
const VICTIM: &str = "SLUSS_TEST_VICTIM";

/// Not a test by itself: run as a child, it commits with four threads until it is killed, and prints
/// what was answered to it, and only that.
#[test]
fn victim() {
    let Ok(folder) = std::env::var(VICTIM) else { return };
    let (store, _) = open_small(Path::new(&folder));
    let out = Mutex::new(io::stdout());
    let say = |line: String| {
        // One write for a line, so that a kill leaves whole lines and at most one half.
        out.lock().unwrap().write_all(line.as_bytes()).unwrap();
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, say) = (&store, &say);
            scope.spawn(move || {
                for n in 0.. {
                    let mut writer = store.blobs().create(None).unwrap();
                    writer.write_all(format!("payload {thread} {n}").as_bytes()).unwrap();
                    let one = with_envelope(writer.commit().unwrap());
                    store.commit(insert(&one)).unwrap();
                    say(format!("inserted {}\n", one.id));
                    if n % 3 == 0 {
                        let changes = vec![Change::EnvelopeGone, Change::Due(None)];
                        let outcome = Some(Outcome::Delivered);
                        store
                            .commit(settle(Settlement { id: one.id, claim: None, release: true, outcome, changes }))
                            .unwrap();
                        say(format!("settled {}\n", one.id));
                    }
                }
            });
        }
    });
}

/// With an index that is written and merged all the time.
fn open_small(folder: &Path) -> (EmbeddedStore, Opening) {
    let disk = SystemDisk { index_table_bytes: 24 * 1024, ..SystemDisk::default() };
    let medium = Medium { disk: Arc::new(disk), ..Medium::system() };
    EmbeddedStore::open_telling(&medium, folder, hash, Arc::new(SystemClock), Making::Needed, &mut |_| {}).unwrap()
}

#[test]
fn nothing_that_was_answered_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut inserted, mut settled) = (HashSet::new(), HashSet::new());
    for round in 0..10_u64 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["crash::victim", "--exact", "--nocapture", "--test-threads=1"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut take = |line: &str| {
            let id = |line: &str| line.parse::<MessageId>().ok();
            let one = line.split_once("inserted ").and_then(|(_, rest)| id(rest)).map(|one| inserted.insert(one));
            let two = line.strip_prefix("settled ").and_then(id).map(|one| settled.insert(one));
            one.or(two).is_some()
        };
        while !take(&lines.next().expect("the victim commits").unwrap()) {}
        let kill = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(round * 37 % 211));
            victim.kill().unwrap();
            victim.wait().unwrap();
        });
        for line in lines.map_while(Result::ok) {
            take(&line);
        }
        kill.join().unwrap();
        let (store, opening) = open_small(folder.path());
        assert_eq!((&opening.rebuilt, opening.lost), (&None, 0), "a killed process leaves its index in order");
        all_there(&store, &inserted, &settled);
    }
    let tables = std::fs::read_dir(folder.path().join("index/tables")).unwrap().count();
    assert!(tables > 0, "the index was written while it was killed");
    // And the journal alone says the same.
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, _) = open(folder.path());
    all_there(&store, &inserted, &settled);
    println!("{} inserted, {} settled, nothing lost", inserted.len(), settled.len());
}

fn all_there(store: &dyn Store, inserted: &HashSet<MessageId>, settled: &HashSet<MessageId>) {
    let mut named = HashSet::new();
    for id in inserted {
        let found = store.message(*id).unwrap().unwrap_or_else(|| panic!("{id} was answered and is lost"));
        match found.envelope {
            Some(blob) => assert!(store.blobs().bytes(blob).unwrap() > 8),
            None => assert_eq!(found.status, Status::Acknowledge),
        }
        assert!(
            found.status == Status::Acknowledge || !settled.contains(id),
            "a step of {id} was answered and is lost"
        );
    }
    for found in store.list(&Query { limit: usize::MAX, ..Query::default() }).unwrap() {
        named.extend(found.envelope);
    }
    let orphans = store.blobs().orphans(|blob: BlobId| Ok(named.contains(&blob))).unwrap();
    assert!(orphans.is_empty(), "payloads without a message stayed behind: {orphans:?}");
}

#[test]
fn many_writers_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let (writers, each) = (32, 20);
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| (0..each).for_each(|_| drop(store.commit(insert(&message())).unwrap())));
        }
    });
    let (commits, syncs) = (writers * each, store.syncs());
    println!("{commits} commits, {syncs} syncs");
    assert_eq!(store.counts().unwrap().journal_records, commits);
    assert!(syncs > 0 && syncs <= commits / 4, "{commits} commits took {syncs} syncs");
}

#[test]
fn the_benchmark_measures_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for writers in [1, 32] {
        let measured = measure(folder.path(), writers, Duration::from_millis(500), hash, &clock).unwrap();
        println!("{}", serde_json::to_string(&measured).unwrap());
        assert!(measured.commits > 0 && measured.syncs <= measured.commits && measured.bare_appends_per_second > 0.0);
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn two_steps_at_once_are_both_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let all: Vec<Message> = (0..50).map(|_| message()).collect();
    store.commit(Transaction { inserts: all.clone(), ..Transaction::default() }).unwrap();
    let step = |id, outcome, change| {
        settle(Settlement { id, claim: None, release: true, outcome: Some(outcome), changes: vec![change] })
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            all.iter().for_each(|one| drop(store.commit(step(one.id, Outcome::Receipted, Change::Attempts(1)))))
        });
        scope.spawn(|| {
            for one in &all {
                store.commit(step(one.id, Outcome::Confirm, Change::MessageReceipt("ACCEPTED".into()))).unwrap();
            }
        });
    });
    for one in &all {
        let found = store.message(one.id).unwrap().unwrap();
        assert_eq!((found.status, found.attempts), (Status::Accepted, 1));
        assert_eq!(found.message_receipt.as_deref(), Some("ACCEPTED"));
    }
}

#[test]
fn every_message_is_claimed_once_by_many_workers() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let all: Vec<Message> = (0..200).map(|_| message()).collect();
    store.commit(Transaction { inserts: all.clone(), ..Transaction::default() }).unwrap();
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(one) = store.claim(Timestamp::now(), Duration::from_secs(600)).unwrap() {
                    let changes = vec![Change::Due(None)];
                    let outcome = Some(Outcome::Delivered);
                    let claim = one.lease_until;
                    store.commit(settle(Settlement { id: one.id, claim, release: true, outcome, changes })).unwrap();
                    taken.lock().unwrap().push(one.id);
                }
            });
        }
    });
    let mut taken = taken.into_inner().unwrap();
    taken.sort_unstable();
    let mut expected: Vec<MessageId> = all.iter().map(|one| one.id).collect();
    expected.sort_unstable();
    assert_eq!(taken, expected);
}

#[test]
fn a_payload_that_would_fill_the_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::at(&Medium::system(), folder.path()).unwrap();
    let full = blobs.create(Some(1 << 60)).map(drop).unwrap_err();
    assert!(matches!(full, StoreError::Full { needed_bytes, .. } if needed_bytes > 1 << 60), "{full}");
    assert!(full.is_temporary());
    // The same while writing: the free space falls below the reserve only after the file was begun.
    let medium = Medium { payload_reserve_bytes: 0, ..Medium::system() };
    let blobs = Blobs::at(&medium, folder.path()).unwrap();
    let mut writer = blobs.create(None).unwrap();
    writer.write_all(&[0; 4096]).unwrap();
    drop(writer);
    let full = StoreError::io("write", io::Error::from_raw_os_error(28));
    assert!(matches!(full, StoreError::Full { .. }), "{full}");
    let through_write = io::Error::from(full);
    assert_eq!(through_write.kind(), io::ErrorKind::StorageFull);
    assert!(matches!(StoreError::io("copy", through_write), StoreError::Full { .. }));
    assert!(std::fs::read_dir(folder.path().join("tmp")).unwrap().next().is_none());
}
