//! How fast the store is: durable commits a second beside what the disk gives to a bare file.

use crate::model::{
    As4MessageId, Carriage, Clock, Direction, DocumentType, EnvelopeId, Enveloped, Event, IdError, Message,
    ParticipantId, ProcessId, Stage, Status,
};
use crate::store::journal::ChainHash;
use crate::store::{EmbeddedStore, Store, StoreError, Transaction};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages that share a sync while a store is filled.
const FILL_GROUP: u64 = 1_000;

/// The status of messages that a store is filled with.
pub const FILLED: Status = Status::Acknowledged;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Threads that committed at once.
    pub writers: usize,
    /// Transactions made durable: one new message and its event each.
    pub commits: u64,
    /// How long it took.
    pub seconds: f64,
    /// Durable transactions a second.
    pub commits_per_second: f64,
    /// Syncs of the journal, each for a group of transactions.
    pub syncs: u64,
    /// Half of the transactions took at most so long, in milliseconds.
    pub half_within_ms: f64,
    /// Of a hundred transactions, ninety-nine took at most so long, in milliseconds.
    pub most_within_ms: f64,
    /// Bytes of the journal for one transaction.
    pub bytes_per_commit: u64,
    /// The same bytes appended to a bare file and synced one by one, a second.
    pub bare_appends_per_second: f64,
    /// The same bytes appended by as many threads, each to a file of its own and synced one by one, a second: all together.
    pub bare_threads_per_second: f64,
    /// The same bytes appended in groups of as many as there are writers, one sync for each group: transactions a second.
    pub bare_grouped_per_second: f64,
    /// Durable transactions beside those threads.
    pub share_of_threads: f64,
    /// Durable transactions beside the bare groups.
    pub share_of_grouped: f64,
}

/// Commits with `writers` threads for `time` into a new store below `folder`, then appends to a bare
/// file beside it for as long. What it wrote is removed.
///
/// # Errors
///
/// Those of the store; also when `folder` holds a `bench` already.
pub fn measure(
    folder: &Path,
    writers: usize,
    time: Duration,
    hash: ChainHash,
    clock: &Arc<dyn Clock>,
) -> Result<Measured, StoreError> {
    let failed = |source| StoreError::io(format!("benchmark in {}", folder.display()), source);
    let place = folder.join("bench");
    fs::create_dir(&place).map_err(failed)?;
    let measured = measure_in(&place, writers, time, hash, clock);
    fs::remove_dir_all(&place).map_err(failed)?;
    measured
}

fn measure_in(
    folder: &Path,
    writers: usize,
    time: Duration,
    hash: ChainHash,
    clock: &Arc<dyn Clock>,
) -> Result<Measured, StoreError> {
    let (store, _) = EmbeddedStore::open(folder, hash, Arc::clone(clock))?;
    let begin = Instant::now();
    let results: Vec<Result<Vec<Duration>, StoreError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(|| commit_for(&store, time, &**clock))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok(Vec::new()))).collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let mut took = Vec::new();
    for result in results {
        took.extend(result?);
    }
    took.sort_unstable();
    let commits = took.len() as u64;
    let sample = serde_json::to_vec(&sample(&**clock).map_err(unsound)?).map_err(unsound)?;
    let failed = |source| StoreError::io("append to a bare file", source);
    let bare = append_for(&folder.join("bare"), &sample, time).map_err(failed)?;
    let threads = append_with(&folder.join("threads"), writers, &sample, time).map_err(failed)?;
    let groups = append_for(&folder.join("groups"), &sample.repeat(writers), time).map_err(failed)?;
    let (grouped, commits_per_second) = (groups * writers as f64, commits as f64 / seconds);
    Ok(Measured {
        writers,
        commits,
        seconds,
        commits_per_second,
        syncs: store.syncs(),
        half_within_ms: within(&took, 50),
        most_within_ms: within(&took, 99),
        bytes_per_commit: sample.len() as u64,
        bare_appends_per_second: bare,
        bare_threads_per_second: threads,
        bare_grouped_per_second: grouped,
        share_of_threads: commits_per_second / threads,
        share_of_grouped: commits_per_second / grouped,
    })
}

