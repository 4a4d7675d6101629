//! The rules over a message's neighbours, each with a hit, a near miss and the people who must not be taken for machines.

use crate::support::{CHROME, GMAIL_PROXY, RULESET, SAFARI};
use classifier::classify_file;
use engagement::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
const HOME: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.23";

/// The hits of one mail, in milliseconds after nine o'clock.
#[derive(Default)]
struct Mail {
    lines: Vec<Value>,
    links: Option<u16>,
}

impl Mail {
    fn of_links(links: u16) -> Self {
        Self { links: Some(links), ..Self::default() }
    }

    fn add(mut self, kind: &str, at: i64, ip: &str, ua: &str, more: Value) -> Self {
        let base = Timestamp::parse("2026-11-02T09:00:00Z").unwrap();
        let mut line = json!({"event_id": format!("{kind}{at}"), "kind": kind, "received_at": base.plus_millis(at),
            "message_id": "m", "method": "GET", "ip": ip, "ua": ua, "headers": {}});
        for (name, value) in more.as_object().unwrap() {
            line[name] = value.clone();
        }
        self.lines.push(line);
        self
    }

    fn click(self, link: u16, at: i64, ip: &str, ua: &str) -> Self {
        let more = json!({"link_index": link, "link_count": self.links});
        self.add("click", at, ip, ua, more)
    }

    fn open(self, at: i64, ip: &str, ua: &str) -> Self {
        self.add("open", at, ip, ua, json!({}))
    }

    fn trap(self, at: i64, ip: &str, ua: &str) -> Self {
        self.add("trap", at, ip, ua, json!({}))
    }

    /// The verdicts at the end, by event; the order of the lines must not matter.
    #[track_caller]
    fn judged(&self) -> Verdicts {
        let run = |lines: &[Value]| {
            let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let mut output = Vec::new();
            let summary = classify_file(input.as_bytes(), &mut output, &RULESET).unwrap();
            assert_eq!(summary.bad, []);
            let text = String::from_utf8(output).unwrap();
            let verdicts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            verdicts
                .map(|line| (line["event_id"].as_str().unwrap().to_owned(), line))
                .collect::<BTreeMap<_, _>>()
        };
        let verdicts = run(&self.lines);
        let backwards: Vec<Value> = self.lines.iter().rev().cloned().collect();
        assert_eq!(run(&backwards), verdicts);
        Verdicts(verdicts)
    }
}

struct Verdicts(BTreeMap<String, Value>);

impl Verdicts {
    #[track_caller]
    fn is(&self, event: &str, actor: &str, source: &str) -> &Self {
        let verdict = &self.0[event];
        assert_eq!(
            (verdict["actor"].as_str(), verdict["source"].as_str()),
            (Some(actor), Some(source)),
            "{verdict:#}"
        );
        self
    }

    #[track_caller]
    fn all(&self, actor: &str) {
        for verdict in self.0.values() {
            assert_eq!(verdict["actor"], actor, "{verdict:#}");
        }
    }

    fn fired(&self, event: &str, rule: &str) -> bool {
        self.0[event]["reasons"].as_array().unwrap().iter().any(|reason| reason["rule"] == rule)
    }

    fn revision(&self, event: &str) -> u64 {
        self.0[event]["revision"].as_u64().unwrap()
    }
}

#[test]
fn many_links_within_a_second_are_a_scanner_from_one_address_or_many() {
    let mut one = Mail::of_links(9);
    let mut many = Mail::of_links(9);
    for (index, link) in [3, 0, 7, 1, 5].into_iter().enumerate() {
        let at = 200 * i64::try_from(index).unwrap();
        one = one.click(link, at, HOME, CHROME);
        many =
            many.click(link, at, &format!("198.51.100.{}", index + 1), [CHROME, SAFARI, FIREFOX][index % 3]);
    }
    for mail in [one, many] {
        let verdicts = mail.judged();
        verdicts.is("click0", "automated", "scanner_burst").is("click800", "automated", "scanner_burst");
        assert!(verdicts.fired("click400", "burst") && !verdicts.fired("click400", "burst_order"));
        // The first was believed at first, and said to be a person's.
        assert!(verdicts.revision("click0") > 1);
        assert_eq!(verdicts.0["click0"]["reasons"][0]["rule"], "together");
    }
}

#[test]
fn many_links_over_a_few_seconds_are_a_person() {
    let mut mail = Mail::of_links(9);
    for link in 0..5_u16 {
        mail = mail.click(link, i64::from(link) * 600, HOME, CHROME);
    }
    mail.judged().all("human");
    // The same link again and again is one link.
    let mut mail = Mail::of_links(9);
    for turn in 0..8 {
        mail = mail.click(4, turn * 100, HOME, CHROME);
    }
    mail.judged().all("human");
}

