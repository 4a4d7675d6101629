//! PowerMTA's accounting file: its header is remembered, whatever the file's name becomes.

use super::{append, delivered, events_of, import, read_again, seconds_ago};
use acceptance::System;
use serde_json::json;
use std::path::Path;

const HEADER: &str =
    "type,timeLogged,orig,rcpt,bounceCat,dsnStatus,dsnDiag,dsnMta,jobId,header_X-Trueopen-Message-Id\n";

fn row(kind: &str, message: &str, ago: i64, status: &str, said: &str) -> String {
    let at = seconds_ago(ago);
    format!(
        "{kind},{at},news@sender.test,jane@powermta.test,,{status},{said},mx.powermta.test (192.0.2.1),job-1,{message}\n"
    )
}

pub(super) async fn accounting(system: &System, folder: &Path) {
    let file = folder.join("acct.csv");
    let read = |name: &str| import(system, &["powermta", folder.join(name).to_str().unwrap()]);
    let query = "?recipient_domain=powermta.test";
    append(&file, HEADER);
    append(&file, &row("r", "pmta-1", 62, "", ""));
    append(&file, &row("d", "pmta-1", 60, "2.0.0", "smtp;250 2.0.0 OK"));
    // Later first, and a row that is written to its middle.
    append(&file, &row("b", "pmta-2", 50, "5.1.1", "smtp;550 5.1.1 no such user"));
    let late = row("t", "pmta-2", 55, "4.2.2", "smtp;452 4.2.2 mailbox full");
    let (before, after) = late.split_at(40);
    append(&file, before);
    let (good, said) = read("acct.csv");
    assert!(good && said.contains("4 lines read, 3 delivery events taken"), "{said}");
    append(&file, after);
    append(&file, "d,not a row\n");
    append(&file, &row("d", "pmta-3", 40, "2.0.0", "smtp;250 2.0.0 OK"));
    // Rotated, and named by its new name: it is the file that was read before.
    std::fs::rename(&file, folder.join("acct-1.csv")).unwrap();
    let (good, said) = read("acct-1.csv");
    assert!(!good && said.contains("3 lines read, 2 delivery events taken, 1 lines refused"), "{said}");
    assert!(said.contains("acct-1.csv:6: ") && !said.contains("jane"), "{said}");
    append(&file, HEADER);
    append(&file, &row("d", "pmta-4", 30, "2.0.0", "smtp;250 2.0.0 OK"));
    // Both in one run: the old one is read once.
    let (old, new) = (folder.join("acct-1.csv"), file.clone());
    append(&old, &row("d", "pmta-5", 30, "2.0.0", "smtp;250 2.0.0 OK"));
    let (good, said) = import(system, &["powermta", new.to_str().unwrap(), old.to_str().unwrap()]);
    assert!(good && said.contains("3 lines read, 2 delivery events taken"), "{said}");
    let (good, said) = read("acct.csv");
    assert!(good && said.contains("0 lines read"), "{said}");
    let summary = delivered(system, query, 4).await;
    assert_eq!(
        (&summary["sent"], &summary["bounced"]["hard"], &summary["deferred"]),
        (&json!(5), &json!(1), &json!(1))
    );
    let messages = ["pmta-1", "pmta-2", "pmta-3", "pmta-4", "pmta-5"];
    let told = events_of(system, &messages).await;
    let counts: Vec<_> = told.iter().map(|told| told.split(' ').count() - 1).collect();
    assert_eq!(counts, [2, 2, 1, 1, 1], "{told:?}");
    read_again(system, folder, query, &messages, &["powermta", old.to_str().unwrap(), new.to_str().unwrap()])
        .await;
}
