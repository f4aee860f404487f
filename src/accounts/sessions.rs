//! Sessions of browsers: a random id in a cookie, of which only the digest is kept, in memory. A restart ends them all.

use super::role::Actor;
use crate::crypto::{Digest, HashFunction, Random, SystemRandom, equal, hex};
use crate::limits::{SESSIONS_MAX, SESSIONS_OF_ONE_MAX};
use crate::model::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When sessions end by themselves.
#[derive(Clone, Copy, Debug)]
pub struct SessionTimes {
    /// Without a request.
    pub idle: Duration,
    /// Whatever is done in them.
    pub absolute: Duration,
}

impl Default for SessionTimes {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), absolute: Duration::from_secs(8 * 60 * 60) }
    }
}

/// A request's session: who it is, and the secret of the forms that it may send.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who it is.
    pub actor: Actor,
    csrf: String,
}

impl Session {
    pub(super) fn new(actor: Actor, csrf: String) -> Self {
        Self { actor, csrf }
    }

    /// A session for tests of pages.
    #[cfg(test)]
    pub(crate) fn made_up(role: super::Role) -> Self {
        Self { actor: Actor::made_up(role, &[]), csrf: "c5f".into() }
    }

    /// What every form of this session carries.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a form comes from a page of this session. Takes equally long wherever they differ.
    pub fn is_own_form(&self, claimed: &str) -> bool {
        equal(self.csrf.as_bytes(), claimed.as_bytes())
    }
}

/// Who asks in a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// Somebody at the browser: the session counts as used.
    Person,
    /// A page that follows what happens, whether somebody is there or not.
    Page,
}

/// Whose a session is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// An account's, as long as it has this stamp.
    Account { name: String, stamp: String },
    /// The owner's, by a one-time log-in.
    Owner,
}

/// What is kept under a secret that only its holder knows.
type Secret = [u8; 32];

#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) whose: Whose,
    pub(super) csrf: String,
    begun: Timestamp,
    used: Timestamp,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    times: SessionTimes,
    kept: Mutex<HashMap<Secret, Kept>>,
}

impl Sessions {
    pub(super) fn new(times: SessionTimes) -> Self {
        Self { times, kept: Mutex::default() }
    }

    /// A new session; its id is nowhere but in what is returned.
    pub(super) fn begin(&self, whose: Whose, now: Timestamp) -> String {
        let id = secret();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, session| self.lasts(session, now));
        let of_one = |session: &Kept| same_person(&session.whose, &whose);
        while kept.values().filter(|session| of_one(session)).count() >= SESSIONS_OF_ONE_MAX {
            forget_oldest(&mut kept, of_one);
        }
        while kept.len() >= SESSIONS_MAX {
            forget_oldest(&mut kept, |_| true);
        }
        kept.insert(digest(&id), Kept { whose, csrf: secret(), begun: now, used: now });
        id
    }

    /// The session of an id, where it has not ended.
    pub(super) fn find(&self, id: &str, by: By, now: Timestamp) -> Option<Kept> {
        let key = digest(id);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let session = kept.get_mut(&key)?;
        if !self.lasts(session, now) {
            kept.remove(&key);
            return None;
        }
        if by == By::Person {
            session.used = session.used.max(now);
        }
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(id));
    }

    fn lasts(&self, session: &Kept, now: Timestamp) -> bool {
        let within = |since: Timestamp, limit: Duration| {
            // A clock that was set back does not end anything; the limits then count from where it is.
            Duration::try_from(now.duration_since(since)).map_or(true, |age| age < limit)
        };
        within(session.used, self.times.idle) && within(session.begun, self.times.absolute)
    }
}

fn same_person(one: &Whose, other: &Whose) -> bool {
    match (one, other) {
        (Whose::Account { name: one, .. }, Whose::Account { name: other, .. }) => one == other,
        (one, other) => one == other,
    }
}

fn forget_oldest(kept: &mut HashMap<Secret, Kept>, of: impl Fn(&Kept) -> bool) {
    let oldest = kept.iter().filter(|(_, session)| of(session)).min_by_key(|(_, session)| session.used);
    let oldest = oldest.map(|(key, _)| *key);
    oldest.map(|oldest| kept.remove(&oldest));
}

/// 256 random bits, in hexadecimal.
pub(super) fn secret() -> String {
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes);
    hex(&bytes)
}

/// What is kept of a secret: it has 256 random bits, so a plain digest cannot be searched for.
pub(super) fn digest(secret: &str) -> Secret {
    let mut key = [0; 32];
    key.copy_from_slice(&Digest::of(HashFunction::Sha256, secret.as_bytes()));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn kim() -> Whose {
        Whose::Account { name: "kim".into(), stamp: "1".into() }
    }

    fn sessions() -> Sessions {
        Sessions::new(SessionTimes { idle: Duration::from_secs(600), absolute: Duration::from_secs(3600) })
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_at_last_in_any_case() {
        let all = sessions();
        let id = all.begin(kim(), at(0));
        assert!(all.find(&id, By::Person, at(599)).is_some());
        assert!(all.find(&id, By::Person, at(599 + 600)).is_none(), "idle");
        assert!(all.find(&id, By::Person, at(600)).is_none(), "what has ended stays ended");
        let id = all.begin(kim(), at(0));
        assert!((1..12).all(|n| all.find(&id, By::Person, at(n * 300)).is_some()));
        assert!(all.find(&id, By::Person, at(3600)).is_none(), "absolute");
    }

    #[test]
    fn a_page_that_follows_by_itself_keeps_no_session() {
        let all = sessions();
        let id = all.begin(kim(), at(0));
        assert!((1..120).all(|n| all.find(&id, By::Page, at(n * 5)).is_some()));
        assert!(all.find(&id, By::Page, at(600)).is_none());
    }

    #[test]
    fn ids_are_random_long_and_not_kept() {
        let all = sessions();
        let (one, two) = (all.begin(kim(), at(0)), all.begin(kim(), at(0)));
        assert!(one != two && one.len() == 64);
        assert!(!format!("{all:?}").contains(&one));
        let (first, second) = (all.find(&one, By::Person, at(1)).unwrap(), all.find(&two, By::Person, at(1)).unwrap());
        assert_ne!(first.csrf, second.csrf);
        all.end(&one);
        assert!(all.find(&one, By::Person, at(1)).is_none() && all.find(&two, By::Person, at(1)).is_some());
    }

    #[test]
    fn sessions_of_one_account_are_bounded_and_the_unused_one_goes() {
        let all = sessions();
        let ids: Vec<String> = (0..=SESSIONS_OF_ONE_MAX).map(|n| all.begin(kim(), at(n as i64))).collect();
        assert!(all.find(&ids[0], By::Person, at(30)).is_none() && all.find(&ids[1], By::Person, at(30)).is_some());
        let other = all.begin(Whose::Owner, at(30));
        assert!(all.find(&other, By::Person, at(30)).is_some());
    }
}
