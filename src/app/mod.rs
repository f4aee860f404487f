//! The application: configuration in, a running access point and message service out.
//!
//! `App::build` reads keys, opens the store and binds the listeners; nobody holds a `Config` after it.

pub mod audit;
mod accounts;
mod alerts;
mod checkup;
mod materials;
mod published;
mod rereading;
mod retention;
mod telemetry;
pub mod upkeep;
mod watch;

use crate::access_point::{self, AccessPoint, HandOver, Router, inbound, worker};
use crate::accounts::Access;
use crate::api::{self, ApiState, LookupQuestion, Outlook};
use crate::config::{Config, Role as ProcessRole};
use crate::console::{self, ConsoleState};
use crate::discovery::Discovery;
use crate::limits::LOGIN_AT_ONCE_MAX;
use crate::message_service::MessageService;
use crate::metrics::Metrics;
use crate::model::{CertificateEnd, Clock, DocumentType, Fault, Problem};
use crate::net::client::{Client, ClientSettings};
use crate::net::server::{ServerLimits, serve};
use crate::net::tls::ServerTls;
use crate::ops::health::Health;
use crate::server;
use crate::store::Store;
use crate::store::disk::Medium;
use crate::store::embedded::{EmbeddedStore, Making};
use alerts::{Alerts, Receivers};
use audit::Anchoring;
use futures_util::future::BoxFuture;
use materials::Materials;
use rereading::Rereading;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::watch as signal;
use watch::Watch;

pub use accounts::token_file;
pub use alerts::{Tried, try_alerts};
pub use checkup::{Check, check};
pub use telemetry::Exporter;

/// Where the doors of a running process are.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Addresses {
    /// AS4, for other access points.
    pub as4: String,
    /// The API.
    pub api: String,
    /// The pages.
    pub console: String,
    /// Metrics and health without a token, where that is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

/// An application whose listeners are bound and whose store is open.
pub struct App {
    router: Arc<Router>,
    service: Option<Arc<MessageService>>,
    outlook: Arc<About>,
    console: ConsoleState,
    access: Arc<Access>,
    tls: Option<Arc<ServerTls>>,
    console_tls: Option<Arc<ServerTls>>,
    listeners: Listeners,
    addresses: Addresses,
    anchoring: Arc<Anchoring>,
    retention: crate::config::Retention,
    grace: Duration,
    alerts: Alerts,
}

struct Listeners {
    as4: TcpListener,
    api: TcpListener,
    console: TcpListener,
    metrics: Option<TcpListener>,
}

impl App {
    /// Builds everything that the configuration names, and counts into `metrics`. Nothing is accepted before [`App::run`].
    ///
    /// # Errors
    ///
    /// Every mistake that can be told, with key, value and remedy.
    pub async fn build(config: Config, clock: Arc<dyn Clock>, metrics: Metrics) -> Result<Self, Vec<Problem>> {
        let medium = Medium::with(config.store.index);
        Self::build_on(medium, config, clock, metrics).await
    }

