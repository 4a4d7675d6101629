//! Signature files: what is refused, with its file and line, and what a good one does.

use crate::support::{CHROME, click, open};
use classifier::{BUILTIN_FILES, Cause, Ruleset, SignatureError, SignatureFile};

const GOOD: &str = r#"about = "Example"

[[agents]]
family = "gateway"
who = "sophos"
kind = "contains"
patterns = ["Example Scanner/"]
endpoints = "click"
certainty = "certain"
client = "Example"
source = "https://example.org"
date = "2026-11-01"

[[networks]]
family = "gateway"
who = "cisco"
title = "Example's network"
ranges = ["192.0.2.0/24", "2001:db8::/32"]
asns = [64500]
certainty = "probable"
source = "https://example.org"
date = "2026-11"
"#;

fn load(text: &str) -> Result<Ruleset, SignatureError> {
    Ruleset::from_files(&[SignatureFile { name: "example.toml", text }])
}

/// The refusal of the good file with one text in it replaced.
fn refused(from: &str, to: &str) -> SignatureError {
    assert!(GOOD.contains(from));
    load(&GOOD.replacen(from, to, 1)).unwrap_err()
}

fn repeated(pattern: &str, file: &str, line: usize, shipped: bool) -> Cause {
    Cause::Repeated { pattern: pattern.into(), file: file.into(), line, shipped }
}

#[test]
fn a_good_file_is_matched_at_its_endpoint() {
    let ruleset = load(GOOD).unwrap();
    click("Example Scanner/1").judged_by(&ruleset).automated("sophos").client("Example");
    open("Example Scanner/1").judged_by(&ruleset).unknown("unknown");
    for ip in ["192.0.2.255", "2001:db8:ffff::1"] {
        open(CHROME).ip(ip).judged_by(&ruleset).automated("cisco");
    }
    open(CHROME).asn(64500).judged_by(&ruleset).automated("cisco");
    open(CHROME).ip("192.0.3.0").asn(64501).judged_by(&ruleset).human("chrome");
}

#[test]
fn an_error_is_refused_with_its_line() {
    let cases: &[(&str, &str, usize, Cause)] = &[
        ("\"sophos\"", "\"nobody\"", 5, Cause::UnknownSource("nobody".into())),
        ("\"sophos\"", "\"chrome\"", 5, Cause::WrongActor("chrome".into())),
        ("\"Example Scanner/\"", "\"\"", 7, Cause::EmptyPattern),
        ("[\"Example Scanner/\"]", "[]", 3, Cause::Empty),
        ("\"Example Scanner/\"", "\"a\",\n  \"a\"", 8, repeated("a", "example.toml", 7, false)),
        ("192.0.2.0/24", "192.0.2.0/33", 18, Cause::BadRange("192.0.2.0/33".into())),
        ("192.0.2.0/24", "192.0.2.0", 18, Cause::BadRange("192.0.2.0".into())),
        ("192.0.2.0/24", "192.0.2.1/24", 18, Cause::LooseRange("192.0.2.1/24".into())),
        ("192.0.2.0/24", "0.0.0.0/0", 18, Cause::WideRange("0.0.0.0/0".into())),
        ("64500", "0", 19, Cause::BadSystem(0)),
        ("\"2026-11-01\"", "\"yesterday\"", 12, Cause::BadDate("yesterday".into())),
        ("\"2026-11-01\"", "\"2026-13\"", 12, Cause::BadDate("2026-13".into())),
        ("\"https://example.org\"", "\" \"", 11, Cause::NoReference),
    ];
    for (from, to, line, cause) in cases {
        let error = refused(from, to);
        assert_eq!((error.file.as_str(), error.line, &error.cause), ("example.toml", *line, cause));
        assert!(error.to_string().starts_with(&format!("example.toml:{line}: ")), "{error}");
    }
}

#[test]
fn a_wrong_shape_is_refused_with_its_line() {
    let cases: &[(&str, &str, usize, &str)] = &[
        ("date = \"2026-11-01\"\n", "", 3, "date"),
        ("source = \"https://example.org\"\n", "", 3, "source"),
        ("client =", "cleint =", 10, "cleint"),
        ("family = \"gateway\"", "family = \"gate\"", 4, "gate"),
        ("kind = \"contains\"", "kind = \"regex\"", 6, "regex"),
        ("certainty = \"certain\"", "certainty = \"sure\"", 9, "sure"),
        ("asns = [64500]", "asns = [\"64500\"]", 19, "string"),
        ("about = \"Example\"\n", "", 1, "about"),
        ("[[networks]]", "[[network]]", 14, "network"),
        ("title =", "title", 17, ""),
    ];
    for (from, to, line, word) in cases {
        let error = refused(from, to);
        assert_eq!((error.file.as_str(), error.line), ("example.toml", *line), "{error}");
        assert!(matches!(&error.cause, Cause::Shape(text) if text.contains(word)), "{error}");
    }
}

#[test]
fn every_file_in_the_folder_is_built_in() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let built_in: Vec<_> = BUILTIN_FILES.iter().map(|file| file.name).collect();
    assert_eq!(files, built_in);
}

/// One damaged byte anywhere in the shipped data is either refused with a line of that file or changes the version.
#[test]
fn damage_to_the_shipped_files_never_goes_unseen() {
    let whole = Ruleset::builtin();
    for (number, file) in BUILTIN_FILES.iter().enumerate() {
        let lines = file.text.lines().count();
        for line in (0..lines).step_by(7) {
            let kept: Vec<&str> =
                file.text.lines().enumerate().filter(|(n, _)| *n != line).map(|(_, l)| l).collect();
            let text = kept.join("\n");
            let mut files = BUILTIN_FILES.to_vec();
            files[number].text = &text;
            match Ruleset::from_files(&files) {
                Ok(ruleset) => assert_ne!(ruleset.version(), whole.version()),
                Err(error) => {
                    assert_eq!(error.file, file.name);
                    assert!((1..=lines).contains(&error.line), "{error}");
                }
            }
        }
    }
}
