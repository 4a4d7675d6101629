//! Reads what lies in a journal's folder without opening the journal: another process may hold and write it meanwhile.
//!
//! Nothing is changed on disk. What is seen may be a little more than what is synced, and a segment that retention drops
//! under way is stepped over. A record that is being written ends the look; places that can't be read are counted.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use crate::frame::{self, Header, SEGMENT_HEADER};
use crate::reader::Entry;
use crate::scan::{Found, Scanner};
use crate::shared::{parse_path, path};
use crate::storage::{Disk, Storage as _};

const CHUNK: usize = 1 << 20;

/// Every record of a journal's folder, oldest first.
pub struct Look {
    disk: Disk,
    bases: VecDeque<u64>,
    /// The segment that is read now, and where it ended when it was opened.
    current: Option<(Scanner, u64)>,
    skipped: u64,
}

impl Look {
    /// At the oldest record that lies in a folder now.
    ///
    /// # Errors
    /// When the folder can't be listed, such as when it does not exist.
    pub fn at(dir: &Path) -> io::Result<Look> {
        let disk = Disk::new(dir);
        let mut bases: Vec<u64> = disk.list("")?.iter().filter_map(|name| parse_path(name)).collect();
        bases.sort_unstable();
        Ok(Look { disk, bases: bases.into(), current: None, skipped: 0 })
    }

    /// Places so far that could not be read: damage, and what a newer program wrote.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Goes to the next segment; `false` when there is none.
    fn enter(&mut self) -> io::Result<bool> {
        let Some(base) = self.bases.pop_front() else { return Ok(false) };
        let file = match self.disk.open_to_read(&path(base)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file?,
        };
        let mut header = [0; SEGMENT_HEADER];
        let count = file.read_at(&mut header, 0)?;
        if matches!(frame::parse_header(&header[..count], base), Header::Newer) {
            self.skipped += 1;
            return Ok(true);
        }
        let limit = file.length()?;
        self.current = Some((Scanner::new(file, base), limit));
        Ok(true)
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let Some((scanner, limit)) = &mut self.current else {
                if self.enter()? {
                    continue;
                }
                return Ok(None);
            };
            match scanner.next(*limit, CHUNK)? {
                Found::Frame { frame, payload } => {
                    let (sequence, appended_ms) = (frame.sequence, frame.appended_ms);
                    return Ok(Some(Entry { sequence, appended_ms, payload }));
                }
                Found::Unknown { .. } | Found::Damaged { followed: true, .. } => self.skipped += 1,
                // Torn, or being written now; behind the last segment nothing can follow it.
                Found::Damaged { followed: false, .. } => {
                    self.skipped += u64::from(!self.bases.is_empty());
                    self.current = None;
                }
                Found::End => self.current = None,
            }
        }
    }
}

impl Iterator for Look {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Journal};
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt as _;

    #[tokio::test]
    async fn everything_is_seen_beside_the_one_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { segment_bytes: 400, ..Config::new("look", dir.path()) };
        let (journal, _) = Journal::open(config).unwrap();
        for number in 0..30_u8 {
            journal.append(vec![number; 50]).await.unwrap();
        }
        let seen = |look: &mut Look| -> Vec<u8> { look.map(|entry| entry.unwrap().payload[0]).collect() };
        let mut look = Look::at(dir.path()).unwrap();
        assert_eq!(seen(&mut look), (0..30).collect::<Vec<_>>());
        assert_eq!(look.skipped(), 0);

        // Damage in an old segment is stepped over and counted; a tail that is being written ends the look.
        let mut names = Disk::new(dir.path()).list("").unwrap();
        names.retain(|name| parse_path(name).is_some());
        names.sort();
        assert!(names.len() > 3, "{names:?}");
        let open = |name: &String| OpenOptions::new().write(true).open(dir.path().join(name)).unwrap();
        open(&names[1]).write_all_at(b"????", SEGMENT_HEADER as u64 + 20).unwrap();
        let last = open(names.last().unwrap());
        let end = last.metadata().unwrap().len();
        last.write_all_at(b"\xF7jrn half a frame", end).unwrap();
        let mut look = Look::at(dir.path()).unwrap();
        assert_eq!(seen(&mut look).len(), 29);
        assert_eq!(look.skipped(), 1);
        last.set_len(end).unwrap();
        journal.close().await;
        assert!(Look::at(&dir.path().join("nowhere")).is_err());
    }
}
