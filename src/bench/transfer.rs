//! Sealed envelopes from one daemon to another: two processes of this program on one machine, over real sockets and with both
//! stores, and what each of them needs of memory and processor time.

use super::Setting;
use crate::inspect::{envelope, message};
use crate::metrics::processor_time;
use crate::model::{Clock, DocumentType, Fault, ParticipantId, Problem, SystemClock, Timestamp};
use crate::net::{AccessToken, Body, Client, ClientSettings, NetError, Outgoing};
use crate::testbed::{self, Running};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::{Method, header};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Size of the document in each message, in bytes. Sealed, it is 16/9 of that.
    pub document_bytes: u64,
    /// How many messages.
    pub messages: usize,
    /// How many are handed in at once.
    pub concurrent: usize,
    /// Where the federation and the envelopes lie meanwhile.
    pub folder: PathBuf,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where. Times are wall time here, but for `cpu_seconds`.
    pub setting: Setting,
    /// Messages handed in, carried, receipted and ready to be taken.
    pub messages: usize,
    /// Handed in at once.
    pub concurrent: usize,
    /// Size of a sealed envelope, in bytes.
    pub envelope_bytes: u64,
    /// From the first handed in to the last AS4 receipt.
    pub seconds: f64,
    /// `messages / seconds`, both sides together.
    pub messages_per_second: f64,
    /// What the RSA operations of AS4 alone would allow on all processors, in messages a second, measured before and after.
    pub rsa_limit_per_second: f64,
    /// `messages_per_second / rsa_limit_per_second`.
    pub share_of_rsa_limit: f64,
    /// Processor time of both access points for one message, in seconds.
    pub cpu_seconds_per_message: f64,
    /// The part of that which the RSA operations of AS4 alone would take.
    pub rsa_share_of_cpu: f64,
    /// How long messages take at half the rate; none for fewer than [`LATENCIES_LEAST`] messages.
    pub half_load: Option<Latency>,
    /// The sending access point.
    pub sender: Process,
    /// The receiving access point.
    pub receiver: Process,
}

/// How long messages take that are handed in at even intervals.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// How many.
    pub messages: usize,
    /// Handed in each second.
    pub messages_per_second: f64,
    /// From when it was due to be handed in to its AS4 receipt, kept: half of them, in milliseconds.
    pub half_within_ms: f64,
    /// 99 of 100, in milliseconds.
    pub most_within_ms: f64,
    /// All, in milliseconds.
    pub all_within_ms: f64,
}

impl Latency {
    fn of(mut millis: Vec<f64>, messages_per_second: f64) -> Self {
        millis.sort_by(f64::total_cmp);
        let within = |hundredths: usize| {
            let at = (millis.len() * hundredths).div_ceil(100).saturating_sub(1);
            millis.get(at).copied().unwrap_or_default()
        };
        Self {
            messages: millis.len(),
            messages_per_second,
            half_within_ms: within(50),
            most_within_ms: within(99),
            all_within_ms: within(100),
        }
    }
}

/// What one daemon needed.
#[derive(Clone, Debug, Serialize)]
pub struct Process {
    /// Resident size before the first message (VmRSS), in bytes.
    pub idle_bytes: u64,
    /// Largest resident size from then to the last (VmHWM), in bytes.
    pub peak_bytes: u64,
    /// Processor time for all messages, user and system.
    pub cpu_seconds: f64,
    /// How long the threads that serve connections worked between two rests, from the start to the last message.
    pub stretches: Stretches,
}

/// Stretches of work between two rests. No poll of a task is longer than the stretch it lies in.
#[derive(Clone, Debug, Serialize)]
pub struct Stretches {
    /// How many there were.
    pub number: u64,
    /// How many of them took at most a millisecond of processor time.
    pub within_a_millisecond: u64,
    /// The longest, in processor time.
    pub longest_cpu_seconds: f64,
    /// The longest by the clock: a thread also waits for its processor, where there are more threads than processors.
    pub longest_seconds: f64,
}

