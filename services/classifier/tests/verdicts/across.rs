//! What the hits of other messages show: each rule with a hit, a near miss and the people who must not be taken for
//! machines.

use crate::support::{CHROME, GMAIL_PROXY, RULESET, SAFARI};
use classifier::classify_file;
use engagement::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const OFFICE: &str = "203.0.113.7";
const YAHOO: &str = "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers";

/// Hits of an account on many mails, in milliseconds after nine o'clock.
#[derive(Default)]
struct Mailing(Vec<Value>);

impl Mailing {
    fn add(&mut self, kind: &str, mail: &str, at: i64, ip: &str, more: Value) -> &mut Self {
        let base = Timestamp::parse("2026-11-02T09:00:00Z").unwrap();
        let event = format!("{kind} {mail} {at}");
        let mut line = json!({"event_id": event, "kind": kind, "received_at": base.plus_millis(at), "account": "demo",
            "message_id": mail, "recipient_id": format!("reader of {mail}"), "recipient_domain": "hospital.example",
            "method": "GET", "ip": ip, "ua": CHROME, "headers": {}});
        for (name, value) in more.as_object().unwrap() {
            line[name] = value.clone();
        }
        self.0.push(line);
        self
    }

    /// The first of three links, at an even pace, one reader each.
    fn clicks(&mut self, readers: i64, apart: i64, ip: impl Fn(i64) -> String, more: &Value) -> &mut Self {
        for reader in 0..readers {
            let mut all = json!({"link_index": 0, "link_count": 3});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            self.add("click", &format!("m{reader}"), reader * apart, &ip(reader), all);
        }
        self
    }

    /// The verdicts at the end, by event; the order of the lines must not matter.
    #[track_caller]
    fn judged(&self) -> BTreeMap<String, Value> {
        let run = |lines: Vec<&Value>| {
            let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let mut output = Vec::new();
            assert_eq!(classify_file(input.as_bytes(), &mut output, &RULESET).unwrap().bad, []);
            let lines = String::from_utf8(output).unwrap();
            let verdicts = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            verdicts.map(|line| (line["event_id"].as_str().unwrap().to_owned(), line)).collect()
        };
        let verdicts: BTreeMap<String, Value> = run(self.0.iter().collect());
        assert_eq!(run(self.0.iter().rev().collect()), verdicts);
        verdicts
    }
}

fn office(_: i64) -> String {
    OFFICE.to_owned()
}

/// The level's evidence that a rule gives on an event, if it fired.
fn fired<'a>(verdicts: &'a BTreeMap<String, Value>, event: &str, rule: &str) -> Option<&'a str> {
    let reasons = verdicts[event]["reasons"].as_array().unwrap();
    reasons.iter().find(|reason| reason["rule"] == rule).map(|reason| reason["evidence"].as_str().unwrap())
}

#[track_caller]
fn all(verdicts: &BTreeMap<String, Value>, actor: &str, source: &str) {
    for verdict in verdicts.values() {
        assert_eq!((&verdict["actor"], &verdict["source"]), (&json!(actor), &json!(source)), "{verdict:#}");
    }
}

#[test]
fn one_address_that_follows_links_of_many_readers_is_a_scanner() {
    let verdicts = Mailing::default().clicks(30, 160, office, &json!({})).judged();
    all(&verdicts, "automated", "scanner_fanout");
    assert!(fired(&verdicts, "click m0 0", "fanout").unwrap().contains("many readers"));
    // The first were believed at first.
    assert!(verdicts["click m0 0"]["revision"].as_u64().unwrap() > 1);

    // What else came from there in those seconds is the scanner's too: here a pixel.
    let mut mailing = Mailing::default();
    mailing.clicks(30, 160, office, &json!({})).add("open", "m3", 2_000, OFFICE, json!({}));
    assert_eq!(mailing.judged()["open m3 2000"]["source"], "scanner_fanout");
}

