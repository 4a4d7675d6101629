//! Views whose text stands in place of their name.
//!
//! A parameterised view is analysed twice, once for its columns and once for its rows, so a view over a view four times: most of
//! what a report over little data takes. Where one view is another with some of its parameters settled, its statement says
//! `{{report_totals by = ''}}`, and the text of that view takes the place of it, with `''` wherever it has `{by:String}`.

use crate::tokens::{Kind, Token, tokens};
use std::fmt::Write as _;

/// Why a statement's views can't be filled in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IncludeError {
    /// Opened and never closed.
    #[error("`{{{{` is never closed")]
    Open,
    /// No other view has that name.
    #[error("there is no view `{0}` to take the text of")]
    Unknown(String),
    /// A parameter that is settled and that the view does not have, or not written as `name = value`.
    #[error("the view `{view}` has no parameter to settle by `{settled}`")]
    Parameter {
        /// The view.
        view: String,
        /// What was written.
        settled: String,
    },
}

/// The query of `CREATE OR REPLACE VIEW name AS query` or of `CREATE TEMPORARY VIEW name AS query`, with its name.
pub(super) fn view(statement: &str) -> Option<(&str, &str)> {
    let tokens = tokens(statement);
    let words: Vec<_> = tokens.iter().take(6).map(|token| token.text(statement)).collect();
    let (name, last) = match words[..] {
        ["CREATE", "OR", "REPLACE", "VIEW", name, "AS"] => (name, 5),
        ["CREATE", "TEMPORARY", "VIEW", name, "AS", _] => (name, 4),
        _ => return None,
    };
    Some((name, statement[tokens[last].end..].trim()))
}

/// Whether it is a view that other views are made of, and none of the database.
pub(super) fn is_part(statement: &str) -> bool {
    let words = tokens(statement);
    let words: Vec<_> = words.iter().take(3).map(|token| token.text(statement)).collect();
    words == ["CREATE", "TEMPORARY", "VIEW"]
}

