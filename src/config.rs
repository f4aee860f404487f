//! The configuration: one TOML file, read once, checked by its types, then taken apart.
//!
//! Unknown keys are errors, units are in the names, paths are relative to the file. A mistake names
//! the key, the value and the remedy.

mod audit;
mod alert;
mod partner;
mod reading;
mod message_receipt;
mod retention;
mod retry;
mod telemetry;
mod units;

pub use alert::{Alert, AlertMail, AlertWebhook, is_here};
pub use audit::Audit;
pub use message_receipt::MessageReceipt;
pub use partner::Partner;
pub use retention::Retention;
pub use retry::{Breaker, Retry, Strategy};
pub use telemetry::Telemetry;
pub use units::bytes;

use crate::limits;
use crate::model::{DocumentType, Fault, ParticipantId, Problem};
use crate::store::keys::Engine;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What this process does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Carries sealed envelopes (C2, C3).
    AccessPoint,
    /// Seals and opens for its participants (C1, C4).
    MessageService,
}

/// The whole configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What this process does. Both by default.
    #[serde(default = "both_roles")]
    pub roles: Vec<Role>,
    /// Journal, index, payloads and tokens live below this folder; it is made when missing.
    pub data_dir: PathBuf,
    /// How the store keeps what it has.
    #[serde(default)]
    pub store: StoreSettings,
    /// Our access point.
    pub access_point: AccessPoint,
    /// Where we listen.
    pub listen: Listen,
    /// The federation and environment we act in (AS4-2.10.e: one for each process).
    pub federation: Federation,
    /// How others are found.
    pub discovery: Discovery,
    /// When a hand-over that failed is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// The same where DNS or SMP are unreachable (AP-3.2.3). What has come in and cannot be opened yet is looked at in the same
    /// rhythm, for as long as it takes.
    #[serde(default = "Retry::of_smp")]
    pub smp_retry: Retry,
    /// How long a message receipt is awaited.
    #[serde(default)]
    pub message_receipt: MessageReceipt,
    /// When a partner that fails is left alone.
    #[serde(default)]
    pub breaker: Breaker,
    /// Sizes.
    #[serde(default)]
    pub limits: Sizes,
    /// How long what is kept.
    #[serde(default)]
    pub retention: Retention,
    /// The pages.
    #[serde(default)]
    pub console: Console,
    /// How the log is written to standard error: `text` (default) or `json`.
    #[serde(default)]
    pub log_format: LogFormat,
    /// How long a stop waits for what is under way, in seconds. Default 30.
    #[serde(default = "shutdown_grace")]
    pub shutdown_grace_seconds: u64,
    /// Whether refused AS4 requests are kept as they came, in `refused` below `data_dir`, for `sluss as4 open`. Every request is
    /// then written twice. Default false.
    #[serde(default)]
    pub record_refused: bool,
    /// The event log's anchors.
    #[serde(default)]
    pub audit: Audit,
    /// The participants that we serve.
    #[serde(default, rename = "participant")]
    pub participants: Vec<Participant>,
    /// Access points that may do what others may not.
    #[serde(default, rename = "partner")]
    pub partners: Vec<Partner>,
    /// Who collects traces, until the next start; nobody by default.
    #[serde(default)]
    pub telemetry: Option<Telemetry>,
    /// Who is told of what an operator must know.
    #[serde(default, rename = "alert")]
    pub alerts: Vec<Alert>,
}

fn both_roles() -> Vec<Role> {
    vec![Role::AccessPoint, Role::MessageService]
}

fn shutdown_grace() -> u64 {
    30
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How the store keeps what it has.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The library of the index: `lsm` (default) or `sled`. It may be changed between two runs: the index is built again.
    pub index: Engine,
    /// In how many days all closed segments of the journal are read again, so that damage shows while a backup has what was lost.
    /// Default 7; 0: never.
    pub read_through_days: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { index: Engine::default(), read_through_days: 7 }
    }
}

