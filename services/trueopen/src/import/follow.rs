//! Files of lines or mails, read on from where the last import stopped, across rotation.
//!
//! A file is the one of its inode, or of its content where it was copied, whatever its name became: one that was rotated while nobody
//! read is found beside its old name and read to its end first. Whoever writes goes on in the old file until it is told of the
//! new one, so the old is left only once the new one has something in it, and is read once more then. A file that was cut to
//! nothing, or replaced in place, begins anew. One that is followed may come later.

use super::cut::{Cutter, Unit};
use super::input::{Brought, Input};
use super::state::{Memory, Position};
use super::{Work, kumomta, mails, powermta};
use crate::Failure;
use crate::cli::ImportFormat;
use engagement::Timestamp;
use engagement::delivery::Submitted;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Lines or mails that are handed over together.
const BATCH: usize = 1000;
/// How long nothing was written to a file before its last mail counts as whole.
pub(super) const QUIET: Duration = Duration::from_secs(3);
/// How long an import that does not follow waits for that.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A path that is read.
pub(super) struct Follower {
    path: PathBuf,
    input: Input,
    cutter: Cutter,
    position: Position,
    /// What standard input remembers: read again it makes the same ids, since no position of it is kept.
    own: Option<Memory>,
    /// The new file is written to, and the old one was read once more.
    last_look: bool,
    /// Since when the last mail is waited for.
    waits: Option<Instant>,
    /// A log's segment, which no other follows under its name.
    segment: bool,
    ended: bool,
}

impl Follower {
    /// A path, or `-`.
    pub(super) fn open(path: &Path, work: &Work) -> Result<Self, Failure> {
        let mut follower = Self {
            path: path.to_owned(),
            input: Input::Missing,
            cutter: cutter(work.format, None),
            position: Position::default(),
            own: None,
            last_look: false,
            waits: None,
            segment: false,
            ended: false,
        };
        if path == Path::new("-") {
            follower.input = Input::stdin();
            follower.own = Some(Memory::default());
            return Ok(follower);
        }
        follower.path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
        follower.find(work)?;
        Ok(follower)
    }

    /// A segment of a log.
    pub(super) fn segment(path: &Path, work: &Work) -> Result<Self, Failure> {
        let mut follower = Self::open(path, work)?;
        follower.segment = true;
        Ok(follower)
    }

    /// Opens the file that the position is of: under its own name, else beside it, else what has the name now.
    fn find(&mut self, work: &Work) -> Result<(), Failure> {
        let known = work.state.files.get(&self.path);
        if let Some(known) = known {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let beside = std::fs::read_dir(folder).map_err(|error| self.wrong(&error))?;
            let beside = beside.flatten().map(|entry| entry.path());
            let mut copy = None;
            for candidate in std::iter::once(self.path.clone()).chain(beside) {
                // A pipe would be waited for.
                let Ok(about) = std::fs::metadata(&candidate) else { continue };
                let Some(file) = about.is_file().then(|| File::open(&candidate).ok()).flatten() else {
                    continue;
                };
                if known.is_in(&file).map_err(|error| self.wrong(&error))? {
                    if about.ino() == known.inode {
                        return self.start(file, work);
                    }
                    copy = copy.or(Some(file));
                }
            }
            if let Some(copy) = copy {
                return self.start(copy, work);
            }
        }
        // `next_file` looks for it at each pass.
        if work.follow && !self.path.exists() { Ok(()) } else { self.begin(work) }
    }

    /// Opens what has the name now.
    fn begin(&mut self, work: &Work) -> Result<(), Failure> {
        let file = File::open(&self.path).map_err(|error| self.wrong(&error))?;
        self.start(file, work)
    }

