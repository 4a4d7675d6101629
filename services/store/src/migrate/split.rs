//! Cuts a migration file into statements, as ClickHouse's own parser would: a `;` ends one unless it stands in a string,
//! a quoted name, a heredoc or a comment.

use crate::tokens::{Piece, piece};

/// Why a file can't be cut.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what} is opened and never closed")]
pub(super) struct SplitError {
    /// The line, from 1, on which it opens.
    line: usize,
    /// What is open.
    what: &'static str,
}

/// The statements in their order, without the `;` and the space around them. What holds comments only is none.
pub(super) fn statements(text: &str) -> Result<Vec<&str>, SplitError> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    // Whether anything but space and comments stands between `start` and `at`.
    let mut says_something = false;
    while at < text.len() {
        match piece(&text[at..]) {
            Piece::Nothing(length) => at += length,
            Piece::Token(_, length) if &text[at..at + length] == ";" => {
                if says_something {
                    found.push(text[start..at].trim());
                }
                at += length;
                start = at;
                says_something = false;
            }
            Piece::Token(_, length) => {
                at += length;
                says_something = true;
            }
            Piece::Open(what) => {
                return Err(SplitError { line: text[..at].matches('\n').count() + 1, what });
            }
        }
    }
    if says_something {
        found.push(text[start..].trim());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_statement_only_where_it_is_one() {
        for (text, expected) in [
            ("", vec![]),
            (" ;\n; ", vec![]),
            ("SELECT 1", vec!["SELECT 1"]),
            ("SELECT 1;\nSELECT 2;\n", vec!["SELECT 1", "SELECT 2"]),
            ("-- only; a comment\n", vec![]),
            ("-- why; because\nSELECT 1;", vec!["-- why; because\nSELECT 1"]),
            ("SELECT 1 -- it's; fine\n;SELECT 2", vec!["SELECT 1 -- it's; fine", "SELECT 2"]),
            ("/* a; 'b */ SELECT 1; /* end; */", vec!["/* a; 'b */ SELECT 1"]),
            ("SELECT 'a;b', \"c;d\", `e;f`; SELECT 2", vec!["SELECT 'a;b', \"c;d\", `e;f`", "SELECT 2"]),
            ("SELECT 'it''s; one'; SELECT 2", vec!["SELECT 'it''s; one'", "SELECT 2"]),
            (r"SELECT 'it\'s; one'; SELECT 2", vec![r"SELECT 'it\'s; one'", "SELECT 2"]),
            (r"SELECT '\\'; SELECT 2", vec![r"SELECT '\\'", "SELECT 2"]),
            ("SELECT '--'; SELECT '/*'; SELECT 3", vec!["SELECT '--'", "SELECT '/*'", "SELECT 3"]),
            ("SELECT $x$a;'b$x$; SELECT $$;$$", vec!["SELECT $x$a;'b$x$", "SELECT $$;$$"]),
            ("SELECT 'ö;ü'; SELECT '—'", vec!["SELECT 'ö;ü'", "SELECT '—'"]),
            ("SELECT 1 # no; comment\n; SELECT 2", vec!["SELECT 1 # no; comment", "SELECT 2"]),
            ("SELECT 4 - -1; SELECT 4/2", vec!["SELECT 4 - -1", "SELECT 4/2"]),
            (
                "CREATE VIEW v AS SELECT {a: UInt8}; SELECT {b: String}",
                vec!["CREATE VIEW v AS SELECT {a: UInt8}", "SELECT {b: String}"],
            ),
        ] {
            assert_eq!(statements(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_stays_open_is_an_error_with_its_line() {
        for (text, line, what) in [
            ("SELECT 1;\nSELECT 'a", 2, "a quote"),
            ("SELECT `a\n", 1, "a quote"),
            ("\n\n/* a", 3, "a comment"),
            ("SELECT $x$ a", 1, "a heredoc"),
            (r"SELECT 'a\'", 1, "a quote"),
        ] {
            assert_eq!(statements(text), Err(SplitError { line, what }), "{text}");
        }
    }
}
