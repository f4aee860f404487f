//! `sluss check`: everything that is wrong or will be, without starting.

use super::accounts::token_file;
use super::alerts::Receivers;
use super::materials::Materials;
use super::published;
use super::telemetry::Exporter;
use crate::accounts::{Book, book_file};
use crate::config::{Alert, Config, Retention};
use crate::discovery::Discovery;
use crate::metrics::Metrics;
use crate::model::{CertificateEnd, SystemClock, Timestamp, ends_soon, time};
use crate::pki::{Certificate, Trust};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The program was not built before this; a clock that says so is wrong.
pub(super) const CLOCK_LEAST: &str = "2026-11-01T00:00:00Z";

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at: a configuration key, a file, a certificate.
    pub what: String,
    /// Whether it is well.
    pub ok: bool,
    /// Whether a start would fail or refuse traffic because of it.
    pub serious: bool,
    /// What was found, what was expected, what to do.
    pub detail: String,
}

pub(super) fn well(what: impl Into<String>, detail: impl Into<String>) -> Check {
    Check { what: what.into(), ok: true, serious: false, detail: detail.into() }
}

pub(super) fn wrong(what: impl Into<String>, detail: impl Into<String>) -> Check {
    Check { what: what.into(), ok: false, serious: true, detail: detail.into() }
}

pub(super) fn warning(what: impl Into<String>, detail: impl Into<String>) -> Check {
    Check { what: what.into(), ok: false, serious: false, detail: detail.into() }
}

/// Says in the log what a start goes on with although it is not as it should be: a data folder that others may enter.
pub(super) fn say(data: &Path) {
    let found = data_dir(data);
    if !found.ok {
        tracing::warn!("{}: {}", found.what, found.detail);
    }
}

/// Looks at everything that the configuration file names. Binds nothing and writes nothing.
pub async fn check(path: &Path, now: Timestamp) -> Vec<Check> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(mistakes) => {
            return mistakes.iter().map(|problem| wrong("configuration", problem.detail.clone())).collect();
        }
    };
    let mut found = vec![well("configuration", path.display().to_string()), clock(now)];
    match Materials::read(&config) {
        Ok(materials) => {
            found.extend(certificates(&materials, now));
            found.extend(alerts(&config, &materials));
            found.extend(telemetry(&config));
            found.extend(published(&config, &materials).await);
        }
        Err(mistakes) => {
            found.extend(mistakes.iter().map(|problem| wrong("keys and certificates", problem.detail.clone())))
        }
    }
    found.extend(private_files(&config).iter().map(|file| mode(file)));
    found.push(data_dir(&config.data_dir));
    found.push(accounts(&config));
    found.extend(config.partners.iter().filter(|partner| !partner.allow.is_empty()).map(beyond_the_profile));
    for server in &config.discovery.dns_servers {
        found.push(reachable("discovery.dns_servers", *server).await);
    }
    for (key, address) in [
        ("listen.as4", config.listen.as4),
        ("listen.api", config.listen.api),
        ("listen.console", config.listen.console),
    ] {
        found.push(free(key, address));
    }
    found.extend(config.listen.metrics.map(metrics_door));
    found.push(log_kept(&config));
    found.push(space(&config));
    found
}

fn beyond_the_profile(partner: &crate::config::Partner) -> Check {
    let detail =
        format!("{} accepted beyond the profile; take it out when the partner is up to date", partner.allow.join(", "));
    warning(format!("partner {}", partner.party), detail)
}

/// Whether SMP and CertPub have the certificates of the configuration.
async fn published(config: &Config, materials: &Materials) -> Vec<Check> {
    match super::client(config, materials) {
        Ok(client) => {
            let discovery = Discovery::new(materials.discovery(config), client, Arc::new(SystemClock));
            published::compared(&discovery, materials).await
        }
        Err(mistake) => vec![wrong("federation.tls_anchor_files", mistake.detail)],
    }
}

/// Whether each receiver of alerts could be told; nothing is sent.
fn alerts(config: &Config, materials: &Materials) -> Vec<Check> {
    match Receivers::new(config, materials.party().as_str()) {
        Ok(_) if config.alerts.is_empty() => Vec::new(),
        Ok(_) => vec![well("alert", "see with `sluss alert test` whether they arrive")],
        Err(mistakes) => mistakes.iter().map(|problem| wrong("alert", problem.detail.clone())).collect(),
    }
}

/// Whether traces could be exported; nothing is sent.
fn telemetry(config: &Config) -> Option<Check> {
    let telemetry = config.telemetry.as_ref()?;
    Some(match Exporter::new(telemetry, "", Metrics::default()) {
        Ok(_) => well("telemetry", format!("spans of messages go to {}", telemetry.endpoint)),
        Err(mistake) => wrong("telemetry", mistake.detail),
    })
}

fn clock(now: Timestamp) -> Check {
    match CLOCK_LEAST.parse::<Timestamp>() {
        Ok(least) if now < least => wrong(
            "clock",
            format!("found {}, expected later than {CLOCK_LEAST}; set the clock (NTP)", time::millis(now)),
        ),
        _ => well("clock", time::millis(now)),
    }
}

fn certificates(materials: &Materials, now: Timestamp) -> Vec<Check> {
    let mut found = vec![one(
        "access_point",
        &materials.identity.certificate,
        &materials.identity.chain,
        &materials.access_points,
        now,
    )];
    for (participant, identity) in &materials.served {
        if let Some(identity) = identity {
            found.push(one(
                &format!("participant {}", participant.id),
                &identity.certificate,
                &identity.chain,
                &materials.participants,
                now,
            ));
        }
    }
    found
}

