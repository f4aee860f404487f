//! The testbed's folder, served and changed while it runs, and read by others: OpenSSL and Java.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "in tests a failed assumption is a failed test, and what is skipped is said"
)]

use sluss::discovery::{Discovery, Settings};
use sluss::model::{DocumentType, ParticipantId, ProcessId, SystemClock, Timestamp};
use sluss::net::client::{Client, ClientSettings};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust};
use sluss::testbed::fault::Kind;
use sluss::testbed::{self, Running, TestbedError};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

const OURS: &str = "AP0001-TESTBED";
const THEIRS: &str = "AP0002-TESTBED";

fn now() -> Timestamp {
    // Keys are made for the real present, as OpenSSL and Java see it.
    sluss::model::Clock::now(&SystemClock)
}

fn id(text: &str) -> ParticipantId {
    text.parse().unwrap()
}

fn certificate(path: &Path) -> Certificate {
    Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap()
}

fn discovery(dir: &Path, running: &Running) -> Discovery {
    let trust = |role, file: &str| Trust {
        role,
        anchors: vec![certificate(&dir.join("ca").join(file))],
        revocation: Revocation::Unchecked,
        bits_least: 3072,
        validity: true,
        proven: Proven::default(),
    };
    let settings = Settings {
        zone: "sml.testbed.example".into(),
        dns_servers: vec![running.addresses.dns],
        smp_trust: trust(Role::Smp, "smp-root.cert.pem"),
        access_point_trust: trust(Role::AccessPoint, "ap.cert.pem"),
        participant_trust: trust(Role::Participant, "o2o.cert.pem"),
        cache: Duration::ZERO,
        plain_http: true,
    };
    let client = Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap();
    Discovery::new(settings, client, Arc::new(SystemClock))
}

/// Runs a program of others; `None`, and a line, where it is not installed.
fn foreign(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_in_a_folder_grows_and_breaks_while_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    testbed::init(dir, now()).unwrap();
    assert!(matches!(testbed::init(dir, now()), Err(TestbedError::Exists { .. })), "authorities are never replaced");
    let running = testbed::serve(dir, Arc::new(SystemClock)).await.unwrap();
    let discovery = discovery(dir, &running);
    let (alice, bob) = (id("0203:alice.example.se"), id("0203:bob.example.se"));
    let route =
        async |to: &ParticipantId| discovery.route(to, &DocumentType::sdk_message(), &ProcessId::default()).await;
    assert_eq!(route(&alice).await.unwrap_err().rule(), "AP-3.2.4.a");

    let ours = testbed::access_point(dir, OURS, None, now()).unwrap();
    let theirs = testbed::access_point(dir, THEIRS, Some("http://127.0.0.1:9/as4"), now()).unwrap();
    let alice_folder = testbed::participant(dir, &alice, OURS, &[], &[], now()).unwrap();
    let mine = ["sdk.\"a\"".to_owned(), "registrator".to_owned()];
    testbed::participant(dir, &bob, THEIRS, &[], &mine, now()).unwrap();
    testbed::participant(dir, &id("0203:carol.example.se"), OURS, &[], &mine, now()).unwrap();

    let found = route(&alice).await.unwrap();
    assert_eq!(found.party.as_str(), OURS);
    assert_eq!(*found.certificate.certificate(), certificate(&ours.join("cert.pem")));
    assert_eq!(route(&bob).await.unwrap().url, "http://127.0.0.1:9/as4");
    let sealing = discovery.sealing_certificate(&alice, &DocumentType::sdk_message()).await.unwrap();
    assert_eq!(sealing, certificate(&alice_folder.join("cert.pem")));
    assert_eq!(discovery.signing_certificates(&alice).await.unwrap(), [sealing]);

    configuration_is_whole(&ours, &found.url);
    assert!(!theirs.join("sluss.toml").exists(), "another product is not configured by us");
    assert!(matches!(testbed::access_point(dir, OURS, None, now()), Err(TestbedError::Exists { .. })));
    assert!(matches!(
        testbed::participant(dir, &id("0007:Alice.example.se"), OURS, &[], &[], now()),
        Err(TestbedError::Exists { .. })
    ));
    assert!(matches!(
        testbed::participant(dir, &id("0203:d.se"), "AP9", &[], &[], now()),
        Err(TestbedError::Unknown { .. })
    ));
    for name in ["", "../x", "a b", ".a", &"a".repeat(65)] {
        assert!(matches!(testbed::access_point(dir, name, None, now()), Err(TestbedError::Unknown { .. })), "{name:?}");
    }

    java_reads_both_stores(&ours, &theirs);
    for (kind, subject, rule) in [
        (Kind::CertificateExpired, Some(OURS), "AS4-2.10.a"),
        (Kind::CertificateForeign, Some(OURS), "AS4-2.10.a"),
        (Kind::DnsUnregistered, Some("0203:ALICE.example.se"), "AP-3.2.4.a"),
        (Kind::SmpDown, None, "AP-3.2.3.c"),
    ] {
        testbed::fault(dir, kind, subject, false, now()).unwrap();
        assert_eq!(route(&alice).await.unwrap_err().rule(), rule, "{kind:?}");
        testbed::fault(dir, kind, None, true, now()).unwrap();
        assert!(route(&alice).await.is_ok(), "{kind:?} was cleared");
    }
    for (kind, subject) in [
        (Kind::CertificateExpired, None),
        (Kind::ReceiverUnreachable, Some("AP9")),
        (Kind::DnsUnregistered, Some(OURS)),
    ] {
        assert!(
            matches!(testbed::fault(dir, kind, subject, false, now()), Err(TestbedError::Unknown { .. })),
            "{kind:?}"
        );
    }
    openssl_sees_who_is_revoked(dir, &running).await;
    running.stop().await;
    let again = testbed::serve(dir, Arc::new(SystemClock)).await.unwrap();
    assert!(route(&alice).await.is_ok(), "the ports and registrations are kept");
    again.stop().await;
}

