//! Refused requests as they came, for `sluss as4 open`: off unless the configuration says `record_refused`.
//!
//! A request is written aside while it is read, and stays only when it is refused. Its parts are still encrypted to us; its
//! header is not, so the folder is its owner's alone. The oldest go when the folder would grow over its bound.

use super::Router;
use crate::as4::Head;
use crate::model::{Problem, Timestamp};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where refused requests are kept.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The folder; it is made when missing, for its owner alone.
    pub folder: PathBuf,
    /// Most that the folder holds, in bytes.
    pub bytes_max: u64,
}

/// One request while it is read. It goes when its last owner does, unless it was kept.
#[derive(Debug)]
pub(super) struct Record {
    recorder: Recorder,
    folder: PathBuf,
    body: Mutex<Written>,
    kept: AtomicBool,
}

#[derive(Debug)]
struct Written {
    file: File,
    bytes: u64,
    /// What could not be written, or was too much: the record is then not whole.
    cut: Option<String>,
}

impl Recorder {
    /// Begins a record. `name` is unique, as the time and a random number.
    pub(super) fn begin(&self, name: &str, head: &Head) -> io::Result<Arc<Record>> {
        let folder = self.folder.join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::write(folder.join("request.headers"), head.lines())?;
        let file = File::create(folder.join("request.body"))?;
        let body = Mutex::new(Written { file, bytes: 0, cut: None });
        Ok(Arc::new(Record { recorder: self.clone(), folder, body, kept: AtomicBool::new(false) }))
    }

    /// Takes the oldest records out until the rest is within the bound.
    fn trim(&self) -> io::Result<()> {
        let mut records: Vec<(PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let folder = entry?.path();
            records.push((folder.clone(), bytes_in(&folder)?));
        }
        // Names begin with the time.
        records.sort();
        let mut total: u64 = records.iter().map(|(_, bytes)| bytes).sum();
        for (folder, bytes) in records {
            if total <= self.bytes_max {
                break;
            }
            fs::remove_dir_all(folder)?;
            total -= bytes;
        }
        Ok(())
    }
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// Begins a record of a request, where the configuration asks for it. What cannot be recorded is received all the same.
pub(super) async fn begin_record(router: &Router, head: &Head) -> Option<Arc<Record>> {
    let recorder = router.settings().recorder.clone()?;
    let name = format!("{}-{}", router.now().strftime("%Y%m%dT%H%M%S"), uuid::Uuid::new_v4().simple());
    let head = head.clone();
    let begun = tokio::task::spawn_blocking(move || recorder.begin(&name, &head)).await;
    match begun.map_err(io::Error::other).and_then(|begun| begun) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::warn!(%error, "a request could not be recorded");
            None
        }
    }
}

/// Keeps the record of a refused request.
pub(super) async fn keep_record(router: &Router, record: Arc<Record>, problem: Problem) {
    let at = router.now();
    let kept = tokio::task::spawn_blocking(move || record.keep(&problem, at)).await;
    match kept.map_err(io::Error::other).and_then(|kept| kept) {
        Ok(folder) => {
            tracing::info!(folder = %folder.display(), "the refused request was kept; look at it with `sluss as4 open`")
        }
        Err(error) => tracing::warn!(%error, "a refused request could not be kept"),
    }
}

impl Record {
    /// Keeps it, with the reason; gives its folder.
    pub(super) fn keep(&self, problem: &Problem, at: Timestamp) -> io::Result<PathBuf> {
        let written = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = serde_json::json!({ "at": at, "bytes": written.bytes, "cut": written.cut, "error": problem });
        fs::write(self.folder.join("reason.json"), format!("{reason:#}\n"))?;
        self.kept.store(true, Ordering::Relaxed);
        self.recorder.trim()?;
        Ok(self.folder.clone())
    }

    fn write(&self, octets: &[u8]) {
        let mut written = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        if written.cut.is_some() {
            return;
        }
        if written.bytes + octets.len() as u64 > self.recorder.bytes_max {
            written.cut = Some(format!("longer than the {} bytes that are kept", self.recorder.bytes_max));
            return;
        }
        match written.file.write_all(octets) {
            Ok(()) => written.bytes += octets.len() as u64,
            // What cannot be recorded is received all the same.
            Err(error) => written.cut = Some(error.to_string()),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A body that is recorded while it is read; not at all where there is no record.
pub(super) struct Recorded<R> {
    pub(super) inner: R,
    pub(super) record: Option<Arc<Record>>,
}

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        if let Some(record) = &self.record {
            record.write(&out[..n]);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, Fault, SystemClock};

    fn read(recorder: &Recorder, name: &str, body: &[u8]) -> Arc<Record> {
        let record = recorder
            .begin(name, &Head { content_types: vec!["application/soap+xml\r\nX: y".into()], ..Head::default() })
            .unwrap();
        let mut recorded = Recorded { inner: body, record: Some(Arc::clone(&record)) };
        io::copy(&mut recorded, &mut io::sink()).unwrap();
        record
    }

    fn problem() -> Problem {
        Problem::new(Fault::Refused, "as4:InvalidHeader", "the message header is not valid", "found a, expected b")
    }

    #[test]
    fn what_is_refused_stays_with_its_reason_and_what_is_taken_goes() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder { folder: folder.path().join("refused"), bytes_max: 10_000 };
        drop(read(&recorder, "1", b"taken"));
        let kept = read(&recorder, "2", b"refused").keep(&problem(), SystemClock.now()).unwrap();
        assert_eq!(fs::read_dir(&recorder.folder).unwrap().count(), 1);
        assert_eq!(fs::read(kept.join("request.body")).unwrap(), b"refused");
        assert_eq!(
            fs::read_to_string(kept.join("request.headers")).unwrap(),
            "Content-Type: application/soap+xmlX: y\n"
        );
        assert!(fs::read_to_string(kept.join("reason.json")).unwrap().contains("found a, expected b"));
    }

    #[test]
    fn the_folder_has_a_bound_and_the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder { folder: folder.path().to_owned(), bytes_max: 2_000 };
        for name in ["1", "2", "3"] {
            read(&recorder, name, &[7; 600]).keep(&problem(), SystemClock.now()).unwrap();
        }
        let mut names: Vec<String> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["2", "3"]);
        let kept = read(&recorder, "4", &[7; 3_000]).keep(&problem(), SystemClock.now()).unwrap();
        assert!(fs::read_to_string(kept.join("reason.json")).unwrap().contains("longer than"));
    }
}
