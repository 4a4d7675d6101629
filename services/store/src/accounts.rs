//! Accounts with their keys and settings, over ClickHouse's tables.
//!
//! Creating an account and changing settings read first and write then; both hold the lock `accounts` over it, so that no
//! number, name or tracking host is ever given to two accounts, whatever number of processes there are.

use crate::error::{DatabaseError, call};
use crate::keys::{Key, KeyHash, Scope, new_secret};
use crate::lock::{Lock, LockError};
use crate::settings::{Settings, SettingsError, Suppress};
use clickhouse::{Client, Row, RowOwned, RowWrite};
use engagement::sources::Class;
use engagement::{AccountId, AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// How long a change waits for changes of other processes.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// The most bytes of a key's label.
const LABEL_BYTES: usize = 200;

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
    #[error("label has {0} bytes, {LABEL_BYTES} at most")]
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
            held @ LockError::Held { .. } => Self::Lock(held),
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
            table: "accounts, api_keys or audit",
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

#[derive(Row, Serialize, Deserialize)]
struct KeyRow {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    version: u8,
    account: u32,
    hash: String,
    label: String,
    scopes: Vec<String>,
    created_at: Millis,
    revoked_at: Option<Millis>,
}

#[derive(Row, Serialize, Deserialize)]
struct SettingsRow {
    account: u32,
    version: u64,
    changed_at: Millis,
    suppress: Vec<String>,
    evidence_days: u16,
    retention_days: u16,
    tracking_base_url: Option<String>,
    trap_links: bool,
}

/// All that is known of accounts, in ClickHouse. Clones share the client's connections.
#[derive(Clone, Debug)]
pub struct Accounts {
    client: Client,
}

impl Accounts {
    /// Over this client's database, which is migrated.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
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

    /// Makes a key. The second value is its secret, `to_` and 43 characters: shown once, stored as a hash only.
    ///
    /// # Errors
    /// [`AccountsError::NoAccount`], [`AccountsError::Label`] or [`AccountsError::NoScope`] for what is wrong with it.
    pub async fn create_key(
        &self,
        account: AccountNumber,
        label: &str,
        scopes: &[Scope],
    ) -> Result<(Key, String), AccountsError> {
        if label.len() > LABEL_BYTES {
            return Err(AccountsError::Label(label.len()));
        }
        if scopes.is_empty() {
            return Err(AccountsError::NoScope);
        }
        self.expect_account(account).await?;
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let secret = new_secret().ok_or(AccountsError::NoRandom)?;
        let row = KeyRow {
            id: Uuid::now_v7(),
            version: 1,
            account: account.0,
            hash: KeyHash::of(&secret).0,
            label: label.to_owned(),
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: Millis::now(),
            revoked_at: None,
        };
        self.insert("api_keys", &row).await?;
        Ok((key(row)?, secret))
    }

    /// All keys of an account, revoked ones too, in the order in which they were made.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn keys(&self, account: AccountNumber) -> Result<Vec<Key>, AccountsError> {
        let query = self
            .client
            .query(
                "SELECT ?fields FROM api_keys FINAL WHERE account = {account: UInt32} ORDER BY created_at, id",
            )
            .param("account", account.0);
        call(query.fetch_all::<KeyRow>()).await?.into_iter().map(key).collect()
    }

    /// Every key that is not revoked, of all accounts.
    pub(crate) async fn live_keys(&self) -> Result<Vec<Key>, AccountsError> {
        let query = self.client.query("SELECT ?fields FROM api_keys FINAL WHERE revoked_at IS NULL");
        call(query.fetch_all::<KeyRow>()).await?.into_iter().map(key).collect()
    }

    /// Revokes a key of an account: true when it was alive, false when it was revoked before or is not this account's.
    /// Services that ask a [`crate::Directory`] refuse it within 10 seconds.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn revoke_key(&self, account: AccountNumber, id: Uuid) -> Result<bool, AccountsError> {
        let query = self
            .client
            .query(
                "SELECT ?fields FROM api_keys FINAL
                 WHERE id = {id: UUID} AND account = {account: UInt32} AND revoked_at IS NULL",
            )
            .param("id", id.to_string())
            .param("account", account.0);
        let Some(row) = call(query.fetch_optional::<KeyRow>()).await? else { return Ok(false) };
        let row = KeyRow { version: row.version.saturating_add(1), revoked_at: Some(Millis::now()), ..row };
        self.insert("api_keys", &row).await?;
        Ok(true)
    }

    /// An account's settings and their version; the default and version 0 while none were ever put.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn settings(&self, account: AccountNumber) -> Result<(Settings, u64), AccountsError> {
        let query = self
            .client
            .query(
                "SELECT ?fields FROM settings FINAL WHERE account = {account: UInt32}
                 ORDER BY version DESC LIMIT 1",
            )
            .param("account", account.0);
        let row = call(query.fetch_optional::<SettingsRow>()).await?;
        Ok(row.map_or_else(|| (Settings::default(), 0), settings))
    }

    /// The settings in force of every account that ever put some.
    pub(crate) async fn all_settings(&self) -> Result<Vec<(AccountNumber, Settings, u64)>, AccountsError> {
        let query = self
            .client
            .query("SELECT ?fields FROM settings FINAL ORDER BY account, version DESC LIMIT 1 BY account");
        let rows = call(query.fetch_all::<SettingsRow>()).await?;
        let entry = |row: SettingsRow| {
            let account = AccountNumber(row.account);
            let (settings, version) = settings(row);
            (account, settings, version)
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Puts settings in force and returns their version. Stored rows follow with [`Accounts::apply_retention`].
    ///
    /// # Errors
    /// [`AccountsError::Settings`] names the field that is out of its bounds, [`AccountsError::HostTaken`] the host that
    /// another account claims.
    pub async fn put_settings(&self, account: AccountNumber, new: Settings) -> Result<u64, AccountsError> {
        new.check()?;
        self.expect_account(account).await?;
        let lock = self.lock().await?;
        let put = self.put_settings_locked(account, new).await;
        lock.release().await;
        put
    }

    async fn put_settings_locked(&self, account: AccountNumber, new: Settings) -> Result<u64, AccountsError> {
        let all = self.all_settings().await?;
        if let Some(host) = new.host()
            && all.iter().any(|(other, theirs, _)| *other != account && theirs.host().as_ref() == Some(&host))
        {
            return Err(AccountsError::HostTaken(host));
        }
        let current = all.iter().find(|(other, ..)| *other == account).map_or(0, |(.., version)| *version);
        let version = current + 1;
        let classes = new.suppress.classes();
        let row = SettingsRow {
            account: account.0,
            version,
            changed_at: Millis::now(),
            suppress: classes.iter().map(|class| class.as_str().to_owned()).collect(),
            evidence_days: new.evidence_days,
            retention_days: new.retention_days,
            tracking_base_url: new.tracking_base_url,
            trap_links: new.trap_links,
        };
        self.insert("settings", &row).await?;
        Ok(version)
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
        Lock::take(&self.client, "accounts", LOCK_WAIT).await
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

fn account(row: AccountRow) -> Result<Account, AccountsError> {
    let id = AccountId::new(row.id)
        .map_err(|error| AccountsError::Foreign { table: "accounts", what: error.to_string() })?;
    Ok(Account { number: AccountNumber(row.number), id, created_at: row.created_at.timestamp()? })
}

fn key(row: KeyRow) -> Result<Key, AccountsError> {
    Ok(Key {
        id: row.id,
        account: AccountNumber(row.account),
        label: row.label,
        // A scope of a newer program gives nothing here.
        scopes: row.scopes.iter().filter_map(|name| Scope::parse(name)).collect(),
        created_at: row.created_at.timestamp()?,
        revoked_at: row.revoked_at.map(Millis::timestamp).transpose()?,
        hash: KeyHash(row.hash),
    })
}

fn settings(row: SettingsRow) -> (Settings, u64) {
    let classes: Vec<Class> = row.suppress.iter().filter_map(|name| Class::parse(name)).collect();
    let settings = Settings {
        suppress: Suppress::of(&classes),
        evidence_days: row.evidence_days,
        retention_days: row.retention_days,
        tracking_base_url: row.tracking_base_url,
        trap_links: row.trap_links,
    };
    (settings, row.version)
}
