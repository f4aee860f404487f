//! The file of accounts and tokens, `accounts.json` in the data folder: read whole, changed by one writer at a time, replaced
//! in one step.

use super::change::{Change, Entry, Recorded, changes};
use super::password::Password;
use super::role::{Name, Role};
use super::sessions::secret;
use crate::crypto::sha256_hex;
use crate::limits::{ACCOUNT_CHANGES_MAX, ACCOUNTS_FILE_BYTES_MAX};
use crate::model::{Fault, ParticipantId, Problem, Timestamp, Warrant};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The version of the file that this program reads and writes.
const FORMAT: u32 = 1;

/// A person who may log in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name.
    pub name: Name,
    /// What it may do with messages of others.
    pub role: Role,
    /// Whose mailboxes it may open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<ParticipantId>,
    /// The Argon2id hash of its password, as a PHC string; none: it logs in by one-time links only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    /// Whether it is kept out.
    #[serde(default)]
    pub locked: bool,
    /// Changes with everything that ends its sessions.
    stamp: String,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// A program that may ask the API.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name, which events show as `token:NAME`.
    pub name: Name,
    /// What it may do with messages of others.
    pub role: Role,
    /// Whose envelopes and mailboxes it may open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<ParticipantId>,
    /// SHA-256 of the secret.
    sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All accounts and tokens.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    format: u32,
    /// Accounts, by name.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Tokens, by name.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// Changes that wait for the daemon to record them, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

impl Default for Book {
    fn default() -> Self {
        Self { format: FORMAT, accounts: Vec::new(), tokens: Vec::new(), changes: Vec::new() }
    }
}

/// Where the file is.
pub fn book_file(data_dir: &Path) -> PathBuf {
    data_dir.join("accounts.json")
}

/// What tells one version of the file from another.
pub(super) type Version = Option<(u64, u64, i64, i64)>;

