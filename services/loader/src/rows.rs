//! Records as rows: pure functions of a record and of how long its account keeps things, so that a replay writes the
//! same rows again. The columns are those of `schema/clickhouse/0001_tables.sql` and of later files that add some.

use crate::retention::Days;
use crate::table::{OutOfRange, Table};
use clickhouse::Row;
use engagement::bounce::Said;
use engagement::delivery::{DeliveryEvent, DeliveryType, judged};
use engagement::{AccountNumber, Actor, Classified, Kind};
use serde::{Deserialize, Serialize};
use store::retention::until;
use uuid::Uuid;

/// The table `events`.
pub(crate) struct Events;

/// A row of `events`.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub(crate) struct EventRow {
    account: u32,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    revision: u16,
    kind: i8,
    received_at: i64,
    message_id: String,
    recipient_id: String,
    campaign: String,
    recipient_domain: String,
    sent_at: i64,
    link_index: Option<u16>,
    link_count: Option<u16>,
    label: String,
    method: String,
    actor: i8,
    source: String,
    client: String,
    asn: u32,
    country: String,
    device: String,
    mail_app: String,
    confidence: f32,
    reasons: String,
    ruleset: String,
    evidence_until: u32,
    retention_until: u32,
    ip: String,
    user_agent: String,
    headers: String,
    trailing: String,
    original: String,
}

impl Table for Events {
    const NAME: &'static str = "events";
    type Record = Classified;
    type Row = EventRow;

    fn account(record: &Classified) -> AccountNumber {
        record.hit.account_number
    }

    fn row(record: Classified, days: Days) -> Result<EventRow, OutOfRange> {
        let Classified { hit, client, traits, verdict, reclassified: _ } = record;
        let request = hit.request;
        Ok(EventRow {
            account: hit.account_number.0,
            event_id: hit.event_id,
            revision: u16::try_from(verdict.revision).map_err(|_| OutOfRange { field: "revision" })?,
            kind: kind(hit.kind),
            received_at: hit.received_at.millis(),
            message_id: hit.message_id,
            recipient_id: hit.recipient_id,
            campaign: hit.campaign,
            recipient_domain: hit.recipient_domain,
            sent_at: hit.sent_at.millis(),
            link_index: hit.link_index,
            link_count: hit.link_count,
            label: hit.label.unwrap_or_default(),
            method: request.method,
            actor: actor(verdict.actor),
            source: verdict.source,
            client,
            asn: traits.asn.unwrap_or_default(),
            country: traits.country,
            device: traits.device,
            mail_app: traits.mail_app,
            // Three decimals: far inside what 24 bits hold.
            confidence: verdict.confidence as f32,
            reasons: json(&verdict.reasons),
            ruleset: verdict.ruleset,
            evidence_until: until(hit.received_at, days.evidence),
            retention_until: until(hit.received_at, days.retention),
            ip: request.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            user_agent: request.ua,
            headers: json(&request.headers),
            trailing: request.trailing.unwrap_or_default(),
            original: hit.original.unwrap_or_default(),
        })
    }
}

/// The table `deliveries`.
pub(crate) struct Deliveries;

/// A row of `deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub(crate) struct DeliveryRow {
    account: u32,
    message_id: String,
    event_id: String,
    r#type: i8,
    at: i64,
    received_at: i64,
    recipient_id: String,
    campaign: String,
    recipient_domain: String,
    tracked: bool,
    mx_host: String,
    smtp_code: Option<u16>,
    enhanced_code: String,
    bounce_class: String,
    evidence_until: u32,
    retention_until: u32,
    diagnostic: String,
    bounce_reason: String,
    original: String,
}

impl Table for Deliveries {
    const NAME: &'static str = "deliveries";
    type Record = DeliveryEvent;
    type Row = DeliveryRow;

    fn account(record: &DeliveryEvent) -> AccountNumber {
        record.account_number
    }

    fn row(record: DeliveryEvent, days: Days) -> Result<DeliveryRow, OutOfRange> {
        // Judged when it was taken; records of an earlier program were not.
        let (class, reason) = match record.bounce_reason {
            Some(reason) => (record.bounce_class, Some(reason)),
            None => {
                let said = Said {
                    enhanced_code: record.enhanced_code.as_deref(),
                    smtp_code: record.smtp_code,
                    diagnostic: record.diagnostic.as_deref(),
                    verdict: None,
                };
                let (class, reason) = judged(record.kind, &said);
                (class.map(|class| class.as_str().to_owned()), reason.map(str::to_owned))
            }
        };
        Ok(DeliveryRow {
            account: record.account_number.0,
            message_id: record.message_id,
            event_id: record.event_id,
            r#type: delivery_type(record.kind),
            at: record.at.millis(),
            received_at: record.received_at.millis(),
            recipient_id: record.recipient_id,
            campaign: record.campaign,
            recipient_domain: record.recipient_domain,
            tracked: record.tracked,
            mx_host: record.mx_host.unwrap_or_default(),
            smtp_code: record.smtp_code,
            enhanced_code: record.enhanced_code.unwrap_or_default(),
            bounce_class: class.unwrap_or_default(),
            evidence_until: until(record.received_at, days.evidence),
            retention_until: until(record.received_at, days.retention),
            diagnostic: record.diagnostic.unwrap_or_default(),
            bounce_reason: reason.unwrap_or_default(),
            original: record.original.unwrap_or_default(),
        })
    }
}

