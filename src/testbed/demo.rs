//! The demo: a whole federation in one process, real sockets between its parts, and documents each way.
//!
//! It starts with the committed test keys of `certs/test`, so that nothing has to be drawn first. They
//! are public: nothing but a demo may ever trust them.

mod document;
mod place;

use super::TestbedError;
use super::fault::Kind;
use super::federation::{AccessPoint, Broken, Federation, Participant, Registry};
use super::folder::mend;
use super::services::{self, Running};
use crate::access_point::Router;
use crate::accounts::Access;
use crate::app::{Addresses, App};
use crate::config::{Config, Sizes};
use crate::crypto::{Digest, HashFunction, hex};
use crate::message_service::{Draft, DraftFile, MessageService};
use crate::metrics::Metrics;
use crate::model::{
    Clock, Direction, DocumentType, Event, Fault, Message, MessageId, ParticipantId, Problem, Query, Status,
    SystemClock, Timestamp,
};
use crate::pki::Identity;
use document::document;
use place::{folder, remove, unwritable};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long one message may take from being sent to its message receipt.
const EXCHANGE_MAX: Duration = Duration::from_secs(120);

/// How long the links of the demo's pages can be used, once each.
const LINK_KEPT: Duration = Duration::from_secs(12 * 60 * 60);

/// Pause between two looks at a message.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Messages under way at once in each direction.
const AT_ONCE: usize = 8;

/// One organisation of the demo: an access point with one participant.
struct Organisation {
    party: &'static str,
    participant: &'static str,
    key: &'static str,
    certificate: &'static str,
    participant_key: &'static str,
    participant_certificate: &'static str,
}

/// A file of `certs/test`.
macro_rules! test_file {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/certs/test/", $path))
    };
}

const ORGANISATIONS: [Organisation; 2] = [
    Organisation {
        party: "AP0001-DEMO",
        participant: "0203:ankeborg.example.se",
        key: test_file!("access-points/AP0001-DEMO/test-key.pem"),
        certificate: test_file!("access-points/AP0001-DEMO/cert.pem"),
        participant_key: test_file!("participants/ankeborg.example.se/test-key.pem"),
        participant_certificate: test_file!("participants/ankeborg.example.se/cert.pem"),
    },
    Organisation {
        party: "AP0002-DEMO",
        participant: "0203:storstad.example.se",
        key: test_file!("access-points/AP0002-DEMO/test-key.pem"),
        certificate: test_file!("access-points/AP0002-DEMO/cert.pem"),
        participant_key: test_file!("participants/storstad.example.se/test-key.pem"),
        participant_certificate: test_file!("participants/storstad.example.se/cert.pem"),
    },
];

/// Files that both access points share: name below the demo's folder, and content.
const SHARED: [(&str, &str); 7] = [
    ("ca/ap.cert.pem", test_file!("ca/ap.cert.pem")),
    ("ca/smp-root.cert.pem", test_file!("ca/smp-root.cert.pem")),
    ("ca/o2o.cert.pem", test_file!("ca/o2o.cert.pem")),
    ("ca/tls.cert.pem", test_file!("ca/tls.cert.pem")),
    ("smp/cert.pem", test_file!("ca/smp-signer.cert.pem")),
    ("smp/key.pem", test_file!("ca/smp-signer.test-key.pem")),
    ("tls/cert.pem", test_file!("tls/localhost/cert.pem")),
];

/// The key of the TLS servers.
const TLS_KEY: &str = test_file!("tls/localhost/test-key.pem");

/// What is to be shown.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where everything is kept; a temporary folder that goes at the end where none is given.
    pub dir: Option<PathBuf>,
    /// The document to send; a small one where none is given.
    pub document: Option<PathBuf>,
    /// How many messages each way.
    pub messages: u32,
}

/// One access point of the running demo.
struct Site {
    participant: ParticipantId,
    router: Arc<Router>,
    service: Arc<MessageService>,
    addresses: Addresses,
    access: Arc<Access>,
    configuration: PathBuf,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// A running demo.
pub struct Demo {
    options: Options,
    sites: [Site; 2],
    federation: Running,
    registry: Federation,
    ready_ms: u128,
    folder: Option<tempfile::TempDir>,
}

/// One step of a message's journey.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// Which stage.
    pub stage: crate::model::Stage,
    /// What happened.
    pub detail: String,
}

