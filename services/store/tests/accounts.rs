//! Accounts, keys, settings and the audit log against the real engine.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use engagement::AccountId;
use std::time::Duration;
use store::{Accounts, AccountsError, Scope, Settings, Suppress};

/// Texts that break statements and formats where somebody forgot to escape.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE events; --",
    "\\'; DROP TABLE accounts; --",
    "a'b\"c`d\\e",
    "tab\tnew\nline\r\0nul",
    "\\N",
    "NULL",
    "{account: UInt32}",
    "? ?? ?fields",
    "%27 %00",
    "👩‍⚕️ Ærøskøbing 漢字 \u{202e}rtl",
    "$x$;$x$",
    "/* -- #",
    "",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

async fn accounts() -> Accounts {
    Accounts::new(support::migrated().await.client())
}

fn id(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

#[tokio::test]
async fn accounts_have_numbers_of_their_own() {
    let accounts = accounts().await;
    assert_eq!(accounts.find(&id("demo")).await.unwrap(), None);
    let demo = accounts.create(&id("demo")).await.unwrap();
    let other = accounts.create(&id("other")).await.unwrap();
    assert_eq!((demo.number.0, other.number.0), (1, 2));
    let again = accounts.create(&id("demo")).await.unwrap_err();
    assert!(matches!(&again, AccountsError::Exists(name) if name.as_str() == "demo"), "{again}");
    assert_eq!(accounts.find(&id("other")).await.unwrap(), Some(other.clone()));
    assert_eq!(accounts.list().await.unwrap(), [demo, other]);
}

#[tokio::test]
async fn many_at_once_never_share_a_number_or_a_name() {
    let connection = support::migrated().await;
    let create = |name: String| {
        // A client of its own, as another process has one.
        let accounts = Accounts::new(connection.client());
        tokio::spawn(async move { accounts.create(&id(&name)).await })
    };
    let tasks: Vec<_> = (0..6).map(|number| create(format!("a{}", number / 2))).collect();
    let mut created = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(account) => created.push(account),
            Err(AccountsError::Exists(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    created.sort_by_key(|account| account.number);
    assert_eq!(created.iter().map(|account| account.number.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(Accounts::new(connection.client()).list().await.unwrap(), created);
}

#[tokio::test]
async fn a_lock_of_a_dead_process_is_taken_over() {
    let connection = support::migrated().await;
    let client = connection.client();
    let held = store::lock::Lock::take(&client, "accounts", Duration::ZERO).await.unwrap();
    let refused = store::lock::Lock::take(&client, "accounts", Duration::ZERO).await;
    assert!(matches!(refused, Err(store::lock::LockError::Held { .. })));
    // Dropped without a release, as when the process dies: the lock goes stale by the server's clock.
    drop(held);
    let account = Accounts::new(client.clone()).create(&id("later")).await.unwrap();
    assert_eq!(account.number.0, 1);
    let left: u64 = client
        .query("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'lock%'")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_lock_of_a_living_process_is_not() {
    let client = support::migrated().await.client();
    let held = store::lock::Lock::take(&client, "migrate", Duration::ZERO).await.unwrap();
    let wait = store::lock::STALE + Duration::from_secs(3);
    let refused = store::lock::Lock::take(&client, "migrate", wait).await;
    assert!(matches!(refused, Err(store::lock::LockError::Held { .. })));
    let other = store::lock::Lock::take(&client, "accounts", Duration::ZERO).await.unwrap();
    held.check().await.unwrap();
    held.release().await;
    store::lock::Lock::take(&client, "migrate", Duration::ZERO).await.unwrap().release().await;
    // As whoever takes over a lock whose holder showed no sign of life does.
    client.query("DROP TABLE lock_accounts_0 SYNC").execute().await.unwrap();
    assert!(matches!(other.check().await, Err(store::lock::LockError::Lost { name: "accounts" })));
    other.release().await;
}

#[tokio::test]
async fn a_key_lives_until_it_is_revoked() {
    let accounts = accounts().await;
    let demo = accounts.create(&id("demo")).await.unwrap().number;
    let other = accounts.create(&id("other")).await.unwrap().number;
    let (key, secret) =
        accounts.create_key(demo, "ci", &[Scope::EventsWrite, Scope::ReportsRead]).await.unwrap();
    assert!(secret.starts_with("to_") && secret.len() == 46, "{}", secret.len());
    assert_eq!(key.scopes, [Scope::ReportsRead, Scope::EventsWrite]);
    assert_eq!(accounts.keys(demo).await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(accounts.keys(other).await.unwrap(), []);

    assert!(!accounts.revoke_key(other, key.id).await.unwrap(), "another account's key");
    assert!(accounts.revoke_key(demo, key.id).await.unwrap());
    assert!(!accounts.revoke_key(demo, key.id).await.unwrap(), "twice");
    let listed = accounts.keys(demo).await.unwrap();
    assert!(listed[0].revoked_at.is_some() && listed[0].id == key.id);

    let nobody = engagement::AccountNumber(77);
    assert!(matches!(
        accounts.create_key(nobody, "x", &[Scope::Admin]).await,
        Err(AccountsError::NoAccount(account)) if account == nobody
    ));
    assert!(matches!(accounts.create_key(demo, "x", &[]).await, Err(AccountsError::NoScope)));
    let long = "x".repeat(201);
    assert!(matches!(
        accounts.create_key(demo, &long, &[Scope::Admin]).await,
        Err(AccountsError::Label(201))
    ));
}

#[tokio::test]
async fn the_latest_settings_are_in_force() {
    let accounts = accounts().await;
    let demo = accounts.create(&id("demo")).await.unwrap().number;
    let other = accounts.create(&id("other")).await.unwrap().number;
    assert_eq!(accounts.settings(demo).await.unwrap(), (Settings::default(), 0));

    let first = Settings {
        suppress: Suppress { apple: false, ..Suppress::default() },
        tracking_base_url: Some("https://Track.example.org".to_owned()),
        ..Settings::default()
    };
    assert_eq!(accounts.put_settings(demo, first.clone()).await.unwrap(), 1);
    assert_eq!(accounts.settings(demo).await.unwrap(), (first.clone(), 1));
    let second = Settings { suppress: Suppress::NONE, trap_links: true, evidence_days: 7, ..first.clone() };
    assert_eq!(accounts.put_settings(demo, second.clone()).await.unwrap(), 2);
    assert_eq!(accounts.settings(demo).await.unwrap(), (second, 2));
    assert_eq!(accounts.settings(other).await.unwrap(), (Settings::default(), 0));

    let theirs = Settings {
        tracking_base_url: Some("http://track.EXAMPLE.org:8080/x".to_owned()),
        ..Settings::default()
    };
    let taken = accounts.put_settings(other, theirs.clone()).await.unwrap_err();
    assert!(matches!(&taken, AccountsError::HostTaken(host) if host == "track.example.org"), "{taken}");
    accounts.put_settings(demo, Settings::default()).await.unwrap();
    assert_eq!(accounts.put_settings(other, theirs).await.unwrap(), 1, "the host was given up");

    let bad = Settings { evidence_days: 0, ..Settings::default() };
    let refused = accounts.put_settings(demo, bad).await.unwrap_err();
    assert!(refused.to_string().contains("evidence_days"), "{refused}");
    assert!(matches!(
        accounts.put_settings(engagement::AccountNumber(77), Settings::default()).await,
        Err(AccountsError::NoAccount(_))
    ));
}

#[tokio::test]
async fn hostile_texts_come_back_unchanged() {
    let connection = support::migrated().await;
    let client = connection.client();
    let accounts = Accounts::new(client.clone());
    let demo = accounts.create(&id("demo")).await.unwrap().number;
    for text in HOSTILE {
        let (key, _) = accounts.create_key(demo, text, &[Scope::ReportsRead]).await.unwrap();
        let keys = accounts.keys(demo).await.unwrap();
        assert_eq!(keys.iter().find(|listed| listed.id == key.id).unwrap().label, *text);
        assert!(accounts.revoke_key(demo, key.id).await.unwrap());
        let keys = accounts.keys(demo).await.unwrap();
        assert_eq!(
            keys.iter().find(|listed| listed.id == key.id).unwrap().label,
            *text,
            "after the revocation"
        );

        accounts.audit(demo, text, text, text).await.unwrap();
        let entry = &accounts.audit_list(demo, 1, None).await.unwrap()[0];
        assert_eq!((entry.by.as_str(), entry.action.as_str(), entry.detail.as_str()), (*text, *text, *text));

        // Through a bound parameter, as every report asks.
        let echoed: String =
            client.query("SELECT {text: String} AS echoed").param("text", text).fetch_one().await.unwrap();
        assert_eq!(echoed, *text);
        let listed: Vec<String> = client
            .query("SELECT {texts: Array(String)}")
            .param("texts", vec![*text, "x"])
            .fetch_one()
            .await
            .unwrap();
        assert_eq!(listed, [*text, "x"]);
    }
    let left: u64 = client.query("SELECT count() FROM events").fetch_one().await.unwrap();
    assert_eq!(left, 0, "the table is still there");
}

#[tokio::test]
async fn the_audit_log_lists_newest_first_and_pages() {
    let accounts = accounts().await;
    let demo = accounts.create(&id("demo")).await.unwrap().number;
    let other = accounts.create(&id("other")).await.unwrap().number;
    for number in 0..5 {
        accounts.audit(demo, "command line", "settings.put", &number.to_string()).await.unwrap();
        // Lines of one millisecond are one page's business; these are to be apart.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    accounts.audit(other, "command line", "key.create", "theirs").await.unwrap();
    let newest = accounts.audit_list(demo, 3, None).await.unwrap();
    assert_eq!(newest.iter().map(|entry| entry.detail.as_str()).collect::<Vec<_>>(), ["4", "3", "2"]);
    let older = accounts.audit_list(demo, 10, Some(newest[2].at)).await.unwrap();
    assert_eq!(older.iter().map(|entry| entry.detail.as_str()).collect::<Vec<_>>(), ["1", "0"]);
}
