//! Answers that are rows, of the window and with `compare` of the window before: each row beside its like in JSON, one after
//! the other in tables. Together they always are what either window says when it is asked by itself.

use super::answer::{self, Format, Json};
use super::columns;
use super::table::Column;
use crate::compare::{Both, Paired};
use crate::problem::Problem;
use crate::window::Span;
use axum::response::{IntoResponse, Response};
use engagement::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The rows of one window.
pub(super) struct Part<T> {
    span: Span,
    rows: Vec<T>,
    truncated: bool,
}

/// The rows of a report.
#[derive(Serialize, ToSchema)]
pub(super) struct Listed<T> {
    /// The rows, in the report's order.
    rows: Vec<Beside<T>>,
    /// Whether there are more rows than one answer shows; never in a time series.
    truncated: bool,
    /// With `compare=previous`: the window before, and what of it stands beside no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Before<T>>,
}

/// A row, and its like of the window before.
#[derive(Serialize, ToSchema)]
pub(super) struct Beside<T> {
    #[serde(flatten)]
    row: T,
    /// With `compare=previous`: the row of the same group in the window before, or the bucket as far from the end; null where
    /// there is none, or with `truncated` in the answer's `previous` none among those that one answer shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<T>)]
    previous: Option<Option<T>>,
}

/// The window before, of the same length, which ends where this one begins.
#[derive(Serialize, ToSchema)]
pub(super) struct Before<T> {
    /// Its first moment.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Its first moment past the end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Its rows that stand beside none of this window's, in the report's order.
    rows: Vec<T>,
    /// Whether it has more rows than one answer shows.
    truncated: bool,
}

/// A row of a table that compares.
#[derive(Serialize)]
struct Told<'a, T> {
    window: &'static str,
    /// Where the row does not say it itself.
    #[serde(flatten)]
    span: Option<Span>,
    #[serde(flatten)]
    row: &'a T,
}

impl<T> Part<T> {
    /// All rows of a window.
    pub(super) fn whole(span: Span, rows: Vec<T>) -> Self {
        Self { span, rows, truncated: false }
    }

    /// At most so many rows of a window.
    pub(super) fn cut(span: Span, mut rows: Vec<T>, most: u32) -> Self {
        let truncated = rows.len() > most as usize;
        rows.truncate(most as usize);
        Self { truncated, ..Self::whole(span, rows) }
    }
}

impl<T: Paired + Serialize> Both<Part<T>> {
    /// Answers in the form that is asked for; `document` puts the rows into the report's JSON.
    pub(super) fn answer<D: Serialize>(
        self,
        format: Format,
        columns: &[Column],
        document: impl FnOnce(Listed<T>) -> D,
    ) -> Result<Response, Problem> {
        if format == Format::Json {
            return Ok(Json(document(self.listed())).into_response());
        }
        self.table(format, columns)
    }

    fn listed(self) -> Listed<T> {
        let Part { rows, truncated, .. } = self.now;
        let Some(before) = self.before else {
            let rows = rows.into_iter().map(|row| Beside { row, previous: None }).collect();
            return Listed { rows, truncated, previous: None };
        };
        let pairs = T::pairs(&rows, &before.rows);
        let mut left: Vec<Option<T>> = before.rows.into_iter().map(Some).collect();
        let beside = |(row, place): (T, Option<usize>)| {
            let previous = place.and_then(|place| left.get_mut(place)?.take());
            Beside { row, previous: Some(previous) }
        };
        let rows = rows.into_iter().zip(pairs).map(beside).collect();
        let Span { from, to } = before.span;
        let rest = left.into_iter().flatten().collect();
        Listed {
            rows,
            truncated,
            previous: Some(Before { from, to, rows: rest, truncated: before.truncated }),
        }
    }
}

impl<T: Serialize> Both<Part<T>> {
    /// Answers in a form that is not JSON.
    pub(super) fn table(self, format: Format, columns: &[Column]) -> Result<Response, Problem> {
        let Some(before) = self.before else {
            return answer::rows(format, columns, &self.now.rows, self.now.truncated);
        };
        // The rows of a summary and of a time series say their own times.
        let timed = columns.iter().any(|column| column.name == "from");
        let mut rows = Vec::with_capacity(self.now.rows.len() + before.rows.len());
        for (window, part) in [("current", &self.now), ("previous", &before)] {
            let span = (!timed).then_some(part.span);
            rows.extend(part.rows.iter().map(|row| Told { window, span, row }));
        }
        let columns = columns::compared(columns, timed);
        answer::rows(format, &columns, &rows, self.now.truncated || before.truncated)
    }
}
