//! Foreign servers: Knot as the SML's DNS, phoss-smp as the SMP. Where they are not there, a line says so.

use super::{MADE, discovery};
use sluss::discovery::bdxl::{BdxlError, Resolver, owner_name};
use sluss::model::{DocumentType, ParticipantId, ProcessId};
use sluss::pki::Certificate;
use sluss::pki::keystore::pkcs12_key;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The script of a peer, and whether what it needs is installed.
fn peer(name: &str, needs: &[&str]) -> Option<PathBuf> {
    let shared = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
    let folder = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let script = folder.join("peers").join(name).join("run");
    let installed = |program: &&str| {
        Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .is_ok_and(|found| found.status.success())
    };
    let missing: Vec<&str> = needs.iter().copied().filter(|program| !installed(program)).collect();
    if script.exists() && missing.is_empty() {
        return Some(script);
    }
    println!("skipped: {} is not here, or it needs {missing:?}", script.display());
    None
}

/// A peer that runs until this is dropped.
struct Peer(Child);

impl Peer {
    /// Starts a peer and waits for its line READY; `None`, and a line, when it does not come.
    fn start(script: &Path, arguments: &[&str], patience: Duration) -> Option<Self> {
        let mut child = Command::new(script)
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let peer = Self(child);
        let (ready, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.starts_with("READY") {
                    let _ = ready.send(());
                }
            }
        });
        if seen.recv_timeout(patience).is_ok() {
            return Some(peer);
        }
        println!("skipped: {} did not start", script.display());
        None
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The script ends what it started on SIGTERM, not on SIGKILL.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[tokio::test]
async fn every_kind_of_record_that_knot_serves_is_followed_or_refused() {
    let Some(script) = peer("dns", &["knotd"]) else { return };
    let (port, zone) = (free_port(), script.with_file_name("example.zone").display().to_string());
    let Some(_knot) = Peer::start(&script, &["--port", &port.to_string(), "--zone", &zone], Duration::from_secs(20))
    else {
        return;
    };
    let resolver = Resolver { servers: vec![at(port)] };
    let address = async |name: &str| {
        let participant: ParticipantId = format!("0203:{name}.example.se").parse().unwrap();
        resolver.smp_address(&participant, "sml.test", &mut Vec::new()).await
    };
    for name in ["digg-test1", "DIGG-Test1", "anchored", "lowercase", "several", "delimiter", "alias"] {
        assert_eq!(address(name).await.as_deref(), Ok("http://127.0.0.1:18310/"), "{name}");
    }
    assert_eq!(address("path").await.as_deref(), Ok("http://127.0.0.1:18310/smp"));
    for name in ["nobody", "textonly", "otherservice"] {
        assert!(matches!(address(name).await, Err(BdxlError::NotRegistered { .. })), "{name}");
    }
    for name in ["noregexp", "undelimited", "backreference", "otherscheme", "notanaddress", "loop-a"] {
        assert!(matches!(address(name).await, Err(BdxlError::Unusable { .. })), "{name}");
    }
    let other_zone = resolver.smp_address(&"0203:a.se".parse().unwrap(), "other.test", &mut Vec::new()).await;
    assert!(matches!(other_zone, Err(BdxlError::Unreachable { .. })), "Knot refuses other zones: {other_zone:?}");
}

const EXTENSION: &str = r#"<Extension xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ExtensionID>urn:fdc:digg.se:edelivery:xml-extension:smp-certpub:1.0</ExtensionID><smc:Certificate xmlns:smc="http://docs.oasis-open.org/bdxr/ns/SMP/2/AggregateComponents"><smb:TypeCode xmlns:smb="http://docs.oasis-open.org/bdxr/ns/SMP/2/BasicComponents">urn:fdc:digg.se:edelivery:certpub:PURPOSE-cert</smb:TypeCode><smb:ContentBinaryObject xmlns:smb="http://docs.oasis-open.org/bdxr/ns/SMP/2/BasicComponents" mimeCode="application/base64">CONTENT</smb:ContentBinaryObject></smc:Certificate></Extension>"#;

