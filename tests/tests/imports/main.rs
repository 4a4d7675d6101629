//! `trueopen import` from outside: a log read on across a stop, a cut last line and rotation, a real Postfix's log, and the other
//! formats, each against one running system.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

mod kumomta;
mod mail;
mod powermta;

use acceptance::{Postfix, System, wait_until};
use engagement::Timestamp;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

/// Whether an import went well, and what it said.
fn import(system: &System, more: &[&str]) -> (bool, String) {
    let api = system.told("reporting API");
    let output = system.command(&[&["import", "--api", &api], more].concat()).output();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// What a log says of one mail that was delivered.
fn lines(number: u32) -> String {
    let now = Timestamp::from_clock(SystemTime::now()).plus_millis(-60_000);
    let line = |after: i64, text: &str| format!("{} mail postfix/{text}\n", now.plus_millis(after));
    [
        line(0, &format!("cleanup[1]: 4ABC{number:04}: message-id=<log-{number}@sender.test>")),
        line(10, &format!("qmgr[2]: 4ABC{number:04}: from=<news@sender.test>, size=300, nrcpt=1 (queue active)")),
        line(
            2010,
            &format!(
                "smtp[3]: 4ABC{number:04}: to=<jane@clinic.test>, relay=aspmx.l.google.com[192.0.2.1]:25, delay=2, \
                 delays=0/0/1/1, dsn=2.0.0, status=sent (250 2.0.0 OK)"
            ),
        ),
        line(2020, &format!("qmgr[2]: 4ABC{number:04}: removed")),
    ]
    .concat()
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Seconds since 1970, some time ago, as logs without milliseconds have them.
fn seconds_ago(seconds: i64) -> i64 {
    Timestamp::from_clock(SystemTime::now()).plus_millis(-1000 * seconds).millis() / 1000
}

/// Reads files again with a state of its own: no figure changes, and no message has more events.
async fn read_again(system: &System, folder: &Path, query: &str, messages: &[&str], more: &[&str]) {
    let (first, events) = (system.api().summary(query).await, events_of(system, messages).await);
    let state = folder.join(format!("again-{}.json", more[0]));
    import(system, &[more, &["--state", state.to_str().unwrap()]].concat());
    wait_until(|| system.metric("trueopen_loader_lag_records"), |lag| *lag == 0.0).await;
    let mut again = system.api().summary(query).await;
    again["to"] = first["to"].clone();
    again["from"] = first["from"].clone();
    assert_eq!(again, first);
    assert_eq!(events_of(system, messages).await, events);
}

/// The kinds of events of messages, in order.
async fn events_of(system: &System, messages: &[&str]) -> Vec<String> {
    let mut told = Vec::new();
    for message in messages {
        let timeline = system.api().json(&format!("/v1/accounts/demo/messages/{message}/timeline")).await;
        let kinds = timeline["events"].as_array().unwrap().iter().map(|event| event["type"].to_string());
        told.push(format!("{message}: {}", kinds.collect::<Vec<_>>().join(" ").replace('"', "")));
    }
    told
}

async fn delivered(system: &System, query: &str, count: u64) -> Value {
    let enough = |summary: &Value| summary["delivered"].as_u64().unwrap() >= count;
    let summary = wait_until(|| async { system.api().summary(query).await }, enough).await;
    assert_eq!(summary["delivered"], count, "{summary}");
    summary
}

/// A log that is read in pieces.
async fn in_pieces(system: &System, folder: &Path) {
    let log = folder.join("mail.log");
    let read =
        |more: &[&str]| import(system, &[&["postfix", log.to_str().unwrap(), "--local-part"], more].concat());
    // The second mail's delivery is written to its middle, and one line is broken.
    let second = lines(2);
    let (before, after) = second.split_at(second.find("status=").unwrap());
    append(&log, &lines(1));
    append(&log, &lines(9).lines().nth(2).unwrap().replace(" (250 2.0.0 OK)", ""));
    append(&log, &format!("\n{before}"));
    let (good, said) = read(&[]);
    assert!(
        !good
            && said.contains("mail.log:5: ")
            && said.contains("7 lines read, 3 delivery events taken, 1 lines refused"),
        "{said}"
    );
    assert!(!said.contains("jane"), "{said}");
    // The rest of the line, a mail more, rotation, and a mail in the new file: all while nobody read.
    append(&log, after);
    append(&log, &lines(3));
    std::fs::rename(&log, folder.join("mail.log.1")).unwrap();
    append(&log, &lines(4));
    let (good, said) = read(&[]);
    assert!(good && said.contains("10 lines read, 5 delivery events taken, 0 lines refused"), "{said}");
    let (good, said) = read(&[]);
    assert!(good && said.contains("0 lines read, 0 delivery events taken"), "{said}");
    // The old log by its new name, and a copy of it: the same file to the same state.
    std::fs::copy(folder.join("mail.log.1"), folder.join("copy.log")).unwrap();
    for same in ["mail.log.1", "copy.log"] {
        let (good, said) = import(system, &["postfix", folder.join(same).to_str().unwrap(), "--local-part"]);
        assert!(good && said.contains("0 lines read, 0 delivery events taken"), "{same}: {said}");
    }
    let query = "?recipient_domain=clinic.test";
    let first = delivered(system, query, 4).await;
    // A line longer than any, and one that is no text: refused by number, and what stands behind them is read.
    let long = folder.join("long.log");
    let mail = |number: u32| lines(number).replace("clinic.test", "long.test");
    append(&long, &format!("{}{}\n", mail(20), "x".repeat(300_000)));
    OpenOptions::new().append(true).open(&long).unwrap().write_all(b"\xff\xfe\n").unwrap();
    append(&long, &mail(21));
    let (good, said) = import(system, &["postfix", long.to_str().unwrap(), "--local-part"]);
    assert!(!good && said.contains("10 lines read, 4 delivery events taken, 2 lines refused"), "{said}");
    assert!(
        said.contains("long.log:5: the line has more than")
            && said.contains("long.log:6: the line is no UTF-8"),
        "{said}"
    );
    // From the start again, without the position: nothing doubles.
    for file in ["mail.log.1", "mail.log"] {
        let state = folder.join("again.json");
        let file = folder.join(file);
        let again = ["postfix", file.to_str().unwrap(), "--local-part", "--state", state.to_str().unwrap()];
        import(system, &again);
    }
    wait_until(|| system.metric("trueopen_loader_lag_records"), |lag| *lag == 0.0).await;
    let mut again = delivered(system, query, 4).await;
    again["to"] = first["to"].clone();
    again["from"] = first["from"].clone();
    assert_eq!(again, first);
    assert_eq!((&first["sent"], &first["rates"]["delivery"]), (&json!(4), &json!(1.0)));
    let latency = system.api().json("/v1/accounts/demo/reports/latency?by=mailbox_provider").await;
    assert_eq!(
        (&latency["rows"][0]["key"], &latency["rows"][0]["p50"]),
        (&json!("google_workspace"), &json!(2.0))
    );
    let timeline = system.api().json("/v1/accounts/demo/messages/log-1/timeline").await;
    let original = timeline["events"][1]["original"].as_str().unwrap().to_owned();
    assert!(original.contains("to=<[address]>, relay=aspmx.l.google.com"), "{original}");
}

/// Mails through a real Postfix: one arrives, one finds nobody, one a full mailbox.
async fn through_postfix(system: &System, postfix: &Postfix) {
    for name in ["good", "nobody", "full"] {
        let body = json!({"message_id": format!("m-{name}"), "campaign": "postfix", "recipient_domain": "mailbox.test",
            "html": "<p><a href=\"https://example.com/\">Hello</a></p>"});
        let (status, tracked) =
            system.api().send(reqwest::Method::POST, "/v1/accounts/demo/instrument", &body).await;
        assert!(status.is_success(), "{tracked}");
        let html = tracked["html"].as_str().unwrap();
        let mail = format!(
            "From: news@sender.test\nTo: {name}@mailbox.test\nMessage-ID: <m-{name}@sender.test>\nSubject: test\n\
             MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n{html}"
        );
        postfix.send(&format!("{name}@mailbox.test"), &mail);
    }
    // The three, and Postfix's own two notices of what failed.
    postfix.wait_for(": removed", 5);
    let log = postfix.log_file();
    let (good, said) = import(system, &["postfix", log.to_str().unwrap(), "--local-part"]);
    assert!(
        good && said.contains("6 delivery events taken, 0 lines refused"),
        "{said}\n{}",
        std::fs::read_to_string(&log).unwrap()
    );
    let query = "?recipient_domain=mailbox.test";
    let summary = delivered(system, query, 1).await;
    assert_eq!(summary["sent"], 3);
    assert_eq!(summary["bounced"], json!({"hard": 1, "soft": 1, "block": 0, "undetermined": 0}));
    let path = format!("/v1/accounts/demo/reports/breakdown{query}&by=bounce_reason");
    let reasons = system.api().json(&path).await;
    let mut keys: Vec<_> =
        reasons["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["mailbox_full", "no_such_user"]);
    let latency = system.api().json(&format!("/v1/accounts/demo/reports/latency{query}")).await;
    assert_eq!(latency["rows"][0]["messages"], 1);

    // What arrived is the instrumented mail: its pixel counts.
    let mailbox = postfix.mailbox();
    let url = mailbox.split('"').find(|part| part.contains("/o/")).unwrap().replace("&amp;", "&");
    assert!(reqwest::get(url).await.unwrap().status().is_success());
    let opened = |summary: &Value| {
        summary["opens"]["unknown"]["unique"].as_u64().unwrap()
            + summary["opens"]["automated"]["unique"].as_u64().unwrap()
            + summary["opens"]["human"]["unique"].as_u64().unwrap()
            == 1
    };
    wait_until(|| async { system.api().summary(query).await }, opened).await;
}

/// An import that follows; it ends with the test at the latest.
struct Following(std::process::Child);

impl Following {
    /// Starts it over these files, with a state of its own.
    fn start(system: &System, more: &[&str]) -> Self {
        let api = system.told("reporting API");
        Self(system.command(&[&["import", "--api", &api, "--follow"], more].concat()).spawn())
    }

    /// Asks it to stop, which is no failure.
    fn stop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success(), "a stop is no failure");
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A log that is followed while it grows and is rotated, by an import that is killed and started again.
async fn followed(system: &System, folder: &Path) {
    let log = folder.join("followed.log");
    let state = folder.join("followed.json");
    let arguments = ["postfix", log.to_str().unwrap(), "--local-part", "--state", state.to_str().unwrap()];
    let follow = || Following::start(system, &arguments);
    let mails = |numbers: std::ops::Range<u32>| -> String {
        numbers.map(|number| lines(number).replace("clinic.test", "followed.test")).collect()
    };
    let query = "?recipient_domain=followed.test";
    // The log does not even exist yet; then it grows, once by half a line.
    let mut first = follow();
    append(&log, &mails(100..103));
    delivered(system, query, 3).await;
    let fourth = mails(103..104);
    let (before, after) = fourth.split_at(fourth.find("status=").unwrap());
    append(&log, before);
    append(&log, after);
    delivered(system, query, 4).await;
    // Rotated as logrotate does: renamed, an empty one made; the writer goes on in the old one before it turns to the new.
    let old = folder.join("followed.log.1");
    std::fs::rename(&log, &old).unwrap();
    append(&log, "");
    append(&old, &mails(104..106));
    delivered(system, query, 6).await;
    append(&old, &mails(106..107));
    append(&log, &mails(107..109));
    delivered(system, query, 9).await;
    // Killed, not stopped; what is written and rotated away in the meantime is not lost.
    first.kill();
    append(&log, &mails(109..111));
    std::fs::rename(&log, folder.join("followed.log.2")).unwrap();
    append(&log, &mails(111..113));
    let mut second = follow();
    delivered(system, query, 13).await;
    second.stop();
    // Nothing doubled: two events a mail, and nothing is left to read.
    let mut third = follow();
    append(&log, &mails(113..114));
    delivered(system, query, 14).await;
    third.kill();
    for number in 100..114 {
        let timeline = system.api().json(&format!("/v1/accounts/demo/messages/log-{number}/timeline")).await;
        assert_eq!(timeline["events"].as_array().unwrap().len(), 2, "{timeline}");
    }
}

#[tokio::test]
async fn logs_become_delivery_reports() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    in_pieces(&system, dir.path()).await;
    followed(&system, dir.path()).await;
    kumomta::segments(&system, dir.path()).await;
    powermta::accounting(&system, dir.path()).await;
    mail::mails(&system, dir.path()).await;
    if let Some(postfix) = Postfix::start() {
        through_postfix(&system, &postfix).await;
    }
    system.stop();
}
