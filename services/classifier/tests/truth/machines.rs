//! What machines do, from documented behaviour: classification.md and the sources that it names.

use crate::people::{CHROME, HOMES, RELAY};
use crate::random::Random;
use crate::row::{Asked, Row, Story, Who};

const SAFE_LINKS: [&str; 4] = ["40.94.16", "40.107.218", "104.47.1", "52.100.9"];
const MICROSOFT_CLOUD: [&str; 2] = ["20.72.100", "4.150.9"];
const BARRACUDA: [&str; 4] = ["209.222.82", "64.235.144", "64.235.145", "64.235.146"];
const PROOFPOINT: [&str; 4] = ["66.159.238", "66.159.240", "66.159.224", "148.163.129"];
const MIMECAST: [&str; 3] = ["41.74.203", "91.220.42", "170.10.141"];
pub(crate) const RENTED: [&str; 5] = ["3.24.9", "18.180.4", "5.9.7", "24.144.66", "2.28.9"];
const PREFETCH: [&str; 3] = ["66.249.89", "74.125.150", "66.249.92"];
/// Vendors by their own networks, where nobody reads.
const VENDORS: [(&str, &str); 7] = [
    ("cisco", "23.90.97"),
    ("trellix", "38.109.230"),
    ("trend_micro", "66.180.81"),
    ("fortinet", "23.249.54"),
    ("check_point", "91.90.130"),
    ("trellix", "103.83.199"),
    ("check_point", "64.226.129"),
];
const BARE: &str = "Mozilla/5.0";
const GMAIL_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
const LIBRARIES: [&str; 6] = [
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "Apache-HttpClient/4.5.14 (Java/17.0.2)",
    "AHC/2.1",
    "curl/8.5.0",
    "Java/1.8.0_265",
];

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

pub(crate) fn machine(source: &'static str, decidable: bool) -> Who {
    Who("automated", source, decidable)
}

/// A plausible Chrome, another version at each call, as scanners send.
pub(crate) fn some_chrome(random: &mut Random) -> String {
    CHROME.replace("Chrome/142", &format!("Chrome/{}", random.between(96, 142)))
}

/// Every story that machines tell.
pub(crate) fn all(rows: &mut Vec<Row>) {
    microsoft(rows);
    vendors(rows);
    by_behaviour(rows);
    prefetches(rows);
    hidden(rows);
}

fn microsoft(rows: &mut Vec<Row>) {
    let (name, why) = (
        "safe-links-then-reader",
        "Microsoft follows every link in varied Chromes; twenty minutes later the reader follows one",
    );
    let mut random = Random::of(name);
    for number in 0..60 {
        let after = random.scan_after();
        let mut story = Story::new(rows, name, why, number, 5);
        for link in 0..5 {
            let (ip, ua) = (random.ip(&SAFE_LINKS), some_chrome(&mut random));
            let hit = story.click(
                machine("microsoft_safelinks", true),
                link,
                &Asked { after: after + i64::from(link) * 170, ip: &ip, ua: &ua },
            );
            if link == 2 {
                hit.trailing = Some("%27".to_owned());
            }
        }
        let (ip, ua) = (random.ip(&HOMES), CHROME);
        let later = after + random.between(20 * MINUTE, 300 * MINUTE);
        story.click(Who("human", "chrome", true), 1, &Asked { after: later, ip: &ip, ua });
    }
    let (name, why) = (
        "microsoft-elsewhere",
        "a single link followed from elsewhere in Microsoft's cloud in a plain Chrome: nobody can tell it from a virtual desktop",
    );
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, ua, after) = (random.ip(&MICROSOFT_CLOUD), some_chrome(&mut random), random.scan_after());
        let mut story = Story::new(rows, name, why, number, 3);
        story.click(machine("microsoft_safelinks", false), 0, &Asked { after, ip: &ip, ua: &ua });
    }
    let (name, why) = ("bing-preview", "Outlook.com's preview of a link, minutes after the delivery");
    let mut random = Random::of(name);
    for number in 0..20 {
        let (ip, after) = (random.ip(&MICROSOFT_CLOUD), random.between(MINUTE, 9 * MINUTE));
        let ua = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b";
        Story::new(rows, name, why, number, 3).click(
            machine("bing_preview", true),
            0,
            &Asked { after, ip: &ip, ua },
        );
    }
}

