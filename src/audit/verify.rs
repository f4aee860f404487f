//! The whole chain, held against what others have of it.

use super::Anchor;
use crate::model::{IdError, Timestamp};
use crate::store::StoreError;
use crate::store::chain::{AcceptedLoss, follow};
use crate::store::journal::{Cause, ChainHash, hex};
use crate::store::verify::end_lost;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// A chain hash that somebody noted: the journal must have it, too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expected {
    /// Of which record.
    pub record: u64,
    /// In lower-case hexadecimal.
    pub chain: String,
    /// When it was signed, where it is an anchor.
    pub at: Option<Timestamp>,
}

impl From<&Anchor> for Expected {
    fn from(anchor: &Anchor) -> Self {
        Self { record: anchor.record, chain: anchor.chain.clone(), at: Some(anchor.at) }
    }
}

impl FromStr for Expected {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parts = text.split_once(':').filter(|(_, chain)| hash(chain));
        let read = parts.and_then(|(record, chain)| Some((record.parse().ok()?, chain.to_lowercase())));
        read.map(|(record, chain)| Self { record, chain, at: None }).ok_or_else(|| IdError {
            what: "record and chain hash",
            found: text.chars().take(100).collect(),
            expected: "RECORD:HASH, the number of a record and 64 hexadecimal digits",
        })
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whether everything that was looked at holds.
    pub whole: bool,
    /// Whether a daemon was writing meanwhile.
    pub in_use: bool,
    /// Number of the last record that is gone, as the chain itself says, because its time was over (`retention.log_days`); 0 where
    /// none is.
    pub gone: u64,
    /// Number of the last record that holds.
    pub records: u64,
    /// The chain hash with it: note it with its number, and give it as `--expect` the next time.
    pub chain: Option<String>,
    /// The same two, for those who sign it.
    #[serde(skip)]
    pub end: Option<(u64, [u8; 32])>,
    /// Expected hashes, and how many of them the chain has.
    pub anchors: Anchors,
    /// From this record on nothing but the chain itself says that the end is there: the last expected one that was found.
    pub anchored: u64,
    /// Losses of the journal's end that operators accepted: no fault of the chain, which has the records that say so.
    pub accepted_losses: Vec<AcceptedLoss>,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// How the expected hashes were found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Anchors {
    /// Given.
    pub given: u64,
    /// The chain has them.
    pub found: u64,
}

/// One thing that does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// `changed`, `rewritten`, `reordered`, `cut-out`, `version`; `end-cut`: records that were there are not; `torn`: what is
    /// behind the last record is none; `anchor`: an anchor that is not to be believed.
    pub cause: &'static str,
    /// What was found and expected.
    pub what: String,
    /// The place: segment, offset, record.
    pub place: Option<String>,
    /// The record from which nothing is proven.
    pub record: u64,
    /// What to do.
    pub remedy: &'static str,
}

const RESTORE: &str =
    "keep the folder as it is for the investigation, and restore the last backup whose chain holds into another one";
const TORN: &str = "where the machine had stopped, the next start cuts it, and nobody was told of it; where it had not, the last record was changed: hold it against an anchor";

/// Follows the chain in `folder` and holds it against `expected`. Nothing is changed; a daemon may be writing meanwhile.
///
/// # Errors
///
/// Where there is no store, or the disk cannot be read.
pub fn verify(folder: &Path, hash: ChainHash, expected: &[Expected]) -> Result<Verified, StoreError> {
    let mut open: BTreeMap<u64, Vec<&Expected>> = BTreeMap::new();
    expected.iter().for_each(|one| open.entry(one.record).or_default().push(one));
    let (mut findings, mut found, mut anchored) = (Vec::new(), 0, 0);
    let followed = follow(folder, hash, &mut |link| {
        for one in open.remove(&link.seq).unwrap_or_default() {
            if one.chain == hex(&link.chain) {
                (found, anchored) = (found + 1, link.seq);
            } else {
                findings.push(rewritten(one, &hex(&link.chain)));
            }
        }
        Ok(())
    })?;
    let broken = followed.damage.iter().map(|(_, (_, place))| place.record).min();
    findings.extend(followed.damage.iter().map(|(cause, (what, place))| Finding {
        cause: word(*cause),
        what: what.clone(),
        place: Some(place.to_string()),
        record: place.record,
        remedy: RESTORE,
    }));
    findings.extend(followed.end_cut.map(|(what, place)| Finding {
        cause: "end-cut",
        what,
        place: Some(place.to_string()),
        record: place.record,
        remedy: end_lost(place.record),
    }));
    if let Some((bytes, place)) = followed.torn {
        let what = format!("{bytes} bytes behind the last record are no record");
        let record = followed.last.map_or(0, |(seq, _)| seq) + 1;
        findings.push(Finding { cause: "torn", what, place: Some(place), record, remedy: TORN });
    }
    let last = followed.last.map_or(0, |(seq, _)| seq);
    // What is expected of records that retention removed is there no more to be looked at; that they went is in the chain.
    let gone = followed.dropped.as_ref().map_or(0, |dropped| dropped.records);
    for one in open.remove(&gone).unwrap_or_default() {
        match followed.dropped.as_ref().filter(|dropped| dropped.chain != one.chain) {
            Some(dropped) => findings.push(rewritten(one, &dropped.chain)),
            None => (found, anchored) = (found + u64::from(gone > 0), anchored.max(gone)),
        }
    }
    open.retain(|record, _| *record > gone);
    // Behind damage, what was not reached is not missed; the damage says it.
    let missed = open.into_values().flatten().filter(|one| broken.is_none_or(|broken| one.record < broken));
    findings.extend(missed.filter(|one| one.record > 0).map(|one| end_cut(one, last)));
    Ok(Verified {
        whole: findings.is_empty(),
        in_use: followed.in_use,
        gone,
        records: last,
        chain: followed.last.map(|(_, chain)| hex(&chain)),
        end: followed.last,
        anchors: Anchors { given: expected.len() as u64, found },
        anchored,
        accepted_losses: followed.accepted,
        findings,
    })
}

impl Verified {
    /// With anchors that are not to be believed: of which record, and why.
    #[must_use]
    pub fn doubting(mut self, doubted: Vec<(u64, String)>) -> Self {
        self.anchors.given += doubted.len() as u64;
        self.findings.extend(doubted.into_iter().map(|(record, what)| Finding {
            cause: "anchor",
            what,
            place: None,
            record,
            remedy: "give the file as it was written, or the configuration whose authority issued the certificate",
        }));
        self.whole = self.findings.is_empty();
        self
    }
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::Changed => "changed",
        Cause::Rewritten => "rewritten",
        Cause::Reordered => "reordered",
        Cause::CutOut => "cut-out",
        Cause::Version => "version",
    }
}

fn rewritten(expected: &Expected, found: &str) -> Finding {
    let by = said(expected);
    Finding {
        cause: "rewritten",
        what: format!("record {} has chain hash {found}, expected {}{by}", expected.record, expected.chain),
        place: None,
        record: expected.record,
        remedy: RESTORE,
    }
}

fn end_cut(expected: &Expected, last: u64) -> Finding {
    let by = said(expected);
    Finding {
        cause: "end-cut",
        what: format!("the journal ends with record {last}, expected record {} and more{by}", expected.record),
        place: None,
        record: last + 1,
        remedy: RESTORE,
    }
}

fn said(expected: &Expected) -> String {
    expected.at.map(|at| format!(", as the anchor of {at} says")).unwrap_or_default()
}
