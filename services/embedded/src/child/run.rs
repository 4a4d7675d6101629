//! Runs one request on the engine. Everything here blocks, and happens on one thread from its start to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::database::{Database, Setup};
use super::exception::{
    ACCESS_DENIED, Exception, INCORRECT_DATA, LOGICAL_ERROR, NETWORK_ERROR, READONLY, SOCKET_TIMEOUT,
    SYNTAX_ERROR,
};
use super::format::{Joiner, Shape, shape};
use super::statement;
use crate::ffi::{Class, Connection, Summary};

/// What a request wants done.
pub(crate) enum Work {
    /// A statement with an answer.
    Statement {
        /// Its text.
        sql: String,
    },
    /// An insert and its data.
    Insert {
        /// Its text up to the data, without a format.
        statement: String,
        /// The data's format.
        format: String,
        /// The data as it comes in.
        data: mpsc::Receiver<Piece>,
    },
}

/// A piece of an insert's data. Data that ends without [`Piece::End`] has broken off.
pub(crate) enum Piece {
    /// Some bytes.
    Data(Bytes),
    /// There is no more.
    End,
    /// What was sent can't be read; the reason.
    Bad(Exception),
}

/// A piece of what comes back. The last is [`Event::Done`] or [`Event::Failed`].
pub(crate) enum Event {
    /// Some bytes of the answer.
    Data(Bytes),
    /// How far it has come, with the pieces sent so far.
    Progress(Summary),
    /// The end.
    Done(Summary),
    /// The end, and a bad one.
    Failed(Exception),
}

/// A request on its way through the engine.
pub(crate) struct Job {
    pub(crate) database: Arc<Database>,
    pub(crate) setup: Setup,
    pub(crate) parameters: Vec<(String, String)>,
    /// The format of an answer that names none itself.
    pub(crate) default_format: String,
    /// The bound on answers that can't be sent in pieces, unless the request sets one.
    pub(crate) max_answer_bytes: u64,
    /// How long the client may take over a piece.
    pub(crate) client_timeout: Duration,
    pub(crate) work: Work,
    pub(crate) events: mpsc::Sender<Event>,
    /// Set while cancelling the statement would lose nothing.
    pub(crate) cancellable: Arc<AtomicBool>,
}

/// The client has gone, or takes too long: there is nobody to tell.
struct Gone;

impl Job {
    /// Runs to the end.
    pub(crate) fn run(mut self) {
        let worked = self.work();
        self.cancellable.store(false, Ordering::Relaxed);
        let last = match worked {
            Ok(summary) => Event::Done(summary),
            Err(Stop::Failed(exception)) => Event::Failed(exception),
            Err(Stop::Gone) => return,
        };
        let _ = self.send(last);
    }

    fn work(&mut self) -> Result<Summary, Stop> {
        match std::mem::replace(&mut self.work, Work::Statement { sql: String::new() }) {
            Work::Insert { statement, format, data } => self.insert(&statement, &format, data),
            Work::Statement { sql } => self.statement(&sql),
        }
    }

    fn statement(&mut self, sql: &str) -> Result<Summary, Stop> {
        let format = statement::output_format(sql).unwrap_or(&self.default_format).to_owned();
        let shape = shape(&format);
        if shape == Shape::Whole && !self.setup.settings.iter().any(|(name, _)| name == "max_result_bytes") {
            self.setup.settings.push(("max_result_bytes".to_owned(), self.max_answer_bytes.to_string()));
        }
        let mut connection = self.database.session(&self.setup)?;
        let analysis = connection.classify(sql);
        if analysis.statements > 1 {
            return Err(
                Exception::new(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)").into()
            );
        }
        if self.setup.read_only && !matches!(analysis.class, Class::ReadOnly | Class::Unknown) {
            return Err(Exception::new(READONLY, READONLY_GET).into());
        }
        if analysis.class == Class::Control && statement::writes_file(sql) {
            return Err(Exception::new(ACCESS_DENIED, "INTO OUTFILE is not allowed over HTTP").into());
        }
        if analysis.class == Class::ReadOnly {
            self.cancellable.store(true, Ordering::Relaxed);
            if self.events.is_closed() {
                return Err(Stop::Gone);
            }
            if shape != Shape::Whole
                && let Some(summary) = self.stream(&mut connection, sql, shape)?
            {
                return Ok(summary);
            }
        }
        let answer = connection
            .query(sql, &self.default_format, &self.parameters)
            .map_err(|error| Exception::from_engine(&error))?;
        let nothing_ran =
            analysis.class == Class::Unknown && answer.bytes().is_empty() && answer.summary().nothing();
        if nothing_ran && is_client_command(sql) {
            return Err(
                Exception::new(SYNTAX_ERROR, "Syntax error: a command of ClickHouse's command line").into()
            );
        }
        if !answer.bytes().is_empty() {
            self.send(Event::Data(Bytes::copy_from_slice(answer.bytes())))?;
        }
        Ok(answer.summary())
    }

