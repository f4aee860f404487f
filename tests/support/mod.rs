//! A federation of real processes on loopback, driven from outside as its users drive it.
//!
//! One testbed serves a whole test binary: its keys take seconds. What all tests share is ended, and its folder
//! removed, by a shell that waits for this process to be gone; what a test starts for itself ends with its handle.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod chance;
pub(crate) mod http;
mod paced;

pub(crate) use paced::paced;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// How long anything is waited for on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The federation of every testbed.
pub(crate) const FEDERATION: &str = "urn:fdc:digg.se:edelivery:federation:test";

pub(crate) const NORTH: &str = "AP0001-TESTBED";
pub(crate) const SOUTH: &str = "AP0002-TESTBED";
/// Started and killed by tests, one at a time.
pub(crate) const THIRD: &str = "AP0003-TESTBED";

/// At the northern access point, which seals and opens for her.
pub(crate) const ALICE: &str = "0203:alice.example.se";
/// At the southern access point, which seals and opens for him.
pub(crate) const BOB: &str = "0203:bob.example.se";
/// At the southern access point; her message service is elsewhere.
pub(crate) const CAROL: &str = "0203:carol.example.se";
/// At the third access point.
pub(crate) const DAVID: &str = "0203:david.example.se";

/// The federation that all tests of a binary share.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    watch: Mutex<ChildStdin>,
    /// Read by tests that need discovery as it is, written by those that disturb it for all.
    discovery: RwLock<()>,
    third: Mutex<()>,
    daemons: Mutex<Vec<Daemon>>,
}

/// The federation, made when it is first asked for.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::start)
}

