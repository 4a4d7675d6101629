//! Migrations against the real engine.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use store::{DatabaseError, MigrateError, Secret, migrate};

async fn count(client: &clickhouse::Client, query: &str) -> u64 {
    client.query(query).fetch_one().await.unwrap()
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let client = support::new_database().client();
    let first = migrate(&client).await.unwrap();
    assert_eq!(first.applied.first(), Some(&1));
    assert_eq!(first.applied.last(), Some(&first.version));
    assert_eq!(store::migrate::check(&client).await.unwrap(), first.version);

    let sources = count(&client, "SELECT count() FROM sources").await;
    assert_eq!(sources, engagement::sources::all().len() as u64);
    let again = migrate(&client).await.unwrap();
    assert_eq!(again, store::Migrated { applied: vec![], version: first.version });
    assert_eq!(
        count(&client, "SELECT count() FROM sources").await,
        sources,
        "unchanged rows are not written anew"
    );
    assert_eq!(
        count(
            &client,
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'lock%'"
        )
        .await,
        0,
        "the lock is released"
    );
}

#[tokio::test]
async fn the_engines_own_database_will_do() {
    let connection = store::Connection { database: "default".to_owned(), ..support::new_database() };
    let first = migrate(&connection.client()).await.unwrap();
    assert!(!first.applied.is_empty());
    assert_eq!(migrate(&connection.client()).await.unwrap().applied, [0_u32; 0]);
    let accounts = store::Accounts::new(connection.client());
    let created = accounts.create(&engagement::AccountId::new("demo").unwrap()).await.unwrap();
    assert_eq!(accounts.list().await.unwrap(), [created]);
}

#[tokio::test]
async fn sources_follow_the_program() {
    let client = support::migrated().await.client();
    client
        .query_raw("INSERT INTO sources VALUES ('apple_mpp', 99999999999999, 'human', '', false, 'old')")
        .execute()
        .await
        .unwrap();
    migrate(&client).await.unwrap();
    let query = "SELECT count() FROM sources FINAL WHERE id = 'apple_mpp' AND actor = 'automated' AND class = 'apple' AND masked";
    assert_eq!(count(&client, query).await, 1);
}

#[tokio::test]
async fn several_at_once_migrate_once() {
    let connection = support::new_database();
    let one =
        |connection: store::Connection| tokio::spawn(async move { migrate(&connection.client()).await });
    let tasks: Vec<_> = (0..4).map(|_| one(connection.clone())).collect();
    let mut applied = 0;
    for task in tasks {
        applied += usize::from(!task.await.unwrap().unwrap().applied.is_empty());
    }
    assert_eq!(applied, 1);
    let client = connection.client();
    let version = store::migrate::check(&client).await.unwrap();
    assert_eq!(count(&client, "SELECT count() FROM schema_migrations").await, u64::from(version));
}

