//! The little that must be known of a statement's text before the engine gets it.
//!
//! The engine's own parser decides what a statement is. Only three things are read off the text here, by its tokens:
//! where the data of an insert begins, which output format a query names, and whether it would write a file.

use std::ops::Range;

/// How an insert gets its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Insert {
    /// From data that follows the statement.
    Data {
        /// The statement ends here, before `FORMAT` or `VALUES`.
        statement_end: usize,
        /// The format it names, if any.
        format: Option<String>,
        /// The data begins here.
        data_start: usize,
    },
    /// From a query: an ordinary statement.
    Query,
    /// From a file on the engine's side.
    File,
}

/// Takes an insert apart; `None` when the text is not an insert.
pub(crate) fn insert(text: &[u8]) -> Option<Insert> {
    let mut tokens = Tokens::new(text).peekable();
    if !tokens.next()?.is_word(text, "INSERT") {
        return None;
    }
    if tokens.peek().is_some_and(|token| token.is_word(text, "INTO")) {
        tokens.next();
    }
    // `TABLE` and `FUNCTION` before a name, else the name itself: it may be any word, `format` among them.
    let first = tokens.next();
    let names =
        first.as_ref().is_some_and(|token| token.is_word(text, "TABLE") || token.is_word(text, "FUNCTION"));
    if names && tokens.peek().is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted)) {
        tokens.next();
    }
    while tokens.peek().is_some_and(|token| token.is_mark(text, b'.')) {
        tokens.next();
        tokens.next();
    }

    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Mark if matches!(text[token.range.start], b'(' | b'[' | b'{') => {
                let queries = tokens
                    .peek()
                    .is_some_and(|next| next.is_word(text, "SELECT") || next.is_word(text, "WITH"));
                if depth == 0 && queries {
                    return Some(Insert::Query);
                }
                depth += 1;
            }
            Kind::Mark if matches!(text[token.range.start], b')' | b']' | b'}') => {
                depth = depth.saturating_sub(1)
            }
            Kind::Word if depth == 0 => {
                let word = |name| token.is_word(text, name);
                if word("SELECT") || word("WITH") || word("WATCH") {
                    return Some(Insert::Query);
                }
                if word("FROM") && tokens.peek().is_some_and(|next| next.is_word(text, "INFILE")) {
                    return Some(Insert::File);
                }
                if word("FROM") {
                    return Some(Insert::Query);
                }
                let statement_end = token.range.start;
                if word("VALUES") {
                    let format = Some("Values".to_owned());
                    return Some(Insert::Data { statement_end, format, data_start: token.range.end });
                }
                if word("FORMAT")
                    && let Some(name) = tokens.next_if(|next| next.kind == Kind::Word)
                {
                    let format = String::from_utf8_lossy(&text[name.range.clone()]).into_owned();
                    let data_start = data_start(text, name.range.end);
                    return Some(Insert::Data { statement_end, format: Some(format), data_start });
                }
            }
            _ => {}
        }
    }
    Some(Insert::Data { statement_end: text.len(), format: None, data_start: text.len() })
}

/// After a format's name: blanks, then at most one line end, as ClickHouse's parser skips them.
fn data_start(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\x0c')) {
        at += 1;
    }
    if text.get(at) == Some(&b'\r') {
        at += 1;
    }
    if text.get(at) == Some(&b'\n') {
        at += 1;
    }
    at
}

