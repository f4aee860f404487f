//! Discovery: from a participant and a document type to the receiving access point (BDXL, then SMP), and
//! to the participant's own certificates (CertPub, in the same answer).
//!
//! [`Discovery::route`] is the whole journey: cache, DNS, SMP, signature, question and answer compared,
//! endpoint chosen, its certificate held against the anchors. Nothing falls back to anything weaker.

pub mod bdxl;
mod cache;
pub mod certpub;
mod error;
pub mod smp;
pub mod trace;

pub use error::DiscoveryError;
pub use trace::{CertificateView, PublishedView, RouteView, Step, Trace};

use crate::limits;
use crate::metrics::Metrics;
use crate::model::{Cause, Clock, DocumentType, ParticipantId, PartyId, ProcessId, Timestamp};
use crate::net::client::{Client, Fetched};
use crate::net::error::NetError;
use crate::pki::{Certificate, Trust, Trusted};
use bdxl::Resolver;
use cache::{Cache, Found};
use smp::Endpoint;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinError;
use trace::Steps;

/// How look-ups are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SML zone of the environment.
    pub zone: String,
    /// DNS servers, in the order in which they are asked.
    pub dns_servers: Vec<SocketAddr>,
    /// Who may sign service metadata.
    pub smp_trust: Trust,
    /// Which access points are of this federation and environment.
    pub access_point_trust: Trust,
    /// Who issues participants' certificates. Without anchors CertPub is never usable.
    pub participant_trust: Trust,
    /// How long an answer may be used again; zero for never (AP-3.1.3.c).
    pub cache: Duration,
    /// Whether plain http to this machine itself is allowed, for SMP and access points: testbeds only.
    pub plain_http: bool,
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The receiving access point's address.
    pub url: String,
    /// Its certificate: messages are encrypted to it, and it must sign the AS4 receipt.
    pub certificate: Trusted,
    /// Its party id: the common name of its certificate (AP-3.1.5.b).
    pub party: PartyId,
}

