//! Folders: the segments of KumoMTA's log, and mails in a Maildir or as files. What was taken is remembered by name, for as long as
//! it is there.
//!
//! A segment is left behind once KumoMTA is done with it; one that is written to at this moment is followed. A mail in a Maildir is
//! whole, since it is moved there; a file in another folder once nothing was written to it for a while.

use super::cut::MAIL_BYTES;
use super::follow::{Follower, PATIENCE, quiet};
use super::{Work, mails};
use crate::Failure;
use crate::cli::ImportFormat;
use engagement::delivery::Submitted;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Mails that are handed over together.
const BATCH: usize = 200;

/// A folder that is read.
pub(super) struct Folder {
    path: PathBuf,
    /// The segments that are not done.
    open: BTreeMap<String, Follower>,
    since: Instant,
    /// Mails that may still be written to.
    unquiet: bool,
}

impl Folder {
    pub(super) fn open(path: &Path, format: ImportFormat) -> Result<Self, Failure> {
        let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if !matches!(format, ImportFormat::Kumomta | ImportFormat::Mail) {
            return Err(format!("{}: is a folder; name its files", path.display()).into());
        }
        Ok(Self { path, open: BTreeMap::new(), since: Instant::now(), unquiet: false })
    }

    /// Reads what is new; whether there was anything.
    pub(super) async fn pass(&mut self, work: &mut Work) -> Result<bool, Failure> {
        if work.format == ImportFormat::Mail { self.mails(work).await } else { self.segments(work).await }
    }

    /// Whether there is nothing to wait for but what may be added.
    pub(super) fn is_done(&self, follow: bool) -> bool {
        !follow && (!self.unquiet || self.since.elapsed() > PATIENCE)
    }

    async fn segments(&mut self, work: &mut Work) -> Result<bool, Failure> {
        let found = segments(&self.path)?;
        self.open.retain(|name, _| found.contains_key(name));
        work.state.forget(|path| {
            path.strip_prefix(&self.path).is_ok_and(|name| !found.contains_key(&*name.to_string_lossy()))
        });
        work.state.taken_of(&self.path).retain(|name| found.contains_key(name));
        let mut moved = false;
        for (name, path) in found {
            if work.state.taken_of(&self.path).contains(&name) {
                continue;
            }
            if !self.open.contains_key(&name) {
                self.open.insert(name.clone(), Follower::segment(&path, work)?);
            }
            let Some(segment) = self.open.get_mut(&name) else { continue };
            // Looked at before the read: what was written before it was closed is read then.
            let closed = segment.is_closed();
            moved |= segment.pass(work).await?;
            if (closed || segment.is_closed()) && !segment.is_broken() {
                segment.close(work);
                self.open.remove(&name);
                work.state.taken_of(&self.path).insert(name);
                work.state.files.remove(&path);
                work.state.settle()?;
            }
        }
        Ok(moved)
    }

    async fn mails(&mut self, work: &mut Work) -> Result<bool, Failure> {
        let (mut found, is_maildir) = mails_of(&self.path)?;
        if work.state.taken_of(&self.path).iter().any(|name| !found.contains_key(name)) {
            // A mail that was given a flag while the folder was read may have been overlooked: gone is what is missing twice.
            for (name, path) in mails_of(&self.path)?.0 {
                found.entry(name).or_insert(path);
            }
            work.state.taken_of(&self.path).retain(|name| found.contains_key(name));
        }
        self.unquiet = false;
        let taken = work.state.taken_of(&self.path);
        let new: Vec<_> = found.into_iter().filter(|(name, _)| !taken.contains(name)).collect();
        let mut moved = false;
        for batch in new.chunks(BATCH) {
            let mut events: Vec<(&Path, Submitted)> = Vec::new();
            let mut names = Vec::new();
            for (name, path) in batch {
                // Moved or removed since it was listed: if it is there, it is found by its new name.
                let Ok(about) = std::fs::metadata(path) else { continue };
                if !is_maildir && about.modified().is_ok_and(|written| !quiet(written)) {
                    self.unquiet = true;
                    continue;
                }
                let read = if about.len() > MAIL_BYTES as u64 {
                    Err(format!("the mail has more than {MAIL_BYTES} bytes"))
                } else {
                    let Ok(mail) = std::fs::read(path) else { continue };
                    mails::events(&mail, &work.reading)
                };
                work.done.read += 1;
                names.push(name.clone());
                match read {
                    Ok(made) => events.extend(made.into_iter().map(|event| (path.as_path(), event))),
                    Err(reason) => work.refuse(path, 1, &reason),
                }
            }
            let (paths, events): (Vec<&Path>, Vec<Submitted>) = events.into_iter().unzip();
            let whole = self.path.as_path();
            work.take(&events, |at| (paths.get(at).copied().unwrap_or(whole), 1)).await?;
            if !names.is_empty() {
                moved = true;
                work.state.taken_of(&self.path).extend(names);
                work.state.settle()?;
            }
        }
        Ok(moved)
    }
}

/// The files of a log's folder and of those in it, into which it may be spread by day, by their names in it.
fn segments(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).map_err(|error| format!("{}: {error}", next.display()))? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(name) = path.strip_prefix(folder)
            {
                found.insert(name.to_string_lossy().into_owned(), path);
            }
        }
    }
    Ok(found)
}

/// The mails of a Maildir's `new` and `cur`, or of a folder of files, by names that stay when a mail moves; whether it is a Maildir.
fn mails_of(folder: &Path) -> Result<(BTreeMap<String, PathBuf>, bool), Failure> {
    let mut mails = BTreeMap::new();
    // A mail moves from `new` to `cur`: in this order it is seen at least once.
    let parts = [folder.join("new"), folder.join("cur")];
    let is_maildir = parts[0].is_dir();
    let folders: Vec<&Path> =
        if is_maildir { parts.iter().map(PathBuf::as_path).collect() } else { vec![folder] };
    for folder in folders {
        for entry in std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file())
            else {
                continue;
            };
            mails.insert(name.split(':').next().unwrap_or(name).to_owned(), path.clone());
        }
    }
    Ok((mails, is_maildir))
}
