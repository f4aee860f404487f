//! The chain of the journal, as others follow it.

use crate::{insert, message};
use sluss::app::upkeep::chain_hash as sha256;
use sluss::audit::{Expected, verify};
use sluss::model::{Event, Stage, SystemClock, Timestamp};
use sluss::store::disk::SystemDisk;
use sluss::store::journal::{hex, scan};
use sluss::store::{EmbeddedStore, Store, Transaction};
use std::fs;
use std::path::{Path, PathBuf};
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

/// A store of some records, its journal as short as it may be, and what is expected of it.
struct Kept {
    folder: tempfile::TempDir,
    segment: PathBuf,
    whole: Vec<u8>,
    /// Where each record begins, and where the last ends.
    begins: Vec<usize>,
    anchor: Expected,
}

fn kept() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path(), sha256, Arc::new(SystemClock)).unwrap();
    for n in 0..6 {
        let one = message();
        let events = vec![Event::new(Timestamp::now(), Some(one.id), Stage::Accepted, format!("event {n}"))];
        store.commit(Transaction { events, ..insert(&one) }).unwrap();
    }
    let (record, chain) = store.head().unwrap().unwrap();
    drop(store);
    // The chain alone is to say what became of it.
    fs::remove_file(folder.path().join("index.state")).unwrap();
    let segment = folder.path().join("journal/00000001.log");
    let mut whole = fs::read(&segment).unwrap();
    let mut begins = vec![64];
    loop {
        let at = *begins.last().unwrap();
        match u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize {
            0 => break,
            length => begins.push(at + 56 + length),
        }
    }
    whole.truncate(begins.last().unwrap() + 64);
    assert_eq!((begins.len(), record), (7, 6));
    Kept { folder, segment, whole, begins, anchor: Expected { record, chain: hex(&chain), at: None } }
}

impl Kept {
    /// What verification says of these octets: cause and record of each finding.
    fn says(&self, segment: &[u8], expected: &[Expected]) -> Vec<(&'static str, u64)> {
        fs::write(&self.segment, segment).unwrap();
        let verified = verify(self.folder.path(), sha256, expected).unwrap();
        assert_eq!(verified.whole, verified.findings.is_empty());
        verified.findings.into_iter().map(|finding| (finding.cause, finding.record)).collect()
    }
}

#[test]
fn any_changed_octet_of_the_event_log_is_found_with_its_record() {
    let kept = kept();
    assert_eq!(kept.says(&kept.whole, std::slice::from_ref(&kept.anchor)), []);
    let end = *kept.begins.last().unwrap();
    for at in 0..end {
        let mut changed = kept.whole.clone();
        changed[at] ^= 0x20;
        let record = kept.begins.iter().filter(|begin| **begin <= at).count() as u64;
        let expected = match record {
            0 => vec![("changed", 1)],
            // It is as a crash would leave it, but for the anchor.
            6 => vec![("torn", 6), ("end-cut", 6)],
            _ => vec![("changed", record)],
        };
        assert_eq!(kept.says(&changed, std::slice::from_ref(&kept.anchor)), expected, "octet {at} of {end}");
    }
}

#[test]
fn records_that_were_taken_out_exchanged_or_rewritten_are_found_for_what_they_are() {
    let kept = kept();
    let part = |n: usize| &kept.whole[kept.begins[n - 1]..kept.begins[n]];
    let head = &kept.whole[..64];
    let joined = |order: &[usize]| {
        let records: Vec<u8> = order.iter().flat_map(|n| part(*n)).copied().collect();
        [head, &records, &[0; 64]].concat()
    };
    let anchor = std::slice::from_ref(&kept.anchor);
    assert_eq!(kept.says(&joined(&[1, 2, 4, 5, 6]), anchor), [("cut-out", 3)]);
    assert_eq!(kept.says(&joined(&[1, 2, 4, 3, 5, 6]), anchor), [("reordered", 3)]);
    assert_eq!(kept.says(&joined(&[1, 2, 3, 3, 4, 5, 6]), anchor), [("reordered", 4)]);
    assert_eq!(kept.says(&joined(&[1, 2, 3, 4]), &[]), [], "nothing but an anchor tells that the end is gone");
    assert_eq!(kept.says(&joined(&[1, 2, 3, 4]), anchor), [("end-cut", 5)]);
    assert_eq!(kept.says(&[0; 4096], anchor), [("end-cut", 1)]);

    // One who knows CRC-32 and changes a word of the second record.
    let mut forged = kept.whole.clone();
    let (begin, end) = (kept.begins[1], kept.begins[2]);
    let word = begin + forged[begin..end].windows(7).position(|word| word == b"event 1").unwrap();
    forged[word + 6] = b'7';
    let mut crc = crc32fast::Hasher::new();
    crc.update(&forged[begin..begin + 4]);
    crc.update(&forged[begin + 8..end]);
    forged[begin + 4..begin + 8].copy_from_slice(&crc.finalize().to_le_bytes());
    assert_eq!(kept.says(&forged, anchor), [("rewritten", 2)]);

    fs::remove_file(&kept.segment).unwrap();
    let verified = verify(kept.folder.path(), sha256, anchor).unwrap();
    assert_eq!(verified.findings[0].cause, "end-cut");
}

#[test]
fn a_journal_that_was_written_anew_as_a_whole_does_not_have_the_anchor() {
    let (one, other) = (kept(), kept());
    assert_eq!(one.says(&other.whole, &[]), [], "it is consistent in itself");
    assert_eq!(one.says(&other.whole, std::slice::from_ref(&one.anchor)), [("rewritten", 6)]);
    // A segment that is missing between others.
    fs::rename(&one.segment, one.segment.with_file_name("00000002.log")).unwrap();
    let verified = verify(one.folder.path(), sha256, &[]).unwrap();
    assert_eq!(verified.findings[0].cause, "cut-out");
}
