//! The few disk operations that the journal needs, so that a simulated disk can stand in for the real one.
//!
//! Paths are relative to the journal's directory and use `/`. Nothing here retries or hides an error.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder tree that holds one journal.
pub trait Storage: Send + Sync + 'static {
    /// Creates a folder and its parents; one that exists is fine.
    fn create_folder(&self, folder: &str) -> io::Result<()>;
    /// Creates a new empty file; one that exists is an error.
    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Moves a file, replacing what is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// The names of the files in a folder, in no order; `""` is the top.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes creations, moves and removals in a folder durable.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
}

/// One open file. It stays readable after it was removed, as POSIX has it.
pub trait StorageFile: Send + Sync {
    /// Writes all bytes at an offset; on an error some of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Fills the buffer from an offset as far as the file goes; returns how many bytes were read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Makes the file's bytes and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to a length.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;
}

/// The real disk.
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The tree under `root`.
    pub fn new(root: &Path) -> Disk {
        Disk { root: root.to_path_buf() }
    }

    /// A file that is not to be changed.
    pub(crate) fn open_to_read(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(DiskFile(File::open(self.root.join(path))?)))
    }
}

impl Storage for Disk {
    fn create_folder(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(folder))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.root.join(path))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.root.join(path))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.root.join(folder))?.sync_all()
    }
}

struct DiskFile(File);

impl StorageFile for DiskFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: it flushes the length too, which is all of the metadata that reading needs.
        self.0.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Whether an error means that the disk, or this user's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
