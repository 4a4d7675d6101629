//! The HTTP interface as other clients use it.

use std::time::Duration;

use crate::support::{fixture, fixture_with, refusal, until};

#[tokio::test]
async fn a_query_has_an_answer_and_a_servers_headers() {
    let Some(fixture) = fixture().await else { return };
    let url = fixture.engine.url();
    let client = reqwest::Client::new();
    for path in ["/ping", "/", "/replicas_status"] {
        assert_eq!(client.get(format!("{url}{path}")).send().await.unwrap().text().await.unwrap(), "Ok.\n");
        assert_eq!(client.head(format!("{url}{path}")).send().await.unwrap().status(), 200);
    }
    assert_eq!(client.get(format!("{url}/other")).send().await.unwrap().status(), 404);
    assert_eq!(client.put(&url).send().await.unwrap().status(), 405);
    let options = client.request(reqwest::Method::OPTIONS, &url).send().await.unwrap();
    assert_eq!((options.status().as_u16(), options.headers().contains_key("allow")), (204, true));

    let answer = fixture.get(&[("query", "SELECT 1 AS a FORMAT JSONEachRow"), ("query_id", "mine")]).await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-clickhouse-format"), "JSONEachRow");
    assert_eq!(header("content-type"), "application/x-ndjson; charset=UTF-8");
    assert_eq!(header("x-clickhouse-query-id"), "mine");
    assert_eq!(header("x-clickhouse-timezone"), "UTC");
    assert!(header("x-clickhouse-summary").contains("\"result_rows\":\"1\""));
    assert_eq!(header("x-clickhouse-exception-tag").len(), 16);
    assert_eq!(answer.text().await.unwrap(), "{\"a\":1}\n");

    assert_eq!(fixture.post(&[], "SELECT 1").await.text().await.unwrap(), "1\n");
    assert_eq!(fixture.post(&[("query", "SELECT")], "1").await.text().await.unwrap(), "1\n");
    assert_eq!(
        fixture.post(&[("default_format", "CSV")], "SELECT 'a'").await.text().await.unwrap(),
        "\"a\"\n"
    );
    assert_eq!(fixture.sql("SHOW DATABASES LIKE 'default'").await, "default\n");
    assert_eq!(fixture.sql("EXISTS TABLE nothing").await, "0\n");
    assert_eq!(fixture.sql("SELECT 1;").await, "1\n");
}

#[tokio::test]
async fn large_answers_are_right_in_every_format() {
    let Some(fixture) = fixture().await else { return };
    for (format, header, footer) in [
        ("TSV", "", ""),
        ("TSVWithNamesAndTypes", "number\nUInt64\n", ""),
        ("CSVWithNames", "\"number\"\n", ""),
        ("JSONCompactEachRowWithNames", "[\"number\"]\n", ""),
    ] {
        let answer = fixture.sql(&format!("SELECT number FROM numbers(300000) FORMAT {format}")).await;
        let rows = answer.strip_prefix(header).unwrap().strip_suffix(footer).unwrap();
        let mut expected = 0_u64;
        for row in rows.lines() {
            assert_eq!(row.trim_matches(['[', ']', '"']).parse(), Ok(expected), "{format}");
            expected += 1;
        }
        assert_eq!(expected, 300_000, "{format}");
    }
    // One document around all rows, though the engine would write one around each of its pieces.
    let answer = fixture.sql("SELECT number FROM numbers(300000) FORMAT JSONCompact").await;
    let document: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(document["rows"], 300_000);
    assert_eq!(document["data"].as_array().unwrap().len(), 300_000);
    let totals = "SELECT number % 2 AS k, count() AS c FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k";
    assert_eq!(fixture.sql(&format!("{totals} FORMAT TSVWithNames")).await, "k\tc\n0\t5\n1\t5\n\n0\t10\n");
}

#[tokio::test]
async fn an_answer_beyond_its_bound_is_an_error_and_not_a_lot_of_memory() {
    let Some(fixture) = fixture_with(|config| config.max_answer_bytes = 1 << 20).await else { return };
    let (status, code, _) = fixture.refused(&[], "SELECT number FROM numbers(1000000) FORMAT JSON").await;
    assert_eq!((status, code), (500, 396));
    assert_eq!(
        fixture.sql("SELECT count() FROM (SELECT number FROM numbers(1000000)) FORMAT TSV").await,
        "1000000\n"
    );
}

