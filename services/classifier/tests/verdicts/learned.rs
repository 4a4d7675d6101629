//! What was learned of recipient domains: evidence at the time when their links are scanned, and a file that is checked.

use crate::support::{CHROME, RULESET};
use classifier::learned::{BINS, Band, Counted, Learned, Readers, bin_edge_ms};
use classifier::{Facts, Judgement, Ruleset, classify_file};
use engagement::{Actor, Kind, Timestamp};
use serde_json::{Value, json};

const FILE: &str = r#"about = "for a test"
version = 1
from = "2026-10-01T00:00:00Z"
to = "2026-11-01T00:00:00Z"

[[domains]]
name = "clinic.example"
messages = 812
scans = [
  { from_ms = 36000, to_ms = 48000, scanned = 790, people = 3 },
  { from_ms = 10800000, to_ms = 12400000, scanned = 210, people = 9 },
]
readers = { clicks = 120, with_image = 113 }
"#;

/// A domain of which more than a fifth load no images before they click.
const BLOCKS: &str = r#"
[[domains]]
name = "blocks.example"
messages = 400
readers = { clicks = 100, with_image = 79 }
"#;

fn ruleset() -> Ruleset {
    Ruleset::builtin().with_learned("learned.toml", FILE).unwrap()
}

fn click_after(ruleset: &Ruleset, domain: &str, after: i64, kind: Kind) -> Judgement {
    let delivered = Timestamp::parse("2026-11-02T09:00:00Z").unwrap();
    ruleset.judge(&Facts {
        delivered_at: Some(delivered),
        recipient_domain: Some(domain),
        ip: Some("198.51.100.20".parse().unwrap()),
        ua: CHROME,
        ..Facts::of(kind, delivered.plus_millis(after))
    })
}

fn found(judgement: &Judgement) -> bool {
    judgement.verdict.reasons.iter().any(|reason| reason.rule == "scan_time")
}

#[test]
fn a_click_when_the_domains_links_are_scanned_is_evidence_and_decides_nothing_alone() {
    let ruleset = ruleset();
    let scanned = click_after(&ruleset, "clinic.example", 40_000, Kind::Click);
    assert!(found(&scanned), "{scanned:?}");
    assert_eq!(scanned.verdict.actor, Actor::Unknown, "a doubt, and no more");
    let evidence = scanned.verdict.reasons.iter().find(|reason| reason.rule == "scan_time");
    let evidence = &evidence.unwrap().evidence;
    assert!(
        evidence.starts_with("36.0 to 48.0 s after the delivery") && !evidence.contains("790"),
        "{evidence}"
    );
    assert!(found(&click_after(&ruleset, "clinic.example", 11_000_000, Kind::Click)));

    // A person at another time, at the edges, in another domain, or who only opens.
    for (domain, after, kind) in [
        ("clinic.example", 3 * 3_600_000 - 1, Kind::Click),
        ("clinic.example", 48_000, Kind::Click),
        ("clinic.example", 35_999, Kind::Click),
        ("other.example", 40_000, Kind::Click),
        ("clinic.example", 40_000, Kind::Open),
    ] {
        let judged = click_after(&ruleset, domain, after, kind);
        assert!(!found(&judged), "{domain} {after}");
        assert_eq!(judged.verdict.actor, Actor::Human, "{domain} {after}");
    }
    // Without the file nobody is doubted.
    assert_eq!(click_after(&RULESET, "clinic.example", 40_000, Kind::Click).verdict.actor, Actor::Human);
}

#[test]
fn the_file_is_part_of_the_version() {
    let first = ruleset();
    assert_ne!(first.version(), RULESET.version());
    let other = FILE.replace("790", "791");
    let second = Ruleset::builtin().with_learned("learned.toml", &other).unwrap();
    assert_ne!(first.version(), second.version());
    assert_eq!(first.version(), ruleset().version());
    let readers = first.learned().domain("clinic.example").unwrap().readers;
    assert_eq!(readers, Some(Readers { clicks: 120, with_image: 113 }));
}