    /// As [`Self::build`], with a store on any medium.
    ///
    /// # Errors
    ///
    /// As for [`Self::build`].
    pub async fn build_on(
        medium: Medium,
        config: Config,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, Vec<Problem>> {
        let materials = Materials::read(&config)?;
        let receivers = Receivers::new(&config, materials.party().as_str())?;
        let one = |problem| vec![problem];
        let access = accounts::access(&config).map_err(one)?;
        checkup::say(&config.data_dir);
        let listeners = Listeners::bind(&config).await.map_err(one)?;
        let tls = server_tls("listen.tls", config.listen.tls.as_ref()).map_err(one)?;
        let console_tls = server_tls("listen.console_tls", config.listen.console_tls.as_ref()).map_err(one)?;
        let embedded = open_store(medium, config.data_dir.clone(), Arc::clone(&clock)).await.map_err(one)?;
        let store: Arc<dyn Store> = embedded.clone();
        let client = client(&config, &materials).map_err(one)?;
        let discovery = Discovery::new(materials.discovery(&config), client.clone(), Arc::clone(&clock));
        let discovery = Arc::new(discovery.measured(metrics.clone()));
        let router = Router::new(
            Arc::clone(&store),
            Arc::clone(&discovery),
            client,
            Arc::clone(&clock),
            materials.access_point(&config),
        );
        let router = Arc::new(router.measured(metrics.clone()));
        let alerts = Alerts::new(receivers, &router).map_err(one)?;
        let access = accounts::recorded(access, &router, &*clock).map_err(one)?;
        let service = message_service(&config, &materials, &router, &discovery, (&store, &clock));
        let addresses = listeners.addresses(tls.is_some(), console_tls.is_some()).map_err(one)?;
        let rereading = Rereading::of(&embedded, &router, &clock, config.store.read_through_days).map_err(one)?;
        let watch = Watch::new(&router, &discovery, &rereading, &config.data_dir, materials.ends(), metrics, &clock);
        watch.look().await;
        let environment = config.federation.environment.clone();
        let outlook = Arc::new(About { watch, store: embedded, addresses: addresses.clone(), environment });
        let console = ConsoleState {
            access_point: Arc::clone(&router),
            message_service: service.clone(),
            access: Arc::clone(&access),
            outlook: outlook.clone(),
            log_ins: Arc::new(Semaphore::new(LOGIN_AT_ONCE_MAX)),
            tls: console_tls.is_some(),
            clock: Arc::clone(&clock),
            party: router.settings().party.to_string(),
            environment: config.federation.environment.clone(),
            hosts: config.console.hosts.clone(),
        };
        Ok(Self {
            anchoring: Anchoring::of(&config, &outlook.store, &router, &clock),
            router,
            service,
            outlook,
            console,
            access,
            tls,
            console_tls,
            listeners,
            addresses,
            retention: config.retention.clone(),
            grace: Duration::from_secs(config.shutdown_grace_seconds),
            alerts,
        })
    }

    /// Where the doors are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The access point.
    pub fn access_point(&self) -> &Arc<Router> {
        &self.router
    }

    /// The message service, where this process has that role.
    pub fn message_service(&self) -> Option<&Arc<MessageService>> {
        self.service.as_ref()
    }

    /// Who is let in, and for what.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// What is needed to read certificates and configuration again while it runs.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            router: Arc::clone(&self.router),
            service: self.service.clone(),
            access: Arc::clone(&self.access),
            watch: Arc::clone(&self.outlook.watch),
            alerts: self.alerts.clone(),
            tls: self.tls.iter().chain(&self.console_tls).cloned().collect(),
        }
    }

    /// Serves and works until `stop` says so; then takes nothing new, and finishes what it holds.
    pub async fn run(self, stop: signal::Receiver<bool>) {
        let state = ApiState {
            access_point: Arc::clone(&self.router),
            message_service: self.service.clone(),
            access: self.access,
            console: self.addresses.console.clone(),
            owner_has_pages: self.outlook.environment == "testbed",
            outlook: self.outlook.clone(),
        };
        let access = Arc::clone(&state.access);
        let metrics = self.outlook.watch.metrics.clone();
        let limits =
            |door| ServerLimits { grace: self.grace, open: metrics.connections(door), ..ServerLimits::default() };
        let watching = self.outlook.watch.clone();
        let (kept, clock) = (Arc::clone(&self.outlook.store), Arc::clone(&watching.clock));
        let figures = self.listeners.metrics.map(|listener| {
            serve(listener, None, api::open_router(self.outlook.clone()), limits("metrics"), stop.clone())
        });
        let hand_over = self.service.map(|service| -> Arc<dyn HandOver> { service });
        tokio::join!(
            serve(
                self.listeners.as4,
                self.tls,
                server::as4_routes(Arc::clone(&self.router)),
                limits("as4"),
                stop.clone()
            ),
            serve(self.listeners.api, None, api::router(state), limits("api"), stop.clone()),
            serve(
                self.listeners.console,
                self.console_tls,
                console::router(self.console),
                limits("console"),
                stop.clone()
            ),
            worker::run(Arc::clone(&self.router), hand_over, stop.clone()),
            retention::run(kept, self.retention, clock, stop.clone()),
            Arc::clone(&watching.rereading).run(stop.clone()),
            accounts::run(access, Arc::clone(&watching.clock), stop.clone()),
            self.anchoring.run(stop.clone()),
            Arc::clone(&watching).run(stop.clone()),
            self.alerts.run(watching, stop.clone()),
            async {
                if let Some(figures) = figures {
                    figures.await;
                }
            },
        );
        inbound::settle(&self.router).await;
        self.anchoring.note_last().await;
    }
}

