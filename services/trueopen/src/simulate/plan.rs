//! What happens to each recipient's mail: a pure function of the seed and the recipient's number, so that the same seed
//! makes the same campaign, and a recipient's story does not change with how many others there are.

use super::cast::{
    APPLE, BARRACUDA, GOOGLE_PREFETCH, GOOGLE_PROXY, IPHONE, LIBRARY, LINKS, MICROSOFT, Provider, READERS,
    SHARES, Visitor, YAHOO, domain,
};

/// One mail to one recipient, and all that becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) message_id: String,
    pub(super) recipient_id: String,
    pub(super) domain: String,
    pub(super) mx_host: String,
    /// How long before the run it was sent, in seconds.
    pub(super) age_seconds: i64,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) hits: Vec<Hit>,
}

/// One delivery event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    /// What the closing table calls it.
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// How long after sending, in seconds.
    pub(super) after_seconds: i64,
    pub(super) smtp_code: Option<u16>,
    pub(super) enhanced_code: Option<&'static str>,
    pub(super) diagnostic: Option<&'static str>,
}

/// One request to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) target: Target,
    pub(super) method: &'static str,
    pub(super) visitor: Visitor,
    /// The last part of the visitor's address.
    pub(super) host: u8,
}

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Pixel,
    Link(usize),
    Unsubscribe,
}

/// A small generator (splitmix64): the same seed makes the same campaign on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that happens so many times in a thousand.
    fn chance(&mut self, in_thousand: u64) -> bool {
        self.below(1000) < in_thousand
    }

    fn pick<T: Copy>(&mut self, shares: &[(T, u64)]) -> T {
        let mut left = self.below(shares.iter().map(|(_, share)| share).sum());
        for (item, share) in shares {
            if left < *share {
                return *item;
            }
            left -= share;
        }
        shares[0].0
    }
}

/// How a mail fares, with its share in a thousand.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Delivered,
    Late,
    Bounced(usize),
    Dropped,
    Silent,
}

const FATES: [(Fate, u64); 9] = [
    (Fate::Delivered, 905),
    (Fate::Late, 40),
    (Fate::Bounced(0), 18),
    (Fate::Bounced(1), 9),
    (Fate::Bounced(2), 11),
    (Fate::Bounced(3), 3),
    (Fate::Bounced(4), 5),
    (Fate::Dropped, 5),
    (Fate::Silent, 4),
];

/// Refusals for good as servers word them.
const REFUSALS: [(&str, Option<u16>, Option<&str>, &str); 5] = [
    (
        "bounced: no such user",
        Some(550),
        Some("5.1.1"),
        "550 5.1.1 The email account that you tried to reach does not exist",
    ),
    (
        "bounced: mailbox full",
        Some(552),
        Some("5.2.2"),
        "552 5.2.2 The recipient's inbox is out of storage space",
    ),
    (
        "bounced: blocked",
        Some(550),
        Some("5.7.1"),
        "550 5.7.1 Service unavailable, client host blocked using a blocklist",
    ),
    ("bounced: no reason", None, None, "delivery was given up"),
    ("bounced: no such domain", Some(550), Some("5.1.2"), "550 5.1.2 Bad destination system address"),
];

/// The mail of one recipient.
pub(super) fn mail(seed: u64, number: u64) -> Mail {
    let mut random =
        Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number.wrapping_mul(0x9e6c_63d0_876a_68de));
    let provider = random.pick(&SHARES);
    let (domain, mx_host) = domain(provider, random.next());
    let fate = random.pick(&FATES);
    let mut deliveries = vec![told("sent", "sent", 0)];
    let mut hits = Vec::new();
    match fate {
        Fate::Silent => {}
        Fate::Dropped => deliveries = vec![told("dropped", "dropped", 0)],
        Fate::Bounced(which) => {
            let (name, smtp_code, enhanced_code, text) = REFUSALS[which];
            let refused =
                Delivery { smtp_code, enhanced_code, diagnostic: Some(text), ..told(name, "bounced", 3) };
            deliveries.push(refused);
        }
        Fate::Delivered | Fate::Late => {
            let mut after = 2 + i64::try_from(random.below(8)).unwrap_or(0);
            if matches!(fate, Fate::Late) {
                deliveries.push(Delivery {
                    smtp_code: Some(451),
                    enhanced_code: Some("4.7.1"),
                    diagnostic: Some("451 4.7.1 Greylisted, try again later"),
                    ..told("deferred", "deferred", after)
                });
                after += 900;
            }
            deliveries.push(told("delivered", "delivered", after));
            hits = visits(&mut random, provider);
            if random.chance(1) {
                deliveries.push(told("complained", "complained", after + 60));
            }
        }
    }
    // Hits happen during the run. A scanner comes within seconds of delivery and a reader within hours, so a mail that
    // was scanned was sent a moment ago, and one that was only read was sent some time in the last two days.
    let scanned = hits.iter().any(|hit| [BARRACUDA, MICROSOFT].contains(&hit.visitor));
    let told = deliveries.iter().map(|told| told.after_seconds).max().unwrap_or(0);
    let ago = if scanned { 10 } else { 600 + i64::try_from(random.below(170_000)).unwrap_or(0) };
    Mail {
        message_id: format!("sim-{seed}-{number}"),
        recipient_id: format!("r-{number}"),
        domain,
        mx_host,
        age_seconds: told + ago,
        deliveries,
        hits,
    }
}

