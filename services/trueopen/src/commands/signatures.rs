//! `trueopen signatures`: the data sets and signature files that are in use, and their refreshing.

use super::signature_files;
use crate::cli::{SignaturesCommand, SignaturesUpdateArgs};
use crate::settings::Settings;
use crate::signatures::{self, Folder, Given};
use crate::{Failure, output};
use classifier::data::{CATALOGUE, DataSet, Name};
use engagement::Timestamp;
use std::path::PathBuf;
use std::time::SystemTime;

pub(crate) async fn signatures(settings: &Settings, command: SignaturesCommand) -> Result<(), Failure> {
    match command {
        SignaturesCommand::List => list(settings),
        SignaturesCommand::Check(args) => signature_files::check(settings, &args),
        SignaturesCommand::Update(args) => update(settings, &args).await,
    }
}

/// One line a data set (name, date and age, rows, where from, licence), then one a signature file.
fn list(settings: &Settings) -> Result<(), Failure> {
    let data = signatures::data(settings)?;
    let now = Timestamp::from_clock(SystemTime::now());
    output::line(&format!(
        "{:<30} {:<10} {:>9} {:>8}  {}",
        "data set", "date", "age", "rows", "from; licence"
    ));
    for entry in CATALOGUE {
        let line = match data.get(entry.name) {
            Some(set) => {
                let about = set.about();
                let age =
                    age(&about.date, now).map_or_else(|| "unknown".to_owned(), |days| format!("{days} days"));
                let (from, licence) = (origin(&about.from, entry.urls), entry.licence);
                format!("{:<30} {:<10} {age:>9} {:>8}  {from}; {licence}", entry.name, about.date, about.rows)
            }
            None => {
                let place = if entry.urls.is_empty() {
                    "from a file alone"
                } else {
                    "`signatures update` fetches it"
                };
                format!(
                    "{:<30} {:<10} {:>9} {:>8}  not at hand, {place}; {}",
                    entry.name, "-", "-", "-", entry.licence
                )
            }
        };
        output::line(&line);
    }
    let ruleset = settings.ruleset()?;
    output::line("");
    signature_files::list(settings, &ruleset)?;
    output::line(&format!("ruleset {}", ruleset.version()));
    Ok(())
}

/// Where a data set came from; where that was a file or this program, whose it is beside it.
fn origin(from: &str, urls: &[&str]) -> String {
    match urls.first() {
        Some(owner) if !from.contains("://") => format!("{from}, of {owner}"),
        _ => from.to_owned(),
    }
}

/// Whole days between a day and now.
fn age(date: &str, now: Timestamp) -> Option<i64> {
    Some(signatures::age_ms(date, now)? / 86_400_000)
}

/// Takes data sets into use, one after the other: one that is refused leaves the last good one and the others alone, and
/// makes the command fail.
async fn update(settings: &Settings, args: &SignaturesUpdateArgs) -> Result<(), Failure> {
    let folder = args.to.as_deref().map_or_else(|| Folder::of(settings), Folder::at);
    let date = args.date.clone().unwrap_or_else(signatures::today);
    let mut refused = 0;
    let mut tell = |name: Name, installed: Result<DataSet, Failure>| match installed {
        Ok(set) => {
            let (about, bytes) = (set.about(), set.heap_bytes());
            let (rows, day) = (about.rows, &about.date);
            output::line(&format!("{name}: {rows} rows of {day} installed, {bytes} bytes in memory"));
        }
        Err(error) => {
            refused += 1;
            output::error(&format!("{name}: refused, the last good one stays: {error}"));
        }
    };
    if args.from.is_empty() {
        let published = |name: &Name| !settings.signatures.urls(*name).is_empty();
        let all = || CATALOGUE.iter().map(|entry| entry.name).filter(published).collect();
        let names: Vec<Name> = if args.names.is_empty() { all() } else { args.names.clone() };
        for name in names {
            tell(name, signatures::update(settings, name, &folder).await);
        }
    } else {
        for (name, paths) in given(args)? {
            let read = signatures::read_files(name, &Given::Parts(&paths), &date).map_err(Failure::from);
            tell(name, read.and_then(|set| signatures::install(&folder, &set).map(|()| set)));
        }
    }
    if refused == 0 { Ok(()) } else { Err(format!("{refused} data sets were refused").into()) }
}

/// Which data sets come from which files.
fn given(args: &SignaturesUpdateArgs) -> Result<Vec<(Name, Vec<PathBuf>)>, Failure> {
    let folder = match args.from.as_slice() {
        [folder] if folder.is_dir() => folder,
        files => {
            let [name] = args.names.as_slice() else {
                return Err("files are of one data set: say its name".into());
            };
            return Ok(vec![(*name, files.to_vec())]);
        }
    };
    let asked = |name: &Name| args.names.is_empty() || args.names.contains(name);
    let names = CATALOGUE.iter().map(|entry| entry.name).filter(asked);
    let found: Vec<(Name, Vec<PathBuf>)> =
        names.filter_map(|name| Some((name, signatures::find(folder, name)?))).collect();
    if found.is_empty() {
        return Err(format!("{} holds no file that is named like a data set", folder.display()).into());
    }
    Ok(found)
}