pub(super) fn version(path: &Path) -> Version {
    let about = std::fs::metadata(path).ok()?;
    Some((about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}

impl Account {
    pub(super) fn stamp(&self) -> &str {
        &self.stamp
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Whether it can log in by a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// What may be shown of it.
    pub fn shown(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name, "role": self.role, "participants": self.participants, "locked": self.locked,
            "password": self.has_password(), "changed_at": self.changed_at,
        })
    }

    fn changed(&mut self, now: Timestamp) {
        self.stamp = secret();
        self.changed_at = now;
    }
}

impl Token {
    /// What may be shown of it.
    pub fn shown(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name, "role": self.role, "participants": self.participants, "created_at": self.created_at,
        })
    }

    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Book {
    /// Reads the file; without one there are no accounts.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] where others may read or write it, or it is not what this program writes.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let wrong = |found: String| unusable(path, &found);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(wrong(format!("found mode {mode:o}, expected 600; run chmod 600")));
        }
        let mut text = String::new();
        let read = file.take(ACCOUNTS_FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| wrong(error.to_string()))?;
        let book: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        book.check().map_err(wrong)?;
        Ok(book)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!(
                "found format {}, expected {FORMAT}; use the version of sluss that wrote it",
                self.format
            ));
        }
        let roles = self.accounts.iter().map(|account| account.role).chain(self.tokens.iter().map(|token| token.role));
        if roles.into_iter().any(|role| role == Role::Owner) {
            return Err("found the role owner, which nobody is given".into());
        }
        Ok(())
    }

    /// Changes the file, and writes into it what was changed `now`, by whom and why: one writer at a time, and readers see it
    /// before or after, whole. Durable when this returns.
    ///
    /// # Errors
    ///
    /// What `change` refuses, files that cannot be read or written, and too many changes that no daemon has recorded.
    pub fn change<T>(
        path: &Path,
        warrant: &Warrant,
        now: Timestamp,
        change: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        Self::alone(path, |book| {
            let before = Entry::all(book);
            let made = change(book)?;
            book.accounts.sort_by(|one, other| one.name.cmp(&other.name));
            book.tokens.sort_by(|one, other| one.name.cmp(&other.name));
            book.changes.extend(changes(&before, &Entry::all(book), warrant, now));
            if book.changes.len() > ACCOUNT_CHANGES_MAX {
                let detail = format!(
                    "found {ACCOUNT_CHANGES_MAX} changes that no daemon has recorded in its event log; start it, then change more"
                );
                return Err(Problem::new(Fault::Temporary, "accounts", "too many changes wait", detail));
            }
            Ok(made)
        })
    }

    /// Takes changes out of the file that the event log has.
    pub(super) fn recorded(path: &Path, recorded: &Recorded) -> Result<(), Problem> {
        Self::alone(path, |book| {
            book.changes.retain(|change| !recorded.has(change));
            Ok(())
        })
    }

    /// Changes that wait to be recorded.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn alone<T>(path: &Path, change: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let unwritable = |error: io::Error| {
            let detail =
                format!("{}: {error}; run this as the user of the daemon, who owns the data folder", path.display());
            Problem::new(Fault::Usage, "accounts", "the accounts cannot be changed", detail)
        };
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.with_extension("lock"));
        let lock = lock.map_err(unwritable)?;
        lock.lock().map_err(unwritable)?;
        let mut book = Self::read(path)?;
        let made = change(&mut book)?;
        book.write(path).map_err(unwritable)?;
        Ok(made)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let aside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// The account of a name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name.as_str() == name)
    }

    fn own(&mut self, name: &Name) -> Result<&mut Account, Problem> {
        let known: Vec<String> = self.accounts.iter().map(|account| account.name.to_string()).collect();
        self.accounts.iter_mut().find(|account| account.name == *name).ok_or_else(|| unknown("account", name, &known))
    }

    /// Adds an account.
    ///
    /// # Errors
    ///
    /// Where the name is taken, or the role and the participants do not fit.
    pub fn add(
        &mut self,
        name: Name,
        role: Role,
        participants: Vec<ParticipantId>,
        password: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        if self.account(name.as_str()).is_some() {
            return Err(taken("account", &name));
        }
        fitting(role, &participants)?;
        let password = password.map(|text| hashed(text, &name)).transpose()?;
        self.accounts.push(Account {
            name,
            role,
            participants,
            password,
            locked: false,
            stamp: secret(),
            changed_at: now,
        });
        Ok(())
    }

    /// Removes an account, which ends its sessions.
    ///
    /// # Errors
    ///
    /// Where there is none of this name.
    pub fn remove(&mut self, name: &Name) -> Result<(), Problem> {
        self.own(name)?;
        self.accounts.retain(|account| account.name != *name);
        Ok(())
    }

    /// Gives an account a new password, which ends its sessions.
    ///
    /// # Errors
    ///
    /// Where there is no such account, or the password cannot be used.
    pub fn set_password(&mut self, name: &Name, password: &str, now: Timestamp) -> Result<(), Problem> {
        let hash = hashed(password, name)?;
        let account = self.own(name)?;
        account.password = Some(hash);
        account.changed(now);
        Ok(())
    }

    /// Gives an account another role and other mailboxes, which ends its sessions.
    ///
    /// # Errors
    ///
    /// Where there is no such account, or the role and the participants do not fit.
    pub fn set_role(
        &mut self,
        name: &Name,
        role: Role,
        participants: Vec<ParticipantId>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        fitting(role, &participants)?;
        let account = self.own(name)?;
        (account.role, account.participants) = (role, participants);
        account.changed(now);
        Ok(())
    }

    /// Keeps an account out, or lets it in again. Its sessions end.
    ///
    /// # Errors
    ///
    /// Where there is no such account.
    pub fn set_locked(&mut self, name: &Name, locked: bool, now: Timestamp) -> Result<(), Problem> {
        let account = self.own(name)?;
        account.locked = locked;
        account.changed(now);
        Ok(())
    }

    /// Makes a token, and gives its secret: it is kept nowhere else.
    ///
    /// # Errors
    ///
    /// Where the name is taken, or the role and the participants do not fit.
    pub fn add_token(
        &mut self,
        name: Name,
        role: Role,
        participants: Vec<ParticipantId>,
        now: Timestamp,
    ) -> Result<String, Problem> {
        if self.tokens.iter().any(|token| token.name == name) {
            return Err(taken("token", &name));
        }
        fitting(role, &participants)?;
        let secret = secret();
        self.tokens.push(Token { name, role, participants, sha256: sha256_hex(secret.as_bytes()), created_at: now });
        Ok(secret)
    }

    /// Removes a token: from now on it opens nothing.
    ///
    /// # Errors
    ///
    /// Where there is none of this name.
    pub fn remove_token(&mut self, name: &Name) -> Result<(), Problem> {
        let known: Vec<String> = self.tokens.iter().map(|token| token.name.to_string()).collect();
        let before = self.tokens.len();
        self.tokens.retain(|token| token.name != *name);
        if self.tokens.len() < before { Ok(()) } else { Err(unknown("token", name, &known)) }
    }
}

