//! The start: a journal that is gone or lost its end is refused before anything is changed; else the index is brought up to its end.

use crate::model::{Clock, Event, Stage, Warrant};
use crate::store::StoreError;
use crate::store::blob::Blobs;
use crate::store::decide::{Draft, Group};
use crate::store::disk::{Disk, Medium};
use crate::store::embedded::{Making, Opening, Tell};
use crate::store::index::Index;
use crate::store::journal::{self, ChainHash, Journal, Position, Records, SyncError};
use crate::store::record::{Record, Written, accepted_loss};
use crate::store::replay::Replay;
use crate::store::state::{Closing, set_aside};
use std::path::Path;
use std::thread;

/// A journal that has nothing is none to begin with where other files say that it had something: the mark or the index, which had
/// `seen` a record, or payloads, which come after the first segment.
fn begins(disk: &dyn Disk, journal: &Path, seen: impl FnOnce() -> u64, blobs: &Blobs) -> Result<(), StoreError> {
    if !journal::is_empty(disk, journal)? {
        return Ok(());
    }
    let what = match seen() {
        0 if !journal::segments(disk, journal)?.is_empty() || blobs.orphans(|_| Ok(false))?.is_empty() => return Ok(()),
        0 => "it has no segment, and there are payloads in blobs".to_owned(),
        seen => format!("it has no record, and had {seen}, as index or index.state say"),
    };
    Err(StoreError::Gone { journal: journal.display().to_string(), what })
}

/// How many records are lost of a journal that had record `known`, where that is to be accepted. What its last record accepts is lost
/// no more, as long as nothing else is noted since.
fn lost(
    disk: &dyn Disk,
    journal: &Path,
    hash: ChainHash,
    known: u64,
    (making, closing): (&Making, &Closing),
) -> Result<u64, StoreError> {
    let mut accepted = None;
    let (last, place) = journal::end(disk, journal, hash, &mut |_, payload| {
        accepted = accepted_loss(payload)?;
        Ok(())
    })?;
    if closing.is_accepting() && accepted.is_some_and(|accepted| accepted >= known) {
        return Ok(0);
    }
    match known.saturating_sub(last) {
        lost if lost > 0 && !matches!(making, Making::Accepting(_)) => {
            Err(StoreError::EndLost { last, place, known, lost })
        }
        lost => Ok(lost),
    }
}

/// Accepts that the journal lost its end, by a record with its event.
fn accept(
    (journal, index): (&mut Journal, &Index),
    clock: &dyn Clock,
    by: &Warrant,
    (known, lost): (u64, u64),
) -> Result<(), StoreError> {
    let (now, last) = (clock.now(), journal.records());
    let detail = format!("an operator goes on without {lost} records that the journal lost after record {last}");
    let event = Event::new(now, None, Stage::Warned, detail).fact("records_lost", lost).fact("last_record", last);
    let mut record = Record::new(now, clock.steady());
    record.log.events.push(Written::new(by.on(event))?);
    record.state.accepted_loss = Some(known);
    let mut group = Group::new(index);
    group.append(journal, record, Draft::default())?;
    let synced = journal.sync().map_err(|(SyncError::Refused(error) | SyncError::Failed(error))| error)?;
    synced.map_or(Ok(()), |synced| {
        group.begins(synced.begin);
        index.publish(group.stage()?, &synced.last)
    })
}

/// The index, and how far it goes (none: it has nothing yet); or why it cannot be gone on with.
fn usable(
    open: impl Fn() -> Result<Index, StoreError>,
    disk: &dyn Disk,
    journal: &Path,
) -> Result<Result<(Index, Option<Position>), String>, StoreError> {
    let read = open().and_then(|index| index.position().map(|position| (index, position)));
    Ok(match read {
        Err(error) => Err(error.to_string()),
        Ok((index, None)) if index.is_empty() => Ok((index, None)),
        Ok((_, None)) => Err("it does not say how far it goes, or is of another format".to_owned()),
        Ok((_, Some(position))) if !journal::holds(disk, journal, &position)? => {
            Err(format!("it goes up to record {}, which the journal does not have", position.seq))
        }
        Ok(found) => Ok(found),
    })
}

/// Opens the journal, and gives the index what comes behind the place that it goes up to.
fn replayed(
    medium: &Medium,
    folder: &Path,
    hash: ChainHash,
    (index, from): (&Index, Option<&Position>),
    tell: Tell<'_>,
) -> Result<(Journal, journal::Found), StoreError> {
    // What an index in the making does not know may have been dropped.
    let whole = from.is_some() || journal::beginning(&*medium.disk, folder)?.is_none();
    thread::scope(|scope| {
        let mut replay = Replay::new(scope, index, whole, tell);
        let mut each = |position: &Position, payload: &[u8]| replay.record(position, payload);
        let opened = Journal::open(medium, folder, hash, from, &mut each)?;
        replay.end().map(|()| opened)
    })
}

/// Opens index and journal, and brings the index up to the journal's end.
pub(super) fn open_index(
    medium: &Medium,
    folder: &Path,
    hash: ChainHash,
    (making, trusted): (Making, Result<(), String>),
    (closing, blobs): (&Closing, &Blobs),
    (clock, tell): (&dyn Clock, Tell<'_>),
) -> Result<(Index, Journal, Opening), StoreError> {
    let (index_folder, journal_folder) = (folder.join("index"), folder.join("journal"));
    let (disk, reached, mut opening) = (&*medium.disk, closing.reached(), Opening::default());
    let open = || Index::open(disk, &index_folder, Records::of(medium, &journal_folder));
    let missing = !disk.has_index(&index_folder);
    let seen = || {
        let index = Some(()).filter(|()| !missing).and_then(|()| open().ok());
        let position = index.and_then(|index| index.position().ok().flatten());
        position.map_or(0, |position| position.seq).max(reached)
    };
    begins(disk, &journal_folder, seen, blobs)?;
    let trusted = if making == Making::Needed { trusted } else { Err("it was asked for".to_owned()) };
    let found = match trusted {
        Ok(()) => usable(open, disk, &journal_folder)?,
        Err(why) => Err(why),
    };
    let (known, proven) = match &found {
        Ok((_, position)) => (reached, position.as_ref().map_or(0, |position| position.seq)),
        Err(_) => (seen(), 0),
    };
    if known > proven {
        opening.lost = lost(disk, &journal_folder, hash, known, (&making, closing))?;
    }
    let (index, from) = match found {
        Ok(found) => found,
        Err(why) => {
            if opening.lost > 0 {
                closing.accept(known)?;
            }
            opening.rebuilt = Some(why).filter(|_| disk.has_index(&index_folder));
            set_aside(disk, &index_folder, if opening.lost > 0 { "lost" } else { "aside" })?;
            (open()?, None)
        }
    };
    let (mut journal, found) = replayed(medium, &journal_folder, hash, (&index, from.as_ref()), tell)?;
    found.suspect.into_iter().for_each(|segment| index.records().suspect(segment));
    opening.journal = found;
    if let (Making::Accepting(by), 1..) = (&making, opening.lost) {
        accept((&mut journal, &index), clock, by, (known, opening.lost))?;
    }
    if missing && opening.journal.read > 0 {
        opening.rebuilt.get_or_insert_with(|| "it was missing".into());
    }
    Ok((index, journal, opening))
}
