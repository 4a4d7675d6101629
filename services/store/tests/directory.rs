//! The copy of accounts and keys: over the real engine, on disk, and without either.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use engagement::{AccountId, Timestamp};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};
use store::{Account, Accounts, AuthError, Connection, Directory, Key, RefreshError, Scope, Settings};

struct Given {
    accounts: Accounts,
    account: Account,
    key: Key,
    secret: String,
}

/// An account with its own host and a key.
async fn given() -> Given {
    let accounts = Accounts::new(support::migrated().await.client());
    let account = accounts.create(&AccountId::new("demo").unwrap()).await.unwrap();
    let settings = Settings {
        evidence_days: 7,
        tracking_base_url: Some("https://Track.example.org:8443".to_owned()),
        ..Settings::default()
    };
    accounts.put_settings(account.number, settings).await.unwrap();
    let (key, secret) = accounts.create_key(account.number, "ci", &[Scope::ReportsRead]).await.unwrap();
    Given { accounts, account, key, secret }
}

fn nobody() -> Accounts {
    Accounts::new(Connection { url: "http://127.0.0.1:9".to_owned(), ..Connection::default() }.client())
}

fn in_hours(hours: i64) -> Timestamp {
    Timestamp::from_clock(SystemTime::now()).plus_millis(hours * 3_600_000)
}

fn knows(directory: &Directory, given: &Given) {
    let entry = directory.by_id("demo").unwrap();
    assert_eq!(entry.account, given.account);
    assert_eq!((entry.settings.evidence_days, entry.settings_version), (7, 1));
    assert_eq!(directory.account(given.account.number), Some(entry));
    assert_eq!(directory.host_owner("TRACK.example.org"), Some(given.account.number));
    assert_eq!(directory.host_owner("example.org"), None);
    assert_eq!(directory.authenticate(&given.secret).as_ref(), Ok(&given.key));
    for wrong in ["", "to_", &given.secret[..45], &given.secret.to_uppercase(), "'; DROP TABLE api_keys"] {
        assert_eq!(directory.authenticate(wrong), Err(AuthError::Unknown));
    }
    assert!(!directory.is_empty());
}

#[tokio::test]
async fn it_outlives_the_database_and_its_own_process_for_a_day() {
    let given = given().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/directory.json");

    let directory = Directory::load(&path);
    assert!(directory.is_empty() && directory.age().is_none());
    assert_eq!(directory.authenticate(&given.secret), Err(AuthError::Stale));
    directory.refresh(&given.accounts).await.unwrap();
    knows(&directory, &given);

    // Without the database.
    let failed = directory.refresh(&nobody()).await;
    assert!(matches!(failed, Err(RefreshError::Accounts(_))), "{failed:?}");
    knows(&directory, &given);

    // In another process, without the database.
    let restarted = Directory::load(&path);
    knows(&restarted, &given);
    for directory in [&directory, &restarted] {
        assert!(directory.authenticate_at(&given.secret, in_hours(23)).is_ok());
        assert_eq!(directory.authenticate_at(&given.secret, in_hours(25)), Err(AuthError::Stale));
    }

    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&given.secret), "only hashes lie on disk");
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_revoked_key_dies_with_the_next_refresh() {
    let given = given().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.json");
    let directory = Directory::load(&path);
    directory.refresh(&given.accounts).await.unwrap();
    assert!(directory.authenticate(&given.secret).is_ok());

    given.accounts.revoke_key(given.account.number, given.key.id).await.unwrap();
    directory.refresh(&given.accounts).await.unwrap();
    assert_eq!(directory.authenticate(&given.secret), Err(AuthError::Unknown));
    assert_eq!(Directory::load(&path).authenticate(&given.secret), Err(AuthError::Unknown), "on disk too");
}

#[tokio::test]
async fn it_keeps_itself_fresh_until_it_is_told_to_stop() {
    let given = given().await;
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::load(&folder.path().join("directory.json"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let keeping = tokio::spawn({
        let (directory, accounts) = (directory.clone(), given.accounts.clone());
        async move {
            let stopped = async { drop(stopped.await) };
            directory.keep_fresh(accounts, Duration::from_millis(20), stopped).await;
        }
    });
    support::until("the first refresh", || async { directory.authenticate(&given.secret).is_ok() }).await;
    given.accounts.revoke_key(given.account.number, given.key.id).await.unwrap();
    support::until("the revocation", || async {
        directory.authenticate(&given.secret) == Err(AuthError::Unknown)
    })
    .await;
    given.accounts.create(&AccountId::new("later").unwrap()).await.unwrap();
    support::until("the new account", || async { directory.by_id("later").is_some() }).await;
    stop.send(()).unwrap();
    keeping.await.unwrap();
}

#[tokio::test]
async fn an_unreadable_copy_is_none() {
    let given = given().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.json");
    Directory::load(&path).refresh(&given.accounts).await.unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    assert!(good.starts_with(r#"{"version":1,"#), "{good}");
    for bad in [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"demo\"", "\"De mo\""),
        good.replacen(":1,", ":2,", 1),
        "[]".to_owned(),
        "\0\0\0\0".to_owned(),
    ] {
        std::fs::write(&path, bad).unwrap();
        let directory = Directory::load(&path);
        assert!(directory.is_empty());
        assert_eq!(directory.authenticate(&given.secret), Err(AuthError::Stale));
        directory.refresh(&given.accounts).await.unwrap();
        knows(&Directory::load(&path), &given);
    }
}

#[tokio::test]
async fn a_disk_that_refuses_the_copy_does_not_keep_the_news_away() {
    let given = given().await;
    let directory = Directory::load(Path::new("/proc/no/directory.json"));
    let failed = directory.refresh(&given.accounts).await;
    assert!(matches!(failed, Err(RefreshError::Copy(_))), "{failed:?}");
    knows(&directory, &given);
}
