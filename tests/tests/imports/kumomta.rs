//! KumoMTA's log: a folder of compressed segments, of which the last is still written to.

use super::{Following, delivered, events_of, import, read_again, seconds_ago};
use acceptance::System;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A record of a mail that we sent, after <https://docs.kumomta.com/reference/log_record/>.
fn record(kind: &str, message: &str, code: u16, said: &str) -> String {
    let record = json!({"type": kind, "id": format!("spool-{message}"), "sender": "news@sender.test",
        "recipient": "jane@kumomta.test", "queue": "kumomta.test", "site": "", "size": 1047,
        "response": {"code": code, "enhanced_code": null, "content": said, "command": "."},
        "peer_address": {"name": "mx.kumomta.test.", "addr": "192.0.2.27"}, "timestamp": seconds_ago(60), "created": seconds_ago(61),
        "num_attempts": 0, "bounce_classification": "Uncategorized", "feedback_report": null, "meta": {},
        "headers": {"X-Trueopen-Message-Id": message}, "reception_protocol": "ESMTP"});
    format!("{record}\n")
}

/// What KumoMTA writes of mails that come in: none of it names the mail that it is about but in what a report quotes.
fn incoming(kind: &str, report: Value) -> String {
    let mut record: Value = serde_json::from_str(&record(kind, "x", 250, "")).unwrap();
    record["headers"] = json!({"Message-ID": "<incoming@kumomta.test>"});
    record["feedback_report"] = report;
    format!("{record}\n")
}

/// A segment as KumoMTA writes it: one frame, whose last block comes with its end.
struct Segment(PathBuf, zstd::stream::write::Encoder<'static, File>);

impl Segment {
    fn begin(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let encoder = zstd::stream::write::Encoder::new(File::create(&path).unwrap(), 0).unwrap();
        Self(path, encoder)
    }

    fn write(&mut self, text: &str) {
        self.1.write_all(text.as_bytes()).unwrap();
        self.1.flush().unwrap();
    }

    /// Ends the frame, and takes the right to write.
    fn end(self) {
        self.1.finish().unwrap();
        let mut rights = std::fs::metadata(&self.0).unwrap().permissions();
        rights.set_readonly(true);
        std::fs::set_permissions(&self.0, rights).unwrap();
    }
}

pub(super) async fn segments(system: &System, folder: &Path) {
    let log = folder.join("kumomta");
    std::fs::create_dir(&log).unwrap();
    let files = ["kumomta", log.to_str().unwrap()];
    let query = "?recipient_domain=kumomta.test";
    let mut first = Segment::begin(&log, "20261121-100000.1");
    first.write(&record("Reception", "kumo-1", 250, ""));
    first.write(&record("Delivery", "kumo-1", 250, "2.0.0 OK"));
    first.write(&record("Reception", "kumo-2", 250, ""));
    first.write(&record("Bounce", "kumo-2", 550, "5.1.1 no such user"));
    first.write(&incoming("Reception", Value::Null));
    first.write(&incoming("OOB", Value::Null));
    let report = json!({"feedback_type": "abuse", "original_rcpto_to": ["<jane@kumomta.test>"],
        "original_message": "X-Trueopen-Message-Id: kumo-1\nSubject: private\n\nprivate\n"});
    first.write(&incoming("Feedback", report));
    first.end();
    let (good, said) = import(system, &files);
    assert!(!good && said.contains("7 lines read, 5 delivery events taken, 1 lines refused"), "{said}");
    assert!(said.contains("20261121-100000.1:6: ") && said.contains("trueopen import mail"), "{said}");
    let (good, said) = import(system, &files);
    assert!(good && said.contains("0 lines read"), "{said}");

    // A segment that is written to: what is whole counts, half a record waits. Killed, not stopped, in between.
    let mut second = Segment::begin(&log, "20261121-101000.1");
    let half = record("Delivery", "kumo-4", 250, "2.0.0 OK");
    let (before, after) = half.split_at(100);
    second.write(&format!("{}{before}", record("Delivery", "kumo-3", 250, "2.0.0 OK")));
    let mut follower = Following::start(system, &files);
    delivered(system, query, 2).await;
    follower.kill();
    second.write(after);
    second.end();
    // Spread by day, as `log_dir` may be; what happened later stands first.
    let day = log.join("2026-11-22");
    std::fs::create_dir(&day).unwrap();
    let mut third = Segment::begin(&day, "20261122-100000.1");
    third.write(&record("Delivery", "kumo-5", 250, "2.0.0 OK"));
    third.write(&record("Reception", "kumo-5", 250, ""));
    let mut follower = Following::start(system, &files);
    let summary = delivered(system, query, 4).await;
    follower.stop();
    third.end();
    assert_eq!(
        (&summary["sent"], &summary["bounced"]["hard"], &summary["complained"]),
        (&json!(5), &json!(1), &json!(1))
    );
    let (good, said) = import(system, &files);
    assert!(good && said.contains("0 lines read"), "{said}");
    let messages = ["kumo-1", "kumo-2", "kumo-3", "kumo-4", "kumo-5"];
    let told = events_of(system, &messages).await;
    let counts: Vec<_> = told.iter().map(|told| told.split(' ').count() - 1).collect();
    assert_eq!(counts, [3, 2, 1, 1, 2], "{told:?}");
    read_again(system, folder, query, &messages, &files).await;
    // Nothing was told of the mails that came in.
    for unknown in ["incoming@kumomta.test", "spool-x", "x"] {
        let path = format!("/v1/accounts/demo/messages/{unknown}/timeline");
        assert_eq!(system.api().get(&path).await.status(), 404, "{unknown}");
    }
}