/// Makes look-ups, and remembers answers.
pub struct Discovery {
    settings: Arc<Settings>,
    resolver: Resolver,
    client: Client,
    clock: Arc<dyn Clock>,
    cache: Cache,
    metrics: Metrics,
    unreachable: Mutex<Option<(Timestamp, String)>>,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Discovery {
    /// `client` must trust the TLS servers of SMPs, and allow plain http where `settings` do.
    pub fn new(settings: Settings, client: Client, clock: Arc<dyn Clock>) -> Self {
        let resolver = Resolver { servers: settings.dns_servers.clone() };
        let cache = Cache::new(settings.cache);
        Self {
            settings: Arc::new(settings),
            resolver,
            client,
            clock,
            cache,
            metrics: Metrics::default(),
            unreachable: Mutex::default(),
        }
    }

    /// Counts into these metrics.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Since when neither DNS nor SMP could be reached, and why, where the last look-up over the network failed for that.
    pub fn unreachable(&self) -> Option<(Timestamp, String)> {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a look-up over the network, and remembers whether anybody was there.
    fn looked_up(&self, took: Duration, result: &Result<Found, DiscoveryError>) {
        self.metrics.lookup(result.is_ok(), took);
        let mut unreachable = self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        *unreachable = match result {
            Err(error) if matches!(error.cause(), Cause::DnsUnreachable | Cause::SmpUnreachable) => {
                let since = unreachable.take().map_or_else(|| self.clock.now(), |(since, _)| since);
                Some((since, error.to_string()))
            }
            _ => None,
        };
    }

    /// The access point that takes documents of this type and process for `to`.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`].
    pub async fn route(
        &self,
        to: &ParticipantId,
        document_type: &DocumentType,
        process: &ProcessId,
    ) -> Result<Route, DiscoveryError> {
        let mut steps = Steps::default();
        let found = self.metadata(to, document_type, false, &mut steps).await?;
        self.route_of(&found, process, self.clock.now(), &mut steps)
    }

    /// The certificate to which documents of this type are sealed for `to` (CERTPUB-REST-3.p2): the newest that is
    /// valid and issued under a configured authority.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`].
    pub async fn sealing_certificate(
        &self,
        to: &ParticipantId,
        document_type: &DocumentType,
    ) -> Result<Certificate, DiscoveryError> {
        let mut steps = Steps::default();
        let found = self.metadata(to, document_type, false, &mut steps).await?;
        self.sealing_of(to, &found, self.clock.now(), &mut steps)
    }

    /// The certificates with which `of` may have signed. They are found under the message receipt's document type,
    /// since a pure sender is registered for nothing else (CERTPUB-REST-3.p3).
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`]; never an empty list.
    pub async fn signing_certificates(&self, of: &ParticipantId) -> Result<Vec<Certificate>, DiscoveryError> {
        let mut steps = Steps::default();
        let found = self.metadata(of, &DocumentType::message_receipt(), false, &mut steps).await?;
        let published = &found.signed.metadata().published;
        certpub::signing(published, &self.settings.participant_trust, self.clock.now())
            .map_err(|source| DiscoveryError::CertPub { participant: of.to_string(), source })
    }

    /// Forgets what is remembered of a participant's service, so that the next look-up asks again: for a message
    /// that was refused under a remembered certificate.
    pub fn forget(&self, to: &ParticipantId, document_type: &DocumentType) {
        self.cache.forget(&(to.clone(), document_type.clone()));
    }

    /// The same journey as [`Discovery::route`], with every step shown. Where documents of this type are sealed and
    /// participants' authorities are configured, the sealing certificate belongs to it.
    pub async fn lookup(&self, to: &ParticipantId, document_type: &DocumentType, fresh: bool) -> Trace {
        let process = ProcessId::default();
        let mut steps = Steps::default();
        let outcome = self.trace(to, document_type, &process, fresh, &mut steps).await;
        let (route, error) = match outcome {
            Ok(route) => (Some(route), None),
            Err(error) => (None, Some(error.problem())),
        };
        Trace {
            participant: to.to_string(),
            document_type: document_type.to_string(),
            process: process.to_string(),
            at: self.clock.now(),
            steps: steps.0,
            route,
            error,
        }
    }

    async fn trace(
        &self,
        to: &ParticipantId,
        document_type: &DocumentType,
        process: &ProcessId,
        fresh: bool,
        steps: &mut Steps,
    ) -> Result<RouteView, DiscoveryError> {
        let found = self.metadata(to, document_type, fresh, steps).await?;
        let now = self.clock.now();
        let route = self.route_of(&found, process, now, steps)?;
        let certificates = found.signed.metadata().published.iter().map(PublishedView::from).collect();
        steps.push(Step::CertPub { certificates });
        let sealed = document_type.is_sealed_model() == Some(true) && !document_type.is_message_receipt();
        let sealing = if sealed && !self.settings.participant_trust.anchors.is_empty() {
            Some(self.sealing_of(to, &found, now, steps)?)
        } else {
            None
        };
        Ok(RouteView {
            url: route.url,
            party: route.party.to_string(),
            certificate: route.certificate.certificate().into(),
            sealing_certificate: sealing.as_ref().map(CertificateView::from),
        })
    }

    /// The verified metadata that answers this question, remembered or fetched.
    async fn metadata(
        &self,
        to: &ParticipantId,
        document_type: &DocumentType,
        fresh: bool,
        steps: &mut Steps,
    ) -> Result<Found, DiscoveryError> {
        let key = (to.clone(), document_type.clone());
        let now = self.clock.now();
        let kept = if fresh { None } else { self.cache.find(&key, now) };
        let outcome = match (self.cache.is_off(), fresh, kept.is_some()) {
            (true, ..) => "off",
            (_, true, _) => "passed-over",
            (.., true) => "hit",
            _ => "miss",
        };
        let age_seconds = kept.as_ref().map(|found| now.as_second() - found.at.as_second());
        steps.push(Step::Cache { outcome, age_seconds });
        if let Some(found) = kept {
            steps.signed(&found.signed);
            return Ok(found);
        }
        let begun = Instant::now();
        let fetched = self.fetch(to, document_type, steps).await;
        self.looked_up(begun.elapsed(), &fetched);
        let found = fetched?;
        self.cache.keep(key, found.clone());
        Ok(found)
    }

    async fn fetch(
        &self,
        to: &ParticipantId,
        document_type: &DocumentType,
        steps: &mut Steps,
    ) -> Result<Found, DiscoveryError> {
        let mut asked = Vec::new();
        let address = self.resolver.smp_address(to, &self.settings.zone, &mut asked).await;
        steps.dns(asked);
        let base = address.map_err(|source| DiscoveryError::Dns { participant: to.to_string(), source })?;
        steps.push(Step::SmpAddress { url: base.clone() });
        let url = smp::service_url(&base, to, document_type);
        self.may_be_called(&url)?;
        let answer = self.ask_smp(&url, steps).await?;
        taken(&answer, &url, to, document_type)?;
        let at = self.clock.now();
        let refused = |source| DiscoveryError::Metadata { url: url.clone(), source };
        let settings = Arc::clone(&self.settings);
        // XML and cryptography: beside the asynchronous threads.
        let verified = tokio::task::spawn_blocking(move || smp::verify(&answer.body, &settings.smp_trust, at)).await;
        let broken_off = |error: JoinError| DiscoveryError::unreachable(&url, error.to_string());
        let signed = verified.map_err(broken_off)?.map_err(refused)?;
        steps.signed(&signed);
        let metadata = signed.metadata();
        let answers = metadata.answers(to, document_type);
        steps.check(
            "participant and document type are those asked for",
            format!("{} {}", metadata.participant, metadata.document_type),
            answers.is_ok(),
        );
        answers.map_err(refused)?;
        Ok(Found { signed: Arc::new(signed), at, url })
    }

    async fn ask_smp(&self, url: &str, steps: &mut Steps) -> Result<Fetched, DiscoveryError> {
        match self.client.get(url, limits::SMP_BYTES_MAX, limits::SMP_EXCHANGE_MAX).await {
            Ok(fetched) => {
                let answer = format!("{} bytes", fetched.body.len());
                steps.push(Step::Smp { url: url.into(), status: Some(fetched.status), answer });
                Ok(fetched)
            }
            Err(error) => {
                let what = error.to_string();
                steps.push(Step::Smp { url: url.into(), status: None, answer: what.clone() });
                Err(match error {
                    NetError::TooLarge { .. } => DiscoveryError::Answer { url: url.into(), what },
                    NetError::PlainHttp { .. } | NetError::Url { .. } => {
                        DiscoveryError::Address { url: url.into(), what }
                    }
                    _ => DiscoveryError::unreachable(url, what),
                })
            }
        }
    }

    fn route_of(
        &self,
        found: &Found,
        process: &ProcessId,
        now: Timestamp,
        steps: &mut Steps,
    ) -> Result<Route, DiscoveryError> {
        let refused = |source| DiscoveryError::Metadata { url: found.url.clone(), source };
        let endpoint = found.signed.metadata().select(process, now).map_err(refused)?;
        steps.check("an endpoint of the process and transport profile is in force", endpoint.address.clone(), true);
        let address = || endpoint.address.clone();
        let certificate = endpoint_certificate(endpoint).map_err(refused)?;
        let trusted = self.settings.access_point_trust.check(certificate, &[], now);
        let trusted = trusted.and_then(|trusted| trusted.may_encrypt().map(|()| trusted));
        steps.certificate("access-point", certificate, trusted.is_ok());
        let trusted = trusted.map_err(|source| DiscoveryError::AccessPoint { address: address(), source })?;
        let name = certificate.common_name().unwrap_or("(none)");
        let party = name.parse().map_err(|_| DiscoveryError::PartyId { address: address(), found: name.into() })?;
        self.may_be_called(&endpoint.address)?;
        Ok(Route { url: address(), certificate: trusted, party })
    }

    fn sealing_of(
        &self,
        to: &ParticipantId,
        found: &Found,
        now: Timestamp,
        steps: &mut Steps,
    ) -> Result<Certificate, DiscoveryError> {
        let published = &found.signed.metadata().published;
        let sealing = certpub::sealing(published, &self.settings.participant_trust, now)
            .map_err(|source| DiscoveryError::CertPub { participant: to.to_string(), source })?;
        steps.certificate("encryption", &sealing, true);
        Ok(sealing)
    }

    fn may_be_called(&self, url: &str) -> Result<(), DiscoveryError> {
        policy(url, self.settings.plain_http).map_err(|what| DiscoveryError::Address { url: url.into(), what })
    }
}

fn endpoint_certificate(endpoint: &Endpoint) -> Result<&Certificate, smp::SmpError> {
    endpoint
        .certificate
        .as_ref()
        .map_err(|what| smp::SmpError::EndpointCertificate { address: endpoint.address.clone(), what: what.clone() })
}

/// What an HTTP status of the SMP means (protocol of OASIS SMP 1.0; redirects are not followed).
fn taken(answer: &Fetched, url: &str, to: &ParticipantId, document_type: &DocumentType) -> Result<(), DiscoveryError> {
    let (status, url) = (answer.status, url.to_owned());
    if status == 200 {
        return Ok(());
    }
    Err(match Cause::of_smp_status(status) {
        Cause::SmpNotOffered => DiscoveryError::NotOffered {
            participant: to.to_string(),
            document_type: document_type.to_string(),
            url,
            status,
        },
        // It could not answer now, or not to us: somebody has to do something there.
        Cause::SmpUnreachable => DiscoveryError::SmpUnreachable {
            url,
            what: format!("it answered with HTTP status {status}"),
            retry_after: answer.retry_after.filter(|_| Cause::says_when(status)),
        },
        _ => DiscoveryError::Answer { url, what: format!("found HTTP status {status}, expected 200") },
    })
}

/// Addresses come from DNS and SMP, so they must not lead into this machine: https, and no address of
/// loopback, link-local or unspecified kind; or plain http to loopback, in testbeds only.
fn policy(url: &str, plain_http: bool) -> Result<(), String> {
    let uri: http::Uri = url.parse().map_err(|_| "found no absolute address, expected https".to_owned())?;
    let host = uri.host().unwrap_or_default();
    let local = is_this_machine(host);
    match uri.scheme_str() {
        Some("https") if !local || plain_http => Ok(()),
        Some("https") => Err(format!("found {host}, which is this machine or its link; expected another host")),
        Some("http") if plain_http && local => Ok(()),
        Some("http") if plain_http => Err("found http to another machine, expected https".into()),
        other => Err(format!("found the scheme {}, expected https", other.unwrap_or("(none)"))),
    }
}

fn is_this_machine(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_other_machines_is_called() {
        for url in ["https://smp.example/x", "https://10.1.2.3/x", "https://smp.example:8443/x"] {
            assert_eq!(policy(url, false), Ok(()), "{url}");
        }
        for url in [
            "http://smp.example/x",
            "http://127.0.0.1/x",
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://169.254.169.254/latest",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://0.0.0.0/x",
            "ftp://smp.example/x",
            "/x",
            "smp.example",
            "file:///etc/passwd",
        ] {
            assert!(policy(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn a_testbed_may_call_itself_by_plain_http_and_nobody_else() {
        assert_eq!(policy("http://127.0.0.1:8080/x", true), Ok(()));
        assert_eq!(policy("http://localhost:8080/x", true), Ok(()));
        assert!(policy("http://smp.example/x", true).is_err());
        assert!(policy("http://10.0.0.1/x", true).is_err());
    }

    #[test]
    fn statuses_of_an_smp_are_told_apart_by_whether_waiting_helps() {
        let (to, document_type) = ("0203:a.example.se".parse().unwrap(), DocumentType::sdk_message());
        let pause = Some(Duration::from_secs(90));
        let answer = |status| Fetched { status, content_type: None, retry_after: pause, body: Vec::new() };
        let outcome = |status| taken(&answer(status), "https://smp.example/", &to, &document_type);
        assert!(outcome(200).is_ok());
        assert!(!outcome(404).unwrap_err().is_temporary());
        for status in [500, 502, 503, 429, 408, 403, 400, 301, 302, 204] {
            assert!(outcome(status).unwrap_err().is_temporary(), "{status}");
        }
        assert_eq!(outcome(404).unwrap_err().rule(), "AP-3.1.3.b");
        for (status, expected) in [(503, pause), (429, pause), (500, None)] {
            let asked = outcome(status).unwrap_err();
            assert!(matches!(asked, DiscoveryError::SmpUnreachable { retry_after, .. } if retry_after == expected));
        }
    }
}
