//! One Sluss access point in a federation of its own, and a hand-made peer that sends it what it likes.

use super::paced::paced;
use sluss::access_point::Router;
use sluss::app::{App, Reloader};
use sluss::as4::{self, Compression, OutgoingPart, PackedPiece, Party, Property, UserMessage, pmode};
use sluss::config::Config;
use sluss::crypto::SystemRandom;
use sluss::message_service::MessageService;
use sluss::metrics::Metrics;
use sluss::model::{
    As4MessageId, Clock, DocumentType, EnvelopeId, Event, Message, MessageId, ParticipantId, Problem, ProcessId, Query,
    SystemClock,
};
use sluss::net::body::Body;
use sluss::net::client::{Client, ClientSettings, Fetched};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, Trusted};
use sluss::store::disk::Medium;
use sluss::testbed::fault::Kind;
use sluss::testbed::{self, Running};
use sluss::{sdk, xhe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const OURS: &str = "AP0001-TESTBED";
pub(crate) const PEER: &str = "AP0002-TESTBED";
pub(crate) const DORA: &str = "0203:dora.example.se";
pub(crate) const FEDERATION: &str = "urn:fdc:digg.se:edelivery:federation:test";

/// Everything that runs, and the keys of the peer.
pub(crate) struct Site {
    pub(crate) router: Arc<Router>,
    pub(crate) service: Arc<MessageService>,
    pub(crate) alice: ParticipantId,
    pub(crate) bob: ParticipantId,
    pub(crate) bobs: Identity,
    /// Where the access point keeps what it has.
    pub(crate) data: PathBuf,
    alices: Certificate,
    pub(crate) peer: Identity,
    /// Where the peer is.
    peer_url: String,
    stranger: Identity,
    ours: Trusted,
    address: String,
    api: String,
    client: Client,
    file: PathBuf,
    reloader: Reloader,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
    _running: Running,
    _folder: tempfile::TempDir,
}

/// What the peer sends: by default everything is right.
pub(crate) struct Sent {
    pub(crate) message_id: As4MessageId,
    pub(crate) envelope: Vec<u8>,
    pub(crate) conversation: String,
    pub(crate) from: ParticipantId,
    pub(crate) to: ParticipantId,
    pub(crate) action: DocumentType,
    pub(crate) by_a_stranger: bool,
    /// How far the sender's clock is ahead.
    pub(crate) ahead: Duration,
}

/// A packed request.
pub(crate) struct Request {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(|text| text).await
    }

    /// With a peer that listens.
    pub(crate) async fn start_with_peer(url: &str) -> Self {
        Self::start_at(url, Medium::system(), Arc::new(SystemClock), |text| text).await
    }

    /// With another configuration.
    pub(crate) async fn start_with(change: impl FnOnce(String) -> String) -> Self {
        Self::start_on(Medium::system(), Arc::new(SystemClock), change).await
    }

    /// On another disk and by another clock as well.
    pub(crate) async fn start_on(medium: Medium, clock: Arc<dyn Clock>, change: impl FnOnce(String) -> String) -> Self {
        // Nobody listens there: what is sent to the peer stays on its way.
        Self::start_at("http://127.0.0.1:9/as4", medium, clock, change).await
    }

    async fn start_at(
        peer_url: &str,
        medium: Medium,
        clock: Arc<dyn Clock>,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let now = SystemClock.now();
        testbed::init(dir, now).unwrap();
        let ours = testbed::access_point(dir, OURS, None, now).unwrap();
        let peer = testbed::access_point(dir, PEER, Some(peer_url), now).unwrap();
        let (alice, bob) = (id("0203:alice.example.se"), id("0203:bob.example.se"));
        let alices = testbed::participant(dir, &alice, OURS, &[], &[], now).unwrap();
        let bobs = testbed::participant(dir, &bob, PEER, &[], &[], now).unwrap();
        // At our access point as well, under an address of her own.
        testbed::participant(dir, &id(DORA), OURS, &[], &["sdk:x:dora".into()], now).unwrap();
        let running = testbed::serve(dir, Arc::clone(&clock)).await.unwrap();
        let file = ours.join("sluss.toml");
        // The peer that is not there is asked again soon.
        let impatient = "[breaker]\nfirst_pause_seconds = 1\nlongest_pause_seconds = 1\n\n[federation]";
        let text = std::fs::read_to_string(&file).unwrap();
        let text = paced(&text, impatient);
        std::fs::write(&file, change(text)).unwrap();
        let config = Config::load(&ours.join("sluss.toml")).unwrap();
        let app = App::build_on(medium, config, clock, Metrics::default()).await.unwrap();
        let (router, service) = (Arc::clone(app.access_point()), Arc::clone(app.message_service().unwrap()));
        let (address, api) = (app.addresses().as4.clone(), app.addresses().api.clone());
        let reloader = app.reloader();
        let (stop, stopped) = watch::channel(false);
        let ended = tokio::spawn(app.run(stopped));
        let bobs = identity(&bobs);
        Self {
            router,
            service,
            alice,
            bob,
            data: ours.join("data"),
            alices: certificate(&alices),
            peer: identity(&peer),
            peer_url: peer_url.to_owned(),
            // A certificate of the same federation, but of a participant.
            stranger: bobs.clone(),
            ours: trusted(&ours),
            bobs,
            address,
            api,
            client: Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap(),
            file,
            reloader,
            stop,
            ended,
            _running: running,
            _folder: folder,
        }
    }

    /// Ends it in order, and starts it again.
    pub(crate) async fn restart(self) -> Self {
        let Self { router, service, reloader, stop, ended, .. } = self;
        stop.send(true).unwrap();
        ended.await.unwrap();
        drop((router, service, reloader));
        let app =
            App::build(Config::load(&self.file).unwrap(), Arc::new(SystemClock), Metrics::default()).await.unwrap();
        let (router, service) = (Arc::clone(app.access_point()), Arc::clone(app.message_service().unwrap()));
        let reloader = app.reloader();
        let (stop, stopped) = watch::channel(false);
        let ended = tokio::spawn(app.run(stopped));
        Self { router, service, reloader, stop, ended, ..self }
    }

    /// Puts another configuration in force, as SIGHUP does.
    pub(crate) fn reload(&self, change: impl FnOnce(String) -> String) -> Result<(), Vec<Problem>> {
        std::fs::write(&self.file, change(std::fs::read_to_string(&self.file).unwrap())).unwrap();
        self.reloader.reload(&Config::load(&self.file)?)
    }

    /// A message of Bob to Alice, as it should be.
    pub(crate) fn sent(&self, envelope: Vec<u8>) -> Sent {
        Sent {
            message_id: As4MessageId::new(uuid::Uuid::new_v4(), &PEER.parse().unwrap()),
            envelope,
            conversation: uuid::Uuid::new_v4().to_string(),
            from: self.bob.clone(),
            to: self.alice.clone(),
            action: DocumentType::sdk_message(),
            by_a_stranger: false,
            ahead: Duration::ZERO,
        }
    }

    /// Bob's SDK message to Alice, changed by `change` before it is sealed.
    pub(crate) fn envelope(
        &self,
        header: impl FnOnce(&mut xhe::Header),
        change: impl FnOnce(String) -> String,
    ) -> Vec<u8> {
        let uuid = uuid::Uuid::new_v4();
        let id: EnvelopeId = uuid.to_string().parse().unwrap();
        let party = |id: &ParticipantId| sdk::message::Party {
            participant: id.clone(),
            label: None,
            functional_address: format!("sdk:inkorg:{id}"),
        };
        let new = sdk::message::NewMessage {
            created: SystemClock.now(),
            message_id: uuid,
            conversation_id: uuid,
            ref_to: None,
            label: "Ärende 12".into(),
            confidential: true,
            generating_system: None,
            recipient: party(&self.alice),
            sender: party(&self.bob),
        };
        let message = sdk::message::build(&new, &["Se bilagan.".into()], &mut [], Vec::new()).unwrap();
        let message = change(String::from_utf8(message).unwrap());
        let created = sluss::model::time::millis(SystemClock.now());
        let mut head = xhe::Header::new(
            id,
            created,
            DocumentType::sdk_message(),
            FEDERATION,
            self.bob.clone(),
            self.alice.clone(),
        );
        head.handling_service_id = Some(format!("sdk:inkorg:{}", self.alice));
        header(&mut head);
        xhe::seal(&head, &mut message.as_bytes(), &self.bobs, &self.alices, &SystemRandom, Vec::new()).unwrap()
    }

    /// Packs by the peer's key, or by a stranger's.
    pub(crate) fn pack(&self, sent: &Sent) -> Request {
        self.pack_as(sent, Compression::Deflate)
    }

    /// Compressed in this way.
    pub(crate) fn pack_as(&self, sent: &Sent, compression: Compression) -> Request {
        let message = UserMessage {
            mpc: None,
            message_id: sent.message_id.clone(),
            ref_to: None,
            timestamp: SystemClock.now().checked_add(sent.ahead).unwrap(),
            from: Party::initiator(PEER),
            to: Party::responder(OURS),
            agreement: None,
            service: ProcessId::default().value,
            service_type: Some(pmode::SERVICE_TYPE.to_owned()),
            action: sent.action.action(),
            conversation_id: sent.conversation.clone(),
            properties: vec![
                Property::participant("originalSender", sent.from.as_str()),
                Property::participant("finalRecipient", sent.to.as_str()),
            ],
            parts: Vec::new(),
        };
        let (mut content, mut cipher) = (&sent.envelope[..], Vec::new());
        let part = OutgoingPart {
            content_id: "message",
            mime: "text/xml",
            charset: None,
            compression,
            content: &mut content,
            cipher: &mut cipher,
        };
        let identity = if sent.by_a_stranger { &self.stranger } else { &self.peer };
        let outgoing = as4::Outgoing { message, parts: vec![part], identity, to: &self.ours };
        let packed = as4::pack(outgoing, &SystemRandom).unwrap();
        let mut body = Vec::new();
        for piece in &packed.pieces {
            match piece {
                PackedPiece::Text(text) => body.extend_from_slice(text.as_bytes()),
                PackedPiece::Part(_) => body.extend_from_slice(&cipher),
            }
        }
        Request { content_type: packed.content_type, body }
    }

    pub(crate) async fn post(&self, request: &Request) -> Fetched {
        let body = Body::empty().memory(request.body.clone());
        let answer = self.client.post(&self.address, &request.content_type, body, 1_000_000, Duration::from_secs(30));
        answer.await.unwrap()
    }

    /// Posts under one more header, and gives the status and the answer.
    pub(crate) async fn post_under(&self, request: &Request, more: (http::HeaderName, &str)) -> (u16, String) {
        let headers = [(http::header::CONTENT_TYPE, request.content_type.clone()), (more.0, more.1.to_owned())];
        let body = Body::empty().memory(request.body.clone());
        let (method, url, timeout) = (http::Method::POST, &*self.address, Duration::from_secs(30));
        let outgoing = sluss::net::Outgoing { method, url, headers: &headers, body, timeout };
        let answer = self.client.request(outgoing).await.unwrap();
        (answer.status, String::from_utf8(answer.whole(1_000_000).await.unwrap()).unwrap())
    }

    /// Posts, and gives the status, and when to come again.
    pub(crate) async fn answered(&self, request: &Request) -> (u16, Option<String>) {
        let headers = [(http::header::CONTENT_TYPE, request.content_type.clone())];
        let body = Body::empty().memory(request.body.clone());
        let timeout = Duration::from_secs(30);
        let (method, url) = (http::Method::POST, &*self.address);
        let answer = self.client.request(sluss::net::Outgoing { method, url, headers: &headers, body, timeout }).await;
        let answer = answer.unwrap();
        (answer.status, answer.header(&http::header::RETRY_AFTER))
    }

    /// Makes a fault of DNS or SMP, or clears it.
    pub(crate) fn fault(&self, kind: Kind, clear: bool) {
        testbed::fault(self._folder.path(), kind, None, clear, SystemClock.now()).unwrap();
    }

    /// The peer has a new key and certificate, and says so in SMP.
    pub(crate) fn peer_has_another_certificate(&self) -> Identity {
        let (dir, file) = (self._folder.path(), self._folder.path().join("federation.json"));
        let mut registry: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        registry["access_points"].as_object_mut().unwrap().remove(PEER).unwrap();
        std::fs::write(&file, serde_json::to_vec(&registry).unwrap()).unwrap();
        let folder = dir.join("access-points").join(PEER);
        std::fs::rename(&folder, folder.with_extension("before")).unwrap();
        identity(&testbed::access_point(dir, PEER, Some(&self.peer_url), SystemClock.now()).unwrap())
    }

    /// Who issues certificates of access points.
    pub(crate) fn authorities(&self) -> Vec<Certificate> {
        Certificate::all_from_pem(&std::fs::read(self._folder.path().join("ca/ap.cert.pem")).unwrap()).unwrap()
    }

    /// The evidence of a message, in a folder of its own.
    pub(crate) fn evidence(&self, id: MessageId) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("evidence");
        sluss::app::audit::export(&Config::load(&self.file).unwrap(), id, &package, &SystemClock).unwrap();
        (folder, package)
    }

    /// The status of `/health/ready`, and what it says.
    pub(crate) async fn ready(&self) -> (u16, String) {
        let url = format!("{}/health/ready", self.api);
        let answer = self.client.get(&url, 1_000_000, Duration::from_secs(30)).await.unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    /// The metrics as text.
    pub(crate) async fn metrics(&self) -> String {
        String::from_utf8(self.api(http::Method::GET, "/metrics").await.1).unwrap()
    }

    /// The status and content of an answer of the API.
    pub(crate) async fn api(&self, method: http::Method, path: &str) -> (u16, Vec<u8>) {
        let token = std::fs::read_to_string(self.data.join("api.token")).unwrap();
        let headers = [(http::header::AUTHORIZATION, format!("Bearer {}", token.trim()))];
        let (url, body, timeout) = (&*format!("{}{path}", self.api), Body::empty(), Duration::from_secs(30));
        let answer = self.client.request(sluss::net::Outgoing { method, url, headers: &headers, body, timeout }).await;
        let answer = answer.unwrap();
        (answer.status, answer.whole(10_000_000).await.unwrap())
    }

    pub(crate) async fn messages(&self) -> Vec<Message> {
        self.router.list(Query { limit: 100, ..Query::default() }).await.unwrap()
    }

    /// The message once `enough` says so.
    pub(crate) async fn wait(&self, id: MessageId, enough: impl Fn(&Message) -> bool) -> Message {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let message = self.router.message(id).await.unwrap();
            if enough(&message) {
                return message;
            }
            assert!(Instant::now() < end, "{:?} {:?}", message.status, message.error);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether these octets are in some file below its data folder.
    pub(crate) fn keeps(&self, octets: &[u8]) -> bool {
        let mut folders = vec![self.data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if entry.metadata().is_ok_and(|found| found.len() == octets.len() as u64)
                    && std::fs::read(path).is_ok_and(|found| found == octets)
                {
                    return true;
                }
            }
        }
        false
    }

    /// Waits until no file has these octets.
    pub(crate) async fn forgets(&self, octets: &[u8]) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.keeps(octets) {
            assert!(Instant::now() < end, "the payload is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The problems of a message's events, by rule.
    pub(crate) async fn rules(&self, id: MessageId) -> Vec<String> {
        let events = self.router.journey(id).await.unwrap();
        events.into_iter().filter_map(|event| event.problem).filter_map(|problem| problem.rule).collect()
    }

    /// The one message that this became.
    pub(crate) async fn arrived(&self, sent: &Sent) -> MessageId {
        let messages = self.messages().await;
        let found: Vec<_> = messages.iter().filter(|m| m.as4_message_id.as_ref() == Some(&sent.message_id)).collect();
        assert_eq!(found.len(), 1);
        found[0].id
    }

    /// Why this was refused; no message may be left of it.
    pub(crate) async fn refusal(&self, sent: &Sent) -> Problem {
        assert!(self.messages().await.iter().all(|m| m.as4_message_id.as_ref() != Some(&sent.message_id)));
        let events = self.router.refusals(100).await.unwrap();
        let named = |event: &&Event| {
            let names = ["as4_message_id", "claimed_as4_message_id"];
            names.iter().filter_map(|name| event.facts.get(*name)).any(|id| id == sent.message_id.as_str())
        };
        events
            .iter()
            .find(named)
            .and_then(|event| event.problem.clone())
            .expect("a refusal leaves an event that says why")
    }
}

/// A fact of an event of this stage.
pub(crate) fn fact(events: &[Event], stage: sluss::model::Stage, name: &str) -> Option<String> {
    events.iter().find(|event| event.stage == stage).and_then(|event| event.facts.get(name).cloned())
}

pub(crate) fn id(text: &str) -> ParticipantId {
    text.parse().unwrap()
}

fn identity(folder: &Path) -> Identity {
    Identity::from_files(&folder.join("key.pem"), &folder.join("cert.pem")).unwrap()
}

fn certificate(folder: &Path) -> Certificate {
    Certificate::from_pem(&std::fs::read(folder.join("cert.pem")).unwrap()).unwrap()
}

fn trusted(folder: &Path) -> Trusted {
    let anchors = Certificate::all_from_pem(&std::fs::read(folder.join("chain.pem")).unwrap()).unwrap();
    let trust = Trust {
        role: Role::AccessPoint,
        anchors,
        revocation: Revocation::Unchecked,
        bits_least: 2048,
        validity: true,
        proven: Proven::default(),
    };
    trust.check(&certificate(folder), &[], SystemClock.now()).unwrap()
}
