//! Keys as rows of the table `api_keys`.

use super::{Accounts, AccountsError, Millis};
use crate::error::call;
use crate::keys::{Key, KeyHash, Scope, new_secret};
use clickhouse::Row;
use engagement::AccountNumber;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most bytes of a key's label.
pub(super) const LABEL_BYTES: usize = 200;

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

impl Accounts {
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
