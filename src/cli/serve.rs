//! `serve`, `check` and `init`.

use super::args::InitOptions;
use super::output::{Output, Table};
use super::stop::{Stop, heard};
use super::{Ended, unprinted, usage};
use crate::app::{self, Addresses, App, Exporter, Reloader};
use crate::config::{Config, LogFormat, TESTBEDS_ONLY};
use crate::limits::TRACES_WAITING_MAX;
use crate::metrics::Metrics;
use crate::model::{Clock, Fault, PartyId, Problem, SteadyClock, SystemClock};
use crate::ops;
use crate::pki::request;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

/// The line that says that traffic is accepted.
#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    #[serde(flatten)]
    addresses: &'a Addresses,
}

/// Runs the daemon until SIGTERM or SIGINT; SIGHUP reads certificates and configuration again.
pub(super) async fn serve(path: &Path, metrics: Metrics, out: &mut Output) -> Ended {
    let config = Config::load(path)?;
    let telemetry = config.telemetry.clone();
    let (tracing, spans) = telemetry.is_some().then(|| ops::trace::traces(TRACES_WAITING_MAX)).unzip();
    let format = match config.log_format {
        LogFormat::Text => ops::log::Format::Text,
        LogFormat::Json => ops::log::Format::Json,
    };
    ops::log::init(format, tracing);
    let counted = metrics.clone();
    let app = App::build(config, Arc::new(SteadyClock::begin()), metrics).await?;
    let addresses = app.addresses().clone();
    let reloader = app.reloader();
    let (stop, stopped) = watch::channel(false);
    let party = app.access_point().settings().party.clone();
    let exporter = telemetry.map(|telemetry| Exporter::new(&telemetry, party.as_str(), counted)).transpose();
    let exporter = exporter.map_err(|mistake| vec![mistake])?;
    let (end, ended) = watch::channel(false);
    let exporting = exporter.zip(spans).map(|(exporter, spans)| tokio::spawn(exporter.run(spans, ended)));
    let running = tokio::spawn(app.run(stopped));
    let ready = Ready { ready: true, addresses: &addresses };
    out.record(&ready, || {
        format!("ready  as4 {}  api {}  console {}", addresses.as4, addresses.api, addresses.console)
    })
    .map_err(|error| vec![unprinted(&error)])?;
    notify("READY=1");
    signals(path, &reloader).await.map_err(|problem| vec![problem])?;
    notify("STOPPING=1");
    // The receiver lives in the running application; an error means that it has ended already.
    let _ = stop.send(true);
    running
        .await
        .map_err(|error| vec![Problem::new(Fault::Temporary, "stop", "the stop was not clean", error.to_string())])?;
    // What the last steps told goes as well.
    let _ = end.send(true);
    if let Some(exporting) = exporting {
        let _ = exporting.await;
    }
    Ok(0)
}

/// Waits for the signal to stop; reads again on SIGHUP meanwhile.
async fn signals(path: &Path, reloader: &Reloader) -> Result<(), Problem> {
    let (mut stop, mut hang_up) = (Stop::hear()?, heard(SignalKind::hangup())?);
    loop {
        tokio::select! {
            () = stop.asked() => return Ok(()),
            _ = hang_up.recv() => reload(path, reloader),
        }
    }
}

fn reload(path: &Path, reloader: &Reloader) {
    match Config::load(path).and_then(|config| reloader.reload(&config)) {
        Ok(()) => tracing::info!(file = %path.display(), "certificates and configuration were read again"),
        Err(mistakes) => {
            mistakes.iter().for_each(|problem| tracing::error!(%problem, "the configuration in force stays"))
        }
    }
}

/// Tells systemd, where it asked to be told (`NOTIFY_SOCKET`, sd_notify(3)).
fn notify(state: &str) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let name = name.to_string_lossy().into_owned();
    let address =
        name.strip_prefix('@').map_or_else(|| SocketAddr::from_pathname(&name), SocketAddr::from_abstract_name);
    let told = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = told {
        tracing::warn!(%error, "systemd could not be told: {state}");
    }
}

