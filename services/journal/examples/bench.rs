//! How fast the journal is here: `cargo run --release -p journal --example bench [FOLDER] [APPENDERS] [SECONDS]`.
//!
//! Appenders each append a 600-byte record, wait for the answer and repeat; then one reader reads it all.

#![allow(clippy::print_stdout)] // the figures are its purpose

use std::path::PathBuf;
use std::time::{Duration, Instant};

use journal::{Config, Journal};

const RECORD_BYTES: usize = 600;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let appenders: usize = arguments.next().map_or(Ok(64), |number| number.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |number| number.parse())?;

    let folder = tempfile::TempDir::new_in(parent)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(Config::new("bench", folder.path()), appenders, Duration::from_secs(seconds)))
}

async fn measure(config: Config, appenders: usize, time: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let (journal, _) = Journal::open(config)?;
    let started = Instant::now();
    let tasks: Vec<_> = (0..appenders)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while started.elapsed() < time {
                    let before = Instant::now();
                    journal.append(vec![b'x'; RECORD_BYTES]).await?;
                    latencies.push(before.elapsed());
                }
                Ok::<_, journal::AppendError>(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let took = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |permille: usize| latencies[(latencies.len() - 1) * permille / 1000];
    let rate = latencies.len() as f64 / took;
    println!("appenders {appenders}, records of {RECORD_BYTES} bytes, {} appended", latencies.len());
    println!("appended a second {rate:.0}, latency p50 {:?} p99 {:?} p99.9 {:?}", at(500), at(990), at(999));

    let started = Instant::now();
    let mut reader = journal.reader(0);
    let mut count = 0;
    while count < latencies.len() {
        count += reader.next(10_000, 1 << 20).await?.len();
    }
    let took = started.elapsed().as_secs_f64();
    let bytes = (count * RECORD_BYTES) as f64 / took / 1e6;
    println!("read a second {:.0} ({bytes:.0} MB/s of payload, from the page cache)", count as f64 / took);
    journal.close().await;
    Ok(())
}
