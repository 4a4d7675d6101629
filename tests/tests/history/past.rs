//! A past: hits as an earlier ruleset judged them, and delivery events, as rows.

use acceptance::System;
use classifier::{BUILTIN_FILES, Facts, Ruleset, SignatureFile};
use engagement::{Hit, Kind, Request, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::time::SystemTime;
use uuid::Uuid;

pub(crate) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
pub(crate) const BARRACUDA: &str = "Barracuda Sentinel (EE)";
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn now() -> i64 {
    Timestamp::from_clock(SystemTime::now()).millis()
}

/// A ruleset that does not know gateways yet.
pub(crate) fn without_gateways() -> Ruleset {
    let gateways = ["gateways.toml", "barracuda.toml"];
    let files: Vec<SignatureFile<'_>> =
        BUILTIN_FILES.iter().filter(|file| !gateways.contains(&file.name)).copied().collect();
    Ruleset::from_files(&files).unwrap()
}

/// The sender's id of a message's recipient; of those to nobody known, none.
fn recipient(message: &str) -> String {
    if message.starts_with("nameless-") { String::new() } else { format!("r-{message}") }
}

/// Rows on their way into the engine.
#[derive(Default)]
pub(crate) struct Past {
    events: Vec<Value>,
    deliveries: Vec<Value>,
    evidence_days: Option<i64>,
}

/// One hit of the past.
pub(crate) struct PastHit<'a> {
    pub(crate) message: &'a str,
    pub(crate) at: i64,
    pub(crate) kind: Kind,
    pub(crate) link: u16,
    pub(crate) ua: &'a str,
    pub(crate) domain: &'a str,
    /// A day before it, if nothing else is said.
    pub(crate) sent: Option<i64>,
}

impl<'a> PastHit<'a> {
    pub(crate) fn click(message: &'a str, at: i64, ua: &'a str) -> Self {
        Self { message, at, kind: Kind::Click, link: 0, ua, domain: "example.org", sent: None }
    }
}

impl Past {
    /// Hits that follow keep their evidence for so many days after they arrived.
    pub(crate) fn evidence_days(&mut self, days: i64) {
        self.evidence_days = Some(days);
    }

    /// Adds a hit as this ruleset judges it alone; its event's id.
    pub(crate) fn hit(&mut self, hit: &PastHit<'_>, ruleset: &Ruleset) -> String {
        let is_click = hit.kind == Kind::Click;
        let received_at = Timestamp::from_millis(hit.at).unwrap();
        let hit = Hit {
            v: Hit::VERSION,
            event_id: Uuid::now_v7(),
            account_number: engagement::AccountNumber(1),
            account: None,
            kind: hit.kind,
            received_at,
            message_id: hit.message.to_owned(),
            recipient_id: recipient(hit.message),
            campaign: "past".to_owned(),
            recipient_domain: hit.domain.to_owned(),
            sent_at: Timestamp::from_millis(hit.sent.unwrap_or(hit.at - DAY)).unwrap(),
            link_index: is_click.then_some(hit.link),
            link_count: is_click.then_some(9),
            label: None,
            original: None,
            request: Request {
                method: "GET".to_owned(),
                ip: Some("203.0.113.9".parse().unwrap()),
                ua: hit.ua.to_owned(),
                headers: Default::default(),
                trailing: None,
            },
        };
        let judged = ruleset.judge(&Facts::from(&hit));
        let seconds = |days: i64| received_at.millis() / 1000 + days * DAY / 1000;
        let stored = |at: Timestamp| at.to_string().replace('T', " ").replace('Z', "");
        let id = hit.event_id.to_string();
        self.events.push(json!({
            "account": 1, "event_id": id, "revision": 1, "kind": hit.kind.as_str(), "received_at": stored(received_at),
            "message_id": hit.message_id, "recipient_id": hit.recipient_id, "campaign": hit.campaign,
            "recipient_domain": hit.recipient_domain, "sent_at": stored(hit.sent_at), "link_index": hit.link_index,
            "link_count": hit.link_count, "label": "", "method": "GET", "actor": judged.verdict.actor.as_str(),
            "source": judged.verdict.source, "client": judged.client, "confidence": judged.verdict.confidence,
            "reasons": serde_json::to_string(&judged.verdict.reasons).unwrap(), "ruleset": judged.verdict.ruleset,
            "evidence_until": seconds(self.evidence_days.unwrap_or(30)), "retention_until": seconds(400),
            "ip": "203.0.113.9", "user_agent": hit.request.ua, "headers": "{}", "trailing": "",
        }));
        id
    }

    /// Adds a delivery.
    pub(crate) fn delivered(&mut self, message: &str, at: i64, domain: &str) {
        let at = Timestamp::from_millis(at).unwrap();
        let stored = at.to_string().replace('T', " ").replace('Z', "");
        let seconds = |days: i64| at.millis() / 1000 + days * DAY / 1000;
        self.deliveries.push(json!({
            "account": 1, "message_id": message, "event_id": format!("d-{message}"), "type": "delivered", "at": stored,
            "received_at": stored, "recipient_id": recipient(message), "campaign": "past", "recipient_domain": domain,
            "tracked": true, "evidence_until": seconds(30), "retention_until": seconds(400),
        }));
    }

    /// Writes all of it into the engine of a running system.
    pub(crate) async fn write(self, system: &System, data: &Path) {
        for (table, rows) in [("events", self.events), ("deliveries", self.deliveries)] {
            if !rows.is_empty() {
                let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
                execute(
                    system,
                    data,
                    &format!("INSERT INTO {table} FORMAT JSONEachRow\n{}", rows.join("\n")),
                )
                .await;
            }
        }
    }
}

/// A statement run in the engine, as its operator could; its answer.
pub(crate) async fn execute(system: &System, data: &Path, statement: &str) -> String {
    let password = std::fs::read_to_string(data.join("clickhouse/engine.password")).unwrap();
    let request =
        reqwest::Client::new().post(system.told("ClickHouse")).basic_auth("default", Some(password.trim()));
    let response = request.body(statement.to_owned()).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{}: {text}", &statement[..statement.len().min(300)]);
    text
}

/// Runs a command beside the system, which must succeed; what it printed.
pub(crate) fn run(system: &System, arguments: &[&str]) -> String {
    let output = system.command(arguments).output();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// Asserts that no revision of an event says two things, as `trueopen verify` looks for it.
pub(crate) async fn says_nothing_twice(system: &System, data: &Path) {
    let conflicts = "SELECT count() FROM (
        SELECT uniqExact((kind, received_at, message_id, link_index, actor, source, client, confidence, reasons, ruleset))
            AS contents
        FROM events GROUP BY event_id, revision HAVING contents > 1)";
    assert_eq!(execute(system, data, conflicts).await.trim(), "0", "one revision says two things");
}
