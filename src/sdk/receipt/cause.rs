//! What a message receipt says, and which finding gives which cause (MSG-5.3, KVITT-4).

use crate::model::Finding;
use serde::Serialize;

/// Most causes given in one receipt.
const CAUSES_MAX: usize = 10;

/// The cause code (orsakskod, KVITT-4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CauseCode {
    /// Schema violation.
    Sv,
    /// Business rule violation.
    Bv,
    /// Not correctly signed.
    Sig,
}

impl CauseCode {
    /// The code as written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sv => "SV",
            Self::Bv => "BV",
            Self::Sig => "SIG",
        }
    }

    /// Reads a code.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Sv, Self::Bv, Self::Sig].into_iter().find(|code| code.word() == word)
    }
}

/// One cause of a rejection.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Cause {
    /// Cause code.
    pub code: CauseCode,
    /// Detail code (StatusReasonCode): `structure`, `invariant`, `security` …; empty where a peer gives none.
    pub detail: String,
    /// Where: an XPath, or `NA` (KVITT-3.1.g).
    pub line: String,
    /// Detail text. Never holds content of the message.
    pub reason: String,
}

/// What is answered to a message.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Without deviation.
    Accepted,
    /// With at least one cause (R8-APP).
    Rejected(Vec<Cause>),
}

impl Outcome {
    /// The outcome of the errors among some findings. Violations of the schema come alone, since rules say
    /// little of what is not even valid.
    pub fn of(findings: &[Finding]) -> Self {
        let causes: Vec<Cause> = findings.iter().filter(|f| f.is_error()).map(Cause::of).collect();
        let structural = causes.iter().any(|cause| cause.code == CauseCode::Sv);
        let kept: Vec<Cause> =
            causes.into_iter().filter(|c| !structural || c.code == CauseCode::Sv).take(CAUSES_MAX).collect();
        if kept.is_empty() { Self::Accepted } else { Self::Rejected(kept) }
    }

    /// `ACCEPTED` or `REJECTED`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Rejected(_) => "REJECTED",
        }
    }

    /// The causes; none for an acceptance.
    pub fn causes(&self) -> &[Cause] {
        match self {
            Self::Accepted => &[],
            Self::Rejected(causes) => causes,
        }
    }
}

impl Cause {
    /// The cause that a finding gives, by its rule. What no line names is a violation of the schema.
    pub fn of(finding: &Finding) -> Self {
        let (code, detail) = match finding.rule.as_str() {
            "MSG-SCH-6" => (CauseCode::Bv, "structure"),
            "MSG-3.2.t01" | "MSG-4.3.2.2.t01" => (CauseCode::Bv, "invariant"),
            rule if rule.starts_with("MSG-SCH-") => (CauseCode::Bv, "invariant"),
            "MSG-4.3.2.1.t01" | "MSG-4.3.2.3.t03" | "MSG-5.3.t13" => (CauseCode::Bv, "security"),
            "MSG-3.2.t09" | "MSG-5.3.t09" => (CauseCode::Bv, "not-found"),
            "MSG-5.3.t03" => (CauseCode::Bv, "forbidden"),
            "MSG-5.3.t04" => (CauseCode::Bv, "too-long"),
            "MSG-5.3.t06" => (CauseCode::Bv, "duplicate"),
            "MSG-5.3.t08" | "MSG-5.3.t11" => (CauseCode::Bv, "not-supported"),
            "MSG-5.3.t12" | "MSG-5.3.t14" | "MSG-4.3.2.2.t04" => (CauseCode::Sig, "security"),
            _ => (CauseCode::Sv, "structure"),
        };
        let line = if finding.path.starts_with('/') { finding.path.replace('/', "/*:") } else { "NA".to_owned() };
        Self {
            code,
            detail: detail.to_owned(),
            line,
            reason: format!("{}: found {}, expected {}", finding.rule, finding.found, finding.expected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, CauseCode, Outcome};
    use crate::model::Finding;

    #[test]
    fn each_rule_gives_the_cause_and_detail_of_the_specification() {
        for (rule, code, detail) in [
            ("MSG-5.3.t02", CauseCode::Sv, "structure"),
            ("MSG-5.3.t04", CauseCode::Bv, "too-long"),
            ("MSG-5.3.t06", CauseCode::Bv, "duplicate"),
            ("MSG-5.3.t09", CauseCode::Bv, "not-found"),
            ("MSG-5.3.t12", CauseCode::Sig, "security"),
            ("MSG-5.3.t13", CauseCode::Bv, "security"),
            ("MSG-5.3.t14", CauseCode::Sig, "security"),
            ("MSG-SCH-4", CauseCode::Bv, "invariant"),
            ("MSG-SCH-6", CauseCode::Bv, "structure"),
        ] {
            let cause = Cause::of(&Finding::error(rule, "", "x", "y"));
            assert_eq!((cause.code, cause.detail.as_str(), cause.line.as_str()), (code, detail, "NA"), "{rule}");
        }
    }

    #[test]
    fn what_is_not_valid_gets_no_business_rule_violations() {
        let findings =
            [Finding::error("MSG-SCH-4", "/a/b", "x", "y"), Finding::error("MSG-5.3.t02", "/a/b[2]", "x", "y")];
        let Outcome::Rejected(causes) = Outcome::of(&findings) else { panic!("accepted") };
        assert_eq!(
            causes.iter().map(|c| (c.code, c.line.as_str())).collect::<Vec<_>>(),
            [(CauseCode::Sv, "/*:a/*:b[2]")]
        );
        assert_eq!(Outcome::of(&[Finding::warning("MSG-SCH-4", "", "x", "y")]), Outcome::Accepted);
    }
}