#[tokio::test]
async fn a_half_applied_file_is_applied_to_its_end() {
    let client = support::migrated().await.client();
    // As after a crash between the statements of the first file.
    for statement in ["DROP TABLE events", "DROP TABLE deliveries", "TRUNCATE TABLE schema_migrations"] {
        client.query_raw(statement).execute().await.unwrap();
    }
    assert!(matches!(store::migrate::check(&client).await, Err(MigrateError::Behind { missing: 1 })));
    migrate(&client).await.unwrap();
    assert_eq!(count(&client, "SELECT count() FROM events").await, 0);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let client = support::migrated().await.client();
    client
        .query_raw("INSERT INTO schema_migrations VALUES (9999, '9999_future.sql', 'x', now64(3))")
        .execute()
        .await
        .unwrap();
    client.query_raw("TRUNCATE TABLE sources").execute().await.unwrap();
    let error = migrate(&client).await.unwrap_err();
    assert!(matches!(error, MigrateError::Newer { found: 9999, .. }), "{error}");
    assert!(error.to_string().contains("9999"));
    assert!(matches!(store::migrate::check(&client).await, Err(MigrateError::Newer { .. })));
    assert_eq!(count(&client, "SELECT count() FROM sources").await, 0, "nothing is written");
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_applied_is_refused() {
    let client = support::migrated().await.client();
    client
        .query_raw("INSERT INTO schema_migrations VALUES (1, '0001_tables.sql', 'other', now64(3))")
        .execute()
        .await
        .unwrap();
    let error = migrate(&client).await.unwrap_err();
    assert!(matches!(error, MigrateError::Changed { version: 1, .. }), "{error}");
    assert!(error.to_string().contains("0001_tables.sql"));
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_said_in_one_line() {
    let good = support::new_database();

    let wrong = store::Connection { password: Secret::new("wrong"), ..good.clone() };
    let error = migrate(&wrong.client()).await.unwrap_err();
    let MigrateError::Database { cause, .. } = &error else { panic!("{error}") };
    assert_eq!(cause.class(), store::ErrorClass::Misconfigured, "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");

    let nobody = store::Connection { url: "http://127.0.0.1:9".to_owned(), ..good.clone() };
    let error = migrate(&nobody.client()).await.unwrap_err();
    let MigrateError::Database { cause, .. } = &error else { panic!("{error}") };
    assert!(matches!(cause, DatabaseError::Unreachable { .. }), "{cause:?}");
    assert!(error.to_string().contains("not reachable"), "{error}");

    assert!(matches!(store::migrate::check(&good.client()).await, Err(MigrateError::Behind { missing: 1 })));
}

fn cluster() -> store::Cluster {
    store::Cluster { name: Some("main".to_owned()), replicated: true }
}

/// No ClickHouse server can be had where these tests run, so nothing is run on a cluster here: the real engine's parser says
/// that each statement is one, and that it differs from the file's by what a cluster needs and by nothing else.
#[tokio::test]
async fn every_statement_is_written_for_a_cluster_as_the_engine_reads_it() {
    let client = support::new_database().client().with_database("default");
    let format = async |statement: &str| -> String {
        let query = client.query("SELECT formatQuery({statement: String})").param("statement", statement);
        query.fetch_one().await.unwrap_or_else(|error| panic!("{error}\n{statement}"))
    };
    let all = store::migrate::statements_on(&cluster()).unwrap();
    let (mut tables, mut views) = (0, 0);
    for (file, statement, written) in &all {
        let (plain, formatted) = (format(statement).await, format(written).await);
        let with = |text: &str| formatted.matches(text).count();
        if plain.starts_with("INSERT") {
            assert_eq!(formatted, plain, "{file}");
            continue;
        }
        assert_eq!(with(" ON CLUSTER main") + with(" ON CLUSTER 'main'"), 1, "{file}: {formatted}");
        if plain.contains("ENGINE = ") {
            assert_eq!(with("ENGINE = Replicated"), 1, "{file}: {formatted}");
            tables += 1;
        } else {
            views += usize::from(plain.contains("VIEW"));
        }
        let without = formatted.replace(" ON CLUSTER main", "").replace(" ON CLUSTER 'main'", "");
        assert_eq!(without.replace("ENGINE = Replicated", "ENGINE = "), plain, "{file}");
    }
    assert!(tables >= 8 && views >= 10, "{tables} tables, {views} views");
    for text in [
        "SYSTEM SYNC REPLICA accounts",
        "DROP TABLE IF EXISTS lock_a_0 ON CLUSTER 'main' SYNC",
        "CREATE TABLE lock_a_0 ON CLUSTER 'main' (nothing UInt8) ENGINE = Null COMMENT 'x'",
        "ALTER TABLE lock_a_0 ON CLUSTER 'main' MODIFY COMMENT 'x'",
        "CREATE DATABASE IF NOT EXISTS t ON CLUSTER 'main'",
    ] {
        format(text).await;
    }
}

/// As above: the engine's parser reads every statement, and the engine itself refuses users in one line.
#[tokio::test]
async fn readers_are_statements_of_a_server_and_the_engine_refuses_them() {
    let client = support::migrated().await.client();
    let reader = store::readers::Reader {
        name: "acme".to_owned(),
        account: Some(engagement::AccountNumber(7)),
        evidence: false,
    };
    // Whatever is emptied with the evidence is evidence.
    let emptied = "SELECT arrayJoin(extractAll(create_table_query, '`(\\\\w+)` [^`]* TTL evidence_until')) FROM system.tables
        WHERE database = currentDatabase()";
    let evidence: Vec<String> = client.query(emptied).fetch_all().await.unwrap();
    for column in ["ip", "user_agent", "headers", "trailing", "diagnostic", "original"] {
        assert!(evidence.iter().any(|found| found == column), "{column} is not in {evidence:?}");
    }
    for cluster in [cluster(), store::Cluster::default()] {
        let statements = store::readers::statements(&reader, &client, &cluster, &["other"]).await.unwrap();
        for statement in &statements {
            let query = client.query("SELECT formatQuery({statement: String})").param("statement", statement);
            let formatted: Result<String, _> = query.fetch_one().await;
            assert_eq!(formatted.unwrap().contains("ON CLUSTER"), cluster.name.is_some(), "{statement}");
        }
        let all = statements.join("\n");
        for table in ["events", "deliveries", "settings"] {
            assert!(all.contains(&format!(".`{table}`")), "{all}");
        }
        assert!(all.contains("`report_figures` TO `acme`") && !all.contains("api_keys` TO `acme`"), "{all}");
        for evidence in &evidence {
            assert!(!all.contains(&format!("`{evidence}`")), "{evidence}: {all}");
        }
    }
    let error = reader.create(&client, &store::Cluster::default(), "x").await.unwrap_err();
    assert!(matches!(error, store::readers::ReaderError::Denied), "{error}");
}

#[tokio::test]
async fn a_place_that_is_not_the_cluster_of_the_settings_is_refused_and_left_alone() {
    let connection = support::new_database();
    let error = store::migrate_on(&connection.client(), &cluster()).await.unwrap_err().to_string();
    assert!(error.contains("knows no cluster `main`"), "{error}");
    assert!(matches!(
        store::migrate::check(&connection.client()).await,
        Err(MigrateError::Behind { missing: 1 })
    ));

    let there = support::migrated().await;
    let replicated = store::Cluster { name: None, replicated: true };
    let error = store::migrate_on(&there.client(), &replicated).await.unwrap_err().to_string();
    assert!(error.contains("made without it"), "{error}");
}