fn vendors(rows: &mut Vec<Row>) {
    let (name, why) = ("barracuda-by-name", "Barracuda under its own agent, from Amazon's cloud");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, after) = (random.ip(&RENTED), random.scan_after());
        let mut story = Story::new(rows, name, why, number, 2);
        for link in 0..2 {
            story.click(
                machine("barracuda", true),
                link,
                &Asked { after: after + i64::from(link) * 900, ip: &ip, ua: "Barracuda Sentinel (EE)" },
            );
        }
    }
    let (name, why) = ("barracuda-by-network", "Barracuda in a plausible Chrome, from its own networks");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, ua, after) = (random.ip(&BARRACUDA), some_chrome(&mut random), random.scan_after());
        Story::new(rows, name, why, number, 3).click(
            machine("barracuda", true),
            1,
            &Asked { after, ip: &ip, ua: &ua },
        );
    }
    let (name, why) = (
        "proofpoint-all-links",
        "Proofpoint follows the pixel and all links from varied addresses in varied agents (mautic #9798)",
    );
    let mut random = Random::of(name);
    for number in 0..50 {
        let after = random.scan_after();
        let mut story = Story::new(rows, name, why, number, 7);
        let (first, agent) = (random.ip(&PROOFPOINT), some_chrome(&mut random));
        // The image long before the links shows a sign of a machine and no more.
        story.open(
            machine("proofpoint", false),
            &Asked { after: after - 900.min(after), ip: &first, ua: &agent },
        );
        for link in 0..7 {
            let (ip, ua) = (random.ip(&PROOFPOINT), some_chrome(&mut random));
            story.click(
                machine("proofpoint", true),
                link,
                &Asked { after: after + i64::from(link) * random.between(40, 130), ip: &ip, ua: &ua },
            );
        }
    }
    let (name, why) = ("mimecast-all-links", "Mimecast follows all links within a second");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, ua, after) = (random.ip(&MIMECAST), some_chrome(&mut random), random.scan_after());
        Story::new(rows, name, why, number, 6).burst(
            machine("mimecast", true),
            800,
            number % 2 == 0,
            &Asked { after, ip: &ip, ua: &ua },
        );
    }
    let (name, why) = ("vendors-own-networks", "a click out of a gateway vendor's own network");
    let mut random = Random::of(name);
    for number in 0..70 {
        let (source, network) = VENDORS[number % VENDORS.len()];
        let (ip, ua, after) = (random.ip(&[network]), some_chrome(&mut random), random.scan_after());
        Story::new(rows, name, why, number, 4).click(
            machine(source, true),
            0,
            &Asked { after, ip: &ip, ua: &ua },
        );
    }
}

