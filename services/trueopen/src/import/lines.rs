//! Files of lines, read on from where the last import stopped, across rotation.
//!
//! A file is the one of its inode, whatever its name became: one that was rotated while nobody read is found beside its old
//! name and read to its end first. Whoever writes goes on in the old file until it is told of the new one, so the old is
//! left only once the new one has something in it, and is read once more then. A file that was cut to nothing, or replaced
//! in place, begins anew. One that is followed may come later.

use super::deliver::Deliverer;
use super::format::Reading;
use super::state::{Position, State};
use super::{Done, kumomta, powermta, refuse};
use crate::Failure;
use crate::cli::ImportFormat;
use aws_lc_rs::digest;
use engagement::Timestamp;
use engagement::delivery::Submitted;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Lines that are handed over together.
const BATCH: usize = 1000;
/// The most bytes of a line; a longer one is refused by number.
const LINE_BYTES: u64 = 256 * 1024;
/// The bytes by which a file is known.
const BEGINS: u64 = 256;

/// A path that is read.
pub(super) struct Follower {
    path: PathBuf,
    format: ImportFormat,
    input: Input,
    position: Position,
    /// The new file is written to, and the old one was read once more.
    last_look: bool,
}

enum Input {
    Stdin(BufReader<std::io::Stdin>),
    File(BufReader<File>),
    /// Not there yet; looked for at each pass when following.
    Missing,
}

