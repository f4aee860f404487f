//! Two access points of a federation of their own: one runs, with an operator; the other is its partner, and runs when it is asked to.

use super::driver::Browser;
use super::support::{ALICE, BOB, Daemon, NORTH, PATIENCE, SOUTH, document, paced, sluss, wait};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An account at the northern access point.
pub(crate) const OPERATOR: &str = "kim";
pub(crate) const PASSWORD: &str = "h\u{e4}st batteri klammer";

/// What runs, and where.
pub(crate) struct Stage {
    /// Where the northern access point has its pages.
    pub(crate) console: String,
    _daemons: [Daemon; 2],
    folder: tempfile::TempDir,
}

impl Stage {
    /// A federation in which the southern access point is down, and the northern one waits long before it tries again.
    pub(crate) fn set() -> Self {
        Self::prepared(0, "")
    }

    /// The same, where a session ends after this many seconds in which nobody asked.
    pub(crate) fn idle(seconds: u64) -> Self {
        Self::prepared(0, &format!("\n[console]\nsession_idle_seconds = {seconds}\n"))
    }

    /// The same, with so many finished messages in the northern one's store.
    pub(crate) fn full(messages: u64) -> Self {
        Self::prepared(messages, "")
    }

    /// `further`: the end of the northern one's configuration.
    fn prepared(messages: u64, further: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display().to_string();
        sluss(&["testbed", "init", &dir]).done();
        for (access_point, participant) in [(NORTH, ALICE), (SOUTH, BOB)] {
            sluss(&["testbed", "access-point", &dir, access_point]).done();
            sluss(&["testbed", "participant", &dir, participant, "--access-point", access_point]).done();
        }
        let config = config(folder.path(), NORTH);
        let text = fs::read_to_string(&config).unwrap();
        let patient = "[retry]\nretries = 1\ngive_up_after_seconds = 86400\n\n[federation]";
        fs::write(&config, paced(&text, patient) + further).unwrap();
        let console = text.lines().find_map(|line| line.strip_prefix("console = \"")).unwrap().trim_end_matches('"');
        let (password, _) = document(folder.path(), "password", PASSWORD.as_bytes());
        let config = config.display().to_string();
        let account =
            ["accounts", "add", OPERATOR, "--role", "operator", "--password-file", &password, "--reason", "a test"];
        sluss(&[&account[..], &["--config", &config]].concat()).done();
        if messages > 0 {
            fill(&folder.path().join("access-points").join(NORTH).join("data"), messages);
        }
        let services = ["testbed", "serve", &dir, "--json"].map(str::to_owned);
        let services = Daemon::start(&services, &folder.path().join("testbed.log"));
        let north = serve(folder.path(), NORTH);
        Self { console: format!("http://{console}"), _daemons: [services, north], folder }
    }

    /// Starts an access point.
    pub(crate) fn serve(&self, access_point: &str) -> Daemon {
        serve(self.folder.path(), access_point)
    }

    /// Runs a command at an access point.
    fn at(&self, access_point: &str, args: &[&str]) -> Vec<Value> {
        let config = config(self.folder.path(), access_point).display().to_string();
        sluss(&[args, &["--json", "--config", &config]].concat()).done().lines
    }

    /// Sends a small document from north to south.
    pub(crate) fn send(&self) -> Value {
        self.send_with(&[])
    }

    /// The same, and waits for the message receipt.
    pub(crate) fn send_and_wait(&self) -> Value {
        self.send_with(&["--wait=60s"])
    }

    fn send_with(&self, further: &[&str]) -> Value {
        let (file, _) = document(self.folder.path(), "beslut.txt", b"a decision");
        let command = ["send", "--from", ALICE, "--to", BOB, "--label", "Beslut", &file];
        self.at(NORTH, &[&command[..], further].concat()).remove(0)
    }

    /// A message that waits because the partner is down.
    pub(crate) fn stuck(&self) -> Value {
        self.send();
        let waits = || {
            let listed = self.at(NORTH, &["queue", "list", "--status", "SCHEDULED_FOR_RESEND"]);
            listed.into_iter().next()
        };
        wait(waits).unwrap_or_else(|| panic!("no message waits within {PATIENCE:?}"))
    }

    /// A link that logs in once, as the owner.
    pub(crate) fn link(&self) -> String {
        self.at(NORTH, &["accounts", "link"]).remove(0)["url"].as_str().unwrap().to_owned()
    }

    /// Keeps what the window shows for the documentation, where `SLUSS_SCREENSHOTS=write` asks for it.
    pub(crate) fn keep(&self, name: &str, browser: &Browser) {
        if std::env::var("SLUSS_SCREENSHOTS").is_ok_and(|word| word == "write") {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/console/screenshots/{name}.png"));
            fs::write(file, browser.picture()).unwrap();
        }
    }
}

fn fill(store: &Path, messages: u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluss"));
    command.args(["bench", "store", "--messages", &messages.to_string(), "--dir"]).arg(store).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
}

fn config(dir: &Path, access_point: &str) -> PathBuf {
    dir.join("access-points").join(access_point).join("sluss.toml")
}

fn serve(dir: &Path, access_point: &str) -> Daemon {
    let args = ["serve".into(), "--json".into(), "--config".into(), config(dir, access_point).display().to_string()];
    Daemon::start(&args, &dir.join(format!("{access_point}.log")))
}
