//! Inserts: of any size, at once, and broken off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use clickhouse::{Compression, Row};
use serde::{Deserialize, Serialize};

use crate::support::{Fixture, fixture, fixture_with, until};

const TABLE: &str = "CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a";

#[tokio::test]
async fn the_data_may_be_anywhere_and_of_any_size() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql(TABLE).await;
    let mut expected = 0;
    let mut check = async |rows: u64, what: &str| {
        expected += rows;
        assert_eq!(fixture.sql("SELECT count() FROM t").await, format!("{expected}\n"), "{what}");
    };

    let line = format!("{{\"a\":1,\"s\":\"{}\"}}\n", "x".repeat(100));
    let body = line.repeat(50_000);
    assert!(body.len() > 20 * (256 << 10));
    let answer = fixture.post(&[("query", "INSERT INTO t FORMAT JSONEachRow")], body.clone()).await;
    assert!(
        answer.headers()["x-clickhouse-summary"].to_str().unwrap().contains("\"written_rows\":\"50000\"")
    );
    check(50_000, "statement in the parameter").await;

    fixture.sql(&format!("INSERT INTO t (a, s) FORMAT JSONEachRow\n{body}")).await;
    check(50_000, "all in the body").await;

    let values = vec!["(7, 'it''s; VALUES')"; 100_000].join(",");
    fixture.sql(&format!("/* one */ INSERT INTO t VALUES {values};")).await;
    check(100_000, "values").await;

    fixture.post(&[("query", "INSERT INTO t VALUES"), ("param_x", "5")], "({x:UInt64}, 'p')").await;
    check(1, "values with a parameter").await;

    fixture.post(&[("query", "INSERT INTO t"), ("default_format", "CSV")], "1,a\n2,b\n").await;
    check(2, "the format in a parameter").await;

    fixture.sql("INSERT INTO t SELECT number, 'q' FROM numbers(10)").await;
    check(10, "from a query").await;

    let mut chunks = Vec::new();
    for number in 0..1000_u64 {
        chunks.push(Ok::<_, std::io::Error>([&number.to_le_bytes()[..], b"\x01z"].concat()));
    }
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    fixture.post(&[("query", "INSERT INTO t FORMAT RowBinary")], body).await;
    check(1000, "in chunks").await;
}

#[tokio::test]
async fn a_bad_row_stores_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql(TABLE).await;
    let rows = "{\"a\":1,\"s\":\"x\"}\n".repeat(100_000);
    let (status, code, _) = fixture
        .refused(&[("query", "INSERT INTO t FORMAT JSONEachRow")], &format!("{rows}{{\"a\":\"b\"}}"))
        .await;
    assert_eq!((status, code), (400, 27));
    let (_, code, _) = fixture.refused(&[("query", "INSERT INTO t FORMAT RowBinary")], "123").await;
    assert_eq!(code, 33);
    assert_eq!(fixture.sql("SELECT count() FROM t").await, "0\n");
}

/// Sends an insert's head and part of its body over a bare connection, and gives the connection.
fn begin(fixture: &Fixture, framing: &str, body: &[u8]) -> TcpStream {
    let address = fixture.engine.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let query = "INSERT+INTO+t+FORMAT+RowBinary";
    write!(
        stream,
        "POST /?query={query}&password={} HTTP/1.1\r\nHost: {address}\r\n{framing}\r\n\r\n",
        fixture.engine.password()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    stream
}

#[tokio::test]
async fn an_insert_that_breaks_off_stores_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql(TABLE).await;
    let rows = [&7_u64.to_le_bytes()[..], b"\x01z"].concat().repeat(50_000);
    let chunk = [format!("{:x}\r\n", rows.len()).into_bytes(), rows.clone(), b"\r\n".to_vec()].concat();

    // The cut falls between two rows, so that the data alone could pass for whole.
    for (framing, body) in [
        (format!("Content-Length: {}", rows.len() + 10), rows.clone()),
        ("Transfer-Encoding: chunked".to_owned(), chunk.clone()),
    ] {
        // Gone without a word.
        let stream = begin(&fixture, &framing, &body);
        until("the insert is under way", || async { running_inserts(&fixture).await == "1\n" }).await;
        drop(stream);
        until("the insert is aborted", || async { running_inserts(&fixture).await == "0\n" }).await;
        assert_eq!(fixture.sql("SELECT count() FROM t").await, "0\n", "{framing}");

        // Still listening for the answer: it must not be a success.
        let mut stream = begin(&fixture, &framing, &body);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains(" 200 "), "{answer}");
        until("the insert is aborted", || async { running_inserts(&fixture).await == "0\n" }).await;
        assert_eq!(fixture.sql("SELECT count() FROM t").await, "0\n", "{framing}");
    }

    // The same bytes with their end are stored: it was the end that was missed.
    let mut stream = begin(&fixture, "Transfer-Encoding: chunked\r\nConnection: close", &chunk);
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
    assert_eq!(fixture.sql("SELECT count() FROM t").await, "50000\n");
}

