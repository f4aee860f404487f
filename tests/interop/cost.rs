//! Processor time of a message beside phase4's, in one run.

use super::noise;
use super::phase4::Phase4;
use serde_json::Value;
use std::process::{Command, Stdio};

/// Seconds that a Java process sends before anything of it is measured.
const WARM_SECONDS: &str = "40";
const MEASURED_SECONDS: &str = "20";
const MESSAGES: &str = "1000";

#[test]
#[ignore = "a figure, of three minutes: SLUSS_PEERS=1 cargo test --release --test interop -- --ignored --nocapture beside_phase4"]
fn processor_time_of_a_message_beside_phase4() {
    let Some(phase4) = Phase4::here() else { return };
    let before = transfer();
    let theirs = phase4_seconds(phase4, before["envelope_bytes"].as_u64().unwrap());
    let after = transfer();
    let of = |report: &Value| report["cpu_seconds_per_message"].as_f64().unwrap();
    let (ours, theirs) = (f64::midpoint(of(&before), of(&after)) * 1e3, theirs * 1e3);
    println!("{ours:.2} ms here, durable; {theirs:.1} ms in phase4, in memory; a part of {:.3}", ours / theirs);
    assert!(ours > 0.0 && theirs > 0.0);
}

/// Both of our access points together, durable, as the program measures it.
fn transfer() -> Value {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_sluss"));
    json(bench.args(["bench", "transfer", "--messages", MESSAGES, "--json"]))
}

/// Seconds that both sides of phase4 need for a message with an envelope of this size, warmed up.
fn phase4_seconds(phase4: &Phase4, envelope_bytes: u64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let envelope = folder.path().join("envelope.xml");
    std::fs::write(&envelope, noise(usize::try_from(envelope_bytes).unwrap())).unwrap();
    let peer = phase4.serve("r3072", &[]);
    let send = |options: &[&str]| {
        let mut command = Command::new(&phase4.script);
        command.args(["send", "--to", &peer.url, "--receiver-cert", &phase4.file("r3072.cert.pem"), "--quiet"]);
        command.args(["--keystore", &phase4.file("sender.p12"), "--truststore", &phase4.file("trust.p12")]);
        json(command.arg("--payload").arg(&envelope).args(["--threads", "2"]).args(options))
    };
    send(&["--seconds", WARM_SECONDS]);
    let begun = peer.cpu_seconds();
    let sent = send(&["--warmup", WARM_SECONDS, "--seconds", MEASURED_SECONDS]);
    let receiver = (peer.cpu_seconds() - begun) / sent["messages_with_warmup"].as_f64().unwrap();
    receiver + sent["cpu_ms_per_message"].as_f64().unwrap() / 1e3
}

/// The last line that a command prints, which is JSON.
fn json(command: &mut Command) -> Value {
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{command:?}: {text}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}
