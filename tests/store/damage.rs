//! Broken disks: a journal with a torn tail or a damaged middle, an index that is gone, cut short,
//! garbled, behind or ahead.

use crate::slow_disk::SlowDisk;
use crate::{DIGESTS, copy, duplicate, hash, insert, message, open, open_with, settle, try_open, with_envelope};
use sluss::limits::{JOURNAL_SEGMENT_BYTES, REPLAY_BYTES};
use sluss::model::{Change, Event, Message, Outcome, Query, Stage, SystemClock, Timestamp, Warrant};
use sluss::store::disk::Medium;
use sluss::store::journal::{Journal, Position};
use sluss::store::keys::{Batch, Engine};
use sluss::store::verify::verify;
use sluss::store::{EmbeddedStore, Making, Settlement, Store, StoreError, Transaction};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that can be asked of a store, as one text.
fn everything(store: &dyn Store) -> String {
    let messages = store.list(&Query::default()).unwrap();
    let events: Vec<Vec<Event>> = messages.iter().map(|message| store.events(message.id).unwrap()).collect();
    let answers: Vec<_> = (0..40).map(|n| store.answered(&duplicate(n).0).unwrap()).collect();
    let counts = store.counts().unwrap();
    let due = store.next_due().unwrap();
    let refusals = store.refusals(100).unwrap();
    format!(
        "{messages:#?}\n{events:#?}\n{answers:#?}\n{:#?} {}\n{due:?}\n{refusals:#?}",
        counts.by_status, counts.journal_records
    )
}

/// A store with something of everything in it.
fn fill(store: &dyn Store) -> Vec<Message> {
    let mut all = Vec::new();
    for n in 0..30 {
        let one = message();
        let events = vec![Event::new(Timestamp::now(), Some(one.id), Stage::Accepted, format!("accepted {n}"))];
        store.commit(Transaction { answered: Some(duplicate(n)), events, ..insert(&one) }).unwrap();
        if n % 3 == 0 {
            let changes = vec![Change::Attempts(1), Change::Due(None)];
            let outcome = Some(Outcome::Receipted);
            store.commit(settle(Settlement { id: one.id, claim: None, release: true, outcome, changes })).unwrap();
        }
        all.push(one);
    }
    let refusal = Event::new(Timestamp::now(), None, Stage::Refused, "refused");
    store.commit(Transaction { events: vec![refusal], ..Transaction::default() }).unwrap();
    all
}

fn first_segment(folder: &Path) -> PathBuf {
    folder.join("journal/00000001.log")
}

