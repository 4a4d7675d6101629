//! The tokens of a statement of ClickHouse, as far as telling names, strings, comments and the rest apart.

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters, digits and `_`.
    Word,
    /// In `"` or backticks.
    QuotedName,
    /// In `'`, or a heredoc.
    Text,
    /// One character of anything else.
    Sign,
}

impl Token {
    pub(crate) fn text<'a>(&self, statement: &'a str) -> &'a str {
        &statement[self.start..self.end]
    }
}

/// A piece of a text: what it is and how many bytes it has.
pub(crate) enum Piece {
    /// Space or a comment.
    Nothing(usize),
    Token(Kind, usize),
    /// Something that is opened and never closed.
    Open(&'static str),
}

/// What stands at the start of a text that is not empty.
pub(crate) fn piece(text: &str) -> Piece {
    let first = text.chars().next().unwrap_or(' ');
    if first.is_whitespace() {
        return Piece::Nothing(first.len_utf8());
    }
    if text.starts_with("--") || text.starts_with("#!") || text.starts_with("# ") {
        return Piece::Nothing(text.find('\n').unwrap_or(text.len()));
    }
    if let Some(comment) = text.strip_prefix("/*") {
        return comment.find("*/").map_or(Piece::Open("a comment"), |end| Piece::Nothing(end + 4));
    }
    if matches!(first, '\'' | '"' | '`') {
        let kind = if first == '\'' { Kind::Text } else { Kind::QuotedName };
        return quoted(text, first).map_or(Piece::Open("a quote"), |length| Piece::Token(kind, length));
    }
    if let Some(mark) = heredoc_mark(text) {
        let end = text[mark.len()..].find(mark);
        return end.map_or(Piece::Open("a heredoc"), |end| Piece::Token(Kind::Text, end + 2 * mark.len()));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if is_word(first) {
        return Piece::Token(Kind::Word, text.find(|c| !is_word(c)).unwrap_or(text.len()));
    }
    Piece::Token(Kind::Sign, first.len_utf8())
}

/// All tokens of a statement. One that is opened and never closed takes the rest.
pub(crate) fn tokens(statement: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < statement.len() {
        start = match piece(&statement[start..]) {
            Piece::Nothing(length) => start + length,
            Piece::Token(kind, length) => {
                found.push(Token { kind, start, end: start + length });
                start + length
            }
            Piece::Open(_) => {
                found.push(Token { kind: Kind::Text, start, end: statement.len() });
                statement.len()
            }
        };
    }
    found
}

/// The bytes of a quoted text with both its quotes. A backslash takes the next character's meaning; a doubled quote is
/// read as the end of one text and the start of another, which cuts at the same places.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(index + quote.len_utf8());
        }
    }
    None
}

/// `$name$` at the start of a text, with a name of letters, digits and `_`, or none.
fn heredoc_mark(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let end = name.find('$')?;
    let is_name = name[..end].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| &text[..end + 2])
}
