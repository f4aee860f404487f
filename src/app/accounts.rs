//! Who is let in: the owner by the token of the data folder, others by accounts and tokens; and how changes of those come into the
//! event log.

use crate::access_point::Router;
use crate::accounts::{Access, SessionTimes, book_file};
use crate::config::Config;
use crate::limits::ACCOUNTS_LOOK_EVERY;
use crate::model::{Clock, Fault, Problem};
use crate::net::AccessToken;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The name under which it is noted what the event log knows of accounts.
const RECORDED: &str = "accounts";

/// Reads token and accounts; the folder is made where it is not there.
pub(super) fn access(config: &Config) -> Result<Access, Problem> {
    folder(&config.data_dir)?;
    let times = SessionTimes {
        idle: std::time::Duration::from_secs(config.console.session_idle_seconds),
        absolute: std::time::Duration::from_secs(config.console.session_absolute_seconds),
    };
    Access::new(token(&config.data_dir)?, book_file(&config.data_dir), times)
}

/// Log-ins and changes of accounts become events; the changes since the last start do now. Blocks.
///
/// # Errors
///
/// Where the store cannot be read.
pub(super) fn recorded(access: Access, router: &Arc<Router>, clock: &dyn Clock) -> Result<Arc<Access>, Problem> {
    let known = router.read_note(RECORDED)?.unwrap_or_default();
    let (log, keeper) = (Arc::clone(router), Arc::clone(router));
    let access = access
        .recorded(move |event| log.keep(event))
        .keeping(known, move |known, events| keeper.write_note(RECORDED, known, events));
    record(&access, clock);
    Ok(Arc::new(access))
}

/// Records changes of accounts until the end is asked for, and at the end.
pub(super) async fn run(access: Arc<Access>, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    loop {
        let ended = tokio::select! {
            () = tokio::time::sleep(ACCOUNTS_LOOK_EVERY) => false,
            // An error means that the sender is gone, which is the end as well.
            _ = stop.wait_for(|end| *end) => true,
        };
        let (access, clock) = (Arc::clone(&access), Arc::clone(&clock));
        // One that panicked is looked for again.
        drop(tokio::task::spawn_blocking(move || record(&access, &*clock)).await);
        if ended {
            return;
        }
    }
}

/// What cannot be recorded now stays in the file of accounts, and is recorded later.
fn record(access: &Access, clock: &dyn Clock) {
    if let Err(problem) = access.record_changes(clock.now()) {
        tracing::error!(%problem, "changes of accounts could not be recorded");
    }
}

/// The folder for everything of ours, for us alone.
fn folder(path: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        Problem::new(
            Fault::Usage,
            "configuration",
            "the data folder cannot be made",
            format!("data_dir = {}: {error}; give a folder that this user may write", path.display()),
        )
    })
}

/// Where the owner's token is.
pub fn token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("api.token")
}

/// The token, drawn at the first start and kept in a file that only this user reads.
fn token(data_dir: &Path) -> Result<AccessToken, Problem> {
    let path = token_file(data_dir);
    AccessToken::from_file_or_new(&path).map_err(|error| {
        Problem::new(
            Fault::Usage,
            "configuration",
            "the token file cannot be used",
            format!("{}: {error}; let this user alone write it, or remove it to have a new one drawn", path.display()),
        )
    })
}
