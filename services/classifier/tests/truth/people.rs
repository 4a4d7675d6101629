//! What people do, from documented behaviour. Each story says whether what it tells can be known from outside.

use crate::random::Random;
use crate::row::{Asked, Row, Story, Who};

/// Where people's providers are.
pub(crate) const HOMES: [&str; 14] = [
    "2.160.7",
    "2.3.18",
    "2.208.40",
    "2.136.9",
    "5.80.77",
    "12.0.130",
    "23.24.60",
    "23.68.5",
    "23.29.99",
    "31.149.3",
    "62.147.20",
    "78.192.44",
    "62.160.8",
    "45.43.169",
];
/// The egress of Apple's relay: Akamai, Cloudflare, Fastly.
pub(crate) const RELAY: [&str; 6] = ["172.224.8", "172.224.17", "2.16.5", "5.10.214", "1.1.1", "23.185.0"];
pub(crate) const ZSCALER: [&str; 4] = ["165.225.72", "165.225.80", "64.62.169", "8.34.34"];
const OTHER_PROXIES: [&str; 3] = ["8.36.116", "85.115.33", "45.62.180"];
const ISOLATION: [&str; 4] = ["66.159.238", "66.159.240", "41.74.203", "170.10.141"];
const RENTED: [&str; 4] = ["3.24.9", "18.180.4", "5.9.7", "24.144.66"];
const MICROSOFT_MAIL: [&str; 3] = ["40.99.4", "52.97.8", "40.104.3"];
const GOOGLE_PROXIES: [&str; 3] = ["66.249.84", "66.249.83", "74.125.212"];
const YAHOO: [&str; 2] = ["63.250.198", "27.123.37"];

pub(crate) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const DESKTOPS: [&str; 7] = [
    CHROME,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
];
const PHONES: [&str; 4] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
];
pub(crate) const SAFARI: [&str; 2] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
];
const MAIL_APPS: [(&str, &str); 5] = [
    (
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; .NET4.0E; Microsoft Outlook 16.0.17328; ms-office; MSOffice 16)",
        "outlook",
    ),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0", "thunderbird"),
    ("Outlook-iOS/709.2226530.prod.iphone (3.24.1)", "outlook"),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "apple_mail",
    ),
    (
        "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36",
        "mail_app",
    ),
];
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const SHARED_STACKS: [&str; 4] = [
    "okhttp/4.12.0",
    "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240205.004)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
];

/// A person whose browser or app is known only as one of many.
pub(crate) const PERSON: Who = Who("human", "unknown", true);
pub(crate) const HIDDEN: Who = Who("human", "unknown", false);
const MINUTE: i64 = 60_000;

pub(crate) fn desk(random: &mut Random) -> &'static str {
    random.one(&DESKTOPS)
}

fn phone(random: &mut Random) -> &'static str {
    random.one(&PHONES)
}

/// Every story that people tell.
pub(crate) fn all(rows: &mut Vec<Row>) {
    ordinary(rows);
    quick(rows);
    together(rows);
    through_networks(rows);
    through_proxies(rows);
    on_old_machines(rows);
}

fn ordinary(rows: &mut Vec<Row>) {
    let (name, why) = (
        "mail-app-then-browser",
        "a mail is opened in a mail app, and a link of it followed in a browser at home",
    );
    let mut random = Random::of(name);
    for number in 0..160 {
        let ip = random.ip(&HOMES);
        let (app, source) = MAIL_APPS[number % MAIL_APPS.len()];
        let after = random.between(3 * MINUTE, 900 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 6);
        story.open(Who("human", source, true), &Asked { after, ip: &ip, ua: app });
        let later = after + random.between(5_000, 4 * MINUTE);
        story.click(
            PERSON,
            random.between(0, 5) as u16,
            &Asked { after: later, ip: &ip, ua: desk(&mut random) },
        );
    }
    let (name, why) = (
        "gmail-reader",
        "Gmail's proxy fetches when the reader opens; the link is followed from a telephone",
    );
    let mut random = Random::of(name);
    for number in 0..140 {
        let after = random.between(2 * MINUTE, 600 * MINUTE);
        let (proxy, home) = (random.ip(&GOOGLE_PROXIES), random.ip(&HOMES));
        let mut story = Story::new(rows, name, why, number, 5);
        story.open(Who("human", "google_proxy", true), &Asked { after, ip: &proxy, ua: GMAIL });
        let later = after + random.between(4_000, 5 * MINUTE);
        story.click(
            PERSON,
            random.between(0, 4) as u16,
            &Asked { after: later, ip: &home, ua: phone(&mut random) },
        );
    }
    let (name, why) = (
        "browser-webmail",
        "a webmail without an image proxy: the reader's own browser loads the image and follows a link",
    );
    let mut random = Random::of(name);
    for number in 0..120 {
        let after = random.between(MINUTE, 1_200 * MINUTE);
        let (ip, ua) = (random.ip(&HOMES), desk(&mut random));
        let mut story = Story::new(rows, name, why, number, 8);
        story.open(PERSON, &Asked { after, ip: &ip, ua });
        if random.happens(60) {
            let later = after + random.between(4_000, 3 * MINUTE);
            story.click(PERSON, random.between(0, 7) as u16, &Asked { after: later, ip: &ip, ua });
        }
    }
}

