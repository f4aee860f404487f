//! The one that lets in: knows the owner's token, the file of accounts, the sessions, and who tries too often.

use super::book::{Account, Book, Version, version};
use super::change::Recorded;
use super::password::Password;
use super::role::{Actor, Name};
use super::sessions::{By, Session, SessionTimes, Sessions, Whose, digest, secret};
use super::throttle::Throttle;
use crate::crypto::{SystemRandom, equal, sha256_hex, unmatchable_password};
use crate::limits::LOGIN_LINKS_MAX;
use crate::model::{Event, Fault, Problem, Stage, Timestamp};
use crate::net::AccessToken;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// The address of a request that has none, as in tests without sockets.
pub const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Why somebody is not let in. It does not say whether the name exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// Name or password is wrong, the account is locked, or the link was used or is too old.
    Wrong,
    /// Too many attempts: none is looked at for so long.
    Wait(Duration),
}

/// A log-in that succeeded.
pub struct LoggedIn {
    /// The id of the new session, for its cookie.
    pub id: String,
    /// Who it is.
    pub actor: Actor,
}

/// Lets people and programs in.
pub struct Access {
    owner: AccessToken,
    path: PathBuf,
    current: RwLock<(Version, Arc<Book>)>,
    sessions: Sessions,
    throttle: Throttle,
    links: Mutex<HashMap<[u8; 32], Link>>,
    /// What a password is compared with where there is no account.
    decoy: String,
    /// Where events go.
    journal: Box<dyn Fn(Event) + Send + Sync>,
    /// Where changes of accounts go.
    changes: Mutex<Recording>,
}

/// How changes of accounts come into the event log.
struct Recording {
    /// What the log knows.
    known: Recorded,
    /// The version of the file that was looked at last.
    seen: Option<Version>,
    keep: Keep,
}

/// Records events and notes what the log knows then: both are durable when it returns, or neither.
type Keep = Box<dyn Fn(&Recorded, Vec<Event>) -> Result<(), Problem> + Send + Sync>;

struct Link {
    whose: Whose,
    until: Timestamp,
}

impl Access {
    /// Reads the file of accounts.
    ///
    /// # Errors
    ///
    /// As [`Book::read`].
    pub fn new(owner: AccessToken, path: PathBuf, times: SessionTimes) -> Result<Self, Problem> {
        let current = (version(&path), Arc::new(Book::read(&path)?));
        let decoy = unmatchable_password(&SystemRandom).map_err(|error| {
            Problem::new(Fault::Temporary, "password", "no password can be compared", error.to_string())
        })?;
        Ok(Self {
            owner,
            path,
            current: RwLock::new(current),
            sessions: Sessions::new(times),
            throttle: Throttle::default(),
            links: Mutex::default(),
            decoy,
            journal: Box::new(drop),
            changes: Mutex::new(Recording { known: Recorded::default(), seen: None, keep: Box::new(|_, _| Ok(())) }),
        })
    }

    /// Gives what happens to the event log.
    #[must_use]
    pub fn recorded(self, journal: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { journal: Box::new(journal), ..self }
    }

    /// Gives changes of accounts to the event log, of which it has what `known` says.
    #[must_use]
    pub fn keeping(
        self,
        known: Recorded,
        keep: impl Fn(&Recorded, Vec<Event>) -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { changes: Mutex::new(Recording { known, seen: None, keep: Box::new(keep) }), ..self }
    }

    /// Moves changes of accounts into the event log, each once however often this is broken off, and records where the file was
    /// changed by other means than its commands. Blocks.
    ///
    /// # Errors
    ///
    /// Where the file cannot be used or the log not be written: it is to be called again.
    pub fn record_changes(&self, now: Timestamp) -> Result<(), Problem> {
        let mut recording = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Some(version(&self.path));
        if recording.seen == found {
            return Ok(());
        }
        // What is wrong with one version of the file is said once.
        let book = Book::read(&self.path).inspect_err(|_| recording.seen = found)?;
        let (known, events) = recording.known.after(&book, now);
        if known != recording.known {
            (recording.keep)(&known, events)?;
            recording.known = known;
        }
        if !book.changes().is_empty() {
            Book::recorded(&self.path, &recording.known)?;
        }
        recording.seen = found;
        Ok(())
    }

