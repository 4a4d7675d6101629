//! `trueopen import`: delivery events out of what mail servers write, handed to the API.
//!
//! Invariants: an event's id is a hash of what it was made of, so reading something again changes nothing; a position is
//! written after the API took everything before it, so a stop costs repeats and never events; a line that can't be read is
//! reported by number and reason and stops no other; the last line or mail counts once it is whole.

mod cut;
mod deliver;
mod folder;
mod follow;
mod format;
mod input;
mod kumomta;
mod mails;
mod postfix;
mod powermta;
mod stamp;
mod state;

use crate::cli::{ImportArgs, ImportFormat};
use crate::settings::Settings;
use crate::{Failure, output};
use deliver::Deliverer;
use engagement::delivery::Submitted;
use folder::Folder;
use follow::Follower;
use format::Reading;
use state::State;
use std::path::Path;
use std::time::Duration;

/// How often what is followed is looked at.
const POLL: Duration = Duration::from_millis(500);
/// Bad lines that are printed; all are counted.
const SHOWN: u64 = 100;

/// What an import did.
#[derive(Default)]
struct Done {
    read: u64,
    events: u64,
    bad: u64,
}

/// What all that is read shares.
struct Work {
    format: ImportFormat,
    follow: bool,
    reading: Reading,
    deliverer: Deliverer,
    state: State,
    done: Done,
}

/// What was named to be read.
enum Source {
    File(Box<Follower>),
    Folder(Folder),
}

/// Reads the files, once or for ever.
pub(crate) async fn import(settings: &Settings, args: ImportArgs) -> Result<(), Failure> {
    let path = args.state.clone().unwrap_or_else(|| {
        settings.data_dir.join("import").join(format!("{}-{}.json", args.account, args.format.as_str()))
    });
    let mut work = Work {
        format: args.format,
        follow: args.follow,
        reading: Reading::new(&args)?,
        deliverer: Deliverer::new(settings, &args)?,
        state: State::load(&path)?,
        done: Done::default(),
    };
    let mut sources = Vec::new();
    for path in &args.files {
        sources.push(if path.is_dir() {
            Source::Folder(Folder::open(path, args.format)?)
        } else {
            Source::File(Box::new(Follower::open(path, &work)?))
        });
    }
    // A stop may come while the API is away and being waited for: what was not taken is read again next time.
    let stop = runtime::lifecycle::stop_signal()?;
    let ended = tokio::select! {
        ended = read(&mut sources, &mut work) => ended,
        () = stop => Ok(()),
    };
    work.state.write()?;
    ended?;
    let Done { read, events, bad } = work.done;
    let of = if args.format == ImportFormat::Mail { "mails" } else { "lines" };
    output::line(&format!("{read} {of} read, {events} delivery events taken, {bad} {of} refused"));
    if sources.iter().any(|source| matches!(source, Source::File(file) if file.is_waited_for())) {
        output::line("a last mail is still being written, and left for the next time");
    }
    if bad > 0 { Err(format!("{bad} {of} could not be taken").into()) } else { Ok(()) }
}

async fn read(sources: &mut [Source], work: &mut Work) -> Result<(), Failure> {
    loop {
        let (mut moved, mut done) = (false, true);
        for source in &mut *sources {
            match source {
                Source::File(file) => {
                    moved |= file.pass(work).await?;
                    done &= file.is_done(work.follow);
                }
                Source::Folder(folder) => {
                    moved |= folder.pass(work).await?;
                    done &= folder.is_done(work.follow);
                }
            }
        }
        if done {
            return Ok(());
        }
        if !moved {
            work.state.write()?;
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Work {
    /// Hands events to the API; `place` is where the one at an index comes from.
    async fn take<'a>(
        &mut self,
        events: &[Submitted],
        place: impl Fn(usize) -> (&'a Path, u64),
    ) -> Result<(), Failure> {
        let (taken, rejected) = self.deliverer.deliver(events).await?;
        self.done.events += taken;
        for rejected in rejected {
            let (path, number) = place(rejected.line.wrapping_sub(1));
            self.refuse(path, number, &rejected.error);
        }
        Ok(())
    }

    /// Says what is wrong with a line or a mail, without its content.
    fn refuse(&mut self, path: &Path, number: u64, reason: &str) {
        self.done.bad += 1;
        if self.done.bad <= SHOWN {
            output::error(&format!("{}:{number}: {reason}", path.display()));
        }
    }
}
