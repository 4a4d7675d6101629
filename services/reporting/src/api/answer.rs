//! The shapes of answers: JSON, and for reports CSV, NDJSON and Parquet where the request prefers them.

use super::parquet;
use super::table::{self, Column};
use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A Parquet file: the rows and columns of the CSV, typed, and what sources there are as JSON text.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct ParquetFile(Vec<u8>);

/// Where CSV, NDJSON and Parquet say what JSON says as `truncated`.
const TRUNCATED: HeaderName = HeaderName::from_static("trueopen-truncated");

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
    Parquet,
}

impl Format {
    const TYPES: [(&'static str, Self); 8] = [
        ("application/json", Self::Json),
        ("text/csv", Self::Csv),
        ("application/x-ndjson", Self::Ndjson),
        ("application/ndjson", Self::Ndjson),
        ("application/vnd.apache.parquet", Self::Parquet),
        ("application/*", Self::Json),
        ("text/*", Self::Csv),
        ("*/*", Self::Json),
    ];

    /// The form of a name, as in `format=`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "ndjson" => Some(Self::Ndjson),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

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

/// Rows in a form that is not JSON. `truncated`: there are more than one answer shows.
pub(super) fn rows<T: Serialize>(
    format: Format,
    columns: &[Column],
    rows: &[T],
    truncated: bool,
) -> Result<Response, Problem> {
    let body = match format {
        Format::Json | Format::Ndjson => table::ndjson(rows)?,
        Format::Csv => [table::csv_header(columns), table::csv(columns, rows)?].concat(),
        Format::Parquet => parquet::file(columns, rows)?,
    };
    let mut response = ([(header::CONTENT_TYPE, format.content_type())], body).into_response();
    if truncated {
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    Ok(response)
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

pub(super) fn broken(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "an answer can't be written as JSON");
    Problem::internal()
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
            ("application/vnd.apache.parquet, application/json;q=0.5", Format::Parquet),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Format::preferred(&headers), expected, "{accept}");
        }
        assert_eq!(Format::preferred(&HeaderMap::new()), Format::Json);
    }
}
