//! Measures the stages joined by a real broker and the real engine on this machine, and prints what each costs:
//!
//! 1. each stage by itself over the same hits: hits a second, CPU of the stage and of the broker, bytes over loopback, bytes
//!    on disk;
//! 2. all of them together: hits a second from the first request until every hit is in ClickHouse;
//! 3. at a steady rate, the time from a hit to its place in a report (p50, p99), with each stage's share;
//! 4. readers' p99 with the broker away and there, in turn, as a ratio.
//!
//! `tests/bench/stages.sh` builds and runs it. Needs wrk. `HITS_SECONDS` is how long wrk sends, `PROBES` how many hits are
//! followed to the report, `ROUNDS` how often the broker goes away.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails says where")]

use acceptance::{Api, Broker, Program, Stage, engine_library, free_port, program, wait_until};
use embedded::{Engine, EngineConfig};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use stream::{Cluster, KafkaConfig, TopicSpec};

const MESSAGES: usize = 20_000;
/// Requests a second beside which hits are followed to the report.
const STEADY: u64 = 500;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap())
}

struct World {
    dir: PathBuf,
    variables: Vec<(String, String)>,
    tracker: u16,
    report: u16,
}

impl World {
    fn new(dir: &Path, broker: &str, engine: &Engine) -> Self {
        let [tracker, report] = [free_port(), free_port()];
        let config = dir.join("trueopen.toml");
        std::fs::write(&config, format!("master_key_file = {:?}\n", dir.join("master.key"))).unwrap();
        let pairs = [
            ("TRUEOPEN_KAFKA__BROKERS", broker.to_owned()),
            ("TRUEOPEN_KAFKA__CREATE_TOPICS", "true".to_owned()),
            ("TRUEOPEN_KAFKA__REPLICATION", "1".to_owned()),
            ("TRUEOPEN_KAFKA__MIN_INSYNC_REPLICAS", "1".to_owned()),
            ("TRUEOPEN_CLICKHOUSE__URL", engine.url()),
            ("TRUEOPEN_CLICKHOUSE__PASSWORD", engine.password().to_owned()),
            ("TRUEOPEN_TRACKER__LISTEN", format!("127.0.0.1:{tracker}")),
            ("TRUEOPEN_REPORT__LISTEN", format!("127.0.0.1:{report}")),
            ("TRUEOPEN_CONFIG", config.display().to_string()),
            ("TRUEOPEN_LOG__FILTER", "warn".to_owned()),
        ];
        let variables = pairs.map(|(name, value)| (name.to_owned(), value)).into();
        Self { dir: dir.to_owned(), variables, tracker, report }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Program::new(&self.dir.join("commands"), arguments);
        for (name, value) in &self.variables {
            command = command.env(name, value);
        }
        let output = command.output();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn start(&self, stage: &'static str) -> Stage {
        let mut stage = Stage::start(stage, &self.dir, &self.variables);
        stage.ready().await;
        stage
    }

    /// The paths of pixels, each of a message of its own, as wrk asks for them in turn.
    async fn script(&self, api: &Api, messages: usize) -> PathBuf {
        let base = format!("http://127.0.0.1:{}", self.tracker);
        let mut script = String::from("local paths = {\n");
        for number in 0..messages {
            let pixel =
                api.links(&format!("bench-{number}"), &[]).await["pixel_url"].as_str().unwrap().to_owned();
            writeln!(script, "\"{}\",", pixel.strip_prefix(&base).unwrap()).unwrap();
        }
        script.push_str("}\nlocal next = 0\nlocal agent = { [\"User-Agent\"] = \"Mozilla/5.0 (Windows NT 10.0; Win64; x64)\" }\n");
        script.push_str("request = function()\n next = next % #paths + 1\n return wrk.format(\"GET\", paths[next], agent)\nend\n");
        let path = self.dir.join("paths.lua");
        std::fs::write(&path, script).unwrap();
        path
    }

    /// Sends hits for so long; requests a second, and the p99 in milliseconds.
    fn wrk(&self, script: &Path, connections: u64, duration: Duration) -> (f64, f64) {
        let output = Command::new("wrk")
            .args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{}s", duration.as_secs())])
            .arg("-s")
            .arg(script)
            .arg(format!("http://127.0.0.1:{}", self.tracker))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("Non-2xx"), "{text}");
        let after = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(name))
                .unwrap_or_else(|| panic!("{text}"));
            line.trim_start()[name.len()..].trim().to_owned()
        };
        let p99 = after("99%");
        let factor = if p99.ends_with("us") {
            0.001
        } else if p99.ends_with("ms") {
            1.0
        } else {
            1000.0
        };
        let p99: f64 = p99.trim_end_matches(|c: char| c.is_alphabetic()).parse().unwrap();
        (after("Requests/sec:").parse().unwrap(), p99 * factor)
    }
}

