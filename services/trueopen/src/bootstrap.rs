//! The first start: the account `demo` and an admin key, so that the first try needs nothing else.

use crate::Failure;
use crate::settings::Settings;
use engagement::AccountId;
use std::path::{Path, PathBuf};
use store::{Account, Accounts, Scope};

/// The account that the first start makes.
pub(crate) const DEMO: &str = "demo";
/// The label of the key that the first start makes.
const LABEL: &str = "made at the first start";

/// What the first start made, or what is there of it.
pub(crate) struct Welcome {
    /// The account `demo`, where it exists.
    pub(crate) demo: Option<Account>,
    /// The admin key, at the first start alone.
    pub(crate) new_key: Option<String>,
    /// Where the key is kept for the operator, mode 600.
    pub(crate) key_file: PathBuf,
}

/// Makes what a first start makes. A start that broke off half-way is finished by the next one; a key file that the
/// operator took away stays away.
pub(crate) async fn bootstrap(settings: &Settings, accounts: &Accounts) -> Result<Welcome, Failure> {
    let id = AccountId::new(DEMO)?;
    let key_file = settings.data_dir.join("admin.key");
    let done = settings.data_dir.join("first-start.done");
    if done.exists() {
        return Ok(Welcome { demo: accounts.find(&id).await?, new_key: None, key_file });
    }
    if accounts.list().await?.iter().any(|account| account.id != id) {
        // Someone else's accounts: a database that was here before this data directory. Nothing is made in it.
        mark(&done)?;
        return Ok(Welcome { demo: accounts.find(&id).await?, new_key: None, key_file });
    }
    let demo = match accounts.find(&id).await? {
        Some(account) => account,
        None => accounts.create(&id).await?,
    };
    // Keys of a first start that broke off were never shown to anyone.
    for key in accounts.keys(demo.number).await? {
        if key.label == LABEL && key.revoked_at.is_none() {
            accounts.revoke_key(demo.number, key.id).await?;
        }
    }
    let scopes = [Scope::Admin, Scope::ReportsRead, Scope::EventsWrite, Scope::SettingsWrite];
    let (_, secret) = accounts.create_key(demo.number, LABEL, &scopes).await?;
    runtime::files::write_private(&key_file, format!("{secret}\n").as_bytes())
        .map_err(|error| format!("{} can't be written: {error}", key_file.display()))?;
    mark(&done)?;
    Ok(Welcome { demo: Some(demo), new_key: Some(secret), key_file })
}

fn mark(done: &Path) -> Result<(), Failure> {
    runtime::files::write_private(done, b"")
        .map_err(|error| format!("{} can't be written: {error}", done.display()).into())
}
