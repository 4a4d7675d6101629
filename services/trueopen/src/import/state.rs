//! Where an import stands: what it read of each file, and what it must remember to read on. The file is readable by its owner
//! alone, since it holds message ids of mails in the queue.
//!
//! It is written as a whole, of a moment in which everything that was read was taken: how often decides only how much is
//! read again after a kill, with the same ids.

use super::format::Recent;
use super::input::is_compressed;
use super::postfix::Postfix;
use crate::Failure;
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 2;
/// How often it is written while there is something to read.
const EVERY: Duration = Duration::from_secs(1);
/// The bytes at the beginning of a file, and before a position in it, by which it is known again.
const KNOWN_BY: u64 = 256;
/// How many files that were left are remembered; an older one would be read from its start if it were named.
const LEFT: usize = 200;

/// What an import has to know to go on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// By the path as it was given, absolute.
    pub(super) files: BTreeMap<PathBuf, Position>,
    /// Files that were left for others of their name: they may be named by another.
    left: VecDeque<Position>,
    /// What was taken of folders, by names that stay.
    folders: BTreeMap<PathBuf, BTreeSet<String>>,
    pub(super) memory: Memory,
    #[serde(skip)]
    path: PathBuf,
    #[serde(skip)]
    saved: Option<Instant>,
    /// What is remembered was taken, or not yet.
    #[serde(skip)]
    settled: bool,
    /// It is not what was written.
    #[serde(skip)]
    changed: bool,
}

/// What is known of the events before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) postfix: Postfix,
    pub(super) recent: Recent,
}

/// How far a file was read.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which file it is, whatever its name is by now.
    pub(super) inode: u64,
    /// A hash of its first bytes: an inode may come back with another file.
    begins: String,
    /// How many bytes that hash is of.
    begins_bytes: u64,
    /// A hash of the bytes before the offset: with it a copy is known too, and a file that was cut and grew again is not. Empty
    /// where the file is compressed.
    ends: String,
    /// Everything before was taken; of a compressed file, of what it holds.
    pub(super) offset: u64,
    /// The lines or mails before it.
    pub(super) units: u64,
    /// The columns that its header named.
    pub(super) columns: Vec<String>,
}

impl Position {
    /// The start of a file.
    pub(super) fn start(file: &File) -> io::Result<Self> {
        Ok(Self { inode: file.metadata()?.ino(), ..Self::default() })
    }

    /// Notes by what the file will be known.
    pub(super) fn know(&mut self, file: &File) -> io::Result<()> {
        let before = self.offset.min(KNOWN_BY);
        self.ends =
            if is_compressed(file)? { String::new() } else { hash(file, self.offset - before, before)? };
        if self.begins_bytes < KNOWN_BY {
            self.begins_bytes = file.metadata()?.len().min(KNOWN_BY);
            self.begins = hash(file, 0, self.begins_bytes)?;
        }
        Ok(())
    }

    /// Whether it is a position in this file, or in one that it is a copy of.
    pub(super) fn is_in(&self, file: &File) -> io::Result<bool> {
        if self.begins_bytes == 0 || hash(file, 0, self.begins_bytes)? != self.begins {
            return Ok(false);
        }
        let about = file.metadata()?;
        if self.ends.is_empty() {
            return Ok(about.ino() == self.inode);
        }
        let before = self.offset.min(KNOWN_BY);
        Ok(about.len() >= self.offset && hash(file, self.offset - before, before)? == self.ends)
    }
}