/// Measures.
///
/// # Errors
///
/// When the federation does not start, or a message does not arrive.
pub async fn measure(plan: &Plan) -> Result<Report, Problem> {
    let folder =
        tempfile::Builder::new().prefix("sluss-bench").tempdir_in(&plan.folder).map_err(|e| failed("folder", &e))?;
    let (federation, services) = Federation::start(folder.path()).await?;
    let later = if plan.messages < LATENCIES_LEAST { 0 } else { plan.messages / 2 };
    let envelopes = federation.seal(plan.document_bytes, plan.messages + later)?;
    let (at_once, evenly) = envelopes.split_at(plan.messages);
    let envelope_bytes = std::fs::metadata(&envelopes[0]).map_err(|e| failed("envelope", &e))?.len();
    let mut rsa = rsa_of_exchange()?;
    let (sender, receiver) = (federation.serve(SENDER)?, federation.serve(RECEIVER)?);
    sender.forget_peak()?;
    receiver.forget_peak()?;
    let before = [sender.usage()?, receiver.usage()?];
    let begin = Instant::now();
    let handed_in = stream::iter(at_once).map(|file| sender.submit(file)).buffer_unordered(plan.concurrent);
    handed_in.try_collect::<Vec<String>>().await?;
    sender.carried(plan.messages).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let after = [sender.usage()?, receiver.usage()?];
    let stretches = [sender.stretches().await?, receiver.stretches().await?];
    let messages_per_second = plan.messages as f64 / seconds;
    let half_load = match evenly {
        [] => None,
        _ => Some(latency(&sender, evenly, plan.messages, messages_per_second / 2.0).await?),
    };
    drop((sender, receiver));
    services.stop().await;
    rsa = f64::midpoint(rsa, rsa_of_exchange()?);
    let process = |at: usize| Process {
        idle_bytes: before[at].resident_bytes,
        peak_bytes: after[at].peak_bytes,
        cpu_seconds: after[at].cpu_seconds - before[at].cpu_seconds,
        stretches: stretches[at].clone(),
    };
    let (sender, receiver, setting) = (process(0), process(1), Setting::here());
    let cpu_seconds_per_message = (sender.cpu_seconds + receiver.cpu_seconds) / plan.messages as f64;
    let rsa_limit_per_second = setting.cores as f64 / rsa;
    Ok(Report {
        setting,
        messages: plan.messages,
        concurrent: plan.concurrent,
        envelope_bytes,
        seconds,
        messages_per_second,
        rsa_limit_per_second,
        share_of_rsa_limit: messages_per_second / rsa_limit_per_second,
        cpu_seconds_per_message,
        rsa_share_of_cpu: rsa / cpu_seconds_per_message,
        half_load,
        sender,
        receiver,
    })
}

/// Processor time of the RSA operations of one exchange, in seconds.
fn rsa_of_exchange() -> Result<f64, Problem> {
    let time = super::as4::rsa_of_exchange(RSA_BITS, RSA_TIMES).map_err(|error| failed("RSA", &error))?;
    Ok(time.as_secs_f64())
}

/// Hands in `envelopes` at even intervals, whatever becomes of the others, after `carried` that went before, and measures how
/// long each takes to its AS4 receipt.
async fn latency(sender: &Daemon, envelopes: &[PathBuf], carried: usize, per_second: f64) -> Result<Latency, Problem> {
    let (begin, clock) = (tokio::time::Instant::now(), SystemClock);
    let (begin_at, interval) = (clock.now(), Duration::from_secs_f64(1.0 / per_second));
    let handed_in = envelopes.iter().zip(0_u32..).map(|(file, number)| async move {
        tokio::time::sleep_until(begin + interval * number).await;
        Ok((sender.submit(file).await?, begin_at + interval * number))
    });
    let handed_in = stream::iter(handed_in).buffer_unordered(envelopes.len()).try_collect::<Vec<_>>().await?;
    sender.carried(carried + envelopes.len()).await?;
    let mut millis = Vec::with_capacity(handed_in.len());
    for (message, due_at) in handed_in {
        millis.push(sender.receipted_at(&message).await?.duration_since(due_at).as_millis_f64());
    }
    Ok(Latency::of(millis, per_second))
}

