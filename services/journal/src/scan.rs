//! Walks over one segment's frames in large reads. Used by readers and by recovery, so both agree on what is good.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{self, FRAME_HEADER, FRAME_VERSION, Frame, Parsed, SEGMENT_HEADER};
use crate::storage::StorageFile;

const FIRST_WINDOW: usize = 64 << 10;

/// What the walk came upon.
pub(crate) enum Found {
    /// A record.
    Frame { frame: Frame, payload: Bytes },
    /// A good frame of a version that this program doesn't know.
    Unknown { offset: u64, length: u64 },
    /// Bytes that are no frame.
    Damaged {
        offset: u64,
        length: u64,
        /// A good frame stands behind them; else they reach to the limit, as a torn write does.
        followed: bool,
    },
    /// The limit is reached.
    End,
}

/// A place in a segment, with the bytes read ahead of it.
pub(crate) struct Scanner {
    file: Arc<dyn StorageFile>,
    offset: u64,
    expected: u64,
    ahead: Bytes,
}

impl Scanner {
    /// At a segment's first frame.
    pub(crate) fn new(file: Arc<dyn StorageFile>, base: u64) -> Scanner {
        Scanner { file, offset: SEGMENT_HEADER as u64, expected: base, ahead: Bytes::new() }
    }

    /// Where the walk stands in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The sequence that the next frame should have.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// The file that is walked over.
    pub(crate) fn file(&self) -> &dyn StorageFile {
        self.file.as_ref()
    }

    /// The next record if it is wholly in memory. `None` means that [`Scanner::next`] has to look.
    pub(crate) fn buffered(&mut self, limit: u64) -> Option<(Frame, Bytes)> {
        match frame::parse(&self.ahead) {
            Parsed::Frame(frame)
                if frame.sequence == self.expected
                    && frame.version == FRAME_VERSION
                    && self.offset + frame.length as u64 <= limit =>
            {
                let bytes = self.advance(frame);
                Some((frame, bytes.slice(FRAME_HEADER..)))
            }
            _ => None,
        }
    }

    /// The next thing before `limit`, reading `chunk` bytes at once where it must. An error moves nothing.
    pub(crate) fn next(&mut self, limit: u64, chunk: usize) -> io::Result<Found> {
        loop {
            if self.offset >= limit {
                return Ok(Found::End);
            }
            let room = limit - self.offset;
            match frame::parse(&self.ahead) {
                Parsed::Frame(frame) if frame.sequence == self.expected && frame.length as u64 <= room => {
                    return Ok(self.step(frame));
                }
                Parsed::Incomplete(needed) if needed as u64 <= room => {
                    let wanted = (needed.max(chunk) as u64).min(room) as usize;
                    self.ahead = self.read(wanted)?;
                    if self.ahead.len() < needed {
                        // The file is shorter than it was: what is missing can't be read any more.
                        return self.damaged(limit);
                    }
                }
                _ => return self.damaged(limit),
            }
        }
    }

    fn step(&mut self, frame: Frame) -> Found {
        let offset = self.offset;
        let bytes = self.advance(frame);
        if frame.version == FRAME_VERSION {
            Found::Frame { frame, payload: bytes.slice(FRAME_HEADER..) }
        } else {
            Found::Unknown { offset, length: frame.length as u64 }
        }
    }

    fn advance(&mut self, frame: Frame) -> Bytes {
        self.offset += frame.length as u64;
        self.expected = frame.sequence + 1;
        self.ahead.split_to(frame.length)
    }

    /// Looks for the next good frame, in windows that grow, for it is mostly near.
    fn damaged(&mut self, limit: u64) -> io::Result<Found> {
        let offset = self.offset;
        let end = limit.min(self.file.length()?);
        let room = end.saturating_sub(offset) as usize;
        let mut window = FIRST_WINDOW.min(room);
        loop {
            let bytes = self.read(window)?;
            if let Some(index) = frame::find_next(&bytes, self.expected, window == room) {
                if let Parsed::Frame(frame) = frame::parse(&bytes[index..]) {
                    self.expected = frame.sequence;
                }
                self.offset += index as u64;
                self.ahead = bytes.slice(index..);
                return Ok(Found::Damaged { offset, length: index as u64, followed: true });
            }
            if window == room {
                self.offset = limit;
                self.ahead = Bytes::new();
                return Ok(Found::Damaged { offset, length: bytes.len() as u64, followed: false });
            }
            window = (window * 4).min(room);
        }
    }

    fn read(&self, wanted: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; wanted];
        let count = self.file.read_at(&mut buffer, self.offset)?;
        buffer.truncate(count);
        Ok(Bytes::from(buffer))
    }
}
