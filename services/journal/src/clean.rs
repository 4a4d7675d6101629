//! The note that a journal was closed while its last segment was on disk as it looked. It names that segment so closely
//! that an old note can't speak for another one.

use std::io;

use crate::shared::Segment;
use crate::storage::Storage;

const NOTE: &str = "clean";
const UNFINISHED: &str = "clean.new";
const LENGTH: usize = 36;

/// Leaves the note, durably.
pub(crate) fn note(storage: &dyn Storage, last: &Segment) -> io::Result<()> {
    // Only a left-over of an earlier failure; if it can't go, creating fails.
    let _ = storage.remove(UNFINISHED);
    let file = storage.create(UNFINISHED)?;
    file.write_at(&encode(last), 0)?;
    file.sync()?;
    storage.rename(UNFINISHED, NOTE)?;
    storage.sync_folder("")
}

/// Whether there is a note about just this segment.
pub(crate) fn matches(storage: &dyn Storage, last: &Segment) -> bool {
    let mut bytes = [0; LENGTH];
    let read = storage.open(NOTE).and_then(|file| file.read_at(&mut bytes, 0));
    read.is_ok_and(|count| count == LENGTH) && bytes == encode(last)
}

/// Removes the note. One that stays says nothing about the segments to come.
pub(crate) fn forget(storage: &dyn Storage) {
    let _ = storage.remove(NOTE);
}

fn encode(last: &Segment) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..8].copy_from_slice(b"JRNLEND\x01");
    bytes[8..16].copy_from_slice(&last.base.to_le_bytes());
    bytes[16..24].copy_from_slice(&last.limit().to_le_bytes());
    bytes[24..32].copy_from_slice(&last.created_ms.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..32]);
    bytes[32..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}
