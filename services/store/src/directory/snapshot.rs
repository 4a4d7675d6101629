//! One state of accounts, settings and keys, ready to be looked up.

use super::AccountEntry;
use crate::accounts::{Account, Webhook};
use crate::keys::{Key, KeyHash};
use crate::settings::Settings;
use engagement::{AccountNumber, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// As of `refreshed_at`; the default is that nothing is known.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) refreshed_at: Option<Timestamp>,
    accounts: HashMap<AccountNumber, AccountEntry>,
    ids: HashMap<String, AccountNumber>,
    hosts: HashMap<String, AccountNumber>,
    keys: HashMap<KeyHash, Key>,
    webhooks: Vec<Webhook>,
}

impl Snapshot {
    pub(super) fn new(
        refreshed_at: Option<Timestamp>,
        accounts: Vec<Account>,
        settings: Vec<(AccountNumber, Settings, u64)>,
        keys: Vec<Key>,
        webhooks: Vec<Webhook>,
    ) -> Self {
        let mut snapshot = Self { refreshed_at, webhooks, ..Self::default() };
        for account in accounts {
            snapshot.ids.insert(account.id.to_string(), account.number);
            let entry = AccountEntry { account, settings: Settings::default(), settings_version: 0 };
            snapshot.accounts.insert(entry.account.number, entry);
        }
        for (number, settings, version) in settings {
            let Some(entry) = snapshot.accounts.get_mut(&number) else { continue };
            if let Some(host) = settings.host() {
                snapshot.hosts.insert(host, number);
            }
            entry.settings = settings;
            entry.settings_version = version;
        }
        for key in keys {
            if key.revoked_at.is_none() && snapshot.accounts.contains_key(&key.account) {
                snapshot.keys.insert(key.hash.clone(), key);
            }
        }
        snapshot
    }

    pub(super) fn account(&self, number: AccountNumber) -> Option<&AccountEntry> {
        self.accounts.get(&number)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&AccountEntry> {
        self.accounts.get(self.ids.get(id)?)
    }

    pub(super) fn host_owner(&self, host: &str) -> Option<AccountNumber> {
        self.hosts.get(host).copied()
    }

    pub(super) fn key(&self, hash: &KeyHash) -> Option<&Key> {
        self.keys.get(hash)
    }

    pub(super) fn webhook(&self, account: AccountNumber, provider: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.account == account && webhook.provider == provider)
    }

    pub(super) fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// How old it is at a time; nothing is younger than zero.
    pub(super) fn age_at(&self, now: Timestamp) -> Option<Duration> {
        let millis = u64::try_from(now.since(self.refreshed_at?)).unwrap_or(0);
        Some(Duration::from_millis(millis))
    }

    pub(super) fn same_content(&self, other: &Self) -> bool {
        self.accounts == other.accounts && self.keys == other.keys && self.webhooks == other.webhooks
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &AccountEntry> {
        self.accounts.values()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }
}