/// What the receiving access point proved.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiptShown {
    /// Who signed the AS4 receipt.
    pub signed_by: String,
    /// Whether it repeated every reference that was signed.
    pub references_matched: bool,
}

/// One message from end to end.
#[derive(Clone, Debug, Serialize)]
pub struct Exchanged {
    /// Sending participant.
    pub from: ParticipantId,
    /// Receiving participant.
    pub to: ParticipantId,
    /// Document type.
    pub document_type: String,
    /// AS4 message id.
    pub as4_message_id: Option<String>,
    /// Envelope id.
    pub envelope_id: String,
    /// Size of the document in bytes.
    pub bytes: u64,
    /// Its SHA-256 when sent.
    pub sha256_sent: String,
    /// Its SHA-256 when opened by the recipient.
    pub sha256_opened: String,
    /// The AS4 receipt.
    pub as4_receipt: Option<ReceiptShown>,
    /// The message receipt.
    pub message_receipt: Option<String>,
    /// The sender's status.
    pub status: Status,
    /// Every event on both sides.
    pub journey: Vec<Step>,
}

impl Exchanged {
    /// Whether the document arrived whole and was accepted.
    pub fn is_accepted(&self) -> bool {
        self.sha256_sent == self.sha256_opened
            && self.status == Status::Accepted
            && self.as4_receipt.as_ref().is_some_and(|receipt| receipt.references_matched)
    }
}

/// Where the pages are.
#[derive(Clone, Debug, Serialize)]
pub struct Pages {
    /// The first participant's mailbox and its access point's queue.
    pub ankeborg: String,
    /// The second's.
    pub storstad: String,
    /// The first's configuration, for `sluss accounts link --config` while the demo runs.
    pub configuration: PathBuf,
}

/// What the demo showed.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// From the start until both access points accepted traffic, in milliseconds.
    pub ready_ms: u128,
    /// Every message.
    pub messages: Vec<Exchanged>,
    /// From the first message sent to the last message receipt, in seconds.
    pub exchange_seconds: f64,
    /// Messages with their message receipts in a second.
    pub messages_per_second: f64,
    /// Where the pages are.
    pub pages: Pages,
}

impl Demo {
    /// Starts DNS, SMP and both access points.
    ///
    /// # Errors
    ///
    /// What could not be started.
    pub async fn start(options: Options) -> Result<Self, Vec<Problem>> {
        let begin = Instant::now();
        let one = |problem| vec![problem];
        options.document.as_deref().map_or(Ok(()), sendable).map_err(one)?;
        let (folder, root) = folder(options.dir.as_deref()).map_err(one)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let federation = Federation::in_memory(Registry::new());
        let ports = federation
            .change(|registry| (0..6).map(|_| registry.take_port()).collect::<Result<Vec<u16>, TestbedError>>())
            .map_err(|error| one(error.problem()))?;
        let signer = write_shared(&root).map_err(one)?;
        let running = services::start(federation.clone(), signer, Vec::new(), Arc::clone(&clock))
            .await
            .map_err(|error| one(error.problem()))?;
        let first = site(&root, &ORGANISATIONS[0], &ports[..3], &federation, &running, &clock).await?;
        let second = site(&root, &ORGANISATIONS[1], &ports[3..], &federation, &running, &clock).await?;
        Ok(Self {
            options,
            sites: [first, second],
            federation: running,
            registry: federation,
            ready_ms: begin.elapsed().as_millis(),
            folder,
        })
    }

    /// Lets nobody answer at the address of an access point, or mends that.
    ///
    /// # Errors
    ///
    /// Where the federation cannot be changed.
    pub fn unreachable(&self, access_point: &str, mended: bool) -> Result<(), Problem> {
        let (kind, subject) = (Kind::ReceiverUnreachable, Some(access_point.to_owned()));
        let changed = self.registry.change(|registry| {
            mend(registry, kind, Some(access_point));
            registry.broken.extend((!mended).then_some(Broken { kind, subject, certificate: None }));
            Ok(())
        });
        changed.map_err(|error: TestbedError| error.problem())
    }