impl World {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("sluss-federation-").tempdir().unwrap().keep();
        let watch = watchdog(&dir);
        let world = Self {
            dir,
            watch: Mutex::new(watch),
            discovery: RwLock::default(),
            third: Mutex::default(),
            daemons: Mutex::default(),
        };
        world.testbed(&["init"], &[]);
        for name in [NORTH, SOUTH, THIRD] {
            world.access_point(name);
        }
        for (id, access_point) in [(ALICE, NORTH), (BOB, SOUTH), (CAROL, SOUTH), (DAVID, THIRD)] {
            world.participant(id, access_point);
        }
        world.without_key(SOUTH, CAROL);
        world.share(world.spawn("testbed", &[&"testbed", &"serve", &world.dir.display(), &"--json"]));
        world.share(world.serve(NORTH));
        world.share(world.serve(SOUTH));
        world
    }

    fn share(&self, daemon: Daemon) {
        let mut watch = self.watch.lock().unwrap();
        writeln!(watch, "{}", daemon.child.id()).unwrap();
        self.daemons.lock().unwrap().push(daemon);
    }

    fn testbed(&self, command: &[&str], rest: &[&str]) {
        let dir = self.dir.display().to_string();
        let args: Vec<&str> = [&["testbed"], command, &[dir.as_str()], rest].concat();
        sluss(&args).done();
    }

    /// Registers an access point of ours, which tries again soon.
    pub(crate) fn access_point(&self, name: &str) {
        self.testbed(&["access-point"], &[name]);
        let config = self.config(name);
        let text = fs::read_to_string(&config).unwrap();
        let impatient = "[retry]\nstrategy = \"exponential\"\nfirst_pause_seconds = 1\nlongest_pause_seconds = 1\n\n[breaker]\nfirst_pause_seconds = 1\nlongest_pause_seconds = 1\n\n[limits]\nmessage_bytes_max = 1000000\nenvelope_bytes_max = 100000000\n\n[federation]";
        let text = paced(&text, impatient);
        fs::write(&config, format!("log_format = \"json\"\n{text}")).unwrap();
    }

    /// Registers a participant at an access point of ours, in SMP and in its configuration.
    pub(crate) fn participant(&self, id: &str, access_point: &str) {
        self.testbed(&["participant"], &[id, "--access-point", access_point]);
    }

    /// Registers an access point that nobody runs, and a participant there.
    pub(crate) fn elsewhere(&self, access_point: &str, id: &str) {
        self.elsewhere_at(access_point, id, "http://127.0.0.1:9/as4");
    }

    /// Registers an access point that is not ours, and a participant there.
    pub(crate) fn elsewhere_at(&self, access_point: &str, id: &str, url: &str) {
        self.testbed(&["access-point"], &[access_point, "--endpoint", url]);
        self.participant(id, access_point);
    }

    /// Takes the participant's key out of a configuration: its message service is elsewhere.
    pub(crate) fn without_key(&self, access_point: &str, id: &str) {
        let config = self.config(access_point);
        let name = id.split_once(':').unwrap().1;
        let text = fs::read_to_string(&config).unwrap();
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.contains(&format!("../../participants/{name}/"))).collect();
        fs::write(&config, lines.join("\n") + "\n").unwrap();
    }

    /// Makes a fault that lasts until the result is dropped.
    pub(crate) fn fault(&self, kind: &'static str, subject: Option<&'static str>) -> Faulty<'_> {
        self.testbed(&["fault"], &[&[kind], subject.as_slice()].concat());
        Faulty { world: self, kind }
    }

    /// Discovery as it should be, for as long as the result is held.
    pub(crate) fn discovery(&self) -> RwLockReadGuard<'_, ()> {
        self.discovery.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discovery for oneself, to disturb it.
    pub(crate) fn discovery_alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.discovery.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The third access point for oneself; it is not running yet.
    pub(crate) fn third(&self) -> MutexGuard<'_, ()> {
        self.third.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn folder(&self, access_point: &str) -> PathBuf {
        self.dir.join("access-points").join(access_point)
    }

    pub(crate) fn config(&self, access_point: &str) -> PathBuf {
        self.folder(access_point).join("sluss.toml")
    }

    /// Key and certificate of a participant.
    pub(crate) fn keys(&self, id: &str) -> (PathBuf, PathBuf) {
        let folder = self.dir.join("participants").join(id.split_once(':').unwrap().1);
        (folder.join("key.pem"), folder.join("cert.pem"))
    }

    /// A daemon of an access point, ready.
    pub(crate) fn serve(&self, access_point: &str) -> Daemon {
        self.spawn(access_point, &[&"serve", &"--json", &"--config", &self.config(access_point).display()])
    }

    fn spawn(&self, name: &str, args: &[&dyn std::fmt::Display]) -> Daemon {
        let log = self.dir.join(format!("{name}.log"));
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Daemon::start(&args, &log)
    }

    /// Runs a command against the daemon of an access point.
    pub(crate) fn at(&self, access_point: &str, args: &[&str]) -> Ran {
        let config = self.config(access_point).display().to_string();
        sluss(&[args, &["--json", "--config", config.as_str()]].concat())
    }

    /// Asks the API of a running access point; gives HTTP status and body.
    pub(crate) fn api(&self, access_point: &str, method: &str, path: &str) -> http::Answer {
        let (address, head) = self.door(access_point);
        http::ask(&address, method, &format!("/api/v1{path}"), &head, b"")
    }

    /// Where the API of an access point is, and the header of its owner, who has started it once.
    pub(crate) fn door(&self, access_point: &str) -> (String, String) {
        let text = fs::read_to_string(self.config(access_point)).unwrap();
        let line = text.lines().find(|line| line.starts_with("api = ")).unwrap();
        let token = fs::read_to_string(self.folder(access_point).join("data/api.token")).unwrap();
        (line.split('"').nth(1).unwrap().to_owned(), format!("Authorization: Bearer {}\r\n", token.trim()))
    }

    /// Waits for the first message of the queue of `access_point` that `is` says to be it.
    #[track_caller]
    pub(crate) fn until(&self, access_point: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        wait(|| {
            seen = self.at(access_point, &["queue", "list"]).lines;
            seen.iter().find(|message| is(message)).cloned()
        })
        .unwrap_or_else(|| panic!("{access_point}: no {what} within {PATIENCE:?}, but {seen:#?}"))
    }

    /// The message of an envelope, once it is in that status.
    #[track_caller]
    pub(crate) fn until_status(&self, access_point: &str, envelope: &str, status: &str) -> Value {
        self.until(access_point, &format!("{envelope} in {status}"), |message| {
            message["envelope_id"] == envelope && message["status"] == status
        })
    }

    /// A message with its whole journey.
    pub(crate) fn journey(&self, access_point: &str, message: &Value) -> Value {
        self.at(access_point, &["queue", "show", message["id"].as_str().unwrap()]).done().one()
    }

    /// Every message of an envelope that came in at an access point.
    pub(crate) fn received(&self, access_point: &str, envelope: &str) -> Vec<Value> {
        let mut messages = self.at(access_point, &["queue", "list", "--direction", "in"]).done().lines;
        messages.retain(|message| message["envelope_id"] == envelope);
        messages
    }

    /// A sealed envelope with a small message.
    pub(crate) fn sealed(&self, from: &str, to: &str) -> Vec<u8> {
        let address = format!("sdk:inkorg:{to}");
        let parties = ["message", "build", "--from", from, "--to", to, "--functional-address", &address];
        let built = sluss(&[&parties[..], &["--label", "Beslut", "--text", "Hej"]].concat());
        self.seal(from, to, &built.done().out)
    }

    /// A payload, sealed with the keys of the participants.
    pub(crate) fn seal(&self, from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
        let (key, cert) = self.keys(from);
        let (_, to_cert) = self.keys(to);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.xml");
        fs::write(&file, payload).unwrap();
        let [key, cert, to_cert, file] = [key, cert, to_cert, file].map(|path| path.display().to_string());
        let parties = ["envelope", "seal", "--from", from, "--to", to, "--federation", FEDERATION];
        let keys = ["--key", &key, "--cert", &cert, "--to-cert", &to_cert, &file];
        sluss(&[&parties[..], &keys[..]].concat()).done().out
    }
}

