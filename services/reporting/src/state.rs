//! What every request shares.

use crate::audit::AuditHash;
use crate::config::Config;
use crate::mint::{MintError, Minter};
use crate::problem::Problem;
use crate::webhooks::sns::Sns;
use crate::webhooks::{Reader, Seen};
use clickhouse::Client;
use engagement::keys::KeyRing;
use std::sync::Arc;
use store::{AccountEntry, Accounts, Directory};
use stream::Topic;
use tokio::sync::{Mutex, Semaphore};
use tracing::warn;

/// What every request shares.
pub(crate) struct App {
    pub(crate) config: Config,
    /// For reports; it gives up after `query_seconds`.
    pub(crate) client: Client,
    pub(crate) accounts: Accounts,
    pub(crate) directory: Directory,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) delivery: Topic,
    pub(crate) hits: Topic,
    pub(crate) default_base_url: String,
    pub(crate) audit_hash: AuditHash,
    /// Held while settings are read, merged and put, so that two changes in this process don't undo each other.
    pub(crate) settings_change: Mutex<()>,
    /// Room for exports of all of a window.
    pub(crate) exports: Arc<Semaphore>,
    /// Checks what SNS sends.
    pub(crate) sns: Sns,
    /// Tokens that signed a webhook of Mailgun.
    pub(crate) seen: Seen,
    /// How webhooks are read.
    pub(crate) reader: Reader,
}

impl App {
    /// The minter of an account's URLs.
    pub(crate) fn minter(&self, entry: &AccountEntry) -> Result<Minter<'_>, MintError> {
        Minter::new(
            &self.keys,
            entry.account.number,
            entry.settings.tracking_base_url.as_deref(),
            &self.default_base_url,
        )
    }

    /// Brings the directory up to date after a change, so that the next request sees it. A failure is no failure of
    /// the change: it is stored, and the directory's own round brings it within seconds.
    pub(crate) async fn refresh(&self) {
        if let Err(error) = self.directory.refresh(&self.accounts).await {
            warn!(%error, "the directory could not be brought up to date at once");
        }
    }

    /// The limit of a JSON body.
    pub(crate) fn body_limit(&self) -> usize {
        self.config.body_bytes
    }

    /// The entry of an account's name, for the caller's own account.
    pub(crate) fn entry(&self, account: &str) -> Result<AccountEntry, Problem> {
        self.directory.by_id(account).ok_or_else(Problem::no_account)
    }
}
