//! The running services of a federation.

use super::TestbedError;
use super::federation::Federation;
use super::revocation::{Authority, Responder};
use super::{dns, relay, smp};
use crate::model::Clock;
use crate::net::server::{self, ServerLimits};
use crate::pki::Identity;
use axum::Router;
use serde::Serialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where the services are: what `testbed serve --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// True: they answer.
    pub ready: bool,
    /// DNS, UDP and TCP.
    pub dns: SocketAddr,
    /// Base address of the SMP.
    pub smp: String,
    /// Below this, `NAME.crl`.
    pub crl: String,
    /// OCSP, POST and GET.
    pub ocsp: String,
}

/// Services that run until this is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    /// Where they are.
    pub addresses: Addresses,
    /// Servers end when it is gone.
    _shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Ends the services and waits until their ports are free.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Starts DNS, SMP, CRL and OCSP over a registry, on the ports that it names (zero: any). `signer` signs service
/// metadata; `authorities` publish revocations.
///
/// # Errors
///
/// A port is not free, or there is no registry.
pub async fn start(
    federation: Federation,
    signer: Identity,
    authorities: Vec<Authority>,
    clock: Arc<dyn Clock>,
) -> Result<Running, TestbedError> {
    let ports = federation.registry()?.ports;
    let http = listen(ports.smp).await?;
    let pki = listen(ports.pki).await?;
    let relay = listen(ports.relay).await?;
    let dns = dns::Sockets::bind(ports.dns).await.map_err(|source| taken("DNS", ports.dns, source))?;
    let (http_at, pki_at, relay_at) = (local(&http)?, local(&pki)?, local(&relay)?);
    if ports.relay == 0 {
        federation.change(|registry| {
            registry.ports.relay = relay_at.port();
            Ok(())
        })?;
    }
    let base = format!("http://{http_at}/");
    let addresses = Addresses {
        ready: true,
        dns: dns.address().map_err(|source| taken("DNS", ports.dns, source))?,
        smp: base.clone(),
        crl: format!("http://{pki_at}/crl/"),
        ocsp: format!("http://{pki_at}/ocsp"),
    };
    let (shutdown, ended) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut serve = |listener: TcpListener, app: Router| {
        let limits = ServerLimits { grace: Duration::from_secs(1), ..ServerLimits::default() };
        let ended = ended.clone();
        tasks.spawn(async move {
            server::serve(listener, None, app, limits, ended).await;
        });
    };
    serve(http, smp::Smp::new(federation.clone(), signer, base.clone()).into_router());
    serve(pki, Responder::new(federation.clone(), authorities, clock).into_router());
    tasks.spawn(relay::serve(relay, federation.clone()));
    tasks.spawn(dns.serve(federation, base));
    Ok(Running { addresses, _shutdown: shutdown, tasks })
}

async fn listen(port: u16) -> Result<TcpListener, TestbedError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| taken("HTTP", port, source))
}

fn local(listener: &TcpListener) -> Result<SocketAddr, TestbedError> {
    listener.local_addr().map_err(|source| taken("HTTP", 0, source))
}

fn taken(what: &str, port: u16, source: io::Error) -> TestbedError {
    TestbedError::io(Path::new(&format!("{what} on 127.0.0.1:{port}")), source)
}
