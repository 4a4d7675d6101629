//! The real disk and a real `kill -9`: every answered record is there afterwards, once.
//!
//! The test starts itself as the child that appends, prints each answered number and is killed while it does so.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use journal::{Config, Journal};

const FOLDER: &str = "JOURNAL_KILL_TEST_FOLDER";
const ROUNDS: usize = 5;
const APPENDERS: usize = 16;

fn open(folder: &str) -> Journal {
    let config = Config { segment_bytes: 64 << 10, ..Config::new("kill", folder) };
    Journal::open(config).unwrap().0
}

/// Not a test of its own: the child. Without the variable it has nothing to do.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let journal = open(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let appenders = (0..APPENDERS).map(|appender| {
            let journal = journal.clone();
            async move {
                for number in 0u64.. {
                    let payload = format!("{} {appender} {number}", std::process::id());
                    let padded = format!("{payload:<300}").into_bytes();
                    let sequence = journal.append(padded).await.unwrap();
                    // One write for the line, so that it is printed whole or not at all.
                    let line = format!("{sequence} {payload}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            }
        });
        futures_util::future::join_all(appenders).await;
    });
}

#[test]
fn every_answered_record_survives_kill_9() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("journal").to_str().unwrap().to_owned();
    let mut answered: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = Killed(
            Command::new(std::env::current_exe().unwrap())
                .args(["child", "--exact", "--nocapture"])
                .env(FOLDER, &path)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        // Killed in the midst of its work, after another number of answers every time; it may have printed more.
        let enough = 200 + 977 * round % 1500;
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines.by_ref() {
            seen += usize::from(note(&mut answered, &line.unwrap()));
            if seen == enough {
                child.0.kill().unwrap();
            }
        }
        assert!(!child.0.wait().unwrap().success(), "it was killed");
        assert!(seen >= enough, "{seen} answers");
        check(&path, &answered);
    }
}

/// Leaves no child behind when the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It is dead already unless an assertion failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes down an answered record; false for the test harness's own lines and for a last line that was cut.
fn note(answered: &mut BTreeMap<u64, String>, line: &str) -> bool {
    let Some((sequence, payload)) = line.split_once(' ') else {
        return false;
    };
    let Ok(sequence) = sequence.parse() else {
        return false;
    };
    assert_eq!(answered.insert(sequence, payload.to_owned()), None, "number {sequence} was given twice");
    true
}

fn check(path: &str, answered: &BTreeMap<u64, String>) {
    let journal = open(path);
    let mut reader = journal.reader(0);
    let mut found: BTreeMap<u64, String> = BTreeMap::new();
    let mut last = None;
    loop {
        let entries = reader.try_next(1000, 1 << 20).unwrap();
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            assert!(last < Some(entry.sequence));
            last = Some(entry.sequence);
            found.insert(
                entry.sequence,
                String::from_utf8(entry.payload.to_vec()).unwrap().trim_end().to_owned(),
            );
        }
    }
    let missing = answered.iter().filter(|(sequence, payload)| found.get(sequence) != Some(payload)).count();
    assert_eq!(missing, 0, "of {} answered records", answered.len());
    // Written and killed before the answer: at most what each appender had under way, every time.
    assert!(
        found.len() - answered.len() <= APPENDERS * 2 * ROUNDS,
        "{} found, {} answered",
        found.len(),
        answered.len()
    );
}
