//! The last good copy of accounts, settings and keys, in memory and on disk.
//!
//! Services answer from the copy and never ask ClickHouse for a key or a setting, so they outlive it. The copy lives for
//! 24 hours as far as keys go: after that nobody is let in, since a revocation can't have been seen. Accounts and
//! settings stay readable however old they are: a reader's click is never refused for it.

mod copy;
mod snapshot;

pub use copy::CopyError;

use crate::accounts::{Account, Accounts, AccountsError, Webhook};
use crate::keys::{Key, KeyHash};
use crate::metrics;
use crate::settings::Settings;
use arc_swap::ArcSwap;
use engagement::{AccountNumber, Timestamp};
use snapshot::Snapshot;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long keys are honoured without news from ClickHouse.
pub const KEYS_LIVE: Duration = Duration::from_secs(24 * 60 * 60);
/// How old the copy on disk may grow while nothing changes; it is written at once when something does.
const REWRITE_AFTER: Duration = Duration::from_secs(60);

/// An account with the settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEntry {
    /// The account.
    pub account: Account,
    /// Its settings.
    pub settings: Settings,
    /// Their version; 0 while the account never put any.
    pub settings_version: u64,
}

/// Why a key is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No key has this secret, or it is revoked.
    #[error("the key is not known or was revoked")]
    Unknown,
    /// What is known of keys is older than 24 hours, or nothing is known at all.
    #[error("keys can't be checked: the database was not reachable for 24 hours")]
    Stale,
}

/// Why the copy was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// ClickHouse could not be read; the old copy stays in force.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The new copy is in force in memory, but it could not be written to disk.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// The copy. Clones share it.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    snapshot: ArcSwap<Snapshot>,
    /// What the file holds and as of when; locked while it is written, so that writers don't overtake each other.
    written: tokio::sync::Mutex<Option<Arc<Snapshot>>>,
}

impl Directory {
    /// Opens the copy in this file; it is empty when there is none. A copy that can't be read is logged and treated as
    /// none: ClickHouse has the truth.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let found = match copy::read(path) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the copy of accounts and keys is unreadable, starting without it");
                None
            }
        };
        let snapshot = Arc::new(found.unwrap_or_default());
        let written = snapshot.refreshed_at.is_some().then(|| snapshot.clone());
        Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                snapshot: ArcSwap::new(snapshot),
                written: tokio::sync::Mutex::new(written),
            }),
        }
    }

    /// Reads everything from ClickHouse, puts it in force and writes the copy when something changed or it is a minute
    /// old.
    ///
    /// # Errors
    /// [`RefreshError`] says whether reading or writing failed, and what is in force.
    pub async fn refresh(&self, accounts: &Accounts) -> Result<(), RefreshError> {
        // Held over reading, too: of two refreshes at once the later reader must not be overwritten by the earlier.
        let mut written = self.shared.written.lock().await;
        // As of before the queries: what they miss counts as unknown.
        let now = now();
        let snapshot = Arc::new(Snapshot::new(
            Some(now),
            accounts.list().await?,
            accounts.all_settings().await?,
            accounts.live_keys().await?,
            accounts.webhooks().await?,
        ));
        self.shared.snapshot.store(snapshot.clone());
        metrics::DIRECTORY_AGE.set(0);

        let fresh = written.as_ref().is_some_and(|copy| {
            copy.same_content(&snapshot)
                && copy.age_at(now).is_some_and(|age| age < REWRITE_AFTER)
                && self.shared.path.exists()
        });
        if !fresh {
            let (path, content) = (self.shared.path.clone(), snapshot.clone());
            // A sync takes its time, and other tasks share this thread.
            let write = tokio::task::spawn_blocking(move || copy::write(&path, &content));
            write.await.unwrap_or_else(|stopped| Err(CopyError::stopped(&self.shared.path, stopped)))?;
            *written = Some(snapshot);
        }
        Ok(())
    }

    /// Refreshes again and again, `every` so often, until the shutdown. With 5 seconds a revoked key is dead within 10.
    /// The first failure of a row is logged, and its end.
    pub async fn keep_fresh(&self, accounts: Accounts, every: Duration, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut failing = false;
        loop {
            match self.refresh(&accounts).await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("accounts and keys are read from clickhouse again");
                }
                Ok(()) => {}
                Err(error) => {
                    metrics::DIRECTORY_FAILURES.inc();
                    if !failing {
                        failing = true;
                        tracing::warn!(%error, "accounts and keys can't be refreshed, living on the last copy");
                    }
                }
            }
            metrics::DIRECTORY_AGE
                .set(self.age().and_then(|age| i64::try_from(age.as_secs()).ok()).unwrap_or(i64::MAX));
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = &mut shutdown => return,
            }
        }
    }

    /// The account of a number.
    #[must_use]
    pub fn account(&self, number: AccountNumber) -> Option<AccountEntry> {
        self.shared.snapshot.load().account(number).cloned()
    }

    /// The account of a name.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<AccountEntry> {
        self.shared.snapshot.load().by_id(id).cloned()
    }

    /// What proves the webhooks of an account's mail provider, sealed; `None` where it takes none.
    #[must_use]
    pub fn webhook(&self, account: AccountNumber, provider: &str) -> Option<Webhook> {
        self.shared.snapshot.load().webhook(account, provider).cloned()
    }

    /// The account whose `tracking_base_url` has this host; without port, any case.
    #[must_use]
    pub fn host_owner(&self, host: &str) -> Option<AccountNumber> {
        self.shared.snapshot.load().host_owner(&host.trim_end_matches('.').to_ascii_lowercase())
    }

    /// The live key of a secret.
    ///
    /// # Errors
    /// [`AuthError`] says whether the key or the copy is at fault.
    pub fn authenticate(&self, secret: &str) -> Result<Key, AuthError> {
        self.authenticate_at(secret, now())
    }

    /// [`Directory::authenticate`] at a given time.
    ///
    /// # Errors
    /// [`AuthError`] says whether the key or the copy is at fault.
    pub fn authenticate_at(&self, secret: &str, now: Timestamp) -> Result<Key, AuthError> {
        let snapshot = self.shared.snapshot.load();
        if snapshot.age_at(now).is_none_or(|age| age > KEYS_LIVE) {
            return Err(AuthError::Stale);
        }
        snapshot.key(&KeyHash::of(secret)).cloned().ok_or(AuthError::Unknown)
    }

    /// How long ago ClickHouse was last read; `None` when it never was.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.shared.snapshot.load().age_at(now())
    }

    /// Whether keys can be told by this copy, for readiness; `Err` says why not.
    ///
    /// # Errors
    /// The reason, as text for an operator.
    pub fn usable(&self) -> Result<(), String> {
        match self.age() {
            None => Err("accounts and keys were never read from clickhouse".to_owned()),
            Some(age) if age > KEYS_LIVE => {
                Err("accounts and keys were not read from clickhouse for a day".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether there is no account at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.snapshot.load().is_empty()
    }
}

fn now() -> Timestamp {
    Timestamp::from_clock(SystemTime::now())
}