/// Where the records end, and where the last of them begins.
fn last_record(segment: &Path) -> (u64, u64) {
    let bytes = fs::read(segment).unwrap();
    let (mut at, mut last) = (64, 64);
    loop {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if length == 0 {
            return (last as u64, at as u64);
        }
        last = at;
        at += 56 + length;
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let kept = message();
    store.commit(insert(&kept)).unwrap();
    let refusal = Event::new(Timestamp::now(), None, Stage::Refused, "last");
    store.commit(Transaction { events: vec![refusal], ..Transaction::default() }).unwrap();
    drop(store);
    let segment = first_segment(folder.path());
    let whole = fs::read(&segment).unwrap();
    let (begin, end) = last_record(&segment);
    let zeros = vec![0; 4096];
    type Hurt<'a> = &'a dyn Fn(&File, u64);
    let garble: Hurt<'_> = &|file, at| file.write_all_at(&[whole[at as usize] ^ 0x5a], at).unwrap();
    let truncate: Hurt<'_> = &|file, at| file.set_len(at).unwrap();
    let lose_end: Hurt<'_> = &|file, at| file.write_all_at(&zeros[..(end - at) as usize], at).unwrap();
    let lose_begin: Hurt<'_> = &|file, at| file.write_all_at(&zeros[..=(at - begin) as usize], begin).unwrap();
    for (how, hurt) in
        [("garbled", garble), ("truncated", truncate), ("end lost", lose_end), ("begin lost", lose_begin)]
    {
        for at in begin..end {
            let file = OpenOptions::new().write(true).open(&segment).unwrap();
            file.set_len(JOURNAL_SEGMENT_BYTES).unwrap();
            file.write_all_at(&whole[..end as usize], 0).unwrap();
            hurt(&file, at);
            let (last, torn) = reread(folder.path());
            assert_eq!(last, 1, "{how} at {at}");
            assert!(
                torn || (how != "garbled" && at == begin) || (how == "begin lost" && at == end - 1),
                "{how} at {at}"
            );
            assert_eq!(fs::metadata(&segment).unwrap().len(), JOURNAL_SEGMENT_BYTES);
            assert_eq!(reread(folder.path()), (1, false), "a cut tail stays cut");
        }
    }
    untold(folder.path());
    let (store, _) = open(folder.path());
    assert_eq!(store.message(kept.id).unwrap().as_ref(), Some(&kept));
    assert!(store.refusals(1).unwrap().is_empty());
    // What comes after goes on where the cut was.
    store.commit(insert(&message())).unwrap();
    drop(store);
    assert_eq!(open(folder.path()).1.journal.last, 2);
}

/// The last record of the journal, and whether a tail was cut.
fn reread(folder: &Path) -> (u64, bool) {
    let folder = folder.join("journal");
    let (_, found) = Journal::open(&Medium::system(), &folder, hash, None, &mut |_, _| Ok(())).unwrap();
    (found.last, found.torn.is_some())
}

#[test]
fn a_damaged_middle_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    fill(&store);
    drop(store);
    let segment = first_segment(folder.path());
    let whole = fs::read(&segment).unwrap();
    let (begin, end) = last_record(&segment);
    for at in [3_u64, 70, 64 + 56 + 10, begin / 2, begin - 1] {
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let file = OpenOptions::new().write(true).open(&segment).unwrap();
        file.write_all_at(&[whole[at as usize] ^ 0x5a], at).unwrap();
        match try_open(folder.path()) {
            Err(StoreError::Damaged { what, place }) => {
                let offset = place.offset;
                assert!(place.segment.ends_with("journal/00000001.log"), "{place}");
                assert!(offset <= at && at < offset + 3000, "damage at {at} was reported as {what} at {place}");
            }
            other => panic!("damage at {at} of {end} was not noticed: {other:?}"),
        }
        fs::write(&segment, &whole).unwrap();
        fs::create_dir_all(folder.path().join("index")).unwrap();
    }
    open(folder.path());
}

#[test]
fn a_journal_of_another_format_is_refused_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()).0);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let segment = first_segment(folder.path());
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 9;
    let crc = crc32fast::hash(&bytes[..52]);
    bytes[52..56].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let refused = try_open(folder.path()).unwrap_err();
    let said = refused.to_string();
    assert!(matches!(refused, StoreError::Format { found: 9, expected: 2, .. }), "{said}");
    assert!(said.contains(segment.to_str().unwrap()) && said.contains("Nothing was changed"), "{said}");
    assert_eq!(fs::read(&segment).unwrap(), bytes);
    let verified = verify(folder.path(), hash, DIGESTS, Timestamp::now()).unwrap();
    assert!(!verified.whole && format!("{:?}", verified.findings).contains("journal format 9"), "{verified:?}");
}

#[test]
fn a_forged_record_breaks_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()).0);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let segment = first_segment(folder.path());
    let mut bytes = fs::read(&segment).unwrap();
    // A forger who knows CRC-32, but not how to make the chain hold: he changes one word of the first record.
    let length = u32::from_le_bytes(bytes[64..68].try_into().unwrap()) as usize;
    let record = 64..64 + 56 + length;
    let word = bytes[record.clone()].windows(5).position(|word| word == b"alice").unwrap() + 64;
    bytes[word] = b'A';
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[64..68]);
    crc.update(&bytes[72..record.end]);
    let crc = crc.finalize();
    bytes[68..72].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let refused = try_open(folder.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { what, .. } if what.contains("chain")), "{refused}");
}

