//! A file system that has no room for the index, while the journal's has: for real, where the simulation only says so.

use crate::mounted::Mounted;
use crate::{DIGESTS, duplicate, hash, insert, message};
use sluss::model::{Message, MessageId, Query, SystemClock, Timestamp};
use sluss::store::disk::{Medium, SystemDisk};
use sluss::store::keys::Engine;
use sluss::store::verify::verify;
use sluss::store::{Committed, EmbeddedStore, Making, Opening, Store, StoreError, Transaction};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Much of the index is written soon.
fn try_open(folder: &Path) -> Result<(EmbeddedStore, Opening), StoreError> {
    let disk = SystemDisk { engine: Engine::Lsm, index_table_bytes: 16 * 1024 };
    let medium = Medium { disk: Arc::new(disk), ..Medium::system() };
    EmbeddedStore::open_telling(&medium, folder, hash, Arc::new(SystemClock), Making::Needed, &mut |_| {})
}

/// Commits at most so many, until one is refused, and says why.
fn fill(store: &EmbeddedStore, accepted: &mut Vec<Message>, most: usize) -> Option<StoreError> {
    (0..most / 20).find_map(|_| {
        let first = u32::try_from(accepted.len()).unwrap();
        let new: Vec<Message> = (0..20).map(|_| message()).collect();
        let all = (first..).zip(&new).map(|(n, one)| Transaction { answered: Some(duplicate(n)), ..insert(one) });
        let outcomes = store.commit_together(all.collect());
        let taken = outcomes.iter().take_while(|outcome| matches!(outcome, Ok(Committed::Done))).count();
        assert!(outcomes.iter().skip(taken).all(Result::is_err), "{outcomes:?}");
        accepted.extend(new.into_iter().take(taken));
        outcomes.into_iter().find_map(Result::err)
    })
}

fn assert_holds(store: &EmbeddedStore, accepted: &[Message]) {
    let found = store.list(&Query { limit: 100_000, ..Query::default() }).unwrap();
    let ids = |all: &[Message]| all.iter().map(|one| one.id).collect::<BTreeSet<MessageId>>();
    assert_eq!((found.len(), ids(&found)), (accepted.len(), ids(accepted)));
    let last = u32::try_from(accepted.len()).unwrap();
    assert!(store.answered(&duplicate(last - 1).0).unwrap().is_some());
    assert_eq!(store.answered(&duplicate(last).0).unwrap(), None, "nothing of what was refused");
    assert_eq!(store.last_record(), u64::from(last));
}

#[test]
fn an_index_without_room_refuses_what_is_new_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    fs::create_dir(&index).unwrap();
    let Some(disk) = Mounted::of_size(&index, "256k") else {
        println!("skipped: a small disk can be mounted by root only");
        return;
    };
    let mut accepted = Vec::new();
    let (store, _) = try_open(folder.path()).unwrap();
    for _ in 0..3 {
        let refused = fill(&store, &mut accepted, 3_000).expect("so little is not enough");
        assert!(refused.is_temporary() && !matches!(refused, StoreError::Stopped(_)), "{refused}");
        assert_eq!(store.stopped(), None);
        assert_holds(&store, &accepted);
    }
    assert!(accepted.len() > 20, "{}", accepted.len());
    // It goes on by itself.
    disk.again("size=512k");
    let before = accepted.len();
    let refused = fill(&store, &mut accepted, 3_000);
    assert!(accepted.len() > before + 20, "{refused:?}");
    assert_holds(&store, &accepted);
    // As it is left full, and as the next start finds it.
    assert!(refused.or_else(|| fill(&store, &mut accepted, 3_000)).is_some());
    assert_holds(&store, &accepted);
    drop(store);
    let verified = verify(folder.path(), hash, DIGESTS, Timestamp::now()).unwrap();
    assert!(verified.whole && verified.messages == accepted.len() as u64, "{:?}", verified.findings);
    match try_open(folder.path()) {
        Ok((store, opening)) => {
            assert_eq!(opening.lost, 0);
            assert_holds(&store, &accepted);
        }
        Err(refused) => assert!(refused.is_temporary(), "{refused}"),
    }
    disk.again("size=64m");
    let (store, opening) = try_open(folder.path()).unwrap();
    assert_eq!((opening.lost, opening.rebuilt), (0, None));
    assert_holds(&store, &accepted);
    assert!(fill(&store, &mut accepted, 100).is_none());
    assert_holds(&store, &accepted);
}