/// Whether our own certificate would be trusted by those who trust as we do, and for how long.
fn one(what: &str, certificate: &Certificate, chain: &[Certificate], trust: &Trust, now: Timestamp) -> Check {
    if let Err(error) = trust.check(certificate, chain, now) {
        return wrong(
            what,
            format!("{error}; a certificate of another environment or a missing anchor is the usual cause"),
        );
    }
    let end = certificate.not_after();
    if ends_soon(end, now) {
        return warning(what, format!("{} ends on {end}; {}", certificate.subject(), CertificateEnd::REMEDY));
    }
    well(what, format!("{} until {end}", certificate.subject()))
}

fn private_files(config: &Config) -> Vec<PathBuf> {
    let mut files = vec![config.access_point.key_file.clone()];
    files
        .extend([&config.listen.tls, &config.listen.console_tls].into_iter().flatten().map(|tls| tls.key_file.clone()));
    files.extend(config.participants.iter().filter_map(|participant| participant.key_file.clone()));
    files.extend(config.alerts.iter().flat_map(Alert::secret_files).cloned());
    // The owner's token is drawn at the first start; accounts are checked where they are read.
    files.extend(Some(token_file(&config.data_dir)).filter(|token| token.exists()));
    files
}

/// A secret that others on this machine may read is a mistake.
fn mode(file: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt;
    let what = file.display().to_string();
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => warning(
            what,
            format!(
                "found mode {:o}, expected 600: others on this machine may read the secret in it; run chmod 600",
                metadata.permissions().mode() & 0o777
            ),
        ),
        Ok(_) => well(what, "only its owner may read it"),
        Err(error) => wrong(what, error.to_string()),
    }
}

fn data_dir(path: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt;
    let what = format!("data_dir = {}", path.display());
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => well(what, "is made at the first start"),
        Err(error) => wrong(what, error.to_string()),
        Ok(metadata) if !metadata.is_dir() => wrong(what, "found a file, expected a folder"),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => warning(
            what,
            format!("found mode {:o}, expected 700; run chmod 700", metadata.permissions().mode() & 0o777),
        ),
        Ok(_) => well(what, "only its owner may enter it"),
    }
}

/// Whether anybody can log in, and whether the file of accounts is read by its owner alone.
fn accounts(config: &Config) -> Check {
    let file = book_file(&config.data_dir);
    let what = format!("accounts {}", file.display());
    match Book::read(&file) {
        Err(problem) => wrong(what, problem.detail),
        Ok(book) if book.accounts.is_empty() => {
            warning(what, "nobody can log in to the pages; make an account with `sluss accounts add`")
        }
        Ok(book) => well(what, format!("{} accounts, {} tokens", book.accounts.len(), book.tokens.len())),
    }
}

/// Whether a DNS server takes TCP connections, which it must for long answers.
async fn reachable(key: &str, address: std::net::SocketAddr) -> Check {
    let tried = tokio::time::timeout(Duration::from_secs(3), tokio::net::TcpStream::connect(address)).await;
    match tried {
        Ok(Ok(_)) => well(format!("{key} {address}"), "answers"),
        Ok(Err(error)) => warning(format!("{key} {address}"), format!("{error}; start it, or give another server")),
        Err(_) => {
            warning(format!("{key} {address}"), "no answer within 3 s; look at the firewall, or give another server")
        }
    }
}

/// Whether the event log is kept as long as is recommended.
fn log_kept(config: &Config) -> Check {
    let (days, least) = (config.retention.log_days, Retention::LOG_DAYS_RECOMMENDED);
    let what = format!("retention.log_days = {days}");
    match days >= least {
        true => well(what, "the event log is kept for 12 months or more"),
        false => warning(what, format!("event logs should be kept for 12 months (ISEC-8.2.t03); use at least {least}")),
    }
}

/// Where metrics are read without a token, this machine alone should be able to.
fn metrics_door(address: std::net::SocketAddr) -> Check {
    if address.ip().is_loopback() {
        return free("listen.metrics", address);
    }
    let detail = "others than this machine read names of partners and figures there; see that a firewall lets only Prometheus in";
    warning(format!("listen.metrics {address}"), detail)
}

/// Whether anything would be accepted with the space there is.
fn space(config: &Config) -> Check {
    let least = config.limits.free_bytes_least;
    let folder = config.data_dir.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let what = format!("limits.free_bytes_least = {least}");
    match rustix::fs::statvfs(folder) {
        Err(error) => warning(what, format!("the space of {} is not told: {error}", folder.display())),
        Ok(found) => match found.f_bavail.saturating_mul(found.f_frsize) {
            free if free < least => {
                wrong(what, format!("{free} bytes are free: nothing would be accepted; free space"))
            }
            free if free < least.saturating_mul(2) => {
                warning(what, format!("{free} bytes are free, which is not much more"))
            }
            free => well(what, format!("{free} bytes are free")),
        },
    }
}

fn free(key: &str, address: std::net::SocketAddr) -> Check {
    match std::net::TcpListener::bind(address) {
        Ok(_) => well(format!("{key} {address}"), "free"),
        Err(error) => warning(format!("{key} {address}"), format!("{error}: in use, perhaps by Sluss itself")),
    }
}
