//! The chain of the journal, as others follow it.

use crate::{insert, message};
use sluss::app::upkeep::chain_hash as sha256;
use sluss::model::{Event, Stage, SystemClock, Timestamp};
use sluss::store::disk::SystemDisk;
use sluss::store::journal::{hex, scan};
use sluss::store::{EmbeddedStore, Store, Transaction};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What a shell prints.
fn shell(folder: &Path, script: &str) -> String {
    let ran = Command::new("sh").args(["-euc", script]).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{script}\n{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_chain_is_computed_with_a_shell_and_openssl_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path(), sha256, Arc::new(SystemClock)).unwrap();
    for n in 0..3 {
        let one = message();
        let events = vec![Event::new(Timestamp::now(), Some(one.id), Stage::Accepted, format!("räksmörgås {n}"))];
        store.commit(Transaction { events, ..insert(&one) }).unwrap();
    }
    drop(store);
    let (mut logs, mut states, mut last) = (Vec::new(), Vec::new(), String::new());
    scan(&SystemDisk::default(), &folder.path().join("journal"), sha256, None, &mut |position, payload| {
        let newline = payload.iter().position(|byte| *byte == b'\n').unwrap();
        logs.extend_from_slice(&payload[..=newline]);
        states.push(hex(&sha256(&payload[newline + 1..])));
        last = hex(&position.chain);
        Ok(())
    })
    .unwrap();
    assert!(String::from_utf8_lossy(&logs).contains("räksmörgås 2"));
    assert!(!String::from_utf8_lossy(&logs).contains("SUBMITTED"), "a log line shows no state");
    fs::write(folder.path().join("log"), &logs).unwrap();
    fs::write(folder.path().join("states"), states.join("\n") + "\n").unwrap();
    let script = "
        chain=0000000000000000000000000000000000000000000000000000000000000000
        for n in 1 2 3; do
            log=$(sed -n ${n}p log | openssl dgst -sha256 -r | cut -c1-64)
            state=$(sed -n ${n}p states)
            chain=$(printf '%s%s%s' $chain $log $state | openssl dgst -sha256 -r | cut -c1-64)
        done
        echo $chain";
    assert_eq!(shell(folder.path(), script).trim(), last);
}