#[test]
fn a_person_who_clicks_three_links_fast_stays_a_person() {
    let mail = Mail::of_links(6).open(0, HOME, CHROME);
    mail.click(0, 9000, HOME, CHROME)
        .click(1, 9700, HOME, CHROME)
        .click(4, 10_500, HOME, CHROME)
        .judged()
        .all("human");
    // Faster still is hardly possible, so it is no longer clear; but not a machine's for certain either.
    let mail =
        Mail::of_links(6).click(0, 0, HOME, CHROME).click(4, 400, HOME, CHROME).click(1, 900, HOME, CHROME);
    mail.judged().all("unknown");
}

#[test]
fn three_links_at_once_in_the_order_of_the_mail_are_a_scanner() {
    let mail =
        Mail::of_links(6).click(1, 0, HOME, CHROME).click(3, 300, HOME, CHROME).click(4, 600, HOME, CHROME);
    let verdicts = mail.judged();
    verdicts.is("click0", "automated", "scanner_burst");
    assert!(verdicts.fired("click0", "burst_order"));
    // So are all three of a mail of three, in any order.
    let mail =
        Mail::of_links(3).click(2, 0, HOME, CHROME).click(0, 300, HOME, CHROME).click(1, 600, HOME, CHROME);
    let verdicts = mail.judged();
    verdicts.is("click0", "automated", "scanner_burst");
    assert!(verdicts.fired("click300", "burst_whole"));
}

#[test]
fn three_links_picked_at_random_are_taken_for_a_scanners_once_in_six() {
    // The known false positive of the order of a burst: a reader faster than a second, and by chance in order.
    let orders = [[1, 3, 4], [1, 4, 3], [3, 1, 4], [3, 4, 1], [4, 1, 3], [4, 3, 1]];
    for order in orders {
        let mut mail = Mail::of_links(9);
        for (link, at) in order.into_iter().zip([0, 300, 600]) {
            mail = mail.click(link, at, HOME, CHROME);
        }
        let verdicts = mail.judged();
        verdicts.all(if order == [1, 3, 4] { "automated" } else { "unknown" });
        assert_eq!(verdicts.fired("click0", "burst_order"), order == [1, 3, 4], "{order:?}");
    }
}

#[test]
fn an_extension_that_opens_all_links_is_taken_for_a_scanner() {
    // The known false positive of a burst, and why it stands: nothing that a tracker sees tells the two apart. The open before
    // is left open, for the same client made it.
    let mut mail = Mail::of_links(9).open(0, HOME, CHROME);
    for link in 0..9_u16 {
        mail = mail.click(link, 20_000 + i64::from(link) * 50, HOME, CHROME);
    }
    let verdicts = mail.judged();
    verdicts.is("click20000", "automated", "scanner_burst").is("open0", "unknown", "unknown");
    // One that opens a link every seven tenths of a second is a reader's.
    let mut mail = Mail::of_links(9).open(0, HOME, CHROME);
    for link in 0..9_u16 {
        mail = mail.click(link, 20_000 + i64::from(link) * 700, HOME, CHROME);
    }
    mail.judged().all("human");
}

#[test]
fn the_pixel_of_a_burst_is_the_scanners_and_that_before_it_is_unknown() {
    let mut mail =
        Mail::of_links(5).open(0, ELSEWHERE, CHROME).open(9000, HOME, CHROME).open(43_100, HOME, SAFARI);
    for link in 0..5_u16 {
        mail = mail.click(link, 43_000 + i64::from(link) * 100, HOME, CHROME);
    }
    let verdicts = mail.judged();
    verdicts
        .is("open43100", "automated", "scanner_burst")
        .is("open9000", "unknown", "unknown")
        .is("open0", "human", "chrome");
    assert!(verdicts.fired("open43100", "burst_pixel") && verdicts.fired("open9000", "burst_client"));
    // It came nine seconds before, so the burst's own open weighs for a reader, and too little.
    assert!(verdicts.fired("click43000", "opened_before"));
}

#[test]
fn a_reader_through_gmail_stays_one_beside_a_burst() {
    let mut mail = Mail::of_links(5).open(43_100, "66.249.84.12", GMAIL_PROXY);
    for link in 0..5_u16 {
        mail = mail.click(link, 43_000 + i64::from(link) * 100, HOME, CHROME);
    }
    mail.judged().is("open43100", "human", "google_proxy").is("click43000", "automated", "scanner_burst");
}

