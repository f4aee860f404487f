//! The commands that ask a running daemon.

use super::output::Output;
use super::remote::inbox::{InboxOptions, inbox};
use super::remote::lookup::{LookupOptions, lookup, ping};
use super::remote::partners;
use super::remote::queue;
use super::remote::send::{SendOptions, send};
use super::remote::status::status;
use super::remote::{ApiAddress, Remote, envelopes};
use super::usage;
use crate::app;
use crate::config::Config;
use crate::limits::{BULK_MESSAGES_MAX, ORDER_MESSAGES_MAX};
use crate::model::{self, Clock, Fault, MessageId, Priority, Problem, SystemClock, time};
use crate::net::AccessToken;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long `--wait` waits where no time is given.
const WAIT: &str = "10m";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send documents.
    #[command(
        after_help = "Example:\n  sluss send --config testbed/access-points/AP0001-TESTBED/sluss.toml --from 0203:alice.example.se --to 0203:bob.example.se --label Beslut beslut.pdf --wait"
    )]
    Send(SendArgs),
    /// Show what has come in, and save documents.
    #[command(
        after_help = "Example:\n  sluss inbox --config testbed/access-points/AP0002-TESTBED/sluss.toml --participant 0203:bob.example.se --save documents"
    )]
    Inbox(InboxArgs),
    /// Hand in a sealed envelope.
    #[command(
        after_help = "Example:\n  sluss submit --config testbed/access-points/AP0001-TESTBED/sluss.toml --as 0203:alice.example.se envelope.xml"
    )]
    Submit {
        /// The participant who hands it in.
        #[arg(long = "as", value_name = "PARTICIPANT")]
        participant: String,
        /// How soon it goes among others to the same access point: high, normal or low.
        #[arg(long, value_name = "PRIORITY", default_value_t)]
        priority: Priority,
        /// The envelope.
        envelope: PathBuf,
    },
    /// Take the sealed envelopes that wait.
    #[command(
        after_help = "Example:\n  sluss take --config testbed/access-points/AP0002-TESTBED/sluss.toml --as 0203:bob.example.se --save envelopes"
    )]
    Take {
        /// The participant who takes them.
        #[arg(long = "as", value_name = "PARTICIPANT")]
        participant: String,
        /// Save them here and confirm; without, only list them.
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
    },
    /// List what was not sent, for now or for good, for the participant who handed it in.
    #[command(
        after_help = "Example:\n  sluss notices --config testbed/access-points/AP0001-TESTBED/sluss.toml --as 0203:alice.example.se"
    )]
    Notices {
        /// The participant who handed it in.
        #[arg(long = "as", value_name = "PARTICIPANT")]
        participant: String,
        /// Confirm those that were given up, so that they are not listed again.
        #[arg(long)]
        confirm: bool,
    },
    /// Look a participant up, and show each step.
    #[command(
        after_help = "Example:\n  sluss lookup --config testbed/access-points/AP0001-TESTBED/sluss.toml 0203:bob.example.se"
    )]
    Lookup {
        /// Whom.
        participant: String,
        /// For which document type. Default: the SDK message.
        #[arg(long, value_name = "ID")]
        document_type: Option<String>,
        /// Pass over what is remembered.
        #[arg(long)]
        fresh: bool,
    },
    /// Send a test message to a participant's access point, and check its AS4 receipt.
    #[command(
        after_help = "Example:\n  sluss ping --config testbed/access-points/AP0001-TESTBED/sluss.toml 0203:bob.example.se\n\nNothing is delivered: it is the test service of ebMS, over the route of a real message."
    )]
    Ping {
        /// Whose access point.
        participant: String,
        /// By the route of this document type. Default: the SDK message.
        #[arg(long, value_name = "ID")]
        document_type: Option<String>,
        /// Why; it is kept with the event.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// The queue.
    Queue {
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Other access points: how they fare, and their breakers.
    Partners {
        #[command(subcommand)]
        command: PartnersCommand,
    },
    /// Depths, ages, certificates, disk, versions.
    #[command(after_help = "Example:\n  sluss status --config testbed/access-points/AP0001-TESTBED/sluss.toml")]
    Status,
}

#[derive(Args, Debug)]
pub(super) struct SendArgs {
    /// Sending participant.
    #[arg(long, value_name = "PARTICIPANT")]
    from: String,
    /// Receiving participant.
    #[arg(long, value_name = "PARTICIPANT")]
    to: String,
    /// The recipient's function address. Default: that of the message answered, else the only one known, from the
    /// configuration or from earlier messages with the recipient, else sdk:inkorg: and its id. Where several are
    /// known, it must be given.
    #[arg(long, value_name = "ADDRESS")]
    functional_address: Option<String>,
    /// Subject. Default: the first file's name.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// A text.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Covered by secrecy.
    #[arg(long)]
    confidential: bool,
    /// How soon it goes among others to the same access point: high, normal or low.
    #[arg(long, value_name = "PRIORITY", default_value_t)]
    priority: Priority,
    /// The message that this answers or complements: its id as `sluss inbox` prints it, or its envelope's.
    #[arg(long, value_name = "ID")]
    in_reply_to: Option<String>,
    /// Wait until a final status, at most so long, as 30s. Default: 10m.
    #[arg(long, value_name = "TIMEOUT", num_args = 0..=1, default_missing_value = WAIT, require_equals = true)]
    wait: Option<String>,
    /// Documents.
    files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct InboxArgs {
    /// Whose. Default: of all participants served.
    #[arg(long, value_name = "PARTICIPANT")]
    participant: Option<String>,
    /// Save the documents as DIR/ID/NAME.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Only this message.
    id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// Messages, newest first.
    #[command(
        after_help = "Example:\n  sluss queue list --config testbed/access-points/AP0001-TESTBED/sluss.toml --direction out --limit 20"
    )]
    List {
        #[command(flatten)]
        conditions: Conditions,
        /// Only so many, the newest. Default: all.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// Only those that come after this one, the last of the list before.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// The whole journey of one message.
    #[command(after_help = super::examples::QUEUE_SHOW)]
    Show {
        /// Its id.
        id: String,
    },
    /// Try messages now; those that were given up, as long as new ones.
    #[command(after_help = super::examples::QUEUE_RETRY)]
    Retry(OrderArgs),
    /// End messages that are not delivered, received ones that nobody has taken, and dead letters that were dealt with.
    #[command(after_help = super::examples::QUEUE_CANCEL)]
    Cancel(OrderArgs),
    /// Keep messages back until they are released.
    #[command(after_help = super::examples::QUEUE_HOLD)]
    Hold(OrderArgs),
    /// Let messages that are held go on.
    #[command(after_help = super::examples::QUEUE_RELEASE)]
    Release(OrderArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum PartnersCommand {
    /// How each fares since the start: its breaker, failures, what waits.
    #[command(after_help = super::examples::PARTNERS_LIST)]
    List,
    /// Try one at once whose breaker is open: the message that is due first asks.
    #[command(after_help = super::examples::PARTNERS_TRY)]
    Try {
        /// Which.
        #[arg(value_name = "AP-ID")]
        partner: String,
        /// Why; it is kept with the event.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Which messages; all that are given hold.
#[derive(Args, Debug)]
pub(super) struct Conditions {
    /// Which way.
    #[arg(long, value_parser = ["out", "in"])]
    direction: Option<String>,
    /// In this status, or in those of a group: under-way, retrying, awaiting, waiting-in, attention, to-send.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Of this participant.
    #[arg(long, value_name = "PARTICIPANT")]
    participant: Option<String>,
    /// With this access point.
    #[arg(long, value_name = "AP-ID")]
    partner: Option<String>,
    /// With this id: ours, the envelope's, the AS4 message's, that of a conversation.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only those that operators keep back.
    #[arg(long)]
    held: bool,
    /// Created then or later, as 2026-11-23T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Created before.
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// At least so old, as 1h.
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Whose last problem is this, as metrics name it, for example smp-unreachable.
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
}

/// The words of [`Conditions`].
const CONDITIONS: [&str; 10] =
    ["direction", "status", "participant", "partner", "id", "held", "since", "before", "older_than", "cause"];

impl Conditions {
    /// The words as every door reads them; what is not understood is said before anybody is asked.
    fn read(self) -> Result<model::Conditions, Problem> {
        let conditions = model::Conditions {
            direction: self.direction.unwrap_or_default(),
            status: self.status.unwrap_or_default(),
            participant: self.participant.unwrap_or_default(),
            partner: self.partner.unwrap_or_default(),
            id: self.id.unwrap_or_default(),
            held: if self.held { "true".to_owned() } else { String::new() },
            since: self.since.unwrap_or_default(),
            before: self.before.unwrap_or_default(),
            older_than: self.older_than.unwrap_or_default(),
            cause: self.cause.unwrap_or_default(),
            ..model::Conditions::default()
        };
        conditions.read(SystemClock.now()).map(|_| conditions).map_err(|fault| usage(&fault))
    }
}

/// How many messages one order is for.
fn bounded(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=ORDER_MESSAGES_MAX).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {ORDER_MESSAGES_MAX}"))
}

#[derive(Args, Debug)]
pub(super) struct OrderArgs {
    /// Why; it is kept with the message.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    conditions: Conditions,
    /// Where more messages fulfil the conditions, nothing is done.
    #[arg(long, value_name = "N", default_value_t = BULK_MESSAGES_MAX, value_parser = bounded)]
    limit: usize,
    /// Which messages, where no condition says it.
    #[arg(value_name = "ID", required_unless_present_any = CONDITIONS, conflicts_with_all = CONDITIONS)]
    ids: Vec<String>,
}

/// The words of the command line, with `--wait 10s` of `sluss send` as one: what follows `--wait` is its time where it is
/// a duration and no file has that name, else the first document.
pub(super) fn words(given: impl Iterator<Item = OsString>, is_file: impl Fn(&str) -> bool) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    for word in given {
        let waits = words.last().is_some_and(|last| last == "--wait")
            && words.iter().any(|word| word == "send")
            && !words.iter().any(|word| word == "--");
        let time = word.to_str().filter(|text| waits && duration(text).is_ok() && !is_file(text));
        match time.map(|time| format!("--wait={time}")) {
            Some(both) => {
                words.pop();
                words.push(both.into());
            }
            None => words.push(word),
        }
    }
    words
}

/// Runs a command against the daemon of a configuration.
pub(super) async fn run(
    command: Command,
    config: &Config,
    token_file: Option<&Path>,
    out: &mut Output,
) -> Result<u8, Problem> {
    let remote = Remote::new(&address(config, token_file)?, Vec::new())?;
    match command {
        Command::Send(args) => send(&remote, &send_options(args)?, out).await,
        Command::Inbox(args) => {
            inbox(
                &remote,
                &InboxOptions {
                    participant: args.participant,
                    save: args.save,
                    id: args.id.as_deref().map(message_id).transpose()?,
                },
                out,
            )
            .await
        }
        Command::Submit { participant, priority, envelope } => {
            envelopes::submit(&remote, &participant, &envelope, priority, out).await
        }
        Command::Take { participant, save } => envelopes::take(&remote, &participant, save.as_ref(), out).await,
        Command::Notices { participant, confirm } => envelopes::notices(&remote, &participant, confirm, out).await,
        Command::Lookup { participant, document_type, fresh } => {
            lookup(&remote, &LookupOptions { participant, document_type, fresh }, out).await
        }
        Command::Ping { participant, document_type, reason } => {
            ping(&remote, &participant, (document_type, reason), out).await
        }
        Command::Queue { command: QueueCommand::List { conditions, limit, after } } => {
            let after = after.as_deref().map(message_id).transpose()?;
            let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let conditions = model::Conditions { after, ..conditions.read()? };
            queue::list(&remote, &conditions, limit, out).await
        }
        Command::Queue { command: QueueCommand::Retry(args) } => act(&remote, "retry", args, out).await,
        Command::Queue { command: QueueCommand::Cancel(args) } => act(&remote, "cancel", args, out).await,
        Command::Queue { command: QueueCommand::Hold(args) } => act(&remote, "hold", args, out).await,
        Command::Queue { command: QueueCommand::Release(args) } => act(&remote, "release", args, out).await,
        Command::Queue { command: QueueCommand::Show { id } } => queue::show(&remote, message_id(&id)?, out).await,
        Command::Partners { command: PartnersCommand::List } => partners::list(&remote, out).await,
        Command::Partners { command: PartnersCommand::Try { partner, reason } } => {
            partners::try_now(&remote, &partner, &reason, out).await
        }
        Command::Status => status(&remote, out).await,
    }
}

async fn act(remote: &Remote, action: &'static str, args: OrderArgs, out: &Output) -> Result<u8, Problem> {
    let ids = if args.ids.is_empty() {
        queue::ids(remote, action, &args.conditions.read()?, args.limit).await?
    } else {
        args.ids.iter().map(|id| message_id(id)).collect::<Result<_, _>>()?
    };
    queue::act(remote, &queue::Order { action, ids, reason: args.reason }, out).await
}

/// Where the daemon of this configuration listens, and the token that it is shown: of the file, or the owner's.
pub(super) fn address(config: &Config, token_file: Option<&Path>) -> Result<ApiAddress, Problem> {
    let url = format!("http://{}", config.listen.api);
    if let Some(file) = token_file {
        let token = AccessToken::from_file(file)
            .map_err(|error| usage(&format!("--token-file {}: {error}", file.display())))?;
        return Ok(ApiAddress { url, token });
    }
    let file = app::token_file(&config.data_dir);
    let token = AccessToken::from_file(&file).map_err(|error| {
        Problem::new(
            Fault::Temporary,
            "daemon",
            "the daemon of this configuration is not there",
            format!("{}: {error}; start it with `sluss serve --config FILE`, as the same user", file.display()),
        )
    })?;
    Ok(ApiAddress { url, token })
}

fn send_options(args: SendArgs) -> Result<SendOptions, Problem> {
    let name = args.files.first().and_then(|file| file.file_name()).map(|name| name.to_string_lossy().into_owned());
    Ok(SendOptions {
        from: args.from,
        to: args.to,
        functional_address: args.functional_address,
        label: args.label.or(name),
        text: args.text,
        confidential: args.confidential,
        priority: args.priority,
        in_reply_to: args.in_reply_to,
        wait: args.wait.as_deref().map(duration).transpose()?,
        files: args.files,
    })
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|error: model::IdError| usage(&error.to_string()))
}

/// A duration as `30s`, `12m` or `2h`.
fn duration(text: &str) -> Result<Duration, Problem> {
    time::duration(text).map_err(|fault| usage(&fault))
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_time_of_wait_may_be_a_word_of_its_own_and_a_file_stays_a_file() {
        for (given, expected) in [
            (&["sluss", "send", "--wait", "10s", "a.pdf"][..], &["sluss", "send", "--wait=10s", "a.pdf"][..]),
            (&["sluss", "send", "a.pdf", "--wait", "2h"], &["sluss", "send", "a.pdf", "--wait=2h"]),
            (&["sluss", "send", "--wait", "a.pdf"], &["sluss", "send", "--wait", "a.pdf"]),
            (&["sluss", "send", "--wait", "10x"], &["sluss", "send", "--wait", "10x"]),
            (&["sluss", "send", "--wait", "7s"], &["sluss", "send", "--wait", "7s"]),
            (&["sluss", "send", "--wait=5s", "10s"], &["sluss", "send", "--wait=5s", "10s"]),
            (&["sluss", "send", "--", "--wait", "10s"], &["sluss", "send", "--", "--wait", "10s"]),
            (&["sluss", "inbox", "--wait", "10s"], &["sluss", "inbox", "--wait", "10s"]),
        ] {
            assert_eq!(words(given.iter().map(Into::into), |name| name == "7s"), expected, "{given:?}");
        }
    }
}