impl State {
    /// Reads the state; a new one where there is no file.
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            format!("{}: {error}; remove it to begin anew, which repeats and loses nothing", path.display())
        };
        let mut state: Self = match std::fs::read(path) {
            Ok(bytes) => {
                #[derive(Deserialize)]
                struct Versioned {
                    version: u32,
                }
                let Versioned { version } = serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?;
                if version != VERSION {
                    let said = format!("version {version} is not the {VERSION} of this program");
                    return Err(wrong(&said).into());
                }
                serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self { version: VERSION, ..Self::default() }
            }
            Err(error) => return Err(wrong(&error).into()),
        };
        state.path = path.to_owned();
        Ok(state)
    }

    /// Remembers a file that is left for another.
    pub(super) fn leave(&mut self, position: Position) {
        if position.offset > 0 {
            self.left.push_back(position);
            if self.left.len() > LEFT {
                self.left.pop_front();
            }
            self.changed = true;
        }
    }

    /// All positions, of whatever path.
    pub(super) fn positions(&self) -> impl Iterator<Item = &Position> {
        self.files.values().chain(&self.left)
    }

    /// How far this file was read, under whatever path.
    pub(super) fn furthest(&self, file: &File) -> io::Result<Option<Position>> {
        let mut furthest: Option<&Position> = None;
        for position in self.positions() {
            if furthest.is_none_or(|best| best.offset < position.offset) && position.is_in(file)? {
                furthest = Some(position);
            }
        }
        Ok(furthest.cloned())
    }

    /// Forgets files that are gone.
    pub(super) fn forget(&mut self, gone: impl Fn(&Path) -> bool) {
        let before = self.files.len();
        self.files.retain(|path, _| !gone(path));
        self.changed |= before != self.files.len();
    }

    /// What was taken of a folder.
    pub(super) fn taken_of(&mut self, folder: &Path) -> &mut BTreeSet<String> {
        self.folders.entry(folder.to_owned()).or_default()
    }

    /// From here on it remembers what was not taken yet.
    pub(super) const fn moves(&mut self) {
        self.settled = false;
    }

    /// Everything that it remembers was taken; it is written now and then.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        (self.settled, self.changed) = (true, true);
        if self.saved.is_none_or(|saved| saved.elapsed() >= EVERY) { self.write() } else { Ok(()) }
    }

    /// Writes it if that would change anything.
    pub(super) fn write(&mut self) -> Result<(), Failure> {
        if self.settled && self.changed {
            self.save()?;
            (self.changed, self.saved) = (false, Some(Instant::now()));
        }
        Ok(())
    }

    /// Replaces the state as a whole.
    fn save(&self) -> Result<(), Failure> {
        let wrong = |error: io::Error| format!("{}: {error}", self.path.display());
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        Ok(runtime::files::write_private(&self.path, &serde_json::to_vec(self)?).map_err(wrong)?)
    }
}

/// A hash of a file's bytes, of fewer where it is shorter.
fn hash(file: &File, from: u64, bytes: u64) -> io::Result<String> {
    let mut read = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < read.len() {
        match file.read_at(&mut read[filled..], from + filled as u64)? {
            0 => break,
            more => filled += more,
        }
    }
    let hash = digest::digest(&digest::SHA256, &read[..filled]);
    Ok(hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_whatever_its_name_and_what_took_its_place_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut state = State::default();
        let mut read = |name: &str, offset: u64| {
            let file = File::open(path(name)).unwrap();
            let mut position = Position { offset, ..Position::start(&file).unwrap() };
            position.know(&file).unwrap();
            state.files.insert(path(name), position);
        };
        std::fs::write(path("log"), "one\ntwo\nthree\n").unwrap();
        let frame = zstd::stream::encode_all(b"one\ntwo\n".as_slice(), 0).unwrap();
        std::fs::write(path("segment"), &frame).unwrap();
        read("log", 8);
        read("segment", 8);
        let known = |name: &str| {
            let file = File::open(path(name)).unwrap();
            state.furthest(&file).unwrap().map(|known| known.offset)
        };
        std::fs::copy(path("log"), path("copy")).unwrap();
        std::fs::rename(path("log"), path("log.1")).unwrap();
        std::fs::rename(path("segment"), path("segment.1")).unwrap();
        assert_eq!((known("copy"), known("log.1"), known("segment.1")), (Some(8), Some(8), Some(8)));
        // The same inode, cut, and grown again by other lines.
        for other in ["", "one\n", "one\nTWO\nthree\n"] {
            std::fs::write(path("log.1"), other).unwrap();
            assert_eq!(known("log.1"), None, "{other}");
        }
        state.leave(state.files[&path("log")].clone());
        state.files.clear();
        let file = File::open(path("copy")).unwrap();
        assert_eq!(state.furthest(&file).unwrap().map(|known| known.offset), Some(8));
    }
}
