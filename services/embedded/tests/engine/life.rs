//! Starting, dying, starting again, stopping.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use clickhouse::Compression;
use embedded::Engine;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{client, config, fixture, library, lives, reason, until};

fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Every setting that makes an insert durable, as the product's schema has them.
const DURABLE: &str = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, \
     min_compressed_bytes_to_fsync_after_merge = 1";

#[tokio::test]
async fn killed_it_comes_back_with_every_answered_row() {
    let Some(fixture) = fixture().await else { return };
    let url = fixture.engine.url();
    fixture.sql(&format!("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a {DURABLE}")).await;
    let mut answered = 0_u64;
    for round in 1..=3 {
        for _ in 0..5 {
            fixture
                .post(&[("query", "INSERT INTO t FORMAT TSV")], format!("{answered}\n"))
                .await
                .error_for_status()
                .unwrap();
            answered += 1;
        }
        kill(fixture.engine.pid().unwrap());
        until("it is started again", || async { fixture.engine.restarts() == round }).await;
        assert_eq!(fixture.engine.url(), url);
        let count: u64 =
            fixture.client(Compression::Lz4).query("SELECT count() FROM t").fetch_one().await.unwrap();
        assert_eq!(count, answered, "round {round}");
    }
    assert!(embedded::metrics::RESTARTS.get() >= 3);
    fixture.engine.stop().await.unwrap();
}

#[tokio::test]
async fn requests_under_way_fail_when_it_dies() {
    let Some(fixture) = fixture().await else { return };
    let endless = fixture.client(Compression::None);
    let asked = tokio::spawn(async move {
        endless
            .query("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))")
            .fetch_one::<u64>()
            .await
    });
    until("the query runs", || async {
        fixture.sql("SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)%'").await
            != "1\n"
    })
    .await;
    kill(fixture.engine.pid().unwrap());
    assert!(asked.await.unwrap().is_err());
    until("it is started again", || async { fixture.engine.restarts() == 1 }).await;
    assert_eq!(fixture.sql("SELECT 1").await, "1\n");
}

#[tokio::test]
async fn stopped_and_started_it_has_its_data_and_password() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut password = None;
    for round in 0..3_u64 {
        let engine = Engine::start(config(library, directory.path())).await.unwrap();
        let pid = engine.pid().unwrap();
        assert_eq!(password.get_or_insert(engine.password().to_owned()), engine.password());
        let client = client(&engine, Compression::Lz4);
        for sql in [
            "CREATE DATABASE IF NOT EXISTS kept",
            "CREATE TABLE IF NOT EXISTS kept.t (a UInt64) ENGINE = MergeTree ORDER BY a",
            "CREATE TABLE IF NOT EXISTS u (a UInt64) ENGINE = MergeTree ORDER BY a",
            "INSERT INTO kept.t VALUES (1)",
            "INSERT INTO u VALUES (1)",
        ] {
            client.query(sql).execute().await.unwrap();
        }
        for table in ["kept.t", "u"] {
            let count: u64 = client.query(&format!("SELECT count() FROM {table}")).fetch_one().await.unwrap();
            assert_eq!(count, round + 1, "{table}");
        }
        engine.stop().await.unwrap();
        assert!(!lives(pid));
    }
    let mode = |name: &str| {
        std::fs::metadata(directory.path().join("clickhouse").join(name)).unwrap().permissions().mode()
            & 0o777
    };
    assert_eq!((mode("engine.password"), mode("")), (0o600, 0o700));
}

#[tokio::test]
async fn a_stop_lets_a_running_query_end() {
    let Some(fixture) = fixture().await else { return };
    let slow = fixture.client(Compression::None);
    let asked = tokio::spawn(async move { slow.query("SELECT sleep(2)").fetch_one::<u8>().await });
    until("the query runs", || async {
        fixture.sql("SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep(%'").await == "1\n"
    })
    .await;
    fixture.engine.stop().await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_endless_query() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(library, directory.path());
    config.stop_deadline = Duration::from_millis(200);
    let engine = Engine::start(config).await.unwrap();
    let endless = client(&engine, Compression::None);
    let sql = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))";
    let asked = tokio::spawn(async move { endless.query(sql).fetch_one::<u64>().await });
    let watcher = client(&engine, Compression::None);
    until("the query runs", || async {
        let sql = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)%' AND query NOT LIKE '%LIKE%'";
        watcher.query(sql).fetch_one::<u64>().await.unwrap() == 1
    })
    .await;
    engine.stop().await.unwrap();
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test]
async fn signals_of_a_terminal_leave_it_running() {
    let Some(fixture) = fixture().await else { return };
    let pid = fixture.engine.pid().unwrap();
    for name in [Signal::INT, Signal::TERM, Signal::HUP] {
        signal(pid, name);
        assert_eq!(fixture.sql("SELECT 1").await, "1\n");
    }
    assert_eq!(fixture.engine.pid(), Some(pid));
}

