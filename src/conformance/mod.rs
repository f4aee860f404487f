//! The case files of `conformance/`, and what runs them: the tests and `sluss conformance` judge the same cases by the same code.
//!
//! The program carries the files, so it needs no source tree. A case shows one rule, and says which verdict is the right one: where a
//! message is refused, for another reason than the one named is as wrong as accepting it.

pub mod as4;
mod case;
mod discovery;
mod documents;
pub mod qualification;
mod xml;

pub use case::{Case, carried, folder};

use serde::Serialize;

/// Cases of one kind, with what judges them.
struct Suite {
    name: &'static str,
    /// Keys of the header beside those that every case has.
    keys: &'static [&'static str],
    /// The closed list of what a case may expect; empty where rules are named, which are many.
    expectations: &'static [&'static str],
    /// Judges a case; the error says what is wrong with the case itself.
    judge: fn(&Case) -> Result<Judged, String>,
}

static SUITES: [Suite; 8] = [
    Suite { name: "as4", keys: &[], expectations: &[], judge: as4::judge },
    Suite { name: "discovery", keys: &["certpub"], expectations: &discovery::EXPECTATIONS, judge: discovery::judge },
    Suite { name: "message", keys: &documents::KEYS, expectations: &[], judge: documents::message },
    Suite { name: "receipt", keys: &documents::KEYS, expectations: &[], judge: documents::receipt },
    Suite { name: "xhe", keys: &documents::KEYS, expectations: &[], judge: documents::xhe },
    Suite { name: "xml/c14n", keys: &xml::C14N_KEYS, expectations: &xml::C14N, judge: xml::c14n },
    Suite { name: "xml/dsig", keys: &xml::DSIG_KEYS, expectations: &xml::DSIG, judge: xml::dsig },
    Suite { name: "xml/enc", keys: &xml::ENC_KEYS, expectations: &xml::ENC, judge: xml::enc },
];

/// What a suite found.
struct Judged {
    /// In the words of `expect`, or with them.
    found: String,
    /// Whether that is what the case asks for, in all that it asks.
    met: bool,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it says.
    Pass,
    /// Otherwise, or the file is no case.
    Fail,
    /// Otherwise, and that is known. A known failure that passes fails: its line must go.
    KnownFailure,
}

/// A case with its verdict: a line of `sluss conformance run --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The case.
    #[serde(flatten)]
    pub case: Listed,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
}

/// What a case is for: a line of `sluss conformance list --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Suite and scenario, the path of its file.
    pub id: String,
    /// Standard and clause, or the rule's id.
    pub rule: String,
    /// The right verdict.
    pub expected: String,
    /// What is special about it.
    pub comment: String,
}

/// The names of the suites.
pub fn suites() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|suite| suite.name)
}

/// Whether a case belongs to a suite, or to a group of them as `xml`.
pub fn is_of(case: &Case, suite: &str) -> bool {
    case.id.strip_prefix(suite).is_some_and(|rest| rest.starts_with('/'))
}

/// What the case is for.
pub fn listed(case: &Case) -> Listed {
    let text = |key: &str| case.get(key).to_owned();
    Listed { id: case.id.clone(), rule: text("spec"), expected: text("expect"), comment: text("comment") }
}

/// Judges a case.
pub fn run(case: &Case) -> Outcome {
    let judged = judged(case).unwrap_or_else(|why| Judged { found: format!("the case is wrong: {why}"), met: false });
    let (verdict, found) = match (case.header.get("known-failure"), judged.met) {
        (None, true) => (Verdict::Pass, judged.found),
        (None, false) => (Verdict::Fail, judged.found),
        (Some(_), false) => (Verdict::KnownFailure, judged.found),
        (Some(why), true) => (Verdict::Fail, format!("{}; it passes now, though: {why}", judged.found)),
    };
    Outcome { case: listed(case), verdict, found }
}

fn judged(case: &Case) -> Result<Judged, String> {
    let suite = SUITES.iter().find(|suite| is_of(case, suite.name));
    let suite =
        suite.ok_or_else(|| format!("found it in no suite, expected one of {:?}", suites().collect::<Vec<_>>()))?;
    case.must_be_whole(suite.keys)?;
    if !suite.expectations.is_empty() && !suite.expectations.contains(&case.get("expect")) {
        return Err(format!("found expect {:?}, expected one of {:?}", case.get("expect"), suite.expectations));
    }
    (suite.judge)(case)
}
