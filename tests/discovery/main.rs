//! Look-ups against servers: the testbed's own, and foreign ones where they are installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unit_arg,
    reason = "in tests a failed assumption is a failed test, and what is skipped is said"
)]

mod peers;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RsaKeySize,
};
use sluss::discovery::bdxl::{BdxlError, Resolver};
use sluss::discovery::{Discovery, DiscoveryError, Settings, Step};
use sluss::model::{DocumentType, ParticipantId, ProcessId, SystemClock};
use sluss::net::body::Body;
use sluss::net::client::{Client, ClientSettings};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use sluss::testbed::fault::Kind;
use sluss::testbed::federation::{AccessPoint, Broken, Federation, Participant, Registry};
use sluss::testbed::services::{self, Running};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// An authority's certificate, and key and certificate of what it issued, in PEM.
struct Made {
    certificate: String,
    leaf_key: String,
    leaf: String,
}

fn key() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str, leaf: &str) -> Made {
    authority_for(name, leaf, &[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment])
}

fn authority_for(name: &str, leaf: &str, usages: &[KeyUsagePurpose]) -> Made {
    let mut ca = params(name);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(ca, key()).unwrap();
    let mut end = params(leaf);
    end.key_usages = usages.to_vec();
    let leaf_key = key();
    let leaf = end.signed_by(&leaf_key, &issuer).unwrap();
    Made { certificate: issuer.pem(), leaf_key: leaf_key.serialize_pem(), leaf: leaf.pem() }
}

/// The three authorities of a federation, made once: RSA keys take time.
struct Authorities {
    smp: Made,
    access_point: Made,
    participant: Made,
    foreign: Made,
    signing_only: Made,
}

static MADE: LazyLock<Authorities> = LazyLock::new(|| Authorities {
    smp: authority("Rot CA SMP", "SMP-TESTBED"),
    access_point: authority("Accesspunkt CA", "AP0001-TESTBED"),
    participant: authority("Function CA", "a.example.se"),
    foreign: authority("Accesspunkt CA of another environment", "AP0001-TESTBED"),
    signing_only: authority_for("Accesspunkt CA", "AP0001-TESTBED", &[KeyUsagePurpose::DigitalSignature]),
});

fn certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem.as_bytes()).unwrap()
}

fn trust(role: Role, made: &Made) -> Trust {
    Trust {
        role,
        anchors: vec![certificate(&made.certificate)],
        revocation: Revocation::Unchecked,
        bits_least: 2048,
        validity: true,
        proven: Proven::default(),
    }
}

fn alice() -> ParticipantId {
    "0203:Alice.example.se".parse().unwrap()
}

fn federation() -> Federation {
    let mut registry = Registry::new();
    let endpoint = "http://127.0.0.1:9/as4".to_owned();
    let point = AccessPoint { endpoint, certificate: MADE.access_point.leaf.clone(), sluss: true };
    registry.access_points.insert("AP0001-TESTBED".into(), point);
    registry.register(Participant {
        id: alice(),
        access_point: "AP0001-TESTBED".into(),
        document_types: vec![DocumentType::sdk_message(), DocumentType::message_receipt()],
        certificate: MADE.participant.leaf.clone(),
    });
    Federation::in_memory(registry)
}

async fn start(federation: &Federation) -> Running {
    let signer = Identity::from_pem(MADE.smp.leaf_key.as_bytes(), MADE.smp.leaf.as_bytes()).unwrap();
    services::start(federation.clone(), signer, Vec::new(), Arc::new(SystemClock)).await.unwrap()
}

fn discovery(dns: SocketAddr, cache: Duration) -> Discovery {
    discovery_of(dns, cache, &MADE.access_point)
}