/// CPU seconds of a process and of all that it started.
fn cpu(id: u32) -> f64 {
    let mut seconds = 0.0;
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut own: HashMap<u32, f64> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        parents.entry(fields[1].parse().unwrap()).or_default().push(process);
        own.insert(process, ticks / 100.0);
    }
    let mut left = vec![id];
    while let Some(process) = left.pop() {
        seconds += own.get(&process).copied().unwrap_or(0.0);
        left.extend(parents.get(&process).into_iter().flatten());
    }
    seconds
}

/// Bytes that went over loopback so far.
fn loopback() -> f64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("lo:")).unwrap();
    line.split_once(':').unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
}

fn size(path: &Path, part: &str) -> f64 {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && (part.is_empty() || entry.file_name().to_string_lossy().starts_with(part)) {
            bytes += size(&entry.path(), "");
        } else if kind.is_file() && part.is_empty() {
            // What is there and not what is set aside for later: Kafka's indexes are sparse files.
            use std::os::unix::fs::MetadataExt as _;
            bytes += entry.metadata().map_or(0.0, |data| data.blocks() as f64 * 512.0);
        }
    }
    bytes
}

/// What one phase cost.
struct Meter {
    began: Instant,
    processes: Vec<(&'static str, u32, f64)>,
    loopback: f64,
}

impl Meter {
    fn new(processes: &[(&'static str, u32)]) -> Self {
        let processes = processes.iter().map(|(name, id)| (*name, *id, cpu(*id))).collect();
        Self { began: Instant::now(), processes, loopback: loopback() }
    }

    /// Prints it, and gives the CPU of each process in microseconds a hit.
    fn print(&self, what: &str, hits: f64) -> Vec<f64> {
        let seconds = self.began.elapsed().as_secs_f64();
        print!("{what:<12} {:>8.0} hits/s ({hits:.0} in {seconds:.1} s); CPU µs a hit:", hits / seconds);
        let mut costs = Vec::new();
        for (name, id, before) in &self.processes {
            let cost = (cpu(*id) - before) * 1e6 / hits;
            print!(" {name} {cost:.1}");
            costs.push(cost);
        }
        println!("; loopback {:.0} bytes a hit", (loopback() - self.loopback) / hits);
        costs
    }
}

async fn ask(engine: &Engine, question: &str) -> String {
    let asked = reqwest::Client::new().post(engine.url()).basic_auth(engine.user(), Some(engine.password()));
    asked.body(question.to_owned()).send().await.unwrap().text().await.unwrap().trim().to_owned()
}

async fn loaded(engine: &Engine) -> f64 {
    ask(engine, "SELECT uniqExact(event_id) FROM events").await.parse().unwrap_or(0.0)
}

/// What was measured of one hit: CPU in microseconds, bytes on disk.
struct Costs {
    tracker: f64,
    classifier: f64,
    loader: f64,
    broker: f64,
    clickhouse: f64,
    kafka_bytes: f64,
    row_bytes: f64,
}

/// What so many hits a day take, from the costs of one: machines of 16 cores used by half at a peak of three times the
/// mean, 10 TB of disk each, topics kept a week in three copies, rows 400 days in two.
fn capacity(costs: &Costs) {
    const CORES: f64 = 16.0 * 0.5;
    const DISK: f64 = 10e12;
    println!("\ncapacity, machines of 16 cores and 10 TB, a peak of three times the mean:");
    println!(
        "| hits a day | peak a second | trackers | classifiers | loaders | brokers (CPU, disk) | ClickHouse (CPU, disk) | partitions | most of all |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for day in [1e9, 1e10, 1e11] {
        let peak = day / 86_400.0 * 3.0;
        let machines = |microseconds: f64| (peak * microseconds / 1e6 / CORES).ceil().max(1.0);
        let disks = |bytes: f64| (bytes / DISK).ceil().max(1.0);
        let needs = [
            ("trackers' CPU", machines(costs.tracker)),
            ("classifiers' CPU", machines(costs.classifier)),
            ("loaders' CPU", machines(costs.loader)),
            ("brokers' CPU", machines(costs.broker * 3.0)),
            ("brokers' disks", disks(day * 7.0 * costs.kafka_bytes * 3.0)),
            ("ClickHouse's CPU", machines(costs.clickhouse * 2.0)),
            ("ClickHouse's disks", disks(day * 400.0 * costs.row_bytes * 2.0)),
        ];
        let [(_, track), (_, classify), (_, load), (_, broker), (_, topics), (_, engine), (_, rows)] = needs;
        let most = needs.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |need| need.0);
        // One classifier works on one core: no more of them can share the work than there are partitions.
        let partitions = (peak * costs.classifier / 1e6 / 0.5).ceil().max(12.0);
        println!(
            "| {day:.0e} | {peak:.0} | {track} | {classify} | {load} | {broker}, {topics} | {engine}, {rows} | {partitions} | {most} |"
        );
    }
}

fn quantile(sorted: &[f64], of: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * of).round() as usize]
}

