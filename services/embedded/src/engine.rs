//! The parent's handle on the engine.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::password;
use crate::protocol::ChildSettings;
use crate::supervisor::{self, Launcher, State};

/// The engine's one user, as on a fresh server.
const USER: &str = "default";

/// How to run the engine. [`EngineConfig::new`] fills in the bounds; each says what happens past it.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The library, `libchdb.so` of `@chdb/lib-linux-x64-gnu` 26.7.3-stable.1; `fetch.sh` gets it.
    pub library: PathBuf,
    /// Where the data, the password, the lock and the engine's log lie; made, for its owner only, when missing.
    pub data_dir: PathBuf,
    /// Where to listen: a loopback address. With port 0 a free one is taken at the start and kept over restarts.
    pub listen: SocketAddr,
    /// The program to start as the child, usually [`std::env::current_exe`].
    pub program: PathBuf,
    /// Its arguments: the hidden subcommand that calls [`serve_child`](crate::serve_child).
    pub program_args: Vec<String>,
    /// Statements at once, 8. Further ones wait.
    pub max_queries: usize,
    /// How long a statement waits for its turn, 30 s. Past it the request fails with code 202,
    /// `TOO_MANY_SIMULTANEOUS_QUERIES`.
    pub queue_wait: Duration,
    /// Connections at once, 256. Further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// How long a client may take to send or fetch the next piece, 300 s. Past it an insert is aborted and an answer
    /// is cut off.
    pub client_timeout: Duration,
    /// Bytes of an answer in a format that can't be sent in pieces (JSON, Pretty, Parquet), as the engine counts them,
    /// and of answers held back for `wait_end_of_query=1`: 256 MiB. Past it the first fail with code 396, unless the
    /// request sets `max_result_bytes` itself, and the second begin to be sent.
    pub max_answer_bytes: u64,
    /// The engine's bound on its own memory; 90 % of the machine's when `None`. Past it statements fail with code 241.
    pub memory_limit_bytes: Option<u64>,
    /// How long a start may take, 120 s: many parts take long to load. Past it the child is killed.
    pub start_deadline: Duration,
    /// How long statements may go on after a stop was asked for, 10 s. Past it they are cancelled.
    pub stop_deadline: Duration,
    /// How long a start waits for another engine to leave the data directory, 15 s. Past it the start fails.
    pub lock_wait: Duration,
    /// Starts that fail one after the other, after the first one succeeded, 20. Past it the engine is given up:
    /// [`Engine::failed`].
    pub max_failed_starts: u32,
}

impl EngineConfig {
    /// A configuration with the usual bounds.
    #[must_use]
    pub fn new(
        library: impl Into<PathBuf>,
        data_dir: impl Into<PathBuf>,
        listen: SocketAddr,
        program: impl Into<PathBuf>,
        program_args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            library: library.into(),
            data_dir: data_dir.into(),
            listen,
            program: program.into(),
            program_args: program_args.into_iter().map(Into::into).collect(),
            max_queries: 8,
            queue_wait: Duration::from_secs(30),
            max_connections: 256,
            client_timeout: Duration::from_secs(300),
            max_answer_bytes: 256 << 20,
            memory_limit_bytes: None,
            start_deadline: Duration::from_secs(120),
            stop_deadline: Duration::from_secs(10),
            lock_wait: Duration::from_secs(15),
            max_failed_starts: 20,
        }
    }
}

