//! How long each account keeps things, and what to do when it changes its mind.
//!
//! Whoever changes an account's settings makes the stored rows follow. Rows that are written after that, under a copy of
//! the settings that is some seconds old, would be missed: the lane remembers under which days it wrote, and makes the
//! stored rows follow once more when the copy shows others.

use crate::metrics;
use engagement::AccountNumber;
use std::collections::HashMap;
use store::{Accounts, Directory, Settings};
use tracing::warn;

/// Days that an account keeps evidence and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) evidence: u16,
    pub(crate) retention: u16,
}

impl Days {
    fn of(settings: &Settings) -> Self {
        Self { evidence: settings.evidence_days, retention: settings.retention_days }
    }
}

/// The days under which a lane writes.
pub(crate) struct Retention {
    directory: Directory,
    table: &'static str,
    /// The days of the accounts in the batch in hand: one look-up an account, and one answer a batch.
    current: HashMap<AccountNumber, Days>,
    /// The oldest days, for each account, under which rows were written that may not be the stored ones' by now.
    written: HashMap<AccountNumber, Days>,
}

impl Retention {
    pub(crate) fn new(directory: Directory, table: &'static str) -> Self {
        Self { directory, table, current: HashMap::new(), written: HashMap::new() }
    }

    /// A new batch begins: settings are looked up anew.
    pub(crate) fn begin(&mut self) {
        self.current.clear();
    }

    /// The days of an account; the default where the account is not known.
    pub(crate) fn days(&mut self, account: AccountNumber) -> Days {
        if let Some(days) = self.current.get(&account) {
            return *days;
        }
        let days = Days::of(&settings(&self.directory, account));
        self.current.insert(account, days);
        self.written.entry(account).or_insert(days);
        days
    }

    /// Makes stored rows follow where the days are others than they were written under. To be called when nothing is in
    /// hand. What fails is tried again at the next call.
    pub(crate) async fn follow(&mut self, accounts: &Accounts) {
        let changed: Vec<(AccountNumber, Settings)> = self
            .written
            .iter()
            .map(|(account, days)| (*account, *days, settings(&self.directory, *account)))
            .filter(|(_, days, settings)| Days::of(settings) != *days)
            .map(|(account, _, settings)| (account, settings))
            .collect();
        for (account, settings) in changed {
            match accounts.apply_retention(account, &settings).await {
                Ok(()) => {
                    self.written.insert(account, Days::of(&settings));
                    metrics::RETENTION_FOLLOWED.with_label_values(&[self.table]).inc();
                }
                Err(error) => {
                    warn!(account = account.0, %error, "stored rows don't follow a changed retention yet");
                    return;
                }
            }
        }
    }
}

fn settings(directory: &Directory, account: AccountNumber) -> Settings {
    directory.account(account).map(|entry| entry.settings).unwrap_or_default()
}