#[test]
fn an_index_that_is_lost_or_garbled_is_built_again_with_the_same_content() {
    for engine in [Engine::Lsm, Engine::Sled] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open_with(engine, folder.path());
        fill(&store);
        let expected = everything(&store);
        drop(store);
        let index = folder.path().join("index");
        let is_expected = |how: &str| {
            let (store, opening) = open_with(engine, folder.path());
            println!("{engine:?} {how}: {:?}", opening.rebuilt);
            assert_eq!(everything(&store), expected, "{engine:?} {how}");
            assert_eq!(opening.lost, 0, "{engine:?} {how}");
        };
        let mut hurts: Vec<Hurt<'_>> = vec![
            ("deleted", Box::new(|| fs::remove_dir_all(&index).unwrap())),
            ("emptied", Box::new(|| files(&index).iter().for_each(|file| fs::write(file, b"").unwrap()))),
            ("filled with garbage", Box::new(|| files(&index).iter().for_each(|file| garble(file)))),
            (
                "a file instead of a folder",
                Box::new(|| {
                    fs::remove_dir_all(&index).unwrap();
                    fs::write(&index, "index").unwrap();
                }),
            ),
            ("of another library", Box::new(|| drop(open_with(other(engine), folder.path())))),
        ];
        match engine {
            Engine::Lsm => hurts.extend(lsm_hurts(&index)),
            Engine::Sled => hurts.extend(sled_hurts(&index)),
        }
        for (how, hurt) in &hurts {
            hurt();
            is_expected(how);
            // The same of a process that was killed: then nothing says that files were changed.
            open_with(engine, folder.path());
            hurt();
            killed(folder.path());
            is_expected(how);
        }
        // The largest file: with sled the only one that holds keys.
        let largest = || files(&index).into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
        for part in 0..16 {
            let size = fs::metadata(largest()).unwrap().len();
            OpenOptions::new().write(true).open(largest()).unwrap().set_len(size * part / 16).unwrap();
            is_expected(&format!("cut to {part}/16"));
        }
        for part in 0..32 {
            let size = fs::metadata(largest()).unwrap().len();
            let file = OpenOptions::new().write(true).open(largest()).unwrap();
            file.write_all_at(&[0xa5; 512], size * part / 32).unwrap();
            is_expected(&format!("garbled at {part}/32"));
        }
    }
}

/// A name, and what it does.
type Hurt<'a> = (&'a str, Box<dyn Fn() + 'a>);

fn lsm_hurts(index: &Path) -> Vec<Hurt<'_>> {
    vec![
        ("without its list of files", Box::new(|| fs::remove_file(index.join("current")).unwrap())),
        ("with its list of files of no length", Box::new(|| fs::write(index.join("current"), "").unwrap())),
        ("with a bit of its list of files turned", Box::new(|| turn(&of_version(index), 40))),
        ("without its tables", Box::new(|| fs::remove_dir_all(index.join("tables")).unwrap())),
        ("with a table of no name", Box::new(|| fs::write(index.join("tables/x"), "table").unwrap())),
    ]
}

fn sled_hurts(index: &Path) -> Vec<Hurt<'_>> {
    vec![
        ("one file replaced by a text", Box::new(|| fs::write(index.join("db"), "no database").unwrap())),
        ("without its configuration", Box::new(|| fs::remove_file(index.join("conf")).unwrap())),
        (
            "an interrupted snapshot",
            Box::new(|| fs::write(index.join("snap.0000000000000BAD.generating"), "half").unwrap()),
        ),
    ]
}

fn other(engine: Engine) -> Engine {
    if engine == Engine::Lsm { Engine::Sled } else { Engine::Lsm }
}

/// Marks the store as a killed process leaves it: not closed, and the machine has not stopped since.
fn killed(folder: &Path) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(folder.join("index.state"), boot).unwrap();
}

/// Takes away what knows up to which record the journal went.
fn untold(folder: &Path) {
    fs::remove_dir_all(folder.join("index")).unwrap();
    killed(folder);
}