    fn tell(&self, now: Timestamp, stage: Stage, detail: impl Into<String>, facts: &[(&str, &dyn ToString)]) {
        let event = Event::new(now, None, stage, detail);
        (self.journal)(facts.iter().fold(event, |event, (name, value)| event.fact(name, value.to_string())));
    }

    /// Reads the file of accounts again. It is also read whenever it has changed; this says what is wrong with it.
    ///
    /// # Errors
    ///
    /// As [`Book::read`]; the accounts in force then stay.
    pub fn reload(&self) -> Result<(), Problem> {
        let found = version(&self.path);
        let book = Arc::new(Book::read(&self.path)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (found, book);
        Ok(())
    }

    /// The accounts and tokens in force.
    pub fn book(&self) -> Arc<Book> {
        let (known, book) = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let found = version(&self.path);
        if found == known {
            return book;
        }
        if let Err(problem) = self.reload() {
            tracing::error!(%problem, "the accounts in force stay");
            // Said once for each version of the file.
            self.current.write().unwrap_or_else(PoisonError::into_inner).0 = found;
        }
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// The owner's token.
    pub fn owner_token(&self) -> &AccessToken {
        &self.owner
    }

    /// Whoever shows this token.
    pub fn bearer(&self, shown: &str) -> Option<Actor> {
        if self.owner.matches(shown) {
            return Some(Actor::owner());
        }
        let sha256 = sha256_hex(shown.as_bytes());
        let book = self.book();
        let token = book.tokens.iter().find(|token| equal(token.sha256().as_bytes(), sha256.as_bytes()))?;
        Some(Actor::token(&token.name, token.role, &token.participants))
    }

    /// A name for a browser in which nobody is logged in yet.
    pub fn stranger() -> String {
        secret()
    }

    /// The secret of the log-in form for such a browser: others cannot make it.
    pub fn form_of_stranger(&self, stranger: &str) -> String {
        self.owner.derived("log-in form", stranger)
    }

    /// Logs somebody in. Blocks for some hundredths of a second, and takes 19 MiB meanwhile.
    ///
    /// # Errors
    ///
    /// [`Denied`], the same and after the same work whether or not the name exists.
    pub fn log_in(&self, name: &str, password: &str, address: IpAddr, now: Timestamp) -> Result<LoggedIn, Denied> {
        let name = name.parse::<Name>().ok();
        let key = name.as_ref().map_or("", Name::as_str);
        let book = self.book();
        let account = book.account(key);
        let tried = account.map_or("nobody known", |account| account.name.as_str());
        self.throttle.begin(key, address, now).map_err(|wait| {
            tracing::warn!(stage = "login-refused", actor = tried, %address, wait_seconds = wait.as_secs(), "too many log-ins failed");
            Denied::Wait(wait)
        })?;
        let hash = account.and_then(Account::password);
        let matches = Password::typed(password).is_some_and(|password| password.matches(hash.unwrap_or(&self.decoy)));
        match account.filter(|account| matches && hash.is_some() && !account.locked) {
            Some(account) => {
                self.throttle.succeeded(key, address);
                Ok(self.enter(
                    whose(account),
                    Actor::account(&account.name, account.role, &account.participants),
                    "password",
                    address,
                    now,
                ))
            }
            None => {
                let locked = account.is_some_and(|account| account.locked);
                let wait = self.throttle.wait(key, address, now).unwrap_or_default().as_secs();
                let facts: [(&str, &dyn ToString); 4] =
                    [("actor", &tried), ("address", &address), ("locked", &locked), ("wait_seconds", &wait)];
                self.tell(now, Stage::LogInFailed, "a log-in failed", &facts);
                Err(Denied::Wrong)
            }
        }
    }

    fn enter(&self, whose: Whose, actor: Actor, by: &str, address: IpAddr, now: Timestamp) -> LoggedIn {
        let id = self.sessions.begin(whose, now);
        let facts: [(&str, &dyn ToString); 4] =
            [("actor", &actor.name()), ("role", &actor.role().word()), ("address", &address), ("by", &by)];
        self.tell(now, Stage::LoggedIn, "a log-in succeeded", &facts);
        LoggedIn { id, actor }
    }

    /// A one-time log-in for an account, or for the owner, that can be used for `kept`: its secret, kept nowhere else.
    ///
    /// # Errors
    ///
    /// Where there is no such account, or it is locked.
    pub fn link(&self, name: Option<&Name>, kept: Duration, now: Timestamp) -> Result<String, Problem> {
        let book = self.book();
        let whose = match name {
            None => Whose::Owner,
            Some(name) => {
                book.account(name.as_str()).filter(|account| !account.locked).map(whose).ok_or_else(|| {
                    let detail =
                        format!("found no account {name} that is not locked; `sluss accounts list` shows them");
                    Problem::new(Fault::Refused, "name-not-found", "there is no such account", detail)
                })?
            }
        };
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| link.until > now);
        if links.len() >= LOGIN_LINKS_MAX {
            let detail =
                format!("{LOGIN_LINKS_MAX} one-time log-ins wait to be used; try again when one is used or too old");
            return Err(Problem::new(Fault::Temporary, "links", "too many log-ins wait", detail));
        }
        let secret = secret();
        let until = now.saturating_add(kept).unwrap_or(now);
        links.insert(digest(&secret), Link { whose, until });
        Ok(secret)
    }

    /// Uses a one-time log-in, which ends it.
    ///
    /// # Errors
    ///
    /// [`Denied`] where it was used, is too old, or its account was changed meanwhile.
    pub fn redeem(&self, secret: &str, address: IpAddr, now: Timestamp) -> Result<LoggedIn, Denied> {
        let link = self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(secret));
        let link = link.filter(|link| link.until > now);
        let found = link.and_then(|link| self.actor(&link.whose).map(|actor| (link.whose, actor)));
        let Some((whose, actor)) = found else {
            let said = "a one-time log-in was used before, is too old, or never was";
            self.tell(now, Stage::LogInFailed, said, &[("actor", &"nobody known"), ("address", &address)]);
            return Err(Denied::Wrong);
        };
        Ok(self.enter(whose, actor, "link", address, now))
    }

