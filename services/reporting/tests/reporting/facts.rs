//! What is known of messages, as tests write it down, and how it gets into the tables.

use clickhouse::{Client, Row};
use engagement::{AccountNumber, Timestamp};
use serde::Serialize;
use uuid::Uuid;

/// Long after every test.
const FOREVER: u32 = 4_102_444_800;

/// One stored verdict on a hit.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) event_id: Uuid,
    pub(crate) revision: u16,
    pub(crate) kind: &'static str,
    pub(crate) at: i64,
    pub(crate) message_id: String,
    pub(crate) campaign: String,
    pub(crate) recipient_domain: String,
    pub(crate) sent_at: i64,
    pub(crate) method: &'static str,
    pub(crate) actor: &'static str,
    pub(crate) source: String,
    pub(crate) client: &'static str,
    /// Place and label of a click's link.
    pub(crate) link: (Option<u16>, &'static str),
}

/// One stored delivery event.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) message_id: String,
    pub(crate) event_id: String,
    pub(crate) kind: &'static str,
    pub(crate) at: i64,
    pub(crate) received_at: i64,
    pub(crate) campaign: String,
    pub(crate) recipient_domain: String,
    pub(crate) tracked: bool,
    pub(crate) bounce_class: &'static str,
    pub(crate) bounce_reason: &'static str,
    pub(crate) mx_host: &'static str,
}

#[derive(Row, Serialize)]
struct EventRow<'a> {
    account: u32,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    revision: u16,
    kind: i8,
    received_at: i64,
    message_id: &'a str,
    recipient_id: &'a str,
    campaign: &'a str,
    recipient_domain: &'a str,
    sent_at: i64,
    link_index: Option<u16>,
    link_count: Option<u16>,
    label: &'a str,
    method: &'a str,
    actor: i8,
    source: &'a str,
    client: &'a str,
    confidence: f32,
    reasons: &'a str,
    ruleset: &'a str,
    evidence_until: u32,
    retention_until: u32,
    ip: &'a str,
    user_agent: &'a str,
    headers: &'a str,
    trailing: &'a str,
    original: &'a str,
}

#[derive(Row, Serialize)]
struct DeliveryRow<'a> {
    account: u32,
    message_id: &'a str,
    event_id: &'a str,
    r#type: i8,
    at: i64,
    received_at: i64,
    recipient_id: &'a str,
    campaign: &'a str,
    recipient_domain: &'a str,
    tracked: bool,
    mx_host: &'a str,
    smtp_code: Option<u16>,
    enhanced_code: &'a str,
    bounce_class: &'a str,
    evidence_until: u32,
    retention_until: u32,
    diagnostic: &'a str,
    bounce_reason: &'a str,
}

pub(crate) fn millis(text: &str) -> i64 {
    Timestamp::parse(text).unwrap().millis()
}

fn place(names: &[&str], name: &str) -> i8 {
    i8::try_from(names.iter().position(|known| *known == name).unwrap() + 1).unwrap()
}

/// Inserts hits as they are; evidence is gone for messages whose id ends in `-old`. Each first revision has its original.
pub(crate) async fn insert_hits(client: &Client, account: AccountNumber, hits: &[Hit]) {
    let mut insert = client.insert::<EventRow<'_>>("events").await.unwrap();
    for hit in hits {
        let old = hit.message_id.ends_with("-old");
        insert
            .write(&EventRow {
                account: account.0,
                event_id: hit.event_id,
                revision: hit.revision,
                kind: place(&["open", "click", "unsubscribe", "trap"], hit.kind),
                received_at: hit.at,
                message_id: &hit.message_id,
                recipient_id: "r-1",
                campaign: &hit.campaign,
                recipient_domain: &hit.recipient_domain,
                sent_at: hit.sent_at,
                link_index: hit.link.0,
                link_count: (hit.kind == "click").then_some(3),
                label: hit.link.1,
                method: hit.method,
                actor: place(&["human", "automated", "unknown"], hit.actor),
                source: &hit.source,
                client: hit.client,
                confidence: 0.9,
                reasons: r#"[{"rule":"agent","source":"chrome","confidence":0.9,"evidence":"Chrome 142"}]"#,
                ruleset: "test",
                evidence_until: if old { 1_000_000_000 } else { FOREVER },
                retention_until: FOREVER,
                ip: "192.0.2.7",
                user_agent: "Agent/1",
                headers: r#"{"accept":"*/*"}"#,
                trailing: "",
                original: if hit.revision == 1 { r#"{"told":"by a provider"}"# } else { "" },
            })
            .await
            .unwrap();
    }
    insert.end().await.unwrap();
}

pub(crate) async fn insert_deliveries(client: &Client, account: AccountNumber, deliveries: &[Delivery]) {
    let types = ["sent", "delivered", "deferred", "bounced", "complained", "unsubscribed", "dropped"];
    let mut insert = client.insert::<DeliveryRow<'_>>("deliveries").await.unwrap();
    for delivery in deliveries {
        insert
            .write(&DeliveryRow {
                account: account.0,
                message_id: &delivery.message_id,
                event_id: &delivery.event_id,
                r#type: place(&types, delivery.kind),
                at: delivery.at,
                received_at: delivery.received_at,
                recipient_id: "",
                campaign: &delivery.campaign,
                recipient_domain: &delivery.recipient_domain,
                tracked: delivery.tracked,
                mx_host: delivery.mx_host,
                smtp_code: (delivery.kind == "bounced").then_some(550),
                enhanced_code: "",
                bounce_class: delivery.bounce_class,
                evidence_until: FOREVER,
                retention_until: FOREVER,
                diagnostic: "said the server",
                bounce_reason: delivery.bounce_reason,
            })
            .await
            .unwrap();
    }
    insert.end().await.unwrap();
}
