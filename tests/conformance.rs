//! Every file below `conformance/` is one case: its header says what must happen, and the right refusal is required.
//!
//! `published` is what the published schema and Schematron say by other people's engines (libxml2 and Saxon), so our
//! own checks are held against theirs wherever the level is theirs.

use sluss::model::Finding;
use sluss::sdk::{message, receipt};
use sluss::xhe::{self, Level};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The keys that a header may have.
const KEYS: [&str; 9] =
    ["spec", "expect", "origin", "comment", "known-failure", "published", "level", "warns", "receipt"];

#[test]
fn xhe_envelopes() {
    run("xhe", |case| {
        let judged = |level| match xhe::check(&case.input[..], level) {
            Ok(checked) => said(&checked.findings),
            Err(_) => Said::not_xml(),
        };
        if let Some(published) = case.header.get("published") {
            agree(case, published, &judged(Level::Schematron).words("XHE-2.5.a").0);
        }
        let at_text = case.header.get("level").is_none_or(|level| level != "schematron");
        judged(if at_text { Level::Text } else { Level::Schematron })
    });
}

#[test]
fn sdk_messages_and_the_message_receipts_they_get() {
    run("message", |case| {
        let (judged, answer) = match message::check(&case.input[..]) {
            Ok(checked) => {
                let outcome = checked.outcome();
                let causes: BTreeSet<String> =
                    outcome.causes().iter().map(|cause| format!(" {} {}", cause.code.word(), cause.detail)).collect();
                (said(&checked.findings), outcome.word().to_owned() + &causes.into_iter().collect::<String>())
            }
            Err(_) => (Said::not_xml(), "none".to_owned()),
        };
        assert_eq!(answer, case.header["receipt"], "{}: the message receipt", case.name);
        agree(case, &case.header["published"], &judged.words("MSG-5.3.t02").0);
        judged
    });
}

#[test]
fn message_receipts() {
    run("receipt", |case| {
        let judged = receipt::check(&case.input).map_or_else(|_| Said::not_xml(), |checked| said(&checked.findings));
        agree(case, &case.header["published"], &judged.words("KVITT-3.4.a").0);
        judged
    });
}

/// Holds our verdict against that of the published rules. What is not even valid may break other rules as well.
fn agree(case: &Case, published: &str, found: &str) {
    let by_schema = |words: &str| words.split(' ').any(|word| word == "schema");
    let same = if by_schema(published) { by_schema(found) } else { published == found };
    assert!(same, "{}: the published rules say {published:?}, we say {found:?}", case.name);
}

/// One file.
struct Case {
    name: String,
    header: BTreeMap<String, String>,
    input: Vec<u8>,
}

/// What a check said: the rules of its errors and of its warnings.
struct Said {
    xml: bool,
    errors: BTreeSet<String>,
    warnings: BTreeSet<String>,
}

impl Said {
    fn not_xml() -> Self {
        Self { xml: false, errors: BTreeSet::new(), warnings: BTreeSet::new() }
    }

    /// The words of `expect` and of `warns`; a violation of the schema, which is `rule`, as `schema`.
    fn words(&self, rule: &str) -> (String, String) {
        let errors = self.errors.iter().map(|e| if e == rule { "schema" } else { e });
        (self.verdict(errors.collect()), self.warnings.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }

    fn verdict(&self, errors: BTreeSet<&str>) -> String {
        match (self.xml, errors.is_empty()) {
            (false, _) => "not xml".to_owned(),
            (true, true) => "accept".to_owned(),
            (true, false) => errors.into_iter().collect::<Vec<_>>().join(" "),
        }
    }
}

fn said(findings: &[Finding]) -> Said {
    let rules = |error: bool| findings.iter().filter(|f| f.is_error() == error).map(|f| f.rule.clone()).collect();
    Said { xml: true, errors: rules(true), warnings: rules(false) }
}

/// Runs the cases of a suite. A known failure that is none any more fails as well: its line must then go.
fn run(suite: &str, check: impl Fn(&Case) -> Said) {
    let mut wrong = Vec::new();
    for case in cases(suite) {
        let (found, warned) = check(&case).words("");
        let sorted = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let same = sorted(&found) == sorted(&case.header["expect"])
            && case.header.get("warns").is_none_or(|warns| sorted(warns) == sorted(&warned));
        match (case.header.get("known-failure"), same) {
            (None, false) => wrong.push(format!(
                "{suite}/{} ({}): found {found:?} (warnings {warned:?}), expected {:?}: {}",
                case.name, case.header["spec"], case.header["expect"], case.header["comment"]
            )),
            (Some(why), true) => wrong.push(format!("{suite}/{} passes now, though: {why}", case.name)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cases(suite: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(suite);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut cases: Vec<Case> = files.map(|file| read(&file.expect("the folder can be listed").path())).collect();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn read(path: &Path) -> Case {
    let bytes = std::fs::read(path).expect("a case can be read");
    let end = bytes.windows(2).position(|two| two == b"\n\n").expect("an empty line ends the header");
    let head = std::str::from_utf8(&bytes[..end]).expect("the header is UTF-8");
    let header: BTreeMap<String, String> = head
        .lines()
        .map(|line| line.split_once(": ").expect("a header line is `key: value`"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let unknown: Vec<&String> = header.keys().filter(|key| !KEYS.contains(&key.as_str())).collect();
    assert!(unknown.is_empty(), "{name}: unknown keys {unknown:?}");
    Case { name, header, input: bytes[end + 2..].to_vec() }
}
