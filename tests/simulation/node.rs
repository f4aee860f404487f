//! An access point on a simulated disk: the real store and the real decisions, without network and cryptography.

use crate::disk::SimDisk;
use crate::random;
use sluss::access_point::{Breaker, Pace, Patience, Retry, Router, Settings};
use sluss::as4::EbmsError;
use sluss::discovery::{self, Discovery};
use sluss::limits;
use sluss::model::{BlobId, Clock, DocumentType, Message, MessageId, Packing, Piece, ProcessId, Timestamp};
use sluss::net::client::{Client, ClientSettings};
use sluss::pki::{Identity, Proven, Revocation, Role, Trust};
use sluss::store::disk::Medium;
use sluss::store::{EmbeddedStore, Making, Opening, Store, StoreError};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use uuid::Uuid;

pub(crate) const FOLDER: &str = "/data";
pub(crate) const ALICE: &str = "0203:alice.example.se";
pub(crate) const BOB: &str = "0203:bob.example.se";
/// The sender has a message service for these two.
pub(crate) const CARL: &str = "0203:carl.example.se";
pub(crate) const DORA: &str = "0203:dora.example.se";

pub(crate) const BREAKER: Breaker =
    Breaker { failures: 3, first_pause: Duration::from_secs(60), longest_pause: Duration::from_secs(10 * 60) };
/// How long a message receipt is awaited.
pub(crate) const MESSAGE_RECEIPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest pause before a message is tried again.
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(60 * 60);

/// The time of the world: what clocks on walls show, and what passes, in milliseconds.
#[derive(Debug)]
pub(crate) struct SimClock {
    wall: AtomicI64,
    passed: AtomicI64,
}

impl SimClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { wall: AtomicI64::new(1_800_000_000_000), passed: AtomicI64::new(0) })
    }

    /// So long goes by.
    pub(crate) fn pass_for(&self, duration: Duration) {
        self.pass(i64::try_from(duration.as_millis()).unwrap());
    }

    pub(crate) fn pass(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
        self.passed.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn passed(&self) -> i64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Somebody sets the clocks on the walls.
    pub(crate) fn jump(&self, millis: i64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.wall.load(Ordering::Relaxed)).unwrap()
    }
}

/// The clock of one process: what it waits for is measured by what has passed since its start.
#[derive(Debug)]
pub(crate) struct ProcessClock {
    world: Arc<SimClock>,
    begun: AtomicI64,
}

impl ProcessClock {
    fn begin(world: &Arc<SimClock>) -> Self {
        let begun = world.wall.load(Ordering::Relaxed) - world.passed.load(Ordering::Relaxed);
        Self { world: Arc::clone(world), begun: AtomicI64::new(begun) }
    }