fn garble(file: &Path) {
    let garbage: Vec<u8> = (0..fs::metadata(file).unwrap().len()).map(|n| (n * 7919 % 251) as u8).collect();
    fs::write(file, garbage).unwrap();
}

fn turn(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// The file that lists the files of an LSM tree.
fn of_version(index: &Path) -> PathBuf {
    let is_version = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().starts_with('v');
    files(index).into_iter().find(is_version).unwrap()
}

#[test]
fn an_index_is_built_again_in_pieces_with_the_same_content() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    // Each piece has something that a later one changes: three of these messages are in one.
    let large = "x".repeat(REPLAY_BYTES / 3);
    let mut before: Vec<Message> = Vec::new();
    for n in 0..12 {
        let one = message();
        let events = vec![Event::new(Timestamp::now(), Some(one.id), Stage::Accepted, format!("{n} {large}"))];
        store.commit(Transaction { answered: Some(duplicate(n)), events, ..insert(&one) }).unwrap();
        for (last, id) in before.iter().rev().take(5).map(|one| one.id).enumerate() {
            let outcome = (last == 4).then_some(Outcome::Receipted);
            let changes = vec![Change::Attempts(n), Change::Due(if last == 4 { None } else { Some(Timestamp::now()) })];
            store.commit(settle(Settlement { id, claim: None, release: true, outcome, changes })).unwrap();
        }
        before.push(one);
    }
    let expected = everything(&store);
    drop(store);
    let mut told = Vec::new();
    let clock = Arc::new(SystemClock);
    let tell = &mut |position: &Position| told.push(position.seq);
    let (store, _) =
        EmbeddedStore::open_telling(&Medium::system(), folder.path(), hash, clock, Making::Anew, tell).unwrap();
    assert_eq!(everything(&store), expected);
    assert!(told.len() >= 4 && told.is_sorted(), "{told:?}");
}

/// The segment that was begun behind record 1: the one before went on, and a power cut brought it back.
#[test]
fn a_segment_whose_creation_was_taken_back_is_none_unless_it_holds_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    fill(&store);
    let expected = everything(&store);
    drop(store);
    let segment = fs::read(first_segment(folder.path())).unwrap();
    let mut header = segment[..64].to_vec();
    header[12..20].copy_from_slice(&2_u64.to_le_bytes());
    // The chain hash with record 1.
    header[20..52].copy_from_slice(&segment[64 + 24..64 + 56]);
    let crc = crc32fast::hash(&header[..52]);
    header[52..56].copy_from_slice(&crc.to_le_bytes());
    let next = folder.path().join("journal/00000002.log");
    for anew in [false, true] {
        fs::write(&next, &header).unwrap();
        OpenOptions::new().write(true).open(&next).unwrap().set_len(JOURNAL_SEGMENT_BYTES).unwrap();
        if anew {
            fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let (store, _) = open(folder.path());
        assert_eq!((everything(&store), next.exists()), (expected.clone(), false), "{anew}");
    }
    let length = u32::from_le_bytes(segment[64..68].try_into().unwrap()) as usize + 56;
    // The second record, which the journal went on with, did not become durable: nobody was told of it, and the file holds its place.
    let torn = [&segment[..64 + length], &[7; 100], &vec![0; segment.len() - 164 - length][..]].concat();
    fs::write(first_segment(folder.path()), &torn).unwrap();
    fs::write(&next, &header).unwrap();
    untold(folder.path());
    let (store, opening) = open(folder.path());
    assert_eq!((opening.journal.last, opening.journal.torn.is_some(), next.exists()), (1, true, true));
    drop(store);
    // The same behind a record that the header of the next segment knows is no tail, but damage.
    fs::write(first_segment(folder.path()), [&segment[..64], &[7; 100], &segment[164..]].concat()).unwrap();
    fs::write(&next, &header).unwrap();
    assert!(matches!(try_open(folder.path()), Err(StoreError::Damaged { .. })));
    fs::write(first_segment(folder.path()), &segment).unwrap();
    fs::write(&next, [&header, &segment[64 + length..64 + 2 * length]].concat()).unwrap();
    let refused = try_open(folder.path()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Damaged { place, .. } if place.segment.contains("00000002.log")),
        "{refused}"
    );
}