#[test]
fn fewer_readers_slower_ones_and_other_addresses_are_no_scanner() {
    // An office: several within seconds. It is noted, and against a person's agent it leaves the answer open.
    let verdicts = Mailing::default().clicks(12, 400, office, &json!({})).judged();
    all(&verdicts, "unknown", "unknown");
    assert!(fired(&verdicts, "click m0 0", "fanout").unwrap().contains("several readers"));

    // A home or a small office: three within seconds.
    let verdicts = Mailing::default().clicks(3, 1000, office, &json!({})).judged();
    all(&verdicts, "human", "chrome");
    assert!(fired(&verdicts, "click m0 0", "fanout").unwrap().contains("a few readers"));
    let verdicts = Mailing::default().clicks(2, 1000, office, &json!({})).judged();
    assert_eq!(fired(&verdicts, "click m0 0", "fanout"), None);

    // The staff of a large employer behind one address, a click every six seconds.
    let verdicts = Mailing::default().clicks(60, 6_000, office, &json!({})).judged();
    all(&verdicts, "human", "chrome");
    assert_eq!(fired(&verdicts, "click m30 180000", "fanout"), None);
}

#[test]
fn one_reader_with_many_mails_is_one_reader() {
    let same = json!({"recipient_id": "one and the same"});
    let verdicts = Mailing::default().clicks(30, 160, office, &same).judged();
    all(&verdicts, "human", "chrome");
    assert_eq!(fired(&verdicts, "click m0 0", "fanout"), None);
}

#[test]
fn proxies_that_carry_people_are_never_counted() {
    // Gmail's and Yahoo's proxies load images of many readers from one address; so does Apple's prefetch.
    for agent in [GMAIL_PROXY, YAHOO, "Mozilla/5.0"] {
        let mut mailing = Mailing::default();
        for reader in 0..30 {
            mailing.add("open", &format!("m{reader}"), reader * 100, OFFICE, json!({"ua": agent}));
        }
        let verdicts = mailing.judged();
        assert!(verdicts.keys().all(|event| fired(&verdicts, event, "fanout").is_none()), "{agent}");
    }
    // A company's web proxy: Zscaler's hub carries the clicks of all its customers' staff.
    let zscaler = "165.225.72.9";
    all(&Mailing::default().clicks(30, 160, |_| zscaler.to_owned(), &json!({})).judged(), "human", "chrome");
    // A proxy in front of the tracker that it was not told of: everybody has its address.
    for inner in ["10.0.0.7", "127.0.0.1", "fd00::7"] {
        let verdicts = Mailing::default().clicks(30, 160, |_| inner.to_owned(), &json!({})).judged();
        all(&verdicts, "human", "chrome");
    }
    // Images alone are no fan-out: an office opens its mail in the morning.
    let mut mailing = Mailing::default();
    for reader in 0..60 {
        mailing.add("open", &format!("m{reader}"), reader * 50, OFFICE, json!({}));
    }
    all(&mailing.judged(), "human", "chrome");
}

#[test]
fn a_browser_that_loads_ahead_and_a_providers_server_are_nobodys_neighbours() {
    let ahead = json!({"headers": {"sec-purpose": "prefetch"}});
    let verdicts = Mailing::default().clicks(30, 160, office, &ahead).judged();
    assert!(verdicts.keys().all(|event| fired(&verdicts, event, "fanout").is_none()));
    let mut mailing = Mailing::default();
    for reader in 0..30 {
        let post = json!({"method": "POST", "ua": ""});
        mailing.add("unsubscribe", &format!("m{reader}"), reader * 100, OFFICE, post);
    }
    let verdicts = mailing.judged();
    assert!(verdicts.keys().all(|event| fired(&verdicts, event, "fanout").is_none()));
    assert!(verdicts.keys().all(|event| fired(&verdicts, event, "suspect_unsubscribe").is_none()));
}

#[test]
fn a_rented_address_needs_fewer_readers() {
    let program = json!({"ua": "AgentNobodyKnows/1"});
    all(&Mailing::default().clicks(12, 400, office, &program).judged(), "unknown", "unknown");
    let rented = |_: i64| "3.5.140.9".to_owned();
    all(&Mailing::default().clicks(12, 400, rented, &program).judged(), "automated", "scanner_fanout");
    // Against a person's agent it leaves the answer open: a company's tunnel ends in a data centre too.
    all(&Mailing::default().clicks(12, 400, rented, &json!({})).judged(), "unknown", "unknown");
}

