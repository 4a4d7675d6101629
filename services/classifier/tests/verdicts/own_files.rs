//! An operator's own signature files over those that the program ships with.

use crate::support::{BARRACUDA, CHROME, RULESET, click, open};
use classifier::data::Data;
use classifier::{BUILTIN_FILES, Cause, MOST_PATTERN_BYTES, Ruleset, SignatureError, SignatureFile};

const ACME: &str = r#"about = "Acme's gateway, as its manual states it"

[[agents]]
family = "gateway"
who = "sophos"
kind = "contains"
patterns = ["AcmeMailGuard/"]
certainty = "certain"
source = "https://acme.example/manual"
date = "2026-11-20"

[[networks]]
family = "gateway"
who = "cisco"
title = "Acme's network"
ranges = ["192.0.2.0/24", "2001:db8::/32"]
asns = [64500]
certainty = "probable"
source = "https://acme.example/manual"
date = "2026-11"
"#;

fn with(own: &[(&str, &str)]) -> Result<Ruleset, SignatureError> {
    let own: Vec<_> = own.iter().map(|(name, text)| SignatureFile { name, text }).collect();
    Ruleset::with_own(&own, Data::shipped())
}

fn shipped(name: &str) -> &'static str {
    BUILTIN_FILES.iter().find(|file| file.name == name).unwrap().text
}

/// The good file with another pattern.
fn acme(pattern: &str) -> String {
    ACME.replace("AcmeMailGuard/", pattern)
}

#[test]
fn a_file_of_another_name_adds() {
    let ruleset = with(&[("acme.toml", ACME)]).unwrap();
    click("AcmeMailGuard/3.1").judged_by(&ruleset).automated("sophos");
    open(CHROME).ip("192.0.2.9").judged_by(&ruleset).automated("cisco");
    open(CHROME).asn(64500).judged_by(&ruleset).automated("cisco");
    open(BARRACUDA).judged_by(&ruleset).automated("barracuda");
    open(CHROME).judged_by(&ruleset).human("chrome");
    let held = ruleset.files().last().unwrap();
    assert_eq!((held.name.as_str(), held.patterns, held.networks), ("acme.toml", 1, 3));
    assert_eq!(held.newest.as_deref(), Some("2026-11-20"));
    assert_eq!(ruleset.files().len(), BUILTIN_FILES.len() + 1);
}

#[test]
fn a_file_of_a_shipped_name_takes_its_place_and_an_empty_one_switches_it_off() {
    let replaced = with(&[("barracuda.toml", ACME)]).unwrap();
    let names: Vec<_> = replaced.files().iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, BUILTIN_FILES.iter().map(|file| file.name).collect::<Vec<_>>());
    click("AcmeMailGuard/3.1").judged_by(&replaced).automated("sophos");
    let off = with(&[("barracuda.toml", "about = \"off\"\n")]).unwrap();
    let held = off.files().iter().find(|file| file.name == "barracuda.toml").unwrap();
    assert_eq!((held.patterns, held.networks, held.newest.as_deref()), (0, 0, None));
    let fired = |ruleset: &Ruleset| open(BARRACUDA).ip("209.222.82.9").judged_by(ruleset).judgement.verdict;
    assert_eq!(fired(&RULESET).source, "barracuda");
    for ruleset in [&replaced, &off] {
        assert_ne!(fired(ruleset).source, "barracuda");
    }
}

#[test]
fn every_set_of_files_is_a_version_of_its_own() {
    let version = |own: &[(&str, &str)]| with(own).unwrap().version().to_owned();
    let builtin = RULESET.version();
    assert_eq!(version(&[]), builtin);
    assert_eq!(
        version(&[("barracuda.toml", shipped("barracuda.toml"))]),
        builtin,
        "the same text in its place"
    );
    let added = version(&[("acme.toml", ACME)]);
    assert_eq!(version(&[("acme.toml", ACME)]), added);
    let others = [
        version(&[("other.toml", ACME)]),
        version(&[("acme.toml", &acme("AcmeMailGuard/4"))]),
        version(&[("barracuda.toml", ACME)]),
        version(&[("barracuda.toml", "about = \"off\"\n")]),
        version(&[("acme.toml", ACME), ("empty.toml", "about = \"nothing\"\n")]),
    ];
    let mut all = vec![builtin.to_owned(), added];
    all.extend(others);
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "{all:?}");
}

#[test]
fn a_pattern_of_a_shipped_file_is_refused_in_the_own_file_with_what_to_do() {
    let text = acme("Barracuda Sentinel").replace("\"contains\"", "\"prefix\"");
    let expected = |file: &str, other: &str, shipped| {
        let (pattern, other) = ("Barracuda Sentinel".to_owned(), other.to_owned());
        let cause = Cause::Repeated { pattern, file: other, line: 7, shipped };
        SignatureError { file: file.to_owned(), line: 7, cause }
    };
    let refused = with(&[("zzz.toml", &text)]).unwrap_err();
    assert_eq!(refused, expected("zzz.toml", "barracuda.toml", true));
    let said = refused.to_string();
    assert!(said.starts_with("zzz.toml:7: ") && said.contains("barracuda.toml:7"), "{said}");
    assert!(said.contains("leave it out, or replace that file whole"), "{said}");
    // The own one answers too where it is read before the shipped one.
    let refused = with(&[("apple.toml", &text)]).unwrap_err();
    assert_eq!(refused, expected("apple.toml", "barracuda.toml", true));
    // Of two own ones the later, and the shipped one is out of it.
    let own =
        [("acme.toml", text.as_str()), ("barracuda.toml", "about = \"off\"\n"), ("zzz.toml", text.as_str())];
    let refused = with(&own).unwrap_err();
    assert_eq!(refused, expected("zzz.toml", "acme.toml", false));
    assert!(!refused.to_string().contains("ships"), "{refused}");
}

#[test]
fn an_error_names_the_own_file_and_its_line() {
    for (text, line, word) in [
        (ACME.replace("\"sophos\"", "\"acme\""), 5, "acme"),
        (ACME.replace("64500", "0"), 17, "autonomous"),
        (ACME.replace("[[networks]]", "[[network]]"), 12, "network"),
        (acme(&"x".repeat(MOST_PATTERN_BYTES)), 7, "longer than"),
    ] {
        let refused = with(&[("acme.toml", &text)]).unwrap_err();
        assert_eq!((refused.file.as_str(), refused.line), ("acme.toml", line), "{refused}");
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[test]
fn more_entries_than_can_be_numbered_are_refused_with_their_line() {
    let network = ACME.split("\n\n").last().unwrap();
    let text = format!("about = \"many\"\n\n{}", format!("{}\n", network.trim_end()).repeat(65_600));
    let refused = with(&[("many.toml", &text)]).unwrap_err();
    assert_eq!(refused.cause, Cause::TooMany);
    assert!(refused.line > 100_000, "{refused}");
}
