//! The format of a segment: a header, then records, then zeros. All numbers little-endian.
//!
//! | segment header | | record | |
//! |---|---|---|---|
//! | 8 | `SLUSSJNL` | 4 | length of the payload |
//! | 4 | format version | 4 | CRC-32 of the rest of the record |
//! | 8 | sequence number of the first record | 8 | sequence number |
//! | 32 | chain hash before the first record | 8 | sequence number of the first record of its group |
//! | 4 | CRC-32 of the above | 32 | chain hash, by [`next_chain`] |
//! | 8 | zeros | … | payload: the log line, and after its newline the state line |
//!
//! | version | since | what changed |
//! |---|---|---|
//! | 1 | 2026-11-22 | one line for all, and one hash over it |
//! | 2 | 2026-11-24 | log line and state line, each with a hash of its own in the chain |

use crate::limits::JOURNAL_RECORD_BYTES_MAX;

/// The version that is written, and the only one that is read.
pub(super) const FORMAT_VERSION: u32 = 2;
/// Size of a segment header in bytes.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
/// Size of a record without its payload, in bytes.
pub(super) const RECORD_HEADER_BYTES: usize = 56;

const MAGIC: &[u8; 8] = b"SLUSSJNL";

/// The hash that chains the records; the store knows no cryptography of its own.
pub type ChainHash = fn(&[u8]) -> [u8; 32];

/// The head of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SegmentHeader {
    pub(super) first: u64,
    pub(super) chain: [u8; 32],
}

/// Why a segment header was not read.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum HeaderFault {
    /// Not what we write, or cut short.
    Unreadable,
    /// Whole, but of another version.
    Version(u32),
}

impl SegmentHeader {
    /// The bytes.
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first.to_le_bytes());
        bytes[20..52].copy_from_slice(&self.chain);
        let crc = crc32fast::hash(&bytes[..52]);
        bytes[52..56].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads it from the start of a segment.
    pub(super) fn decode(segment: &[u8]) -> Result<Self, HeaderFault> {
        let bytes = segment.get(..SEGMENT_HEADER_BYTES).ok_or(HeaderFault::Unreadable)?;
        if bytes[..8] != *MAGIC || bytes[56..] != [0; 8] || crc32fast::hash(&bytes[..52]) != number32(&bytes[52..]) {
            return Err(HeaderFault::Unreadable);
        }
        match number32(&bytes[8..]) {
            FORMAT_VERSION => Ok(Self { first: number64(&bytes[12..]), chain: hash32(&bytes[20..]) }),
            other => Err(HeaderFault::Version(other)),
        }
    }
}

/// A record as found: its CRC holds, nothing else was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) seq: u64,
    pub(super) group: u64,
    pub(super) chain: [u8; 32],
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends the bytes to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        // Payloads are bounded by JOURNAL_RECORD_BYTES_MAX, which fits.
        out.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.group.to_le_bytes());
        out.extend_from_slice(&self.chain);
        out.extend_from_slice(self.payload);
        let crc = checksum(&out[begin..]);
        out[begin + 4..begin + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a record from the start of `bytes`; `None` when there is none whose CRC holds.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..RECORD_HEADER_BYTES)?;
        let length = number32(header) as usize;
        if length == 0 || length > JOURNAL_RECORD_BYTES_MAX {
            return None;
        }
        let record = bytes.get(..RECORD_HEADER_BYTES + length)?;
        (checksum(record) == number32(&record[4..])).then(|| Self {
            seq: number64(&record[8..]),
            group: number64(&record[16..]),
            chain: hash32(&record[24..]),
            payload: &record[RECORD_HEADER_BYTES..],
        })
    }

    /// Size with its header, in bytes.
    pub(super) fn bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }
}

/// The chain hash after a record: that of three hashes, in lower-case hexadecimal and one after the other: the chain hash before
/// (zeros before the first record), that of the log line with its newline, and that of the state line.
///
/// Whoever is shown the log line and the hash of the state line can compute it with a shell and `openssl dgst` alone.
pub(super) fn next_chain(hash: ChainHash, before: &[u8; 32], payload: &[u8]) -> [u8; 32] {
    let (log, state) = lines(payload);
    let mut input = String::with_capacity(192);
    for part in [before, &hash(log), &hash(state)] {
        input.push_str(&hex(part));
    }
    hash(input.as_bytes())
}

/// The log line with its newline, and the state line.
pub(in crate::store) fn lines(payload: &[u8]) -> (&[u8], &[u8]) {
    let end = payload.iter().position(|byte| *byte == b'\n').map_or(payload.len(), |newline| newline + 1);
    payload.split_at(end)
}

/// Lower-case hexadecimal.
pub fn hex(hash: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The offset of a record in `bytes` that was written after record `seq` had been synced: one of a
/// later group. (Of one group, a power cut may keep the end and lose the beginning.)
pub(super) fn later_group(bytes: &[u8], seq: u64) -> Option<usize> {
    (0..bytes.len().saturating_sub(RECORD_HEADER_BYTES)).find(|&at| {
        let group = number64(&bytes[at + 16..]);
        let found = number64(&bytes[at + 8..]);
        // The cheap tests go first: this runs for every byte of a segment.
        group > seq && found >= group && found - seq < u64::from(u32::MAX) && Frame::decode(&bytes[at..]).is_some()
    })
}

fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..4]);
    hasher.update(&record[8..]);
    hasher.finalize()
}

fn number32(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn number64(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hash32(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(&bytes[..32]);
    hash
}
