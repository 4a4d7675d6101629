//! Data sets from files, in the form in which their owners publish them.

use classifier::data::{DataError, DataSet, Entry, Name, Part, Shape};
use engagement::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What was given to read from.
#[derive(Debug)]
pub(crate) enum Given<'a> {
    /// One file.
    File(&'a Path),
    /// The parts of one data set.
    Parts(&'a [PathBuf]),
}

/// Why a data set can't be had from a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{path} can't be read: {error}")]
    Disk { path: String, error: std::io::Error },
    #[error("{path}: {error}")]
    Content { path: String, error: DataError },
    #[error("{path} holds the data set {found}, not {asked}")]
    Other { path: String, found: Name, asked: Name },
}

/// The day it is, as `2026-05-31`.
pub(crate) fn today() -> String {
    Timestamp::from_clock(SystemTime::now()).to_string().chars().take(10).collect()
}

/// Reads a data set; `date` is its day where the file names none.
pub(crate) fn read(name: Name, given: &Given<'_>, date: &str) -> Result<DataSet, FileError> {
    let one;
    let paths: &[PathBuf] = match given {
        Given::File(path) => {
            one = [(*path).to_owned()];
            &one
        }
        Given::Parts(paths) => paths,
    };
    let names: Vec<_> =
        paths.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
    let from = names.join(" and ");
    let mut contents = Vec::with_capacity(paths.len());
    for path in paths {
        let disk = |error| FileError::Disk { path: path.display().to_string(), error };
        contents.push(fs::read(path).map_err(disk)?);
    }
    let content = |error| FileError::Content { path: from.clone(), error };
    if let ([path], [bytes]) = (paths, &contents[..])
        && is(path, "ranges")
    {
        let set = DataSet::from_bytes(bytes).map_err(content)?;
        let found = set.about().name;
        return if found == name {
            Ok(set)
        } else {
            Err(FileError::Other { path: from, found, asked: name })
        };
    }
    let parts =
        paths.iter().zip(&contents).map(|(path, bytes)| Part { shape: shape(name.entry(), path), bytes });
    let parts: Vec<Part<'_>> = parts.collect();
    DataSet::read(name, &parts, &from, date).map_err(content)
}

/// The files of a data set in a folder: under its own name, or under those that its owner gives them.
pub(crate) fn find(folder: &Path, name: Name) -> Option<Vec<PathBuf>> {
    let own = ["csv", "json", "mmdb", "ranges"].map(|ending| folder.join(format!("{name}.{ending}")));
    if let Some(path) = own.into_iter().find(|path| path.is_file()) {
        return Some(vec![path]);
    }
    let published = name.entry().urls.iter().map(|url| {
        let path = url.split('?').next().unwrap_or_default();
        folder.join(path.rsplit('/').next().unwrap_or_default())
    });
    let published: Vec<PathBuf> = published.collect();
    (!published.is_empty() && published.iter().all(|path| path.is_file())).then_some(published)
}

/// The form of a file: its owner's, unless its ending says otherwise.
fn shape(entry: &Entry, path: &Path) -> Shape {
    let table =
        matches!(entry.shape, Shape::Systems | Shape::Countries | Shape::AppleEgress | Shape::Geofeed);
    if is(path, "mmdb") {
        Shape::Mmdb
    } else if is(path, "csv") && !table {
        Shape::List
    } else {
        entry.shape
    }
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}