#[test]
fn two_links_and_the_pixel_at_once_are_not_clear() {
    let mail =
        Mail::of_links(2).open(0, HOME, CHROME).click(0, 100, HOME, CHROME).click(1, 200, HOME, CHROME);
    mail.judged().all("unknown");
    let mail =
        Mail::of_links(2).open(0, HOME, CHROME).click(0, 4000, HOME, CHROME).click(1, 6000, HOME, CHROME);
    mail.judged().all("human");
}

#[test]
fn the_smaller_signs_of_a_burst_decide_nothing_alone() {
    // Both links of a mail of two, opened at once: as a reader may.
    let verdicts = Mail::of_links(2).click(0, 0, HOME, CHROME).click(1, 100, HOME, CHROME).judged();
    verdicts.all("unknown");
    assert!(verdicts.fired("click0", "burst_whole") && !verdicts.fired("click0", "burst"));
    // A mail app that loads the images when a link is followed.
    let verdicts = Mail::of_links(9).open(0, HOME, CHROME).click(3, 100, HOME, CHROME).judged();
    verdicts.all("human");
    assert!(!verdicts.fired("open0", "burst_pixel") && !verdicts.fired("click100", "burst_whole"));
    // Links followed in their order, one after the other, as a reader goes down the mail.
    let verdicts = Mail::of_links(9)
        .click(0, 0, HOME, CHROME)
        .click(2, 900, HOME, CHROME)
        .click(5, 1900, HOME, CHROME)
        .judged();
    verdicts.all("human");
    assert!(!verdicts.fired("click0", "burst_order"));
    // A reader who opened the mail before, and one who opened nothing or another mail's image in the same moment.
    let verdicts = Mail::of_links(9).open(0, HOME, CHROME).click(3, 9_000, HOME, CHROME).judged();
    assert!(verdicts.fired("click9000", "opened_before"));
    for at in [100, 25 * 60_000] {
        let verdicts = Mail::of_links(9).open(0, HOME, CHROME).click(3, at, HOME, CHROME).judged();
        assert!(!verdicts.fired(&format!("click{at}"), "opened_before"), "{at}");
    }
}

#[test]
fn the_trap_is_certain_for_its_client_and_speaks_against_its_neighbours() {
    let mail = Mail::of_links(9)
        .click(0, 0, HOME, CHROME)
        .trap(1500, HOME, CHROME)
        .click(1, 2000, ELSEWHERE, SAFARI)
        .click(2, 6000, ELSEWHERE, SAFARI)
        .click(3, 30_000, HOME, FIREFOX)
        .click(4, 70_000, HOME, CHROME);
    let verdicts = mail.judged();
    verdicts
        .is("trap1500", "automated", "scanner_trap")
        .is("click0", "automated", "scanner_trap")
        .is("click2000", "unknown", "unknown")
        .is("click6000", "human", "safari")
        .is("click30000", "human", "firefox")
        .is("click70000", "human", "chrome");
    assert_eq!(verdicts.0["click0"]["reasons"][0]["rule"], "trap_client");
    assert!(verdicts.fired("click2000", "trap_neighbour"));
}

#[test]
fn a_providers_post_and_an_image_proxy_are_no_client_of_the_trap() {
    let post = json!({"method": "POST"});
    let mail = Mail::of_links(9).trap(0, HOME, CHROME).add("unsubscribe", 2000, HOME, CHROME, post);
    assert!(!mail.judged().fired("unsubscribe2000", "trap_client"));
    let proxy = "66.249.84.12";
    let mail = Mail::of_links(9).trap(0, proxy, GMAIL_PROXY).open(8000, proxy, GMAIL_PROXY);
    let verdicts = mail.judged();
    verdicts.is("open8000", "human", "google_proxy");
    assert!(!verdicts.fired("open8000", "trap_client"));
}

#[test]
fn of_two_clients_on_one_link_the_one_with_a_sign_of_a_machine_is_suspected() {
    // The quote behind the URL is the sign.
    let more = json!({"link_index": 2, "link_count": 9, "trailing": "%27"});
    let scanner = |at| Mail::of_links(9).add("click", at, ELSEWHERE, "AgentNobodyKnows/1", more.clone());
    let verdicts = scanner(0).click(2, 4000, HOME, CHROME).judged();
    verdicts.is("click4000", "human", "chrome").is("click0", "automated", "microsoft_safelinks");
    assert!(verdicts.fired("click0", "two_clients") && !verdicts.fired("click4000", "two_clients"));
    // So is one in a data centre, and the reader at home is not; alone it is only noted.
    let rented = "3.5.140.9";
    let verdicts = Mail::of_links(9).click(2, 0, rented, CHROME).click(2, 4_000, HOME, CHROME).judged();
    assert!(verdicts.fired("click0", "two_clients") && verdicts.fired("click0", "data_centre"));
    verdicts.is("click4000", "human", "chrome");
    assert_ne!(verdicts.0["click0"]["actor"], "human");
    let verdicts = Mail::of_links(9).click(2, 0, rented, CHROME).click(3, 4_000, HOME, CHROME).judged();
    assert!(!verdicts.fired("click0", "two_clients") && verdicts.fired("click0", "data_centre"));
    // Too far apart, and by itself, it is only an address.
    scanner(0).click(2, 20_000, HOME, CHROME).judged().is("click0", "unknown", "unknown");
    // Two people with one mail.
    Mail::of_links(9).click(2, 0, ELSEWHERE, SAFARI).click(2, 2000, HOME, CHROME).judged().all("human");
}

