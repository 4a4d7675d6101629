//! What goes back: headers as a server sends them, and a body whose failure a client can't mistake for its end.
//!
//! An answer is held back until it has ended or has grown past a bound, so that most errors still find the status line
//! unsent. After that an error goes into the body between marks that hold a tag from the headers, as servers from 25.11
//! on do, and the body is then cut off without its last chunk: a client that knows the marks has the message, any other
//! one sees a broken answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Builder;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::compress::Packer;
use super::database::Database;
use super::exception::{Exception, LOGICAL_ERROR};
use super::format::content_type;
use super::run::Event;
use crate::ffi::Summary;

/// Any answer's body.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// How often a statement that nobody waits for is cancelled, until it has ended.
const CANCEL_ATTEMPTS: u32 = 50;
/// The pause between two such attempts.
const CANCEL_PAUSE: Duration = Duration::from_millis(100);

/// What the headers of an answer need.
pub(crate) struct Head {
    pub(crate) database: Arc<Database>,
    pub(crate) query_id: String,
    pub(crate) format: String,
}

impl Head {
    fn builder(&self) -> Builder {
        Response::builder()
            .header("x-clickhouse-server-display-name", "trueopen-embedded")
            .header("x-clickhouse-query-id", &self.query_id)
            .header("x-clickhouse-timezone", self.database.timezone())
    }

    /// An answer that is an error from its start.
    pub(crate) fn failed(&self, exception: &Exception) -> Response<AnswerBody> {
        let builder = self
            .builder()
            .status(exception.status())
            .header(CONTENT_TYPE, "text/plain; charset=UTF-8")
            .header("x-clickhouse-exception-code", exception.code());
        finished(builder, exception.body(self.database.version()).into())
    }

    fn succeeded(&self, tag: &str, packer: &Packer, summary: &Summary) -> Builder {
        let builder = self
            .builder()
            .status(StatusCode::OK)
            .header(CONTENT_TYPE, content_type(&self.format))
            .header("x-clickhouse-format", &self.format)
            .header("x-clickhouse-summary", summary_json(summary))
            .header("x-clickhouse-exception-tag", tag);
        match packer {
            Packer::Frame(_) => builder.header(CONTENT_ENCODING, "lz4"),
            Packer::Plain | Packer::Blocks => builder,
        }
    }
}

/// A plain answer of ours.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<AnswerBody> {
    finished(
        Response::builder().status(status).header(CONTENT_TYPE, "text/plain; charset=UTF-8"),
        text.into(),
    )
}

fn finished(builder: Builder, body: Bytes) -> Response<AnswerBody> {
    let length = body.len();
    let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync();
    builder.header(CONTENT_LENGTH, length).body(body).unwrap_or_else(|_| {
        // A header value of ours was none: its parts are checked before they get here.
        let mut response =
            Response::new(http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// Cancels a statement whose answer nobody waits for any more.
pub(crate) struct CancelGuard {
    pub(crate) database: Arc<Database>,
    pub(crate) query_id: String,
    /// Whether there is a statement under way, and one that may be cancelled.
    pub(crate) cancellable: Arc<AtomicBool>,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if !self.cancellable.load(Ordering::Relaxed) {
            return;
        }
        let (database, query_id) = (Arc::clone(&self.database), std::mem::take(&mut self.query_id));
        let cancellable = Arc::clone(&self.cancellable);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || {
                // The engine may not have begun on the statement yet, and then has nothing to cancel.
                for _ in 0..CANCEL_ATTEMPTS {
                    database.cancel(&query_id);
                    if !cancellable.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(CANCEL_PAUSE);
                }
            }));
        }
    }
}