    /// Reads a file from where it was read to under any path, else from its start.
    fn start(&mut self, file: File, work: &Work) -> Result<(), Failure> {
        let opened = (|| -> std::io::Result<Input> {
            self.position = match work.state.furthest(&file)? {
                Some(mut known) => {
                    // Another's, where this is a copy.
                    known.inode = file.metadata()?.ino();
                    known
                }
                None => Position::start(&file)?,
            };
            let mut head = [0; 64];
            let head_bytes = file.read_at(&mut head, 0)?;
            let head = (self.position.offset > 0).then_some(&head[..head_bytes]);
            self.cutter = cutter(work.format, head);
            Input::open(file, self.position.offset, self.cutter.room())
        })();
        self.input = opened.map_err(|error| self.wrong(&error))?;
        self.waits = None;
        Ok(())
    }

    /// Reads what is there; whether there was anything.
    pub(super) async fn pass(&mut self, work: &mut Work) -> Result<bool, Failure> {
        self.catch_up(work)?;
        let mut moved = false;
        loop {
            let (events, units, at_end) = self.batch(work).await?;
            moved |= units > 0;
            let (numbers, events): (Vec<u64>, Vec<Submitted>) = events.into_iter().unzip();
            let path = self.path.clone();
            work.take(&events, |at| (path.as_path(), numbers.get(at).copied().unwrap_or_default())).await?;
            if units > 0
                && let Some(file) = self.input.file()
            {
                self.position.know(file).map_err(|error| self.wrong(&error))?;
                work.state.files.insert(self.path.clone(), self.position.clone());
                work.state.settle()?;
            }
            if at_end && !self.next_file(work)? {
                return Ok(moved);
            }
        }
    }

    /// Goes on where another path of the same file was read further: the old log and the new one, both named.
    fn catch_up(&mut self, work: &Work) -> Result<(), Failure> {
        let further =
            |known: &Position| known.inode == self.position.inode && known.offset > self.position.offset;
        if self.input.file().is_some()
            && work.state.positions().any(further)
            && let Some(file) = self.input.file().and_then(|file| file.try_clone().ok())
            && let Some(known) = work.state.furthest(&file).map_err(|error| self.wrong(&error))?
            && known.offset > self.position.offset
        {
            self.start(file, work)?;
        }
        Ok(())
    }

    /// The events of some lines or mails with their numbers, how many there were, and whether the input ended.
    async fn batch(&mut self, work: &mut Work) -> Result<(Vec<(u64, Submitted)>, usize, bool), Failure> {
        let mut events = Vec::new();
        // What times without a year are told by: when the file was written last.
        let reference = Timestamp::from_clock(self.input.written().unwrap_or_else(SystemTime::now));
        for units in 0..BATCH {
            let Some(unit) = self.unit(work).await? else { return Ok((events, units, true)) };
            if self.own.is_none() {
                work.state.moves();
            }
            self.position.offset += unit.length;
            self.position.units += 1;
            work.done.read += 1;
            let number = self.position.units;
            let memory = self.own.as_mut().unwrap_or(&mut work.state.memory);
            let read = unit.content.and_then(|bytes| match work.format {
                ImportFormat::Mail => mails::events(&bytes, &work.reading),
                format => {
                    let line = String::from_utf8(bytes).map_err(|_| "the line is no UTF-8".to_owned())?;
                    let line = line.trim_end_matches(['\n', '\r']);
                    match format {
                        ImportFormat::Postfix => memory.postfix.line(line, &work.reading, reference),
                        ImportFormat::Kumomta => kumomta::line(line, &work.reading),
                        _ => powermta::line(
                            line,
                            &mut self.position.columns,
                            &work.reading,
                            &mut memory.recent,
                        ),
                    }
                }
            });
            match read {
                Ok(made) => events.extend(made.into_iter().map(|event| (number, event))),
                Err(reason) => work.refuse(&self.path, number, &reason),
            }
        }
        Ok((events, BATCH, false))
    }

