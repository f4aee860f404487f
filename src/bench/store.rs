//! The store: durable accepts beside what the disk gives, and what questions cost in a store of any size.

use super::{Setting, memory, peak_memory};
use crate::app::upkeep::chain_hash;
use crate::limits::LIST_MESSAGES_MAX;
use crate::model::{Clock, Message, MessageId, Query, SystemClock};
use crate::store::bench::{FILLED, Measured, fill, measure, sample};
use crate::store::{EmbeddedStore, Store, StoreError};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often each question is asked; the median counts.
const TIMES: usize = 201;
/// Messages of a page of the pages.
const PAGE: usize = 50;
/// The page far down, or the last one where there are not so many.
const DEEP_PAGE: usize = 10_000;

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Accepts.
    Accepts(Accepts),
    /// Questions.
    Questions(Box<Questions>),
}

/// Durable accepts with several numbers of writers.
#[derive(Debug, Serialize)]
pub struct Accepts {
    /// Where.
    pub setting: Setting,
    /// One measurement for each number of writers.
    pub accepts: Vec<Measured>,
}

/// What each question costs: medians, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Questions {
    /// Where.
    pub setting: Setting,
    /// Messages in the store.
    pub messages: u64,
    /// Messages put there by this run; memory is only told by a run that put none.
    pub filled: u64,
    /// How long the filling took, in seconds.
    pub fill_seconds: f64,
    /// How long the store took to open and to build its index again, in seconds, where that was missing.
    pub rebuild_seconds: Option<f64>,
    /// How long the store took to open, in seconds.
    pub start_seconds: f64,
    /// Accept one message, durable.
    pub accept_ms: f64,
    /// Claim one that is due.
    pub claim_ms: f64,
    /// The newest page of 50.
    pub first_page_ms: f64,
    /// The 10,000th page of 50, from where the page before it ended.
    pub deep_page_ms: f64,
    /// A page of 50 in the middle of all messages.
    pub middle_page_ms: f64,
    /// The newest page of 50 with one participant.
    pub participant_page_ms: f64,
    /// The newest page of 50 with one access point.
    pub partner_page_ms: f64,
    /// One message by its envelope's id, each time another one of any age.
    pub by_envelope_id_ms: f64,
    /// One message by its AS4 message id, likewise.
    pub by_as4_id_ms: f64,
    /// One message by an id of which it is not said whose it is, likewise.
    pub by_any_id_ms: f64,
    /// The same message by its envelope's id, again and again.
    pub by_same_id_ms: f64,
    /// Resident memory after all this, in bytes.
    pub memory_bytes: Option<u64>,
    /// Largest resident memory, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// Measures accepts below `folder`, which is left as it was.
///
/// # Errors
///
/// Those of the store.
pub fn accepts(folder: &Path, writers: &[u16], time: Duration) -> Result<Report, StoreError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let one = |writers: &u16| measure(folder, usize::from(*writers), time, chain_hash, &clock);
    let setting = Setting { method: "wall clock; the bare appends follow in the same run", ..Setting::here() };
    Ok(Report::Accepts(Accepts { setting, accepts: writers.iter().map(one).collect::<Result<_, _>>()? }))
}

