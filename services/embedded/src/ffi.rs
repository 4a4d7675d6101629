//! The dozen C calls of libchdb that this crate uses, bound by hand, behind types that keep their rules.
//!
//! This is the only module with `unsafe` code. What the calls promise and demand comes from chdb-core's `chdb.h`
//! (26.7) and from the crate chdb-rust 2.0.0; what was tried here is said so.
//!
//! Invariants:
//! - the library is loaded once and never unloaded (unloading crashes: its threads outlive any connection);
//! - a [`Connection`] runs one statement at a time: everything that runs borrows it mutably, and it is not `Send`,
//!   so its statement begins and ends on one thread;
//! - every handle is freed exactly once, by `Drop`.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

mod symbols;

pub(crate) use self::symbols::{Chdb, LoadError};
use self::symbols::{QueryWithParams, RawAnalysis, RawConnection, RawInsert, RawResult, ResultCount};

/// Named values for the `{name:Type}` places of a statement: bound by the engine, never spliced into the text.
pub(crate) type Parameters = [(String, String)];

impl Chdb {
    /// Opens a connection with the given command-line style arguments (`--path=…`). The engine is one per process:
    /// the first connection starts it and its path, every later one must name the same path.
    ///
    /// `None` when the engine refuses; it says no more than that (its reason goes to standard error).
    pub(crate) fn connect(&'static self, arguments: &[CString]) -> Option<Connection> {
        let mut pointers: Vec<*mut c_char> =
            arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        // SAFETY: `count` NUL-terminated strings that outlive the call; the engine copies what it keeps.
        let handle = NonNull::new(unsafe { (self.connect)(count, pointers.as_mut_ptr()) })?;
        // SAFETY: a connection handle that is not null points at a connection.
        if unsafe { *handle.as_ptr() }.is_null() {
            return None;
        }
        Some(Connection { chdb: self, handle, not_send: PhantomData })
    }
}

/// Ends the process at once, without exit-time destructors.
///
/// libchdb registers destructors that run engine code at exit beside threads that may still be alive. A child that
/// has stopped the engine, or failed to within its deadline, must end without giving them a chance to hang or crash.
/// Closing the last connection does stop the engine (tried: another path can be opened afterwards); `chdb_shutdown`,
/// which should join its threads as well, refuses once tables were loaded from disk (tried, 26.7.3).
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes a number and does not return; nothing of ours needs its destructors run.
    unsafe { libc::_exit(code) }
}

/// What kind of statement a text holds, as the engine's own parser sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// `SELECT`, `SHOW`, `DESCRIBE`, `EXPLAIN`, `EXISTS`, `CHECK`.
    ReadOnly,
    /// Changes what lies in a database.
    Mutating,
    /// Changes what lies beside the databases (functions, users).
    MutatingGlobal,
    /// Session or engine control, or writing outside the engine.
    Control,
    /// Did not parse.
    Unknown,
}

/// What [`Connection::classify`] reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Analysis {
    pub(crate) class: Class,
    pub(crate) statements: u32,
}

/// One session of the engine.
pub(crate) struct Connection {
    chdb: &'static Chdb,
    handle: NonNull<RawConnection>,
    /// Raw pointers already forbid `Send`; this says that it is meant.
    not_send: PhantomData<*const ()>,
}

impl Connection {
    fn raw(&self) -> RawConnection {
        // SAFETY: the handle was checked in `connect` and lives until `drop`.
        unsafe { *self.handle.as_ptr() }
    }

    /// Runs a statement to its end and gives the whole answer.
    ///
    /// # Errors
    /// The engine's own text.
    pub(crate) fn query(
        &mut self,
        sql: &str,
        format: &str,
        parameters: &Parameters,
    ) -> Result<Answer, String> {
        let raw = self.call(self.chdb.query, sql, format, parameters);
        Answer::checked(self.chdb, raw)
    }

