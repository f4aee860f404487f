//! `sluss conformance`: the case files, and what becomes of them.

use super::output::{Output, Table};
use super::{examples, unprinted, usage};
use crate::conformance::{self, Case, Listed, Outcome, Verdict};
use crate::model::Problem;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum ConformanceCommand {
    /// Name the cases, each with the rule that it shows and the verdict that is right.
    #[command(after_help = examples::CONFORMANCE_LIST)]
    List(CasesOptions),
    /// Run the cases. Exit status 1 when any ends otherwise than it says.
    #[command(after_help = examples::CONFORMANCE_RUN)]
    Run(CasesOptions),
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

pub(super) fn run(command: &ConformanceCommand, out: &mut Output) -> Result<u8, Problem> {
    match command {
        ConformanceCommand::List(options) => list(&chosen(options)?, out),
        ConformanceCommand::Run(options) => judge(&chosen(options)?, out),
    }
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
