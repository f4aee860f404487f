//! Why a record does not hold: what somebody, or a disk, did to it.

use super::Damage;
use super::frame::{Frame, HeaderFault, SegmentHeader};
use super::recovery::head;
use crate::store::StoreError;
use crate::store::disk::Disk;
use serde::Serialize;
use std::fs;
use std::path::Path;

/// What was done to the journal.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Bytes were changed: a checksum does not hold.
    Changed,
    /// A record with a right checksum does not continue the chain: it, or what was before it, was rewritten.
    Rewritten,
    /// A record stands before one that belongs before it.
    Reordered,
    /// Records, or a segment, are not where they were.
    CutOut,
    /// Another version of the program wrote it.
    Version,
}

/// Why this does not hold, by the bytes at its place.
pub fn cause((_, place): &Damage) -> Cause {
    let Ok(segment) = fs::read(&place.segment) else { return Cause::CutOut };
    if place.offset == 0 {
        return match SegmentHeader::decode(&segment) {
            Ok(header) if header.first > place.record => Cause::CutOut,
            Ok(header) if header.first < place.record => Cause::Reordered,
            Ok(_) => Cause::Rewritten,
            Err(HeaderFault::Version(_)) => Cause::Version,
            Err(HeaderFault::Unreadable) => Cause::Changed,
        };
    }
    let at = usize::try_from(place.offset).unwrap_or(usize::MAX).min(segment.len());
    let mut rest = segment[at..].as_ref();
    match Frame::decode(rest) {
        None => Cause::Changed,
        Some(frame) if frame.seq == place.record => Cause::Rewritten,
        Some(frame) if frame.seq < place.record => Cause::Reordered,
        Some(_) => {
            while let Some(frame) = Frame::decode(rest) {
                if frame.seq == place.record {
                    return Cause::Reordered;
                }
                rest = &rest[frame.bytes()..];
            }
            Cause::CutOut
        }
    }
}

/// The chain hash before the first record of a segment.
pub(in crate::store) fn before(disk: &dyn Disk, folder: &Path, segment: u32) -> Result<[u8; 32], StoreError> {
    Ok(head(disk, folder, segment)?.map(|header| header.chain).unwrap_or_default())
}