/// Reads certificates, accounts and configuration again (SIGHUP): keys, anchors, participants and who is told of what.
pub struct Reloader {
    router: Arc<Router>,
    service: Option<Arc<MessageService>>,
    access: Arc<Access>,
    watch: Arc<Watch>,
    alerts: Alerts,
    tls: Vec<Arc<ServerTls>>,
}

impl Reloader {
    /// Puts a configuration in force. Addresses, folders and discovery stay until the next start.
    ///
    /// # Errors
    ///
    /// The mistakes; what was in force then stays.
    pub fn reload(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let materials = Materials::read(config)?;
        let receivers = Receivers::new(config, materials.party().as_str())?;
        self.access.reload().map_err(|problem| vec![problem])?;
        for tls in &self.tls {
            tls.reload().map_err(|error| {
                vec![Problem::new(Fault::Usage, "configuration", "a listener's TLS cannot be used", error.to_string())]
            })?;
        }
        self.alerts.reconfigure(receivers);
        self.watch.reconfigure(materials.ends());
        self.router.reconfigure(materials.access_point(config));
        if let Some(service) = &self.service {
            service.reconfigure(materials.message_service(config));
        }
        Ok(())
    }
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, Problem> {
        Ok(Self {
            as4: bind("listen.as4", config.listen.as4).await?,
            api: bind("listen.api", config.listen.api).await?,
            console: bind("listen.console", config.listen.console).await?,
            metrics: match config.listen.metrics {
                Some(address) => Some(bind("listen.metrics", address).await?),
                None => None,
            },
        })
    }

    fn addresses(&self, as4_tls: bool, console_tls: bool) -> Result<Addresses, Problem> {
        let of = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| {
                Problem::new(Fault::Temporary, "listen", "a listener has no address", error.to_string())
            })
        };
        let scheme = |tls: bool| if tls { "https" } else { "http" };
        Ok(Addresses {
            as4: format!("{}://{}{}", scheme(as4_tls), of(&self.as4)?, server::AS4_PATH),
            api: format!("http://{}/api/v1", of(&self.api)?),
            console: format!("{}://{}/", scheme(console_tls), of(&self.console)?),
            metrics: self
                .metrics
                .as_ref()
                .map(|listener| Ok(format!("http://{}/metrics", of(listener)?)))
                .transpose()?,
        })
    }
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        Problem::new(
            Fault::Temporary,
            "listen",
            "an address cannot be listened on",
            format!("{key} = {address}: {error}; end the other process there, or give another address"),
        )
    })
}

fn server_tls(key: &str, tls: Option<&crate::config::Tls>) -> Result<Option<Arc<ServerTls>>, Problem> {
    let read = tls.map(|tls| ServerTls::from_files(&tls.certificate_file, &tls.key_file).map(Arc::new)).transpose();
    read.map_err(|error| {
        Problem::new(Fault::Usage, "configuration", format!("{key} cannot be used"), error.to_string())
    })
}

