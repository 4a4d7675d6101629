//! Compression as ClickHouse's HTTP interface has it.
//!
//! - `decompress=1`: the body is a row of ClickHouse's own blocks: checksum, method, sizes, data
//!   (<https://clickhouse.com/docs/en/native-protocol/compression>). LZ4 and uncompressed blocks are read.
//! - `compress=1`: the answer is a row of such blocks, LZ4.
//! - `Accept-Encoding: lz4`: the answer is one LZ4 frame, which the official Rust client asks for.

use std::io::Write;

use bytes::{Buf, Bytes, BytesMut};
use lz4_flex::frame::FrameEncoder;

use super::exception::{
    CANNOT_DECOMPRESS, CANNOT_READ_ALL_DATA, CHECKSUM_DOESNT_MATCH, Exception, TOO_LARGE_SIZE_COMPRESSED,
    UNKNOWN_COMPRESSION_METHOD,
};

const CHECKSUM: usize = 16;
/// Method (1), compressed size with this header (4), size of the data (4).
const HEADER: usize = 9;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
/// The largest block that is read, compressed or not. A server takes 1 GiB; clients send 1 MiB or less.
const MAX_BLOCK: usize = 64 << 20;
/// Data of one block that is written, as a server's `max_compress_block_size`.
const WRITTEN_BLOCK: usize = 1 << 20;

/// Reads ClickHouse's blocks out of a byte stream that is cut anywhere.
#[derive(Default)]
pub(crate) struct BlockReader {
    waiting: BytesMut,
}

impl BlockReader {
    /// Takes a piece of the stream.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// The data of the next whole block, if there is one.
    ///
    /// # Errors
    /// A damaged block, a method that is not known, a block too large.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Exception> {
        let Some(header) = self.waiting.get(CHECKSUM..CHECKSUM + HEADER) else { return Ok(None) };
        let method = header[0];
        let size = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
        };
        let (compressed, plain) = (size(1), size(5));
        if !(HEADER..=MAX_BLOCK).contains(&compressed) || plain > MAX_BLOCK {
            return Err(Exception::new(
                TOO_LARGE_SIZE_COMPRESSED,
                format!(
                    "A compressed block of the request body (decompress=1) has {compressed} bytes for {plain}; at most {MAX_BLOCK} are taken"
                ),
            ));
        }
        if self.waiting.len() < CHECKSUM + compressed {
            return Ok(None);
        }
        let block = self.waiting.split_to(CHECKSUM + compressed).freeze();
        let (checksum, rest) = block.split_at(CHECKSUM);
        if checksum != checksum_of(rest) {
            return Err(Exception::new(
                CHECKSUM_DOESNT_MATCH,
                "Checksum doesn't match: the request body is not what was compressed (decompress=1)",
            ));
        }
        let data = block.slice(CHECKSUM + HEADER..);
        match method {
            METHOD_NONE => Ok(Some(data)),
            METHOD_LZ4 => lz4_flex::block::decompress(&data, plain)
                .ok()
                .filter(|bytes| bytes.len() == plain)
                .map(|bytes| Some(Bytes::from(bytes)))
                .ok_or_else(|| {
                    Exception::new(
                        CANNOT_DECOMPRESS,
                        "Cannot decompress a block of the request body (decompress=1)",
                    )
                }),
            other => Err(Exception::new(
                UNKNOWN_COMPRESSION_METHOD,
                format!(
                    "Compression method 0x{other:02x} of the request body (decompress=1) is not supported by the embedded engine: send LZ4 or plain"
                ),
            )),
        }
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// In the middle of a block.
    pub(crate) fn end(&self) -> Result<(), Exception> {
        if self.waiting.has_remaining() {
            return Err(Exception::new(
                CANNOT_READ_ALL_DATA,
                "The request body ends in the middle of a compressed block (decompress=1)",
            ));
        }
        Ok(())
    }
}

/// ClickHouse's checksum of a block: CityHash 1.0.2, its halves swapped.
fn checksum_of(header_and_data: &[u8]) -> [u8; CHECKSUM] {
    cityhash_rs::cityhash_102_128(header_and_data).rotate_right(64).to_le_bytes()
}

