//! Accounts with their keys and settings, over ClickHouse's tables.
//!
//! Creating an account and changing settings read first and write then; both hold the lock `accounts` over it, so that no
//! number, name or tracking host is ever given to two accounts, whatever number of processes there are.

mod keys;
mod settings;
mod webhooks;

pub use webhooks::Webhook;

use crate::cluster::Cluster;
use crate::error::{DatabaseError, call};
use crate::lock::{Lock, LockError};
use crate::settings::SettingsError;
use clickhouse::{Client, Row, RowOwned, RowWrite};
use engagement::{AccountId, AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// How long a change waits for changes of other processes.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The number that tokens and tables carry; given once, never reused.
    pub number: AccountNumber,
    /// The name that URLs carry.
    pub id: AccountId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why something about accounts failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// There is an account of this name already.
    #[error("account `{0}` exists already")]
    Exists(AccountId),
    /// There is no account of this number.
    #[error("there is no account with number {}", .0.0)]
    NoAccount(AccountNumber),
    /// A setting is out of its bounds.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Another account's URLs point at this host.
    #[error("tracking_base_url: the host `{0}` belongs to another account")]
    HostTaken(String),
    /// A key's label is too long.
    #[error("label has {0} bytes, {most} at most", most = keys::LABEL_BYTES)]
    Label(usize),
    /// A key without a scope could do nothing.
    #[error("scopes is empty: give at least one of reports:read, events:write, settings:write, admin")]
    NoScope,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a key")]
    NoRandom,
    /// All account numbers are given.
    #[error("there are no account numbers left")]
    Full,
    /// Another process was changing accounts all the time.
    #[error(transparent)]
    Lock(LockError),
    /// A stored row is not one of ours.
    #[error("table {table} holds a row that this program did not write: {what}")]
    Foreign {
        /// The table.
        table: &'static str,
        /// What is odd about it.
        what: String,
    },
    /// ClickHouse failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<LockError> for AccountsError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Database(error) => Self::Database(error),
            held @ (LockError::Held { .. } | LockError::Lost { .. }) => Self::Lock(held),
        }
    }
}

/// A `DateTime64(3)` in a row: milliseconds since 1970.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Millis(pub(crate) i64);

impl Millis {
    pub(crate) fn now() -> Self {
        Self(Timestamp::from_clock(SystemTime::now()).millis())
    }

    pub(crate) fn timestamp(self) -> Result<Timestamp, AccountsError> {
        Timestamp::from_millis(self.0).map_err(|error| AccountsError::Foreign {
            table: "accounts, api_keys, webhooks or audit",
            what: error.to_string(),
        })
    }
}

#[derive(Row, Serialize, Deserialize)]
struct AccountRow {
    number: u32,
    id: String,
    created_at: Millis,
}

/// All that is known of accounts, in ClickHouse. Clones share the client's connections.
#[derive(Clone, Debug)]
pub struct Accounts {
    client: Client,
    cluster: Cluster,
}

impl Accounts {
    /// Over this client's database, which is migrated.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self::on(client, Cluster::default())
    }

    /// The same where the client's server is one of a cluster.
    #[must_use]
    pub fn on(client: Client, cluster: Cluster) -> Self {
        Self { client, cluster }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes an account and gives it the next number.
    ///
    /// # Errors
    /// [`AccountsError::Exists`] when the name is given already.
    pub async fn create(&self, id: &AccountId) -> Result<Account, AccountsError> {
        let lock = self.lock().await?;
        let created = self.create_locked(id).await;
        lock.release().await;
        created
    }

    async fn create_locked(&self, id: &AccountId) -> Result<Account, AccountsError> {
        let accounts = self.list().await?;
        if accounts.iter().any(|account| account.id == *id) {
            return Err(AccountsError::Exists(id.clone()));
        }
        let highest = accounts.iter().map(|account| account.number.0).max().unwrap_or(0);
        let number = highest.checked_add(1).ok_or(AccountsError::Full)?;
        let row = AccountRow { number, id: id.to_string(), created_at: Millis::now() };
        self.insert("accounts", &row).await?;
        account(row)
    }

    /// All accounts, by number.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn list(&self) -> Result<Vec<Account>, AccountsError> {
        let query = self.client.query("SELECT ?fields FROM accounts FINAL ORDER BY number");
        call(query.fetch_all::<AccountRow>()).await?.into_iter().map(account).collect()
    }

    /// The account of a name.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn find(&self, id: &AccountId) -> Result<Option<Account>, AccountsError> {
        let query = self
            .client
            .query("SELECT ?fields FROM accounts FINAL WHERE id = {id: String} ORDER BY number LIMIT 1")
            .param("id", id.as_str());
        call(query.fetch_optional::<AccountRow>()).await?.map(account).transpose()
    }

    async fn expect_account(&self, account: AccountNumber) -> Result<(), AccountsError> {
        let query = self
            .client
            .query("SELECT ?fields FROM accounts FINAL WHERE number = {number: UInt32}")
            .param("number", account.0);
        match call(query.fetch_optional::<AccountRow>()).await? {
            Some(_) => Ok(()),
            None => Err(AccountsError::NoAccount(account)),
        }
    }

    async fn lock(&self) -> Result<Lock, LockError> {
        let lock = Lock::take_on(&self.client, &self.cluster, "accounts", LOCK_WAIT).await?;
        // What the last holder wrote through another replica is here before anything is decided.
        for statement in synced(&self.cluster) {
            if let Err(error) = call(self.client.query_raw(&statement).execute()).await {
                lock.release().await;
                return Err(error.into());
            }
        }
        Ok(lock)
    }

    /// Inserts one row; it is stored when this returns.
    pub(crate) async fn insert<T>(&self, table: &str, row: &T) -> Result<(), AccountsError>
    where
        T: RowOwned + RowWrite,
        T: for<'a> Row<Value<'a> = T>,
    {
        let insert = async {
            let mut insert = self.client.insert::<T>(table).await?;
            insert.write(row).await?;
            insert.end().await
        };
        Ok(call(insert).await?)
    }
}

/// What makes one replica as new as the others in the tables that the lock `accounts` guards.
fn synced(cluster: &Cluster) -> impl Iterator<Item = String> {
    let tables: &[&str] = if cluster.replicated { &["accounts", "api_keys", "settings"] } else { &[] };
    tables.iter().map(|table| format!("SYSTEM SYNC REPLICA {table}"))
}

fn account(row: AccountRow) -> Result<Account, AccountsError> {
    let id = AccountId::new(row.id)
        .map_err(|error| AccountsError::Foreign { table: "accounts", what: error.to_string() })?;
    Ok(Account { number: AccountNumber(row.number), id, created_at: row.created_at.timestamp()? })
}
