//! phase4 as a foreign access point: the matrix of directions, key references, sizes, parts, compression and key lengths, and its faults.

use super::gate::{Answer, post};
use super::{Extent, Packed, Point, Running, content_id, noise, pack, peer, receiving, trust};
use serde_json::Value;
use sluss::as4::{Compression, ReceiptError, receipt};
use sluss::crypto::sha256_hex;
use sluss::model::{Clock, SystemClock};
use sluss::pki::{Certificate, Trust};
use sluss::xml::algorithm::Allowed;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// Names of access points in phase4's PKI, with the length of their keys in bits.
const POINTS: [(&str, &str, u32); 4] = [
    ("sender", "AP0001-PEER", 3072),
    ("r2048", "AP2048-PEER", 2048),
    ("r3072", "AP3072-PEER", 3072),
    ("r4096", "AP4096-PEER", 4096),
];
const KEY_REFERENCES: [&str; 6] = ["bst", "ski", "issuer-serial", "thumbprint", "x509", "pkipath"];
const SIZES: [usize; 4] = [0, 1, 1_000, 1_000_000];
const PARTS: [usize; 3] = [1, 2, 5];
const RECEIVERS: [&str; 3] = ["r2048", "r3072", "r4096"];
const LARGE: usize = 100_000_000;

/// phase4 with a PKI of its own.
pub(super) struct Phase4 {
    pub(super) script: PathBuf,
    extent: Extent,
    keys: PathBuf,
}

impl Phase4 {
    /// Built, and with keys, once for all tests; none where it cannot run here.
    pub(super) fn here() -> Option<&'static Self> {
        static HERE: OnceLock<Option<Phase4>> = OnceLock::new();
        HERE.get_or_init(Self::prepare).as_ref()
    }

    fn prepare() -> Option<Self> {
        let (script, extent) = peer("phase4")?;
        let built = Command::new(&script).arg("build").output().unwrap();
        if !built.status.success() {
            println!("skipped: phase4 could not be built (it needs Java 17 and Maven)");
            return None;
        }
        let keys = std::env::temp_dir().join(format!("sluss-interop-phase4-{}", std::process::id()));
        let names: Vec<String> = POINTS.iter().map(|(name, party, bits)| format!("{name}:{party}:{bits}")).collect();
        let made = Command::new(&script)
            .arg("keys")
            .arg(&keys)
            .env("AP_NAMES", names.join(" "))
            .env("CA_BITS", "3072")
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self { script, extent, keys })
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.keys.join(name).display().to_string()
    }

    fn point(&self, name: &str) -> Point {
        Point::read(&self.keys.join(format!("{name}.key.pem")), &self.keys.join(format!("{name}.cert.pem")))
    }

    fn trust(&self) -> Trust {
        trust(&self.keys.join("trust.pem"))
    }

    pub(super) fn serve(&self, name: &str, options: &[&str]) -> Running {
        let (keystore, truststore) = (self.file(&format!("{name}.p12")), self.file("trust.p12"));
        let mut args = vec!["serve", "--port", "0", "--bc", "--keystore", &keystore, "--truststore", &truststore];
        args.extend_from_slice(options);
        Running::start(&self.script, &args)
    }
}

fn check(packed: &Packed, answer: &Answer, receiver: &Certificate) -> Result<(), ReceiptError> {
    let (kind, references) = (answer.content_type.as_deref(), &packed.references);
    let now = SystemClock.now();
    receipt::check(kind, &answer.body, references, &packed.id, receiver, now, &Allowed::new()).map(|_| ())
}

