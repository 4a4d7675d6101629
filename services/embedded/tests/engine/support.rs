//! What the tests share: the library, an engine in a directory of its own, and ways to ask it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clickhouse::{Client, Compression};
use embedded::{Engine, EngineConfig, EngineError};
use reqwest::Response;
use tempfile::TempDir;

/// The library: the one that `TRUEOPEN_LIBCHDB` names, else what `fetch.sh` finds or fetches.
#[expect(clippy::explicit_write, reason = "the test harness hides what the printing macros say")]
pub(crate) fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| {
            if let Some(path) = std::env::var_os("TRUEOPEN_LIBCHDB") {
                return Some(path.into());
            }
            let fetched = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fetch.sh"))
                .stdin(Stdio::null())
                .output()
                .expect("fetch.sh can be run");
            if fetched.status.success() {
                return Some(String::from_utf8(fetched.stdout).unwrap().trim().into());
            }
            let reason = String::from_utf8_lossy(&fetched.stderr).into_owned();
            assert!(std::env::var_os("CI").is_none(), "in CI the engine must be there: {reason}");
            writeln!(std::io::stderr(), "skipped, there is no engine: {}", reason.trim_end()).unwrap();
            None
        })
        .as_deref()
}

/// A configuration on a free port, in `directory`.
pub(crate) fn config(library: &Path, directory: &Path) -> EngineConfig {
    let program = env!("CARGO_BIN_EXE_embedded-engine");
    EngineConfig::new(
        library,
        directory.join("clickhouse"),
        ([127, 0, 0, 1], 0).into(),
        program,
        [] as [&str; 0],
    )
}

/// An engine and where it lives.
pub(crate) struct Fixture {
    pub(crate) engine: Engine,
    /// Removed with the fixture.
    _directory: TempDir,
}

/// A fresh engine; `None` when there is no library.
pub(crate) async fn fixture() -> Option<Fixture> {
    fixture_with(|_| {}).await
}

/// A fresh engine with a changed configuration.
pub(crate) async fn fixture_with(change: impl FnOnce(&mut EngineConfig)) -> Option<Fixture> {
    let library = library()?;
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(library, directory.path());
    change(&mut config);
    let engine = Engine::start(config).await.unwrap();
    Some(Fixture { engine, _directory: directory })
}

impl Fixture {
    /// The official client, with row validation on.
    pub(crate) fn client(&self, compression: Compression) -> Client {
        client(&self.engine, compression)
    }

    /// The engine's address with parameters.
    pub(crate) fn address(&self, parameters: &[(&str, &str)]) -> url::Url {
        url::Url::parse_with_params(&self.engine.url(), parameters).unwrap()
    }

    /// A plain request with the right password.
    pub(crate) async fn post(&self, parameters: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
        self.send(reqwest::Client::new().post(self.address(parameters)).body(body)).await
    }

    /// The same by GET, where nothing may be changed.
    pub(crate) async fn get(&self, parameters: &[(&str, &str)]) -> Response {
        self.send(reqwest::Client::new().get(self.address(parameters))).await
    }

    /// Sends a request with the right password.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        request
            .header("X-ClickHouse-User", self.engine.user())
            .header("X-ClickHouse-Key", self.engine.password())
            .send()
            .await
            .unwrap()
    }

    /// Runs a statement that must succeed, and gives its answer.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        let answer = self.post(&[], sql.to_owned()).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{sql}: {status} {text}");
        text
    }

    /// Runs a statement that must fail, and gives status, code and text.
    pub(crate) async fn refused(&self, parameters: &[(&str, &str)], body: &str) -> (u16, u32, String) {
        refusal(self.post(parameters, body.to_owned()).await).await
    }
}

/// Status, code and text of an answer that is an error.
pub(crate) async fn refusal(answer: Response) -> (u16, u32, String) {
    let status = answer.status().as_u16();
    let code =
        answer.headers().get("x-clickhouse-exception-code").map(|code| code.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    let code = code.unwrap_or_else(|| panic!("no code with {status} {text}")).parse().unwrap();
    assert!(text.starts_with(&format!("Code: {code}. DB::")), "{text}");
    (status, code, text)
}

/// The official client, with row validation on.
pub(crate) fn client(engine: &Engine, compression: Compression) -> Client {
    Client::default()
        .with_url(engine.url())
        .with_user(engine.user())
        .with_password(engine.password())
        .with_compression(compression)
        .with_validation(true)
}

/// Asks until `check` is content; fails after a minute.
pub(crate) async fn until<Checked: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> Checked) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !check().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether there is such a process that has not ended.
pub(crate) fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// The text of an engine's error.
pub(crate) fn reason(started: Result<Engine, EngineError>) -> String {
    let reason = started.expect_err("it must not start").to_string();
    assert!(!reason.contains('\n'), "more than a line: {reason}");
    reason
}
