//! The folder of installed data sets: one file each, replaced whole or not at all.

use super::Settings;
use classifier::data::{CATALOGUE, DataError, DataSet, Name};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The installed data sets.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// Why an installed file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{path}: {error}")]
    Disk { path: String, error: io::Error },
    #[error("{path}: {error}")]
    Content { path: String, error: DataError },
}

impl Folder {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self::at(&settings.data_dir.join("signatures"))
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Every data set that is installed, or why it can't be read.
    pub(crate) fn all(&self) -> Vec<(Name, Result<DataSet, FolderError>)> {
        CATALOGUE.iter().filter_map(|entry| Some((entry.name, self.read(entry.name).transpose()?))).collect()
    }

    /// Where each data set lies when it is installed.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        CATALOGUE.iter().map(|entry| self.file(entry.name)).collect()
    }

    /// An installed data set.
    pub(crate) fn read(&self, name: Name) -> Result<Option<DataSet>, FolderError> {
        let path = self.file(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk(&path, error)),
        };
        let refuse = |error| FolderError::Content { path: path.display().to_string(), error };
        let set = DataSet::from_bytes(&bytes).map_err(refuse)?;
        if set.about().name == name {
            Ok(Some(set))
        } else {
            Err(refuse(DataError::Compiled("it is another data set")))
        }
    }

    /// Puts a data set in place of the one that is there.
    pub(crate) fn install(&self, set: &DataSet) -> Result<(), FolderError> {
        put(&self.path, &file_name(set.about().name), &set.to_bytes())
    }

    fn file(&self, name: Name) -> PathBuf {
        self.path.join(file_name(name))
    }
}

fn file_name(name: Name) -> String {
    format!("{name}.ranges")
}

/// Puts a file into a folder, in place of the one that is there: it is whole before it has its name.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    fs::create_dir_all(folder).map_err(|error| disk(folder, error))?;
    let path = folder.join(name);
    let fresh = path.with_extension(format!("new.{}", std::process::id()));
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&fresh);
        disk(&path, error)
    })
}

fn disk(path: &Path, error: io::Error) -> FolderError {
    FolderError::Disk { path: path.display().to_string(), error }
}
