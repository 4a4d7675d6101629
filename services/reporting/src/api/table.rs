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
    /// A JSON pointer.
    at: &'static str,
}

impl Column {
    /// A column out of a row.
    pub(crate) const fn new(name: &'static str, kind: Kind, at: &'static str) -> Self {
        Self { name, kind, at }
    }

    /// What a row has here; null where it has nothing.
    pub(crate) fn of<'a>(&self, row: &'a Value) -> &'a Value {
        row.pointer(self.at).unwrap_or(&Value::Null)
    }
}

/// A row as a document.
pub(crate) fn document<T: Serialize>(row: &T) -> Result<Value, Problem> {
    serde_json::to_value(row).map_err(|error| broken(&error))
}

/// The first line of a CSV.
pub(crate) fn csv_header(columns: &[Column]) -> Vec<u8> {
    line(columns.iter().filter(|column| column.kind != Kind::Document).map(|column| column.name.to_owned()))
}

/// Rows as CSV (RFC 4180), without the first line.
pub(crate) fn csv<T: Serialize>(columns: &[Column], rows: &[T]) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    for row in rows {
        let row = document(row)?;
        let shown = columns.iter().filter(|column| column.kind != Kind::Document);
        text.extend(line(shown.map(|column| match column.of(&row) {
            // An empty cell is null: for a rate, there was nothing to divide by.
            Value::Null => String::new(),
            Value::String(text) => quoted(text),
            Value::Number(number) if column.kind == Kind::Number => {
                number.as_f64().unwrap_or_default().to_string()
            }
            other => quoted(&other.to_string()),
        })));
    }
    Ok(text)
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

fn line(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut text = cells.collect::<Vec<_>>().join(",").into_bytes();
    text.extend(b"\r\n");
    text
}

/// A cell, quoted where it must be. A cell that a spreadsheet would take for a formula gets an apostrophe before it:
/// campaigns and clients are texts that others wrote.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
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
            assert_eq!(quoted(cell), expected);
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
