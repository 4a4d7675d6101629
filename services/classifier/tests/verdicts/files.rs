//! Judging a file of hits, and explaining one.

use crate::support::{CHROME, RULESET};
use classifier::{Facts, FileSummary, classify_file, explain};
use engagement::{Kind, Timestamp};
use serde_json::Value;

fn run(input: &[u8]) -> (FileSummary, Vec<Value>) {
    let mut output = Vec::new();
    let summary = classify_file(input, &mut output, &RULESET).unwrap();
    let lines = String::from_utf8(output).unwrap();
    (summary, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn line(id: &str, kind: &str, ua: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","kind":"{kind}","received_at":"2026-11-02T09:00:00Z","message_id":"m","method":"GET","ip":"203.0.113.7","ua":"{ua}","headers":{{}}}}"#
    )
}

#[test]
fn one_output_line_an_event_in_input_order() {
    let input = [
        line("not a uuid", "open", "Mozilla/5.0"),
        line("2", "click", "Barracuda Sentinel (EE)"),
        String::new(),
        line("1", "click", CHROME),
    ]
    .join("\n");
    let (summary, lines) = run(input.as_bytes());
    assert_eq!(summary, FileSummary { ok: 3, bad: vec![] });
    let said: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["event_id"].as_str().unwrap(),
                line["actor"].as_str().unwrap(),
                line["source"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [("not a uuid", "automated", "apple_mpp"), ("2", "automated", "barracuda"), ("1", "human", "chrome")]
    );
    let keys: Vec<_> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["event_id", "actor", "source", "confidence", "reasons", "ruleset", "revision"] {
        assert!(keys.contains(&key), "{key}");
    }
    assert_eq!(keys.len(), 7);
    assert_eq!(lines[0]["revision"], 1);
    assert_eq!(lines[0]["ruleset"], RULESET.version());
    assert_eq!(lines[0]["reasons"][0]["rule"], "apple_mpp");
}

#[test]
fn optional_and_unknown_fields_are_taken() {
    let full = r#"{"event_id":"e","kind":"click","received_at":"2026-11-02T10:00:00+01:00","account":"demo","message_id":"m","recipient_id":"r","link_index":1,"link_count":9,"sent_at":"2026-11-02T08:59:00Z","delivered_at":"2026-11-02T08:59:30Z","recipient_domain":"example.org","method":"GET","ip":"2001:db8::1","ua":"x","headers":{"Sec-Purpose":"prefetch"},"trailing":"%27","invented":{"later":[1]}}"#;
    let few = r#"{"event_id":"f","kind":"open","received_at":"2026-11-02T09:00:00Z","message_id":"m","method":"GET","ip":null,"ua":null}"#;
    let (summary, lines) = run(format!("{full}\r\n{few}\n").as_bytes());
    assert_eq!((summary.ok, summary.bad), (2, vec![]));
    // Header names come in any case.
    assert_eq!(lines[0]["source"], "browser_prefetch");
    // The prefetch, the bare agent, and half a minute since the delivery.
    assert_eq!(lines[0]["reasons"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&lines[1]["actor"], &lines[1]["reasons"][0]["rule"]),
        (&"unknown".into(), &"empty_agent".into())
    );
}

#[test]
fn a_bad_line_stops_nothing_and_is_named() {
    let good = line("good", "open", "Mozilla/5.0");
    let long = format!("{{\"event_id\":\"{}\"}}", "x".repeat(1 << 21));
    let mut input = Vec::new();
    for part in [
        good.as_bytes(),
        b"{",
        b"[]",
        b"\"\xff\"",
        good.replace("203.0.113.7", "203.0.113.700").as_bytes(),
        good.replace("\"open\"", "\"opened\"").as_bytes(),
        good.replace("2026-11-02", "0026-11-02").as_bytes(),
        good.replace("\"event_id\":\"good\",", "").as_bytes(),
        good.replace("\"message_id\":\"m\"", &format!("\"message_id\":{{\"{}\":1}}", "y".repeat(900)))
            .as_bytes(),
        long.as_bytes(),
        good.as_bytes(),
    ] {
        input.extend_from_slice(part);
        input.push(b'\n');
    }
    let (summary, lines) = run(&input);
    assert_eq!((summary.ok, lines.len()), (2, 2));
    let numbers: Vec<u64> = summary.bad.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (2..=10).collect::<Vec<_>>());
    let reasons: Vec<&str> = summary.bad.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(reasons[4].contains("opened"), "{reasons:?}");
    assert!(reasons[5].contains("year 2000"), "{reasons:?}");
    assert!(reasons[6].contains("event_id"), "{reasons:?}");
    assert!(reasons[8].contains("longer than"), "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.is_empty() && reason.len() < 250));
}

#[test]
fn the_output_is_the_same_every_time() {
    let input = [line("a", "open", "Mozilla/5.0"), line("b", "click", CHROME)].join("\n");
    let mut first = Vec::new();
    let mut second = Vec::new();
    classify_file(input.as_bytes(), &mut first, &RULESET).unwrap();
    classify_file(input.as_bytes(), &mut second, &RULESET).unwrap();
    assert_eq!(first, second);
}

#[test]
fn an_explanation_names_everything() {
    let received = Timestamp::parse("2026-11-02T09:00:00Z").unwrap();
    let facts =
        Facts { ua: CHROME, ip: Some("209.222.82.9".parse().unwrap()), ..Facts::of(Kind::Click, received) };
    let text = explain(&facts, &RULESET.judge(&facts));
    for part in [
        "automated",
        "click",
        "Barracuda mail gateway",
        "85 %",
        "scanners",
        "Chrome",
        RULESET.version(),
        "gateway_network",
        "browser",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains("209.222.82.9"));

    let facts = Facts { ua: "x", ..Facts::of(Kind::Open, received) };
    let text = explain(&facts, &RULESET.judge(&facts));
    assert!(text.contains("unknown of open") && text.contains("never left out"), "{text}");
    assert!(!text.contains("sure"), "{text}");
}
