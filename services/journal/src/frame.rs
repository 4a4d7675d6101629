//! How records and segments are written down. All numbers are little-endian.
//!
//! A segment file is a header and then frames, without gaps:
//!
//! ```text
//! header  magic "JOURNAL\n" | version u32 | crc32c u32 | base sequence u64 | previous end u64 | created u64 (ms since 1970)
//! frame   marker F7 'j' 'r' 'n' | payload length u32 | crc32c u32 | version u8, 0 0 0 | sequence u64 | appended u64 (ms) | payload
//! ```
//!
//! A frame's checksum covers everything but marker and itself. Marker, length, checksum, version and sequence keep
//! their places in every later frame version, so an older program can step over a newer frame and set it aside.
//! Within one segment sequences rise by one from the base, which lets a search for the next good frame refuse
//! bytes inside a payload that merely look like one.

/// Bytes before a frame's payload.
pub(crate) const FRAME_HEADER: usize = 32;
/// Bytes before a segment's first frame.
pub(crate) const SEGMENT_HEADER: usize = 40;
/// The frame version that this program writes; it reads this one only.
pub(crate) const FRAME_VERSION: u8 = 1;
/// The segment version that this program writes; it reads this one only.
pub(crate) const SEGMENT_VERSION: u32 = 1;

const MARKER: [u8; 4] = *b"\xF7jrn";
const MAGIC: [u8; 8] = *b"JOURNAL\n";

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole frame whose checksum is right.
    Frame(Frame),
    /// More bytes are needed to tell: so many in all.
    Incomplete(usize),
    /// Not a frame.
    Bad,
}

/// A frame's header, checked.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Frame {
    /// Header and payload together.
    pub(crate) length: usize,
    pub(crate) version: u8,
    pub(crate) sequence: u64,
    pub(crate) appended_ms: u64,
}

/// Appends one frame to a buffer.
pub(crate) fn write(out: &mut Vec<u8>, sequence: u64, appended_ms: u64, payload: &[u8]) {
    write_version(out, FRAME_VERSION, sequence, appended_ms, payload);
}

/// As [`write`] with any version, so that tests can write the future.
pub(crate) fn write_version(out: &mut Vec<u8>, version: u8, sequence: u64, appended_ms: u64, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[version, 0, 0, 0]);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&appended_ms.to_le_bytes());
    out.extend_from_slice(payload);
    let checksum = frame_checksum(&out[start..]);
    out[start + 8..start + 12].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the frame at the start of `bytes`. Checks the checksum, not the sequence.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let known = bytes.len().min(MARKER.len());
    if bytes[..known] != MARKER[..known] {
        return Parsed::Bad;
    }
    if bytes.len() < FRAME_HEADER {
        return Parsed::Incomplete(FRAME_HEADER);
    }
    let length = FRAME_HEADER + number_u32(bytes, 4) as usize;
    if bytes.len() < length {
        return Parsed::Incomplete(length);
    }
    if frame_checksum(&bytes[..length]) != number_u32(bytes, 8) {
        return Parsed::Bad;
    }
    Parsed::Frame(Frame {
        length,
        version: bytes[12],
        sequence: number_u64(bytes, 16),
        appended_ms: number_u64(bytes, 24),
    })
}

/// Looks behind a bad place for the next good frame: its index in `bytes`. `expected` is the sequence that should
/// have stood at index 0; only sequences that could follow it within the skipped bytes are believed. Unless the bytes
/// are `all` there are, a frame that may go on behind them ends the search, so that nothing inside it is believed.
pub(crate) fn find_next(bytes: &[u8], expected: u64, all: bool) -> Option<usize> {
    let mut index = 1;
    while index + FRAME_HEADER <= bytes.len() {
        index += bytes[index..].iter().position(|byte| *byte == MARKER[0])?;
        let rest = &bytes[index..];
        if rest.len() >= FRAME_HEADER && rest.starts_with(&MARKER) {
            let newest = expected + (index / FRAME_HEADER) as u64 + 1;
            // The sequence is looked at first: it is cheap, and what a payload can hardly guess.
            if (expected..=newest).contains(&number_u64(rest, 16)) {
                match parse(rest) {
                    Parsed::Frame(_) => return Some(index),
                    Parsed::Incomplete(_) if !all => return None,
                    _ => {}
                }
            }
        }
        index += 1;
    }
    None
}