/// A parent in a process of its own, which can be killed: this test's program, run for [`hold_an_engine`] alone.
#[tokio::test]
async fn its_parents_death_ends_it() {
    if library().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life::hold_an_engine", "--nocapture", "--ignored"])
        .env(HELD, directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("engine pid ").and_then(|(_, pid)| pid.trim().parse::<u32>().ok()))
        .expect("the parent says which process is its engine");
    assert!(lives(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the engine has ended", || async { !lives(pid) }).await;
}

const HELD: &str = "TRUEOPEN_TEST_HELD_ENGINE";

#[tokio::test]
#[ignore = "run by its_parents_death_ends_it, in a process of its own"]
async fn hold_an_engine() {
    let directory = std::env::var_os(HELD).expect("run by its_parents_death_ends_it");
    let engine = Engine::start(config(library().unwrap(), directory.as_ref())).await.unwrap();
    println!("engine pid {}", engine.pid().unwrap());
    std::io::stdout().flush().unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_prevents_a_start_is_said_in_a_line() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let fresh = || config(library, directory.path());

    let mut missing = fresh();
    missing.library = directory.path().join("nowhere.so");
    let text = reason(Engine::start(missing).await);
    assert!(text.contains("nowhere.so") && text.contains("fetch.sh"), "{text}");

    let mut damaged = fresh();
    damaged.library = directory.path().join("damaged.so");
    std::fs::write(&damaged.library, "no library").unwrap();
    let text = reason(Engine::start(damaged).await);
    assert!(text.contains("damaged.so"), "{text}");

    let mut open = fresh();
    open.listen = ([0, 0, 0, 0], 0).into();
    assert!(reason(Engine::start(open).await).contains("loopback"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut busy = fresh();
    busy.listen = taken.local_addr().unwrap();
    let text = reason(Engine::start(busy).await);
    assert!(text.contains(&taken.local_addr().unwrap().to_string()) && text.contains("in use"), "{text}");

    let mut file = fresh();
    file.data_dir = directory.path().join("damaged.so");
    let text = reason(Engine::start(file).await);
    assert!(text.contains("cannot use the data directory") && text.contains("damaged.so"), "{text}");

    let mut program = fresh();
    program.program = directory.path().join("no-program");
    assert!(reason(Engine::start(program).await).contains("cannot start the process"));

    let mut mute = fresh();
    mute.program = "/bin/true".into();
    assert!(reason(Engine::start(mute).await).contains("ended before it was ready"));

    let mut slow = fresh();
    slow.program = "/bin/sleep".into();
    slow.program_args = vec!["100".to_owned()];
    slow.start_deadline = Duration::from_millis(100);
    assert!(reason(Engine::start(slow).await).contains("not ready within"));

    let first = Engine::start(fresh()).await.unwrap();
    let mut second = fresh();
    second.lock_wait = Duration::from_millis(100);
    let text = reason(Engine::start(second).await);
    assert!(text.contains("in use by another ClickHouse engine"), "{text}");
    first.stop().await.unwrap();
}

#[tokio::test]
async fn it_is_given_up_when_it_can_not_be_started_again() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let copied = directory.path().join("engine-program");
    std::fs::copy(env!("CARGO_BIN_EXE_embedded-engine"), &copied).unwrap();
    let mut config = config(library, directory.path());
    config.program = copied.clone();
    config.max_failed_starts = 2;
    let engine = Engine::start(config).await.unwrap();
    std::fs::remove_file(&copied).unwrap();
    kill(engine.pid().unwrap());
    let text = engine.failed().await.to_string();
    assert!(text.contains("in 2 attempts"), "{text}");
    assert_eq!(engine.pid(), None);
    assert!(engine.stop().await.is_err());
}

#[test]
fn the_subcommand_alone_says_what_it_is_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_embedded-engine")).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("trueopen itself") && text.lines().count() == 1, "{text}");
}