/// Turns what a job sends into an answer. `hold` bytes are held back.
pub(crate) async fn answer(
    head: Head,
    mut packer: Packer,
    hold: usize,
    mut events: mpsc::Receiver<Event>,
    guard: CancelGuard,
    permit: Arc<OwnedSemaphorePermit>,
) -> Response<AnswerBody> {
    let mut held = VecDeque::new();
    let mut size = 0;
    let mut summary = Summary::default();
    while size <= hold {
        match events.recv().await {
            Some(Event::Data(data)) => {
                size += data.len();
                held.push_back(data);
            }
            Some(Event::Progress(progress)) => summary = progress,
            Some(Event::Failed(exception)) => return head.failed(&exception),
            Some(Event::Done(summary)) => {
                let builder = head.succeeded(&new_tag(), &packer, &summary);
                let mut body = Vec::with_capacity(size);
                for data in held {
                    body.extend_from_slice(&packer.pack(data));
                }
                body.extend_from_slice(&packer.finish());
                return finished(builder, body.into());
            }
            None => return head.failed(&vanished()),
        }
    }
    let tag = new_tag();
    let builder = head.succeeded(&tag, &packer, &summary);
    let version = head.database.version().to_owned();
    let state =
        Answering { held, events, packer, tag, version, step: Step::Data, _guard: guard, _permit: permit };
    match builder.body(StreamBody::new(state.into_stream()).boxed_unsync()) {
        Ok(response) => response,
        Err(_) => head.failed(&vanished()),
    }
}

fn vanished() -> Exception {
    Exception::new(LOGICAL_ERROR, "The embedded engine gave up on the query without a word")
}

/// An answer that is being sent.
struct Answering {
    held: VecDeque<Bytes>,
    events: mpsc::Receiver<Event>,
    packer: Packer,
    tag: String,
    version: String,
    step: Step,
    /// Dropped with the answer: at its end, when there is nothing to cancel, or when the client goes.
    _guard: CancelGuard,
    /// The place among the statements under way is given back with the last byte.
    _permit: Arc<OwnedSemaphorePermit>,
}

enum Step {
    Data,
    /// An error was sent: cut the body off.
    Cut,
    End,
}

impl Answering {
    fn into_stream(self) -> impl Stream<Item = Result<Frame<Bytes>, io::Error>> + Send {
        stream::unfold(self, |mut state| async move { Some((state.next().await?, state)) })
    }

    async fn next(&mut self) -> Option<Result<Frame<Bytes>, io::Error>> {
        match self.step {
            Step::Data => {}
            Step::End => return None,
            Step::Cut => {
                // The connection flushes what it has while this waits; an error right behind would throw it away.
                tokio::task::yield_now().await;
                self.step = Step::End;
                return Some(Err(io::Error::other("the query failed after its answer had begun")));
            }
        }
        loop {
            let event = match self.held.pop_front() {
                Some(data) => Event::Data(data),
                None => self.events.recv().await.unwrap_or_else(|| Event::Failed(vanished())),
            };
            let bytes = match event {
                Event::Progress(_) => continue,
                Event::Data(data) => self.packer.pack(data),
                Event::Done(_) => {
                    self.step = Step::End;
                    let rest = self.packer.finish();
                    if rest.is_empty() {
                        return None;
                    }
                    rest
                }
                Event::Failed(exception) => {
                    self.step = Step::Cut;
                    self.packer.pack(marked(&exception.body(&self.version), &self.tag).into())
                }
            };
            if !bytes.is_empty() {
                return Some(Ok(Frame::data(bytes)));
            }
        }
    }
}

/// An error's text between the marks by which a client finds it at the end of a body.
fn marked(message: &str, tag: &str) -> String {
    format!("\r\n__exception__\r\n{tag}\r\n{message}{} {tag}\r\n__exception__\r\n", message.len())
}

/// Sixteen letters that no data can be expected to hold.
fn new_tag() -> String {
    uuid::Uuid::new_v4().as_bytes().iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn summary_json(summary: &Summary) -> String {
    let nanoseconds = Duration::try_from_secs_f64(summary.elapsed_seconds).unwrap_or_default().as_nanos();
    format!(
        "{{\"read_rows\":\"{}\",\"read_bytes\":\"{}\",\"written_rows\":\"{}\",\"written_bytes\":\"{}\",\
         \"total_rows_to_read\":\"0\",\"result_rows\":\"{}\",\"result_bytes\":\"0\",\"elapsed_ns\":\"{nanoseconds}\"}}",
        summary.read_rows,
        summary.read_bytes,
        summary.written_rows,
        summary.written_bytes,
        summary.result_rows
    )
}
