//! Where a demo keeps its files.

use crate::model::{Fault, Problem};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// How often the folder is tried to be removed, with that pause between.
const REMOVE_TRIES: usize = 500;

/// Pause between two tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// A folder to work in: the one given, or one that [`remove`] takes away.
pub(super) fn folder(given: Option<&Path>) -> Result<(Option<tempfile::TempDir>, PathBuf), Problem> {
    if let Some(dir) = given {
        let made = fs::create_dir_all(dir).and_then(|()| std::path::absolute(dir));
        return made.map(|root| (None, root)).map_err(|error| unwritable(dir, &error));
    }
    let folder = tempfile::Builder::new().prefix("sluss-demo-").tempdir();
    let folder = folder.map_err(|error| unwritable(&std::env::temp_dir(), &error))?;
    let root = folder.path().to_owned();
    Ok((Some(folder), root))
}

/// A folder or file that cannot be written: the user's to mend, unless the disk may get room again.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Problem {
    use io::ErrorKind::{Interrupted, QuotaExceeded, StorageFull, TimedOut, WouldBlock};
    let passing = matches!(error.kind(), StorageFull | QuotaExceeded | Interrupted | TimedOut | WouldBlock);
    let fault = if passing { Fault::Temporary } else { Fault::Usage };
    let detail = format!("{}: {error}; name a folder that can be made and written, with --dir", path.display());
    Problem::new(fault, "demo", "the demo's folder cannot be written", detail)
}

/// What was broken off may still write a file in another thread: the folder is removed until that has ended.
pub(super) async fn remove(folder: &Path) {
    for _ in 0..REMOVE_TRIES {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => tokio::time::sleep(REMOVE_PAUSE).await,
            _ => return,
        }
    }
    tracing::warn!(folder = %folder.display(), "the folder of the demo could not be removed");
}
