//! Hits at a steady rate with a note of each answer, and what is there of them afterwards.

use acceptance::{Api, wait_until};
use embedded::Engine;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The links of a mail whose reader is a machine.
const LINKS: usize = 5;
/// One mail in so many is followed link by link.
const FOLLOWED: u64 = 10;

/// A message and what is fetched of it, in this order.
pub(crate) struct Mail {
    message: String,
    urls: Vec<String>,
}

/// What became of the hits.
#[derive(Default)]
pub(crate) struct Sent {
    /// Hits sent, by message.
    pub(crate) sent: BTreeMap<String, u64>,
    /// Hits answered, by message.
    pub(crate) answered: BTreeMap<String, u64>,
    /// How long the slowest answer took.
    pub(crate) slowest: Duration,
}

impl Sent {
    pub(crate) fn hits(&self) -> u64 {
        self.sent.values().sum()
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answered.values().sum()
    }
}

/// Mails for so many hits: most are opened once, and of some every link is followed in a burst, so that verdicts are corrected.
pub(crate) async fn mails(api: &Api, name: &str, hits: u64) -> Vec<Mail> {
    let links: Vec<String> = (0..LINKS).map(|link| format!("https://example.com/{link}")).collect();
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    let (mut mails, mut made, mut number) = (Vec::new(), 0, 0);
    while made < hits {
        let message = format!("{name}-{number}");
        number += 1;
        let is_followed = number % FOLLOWED == 0;
        let mail = api.links(&message, if is_followed { &links } else { &[] }).await;
        let urls = if is_followed {
            let links = mail["links"].as_array().unwrap().iter();
            links.map(|link| link["tracked_url"].as_str().unwrap().to_owned()).collect()
        } else {
            vec![mail["pixel_url"].as_str().unwrap().to_owned()]
        };
        made += urls.len() as u64;
        mails.push(Mail { message, urls });
    }
    mails
}

/// Sends each hit once, so many a second.
pub(crate) async fn send(mails: Vec<Mail>, rate: u64, stop: Arc<AtomicBool>) -> Sent {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut all = Sent::default();
    let mut turn = tokio::time::interval(Duration::from_millis(1000 / rate));
    for Mail { message, urls } in mails {
        for url in urls {
            turn.tick().await;
            if stop.load(Ordering::Relaxed) {
                return all;
            }
            *all.sent.entry(message.clone()).or_default() += 1;
            let asked = Instant::now();
            if let Ok(answer) = client.get(url).send().await
                && (answer.status() == 200 || answer.status() == 302)
                && answer.bytes().await.is_ok()
            {
                *all.answered.entry(message.clone()).or_default() += 1;
                all.slowest = all.slowest.max(asked.elapsed());
            }
        }
    }
    all
}

/// Where an engine is asked, whether or not it is there.
#[derive(Clone)]
pub(crate) struct Place {
    url: String,
    user: String,
    password: String,
}

impl Place {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self { url: engine.url(), user: engine.user().to_owned(), password: engine.password().to_owned() }
    }

    /// How many events ClickHouse holds of each message; empty while it can't say.
    pub(crate) async fn stored(&self) -> BTreeMap<String, u64> {
        let question = "SELECT message_id, uniqExact(event_id) FROM events GROUP BY message_id FORMAT TSV";
        let text = self.ask(question).await.unwrap_or_default();
        let row = |line: &str| {
            let (message, count) = line.split_once('\t')?;
            Some((message.to_owned(), count.parse().ok()?))
        };
        text.lines().filter_map(row).collect()
    }

    /// The answer to a question; `None` while it can't say.
    pub(crate) async fn ask(&self, question: &'static str) -> Option<String> {
        let asked = reqwest::Client::new().post(&self.url).basic_auth(&self.user, Some(&self.password));
        let answer = asked.body(question).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.text().await.ok()
    }
}

/// How many answered hits are not there.
pub(crate) fn missing(sent: &Sent, stored: &BTreeMap<String, u64>) -> u64 {
    let of = |message: &String| stored.get(message).copied().unwrap_or(0);
    sent.answered.iter().map(|(message, answered)| answered.saturating_sub(of(message))).sum()
}

/// What was not answered may have been kept all the same, but nothing that nobody sent, and nothing twice.
pub(crate) fn spurious(sent: &Sent, stored: &BTreeMap<String, u64>) -> Vec<String> {
    let is_too_much =
        |(message, count): &(&String, &u64)| sent.sent.get(*message).copied().unwrap_or(0) < **count;
    stored.iter().filter(is_too_much).map(|(message, count)| format!("{message} {count} times")).collect()
}

/// The summary that shows so many opens and clicks, and no more. The roll-ups are told of rows when these are visible already, so
/// a summary may be a moment behind; never ahead.
pub(crate) async fn reported(api: &Api, hits: u64) -> Value {
    let total = |summary: &Value| -> u64 {
        ["opens", "clicks"].iter().map(|kind| summary[kind]["total"].as_u64().unwrap()).sum()
    };
    let summary = wait_until(|| api.summary("?suppress=none"), |summary| total(summary) >= hits).await;
    assert_eq!(total(&summary), hits, "{summary}");
    summary
}
