//! The recount over histories of which the figures are worked out by hand.

use super::clock::Interval;
use super::facts::{Delivery, Gathered, Hit, Message};
use super::question::{By, Filter, Question, Report};
use super::recount::{self, Scoped};
use super::table::{Figures, Table};
use engagement::sources::Class;
use engagement::{Actor, Kind};

const DAY: i64 = 86_400_000;

fn hit(id: &str, revision: u16, kind: Kind, at: i64, actor: Actor, source: &str) -> Hit {
    let empty = String::new;
    Hit {
        event_id: id.to_owned(),
        revision,
        kind,
        at,
        sent_at: 5,
        unsubscribes: false,
        actor,
        source: source.to_owned(),
        client: empty(),
        country: empty(),
        label: empty(),
        link_index: None,
        campaign: empty(),
        recipient_domain: empty(),
    }
}

fn told(id: &str, kind: &str, at: i64) -> Delivery {
    Delivery {
        event_id: id.to_owned(),
        kind: kind.to_owned(),
        at,
        received_at: at,
        tracked: true,
        recipient_domain: "gmail.com".to_owned(),
        ..Delivery::default()
    }
}

fn message(hits: Vec<Hit>, deliveries: Vec<Delivery>) -> Message {
    let mut gathered = Gathered::default();
    hits.into_iter().for_each(|hit| gathered.hit(hit));
    deliveries.into_iter().for_each(|told| gathered.delivery(told));
    gathered.message()
}

fn question(report: Report, from: i64, to: i64) -> Question {
    Question { report, from, to, sent_cohort: false, suppress: Vec::new(), filter: Filter::default() }
}

fn table(question: &Question, messages: &[Message]) -> Table {
    let mut recount = recount::of(question).unwrap();
    for scoped in messages.iter().filter_map(|message| Scoped::new(question, message)) {
        recount.add(&scoped);
    }
    recount.table()
}

/// The figures of a summary that are not zero.
fn summary(message: &Message, from: i64, to: i64, sent_cohort: bool, suppress: &[Class]) -> Figures {
    let question =
        Question { sent_cohort, suppress: suppress.to_vec(), ..question(Report::Summary, from, to) };
    let mut recount = recount::of(&question).unwrap();
    if let Some(scoped) = Scoped::new(&question, message) {
        recount.add(&scoped);
    }
    let mut figures = recount.table().remove("").unwrap_or_default();
    figures.retain(|_, figure| *figure != 0.0);
    figures
}

#[test]
fn a_post_unsubscribes_unless_it_is_reversed() {
    let counted = |unsubscribes| {
        let hit = hit("e", 1, Kind::Unsubscribe, 20, Actor::Unknown, "unknown");
        let message = message(vec![Hit { unsubscribes, ..hit }], vec![]);
        summary(&message, 0, 100, false, &[]).get("unsubscribed").copied()
    };
    assert_eq!((counted(true), counted(false)), (Some(1.0), None));
}

#[test]
fn the_highest_revision_counts_in_any_order() {
    let machine = hit("e", 2, Kind::Click, 20, Actor::Automated, "barracuda");
    let human = hit("e", 1, Kind::Click, 20, Actor::Human, "chrome");
    let message = message(vec![machine, human], vec![]);
    let figures = summary(&message, 0, 100, false, &[]);
    assert_eq!((figures["clicks_total"], figures["clicks_automated_unique"]), (1.0, 1.0));
    assert!(!figures.contains_key("opens_unique"), "no human, no implied open");
    assert!(!summary(&message, 0, 100, false, &[Class::Scanners]).contains_key("clicks_total"));
    assert_eq!(figures["messages_without_delivery"], 1.0);
    let corrected = table(&question(Report::Corrections, 0, 100), &[message]);
    assert_eq!(corrected["human chrome to automated barracuda"]["hits"], 1.0);
}

