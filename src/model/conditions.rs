//! Conditions on lists of messages, in the words in which they are asked for: in a query of the API, in the address of a page, on the
//! command line. They are read here alone, so that each door says the same of what is not understood.

use super::{Direction, IdError, Query, StatusGroup, Timestamp, time};
use crate::limits::LIST_MESSAGES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Words of conditions; all that are given hold, and an empty one is none.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Conditions {
    /// `out` or `in`.
    pub direction: String,
    /// A status, or the word of a [group](StatusGroup).
    pub status: String,
    /// Sender or recipient.
    pub participant: String,
    /// The other access point.
    pub partner: String,
    /// The envelope's id.
    pub envelope_id: String,
    /// The AS4 message's id.
    pub as4_message_id: String,
    /// Any id.
    pub id: String,
    /// `true`: only what operators keep back.
    pub held: String,
    /// Created then or later, as [`moment`] reads it.
    pub since: String,
    /// Created before.
    pub before: String,
    /// At least so old, as `1h`.
    pub older_than: String,
    /// The kind of the last problem.
    pub cause: String,
    /// Only those to which this may be done: a word for those who know what can be done to messages, and not read here.
    pub action: String,
    /// Only those that come after this message.
    pub after: String,
    /// At most so many on a page.
    pub limit: String,
    /// Words that are none of these.
    #[serde(flatten)]
    pub other: BTreeMap<String, String>,
}

impl Conditions {
    /// What is asked of the store.
    ///
    /// # Errors
    ///
    /// What is not understood, and what was expected.
    pub fn read(&self, now: Timestamp) -> Result<Query, String> {
        let old = given(&self.older_than).map(|age| before(age, now)).transpose()?;
        Ok(Query {
            direction: given(&self.direction).map(direction).transpose()?,
            statuses: given(&self.status).map(StatusGroup::statuses).transpose()?.unwrap_or_default(),
            participant: id(&self.participant)?,
            partner: id(&self.partner)?,
            envelope_id: id(&self.envelope_id)?,
            as4_message_id: id(&self.as4_message_id)?,
            // Mail and logs write ids of AS4 messages in brackets.
            named: given(self.id.trim().trim_matches(['<', '>'])).map(str::to_owned),
            conversation_id: None,
            cause: given(&self.cause).map(str::to_owned),
            held: given(&self.held).map_or(Ok(false), flag)?,
            created_before: old.into_iter().chain(named("before", moment(&self.before))?).min(),
            created_since: named("since", moment(&self.since))?,
            after: id(&self.after)?,
            limit: limit(&self.limit)?,
        })
    }

    /// Whether it has no condition, so that every message fulfils it.
    pub fn is_open(&self) -> bool {
        let beside = |name| ["action", "after", "limit"].contains(&name);
        self.words().into_iter().all(|(name, word)| beside(name) || given(word).is_none())
    }

    /// Refuses words that are no conditions.
    ///
    /// # Errors
    ///
    /// The first of them, and which words there are.
    pub fn refuse_others(&self) -> Result<(), String> {
        let Some(word) = self.other.keys().next() else { return Ok(()) };
        Err(format!("found the word {word:?}, expected one of {}", self.words().map(|(name, _)| name).join(", ")))
    }