    /// The next line or mail that is whole; `None` where there is none yet.
    async fn unit(&mut self, work: &mut Work) -> Result<Option<Unit>, Failure> {
        loop {
            if let Some(unit) = self.cutter.next() {
                self.waits = None;
                return Ok(Some(unit));
            }
            match self.input.read(self.cutter.room()).await {
                Ok(Brought::More) => {}
                Ok(Brought::Ended) => {
                    self.ended = true;
                    return Ok(self.cutter.last());
                }
                Ok(Brought::NothingYet) if self.last_is_whole(work.format) => return Ok(self.cutter.last()),
                Ok(Brought::NothingYet) => return Ok(None),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    let reason = format!("the rest can't be decompressed: {error}");
                    work.refuse(&self.path, self.position.units + 1, &reason);
                    self.input.give_up();
                }
                Err(error) => return Err(self.wrong(&error).into()),
            }
        }
    }

    /// Whether what is left is a mail that nobody goes on writing.
    fn last_is_whole(&mut self, format: ImportFormat) -> bool {
        if format != ImportFormat::Mail || !self.cutter.has_rest() {
            self.waits = None;
            return false;
        }
        self.waits.get_or_insert_with(Instant::now);
        self.last_look || self.input.written().is_some_and(quiet)
    }

    /// At the end of a file: whether another has its name by now, which is opened, or it was cut and begins anew.
    fn next_file(&mut self, work: &mut Work) -> Result<bool, Failure> {
        if self.segment || matches!(self.input, Input::Stdin(_)) {
            return Ok(false);
        }
        let Ok(now) = std::fs::metadata(&self.path) else {
            // Between two files, where they are rotated.
            return if work.follow {
                Ok(false)
            } else {
                Err(format!("{}: is gone", self.path.display()).into())
            };
        };
        if now.ino() == self.position.inode {
            let read = self.position.offset + self.cutter.pending() as u64;
            if now.len() >= read || !matches!(self.input, Input::Plain(_)) {
                return Ok(false);
            }
            // Cut: a copy that was made before, as logrotate's copytruncate does, is read to its end first.
            self.find(work)?;
            return Ok(true);
        }
        if self.input.file().is_some() {
            if now.len() == 0 {
                return Ok(false);
            }
            if !self.last_look {
                self.last_look = true;
                return Ok(true);
            }
            if self.cutter.has_rest() {
                let reason = "the file was left in the middle of this line";
                work.refuse(&self.path, self.position.units + 1, reason);
            }
        }
        self.last_look = false;
        work.state.leave(self.position.clone());
        self.begin(work)?;
        Ok(true)
    }

    /// Whether there is nothing to wait for but what may be added.
    pub(super) fn is_done(&self, follow: bool) -> bool {
        match self.input {
            Input::Stdin(_) => self.ended,
            _ => !follow && self.waits.is_none_or(|since| since.elapsed() > PATIENCE),
        }
    }

    /// Whether its last mail is not whole yet, as far as one can see.
    pub(super) const fn is_waited_for(&self) -> bool {
        self.waits.is_some()
    }

    /// Whether a segment is left by who wrote it.
    pub(super) fn is_closed(&self) -> bool {
        self.input.is_closed()
    }

    /// Whether it can't be decompressed to its end.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.input, Input::Broken(_))
    }

    /// Refuses what a segment ends with, where it is no whole line.
    pub(super) fn close(&self, work: &mut Work) {
        if self.cutter.has_rest() {
            let reason = "the segment ends in the middle of this record";
            work.refuse(&self.path, self.position.units + 1, reason);
        }
    }

    fn wrong(&self, error: &std::io::Error) -> String {
        format!("{}: {error}", self.path.display())
    }
}

/// Whether nothing was written for a while; a time to come is another machine's clock.
pub(super) fn quiet(written: SystemTime) -> bool {
    written.elapsed().map_or(true, |since| since >= QUIET)
}

fn cutter(format: ImportFormat, head: Option<&[u8]>) -> Cutter {
    if format == ImportFormat::Mail { Cutter::mails(head) } else { Cutter::lines() }
}
