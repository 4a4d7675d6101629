//! The library's symbols: their C signatures, as chdb.h of 26.7 declares them, and how they are found.

use std::ffi::{c_char, c_double, c_int, c_void};
use std::path::Path;

use thiserror::Error;

/// `chdb_connection`: opaque.
pub(super) type RawConnection = *mut c_void;
/// `chdb_result *`: opaque.
pub(super) type RawResult = *mut c_void;
/// `chdb_insert_stream`: opaque.
pub(super) type RawInsert = *mut c_void;
/// `chdb_state`: 0 is success.
pub(super) type State = c_int;

pub(super) type Connect = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut RawConnection;
pub(super) type CloseConnection = unsafe extern "C" fn(*mut RawConnection);
pub(super) type QueryWithParams = unsafe extern "C" fn(
    RawConnection,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> RawResult;
pub(super) type StreamFetch = unsafe extern "C" fn(RawConnection, RawResult) -> RawResult;
pub(super) type StreamCancel = unsafe extern "C" fn(RawConnection, RawResult);
pub(super) type InsertAppend = unsafe extern "C" fn(RawInsert, *const c_void, usize) -> State;
pub(super) type InsertDone = unsafe extern "C" fn(RawInsert) -> RawResult;
pub(super) type InsertVoid = unsafe extern "C" fn(RawInsert);
pub(super) type InsertError = unsafe extern "C" fn(RawInsert) -> *const c_char;
pub(super) type ResultVoid = unsafe extern "C" fn(RawResult);
pub(super) type ResultBuffer = unsafe extern "C" fn(RawResult) -> *const c_char;
pub(super) type ResultSize = unsafe extern "C" fn(RawResult) -> usize;
pub(super) type ResultCount = unsafe extern "C" fn(RawResult) -> u64;
pub(super) type ResultSeconds = unsafe extern "C" fn(RawResult) -> c_double;
pub(super) type Classify = unsafe extern "C" fn(
    RawConnection,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *mut RawAnalysis,
) -> State;
pub(super) type SetHandlers = unsafe extern "C" fn(c_int);

/// `chdb_query_analysis_v1`, versioned by its own size.
#[repr(C)]
pub(super) struct RawAnalysis {
    pub(super) struct_size: u32,
    pub(super) statement_count: u32,
    pub(super) flags: u32,
    pub(super) query_class: u32,
}

/// Why the library could not be used.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("cannot load the ClickHouse engine {path}: {reason}")]
    Open { path: String, reason: String },
    #[error(
        "the ClickHouse engine {path} has no symbol {symbol}: another version than this program was made for"
    )]
    Symbol { path: String, symbol: &'static str },
}

/// The loaded library: one for the life of the process.
pub(crate) struct Chdb {
    pub(super) connect: Connect,
    pub(super) close_connection: CloseConnection,
    pub(super) query: QueryWithParams,
    pub(super) stream_query: QueryWithParams,
    pub(super) stream_fetch: StreamFetch,
    pub(super) stream_cancel: StreamCancel,
    pub(super) stream_insert: QueryWithParams,
    pub(super) insert_append: InsertAppend,
    pub(super) insert_done: InsertDone,
    pub(super) insert_cancel: InsertVoid,
    pub(super) insert_destroy: InsertVoid,
    pub(super) insert_error: InsertError,
    pub(super) result_destroy: ResultVoid,
    pub(super) result_buffer: ResultBuffer,
    pub(super) result_length: ResultSize,
    pub(super) result_error: ResultBuffer,
    pub(super) result_elapsed: ResultSeconds,
    pub(super) result_rows: ResultCount,
    pub(super) result_storage_rows: ResultCount,
    pub(super) result_storage_bytes: ResultCount,
    pub(super) result_rows_written: ResultCount,
    pub(super) result_bytes_written: ResultCount,
    pub(super) classify: Classify,
}

impl Chdb {
    /// Loads the library at `path` for the rest of the process and keeps it from installing signal handlers.
    ///
    /// # Errors
    /// The file can't be loaded, or lacks a call.
    pub(crate) fn load(path: &Path) -> Result<&'static Self, LoadError> {
        let name = path.display().to_string();
        // SAFETY: loading runs the library's initialisers. It is the pinned libchdb, checked by hash when fetched;
        // they need nothing from us and touch nothing of ours.
        let library = unsafe { libloading::Library::new(path) }
            .map_err(|error| LoadError::Open { path: name.clone(), reason: error.to_string() })?;
        // Leaked: unloading crashes (engine threads still run its code), and the pointers below must stay valid.
        let library: &'static libloading::Library = Box::leak(Box::new(library));

        macro_rules! symbol {
            ($kind:ty, $symbol:literal) => {{
                // SAFETY: `$kind` is the C signature that chdb.h of 26.7 declares for this symbol, and the library
                // is never unloaded, so the pointer may be copied out.
                *unsafe { library.get::<$kind>($symbol.as_bytes()) }
                    .map_err(|_| LoadError::Symbol { path: name.clone(), symbol: $symbol })?
            }};
        }

        let set_handlers = symbol!(SetHandlers, "chdb_set_signal_handlers_enabled");
        // SAFETY: takes a flag, may be called at any time; before the first connection it keeps the engine from ever
        // replacing this process's signal handlers.
        unsafe { set_handlers(0) };

        Ok(Box::leak(Box::new(Self {
            connect: symbol!(Connect, "chdb_connect"),
            close_connection: symbol!(CloseConnection, "chdb_close_conn"),
            query: symbol!(QueryWithParams, "chdb_query_with_params_n"),
            stream_query: symbol!(QueryWithParams, "chdb_stream_query_with_params_n"),
            stream_fetch: symbol!(StreamFetch, "chdb_stream_fetch_result"),
            stream_cancel: symbol!(StreamCancel, "chdb_stream_cancel_query"),
            stream_insert: symbol!(QueryWithParams, "chdb_stream_insert_with_params_n"),
            insert_append: symbol!(InsertAppend, "chdb_stream_append"),
            insert_done: symbol!(InsertDone, "chdb_stream_done"),
            insert_cancel: symbol!(InsertVoid, "chdb_stream_cancel_insert"),
            insert_destroy: symbol!(InsertVoid, "chdb_destroy_insert_stream"),
            insert_error: symbol!(InsertError, "chdb_stream_insert_error"),
            result_destroy: symbol!(ResultVoid, "chdb_destroy_query_result"),
            result_buffer: symbol!(ResultBuffer, "chdb_result_buffer"),
            result_length: symbol!(ResultSize, "chdb_result_length"),
            result_error: symbol!(ResultBuffer, "chdb_result_error"),
            result_elapsed: symbol!(ResultSeconds, "chdb_result_elapsed"),
            result_rows: symbol!(ResultCount, "chdb_result_rows_read"),
            result_storage_rows: symbol!(ResultCount, "chdb_result_storage_rows_read"),
            result_storage_bytes: symbol!(ResultCount, "chdb_result_storage_bytes_read"),
            result_rows_written: symbol!(ResultCount, "chdb_result_rows_written"),
            result_bytes_written: symbol!(ResultCount, "chdb_result_bytes_written"),
            classify: symbol!(Classify, "chdb_classify_query_n"),
        })))
    }
}