fn commit_for(store: &EmbeddedStore, time: Duration, clock: &dyn Clock) -> Result<Vec<Duration>, StoreError> {
    let (begin, mut took) = (Instant::now(), Vec::new());
    while begin.elapsed() < time {
        let transaction = sample(clock).map_err(unsound)?;
        let start = Instant::now();
        store.commit(transaction)?;
        took.push(start.elapsed());
    }
    Ok(took)
}

/// What so many threads append in all, a second.
fn append_with(folder: &Path, threads: usize, bytes: &[u8], time: Duration) -> io::Result<f64> {
    fs::create_dir(folder)?;
    std::thread::scope(|scope| {
        let append = |n: usize| scope.spawn(move || append_for(&folder.join(n.to_string()), bytes, time));
        let running: Vec<_> = (0..threads).map(append).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or(Ok(0.0))).sum()
    })
}

fn append_for(path: &Path, bytes: &[u8], time: Duration) -> io::Result<f64> {
    let mut file = File::create_new(path)?;
    let (begin, mut appends) = (Instant::now(), 0_u32);
    while begin.elapsed() < time {
        file.write_all(bytes)?;
        file.sync_data()?;
        appends += 1;
    }
    Ok(f64::from(appends) / begin.elapsed().as_secs_f64())
}

/// Puts `messages` finished messages of many participants and access points into a store, a thousand with each sync, as fast
/// as it takes them.
///
/// # Errors
///
/// Those of the store.
pub fn fill(store: &EmbeddedStore, messages: u64, clock: &dyn Clock) -> Result<(), StoreError> {
    let mut left = messages;
    while left > 0 {
        let group = left.min(FILL_GROUP);
        let all = (0..group).map(|n| finished(left - n, clock)).collect::<Result<Vec<_>, _>>().map_err(unsound)?;
        for outcome in store.commit_together(all) {
            outcome?;
        }
        left -= group;
    }
    Ok(())
}

/// One that was sent and receipted, the `n`th.
fn finished(n: u64, clock: &dyn Clock) -> Result<Transaction, IdError> {
    let mut transaction = sample(clock)?;
    for message in &mut transaction.inserts {
        let partner = format!("AP{:04}-BENCH", n % 100).parse()?;
        message.as4_message_id = Some(As4MessageId::new(uuid::Uuid::new_v4(), &partner));
        message.envelope_id = EnvelopeId::from_uuid(uuid::Uuid::new_v4());
        message.from = format!("0203:from{}.example.se", n % 1_000).parse()?;
        message.to = format!("0203:to{}.example.se", n % 997).parse()?;
        message.partner = Some(partner);
        (message.status, message.next_attempt_at, message.attempts) = (FILLED, None, 1);
    }
    Ok(transaction)
}

/// A carried envelope as it is accepted for sending.
///
/// # Errors
///
/// None, as long as its names are names.
pub fn sample(clock: &dyn Clock) -> Result<Transaction, IdError> {
    let now = clock.now();
    let participant = |name: &str| name.parse::<ParticipantId>();
    let of = Enveloped {
        id: EnvelopeId::from_uuid(uuid::Uuid::now_v7()),
        from: participant("0203:one.example.se")?,
        to: participant("0203:two.example.se")?,
        document_type: DocumentType::sdk_message(),
        process: ProcessId::default(),
        envelope: None,
        bytes: 0,
        sha256: String::new(),
    };
    let message = Message::new(Direction::Out, Carriage::Carried, of, now);
    let event = Event::new(now, Some(message.id), Stage::Accepted, "accepted for sending")
        .fact("from", &message.from)
        .fact("to", &message.to)
        .fact("envelope_id", &message.envelope_id);
    Ok(Transaction { inserts: vec![message], events: vec![event], ..Transaction::default() })
}

fn unsound(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::io("the benchmark's message", io::Error::other(error))
}

/// What this share of the transactions did not exceed, in milliseconds. `took` is in order.
fn within(took: &[Duration], percent: usize) -> f64 {
    took.get(took.len() * percent / 100).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
}
