//! Evidence goes when its time is over and the verdict stays: column TTLs on the real engine.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use engagement::{AccountId, AccountNumber, Timestamp};
use std::time::SystemTime;
use store::{Accounts, Settings, retention};

const DAY: i64 = 86_400_000;

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_clock(SystemTime::now()).plus_millis(-days * DAY)
}

/// A hit and a delivery event of an account, as the loader writes them under these settings.
async fn insert(
    client: &clickhouse::Client,
    account: AccountNumber,
    received: Timestamp,
    settings: &Settings,
) {
    for statement in [
        "INSERT INTO events (account, event_id, revision, kind, received_at, message_id, actor, source, reasons,
            evidence_until, retention_until, ip, user_agent, headers, trailing, original)
         SELECT {account: UInt32}, generateUUIDv4(), 1, 'open', fromUnixTimestamp64Milli({at: Int64}, 'UTC'), 'm',
            'human', 'chrome', '[]', {evidence: UInt32}, {retention: UInt32}, '192.0.2.7', 'Mozilla', '{}', '%27', 'told'",
        "INSERT INTO deliveries (account, message_id, event_id, type, at, received_at, bounce_class, smtp_code,
            evidence_until, retention_until, diagnostic, original)
         SELECT {account: UInt32}, 'm', toString(generateUUIDv4()), 'bounced',
            fromUnixTimestamp64Milli({at: Int64}, 'UTC'), fromUnixTimestamp64Milli({at: Int64}, 'UTC'), 'hard', 550,
            {evidence: UInt32}, {retention: UInt32}, '550 user unknown', 'a line'",
    ] {
        client
            .query(statement)
            .param("account", account.0)
            .param("at", received.millis())
            .param("evidence", retention::until(received, settings.evidence_days))
            .param("retention", retention::until(received, settings.retention_days))
            .execute()
            .await
            .unwrap();
    }
}

async fn mutations_done(client: &clickhouse::Client) {
    support::until("the mutations", || async {
        let open: u64 = client
            .query("SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done")
            .fetch_one()
            .await
            .unwrap();
        open == 0
    })
    .await;
}

async fn optimize(client: &clickhouse::Client) {
    for table in ["events", "deliveries"] {
        client.query_raw(&format!("OPTIMIZE TABLE {table} FINAL")).execute().await.unwrap();
    }
}

/// One line a row: how much evidence there is, and what stays of it.
async fn rows(client: &clickhouse::Client, account: AccountNumber) -> Vec<String> {
    client
        .query(
            "SELECT line FROM (SELECT concat(ip, '|', user_agent, '|', headers, '|', trailing, '|', original, '|', source, '|', toString(actor)) AS line
             FROM events WHERE account = {account: UInt32}
             UNION ALL
             SELECT concat(diagnostic, '|', original, '|', bounce_class, '|', ifNull(toString(smtp_code), '')) AS line FROM deliveries
             WHERE account = {account: UInt32}) ORDER BY line",
        )
        .param("account", account.0)
        .fetch_all()
        .await
        .unwrap()
}

const WHOLE: [&str; 2] = ["192.0.2.7|Mozilla|{}|%27|told|chrome|human", "550 user unknown|a line|hard|550"];
const EMPTIED: [&str; 2] = ["||hard|550", "|||||chrome|human"];

#[tokio::test]
async fn shorter_evidence_empties_stored_rows_and_keeps_the_verdict() {
    let client = support::migrated().await.client();
    let accounts = Accounts::new(client.clone());
    let demo = accounts.create(&AccountId::new("demo").unwrap()).await.unwrap().number;
    let other = accounts.create(&AccountId::new("other").unwrap()).await.unwrap().number;
    let settings = Settings::default();
    for account in [demo, other] {
        insert(&client, account, days_ago(10), &settings).await;
    }
    optimize(&client).await;
    assert_eq!(rows(&client, demo).await, WHOLE);

    // Nothing differs: no row is rewritten.
    accounts.apply_retention(demo, &settings).await.unwrap();
    mutations_done(&client).await;
    assert_eq!(rows(&client, demo).await, WHOLE);

    let shorter = Settings { evidence_days: 9, ..settings.clone() };
    accounts.apply_retention(demo, &shorter).await.unwrap();
    mutations_done(&client).await;
    optimize(&client).await;
    assert_eq!(rows(&client, demo).await, EMPTIED);
    assert_eq!(rows(&client, other).await, WHOLE, "another account's rows are left alone");

    // What was emptied does not come back; rows past their retention leave.
    accounts.apply_retention(demo, &settings).await.unwrap();
    mutations_done(&client).await;
    optimize(&client).await;
    assert_eq!(rows(&client, demo).await, EMPTIED);
    let gone = Settings { evidence_days: 1, retention_days: 9, ..settings };
    accounts.apply_retention(demo, &gone).await.unwrap();
    mutations_done(&client).await;
    optimize(&client).await;
    assert_eq!(rows(&client, demo).await, [""; 0]);
    assert_eq!(rows(&client, other).await, WHOLE);
}

#[tokio::test]
async fn the_database_counts_days_as_the_loader_does() {
    let client = support::migrated().await.client();
    let accounts = Accounts::new(client.clone());
    let demo = accounts.create(&AccountId::new("demo").unwrap()).await.unwrap().number;
    let times = [days_ago(0), days_ago(3), Timestamp::parse("2099-12-31T23:59:59.999Z").unwrap()];
    for time in times {
        insert(&client, demo, time, &Settings::default()).await;
    }
    let new = Settings { evidence_days: 5, retention_days: 3650, ..Settings::default() };
    accounts.apply_retention(demo, &new).await.unwrap();
    mutations_done(&client).await;
    for table in ["events", "deliveries"] {
        let stored: Vec<(u32, u32)> = client
            .query(&format!(
                "SELECT toUInt32(evidence_until), toUInt32(retention_until) FROM {table} ORDER BY received_at"
            ))
            .fetch_all()
            .await
            .unwrap();
        let mut expected = times.map(|time| (retention::until(time, 5), retention::until(time, 3650)));
        expected.sort_unstable();
        assert_eq!(stored, expected, "{table}");
    }
}
