//! Whether what lies on the disk is what was written: every octet of the journal, and each payload that a message names.
//! Nothing is changed, and a daemon may go on meanwhile.

use crate::model::{BlobId, Change, Content, Message, MessageId, Packing, Timestamp};
use crate::store::backup::{self, BackedUp};
use crate::store::disk::{Disk, SystemDisk};
use crate::store::journal::{self, Beginning, ChainHash, Position, hex};
use crate::store::record::{Noted, Record, State, Written};
use crate::store::{Place, StoreError, state};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// What is read of payloads, as SHA-256 in lower-case hexadecimal; the store knows neither cryptography nor formats of its own.
#[derive(Clone, Copy, Debug)]
pub struct Digests {
    /// Of a whole file.
    pub file: fn(&mut File) -> io::Result<String>,
    /// Of each document in an opened message; [`io::ErrorKind::InvalidData`] where it can no longer be read as one.
    pub documents: fn(&mut File) -> io::Result<Vec<String>>,
}

/// Beside a daemon, payloads younger than this may be on their way to their message.
const YOUNG: Duration = Duration::from_secs(600);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whether everything holds.
    pub whole: bool,
    /// Whether a process has the store open: then what it writes meanwhile is not judged.
    pub in_use: bool,
    /// Segments of the journal.
    pub segments: u32,
    /// Its last record; as many were written over the life of the store.
    pub records: u64,
    /// The chain's hash with that record, in hexadecimal: who noted it elsewhere can tell whether the journal was replaced.
    pub chain: Option<String>,
    /// A torn tail that nobody was promised; the next start cuts it.
    pub torn: Option<String>,
    /// Messages.
    pub messages: u64,
    /// Payload files.
    pub payloads: Payloads,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// Payload files, counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Payloads {
    /// Named by a message, and there.
    pub present: u64,
    /// Named by a message, and not there.
    pub missing: u64,
    /// There, of another size or digest than was written.
    pub changed: u64,
    /// There, and no more is known: packed by a version that did not note a digest. Among those that are present.
    pub unproven: u64,
    /// There, and named by no message: the next start removes them. No finding.
    pub orphaned: u64,
}

/// One thing that does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was found, what was expected.
    pub what: String,
    /// Where in the journal.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Which payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<BlobId>,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// What to do.
    pub remedy: &'static str,
}

/// The payloads of one message.
#[derive(Debug, Default)]
struct Named {
    envelope: Option<Payload>,
    packed: Vec<Payload>,
    content: Option<Payload>,
}

/// A payload that a message names.
#[derive(Debug)]
struct Payload {
    blob: BlobId,
    known: Known,
}

/// What is known of the content of a payload.
#[derive(Debug)]
enum Known {
    Nothing,
    /// SHA-256 of the file.
    File(String),
    /// SHA-256 of each document in it.
    Documents(Vec<String>),
}

/// Messages that have payloads, after all records read so far.
#[derive(Debug, Default)]
struct Contents {
    /// Those of whose beginning is told.
    messages: u64,
    /// Those that were told again before their beginning went.
    carried: HashSet<MessageId>,
    named: HashMap<MessageId, Named>,
    /// What was said to be gone of the journal.
    dropped: Option<Beginning>,
}

/// Looks at the store in `folder`, a data folder or a backup, at the time `now`.
///
/// # Errors
///
/// When it cannot be read. What does not hold is no error but a finding.
pub fn verify(folder: &Path, hash: ChainHash, digests: Digests, now: Timestamp) -> Result<Verified, StoreError> {
    let (disk, journal) = (SystemDisk::default(), folder.join("journal"));
    if !journal.is_dir() {
        return Err(StoreError::Unfit(format!("{} holds no store: it has no folder `journal`", folder.display())));
    }
    let (in_use, reached) = (is_open(folder)?, reached(folder)?);
    // Beside a daemon, what was written since then may be on its way to its message.
    let young = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)).saturating_sub(YOUNG);
    let young = in_use.then_some(young);
    let mut contents = Contents::default();
    let scanned = journal::scan(&disk, &journal, hash, None, &mut |at, payload| contents.take(&journal, at, payload))?;
    let end_cut = scanned.end_cut(&journal, reached);
    let mut findings: Vec<Finding> = scanned.damage.into_iter().map(damaged).collect();
    let missing = scanned.dropped.and_then(|missing| missing.damage(&journal, contents.dropped.as_ref()));
    findings.extend(missing.into_iter().map(damaged).chain(end_cut.map(ended)));
    let (mut payloads, suspects) = contents.compare(folder, digests, young)?;
    let mut last = scanned.last;
    if !suspects.is_empty() && in_use {
        // A message may have given its payload up since its record was read.
        let from = last.clone();
        let later = journal::scan(&disk, &journal, hash, from.as_ref(), &mut |at, payload| {
            contents.take(&journal, at, payload)
        })?;
        last = later.last;
    }
    for (id, payload, what, missing) in suspects {
        if let Some(remedy) = contents.named.get(&id).and_then(|named| named.remedy(payload)) {
            if missing {
                payloads.missing += 1
            } else {
                payloads.changed += 1
            }
            findings.push(Finding { what, place: None, payload: Some(payload), message: Some(id), remedy });
        }
    }
    Ok(Verified {
        whole: findings.is_empty(),
        in_use,
        segments: scanned.segments,
        records: last.as_ref().map_or(0, |last| last.seq),
        chain: last.map(|last| hex(&last.chain)),
        torn: scanned.torn.filter(|_| !in_use).map(|torn| format!("{} bytes at {}", torn.bytes, torn.place)),
        messages: contents.messages + contents.carried.len() as u64,
        payloads,
        findings,
    })
}

