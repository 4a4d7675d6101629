//! Answers as tables. A table is the NDJSON rows with named columns over them, so CSV and Parquet say what NDJSON says.

use super::answer::broken;
use crate::problem::Problem;
use serde::Serialize;
use serde_json::Value;

/// What a column holds. Every column may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text; what is no text in the row is written as JSON.
    Text,
    /// A whole number.
    Count,
    /// A fraction.
    Number,
    /// A moment in UTC, to the millisecond.
    Time,
    /// Yes or no.
    Flag,
    /// A document of changing shape, as JSON text. CSV leaves it out: it is for programs, not for spreadsheets.
    Document,
}

/// A column: its name, what it holds and where that stands in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// A JSON pointer, of names alone.
    at: &'static str,
}

impl Column {
    /// A column out of a row.
    pub(crate) const fn new(name: &'static str, kind: Kind, at: &'static str) -> Self {
        Self { name, kind, at }
    }

    /// What a row has here; null where it has nothing.
    pub(crate) fn of<'a>(&self, row: &'a Value) -> &'a Value {
        // `Value::pointer` copies each name, twice.
        self.at.split('/').skip(1).try_fold(row, |value, name| value.get(name)).unwrap_or(&Value::Null)
    }
}

/// A row as a document.
pub(crate) fn document<T: Serialize>(row: &T) -> Result<Value, Problem> {
    serde_json::to_value(row).map_err(|error| broken(&error))
}

/// The first line of a CSV.
pub(crate) fn csv_header(columns: &[Column]) -> Vec<u8> {
    let mut text = Vec::new();
    line(&mut text, shown(columns), |column, text| text.extend(column.name.as_bytes()));
    text
}

/// Rows as CSV (RFC 4180), without the first line.
pub(crate) fn csv<T: Serialize>(columns: &[Column], rows: &[T]) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    for row in rows {
        let row = document(row)?;
        line(&mut text, shown(columns), |column, text| match column.of(&row) {
            // An empty cell is null: for a rate, there was nothing to divide by.
            Value::Null => {}
            Value::String(cell) => quoted(text, cell),
            Value::Number(number) if column.kind == Kind::Number => {
                text.extend(number.as_f64().unwrap_or_default().to_string().as_bytes());
            }
            other => quoted(text, &other.to_string()),
        });
    }
    Ok(text)
}

fn shown(columns: &[Column]) -> impl Iterator<Item = &Column> {
    columns.iter().filter(|column| column.kind != Kind::Document)
}

/// Rows as NDJSON.
pub(crate) fn ndjson<T: Serialize>(rows: &[T]) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row).map_err(|error| broken(&error))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Writes a line, cell by cell.
fn line<C>(text: &mut Vec<u8>, cells: impl Iterator<Item = C>, write: impl Fn(C, &mut Vec<u8>)) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write(cell, text);
    }
    text.extend(b"\r\n");
}

/// Writes a cell, quoted where it must be. A cell that a spreadsheet would take for a formula gets an apostrophe before it:
/// campaigns and clients are texts that others wrote.
fn quoted(text: &mut Vec<u8>, cell: &str) {
    let formula = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if !cell.contains([',', '"', '\n', '\r']) {
        text.extend(formula.as_bytes());
        text.extend(cell.as_bytes());
        return;
    }
    text.push(b'"');
    text.extend(formula.as_bytes());
    for (place, part) in cell.split('"').enumerate() {
        if place > 0 {
            text.extend(b"\"\"");
        }
        text.extend(part.as_bytes());
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_stay_cells() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("-1,2", "\"'-1,2\""),
        ] {
            let mut text = Vec::new();
            quoted(&mut text, cell);
            assert_eq!(text, expected.as_bytes());
        }
    }

    #[test]
    fn a_row_is_told_by_its_columns() {
        let columns = [
            Column::new("key", Kind::Text, "/key"),
            Column::new("total", Kind::Count, "/opens/total"),
            Column::new("rate", Kind::Number, "/rate"),
            Column::new("by_source", Kind::Document, "/opens/by_source"),
            Column::new("reasons", Kind::Text, "/reasons"),
        ];
        assert_eq!(csv_header(&columns), b"key,total,rate,reasons\r\n");
        let rows = [
            json!({"key": "a", "opens": {"total": 3, "by_source": {"chrome": 1}}, "rate": 1.0, "reasons": [1, "x"]}),
            json!({"key": "", "opens": {"total": 0}, "rate": null}),
        ];
        assert_eq!(
            String::from_utf8(csv(&columns, &rows).unwrap()).unwrap(),
            "a,3,1,\"[1,\"\"x\"\"]\"\r\n,0,,\r\n"
        );
    }
}
