//! What a whole mailing shows: one address, network or scanner that meets many of an account's messages. People first, then
//! machines; marked by what is documented of each before any rule saw them.

use crate::machines::{RENTED, machine, some_chrome};
use crate::people::{HIDDEN, HOMES, PERSON, RELAY, SAFARI, ZSCALER, desk};
use crate::random::Random;
use crate::row::{Asked, Row, Story, Who};

const MINUTE: i64 = 60_000;

/// A mailing of which many readers, or a machine for them, follow one link each.
struct Mailing {
    scenario: &'static str,
    why: &'static str,
    who: Who,
    mailings: usize,
    readers: usize,
    links: u16,
    /// When the first follows a link, and how long it takes until the last has.
    from: (i64, i64),
    span: i64,
    agent: fn(&mut Random) -> String,
}

impl Mailing {
    /// Tells it; `address` says where each of a mailing's readers comes from.
    fn tell(&self, rows: &mut Vec<Row>, networks: &[&str], one_address: bool) {
        let mut random = Random::of(self.scenario);
        for mailing in 0..self.mailings {
            let network = random.one(networks);
            let shared = random.ip(&[network]);
            let from = random.between(self.from.0, self.from.1);
            for reader in 0..self.readers {
                let number = mailing * self.readers + reader;
                let own = random.ip(&[network]);
                let ip = if one_address { &shared } else { &own };
                let after = from + random.between(0, self.span);
                let (link, ua) =
                    (random.between(0, i64::from(self.links) - 1) as u16, (self.agent)(&mut random));
                let mut story = Story::new(rows, self.scenario, self.why, number, self.links)
                    .of_mailing(mailing, "hospital.example");
                story.click(self.who, link, &Asked { after, ip, ua: &ua });
            }
        }
    }
}

fn browser(random: &mut Random) -> String {
    desk(random).to_owned()
}

fn safari(random: &mut Random) -> String {
    random.one(&SAFARI).to_owned()
}

/// Every story of a mailing.
pub(crate) fn all(rows: &mut Vec<Row>) {
    people(rows);
    machines(rows);
}

fn people(rows: &mut Vec<Row>) {
    let person = |scenario, why, who, mailings, readers, links, from, span| Mailing {
        scenario,
        why,
        who,
        mailings,
        readers,
        links,
        from,
        span,
        agent: browser,
    };
    person(
        "office-one-address",
        "seven of an office behind one address follow a link in the first ten minutes",
        PERSON,
        10,
        7,
        5,
        (MINUTE, 2 * MINUTE),
        8 * MINUTE,
    )
    .tell(rows, &HOMES, true);
    person(
        "employer-one-address",
        "2,000 readers behind one address, of whom a tenth follow a link in the first ten minutes",
        PERSON,
        2,
        200,
        5,
        (20_000, 40_000),
        9 * MINUTE,
    )
    .tell(rows, &HOMES, true);
    person(
        "all-staff-one-link",
        "a mail of one link to all staff of a large employer behind one address: a gateway would look the same",
        HIDDEN,
        1,
        120,
        1,
        (30_000, 40_000),
        80_000,
    )
    .tell(rows, &HOMES, true);
    person(
        "employer-through-zscaler",
        "sixty employees follow a link within two minutes, all through one address of Zscaler's",
        PERSON,
        2,
        60,
        4,
        (MINUTE, 2 * MINUTE),
        2 * MINUTE,
    )
    .tell(rows, &ZSCALER, true);
    Mailing {
        agent: safari,
        ..person(
            "relay-one-egress",
            "forty readers in Safari whom Apple's Private Relay gives one egress address, within ten seconds",
            PERSON,
            1,
            40,
            4,
            (5 * MINUTE, 6 * MINUTE),
            10_000,
        )
    }
    .tell(rows, &RELAY, true);
}

fn machines(rows: &mut Vec<Row>) {
    let gateway = |scenario, why, decidable, mailings, readers, links, span| Mailing {
        scenario,
        why,
        who: machine("scanner_fanout", decidable),
        mailings,
        readers,
        links,
        from: (20_000, MINUTE),
        span,
        agent: some_chrome,
    };
    gateway(
        "gateway-one-link-each",
        "a gateway in a rented place follows one link in each of forty readers' mails (Phish Insight: one address hitting more than 2 readers)",
        true,
        5,
        40,
        4,
        8_000,
    )
    .tell(rows, &RENTED, true);
    gateway(
        "gateway-on-premises",
        "the same from an appliance on the employer's own line",
        true,
        4,
        40,
        4,
        8_000,
    )
    .tell(rows, &HOMES, true);
    gateway(
        "gateway-many-addresses",
        "the same from many addresses of one rented network: an employer's hosted desktops would look the same",
        false,
        3,
        40,
        4,
        8_000,
    )
    .tell(rows, &RENTED, false);
    gateway(
        "gateway-few-readers",
        "the same at a firm of five readers: so would five at work behind a rented tunnel",
        false,
        12,
        5,
        4,
        4_000,
    )
    .tell(rows, &RENTED, true);

    let (name, why) = (
        "gateway-mail-by-mail",
        "a gateway takes a mailing mail by mail, all four links of each within a second, thirty mails in fifteen seconds",
    );
    let mut random = Random::of(name);
    for mailing in 0..3 {
        let (ip, from) = (random.ip(&RENTED), random.between(20_000, MINUTE));
        for reader in 0..30 {
            let ua = some_chrome(&mut random);
            let mut story =
                Story::new(rows, name, why, mailing * 30 + reader, 4).of_mailing(mailing, "hospital.example");
            let after = from + reader as i64 * 500 + random.between(0, 200);
            let span = random.between(300, 900);
            story.burst(machine("scanner_burst", true), span, false, &Asked { after, ip: &ip, ua: &ua });
        }
    }
}
