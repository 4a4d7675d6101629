//! `trueopen import`: delivery events out of what mail servers write, handed to the API.
//!
//! Invariants: an event's id is a hash of what it was made of, so reading something again changes nothing; a position is
//! written after the API took everything before it, so a stop costs repeats and never events; a line that can't be read is
//! reported by number and reason and stops no other; the last line counts once it is whole.

mod deliver;
mod format;
mod kumomta;
mod lines;
mod mails;
mod postfix;
mod powermta;
mod stamp;
mod state;

use crate::cli::{ImportArgs, ImportFormat};
use crate::settings::Settings;
use crate::{Failure, output};
use deliver::Deliverer;
use format::Reading;
use state::State;
use std::path::Path;
use std::time::Duration;

/// How often a file that is followed is looked at.
const POLL: Duration = Duration::from_millis(500);
/// Bad lines that are printed of each file; all are counted.
const SHOWN: u64 = 100;

/// What an import did.
#[derive(Default)]
struct Done {
    read: u64,
    events: u64,
    bad: u64,
}

/// Reads the files, once or for ever.
pub(crate) async fn import(settings: &Settings, args: ImportArgs) -> Result<(), Failure> {
    let path = args.state.clone().unwrap_or_else(|| {
        settings.data_dir.join("import").join(format!("{}-{}.json", args.account, args.format.as_str()))
    });
    let mut state = State::load(&path)?;
    let deliverer = Deliverer::new(settings, &args)?;
    let reading = Reading::new(&args)?;
    let mut done = Done::default();
    if args.format == ImportFormat::Mail {
        mails::import(&args, &reading, &mut state, &deliverer, &mut done).await?;
    } else {
        let mut files = Vec::new();
        for file in &args.files {
            files.push(lines::Follower::open(file, args.format, &mut state, args.follow)?);
        }
        let work = async {
            loop {
                let mut moved = false;
                for file in &mut files {
                    moved |= file.pass(&reading, &mut state, &deliverer, &mut done, args.follow).await?;
                }
                if !args.follow {
                    return Ok::<(), Failure>(());
                }
                if !moved {
                    tokio::time::sleep(POLL).await;
                }
            }
        };
        // A stop may come while the API is away and being waited for: what was not taken is read again next time.
        let stop = runtime::lifecycle::stop_signal()?;
        tokio::select! {
            ended = work => ended?,
            () = stop => {}
        }
    }
    let Done { read, events, bad } = done;
    let of = if args.format == ImportFormat::Mail { "mails" } else { "lines" };
    output::line(&format!("{read} {of} read, {events} delivery events taken, {bad} {of} refused"));
    if bad > 0 { Err(format!("{bad} {of} could not be taken").into()) } else { Ok(()) }
}

/// Says what is wrong with a line or a mail, without its content.
fn refuse(done: &mut Done, file: &Path, number: u64, reason: &str) {
    done.bad += 1;
    if done.bad <= SHOWN {
        output::error(&format!("{}:{number}: {reason}", file.display()));
    }
}