/// One of ClickHouse's blocks, LZ4, around `data` of at most [`WRITTEN_BLOCK`] bytes.
fn write_block(data: &[u8], into: &mut Vec<u8>) {
    let packed = lz4_flex::block::compress(data);
    let start = into.len();
    into.extend_from_slice(&[0; CHECKSUM]);
    into.push(METHOD_LZ4);
    let sizes =
        [HEADER + packed.len(), data.len()].map(|size| u32::try_from(size).expect("a block is small"));
    into.extend_from_slice(&sizes[0].to_le_bytes());
    into.extend_from_slice(&sizes[1].to_le_bytes());
    into.extend_from_slice(&packed);
    let checksum = checksum_of(&into[start + CHECKSUM..]);
    into[start..start + CHECKSUM].copy_from_slice(&checksum);
}

/// How an answer is packed.
pub(crate) enum Packer {
    /// As it is.
    Plain,
    /// In ClickHouse's blocks.
    Blocks,
    /// In one LZ4 frame.
    Frame(Box<FrameEncoder<Vec<u8>>>),
}

impl Packer {
    /// An LZ4 frame. A decoder gets whole pieces: each ends its block.
    pub(crate) fn frame() -> Self {
        Self::Frame(Box::new(FrameEncoder::new(Vec::new())))
    }

    /// Packs a piece. All of it is in what comes back.
    pub(crate) fn pack(&mut self, piece: Bytes) -> Bytes {
        match self {
            Self::Plain => piece,
            Self::Blocks => {
                let mut packed = Vec::new();
                for part in piece.chunks(WRITTEN_BLOCK) {
                    write_block(part, &mut packed);
                }
                packed.into()
            }
            Self::Frame(encoder) => {
                encoder.write_all(&piece).and_then(|()| encoder.flush()).expect("writing into memory");
                std::mem::take(encoder.get_mut()).into()
            }
        }
    }

    /// What ends the answer.
    pub(crate) fn finish(&mut self) -> Bytes {
        match self {
            Self::Plain | Self::Blocks => Bytes::new(),
            Self::Frame(encoder) => {
                encoder.try_finish().expect("writing into memory");
                std::mem::take(encoder.get_mut()).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(packed: &[u8], piece: usize) -> Result<Vec<u8>, Exception> {
        let mut reader = BlockReader::default();
        let mut data = Vec::new();
        for part in packed.chunks(piece) {
            reader.push(part);
            while let Some(block) = reader.next()? {
                data.extend_from_slice(&block);
            }
        }
        reader.end().map(|()| data)
    }

    fn sample() -> Vec<u8> {
        (0..3 * WRITTEN_BLOCK / 2).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn blocks_come_back_however_they_are_cut() {
        let packed = Packer::Blocks.pack(sample().into());
        for piece in [1, 24, 25, 26, 4096, packed.len()] {
            assert!(read_all(&packed, piece).unwrap() == sample(), "pieces of {piece}");
        }
    }

    #[test]
    fn a_block_has_the_layout_of_the_specification() {
        // LZ4, eleven bytes with this header, one byte of data, which LZ4 stores as a literal.
        let block = Packer::Blocks.pack(Bytes::from_static(b"\x01"));
        assert_eq!(block[CHECKSUM..], [0x82, 0x0b, 0, 0, 0, 1, 0, 0, 0, 0x10, 0x01]);
        assert_eq!(read_all(&block, 7).unwrap(), b"\x01");
    }

    #[test]
    fn damage_is_refused() {
        let packed = Packer::Blocks.pack(Bytes::from_static(b"some data, some data, some data"));
        for at in 0..packed.len() {
            let mut damaged = packed.to_vec();
            damaged[at] ^= 0x40;
            assert!(read_all(&damaged, 4096).is_err(), "byte {at}");
        }
        assert!(read_all(&packed[..packed.len() - 1], 4096).is_err());
    }

    #[test]
    fn other_methods_are_refused_by_name() {
        let mut block = vec![0x90, 10, 0, 0, 0, 1, 0, 0, 0, 0];
        let mut packed = checksum_of(&block).to_vec();
        packed.append(&mut block);
        let refused = read_all(&packed, 4096).unwrap_err();
        assert_eq!(refused.code(), UNKNOWN_COMPRESSION_METHOD.0);
        assert!(refused.text().contains("decompress=1"), "{}", refused.text());
    }

    #[test]
    fn a_frame_can_be_read_by_others() {
        let mut packer = Packer::frame();
        let mut packed = packer.pack(sample().into()).to_vec();
        packed.extend_from_slice(&packer.pack(Bytes::from_static(b"end")));
        packed.extend_from_slice(&packer.finish());
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut lz4_flex::frame::FrameDecoder::new(packed.as_slice()), &mut plain)
            .unwrap();
        assert!(plain == [sample(), b"end".to_vec()].concat());
    }
}
