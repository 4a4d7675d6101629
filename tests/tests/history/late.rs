//! Hits that arrive out of order after an outage of more than an hour of event time end as they would have in order.

use crate::past::{CHROME, HOUR, MINUTE, now, says_nothing_twice};
use acceptance::{System, wait_until};
use engagement::{AccountNumber, Hit, Kind, Request, Timestamp, message_key, to_wire};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use stream::{JournalConfig, Record, Topic, TopicConfig};
use uuid::Uuid;

fn hit(message: &str, at: i64, link: u16) -> Hit {
    Hit {
        v: Hit::VERSION,
        event_id: Uuid::now_v7(),
        account_number: AccountNumber(1),
        account: None,
        kind: Kind::Click,
        received_at: Timestamp::from_millis(at).unwrap(),
        message_id: message.to_owned(),
        recipient_id: String::new(),
        campaign: String::new(),
        recipient_domain: "example.org".to_owned(),
        sent_at: Timestamp::from_millis(at - 5 * HOUR).unwrap(),
        link_index: Some(link),
        link_count: Some(9),
        label: None,
        original: None,
        request: Request {
            method: "GET".to_owned(),
            ip: Some("203.0.113.9".parse().unwrap()),
            ua: CHROME.to_owned(),
            headers: BTreeMap::new(),
            trailing: None,
        },
    }
}

/// Puts hits into the tracker's journal, in this order, while nothing runs.
async fn append(data: &Path, hits: &[Hit]) {
    let name = "engagement.raw";
    let journal = JournalConfig::new(name, data.join("journal").join(name));
    let groups = vec!["classifier".to_owned()];
    let topic = Topic::open(TopicConfig { name: name.to_owned(), journal, groups }).unwrap();
    let record = |hit: &Hit| Record {
        key: message_key(hit.account_number, &hit.message_id),
        payload: to_wire(hit).into(),
    };
    topic.append_all(hits.iter().map(record).collect()).await.unwrap();
    topic.close().await;
}

/// Actor, source and reasons of each event, as they are when all hits come in order.
fn in_order(hits: &[Hit]) -> BTreeMap<String, Value> {
    let line = |hit: &Hit| {
        json!({"event_id": hit.event_id, "kind": "click", "received_at": hit.received_at, "message_id": hit.message_id,
            "link_index": hit.link_index, "link_count": hit.link_count, "sent_at": hit.sent_at,
            "recipient_domain": hit.recipient_domain, "method": "GET", "ip": hit.request.ip, "ua": hit.request.ua})
        .to_string()
    };
    let lines: Vec<String> = hits.iter().map(line).collect();
    let mut verdicts = Vec::new();
    let ruleset = classifier::Ruleset::builtin();
    classifier::classify_file(lines.join("\n").as_bytes(), &mut verdicts, &ruleset).unwrap();
    let verdicts = String::from_utf8(verdicts).unwrap();
    let verdicts = verdicts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    verdicts.map(|said| (said["event_id"].as_str().unwrap().to_owned(), said)).collect()
}

async fn judged(system: &System, message: &str) -> BTreeMap<String, Value> {
    let timeline: Value = system.api().timeline(message).await.json().await.unwrap_or_default();
    let events = timeline["events"].as_array().cloned().unwrap_or_default();
    events
        .iter()
        .map(|event| (event["event_id"].as_str().unwrap().to_owned(), event["verdict"].clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_that_arrives_late_and_out_of_order_ends_as_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    System::start(&data).stop();

    let burst = now() - 6 * HOUR;
    let mut hits: Vec<Hit> = (0..6).map(|link| hit("burst", burst + 150 * i64::from(link), link)).collect();
    hits.extend((0..3).map(|link| hit("reader", burst + 20 * MINUTE * i64::from(link), link)));
    // One address in the mails of thirty readers, which only all of them together show.
    let fan = |number: i64| format!("fan-{number}");
    // Each is of another domain, and the address changes within its network, as IPv6's do.
    hits.extend((0..30).map(|number| {
        let mut hit = hit(&fan(number), burst + 50 * MINUTE + 50 * number, 0);
        hit.recipient_domain = format!("clinic-{number}.example");
        hit.request.ip = Some(format!("2001:db8:7:8::{number:x}").parse().unwrap());
        hit
    }));
    let expected = in_order(&hits);
    // One of the burst and two of the reader's come in time. Then event time goes on by hours, over other messages; then
    // the rest comes, last first.
    let late = [&hits[1..6], &hits[8..]].concat();
    let in_time = [hits[0].clone(), hits[6].clone(), hits[7].clone()];
    let mut arrived = in_time.to_vec();
    arrived.extend((1..5_i64).map(|hour| hit(&format!("other-{hour}"), burst + hour * HOUR, 0)));
    arrived.extend(late.into_iter().rev());
    // And goes on, so that their window is closed.
    arrived.push(hit("other-6", burst + 5 * HOUR + 30 * MINUTE, 0));
    append(&data, &arrived).await;

    let system = System::start(&data);
    for message in ["burst", "reader", &fan(0), &fan(17)] {
        let wanted: BTreeMap<&String, &Value> = expected
            .iter()
            .filter(|(id, _)| {
                hits.iter().any(|hit| hit.message_id == message && hit.event_id.to_string() == **id)
            })
            .collect();
        let said = wait_until(
            || judged(&system, message),
            |said| {
                said.len() == wanted.len()
                    && wanted.iter().all(|(id, verdict)| {
                        ["actor", "source", "reasons"].iter().all(|part| said[*id][*part] == verdict[*part])
                    })
            },
        )
        .await;
        let actors: Vec<_> = said.values().map(|verdict| verdict["actor"].as_str().unwrap()).collect();
        let actor = if message == "reader" { "human" } else { "automated" };
        assert!(actors.iter().all(|said| *said == actor), "{message}: {actors:?}");
    }
    assert!(system.metric("trueopen_classifier_late_hits_total").await > 0.0);
    assert!(system.metric("trueopen_classifier_reclassified_total").await > 0.0);

    // What was closed before is not judged again in another way after a restart.
    let before = judged(&system, "burst").await;
    system.stop();
    let system = System::start(&data);
    let pixel = system.api().links("later", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    reqwest::get(pixel).await.unwrap();
    // What is said then is stored before this is.
    wait_until(|| judged(&system, "later"), |said| said.len() == 1).await;
    assert_eq!(judged(&system, "burst").await, before);
    says_nothing_twice(&system, &data).await;
    system.stop();
}