fn discovery_of(dns: SocketAddr, cache: Duration, access_points: &Made) -> Discovery {
    let settings = Settings {
        zone: "sml.testbed.example".into(),
        dns_servers: vec![dns],
        smp_trust: trust(Role::Smp, &MADE.smp),
        access_point_trust: trust(Role::AccessPoint, access_points),
        participant_trust: trust(Role::Participant, &MADE.participant),
        cache,
        plain_http: true,
    };
    let client = Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap();
    Discovery::new(settings, client, Arc::new(SystemClock))
}

/// A federation that runs, and a look-up in it.
async fn testbed() -> (Federation, Running, Discovery) {
    let federation = federation();
    let running = start(&federation).await;
    let discovery = discovery(running.addresses.dns, Duration::ZERO);
    (federation, running, discovery)
}

fn make(federation: &Federation, kind: Kind, subject: Option<&str>, certificate: Option<&str>) {
    let broken = Broken { kind, subject: subject.map(Into::into), certificate: certificate.map(Into::into) };
    federation.change(|registry| Ok(registry.broken = vec![broken])).unwrap();
}

async fn route(discovery: &Discovery) -> Result<sluss::discovery::Route, DiscoveryError> {
    discovery.route(&alice(), &DocumentType::sdk_message(), &ProcessId::default()).await
}

#[tokio::test]
async fn a_registered_participant_leads_to_its_access_point_and_its_certificates() {
    let (_federation, running, discovery) = testbed().await;
    let route = route(&discovery).await.unwrap();
    assert_eq!((route.url.as_str(), route.party.as_str()), ("http://127.0.0.1:9/as4", "AP0001-TESTBED"));
    assert_eq!(*route.certificate.certificate(), certificate(&MADE.access_point.leaf));
    let own = certificate(&MADE.participant.leaf);
    assert_eq!(discovery.sealing_certificate(&alice(), &DocumentType::sdk_message()).await.unwrap(), own);
    assert_eq!(discovery.signing_certificates(&alice()).await.unwrap(), vec![own]);
    running.stop().await;
}