fn by_behaviour(rows: &mut Vec<Row>) {
    let burst = |rows: &mut Vec<Row>,
                 name: &'static str,
                 why: &'static str,
                 count: usize,
                 networks: &[&str],
                 when: (i64, i64),
                 links: u16| {
        let mut random = Random::of(name);
        for number in 0..count {
            let (ip, ua, after) =
                (random.ip(networks), some_chrome(&mut random), random.between(when.0, when.1));
            let mut story = Story::new(rows, name, why, number, links);
            if number % 2 == 0 {
                // The image came before, in the same agent: a colleague behind the address could have loaded it.
                story.open(
                    machine("scanner_burst", false),
                    &Asked { after: after - random.between(5_000, 30_000), ip: &ip, ua: &ua },
                );
            }
            let span = random.between(300, 950);
            story.burst(
                machine("scanner_burst", true),
                span,
                random.happens(20),
                &Asked { after, ip: &ip, ua: &ua },
            );
        }
    };
    burst(
        rows,
        "scanner-at-43-s",
        "an unnamed scanner in a rented place follows all links at the median of 43 s",
        60,
        &RENTED,
        (38_000, 48_000),
        6,
    );
    burst(
        rows,
        "scanner-at-3-h",
        "the same three hours later",
        40,
        &RENTED,
        (3 * HOUR, 3 * HOUR + 20 * MINUTE),
        6,
    );
    burst(
        rows,
        "scanner-from-homes",
        "a scanner that leaves from a provider's network, as readers do",
        40,
        &HOMES,
        (20_000, 5 * MINUTE),
        8,
    );
    burst(
        rows,
        "scanner-through-zscaler",
        "the web proxy's own scan of a mail, from where people's clicks come too",
        30,
        &["165.225.72", "8.34.34"],
        (20_000, 5 * MINUTE),
        6,
    );
    burst(
        rows,
        "three-links-in-order",
        "a mail of three links, all followed within a second",
        40,
        &RENTED,
        (20_000, 5 * MINUTE),
        3,
    );

    let (name, why) = (
        "scanner-with-javascript",
        "a whole browser, driven: image first, then every link from several addresses at once",
    );
    let mut random = Random::of(name);
    for number in 0..40 {
        let after = random.scan_after();
        let mut story = Story::new(rows, name, why, number, 8);
        let ip = random.ip(&RENTED);
        story.open(
            machine("scanner_burst", false),
            &Asked { after: after - 700.min(after), ip: &ip, ua: CHROME },
        );
        for link in 0..8 {
            let ip = random.ip(&RENTED);
            let hit = story.click(
                machine("scanner_burst", true),
                link,
                &Asked { after: after + i64::from(link) * 95, ip: &ip, ua: CHROME },
            );
            hit.headers.insert("accept-language".to_owned(), "en-US,en;q=0.9".to_owned());
        }
    }
    let (name, why) = (
        "links-within-seconds",
        "all five links over two to four seconds, as Symantec's are followed within seconds, from a rented place",
    );
    let mut random = Random::of(name);
    for number in 0..12 {
        let (ip, ua, after) = (random.ip(&RENTED), some_chrome(&mut random), random.scan_after());
        let span = random.between(2_000, 4_000);
        let by = machine("scanner_burst", true);
        Story::new(rows, name, why, number, 5).burst(by, span, false, &Asked { after, ip: &ip, ua: &ua });
    }
    let (name, why) =
        ("trap-followed", "a scanner follows the link that no reader can see, and others at its side");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, ua, after) = (random.ip(&RENTED), some_chrome(&mut random), random.scan_after());
        let mut story = Story::new(rows, name, why, number, 4);
        let by = machine("scanner_trap", true);
        story.click(by, 0, &Asked { after, ip: &ip, ua: &ua });
        story.trap(by, &Asked { after: after + 400, ip: &ip, ua: &ua });
        story.click(by, 1, &Asked { after: after + 1_900, ip: &ip, ua: &ua });
    }
    let (name, why) = ("head-requests", "a checker asks with HEAD");
    let mut random = Random::of(name);
    for number in 0..50 {
        let (ip, ua, after) = (random.ip(&RENTED), some_chrome(&mut random), random.scan_after());
        let mut story = Story::new(rows, name, why, number, 4);
        story.click(machine("head_request", true), 0, &Asked { after, ip: &ip, ua: &ua }).method =
            "HEAD".to_owned();
    }
    let (name, why) = ("libraries", "a program under its library's default agent");
    let mut random = Random::of(name);
    for number in 0..60 {
        let (ip, after) = (random.ip(&RENTED), random.scan_after());
        let ua = random.one(&LIBRARIES);
        Story::new(rows, name, why, number, 4).click(
            machine("http_library", true),
            1,
            &Asked { after, ip: &ip, ua },
        );
    }
}

