//! Reading a journal without changing it, also beside the process that writes it.

use super::frame::{ChainHash, SEGMENT_HEADER_BYTES};
use super::recovery::{Reader, head, numbers, place, torn_from};
use super::{Beginning, Each, Last, Position, Torn};
use crate::store::disk::Disk;
use crate::store::{Place, StoreError};
use std::path::Path;

/// What a journal that we do not write to was found to hold.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// Segments.
    pub segments: u32,
    /// The last record that holds.
    pub last: Option<Position>,
    /// What is behind it: a torn tail, or a group that another process is writing.
    pub torn: Option<Torn>,
    /// What is missing before the first segment.
    pub dropped: Option<Beginning>,
    /// Damage: the first in each segment.
    pub damage: Vec<Damage>,
}

/// One damage: what and where.
pub type Damage = (String, Place);

/// Reads a journal without changing it, also beside the process that writes it: every record that holds after `from` goes to
/// `each`. A damaged segment does not keep the later ones from being read.
///
/// # Errors
///
/// When the disk cannot be read, and whatever `each` says.
pub fn scan(
    disk: &dyn Disk,
    folder: &Path,
    hash: ChainHash,
    from: Option<&Position>,
    each: Each<'_>,
) -> Result<Scanned, StoreError> {
    let mut scanned = Scanned { last: from.cloned(), ..Scanned::default() };
    let numbers = match numbers(disk, folder) {
        Ok(numbers) => numbers,
        Err(StoreError::Damaged { what, place }) => {
            scanned.damage.push((what, place));
            return Ok(scanned);
        }
        Err(error) => return Err(error),
    };
    let mut last = from.cloned();
    let mut noting = |position: &Position, payload: &[u8]| {
        last = Some(position.clone());
        each(position, payload)
    };
    let mut reader = Reader::new(folder, hash, &mut noting);
    match (from, numbers.first()) {
        (Some(from), _) => reader.last = Last { seq: from.seq, chain: from.chain },
        (None, Some(&first)) if first > 1 => {
            match reader.skip(disk, first) {
                // Its own turn names it.
                Ok(()) | Err(StoreError::Format { .. }) => {}
                Err(error) => return Err(error),
            }
            scanned.dropped = Some(reader.dropped(first));
        }
        (None, _) => {}
    }
    let torn_from = torn_from(disk, folder, &numbers)?;
    for number in numbers.iter().filter(|number| from.is_none_or(|from| **number >= from.segment)) {
        scanned.segments += 1;
        let begin = from.filter(|from| from.segment == *number);
        match reader.look(disk, *number, begin, *number >= torn_from) {
            Ok(torn) => scanned.torn = torn.or(scanned.torn.take()),
            Err(error) => {
                scanned.damage.push(match error {
                    StoreError::Damaged { what, place } => (what, place),
                    StoreError::Format { .. } => (error.to_string(), place(folder, *number, 0, reader.last.seq + 1)),
                    error => return Err(error),
                });
                // Where there is none, or it cannot be read, there is nothing to go on with.
                drop(reader.skip(disk, number + 1));
            }
        }
    }
    scanned.last = last;
    Ok(scanned)
}

impl Scanned {
    /// What is missing at the end of a journal that went up to record `reached` at least; nothing where it still does.
    pub(in crate::store) fn end_cut(&self, folder: &Path, reached: u64) -> Option<Damage> {
        let last = self.last.as_ref().map_or(0, |last| last.seq);
        let what = format!(
            "the journal ends with record {last}, and went up to record {reached} at least, as other files here say"
        );
        (last < reached).then(|| (what, place(folder, self.segments.max(1), 0, last + 1)))
    }
}

/// Reads one segment that is no longer written, by itself: every record goes to `each`.
///
/// # Errors
///
/// [`StoreError::Damaged`] where it does not hold, and whatever `each` says.
pub fn segment(disk: &dyn Disk, folder: &Path, hash: ChainHash, number: u32, each: Each<'_>) -> Result<(), StoreError> {
    let mut reader = Reader::new(folder, hash, each);
    reader.skip(disk, number)?;
    reader.look(disk, number, None, false).map(|_| ())
}

/// What does not hold of a segment, as the disk has it: up to the chain's link to the next one, or up to `last`, where that record is in
/// it and others may be on their way behind it.
///
/// # Errors
///
/// For what is no damage: a lack of space.
pub(in crate::store) fn reread(
    disk: &dyn Disk,
    folder: &Path,
    hash: ChainHash,
    number: u32,
    last: &Position,
) -> Result<Option<Damage>, StoreError> {
    let mut nothing = |_: &Position, _: &[u8]| Ok(());
    let mut reader = Reader::new(folder, hash, &mut nothing);
    let last = Some(last).filter(|last| last.segment == number);
    let read = reader.again(disk, number, last);
    let record = reader.last.seq + 1;
    match read {
        Err(StoreError::Damaged { what, place }) => return Ok(Some((what, place))),
        Err(StoreError::Io { what, source }) => {
            return Ok(Some((format!("{what}: {source}"), place(folder, number, 0, record))));
        }
        read => read?,
    }
    if last.is_some() {
        return Ok(None);
    }
    // One whose header cannot be read is damage that its own turn names.
    let next = head(disk, folder, number + 1).ok().flatten();
    let parted = next.filter(|next| next.first != record || next.chain != reader.last.chain);
    Ok(parted.map(|next| {
        let what = format!("it begins with record {}, expected {record}, or does not continue the chain", next.first);
        (what, place(folder, number + 1, 0, record))
    }))
}

/// The last record of a journal that nobody writes to, and where it ends. Only what a crash may have torn is read, and goes to `each`.
///
/// # Errors
///
/// [`StoreError::Damaged`] where that does not hold, and when it cannot be read.
pub(in crate::store) fn end(
    disk: &dyn Disk,
    folder: &Path,
    hash: ChainHash,
    each: Each<'_>,
) -> Result<(u64, Place), StoreError> {
    let numbers = numbers(disk, folder)?;
    let from = torn_from(disk, folder, &numbers)?;
    let mut end = (from, SEGMENT_HEADER_BYTES as u64);
    let mut noting = |position: &Position, payload: &[u8]| {
        let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        end = (position.segment, position.end(bytes));
        each(position, payload)
    };
    let mut reader = Reader::new(folder, hash, &mut noting);
    reader.skip(disk, from)?;
    for number in numbers.iter().filter(|number| **number >= from) {
        reader.look(disk, *number, None, true)?;
    }
    let last = reader.last.seq;
    Ok((last, place(folder, end.0, usize::try_from(end.1).unwrap_or(usize::MAX), last + 1)))
}