#[test]
fn a_family_behind_one_address_stays_people() {
    let mail = Mail::of_links(9)
        .open(0, HOME, CHROME)
        .open(2000, HOME, SAFARI)
        .click(0, 4000, HOME, CHROME)
        .click(3, 4300, HOME, SAFARI)
        .click(0, 9000, HOME, FIREFOX)
        .click(1, 9800, HOME, CHROME);
    mail.judged().all("human");
}

#[test]
fn a_newsletter_read_through_an_isolation_proxy_is_a_persons() {
    // Zscaler's hubs are no signature; several of its addresses may carry one reader.
    let mail = Mail::of_links(9)
        .open(0, "165.225.72.40", CHROME)
        .click(0, 8000, "165.225.72.41", CHROME)
        .click(1, 9500, "165.225.72.40", CHROME)
        .click(2, 11_000, "165.225.72.42", CHROME);
    mail.judged().all("human");
}

#[test]
fn what_a_browser_loads_ahead_makes_no_burst() {
    let mut mail = Mail::of_links(9);
    for link in 0..6_u16 {
        let more = json!({"link_index": link, "link_count": 9, "headers": {"Sec-Purpose": "prefetch"}});
        mail = mail.add("click", 1000 + i64::from(link), HOME, CHROME, more);
    }
    let verdicts = mail.click(2, 1500, HOME, CHROME).judged();
    verdicts.is("click1500", "human", "chrome").is("click1000", "automated", "browser_prefetch");
}

#[test]
fn timing_weighs_little_alone_and_something_beside_a_burst() {
    let open = |delivered: &str| {
        let more = json!({"delivered_at": delivered});
        Mail::default().add("open", 0, HOME, CHROME, more).judged()
    };
    for (delivered, fires) in [
        ("2026-11-02T08:59:30Z", true),
        ("2026-11-02T08:56:00Z", true),
        ("2026-11-02T08:50:00Z", false),
        ("2026-11-02T09:00:01Z", true),
        ("2026-11-02T09:10:00Z", false),
    ] {
        let verdicts = open(delivered);
        verdicts.is("open0", "human", "chrome");
        assert_eq!(verdicts.fired("open0", "since_delivery"), fires, "{delivered}");
    }
    // Before the delivery, but for clocks that differ: no longer clear.
    open("2026-11-02T09:00:10Z").is("open0", "unknown", "unknown");
    // The delivery goes before the sending.
    let both = json!({"delivered_at": "2026-11-02T08:59:00Z", "sent_at": "2026-11-02T08:59:50Z"});
    let verdicts = Mail::default().add("open", 0, HOME, CHROME, both).judged();
    assert!(verdicts.fired("open0", "since_delivery") && !verdicts.fired("open0", "since_sending"));
    let sent = json!({"sent_at": "2026-11-02T08:59:50Z"});
    let verdicts = Mail::default().add("open", 0, HOME, CHROME, sent).judged();
    assert!(verdicts.fired("open0", "since_sending"));
    verdicts.is("open0", "human", "chrome");
    // Before it was sent, and long after: no sign at all.
    for sent in ["2026-11-02T09:00:05Z", "2026-11-02T08:50:00Z"] {
        let verdicts = Mail::default().add("open", 0, HOME, CHROME, json!({"sent_at": sent})).judged();
        assert!(!verdicts.fired("open0", "since_sending"), "{sent}");
    }
}

#[test]
fn hits_of_other_messages_and_hits_far_apart_are_no_neighbours() {
    let mut apart = Mail::of_links(9);
    for link in 0..5_u16 {
        apart = apart.click(link, i64::from(link) * 100, HOME, CHROME);
    }
    for (index, line) in apart.lines.iter_mut().enumerate() {
        line["message_id"] = json!(format!("m{index}"));
    }
    apart.judged().all("human");
    let mail = Mail::of_links(9).trap(0, HOME, CHROME).click(0, 31 * 60_000, HOME, CHROME);
    mail.judged().is("click1860000", "human", "chrome");
}
