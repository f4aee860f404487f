//! phase4 sends to an access point that is killed, and sends again what it got no AS4 receipt for: a peer that knows nothing of us.

use super::client::Side;
use crate::support::{World, world};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const ACCESS_POINT: &str = "AP0013-TESTBED";
pub(super) const PARTICIPANT: &str = "0203:ida.example.se";
/// How often a message is sent again.
const TRIES: usize = 20;

pub(super) struct Phase4 {
    script: PathBuf,
    to: Side,
    /// What was sent, and whether a signed AS4 receipt came for it.
    pub(super) sent: BTreeMap<String, bool>,
    /// Attempts in all.
    pub(super) attempts: u64,
    /// Messages so far, for those who wait.
    pub(super) done: Arc<AtomicUsize>,
}

impl Phase4 {
    /// Built and registered; none where it is not asked for by `SLUSS_PEERS=1`, or cannot run here.
    pub(super) fn here(world: &World, to: Side) -> Option<Self> {
        if !matches!(std::env::var("SLUSS_PEERS").as_deref(), Ok("1" | "all")) {
            println!("skipped: phase4 sends with SLUSS_PEERS=1");
            return None;
        }
        let folder = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
        let script = folder.join("peers/phase4/run");
        let built = Command::new(&script).arg("build").stdout(Stdio::null()).status();
        if !built.is_ok_and(|status| status.success()) {
            println!("skipped: {} does not build (it needs Java 17 and Maven)", script.display());
            return None;
        }
        world.elsewhere(ACCESS_POINT, PARTICIPANT);
        Some(Self { script, to, sent: BTreeMap::new(), attempts: 0, done: Arc::default() })
    }

    /// Sends one message after the other until it is over.
    pub(super) fn work(&mut self, url: &str, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            let envelope = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(envelope.path(), world().sealed(PARTICIPANT, self.to.carried)).unwrap();
            let id = format!("{}@phase4.example", uuid::Uuid::new_v4());
            let receipted = (0..TRIES).any(|_| self.send(url, &id, envelope.path()));
            self.sent.insert(id, receipted);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&mut self, url: &str, id: &str, envelope: &Path) -> bool {
        self.attempts += 1;
        let (own, theirs) = (world().folder(ACCESS_POINT), world().folder(self.to.access_point));
        let path = |folder: &Path, name: &str| folder.join(name).display().to_string();
        let mut command = Command::new(&self.script);
        command.args(["send", "--to", url, "--receiver-cert", &path(&theirs, "cert.pem"), "--alias", "ap"]);
        command.args(["--keystore", &path(&own, "keystore.p12"), "--password", "changeit"]);
        command.args(["--truststore", &path(&own, "truststore.p12"), "--from", ACCESS_POINT]);
        command.args(["--to-party", self.to.access_point, "--original-sender", PARTICIPANT]);
        command.args([
            "--final-recipient",
            self.to.carried,
            "--message-id",
            id,
            "--conversation-id",
            id,
            "--mime",
            "text/xml",
            "--gzip",
        ]);
        let ended = command.arg("--payload").arg(envelope).stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
        let said: Value = ended
            .stdout
            .split(|byte| *byte == b'\n')
            .find_map(|line| serde_json::from_slice(line).ok())
            .unwrap_or_default();
        // It signs anew each time, and gets the AS4 receipt of the first time again: that one is for other octets.
        let receipted = said["receipt_signed"] == true && said["ref_to_message_id_ok"] == true;
        if said["ok"] != true {
            println!("phase4: {id}: {} {}, AS4 receipt of before: {receipted}", said["result"], said["errors"]);
        }
        receipted
    }
}
