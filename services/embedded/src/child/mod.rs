//! The child: the engine and its HTTP front, in a process of their own.
//!
//! Its order of life: settings from standard input, then the data directory's lock, the port, the library, the data,
//! and only then the word that it is ready. It ends when its standard input ends. Signals from a terminal or a service
//! manager are let pass: they reach the parent too, and the parent knows the right order.

mod answer;
mod body;
mod compress;
mod database;
mod exception;
mod format;
mod http;
mod multipart;
mod request;
mod run;
mod statement;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::database::Database;
use self::http::Front;
use crate::ffi::{self, Chdb, LoadError};
use crate::protocol::{ChildSettings, Report};

/// Why the child did not come up. Its text is one line for a person.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChildError {
    /// Standard input holds no settings: a person ran the subcommand.
    #[error("this command is for trueopen itself, which hands it its settings over standard input")]
    Settings,
    /// The parent is gone.
    #[error("cannot talk to the parent process: {0}")]
    Parent(#[source] io::Error),
    /// The data directory can't be used.
    #[error("cannot use the data directory {path}: {source}")]
    DataDirectory {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another process has the data directory.
    #[error("the data directory {path} is in use by another ClickHouse engine")]
    Locked {
        /// Which.
        path: String,
    },
    /// The address can't be listened on.
    #[error("cannot listen on {address} for the embedded ClickHouse: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The library can't be loaded, or the engine can't open its data.
    #[error("{0}")]
    Engine(String),
}

impl From<LoadError> for ChildError {
    fn from(error: LoadError) -> Self {
        Self::Engine(error.to_string())
    }
}

/// Runs the engine in this process until standard input ends; then ends the process, with success.
///
/// For the hidden subcommand that [`EngineConfig::program_args`](crate::EngineConfig) names, and nothing else: it takes
/// over standard input and output and the current directory, and needs a process without other threads.
///
/// # Errors
/// It could not come up. The parent has been told already.
pub fn serve_child() -> Result<(), ChildError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(ChildError::Parent)?;
    let settings: ChildSettings = serde_json::from_str(&line).map_err(|_| ChildError::Settings)?;
    // The engine may write to standard output; what the parent reads there must be ours alone.
    let mut parent = File::from(
        rustix::io::dup(rustix::stdio::stdout()).map_err(|error| ChildError::Parent(error.into()))?,
    );
    match start(settings, &mut parent) {
        Ok(never) => match never {},
        Err(error) => {
            let _ = report(&mut parent, &Report::Failed { reason: error.to_string() });
            Err(error)
        }
    }
}

enum Never {}

fn start(settings: ChildSettings, parent: &mut File) -> Result<Never, ChildError> {
    let directory = settings.data_dir.clone();
    let unusable = |source| ChildError::DataDirectory { path: directory.display().to_string(), source };
    fs::create_dir_all(&directory).map_err(unusable)?;
    let _lock = lock(&directory, settings.lock_wait)?;
    let listener = TcpListener::bind(settings.listen)
        .map_err(|source| ChildError::Listen { address: settings.listen, source })?;
    let address = listener.local_addr().map_err(ChildError::Parent)?;
    redirect_output(&directory).map_err(unusable)?;
    // Where the engine looks for its configuration and leaves what it may leave.
    std::env::set_current_dir(&directory).map_err(unusable)?;

    let chdb = Chdb::load(&settings.library)?;
    let data = directory.join("data");
    probe(&data).map_err(|source| ChildError::DataDirectory { path: data.display().to_string(), source })?;
    let (database, keeper) =
        Database::open(chdb, &data, &directory.join("engine.xml"), settings.memory_limit_bytes)
            .map_err(ChildError::Engine)?;
    let ready = Report::Ready { address, version: database.version().to_owned() };

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Statements and their cancellation; as deep a stack as a server's threads have.
        .max_blocking_threads(settings.max_queries + 16)
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()
        .map_err(|error| ChildError::Engine(format!("cannot start threads: {error}")))?;
    let (stop, stopped) = watch::channel(false);
    runtime.block_on(async {
        let_signals_pass().map_err(ChildError::Parent)?;
        listener.set_nonblocking(true).map_err(ChildError::Parent)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(ChildError::Parent)?;
        report(parent, &ready).map_err(ChildError::Parent)?;
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = stop.send(true);
        });
        let database = Arc::new(database);
        Front::new(Arc::clone(&database), settings).serve(listener, stopped).await;
        Ok::<_, ChildError>(())
    })?;
    // The last connection stops the engine. A statement that would not end keeps it running; then the process ends
    // under it, which costs nothing that was answered.
    runtime.shutdown_timeout(Duration::from_millis(500));
    drop(keeper);
    ffi::exit_now(0)
}

/// Takes the lock that keeps two engines out of one directory. A former child may still be ending.
fn lock(directory: &Path, wait: Duration) -> Result<File, ChildError> {
    let path = directory.display().to_string();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join("engine.lock"))
        .map_err(|source| ChildError::DataDirectory { path: path.clone(), source })?;
    let deadline = Instant::now() + wait;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(_) if Instant::now() >= deadline => return Err(ChildError::Locked { path }),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Makes sure that the engine will be able to write: its own error for that says nothing.
fn probe(data: &Path) -> io::Result<()> {
    fs::create_dir_all(data)?;
    let file = data.join("writable");
    File::create(&file)?.sync_all()?;
    fs::remove_file(&file)
}

/// Sends what is written to standard output and error into a file, of which the last two starts are kept.
fn redirect_output(directory: &Path) -> io::Result<()> {
    let path = directory.join("engine.log");
    match fs::rename(&path, directory.join("engine.log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    rustix::stdio::dup2_stdout(&log)?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok(())
}

/// Ctrl-C at a terminal and a service manager's stop reach every process of the group, this one too. The parent stops
/// its parts in order and ends our standard input when it is our turn.
fn let_signals_pass() -> io::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        tokio::spawn(async move { while signals.recv().await.is_some() {} });
    }
    Ok(())
}

fn report(parent: &mut File, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    parent.write_all(&line)?;
    parent.flush()
}