#[test]
fn a_malformed_file_is_refused_with_its_line() {
    for (from, to, line, named) in [
        ("messages = 812", "messages = many", 8, ""),
        ("messages = 812", "", 6, "messages"),
        ("messages = 812", "mesages = 812", 8, "mesages"),
        ("version = 1", "version = 2", 2, "version 2"),
        ("clinic.example", "Clinic.example", 7, "lower case"),
        ("clinic.example", "a@clinic.example", 7, "domain"),
        ("messages = 812", "messages = 49", 8, "49 messages"),
        ("from_ms = 36000", "from_ms = 48000", 10, "no time"),
        ("to_ms = 12400000", "to_ms = 99400000", 11, "no time"),
        ("from_ms = 10800000", "from_ms = 40000", 11, "not in order"),
        ("scanned = 790", "scanned = 813", 10, "813 scanned"),
        ("scanned = 790", "scanned = 0", 10, "0 scanned"),
        ("with_image = 113", "with_image = 121", 13, "more image loads"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let error = Learned::read("learned.toml", &FILE.replacen(from, to, 1)).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("learned.toml", line), "{from} → {to}: {error}");
        assert!(error.reason.contains(named), "{error}");
        assert!(error.to_string().starts_with(&format!("learned.toml:{line}: ")), "{error}");
    }
    let twice = format!("{FILE}\n[[domains]]\nname = \"clinic.example\"\nmessages = 60\n");
    let error = Learned::read("learned.toml", &twice).unwrap_err();
    assert_eq!((error.line, error.reason.as_str()), (16, "the domain was given before"));
}

#[test]
fn what_is_written_is_read_back_and_compared_line_by_line() {
    let known = Learned::read("learned.toml", FILE).unwrap();
    let text = known.text("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert_eq!(Learned::read("again.toml", &text), Ok(known.clone()));

    let at = |after: i64| (0..BINS).rev().find(|bin| bin_edge_ms(*bin) <= after).unwrap();
    let mut scanned = vec![0; BINS];
    scanned[at(40_000)] = 60;
    let readers = Readers { clicks: 3, with_image: 3 };
    let counted = Counted { messages: 90, scanned, people: vec![0; BINS], readers };
    let found = Learned::of([("new.example".to_owned(), counted)]);
    let habits = found.domain("new.example").unwrap();
    let [Band { from_ms, to_ms, scanned: 60, people: 0 }] = habits.scans[..] else { panic!("{habits:?}") };
    assert!((from_ms..to_ms).contains(&40_000));
    assert_eq!(habits.readers, None, "three clicks show no habit");
    assert_eq!(Learned::read("new.toml", &found.text("", "")), Ok(found.clone()));

    let changes = found.changes(&known);
    assert_eq!(changes.len(), 2);
    assert!(changes[0].starts_with("- clinic.example: 812 messages, scanned 36.0 to 48.0 s"), "{changes:?}");
    assert!(changes[1].starts_with("+ new.example: 90 messages"), "{changes:?}");
    assert!(found.changes(&found).is_empty());
}

/// The evidence of `unopened` on a reader's click, in a file of this many image loads of others around it, and of their own before.
fn unopened(domain: &str, others: usize, own: bool) -> Option<String> {
    let line = |id: &str, message: &str, kind: &str, second: usize| {
        json!({"event_id": id, "kind": kind, "received_at": format!("2026-11-02T09:00:{second:02}Z"),
            "message_id": message, "recipient_id": message, "recipient_domain": domain, "link_index": 0,
            "link_count": 3, "method": "GET", "ip": "198.51.100.7", "ua": CHROME})
        .to_string()
    };
    let mut lines: Vec<String> =
        (0..others).map(|other| line(&format!("o{other}"), &format!("m{other}"), "open", other)).collect();
    lines.extend(own.then(|| line("image", "m", "open", 40)));
    lines.push(line("click", "m", "click", 50));
    let mut verdicts = Vec::new();
    let ruleset = Ruleset::builtin().with_learned("learned.toml", &format!("{FILE}{BLOCKS}")).unwrap();
    classify_file(lines.join("\n").as_bytes(), &mut verdicts, &ruleset).unwrap();
    let verdicts = String::from_utf8(verdicts).unwrap();
    let verdict: Value = serde_json::from_str(verdicts.lines().last().unwrap()).unwrap();
    assert_eq!(verdict["actor"], "human", "it decides nothing alone");
    let reasons = verdict["reasons"].as_array().unwrap();
    let reason = reasons.iter().find(|reason| reason["rule"] == "unopened")?;
    Some(reason["evidence"].as_str().unwrap().to_owned())
}

#[test]
fn a_click_without_an_image_is_evidence_where_readers_are_known_to_load_them() {
    let known = unopened("clinic.example", 0, false).unwrap();
    assert!(known.contains("are known to load one"), "{known}");
    // They loaded one.
    assert_eq!(unopened("clinic.example", 0, true), None);
    // Where nothing was learned, what readers do now counts.
    assert_eq!(unopened("other.example", 0, false), None);
    let now = unopened("other.example", 12, false).unwrap();
    assert!(now.contains("while readers of the domain load images"), "{now}");
    // A fifth and more of these load none: whatever the others do, it says nothing.
    assert_eq!(unopened("blocks.example", 12, false), None);
}