fn quick(rows: &mut Vec<Row>) {
    let (name, why) =
        ("three-links-fast", "a person opens three links in tabs, one after the other, faster than most");
    let mut random = Random::of(name);
    for number in 0..60 {
        let (ip, ua) = (random.ip(&HOMES), desk(&mut random));
        let mut after = random.between(2 * MINUTE, 300 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 9);
        story.open(PERSON, &Asked { after: after - random.between(5_000, 60_000), ip: &ip, ua });
        for link in 0..3 {
            story.click(PERSON, link * 2 + random.between(0, 1) as u16, &Asked { after, ip: &ip, ua });
            after += random.between(350, 1_600);
        }
    }
    let (name, why) = (
        "reads-at-once",
        "a reader with the mailbox open follows a link within the first minute after delivery",
    );
    let mut random = Random::of(name);
    for number in 0..70 {
        let (ip, ua) = (random.ip(&HOMES), desk(&mut random));
        let mut story = Story::new(rows, name, why, number, 4);
        let after = random.between(8_000, 50_000);
        story.click(PERSON, random.between(0, 3) as u16, &Asked { after, ip: &ip, ua });
    }
    let (name, why) = (
        "double-click",
        "the same link twice within half a second: a double click, or a browser that tries again",
    );
    let mut random = Random::of(name);
    for number in 0..50 {
        let (ip, ua) = (random.ip(&HOMES), desk(&mut random));
        let after = random.between(5 * MINUTE, 800 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 7);
        for again in [0, random.between(90, 480)] {
            story.click(PERSON, 2, &Asked { after: after + again, ip: &ip, ua });
        }
    }
    let (name, why) =
        ("many-links-slowly", "a person works through a newsletter: six links within half a minute");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, ua) = (random.ip(&HOMES), desk(&mut random));
        let mut after = random.between(10 * MINUTE, 500 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 10);
        for link in 0..6 {
            story.click(PERSON, link, &Asked { after, ip: &ip, ua });
            after += random.between(1_900, 7_000);
        }
    }
}

/// Browsers out of support whose parts fit together: openprescribing #371 (the NHS), cerner/fhir.cerner.com #857.
const OLD_BROWSERS: [&str; 7] = [
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 2.0.50727)",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.1; WOW64; Trident/6.0)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; .NET4.0E)",
    "Mozilla/5.0 (Windows NT 5.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0.2623.112 Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.0; rv:52.0) Gecko/20100101 Firefox/52.0",
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36",
];

/// People whose machines nobody may update.
fn on_old_machines(rows: &mut Vec<Row>) {
    let (name, why) = (
        "hospital-old-browsers",
        "a clinician reads and follows a link on a machine that nobody may update (openprescribing #371: 9 % of the NHS's visits from Internet Explorer 8 and 9)",
    );
    let mut random = Random::of(name);
    for number in 0..70 {
        let (ip, ua) = (random.ip(&HOMES), OLD_BROWSERS[number % OLD_BROWSERS.len()]);
        let after = random.between(6 * MINUTE, 500 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 5);
        story.open(PERSON, &Asked { after, ip: &ip, ua });
        let later = after + random.between(5_000, 3 * MINUTE);
        story.click(PERSON, random.between(0, 4) as u16, &Asked { after: later, ip: &ip, ua });
    }
}

fn together(rows: &mut Vec<Row>) {
    let (name, why) = (
        "family-one-address",
        "two people behind one address read their own mails, sent together, in the same minute",
    );
    let mut random = Random::of(name);
    for number in 0..40 {
        let ip = random.ip(&HOMES);
        let after = random.between(20 * MINUTE, 200 * MINUTE);
        for person in 0..2 {
            let ua = if person == 0 { desk(&mut random) } else { phone(&mut random) };
            let mut story = Story::new(rows, name, why, number * 2 + person, 5);
            story.open(PERSON, &Asked { after, ip: &ip, ua });
            let later = after + random.between(5_000, 50_000);
            story.click(PERSON, random.between(0, 4) as u16, &Asked { after: later, ip: &ip, ua });
        }
    }
    let (name, why) = (
        "colleague-forwards",
        "a reader forwards the mail, and a colleague elsewhere opens it and follows a link of the same token",
    );
    let mut random = Random::of(name);
    for number in 0..50 {
        let after = random.between(10 * MINUTE, 300 * MINUTE);
        let (first, second) = (random.ip(&HOMES), random.ip(&HOMES));
        let mut story = Story::new(rows, name, why, number, 5);
        story.open(PERSON, &Asked { after, ip: &first, ua: desk(&mut random) });
        story.click(PERSON, 1, &Asked { after: after + 30_000, ip: &first, ua: desk(&mut random) });
        let ua = phone(&mut random);
        let later = after + random.between(2 * MINUTE, 25 * MINUTE);
        story.open(PERSON, &Asked { after: later, ip: &second, ua });
        story.click(PERSON, 1, &Asked { after: later + random.between(4_000, 60_000), ip: &second, ua });
    }
}

