//! A log-structured merge tree without a log of its own: the journal is the log.
//!
//! What is applied goes into a table in memory. One that has grown large is sealed, written to a file and listed in a new
//! version, each synced before the next; a thread does that, and another merges files. Batches are never parted between two
//! tables, and tables are written in their order, so every version stands where a batch ended: after a crash the index is a
//! whole one that is behind, and the journal has the rest.
//!
//! A key that is removed leaves a tombstone, which goes when it is merged into the last level; until then whoever looks for the
//! first or last of some keys steps over it. Most messages are in a queue for a shorter time than a table is in memory, and a
//! key that comes and goes in that time ([`Change::Add`]) leaves nothing.

use super::{Batch, Change, Found, Keys, Octets, caught, failed};
use crate::limits::{
    INDEX_CACHE_BYTES, INDEX_FILE_BYTES, INDEX_FILES_OPEN_MAX, INDEX_RESERVE_BYTES, INDEX_TABLE_BYTES,
};
use crate::store::StoreError;
use lsm_tree::compaction::Leveled;
use lsm_tree::config::PartitioningPolicy;
use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, InternalValue, Memtable, SeqNo,
    SequenceNumberCounter, ValueType,
};
use rustix::process::{Resource, getrlimit};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use xxhash_rust::xxh3::xxh3_128;

/// While the disk takes no table, the one in memory grows to the size of so many.
const TABLES_MAX: u64 = 2;
/// Files that are not merged yet; whoever would make one more waits.
const UNMERGED_MAX: usize = 8;

/// The same where many are loaded one after the other: all are merged at once.
const LOADED_MAX: usize = 2 * UNMERGED_MAX;

// What waits in memory has room on the disk when it is written.
const _: () = assert!(TABLES_MAX * INDEX_TABLE_BYTES <= INDEX_RESERVE_BYTES);

/// The tree, and its threads.
pub(in crate::store) struct Lsm {
    shared: Arc<Shared>,
    /// How large the table in memory becomes, in bytes.
    table_bytes: u64,
    /// One batch at a time.
    fleeting: Mutex<Fleeting>,
    wake: Option<SyncSender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Keys of the table in memory that come or go, each by its hash: whether it had no need to hide older ones yet.
type Fleeting = HashMap<u128, bool>;

struct Shared {
    tree: AnyTree,
    numbers: SequenceNumberCounter,
    /// Batches of lower numbers are whole.
    visible: AtomicU64,
    /// Held by whoever begins to read.
    looking: RwLock<()>,
    /// Tables that were sealed. The tree lets go of one while nobody may read: a large one takes long to take apart, and is therefore
    /// held until it is nobody's but ours. One that a reader still has stays until something is written or merged again.
    sealed: Mutex<Vec<Arc<Memtable>>>,
    /// What the last work of a thread failed with.
    failure: Mutex<Option<StoreError>>,
    /// A thread has done something.
    done: Condvar,
    ending: AtomicBool,
}

impl std::fmt::Debug for Lsm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lsm").finish_non_exhaustive()
    }
}

