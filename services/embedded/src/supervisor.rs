//! Starts the child, starts it again when it dies, and stops it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};

use crate::engine::{EngineConfig, EngineError};
use crate::metrics;
use crate::protocol::{ChildSettings, Report};

/// The pause before the first new start; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A child that has run for so long did not die of its start: the pauses begin anew.
const SETTLED: Duration = Duration::from_secs(30);
/// What the child gets beyond its own deadline to close the engine's files, before it is killed.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// What the supervisor knows, for those who ask.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// 0 while there is no child.
    pid: AtomicU32,
    restarts: AtomicU64,
}

impl State {
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn came_up(&self, pid: Option<u32>) {
        self.pid.store(pid.unwrap_or(0), Ordering::Relaxed);
        metrics::UP.set(1);
    }

    fn went_down(&self) {
        self.pid.store(0, Ordering::Relaxed);
        metrics::UP.set(0);
    }
}

/// Everything that a start needs, over and over.
pub(crate) struct Launcher {
    settings: ChildSettings,
    program: PathBuf,
    program_args: Vec<String>,
    start_deadline: Duration,
    max_failed_starts: u32,
}

/// A child that answers.
pub(crate) struct Running {
    process: Child,
    /// Open as long as the child is to run; it ends by itself when this closes, by whatever cause.
    stdin: ChildStdin,
    since: Instant,
}

impl Running {
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }
}

impl Launcher {
    pub(crate) fn new(settings: ChildSettings, config: &EngineConfig) -> Self {
        Self {
            settings,
            program: config.program.clone(),
            program_args: config.program_args.clone(),
            start_deadline: config.start_deadline,
            max_failed_starts: config.max_failed_starts,
        }
    }

    pub(crate) fn password(&self) -> &str {
        &self.settings.password
    }

    fn log(&self) -> String {
        self.settings.data_dir.join("engine.log").display().to_string()
    }

    /// Starts a child that listens on `listen` and waits until it answers. Gives the address with its real port.
    pub(crate) async fn launch(&self, listen: SocketAddr) -> Result<(Running, SocketAddr), EngineError> {
        let began = Instant::now();
        let mut process = Command::new(&self.program)
            .args(&self.program_args)
            // The engine's own time zone is its host's otherwise, and differs from machine to machine.
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The child reports its reasons on standard output and keeps a log; here they would be said twice.
            .stderr(Stdio::null())
            .spawn()
            .map_err(EngineError::Spawn)?;
        match tokio::time::timeout(self.start_deadline, self.greet(&mut process, listen)).await {
            Ok(Ok((stdin, address, version))) => {
                let seconds = began.elapsed().as_secs_f64();
                metrics::START_SECONDS.set(seconds);
                tracing::info!(%address, version, pid = process.id(), seconds, "embedded clickhouse is up");
                Ok((Running { process, stdin, since: Instant::now() }, address))
            }
            Ok(Err(error)) => {
                // It has said why and is ending, or has ended: its status is of no more interest.
                let _ = tokio::time::timeout(STOP_MARGIN, process.wait()).await;
                let _ = process.start_kill();
                Err(error)
            }
            Err(_) => {
                let _ = process.kill().await;
                Err(EngineError::StartTimeout(self.start_deadline))
            }
        }
    }

    /// Hands over the settings and reads the report.
    async fn greet(
        &self,
        process: &mut Child,
        listen: SocketAddr,
    ) -> Result<(ChildStdin, SocketAddr, String), EngineError> {
        let (Some(mut stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(EngineError::Spawn(std::io::Error::other("the process has no pipes")));
        };
        let settings = ChildSettings { listen, ..self.settings.clone() };
        let mut line = serde_json::to_vec(&settings).map_err(|error| EngineError::Spawn(error.into()))?;
        line.push(b'\n');
        // A child that ended already shows by its empty report.
        let _ = stdin.write_all(&line).await;
        let mut report = String::new();
        let _ = BufReader::new(stdout).read_line(&mut report).await;
        match serde_json::from_str(&report) {
            Ok(Report::Ready { address, version }) => Ok((stdin, address, version)),
            Ok(Report::Failed { reason }) => Err(EngineError::Refused(reason)),
            Err(_) => {
                drop(stdin);
                let status = process.wait().await.map_err(EngineError::Spawn)?;
                Err(EngineError::EndedEarly { status, log: self.log() })
            }
        }
    }
}

/// Keeps a child running until it is told to stop, or given up.
pub(crate) async fn supervise(
    launcher: Launcher,
    address: SocketAddr,
    mut running: Running,
    state: Arc<State>,
    mut stop: oneshot::Receiver<()>,
    failed: watch::Sender<Option<(u32, String)>>,
) -> Result<(), EngineError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = tokio::select! {
            ended = running.process.wait() => ended,
            _ = &mut stop => {
                let stopped = end(running, launcher.settings.stop_deadline).await;
                state.went_down();
                return stopped;
            }
        };
        state.went_down();
        let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::error!(
            status,
            log = launcher.log(),
            "embedded clickhouse ended by itself and is started again"
        );
        if running.since.elapsed() >= SETTLED {
            pause = FIRST_PAUSE;
        }
        let mut attempts = 0;
        running = loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = &mut stop => return Ok(()),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            let launched = tokio::select! {
                launched = launcher.launch(address) => launched,
                // Dropped with its standard input: the half-started child ends by itself.
                _ = &mut stop => return Ok(()),
            };
            match launched {
                Ok((running, _)) => break running,
                Err(error) => {
                    attempts += 1;
                    let last = error.to_string();
                    if attempts >= launcher.max_failed_starts {
                        tracing::error!(attempts, last, "embedded clickhouse is given up");
                        failed.send_replace(Some((attempts, last.clone())));
                        // Whoever stops the engine later learns it too.
                        let _ = stop.await;
                        return Err(EngineError::GaveUp { attempts, last });
                    }
                    tracing::warn!(
                        attempts,
                        reason = last,
                        "embedded clickhouse could not be started again yet"
                    );
                }
            }
        };
        state.came_up(running.pid());
        state.restarts.fetch_add(1, Ordering::Relaxed);
        metrics::RESTARTS.inc();
    }
}

/// Ends a child: first by the end of its standard input, in the end by force.
async fn end(mut running: Running, deadline: Duration) -> Result<(), EngineError> {
    drop(running.stdin);
    let ended: Option<ExitStatus> =
        match tokio::time::timeout(deadline + STOP_MARGIN, running.process.wait()).await {
            Ok(status) => Some(status.map_err(|error| EngineError::UncleanStop(error.to_string()))?),
            Err(_) => None,
        };
    match ended {
        Some(status) if status.success() => {
            tracing::info!("embedded clickhouse has stopped");
            Ok(())
        }
        Some(status) => Err(EngineError::UncleanStop(status.to_string())),
        None => {
            let _ = running.process.kill().await;
            Err(EngineError::UncleanStop("it took too long and was killed".to_owned()))
        }
    }
}
