//! The suites of envelopes, SDK messages and message receipts.
//!
//! `published` is what the published schema and Schematron say by other people's engines (libxml2 and Saxon), so our own
//! checks are held against theirs wherever the level is theirs.

use super::{Case, Judged};
use crate::model::Finding;
use crate::sdk::{message, receipt};
use crate::xhe::{self, Level};
use std::collections::BTreeSet;

/// Keys of these suites.
pub(super) const KEYS: [&str; 4] = ["published", "level", "warns", "receipt"];

/// An envelope.
pub(super) fn xhe(case: &Case) -> Result<Judged, String> {
    let said = |level| xhe::check(&case.input[..], level).map_or(Said::NOT_XML, |checked| Said::of(&checked.findings));
    let by_schematron = said(Level::Schematron);
    let judged = if case.get("level") == "schematron" { by_schematron.clone() } else { said(Level::Text) };
    let published =
        case.header.get("published").map(|published| (published.as_str(), by_schematron.words("XHE-2.5.a")));
    Ok(judged.held_against(case, published))
}

/// A message, with the message receipt that it gets.
pub(super) fn message(case: &Case) -> Result<Judged, String> {
    let (said, answer) = match message::check(&case.input[..]) {
        Ok(checked) => {
            let outcome = checked.outcome();
            let causes: BTreeSet<String> =
                outcome.causes().iter().map(|cause| format!(" {} {}", cause.code.word(), cause.detail)).collect();
            (Said::of(&checked.findings), outcome.word().to_owned() + &causes.into_iter().collect::<String>())
        }
        Err(_) => (Said::NOT_XML, "none".to_owned()),
    };
    let judged = said.held_against(case, Some((case.get("published"), said.words("MSG-5.3.t02"))));
    let same = answer == case.get("receipt");
    let found = if same { judged.found } else { format!("{}; the message receipt is {answer}", judged.found) };
    Ok(Judged { found, met: judged.met && same })
}

/// A message receipt.
pub(super) fn receipt(case: &Case) -> Result<Judged, String> {
    let said = receipt::check(&case.input).map_or(Said::NOT_XML, |checked| Said::of(&checked.findings));
    Ok(said.held_against(case, Some((case.get("published"), said.words("KVITT-3.4.a")))))
}

/// What a check said: the rules of its errors and of its warnings.
#[derive(Clone)]
struct Said {
    xml: bool,
    errors: BTreeSet<String>,
    warnings: BTreeSet<String>,
}

impl Said {
    const NOT_XML: Self = Self { xml: false, errors: BTreeSet::new(), warnings: BTreeSet::new() };

    fn of(findings: &[Finding]) -> Self {
        let rules = |error: bool| findings.iter().filter(|f| f.is_error() == error).map(|f| f.rule.clone()).collect();
        Self { xml: true, errors: rules(true), warnings: rules(false) }
    }

    /// The words of `expect`; a violation of the schema, which is `rule`, as `schema`.
    fn words(&self, rule: &str) -> String {
        let errors: BTreeSet<&str> = self.errors.iter().map(|e| if e == rule { "schema" } else { e }).collect();
        match (self.xml, errors.is_empty()) {
            (false, _) => "not xml".to_owned(),
            (true, true) => "accept".to_owned(),
            (true, false) => errors.into_iter().collect::<Vec<_>>().join(" "),
        }
    }

    /// Holds it against the case, and against what the published rules say.
    fn held_against(&self, case: &Case, published: Option<(&str, String)>) -> Judged {
        let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let (words, warned) = (self.words(""), self.warnings.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        let mut met = sorted(&words) == sorted(case.get("expect"));
        let mut found = words;
        if let Some(warns) = case.header.get("warns")
            && sorted(warns) != sorted(&warned)
        {
            (met, found) = (false, format!("{found}; warnings {warned:?}"));
        }
        if let Some((published, ours)) = published
            && !agree(published, &ours)
        {
            (met, found) = (false, format!("{found}; the published rules say {published:?}, we say {ours:?}"));
        }
        Judged { found, met }
    }
}

/// What is not even valid may break other rules as well.
fn agree(published: &str, ours: &str) -> bool {
    let by_schema = |words: &str| words.split(' ').any(|word| word == "schema");
    if by_schema(published) { by_schema(ours) } else { published == ours }
}