/// A fault of the testbed, mended at its end.
pub(crate) struct Faulty<'w> {
    world: &'w World,
    kind: &'static str,
}

impl Drop for Faulty<'_> {
    fn drop(&mut self) {
        let dir = self.world.dir.display().to_string();
        drop(sluss(&["testbed", "fault", &dir, self.kind, "--clear"]));
    }
}

/// Ends what is shared, and removes the folder, when this process is gone: statics are never dropped.
fn watchdog(dir: &Path) -> ChildStdin {
    let script = "p=; while read x; do p=\"$p $x\"; done; kill -9 $p; umount \"$0/disk\"; rm -rf \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("there is a shell").stdin.take().unwrap()
}

/// A process of ours that serves. It is killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: Value,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn start(args: &[String], log: &Path) -> Self {
        let errors = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluss"));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut daemon = Self { child: command.spawn().unwrap(), ready: Value::Null, log: log.to_owned() };
        let mut out = BufReader::new(daemon.child.stdout.take().unwrap());
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            let _ = sender.send(line);
            let _ = std::io::copy(&mut out, &mut std::io::sink());
        });
        let line = receiver.recv_timeout(PATIENCE).unwrap_or_default();
        daemon.ready = serde_json::from_str(&line).unwrap_or_default();
        assert!(!daemon.ready["ready"].is_null(), "{args:?} is not ready: {line} {}", daemon.log());
        daemon
    }

    /// What it wrote on standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// As a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Memory that it has, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its status, once it has ended by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        wait(|| self.child.try_wait().unwrap()).expect("the daemon ends")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has ended.
pub(crate) struct Ran {
    pub(crate) args: String,
    pub(crate) status: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
    /// Its JSON objects.
    pub(crate) lines: Vec<Value>,
}

impl Ran {
    /// It must have been done.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        self.ended(0)
    }

    /// It must have ended with this status.
    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(
            self.status,
            Some(status),
            "sluss {}: {} {}",
            self.args,
            String::from_utf8_lossy(&self.out),
            self.err
        );
        self
    }

    /// The one object that it printed.
    #[track_caller]
    pub(crate) fn one(mut self) -> Value {
        assert_eq!(self.lines.len(), 1, "sluss {}: {}", self.args, String::from_utf8_lossy(&self.out));
        self.lines.remove(0)
    }

    /// The error that it printed.
    #[track_caller]
    pub(crate) fn error(self) -> Value {
        let one = self.one();
        assert!(one["error"].is_object(), "{one}");
        one["error"].clone()
    }
}

/// Runs the program, to its end or until patience is over.
pub(crate) fn sluss(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluss"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (sender, receiver) = channel();
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    std::thread::spawn(move || {
        let mut out = Vec::new();
        let _ = stdout.read_to_end(&mut out);
        let _ = sender.send(out);
    });
    let out = receiver.recv_timeout(PATIENCE);
    if out == Err(RecvTimeoutError::Timeout) {
        let _ = child.kill();
    }
    let status = child.wait().unwrap().code();
    let out = out.unwrap_or_default();
    let lines = out.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ran { args: args.join(" "), status, out, err: errors.join().unwrap(), lines }
}

/// The first value, asked for until patience is over.
pub(crate) fn wait<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ask() {
            return Some(value);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(150));
    }
}

/// A document in a folder, and its SHA-256.
pub(crate) fn document(folder: &Path, name: &str, content: &[u8]) -> (String, String) {
    let file = folder.join(name);
    fs::write(&file, content).unwrap();
    let mut digest = sluss::crypto::Digest::new(sluss::crypto::HashFunction::Sha256);
    digest.update(content);
    (file.display().to_string(), sluss::crypto::hex(&digest.finish()))
}
