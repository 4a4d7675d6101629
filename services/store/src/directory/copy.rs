//! The copy on disk: a JSON file with a version, readable by its owner only (it holds the keys' hashes), replaced as a
//! whole or not at all.

use super::snapshot::Snapshot;
use crate::accounts::{Account, Webhook};
use crate::keys::{Key, KeyHash, Scope};
use crate::settings::Settings;
use engagement::{AccountNumber, Timestamp};
use runtime::files::write_private;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Why the copy on disk can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The file system refused.
    #[error("the copy of accounts and keys at {}: {cause}", path.display())]
    File {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Not our JSON.
    #[error("not a copy of accounts and keys: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another program's version.
    #[error("version {0} of the copy is not the {VERSION} that this program reads")]
    Version(u32),
}

impl CopyError {
    /// The writing task did not end: the program shuts down, or there is a fault in it.
    pub(super) fn stopped(path: &Path, stopped: tokio::task::JoinError) -> Self {
        Self::File { path: path.to_owned(), cause: io::Error::other(stopped) }
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    refreshed_at: Timestamp,
    accounts: Vec<AccountDocument>,
    keys: Vec<KeyDocument>,
    /// A copy of before this program has none.
    #[serde(default)]
    webhooks: Vec<Webhook>,
}

#[derive(Serialize, Deserialize)]
struct AccountDocument {
    #[serde(flatten)]
    account: Account,
    settings: Settings,
    settings_version: u64,
}

#[derive(Serialize, Deserialize)]
struct KeyDocument {
    id: Uuid,
    account: AccountNumber,
    label: String,
    scopes: Vec<Scope>,
    created_at: Timestamp,
    hash: KeyHash,
}

/// The copy in this file; `None` when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Snapshot>, CopyError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(CopyError::File { path: path.to_owned(), cause }),
    };
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let version: Version = serde_json::from_slice(&bytes)?;
    if version.version != VERSION {
        return Err(CopyError::Version(version.version));
    }
    let document: Document = serde_json::from_slice(&bytes)?;
    let mut accounts = Vec::with_capacity(document.accounts.len());
    let mut settings = Vec::with_capacity(document.accounts.len());
    for entry in document.accounts {
        settings.push((entry.account.number, entry.settings, entry.settings_version));
        accounts.push(entry.account);
    }
    let keys = document.keys.into_iter().map(|key| Key {
        id: key.id,
        account: key.account,
        label: key.label,
        scopes: key.scopes,
        created_at: key.created_at,
        revoked_at: None,
        hash: key.hash,
    });
    let refreshed_at = Some(document.refreshed_at);
    Ok(Some(Snapshot::new(refreshed_at, accounts, settings, keys.collect(), document.webhooks)))
}

/// Replaces the copy as a whole. Does nothing before the first refresh.
pub(super) fn write(path: &Path, snapshot: &Snapshot) -> Result<(), CopyError> {
    let Some(refreshed_at) = snapshot.refreshed_at else { return Ok(()) };
    let mut accounts: Vec<_> = snapshot
        .entries()
        .map(|entry| AccountDocument {
            account: entry.account.clone(),
            settings: entry.settings.clone(),
            settings_version: entry.settings_version,
        })
        .collect();
    accounts.sort_unstable_by_key(|entry| entry.account.number);
    let mut keys: Vec<_> = snapshot
        .keys()
        .map(|key| KeyDocument {
            id: key.id,
            account: key.account,
            label: key.label.clone(),
            scopes: key.scopes.clone(),
            created_at: key.created_at,
            hash: key.hash.clone(),
        })
        .collect();
    keys.sort_unstable_by_key(|key| key.id);
    let webhooks = snapshot.webhooks().to_vec();
    let bytes = serde_json::to_vec(&Document { version: VERSION, refreshed_at, accounts, keys, webhooks })?;
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| write_private(path, &bytes))
        .map_err(|cause| CopyError::File { path: path.to_owned(), cause })
}
