//! What the product's schema and queries count on in this engine.

use crate::support::fixture;

#[tokio::test]
async fn parameterised_views_take_parameters_and_pass_them_on() {
    let Some(fixture) = fixture().await else { return };
    fixture
        .sql("CREATE TABLE t (a UInt32, s String, at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY a")
        .await;
    fixture.sql("INSERT INTO t SELECT number, toString(number % 3), toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number FROM numbers(10)").await;
    fixture.sql("CREATE VIEW inner_view AS SELECT * FROM t WHERE a >= {low:UInt32} AND has({names:Array(String)}, s)").await;
    fixture.sql("CREATE VIEW outer_view AS SELECT count() AS c FROM inner_view(low = {from:UInt32}, names = {names:Array(String)})").await;

    assert_eq!(fixture.sql("SELECT count() FROM inner_view(low = 4, names = ['1', '2'])").await, "4\n");
    let called = fixture
        .post(
            &[("param_x", "4"), ("param_n", "['1','2']")],
            "SELECT count() FROM inner_view(low = {x:UInt32}, names = {n:Array(String)})",
        )
        .await;
    assert_eq!(called.text().await.unwrap(), "4\n");
    let called = fixture
        .post(
            &[("param_x", "4"), ("param_n", "['1','2']")],
            "SELECT c FROM outer_view(from = {x:UInt32}, names = {n:Array(String)})",
        )
        .await;
    assert_eq!(called.text().await.unwrap(), "4\n");
    let called = fixture
        .post(
            &[("param_at", "2026-01-01 00:00:07.000")],
            "SELECT count() FROM t WHERE at >= {at:DateTime64(3, 'UTC')}",
        )
        .await;
    assert_eq!(called.text().await.unwrap(), "3\n");
}

#[tokio::test]
async fn tables_expire_columns_and_replace_rows() {
    let Some(fixture) = fixture().await else { return };
    fixture
        .sql(
            "CREATE TABLE t (id UInt32, revision UInt32, at DateTime64(3, 'UTC'), \
             address String TTL toDateTime(at) + INTERVAL 30 DAY) \
             ENGINE = ReplacingMergeTree(revision) ORDER BY id SETTINGS fsync_after_insert = 1, fsync_part_directory = 1",
        )
        .await;
    fixture.sql("INSERT INTO t VALUES (1, 1, '2020-01-01 00:00:00', 'old'), (2, 1, now64(3), 'new')").await;
    fixture.sql("INSERT INTO t VALUES (2, 2, now64(3), 'newer')").await;
    assert_eq!(fixture.sql("SELECT id, revision FROM t FINAL ORDER BY id").await, "1\t1\n2\t2\n");
    fixture.sql("OPTIMIZE TABLE t FINAL").await;
    assert_eq!(fixture.sql("SELECT id, address FROM t ORDER BY id").await, "1\t\n2\tnewer\n");
}

#[tokio::test]
async fn the_engine_is_the_pinned_one() {
    let Some(fixture) = fixture().await else { return };
    assert_eq!(fixture.sql("SELECT version(), timezone()").await, "26.7.2.1\tUTC\n");
    assert_eq!(fixture.sql("SELECT count() > 0 FROM system.tables WHERE database = 'system'").await, "1\n");
    assert_eq!(fixture.refused(&[], "CREATE USER u").await.1, 497);
    assert_eq!(fixture.refused(&[], "CREATE ROW POLICY p ON t USING 1 TO ALL").await.1, 497);
}