/// The output format that a query names in a `FORMAT` clause of its own.
pub(crate) fn output_format(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut tokens = Tokens::new(bytes).peekable();
    let mut found = None;
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Mark if matches!(bytes[token.range.start], b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark if matches!(bytes[token.range.start], b')' | b']' | b'}') => {
                depth = depth.saturating_sub(1)
            }
            Kind::Word if depth == 0 && token.is_word(bytes, "FORMAT") => {
                let Some(name) = tokens.next_if(|next| next.kind == Kind::Word) else { continue };
                // Only the end or a settings clause may follow; else it was a name.
                let ends = tokens
                    .peek()
                    .is_none_or(|next| next.is_word(bytes, "SETTINGS") || next.is_mark(bytes, b';'));
                if ends {
                    found = text.get(name.range);
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether a query has an `INTO OUTFILE` clause, which the library would obey by writing a file.
pub(crate) fn writes_file(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut tokens = Tokens::new(bytes).peekable();
    while let Some(token) = tokens.next() {
        if token.is_word(bytes, "INTO") && tokens.peek().is_some_and(|next| next.is_word(bytes, "OUTFILE")) {
            return true;
        }
    }
    false
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A keyword or a bare name.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string.
    Text,
    /// One other character.
    Mark,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

impl Token {
    fn is_word(&self, text: &[u8], word: &str) -> bool {
        self.kind == Kind::Word && text[self.range.clone()].eq_ignore_ascii_case(word.as_bytes())
    }

    fn is_mark(&self, text: &[u8], mark: u8) -> bool {
        self.kind == Kind::Mark && text[self.range.start] == mark
    }
}

/// ClickHouse's tokens, as far as they matter here: comments, strings, quoted names and words are told apart.
struct Tokens<'text> {
    text: &'text [u8],
    at: usize,
}

impl<'text> Tokens<'text> {
    fn new(text: &'text [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            match rest {
                [byte, ..] if byte.is_ascii_whitespace() || *byte == b'\x0b' => self.at += 1,
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => {
                    self.at += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
                }
                [b'/', b'*', inner @ ..] => {
                    let end = inner.windows(2).position(|pair| pair == b"*/");
                    self.at += end.map_or(rest.len(), |end| end + 4);
                }
                _ => return,
            }
        }
    }

    /// The end of what a quote opens at `start`; a backslash or a doubled quote keeps it open.
    fn quoted_end(&self, start: usize) -> usize {
        let quote = self.text[start];
        let mut at = start + 1;
        while let Some(byte) = self.text.get(at) {
            if *byte == b'\\' {
                at += 2;
            } else if *byte == quote {
                if self.text.get(at + 1) != Some(&quote) {
                    return at + 1;
                }
                at += 2;
            } else {
                at += 1;
            }
        }
        self.text.len()
    }

    /// The end of a heredoc `$tag$…$tag$` at `start`, if there is one.
    fn heredoc_end(&self, start: usize) -> Option<usize> {
        let rest = &self.text[start..];
        let tag_end = 1 + rest[1..].iter().position(|byte| *byte == b'$')?;
        if !rest[1..tag_end].iter().all(|byte| is_word_byte(*byte)) {
            return None;
        }
        let tag = &rest[..=tag_end];
        let body = &rest[tag.len()..];
        let end = body.windows(tag.len()).position(|window| window == tag)?;
        Some(start + tag.len() + end + tag.len())
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let (kind, end) = match *self.text.get(start)? {
            b'\'' => (Kind::Text, self.quoted_end(start)),
            b'"' | b'`' => (Kind::Quoted, self.quoted_end(start)),
            b'$' => self.heredoc_end(start).map_or((Kind::Mark, start + 1), |end| (Kind::Text, end)),
            byte if is_word_byte(byte) => {
                let rest = &self.text[start..];
                let length =
                    rest.iter().position(|byte| !is_word_byte(*byte) && *byte != b'$').unwrap_or(rest.len());
                // A number is no word: nothing here is called by one.
                (if byte.is_ascii_digit() { Kind::Text } else { Kind::Word }, start + length)
            }
            _ => (Kind::Mark, start + 1),
        };
        self.at = end;
        Some(Token { kind, range: start..end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statement, format and data of an insert.
    fn parts(text: &str) -> (&str, Option<String>, &str) {
        match insert(text.as_bytes()) {
            Some(Insert::Data { statement_end, format, data_start }) => {
                (&text[..statement_end], format, &text[data_start..])
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_data_of_an_insert_is_found() {
        for (text, statement, format, data) in [
            ("INSERT INTO t FORMAT RowBinary", "INSERT INTO t ", "RowBinary", ""),
            ("insert into d.t (a, `format`) format CSV\n1,2", "insert into d.t (a, `format`) ", "CSV", "1,2"),
            ("INSERT INTO t FORMAT CSV \r\n\nx", "INSERT INTO t ", "CSV", "\nx"),
            ("INSERT INTO t FORMAT CSV  x", "INSERT INTO t ", "CSV", "x"),
            ("INSERT INTO format FORMAT TSV 1", "INSERT INTO format ", "TSV", "1"),
            ("INSERT INTO `values` VALUES (1),(2)", "INSERT INTO `values` ", "Values", " (1),(2)"),
            ("INSERT INTO t(a)VALUES(1)", "INSERT INTO t(a)", "Values", "(1)"),
            (
                "-- FORMAT x\nINSERT /* VALUES */ INTO t SETTINGS a = 'FORMAT' FORMAT JSONEachRow {}",
                "-- FORMAT x\nINSERT /* VALUES */ INTO t SETTINGS a = 'FORMAT' ",
                "JSONEachRow",
                "{}",
            ),
            (
                "INSERT INTO TABLE FUNCTION f('FORMAT x', 1) FORMAT CSV 1",
                "INSERT INTO TABLE FUNCTION f('FORMAT x', 1) ",
                "CSV",
                "1",
            ),
            ("INSERT INTO {t:Identifier} (a) FORMAT CSV 1", "INSERT INTO {t:Identifier} (a) ", "CSV", "1"),
        ] {
            assert_eq!(parts(text), (statement, Some(format.to_owned()), data), "{text}");
        }
        assert_eq!(parts("INSERT INTO t (a)"), ("INSERT INTO t (a)", None, ""));
    }

    #[test]
    fn an_insert_from_elsewhere_is_told_apart() {
        for text in [
            "INSERT INTO t SELECT 1 FORMAT CSV",
            "INSERT INTO t (a) (SELECT 1)",
            "INSERT INTO t WITH 1 AS a SELECT a",
            "INSERT INTO t FROM numbers(1) SELECT number",
        ] {
            assert_eq!(insert(text.as_bytes()), Some(Insert::Query), "{text}");
        }
        assert_eq!(insert(b"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV"), Some(Insert::File));
        assert_eq!(insert(b"SELECT 'INSERT INTO t'"), None);
        assert_eq!(insert(b""), None);
    }

    #[test]
    fn binary_data_is_left_alone() {
        let text = b"INSERT INTO t FORMAT RowBinary\n\xff\x00'\"`";
        let Some(Insert::Data { data_start, .. }) = insert(text) else { panic!("not an insert") };
        assert_eq!(&text[data_start..], b"\xff\x00'\"`");
    }

    #[test]
    fn the_output_format_is_found() {
        assert_eq!(output_format("SELECT 1 FORMAT JSON"), Some("JSON"));
        assert_eq!(output_format("SELECT 1 format JSON;"), Some("JSON"));
        assert_eq!(output_format("SELECT 1 FORMAT JSON SETTINGS max_threads = 1"), Some("JSON"));
        assert_eq!(output_format("SELECT 'FORMAT CSV' -- FORMAT CSV"), None);
        assert_eq!(output_format("SELECT format FROM (SELECT 1 AS format)"), None);
        assert_eq!(output_format("SELECT a FROM format f WHERE 1"), None);
        assert_eq!(output_format("SELECT $x$ FORMAT CSV $x$"), None);
        assert_eq!(output_format("SELECT 'it''s \\' FORMAT CSV' FORMAT TSV"), Some("TSV"));
    }

    #[test]
    fn a_query_that_writes_a_file_is_found() {
        assert!(writes_file("SELECT 1 INTO /* */ outfile 'x'"));
        assert!(!writes_file("SELECT 'INTO OUTFILE'"));
    }

    #[test]
    fn cut_texts_end_the_tokens() {
        for text in ["'abc", "\"a\\", "/* x", "-- x", "$a$ x", "`a``", "#", "$"] {
            assert!(Tokens::new(text.as_bytes()).count() <= text.len(), "{text}");
        }
    }
}
