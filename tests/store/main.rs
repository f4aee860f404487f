//! The promises of the store. `contract` is written once and run on every store; the rest breaks
//! the embedded one: its journal, its index, its process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod chain;
mod clocks;
mod contract;
mod crash;
mod damage;
mod full;
mod lists;
mod loss;
#[path = "../support/mounted.rs"]
mod mounted;
mod reread;
mod retention;
mod slow;
mod together;
#[path = "../support/slow.rs"]
mod slow_disk;
mod turns;
mod upkeep;

use sluss::model::{
    BlobId, Carriage, Direction, DocumentType, EnvelopeId, Enveloped, Message, MessageId, ProcessId, SystemClock,
    Timestamp,
};
use sluss::store::disk::Medium;
use sluss::store::keys::Engine;
use sluss::store::verify::Digests;
use sluss::store::{Answered, DuplicateKey, EmbeddedStore, Making, Opening, Settlement, StoreError, Transaction};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// Any hash does to chain records in a test.
fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [7_u8; 32];
    for (n, byte) in bytes.iter().enumerate() {
        let at = n % 32;
        hash[at] = hash[at].wrapping_mul(31).wrapping_add(*byte).wrapping_add(hash[(at + 11) % 32]);
    }
    hash
}

/// Any digest does in a test.
fn digest(bytes: &[u8]) -> String {
    hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opened messages have a document in each line here.
const DIGESTS: Digests = Digests {
    file: |file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(digest(&bytes))
    },
    documents: |file| BufReader::new(file).lines().map(|line| line.map(|line| digest(line.as_bytes()))).collect(),
};

/// A folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { assert!(fs::copy(&path, to).is_ok()) }
    }
}

fn open(folder: &Path) -> (EmbeddedStore, Opening) {
    try_open(folder).expect("the store opens")
}

fn try_open(folder: &Path) -> Result<(EmbeddedStore, Opening), StoreError> {
    EmbeddedStore::open(folder, hash, Arc::new(SystemClock))
}

fn open_with(engine: Engine, folder: &Path) -> (EmbeddedStore, Opening) {
    let clock = Arc::new(SystemClock);
    EmbeddedStore::open_telling(&Medium::with(engine), folder, hash, clock, Making::Needed, &mut |_| {})
        .expect("the store opens")
}

fn message() -> Message {
    let of = Enveloped {
        id: EnvelopeId::from_uuid(MessageId::now().0),
        from: "0203:alice.example.se".parse().unwrap(),
        to: "0203:bob.example.se".parse().unwrap(),
        document_type: DocumentType::sdk_message(),
        process: ProcessId::default(),
        envelope: None,
        bytes: 0,
        sha256: String::new(),
    };
    Message {
        partner: Some("AP0002-TESTBED".parse().unwrap()),
        ..Message::new(Direction::Out, Carriage::Own, of, Timestamp::now())
    }
}

fn with_envelope(blob: BlobId) -> Message {
    Message { envelope: Some(blob), ..message() }
}

fn insert(message: &Message) -> Transaction {
    Transaction { inserts: vec![message.clone()], ..Transaction::default() }
}

fn settle(settlement: Settlement) -> Transaction {
    Transaction { settlements: vec![settlement], ..Transaction::default() }
}

fn duplicate(n: u32) -> (DuplicateKey, Answered) {
    let key = DuplicateKey { id: format!("{n}@peer").parse().unwrap(), from: "AP0002-TESTBED".parse().unwrap() };
    (
        key,
        Answered {
            message: None,
            content_type: "application/soap+xml".into(),
            body: format!("<r n='{n}'/>"),
            fingerprint: "f".into(),
            at: Timestamp::UNIX_EPOCH,
        },
    )
}
