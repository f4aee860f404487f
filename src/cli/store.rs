//! `sluss store`: verify, back up, restore, rebuild, purge.

use super::accounts::user;
use super::args::StoreCommand;
use super::output::Output;
use super::remote::{Remote, store};
use super::{Ended, config_path, online, unprinted};
use crate::app::upkeep;
use crate::config::Config;
use crate::model::{Clock, Fault, Problem, SteadyClock, SystemClock, Warrant};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) async fn run(
    command: StoreCommand,
    config: Option<PathBuf>,
    token_file: Option<&Path>,
    out: &mut Output,
) -> Ended {
    let one = |problem| vec![problem];
    if let StoreCommand::Verify { dir: Some(dir) } = command {
        return verify(dir, out).await.map_err(one);
    }
    let config = Config::load(&config_path(config))?;
    let (folder, index) = (config.data_dir.clone(), config.store.index);
    match command {
        StoreCommand::Verify { .. } => verify(folder, out).await,
        StoreCommand::Backup { dir } => backup(&config, &dir, token_file, out).await,
        StoreCommand::Restore { dir } => {
            let restored = blocking(move || upkeep::restore(&dir, &folder)).await.map_err(one)?;
            shown(&restored, "restored; the first start builds the index", out)
        }
        StoreCommand::Rebuild { reason, .. } => {
            let accepted = reason.map(|reason| Warrant::new(&user(), &reason)).transpose().map_err(one)?;
            let mut tell = |record, segment| {
                // Progress that nobody reads is no reason to stop.
                let _ = writeln!(std::io::stderr(), "record {record}, segment {segment}");
            };
            let rebuild = move || upkeep::rebuild(&folder, index, Arc::new(SystemClock), accepted, &mut tell);
            let built = blocking(rebuild).await.map_err(one)?;
            let said =
                serde_json::json!({ "records": built.journal.last, "orphans": built.orphans, "lost": built.lost });
            shown(&said, "built again", out)
        }
        StoreCommand::Purge { clock_is_right } => {
            let clock: Arc<dyn Clock> = Arc::new(SteadyClock::begin());
            let purge = move || upkeep::purge(&folder, index, &config.retention, &clock, clock_is_right);
            shown(&blocking(purge).await.map_err(one)?, "removed", out)
        }
    }
    .map_err(one)
}

async fn verify(folder: PathBuf, out: &Output) -> Result<u8, Problem> {
    let found = blocking(move || upkeep::look(&folder)).await?;
    shown(&found, if found.whole { "whole" } else { "DAMAGED" }, out)?;
    Ok(u8::from(!found.whole))
}

/// By the daemon where it runs, else here.
async fn backup(config: &Config, dir: &Path, token_file: Option<&Path>, out: &Output) -> Result<u8, Problem> {
    let (folder, to) = (config.data_dir.clone(), std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
    if upkeep::is_running(&folder)? {
        let remote = Remote::new(&online::address(config, token_file)?, Vec::new())?;
        return shown(&store::backup(&remote, &to).await?, "backed up beside the daemon", out);
    }
    let index = config.store.index;
    let written = blocking(move || upkeep::back_up(&folder, index, &to, Arc::new(SystemClock))).await?;
    shown(&written, "backed up", out)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Problem::new(Fault::Temporary, "store", "the command broke off", error.to_string()))
    })
}

fn shown<T: Serialize>(report: &T, heading: &str, out: &Output) -> Result<u8, Problem> {
    let text = || super::text::report(&serde_json::to_value(report).unwrap_or_default(), heading);
    out.record(report, text).map_err(|error| unprinted(&error))?;
    Ok(0)
}
