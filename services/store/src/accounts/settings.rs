//! Settings as rows of the table `settings`.

use super::{Accounts, AccountsError, Millis};
use crate::error::call;
use crate::settings::{Settings, Suppress};
use clickhouse::Row;
use engagement::AccountNumber;
use engagement::sources::Class;
use serde::{Deserialize, Serialize};

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

impl Accounts {
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