fn configuration_is_whole(folder: &Path, url: &str) {
    let text = std::fs::read_to_string(folder.join("sluss.toml")).unwrap();
    let settings: toml::Table = text.parse().unwrap();
    let listen = settings["listen"]["as4"].as_str().unwrap();
    assert_eq!(url, format!("http://{listen}/as4"));
    let participants = settings["participant"].as_array().unwrap();
    assert_eq!(participants.len(), 2);
    assert_eq!(participants[0]["functional_addresses"][0].as_str(), Some("sdk:inkorg:0203:alice.example.se"));
    assert_eq!(participants[1]["functional_addresses"][0].as_str(), Some("sdk.\"a\""));
    let pairs = participants.iter().chain([&settings["access_point"]]);
    for pair in pairs {
        let file = |name: &str| folder.join(pair[name].as_str().unwrap());
        Identity::from_files(&file("key_file"), &file("certificate_file")).unwrap();
    }
    for role in ["access_point", "smp", "participant"] {
        let files = settings["federation"][format!("{role}_anchor_files").as_str()].as_array().unwrap().clone();
        assert!(files.iter().all(|file| certificate(&folder.join(file.as_str().unwrap())).is_ca()));
    }
}

fn java_reads_both_stores(ours: &Path, theirs: &Path) {
    for (folder, file, expected) in [
        (ours, "keystore.p12", &["PrivateKeyEntry", "ap,"][..]),
        (ours, "truststore.p12", &["trustedCertEntry", "ap0001-testbed", "ap0002-testbed"]),
        (theirs, "truststore.p12", &["trustedCertEntry", "ap0001-testbed", "ap0002-testbed"]),
    ] {
        let path = folder.join(file).display().to_string();
        let Some(output) = foreign("keytool", &["-list", "-keystore", &path, "-storepass", "changeit"]) else { return };
        let said = said(&output);
        assert!(expected.iter().all(|word| said.contains(word)), "{path}: {said}");
    }
}

/// CRL and OCSP before and after a revocation, as OpenSSL reads them.
async fn openssl_sees_who_is_revoked(dir: &Path, running: &Running) {
    let file = |name: &str| dir.join(name).display().to_string();
    let (leaf, issuer) = (file(&format!("access-points/{OURS}/cert.pem")), file("ca/ap.cert.pem"));
    let url = running.addresses.ocsp.clone();
    let client = Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap();
    for (revoked, status) in [(false, ": good"), (true, ": revoked")] {
        testbed::fault(dir, Kind::CertificateRevoked, Some(OURS), !revoked, now()).unwrap();
        let asked = certificate(Path::new(&leaf)).crl_urls()[0].clone();
        assert_eq!(asked, format!("{}ap.crl", running.addresses.crl));
        let list = client.get(&asked, 100_000, Duration::from_secs(5)).await.unwrap();
        assert_eq!(list.status, 200);
        std::fs::write(dir.join("ap.crl"), list.body).unwrap();
        let text = ["crl", "-inform", "DER", "-in", &file("ap.crl"), "-CAfile", &issuer, "-text", "-noout"];
        let Some(output) = foreign("openssl", &text) else { return };
        let said_of_list = said(&output);
        assert!(said_of_list.contains("verify OK"), "{said_of_list}");
        assert_eq!(said_of_list.contains("Serial Number:"), revoked, "{said_of_list}");

        let arguments = [
            "ocsp",
            "-issuer",
            &issuer,
            "-cert",
            &leaf,
            "-url",
            &url,
            "-CAfile",
            &file("ca/ap-root.cert.pem"),
            "-partial_chain",
        ];
        let arguments: Vec<String> = arguments.map(Into::into).into();
        let output = tokio::task::spawn_blocking(move || {
            foreign("openssl", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let Some(output) = output.await.unwrap() else { return };
        let said = said(&output);
        assert!(said.contains("Response verify OK") && said.contains(status), "{said}");
    }
    testbed::fault(dir, Kind::CertificateRevoked, None, true, now()).unwrap();
}
