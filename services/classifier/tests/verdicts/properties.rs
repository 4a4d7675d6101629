//! What must hold for any input, however odd.

use crate::support::RULESET;
use classifier::{Facts, RULES};
use engagement::{Kind, Timestamp, sources};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Bits of agents that rules look for, so that random agents come near them.
const PIECES: &[&str] = &[
    "Mozilla/5.0",
    " ",
    "(Windows NT 5.1; rv:11.0)",
    "(Macintosh; Intel Mac OS X 10_15_7)",
    "AppleWebKit/537.36 (KHTML, like Gecko)",
    "Chrome/",
    "Chrome/99999999999999",
    "Chrome/42.0",
    "Safari/537.36",
    "Edge/12.246",
    "Trident/7.0",
    "MSIE 8.0;",
    "ms-office",
    "(via ggpht.com GoogleImageProxy)",
    "Barracuda Sentinel (EE)",
    "okhttp/4",
    "bot/",
    "+http://",
    "CUBOT",
    "Mobile/15E148",
    "é\u{0}\u{202e}",
];

fn agent() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![
        any::<String>(),
        pieces,
        (any::<String>(), any::<String>()).prop_map(|(a, b)| format!("{a}Mozilla/5.0{b}"))
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Open, Kind::Click, Kind::Unsubscribe, Kind::Trap])
}

fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name =
        prop_oneof![prop::sample::select(classifier::HEADERS_READ).prop_map(str::to_owned), any::<String>()];
    let value = prop_oneof![Just("prefetch".to_owned()), any::<String>()];
    prop::collection::btree_map(name, value, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn never_panics_and_always_says_why(
        kind in kind(),
        agent in agent(),
        method in prop_oneof![Just("GET".to_owned()), Just("HEAD".to_owned()), any::<String>()],
        ip in any::<Option<IpAddr>>(),
        asn in any::<Option<u32>>(),
        headers in headers(),
        trailing in any::<Option<String>>(),
    ) {
        let received = Timestamp::from_millis(1_793_610_000_000).unwrap();
        let facts = Facts {
            method: &method,
            ip,
            asn,
            ua: &agent,
            headers: &headers,
            trailing: trailing.as_deref(),
            ..Facts::of(kind, received)
        };
        let judgement = RULESET.judge(&facts);
        let verdict = &judgement.verdict;

        // Every reason is a rule's and speaks for a source of the closed list; the first one decided.
        prop_assert!(!verdict.reasons.is_empty());
        for reason in &verdict.reasons {
            prop_assert!(sources::find(&reason.source).is_some());
            prop_assert!(["undecided", "together"].contains(&reason.rule.as_ref()) || RULES.iter().any(|rule| rule.name == reason.rule));
            prop_assert!((0.0..=1.0).contains(&reason.confidence));
        }
        prop_assert_eq!(&verdict.reasons[0].source, &verdict.source);
        prop_assert_eq!(verdict.reasons[0].confidence, verdict.confidence);
        prop_assert_eq!(sources::find(&verdict.source).map(|source| source.actor), Some(verdict.actor));
        prop_assert_eq!(verdict.revision, 1);

        // The same hit is judged the same again, and one header that no rule reads changes nothing.
        prop_assert_eq!(&RULESET.judge(&facts), &judgement);
        let mut more = headers.clone();
        more.insert("accept-language".to_owned(), "de".to_owned());
        prop_assert_eq!(&RULESET.judge(&Facts { headers: &more, ..facts }), &judgement);

        // What people read of it never holds the agent as sent, nor the address.
        let secret = format!("{agent} reader@example.org");
        let told = RULESET.judge(&Facts { ua: &secret, ..facts });
        for reason in &told.verdict.reasons {
            prop_assert!(!reason.evidence.contains("reader@example.org"));
            if let Some(ip) = ip {
                let address = ip.to_string();
                // Published ranges are named in the titles; no client's own address may be.
                prop_assert!(address.len() < 7 || !reason.evidence.contains(&address));
            }
        }
    }
}

#[test]
fn the_version_is_of_the_data_and_the_rules() {
    let again = classifier::Ruleset::builtin();
    assert_eq!(again.version(), RULESET.version());
    let (release, hash) = RULESET.version().split_once('-').unwrap();
    assert_eq!(release.split('.').count(), 3);
    assert!(hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));

    // One more byte in one file is another ruleset.
    let mut files = classifier::BUILTIN_FILES.to_vec();
    let text = format!("{}\n", files[3].text);
    files[3].text = &text;
    assert_ne!(classifier::Ruleset::from_files(&files).unwrap().version(), RULESET.version());
}

#[test]
fn rules_are_named_once() {
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
}