#[tokio::test]
async fn errors_have_a_servers_status_code_and_header() {
    let Some(fixture) = fixture().await else { return };
    for (parameters, sql, status, code) in [
        (vec![], "SELECT", 400, 62),
        (vec![], "", 400, 62),
        (vec![], "exit", 400, 62),
        (vec![], "1 + 1", 400, 62),
        (vec![], "SELECT 1; SELECT 2", 400, 62),
        (vec![], "SELECT * FROM missing", 404, 60),
        (vec![], "SELECT missing", 404, 47),
        (vec![], "SELECT missing()", 404, 46),
        (vec![], "SELECT 1 FORMAT Missing", 404, 73),
        (vec![], "SELECT throwIf(1)", 500, 395),
        (vec![], "SELECT {a:UInt8}", 500, 456),
        (vec![], "INSERT INTO missing FORMAT CSV\n1", 404, 60),
        (vec![], "SELECT 1 INTO OUTFILE '/tmp/never'", 403, 497),
        (vec![], "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 403, 497),
        (vec![], "CREATE USER u", 403, 497),
        (vec![("database", "missing")], "SELECT 1", 404, 81),
        (vec![("database", "a`; DROP DATABASE default; --")], "SELECT 1", 404, 81),
        (vec![("no_such_setting", "1")], "SELECT 1", 404, 115),
        (vec![("max_threads = 1, max_threads", "1")], "SELECT 1", 404, 115),
        (vec![("max_threads", "many")], "SELECT 1", 400, 27),
        (vec![("default_format", "x'")], "SELECT 1", 400, 36),
        (vec![("session_id", "s")], "SELECT 1", 501, 48),
    ] {
        let (found_status, found_code, text) = fixture.refused(&parameters, sql).await;
        assert_eq!((found_status, found_code), (status, code), "{parameters:?} {sql}: {text}");
    }
    assert!(!std::path::Path::new("/tmp/never").exists());
    let encoded =
        reqwest::Client::new().post(fixture.engine.url()).header("Content-Encoding", "gzip").body("x");
    let (status, code, text) = refusal(fixture.send(encoded).await).await;
    assert!((status, code) == (501, 48) && text.contains("gzip"), "{text}");
}

#[tokio::test]
async fn every_code_has_the_engines_name() {
    let Some(fixture) = fixture().await else { return };
    let source = concat!(include_str!("../../src/child/exception.rs"));
    let mut checked = 0;
    for line in
        source.lines().filter(|line| line.starts_with("pub(crate) const") && line.contains("Code = Code("))
    {
        let (number, name) = line.split_once("Code(").unwrap().1.split_once(", \"").unwrap();
        let name = name.split('"').next().unwrap();
        assert_eq!(fixture.sql(&format!("SELECT errorCodeToName({number})")).await.trim(), name);
        checked += 1;
    }
    assert!(checked > 10, "{checked}");
}

#[tokio::test]
async fn get_changes_nothing() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").await;
    for sql in [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1",
        "DROP TABLE t",
        "TRUNCATE TABLE t",
        "CREATE TABLE u (a UInt8) ENGINE = Memory",
        "ALTER TABLE t DELETE WHERE 1",
    ] {
        let (status, code, _) = refusal(fixture.get(&[("query", sql)]).await).await;
        assert_eq!((status, code), (500, 164), "{sql}");
        let (_, code, _) = refusal(fixture.get(&[("query", sql), ("readonly", "0")]).await).await;
        assert_eq!(code, 164, "{sql}");
    }
    assert_eq!(fixture.sql("SELECT count() FROM t").await, "0\n");
    assert_eq!(
        fixture.get(&[("query", "SELECT count() FROM t"), ("max_threads", "1")]).await.text().await.unwrap(),
        "0\n"
    );
}

#[tokio::test]
async fn only_the_password_opens() {
    let Some(fixture) = fixture().await else { return };
    let client = reqwest::Client::new();
    let url = fixture.engine.url();
    let password = fixture.engine.password();
    let asked = || fixture.address(&[("query", "SELECT 1")]);
    let named = |password: &str| fixture.address(&[("query", "SELECT 1"), ("password", password)]);
    let right = [
        client.get(asked()).basic_auth("default", Some(password)),
        client.get(named(password)),
        client.get(asked()).header("X-ClickHouse-User", "default").header("X-ClickHouse-Key", password),
    ];
    for request in right {
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "1\n");
    }
    let wrong = [
        client.get(asked()),
        client.get(asked()).basic_auth("default", Some("wrong")),
        client.get(named("wrong")),
        client.get(asked()).header("X-ClickHouse-Key", &password[1..]),
        client.post(&url).body("DROP DATABASE default"),
    ];
    for request in wrong {
        let (status, code, text) = refusal(request.send().await.unwrap()).await;
        assert_eq!((status, code), (403, 516), "{text}");
        assert!(!text.contains(password));
    }
}