/// Says everything that is wrong or will be.
pub(super) async fn check(path: &Path, out: &mut Output) -> Result<u8, Problem> {
    let checks = app::check(path, SystemClock.now()).await;
    let table = || {
        let mut table = Table::new(&["", "what", "found"]);
        for check in &checks {
            let mark = if check.ok {
                "ok"
            } else if check.serious {
                "WRONG"
            } else {
                "warning"
            };
            table.row([mark.to_owned(), check.what.clone(), check.detail.clone()]);
        }
        table
    };
    out.list(&checks, table, "nothing to check").map_err(|error| unprinted(&error))?;
    Ok(if checks.iter().any(|check| check.serious) { 2 } else { 0 })
}

/// Sends a trial to every receiver of alerts. Status 3 where one did not take it.
pub(super) async fn try_alerts(path: &Path, out: &mut Output) -> Ended {
    let tried = app::try_alerts(&Config::load(path)?, &SystemClock).await?;
    let table = || {
        let mut table = Table::new(&["", "channel", "target", "found"]);
        for one in &tried {
            let mark = if one.ok { "ok" } else { "FAILED" };
            table.row([mark, one.channel, &one.target, &one.detail].map(str::to_owned));
        }
        table
    };
    let none = "no alert is configured; add an [[alert]] table";
    out.list(&tried, table, none).map_err(|error| vec![unprinted(&error)])?;
    Ok(if tried.iter().all(|one| one.ok) { 0 } else { 3 })
}

/// Makes a new configuration with comments, folders with the right modes, a key and a certificate request.
pub(super) fn init(options: &InitOptions, out: &mut Output) -> Result<u8, Problem> {
    let party: PartyId = options.party.parse().map_err(|error: crate::model::IdError| usage(&error.to_string()))?;
    if let Some(role) = options.role.iter().find(|role| !["access-point", "message-service"].contains(&role.as_str())) {
        return Err(usage(&format!("--role {role}: expected access-point, message-service, or both with a comma")));
    }
    let dir = &options.dir;
    let fault = |error: std::io::Error| {
        Problem::new(Fault::Usage, "init", "the configuration could not be made", format!("{}: {error}", dir.display()))
    };
    if dir.join("sluss.toml").exists() {
        return Err(usage(&format!("{} is there already; nothing was changed", dir.join("sluss.toml").display())));
    }
    folder(dir).and_then(|()| folder(&dir.join("data"))).and_then(|()| folder(&dir.join("anchors"))).map_err(fault)?;
    let made = request::make(&party)
        .map_err(|error| Problem::new(Fault::Temporary, "init", "the key could not be made", error))?;
    let roles: Vec<String> = options.role.iter().map(|role| format!("\"{role}\"")).collect();
    let text = include_str!("sluss.toml").replace("@ROLES@", &roles.join(", ")).replace("@PARTY@", party.as_str());
    file(&dir.join("key.pem"), &made.key_pem, 0o600)
        .and_then(|()| file(&dir.join("request.csr.pem"), &made.request_pem, 0o644))
        .and_then(|()| file(&dir.join("sluss.toml"), &text, 0o640))
        .map_err(fault)?;
    let said = serde_json::json!({
        "configuration": dir.join("sluss.toml"), "key": dir.join("key.pem"), "request": dir.join("request.csr.pem"),
        "party": party, "note": format!("it refuses to start: {TESTBEDS_ONLY}"),
    });
    out.record(&said, || made_text(dir)).map_err(|error| unprinted(&error))?;
    Ok(0)
}

fn made_text(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "made {dir}/sluss.toml, {dir}/key.pem and {dir}/request.csr.pem\n\
         This configuration refuses to start: {TESTBEDS_ONLY}. To run one, use `sluss testbed init DIR`.\n\
         To prepare: send the request to Digg, put the certificate into {dir}/cert.pem, then run\n  \
         sluss check --config {dir}/sluss.toml"
    )
}

fn folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn file(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
