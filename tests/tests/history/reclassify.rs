//! Judging stored events again: what changes and what does not, twice in a row, and across a crash.

use crate::past::{
    BARRACUDA, CHROME, DAY, HOUR, Past, PastHit, execute, now, run, says_nothing_twice, without_gateways,
};
use acceptance::{System, wait_until};
use classifier::Ruleset;
use engagement::Timestamp;
use serde_json::Value;
use std::path::Path;

fn time(millis: i64) -> String {
    Timestamp::from_millis(millis).unwrap().to_string()
}

/// All verdicts stored: event, revision, actor, ruleset; in the order of events and revisions.
async fn stored(system: &System, data: &Path) -> Vec<(String, u64, String, String)> {
    let text = execute(
        system,
        data,
        "SELECT DISTINCT toString(event_id), revision, toString(actor), toString(ruleset) FROM events
         ORDER BY 1, 2 FORMAT JSONCompactEachRow",
    )
    .await;
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |index: usize| row[index].as_str().unwrap().to_owned();
        (text(0), row[1].as_u64().unwrap(), text(2), text(3))
    };
    text.lines().map(row).collect()
}

/// What is stored once there are so many verdicts.
async fn once_stored(system: &System, data: &Path, count: usize) -> Vec<(String, u64, String, String)> {
    wait_until(|| stored(system, data), |rows| rows.len() >= count).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_rule_changes_exactly_the_events_it_should_and_the_second_time_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let (old, today) = (without_gateways(), Ruleset::builtin());
    let start = now() - 5 * DAY;
    let mut past = Past::default();
    // A gateway that the old rules took for something else, and a reader.
    let mut gateways = Vec::new();
    for number in 0..5_i64 {
        let at = start + number * 20 * HOUR;
        gateways.push(past.hit(&PastHit::click(&format!("g-{number}"), at, BARRACUDA), &old));
        past.hit(&PastHit::click(&format!("h-{number}"), at, CHROME), &old);
    }
    // A burst over the edge of the range: each hit was judged alone, and all are one burst's.
    let edge = start - HOUR;
    let burst: Vec<String> = (0..6_u16)
        .map(|link| {
            let at = edge + 100 * i64::from(link);
            past.hit(&PastHit { link, ..PastHit::click("burst", at, CHROME) }, &today)
        })
        .collect();
    let from = edge + 250;
    // Before the range, and behind it.
    past.hit(&PastHit::click("before", from - DAY, BARRACUDA), &old);
    past.hit(&PastHit::click("behind", start + 4 * DAY + HOUR, BARRACUDA), &old);
    let to = start + 4 * DAY;
    // Nothing is left to judge these by; the second's evidence is there, its neighbour's is not.
    past.evidence_days(1);
    past.hit(&PastHit::click("expired", start, BARRACUDA), &old);
    past.hit(&PastHit::click("beside", start + DAY, BARRACUDA), &old);
    past.evidence_days(30);
    past.hit(&PastHit { link: 1, ..PastHit::click("beside", start + DAY + 1000, BARRACUDA) }, &old);
    past.write(&system, &data).await;
    let before = stored(&system, &data).await;

    let (from, to) = (time(from), time(to));
    let command = ["reclassify", "--from", &from, "--to", &to];
    let dry = run(&system, &[&command[..], &["--dry-run", "--account", "demo"]].concat());
    assert!(
        dry.contains(
            "demo: 13 events judged: 8 would change, 5 stay as they are; left: 3 whose evidence has expired"
        ),
        "{dry}"
    );
    assert!(dry.contains("5  unknown unknown → automated barracuda"), "{dry}");
    assert!(dry.contains("3  human chrome → automated scanner_burst"), "{dry}");
    assert_eq!(stored(&system, &data).await, before, "a dry run changes nothing");

    let said = run(&system, &command);
    assert!(
        said.contains("13 events judged: 8 changed, 5 stay as they are; left: 3 whose evidence"),
        "{said}"
    );
    let after = once_stored(&system, &data, before.len() + 8).await;
    let new: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    let mut changed: Vec<&str> = new.iter().map(|row| row.0.as_str()).collect();
    let mut expected: Vec<&str> = gateways.iter().chain(&burst[3..]).map(String::as_str).collect();
    changed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(
        changed, expected,
        "exactly these; the burst's hits before the range only count as neighbours"
    );
    assert!(new.iter().all(|row| row.1 == 2 && row.2 == "automated" && row.3 == today.version()), "{new:?}");
    assert_eq!(after.len(), before.len() + new.len(), "nothing that was said is gone");

    // Both rulesets stay visible, the earlier one first.
    let timeline: Value = system.api().timeline("g-0").await.json().await.unwrap();
    let revisions = timeline["events"][0]["revisions"].as_array().unwrap();
    let rulesets: Vec<_> = revisions.iter().map(|revision| revision["ruleset"].as_str().unwrap()).collect();
    assert_eq!(rulesets, [old.version(), today.version()]);
    assert_eq!(timeline["events"][0]["verdict"]["source"], "barracuda");

    let said = run(&system, &command);
    assert!(said.contains("13 events judged: 0 changed, 13 stay as they are; left: 3 whose"), "{said}");
    assert_eq!(stored(&system, &data).await, after, "twice in a row changes nothing");

    // A restart reads back what was said, and judges none of it without its neighbours. What is said then is stored
    // before a verdict that is said later.
    system.stop();
    let system = System::start(&data);
    let pixel = system.api().links("later", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    reqwest::get(pixel).await.unwrap();
    let mut after = after;
    let now = once_stored(&system, &data, after.len() + 1).await;
    after.extend(
        now.iter().find(|row| row.3 == today.version() && row.1 == 1 && !after.contains(row)).cloned(),
    );
    after.sort();
    assert_eq!(stored(&system, &data).await, after);
    says_nothing_twice(&system, &data).await;
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hits_of_other_messages_show_is_found_in_history() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let today = Ruleset::builtin();
    let start = now() - 5 * DAY;
    let mut past = Past::default();
    // One address in the mails of forty readers within two seconds, each judged as if it were alone; and one reader an hour later.
    let many: Vec<String> = (0..40_i64)
        .map(|number| past.hit(&PastHit::click(&format!("m-{number}"), start + 50 * number, CHROME), &today))
        .collect();
    past.hit(&PastHit::click("alone", start + HOUR, CHROME), &today);
    // Event time goes on.
    past.hit(&PastHit::click("behind", start + 5 * HOUR, CHROME), &today);
    past.write(&system, &data).await;
    let before = stored(&system, &data).await;
    assert!(before.iter().all(|row| row.2 == "human"), "{before:?}");

    // The range begins in the midst of them: what is before it is not judged, but seen.
    let (from, to) = (time(start + 1000), time(start + 2 * HOUR));
    let command = ["reclassify", "--from", &from, "--to", &to];
    let dry = run(&system, &[&command[..], &["--dry-run"]].concat());
    assert!(dry.contains("20  human chrome → automated scanner_fanout"), "{dry}");
    let said = run(&system, &command);
    assert!(said.contains("21 events judged: 20 changed, 1 stay as they are"), "{said}");
    let after = once_stored(&system, &data, before.len() + 20).await;
    let mut changed: Vec<&str> =
        after.iter().filter(|row| !before.contains(row)).map(|row| row.0.as_str()).collect();
    let mut expected: Vec<&str> = many[20..].iter().map(String::as_str).collect();
    changed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(changed, expected);
    let said = run(&system, &command);
    assert!(said.contains("21 events judged: 0 changed, 21 stay as they are"), "{said}");
    says_nothing_twice(&system, &data).await;
    system.stop();
}

/// Fifty clicks of a gateway over five days, in ten stretches of their own, of which earlier rules knew nothing: from when and to when.
async fn fifty(system: &System, data: &Path) -> (String, String) {
    const STRETCHES: i64 = 10;
    let old = without_gateways();
    let start = now() - 6 * DAY;
    let mut past = Past::default();
    for number in 0..STRETCHES * 5 {
        let (stretch, message) = (number % STRETCHES, format!("g-{number}"));
        past.hit(&PastHit::click(&message, start + stretch * 12 * HOUR, BARRACUDA), &old);
    }
    past.write(system, data).await;
    (time(start), time(start + 6 * DAY))
}

/// How many events of the jobs asked for were changed so far.
async fn changed(system: &System, data: &Path) -> u64 {
    let sum = "SELECT sum(changed) FROM reclassify_progress FINAL FORMAT TSV";
    execute(system, data, sum).await.trim().parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_stopped_goes_on_when_the_same_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let (from, to) = fifty(&system, &data).await;
    let command = ["reclassify", "--from", &from, "--to", &to, "--account", "demo"];
    let mut asked = system.command(&command).spawn();
    wait_until(|| changed(&system, &data), |changed| *changed > 0).await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&asked), rustix::process::Signal::INT)
        .unwrap();
    assert!(asked.wait().unwrap().success(), "a stop that was asked for is no failure");
    let stopped = "SELECT stopped FROM reclassify_jobs FINAL FORMAT TSV";
    assert_eq!(execute(&system, &data, stopped).await.trim(), "true");
    let said = run(&system, &command);
    assert!(said.contains("goes on") && said.contains(" changed, "), "{said}");
    assert_eq!(once_stored(&system, &data, 100).await.len(), 100);
    assert_eq!(changed(&system, &data).await, 50, "each is changed once");
    says_nothing_twice(&system, &data).await;
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let (from, to) = fifty(&system, &data).await;
    let command = ["reclassify", "--from", &from, "--to", &to, "--account", "demo"];
    let mut asked = system.command(&command).spawn();
    // Something is done, and more is to do; then the power goes.
    let some = wait_until(|| changed(&system, &data), |changed| *changed > 0).await;
    system.kill();
    asked.kill().unwrap();
    asked.wait().unwrap();
    assert!(some < 50, "the crash came in the midst of it");

    let system = System::start(&data);
    let said = run(&system, &command);
    assert!(said.contains("goes on") && said.contains(" changed, "), "{said}");
    let after = once_stored(&system, &data, 100).await;
    assert_eq!(after.len(), 100, "each event has two verdicts, whatever was repeated");
    assert!(after.iter().all(|row| row.1 == if row.2 == "automated" { 2 } else { 1 }), "{after:?}");
    says_nothing_twice(&system, &data).await;
    system.stop();
}
