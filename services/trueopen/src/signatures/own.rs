//! An operator's own signature files: every `*.toml` of a folder, in the order of their names, over those that the program
//! ships with. Hidden files and those of other endings, which editors leave behind, are not read; one error refuses all of
//! them with its file and line.

#[cfg(test)]
mod tests;

use super::{Settings, SettingsError, folder};
use classifier::data::Data;
use classifier::{BUILTIN_FILES, Ruleset, SignatureError, SignatureFile};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The longest file that is read, in bytes; all shipped ones together have 48,000.
const MOST_BYTES: u64 = 1 << 20;
/// The most files that are read.
const MOST_FILES: usize = 1_000;

/// Why an operator's signature files can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    #[error("{path}: {error}")]
    Disk { path: String, error: io::Error },
    #[error("{path}: longer than {MOST_BYTES} bytes")]
    TooLong { path: String },
    #[error("{path}:{line}: not UTF-8")]
    NotText { path: String, line: usize },
    #[error("{path}: a signature file is a file that is named like name.toml")]
    NoFile { path: String },
    #[error("{path}: more than {MOST_FILES} signature files")]
    TooMany { path: String },
    /// The path stands where the error has the file's name.
    #[error(transparent)]
    Content(SignatureError),
}

/// One file of an operator's.
#[derive(Debug, Clone)]
pub(crate) struct OwnFile {
    path: PathBuf,
    name: String,
    text: String,
}

impl OwnFile {
    /// Reads a file that is, or shall be, in the folder under the same name. Of what it holds nothing is checked.
    pub(crate) fn read(path: &Path) -> Result<Self, OwnError> {
        let shown = || path.display().to_string();
        let disk = |error| OwnError::Disk { path: shown(), error };
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_read(name));
        let name = name.ok_or_else(|| OwnError::NoFile { path: shown() })?.to_owned();
        if !fs::metadata(path).map_err(disk)?.is_file() {
            return Err(OwnError::NoFile { path: shown() });
        }
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(disk)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(OwnError::TooLong { path: shown() });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            OwnError::NotText { path: shown(), line }
        })?;
        Ok(Self { path: path.to_owned(), name, text })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it into the folder, in place of the one of its name: it is whole before it has its name.
    pub(crate) fn install(&self, settings: &Settings) -> Result<(), folder::FolderError> {
        folder::put(&own_folder(settings), &self.name, self.text.as_bytes())
    }
}

/// The files in the folder, in the order of their names; no folder, no files, unless the settings name it.
pub(crate) fn paths(settings: &Settings) -> Result<Vec<PathBuf>, OwnError> {
    let folder = own_folder(settings);
    let disk = |error| OwnError::Disk { path: folder.display().to_string(), error };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && settings.signatures.folder.is_none() => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(disk(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(disk)?;
        if is_read(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
        if paths.len() > MOST_FILES {
            return Err(OwnError::TooMany { path: folder.display().to_string() });
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// The ruleset over all files in the folder and all data sets that are at hand.
pub(crate) fn ruleset(settings: &Settings) -> Result<Ruleset, SettingsError> {
    let wrong =
        |error: OwnError| SettingsError::Value { name: "signatures.folder", reason: error.to_string() };
    let files: Result<Vec<_>, _> =
        paths(settings).map_err(wrong)?.iter().map(|path| OwnFile::read(path)).collect();
    ruleset_of(&files.map_err(wrong)?, super::data(settings)?).map_err(wrong)
}

/// The ruleset over these files, in their order; an error has the path of its file.
pub(crate) fn ruleset_of(files: &[OwnFile], data: Data) -> Result<Ruleset, OwnError> {
    let texts: Vec<_> =
        files.iter().map(|file| SignatureFile { name: &file.name, text: &file.text }).collect();
    Ruleset::with_own(&texts, data).map_err(|error| {
        let path =
            files.iter().find(|file| file.name == error.file).map(|file| file.path.display().to_string());
        OwnError::Content(SignatureError { file: path.unwrap_or(error.file), ..error })
    })
}

/// Whether the program ships with a file of this name, which an own one takes the place of.
pub(crate) fn is_shipped(name: &str) -> bool {
    BUILTIN_FILES.iter().any(|file| file.name == name)
}

fn is_read(name: &str) -> bool {
    !name.starts_with('.') && name.ends_with(".toml")
}

fn own_folder(settings: &Settings) -> PathBuf {
    settings.signatures.folder.clone().unwrap_or_else(|| settings.data_dir.join("signatures"))
}
