//! Roles, and whoever has one.

use super::permission::{Need, Permission};
use crate::model::{Fault, ParticipantId, Problem};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What somebody may do with messages of others. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing: a person or system of a participant, with its own mailbox or envelopes only.
    Participant,
    /// Sees queues, journeys, refusals and states.
    Viewer,
    /// Acts on messages: retries, cancels, holds, releases.
    Operator,
    /// Manages accounts, and acts on the whole.
    Admin,
    /// Whoever can read the data folder. Nobody is given this role.
    Owner,
}

impl Role {
    /// The roles that an account or a token can have.
    pub const GIVEN: [Self; 4] = [Self::Participant, Self::Viewer, Self::Operator, Self::Admin];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for Role {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::GIVEN.into_iter().find(|role| role.word() == text).ok_or_else(|| {
            let detail = format!("found the role {text:?}, expected viewer, operator, admin or participant");
            Problem::new(Fault::Usage, "role", "there is no such role", detail)
        })
    }
}

/// The mailboxes and envelopes that somebody may open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mailboxes {
    /// Those of these participants, perhaps none.
    Of(Vec<ParticipantId>),
    /// All: the owner's.
    All,
}

/// A name of an account or a token: 1 to 64 of `a`-`z`, `0`-`9`, `.`, `-`, `_` and `@`, beginning with a letter or digit.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 64;

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = Problem;

    /// Large letters are taken as small ones: people type both.
    fn from_str(text: &str) -> Result<Self, Problem> {
        let name = text.trim().to_ascii_lowercase();
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_@".contains(&b);
        let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if begins && name.len() <= NAME_CHARS_MAX && name.bytes().all(known) {
            return Ok(Self(name));
        }
        let detail = format!(
            "found {:?}, expected 1 to {NAME_CHARS_MAX} of a-z, 0-9 and .-_@, beginning with a letter or digit",
            text.chars().take(NAME_CHARS_MAX).collect::<String>()
        );
        Err(Problem::new(Fault::Usage, "name", "not a name of an account or token", detail))
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|problem: Problem| problem.detail)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Somebody who has shown who they are. Made by [`super::Access`] only, so an actor in an event was verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    name: String,
    role: Role,
    mailboxes: Mailboxes,
}

impl Actor {
    pub(super) fn account(name: &Name, role: Role, participants: &[ParticipantId]) -> Self {
        Self { name: name.to_string(), role, mailboxes: Mailboxes::Of(participants.to_vec()) }
    }

    pub(super) fn token(name: &Name, role: Role, participants: &[ParticipantId]) -> Self {
        Self { name: format!("token:{name}"), role, mailboxes: Mailboxes::Of(participants.to_vec()) }
    }

    pub(super) fn owner() -> Self {
        Self { name: "owner".into(), role: Role::Owner, mailboxes: Mailboxes::All }
    }

    /// An actor for tests of pages.
    #[cfg(test)]
    pub(crate) fn made_up(role: Role, participants: &[&str]) -> Self {
        let participants = participants.iter().map(|id| id.parse().unwrap()).collect();
        let mailboxes = if role == Role::Owner { Mailboxes::All } else { Mailboxes::Of(participants) };
        Self { name: format!("a-{}", role.word()), role, mailboxes }
    }

    /// Who it is, as events and log lines say it: `kim`, `token:nightly` or `owner`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Which mailboxes it may open.
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// Whether it may do this. A mailbox has to be asked for as well: [`Self::may_open`].
    pub fn may(&self, permission: Permission) -> bool {
        match permission.need() {
            Need::Nothing | Need::Anybody => true,
            Need::Mailbox => self.mailboxes != Mailboxes::Of(Vec::new()),
            Need::Role(role) => self.role >= role,
        }
    }

    /// Whether it may open mailbox and envelopes of a participant, and write for it.
    pub fn may_open(&self, participant: &ParticipantId) -> bool {
        match &self.mailboxes {
            Mailboxes::All => true,
            Mailboxes::Of(own) => own.contains(participant),
        }
    }

    /// Refuses what it may not do, with the reason.
    ///
    /// # Errors
    ///
    /// `forbidden`, with what was found and expected.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) {
            return Ok(());
        }
        let detail = match permission.need() {
            Need::Mailbox => format!(
                "{} has the role {} and no mailbox: contents are for participants' own accounts, never for operators \
                 (`sluss accounts add NAME --role participant --participant ID`)",
                self.name,
                self.role.word()
            ),
            Need::Role(Role::Owner) => format!(
                "{} has the role {}, expected the token in the data folder (api.token)",
                self.name,
                self.role.word()
            ),
            Need::Role(role) => format!(
                "{} has the role {}, expected {} or more; an administrator can change that",
                self.name,
                self.role.word(),
                role.word()
            ),
            Need::Nothing | Need::Anybody => String::new(),
        };
        Err(forbidden(detail))
    }

    /// Refuses a mailbox that is not its own, with the reason.
    ///
    /// # Errors
    ///
    /// `forbidden`, with what was found and expected.
    pub fn require_mailbox(&self, participant: &ParticipantId) -> Result<(), Problem> {
        self.require(Permission::Mailbox)?;
        if self.may_open(participant) {
            return Ok(());
        }
        Err(forbidden(format!(
            "{} is not bound to {participant}; its mailbox and envelopes are for its own accounts and tokens",
            self.name
        )))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn forbidden(detail: String) -> Problem {
    Problem::new(Fault::Refused, "forbidden", "that is not allowed", detail).rule("ISEC-7.3.1.C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_small_plain_and_short() {
        assert_eq!("Kim.Ek@example.se".parse::<Name>().unwrap().as_str(), "kim.ek@example.se");
        for wrong in ["", " ", ".kim", "kim ek", "kim\n", "åsa", "token:x", "../kim", &"k".repeat(65)] {
            let read = wrong.parse::<Name>();
            assert!(read.is_err() || wrong == "kim\n", "{wrong:?}");
        }
    }

    #[test]
    fn a_role_may_do_what_those_below_it_may_and_contents_are_for_participants() {
        let operator = Actor::made_up(Role::Operator, &[]);
        assert!(operator.may(Permission::See) && operator.may(Permission::Operate));
        assert!(!operator.may(Permission::Administer) && !operator.may(Permission::Mailbox));
        let problem = operator.require(Permission::Mailbox).unwrap_err();
        assert!(problem.detail.contains("role operator") && problem.detail.contains("participant"), "{problem}");
        let clerk = Actor::made_up(Role::Participant, &["0203:a.se"]);
        assert!(clerk.may(Permission::Mailbox) && !clerk.may(Permission::See));
        assert!(clerk.require_mailbox(&"0203:a.se".parse().unwrap()).is_ok());
        let problem = clerk.require_mailbox(&"0203:b.se".parse().unwrap()).unwrap_err();
        assert!(problem.detail.contains("0203:b.se"), "{problem}");
        assert!(Actor::made_up(Role::Owner, &[]).require_mailbox(&"0203:b.se".parse().unwrap()).is_ok());
    }

    #[test]
    fn nobody_is_given_the_role_of_the_owner() {
        assert!("owner".parse::<Role>().is_err());
        assert_eq!("admin".parse::<Role>().unwrap(), Role::Admin);
    }
}
