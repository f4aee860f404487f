//! `sluss conformance`: the case files, and what becomes of them.

use super::offline::{certificate, certificates, identity, participant};
use super::output::{Output, Table};
use super::{Ended, examples, unprinted, usage, waits};
use crate::config;
use crate::conformance::qualification::{self, Peer, Tried};
use crate::conformance::{self, Case, Listed, Outcome, Verdict};
use crate::model::{Problem, SystemClock};
use crate::net::{Client, ClientSettings};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum ConformanceCommand {
    /// Name the cases, each with the rule that it shows and the verdict that is right.
    #[command(after_help = examples::CONFORMANCE_LIST)]
    List(CasesOptions),
    /// Run the cases, or the qualification cases TF-01 to TF-10 against another access point. Exit status 1 when any ends otherwise than it says.
    #[command(after_help = examples::CONFORMANCE_RUN)]
    Run(Box<RunOptions>),
}

#[derive(Args, Debug)]
pub(super) struct RunOptions {
    #[command(flatten)]
    cases: CasesOptions,
    #[command(flatten)]
    against: Option<AgainstOptions>,
}

#[derive(Args, Debug)]
#[group(id = "peer", conflicts_with_all = ["suite", "cases"])]
pub(super) struct AgainstOptions {
    /// Send the qualification cases to the access point at this address.
    #[arg(long, value_name = "URL")]
    against: String,
    /// Its certificate.
    #[arg(long, value_name = "PEM")]
    to_ap_cert: PathBuf,
    /// A participant that it serves.
    #[arg(long, value_name = "PARTICIPANT")]
    to: String,
    /// The certificate of that participant, which is sealed to.
    #[arg(long, value_name = "PEM")]
    to_cert: PathBuf,
    /// The private key of the access point that sends.
    #[arg(long, value_name = "PEM")]
    ap_key: PathBuf,
    /// Its certificate.
    #[arg(long, value_name = "PEM")]
    ap_cert: PathBuf,
    /// The participant that sends.
    #[arg(long, value_name = "PARTICIPANT")]
    from: String,
    /// Its private key.
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// Its certificate.
    #[arg(long, value_name = "PEM")]
    cert: PathBuf,
    /// The federation that envelopes name.
    #[arg(long, value_name = "URN", default_value = "urn:fdc:digg.se:edelivery:federation:test")]
    federation: String,
    /// Only this case, as TF-04. May be given several times.
    #[arg(long, value_name = "ID")]
    case: Vec<String>,
    /// Authorities that are believed for https. Plain http goes to this machine only.
    #[arg(long, value_name = "PEM")]
    tls_trust: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct CasesOptions {
    /// Only this suite, or group of suites as `xml`. Default: all.
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Cases of one's own: a folder with a folder for each suite. Default: those that the program carries.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

pub(super) fn run(command: &ConformanceCommand, out: &mut Output) -> Ended {
    let one = |problem| vec![problem];
    match command {
        ConformanceCommand::List(options) => chosen(options).and_then(|cases| list(&cases, out)).map_err(one),
        ConformanceCommand::Run(options) => match &options.against {
            Some(options) => waits(async { against(options, out).await.map_err(one) }),
            None => chosen(&options.cases).and_then(|cases| judge(&cases, out)).map_err(one),
        },
    }
}

/// Runs the qualification cases against another access point.
async fn against(options: &AgainstOptions, out: &Output) -> Result<u8, Problem> {
    let peer = Peer {
        url: options.against.clone(),
        certificate: certificate(&options.to_ap_cert)?,
        identity: identity(&options.ap_key, &options.ap_cert)?,
        from: participant(&options.from)?,
        signer: identity(&options.key, &options.cert)?,
        to: participant(&options.to)?,
        to_certificate: certificate(&options.to_cert)?,
        federation: options.federation.clone(),
    };
    let roots = certificates(&options.tls_trust)?.iter().map(|root| root.der().to_vec()).collect();
    let url: Option<http::Uri> = options.against.parse().ok();
    let plain_http = url.as_ref().and_then(http::Uri::host).is_some_and(config::is_here);
    let settings = ClientSettings { roots, plain_http, ..ClientSettings::default() };
    let client = Client::new(&settings).map_err(|error| usage(&format!("--tls-trust: {error}")))?;
    let known = |id: &&String| qualification::CASES.iter().any(|case| case.id == **id);
    if let Some(id) = options.case.iter().find(|id| !known(id)) {
        return Err(usage(&format!("--case {id}: expected one of TF-01 to TF-10")));
    }
    let wanted = |id: &str| options.case.is_empty() || options.case.iter().any(|wanted| wanted == id);
    let mut failed = false;
    for case in qualification::CASES.iter().filter(|case| wanted(case.id)) {
        let tried = qualification::run(case, &peer, &client, &SystemClock).await?;
        failed |= tried.verdict == qualification::Outcome::Otherwise;
        out.record(&tried, || told(&tried)).map_err(|error| unprinted(&error))?;
    }
    Ok(u8::from(failed))
}

fn told(tried: &Tried) -> String {
    let word = match tried.verdict {
        qualification::Outcome::AsExpected => "as expected",
        qualification::Outcome::Otherwise => "OTHERWISE",
        qualification::Outcome::NotRun => "not run",
    };
    let found = super::output::one_line(&tried.found);
    format!("{word}  {}  {}\n  found {found}\n  look there whether {}", tried.id, tried.title, tried.remains)
}

fn chosen(options: &CasesOptions) -> Result<Vec<Case>, Problem> {
    let all: Vec<Case> = match &options.cases {
        Some(folder) => {
            conformance::folder(folder).map_err(|error| usage(&format!("{}: {error}", folder.display())))?
        }
        None => conformance::carried().collect(),
    };
    if let Some(suite) = options.suite.iter().find(|suite| !all.iter().any(|case| conformance::is_of(case, suite))) {
        let known = conformance::suites().collect::<Vec<_>>().join(", ");
        return Err(usage(&format!("--suite {suite}: found no case of it, expected one of {known}, or xml")));
    }
    let wanted =
        |case: &Case| options.suite.is_empty() || options.suite.iter().any(|suite| conformance::is_of(case, suite));
    let chosen: Vec<Case> = all.into_iter().filter(wanted).collect();
    if chosen.is_empty() {
        Err(usage("found no case, expected files below a folder named as a suite"))
    } else {
        Ok(chosen)
    }
}

fn list(cases: &[Case], out: &Output) -> Result<u8, Problem> {
    let listed: Vec<Listed> = cases.iter().map(conformance::listed).collect();
    let table = || {
        let mut table = Table::new(&["case", "rule", "expected"]);
        for case in &listed {
            table.row([case.id.clone(), case.rule.clone(), case.expected.clone()]);
        }
        table
    };
    out.list(&listed, table, "no cases").map_err(|error| unprinted(&error))?;
    Ok(0)
}

fn judge(cases: &[Case], out: &Output) -> Result<u8, Problem> {
    let mut counts = [0; 3];
    for case in cases {
        let outcome = conformance::run(case);
        counts[outcome.verdict as usize] += 1;
        out.record(&outcome, || text(&outcome)).map_err(|error| unprinted(&error))?;
    }
    let [passed, failed, known] = counts;
    if !out.is_json() {
        let summary = format!("{passed} passed, {failed} failed, {known} known failures");
        out.record(&(), || summary).map_err(|error| unprinted(&error))?;
    }
    Ok(u8::from(failed > 0))
}

fn text(outcome: &Outcome) -> String {
    let Outcome { case, verdict, found } = outcome;
    let line = |word: &str| format!("{word}  {}  ({}): {}", case.id, case.rule, case.expected);
    let more = || format!("\n  {}\n  found {}", case.comment, super::output::one_line(found));
    match verdict {
        Verdict::Pass => line("pass"),
        Verdict::Fail => line("FAIL") + &more(),
        Verdict::KnownFailure => line("known failure") + &more(),
    }
}
