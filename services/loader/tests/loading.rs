//! Loading into the real engine from real topics.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod given;

use base64::Engine as _;
use given::{days_ago, delivery, given, hit, hits, support};
use store::{Accounts, Secret, Settings};
use uuid::Uuid;

/// Texts that break statements and formats where somebody forgot to escape.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE events; --",
    "a'b\"c`d\\e",
    "tab\tnew\nline\r\0nul",
    "\\N",
    "👩‍⚕️ Ærøskøbing 漢字 \u{202e}rtl",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

#[tokio::test]
async fn hits_and_delivery_events_arrive_unchanged() {
    let given = given().await;
    let running = given.start();
    for text in HOSTILE {
        given.hits(&[hit(Uuid::now_v7(), text, text, given::now(), 1)]).await;
        given.deliveries(&[delivery(text, "bounced", text)]).await;
    }
    given.loaded().await;
    assert_eq!(running.health.check(), Ok(()));

    let client = given.connection.client();
    let mut expected: Vec<&str> = HOSTILE.to_vec();
    expected.sort_unstable();
    for query in [
        "SELECT message_id AS text FROM events FINAL WHERE campaign = text AND ip = '192.0.2.7' AND actor = 'human' ORDER BY text",
        "SELECT message_id AS text FROM deliveries FINAL WHERE event_id = text AND bounce_class = 'hard' ORDER BY text",
    ] {
        let stored: Vec<String> = client.query(query).fetch_all().await.unwrap();
        assert_eq!(stored, expected, "{query}");
    }
    let row: (String, String, String, String) = client
        .query("SELECT headers, reasons, trailing, original FROM events LIMIT 1")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(row.0, r#"{"accept":"image/*"}"#);
    assert_eq!(row.1, r#"[{"rule":"browser","source":"chrome","confidence":0.9,"evidence":"Chrome"}]"#);
    assert_eq!((row.2.as_str(), row.3.as_str()), ("%27", r#"{"event":"open"}"#));
    let kept: (i64, i64) = client
        .query(
            "SELECT toInt64(evidence_until) - toInt64(toUnixTimestamp(toStartOfDay(received_at))),
                    toInt64(retention_until) - toInt64(toUnixTimestamp(toStartOfDay(received_at))) FROM events LIMIT 1",
        )
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(kept, (30 * 86_400, 400 * 86_400), "an unknown account keeps the default");
    running.stop().await;
}

#[tokio::test]
async fn a_replay_changes_no_row() {
    let mut given = given().await;
    let id = Uuid::now_v7();
    let mut records = hits(300);
    records.push(hit(id, "m", "c", given::now(), 1));
    records.push(hit(id, "m", "c", given::now(), 2));
    given.hits(&records).await;
    given.deliveries(&[delivery("a", "sent", "m"), delivery("b", "bounced", "m")]).await;
    let running = given.start();
    given.loaded().await;
    let (events, deliveries) = (given.rows("events").await, given.rows("deliveries").await);
    assert_eq!((events.len(), deliveries.len()), (302, 2));

    running.stop().await;

    // By another process, and in other batches.
    for rows in [50_000, 7] {
        given.config.batch_rows = rows;
        given.rewind_to_the_beginning();
        let running = given.start();
        given.loaded().await;
        running.stop().await;
        assert_eq!(given.rows("events").await, events);
        assert_eq!(given.rows("deliveries").await, deliveries);
    }
}

#[tokio::test]
async fn a_refused_row_is_set_aside_alone() {
    let given = given().await;
    let client = given.connection.client();
    client
        .query_raw("ALTER TABLE events ADD CONSTRAINT no_poison CHECK campaign != 'poison'")
        .execute()
        .await
        .unwrap();
    let mut records = hits(100);
    let poison = hit(Uuid::now_v7(), "m", "poison", given::now(), 1);
    records.insert(63, poison.clone());
    given.hits(&records).await;
    let running = given.start();
    given.loaded().await;
    assert_eq!(
        given.count("SELECT count() FROM events").await,
        100,
        "each good row once, in spite of the splitting"
    );
    let letters = given.dead_letters(1).await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.topic.as_str(), letter.partition, letter.offset), ("engagement.classified", 0, 63));
    assert!(letter.reason.contains("VIOLATED_CONSTRAINT"), "{}", letter.reason);
    assert!(letter.at.is_some());
    let original = base64::engine::general_purpose::STANDARD.decode(&letter.original_base64).unwrap();
    assert_eq!(original, poison.as_bytes());
    assert_eq!(running.health.check(), Ok(()), "one bad row is no reason to be unready");
    running.stop().await;
}

#[tokio::test]
async fn unreadable_records_are_set_aside_and_stop_nothing() {
    let given = given().await;
    let good = hits(2);
    let newer = good[0].replacen("\"v\":1", "\"v\":99", 1);
    assert_ne!(newer, good[0]);
    let huge_revision = hit(Uuid::now_v7(), "m", "c", given::now(), 70_000);
    let records = [
        "{".to_owned(),
        good[0].clone(),
        String::new(),
        newer,
        huge_revision,
        good[1].clone(),
        "{\"v\":1}".to_owned(),
    ];
    given.hits(&records).await;
    given.deliveries(&["[]".to_owned(), delivery("a", "sent", "m")]).await;
    let running = given.start();
    given.loaded().await;
    assert_eq!(given.count("SELECT count() FROM events").await, 2);
    assert_eq!(given.count("SELECT count() FROM deliveries").await, 1);
    let mut letters = given.dead_letters(6).await;
    letters.sort_by_key(|letter| (letter.topic.clone(), letter.offset));
    let places: Vec<_> = letters.iter().map(|letter| (letter.topic.as_str(), letter.offset)).collect();
    let classified = "engagement.classified";
    assert_eq!(
        places,
        [
            ("delivery", 0),
            (classified, 0),
            (classified, 2),
            (classified, 3),
            (classified, 4),
            (classified, 6)
        ]
    );
    assert!(letters[3].reason.contains("version 99"), "{}", letters[3].reason);
    assert!(letters[4].reason.contains("revision"), "{}", letters[4].reason);
    running.stop().await;
}

#[tokio::test]
async fn a_dead_letter_that_is_too_long_is_cut_to_fit() {
    let given = given().await;
    let long = "é\"".repeat(given::LONGEST_DEAD_LETTER);
    given.hits(&["{".to_owned(), long.clone(), "[".to_owned()]).await;
    let running = given.start();
    given.loaded().await;
    let letters = given.dead_letters(3).await;
    // The short ones may come twice: the long one was found among them.
    let cut = letters.iter().find(|letter| letter.offset == 1).unwrap();
    assert!(cut.reason.contains(&format!("first bytes of {}", long.len())), "{}", cut.reason);
    let original = base64::engine::general_purpose::STANDARD.decode(&cut.original_base64).unwrap();
    assert!(long.as_bytes().starts_with(&original) && original.len() > given::LONGEST_DEAD_LETTER / 2);
    assert!([0, 2].iter().all(|offset| letters.iter().any(|letter| letter.offset == *offset)));
    running.stop().await;
}

#[tokio::test]
async fn hits_of_many_months_fit_into_one_insert() {
    let given = given().await;
    let records: Vec<_> =
        (0..200).map(|month| hit(Uuid::now_v7(), "m", "c", days_ago(month * 31), 1)).collect();
    given.hits(&records).await;
    let running = given.start();
    given.loaded().await;
    // Counted without FINAL or merges in mind: what is past its retention may be gone by now, so only recent ones.
    let recent = "SELECT uniqExact(event_id) FROM events WHERE received_at > now() - INTERVAL 390 DAY";
    assert_eq!(given.count(recent).await, 13);
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_password_or_an_older_schema_is_waited_out() {
    let mut given = given::given_over(support::new_database());
    given.hits(&hits(10)).await;
    let good = given.connection.clone();

    given.connection.password = Secret::new("wrong");
    let running = given.start();
    support::until("the refusal to show", || async {
        running.health.check().is_err_and(|why| why.contains("AUTHENTICATION_FAILED"))
    })
    .await;
    running.stop().await;

    // The right password, but nobody has migrated yet; then somebody does.
    given.connection = good;
    let running = given.start();
    support::until("the missing schema to show", || async {
        running.health.check().is_err_and(|why| why.contains("trueopen migrate"))
    })
    .await;
    store::migrate(&given.connection.client()).await.unwrap();
    given.loaded().await;
    assert_eq!(running.health.check(), Ok(()));
    assert_eq!(given.count("SELECT count() FROM events").await, 10);
    running.stop().await;
}

#[tokio::test]
async fn a_newer_schema_takes_no_rows() {
    let given = given().await;
    let client = given.connection.client();
    client
        .query_raw("INSERT INTO schema_migrations VALUES (9999, '9999_future.sql', 'x', now64(3))")
        .execute()
        .await
        .unwrap();
    given.hits(&hits(5)).await;
    let running = given.start();
    support::until("the newer schema to show", || async {
        running.health.check().is_err_and(|why| why.contains("9999"))
    })
    .await;
    assert_eq!(given.count("SELECT count() FROM events").await, 0);
    // The newer program was taken back.
    client
        .query_raw("ALTER TABLE schema_migrations DELETE WHERE version = 9999 SETTINGS mutations_sync = 1")
        .execute()
        .await
        .unwrap();
    given.loaded().await;
    assert_eq!(given.count("SELECT count() FROM events").await, 5);
    running.stop().await;
}

#[tokio::test]
async fn rows_keep_what_their_account_says_and_follow_it() {
    let given = given().await;
    let accounts = Accounts::new(given.connection.client());
    let demo = accounts.create(&engagement::AccountId::new("demo").unwrap()).await.unwrap().number;
    assert_eq!(demo.0, given::ACCOUNT);
    let first = Settings { evidence_days: 20, ..Settings::default() };
    accounts.put_settings(demo, first).await.unwrap();
    given.directory.refresh(&accounts).await.unwrap();
    let running = given.start();
    given.hits(&[hit(Uuid::now_v7(), "m", "c", days_ago(10), 1)]).await;
    given.deliveries(&[delivery("a", "bounced", "m")]).await;
    given.loaded().await;
    let days =
        "SELECT toUInt64(ceil((toInt64(evidence_until) - toUnixTimestamp(received_at)) / 86400)) FROM events";
    assert_eq!(given.count(days).await, 20);

    // The change was applied to stored rows before this row came: only the loader can know of it.
    accounts.put_settings(demo, Settings { evidence_days: 5, ..Settings::default() }).await.unwrap();
    given.directory.refresh(&accounts).await.unwrap();
    support::until("the rows to follow", || async { given.count(days).await == 5 }).await;
    for table in ["events", "deliveries"] {
        given
            .connection
            .client()
            .query_raw(&format!("OPTIMIZE TABLE {table} FINAL"))
            .execute()
            .await
            .unwrap();
    }
    let emptied =
        "SELECT count() FROM events WHERE ip = '' AND user_agent = '' AND headers = '' AND trailing = '' AND original = ''
        AND source = 'chrome' AND actor = 'human' AND reasons != ''";
    assert_eq!(given.count(emptied).await, 1, "the evidence is gone, the verdict stays");
    assert_eq!(
        given.count("SELECT count() FROM deliveries WHERE diagnostic != ''").await,
        1,
        "five days are not over"
    );
    running.stop().await;
}