/// Key and certificate of the access point; its party id is the certificate's common name (AS4-2.3.1.j).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPoint {
    /// PEM file with the private key (PKCS#8 or PKCS#1).
    pub key_file: PathBuf,
    /// PEM file with the certificate; its issuers may follow.
    pub certificate_file: PathBuf,
}

/// Where we listen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// AS4, from other access points. Without `tls` only a loopback address is accepted (AS4-2.4.1.a).
    pub as4: SocketAddr,
    /// The participant and admin API. Loopback only: others reach it through a proxy that ends TLS.
    pub api: SocketAddr,
    /// The pages for operators and participants. Without `console_tls` only a loopback address is accepted.
    pub console: SocketAddr,
    /// Metrics and health, for Prometheus, without a token: names of partners and figures. No such listener by default;
    /// `/metrics` of the API asks for the token.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// TLS of the AS4 listener.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// TLS of the pages.
    #[serde(default)]
    pub console_tls: Option<Tls>,
}

/// The pages: by which names they are called, and how long a session lasts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// Host names besides those of loopback by which browsers call the pages, as `sluss.kommun.example.se`. Default: none.
    pub hosts: Vec<String>,
    /// A session without a request ends after so long, in seconds. Default 1800, half an hour.
    pub session_idle_seconds: u64,
    /// A session ends after so long whatever is done in it, in seconds. Default 28800, a working day of eight hours.
    pub session_absolute_seconds: u64,
}

impl Default for Console {
    fn default() -> Self {
        Self { hosts: Vec::new(), session_idle_seconds: 30 * 60, session_absolute_seconds: 8 * 60 * 60 }
    }
}

/// Certificate of a listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub certificate_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
}

/// What is asked of revocation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// Every certificate must be known not to be revoked. Not available yet: a start is refused.
    Required,
    /// Not asked. Only where `environment` is `testbed`.
    Unchecked,
}

/// Federation and environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// FEDERATIONID of envelopes, as `urn:fdc:digg.se:edelivery:federation:sdk` (KOD-G-1.1).
    pub id: String,
    /// Name of the environment: `testbed`, `open-test`, `qa` or `prod`.
    pub environment: String,
    /// Revocation of certificates.
    pub revocation: Revocation,
    /// PEM or DER files: the intermediate that issues access points' certificates (AS4-2.10.p3).
    pub access_point_anchor_files: Vec<PathBuf>,
    /// PEM or DER files: the issuer of the SMP's signing certificate.
    pub smp_anchor_files: Vec<PathBuf>,
    /// PEM or DER files: issuers of participants' certificates.
    pub participant_anchor_files: Vec<PathBuf>,
    /// PEM files: issuers of other access points' TLS certificates.
    #[serde(default)]
    pub tls_anchor_files: Vec<PathBuf>,
    /// Shortest RSA key of an access point, in bits. Default 3072 (C-45).
    #[serde(default = "rsa_bits_least")]
    pub access_point_rsa_bits_least: usize,
}

fn rsa_bits_least() -> usize {
    3072
}

/// How others are found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// The SML zone, without a leading dot.
    pub zone: String,
    /// DNS servers that are asked.
    pub dns_servers: Vec<SocketAddr>,
    /// Whether the SMP may be asked by plain HTTP, on loopback addresses. Default false.
    #[serde(default)]
    pub smp_plain_http: bool,
    /// How long answers are kept, in seconds. Default 3600.
    #[serde(default = "cache_seconds")]
    pub cache_seconds: u64,
}

fn cache_seconds() -> u64 {
    3600
}