#[test]
fn an_event_whose_record_is_damaged_is_not_shown_as_if_it_were_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let all = fill(&store);
    let segment = first_segment(folder.path());
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    let at = fs::read(&segment).unwrap().windows(10).position(|word| word == b"accepted 0").unwrap();
    file.write_all_at(b"A", at as u64).unwrap();
    let refused = store.events(all[0].id).unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { place, .. } if place.record == 1), "{refused}");
    assert_eq!(store.events(all[1].id).unwrap().len(), 1);
}

/// Too many open files, a disk that fails for a moment: the index has nothing to do with it.
#[test]
fn a_segment_that_cannot_be_read_for_a_moment_is_no_reason_to_distrust_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let sent = message();
    let events = vec![Event::new(Timestamp::now(), Some(sent.id), Stage::Accepted, "accepted")];
    store.commit(Transaction { events, ..insert(&sent) }).unwrap();
    let (segment, aside) = (first_segment(folder.path()), folder.path().join("aside"));
    fs::rename(&segment, &aside).unwrap();
    fs::create_dir(&segment).unwrap();
    let failed = store.events(sent.id);
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    fs::remove_dir(&segment).unwrap();
    fs::rename(&aside, &segment).unwrap();
    assert_eq!(store.events(sent.id).unwrap().len(), 1);
    drop(store);
    let (store, opening) = open(folder.path());
    assert_eq!((opening.rebuilt, store.events(sent.id).unwrap().len()), (None, 1));
}

#[test]
fn an_index_that_was_built_again_takes_no_room_twice() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()).0);
    garble(&of_version(&folder.path().join("index")));
    let (_, opening) = open(folder.path());
    assert!(opening.rebuilt.is_some());
    assert!(!folder.path().join("index.aside").exists());
}

#[test]
fn an_index_that_is_behind_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()).0);
    let (index, old) = (folder.path().join("index"), folder.path().join("old"));
    copy(&index, &old);
    let (store, _) = open(folder.path());
    store.commit(insert(&message())).unwrap();
    let expected = everything(&store);
    drop(store);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&old, &index).unwrap();
    killed(folder.path());
    let (store, opening) = open(folder.path());
    assert_eq!(everything(&store), expected);
    assert_eq!((opening.rebuilt, opening.journal.read), (None, 1), "only what was missing was read");
}

#[test]
fn a_start_reads_no_closed_segment_that_the_index_covers() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let large = "x".repeat(3 * 1024 * 1024);
    for _ in 0..12 {
        let one = message();
        let events = vec![Event::new(Timestamp::now(), Some(one.id), Stage::Accepted, large.clone())];
        store.commit(Transaction { events, ..insert(&one) }).unwrap();
    }
    drop(store);
    // What nobody reads cannot be found damaged; `store verify` reads it.
    fs::write(first_segment(folder.path()), "not a journal").unwrap();
    let (store, opening) = open(folder.path());
    assert_eq!((opening.rebuilt, opening.journal.last, opening.journal.read), (None, 12, 0));
    assert_eq!(store.list(&Query::default()).unwrap().len(), 12);
}