#[tokio::test]
async fn the_trace_shows_every_step_then_the_route() {
    let (_federation, running, discovery) = testbed().await;
    let trace = discovery.lookup(&alice(), &DocumentType::sdk_message(), false).await;
    let shown = serde_json::to_value(&trace).unwrap();
    let steps: Vec<&str> =
        shown["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected = [
        "cache",
        "dns",
        "smp-address",
        "smp",
        "signature",
        "certificate",
        "check",
        "check",
        "certificate",
        "cert-pub",
        "certificate",
    ];
    assert_eq!(steps, expected, "{shown:#}");
    assert_eq!(shown["route"]["party"], "AP0001-TESTBED");
    assert_eq!(shown["steps"][3]["status"], 200);
    assert!(shown.get("error").is_none());
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_participant_is_refused_for_good_with_the_name_that_was_asked() {
    let (_federation, running, discovery) = testbed().await;
    let nobody: ParticipantId = "0203:nobody.example.se".parse().unwrap();
    let error = discovery.route(&nobody, &DocumentType::sdk_message(), &ProcessId::default()).await.unwrap_err();
    assert!(!error.is_temporary());
    let problem = error.problem();
    assert_eq!(
        (problem.kind.as_str(), problem.rule.as_deref()),
        ("urn:sluss:problem:participant-unknown", Some("AP-3.2.4.a"))
    );
    let name = sluss::discovery::bdxl::owner_name(&nobody, "sml.testbed.example");
    assert!(problem.detail.contains(&name), "{}", problem.detail);
    running.stop().await;
}

#[tokio::test]
async fn a_document_type_or_process_that_is_not_offered_is_refused_for_good() {
    let (_federation, running, discovery) = testbed().await;
    let other = DocumentType::new("urn:example::other##1.0::tm-base-ext-sigenc");
    let error = discovery.route(&alice(), &other, &ProcessId::default()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NotOffered { status: 404, .. }), "{error}");
    let process = ProcessId { scheme: "urn:fdc:digg.se:edelivery:process".into(), value: "other".into() };
    let error = discovery.route(&alice(), &DocumentType::sdk_message(), &process).await.unwrap_err();
    assert_eq!((error.rule(), error.is_temporary()), ("AP-3.1.3.b", false), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn each_fault_is_refused_for_its_own_reason() {
    let (federation, running, discovery) = testbed().await;
    let name = Some("AP0001-TESTBED");
    for (kind, subject, certificate, problem, rule, temporary) in [
        (Kind::DnsDown, None, None, "dns-unreachable", "AP-3.2.3.c", true),
        (Kind::DnsWrong, None, None, "smp-unreachable", "AP-3.2.3.c", true),
        (Kind::DnsUnregistered, Some("0203:alice.example.se"), None, "participant-unknown", "AP-3.2.4.a", false),
        (Kind::SmpDown, None, None, "smp-unreachable", "AP-3.2.3.c", true),
        (Kind::MetadataAltered, None, None, "smp-signature", "CERTPUB-REST-3.1.p1", true),
        (
            Kind::CertificateForeign,
            name,
            Some(MADE.foreign.leaf.as_str()),
            "access-point-not-trusted",
            "AS4-2.10.a",
            false,
        ),
    ] {
        make(&federation, kind, subject, certificate);
        let error = route(&discovery).await.unwrap_err();
        let found = error.problem();
        assert_eq!(found.kind, format!("urn:sluss:problem:{problem}"), "{kind:?}: {found}");
        assert_eq!((found.rule.as_deref(), error.is_temporary()), (Some(rule), temporary), "{kind:?}: {found}");
    }
    federation.change(|registry| Ok(registry.broken.clear())).unwrap();
    assert!(route(&discovery).await.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn an_answer_is_remembered_for_as_long_as_configured_and_failures_are_not() {
    let federation = federation();
    let running = start(&federation).await;
    let discovery = discovery(running.addresses.dns, Duration::from_secs(60));
    make(&federation, Kind::SmpDown, None, None);
    assert!(route(&discovery).await.is_err());
    federation.change(|registry| Ok(registry.broken.clear())).unwrap();
    assert!(route(&discovery).await.is_ok(), "a failure was remembered");
    make(&federation, Kind::SmpDown, None, None);
    assert!(route(&discovery).await.is_ok(), "the answer was not remembered");
    let trace = discovery.lookup(&alice(), &DocumentType::sdk_message(), false).await;
    assert!(matches!(trace.steps[0], Step::Cache { outcome: "hit", .. }), "{:?}", trace.steps[0]);
    let trace = discovery.lookup(&alice(), &DocumentType::sdk_message(), true).await;
    assert!(trace.error.is_some(), "asked for fresh, answered from memory");
    discovery.forget(&alice(), &DocumentType::sdk_message());
    assert!(route(&discovery).await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable_and_not_an_unknown_participant() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver { servers: vec![socket.local_addr().unwrap()] };
    let mut asked = Vec::new();
    let found = resolver.smp_address(&alice(), "sml.test", &mut asked).await;
    assert!(matches!(found, Err(BdxlError::Unreachable { .. })), "{found:?}");
    assert_eq!(asked.len(), 2, "each server is asked twice");
}

#[tokio::test]
async fn without_configured_servers_nothing_is_asked() {
    let found = Resolver { servers: Vec::new() }.smp_address(&alice(), "sml.test", &mut Vec::new()).await;
    assert!(matches!(found, Err(BdxlError::Unreachable { .. })), "{found:?}");
}

/// An access point that takes one request and answers it; gives what it took.
async fn receiver() -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"the message") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request broke off");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nreceipt").await.unwrap();
        request
    });
    (address, taken)
}

