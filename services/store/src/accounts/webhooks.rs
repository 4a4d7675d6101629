//! Webhooks' sealed secrets as rows of the table `webhooks`. What is sealed and how is the reporting API's business.

use super::{Accounts, AccountsError, Millis};
use crate::error::call;
use clickhouse::Row;
use engagement::{AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Row, Serialize, Deserialize)]
struct WebhookRow {
    account: u32,
    provider: String,
    version: u64,
    changed_at: Millis,
    sealed: String,
}

/// A webhook that an account takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Whose it is.
    pub account: AccountNumber,
    /// The mail provider.
    pub provider: String,
    /// When it was set.
    pub changed_at: Timestamp,
    /// What proves a request, sealed.
    pub sealed: String,
}

impl Accounts {
    /// The webhooks in force, of all accounts.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, AccountsError> {
        let query = self.client.query(
            "SELECT ?fields FROM webhooks FINAL ORDER BY account, provider, version DESC LIMIT 1 BY account, provider",
        );
        let rows = call(query.fetch_all::<WebhookRow>()).await?;
        let webhook = |row: WebhookRow| {
            let changed_at = row.changed_at.timestamp()?;
            Ok(Webhook {
                account: AccountNumber(row.account),
                provider: row.provider,
                changed_at,
                sealed: row.sealed,
            })
        };
        rows.into_iter().filter(|row| !row.sealed.is_empty()).map(webhook).collect()
    }

    /// Puts a webhook's sealed secret in force, or with an empty one takes the webhook back.
    ///
    /// # Errors
    /// [`AccountsError::Database`], [`AccountsError::NoAccount`], or that another change does not end.
    pub async fn put_webhook(
        &self,
        account: AccountNumber,
        provider: &str,
        sealed: &str,
    ) -> Result<(), AccountsError> {
        self.expect_account(account).await?;
        let lock = self.lock().await?;
        let put = self.put_webhook_locked(account, provider, sealed).await;
        lock.release().await;
        put
    }

    async fn put_webhook_locked(
        &self,
        account: AccountNumber,
        provider: &str,
        sealed: &str,
    ) -> Result<(), AccountsError> {
        let query = self
            .client
            .query("SELECT max(version) FROM webhooks WHERE account = {account: UInt32} AND provider = {provider: String}")
            .param("account", account.0)
            .param("provider", provider);
        let last: u64 = call(query.fetch_one()).await?;
        let row = WebhookRow {
            account: account.0,
            provider: provider.to_owned(),
            version: last + 1,
            changed_at: Millis::now(),
            sealed: sealed.to_owned(),
        };
        self.insert("webhooks", &row).await
    }
}