#[test]
fn a_window_cuts_what_happened_and_a_cohort_does_not() {
    let history = |more: Vec<Delivery>| {
        let told = [vec![told("s", "sent", 10), told("d", "delivered", 12)], more].concat();
        message(
            vec![
                hit("a", 1, Kind::Open, 13, Actor::Automated, "apple_mpp"),
                hit("b", 1, Kind::Click, 50, Actor::Human, "safari"),
            ],
            told,
        )
    };
    let whole = history(vec![]);
    let first = summary(&whole, 10, 20, false, &[Class::Apple]);
    assert_eq!((first["sent"], first["delivered"], first["masked"]), (1.0, 1.0, 1.0));
    assert_eq!((first["rate_open_high"], first["rate_delivery"]), (1.0, 1.0));
    assert!(!first.contains_key("opens_unique") && first["opens_automated_total"] == 1.0);
    let second = summary(&whole, 20, 60, false, &[Class::Apple]);
    assert_eq!((second["opens_unique"], second["clicks_unique"], second["masked"]), (1.0, 1.0, 1.0));
    assert!(!second.contains_key("sent") && !second.contains_key("rate_open"));
    let cohort = summary(&whole, 10, 20, true, &[]);
    assert_eq!((cohort["opens_total"], cohort["opens_unique"], cohort["clicks_total"]), (1.0, 1.0, 1.0));
    assert!(summary(&whole, 20, 60, true, &[]).is_empty());
    // Refused later: not delivered after all.
    let refused = history(vec![told("x", "bounced", 70)]);
    assert!(!summary(&refused, 10, 20, false, &[]).contains_key("delivered"));
    assert_eq!(summary(&refused, 60, 80, false, &[])["bounced_undetermined"], 1.0);
    let why = table(&question(Report::Refusals, 60, 80), &[refused]);
    assert_eq!(
        why["undetermined undetermined  0"],
        Figures::from([("messages".to_owned(), 1.0), ("recipient_domains".to_owned(), 1.0)])
    );
}

#[test]
fn a_filter_holds_every_report_to_its_messages() {
    let of = |campaign: &str| {
        let event = Delivery { campaign: campaign.to_owned(), ..told("s", "sent", 10) };
        // What delivery events say comes before what a token says.
        let hit = Hit { campaign: "token".to_owned(), ..hit("a", 1, Kind::Open, 13, Actor::Human, "chrome") };
        message(vec![hit], vec![event])
    };
    let messages = [of("autumn"), of("spring")];
    let opened = |campaign: &str, domain: &str, provider: &str| {
        let filter = Filter {
            campaign: campaign.to_owned(),
            recipient_domain: domain.to_owned(),
            mailbox_provider: provider.to_owned(),
        };
        let question = Question { filter, ..question(Report::Breakdown(By::Source), 0, 100) };
        table(&question, &messages).get("chrome").map_or(0.0, |row| row["opens_unique"])
    };
    assert_eq!((opened("", "", ""), opened("autumn", "", ""), opened("token", "", "")), (2.0, 1.0, 0.0));
    assert_eq!((opened("", "gmail.com", "gmail"), opened("spring", "gmail.com", "")), (2.0, 1.0));
    assert_eq!((opened("", "example.org", ""), opened("", "", "outlook")), (0.0, 0.0));
}

#[test]
fn buckets_go_by_the_wall_and_a_message_is_in_each_in_which_something_of_it_lies() {
    // The clocks of Berlin are put back at 01:00 UTC: the hour from two to three comes twice.
    let back = 1_792_890_000_000;
    let of_minute =
        |id: &str, minute: i64| hit(id, 1, Kind::Open, back + minute * 60_000, Actor::Human, "chrome");
    let one = message(vec![of_minute("a", -30), of_minute("b", -1), of_minute("c", 1)], vec![]);
    let series = |sent_cohort| {
        let report = Report::Timeseries(Interval::Hour, "Europe/Berlin");
        let question = Question { sent_cohort, ..question(report, back - DAY, back + DAY) };
        let buckets = table(&question, std::slice::from_ref(&one)).into_iter();
        buckets.map(|(bucket, row)| (bucket, row["opens_total"])).collect::<Vec<_>>()
    };
    assert_eq!(
        series(false),
        [("2026-10-25T02+01:00".to_owned(), 1.0), ("2026-10-25T02+02:00".to_owned(), 2.0)]
    );
    assert!(series(true).is_empty(), "sent in 1970, by its token");
}

