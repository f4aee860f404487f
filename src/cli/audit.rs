//! `sluss audit`: list, verify, anchor, export.

use super::examples;
use super::output::{Output, one_line};
use super::remote::Remote;
use super::remote::audit::{AuditOptions, list};
use super::{Ended, config_path, online, unprinted};
use crate::app::audit;
use crate::audit::{Expected, Verified};
use crate::config::Config;
use crate::model::{Fault, IdError, Problem, SystemClock};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Events, newest first.
    #[command(
        after_help = "Example:\n  sluss audit list --config testbed/access-points/AP0001-TESTBED/sluss.toml --stage accepted --json"
    )]
    List(AuditArgs),
    /// Follow the chain of the whole event log, and hold it against what was noted of it. Works beside the daemon, and without it.
    #[command(after_help = examples::AUDIT_VERIFY)]
    Verify {
        /// The folder of a store or a backup. Default: data_dir of the configuration.
        dir: Option<PathBuf>,
        /// The chain must have this hash with this record.
        #[arg(long, value_name = "RECORD:HASH")]
        expect: Vec<String>,
        /// Files of anchors. Default: audit.anchor_file of the configuration.
        #[arg(long, value_name = "FILE")]
        anchors: Vec<PathBuf>,
    },
    /// Sign the end of the chain, once all of it holds: to be kept where nobody who can write the store can write.
    #[command(after_help = examples::AUDIT_ANCHOR)]
    Anchor {
        /// Add it to this file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Evidence of one message, for others: they check it with openssl and xmlsec1 alone, as the README in it says.
    #[command(after_help = examples::AUDIT_EXPORT)]
    Export {
        /// The message: its id, as `sluss queue list` prints it.
        #[arg(long, value_name = "ID")]
        message: String,
        /// A new folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(super) struct AuditArgs {
    /// Recorded then or later, as 2026-11-23T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Recorded before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// About this other access point.
    #[arg(long, value_name = "AP-ID")]
    partner: Option<String>,
    /// About this sender or recipient.
    #[arg(long, value_name = "PARTICIPANT")]
    participant: Option<String>,
    /// At this stage, as accepted.
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Done by this account or token, as events name it.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// About this message.
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn run(
    command: AuditCommand,
    config: Option<PathBuf>,
    token_file: Option<&Path>,
    out: &mut Output,
) -> Ended {
    match command {
        AuditCommand::List(args) => {
            let config = Config::load(&config_path(config))?;
            let listed = async {
                let remote = Remote::new(&online::address(&config, token_file)?, Vec::new())?;
                list(&remote, args.into(), out).await
            };
            listed.await.map_err(|problem| vec![problem])
        }
        AuditCommand::Verify { dir, expect, anchors } => {
            let expect: Result<Vec<Expected>, Problem> = expect.iter().map(|text| expected(text)).collect();
            let expect = expect.map_err(|problem| vec![problem])?;
            // A folder alone is looked at without a configuration, and then no certificate is trusted or not.
            let config = match (&dir, config) {
                (Some(_), None) => None,
                (_, config) => Some(Config::load(&config_path(config))?),
            };
            let folder = dir.or(config.as_ref().map(|config| config.data_dir.clone())).unwrap_or_default();
            let verified = blocking(move || audit::verify(config.as_ref(), &folder, &expect, &anchors)).await?;
            out.record(&verified, || said(&verified)).map_err(|error| vec![unprinted(&error)])?;
            Ok(u8::from(!verified.whole))
        }
        AuditCommand::Anchor { out: file } => {
            let config = Config::load(&config_path(config))?;
            let anchor = blocking(move || audit::anchor(&config, file.as_deref(), &SystemClock)).await?;
            let text = || format!("--expect {}:{}", anchor.record, anchor.chain);
            out.record(&anchor, text).map_err(|error| vec![unprinted(&error)])?;
            Ok(0)
        }
        AuditCommand::Export { message, out: folder } => {
            let id = message.parse().map_err(|error: IdError| vec![super::usage(&format!("--message: {error}"))])?;
            let config = Config::load(&config_path(config))?;
            let place = folder.clone();
            let summary = blocking(move || audit::export(&config, id, &place, &SystemClock)).await?;
            let text = || {
                let (shown, anchor) = (summary.records.len(), summary.anchor);
                format!(
                    "{shown} records up to the anchor of record {anchor}; check: cd {} && sh verify.sh",
                    folder.display()
                )
            };
            out.record(&summary, text).map_err(|error| vec![unprinted(&error)])?;
            Ok(0)
        }
    }
}

impl From<AuditArgs> for AuditOptions {
    fn from(args: AuditArgs) -> Self {
        let AuditArgs { since, until, partner, participant, stage, actor, message, limit } = args;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { since, until, partner, participant, stage, actor, message, limit }
    }
}

fn expected(text: &str) -> Result<Expected, Problem> {
    text.parse().map_err(|error| super::usage(&format!("--expect: {error}")))
}

/// For people: the verdict, how far it reaches, what was lost and accepted, and each finding with its place.
fn said(verified: &Verified) -> String {
    let mut lines = vec![if verified.whole { "whole".to_owned() } else { "DOES NOT HOLD".to_owned() }];
    if verified.gone > 0 {
        lines.push(format!("  gone      up to {}, as the chain says (retention.log_days)", verified.gone));
    }
    lines.push(format!("  records   {}", verified.records));
    lines.extend(verified.chain.iter().map(|chain| format!("  chain     {chain}")));
    let anchors = verified.anchors;
    lines.push(format!(
        "  anchors   {} of {} found, the last at record {}",
        anchors.found, anchors.given, verified.anchored
    ));
    for loss in &verified.accepted_losses {
        let at = loss.at.map(|at| format!(" {at}")).unwrap_or_default();
        let (lost, by) = (format!("{} records lost before record {}", loss.lost, loss.record), &loss.actor);
        lines.push(format!("  accepted  {lost}: {by} went on without them{at}; {}", loss.reason));
    }
    for finding in &verified.findings {
        let place = finding.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        lines.push(format!("  {}: {}{place}; {}", finding.cause, finding.what, finding.remedy));
    }
    lines.iter().map(|line| one_line(line)).collect::<Vec<_>>().join("\n")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Vec<Problem>> + Send + 'static,
) -> Result<T, Vec<Problem>> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(vec![Problem::new(Fault::Temporary, "audit", "the command broke off", error.to_string())])
    })
}