/// Two access points and a participant at each, all services of a testbed running in this process.
struct Federation {
    folder: PathBuf,
    sender: ParticipantId,
    recipient: ParticipantId,
}

impl Federation {
    async fn start(folder: &Path) -> Result<(Self, Running), Problem> {
        let (clock, testbed): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), folder.join("testbed"));
        let broken = |error: testbed::TestbedError| error.problem();
        testbed::init(&testbed, clock.now()).map_err(broken)?;
        let id = |text: &str| text.parse::<ParticipantId>().map_err(|error| failed("participant", &error));
        let this = Self {
            folder: testbed,
            sender: id("0203:sender.example.se")?,
            recipient: id("0203:recipient.example.se")?,
        };
        for (name, participant) in [(SENDER, &this.sender), (RECEIVER, &this.recipient)] {
            testbed::access_point(&this.folder, name, None, clock.now()).map_err(broken)?;
            testbed::participant(&this.folder, participant, name, &[], &[], clock.now()).map_err(broken)?;
            this.configure(name)?;
        }
        let services = testbed::serve(&this.folder, clock).await.map_err(broken)?;
        Ok((this, services))
    }

    fn config(&self, name: &str) -> PathBuf {
        self.folder.join("access-points").join(name).join("sluss.toml")
    }

    /// The access point carries for its participant, and does not open; what SMP said it keeps as long as any does.
    fn configure(&self, name: &str) -> Result<(), Problem> {
        let path = self.config(name);
        let text = std::fs::read_to_string(&path).map_err(|error| failed("configuration", &error))?;
        let ordinary = |line: &&str| !line.contains("/participants/") && !line.starts_with("cache_seconds");
        let lines: Vec<&str> = text.lines().filter(ordinary).collect();
        std::fs::write(&path, lines.join("\n") + "\n").map_err(|error| failed("configuration", &error))
    }

    fn keys(&self, participant: &ParticipantId) -> PathBuf {
        self.folder.join("participants").join(participant.local())
    }

    /// The envelopes that are handed in, each its own.
    fn seal(&self, document_bytes: u64, messages: usize) -> Result<Vec<PathBuf>, Problem> {
        let (document, built) = (self.folder.join("document.bin"), self.folder.join("message.xml"));
        let written = File::create(&document)
            .and_then(|mut file| std::io::copy(&mut super::as4::noise(document_bytes), &mut file));
        written.map_err(|error| failed("document", &error))?;
        let create = |path: &Path| File::create(path).map_err(|error| failed("envelope", &error));
        let mut envelopes = Vec::new();
        for number in 0..messages {
            message::build(&self.message(&document), create(&built)?)?;
            let path = self.folder.join(format!("envelope-{number}.xml"));
            let mut out = envelope::seal(&self.envelope(&built), create(&path)?)?;
            out.flush().map_err(|error| failed("envelope", &error))?;
            envelopes.push(path);
        }
        Ok(envelopes)
    }

    fn message(&self, document: &Path) -> message::Build {
        message::Build {
            from: self.sender.clone(),
            to: self.recipient.clone(),
            functional_address: format!("sdk:inkorg:{}", self.recipient),
            sender_address: None,
            label: Some("bench".into()),
            text: None,
            confidential: false,
            in_reply_to: None,
            files: vec![document.to_owned()],
            at: SystemClock.now(),
        }
    }

    fn envelope(&self, payload: &Path) -> envelope::Seal {
        let (own, other) = (self.keys(&self.sender), self.keys(&self.recipient));
        envelope::Seal {
            from: self.sender.clone(),
            to: self.recipient.clone(),
            document_type: Some(DocumentType::sdk_message().value),
            federation: Some(testbed::FEDERATION.to_owned()),
            key: own.join("key.pem"),
            certificate: own.join("cert.pem"),
            to_certificate: other.join("cert.pem"),
            payload: payload.to_owned(),
            at: SystemClock.now(),
        }
    }

    /// Starts a daemon of this program and waits until it is ready.
    fn serve(&self, name: &str) -> Result<Daemon, Problem> {
        let broken = |error: std::io::Error| failed("daemon", &error);
        let program = std::env::current_exe().map_err(broken)?;
        let mut command = Command::new(program);
        command.args(["serve", "--json", "--config"]).arg(self.config(name));
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(broken)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(broken)?;
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(api) = ready["api"].as_str() else {
            let _ = child.kill().and_then(|()| child.wait());
            return Err(failed("daemon", &format!("{name} did not become ready: {line}")));
        };
        let token = crate::app::token_file(&self.config(name).with_file_name("data"));
        let token = AccessToken::from_file(&token).map_err(|error| failed("token", &error))?;
        let settings = ClientSettings { plain_http: true, ..ClientSettings::default() };
        let client = Client::new(&settings).map_err(|error| failed("client", &error))?;
        let base = api.trim_end_matches('/').to_owned();
        Ok(Daemon { child, client, base, token, participant: self.sender.clone() })
    }
}