    /// Sends the documents each way and waits for their message receipts.
    ///
    /// # Errors
    ///
    /// The first message that did not come to its end.
    pub async fn exchange(&self) -> Result<Shown, Problem> {
        let begin = Instant::now();
        let mut messages = Vec::new();
        let mut under_way: JoinSet<Result<Exchanged, Problem>> = JoinSet::new();
        for number in 0..self.options.messages {
            for way in [(0, 1), (1, 0)] {
                while under_way.len() >= AT_ONCE {
                    messages.extend(joined(under_way.join_next().await)?);
                }
                under_way.spawn(self.send(way, number)?);
            }
        }
        while let Some(ended) = under_way.join_next().await {
            messages.extend(joined(Some(ended))?);
        }
        let seconds = begin.elapsed().as_secs_f64();
        let messages_per_second = f64::from(u32::try_from(messages.len()).unwrap_or(u32::MAX)) / seconds.max(0.001);
        Ok(Shown {
            ready_ms: self.ready_ms,
            messages,
            exchange_seconds: seconds,
            messages_per_second,
            pages: self.pages()?,
        })
    }

    /// One message from one site to the other, as a future of its own.
    fn send(
        &self,
        (from, to): (usize, usize),
        number: u32,
    ) -> Result<impl Future<Output = Result<Exchanged, Problem>> + Send + 'static, Problem> {
        let (sender, recipient) = (&self.sites[from], &self.sites[to]);
        let (name, mime, mut file) = document(self.options.document.as_deref(), &sender.participant, number)
            .map_err(|error| unreadable(&error))?;
        let (bytes, sha256) = digest(&mut file).map_err(|error| unreadable(&error))?;
        let draft = Draft {
            from: sender.participant.clone(),
            to: recipient.participant.clone(),
            functional_address: None,
            label: format!("Beslut i ärende 2026-{:04}", number + 1),
            text: None,
            confidential: true,
            priority: crate::model::Priority::default(),
            in_reply_to: None,
        };
        let (service, router) = (Arc::clone(&sender.service), Arc::clone(&sender.router));
        let (opener, receiver) = (Arc::clone(&recipient.service), Arc::clone(&recipient.router));
        Ok(async move {
            let sent = service.send(draft, vec![DraftFile { name, mime, file }]).await?;
            let sent = settled(&router, sent.id).await?;
            let received = received(&receiver, &sent).await?;
            let (_, mut opened) = opener.document(received.id, 0).await?;
            let (_, sha256_opened) = digest(&mut opened).map_err(|error| unreadable(&error))?;
            let mut journey = steps(router.journey(sent.id).await?);
            journey.extend(steps(receiver.journey(received.id).await?));
            journey.sort_by_key(|step| step.at);
            Ok(exchanged(sent, bytes, sha256, sha256_opened, journey))
        })
    }

    /// Where the pages are: links that log in once, as long as the demo may be looked at.
    ///
    /// # Errors
    ///
    /// Where many of them were made and not used.
    pub fn pages(&self) -> Result<Pages, Problem> {
        let of = |site: &Site| {
            let once = site.access.link(None, LINK_KEPT, SystemClock.now())?;
            Ok(format!("{}login?once={once}", site.addresses.console))
        };
        let configuration = self.sites[0].configuration.clone();
        Ok(Pages { ankeborg: of(&self.sites[0])?, storstad: of(&self.sites[1])?, configuration })
    }

    /// Ends everything.
    pub async fn stop(self) {
        for site in self.sites {
            // The receiver lives in the running application; an error means that it has ended already.
            let _ = site.stop.send(true);
            if let Err(error) = site.running.await {
                tracing::warn!(%error, "an access point of the demo did not end well");
            }
        }
        self.federation.stop().await;
        if let Some(folder) = self.folder {
            remove(&folder.keep()).await;
        }
    }
}

fn joined(
    ended: Option<Result<Result<Exchanged, Problem>, tokio::task::JoinError>>,
) -> Result<Option<Exchanged>, Problem> {
    match ended {
        None => Ok(None),
        Some(Ok(result)) => result.map(Some),
        Some(Err(error)) => Err(Problem::new(Fault::Temporary, "demo", "a message was broken off", error.to_string())),
    }
}

