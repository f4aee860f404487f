//! What must be true in the end, by the stores themselves.

use super::client::{Client, Side};
use super::peer::{PARTICIPANT, Phase4};
use crate::support::{PATIENCE, world};
use sluss::app::upkeep::{chain_hash, look};
use sluss::crypto::sha256_hex;
use sluss::model::{Direction, Message, Query, Status, SystemClock};
use sluss::store::{DuplicateKey, EmbeddedStore, Store, bench};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How sent messages end, when all is well: ours, those that we carry, and message receipts.
const SENT: [Status; 3] = [Status::Accepted, Status::Acknowledged, Status::Acknowledge];

/// Messages for people to read.
fn names(messages: &[&Message]) -> String {
    let name = |message: &&Message| format!("{} {} {:?}", message.id, message.status.word(), message.error);
    messages.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Puts finished messages into a store before its first start.
pub(super) fn fill(data: &Path, messages: u64) {
    if messages > 0 {
        let (store, _) = EmbeddedStore::open(data, chain_hash, Arc::new(SystemClock)).unwrap();
        bench::fill(&store, messages, &SystemClock).unwrap();
    }
}

/// Waits until nothing is due any more, as long as there is progress.
pub(super) fn until_quiet(sides: &[Side]) {
    let (mut best, mut since) = (usize::MAX, Instant::now());
    loop {
        let lines = sides.iter().flat_map(|side| {
            let of = |participant: &str| {
                world().at(side.access_point, &["queue", "list", "--participant", participant]).done().lines
            };
            [of(side.own), of(side.carried)].concat()
        });
        let open: Vec<_> = lines
            .filter(|line| {
                !line["next_attempt_at"].is_null()
                    || ["WAITING_FOR_RECEIPT", "SUBMITTED"].contains(&line["status"].as_str().unwrap())
            })
            .collect();
        if open.is_empty() {
            return;
        }
        if open.len() < best {
            (best, since) = (open.len(), Instant::now());
        }
        assert!(since.elapsed() < 2 * PATIENCE, "{} messages are stuck, the first: {:#}", open.len(), open[0]);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// A store after everything, open for questions.
pub(super) struct Stored {
    store: EmbeddedStore,
    messages: Vec<Message>,
}

impl Stored {
    pub(super) fn at(data: &Path) -> Self {
        let verified = look(data).unwrap();
        assert!(verified.whole && verified.findings.is_empty(), "{verified:?}");
        let (store, opening) = EmbeddedStore::open(data, chain_hash, Arc::new(SystemClock)).unwrap();
        assert_eq!((opening.lost, opening.rebuilt.as_deref()), (0, None));
        let (mut messages, mut after) = (Vec::new(), None);
        loop {
            let page = store.page(&Query { after, ..Query::default() }).unwrap();
            messages.extend(page.messages);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // What was there before has nothing to do with it.
        messages.retain(|message| !message.from.to_string().starts_with("0203:from"));
        Self { store, messages }
    }

    fn of(&self, direction: Direction) -> BTreeMap<String, Vec<&Message>> {
        let mut by_envelope: BTreeMap<String, Vec<&Message>> = BTreeMap::new();
        for message in self.messages.iter().filter(|message| message.direction == direction && !is_foreign(message)) {
            by_envelope.entry(message.envelope_id.to_string()).or_default().push(message);
        }
        by_envelope
    }
}

/// Checks both ways; gives the numbers.
pub(super) fn check(stores: &[Stored; 2], clients: &[Client]) -> String {
    let mut numbers = (0, 0);
    for (client, (from, to)) in clients.iter().zip([(0, 1), (1, 0)]) {
        let (from, to) = (&stores[from], &stores[to]);
        let (sent, received) = (from.of(Direction::Out), to.of(Direction::In));
        for (envelope, id) in &client.accepted {
            let there: Vec<String> =
                sent.get(envelope).into_iter().flatten().map(|message| message.id.to_string()).collect();
            assert_eq!(there, std::slice::from_ref(id), "what was accepted is there, once");
        }
        for (envelope, messages) in &sent {
            let [message] = messages.as_slice() else { panic!("envelope {envelope} is sent as {}", names(messages)) };
            let arrived = received.get(envelope).map_or(&[][..], Vec::as_slice);
            let [arrived] = arrived else { panic!("{} has arrived as {}", names(&[message]), names(arrived)) };
            assert!(SENT.contains(&message.status), "{}", names(&[message]));
            receipted(client, from, message, to, arrived);
        }
        assert!(received.keys().all(|envelope| sent.contains_key(envelope)), "something came out of nothing");
        numbers = (numbers.0 + client.accepted.len(), numbers.1 + sent.len());
    }
    for client in clients {
        let twice: Vec<_> = client.taken.iter().filter(|(_, ids)| ids.len() != 1).collect();
        assert!(twice.is_empty(), "handed to their recipient as several messages: {twice:?}");
    }
    let taken: usize = clients.iter().map(|client| client.taken.len()).sum();
    let carried = |message: &&Message| clients.iter().any(|client| message.to.to_string() == client.to.carried);
    let came = stores.iter().flat_map(|stored| &stored.messages).filter(|message| message.direction == Direction::In);
    assert_eq!(taken, came.filter(carried).count(), "every envelope for somebody elsewhere was taken");
    format!("{} accepted and answered, {} sent and each received once, {taken} taken", numbers.0, numbers.1)
}

/// The receiver has what it confirmed and the AS4 receipt for it; the sender has the same one, also where it was killed before it had written it
/// down and the recipient's message receipt was faster.
fn receipted(client: &Client, from: &Stored, message: &Message, to: &Stored, arrived: &Message) {
    let receipt = message.as4_receipt.as_ref().unwrap_or_else(|| panic!("no AS4 receipt of {}", names(&[message])));
    assert!(receipt.references_matched, "{}", names(&[message]));
    let id = message.as4_message_id.clone().unwrap();
    let kept = to.store.answered(&DuplicateKey { id, from: client.from.access_point.parse().unwrap() }).unwrap();
    let kept = kept.unwrap_or_else(|| panic!("the AS4 receipt of {} is not kept", names(&[arrived])));
    assert!(kept.message == Some(arrived.id) && !kept.body.is_empty(), "the AS4 receipt of {}", names(&[arrived]));
    assert_eq!(receipt.soap, kept.body, "two AS4 receipts of {}", names(&[message]));
    assert_eq!(arrived.envelope_sha256, message.envelope_sha256);
    for (stored, message) in [(from, message), (to, arrived)] {
        if let Some(blob) = message.envelope {
            let mut bytes = Vec::new();
            stored.store.blobs().open(blob).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(sha256_hex(&bytes), message.envelope_sha256);
        }
    }
}

fn is_foreign(message: &Message) -> bool {
    message.from.to_string() == PARTICIPANT
}

/// What phase4 got an AS4 receipt for is there once, and what it got none for is there at most once.
pub(super) fn check_foreign(to: &Stored, foreign: Option<&Phase4>) -> String {
    let Some(foreign) = foreign else { return String::new() };
    for (id, receipted) in &foreign.sent {
        let is = |message: &&Message| message.as4_message_id.as_ref().is_some_and(|found| found.as_str() == id);
        let there: Vec<&Message> = to.messages.iter().filter(is).collect();
        let right = there.len() == 1 || there.is_empty() && !receipted;
        assert!(right, "{id}, AS4 receipt {receipted}, is there as {}", names(&there));
    }
    let came = to.messages.iter().filter(|message| is_foreign(message)).count();
    assert!(came <= foreign.sent.len(), "something of phase4 came out of nothing");
    let receipted = foreign.sent.values().filter(|receipted| **receipted).count();
    assert!(receipted > 0, "phase4 got no AS4 receipt at all");
    format!(
        "; phase4 sent {} in {} attempts, {receipted} receipted, {came} there",
        foreign.sent.len(),
        foreign.attempts
    )
}