// The numbers of the columns' enums.

const fn kind(kind: Kind) -> i8 {
    match kind {
        Kind::Open => 1,
        Kind::Click => 2,
        Kind::Unsubscribe => 3,
        Kind::Trap => 4,
    }
}

const fn actor(actor: Actor) -> i8 {
    match actor {
        Actor::Human => 1,
        Actor::Automated => 2,
        Actor::Unknown => 3,
    }
}

const fn delivery_type(kind: DeliveryType) -> i8 {
    match kind {
        DeliveryType::Sent => 1,
        DeliveryType::Delivered => 2,
        DeliveryType::Deferred => 3,
        DeliveryType::Bounced => 4,
        DeliveryType::Complained => 5,
        DeliveryType::Unsubscribed => 6,
        DeliveryType::Dropped => 7,
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, numbers and maps with string keys")
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::Timestamp;

    const DAYS: Days = Days { evidence: 30, retention: 400 };

    fn classified(revision: u32) -> Classified {
        let json = format!(
            r#"{{"v":1,"event_id":"019340f0-0000-7000-8000-000000000001","account_number":7,"kind":"click",
            "received_at":"2026-11-02T09:00:00.123Z","message_id":"m-1","recipient_id":"r-1","campaign":"c",
            "recipient_domain":"example.org","sent_at":"2026-11-02T08:00:00Z","link_index":2,"link_count":5,
            "label":"top","original":"{{\"event\":\"click\"}}","method":"GET","ip":"2001:db8::1","ua":"Mozilla/5.0","headers":{{"accept":"*/*"}},
            "trailing":"%27","client":"Chrome","asn":64500,"device":"desktop","verdict":{{"actor":"human","source":"chrome","confidence":0.9,
            "reasons":[{{"rule":"browser","source":"chrome","confidence":0.9,"evidence":"ua"}}],
            "ruleset":"r1","revision":{revision}}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_hit_becomes_a_row() {
        let row = Events::row(classified(3), DAYS).unwrap();
        let received = 1_793_610_000_i64;
        assert_eq!((row.account, row.revision, row.kind, row.actor), (7, 3, 2, 1));
        assert_eq!((row.asn, row.device.as_str(), row.mail_app.as_str()), (64500, "desktop", ""));
        assert_eq!((row.received_at, row.sent_at), (received * 1000 + 123, (received - 3600) * 1000));
        assert_eq!((row.link_index, row.link_count, row.label.as_str()), (Some(2), Some(5), "top"));
        assert_eq!((row.ip.as_str(), row.headers.as_str()), ("2001:db8::1", r#"{"accept":"*/*"}"#));
        assert_eq!(row.original, r#"{"event":"click"}"#);
        assert_eq!(row.reasons, r#"[{"rule":"browser","source":"chrome","confidence":0.9,"evidence":"ua"}]"#);
        let midnight = received - received % 86_400;
        assert_eq!(i64::from(row.evidence_until), midnight + 30 * 86_400);
        assert_eq!(i64::from(row.retention_until), midnight + 400 * 86_400);
        assert_eq!(Events::row(classified(3), DAYS).unwrap(), row, "a replay writes the same row");
        assert_eq!(Events::row(classified(65_536), DAYS), Err(OutOfRange { field: "revision" }));
    }

    #[test]
    fn only_a_bounce_has_a_class() {
        let row = |kind: &str, code: u16| {
            let json = format!(
                r#"{{"v":1,"account_number":7,"account":"demo","event_id":"e","received_at":"2026-11-02T09:00:00Z",
                "type":"{kind}","message_id":"m","at":"2026-11-01T09:00:00Z","smtp_code":{code},
                "enhanced_code":"5.1.1","diagnostic":"user unknown"}}"#
            );
            Deliveries::row(serde_json::from_str(&json).unwrap(), DAYS).unwrap()
        };
        let bounced = row("bounced", 550);
        assert_eq!(
            (bounced.r#type, bounced.bounce_class.as_str(), bounced.smtp_code),
            (4, "hard", Some(550))
        );
        assert_eq!(bounced.evidence_until, until(Timestamp::parse("2026-11-02T09:00:00Z").unwrap(), 30));
        assert!(bounced.tracked);
        assert_eq!(bounced.bounce_reason, "no_such_user", "an earlier program's record is judged here");
        let deferred = row("deferred", 450);
        assert_eq!(
            (deferred.r#type, deferred.bounce_class.as_str(), deferred.bounce_reason.as_str()),
            (3, "", "no_such_user")
        );
    }
}
