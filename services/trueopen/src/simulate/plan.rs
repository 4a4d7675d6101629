//! What happens to each recipient's mail: a pure function of the seed and the recipient's number, so that the same seed
//! makes the same campaign, and a recipient's story does not change with how many others there are.

use super::cast::{
    APPLE, BARRACUDA, GOOGLE_PREFETCH, GOOGLE_PROXY, IPHONE, LIBRARY, LINKS, MICROSOFT, Provider, READERS,
    SHARES, Visitor, YAHOO, domain,
};
use super::fate::{self, Delivery};
use super::random::Random;

/// One mail to one recipient, and all that becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) message_id: String,
    pub(super) campaign: String,
    pub(super) recipient_id: String,
    pub(super) domain: String,
    pub(super) mx_host: String,
    /// How long it was sent before the run, or for an earlier mailing before the day of the run, in seconds.
    pub(super) age_seconds: i64,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) hits: Vec<Hit>,
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
    /// The link that no reader can see.
    Trap,
}

/// Where a recipient's mailbox is. It stays the same for each mail.
pub(super) struct Mailbox {
    pub(super) provider: Provider,
    pub(super) domain: String,
    pub(super) mx_host: String,
}

/// The mailbox of a recipient.
pub(super) fn mailbox(seed: u64, number: u64) -> Mailbox {
    let mut random = Random::of(seed, number, MAILBOX);
    let provider = if is_told_of(number) { Provider::Barracuda } else { random.pick(&SHARES) };
    let (domain, mx_host) = domain(provider, random.next());
    Mailbox { provider, domain, mx_host }
}

/// One mail in so many meets a scanner that does all a scanner can do, so that however few there are one is among them.
const TOLD_OF: u64 = 400;

fn is_told_of(number: u64) -> bool {
    number % TOLD_OF == 11
}

const MAILBOX: u64 = 0;
const PRESENT: u64 = 1;

/// The campaign that is played now.
pub(super) fn campaign(seed: u64) -> String {
    format!("simulated-{seed}")
}

/// The mail of one recipient.
pub(super) fn mail(seed: u64, number: u64) -> Mail {
    let Mailbox { provider, domain, mx_host } = mailbox(seed, number);
    let mut random = Random::of(seed, number, PRESENT);
    let deliveries = if is_told_of(number) { fate::accepted() } else { fate::way(&mut random) };
    let mut hits = Vec::new();
    if fate::accepted_after(&deliveries).is_some() {
        hits = if is_told_of(number) { scan(random.host()) } else { visits(&mut random, provider) };
    }
    // Hits happen during the run. A scanner comes within seconds of delivery and a reader within hours, so a mail that
    // was scanned was sent a moment ago, and one that was only read was sent some time in the last two days.
    let scanned = hits.iter().any(|hit| [BARRACUDA, MICROSOFT].contains(&hit.visitor));
    let told = deliveries.iter().map(|told| told.after_seconds).max().unwrap_or(0);
    let ago = if scanned { 10 } else { 600 + i64::try_from(random.below(170_000)).unwrap_or(0) };
    Mail {
        message_id: format!("sim-{seed}-{number}"),
        campaign: campaign(seed),
        recipient_id: format!("r-{number}"),
        domain,
        mx_host,
        age_seconds: told + ago,
        deliveries,
        hits,
    }
}

/// A scanner that follows every link, the one that no reader can see too, and presses the button that unsubscribes.
fn scan(host: u8) -> Vec<Hit> {
    let hit = |target, method| Hit { target, method, visitor: BARRACUDA, host };
    let mut hits: Vec<_> = (0..LINKS.len()).map(|link| hit(Target::Link(link), "GET")).collect();
    hits.extend([
        hit(Target::Trap, "GET"),
        hit(Target::Unsubscribe, "GET"),
        hit(Target::Unsubscribe, "POST"),
    ]);
    hits
}

/// Who comes to a delivered mail, in order.
pub(super) fn visits(random: &mut Random, provider: Provider) -> Vec<Hit> {
    let mut hits = Vec::new();
    let host = random.host();
    let mut come = |visitor, target, method| hits.push(Hit { target, method, visitor, host });
    // Machines first.
    match provider {
        Provider::Barracuda if random.chance(750) => {
            if random.chance(400) {
                come(BARRACUDA, Target::Pixel, "HEAD");
            }
            (0..LINKS.len()).for_each(|link| come(BARRACUDA, Target::Link(link), "GET"));
            if random.chance(300) {
                come(BARRACUDA, Target::Trap, "GET");
            }
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
    use super::super::fate::REFUSALS;
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
    fn the_few_first_mails_have_what_a_dashboard_must_show() {
        for seed in [1, 2, 77] {
            let mails: Vec<_> = (0..20).map(|number| mail(seed, number)).collect();
            let by_scanner = |target, method| {
                let came = |hit: &Hit| (hit.target, hit.method, hit.visitor) == (target, method, BARRACUDA);
                mails.iter().filter(|mail| mail.hits.iter().any(came)).count()
            };
            assert!(by_scanner(Target::Trap, "GET") >= 1);
            assert_eq!(by_scanner(Target::Unsubscribe, "POST"), 1);
        }
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
