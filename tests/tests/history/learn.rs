//! Learning when a domain's links are scanned, and what a click at that time is worth then.

use crate::past::{BARRACUDA, CHROME, DAY, HOUR, MINUTE, Past, PastHit, now, run};
use acceptance::{Program, System, wait_until};
use classifier::Ruleset;
use engagement::{Kind, Timestamp};
use serde_json::{Value, json};
use std::fs;

/// Follows a link of a mail that was delivered so long ago; the verdict on the click.
async fn verdict_on_click(system: &System, message: &str, domain: &str, delivered_ago: i64) -> Value {
    verdict_on(system, message, domain, delivered_ago, delivered_ago).await
}

/// The same, of one that was sent at another time than it was delivered.
async fn verdict_on(
    system: &System,
    message: &str,
    domain: &str,
    sent_ago: i64,
    delivered_ago: i64,
) -> Value {
    let api = system.api();
    let ago = |millis: i64| Timestamp::from_millis(now() - millis).unwrap();
    let (sent_at, at) = (ago(sent_ago), ago(delivered_ago));
    let line = json!({"type": "delivered", "message_id": message, "at": at, "recipient_domain": domain});
    let (status, answer) = api.events(&line.to_string()).await;
    assert!(status.is_success(), "{answer}");
    let body = json!({"message_id": message, "recipient_domain": domain, "sent_at": sent_at,
        "links": [{"url": "https://example.com/"}, {"url": "https://example.com/2"}]});
    let (_, urls) = api.send(reqwest::Method::POST, "/v1/accounts/demo/links", &body).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = urls["links"][0]["tracked_url"].as_str().unwrap();
    client.get(url).header("user-agent", CHROME).send().await.unwrap();
    let events = || async {
        let timeline: Value = api.timeline(message).await.json().await.unwrap_or_default();
        timeline["events"].as_array().cloned().unwrap_or_default()
    };
    let both = wait_until(events, |events| events.len() == 2).await;
    both.iter().find(|event| event["type"] == "click").unwrap()["verdict"].clone()
}

fn scan_time(verdict: &Value) -> bool {
    verdict["reasons"].as_array().unwrap().iter().any(|reason| reason["rule"] == "scan_time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_is_always_scanned_at_40_s_is_learned_reviewed_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let ruleset = Ruleset::builtin();
    let mut past = Past::default();
    for number in 0..60_i64 {
        let (scanned, read, few) = (format!("s-{number}"), format!("p-{number}"), format!("f-{number}"));
        let delivered = now() - 3 * DAY + number * 7 * 60_000;
        past.delivered(&scanned, delivered, "clinic.example");
        past.delivered(&read, delivered, "clinic.example");
        let machine = PastHit {
            domain: "Clinic.Example.",
            ..PastHit::click(&scanned, delivered + 39_500 + number * 50, BARRACUDA)
        };
        past.hit(&machine, &ruleset);
        let person =
            PastHit { domain: "clinic.example", ..PastHit::click(&read, delivered + 3 * HOUR, CHROME) };
        // Half of them saw it just before; of the others that was hours ago, which no rule could see.
        let seen = if number % 2 == 0 { 60_000 } else { 2 * HOUR };
        past.hit(&PastHit { kind: Kind::Open, at: person.at - seen, ..person }, &ruleset);
        past.hit(&person, &ruleset);
        // Behind a queue of twenty minutes, and scanned three hours after the sending: too long after the delivery for
        // that to count, here as in the rule.
        let slow = format!("l-{number}");
        past.delivered(&slow, delivered + 20 * MINUTE, "slow.example");
        past.hit(
            &PastHit {
                domain: "slow.example",
                sent: Some(delivered),
                ..PastHit::click(&slow, delivered + 3 * HOUR + number * 1000, BARRACUDA)
            },
            &ruleset,
        );
        // One person's domain: whatever its habits, they are nobody's business.
        if number < 20 {
            past.hit(
                &PastHit { domain: "jane.example", ..PastHit::click(&few, delivered + 40_000, BARRACUDA) },
                &ruleset,
            );
        }
        // As many mails as one likes may be to one person: nobody can tell who does not say to whom they are.
        let nameless = format!("nameless-{number}");
        past.delivered(&nameless, delivered, "jane.example.org");
        past.hit(
            &PastHit {
                domain: "jane.example.org",
                ..PastHit::click(&nameless, delivered + 40_000, BARRACUDA)
            },
            &ruleset,
        );
    }
    past.write(&system, &data).await;
    let before = verdict_on_click(&system, "before", "clinic.example", 40_000).await;
    assert!(!scan_time(&before), "{before}");

    let said = run(&system, &["learn"]);
    assert!(
        said.contains("+ clinic.example: 121 messages, scanned ") && said.contains("(60 of them, 1 people's"),
        "{said}"
    );
    assert!(said.contains("30 of 61 readers' clicks after an image load"), "{said}");
    assert!(said.contains("+ slow.example: 60 messages, scanned "), "{said}");
    assert!(said.contains("2 domains learned") && said.contains("learned.toml.new"), "{said}");
    assert!(!said.contains("jane.example"), "{said}");
    let file = data.join("learned.toml");
    assert!(!file.exists(), "nothing is in force that was not reviewed");
    let proposal = fs::read_to_string(data.join("learned.toml.new")).unwrap();
    assert!(proposal.contains("name = \"clinic.example\"") && !proposal.contains("s-1"), "{proposal}");
    let said = run(&system, &["learn", "--apply"]);
    assert!(said.contains("2 domains are in force"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), proposal);
    // The same again is no change.
    let said = run(&system, &["learn"]);
    assert!(said.contains("0 changes to what is in force"), "{said}");

    // It is in force without a restart.
    let click = || async {
        let message = format!("at-40-s-{}", now());
        verdict_on_click(&system, &message, "clinic.example", 40_000).await
    };
    let scanned = wait_until(click, scan_time).await;
    assert_eq!(scanned["actor"], "unknown", "evidence, never alone decisive: {scanned}");
    assert_ne!(scanned["ruleset"], before["ruleset"], "the file is part of the ruleset");
    for (message, domain, ago) in
        [("at-3-h", "clinic.example", 3 * HOUR), ("elsewhere", "other.example", 40_000)]
    {
        let read = verdict_on_click(&system, message, domain, ago).await;
        assert_eq!((scan_time(&read), &read["actor"]), (false, &json!("human")), "{message}: {read}");
    }
    // Counted from the sending, as it was learned; a delivery three hours ago says nothing of either.
    let slow =
        verdict_on(&system, "slow-at-3-h", "slow.example", 3 * HOUR + 30_000, 2 * HOUR + 40 * MINUTE).await;
    assert!(scan_time(&slow), "{slow}");
    let other = verdict_on(&system, "slow-at-6-h", "slow.example", 6 * HOUR, 3 * HOUR + 30_000).await;
    assert!(!scan_time(&other), "{other}");
    system.stop();

    // A file that somebody broke is refused with its line, and nothing starts.
    fs::write(&file, proposal.replace("messages = 121", "messages = 1")).unwrap();
    let output = Program::new(&data, &["up"]).output();
    let said = String::from_utf8(output.stderr).unwrap();
    let line = 1 + proposal.lines().position(|line| line == "messages = 121").unwrap();
    assert!(!output.status.success() && said.contains(&format!("learned.toml:{line}: ")), "{said}");
}