#[test]
fn a_network_weighs_less_than_an_address() {
    let block = |reader: i64| format!("203.0.113.{}", reader + 1);
    let verdicts = Mailing::default().clicks(30, 160, block, &json!({})).judged();
    all(&verdicts, "human", "chrome");
    assert!(fired(&verdicts, "click m0 0", "fanout_network").unwrap().contains("many readers"));
    assert_eq!(fired(&verdicts, "click m0 0", "fanout"), None);
    // With an agent that claims nothing the answer stays open.
    let verdicts = Mailing::default().clicks(30, 160, block, &json!({"ua": "AgentNobodyKnows/1"})).judged();
    all(&verdicts, "unknown", "unknown");

    // A /48 is one network, and a /64 one address, however its host calls itself.
    let site = |reader: i64| format!("2001:db8:7:{reader:x}::1");
    let verdicts = Mailing::default().clicks(30, 160, site, &json!({})).judged();
    assert!(fired(&verdicts, "click m0 0", "fanout_network").is_some());
    let host = |reader: i64| format!("2001:db8:7:1::{reader:x}");
    all(&Mailing::default().clicks(30, 160, host, &json!({})).judged(), "automated", "scanner_fanout");

    // Neighbouring networks are none.
    let far = |reader: i64| format!("198.51.{reader}.1");
    let verdicts = Mailing::default().clicks(30, 160, far, &json!({})).judged();
    assert_eq!(fired(&verdicts, "click m0 0", "fanout_network"), None);
    // What one address shows is not said twice.
    let verdicts = Mailing::default().clicks(30, 160, office, &json!({})).judged();
    assert_eq!(fired(&verdicts, "click m0 0", "fanout_network"), None);
}

#[test]
fn a_domains_gateway_that_sweeps_a_mailing_is_seen_whatever_its_addresses() {
    let far = |reader: i64| format!("198.51.{reader}.1");
    let sweep = |more: &Value| {
        let mut mailing = Mailing::default();
        for reader in 0..30 {
            for link in 0..2 {
                let mut all = json!({"link_index": link, "link_count": 2});
                all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                mailing.add("click", &format!("m{reader}"), reader * 160 + link * 40, &far(reader), all);
            }
        }
        mailing.judged()
    };
    let verdicts = sweep(&json!({}));
    assert!(fired(&verdicts, "click m0 0", "sweep").unwrap().contains("many readers"));
    // Not alone: with a person's agent the answer is open.
    all(&verdicts, "unknown", "unknown");

    // Where the public has its mailboxes, many read at once.
    for public in ["gmail.com", "yahoo.co.uk"] {
        assert_eq!(fired(&sweep(&json!({"recipient_domain": public})), "click m0 0", "sweep"), None);
    }
    // One of three links each is a mail that readers read.
    let verdicts = Mailing::default().clicks(30, 160, far, &json!({})).judged();
    assert_eq!(fired(&verdicts, "click m0 0", "sweep"), None);
    all(&verdicts, "human", "chrome");
    // Other domains' readers are no neighbours.
    let mut mailing = Mailing::default();
    for reader in 0..30 {
        let own =
            json!({"link_index": 0, "link_count": 1, "recipient_domain": format!("clinic{reader}.example")});
        mailing.add("click", &format!("m{reader}"), reader * 160, &far(reader), own);
    }
    assert_eq!(fired(&mailing.judged(), "click m0 0", "sweep"), None);
}

#[test]
fn a_mail_of_one_link_to_all_staff_is_not_taken_for_a_sweep() {
    // The known false positive of a sweep: many at their own addresses follow the one link when the mail comes in.
    let mut mailing = Mailing::default();
    for reader in 0..30 {
        let link = json!({"link_index": 0, "link_count": 1});
        mailing.add("click", &format!("m{reader}"), reader * 160, &format!("198.51.{reader}.1"), link);
    }
    let verdicts = mailing.judged();
    assert!(fired(&verdicts, "click m0 0", "sweep").is_some());
    all(&verdicts, "unknown", "unknown");
}

