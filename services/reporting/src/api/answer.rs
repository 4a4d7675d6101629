//! The shapes of answers: JSON, and for breakdowns CSV and NDJSON where the request prefers them.

use crate::problem::Problem;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// 200 with a JSON document.
pub(super) struct Json<T>(pub(super) T);

/// 201 with a JSON document.
pub(super) struct Created<T>(pub(super) T);

/// 202 with a JSON document.
pub(super) struct Accepted<T>(pub(super) T);

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    Ndjson,
}

impl Format {
    const TYPES: [(&'static str, Self); 7] = [
        ("application/json", Self::Json),
        ("text/csv", Self::Csv),
        ("application/x-ndjson", Self::Ndjson),
        ("application/ndjson", Self::Ndjson),
        ("application/*", Self::Json),
        ("text/*", Self::Csv),
        ("*/*", Self::Json),
    ];

    /// What the request prefers; JSON where it names nothing that we have.
    pub(super) fn preferred(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Self::Json);
        for value in headers.get_all(header::ACCEPT) {
            for wish in value.to_str().unwrap_or_default().split(',') {
                let mut parts = wish.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default().to_ascii_lowercase();
                let weight =
                    parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
                let format = Self::TYPES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
                if let (Some(format), Ok(weight)) = (format, weight)
                    && weight > best.0
                {
                    best = (weight, format);
                }
            }
        }
        best.1
    }
}

/// A table as CSV (RFC 4180): a header, then rows.
pub(super) fn csv(header: &[&str], rows: &[Vec<String>]) -> Response {
    let mut text = String::new();
    let names = header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for row in std::iter::once(&names).chain(rows) {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response()
}

/// Rows as NDJSON.
pub(super) fn ndjson<T: Serialize>(rows: &[T]) -> Result<Response, Problem> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row).map_err(|error| broken(&error))?;
        text.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response())
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        json(StatusCode::CREATED, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        json(StatusCode::ACCEPTED, &self.0)
    }
}

fn json<T: Serialize>(status: StatusCode, document: &T) -> Response {
    match serde_json::to_vec(document) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => broken(&error).into_response(),
    }
}

fn broken(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "an answer can't be written as JSON");
    Problem::internal()
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
    use axum::http::HeaderValue;

    #[test]
    fn the_preferred_format_is_taken() {
        for (accept, expected) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/csv", Format::Csv),
            ("application/x-ndjson, */*;q=0.1", Format::Ndjson),
            ("text/csv;q=0.5, application/json", Format::Json),
            ("text/csv; charset=utf-8; q=0.5, application/json;q=0.4", Format::Csv),
            ("image/png", Format::Json),
            ("text/csv;q=0", Format::Json),
            ("TEXT/CSV", Format::Csv),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Format::preferred(&headers), expected, "{accept}");
        }
        assert_eq!(Format::preferred(&HeaderMap::new()), Format::Json);
    }

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
}