#[tokio::test]
async fn settings_and_databases_end_with_their_request() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql("CREATE DATABASE other").await;
    let ask = "SELECT getSetting('max_threads'), currentDatabase(), getSetting('readonly')";
    let answer = fixture.post(&[("max_threads", "3"), ("database", "other"), ("readonly", "1")], ask).await;
    assert_eq!(answer.text().await.unwrap(), "3\tother\t1\n");
    fixture.sql("SET max_threads = 3").await;
    fixture.sql("USE other").await;
    let after = fixture.sql(ask).await;
    assert!(after.ends_with("\tdefault\t0\n") && !after.starts_with("3\t"), "{after}");
}

#[tokio::test]
async fn several_queries_run_at_once_and_too_many_are_refused() {
    let Some(fixture) = fixture_with(|config| {
        config.max_queries = 2;
        config.queue_wait = Duration::from_millis(50);
    })
    .await
    else {
        return;
    };
    // Two that last until they are cancelled, and so prove that they run at the same time.
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_threads = 1";
    let running = [(); 2].map(|()| {
        let request = reqwest::Client::new()
            .post(fixture.engine.url())
            .basic_auth("default", Some(fixture.engine.password()))
            .body(endless);
        // One that comes while this test asks below is refused itself, and comes again.
        tokio::spawn(
            async move { while request.try_clone().unwrap().send().await.unwrap().status() != 200 {} },
        )
    });
    until("the third is refused", || async {
        let answer = fixture.post(&[], "SELECT 1").await;
        answer.headers().get("x-clickhouse-exception-code").is_some_and(|code| code == "202")
    })
    .await;
    // Their clients go: the engine drops them, and there is room again.
    for task in running {
        task.abort();
    }
    until("there is room", || async { fixture.post(&[], "SELECT 1").await.status() == 200 }).await;
    until("they have ended", || async {
        fixture.sql("SELECT count() FROM system.processes WHERE query NOT LIKE '%processes%'").await == "0\n"
    })
    .await;
}

#[tokio::test]
async fn answers_can_be_had_in_clickhouse_blocks() {
    let Some(fixture) = fixture().await else { return };
    let packed =
        fixture.post(&[("compress", "1")], "SELECT number FROM numbers(200000)").await.bytes().await.unwrap();
    assert_eq!(packed[16], 0x82);
    fixture.sql("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n").await;
    // What came out packed goes in packed: the engine's reading of its own writing.
    let inserted =
        fixture.post(&[("decompress", "1"), ("query", "INSERT INTO t FORMAT TSV")], packed.clone()).await;
    assert_eq!(inserted.status(), 200);
    assert_eq!(fixture.sql("SELECT count(), sum(n) FROM t").await, "200000\t19999900000\n");
    let mut damaged = packed.to_vec();
    damaged[100] ^= 1;
    let refused = fixture.post(&[("decompress", "1"), ("query", "INSERT INTO t FORMAT TSV")], damaged).await;
    assert_eq!(refusal(refused).await.1, 40);
    assert_eq!(fixture.sql("SELECT count() FROM t").await, "200000\n");
}

#[tokio::test]
async fn an_error_late_in_an_answer_breaks_it_off() {
    let Some(fixture) = fixture().await else { return };
    let late = "SELECT throwIf(number = 3000000) FROM numbers(4000000)";
    let mut answer = fixture.post(&[], late).await;
    assert_eq!(answer.status(), 200);
    let tag = answer.headers()["x-clickhouse-exception-tag"].to_str().unwrap().to_owned();
    let mut body = Vec::new();
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "the answer must not look whole");
    let tail = String::from_utf8_lossy(&body[body.len().saturating_sub(600)..]).into_owned();
    assert!(tail.contains(&format!("__exception__\r\n{tag}\r\nCode: 395. ")), "{tail}");

    // Held back to the end, the same error has its status.
    let (status, code, _) = fixture.refused(&[("wait_end_of_query", "1")], late).await;
    assert_eq!((status, code), (500, 395));
}
