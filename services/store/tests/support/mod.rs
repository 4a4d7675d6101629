//! The real ClickHouse engine for tests: one child process a test binary, a database of its own for each test.
//!
//! `services/loader` shares this file.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use embedded::{Engine, EngineConfig};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};
use store::{Connection, Secret};

/// The engine of this test binary. It lives on a runtime of its own, since each test's runtime ends with the test, and
/// it ends when the binary does: its standard input closes then.
static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for the engine");
    let engine = std::thread::scope(|scope| {
        // Not on the test's own thread: that one runs a runtime already.
        let started = scope.spawn(|| runtime.block_on(start(&scratch("shared"))));
        started.join().expect("the engine starts")
    });
    Shared { engine, _runtime: runtime }
});

struct Shared {
    engine: Engine,
    _runtime: tokio::runtime::Runtime,
}

/// The connection to a new database of the shared engine; nothing is in it.
pub(crate) fn new_database() -> Connection {
    connection(&SHARED.engine, &format!("t_{}", uuid::Uuid::new_v4().simple()))
}

/// [`new_database`], migrated.
pub(crate) async fn migrated() -> Connection {
    let connection = new_database();
    store::migrate(&connection.client()).await.expect("an empty database is migrated");
    connection
}

/// How to reach a database of an engine.
pub(crate) fn connection(engine: &Engine, database: &str) -> Connection {
    Connection {
        url: engine.url(),
        user: engine.user().to_owned(),
        password: Secret::new(engine.password()),
        database: database.to_owned(),
        cluster: store::Cluster::default(),
    }
}

/// Starts an engine over a folder.
pub(crate) async fn start(folder: &Path) -> Engine {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config =
        EngineConfig::new(library(), folder.join("clickhouse"), listen, program(), Vec::<String>::new());
    Engine::start(config).await.expect("the engine starts")
}

/// A new folder below cargo's folder for tests, empty; what earlier runs of this binary left there is removed.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static CLEARED: OnceLock<PathBuf> = OnceLock::new();
    let mine = CLEARED.get_or_init(|| {
        let binary = std::env::current_exe().expect("this binary");
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(binary.file_stem().expect("a file").to_string_lossy().as_ref());
        let _ = std::fs::remove_dir_all(&parent);
        parent.join(std::process::id().to_string())
    });
    let folder = mine.join(name);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// The engine's library, fetched once into the cache.
fn library() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedded/fetch.sh");
    let output = Command::new("sh").arg(script).output().expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// The child program; cargo does not build another package's programs for a test, so it is asked to, unless `TRUEOPEN_PROGRAM` names
/// the program of a build that has both.
fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        if let Some(program) = std::env::var_os("TRUEOPEN_PROGRAM") {
            return PathBuf::from(program).with_file_name("embedded-engine");
        }
        let binary = std::env::current_exe().expect("this binary");
        let profile = binary.parent().and_then(Path::parent).expect("target/PROFILE/deps").to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "embedded", "--bin", "embedded-engine", "--target-dir"]);
        cargo.arg(profile.parent().expect("target"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
        assert!(status.success(), "the engine's child program is not built");
        profile.join("embedded-engine")
    };
    BUILT.get_or_init(build).clone()
}

/// Asks until it holds, at most a minute.
pub(crate) async fn until<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(60), "waited a minute for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