#[test]
fn phase4_opens_what_we_pack_and_its_receipts_match() {
    let Some(phase4) = Phase4::here() else { return };
    let (sender, trust) = (phase4.point("sender"), phase4.trust());
    let mut tried = 0;
    for name in RECEIVERS {
        let out = tempfile::tempdir().unwrap();
        let peer = phase4.serve(name, &["--strict", "--out", &out.path().display().to_string()]);
        let receiver = phase4.point(name);
        for (size, parts, compression) in outgoing(phase4.extent, name) {
            let contents: Vec<Vec<u8>> = (0..parts).map(|_| noise(size)).collect();
            let packed = pack(&sender, &receiver, &trust, compression, &contents);
            let answer = post(&peer.url, &packed.content_type, &packed.body);
            let case = format!("{name}, {size} bytes, {parts} parts, {compression:?}");
            check(&packed, &answer, &receiver.identity.certificate)
                .unwrap_or_else(|e| panic!("{case}: {e}: {answer:?}"));
            let seen = meta(out.path(), packed.id.as_str());
            assert_eq!(seen["security"]["sealed"], true, "{case}: {seen:#}");
            let digests: Vec<&str> =
                seen["parts"].as_array().unwrap().iter().filter_map(|part| part["sha256"].as_str()).collect();
            let expected: Vec<String> = contents.iter().map(|content| sha256_hex(content)).collect();
            assert_eq!(digests, expected, "{case}");
            tried += 1;
        }
    }
    println!("phase4 opened {tried} messages of ours");
}

/// What is sent to the access point `name`.
fn outgoing(extent: Extent, name: &str) -> Vec<(usize, usize, Compression)> {
    let compressions = [Compression::Deflate, Compression::Stored, Compression::None];
    let all = SIZES.iter().flat_map(|size| PARTS.iter().map(move |parts| (*size, *parts)));
    let mut all: Vec<_> = all.flat_map(|(size, parts)| compressions.map(|c| (size, parts, c))).collect();
    if extent == Extent::Ordinary && name != "r3072" {
        all.retain(|(size, _, _)| *size == 1_000);
    }
    if name == "r3072" {
        all.push((LARGE, 1, Compression::Stored));
    }
    all
}

/// What phase4 wrote of the message with this id.
fn meta(out: &Path, id: &str) -> Value {
    let folders = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let metas = folders.filter_map(|folder| std::fs::read(folder.join("meta.json")).ok());
    let found = metas.map(|text| serde_json::from_slice::<Value>(&text).unwrap()).find(|meta| meta["message_id"] == id);
    found.unwrap_or_else(|| panic!("phase4 wrote nothing of {id}"))
}

/// One message of phase4's.
#[derive(Clone, Copy, Debug)]
struct Incoming {
    key_reference: &'static str,
    size: usize,
    parts: usize,
    gzip: bool,
    receiver: &'static str,
}

/// Every value of each dimension meets many of the others; `All` is the whole product.
fn incoming(extent: Extent) -> Vec<Incoming> {
    let mut all = Vec::new();
    for (k, &key_reference) in KEY_REFERENCES.iter().enumerate() {
        for (s, &size) in SIZES.iter().enumerate() {
            for (p, &parts) in PARTS.iter().enumerate() {
                for gzip in [true, false] {
                    for (r, &receiver) in RECEIVERS.iter().enumerate() {
                        let chosen = p == (k + s) % 3 && r == (k + 2 * s) % 3 && gzip == (k + s).is_multiple_of(2);
                        if extent == Extent::All || chosen {
                            all.push(Incoming { key_reference, size, parts, gzip, receiver });
                        }
                    }
                }
            }
        }
    }
    all.push(Incoming { key_reference: "bst", size: LARGE, parts: 1, gzip: true, receiver: "r3072" });
    all
}

#[test]
fn what_phase4_packs_opens_here_and_our_receipts_satisfy_it() {
    let Some(phase4) = Phase4::here() else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = incoming(phase4.extent);
    // Java starts slowly: two at once.
    let next = Mutex::new(all.iter());
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (next, folder) = (&next, folder.path().join(thread.to_string()));
            scope.spawn(move || {
                std::fs::create_dir(&folder).unwrap();
                loop {
                    let Some(case) = next.lock().unwrap().next() else { return };
                    receive(phase4, case, &folder);
                }
            });
        }
    });
    println!("{} messages of phase4 opened", all.len());
}

