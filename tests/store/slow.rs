//! A disk whose syncs take half a second.

use crate::slow_disk::SlowDisk;
use crate::{hash, insert, message, settle};
use sluss::model::{Change, Outcome, SystemClock, Timestamp};
use sluss::store::{Committed, EmbeddedStore, Making, Settlement, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SYNC_MILLIS: u64 = 500;

fn open_on(disk: &SlowDisk, folder: &Path) -> EmbeddedStore {
    let clock = Arc::new(SystemClock);
    EmbeddedStore::open_telling(&disk.medium(), folder, hash, clock, Making::Needed, &mut |_| {})
        .expect("the store opens")
        .0
}

#[test]
fn many_writers_share_its_syncs_and_nothing_is_lost_or_there_twice() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SlowDisk::default());
    let store = open_on(&disk, folder.path());
    disk.syncs_take(SYNC_MILLIS);
    let before = store.syncs();
    let written: Vec<_> = std::thread::scope(|scope| {
        let write = || {
            let messages = [message(), message(), message()];
            for message in &messages {
                assert!(matches!(store.commit(insert(message)), Ok(Committed::Done)));
            }
            messages
        };
        let writers: Vec<_> = (0..64).map(|_| scope.spawn(write)).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let syncs = store.syncs() - before;
    assert!(syncs <= 16, "192 transactions took {syncs} syncs");
    disk.syncs_take(0);
    drop(store);
    let store = open_on(&disk, folder.path());
    assert_eq!(store.counts().unwrap().by_status.iter().map(|count| count.messages).sum::<u64>(), 192);
    for message in written {
        assert_eq!(store.message(message.id).unwrap(), Some(message));
    }
}

#[test]
fn a_lease_that_ends_while_its_outcome_is_synced_gives_its_message_to_nobody() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SlowDisk::default());
    let store = open_on(&disk, folder.path());
    let (sent, now) = (message(), Timestamp::now());
    store.commit(insert(&sent)).unwrap();
    let claimed = store.claim(now, Duration::from_secs(60)).unwrap().unwrap();
    disk.syncs_take(SYNC_MILLIS);
    std::thread::scope(|scope| {
        let settlement = Settlement {
            id: sent.id,
            claim: claimed.lease_until,
            release: true,
            outcome: Some(Outcome::Receipted),
            changes: vec![Change::Due(None)],
        };
        let settled = scope.spawn(|| store.commit(settle(settlement)));
        while !disk.is_syncing() {
            std::thread::yield_now();
        }
        let after = now + Duration::from_secs(600);
        assert!(store.claim(after, Duration::from_secs(60)).unwrap().is_none(), "it is attempted twice");
        assert!(disk.is_syncing(), "asked too late to prove anything");
        assert!(matches!(settled.join().unwrap(), Ok(Committed::Done)));
        assert!(store.claim(after, Duration::from_secs(60)).unwrap().is_none());
    });
    disk.syncs_take(0);
}

#[test]
fn its_slowness_is_measured() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SlowDisk::default());
    let store = open_on(&disk, folder.path());
    disk.syncs_take(SYNC_MILLIS);
    assert!(store.probe().unwrap() >= Duration::from_millis(SYNC_MILLIS));
    disk.syncs_take(0);
    assert!(!folder.path().join("index.state.new").exists());
}