fn hashed(password: &str, name: &Name) -> Result<String, Problem> {
    Password::chosen(password, name.as_str())?.hash().map_err(|error| {
        Problem::new(Fault::Temporary, "password", "the password could not be hashed", error.to_string())
    })
}

fn fitting(role: Role, participants: &[ParticipantId]) -> Result<(), Problem> {
    if role == Role::Participant && participants.is_empty() {
        let detail = "found the role participant without a participant, expected its id: --participant 0203:NAME";
        return Err(Problem::new(Fault::Usage, "role", "the role needs a participant", detail));
    }
    Ok(())
}

fn taken(what: &str, name: &Name) -> Problem {
    let detail = format!("found the {what} {name} already; give another name, or remove that one first");
    Problem::new(Fault::Refused, "name-taken", "the name is taken", detail)
}

fn unknown(what: &str, name: &Name, known: &[String]) -> Problem {
    let known =
        if known.is_empty() { "there is none".to_owned() } else { format!("expected one of {}", known.join(", ")) };
    Problem::new(
        Fault::Refused,
        "name-not-found",
        "there is none of this name",
        format!("found no {what} {name}; {known}"),
    )
}

fn unusable(path: &Path, found: &str) -> Problem {
    let detail = format!("{}: {found}", path.display());
    Problem::new(Fault::Usage, "accounts", "the file of accounts cannot be used", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "häst batteri klammer";

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn change<T>(path: &Path, change: impl FnOnce(&mut Book) -> Result<T, Problem>) -> Result<T, Problem> {
        Book::change(path, &Warrant::new("kim (1000)", "a test").unwrap(), now(), change)
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn accounts_and_tokens_are_kept_for_their_owner_alone_and_secrets_are_not_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = book_file(folder.path());
        assert!(Book::read(&path).unwrap().accounts.is_empty());
        change(&path, |book| book.add(name("kim"), Role::Operator, vec![], Some(LONG), now())).unwrap();
        let secret = change(&path, |book| book.add_token(name("nightly"), Role::Viewer, vec![], now())).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("batteri") && !text.contains(&secret), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let book = Book::read(&path).unwrap();
        assert_eq!((book.accounts.len(), book.tokens[0].name.as_str()), (1, "nightly"));
        let again = change(&path, |book| book.add(name("KIM"), Role::Admin, vec![], None, now())).unwrap_err();
        assert!(again.kind.ends_with("name-taken"), "{again}");
        let nobody = change(&path, |book| book.set_locked(&name("eva"), true, now())).unwrap_err();
        assert!(nobody.detail.contains("expected one of kim"), "{nobody}");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_gives_the_owners_role_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = book_file(folder.path());
        change(&path, |book| book.add(name("kim"), Role::Admin, vec![], None, now())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Book::read(&path).unwrap_err().detail.contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        for (from, to, part) in [
            ("\"admin\"", "\"owner\"", "which nobody is given"),
            ("\"format\": 1", "\"format\": 2", "expected 1"),
            ("\"locked\"", "\"lokked\"", "lokked"),
            ("\"kim\"", "\"Kim Ek\"", "Kim Ek"),
        ] {
            std::fs::write(&path, good.replace(from, to)).unwrap();
            let problem = Book::read(&path).unwrap_err();
            assert!(problem.detail.contains(part), "{problem}");
        }
    }

    #[test]
    fn writers_wait_for_each_other_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = book_file(folder.path());
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    change(path, |book| book.add(name(&format!("k{n}")), Role::Viewer, vec![], None, now())).unwrap();
                });
            }
        });
        assert_eq!(Book::read(&path).unwrap().accounts.len(), 8);
    }

    #[test]
    fn the_role_participant_needs_a_participant() {
        let problem = Book::default().add(name("kim"), Role::Participant, vec![], None, now()).unwrap_err();
        assert!(problem.detail.contains("--participant"), "{problem}");
    }
}
