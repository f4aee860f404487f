//! Reading the journal back: what holds is handed on, a torn tail is cut, and damage in the middle
//! is named by its place. A group of records is written only after the group before it was synced,
//! so a record of a later group behind a broken one proves that the broken one was once whole.

use super::frame::{ChainHash, Frame, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader, hex, later_group, next_chain};
use super::{Damage, Each, FORMAT_VERSION, Group, Journal, Last, Position, Syncs, create_segment, path};
use crate::store::disk::{Disk, DiskFile, Medium};
use crate::store::{Place, StoreError};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What was found on opening.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Number of the last record; 0 for an empty journal.
    pub last: u64,
    /// Records handed on.
    pub read: u64,
    /// The torn tail that was cut.
    pub torn: Option<Torn>,
    /// The segment in which something does not hold that was read before: it is to be read again.
    pub suspect: Option<u32>,
}

/// A tail that a crash left half-written, and that nobody was told of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Torn {
    /// Segment and offset.
    pub place: String,
    /// Bytes cut.
    pub bytes: u64,
}

/// The beginning of a journal that is not there any more.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Beginning {
    /// Its last segment.
    pub segment: u32,
    /// The number of its last record.
    pub records: u64,
    /// The chain hash with that record, in hexadecimal.
    pub chain: String,
}

impl Beginning {
    /// It goes up to this record, the last one of its segment.
    pub(in crate::store) fn up_to(position: &Position) -> Self {
        Self { segment: position.segment, records: position.seq, chain: hex(&position.chain) }
    }

    /// What is wrong where exactly this is missing; nothing where it was noted that it is gone. Less may be missing than what
    /// was noted, since files go after the note.
    pub(in crate::store) fn damage(&self, folder: &Path, noted: Option<&Self>) -> Option<Damage> {
        if noted.is_some_and(|noted| self.segment < noted.segment || self == noted) {
            return None;
        }
        let expected = noted.map_or_else(
            || "record 1".to_owned(),
            |noted| {
                format!("record {} with chain hash {} before it, or an earlier one", noted.records + 1, noted.chain)
            },
        );
        let found =
            format!("the journal begins with record {} and chain hash {} before it", self.records + 1, self.chain);
        let what = format!("a segment is missing: {found}, expected {expected}");
        Some((what, place(folder, self.segment, 0, self.records)))
    }
}

/// Reads the first bytes of a segment; zeros stay where it is shorter.
fn beginning_of(disk: &dyn Disk, folder: &Path, number: u32, bytes: &mut [u8]) -> Result<(), StoreError> {
    let read = disk.reader(&path(folder, number)).and_then(|file| file.read_up_to(bytes, 0));
    read.map(drop).map_err(|error| StoreError::io(format!("read segment {number}"), error))
}

/// The header of a segment; none where its bytes are no header of this format.
pub(super) fn head(disk: &dyn Disk, folder: &Path, number: u32) -> Result<Option<SegmentHeader>, StoreError> {
    let mut head = [0; SEGMENT_HEADER_BYTES];
    beginning_of(disk, folder, number, &mut head)?;
    match SegmentHeader::decode(&head) {
        Ok(header) => Ok(Some(header)),
        Err(HeaderFault::Unreadable) => Ok(None),
        Err(HeaderFault::Version(found)) => Err(other_format(folder, number, found)),
    }
}

fn other_format(folder: &Path, number: u32, found: u32) -> StoreError {
    StoreError::Format { segment: path(folder, number).display().to_string(), found, expected: FORMAT_VERSION }
}

/// What is missing before the first segment; none where that is the first of all.
///
/// # Errors
///
/// When the segment cannot be read.
pub fn beginning(disk: &dyn Disk, folder: &Path) -> Result<Option<Beginning>, StoreError> {
    let first = numbers(disk, folder)?.first().copied().filter(|first| *first > 1);
    let Some(first) = first else { return Ok(None) };
    let header = head(disk, folder, first)?.ok_or_else(|| StoreError::Damaged {
        what: "its header is unreadable".into(),
        place: place(folder, first, 0, 0),
    })?;
    Ok(Some(Beginning { segment: first - 1, records: header.first - 1, chain: hex(&header.chain) }))
}

/// The segments there are, in order.
///
/// # Errors
///
/// When the folder cannot be read, or one is missing between others.
pub fn segments(disk: &dyn Disk, folder: &Path) -> Result<Vec<u32>, StoreError> {
    numbers(disk, folder)
}

/// Whether there is no record, and none that retention may have removed.
///
/// # Errors
///
/// As for [`segments`], and when the segment cannot be read.
pub(in crate::store) fn is_empty(disk: &dyn Disk, folder: &Path) -> Result<bool, StoreError> {
    match numbers(disk, folder)?[..] {
        [] => Ok(true),
        [1] => Ok(!begun(disk, folder, 1)?),
        _ => Ok(false),
    }
}

