//! The signature files in `trueopen signatures`: which are in use, and whether an operator's own can be taken into use.

use crate::cli::SignaturesCheckArgs;
use crate::settings::Settings;
use crate::signatures;
use crate::signatures::own::{self, OwnError, OwnFile};
use crate::{Failure, output};
use classifier::{FileContents, Ruleset};
use std::collections::BTreeSet;

/// One line a file: name, newest date, entries, where from.
pub(super) fn list(settings: &Settings, ruleset: &Ruleset) -> Result<(), Failure> {
    let paths = own::paths(settings)?;
    output::line(&format!(
        "{:<30} {:<10} {:>9} {:>8}  {}",
        "signature file", "date", "patterns", "networks", "from"
    ));
    for FileContents { name, patterns, networks, newest } in ruleset.files() {
        let path = paths.iter().find(|path| path.ends_with(name));
        let from = path.map(|path| format!("{}, {}", path.display(), role(name)));
        let (date, from) = (newest.as_deref().unwrap_or("-"), from.as_deref().unwrap_or("shipped"));
        output::line(&format!("{name:<30} {date:<10} {patterns:>9} {networks:>8}  {from}"));
    }
    Ok(())
}

/// Reads files as they would be read beside those that are in place, says what each holds or why it is refused, and puts
/// them in place where that is asked for and none is refused.
pub(super) fn check(settings: &Settings, args: &SignaturesCheckArgs) -> Result<(), Failure> {
    let mut refused = 0;
    let mut refuse = |error: &dyn std::fmt::Display| {
        refused += 1;
        output::error(&error.to_string());
    };
    let mut given = Vec::new();
    for path in &args.files {
        match OwnFile::read(path) {
            Ok(file) => given.push(file),
            Err(error) => refuse(&error),
        }
    }
    let names: BTreeSet<String> = given.iter().map(|file| file.name().to_owned()).collect();
    if names.len() < given.len() {
        return Err("two of the files have the same name".into());
    }
    // What is in place under the same name goes when the new one comes, and may be what it mends.
    let stays =
        own::paths(settings)?.into_iter().filter(|path| !names.iter().any(|name| path.ends_with(name)));
    let stay: Vec<OwnFile> = stays.map(|path| OwnFile::read(&path)).collect::<Result<_, _>>()?;
    let data = signatures::data(settings)?;
    // One after the other is taken out that is refused, so that each is told its own error.
    let ruleset = loop {
        // Of two with the same pattern the later one is refused: a given one, not what is in place.
        let all = [stay.clone(), given.clone()].concat();
        match own::ruleset_of(&all, data.clone()) {
            Ok(ruleset) => break ruleset,
            Err(OwnError::Content(error)) => {
                let is_it = |file: &OwnFile| file.path().display().to_string() == error.file;
                let place = given.iter().position(is_it);
                let Some(place) = place else { return Err(error.into()) };
                given.remove(place);
                refuse(&error);
            }
            Err(error) => return Err(error.into()),
        }
    };
    for file in &given {
        let held = ruleset.files().iter().find(|held| held.name == file.name());
        let FileContents { name, patterns, networks, newest } = held.ok_or("the file was not read")?;
        let newest = newest.as_deref().map(|date| format!(", the newest of {date}")).unwrap_or_default();
        let role = role(name);
        output::line(&format!("{name}: {patterns} agent patterns, {networks} networks{newest}; {role}"));
    }
    if refused > 0 {
        return Err(format!("{refused} signature files were refused").into());
    }
    if args.apply {
        for file in &given {
            file.install(settings)?;
        }
        output::line("in place: a running system takes them into use within seconds");
    }
    Ok(())
}

/// What an operator's file of this name is to the shipped ones.
fn role(name: &str) -> &'static str {
    if own::is_shipped(name) { "in place of the shipped one" } else { "beside the shipped ones" }
}
