//! Where an import stands: what it read of each file, and what it must remember to read on. The file is readable by its owner
//! alone, since it holds message ids of mails in the queue.

use super::format::Recent;
use super::postfix::Postfix;
use crate::Failure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What an import has to know to go on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// By the path as it was given, absolute.
    pub(super) files: BTreeMap<PathBuf, Position>,
    /// Mails of directories that were taken.
    pub(super) mails: BTreeSet<String>,
    pub(super) postfix: Postfix,
    pub(super) recent: Recent,
    #[serde(skip)]
    path: PathBuf,
}

/// How far a file was read.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which file it is, whatever its name is by now.
    pub(super) inode: u64,
    /// A hash of its first bytes: an inode may come back with another file.
    pub(super) begins: String,
    /// How many bytes that hash is of.
    pub(super) begins_bytes: u64,
    /// Everything before was taken.
    pub(super) offset: u64,
    /// The lines before it.
    pub(super) lines: u64,
    /// The columns that its header named.
    pub(super) columns: Vec<String>,
}

impl State {
    /// Reads the state; a new one where there is no file.
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            format!("{}: {error}; remove it to begin anew, which repeats and loses nothing", path.display())
        };
        let mut state: Self = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self { version: VERSION, ..Self::default() }
            }
            Err(error) => return Err(wrong(&error).into()),
        };
        if state.version != VERSION {
            return Err(
                wrong(&format!("version {} is not the {VERSION} of this program", state.version)).into()
            );
        }
        state.path = path.to_owned();
        Ok(state)
    }

    /// Replaces the state as a whole.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| format!("{}: {error}", self.path.display());
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        Ok(runtime::files::write_private(&self.path, &serde_json::to_vec(self)?).map_err(wrong)?)
    }
}