#[tokio::test]
async fn a_lost_receipt_is_one_whose_message_arrived() {
    let (federation, running, discovery) = testbed().await;
    let (address, taken) = receiver().await;
    let endpoint = format!("http://{address}/as4");
    federation
        .change(|registry| Ok(registry.access_points.get_mut("AP0001-TESTBED").unwrap().endpoint.clone_from(&endpoint)))
        .unwrap();
    make(&federation, Kind::ReceiptLost, Some("AP0001-TESTBED"), None);
    let url = route(&discovery).await.unwrap().url;
    assert!(url.ends_with("/as4") && url != endpoint, "{url}");
    let client = Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap();
    let body = Body::empty().memory(b"the message".to_vec());
    let answer = client.post(&url, "text/plain", body, 1000, Duration::from_secs(10)).await;
    assert!(answer.is_err(), "{answer:?}");
    assert!(taken.await.unwrap().ends_with(b"the message"));
    running.stop().await;
}

#[tokio::test]
async fn an_access_point_to_which_nobody_may_encrypt_is_no_route() {
    let federation = federation();
    let certificate = &MADE.signing_only.leaf;
    federation
        .change(|registry| {
            registry.access_points.get_mut("AP0001-TESTBED").unwrap().certificate.clone_from(certificate);
            Ok(())
        })
        .unwrap();
    let running = start(&federation).await;
    let discovery = discovery_of(running.addresses.dns, Duration::ZERO, &MADE.signing_only);
    let error = route(&discovery).await.unwrap_err();
    assert!(error.to_string().contains("keyUsage lacks keyEncipherment"), "{error}");
    running.stop().await;
}

/// A DNS server of one test, in a thread of its own: answers each packet with what `answer` makes of it.
fn server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            for packet in answer(&buffer[..length]) {
                socket.send_to(&packet, peer).unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn answers_to_other_questions_are_passed_over() {
    let (_federation, running, _) = testbed().await;
    let dns = running.addresses.dns;
    // Says first, in the name of the server: no such name, with another id; then for another name; then the truth.
    let lying = server(move |question| {
        let mut no_such_name = question.to_vec();
        no_such_name[2..4].copy_from_slice(&[0x84, 0x03]);
        let mut other_id = no_such_name.clone();
        other_id[0] ^= 0xff;
        let mut other_name = no_such_name.clone();
        other_name[13] ^= 0x01;
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(question, dns).unwrap();
        let mut truth = vec![0; 1500];
        let length = socket.recv(&mut truth).unwrap();
        truth.truncate(length);
        vec![b"no DNS at all".to_vec(), other_id, other_name, truth]
    });
    let mut asked = Vec::new();
    let found = Resolver { servers: vec![lying] }.smp_address(&alice(), "sml.testbed.example", &mut asked).await;
    assert_eq!(found.as_deref(), Ok(running.addresses.smp.as_str()), "{asked:?}");
    running.stop().await;
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_fails() {
    let (_federation, running, _) = testbed().await;
    let failing = server(|question| {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&[0x80, 0x02]);
        vec![answer]
    });
    let mut asked = Vec::new();
    let resolver = Resolver { servers: vec![failing, running.addresses.dns] };
    let found = resolver.smp_address(&alice(), "sml.testbed.example", &mut asked).await;
    assert!(found.is_ok(), "{asked:?}");
    assert_eq!(asked.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_over_tcp() {
    let (_federation, running, _) = testbed().await;
    let dns = running.addresses.dns;
    let cut_off = server(|question| {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&[0x86, 0x00]);
        vec![answer]
    });
    let listener = TcpListener::bind(cut_off).await.unwrap();
    tokio::spawn(async move {
        let (mut here, _) = listener.accept().await.unwrap();
        let mut there = tokio::net::TcpStream::connect(dns).await.unwrap();
        tokio::io::copy_bidirectional(&mut here, &mut there).await.unwrap();
    });
    let mut asked = Vec::new();
    let found = Resolver { servers: vec![cut_off] }.smp_address(&alice(), "sml.testbed.example", &mut asked).await;
    assert!(found.is_ok(), "{asked:?}");
    assert_eq!(asked[0].transport, "tcp");
    running.stop().await;
}