async fn open_store(medium: Medium, data_dir: PathBuf, clock: Arc<dyn Clock>) -> Result<Arc<EmbeddedStore>, Problem> {
    let now = clock.now();
    let open = move || {
        EmbeddedStore::open_telling(
            &medium,
            &data_dir,
            upkeep::chain_hash,
            clock,
            Making::Needed,
            &mut upkeep::now_and_then(),
        )
    };
    let opened = tokio::task::spawn_blocking(open).await;
    match opened {
        Ok(Ok((store, opening))) => {
            upkeep::say(&opening, now);
            Ok(Arc::new(store))
        }
        Ok(Err(error)) => Err(access_point::store_problem(&error)),
        Err(error) => Err(Problem::new(Fault::Temporary, "store", "the store could not be opened", error.to_string())),
    }
}

/// The message service over this access point, where the process has that role.
fn message_service(
    config: &Config,
    materials: &Materials,
    router: &Arc<Router>,
    discovery: &Arc<Discovery>,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
) -> Option<Arc<MessageService>> {
    let access_point: Arc<dyn AccessPoint> = Arc::new(Arc::clone(router));
    let settings = config.roles.contains(&ProcessRole::MessageService).then(|| materials.message_service(config))?;
    let (store, discovery, clock) = (Arc::clone(store), Arc::clone(discovery), Arc::clone(clock));
    Some(Arc::new(MessageService::new(access_point, store, discovery, clock, settings)))
}

fn client(config: &Config, materials: &Materials) -> Result<Client, Problem> {
    let settings = ClientSettings {
        roots: materials.tls.iter().map(|certificate| certificate.der().to_vec()).collect(),
        identity: None,
        plain_http: config.discovery.smp_plain_http,
    };
    Client::new(&settings).map_err(|error| {
        let sentence = "federation.tls_anchor_files cannot be used";
        Problem::new(Fault::Usage, "configuration", sentence, error.to_string())
    })
}

/// What the API tells about this process beyond messages.
struct About {
    store: Arc<EmbeddedStore>,
    addresses: Addresses,
    environment: String,
    watch: Arc<Watch>,
}

impl console::Outlook for About {
    fn certificates(&self) -> Arc<[CertificateEnd]> {
        self.watch.certificates()
    }

    fn health(&self) -> Health {
        self.watch.health()
    }
}

impl Outlook for About {
    fn lookup(&self, question: LookupQuestion) -> BoxFuture<'_, Result<serde_json::Value, Problem>> {
        Box::pin(async move {
            let document_type = question.document_type.unwrap_or_else(DocumentType::sdk_message);
            let trace = self.watch.discovery.lookup(&question.participant, &document_type, question.fresh).await;
            serde_json::to_value(trace).map_err(|error| {
                Problem::new(Fault::Temporary, "internal", "the trace cannot be written", error.to_string())
            })
        })
    }

    fn status(&self) -> serde_json::Map<String, serde_json::Value> {
        let settings = self.watch.router.settings();
        let certificates: Vec<serde_json::Value> = self
            .watch
            .certificates()
            .iter()
            .map(|end| serde_json::json!({ "use": end.purpose, "subject": end.subject, "not_after": end.not_after }))
            .collect();
        let all = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "party": settings.party,
            "federation": settings.federation,
            "environment": self.environment,
            "addresses": self.addresses,
            "certificates": certificates,
            "health": self.watch.health(),
        });
        all.as_object().cloned().unwrap_or_default()
    }

    fn backup(&self, to: PathBuf) -> BoxFuture<'_, Result<serde_json::Value, Problem>> {
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            let failed = |error: String| Problem::new(Fault::Temporary, "store", "the backup broke off", error);
            let written = tokio::task::spawn_blocking(move || store.backup(&to)).await;
            let manifest = written
                .map_err(|error| failed(error.to_string()))?
                .map_err(|error| access_point::store_problem(&error))?;
            serde_json::to_value(manifest).map_err(|error| failed(error.to_string()))
        })
    }

    fn health(&self) -> Health {
        self.watch.health()
    }

    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(self.watch.text())
    }
}
