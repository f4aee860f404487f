//! `sluss accounts …` and `sluss tokens …`: who may log in, and which programs may ask the API.
//!
//! They change the file in the data folder; a running daemon sees it with its next request.

use super::online;
use super::output::{Output, Table};
use super::remote::{Remote, link};
use super::{examples, unprinted, usage};
use crate::accounts::{Account, Book, Name, Role, Token, book_file};
use crate::config::Config;
use crate::model::text::visible;
use crate::model::{Clock, Fault, ParticipantId, Problem, SystemClock, Warrant};
use clap::{Args, Subcommand};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest password file, in bytes.
const PASSWORD_FILE_BYTES_MAX: u64 = 8 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum AccountsCommand {
    /// Add an account. Without a password it logs in by links only (`sluss accounts link`).
    #[command(after_help = examples::ACCOUNTS_ADD)]
    Add {
        /// Its name: a-z, 0-9 and .-_@
        name: String,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        why: Why,
    },
    /// Who may log in.
    #[command(after_help = examples::ACCOUNTS_LIST)]
    List,
    /// Remove an account, and end its sessions.
    #[command(after_help = examples::ACCOUNTS_REMOVE)]
    Remove {
        /// Its name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Give an account a new password, and end its sessions.
    #[command(after_help = examples::ACCOUNTS_PASSWORD)]
    Password {
        /// Its name.
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        why: Why,
    },
    /// Give an account another role, and end its sessions.
    #[command(after_help = examples::ACCOUNTS_ROLE)]
    Role {
        /// Its name.
        name: String,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        why: Why,
    },
    /// Keep an account out, and end its sessions.
    #[command(after_help = examples::ACCOUNTS_LOCK)]
    Lock {
        /// Its name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Let an account in again.
    #[command(after_help = examples::ACCOUNTS_UNLOCK)]
    Unlock {
        /// Its name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// A link to the pages of a running daemon that logs in once, within five minutes.
    #[command(after_help = examples::ACCOUNTS_LINK)]
    Link {
        /// As whom. Default, in testbeds only: as the owner of the data folder, who may do everything.
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokensCommand {
    /// Make a token. Its secret is shown once, and kept nowhere.
    #[command(after_help = examples::TOKENS_ADD)]
    Add {
        /// Its name, which events show as token:NAME.
        name: String,
        #[command(flatten)]
        rights: Rights,
        /// Write the secret into this new file, mode 600, instead of showing it.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        #[command(flatten)]
        why: Why,
    },
    /// Which programs may ask the API.
    #[command(after_help = examples::TOKENS_LIST)]
    List,
    /// Remove a token: it opens nothing any more.
    #[command(after_help = examples::TOKENS_REMOVE)]
    Remove {
        /// Its name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Args, Debug)]
pub(super) struct Why {
    /// Why. It stands in the event log with the change, the time and the user of this machine.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Why {
    /// By whom and why something is changed.
    fn read(&self) -> Result<Warrant, Problem> {
        Warrant::new(&user(), &self.reason)
    }
}

/// The user of this machine who runs this, as `kim (1000)`, and who became that user where `sudo` says so.
pub(super) fn user() -> String {
    let number = std::fs::metadata("/proc/self").map_or_else(|_| "?".to_owned(), |about| about.uid().to_string());
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut known = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let name = known.find_map(|fields| (fields.get(2) == Some(&number.as_str())).then(|| fields[0].to_owned()));
    let name = name.map_or_else(|| number.clone(), |name| format!("{name} ({number})"));
    match std::env::var("SUDO_USER") {
        Ok(first) => visible(format!("{name}, by sudo of {first}"), false),
        Err(_) => name,
    }
}

#[derive(Args, Debug)]
pub(super) struct Rights {
    /// viewer sees, operator acts on messages, admin manages, participant has its own mailboxes only.
    #[arg(long, value_parser = ["viewer", "operator", "admin", "participant"])]
    role: String,
    /// Whose mailboxes and envelopes it may open. May be given several times.
    #[arg(long, value_name = "PARTICIPANT")]
    participant: Vec<String>,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(super) struct PasswordSource {
    /// The file that holds the password, or - for standard input; a line break at its end is not part of it.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The environment variable that holds the password.
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
}

impl Rights {
    fn read(&self) -> Result<(Role, Vec<ParticipantId>), Problem> {
        let participants = self.participant.iter().map(|id| id.parse());
        let participants = participants.collect::<Result<_, crate::model::IdError>>();
        Ok((self.role.parse()?, participants.map_err(|error| usage(&error.to_string()))?))
    }
}

impl PasswordSource {
    fn read(&self) -> Result<Option<String>, Problem> {
        let unreadable = |what: String| Problem::new(Fault::Usage, "password", "the password cannot be read", what);
        if let Some(name) = &self.password_env {
            return std::env::var(name).map(Some).map_err(|error| unreadable(format!("{name}: {error}")));
        }
        let Some(path) = &self.password_file else { return Ok(None) };
        let mut text = String::new();
        let read = if path == Path::new("-") {
            io::stdin().take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text)
        } else {
            File::open(path).and_then(|file| file.take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text))
        };
        read.map_err(|error| unreadable(format!("{}: {error}", path.display())))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

/// Runs a command on accounts.
pub(super) async fn accounts(
    command: AccountsCommand,
    config: &Config,
    token_file: Option<&Path>,
    out: &mut Output,
) -> Result<u8, Problem> {
    if !matches!(command, AccountsCommand::Link { .. }) {
        without_token(token_file)?;
    }
    let (file, now) = (book_file(&config.data_dir), SystemClock.now());
    let change = |name: &str, why: &Why, change: &dyn Fn(&mut Book, &Name) -> Result<(), Problem>| {
        let name = name.parse()?;
        Book::change(&file, &why.read()?, now, |book| change(book, &name)).map(|()| name)
    };
    let (name, done) = match command {
        AccountsCommand::List => return list(&file, out),
        AccountsCommand::Link { name } => {
            let name = name.map(|name| name.parse::<Name>()).transpose()?;
            let remote = Remote::new(&online::address(config, token_file)?, Vec::new())?;
            return link::link(&remote, name.as_ref().map(Name::as_str), out).await;
        }
        AccountsCommand::Add { name, rights, password, why } => {
            folder(&config.data_dir)?;
            let ((role, participants), password) = (rights.read()?, password.read()?);
            let add = |book: &mut Book, name: &Name| {
                book.add(name.clone(), role, participants.clone(), password.as_deref(), now)
            };
            (change(&name, &why, &add)?, "added")
        }
        AccountsCommand::Password { name, password, why } => {
            let expected =
                "expected --password-file FILE or --password-env NAME: no password is taken from an argument";
            let password = password.read()?.ok_or_else(|| usage(expected))?;
            (change(&name, &why, &|book, name| book.set_password(name, &password, now))?, "has a new password")
        }
        AccountsCommand::Role { name, rights, why } => {
            let (role, participants) = rights.read()?;
            (change(&name, &why, &|book, name| book.set_role(name, role, participants.clone(), now))?, "has a new role")
        }
        AccountsCommand::Remove { name, why } => (change(&name, &why, &Book::remove)?, "removed"),
        AccountsCommand::Lock { name, why } => {
            (change(&name, &why, &|book, name| book.set_locked(name, true, now))?, "locked")
        }
        AccountsCommand::Unlock { name, why } => {
            (change(&name, &why, &|book, name| book.set_locked(name, false, now))?, "unlocked")
        }
    };
    said(out, &name, done)
}

/// Runs a command on tokens.
pub(super) fn tokens(
    command: TokensCommand,
    config: &Config,
    token_file: Option<&Path>,
    out: &mut Output,
) -> Result<u8, Problem> {
    without_token(token_file)?;
    let (file, now) = (book_file(&config.data_dir), SystemClock.now());
    match command {
        TokensCommand::List => {
            let book = Book::read(&file)?;
            let rows: Vec<_> = book.tokens.iter().map(Token::shown).collect();
            let table = || {
                let mut table = Table::new(&["NAME", "ROLE", "PARTICIPANTS"]);
                book.tokens.iter().for_each(|token| {
                    table.row([token.name.to_string(), token.role.word().to_owned(), joined(&token.participants)]);
                });
                table
            };
            out.list(&rows, table, "no token").map_err(|error| unprinted(&error))?;
            Ok(0)
        }
        TokensCommand::Remove { name, why } => {
            let name = name.parse()?;
            Book::change(&file, &why.read()?, now, |book| book.remove_token(&name))?;
            said(out, &name, "removed")
        }
        TokensCommand::Add { name, rights, save, why } => {
            folder(&config.data_dir)?;
            let (name, (role, participants), warrant) = (name.parse::<Name>()?, rights.read()?, why.read()?);
            // Before the token is made: one whose secret nobody has would be of no use.
            let saved = save.as_ref().map(|path| new_file(path)).transpose()?;
            let secret =
                Book::change(&file, &warrant, now, |book| book.add_token(name.clone(), role, participants, now))?;
            if let (Some(mut saved), Some(path)) = (saved, &save) {
                writeln!(saved, "{secret}")
                    .and_then(|()| saved.sync_all())
                    .map_err(|error| unwritable(path, &error))?;
                return said(out, &name, &format!("added; its secret is in {}", path.display()));
            }
            let shown = serde_json::json!({ "name": name, "token": secret });
            out.record(&shown, || secret.clone()).map_err(|error| unprinted(&error))?;
            Ok(0)
        }
    }
}

/// Whoever may write the file in the data folder needs no token, and nobody else may by one.
fn without_token(token_file: Option<&Path>) -> Result<(), Problem> {
    let said = |file: &Path| {
        let file = file.display();
        format!("found --token-file {file}, expected none: this reads and writes the data folder, and asks no daemon")
    };
    token_file.map_or(Ok(()), |file| Err(usage(&said(file))))
}

fn list(file: &Path, out: &mut Output) -> Result<u8, Problem> {
    let book = Book::read(file)?;
    let rows: Vec<_> = book.accounts.iter().map(Account::shown).collect();
    let table = || {
        let mut table = Table::new(&["NAME", "ROLE", "PARTICIPANTS", "LOGS IN BY", "LOCKED"]);
        for account in &book.accounts {
            let by = if account.has_password() { "password, link" } else { "link" };
            let locked = if account.locked { "locked" } else { "" };
            let name = account.name.to_string();
            let role = account.role.word().to_owned();
            table.row([name, role, joined(&account.participants), by.to_owned(), locked.to_owned()]);
        }
        table
    };
    out.list(&rows, table, "no account").map_err(|error| unprinted(&error))?;
    Ok(0)
}

fn said(out: &mut Output, name: &Name, done: &str) -> Result<u8, Problem> {
    out.record(&serde_json::json!({ "name": name, "done": done }), || format!("{name} {done}"))
        .map_err(|error| unprinted(&error))?;
    Ok(0)
}

fn joined(participants: &[ParticipantId]) -> String {
    participants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Accounts may be made before the first start.
fn folder(path: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| unwritable(path, &error))
}

fn new_file(path: &Path) -> Result<File, Problem> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Fault::Usage, "file", "a file cannot be written", format!("{}: {error}", path.display()))
}