    /// Starts a statement whose answer is fetched piece by piece.
    ///
    /// # Errors
    /// The engine's own text; some errors show only at the first fetch.
    pub(crate) fn stream(
        &mut self,
        sql: &str,
        format: &str,
        parameters: &Parameters,
    ) -> Result<Stream<'_>, String> {
        let raw = self.call(self.chdb.stream_query, sql, format, parameters);
        let handle = Answer::checked(self.chdb, raw)?;
        Ok(Stream { connection: self, handle, finished: false })
    }

    /// Starts an insert whose data is appended piece by piece. `sql` has no `FORMAT` clause and no data.
    ///
    /// # Errors
    /// The engine's own text.
    pub(crate) fn insert(
        &mut self,
        sql: &str,
        format: &str,
        parameters: &Parameters,
    ) -> Result<Insert<'_>, String> {
        let handle = self.call(self.chdb.stream_insert, sql, format, parameters);
        if handle.is_null() {
            return Err(NO_ANSWER.to_owned());
        }
        let insert = Insert { chdb: self.chdb, handle, settled: false, connection: PhantomData };
        match insert.error() {
            None => Ok(insert),
            Some(error) => Err(error),
        }
    }

    /// Asks the engine's parser what `sql` would do. Runs nothing.
    pub(crate) fn classify(&self, sql: &str) -> Analysis {
        let mut raw = RawAnalysis {
            struct_size: u32::try_from(size_of::<RawAnalysis>()).unwrap_or(u32::MAX),
            statement_count: 0,
            flags: 0,
            query_class: u32::MAX,
        };
        // SAFETY: `sql` is a pointer and its length, no target database is named, and the structure says its size.
        let state = unsafe {
            (self.chdb.classify)(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                std::ptr::null(),
                0,
                &raw mut raw,
            )
        };
        let class = match (state, raw.query_class) {
            (0, 0) => Class::ReadOnly,
            (0, 1) => Class::Mutating,
            (0, 2) => Class::MutatingGlobal,
            (0, 3) => Class::Control,
            _ => Class::Unknown,
        };
        Analysis { class, statements: raw.statement_count }
    }

    fn call(
        &mut self,
        function: QueryWithParams,
        sql: &str,
        format: &str,
        parameters: &Parameters,
    ) -> RawResult {
        let names: Vec<*const c_char> = parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect();
        let name_lengths: Vec<usize> = parameters.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<*const c_char> = parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect();
        let value_lengths: Vec<usize> = parameters.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: every string goes as pointer and length and outlives the call, which copies what it keeps; the four
        // arrays have `parameters.len()` entries each; `&mut self` keeps other statements off this connection.
        unsafe {
            function(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle came from `connect` and is closed once; answers, streams and inserts borrow or outlive it
        // harmlessly (an answer owns its bytes).
        unsafe { (self.chdb.close_connection)(self.handle.as_ptr()) };
    }
}

const NO_ANSWER: &str = "Code: 49. DB::Exception: the embedded engine gave no answer. (LOGICAL_ERROR)";

/// Bytes and figures that the engine gave back.
pub(crate) struct Answer {
    chdb: &'static Chdb,
    raw: RawResult,
}

impl Answer {
    fn checked(chdb: &'static Chdb, raw: RawResult) -> Result<Self, String> {
        if raw.is_null() {
            return Err(NO_ANSWER.to_owned());
        }
        let answer = Self { chdb, raw };
        // SAFETY: `raw` is a live result; its error is null or a NUL-terminated text owned by it.
        match unsafe { text((chdb.result_error)(raw)) } {
            None => Ok(answer),
            Some(error) => Err(error),
        }
    }

    /// The answer's bytes in the format that was asked for.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `raw` is live, and buffer and length describe memory it owns until it is destroyed.
        unsafe {
            let buffer = (self.chdb.result_buffer)(self.raw);
            let length = (self.chdb.result_length)(self.raw);
            if buffer.is_null() || length == 0 {
                return &[];
            }
            std::slice::from_raw_parts(buffer.cast(), length)
        }
    }

    /// Rows in the answer.
    pub(crate) fn rows(&self) -> u64 {
        self.count(self.chdb.result_rows)
    }

    /// What the statement read and wrote.
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            read_rows: self.count(self.chdb.result_storage_rows),
            read_bytes: self.count(self.chdb.result_storage_bytes),
            written_rows: self.count(self.chdb.result_rows_written),
            written_bytes: self.count(self.chdb.result_bytes_written),
            result_rows: self.rows(),
            // SAFETY: `raw` is live.
            elapsed_seconds: unsafe { (self.chdb.result_elapsed)(self.raw) },
        }
    }

    fn count(&self, function: ResultCount) -> u64 {
        // SAFETY: `raw` is live, and each of these calls only reads a number of it.
        unsafe { function(self.raw) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: `raw` is live and destroyed once.
        unsafe { (self.chdb.result_destroy)(self.raw) };
    }
}

