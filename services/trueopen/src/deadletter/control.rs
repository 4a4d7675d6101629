//! How a command reaches the `up` that holds a data directory: a socket in that directory, for its owner alone.
//!
//! One line of JSON asks, one answers: `{"topic":…,"records":[{"key":…,"payload":…}]}` (base64) appends records in order and
//! is answered by `{}`, by `{"refused":…}` for one that never can be, or by `{"error":…}`.

use super::replay::append;
use crate::Failure;
use crate::topics::Topics;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runtime::Shutdown;
use serde::{Deserialize, Serialize};
use std::fs::{File, Permissions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stream::Record;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tracing::{info, warn};

const NAME: &str = "control.sock";
/// The longest line; a client that sends more is let go.
const LINE_BYTES: u64 = 16 << 20;
/// Longer than a server waits for its topics.
const ANSWER: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize)]
struct Request {
    topic: String,
    records: Vec<Wire>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    key: String,
    payload: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A path to the socket that is short however long the directory's is: a socket's has 107 bytes at most.
fn path(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd()))
}

/// The server's side, in the process that holds the data directory.
pub(crate) struct Control {
    listener: UnixListener,
    topics: Topics,
}

impl Control {
    /// Listens in a data directory that this process holds. Nothing else depends on it: where it can't, that is said and
    /// commands are told to stop `up` first.
    pub(crate) fn build(data_dir: &Path, topics: &Topics) -> Option<Self> {
        let bind = || {
            let dir = File::open(data_dir)?;
            let _ = std::fs::remove_file(path(&dir));
            let listener = UnixListener::bind(path(&dir))?;
            std::fs::set_permissions(path(&dir), Permissions::from_mode(0o600))?;
            Ok::<_, std::io::Error>(listener)
        };
        match bind() {
            Ok(listener) => Some(Self { listener, topics: topics.clone() }),
            Err(error) => {
                warn!(%error, "no control socket, commands can't replay dead letters while this runs");
                None
            }
        }
    }

    /// Serves until a stop is asked for.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), std::convert::Infallible> {
        let stop = shutdown.clone().requested();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (topics, shutdown) = (self.topics.clone(), shutdown.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = serve(stream, topics) => {}
                            () = shutdown.requested() => {}
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "the control socket takes no connection");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn serve(stream: UnixStream, topics: Topics) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut replayed = 0;
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LINE_BYTES).read_until(b'\n', &mut line).await;
        if !line.ends_with(b"\n") || read.is_err() {
            break;
        }
        let answer = match take(&topics, &line).await {
            Ok((refused, records)) => {
                replayed += records;
                Answer { refused, error: None }
            }
            Err(error) => Answer { refused: None, error: Some(error.to_string()) },
        };
        let mut text = serde_json::to_vec(&answer).unwrap_or_default();
        text.push(b'\n');
        if writer.write_all(&text).await.is_err() {
            break;
        }
    }
    info!(records = replayed, "a command appended records");
}

/// Why a request's records never can be appended, if so, and how many were.
async fn take(topics: &Topics, line: &[u8]) -> Result<(Option<String>, usize), Failure> {
    let request: Request = serde_json::from_slice(line).map_err(|_| "not a request")?;
    let topic = topics.named(&request.topic).ok_or("there is no such topic")?;
    let mut records = Vec::with_capacity(request.records.len());
    for record in request.records {
        let payload = STANDARD.decode(record.payload).map_err(|_| "not base64")?;
        records.push(Record {
            key: STANDARD.decode(record.key).map_err(|_| "not base64")?,
            payload: payload.into(),
        });
    }
    let count = records.len();
    let refused = append(topic, records).await?;
    let appended = if refused.is_some() { 0 } else { count };
    Ok((refused, appended))
}

/// A command's side.
pub(super) struct Client {
    reader: BufReader<tokio::net::unix::OwnedReadHalf>,
    writer: tokio::net::unix::OwnedWriteHalf,
}

impl Client {
    pub(super) async fn connect(data_dir: &Path) -> Result<Self, Failure> {
        let unreached = |error: std::io::Error| {
            format!(
                "{} is held by a trueopen that takes no commands ({error}): replay once it is up, or stop it first",
                data_dir.display()
            )
        };
        let dir = File::open(data_dir).map_err(unreached)?;
        let stream = UnixStream::connect(path(&dir)).await.map_err(unreached)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader: BufReader::new(reader), writer })
    }

    /// Has records appended, in order. `Some` says why one of them never will be.
    pub(super) async fn append(
        &mut self,
        topic: &str,
        records: &[Record],
    ) -> Result<Option<String>, Failure> {
        let wire = |record: &Record| Wire {
            key: STANDARD.encode(&record.key),
            payload: STANDARD.encode(&record.payload),
        };
        let request = Request { topic: topic.to_owned(), records: records.iter().map(wire).collect() };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        let ask = async {
            self.writer.write_all(&line).await?;
            let mut answer = Vec::new();
            self.reader.read_until(b'\n', &mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer =
            tokio::time::timeout(ANSWER, ask).await.map_err(|_| "the running trueopen did not answer")??;
        if answer.is_empty() {
            return Err("the running trueopen went away: run it again".into());
        }
        let answer: Answer = serde_json::from_slice(&answer)?;
        match answer.error {
            Some(error) => Err(error.into()),
            None => Ok(answer.refused),
        }
    }
}
