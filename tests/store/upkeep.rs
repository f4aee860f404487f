//! Verify, backup and restore.

use crate::{DIGESTS, digest, hash, insert, message, open, settle, with_envelope};
use sluss::model::{BlobId, Change, Content, Document, Message, Outcome, Packing, Piece, SystemClock, Timestamp};
use sluss::store::backup::restore;
use sluss::store::disk::Medium;
use sluss::store::journal::Position;
use sluss::store::verify::{Verified, verify};
use sluss::store::{EmbeddedStore, Making, Settlement, Store, StoreError};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn look(folder: &Path) -> Verified {
    verify(folder, hash, DIGESTS, Timestamp::now()).unwrap()
}

/// A message with an envelope of these bytes.
fn sealed(store: &EmbeddedStore, bytes: &[u8]) -> Message {
    let mut writer = store.blobs().create(None).unwrap();
    writer.write_all(bytes).unwrap();
    Message {
        envelope_sha256: digest(bytes),
        envelope_bytes: bytes.len() as u64,
        ..with_envelope(writer.commit().unwrap())
    }
}

fn gone(message: &Message) -> Settlement {
    let changes = vec![Change::EnvelopeGone, Change::Due(None)];
    Settlement { id: message.id, claim: None, release: true, outcome: Some(Outcome::Delivered), changes }
}

fn payload(folder: &Path, blob: BlobId) -> std::path::PathBuf {
    let name = blob.to_string();
    folder.join("blobs").join(&name[..2]).join(&name)
}

/// A folder with a store of two segments, three messages with payloads and one without.
fn filled() -> (tempfile::TempDir, Vec<Message>) {
    let folder = tempfile::tempdir().unwrap();
    let medium = Medium { segment_bytes: 64 * 1024, ..Medium::system() };
    let (store, _) =
        EmbeddedStore::open_in_place(&medium, folder.path(), hash, Arc::new(SystemClock), Making::Needed).unwrap();
    let all: Vec<Message> = (0..3).map(|n| sealed(&store, format!("payload {n}").as_bytes())).collect();
    for one in &all {
        store.commit(insert(one)).unwrap();
    }
    for _ in 0..2 {
        store.commit(insert(&Message { envelope_sha256: "0".repeat(36 * 1024), ..message() })).unwrap();
    }
    drop(store);
    (folder, all)
}

#[test]
fn verify_counts_and_finds_missing_changed_and_orphaned_payloads() {
    let (folder, all) = filled();
    let whole = look(folder.path());
    assert!(whole.whole && !whole.in_use && whole.chain.is_some(), "{whole:?}");
    assert_eq!((whole.segments, whole.records, whole.messages, whole.payloads.present), (2, 5, 5, 3));
    fs::remove_file(payload(folder.path(), all[0].envelope.unwrap())).unwrap();
    fs::write(payload(folder.path(), all[1].envelope.unwrap()), "payload 9").unwrap();
    fs::write(payload(folder.path(), BlobId(message().id.0)), "nobody's").unwrap();
    let hurt = look(folder.path());
    let payloads = &hurt.payloads;
    assert_eq!((payloads.present, payloads.missing, payloads.changed, payloads.orphaned), (1, 1, 1, 1), "{hurt:?}");
    assert_eq!(hurt.findings.len(), 2);
    assert!(hurt.findings.iter().all(|finding| finding.payload.is_some() && finding.message.is_some()));
    // What a message has given up is not missed.
    let (store, _) = open(folder.path());
    for one in &all[..2] {
        store.commit(settle(gone(one))).unwrap();
    }
    let beside = look(folder.path());
    assert!(beside.whole && beside.in_use, "{beside:?}");
}

/// What is not an envelope: packed messages, of which only later versions note a digest, and opened documents.
#[test]
fn verify_compares_every_payload_of_which_a_digest_is_known_and_counts_the_others() {
    let (folder, all) = filled();
    let (store, _) = open(folder.path());
    let put = |bytes: &[u8]| {
        let mut writer = store.blobs().create(None).unwrap();
        writer.write_all(bytes).unwrap();
        writer.commit().unwrap()
    };
    let packing = |bytes: &[u8], part_sha256: Option<String>| Packing {
        content_type: "multipart/related".into(),
        pieces: vec![Piece::Text("head".into()), Piece::File(put(bytes))],
        bytes: 4 + bytes.len() as u64,
        part_sha256,
        references: Vec::new(),
        url: "https://receiver.example".into(),
        certificate: String::new(),
        earlier: Vec::new(),
    };
    let document = |text: &str| Document {
        name: "a.txt".into(),
        mime: "text/plain".into(),
        bytes: text.len() as u64,
        sha256: digest(text.as_bytes()),
    };
    let documents = ["one", "two"].map(document).to_vec();
    let content = Content { documents, payload: Some(put(b"one\ntwo\n")), ..Content::default() };
    let (noted, plain) = (packing(b"packed 1", Some(digest(b"packed 1"))), packing(b"packed 2", None));
    let blobs = [&noted, &plain].map(|packing| packing.files().next().unwrap()).into_iter().chain(content.payload);
    let [noted_blob, plain_blob, content_blob] = blobs.collect::<Vec<_>>()[..] else { unreachable!() };
    // As changes, and as what a message began with.
    let changes = [Change::Packed(Some(Box::new(noted))), Change::Content(Box::new(content))];
    for (one, change) in all.iter().zip(changes) {
        let kept = Settlement { id: one.id, claim: None, release: false, outcome: None, changes: vec![change] };
        store.commit(settle(kept)).unwrap();
    }
    store.commit(insert(&Message { packed: Some(plain), ..message() })).unwrap();
    drop(store);
    let whole = look(folder.path());
    assert!(whole.whole, "{whole:?}");
    assert_eq!((whole.payloads.present, whole.payloads.unproven), (6, 1));

    let hurts: [(BlobId, &[u8], &Message, &str, &str); 3] = [
        (noted_blob, b"packed 3", &all[0], "found 8 bytes", "packed anew"),
        (content_blob, b"one\ntwi\n", &all[1], "found documents", "ask its sender"),
        (content_blob, b"one\n\xff\n", &all[1], "found no message", "ask its sender"),
    ];
    for (blob, bytes, of, what, remedy) in hurts {
        let file = payload(folder.path(), blob);
        let before = fs::read(&file).unwrap();
        fs::write(&file, bytes).unwrap();
        let hurt = look(folder.path());
        let [finding] = &hurt.findings[..] else { panic!("{hurt:?}") };
        assert_eq!((finding.payload, finding.message, hurt.payloads.changed), (Some(blob), Some(of.id), 1));
        assert!(finding.what.contains(what) && finding.remedy.contains(remedy), "{finding:?}");
        fs::write(&file, before).unwrap();
    }
    fs::write(payload(folder.path(), plain_blob), "packed 4").unwrap();
    let unknown = look(folder.path());
    assert_eq!((unknown.whole, unknown.payloads.unproven), (true, 1), "of this only its presence is known");
}