/// Up to which record the journal of a store or of a backup went at least, as the mark of the last start or end or the manifest
/// says. Payloads without a segment are of one record at least.
///
/// # Errors
///
/// When a file cannot be read.
pub(in crate::store) fn reached(folder: &Path) -> Result<u64, StoreError> {
    let read = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| StoreError::io(format!("read {}", path.display()), error)),
    };
    let mark = read(&state::path(folder))?;
    let (reached, _) = state::parted(&String::from_utf8_lossy(&mark));
    let manifest = serde_json::from_slice::<BackedUp>(&read(&backup::manifest(folder))?);
    let reached = manifest.map_or(0, |backed_up| backed_up.records).max(reached);
    let begun = journal::segments(&SystemDisk::default(), &folder.join("journal"));
    let gone = begun.is_ok_and(|segments| segments.is_empty()) && has_payload(&folder.join("blobs"));
    Ok(reached.max(u64::from(gone)))
}

/// Whether there is any payload.
fn has_payload(blobs: &Path) -> bool {
    let filled = |first| fs::read_dir(blobs.join(format!("{first:02x}"))).is_ok_and(|mut files| files.next().is_some());
    (0..=u8::MAX).any(filled)
}

/// Whether a process has the store open.
///
/// # Errors
///
/// When the lock cannot be looked at.
pub fn is_open(folder: &Path) -> Result<bool, StoreError> {
    let path = folder.join("lock");
    if !path.exists() {
        return Ok(false);
    }
    match SystemDisk::default().lock(&path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(StoreError::io(format!("look at {}", path.display()), error)),
    }
}

fn damaged((what, place): journal::Damage) -> Finding {
    let remedy = "restore from a backup into an empty folder: what the journal says from here on is not proven";
    Finding { what, place: Some(place), payload: None, message: None, remedy }
}

/// The end is gone.
fn ended((what, place): journal::Damage) -> Finding {
    Finding { remedy: end_lost(place.record), ..damaged((what, place)) }
}

/// The ways out where the end of the journal is gone from this record on. Where nothing is left, there is nothing to go on with.
pub fn end_lost(from: u64) -> &'static str {
    if from > 1 {
        "bring the journal's files back, or restore the last backup into an empty folder (`sluss store restore`); without one, keep a copy of the folder, and `sluss store rebuild --accept-loss --reason TEXT` goes on without these records: what they told of is gone, and what partners send again may be delivered twice"
    } else {
        "bring the journal's files back, or restore the last backup into an empty folder (`sluss store restore`)"
    }
}

impl Contents {
    fn take(&mut self, journal: &Path, at: &Position, payload: &[u8]) -> Result<(), StoreError> {
        let State { inserts, settled, carried, forgotten, dropped, .. } =
            Record::<Noted>::decode(payload).map(|record| record.state).map_err(|error| StoreError::Damaged {
                what: format!("the record holds what this version does not read: {error}"),
                place: Place {
                    segment: journal.join(format!("{:08}.log", at.segment)).display().to_string(),
                    offset: at.offset,
                    record: at.seq,
                },
            })?;
        for message in &inserts {
            self.messages += 1;
            self.named.insert(message.value().id, Named::of(message.value()));
        }
        self.dropped = dropped.or_else(|| self.dropped.take());
        for settled in settled {
            let named = self.named.entry(settled.id).or_default();
            settled.changes.into_iter().for_each(|change| named.apply(&change));
            if named.all().next().is_none() {
                self.named.remove(&settled.id);
            }
        }
        for message in carried.iter().map(Written::value) {
            self.carried.insert(message.id);
            self.named.insert(message.id, Named::of(message));
        }
        for id in &forgotten {
            self.messages = self.messages.saturating_sub(u64::from(!self.carried.remove(id)));
            self.named.remove(id);
        }
        Ok(())
    }

