//! What must be known of an output format to send it in pieces.
//!
//! The engine writes every piece of a streamed answer with a fresh writer (tried, 26.7.3): a format that puts
//! something around its rows does so around every piece. So three kinds of formats are told apart: rows alone, whose
//! pieces can be joined as they are; a header and rows, whose header is taken off every piece but the first; and the
//! rest (JSON, Pretty, Parquet, …), which have to be written in one piece.

/// How an answer in a format is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Rows and nothing around them.
    Rows,
    /// A header, then rows.
    Headed(Header),
    /// Something else: the whole answer must be written at once.
    Whole,
}

/// What a header is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// RowBinary's: a number of columns, their names, and their types when `types`.
    Binary { types: bool },
    /// So many lines of text, in which `"` may enclose a line feed when `quoted`.
    Lines { count: usize, quoted: bool },
}

/// The shape of `format`, whose name is not sensitive to case.
pub(crate) fn shape(format: &str) -> Shape {
    let format = format.to_ascii_lowercase();
    let lines = |count| Shape::Headed(Header::Lines { count, quoted: false });
    match format.as_str() {
        "rowbinary"
        | "native"
        | "tabseparated"
        | "tsv"
        | "tabseparatedraw"
        | "tsvraw"
        | "raw"
        | "csv"
        | "jsoneachrow"
        | "jsonlines"
        | "ndjson"
        | "jsonstringseachrow"
        | "jsoncompacteachrow"
        | "jsoncompactstringseachrow"
        | "null" => Shape::Rows,
        "rowbinarywithnames" => Shape::Headed(Header::Binary { types: false }),
        "rowbinarywithnamesandtypes" => Shape::Headed(Header::Binary { types: true }),
        "tabseparatedwithnames" | "tsvwithnames" | "jsoncompacteachrowwithnames" => lines(1),
        "tabseparatedwithnamesandtypes" | "tsvwithnamesandtypes" | "jsoncompacteachrowwithnamesandtypes" => {
            lines(2)
        }
        "csvwithnames" => Shape::Headed(Header::Lines { count: 1, quoted: true }),
        "csvwithnamesandtypes" => Shape::Headed(Header::Lines { count: 2, quoted: true }),
        _ => Shape::Whole,
    }
}

/// The `Content-Type` that a server sends with `format`.
pub(crate) fn content_type(format: &str) -> &'static str {
    let format = format.to_ascii_lowercase();
    match format.as_str() {
        _ if format.starts_with("rowbinary") => "application/octet-stream",
        "native" | "parquet" | "arrow" | "arrowstream" | "orc" | "avro" | "msgpack" | "npy" => {
            "application/octet-stream"
        }
        "jsoneachrow" | "jsonlines" | "ndjson" => "application/x-ndjson; charset=UTF-8",
        "xml" => "application/xml; charset=UTF-8",
        _ if format.starts_with("json") => "application/json; charset=UTF-8",
        _ if format.starts_with("csvwithnames") => "text/csv; charset=UTF-8; header=present",
        "csv" => "text/csv; charset=UTF-8; header=absent",
        _ if format.starts_with("tabseparated") || format.starts_with("tsv") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        _ => "text/plain; charset=UTF-8",
    }
}

/// Joins the pieces of one answer.
pub(crate) struct Joiner {
    kind: Option<Header>,
    header: Option<Vec<u8>>,
}

impl Joiner {
    /// For an answer of this shape, which is not [`Shape::Whole`].
    pub(crate) fn new(shape: Shape) -> Self {
        let kind = match shape {
            Shape::Headed(header) => Some(header),
            Shape::Rows | Shape::Whole => None,
        };
        Self { kind, header: None }
    }

    /// What of `piece` belongs into the answer. `last` is the piece without rows that ends it.
    ///
    /// `None` when the piece does not have the header that the first one had, which must not be sent.
    pub(crate) fn join<'piece>(&mut self, piece: &'piece [u8], last: bool) -> Option<&'piece [u8]> {
        let Some(kind) = self.kind else { return Some(piece) };
        let Some(header) = &self.header else {
            let length = header_length(kind, piece)?;
            self.header = Some(piece[..length].to_vec());
            return Some(piece);
        };
        if !last {
            return piece.strip_prefix(header.as_slice());
        }
        // The last piece holds totals and extremes, if anything, and its writer adds the header at its end.
        let tail = piece.strip_suffix(header.as_slice()).or_else(|| piece.strip_prefix(header.as_slice()));
        Some(tail.unwrap_or(piece))
    }
}

fn header_length(kind: Header, piece: &[u8]) -> Option<usize> {
    match kind {
        Header::Binary { types } => {
            let (columns, mut at) = var_uint(piece)?;
            let strings = if types { columns.checked_mul(2)? } else { columns };
            for _ in 0..strings {
                let (length, used) = var_uint(piece.get(at..)?)?;
                at = at.checked_add(used)?.checked_add(usize::try_from(length).ok()?)?;
            }
            (at <= piece.len()).then_some(at)
        }
        Header::Lines { count, quoted } => {
            let mut left = count;
            let mut inside = false;
            for (at, byte) in piece.iter().enumerate() {
                match byte {
                    b'"' if quoted => inside = !inside,
                    b'\n' if !inside => {
                        left -= 1;
                        if left == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
            }
            None
        }
    }
}

/// LEB128, as ClickHouse writes lengths: the number and how many bytes it took.
fn var_uint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(format: &str, pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let mut joiner = Joiner::new(shape(format));
        let mut answer = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            answer.extend_from_slice(joiner.join(piece, at + 1 == pieces.len())?);
        }
        Some(answer)
    }

    #[test]
    fn a_header_is_kept_once() {
        assert_eq!(joined("TSV", &[b"1\n", b"2\n", b""]).unwrap(), b"1\n2\n");
        assert_eq!(joined("TSVWithNames", &[b"a\n1\n", b"a\n2\n", b""]).unwrap(), b"a\n1\n2\n");
        assert_eq!(
            joined("CSVWithNames", &[b"\"a\nb\"\n1\n", b"\"a\nb\"\n2\n", b""]).unwrap(),
            b"\"a\nb\"\n1\n2\n"
        );
        let binary: [&[u8]; 3] = [b"\x01\x01a\x05UInt8\x07", b"\x01\x01a\x05UInt8\x08", b""];
        assert_eq!(joined("RowBinaryWithNamesAndTypes", &binary).unwrap(), b"\x01\x01a\x05UInt8\x07\x08");
    }

    #[test]
    fn an_empty_answer_keeps_its_header() {
        assert_eq!(
            joined("RowBinaryWithNamesAndTypes", &[b"\x01\x01a\x05UInt8"]).unwrap(),
            b"\x01\x01a\x05UInt8"
        );
    }

    #[test]
    fn totals_lose_the_header_behind_them() {
        assert_eq!(joined("TSVWithNames", &[b"a\n1\n", b"\n9\na\n"]).unwrap(), b"a\n1\n\n9\n");
    }

    #[test]
    fn a_piece_with_another_header_is_not_sent() {
        assert_eq!(joined("TSVWithNames", &[b"a\n1\n", b"b\n2\n", b""]), None);
        assert_eq!(joined("RowBinaryWithNames", &[b"\xff\xff"]), None);
    }
}