/// Writes what both access points share; gives the signer of service metadata.
fn write_shared(root: &Path) -> Result<Identity, Problem> {
    for (name, content) in SHARED.into_iter().chain([("tls/key.pem", TLS_KEY)]) {
        write(&root.join(name), content)?;
    }
    Identity::from_files(&root.join("smp/key.pem"), &root.join("smp/cert.pem"))
        .map_err(|error| Problem::new(Fault::Usage, "demo", "the test keys cannot be read", error.to_string()))
}

fn write(path: &Path, content: &str) -> Result<(), Problem> {
    use std::os::unix::fs::OpenOptionsExt;
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())
    });
    written.map_err(|error| unwritable(path, &error))
}

/// Writes one access point's folder, starts it from there, and registers it.
async fn site(
    root: &Path,
    organisation: &Organisation,
    ports: &[u16],
    federation: &Federation,
    services: &Running,
    clock: &Arc<dyn Clock>,
) -> Result<Site, Vec<Problem>> {
    let one = |problem| vec![problem];
    let participant: ParticipantId = organisation.participant.parse().map_err(|error: crate::model::IdError| {
        one(Problem::new(Fault::Usage, "demo", "no participant", error.to_string()))
    })?;
    let home = root.join("access-points").join(organisation.party);
    let keys = root.join("participants").join(participant.local());
    let files = [
        (home.join("key.pem"), organisation.key),
        (home.join("cert.pem"), organisation.certificate),
        (keys.join("key.pem"), organisation.participant_key),
        (keys.join("cert.pem"), organisation.participant_certificate),
        (home.join("sluss.toml"), &configuration(&participant, ports, services)),
    ];
    files.iter().try_for_each(|(path, content)| write(path, content)).map_err(one)?;
    let app = App::build(Config::load(&home.join("sluss.toml"))?, Arc::clone(clock), Metrics::default()).await?;
    register(federation, organisation, &participant, &app.addresses().as4).map_err(|error| one(error.problem()))?;
    let service = app
        .message_service()
        .cloned()
        .ok_or_else(|| one(Problem::new(Fault::Usage, "demo", "no message service", "expected both roles")))?;
    let (router, addresses, access) =
        (Arc::clone(app.access_point()), app.addresses().clone(), Arc::clone(app.access()));
    let (stop, stopped) = watch::channel(false);
    Ok(Site {
        participant,
        router,
        service,
        addresses,
        access,
        configuration: home.join("sluss.toml"),
        stop,
        running: tokio::spawn(app.run(stopped)),
    })
}

/// The configuration of one access point: `sluss queue list --config …` works with it while the demo runs.
fn configuration(participant: &ParticipantId, ports: &[u16], services: &Running) -> String {
    let address = |index: usize| format!("127.0.0.1:{}", ports.get(index).copied().unwrap_or_default());
    format!(
        r#"# Made by `sluss demo`, with keys that everybody has: for a demo only.
data_dir = "data"
log_format = "text"
shutdown_grace_seconds = 5

[access_point]
key_file = "key.pem"
certificate_file = "cert.pem"

[listen]
as4 = "{}"
api = "{}"
console = "{}"

[listen.tls]
certificate_file = "../../tls/cert.pem"
key_file = "../../tls/key.pem"

[federation]
id = "urn:fdc:digg.se:edelivery:federation:test"
environment = "testbed"
revocation = "unchecked"
access_point_anchor_files = ["../../ca/ap.cert.pem"]
smp_anchor_files = ["../../ca/smp-root.cert.pem"]
participant_anchor_files = ["../../ca/o2o.cert.pem"]
tls_anchor_files = ["../../ca/tls.cert.pem"]

[discovery]
zone = "{}"
dns_servers = ["{}"]
smp_plain_http = true

[[participant]]
id = "{participant}"
functional_addresses = ["sdk:inkorg:{participant}"]
key_file = "../../participants/{local}/key.pem"
certificate_file = "../../participants/{local}/cert.pem"
"#,
        address(0),
        address(1),
        address(2),
        super::federation::ZONE,
        services.addresses.dns,
        local = participant.local(),
    )
}