async fn running_inserts(fixture: &Fixture) -> String {
    fixture.sql("SELECT count() FROM system.processes WHERE query_kind = 'Insert'").await
}

#[derive(Row, Serialize, Deserialize)]
struct Pair {
    a: u64,
    s: String,
}

#[tokio::test]
async fn inserts_and_queries_run_beside_each_other() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql(TABLE).await;
    let mut writers = Vec::new();
    for writer in 0..6_u64 {
        let client = fixture.client(if writer % 2 == 0 { Compression::Lz4 } else { Compression::None });
        writers.push(tokio::spawn(async move {
            for batch in 0..5_u64 {
                let mut insert = client.insert::<Pair>("t").await.unwrap();
                for row in 0..2000_u64 {
                    let pair = Pair { a: writer * 1_000_000 + batch * 10_000 + row, s: format!("{writer}") };
                    insert.write(&pair).await.unwrap();
                }
                insert.end().await.unwrap();
            }
        }));
    }
    let client = fixture.client(Compression::Lz4);
    let mut seen = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let count: u64 = client.query("SELECT count() FROM t").fetch_one().await.unwrap();
        assert!(count >= seen && count.is_multiple_of(2000), "{count} after {seen}");
        seen = count;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(fixture.sql("SELECT count(), uniqExact(a) FROM t").await, "60000\t60000\n");
}

#[tokio::test]
async fn memory_is_bounded_however_much_goes_in_and_out() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql("CREATE TABLE t (a UInt64, s String) ENGINE = Null").await;
    let row = [&7_u64.to_le_bytes()[..], b"\x80\x02", &[b'z'; 256]].concat();
    let chunk = row.repeat(4000);
    let sent = chunk.len() * 400;
    let body = futures_util::stream::iter((0..400).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let parameters = [
        ("query", "INSERT INTO t FORMAT RowBinary"),
        ("max_insert_block_size", "10000"),
        ("min_insert_block_size_rows", "10000"),
    ];
    let answer = fixture.post(&parameters, reqwest::Body::wrap_stream(body)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());

    let sql = "SELECT number, repeat('z', 256) FROM numbers(1600000) FORMAT RowBinary SETTINGS max_block_size = 10000";
    let mut answer = fixture.post(&[], sql).await;
    let mut received = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        received += chunk.len();
    }
    assert_eq!((received, sent), (1_600_000 * row.len(), 1_600_000 * row.len()));

    let status = std::fs::read_to_string(format!("/proc/{}/status", fixture.engine.pid().unwrap())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    // 425 MB went through each way; the engine alone takes some 200 MB.
    assert!(kilobytes < 450_000, "{peak}");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_not_waited_for_forever() {
    let Some(fixture) = fixture_with(|config| config.client_timeout = Duration::from_millis(200)).await
    else {
        return;
    };
    fixture.sql(TABLE).await;
    let rows = [&7_u64.to_le_bytes()[..], b"\x01z"].concat();
    let mut stream = begin(&fixture, "Content-Length: 1000\r\nConnection: close", &rows);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Code: 209. "), "{answer}");
    assert_eq!(fixture.sql("SELECT count() FROM t").await, "0\n");
}
