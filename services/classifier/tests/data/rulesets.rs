//! What a ruleset makes of data sets: systems and countries of addresses, lists behind signatures, another version.

use classifier::data::{Data, DataSet, Name, Part, Shape};
use classifier::{Facts, Judgement, Ruleset, SignatureFile};
use engagement::{Actor, Hit, Kind, Timestamp};
use std::sync::Arc;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

fn with(sets: &[(Name, Shape, &str)]) -> Ruleset {
    let mut data = Data::shipped();
    for (name, shape, text) in sets {
        let part = Part { shape: *shape, bytes: text.as_bytes() };
        data.put(Arc::new(DataSet::read(*name, &[part], "a test", "2026-11-02").unwrap()));
    }
    Ruleset::with(data)
}

fn click(ruleset: &Ruleset, ip: &str) -> Judgement {
    let received = Timestamp::parse("2026-11-02T09:00:00Z").unwrap();
    ruleset.judge(&Facts { ip: Some(ip.parse().unwrap()), ua: CHROME, ..Facts::of(Kind::Click, received) })
}

#[test]
fn systems_and_countries_are_looked_up_and_their_rules_come_alive() {
    let systems = "192.0.2.0,192.0.2.127,7583,Symantec\n192.0.2.128,192.0.2.255,64500,Example\n";
    let countries = "192.0.2.0,192.0.2.255,DE\n";
    let ruleset = with(&[(Name::Asn, Shape::Systems, systems), (Name::Country, Shape::Countries, countries)]);
    let scanned = click(&ruleset, "192.0.2.9");
    assert_eq!((scanned.verdict.actor, scanned.verdict.source.as_str()), (Actor::Automated, "symantec"));
    assert_eq!((scanned.traits.asn, scanned.traits.country.as_str()), (Some(7583), "DE"));
    let read = click(&ruleset, "::ffff:192.0.2.200");
    assert_eq!((read.verdict.actor, read.traits.asn), (Actor::Human, Some(64500)));
    let elsewhere = click(&ruleset, "203.0.113.9");
    assert_eq!((elsewhere.traits.asn, elsewhere.traits.country.as_str()), (None, ""));
    // Without the database the same address says nothing.
    assert_eq!(click(&Ruleset::builtin(), "192.0.2.9").verdict.actor, Actor::Human);
}

#[test]
fn a_list_takes_the_place_of_the_ranges_that_a_signature_has_itself() {
    let shipped = Ruleset::builtin();
    assert_eq!(click(&shipped, "40.107.3.3").verdict.source, "microsoft_safelinks");
    let list =
        "# a test\n198.51.100.0,198.51.100.255\n198.51.101.0,198.51.101.255\n2001:db8::,2001:db8::ff\n";
    let moved = with(&[(Name::MicrosoftFiltering, Shape::List, list)]);
    assert_eq!(click(&moved, "198.51.100.7").verdict.source, "microsoft_safelinks");
    assert_ne!(click(&moved, "40.107.3.3").verdict.source, "microsoft_safelinks");
    assert_eq!(click(&moved, "2001:db8::7").verdict.source, "microsoft_safelinks");
}

#[test]
fn other_data_are_another_version_and_the_same_data_the_same() {
    let systems = |number: u32| format!("192.0.2.0,192.0.2.255,{number},Example\n");
    let version = |number| with(&[(Name::Asn, Shape::Systems, &systems(number))]).version().to_owned();
    assert_eq!(version(64500), version(64500));
    assert_ne!(version(64500), version(64501));
    assert_ne!(version(64500), Ruleset::builtin().version());
}

#[test]
fn a_list_that_does_not_exist_is_refused_with_its_line() {
    let text = "about = \"x\"\n\n[[networks]]\nfamily = \"gateway\"\nwho = \"cisco\"\ntitle = \"t\"\nlist = \"nowhere\"\n\
        certainty = \"probable\"\nsource = \"s\"\ndate = \"2026-11\"\n";
    let refused = Ruleset::from_files(&[SignatureFile { name: "x.toml", text }]).unwrap_err();
    assert_eq!(refused.line, 7);
    assert!(refused.to_string().contains("nowhere"), "{refused}");
    let table = text.replace("nowhere", "asn");
    assert_eq!(Ruleset::from_files(&[SignatureFile { name: "x.toml", text: &table }]).unwrap_err().line, 7);
}

#[test]
fn what_is_known_of_the_client_goes_with_the_event() {
    let ruleset = with(&[(Name::Asn, Shape::Systems, "192.0.2.0,192.0.2.255,64500,Example\n")]);
    let hit = |ua: &str| -> Hit {
        let hit = serde_json::json!({"v": 1, "event_id": "00000000-0000-7000-8000-000000000001", "account_number": 7,
            "kind": "open", "received_at": "2026-11-02T09:00:00Z", "message_id": "m", "sent_at": "2026-11-02T08:00:00Z",
            "method": "GET", "ip": "192.0.2.1", "ua": ua});
        serde_json::from_value(hit).unwrap()
    };
    let traits = |ua| ruleset.classify(hit(ua)).traits;
    let gmail =
        traits("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)");
    assert_eq!((gmail.asn, gmail.device.as_str(), gmail.mail_app.as_str()), (Some(64500), "", "Gmail"));
    for (agent, device, app) in [
        (CHROME, "desktop", ""),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "phone",
            "Apple Mail",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
            "tablet",
            "",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            "phone",
            "",
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "tablet",
            "",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0",
            "desktop",
            "Thunderbird",
        ),
        ("Outlook-iOS/709.2226530.prod.iphone (3.24.1)", "phone", "Outlook"),
        ("Mozilla/5.0", "", "Apple Mail"),
        ("curl/8.0", "", ""),
    ] {
        let found = traits(agent);
        assert_eq!((found.device.as_str(), found.mail_app.as_str()), (device, app), "{agent}");
    }
    // On the wire what is not known is not there, and a record without any of it is read.
    let written = serde_json::to_value(ruleset.classify(hit("curl/8.0"))).unwrap();
    assert_eq!((&written["asn"], written.get("country")), (&serde_json::json!(64500), None));
    let mut old = written.clone();
    old.as_object_mut().unwrap().remove("asn");
    assert_eq!(
        serde_json::from_value::<engagement::Classified>(old).unwrap().traits,
        engagement::Traits::default()
    );
}