fn prefetches(rows: &mut Vec<Row>) {
    let (name, why) = (
        "apple-then-reader",
        "Apple loads the image ahead of time; hours later some follow a link from a telephone",
    );
    let mut random = Random::of(name);
    for number in 0..150 {
        let (ip, after) = (random.ip(&RELAY), random.between(10_000, 6 * HOUR));
        let mut story = Story::new(rows, name, why, number, 6);
        story.open(machine("apple_mpp", true), &Asked { after, ip: &ip, ua: BARE });
        if number % 3 == 0 {
            let (home, later) = (random.ip(&HOMES), after + random.between(10 * MINUTE, 9 * HOUR));
            let ua = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1";
            story.click(Who("human", "safari", true), 1, &Asked { after: later, ip: &home, ua });
        }
    }
    let (name, why) = ("gmail-prefetch", "Gmail fetches while a session is open, before anybody reads");
    let mut random = Random::of(name);
    for number in 0..60 {
        let (ip, after) = (random.ip(&PREFETCH), random.between(500, 20_000));
        let mut story = Story::new(rows, name, why, number, 4);
        let hit = story.open(machine("google_prefetch", true), &Asked { after, ip: &ip, ua: GMAIL_PREFETCH });
        hit.headers.insert("referer".to_owned(), "http://mail.google.com/".to_owned());
    }
    let (name, why) = ("browser-speculation", "a browser loads a link ahead of its reader and says so");
    let mut random = Random::of(name);
    for number in 0..30 {
        let (ip, after) = (random.ip(&HOMES), random.between(2 * MINUTE, 3 * HOUR));
        let mut story = Story::new(rows, name, why, number, 4);
        let hit = story.click(machine("browser_prefetch", true), 2, &Asked { after, ip: &ip, ua: CHROME });
        hit.headers.insert("sec-purpose".to_owned(), "prefetch;prerender".to_owned());
    }
}

fn hidden(rows: &mut Vec<Row>) {
    let (name, why) = (
        "one-link-one-scan",
        "a mail of one link, scanned once from a rented place in a plausible Chrome: as a person behind a tunnel",
    );
    let mut random = Random::of(name);
    for number in 0..60 {
        let (ip, ua, after) = (random.ip(&RENTED), some_chrome(&mut random), random.scan_after());
        Story::new(rows, name, why, number, 1).click(
            machine("unknown", false),
            0,
            &Asked { after, ip: &ip, ua: &ua },
        );
    }
    let (name, why) =
        ("slow-scanner", "a scanner that follows a link every twenty seconds: no two of its hits are near");
    let mut random = Random::of(name);
    for number in 0..30 {
        let (ip, ua, after) = (random.ip(&RENTED), some_chrome(&mut random), random.scan_after());
        let mut story = Story::new(rows, name, why, number, 5);
        for link in 0..5 {
            let after = after + i64::from(link) * random.between(17_000, 26_000);
            story.click(machine("unknown", false), link, &Asked { after, ip: &ip, ua: &ua });
        }
    }
    let (name, why) = (
        "scanner-as-reader",
        "a single scan from a provider's network in a plausible Chrome: nothing tells it from a reader",
    );
    let mut random = Random::of(name);
    for number in 0..25 {
        let (ip, ua, after) = (random.ip(&HOMES), some_chrome(&mut random), random.scan_after());
        Story::new(rows, name, why, number, 4).click(
            machine("unknown", false),
            1,
            &Asked { after, ip: &ip, ua: &ua },
        );
    }
    let (name, why) = ("bare-fetches", "a fetch without a reader through a stack that mail apps use too");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, after) = (random.ip(&RENTED), random.scan_after());
        let ua = random.one(&[
            "okhttp/4.12.0",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            "",
        ]);
        Story::new(rows, name, why, number, 4).open(machine("unknown", false), &Asked { after, ip: &ip, ua });
    }
}