impl Lsm {
    /// Opens or creates it. A table in memory is written when it has so many bytes.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with its files: they are then to be moved aside.
    pub(in crate::store) fn open(folder: &Path, table_bytes: u64) -> Result<Self, StoreError> {
        check(folder).map_err(failed)?;
        let numbers = SequenceNumberCounter::new(1);
        let config = Config::new(folder, numbers.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(INDEX_CACHE_BYTES)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(files_open_max()))))
            .index_block_partitioning_policy(in_pieces())
            .filter_block_partitioning_policy(in_pieces());
        let tree = caught(|| config.open())?;
        let next = tree.get_highest_seqno().map_or(1, |last| last + 1);
        numbers.set(next);
        let shared = Arc::new(Shared {
            tree,
            numbers,
            visible: AtomicU64::new(next),
            looking: RwLock::default(),
            sealed: Mutex::default(),
            failure: Mutex::default(),
            done: Condvar::new(),
            ending: AtomicBool::new(false),
        });
        let ((wake, woken), (merge, merging)) = (sync_channel(1), sync_channel(1));
        let (writes, merges) = (Arc::clone(&shared), Arc::clone(&shared));
        // A process that was killed may have left much that is not merged.
        merge.try_send(()).ok();
        let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).map_err(failed)
        };
        let threads = vec![
            start("index-write", Box::new(move || writes.write_when(&woken, &merge)))?,
            start("index-merge", Box::new(move || merges.merge_when(&merging)))?,
        ];
        Ok(Self { shared, table_bytes, fleeting: Mutex::default(), wake: Some(wake), threads })
    }

    /// Seals the table in memory and has it written. Waits until the one before is: were two written as one, what a weak
    /// tombstone takes with it could be a tombstone that hides something older. Where that fails, it is tried again with each
    /// batch, and this table grows for a while: until there is no more [room](Keys::room).
    fn seal(&self, fleeting: &mut Fleeting) -> Result<(), StoreError> {
        self.written(UNMERGED_MAX)?;
        self.shared.rotate(fleeting);
        self.wake()
    }

    /// Waits until nothing is sealed and only so many files are unmerged, or says why that does not come about.
    fn written(&self, unmerged: usize) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let behind = || shared.tree.sealed_memtable_count() > 0 || shared.tree.l0_run_count() > unmerged;
        if behind() {
            let mut failure = lock(&shared.failure);
            *failure = None;
            self.wake()?;
            while behind() {
                match failure.take() {
                    Some(why) => return Err(why),
                    None => failure = shared.done.wait(failure).unwrap_or_else(PoisonError::into_inner),
                }
            }
        }
        Ok(())
    }

    fn wake(&self) -> Result<(), StoreError> {
        match self.wake.as_ref().map(|wake| wake.try_send(())) {
            Some(Ok(()) | Err(TrySendError::Full(()))) => Ok(()),
            _ => Err(failed(io::Error::other("its thread has ended"))),
        }
    }
}

impl Keys for Lsm {
    fn value(&self, key: &[u8]) -> Result<Option<Octets>, StoreError> {
        self.shared.look(|tree, visible| tree.get(key, visible)).map_err(failed)
    }

    fn room(&self) -> Result<(), StoreError> {
        if self.shared.tree.active_memtable().size() < TABLES_MAX * self.table_bytes {
            return Ok(());
        }
        self.seal(&mut lock(&self.fleeting))
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut fleeting = lock(&self.fleeting);
        let memory = self.shared.tree.active_memtable();
        let number = self.shared.numbers.next();
        let mut bytes = 0;
        for (key, change) in batch.changes {
            let change = match change {
                Change::Put(value) => InternalValue::from_components(key, value, number, ValueType::Value),
                Change::Add(value) => {
                    fleeting.entry(xxh3_128(&key)).or_insert(true);
                    InternalValue::from_components(key, value, number, ValueType::Value)
                }
                // It goes with what it is for, which is in the same table, and takes all that this table has of the key with it.
                Change::Remove if fleeting.get(&xxh3_128(&key)) == Some(&true) => {
                    InternalValue::new_weak_tombstone(key, number)
                }
                Change::Remove => {
                    fleeting.insert(xxh3_128(&key), false);
                    InternalValue::new_tombstone(key, number)
                }
            };
            (_, bytes) = memory.insert(change);
        }
        self.shared.visible.store(number + 1, Ordering::Release);
        if bytes >= self.table_bytes {
            // The changes are made. What is wrong with the disk is wrong when there is no more room, too.
            drop(self.seal(&mut fleeting));
        }
        Ok(())
    }

    fn load(&self, batch: Batch, more: bool) -> Result<(), StoreError> {
        let mut fleeting = lock(&self.fleeting);
        self.written(LOADED_MAX)?;
        // Batches keep their order: what is in memory goes before.
        self.shared.write_all(&mut fleeting).map_err(failed)?;
        let write = || {
            let mut tables = self.shared.tree.ingestion()?;
            for (key, change) in batch.in_order().changes {
                match change {
                    Change::Put(value) | Change::Add(value) => tables.write(key, value)?,
                    Change::Remove => tables.write_tombstone(key)?,
                }
            }
            tables.finish()
        };
        write().map_err(failed)?;
        self.shared.visible.store(self.shared.numbers.get(), Ordering::Release);
        if more { Ok(()) } else { self.wake() }
    }