/// Registers a participant's services in phoss-smp.
fn register(script: &Path, folder: &Path, url: &str, participant: &str) {
    let body = MADE.participant.leaf.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let extensions: String = ["signing", "encryption"]
        .map(|purpose| EXTENSION.replace("PURPOSE", purpose).replace("CONTENT", &body))
        .concat();
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (extension, certificate) = (file("extension.xml", &extensions), file("ap.pem", &MADE.access_point.leaf));
    let put = |arguments: &[&str]| {
        let done =
            Command::new(script).args(arguments).args(["--url", url, "--participant", participant]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    put(&["put-participant"]);
    for document_type in [DocumentType::sdk_message(), DocumentType::message_receipt()] {
        put(&[
            "put-service",
            "--document-type",
            &document_type.to_string(),
            "--process",
            &ProcessId::default().to_string(),
            "--transport-profile",
            "digg-transport-as4-v1_0",
            "--endpoint",
            "https://ap.example.se/as4",
            "--certificate",
            &certificate,
            "--extension",
            &extension,
        ]);
    }
    let redirect = DocumentType::new("urn:example::moved##1.0");
    put(&[
        "put-redirect",
        "--document-type",
        &redirect.to_string(),
        "--href",
        "https://smp2.example.se/x",
        "--certificate-uid",
        "CN=SMP2",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_and_its_certificates_come_from_knot_and_phoss_smp() {
    let (Some(dns), Some(smp)) = (peer("dns", &["knotd"]), peer("phoss-smp", &["java", "mvn"])) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let signer = Certificate::from_pem(MADE.smp.leaf.as_bytes()).unwrap();
    let store = pkcs12_key(&MADE.smp.leaf_key, &signer, &[], "smp", "changeit").unwrap();
    std::fs::write(path("smp.p12"), store).unwrap();
    let (dns_port, smp_port) = (free_port(), free_port());
    let url = format!("http://127.0.0.1:{smp_port}/");
    let arguments = [
        "--port",
        &smp_port.to_string(),
        "--data",
        &path("data"),
        "--keystore",
        &path("smp.p12"),
        "--alias",
        "smp",
        "--password",
        "changeit",
    ];
    let Some(_phoss) = Peer::start(&smp, &arguments, Duration::from_secs(180)) else { return };
    let participant: ParticipantId = "0203:Kommun-A.example.se".parse().unwrap();
    register(&smp, folder.path(), &url, "iso6523-actorid-upis::0203:Kommun-A.example.se");

    let mut zone =
        "$ORIGIN sml.testbed.example.\n$TTL 60\n@ IN SOA ns admin 1 3600 600 86400 30\n@ IN NS ns\nns IN A 127.0.0.1\n"
            .to_owned();
    writeln!(
        zone,
        "{}. IN NAPTR 100 10 \"U\" \"Meta:SMP\" \"!^.*$!{url}!\" .",
        owner_name(&participant, "sml.testbed.example")
    )
    .unwrap();
    std::fs::write(path("zone"), zone).unwrap();
    let Some(_knot) =
        Peer::start(&dns, &["--port", &dns_port.to_string(), "--zone", &path("zone")], Duration::from_secs(20))
    else {
        return;
    };

    let discovery = discovery(at(dns_port), Duration::ZERO);
    let route = discovery.route(&participant, &DocumentType::sdk_message(), &ProcessId::default()).await.unwrap();
    assert_eq!((route.url.as_str(), route.party.as_str()), ("https://ap.example.se/as4", "AP0001-TESTBED"));
    let own = Certificate::from_pem(MADE.participant.leaf.as_bytes()).unwrap();
    assert_eq!(discovery.sealing_certificate(&participant, &DocumentType::sdk_message()).await.unwrap(), own);
    assert_eq!(discovery.signing_certificates(&participant).await.unwrap(), [own]);
    // A redirect is not what SDK's SMP says, so it decides nothing.
    for (document_type, rule, temporary) in
        [("urn:example::moved##1.0", "SMP-2.11.p1", true), ("urn:example::none##1.0", "AP-3.1.3.b", false)]
    {
        let error =
            discovery.route(&participant, &DocumentType::new(document_type), &ProcessId::default()).await.unwrap_err();
        assert_eq!((error.rule(), error.is_temporary()), (rule, temporary), "{error}");
    }
}
