//! The corpus judged: by the ruleset, through the program's own way with files, and by woothee alone.

use crate::ndjson;
use crate::row::{Label, Row};
use classifier::{Ruleset, classify_file};
use serde::Deserialize;
use woothee::parser::Parser;

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Observed,
    Scenario,
}

/// One row with what was said of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) kind: Kind,
    pub(crate) label: Label,
    /// The ruleset's actor and source.
    pub(crate) actor: String,
    pub(crate) source: String,
    /// What woothee's answer amounts to.
    pub(crate) woothee: &'static str,
}

#[derive(Deserialize)]
struct Said {
    event_id: String,
    actor: String,
    source: String,
}

/// Judges all rows.
pub(crate) fn judge(observed: &[Row], scenarios: &[Row], ruleset: &Ruleset) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (kind, rows) in [(Kind::Observed, observed), (Kind::Scenario, scenarios)] {
        let mut output = Vec::new();
        let summary = classify_file(ndjson(rows).as_bytes(), &mut output, ruleset).unwrap();
        assert_eq!(summary.bad, [], "the corpus is in the format of classify-file");
        let said: Vec<Said> = String::from_utf8(output)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(said.len(), rows.len());
        for (row, said) in rows.iter().zip(said) {
            assert_eq!(row.event_id, said.event_id);
            let woothee = woothee(&row.ua);
            judged.push(Judged {
                kind,
                label: row.label.clone(),
                actor: said.actor,
                source: said.source,
                woothee,
            });
        }
    }
    judged
}

/// woothee alone: a crawler is a machine, a device with a person before it is a person, no answer is none.
fn woothee(ua: &str) -> &'static str {
    match Parser::new().parse(ua).map(|found| found.category) {
        Some("crawler") => "automated",
        Some("pc" | "smartphone" | "mobilephone" | "appliance") => "human",
        _ => "unknown",
    }
}