/// Sizes, in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sizes {
    /// Largest SDK message that our message service sends (MSG-4.3.3.3.t03). Default 30,000,000.
    pub message_bytes_max: u64,
    /// Largest SDK message that our message service opens (C-30). Default 36,700,160.
    pub received_message_bytes_max: u64,
    /// Largest sealed envelope that a participant may submit. At least 100,000,000 (AS4-2.8.a). Default 2,080,374,784.
    pub envelope_bytes_max: u64,
    /// Largest AS4 request taken from another access point, as it comes and when it is unpacked. Default 2,147,483,647.
    pub as4_bytes_max: u64,
    /// Payloads that are being received or packed, all together; what would pass it is told to come again. Default 10,000,000,000.
    pub spool_bytes_max: u64,
    /// Disk space for refused requests that are kept (`record_refused`); the oldest go first. Default 1,000,000,000.
    pub recorded_bytes_max: u64,
    /// With less free space below `data_dir` nothing new is accepted (503, come again); it is kept for sending and delivering.
    /// A quarter more has to be free before it goes on. Default 1,000,000,000.
    pub free_bytes_least: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            message_bytes_max: 30_000_000,
            received_message_bytes_max: 35 * 1024 * 1024,
            envelope_bytes_max: limits::ENVELOPE_BYTES_MAX,
            as4_bytes_max: limits::AS4_BODY_BYTES_MAX,
            spool_bytes_max: limits::SPOOL_BYTES_MAX,
            recorded_bytes_max: 1_000_000_000,
            free_bytes_least: limits::FREE_BYTES_LEAST,
        }
    }
}

/// A participant that we serve. With a key, our message service seals and opens for it; without, its
/// sealed envelopes are submitted and taken through the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// For example `0203:kommun.example.se`.
    pub id: ParticipantId,
    /// Function addresses (MSG-4.3.2.3.t03). Default: `sdk:inkorg:` and the id.
    #[serde(default)]
    pub functional_addresses: Vec<String>,
    /// PEM file with the organisation-to-organisation key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// PEM file with its certificate.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// Document types that it receives. Default: SDK message and message receipt, transport model Utökad Bas.
    #[serde(default)]
    pub document_types: Vec<String>,
}

impl Participant {
    /// Its function addresses, with the default where none is given.
    pub fn addresses(&self) -> Vec<String> {
        if self.functional_addresses.is_empty() {
            vec![format!("sdk:inkorg:{}", self.id)]
        } else {
            self.functional_addresses.clone()
        }
    }

    /// Its document types, with the default where none is given.
    pub fn accepted_document_types(&self) -> Vec<DocumentType> {
        if self.document_types.is_empty() {
            vec![DocumentType::sdk_message(), DocumentType::message_receipt()]
        } else {
            self.document_types.iter().map(|value| DocumentType::new(value)).collect()
        }
    }
}

/// A mistake in the configuration, as a problem of the user's.
pub fn mistake(key: &str, found: impl std::fmt::Display, remedy: &str) -> Problem {
    misread(&format!("{key} = {found}: {remedy}"))
}

fn misread(detail: &str) -> Problem {
    Problem::new(Fault::Usage, "configuration", "the configuration has a mistake", detail)
}

/// Why this version starts in testbeds only.
pub const TESTBEDS_ONLY: &str =
    "this version does not check revocation yet (AS4-2.10.b, d, g), so it runs in testbeds only";