    /// How long until then, in milliseconds.
    pub(crate) fn until(&self, at: Timestamp) -> i64 {
        at.as_millisecond() - self.steady().as_millisecond()
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn steady(&self) -> Timestamp {
        let begun = self.begun.load(Ordering::Relaxed);
        Timestamp::from_millisecond(begun + self.world.passed.load(Ordering::Relaxed)).unwrap()
    }

    fn resume(&self, steady: Timestamp) {
        self.begun.store(steady.as_millisecond() - self.world.passed.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// A process of an access point.
pub(crate) struct Process {
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) router: Router,
    pub(crate) opening: Opening,
    pub(crate) clock: Arc<ProcessClock>,
}

/// Any hash does to chain records, if it is one.
pub(crate) fn chain(bytes: &[u8]) -> [u8; 32] {
    let mut lanes = [0xcbf2_9ce4_8422_2325_u64, 0x9ae1_6a3b_2f90_404f, 0x1234_5678_9abc_def1, 0x0f0e_0d0c_0b0a_0908];
    for (n, byte) in bytes.iter().enumerate() {
        let lane = &mut lanes[n % 4];
        *lane = (*lane ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
    lanes[0] = lanes[0].wrapping_add(bytes.len() as u64);
    let mut hash = [0; 32];
    for n in 0..4 {
        let mixed = lanes
            .iter()
            .skip(n)
            .fold(lanes[n], |mixed, lane| (mixed ^ lane).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23));
        hash[n * 8..n * 8 + 8].copy_from_slice(&mixed.to_le_bytes());
    }
    hash
}

pub(crate) fn medium(disk: &SimDisk) -> Medium {
    Medium {
        disk: Arc::new(disk.clone()),
        segment_bytes: 8 * 1024,
        payload_reserve_bytes: 64 * 1024,
        journal_reserve_bytes: 16 * 1024,
        name: random::name,
    }
}

impl Process {
    pub(crate) fn start(disk: &SimDisk, clock: &Arc<SimClock>) -> Result<Self, StoreError> {
        Self::start_making(disk, clock, Making::Needed)
    }

    pub(crate) fn start_making(disk: &SimDisk, clock: &Arc<SimClock>, making: Making) -> Result<Self, StoreError> {
        let own = Arc::new(ProcessClock::begin(clock));
        let clock: Arc<dyn Clock> = Arc::<ProcessClock>::clone(&own);
        let (store, opening) =
            EmbeddedStore::open_in_place(&medium(disk), Path::new(FOLDER), chain, Arc::clone(&clock), making)?;
        let store = Arc::new(store);
        let (client, settings) = parts();
        let discovery = Arc::new(Discovery::new(nowhere(&settings.trust), client.clone(), Arc::clone(&clock)));
        let router =
            Router::new(Arc::<EmbeddedStore>::clone(&store), discovery, client.clone(), clock, settings.clone());
        Ok(Self { store, router, opening, clock: own })
    }

    /// Makes a payload durable.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let mut writer = self.store.blobs().create(Some(bytes.len() as u64))?;
        writer.write_all(bytes).map_err(|error| StoreError::io("write a payload", error))?;
        writer.commit()
    }

    pub(crate) fn payload(&self, blob: BlobId) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.store.blobs().open(blob)?.read_to_end(&mut bytes).map_err(|error| StoreError::io("read", error))?;
        Ok(bytes)
    }
}

/// What all access points share, made once: nobody connects and nobody signs.
fn parts() -> &'static (Client, Settings) {
    static PARTS: OnceLock<(Client, Settings)> = OnceLock::new();
    PARTS.get_or_init(|| {
        let client = Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/test/access-points/AP0001-DEMO");
        let identity = Identity::from_files(&folder.join("test-key.pem"), &folder.join("cert.pem")).unwrap();
        let minute = Duration::from_secs(60);
        let pace = Pace::Exponential { first: minute, longest: RETRY_LONGEST };
        let retry = Retry { pace, give_up_after: 24 * 60 * minute };
        let settings = Settings {
            identity,
            party: "AP0001-DEMO".parse().unwrap(),
            federation: "simulation".into(),
            trust: Trust {
                role: Role::AccessPoint,
                anchors: Vec::new(),
                revocation: Revocation::Unchecked,
                bits_least: 2048,
                validity: true,
                proven: Proven::default(),
            },
            participants: BTreeMap::new(),
            envelope_bytes_max: limits::ENVELOPE_BYTES_MAX,
            as4_bytes_max: limits::AS4_BODY_BYTES_MAX,
            free_bytes_least: 0,
            recorder: None,
            partners: BTreeMap::new(),
            spool_bytes_max: limits::SPOOL_BYTES_MAX,
            patience: Patience { partners: retry, smp: retry, message_receipt: MESSAGE_RECEIPT, breaker: BREAKER },
        };
        (client, settings)
    })
}

fn nowhere(trust: &Trust) -> discovery::Settings {
    discovery::Settings {
        zone: "simulation.example".into(),
        dns_servers: Vec::new(),
        smp_trust: trust.clone(),
        access_point_trust: trust.clone(),
        participant_trust: trust.clone(),
        cache: Duration::ZERO,
        plain_http: true,
    }
}

/// A carried message as it begins.
pub(crate) fn message(out: bool, envelope_id: Uuid, envelope: BlobId, bytes: &[u8], clock: &ProcessClock) -> Message {
    let (now, steady) = (clock.now(), clock.steady());
    serde_json::from_value(serde_json::json!({
        "id": MessageId(random::name()),
        "direction": if out { "out" } else { "in" },
        "carriage": "carried",
        "status": if out { "SEND_ENQUEUED" } else { "RECEIVED" },
        "from": ALICE,
        "to": BOB,
        "document_type": DocumentType::sdk_message(),
        "process": ProcessId::default(),
        "envelope_id": envelope_id.to_string(),
        "envelope": envelope,
        "envelope_bytes": bytes.len(),
        "envelope_sha256": sha256(bytes),
        "attempts": 0,
        "next_attempt_at": steady,
        "begun_at": out.then_some(steady),
        "created_at": now,
        "updated_at": now,
    }))
    .unwrap()
}

/// Something packed, which nobody looks into.
pub(crate) fn packing() -> Packing {
    Packing {
        content_type: "multipart/related".into(),
        pieces: vec![Piece::Text(String::new())],
        bytes: 0,
        part_sha256: None,
        references: Vec::new(),
        url: "https://receiver.example".into(),
        certificate: String::new(),
        earlier: Vec::new(),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    sluss::crypto::sha256_hex(bytes)
}

pub(crate) fn ebms(code: &str, detail: &str) -> EbmsError {
    EbmsError {
        code: code.into(),
        severity: "failure".into(),
        short_description: None,
        detail: Some(detail.into()),
        ref_to: None,
    }
}
