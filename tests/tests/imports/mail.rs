//! Bounces and complaints as mails: an mbox that is written to and rotated, a Maildir, standard input.

use super::{Following, append, events_of, import, read_again, seconds_ago};
use acceptance::{System, wait_until};
use engagement::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A bounce (RFC 3464) of a message, with the line that leads it in.
fn bounce(message: &str) -> String {
    format!(
        "From MAILER-DAEMON Sat Nov 21 10:00:00 2026\nSubject: failed\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.mail.test\n\n\
         Final-Recipient: rfc822; jane@mail.test\nAction: failed\nStatus: 5.1.1\nLast-Attempt-Date: {}\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n\
         --b\nContent-Type: message/rfc822\n\nMessage-ID: <{message}@sender.test>\nSubject: private\n\nprivate\n\n--b--\n\n",
        date()
    )
}

/// A complaint (RFC 5965) about a message.
fn complaint(message: &str) -> String {
    format!(
        "From fbl Sat Nov 21 10:00:00 2026\nSubject: complaint\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\n\n\
         --b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: test/1\nVersion: 1\n\
         Original-Rcpt-To: <jane@mail.test>\nArrival-Date: {}\n\n\
         --b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{message}@sender.test>\n\n--b--\n\n",
        date()
    )
}

fn date() -> String {
    let at = Timestamp::from_millis(seconds_ago(60) * 1000).unwrap().to_string();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[at[5..7].parse::<usize>().unwrap() - 1];
    format!("{} {month} {} {} +0000", &at[8..10], &at[..4], &at[11..19])
}

async fn bounced(system: &System, count: u64) -> Value {
    let hard = |summary: &Value| summary["bounced"]["hard"].as_u64().unwrap();
    let ask = || async { system.api().summary("?recipient_domain=mail.test").await };
    let summary = wait_until(ask, |summary| hard(summary) >= count).await;
    assert_eq!(hard(&summary), count, "{summary}");
    summary
}

pub(super) async fn mails(system: &System, folder: &Path) {
    let mbox = folder.join("bounces");
    let state = folder.join("bounces.json");
    let files = ["mail", mbox.to_str().unwrap(), "--local-part", "--state", state.to_str().unwrap()];
    // One that is written in two pieces, while it is followed, and the last one, behind which nothing stands.
    append(&mbox, &bounce("mail-1"));
    append(&mbox, "From x Sat Nov 21 10:00:00 2026\nSubject: hello\n\nhello\n\n");
    let third = bounce("mail-3");
    let (before, after) = third.split_at(third.find("Final-Recipient").unwrap());
    let mut follower = Following::start(system, &files);
    bounced(system, 1).await;
    append(&mbox, before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    append(&mbox, after);
    bounced(system, 2).await;
    // Rotated while nobody reads: the rest of the old one, then the new one.
    follower.stop();
    append(&mbox, &complaint("mail-1"));
    std::fs::rename(&mbox, folder.join("bounces.1")).unwrap();
    append(&mbox, &bounce("mail-4"));
    let (good, said) = import(system, &files);
    assert!(good && said.contains("2 mails read, 2 delivery events taken, 0 mails refused"), "{said}");
    let (good, said) = import(system, &files);
    assert!(good && said.contains("0 mails read"), "{said}");
    bounced(system, 3).await;
    let ask = || async { system.api().summary("?recipient_domain=mail.test").await };
    wait_until(ask, |summary| summary["complained"] == 1).await;

    // Standard input: one mail is too large, what stands behind it is read; again, and nothing changes.
    let large = format!("From x\nSubject: large\n\n{}\n\n", "0123456789abcde\n".repeat(1_100_000));
    let input = [bounce("mail-5"), large, bounce("mail-6")].concat();
    let api = system.told("reporting API");
    let standard = ["import", "--api", &api, "mail", "-", "--local-part"];
    for _ in 0..2 {
        let output = system.command(&standard).output_of(&input);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("3 mails read, 2 delivery events taken, 1 mails refused"), "{said}");
        assert!(said.contains("-:2: the mail has more than"), "{said}");
    }
    // One that says nothing more does not keep it from a stop.
    let mut program = system.command(&standard);
    let command = program.as_command().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut waiting = Following(command.spawn().unwrap());
    let _open = waiting.0.stdin.take();
    tokio::time::sleep(Duration::from_secs(1)).await;
    waiting.stop();

    // A Maildir: taken once, wherever a mail is moved.
    let maildir = folder.join("Maildir");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(part)).unwrap();
    }
    let (_, mail) =
        bounce("mail-7").split_once('\n').map(|(from, mail)| (from.to_owned(), mail.to_owned())).unwrap();
    std::fs::write(maildir.join("new/1.a.host"), &mail).unwrap();
    std::fs::write(maildir.join("cur/2.a.host:2,S"), mail.replace("mail-7", "mail-8")).unwrap();
    let folder_of_mails = ["mail", maildir.to_str().unwrap(), "--local-part"];
    let (good, said) = import(system, &folder_of_mails);
    assert!(good && said.contains("2 mails read, 2 delivery events taken"), "{said}");
    std::fs::rename(maildir.join("new/1.a.host"), maildir.join("cur/1.a.host:2,RS")).unwrap();
    let (good, said) = import(system, &folder_of_mails);
    assert!(good && said.contains("0 mails read"), "{said}");

    bounced(system, 7).await;
    let messages = ["mail-1", "mail-3", "mail-4", "mail-5", "mail-6", "mail-7", "mail-8"];
    let told = events_of(system, &messages).await;
    assert!(told[0].contains("bounced") && told[0].contains("complained"), "{told:?}");
    assert!(told[1..].iter().all(|told| told.split(' ').count() == 2), "{told:?}");
    let old = folder.join("bounces.1");
    let again =
        ["mail", old.to_str().unwrap(), mbox.to_str().unwrap(), maildir.to_str().unwrap(), "--local-part"];
    read_again(system, folder, "?recipient_domain=mail.test", &messages, &again).await;
}