fn told(name: &'static str, kind: &'static str, after_seconds: i64) -> Delivery {
    Delivery { name, kind, after_seconds, smtp_code: None, enhanced_code: None, diagnostic: None }
}

/// Who comes to a delivered mail, in order.
fn visits(random: &mut Random, provider: Provider) -> Vec<Hit> {
    let mut hits = Vec::new();
    let host = u8::try_from(1 + random.below(250)).unwrap_or(1);
    let mut come = |visitor, target, method| hits.push(Hit { target, method, visitor, host });
    // Machines first.
    match provider {
        Provider::Barracuda if random.chance(750) => {
            if random.chance(400) {
                come(BARRACUDA, Target::Pixel, "HEAD");
            }
            (0..LINKS.len()).for_each(|link| come(BARRACUDA, Target::Link(link), "GET"));
        }
        Provider::Microsoft365 if random.chance(450) => {
            let method = if random.chance(300) { "HEAD" } else { "GET" };
            (0..LINKS.len()).for_each(|link| come(MICROSOFT, Target::Link(link), method));
            come(MICROSOFT, Target::Pixel, "GET");
            if random.chance(200) {
                come(MICROSOFT, Target::Unsubscribe, "GET");
            }
        }
        Provider::Gmail | Provider::GoogleWorkspace if random.chance(40) => {
            come(GOOGLE_PREFETCH, Target::Pixel, "GET");
        }
        _ => {}
    }
    let apple = match provider {
        Provider::Icloud => random.chance(880),
        Provider::Barracuda => false,
        _ => random.chance(170),
    };
    if apple {
        come(APPLE, Target::Pixel, "GET");
    }
    if random.chance(4) {
        come(LIBRARY, Target::Link(0), "GET");
    }
    // Then people. Behind Apple's prefetch a reader shows by clicks alone.
    if !random.chance(270) {
        return hits;
    }
    let reader = if apple { IPHONE } else { random.pick(&READERS) };
    if !apple {
        let opener = match provider {
            Provider::Gmail => GOOGLE_PROXY,
            Provider::Yahoo => YAHOO,
            _ => reader,
        };
        for _ in 0..1 + random.below(2) {
            come(opener, Target::Pixel, "GET");
        }
    }
    if random.chance(220) {
        let links = LINKS.len() as u64;
        let link = usize::try_from(random.below(links).min(random.below(links))).unwrap_or(0);
        come(reader, Target::Link(link), "GET");
    }
    if random.chance(12) {
        come(reader, Target::Unsubscribe, "GET");
        come(reader, Target::Unsubscribe, "POST");
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_makes_the_same_campaign() {
        let campaign = |seed| (0..200).map(|number| mail(seed, number)).collect::<Vec<_>>();
        assert_eq!(campaign(7), campaign(7));
        assert_ne!(campaign(7), campaign(8));
    }

    #[test]
    fn a_campaign_has_everything_in_believable_shares() {
        let mails: Vec<_> = (0..10_000).map(|number| mail(1, number)).collect();
        let domains: BTreeSet<_> = mails.iter().map(|mail| mail.domain.as_str()).collect();
        assert!((250..400).contains(&domains.len()), "{}", domains.len());
        let told = |kind: &str| {
            mails.iter().filter(|mail| mail.deliveries.iter().any(|told| told.kind == kind)).count()
        };
        assert!((9300..9600).contains(&told("delivered")) && (300..600).contains(&told("bounced")));
        assert!(told("deferred") > 200 && told("dropped") > 10 && told("complained") > 0);
        for (name, ..) in REFUSALS {
            assert!(mails.iter().any(|mail| mail.deliveries.iter().any(|told| told.name == name)), "{name}");
        }
        let visitors = [APPLE, GOOGLE_PROXY, GOOGLE_PREFETCH, YAHOO, BARRACUDA, MICROSOFT, LIBRARY];
        for visitor in visitors.into_iter().chain(READERS.map(|(reader, _)| reader)) {
            let came = mails.iter().filter(|mail| mail.hits.iter().any(|hit| hit.visitor == visitor)).count();
            assert!(came > 10, "{}: {came}", visitor.name);
        }
        for method in ["HEAD", "POST"] {
            assert!(mails.iter().any(|mail| mail.hits.iter().any(|hit| hit.method == method)), "{method}");
        }
        let silent = mails.iter().filter(|mail| mail.hits.is_empty()).count();
        assert!((3500..7000).contains(&silent), "{silent}");
    }

    #[test]
    fn nobody_comes_to_a_mail_that_was_not_delivered() {
        for mail in (0..3000).map(|number| mail(3, number)) {
            let delivered = mail.deliveries.iter().any(|told| told.kind == "delivered");
            assert!(delivered || mail.hits.is_empty(), "{mail:?}");
            let last = mail.deliveries.iter().map(|told| told.after_seconds).max().unwrap_or(0);
            assert!(last < mail.age_seconds, "all this is past when the run begins: {mail:?}");
        }
    }
}
