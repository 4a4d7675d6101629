//! The data directory: made private, held by one process at a time.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Why the data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error("the data directory {path} can't be made or written: {reason}")]
    Unwritable { path: PathBuf, reason: String },
    #[error(
        "the data directory {path} is in use by another trueopen: stop that one or name another with --data-dir"
    )]
    InUse { path: PathBuf },
}

/// A data directory that this process holds. The system lets go of it when the process ends, however it ends.
pub(crate) struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is not there and takes hold of it.
    pub(crate) fn take(path: &Path) -> Result<Self, DataDirError> {
        let unwritable =
            |error: std::io::Error| DataDirError::Unwritable { path: path.into(), reason: error.to_string() };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unwritable)?;
        let lock = File::create(path.join("trueopen.lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.into() }),
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let held = DataDir::take(&path).unwrap();
        let error = DataDir::take(&path).err().unwrap().to_string();
        assert!(error.contains("in use by another"), "{error}");
        drop(held);
        DataDir::take(&path).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = DataDir::take(&dir.path().join("file")).err().unwrap().to_string();
        assert!(error.contains("can't be made or written"), "{error}");
    }
}
