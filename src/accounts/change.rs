//! Changes of accounts and tokens on their way into the event log.
//!
//! A command writes each change into the file of accounts, in the same step as the change itself; the daemon moves it from there into
//! the log. What the log knows of all accounts is noted with it, so that a file that was changed by other means shows.

use super::book::Book;
use super::role::{Name, Role};
use super::sessions::secret;
use crate::crypto::sha256_hex;
use crate::model::{Event, ParticipantId, Stage, Timestamp, Warrant};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What somebody has who is let in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
enum Thing {
    Account,
    Token,
}

/// What is said of an account or token. Nothing of it opens anything.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Entry {
    thing: Thing,
    name: Name,
    role: Role,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    participants: Vec<ParticipantId>,
    #[serde(default)]
    locked: bool,
    /// SHA-256 of what is kept of its password or secret, which is a hash with 128 random bits or of 256.
    secret: String,
    /// SHA-256 of all that is kept of it.
    whole: String,
}

/// A change that the log does not have yet, or had a moment ago.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    id: String,
    at: Timestamp,
    by: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Entry>,
}

/// What the event log knows of accounts and tokens: noted together with its events.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Recorded {
    entries: Vec<Entry>,
    /// Changes that it has, of those that the file had last.
    moved: Vec<String>,
}

type Key = (Thing, Name);

impl Entry {
    /// All of a book.
    pub(super) fn all(book: &Book) -> Vec<Self> {
        let whole = |of: serde_json::Result<Vec<u8>>| sha256_hex(&of.unwrap_or_default());
        let accounts = book.accounts.iter().map(|account| Self {
            thing: Thing::Account,
            name: account.name.clone(),
            role: account.role,
            participants: account.participants.clone(),
            locked: account.locked,
            secret: sha256_hex(account.password().unwrap_or_default().as_bytes()),
            whole: whole(serde_json::to_vec(account)),
        });
        let tokens = book.tokens.iter().map(|token| Self {
            thing: Thing::Token,
            name: token.name.clone(),
            role: token.role,
            participants: token.participants.clone(),
            locked: false,
            secret: sha256_hex(token.sha256().as_bytes()),
            whole: whole(serde_json::to_vec(token)),
        });
        accounts.chain(tokens).collect()
    }

    fn key(&self) -> Key {
        (self.thing, self.name.clone())
    }

    fn named(&self) -> String {
        let thing = match self.thing {
            Thing::Account => "account",
            Thing::Token => "token",
        };
        format!("the {thing} {}", self.name)
    }

    fn rights(&self) -> String {
        let locked = if self.locked { ", locked" } else { "" };
        let participants = self.participants.iter().map(|participant| format!(" {participant}")).collect::<String>();
        format!("{}{locked}{participants}", self.role.word())
    }
}

/// What became of an account or token.
fn sentence(before: Option<&Entry>, after: Option<&Entry>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => {
            let rights = (before.role, &before.participants) != (after.role, &after.participants);
            let changed = [
                (rights, "role"),
                (before.locked != after.locked, "lock"),
                (before.secret != after.secret, "password or secret"),
            ];
            let changed: Vec<&str> =
                changed.into_iter().filter(|(changed, _)| *changed).map(|(_, what)| what).collect();
            let what = if changed.is_empty() { "nothing of its rights".to_owned() } else { changed.join(", ") };
            format!("{} was changed ({what}): {}", after.named(), after.rights())
        }
        (None, Some(after)) => format!("{} was added: {}", after.named(), after.rights()),
        (Some(before), None) => format!("{} was removed: {}", before.named(), before.rights()),
        (None, None) => "nothing was changed".to_owned(),
    }
}

fn by_key(entries: &[Entry]) -> BTreeMap<Key, Entry> {
    entries.iter().map(|entry| (entry.key(), entry.clone())).collect()
}

/// What differs, by name.
fn differences(before: &BTreeMap<Key, Entry>, after: &BTreeMap<Key, Entry>) -> Vec<(Option<Entry>, Option<Entry>)> {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let pairs = keys.into_iter().map(|key| (before.get(key).cloned(), after.get(key).cloned()));
    pairs.filter(|(before, after)| before != after).collect()
}

/// The changes from one state to the next.
pub(super) fn changes(before: &[Entry], after: &[Entry], warrant: &Warrant, at: Timestamp) -> Vec<Change> {
    let found = differences(&by_key(before), &by_key(after)).into_iter();
    let change = |(before, after)| Change {
        id: secret(),
        at,
        by: warrant.actor().to_owned(),
        reason: warrant.reason().to_owned(),
        before,
        after,
    };
    found.map(change).collect()
}

impl Change {
    fn event(&self) -> Event {
        let said = sentence(self.before.as_ref(), self.after.as_ref());
        // Who may write the file is its owner.
        Event::new(self.at, None, Stage::AccessChanged, said)
            .fact("actor", "owner")
            .fact("by", &self.by)
            .fact("reason", &self.reason)
    }
}

impl Recorded {
    /// Whether the log has this change.
    pub(super) fn has(&self, change: &Change) -> bool {
        self.moved.contains(&change.id)
    }

    /// What the log knows after these events: one for each change that it does not have, and one for each account or token that
    /// is not as the changes left it.
    pub(super) fn after(&self, book: &Book, now: Timestamp) -> (Self, Vec<Event>) {
        let (mut known, mut events) = (by_key(&self.entries), Vec::new());
        let by_hand = |before: Option<&Entry>, after: Option<&Entry>| {
            let said = format!(
                "the file of accounts was changed by other means than its commands: {}",
                sentence(before, after)
            );
            Event::new(now, None, Stage::AccessChanged, said).fact("actor", "owner")
        };
        for change in book.changes().iter().filter(|change| !self.has(change)) {
            let Some(key) = change.after.as_ref().or(change.before.as_ref()).map(Entry::key) else { continue };
            if known.get(&key) != change.before.as_ref() {
                events.push(by_hand(known.get(&key), change.before.as_ref()));
            }
            events.push(change.event());
            match &change.after {
                Some(entry) => drop(known.insert(key, entry.clone())),
                None => drop(known.remove(&key)),
            }
        }
        let entries = Entry::all(book);
        let others = differences(&known, &by_key(&entries));
        events.extend(others.iter().map(|(before, after)| by_hand(before.as_ref(), after.as_ref())));
        let moved: Vec<String> = book.changes().iter().map(|change| change.id.clone()).collect();
        (Self { entries, moved: if moved.is_empty() { self.moved.clone() } else { moved } }, events)
    }
}
