//! The chain of the journal, followed without changing anything, for those who prove or doubt what it says.

use crate::model::{As4ReceiptSummary, Change, Event, Message, MessageId, Packing, Timestamp};
use crate::store::disk::SystemDisk;
use crate::store::journal::{self, Beginning, Cause, ChainHash, Damage};
use crate::store::record::{Noted, Record, Written, unreadable};
use crate::store::verify::{is_open, reached};
use crate::store::{Answered, StoreError};
use serde::Serialize;
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
    /// What few records say: the beginning of the journal that is gone, and the end that was lost.
    fn of_the_chain(&self) -> Result<(Option<Beginning>, Option<AcceptedLoss>), StoreError> {
        // All others need not be taken apart.
        let says = |name: &[u8]| memchr::memmem::find(self.state, name).is_some();
        if !(says(b"\"dropped\":") || says(b"\"accepted_loss\":")) {
            return Ok((None, None));
        }
        let Record { log, state } = Record::<Event>::decode(&[self.log, self.state].concat())
            .map_err(|error| unreadable("record of the journal", error))?;
        let accepted = state.accepted_loss.map(|known| AcceptedLoss::of(self.seq, known, &log.events));
        Ok((state.dropped, accepted))
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

/// A loss of the journal's end with which an operator goes on, as its record says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AcceptedLoss {
    /// The record that accepts it.
    pub record: u64,
    /// How many records were lost before it.
    pub lost: u64,
    /// When.
    pub at: Option<Timestamp>,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl AcceptedLoss {
    /// That of record `record`, whose events are these: the journal had been as long as `known`.
    fn of(record: u64, known: u64, events: &[Event]) -> Self {
        let event = events.iter().find(|event| event.facts.contains_key("records_lost"));
        let fact = |name| event.and_then(|event| event.facts.get(name)).cloned().unwrap_or_default();
        let (actor, reason) = (fact("actor"), fact("reason"));
        Self { record, lost: (known + 1).saturating_sub(record), at: event.map(|event| event.at), actor, reason }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Followed {
    /// Whether a process had the store open meanwhile.
    pub in_use: bool,
    /// The beginning that is gone, as a record of the chain says; none where the first record is there.
    pub dropped: Option<Beginning>,
    /// The losses that were accepted, in the order of the chain.
    pub accepted: Vec<AcceptedLoss>,
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
    let (mut before, mut noted, mut accepted) = (([0; 32], 0), None, Vec::new());
    let scanned = journal::scan(&SystemDisk::default(), &segments, hash, None, &mut |position, payload| {
        if before.1 + 1 != position.seq {
            before.0 = journal::before(&SystemDisk::default(), &segments, position.segment)?;
        }
        let (log, state) = journal::lines(payload);
        let link = Link { seq: position.seq, before: before.0, chain: position.chain, log, state };
        let (dropped, loss) = link.of_the_chain()?;
        noted = dropped.or(noted.take());
        accepted.extend(loss);
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
    Ok(Followed { in_use, dropped: scanned.dropped, accepted, last, torn, damage, end_cut })
}
