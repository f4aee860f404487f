//! The chain of the journal, followed without changing anything, for those who prove or doubt what it says.

use crate::model::{As4ReceiptSummary, Change, Message, MessageId, Packing};
use crate::store::disk::SystemDisk;
use crate::store::journal::{self, Beginning, Cause, ChainHash, Damage};
use crate::store::record::{Noted, Record, Written, unreadable};
use crate::store::verify::{is_open, reached};
use crate::store::{Answered, StoreError};
use std::path::Path;

/// A record in its place in the chain.
#[derive(Debug)]
pub struct Link<'a> {
    /// Its number; the first is 1.
    pub seq: u64,
    /// The chain hash before it; zeros before the first.
    pub before: [u8; 32],
    /// The chain hash with it.
    pub chain: [u8; 32],
    /// The log line, with its newline.
    pub log: &'a [u8],
    /// The state line.
    pub state: &'a [u8],
}

/// What a record says of one message, and what proves it.
#[derive(Debug)]
pub struct Shown {
    /// The certificates that its events name, in PEM.
    pub certificates: Vec<String>,
    /// The message, as it began.
    pub inserted: Option<Message>,
    /// What was packed to be sent.
    pub packed: Option<Packing>,
    /// The AS4 receipt that came.
    pub as4_receipt: Option<As4ReceiptSummary>,
    /// The SOAP part that was received.
    pub received: Option<String>,
    /// The AS4 receipt that was given.
    pub answered: Option<Answered>,
}

impl Link<'_> {
    /// The beginning of the journal that it says is gone.
    fn dropped(&self) -> Result<Option<Beginning>, StoreError> {
        // Few records say so, and all others need not be taken apart.
        if memchr::memmem::find(self.state, b"\"dropped\":").is_none() {
            return Ok(None);
        }
        let record = Record::<Noted>::decode(&[self.log, self.state].concat());
        record.map(|record| record.state.dropped).map_err(|error| unreadable("record of the journal", error))
    }

    /// What it says of a message; none where none of its events is about it.
    ///
    /// # Errors
    ///
    /// When the record is not what this version writes.
    pub fn shown(&self, id: MessageId) -> Result<Option<Shown>, StoreError> {
        let Record { log, state } = Record::<Noted>::decode(&[self.log, self.state].concat())
            .map_err(|error| unreadable("record of the journal", error))?;
        if log.events.iter().all(|event| event.message != Some(id)) {
            return Ok(None);
        }
        let answered =
            state.answered.map(|(_, answered)| answered.into_value()).filter(|given| given.message == Some(id));
        let mut shown = Shown {
            certificates: log.certificates,
            inserted: state.inserts.into_iter().map(Written::into_value).find(|message| message.id == id),
            packed: None,
            as4_receipt: None,
            received: state.received.filter(|_| answered.is_some()),
            answered,
        };
        for change in state.settled.into_iter().filter(|settled| settled.id == id).flat_map(|settled| settled.changes) {
            match change {
                Change::Packed(Some(packing)) => shown.packed = Some(*packing),
                Change::As4Receipt(receipt) => shown.as4_receipt = Some(receipt),
                _ => {}
            }
        }
        Ok(Some(shown))
    }
}

/// What was found.
#[derive(Debug)]
pub struct Followed {
    /// Whether a process had the store open meanwhile.
    pub in_use: bool,
    /// The beginning that is gone, as a record of the chain says; none where the first record is there.
    pub dropped: Option<Beginning>,
    /// The last record that holds, and the chain hash with it.
    pub last: Option<(u64, [u8; 32])>,
    /// Bytes behind it that are no record, where nobody is writing them: their number and place.
    pub torn: Option<(u64, String)>,
    /// What does not hold: the first in each segment, and why.
    pub damage: Vec<(Cause, Damage)>,
    /// The end is gone: other files of the store say that the journal went further.
    pub end_cut: Option<Damage>,
}

/// Follows the chain of the store in `folder` from its first record, and gives each to `each`.
///
/// # Errors
///
/// [`StoreError::Unfit`] where there is no store; when the disk cannot be read; and whatever `each` says.
pub fn follow(
    folder: &Path,
    hash: ChainHash,
    each: &mut dyn FnMut(&Link<'_>) -> Result<(), StoreError>,
) -> Result<Followed, StoreError> {
    let segments = folder.join("journal");
    if !segments.is_dir() {
        return Err(StoreError::Unfit(format!("{} holds no store: it has no folder `journal`", folder.display())));
    }
    let (in_use, reached) = (is_open(folder)?, reached(folder)?);
    let (mut before, mut noted) = (([0; 32], 0), None);
    let scanned = journal::scan(&SystemDisk::default(), &segments, hash, None, &mut |position, payload| {
        if before.1 + 1 != position.seq {
            before.0 = journal::before(&SystemDisk::default(), &segments, position.segment)?;
        }
        let (log, state) = journal::lines(payload);
        let link = Link { seq: position.seq, before: before.0, chain: position.chain, log, state };
        noted = link.dropped()?.or(noted.take());
        before = (position.chain, position.seq);
        each(&link)
    })?;
    let end_cut = scanned.end_cut(&segments, reached);
    let torn = scanned.torn.filter(|_| !in_use).map(|torn| (torn.bytes, torn.place));
    let damage = scanned.damage.into_iter().map(|damage| (journal::cause(&damage), damage));
    let mut damage: Vec<(Cause, Damage)> = damage.collect();
    if let Some(missing) = scanned.dropped.as_ref().and_then(|missing| missing.damage(&segments, noted.as_ref())) {
        damage.insert(0, (Cause::CutOut, missing));
    }
    let last = scanned.last.map(|last| (last.seq, last.chain));
    Ok(Followed { in_use, dropped: scanned.dropped, last, torn, damage, end_cut })
}