    /// Looks at each payload. What is missing or changed is only suspected: message, payload, what, whether it is missing.
    #[expect(clippy::type_complexity, reason = "two results of one pass")]
    fn compare(
        &self,
        folder: &Path,
        digests: Digests,
        young: Option<Duration>,
    ) -> Result<(Payloads, Vec<(MessageId, BlobId, String, bool)>), StoreError> {
        let (blobs, mut counted, mut suspects) = (folder.join("blobs"), Payloads::default(), Vec::new());
        let mut known: HashMap<BlobId, ()> = HashMap::new();
        for (id, named) in &self.named {
            for payload in named.all() {
                let first = known.insert(payload.blob, ()).is_none();
                match wrong(&blobs, payload, digests)? {
                    None => {
                        counted.present += u64::from(first);
                        counted.unproven += u64::from(first && matches!(payload.known, Known::Nothing));
                    }
                    Some((what, missing)) => suspects.push((*id, payload.blob, what, missing)),
                }
            }
        }
        for first in 0..=u8::MAX {
            let home = blobs.join(format!("{first:02x}"));
            let failed = |source| StoreError::io(format!("payload folder {}", home.display()), source);
            if !home.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&home).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let Ok(id) = uuid::Uuid::try_parse(&entry.file_name().to_string_lossy()) else { continue };
                let written = entry.metadata().and_then(|found| found.modified()).ok();
                let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
                let on_its_way = young.is_some_and(|since| written > since);
                counted.orphaned += u64::from(!(on_its_way || known.contains_key(&BlobId(id))));
            }
        }
        Ok((counted, suspects))
    }
}

/// What is wrong with a payload, and whether it is missing.
fn wrong(blobs: &Path, payload: &Payload, digests: Digests) -> Result<Option<(String, bool)>, StoreError> {
    let name = payload.blob.to_string();
    let path = blobs.join(name.get(..2).unwrap_or_default()).join(&name);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some((format!("{} is missing", path.display()), true)));
        }
        Err(error) => return Err(StoreError::io(format!("open {}", path.display()), error)),
    };
    let differs = payload.known.differs(&mut file, digests);
    let differs = differs.map_err(|source| StoreError::io(format!("read {}", path.display()), source))?;
    Ok(differs.map(|what| (format!("{}: {what}", path.display()), false)))
}

impl Known {
    /// As a file of this digest; none is known where it is empty.
    fn file(sha256: &str) -> Self {
        if sha256.is_empty() { Self::Nothing } else { Self::File(sha256.to_owned()) }
    }

    /// What was found and what was expected, where that is not the same.
    fn differs(&self, file: &mut File, digests: Digests) -> io::Result<Option<String>> {
        match self {
            Self::Nothing => Ok(None),
            Self::File(expected) => {
                let (bytes, found) = (file.metadata()?.len(), (digests.file)(file)?);
                let what = || format!("found {bytes} bytes with SHA-256 {found}, expected SHA-256 {expected}");
                Ok((found != *expected).then(what))
            }
            Self::Documents(expected) => match (digests.documents)(file) {
                Ok(found) if found == *expected => Ok(None),
                Ok(found) => Ok(Some(format!("found documents with SHA-256 {found:?}, expected {expected:?}"))),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Ok(Some(format!("found no message ({error}), expected documents with SHA-256 {expected:?}")))
                }
                Err(error) => Err(error),
            },
        }
    }
}

impl Payload {
    fn of_packing(packing: &Packing) -> Vec<Self> {
        let known = || packing.part_sha256.as_deref().map_or(Known::Nothing, Known::file);
        packing.files().map(|blob| Self { blob, known: known() }).collect()
    }

    fn of_content(content: &Content) -> Option<Self> {
        let documents = content.documents.iter().map(|document| document.sha256.clone()).collect();
        content.payload.map(|blob| Self { blob, known: Known::Documents(documents) })
    }
}

impl Named {
    fn of(message: &Message) -> Self {
        let envelope = message.envelope.map(|blob| Payload { blob, known: Known::file(&message.envelope_sha256) });
        Self {
            envelope,
            packed: message.packed.iter().flat_map(Payload::of_packing).collect(),
            content: message.content.as_ref().and_then(Payload::of_content),
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Packed(packed) => {
                self.packed = packed.iter().flat_map(|packed| Payload::of_packing(packed)).collect()
            }
            Change::Content(content) => self.content = Payload::of_content(content),
            Change::EnvelopeGone => self.envelope = None,
            _ => {}
        }
    }

    /// What to do where a payload does not hold; none where it names it no more.
    fn remedy(&self, blob: BlobId) -> Option<&'static str> {
        let is = |payload: &Payload| payload.blob == blob;
        if self.envelope.as_ref().is_some_and(is) {
            Some("copy the file from a backup; without one, the message cannot go on: ask its sender to send it again")
        } else if self.content.as_ref().is_some_and(is) {
            Some(
                "copy the file from a backup; without one, its documents are not given out: ask its sender to send it again",
            )
        } else if self.packed.iter().any(is) {
            Some("nothing, as long as its envelope holds: it is packed anew from that at the next attempt")
        } else {
            None
        }
    }

    fn all(&self) -> impl Iterator<Item = &Payload> {
        self.envelope.iter().chain(&self.packed).chain(&self.content)
    }
}
