//! A long history: judged in memory that does not grow with it, and a person who waits sees how far it is.

use crate::past::{CHROME, DAY, HOUR, MINUTE, execute, now};
use acceptance::System;
use engagement::Timestamp;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const EVENTS: u32 = 100_000;

/// Clicks of many readers over twelve hours, five of each, a fifth of them through one office.
fn clicks(start: i64) -> String {
    let every = 12 * HOUR / i64::from(EVENTS);
    format!(
        "INSERT INTO events (account, event_id, revision, kind, received_at, message_id, recipient_id, campaign,
             recipient_domain, sent_at, link_index, link_count, label, method, actor, source, client, confidence, reasons,
             ruleset, evidence_until, retention_until, ip, user_agent, headers, trailing)
         SELECT 1, generateUUIDv4(), 1, 'click', fromUnixTimestamp64Milli({start} + number * {every}, 'UTC') AS at,
             'm-' || toString(number % 20000), 'r-' || toString(number % 20000), 'long', 'example.org', at - 86400,
             number % 9, 9, '', 'GET', 'human', 'chrome', 'Chrome', 0.6, '[]', 'earlier', at + 30 * 86400,
             at + 400 * 86400,
             if(number % 5 = 0, '192.0.2.7', '198.51.' || toString(number % 199) || '.' || toString(number % 241)),
             '{CHROME}', '{{}}', ''
         FROM numbers({EVENTS})"
    )
}

/// Runs to the end; what it printed for programs, what it showed on its terminal, and its peak of memory in kilobytes.
fn watched(command: &mut Command) -> (String, String, u64) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let screen = File::options().read(true).write(true).open(name).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(screen).spawn().unwrap();
    // The terminal ends when nobody holds its other side.
    command.stderr(Stdio::null());
    let shown = thread::spawn(move || {
        let mut bytes = Vec::new();
        // At its end a terminal says that it failed.
        let _ = File::from(terminal).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut printed = child.stdout.take().unwrap();
    let printed = thread::spawn(move || {
        let mut text = String::new();
        printed.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = 0;
    let status = loop {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(peak);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let (printed, shown) = (printed.join().unwrap(), shown.join().unwrap());
    assert!(status.success(), "{printed} {shown}");
    (printed, shown, peak)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_takes_no_more_memory_than_a_short_one_and_shows_how_far_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let start = now() - 5 * DAY;
    execute(&system, &data, &clicks(start)).await;
    let judge = |minutes: i64| {
        let time = |at: i64| Timestamp::from_millis(at).unwrap().to_string();
        let (from, to) = (time(start), time(start + minutes * MINUTE));
        let arguments = ["reclassify", "--dry-run", "--account", "demo", "--from", &from, "--to", &to];
        watched(system.command(&arguments).as_command())
    };
    let (_, _, short) = judge(1);
    let (printed, shown, long) = judge(10 * 60);
    assert!(printed.contains("demo: 83334 events judged"), "{printed}");
    assert!(!printed.contains('\r'), "how far it is goes to the terminal alone");
    assert!(shown.contains("demo: 50000 events judged"), "a stretch of six hours, then the rest: {shown:?}");
    // Held all at once they would be a hundred megabytes: each has an agent, an address, a message and a recipient.
    assert!(long < short + 48 * 1024, "{long} kB at most, and {short} kB for a minute of it");
    system.stop();
}