/// A daemon that runs until it is dropped.
struct Daemon {
    child: Child,
    client: Client,
    base: String,
    token: AccessToken,
    participant: ParticipantId,
}

/// What a process has needed so far.
struct Usage {
    resident_bytes: u64,
    peak_bytes: u64,
    cpu_seconds: f64,
}

impl Daemon {
    /// Hands in an envelope; gives the id of its message.
    async fn submit(&self, file: &Path) -> Result<String, Problem> {
        let body =
            File::open(file).and_then(|file| Body::empty().file(file)).map_err(|error| failed("envelope", &error))?;
        let path = format!("/participants/{}/envelopes", self.participant);
        let answer = self.ask(Method::POST, &path, body).await?;
        answer["id"].as_str().map(str::to_owned).ok_or_else(|| failed("daemon", &format!("no id in {answer}")))
    }

    /// Waits until so many messages have their AS4 receipts.
    async fn carried(&self, messages: usize) -> Result<(), Problem> {
        let begin = Instant::now();
        while self.count("ACKNOWLEDGED").await? < messages as u64 {
            if begin.elapsed() > TRANSFER_MAX {
                return Err(failed("transfer", &format!("not all {messages} messages were carried")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// When the AS4 receipt of a message was kept.
    async fn receipted_at(&self, message: &str) -> Result<Timestamp, Problem> {
        let journey = self.ask(Method::GET, &format!("/queue/{message}"), Body::empty()).await?;
        let events = journey["journey"].as_array().map_or(&[][..], Vec::as_slice);
        let at = events.iter().find(|event| event["stage"] == "receipted").and_then(|event| event["at"].as_str());
        let at = at.ok_or_else(|| failed("daemon", &format!("message {message} has no AS4 receipt in its journey")))?;
        at.parse().map_err(|error| failed("time", &error))
    }

    /// How many messages are in this status.
    async fn count(&self, status: &str) -> Result<u64, Problem> {
        let answer = self.ask(Method::GET, "/status", Body::empty()).await?;
        let queues = answer["queues"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(queues.iter().filter(|queue| queue["status"] == status).filter_map(|queue| queue["messages"].as_u64()).sum())
    }

    /// What its threads did so far, by its metrics.
    async fn stretches(&self) -> Result<Stretches, Problem> {
        let text = self.text(Method::GET, "/metrics", Body::empty()).await?;
        read_stretches(&String::from_utf8_lossy(&text)).ok_or_else(|| failed("metrics", &"no stretches"))
    }

    async fn ask(&self, method: Method, path: &str, body: Body) -> Result<Value, Problem> {
        let text = self.text(method, path, body).await?;
        serde_json::from_slice(&text).map_err(|error| failed("daemon", &error))
    }

    async fn text(&self, method: Method, path: &str, body: Body) -> Result<Vec<u8>, Problem> {
        let url = format!("{}{path}", self.base);
        let headers = [
            (header::AUTHORIZATION, format!("Bearer {}", self.token.expose())),
            (header::CONTENT_TYPE, "application/xml".to_owned()),
        ];
        let broken = |error: NetError| failed("daemon", &error);
        let outgoing = Outgoing { method, url: &url, headers: &headers, body, timeout: TRANSFER_MAX };
        let answer = self.client.request(outgoing).await.map_err(broken)?;
        let status = answer.status;
        let text = answer.whole(ANSWER_BYTES_MAX).await.map_err(broken)?;
        if !(200..300).contains(&status) {
            return Err(
                serde_json::from_slice(&text).unwrap_or_else(|_| failed("daemon", &format!("HTTP status {status}")))
            );
        }
        Ok(text)
    }

    /// Lets its largest size count from now on: what a start needs is no message's (proc(5), `clear_refs`).
    fn forget_peak(&self) -> Result<(), Problem> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        std::fs::write(path, "5").map_err(|error| failed("process", &error))
    }

    fn usage(&self) -> Result<Usage, Problem> {
        let of_process = |error| failed("process", &error);
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).map_err(of_process)?;
        let bytes = |name| super::kibibytes(&status, name).ok_or_else(|| failed("process", &status));
        Ok(Usage {
            resident_bytes: bytes(super::RESIDENT)?,
            peak_bytes: bytes(super::PEAK)?,
            cpu_seconds: processor_time(self.child.id()).map_err(of_process)?.as_secs_f64(),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The stretches in a daemon's metrics.
fn read_stretches(metrics: &str) -> Option<Stretches> {
    let value = |series: &str| metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
    let number = |series: &str| value(series).map(|number| number as u64);
    Some(Stretches {
        number: number(r#"sluss_runtime_stretch_seconds_count{clock="processor"}"#)?,
        within_a_millisecond: number(r#"sluss_runtime_stretch_seconds_bucket{clock="processor",le="0.001"}"#)?,
        longest_cpu_seconds: value(r#"sluss_runtime_longest_stretch_seconds{clock="processor"}"#)?,
        longest_seconds: value(r#"sluss_runtime_longest_stretch_seconds{clock="wall"}"#)?,
    })
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Fault::Temporary, "bench", "the benchmark broke off", format!("{what}: {error}"))
}

/// Fewer messages say nothing of how long messages take.
pub const LATENCIES_LEAST: usize = 100;
/// Key length of the testbed's access points.
const RSA_BITS: usize = 3072;
/// How often the RSA operations of an exchange are measured, before and after each.
const RSA_TIMES: u32 = 100;
/// Longest time for all messages.
const TRANSFER_MAX: Duration = Duration::from_secs(30 * 60);
/// Largest answer of the API that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const SENDER: &str = "AP0001-BENCH";
const RECEIVER: &str = "AP0002-BENCH";

#[cfg(test)]
mod tests {
    use super::read_stretches;
    use crate::metrics::{Metrics, Readings};

    #[test]
    fn stretches_are_found_among_the_metrics_as_they_are_written() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            metrics.thread_works();
            metrics.thread_rests();
        }
        let found = read_stretches(&metrics.text(&Readings::default())).unwrap();
        assert_eq!(found.number, 2);
        assert!(found.within_a_millisecond <= 2 && found.longest_cpu_seconds > 0.0, "{found:?}");
        assert!(found.longest_seconds > 0.0, "{found:?}");
    }
}