    fn range(&self, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Found<'_> {
        let found = self.shared.look(|tree, visible| tree.range::<Vec<u8>, _>((from, to), visible, None));
        Box::new(found.map(|entry| entry.into_inner().map_err(failed)))
    }

    fn is_empty(&self) -> bool {
        self.shared.look(|tree, visible| matches!(tree.is_empty(visible, None), Ok(true)))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.shared.write_all(&mut lock(&self.fleeting)).map_err(failed)?;
        // Who writes often and little never has a full table, behind which files are merged.
        if self.shared.tree.l0_run_count() > UNMERGED_MAX { self.wake() } else { Ok(()) }
    }
}

impl Drop for Lsm {
    /// Waits for the threads: none may touch the files any more.
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        drop(self.wake.take());
        // One that panicked has nothing more to say.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Shared {
    /// Begins to read what is whole now.
    fn look<T>(&self, read: impl FnOnce(&AnyTree, SeqNo) -> T) -> T {
        let _looking = self.looking.read().unwrap_or_else(PoisonError::into_inner);
        read(&self.tree, self.visible.load(Ordering::Acquire))
    }

    /// Nobody begins to read below it any more: who began before has what he reads, and who comes later sees more.
    fn unneeded(&self) -> SeqNo {
        let visible = self.visible.load(Ordering::Acquire);
        drop(self.looking.write());
        visible
    }

    /// Seals the table in memory.
    fn rotate(&self, fleeting: &mut Fleeting) {
        fleeting.clear();
        lock(&self.sealed).extend(self.tree.rotate_memtable());
    }

    /// Takes apart what nobody reads any more.
    fn clear(&self) {
        let unused: Vec<_> = lock(&self.sealed).extract_if(.., |table| Arc::strong_count(table) == 1).collect();
        drop(unused);
    }

    /// Writes what is sealed. All of it is visible then, so that weak tombstones go with what they are for.
    fn write(&self) -> lsm_tree::Result<()> {
        let lock = self.tree.get_flush_lock();
        if self.tree.sealed_memtable_count() == 0 {
            return Ok(());
        }
        self.tree.flush(&lock, self.unneeded()).map(drop)
    }

    /// Writes what is sealed, and then what is in memory.
    fn write_all(&self, fleeting: &mut Fleeting) -> lsm_tree::Result<()> {
        self.write()?;
        self.rotate(fleeting);
        let written = self.write();
        self.clear();
        written
    }

    fn write_when(&self, woken: &Receiver<()>, merge: &SyncSender<()>) {
        while woken.recv().is_ok() {
            self.did(self.write());
            self.clear();
            // Who is at it looks once more.
            merge.try_send(()).ok();
        }
    }

    fn merge_when(&self, woken: &Receiver<()>) {
        let strategy = Arc::new(Leveled::default().with_table_target_size(INDEX_FILE_BYTES));
        while woken.recv().is_ok() {
            let mut before = None;
            while !self.ending.load(Ordering::Relaxed) && before != Some(self.tree.current_version().id()) {
                before = Some(self.tree.current_version().id());
                let unneeded = self.unneeded();
                self.did(self.tree.compact(Arc::<Leveled>::clone(&strategy), unneeded));
                self.clear();
            }
        }
    }

    fn did(&self, work: lsm_tree::Result<()>) {
        if let Err(error) = work {
            *lock(&self.failure) = Some(failed(error));
        }
        // Under the lock, so that nobody looks before and waits after.
        let _failure = lock(&self.failure);
        self.done.notify_all();
    }
}

/// How many of its files it keeps open: few where the process may open few.
fn files_open_max() -> usize {
    let all = getrlimit(Resource::Nofile).maximum.and_then(|files| usize::try_from(files).ok());
    all.map_or(INDEX_FILES_OPEN_MAX, |all| INDEX_FILES_OPEN_MAX.min(all / 8))
}

