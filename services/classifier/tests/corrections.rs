//! The stage over real topics: a scanner's burst is provisional first and corrected then, whatever restarts come between.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

use classifier::Ruleset;
use classifier::stage::compare::{self, Comparer};
use classifier::stage::{Classifier, Config, Place, Revisions, Said, Topics};
use engagement::delivery::{DeliveryEvent, DeliveryType};
use engagement::{
    AccountId, AccountNumber, Classified, Hit, Kind, Request, Timestamp, Verdict, from_wire, message_key,
    to_wire,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use stream::{JournalConfig, Record, Topic, TopicConfig};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

const WAIT: Duration = Duration::from_secs(30);
const START: i64 = 1_793_610_000_000;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

static RULESET: LazyLock<Arc<Ruleset>> = LazyLock::new(|| Arc::new(Ruleset::builtin()));

fn topics(folder: &Path) -> Topics {
    let open = |name: &str| {
        let journal = JournalConfig::new(name, folder.join(name));
        let groups = ["classifier", "neighbours", "test"].map(str::to_owned).to_vec();
        Topic::open(TopicConfig { name: name.to_owned(), journal, groups }).unwrap()
    };
    Topics {
        raw: open("engagement.raw"),
        classified: open("engagement.classified"),
        delivery: open("delivery"),
        neighbours: open("engagement.neighbours"),
        signals: open("engagement.signals"),
        dead_letter: open("deadletter"),
    }
}

async fn close(topics: Topics) {
    let Topics { raw, classified, delivery, neighbours, signals, dead_letter } = topics;
    for topic in [raw, classified, delivery, neighbours, signals, dead_letter] {
        topic.close().await;
    }
}

fn hit(number: u32, message: &str, kind: Kind, at: i64, link: Option<u16>) -> Hit {
    Hit {
        v: Hit::VERSION,
        event_id: Uuid::from_u128(u128::from(number)),
        account_number: AccountNumber(7),
        account: Some(AccountId::new("demo").unwrap()),
        kind,
        received_at: Timestamp::from_millis(START + at).unwrap(),
        message_id: message.to_owned(),
        recipient_id: "r".to_owned(),
        campaign: "autumn".to_owned(),
        recipient_domain: "example.org".to_owned(),
        sent_at: Timestamp::from_millis(START - 7_200_000).unwrap(),
        link_index: link,
        link_count: link.map(|_| 9),
        label: None,
        original: None,
        request: Request {
            method: "GET".to_owned(),
            ip: Some("203.0.113.7".parse().unwrap()),
            ua: CHROME.to_owned(),
            headers: BTreeMap::new(),
            trailing: None,
        },
    }
}

fn click(number: u32, at: i64, link: u16) -> Hit {
    hit(number, "m", Kind::Click, at, Some(link))
}

/// A stage with what it said so far, which can be stopped and started again.
struct Bench {
    folder: TempDir,
    said: BTreeMap<(u128, u32), Verdict>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), said: BTreeMap::new() }
    }

    /// Runs the stage from a start to a stop over these hits and delivery events, until everything said satisfies.
    async fn run(&mut self, hits: &[Hit], events: &[DeliveryEvent], until: impl Fn(&Self) -> bool) {
        let topics = topics(self.folder.path());
        let mut consumer = topics.classified.consumer("test").unwrap();
        let config = Config { batch_records: 3, ..Config::default() };
        let stage = Classifier::build(config, topics.clone(), RULESET.clone()).unwrap();
        let second = compare::Topics {
            neighbours: topics.neighbours.clone(),
            signals: topics.signals.clone(),
            dead_letter: topics.dead_letter.clone(),
        };
        let config = compare::Config { batch_records: 5, ..compare::Config::default() };
        let second = Comparer::build(config, second, RULESET.clone()).unwrap();
        let stop = watch::Sender::new(false);
        let asked = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|asked| *asked).await;
        };
        let task = tokio::spawn(stage.run(asked(stop.subscribe())));
        let second = tokio::spawn(second.run(asked(stop.subscribe())));
        for hit in hits {
            let key = message_key(hit.account_number, &hit.message_id);
            topics.raw.append(Record { key, payload: to_wire(hit).into() }).await.unwrap();
        }
        for event in events {
            let key = message_key(event.account_number, &event.message_id);
            topics.delivery.append(Record { key, payload: to_wire(event).into() }).await.unwrap();
        }
        while !until(self) {
            let some = tokio::time::timeout(WAIT, consumer.next(100, 1 << 20))
                .await
                .expect("verdicts arrive")
                .unwrap();
            for delivered in some {
                let classified: Classified = from_wire(&delivered.record.unwrap().payload).unwrap();
                let verdict = classified.verdict;
                let id = (classified.hit.event_id.as_u128(), verdict.revision);
                let known = self.said.entry(id).or_insert_with(|| verdict.clone());
                assert_eq!(known, &verdict, "one revision says two things");
            }
        }
        stop.send_replace(true);
        for task in [task, second] {
            tokio::time::timeout(WAIT, task).await.unwrap().unwrap().unwrap();
        }
        close(topics).await;
    }

    /// The actors that were said of an event, in the order of the revisions.
    fn actors(&self, event: u128) -> Vec<&str> {
        let of = self.said.iter().filter(|((id, _), _)| *id == event);
        of.map(|(_, verdict)| verdict.actor.as_str()).collect()
    }

    fn last(&self, event: u128) -> &str {
        self.actors(event).last().copied().unwrap_or("nothing")
    }
}