impl Follower {
    pub(super) fn open(
        path: &Path,
        format: ImportFormat,
        state: &mut State,
        follow: bool,
    ) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let input = Input::Stdin(BufReader::new(std::io::stdin()));
            let position = Position::default();
            return Ok(Self { path: path.to_owned(), format, input, position, last_look: false });
        }
        let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let position = state.files.get(&path).cloned().unwrap_or_default();
        let mut follower = Self { path, format, input: Input::Missing, position, last_look: false };
        follower.find(follow)?;
        Ok(follower)
    }

    /// Opens the file that the position is of: under its own name, else beside it, else what has the name now, from its start.
    fn find(&mut self, follow: bool) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| format!("{}: {error}", self.path.display());
        if self.position.inode != 0 {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let beside = std::fs::read_dir(folder).map_err(wrong)?.flatten().map(|entry| entry.path());
            for candidate in std::iter::once(self.path.clone()).chain(beside) {
                let Ok(mut file) = File::open(&candidate) else { continue };
                let about = file.metadata().map_err(wrong)?;
                if about.is_file()
                    && about.ino() == self.position.inode
                    && about.len() >= self.position.offset
                    && begins(&mut file, self.position.begins_bytes).map_err(wrong)? == self.position.begins
                {
                    file.seek(SeekFrom::Start(self.position.offset)).map_err(wrong)?;
                    self.input = Input::File(BufReader::new(file));
                    return Ok(());
                }
            }
        }
        // `next_file` looks for it at each pass.
        if follow && !self.path.exists() { Ok(()) } else { self.begin() }
    }

    /// Opens what has the name now, from its start.
    fn begin(&mut self) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| format!("{}: {error}", self.path.display());
        let mut file = File::open(&self.path).map_err(wrong)?;
        let about = file.metadata().map_err(wrong)?;
        let begins_bytes = about.len().min(BEGINS);
        let begins = begins(&mut file, begins_bytes).map_err(wrong)?;
        file.seek(SeekFrom::Start(0)).map_err(wrong)?;
        self.position = Position { inode: about.ino(), begins, begins_bytes, ..Position::default() };
        self.input = Input::File(BufReader::new(file));
        Ok(())
    }

    /// Reads what is there; whether there was anything.
    pub(super) async fn pass(
        &mut self,
        reading: &Reading,
        state: &mut State,
        deliverer: &Deliverer,
        done: &mut Done,
        follow: bool,
    ) -> Result<bool, Failure> {
        let mut moved = false;
        loop {
            let (events, lines, ended) = self.batch(reading, state, done)?;
            moved |= lines > 0;
            let numbers: Vec<u64> = events.iter().map(|(number, _)| *number).collect();
            let events: Vec<Submitted> = events.into_iter().map(|(_, event)| event).collect();
            let (taken, rejected) = deliverer.deliver(&events).await?;
            done.events += taken;
            for rejected in rejected {
                let number = numbers.get(rejected.line.wrapping_sub(1)).copied().unwrap_or_default();
                refuse(done, &self.path, number, &rejected.error);
            }
            if lines > 0 && !matches!(self.input, Input::Stdin(_)) {
                state.files.insert(self.path.clone(), self.position.clone());
                state.save()?;
            }
            if ended && !self.next_file(follow, done)? {
                return Ok(moved);
            }
        }
    }

    /// The events of some lines with their numbers, how many lines there were, and whether the input ended.
    #[expect(clippy::type_complexity, reason = "used by one caller, which takes it apart")]
    fn batch(
        &mut self,
        reading: &Reading,
        state: &mut State,
        done: &mut Done,
    ) -> Result<(Vec<(u64, Submitted)>, usize, bool), Failure> {
        let mut events = Vec::new();
        let reference = self.reference();
        for lines in 0..BATCH {
            let Some(line) = self.line()? else { return Ok((events, lines, true)) };
            done.read += 1;
            let number = self.position.lines;
            let read = match line {
                Err(reason) => Err(reason),
                Ok(line) => match self.format {
                    ImportFormat::Postfix => state.postfix.line(&line, reading, reference),
                    ImportFormat::Kumomta => kumomta::line(&line, reading, &mut state.recent),
                    _ => powermta::line(&line, &mut self.position.columns, reading, &mut state.recent),
                },
            };
            match read {
                Ok(made) => events.extend(made.into_iter().map(|event| (number, event))),
                Err(reason) => refuse(done, &self.path, number, &reason),
            }
        }
        Ok((events, BATCH, false))
    }

    /// The next whole line; `None` where there is none yet. What stands after the last line break is left for later.
    fn line(&mut self) -> Result<Option<Result<String, String>>, Failure> {
        let mut bytes = Vec::new();
        let read = match &mut self.input {
            Input::Stdin(input) => input.take(LINE_BYTES).read_until(b'\n', &mut bytes),
            Input::File(input) => input.take(LINE_BYTES).read_until(b'\n', &mut bytes),
            Input::Missing => return Ok(None),
        };
        read.map_err(|error| format!("{}: {error}", self.path.display()))?;
        let whole = bytes.last() == Some(&b'\n');
        let too_long = bytes.len() as u64 == LINE_BYTES && !whole;
        if bytes.is_empty() || (!whole && !too_long && !matches!(self.input, Input::Stdin(_))) {
            if let Input::File(input) = &mut self.input {
                input.seek(SeekFrom::Start(self.position.offset))?;
            }
            return Ok(None);
        }
        self.position.offset += bytes.len() as u64;
        if too_long {
            self.skip_line()?;
        }
        self.position.lines += 1;
        if too_long {
            return Ok(Some(Err(format!("the line has more than {LINE_BYTES} bytes"))));
        }
        let text = String::from_utf8(bytes).map_err(|_| "the line is no UTF-8".to_owned());
        Ok(Some(text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned())))
    }

    /// Goes past the rest of a line that is too long.
    fn skip_line(&mut self) -> Result<(), Failure> {
        loop {
            let mut bytes = Vec::new();
            match &mut self.input {
                Input::Stdin(input) => input.take(LINE_BYTES).read_until(b'\n', &mut bytes)?,
                Input::File(input) => input.take(LINE_BYTES).read_until(b'\n', &mut bytes)?,
                Input::Missing => 0,
            };
            self.position.offset += bytes.len() as u64;
            if bytes.is_empty() || bytes.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }

    /// At the end of a file: whether another has its name by now, which is opened, or it was cut and begins anew.
    fn next_file(&mut self, follow: bool, done: &mut Done) -> Result<bool, Failure> {
        if matches!(self.input, Input::Stdin(_)) {
            return Ok(false);
        }
        let Ok(now) = std::fs::metadata(&self.path) else {
            // Between two files, where they are rotated.
            return if follow { Ok(false) } else { Err(format!("{}: is gone", self.path.display()).into()) };
        };
        if now.ino() == self.position.inode && now.len() >= self.position.offset {
            return Ok(false);
        }
        if let Input::File(old) = &self.input
            && now.ino() != self.position.inode
        {
            if now.len() == 0 {
                return Ok(false);
            }
            if !self.last_look {
                self.last_look = true;
                return Ok(true);
            }
            let left = old.get_ref().metadata().map_or(0, |about| about.len()) > self.position.offset;
            if left {
                refuse(
                    done,
                    &self.path,
                    self.position.lines + 1,
                    "the file was left in the middle of this line",
                );
            }
        }
        self.last_look = false;
        self.begin()?;
        Ok(true)
    }

    /// What times without a year are told by: when the file was written last.
    fn reference(&self) -> Timestamp {
        let written = match &self.input {
            Input::File(input) => input.get_ref().metadata().and_then(|about| about.modified()).ok(),
            _ => None,
        };
        Timestamp::from_clock(written.unwrap_or_else(SystemTime::now))
    }
}

/// A hash of a file's first bytes.
fn begins(file: &mut File, bytes: u64) -> std::io::Result<String> {
    let mut first = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file).take(bytes).read_to_end(&mut first)?;
    let hash = digest::digest(&digest::SHA256, &first);
    Ok(hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}