#[test]
fn a_click_without_an_image_weighs_a_little_where_readers_load_images() {
    let mut mailing = Mailing::default();
    for reader in 0..12 {
        mailing.add("open", &format!("m{reader}"), reader * 20_000, &format!("198.51.{reader}.1"), json!({}));
    }
    let link = || json!({"link_index": 0, "link_count": 3, "ua": SAFARI});
    mailing.add("click", "quiet", 100_000, "192.0.2.77", link());
    mailing.add("click", "m3", 100_000, "192.0.2.78", link());
    mailing.add("click", "abroad", 100_000, "192.0.2.79", {
        let mut link = link();
        link["recipient_domain"] = json!("elsewhere.example");
        link
    });
    let verdicts = mailing.judged();
    assert!(fired(&verdicts, "click quiet 100000", "unopened").is_some());
    assert_eq!(verdicts["click quiet 100000"]["actor"], "human");
    assert_eq!(fired(&verdicts, "click m3 100000", "unopened"), None);
    assert_eq!(fired(&verdicts, "click abroad 100000", "unopened"), None);

    // An image that is loaded later takes it back.
    mailing.add("open", "quiet", 160_000, "192.0.2.77", json!({"ua": SAFARI}));
    assert_eq!(fired(&mailing.judged(), "click quiet 100000", "unopened"), None);
}

#[test]
fn facts_never_cross_accounts() {
    let mut mailing = Mailing::default();
    for reader in 0..30 {
        let own = json!({"link_index": 0, "link_count": 1, "account": format!("sender-{}", reader % 15)});
        mailing.add("click", &format!("m{reader}"), reader * 160, OFFICE, own);
    }
    all(&mailing.judged(), "human", "chrome");
}

#[test]
fn an_unsubscribe_in_a_scan_is_suspect_and_a_readers_is_not() {
    let scan = |mailing: &mut Mailing, mail: &str| {
        for link in 0..6 {
            let at = 1_000 + link * 100;
            mailing.add("click", mail, at, "192.0.2.1", json!({"link_index": link, "link_count": 6}));
        }
    };
    let post = |ua: &str| json!({"method": "POST", "ua": ua});
    let mut mailing = Mailing::default();
    scan(&mut mailing, "a");
    mailing.add("unsubscribe", "a", 2_500, "192.0.2.99", post(""));
    scan(&mut mailing, "b");
    mailing.add("unsubscribe", "b", 300_000, "192.0.2.1", post(CHROME));
    scan(&mut mailing, "c");
    mailing.add("unsubscribe", "c", 300_000, "192.0.2.99", post(CHROME));
    mailing.add("trap", "d", 1_000, "192.0.2.1", json!({}));
    mailing.add("unsubscribe", "d", 3_000, "192.0.2.99", post(""));
    mailing.add("unsubscribe", "e", 3_000, "192.0.2.1", post(CHROME));
    // A reader who looks at two links and then at the page.
    mailing.add("click", "f", 1_000, "192.0.2.77", json!({"link_index": 0, "link_count": 6}));
    mailing.add("click", "f", 1_900, "192.0.2.77", json!({"link_index": 1, "link_count": 6}));
    mailing.add("unsubscribe", "f", 3_500, "192.0.2.77", json!({}));
    mailing.add("unsubscribe", "f", 3_800, "192.0.2.77", post(CHROME));
    // One address that follows the links of many readers, and then presses one's button.
    mailing.clicks(30, 160, office, &json!({})).add("unsubscribe", "m5", 60_000, OFFICE, post(CHROME));
    mailing.add("unsubscribe", "m6", 60_000, OFFICE, post(SAFARI));
    let verdicts = mailing.judged();
    let suspect = |event| fired(&verdicts, event, "suspect_unsubscribe");
    assert!(suspect("unsubscribe m5 60000").unwrap().contains("same address and agent"));
    assert_eq!(suspect("unsubscribe m6 60000"), None);
    assert!(suspect("unsubscribe a 2500").unwrap().contains("within seconds of a scan"));
    assert!(suspect("unsubscribe b 300000").unwrap().contains("same address and agent"));
    assert_eq!(suspect("unsubscribe c 300000"), None);
    assert!(suspect("unsubscribe d 3000").is_some());
    assert_eq!(suspect("unsubscribe e 3000"), None);
    assert_eq!(suspect("unsubscribe f 3800"), None);
    for event in ["unsubscribe a 2500", "unsubscribe b 300000"] {
        assert_eq!(verdicts[event]["actor"], "unknown");
    }
}