fn register(
    federation: &Federation,
    organisation: &Organisation,
    participant: &ParticipantId,
    endpoint: &str,
) -> Result<(), TestbedError> {
    federation.change(|registry| {
        let access_point = AccessPoint {
            endpoint: endpoint.to_owned(),
            certificate: organisation.certificate.to_owned(),
            sluss: true,
        };
        registry.access_points.insert(organisation.party.to_owned(), access_point);
        registry.register(Participant {
            id: participant.clone(),
            access_point: organisation.party.to_owned(),
            document_types: vec![DocumentType::sdk_message(), DocumentType::message_receipt()],
            certificate: organisation.participant_certificate.to_owned(),
        });
        Ok(())
    })
}

/// Waits until the sender's message has come to its end.
async fn settled(router: &Arc<Router>, id: MessageId) -> Result<Message, Problem> {
    let end = Instant::now() + EXCHANGE_MAX;
    loop {
        let message = router.message(id).await?;
        // The message receipt may overtake the AS4 receipt.
        if message.status.is_final() && (message.as4_receipt.is_some() || message.status != Status::Accepted) {
            return Ok(message);
        }
        if Instant::now() > end {
            let last = message
                .error
                .map_or_else(|| format!("status {}", message.status.word()), |problem| problem.to_string());
            return Err(Problem::new(Fault::Temporary, "demo", "a message did not come to its end", last));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The recipient's message for an envelope.
async fn received(router: &Arc<Router>, sent: &Message) -> Result<Message, Problem> {
    let query = Query {
        direction: Some(Direction::In),
        envelope_id: Some(sent.envelope_id.clone()),
        limit: 1,
        ..Query::default()
    };
    let missing = || {
        let last = sent.error.as_ref().map_or_else(|| sent.status.word().to_owned(), ToString::to_string);
        Problem::new(Fault::Refused, "demo", "a message did not arrive", last)
    };
    router.list(query).await?.into_iter().next().ok_or_else(missing)
}

fn steps(events: Vec<Event>) -> Vec<Step> {
    events.into_iter().map(|event| Step { at: event.at, stage: event.stage, detail: event.detail }).collect()
}

fn exchanged(sent: Message, bytes: u64, sha256_sent: String, sha256_opened: String, journey: Vec<Step>) -> Exchanged {
    Exchanged {
        document_type: sent.document_type.to_string(),
        as4_message_id: sent.as4_message_id.map(|id| id.to_string()),
        envelope_id: sent.envelope_id.to_string(),
        bytes,
        sha256_sent,
        sha256_opened,
        as4_receipt: sent.as4_receipt.map(|receipt| ReceiptShown {
            signed_by: receipt.signed_by,
            references_matched: receipt.references_matched,
        }),
        message_receipt: sent.message_receipt,
        status: sent.status,
        journey,
        from: sent.from,
        to: sent.to,
    }
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(Fault::Usage, "demo", "the document cannot be read", error.to_string())
}

/// Whether a document can be read and is small enough, before anything is started.
fn sendable(path: &Path) -> Result<(), Problem> {
    let name = path.display();
    let unreadable = |what: String| {
        let detail = format!("{name}: {what}; name a file that can be read, with --document");
        Problem::new(Fault::Usage, "demo", "the document cannot be read", detail)
    };
    let about = File::open(path).and_then(|file| file.metadata()).map_err(|error| unreadable(error.to_string()))?;
    if !about.is_file() {
        return Err(unreadable("found no regular file".to_owned()));
    }
    // Base64 in the message, four characters for three bytes, and the message around it.
    let (found, most) = (about.len(), Sizes::default().message_bytes_max);
    if found.div_ceil(3).saturating_mul(4) < most {
        return Ok(());
    }
    let detail = format!(
        "{name}: found {found} bytes, expected less than {} (limits.message_bytes_max is {most} for a message with everything \
         in it, and a file grows by a third on its way in); send a smaller document",
        most / 4 * 3
    );
    Err(Problem::new(Fault::Refused, "too-large", "the document is too large", detail).rule("MSG-4.3.3.3.t03"))
}

fn digest(file: &mut File) -> io::Result<(u64, String)> {
    let mut digest = Digest::new(HashFunction::Sha256);
    let bytes = io::copy(file, &mut digest)?;
    file.rewind()?;
    Ok((bytes, hex(&digest.finish())))
}
