//! How often the verdict is wrong: the labelled corpus of `tests/corpus`, judged, counted, and held against what the README says.
//!
//! `make truth` prints it. `UPDATE_CORPUS=1` writes the scenarios anew from their seed, `UPDATE_TRUTH=1` the tables.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod across;
mod figures;
mod machines;
mod people;
mod random;
mod row;
mod tables;

use classifier::Ruleset;
use classifier::data::{Data, DataSet, Name, Part, Shape};
use row::Row;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    let path = workspace(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the program ships with, and the rows of the database of systems around the corpus' addresses.
fn ruleset() -> Ruleset {
    let mut data = Data::shipped();
    let text = read("tests/corpus/asn.csv");
    let part = Part { shape: Shape::Systems, bytes: text.as_bytes() };
    data.put(Arc::new(DataSet::read(Name::Asn, &[part], "tests/corpus/asn.csv", "2026-06-17").unwrap()));
    Ruleset::with(data)
}

fn scenarios() -> Vec<Row> {
    let mut rows = Vec::new();
    people::all(&mut rows);
    machines::all(&mut rows);
    across::all(&mut rows);
    row::hold_out(&mut rows);
    rows
}

fn observed() -> Vec<Row> {
    let text = read("tests/corpus/observed.ndjson");
    let line = |(number, line): (usize, &str)| -> Row {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("observed.ndjson:{}: {error}", number + 1))
    };
    text.lines().enumerate().map(line).collect()
}

/// The rows as the program's own command takes them.
fn ndjson(rows: &[Row]) -> String {
    rows.iter().map(|row| serde_json::to_string(row).unwrap() + "\n").collect()
}

#[test]
fn the_scenarios_are_what_their_seed_makes() {
    let made = ndjson(&scenarios());
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::write(workspace("tests/corpus/scenarios.ndjson"), &made).unwrap();
    }
    assert!(read("tests/corpus/scenarios.ndjson") == made, "write them anew: UPDATE_CORPUS=1 make truth");
}

/// The signatures, the rules and the policy, without their spaces.
fn deciding_texts() -> Vec<(String, String)> {
    let folders = ["signatures", "src", "src/neighbours", "src/rules", "src/window", "src/window/rules"];
    let files = folders.into_iter().flat_map(|folder| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
    });
    let texts = files.filter(|path| path.extension().is_some_and(|kind| kind == "toml" || kind == "rs"));
    let squeezed = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.display().to_string(), text.split_whitespace().collect())
    };
    texts.chain([workspace("services/classifier/policy.toml")]).map(squeezed).collect()
}

#[test]
fn every_row_has_a_label_a_source_and_an_id_of_its_own() {
    let rows: Vec<Row> = observed().into_iter().chain(scenarios()).collect();
    let mut ids = BTreeSet::new();
    for row in &rows {
        assert!(ids.insert(row.event_id.clone()), "{} is there twice", row.event_id);
        let label = &row.label;
        assert!(["human", "automated"].contains(&label.actor.as_str()), "{}", row.event_id);
        assert!(!label.origin.trim().is_empty() && !label.why.trim().is_empty(), "{}", row.event_id);
        let source = engagement::sources::find(&label.source);
        assert!(source.is_some(), "{}: no source is called {}", row.event_id, label.source);
        // A message tells one story: its rows are held out together, or not.
        assert!(!row.message_id.contains(' '), "{}", row.event_id);
    }
    let human = rows.iter().filter(|row| row.label.actor == "human").count();
    assert!(human >= 1000, "{human} human hits");
    let origins = |held_out: bool| -> BTreeSet<&str> {
        rows.iter()
            .filter(|row| row.label.held_out == held_out)
            .map(|row| row.label.origin.as_str())
            .collect()
    };
    let (tuned, held_out) = (origins(false), origins(true));
    assert!(tuned.is_disjoint(&held_out), "a source is for tuning or for measuring");
    let deciding = deciding_texts();
    for origin in &held_out {
        let cited = match origin.split_once('#') {
            Some((repository, number)) => {
                let name = repository.rsplit('/').next().unwrap_or(repository);
                vec![format!("{repository}#{number}"), format!("{name}#{number}")]
            }
            // A page, or a repository's file at a commit: of the repository nothing at all, but of uap-core, whose tests are cut
            // by what they test.
            None if origin.contains("://") => vec![(*origin).to_owned()],
            None if origin.starts_with("ua-parser/uap-core ") => {
                vec![origin.split_whitespace().collect()]
            }
            None if origin.contains('/') => {
                vec![origin.split([' ', ',']).next().unwrap_or(origin).to_owned()]
            }
            // A scenario's name, or a text without a place.
            None => continue,
        };
        for (path, text) in &deciding {
            let cites = |cited: &String| {
                text.match_indices(cited.as_str())
                    .any(|(at, _)| !text[at + cited.len()..].starts_with(|next: char| next.is_ascii_digit()))
            };
            assert!(!cited.iter().any(cites), "{path} cites {origin}, which is kept for measuring alone");
        }
    }
    assert!(
        held_out.len() + 1 >= tuned.len(),
        "{} for measuring, {} for tuning",
        held_out.len(),
        tuned.len()
    );
}

#[test]
fn the_published_tables_say_what_the_ruleset_does() {
    let ruleset = ruleset();
    let judged = figures::judge(&observed(), &scenarios(), &ruleset);
    let tables = tables::all(&judged);
    println!("{}", tables.long);
    let date = std::env::var("TRUTH_DATE").unwrap_or_else(|_| "2026-11-22".to_owned());
    for (path, table) in [("README.md", &tables.short), ("tests/corpus/RESULTS.md", &tables.long)] {
        let text = read(path);
        let (before, published, after) = tables::between(&text);
        if std::env::var_os("UPDATE_TRUTH").is_some() {
            let head = format!("{date}, ruleset {}, `make truth`.\n\n", ruleset.version());
            std::fs::write(workspace(path), format!("{before}\n{head}{table}{after}")).unwrap();
            continue;
        }
        // The ruleset named there is the one of that day; the figures must be those of today's.
        let figures = published.split_once("\n\n").map_or("", |(_, figures)| figures);
        assert!(
            figures.trim() == table.trim(),
            "{path} is not what `make truth` says now: UPDATE_TRUTH=1 make truth"
        );
    }
}
