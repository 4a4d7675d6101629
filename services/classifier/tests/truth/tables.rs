//! The figures as tables: counts, shares with 95 % intervals, confusion, sources.

use crate::figures::{Judged, Kind};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is published.
pub(crate) struct Tables {
    /// For the README.
    pub(crate) short: String,
    /// For the corpus' own page.
    pub(crate) long: String,
}

const BEGIN: &str = "<!-- truth: begin -->";
const END: &str = "<!-- truth: end -->";

/// A text before, between and behind the marks.
pub(crate) fn between(text: &str) -> (&str, &str, &str) {
    let (before, rest) = text.split_once(BEGIN).expect("the page has the mark at which the table begins");
    let (inside, _) = rest.split_once(END).expect("the page has the mark at which the table ends");
    let end = before.len() + BEGIN.len() + inside.len();
    (&text[..before.len() + BEGIN.len()], inside, &text[end..])
}

/// `found` of `all` as a share with its interval (Wilson, 95 %).
pub(crate) fn share(found: usize, all: usize) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    let (n, p, z) = (all as f64, found as f64 / all as f64, 1.96_f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let percent = |share: f64| share.clamp(0.0, 1.0) * 100.0;
    format!(
        "{:.1} % ({:.1}–{:.1}), {found} of {all}",
        p * 100.0,
        percent(middle - half),
        percent(middle + half)
    )
}

type Says = fn(&Judged) -> &str;

const OURS: Says = |row| &row.actor;
const WOOTHEE: Says = |row| row.woothee;

/// What is aimed for: a title, the rows it is about, the actor that is counted.
type Aim = (&'static str, fn(&Judged) -> bool, &'static str);

/// Columns of a table: a title, the rows it counts, who says.
type Column<'a> = (&'a str, &'a [&'a Judged], Says);