#[test]
fn links_visits_and_latencies_are_those_of_each_message() {
    let click = |id: &str, at: i64, label: &str, index, actor| Hit {
        label: label.to_owned(),
        link_index: Some(index),
        ..hit(id, 1, Kind::Click, at, actor, "chrome")
    };
    let reader = message(
        vec![
            click("a", DAY, "pricing", 0, Actor::Human),
            click("b", DAY + 1, "pricing", 1, Actor::Human),
            click("c", 3 * DAY, "pricing", 0, Actor::Human),
            click("d", 3 * DAY, "", 2, Actor::Unknown),
        ],
        vec![told("s", "sent", 1000), told("d", "delivered", 3500)],
    );
    let slower = message(vec![], vec![told("s", "sent", 1000), told("d", "delivered", 10_000)]);
    let guessed = message(vec![], vec![told("d", "delivered", 10_000)]);
    let messages = [reader, slower, guessed];
    let of = |report| table(&question(report, 0, 100 * DAY), &messages);
    let links = of(Report::Breakdown(By::Link));
    assert_eq!((links["0 pricing"]["clicks_total"], links["1 pricing"]["clicks_unique"]), (2.0, 1.0));
    assert_eq!(links["2 "]["clicks_by_source_total.chrome"], 1.0);
    let visits = of(Report::Visits("Asia/Kathmandu"));
    let figures = ["clicks", "visits", "messages", "returning"].map(|name| visits["- pricing"][name]);
    assert_eq!((figures, visits.len()), ([3.0, 2.0, 1.0, 1.0], 1));
    let latency = &of(Report::Latency(By::MailboxProvider))["gmail"];
    let figures = ["messages", "p50", "p90", "slowest"].map(|name| latency[name]);
    assert_eq!(figures, [2.0, 5.75, 8.35, 9.0]);
    let spans = of(Report::DeliveryTimes);
    assert_eq!((spans["2"]["messages"], spans["5"]["messages"], spans.len()), (1.0, 1.0, 2));
}

#[test]
fn machines_are_told_apart_and_timed_from_the_acceptance() {
    let scanned = |id: &str, at: i64, kind| hit(id, 1, kind, at, Actor::Automated, "barracuda");
    let one = message(
        vec![
            scanned("a", 5000, Kind::Click),
            scanned("b", 65_000, Kind::Trap),
            // A clock that differs: before the acceptance.
            hit("c", 1, Kind::Open, 1000, Actor::Automated, "apple_mpp"),
            hit("d", 1, Kind::Open, 2 * DAY, Actor::Human, "chrome"),
        ],
        vec![told("d", "delivered", 4000)],
    );
    let of = |report| table(&question(report, 0, 100 * DAY), std::slice::from_ref(&one));
    let machines = of(Report::Machines(By::Both));
    let figures = ["hits", "opens", "clicks", "traps", "messages", "scanned_domains", "seconds_after_median"]
        .map(|name| machines["barracuda (scanners) gmail.com"][name]);
    assert_eq!(figures, [2.0, 0.0, 1.0, 1.0, 1.0, 1.0, 61.0]);
    let all = &of(Report::Machines(By::All))[""];
    assert_eq!((all["messages"], all["sources"], all["recipient_domains"]), (1.0, 2.0, 1.0));
    assert_eq!(all["seconds_after_median"], 1.0);
    let after = of(Report::AfterDelivery);
    assert_eq!((after["0"]["apple"], after["1"]["scanners"], after["60"]["scanners"]), (1.0, 1.0, 1.0));
    assert_eq!(after["86400"]["human"], 1.0);
    let hours = of(Report::Hours("Asia/Kathmandu"));
    // 1970-01-03, a Saturday; Nepal was five and a half hours ahead.
    assert_eq!((hours["6 05"]["human"], hours["4 05"]["automated"]), (1.0, 2.0));
}
