//! asx-rs, another implementation in Rust, as far as it goes: it always compresses, and names keys by token only.

use super::gate::post;
use super::{Point, Running, noise, pack, peer, receiving, trust};
use sluss::as4::{Compression, receipt};
use sluss::crypto::sha256_hex;
use sluss::model::{Clock, SystemClock};
use sluss::xml::algorithm::Allowed;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The peer and its keys, built once; none where it cannot run here.
fn here() -> Option<&'static (PathBuf, PathBuf)> {
    static HERE: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    HERE.get_or_init(|| {
        let (script, _) = peer("asx-rs")?;
        let built = Command::new(&script).arg("build").output().unwrap();
        if !built.status.success() {
            println!("skipped: asx-rs could not be built: {}", String::from_utf8_lossy(&built.stderr));
            return None;
        }
        let keys = std::env::temp_dir().join(format!("sluss-interop-asx-{}", std::process::id()));
        let made = Command::new(&script).arg("certs").arg(&keys).arg("3072").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some((script, keys))
    })
    .as_ref()
}

fn point(keys: &Path, name: &str) -> Point {
    Point::read(&keys.join(format!("{name}.key")), &keys.join(format!("{name}.pem")))
}

fn file(keys: &Path, name: &str) -> String {
    keys.join(name).display().to_string()
}

#[test]
fn asx_rs_opens_what_we_pack_and_its_receipts_match() {
    let Some((script, keys)) = here() else { return };
    let (sender, receiver, trust) = (point(keys, "a"), point(keys, "b"), trust(&keys.join("ca.pem")));
    let out = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (key, certificate, anchors) = (file(keys, "b.key"), file(keys, "b.pem"), file(keys, "ca.pem"));
    let folder = out.path().display().to_string();
    let peer = Running::start(
        script,
        &["serve", "--port", &port, "--key", &key, "--cert", &certificate, "--ca", &anchors, "--out", &folder],
    );
    for (number, size) in [1, 1_000, 1_000_000].into_iter().enumerate() {
        for (turn, compression) in [Compression::Deflate, Compression::Stored].into_iter().enumerate() {
            let content = noise(size);
            let packed = pack(&sender, &receiver, &trust, compression, std::slice::from_ref(&content));
            let answer = post(&peer.url, &packed.content_type, &packed.body);
            let (kind, now) = (answer.content_type.as_deref(), SystemClock.now());
            let (certificate, sent) = (&receiver.identity.certificate, &packed.references);
            receipt::check(kind, &answer.body, sent, &packed.id, certificate, now, &Allowed::new())
                .unwrap_or_else(|error| panic!("{size} {compression:?}: {error}: {answer:?}"));
            let arrived = out.path().join(format!("{:06}", 2 * number + turn + 1)).join("payload-0.bin");
            assert_eq!(std::fs::read(&arrived).unwrap(), content, "{size} {compression:?}");
        }
    }
}

#[test]
fn what_asx_rs_packs_opens_here_and_our_receipts_satisfy_it() {
    let Some((script, keys)) = here() else { return };
    let folder = tempfile::tempdir().unwrap();
    for size in [1, 1_000, 1_000_000] {
        let (own, trust) = (point(keys, "b"), trust(&keys.join("ca.pem")));
        let (gate, seen) = receiving(own, trust);
        let (content, payload) = (noise(size), folder.path().join("payload"));
        std::fs::write(&payload, &content).unwrap();
        let mut command = Command::new(script);
        command.args([
            "send",
            "--to",
            &gate.url,
            "--receiver-cert",
            &file(keys, "b.pem"),
            "--key",
            &file(keys, "a.key"),
        ]);
        command.args([
            "--cert",
            &file(keys, "a.pem"),
            "--ca",
            &file(keys, "ca.pem"),
            "--from",
            "AP-A",
            "--to-party",
            "AP-B",
        ]);
        command.args(["--original-sender", "0203:from.example.se", "--final-recipient", "0203:to.example.se"]);
        command.args(["--service-type", sluss::as4::pmode::SERVICE_TYPE, "--payload", &payload.display().to_string()]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let opened = seen.lock().unwrap().take().unwrap_or_else(|| panic!("{size}: no request; {said}"));
        assert_eq!(opened.unwrap_or_else(|refusal| panic!("{size}: {refusal}")), [sha256_hex(&content)], "{size}");
        assert!(output.status.success(), "{size}: {said}");
    }
}