/// The four figures that have an aim.
fn headline(columns: &[Column<'_>]) -> String {
    let mut text = String::from("| |");
    columns.iter().for_each(|(title, ..)| text += &format!(" {title} |"));
    text += "\n| --- |";
    columns.iter().for_each(|_| text += " --- |");
    text.push('\n');
    let aims: [Aim; 4] = [
        (
            "machines' hits found (aim: at least 97 %)",
            |row| row.label.decidable && row.label.actor == "automated",
            "automated",
        ),
        (
            "people's hits called automated (aim: at most 0.5 %)",
            |row| row.label.decidable && row.label.actor == "human",
            "automated",
        ),
        (
            "people's hits called human (aim: at least 90 %)",
            |row| row.label.decidable && row.label.actor == "human",
            "human",
        ),
        ("undecidable hits called unknown (aim: at least 90 %)", |row| !row.label.decidable, "unknown"),
    ];
    for (title, picked, actor) in aims {
        let _ = write!(text, "| {title} |");
        for (_, rows, says) in columns {
            let rows: Vec<&&Judged> = rows.iter().filter(|row| picked(row)).collect();
            let found = rows.iter().filter(|row| says(row) == actor).count();
            let _ = write!(text, " {} |", share(found, rows.len()));
        }
        text.push('\n');
    }
    text
}

/// All tables.
pub(crate) fn all(judged: &[Judged]) -> Tables {
    let of = |kind: Kind, held_out: Option<bool>| -> Vec<&Judged> {
        let held = |row: &&Judged| held_out.is_none_or(|held| row.label.held_out == held);
        judged.iter().filter(|row| row.kind == kind).filter(held).collect()
    };
    let mut short = String::new();
    for (title, kind) in [("Scenarios", Kind::Scenario), ("Observed", Kind::Observed)] {
        let (measured, all) = (of(kind, Some(true)), of(kind, None));
        let columns: [Column<'_>; 3] = [
            ("sources for measuring only", &measured, OURS),
            ("all sources", &all, OURS),
            ("all sources, woothee alone", &all, WOOTHEE),
        ];
        let _ = writeln!(
            short,
            "{title}, {} hits, {} of them for measuring only:\n\n{}",
            all.len(),
            measured.len(),
            headline(&columns)
        );
    }
    let mut long = String::new();
    for (kind, name) in [(Kind::Observed, "Observed"), (Kind::Scenario, "Scenarios")] {
        for (held_out, part) in
            [(Some(false), "for tuning"), (Some(true), "for measuring only"), (None, "all")]
        {
            let rows = of(kind, held_out);
            let _ = writeln!(
                long,
                "## {name}, {part}: {} hits\n\n{}",
                rows.len(),
                headline(&[("trueopen", &rows, OURS), ("woothee alone", &rows, WOOTHEE)])
            );
        }
        let rows = of(kind, None);
        let _ = writeln!(long, "### {name}: who it was, and what was said\n\n{}", confusion(&rows));
        let _ = writeln!(long, "### {name}: each actor\n\n{}", actors(&rows));
        let _ = writeln!(long, "### {name}: each source, decidable rows\n\n{}", sources(&rows));
        let _ = writeln!(long, "### {name}: where the rows come from\n\n{}", origins(&rows));
    }
    Tables { short, long }
}

fn confusion(rows: &[&Judged]) -> String {
    let mut text = String::from(
        "| label | rows | human | automated | unknown | woothee: human | automated | unknown |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for (actor, decidable) in [("human", true), ("human", false), ("automated", true), ("automated", false)] {
        let rows: Vec<&&Judged> =
            rows.iter().filter(|row| row.label.actor == actor && row.label.decidable == decidable).collect();
        let count = |says: Says, said: &str| rows.iter().filter(|row| says(row) == said).count();
        let kind = if decidable { "decidable" } else { "undecidable" };
        let _ = write!(text, "| {actor}, {kind} | {} |", rows.len());
        for says in [OURS, WOOTHEE] {
            for said in ["human", "automated", "unknown"] {
                let _ = write!(text, " {} |", count(says, said));
            }
        }
        text.push('\n');
    }
    text
}

/// Precision and recall of an actor over all rows, and abstentions.
fn actors(rows: &[&Judged]) -> String {
    let mut text = String::from("| | precision | recall |\n| --- | --- | --- |\n");
    for (who, says) in [("trueopen", OURS), ("woothee", WOOTHEE)] {
        for actor in ["human", "automated"] {
            let said = rows.iter().filter(|row| says(row) == actor).count();
            let labelled = rows.iter().filter(|row| row.label.actor == actor).count();
            let right = rows.iter().filter(|row| row.label.actor == actor && says(row) == actor).count();
            let _ =
                writeln!(text, "| {who}: {actor} | {} | {} |", share(right, said), share(right, labelled));
        }
        let abstained = rows.iter().filter(|row| says(row) == "unknown").count();
        let _ = writeln!(text, "| {who}: abstained | {} | |", share(abstained, rows.len()));
    }
    text
}

/// Precision and recall of each source that a label names, over decidable rows.
fn sources(rows: &[&Judged]) -> String {
    let rows: Vec<&&Judged> = rows.iter().filter(|row| row.label.decidable).collect();
    let mut named: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for row in &rows {
        let (label, said) = (row.label.source.as_str(), row.source.as_str());
        if label == "unknown" {
            continue;
        }
        named.entry(label).or_default().0 += 1;
        if label == said {
            named.entry(label).or_default().2 += 1;
        }
    }
    for row in &rows {
        // Of a row whose label names nobody, another source is no mistake.
        if row.label.source != "unknown"
            && let Some(counts) = named.get_mut(row.source.as_str())
        {
            counts.1 += 1;
        }
    }
    let mut text = String::from(
        "| source | precision | recall | its actor found | its actor found by woothee alone |\n| --- | --- | --- | --- | --- |\n",
    );
    for (source, (labelled, said, right)) in named {
        let actor = |says: Says| {
            let own = rows.iter().filter(|row| row.label.source == source);
            share(own.filter(|row| says(row) == row.label.actor).count(), labelled)
        };
        let (ours, woothee) = (actor(OURS), actor(WOOTHEE));
        let _ = writeln!(
            text,
            "| {source} | {} | {} | {ours} | {woothee} |",
            share(right, said),
            share(right, labelled)
        );
    }
    text
}

/// Each origin with its rows and how many were called what.
fn origins(rows: &[&Judged]) -> String {
    let mut by: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for row in rows {
        by.entry(row.label.origin.as_str()).or_default().push(row);
    }
    let mut text = String::from(
        "| source of the labels | for | rows | human | automated | unknown |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (origin, rows) in by {
        let count = |said: &str| rows.iter().filter(|row| row.actor == said).count();
        let part = if rows[0].label.held_out { "measuring" } else { "tuning" };
        let _ = writeln!(
            text,
            "| {origin} | {part} | {} | {} | {} | {} |",
            rows.len(),
            count("human"),
            count("automated"),
            count("unknown")
        );
    }
    text
}

#[test]
fn intervals_are_wilsons() {
    // Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert_eq!(share(81, 263), "30.8 % (25.5–36.6), 81 of 263");
    assert_eq!(share(0, 20), "0.0 % (0.0–16.1), 0 of 20");
    assert_eq!(share(0, 0), "–");
}
