//! A request's body, unpacked, and what it makes of the request: a statement, or an insert and its data.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::compress::BlockReader;
use super::exception::{
    ACCESS_DENIED, BAD_ARGUMENTS, Exception, NETWORK_ERROR, QUERY_IS_TOO_LARGE, SYNTAX_ERROR,
};
use super::multipart;
use super::request::Wish;
use super::run::{Piece, Work};
use super::statement::{self, Insert};

/// An insert's statement ends within so many bytes, as a server's `max_query_size` has it.
const MAX_INSERT_HEAD: usize = 256 << 10;
/// A statement that is not an insert has at most so many bytes; the engine's own `max_query_size` is less, but a setting.
const MAX_STATEMENT: usize = 16 << 20;
/// Pieces of an insert's data that wait for the engine.
const WAITING_PIECES: usize = 4;

/// The body's bytes, out of ClickHouse's blocks when they came in such.
pub(crate) struct Body {
    incoming: Incoming,
    blocks: Option<BlockReader>,
}

impl Body {
    /// `decompress` when the body comes in blocks.
    pub(crate) fn new(incoming: Incoming, decompress: bool) -> Self {
        Self { incoming, blocks: decompress.then(BlockReader::default) }
    }

    /// The next bytes; `None` at the end, and only there.
    ///
    /// # Errors
    /// The body broke off, or can't be unpacked.
    async fn next(&mut self) -> Result<Option<Bytes>, Exception> {
        loop {
            if let Some(blocks) = &mut self.blocks
                && let Some(data) = blocks.next()?
            {
                return Ok(Some(data));
            }
            match self.incoming.frame().await {
                None => {
                    if let Some(blocks) = &self.blocks {
                        blocks.end()?;
                    }
                    return Ok(None);
                }
                Some(Err(_)) => return Err(Exception::new(NETWORK_ERROR, "The request body broke off")),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    match &mut self.blocks {
                        Some(blocks) => blocks.push(&data),
                        None if data.is_empty() => {}
                        None => return Ok(Some(data)),
                    }
                }
            }
        }
    }

    /// Adds bytes to `text` until it has `limit` of them or the body ends, which `true` says.
    async fn fill(&mut self, text: &mut BytesMut, limit: usize) -> Result<bool, Exception> {
        while text.len() < limit {
            match self.next().await? {
                Some(data) => text.extend_from_slice(&data),
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// Finds out what is to be done; an insert's data is left to a task that feeds it.
///
/// # Errors
/// The body is not one, breaks off, or asks for what is not allowed.
pub(crate) async fn work(wish: &mut Wish, content_type: &str, mut body: Body) -> Result<Work, Exception> {
    let mut text = BytesMut::new();
    if let Some(boundary) = multipart::boundary(content_type) {
        if !body.fill(&mut text, MAX_STATEMENT).await? {
            return Err(too_large());
        }
        let fields = multipart::fields(&text, boundary).map_err(|wrong| {
            Exception::new(BAD_ARGUMENTS, format!("The form in the request body has {wrong}"))
        })?;
        for (name, value) in fields {
            wish.take(&name, value)?;
        }
        text.clear();
        text.extend_from_slice(wish.query.as_bytes());
        return decide(wish, text, None).await;
    }
    text.extend_from_slice(wish.query.as_bytes());
    // An insert in the parameter has its data in the body, and its format tells where the data begins: at once.
    if !matches!(statement::insert(&text), Some(Insert::Data { .. })) {
        if !text.is_empty() {
            text.extend_from_slice(b"\n");
        }
        let ended = body.fill(&mut text, MAX_INSERT_HEAD).await?;
        let is_insert = matches!(statement::insert(&text), Some(Insert::Data { .. }));
        if !ended && !is_insert && !body.fill(&mut text, MAX_STATEMENT).await? {
            return Err(too_large());
        }
        return decide(wish, text, Some(body)).await;
    }
    decide(wish, text, Some(body)).await
}

fn too_large() -> Exception {
    Exception::new(QUERY_IS_TOO_LARGE, format!("The statement has more than {MAX_STATEMENT} bytes"))
}

async fn decide(wish: &Wish, text: BytesMut, body: Option<Body>) -> Result<Work, Exception> {
    match statement::insert(&text) {
        Some(Insert::Data { statement_end, format, data_start }) => {
            let mut text = text.freeze();
            let inline = text.split_off(data_start);
            let statement = utf8(&text[..statement_end])?;
            let format =
                format.or_else(|| wish.default_format.clone()).unwrap_or_else(|| "Values".to_owned());
            let (pieces, data) = mpsc::channel(WAITING_PIECES);
            tokio::spawn(feed(pieces, inline, body));
            Ok(Work::Insert { statement, format, data })
        }
        Some(Insert::File) => Err(Exception::new(ACCESS_DENIED, "FROM INFILE is not allowed over HTTP")),
        Some(Insert::Query) | None => {
            let sql = utf8(&text)?;
            if sql.trim().is_empty() {
                return Err(Exception::new(SYNTAX_ERROR, "Syntax error: Empty query"));
            }
            Ok(Work::Statement { sql })
        }
    }
}

fn utf8(text: &[u8]) -> Result<String, Exception> {
    String::from_utf8(text.to_vec())
        .map_err(|_| Exception::new(SYNTAX_ERROR, "Syntax error: the query is not UTF-8"))
}

/// Passes an insert's data on. Ends without [`Piece::End`] when the body breaks off: then the insert is aborted.
async fn feed(pieces: mpsc::Sender<Piece>, inline: Bytes, body: Option<Body>) {
    if !inline.is_empty() && pieces.send(Piece::Data(inline)).await.is_err() {
        return;
    }
    if let Some(mut body) = body {
        loop {
            let next = tokio::select! {
                // Nobody takes the data any more. Letting the body go lets the connection end.
                () = pieces.closed() => return,
                next = body.next() => next,
            };
            let piece = match next {
                Ok(Some(data)) => Piece::Data(data),
                Ok(None) => break,
                Err(exception) if exception.code() == NETWORK_ERROR.0 => return,
                Err(exception) => Piece::Bad(exception),
            };
            let bad = matches!(piece, Piece::Bad(_));
            if pieces.send(piece).await.is_err() || bad {
                return;
            }
        }
    }
    let _ = pieces.send(Piece::End).await;
}