#[test]
fn verify_finds_any_flipped_bit_of_a_closed_segment_and_names_its_place() {
    let (folder, _) = filled();
    let segment = folder.path().join("journal/00000001.log");
    let bytes = fs::read(&segment).unwrap();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    // Every octet of the header and of the first records, some of the large record, and the padding behind it.
    let sampled = (400..bytes.len()).step_by(997).chain([bytes.len() - 1]);
    for at in (0..400).chain(sampled) {
        let bit = 1 << (at % 8);
        file.write_all_at(&[bytes[at] ^ bit], at as u64).unwrap();
        let hurt = look(folder.path());
        file.write_all_at(&[bytes[at]], at as u64).unwrap();
        assert!(!hurt.whole, "bit {bit} of octet {at} was changed, and nothing was found");
        let place = hurt.findings[0].place.as_ref().expect("damage has a place");
        assert!(place.segment.ends_with("00000001.log") && place.offset <= at as u64, "{place} for octet {at}");
        assert_eq!(hurt.segments, 2, "later segments are looked at all the same");
    }
    assert!(look(folder.path()).whole);
}

#[test]
fn a_backup_made_under_load_is_whole_and_what_is_restored_goes_on() {
    let (folder, _) = filled();
    let (store, _) = open(folder.path());
    let (backups, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let one = sealed(&store, b"passes by");
                    store.commit(insert(&one)).unwrap();
                    store.commit(settle(gone(&one))).unwrap();
                }
            });
        }
        for n in 0..5 {
            let to = backups.path().join(n.to_string());
            let manifest = store.backup(&to).unwrap();
            assert!(matches!(store.backup(&to), Err(StoreError::Unfit(_))), "a backup is not written over");
            let found = look(&to);
            assert!(found.whole && found.records == manifest.records, "{found:?} {manifest:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let left = look(folder.path());
    assert!(left.whole && left.payloads.orphaned == 0, "what was kept for the backups is removed: {left:?}");
    let from = backups.path().join("4");
    let place = tempfile::tempdir().unwrap();
    let restored = restore(&from, place.path(), hash, DIGESTS, Timestamp::now()).unwrap();
    let (back, opening) = open(place.path());
    assert_eq!((opening.journal.last, opening.lost), (restored.records, 0));
    let shown = back.counts().unwrap().by_status.iter().map(|count| count.messages).sum::<u64>();
    assert_eq!(shown, restored.messages);
    back.commit(insert(&message())).unwrap();
    drop(back);
    let grown = look(place.path());
    assert!(grown.whole && grown.records == restored.records + 1, "{grown:?}");
    assert!(look(&from).whole, "the backup is not touched by what was restored from it");
}

#[test]
fn a_damaged_backup_is_refused_and_a_store_is_not_written_over() {
    let (folder, all) = filled();
    let (store, _) = open(folder.path());
    let backups = tempfile::tempdir().unwrap();
    let from = backups.path().join("one");
    store.backup(&from).unwrap();
    drop(store);
    let over = restore(&from, folder.path(), hash, DIGESTS, Timestamp::now()).unwrap_err();
    assert!(over.to_string().contains("holds a store already"), "{over}");
    fs::remove_file(payload(&from, all[2].envelope.unwrap())).unwrap();
    let place = tempfile::tempdir().unwrap();
    let refused = restore(&from, place.path(), hash, DIGESTS, Timestamp::now()).unwrap_err();
    assert!(refused.to_string().contains("nothing was restored"), "{refused}");
    fs::remove_file(from.join("backup.json")).unwrap();
    assert!(restore(&from, place.path(), hash, DIGESTS, Timestamp::now()).is_err(), "one that was not finished");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn an_index_that_is_built_again_on_demand_says_how_far_it_is() {
    let (folder, _) = filled();
    let mut told = Vec::new();
    let mut tell = |position: &Position| told.push(position.seq);
    let (_, opening) = EmbeddedStore::open_telling(
        &Medium::system(),
        folder.path(),
        hash,
        Arc::new(SystemClock),
        Making::Anew,
        &mut tell,
    )
    .unwrap();
    assert_eq!((opening.rebuilt.as_deref(), opening.journal.read), (Some("it was asked for"), 5));
    assert_eq!(told.last(), Some(&5));
}