fn through_networks(rows: &mut Vec<Row>) {
    let (name, why) =
        ("zscaler-newsletter", "an employee reads a newsletter and follows a link through Zscaler");
    let mut random = Random::of(name);
    for number in 0..60 {
        let (ip, ua) = (random.ip(&ZSCALER), desk(&mut random));
        let after = random.between(5 * MINUTE, 400 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 6);
        story.open(PERSON, &Asked { after, ip: &ip, ua });
        let later = after + random.between(5_000, 2 * MINUTE);
        story.click(PERSON, random.between(0, 5) as u16, &Asked { after: later, ip: &ip, ua });
    }
    let (name, why) = ("other-web-proxies", "the same through Netskope, Forcepoint or Cato");
    let mut random = Random::of(name);
    for number in 0..45 {
        let (ip, ua) = (random.ip(&OTHER_PROXIES), desk(&mut random));
        let mut story = Story::new(rows, name, why, number, 6);
        let after = random.between(5 * MINUTE, 400 * MINUTE);
        story.click(PERSON, random.between(0, 5) as u16, &Asked { after, ip: &ip, ua });
    }
    let (name, why) =
        ("private-relay-click", "a person follows a link in Safari through Apple's Private Relay");
    let mut random = Random::of(name);
    for number in 0..70 {
        let (ip, ua) = (random.ip(&RELAY), random.one(&SAFARI));
        let mut story = Story::new(rows, name, why, number, 6);
        let after = random.between(3 * MINUTE, 900 * MINUTE);
        story.click(PERSON, random.between(0, 5) as u16, &Asked { after, ip: &ip, ua });
    }
    let (name, why) = (
        "tunnel-or-virtual-desktop",
        "a person behind a company's tunnel or on a virtual desktop in a rented place: nobody can tell from outside",
    );
    let mut random = Random::of(name);
    for number in 0..50 {
        let (ip, ua) = (random.ip(&RENTED), desk(&mut random));
        let mut story = Story::new(rows, name, why, number, 6);
        let after = random.between(5 * MINUTE, 500 * MINUTE);
        story.click(HIDDEN, random.between(0, 5) as u16, &Asked { after, ip: &ip, ua });
    }
    let (name, why) = (
        "isolated-browser",
        "a person's click through the browser isolation of Proofpoint or Mimecast, in the scanners' own networks",
    );
    let mut random = Random::of(name);
    for number in 0..40 {
        let (ip, ua) = (random.ip(&ISOLATION), desk(&mut random));
        let mut story = Story::new(rows, name, why, number, 6);
        let after = random.between(5 * MINUTE, 500 * MINUTE);
        story.click(HIDDEN, random.between(0, 5) as u16, &Asked { after, ip: &ip, ua });
    }
}

fn through_proxies(rows: &mut Vec<Row>) {
    let (name, why) = (
        "outlook-on-the-web",
        "Outlook on the web loads the image from Microsoft's network, the reader follows a link from home",
    );
    let mut random = Random::of(name);
    for number in 0..60 {
        let (mail, home, ua) = (random.ip(&MICROSOFT_MAIL), random.ip(&HOMES), desk(&mut random));
        let after = random.between(3 * MINUTE, 500 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 6);
        story.open(HIDDEN, &Asked { after, ip: &mail, ua });
        let later = after + random.between(5_000, 3 * MINUTE);
        story.click(PERSON, random.between(0, 5) as u16, &Asked { after: later, ip: &home, ua });
    }
    let (name, why) = (
        "shared-stacks",
        "a mail app that loads images through a stack which fetches without readers use too",
    );
    let mut random = Random::of(name);
    for number in 0..60 {
        let ip = random.ip(&HOMES);
        let mut story = Story::new(rows, name, why, number, 6);
        let after = random.between(3 * MINUTE, 500 * MINUTE);
        story.open(HIDDEN, &Asked { after, ip: &ip, ua: random.one(&SHARED_STACKS) });
    }
    let (name, why) =
        ("yahoo-reader", "Yahoo's proxy fetched the image for a reader, who follows a link from home");
    let mut random = Random::of(name);
    for number in 0..40 {
        let (proxy, home) = (random.ip(&YAHOO), random.ip(&HOMES));
        let after = random.between(3 * MINUTE, 500 * MINUTE);
        let mut story = Story::new(rows, name, why, number, 6);
        let ua = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html";
        story.open(Who("human", "yahoo_proxy", false), &Asked { after, ip: &proxy, ua });
        story.click(PERSON, 1, &Asked { after: after + 20_000, ip: &home, ua: phone(&mut random) });
    }
}