#[test]
fn an_index_that_is_ahead_is_kept_with_what_was_lost_where_the_loss_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let kept = message();
    store.commit(insert(&kept)).unwrap();
    let mut payload = store.blobs().create(None).unwrap();
    payload.write_all(b"promised").unwrap();
    let payload = payload.commit().unwrap();
    store.commit(insert(&with_envelope(payload))).unwrap();
    drop(store);
    let segment = first_segment(folder.path());
    let (begin, _) = last_record(&segment);
    OpenOptions::new().write(true).open(&segment).unwrap().set_len(begin).unwrap();
    let disk = SlowDisk::default();
    let (medium, clock) = (disk.medium(), Arc::new(SystemClock));
    let making = Making::Accepting(Warrant::new("kim (1000)", "no backup").unwrap());
    let opened = EmbeddedStore::open_telling(&medium, folder.path(), hash, clock, making, &mut |_| {});
    let (store, opening) = opened.unwrap();
    let (blobs, unsynced) = (folder.path().join("blobs"), disk.unsynced_renames());
    assert!(unsynced.iter().all(|renamed| !renamed.starts_with(&blobs)), "set aside for good: {unsynced:?}");
    assert_eq!(opening.lost, 1);
    assert_eq!(store.list(&Query::default()).unwrap(), [kept]);
    assert!(folder.path().join("index.lost").is_dir());
    assert_eq!(fs::read(folder.path().join(format!("blobs/lost/{payload}"))).unwrap(), b"promised");
}

#[test]
fn an_index_of_a_machine_that_stopped_is_built_again_where_its_library_does_not_sync() {
    for engine in [Engine::Lsm, Engine::Sled] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open_with(engine, folder.path());
        fill(&store);
        let expected = everything(&store);
        drop(store);
        assert_eq!(open_with(engine, folder.path()).1.rebuilt, None, "it was closed in order");
        fs::write(folder.path().join("index.state"), "another run of the machine").unwrap();
        let (store, opening) = open_with(engine, folder.path());
        assert_eq!(opening.rebuilt.is_some(), engine == Engine::Sled);
        assert_eq!(everything(&store), expected);
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = try_open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    drop(store);
    open(folder.path());
}

#[test]
fn the_journal_goes_on_in_new_segments() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut first = None;
    let large = "x".repeat(3 * 1024 * 1024);
    for n in 0..14 {
        let one = message();
        let detail = if n == 7 { large.repeat(7) } else { large.clone() };
        let events = vec![Event::new(Timestamp::now(), Some(one.id), Stage::Accepted, detail)];
        store.commit(Transaction { events, ..insert(&one) }).unwrap();
        first.get_or_insert(one);
    }
    drop(store);
    let mut segments = files(&folder.path().join("journal"));
    segments.sort();
    let sizes: Vec<u64> = segments.iter().map(|segment| fs::metadata(segment).unwrap().len()).collect();
    assert!(segments.len() >= 4 && sizes.iter().any(|size| *size > JOURNAL_SEGMENT_BYTES), "{sizes:?}");
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, opening) = open(folder.path());
    assert_eq!((opening.journal.last, opening.journal.read), (14, 14));
    assert_eq!(store.message(first.as_ref().unwrap().id).unwrap(), first);
    drop(store);
    // A crash between creating a segment and its header leaves an empty file.
    let next = folder.path().join(format!("journal/{:08}.log", segments.len() + 1));
    File::create(&next).unwrap().set_len(JOURNAL_SEGMENT_BYTES).unwrap();
    let (store, opening) = open(folder.path());
    assert_eq!((opening.journal.last, next.exists()), (14, false));
    drop(store);
    // A segment that is gone is no torn tail.
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    let refused = try_open(folder.path()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Damaged { place, .. } if place.segment.contains("00000002.log")),
        "{refused}"
    );
}

#[test]
fn an_index_whose_head_is_unreadable_is_distrusted_by_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    fill(&store);
    let (expected, at) = (everything(&store), store.course().map(|course| course.at));
    drop(store);
    let keys = Medium::system().disk.index(&folder.path().join("index")).unwrap();
    let mut batch = Batch::default();
    batch.insert(*b"z", *b"{\"format\":14}");
    keys.apply(batch).unwrap();
    keys.flush().unwrap();
    drop(keys);
    fs::remove_file(folder.path().join("index.state")).unwrap();
    let (store, opening) = open(folder.path());
    let why = opening.rebuilt.unwrap();
    assert!(why.contains("a stored position is unreadable"), "{why}");
    assert!(everything(&store) == expected);
    assert_eq!(store.course().map(|course| course.at), at);
}