    /// Sends the answer in pieces. `None`, with nothing done, when the engine has no pieces for such a statement
    /// (`SHOW`, `DESCRIBE`, `EXPLAIN`: their answers are small).
    fn stream(&self, connection: &mut Connection, sql: &str, shape: Shape) -> Result<Option<Summary>, Stop> {
        let mut stream = match connection.stream(sql, &self.default_format, &self.parameters) {
            Ok(stream) => stream,
            Err(error) if error.contains(NO_STREAM) => return Ok(None),
            Err(error) => return Err(Exception::from_engine(&error).into()),
        };
        let mut joiner = Joiner::new(shape);
        let mut total = Summary::default();
        loop {
            let piece = stream.next().map_err(|error| Exception::from_engine(&error))?;
            let Some(piece) = piece else { return Ok(Some(total)) };
            total.add(&piece.summary());
            let bytes = joiner.join(piece.bytes(), piece.rows() == 0).ok_or_else(|| {
                Exception::new(LOGICAL_ERROR, "The pieces of the answer do not fit together")
            })?;
            if !bytes.is_empty() {
                self.send(Event::Progress(total))?;
                self.send(Event::Data(Bytes::copy_from_slice(bytes)))?;
            }
        }
    }

    /// Feeds an insert. Whatever ends it early drops it, which aborts it.
    fn insert(
        &mut self,
        statement: &str,
        format: &str,
        mut data: mpsc::Receiver<Piece>,
    ) -> Result<Summary, Stop> {
        if self.setup.read_only {
            return Err(Exception::new(READONLY, READONLY_GET).into());
        }
        let mut connection = self.database.session(&self.setup)?;
        let mut insert = connection
            .insert(statement, format, &self.parameters)
            .map_err(|error| Exception::from_engine(&error))?;
        let runtime = Handle::current();
        loop {
            match runtime.block_on(tokio::time::timeout(self.client_timeout, data.recv())) {
                Ok(Some(Piece::Data(bytes))) => {
                    for part in bytes.chunks(APPENDED) {
                        if insert.append(part).is_err() {
                            // The reason is complete only once the insert is finished. When there is none, the format
                            // ended before the data did, and what follows its end must not be lost in silence.
                            return Err(match insert.finish() {
                                Err(error) => Exception::from_engine(&error).into(),
                                Ok(_) => Exception::new(INCORRECT_DATA, DATA_AFTER_END).into(),
                            });
                        }
                    }
                }
                Ok(Some(Piece::End)) => {
                    return insert.finish().map_err(|error| Exception::from_engine(&error).into());
                }
                Ok(Some(Piece::Bad(exception))) => return Err(exception.into()),
                Ok(None) => {
                    let text = "The request body broke off: the insert is aborted";
                    return Err(Exception::new(NETWORK_ERROR, text).into());
                }
                Err(_) => {
                    let text = "The request body came to a halt: the insert is aborted";
                    return Err(Exception::new(SOCKET_TIMEOUT, text).into());
                }
            }
        }
    }

    /// Waits until the client takes the event.
    fn send(&self, event: Event) -> Result<(), Gone> {
        let sent =
            Handle::current().block_on(tokio::time::timeout(self.client_timeout, self.events.send(event)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// Bytes of an insert's data handed to the engine at once. It queues up to 16 of these.
const APPENDED: usize = 1 << 20;
/// How the engine says that it has no pieces for a statement.
const NO_STREAM: &str = "Streaming query is not supported";
const DATA_AFTER_END: &str = "There is data behind the end of the insert's data";
const READONLY_GET: &str = "default: Cannot execute query in readonly mode. For queries over HTTP, method GET implies \
     readonly. You should use method POST for modifying queries";

/// What ends a job early.
enum Stop {
    Failed(Exception),
    Gone,
}

impl From<Exception> for Stop {
    fn from(exception: Exception) -> Self {
        Self::Failed(exception)
    }
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Words that the library takes for the command line's own (`exit`, `quit`, `\q`, …): it answers them with nothing,
/// a server with a syntax error. None of them has a blank, and no statement of one word changes anything.
fn is_client_command(sql: &str) -> bool {
    !sql.trim_matches(|character: char| character.is_whitespace() || character == ';')
        .contains(char::is_whitespace)
}

impl Summary {
    /// Adds a piece's figures.
    pub(crate) fn add(&mut self, piece: &Self) {
        self.read_rows += piece.read_rows;
        self.read_bytes += piece.read_bytes;
        self.written_rows += piece.written_rows;
        self.written_bytes += piece.written_bytes;
        self.result_rows += piece.result_rows;
        self.elapsed_seconds += piece.elapsed_seconds;
    }

    fn nothing(&self) -> bool {
        self.read_rows == 0 && self.written_rows == 0 && self.result_rows == 0
    }
}