/// Of a merged file only the piece that is needed is read of what leads to its keys: all of it is a hundred times what is looked for.
/// Files that are not merged yet keep it in memory.
fn in_pieces() -> PartitioningPolicy {
    PartitioningPolicy::new([false, true])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds what lists the files against its checksum, which the library does not, and refuses files that nothing lists.
fn check(folder: &Path) -> io::Result<()> {
    let current = match fs::read(folder.join("current")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return unused(folder),
        current => current?,
    };
    let (number, rest) = current.split_first_chunk::<8>().ok_or(io::ErrorKind::InvalidData)?;
    let (checksum, _) = rest.split_first_chunk::<16>().ok_or(io::ErrorKind::InvalidData)?;
    let version = fs::read(folder.join(format!("v{}", u64::from_le_bytes(*number))))?;
    match xxh3_128(&version) == u128::from_le_bytes(*checksum) {
        true => Ok(()),
        false => Err(io::Error::other("the list of its files does not have its checksum")),
    }
}

fn unused(folder: &Path) -> io::Result<()> {
    let names = |folder: &Path| match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect(),
    };
    let mut found = names(folder)?;
    found.retain(|name| name != "tables");
    match found.is_empty() && names(&folder.join("tables"))?.is_empty() {
        true => Ok(()),
        false => Err(io::Error::other("it has files that nothing lists")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::random;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn open(folder: &Path) -> Lsm {
        Lsm::open(folder, 8 * 1024).unwrap()
    }

    /// The batch of one number: a key of its own, one of nine that change all the time, and one that comes and goes.
    fn batch(number: u64) -> Batch {
        let mut batch = Batch::default();
        batch.insert(format!("own {number:08}"), number.to_be_bytes());
        (0..9).for_each(|n| batch.insert(format!("shared {n}"), number.to_be_bytes()));
        match number % 2 {
            0 => batch.insert(*b"even", *b""),
            _ => batch.remove(*b"even"),
        }
        batch
    }

    /// The number of the last batch, of which everything is there and of later ones nothing.
    fn whole_up_to(keys: &Lsm) -> u64 {
        let found: BTreeMap<_, _> = keys.below(b"").map(Result::unwrap).collect();
        let number = |value: &Octets| u64::from_be_bytes(value.as_ref().try_into().unwrap());
        let last = found.get(b"shared 0".as_slice()).map_or(0, number);
        let mut expected = BTreeMap::new();
        expected.extend((1..=last).map(|n| (format!("own {n:08}").into_bytes(), n)));
        expected.extend((0..9).filter(|_| last > 0).map(|n| (format!("shared {n}").into_bytes(), last)));
        let even = found.contains_key(b"even".as_slice());
        assert_eq!(even, last > 0 && last % 2 == 0, "up to {last}");
        let found = found.iter().filter(|(key, _)| key.as_ref() != b"even");
        assert!(found.map(|(key, value)| (key.to_vec(), number(value))).eq(expected), "up to {last}");
        last
    }

    #[test]
    fn what_a_killed_process_leaves_stands_where_a_batch_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (mut last, mut behind) = (0_u64, 0);
        for _ in 0..12 {
            let keys = open(folder.path());
            let found = whole_up_to(&keys);
            assert!(found <= last);
            behind += last - found;
            last = found + 311;
            (found + 1..=last).for_each(|n| {
                if n % 97 == 0 { keys.load(batch(n), n % 2 == 0) } else { keys.apply(batch(n)) }.unwrap()
            });
            assert_eq!(whole_up_to(&keys), last);
            // Not flushed: what is in memory is gone.
            drop(keys);
        }
        assert!(behind > 0, "some of it was in memory");
        let keys = open(folder.path());
        let found = whole_up_to(&keys);
        assert!(found > 311, "some of it was written");
        keys.flush().unwrap();
        drop(keys);
        assert_eq!(whole_up_to(&open(folder.path())), found);
    }

    #[test]
    fn while_the_disk_takes_no_file_memory_is_bounded_and_then_it_goes_on_with_all_that_was_applied() {
        let folder = tempfile::tempdir().unwrap();
        let keys = open(folder.path());
        let (tables, away) = (folder.path().join("tables"), folder.path().join("away"));
        fs::rename(&tables, &away).unwrap();
        let applied = (1..10_000).take_while(|n| keys.room().is_ok().then(|| keys.apply(batch(*n)).unwrap()).is_some());
        let last = applied.last().unwrap();
        let refused = keys.room();
        assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
        assert!(keys.shared.tree.active_memtable().size() < (TABLES_MAX + 1) * 8 * 1024, "after {last} batches");
        assert_eq!(whole_up_to(&keys), last, "nothing of it is hidden");
        fs::rename(&away, &tables).unwrap();
        keys.room().unwrap();
        keys.apply(batch(last + 1)).unwrap();
        keys.flush().unwrap();
        drop(keys);
        assert_eq!(whole_up_to(&open(folder.path())), last + 1);
    }

    #[test]
    fn nobody_sees_a_part_of_a_batch_while_tables_are_written_and_merged() {
        let folder = tempfile::tempdir().unwrap();
        let keys = open(folder.path());
        let ending = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = 0;
                        while !ending.load(Ordering::Relaxed) {
                            let now = whole_up_to(&keys);
                            assert!(now >= last, "{now} after {last}");
                            let shared = keys.value(b"shared 5").unwrap();
                            let shared =
                                shared.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()));
                            assert!(shared >= now);
                            last = now;
                        }
                    })
                })
                .collect();
            (1..1500).for_each(|n| {
                if n % 97 == 0 { keys.load(batch(n), n % 2 == 0) } else { keys.apply(batch(n)) }.unwrap()
            });
            ending.store(true, Ordering::Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        assert!(keys.shared.tree.table_count() > 0);
        assert!(keys.shared.tree.l0_run_count() <= UNMERGED_MAX);
    }

    #[test]
    fn keys_that_come_and_go_are_there_when_they_were_added_last_whatever_is_merged() {
        let folder = tempfile::tempdir().unwrap();
        let keys = open(folder.path());
        let mut expected = BTreeMap::new();
        let mut next = random(7);
        for round in 0..4000_u64 {
            let mut batch = Batch::default();
            for _ in 0..next(6) {
                let key = format!("{:03}", next(60)).into_bytes();
                match expected.contains_key(&key) {
                    true if next(3) == 0 => batch.insert(key.clone(), round.to_be_bytes()),
                    true => {
                        expected.remove(&key);
                        batch.remove(key);
                        continue;
                    }
                    false => batch.add(key.clone(), round.to_be_bytes()),
                }
                expected.insert(key, round.to_be_bytes().to_vec());
            }
            batch.insert(format!("filling {round}"), [0; 8]);
            if next(50) == 0 { keys.load(batch, round % 2 == 0) } else { keys.apply(batch) }.unwrap();
            if round % 50 == 0 {
                let found = keys.range(Bound::Unbounded, Bound::Excluded(b"f".to_vec())).map(Result::unwrap);
                let found: BTreeMap<_, _> = found.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
                assert_eq!(found, expected, "round {round}");
            }
        }
        assert!(keys.shared.tree.table_count() > 0);
    }

    #[test]
    fn who_writes_often_and_little_leaves_neither_tables_in_memory_nor_files_unmerged() {
        let folder = tempfile::tempdir().unwrap();
        let keys = open(folder.path());
        for n in 1..200 {
            keys.apply(batch(n)).unwrap();
            keys.flush().unwrap();
            // A thread that merges meanwhile has what it reads, and whoever writes next takes that apart.
            let few = || lock(&keys.shared.sealed).len() <= 2;
            let next = |_| {
                thread::sleep(Duration::from_millis(1));
                keys.flush().unwrap();
                few()
            };
            assert!(few() || (0..5_000).any(next), "after {n} of them");
        }
        keys.written(UNMERGED_MAX).unwrap();
        assert_eq!(whole_up_to(&keys), 199);
        assert!(keys.shared.tree.l0_run_count() <= UNMERGED_MAX);
    }

    #[test]
    fn what_comes_and_goes_while_a_table_is_in_memory_leaves_nothing_to_step_over() {
        let folder = tempfile::tempdir().unwrap();
        let keys = open(folder.path());
        for round in 0..2000_u64 {
            let (mut come, mut go) = (Batch::default(), Batch::default());
            come.add(round.to_be_bytes(), *b"");
            keys.apply(come).unwrap();
            go.remove(round.to_be_bytes());
            keys.apply(go).unwrap();
        }
        keys.flush().unwrap();
        let (tree, left) = (&keys.shared.tree, keys.below(b"").count());
        // One may stand at the end of each table.
        assert!(left == 0 && tree.tombstone_count() + tree.weak_tombstone_count() < 200, "{}", tree.tombstone_count());
    }
}