impl Config {
    /// Reads and checks the file; every mistake is reported, not only the first. Paths come out absolute.
    ///
    /// # Errors
    ///
    /// One problem for each mistake, each with key, value and remedy.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![Problem::new(
                Fault::Usage,
                "configuration",
                "the configuration cannot be read",
                format!(
                    "{}: {error}; give another file with --config, or make one with `sluss init DIR`",
                    path.display()
                ),
            )]
        })?;
        let mut config = reading::read(&text).map_err(|mistakes| {
            let name = path.display();
            mistakes.iter().map(|mistake| misread(&format!("{name}: {mistake}"))).collect::<Vec<_>>()
        })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        config.resolve(&folder);
        let mistakes = config.mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
    }

    /// Makes every path absolute.
    fn resolve(&mut self, folder: &Path) {
        let federation = &mut self.federation;
        let lists = [
            &mut federation.access_point_anchor_files,
            &mut federation.smp_anchor_files,
            &mut federation.participant_anchor_files,
            &mut federation.tls_anchor_files,
        ];
        for path in lists.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        let single = [&mut self.data_dir, &mut self.access_point.key_file, &mut self.access_point.certificate_file];
        for path in single {
            *path = folder.join(&*path);
        }
        self.audit.resolve(folder);
        for tls in [&mut self.listen.tls, &mut self.listen.console_tls].into_iter().flatten() {
            tls.certificate_file = folder.join(&tls.certificate_file);
            tls.key_file = folder.join(&tls.key_file);
        }
        self.alerts.iter_mut().for_each(|alert| alert.resolve(folder));
        self.telemetry.iter_mut().for_each(|telemetry| telemetry.resolve(folder));
        for participant in &mut self.participants {
            for path in [&mut participant.key_file, &mut participant.certificate_file].into_iter().flatten() {
                *path = folder.join(&*path);
            }
        }
    }

    /// What types alone cannot say.
    fn mistakes(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        self.check_roles(&mut found);
        self.check_listeners(&mut found);
        self.check_federation(&mut found);
        self.check_participants(&mut found);
        self.retention.check(self.longest_try(), &mut found);
        for (index, partner) in self.partners.iter().enumerate() {
            partner.check(index, &self.partners[..index], &mut found);
        }
        self.alerts.iter().enumerate().for_each(|(index, alert)| alert.check(index, &mut found));
        self.telemetry.iter().for_each(|telemetry| telemetry.check(&mut found));
        self.check_sizes(&mut found);
        self.audit.check(&self.data_dir, &mut found);
        self.retry.check("retry", &mut found);
        self.smp_retry.check("smp_retry", &mut found);
        self.message_receipt.check(&mut found);
        self.breaker.check(self.retry.give_up_after_seconds(), &mut found);
        found
    }

    /// How long the most patient policy tries a message.
    fn longest_try(&self) -> Duration {
        let of_partners = self.partners.iter().filter_map(|partner| partner.retry.as_ref());
        let policies = of_partners.chain([&self.retry, &self.smp_retry]);
        Duration::from_secs(policies.map(Retry::give_up_after_seconds).max().unwrap_or(0))
    }

    fn check_roles(&self, found: &mut Vec<Problem>) {
        if !self.roles.contains(&Role::AccessPoint) {
            found.push(mistake("roles", format!("{:?}", self.roles), "a message service without an access point in the same process is not available yet; add \"access-point\""));
        }
    }

    fn check_listeners(&self, found: &mut Vec<Problem>) {
        if self.listen.tls.is_none() && !self.listen.as4.ip().is_loopback() {
            found.push(mistake("listen.as4", self.listen.as4, "other access points are reached by TLS only (AS4-2.4.1.a); add [listen.tls], or listen on a loopback address behind a proxy that ends TLS"));
        }
        if !self.listen.api.ip().is_loopback() {
            found.push(mistake("listen.api", self.listen.api, "the API shows tokens and documents and speaks no TLS itself; use a loopback address such as 127.0.0.1, behind a proxy that ends TLS where others need it"));
        }
        if self.listen.console_tls.is_none() && !self.listen.console.ip().is_loopback() {
            found.push(mistake("listen.console", self.listen.console, "passwords go over it, so other addresses than loopback need TLS; add [listen.console_tls], or use a loopback address such as 127.0.0.1"));
        }
        if self.listen.console_tls.is_some() && self.console.hosts.is_empty() && !self.listen.console.ip().is_loopback()
        {
            found.push(mistake("console.hosts", "[]", "browsers would be refused by any other name than localhost; name the hosts by which the pages are called, as [\"sluss.kommun.example.se\"]"));
        }
        let (idle, absolute) = (self.console.session_idle_seconds, self.console.session_absolute_seconds);
        if !(60..=absolute).contains(&idle) || absolute > 24 * 60 * 60 {
            found.push(mistake(
                "console",
                format!("session_idle_seconds {idle} and session_absolute_seconds {absolute}"),
                "use at least 60 for the first, and for the second at least the first and at most 86400",
            ));
        }
    }

    fn check_federation(&self, found: &mut Vec<Problem>) {
        let federation = &self.federation;
        if !["testbed", "open-test", "qa", "prod"].contains(&federation.environment.as_str()) {
            found.push(mistake(
                "federation.environment",
                &federation.environment,
                "expected testbed, open-test, qa or prod",
            ));
        }
        let testbed = federation.environment == "testbed";
        match federation.revocation {
            Revocation::Unchecked if !testbed => found.push(mistake(
                "federation.revocation",
                "unchecked",
                &format!(
                    "{TESTBEDS_ONLY}; with environment = {:?} no value of this key can start",
                    federation.environment
                ),
            )),
            Revocation::Required => found.push(mistake(
                "federation.revocation",
                "required",
                &format!("{TESTBEDS_ONLY}: environment = \"testbed\" with revocation = \"unchecked\""),
            )),
            Revocation::Unchecked => {}
        }
        if self.discovery.smp_plain_http && !testbed {
            found.push(mistake(
                "discovery.smp_plain_http",
                "true",
                "only a testbed asks its SMP by plain HTTP; remove the line",
            ));
        }
        let anchors = [
            ("federation.access_point_anchor_files", &federation.access_point_anchor_files),
            ("federation.smp_anchor_files", &federation.smp_anchor_files),
            ("federation.participant_anchor_files", &federation.participant_anchor_files),
        ];
        for (key, files) in anchors {
            if files.is_empty() {
                found.push(mistake(
                    key,
                    "[]",
                    "nobody would be trusted; name the certificate files of this environment (see certs/README.md)",
                ));
            }
        }
        if self.discovery.dns_servers.is_empty() {
            found.push(mistake(
                "discovery.dns_servers",
                "[]",
                "nobody could be found; name at least one DNS server, as \"127.0.0.1:53\"",
            ));
        }
    }

    fn check_participants(&self, found: &mut Vec<Problem>) {
        for (index, participant) in self.participants.iter().enumerate() {
            let key = format!("participant[{index}] ({})", participant.id);
            if participant.key_file.is_some() != participant.certificate_file.is_some() {
                found.push(mistake(
                    &key,
                    "key_file without certificate_file or the reverse",
                    "give both, or neither for a participant whose message service is elsewhere",
                ));
            }
            if participant.key_file.is_some() && !self.roles.contains(&Role::MessageService) {
                found.push(mistake(&key, "key_file", "an access point alone holds no participant's key; add \"message-service\" to roles, or remove key_file and certificate_file"));
            }
            if self.participants[..index].iter().any(|other| other.id == participant.id) {
                found.push(mistake(&key, &participant.id, "the participant is there twice; remove one"));
            }
        }
    }

    fn check_sizes(&self, found: &mut Vec<Problem>) {
        let sizes = &self.limits;
        if sizes.envelope_bytes_max < 100_000_000 {
            found.push(mistake(
                "limits.envelope_bytes_max",
                sizes.envelope_bytes_max,
                "an access point takes at least 100 MB (AS4-2.8.a); use 100000000 or more",
            ));
        }
        if sizes.envelope_bytes_max > limits::ENVELOPE_BYTES_MAX {
            found.push(mistake(
                "limits.envelope_bytes_max",
                sizes.envelope_bytes_max,
                &format!("at most {} is possible", limits::ENVELOPE_BYTES_MAX),
            ));
        }
        if sizes.as4_bytes_max > limits::AS4_BODY_BYTES_MAX || sizes.as4_bytes_max < 100_000_000 {
            found.push(mistake(
                "limits.as4_bytes_max",
                sizes.as4_bytes_max,
                &format!("use 100000000 to {}", limits::AS4_BODY_BYTES_MAX),
            ));
        }
        if sizes.spool_bytes_max < sizes.as4_bytes_max.max(sizes.envelope_bytes_max) {
            found.push(mistake(
                "limits.spool_bytes_max",
                sizes.spool_bytes_max,
                "the largest message would never be taken; use at least limits.as4_bytes_max and limits.envelope_bytes_max",
            ));
        }
        if sizes.free_bytes_least < limits::FREE_BYTES_LEAST_LEAST {
            found.push(mistake(
                "limits.free_bytes_least",
                sizes.free_bytes_least,
                &format!(
                    "what was accepted could not be sent any more; use at least {}",
                    limits::FREE_BYTES_LEAST_LEAST
                ),
            ));
        }
    }
}