/// Fills the store in `folder` up to `messages`, opens it anew, and asks.
///
/// # Errors
///
/// Those of the store.
pub fn questions(folder: &Path, messages: u64) -> Result<Report, StoreError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = || EmbeddedStore::open(folder, chain_hash, Arc::clone(&clock));
    let begin = Instant::now();
    let (store, opening) = open()?;
    let rebuild_seconds = opening.rebuilt.map(|_| begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    let filled = messages.saturating_sub(count(&store)?);
    fill(&store, filled, &*clock)?;
    let fill_seconds = begin.elapsed().as_secs_f64();
    // Before it is opened anew: what is asked for is not in memory.
    let any = of_any_age(&store)?;
    drop(store);
    let begin = Instant::now();
    let (store, _) = open()?;
    let start_seconds = begin.elapsed().as_secs_f64();
    let all = count(&store)?;
    let page = |query: Query| store.list(&Query { limit: PAGE, ..query });
    let newest = page(Query::default())?;
    let middle = at_share(&store, 0.5, PAGE)?;
    let (first, deep) = (newest.first(), middle.first());
    let before_deep = before_deep_page(&store)?;
    let by = |query: &dyn Fn(&Message) -> Query| {
        median(|| match deep {
            Some(message) => page(query(message)).map(drop),
            None => Ok(()),
        })
    };
    let each = |query: &dyn Fn(&Message) -> Query| {
        let mut next = any.iter().cycle();
        median(|| next.next().map_or(Ok(()), |message| page(query(message)).map(drop)))
    };
    Ok(Report::Questions(Box::new(Questions {
        setting: Setting {
            method: "wall clock, medians of 201; the messages have no payload files any more",
            ..Setting::here()
        },
        messages: all,
        filled,
        fill_seconds,
        rebuild_seconds,
        start_seconds,
        accept_ms: median(|| {
            let transaction = sample(&*clock).map_err(|error| StoreError::Unfit(error.to_string()))?;
            store.commit(transaction).map(drop)
        })?,
        claim_ms: median(|| store.claim(clock.now(), Duration::from_secs(600)).map(drop))?,
        first_page_ms: median(|| page(Query::default()).map(drop))?,
        deep_page_ms: median(|| page(Query { after: before_deep, ..Query::default() }).map(drop))?,
        middle_page_ms: by(&|message| Query { after: Some(message.id), ..Query::default() })?,
        participant_page_ms: median(|| {
            page(Query { participant: first.map(|message| message.to.clone()), ..Query::default() }).map(drop)
        })?,
        partner_page_ms: by(&|message| Query { partner: message.partner.clone(), ..Query::default() })?,
        by_envelope_id_ms: each(&|message| Query {
            envelope_id: Some(message.envelope_id.clone()),
            ..Query::default()
        })?,
        by_as4_id_ms: each(&|message| Query { as4_message_id: message.as4_message_id.clone(), ..Query::default() })?,
        by_any_id_ms: each(&|message| Query { named: Some(message.envelope_id.to_string()), ..Query::default() })?,
        by_same_id_ms: by(&|message| Query { envelope_id: Some(message.envelope_id.clone()), ..Query::default() })?,
        memory_bytes: memory(),
        peak_memory_bytes: peak_memory(),
    })))
}

fn count(store: &EmbeddedStore) -> Result<u64, StoreError> {
    Ok(store.counts()?.by_status.iter().map(|count| count.messages).sum())
}

/// The message with which the page before the deep one ends.
fn before_deep_page(store: &EmbeddedStore) -> Result<Option<MessageId>, StoreError> {
    let (mut after, mut passed) = (None, 0);
    while passed < PAGE * (DEEP_PAGE - 1) {
        let limit = LIST_MESSAGES_MAX.min(PAGE * (DEEP_PAGE - 1) - passed);
        let page = store.list(&Query { after, limit, ..Query::default() })?;
        let Some(last) = page.last().filter(|_| page.len() == limit) else { break };
        (after, passed) = (Some(last.id), passed + page.len());
    }
    Ok(after)
}

/// Messages of all ages, evenly, in no order.
fn of_any_age(store: &EmbeddedStore) -> Result<Vec<Message>, StoreError> {
    // No two that follow each other are near: the golden ratio spreads them.
    let shares = (1..=TIMES).map(|n| (n as f64 * 0.618_034).fract());
    let found = shares.map(|share| at_share(store, share, 1)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// The filled messages at this share of the time in which they came, newest first.
fn at_share(store: &EmbeddedStore, share: f64, limit: usize) -> Result<Vec<Message>, StoreError> {
    let of = |limit| Query { statuses: vec![FILLED], limit, ..Query::default() };
    let counts = store.counts()?;
    let oldest = counts.by_status.iter().find(|count| count.status == FILLED).and_then(|count| count.oldest);
    let newest = store.list(&of(1))?;
    let Some((oldest, newest)) = oldest.zip(newest.first()) else { return Ok(Vec::new()) };
    let time = Duration::from_secs_f64(newest.created_at.duration_since(oldest).as_secs_f64().max(0.0) * share);
    store.list(&Query { created_before: oldest.checked_add(time).ok(), ..of(limit) })
}

/// The median time of many calls, in milliseconds.
fn median(mut ask: impl FnMut() -> Result<(), StoreError>) -> Result<f64, StoreError> {
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begin = Instant::now();
        ask()?;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(TIMES / 2).map_or(0.0, |took| took.as_secs_f64() * 1000.0))
}
