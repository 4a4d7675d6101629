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
    #[error("{path}: {reason}")]
    Instance { path: PathBuf, reason: String },
}

/// A data directory that this process holds. The system lets go of it when the process ends, however it ends.
pub(crate) struct DataDir {
    path: PathBuf,
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
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.into() }),
            Err(TryLockError::Error(error)) => Err(unwritable(error)),
        }
    }

    /// The name under which this place is known to Kafka, made once and kept in the file `instance`: what a life that was
    /// killed left open is ended by the next at once. A copy of the directory must not be used beside the original.
    pub(crate) fn instance(&self) -> Result<String, DataDirError> {
        let path = self.path.join("instance");
        let wrong = |reason: String| DataDirError::Instance { path: path.clone(), reason };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let name = text.trim();
                let usable = |one: char| one.is_ascii_alphanumeric() || one == '-';
                if name.is_empty() || !name.chars().all(usable) {
                    return Err(wrong("it holds no name of letters, digits and -".to_owned()));
                }
                Ok(name.to_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let name = uuid::Uuid::now_v7().to_string();
                runtime::files::write_private(&path, name.as_bytes())
                    .map_err(|error| wrong(error.to_string()))?;
                Ok(name)
            }
            Err(error) => Err(wrong(error.to_string())),
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
        let name = held.instance().unwrap();
        drop(held);
        let held = DataDir::take(&path).unwrap();
        assert_eq!(held.instance().unwrap(), name);
        fs::write(path.join("instance"), "a/b").unwrap();
        assert!(held.instance().is_err());
        fs::write(dir.path().join("file"), "").unwrap();
        let error = DataDir::take(&dir.path().join("file")).err().unwrap().to_string();
        assert!(error.contains("can't be made or written"), "{error}");
    }
}