    /// Every word with its value, which may be empty.
    pub fn words(&self) -> [(&'static str, &str); 15] {
        [
            ("direction", &self.direction),
            ("status", &self.status),
            ("participant", &self.participant),
            ("partner", &self.partner),
            ("envelope_id", &self.envelope_id),
            ("as4_message_id", &self.as4_message_id),
            ("id", &self.id),
            ("held", &self.held),
            ("since", &self.since),
            ("before", &self.before),
            ("older_than", &self.older_than),
            ("cause", &self.cause),
            ("action", &self.action),
            ("after", &self.after),
            ("limit", &self.limit),
        ]
    }
}

/// What a word holds; none where it is empty.
pub fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The name or place in a word; none where it is empty.
///
/// # Errors
///
/// What is wrong with it.
pub fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<Option<T>, String> {
    given(text).map(str::parse).transpose().map_err(|fault: IdError| fault.to_string())
}

/// The time in a word, in UTC, as programs, browsers and logs write it; a day is its beginning.
///
/// # Errors
///
/// What was found and expected.
pub fn moment(text: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = given(text) else { return Ok(None) };
    let candidates = [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    let found = candidates.iter().find_map(|full| full.parse().ok());
    found
        .map(Some)
        .ok_or_else(|| format!("found the time {text:?}, expected one as 2026-11-24T12:00 or 2026-11-24T12:00:00Z"))
}

/// How many a page has: as many as are asked for, or `most`.
///
/// # Errors
///
/// What was found and expected.
pub fn bounded(limit: Option<usize>, most: usize) -> Result<usize, String> {
    let asked = limit.unwrap_or(most);
    let allowed = (1..=most).contains(&asked).then_some(asked);
    allowed.ok_or_else(|| {
        format!("limit: found {asked}, expected 1 to {most} for one page; `next` of the answer leads to the rest")
    })
}

/// With the name of the word that is not understood.
fn named<T>(word: &str, read: Result<T, String>) -> Result<T, String> {
    read.map_err(|fault| format!("{word}: {fault}"))
}

fn limit(text: &str) -> Result<usize, String> {
    let wrong = |_| format!("limit: found {text:?}, expected 1 to {LIST_MESSAGES_MAX}");
    bounded(given(text).map(str::parse).transpose().map_err(wrong)?, LIST_MESSAGES_MAX)
}

fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "out" => Ok(Direction::Out),
        "in" => Ok(Direction::In),
        other => Err(format!("direction: found {other:?}, expected out or in")),
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("held: found {other:?}, expected true or false")),
    }
}

fn before(age: &str, now: Timestamp) -> Result<Timestamp, String> {
    let long = named("older_than", time::duration(age))?;
    now.checked_sub(long).map_err(|_| format!("older_than: found {age}, which is before all time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Conditions {
        let words = pairs.iter().map(|(name, word)| ((*name).to_owned(), (*word).into()));
        serde_json::from_value(serde_json::Value::Object(words.collect())).unwrap()
    }

    #[test]
    fn each_word_is_a_condition_by_its_name_and_others_are_known_as_such() {
        let named: Vec<(&str, &str)> = Conditions::default().words().map(|(name, _)| (name, name)).to_vec();
        let all = of(&named);
        assert!(all.words().iter().all(|(name, word)| name == word) && all.refuse_others().is_ok(), "{all:?}");
        let refused = of(&[("direktion", "out")]).refuse_others().unwrap_err();
        assert!(refused.contains("\"direktion\"") && refused.contains("direction, status"), "{refused}");
    }

    #[test]
    fn what_is_not_understood_is_said_with_what_was_expected() {
        let now = "2026-11-24T12:30:00Z".parse().unwrap();
        for (word, value, part) in [
            ("direction", "up", "expected out or in"),
            ("status", "LOST", "WAITING_FOR_RECEIPT"),
            ("participant", "digg.se", "0203:digg.se"),
            ("held", "perhaps", "true or false"),
            ("since", "yesterday", "since: found the time \"yesterday\", expected one as 2026-11-24T12:00"),
            ("older_than", "1", "30s or 12m"),
            ("older_than", "-1h", "older_than: found"),
            ("older_than", "99999999999999999d", "before all time"),
            ("limit", "0", "found 0, expected 1 to 1000"),
            ("limit", "-1", "limit: found"),
        ] {
            let refused = of(&[(word, value)]).read(now).unwrap_err();
            assert!(refused.contains(part), "{part} in {refused}");
        }
        let query = of(&[("older_than", "1h"), ("before", "2026-11-24"), ("held", "1"), ("id", "<1@us>")]).read(now);
        let query = query.unwrap();
        assert_eq!(query.created_before, "2026-11-24T00:00:00Z".parse().ok(), "the narrower one of the two");
        assert!(query.held && query.named.as_deref() == Some("1@us") && query.limit == LIST_MESSAGES_MAX);
    }

    #[test]
    fn times_are_read_as_browsers_and_logs_write_them() {
        let full = "2026-11-24T12:30:00Z".parse().ok();
        for text in ["2026-11-24T12:30", "2026-11-24T12:30:00", "2026-11-24T12:30:00Z", "2026-11-24T13:30:00+01:00"] {
            assert_eq!(moment(text), Ok(full), "{text}");
        }
        assert_eq!(moment("2026-11-24"), Ok("2026-11-24T00:00:00Z".parse().ok()));
        assert_eq!(moment(" "), Ok(None));
    }
}