/// When each record of a topic was appended, by what a field of it says.
async fn appended(cluster: &Cluster, topic: &str, field: &str) -> HashMap<String, (f64, f64)> {
    let spec = TopicSpec {
        name: topic.to_owned(),
        partitions: 12,
        replication: 1,
        settings: Default::default(),
        at_least: Default::default(),
        same_partitions: None,
    };
    let (mut scan, mut all) = (cluster.scan(&spec).await.unwrap(), HashMap::new());
    while let Some(found) = scan.next().await.unwrap() {
        for found in found {
            let record: serde_json::Value = serde_json::from_slice(&found.record.unwrap().payload).unwrap();
            let Some(name) = record[field].as_str().filter(|name| name.starts_with("probe-")) else {
                continue;
            };
            let received = engagement::Timestamp::parse(record["received_at"].as_str().unwrap()).unwrap();
            let at = found.appended_ms.unwrap() as f64;
            all.entry(name.to_owned()).or_insert((received.millis() as f64, at));
        }
    }
    all
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let listen = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let library = engine_library().to_owned();
    let folder = dir.path().join("clickhouse");
    let engine = Engine::start(EngineConfig::new(library, folder, listen, program().to_owned(), ["engine"]))
        .await
        .unwrap();
    let world = World::new(dir.path(), &broker.address(), &engine);
    world.run(&["migrate"]);
    world.run(&["account", "create", "demo"]);
    let scopes = ["--scope", "reports:read", "--scope", "events:write"];
    let key = world.run(&[["key", "create", "--account", "demo"].as_slice(), &scopes].concat());
    let track = world.start("track").await;
    let report = world.start("report").await;
    let api = Api::new(&format!("http://127.0.0.1:{}", world.report), &key);
    let script = world.script(&api, MESSAGES).await;
    let sending = Duration::from_secs(number("HITS_SECONDS", 5));
    let engine_id = engine.pid().unwrap();

    println!("each stage by itself, over the same hits:");
    let meter = Meter::new(&[("track", track.id()), ("broker", broker.id())]);
    world.wrk(&script, 64, sending);
    let received = track.metric("trueopen_tracker_journaled_hits_total").await;
    wait_until(|| track.metric("trueopen_stream_forward_waiting_records"), |waiting| *waiting == 0.0).await;
    let by_tracker = meter.print("track", received);
    let classify = world.start("classify").await;
    let meter = Meter::new(&[("classify", classify.id()), ("broker", broker.id())]);
    wait_until(|| classify.metric("trueopen_classifier_consumed_records_total"), |done| *done >= received)
        .await;
    let by_classifier = meter.print("classify", received);
    let load = world.start("load").await;
    let meter = Meter::new(&[("load", load.id()), ("engine", engine_id), ("broker", broker.id())]);
    wait_until(|| load.metric("trueopen_loader_loaded_records_total"), |done| *done >= received).await;
    let by_loader = meter.print("load", received);
    let data = dir.path().join("kafka/data");
    ask(&engine, "OPTIMIZE TABLE events FINAL").await;
    let rows = "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE table = 'events' AND active";
    let row_bytes = ask(&engine, rows).await.parse::<f64>().unwrap();
    println!(
        "on disk, bytes a hit: journal {:.0}, engagement.raw {:.0}, engagement.classified {:.0}, all topics {:.0}, events {row_bytes:.0}",
        size(&dir.path().join("track/journal"), "") / received,
        size(&data, "engagement.raw") / received,
        size(&data, "engagement.classified") / received,
        size(&data, "engagement") / received,
    );
    capacity(&Costs {
        tracker: by_tracker[0],
        classifier: by_classifier[0],
        loader: by_loader[0],
        broker: by_tracker[1] + by_classifier[1] + by_loader[2],
        clickhouse: by_loader[1],
        kafka_bytes: size(&data, "engagement") / received,
        row_bytes,
    });

    println!("\nall together:");
    let before = loaded(&engine).await;
    let journaled = track.metric("trueopen_tracker_journaled_hits_total").await;
    let meter = Meter::new(&[
        ("track", track.id()),
        ("classify", classify.id()),
        ("load", load.id()),
        ("engine", engine_id),
        ("broker", broker.id()),
    ]);
    let (rate, _) = world.wrk(&script, 64, sending);
    let sent = track.metric("trueopen_tracker_journaled_hits_total").await - journaled;
    wait_until(|| loaded(&engine), |stored| *stored - before >= sent).await;
    meter.print("end to end", sent);
    println!("             taken from readers meanwhile: {rate:.0} hits/s");

    println!("\nfrom a hit to its place in a report, beside {STEADY} hits a second:");
    let probes = number("PROBES", 200);
    let mut pixels = Vec::new();
    for number in 0..probes {
        let body = serde_json::json!({"message_id": format!("probe-{number}"), "campaign": format!("probe-{number}"),
            "recipient_id": "r", "recipient_domain": "example.org", "links": []});
        let (_, mail) = api.send(reqwest::Method::POST, "/v1/accounts/demo/links", &body).await;
        pixels.push(mail["pixel_url"].as_str().unwrap().to_owned());
    }
    let (base, paths) =
        (format!("http://127.0.0.1:{}", world.tracker), std::fs::read_to_string(&script).unwrap());
    let others: Vec<String> = paths
        .lines()
        .filter_map(|line| Some(format!("{base}{}", line.strip_prefix('"')?.strip_suffix("\",")?)))
        .collect();
    let background = tokio::spawn(async move {
        let client = reqwest::Client::new();
        let mut turn = tokio::time::interval(Duration::from_micros(1_000_000 / STEADY));
        for url in others.iter().cycle() {
            turn.tick().await;
            let request = client.get(url).send();
            tokio::spawn(async move { request.await.map(|_| ()) });
        }
    });
    let (mut waits, mut visible) = (Vec::new(), HashMap::new());
    for (number, pixel) in pixels.iter().enumerate() {
        let asked = Instant::now();
        reqwest::get(pixel).await.unwrap();
        let path = format!("/v1/accounts/demo/reports/summary?suppress=none&campaign=probe-{number}");
        loop {
            if api.json(&path).await["opens"]["total"] == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waits.push(asked.elapsed().as_secs_f64() * 1000.0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        visible.insert(format!("probe-{number}"), now.as_secs_f64() * 1000.0);
    }
    background.abort();
    waits.sort_by(f64::total_cmp);
    println!(
        "visible      p50 {:.0} ms, p99 {:.0} ms ({probes} hits)",
        quantile(&waits, 0.5),
        quantile(&waits, 0.99)
    );
    let cluster = Cluster::new(KafkaConfig::new(broker.address())).unwrap();
    let raw = appended(&cluster, "engagement.raw", "message_id").await;
    let classified = appended(&cluster, "engagement.classified", "message_id").await;
    let mut shares: [Vec<f64>; 3] = Default::default();
    for (name, (received, forwarded)) in &raw {
        let (Some((_, judged)), Some(seen)) = (classified.get(name), visible.get(name)) else { continue };
        for (share, span) in shares.iter_mut().zip([forwarded - received, judged - forwarded, seen - judged])
        {
            share.push(span.max(0.0));
        }
    }
    for (name, share) in
        ["tracker and forwarder", "classifier", "loader, ClickHouse and the report"].iter().zip(&mut shares)
    {
        share.sort_by(f64::total_cmp);
        println!("  {name:<36} p50 {:.0} ms, p99 {:.0} ms", quantile(share, 0.5), quantile(share, 0.99));
    }

    println!("\nreaders' p99 with the broker away and there, in turn:");
    let mut ratios = Vec::new();
    for _ in 0..number("ROUNDS", 5) {
        let (_, there) = world.wrk(&script, 16, Duration::from_secs(3));
        broker.kill();
        let (_, away) = world.wrk(&script, 16, Duration::from_secs(3));
        broker.restart();
        wait_until(|| track.metric("trueopen_stream_forward_waiting_records"), |waiting| *waiting < 1000.0)
            .await;
        println!("  there {there:.2} ms, away {away:.2} ms, ratio {:.2}", away / there);
        ratios.push(away / there);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "ratio        {:.2} ({:.2} to {:.2})",
        quantile(&ratios, 0.5),
        ratios[0],
        ratios[ratios.len() - 1]
    );
    for stage in [track, report, classify, load] {
        stage.stop();
    }
    engine.stop().await.unwrap();
}