/// phase4 sends one message to a door of ours, and judges the answer.
fn receive(phase4: &Phase4, case: &Incoming, folder: &Path) {
    let own = phase4.point(case.receiver);
    let (party, trust) = (own.party.clone(), phase4.trust());
    let (gate, seen) = receiving(own, trust);
    let contents: Vec<Vec<u8>> = (0..case.parts).map(|_| noise(case.size)).collect();
    let certificate = phase4.file(&format!("{}.cert.pem", case.receiver));
    let (keystore, truststore) = (phase4.file("sender.p12"), phase4.file("trust.p12"));
    let mut command = Command::new(&phase4.script);
    command.args(["send", "--to", &gate.url, "--receiver-cert", &certificate, "--keystore", &keystore]);
    command.args(["--truststore", &truststore, "--from", POINTS[0].1, "--to-party", &party]);
    command.args(["--original-sender", "0203:from.example.se", "--final-recipient", "0203:to.example.se"]);
    command.args(["--keyref", case.key_reference]);
    for (index, content) in contents.iter().enumerate() {
        let file = folder.join(format!("part-{index}"));
        std::fs::write(&file, content).unwrap();
        command.arg("--payload").arg(file).args(["--mime", "application/octet-stream"]);
        command.args(["--content-id", &content_id(index), if case.gzip { "--gzip" } else { "--no-gzip" }]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let opened = seen.lock().unwrap().take().unwrap_or_else(|| panic!("{case:?}: no request; {said}"));
    let expected: Vec<String> = contents.iter().map(|content| sha256_hex(content)).collect();
    assert_eq!(opened.unwrap_or_else(|refusal| panic!("{case:?}: {refusal}")), expected, "{case:?}");
    let line = said.lines().next().unwrap_or_default();
    let verdict: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{case:?}: {e}: {said}"));
    assert!(output.status.success() && verdict["ok"] == true, "{case:?}: {verdict:#}");
    for (name, value) in
        [("receipt_signed", Value::from(true)), ("receipt_signer_is_receiver", true.into()), ("nri", "matched".into())]
    {
        assert_eq!(verdict[name], value, "{case:?}: {verdict:#}");
    }
}

#[test]
fn every_fault_of_phase4s_is_told_from_a_receipt() {
    let Some(phase4) = Phase4::here() else { return };
    let (sender, receiver, trust) = (phase4.point("sender"), phase4.point("r3072"), phase4.trust());
    let send = |options: &[&str]| {
        let peer = phase4.serve("r3072", options);
        let packed = pack(&sender, &receiver, &trust, Compression::Deflate, &[noise(1_000)]);
        let answer = post(&peer.url, &packed.content_type, &packed.body);
        let checked = check(&packed, &answer, &receiver.identity.certificate);
        (checked, answer, packed)
    };
    let (checked, ..) = send(&["--error", "EBMS:0010"]);
    assert!(
        matches!(&checked, Err(ReceiptError::Refused { errors, signed: true }) if errors[0].code == "EBMS:0010"),
        "{checked:?}"
    );
    let (checked, answer, _) = send(&["--http-status", "500"]);
    assert!(answer.status == 500 && checked.is_err(), "{checked:?} {answer:?}");
    let (checked, answer, _) = send(&["--no-receipt"]);
    assert!(answer.status == 204 && matches!(checked, Err(ReceiptError::Missing)), "{checked:?} {answer:?}");
    let (checked, ..) = send(&["--unsigned-receipt"]);
    assert!(matches!(checked, Err(ReceiptError::Unsigned)), "{checked:?}");
    let (checked, ..) = send(&["--bad-nri"]);
    assert!(matches!(checked, Err(ReceiptError::Mismatch(_))), "{checked:?}");
    // Slow, and yet good; but not signed by somebody else than the route says.
    let (checked, answer, packed) = send(&["--delay-ms", "2000"]);
    checked.unwrap();
    let other = phase4.point("r4096").identity.certificate;
    assert!(matches!(check(&packed, &answer, &other), Err(ReceiptError::Signature(_))));
}
