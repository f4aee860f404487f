//! The words of the command line, as clap reads them.

use super::accounts::{AccountsCommand, TokensCommand};
use super::audit::AuditCommand;
use super::conformance::ConformanceCommand;
use super::examples;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Access point and message service for Säker digital kommunikation (SDK).
#[derive(Debug, Parser)]
#[command(
    name = "sluss",
    version,
    about,
    after_help = examples::SLUSS
)]
pub(super) struct Cli {
    /// One JSON object on standard output (JSON Lines for lists), and nothing else there.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The configuration file. Default: sluss.toml in this folder, then /etc/sluss/sluss.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Show this token to the daemon: a file of `sluss tokens add --save`. Default: the owner's, in the data folder.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum AlertCommand {
    /// Send a trial to every receiver of the configuration; no daemon is needed.
    #[command(after_help = examples::ALERT_TEST)]
    Test,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a whole federation in one process: documents each way, receipts, and pages to look at.
    #[command(after_help = examples::DEMO)]
    Demo(DemoOptions),
    /// Run the daemon.
    #[command(after_help = examples::SERVE)]
    Serve,
    /// Make a new configuration, folders, key and certificate request.
    #[command(after_help = examples::INIT)]
    Init(InitOptions),
    /// Say everything that is wrong or will be, without starting.
    #[command(after_help = examples::CHECK)]
    Check,
    /// Alerts by mail and webhook.
    Alert {
        #[command(subcommand)]
        command: AlertCommand,
    },
    /// A federation of one's own on loopback.
    Testbed {
        #[command(subcommand)]
        command: TestbedCommand,
    },
    /// Look at AS4 messages, offline.
    As4 {
        #[command(subcommand)]
        command: As4Command,
    },
    /// Look at envelopes, offline.
    Envelope {
        #[command(subcommand)]
        command: EnvelopeCommand,
    },
    /// Look at SDK messages, offline.
    Message {
        #[command(subcommand)]
        command: MessageCommand,
    },
    /// Look at message receipts, offline.
    Receipt {
        #[command(subcommand)]
        command: ReceiptCommand,
    },
    /// Look at service metadata, offline.
    Smp {
        #[command(subcommand)]
        command: SmpCommand,
    },
    /// Look at XML, offline.
    Xml {
        #[command(subcommand)]
        command: XmlCommand,
    },
    /// Cases, each for a rule: what is right to accept and what to refuse, and for which reason.
    Conformance {
        #[command(subcommand)]
        command: ConformanceCommand,
    },
    /// The store: verify, back up, restore, rebuild.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// The event log: list, verify, anchor, and evidence for others.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Who may log in to the pages.
    Accounts {
        #[command(subcommand)]
        command: AccountsCommand,
    },
    /// Which programs may ask the API.
    Tokens {
        #[command(subcommand)]
        command: TokensCommand,
    },
    /// What the metrics mean, and what goes with them for Prometheus and Grafana.
    #[command(
        after_help = "Example:\n  sluss metrics --rules\n\nThe metrics themselves are at /metrics: see listen.metrics in the configuration."
    )]
    Metrics(MetricsOptions),
    /// Measure, beside what the machine allows in the same run.
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    #[command(flatten)]
    Online(super::online::Command),
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Look at every octet of the journal, and hold every payload against its digest. Works beside the daemon, without it, and on a backup.
    #[command(after_help = examples::STORE_VERIFY)]
    Verify {
        /// A data folder or a backup. Default: that of the configuration.
        dir: Option<PathBuf>,
    },
    /// Copy the store into a new folder, beside the daemon or without it.
    #[command(after_help = examples::STORE_BACKUP)]
    Backup {
        /// The folder to make.
        dir: PathBuf,
    },
    /// Make the store of the configuration from a backup. The data folder must hold none.
    #[command(after_help = examples::STORE_RESTORE)]
    Restore {
        /// The backup.
        dir: PathBuf,
    },
    /// Build the index again from the journal. The daemon must not run.
    #[command(after_help = examples::STORE_REBUILD)]
    Rebuild {
        /// Go on with what the journal has, where it lost its end; says how many records that is, and leaves an event.
        #[arg(long, requires = "reason")]
        accept_loss: bool,
        /// Why. It stands in the event log, with the time and the user of this machine.
        #[arg(long, value_name = "TEXT", requires = "accept_loss")]
        reason: Option<String>,
    },
    /// Remove at once what is no longer to be kept. The daemon must not run; it does so by itself, in small steps.
    #[command(after_help = examples::STORE_PURGE)]
    Purge {
        /// Believe the clock, however far it is ahead of the store's records.
        #[arg(long)]
        clock_is_right: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Durable accepts a second beside the bare disk; with --messages, the cost of each question in a large store.
    #[command(after_help = examples::BENCH_STORE)]
    Store {
        /// Threads that commit at once.
        #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8,64", value_parser = clap::value_parser!(u16).range(1..=1024))]
        writers: Vec<u16>,
        /// Seconds for each measurement.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Fill the store in --dir with so many finished messages, then measure questions. What is there is kept.
        #[arg(long, value_name = "N", requires = "dir", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        messages: Option<u64>,
        /// Where the store lies. Default: the system's temporary folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// AS4 messages packed, opened and receipted on one core, beside the bare operations.
    #[command(after_help = examples::BENCH_AS4)]
    As4 {
        /// Small messages for each key length.
        #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        messages: u32,
        /// Content of a large message, as 100MB. May be given several times.
        #[arg(long, value_name = "SIZE", default_value = "100MB")]
        size: Vec<String>,
        /// Where large messages lie meanwhile. Default: the system's temporary folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Whether the refusal of a wrong session key or wrong content tells, by words or time, what was wrong.
    #[command(after_help = examples::BENCH_TIMING)]
    Timing {
        /// Messages of each class.
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        messages: u32,
    },
    /// Sealed envelopes between two daemons on this machine: messages a second, processor time, memory.
    #[command(
        after_help = "Examples:\n  sluss bench transfer --messages 1000 --concurrent 8 --json\n  sluss bench transfer --size 56MB --messages 1\n\nA document of 56 MB makes an envelope of 100 MB."
    )]
    Transfer {
        /// Size of the document in each message, as 1KB.
        #[arg(long, value_name = "SIZE", default_value = "1KB")]
        size: String,
        /// How many messages.
        #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        messages: u32,
        /// How many are handed in at once.
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        concurrent: u32,
        /// Where everything lies meanwhile. Default: the system's temporary folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(super) struct MetricsOptions {
    /// The reference as a page in Markdown.
    #[arg(long)]
    pub(super) reference: bool,
    /// Alert rules for Prometheus.
    #[arg(long)]
    pub(super) rules: bool,
    /// A dashboard for Grafana.
    #[arg(long)]
    pub(super) dashboard: bool,
}

#[derive(Args, Debug)]
pub(super) struct DemoOptions {
    /// End after the exchange.
    #[arg(long)]
    pub(super) exit: bool,
    /// Send this document instead of a small one.
    #[arg(long, value_name = "FILE")]
    pub(super) document: Option<PathBuf>,
    /// How many messages each way.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) messages: u32,
    /// Keep everything in this folder. Default: a temporary folder that goes at the end.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct InitOptions {
    /// The folder to make.
    pub(super) dir: PathBuf,
    /// What the process shall do.
    #[arg(long, value_name = "ROLE", value_delimiter = ',', default_value = "access-point,message-service")]
    pub(super) role: Vec<String>,
    /// The identifier that Digg assigned to the access point.
    #[arg(long, value_name = "AP-ID", default_value = "AP0000-SDK-QA")]
    pub(super) party: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum TestbedCommand {
    /// Make certificate authorities as in SDK, and an empty federation.
    #[command(after_help = examples::TESTBED_INIT)]
    Init {
        /// The folder to make.
        dir: PathBuf,
    },
    /// Run DNS, SMP with CertPub, CRL and OCSP on loopback.
    #[command(after_help = examples::TESTBED_SERVE)]
    Serve {
        /// The folder of the testbed.
        dir: PathBuf,
    },
    /// Issue an access point's certificate and write its configuration.
    #[command(after_help = examples::ACCESS_POINT)]
    AccessPoint {
        /// The folder of the testbed.
        dir: PathBuf,
        /// The common name of the certificate.
        name: String,
        /// Where it is reached, for an access point that is not Sluss.
        #[arg(long, value_name = "URL")]
        endpoint: Option<String>,
    },
    /// Register a participant, and issue its key.
    #[command(after_help = examples::PARTICIPANT)]
    Participant {
        /// The folder of the testbed.
        dir: PathBuf,
        /// The participant, as 0203:NAME.
        id: String,
        /// Its access point.
        #[arg(long, value_name = "NAME")]
        access_point: String,
        /// Document types that it receives. Default: SDK message and message receipt.
        #[arg(long, value_name = "ID")]
        document_type: Vec<String>,
        /// Its function addresses. Default: sdk:inkorg:0203:NAME.
        #[arg(long, value_name = "ADDRESS")]
        functional_address: Vec<String>,
    },
    /// Make a fault, until --clear.
    #[command(after_help = examples::FAULT)]
    Fault {
        /// The folder of the testbed.
        dir: PathBuf,
        /// Which fault.
        kind: String,
        /// The access point or participant that it is about.
        subject: Option<String>,
        /// Mend it.
        #[arg(long)]
        clear: bool,
    },
    /// Make the test keys that `sluss demo` carries anew.
    #[command(hide = true)]
    Certificates {
        /// The folder to write to.
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum As4Command {
    /// Open a recorded HTTP request or response.
    #[command(after_help = examples::AS4_OPEN)]
    Open(As4OpenOptions),
    /// Pack payloads into an AS4 message.
    #[command(after_help = examples::AS4_PACK)]
    Pack(As4PackOptions),
}

#[derive(Args, Debug)]
pub(super) struct As4OpenOptions {
    /// Headers as `Name: value` lines; a request or status line before them is passed over.
    #[arg(long, value_name = "FILE")]
    pub(super) headers: PathBuf,
    /// The body, byte for byte.
    #[arg(long, value_name = "FILE")]
    pub(super) body: PathBuf,
    /// The receiving access point's private key.
    #[arg(long, value_name = "PEM")]
    pub(super) key: PathBuf,
    /// Its certificate.
    #[arg(long, value_name = "PEM")]
    pub(super) cert: PathBuf,
    /// Certificates that are trusted.
    #[arg(long, value_name = "PEM", required = true)]
    pub(super) trust: Vec<PathBuf>,
    /// The time at which it is judged. Default: now.
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
    /// What the profile refuses and this look accepts: rsa-sha1, rsa-sha384, rsa-sha512, oaep-mgf1p, aes256-gcm, short-keys, expired,
    /// unsigned, unencrypted, unknown-revocation, any-community (parties, service and properties of others than Digg's).
    #[arg(long, value_name = "NAME")]
    pub(super) allow: Vec<String>,
    /// Only this certificate may have signed.
    #[arg(long, value_name = "PEM")]
    pub(super) signer: Option<PathBuf>,
    /// The recorded request that this response answers.
    #[arg(long, value_name = "BODY")]
    pub(super) answers: Option<PathBuf>,
    /// Largest part after decompression, as 200MB.
    #[arg(long, value_name = "SIZE")]
    pub(super) max_size: Option<String>,
    /// Save soap.xml and part-N here.
    #[arg(long, value_name = "DIR")]
    pub(super) save: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct As4PackOptions {
    /// The sending access point's private key.
    #[arg(long, value_name = "PEM")]
    pub(super) key: PathBuf,
    /// Its certificate.
    #[arg(long, value_name = "PEM")]
    pub(super) cert: PathBuf,
    /// The receiving access point's certificate.
    #[arg(long, value_name = "PEM")]
    pub(super) to_cert: PathBuf,
    /// Original sender.
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) from: String,
    /// Final recipient.
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) to: String,
    /// Payloads, in order.
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) payload: Vec<PathBuf>,
    /// Document type. Default: the SDK message.
    #[arg(long, value_name = "ID")]
    pub(super) document_type: Option<String>,
    /// Where request.headers and request.body are written.
    #[arg(long, value_name = "DIR")]
    pub(super) save: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum EnvelopeCommand {
    /// Check envelopes against schema and rules R1 to R14.
    #[command(after_help = examples::ENVELOPE_CHECK)]
    Check {
        /// The envelopes.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// How strictly: as the published schema and Schematron, or as the text of the profile.
        #[arg(long, value_parser = ["schematron", "text"], default_value = "text")]
        level: String,
    },
    /// Show what an envelope says.
    #[command(after_help = examples::ENVELOPE_SHOW)]
    Show {
        /// The envelope.
        file: PathBuf,
    },
    /// Encrypt and sign a payload.
    #[command(after_help = examples::ENVELOPE_SEAL)]
    Seal(SealOptions),
    /// Verify and decrypt an envelope.
    #[command(after_help = examples::ENVELOPE_OPEN)]
    Open {
        /// The recipient's private key.
        #[arg(long, value_name = "PEM")]
        key: PathBuf,
        /// Its certificate.
        #[arg(long, value_name = "PEM")]
        cert: PathBuf,
        /// Only this certificate may have signed.
        #[arg(long, value_name = "PEM")]
        from_cert: Option<PathBuf>,
        /// The envelope.
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(super) struct SealOptions {
    /// Sending participant.
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) from: String,
    /// Receiving participant.
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) to: String,
    /// Document type. Default: the SDK message.
    #[arg(long, value_name = "ID")]
    pub(super) document_type: Option<String>,
    /// FEDERATIONID. Default: the open test federation's.
    #[arg(long, value_name = "ID")]
    pub(super) federation: Option<String>,
    /// The sending participant's private key.
    #[arg(long, value_name = "PEM")]
    pub(super) key: PathBuf,
    /// Its certificate.
    #[arg(long, value_name = "PEM")]
    pub(super) cert: PathBuf,
    /// The receiving participant's certificate.
    #[arg(long, value_name = "PEM")]
    pub(super) to_cert: PathBuf,
    /// The payload.
    pub(super) payload: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum MessageCommand {
    /// Build an SDK message with files in it.
    #[command(after_help = examples::MESSAGE_BUILD)]
    Build(BuildOptions),
    /// Check SDK messages, and say which message receipt would be sent.
    #[command(after_help = examples::MESSAGE_CHECK)]
    Check {
        /// The messages.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(super) struct BuildOptions {
    /// Sending participant.
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) from: String,
    /// Receiving participant.
    #[arg(long, value_name = "PARTICIPANT")]
    pub(super) to: String,
    /// The recipient's function address.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) functional_address: String,
    /// The sender's function address. Default: sdk:inkorg: and its id.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) sender_address: Option<String>,
    /// Subject. Default: the first file's name.
    #[arg(long, value_name = "TEXT")]
    pub(super) label: Option<String>,
    /// A text.
    #[arg(long, value_name = "TEXT")]
    pub(super) text: Option<String>,
    /// Covered by secrecy.
    #[arg(long)]
    pub(super) confidential: bool,
    /// Files.
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReceiptCommand {
    /// Check message receipts against schema and rules R1-APP to R9-APP.
    #[command(after_help = examples::RECEIPT_CHECK)]
    Check {
        /// The message receipts.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SmpCommand {
    /// Check a SignedServiceMetadata.
    #[command(after_help = examples::SMP_CHECK)]
    Check {
        /// The answer of an SMP.
        file: PathBuf,
        /// Who may sign.
        #[arg(long, value_name = "PEM", required = true)]
        trust: Vec<PathBuf>,
        /// Whom it must be about, as SCHEME::ID.
        #[arg(long, value_name = "SCHEME::ID")]
        participant: Option<String>,
        /// Which document type, as SCHEME::ID.
        #[arg(long, value_name = "SCHEME::ID")]
        document_type: Option<String>,
        /// Which process, as SCHEME::ID.
        #[arg(long, value_name = "SCHEME::ID")]
        process: Option<String>,
        /// The time at which it is judged. Default: now.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum XmlCommand {
    /// Write the canonical octets.
    #[command(after_help = examples::C14N)]
    C14n(C14nOptions),
    /// Verify an enveloped XML signature.
    #[command(after_help = examples::XML_VERIFY)]
    Verify {
        /// The signed document.
        file: PathBuf,
        /// Whose signature is trusted.
        #[arg(long, value_name = "PEM", required = true)]
        trust: Vec<PathBuf>,
        /// Judge also whether the certificates are valid at this time.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Show the canonical form of SignedInfo as well.
        #[arg(long)]
        show: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct C14nOptions {
    /// Exclusive canonical form.
    #[arg(long, conflicts_with = "version_11")]
    pub(super) exclusive: bool,
    /// Canonical XML 1.1 instead of 1.0.
    #[arg(long = "1.1", id = "version_11")]
    pub(super) version_11: bool,
    /// Keep comments.
    #[arg(long)]
    pub(super) with_comments: bool,
    /// InclusiveNamespaces, separated by spaces.
    #[arg(long, value_name = "PREFIXES", requires = "exclusive")]
    pub(super) prefixes: Option<String>,
    /// Only the element with this Id.
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<String>,
    /// The document.
    pub(super) file: PathBuf,
}