/// What a statement read and wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Summary {
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
    pub(crate) result_rows: u64,
    pub(crate) elapsed_seconds: f64,
}

/// A statement whose answer is being fetched.
pub(crate) struct Stream<'connection> {
    connection: &'connection mut Connection,
    handle: Answer,
    finished: bool,
}

impl Stream<'_> {
    /// The next piece. The last one has no rows, though it may have bytes (a format's footer, or the header of an
    /// empty answer); after it comes `None`.
    ///
    /// # Errors
    /// The engine's own text; the stream is over then.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, String> {
        if self.finished {
            return Ok(None);
        }
        // SAFETY: connection and stream handle are live and used by this thread alone.
        let raw = unsafe { (self.connection.chdb.stream_fetch)(self.connection.raw(), self.handle.raw) };
        let piece = Answer::checked(self.connection.chdb, raw);
        match piece {
            Ok(piece) => {
                self.finished = piece.rows() == 0;
                Ok(Some(piece))
            }
            Err(error) => {
                self.finished = true;
                Err(error)
            }
        }
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // SAFETY: both handles are live; the handle itself is destroyed by its own `Drop` afterwards.
            unsafe { (self.connection.chdb.stream_cancel)(self.connection.raw(), self.handle.raw) };
        }
    }
}

/// An insert that is being fed. Dropped without [`Insert::finish`], it is aborted.
pub(crate) struct Insert<'connection> {
    chdb: &'static Chdb,
    handle: RawInsert,
    settled: bool,
    connection: PhantomData<&'connection mut Connection>,
}

impl Insert<'_> {
    /// Hands over a piece of the data; waits when the engine lags behind.
    ///
    /// # Errors
    /// The insert has already failed; the engine's own text.
    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), String> {
        // SAFETY: the handle is live; the engine copies the bytes before it returns.
        let state = unsafe { (self.chdb.insert_append)(self.handle, data.as_ptr().cast(), data.len()) };
        if state == 0 {
            return Ok(());
        }
        Err(self.error().unwrap_or_else(|| NO_ANSWER.to_owned()))
    }

    /// Ends the data and commits.
    ///
    /// # Errors
    /// The engine's own text; nothing after the failing block is stored.
    pub(crate) fn finish(mut self) -> Result<Summary, String> {
        self.settled = true;
        // SAFETY: the handle is live and finished once; its memory is freed by `drop`.
        let raw = unsafe { (self.chdb.insert_done)(self.handle) };
        Answer::checked(self.chdb, raw).map(|answer| answer.summary())
    }

    fn error(&self) -> Option<String> {
        // SAFETY: the handle is live; the error is null or a NUL-terminated text that it owns.
        unsafe { text((self.chdb.insert_error)(self.handle)) }
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live, cancelled at most once and destroyed once; cancelling does not free it.
        unsafe {
            if !self.settled {
                (self.chdb.insert_cancel)(self.handle);
            }
            (self.chdb.insert_destroy)(self.handle);
        }
    }
}

/// A C text as a Rust one; `None` for null.
///
/// # Safety
/// `pointer` is null or a NUL-terminated text that lives for the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and NUL-terminated by the caller's promise.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