fn burst() -> Vec<Hit> {
    [5, 3, 0, 1, 4]
        .into_iter()
        .zip(0..)
        .map(|(link, number)| click(number, i64::from(number) * 50, link))
        .collect()
}

#[tokio::test]
async fn a_burst_is_provisional_first_and_corrected_then() {
    let mut bench = Bench::new();
    let open = hit(9, "m", Kind::Open, -9000, None);
    let other = hit(10, "other", Kind::Click, 100, Some(1));
    let mut hits = vec![open, other];
    hits.extend(burst());
    bench
        .run(&hits, &[], |bench| {
            (0..5).all(|event| bench.last(event) == "automated") && bench.last(9) == "unknown"
        })
        .await;
    assert_eq!(bench.actors(0)[0], "human");
    assert_eq!(bench.actors(4), ["automated"]);
    assert_eq!((bench.actors(9)[0], bench.actors(10)), ("human", vec!["human"]));
    // Revisions have no gaps.
    for event in [0, 1, 2, 3, 4, 9] {
        let count = bench.actors(event).len();
        assert!((1..=count).all(|number| bench.said.contains_key(&(event, u32::try_from(number).unwrap()))));
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_burst_ends_the_same() {
    let mut whole = Bench::new();
    whole.run(&burst(), &[], |bench| (0..5).all(|event| bench.last(event) == "automated")).await;
    for cut in 1..5 {
        let mut bench = Bench::new();
        let (first, second) = (burst()[..cut].to_vec(), burst()[cut..].to_vec());
        bench.run(&first, &[], |bench| !bench.actors(cut as u128 - 1).is_empty()).await;
        if cut % 2 == 0 {
            // Without its position in the raw topic everything there comes again.
            std::fs::remove_dir_all(bench.folder.path().join("engagement.raw").join("positions")).unwrap();
        }
        bench.run(&second, &[], |bench| (0..5).all(|event| bench.last(event) == "automated")).await;
        assert_eq!(bench.said, whole.said, "cut behind {cut}");
    }
}

#[tokio::test]
async fn a_delivery_event_corrects_what_came_before_it_and_is_known_after_a_restart() {
    let event = |at: i64| DeliveryEvent {
        v: 1,
        account_number: AccountNumber(7),
        account: AccountId::new("demo").unwrap(),
        event_id: format!("e{at}"),
        received_at: Timestamp::from_millis(START + 20_000).unwrap(),
        kind: DeliveryType::Delivered,
        message_id: "m".to_owned(),
        at: Timestamp::from_millis(START + at).unwrap(),
        recipient_domain: String::new(),
        tracked: true,
        mx_host: None,
        smtp_code: None,
        enhanced_code: None,
        diagnostic: None,
        bounce_class: None,
        bounce_reason: None,
        original: None,
        campaign: String::new(),
        recipient_id: String::new(),
    };
    let mut bench = Bench::new();
    let open = |number, at| hit(number, "m", Kind::Open, at, None);
    // Ten seconds before the delivery nobody can have read it.
    bench.run(&[open(0, 0)], &[], |bench| bench.last(0) == "human").await;
    bench.run(&[], &[event(10_000)], |bench| bench.last(0) == "unknown").await;
    bench.run(&[open(1, 500), open(2, 60_000)], &[], |bench| bench.last(2) == "human").await;
    assert_eq!((bench.actors(0), bench.last(1)), (vec!["human", "unknown"], "unknown"));
    assert_eq!(bench.actors(1), ["unknown"], "the delivery was known again at the start");
}

/// One address that follows a link in each of thirty mails within five seconds, and two readers elsewhere.
fn fanout() -> Vec<Hit> {
    let scan = (0..30).map(|number| {
        let message = format!("m{number}");
        let click = hit(number, &message, Kind::Click, i64::from(number) * 160, Some(0));
        Hit { recipient_id: format!("r{number}"), ..click }
    });
    let elsewhere = |number: u32, ip: &str| {
        let click = hit(number, &format!("m{number}"), Kind::Click, 3_000, Some(0));
        let request = Request { ip: Some(ip.parse().unwrap()), ..click.request };
        Hit { recipient_id: format!("r{number}"), request, ..click }
    };
    scan.chain([elsewhere(90, "198.51.100.1"), elsewhere(91, "192.0.2.1")]).collect()
}

fn found(bench: &Bench) -> bool {
    (0..30).all(|event| bench.last(event) == "automated")
        && bench.last(90) == "human"
        && bench.last(91) == "human"
}

/// The last verdicts, without their revisions.
fn last(bench: &Bench) -> BTreeMap<u128, Verdict> {
    let all = bench.said.iter();
    all.map(|((event, _), verdict)| (*event, Verdict { revision: 0, ..verdict.clone() })).collect()
}

#[tokio::test]
async fn a_fanout_over_many_messages_is_provisional_first_and_corrected_then() {
    let mut bench = Bench::new();
    bench.run(&fanout(), &[], found).await;
    assert_eq!((bench.actors(0)[0], bench.actors(90)), ("human", vec!["human"]));
    let (_, verdict) = bench.said.iter().rfind(|((event, _), _)| *event == 0).unwrap();
    assert_eq!(verdict.source, "scanner_fanout");
}

#[tokio::test]
async fn a_fanout_ends_the_same_whatever_restarts_and_lost_positions_lie_in_it() {
    let mut whole = Bench::new();
    whole.run(&fanout(), &[], found).await;
    for (cut, lost) in [(3, "engagement.raw"), (12, "engagement.neighbours"), (29, "engagement.signals")] {
        let mut bench = Bench::new();
        let (first, second) = (fanout()[..cut].to_vec(), fanout()[cut..].to_vec());
        bench.run(&first, &[], |bench| !bench.actors(cut as u128 - 1).is_empty()).await;
        std::fs::remove_dir_all(bench.folder.path().join(lost).join("positions")).unwrap();
        bench.run(&second, &[], found).await;
        assert_eq!(last(&bench), last(&whole), "cut behind {cut}, {lost} lost");
    }
}

/// A stage that runs until it is told to stop, with the handle by which verdicts on closed windows are handed in.
async fn with_revisions<T>(
    bench: &Bench,
    hits: &[Hit],
    act: impl AsyncFnOnce(Revisions) -> T,
) -> (T, Vec<Classified>) {
    let topics = topics(bench.folder.path());
    let mut consumer = topics.classified.consumer("test").unwrap();
    let stage = Classifier::build(Config::default(), topics.clone(), RULESET.clone()).unwrap();
    let revisions = stage.revisions();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(stage.run(async {
        let _ = stopped.await;
    }));
    for hit in hits {
        let key = message_key(hit.account_number, &hit.message_id);
        topics.raw.append(Record { key, payload: to_wire(hit).into() }).await.unwrap();
    }
    let mut said: Vec<Classified> = Vec::new();
    let mut take = async || {
        let missing = |said: &[Classified]| {
            let is_said = |hit: &Hit| said.iter().any(|one| one.hit.event_id == hit.event_id);
            !hits.iter().all(is_said)
        };
        while missing(&said) || consumer.lag() > said.len() as u64 {
            let some = tokio::time::timeout(WAIT, consumer.next(100, 1 << 20)).await.unwrap().unwrap();
            said.extend(
                some.into_iter().map(|one| from_wire::<Classified>(&one.record.unwrap().payload).unwrap()),
            );
        }
    };
    take().await;
    let acted = act(revisions).await;
    take().await;
    stop.send(()).unwrap();
    tokio::time::timeout(WAIT, task).await.unwrap().unwrap().unwrap();
    let end = said.len() as u64;
    assert_eq!(consumer.lag(), end, "all that was said was read");
    close(topics).await;
    (acted, said)
}

#[tokio::test]
async fn a_verdict_that_is_handed_in_is_written_where_the_window_is_closed_and_nowhere_else() {
    const HOUR: i64 = 3_600_000;
    let bench = Bench::new();
    let closed = click(1, 0, 0);
    let open = hit(2, "n", Kind::Click, 2 * HOUR, Some(0));
    let revised = |hit: &Hit| {
        let mut classified = RULESET.classify(hit.clone());
        classified.verdict.revision = 2;
        classified.client = "another".to_owned();
        classified
    };
    let hits = [closed.clone(), open.clone()];
    let (later, said) = with_revisions(&bench, &hits, async |revisions: Revisions| {
        let [place] = revisions.begin().await.unwrap().try_into().unwrap();
        let Place { partition: 0, partitions: 1, ref last, .. } = place else { panic!("{place:?}") };
        let last = last.clone().unwrap();
        assert_eq!((last.event_id, last.revision), (open.event_id, 1), "what was said last");
        let answer = revisions.say(&place, vec![revised(&closed), revised(&open)]).await;
        assert_eq!(answer, Some(vec![Said::Durable, Said::Open]));
        // Of what was just said the stage has spoken: whoever read before that must read again.
        assert_eq!(revisions.say(&place, vec![revised(&closed)]).await, Some(vec![Said::Open]));
        let [again] = revisions.begin().await.unwrap().try_into().unwrap();
        assert_eq!(revisions.say(&place, vec![revised(&closed)]).await, None, "an earlier answer is void");
        again
    })
    .await;
    assert_eq!(later.last.map(|last| (last.event_id, last.revision)), Some((closed.event_id, 2)));
    let names = |said: &[Classified]| {
        let name = |one: &Classified| (one.hit.event_id.as_u128(), one.verdict.revision, one.reclassified);
        said.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&said), [(1, 1, false), (2, 1, false), (1, 2, true)]);

    // A restart says nothing more of it.
    let next = hit(3, "o", Kind::Open, 2 * HOUR + 1000, None);
    let (last, said) = with_revisions(&bench, &[next], async |revisions: Revisions| {
        revisions.begin().await.unwrap()[0].last.clone().unwrap()
    })
    .await;
    assert_eq!(last.event_id.as_u128(), 3);
    assert_eq!(names(&said)[3..], [(3, 1, false)]);
}

#[tokio::test]
async fn a_restart_does_not_judge_a_window_again_that_it_read_back_in_part() {
    const MINUTE: i64 = 60_000;
    let bench = Bench::new();
    // The click came after an opening, which lies more than an hour behind at the restart; the click does not.
    let first = [
        hit(1, "m", Kind::Open, 0, None),
        click(2, 15 * MINUTE, 0),
        hit(3, "n", Kind::Open, 70 * MINUTE, None),
        hit(4, "n", Kind::Open, 72 * MINUTE, None),
    ];
    let (_, said) = with_revisions(&bench, &first, async |_| ()).await;
    assert!(said[1].verdict.reasons.iter().any(|reason| reason.rule == "opened_before"), "{:?}", said[1]);
    let next = hit(5, "o", Kind::Open, 73 * MINUTE, None);
    let (_, said) = with_revisions(&bench, &[next], async |_| ()).await;
    let of_click: Vec<_> = said.iter().filter(|one| one.hit.event_id.as_u128() == 2).collect();
    assert_eq!(of_click.len(), 1, "{of_click:?}");
}
