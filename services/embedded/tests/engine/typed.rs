//! The official client: typed rows with validation, with and without compression.

use clickhouse::{Compression, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::fixture;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Event {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    account: String,
    number: u64,
    tags: Vec<String>,
    note: Option<String>,
    at: i64,
}

impl Event {
    fn new(number: u64) -> Self {
        Self {
            id: Uuid::from_u128(u128::from(number) << 64 | 7),
            account: format!("account {}", number % 7),
            number,
            tags: vec![format!("tag {number}"), "it's \\ \n \"quoted\"".to_owned()],
            note: number.is_multiple_of(3).then(|| "note ".repeat(8)),
            at: i64::try_from(number).unwrap() * 1000,
        }
    }
}

const TABLE: &str = "CREATE TABLE events (id UUID, account String, number UInt64, tags Array(String), \
     note Nullable(String), at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY number";

/// 300,000 rows, some 40 MB: far above the 256 KiB at which data inside a statement is cut.
const ROWS: u64 = 300_000;

#[tokio::test]
async fn rows_come_back_as_they_went_in() {
    let Some(fixture) = fixture().await else { return };
    for (database, compression) in [("plain", Compression::None), ("packed", Compression::Lz4)] {
        let client = fixture.client(compression);
        client.query(&format!("CREATE DATABASE {database}")).execute().await.unwrap();
        let client = client.with_database(database);
        client.query(TABLE).execute().await.unwrap();

        let mut insert = client.insert::<Event>("events").await.unwrap();
        for number in 0..ROWS {
            insert.write(&Event::new(number)).await.unwrap();
        }
        insert.end().await.unwrap();

        let mut rows = client.query("SELECT ?fields FROM events ORDER BY number").fetch::<Event>().unwrap();
        let mut expected = 0;
        while let Some(row) = rows.next().await.unwrap() {
            assert_eq!(row, Event::new(expected), "{database}");
            expected += 1;
        }
        assert_eq!(expected, ROWS, "{database}");
        assert!(rows.decoded_bytes() > 20 << 20, "{}", rows.decoded_bytes());
    }
}

#[tokio::test]
async fn an_empty_answer_has_its_columns() {
    let Some(fixture) = fixture().await else { return };
    let client = fixture.client(Compression::Lz4);
    client.query(TABLE).execute().await.unwrap();
    assert_eq!(client.query("SELECT ?fields FROM events").fetch_all::<Event>().await.unwrap(), []);
    assert_eq!(client.query("SELECT ?fields FROM events").fetch_optional::<Event>().await.unwrap(), None);
}

#[tokio::test]
async fn a_row_that_does_not_fit_its_table_is_refused_by_the_client() {
    #[derive(Row, Serialize, Deserialize)]
    struct Wrong {
        number: String,
    }
    let Some(fixture) = fixture().await else { return };
    let client = fixture.client(Compression::Lz4);
    client.query(TABLE).execute().await.unwrap();
    assert!(
        client.insert::<Wrong>("events").await.is_err() || {
            let mut insert = client.insert::<Wrong>("events").await.unwrap();
            insert.write(&Wrong { number: "1".to_owned() }).await.is_err() || insert.end().await.is_err()
        }
    );
    fixture.post(&[], "INSERT INTO events (number) VALUES (1)").await.error_for_status().unwrap();
    assert!(client.query("SELECT number FROM events").fetch_all::<Wrong>().await.is_err());
}

#[tokio::test]
async fn parameters_are_values_and_never_sql() {
    let Some(fixture) = fixture().await else { return };
    let client = fixture.client(Compression::Lz4);
    client.query("CREATE TABLE t (name String) ENGINE = MergeTree ORDER BY name").execute().await.unwrap();
    let long = "x".repeat(200_000);
    for value in [
        "plain",
        "it's",
        "'; DROP TABLE t; --",
        "\\'; DROP TABLE t; --",
        "a\tb\nc\\n\r\0d",
        "{name:String}",
        "ünïcödé 🦀",
        "\\N",
        "",
        &long,
    ] {
        client.query("INSERT INTO t SELECT {name:String}").param("name", value).execute().await.unwrap();
        let found: String = client
            .query("SELECT name FROM t WHERE name = {name:String}")
            .param("name", value)
            .fetch_one()
            .await
            .unwrap();
        assert_eq!(found, value);
        let bound: String =
            client.query("SELECT name FROM t WHERE name = ?").bind(value).fetch_one().await.unwrap();
        assert_eq!(bound, value);
    }
    let count: u64 = client.query("SELECT count() FROM t").fetch_one().await.unwrap();
    assert_eq!(count, 10);
    let list: Vec<String> = vec!["it's".to_owned(), "plain".to_owned(), "') OR 1 --".to_owned()];
    let found: u64 = client
        .query("SELECT count() FROM t WHERE has({list:Array(String)}, name)")
        .param("list", &list)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(found, 2);
}

#[tokio::test]
async fn errors_reach_the_client_whole() {
    let Some(fixture) = fixture().await else { return };
    for compression in [Compression::None, Compression::Lz4] {
        let client = fixture.client(compression);
        let error = client.query("SELECT * FROM missing").execute().await.unwrap_err().to_string();
        assert!(error.contains("Code: 60. DB::Exception: ") && error.contains("(UNKNOWN_TABLE)"), "{error}");

        // Far into the answer: the first megabytes have been sent by then.
        let mut rows = client
            .query("SELECT throwIf(number = 3000000) AS thrown FROM numbers(4000000)")
            .fetch::<u8>()
            .unwrap();
        let mut count = 0_u64;
        let error = loop {
            match rows.next().await {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("the answer ended well after {count} rows"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(count > 100_000, "{count} rows only");
        assert!(error.contains("Code: 395."), "{error}");
    }
}