/// Whether there is anything where the first record of a segment begins.
fn begun(disk: &dyn Disk, folder: &Path, number: u32) -> Result<bool, StoreError> {
    let mut begin = [0; SEGMENT_HEADER_BYTES + 4];
    beginning_of(disk, folder, number, &mut begin)?;
    Ok(begin[SEGMENT_HEADER_BYTES..] != [0; 4])
}

/// Removes a segment for good.
///
/// # Errors
///
/// When the file system fails.
pub fn remove(disk: &dyn Disk, folder: &Path, number: u32) -> Result<(), StoreError> {
    let removed = match disk.remove(&path(folder, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    let removed = removed.and_then(|()| disk.sync_folder(folder));
    removed.map_err(|source| StoreError::io(format!("remove segment {number}"), source))
}

pub(super) fn open(
    medium: &Medium,
    folder: &Path,
    hash: ChainHash,
    from: Option<&Position>,
    each: Each<'_>,
) -> Result<(Journal, Found), StoreError> {
    // A killed process may have created a segment whose name is not durable yet.
    let synced = medium.disk.sync_folder(folder);
    synced.map_err(|error| StoreError::io(format!("sync {}", folder.display()), error))?;
    let mut numbers = numbers(&*medium.disk, folder)?;
    let mut reader = Reader::new(folder, hash, each);
    let mut found = Found::default();
    match (from, numbers.first()) {
        (Some(from), _) => {
            reader.last = Last { seq: from.seq, chain: from.chain };
            numbers.retain(|number| *number >= from.segment);
        }
        (None, Some(&first)) if first > 1 => reader.skip(&*medium.disk, first)?,
        (None, _) => {}
    }
    let (mut open, torn_from) = (None, torn_from(&*medium.disk, folder, &numbers)?);
    for number in &numbers {
        let last = number == numbers.last().unwrap_or(number);
        let (file, segment) = read_durable(&*medium.disk, folder, *number, last)?;
        // One in which the index knows a record was created whole, whatever became of its header.
        if last && from.is_none_or(|from| from.segment != *number) && reader.half_created(&segment) {
            let removed = medium.disk.remove(&path(folder, *number));
            removed.map_err(|error| StoreError::io(format!("remove segment {number}"), error))?;
            break;
        }
        let from = from.filter(|from| from.segment == *number);
        let end = reader.segment(*number, &segment, from)?;
        if from.is_some_and(|from| !holds(folder, hash, *number, &segment, from)) {
            found.suspect = Some(*number);
        }
        if let Some(torn) = reader.tail(*number, &segment, end, *number >= torn_from)? {
            cut(&*file, end, segment.len()).map_err(|error| StoreError::io(format!("cut segment {number}"), error))?;
            found.torn = Some(torn);
        }
        open = Some((*number, file, end));
    }
    let (last, read) = (reader.last, reader.read);
    (found.last, found.read) = (last.seq, read);
    let (segment, file, end, bytes) = match open {
        Some((number, file, end)) => {
            let bytes = whole(&*file, medium.segment_bytes)
                .map_err(|error| StoreError::io(format!("extend segment {number}"), error))?;
            (number, file, end, bytes)
        }
        None => {
            let header = SegmentHeader { first: last.seq + 1, chain: last.chain };
            let (file, bytes) = create_segment(medium, folder, 1, header, 0)?;
            (1, file, SEGMENT_HEADER_BYTES as u64, bytes)
        }
    };
    let journal = Journal {
        medium: medium.clone(),
        folder: folder.to_owned(),
        hash,
        file,
        segment,
        end,
        bytes,
        last,
        group: Group::default(),
        syncs: Syncs::default(),
    };
    Ok((journal, found))
}

/// Whether a segment holds up to a record, which was read before.
fn holds(folder: &Path, hash: ChainHash, number: u32, segment: &[u8], last: &Position) -> bool {
    Reader::new(folder, hash, &mut |_, _| Ok(())).held(number, segment, Some(last)).is_ok()
}

/// The first segment whose end a crash may have torn: the newest; or the one before where the newest has no record yet. Its creation
/// may have failed and been taken back, the journal gone on before it, and a power cut brought the file back. Where it is right that
/// it is there, its header says what the segment before it ends with.
pub(super) fn torn_from(disk: &dyn Disk, folder: &Path, numbers: &[u32]) -> Result<u32, StoreError> {
    let [.., before, newest] = numbers else { return Ok(numbers.first().copied().unwrap_or(1)) };
    Ok(if begun(disk, folder, *newest)? { *newest } else { *before })
}

/// Follows the chain through the segments.
pub(super) struct Reader<'a> {
    folder: &'a Path,
    hash: ChainHash,
    each: Each<'a>,
    pub(super) last: Last,
    read: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(folder: &'a Path, hash: ChainHash, each: Each<'a>) -> Self {
        Self { folder, hash, each, last: Last::default(), read: 0 }
    }

    /// Reads one segment of a journal that others may write.
    pub(super) fn look(
        &mut self,
        disk: &dyn Disk,
        number: u32,
        from: Option<&Position>,
        newest: bool,
    ) -> Result<Option<Torn>, StoreError> {
        let segment = self.bytes(disk, number)?;
        if newest && self.half_created(&segment) {
            return Ok(None);
        }
        let end = self.segment(number, &segment, from)?;
        if newest {
            // What comes after may be on its way: it is read once more, now that nothing before it can change.
            let at = usize::try_from(end).unwrap_or(usize::MAX).min(segment.len());
            if written(&segment[at..]) > 0 {
                let again = self.bytes(disk, number)?;
                let grown = Frame::decode(again.get(at..).unwrap_or_default()).is_some();
                return if grown { Ok(None) } else { self.tail(number, &again, end, true) };
            }
        }
        self.tail(number, &segment, end, newest)
    }

    fn bytes(&self, disk: &dyn Disk, number: u32) -> Result<Vec<u8>, StoreError> {
        let read = disk.reader(&path(self.folder, number)).and_then(|file| file.read_all());
        read.map_err(|error| StoreError::io(format!("read segment {number}"), error))
    }

    /// Reads a segment as the disk has it, up to its end or up to `last`.
    pub(super) fn again(&mut self, disk: &dyn Disk, number: u32, last: Option<&Position>) -> Result<(), StoreError> {
        let forgotten = disk.forget(&path(self.folder, number));
        forgotten.map_err(|error| StoreError::io(format!("read segment {number}"), error))?;
        let segment = self.bytes(disk, number)?;
        self.held(number, &segment, last)
    }

    /// Whether a segment holds by itself, up to its end or up to `last`.
    fn held(&mut self, number: u32, segment: &[u8], last: Option<&Position>) -> Result<(), StoreError> {
        // One whose header is none is damage that is named below.
        SegmentHeader::decode(segment).into_iter().for_each(|header| self.begin(&header));
        let end = last.map_or(segment.len(), |last| {
            let at = usize::try_from(last.offset).unwrap_or(usize::MAX).min(segment.len());
            at + Frame::decode(&segment[at..]).map_or(0, |frame| frame.bytes())
        });
        let segment = &segment[..end];
        let at = self.segment(number, segment, None)?;
        self.tail(number, segment, at, false)?;
        match last {
            Some(last) if last.seq != self.last.seq || last.chain != self.last.chain => {
                let what = format!("record {} is broken, and was whole", last.seq);
                Err(self.damaged(number, end, what))
            }
            _ => Ok(()),
        }
    }

    /// Goes on with a later segment, whatever was before it.
    pub(super) fn skip(&mut self, disk: &dyn Disk, number: u32) -> Result<(), StoreError> {
        // One whose header is none is damage that its own turn will name.
        head(disk, self.folder, number)?.iter().for_each(|header| self.begin(header));
        Ok(())
    }

    fn begin(&mut self, header: &SegmentHeader) {
        self.last = Last { seq: header.first - 1, chain: header.chain };
    }

    /// Reads one segment, from its start or after `from`, and says where its records end.
    fn segment(&mut self, number: u32, segment: &[u8], from: Option<&Position>) -> Result<u64, StoreError> {
        let header = SegmentHeader::decode(segment).map_err(|fault| match fault {
            HeaderFault::Unreadable => self.damaged(number, 0, "its header is unreadable".into()),
            HeaderFault::Version(found) => other_format(self.folder, number, found),
        })?;
        let mut at = match from {
            Some(from) => {
                let begin = usize::try_from(from.offset).unwrap_or(usize::MAX).min(segment.len());
                begin + Frame::decode(&segment[begin..]).map_or(0, |frame| frame.bytes())
            }
            None if header.first != self.last.seq + 1 || header.chain != self.last.chain => {
                let what = format!(
                    "it begins with record {}, expected {}, or does not continue the chain",
                    header.first,
                    self.last.seq + 1
                );
                return Err(self.damaged(number, 0, what));
            }
            None => SEGMENT_HEADER_BYTES,
        };
        while let Some(frame) = segment.get(at..).and_then(Frame::decode) {
            self.record(number, at, &frame)?;
            at += frame.bytes();
        }
        Ok(at as u64)
    }

    /// What is missing before segment `first`, after its header was read.
    pub(super) fn dropped(&self, first: u32) -> Beginning {
        Beginning { segment: first - 1, records: self.last.seq, chain: hex(&self.last.chain) }
    }

    fn record(&mut self, number: u32, at: usize, frame: &Frame<'_>) -> Result<(), StoreError> {
        let chain = next_chain(self.hash, &self.last.chain, frame.payload);
        if frame.seq != self.last.seq + 1 {
            return Err(self.damaged(
                number,
                at,
                format!("found record {}, expected {}", frame.seq, self.last.seq + 1),
            ));
        }
        if frame.chain != chain {
            return Err(self.damaged(number, at, format!("record {} does not continue the chain", frame.seq)));
        }
        self.last = Last { seq: frame.seq, chain };
        self.read += 1;
        (self.each)(&Position { segment: number, offset: at as u64, seq: frame.seq, chain }, frame.payload)
    }

    /// What is behind the last good record: zeros, a torn tail, or proof of damage.
    fn tail(&self, number: u32, segment: &[u8], end: u64, may_be_torn: bool) -> Result<Option<Torn>, StoreError> {
        let at = usize::try_from(end).unwrap_or(usize::MAX).min(segment.len());
        let rest = &segment[at..];
        let bytes = written(rest);
        if bytes == 0 {
            return Ok(None);
        }
        let rest = &rest[..bytes];
        if !may_be_torn || later_group(rest, self.last.seq + 1).is_some() {
            return Err(self.damaged(
                number,
                at,
                format!("record {} is broken, and records after it are whole", self.last.seq + 1),
            ));
        }
        Ok(Some(Torn { place: place(self.folder, number, at, self.last.seq + 1).to_string(), bytes: bytes as u64 }))
    }

    /// Whether it holds no record and should not be there: a crash came between creating it and syncing its header; or its creation
    /// failed and was taken back, the journal went on in the segment before, and a power cut brought the file back.
    fn half_created(&self, segment: &[u8]) -> bool {
        match SegmentHeader::decode(segment) {
            Err(HeaderFault::Unreadable) => later_group(&segment[..written(segment)], self.last.seq).is_none(),
            Err(HeaderFault::Version(_)) => false,
            Ok(header) => header.first <= self.last.seq && written(&segment[SEGMENT_HEADER_BYTES..]) == 0,
        }
    }

    fn damaged(&self, number: u32, at: usize, what: String) -> StoreError {
        StoreError::Damaged { what, place: place(self.folder, number, at, self.last.seq + 1) }
    }
}

/// Length without the zeros at the end, give or take a block: preallocated space is compared by blocks.
fn written(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .rposition(|block| *block != ZEROS[..block.len()])
        .map_or(0, |last| bytes.len().min((last + 1) * ZEROS.len()))
}

pub(super) fn place(folder: &Path, number: u32, at: usize, record: u64) -> Place {
    Place { segment: path(folder, number).display().to_string(), offset: at as u64, record }
}

/// The numbers of the segments, in order and without a gap.
pub(super) fn numbers(disk: &dyn Disk, folder: &Path) -> Result<Vec<u32>, StoreError> {
    let names = disk.names(folder).map_err(|error| StoreError::io(format!("read {}", folder.display()), error))?;
    let mut numbers = Vec::new();
    for name in names {
        let number = name.strip_suffix(".log").filter(|digits| digits.len() == 8);
        numbers.extend(number.and_then(|digits| digits.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    let first = numbers.first().copied().unwrap_or(1);
    let missing = numbers.iter().zip(first..).find(|(found, expected)| **found != *expected);
    match missing {
        Some((_, expected)) => {
            Err(StoreError::Damaged { what: "a segment is missing".into(), place: place(folder, expected, 0, 0) })
        }
        None => Ok(numbers),
    }
}

/// Reads a segment of which nothing is only in memory: a killed process may have left written but
/// unsynced records, and they must not be acted upon before they are durable.
///
/// The last one is written once more: after a sync that failed, the system may hold its bytes for written, and
/// the next sync says nothing of them.
fn read_durable(
    disk: &dyn Disk,
    folder: &Path,
    number: u32,
    last: bool,
) -> Result<(Box<dyn DiskFile>, Vec<u8>), StoreError> {
    let path = path(folder, number);
    let read = || {
        let file = disk.open(&path)?;
        let bytes = file.read_all()?;
        if last {
            file.write_all_at(&bytes[..written(&bytes)], 0)?;
        }
        file.sync_all()?;
        Ok((file, bytes))
    };
    read().map_err(|error| StoreError::io(format!("read {}", path.display()), error))
}

/// Zeros what is behind the last good record.
fn cut(file: &dyn DiskFile, end: u64, bytes: usize) -> io::Result<()> {
    file.set_len(end)?;
    file.preallocate(bytes as u64)?;
    file.sync_all()
}

/// Gives a shortened last segment its size back.
fn whole(file: &dyn DiskFile, segment_bytes: u64) -> io::Result<u64> {
    let found = file.len()?;
    if found < segment_bytes {
        file.preallocate(segment_bytes)?;
        file.sync_all()?;
    }
    Ok(found.max(segment_bytes))
}