/// What a segment's first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A segment that this program can read.
    Known {
        /// One past the last record before this segment. Numbers from there to the base were never answered.
        previous_end: u64,
        /// When it was made, in milliseconds since 1970.
        created_ms: u64,
    },
    /// A whole header of a version that this program doesn't know.
    Newer,
    /// Not a header: cut short, or damaged.
    Bad,
}

/// The header of a new segment.
pub(crate) fn segment_header(
    version: u32,
    base: u64,
    previous_end: u64,
    created_ms: u64,
) -> [u8; SEGMENT_HEADER] {
    let mut header = [0; SEGMENT_HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&version.to_le_bytes());
    header[16..24].copy_from_slice(&base.to_le_bytes());
    header[24..32].copy_from_slice(&previous_end.to_le_bytes());
    header[32..40].copy_from_slice(&created_ms.to_le_bytes());
    let checksum = header_checksum(&header);
    header[12..16].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Reads a segment's header; `base` is what the file's name says.
pub(crate) fn parse_header(bytes: &[u8], base: u64) -> Header {
    if bytes.len() < SEGMENT_HEADER
        || bytes[..8] != MAGIC
        || header_checksum(&bytes[..SEGMENT_HEADER]) != number_u32(bytes, 12)
    {
        return Header::Bad;
    }
    match number_u32(bytes, 8) {
        SEGMENT_VERSION if number_u64(bytes, 16) == base => {
            Header::Known { previous_end: number_u64(bytes, 24), created_ms: number_u64(bytes, 32) }
        }
        SEGMENT_VERSION => Header::Bad,
        _ => Header::Newer,
    }
}

fn frame_checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[4..8]), &frame[12..])
}

fn header_checksum(header: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..])
}

fn number_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn number_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, sequence, 5, payload);
        bytes
    }

    #[test]
    fn a_frame_is_read_back() {
        let bytes = frame(7, b"hello");
        let expected = Frame { length: 37, version: 1, sequence: 7, appended_ms: 5 };
        assert_eq!(parse(&bytes), Parsed::Frame(expected));
        assert_eq!(&bytes[FRAME_HEADER..], b"hello");
    }

    #[test]
    fn the_written_form_is_pinned() {
        // A change here is a new version: segments written by earlier builds must stay readable.
        let hex: String = frame(1, b"ab").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "f76a726e02000000d16d4f2301000000010000000000000005000000000000006162");
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let bytes = frame(7, b"hello");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&changed), Parsed::Frame(_)), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..length]), Parsed::Incomplete(needed) if needed > length));
        }
    }

    #[test]
    fn the_search_steps_over_damage_and_forgeries() {
        // The damaged frame's payload carries a whole valid frame, but with a sequence that can't stand there.
        let mut bytes = frame(10, &frame(9_999, b"forged"));
        bytes[20] ^= 1;
        let next = bytes.len();
        bytes.extend(frame(11, b"real"));
        assert_eq!(find_next(&bytes, 10, true), Some(next));
        assert_eq!(find_next(&bytes[..next], 10, true), None);
        assert_eq!(find_next(&[0xF7; 300], 10, true), None);
        // A frame that is cut, and one inside its payload that could stand there.
        let mut cut = vec![0; 40];
        cut.extend(frame(11, &frame(12, b"inside")));
        assert_eq!(find_next(&cut[..cut.len() - 1], 10, false), None);
        assert_eq!(find_next(&cut, 10, false), Some(40));
    }

    #[test]
    fn headers_tell_known_newer_and_damaged_apart() {
        let known = segment_header(SEGMENT_VERSION, 3, 2, 9);
        assert_eq!(parse_header(&known, 3), Header::Known { previous_end: 2, created_ms: 9 });
        assert_eq!(parse_header(&known, 4), Header::Bad);
        assert_eq!(parse_header(&known[..39], 3), Header::Bad);
        assert_eq!(parse_header(&segment_header(2, 3, 2, 9), 3), Header::Newer);
    }
}
