//! All events of a window as one document of any length: a page is read, written and sent before the next is read, so memory
//! holds two pages however many follow, of so many exports at once as [`crate::Config::exports`] says. What breaks off in between shows to the client as a body without its end, never as a
//! document that looks whole.

use super::answer::Format;
use super::columns::EVENTS;
use super::{parquet, table};
use crate::export::{self, Cursor, Exported};
use crate::problem::Problem;
use crate::state::App;
use crate::window::Span;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engagement::AccountNumber;
use hyper::body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::warn;

/// The events of a page, and of a row group.
const PAGE: u32 = 20_000;

/// The document that the pages make.
enum Writer {
    Csv,
    Ndjson,
    Parquet(Box<parquet::File>),
}

/// What is sent next.
enum Piece {
    Bytes(Bytes),
    /// The document is whole.
    End,
}

/// The channel closed before the end.
#[derive(Debug, thiserror::Error)]
#[error("the export broke off")]
struct BrokenOff;

struct Pieces {
    from: mpsc::Receiver<Piece>,
    ended: bool,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.from.poll_recv(context));
        self.ended = !matches!(piece, Some(Piece::Bytes(_)));
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            None => Some(Err(BrokenOff)),
        })
    }
}

/// Answers with everything behind the cursor. The first page is read before the answer begins, so that a database that is
/// away is still a 503.
pub(super) async fn answer(
    app: Arc<App>,
    account: AccountNumber,
    span: Span,
    cursor: Cursor,
    both: bool,
    format: Format,
) -> Result<Response, Problem> {
    let room = Arc::clone(&app.exports).try_acquire_owned();
    let room =
        room.map_err(|_| Problem::unavailable("as many exports as may be are under way; ask again later"))?;
    let (mut writer, mut head) = Writer::begin(format)?;
    let (events, next) = export::page(&app.client, account, span, cursor, PAGE, both).await?;
    head.extend(writer.page(&events)?);
    drop(events);
    let (sender, from) = mpsc::channel(1);
    tokio::spawn(async move {
        let sending = send(&app, (sender, room), (account, span, both), writer, (head, next));
        if let Err(reason) = sending.await {
            warn!(reason, "an export broke off");
        }
    });
    let pieces = Pieces { from, ended: false };
    Ok(([(header::CONTENT_TYPE, format.content_type())], Body::new(pieces)).into_response())
}

/// Sends a document piece by piece. What ends it early drops the channel, and so breaks the body off. Its room is free then.
async fn send(
    app: &App,
    (to, _room): (mpsc::Sender<Piece>, OwnedSemaphorePermit),
    (account, span, both): (AccountNumber, Span, bool),
    mut writer: Writer,
    (mut bytes, mut next): (Vec<u8>, Option<Cursor>),
) -> Result<(), &'static str> {
    let patience = Duration::from_secs(app.config.request_seconds);
    let give = async |piece| to.send_timeout(piece, patience).await.map_err(|_| "nobody reads on");
    // The log has said why, where it happened.
    let failed = |_: Problem| "no page";
    loop {
        if !bytes.is_empty() {
            give(Piece::Bytes(bytes.into())).await?;
        }
        let Some(cursor) = next else { break };
        let page = export::page(&app.client, account, span, cursor, PAGE, both).await.map_err(failed)?;
        bytes = writer.page(&page.0).map_err(failed)?;
        next = page.1;
    }
    let end = writer.end().map_err(failed)?;
    if !end.is_empty() {
        give(Piece::Bytes(end.into())).await?;
    }
    give(Piece::End).await
}

impl Writer {
    /// The document and its first bytes.
    fn begin(format: Format) -> Result<(Self, Vec<u8>), Problem> {
        Ok(match format {
            Format::Csv => (Self::Csv, table::csv_header(&EVENTS)),
            Format::Json | Format::Ndjson => (Self::Ndjson, Vec::new()),
            Format::Parquet => (Self::Parquet(Box::new(parquet::File::begin(&EVENTS)?)), Vec::new()),
        })
    }

    fn page(&mut self, events: &[Exported]) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Csv => table::csv(&EVENTS, events),
            Self::Ndjson => table::ndjson(events),
            Self::Parquet(file) => file.group(events),
        }
    }

    fn end(self) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Csv | Self::Ndjson => Ok(Vec::new()),
            Self::Parquet(file) => file.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_body_without_its_end_is_an_error() {
        for ended in [true, false] {
            let (to, from) = mpsc::channel(2);
            to.send(Piece::Bytes(Bytes::from_static(b"rows"))).await.unwrap();
            if ended {
                to.send(Piece::End).await.unwrap();
            }
            drop(to);
            let read = Pieces { from, ended: false }.collect().await;
            assert_eq!(read.map(|body| body.to_bytes()).ok().as_deref(), ended.then_some(&b"rows"[..]));
        }
    }
}