/// Why the engine does not run. Each text is one line for a person.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no library.
    #[error("the ClickHouse engine {path} can't be read: {source} (services/embedded/fetch.sh fetches it)")]
    Library {
        /// Where it should be.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The address is open to others.
    #[error("the embedded ClickHouse listens on a loopback address only, not on {0}")]
    NotLoopback(SocketAddr),
    /// A bound of the configuration makes no sense.
    #[error("{0} of the embedded ClickHouse must not be 0")]
    Zero(&'static str),
    /// The data directory or the password in it can't be used.
    #[error("cannot use the data directory {path}: {source}")]
    DataDirectory {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The child process can't be started.
    #[error("cannot start the process of the embedded ClickHouse: {0}")]
    Spawn(#[source] io::Error),
    /// The child came up and said why it can't go on.
    #[error("{0}")]
    Refused(String),
    /// The child ended without a word.
    #[error("the embedded ClickHouse ended before it was ready ({status}); its last words may be in {log}")]
    EndedEarly {
        /// How.
        status: ExitStatus,
        /// The engine's log.
        log: String,
    },
    /// The child did not come up in time.
    #[error("the embedded ClickHouse was not ready within {0:?}")]
    StartTimeout(Duration),
    /// It died and could not be started again.
    #[error("the embedded ClickHouse could not be started again in {attempts} attempts: {last}")]
    GaveUp {
        /// Failed starts in a row.
        attempts: u32,
        /// Why the last one failed.
        last: String,
    },
    /// It did not stop by itself. Nothing that was answered is lost.
    #[error("the embedded ClickHouse did not stop cleanly ({0})")]
    UncleanStop(String),
}

/// A running engine and its supervisor.
///
/// Dropped without [`Engine::stop`], it stops all the same, but nobody waits for it.
pub struct Engine {
    address: SocketAddr,
    password: String,
    state: Arc<State>,
    stop: oneshot::Sender<()>,
    failure: watch::Receiver<Option<(u32, String)>>,
    supervisor: JoinHandle<Result<(), EngineError>>,
}

impl fmt::Debug for Engine {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the engine and returns once it answers.
    ///
    /// # Errors
    /// It does not come up; see [`EngineError`].
    pub async fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let launcher = Launcher::new(check(&config)?, &config);
        let password = launcher.password().to_owned();
        let (running, address) = launcher.launch(config.listen).await?;
        let state = Arc::new(State::default());
        state.came_up(running.pid());
        let (stop, stopped) = oneshot::channel();
        let (failed, failure) = watch::channel(None);
        let supervisor = tokio::spawn(supervisor::supervise(
            launcher,
            address,
            running,
            Arc::clone(&state),
            stopped,
            failed,
        ));
        Ok(Self { address, password, state, stop, failure, supervisor })
    }

    /// The address of the HTTP interface, `http://127.0.0.1:8123`; the same for the life of the engine.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The one user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        USER
    }

    /// The one user's password; the same for the life of the data directory.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The child process while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.state.pid()
    }

    /// How often the child was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.state.restarts()
    }

    /// Waits until the engine has been given up. While it runs, or is being started again, this goes on waiting.
    pub async fn failed(&self) -> EngineError {
        let mut failure = self.failure.clone();
        if let Ok(value) = failure.wait_for(Option::is_some).await
            && let Some((attempts, last)) = value.clone()
        {
            return EngineError::GaveUp { attempts, last };
        }
        // The supervisor ends without a failure only when it is told to, and that takes the engine.
        std::future::pending().await
    }

    /// Stops the engine: no new connections, statements under way go on until the stop deadline, then the child ends.
    ///
    /// # Errors
    /// It had to be killed, or had been given up before. Nothing that was answered is lost either way.
    pub async fn stop(self) -> Result<(), EngineError> {
        let _ = self.stop.send(());
        match self.supervisor.await {
            Ok(stopped) => stopped,
            Err(error) => Err(EngineError::UncleanStop(error.to_string())),
        }
    }
}

/// Checks what can be checked before a process is started, and makes the data directory and the password.
fn check(config: &EngineConfig) -> Result<ChildSettings, EngineError> {
    if !config.listen.ip().is_loopback() {
        return Err(EngineError::NotLoopback(config.listen));
    }
    for (value, name) in [(config.max_queries, "max_queries"), (config.max_connections, "max_connections")] {
        if value == 0 {
            return Err(EngineError::Zero(name));
        }
    }
    let library =
        std::path::absolute(&config.library)
            .and_then(|path| fs::File::open(&path).map(|_| path))
            .map_err(|source| EngineError::Library { path: config.library.display().to_string(), source })?;
    let unusable =
        |source| EngineError::DataDirectory { path: config.data_dir.display().to_string(), source };
    let data_dir = std::path::absolute(&config.data_dir).map_err(unusable)?;
    make_private(&data_dir).map_err(unusable)?;
    let password = password::load_or_create(&data_dir).map_err(unusable)?;
    Ok(ChildSettings {
        library,
        data_dir,
        listen: config.listen,
        user: USER.to_owned(),
        password,
        max_queries: config.max_queries,
        queue_wait: config.queue_wait,
        max_connections: config.max_connections,
        stop_deadline: config.stop_deadline,
        lock_wait: config.lock_wait,
        client_timeout: config.client_timeout,
        max_answer_bytes: config.max_answer_bytes,
        memory_limit_bytes: config.memory_limit_bytes,
    })
}

fn make_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