    /// The session of a cookie, where it has not ended and its account is as it was.
    pub fn session(&self, id: &str, by: By, now: Timestamp) -> Option<Session> {
        let kept = self.sessions.find(id, by, now)?;
        match self.actor(&kept.whose) {
            Some(actor) => Some(Session::new(actor, kept.csrf)),
            None => {
                self.sessions.end(id);
                None
            }
        }
    }

    /// Ends a session that another takes the place of.
    pub fn replace(&self, id: &str) {
        self.sessions.end(id);
    }

    /// Ends a session because its person asks for it.
    pub fn log_out(&self, id: &str, actor: &str, address: IpAddr, now: Timestamp) {
        self.sessions.end(id);
        self.tell(now, Stage::LoggedOut, "a session was ended", &[("actor", &actor), ("address", &address)]);
    }

    fn actor(&self, whose: &Whose) -> Option<Actor> {
        let Whose::Account { name, stamp } = whose else { return Some(Actor::owner()) };
        let book = self.book();
        let account = book.account(name).filter(|account| !account.locked && account.stamp() == stamp)?;
        Some(Actor::account(&account.name, account.role, &account.participants))
    }
}

fn whose(account: &Account) -> Whose {
    Whose::Account { name: account.name.to_string(), stamp: account.stamp().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::{Role, book_file};
    use super::*;
    use crate::model::Warrant;
    use std::path::Path;

    const GOOD: &str = "häst batteri klammer";
    const OWNER: &str = "0123456789abcdef0123456789abcdef";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn by_command<T>(path: &Path, change: impl FnOnce(&mut Book) -> Result<T, Problem>) -> T {
        Book::change(path, &Warrant::new("kim (1000)", "a test").unwrap(), at(0), change).unwrap()
    }

    fn access(folder: &tempfile::TempDir) -> Access {
        let path = book_file(folder.path());
        by_command(&path, |book| book.add("kim".parse()?, Role::Operator, vec![], Some(GOOD), at(0)));
        Access::new(AccessToken::new(OWNER).unwrap(), path, SessionTimes::default()).unwrap()
    }

    fn change(access: &Access, change: impl FnOnce(&mut Book, &Name) -> Result<(), Problem>) {
        by_command(&access.path, |book| change(book, &"kim".parse().unwrap()));
    }

    #[test]
    fn whatever_changes_an_account_ends_its_sessions_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder);
        let log_in =
            |access: &Access, password: &str| access.log_in("Kim", password, NOBODY, at(1)).map(|entered| entered.id);
        let first = log_in(&access, GOOD).unwrap();
        assert_eq!(access.session(&first, By::Person, at(2)).unwrap().actor.name(), "kim");
        change(&access, |book, kim| book.set_role(kim, Role::Viewer, vec![], at(2)));
        assert!(access.session(&first, By::Person, at(3)).is_none(), "role");
        let second = log_in(&access, GOOD).unwrap();
        assert_eq!(access.session(&second, By::Person, at(3)).unwrap().actor.role(), Role::Viewer);
        change(&access, |book, kim| book.set_password(kim, "ett helt annat lösen", at(3)));
        assert!(access.session(&second, By::Person, at(4)).is_none(), "password");
        assert_eq!(log_in(&access, GOOD).err(), Some(Denied::Wrong));
        let third = log_in(&access, "ett helt annat lösen").unwrap();
        change(&access, |book, kim| book.set_locked(kim, true, at(4)));
        assert!(access.session(&third, By::Person, at(5)).is_none(), "lock");
        assert_eq!(log_in(&access, "ett helt annat lösen").err(), Some(Denied::Wrong));
        change(&access, |book, kim| book.set_locked(kim, false, at(5)));
        assert!(access.session(&third, By::Person, at(6)).is_none(), "unlocking brings no session back");
        let fourth = log_in(&access, "ett helt annat lösen").unwrap();
        access.log_out(&fourth, "kim", NOBODY, at(6));
        assert!(access.session(&fourth, By::Person, at(6)).is_none(), "logging out");
        let fifth = log_in(&access, "ett helt annat lösen").unwrap();
        change(&access, |book, kim| book.remove(kim));
        assert!(access.session(&fifth, By::Person, at(6)).is_none(), "removed");
    }

    #[test]
    fn log_ins_log_outs_and_failures_are_events_with_their_actor_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let kept = Arc::clone(&events);
        let access = access(&folder).recorded(move |event| kept.lock().unwrap().push(event));
        let entered = access.log_in("kim", GOOD, NOBODY, at(1)).unwrap();
        access.log_out(&entered.id, "kim", NOBODY, at(2));
        (0..6).for_each(|_| assert!(access.log_in("kim", "fel lösenord här", NOBODY, at(3)).is_err()));
        assert!(access.log_in("fel lösenord här", "x", NOBODY, at(3)).is_err());
        let events = events.lock().unwrap();
        let of = |stage| events.iter().filter(move |event| event.stage == stage);
        for stage in [Stage::LoggedIn, Stage::LoggedOut] {
            assert_eq!(of(stage).map(|event| event.facts["actor"].as_str()).collect::<Vec<_>>(), ["kim"], "{stage:?}");
        }
        let waits: Vec<(&str, &str)> = of(Stage::LogInFailed)
            .map(|event| (event.facts["actor"].as_str(), event.facts["wait_seconds"].as_str()))
            .collect();
        assert_eq!(waits[5..], [("kim", "2"), ("nobody known", "0")], "the sixth failure keeps it out: {waits:?}");
        assert!(!format!("{events:?}").contains("lösenord") && !format!("{events:?}").contains("batteri"));
    }

    /// The event log, and what is noted beside it: what a start finds.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<(Recorded, Vec<Event>)>>);

    impl Log {
        /// A start; the store takes what it is given, or does not.
        fn start(&self, folder: &tempfile::TempDir, takes: bool) -> Access {
            let (log, known) = (self.clone(), self.0.lock().unwrap().0.clone());
            let access =
                Access::new(AccessToken::new(OWNER).unwrap(), book_file(folder.path()), SessionTimes::default());
            access.unwrap().keeping(known, move |known, events| {
                if !takes {
                    return Err(Problem::new(Fault::Temporary, "store", "it is full", "x"));
                }
                let mut log = log.0.lock().unwrap();
                log.0 = known.clone();
                log.1.extend(events);
                Ok(())
            })
        }

        /// What was recorded since this was asked last.
        fn said(&self) -> Vec<String> {
            let events = std::mem::take(&mut self.0.lock().unwrap().1);
            let text = format!("{events:?}");
            assert!(!text.contains("lösen") && !text.contains("batteri") && !text.contains("argon2"), "{text}");
            events.into_iter().map(|event| event.detail).collect()
        }
    }

    #[test]
    fn every_change_of_an_account_is_recorded_once_whoever_ran_when_it_was_made() {
        let (folder, log) = (tempfile::tempdir().unwrap(), Log::default());
        let path = book_file(folder.path());
        let eva: Name = "eva".parse().unwrap();
        let add = |role| by_command(&path, |book| book.add(eva.clone(), role, vec![], Some(GOOD), at(0)));
        // Nobody runs.
        add(Role::Admin);
        assert!(log.start(&folder, false).record_changes(at(9)).is_err());
        let access = log.start(&folder, true);
        access.record_changes(at(9)).unwrap();
        assert_eq!(log.0.lock().unwrap().1[0].facts["by"], "kim (1000)");
        assert_eq!(log.0.lock().unwrap().1[0].facts["reason"], "a test");
        assert_eq!(log.said(), ["the account eva was added: admin"]);
        // All between two looks.
        by_command(&path, |book| book.set_locked(&eva, true, at(1)));
        by_command(&path, |book| book.set_locked(&eva, false, at(1)));
        by_command(&path, |book| book.set_role(&eva, Role::Viewer, vec![], at(1)));
        by_command(&path, |book| book.set_role(&eva, Role::Admin, vec![], at(1)));
        by_command(&path, |book| book.set_password(&eva, "ett helt annat lösen", at(1)));
        by_command(&path, |book| book.remove(&eva));
        let secret = by_command(&path, |book| book.add_token(eva.clone(), Role::Viewer, vec![], at(1)));
        by_command(&path, |book| book.remove_token(&eva));
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&secret));
        // The process stops between the log and the file.
        let before = std::fs::read(&path).unwrap();
        access.record_changes(at(9)).unwrap();
        std::fs::write(&path, before).unwrap();
        let access = log.start(&folder, true);
        access.record_changes(at(9)).unwrap();
        access.record_changes(at(9)).unwrap();
        let expected = [
            "the account eva was changed (lock): admin, locked",
            "the account eva was changed (lock): admin",
            "the account eva was changed (role): viewer",
            "the account eva was changed (role): admin",
            "the account eva was changed (password or secret): admin",
            "the account eva was removed: admin",
            "the token eva was added: viewer",
            "the token eva was removed: viewer",
        ];
        assert_eq!(log.said(), expected);
        assert!(Book::read(&path).unwrap().changes().is_empty());
    }

    #[test]
    fn a_file_that_was_changed_by_hand_is_recorded_as_such() {
        let (folder, log) = (tempfile::tempdir().unwrap(), Log::default());
        let path = book_file(folder.path());
        by_command(&path, |book| book.add("kim".parse()?, Role::Viewer, vec![], Some(GOOD), at(0)));
        log.start(&folder, true).record_changes(at(1)).unwrap();
        log.said();
        let by_hand = |from: &str, to: &str| {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(from, to)).unwrap();
        };
        let hand = "the file of accounts was changed by other means than its commands: the account kim was changed";
        // While nobody runs; then a command that changes the same.
        by_hand("\"viewer\"", "\"admin\"");
        by_command(&path, |book| book.set_locked(&"kim".parse()?, true, at(2)));
        let access = log.start(&folder, true);
        access.record_changes(at(3)).unwrap();
        let locked = "the account kim was changed (lock): admin, locked";
        assert_eq!(log.said(), [format!("{hand} (role): admin"), locked.to_owned()]);
        // A change that is taken out of the file shows by what it did.
        by_command(&path, |book| book.set_locked(&"kim".parse()?, false, at(4)));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value.as_object_mut().unwrap().remove("changes").unwrap();
        std::fs::write(&path, value.to_string()).unwrap();
        access.record_changes(at(5)).unwrap();
        assert_eq!(log.said(), [format!("{hand} (lock): admin")]);
        std::fs::remove_file(&path).unwrap();
        access.record_changes(at(6)).unwrap();
        assert!(log.said()[0].ends_with("the account kim was removed: admin"));
        access.record_changes(at(7)).unwrap();
        assert_eq!(log.said(), [""; 0]);
    }

    #[test]
    fn a_name_that_does_not_exist_is_answered_and_slowed_as_one_that_does() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder);
        let denials = |name: &str| -> Vec<Option<Denied>> {
            (0..8).map(|_| access.log_in(name, "fel lösenord här", NOBODY, at(1)).err()).collect()
        };
        let (known, unknown) = (denials("kim"), denials("eva"));
        assert_eq!(known, unknown);
        assert!(matches!(known[6], Some(Denied::Wait(_))), "{known:?}");
        assert!(
            matches!(access.log_in("kim", GOOD, NOBODY, at(1)), Err(Denied::Wait(_))),
            "the right one waits as well"
        );
        assert!(access.log_in("kim", GOOD, NOBODY, at(4)).is_ok());
    }

    #[test]
    fn a_one_time_log_in_works_once_and_not_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder);
        let kim = "kim".parse().unwrap();
        let link = access.link(Some(&kim), Duration::from_secs(60), at(0)).unwrap();
        assert_eq!(access.redeem(&link, NOBODY, at(1)).unwrap().actor.name(), "kim");
        assert_eq!(access.redeem(&link, NOBODY, at(1)).err(), Some(Denied::Wrong));
        let late = access.link(Some(&kim), Duration::from_secs(60), at(0)).unwrap();
        assert_eq!(access.redeem(&late, NOBODY, at(60)).err(), Some(Denied::Wrong));
        let owner = access.link(None, Duration::from_secs(60), at(0)).unwrap();
        let entered = access.redeem(&owner, NOBODY, at(1)).unwrap();
        assert_eq!(access.session(&entered.id, By::Person, at(2)).unwrap().actor.role(), Role::Owner);
        assert!(access.link(Some(&"eva".parse().unwrap()), Duration::from_secs(60), at(0)).is_err());
        let bounded: Vec<bool> =
            (0..=LOGIN_LINKS_MAX).map(|_| access.link(None, Duration::from_secs(9), at(5)).is_ok()).collect();
        assert!(!bounded[LOGIN_LINKS_MAX]);
    }

    #[test]
    fn a_token_is_its_name_and_role_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder);
        assert_eq!(access.bearer(OWNER).unwrap().role(), Role::Owner);
        let nightly: Name = "nightly".parse().unwrap();
        let add = |book: &mut Book| book.add_token(nightly.clone(), Role::Viewer, vec![], at(0));
        let secret = by_command(&access.path, add);
        let actor = access.bearer(&secret).unwrap();
        assert_eq!((actor.name(), actor.role()), ("token:nightly", Role::Viewer));
        for wrong in ["", "x", &secret[1..], &secret.to_uppercase()] {
            assert!(access.bearer(wrong).is_none());
        }
        by_command(&access.path, |book| book.remove_token(&nightly));
        assert!(access.bearer(&secret).is_none());
    }

    #[test]
    fn a_file_of_accounts_that_is_damaged_while_we_run_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let access = access(&folder);
        let entered = access.log_in("kim", GOOD, NOBODY, at(1)).unwrap();
        std::fs::write(&access.path, "{").unwrap();
        assert!(access.session(&entered.id, By::Person, at(2)).is_some());
        assert!(access.reload().is_err());
    }
}