/// The text of a view with a parameter settled: each `{name:Type}` of it is the value.
fn settled(view: &str, text: &str, name: &str, value: &str) -> Result<String, IncludeError> {
    let asked = format!("{{{name}:");
    if !text.contains(&asked) {
        let settled = format!("{name} = {value}");
        return Err(IncludeError::Parameter { view: view.to_owned(), settled });
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    // What the value says is no parameter of the view.
    while let Some((before, after)) = rest.split_once(&asked) {
        let (_, behind) = after.split_once('}').ok_or(IncludeError::Open)?;
        written.extend([before, value]);
        rest = behind;
    }
    written.push_str(rest);
    Ok(written)
}

/// A view's query with every `{{view name = value, …}}` filled in. One that is nothing but another's text is that text.
pub(super) fn filled_query(
    query: &str,
    view_text: &dyn Fn(&str) -> Result<String, IncludeError>,
) -> Result<String, IncludeError> {
    let words: Vec<_> = tokens(query).iter().map(|token| token.text(query)).collect();
    match words[..] {
        ["{", "{", name, "}", "}"] => view_text(name),
        _ => filled(query, view_text),
    }
}

/// The statement with every `{{view name = value, …}}` filled in, those of its values too.
pub(super) fn filled(
    statement: &str,
    view_text: &dyn Fn(&str) -> Result<String, IncludeError>,
) -> Result<String, IncludeError> {
    let all = tokens(statement);
    let mut written = String::with_capacity(statement.len());
    let (mut from, mut at) = (0, 0);
    while at < all.len() {
        if !is_pair(&all, at, statement, "{") {
            at += 1;
            continue;
        }
        let close = closing(&all, at, statement).ok_or(IncludeError::Open)?;
        let name = all[at + 2].text(statement);
        let mut text = view_text(name)?;
        for (parameter, value) in values(&all[at + 3..close], statement, name)? {
            text = settled(name, &text, parameter, &filled(value, view_text)?)?;
        }
        let _ = write!(written, "{}(\n{text}\n)", &statement[from..all[at].start]);
        from = all[close + 1].end;
        at = close + 2;
    }
    written.push_str(&statement[from..]);
    Ok(written)
}

fn is_pair(all: &[Token], at: usize, statement: &str, sign: &str) -> bool {
    let is_sign = |index: usize| {
        all.get(index).is_some_and(|token| token.kind == Kind::Sign && token.text(statement) == sign)
    };
    is_sign(at) && is_sign(at + 1) && all[at].end == all[at + 1].start
}

/// The first of the two brackets that close those at `open`, behind a name.
fn closing(all: &[Token], open: usize, statement: &str) -> Option<usize> {
    let mut depth = 0;
    for at in open + 3..all.len() {
        match all[at].text(statement) {
            "{" => depth += 1,
            "}" if depth == 0 => return is_pair(all, at, statement, "}").then_some(at),
            "}" => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `name = value` between commas outside of brackets.
fn values<'a>(
    inside: &[Token],
    statement: &'a str,
    view: &str,
) -> Result<Vec<(&'a str, &'a str)>, IncludeError> {
    let mut depth = 0;
    let parts = inside.split(|token| {
        match token.text(statement) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token.text(statement) == ","
    });
    parts
        .filter(|part| !part.is_empty())
        .map(|part| match part {
            [name, equals, first, ..] if equals.text(statement) == "=" => {
                let last = part.last().map_or(first.end, |token| token.end);
                Ok((name.text(statement), &statement[first.start..last]))
            }
            _ => Err(IncludeError::Parameter {
                view: view.to_owned(),
                settled: part.iter().map(|token| token.text(statement)).collect::<Vec<_>>().join(" "),
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SELECT {by:String} AS b, {edges:Array(Int64)}[1], {by:String} != ''";

    fn filled(statement: &str) -> Result<String, IncludeError> {
        let unknown = |name: &str| IncludeError::Unknown(name.to_owned());
        super::filled(statement, &|name| (name == "v").then(|| TEXT.to_owned()).ok_or_else(|| unknown(name)))
    }

    #[test]
    fn a_view_stands_in_place_of_its_name() {
        for (statement, expected) in [
            ("SELECT {a:UInt8}", "SELECT {a:UInt8}".to_owned()),
            ("SELECT '{{v}}' -- {{v}}\n", "SELECT '{{v}}' -- {{v}}\n".to_owned()),
            ("SELECT * FROM {{v}} AS x", format!("SELECT * FROM (\n{TEXT}\n) AS x")),
            (
                "SELECT * FROM {{v by = {{v}}}}",
                format!("SELECT * FROM (\n{}\n)", TEXT.replace("{by:String}", &format!("(\n{TEXT}\n)"))),
            ),
            (
                "SELECT * FROM {{v by = '', edges = [{from_ms:Int64}, 2]}}",
                "SELECT * FROM (\nSELECT '' AS b, [{from_ms:Int64}, 2][1], '' != ''\n)".to_owned(),
            ),
        ] {
            assert_eq!(filled(statement), Ok(expected), "{statement}");
        }
    }

    #[test]
    fn a_query_that_is_nothing_but_another_view_is_its_text() {
        let text = |name: &str| Ok(format!("text of {name}"));
        for (query, expected) in [
            ("{{v}}", "text of v"),
            (" {{ v }}\n", "text of v"),
            ("SELECT * FROM {{v}}", "SELECT * FROM (\ntext of v\n)"),
        ] {
            assert_eq!(super::filled_query(query, &text), Ok(expected.to_owned()), "{query}");
        }
    }

    #[test]
    fn what_can_not_be_filled_in_is_an_error() {
        let parameter =
            |settled: &str| IncludeError::Parameter { view: "v".to_owned(), settled: settled.to_owned() };
        for (statement, expected) in [
            ("SELECT {{v by = ''", IncludeError::Open),
            ("SELECT {{v by = ''}", IncludeError::Open),
            ("SELECT {{w}}", IncludeError::Unknown("w".to_owned())),
            ("SELECT {{v zone = ''}}", parameter("zone = ''")),
            ("SELECT {{v by}}", parameter("by")),
        ] {
            assert_eq!(filled(statement), Err(expected), "{statement}");
        }
    }

    #[test]
    fn a_definition_of_a_view_is_told_from_others() {
        assert_eq!(view("-- why\nCREATE OR REPLACE VIEW v AS\nSELECT 1"), Some(("v", "SELECT 1")));
        assert_eq!(view("CREATE VIEW v AS SELECT 1"), None);
        assert_eq!(view("DROP VIEW v"), None);
    }
}
