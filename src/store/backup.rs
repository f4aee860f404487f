//! Backups: a folder as a store has it, and a manifest that is written last. Closed segments and payloads never change, so
//! a backup on the same file system shares them, and one elsewhere copies them.

use crate::model::Timestamp;
use crate::store::journal::{ChainHash, Position, hex};
use crate::store::verify::{Digests, Verified, verify};
use crate::store::{Place, StoreError, state};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Version of a backup's folder.
const FORMAT: u32 = 1;

/// The manifest of a backup.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BackedUp {
    /// Version of the folder's format.
    pub format: u32,
    /// When it was made.
    pub at: Timestamp,
    /// Records of the journal in it: what was committed later is not.
    pub records: u64,
    /// The chain's hash with the last of them, in hexadecimal.
    pub chain: String,
    /// Segments of the journal.
    pub segments: u32,
    /// Payload files.
    pub payloads: u64,
    /// Bytes, as the files are long.
    pub bytes: u64,
}

/// Writes a backup of the store in `folder`, up to `position`, into `to`. Nobody removes payloads meanwhile.
pub(super) fn write(
    folder: &Path,
    to: &Path,
    position: Option<&Position>,
    at: Timestamp,
) -> Result<BackedUp, StoreError> {
    let failed = |source| StoreError::io(format!("backup to {}", to.display()), source);
    make(to).map_err(failed)?;
    if fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(StoreError::Unfit(format!("{} is not empty; give a new folder for each backup", to.display())));
    }
    let (segments, mut bytes) = segments(&folder.join("journal"), &to.join("journal"), position).map_err(failed)?;
    let (payloads, payload_bytes) = payloads(&folder.join("blobs"), &to.join("blobs"), share).map_err(failed)?;
    bytes += payload_bytes;
    let (records, chain) = position.map_or((0, String::new()), |last| (last.seq, hex(&last.chain)));
    let backed_up = BackedUp { format: FORMAT, at, records, chain, segments, payloads, bytes };
    let manifest = serde_json::to_vec_pretty(&backed_up).map_err(io::Error::other).map_err(failed)?;
    whole(&self::manifest(to), &mut manifest.as_slice()).and_then(|_| sync(to)).map_err(failed)?;
    Ok(backed_up)
}

/// The manifest's file in a backup's folder.
pub(super) fn manifest(folder: &Path) -> PathBuf {
    folder.join("backup.json")
}

/// Makes a store in `folder` from the backup `from`, after looking at all of it. The first start builds its index.
///
/// # Errors
///
/// [`StoreError::Unfit`] when the backup is not whole or `folder` holds a store already; then `folder` is as before.
pub fn restore(
    from: &Path,
    folder: &Path,
    hash: ChainHash,
    digests: Digests,
    now: Timestamp,
) -> Result<Verified, StoreError> {
    let failed = |source| StoreError::io(format!("restore into {}", folder.display()), source);
    let unfit = |what: String| Err(StoreError::Unfit(what));
    let path = manifest(from);
    let manifest = match fs::read(&path) {
        Ok(manifest) => manifest,
        Err(error) => {
            return unfit(format!("{}: {error}; expected a folder made by `sluss store backup`", path.display()));
        }
    };
    let backed_up: BackedUp = match serde_json::from_slice(&manifest) {
        Ok(backed_up) => backed_up,
        Err(error) => return unfit(format!("{}: {error}", path.display())),
    };
    if backed_up.format != FORMAT {
        return unfit(format!(
            "found a backup of format {}, expected {FORMAT}; use the version of sluss that made it",
            backed_up.format
        ));
    }
    if ["journal", "blobs"].iter().any(|name| folder.join(name).exists()) {
        return unfit(format!(
            "{} holds a store already; move its folders journal, blobs and index aside",
            folder.display()
        ));
    }
    let verified = verify(from, hash, digests, now)?;
    if let Some(finding) = verified.findings.first() {
        let place = finding.place.as_ref().map(|place: &Place| format!(" at {place}")).unwrap_or_default();
        return unfit(format!("the backup is damaged, and nothing was restored: {}{place}", finding.what));
    }
    if verified.records != backed_up.records || verified.chain.clone().unwrap_or_default() != backed_up.chain {
        return unfit(format!(
            "the backup goes up to record {}, expected {}, or another chain",
            verified.records, backed_up.records
        ));
    }
    make(folder).map_err(failed)?;
    // What it says of the journal that was here does not hold for the one that comes.
    match fs::remove_file(state::path(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Under another name until it is whole, so that a start meanwhile finds no half of it.
    payloads(&from.join("blobs"), &folder.join("blobs"), copy).map_err(failed)?;
    let aside = folder.join("journal.restoring");
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(failed)?;
    }
    make(&aside).map_err(failed)?;
    for name in names(&from.join("journal")).map_err(failed)? {
        copy(&from.join("journal").join(&name), &aside.join(&name)).map_err(failed)?;
    }
    sync(&aside)
        .and_then(|()| fs::rename(&aside, folder.join("journal")))
        .and_then(|()| sync(folder))
        .map_err(failed)?;
    Ok(verified)
}

/// The journal up to a position; the segment with it is copied, since the store goes on writing there.
fn segments(from: &Path, to: &Path, position: Option<&Position>) -> io::Result<(u32, u64)> {
    make(to)?;
    let (mut count, mut bytes) = (0, 0);
    let Some(position) = position else { return Ok((0, 0)) };
    let newest = format!("{:08}.log", position.segment);
    for name in names(from)? {
        if name < newest {
            bytes += share(&from.join(&name), &to.join(&name))?;
            count += 1;
        }
    }
    let mut file = File::open(from.join(&newest))?;
    let mut length = [0; 4];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut length, position.offset)?;
    let end = position.end(u32::from_le_bytes(length));
    bytes += whole(&to.join(&newest), &mut (&mut file).take(end))?;
    sync(to)?;
    Ok((count + 1, bytes))
}

/// All payload files, by `each`.
fn payloads(from: &Path, to: &Path, each: fn(&Path, &Path) -> io::Result<u64>) -> io::Result<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0);
    make(to)?;
    for first in 0..=u8::MAX {
        let home = format!("{first:02x}");
        let (from, to) = (from.join(&home), to.join(&home));
        if !from.is_dir() {
            continue;
        }
        make(&to)?;
        for name in names(&from)? {
            bytes += each(&from.join(&name), &to.join(&name))?;
            count += 1;
        }
        sync(&to)?;
    }
    sync(to)?;
    Ok((count, bytes))
}

/// Gives a file that never changes a second name; copies it where that cannot be.
fn share(from: &Path, to: &Path) -> io::Result<u64> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(fs::metadata(to)?.len()),
        Err(_) => copy(from, to),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    whole(to, &mut File::open(from)?)
}

/// Writes a durable file for us alone.
fn whole(to: &Path, from: &mut dyn Read) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    let bytes = io::copy(from, &mut file)?;
    file.flush()?;
    file.sync_all()?;
    Ok(bytes)
}

fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Names in a folder, in order.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}
